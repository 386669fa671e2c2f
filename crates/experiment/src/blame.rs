//! Why an experiment cannot go on after a run, in three lines a user can act on: the run failed, or its answer is not the
//! other arms'.

use crate::arm::{Arm, Gil, Runs};
use crate::compare::failure;
use crate::error::Failure;
use crate::output::Hashed;
use crate::record::{Header, Outcome, Run};
use crate::run::Done;
use crate::workload::{Fill, Workload, split};

/// Whether a run printed something else than an earlier one of its block.
pub(crate) fn disagreement<'r>(
    header: &Header,
    done: &Done,
    outputs: &[(String, Hashed)],
    mut earlier: impl Iterator<Item = &'r Run>,
) -> Option<Failure> {
    if header.settings.allow_different_output || done.run.outcome != Outcome::Ok {
        return None;
    }
    let mine = done.run.output.as_ref()?;
    let other =
        earlier.find(|r| r.output.as_ref().is_some_and(|o| o.blake3 != mine.blake3)).map(|r| &r.arm)?;
    let kept = outputs.iter().find(|(arm, _)| arm == other);
    let why = kept.map_or_else(
        || "the other ran before the experiment was interrupted: only the hash of its output is in the record".into(),
        |(_, theirs)| theirs.difference(&done.output, [other, &done.run.arm]),
    );
    Some(Failure::new(
        format!("the arms {other} and {} give different answers", done.run.arm),
        why,
        "make the output the same whichever way it is computed (sort it, leave times out), or allow it with --allow-different-output",
    ))
}

/// The three lines of a failed run.
pub(crate) fn run_failure(header: &Header, arm: &Arm, run: &Run) -> Failure {
    let stderr = run.stderr.as_deref().unwrap_or_default();
    let told = |key: &str| {
        let prefix = format!("ungil-task {key}: ");
        stderr.lines().find_map(|l| l.strip_prefix(&prefix).map(str::to_string))
    };
    if let (Some(what), Some(why), Some(mend)) = (told("what"), told("why"), told("mend")) {
        return Failure::new(format!("{}: {what}", arm.id), why, mend);
    }
    let when = if run.block == 0 { "the warm-up".to_string() } else { format!("block {}", run.block) };
    let last = last_words(stderr);
    let mend = match run.outcome {
        Outcome::TimedOut => "give it more time with --timeout, or find out where it hangs".to_string(),
        Outcome::Signaled { .. } => {
            "run it by hand under a debugger; --keep-going measures the other arms".to_string()
        }
        _ => format!("run it by hand: {}", by_hand(header, arm, run)),
    };
    let why = match (&run.outcome, last) {
        (Outcome::Invalid { why }, Some(last)) => format!("{why}; its last words: {last}"),
        (Outcome::Invalid { why }, None) => why.clone(),
        (_, Some(last)) => format!("its last words: {last}"),
        (_, None) => "it said nothing on standard error".into(),
    };
    let how =
        if let Outcome::Invalid { .. } = run.outcome { "is not valid".to_string() } else { failure(run) };
    Failure::new(format!("{} failed in {when}: {how}", arm.id), why, mend)
}

/// Characters of a failed run's last words that are shown.
const LONGEST_WORDS: usize = 300;

/// The last line that looks like Python's word for an exception (notes may follow it), or else the last line.
fn last_words(stderr: &str) -> Option<String> {
    let named = |line: &&str| {
        let name = line.split(':').next().unwrap_or_default();
        let plain = name.chars().all(|c| c.is_alphanumeric() || c == '.' || c == '_');
        plain && ["Error", "Exception", "Interrupt", "Exit"].iter().any(|end| name.ends_with(end))
    };
    let lines = || stderr.lines().rev().map(str::trim_end).filter(|l| !l.is_empty());
    let line = lines().find(named).or_else(|| lines().next())?.trim();
    let extra = line.chars().count().saturating_sub(LONGEST_WORDS);
    let end: String = line.chars().skip(extra).collect();
    Some(if extra > 0 { format!("…{end}") } else { end })
}

fn by_hand(header: &Header, arm: &Arm, run: &Run) -> String {
    if let (Workload::Task { target, items, .. }, Some(python)) = (&header.workload, arm.interpreter()) {
        let (module, function) = target.split_once(':').unwrap_or((target, ""));
        let code =
            format!("import {module} as m; print([m.{function}(i) for i in eval({items:?}, vars(m))])");
        return shell_words::join([python.executable.to_string_lossy(), "-c".into(), code.into()]);
    }
    let serving = header.workload.serving();
    let port = serving.and_then(|_| crate::serve::free_port().ok());
    let argv = header.workload.argv(arm, std::path::Path::new(""), port).unwrap_or_default();
    let words: Vec<String> = argv.iter().map(|w| w.to_string_lossy().into_owned()).collect();
    let workers = arm.workers.map(|w| format!("UNGIL_WORKERS={w} "));
    let gil = matches!(arm.runs, Runs::Python { gil: Gil::On, .. }).then(|| "PYTHON_GIL=1 ".to_string());
    let line =
        format!("{}{}{}", workers.unwrap_or_default(), gil.unwrap_or_default(), shell_words::join(words));
    let ended = matches!(&run.outcome, Outcome::Invalid { why } if why.starts_with(crate::serve::ENDED));
    let Some((serving, port)) = serving.zip(port).filter(|_| !ended) else { return line };
    // A service that lives shows its fault to whoever asks it.
    let fill = Fill::service(arm, port);
    let load: Vec<String> = split(serving.load).unwrap_or_default().iter().map(|w| fill.fill(w)).collect();
    format!("{line} & sleep 5; {}; kill $!", shell_words::join(load))
}
