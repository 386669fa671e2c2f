//! The flame graph: one HTML page that contains its profile and needs no network. It filters by
//! activity, thread and lock, searches by name, shows callers, and compares with an earlier
//! profile.
//!
//! The page is `flame/page.html` with its style and script inserted. The profile is gzipped JSON in
//! base64, so that no function name can end the script element. The page builds the trees itself,
//! from the same rows as every other format. Drawing is our own code: libraries use one element per
//! box, which is too slow for 100,000 boxes, and have no notion of locks and activities.

use crate::diff::MergedProfiles;
use crate::findings::findings;
use crate::header::Unit;
use crate::model::*;
use crate::profile::Profile;
use base64::write::EncoderWriter;
use flate2::{Compression, write::GzEncoder};
use serde::Serialize;
use std::io::{self, Write};
use ungil_format::{duration, frequency, percent};

const PAGE: &str = include_str!("flame/page.html");
const STYLE: &str = include_str!("flame/style.css");
const SCRIPT: [&str; 4] = [
    include_str!("flame/tree.js"),
    include_str!("flame/draw.js"),
    include_str!("flame/format.js"),
    include_str!("flame/page.js"),
];

/// The page's data, read by `flame/tree.js`.
#[derive(Serialize)]
struct PageData<'a> {
    title: String,
    about: String,
    /// What the weights are an amount of.
    what: &'a str,
    unit: Unit,
    findings: Vec<String>,
    notes: Vec<String>,
    /// Name, file, first line, kind number.
    functions: Vec<(&'a str, &'a str, u32, u8)>,
    frames: FrameColumns,
    stacks: StackColumns,
    threads: Vec<String>,
    locks: Vec<String>,
    after: RowColumns,
    before: Option<RowColumns>,
}

#[derive(Serialize)]
struct FrameColumns {
    function: Vec<u32>,
    line: Vec<u32>,
}

#[derive(Serialize)]
struct StackColumns {
    parent: Vec<u32>,
    frame: Vec<u32>,
}

/// A profile's rows by column; -1 stands for none.
#[derive(Default, Serialize)]
struct RowColumns {
    thread: Vec<u32>,
    stack: Vec<u32>,
    activity: Vec<u8>,
    lock: Vec<i64>,
    holder: Vec<i64>,
    samples: Vec<u64>,
    weight: Vec<u64>,
}

impl RowColumns {
    fn of(rows: &[(RowKey, Weight)]) -> RowColumns {
        let mut all = RowColumns::default();
        for (key, weight) in rows {
            all.thread.push(key.thread.0);
            all.stack.push(key.stack.0);
            all.activity.push(key.activity.number());
            all.lock.push(key.lock.map_or(-1, |l| l.0.into()));
            all.holder.push(key.holder.map_or(-1, |f| f.0.into()));
            all.samples.push(weight.samples);
            all.weight.push(weight.weight);
        }
        all
    }
}

/// Writes the page; with an earlier profile, one that shows the difference.
pub(crate) fn write(
    profile: &Profile,
    before: Option<&Profile>,
    to: &mut dyn Write,
) -> io::Result<()> {
    match before {
        None => page(&data(profile, None, profile), to),
        Some(before) => {
            let merged = MergedProfiles::new(before, profile);
            page(&data(&merged.profile, Some((before, &merged.before)), profile), to)
        }
    }
}

