//! Executes a recording's operations, which repeat the writer's steps. Nothing is trusted: an
//! undefined id, a number out of range or an unknown operation ends the reading.

use crate::builder::Builder;
use crate::header::{Header, Totals};
use crate::model::*;
use crate::profile::Profile;
use crate::wire::*;
use crate::writer::ThreadActivity;

/// The state while reading operations.
#[derive(Default)]
pub(super) struct ReplayState {
    /// Bytes of text that grew the tables.
    pub(super) defined: u64,
    builder: Option<Builder>,
    totals: Option<Totals>,
    // The builder's id for each id of the file. They can differ, because a file may define a thing
    // twice.
    strings: Vec<StringId>,
    functions: Vec<FunctionId>,
    frames: Vec<FrameId>,
    stacks: Vec<StackId>,
    threads: Vec<ThreadId>,
    locks: Vec<LockId>,
    /// The last activity of each thread, and the file's id of its stack.
    seen: Vec<(u64, ThreadActivity)>,
    looks: u64,
    first_ns: u64,
    at_ns: u64,
    period_ns: u64,
    next_thread: i64,
}

impl ReplayState {
    /// Returns whether the totals, the last operation, were read.
    pub(super) fn ended(&self) -> bool {
        self.totals.is_some()
    }

    /// Returns whether there are samples with a time.
    pub(super) fn timed(&self) -> bool {
        self.looks > 0
    }

    /// Returns the profile; `None` if not even a header was read. If the recording is `cut`, the
    /// totals are derived from what was read.
    pub(super) fn finish(self, cut: Option<&str>) -> Option<Profile> {
        let mut totals = self.totals.unwrap_or_else(|| Totals {
            duration_ns: self.at_ns.saturating_sub(self.first_ns),
            captured: self.looks,
            ..Totals::default()
        });
        totals.notes.extend(cut.map(|why| format!("the recording ends early: {why}")));
        let builder = self.builder?;
        // What the writer left out is left out again here, and `finish` adds it.
        totals.left_out = totals.left_out.saturating_sub(builder.so_far().totals.left_out);
        Some(builder.finish(totals).profile)
    }

    /// Reads and executes one operation; `None` if it is invalid.
    pub(super) fn operation(
        &mut self,
        text: &mut &[u8],
        each: &mut impl FnMut(&Sample),
    ) -> Option<()> {
        let before = text.len();
        let first = take(text)?;
        let operand = first >> 3;
        if self.totals.is_some() || self.builder.is_none() != (first == DEFINE_HEADER << 3 | DEFINE)
        {
            return None;
        }
        match first & 7 {
            LOOK => self.look(operand),
            operation @ (SAME | WEIGHED | CHANGED) => {
                let sample = self.read_sample(operation, operand, text)?;
                each(&sample);
                self.builder.as_mut()?.sample(sample);
            }
            DEFINE => self.define(operand, text)?,
            PAUSE => self.pause(operand, text)?,
            ROW => self.row(operand, text)?,
            _ => return None,
        }
        if !matches!(first & 7, LOOK | SAME | WEIGHED) {
            self.defined += (before - text.len()) as u64;
        }
        Some(())
    }

    fn look(&mut self, step: u64) {
        let at_ns = self.at_ns.wrapping_add(unzigzag(step) as u64);
        self.period_ns = at_ns.wrapping_sub(self.at_ns);
        self.at_ns = at_ns;
        if self.looks == 0 {
            self.first_ns = at_ns;
        }
        self.looks += 1;
        self.next_thread = 0;
    }

    fn read_sample(&mut self, operation: u64, thread: u64, text: &mut &[u8]) -> Option<Sample> {
        let number = u32::try_from(self.next_thread.checked_add(unzigzag(thread))?).ok()?;
        let thread = *self.threads.get(number as usize)?;
        self.next_thread = i64::from(number) + 1;
        let mut weight = self.period_ns;
        if operation != SAME {
            weight = weight.wrapping_add(unzigzag(take(text)?) as u64);
        }
        if operation == CHANGED {
            let activity = activity(take(text)?)?;
            let before = self.seen.get(number as usize)?.0;
            let stack = before.checked_add_signed(unzigzag(take(text)?))?;
            let lock = get_optional(&self.locks, take(text)?)?;
            let holder = get_optional(&self.frames, take(text)?)?;
            let now = ThreadActivity { stack: get(&self.stacks, stack)?, activity, lock, holder };
            *self.seen.get_mut(number as usize)? = (stack, now);
        }
        let ThreadActivity { stack, activity, lock, holder } = self.seen.get(number as usize)?.1;
        Some(Sample { at_ns: self.at_ns, weight, thread, stack, activity, lock, holder })
    }

