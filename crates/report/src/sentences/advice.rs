//! Which arm to use, or why none can be recommended, and what to look at next.
//!
//! A recommendation rests on the headline metric's verdicts, and on there being no other
//! explanation for them: the first [`Obstacle`] found takes its place.

use super::Results;
use std::fmt;
use ungil_experiment::arm::{Arm, Model};
use ungil_experiment::comparison::ArmFigures;
use ungil_experiment::hazard::HazardKind;
use ungil_experiment::metric;
use ungil_experiment::record::{Outcome, Run};
use ungil_experiment::shell::word;
use ungil_experiment::stats::{MIN_BLOCKS, median};
use ungil_experiment::workload::Workload;
use ungil_format::{counted, digits, percent};

/// Share of a run's time from which start-up dominates the comparison.
const STARTUP_SHARE: f64 = 0.5;
/// Busy cores below which an arm mostly waits.
const WAITING_CORES: f64 = 0.25;
/// Busy cores below which several workers did not run in parallel.
const PARALLEL_CORES: f64 = 1.2;
/// Idle cores from which low use must be caused by the workload itself.
const IDLE_CORES: f64 = 0.5;

/// Why no arm can be recommended. The first that applies, in this order, is reported.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Obstacle {
    /// There is no other arm.
    OneArm,
    /// Too many requests failed, or more in one arm than in another.
    FailedRequests { why: String },
    /// Starting the interpreter takes most of the time.
    StartUp { arm: String, share: f64 },
    /// Modules are compiled in every run, because their bytecode cannot be cached.
    Uncached { modules: Vec<String>, why: String },
    /// There were fewer chunks of items than workers.
    FewPieces { arm: String, pieces: f64, workers: u32 },
    /// The workload waits: no arm keeps [`WAITING_CORES`] busy.
    Waits { cores: f64 },
    /// The workload is limited to one core.
    OneCore { arm: String, workers: u32 },
    /// Several workers used about one core, and the machine had no idle core.
    Crowded { arm: String, workers: u32, cores: f64 },
    /// Several workers used about one core.
    NotParallel { arm: String, workers: u32, cores: f64 },
    /// There are too few blocks, or intervals are too wide.
    Undecided { baseline: String },
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Obstacle::OneArm => Ok(()),
            Obstacle::FailedRequests { why } => write!(f, "No arm is recommended: {why}."),
            Obstacle::StartUp { arm, share } => write!(
                f,
                "Starting the interpreter takes {} of {arm}'s time: this compares start-up, not the work. Increase the work, or mark the part that counts with phase().",
                percent(*share)
            ),
            Obstacle::Uncached { modules, why } => write!(
                f,
                "{} compiled in every run ({why}): the times include compilation. Let Python cache bytecode, then compare again.",
                match &modules[..] {
                    [one] => format!("The module {one} is"),
                    [a, b] => format!("The modules {a} and {b} are"),
                    [a, b, rest @ ..] =>
                        format!("The modules {a}, {b} and {} more are", rest.len()),
                    [] => "Modules are".into(),
                }
            ),
            Obstacle::FewPieces { arm, pieces, workers } => write!(
                f,
                "{arm} had {} of work for {workers} workers: the other workers were idle. Give at least as many --items as workers, or a smaller --chunk.",
                counted(*pieces as u64, "piece")
            ),
            Obstacle::OneCore { arm, workers } => write!(
                f,
                "The workload is limited to one core, so the {workers} workers of {arm} cannot run in parallel. Allow it more cores, then compare again."
            ),
            Obstacle::Crowded { arm, workers, cores } => write!(
                f,
                "{arm} got {} cores for {workers} workers while the rest of the machine was busy, so the figures do not show whether it runs in parallel. Compare again on a less busy machine.",
                digits(*cores)
            ),
            Obstacle::Waits { cores } => write!(
                f,
                "No arm keeps more than {} cores busy: the workload waits for something else, so the GIL plays no part in its time.",
                digits(*cores)
            ),
            Obstacle::NotParallel { arm, workers, cores } => write!(
                f,
                "{workers} workers used {} cores ({arm}): the work does not run in parallel. Look for a serial part, or a lock that all workers take (`ungil profile --mode lock`).",
                digits(*cores)
            ),
            Obstacle::Undecided { baseline } => {
                write!(f, "Stay with {baseline} for now: no other arm is shown to be faster.")
            }
        }
    }
}

