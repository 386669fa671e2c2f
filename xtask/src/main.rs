//! The project's own chores. `cargo xtask demo` and `cargo xtask test` work on a machine that has
//! nothing but Rust, python3, pip, cc and Debian's apt: what they need beyond that, they install,
//! by package name, with those clients.

mod checks;
mod package;
mod python;
mod shared;
mod toolchains;
mod tools;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

type Done = Result<(), String>;

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let result = match arguments.next().as_deref() {
        Some("demo") => demo(),
        Some("checks") => checks::checks(),
        Some("test") => test(&arguments.collect::<Vec<_>>()),
        Some("python") => python::python(&arguments.collect::<Vec<_>>()),
        _ => Err(
            "usage: cargo xtask demo | checks | test [TEST RUNNER'S ARGUMENTS] | python VERSION [ARGUMENTS]"
                .into(),
        ),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Builds, gets a pair of interpreters if there is none, and compares two examples.
fn demo() -> Done {
    run(Command::new(cargo()).current_dir(root()).args([
        "build",
        "--package",
        "ungil",
        "--release",
    ]))?;
    let ungil = target().join("release/ungil");
    let found =
        Command::new(&ungil).arg("pythons").output().map_err(|e| format!("ungil pythons: {e}"))?;
    if !String::from_utf8_lossy(&found.stdout).contains(" are a pair") {
        run(Command::new(&ungil).args(["pythons", "install", "3.14", "3.14t"]))?;
    }
    let examples = root().join("examples");
    for (script, says) in [
        ("primes.py", "Independent work: counting primes in ranges."),
        ("shared_list.py", "Shared work: upper-casing the strings of one list."),
    ] {
        println!("\n{says}\n$ ungil compare examples/{script} -- --workers {{workers}}\n");
        let mut compare = Command::new(&ungil);
        compare
            .current_dir(root())
            .arg("compare")
            .arg(examples.join(script).strip_prefix(root()).unwrap_or(&examples));
        run(compare.args(["--time-limit", "20s", "--", "--workers", "{workers}"]))?;
    }
    Ok(())
}

/// Gets what the tests need and runs every one.
fn test(arguments: &[String]) -> Done {
    // The whole workspace at once, as the test runner builds it below: building one package alone
    // selects other features of the dependencies and would compile most of them twice.
    run(Command::new(cargo()).current_dir(root()).args([
        "build",
        "--workspace",
        "--bins",
        "--tests",
    ]))?;
    let ungil = target().join("debug/ungil");
    let home = home()?;
    let install =
        ["pythons", "install", "--with", "assemble", "3.13", "3.14", "3.14t", "3.15", "3.15t"];
    run(Command::new(&ungil).env("UNGIL_HOME", &home).args(install))?;
    for (program, package) in [
        ("wrk", "wrk"),
        ("setpriv", "util-linux"),
        ("unshare", "util-linux"),
        ("chromium", "chromium"),
        ("gdb", "gdb"),
        ("zstd", "zstd"),
    ] {
        debian(program, package)?;
    }
    let packages = package::install(&ungil)?;
    numpy(&ungil, &home)?;
    let shared = shared::install()?;
    let toolchains = toolchains::install()?;
    models()?;
    let nextest = Command::new(cargo())
        .args(["nextest", "--version"])
        .output()
        .is_ok_and(|o| o.status.success());
    let mut runner = Command::new(cargo());
    // Where nextest is at hand it closes with one summary for all; cargo's own runner serves as
    // well.
    runner.args(if nextest {
        &["nextest", "run"][..]
    } else {
        &["test", "--lib", "--bins", "--tests"][..]
    });
    runner.current_dir(root()).arg("--workspace").args(arguments);
    runner
        .env("UNGIL_HOME", &home)
        .env("UNGIL_PYTHONS", home.join("pythons"))
        .env("UNGIL_BIN", &ungil);
    runner
        .env("UNGIL_PACKAGES", &packages)
        .env("UNGIL_SHARED", &shared)
        .env("UNGIL_TOOLCHAINS", &toolchains);
    run(&mut runner)
}

/// Has the suite fetch NumPy to where its tests find it, unless it is there.
fn numpy(ungil: &Path, home: &Path) -> Done {
    let place = target().join("suite-numpy");
    if place.exists() {
        std::fs::remove_dir_all(&place).map_err(|e| format!("{}: {e}", place.display()))?;
    }
    let mut suite = Command::new(ungil);
    suite.env("UNGIL_HOME", home).env("UNGIL_PYTHONS", home.join("pythons")).stdout(Stdio::null());
    suite.args([
        "suite",
        "--category",
        "numpy",
        "--scale",
        "0.0000001",
        "--blocks",
        "1",
        "--warmup",
        "0",
    ]);
    run(suite.args(["--energy", "off", "--python", "3.14,3.14t,3.15t", "--quiet", "-o"]).arg(place))
}

/// Every interleaving of the small programs that stand beside the lock-free structures, under loom.
fn models() -> Done {
    let mut models = Command::new(cargo());
    models.current_dir(root()).env("CARGO_TARGET_DIR", target().join("loom"));
    models.env("RUSTFLAGS", "--cfg loom").env("LOOM_MAX_PREEMPTIONS", "3");
    run(models.args([
        "test",
        "--quiet",
        "--release",
        "--package",
        "ungil-sync",
        "--lib",
        "--test",
        "queue_model",
    ]))
}

/// Cargo's target folder.
fn target() -> PathBuf {
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    if target.is_absolute() { target } else { root().join(target) }
}

/// Where ungil keeps what it installs.
fn home() -> Result<PathBuf, String> {
    match env::var_os("UNGIL_HOME") {
        Some(home) => Ok(PathBuf::from(home)),
        None => Ok(data_home()?.join("ungil")),
    }
}

/// Installs a Debian package for a program that is missing.
fn debian(program: &str, package: &str) -> Done {
    let found = env::var_os("PATH")
        .is_some_and(|p| env::split_paths(&p).any(|dir| dir.join(program).is_file()));
    if found {
        return Ok(());
    }
    let sudo = if Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout == b"0\n") {
        "env"
    } else {
        "sudo"
    };
    run(Command::new(sudo).args(["apt-get", "update", "-q"]))?;
    run(Command::new(sudo).args(["apt-get", "install", "-y", "-q", package]))
}

fn data_home() -> Result<PathBuf, String> {
    if let Some(data) = env::var_os("XDG_DATA_HOME").filter(|d| !d.is_empty()) {
        return Ok(data.into());
    }
    let home = env::var_os("HOME").ok_or("HOME is not set, and neither is UNGIL_HOME")?;
    Ok(PathBuf::from(home).join(".local/share"))
}

fn cargo() -> std::ffi::OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

fn run(command: &mut Command) -> Done {
    let shown = format!("{} {}", command.get_program().display(), {
        let words: Vec<_> = command.get_args().map(|a| a.to_string_lossy()).collect();
        words.join(" ")
    });
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{shown}: {status}")),
        Err(e) => Err(format!("{shown}: {e}")),
    }
}
