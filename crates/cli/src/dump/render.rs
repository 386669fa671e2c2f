//! Renders a snapshot as text, in the style of `jstack`: the process, its threads with their
//! frames, waits and held locks, tasks, deadlocks.

use super::format;
use super::style::Style;
use crate::sanitize::sanitize;
use std::collections::HashMap;
use std::fmt::{self, Write};
use ungil_format::counted;
use ungil_remote::snapshot::{FrameView, RowView, Snapshot, TaskView, ThreadView};

/// Maximum depth of the task tree.
const MAX_TASK_DEPTH: usize = 32;

/// Renders a snapshot.
pub(super) fn snapshot(snapshot: &Snapshot, style: Style) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, snapshot, style);
    text
}

fn write(text: &mut String, snapshot: &Snapshot, style: Style) -> fmt::Result {
    let command = snapshot
        .command
        .iter()
        .map(|word| sanitize(word).into_owned())
        .collect::<Vec<_>>()
        .join(" ");
    if let Some(core) = &snapshot.core {
        let is_it = |thread: &&ThreadView| {
            core.killed
                .as_ref()
                .is_some_and(|killed| thread.tid.unwrap_or(thread.native_id) == killed.thread)
        };
        let name = snapshot.threads().find(is_it).map(|thread| thread.name.as_str());
        writeln!(
            text,
            "core {}: {}",
            sanitize(&core.file),
            style.wrong(format::death(core, name))
        )?;
    }
    writeln!(text, "{}", style.bold(format!("{}: {command}", snapshot.pid)))?;
    let build = match (snapshot.free_threaded, snapshot.gil) {
        (true, "on") => " free-threaded, GIL enabled",
        (true, _) => " free-threaded",
        (false, _) => "",
    };
    let threads = snapshot.threads().filter(|thread| thread.entered.is_none()).count();
    let interpreters = match snapshot.interpreters.len() {
        0 | 1 => String::new(),
        n => format!(" in {}", counted(n, "interpreter")),
    };
    writeln!(
        text,
        "CPython {}{build}, {}{interpreters}, read in {}",
        snapshot.python,
        counted(threads, "thread"),
        ungil_format::duration(snapshot.look_s)
    )?;
    for interpreter in &snapshot.interpreters {
        if snapshot.interpreters.len() > 1 {
            writeln!(text, "\n{}", style.bold(format!("Interpreter {}", interpreter.id)))?;
        }
        for thread in &interpreter.threads {
            writeln!(text)?;
            self::thread(text, thread, style)?;
        }
    }
    tasks(text, &snapshot.tasks, style)?;
    for warning in &snapshot.warnings {
        writeln!(text, "\n{} {}", style.bold("Note:"), sanitize(warning))?;
    }
    deadlocks(text, snapshot, style)?;
    lock_order(text, snapshot, style)?;
    writeln!(text)
}

fn lock_order(text: &mut String, snapshot: &Snapshot, style: Style) -> fmt::Result {
    let Some(cycles) = &snapshot.lock_order else { return Ok(()) };
    if cycles.is_empty() {
        return writeln!(text, "\nNo lock order that can deadlock was seen.");
    }
    let found = format!("Found {} that can deadlock", counted(cycles.len(), "lock order"));
    writeln!(text, "\n{}", style.wrong(found))?;
    for cycle in cycles {
        writeln!(text, "  {}:", counted(cycle.edges.len(), "lock"))?;
        for edge in &cycle.edges {
            writeln!(text, "    {}", sanitize(&edge.to_string()))?;
        }
    }
    Ok(())
}

fn thread(text: &mut String, thread: &ThreadView, style: Style) -> fmt::Result {
    let here = thread.tid.map(|tid| format!(", {tid} here")).unwrap_or_default();
    let torn = if thread.torn { " (stack changed while it was read)" } else { "" };
    let name = style.bold(format!("\"{}\"", sanitize(&thread.name)));
    writeln!(text, "{name} ({}{here}) {}{torn}", thread.native_id, format::state(thread))?;
    match &thread.native {
        Some(rows) => {
            for row in rows {
                match row {
                    RowView::Python(index) => {
                        if let Some(frame) = thread.frames.get(*index) {
                            self::frame(text, frame, 1, style)?;
                            waits_and_holds(text, thread, *index, style)?;
                        }
                    }
                    RowView::Native { .. } => writeln!(text, "    {}", style.dim(native(row)))?,
                }
            }
        }
        None => frames(text, thread, style)?,
    }
    if let (Some(wait), None) = (&thread.waits, thread.waits.as_ref().and_then(|wait| wait.frame)) {
        writeln!(text, "      - {}", style.wait(format::wait(wait)))?;
    }
    for hold in thread.holds.iter().filter(|hold| hold.frame.is_none()) {
        writeln!(
            text,
            "      - {} {}",
            style.hold(format::hold(hold)),
            style.dim("(taken at an unknown line)")
        )?;
    }
    Ok(())
}

/// Writes the frames; repeated frames are counted.
fn frames(text: &mut String, thread: &ThreadView, style: Style) -> fmt::Result {
    let bare = |index: usize| {
        thread.holds.iter().all(|hold| hold.frame != Some(index))
            && thread.waits.as_ref().is_none_or(|wait| wait.frame != Some(index))
    };
    let same = |one: &FrameView, other: &FrameView| {
        (&one.function, &one.file, one.line) == (&other.function, &other.file, other.line)
    };
    let mut index = 0;
    while let Some(frame) = thread.frames.get(index) {
        let mut count = 1;
        while bare(index + count)
            && thread.frames.get(index + count).is_some_and(|next| same(frame, next))
        {
            count += 1;
        }
        self::frame(text, frame, count, style)?;
        waits_and_holds(text, thread, index, style)?;
        index += count;
    }
    Ok(())
}

