//! What follows from the figures, in sentences. Each names the figure it rests on; where the paper
//! has one, it stands beside it, with a word on whether ours agrees.
//!
//! The paper: J. D. Montoya Salazar, "Unlocking Python's Cores", arXiv 2603.04782; CPython 3.14.2,
//! 12 cores.

use crate::summary::{Beside, OfCategory, Overall, Row, Summary};
use crate::workloads::{Category, Form};
use ungil_experiment::energy::Evidence;
use ungil_experiment::stats::{MIN_BLOCKS, Verdict};
use ungil_format::{counted, duration, percent};

/// The paper's least ratio of times, of independent work on threads.
const PAPER_BEST: f64 = 0.25;
/// Its largest, of threads that change one list.
const PAPER_WORST: f64 = 12.18;
/// Its range of ratios of energy, of sequential work.
const PAPER_SEQUENTIAL: (f64, f64) = (1.13, 1.43);

/// The sentences.
pub(crate) fn findings(summary: &Summary) -> Vec<String> {
    let mut says = Vec::new();
    says.extend(gain(summary));
    says.extend(collapse(summary));
    says.extend(sequential(summary));
    says.extend(numpy(summary));
    says.extend(energy(summary));
    says.extend(memory(summary));
    says.extend(twins(summary));
    let undecided = rows(summary)
        .filter(|r| time(r).is_some_and(|t| t.verdict == Verdict::Inconclusive))
        .count();
    if undecided > 0 {
        let all = rows(summary).count();
        says.push(format!(
            "{undecided} of {all} ratios of time are not decided (fewer than five blocks, or intervals beyond both sides of 1): more --blocks, or a quieter machine."
        ));
    }
    says
}

fn rows(summary: &Summary) -> impl Iterator<Item = &Row> {
    summary.categories.iter().flat_map(|c| &c.rows)
}

fn of(summary: &Summary, category: Category) -> Option<&OfCategory> {
    summary.categories.iter().find(|c| c.category == category)
}

fn time(row: &Row) -> Option<&Beside> {
    row.metrics.get("wall_s")
}

fn ratio(row: &Row) -> f64 {
    time(row).and_then(|t| t.ratio).map_or(1.0, |r| r.ratio)
}

/// The label of the free-threaded build: the first that is not the reference and runs without the
/// GIL.
fn free(summary: &Summary) -> Option<&str> {
    summary.pythons.iter().skip(1).map(String::as_str).find(|p| !p.ends_with("+gil"))
}

/// Whether a row has blocks enough to be held against the paper.
fn is_decided(row: &Row) -> bool {
    time(row).is_some_and(|t| t.blocks() >= MIN_BLOCKS)
}

/// A row's time in words, with everything that it rests on.
fn told(row: &Row) -> String {
    let Some(t) = time(row) else { return row.id.clone() };
    format!(
        "{} {}: {} on {}, {} on {}, {} of it in {}",
        row.workload,
        row.size,
        duration(t.reference),
        row.reference,
        duration(t.value),
        row.arm,
        t.shown(),
        counted(t.blocks(), "block")
    )
}

fn gain(summary: &Summary) -> Option<String> {
    let free = free(summary)?;
    let threaded = [Category::Numerical, Category::Objects];
    let rows = || {
        threaded.iter().filter_map(|c| of(summary, *c)).flat_map(|c| &c.rows).filter(|r| {
            r.label == free && r.form == Form::Plain && r.workers.is_some_and(|w| w > 1)
        })
    };
    let all = rows().count();
    let gains = rows().filter(|r| time(r).is_some_and(|t| t.verdict == Verdict::Less));
    let Some(best) = gains.min_by(|a, b| ratio(a).total_cmp(&ratio(b))) else {
        return (all > 0).then(|| {
            format!("No threaded workload is known to take less time without the GIL here; the paper's take down to {PAPER_BEST}.")
        });
    };
    let workers =
        best.workers.unwrap_or(1).min(u32::try_from(summary.cpus).unwrap_or(u32::MAX)).max(1);
    let limit = 1.0 / f64::from(workers);
    let beside = if ratio(best) > PAPER_BEST * 1.1 && limit > PAPER_BEST * 0.9 {
        format!(
            "the paper's best is {PAPER_BEST} on 12 cores; {workers} cores allow {} at most, so ours is no contradiction",
            ungil_format::ratio(limit)
        )
    } else if ratio(best) > PAPER_BEST * 1.1 {
        format!("that is less of a gain than the paper's best, {PAPER_BEST}")
    } else {
        format!("the paper's best is {PAPER_BEST}")
    };
    Some(format!("Independent work on threads gains most in {}; {beside}.", told(best)))
}

