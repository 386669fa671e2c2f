//! What a target is, by its name and its content.

use super::AuditError;
use crate::environment;
use crate::inventory::ExtensionFile;
use crate::requirements;
use std::path::{Path, PathBuf};

/// What can be audited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TargetKind {
    /// Folders of `sys.path`.
    Environment(Vec<PathBuf>),
    /// A wheel.
    Wheel,
    /// One extension module.
    Module,
    /// A folder of sources, or a source.
    Sources,
    /// A lock file or requirements.
    Requirements,
}

/// Tells what a target is.
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

/// One module by itself.
pub(super) fn module(path: &Path) -> Option<ExtensionFile> {
    let name = path.file_name()?.to_str()?;
    ExtensionFile::new(name, path.to_owned())
}

/// A folder with distributions in it.
fn has_info(path: &Path) -> std::io::Result<bool> {
    let named =
        path.file_name().is_some_and(|name| name == "site-packages" || name == "dist-packages");
    let mut entries = std::fs::read_dir(path)?.flatten();
    Ok(named
        || entries.any(|entry| {
            entry.file_name().to_str().is_some_and(|name| name.ends_with(".dist-info"))
        }))
}

/// `PREFIX/bin/python3`: the environment of its prefix.
fn interpreter(path: &Path) -> Option<TargetKind> {
    let name = path.file_name()?.to_str()?;
    let bin = path.parent()?;
    if !name.starts_with("python") || !matches!(bin.file_name()?.to_str()?, "bin" | "Scripts") {
        return None;
    }
    let folders = environment::folders(bin.parent()?);
    (folders != [bin.parent()?.to_owned()]).then_some(TargetKind::Environment(folders))
}