fn frame(text: &mut String, frame: &FrameView, count: usize, style: Style) -> fmt::Result {
    let times = if count > 1 {
        format!(" {}", style.bold(format!("{count} times")))
    } else {
        String::new()
    };
    writeln!(text, "    {}{times}", format::frame(frame))?;
    match &frame.source {
        Some(source) if !source.is_empty() => {
            writeln!(text, "        {}", style.dim(style.source(&sanitize(source), 8)))
        }
        _ => Ok(()),
    }
}

/// Writes what the frame waits for and holds.
fn waits_and_holds(
    text: &mut String,
    thread: &ThreadView,
    index: usize,
    style: Style,
) -> fmt::Result {
    if let Some(wait) = thread.waits.as_ref().filter(|wait| wait.frame == Some(index)) {
        writeln!(text, "      - {}", style.wait(format::wait(wait)))?;
    }
    for hold in thread.holds.iter().filter(|hold| hold.frame == Some(index)) {
        writeln!(text, "      - {}", style.hold(format::hold(hold)))?;
    }
    Ok(())
}

fn native(row: &RowView) -> String {
    let RowView::Native { symbol, file, offset } = row else { return String::new() };
    let file = file.as_deref().map(|file| file.rsplit('/').next().unwrap_or(file)).unwrap_or("?");
    match symbol {
        Some(symbol) => format!("C  {} ({})", sanitize(symbol), sanitize(file)),
        None => format!("C  {}+{offset:#x}", sanitize(file)),
    }
}

/// Writes the tasks as a tree: under each task those that it awaits.
fn tasks(text: &mut String, tasks: &[TaskView], style: Style) -> fmt::Result {
    if tasks.is_empty() {
        return Ok(());
    }
    writeln!(
        text,
        "\n{}",
        style.bold(format!("{}; awaited tasks are indented", counted(tasks.len(), "asyncio task")))
    )?;
    let mut shown = vec![false; tasks.len()];
    let indexes = tasks.iter().enumerate().map(|(index, task)| (task.id.as_str(), index)).collect();
    let roots = (0..tasks.len()).filter(|&index| tasks[index].awaited_by.is_empty());
    // Tasks of a cycle have no root.
    for root in roots.chain(0..tasks.len()) {
        if !shown[root] {
            branch(text, tasks, &indexes, root, 1, &mut shown, style)?;
        }
    }
    Ok(())
}

fn branch(
    text: &mut String,
    tasks: &[TaskView],
    indexes: &HashMap<&str, usize>,
    index: usize,
    depth: usize,
    shown: &mut [bool],
    style: Style,
) -> fmt::Result {
    let task = &tasks[index];
    let indent = "  ".repeat(depth.min(MAX_TASK_DEPTH));
    let coroutine =
        task.coroutine.as_deref().map(|name| format!(", {}", sanitize(name))).unwrap_or_default();
    let again = if shown[index] { " (see above)" } else { "" };
    let state = match task.awaits_other.as_deref() {
        Some(other) if task.awaits.is_empty() => format!("awaits {}", sanitize(other)),
        _ => task.state.to_owned(),
    };
    writeln!(
        text,
        "{indent}{} {state}{coroutine}{again}",
        style.bold(format!("\"{}\"", sanitize(&task.name)))
    )?;
    if std::mem::replace(&mut shown[index], true) || depth >= MAX_TASK_DEPTH {
        return Ok(());
    }
    for frame in &task.frames {
        writeln!(text, "{indent}    {}", format::frame(frame))?;
    }
    for awaited in &task.awaits {
        if let Some(&next) = indexes.get(awaited.as_str()) {
            branch(text, tasks, indexes, next, depth + 1, shown, style)?;
        }
    }
    Ok(())
}

fn deadlocks(text: &mut String, snapshot: &Snapshot, style: Style) -> fmt::Result {
    let count = snapshot.deadlocks.len() + snapshot.stranded.len() + snapshot.task_cycles.len();
    match count {
        0 => return Ok(()),
        1 => writeln!(text, "\n{}", style.wrong("Found one deadlock"))?,
        n => writeln!(text, "\n{}", style.wrong(format!("Found {n} deadlocks")))?,
    }
    for deadlock in &snapshot.deadlocks {
        match deadlock.edges.len() {
            1 => writeln!(text, "  1 thread waits for itself:")?,
            n => writeln!(text, "  {n} threads wait for each other:")?,
        }
        for edge in &deadlock.edges {
            writeln!(text, "    {}", format::edge(edge))?;
        }
    }
    for stranded in &snapshot.stranded {
        writeln!(text, "  1 thread waits for a lock that no thread can release:")?;
        writeln!(text, "    {}", format::stranded(stranded))?;
    }
    let name = |id: &String| {
        let task = snapshot.tasks.iter().find(|task| task.id == *id);
        task.map_or_else(|| id.clone(), |task| format!("\"{}\"", sanitize(&task.name)))
    };
    for cycle in &snapshot.task_cycles {
        let names: Vec<String> = cycle.iter().chain(cycle.first()).map(name).collect();
        let names = names.join(" awaits ");
        match cycle.len() {
            1 => writeln!(text, "  1 task awaits itself: {names}")?,
            n => writeln!(text, "  {n} tasks await each other: {names}")?,
        }
    }
    Ok(())
}
