//! Exports a view to a file: as shown in `.txt`, everything in `.json`.

use super::app::App;
use super::render;
use super::rows::Row;
use std::fs::OpenOptions;
use std::io::Write;

/// Writes the current view, and returns the outcome as a message. Existing files are not
/// overwritten.
pub(super) fn export(app: &App, path: &str) -> String {
    let Some(view) = &app.view else { return "there is no view to export yet".into() };
    let content = if path.ends_with(".txt") {
        let mut threads: Vec<Row<'_>> = view.threads.iter().map(Row::Thread).collect();
        super::rows::filter(
            &mut threads,
            if app.tab == super::app::Tab::Threads { &app.filter } else { "" },
        );
        super::rows::sort(
            &mut threads,
            if app.tab == super::app::Tab::Threads { app.sort() } else { "cpu" },
        );
        render::view(view, &super::threads_of(&threads), None)
    } else {
        match serde_json::to_string_pretty(view) {
            Ok(json) => json + "\n",
            Err(error) => return format!("not written: {error}"),
        }
    };
    let written =
        OpenOptions::new().write(true).create_new(true).open(path).and_then(|mut file| {
            file.write_all(content.as_bytes())?;
            file.sync_all()
        });
    match written {
        Ok(()) => format!("written to {path}"),
        Err(error) => format!("not written to {path}: {error}"),
    }
}
