//! Findings as text.

use crate::event::{AccessSide, Pattern, StackFrame};
use crate::finding::{Finding, Level};
use crate::search::SearchReport;
use crate::source::{Sources, short};
use std::fmt::Write as _;

/// Frames shown of each stack.
const MAX_FRAMES: usize = 8;

impl Level {
    fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note => "note",
        }
    }
}

impl Pattern {
    /// Returns the words for it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Pattern::LostUpdate => "lost update of",
            Pattern::CheckThenAct => "check, then act, on",
            Pattern::Iteration => "change during iteration of",
            Pattern::UnsafePublication => "object published before it is complete:",
            Pattern::HalfUpdate => "half of an update read:",
            Pattern::StaleRead => "unordered read of",
            Pattern::BlindWrites => "unordered writes of",
            Pattern::EqualValues => "equal values stored twice in",
            Pattern::LockOrder => "locks acquired in different orders:",
            Pattern::AwaitWithLock => "a thread's lock is held across an await:",
            Pattern::ForkWithLock => "fork while another thread holds",
            Pattern::ForkBesideThreads => "fork beside running threads",
            Pattern::Failure => "the program fails under some schedules:",
            Pattern::GilEnabled => "the GIL was switched on by",
        }
    }
}

/// Returns the findings as text; notes only if `notes`.
#[must_use]
pub fn text(report: &SearchReport, notes: bool) -> String {
    let mut sources = Sources::default();
    let mut out = String::new();
    for finding in report.findings.iter().filter(|f| notes || f.level != Level::Note) {
        write_finding(&mut out, finding, &mut sources);
    }
    let count = |level: Level| {
        let count = report.count(level);
        format!("{count} {}{}", level.name(), if count == 1 { "" } else { "s" })
    };
    let _ = writeln!(
        out,
        "{}, {}, {} in {} run{} ({:.1} s)",
        count(Level::Error),
        count(Level::Warning),
        count(Level::Note),
        report.rounds,
        if report.rounds == 1 { "" } else { "s" },
        report.elapsed.as_secs_f64()
    );
    out
}

/// Returns one finding as text.
#[must_use]
pub fn finding_text(finding: &Finding) -> String {
    let mut out = String::new();
    write_finding(&mut out, finding, &mut Sources::default());
    out
}

fn write_finding(out: &mut String, finding: &Finding, sources: &mut Sources) {
    let _ =
        writeln!(out, "{}: {} {}", finding.level.name(), finding.pattern.words(), finding.subject);
    for (index, side) in finding.sides.iter().enumerate() {
        let is_last = index + 1 == finding.sides.len();
        let read = finding.read.as_deref().filter(|_| is_last);
        write_side(out, side, read, sources);
    }
    if finding.observed && !finding.sides.is_empty() {
        out.push_str("  seen: the other thread wrote between the read and the write\n");
    }
    for line in finding.output.lines() {
        let _ = writeln!(out, "  | {line}");
    }
    let _ = writeln!(out, "  help: {}", finding.advice);
    if let Some(token) = &finding.token {
        let _ = writeln!(out, "  replay: ungil stress --replay {token}");
    }
    out.push('\n');
}

fn write_side(
    out: &mut String,
    side: &AccessSide,
    read: Option<&[StackFrame]>,
    sources: &mut Sources,
) {
    let locks: Vec<_> = side.locks.iter().map(|lock| sources.lock_name(&lock.acquired)).collect();
    let locks = if locks.is_empty() { "no lock".to_owned() } else { locks.join(", ") };
    let thread = if side.thread.is_empty() { "a thread" } else { &side.thread };
    let _ = writeln!(out, "  {thread}: {}, holding {locks}", side.access);
    if let Some(place) = read.and_then(|stack| stack.first()) {
        write_place(out, place, "  after the read at ", sources);
    }
    let own = side.stack.iter().filter(|frame| !is_runner(frame));
    for (index, place) in own.take(MAX_FRAMES).enumerate() {
        write_place(out, place, if index == 0 { "  " } else { "    " }, sources);
    }
}

/// Returns whether a frame belongs to what starts the program or the thread.
fn is_runner(frame: &StackFrame) -> bool {
    let is_bootstrap = frame.file.ends_with("/threading.py")
        && ["Thread.run", "Thread._bootstrap", "Thread._bootstrap_inner", "Thread._context_run"]
            .contains(&frame.function.as_str());
    let is_own =
        ["/ungil_stress.py", "/ungil_together.py"].iter().any(|end| frame.file.ends_with(end));
    frame.file.starts_with('<') || is_own || is_bootstrap
}

fn write_place(out: &mut String, place: &StackFrame, indent: &str, sources: &mut Sources) {
    let _ = write!(out, "  {indent}{}:{} {}", short(&place.file), place.line, place.function);
    if let Some(line) = sources.line(place) {
        let _ = write!(out, "   {line}");
    }
    out.push('\n');
}
