//! Arms. An arm is one way to run the workload: interpreter x GIL setting x execution model x
//! workers.

use crate::error::{Error, usage};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use ungil_pythons::Interpreter;

/// The GIL setting of an arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gil {
    /// The build's own: on for a GIL build, off for a free-threaded one.
    Default,
    /// `PYTHON_GIL=1` on a free-threaded build: shows what the build alone costs.
    On,
}

/// How work is distributed over workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Model {
    /// Items run one after the other in the main thread.
    Sequential,
    /// `ThreadPoolExecutor`.
    Threads,
    /// `ProcessPoolExecutor` with forked workers.
    Fork,
    /// `ProcessPoolExecutor` with spawned workers.
    Spawn,
    /// `ProcessPoolExecutor` with workers forked from a fork server.
    Forkserver,
    /// `InterpreterPoolExecutor` (CPython 3.14 and later).
    Interpreters,
    /// One event loop that runs an `async def`.
    Asyncio,
}

impl Model {
    /// Every model, in display order.
    pub const ALL: [Model; 7] = [
        Model::Sequential,
        Model::Threads,
        Model::Fork,
        Model::Spawn,
        Model::Forkserver,
        Model::Interpreters,
        Model::Asyncio,
    ];

    /// Returns the name used in arm ids and on the command line.
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

    /// Returns why `interpreter` cannot run this model, or `None` if it can.
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
                format!("unknown execution model '{text}'"),
                format!("the models are {}", names.join(", ")),
                "correct --models",
            )
        })
    }
}

/// The program that an arm runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Runs {
    /// The workload on a Python interpreter.
    Python {
        interpreter: Box<Interpreter>,
        /// The GIL setting.
        gil: Gil,
        /// The execution model, if the runner chooses it (`--task`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<Model>,
    },
    /// Another program (`--also`).
    Also {
        name: String,
        /// The command, with `{workers}` not yet filled in.
        command: String,
    },
}

/// One way to run the workload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// The id, such as `3.14t/threads/4`: unique in an experiment. Runs refer to their arm by it.
    pub id: String,
    #[serde(flatten)]
    pub runs: Runs,
    /// Number of workers, if the workload takes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<u32>,
    /// Whether this is the second copy of the baseline (`--aa`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
}

/// Suffix of the id of the second copy of the baseline.
pub(crate) const AGAIN_SUFFIX: &str = " again";

impl Arm {
    /// Creates an arm that runs the workload on an interpreter. The id is made of the arguments.
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

    /// Creates an arm that runs another program.
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

    /// Returns the first part of the id: the interpreter with its GIL setting, or the name of the
    /// other program.
    pub fn head(&self) -> &str {
        let head = self.id.split('/').next().unwrap_or(&self.id);
        if self.again { head.trim_end_matches(AGAIN_SUFFIX) } else { head }
    }

    /// Returns the interpreter; `None` if the arm runs another program.
    pub fn interpreter(&self) -> Option<&Interpreter> {
        match &self.runs {
            Runs::Python { interpreter, .. } => Some(interpreter),
            Runs::Also { .. } => None,
        }
    }

    /// Returns the execution model, if the runner chooses it.
    pub fn model(&self) -> Option<Model> {
        match &self.runs {
            Runs::Python { model, .. } => *model,
            Runs::Also { .. } => None,
        }
    }

    /// Returns whether the arm runs a free-threaded build without the GIL.
    pub fn without_gil(&self) -> bool {
        matches!(&self.runs, Runs::Python { interpreter, gil: Gil::Default, .. } if interpreter.free_threaded)
    }

    /// Returns the GIL build's arm for this free-threaded arm: same implementation, version, model
    /// and workers.
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

/// A `--python` argument: an interpreter's name or path, with `+gil` to enable the GIL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonSpec {
    /// The name or path, in the form that [`ungil_pythons::resolve`] takes.
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
                format!("'{text}' does not name a Python"),
                "the name before '+gil' is empty",
                "write for example --python 3.14,3.14t,3.14t+gil",
            ));
        }
        Ok(PythonSpec { name: name.into(), gil })
    }
}
