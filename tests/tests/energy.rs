//! Tests energy measurements, exact to the microjoule, on a simulated powercap tree whose counters
//! the workload advances; and the output without an energy sensor.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

use serde_json::Value;
use std::fs;
use ungil_tests::{TestDir, Ungil, metric};

/// Range of the counters in microjoules. They wrap after a little more than a joule, within a few
/// runs.
const COUNTER_RANGE_UJ: u64 = 1_000_003;

/// Advances the counters inside its phase by amounts that depend on the number of runs so far, and
/// appends their sum to the file `sums`.
const ADVANCES_COUNTERS: &str = "
import json, os, sys
from ungil_phase import phase
tree, what = sys.argv[1], sys.argv[2]
runs = len(open('sums').readlines()) if os.path.exists('sums') else 0
def path(zone): return os.path.join(tree, zone, 'energy_uj')
def put(zone, value):
    with open(path(zone) + '.new', 'w') as f: f.write('%d\\n' % value)
    os.rename(path(zone) + '.new', path(zone))
def spend(zone, amount):
    put(zone, (int(open(path(zone)).read()) + amount) % RANGE)
    return amount
zones = ['intel-rapl:0', 'intel-rapl:1', 'intel-rapl:0:0', 'intel-rapl:1:0']
for zone in zones: spend(zone, 77)
total = 0
with phase():
    for i, zone in enumerate(zones):
        total += spend(zone, 100_000 * (i + 1) + runs * 54_321 % 400_000 + 1)
    spend('intel-rapl:0:1', 123_456)
    if what == 'vanish' and runs % 2: os.rename(path('intel-rapl:1'), path('intel-rapl:1') + '.gone')
    if what == 'jump' and runs % 2: put('intel-rapl:0', 10)
for zone in zones[2:]: spend(zone, 55)
if what == 'vanish' and runs % 2: os.rename(path('intel-rapl:1') + '.gone', path('intel-rapl:1'))
with open('sums', 'a') as f: f.write('%d\\n' % total)
print('same')
";

/// Creates a powercap tree with the kernel's layout: two packages with DRAM, one of them with
/// cores.
fn create_powercap_tree(dir: &TestDir) {
    let zones = [
        ("intel-rapl:0", "package-0"),
        ("intel-rapl:0/intel-rapl:0:0", "dram"),
        ("intel-rapl:0/intel-rapl:0:1", "core"),
        ("intel-rapl:1", "package-1"),
        ("intel-rapl:1/intel-rapl:1:0", "dram"),
    ];
    for (path, name) in zones {
        let zone_dir = format!("powercap/intel-rapl/{path}");
        dir.write(&format!("{zone_dir}/name"), format!("{name}\n"));
        dir.write(&format!("{zone_dir}/energy_uj"), "900000\n");
        dir.write(&format!("{zone_dir}/max_energy_range_uj"), format!("{COUNTER_RANGE_UJ}\n"));
        let flat = dir.join("powercap").join(path.rsplit('/').next().unwrap_or(path));
        std::os::unix::fs::symlink(dir.join(&zone_dir), flat).expect("a link");
    }
}

fn compare(dir: &TestDir, mode: &str) -> Ungil {
    create_powercap_tree(dir);
    dir.write("w.py", ADVANCES_COUNTERS.replace("RANGE", &COUNTER_RANGE_UJ.to_string()));
    let energy = format!("powercap={}", dir.join("powercap").display());
    let args = [
        "compare",
        "w.py",
        "--python",
        "3.14,3.14t",
        "--warmup",
        "0",
        "--blocks",
        "3",
        "--max-blocks",
        "3",
    ];
    dir.ungil(args).args(["-q", "--idle", "0", "--energy", &energy, "--", "powercap", mode])
}

/// Reads the sums that the workload wrote, one for each run.
fn sums(dir: &TestDir) -> Vec<u64> {
    dir.read("sums").unwrap().lines().map(|l| l.parse().unwrap()).collect()
}

fn microjoules(run: &Value) -> Option<u64> {
    run["energy"][0]["reading"]["microjoules"].as_u64()
}

