//! Compiles extension modules and shared libraries.

use crate::{TestDir, python};
use std::path::Path;
use std::process::Command;

/// Compiles C source to the shared library `path` in `dir`, with additional flags for `cc`.
#[track_caller]
pub fn compile_shared_library(dir: &TestDir, source: &str, path: &str, flags: &[&str]) {
    let source = dir.write("source.c", source);
    // Creates the folder of the library.
    let library = dir.write(path, "");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC"]).args(flags).arg("-o").arg(library).arg(source);
    let out = cc.output().expect("cc runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

/// Compiles C source to an extension module for 3.14t. `path` has no suffix; returns the suffix
/// that 3.14t imports.
#[track_caller]
pub fn compile_extension(dir: &TestDir, source: &str, path: &str, flags: &[&str]) -> String {
    let code = "import sysconfig; print(sysconfig.get_path('include')); \
                print(sysconfig.get_config_var('EXT_SUFFIX'))";
    let out = Command::new(python("3.14t")).args(["-c", code]).output().expect("3.14t runs");
    let text = String::from_utf8(out.stdout).expect("text");
    let (headers, suffix) = text.trim().split_once('\n').expect("two lines");
    assert!(Path::new(headers).is_dir(), "no headers in {headers}");
    let flags: Vec<&str> = ["-I", headers].iter().chain(flags).copied().collect();
    compile_shared_library(dir, source, &format!("{path}{suffix}"), &flags);
    suffix.to_owned()
}
