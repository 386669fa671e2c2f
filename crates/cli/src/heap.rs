//! `ungil heap`: counts the objects of a live process, once or twice, or of a core file.

mod render;

use crate::args::{Heap as Arguments, Order};
use crate::error::{CliError, INTERRUPTED, print};
use crate::sanitize;
use crate::signals;
use crate::width::{table_width, text_width};
use cpython_layout::Version;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Serialize, Serializer};
use std::cmp::Reverse;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};
use ungil_format::wrap;
use ungil_remote::Python;
use ungil_remote::heap::{self, Heap, HeapError, SurveyProgress, TypeCount, TypeGrowth};
use ungil_remote::snapshot::CoreView;

/// The report, printed as it is with `--json`.
#[derive(Debug, Serialize)]
struct HeapReport<'a> {
    schema: &'static str,
    pid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    core: Option<CoreView>,
    command: &'a [String],
    #[serde(serialize_with = "version_fields")]
    version: Version,
    free_threaded: bool,
    /// Whether Ctrl-C ended it; the figures are what had been counted by then.
    interrupted: bool,
    #[serde(flatten)]
    heap: &'a Heap,
    #[serde(skip_serializing_if = "Option::is_none")]
    modules: Option<&'a [TypeCount]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    growth: Option<Growth<'a>>,
    /// Missing parts of a core and of the files it was mapped from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// Writes the version as an object, such as `{"major": 3, "minor": 15, "micro": 0, "level":
/// "candidate", "serial": 2}`.
fn version_fields<S: Serializer>(version: &Version, serializer: S) -> Result<S::Ok, S::Error> {
    let Version { major, minor, micro, level, serial } = version;
    let level = format!("{level:?}").to_lowercase();
    let fields = serde_json::json!({ "major": major, "minor": minor, "micro": micro, "level": level, "serial": serial });
    fields.serialize(serializer)
}

/// The growth between two surveys.
#[derive(Debug, Serialize)]
struct Growth<'a> {
    /// Time from the start of the first survey to the start of the second.
    seconds: f64,
    changes: &'a [TypeGrowth],
}

/// Surveys the heap and prints the report.
pub(crate) fn run(args: &Arguments) -> Result<ExitCode, CliError> {
    check(args)?;
    // Before Ctrl-C is caught, because decompressing a core may take a while.
    let python = args.target.open(&args.files)?;
    let stop = signals::flag()?;
    let mut heap = survey(&python, args, &stop)?;
    let mut growth = None;
    if let Some(seconds) = args.diff {
        let begun = Instant::now();
        wait(Duration::from_secs_f64(seconds), &stop);
        // A partial first survey compared with a complete second one would show false growth.
        if !stop.load(Ordering::Relaxed) && !heap.look.cut_short {
            let apart = begun.elapsed().as_secs_f64() + heap.took_s;
            let later = survey(&python, args, &stop)?;
            if !later.look.cut_short {
                growth = Some((apart, changes(args, &heap, &later)));
                heap = later;
            }
        }
        if growth.is_none() && !stop.load(Ordering::Relaxed) {
            return Err(CliError::failed(
                format!("cannot measure the growth of process {}", python.process().pid),
                "counting took longer than --limit",
                "increase --limit",
            ));
        }
    }
    let interrupted = stop.load(Ordering::Relaxed);
    if heap.objects == 0 && !interrupted {
        return Err(CliError::failed(
            format!("no objects found in {}", args.target),
            match python.process().core().and_then(|core| core.missing().into_iter().next()) {
                Some(missing) => missing,
                None => "its interpreter is starting or ending, or counting was stopped by --limit"
                    .into(),
            },
            "try again, or increase --limit",
        ));
    }
    order(&mut heap.types, args.sort);
    let mut modules = args.module.then(|| heap::by_module(&heap.types));
    if let Some(modules) = &mut modules {
        order(modules, args.sort);
    }
    if args.json {
        let most = args.top.filter(|&most| most > 0).unwrap_or(usize::MAX);
        heap.types.truncate(most);
        if let Some(modules) = &mut modules {
            modules.truncate(most);
        }
        if let Some((_, changes)) = &mut growth {
            changes.truncate(most);
        }
    }
    let report = HeapReport {
        schema: "ungil.heap/1",
        pid: python.process().pid,
        core: python.process().core().map(|core| CoreView::new(core)),
        command: &python.process().command,
        version: python.version(),
        free_threaded: python.offsets().free_threaded,
        interrupted,
        heap: &heap,
        modules: modules.as_deref(),
        growth: growth.as_ref().map(|(seconds, changes)| Growth { seconds: *seconds, changes }),
        warnings: python.process().core().map(|core| core.missing()).unwrap_or_default(),
    };
    if args.json {
        let text = serde_json::to_string_pretty(&report).map_err(|e| {
            CliError::failed("cannot write the result as JSON", e, "report this as a bug")
        })?;
        print(&format!("{}\n", sanitize::sanitize_json(&text)))?;
    } else {
        let text = render::report(&report, args.top.unwrap_or(25), table_width(false));
        print(&wrap(&text, text_width(), 2))?;
    }
    Ok(if interrupted { ExitCode::from(INTERRUPTED) } else { ExitCode::SUCCESS })
}