#[test]
fn energy_is_exact_across_counter_wraps() {
    let dir = TestDir::new();
    let out = compare(&dir, "exact").run().ok();
    let (record, sums) = (out.record(), sums(&dir));
    assert_eq!((record.runs().len(), sums.len()), (6, 6));
    // Each run spends more than a third of the range, so six runs wrap every counter.
    assert!(sums.iter().all(|&s| s > 1_000_000));
    for (run, sum) in record.runs().into_iter().zip(sums) {
        assert_eq!(microjoules(run), Some(sum), "{run}");
        assert_eq!(metric(run, "energy_j"), sum as f64 / 1e6);
        assert_eq!(run["energy"][0]["evidence"], "counter");
        let core = run["energy"][0]["reading"]["domains"]
            .as_array()
            .unwrap()
            .iter()
            .find(|d| d["name"] == "core-0");
        assert_eq!(
            core.map(|d| (&d["microjoules"], &d["counted"])),
            Some((&Value::from(123_456), &Value::Bool(false)))
        );
    }
    assert!(out.stdout.contains("energy (counter)"), "{}", out.stdout);
    let covers = record.lines[0]["sensors"][0]["covers"].as_str().unwrap();
    assert!(covers.starts_with("2 packages + 2 dram"), "{covers}");
}

#[test]
fn vanished_zone_invalidates_only_the_energy_of_that_run() {
    let dir = TestDir::new();
    let record = compare(&dir, "vanish").run().ok().record();
    let sums = sums(&dir);
    assert_eq!(record.runs().len(), 6);
    for (i, run) in record.runs().into_iter().enumerate() {
        if i % 2 == 0 {
            assert_eq!(microjoules(run), Some(sums[i]), "{run}");
            continue;
        }
        assert_eq!((microjoules(run), run["metrics"].get("energy_j")), (None, None), "{run}");
        let why = run["missing"]["energy_j"].as_str().unwrap();
        assert!(why.contains("package-1"), "{why}");
        assert!(metric(run, "wall_s") > 0.0 && metric(run, "rss_end_bytes") > 0.0);
        assert_eq!(
            (run["outcome"]["kind"].as_str(), run["energy"][0]["evidence"].as_str()),
            (Some("ok"), Some("none"))
        );
    }
}

#[test]
fn counter_reset_invalidates_only_the_energy_of_that_run() {
    let dir = TestDir::new();
    let call = compare(&dir, "jump");
    // With the range of a real package, a counter that went back to 10 would have wrapped after
    // 262 kJ, which no package spends in a run.
    dir.write("powercap/intel-rapl/intel-rapl:0/max_energy_range_uj", "262143328850\n");
    dir.write("w.py", ADVANCES_COUNTERS.replace("RANGE", "262143328850"));
    let out = call.run().ok();
    let (record, sums) = (out.record(), sums(&dir));
    for (i, run) in record.runs().into_iter().enumerate() {
        if i % 2 == 0 {
            assert_eq!(microjoules(run), Some(sums[i]), "{run}");
            continue;
        }
        assert_eq!(microjoules(run), None, "{run}");
        let why = run["missing"]["energy_j"].as_str().unwrap();
        assert!(why.contains("package-0") && why.contains("to 10 "), "{why}");
        assert!(metric(run, "cpu_s") > 0.0);
    }
    assert!(out.stdout.contains("Energy of some runs is not measured"), "{}", out.stdout);
}

#[test]
fn energy_above_idle_is_shown_beside_total_energy() {
    let dir = TestDir::new();
    create_powercap_tree(&dir);
    dir.write("w.py", ADVANCES_COUNTERS.replace("RANGE", &COUNTER_RANGE_UJ.to_string()));
    let energy = format!("powercap={}", dir.join("powercap").display());
    let args = [
        "compare", "w.py", "--python", "3.14", "--warmup", "0", "--blocks", "1", "--idle", "200ms",
    ];
    let out =
        dir.ungil(args).args(["-q", "--energy", &energy, "--", "powercap", "exact"]).run().ok();
    assert!(
        out.stdout.contains("energy (counter)") && out.stdout.contains(" above idle"),
        "{}",
        out.stdout
    );
    let record = out.record();
    assert_eq!(record.of_type("idle").count(), 1);
    // The counters do not advance while the machine idles, so idle power is zero.
    assert_eq!(record.of_type("idle").next().unwrap()["energy"][0]["reading"]["microjoules"], 0);
    let run = record.run("3.14");
    assert_eq!(metric(run, "energy_above_idle_j"), metric(run, "energy_j"));
}

