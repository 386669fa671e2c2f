//! `ungil report`: renders records as an HTML page, Markdown, CSV or SVG files.

mod study;

use crate::args::{ReportArgs, ReportFormat};
use crate::error::{CliError, print};
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use ungil_report::{Page, RecordSet, disambiguate, html, markdown, pictures, read_records, runs};

/// Reads the records and writes the report.
pub(crate) fn run(args: &ReportArgs) -> Result<ExitCode, CliError> {
    let format = format(args)?;
    let mut found = RecordSet::default();
    let mut second = None;
    for path in &args.records {
        let more = read_records(path)?;
        // Two records or folders are compared with each other.
        second = second
            .or((args.records.len() == 2 && !found.records.is_empty())
                .then_some(found.records.len()));
        found.records.extend(more.records);
        found.refused.extend(more.refused);
    }
    disambiguate(&mut found.records);
    for line in &found.refused {
        eprintln!("note: {}", crate::sanitize::sanitize_all(line));
    }
    let study = study::read(&args.records);
    let page =
        Page { sources: &found.records, refused: &found.refused, second, study: study.as_ref() };
    let text = match format {
        ReportFormat::Html => html(page),
        ReportFormat::Md => markdown(page),
        ReportFormat::Csv => runs(&found.records),
        ReportFormat::Svg => return charts(args, page),
    };
    match output(args, format) {
        None => print(&text)?,
        Some(path) => {
            refuse_a_record(&path, &found)?;
            save(&path, text.as_bytes())?;
            print(&format!("Written: {}\n", path.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes each chart to a file of a folder, which is created if necessary.
fn charts(args: &ReportArgs, page: Page<'_>) -> Result<ExitCode, CliError> {
    let Some(folder) = output(args, ReportFormat::Svg) else {
        let why = "each chart is a separate file";
        return Err(CliError::usage(
            "charts cannot go to standard output",
            why,
            "give a folder with -o",
        ));
    };
    let cannot = |e: std::io::Error| {
        let what = format!("cannot create the folder {}", folder.display());
        CliError::failed(what, e, "give a writable folder with -o")
    };
    fs::create_dir_all(&folder).map_err(cannot)?;
    for picture in pictures(page) {
        let path = folder.join(&picture.name);
        save(&path, picture.svg.as_bytes())?;
        print(&format!("Written: {}\n", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the format given by name or by the extension of the output file.
fn format(args: &ReportArgs) -> Result<ReportFormat, CliError> {
    if let Some(format) = args.format {
        return Ok(format);
    }
    let ending = args.output.as_ref().and_then(|path| path.extension());
    match ending.map(|e| e.to_string_lossy().to_lowercase()).as_deref() {
        None | Some("html" | "htm") => Ok(ReportFormat::Html),
        Some("md" | "markdown") => Ok(ReportFormat::Md),
        Some("csv") => Ok(ReportFormat::Csv),
        Some("svg") => Ok(ReportFormat::Svg),
        Some(other) => Err(CliError::usage(
            format!("unknown extension '.{other}'"),
            "the format is chosen by the extension of the output file",
            "use .html, .md or .csv, or give --format",
        )),
    }
}

/// Returns the output file or folder; `None` is standard output.
fn output(args: &ReportArgs, format: ReportFormat) -> Option<PathBuf> {
    match &args.output {
        Some(path) if path.as_os_str() == "-" => None,
        Some(path) => Some(path.clone()),
        None if matches!(format, ReportFormat::Md | ReportFormat::Csv) => None,
        None => {
            let page = format == ReportFormat::Html;
            Some(match args.records.as_slice() {
                [folder] if folder.is_dir() => {
                    folder.join(if page { "report.html" } else { "charts" })
                }
                [record] if page => record.with_extension("html"),
                [record] => record.with_file_name(format!("{}-charts", stem(record))),
                _ => PathBuf::from(if page { "report.html" } else { "charts" }),
            })
        }
    }
}

fn stem(path: &Path) -> String {
    let name = path.file_stem().or(path.file_name());
    name.map_or_else(|| "records".into(), |n| n.to_string_lossy().into_owned())
}

/// Fails if the output would overwrite a record.
fn refuse_a_record(path: &Path, found: &RecordSet) -> Result<(), CliError> {
    let Ok(there) = fs::canonicalize(path) else { return Ok(()) };
    let same = |record: &Path| fs::canonicalize(record).is_ok_and(|r| r == there);
    if found.records.iter().any(|s| same(&s.path)) {
        return Err(CliError::usage(
            format!("cannot write {}", path.display()),
            "it is one of the records the report is made from",
            "give another file with -o",
        ));
    }
    Ok(())
}

/// Writes a file atomically.
fn save(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let cannot = |e: std::io::Error| {
        let what = format!("cannot write {}", path.display());
        CliError::failed(what, e, "give a file in a writable folder with free space with -o")
    };
    if path.is_dir() {
        let what = format!("cannot write {}", path.display());
        return Err(CliError::usage(what, "it is a folder", "give a file name with -o"));
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The usual permissions of a new file instead of the private ones of a temporary file.
    let mut file = tempfile::Builder::new()
        .prefix(".ungil-report-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(cannot)?;
    file.write_all(bytes).map_err(cannot)?;
    file.persist(path).map_err(|e| cannot(e.error))?;
    Ok(())
}
