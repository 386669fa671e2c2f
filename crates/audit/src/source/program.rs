//! Combines all sources of a program or a distribution: a fork in one file is worse if another file
//! starts threads.

use super::{Confidence, Hazard, Import, Rule, Source, SourceError, parser_thread};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Result of reading the sources of a program.
#[derive(Debug, Clone, Default)]
pub struct ProgramReport {
    /// Ordered by file and line.
    pub hazards: Vec<Hazard>,
    /// Files that could not be read, with the reason.
    pub unread: Vec<(PathBuf, SourceError)>,
    /// Files with more hazards than the limit, and how many were dropped.
    pub left_out: Vec<(PathBuf, usize)>,
    /// Number of files that were read.
    pub files: usize,
}

/// Maximum number of parser threads.
const MAX_THREADS: usize = 8;

/// Reads the sources that an iterator yields, on all CPUs. Files are taken from the iterator when a
/// thread is free, so each thread has at most one file in memory.
pub fn audit_program<I, T>(files: I) -> ProgramReport
where
    I: IntoIterator<Item = (PathBuf, T)>,
    I::IntoIter: Send,
    T: AsRef<[u8]>,
{
    let read = |(path, bytes): (PathBuf, T)| (path, Source::parse_here(bytes.as_ref()));
    let (mut sources, left) = parallel_map(files, read);
    // No thread could be started: report the remaining files.
    sources.extend(left.into_iter().map(|(path, _)| {
        (path, Err(SourceError::Thread("the limit of threads is reached".into())))
    }));
    sources.sort_by(|one, other| one.0.cmp(&other.0));
    merge(sources)
}

/// Returns the imports of sources, each with its tag. `load` returns the bytes of a file.
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

/// Applies a function to all items on parser threads, one per CPU. Returns the results, and the
/// items that were not processed because no thread could be started.
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
            // If the iterator panicked in another thread, it is treated as exhausted.
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
    // A thread that only a test starts does not count.
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

/// Returns the common parent folder, whose own name says nothing about the files.
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

/// Adjusts the confidence of a hazard to the whole program, and sets its file.
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

/// Returns whether a file is a test by the naming rules of test runners. Tests run one at a time.
fn is_test(path: &Path) -> bool {
    let is_folder = |name: &str| matches!(name, "test" | "tests" | "testing");
    let mut names = path.iter().filter_map(|name| name.to_str()).rev();
    let is_file = names.next().is_some_and(|name| {
        name.starts_with("test_") || name.ends_with("_test.py") || name == "conftest.py"
    });
    is_file || names.any(is_folder)
}