/// Surveys the heap, with a progress bar once it takes more than a second.
fn survey(python: &Python, args: &Arguments, stop: &AtomicBool) -> Result<Heap, CliError> {
    let begun = Instant::now();
    let mut bar = None;
    let shown = !args.quiet && std::io::stderr().is_terminal();
    let mut report = |progress: SurveyProgress| {
        if shown && begun.elapsed() > Duration::from_secs(1) {
            let bar = bar.get_or_insert_with(|| {
                let bar = ProgressBar::new(progress.total);
                // An invalid template is a bug in this line only; the default style works too.
                if let Ok(style) = ProgressStyle::with_template("{bar:24} {elapsed}  {msg}") {
                    bar.set_style(style);
                }
                bar
            });
            bar.set_position(progress.done);
            bar.set_message(ungil_format::counted(progress.objects, "object"));
        }
        !stop.load(Ordering::Relaxed)
    };
    let found = heap::survey(python, Duration::from_secs_f64(args.limit), &mut report);
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    found.map_err(|error| match error {
        HeapError::Process(error) => error.into(),
        HeapError::Read(error) => python.process().attach_error(error).into(),
        HeapError::Allocator(_) | HeapError::Collector(_) => CliError::failed(
            format!("cannot read the heap of {}", args.target),
            error,
            "use a release build of CPython 3.13 to 3.15, or a newer ungil",
        ),
    })
}

/// Rejects options that do not apply to a core, or to a live process.
fn check(args: &Arguments) -> Result<(), CliError> {
    if args.target.is_core() && args.diff.is_some() {
        return Err(CliError::usage(
            "--diff needs a live process",
            "a core is a single moment",
            "omit --diff, or compare the --json output of two cores",
        ));
    }
    args.files.check(args.target.is_core())
}

fn wait(time: Duration, stop: &AtomicBool) {
    let until = Instant::now() + time;
    while !stop.load(Ordering::Relaxed) {
        match until.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => sleep(left.min(Duration::from_millis(50))),
            _ => break,
        }
    }
}

fn changes(args: &Arguments, before: &Heap, after: &Heap) -> Vec<TypeGrowth> {
    let mut changes = if args.module {
        heap::growth(&heap::by_module(&before.types), &heap::by_module(&after.types))
    } else {
        heap::growth(&before.types, &after.types)
    };
    match args.sort {
        Order::Bytes => changes.sort_by_key(|change| Reverse(change.bytes_gained)),
        Order::Objects => changes.sort_by_key(|change| Reverse(change.objects_gained)),
        Order::Name => changes.sort_by(|a, b| (&a.module, &a.name).cmp(&(&b.module, &b.name))),
    }
    changes
}

fn order(counts: &mut [TypeCount], by: Order) {
    match by {
        Order::Bytes => counts.sort_by_key(|count| Reverse(count.bytes)),
        Order::Objects => counts.sort_by_key(|count| Reverse(count.objects)),
        Order::Name => counts.sort_by(|a, b| (&a.module, &a.name).cmp(&(&b.module, &b.name))),
    }
}
