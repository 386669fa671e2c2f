//! Makes the arms of an experiment from a request, the baseline first, with notes on the choices
//! made.

use crate::arm::{AGAIN_SUFFIX, Arm, Gil, Model};
use crate::error::{Error, usage};
use crate::workload::Workload;
use ungil_pythons::{Interpreter, Pair};

/// A request for arms. Empty lists mean the defaults.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Interpreters with their GIL settings, in the given order.
    pub pythons: Vec<(Interpreter, Gil)>,
    /// The default pair of interpreters, if none was named; its differences become notes.
    pub pair: Option<Pair>,
    /// Execution models, for a workload that takes one.
    pub models: Vec<Model>,
    /// Numbers of workers.
    pub workers: Vec<u32>,
    /// Other programs, as `(name, command)`.
    pub also: Vec<(String, String)>,
    /// Whether to run the baseline twice (`--aa`).
    pub again: bool,
    /// Number of cores of the machine.
    pub cores: u32,
}

/// Maximum number of arms. More are probably a mistake in the arguments.
const MAX_ARMS: usize = 256;

/// Returns the powers of two below `cores`, and `cores`.
pub fn default_workers(cores: u32) -> Vec<u32> {
    let mut workers: Vec<u32> =
        (0..).map(|i| 1u32 << i).take_while(|&w| w < cores.max(1)).collect();
    workers.push(cores.max(1));
    workers
}

/// Returns the arms for a workload, and notes.
///
/// # Errors
/// [`Error::Usage`] if parts of the request contradict each other or the workload.
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
            notes.push("the workload does not take a number of workers: put {workers} in its arguments, or read UNGIL_WORKERS".into());
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
                        "remove the model from --models, or give a newer interpreter with --python",
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
    make_ids_unique(&mut arms);
    if request.again
        && let Some(baseline) = arms.first().cloned()
    {
        arms.insert(
            1,
            Arm { id: format!("{}{AGAIN_SUFFIX}", baseline.id), again: true, ..baseline },
        );
    }
    if arms.len() > MAX_ARMS {
        return Err(usage(
            format!("too many arms: {}", arms.len()),
            format!(
                "every interpreter, model and number of workers is combined; at most {MAX_ARMS} are allowed"
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
            "this workload chooses its execution model itself",
            "give the function with --task package.module:function and --items, or pass '--model {model}' to a script",
        ));
    }
    if request.workers.contains(&0) {
        return Err(usage(
            "--workers contains 0",
            "at least one worker is needed",
            "give numbers from 1",
        ));
    }
    if let Some((i, _)) =
        request.pythons.iter().find(|(i, gil)| *gil == Gil::On && !i.free_threaded)
    {
        return Err(usage(
            format!("'{}+gil': {} always runs with the GIL", i.name, i.name),
            "only a free-threaded build can run with or without the GIL",
            "remove '+gil', or name the free-threaded build",
        ));
    }
    Ok(())
}

/// Makes ids unique: two interpreters may have the same name (for example the venvs of two
/// projects), and get numbers. Removes duplicate arms.
fn make_ids_unique(arms: &mut Vec<Arm>) {
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
    fn default_workers_double_up_to_the_cores() {
        assert_eq!(default_workers(1), [1]);
        assert_eq!(default_workers(2), [1, 2]);
        assert_eq!(default_workers(6), [1, 2, 4, 6]);
        assert_eq!(default_workers(16), [1, 2, 4, 8, 16]);
    }

    #[test]
    fn duplicate_arms_are_removed() {
        let twice = vec![("x".to_string(), "./x".to_string()); 2];
        let script = Workload::Command { command: "{python}".into() };
        let (arms, _) =
            arms(&script, &Request { also: twice, ..Request::default() }).expect("arms");
        assert_eq!(arms.len(), 1);
    }
}
