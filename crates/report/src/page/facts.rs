//! What a reader must know of a record beside its figures: what ran, on which machine, with which
//! Pythons, how it ended.

use super::chart::Table;
use crate::{Source, View};
use ungil_experiment::arm::{Gil, Runs};
use ungil_experiment::workload::Workload;
use ungil_format::{bytes, counted, percent};

/// What ran, as one would type it.
pub(super) fn command(workload: &Workload) -> String {
    let with = |head: String, args: &[String]| [vec![head], args.to_vec()].concat().join(" ");
    match workload {
        Workload::Script { path, args } => with(path.display().to_string(), args),
        Workload::Module { name, args } => with(format!("-m {name}"), args),
        Workload::Command { command } => command.clone(),
        Workload::Task { target, items, chunk } => {
            let chunk = chunk.map_or_else(String::new, |c| format!(", {c} at once"));
            format!("{target} over {items}{chunk}")
        }
        Workload::Serve { command, load, .. } => format!("{command}, under {load}"),
    }
}

/// The name of what ran, as short as one would say it.
pub(crate) fn name(workload: &Workload) -> String {
    let plain = |command: &str| command.replace("{python}", "python").replace(" {port}", "");
    let name = match workload {
        Workload::Script { path, .. } => path
            .file_name()
            .map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned()),
        Workload::Module { name, .. } => format!("-m {name}"),
        Workload::Task { target, .. } => target.clone(),
        Workload::Command { command } | Workload::Serve { command, .. } => plain(command),
    };
    elide(&name, MOST_OF_A_NAME)
}

/// Letters of a name; a command may be a million long.
const MOST_OF_A_NAME: usize = 60;

/// A text that ends in `…` where it is longer than so many letters.
pub(super) fn elide(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        text.into()
    } else {
        text.chars().take(most - 1).chain(['…']).collect()
    }
}

/// What does not make the record wrong but incomplete.
pub(super) fn cautions(source: &Source) -> Vec<String> {
    let record = &source.record;
    let mut said = Vec::new();
    if let Some(torn) = record.torn {
        said.push(format!(
            "The record is cut off in its line {}: what is whole is shown, that line is left out.",
            torn.line
        ));
    }
    if source.more_arms > 0 {
        let all = source.more_arms + record.header.arms.len();
        said.push(format!(
            "The record has {all} arms; the first {} are shown.",
            record.header.arms.len()
        ));
    }
    if let Some(why) = &record.stopped {
        said.push(format!("The experiment was cut short: {why}."));
    }
    if record.comparison.is_none() {
        said.push(
            "The record has no comparison of its own; this one is made from its runs.".into(),
        );
    }
    said
}

/// What the seed is called, which differs from record to record and means nothing.
pub(super) const SEED: &str = "Seed";

/// The machine and how it was measured, in pairs of name and value.
pub(super) fn machine(view: View<'_>) -> Vec<(String, String)> {
    let header = &view.record.header;
    let m = &header.machine;
    let said = |text: &str| if text.is_empty() { "not known".to_string() } else { text.into() };
    let mut facts = vec![
        ("Processor".to_string(), said(&m.cpu)),
        ("Cores".into(), format!("{} of {} may be used", m.cpus, m.cpus_online)),
        ("Memory".into(), format!("{}, swap {}", bytes(m.memory_bytes), bytes(m.swap_bytes))),
        ("System".into(), format!("{}, {}", m.kernel, m.architecture)),
        ("Virtual machine".into(), if m.virtual_machine { "yes" } else { "no" }.into()),
    ];
    facts.extend(m.settings.iter().map(|(k, v)| (k.clone(), v.clone())));
    facts.extend(header.sensors.iter().map(|s| {
        (
            format!("Energy by {}", s.sensor),
            format!("{}: {}", crate::joules::class(s.evidence), s.covers),
        )
    }));
    facts.extend(header.absent.iter().map(|a| ("Energy".into(), a.clone())));
    let s = &header.settings;
    facts.push(("Measured".into(), format!("{}, by ungil {}", header.started, header.ungil)));
    facts.push((
        "Settings".into(),
        format!(
            "{} warm-up, at least {}, ±{} wanted",
            s.warmup,
            counted(s.blocks, "block"),
            percent(s.precision)
        ),
    ));
    facts.push((SEED.into(), s.seed.to_string()));
    facts.extend(header.notes.iter().map(|n| ("Note".into(), n.clone())));
    facts
}

/// The Pythons and programs of the arms.
pub(super) fn pythons(view: View<'_>) -> Table {
    let mut table = Table::new(["python", "version", "GIL", "build", "executable"]);
    for arm in &view.record.header.arms {
        let row = match &arm.runs {
            Runs::Also { name, command } => {
                vec![
                    name.clone(),
                    "-".into(),
                    "-".into(),
                    "a program of its own".into(),
                    command.clone(),
                ]
            }
            Runs::Python { interpreter, gil, .. } => {
                let b = &interpreter.build;
                let flag =
                    |on: Option<bool>, name: &str| on.filter(|o| *o).map(|_| name.to_string());
                let build = [
                    b.compiler.clone(),
                    flag(b.pgo, "PGO"),
                    flag(b.lto, "LTO"),
                    flag(b.debug, "debug"),
                    flag(b.jit, "JIT"),
                ];
                let gil = match (interpreter.free_threaded, gil) {
                    (false, _) => "yes",
                    (true, Gil::Default) => "no",
                    (true, Gil::On) => "switched on",
                };
                vec![
                    arm.head().into(),
                    interpreter.version.to_string(),
                    gil.into(),
                    build.into_iter().flatten().collect::<Vec<_>>().join(", "),
                    interpreter.executable.display().to_string(),
                ]
            }
        };
        if !table.rows.contains(&row) {
            table.rows.push(row);
        }
    }
    table
}
