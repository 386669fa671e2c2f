//! Every format is read back by independent code, and has the contents of the profile.
#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

mod common;
#[path = "common/proto.rs"]
mod proto;

use common::*;
use flate2::read::GzDecoder;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::Read;
use ungil_profile::*;

/// Weight by the thread's label, and by what it waited for.
fn by_thread(profile: &Profile) -> HashMap<String, u64> {
    let mut sums = HashMap::new();
    for (key, weight) in &profile.rows {
        *sums.entry(profile.thread_label(&profile.threads[key.thread.index()])).or_default() +=
            weight.weight;
    }
    sums.retain(|_, w| *w > 0);
    sums
}

fn numbers(value: &Value) -> Vec<u64> {
    value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap()).collect()
}

/// The rules of speedscope's import for sampled profiles, from the schema that `$schema` names.
fn speedscope_rules() -> Value {
    let units = ["none", "nanoseconds", "microseconds", "milliseconds", "seconds", "bytes"];
    let frame = json!({
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": "string"}, "file": {"type": "string"}, "line": {"type": "number"}, "col": {"type": "number"},
        },
    });
    let sampled = json!({
        "type": "object",
        "required": ["type", "name", "unit", "startValue", "endValue", "samples", "weights"],
        "properties": {
            "type": {"const": "sampled"},
            "name": {"type": "string"},
            "unit": {"enum": units},
            "startValue": {"type": "number"},
            "endValue": {"type": "number"},
            "samples": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
            "weights": {"type": "array", "items": {"type": "number"}},
        },
    });
    json!({
        "type": "object",
        "required": ["$schema", "shared", "profiles"],
        "properties": {
            "$schema": {"const": "https://www.speedscope.app/file-format-schema.json"},
            "shared": {
                "type": "object", "required": ["frames"], "properties": {"frames": {"type": "array", "items": frame}},
            },
            "profiles": {"type": "array", "items": sampled},
            "name": {"type": "string"},
            "exporter": {"type": "string"},
            "activeProfileIndex": {"type": "number"},
        },
    })
}

