//! The command line and environment of a run, and the shell command that repeats it.

use crate::arm::{Arm, Gil, Runs};
use crate::context::RunContext;
use crate::error::Error;
use crate::phase::Channel;
use crate::record::Run;
use crate::serve;
use crate::shell;
use std::ffi::OsString;
use std::path::Path;
use ungil_meter::Launch;

impl RunContext<'_> {
    pub(super) fn launch(
        &self,
        arm: &Arm,
        block: u32,
        channel: &Channel,
        port: Option<u16>,
    ) -> Result<Launch, Error> {
        let argv = self.workload.argv(arm, self.support, port)?;
        let (mut env, unset) = self.environment(arm, block, self.support);
        env.push(("UNGIL_PHASE".into(), channel.dir().into()));
        Ok(Launch { argv, env, unset, ..Launch::default() })
    }

    /// Returns the environment variables to set and to unset for an arm, relative to this process's
    /// own environment and without the phase channel.
    pub(crate) fn environment(
        &self,
        arm: &Arm,
        block: u32,
        support: &Path,
    ) -> (Vec<(String, OsString)>, Vec<String>) {
        let mut launch = Launch::default();
        let mut set = |name: &str, value: std::ffi::OsString| launch.env.push((name.into(), value));
        set("UNGIL_ARM", arm.id.clone().into());
        let mut path = std::ffi::OsString::from(support);
        if let Some(old) = std::env::var_os("PYTHONPATH").filter(|p| !p.is_empty()) {
            path.push(":");
            path.push(old);
        }
        set("PYTHONPATH", path);
        if let Some(workers) = arm.workers {
            set("UNGIL_WORKERS", workers.to_string().into());
        }
        // Dicts and sets have one layout per block: the same for every arm, another in the next
        // block.
        if std::env::var_os("PYTHONHASHSEED").is_none() {
            let seed = (self.settings.seed.wrapping_mul(0x9E37_79B9).wrapping_add(block.into()))
                % 4_294_967_295
                + 1;
            set("PYTHONHASHSEED", seed.to_string().into());
        }
        launch.env.extend(self.env.iter().cloned());
        set_gil(&mut launch, arm);
        (launch.env, launch.unset)
    }

    /// Returns a shell command that repeats a run of an arm in `directory` with the same
    /// environment, except for the phase channel: phase marks do nothing. `support` is the
    /// directory in which the Python files are kept.
    pub(crate) fn by_hand(
        &self,
        arm: &Arm,
        run: &Run,
        port: Option<u16>,
        support: &Path,
        directory: &str,
    ) -> Result<String, Error> {
        let (set, unset) = self.environment(arm, run.block, support);
        let mut words = vec!["env".to_string(), "-C".into(), shell::word(directory)];
        words.extend(unset.into_iter().flat_map(|name| ["-u".to_string(), name]));
        words.extend(
            set.iter()
                .map(|(name, value)| format!("{name}={}", shell::word(&value.to_string_lossy()))),
        );
        let argv = self.workload.argv(arm, support, port)?;
        words.extend(argv.iter().map(|word| shell::word(&word.to_string_lossy())));
        let line = format!("{} </dev/null", words.join(" "));
        match self.workload.serving().zip(port) {
            Some((serving, port)) => serve::by_hand(&line, arm, run, serving, port),
            None => Ok(line),
        }
    }
}

/// Sets or unsets `PYTHON_GIL`: the arm decides, whatever the user's environment contains.
pub(super) fn set_gil(launch: &mut Launch, arm: &Arm) {
    match &arm.runs {
        Runs::Python { gil: Gil::On, .. } => launch.env.push(("PYTHON_GIL".into(), "1".into())),
        _ => launch.unset.push("PYTHON_GIL".into()),
    }
}