    fn define(&mut self, what: u64, text: &mut &[u8]) -> Option<()> {
        if what == DEFINE_HEADER {
            let header: Header = serde_json::from_slice(bytes(text)?).ok()?;
            self.builder = Some(Builder::new(header));
            self.strings.push(StringId::EMPTY);
            self.stacks.push(StackId::EMPTY);
            return Some(());
        }
        let builder = self.builder.as_mut()?;
        match what {
            DEFINE_TOTALS => self.totals = Some(serde_json::from_slice(bytes(text)?).ok()?),
            DEFINE_STRING => {
                self.strings.push(builder.string(std::str::from_utf8(bytes(text)?).ok()?))
            }
            DEFINE_FUNCTION => {
                let (name, file) =
                    (get(&self.strings, take(text)?)?, get(&self.strings, take(text)?)?);
                let (first_line, kind) = (take_u32(text)?, kind(take(text)?)?);
                self.functions.push(builder.intern_function(Function {
                    name,
                    file,
                    first_line,
                    kind,
                }));
            }
            DEFINE_FRAME => {
                let function = get(&self.functions, take(text)?)?;
                self.frames.push(builder.frame(function, take_u32(text)?));
            }
            DEFINE_STACK => {
                let parent = (self.stacks.len() as u64).checked_sub(take(text)?)?;
                let parent = get(&self.stacks, parent)?;
                self.stacks.push(builder.stack(parent, get(&self.frames, take(text)?)?));
            }
            DEFINE_THREAD => {
                let (pid, native_id) = (take_u32(text)?, take_u32(text)?);
                let name = get(&self.strings, take(text)?)?;
                self.threads.push(builder.intern_thread(Thread { pid, native_id, name }));
                self.seen.push((0, ThreadActivity::default()));
            }
            NAME_THREAD => {
                let thread = get(&self.threads, take(text)?)?;
                let name = get(&self.strings, take(text)?)?;
                let thread = builder.so_far().threads[thread.index()];
                builder.intern_thread(Thread { name, ..thread });
            }
            DEFINE_LOCK => {
                let (pid, address) = (take_u32(text)?, take(text)?);
                let (kind, name) =
                    (get(&self.strings, take(text)?)?, get(&self.strings, take(text)?)?);
                self.locks.push(builder.intern_lock(Lock { pid, address, kind, name }));
            }
            NAME_LOCK => {
                let lock = get(&self.locks, take(text)?)?;
                let name = get(&self.strings, take(text)?)?;
                let lock = builder.so_far().locks[lock.index()];
                builder.intern_lock(Lock { name, ..lock });
            }
            _ => return None,
        }
        Some(())
    }

    fn pause(&mut self, kind: u64, text: &mut &[u8]) -> Option<()> {
        let (kind, pid) = (pause_kind(kind)?, take_u32(text)?);
        let (start_ns, duration_ns) = (take(text)?, take(text)?);
        let detail = get(&self.strings, take(text)?)?;
        self.builder.as_mut()?.add_pause(Pause { pid, kind, start_ns, duration_ns, detail });
        Some(())
    }

    fn row(&mut self, thread: u64, text: &mut &[u8]) -> Option<()> {
        let thread = get(&self.threads, thread)?;
        let stack = get(&self.stacks, take(text)?)?;
        let activity = activity(take(text)?)?;
        let (lock, holder) =
            (get_optional(&self.locks, take(text)?)?, get_optional(&self.frames, take(text)?)?);
        let weight = Weight { samples: take(text)?, weight: take(text)? };
        self.builder.as_mut()?.row(RowKey { thread, stack, activity, lock, holder }, weight);
        Some(())
    }
}

/// Looks up an id.
fn get<T: Copy>(table: &[T], id: u64) -> Option<T> {
    table.get(usize::try_from(id).ok()?).copied()
}

/// Looks up an optional id, encoded as in [`wire`](crate::wire).
#[allow(clippy::option_option)]
fn get_optional<T: Copy>(table: &[T], number: u64) -> Option<Option<T>> {
    match number.checked_sub(1) {
        None => Some(None),
        Some(id) => get(table, id).map(Some),
    }
}

/// Reads a 32-bit number.
fn take_u32(text: &mut &[u8]) -> Option<u32> {
    u32::try_from(take(text)?).ok()
}

/// Reads a length and that many bytes.
fn bytes<'a>(text: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take(text)?).ok()?;
    let (bytes, rest) = text.split_at_checked(length)?;
    *text = rest;
    Some(bytes)
}
