//! Makes the points of a study from a request. Each point is an experiment; everything left out is
//! listed with the reason.

use crate::sizes::{self, Scale};
use crate::workloads::{Category, Form, WORKLOADS, Workload, named};
use serde::{Deserialize, Serialize};
use std::path::Path;
use ungil_experiment::arm::{Arm, Gil, Model};
use ungil_experiment::pythons::Interpreter;
use ungil_experiment::{Error, Failure, plan, workload};
use ungil_format::{bytes, counted};

/// A request for a study. Empty lists mean everything.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Categories.
    pub categories: Vec<String>,
    /// Workloads.
    pub workloads: Vec<String>,
    /// The scale of the sizes.
    pub scale: Scale,
    /// Whether to use all sizes of the paper instead of only the middle one.
    pub all_sizes: bool,
    /// Interpreters with their GIL settings, the baseline first.
    pub pythons: Vec<(Interpreter, Gil)>,
    /// Execution models of the threaded workloads; threads are always included.
    pub models: Vec<Model>,
    /// Numbers of workers.
    pub workers: Vec<u32>,
    /// Maximum memory of a point in bytes.
    pub memory: u64,
    /// The reason why NumPy or the package `ungil` is not available.
    pub missing: Missing,
}

/// The reason why packages are not available; `None` if they are.
#[derive(Debug, Clone, Default)]
pub struct Missing {
    /// NumPy, for the category of that name.
    pub numpy: Option<String>,
    /// The package `ungil`, for the fixed forms.
    pub ungil: Option<String>,
}

/// A point: a workload, a form and a size. Its arms are interpreters, models and workers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// File name of its record, without `.jsonl`.
    pub id: String,
    pub workload: String,
    pub category: Category,
    pub form: Form,
    pub size: u64,
    /// Share of the work of the paper's size.
    pub share: f64,
    /// Expected seconds of a run.
    pub expected_s: f64,
    /// Expected memory of a run in bytes.
    pub expected_bytes: u64,
}

/// A point that is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Skipped {
    /// Workload, form and size.
    pub what: String,
    /// The reason.
    pub why: String,
}

/// The points to run, and what is left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The points and their arms, in the order in which they run.
    pub points: Vec<(Point, Vec<Arm>)>,
    /// What is left out.
    pub skipped: Vec<Skipped>,
}

/// Plans a study.
///
/// # Errors
/// [`Error::Usage`] for an unknown name, with the most similar known one, and for contradictory
/// requests.
pub fn plan(ask: &Ask) -> Result<Plan, Error> {
    let chosen = chosen(ask)?;
    check_unique_names(&ask.pythons)?;
    let mut plan = Plan { points: Vec::new(), skipped: Vec::new() };
    for (python, _) in ask.pythons.iter().filter(|_| chosen.iter().any(|w| w.models.len() > 1)) {
        let missing = ask.models.iter().filter_map(|m| Some((m, m.missing_on(python)?)));
        let left =
            missing.map(|(m, why)| Skipped { what: format!("{} under {m}", python.name), why });
        plan.skipped.extend(left);
    }
    for workload in chosen {
        if let Some(why) =
            ask.missing.numpy.as_ref().filter(|_| workload.category == Category::Numpy)
        {
            plan.skipped.push(Skipped { what: workload.name.into(), why: why.clone() });
            continue;
        }
        for (size, share) in sizes::sizes(workload, ask.scale, ask.all_sizes) {
            for &form in workload.forms {
                let what = named(workload.name, form, size);
                if let Some(why) = ask.missing.ungil.as_ref().filter(|_| form == Form::Fixed) {
                    let already = plan.skipped.iter().any(|s| s.why == *why);
                    if !already {
                        plan.skipped
                            .push(Skipped { what: "every fixed form".into(), why: why.clone() });
                    }
                    continue;
                }
                let (arms, refused) = arms(workload, form, size, ask)?;
                if !refused.is_empty() {
                    plan.skipped.push(Skipped { what: what.clone(), why: refused });
                }
                if arms.is_empty() {
                    continue;
                }
                let needs = needs(workload, size, &arms);
                let point = Point {
                    id: format!("{:03}-{}", plan.points.len() + 1, what.replace(' ', "-")),
                    workload: workload.name.into(),
                    category: workload.category,
                    form,
                    size,
                    share,
                    expected_s: sizes::seconds(workload, size),
                    expected_bytes: needs,
                };
                plan.points.push((point, arms));
            }
        }
    }
    Ok(plan)
}

/// Checks that names of interpreters are unique, because arms are identified by them.
fn check_unique_names(pythons: &[(Interpreter, Gil)]) -> Result<(), Error> {
    for (i, (python, gil)) in pythons.iter().enumerate() {
        if pythons.iter().take(i).any(|(other, g)| other.name == python.name && g == gil) {
            return Err(Error::Usage(Failure::new(
                format!("two interpreters are both called {}", python.name),
                "a suite identifies its arms by the names of interpreters",
                "pass only one of them, or use ungil compare",
            )));
        }
    }
    Ok(())
}

