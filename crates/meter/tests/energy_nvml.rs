//! Tests NVML with a fake library that is compiled here and keeps its counters in files.
#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use ungil_meter::energy::counter::Limit;
use ungil_meter::energy::nvml::Nvml;
use ungil_meter::energy::{EnergyError, Evidence, Reading, Request, Scope, Sensor, Usage, open};

/// Accepts 1 kJ regardless of the clock.
const KILOJOULE: Limit = Limit { watts: 1e-6, slack: Duration::from_secs(1_000_000_000) };

/// The functions that the wrapper calls. A file `energy.N` contains the counter of GPU N in
/// millijoules, or a negated error code of nvml.h; likewise `init` and `count`.
const SOURCE: &str = r#"
#include <stdio.h>
#include <string.h>
static long long number(const char *name, long long otherwise) {
    char path[4096]; long long n;
    snprintf(path, sizeof path, "%s/%s", DIR, name);
    FILE *f = fopen(path, "r");
    if (!f) return otherwise;
    if (fscanf(f, "%lld", &n) != 1) n = -999;
    fclose(f);
    return n;
}
#ifndef WITHOUT_INIT
int nvmlInit_v2(void) { return (int)-number("init", 0); }
#endif
int nvmlShutdown(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = (unsigned)number("count", 0); return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) { *device = (void *)(unsigned long)(index + 1); return 0; }
int nvmlDeviceGetName(void *device, char *name, unsigned length) {
    snprintf(name, length, "Fake %c%lu", 'A', (unsigned long)device - 1);
    return 0;
}
int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *energy) {
    char name[32];
    snprintf(name, sizeof name, "energy.%lu", (unsigned long)device - 1);
    long long n = number(name, -15);
    if (n < 0) return (int)-n;
    *energy = (unsigned long long)n;
    return 0;
}
"#;

/// Negated codes of nvml.h.
const NOT_SUPPORTED: i64 = -3;
const NO_PERMISSION: i64 = -4;
const DRIVER_NOT_LOADED: i64 = -9;
const GPU_IS_LOST: i64 = -15;

struct FakeNvml {
    dir: tempfile::TempDir,
}

impl FakeNvml {
    fn new(energies: &[i64]) -> Self {
        let fake = Self { dir: tempfile::tempdir().unwrap() };
        fake.compile(&[]);
        fake.set("count", i64::try_from(energies.len()).unwrap());
        for (k, energy) in energies.iter().enumerate() {
            fake.set(&format!("energy.{k}"), *energy);
        }
        fake
    }

    fn compile(&self, flags: &[&str]) {
        let source = self.dir.path().join("nvml.c");
        fs::write(&source, SOURCE).unwrap();
        let done = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .arg(self.library())
            .arg(format!("-DDIR=\"{}\"", self.dir.path().display()))
            .args(flags)
            .arg(&source)
            .status()
            .expect("a C compiler, as Rust's linker needs one too");
        assert!(done.success());
    }

    fn library(&self) -> PathBuf {
        self.dir.path().join("libnvidia-ml.so.1")
    }

    fn set(&self, file: &str, value: i64) {
        let new = self.dir.path().join(".new");
        fs::write(&new, value.to_string()).unwrap();
        fs::rename(new, self.dir.path().join(file)).unwrap();
    }

    fn open(&self) -> Result<Nvml, EnergyError> {
        Nvml::open_with(Some(&self.library()), KILOJOULE)
    }
}

fn end(sensor: &mut dyn Sensor) -> Result<Reading, EnergyError> {
    sensor.end(&Usage::default())
}

