//! `--index`: looks up wheels for the build through the user's installer.

use crate::args::Audit as Arguments;
use crate::error::CliError;
use crate::sanitize::sanitize;
use std::time::Duration;
use ungil_audit::audit::Audit;
use ungil_audit::index::{Available, IndexAnswer, Installer, WaitLimit, ask_all};
use ungil_audit::target::{Build, Platform};
use ungil_format::counted;

/// Timeout for one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(180);

/// Looks up every project with wheels specific to a build.
pub(super) fn run(
    args: &Arguments,
    audit: &Audit,
    is_cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<IndexAnswer>, CliError> {
    let usage =
        |why| CliError::usage("cannot query the index", why, "install uv or pip, or omit --index");
    let platform =
        Platform::here().ok_or_else(|| usage("the wheels for this machine are unknown"))?;
    let installer = Installer::find()
        .ok_or_else(|| usage("there is no uv and no python3 with pip on the PATH"))?;
    let queries = audit.index_queries(platform);
    let bar = super::progress(args, queries.len());
    let wait = WaitLimit { timeout: ANSWER_TIMEOUT, is_cancelled };
    let answers = ask_all(&installer, &queries, (audit.build, platform), wait, &|done| {
        bar.set_position(done as u64)
    });
    bar.finish_and_clear();
    Ok(answers.into_iter().flatten().collect())
}

/// Returns whether the index gave no answer about the version.
pub(super) fn has_no_answer(answer: &IndexAnswer) -> bool {
    answer.this.is_none() && answer.error.is_some()
}

/// Describes an answer, and returns whether a wheel or an answer is missing.
pub(super) fn describe(answer: &IndexAnswer, build: Build) -> (bool, String) {
    let name = sanitize(&answer.name);
    let version = answer
        .version
        .as_deref()
        .map(|version| format!(" {}", sanitize(version)))
        .unwrap_or_default();
    let newest =
        answer.newest.as_ref().filter(|newest| Some(&newest.version) != answer.version.as_ref());
    let of_newest = match newest {
        Some(Available { wheel: Some(_), version, .. }) => {
            format!("; the newest version, {}, has one", sanitize(version))
        }
        Some(Available { version, .. }) if version.is_empty() => {
            "; the newest version has none either".to_owned()
        }
        Some(Available { version, .. }) => {
            format!("; the newest version, {}, has none", sanitize(version))
        }
        None if answer.newest.is_some() && answer.this.is_some() => {
            "; it is the newest version".to_owned()
        }
        None => match (&answer.this, &answer.error) {
            (Some(_), Some(error)) => {
                format!("; no answer about the newest version: {}", sanitize(error))
            }
            _ => String::new(),
        },
    };
    match (&answer.this, &answer.error) {
        (Some(Available { wheel: Some(wheel), .. }), _) => (
            false,
            format!("{name}{version}: the index has {}{of_newest}", sanitize(&wheel.to_string())),
        ),
        (Some(this), _) => {
            let count = this.wheels.len();
            let others = match (this.complete, count) {
                (true, 1..) => format!(" among its {}", counted(count, "wheel")),
                _ => String::new(),
            };
            (
                true,
                format!("{name}{version}: the index has no wheel for {build}{others}{of_newest}"),
            )
        }
        (None, None) => (
            newest.is_none_or(|newest| newest.wheel.is_none()),
            match newest {
                Some(Available { wheel: Some(wheel), .. }) => {
                    format!("{name}: the index has {}", sanitize(&wheel.to_string()))
                }
                _ => format!("{name}: the index has no wheel for {build}"),
            },
        ),
        (None, Some(error)) => (
            true,
            format!("{name}{version}: the index gave no answer: {}{of_newest}", sanitize(error)),
        ),
    }
}