#[test]
fn missing_energy_is_not_reported_as_zero() {
    let dir = TestDir::new();
    dir.write("a.py", "print('same')\n");
    let out = dir.one_block(["a.py", "--python", "3.14,3.14t"]).run().ok();
    let record = out.record();
    assert_eq!(record.lines[0]["sensors"].as_array().map(Vec::len), Some(0));
    for run in record.runs() {
        assert!(run["metrics"].get("energy_j").is_none(), "{run}");
        assert!(run["missing"]["energy_j"].as_str().unwrap().contains("no sensor"), "{run}");
    }
    assert!(out.stdout.contains("Energy is not measured"), "{}", out.stdout);
    assert!(!out.stdout.contains("energy ("), "no column: {}", out.stdout);
}

#[test]
fn modelled_energy_is_labelled_and_shows_its_band() {
    let dir = TestDir::new();
    dir.write("a.py", "print(sum(range(100_000)))\n");
    let args = [
        "compare",
        "a.py",
        "--python",
        "3.14,3.14t",
        "--warmup",
        "0",
        "--max-blocks",
        "1",
        "--blocks",
        "1",
        "-q",
    ];
    let out = dir.ungil(args).args(["--energy", "model:idle=10,busy=20,band=50,cpus=1"]).run().ok();
    let row = out.stdout.lines().find(|l| l.starts_with("3.14t ")).unwrap();
    let band = row.rsplit_once('(').is_some_and(|(_, band)| band.contains('–'));
    assert!(out.stdout.contains("energy (model)") && band, "{}", out.stdout);
    let record = out.record();
    for run in record.runs() {
        let (reading, wall) = (&run["energy"][0]["reading"], metric(run, "wall_s"));
        let joules = metric(run, "energy_j");
        let expected = 10.0 * wall + 10.0 * metric(run, "cpu_s");
        assert!((joules / expected - 1.0).abs() < 1e-3, "{joules} J, {expected} J expected");
        let end = |i: usize| reading["band"][i].as_f64().unwrap() / 1e6;
        assert!(
            (end(0) / joules - 0.5).abs() < 1e-3 && (end(1) / joules - 1.5).abs() < 1e-3,
            "{reading}"
        );
    }
}

#[test]
fn auto_uses_available_sensors_and_names_missing_ones() {
    let dir = TestDir::new();
    dir.write("a.py", "print('same')\n");
    let args = [
        "compare",
        "a.py",
        "--python",
        "3.14,3.14t",
        "--warmup",
        "0",
        "--max-blocks",
        "1",
        "--blocks",
        "1",
        "-q",
    ];
    let out = dir.ungil(args).args(["--idle", "0"]).run().ok();
    let record = out.record();
    let (sensors, absent) =
        (&record.lines[0]["sensors"], record.lines[0]["absent"].as_array().unwrap());
    let has_sensor = fs::read_dir("/sys/class/powercap").is_ok_and(|mut d| d.next().is_some())
        || fs::exists("/sys/bus/event_source/devices/power").unwrap_or(false);
    if has_sensor {
        assert!(!sensors.as_array().unwrap().is_empty());
        return;
    }
    assert_eq!(sensors[0]["evidence"], "model");
    let named = |name: &str| absent.iter().any(|a| a.as_str().is_some_and(|a| a.contains(name)));
    assert!(named("powercap") && named("perf"), "{absent:?}");
    assert!(out.stdout.contains("energy (model)"), "{}", out.stdout);
    let note = out.stdout.lines().find(|l| l.contains("modelled, not measured")).unwrap();
    assert!(note.contains("no powercap energy sensor") && note.contains("model"), "{note}");
}

#[test]
fn missing_requested_sensor_is_an_error() {
    let dir = TestDir::new();
    dir.write("a.py", "print('same')\n");
    fs::create_dir(dir.join("empty")).unwrap();
    let error =
        dir.ungil(["compare", "a.py", "-q", "--energy", "powercap=empty"]).run().expect_error(2);
    assert!(error.what.contains("powercap") && error.why.contains("empty"), "{error:?}");
}