fn collapse(summary: &Summary) -> Option<String> {
    let free = free(summary)?;
    let shared = |r: &&Row| {
        r.label == free
            && matches!(r.form, Form::Plain | Form::Shared)
            && r.workers.is_some_and(|w| w > 1)
    };
    let slower = |r: &&Row| time(r).is_some_and(|t| t.verdict == Verdict::More);
    let rows: Vec<&Row> = [Category::Objects, Category::Shared]
        .iter()
        .filter_map(|c| of(summary, *c))
        .flat_map(|c| &c.rows)
        .filter(shared)
        .collect();
    if rows.is_empty() {
        return None;
    }
    let down: Vec<&&Row> = rows.iter().filter(|r| slower(r)).collect();
    let Some(worst) = down.iter().max_by(|a, b| ratio(a).total_cmp(&ratio(b))) else {
        return Some(format!(
            "No workload on common objects is known to be slower without the GIL here; the paper's worst is {PAPER_WORST}."
        ));
    };
    let waits = worst.metrics.get("lock_wait_share").map_or_else(
        || "how long they waited for locks could not be seen".into(),
        |w| {
            format!(
                "its threads were seen waiting for locks for {} of their time",
                percent(w.value)
            )
        },
    );
    let beside = if ratio(worst) < PAPER_WORST / 1.5 {
        format!("less than the paper's worst, {PAPER_WORST} on 12 cores")
    } else if ratio(worst) > PAPER_WORST * 1.5 {
        format!("more than the paper's worst, {PAPER_WORST}")
    } else {
        format!("as in the paper, whose worst is {PAPER_WORST}")
    };
    let (count, all) = (down.len(), rows.len());
    Some(format!(
        "Threads on common objects: {count} of {all} are slower without the GIL, most of all {}, {beside}; {waits}.",
        told(worst)
    ))
}

fn overall<'a>(
    summary: &'a Summary,
    category: Category,
    form: Form,
    metric: &str,
) -> Option<&'a Overall> {
    let free = free(summary)?;
    let category = of(summary, category)?;
    category.overall.iter().find(|o| o.label == free && o.form == form && o.metric == metric)
}

/// Whether the joules are measured and not computed from CPU time.
fn measured(summary: &Summary) -> bool {
    matches!(summary.evidence, Evidence::Counter | Evidence::Meter)
}

fn sequential(summary: &Summary) -> Option<String> {
    let time = overall(summary, Category::Sequential, Form::Plain, "wall_s")?;
    let (low, high) = PAPER_SEQUENTIAL;
    let paper = format!("the paper's take {low} to {high} of the energy");
    let beside = match overall(summary, Category::Sequential, Form::Plain, "energy_j") {
        Some(energy) if measured(summary) => {
            let word = match energy.ours.both() {
                None => "decides nothing",
                Some((least, most)) if least >= low && most <= high => "agrees",
                Some((least, most)) if most < low || least > high => "differs",
                Some(_) => "overlaps",
            };
            format!("and {} of the energy, which {word}: {paper}", energy.ours)
        }
        _ => format!("{paper}, which cannot be held against ours: no sensor measured it"),
    };
    Some(format!(
        "Sequential work without the GIL takes {} of the time over {}; {beside}.",
        time.ours,
        counted(time.rows, "point")
    ))
}

fn numpy(summary: &Summary) -> Option<String> {
    let time = overall(summary, Category::Numpy, Form::Plain, "wall_s")?;
    let agrees = match time.ours.verdict(0.02) {
        Verdict::Same => "as the paper finds, no difference",
        Verdict::Inconclusive => "which decides nothing; the paper finds no difference",
        Verdict::Less | Verdict::More => "where the paper finds no difference",
    };
    Some(format!(
        "NumPy without the GIL takes {} of the time over {}, {agrees}.",
        time.ours,
        counted(time.rows, "point")
    ))
}

