//! Collects facts about a module before its functions are visited: what names refer to, which hold
//! objects shared by all threads, which classes have one shared instance, which functions run in
//! threads.

use super::names;
use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{Expr, ExprCall, Stmt, StmtClassDef, StmtFunctionDef};
use rustc_hash::{FxHashMap, FxHashSet};

/// Kind of the initial value of a module-level name or class attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueKind<'a> {
    /// A dict or similar.
    Mapping,
    /// A mapping that creates missing values.
    DefaultDict,
    Set,
    List,
    Deque,
    /// `None`.
    None,
    Number,
    /// A generator.
    Generator,
    /// Result of calling a class or function of this module.
    CallResult(&'a str),
    /// Memory that C code writes to.
    Buffer,
    Other,
}

impl ValueKind<'_> {
    /// Returns whether the value can be changed in place.
    pub(super) fn is_container(self) -> bool {
        matches!(
            self,
            ValueKind::Mapping
                | ValueKind::DefaultDict
                | ValueKind::Set
                | ValueKind::List
                | ValueKind::Deque
        )
    }
}

#[derive(Default)]
pub(super) struct ClassOutline<'a> {
    /// Attributes assigned in the class body.
    pub attributes: FxHashMap<&'a str, ValueKind<'a>>,
    /// Attributes that methods assign to `self`.
    pub own: FxHashSet<&'a str>,
    /// A subclass of `Thread`, so its `run` runs in a thread.
    pub is_thread: bool,
    /// It has an instance that all threads share: a module-level one, or a singleton.
    pub is_shared: bool,
}

#[derive(Default)]
pub(super) struct ModuleOutline<'a> {
    /// Full names of imported names.
    pub aliases: FxHashMap<&'a str, String>,
    /// Values of the module's own names.
    pub names: FxHashMap<&'a str, ValueKind<'a>>,
    pub classes: FxHashMap<&'a str, ClassOutline<'a>>,
    /// Functions and methods that are run in a thread.
    pub targets: FxHashSet<&'a str>,
    /// Functions that are generators.
    pub generators: FxHashSet<&'a str>,
    functions: usize,
    inside: Vec<&'a str>,
    class: Vec<&'a str>,
}

