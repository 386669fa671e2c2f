//! Renders a heap report as text.

use super::HeapReport;
use crate::dump::death;
use crate::sanitize::sanitize;
use std::fmt::Write;
use ungil_format::{Align, TextTable, bytes, counted, duration, grouped, percent};
use ungil_remote::heap::{
    Coverage, Heap, MimallocUsage, RegionKind, ThreadMemory, TypeCount, TypeGrowth,
};

/// Maximum number of threads listed.
const MAX_THREADS: usize = 20;

/// Renders the report, with at most `top` rows of types (0: all) and tables of at most `width`
/// columns.
pub(super) fn report(report: &HeapReport<'_>, top: usize, width: Option<usize>) -> String {
    let heap = report.heap;
    let build = if report.free_threaded { "free-threaded" } else { "with a GIL" };
    let what = match heap.coverage {
        Coverage::Allocator => "",
        Coverage::Collector => " known to the collector",
    };
    let of = match &report.core {
        Some(core) => format!("Core {}: {}\n", sanitize(&core.file), death(core, None)),
        None => String::new(),
    };
    let mut out = format!(
        "{of}Process {}, CPython {} {build}: {}{what}, {}\n\n",
        report.pid,
        report.version,
        counted(heap.objects, "object"),
        bytes(heap.bytes)
    );
    match &report.growth {
        Some(growth) => changes(&mut out, report, growth, top, width),
        None => counts(&mut out, report, top, width),
    }
    memory(&mut out, heap, report.core.is_some());
    threads(&mut out, &heap.threads, width);
    notes(&mut out, report);
    out
}

/// Writing to a string cannot fail.
macro_rules! line {
    ($out:expr, $($arg:tt)*) => { { let _ = writeln!($out, $($arg)*); } };
}

fn counts(out: &mut String, report: &HeapReport<'_>, top: usize, width: Option<usize>) {
    let rows = report.modules.unwrap_or(&report.heap.types);
    let shown = &rows[..rows.len().min(if top == 0 { usize::MAX } else { top })];
    let share = |row: &TypeCount| percent(row.bytes as f64 / (report.heap.bytes as f64).max(1.0));
    let mut table = TextTable::new();
    let column = |cell: &dyn Fn(&TypeCount) -> String| shown.iter().map(cell).collect();
    table.add("objects", Align::Right, column(&|row| grouped(row.objects)));
    table.add("bytes", Align::Right, column(&|row| bytes(row.bytes)));
    table.add("share", Align::Right, column(&share));
    table.add(heading(report), Align::Left, column(&|row| name(&row.module, &row.name)));
    *out += &table.fit(width).text;
    more(out, rows.len(), top);
}

fn changes(
    out: &mut String,
    report: &HeapReport<'_>,
    growth: &super::Growth<'_>,
    top: usize,
    width: Option<usize>,
) {
    if growth.changes.is_empty() {
        line!(out, "No growth or shrinkage in {}.", duration(growth.seconds));
        return;
    }
    line!(out, "Growth in {}:", duration(growth.seconds));
    let rows = growth.changes;
    let shown = &rows[..rows.len().min(if top == 0 { usize::MAX } else { top })];
    let sign = |gained: i64| if gained < 0 { '-' } else { '+' };
    let gained_objects = |row: &TypeGrowth| {
        format!("{}{}", sign(row.objects_gained), grouped(row.objects_gained.unsigned_abs()))
    };
    let gained_bytes = |row: &TypeGrowth| {
        format!("{}{}", sign(row.bytes_gained), bytes(row.bytes_gained.unsigned_abs()))
    };
    let mut table = TextTable::new();
    let column = |cell: &dyn Fn(&TypeGrowth) -> String| shown.iter().map(cell).collect();
    table.add("+objects", Align::Right, column(&gained_objects));
    table.add("+bytes", Align::Right, column(&gained_bytes));
    table.add("objects", Align::Right, column(&|row| grouped(row.objects)));
    table.add("bytes", Align::Right, column(&|row| bytes(row.bytes)));
    table.add(heading(report), Align::Left, column(&|row| name(&row.module, &row.name)));
    *out += &table.fit(width).text;
    more(out, rows.len(), top);
}

