//! What was found, written to the report as it is found: one JSON object a line.
#![allow(unsafe_code)] // Reads names of code objects, which are kept alive.

use crate::access::Access;
use crate::cell::Mark;
use crate::lock_order::{LockSetId, lock_set_members};
use crate::python::{Object, python};
use crate::shadow::Record;
use crate::stack::{Site, StackId, sites};
use crate::thread::{self, ThreadNumber};
use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

/// Findings already reported, by pattern and pair of places.
static REPORTED: Mutex<Option<HashSet<(Pattern, Site, Site)>>> = Mutex::new(None);
static REPORT: Mutex<Option<File>> = Mutex::new(None);
/// Lines written, and most lines that are.
static LINES: AtomicU32 = AtomicU32::new(0);
const MAX_LINES: u32 = 5000;

/// What kind of fault two accesses are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Pattern {
    LostUpdate,
    CheckThenAct,
    Iteration,
    UnsafePublication,
    HalfUpdate,
    StaleRead,
    BlindWrites,
    EqualValues,
}

impl Pattern {
    fn name(self) -> &'static str {
        match self {
            Pattern::LostUpdate => "lost-update",
            Pattern::CheckThenAct => "check-then-act",
            Pattern::Iteration => "iteration",
            Pattern::UnsafePublication => "unsafe-publication",
            Pattern::HalfUpdate => "half-update",
            Pattern::StaleRead => "stale-read",
            Pattern::BlindWrites => "blind-writes",
            Pattern::EqualValues => "equal-values",
        }
    }
}

/// One of the two accesses.
#[derive(Clone, Copy)]
pub(crate) struct Side {
    pub(crate) thread: ThreadNumber,
    pub(crate) mark: Mark,
}

/// A conflict of two accesses.
pub(crate) struct Finding {
    pub(crate) pattern: Pattern,
    /// The other thread's write was seen between this thread's read and write.
    pub(crate) observed: bool,
    pub(crate) mine: Side,
    /// The read that `mine` depends on.
    pub(crate) begins: Option<StackId>,
    pub(crate) other: Side,
    pub(crate) held: Vec<(LockSetId, u32)>,
}

/// Opens the report.
///
/// # Errors
/// The file cannot be created.
pub(crate) fn open(path: &str) -> Result<(), String> {
    let file = File::options().append(true).create(true).open(path);
    let file = file.map_err(|error| format!("cannot write {path}: {error}"))?;
    if let Ok(mut report) = REPORT.lock() {
        *report = Some(file);
    }
    Ok(())
}

/// Writes one line.
pub(crate) fn write_line(line: &str) {
    if LINES.fetch_add(1, Ordering::Relaxed) >= MAX_LINES {
        return;
    }
    if let Ok(mut report) = REPORT.lock()
        && let Some(file) = report.as_mut()
    {
        // An error cannot be reported from here: the reader sees that the last line is missing.
        let _ = file.write_all(format!("{line}\n").as_bytes());
    }
}

/// Appends a JSON string.
pub(crate) fn quote(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if u32::from(c) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Appends a stack: a list of frames, innermost first.
pub(crate) fn write_stack(out: &mut String, stack: StackId) {
    let python = python();
    out.push('[');
    for (index, site) in sites(stack).into_iter().enumerate() {
        if index != 0 {
            out.push(',');
        }
        let code = site.code as Object;
        let mut at = [0i32; 4];
        let [line, column, end_line, end_column] = &mut at;
        // SAFETY: stored stacks keep their code objects alive; the fields are str objects.
        let (file, function) = unsafe {
            let _ = (python.location)(code, site.offset as i32, line, column, end_line, end_column);
            let text = |offset: u64| {
                let object = crate::python::word(code, offset as usize) as Object;
                python.string(object).unwrap_or_default()
            };
            (text(python.offsets.code_object.filename), text(python.offsets.code_object.qualname))
        };
        out.push_str("{\"file\":");
        quote(out, &file);
        out.push_str(",\"function\":");
        quote(out, &function);
        let [line, column, end_line, end_column] = at;
        let _ = write!(
            out,
            ",\"line\":{line},\"column\":{column},\"end_line\":{end_line},\"end_column\":{end_column}}}"
        );
    }
    out.push(']');
}

fn write_locks(out: &mut String, locks: LockSetId) {
    out.push('[');
    for (index, (serial, acquired)) in lock_set_members(locks).into_iter().enumerate() {
        let _ =
            write!(out, "{}{{\"lock\":{serial},\"acquired\":", if index == 0 { "" } else { "," });
        write_stack(out, acquired);
        out.push('}');
    }
    out.push(']');
}

fn write_side(out: &mut String, side: &Side) {
    out.push_str("{\"thread\":");
    quote(out, &thread::name(side.thread));
    let _ = write!(out, ",\"access\":\"{}\",\"locks\":", side.mark.kind.name());
    write_locks(out, side.mark.locks);
    out.push_str(",\"stack\":");
    write_stack(out, side.mark.stack);
    out.push('}');
}

impl Finding {
    /// Writes the finding, unless the same was written before. The thread holds no lock of the
    /// detector.
    pub(crate) fn report(&self, record: &Record, access: &Access) {
        let site = |side: &Side| sites(side.mark.stack).first().copied().unwrap_or_default();
        let (mine, other) = (site(&self.mine), site(&self.other));
        let key = (self.pattern, mine, other);
        let is_new = REPORTED.lock().is_ok_and(|mut seen| {
            let seen = seen.get_or_insert_default();
            !seen.contains(&(self.pattern, other, mine)) && seen.insert(key)
        });
        if !is_new && !self.observed {
            return;
        }
        if self.observed {
            let observed = (self.pattern, mine, Site::default());
            if !REPORTED.lock().is_ok_and(|mut seen| seen.get_or_insert_default().insert(observed))
            {
                return;
            }
        }
        let (part, name) = access.key.describe();
        // SAFETY: the object of the running instruction is alive, and so is its type.
        let class = unsafe {
            let is_class = python().is_class(access.object);
            python().type_name(if is_class { access.object as usize } else { record.class() })
        };
        let mut out = format!(
            "{{\"kind\":\"race\",\"pattern\":\"{}\",\"observed\":{},\"part\":\"{part}\",\"type\":",
            self.pattern.name(),
            self.observed,
        );
        quote(&mut out, &class);
        out.push_str(",\"name\":");
        quote(&mut out, &name);
        out.push_str(",\"first\":");
        write_side(&mut out, &self.other);
        out.push_str(",\"second\":");
        write_side(&mut out, &self.mine);
        if let Some(begins) = self.begins {
            out.push_str(",\"read\":");
            write_stack(&mut out, begins);
        }
        out.push_str(",\"held\":[");
        for (index, (locks, count)) in self.held.iter().enumerate() {
            let _ =
                write!(out, "{}{{\"count\":{count},\"locks\":", if index == 0 { "" } else { "," });
            write_locks(&mut out, *locks);
            out.push('}');
        }
        out.push_str("]}");
        write_line(&out);
    }
}
