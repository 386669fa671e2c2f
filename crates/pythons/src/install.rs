//! Installs an interpreter, completely or not at all.
//!
//! It is built in a staging folder that `find` does not search, checked, and moved to its final
//! path by one rename, so that an installation can be interrupted at any point. If it is already
//! installed, nothing is done.

use crate::find::find;
use crate::inspect::inspect;
use crate::lock::{InstallLock, StagingDir};
use crate::{Error, Implementation, Interpreter, Origin, Search, Spec, assemble, uv};
use std::fs;
use std::path::{Path, PathBuf};

/// How to install an interpreter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Installer {
    /// uv if it is available and succeeds, otherwise assembled.
    #[default]
    Auto,
    /// `uv python install` only.
    Uv,
    /// Assembled from PyPI and Debian packages only.
    Assemble,
}

/// The result of an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The interpreter at its final path.
    pub interpreter: Interpreter,
    /// It was already installed.
    pub already_there: bool,
}

/// Returns the folder of installed interpreters.
pub fn installed_dir(search: &Search) -> PathBuf {
    search.own.clone()
}

/// Installs an interpreter (`3.14t`, `3.15`; with uv also `3.14.2`, `pypy3.11`) into
/// [`installed_dir`]. `say` receives a line before each step that takes time.
pub fn install(
    spec: &str,
    search: &Search,
    how: Installer,
    say: &mut dyn FnMut(&str),
) -> Result<Installed, Error> {
    let wanted = Spec::parse(spec);
    let installable = match &wanted {
        Spec::Version { implementation: Implementation::CPython, minor, .. } => minor.is_some(),
        Spec::Version { .. } => true,
        _ => false,
    };
    if !installable {
        let why = "it is not a version such as 3.14 or 3.14t".to_owned();
        let help =
            format!("name one of {}, or with uv another version", assemble::RECIPES.join(", "));
        return Err(Error::NoRecipe { spec: spec.to_owned(), why, help });
    }
    if let Some(interpreter) = installed(&wanted, search) {
        return Ok(Installed { interpreter, already_there: true });
    }
    let name = wanted.to_string();
    // Checked before locking, so that a request that cannot be fulfilled does not wait.
    let uv = check_possible(&wanted, search, how)?;
    let dir = std::path::absolute(&search.own)
        .map_err(|source| Error::Folder { path: search.own.clone(), source })?;
    let lock = InstallLock::acquire(&dir, say)?;
    if let Some(interpreter) = installed(&wanted, search) {
        // Another process installed it while this one waited for the lock.
        return Ok(Installed { interpreter, already_there: true });
    }
    let job =
        InstallJob { name: &name, search, staging: lock.staging(&name)?, target: dir.join(&name) };
    let built = build(&job, &lock, uv.as_deref(), how, say)?;
    let interpreter = move_to_target(&job, &wanted, &built)?;
    Ok(Installed { interpreter, already_there: false })
}

/// An interpreter to install.
pub(crate) struct InstallJob<'a> {
    /// `3.14t`.
    pub(crate) name: &'a str,
    pub(crate) search: &'a Search,
    /// Where it is built.
    pub(crate) staging: StagingDir,
    /// The final prefix, which is written into the interpreter's files.
    pub(crate) target: PathBuf,
}

fn installed(wanted: &Spec, search: &Search) -> Option<Interpreter> {
    let own =
        Search { own: search.own.clone(), time_limit: search.time_limit, ..Search::default() };
    find(&own).into_iter().find(|i| wanted.matches(i))
}

/// Checks that an interpreter can be installed; returns the uv to use, if any.
fn check_possible(
    wanted: &Spec,
    search: &Search,
    how: Installer,
) -> Result<Option<PathBuf>, Error> {
    let name = wanted.to_string();
    let found_uv = search.command("uv");
    let uv = found_uv.clone().filter(|_| how != Installer::Assemble);
    let has_recipe = assemble::has_recipe(&name);
    if uv.is_some() || (has_recipe && how != Installer::Uv) {
        return Ok(uv);
    }
    let recipes = assemble::RECIPES.join(", ");
    let why = match how {
        Installer::Uv => "uv is not on the search path".to_owned(),
        _ => format!("ungil itself can only assemble {recipes}"),
    };
    let help = if has_recipe {
        "leave out --with, so that ungil assembles it".to_owned()
    } else if found_uv.is_some() {
        "leave out --with, so that uv installs it".to_owned()
    } else {
        let is_other = matches!(wanted, Spec::Version { implementation, .. } if *implementation != Implementation::CPython);
        let uv_too = if is_other || assemble::installable(wanted).is_some() {
            "put uv on the PATH, or "
        } else {
            ""
        };
        format!(
            "{uv_too}install it by other means and add its folder to $UNGIL_PYTHONS, where --python {name} finds it"
        )
    };
    Err(Error::NoRecipe { spec: name, why, help })
}

/// Builds an interpreter in the staging folder and returns its prefix.
fn build(
    job: &InstallJob,
    lock: &InstallLock,
    uv: Option<&Path>,
    how: Installer,
    say: &mut dyn FnMut(&str),
) -> Result<PathBuf, Error> {
    if let Some(uv) = uv {
        match uv::install(uv, job, lock, say) {
            Err(error @ (Error::Uv { .. } | Error::Broken { .. }))
                if how == Installer::Auto && assemble::has_recipe(job.name) =>
            {
                say(&format!("{error}: {}; assembling it instead", error.why()));
            }
            other => return other,
        }
    }
    assemble::install(job, say)
}

/// Moves a built interpreter to its target and runs it there. If it is not the requested one, it is
/// removed again.
fn move_to_target(job: &InstallJob, wanted: &Spec, built: &Path) -> Result<Interpreter, Error> {
    let folder = |source| Error::Folder { path: job.target.clone(), source };
    if job.target.symlink_metadata().is_ok() {
        // It does not work, or it would have been found. It is removed with the staging folder.
        fs::rename(&job.target, job.staging.path().join("before")).map_err(folder)?;
    }
    fs::rename(built, &job.target).map_err(folder)?;
    // Searched, not only run: this is how the next search will list it.
    if let Some(found) = installed(wanted, job.search) {
        return Ok(found);
    }
    let why = match inspect(&job.target, Origin::Ungil) {
        Ok(found) => format!("it is {}", found.describe()),
        Err(error) => format!("{error}: {}", error.why()),
    };
    fs::rename(&job.target, job.staging.path().join("broken")).map_err(folder)?;
    Err(Error::Broken { spec: job.name.to_owned(), why })
}
