//! A program of `tests/debuggees` that runs until the test is over.

use crate::{Place, eventually, python};
use std::path::Path;
use std::process::{Child, Command};

/// A running program, ended with the test.
#[derive(Debug)]
pub struct Debuggee(Child);

impl Debuggee {
    /// Starts `tests/debuggees/SCRIPT CASE` in the folder of `place`, and waits until it has made
    /// the file `ready` there.
    pub fn start(place: &Place, build: &str, script: &str, case: &str) -> Debuggee {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("debuggees").join(script);
        let mut command = Command::new(python(build));
        command.arg(script).arg(case);
        Debuggee::of(place, command)
    }

    /// Starts a command that makes the file `ready`.
    pub fn of(place: &Place, mut command: Command) -> Debuggee {
        let debuggee =
            Debuggee(command.current_dir(place.path()).spawn().expect("the program starts"));
        eventually("the program's word that it is ready", || place.read("ready").is_some());
        debuggee
    }

    /// Its process id, as an argument.
    pub fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Debuggee {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
