//! Allocations as a table for the terminal and as JSON.

use super::{Allocations, Fate, Line, Sum};
use serde_json::{Value, json};
use std::fmt::Write;
use ungil_format::counted;

/// Version of what [`Allocations::json`] gives.
const SCHEMA: &str = "ungil.alloc/1";

impl Allocations {
    /// The report in words: totals, the `most` largest lines, what it cost and what is missing.
    pub fn words(&self, most: usize) -> String {
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
        let (live, threads) = (self.total(Fate::Live), self.threads.len());
        let over = self.duration_s.map_or(String::new(), |s| format!(" in {s:.1} s"));
        let _ = writeln!(
            out,
            "{} in {} allocations{over} by {} (counted)",
            bytes(self.bytes as f64),
            count(self.allocations as f64),
            counted(threads, "thread"),
        );
        let _ = writeln!(
            out,
            "{}{} live at the end, {} at the most{}",
            bytes(live.bytes),
            margin(&live),
            bytes(self.peak_bytes as f64),
            if self.every > 1 {
                format!(" (estimated: a sample every {})", bytes(self.every as f64))
            } else {
                " (every block)".into()
            },
        );
    }

    fn row(&self, line: &Line) -> [String; 6] {
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
            .map(|t| format!("{} {}", t.kind, bytes(if some_live { t.live } else { t.freed })))
            .collect();
        let mut threads: Vec<String> =
            line.threads.iter().take(2).map(|(t, _)| self.thread_name(*t)).collect();
        if let Some(more) = line.threads.len().checked_sub(2).filter(|m| *m > 0) {
            threads.push(format!("{more} more"));
        }
        [
            format!("{}{}", bytes(line.live.bytes), margin(&line.live)),
            format!("{}{}", bytes(line.allocated.bytes), margin(&line.allocated)),
            count(line.allocated.blocks),
            at,
            types.join(", "),
            threads.join(", "),
        ]
        // A name that the target chose breaks no line of the table.
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
            "\nThe profile cost about {:.2} s of the threads' time: {:.0} ns for each of {} allocations, and {:.2} s for {} samples",
            self.cost_s(),
            cost.pair_ns,
            count(self.allocations as f64),
            cost.samples_s,
            count(cost.samples as f64),
        );
        let _ = match cost.processor_s.filter(|s| *s > 0.0) {
            Some(all) => {
                writeln!(out, "; {:.1} % of {all:.2} s of processor time.", 100.0 * self.cost_s() / all)
            }
            None => writeln!(out, "."),
        };
        for note in &self.notes {
            let _ = writeln!(out, "Note: {note}.");
        }
    }

    /// All of it as JSON: totals, threads, lines, and every stack.
    pub fn json(&self) -> Value {
        let sum = |s: &Sum| json!({"bytes": s.bytes, "bytes_error": s.error(), "blocks": s.blocks, "samples": s.samples});
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
                |p: &super::Place| json!({"file": &*p.file, "line": p.line, "function": &*p.function});
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
            "live": sum(&self.total(Fate::Live)),
            "allocated": sum(&self.total(Fate::Allocated)),
            "freed": sum(&self.total(Fate::Freed)),
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

/// Bytes with three digits and a unit.
fn bytes(n: f64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut n = n;
    let mut unit = 0;
    while n >= 1000.0 && unit + 1 < UNITS.len() {
        n /= 1024.0;
        unit += 1;
    }
    let digits = if unit == 0 || n >= 100.0 {
        0
    } else if n >= 10.0 {
        1
    } else {
        2
    };
    format!("{n:.digits$} {}", UNITS.get(unit).unwrap_or(&""))
}

/// A number of things.
fn count(n: f64) -> String {
    match n {
        n if n >= 1e9 => format!("{:.2} G", n / 1e9),
        n if n >= 1e6 => format!("{:.2} M", n / 1e6),
        n if n >= 1e4 => format!("{:.1} k", n / 1e3),
        n => format!("{n:.0}"),
    }
}

/// The 95 % margin of a sum, in per cent; empty where it is exact.
fn margin(sum: &Sum) -> String {
    let share = 196.0 * sum.error() / sum.bytes;
    if sum.bytes > 0.0 && share >= 0.5 { format!(" ±{share:.0} %") } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(bytes(0.0), "0 B");
        assert_eq!(bytes(999.0), "999 B");
        assert_eq!(bytes(65536.0), "64.0 KiB");
        assert_eq!(bytes(1.5 * 1024.0 * 1024.0), "1.50 MiB");
        assert_eq!(count(1234.0), "1234");
        assert_eq!(count(45_600.0), "45.6 k");
        assert_eq!(count(2.5e6), "2.50 M");
    }

    #[test]
    fn a_margin_is_said_where_there_is_one() {
        let sum = |variance| Sum { samples: 1, blocks: 1.0, bytes: 1000.0, variance };
        assert_eq!(margin(&sum(0.0)), "");
        assert_eq!(margin(&sum(10_000.0)), " ±20 %");
    }
}
