//! Workloads, and the command lines they become in each arm.

use crate::arm::{Arm, Model, Runs};
use crate::error::{Error, usage};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What is measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Workload {
    /// A script and its arguments.
    Script {
        /// Path of the script.
        path: PathBuf,
        /// Its arguments, placeholders not filled in.
        args: Vec<String>,
    },
    /// `-m module` and its arguments.
    Module {
        name: String,
        /// Its arguments, placeholders not filled in.
        args: Vec<String>,
    },
    /// A command that contains `{python}`.
    Command {
        /// The command, without shell operators.
        command: String,
    },
    /// A function applied to items, under each execution model.
    Task {
        /// `package.module:function`.
        target: String,
        /// A Python expression that evaluates to the items.
        items: String,
        /// Items passed to a worker at a time; `None`: a quarter of each worker's share.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        chunk: Option<u32>,
    },
    /// A service under load.
    Serve {
        /// The service's command, with `{python}` and `{port}`.
        command: String,
        /// The load generator's command, with `{url}` or `{port}`.
        load: String,
        /// How to detect that the service is ready (`--ready`); `None`: it responds to a GET of the
        /// URL in `load`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ready: Option<String>,
        /// Time limit until it is ready, in seconds; `None`: 60.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ready_timeout_s: Option<f64>,
        /// Time between readiness and the load, in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        settle_s: Option<f64>,
    },
}

/// A service's commands and how its readiness is detected.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Serving<'a> {
    pub(crate) load: &'a str,
    pub(crate) ready: Option<&'a str>,
    pub(crate) ready_timeout_s: Option<f64>,
    pub(crate) settle_s: f64,
}

/// Values of the placeholders of a command.
#[derive(Debug, Clone, Default)]
pub struct Fill {
    /// `{python}`.
    pub python: Option<PathBuf>,
    /// `{workers}`.
    pub workers: Option<u32>,
    /// `{model}`.
    pub model: Option<Model>,
    /// `{port}`, and with it `{url}` and `{host}`.
    pub port: Option<u16>,
}

impl Fill {
    /// Returns the values for a service that listens on `port`.
    pub(crate) fn service(arm: &Arm, port: u16) -> Fill {
        Fill {
            python: arm.interpreter().map(|i| i.executable.clone()),
            workers: arm.workers,
            port: Some(port),
            ..Fill::default()
        }
    }

    /// Replaces every placeholder in `text` that has a value. Other braces stay as they are.
    pub fn fill(&self, text: &str) -> String {
        let mut text = text.to_string();
        if let Some(python) = &self.python {
            text = text.replace("{python}", &python.to_string_lossy());
        }
        if let Some(workers) = self.workers {
            text = text.replace("{workers}", &workers.to_string());
        }
        if let Some(model) = self.model {
            text = text.replace("{model}", model.name());
        }
        if let Some(port) = self.port {
            let filled = text.replace("{port}", &port.to_string()).replace("{host}", "127.0.0.1");
            text = filled.replace("{url}", &format!("http://127.0.0.1:{port}/"));
        }
        text
    }
}

/// Splits a command into words as a POSIX shell does.
///
/// # Errors
/// [`Error::Usage`] if a quote is not closed or there is no word.
pub fn split(command: &str) -> Result<Vec<String>, Error> {
    match shell_words::split(command) {
        Ok(words) if !words.is_empty() => Ok(words),
        Ok(_) => Err(usage(
            "the command is empty",
            "there is no program to run",
            "give a program and its arguments",
        )),
        Err(why) => Err(usage(
            format!("cannot read the command '{command}'"),
            why.to_string(),
            "close the quotes",
        )),
    }
}

impl Workload {
    /// Returns a short name for messages and for the record's file name.
    pub fn name(&self) -> String {
        match self {
            Workload::Script { path, .. } => path
                .file_stem()
                .map_or_else(|| "script".into(), |s| s.to_string_lossy().into_owned()),
            Workload::Module { name, .. } => name.clone(),
            Workload::Task { target, .. } => target.clone(),
            Workload::Command { command } | Workload::Serve { command, .. } => {
                let words = split(command).unwrap_or_default();
                let named = words.iter().find(|w| !w.contains("{python}") && !w.starts_with('-'));
                named.map_or_else(
                    || "command".into(),
                    |w| w.rsplit('/').next().unwrap_or(w).to_string(),
                )
            }
        }
    }

