//! Visits a module once, keeps the context up to date, and applies every rule to each statement and
//! expression.

use super::context::{FunctionFrame, ModuleContext};
use super::outline::ModuleOutline;
use super::{cache, check_then_act, foreign, fork, gil_control, lazy, names, threads};
use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{
    ExceptHandler, Expr, ExprContext, Identifier, Parameters, Stmt, StmtClassDef, StmtFunctionDef,
    StmtTry, StmtWith,
};

/// Visits a module and returns its raw findings.
pub(super) fn visit_module<'a>(body: &'a [Stmt], text: &'a str) -> ModuleContext<'a> {
    let mut context = ModuleContext {
        text,
        outline: ModuleOutline::of(body),
        frames: Vec::new(),
        classes: Vec::new(),
        uses: Default::default(),
        found: Vec::new(),
        left_out: 0,
        starts: Vec::new(),
        changed: Default::default(),
        cached_properties: 0,
    };
    context.visit_body(body);
    context
}

impl<'a> ModuleContext<'a> {
    fn function(&mut self, def: &'a StmtFunctionDef) {
        for decorator in &def.decorator_list {
            self.visit_decorator(decorator);
        }
        self.visit_parameters(&def.parameters);
        lazy::visit_function(self, def);
        let mut own = FunctionScope::default();
        own.parameters(&def.parameters);
        own.visit_body(&def.body);
        own.locals.retain(|name| !own.globals.contains(name) && !own.nonlocals.contains(name));
        let name = def.name.as_str();
        let class = self.classes.last().copied();
        let is_run = name == "run"
            && class
                .and_then(|class| self.outline.classes.get(class))
                .is_some_and(|class| class.is_thread);
        let in_thread = self.frames.last().is_some_and(|frame| frame.is_thread);
        let frame = FunctionFrame {
            name,
            class,
            locals: own.locals,
            globals: own.globals,
            nonlocals: own.nonlocals,
            held: usize::from(is_called_locked(def)),
            is_async: def.is_async,
            is_thread: is_run || in_thread || self.outline.targets.contains(name),
            ..FunctionFrame::default()
        };
        self.frames.push(frame);
        self.visit_body(&def.body);
        self.frames.pop();
    }

    fn class(&mut self, def: &'a StmtClassDef) {
        for decorator in &def.decorator_list {
            self.visit_decorator(decorator);
        }
        if let Some(arguments) = &def.arguments {
            self.visit_arguments(arguments);
        }
        self.classes.push(def.name.as_str());
        self.visit_body(&def.body);
        self.classes.pop();
    }

    fn with(&mut self, stmt: &'a StmtWith) {
        let (mut locks, mut missing_handled) = (0, false);
        for item in &stmt.items {
            self.visit_with_item(item);
            locks += isize::from(names::is_lock(&item.context_expr));
            missing_handled |= matches!(&item.context_expr, Expr::Call(call) if names::last(&call.func) == Some("suppress"));
        }
        self.add_locks(locks);
        self.visit_handled(&stmt.body, missing_handled);
        self.add_locks(-locks);
    }

    /// Visits a block in which a missing item may be handled.
    fn visit_handled(&mut self, body: &'a [Stmt], is_missing_handled: bool) {
        self.add_handled_blocks(isize::from(is_missing_handled));
        self.visit_body(body);
        self.add_handled_blocks(-isize::from(is_missing_handled));
    }

    fn add_handled_blocks(&mut self, blocks: isize) {
        if let Some(frame) = self.frames.last_mut() {
            frame.missing_handled = frame.missing_handled.saturating_add_signed(blocks);
        }
    }

    fn add_locks(&mut self, locks: isize) {
        if let Some(frame) = self.frames.last_mut() {
            frame.held = frame.held.saturating_add_signed(locks);
        }
    }

    fn try_(&mut self, stmt: &'a StmtTry) {
        self.visit_handled(&stmt.body, stmt.handlers.iter().any(check_then_act::catches_missing));
        check_then_act::visit_try(self, stmt);
        for handler in &stmt.handlers {
            let ExceptHandler::ExceptHandler(handler) = handler;
            if let Some(type_) = &handler.type_ {
                self.visit_expr(type_);
            }
            self.visit_body(&handler.body);
        }
        self.visit_body(&stmt.orelse);
        self.visit_body(&stmt.finalbody);
    }

    fn record_use(&mut self, name: &'a str) {
        let held = self.frames.last().map(|frame| frame.held > 0);
        let uses = self.uses.entry(name).or_default();
        match held {
            None => uses.at_import += 1,
            Some(true) => uses.held += 1,
            Some(false) => uses.free += 1,
        }
    }

    /// Tracks `lock.acquire()` and `lock.release()` in source order.
    fn track_acquire(&mut self, function: &Expr) {
        let Expr::Attribute(attribute) = function else { return };
        match attribute.attr.as_str() {
            "acquire" | "acquire_lock" | "__enter__" => self.add_locks(1),
            "release" | "release_lock" | "__exit__" => self.add_locks(-1),
            _ => {}
        }
    }
}

