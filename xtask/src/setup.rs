//! `cargo xtask setup`: what the tests need beyond a Rust toolchain, in parts.
//!
//! Each part is installed once and sets the environment variables by which the tests find it. The
//! test runner calls this for the parts that the selected tests need (`.config/nextest.toml`),
//! unless all parts were installed before it started.

use crate::ci::stage;
use crate::environment::{cargo, home, on_path, root, run, target};
use crate::{Done, docs, shared_pythons, toolchains, tools, wheels};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs, thread};

/// An environment variable for the tests.
pub(crate) type Variable = (&'static str, PathBuf);

/// Set for a test runner that is started after everything was installed.
pub(crate) const READY: &str = "UNGIL_SETUP_DONE";

/// The interpreters that the tests use.
const VERSIONS: [&str; 5] = ["3.13", "3.14", "3.14t", "3.15", "3.15t"];

/// Programs that tests run, and the Debian packages that have them.
const PROGRAMS: [(&str, &str); 5] = [
    ("wrk", "wrk"),
    ("setpriv", "util-linux"),
    ("unshare", "util-linux"),
    ("gdb", "gdb"),
    ("zstd", "zstd"),
];

/// A group of things that the tests need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The program under test.
    Program,
    /// CPython in all versions and builds that are supported.
    Interpreters,
    /// Programs from Debian.
    Programs,
    /// A browser, for the tests of HTML pages.
    Browser,
    /// The Python package installed from its wheels, and the tools to test it with.
    Wheels,
    /// NumPy, installed by `ungil suite`.
    Numpy,
    /// Interpreters whose code is in a shared library.
    SharedPythons,
    /// Python packages with which others are built and tested.
    Tools,
    /// Toolchains that build extension modules.
    Toolchains,
    /// The generator of the documentation site.
    Docs,
}

impl Part {
    /// All parts in an order in which each follows the parts it needs.
    pub(crate) const ALL: [Part; 10] = [
        Part::Program,
        Part::Interpreters,
        Part::Programs,
        Part::Browser,
        Part::SharedPythons,
        Part::Tools,
        Part::Wheels,
        Part::Numpy,
        Part::Toolchains,
        Part::Docs,
    ];

    /// Returns the name on the command line.
    fn name(self) -> &'static str {
        match self {
            Part::Program => "program",
            Part::Interpreters => "interpreters",
            Part::Programs => "programs",
            Part::Browser => "browser",
            Part::Wheels => "wheels",
            Part::Numpy => "numpy",
            Part::SharedPythons => "shared-pythons",
            Part::Tools => "tools",
            Part::Toolchains => "toolchains",
            Part::Docs => "docs",
        }
    }

    /// Returns the parts that must be installed first.
    fn needs(self) -> &'static [Part] {
        match self {
            Part::Interpreters => &[Part::Program],
            Part::Numpy => &[Part::Interpreters],
            Part::Wheels | Part::Toolchains | Part::Docs => &[Part::Interpreters, Part::Tools],
            Part::Program | Part::Programs | Part::Browser | Part::SharedPythons | Part::Tools => {
                &[]
            }
        }
    }

    /// Returns whether the part is only downloaded and unpacked, and needs no other.
    fn is_download(self) -> bool {
        self.needs().is_empty() && self != Part::Program
    }

    /// Installs the part and returns the variables by which the tests find it.
    fn install(self) -> Result<Vec<Variable>, String> {
        let program = target().join("debug/ungil");
        match self {
            Part::Program => {
                build()?;
                Ok(vec![("UNGIL_BIN", program)])
            }
            Part::Interpreters => interpreters(&program),
            Part::Programs => PROGRAMS
                .iter()
                .try_for_each(|(program, package)| debian(program, package))
                .map(|()| Vec::new()),
            Part::Browser => debian("chromium", "chromium").map(|()| Vec::new()),
            Part::Wheels => Ok(vec![("UNGIL_PACKAGES", wheels::install(&program)?)]),
            Part::Numpy => numpy(&program).map(|()| Vec::new()),
            Part::SharedPythons => Ok(vec![("UNGIL_SHARED", shared_pythons::install()?)]),
            Part::Tools => tools::install_all().map(|()| Vec::new()),
            Part::Toolchains => Ok(vec![("UNGIL_TOOLCHAINS", toolchains::install()?)]),
            Part::Docs => docs::install().map(|_| Vec::new()),
        }
    }
}