fn energy(summary: &Summary) -> Option<String> {
    if !measured(summary) {
        let why = if summary.energy.is_empty() {
            "no sensor was asked for".into()
        } else {
            summary.energy.join("; ")
        };
        let says = "Whether energy goes with time, as the paper finds, and how much of it the machine draws at rest, cannot be told here";
        return self::rows(summary).next().map(|_| format!("{says}: {why}."));
    }
    let rows: Vec<&Row> =
        rows(summary).filter(|r| is_decided(r) && r.metrics.contains_key("energy_j")).collect();
    let ratios: Vec<(f64, f64)> = rows
        .iter()
        .filter_map(|r| Some((time(r)?.ratio?.ratio, r.metrics.get("energy_j")?.ratio?.ratio)))
        .collect();
    let power = ratios.iter().map(|(t, e)| e / t);
    let (least, most) = power.fold((f64::MAX, f64::MIN), |(l, m), p| (l.min(p), m.max(p)));
    let idle: Vec<f64> = rows
        .iter()
        .filter_map(|r| {
            Some(r.metrics.get("energy_idle_j")?.value / r.metrics.get("energy_j")?.value)
        })
        .collect();
    let share = ungil_experiment::stats::median(&idle).map_or_else(
        || "how much of it the idle machine draws was not measured".into(),
        |s| format!("the machine at rest draws {} of it, the work adds the rest", percent(s)),
    );
    (!ratios.is_empty()).then(|| {
        let agrees = if least > 0.8 && most < 1.25 {
            "as the paper finds"
        } else {
            "unlike the paper, where it hardly changes"
        };
        format!(
            "Power without the GIL is {} to {} of that with it over {}, {agrees}; {share}.",
            ungil_format::ratio(least),
            ungil_format::ratio(most),
            counted(ratios.len(), "row")
        )
    })
}

fn memory(summary: &Summary) -> Option<String> {
    let rows: Vec<&Row> = rows(summary)
        .filter(|r| is_decided(r) && Some(r.label.as_str()) == free(summary))
        .collect();
    let median = |key: &str| {
        let all = rows.iter().filter_map(|r| Some(r.metrics.get(key)?.ratio?.ratio));
        ungil_experiment::stats::median(&all.collect::<Vec<f64>>())
    };
    let (vms, pss) = (median("vms_peak_bytes")?, median("pss_peak_bytes")?);
    let agrees = if vms > pss { "as in the paper" } else { "unlike in the paper" };
    Some(format!(
        "Memory without the GIL, median over {}: {} of the address space (VMS) and {} of what is resident (PSS); {agrees}, address space grows {}.",
        counted(rows.len(), "row"),
        ungil_format::ratio(vms),
        ungil_format::ratio(pss),
        if vms > pss { "more" } else { "less" }
    ))
}

/// What sharing alone costs, and what the fixed form makes of it: medians of two records.
fn twins(summary: &Summary) -> Vec<String> {
    let Some(free) = free(summary) else { return Vec::new() };
    let most = rows(summary).filter_map(|r| r.workers).max().unwrap_or(1);
    let at = |form: Form| {
        rows(summary).filter(move |r| r.label == free && r.workers == Some(most) && r.form == form)
    };
    let other = |row: &Row, form: Form| {
        let decides = |r: &&Row| is_decided(r);
        let same =
            at(form).filter(decides).find(|r| r.workload == row.workload && r.size == row.size)?;
        Some(row).filter(decides)?;
        Some((
            time(row)?.value / time(same)?.value,
            row.workload.clone(),
            time(row)?.value,
            time(same)?.value,
        ))
    };
    let told = |(factor, name, a, b): &(f64, String, f64, f64), other: &str| {
        format!(
            "{name}, {} times its {other} ({} against {})",
            ungil_format::ratio(*factor),
            duration(*a),
            duration(*b)
        )
    };
    let worst =
        |list: Vec<(f64, String, f64, f64)>| list.into_iter().max_by(|a, b| a.0.total_cmp(&b.0));
    let shared = worst(at(Form::Shared).filter_map(|r| other(r, Form::Private)).collect());
    let plain =
        at(Form::Plain).chain(at(Form::Shared)).filter_map(|r| other(r, Form::Fixed)).collect();
    let mut says = Vec::new();
    let pairs =
        [("Sharing costs", shared, "private twin"), ("Fixing gains", worst(plain), "fixed form")];
    for (does, worst, other) in pairs {
        if let Some(worst) = worst.filter(|_| most > 1) {
            let most_or_nothing =
                if worst.0 > 1.0 { "most in" } else { "nothing that shows, not even in" };
            let told = told(&worst, other);
            says.push(format!(
                "{does} {most_or_nothing} {told}, {most} workers on {free}, medians of two records."
            ));
        }
    }
    says
}