impl<'a> Visitor<'a> for ModuleContext<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(def) => return self.function(def),
            Stmt::ClassDef(def) => return self.class(def),
            Stmt::With(stmt) => return self.with(stmt),
            Stmt::Try(stmt) => return self.try_(stmt),
            Stmt::If(stmt) => {
                check_then_act::visit_test(self, &stmt.test);
                lazy::visit_test(self, &stmt.test);
            }
            Stmt::While(stmt) => check_then_act::visit_test(self, &stmt.test),
            Stmt::For(stmt) => threads::visit_iteration(self, &stmt.iter),
            Stmt::Delete(stmt) => cache::visit_delete(self, stmt),
            Stmt::Assign(assign) => {
                // The value is evaluated before the assignment.
                self.visit_expr(&assign.value);
                for target in &assign.targets {
                    cache::visit_assign(self, target, &assign.value);
                    lazy::visit_assign(self, target, &assign.value);
                    threads::visit_assign(self, target);
                    check_then_act::visit_assign(self, target, &assign.value);
                    self.visit_expr(target);
                }
                return;
            }
            Stmt::AugAssign(assign) => cache::visit_aug_assign(self, assign),
            _ => {}
        }
        visitor::walk_stmt(self, stmt);
    }

    fn visit_elif_else_clause(&mut self, clause: &'a ruff_python_ast::ElifElseClause) {
        if let Some(test) = &clause.test {
            check_then_act::visit_test(self, test);
            lazy::visit_test(self, test);
        }
        visitor::walk_elif_else_clause(self, clause);
    }

    fn visit_annotation(&mut self, _: &'a Expr) {}

    fn visit_comprehension(&mut self, comprehension: &'a ruff_python_ast::Comprehension) {
        threads::visit_iteration(self, &comprehension.iter);
        visitor::walk_comprehension(self, comprehension);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Name(name) if name.ctx == ExprContext::Load => self.record_use(name.id.as_str()),
            Expr::Attribute(attribute) => {
                if matches!(names::name(&attribute.value), Some("self" | "cls")) {
                    self.record_use(attribute.attr.as_str());
                }
                foreign::visit_attribute(self, expr);
            }
            Expr::StringLiteral(_) => gil_control::visit_literal(self, expr),
            Expr::Call(call) => {
                self.track_acquire(&call.func);
                fork::visit_call(self, call);
                cache::visit_call(self, call);
                gil_control::visit_call(self, call);
                foreign::visit_call(self, call);
                threads::visit_call(self, call);
            }
            Expr::Named(named) => check_then_act::visit_assign(self, &named.target, &named.value),
            _ => {}
        }
        visitor::walk_expr(self, expr);
    }
}

/// Returns whether a function declares that its caller holds the lock: by a decorator, its name, or
/// its docstring.
fn is_called_locked(def: &StmtFunctionDef) -> bool {
    let is_lock = |expr: &Expr| names::is_lock(expr);
    if def.decorator_list.iter().any(|decorator| is_lock(&decorator.expression)) {
        return true;
    }
    let name = def.name.as_str();
    if name.ends_with("_locked") || name.ends_with("_unlocked") || name.ends_with("_with_lock") {
        return true;
    }
    let Some(Stmt::Expr(first)) = def.body.first() else { return false };
    names::text(&first.value).is_some_and(|text| {
        let text = text.to_lowercase();
        [
            "lock held",
            "lock is held",
            "hold the lock",
            "holding the lock",
            "holds the lock",
            "under lock",
            "with lock",
        ]
        .iter()
        .any(|words| text.contains(words))
    })
}

/// Names bound in a function body, without those of nested functions.
#[derive(Default)]
struct FunctionScope<'a> {
    locals: rustc_hash::FxHashSet<&'a str>,
    globals: rustc_hash::FxHashSet<&'a str>,
    nonlocals: rustc_hash::FxHashSet<&'a str>,
}

impl<'a> FunctionScope<'a> {
    fn parameters(&mut self, parameters: &'a Parameters) {
        self.locals.extend(parameters.iter().map(|parameter| parameter.name().as_str()));
    }
}

impl<'a> Visitor<'a> for FunctionScope<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        let name = |name: &'a Identifier| name.as_str();
        match stmt {
            Stmt::FunctionDef(def) => {
                self.locals.insert(name(&def.name));
            }
            Stmt::ClassDef(def) => {
                self.locals.insert(name(&def.name));
            }
            Stmt::Global(stmt) => self.globals.extend(stmt.names.iter().map(name)),
            Stmt::Nonlocal(stmt) => self.nonlocals.extend(stmt.names.iter().map(name)),
            _ => visitor::walk_stmt(self, stmt),
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Name(name) if name.ctx == ExprContext::Store => {
                self.locals.insert(name.id.as_str());
            }
            Expr::Lambda(_) => {}
            _ => visitor::walk_expr(self, expr),
        }
    }
}
