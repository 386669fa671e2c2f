//! What a task awaits, and which tasks await it.

use super::{Task, TaskReader, TaskState};
use crate::frames::TAGS;
use crate::memory::{ReadError, word};
use crate::python::Python;
use cpython_layout::FrameState;

/// Maximum length of a chain of awaiting coroutines, and maximum number of tasks that await one.
const MAX_AWAIT_DEPTH: usize = 1 << 12;

impl TaskReader {
    /// Follows the chain of awaiting coroutines.
    pub(super) fn coroutines(&self, python: &Python, first: u64, task: &mut Task) {
        let Some(at) = python.offsets().gen_object else { return };
        let (memory, objects, walker) = (python.memory(), python.objects(), python.walker());
        let (layout, mut next) = (python.offsets().build.frame, first);
        for depth in 0..MAX_AWAIT_DEPTH {
            let Some(kind) = objects.type_name(next) else { return };
            if !matches!(kind.as_str(), "coroutine" | "generator" | "async_generator") {
                match kind.as_str() {
                    // {header, future}: `await future` leaves this object on the stack.
                    "_asyncio.FutureIter" => {
                        let future = memory
                            .u64(next.saturating_add(python.offsets().pyobject.size))
                            .unwrap_or(0);
                        task.awaits.push(future);
                        task.awaits_other = objects.type_name(future);
                    }
                    _ => task.awaits_other = Some(kind),
                }
                return;
            }
            if depth == 0 {
                let name = memory.u64(next.saturating_add(at.gi_name)).ok();
                task.coroutine = name.and_then(|name| objects.text(name).ok());
            }
            let Ok(state) = memory.u8(next.saturating_add(at.gi_frame_state)) else { return };
            let state = layout.state(state);
            if depth == 0 && state == FrameState::Created {
                task.state = TaskState::Created;
            }
            if matches!(state, FrameState::Executing | FrameState::Finished) {
                return;
            }
            let Ok(frame) = walker.read_one(next.saturating_add(at.gi_iframe)) else { return };
            if depth == 0 {
                task.coroutine = Some(frame.code.qualname.clone());
            }
            let top =
                frame.stack.1.and_then(|depth| u64::from(depth).checked_sub(layout.awaited_slot));
            let top = top.map(|slot| frame.stack.0.saturating_add(8 * slot));
            task.frames.insert(0, frame);
            if state != FrameState::Awaiting {
                return;
            }
            let Some(awaited) = top.and_then(|slot| memory.u64(slot).ok()) else { return };
            next = awaited & !TAGS;
        }
    }

    /// Returns the tasks that await the one at `address`.
    pub(super) fn awaited_by(&self, python: &Python, address: u64) -> Result<Vec<u64>, ReadError> {
        let memory = python.memory();
        let by = memory.u64(address.saturating_add(self.table.task_awaited_by))?;
        if by == 0 {
            return Ok(Vec::new());
        }
        if memory.u8(address.saturating_add(self.table.task_awaited_by_is_set))? == 0 {
            return Ok(vec![by]);
        }
        let Some(at) = python.offsets().set_object else { return Ok(Vec::new()) };
        let mask = memory.u64(by.saturating_add(at.mask))?.min(MAX_AWAIT_DEPTH as u64);
        let table = memory.u64(by.saturating_add(at.table))?;
        // An entry is a key and its hash. A deleted key is a static dummy object, which is not a
        // task.
        let bytes = memory.vec(table, (mask + 1) * 16, (MAX_AWAIT_DEPTH + 1) * 16)?;
        Ok(bytes.chunks_exact(16).map(|entry| word(entry, 0)).filter(|&key| key != 0).collect())
    }
}
