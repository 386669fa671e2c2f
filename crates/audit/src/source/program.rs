//! All sources of a program or a distribution together: a fork in one file is worse for a thread
//! that is started in another.

use super::{Confidence, Hazard, Import, Rule, Source, SourceError, parser_thread};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// What was found in the sources of a program.
#[derive(Debug, Clone, Default)]
pub struct ProgramReport {
    /// In the order of files and lines.
    pub hazards: Vec<Hazard>,
    /// What could not be read, and why.
    pub unread: Vec<(PathBuf, SourceError)>,
    /// Files with more hazards than are kept of one file, and how many were left out.
    pub left_out: Vec<(PathBuf, usize)>,
    /// How many files were read.
    pub files: usize,
}

/// Most threads that parse.
const MAX_THREADS: usize = 8;

/// ItemReads the sources that an iterator gives, on as many threads as the machine has CPUs; files are
/// taken as they are needed, so that no more of them than there are threads need be in memory.
pub fn audit_program<I, T>(files: I) -> ProgramReport
where
    I: IntoIterator<Item = (PathBuf, T)>,
    I::IntoIter: Send,
    T: AsRef<[u8]>,
{
    let read = |(path, bytes): (PathBuf, T)| (path, Source::parse_here(bytes.as_ref()));
    let (mut sources, left) = parallel_map(files, read);
    // No thread could be started: what is left is named, not passed over.
    sources.extend(
        left.into_iter()
            .map(|(path, _)| (path, Err(SourceError::Thread("there are too many".into())))),
    );
    sources.sort_by(|one, other| one.0.cmp(&other.0));
    merge(sources)
}

/// What sources import, by the tags they are given with; `load` gives their bytes.
pub(crate) fn imports_of_all<T: Send>(
    files: Vec<(T, &Path)>,
    load: &(impl Fn(&Path) -> Result<Vec<u8>, String> + Sync),
) -> Vec<(T, Result<Vec<Import>, String>)> {
    let read = |(tag, path): (T, &Path)| {
        let imports = load(path)
            .and_then(|bytes| Source::imports_here(&bytes).map_err(|unread| unread.to_string()));
        (tag, imports)
    };
    let (mut read, left) = parallel_map(files, read);
    read.extend(
        left.into_iter().map(|(tag, _)| (tag, Err("no thread could be started".to_owned()))),
    );
    read
}

/// Works on all that an iterator gives, on as many threads as the machine has CPUs, each with the
/// stack that a parser needs. What is left if none can be started is given back.
fn parallel_map<I, R>(all: I, work: impl Fn(I::Item) -> R + Sync) -> (Vec<R>, Vec<I::Item>)
where
    I: IntoIterator<IntoIter: Send>,
    R: Send,
{
    let all = Mutex::new(all.into_iter().fuse());
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
    let run = || {
        let mut done = Vec::new();
        loop {
            // A caller's iterator that panicked is one that has ended.
            let next = all.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(next) = next else { return done };
            done.push(work(next));
        }
    };
    let mut done = Vec::new();
    std::thread::scope(|scope| {
        let started: Vec<_> =
            (0..threads).filter_map(|_| parser_thread().spawn_scoped(scope, run).ok()).collect();
        for thread in started {
            done.extend(thread.join().unwrap_or_default());
        }
    });
    (done, all.into_inner().unwrap_or_else(PoisonError::into_inner).collect())
}

fn merge(sources: Vec<(PathBuf, Result<Source, SourceError>)>) -> ProgramReport {
    let mut program = ProgramReport::default();
    let root = common_root(&sources);
    // A thread that only a test starts is not the program's.
    let starts = sources.iter().find_map(|(path, source)| {
        let line = source.as_ref().ok()?.starts?;
        let path = path.strip_prefix(&root).unwrap_or(path);
        (!is_test(path)).then(|| (path.to_owned(), line))
    });
    for (path, source) in sources {
        match source {
            Ok(source) => {
                program.files += 1;
                if source.left_out > 0 {
                    program.left_out.push((path.clone(), source.left_out));
                }
                let hazards = source
                    .hazards
                    .into_iter()
                    .map(|hazard| adjust_to_program(hazard, &path, &root, starts.as_ref()));
                program.hazards.extend(hazards);
            }
            Err(error) => program.unread.push((path, error)),
        }
    }
    program
}

/// The folder of them all: what it is called says nothing about the files in it.
fn common_root<T>(sorted: &[(PathBuf, T)]) -> PathBuf {
    let (Some((first, _)), Some((last, _))) = (sorted.first(), sorted.last()) else {
        return PathBuf::new();
    };
    let folder = first.parent().unwrap_or(first);
    folder
        .iter()
        .zip(last.iter())
        .take_while(|(one, other)| one == other)
        .map(|(name, _)| name)
        .collect()
}

/// A file's hazard in its program.
fn adjust_to_program(
    mut hazard: Hazard,
    path: &Path,
    root: &Path,
    starts: Option<&(PathBuf, usize)>,
) -> Hazard {
    let is_fork = matches!(hazard.rule, Rule::ForkWithThreads | Rule::PreexecFn);
    if is_fork
        && hazard.confidence == Confidence::Low
        && let Some((file, line)) = starts
    {
        hazard.confidence = Confidence::Medium;
        hazard.what =
            format!("{}; a thread is started in {}, line {line}", hazard.what, file.display());
    }
    if is_test(path.strip_prefix(root).unwrap_or(path)) {
        hazard.confidence = hazard.confidence.lower();
    }
    hazard.file = path.to_owned();
    hazard
}

/// Whether a file is a test, by the names that test runners look for: what it holds is used by one
/// test at a time.
fn is_test(path: &Path) -> bool {
    let is_folder = |name: &str| matches!(name, "test" | "tests" | "testing");
    let mut names = path.iter().filter_map(|name| name.to_str()).rev();
    let is_file = names.next().is_some_and(|name| {
        name.starts_with("test_") || name.ends_with("_test.py") || name == "conftest.py"
    });
    is_file || names.any(is_folder)
}