fn heading(report: &HeapReport<'_>) -> &'static str {
    if report.modules.is_some() { "module" } else { "type" }
}

fn more(out: &mut String, rows: usize, top: usize) {
    if top != 0 && rows > top {
        line!(out, "and {} more; --top 0 shows all", grouped((rows - top) as u64));
    }
}

fn memory(out: &mut String, heap: &Heap, is_core: bool) {
    line!(out, "\nMemory");
    if let Some(held) = &heap.mimalloc {
        mimalloc(out, "mimalloc", held);
        let buffers =
            format!("{} in {}", bytes(held.other_bytes), counted(held.other_blocks, "block"));
        line!(
            out,
            "    of that buffers, tables and extensions' memory rather than objects: {buffers}"
        );
        if held.idle_objects > 0 {
            let idle =
                format!("{} in {}", bytes(held.idle_bytes), counted(held.idle_objects, "object"));
            line!(
                out,
                "    of that unreferenced objects (free lists, or about to be freed): {idle}"
            );
        }
    }
    if let Some(left) = heap.abandoned.as_ref().filter(|left| left.blocks > 0) {
        mimalloc(out, "  of that left by threads that have ended", left);
    }
    if let Some(held) = &heap.pymalloc {
        line!(
            out,
            "  pymalloc: {} in {}, {} in use ({}), {} free",
            bytes(held.reserved),
            counted(held.arenas, "arena"),
            bytes(held.block_bytes),
            counted(held.blocks, "block"),
            bytes(held.unused())
        );
    }
    for mapped in &heap.mapped {
        let what = match mapped.kind {
            RegionKind::Anonymous => "anonymous (allocators, thread stacks)",
            RegionKind::Heap => "[heap] (malloc)",
            RegionKind::MainStack => "stack of the main thread",
            RegionKind::File => "programs, libraries, mapped files",
            RegionKind::Reserved => "reserved address space",
            RegionKind::Kernel => "kernel",
        };
        let swapped = match mapped.swapped_bytes {
            0 => String::new(),
            swapped => format!(", {} swapped", bytes(swapped)),
        };
        line!(
            out,
            "{:>11} resident of {:>11}{swapped}  {what}",
            bytes(mapped.resident_bytes),
            bytes(mapped.bytes)
        );
    }
    if heap.mapped.is_empty() && !is_core {
        line!(out, "  resident memory is unknown (/proc/PID/smaps is not readable)");
    }
}

fn mimalloc(out: &mut String, what: &str, held: &MimallocUsage) {
    let resident = held.resident.map_or("unknown".into(), bytes);
    line!(
        out,
        "  {what}: {} in {}, {resident} resident; {} in use ({}), {} free in its pages",
        bytes(held.reserved),
        counted(held.segments, "segment"),
        bytes(held.block_bytes),
        counted(held.blocks, "block"),
        bytes(held.unused())
    );
}

fn threads(out: &mut String, threads: &[ThreadMemory], width: Option<usize>) {
    line!(out, "\nThreads");
    let shown = &threads[..threads.len().min(MAX_THREADS)];
    let figure = |size: Option<u64>| size.map_or("unknown".into(), bytes);
    let heap = |size: fn(&MimallocUsage) -> u64| {
        let cell = |thread: &ThreadMemory| thread.heap.as_ref().map(size).map_or("".into(), bytes);
        shown.iter().map(cell).collect()
    };
    let column = |cell: &dyn Fn(&ThreadMemory) -> String| shown.iter().map(cell).collect();
    let mut table = TextTable::new();
    table.add("id", Align::Right, column(&|thread| thread.native_id.to_string()));
    table.add("stack", Align::Right, column(&|thread| figure(thread.stack_bytes)));
    table.add("resident", Align::Right, column(&|thread| figure(thread.stack_resident_bytes)));
    if threads.iter().any(|thread| thread.heap.is_some()) {
        table.add("heap", Align::Right, heap(|heap| heap.block_bytes));
        table.add_optional(1, "free", Align::Right, heap(MimallocUsage::unused));
    }
    let name = |thread: &ThreadMemory| sanitize(thread.name.as_deref().unwrap_or("-")).into_owned();
    table.add("name", Align::Left, column(&name));
    *out += &table.fit(width).text;
    if threads.len() > MAX_THREADS {
        line!(out, "and {} more; --json has all", threads.len() - MAX_THREADS);
    }
}

/// Writes what is needed to interpret the figures.
fn notes(out: &mut String, report: &HeapReport<'_>) {
    let (heap, look) = (report.heap, report.heap.look);
    line!(out, "");
    match heap.coverage {
        Coverage::Allocator => line!(
            out,
            "All objects are counted, except those compiled into the program. Bytes are the size of an object's own block."
        ),
        Coverage::Collector => line!(
            out,
            "Only objects known to the garbage collector are counted: containers and instances of classes, not strings, bytes or \
             numbers, nor untracked tuples. Bytes exclude the buffers of lists, dictionaries and sets. On a free-threaded build \
             all objects are counted."
        ),
    }
    if look.torn > 0 {
        let of = heap.mimalloc.map_or(String::new(), |held| {
            format!(
                " of {} ({})",
                grouped(held.pages),
                percent(look.torn as f64 / (held.pages as f64).max(1.0))
            )
        });
        let what = if heap.mimalloc.is_some() { "pages" } else { "lists" };
        line!(
            out,
            "{} {what}{of} changed during every attempt to read them, so some of their objects may be miscounted.",
            look.torn
        );
    }
    if look.unquiet {
        line!(
            out,
            "The collector was always running, so objects it was processing may be missing."
        );
    }
    if look.beyond_bound {
        line!(out, "Only the first 32 TiB of address space were searched.");
    }
    if look.cut_short {
        let why = if report.interrupted { "interrupted" } else { "--limit was reached" };
        line!(out, "Incomplete ({why}): the figures cover only what had been read.");
    }
    for warning in &report.warnings {
        line!(out, "Note: {}", sanitize(warning));
    }
    let how = if report.core.is_some() {
        "a core does not record what was resident"
    } else {
        "the process was not stopped"
    };
    line!(out, "Took {}; {how}.", duration(heap.took_s));
}

/// Formats a type's full name; builtins have no module prefix.
fn name(module: &str, name: &str) -> String {
    match (module, name) {
        (module, "") => sanitize(module).into_owned(),
        ("builtins", name) => sanitize(name).into_owned(),
        _ => format!("{}.{}", sanitize(module), sanitize(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_in_names_are_replaced() {
        assert_eq!(name("builtins", "dict"), "dict");
        assert_eq!(name("a.b", "C"), "a.b.C");
        assert_eq!(name("a\u{1b}[31m", ""), "a\u{fffd}[31m");
    }
}
