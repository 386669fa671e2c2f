//! Writes a recording as a stream. A sample equal to the previous one of its thread takes one byte
//! before compression. A block is written at least once a second, so that a killed profiler loses
//! at most a second.

use crate::header::{Header, Totals};
use crate::model::*;
use crate::wire::*;
use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use serde::Serialize;
use std::io::{self, Write};

/// A block is written when its text has this length.
const MAX_BUFFERED_TEXT: usize = 64 << 10;
/// A block is written when it covers this much time, in nanoseconds.
const MAX_BLOCK_NS: u64 = 1_000_000_000;

/// The activity of a thread in one sample.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct ThreadActivity {
    pub(crate) stack: StackId,
    pub(crate) activity: Activity,
    pub(crate) lock: Option<LockId>,
    pub(crate) holder: Option<FrameId>,
}

impl Default for ThreadActivity {
    fn default() -> ThreadActivity {
        ThreadActivity {
            stack: StackId::EMPTY,
            activity: Activity::RUNNING,
            lock: None,
            holder: None,
        }
    }
}

/// Writes a recording.
pub(crate) struct RecordingWriter<W> {
    to: W,
    text: Vec<u8>,
    body: Vec<u8>,
    deflate: Compress,
    failed: Option<io::Error>,
    /// Time of the current look, and its distance from the previous one.
    at_ns: u64,
    period_ns: u64,
    begun_ns: u64,
    next_thread: u32,
    seen: Vec<ThreadActivity>,
    stacks: u32,
}

impl<W: Write> RecordingWriter<W> {
    pub(crate) fn new(to: W, header: &Header) -> RecordingWriter<W> {
        let mut writer = RecordingWriter {
            to,
            text: Vec::with_capacity(MAX_BUFFERED_TEXT + 1024),
            body: Vec::new(),
            deflate: Compress::new(Compression::fast(), false),
            failed: None,
            at_ns: 0,
            period_ns: 0,
            begun_ns: 0,
            next_thread: 0,
            seen: Vec::new(),
            stacks: 1,
        };
        writer.failed = writer.to.write_all(&MAGIC).err();
        writer.json(DEFINE_HEADER, header);
        writer.flush_block();
        writer
    }

    fn put(&mut self, n: u64) {
        put(&mut self.text, n);
    }

    fn begin(&mut self, operation: u64, operand: u64) {
        if self.text.len() >= MAX_BUFFERED_TEXT {
            self.flush_block();
        }
        self.put(operand << 3 | operation);
    }

    fn define(&mut self, what: u64, fields: &[u64]) {
        self.begin(DEFINE, what);
        fields.iter().for_each(|n| self.put(*n));
    }

    fn bytes(&mut self, what: u64, bytes: &[u8]) {
        self.define(what, &[bytes.len() as u64]);
        self.text.extend_from_slice(bytes);
    }

    fn json(&mut self, what: u64, value: &impl Serialize) {
        match serde_json::to_vec(value) {
            Ok(bytes) if bytes.len() < MAX_BLOCK_TEXT / 2 => self.bytes(what, &bytes),
            Ok(_) => {
                self.failed =
                    Some(io::Error::other("the header or the totals do not fit into a block"))
            }
            Err(e) => self.failed = Some(e.into()),
        }
    }

    pub(crate) fn string(&mut self, text: &str) {
        self.bytes(DEFINE_STRING, text.as_bytes());
    }

    pub(crate) fn function(&mut self, f: Function) {
        let kind = kind_number(f.kind);
        self.define(
            DEFINE_FUNCTION,
            &[f.name.0.into(), f.file.0.into(), f.first_line.into(), kind],
        );
    }

    pub(crate) fn frame(&mut self, frame: Frame) {
        self.define(DEFINE_FRAME, &[frame.function.0.into(), frame.line.into()]);
    }

    pub(crate) fn stack(&mut self, stack: Stack) {
        self.define(DEFINE_STACK, &[(self.stacks - stack.parent.0).into(), stack.frame.0.into()]);
        self.stacks += 1;
    }

    pub(crate) fn thread(&mut self, t: Thread) {
        self.seen.push(ThreadActivity::default());
        self.define(DEFINE_THREAD, &[t.pid.into(), t.native_id.into(), t.name.0.into()]);
    }