/// `cargo xtask setup [PART...]`: installs the named parts, or all. Writes the variables to
/// `$NEXTEST_ENV` for the test runner, or prints them for a shell.
pub(crate) fn setup(arguments: &[String]) -> Done {
    let for_runner = env::var_os("NEXTEST_ENV");
    if for_runner.is_some() && env::var_os(READY).is_some() {
        return Ok(());
    }
    let mut parts = Vec::new();
    for argument in arguments {
        let part = Part::ALL.into_iter().find(|part| part.name() == argument).ok_or_else(|| {
            format!("there is no part '{argument}': {}", Part::ALL.map(Part::name).join(", "))
        })?;
        parts.push(part);
    }
    let variables = install(if parts.is_empty() { &Part::ALL } else { &parts }, || Ok(()))?;
    match for_runner {
        Some(file) => {
            let mut lines = String::new();
            for (name, value) in variables {
                lines.push_str(&format!("{name}={}\n", value.display()));
            }
            let file = OpenOptions::new().append(true).create(true).open(file);
            file.and_then(|mut file| file.write_all(lines.as_bytes())).map_err(|e| e.to_string())
        }
        None => {
            for (name, value) in variables {
                println!("export {name}='{}'", value.display());
            }
            Ok(())
        }
    }
}

/// Installs parts and what they need, and returns the variables by which the tests find them.
///
/// What waits for the network runs beside something that is compiled: the downloads beside the
/// program, and the interpreters beside `other_work`. So do the wheels, whose crates depend on one
/// another, and the rest.
pub(crate) fn install(
    parts: &[Part],
    other_work: impl FnOnce() -> Done,
) -> Result<Vec<Variable>, String> {
    let needed = |part: &Part| {
        parts.iter().any(|&wanted| {
            wanted == *part
                || wanted.needs().iter().any(|need| need == part || need.needs().contains(part))
        })
    };
    let needed: Vec<Part> = Part::ALL.into_iter().filter(needed).collect();
    let install = |group: &dyn Fn(&Part) -> bool| {
        install_in_order(&needed.iter().copied().filter(group).collect::<Vec<_>>())
    };
    let mut variables = Vec::new();
    let (downloads, program) =
        beside(|| install(&|part| part.is_download()), || install(&|part| *part == Part::Program))?;
    variables.extend(downloads.into_iter().chain(program));
    let (interpreters, ()) = beside(|| install(&|part| *part == Part::Interpreters), other_work)?;
    variables.extend(interpreters);
    let (wheels, rest) = beside(
        || install(&|part| *part == Part::Wheels),
        || install(&|part| matches!(part, Part::Numpy | Part::Toolchains | Part::Docs)),
    )?;
    variables.extend(wheels.into_iter().chain(rest));
    Ok(variables)
}

/// Does two things at the same time.
fn beside<A: Send, B>(
    some: impl FnOnce() -> Result<A, String> + Send,
    other: impl FnOnce() -> Result<B, String>,
) -> Result<(A, B), String> {
    thread::scope(|scope| {
        let some = scope.spawn(some);
        let other = other();
        let some = some.join().map_err(|_| "an installation panicked")?;
        Ok((some?, other?))
    })
}

fn install_in_order(parts: &[Part]) -> Result<Vec<Variable>, String> {
    let mut variables = Vec::new();
    for part in parts {
        variables.extend(stage(part.name(), || part.install())?);
    }
    Ok(variables)
}

/// Builds the program and the tests: the whole workspace at once, as the test runner builds it.
/// One package alone would select other features of the dependencies and compile them again.
fn build() -> Done {
    run(Command::new(cargo()).current_dir(root()).args([
        "build",
        "--workspace",
        "--bins",
        "--tests",
    ]))
}

fn interpreters(program: &Path) -> Result<Vec<Variable>, String> {
    let home = home()?;
    let mut install = Command::new(program);
    install.env("UNGIL_HOME", &home).stdout(Stdio::null());
    run(install.args(["pythons", "install", "--with", "assemble"]).args(VERSIONS))?;
    Ok(vec![("UNGIL_PYTHONS", home.join("pythons")), ("UNGIL_HOME", home)])
}

/// Installs NumPy with `ungil suite`, unless it is installed.
fn numpy(program: &Path) -> Done {
    let home = home()?;
    let folder = target().join("suite-numpy");
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    let mut suite = Command::new(program);
    suite.env("UNGIL_PYTHONS", home.join("pythons")).env("UNGIL_HOME", home).stdout(Stdio::null());
    suite.args(["suite", "--category", "numpy", "--scale", "0.0000001", "--blocks", "1"]);
    suite.args(["--warmup", "0", "--energy", "off", "--python", "3.14,3.14t,3.15t", "--quiet"]);
    run(suite.arg("-o").arg(folder))
}

/// Installs a Debian package for a program that is missing.
pub(crate) fn debian(program: &str, package: &str) -> Done {
    if on_path(program) {
        return Ok(());
    }
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout == b"0\n");
    let sudo = if is_root { "env" } else { "sudo" };
    run(Command::new(sudo).args(["apt-get", "update", "-q"]))?;
    run(Command::new(sudo).args(["apt-get", "install", "-y", "-q", package]))
}
