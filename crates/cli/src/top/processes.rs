//! The list of Pythons to choose from, updated by a background thread.

use super::app::{ProcessList, ProcessRow};
use std::collections::HashMap;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};
use ungil_remote::AttachError;
use ungil_remote::discovery::ProcessScanner;

/// Interval between two searches.
const SEARCH_INTERVAL: Duration = Duration::from_secs(2);

/// Searches repeatedly.
#[derive(Default)]
pub(super) struct ProcessFinder {
    search: ProcessScanner,
    last: Option<(Instant, HashMap<u32, f64>)>,
}

impl ProcessFinder {
    /// Finds every Python of this machine, with its CPU use since the last search.
    pub(super) fn find(&mut self) -> ProcessList {
        let listing = self.search.run();
        let now = Instant::now();
        let mut cpu = HashMap::new();
        let mut pythons = Vec::new();
        for found in listing.found {
            let pid = found.pid.cast_signed();
            let threads = ungil_meter::process_threads_cpu_s(pid);
            let used: f64 = threads.iter().filter_map(|(_, cpu_s)| *cpu_s).sum();
            let cores = self.last.as_ref().and_then(|(then, before)| {
                let passed = now.duration_since(*then).as_secs_f64();
                Some((used - before.get(&found.pid)?).max(0.0) / passed.max(1e-9))
            });
            cpu.insert(found.pid, used);
            pythons.push(ProcessRow {
                pid: found.pid,
                version: found.version.to_string(),
                free_threaded: found.free_threaded,
                cores,
                rss_bytes: ungil_meter::process_rss(pid),
                threads: threads.len(),
                command: found.command.join(" "),
            });
        }
        self.last = Some((now, cpu));
        ProcessList { pythons, refused: refused(&listing.refused) }
    }
}

/// Describes the processes that could not be read, with the reason and what would help.
fn refused(refused: &[(u32, AttachError)]) -> Option<String> {
    let (_, first) = refused.first()?;
    let why = match first {
        AttachError::Denied { why, help, .. } => format!("{why}; {help}"),
        other => other.to_string(),
    };
    let count = match refused.len() {
        1 => format!("process {}", refused[0].0),
        n => format!("{n} processes (the first: {})", refused[0].0),
    };
    Some(format!("{count} could not be read: {why}"))
}

/// Starts a thread that searches until the receiver is dropped.
pub(super) fn search_in_background() -> std::io::Result<Receiver<ProcessList>> {
    let (sender, processes) = sync_channel(1);
    std::thread::Builder::new().name("search".into()).spawn(move || {
        let mut finder = ProcessFinder::default();
        // The second search follows soon: it is needed for CPU use.
        let mut pause = Duration::from_millis(300);
        while sender.send(finder.find()).is_ok() {
            std::thread::sleep(pause);
            pause = SEARCH_INTERVAL;
        }
    })?;
    Ok(processes)
}
