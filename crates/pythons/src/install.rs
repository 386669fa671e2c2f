//! Gets an interpreter that is missing, and leaves either all of it or nothing.
//!
//! However it is made, it is made in a staging folder that `find` does not look into, run there,
//! and moved to its place by one rename. So an install can be cut off anywhere. Run again, it finds
//! what it made and does nothing.

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

/// Installs what `spec` names (`3.14t`, `3.15`, with uv also `3.14.2`, `pypy3.11`) into
/// [`installed_dir`]. Each step that takes time is said in a line before it.
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
    // Before the folder is locked: what cannot be installed need not wait for another install.
    let uv = refuse_unless_possible(&wanted, search, how)?;
    let dir = std::path::absolute(&search.own)
        .map_err(|source| Error::Folder { path: search.own.clone(), source })?;
    let held = Held::take(&dir, say)?;
    if let Some(interpreter) = installed(&wanted, search) {
        return Ok(Installed { interpreter, already_there: true }); // made by the install that was waited for
    }
    let job = Job { name: &name, search, staging: held.staging(&name)?, target: dir.join(&name) };
    let made = make(&job, &held, uv.as_deref(), how, say)?;
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
    let own =
        Search { own: search.own.clone(), time_limit: search.time_limit, ..Search::default() };
    find(&own).into_iter().find(|i| wanted.matches(i))
}

/// Returns the uv to use, if any, or says why there is no way to install it here.
fn refuse_unless_possible(
    wanted: &Spec,
    search: &Search,
    how: Installer,
) -> Result<Option<PathBuf>, Error> {
    let name = wanted.to_string();
    let there = search.command("uv");
    let uv = there.clone().filter(|_| how != Installer::Assemble);
    let has_recipe = assemble::knows(&name);
    if uv.is_some() || (has_recipe && how != Installer::Uv) {
        return Ok(uv);
    }
    let recipes = assemble::RECIPES.join(", ");
    let why = match how {
        Installer::Uv => "there is no uv on the search path".to_owned(),
        _ => format!("ungil itself can assemble {recipes}"),
    };
    let help = if has_recipe {
        "leave --with away, and ungil assembles it".to_owned()
    } else if there.is_some() {
        "leave --with away, and uv is asked for it".to_owned()
    } else {
        let is_other = matches!(wanted, Spec::Version { implementation, .. } if *implementation != Implementation::CPython);
        let uv_too = if is_other || assemble::installable(wanted).is_some() {
            "put uv on the PATH, or "
        } else {
            ""
        };
        format!(
            "{uv_too}install it by other means and add its folder to $UNGIL_PYTHONS: --python {name} finds it there"
        )
    };
    Err(Error::NoRecipe { spec: name, why, help })
}

/// Makes it in the staging folder and says where there.
fn make(
    job: &Job,
    held: &Held,
    uv: Option<&Path>,
    how: Installer,
    say: &mut dyn FnMut(&str),
) -> Result<PathBuf, Error> {
    if let Some(uv) = uv {
        match uv::install(uv, job, held, say) {
            Err(error @ (Error::Uv { .. } | Error::Broken { .. }))
                if how == Installer::Auto && assemble::knows(job.name) =>
            {
                say(&format!("{error}: {}; assembling it instead", error.why()));
            }
            other => return other,
        }
    }
    assemble::install(job, say)
}

/// Moves what was made to its place and runs it there. If it does not answer as it should, it does
/// not stay.
fn settle(job: &Job, wanted: &Spec, made: &Path) -> Result<Interpreter, Error> {
    let folder = |source| Error::Folder { path: job.target.clone(), source };
    if job.target.symlink_metadata().is_ok() {
        // Not running, or it would have been found: whatever it is, it goes away with the staging
        // folder.
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
