//! Facts about a record besides its figures: command, machine, Pythons, and how it ended.

use super::chart::Table;
use crate::{Source, View};
use ungil_experiment::arm::{Gil, Runs};
use ungil_experiment::workload::Workload;
use ungil_format::{bytes, counted, percent};

/// Returns the command of a workload, as it could be typed.
pub(super) fn command(workload: &Workload) -> String {
    let with = |head: String, args: &[String]| [vec![head], args.to_vec()].concat().join(" ");
    match workload {
        Workload::Script { path, args } => with(path.display().to_string(), args),
        Workload::Module { name, args } => with(format!("-m {name}"), args),
        Workload::Command { command } => command.clone(),
        Workload::Task { target, items, chunk } => {
            let chunk = chunk.map_or_else(String::new, |c| format!(", chunks of {c}"));
            format!("{target} over {items}{chunk}")
        }
        Workload::Serve { command, load, .. } => format!("{command}, under {load}"),
    }
}

/// Returns the short name of a workload.
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
    elide(&name, MAX_NAME)
}

/// Maximum number of characters of a name.
const MAX_NAME: usize = 60;

/// Shortens a text to at most `max` characters, with `…` at the end.
pub(super) fn elide(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        text.into()
    } else {
        text.chars().take(max - 1).chain(['…']).collect()
    }
}

/// Returns in which ways a record is incomplete.
pub(super) fn cautions(source: &Source) -> Vec<String> {
    let record = &source.record;
    let mut cautions = Vec::new();
    if let Some(torn) = record.torn {
        cautions
            .push(format!("The record is cut off in its line {}, which is left out.", torn.line));
    }
    if source.more_arms > 0 {
        let all = source.more_arms + record.header.arms.len();
        cautions.push(format!(
            "The record has {all} arms; only the first {} are shown.",
            record.header.arms.len()
        ));
    }
    if let Some(why) = &record.stopped {
        cautions.push(format!("The experiment was cut short: {why}."));
    }
    if record.comparison.is_none() {
        cautions.push("The record has no comparison; this one was computed from its runs.".into());
    }
    cautions
}

/// Name of the seed, which differs between records without meaning.
pub(super) const SEED: &str = "Seed";

/// Returns the machine and the settings as names and values.
pub(super) fn machine(view: View<'_>) -> Vec<(String, String)> {
    let header = &view.record.header;
    let m = &header.machine;
    let known = |text: &str| if text.is_empty() { "unknown".to_string() } else { text.into() };
    let mut facts = vec![
        ("Processor".to_string(), known(&m.cpu)),
        ("Cores".into(), format!("{} of {} available", m.cpus, m.cpus_online)),
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
            "{} warm-up, at least {}, precision ±{}",
            s.warmup,
            counted(s.blocks, "block"),
            percent(s.precision)
        ),
    ));
    facts.push((SEED.into(), s.seed.to_string()));
    facts.extend(header.notes.iter().map(|n| ("Note".into(), n.clone())));
    facts
}

/// Returns a table of the Pythons and programs of the arms.
pub(super) fn pythons(view: View<'_>) -> Table {
    let mut table = Table::new(["python", "version", "GIL", "build", "executable"]);
    for arm in &view.record.header.arms {
        let row = match &arm.runs {
            Runs::Also { name, command } => {
                vec![name.clone(), "-".into(), "-".into(), "other program".into(), command.clone()]
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
                    (true, Gil::On) => "enabled",
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
