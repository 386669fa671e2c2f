//! Profiles for tests, known and arbitrary.
#![allow(dead_code)] // each test file uses its part

use proptest::prelude::*;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use ungil_profile::*;

/// A file in memory that can be read after its writer is dropped.
#[derive(Clone, Default)]
pub(crate) struct SharedBuffer(pub(crate) Arc<Mutex<Vec<u8>>>);

impl SharedBuffer {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

impl Write for SharedBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A profile, and its recording.
pub(crate) struct KnownProfile {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) recording: Recording,
}

impl KnownProfile {
    pub(crate) fn of(record_run: impl FnOnce(&mut Builder)) -> KnownProfile {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("known.ungil");
        let mut builder = Builder::new(header()).record(std::fs::File::create(&path).unwrap());
        record_run(&mut builder);
        builder.finish(totals()).recording.unwrap();
        KnownProfile { dir, recording: Recording::open(&path).unwrap() }
    }

    pub(crate) fn profile(&self) -> &Profile {
        self.recording.profile()
    }

    pub(crate) fn bytes(&self, format: Format, timed: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_to(format, self.profile(), timed.then_some(&self.recording), &mut bytes).unwrap();
        bytes
    }

    pub(crate) fn json(&self, format: Format, timed: bool) -> serde_json::Value {
        serde_json::from_slice(&self.bytes(format, timed)).unwrap()
    }
}

/// Arbitrary observation of one thread in one look.
#[derive(Clone, Debug)]
pub(crate) struct ObservedThread {
    pub(crate) step_ns: u64,
    pub(crate) weight: Option<u64>,
    pub(crate) thread: u32,
    pub(crate) stack: Vec<(u8, u32)>,
    pub(crate) activity: Activity,
    pub(crate) lock: Option<(u64, u8)>,
    pub(crate) holder: Option<(u8, u32)>,
}

pub(crate) fn activity() -> impl Strategy<Value = Activity> {
    let threads =
        Activity::ALL.into_iter().filter(|activity| matches!(activity, Activity::Thread(_)));
    proptest::sample::select(threads.collect::<Vec<_>>())
}

pub(crate) fn seen() -> impl Strategy<Value = ObservedThread> {
    let line = || (0..6u8, 0..4u32);
    (
        prop_oneof![Just(0u64), 1..1_000_000u64, 1..4_000_000_000u64],
        proptest::option::weighted(0.2, 0..5_000_000_000u64),
        0..5u32,
        proptest::collection::vec(line(), 0..6),
        activity(),
        proptest::option::of((0..3u64, 0..3u8)),
        proptest::option::of(line()),
    )
        .prop_map(|(step_ns, weight, thread, stack, activity, lock, holder)| ObservedThread {
            step_ns,
            weight,
            thread,
            stack,
            activity,
            lock,
            holder,
        })
}

/// Arbitrary observations of a run.
pub(crate) fn run() -> impl Strategy<Value = Vec<ObservedThread>> {
    proptest::collection::vec((seen(), 1..4usize), 0..60)
        .prop_map(|all| all.into_iter().flat_map(|(s, n)| std::iter::repeat_n(s, n)).collect())
}

pub(crate) fn header() -> Header {
    Header {
        command: "python app.py".into(),
        pids: vec![7],
        python: "3.14.9".into(),
        build: Some(Build::FreeThreaded),
        rate_asked_hz: 1000.0,
        started: "2026-11-23T03:00:00Z".into(),
        ungil: "0.1.0".into(),
        ..Header::default()
    }
}

pub(crate) const NAMES: [&str; 6] =
    ["main", "A.work", "<lambda>", "spin; \"x\"\n", "größer", "</script><b>"];

pub(crate) fn frame(to: &mut Builder, (name, line): (u8, u32)) -> FrameId {
    let name = usize::from(name) % NAMES.len();
    let function = to.function(
        NAMES[name],
        ["app.py", "lib/b.py"][name % 2],
        1 + name as u32,
        FrameKind::Python,
    );
    to.frame(function, line)
}

