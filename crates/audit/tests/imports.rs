//! Imports of a source and their timing, and sources rejected before parsing.

use ungil_audit::source::{Import, Source, SourceError, imports};

fn of(text: &str) -> Vec<Import> {
    imports(&Source::parse(text.as_bytes()).expect("it is Python"))
}

#[test]
fn finds_imports_and_their_timing() {
    let found =
        of("import a.b, c as d\nfrom ..e import f, g as h\nfrom . import i\nlazy import j\n");
    let modules: Vec<_> =
        found.iter().map(|import| (import.level, import.module.as_str())).collect();
    assert_eq!(modules, [(0, "a.b"), (0, "c"), (2, "e"), (1, ""), (0, "j")]);
    assert_eq!(found[2].names, ["f", "g"]);
    assert_eq!(found.iter().map(|import| import.line).collect::<Vec<_>>(), [1, 1, 2, 3, 4]);
    assert_eq!(
        found.iter().map(|import| import.is_lazy).collect::<Vec<_>>(),
        [false, false, false, false, true]
    );
}

#[test]
fn imports_in_try_are_guarded() {
    let found = of(
        "try:\n    import a\nexcept (ImportError, OSError):\n    import b\nelse:\n    import c\n\
                    if TYPE_CHECKING:\n    import d\nelse:\n    import e\ntry:\n    import \
                    f\nexcept KeyError:\n    pass\n",
    );
    let guarded: Vec<_> = found.iter().map(|import| import.is_guarded).collect();
    assert_eq!(guarded, [true, true, false, false, false]);
    assert!(
        found.iter().all(|import| import.module != "d"),
        "imports for type checkers are left out"
    );
}

#[test]
fn imports_in_functions_are_lazy() {
    let found = of(
        "def f():\n    import a\nclass C:\n    import b\n    def g(self):\n        from c import \
         *\n\
                    import importlib\nd = importlib.import_module('.d', __name__)\n",
    );
    let timing: Vec<_> =
        found.iter().map(|import| (import.module.as_str(), import.is_lazy)).collect();
    assert_eq!(
        timing,
        [("a", true), ("b", false), ("c", true), ("importlib", false), ("d", false)]
    );
    assert_eq!(found[4].level, 1);
}

#[test]
fn rejects_invalid_python_with_its_line() {
    let error = Source::parse(b"x = 1\nprint 'x'\n").map(|_| ()).expect_err("Python 2");
    assert!(matches!(error, SourceError::Syntax { line: 2, .. }), "{error}");
}

/// Returns whether text with `depth` nested pieces is accepted.
fn is_read(depth: usize, open: &str, middle: &str, close: &str) -> bool {
    let text = format!("x = {}{middle}{}\n", open.repeat(depth), close.repeat(depth));
    Source::parse(text.as_bytes()).is_ok()
}

#[test]
fn bounds_depth_of_all_syntax() {
    let shapes = [
        ("(", "1", ")"),
        ("[", "1", "]"),
        ("{1: ", "1", "}"),
        ("f(a, ", "1", ")"),
        ("-", "1", ""),
        ("not ", "1", ""),
        ("", "1", " + 1"),
        ("", "1", ".a"),
        ("", "1", "()"),
        ("", "1", "[0]"),
        ("2 ** ", "1", ""),
        ("lambda a, b: ", "1", ""),
        ("1 if a else ", "1", ""),
        ("(lambda: f'{", "1", "}')"),
        ("(yield ", "1", ")"),
        ("*", "1", ""),
        ("(a := ", "1", ")"),
    ];
    for (open, middle, close) in shapes {
        assert!(!is_read(1_000_000, open, middle, close), "{open} {close}");
        // The stack is large enough for whatever is accepted.
        for depth in [100, 700, 1_400, 1_990, 2_990, 5_990] {
            let _ = is_read(depth, open, middle, close);
        }
    }
    assert!(is_read(5_990, "-", "1", ""));
    assert!(is_read(5_990, "", "1", " + 1"));
    let long = format!("x = [{}]\n", "1 + 1, ".repeat(200_000));
    assert!(Source::parse(long.as_bytes()).is_ok(), "a long list is not deep");
    let indented: String = (0..2_500).map(|at| format!("{}if x:\n", " ".repeat(at))).collect();
    let text = format!("{indented}{}pass\n", " ".repeat(2_500));
    let _ = Source::parse(text.as_bytes());
}
