//! What workloads import beside the standard library: NumPy, from a wheel, into a folder of ungil's
//! own with one folder an interpreter; and the Python package `ungil`, where someone has put it.
//!
//! pip comes from whoever has one: the interpreter itself, uv, or `python3`, whose pip may be too
//! old to know free-threaded builds and so gets the newest first.

use std::path::PathBuf;
use std::process::Command;
use ungil_experiment::pythons::{Interpreter, Search};

/// Where packages are, and who may fetch them.
#[derive(Debug, Clone)]
pub struct Packages {
    /// `UNGIL_HOME/suite`.
    home: PathBuf,
    /// Whether anything may be fetched.
    install: bool,
}

/// The names of the package `ungil` that the fixed forms use.
const OURS: &str =
    "from ungil import Adder, AppendList, Array, ConcurrentDict, Queue, share; import ungil";

impl Packages {
    /// The packages under `UNGIL_HOME`, fetched where they are not there if `install`.
    pub fn new(search: &Search, install: bool) -> Packages {
        let own = search.own.parent().unwrap_or(&search.own);
        Packages { home: own.join("suite"), install }
    }

    /// The folder that workloads are told of: in it one folder an interpreter.
    pub fn folder(&self) -> PathBuf {
        self.home.join("packages")
    }

    /// An interpreter's own folder, named as `ungil_suite.py` looks for it.
    fn of(&self, python: &Interpreter) -> PathBuf {
        let v = &python.version;
        let t = if python.free_threaded { "t" } else { "" };
        self.folder().join(format!("cpython-{}{}{t}", v.major, v.minor))
    }

    /// Sees to it that every interpreter has NumPy. Gives what to note of versions; the error is
    /// why one has not.
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
                        "NumPy for {}: fetching a wheel into {}",
                        python.name,
                        self.of(python).display()
                    ));
                    self.fetch(python)?;
                    let broken = |why| {
                        format!(
                            "NumPy was fetched for {} and cannot be imported: {why}",
                            python.name
                        )
                    };
                    self.version(python, "import numpy").map_err(broken)?
                }
                Err(why) => {
                    return Err(format!(
                        "{} has no NumPy ({why}), and none may be fetched",
                        python.name
                    ));
                }
            };
            versions.push(format!("NumPy {here} on {}", python.name));
        }
        Ok(versions.join(", "))
    }

    /// Whether every interpreter can import what the fixed forms need of the package `ungil`.
    ///
    /// # Errors
    /// The reason, in one line.
    pub fn ungil(&self, pythons: &[Interpreter]) -> Result<(), String> {
        for python in pythons {
            self.version(python, OURS).map_err(|why| {
                let place = self.of(python);
                format!(
                    "{} cannot import the package ungil ({why}); pip install --target {} has it found",
                    python.name,
                    place.display()
                )
            })?;
        }
        Ok(())
    }

    /// The version of what `import` imports last, seen with the interpreter's folder in front.
    fn version(&self, python: &Interpreter, import: &str) -> Result<String, String> {
        let module = import.rsplit(' ').next().unwrap_or_default();
        let code = format!(
            "import sys; sys.path.insert(0, sys.argv[1]); {import}; print(getattr({module}, '__version__', ''))"
        );
        let mut command = Command::new(&python.executable);
        said(command.arg("-c").arg(code).arg(self.of(python)))
    }

    fn fetch(&self, python: &Interpreter) -> Result<(), String> {
        let place = self.of(python);
        let wheel = ["--only-binary", ":all:", "--upgrade", "--target"];
        let pip = |command: &mut Command| {
            let options = ["-m", "pip", "--quiet", "--disable-pip-version-check", "install"];
            said(command.args(options).args(wheel).arg(&place).arg("numpy"))
        };
        let own = pip(&mut Command::new(&python.executable));
        let Err(own) = own else { return Ok(()) };
        let mut uv = Command::new("uv");
        let uv = uv.args(["pip", "install", "--quiet", "--python"]).arg(&python.executable);
        let uv = said(
            uv.args(["--only-binary", ":all:", "--upgrade", "--target"]).arg(&place).arg("numpy"),
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
        let other = said(other.args(options).arg(&newest).arg("pip"))
            .and_then(|_| pip(Command::new(&python.executable).env("PYTHONPATH", &newest)));
        let Err(other) = other else { return Ok(()) };
        Err(format!(
            "no wheel of NumPy could be had for {}: its own pip: {own}; uv: {uv}; python3's pip: {other}",
            python.name
        ))
    }
}

/// What a command printed; the error is its last word, or why it did not start.
fn said(command: &mut Command) -> Result<String, String> {
    let out = command.stdin(std::process::Stdio::null()).output().map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => "not installed".to_string(),
        _ => e.to_string(),
    })?;
    if out.status.success() {
        return Ok(String::from_utf8_lossy(&out.stdout).trim().to_string());
    }
    let words = String::from_utf8_lossy(&out.stderr);
    let last = words.lines().rev().find(|l| !l.trim().is_empty() && !l.starts_with("WARNING"));
    Err(last.map_or_else(|| out.status.to_string(), |l| l.trim().chars().take(200).collect()))
}
