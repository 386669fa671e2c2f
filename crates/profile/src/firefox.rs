//! The Firefox Profiler's processed format: a track for each thread, a category for each activity,
//! and markers for pauses and for every lock wait, with the holder's line.
//!
//! The crate `fxprof-processed-profile` writes the tables and the version. It has no field for a
//! script's line, so the line is part of the label.

use crate::header::Unit;
use crate::model::*;
use crate::profile::Profile;
use crate::recording::Recording;
use crate::timeline::{ActivityRun, Timeline};
use fx::{
    CategoryColor, CategoryHandle, CpuDelta, MarkerFieldFormat, MarkerTiming, StringHandle,
    Timestamp,
};
use fxprof_processed_profile as fx;
use rustc_hash::FxHashMap;
use std::io::{self, Write};
use std::time::Duration;
use ungil_remote::ThreadState;

/// Number of samples above which equal consecutive samples are merged.
const MAX_UNMERGED_SAMPLES: u64 = 1 << 20;

/// Writes the profile. Threads without samples are left out.
pub(crate) fn write(
    profile: &Profile,
    recording: Option<&Recording>,
    to: &mut dyn Write,
) -> io::Result<()> {
    let line = Timeline::of(profile, recording, profile.total().samples > MAX_UNMERGED_SAMPLES)?;
    let mut writer = FirefoxWriter::new(profile);
    if let Some(note) = line.note() {
        writer.to.set_product(&format!("{} ({note})", profile.header.command));
    }
    for (thread, runs) in
        profile.threads.iter().zip(&line.threads).filter(|(_, runs)| !runs.is_empty())
    {
        writer.thread(thread, runs);
    }
    writer.pauses();
    serde_json::to_writer(to, &writer.to).map_err(io::Error::from)
}

struct FirefoxWriter<'a> {
    profile: &'a Profile,
    to: fx::Profile,
    categories: [CategoryHandle; Activity::ALL.len()],
    processes: Vec<(u32, fx::ProcessHandle, fx::ThreadHandle)>,
}

impl FirefoxWriter<'_> {
    fn new(profile: &Profile) -> FirefoxWriter<'_> {
        let began = Duration::from_nanos(profile.header.started_ns().unwrap_or(0));
        let began = fx::ReferenceTimestamp::from_duration_since_unix_epoch(began);
        let hz = profile.header.rate_asked_hz;
        let interval = if hz > 0.0 { (1e9 / hz) as u64 } else { 1_000_000 };
        let mut to = fx::Profile::new(
            &profile.header.command,
            began,
            fx::SamplingInterval::from_nanos(interval),
        );
        // No frame is an address that a symbol server could resolve.
        to.set_symbolicated(true);
        let categories = Activity::ALL.map(|activity| {
            let color = match activity {
                Activity::Thread(ThreadState::Running) => CategoryColor::Green,
                Activity::Thread(ThreadState::Native) => CategoryColor::DarkGray,
                Activity::Thread(ThreadState::Lock) => CategoryColor::Red,
                Activity::Thread(ThreadState::Gil) => CategoryColor::Orange,
                Activity::Thread(ThreadState::Suspended) => CategoryColor::Purple,
                Activity::Thread(ThreadState::Event) => CategoryColor::Transparent,
                Activity::Thread(ThreadState::Syscall | ThreadState::Ending) => {
                    CategoryColor::LightBlue
                }
                Activity::Live => CategoryColor::Blue,
                Activity::Freed => CategoryColor::Gray,
            };
            to.add_category(activity.description(), color)
        });
        FirefoxWriter { profile, to, categories, processes: Vec::new() }
    }

    fn thread(&mut self, thread: &Thread, runs: &[ActivityRun]) {
        let profile = self.profile;
        let start = time(runs.first().map_or(0, |r| r.start_ns));
        let known = self.processes.iter().find(|p| p.0 == thread.pid).map(|p| p.1);
        let process = known
            .unwrap_or_else(|| self.to.add_process(&profile.header.command, thread.pid, start));
        let main = thread.native_id == thread.pid;
        let track = self.to.add_thread(process, thread.native_id, start, main);
        if known.is_none() {
            self.processes.push((thread.pid, process, track));
        }
        self.to.set_thread_name(track, &profile.thread_label(thread));
        self.to.set_thread_show_markers_in_timeline(track, true);
        self.to.set_thread_end_time(track, time(runs.last().map_or(0, |r| r.end_ns)));
        if profile.header.unit == Unit::Bytes {
            self.to.set_thread_samples_weight_type(track, fx::WeightType::Bytes);
        }
        let mut stacks = FxHashMap::default();
        for run in runs {
            let place = (run.key.stack, run.key.activity, run.key.lock);
            let stack = *stacks.entry(place).or_insert_with(|| self.stack(track, &run.key));
            let ran = if run.key.activity.is_busy() { run.weight } else { 0 };
            let mut weight = match profile.header.unit {
                Unit::Nanoseconds => run.samples,
                Unit::Bytes => run.weight,
            };
            // The format's weights have 32 bits.
            while weight > 0 {
                let part = i32::try_from(weight).unwrap_or(i32::MAX);
                self.to.add_sample(track, time(run.end_ns), stack, CpuDelta::from_nanos(ran), part);
                weight -= part as u64;
            }
        }
        for wait in waits(runs) {
            self.wait(track, &wait);
        }
    }

    fn stack(&mut self, track: fx::ThreadHandle, key: &RowKey) -> Option<fx::StackHandle> {
        let mut parent = None;
        let labels =
            self.profile.root_to_leaf(key.stack).into_iter().map(|f| self.profile.frame_label(f));
        for label in labels.chain(self.profile.wait_label(key)) {
            let label = self.to.intern_string(&label);
            let category = self.categories[key.activity.number() as usize].into();
            let frame = fx::FrameInfo {
                frame: fx::Frame::Label(label),
                category_pair: category,
                flags: fx::FrameFlags::IS_JS,
            };
            let frame = self.to.intern_frame(track, frame);
            parent = Some(self.to.intern_stack(track, parent, frame));
        }
        parent
    }

    fn wait(&mut self, track: fx::ThreadHandle, run: &ActivityRun) {
        let Some(lock) = run.key.lock else { return };
        let lock = self.profile.lock_label(&self.profile.locks[lock.index()]);
        let holder = match run.key.holder {
            Some(frame) => format!("held in {}", self.profile.frame_label(frame)),
            None => "holder unknown".into(),
        };
        let marker = IntervalMarker {
            name: self.to.intern_string("waits for a lock"),
            what: self.to.intern_string(&lock),
            more: self.to.intern_string(&holder),
            category: self.categories[Activity::LOCK.number() as usize],
        };
        self.to.add_marker(
            track,
            MarkerTiming::Interval(time(run.start_ns), time(run.end_ns)),
            marker,
        );
    }

    /// Adds the pauses as markers of the first thread of their process.
    fn pauses(&mut self) {
        for pause in &self.profile.pauses {
            let Some((.., track)) = self.processes.iter().find(|p| p.0 == pause.pid) else {
                continue;
            };
            let end = pause.start_ns.saturating_add(pause.duration_ns);
            let marker = IntervalMarker {
                name: self.to.intern_string(pause.kind.description()),
                what: self.to.intern_string(self.profile.string(pause.detail)),
                more: self.to.intern_string(""),
                category: self.categories[Activity::SUSPENDED.number() as usize],
            };
            self.to.add_marker(
                *track,
                MarkerTiming::Interval(time(pause.start_ns), time(end)),
                marker,
            );
        }
    }
}

