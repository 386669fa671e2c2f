//! The documentation site: Sphinx over `docs/`, with the command line, the audit's rules and the
//! package's reference taken from the program and the package themselves.

use crate::{Done, cargo, python, root, run, target, tools};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The interpreter that runs Sphinx: parsing the package's stubs needs Python 3.12 or later.
const PYTHON: &str = "3.14";

/// The pages outside `docs/` that the site includes.
const PAGES: [&str; 3] = ["ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"];

/// `cargo xtask docs [FOLDER]`: builds the site into FOLDER, by default `target/docs-site`. Every
/// warning of Sphinx is an error, and so is a reference without a target.
pub(crate) fn docs(arguments: &[String]) -> Done {
    let site = match arguments.first() {
        Some(folder) => std::path::absolute(folder).map_err(|e| format!("{folder}: {e}"))?,
        None => target().join("docs-site"),
    };
    let sphinx = install()?;
    let program = program()?;
    // One working folder per process, so that two builds do not interfere.
    let work = target().join(format!("docs-work-{}", std::process::id()));
    let built = copy_sources(&work).and_then(|()| build(&sphinx, &program, &work, &site));
    fs::remove_dir_all(&work).map_err(|e| format!("{}: {e}", work.display()))?;
    built?;
    println!("{}", site.join("index.html").display());
    Ok(())
}

/// Installs Sphinx, unless the pinned versions are installed.
pub(crate) fn install() -> Result<PathBuf, String> {
    let requirements = root().join("docs/requirements.txt");
    let wanted = fs::read_to_string(&requirements)
        .map_err(|e| format!("{}: {e}", requirements.display()))?;
    let folder = target().join("python/sphinx");
    let there = folder.join("requirements.txt");
    if fs::read_to_string(&there).is_ok_and(|versions| versions == wanted) {
        return Ok(folder);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    let mut pip = Command::new("python3");
    pip.env("PYTHONPATH", tools::pip()?);
    pip.args(["-m", "pip", "--quiet", "--disable-pip-version-check", "--python"]);
    pip.arg(python::interpreter(PYTHON)?);
    pip.args(["install", "--root-user-action=ignore", "--only-binary=:all:", "--target"])
        .arg(&folder);
    run(pip.arg("-r").arg(&requirements))?;
    // Written last, so that an interrupted installation is repeated.
    fs::write(&there, wanted).map_err(|e| format!("{}: {e}", there.display()))?;
    Ok(folder)
}

/// Returns the program whose help the reference shows: `$UNGIL_BIN`, or a new build.
fn program() -> Result<PathBuf, String> {
    if let Some(program) = std::env::var_os("UNGIL_BIN") {
        return Ok(program.into());
    }
    // Builds the whole workspace, as for the tests: one package alone would select other features
    // of the dependencies and compile them again.
    run(Command::new(cargo()).current_dir(root()).args(["build", "--workspace", "--bins"]))?;
    Ok(target().join("debug/ungil"))
}

/// Copies the sources of the site, because Sphinx's extensions write pages beside them.
fn copy_sources(work: &Path) -> Done {
    let failed = |e: std::io::Error| format!("{}: {e}", work.display());
    fs::create_dir_all(work.join("python")).map_err(failed)?;
    for page in PAGES {
        fs::copy(root().join(page), work.join(page)).map_err(failed)?;
    }
    copy(&root().join("docs"), &work.join("docs")).map_err(failed)?;
    copy(&root().join("python/ungil"), &work.join("python/ungil")).map_err(failed)
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &place)?;
        } else {
            fs::copy(entry.path(), place)?;
        }
    }
    Ok(())
}

/// Runs Sphinx with the installed package, or with one built for it.
fn build(sphinx: &Path, program: &Path, work: &Path, site: &Path) -> Done {
    let mut arguments: Vec<String> =
        ["-q", "-b", "html", "-W", "--keep-going", "-n"].map(String::from).to_vec();
    arguments.extend(["-D".into(), format!("ungil_program={}", program.display()), "-d".into()]);
    for folder in [work.join("doctrees"), work.join("docs"), site.to_path_buf()] {
        arguments.push(folder.display().to_string());
    }
    let packages =
        std::env::var_os("UNGIL_PACKAGES").map_or_else(|| target().join("python"), PathBuf::from);
    let installed = packages.join("installed").join(PYTHON);
    if !installed.is_dir() {
        let start = format!(
            "import sys; sys.path.insert(0, {sphinx:?}); \
             from sphinx.cmd.build import main; sys.exit(main(sys.argv[1:]))"
        );
        let mut call = vec![PYTHON.into(), "-c".into(), start];
        call.append(&mut arguments);
        return python::python(&call);
    }
    let path = std::env::join_paths([sphinx, &installed]).map_err(|e| e.to_string())?;
    let mut command = Command::new(python::interpreter(PYTHON)?);
    command.env("PYTHONPATH", path).env("PYTHONDONTWRITEBYTECODE", "1");
    run(command.args(["-m", "sphinx"]).args(arguments))
}
