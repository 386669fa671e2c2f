//! Installs packages with uv. It knows the tags of free-threaded builds and links files from its
//! cache, so that a hundred environments with NumPy take the space and time of one.

use crate::AnyResult;
use crate::corpus::Package;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Installs packages with uv.
#[derive(Debug)]
pub struct Installer {
    uv: PathBuf,
    /// Folder for installations.
    scratch: PathBuf,
}

/// The result of an installation.
#[derive(Debug)]
pub enum Installed {
    /// The package is installed.
    Done {
        /// Folder with the package only.
        own: PathBuf,
        /// Folder with the package and its requirements.
        others: PathBuf,
        /// Why the requirements could not be installed.
        missing: Option<String>,
    },
    /// The index has no wheel of the package for this build.
    NoWheel,
    /// AnyResult other error.
    Failed(String),
}

impl Installer {
    /// Uses the uv on the path, or installs one with pip.
    pub fn new(scratch: &Path) -> AnyResult<Installer> {
        let installer = |uv: PathBuf| Installer { uv, scratch: scratch.to_owned() };
        let on_path = installer("uv".into());
        if on_path.version().is_ok() {
            return Ok(on_path);
        }
        let tools = scratch.join("tools");
        let own = installer(tools.join("bin/uv"));
        if own.version().is_err() {
            let mut pip = Command::new("python3");
            pip.args(["-m", "pip", "install", "-qq", "--upgrade", "--target"]).arg(tools).arg("uv");
            if !pip.status()?.success() {
                return Err("pip could not install uv; install it and try again".into());
            }
        }
        own.version()?;
        Ok(own)
    }

    /// Returns `uv 0.13.9`.
    pub fn version(&self) -> AnyResult<String> {
        let output = Command::new(&self.uv).arg("--version").output()?;
        let words = String::from_utf8(output.stdout)?;
        Ok(words.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
    }

    /// Installs a package for an interpreter.
    pub fn install(&self, package: &Package, build: &str, python: &Path) -> AnyResult<Installed> {
        let place = self.scratch.join(build).join("packages").join(&package.name);
        if place.exists() {
            std::fs::remove_dir_all(&place)?;
        }
        let (own, others) = (place.join("own"), place.join("others"));
        let pinned = package.pinned();
        if let Err(why) = self.uv(python, &own, [OsStr::new("--no-deps"), pinned.as_ref()])? {
            let none = ["has no wheels", "no usable wheels", "we only found wheels"];
            let is_none = none.iter().any(|words| why.contains(words));
            return Ok(if is_none { Installed::NoWheel } else { Installed::Failed(shorten(&why)) });
        }
        let all = std::iter::once(&pinned).chain(&package.with).map(OsStr::new);
        let missing = self.uv(python, &others, all)?.err().map(|why| shorten(&why));
        Ok(Installed::Done { own, others, missing })
    }

    /// Removes an installed package.
    pub fn remove(&self, package: &Package, build: &str) -> AnyResult<()> {
        let place = self.scratch.join(build).join("packages").join(&package.name);
        if place.exists() {
            std::fs::remove_dir_all(place)?;
        }
        Ok(())
    }

    /// Installs several packages and their requirements into one folder, compiled to bytecode.
    pub fn install_all(&self, python: &Path, folder: &Path, pinned: &[String]) -> AnyResult<()> {
        let all = pinned.iter().map(OsStr::new);
        Ok(self.uv(
            python,
            folder,
            std::iter::once(OsStr::new("--compile-bytecode")).chain(all),
        )??)
    }

    fn uv<'a>(
        &self,
        python: &Path,
        folder: &Path,
        arguments: impl IntoIterator<Item = &'a OsStr>,
    ) -> AnyResult<Result<(), String>> {
        let mut uv = Command::new(&self.uv);
        uv.args(["pip", "install", "--quiet", "--only-binary", ":all:", "--python"]).arg(python);
        let output =
            uv.arg("--target").arg(folder).args(arguments).stdin(Stdio::null()).output()?;
        let words = String::from_utf8_lossy(&output.stderr);
        let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
        Ok(if output.status.success() { Ok(()) } else { Err(line) })
    }
}

/// Returns the first cause in uv's message, shortened.
fn shorten(words: &str) -> String {
    let cause = words.split_once("Because ").map_or(words, |(_, cause)| cause);
    let cause = cause.split(" and ").next().unwrap_or(cause);
    cause.trim_start_matches("all of: ").chars().take(200).collect()
}
