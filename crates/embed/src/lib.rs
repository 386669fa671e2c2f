//! For build scripts: compiles a crate of this workspace into a shared library that the program
//! embeds, and that a Python loads.
//!
//! Cargo cannot embed one crate's library in another crate (artifact dependencies are unstable), so
//! the compiler is called as cargo would call it: first for `crates/cpython-layout`, the only
//! dependency of such a crate, which has none itself.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles `crates/{folder}`, whose crate is named `name`, into `{name}.so` in the build script's
/// output folder.
///
/// # Panics
/// If it does not compile, or this is not called from a build script of a crate in `crates`.
pub fn library(folder: &str, name: &str) {
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(variable("OUT_DIR"));
    let layout = out.join("libcpython_layout.rlib");
    compile("cpython-layout", "cpython_layout", &layout, |rustc| {
        rustc.arg("--crate-type=rlib");
    });
    compile(folder, name, &out.join(format!("{name}.so")), |rustc| {
        let mut dependency = OsString::from("cpython_layout=");
        dependency.push(&layout);
        rustc.args(["--crate-type=cdylib", "--cfg", "feature=\"library\"", "-Cstrip=symbols"]);
        rustc.arg("--extern").arg(dependency);
    });
}

/// Compiles the crate in `crates/{folder}`, with the options that `arguments` adds.
fn compile(folder: &str, name: &str, output: &Path, arguments: impl FnOnce(&mut Command)) {
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
    arguments(&mut rustc);
    let done = rustc.arg("-o").arg(output).arg(source.join("lib.rs")).status();
    assert!(done.is_ok_and(|status| status.success()), "crates/{folder} does not compile");
}

fn variable(name: &str) -> OsString {
    env::var_os(name).unwrap_or_else(|| panic!("cargo sets {name}"))
}
