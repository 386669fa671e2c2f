//! Helpers for expressions: names, locks, literals.

use ruff_python_ast::{Expr, ExprCall};

/// Returns the name if the expression is one.
pub(super) fn name(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Name(name) => Some(name.id.as_str()),
        _ => None,
    }
}

/// Returns the last part of a dotted name.
pub(super) fn last(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Name(name) => Some(name.id.as_str()),
        Expr::Attribute(attribute) => Some(attribute.attr.as_str()),
        _ => None,
    }
}

/// Splits a dotted name of at most eight parts into the first and the rest.
pub(super) fn dotted(expr: &Expr) -> Option<(&str, Vec<&str>)> {
    let mut rest = Vec::new();
    let mut expr = expr;
    while let Expr::Attribute(attribute) = expr {
        if rest.len() == 7 {
            return None;
        }
        rest.push(attribute.attr.as_str());
        expr = &attribute.value;
    }
    rest.reverse();
    Some((name(expr)?, rest))
}

/// Splits `base.attribute`. `type(self)` and `self.__class__` count as `cls`.
pub(super) fn attribute(expr: &Expr) -> Option<(&str, &str)> {
    let Expr::Attribute(attribute) = expr else { return None };
    let base = match attribute.value.as_ref() {
        Expr::Name(name) => name.id.as_str(),
        Expr::Call(call) if name(&call.func) == Some("type") => {
            call.arguments.args.first().and_then(name).filter(|of| *of == "self").map(|_| "cls")?
        }
        Expr::Attribute(of) if of.attr.as_str() == "__class__" => {
            name(&of.value).filter(|of| *of == "self").map(|_| "cls")?
        }
        _ => return None,
    };
    Some((base, attribute.attr.as_str()))
}

/// Returns the value of a string literal.
pub(super) fn text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::StringLiteral(literal) => Some(literal.value.to_str()),
        _ => None,
    }
}

/// Returns an argument by keyword, or by position if it has one.
pub(super) fn argument<'a>(
    call: &'a ExprCall,
    keyword: &str,
    position: Option<usize>,
) -> Option<&'a Expr> {
    let named = call.arguments.find_keyword(keyword).map(|keyword| &keyword.value);
    named.or_else(|| call.arguments.args.get(position?))
}

/// Returns whether an expression is a lock by its name: `self._cache_lock`, `mutex`, `Condition()`.
pub(super) fn is_lock(expr: &Expr) -> bool {
    match expr {
        Expr::Call(call) => is_lock(&call.func),
        Expr::Subscript(subscript) => is_lock(&subscript.value),
        Expr::Attribute(attribute) => {
            is_lock_name(attribute.attr.as_str()) || is_lock(&attribute.value)
        }
        Expr::Name(name) => is_lock_name(name.id.as_str()),
        Expr::Await(expr) => is_lock(&expr.value),
        _ => false,
    }
}

/// Returns whether a word of a name stands for a lock.
pub(super) fn is_lock_name(name: &str) -> bool {
    const WORDS: [&str; 12] = [
        "mutex",
        "semaphore",
        "sem",
        "condition",
        "cond",
        "cv",
        "guard",
        "critical",
        "synchronized",
        "locked",
        "locking",
        "locks",
    ];
    const NOT: [&str; 3] = ["block", "clock", "unlock"];
    name.to_lowercase().split('_').any(|word| {
        let is_lock = word.ends_with("lock") && !NOT.iter().any(|not| word.ends_with(not));
        is_lock
            || WORDS.contains(&word)
            || word.ends_with("semaphore")
            || word.ends_with("condition")
    })
}

/// Returns whether an expression creates a distinct mutable object: an instance of a class, an
/// empty container.
pub(super) fn is_fresh(expr: &Expr) -> bool {
    match expr {
        Expr::Dict(dict) => dict.items.is_empty(),
        Expr::List(list) => list.elts.is_empty(),
        Expr::Call(call) => last(&call.func).is_some_and(|name| {
            let bare = name.trim_start_matches('_');
            let is_class =
                bare.starts_with(char::is_uppercase) && bare.contains(char::is_lowercase);
            let is_container =
                matches!(name, "dict" | "list" | "set" | "defaultdict" | "deque" | "bytearray");
            is_class
                || name == "object"
                || name == "__new__"
                || (is_container && call.arguments.args.len() == usize::from(name == "defaultdict"))
        }),
        _ => false,
    }
}
