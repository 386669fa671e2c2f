//! Provides the packages that workloads import: NumPy, installed from a wheel into a folder of
//! ungil's own with one folder per interpreter, and the Python package `ungil`, if the user has
//! installed it.
//!
//! pip is taken from the interpreter itself, from uv, or from `python3`, whose pip may be too old
//! to know free-threaded builds and therefore first installs the newest pip.

use std::path::PathBuf;
use std::process::Command;
use ungil_experiment::pythons::{Interpreter, Search};

/// The location of packages, and whether they may be installed.
#[derive(Debug, Clone)]
pub struct Packages {
    /// `UNGIL_HOME/suite`.
    home: PathBuf,
    /// Whether packages may be downloaded.
    install: bool,
}

/// Imports of the package `ungil` that the fixed forms need.
const UNGIL_IMPORTS: &str =
    "from ungil import Adder, AppendList, Array, ConcurrentDict, Queue, share; import ungil";

impl Packages {
    /// Creates the packages under `UNGIL_HOME`; missing ones are downloaded if `install` is true.
    pub fn new(search: &Search, install: bool) -> Packages {
        let own = search.own.parent().unwrap_or(&search.own);
        Packages { home: own.join("suite"), install }
    }

    /// Returns the folder passed to workloads, which contains one folder per interpreter.
    pub fn folder(&self) -> PathBuf {
        self.home.join("packages")
    }

    /// Returns an interpreter's own folder, named as `ungil_suite.py` expects.
    fn interpreter_folder(&self, python: &Interpreter) -> PathBuf {
        let v = &python.version;
        let t = if python.free_threaded { "t" } else { "" };
        self.folder().join(format!("cpython-{}{}{t}", v.major, v.minor))
    }

    /// Ensures that every interpreter has NumPy. Returns a note on the versions. `say` is called
    /// with progress messages.
    ///
    /// # Errors
    /// The reason, in one line.
    pub fn numpy(
        &self,
        pythons: &[Interpreter],
        say: &mut dyn FnMut(&str),
    ) -> Result<String, String> {
        let mut versions: Vec<String> = Vec::new();
        for python in pythons {
            let here = match self.version(python, "import numpy") {
                Ok(version) => version,
                Err(_) if self.install => {
                    say(&format!(
                        "NumPy for {}: downloading a wheel into {}",
                        python.name,
                        self.interpreter_folder(python).display()
                    ));
                    self.install_numpy(python)?;
                    let broken = |why| {
                        format!(
                            "NumPy was installed for {} but cannot be imported: {why}",
                            python.name
                        )
                    };
                    self.version(python, "import numpy").map_err(broken)?
                }
                Err(why) => {
                    return Err(format!(
                        "{} has no NumPy ({why}), and downloading is disabled",
                        python.name
                    ));
                }
            };
            versions.push(format!("NumPy {here} on {}", python.name));
        }
        Ok(versions.join(", "))
    }

    /// Checks that every interpreter can import what the fixed forms need of the package `ungil`.
    ///
    /// # Errors
    /// The reason, in one line.
    pub fn ungil(&self, pythons: &[Interpreter]) -> Result<(), String> {
        for python in pythons {
            self.version(python, UNGIL_IMPORTS).map_err(|why| {
                let folder = self.interpreter_folder(python);
                format!(
                    "{} cannot import the package ungil ({why}); install it with pip install --target {}",
                    python.name,
                    folder.display()
                )
            })?;
        }
        Ok(())
    }

    /// Returns the version of the last module in `import`, imported with the interpreter's folder
    /// first in `sys.path`.
    fn version(&self, python: &Interpreter, import: &str) -> Result<String, String> {
        let module = import.rsplit(' ').next().unwrap_or_default();
        let code = format!(
            "import sys; sys.path.insert(0, sys.argv[1]); {import}; print(getattr({module}, '__version__', ''))"
        );
        let mut command = Command::new(&python.executable);
        output_of(command.arg("-c").arg(code).arg(self.interpreter_folder(python)))
    }

    fn install_numpy(&self, python: &Interpreter) -> Result<(), String> {
        let folder = self.interpreter_folder(python);
        let wheel = ["--only-binary", ":all:", "--upgrade", "--target"];
        let pip = |command: &mut Command| {
            let options = ["-m", "pip", "--quiet", "--disable-pip-version-check", "install"];
            output_of(command.args(options).args(wheel).arg(&folder).arg("numpy"))
        };
        let own = pip(&mut Command::new(&python.executable));
        let Err(own) = own else { return Ok(()) };
        let mut uv = Command::new("uv");
        let uv = uv.args(["pip", "install", "--quiet", "--python"]).arg(&python.executable);
        let uv = output_of(
            uv.args(["--only-binary", ":all:", "--upgrade", "--target"]).arg(&folder).arg("numpy"),
        );
        let Err(uv) = uv else { return Ok(()) };
        let newest = self.home.join("pip");
        let mut other = Command::new("python3");
        let options = [
            "-m",
            "pip",
            "--quiet",
            "--disable-pip-version-check",
            "install",
            "--upgrade",
            "--target",
        ];
        let other = output_of(other.args(options).arg(&newest).arg("pip"))
            .and_then(|_| pip(Command::new(&python.executable).env("PYTHONPATH", &newest)));
        let Err(other) = other else { return Ok(()) };
        Err(format!(
            "cannot install a NumPy wheel for {}: its own pip: {own}; uv: {uv}; python3's pip: {other}",
            python.name
        ))
    }
}

/// Runs a command and returns its standard output. The error is its last line of standard error, or
/// why it did not start.
fn output_of(command: &mut Command) -> Result<String, String> {
    let out = command.stdin(std::process::Stdio::null()).output().map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => "not installed".to_string(),
        _ => e.to_string(),
    })?;
    if out.status.success() {
        return Ok(String::from_utf8_lossy(&out.stdout).trim().to_string());
    }
    let stderr = String::from_utf8_lossy(&out.stderr);
    let last = stderr.lines().rev().find(|l| !l.trim().is_empty() && !l.starts_with("WARNING"));
    Err(last.map_or_else(|| out.status.to_string(), |l| l.trim().chars().take(200).collect()))
}
