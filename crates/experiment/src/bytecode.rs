//! Finds modules that are compiled in each run because their byte code is not cached. Compiling is
//! part of an unmarked run's time and differs between interpreters.
//!
//! The interpreter itself looks for them (`py/ungil_imports.py`), after a run that could have
//! written the cache. It parses the workload's imports without executing anything, so a module
//! imported only inside a function or a condition is not found.

use crate::arm::Arm;
use crate::context::RunContext;
use crate::record::Uncached;
use crate::workload::Workload;
use std::process::{Command, Stdio};

/// Returns the modules that the workload imports at top level and that have no cached byte code.
/// `None` if there are none, or if the workload is not a script or module, whose imports can be
/// read.
pub(crate) fn uncached(cx: &RunContext<'_>, arm: &Arm) -> Option<Uncached> {
    let python = &arm.interpreter()?.executable;
    let (kind, target) = match cx.workload {
        Workload::Script { path, .. } => ("script", path.as_os_str()),
        Workload::Module { name, .. } => ("module", name.as_ref()),
        _ => return None,
    };
    let (set, unset) = cx.environment(arm, 0, cx.support);
    let mut command = Command::new(python);
    command.arg(cx.support.join("ungil_imports.py")).arg(kind).arg(target).envs(set);
    for name in unset {
        command.env_remove(name);
    }
    let out = command.stdin(Stdio::null()).output().ok().filter(|out| out.status.success())?;
    let found: Uncached = serde_json::from_slice(&out.stdout).ok()?;
    (!found.modules.is_empty()).then_some(found)
}
