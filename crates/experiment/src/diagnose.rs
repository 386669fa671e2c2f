//! Explains to the user why a run stops the experiment: the run failed, or its output differs from
//! that of another arm.

use crate::arm::Arm;
use crate::error::Failure;
use crate::output::HashedOutput;
use crate::record::{Header, Outcome, Run};
use crate::run::FinishedRun;
use crate::workload::Workload;

/// Returns the failure if a run printed something else than an earlier run of its block.
pub(crate) fn disagreement<'r>(
    header: &Header,
    done: &FinishedRun,
    outputs: &[(String, HashedOutput)],
    mut earlier: impl Iterator<Item = &'r Run>,
) -> Option<Failure> {
    if header.settings.allow_different_output || done.run.outcome != Outcome::Ok {
        return None;
    }
    let mine = done.run.output.as_ref()?;
    let other = earlier
        .find(|r| r.output.as_ref().is_some_and(|o| o.blake3 != mine.blake3))
        .map(|r| &r.arm)?;
    let kept = outputs.iter().find(|(arm, _)| arm == other);
    let why = kept.map_or_else(
        || "the other arm ran before the experiment was interrupted, and the record keeps only the hash of its output".into(),
        |(_, theirs)| theirs.difference(&done.output, [other, &done.run.arm]),
    );
    Some(Failure::new(
        format!("the arms {other} and {} print different output", done.run.arm),
        why,
        "make the output deterministic (sort it, leave out times), or allow differences with --allow-different-output",
    ))
}

/// Returns the failure of a failed run. `by_hand` is a shell command that repeats the run.
pub(crate) fn run_failure(header: &Header, arm: &Arm, run: &Run, by_hand: &str) -> Failure {
    let stderr = run.stderr.as_deref().unwrap_or_default();
    let field = |key: &str| {
        let prefix = format!("ungil-task {key}: ");
        stderr.lines().find_map(|l| l.strip_prefix(&prefix).map(str::to_string))
    };
    if let (Some(what), Some(why), Some(help)) = (field("what"), field("why"), field("help")) {
        return Failure::new(format!("{}: {what}", arm.id), why, help);
    }
    let when =
        if run.block == 0 { "the warm-up".to_string() } else { format!("block {}", run.block) };
    let serves = matches!(header.workload, Workload::Serve { .. });
    let help = match run.outcome {
        Outcome::TimedOut => {
            format!(
                "raise --timeout, or run it by hand and use ungil dump to see where it hangs: {by_hand}"
            )
        }
        // Apart from services, only a phase without an end makes a run invalid. Run by hand, the
        // workload has no phases, so repeating it by hand would not help.
        Outcome::Invalid { .. } if !serves => {
            "end the phase on every exit path of the program, for example with `with phase():`"
                .to_string()
        }
        _ => format!("run it by hand: {by_hand}"),
    };
    let why = stderr_end(stderr, serves).map_or_else(
        || "it wrote nothing to standard error".into(),
        |end| format!("standard error ends with: {end}"),
    );
    Failure::new(format!("{} failed in {when}: {}", arm.id, run.outcome), why, help)
}

/// Maximum characters shown of each quoted line of standard error.
const MAX_SHOWN: usize = 300;

/// Returns the line of the last exception and the line before it, or else the last two lines. For a
/// service with worker processes: the lines of the first and the last exception, because when a
/// worker fails, the master then ends with an exception of its own.
fn stderr_end(stderr: &str, has_workers: bool) -> Option<String> {
    let carets = |line: &str| line.chars().all(|c| "~^| ".contains(c));
    let lines: Vec<&str> = stderr.lines().filter(|l| !carets(l)).collect();
    let at = exception(&lines).or(lines.len().checked_sub(1))?;
    let second = lines.iter().enumerate().filter(|(_, l)| l.contains(TRACEBACK)).nth(1);
    let first =
        second.filter(|_| has_workers).and_then(|(second, _)| exception(lines.get(..second)?));
    let before =
        first.or(at.checked_sub(1)).and_then(|i| lines.get(i)).filter(|l| !l.contains(TRACEBACK));
    let shown = before
        .into_iter()
        .chain(lines.get(at))
        .map(|line| shortened(line.trim_matches([' ', '|'])));
    Some(shown.collect::<Vec<_>>().join(" / "))
}

