//! `ungil stress`: searches a program for races, and shows a finding again.

use crate::args::Stress as Arguments;
use crate::error::{CliError, FINDINGS, INTERRUPTED, print};
use crate::sanitize::sanitize;
use crate::signals;
use std::env;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;
use ungil_pythons::{Interpreter, Search, find, resolve};
use ungil_stress::{
    Level, Program, Schedule, SearchOptions, SearchReport, StressError, render, replay, schedules,
    search,
};

/// Searches, or replays, and prints what was found.
pub(crate) fn run(args: &Arguments) -> Result<ExitCode, CliError> {
    let options = options(args)?;
    let stop = signals::flag()?;
    if let Some(token) = &args.replay {
        let schedule = Schedule::load(token, &options.schedules)?;
        let done = replay(&schedule, &options, &stop)?;
        let Some(finding) = done.finding else {
            print(&format!("not shown again in {} runs\n", done.tries))?;
            return Ok(ExitCode::SUCCESS);
        };
        print(&shown(&render::finding_text(&finding)))?;
        print(&format!("shown again in run {}\n", done.tries))?;
        return Ok(ExitCode::from(FINDINGS));
    }
    let program = program(args)?;
    let report = search(&program, &options, &stop)?;
    if args.json {
        let all = serde_json::json!({
            "schema": "ungil.stress/1", "findings": report.findings, "runs": report.rounds,
            "failed_runs": report.failed, "seconds": report.elapsed.as_secs_f64(),
        });
        print(&format!("{all:#}\n"))?;
    } else {
        print(&shown(&render::text(&report, args.notes)))?;
    }
    code(&report)
}

/// Returns the text with names and source lines made harmless.
fn shown(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", sanitize(line))).collect()
}

/// Returns the exit code of a search.
fn code(report: &SearchReport) -> Result<ExitCode, CliError> {
    if report.count(Level::Error) + report.count(Level::Warning) > 0 {
        return Ok(ExitCode::from(FINDINGS));
    }
    if report.interrupted {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    if report.rounds > 0 && report.failed == report.rounds {
        let how = report.first_status.map_or_else(|| "was ended".to_owned(), |s| s.to_string());
        let what = format!("the program failed in all {} runs", report.rounds);
        return Err(CliError::failed(what, how, "make it succeed without ungil first"));
    }
    Ok(ExitCode::SUCCESS)
}

fn options(args: &Arguments) -> Result<SearchOptions, CliError> {
    let here = env::current_dir().map_err(|error| {
        CliError::failed("cannot determine the current folder", error, "change to one that exists")
    })?;
    let prefixes = |paths: &[std::path::PathBuf]| {
        let absolute = paths.iter().map(|path| std::path::absolute(path).unwrap_or(path.clone()));
        absolute.map(|path| path.to_string_lossy().into_owned()).collect()
    };
    Ok(SearchOptions {
        rounds: args.rounds,
        stops_at_first: args.first,
        budget: Duration::from_secs_f64(args.budget),
        timeout: Duration::from_secs_f64(args.timeout),
        seed: args.seed,
        threads: args.threads,
        include: prefixes(&args.include),
        exclude: prefixes(&args.exclude),
        moves_output: args.json,
        schedules: schedules(&here),
    })
}

/// Finds the interpreter, and what of the command line it is to run.
fn program(args: &Arguments) -> Result<Program, CliError> {
    let interpreter = interpreter(args.python.as_deref())?;
    let words: Vec<&str> = args.program.iter().map(String::as_str).collect();
    let arguments: Vec<&str> = match words.as_slice() {
        [python, rest @ ..] if is_python(python) => rest.to_vec(),
        ["pytest", rest @ ..] | ["py.test", rest @ ..] => [&["-m", "pytest"], rest].concat(),
        all => all.to_vec(),
    };
    let Some(first) = arguments.first() else {
        return Err(CliError::usage(
            "no program",
            "nothing follows the interpreter",
            "name a script",
        ));
    };
    if *first == "-c" || (first.starts_with('-') && *first != "-m") {
        let what = format!("{first} is not supported");
        return Err(CliError::usage(what, "a script or -m MODULE is run", "write it to a file"));
    }
    if *first != "-m" && !std::path::Path::new(first).is_file() {
        let what = format!("there is no script {first}");
        return Err(CliError::usage(what, "no such file", "give a path, or -m MODULE"));
    }
    Ok(Program {
        python: interpreter.executable,
        arguments: arguments.into_iter().map(OsString::from).collect(),
    })
}

fn is_python(word: &str) -> bool {
    let name = word.rsplit('/').next().unwrap_or(word);
    name.strip_prefix("python")
        .is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.' || c == 't'))
}

/// Returns the interpreter asked for, or else the newest free-threaded one.
fn interpreter(asked: Option<&str>) -> Result<Interpreter, CliError> {
    let search = Search::from_env();
    let found = match asked {
        Some(spec) => resolve(spec, &search)?,
        None => find(&search).into_iter().find(|python| python.free_threaded).ok_or_else(|| {
            CliError::failed(
                "no free-threaded Python found",
                "races are searched for on a build without the GIL",
                "ungil pythons install 3.14t",
            )
        })?,
    };
    if !found.free_threaded {
        return Err(CliError::usage(
            format!("{} has the GIL", found.executable.display()),
            "races are searched for on a free-threaded build, 3.14t or newer",
            "--python 3.14t; ungil pythons lists what is installed",
        ));
    }
    Ok(found)
}

impl From<StressError> for CliError {
    fn from(error: StressError) -> CliError {
        let what = "cannot search for races";
        let help = match &error {
            StressError::Refused(_) => "see ungil stress --help for what is supported",
            StressError::Schedule(..) => {
                "give the token of a message, from the folder it was found in"
            }
            StressError::Files(_) => "free space in the folder for temporary files",
            StressError::Start(..) => "check the interpreter: ungil pythons",
        };
        CliError::failed(what, error, help)
    }
}