fn needs(workload: &Workload, size: u64, arms: &[Arm]) -> u64 {
    let each = arms.iter().map(|a| sizes::bytes(workload, size, a.model(), a.workers.unwrap_or(1)));
    each.max().unwrap_or(0)
}

/// Returns a point's arms. Arms that need too much memory are left out, with the reason.
fn arms(
    workload: &Workload,
    form: Form,
    size: u64,
    ask: &Ask,
) -> Result<(Vec<Arm>, String), Error> {
    let wanted = |m: &Model| *m == Model::Threads || ask.models.contains(m) && form == Form::Plain;
    let models: Vec<Model> = workload.models.iter().copied().filter(wanted).collect();
    let runs = script(workload, form, size, Path::new(""), None);
    let mut all = Vec::new();
    // One interpreter at a time: a model that one interpreter lacks still runs on the others.
    for python in &ask.pythons {
        let has = |m: &Model| m.missing_on(&python.0).is_none();
        let request = plan::Request {
            pythons: vec![python.clone()],
            models: models.iter().copied().filter(has).collect(),
            workers: if workload.parallel() { ask.workers.clone() } else { Vec::new() },
            ..plan::Request::default()
        };
        all.extend(plan::arms(&runs, &request)?.0);
    }
    let needs = |arm: &Arm| sizes::bytes(workload, size, arm.model(), arm.workers.unwrap_or(1));
    let too_large =
        all.iter().filter(|a| needs(a) > ask.memory).map(|a| (needs(a), a.id.clone())).max();
    let Some((most, arm)) = too_large else { return Ok((all, String::new())) };
    let total = all.len();
    all.retain(|a| needs(a) <= ask.memory);
    let available = bytes(ask.memory);
    let why = if all.is_empty() {
        format!(
            "needs about {} of memory, but {available} are available: reduce it with --scale",
            bytes(most)
        )
    } else {
        let left = total - all.len();
        format!(
            "{left} of {} left out: {arm} needs about {} of memory, but {available} are available",
            counted(total, "arm"),
            bytes(most)
        )
    };
    Ok((all, why))
}

/// Returns what is run for a point: its file with arguments.
pub fn script(
    workload: &Workload,
    form: Form,
    size: u64,
    sources: &Path,
    packages: Option<&Path>,
) -> workload::Workload {
    let mut args = vec!["--size".to_string(), size.to_string()];
    let mut add = |flag: &str, value: &str| args.extend([flag.to_string(), value.to_string()]);
    if workload.parallel() {
        add("--workers", "{workers}");
        add("--model", "{model}");
    }
    if workload.forms.len() > 1 {
        add("--form", form.name());
    }
    if let Some(packages) = packages {
        add("--packages", &packages.to_string_lossy());
    }
    workload::Workload::Script { path: sources.join(format!("{}.py", workload.name)), args }
}

fn chosen(ask: &Ask) -> Result<Vec<&'static Workload>, Error> {
    let categories: Vec<&str> = Category::ALL.iter().map(|c| c.name()).collect();
    let names: Vec<&str> = WORKLOADS.iter().map(|w| w.name).collect();
    ask.categories.iter().try_for_each(|c| known(c, &categories, "category", "--category"))?;
    ask.workloads.iter().try_for_each(|w| known(w, &names, "workload", "--workload"))?;
    let all = ask.categories.is_empty() && ask.workloads.is_empty();
    let asked = |w: &Workload| {
        all || ask.workloads.iter().any(|n| n == w.name)
            || ask.categories.iter().any(|c| c == w.category.name())
    };
    Ok(WORKLOADS.iter().filter(|w| asked(w)).collect())
}

fn known(name: &str, names: &[&str], kind: &str, flag: &str) -> Result<(), Error> {
    if names.contains(&name) {
        return Ok(());
    }
    let nearest =
        names.iter().min_by_key(|n| strsim::levenshtein(name, n)).copied().unwrap_or_default();
    Err(Error::Usage(Failure::new(
        format!("unknown {kind} '{name}'"),
        format!("the most similar name is {nearest}"),
        format!("use {flag} {nearest}, or list all with ungil suite --list"),
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_the_most_similar_name() {
        let wrong = |name: &str| match known(
            name,
            &["mandelbrot", "matmul", "nbody"],
            "workload",
            "--workload",
        ) {
            Err(Error::Usage(f)) => f.why,
            other => panic!("{other:?}"),
        };
        assert!(wrong("mandlebrot").ends_with("mandelbrot"));
        assert!(wrong("n_body").ends_with("nbody"));
    }
}