    /// Returns the settings of a service; `None` for any other workload.
    pub(crate) fn serving(&self) -> Option<Serving<'_>> {
        let Workload::Serve { load, ready, ready_timeout_s, settle_s, .. } = self else {
            return None;
        };
        Some(Serving {
            load,
            ready: ready.as_deref(),
            ready_timeout_s: *ready_timeout_s,
            settle_s: settle_s.unwrap_or(0.0),
        })
    }

    /// Returns whether the workload takes a number of workers: through a placeholder, or through
    /// `UNGIL_WORKERS` in the script's text.
    pub fn takes_workers(&self) -> bool {
        let placeholder = |args: &[String]| args.iter().any(|a| a.contains("{workers}"));
        match self {
            Workload::Script { path, args } => {
                placeholder(args)
                    || std::fs::read(path).is_ok_and(|text| {
                        let needle = b"UNGIL_WORKERS";
                        text.windows(needle.len()).any(|w| w == needle)
                    })
            }
            Workload::Module { args, .. } => placeholder(args),
            Workload::Command { command } | Workload::Serve { command, .. } => {
                command.contains("{workers}")
            }
            Workload::Task { .. } => true,
        }
    }

    /// Returns whether the arm chooses the execution model: a task, or a workload with `{model}` in
    /// its arguments.
    pub fn takes_model(&self) -> bool {
        match self {
            Workload::Script { args, .. } | Workload::Module { args, .. } => {
                args.iter().any(|a| a.contains("{model}"))
            }
            Workload::Command { command } => command.contains("{model}"),
            Workload::Task { .. } => true,
            Workload::Serve { .. } => false,
        }
    }

    /// Returns the command line of an arm. `support` is the directory with this crate's Python
    /// files.
    ///
    /// # Errors
    /// [`Error::Usage`] if a command cannot be split.
    pub fn argv(
        &self,
        arm: &Arm,
        support: &Path,
        port: Option<u16>,
    ) -> Result<Vec<OsString>, Error> {
        let python = arm.interpreter().map(|i| i.executable.clone());
        let fill = Fill { python, workers: arm.workers, model: arm.model(), port };
        let words = |command: &str| -> Result<Vec<OsString>, Error> {
            // Split before filling in: a value with a space stays one word.
            Ok(split(command)?.iter().map(|w| fill.fill(w).into()).collect())
        };
        if let Runs::Also { command, .. } = &arm.runs {
            return words(command);
        }
        let python = fill.python.clone().unwrap_or_default().into_os_string();
        let after = |first: Vec<OsString>, args: &[String]| -> Vec<OsString> {
            first.into_iter().chain(args.iter().map(|a| fill.fill(a).into())).collect()
        };
        Ok(match self {
            Workload::Script { path, args } => after(vec![python, path.clone().into()], args),
            Workload::Module { name, args } => after(vec![python, "-m".into(), name.into()], args),
            Workload::Command { command } | Workload::Serve { command, .. } => words(command)?,
            Workload::Task { target, items, chunk } => {
                let here = std::env::current_dir().unwrap_or_default();
                let job = serde_json::json!({
                    "target": target, "items": items, "chunk": chunk.unwrap_or(0), "where": here,
                    "model": arm.model().unwrap_or(Model::Sequential), "workers": arm.workers.unwrap_or(1),
                });
                vec![python, support.join("ungil_task.py").into(), job.to_string().into()]
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_placeholders_and_keeps_other_braces() {
        let fill = Fill {
            python: Some("/a b/python".into()),
            workers: Some(4),
            model: Some(Model::Fork),
            port: Some(80),
        };
        let filled = fill.fill("{python} -j{workers} {model} {url} {x}");
        assert_eq!(filled, "/a b/python -j4 fork http://127.0.0.1:80/ {x}");
        assert_eq!(Fill::default().fill("{workers}{model}"), "{workers}{model}");
    }
}
