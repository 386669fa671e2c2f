//! Tests `--energy`, the model's arithmetic, and a machine without sensors.
#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

use proptest::prelude::*;
use std::path::Path;
use ungil_meter::energy::model::{Model, Parameters};
use ungil_meter::energy::{
    Choice, EnergyError, Evidence, Request, Sensor, Usage, open, perf, powercap,
};

fn parse(text: &str) -> Result<Request, EnergyError> {
    text.parse()
}

#[test]
fn parses_requests() {
    let powercap = Choice::Powercap(powercap::ROOT.into());
    let model = |idle, busy, band, cpus| Choice::Model(Parameters { idle, busy, band, cpus });
    for (text, request) in [
        ("auto", Request::Auto),
        ("off", Request::Off),
        ("powercap", Request::Sensors(vec![powercap.clone()])),
        ("powercap=/a b/c", Request::Sensors(vec![Choice::Powercap("/a b/c".into())])),
        ("perf", Request::Sensors(vec![Choice::Perf(perf::ROOT.into())])),
        ("perf=/x,nvml", Request::Sensors(vec![Choice::Perf("/x".into()), Choice::Nvml(None)])),
        ("nvml=/lib/x.so", Request::Sensors(vec![Choice::Nvml(Some("/lib/x.so".into()))])),
        ("powercap,nvml", Request::Sensors(vec![powercap, Choice::Nvml(None)])),
        ("model", Request::Sensors(vec![model(0.74, 3.5, 60.0, None)])),
        ("model:busy=9", Request::Sensors(vec![model(0.74, 9.0, 60.0, None)])),
        (
            "model:idle=1,busy=2,band=30,cpus=8,nvml=/l",
            Request::Sensors(vec![model(1.0, 2.0, 30.0, Some(8)), Choice::Nvml(Some("/l".into()))]),
        ),
        ("meter=a, b=c | d", Request::Sensors(vec![Choice::Meter("a, b=c | d".into())])),
    ] {
        assert_eq!(parse(text).as_ref(), Ok(&request), "{text}");
        // The text in a record can be given again.
        assert_eq!(parse(&request.to_string()).as_ref(), Ok(&request), "{text}");
    }
    assert_eq!(Request::default(), Request::Auto);
}

