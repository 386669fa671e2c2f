//! The summary of numbers that are given.

use super::*;
use crate::folder::{SCHEMA, Suite};
use crate::table;
use ungil_experiment::energy::About;
use ungil_experiment::hazard::Hazard;
use ungil_experiment::record::{Header, Joules, Probes, Run, Settings};
use ungil_experiment::workload::Workload;

/// A point whose reference takes `times.0` in each block and whose other arm takes `times.1`.
fn point(
    category: Category,
    form: Form,
    workers: Option<u32>,
    times: &[(f64, f64)],
) -> (Point, Record) {
    let name = format!("{}-{}", category.name(), form.name());
    let point = Point {
        id: format!("001-{name}"),
        workload: name,
        category,
        form,
        size: 10,
        share: 0.5,
        expected_s: 1.0,
        expected_bytes: 1,
    };
    let arms = ["3.14", "3.14t"].map(|name| Arm::also(name, "x", workers));
    let settings = Settings {
        seed: 1,
        warmup: 0,
        blocks: 5,
        max_blocks: Some(5),
        precision: 0.0,
        time_limit_s: 0.0,
        timeout_s: None,
        allow_different_output: false,
        keep_going: true,
        energy: "powercap".into(),
        idle_s: 0.0,
        metrics: Vec::new(),
    };
    let sensor = About {
        sensor: "powercap".into(),
        evidence: Evidence::Counter,
        covers: "1 package".into(),
        notes: Vec::new(),
    };
    let mut record = Record::new(Header {
        schema: ungil_experiment::record::SCHEMA.into(),
        ungil: "0".into(),
        started: "now".into(),
        directory: "/".into(),
        workload: Workload::Command { command: "{python}".into() },
        settings,
        arms: arms.to_vec(),
        machine: ungil_experiment::Machine { cpus: 4, ..Default::default() },
        sensors: vec![sensor],
        absent: Vec::new(),
        notes: Vec::new(),
    });
    for (block, (theirs, mine)) in (1u32..).zip(times) {
        for (arm, wall_s) in arms.iter().zip([*theirs, *mine]) {
            record.runs.push(run(&arm.id, block, wall_s));
        }
    }
    record.comparison = Some(ungil_experiment::compare::compare(&record));
    (point, record)
}

/// 20 W of which 15 W are the idle machine's, two cores busy, half a second in locks.
fn run(arm: &str, block: u32, wall_s: f64) -> Run {
    let figures = [
        ("wall_s", wall_s),
        ("cpu_s", 2.0 * wall_s),
        ("energy_j", 20.0 * wall_s),
        ("energy_above_idle_j", 5.0 * wall_s),
        ("lock_wait_s", 0.5),
        ("vms_peak_bytes", 4e6 * wall_s),
        ("pss_peak_bytes", 1e6),
    ];
    Run {
        arm: arm.into(),
        block,
        order: 0,
        at_s: 0.0,
        outcome: Outcome::Ok,
        marked: true,
        cores: None,
        metrics: figures.into_iter().map(|(k, v)| (k.to_string(), v)).collect(),
        missing: BTreeMap::new(),
        energy: Vec::<Joules>::new(),
        machine: None,
        hazards: Vec::new(),
        output: None,
        uncached: None,
        counted_by: "proc".into(),
        probes: Probes::default(),
        stderr: None,
    }
}

fn study(records: Vec<(Point, Record)>) -> Study {
    let suite = Suite {
        schema: SCHEMA.into(),
        ungil: "0".into(),
        started: "now".into(),
        points: records.iter().map(|(p, _)| p.clone()).collect(),
        skipped: Vec::new(),
        notes: Vec::new(),
    };
    Study { suite, records, unreadable: Vec::new() }
}

const HALF: [(f64, f64); 5] = [(1.0, 0.5), (2.0, 1.0), (1.0, 0.51), (1.0, 0.49), (1.0, 0.5)];
const TENFOLD: [(f64, f64); 5] = [(1.0, 10.0), (1.0, 11.0), (1.0, 9.0), (1.0, 10.0), (1.0, 10.0)];
const FIFTH_MORE: [(f64, f64); 5] = [(1.0, 1.2), (1.0, 1.2), (1.0, 1.21), (1.0, 1.19), (1.0, 1.2)];

