//! Allocations as a profile, for every format there is: bytes as weights, the type as the leaf of a
//! stack.

use super::{Allocations, End, Fate, Place};
use crate::{
    Activity, Build, Builder, Finished, Header, Key, Kind, Mode, StackId, Totals, Unit, Weight,
};

impl Allocations {
    /// The profile. `command` is what was profiled, `started` when (RFC 3339), and `ungil` the
    /// version that looked.
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
                Fate::Live => Activity::Live,
                Fate::Freed => Activity::Freed,
                Fate::Allocated => continue,
            };
            let (id, name) = row
                .thread
                .and_then(|t| self.threads.get(t))
                .map_or((0, "unknown"), |t| (u32::try_from(t.id).unwrap_or(0), t.name.as_str()));
            let thread = builder.thread(self.pid, id, name);
            let mut stack = StackId::EMPTY;
            for place in self.stacks.get(row.stack).into_iter().flatten() {
                let Place { file, function, first, line } = place;
                let kind = if file.is_empty() { Kind::Note } else { Kind::Python };
                let function = builder.function(function, file, *first, kind);
                let frame = builder.frame(function, *line);
                stack = builder.stack(stack, frame);
            }
            let function = builder.function(&row.kind, "", 0, Kind::Type);
            let frame = builder.frame(function, 0);
            let stack = builder.stack(stack, frame);
            let key = Key { thread, stack, activity, lock: None, holder: None };
            builder.row(
                key,
                Weight { samples: row.sum.samples, weight: row.sum.bytes.round() as u64 },
            );
        }
        let mut notes = self.notes.clone();
        if self.end == End::Whole && self.every > 1 {
            notes.push(format!(
                "estimated from a sample every {} on average",
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
