//! The documentation site: Sphinx over `docs/`, with the command line, the audit's rules and the
//! package's reference taken from the program and the package themselves.

use crate::python::{interpreter, python};
use crate::{Done, cargo, root, run, target, tools};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The interpreter that runs Sphinx: the stubs need a parser of 3.12 or later.
const PYTHON: &str = "3.14";

/// What the pages are made from, beside `docs/`.
const PAGES: [&str; 3] = ["ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"];

/// `cargo xtask docs [FOLDER]`: builds the site into FOLDER, by default `target/docs-site`. A
/// warning is an error, and so is a reference that leads nowhere.
pub(crate) fn docs(arguments: &[String]) -> Done {
    let site = arguments.first().map_or_else(|| target().join("docs-site"), PathBuf::from);
    let sphinx = install()?;
    let work = tempfile_folder(&site)?;
    let source = work.join("source");
    copy_sources(&source)?;
    let program = match std::env::var_os("UNGIL_BIN") {
        Some(program) => PathBuf::from(program),
        None => {
            // The whole workspace, as `cargo xtask test` builds it: one package alone would select
            // other features of the dependencies and compile them again.
            run(Command::new(cargo()).current_dir(root()).args(["build", "--workspace", "--bins"]))?;
            target().join("debug/ungil")
        }
    };
    let build = [
        "-q", "-b", "html", "-W", "--keep-going", "-n", "-d",
    ]
    .map(String::from)
    .into_iter()
    .chain([work.join("doctrees"), source.join("docs"), site.clone()].map(|p| p.display().to_string()));
    let installed = target().join("python/installed").join(PYTHON);
    let built = if installed.is_dir() {
        let mut command = Command::new(interpreter(PYTHON)?);
        let path = std::env::join_paths([&sphinx, &installed]).map_err(|e| e.to_string())?;
        command.env("PYTHONPATH", path).env("PYTHONDONTWRITEBYTECODE", "1");
        run(command.env("UNGIL_BIN", &program).args(["-m", "sphinx"]).args(build))
    } else {
        todo!()
    };
    fs::remove_dir_all(&work).map_err(|e| format!("{}: {e}", work.display()))?;
    built?;
    println!("{}", site.join("index.html").display());
    Ok(())
}
