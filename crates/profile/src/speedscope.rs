//! speedscope's JSON: <https://www.speedscope.app/file-format-schema.json>. A profile for each
//! thread, in the order of the samples if there is a recording. What a thread that was not running
//! waited for is one frame more at the leaf, in brackets.

use crate::header::Unit;
use crate::model::*;
use crate::profile::Profile;
use crate::recording::Recording;
use crate::timeline::{Run, Timeline};
use rustc_hash::FxHashMap;
use serde::Serialize;
use std::io::{self, Write};

#[derive(Serialize)]
struct File<'a> {
    #[serde(rename = "$schema")]
    schema: &'a str,
    exporter: String,
    name: String,
    #[serde(rename = "activeProfileIndex")]
    active: usize,
    shared: Shared<'a>,
    profiles: Vec<Thread>,
}

#[derive(Serialize)]
struct Shared<'a> {
    frames: Vec<Frame<'a>>,
}

#[derive(Serialize)]
struct Frame<'a> {
    name: std::borrow::Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Thread {
    r#type: &'static str,
    name: String,
    unit: &'static str,
    start_value: u64,
    end_value: u64,
    samples: Vec<Vec<u32>>,
    weights: Vec<u64>,
}

/// Writes the profile; threads that were never seen are not there.
pub(crate) fn write(
    profile: &Profile,
    recording: Option<&Recording>,
    to: &mut dyn Write,
) -> io::Result<()> {
    let line = Timeline::of(profile, recording, true)?;
    let mut frames = Frames::new(profile);
    let mut profiles = Vec::new();
    for (thread, runs) in
        profile.threads.iter().zip(&line.threads).filter(|(_, runs)| !runs.is_empty())
    {
        profiles.push(frames.thread(profile, profile.thread_label(thread), runs));
    }
    // The busiest thread is shown first: the first one is often the main thread that waits for the
    // others.
    let active = (0..profiles.len()).rev().max_by_key(|i| frames.running[*i]).unwrap_or(0);
    let name = match line.note() {
        Some(note) => format!("{} ({note})", profile.header.command),
        None => profile.header.command.clone(),
    };
    let file = File {
        schema: "https://www.speedscope.app/file-format-schema.json",
        exporter: format!("ungil {}", profile.header.ungil),
        name,
        active,
        shared: Shared { frames: frames.all },
        profiles,
    };
    serde_json::to_writer(to, &file).map_err(io::Error::from)
}

/// The frames of all threads: the profile's, and after them what threads waited for.
struct Frames<'a> {
    all: Vec<Frame<'a>>,
    waits: FxHashMap<(Activity, Option<LockId>), u32>,
    /// Time each thread ran.
    running: Vec<u64>,
}

impl<'a> Frames<'a> {
    fn new(profile: &'a Profile) -> Frames<'a> {
        let all = (0..profile.frames.len() as u32).map(|id| {
            let (frame, function) = (profile.frames[id as usize], profile.function(FrameId(id)));
            let file = profile.string(function.file);
            Frame {
                name: profile.string(function.name).into(),
                file: (!file.is_empty()).then_some(file),
                line: (frame.line > 0).then_some(frame.line),
            }
        });
        Frames { all: all.collect(), waits: FxHashMap::default(), running: Vec::new() }
    }

    fn thread(&mut self, profile: &Profile, name: String, runs: &[Run]) -> Thread {
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
        Thread {
            r#type: "sampled",
            name,
            unit,
            start_value: start,
            end_value: at,
            samples,
            weights,
        }
    }

    /// The frame for what a thread waited for, if it did.
    fn wait(&mut self, profile: &Profile, key: &Key) -> Option<u32> {
        let name = profile.wait_label(key)?;
        let next = self.all.len() as u32;
        let id = *self.waits.entry((key.activity, key.lock)).or_insert(next);
        if id == next {
            self.all.push(Frame { name: name.into(), file: None, line: None });
        }
        Some(id)
    }
}
