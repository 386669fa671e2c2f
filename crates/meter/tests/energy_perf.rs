//! Tests perf's `power` PMU on a simulated tree: sysfs files as the kernel writes them, with files
//! of counts.
#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use ungil_meter::energy::counter::Limit;
use ungil_meter::energy::perf::Perf;
use ungil_meter::energy::{EnergyError, Evidence, Reading, Request, Sensor, Usage, open};

/// 2^-32 as `arch/x86/events/rapl.c` writes it.
const SCALE: &str = "2.3283064365386962890625e-10";

/// One joule in counts.
const JOULE: u64 = 1 << 32;

/// Accepts 1 kJ regardless of the clock.
const KILOJOULE: Limit = Limit { watts: 1e-6, slack: Duration::from_secs(1_000_000_000) };

struct Pmu {
    dir: tempfile::TempDir,
}

impl Pmu {
    /// Creates a PMU with these CPUs in its mask and these events, with all counts 0.
    fn new(cpumask: &str, cpus: &[u32], events: &[&str]) -> Self {
        let pmu = Self { dir: tempfile::tempdir().unwrap() };
        for dir in ["events", "counts"] {
            fs::create_dir_all(pmu.path(dir)).unwrap();
        }
        pmu.write("type", "24\n");
        pmu.write("cpumask", &format!("{cpumask}\n"));
        for (k, event) in events.iter().enumerate() {
            pmu.write(&format!("events/{event}"), &format!("event=0x{:02x}\n", k + 1));
            pmu.write(&format!("events/{event}.scale"), &format!("{SCALE}\n"));
            pmu.write(&format!("events/{event}.unit"), "Joules\n");
            for cpu in cpus {
                pmu.count(event, *cpu, 0);
            }
        }
        pmu
    }

    fn root(&self) -> &Path {
        self.dir.path()
    }

    fn path(&self, file: &str) -> PathBuf {
        self.root().join("power").join(file)
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.path(file), text).unwrap();
    }

    fn count(&self, event: &str, cpu: u32, count: u64) {
        let new = self.path("counts/.new");
        fs::write(&new, count.to_ne_bytes()).unwrap();
        fs::rename(new, self.path(&format!("counts/{event}.{cpu}"))).unwrap();
    }

    fn open(&self) -> Result<Perf, EnergyError> {
        Perf::open_with(self.root(), Some(KILOJOULE))
    }
}

fn end(sensor: &mut dyn Sensor) -> Result<Reading, EnergyError> {
    sensor.end(&Usage::default())
}

fn shown(reading: &Reading) -> Vec<(&str, u64, bool)> {
    reading
        .domains
        .iter()
        .map(|domain| (domain.name.as_str(), domain.microjoules, domain.counted))
        .collect()
}

const SERVER: [&str; 3] = ["energy-pkg", "energy-ram", "energy-cores"];

#[test]
fn two_sockets_with_memory_are_exact_to_the_microjoule() {
    let pmu = Pmu::new("0,18", &[0, 18], &SERVER);
    // So large that a double cannot represent microjoules: 2^63 counts.
    let far = 1 << 63;
    pmu.count("energy-pkg", 0, far);
    let request: Request = format!("perf={}", pmu.root().display()).parse().unwrap();
    let mut opened = open(&request).unwrap();
    let sensor = opened.sensors[0].as_mut();
    sensor.begin().unwrap();
    pmu.count("energy-pkg", 0, far + 12 * JOULE + JOULE / 2);
    pmu.count("energy-pkg", 18, 3 * JOULE);
    sensor.poll();
    // 4295 counts are one microjoule, added before rounding.
    pmu.count("energy-pkg", 18, 3 * JOULE + 4295);
    pmu.count("energy-ram", 18, JOULE / 1000);
    pmu.count("energy-cores", 0, 9 * JOULE);
    let reading = end(sensor).unwrap();
    assert_eq!(
        shown(&reading),
        [
            ("package-0", 12_500_000, true),
            ("package-1", 3_000_001, true),
            ("dram-0", 0, true),
            ("dram-1", 1000, true),
            ("core-0", 9_000_000, false),
            ("core-1", 0, false),
        ]
    );
    assert_eq!(reading.microjoules, 12_500_000 + 3_000_001 + 1000);
    let about = sensor.about();
    assert_eq!((about.sensor.as_str(), about.evidence), ("perf", Evidence::Counter));
    assert!(about.covers.starts_with("2 packages + 2 dram"), "{}", about.covers);
    assert!(about.notes[0].contains("1 on cpu 18"), "{:?}", about.notes);
}

#[test]
fn fractions_of_a_microjoule_are_kept_between_readings() {
    let pmu = Pmu::new("0", &[0], &["energy-pkg"]);
    let mut sensor = pmu.open().unwrap();
    sensor.begin().unwrap();
    // 1000 readings of 2000 counts, 0.47 uJ each: rounded one by one they would be zero.
    for k in 1..=1000 {
        pmu.count("energy-pkg", 0, k * 2000);
        sensor.poll();
    }
    assert_eq!(end(&mut sensor).unwrap().microjoules, 466);
}

