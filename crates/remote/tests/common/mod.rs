//! Live target programs for the tests.
#![allow(clippy::unwrap_used, dead_code)] // helpers of tests may; each test uses some of them

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use ungil_remote::frames::Frame;
use ungil_remote::{Python, Thread};
use ungil_tests::eventually;

/// A Python program that prints a line when it is ready to be inspected, and ends when its standard
/// input closes. Killed on drop.
pub(crate) struct Target {
    child: Child,
    _input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Target {
    /// Starts `program` with an interpreter.
    pub(crate) fn start(build: &str, program: &str) -> Target {
        Target::of(Command::new(ungil_tests::python(build)).args(["-c", program]))
    }

    pub(crate) fn of(command: &mut Command) -> Target {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Target { child, _input: input, output }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns the next line that the program prints.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    pub(crate) fn send(&mut self, line: &str) {
        writeln!(self._input, "{line}").unwrap();
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns every thread with its frames.
pub(crate) fn stacks(python: &Python) -> Vec<(Thread, Vec<Frame>)> {
    let mut found = Vec::new();
    for interpreter in python.interpreters().unwrap() {
        for thread in python.threads(interpreter).unwrap() {
            found.push((thread, python.stack(&thread).unwrap().frames));
        }
    }
    found
}

/// Attaches to `pid` repeatedly until a thread sleeps in the function `name`.
pub(crate) fn parked(pid: u32, name: &str) -> (Python, Thread, Vec<Frame>) {
    let mut found = None;
    eventually(&format!("a thread in {name}()"), || {
        let python = Python::attach(pid).unwrap();
        let stack = stacks(&python).into_iter().find(|(thread, frames)| {
            let sleeps =
                std::fs::read_to_string(format!("/proc/{pid}/task/{}/syscall", thread.native_id));
            frames.first().is_some_and(|frame| frame.code.qualname == name)
                && sleeps.is_ok_and(|line| !line.starts_with("running"))
        });
        found = stack.map(|(thread, frames)| (python, thread, frames));
        found.is_some()
    });
    found.unwrap()
}