/// The first line of a Python traceback.
const TRACEBACK: &str = "Traceback (most recent call last):";

/// Returns the index of the line that names the last exception: after a traceback the first line
/// that is not indented, otherwise the last line that looks like an exception (a script that does
/// not compile has no traceback).
fn exception(lines: &[&str]) -> Option<usize> {
    if let Some(start) = lines.iter().rposition(|l| l.contains(TRACEBACK)) {
        let inner = |line: &str| line.trim_start_matches([' ', '|', '+']).len();
        let indent = |line: &str| line.len() - inner(line);
        let outer = lines.get(start).map_or(0, |l| indent(l));
        return (start + 1..lines.len())
            .find(|&i| lines.get(i).is_some_and(|l| indent(l) <= outer));
    }
    lines.iter().rposition(|line| {
        let name = line.split(':').next().unwrap_or_default();
        let plain = name.chars().all(|c| c.is_alphanumeric() || c == '.' || c == '_');
        plain && ["Error", "Exception", "Interrupt", "Exit"].iter().any(|end| name.ends_with(end))
    })
}

fn shortened(line: &str) -> String {
    let extra = line.chars().count().saturating_sub(MAX_SHOWN);
    let end: String = line.chars().skip(extra).collect();
    if extra > 0 { format!("…{end}") } else { end }
}

#[cfg(test)]
mod tests {
    use super::stderr_end;

    #[test]
    fn quotes_the_exception_and_the_line_before_it() {
        let end = |text: &str| stderr_end(text, false).expect("an excerpt");
        let head = "Traceback (most recent call last):\n  File \"w.py\", line 1, in <module>\n";
        let raised = format!(
            "{head}    check(x)\n    ~~~~~^^^\nValueError: the value\nis not valid\nnote: added\n"
        );
        assert_eq!(end(&raised), "check(x) / ValueError: the value");
        // The class name does not look like an exception's, and a thread prints after it.
        let odd = format!("{head}    raise Refused\napp.Refused: no\nbye\n");
        assert_eq!(end(&odd), "raise Refused / app.Refused: no");
        let second = format!(
            "{raised}\nDuring handling of the above exception, another exception occurred:\n\n{head}    f()\nKeyError: 1\n"
        );
        assert_eq!(end(&second), "f() / KeyError: 1");
        let group = "  + Exception Group Traceback (most recent call last):\n  |   File \"w.py\", line 1, in <module>\n  |     raise g\n  | ExceptionGroup: both (1 sub-exception)\n  +-+---------------- 1 ----------------\n    | ValueError: a\n    +------------------------------------\n";
        assert_eq!(end(group), "raise g / ExceptionGroup: both (1 sub-exception)");
        let syntax =
            "  File \"w.py\", line 1\n    def f(:\n          ^\nSyntaxError: invalid syntax\n";
        assert_eq!(end(syntax), "def f(: / SyntaxError: invalid syntax");
        assert_eq!(end("starting\nno luck\n"), "starting / no luck");
        assert_eq!(end("no luck\n"), "no luck");
        assert_eq!(stderr_end("", false), None);
        let master = format!(
            "{head}    import x\nModuleNotFoundError: x\n[9] [ERROR] worker exited\n{second}"
        );
        assert_eq!(
            stderr_end(&master, true).as_deref(),
            Some("ModuleNotFoundError: x / KeyError: 1")
        );
        assert_eq!(
            stderr_end(&second, true).as_deref(),
            Some("ValueError: the value / KeyError: 1")
        );
        assert!(end(&"y".repeat(10_000)).chars().count() < 400);
    }
}
