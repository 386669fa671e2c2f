//! Arms: one way to run the workload, interpreter x GIL setting x execution model x workers.

use crate::error::{Error, usage};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use ungil_pythons::Interpreter;

/// Whether a free-threaded build is told to run with the GIL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gil {
    /// As the build has it: on for a GIL build, off for a free-threaded one.
    Default,
    /// `PYTHON_GIL=1` on a free-threaded build: what the build alone costs.
    On,
}

/// How work is spread over workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Model {
    /// One item after the other in the main thread.
    Sequential,
    /// `ThreadPoolExecutor`.
    Threads,
    /// `ProcessPoolExecutor`, workers forked.
    Fork,
    /// `ProcessPoolExecutor`, workers started anew.
    Spawn,
    /// `ProcessPoolExecutor`, workers forked from a clean server.
    Forkserver,
    /// `InterpreterPoolExecutor` (CPython 3.14 and later).
    Interpreters,
    /// One event loop, for an `async def`.
    Asyncio,
}

impl Model {
    /// Every model, in the order in which they are shown.
    pub const ALL: [Model; 7] = [
        Model::Sequential,
        Model::Threads,
        Model::Fork,
        Model::Spawn,
        Model::Forkserver,
        Model::Interpreters,
        Model::Asyncio,
    ];

    /// Its name in an arm and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Model::Sequential => "sequential",
            Model::Threads => "threads",
            Model::Fork => "fork",
            Model::Spawn => "spawn",
            Model::Forkserver => "forkserver",
            Model::Interpreters => "interpreters",
            Model::Asyncio => "asyncio",
        }
    }

    /// Why `interpreter` cannot run this model, if it cannot.
    pub fn missing_on(self, interpreter: &Interpreter) -> Option<String> {
        let v = &interpreter.version;
        (self == Model::Interpreters && (v.major, v.minor) < (3, 14)).then(|| {
            format!(
                "{} has no InterpreterPoolExecutor (CPython 3.14 is the first)",
                interpreter.name
            )
        })
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Model {
    type Err = Error;

    fn from_str(text: &str) -> Result<Model, Error> {
        Model::ALL.into_iter().find(|m| m.name() == text).ok_or_else(|| {
            let names: Vec<&str> = Model::ALL.iter().map(|m| m.name()).collect();
            usage(
                format!("there is no execution model '{text}'"),
                format!("the models are {}", names.join(", ")),
                "correct --models",
            )
        })
    }
}

/// What an arm runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Runs {
    /// The workload, on a Python.
    Python {
        /// The interpreter.
        interpreter: Box<Interpreter>,
        /// Its GIL setting.
        gil: Gil,
        /// The execution model, where the runner decides it (`--task`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<Model>,
    },
    /// A program of its own beside them (`--also`).
    Also {
        /// Its name.
        name: String,
        /// Its command, `{workers}` not yet filled in.
        command: String,
    },
}

/// One way to run the workload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// `3.14t/threads/4`: unique in an experiment, and what runs refer to.
    pub id: String,
    /// What it runs.
    #[serde(flatten)]
    pub runs: Runs,
    /// Number of workers, where the workload takes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<u32>,
    /// The baseline a second time, for `--aa`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
}

/// What ends the id of the baseline's second self.
pub(crate) const AGAIN: &str = " again";

impl Arm {
    /// An arm on a Python, named from its parts.
    pub fn python(
        interpreter: &Interpreter,
        gil: Gil,
        model: Option<Model>,
        workers: Option<u32>,
    ) -> Arm {
        let mut id = interpreter.name.clone();
        if gil == Gil::On {
            id.push_str("+gil");
        }
        let runs = Runs::Python { interpreter: Box::new(interpreter.clone()), gil, model };
        Arm::named(id, runs, model, workers)
    }

    /// An arm that runs a program of its own.
    pub fn also(name: &str, command: &str, workers: Option<u32>) -> Arm {
        let runs = Runs::Also { name: name.into(), command: command.into() };
        Arm::named(name.into(), runs, None, workers)
    }

    fn named(mut id: String, runs: Runs, model: Option<Model>, workers: Option<u32>) -> Arm {
        for part in
            [model.map(|m| m.to_string()), workers.map(|w| w.to_string())].into_iter().flatten()
        {
            id.push('/');
            id.push_str(&part);
        }
        Arm { id, runs, workers, again: false }
    }

    /// The part of the name that says which Python (or program).
    pub fn head(&self) -> &str {
        let head = self.id.split('/').next().unwrap_or(&self.id);
        if self.again { head.trim_end_matches(AGAIN) } else { head }
    }

    /// The interpreter, unless the arm is a program of its own.
    pub fn interpreter(&self) -> Option<&Interpreter> {
        match &self.runs {
            Runs::Python { interpreter, .. } => Some(interpreter),
            Runs::Also { .. } => None,
        }
    }

    /// The execution model, where the runner decides it.
    pub fn model(&self) -> Option<Model> {
        match &self.runs {
            Runs::Python { model, .. } => *model,
            Runs::Also { .. } => None,
        }
    }

    /// A free-threaded build that should run without the GIL.
    pub fn without_gil(&self) -> bool {
        matches!(&self.runs, Runs::Python { interpreter, gil: Gil::Default, .. } if interpreter.free_threaded)
    }

    /// The arm of `arms` that differs from this free-threaded one only by having the GIL, by its
    /// own build.
    pub fn twin<'a>(&self, arms: &'a [Arm]) -> Option<&'a Arm> {
        let mine = self.interpreter().filter(|_| self.without_gil())?;
        arms.iter().find(|a| {
            a.workers == self.workers
                && a.model() == self.model()
                && !a.again
                && a.interpreter().is_some_and(|i| {
                    !i.free_threaded
                        && i.implementation == mine.implementation
                        && (i.version.major, i.version.minor)
                            == (mine.version.major, mine.version.minor)
                })
        })
    }
}

/// A `--python` argument: an interpreter's name or path, and `+gil` to switch the GIL on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonSpec {
    /// What [`ungil_pythons::resolve`] understands.
    pub name: String,
    /// The GIL setting.
    pub gil: Gil,
}

impl FromStr for PythonSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<PythonSpec, Error> {
        let (name, gil) = match text.strip_suffix("+gil") {
            Some(name) => (name, Gil::On),
            None => (text, Gil::Default),
        };
        if name.is_empty() {
            return Err(usage(
                format!("'{text}' names no Python"),
                "the name before '+gil' is empty",
                "write for example --python 3.14,3.14t,3.14t+gil",
            ));
        }
        Ok(PythonSpec { name: name.into(), gil })
    }
}
