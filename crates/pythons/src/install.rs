//! Gets an interpreter that is missing, and leaves either all of it or nothing.
//!
//! However it is made, it is made in a staging folder that `find` does not look into, run there, and moved to its place
//! by one rename. So an install can be cut off anywhere. Run again, it finds what it made and does nothing.

use crate::find::find;
use crate::inspect::inspect;
use crate::lock::{Held, Staging};
use crate::{Error, Implementation, Interpreter, Origin, Search, Spec, assemble, uv};
use std::fs;
use std::path::{Path, PathBuf};

/// How to get it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Installer {
    /// uv where it is there and can reach its source, otherwise assembled.
    #[default]
    Auto,
    /// `uv python install`, or nothing.
    Uv,
    /// Assembled from PyPI and Debian packages, uv or not.
    Assemble,
}

/// What an install came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The interpreter, as it answered from its final place.
    pub interpreter: Interpreter,
    /// It was there before and nothing was done.
    pub already_there: bool,
}

/// The folder that `install` fills and `find` looks into.
pub fn installed_dir(search: &Search) -> PathBuf {
    search.own.clone()
}

/// Installs what `spec` names (`3.14t`, `3.15`, with uv also `3.14.2`, `pypy3.11`) into [`installed_dir`]. Each step
/// that takes time is said in a line before it.
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
        return Err(Error::NoRecipe { spec: spec.to_owned(), why });
    }
    if let Some(interpreter) = installed(&wanted, search) {
        return Ok(Installed { interpreter, already_there: true });
    }
    let dir = std::path::absolute(&search.own)
        .map_err(|source| Error::Folder { path: search.own.clone(), source })?;
    let held = Held::take(&dir, say)?;
    if let Some(interpreter) = installed(&wanted, search) {
        return Ok(Installed { interpreter, already_there: true }); // made by the install that was waited for
    }
    let name = wanted.to_string();
    let job = Job { name: &name, search, staging: held.staging(&name)?, target: dir.join(&name) };
    let made = make(&job, &held, how, say)?;
    let interpreter = settle(&job, &wanted, &made)?;
    Ok(Installed { interpreter, already_there: false })
}

/// One thing to make: what the two ways of making it need to know.
pub(crate) struct Job<'a> {
    /// `3.14t`.
    pub(crate) name: &'a str,
    pub(crate) search: &'a Search,
    /// Where to work, and to leave the result.
    pub(crate) staging: Staging,
    /// Where it will be: prefixes written into files must be this one.
    pub(crate) target: PathBuf,
}

fn installed(wanted: &Spec, search: &Search) -> Option<Interpreter> {
    let own = Search { own: search.own.clone(), time_limit: search.time_limit, ..Search::default() };
    find(&own).into_iter().find(|i| wanted.matches(i))
}

/// Makes it in the staging folder and says where there.
fn make(job: &Job, held: &Held, how: Installer, say: &mut dyn FnMut(&str)) -> Result<PathBuf, Error> {
    let spec = || job.name.to_owned();
    let uv = job.search.command("uv").filter(|_| how != Installer::Assemble);
    let has_recipe = assemble::knows(job.name);
    if let Some(uv) = &uv {
        match uv::install(uv, job, held, say) {
            Err(error @ (Error::Uv { .. } | Error::Broken { .. }))
                if how == Installer::Auto && has_recipe =>
            {
                say(&format!("{error}: {}; assembling it instead", error.why()));
            }
            other => return other,
        }
    }
    if how == Installer::Uv {
        return Err(Error::Uv { spec: spec(), why: "there is no uv on the search path".to_owned() });
    }
    if !has_recipe {
        let instead = if uv.is_none() { "uv could, but is not on the search path; " } else { "" };
        let why = format!("{instead}ungil itself can assemble {}", assemble::RECIPES.join(", "));
        return Err(Error::NoRecipe { spec: spec(), why });
    }
    assemble::install(job, say)
}

/// Moves what was made to its place and runs it there. If it does not answer as it should, it does not stay.
fn settle(job: &Job, wanted: &Spec, made: &Path) -> Result<Interpreter, Error> {
    let folder = |source| Error::Folder { path: job.target.clone(), source };
    if job.target.symlink_metadata().is_ok() {
        // Not running, or it would have been found: whatever it is, it goes away with the staging folder.
        fs::rename(&job.target, job.staging.path().join("before")).map_err(folder)?;
    }
    fs::rename(made, &job.target).map_err(folder)?;
    if let Some(found) = installed(wanted, job.search) {
        return Ok(found); // found, and not only run: as the next search will list it
    }
    let verdict = match inspect(&job.target, Origin::Ungil) {
        Ok(found) => format!("it is {}", found.describe()),
        Err(error) => format!("{error}: {}", error.why()),
    };
    fs::rename(&job.target, job.staging.path().join("broken")).map_err(folder)?;
    Err(Error::Broken { spec: job.name.to_owned(), why: verdict })
}