/// Adds a run to a builder, and returns the added samples.
pub(crate) fn record_run(to: &mut Builder, run: &[ObservedThread]) -> Vec<Sample> {
    let mut at_ns = 0;
    let mut samples = Vec::new();
    for seen in run {
        at_ns += seen.step_ns;
        let thread = to.thread(7, 100 + seen.thread, ["", "worker"][seen.thread as usize % 2]);
        let stack = seen.stack.iter().fold(StackId::EMPTY, |parent, line| {
            let frame = frame(to, *line);
            to.stack(parent, frame)
        });
        let lock = seen.lock.map(|(address, name)| {
            to.lock(
                7,
                0x1000 + address,
                "dict",
                ["", "cache at app.py:31", "other"][usize::from(name)],
            )
        });
        let holder = seen.holder.map(|h| frame(to, h));
        let weight = seen.weight.unwrap_or(seen.step_ns);
        let sample = Sample { at_ns, weight, thread, stack, activity: seen.activity, lock, holder };
        to.sample(sample);
        samples.push(sample);
        if seen.step_ns % 7 == 3 {
            to.pause(7, PauseKind::Collection, at_ns, seen.step_ns, "generation 2");
        }
    }
    samples
}

pub(crate) fn totals() -> Totals {
    Totals {
        duration_ns: 5_000_000_000,
        captured: 5000,
        rounds: Some(5000),
        missed: 3,
        missed_busy: Some(1),
        torn: 2,
        own_cpu_ns: Some(40_000_000),
        left_out: 0,
        notes: vec!["thread 9 could not be read: permission denied".into()],
    }
}

/// Eight workers that wait for a dict most of the time.
pub(crate) fn contended() -> Builder {
    let mut b = Builder::new(header());
    contended_into(&mut b);
    b
}

/// Adds to a builder: eight workers; of 1000 looks 380 wait for the dict `cache`, 100 for another
/// lock, 60 for the GIL, 40 are suspended, 220 run, 200 are in a system call.
pub(crate) fn contended_into(b: &mut Builder) {
    let f = |b: &mut Builder, name: &str, first: u32, line: u32| {
        let function = b.function(name, "/srv/app.py", first, FrameKind::Python);
        b.frame(function, line)
    };
    let main = f(b, "<module>", 1, 90);
    let work = f(b, "Worker.run", 20, 30);
    let put = f(b, "put", 28, 31);
    let holds = f(b, "evict", 40, 47);
    let spin = f(b, "spin", 60, 62);
    let base = b.stack(StackId::EMPTY, main);
    let work = b.stack(base, work);
    let put = b.stack(work, put);
    let spin = b.stack(work, spin);
    let gc = b.function("<GC>", "", 0, FrameKind::Gc);
    let gc = b.frame(gc, 0);
    let gc = b.stack(spin, gc);
    for look in 0..1000u64 {
        let at_ns = look * 1_000_000;
        for worker in 0..8 {
            let thread = b.thread(7, 100 + worker, &format!("worker-{worker}"));
            let cache = b.lock(7, 0x7f00_0000_1000, "dict", "cache at app.py:31");
            let other = b.lock(7, 0x7f00_0000_2000, "threading.Lock", "");
            let (stack, activity, lock, holder) = match look % 50 {
                0..19 => (put, Activity::LOCK, Some(cache), Some(holds)),
                19..24 => (put, Activity::LOCK, Some(other), None),
                24..27 => (spin, Activity::GIL, None, None),
                27..29 => (spin, Activity::SUSPENDED, None, None),
                29..39 => (spin, Activity::RUNNING, None, None),
                39 => (gc, Activity::RUNNING, None, None),
                _ => (base, Activity::SYSCALL, None, None),
            };
            b.sample(Sample { at_ns, weight: 1_000_000, thread, stack, activity, lock, holder });
        }
        if look % 50 == 27 {
            b.pause(7, PauseKind::Collection, at_ns, 2_000_000, "generation 2");
        }
    }
}