#[test]
fn sums_two_gpus_in_microjoules() {
    let fake = FakeNvml::new(&[1_000_000_000_000, 7]);
    let request: Request = format!("nvml={}", fake.library().display()).parse().unwrap();
    let mut opened = open(&request).unwrap();
    let sensor = opened.sensors[0].as_mut();
    sensor.begin().unwrap();
    fake.set("energy.0", 1_000_000_000_123);
    sensor.poll();
    fake.set("energy.1", 1007);
    let reading = end(sensor).unwrap();
    assert_eq!(reading.microjoules, 1_123_000);
    let shown: Vec<_> = reading
        .domains
        .iter()
        .map(|d| (d.name.as_str(), d.scope, d.microjoules, d.counted))
        .collect();
    assert_eq!(
        shown,
        [
            ("gpu-0 Fake A0", Scope::Gpu, 123_000, true),
            ("gpu-1 Fake A1", Scope::Gpu, 1_000_000, true)
        ]
    );
    let about = sensor.about();
    assert_eq!((about.sensor.as_str(), about.evidence), ("nvml", Evidence::Counter));
    assert!(about.covers.starts_with("2 GPUs"), "{}", about.covers);
}

#[test]
fn reloaded_driver_is_a_jump_and_lost_gpu_vanishes() {
    let fake = FakeNvml::new(&[5000]);
    let mut sensor = fake.open().unwrap();
    sensor.begin().unwrap();
    fake.set("energy.0", 3);
    assert!(matches!(end(&mut sensor), Err(EnergyError::Jumped { sensor: "nvml", .. })));
    sensor.begin().unwrap();
    fake.set("energy.0", GPU_IS_LOST);
    sensor.poll();
    fake.set("energy.0", 5);
    assert!(matches!(end(&mut sensor), Err(EnergyError::Vanished { .. })));
    sensor.begin().unwrap();
    fake.set("energy.0", 6);
    assert_eq!(end(&mut sensor).unwrap().microjoules, 1000);
}

#[test]
fn gpu_without_counter_is_a_note_and_no_counter_is_absent() {
    let fake = FakeNvml::new(&[5, NOT_SUPPORTED]);
    let about = fake.open().unwrap().about();
    assert!(about.covers.starts_with("1 GPU;"), "{}", about.covers);
    assert!(about.notes[0].starts_with("gpu-1 Fake A1 has no energy counter"), "{:?}", about.notes);
    fake.set("energy.0", NOT_SUPPORTED);
    let error = fake.open().map(|_| ()).unwrap_err();
    assert!(
        matches!(&error, EnergyError::Absent { .. }) && error.why().contains("gpu-0 Fake A0"),
        "{error:?}"
    );
    fake.set("count", 0);
    let error = fake.open().map(|_| ()).unwrap_err();
    assert!(
        matches!(&error, EnergyError::Absent { .. }) && error.why().contains("finds no GPU"),
        "{error:?}"
    );
}

#[test]
fn driver_that_denies_access_or_is_not_loaded() {
    let fake = FakeNvml::new(&[5]);
    fake.set("init", DRIVER_NOT_LOADED);
    let error = fake.open().map(|_| ()).unwrap_err();
    assert!(
        matches!(&error, EnergyError::Absent { .. })
            && error.why().contains("driver is not loaded"),
        "{error:?}"
    );
    fake.set("init", 0);
    fake.set("energy.0", NO_PERMISSION);
    let error = fake.open().map(|_| ()).unwrap_err();
    assert!(
        matches!(&error, EnergyError::Denied { .. }) && error.help().contains("/dev/nvidia"),
        "{error:?}"
    );
}

#[test]
fn missing_or_wrong_library_is_absent() {
    let error = Nvml::open(Some(Path::new("/nowhere/libnvidia-ml.so"))).map(|_| ()).unwrap_err();
    assert!(matches!(&error, EnergyError::Absent { sensor: "nvml", .. }), "{error:?}");
    assert!(error.why().contains("/nowhere/libnvidia-ml.so"), "{}", error.why());
    assert!(error.help().contains("nvml=LIBRARY"), "{}", error.help());

    let fake = FakeNvml { dir: tempfile::tempdir().unwrap() };
    fs::write(fake.library(), "not a library").unwrap();
    assert!(matches!(fake.open(), Err(EnergyError::Absent { .. })));

    let fake = FakeNvml { dir: tempfile::tempdir().unwrap() };
    fake.compile(&["-DWITHOUT_INIT"]);
    let error = fake.open().map(|_| ()).unwrap_err();
    assert!(
        matches!(&error, EnergyError::Absent { .. }) && error.why().contains("nvmlInit_v2"),
        "{error:?}"
    );
}
