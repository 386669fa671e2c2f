//! Bounds the depth of a syntax tree from the tokens, before it is parsed.
//!
//! The depth below a statement is at most the number of tokens (operators, brackets, keywords: all
//! but leaves) since the last separator of siblings: a comma (but not one in the parameters of a
//! lambda), the end of a statement, the end of a replacement field in an f-string. Brackets and
//! indentation add up. By this measure a long list is flat and a long chain of `+` is not.

use super::SourceError;
use ruff_python_ast::token::TokenKind;
use ruff_python_parser::{Mode, lexer::lex};

/// Maximum depth of a tree that is parsed.
pub(super) const MAX_DEPTH: usize = 6_000;

/// Maximum number of tokens; a tree takes about fifty bytes for each.
const MAX_TOKENS: usize = 2_000_000;

#[derive(Default)]
struct NestingLevel {
    chain: usize,
    lambdas: usize,
    is_string: bool,
}

/// Rejects text that may be nested too deeply or has too many tokens.
pub(super) fn check(text: &str) -> Result<(), SourceError> {
    let mut lexer = lex(text, Mode::Module);
    let mut depth =
        NestingDepth { levels: vec![NestingLevel::default()], total: 0, indents: 0, lines: 0 };
    for _ in 0..MAX_TOKENS {
        let kind = lexer.next_token();
        if kind == TokenKind::EndOfFile {
            return Ok(());
        }
        depth.push_token(kind);
        if depth.total + depth.indents > MAX_DEPTH {
            // Reports the line on which the statement starts. Newlines in long strings are not
            // counted.
            return Err(SourceError::TooDeep { line: depth.lines + 1, limit: MAX_DEPTH });
        }
    }
    Err(SourceError::TooManyTokens(MAX_TOKENS))
}

/// Returns whether a token has no children in a tree.
fn is_leaf(kind: TokenKind) -> bool {
    use TokenKind as T;
    let is_literal = matches!(
        kind,
        T::Int | T::Float | T::Complex | T::String | T::None | T::True | T::False | T::Ellipsis
    );
    is_literal || matches!(kind, T::Name | T::Comment | T::FStringMiddle | T::TStringMiddle)
}

struct NestingDepth {
    levels: Vec<NestingLevel>,
    total: usize,
    indents: usize,
    lines: usize,
}

impl NestingDepth {
    fn push_token(&mut self, kind: TokenKind) {
        match kind {
            TokenKind::Newline | TokenKind::Semi => {
                self.lines += usize::from(kind == TokenKind::Newline);
                self.levels.truncate(1);
                self.reset_chain(0);
                self.total = 0;
            }
            TokenKind::NonLogicalNewline => self.lines += 1,
            TokenKind::Indent => self.indents += 1,
            TokenKind::Dedent => self.indents = self.indents.saturating_sub(1),
            TokenKind::Lpar | TokenKind::Lsqb | TokenKind::Lbrace => self.open(false),
            TokenKind::FStringStart | TokenKind::TStringStart => self.open(true),
            TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace => self.close(),
            TokenKind::FStringEnd | TokenKind::TStringEnd => self.close(),
            TokenKind::Comma => self.comma(),
            TokenKind::Lambda => self.lambda(),
            _ if is_leaf(kind) => {}
            _ => self.link(),
        }
    }

    fn link(&mut self) {
        if let Some(level) = self.levels.last_mut() {
            level.chain += 1;
            self.total += 1;
        }
    }

    fn lambda(&mut self) {
        self.link();
        if let Some(level) = self.levels.last_mut() {
            level.lambdas += 1;
        }
    }

    fn open(&mut self, is_string: bool) {
        self.link();
        self.levels.push(NestingLevel { is_string, ..NestingLevel::default() });
    }

    fn close(&mut self) {
        if self.levels.len() > 1 {
            self.reset_chain(0);
            self.levels.pop();
        }
        if self.levels.last().is_some_and(|level| level.is_string) {
            self.reset_chain(0);
        }
    }

    fn comma(&mut self) {
        let lambdas = self.levels.last().map_or(0, |level| level.lambdas);
        self.reset_chain(lambdas);
    }

    /// Sets the length of the innermost level's chain.
    fn reset_chain(&mut self, chain: usize) {
        if let Some(level) = self.levels.last_mut() {
            self.total = self.total.saturating_sub(level.chain) + chain;
            level.chain = chain;
            level.lambdas = chain.min(level.lambdas);
        }
    }
}
