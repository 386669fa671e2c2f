//! Converts allocations to a profile, for all output formats: bytes are weights, and the type is
//! the leaf of a stack.

use super::{AllocEnd, Allocations, BlockFate, SourceLine};
use crate::{
    Activity, Build, Builder, Finished, FrameKind, Header, Mode, RowKey, StackId, Totals, Unit,
    Weight,
};

impl Allocations {
    /// Converts to a profile. `command` is what was profiled, `started` the start time (RFC 3339),
    /// and `ungil` this program's version.
    pub fn profile(&self, command: &str, started: &str, ungil: &str) -> Finished {
        let build = if self.free_threaded { Build::FreeThreaded } else { Build::Gil };
        let mut builder = Builder::new(Header {
            command: command.into(),
            pids: vec![self.pid],
            python: self.version.map(|v| v.to_string()).unwrap_or_default(),
            build: Some(build),
            mode: Mode::Alloc,
            unit: Unit::Bytes,
            rate_asked_hz: 0.0,
            started: started.into(),
            ungil: ungil.into(),
        });
        for row in &self.rows {
            let activity = match row.fate {
                BlockFate::Live => Activity::Live,
                BlockFate::Freed => Activity::Freed,
                BlockFate::Allocated => continue,
            };
            let (id, name) = row
                .thread
                .and_then(|t| self.threads.get(t))
                .map_or((0, "unknown"), |t| (u32::try_from(t.id).unwrap_or(0), t.name.as_str()));
            let thread = builder.thread(self.pid, id, name);
            let mut stack = StackId::EMPTY;
            for place in self.stacks.get(row.stack).into_iter().flatten() {
                let SourceLine { file, function, first, line } = place;
                let kind = if file.is_empty() { FrameKind::Note } else { FrameKind::Python };
                let function = builder.function(function, file, *first, kind);
                let frame = builder.frame(function, *line);
                stack = builder.stack(stack, frame);
            }
            let function = builder.function(&row.kind, "", 0, FrameKind::Type);
            let frame = builder.frame(function, 0);
            let stack = builder.stack(stack, frame);
            let key = RowKey { thread, stack, activity, lock: None, holder: None };
            builder.row(
                key,
                Weight { samples: row.sum.samples, weight: row.sum.bytes.round() as u64 },
            );
        }
        let mut notes = self.notes.clone();
        if self.end == AllocEnd::Whole && self.every > 1 {
            notes.push(format!(
                "estimated from one sample per {} on average",
                ungil_format::bytes(self.every)
            ));
        }
        builder.finish(Totals {
            duration_ns: (self.duration_s.unwrap_or(0.0) * 1e9) as u64,
            captured: self.cost.samples,
            notes,
            ..Totals::default()
        })
    }
}
