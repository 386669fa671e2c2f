//! CPU time of a process and of each of its threads, between two views.

use std::collections::HashMap;
use std::time::Instant;

/// Remembers the counts of the last view.
#[derive(Debug, Default)]
pub(super) struct Spent {
    last: Option<(Instant, HashMap<i32, f64>)>,
}

/// Cores kept busy since the last view.
#[derive(Debug, Default)]
pub(super) struct Cores {
    /// By the kernel's number of the thread; threads that are new are left out until the next view.
    pub(super) threads: HashMap<i32, f64>,
    /// Every thread there is.
    pub(super) tids: Vec<i32>,
}

impl Spent {
    /// Reads the counts of now.
    pub(super) fn look(&mut self, pid: i32) -> Cores {
        let now = Instant::now();
        let read = ungil_meter::process_threads_cpu_s(pid);
        let mut cores =
            Cores { tids: read.iter().map(|&(tid, _)| tid).collect(), ..Cores::default() };
        let counts: HashMap<i32, f64> =
            read.into_iter().filter_map(|(tid, cpu)| Some((tid, cpu?))).collect();
        if let Some((then, before)) = &self.last {
            let passed = now.duration_since(*then).as_secs_f64();
            if passed > 0.0 {
                let used = |(&tid, &cpu): (&i32, &f64)| {
                    Some((tid, (cpu - before.get(&tid)?).max(0.0) / passed))
                };
                cores.threads = counts.iter().filter_map(used).collect();
            }
        }
        self.last = Some((now, counts));
        cores
    }
}
