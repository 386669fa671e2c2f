//! Checks field offsets against each interpreter's own data: `program.py` creates objects, holds
//! locks and waits at known positions, and prints the addresses.

mod objects;
mod runtime;
mod waits;

use cpython_layout::structures::{MAIN_INTERPRETER, WaitEntry};
use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use ungil_remote::layout::NamedMutex;
use ungil_remote::memory::Memory;
use ungil_remote::{Attachment, Python, Thread};
use ungil_tests::{BUILDS, HANG_TIMEOUT, python};

/// A live interpreter running `program.py`, and the values it printed.
struct LayoutTarget {
    build: &'static str,
    child: Child,
    printed: HashMap<String, u64>,
    python: Python,
}

impl Drop for LayoutTarget {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl LayoutTarget {
    fn start(build: &'static str) -> LayoutTarget {
        let mut child = Command::new(python(build))
            .args(["-c", include_str!("program.py")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the interpreter runs");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let printed: HashMap<String, u64> = lines
            .map_while(Result::ok)
            .filter_map(|line| {
                line.split_once(' ')
                    .map(|(name, value)| (name.to_owned(), value.parse().expect("a number")))
            })
            .take_while(|(name, _)| name != "ready")
            .collect();
        let python = Python::attach(child.id()).unwrap_or_else(|why| panic!("{build}: {why}"));
        assert_eq!(python.layout().missing, [], "{build}");
        let target = LayoutTarget { build, child, printed, python };
        eventually(|| target.at_rest().filter(|before| target.at_rest().as_ref() == Some(before)));
        target
    }

    /// Returns the system call of every thread, if all of them sleep and none holds the GIL: the
    /// program reports that it is ready slightly before that.
    fn at_rest(&self) -> Option<Vec<String>> {
        std::thread::sleep(Duration::from_millis(10));
        let interpreter = *self.python.interpreters().ok()?.first()?;
        let is_free = !self.python.gil(interpreter).ok()?.locked;
        let asleep = |thread: &Thread| {
            let detached = self.python.attachment(thread)? == Attachment::Detached;
            let path = format!("/proc/{}/task/{}/syscall", self.child.id(), thread.native_id);
            let call =
                std::fs::read_to_string(path).ok().filter(|call| !call.starts_with("running"))?;
            (detached && is_free).then_some(call)
        };
        self.threads().iter().map(asleep).collect()
    }

    fn printed(&self, name: &str) -> u64 {
        *self.printed.get(name).unwrap_or_else(|| panic!("{} did not say {name}", self.build))
    }

    fn memory(&self) -> &dyn Memory {
        self.python.memory()
    }

    fn word(&self, address: u64) -> u64 {
        self.memory().u64(address).unwrap_or_else(|why| panic!("{}: {why}", self.build))
    }

    /// Asserts that the word at `offset` in the object printed as `object` is the address printed
    /// as `value`.
    #[track_caller]
    fn points(&self, object: &str, offset: u64, value: &str) {
        let found = self.word(self.printed(object) + offset) & !7;
        assert_eq!(
            found,
            self.printed(value),
            "{}: {object} + {offset} is not {value}",
            self.build
        );
    }

    fn interpreter(&self) -> u64 {
        let head = self.python.offsets().runtime_state.interpreters_head;
        self.word(self.python.runtime() + head + MAIN_INTERPRETER)
    }

    fn threads(&self) -> Vec<Thread> {
        let all = self.python.interpreters().expect("interpreters");
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].address, self.interpreter());
        self.python.threads(all[0]).expect("threads")
    }

    /// Returns the thread with that name.
    fn thread(&self, name: &str) -> Thread {
        let tid = if name == "main" {
            self.printed("native")
        } else {
            self.printed(&format!("{name}_tid"))
        };
        self.threads()
            .into_iter()
            .find(|thread| u64::from(thread.native_id) == tid)
            .expect("the thread")
    }

    /// Waits until a thread is parked and returns the address of its wait entry.
    fn parked(&self, name: &str) -> u64 {
        let path = format!(
            "/proc/{}/task/{}/syscall",
            self.child.id(),
            self.printed(&format!("{name}_tid"))
        );
        eventually(|| {
            let text = std::fs::read_to_string(&path).expect("a thread");
            let mut words = text.split_whitespace();
            let futex = words.next()? == "202";
            let address = u64::from_str_radix(words.next()?.trim_start_matches("0x"), 16).ok()?;
            futex.then_some(address - WaitEntry::SEMAPHORE)
        })
    }

    fn named(&self, mutexes: &[NamedMutex], name: &str) -> NamedMutex {
        let mut found = mutexes.iter().filter(|mutex| mutex.name == name);
        let mutex = found.next().unwrap_or_else(|| panic!("{}: no mutex for {name}", self.build));
        assert_eq!(found.next(), None, "{}: {name} is there twice", self.build);
        *mutex
    }

    fn minor(&self) -> u8 {
        self.python.version().minor
    }

    fn free_threaded(&self) -> bool {
        self.python.offsets().free_threaded
    }
}

/// Polls until `ask` returns a value. The deadline is reached only if the test hangs.
fn eventually<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < HANG_TIMEOUT, "nothing came");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn fields_are_where_the_interpreter_says() {
    for build in BUILDS {
        let target = LayoutTarget::start(build);
        objects::objects(&target);
        objects::code_and_frames(&target);
        waits::threads(&target);
        waits::locks(&target);
        waits::waits(&target);
        runtime::runtime(&target);
        runtime::collector(&target);
        if target.free_threaded() { runtime::heaps(&target) } else { runtime::arenas(&target) }
    }
}
