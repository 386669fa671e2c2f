//! pprof: the gzipped protocol buffer of
//! <https://github.com/google/pprof/blob/main/proto/profile.proto>.
//!
//! A sample has two values: the count, and time in nanoseconds (or space in bytes), which is the
//! default. Labels are `thread`, `pid`, `tid`, `activity`, `lock` and `holder`, for `-tagfocus`,
//! `-tagroot thread` and the like. The messages are encoded by hand: they have ten kinds of fields,
//! and generated code would need a code generator. The tests decode them with a library.

use crate::header::Unit;
use crate::model::*;
use crate::profile::Profile;
use flate2::{Compression, write::GzEncoder};
use rustc_hash::FxHashMap;
use std::io::{self, Write};

/// Writes the profile. Each row becomes a sample.
pub(crate) fn write(profile: &Profile, to: &mut dyn Write) -> io::Result<()> {
    let mut to = GzEncoder::new(to, Compression::default());
    let mut strings = StringTable::new(profile);
    let mut out = ProtoMessage::default();
    let (what, unit) = match profile.header.unit {
        Unit::Nanoseconds => ("time", "nanoseconds"),
        Unit::Bytes => ("space", "bytes"),
    };
    for (name, unit) in [("samples", "count"), (what, unit)] {
        let kind = ProtoMessage::default().number(1, strings.id(name)).number(2, strings.id(unit));
        out = out.message(1, &kind);
    }
    to.write_all(&out.0)?;
    let labels = SampleLabels::new(profile, &mut strings);
    for (key, weight) in &profile.rows {
        let locations = profile.leaf_to_root(key.stack).map(|f| u64::from(f.0) + 1);
        let mut sample =
            ProtoMessage::default().packed(1, locations).packed(2, [weight.samples, weight.weight]);
        for (name, value) in labels.of(key) {
            sample = sample.message(3, &ProtoMessage::default().number(1, name).number(2, value));
        }
        let thread = &profile.threads[key.thread.index()];
        for (name, value) in [(labels.pid, thread.pid), (labels.tid, thread.native_id)] {
            sample =
                sample.message(3, &ProtoMessage::default().number(1, name).number(3, value.into()));
        }
        to.write_all(&ProtoMessage::default().message(2, &sample).0)?;
    }
    // One mapping for all locations: tools expect each location to have one.
    let program = strings.id(&profile.header.command);
    let mapping = ProtoMessage::default()
        .number(1, 1)
        .number(5, program)
        .number(7, 1)
        .number(8, 1)
        .number(9, 1);
    to.write_all(&ProtoMessage::default().message(3, &mapping).0)?;
    for (i, frame) in profile.frames.iter().enumerate() {
        let line = ProtoMessage::default()
            .number(1, u64::from(frame.function.0) + 1)
            .number(2, frame.line.into());
        let location =
            ProtoMessage::default().number(1, i as u64 + 1).number(2, 1).message(4, &line);
        to.write_all(&ProtoMessage::default().message(4, &location).0)?;
    }
    for (i, f) in profile.functions.iter().enumerate() {
        let names = ProtoMessage::default().number(1, i as u64 + 1).number(2, f.name.0.into());
        let function = names
            .number(3, f.name.0.into())
            .number(4, f.file.0.into())
            .number(5, f.first_line.into());
        to.write_all(&ProtoMessage::default().message(5, &function).0)?;
    }
    let comment = strings.id(&format!("ungil profile of {}", profile.header.command));
    let time = strings.id(what);
    for text in &strings.all {
        to.write_all(&ProtoMessage::default().bytes(6, text.as_bytes()).0)?;
    }
    let started = profile.header.started_ns().unwrap_or(0);
    let mut tail =
        ProtoMessage::default().number(9, started).number(10, profile.totals.duration_ns);
    if profile.header.rate_asked_hz > 0.0 && profile.header.unit == Unit::Nanoseconds {
        let kind = ProtoMessage::default().number(1, time).number(2, strings.id(unit));
        tail = tail.message(11, &kind).number(12, (1e9 / profile.header.rate_asked_hz) as u64);
    }
    to.write_all(&tail.number(13, comment).number(14, time).0)?;
    to.finish().map(drop)
}

/// The string table: the profile's strings (the first is the empty string, as required), then
/// additional ones.
struct StringTable<'a> {
    all: Vec<std::borrow::Cow<'a, str>>,
    more: FxHashMap<String, u64>,
}

impl<'a> StringTable<'a> {
    fn new(profile: &'a Profile) -> StringTable<'a> {
        let all = profile.strings.iter().map(|s| (&**s).into()).collect();
        StringTable { all, more: FxHashMap::default() }
    }

    fn id(&mut self, text: &str) -> u64 {
        if let Some(id) = self.more.get(text) {
            return *id;
        }
        let id = self.all.len() as u64;
        self.all.push(text.to_string().into());
        self.more.insert(text.into(), id);
        id
    }
}

/// String ids of all labels.
struct SampleLabels {
    names: [u64; 4],
    pid: u64,
    tid: u64,
    threads: Vec<u64>,
    activities: Vec<u64>,
    locks: Vec<u64>,
    holders: FxHashMap<FrameId, u64>,
}

impl SampleLabels {
    fn new(profile: &Profile, strings: &mut StringTable<'_>) -> SampleLabels {
        let held = profile.rows.iter().filter_map(|(k, _)| k.holder);
        SampleLabels {
            names: ["thread", "activity", "lock", "holder"].map(|n| strings.id(n)),
            pid: strings.id("pid"),
            tid: strings.id("tid"),
            threads: profile.threads.iter().map(|t| strings.id(&profile.thread_label(t))).collect(),
            activities: Activity::ALL.iter().map(|a| strings.id(a.description())).collect(),
            locks: profile.locks.iter().map(|l| strings.id(&profile.lock_label(l))).collect(),
            holders: held.map(|f| (f, strings.id(&profile.frame_label(f)))).collect(),
        }
    }

    fn of(&self, key: &RowKey) -> impl Iterator<Item = (u64, u64)> {
        let [thread, activity, lock, holder] = self.names;
        [
            Some((thread, self.threads[key.thread.index()])),
            Some((activity, self.activities[key.activity.number() as usize])),
            key.lock.map(|l| (lock, self.locks[l.index()])),
            key.holder.and_then(|f| Some((holder, *self.holders.get(&f)?))),
        ]
        .into_iter()
        .flatten()
    }
}

/// A protocol buffer message being encoded.
#[derive(Default)]
struct ProtoMessage(Vec<u8>);

impl ProtoMessage {
    fn varint(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.0.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.0.push(n as u8);
    }

    fn number(mut self, field: u64, n: u64) -> ProtoMessage {
        self.varint(field << 3);
        self.varint(n);
        self
    }

    fn bytes(mut self, field: u64, bytes: &[u8]) -> ProtoMessage {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    fn message(self, field: u64, message: &ProtoMessage) -> ProtoMessage {
        self.bytes(field, &message.0)
    }

    fn packed(self, field: u64, numbers: impl IntoIterator<Item = u64>) -> ProtoMessage {
        let mut inner = ProtoMessage::default();
        numbers.into_iter().for_each(|n| inner.varint(n));
        self.message(field, &inner)
    }
}