impl<'a> ModuleOutline<'a> {
    /// Collects the facts from a module's statements.
    pub(super) fn of(body: &'a [Stmt]) -> ModuleOutline<'a> {
        let mut outline = ModuleOutline::default();
        outline.visit_body(body);
        // The class or function may be defined after the call.
        for holds in outline.names.values_mut() {
            let ValueKind::CallResult(name) = *holds else { continue };
            if outline.generators.contains(name) {
                *holds = ValueKind::Generator;
            }
            if let Some(class) = outline.classes.get_mut(name) {
                class.is_shared = true;
            }
        }
        outline
    }

    /// Returns the full name of an expression that starts with an imported name.
    pub(super) fn full_name(&self, expr: &Expr) -> Option<String> {
        let (first, rest) = names::dotted(expr)?;
        let mut full = self.aliases.get(first)?.clone();
        for part in rest {
            full.push('.');
            full.push_str(part);
        }
        Some(full)
    }

    fn bind(&mut self, target: &'a Expr, value: Option<&'a Expr>) {
        if self.functions > 0 {
            if let (Expr::Attribute(attribute), Some(class)) = (target, self.class.last())
                && names::name(&attribute.value) == Some("self")
            {
                self.classes.entry(class).or_default().own.insert(attribute.attr.as_str());
            }
            return;
        }
        let Some(name) = names::name(target) else { return };
        let holds = value.map_or(ValueKind::Other, |value| self.kind_of(value));
        match self.class.last() {
            Some(class) => self.classes.entry(class).or_default().attributes.insert(name, holds),
            // Keeps the first value: `x = None` is often followed by another assignment under `if`.
            None if holds == ValueKind::Other && self.names.contains_key(name) => None,
            None => self.names.insert(name, holds),
        };
    }

    fn kind_of(&self, value: &'a Expr) -> ValueKind<'a> {
        match value {
            Expr::Dict(_) | Expr::DictComp(_) => ValueKind::Mapping,
            Expr::List(_) | Expr::ListComp(_) => ValueKind::List,
            Expr::Set(_) | Expr::SetComp(_) => ValueKind::Set,
            Expr::Generator(_) => ValueKind::Generator,
            Expr::NoneLiteral(_) => ValueKind::None,
            Expr::NumberLiteral(_) => ValueKind::Number,
            Expr::Call(call) => self.kind_of_call(call),
            _ => ValueKind::Other,
        }
    }

    fn kind_of_call(&self, call: &'a ExprCall) -> ValueKind<'a> {
        if let Some(name) = names::name(&call.func) {
            match name {
                "dict" => return ValueKind::Mapping,
                "list" => return ValueKind::List,
                "set" => return ValueKind::Set,
                _ => {}
            }
        }
        match self.full_name(&call.func).as_deref() {
            Some("collections.OrderedDict" | "collections.Counter") => ValueKind::Mapping,
            Some("weakref.WeakKeyDictionary" | "weakref.WeakValueDictionary") => ValueKind::Mapping,
            Some("collections.defaultdict") => ValueKind::DefaultDict,
            Some("weakref.WeakSet") => ValueKind::Set,
            Some("collections.deque") => ValueKind::Deque,
            Some("ctypes.create_string_buffer" | "ctypes.create_unicode_buffer") => {
                ValueKind::Buffer
            }
            _ => names::name(&call.func).map_or(ValueKind::Other, ValueKind::CallResult),
        }
    }

    fn add_aliases(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::Import(import) => {
                for alias in &import.names {
                    let name = alias.name.as_str();
                    let first = name.split('.').next().unwrap_or(name);
                    match &alias.asname {
                        Some(asname) => self.aliases.insert(asname.as_str(), name.to_owned()),
                        None => self.aliases.insert(first, first.to_owned()),
                    };
                }
            }
            Stmt::ImportFrom(import) => {
                let module = import.module.as_ref().map_or("", |module| module.as_str());
                let dots = if import.level > 0 { "." } else { "" };
                for alias in &import.names {
                    let bound = alias.asname.as_ref().unwrap_or(&alias.name);
                    self.aliases.insert(bound.as_str(), format!("{dots}{module}.{}", alias.name));
                }
            }
            _ => {}
        }
    }

    fn class(&mut self, def: &'a StmtClassDef) {
        let name = def.name.as_str();
        let mut class = ClassOutline::default();
        let bases = def.arguments.as_ref().map_or(&[][..], |arguments| &arguments.args);
        class.is_thread = bases.iter().filter_map(names::last).any(|base| base.ends_with("Thread"));
        class.is_shared =
            bases.iter().filter_map(names::last).any(|base| base.contains("Singleton"));
        self.classes.insert(name, class);
        let functions = std::mem::take(&mut self.functions);
        self.class.push(name);
        self.visit_body(&def.body);
        self.class.pop();
        self.functions = functions;
    }

    fn function(&mut self, def: &'a StmtFunctionDef) {
        if def.name.as_str() == "__new__"
            && let Some(class) = self.class.last()
        {
            let class = self.classes.entry(class).or_default();
            let keeps = |name: &&str| name.trim_matches('_') == "instance";
            class.is_shared |= class.attributes.keys().any(keeps);
        }
        self.functions += 1;
        self.inside.push(def.name.as_str());
        self.visit_body(&def.body);
        self.inside.pop();
        self.functions -= 1;
    }

    fn find_thread_target(&mut self, call: &'a ExprCall) {
        let arguments = &call.arguments;
        let at = |index: usize| arguments.args.get(index);
        let target = match names::last(&call.func) {
            Some("Thread") => arguments.find_keyword("target").map(|keyword| &keyword.value),
            Some("Timer" | "run_in_executor") => at(1),
            Some("submit" | "to_thread" | "start_new_thread") => at(0),
            _ => None,
        };
        if let Some(name) = target.and_then(names::last) {
            self.targets.insert(name);
        }
    }
}

impl<'a> Visitor<'a> for ModuleOutline<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::ClassDef(def) => return self.class(def),
            // Objects created only when the module is run as a program are not shared module state.
            Stmt::If(stmt) if self.functions == 0 && is_main(&stmt.test) => {
                self.functions += 1;
                visitor::walk_body(self, &stmt.body);
                self.functions -= 1;
                return;
            }
            Stmt::FunctionDef(def) => return self.function(def),
            Stmt::Import(_) | Stmt::ImportFrom(_) => self.add_aliases(stmt),
            Stmt::Assign(assign) => {
                for target in &assign.targets {
                    self.bind(target, Some(&assign.value));
                }
            }
            Stmt::AnnAssign(assign) => self.bind(&assign.target, assign.value.as_deref()),
            _ => {}
        }
        visitor::walk_stmt(self, stmt);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Call(call) => self.find_thread_target(call),
            Expr::Yield(_) | Expr::YieldFrom(_) => {
                if let Some(name) = self.inside.last() {
                    self.generators.insert(name);
                }
            }
            _ => {}
        }
        visitor::walk_expr(self, expr);
    }
}

/// Returns whether a test is `__name__ == "__main__"`.
fn is_main(test: &Expr) -> bool {
    matches!(test, Expr::Compare(compare) if names::name(&compare.left) == Some("__name__"))
}
