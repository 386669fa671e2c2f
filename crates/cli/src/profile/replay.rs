//! Converts recordings to other formats and to text, and compares two of them.

use super::output::{cannot_write, chosen_format, write_profile};
use super::render::{about, summary};
use crate::args::Profile as Args;
use crate::error::{CliError, print};
use crate::sanitize::sanitize;
use crate::width::text_width;
use std::error::Error as _;
use std::path::Path;
use std::process::ExitCode;
use ungil_format::wrap;
use ungil_profile::{
    ChangeBy, Format, Profile, Recording, RecordingError, changes, write_difference,
};

/// Maximum number of changes printed.
const MAX_CHANGES: usize = 20;

/// `--replay`.
pub(super) fn replay(args: &Args, path: &Path) -> Result<ExitCode, CliError> {
    let recording = Recording::open(path).map_err(|error| unreadable(&error))?;
    let format = chosen_format(args)?;
    if let Some(why) = recording.cut() {
        eprintln!(
            "note: the recording ends early ({}); everything before that is used",
            sanitize(why)
        );
    }
    let written = match (format, &args.output) {
        (Some(format), Some(to)) => Some((format, to.clone())),
        (Some(format), None) => Some((format, path.with_extension(ending(format)))),
        (None, _) => None,
    };
    if let Some((format, to)) = &written {
        write_profile(*format, recording.profile(), Some(&recording), to)?;
    }
    if args.json {
        print(&format!("{:#}\n", summary(recording.profile())))?;
    } else {
        let mut text = wrap(&about(recording.profile()), text_width(), 4);
        if let Some((format, to)) = written {
            text.push_str(&format!(
                "\nWritten: {} (open with {})\n",
                to.display(),
                format.opens_with()
            ));
        }
        print(&text)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn ending(format: Format) -> &'static str {
    format.extensions().first().map_or("", |ending| ending.trim_start_matches('.'))
}

/// `--diff`.
pub(super) fn diff(args: &Args, before: &Path, after: &Path) -> Result<ExitCode, CliError> {
    let load = |path: &Path| Profile::load(path).map_err(|error| unreadable(&error));
    let (before, after) = (load(before)?, load(after)?);
    match (chosen_format(args)?, &args.output) {
        (None | Some(Format::Flame), Some(to)) => {
            write_difference(&before, &after, to).map_err(|error| cannot_write(to, error))?;
        }
        (Some(format), _) if format != Format::Flame => {
            return Err(CliError::usage(
                format!("a comparison cannot be written as {}", format.name()),
                "only the flame graph can show two profiles",
                "use -o FILE.html",
            ));
        }
        _ => {}
    }
    let changes = changes(&before, &after, ChangeBy::Line);
    if args.json {
        let rows: Vec<_> = changes
            .iter()
            .map(|change| serde_json::json!({"change": change.change(), "text": change.describe()}))
            .collect();
        return print(&format!("{:#}\n", serde_json::json!({ "changes": rows })))
            .map(|()| ExitCode::SUCCESS);
    }
    let mut text: String = changes
        .iter()
        .take(MAX_CHANGES)
        .map(|change| format!("{}\n", sanitize(&change.describe())))
        .collect();
    if text.is_empty() {
        text = "no changes\n".into();
    }
    text = wrap(&text, text_width(), 4);
    if let Some(to) = &args.output {
        text.push_str(&format!(
            "\nWritten: {} (open with {})\n",
            to.display(),
            Format::Flame.opens_with()
        ));
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn unreadable(error: &RecordingError) -> CliError {
    let why = error
        .source()
        .map_or_else(|| "it does not have the format of a recording".into(), ToString::to_string);
    CliError::usage(error.to_string(), why, "give a recording of ungil profile (.ungil)")
}
