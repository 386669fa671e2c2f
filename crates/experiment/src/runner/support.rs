//! The Python files that runs need.

use std::io;
use std::path::Path;
use tempfile::TempDir;

/// Creates a temporary directory with the Python files.
pub(super) fn create_support_dir() -> io::Result<TempDir> {
    let dir = tempfile::Builder::new().prefix("ungil-").tempdir()?;
    write_support(dir.path())?;
    std::fs::write(dir.path().join("ungil_imports.py"), include_str!("../../py/ungil_imports.py"))?;
    Ok(dir)
}

/// Writes the files that a workload's processes import.
pub(super) fn write_support(dir: &Path) -> io::Result<()> {
    std::fs::write(dir.join("ungil_phase.py"), crate::phase::MODULE)?;
    std::fs::write(dir.join("ungil_task.py"), include_str!("../../py/ungil_task.py"))
}
