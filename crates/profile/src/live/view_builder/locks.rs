//! Names, holders and contention of the locks in a view.

use super::*;

impl ViewBuilder {
    /// Describes what a thread waits for.
    pub(super) fn wait(&self, info: &ThreadInfo, dump: &ThreadDump) -> Option<WaitView> {
        let (blocked, wait) = (info.blocked?, info.wait.as_ref()?);
        let since_s =
            blocked.since_ns.map(|since| (dump.at_ns.saturating_sub(since) as f64 / 1e9).max(0.0));
        let named = self.names.get(&wait.object).cloned().flatten();
        Some(WaitView {
            object: format!("{:#x}", wait.object),
            kind: wait.target.clone(),
            name: wait.name.clone().or(named),
            since_s,
            held_by: self.held_by(info, dump),
        })
    }

    /// Returns the names of the first three threads that hold what `info` waits for.
    fn held_by(&self, info: &ThreadInfo, dump: &ThreadDump) -> Option<String> {
        let names: Vec<String> = info
            .holders
            .iter()
            .take(3)
            .filter_map(|holder| dump.threads.get(holder.thread))
            .map(|holder| self.thread_name(holder.thread.native_id))
            .collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// Returns a thread's name, or its id.
    pub(super) fn thread_name(&self, tid: u32) -> String {
        self.thread_names.get(&tid).cloned().unwrap_or_else(|| format!("thread {tid}"))
    }

    /// Searches for the names of objects that are waited for and have none yet.
    pub(super) fn name_objects(&mut self, python: &Python, dump: &ThreadDump, part: &IntervalSums) {
        let waited = dump.threads.iter().filter_map(|info| Some(info.wait.as_ref()?.object));
        let wanted: FxHashSet<u64> = waited.chain(part.tally.objects.keys().copied()).collect();
        let news = wanted.iter().any(|object| !self.names.contains_key(object));
        let due = self.names_due.is_none_or(|due| Instant::now() >= due);
        if !news || !due {
            return;
        }
        let cpu_s = ungil_meter::thread_cpu_s();
        let frames = dump.threads.iter().flat_map(|info| info.frames());
        let found = python.names(wanted.iter().copied(), frames);
        self.names.retain(|object, _| wanted.contains(object));
        for object in wanted {
            let name = found.get(&object).map(ToString::to_string);
            let known = self.names.entry(object).or_default();
            *known = name.or_else(|| known.take());
        }
        let cost = ungil_meter::thread_cpu_s() - cpu_s;
        self.names_due = Some(
            Instant::now() + MIN_NAME_INTERVAL.max(Duration::from_secs_f64(cost / NAME_BUDGET)),
        );
    }

    /// Lists the objects that were waited for, the most waited for first.
    pub(super) fn objects(&self, part: &IntervalSums, dump: &ThreadDump) -> Vec<ObjectView> {
        let all: f64 = part.tally.objects.values().map(|object| object.wait_s).sum();
        let mut found: Vec<(&u64, &ContendedObject)> = part.tally.objects.iter().collect();
        found.sort_by(|a, b| b.1.wait_s.total_cmp(&a.1.wait_s).then(a.0.cmp(b.0)));
        let view = |(&object, of): (&u64, &ContendedObject)| {
            let waits =
                |info: &&ThreadInfo| info.wait.as_ref().is_some_and(|wait| wait.object == object);
            let waiters = dump.threads.iter().filter(waits).count();
            ObjectView {
                object: format!("{object:#x}"),
                kind: of.target.clone(),
                name: self.names.get(&object).cloned().flatten(),
                waiting: of.wait_s / part.tally.seconds.max(1e-9),
                share: of.wait_s / all.max(1e-9),
                waiters: u32::try_from(waiters).unwrap_or(u32::MAX),
                most_waiters: of.most_waiters,
                held_by: dump
                    .threads
                    .iter()
                    .filter(waits)
                    .find_map(|info| self.held_by(info, dump)),
                at: of.line.as_ref().map(|(code_line, _)| (**code_line).clone()),
            }
        };
        found.into_iter().take(MAX_ROWS).map(view).collect()
    }
}
