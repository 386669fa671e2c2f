//! Validates a workload before anything runs.

use crate::error::{Error, usage};
use crate::serve::ready::ReadyTest;
use crate::workload::{Fill, Workload, split};

impl Workload {
    /// Checks what can be checked before anything runs.
    ///
    /// # Errors
    /// [`Error::Usage`] for a missing script, a missing placeholder such as `{python}`, an unclosed
    /// quote, an invalid `--ready` or a malformed task.
    pub fn check(&self) -> Result<(), Error> {
        match self {
            Workload::Script { path, .. } if !path.is_file() => Err(usage(
                format!("cannot find the script '{}'", path.display()),
                if path.is_dir() { "it is a directory" } else { "the file does not exist" },
                "give the path of a Python file, -m MODULE, or --command",
            )),
            Workload::Command { command } => require_placeholder(command, "--command", "{python}"),
            Workload::Serve { command, load, .. } => {
                require_placeholder(command, "--serve", "{python}")?;
                require_placeholder(command, "--serve", "{port}")?;
                if !load.contains("{port}") {
                    require_placeholder(load, "--load", "{url}")?;
                }
                let fill = Fill { port: Some(1), ..Fill::default() };
                self.serving().map_or(Ok(()), |serving| ReadyTest::of(serving, &fill).map(|_| ()))
            }
            Workload::Task { target, .. }
                if target.split_once(':').is_none_or(|(m, f)| m.is_empty() || f.is_empty()) =>
            {
                Err(usage(
                    format!("'{target}' does not name a task"),
                    "a task is a module, a colon and a function",
                    "write for example --task package.module:function",
                ))
            }
            _ => Ok(()),
        }
    }
}

fn require_placeholder(command: &str, flag: &str, placeholder: &str) -> Result<(), Error> {
    split(command)?;
    if command.contains(placeholder) {
        return Ok(());
    }
    let what = match placeholder {
        "{python}" => "every arm would run the same program",
        "{port}" => "the service would not know where to listen",
        _ => "the load generator would not know where the service is",
    };
    Err(usage(
        format!("{flag} does not contain {placeholder}"),
        what,
        format!("add {placeholder} to the command"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_invalid_workloads() {
        let bad = [
            Workload::Script { path: "no/such.py".into(), args: vec![] },
            Workload::Command { command: "python x.py".into() },
            Workload::Command { command: "{python} 'x".into() },
            serve("{python} x", "wrk {url}", None),
            serve("{python} {port}", "wrk", None),
            serve("{python} {port}", "wrk {url}", Some("regex:(")),
            serve("{python} {port}", "wrk {url}", Some("https://{host}:{port}/")),
            serve("{python} {port}", "wrk {url}", Some("'")),
            Workload::Task { target: "module".into(), items: "range(3)".into(), chunk: None },
        ];
        for workload in bad {
            assert!(matches!(workload.check(), Err(Error::Usage(_))), "{workload:?}");
        }
        for ready in ["http://{host}:{port}/health", "regex:started", "curl -fs {url}"] {
            assert!(serve("{python} {port}", "wrk {url}", Some(ready)).check().is_ok(), "{ready}");
        }
    }

    fn serve(command: &str, load: &str, ready: Option<&str>) -> Workload {
        Workload::Serve {
            command: command.into(),
            load: load.into(),
            ready: ready.map(Into::into),
            ready_timeout_s: None,
            settle_s: None,
        }
    }
}
