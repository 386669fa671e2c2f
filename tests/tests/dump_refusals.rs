//! Processes that cannot be looked into, or only from outside their walls: the exit code, and three
//! lines that say why.
#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

use std::path::Path;
use std::process::{Command, Stdio};
use ungil_tests::{BUILDS, Place, Target, Verdict, eventually, looks, python};

fn root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout == b"0\n")
}

fn dump(place: &Place, pid: &str) -> ungil_tests::Out {
    place.ungil(["dump", pid, "--json"]).run()
}

#[test]
fn what_is_no_process_id_is_no_usage() {
    let place = Place::new();
    for word in ["0", "-1", "python3", "", "99999999999999999999"] {
        place.ungil(["dump", word]).run().told(2);
    }
    assert_eq!(place.ungil(["dump"]).run().code, 2);
    dump(&place, "4294967295").told(1);
}

#[test]
fn a_process_that_is_gone_or_a_zombie() {
    let place = Place::new();
    let mut gone = Command::new("true").spawn().unwrap();
    let stat = format!("/proc/{}/stat", gone.id());
    eventually("a zombie", || std::fs::read_to_string(&stat).is_ok_and(|s| s.contains(") Z ")));
    let zombie = dump(&place, &gone.id().to_string()).told(1);
    assert!(zombie.what.contains("zombie"), "{zombie:?}");
    gone.wait().unwrap();
    let none = dump(&place, &gone.id().to_string()).told(1);
    assert!(none.what.contains("no process"), "{none:?}");
}

#[test]
fn a_process_that_is_no_python() {
    let place = Place::new();
    let mut cat = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let told = dump(&place, &cat.id().to_string()).told(1);
    assert!(format!("{told:?}").contains("Python"), "{told:?}");
    drop(cat.stdin.take());
    cat.wait().unwrap();
    // ungil itself: the shell becomes it, and keeps its number.
    let shell = Command::new("sh")
        .args(["-c", "exec \"$0\" dump $$"])
        .arg(ungil_tests::binary())
        .current_dir(place.path())
        .output()
        .unwrap();
    assert_eq!(shell.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&shell.stderr).lines().count(), 3, "{shell:?}");
}

/// Whoever names a file has a say in what is printed of it.
#[test]
fn a_program_whose_name_is_an_escape_sequence() {
    let place = Place::new();
    let path = place.path().join("cat\u{1b}[31m\u{202e}");
    std::fs::copy("/bin/cat", &path).unwrap();
    let mut cat = Command::new(&path).stdin(Stdio::piped()).spawn().unwrap();
    let out = dump(&place, &cat.id().to_string());
    drop(cat.stdin.take());
    cat.wait().unwrap();
    assert_eq!(out.code, 1, "{}", out.stderr);
    assert!(out.stderr.contains("cat�[31m�") && !out.stderr.contains('\u{1b}'), "{:?}", out.stderr);
}

#[test]
fn a_kernel_thread() {
    let is_kernel = |stat: &str| {
        let fields: Vec<&str> =
            stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        // PF_KTHREAD among the flags of /proc/PID/stat.
        fields
            .get(6)
            .and_then(|f| f.parse::<u64>().ok())
            .is_some_and(|flags| flags & 0x0020_0000 != 0)
    };
    let numbers = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|e| e.file_name().into_string().ok());
    let mut kernel = numbers.filter(|n| {
        std::fs::read_to_string(format!("/proc/{n}/stat")).is_ok_and(|s| is_kernel(&s))
    });
    let Some(pid) = kernel.next() else {
        eprintln!("left out: no kernel thread can be seen from here (a container)");
        return;
    };
    dump(&Place::new(), &pid).told(1);
}

/// Copies what another user is to read into a folder that he can.
fn for_everybody(place: &Place, from: &Path) -> std::path::PathBuf {
    let to = place.at(from.file_name().unwrap().to_str().unwrap());
    std::fs::copy(from, &to).unwrap();
    let open = Command::new("chmod").arg("0755").args([place.path(), &to]).status();
    assert!(open.unwrap().success());
    to
}