fn speedscope_holds(known: &KnownProfile, timed: bool) {
    let file = known.json(Format::Speedscope, timed);
    let validator = jsonschema::validator_for(&speedscope_rules()).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&file).map(|e| format!("{e} at {}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let frames = file["shared"]["frames"].as_array().unwrap();
    let mut sums = HashMap::new();
    for thread in file["profiles"].as_array().unwrap() {
        let (samples, weights) =
            (thread["samples"].as_array().unwrap(), numbers(&thread["weights"]));
        assert_eq!(samples.len(), weights.len());
        let (start, end) =
            (thread["startValue"].as_u64().unwrap(), thread["endValue"].as_u64().unwrap());
        assert_eq!(end - start, weights.iter().sum::<u64>());
        let sum: &mut u64 = sums.entry(thread["name"].as_str().unwrap().to_string()).or_default();
        for (stack, weight) in samples.iter().zip(weights) {
            let stack = numbers(stack);
            assert!(stack.iter().all(|f| (*f as usize) < frames.len()));
            *sum += if stack.is_empty() { 0 } else { weight };
        }
    }
    sums.retain(|_, w| *w > 0);
    let mut expected = HashMap::new();
    for (key, weight) in &known.profile().rows {
        // speedscope cannot represent a running thread without frames.
        if key.stack != StackId::EMPTY || !key.activity.is_busy() {
            let thread = &known.profile().threads[key.thread.index()];
            *expected.entry(known.profile().thread_label(thread)).or_default() += weight.weight;
        }
    }
    expected.retain(|_, w| *w > 0);
    assert_eq!(sums, expected);
}

fn pprof(known: &KnownProfile) -> proto::PprofProfile {
    let mut bytes = Vec::new();
    GzDecoder::new(known.bytes(Format::Pprof, false).as_slice()).read_to_end(&mut bytes).unwrap();
    prost::Message::decode(bytes.as_slice()).unwrap()
}

fn pprof_holds(known: &KnownProfile) {
    let (profile, file) = (known.profile(), pprof(known));
    let text = |id: i64| file.string_table[usize::try_from(id).unwrap()].as_str();
    assert_eq!(text(0), "");
    let types: Vec<_> = file.sample_type.iter().map(|t| (text(t.r#type), text(t.unit))).collect();
    assert_eq!(types, [("samples", "count"), ("time", "nanoseconds")]);
    assert_eq!(text(file.default_sample_type), "time");
    let (mut samples, mut threads) = (0, HashMap::new());
    for (sample, (key, weight)) in file.sample.iter().zip(&profile.rows) {
        let places: Vec<(String, String, i64)> = sample
            .location_id
            .iter()
            .map(|id| {
                let location = file.location.iter().find(|l| l.id == *id).unwrap();
                assert!(file.mapping.iter().any(|m| m.id == location.mapping_id));
                let [line] = &location.line[..] else { panic!("{location:?}") };
                let function = file.function.iter().find(|f| f.id == line.function_id).unwrap();
                (text(function.name).into(), text(function.filename).into(), line.line)
            })
            .collect();
        let expected: Vec<(String, String, i64)> = profile
            .leaf_to_root(key.stack)
            .map(|f| {
                let function = profile.function(f);
                let (name, file) = (profile.string(function.name), profile.string(function.file));
                (name.into(), file.into(), profile.frames[f.index()].line.into())
            })
            .collect();
        assert_eq!(places, expected);
        assert_eq!(sample.value, [weight.samples as i64, weight.weight as i64]);
        let label = |name: &str| sample.label.iter().find(|l| text(l.key) == name);
        *threads.entry(text(label("thread").unwrap().str).to_string()).or_default() +=
            weight.weight;
        assert_eq!(label("activity").map(|l| text(l.str)), Some(key.activity.description()));
        assert_eq!(label("lock").is_some(), key.lock.is_some());
        assert_eq!(label("holder").is_some(), key.holder.is_some());
        samples += 1;
    }
    assert_eq!(samples, profile.rows.len());
    assert_eq!(file.sample.len(), samples);
    threads.retain(|_, w| *w > 0);
    assert_eq!(threads, by_thread(profile));
}

fn collapsed_holds(known: &KnownProfile) {
    let text = String::from_utf8(known.bytes(Format::Collapsed, false)).unwrap();
    let mut sums: HashMap<String, u64> = HashMap::new();
    let mut seen = std::collections::HashSet::new();
    for line in text.lines() {
        let (stack, weight) = line.rsplit_once(' ').unwrap();
        assert!(seen.insert(stack.to_string()), "twice: {stack}");
        *sums.entry(stack.split(';').next().unwrap().into()).or_default() +=
            weight.parse::<u64>().unwrap();
    }
    sums.retain(|_, w| *w > 0);
    assert_eq!(sums, by_thread(known.profile()));
}

/// Follows every index of the Firefox Profiler's tables.
fn firefox_holds(known: &KnownProfile, timed: bool) {
    let (profile, file) = (known.profile(), known.json(Format::Firefox, timed));
    assert!(file["meta"]["preprocessedProfileVersion"].as_u64().unwrap() >= 40);
    let categories = file["meta"]["categories"].as_array().unwrap().len() as u64;
    let mut samples = 0;
    for thread in file["threads"].as_array().unwrap() {
        let length = |table: &str| thread[table]["length"].as_u64().unwrap();
        let strings = thread["stringArray"]
            .as_array()
            .or(file["shared"]["stringArray"].as_array())
            .unwrap()
            .len();
        for (table, column, bound) in [
            ("stackTable", "frame", length("frameTable")),
            ("frameTable", "func", length("funcTable")),
            ("funcTable", "name", strings as u64),
            ("stackTable", "prefix", length("stackTable")),
            ("samples", "stack", length("stackTable")),
            ("markers", "name", strings as u64),
            ("markers", "category", categories),
        ] {
            let column =
                thread[table][column].as_array().unwrap_or_else(|| panic!("{table}.{column}"));
            assert!(column.iter().filter_map(Value::as_u64).all(|i| i < bound), "{table}");
        }
        samples += numbers(&thread["samples"]["weight"]).iter().sum::<u64>();
    }
    assert_eq!(samples, profile.total().samples);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_format_has_the_contents_of_the_profile(run in run()) {
        let known = KnownProfile::of(|b| drop(record_run(b, &run)));
        pprof_holds(&known);
        collapsed_holds(&known);
        speedscope_holds(&known, false);
        firefox_holds(&known, false);
        firefox_holds(&known, true);
        prop_assert_eq!(known.bytes(Format::Recording, true), std::fs::read(known.dir.path().join("known.ungil")).unwrap());
        prop_assert!(String::from_utf8(known.bytes(Format::Flame, false)).unwrap().ends_with("</html>\n"));
    }
}

#[test]
fn a_known_profile_in_every_format() {
    let known = KnownProfile::of(contended_into);
    pprof_holds(&known);
    collapsed_holds(&known);
    [false, true].into_iter().for_each(|timed| speedscope_holds(&known, timed));
    [false, true].into_iter().for_each(|timed| firefox_holds(&known, timed));
    let file = pprof(&known);
    assert_eq!(file.time_nanos, 1_795_402_800_000_000_000);
    assert_eq!(file.duration_nanos, 5_000_000_000);
    assert_eq!(file.period, 1_000_000);
}

#[test]
fn speedscope_keeps_the_order_in_time() {
    let known = KnownProfile::of(contended_into);
    let file = known.json(Format::Speedscope, true);
    let frames = file["shared"]["frames"].as_array().unwrap();
    let thread = &file["profiles"][0];
    let leaves: Vec<&str> = thread["samples"].as_array().unwrap()[..6]
        .iter()
        .map(|s| frames[*numbers(s).last().unwrap() as usize]["name"].as_str().unwrap())
        .collect();
    let lock = "[waiting for dict `cache` at app.py:31]";
    let other = "[waiting for threading.Lock 0x7f0000002000]";
    let stopped = "[suspended (stop-the-world)]";
    assert_eq!(leaves, [lock, other, "[waiting for the GIL]", stopped, "spin", "<GC>"]);
    assert_eq!(numbers(&thread["weights"])[..6], [19, 5, 3, 2, 10, 1].map(|ms| ms * 1_000_000));
}

#[test]
fn firefox_has_waits_and_pauses_as_markers() {
    let known = KnownProfile::of(contended_into);
    let file = known.json(Format::Firefox, true);
    let mut found: HashMap<String, Vec<f64>> = HashMap::new();
    for thread in file["threads"].as_array().unwrap() {
        let strings =
            thread["stringArray"].as_array().or(file["shared"]["stringArray"].as_array()).unwrap();
        let text = |v: &Value| strings[v.as_u64().unwrap() as usize].as_str().unwrap().to_string();
        let markers = &thread["markers"];
        for i in 0..markers["length"].as_u64().unwrap() as usize {
            let data = &markers["data"][i];
            let what = data["what"].as_str().map_or_else(|| text(&data["what"]), String::from);
            let length =
                markers["endTime"][i].as_f64().unwrap() - markers["startTime"][i].as_f64().unwrap();
            found.entry(format!("{}: {what}", text(&markers["name"][i]))).or_default().push(length);
        }
    }
    let lengths =
        |name: &str| found.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", found.keys()));
    let waits = lengths("waits for a lock: dict `cache` at app.py:31");
    assert_eq!(waits.len(), 8 * 20);
    // The first wait begins before the clock, so it is one look shorter.
    assert!(waits.iter().all(|ms| (17.9..19.1).contains(ms)), "{waits:?}");
    let pauses = lengths("garbage collection: generation 2");
    assert_eq!(pauses.len(), 20);
    assert!(pauses.iter().all(|ms| (1.9..2.1).contains(ms)));
}

#[test]
fn separators_in_names_are_replaced() {
    let known = KnownProfile::of(|b| {
        let main = frame(b, (3, 1));
        let (thread, stack) = (b.thread(7, 7, "a;b\nc"), b.stack(StackId::EMPTY, main));
        let activity = Activity::RUNNING;
        b.sample(Sample { at_ns: 1, weight: 5, thread, stack, activity, lock: None, holder: None });
    });
    let text = String::from_utf8(known.bytes(Format::Collapsed, false)).unwrap();
    assert_eq!(text, "a:b c (7);spin: \"x\"  (b.py:1) 5\n");
}
