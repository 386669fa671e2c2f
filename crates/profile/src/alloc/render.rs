//! Renders allocations as a text table and as JSON.

use super::{AllocationSum, Allocations, BlockFate, LineAllocations};
use serde_json::{Value, json};
use std::fmt::Write;
use ungil_format::{bytes, counted, duration, number, percent};

/// Schema of [`Allocations::json`].
const SCHEMA: &str = "ungil.alloc/1";

impl Allocations {
    /// The report in words: totals, the `most` largest lines, what it cost and what is missing.
    pub fn render(&self, most: usize) -> String {
        let mut out = String::new();
        self.totals(&mut out);
        let lines = self.lines();
        let rows: Vec<[String; 6]> = lines.iter().take(most).map(|line| self.row(line)).collect();
        let head = ["live", "allocated", "blocks", "where", "types", "threads"].map(String::from);
        let width = |n: usize| {
            let cells = rows.iter().chain([&head]).filter_map(|r| r.get(n));
            cells.map(|c| c.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..6).map(width).collect();
        out.push('\n');
        for row in [&head].into_iter().chain(&rows) {
            let mut text = String::new();
            for (n, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let _ = match n {
                    0..=2 => write!(text, "{cell:>width$}  "),
                    _ => write!(text, "{cell:<width$}  "),
                };
            }
            let _ = writeln!(out, "{}", text.trim_end());
        }
        if lines.len() > most {
            let _ = writeln!(out, "and {} more", counted(lines.len() - most, "line"));
        }
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
            "{}{} live at the end, {} at the most{}",
            estimated(live.bytes),
            margin(&live),
            bytes(self.peak_bytes),
            if self.every > 1 {
                format!(" (estimated: a sample every {})", bytes(self.every))
            } else {
                " (every block)".into()
            },
        );
    }

    fn row(&self, line: &LineAllocations) -> [String; 6] {
        let place = &line.place;
        let at = if place.file.is_empty() {
            place.function.to_string()
        } else {
            format!("{}:{} {}", place.file, place.line, place.function)
        };
        let some_live = line.live.samples > 0;
        let types = line.types.iter().filter(|t| !some_live || t.live > 0.0);
        let types: Vec<String> = types
            .take(3)
            .map(|t| format!("{} {}", t.kind, estimated(if some_live { t.live } else { t.freed })))
            .collect();
        let mut threads: Vec<String> =
            line.threads.iter().take(2).map(|(t, _)| self.thread_name(*t)).collect();
        if let Some(more) = line.threads.len().checked_sub(2).filter(|m| *m > 0) {
            threads.push(format!("{more} more"));
        }
        [
            format!("{}{}", estimated(line.live.bytes), margin(&line.live)),
            format!("{}{}", estimated(line.allocated.bytes), margin(&line.allocated)),
            number(line.allocated.blocks.round()),
            at,
            types.join(", "),
            threads.join(", "),
        ]
        // A name from the target must not break the table.
        .map(|cell| cell.replace(char::is_control, "\u{fffd}"))
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
            "\nThe profile cost about {} of the threads' time: {} for each of {}, and {} for {}",
            duration(self.cost_s()),
            duration(cost.pair_ns / 1e9),
            counted(self.allocations, "allocation"),
            duration(cost.samples_s),
            counted(cost.samples, "sample"),
        );
        let _ = match cost.processor_s.filter(|s| *s > 0.0) {
            Some(all) => {
                let share = percent(self.cost_s() / all);
                writeln!(out, "; {share} of {} of processor time.", duration(all))
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
