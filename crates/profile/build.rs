//! Compiles `crates/hook` into the library that a Python loads when its allocations are profiled.
//! The library is embedded in the program.
//!
//! Cargo cannot embed one crate's library in another crate (artifact dependencies are unstable), so
//! this script calls the compiler as cargo would: first for `crates/cpython-layout`, the only
//! dependency of the hook, which has none itself.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(variable("OUT_DIR"));
    let (layout, hook) = (out.join("libcpython_layout.rlib"), out.join("ungil_hook.so"));
    compile("cpython-layout", "cpython_layout", |rustc| {
        rustc.arg("--crate-type=rlib").arg("-o").arg(&layout)
    });
    compile("hook", "ungil_hook", |rustc| {
        let mut dependency = OsString::from("cpython_layout=");
        dependency.push(&layout);
        rustc.args(["--crate-type=cdylib", "--cfg", "feature=\"library\"", "-Cstrip=symbols"]);
        rustc.arg("--extern").arg(dependency).arg("-o").arg(&hook)
    });
}

/// Compiles the crate in `crates/{folder}`, with the options that `arguments` adds.
fn compile(folder: &str, name: &str, arguments: impl FnOnce(&mut Command) -> &mut Command) {
    let source = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("..").join(folder).join("src");
    println!("cargo::rerun-if-changed={}", source.display());
    let mut rustc = Command::new(variable("RUSTC"));
    rustc.args(["--edition=2024", "--cap-lints=allow", "--crate-name", name]);
    // The library runs inside other programs: always optimised, and never unwinding into them.
    rustc
        .args(["-Copt-level=3", "-Cpanic=abort", "-Ccodegen-units=1", "--target"])
        .arg(variable("TARGET"));
    if env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|libc| libc == "musl") {
        // With a static musl, the default there, rustc makes no shared library.
        rustc.arg("-Ctarget-feature=-crt-static");
    }
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.arg(format!("-Clinker={linker}"));
    }
    let done = arguments(&mut rustc).arg(source.join("lib.rs")).status();
    assert!(
        done.is_ok_and(|status| status.success()),
        "crates/{folder} does not compile for the hook"
    );
}

fn variable(name: &str) -> OsString {
    env::var_os(name).unwrap_or_else(|| panic!("cargo sets {name}"))
}
