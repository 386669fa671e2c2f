//! Renders allocations as a text table and as JSON.

use super::{AllocationSum, Allocations, BlockFate, LineAllocations, SourceLine, TypeShare};
use serde_json::{Value, json};
use std::fmt::Write;
use ungil_format::{Align, TextTable, bytes, counted, duration, number, percent};

/// Schema of [`Allocations::json`].
const SCHEMA: &str = "ungil.alloc/1";

impl Allocations {
    /// Renders the report: totals, the largest lines, the cost and the notes. The table has at most
    /// `max_lines` rows and `width` columns.
    pub fn render(&self, max_lines: usize, width: Option<usize>) -> String {
        let mut out = String::new();
        self.totals(&mut out);
        let lines = self.lines();
        let shown = &lines[..lines.len().min(max_lines)];
        let column = |cell: &dyn Fn(&LineAllocations) -> String| {
            // A name from the target must not break the table.
            let cells = shown.iter().map(|line| cell(line).replace(char::is_control, "\u{fffd}"));
            cells.collect()
        };
        let size = |sum: &AllocationSum| format!("{}{}", estimated(sum.bytes), margin(sum));
        let blocks = |line: &LineAllocations| number(line.allocated.blocks.round());
        let mut table = TextTable::new();
        table.add("live", Align::Right, column(&|line| size(&line.live)));
        table.add("allocated", Align::Right, column(&|line| size(&line.allocated)));
        table.add_optional(3, "blocks", Align::Right, column(&blocks));
        table.add("line", Align::Left, column(&location));
        table.add_optional(2, "types", Align::Left, column(&types));
        table.add_optional(1, "threads", Align::Left, column(&|line| self.threads_of(line)));
        let table = table.fit(width);
        let _ = write!(out, "\n{}", table.text);
        if lines.len() > shown.len() {
            let _ = writeln!(out, "and {} more", counted(lines.len() - shown.len(), "line"));
        }
        out += &table.note("--json, or use a wider terminal");
        self.ending(&mut out);
        out
    }

    fn totals(&self, out: &mut String) {
        let (live, threads) = (self.total(BlockFate::Live), self.threads.len());
        let over = self.duration_s.map_or(String::new(), |s| format!(" in {}", duration(s)));
        let _ = writeln!(
            out,
            "{} in {}{over} by {} (counted)",
            bytes(self.bytes),
            counted(self.allocations, "allocation"),
            counted(threads, "thread"),
        );
        let _ = writeln!(
            out,
            "{}{} live at the end, peak {}{}",
            estimated(live.bytes),
            margin(&live),
            bytes(self.peak_bytes),
            if self.every > 1 {
                format!(" (estimated from one sample per {})", bytes(self.every))
            } else {
                " (every block counted)".into()
            },
        );
    }

    /// Formats the threads of a line: the first two, and the number of others.
    fn threads_of(&self, line: &LineAllocations) -> String {
        let mut threads: Vec<String> =
            line.threads.iter().take(2).map(|(t, _)| self.thread_name(*t)).collect();
        if let Some(more) = line.threads.len().checked_sub(2).filter(|m| *m > 0) {
            threads.push(format!("{more} more"));
        }
        threads.join(", ")
    }

    fn thread_name(&self, thread: Option<usize>) -> String {
        match thread.and_then(|t| self.threads.get(t)) {
            Some(t) if t.name.is_empty() => t.id.to_string(),
            Some(t) => format!("{} ({})", t.name, t.id),
            None => "unknown".into(),
        }
    }

    fn ending(&self, out: &mut String) {
        let cost = &self.cost;
        let _ = write!(
            out,
            "\nProfiling cost about {} of thread time: {} for each of {}, and {} for {}",
            duration(self.cost_s()),
            duration(cost.pair_ns / 1e9),
            counted(self.allocations, "allocation"),
            duration(cost.samples_s),
            counted(cost.samples, "sample"),
        );
        let _ = match cost.processor_s.filter(|s| *s > 0.0) {
            Some(all) => {
                let share = percent(self.cost_s() / all);
                writeln!(out, "; {share} of {} of CPU time.", duration(all))
            }
            None => writeln!(out, "."),
        };
        for note in &self.notes {
            let _ = writeln!(out, "Note: {note}.");
        }
    }