#[test]
fn rejects_invalid_requests() {
    for (text, part) in [
        ("", "empty"),
        ("rapl", "`rapl` is not a sensor"),
        ("powercap=", "has no value"),
        ("powercap,", "`` is not a sensor"),
        ("off,powercap", "cannot be combined"),
        ("nvml,auto", "cannot be combined"),
        ("powercap,perf", "same counters"),
        ("perf,powercap", "same counters"),
        ("powercap,powercap=/x", "given twice"),
        ("powercap,model", "same processors"),
        ("model,perf", "same processors"),
        ("nvml,meter=x", "whole machine"),
        ("model,meter=x", "whole machine"),
        ("meter", "needs a command"),
        ("meter= ", "needs a command"),
        ("model=3", "colon"),
        ("model:", "not KEY=NUMBER"),
        ("model:watts=3", "no parameter `watts`"),
        ("model:idle=x", "not a number"),
        ("model:idle=-1", "idle is -1"),
        ("model:idle=NaN", "idle is NaN"),
        ("model:busy=inf", "busy is inf"),
        ("model:idle=5", "less than idle"),
        ("model:band=-3", "band is -3"),
        ("model:cpus=0", "at least one"),
        ("model:cpus=1.5", "not a count"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(matches!(error, EnergyError::Request { .. }), "{text}: {error:?}");
        assert!(error.why().contains(part), "{text}: {}", error.why());
        assert!(
            error.to_string().starts_with(&format!("--energy {text}"))
                && error.help().contains("powercap")
        );
    }
}

#[test]
fn off_opens_nothing() {
    let opened = open(&Request::Off).unwrap();
    assert!(opened.sensors.is_empty() && opened.absent.is_empty());
}

#[test]
fn absent_requested_sensor_is_an_error() {
    assert!(matches!(
        open(&parse("powercap=/nowhere").unwrap()),
        Err(EnergyError::Absent { sensor: "powercap", .. })
    ));
    assert!(matches!(
        open(&parse("perf=/nowhere").unwrap()),
        Err(EnergyError::Absent { sensor: "perf", .. })
    ));
    assert!(matches!(
        open(&parse("nvml=/nowhere").unwrap()),
        Err(EnergyError::Absent { sensor: "nvml", .. })
    ));
}

#[test]
fn auto_falls_back_to_the_model_with_the_reasons() {
    let opened = open(&Request::Auto).unwrap();
    let abouts: Vec<_> = opened.sensors.iter().map(|sensor| sensor.about()).collect();
    let first = &abouts[0];
    if Path::new(powercap::ROOT).exists() || Path::new(perf::ROOT).join("power").exists() {
        // A machine with counters, readable or not: they are used, or the reason is given.
        assert!(first.evidence == Evidence::Counter || !opened.absent.is_empty());
    } else {
        assert_eq!((first.sensor.as_str(), first.evidence), ("model", Evidence::Model));
        let why: Vec<String> = opened.absent.iter().map(ToString::to_string).collect();
        assert_eq!(why[..2], ["no powercap energy sensor", "no perf energy sensor"]);
    }
    // Each of the three real sensors is used or listed as absent, unless the better RAPL interface
    // is available.
    let nvml = abouts.iter().any(|about| about.sensor == "nvml");
    let nvml_error = opened.absent.iter().any(|error| format!("{error:?}").contains("\"nvml\""));
    assert!(nvml != nvml_error, "{abouts:?} {:?}", opened.absent);
}

fn model(text: &str) -> Box<dyn Sensor> {
    open(&parse(text).unwrap()).unwrap().sensors.remove(0)
}

#[test]
fn model_gives_figure_and_band() {
    let mut sensor = model("model:idle=0.74,busy=3.5,band=60,cpus=4");
    sensor.begin().unwrap();
    sensor.poll();
    // 0.74 W x 4 CPUs x 10 s + 2.76 W x 25 s = 29.6 J + 69 J.
    let reading = sensor.end(&Usage { wall_s: 10.0, cpu_s: 25.0 }).unwrap();
    assert_eq!(reading.microjoules, 98_600_000);
    assert_eq!(reading.band, Some((39_440_000, 157_760_000)));
    assert_eq!((reading.domains.len(), reading.domains[0].microjoules), (1, 98_600_000));
    let about = sensor.about();
    assert_eq!(about.evidence, Evidence::Model);
    for part in ["an estimate", "0.74 W idle", "3.5 W busy", "4 CPUs", "+-60 %"] {
        assert!(about.covers.contains(part), "{part}: {}", about.covers);
    }
    assert!(matches!(sensor.end(&Usage::default()), Err(EnergyError::NoWindow { .. })));
}

#[test]
fn band_is_not_negative() {
    let mut sensor = model("model:idle=2,busy=2,band=150,cpus=3");
    sensor.begin().unwrap();
    let reading = sensor.end(&Usage { wall_s: 5.0, cpu_s: 100.0 }).unwrap();
    assert_eq!((reading.microjoules, reading.band), (30_000_000, Some((0, 75_000_000))));
}

#[test]
fn invalid_times_are_malformed() {
    for (wall_s, cpu_s) in [(f64::NAN, 1.0), (1.0, f64::NAN), (-1.0, 1.0), (1.0, f64::INFINITY)] {
        let mut sensor = model("model");
        sensor.begin().unwrap();
        assert!(matches!(
            sensor.end(&Usage { wall_s, cpu_s }),
            Err(EnergyError::Malformed { sensor: "model", .. })
        ));
    }
}

#[test]
fn new_checks_the_parameters() {
    let bad = Parameters { idle: 9.0, ..Parameters::default() };
    assert!(matches!(Model::new(bad), Err(EnergyError::Request { .. })));
}

proptest! {
    #[test]
    fn parsing_never_panics(text in "(model|powercap|perf|nvml|meter|auto|off)?[:=,]?[a-z0-9=,.:-]{0,30}") {
        if let Ok(request) = parse(&text) {
            prop_assert_eq!(parse(&request.to_string()), Ok(request));
        }
    }

    #[test]
    fn band_contains_the_figure(wall_s in 0.0f64..1e6, cpu_s in 0.0f64..1e6, band in 0.0f64..100.0) {
        let model = Model::new(Parameters { band, cpus: Some(2), ..Parameters::default() }).unwrap();
        let (low, figure, high) = model.estimate(&Usage { wall_s, cpu_s }).unwrap();
        prop_assert!(low <= figure && figure <= high);
    }
}
