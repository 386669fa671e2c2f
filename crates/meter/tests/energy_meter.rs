//! Tests an external meter that is simulated by `cat` on a pipe, into which the test writes.
//!
//! No test depends on the clock: each knows how many readings have arrived before its next step,
//! waits as long as necessary, and asserts figures that do not depend on when the readings came.
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

/// Longer than any machine stalls.
const LONG_TIMEOUT: Duration = Duration::from_secs(600);

/// The input of the command.
struct Script {
    dir: tempfile::TempDir,
    pipe: File,
}

impl Script {
    /// Creates a pipe that contains these lines.
    fn new(lines: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        // Also opened for reading: Linux then opens it immediately, and it does not end while this
        // is open.
        let pipe = OpenOptions::new().read(true).write(true).open(path).unwrap();
        let script = Self { dir, pipe };
        script.write(lines);
        script
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    /// The command writes its process id to `pid` and prints what is written to the pipe.
    fn command(&self) -> String {
        let dir = self.dir.path().display();
        format!("echo $$ > {dir}/pid; exec cat {dir}/pipe")
    }

    fn write(&self, line: &str) {
        (&self.pipe).write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Writes a reading and waits until it has been read.
    fn send(&self, meter: &Meter, line: &str) {
        let before = meter.readings();
        self.write(line);
        while meter.readings() == before {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Writes a line repeatedly from now on: the reading that the end of a window waits for.
    fn keep_sending(&self, line: &'static str) -> Echo {
        let stop = Arc::new(AtomicBool::new(false));
        let (stop_flag, mut pipe) = (Arc::clone(&stop), self.pipe.try_clone().unwrap());
        let thread = thread::spawn(move || {
            while !stop_flag.load(Ordering::Relaxed) {
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
fn joules_are_the_difference_of_readings() {
    let script = Script::new("100 J");
    let mut meter = Meter::open_with(&script.command(), LONG_TIMEOUT).unwrap();
    assert_eq!(meter.readings(), 1);
    meter.begin().unwrap();
    script.send(&meter, "100 J"); // the same on both sides of the beginning
    script.send(&meter, "120 J");
    script.send(&meter, "150.5 J");
    let echo = script.keep_sending("150.5 J"); // and of the end
    let reading = end(&mut meter).unwrap();
    drop(echo);
    assert_eq!(reading.microjoules, 50_500_000);
    assert_eq!(reading.domains[0].microjoules, 50_500_000);
    assert_eq!((reading.domains[0].scope, reading.domains[0].counted), (Scope::Platform, true));

    meter.begin().unwrap();
    script.send(&meter, "150.5 J");
    script.send(&meter, "0.2 kJ");
    let _echo = script.keep_sending("200000 mJ");
    assert_eq!(end(&mut meter).unwrap().microjoules, 49_500_000);
    let about = meter.about();
    assert_eq!((about.sensor.as_str(), about.evidence), ("meter", Evidence::Meter));
    assert!(about.covers.contains("joules, a reading every"), "{}", about.covers);
}

#[test]
fn constant_watts_are_watts_times_the_window() {
    let script = Script::new("12.5 W");
    let mut meter = Meter::open_with(&script.command(), LONG_TIMEOUT).unwrap();
    let outer = Instant::now();
    meter.begin().unwrap();
    let inner = Instant::now();
    script.send(&meter, "12.5 W");
    thread::sleep(Duration::from_millis(30));
    let shortest = inner.elapsed().as_secs_f64();
    let _echo = script.keep_sending("12.5 W");
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
fn decreasing_joules_invalidate_the_window() {
    let script = Script::new("100 J");
    let mut meter = Meter::open_with(&script.command(), LONG_TIMEOUT).unwrap();
    meter.begin().unwrap();
    script.send(&meter, "3 J");
    let _echo = script.keep_sending("3 J");
    assert!(matches!(end(&mut meter), Err(EnergyError::Jumped { sensor: "meter", .. })));
    meter.begin().unwrap();
    assert_eq!(end(&mut meter).unwrap().microjoules, 0);
}

#[test]
fn banner_is_ignored_and_many_invalid_lines_are_an_error() {
    let script = Script::new("Meter 3000\n\nready\n5 W");
    let mut meter = Meter::open_with(&script.command(), LONG_TIMEOUT).unwrap();
    meter.begin().unwrap();
    script.send(&meter, "5 W");
    let echo = script.keep_sending("5 W");
    assert!(end(&mut meter).is_ok());
    drop(echo);
    assert_eq!(meter.about().notes, ["3 lines were not readings, the first: \"Meter 3000\""]);

    meter.begin().unwrap();
    script.send(&meter, "one\ntwo\nthree\nfour\n5 W");
    let _echo = script.keep_sending("and\nthen\nsome\n5 W");
    let error = end(&mut meter).unwrap_err();
    assert!(matches!(&error, EnergyError::Malformed { sensor: "meter", .. }), "{error:?}");
}

#[test]
fn silent_command_is_an_error() {
    let mut meter = Meter::open_with("exec sleep 1000", Duration::from_millis(20)).unwrap();
    meter.begin().unwrap();
    let error = end(&mut meter).unwrap_err();
    assert!(matches!(&error, EnergyError::MeterSilent { .. }), "{error:?}");
    assert!(
        error.why().contains("not printed a reading yet") && error.why().contains("sleep 1000"),
        "{}",
        error.why()
    );
    assert!(error.help().contains("12.5 W"), "{}", error.help());
    assert!(matches!(end(&mut meter), Err(EnergyError::NoWindow { .. })));
}

#[test]
fn failing_command_is_an_error_when_opened() {
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
fn command_killed_in_the_window_is_an_error() {
    let script = Script::new("5 W");
    let mut meter = Meter::open_with(&script.command(), LONG_TIMEOUT).unwrap();
    meter.begin().unwrap();
    script.send(&meter, "5 W");
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
fn dropping_the_sensor_kills_the_command() {
    let script = Script::new("5 W");
    // With a grandchild in the group; both ignore SIGTERM.
    let command = format!(
        "trap '' TERM; sleep 1000 & echo $! > {}; {}",
        script.path("other").display(),
        script.command()
    );
    let meter = Meter::open_with(&command, LONG_TIMEOUT).unwrap();
    let pids = ["pid", "other"]
        .map(|file| fs::read_to_string(script.path(file)).unwrap().trim().to_owned());
    assert!(pids.iter().all(|pid| alive(pid)), "{pids:?}");
    drop(meter);
    assert!(!alive(&pids[0]));
    // SIGKILL is sent to the grandchild but not awaited. Its exit is certain, so there is no
    // deadline.
    while alive(&pids[1]) {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Returns whether the process runs; a zombie does not.
fn alive(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z')))
}