#[test]
fn a_row_has_the_papers_figures_and_what_follows_from_them() {
    let summary = summary(&study(vec![point(Category::Numerical, Form::Plain, Some(2), &HALF)]));
    let row = &summary.categories[0].rows[0];
    assert_eq!((row.arm.as_str(), row.reference.as_str()), ("3.14t/2", "3.14/2"));
    let figure = |key: &str| (row.metrics[key].reference, row.metrics[key].value);
    assert_eq!(figure("wall_s"), (1.0, 0.5));
    assert_eq!(figure("cpu_percent"), (50.0, 50.0), "two of four processors");
    assert_eq!(figure("power_w"), (20.0, 20.0));
    assert_eq!(figure("energy_idle_j"), (15.0, 7.5));
    assert_eq!(figure("lock_wait_share"), (0.25, 0.5), "half a second of two workers");
    let time = row.metrics["wall_s"];
    assert_eq!((time.verdict, time.blocks()), (Verdict::Less, 5));
    assert!((time.ratio.unwrap().ratio - 0.5).abs() < 1e-12);
}

#[test]
fn a_category_in_one_figure_the_papers_way_and_by_blocks() {
    // Ratios 2 and 8 in every block: 4 is their geometric mean, over runs as over blocks.
    let records = [(2.0, Some(1)), (8.0, Some(2))]
        .map(|(ratio, workers)| point(Category::Objects, Form::Plain, workers, &[(1.0, ratio); 5]));
    let summary = summary(&study(records.to_vec()));
    let time = summary.categories[0].overall.iter().find(|o| o.metric == "wall_s").unwrap();
    assert_eq!(time.rows, 2);
    assert!((time.paper.gmean - 4.0).abs() < 1e-9 && (time.ours.ratio - 4.0).abs() < 1e-9);
    assert_eq!((time.paper.blocks, time.ours.blocks), (10, 5), "ten runs, five blocks");
    // Ten runs of log 2 and log 8: mean log 4, s = log 2 * sqrt(10/9), t(9, 0.975) = 2.262157.
    let half = 2.262_157 * 2f64.ln() * (10.0f64 / 9.0 / 10.0).sqrt();
    assert!((time.paper.gmean_low.unwrap() - 4.0 * (-half).exp()).abs() < 1e-3);
    assert!(
        (time.ours.low - 4.0).abs() < 1e-9,
        "the same in every block: nothing is uncertain by blocks"
    );
}

#[test]
fn findings_name_their_figures_and_stand_beside_the_papers() {
    let study = study(vec![
        point(Category::Numpy, Form::Plain, None, &[(1.0, 1.001); 5]),
        point(Category::Sequential, Form::Plain, None, &FIFTH_MORE),
        point(Category::Numerical, Form::Plain, Some(4), &HALF),
        point(Category::Objects, Form::Plain, Some(4), &TENFOLD),
    ]);
    let says = summary(&study).findings.join("\n");
    for part in [
        "gains most in numerical-plain 10: 1.00 s on 3.14/4, 500 ms on 3.14t/4, 0.50 (0.49–0.51) of it in 5 blocks",
        "4 cores allow 0.25 at most",
        "1 of 1 are slower without the GIL, most of all objects-plain 10",
        "as in the paper, whose worst is 12.18",
        "waiting for locks for 1.25 % of their time",
        "1.20 (1.19–1.21) of the energy, which agrees",
        "as the paper finds, no difference",
        "Power without the GIL is 1.00 to 1.00",
        "the machine at rest draws 75.0 % of it",
        "as in the paper, address space grows more",
    ] {
        assert!(says.contains(part), "no '{part}' in:\n{says}");
    }
}

#[test]
fn few_blocks_agree_with_no_paper() {
    let says = |blocks: usize| {
        let point = point(Category::Sequential, Form::Plain, None, &FIFTH_MORE[..blocks]);
        summary(&study(vec![point])).findings.join("\n")
    };
    for claim in ["which agrees", "as in the paper, address space", "Power without the GIL"] {
        assert!(says(5).contains(claim), "no '{claim}' in:\n{}", says(5));
        assert!(!says(4).contains(claim), "'{claim}' in:\n{}", says(4));
    }
    assert!(says(4).contains("of the energy, which decides nothing"), "{}", says(4));
}

