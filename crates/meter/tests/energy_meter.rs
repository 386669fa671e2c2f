//! An external meter played by `cat` on a pipe, into which the test writes.
//!
//! No test trusts a clock: each knows how many readings have arrived before its next step, waits as
//! long as it takes, and asserts figures that are the same whenever the readings came.
#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use ungil_meter::energy::meter::Meter;
use ungil_meter::energy::{EnergyError, Evidence, Reading, Request, Scope, Sensor, Usage, open};

/// Longer than any machine stands still.
const PATIENT: Duration = Duration::from_secs(600);

/// The command's input.
struct Script {
    dir: tempfile::TempDir,
    pipe: File,
}

impl Script {
    /// A pipe with these lines in it.
    fn new(lines: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        // For reading as well: Linux then opens it at once, and it does not end while this is open.
        let pipe = OpenOptions::new().read(true).write(true).open(path).unwrap();
        let script = Self { dir, pipe };
        script.write(lines);
        script
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    /// Writes its process number to `pid` and prints what is written.
    fn command(&self) -> String {
        let dir = self.dir.path().display();
        format!("echo $$ > {dir}/pid; exec cat {dir}/pipe")
    }

    fn write(&self, line: &str) {
        (&self.pipe).write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Writes a reading and waits until it has been taken.
    fn say(&self, meter: &Meter, line: &str) {
        let before = meter.readings();
        self.write(line);
        while meter.readings() == before {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Says a line again and again from now on: the reading that a window's end waits for.
    fn keep_saying(&self, line: &'static str) -> Echo {
        let stop = Arc::new(AtomicBool::new(false));
        let (theirs, mut pipe) = (Arc::clone(&stop), self.pipe.try_clone().unwrap());
        let thread = thread::spawn(move || {
            while !theirs.load(Ordering::Relaxed) {
                pipe.write_all(format!("{line}\n").as_bytes()).unwrap();
                thread::sleep(Duration::from_millis(5));
            }
        });
        Echo { stop, thread: Some(thread) }
    }
}

struct Echo {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn end(sensor: &mut dyn Sensor) -> Result<Reading, EnergyError> {
    sensor.end(&Usage::default())
}

#[test]
fn joules_are_the_difference() {
    let script = Script::new("100 J");
    let mut meter = Meter::open_with(&script.command(), PATIENT).unwrap();
    assert_eq!(meter.readings(), 1);
    meter.begin().unwrap();
    script.say(&meter, "100 J"); // the same on both sides of the beginning
    script.say(&meter, "120 J");
    script.say(&meter, "150.5 J");
    let echo = script.keep_saying("150.5 J"); // and of the end
    let reading = end(&mut meter).unwrap();
    drop(echo);
    assert_eq!(reading.microjoules, 50_500_000);
    assert_eq!(reading.domains[0].microjoules, 50_500_000);
    assert_eq!((reading.domains[0].scope, reading.domains[0].counted), (Scope::Platform, true));

    meter.begin().unwrap();
    script.say(&meter, "150.5 J");
    script.say(&meter, "0.2 kJ");
    let _echo = script.keep_saying("200000 mJ");
    assert_eq!(end(&mut meter).unwrap().microjoules, 49_500_000);
    let about = meter.about();
    assert_eq!((about.sensor.as_str(), about.evidence), ("meter", Evidence::Meter));
    assert!(about.covers.contains("joules, a reading every"), "{}", about.covers);
}

#[test]
fn constant_watts_are_watts_times_the_window() {
    let script = Script::new("12.5 W");
    let mut meter = Meter::open_with(&script.command(), PATIENT).unwrap();
    let outer = Instant::now();
    meter.begin().unwrap();
    let inner = Instant::now();
    script.say(&meter, "12.5 W");
    thread::sleep(Duration::from_millis(30));
    let shortest = inner.elapsed().as_secs_f64();
    let _echo = script.keep_saying("12.5 W");
    let reading = end(&mut meter).unwrap();
    let longest = outer.elapsed().as_secs_f64();
    // The window lies between what was measured inside and outside of it, however slow the machine
    // is.
    let joules = reading.microjoules as f64 / 1e6;
    assert!(
        (12.5 * shortest - 1e-6..=12.5 * longest + 1e-6).contains(&joules),
        "{joules} J, {shortest} s to {longest} s"
    );
    assert!(meter.about().covers.contains("watts, a reading every"), "{}", meter.about().covers);
}

#[test]
fn joules_that_go_back_void_the_window() {
    let script = Script::new("100 J");
    let mut meter = Meter::open_with(&script.command(), PATIENT).unwrap();
    meter.begin().unwrap();
    script.say(&meter, "3 J");
    let _echo = script.keep_saying("3 J");
    assert!(matches!(end(&mut meter), Err(EnergyError::Jumped { sensor: "meter", .. })));
    meter.begin().unwrap();
    assert_eq!(end(&mut meter).unwrap().microjoules, 0);
}

#[test]
fn a_banner_is_forgiven_and_babble_is_not() {
    let script = Script::new("Meter 3000\n\nready\n5 W");
    let mut meter = Meter::open_with(&script.command(), PATIENT).unwrap();
    meter.begin().unwrap();
    script.say(&meter, "5 W");
    let echo = script.keep_saying("5 W");
    assert!(end(&mut meter).is_ok());
    drop(echo);
    assert_eq!(meter.about().notes, ["3 lines were no reading, the first: \"Meter 3000\""]);

    meter.begin().unwrap();
    script.say(&meter, "one\ntwo\nthree\nfour\n5 W");
    let _echo = script.keep_saying("and\nthen\nsome\n5 W");
    let error = end(&mut meter).unwrap_err();
    assert!(matches!(&error, EnergyError::Malformed { sensor: "meter", .. }), "{error:?}");
}

#[test]
fn a_silent_command_is_an_error_and_not_a_zero() {
    let mut meter = Meter::open_with("exec sleep 1000", Duration::from_millis(20)).unwrap();
    meter.begin().unwrap();
    let error = end(&mut meter).unwrap_err();
    assert!(matches!(&error, EnergyError::MeterSilent { .. }), "{error:?}");
    assert!(
        error.why().contains("no reading yet") && error.why().contains("sleep 1000"),
        "{}",
        error.why()
    );
    assert!(error.help().contains("12.5 W"), "{}", error.help());
    assert!(matches!(end(&mut meter), Err(EnergyError::NoWindow { .. })));
}

#[test]
fn a_command_that_cannot_work_is_an_error_at_once() {
    let request: Request = "meter=echo no such device >&2; exit 3".parse().unwrap();
    let error = open(&request).map(|_| ()).unwrap_err();
    assert!(matches!(&error, EnergyError::MeterEnded { .. }), "{error:?}");
    assert!(
        error.why().contains("status 3") && error.why().contains("no such device"),
        "{}",
        error.why()
    );
}

#[test]
fn a_command_that_dies_in_the_window_voids_it() {
    let script = Script::new("5 W");
    let mut meter = Meter::open_with(&script.command(), PATIENT).unwrap();
    meter.begin().unwrap();
    script.say(&meter, "5 W");
    let pid = fs::read_to_string(script.path("pid")).unwrap();
    assert!(
        std::process::Command::new("kill").args(["-9", pid.trim()]).status().unwrap().success()
    );
    let error = end(&mut meter).unwrap_err();
    assert!(matches!(&error, EnergyError::MeterEnded { .. }), "{error:?}");
    assert!(error.why().contains("signal 9"), "{}", error.why());
    assert!(matches!(meter.begin(), Err(EnergyError::MeterEnded { .. })));
}

#[test]
fn nothing_is_left_of_the_command_when_the_sensor_is_dropped() {
    let script = Script::new("5 W");
    // A grandchild in the group too, and both do not end when asked.
    let command = format!(
        "trap '' TERM; sleep 1000 & echo $! > {}; {}",
        script.path("other").display(),
        script.command()
    );
    let meter = Meter::open_with(&command, PATIENT).unwrap();
    let pids = ["pid", "other"]
        .map(|file| fs::read_to_string(script.path(file)).unwrap().trim().to_owned());
    assert!(pids.iter().all(|pid| alive(pid)), "{pids:?}");
    drop(meter);
    assert!(!alive(&pids[0]));
    // SIGKILL is sent to the grandchild and not awaited: its end is certain, so there is no
    // deadline here.
    while alive(&pids[1]) {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Whether the process runs: a zombie does not.
fn alive(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z')))
}
