//! From what was asked for to the arms of an experiment, the baseline first, with a word on every
//! choice made.

use crate::arm::{AGAIN, Arm, Gil, Model};
use crate::error::{Error, usage};
use crate::workload::Workload;
use ungil_pythons::{Interpreter, Pair};

/// What was asked for; empty lists mean the defaults.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Interpreters with their GIL settings, in the order given.
    pub pythons: Vec<(Interpreter, Gil)>,
    /// The pair taken when none was named, for what there is to say of it.
    pub pair: Option<Pair>,
    /// Execution models, for a workload that takes one.
    pub models: Vec<Model>,
    /// Numbers of workers.
    pub workers: Vec<u32>,
    /// Programs of their own, `(name, command)`.
    pub also: Vec<(String, String)>,
    /// Run the baseline twice.
    pub again: bool,
    /// Cores of the machine.
    pub cores: u32,
}

/// Most arms of one experiment; more is a mistake in an argument, not an experiment.
const MOST_ARMS: usize = 256;

/// 1, 2, 4 .. up to and including `cores`.
pub fn default_workers(cores: u32) -> Vec<u32> {
    let mut workers: Vec<u32> =
        (0..).map(|i| 1u32 << i).take_while(|&w| w < cores.max(1)).collect();
    workers.push(cores.max(1));
    workers
}

/// The arms for a workload, and notes.
///
/// # Errors
/// [`Error::Usage`] when what was asked for does not go together.
pub fn arms(workload: &Workload, request: &Request) -> Result<(Vec<Arm>, Vec<String>), Error> {
    let mut notes = Vec::new();
    if let Some(pair) = &request.pair {
        let names = format!("{} and {}", pair.gil.name, pair.free_threaded.name);
        notes.extend(
            pair.differences.iter().map(|d| format!("{names} were built differently: {d}")),
        );
    }
    check(workload, request)?;
    let takes_workers = workload.takes_workers() || !request.workers.is_empty();
    let workers: Vec<Option<u32>> = match (&request.workers[..], takes_workers) {
        (_, false) => {
            notes.push("the workload takes no number of workers: put {workers} in its arguments, or read UNGIL_WORKERS".into());
            vec![None]
        }
        ([], true) => default_workers(request.cores).into_iter().map(Some).collect(),
        (given, true) => given.iter().copied().map(Some).collect(),
    };
    let mut arms = Vec::new();
    for (interpreter, gil) in &request.pythons {
        if !workload.takes_model() {
            arms.extend(workers.iter().map(|&w| Arm::python(interpreter, *gil, None, w)));
            continue;
        }
        for model in models(request) {
            if let Some(why) = model.missing_on(interpreter) {
                if !request.models.is_empty() {
                    return Err(usage(
                        format!("{} cannot run the model '{model}'", interpreter.name),
                        why,
                        "leave the model out of --models, or give a newer interpreter with --python",
                    ));
                }
                notes.push(format!("left out {}/{model}: {why}", interpreter.name));
                continue;
            }
            let counts = if model == Model::Sequential { &[Some(1)][..] } else { &workers[..] };
            arms.extend(counts.iter().map(|&w| Arm::python(interpreter, *gil, Some(model), w)));
        }
    }
    for (name, command) in &request.also {
        let each = if command.contains("{workers}") { workers.clone() } else { vec![None] };
        arms.extend(each.into_iter().map(|w| Arm::also(name, command, w)));
    }
    name_apart(&mut arms);
    if request.again
        && let Some(baseline) = arms.first().cloned()
    {
        arms.insert(1, Arm { id: format!("{}{AGAIN}", baseline.id), again: true, ..baseline });
    }
    if arms.len() > MOST_ARMS {
        return Err(usage(
            format!("that makes {}", ungil_format::counted(arms.len(), "arm")),
            format!(
                "every interpreter, model and number of workers is combined; {MOST_ARMS} is the most"
            ),
            "name fewer with --python, --models or --workers",
        ));
    }
    Ok((arms, notes))
}

fn models(request: &Request) -> Vec<Model> {
    if request.models.is_empty() {
        vec![Model::Sequential, Model::Threads, Model::Forkserver, Model::Interpreters]
    } else {
        request.models.clone()
    }
}

fn check(workload: &Workload, request: &Request) -> Result<(), Error> {
    if !request.models.is_empty() && !workload.takes_model() {
        return Err(usage(
            "--models needs --task, or {model} in the arguments",
            "this workload decides itself how its work is spread",
            "give the function with --task package.module:function and --items, or let a script take '--model {model}'",
        ));
    }
    if request.workers.contains(&0) {
        return Err(usage(
            "0 workers do no work",
            "--workers has a 0 in it",
            "give numbers from 1",
        ));
    }
    if let Some((i, _)) =
        request.pythons.iter().find(|(i, gil)| *gil == Gil::On && !i.free_threaded)
    {
        return Err(usage(
            format!("'{}+gil' is what {} always is", i.name, i.name),
            "only a free-threaded build can be run with the GIL on or off",
            "leave '+gil' away, or name the free-threaded build",
        ));
    }
    Ok(())
}

/// Two interpreters may have one name (a venv of each of two projects): tell them apart by number.
fn name_apart(arms: &mut Vec<Arm>) {
    let mut seen: Vec<(String, Arm)> = Vec::new();
    arms.retain_mut(|arm| {
        if seen.iter().any(|(_, other)| other == arm) {
            return false;
        }
        let original = arm.clone();
        let same = seen.iter().filter(|(id, _)| *id == arm.id).count();
        if same > 0 {
            let head = arm.head().to_string();
            arm.id = arm.id.replacen(&head, &format!("{head}#{}", same + 1), 1);
        }
        seen.push((original.id.clone(), original));
        true
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_double_up_to_the_cores() {
        assert_eq!(default_workers(1), [1]);
        assert_eq!(default_workers(2), [1, 2]);
        assert_eq!(default_workers(6), [1, 2, 4, 6]);
        assert_eq!(default_workers(16), [1, 2, 4, 8, 16]);
    }

    #[test]
    fn the_same_arm_asked_for_twice_is_one() {
        let twice = vec![("x".to_string(), "./x".to_string()); 2];
        let script = Workload::Command { command: "{python}".into() };
        let (arms, _) =
            arms(&script, &Request { also: twice, ..Request::default() }).expect("arms");
        assert_eq!(arms.len(), 1);
    }
}