impl Results<'_> {
    /// Recommends an arm, or states why none can be recommended.
    pub(super) fn advice(&self) -> Option<String> {
        match self.obstacle() {
            Some(Obstacle::OneArm) => None,
            Some(obstacle) => Some(obstacle.to_string()),
            None => Some(format!("Use {}.", self.best?.arm)),
        }
    }

    /// Returns the first reason why no arm can be recommended.
    pub(super) fn obstacle(&self) -> Option<Obstacle> {
        if self.others().next().is_none() {
            return Some(Obstacle::OneArm);
        }
        let checks: [&dyn Fn() -> Option<Obstacle>; 7] = [
            &|| self.failed_requests(),
            &|| self.start_up(),
            &|| self.uncached(),
            &|| self.check_workers(|arm| self.few_pieces(arm)),
            &|| self.waits(),
            &|| self.check_workers(|arm| self.not_parallel(arm)),
            &|| self.undecided(),
        ];
        checks.into_iter().find_map(|check| check())
    }

    /// Returns the runs of an arm that count: neither warm-up nor failed.
    fn runs(&self, arm: &str) -> impl Iterator<Item = &Run> {
        self.view
            .record
            .runs
            .iter()
            .filter(move |r| r.arm == arm && r.block > 0 && r.outcome == Outcome::Ok)
    }

    fn figure(&self, arm: &str, key: &str) -> Option<f64> {
        Some(self.view.comparison.arm(arm)?.metrics.get(key)?.median)
    }

    /// Applies where the baseline would be recommended: an arm with a better verdict has answered
    /// its requests.
    fn failed_requests(&self) -> Option<Obstacle> {
        let stays = self.best.is_none_or(|b| b.arm == self.view.comparison.baseline);
        self.failing().filter(|_| stays).map(|why| Obstacle::FailedRequests { why })
    }

    /// Describes the first arm too many of whose requests failed, or more than the baseline's.
    fn failing(&self) -> Option<String> {
        let failed = |a: &ArmFigures| a.requests.is_some_and(|r| r.failed > 0.0);
        let baseline = self.view.comparison.arms.first()?;
        if let Some(why) = baseline.requests.and_then(|r| r.too_many(&baseline.arm)) {
            return Some(why);
        }
        self.others()
            .filter(|a| failed(a) || failed(baseline))
            .find_map(|a| self.why(a))
            .map(String::from)
    }

    fn start_up(&self) -> Option<Obstacle> {
        let share = |arm: &str| {
            let unmarked = self.runs(arm).all(|r| !r.marked);
            let share = self.view.record.bare_startup_s(arm)? / self.figure(arm, "wall_s")?;
            (unmarked && share >= STARTUP_SHARE).then_some(share)
        };
        let best = self.best.map(|b| b.arm.as_str());
        let arms = best.into_iter().chain([self.view.comparison.baseline.as_str()]);
        let (arm, share) =
            arms.filter_map(|a| Some((a, share(a)?))).max_by(|a, b| a.1.total_cmp(&b.1))?;
        Some(Obstacle::StartUp { arm: arm.into(), share })
    }

    fn uncached(&self) -> Option<Obstacle> {
        let found = self.view.record.runs.iter().find_map(|r| r.uncached.as_ref())?;
        Some(Obstacle::Uncached { modules: found.modules.clone(), why: found.why.clone() })
    }

    /// Applies a check to the arms whose workers could run in parallel. If the best arm is one of
    /// them, it alone decides; otherwise all must have the obstacle, because one arm without it
    /// shows that the workload can run in parallel.
    fn check_workers(&self, obstacle: impl Fn(&Arm) -> Option<Obstacle>) -> Option<Obstacle> {
        let best =
            self.best.and_then(|b| self.arm(&b.arm)).filter(|a| a.workers.is_some_and(|w| w > 1));
        if let Some(best) = best {
            return obstacle(best);
        }
        let able = |a: &&Arm| {
            let processes = matches!(
                a.model(),
                Some(Model::Fork | Model::Spawn | Model::Forkserver | Model::Interpreters)
            );
            a.workers.is_some_and(|w| w > 1) && (processes || a.without_gil())
        };
        let arms: Vec<&Arm> = self.others().filter_map(|a| self.arm(&a.arm)).filter(able).collect();
        let found: Option<Vec<Obstacle>> = arms.into_iter().map(obstacle).collect();
        found?.pop()
    }

    fn few_pieces(&self, arm: &Arm) -> Option<Obstacle> {
        let (pieces, workers) = (self.figure(&arm.id, "pieces")?, arm.workers?);
        (pieces < f64::from(workers)).then(|| Obstacle::FewPieces {
            arm: arm.id.clone(),
            pieces,
            workers,
        })
    }

    /// Returns the cores that were idle while an arm ran, as a median over runs; `None` if a quota
    /// throttled the arm.
    fn idle_cores(&self, arm: &str) -> Option<f64> {
        let idle = |run: &Run| {
            let around = run.machine.as_ref().filter(|a| a.quota_throttled == 0)?;
            let cores = around.per_core.len() as f64;
            Some(cores - around.busy_cores - around.steal * cores)
        };
        median(&self.runs(arm).map(idle).collect::<Option<Vec<f64>>>()?)
    }

    fn is_crowded(&self, arm: &str) -> bool {
        self.idle_cores(arm).is_none_or(|idle| idle < IDLE_CORES)
    }

    /// Detects a workload that waits. On a machine without an idle core nothing is concluded: the
    /// workload may have waited for a core.
    fn waits(&self) -> Option<Obstacle> {
        let arms = || self.view.comparison.arms.iter().filter(|a| a.failed.is_none() && a.runs > 0);
        let cores =
            arms().map(|a| self.figure(&a.arm, "busy_cores")).collect::<Option<Vec<f64>>>()?;
        let most = cores.into_iter().reduce(f64::max).filter(|&most| most < WAITING_CORES)?;
        (!arms().any(|a| self.is_crowded(&a.arm))).then_some(Obstacle::Waits { cores: most })
    }

    fn not_parallel(&self, arm: &Arm) -> Option<Obstacle> {
        let (cores, workers, id) =
            (self.figure(&arm.id, "busy_cores")?, arm.workers?, arm.id.clone());
        // Workers that gain without more busy cores overlap their waits.
        let gains = self.with_one_worker(arm).is_some_and(|one| self.is_better(&arm.id, &one.id));
        if cores >= PARALLEL_CORES || gains || self.collapse().is_some() {
            return None;
        }
        Some(if self.view.record.header.machine.cpus < 2 {
            Obstacle::OneCore { arm: id, workers }
        } else if self.is_crowded(&arm.id) {
            Obstacle::Crowded { arm: id, workers, cores }
        } else {
            Obstacle::NotParallel { arm: id, workers, cores }
        })
    }

    fn undecided(&self) -> Option<Obstacle> {
        let baseline = &self.view.comparison.baseline;
        let inconclusive = self.others().any(|a| {
            self.versus(a)
                .is_none_or(|v| v.verdict == ungil_experiment::stats::Verdict::Inconclusive)
        });
        let few = self.view.comparison.blocks < MIN_BLOCKS;
        let stays = self.best.is_none_or(|b| b.arm == *baseline);
        (stays && (inconclusive || few)).then(|| Obstacle::Undecided { baseline: baseline.clone() })
    }

    /// Suggests what to look at next.
    pub(super) fn next_step(&self) -> Option<String> {
        if self.has_hazard(HazardKind::GilEnabled) {
            return Some("Next: an import re-enabled the GIL, so those arms do not show what free threading can do. Find a release of that module that supports free threading, or set PYTHON_GIL=0 at your own risk.".into());
        }
        if let Some((few, many)) = self.collapse() {
            return Some(format!(
                "Next: {} is slower than {}, so more workers make it worse: they probably share an object.{} {} names the object, its line and what can replace it.",
                many.id,
                few.id,
                self.lock_waits(&many.id).unwrap_or_default(),
                profile_command(&self.view.record.header.workload, many),
            ));
        }
        if let Some(next) = self.undecidable() {
            return Some(next);
        }
        // Narrower intervals remove no other obstacle.
        if self.obstacle().is_some_and(|o| !matches!(o, Obstacle::Undecided { .. })) {
            return None;
        }
        let wanted = self.view.record.header.settings.precision;
        match self.view.comparison.precision() {
            None if self.others().next().is_some() && self.view.comparison.blocks < MIN_BLOCKS => {
                Some("Next: run at least five blocks (--time-limit, --blocks).".into())
            }
            Some(w) if w > wanted => Some(format!(
                "Next: the widest interval is ±{}, and ±{} was requested. A less busy machine or a longer --time-limit narrows it.",
                percent(w),
                percent(wanted)
            )),
            _ => None,
        }
    }

    /// Suggests what to do where further blocks decide nothing.
    fn undecidable(&self) -> Option<String> {
        if self.failing().is_some() {
            return Some("Next: find out why requests fail (see the hazards and the service's own log); more blocks decide nothing.".into());
        }
        let comparison = self.view.comparison;
        let title =
            metric::find(&comparison.headline).map_or(comparison.headline.as_str(), |m| m.title);
        if let Some(why) = self.others().find_map(|a| self.why(a)) {
            return Some(format!(
                "Next: {why} ({title}). Find out what happened there (ungil report shows every run); more blocks decide nothing."
            ));
        }
        let measured = |a: &ArmFigures| a.metrics.contains_key(&comparison.headline);
        let lacks = self.others().next().is_some() && !comparison.arms.iter().any(measured);
        lacks.then(|| {
            let why = comparison.arms.iter().find_map(|a| a.missing.get(&comparison.headline));
            let why = why.map_or_else(String::new, |why| format!(" ({why})"));
            format!(
                "Next: no arm has a figure for {title}{why}, so no arm can be preferred. Other figures are in --json."
            )
        })
    }

    /// States how many of an arm's threads waited for locks on average, if that is noticeable.
    fn lock_waits(&self, arm: &str) -> Option<String> {
        let waiters = self.figure(arm, "lock_wait_s")? / self.figure(arm, "wall_s")?;
        (waiters > 0.05)
            .then(|| format!(" On average {} of its threads waited for a lock.", digits(waiters)))
    }

    /// Returns the same arm with one worker.
    fn with_one_worker(&self, many: &Arm) -> Option<&Arm> {
        self.view.record.header.arms.iter().find(|a| {
            a.head() == many.head() && a.model() == many.model() && a.workers == Some(1) && !a.again
        })
    }

    /// Returns whether the first arm's interquartile range of the headline metric lies entirely on
    /// the better side of the second's.
    fn is_better(&self, one: &str, other: &str) -> bool {
        let quartiles = |id: &str| {
            Some(
                self.view
                    .comparison
                    .arm(id)?
                    .metrics
                    .get(&self.view.comparison.headline)?
                    .quartiles,
            )
        };
        let (Some(one), Some(other)) = (quartiles(one), quartiles(other)) else { return false };
        if self.more_is_better { one.0 > other.1 } else { one.1 < other.0 }
    }

    /// Finds a free-threaded arm that is slower than the same arm with one worker; returns the arm
    /// with one worker and that arm.
    pub(super) fn collapse(&self) -> Option<(&Arm, &Arm)> {
        // Failed requests make a service's figures meaningless.
        let works = |arm: &Arm| {
            let requests = self.view.comparison.arm(&arm.id).and_then(|a| a.requests);
            requests.is_none_or(|r| r.too_many(&arm.id).is_none())
        };
        let arms = self.view.record.header.arms.iter();
        let able = |a: &&Arm| a.without_gil() && a.workers.is_some_and(|w| w > 1) && works(a);
        arms.filter(able).find_map(|many| {
            let few = self.with_one_worker(many).filter(|few| works(few))?;
            self.is_better(&few.id, &many.id).then_some((few, many))
        })
    }

    fn has_hazard(&self, kind: HazardKind) -> bool {
        self.view.record.runs.iter().any(|r| r.hazards.iter().any(|h| h.kind == kind))
    }
}

/// Returns the command that shows what the threads of an arm wait for, in backticks.
fn profile_command(workload: &Workload, arm: &Arm) -> String {
    let workers = arm.workers.unwrap_or(1).to_string();
    let command = |what: String, args: &[String]| {
        let mut line = format!("`ungil profile --mode lock --python {} {what}", arm.head());
        if !args.is_empty() {
            line.push_str(" --");
        }
        for arg in args {
            line.push(' ');
            line.push_str(&word(&arg.replace("{workers}", &workers)));
        }
        line + "`"
    };
    match workload {
        Workload::Script { path, args } => command(word(&path.to_string_lossy()), args),
        Workload::Module { name, args } => command(format!("-m {}", word(name)), args),
        _ => "`ungil profile --mode lock PID`, while it runs,".into(),
    }
}
