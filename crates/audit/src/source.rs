//! Reads Python sources: their imports, and code that is unsafe when threads run in parallel.
//! Nothing is executed.
//!
//! A file is decoded as its encoding declaration says, checked for size and nesting, parsed by
//! Ruff's parser and visited; only a [`Source`] is kept. Visiting or dropping a syntax tree takes
//! stack in proportion to its depth. So each tree stays on the thread that parsed it, which has a
//! stack of known size, and a file nested too deeply for that stack is rejected before it is
//! parsed.

mod cache;
mod check_then_act;
mod context;
mod finalize;
mod foreign;
mod fork;
mod gil_control;
mod hazard;
mod imports;
mod lazy;
mod names;
mod nesting;
mod outline;
mod program;
mod text;
mod threads;
mod visitor;

pub use hazard::{Confidence, Hazard, Rule};
pub use imports::Import;
pub(crate) use program::imports_of_all;
pub use program::{ProgramReport, audit_program};

use ruff_python_ast::ModModule;
use ruff_python_parser::Parsed;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Maximum size of a source file in bytes.
pub const MAX_BYTES: usize = 8 << 20;

/// Stack size of parser threads in bytes. A tree of [`nesting::MAX_DEPTH`] needs less than a
/// quarter of it, even in an unoptimized build.
const STACK_BYTES: usize = 128 << 20;

/// Why a source file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// It is larger than [`MAX_BYTES`].
    #[error("it has {0} bytes; the limit is {MAX_BYTES}")]
    TooLong(usize),
    /// It has more tokens than are parsed.
    #[error("it has more than {0} tokens")]
    TooManyTokens(usize),
    /// It may be nested more deeply than is parsed.
    #[error("line {line} may be nested more than {limit} levels deep")]
    TooDeep {
        /// Line, from 1.
        line: usize,
        /// Maximum nesting depth.
        limit: usize,
    },
    /// Its encoding declaration names an unsupported encoding.
    #[error("it declares the encoding {0}, which is not supported")]
    Encoding(String),
    /// It is not valid in its declared encoding, or in UTF-8 if it declares none.
    #[error("it is not valid {0}")]
    NotText(String),
    /// It is not valid in the newest supported version of Python.
    #[error("line {line}: {what}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Message of the parser.
        what: String,
    },
    /// The parser panicked.
    #[error("the parser failed")]
    Parser,
    /// No thread could be started to parse it.
    #[error("no thread could be started: {0}")]
    Thread(String),
}

/// What is kept of a source file.
#[derive(Debug, Clone)]
pub struct Source {
    imports: Vec<Import>,
    hazards: Vec<Hazard>,
    starts: Option<usize>,
    left_out: usize,
}

impl Source {
    /// Parses the bytes of a file on a thread of its own.
    ///
    /// # Errors
    ///
    /// The file is too large, too deeply nested, not text, or not Python.
    pub fn parse(bytes: &[u8]) -> Result<Source, SourceError> {
        std::thread::scope(|scope| {
            let thread = parser_thread().spawn_scoped(scope, || Source::parse_here(bytes));
            let thread = thread.map_err(|error| SourceError::Thread(error.to_string()))?;
            thread.join().unwrap_or(Err(SourceError::Parser))
        })
    }

    /// Parses on the current thread, which must be a [`parser_thread`].
    fn parse_here(bytes: &[u8]) -> Result<Source, SourceError> {
        catch_unwind(AssertUnwindSafe(|| Source::read(bytes))).unwrap_or(Err(SourceError::Parser))
    }

    /// Returns only the imports. Parses on the current thread, which must be a [`parser_thread`].
    fn imports_here(bytes: &[u8]) -> Result<Vec<Import>, SourceError> {
        let read = || with_tree(bytes, |parsed, _, lines| imports::of(parsed.suite(), lines));
        catch_unwind(AssertUnwindSafe(read)).unwrap_or(Err(SourceError::Parser))
    }

    fn read(bytes: &[u8]) -> Result<Source, SourceError> {
        with_tree(bytes, |parsed, text, lines| {
            let imports = imports::of(parsed.suite(), lines);
            let comments = finalize::IgnoreComments::of(parsed.tokens(), text, lines);
            let walked = visitor::visit_module(parsed.suite(), text);
            let starts = walked.starts.first().map(|(_, _, range)| lines.line(range.start()));
            let left_out = walked.left_out;
            Source {
                imports,
                hazards: finalize::finalize(walked, lines, &comments),
                starts,
                left_out,
            }
        })
    }

    /// Returns the hazards that the file shows by itself, ordered by line. Their `file` is empty.
    #[must_use]
    pub fn hazards(&self) -> &[Hazard] {
        &self.hazards
    }

    /// Returns how many hazards exceeded the limit for one file.
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.left_out
    }
}

/// Parses the bytes of a file and passes its tree, text and line index to a function.
fn with_tree<R>(
    bytes: &[u8],
    visit: impl FnOnce(&Parsed<ModModule>, &str, &text::LineIndex<'_>) -> R,
) -> Result<R, SourceError> {
    if bytes.len() > MAX_BYTES {
        return Err(SourceError::TooLong(bytes.len()));
    }
    let text = text::decode(bytes)?;
    nesting::check(&text)?;
    let lines = text::LineIndex::new(&text);
    let parsed = ruff_python_parser::parse_module(&text).map_err(|error| SourceError::Syntax {
        line: lines.line(error.location.start()),
        what: error.error.to_string(),
    })?;
    Ok(visit(&parsed, &text, &lines))
}

/// Returns the imports of a source in order.
#[must_use]
pub fn imports(source: &Source) -> Vec<Import> {
    source.imports.clone()
}

/// Returns a builder for a thread whose stack can hold the deepest tree.
fn parser_thread() -> std::thread::Builder {
    std::thread::Builder::new().name("source".into()).stack_size(STACK_BYTES)
}