/// Merges runs of waiting for one lock, each with the last known holder.
fn waits(runs: &[ActivityRun]) -> Vec<ActivityRun> {
    let mut waits: Vec<ActivityRun> = Vec::new();
    for run in runs.iter().filter(|r| r.key.activity == Activity::LOCK) {
        match waits.last_mut() {
            Some(last)
                if last.key.lock == run.key.lock
                    && run.start_ns - last.end_ns < run.weight.max(1) =>
            {
                last.end_ns = run.end_ns;
                last.key.holder = run.key.holder.or(last.key.holder);
            }
            _ => waits.push(*run),
        }
    }
    waits
}

fn time(ns: u64) -> Timestamp {
    Timestamp::from_nanos_since_reference(ns)
}

/// A marker for a pause or a lock wait.
struct IntervalMarker {
    name: StringHandle,
    what: StringHandle,
    more: StringHandle,
    category: CategoryHandle,
}

impl fx::StaticSchemaMarker for IntervalMarker {
    const UNIQUE_MARKER_TYPE_NAME: &'static str = "ungil";
    const LOCATIONS: fx::MarkerLocations = fx::MarkerLocations::MARKER_CHART
        .union(fx::MarkerLocations::MARKER_TABLE)
        .union(fx::MarkerLocations::TIMELINE_OVERVIEW);
    const CHART_LABEL: Option<&'static str> = Some("{marker.data.what}");
    const TABLE_LABEL: Option<&'static str> = Some("{marker.data.what}: {marker.data.more}");
    const TOOLTIP_LABEL: Option<&'static str> = Some("{marker.name}: {marker.data.what}");
    const FIELDS: &'static [fx::StaticSchemaMarkerField] =
        &[field("what", "What"), field("more", "Holder")];

    fn name(&self, _: &mut fx::Profile) -> StringHandle {
        self.name
    }

    fn category(&self, _: &mut fx::Profile) -> CategoryHandle {
        self.category
    }

    fn string_field_value(&self, index: u32) -> StringHandle {
        if index == 0 { self.what } else { self.more }
    }

    fn number_field_value(&self, _: u32) -> f64 {
        f64::NAN
    }
}

const fn field(key: &'static str, label: &'static str) -> fx::StaticSchemaMarkerField {
    fx::StaticSchemaMarkerField {
        key,
        label,
        format: MarkerFieldFormat::String,
        flags: fx::MarkerFieldFlags::SEARCHABLE,
    }
}