    pub(crate) fn thread_name(&mut self, thread: ThreadId, name: StringId) {
        self.define(NAME_THREAD, &[thread.0.into(), name.0.into()]);
    }

    pub(crate) fn lock(&mut self, l: Lock) {
        self.define(DEFINE_LOCK, &[l.pid.into(), l.address, l.kind.0.into(), l.name.0.into()]);
    }

    pub(crate) fn lock_name(&mut self, lock: LockId, name: StringId) {
        self.define(NAME_LOCK, &[lock.0.into(), name.0.into()]);
    }

    pub(crate) fn pause(&mut self, p: Pause) {
        self.begin(PAUSE, p.kind as u64);
        [p.pid.into(), p.start_ns, p.duration_ns, p.detail.0.into()]
            .into_iter()
            .for_each(|n| self.put(n));
    }

    pub(crate) fn row(&mut self, key: &RowKey, weight: &Weight) {
        self.begin(ROW, key.thread.0.into());
        let (lock, holder) = (optional(key.lock.map(|l| l.0)), optional(key.holder.map(|h| h.0)));
        let activity = key.activity.number().into();
        [key.stack.0.into(), activity, lock, holder, weight.samples, weight.weight]
            .into_iter()
            .for_each(|n| self.put(n));
    }

    pub(crate) fn sample(&mut self, s: &Sample) {
        // The operation takes three bits, so a time must not need all 64; 2^59 ns are 18 years.
        let at_ns = s.at_ns.min(1 << 59);
        if at_ns != self.at_ns || self.next_thread == 0 {
            self.look(at_ns);
        }
        let Some(last) = self.seen.get_mut(s.thread.index()) else { return };
        let now =
            ThreadActivity { stack: s.stack, activity: s.activity, lock: s.lock, holder: s.holder };
        let before = std::mem::replace(last, now);
        let thread = zigzag(i64::from(s.thread.0) - i64::from(self.next_thread));
        let weight = zigzag(s.weight.wrapping_sub(self.period_ns) as i64);
        self.next_thread = s.thread.0 + 1;
        if now != before {
            self.begin(CHANGED, thread);
            self.put(weight);
            self.put(now.activity.number().into());
            self.put(zigzag(i64::from(now.stack.0) - i64::from(before.stack.0)));
            self.put(optional(now.lock.map(|l| l.0)));
            self.put(optional(now.holder.map(|h| h.0)));
        } else if weight != 0 {
            self.begin(WEIGHED, thread);
            self.put(weight);
        } else {
            self.begin(SAME, thread);
        }
    }

    fn look(&mut self, at_ns: u64) {
        if at_ns.abs_diff(self.begun_ns) >= MAX_BLOCK_NS {
            self.flush_block();
            self.begun_ns = at_ns;
        }
        let step = at_ns.wrapping_sub(self.at_ns);
        self.begin(LOOK, zigzag(step as i64));
        self.period_ns = step;
        self.at_ns = at_ns;
        self.next_thread = 0;
    }

    /// Writes the current block. After a failure nothing more is written: a recording must not have
    /// a gap.
    fn flush_block(&mut self) {
        if self.failed.is_none() && !self.text.is_empty() {
            self.failed = self.write_block().err();
        }
        self.text.clear();
    }

    fn write_block(&mut self) -> io::Result<()> {
        self.body.clear();
        // Deflate expands incompressible data by at most 5 bytes in 16 KiB.
        self.body.reserve(self.text.len() + self.text.len() / 1024 + 64);
        self.deflate.reset();
        let status =
            self.deflate.compress_vec(&self.text, &mut self.body, FlushCompress::Finish)?;
        if status != Status::StreamEnd {
            return Err(io::Error::other("deflate did not finish a block"));
        }
        let mut crc = Crc::new();
        crc.update(&self.body);
        for n in [self.body.len() as u32, self.text.len() as u32, crc.sum()] {
            self.to.write_all(&n.to_le_bytes())?;
        }
        self.to.write_all(&self.body)
    }

    pub(crate) fn finish(mut self, totals: &Totals) -> io::Result<()> {
        self.json(DEFINE_TOTALS, totals);
        self.flush_block();
        match self.failed.take() {
            Some(e) => Err(e),
            None => self.to.flush(),
        }
    }
}

/// Encodes an optional id.
fn optional(id: Option<u32>) -> u64 {
    id.map_or(0, |id| u64::from(id) + 1)
}
