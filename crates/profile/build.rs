//! Compiles `crates/hook` into the library that a Python loads when its allocations are profiled; the program carries it.
//!
//! Cargo cannot make a library of one crate a file of another (artifact dependencies are unstable), so the compiler is called
//! as cargo would call it. The crate has no dependencies for that reason.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    let variable = |name: &str| env::var_os(name).unwrap_or_else(|| panic!("cargo sets {name}"));
    let source = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("../hook/src");
    println!("cargo::rerun-if-changed={}", source.display());
    println!("cargo::rerun-if-changed=build.rs");
    let mut rustc = Command::new(variable("RUSTC"));
    rustc.args(["--edition", "2024", "--crate-type", "cdylib", "--crate-name", "ungil_hook"]);
    // It runs inside somebody else's program: always optimised, never unwinding into it.
    rustc.args(["-Copt-level=3", "-Cpanic=abort", "-Cstrip=symbols", "-Ccodegen-units=1"]);
    rustc.args(["--cfg", "feature=\"library\"", "--cap-lints", "allow", "--target"]).arg(variable("TARGET"));
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.arg(format!("-Clinker={linker}"));
    }
    rustc.arg("-o").arg(PathBuf::from(variable("OUT_DIR")).join("ungil_hook.so"));
    let done = rustc.arg(source.join("lib.rs")).status();
    assert!(
        done.is_ok_and(|status| status.success()),
        "the library for profiling allocations does not compile"
    );
}
