//! asyncio tasks in a snapshot.

use super::TaskView;
use super::builder::{SnapshotBuilder, hex};
use crate::deadlock;
use crate::memory::ReadError;
use crate::python::Python;
use crate::tasks::{Task, TaskReader, TaskState, TasksError};
use crate::thread_dump::ThreadDump;
use crate::thread_observer::ThreadInfo;
use rustc_hash::FxHashMap;

pub(super) fn tasks(
    python: &Python,
    found: Result<TaskReader, TasksError>,
    dump: &ThreadDump,
    warnings: &mut Vec<String>,
) -> Result<Vec<Task>, ReadError> {
    let reader = match found {
        Ok(reader) => reader,
        Err(TasksError::Read(error)) => return Err(error),
        Err(TasksError::NotLoaded) => return Ok(Vec::new()),
        Err(error @ TasksError::TooOld) => {
            let runs_a_loop = |info: &ThreadInfo| {
                info.frames().iter().any(|frame| frame.code.qualname == "BaseEventLoop.run_forever")
            };
            if dump.threads.iter().any(runs_a_loop) {
                warnings.push(format!("tasks are omitted: {error}"));
            }
            return Ok(Vec::new());
        }
    };
    let mut found = Vec::new();
    for &interpreter in &dump.interpreters {
        let threads: Vec<_> = dump
            .threads
            .iter()
            .map(|info| info.thread)
            .filter(|thread| thread.interpreter == interpreter.id)
            .collect();
        let (tasks, complete) = reader.read(python, interpreter, &threads)?;
        found.extend(tasks);
        if !complete {
            warnings.push(
                "asyncio's task lists changed during every attempt to read them: the list of tasks is incomplete"
                    .into(),
            );
        }
    }
    Ok(found)
}

/// Returns cycles of tasks that await each other. A task that awaits several others may need only
/// the first to finish, so it is not counted.
pub(super) fn task_cycles(tasks: &[Task]) -> Vec<Vec<String>> {
    let by_address: FxHashMap<u64, usize> =
        tasks.iter().enumerate().map(|(index, task)| (task.address, index)).collect();
    let waits: Vec<Option<Vec<usize>>> = tasks
        .iter()
        .map(|task| match task.awaits.as_slice() {
            [one] => by_address.get(one).map(|&index| vec![index]),
            _ => None,
        })
        .collect();
    deadlock::cycles(&waits)
        .into_iter()
        .map(|cycle| cycle.into_iter().map(|index| hex(tasks[index].address)).collect())
        .collect()
}

impl SnapshotBuilder<'_> {
    pub(super) fn task(&mut self, task: &Task) -> TaskView {
        let state = match task.state {
            TaskState::Created => "created",
            TaskState::Running => "running",
            TaskState::Waiting => "waiting",
        };
        let own = |tid: u32| {
            let info = self.dump.threads.iter().find(|info| info.thread.native_id == tid);
            info.map_or(tid, |info| info.thread.own_id)
        };
        TaskView {
            id: hex(task.address),
            name: task.name.clone(),
            coroutine: task.coroutine.clone(),
            state,
            thread: task.thread.map(own),
            awaits: task.awaits.iter().copied().map(hex).collect(),
            awaits_other: task.awaits_other.clone(),
            awaited_by: task.awaited_by.iter().copied().map(hex).collect(),
            frames: task.frames.iter().map(|frame| self.frame(frame)).collect(),
        }
    }
}
