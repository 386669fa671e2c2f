//! The one walk over a module: keeps the context and asks every rule about each statement and
//! expression.

use super::context::{Context, Frame};
use super::outline::Outline;
use super::{cache, foreign, fork, lazy, looks, names, switch, threads};
use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{
    ExceptHandler, Expr, ExprContext, Identifier, Parameters, Stmt, StmtClassDef, StmtFunctionDef,
    StmtTry, StmtWith,
};

/// Walks a module.
pub(super) fn walk<'a>(body: &'a [Stmt], text: &'a str) -> Context<'a> {
    let mut context = Context {
        text,
        outline: Outline::of(body),
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

impl<'a> Context<'a> {
    fn function(&mut self, def: &'a StmtFunctionDef) {
        for decorator in &def.decorator_list {
            self.visit_decorator(decorator);
        }
        self.visit_parameters(&def.parameters);
        lazy::property(self, def);
        let mut own = Own::default();
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
        let frame = Frame {
            name,
            class,
            locals: own.locals,
            globals: own.globals,
            nonlocals: own.nonlocals,
            held: usize::from(is_called_locked(def)),
            is_async: def.is_async,
            is_thread: is_run || in_thread || self.outline.targets.contains(name),
            ..Frame::default()
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
        let (mut locks, mut forgiving) = (0, false);
        for item in &stmt.items {
            self.visit_with_item(item);
            locks += isize::from(names::is_lock(&item.context_expr));
            forgiving |= matches!(&item.context_expr, Expr::Call(call) if names::last(&call.func) == Some("suppress"));
        }
        self.hold(locks);
        self.forgiven(&stmt.body, forgiving);
        self.hold(-locks);
    }

    /// Visits what goes on where something is found to be gone.
    fn forgiven(&mut self, body: &'a [Stmt], is_forgiving: bool) {
        self.forgive(isize::from(is_forgiving));
        self.visit_body(body);
        self.forgive(-isize::from(is_forgiving));
    }

    fn forgive(&mut self, blocks: isize) {
        if let Some(frame) = self.frames.last_mut() {
            frame.forgiving = frame.forgiving.saturating_add_signed(blocks);
        }
    }

    fn hold(&mut self, locks: isize) {
        if let Some(frame) = self.frames.last_mut() {
            frame.held = frame.held.saturating_add_signed(locks);
        }
    }

    fn try_(&mut self, stmt: &'a StmtTry) {
        self.forgiven(&stmt.body, stmt.handlers.iter().any(looks::is_gone));
        looks::tried(self, stmt);
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

    fn used(&mut self, name: &'a str) {
        let held = self.frames.last().map(|frame| frame.held > 0);
        let uses = self.uses.entry(name).or_default();
        match held {
            None => uses.at_import += 1,
            Some(true) => uses.held += 1,
            Some(false) => uses.free += 1,
        }
    }

    /// `lock.acquire()` and `lock.release()`, in the order in which they stand.
    fn acquired(&mut self, function: &Expr) {
        let Expr::Attribute(attribute) = function else { return };
        match attribute.attr.as_str() {
            "acquire" | "acquire_lock" | "__enter__" => self.hold(1),
            "release" | "release_lock" | "__exit__" => self.hold(-1),
            _ => {}
        }
    }
}

impl<'a> Visitor<'a> for Context<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(def) => return self.function(def),
            Stmt::ClassDef(def) => return self.class(def),
            Stmt::With(stmt) => return self.with(stmt),
            Stmt::Try(stmt) => return self.try_(stmt),
            Stmt::If(stmt) => {
                looks::tested(self, &stmt.test);
                lazy::tested(self, &stmt.test);
            }
            Stmt::While(stmt) => looks::tested(self, &stmt.test),
            Stmt::For(stmt) => threads::walked(self, &stmt.iter),
            Stmt::Delete(stmt) => cache::deleted(self, stmt),
            Stmt::Assign(assign) => {
                // What the value holds runs before the assignment does.
                self.visit_expr(&assign.value);
                for target in &assign.targets {
                    cache::assigned(self, target, &assign.value);
                    lazy::assigned(self, target, &assign.value);
                    threads::assigned(self, target);
                    looks::assigned(self, target, &assign.value);
                    self.visit_expr(target);
                }
                return;
            }
            Stmt::AugAssign(assign) => cache::counted(self, assign),
            _ => {}
        }
        visitor::walk_stmt(self, stmt);
    }

    fn visit_elif_else_clause(&mut self, clause: &'a ruff_python_ast::ElifElseClause) {
        if let Some(test) = &clause.test {
            looks::tested(self, test);
            lazy::tested(self, test);
        }
        visitor::walk_elif_else_clause(self, clause);
    }

    fn visit_annotation(&mut self, _: &'a Expr) {}

    fn visit_comprehension(&mut self, comprehension: &'a ruff_python_ast::Comprehension) {
        threads::walked(self, &comprehension.iter);
        visitor::walk_comprehension(self, comprehension);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Name(name) if name.ctx == ExprContext::Load => self.used(name.id.as_str()),
            Expr::Attribute(attribute) => {
                if matches!(names::name(&attribute.value), Some("self" | "cls")) {
                    self.used(attribute.attr.as_str());
                }
                foreign::attribute(self, expr);
            }
            Expr::StringLiteral(_) => switch::literal(self, expr),
            Expr::Call(call) => {
                self.acquired(&call.func);
                fork::call(self, call);
                cache::call(self, call);
                switch::call(self, call);
                foreign::call(self, call);
                threads::call(self, call);
            }
            Expr::Named(named) => looks::assigned(self, &named.target, &named.value),
            _ => {}
        }
        visitor::walk_expr(self, expr);
    }
}

/// Whether a function says that its caller holds the lock: by a decorator, its name, or its first
/// line of text.
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

/// The names that a function makes its own, as far as its body goes without the functions in it.
#[derive(Default)]
struct Own<'a> {
    locals: rustc_hash::FxHashSet<&'a str>,
    globals: rustc_hash::FxHashSet<&'a str>,
    nonlocals: rustc_hash::FxHashSet<&'a str>,
}

impl<'a> Own<'a> {
    fn parameters(&mut self, parameters: &'a Parameters) {
        self.locals.extend(parameters.iter().map(|parameter| parameter.name().as_str()));
    }
}

impl<'a> Visitor<'a> for Own<'a> {
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
