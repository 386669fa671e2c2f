//! speedscope's JSON: <https://www.speedscope.app/file-format-schema.json>. One profile for each
//! thread, in the order of the samples if there is a recording. A stack of a waiting thread has one
//! more frame at the leaf, in brackets: what it waited for.

use crate::header::Unit;
use crate::model::*;
use crate::profile::Profile;
use crate::recording::Recording;
use crate::timeline::{ActivityRun, Timeline};
use rustc_hash::FxHashMap;
use serde::Serialize;
use std::io::{self, Write};

#[derive(Serialize)]
struct SpeedscopeFile<'a> {
    #[serde(rename = "$schema")]
    schema: &'a str,
    exporter: String,
    name: String,
    #[serde(rename = "activeProfileIndex")]
    active: usize,
    shared: SharedFrames<'a>,
    profiles: Vec<ThreadProfile>,
}

#[derive(Serialize)]
struct SharedFrames<'a> {
    frames: Vec<SpeedscopeFrame<'a>>,
}

#[derive(Serialize)]
struct SpeedscopeFrame<'a> {
    name: std::borrow::Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ThreadProfile {
    r#type: &'static str,
    name: String,
    unit: &'static str,
    start_value: u64,
    end_value: u64,
    samples: Vec<Vec<u32>>,
    weights: Vec<u64>,
}

/// Writes the profile. Threads without samples are left out.
pub(crate) fn write(
    profile: &Profile,
    recording: Option<&Recording>,
    to: &mut dyn Write,
) -> io::Result<()> {
    let line = Timeline::of(profile, recording, true)?;
    let mut frames = FrameIndex::new(profile);
    let mut profiles = Vec::new();
    for (thread, runs) in
        profile.threads.iter().zip(&line.threads).filter(|(_, runs)| !runs.is_empty())
    {
        profiles.push(frames.thread(profile, profile.thread_label(thread), runs));
    }
    // The busiest thread is shown first: the first thread is often a main thread that waits for the
    // others.
    let active = (0..profiles.len()).rev().max_by_key(|i| frames.running[*i]).unwrap_or(0);
    let name = match line.note() {
        Some(note) => format!("{} ({note})", profile.header.command),
        None => profile.header.command.clone(),
    };
    let file = SpeedscopeFile {
        schema: "https://www.speedscope.app/file-format-schema.json",
        exporter: format!("ungil {}", profile.header.ungil),
        name,
        active,
        shared: SharedFrames { frames: frames.all },
        profiles,
    };
    serde_json::to_writer(to, &file).map_err(io::Error::from)
}

/// The frames of all threads: the profile's, and after them those for waiting.
struct FrameIndex<'a> {
    all: Vec<SpeedscopeFrame<'a>>,
    waits: FxHashMap<(Activity, Option<LockId>), u32>,
    /// Running time of each thread.
    running: Vec<u64>,
}

impl<'a> FrameIndex<'a> {
    fn new(profile: &'a Profile) -> FrameIndex<'a> {
        let all = (0..profile.frames.len() as u32).map(|id| {
            let (frame, function) = (profile.frames[id as usize], profile.function(FrameId(id)));
            let file = profile.string(function.file);
            SpeedscopeFrame {
                name: profile.string(function.name).into(),
                file: (!file.is_empty()).then_some(file),
                line: (frame.line > 0).then_some(frame.line),
            }
        });
        FrameIndex { all: all.collect(), waits: FxHashMap::default(), running: Vec::new() }
    }

    fn thread(&mut self, profile: &Profile, name: String, runs: &[ActivityRun]) -> ThreadProfile {
        let start = runs.first().map_or(0, |r| r.start_ns);
        let (mut samples, mut weights, mut at, mut running) = (Vec::new(), Vec::new(), start, 0);
        for run in runs {
            if run.start_ns > at && run.start_ns - at >= run.weight {
                samples.push(Vec::new());
                weights.push(run.start_ns - at);
                at = run.start_ns;
            }
            let mut stack: Vec<u32> =
                profile.root_to_leaf(run.key.stack).iter().map(|f| f.0).collect();
            stack.extend(self.wait(profile, &run.key));
            running += if run.key.activity.is_busy() { run.weight } else { 0 };
            at = at.saturating_add(run.weight);
            samples.push(stack);
            weights.push(run.weight);
        }
        self.running.push(running);
        let unit = match profile.header.unit {
            Unit::Nanoseconds => "nanoseconds",
            Unit::Bytes => "bytes",
        };
        ThreadProfile {
            r#type: "sampled",
            name,
            unit,
            start_value: start,
            end_value: at,
            samples,
            weights,
        }
    }

    /// Returns the frame for what a thread waited for, if it waited.
    fn wait(&mut self, profile: &Profile, key: &RowKey) -> Option<u32> {
        let name = profile.wait_label(key)?;
        let next = self.all.len() as u32;
        let id = *self.waits.entry((key.activity, key.lock)).or_insert(next);
        if id == next {
            self.all.push(SpeedscopeFrame { name: name.into(), file: None, line: None });
        }
        Some(id)
    }
}
