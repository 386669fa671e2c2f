//! `--index`: whether there are wheels for the build, asked through the installer that the user
//! has.

use crate::args::Audit as Arguments;
use crate::error::CliError;
use crate::sanitize::sanitize;
use std::time::Duration;
use ungil_audit::audit::Audit;
use ungil_audit::index::{Answer, Available, Installer, Patience, survey};
use ungil_audit::target::{Build, Platform};
use ungil_format::counted;

/// The longest that one answer may take.
const LIMIT: Duration = Duration::from_secs(180);

/// Asks about everything that has wheels of its own for each build.
pub(super) fn run(
    args: &Arguments,
    audit: &Audit,
    is_told: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<Answer>, CliError> {
    let usage = |why| {
        CliError::usage(
            "there is nobody to ask the index",
            why,
            "leave --index away, or install uv or pip",
        )
    };
    let platform =
        Platform::here().ok_or_else(|| usage("it is not known which wheels this machine takes"))?;
    let installer = Installer::find()
        .ok_or_else(|| usage("there is no uv and no python3 with pip on the PATH"))?;
    let questions = audit.questions(platform);
    let bar = super::progress(args, questions.len());
    let patience = Patience { limit: LIMIT, is_told };
    let answers = survey(&installer, &questions, (audit.build, platform), patience, &|done| {
        bar.set_position(done as u64)
    });
    bar.finish_and_clear();
    Ok(answers.into_iter().flatten().collect())
}

/// Returns whether nothing is known of it: the index gave no answer of the version, nor of any with
/// a wheel.
pub(super) fn is_silent(answer: &Answer) -> bool {
    answer.this.is_none() && answer.error.is_some()
}

/// An answer in words, and whether it is bad news.
pub(super) fn words(answer: &Answer, build: Build) -> (bool, String) {
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
            format!("; the newest, {}, has one", sanitize(version))
        }
        Some(Available { version, .. }) if version.is_empty() => {
            "; the newest has none either".to_owned()
        }
        Some(Available { version, .. }) => format!("; the newest, {}, has none", sanitize(version)),
        None if answer.newest.is_some() && answer.this.is_some() => "; it is the newest".to_owned(),
        None => match (&answer.this, &answer.error) {
            (Some(_), Some(error)) => {
                format!("; of the newest it gave no answer: {}", sanitize(error))
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
            (true, format!("{name}{version}: the index has none for {build}{others}{of_newest}"))
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
