//! Determines the kind of a target by its name and content.

use super::AuditError;
use crate::environment;
use crate::inventory::ExtensionFile;
use crate::requirements;
use std::path::{Path, PathBuf};

/// Kind of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TargetKind {
    /// Folders of `sys.path`.
    Environment(Vec<PathBuf>),
    Wheel,
    Module,
    /// A folder of sources, or one source.
    Sources,
    /// A lock file or a requirements file.
    Requirements,
}

/// Determines the kind of a target.
pub(super) fn classify(path: &Path) -> Result<TargetKind, AuditError> {
    let unreadable = |why: std::io::Error| AuditError::Unreadable {
        path: path.to_owned(),
        why: why.to_string(),
    };
    let metadata = path.metadata().map_err(unreadable)?;
    if metadata.is_dir() {
        let folders = environment::folders(path);
        let is_environment = folders != [path.to_owned()] || has_info(path).map_err(unreadable)?;
        return Ok(if is_environment {
            TargetKind::Environment(folders)
        } else {
            TargetKind::Sources
        });
    }
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let ending =
        path.extension().and_then(|end| end.to_str()).unwrap_or_default().to_ascii_lowercase();
    match ending.as_str() {
        "whl" => Ok(TargetKind::Wheel),
        "py" | "pyw" => Ok(TargetKind::Sources),
        _ if requirements::is_requirements_file(path) => Ok(TargetKind::Requirements),
        _ if ExtensionFile::new(name, path.to_owned()).is_some() => Ok(TargetKind::Module),
        _ => interpreter(path).ok_or_else(|| AuditError::Unknown(path.to_owned())),
    }
}

/// Returns a single module.
pub(super) fn module(path: &Path) -> Option<ExtensionFile> {
    let name = path.file_name()?.to_str()?;
    ExtensionFile::new(name, path.to_owned())
}

/// Returns whether a folder contains distributions.
fn has_info(path: &Path) -> std::io::Result<bool> {
    let named =
        path.file_name().is_some_and(|name| name == "site-packages" || name == "dist-packages");
    let mut entries = std::fs::read_dir(path)?.flatten();
    Ok(named
        || entries.any(|entry| {
            entry.file_name().to_str().is_some_and(|name| name.ends_with(".dist-info"))
        }))
}

/// Returns the environment of an interpreter `PREFIX/bin/python3`.
fn interpreter(path: &Path) -> Option<TargetKind> {
    let name = path.file_name()?.to_str()?;
    let bin = path.parent()?;
    if !name.starts_with("python") || !matches!(bin.file_name()?.to_str()?, "bin" | "Scripts") {
        return None;
    }
    let folders = environment::folders(bin.parent()?);
    (folders != [bin.parent()?.to_owned()]).then_some(TargetKind::Environment(folders))
}
