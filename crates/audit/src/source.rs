//! Python sources: what they import, and what in them goes wrong once threads really run at the
//! same time. Nothing is executed.
//!
//! A file is decoded as its declaration says, measured, parsed by Ruff's parser, walked, and
//! forgotten: a [`Source`] is what is kept of it. The tree itself never leaves the thread that made
//! it, because to walk or drop a tree takes stack in proportion to its depth: that thread has a
//! stack of known size, and a file nested too deeply for it is refused before it is parsed.

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

/// Longest file that is read, in bytes.
pub const MAX_BYTES: usize = 8 << 20;

/// Stack of a thread that parses, in bytes: a tree of [`nesting::MAX_DEPTH`] needs less than a
/// quarter of it, even in a build without optimisation.
const STACK_BYTES: usize = 128 << 20;

/// Why a source could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// More than [`MAX_BYTES`].
    #[error("it has {0} bytes, more than the {MAX_BYTES} that are read")]
    TooLong(usize),
    /// More tokens than are parsed.
    #[error("it has more than {0} tokens")]
    TooManyTokens(usize),
    /// Nested more deeply than is parsed.
    #[error("line {line} may be nested more than {most} deep")]
    TooDeep {
        /// Where, from 1.
        line: usize,
        /// What is allowed.
        most: usize,
    },
    /// Its declaration names an encoding that is not known here.
    #[error("it declares the encoding {0}, which is not known")]
    Encoding(String),
    /// It is not text in the encoding that it declares, or in UTF-8 where it declares none.
    #[error("it is not {0}")]
    NotText(String),
    /// It is not Python as the newest version has it.
    #[error("line {line}: {what}")]
    Syntax {
        /// Where, from 1.
        line: usize,
        /// What the parser says.
        what: String,
    },
    /// The parser gave up on it, which is a defect of the parser.
    #[error("the parser failed on it")]
    Parser,
    /// No thread could be started to read it.
    #[error("no thread could be started: {0}")]
    Thread(String),
}

/// What is kept of a source.
#[derive(Debug, Clone)]
pub struct Source {
    imports: Vec<Import>,
    hazards: Vec<Hazard>,
    starts: Option<usize>,
    left_out: usize,
}

impl Source {
    /// ItemReads the bytes of a file, in a thread of its own.
    ///
    /// # Errors
    ///
    /// The file is too long, too deep, not text, or not Python.
    pub fn parse(bytes: &[u8]) -> Result<Source, SourceError> {
        std::thread::scope(|scope| {
            let thread = parser_thread().spawn_scoped(scope, || Source::parse_here(bytes));
            let thread = thread.map_err(|error| SourceError::Thread(error.to_string()))?;
            thread.join().unwrap_or(Err(SourceError::Parser))
        })
    }

    /// ItemReads it in this thread, which has the stack for it.
    fn parse_here(bytes: &[u8]) -> Result<Source, SourceError> {
        catch_unwind(AssertUnwindSafe(|| Source::read(bytes))).unwrap_or(Err(SourceError::Parser))
    }

    /// What it imports and nothing else, in this thread, which has the stack for it.
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

    /// What is hazardous in it as far as it shows by itself, in the order of lines; the hazards
    /// name no file yet.
    #[must_use]
    pub fn hazards(&self) -> &[Hazard] {
        &self.hazards
    }

    /// How many hazards were more than are kept of one file.
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.left_out
    }
}

/// Parses the bytes of a file, and hands its tree, its text and its lines on.
fn with_tree<R>(
    bytes: &[u8],
    look: impl FnOnce(&Parsed<ModModule>, &str, &text::LineIndex<'_>) -> R,
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
    Ok(look(&parsed, &text, &lines))
}

/// What a source imports, in its order.
#[must_use]
pub fn imports(source: &Source) -> Vec<Import> {
    source.imports.clone()
}

/// A thread that can hold the deepest tree.
fn parser_thread() -> std::thread::Builder {
    std::thread::Builder::new().name("source".into()).stack_size(STACK_BYTES)
}
