//! Renders the summary of a profile as text and as JSON: how it was taken, what it cost, and its
//! findings.

use super::output::Written;
use crate::sanitize::{self, sanitize};
use crate::width::text_width;
use serde_json::json;
use std::collections::BTreeMap;
use std::process::ExitStatus;
use ungil_format::{counted, duration, frequency, grouped, percent, wrap};
use ungil_profile::capture::{CaptureEnding, CaptureResult};
use ungil_profile::{Profile, RowKey, Unit, findings};

/// Renders the summary as text.
pub(super) fn text(
    captured: &CaptureResult,
    written: &Written,
    status: Option<&Option<ExitStatus>>,
) -> String {
    let profile = &captured.finished.profile;
    let mut text = about(profile);
    text.push_str(match captured.ending {
        CaptureEnding::TimeLimit => "",
        CaptureEnding::Requested => {
            "Stopped by a signal; the profile covers the time until then.\n"
        }
        CaptureEnding::AllExited if status.is_some() => "",
        CaptureEnding::AllExited => {
            "The process has ended or was replaced; the profile covers the time until then.\n"
        }
    });
    if let Some(Some(status)) = status
        && !status.success()
    {
        text.push_str(&format!("The program ended with {status}.\n"));
    }
    wrap(&text, text_width(), 4) + &written.render()
}

/// Renders what any profile has: its target, its quality, its notes and findings.
pub(super) fn about(profile: &Profile) -> String {
    let (header, totals) = (&profile.header, &profile.totals);
    let samples = profile.total().samples;
    let seconds = duration(totals.duration_ns as f64 / 1e9);
    let build = header.build.map_or("", |build| build.description());
    let mut text = String::new();
    let one_line = sanitize(&header.command);
    text.push_str(&format!(
        "{one_line} (CPython {} {build}), mode {}\n",
        header.python,
        header.mode.name()
    ));
    if header.unit == Unit::Bytes {
        text.push_str(&format!("captured {} in {seconds}\n", counted(totals.captured, "sample")));
    } else {
        quality(&mut text, profile, samples);
    }
    for note in &totals.notes {
        text.push_str(&format!("note: {}\n", sanitize(note)));
    }
    let found = findings(profile);
    if !found.is_empty() {
        text.push('\n');
    }
    for finding in found {
        text.push_str(&format!("  {}.\n", sanitize(&finding.text)));
    }
    text
}

/// Writes the number of looks, their quality, and their cost.
fn quality(text: &mut String, profile: &Profile, samples: u64) {
    let (header, totals) = (&profile.header, &profile.totals);
    let seconds = duration(totals.duration_ns as f64 / 1e9);
    let mut pids: Vec<u32> = profile.threads.iter().map(|thread| thread.pid).collect();
    pids.sort_unstable();
    pids.dedup();
    let each = if pids.len() > 1 {
        let looks = counted(totals.captured, "look");
        format!(" at each of {} processes ({looks} in total)", pids.len())
    } else {
        String::new()
    };
    text.push_str(&format!(
        "captured {} in {seconds}{each} ({} requested, {} reached), missed {} ({}), torn {} of {} ({})\n",
        counted(totals.taken(), "look"),
        frequency(header.rate_asked_hz),
        totals.rate_reached_hz().map_or("none".into(), frequency),
        grouped(totals.missed),
        percent(totals.missed_share()),
        grouped(totals.torn),
        counted(totals.torn + samples, "stack"),
        percent(totals.torn_share(samples)),
    ));
    match totals.own_cpu_ns {
        Some(cpu) if totals.duration_ns > 0 => text.push_str(&format!(
            "the profiler used {} of CPU time, {} of a core\n",
            duration(cpu as f64 / 1e9),
            percent(cpu as f64 / totals.duration_ns as f64)
        )),
        _ => text.push_str("the CPU time of the profiler could not be measured\n"),
    }
}

/// Renders the summary as JSON.
pub(super) fn json(
    captured: &CaptureResult,
    written: &Written,
    status: Option<&Option<ExitStatus>>,
) -> String {
    let mut object = summary(&captured.finished.profile);
    if let Some(map) = object.as_object_mut() {
        let ending = match captured.ending {
            CaptureEnding::TimeLimit => "time",
            CaptureEnding::Requested => "told",
            CaptureEnding::AllExited => "gone",
        };
        map.insert("ending".into(), json!(ending));
        map.insert("exit_code".into(), json!(status.and_then(|status| status.as_ref()?.code())));
        map.insert(
            "written".into(),
            json!({"path": written.path, "format": written.format.name()}),
        );
        map.insert("recording".into(), json!(written.recording));
    }
    format!("{}\n", sanitize::sanitize_json(&format!("{object:#}")))
}

/// Weights of one thread, or of all, by activity and by lock.
#[derive(Default)]
struct WeightSums {
    weight: u64,
    activities: BTreeMap<&'static str, u64>,
    locks: BTreeMap<usize, u64>,
}

impl WeightSums {
    fn add(&mut self, key: &RowKey, weight: u64) {
        let add = |sum: &mut u64| *sum = sum.saturating_add(weight);
        add(&mut self.weight);
        add(self.activities.entry(key.activity.name()).or_default());
        if let Some(lock) = key.lock {
            add(self.locks.entry(lock.index()).or_default());
        }
    }
}

/// Builds the JSON summary of a profile: header, totals, sums by activity, thread and lock, and
/// findings.
pub(super) fn summary(profile: &Profile) -> serde_json::Value {
    let total = profile.total();
    let mut all = WeightSums::default();
    let mut by_thread: Vec<WeightSums> =
        profile.threads.iter().map(|_| WeightSums::default()).collect();
    for (key, weight) in &profile.rows {
        all.add(key, weight.weight);
        if let Some(sums) = by_thread.get_mut(key.thread.index()) {
            sums.add(key, weight.weight);
        }
    }
    let lock = |index: usize| {
        let lock = &profile.locks[index];
        json!({
            "kind": profile.string(lock.kind), "name": profile.string(lock.name), "pid": lock.pid,
            "address": format!("{:#x}", lock.address), "weight": all.locks.get(&index).copied().unwrap_or(0),
        })
    };
    let locks: Vec<_> = (0..profile.locks.len()).map(lock).collect();
    let threads = profile.threads.iter().zip(&by_thread).map(|(thread, sums)| {
        let waits = sums.locks.iter().map(|(lock, weight)| json!({"lock": lock, "weight": weight}));
        json!({
            "pid": thread.pid, "native_id": thread.native_id, "name": profile.string(thread.name),
            "weight": sums.weight, "activities": sums.activities, "waits": waits.collect::<Vec<_>>(),
        })
    });
    let threads: Vec<_> = threads.collect();
    let found: Vec<_> = findings(profile)
        .into_iter()
        .map(
            |finding| json!({"topic": finding.topic, "share": finding.share, "text": finding.text}),
        )
        .collect();
    json!({
        "header": profile.header,
        "totals": profile.totals,
        "rate_reached_hz": profile.totals.rate_reached_hz(),
        "samples": total.samples,
        "weight": total.weight,
        "activities": all.activities,
        "threads": threads,
        "locks": locks,
        "pauses": profile.pauses.len(),
        "findings": found,
    })
}