/// Builds the page's data. Findings are of the `unmerged` profile.
fn data<'a>(
    profile: &'a Profile,
    before: Option<(&Profile, &[(RowKey, Weight)])>,
    unmerged: &Profile,
) -> PageData<'a> {
    let functions = profile.functions.iter();
    let functions = functions
        .map(|f| (profile.string(f.name), profile.string(f.file), f.first_line, f.kind as u8));
    let mut notes = profile.totals.notes.clone();
    notes.extend(
        before.iter().flat_map(|(b, _)| b.totals.notes.iter().map(|n| format!("before: {n}"))),
    );
    let title = match before {
        None => profile.header.command.clone(),
        Some((before, _)) if before.header.command == profile.header.command => {
            format!("{}: what changed", profile.header.command)
        }
        Some((before, _)) => {
            format!("{} against {}", profile.header.command, before.header.command)
        }
    };
    let found = match before {
        None => findings(unmerged).into_iter().map(|f| f.text).collect(),
        Some((before, _)) => {
            let changes = crate::diff::changes(before, unmerged, crate::diff::ChangeBy::Function);
            changes
                .iter()
                .take(5)
                .filter(|c| c.change().abs() >= 0.01)
                .map(|c| c.describe())
                .collect()
        }
    };
    PageData {
        title,
        about: about(profile),
        what: profile.header.mode.what(),
        unit: profile.header.unit,
        findings: found,
        notes,
        functions: functions.collect(),
        frames: FrameColumns {
            function: profile.frames.iter().map(|f| f.function.0).collect(),
            line: profile.frames.iter().map(|f| f.line).collect(),
        },
        stacks: StackColumns {
            parent: profile.stacks.iter().map(|s| s.parent.0).collect(),
            frame: profile.stacks.iter().map(|s| s.frame.0).collect(),
        },
        threads: profile.threads.iter().map(|t| profile.thread_label(t)).collect(),
        locks: profile.locks.iter().map(|l| profile.lock_label(l)).collect(),
        after: RowColumns::of(&profile.rows),
        before: before.map(|(_, rows)| RowColumns::of(rows)),
    }
}

/// Describes the profile in one line: what was sampled, how, and at what cost.
fn about(profile: &Profile) -> String {
    let (header, totals) = (&profile.header, &profile.totals);
    let mut parts = Vec::new();
    if !header.python.is_empty() {
        let build = header.build.map_or(String::new(), |b| format!(" {}", b.description()));
        parts.push(format!("Python {}{build}", header.python));
    }
    parts.push(format!("mode {}", header.mode.name()));
    if totals.duration_ns > 0 {
        parts.push(duration(totals.duration_ns as f64 / 1e9));
    }
    if let Some(reached) = totals.rate_reached_hz().filter(|_| totals.captured > 0) {
        parts.push(format!(
            "{} ({} requested)",
            frequency(reached),
            frequency(header.rate_asked_hz)
        ));
        parts.push(format!(
            "{} looks, {} missed, {} stacks torn",
            totals.taken(),
            totals.missed,
            totals.torn
        ));
    }
    match totals.own_cpu_ns {
        Some(cpu) if totals.duration_ns > 0 => {
            parts.push(format!(
                "profiler used {} of a core",
                percent(cpu as f64 / totals.duration_ns as f64)
            ));
        }
        _ => {}
    }
    parts.extend((!header.started.is_empty()).then(|| header.started.clone()));
    parts.join(" · ")
}

fn page(data: &PageData<'_>, to: &mut dyn Write) -> io::Result<()> {
    // Placeholders are searched in the page only, never in what was inserted.
    let mut rest = PAGE;
    while let Some((text, after)) = rest.split_once("{{") {
        to.write_all(text.as_bytes())?;
        let (placeholder, after) = after.split_once("}}").unwrap_or((after, ""));
        match placeholder {
            "title" => to.write_all(escaped(&data.title).as_bytes())?,
            "style" => to.write_all(STYLE.as_bytes())?,
            "script" => SCRIPT.iter().try_for_each(|s| to.write_all(s.as_bytes()))?,
            _ => profile(data, to)?,
        }
        rest = after;
    }
    to.write_all(rest.as_bytes())
}

fn profile(data: &PageData<'_>, to: &mut dyn Write) -> io::Result<()> {
    let base64 = EncoderWriter::new(to, &base64::engine::general_purpose::STANDARD);
    let mut gzip = GzEncoder::new(base64, Compression::default());
    serde_json::to_writer(&mut gzip, data).map_err(io::Error::from)?;
    gzip.finish()?.finish().map(drop)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
