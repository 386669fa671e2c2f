//! Collects the imports of a source, and whether each runs when the module itself is imported.
//! Imports under `if TYPE_CHECKING` never run and are left out.

use super::text::LineIndex;
use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{ExceptHandler, Expr, Stmt, StmtIf, StmtTry};
use ruff_text_size::Ranged;
use serde::Serialize;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Import {
    /// Dotted name of the module; empty in `from . import x`.
    pub module: String,
    /// Number of leading dots: 0 is absolute.
    pub level: u32,
    /// Names imported from the module, each of which may be a submodule; `*` is everything. Empty
    /// for `import x`.
    pub names: Vec<String>,
    /// Line, from 1.
    pub line: usize,
    /// Runs, if at all, after the module was imported: in a function, or with the `lazy` keyword
    /// (PEP 810).
    pub is_lazy: bool,
    /// The program continues if it fails: in a `try` that catches import errors, or in one of its
    /// handlers.
    pub is_guarded: bool,
}

/// Returns the imports of a module.
pub(super) fn of(body: &[Stmt], lines: &LineIndex<'_>) -> Vec<Import> {
    let mut visitor_ = ImportVisitor { lines, functions: 0, guards: 0, found: Vec::new() };
    visitor_.visit_body(body);
    visitor_.found
}

struct ImportVisitor<'l, 't> {
    lines: &'l LineIndex<'t>,
    functions: usize,
    guards: usize,
    found: Vec<Import>,
}

impl ImportVisitor<'_, '_> {
    fn add(
        &mut self,
        at: &impl Ranged,
        module: &str,
        level: u32,
        names: Vec<String>,
        is_lazy: bool,
    ) {
        self.found.push(Import {
            module: module.to_owned(),
            level,
            names,
            line: self.lines.line(at.start()),
            is_lazy: is_lazy || self.functions > 0,
            is_guarded: self.guards > 0,
        });
    }

    fn guarded(&mut self, body: &[Stmt], is_guarded: bool) {
        self.guards += usize::from(is_guarded);
        self.visit_body(body);
        self.guards -= usize::from(is_guarded);
    }

    fn visit_try(&mut self, stmt: &StmtTry) {
        let is_guarded = stmt.handlers.iter().any(catches_import_error);
        self.guarded(&stmt.body, is_guarded);
        for ExceptHandler::ExceptHandler(handler) in &stmt.handlers {
            self.guarded(&handler.body, is_guarded);
        }
        self.visit_body(&stmt.orelse);
        self.visit_body(&stmt.finalbody);
    }

    fn visit_if(&mut self, stmt: &StmtIf) {
        self.visit_expr(&stmt.test);
        // Type checkers only.
        if last_name(&stmt.test) != Some("TYPE_CHECKING") {
            self.visit_body(&stmt.body);
        }
        for clause in &stmt.elif_else_clauses {
            self.visit_elif_else_clause(clause);
        }
    }
}

impl<'a> Visitor<'a> for ImportVisitor<'_, '_> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::Import(import) => {
                for alias in &import.names {
                    self.add(stmt, &alias.name, 0, Vec::new(), import.is_lazy);
                }
            }
            Stmt::ImportFrom(import) => {
                let names = import.names.iter().map(|alias| alias.name.to_string()).collect();
                let module = import.module.as_ref().map_or("", |module| module.as_str());
                self.add(stmt, module, import.level, names, import.is_lazy);
            }
            Stmt::FunctionDef(function) => {
                for decorator in &function.decorator_list {
                    self.visit_decorator(decorator);
                }
                self.visit_parameters(&function.parameters);
                self.functions += 1;
                self.visit_body(&function.body);
                self.functions -= 1;
            }
            Stmt::Try(stmt) => self.visit_try(stmt),
            Stmt::If(stmt) => self.visit_if(stmt),
            _ => visitor::walk_stmt(self, stmt),
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Lambda(lambda) => {
                self.functions += 1;
                self.visit_expr(&lambda.body);
                self.functions -= 1;
            }
            Expr::Call(call) => {
                let is_import =
                    matches!(last_name(&call.func), Some("import_module" | "__import__"));
                if is_import && let Some(Expr::StringLiteral(name)) = call.arguments.args.first() {
                    let name = name.value.to_str();
                    let module = name.trim_start_matches('.');
                    let level = u32::try_from(name.len() - module.len()).unwrap_or(u32::MAX);
                    self.add(expr, module, level, Vec::new(), false);
                }
                visitor::walk_expr(self, expr);
            }
            _ => visitor::walk_expr(self, expr),
        }
    }
}

fn catches_import_error(handler: &ExceptHandler) -> bool {
    let ExceptHandler::ExceptHandler(handler) = handler;
    let is_caught = |expr: &Expr| {
        matches!(
            last_name(expr),
            Some("ImportError" | "ModuleNotFoundError" | "Exception" | "BaseException")
        )
    };
    match handler.type_.as_deref() {
        None => true,
        Some(Expr::Tuple(tuple)) => tuple.elts.iter().any(is_caught),
        Some(expr) => is_caught(expr),
    }
}

/// Returns the last part of a dotted name.
fn last_name(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Name(name) => Some(name.id.as_str()),
        Expr::Attribute(attribute) => Some(attribute.attr.as_str()),
        _ => None,
    }
}