    /// Returns everything as JSON: totals, threads, lines, and every stack.
    pub fn json(&self) -> Value {
        let sum = |s: &AllocationSum| json!({"bytes": s.bytes, "bytes_error": s.error(), "blocks": s.blocks, "samples": s.samples});
        let thread = |t: Option<usize>| t.and_then(|t| self.threads.get(t)).map(|t| t.id);
        let lines = self.lines();
        let lines = lines.iter().map(|line| {
            let types = line.types.iter().map(|t| {
                json!({"type": &*t.kind, "live_bytes": t.live, "live_blocks": t.live_blocks,
                       "freed_bytes": t.freed, "freed_blocks": t.freed_blocks})
            });
            let threads =
                line.threads.iter().map(|(t, bytes)| json!({"id": thread(*t), "allocated_bytes": bytes}));
            json!({
                "file": &*line.place.file, "line": line.place.line, "function": &*line.place.function,
                "live": sum(&line.live), "allocated": sum(&line.allocated), "freed": sum(&line.freed),
                "types": types.collect::<Vec<_>>(), "threads": threads.collect::<Vec<_>>(),
            })
        });
        let stacks = self.stacks.iter().map(|stack| {
            let frame =
                |p: &super::SourceLine| json!({"file": &*p.file, "line": p.line, "function": &*p.function});
            stack.iter().map(frame).collect::<Vec<_>>()
        });
        let rows = self.rows.iter().map(|row| {
            let kind = (!row.kind.is_empty()).then_some(&*row.kind);
            json!({"stack": row.stack, "thread": thread(row.thread), "type": kind, "fate": row.fate, "sum": sum(&row.sum)})
        });
        json!({
            "schema": SCHEMA,
            "pid": self.pid,
            "python": self.version.map(|v| v.to_string()),
            "free_threaded": self.free_threaded,
            "every_bytes": self.every,
            "exact": self.every <= 1,
            "duration_s": self.duration_s,
            "allocations": self.allocations,
            "bytes": self.bytes,
            "live": sum(&self.total(BlockFate::Live)),
            "allocated": sum(&self.total(BlockFate::Allocated)),
            "freed": sum(&self.total(BlockFate::Freed)),
            "peak_live_bytes": self.peak_bytes,
            "end": self.end,
            "cost": {"seconds": self.cost_s(), "measured": self.cost},
            "notes": self.notes,
            "threads": self.threads,
            "lines": lines.collect::<Vec<_>>(),
            "stacks": stacks.collect::<Vec<_>>(),
            "rows": rows.collect::<Vec<_>>(),
        })
    }
}

/// Formats where a line is: `app.py:31 put`, or the placeholder of a line without a file. Of the
/// path only the file name is shown, and the folder of files such as `__init__.py`.
fn location(line: &LineAllocations) -> String {
    let SourceLine { file, line, function, .. } = &line.place;
    if file.is_empty() {
        return function.to_string();
    }
    let mut parts = file.rsplitn(3, '/');
    let name = parts.next().unwrap_or_default();
    match parts.next().filter(|folder| name.starts_with("__") && !folder.is_empty()) {
        Some(folder) => format!("{folder}/{name}:{line} {function}"),
        None => format!("{name}:{line} {function}"),
    }
}

/// Formats the three largest types of a line: of live blocks if there are any, else of freed ones.
fn types(line: &LineAllocations) -> String {
    let some_live = line.live.samples > 0;
    let types = line.types.iter().filter(|t| !some_live || t.live > 0.0);
    let size = |t: &TypeShare| estimated(if some_live { t.live } else { t.freed });
    let types: Vec<String> = types.take(3).map(|t| format!("{} {}", t.kind, size(t))).collect();
    types.join(", ")
}

fn estimated(size: f64) -> String {
    bytes(size.round() as u64)
}

/// Formats the 95 % margin of a sum in percent; empty if it is exact.
fn margin(sum: &AllocationSum) -> String {
    let share = 1.96 * sum.error() / sum.bytes;
    if sum.bytes > 0.0 && share >= 0.005 { format!(" ±{}", percent(share)) } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn margins_are_shown_for_estimates_only() {
        let sum = |variance| AllocationSum { samples: 1, blocks: 1.0, bytes: 1000.0, variance };
        assert_eq!(margin(&sum(0.0)), "");
        assert_eq!(margin(&sum(10_000.0)), " ±19.6 %");
    }
}