#[test]
fn what_sharing_costs_needs_blocks_enough() {
    let twins = |blocks: usize| {
        let of = |form, times: &[(f64, f64)]| {
            let (mut point, record) = point(Category::Shared, form, Some(4), times);
            point.workload = "counter".into();
            (point, record)
        };
        let records = [
            of(Form::Shared, &[(1.0, 6.0); 5][..blocks]),
            of(Form::Private, &[(1.0, 0.5); 5][..blocks]),
        ];
        summary(&study(records.to_vec())).findings.join("\n")
    };
    let says = "counter, 12.0 times its private twin (6.00 s against 500 ms), 4 workers on 3.14t";
    assert!(twins(5).contains(says), "{}", twins(5));
    assert!(!twins(4).contains("private twin"));
}

#[test]
fn joules_from_a_formula_are_shown_and_not_compared() {
    let (point, mut record) = point(Category::Sequential, Form::Plain, None, &FIFTH_MORE);
    record.header.sensors[0].evidence = Evidence::Model;
    let summary = summary(&study(vec![(point, record)]));
    let energy = summary.categories[0].rows[0].metrics["energy_j"];
    assert_eq!((energy.ratio, energy.verdict), (None, Verdict::Inconclusive));
    assert!(summary.categories[0].overall.iter().all(|o| o.metric != "energy_j"));
    let text = table::text(&summary, None);
    assert!(text.contains("energy (model): 1 package") && !text.contains("energy ratio"), "{text}");
    assert!(
        summary.findings.iter().any(|f| f.contains("no sensor measured it")),
        "{:?}",
        summary.findings
    );
}

#[test]
fn what_failed_its_self_check_has_no_figures_and_what_only_failed_loses_that_arm() {
    let (wrong, mut record) = point(Category::Sequential, Form::Plain, None, &FIFTH_MORE);
    let last = record.runs.last_mut().unwrap();
    last.outcome = Outcome::Exited { code: 70 };
    last.stderr = Some("Traceback\nself-check failed: row 3\n".into());
    let summary_of = |record: &Record| summary(&study(vec![(wrong.clone(), record.clone())]));
    let one = summary_of(&record);
    assert!(one.categories.is_empty() && one.failed[0].self_check && one.unfinished.is_empty());
    assert_eq!(one.failed[0].why, "self-check failed: row 3");
    record.runs.last_mut().unwrap().stderr = None;
    let other = summary_of(&record);
    assert!(
        !other.failed[0].self_check
            && other.failed[0].why == "exit code 70"
            && other.categories.is_empty()
    );
    assert!(
        table::text(&other, None).contains("! failed: sequential-plain 10 on 3.14t: exit code 70")
    );
}

#[test]
fn what_puts_figures_in_doubt_is_counted_and_shown_once() {
    let (point, mut record) = point(Category::Sequential, Form::Plain, None, &FIFTH_MORE);
    for (i, run) in record.runs.iter_mut().enumerate().take(3) {
        run.hazards
            .push(Hazard::new(Kind::OtherLoad, format!("other programs kept {i} cores busy")));
    }
    let summary = summary(&study(vec![(point, record)]));
    let says =
        "3 of 10 runs, such as: other programs kept 0 cores busy (sequential-plain 10, 3.14)";
    assert_eq!(summary.hazards, [says]);
    assert!(table::text(&summary, None).contains(&format!("! {says}")));
}

#[test]
fn what_did_not_run_is_named() {
    let (a, mut record) = point(Category::Sequential, Form::Plain, None, &FIFTH_MORE[..2]);
    record.stopped = Some("interrupted".into());
    let mut study = study(vec![(a.clone(), record)]);
    study.suite.points.push(Point { id: "002-other".into(), ..a });
    let summary = summary(&study);
    assert_eq!(summary.unfinished, ["002-other", "001-sequential-plain"]);
    assert!(table::text(&summary, None).contains("1.20  2 blocks"), "what was measured is shown");
    assert!(
        summary.findings.iter().any(|f| f.starts_with("1 of 1 ratios of time are not decided"))
    );
}