#[test]
fn a_process_of_another_user() {
    if !root() {
        eprintln!("left out: only root can become somebody else");
        return;
    }
    let place = Place::new();
    let ungil = for_everybody(&place, ungil_tests::binary());
    let mut target = Target::start("3.14t", &[], "lock_with");
    let mut nobody = Command::new("setpriv");
    nobody.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&ungil);
    let out = nobody.args(["dump", &target.pid().to_string()]).current_dir("/").output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{said}");
    assert_eq!(said.lines().count(), 3, "{said}");
    assert!(said.contains("CAP_SYS_PTRACE") || said.contains("sudo"), "what would do: {said}");
    assert!(target.alive());
}

#[test]
fn a_python_in_another_mount_namespace() {
    let place = Place::new();
    let inside = place.at("inside");
    std::fs::create_dir(&inside).unwrap();
    let can = Command::new("unshare").args(["-m", "true"]).stderr(Stdio::null()).status();
    if !can.is_ok_and(|s| s.success()) {
        eprintln!("left out: no mount namespace may be made here");
        return;
    }
    for build in BUILDS {
        let home = python(build).canonicalize().unwrap().ancestors().nth(2).unwrap().to_path_buf();
        let script = "mount -t tmpfs none \"$1\" && mkdir \"$1/home\" && mount --bind \"$2\" \"$1/home\" && \
                      cp \"$3\"/*.py \"$1\" && exec \"$1/home/bin/$4\" \"$1/cycle_2.py\"";
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script, "sh"]).arg(&inside).arg(home).arg(looks());
        command.arg(python(build).file_name().unwrap());
        let mut target = Target::of(command);
        let out = target.look(Vec::<&str>::new());
        let mut dump = out.json();
        // The files are not to be seen from here, and their lines are there nonetheless.
        for thread in dump["interpreters"][0]["threads"].as_array_mut().unwrap() {
            for frame in thread["frames"].as_array_mut().unwrap() {
                let file = Path::new(frame["file"].as_str().unwrap()).to_path_buf();
                let Ok(beside) = file.strip_prefix(&inside) else { continue };
                if !beside.starts_with("home") {
                    let text = std::fs::read_to_string(looks().join(beside)).unwrap();
                    let line = text
                        .lines()
                        .nth(frame["line"].as_u64().unwrap() as usize - 1)
                        .unwrap()
                        .trim();
                    assert_eq!(frame["source"], line, "{build}: {frame}");
                }
                frame["source"] = serde_json::Value::Null;
            }
        }
        let verdict = Verdict::of(&target.truth, &dump, out.code, target.age());
        assert!(verdict.differences.is_empty(), "{build}: {:#?}", verdict.differences);
        assert!(target.alive() && target.end().success(), "{build}");
    }
}

#[test]
fn an_interpreter_that_was_deleted_under_the_process() {
    for build in BUILDS {
        let place = Place::new();
        let original = python(build).canonicalize().unwrap();
        let copy = place.at("python");
        std::fs::copy(&original, &copy).unwrap();
        let mut command = Command::new(&copy);
        let home = original.ancestors().nth(2).unwrap();
        // Some builds keep their main program in a library that is found beside the executable.
        command.env("PYTHONHOME", home).env("LD_LIBRARY_PATH", home.join("lib"));
        command.arg(looks().join("cycle_2.py"));
        let target = Target::of(command);
        std::fs::remove_file(&copy).unwrap();
        let out = target.look(Vec::<&str>::new());
        assert_eq!(out.code, 4, "{build}: {}", out.stderr);
        let verdict = Verdict::of(&target.truth, &out.json(), out.code, target.age());
        assert!(verdict.differences.is_empty(), "{build}: {:#?}", verdict.differences);
    }
}