#[test]
fn psys_is_the_total_on_one_socket_and_only_shown_on_two() {
    let events = ["energy-pkg", "energy-ram", "energy-psys", "energy-gpu"];
    let pmu = Pmu::new("0", &[0], &events);
    let mut sensor = pmu.open().unwrap();
    sensor.begin().unwrap();
    for (event, joules) in
        [("energy-psys", 10), ("energy-pkg", 6), ("energy-ram", 1), ("energy-gpu", 2)]
    {
        pmu.count(event, 0, joules * JOULE);
    }
    let reading = end(&mut sensor).unwrap();
    assert_eq!(reading.microjoules, 10_000_000);
    assert_eq!(
        shown(&reading),
        [
            ("psys", 10_000_000, true),
            ("package-0", 6_000_000, false),
            ("dram-0", 1_000_000, false),
            ("uncore-0", 2_000_000, false)
        ]
    );

    let pmu = Pmu::new("0-1", &[0, 1], &events);
    let mut sensor = pmu.open().unwrap();
    sensor.begin().unwrap();
    pmu.count("energy-psys", 0, 10 * JOULE);
    pmu.count("energy-pkg", 1, 6 * JOULE);
    let reading = end(&mut sensor).unwrap();
    assert_eq!(reading.microjoules, 6_000_000);
    assert!(sensor.about().notes.iter().any(|note| note.starts_with("2 platform domains")));
}

#[test]
fn jump_of_a_count_invalidates_only_its_window() {
    let pmu = Pmu::new("0", &[0], &["energy-pkg"]);
    let mut sensor = pmu.open().unwrap();
    pmu.count("energy-pkg", 0, 5 * JOULE);
    sensor.begin().unwrap();
    pmu.count("energy-pkg", 0, 4 * JOULE);
    assert!(
        matches!(end(&mut sensor), Err(EnergyError::Jumped { sensor: "perf", domain, .. }) if domain == "package-0")
    );
    sensor.begin().unwrap();
    pmu.count("energy-pkg", 0, 1005 * JOULE);
    assert!(matches!(end(&mut sensor), Err(EnergyError::Jumped { .. })));
    sensor.begin().unwrap();
    pmu.count("energy-pkg", 0, 1006 * JOULE);
    assert_eq!(end(&mut sensor).unwrap().microjoules, 1_000_000);
}

#[test]
fn vanished_count_invalidates_its_window_and_may_return() {
    let pmu = Pmu::new("0", &[0], &["energy-pkg"]);
    let mut sensor = pmu.open().unwrap();
    sensor.begin().unwrap();
    fs::remove_file(pmu.path("counts/energy-pkg.0")).unwrap();
    assert!(matches!(end(&mut sensor), Err(EnergyError::Vanished { .. })));
    // An event whose CPU was removed reads as end of file.
    fs::write(pmu.path("counts/energy-pkg.0"), "").unwrap();
    assert!(matches!(sensor.begin(), Err(EnergyError::Vanished { .. })));
    pmu.count("energy-pkg", 0, 0);
    sensor.begin().unwrap();
    pmu.count("energy-pkg", 0, JOULE);
    assert_eq!(end(&mut sensor).unwrap().microjoules, 1_000_000);
}

#[test]
fn missing_pmu_or_usable_event_is_absent() {
    let empty = tempfile::tempdir().unwrap();
    let error = Perf::open(empty.path()).map(|_| ()).unwrap_err();
    assert!(matches!(&error, EnergyError::Absent { sensor: "perf", .. }), "{error:?}");
    assert!(error.why().ends_with("power does not exist"), "{}", error.why());
    let error = Pmu::new("0", &[0], &["energy-cores"]).open().map(|_| ()).unwrap_err();
    assert!(matches!(&error, EnergyError::Absent { .. }), "{error:?}");
}

#[test]
fn invalid_files_are_malformed() {
    for (file, texts) in [
        ("type", vec!["", "x", "-1", "4294967296"]),
        ("cpumask", vec!["", "x", "0,", "3-1", "0-99999999", "0-4294967295", "-"]),
        (
            "events/energy-pkg",
            vec!["", "event=", "event=0xzz", "umask=1", "event=0x100", "event=-1"],
        ),
        ("events/energy-pkg.scale", vec!["", "x", "0", "-1", "NaN", "inf", "1e300"]),
        ("events/energy-pkg.unit", vec!["", "Watts", "joules"]),
    ] {
        for text in texts {
            let pmu = Pmu::new("0", &[0], &["energy-pkg"]);
            assert!(pmu.open().is_ok());
            pmu.write(file, text);
            let error = pmu.open().map(|_| ()).unwrap_err();
            assert!(matches!(&error, EnergyError::Malformed { .. }), "{file} {text:?}: {error:?}");
        }
    }
    let pmu = Pmu::new("0", &[0], &["energy-pkg"]);
    fs::write(pmu.path("counts/energy-pkg.0"), [1, 2, 3]).unwrap();
    assert!(matches!(pmu.open(), Err(EnergyError::Malformed { .. })));
}

#[test]
fn unreadable_uncounted_event_is_a_note() {
    let pmu = Pmu::new("0", &[0], &SERVER);
    fs::remove_file(pmu.path("counts/energy-cores.0")).unwrap();
    let notes = pmu.open().unwrap().about().notes;
    assert!(
        notes.len() == 1 && notes[0].starts_with("core-0 (energy-cores, not counted)"),
        "{notes:?}"
    );
    fs::remove_file(pmu.path("counts/energy-ram.0")).unwrap();
    assert!(matches!(pmu.open(), Err(EnergyError::Vanished { domain, .. }) if domain == "dram-0"));
}

#[test]
fn without_counts_the_kernel_is_used() {
    // A PMU with a number that no kernel has: the system call fails, and the text names it.
    let pmu = Pmu::new("0", &[0], &["energy-pkg"]);
    fs::remove_dir_all(pmu.path("counts")).unwrap();
    pmu.write("type", "2147418112\n");
    let error = pmu.open().map(|_| ()).unwrap_err();
    assert!(error.why().starts_with("perf_event_open of energy-pkg on cpu 0"), "{error:?}");
    assert!(matches!(&error, EnergyError::Absent { .. } | EnergyError::Denied { .. }), "{error:?}");
    if matches!(error, EnergyError::Denied { .. }) {
        assert!(error.help().contains("cap_perfmon"), "{}", error.help());
    }
}
