//! Names the class of the Python package `ungil` that can replace a contended object.

use ungil_remote::wait_target::WaitTarget;

/// Returns which class can replace the object, and the line to write if the object's name is one
/// that can be assigned to. Only built-in containers have a replacement: what a lock protects is
/// not known.
///
/// `kind` is the name of a [`WaitTarget`]; `name` is what refers to the object, such as
/// `cache at app.py:31`.
pub(super) fn replacement(kind: &str, name: &str) -> Option<String> {
    let WaitTarget::ObjectMutex(type_name) = WaitTarget::from_name(kind)? else { return None };
    let (class, note) = match &*type_name {
        "dict" | "collections.defaultdict" => ("ConcurrentDict", ""),
        "collections.Counter" => ("ConcurrentCounter", ""),
        "set" => ("ConcurrentSet", ""),
        "list" => ("Array", " (if its length is fixed; otherwise AppendList)"),
        "collections.deque" => return Some("ungil.Queue can replace it".into()),
        _ => return None,
    };
    let variable = name.split([' ', '[']).next().unwrap_or_default();
    let line = if is_assignable(variable) && !name.starts_with(&format!("{variable}[")) {
        format!(": {variable} = ungil.{class}({variable})")
    } else {
        String::new()
    };
    Some(format!("ungil.{class} can replace it{note}{line}"))
}

/// Returns whether the text is a name, or attributes of one.
fn is_assignable(text: &str) -> bool {
    let is_name = |part: &str| {
        part.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    text.split('.').all(is_name)
}

#[cfg(test)]
mod tests {
    use super::replacement;

    #[test]
    fn containers_have_a_replacement_and_locks_have_none() {
        let line = |kind, name| replacement(kind, name).unwrap_or_default();
        let dict = "ungil.ConcurrentDict can replace it";
        assert_eq!(
            line("object:dict", "self.cache at app.py:31"),
            format!("{dict}: self.cache = ungil.ConcurrentDict(self.cache)")
        );
        assert_eq!(line("object:dict", ""), dict);
        assert_eq!(line("object:dict", "caches[\"a\"]"), dict);
        assert!(line("object:list", "rows").ends_with("AppendList): rows = ungil.Array(rows)"));
        for kind in ["lock", "rlock", "object:Point", "gil"] {
            assert_eq!(replacement(kind, "x"), None, "{kind}");
        }
    }
}
