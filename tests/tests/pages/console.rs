//! Runs the commands of a documentation page in a temporary folder.

use super::{Block, Document, Mark, blocks, root};
use std::fmt::Write as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use ungil_tests::{BUILDS, PYTHONS, TestDir, binary, python};

/// The `ungil` that pages call. A comparison has one block unless the page gives a number, because
/// the figures do not matter here.
const WRAPPER: &str = r#"#!/bin/sh
case "$1 $*" in
compare*--blocks*|compare*--resume*|compare*--replay*) ;;
compare*) shift; set -- compare --blocks 1 --max-blocks 1 --warmup 0 "$@" ;;
esac
exec "$UNGIL_DOCUMENTED" "$@"
"#;

/// Shell functions that run a command and check its exit code.
const HEAD: &str = r#"
__run() { # line, code, command
    __left=100
    while :; do
        eval "$3" </dev/null
        __code=$?
        [ "$__code" = "$2" ] && return
        # The expected output may take a moment to appear.
        if [ "$2" = 0 ] || [ "$__left" = 0 ]; then
            echo "line $1: exit code $__code instead of $2: $3" >&2
            exit 99
        fi
        __left=$((__left - 1))
        sleep 0.1
    done
}
__ready() { # line, process
    __left=600
    while :; do
        ungil dump --no-source "$2" >/dev/null 2>&1
        case $? in 0|4) return ;; esac
        if [ "$__left" = 0 ] || ! kill -0 "$2" 2>/dev/null; then
            echo "line $1: no Python came about" >&2
            exit 99
        fi
        __left=$((__left - 1))
        sleep 0.1
    done
}
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null' EXIT
"#;

/// Returns a block's commands as a script.
fn script(block: &Block) -> String {
    let mut script = String::from(HEAD);
    let commands: Vec<(usize, &str)> = block.commands().collect();
    for (i, (line, command)) in commands.iter().enumerate() {
        let code = match block.mark {
            Mark::Exit(code) if i + 1 == commands.len() => code,
            _ => 0,
        };
        if command.ends_with(" &") {
            writeln!(script, "{command}\n__ready {line} $!").expect("a string");
        } else {
            let quoted = command.replace('\'', r"'\''");
            writeln!(script, "__run {line} {code} '{quoted}'").expect("a string");
        }
    }
    script
}

/// Creates a folder with what the pages expect: the examples, the interpreters by name, `ungil`,
/// and the package for each interpreter.
fn prepare() -> TestDir {
    let dir = TestDir::new();
    for (folder, into) in [("examples", "."), ("python/benches", "python")] {
        std::fs::create_dir_all(dir.join(into)).expect("a folder");
        let mut copy = Command::new("cp");
        let status = copy.arg("-r").arg(root().join(folder)).arg(dir.join(into)).status();
        assert!(status.expect("cp runs").success());
    }
    dir.write("requirements.txt", "numpy==2.5.5\n");
    let ungil = dir.write(".bin/ungil", WRAPPER);
    std::fs::set_permissions(&ungil, PermissionsExt::from_mode(0o755)).expect("its own file");
    for version in BUILDS {
        let name = format!("python{version}");
        symlink(python(version), dir.join(".bin").join(name)).expect("a link");
    }
    symlink(python("3.14"), dir.join(".bin/python3")).expect("a link");
    package(&dir.join(".package/ungil"));
    environment(&dir);
    dir
}

/// Links the compiled parts for every build into one folder; their names differ.
fn package(folder: &Path) {
    let installed = std::env::var_os("UNGIL_PACKAGES").expect("`cargo xtask test` installs wheels");
    std::fs::create_dir_all(folder).expect("a folder");
    for version in PYTHONS {
        let package = PathBuf::from(&installed).join("installed").join(version).join("ungil");
        for entry in std::fs::read_dir(&package).expect("an installed package").flatten() {
            let dir = folder.join(entry.file_name());
            if entry.path().is_file() && !dir.exists() {
                symlink(entry.path(), dir).expect("a link");
            }
        }
    }
}

/// Creates a virtual environment with the package, and a folder with its wheel.
fn environment(dir: &TestDir) {
    let packages = PathBuf::from(std::env::var_os("UNGIL_PACKAGES").expect("as above"));
    let interpreter = python("3.14t");
    let home = interpreter.parent().expect("a folder").display();
    dir.write(".venv/pyvenv.cfg", format!("home = {home}\nversion = 3.14.0\n"));
    std::fs::create_dir_all(dir.join(".venv/bin")).expect("a folder");
    symlink(&interpreter, dir.join(".venv/bin/python")).expect("a link");
    let site = dir.join(".venv/lib/python3.14t");
    for (from, to) in [
        (packages.join("installed/3.14t"), site.join("site-packages")),
        (packages.join("wheels/3.14t"), dir.join("dist")),
    ] {
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        let status = Command::new("cp").arg("-r").arg(from).arg(to).status();
        assert!(status.expect("cp runs").success());
    }
}

/// Runs all blocks of a page in order, in one folder.
#[track_caller]
pub(crate) fn run(page: &Document) {
    let dir = prepare();
    let path = format!("{}:{}", dir.join(".bin").display(), std::env::var("PATH").expect("a path"));
    for block in blocks(page) {
        match (&block.mark, block.language.as_str()) {
            (Mark::File(name), _) => drop(dir.write(name, block.lines.join("\n") + "\n")),
            (Mark::None | Mark::Exit(_), "console") => {
                let mut shell = Command::new("bash");
                shell.current_dir(dir.path()).env("PATH", &path).env("HOME", dir.join(".home"));
                shell.env("UNGIL_DOCUMENTED", binary()).env("PYTHONPATH", dir.join(".package"));
                shell.env("PYTHONDONTWRITEBYTECODE", "1").env("TMPDIR", dir.join("."));
                for name in ["PYTHON_GIL", "UNGIL_HOME", "XDG_DATA_HOME", "VIRTUAL_ENV"] {
                    shell.env_remove(name);
                }
                let out = shell.args(["-c", &script(&block)]).stdin(Stdio::null()).output();
                let out = out.expect("bash runs");
                assert!(
                    out.status.success(),
                    "{}:{}: {}\n{}\n{}",
                    page.name,
                    block.line,
                    out.status,
                    String::from_utf8_lossy(&out.stdout),
                    String::from_utf8_lossy(&out.stderr)
                );
            }
            _ => {}
        }
    }
}
