//! CPU time of a process and of each of its threads, between two views.

use std::collections::HashMap;
use std::time::Instant;

/// Measures CPU use between two calls of [`CpuMeter::read`].
#[derive(Debug, Default)]
pub(super) struct CpuMeter {
    last: Option<(Instant, HashMap<i32, f64>)>,
}

/// CPU use since the previous reading, in cores.
#[derive(Debug, Default)]
pub(super) struct CpuUsage {
    /// By kernel thread id. New threads are missing until the next reading.
    pub(super) threads: HashMap<i32, f64>,
    /// Ids of all current threads.
    pub(super) tids: Vec<i32>,
}

impl CpuMeter {
    /// Reads the CPU times and returns the use since the previous reading.
    pub(super) fn read(&mut self, pid: i32) -> CpuUsage {
        let now = Instant::now();
        let times = ungil_meter::process_threads_cpu_s(pid);
        let mut cores =
            CpuUsage { tids: times.iter().map(|&(tid, _)| tid).collect(), ..CpuUsage::default() };
        let counts: HashMap<i32, f64> =
            times.into_iter().filter_map(|(tid, cpu)| Some((tid, cpu?))).collect();
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
