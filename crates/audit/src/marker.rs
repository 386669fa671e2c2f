//! Environment markers (PEP 508): whether a requirement is wanted on a given build and machine.
//!
//! Evaluated as they are read, with a third answer, *unknown*, for what a target does not say (a
//! kernel's version). The crates there are turn a marker into a decision diagram first, in memory
//! that is never given back; a hostile lock file could fill that.

use crate::target::{Build, Platform, System};
use pep440_rs::{Version, VersionSpecifier};
use std::str::FromStr;

/// A longer marker is not read. The longest of lock files, which resolvers made, have a few
/// thousand bytes.
const MAX_MARKER_BYTES: usize = 32 << 10;
/// Brackets in brackets.
const MAX_DEPTH: usize = 64;

/// Whether a marker holds for a build on a platform, without extras. `None` if that cannot be told,
/// or it is no marker.
#[must_use]
pub fn holds(marker: &str, build: Build, platform: Platform) -> Option<bool> {
    if marker.len() > MAX_MARKER_BYTES {
        return None;
    }
    let mut parser = MarkerParser { rest: marker, build, platform };
    let answer = parser.any(0)?;
    parser.rest.trim().is_empty().then_some(answer)?
}

struct MarkerParser<'a> {
    rest: &'a str,
    build: Build,
    platform: Platform,
}

/// One side of a comparison.
enum Operand<'a> {
    Text(&'a str),
    Variable(&'a str),
}

/// What an outer `None` means is that it is no marker; an inner one, that nobody knows.
type Parsed = Option<Option<bool>>;

impl<'a> MarkerParser<'a> {
    fn any(&mut self, depth: usize) -> Parsed {
        let mut answer = self.all(depth)?;
        while self.word("or") {
            answer = match (answer, self.all(depth)?) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            };
        }
        Some(answer)
    }

    fn all(&mut self, depth: usize) -> Parsed {
        let mut answer = self.one(depth)?;
        while self.word("and") {
            answer = match (answer, self.one(depth)?) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            };
        }
        Some(answer)
    }

    fn one(&mut self, depth: usize) -> Parsed {
        if depth > MAX_DEPTH {
            return None;
        }
        if self.symbol("(") {
            let answer = self.any(depth + 1)?;
            return self.symbol(")").then_some(answer);
        }
        let left = self.side()?;
        let operator = self.operator()?;
        let right = self.side()?;
        Some(match (left, right) {
            (Operand::Variable(name), Operand::Text(text)) => {
                self.compare(name, operator, text, false)
            }
            (Operand::Text(text), Operand::Variable(name)) => {
                self.compare(name, operator, text, true)
            }
            _ => None,
        })
    }

    fn side(&mut self) -> Option<Operand<'a>> {
        self.rest = self.rest.trim_start();
        if let Some(quote) = self.rest.chars().next().filter(|c| matches!(c, '\'' | '"')) {
            let (text, rest) = self.rest.get(1..)?.split_once(quote)?;
            self.rest = rest;
            return Some(Operand::Text(text));
        }
        let end = self
            .rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!name.is_empty()).then_some(Operand::Variable(name))
    }

    fn operator(&mut self) -> Option<&'static str> {
        if self.word("in") {
            return Some("in");
        }
        if self.word("not") {
            return self.word("in").then_some("not in");
        }
        // The longer before those they begin with.
        ["===", "==", "~=", "!=", "<=", ">=", "<", ">"]
            .into_iter()
            .find(|operator| self.symbol(operator))
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let rest = self.rest.trim_start().strip_prefix(symbol);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn word(&mut self, word: &str) -> bool {
        let rest = self.rest.trim_start().strip_prefix(word);
        let rest =
            rest.filter(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'));
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// `flipped`: the text stands on the left.
    fn compare(&self, name: &str, operator: &str, text: &str, flipped: bool) -> Option<bool> {
        let versions: &[String] = match name {
            "python_version" => &[self.build.version()],
            // A build does not say which patch release it is: the answer must be the same for all
            // of them.
            "python_full_version" | "implementation_version" => {
                &[format!("{}.0", self.build.version()), format!("{}.999", self.build.version())]
            }
            _ => return compare_text(self.text(name)?, operator, text, flipped),
        };
        let mut answers =
            versions.iter().map(|version| compare_version(version, operator, text, flipped));
        let first = answers.next()??;
        answers.all(|answer| answer == Some(first)).then_some(first)
    }

    fn text(&self, name: &str) -> Option<&'static str> {
        let system = self.platform.system;
        Some(match (name, system) {
            ("os_name", System::Windows) => "nt",
            ("os_name", _) => "posix",
            ("sys_platform", System::Windows) => "win32",
            ("sys_platform", System::MacOs) => "darwin",
            ("sys_platform", _) => "linux",
            ("platform_system", System::Windows) => "Windows",
            ("platform_system", System::MacOs) => "Darwin",
            ("platform_system", _) => "Linux",
            ("platform_machine", _) => self.platform.machine(),
            ("platform_python_implementation", _) => "CPython",
            ("implementation_name", _) => "cpython",
            ("extra", _) => "",
            _ => return None,
        })
    }
}

fn compare_version(version: &str, operator: &str, text: &str, flipped: bool) -> Option<bool> {
    if matches!(operator, "in" | "not in") {
        // Of versions it is a list: `python_version in "3.13 3.14"`.
        let listed = text.split(|c: char| c.is_whitespace() || c == ',').any(|one| one == version);
        return (!flipped).then_some(listed == (operator == "in"));
    }
    let operator = match (flipped, operator) {
        (true, "<") => ">",
        (true, "<=") => ">=",
        (true, ">") => "<",
        (true, ">=") => "<=",
        (true, "~=") => return None,
        _ => operator,
    };
    let specifier = VersionSpecifier::from_str(&format!("{operator}{text}")).ok()?;
    Some(specifier.contains(&Version::from_str(version).ok()?))
}

fn compare_text(its: &str, operator: &str, text: &str, flipped: bool) -> Option<bool> {
    let (left, right) = if flipped { (text, its) } else { (its, text) };
    Some(match operator {
        "==" | "===" => left == right,
        "!=" => left != right,
        "in" => right.contains(left),
        "not in" => !right.contains(left),
        "<" => left < right,
        "<=" => left <= right,
        ">" => left > right,
        ">=" => left >= right,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Arch;
    use proptest::prelude::*;

    fn on(marker: &str) -> Option<bool> {
        let platform = Platform { system: System::Linux, arch: Arch::X86_64 };
        holds(marker, "3.14t".parse().unwrap(), platform)
    }

    #[test]
    fn markers_hold_or_do_not() {
        for (marker, answer) in [
            ("python_version >= '3.9'", Some(true)),
            ("python_version < \"3.9\"", Some(false)),
            ("'3.9' <= python_version", Some(true)),
            ("python_version ~= '3.10'", Some(true)),
            ("python_version == '3.*'", Some(true)),
            ("python_version in '3.13, 3.14'", Some(true)),
            ("python_version not in '3.13 3.14'", Some(false)),
            ("python_full_version >= '3.14'", Some(true)),
            ("python_full_version >= '3.14.2'", None),
            ("python_full_version >= '3.14.2' or os_name == 'posix'", Some(true)),
            ("python_full_version >= '3.14.2' and os_name == 'nt'", Some(false)),
            ("sys_platform == 'win32' or platform_machine == 'x86_64'", Some(true)),
            ("sys_platform == 'win32' and os_name == 'posix' or os_name == 'posix'", Some(true)),
            ("sys_platform == 'win32' and (os_name == 'posix' or os_name == 'posix')", Some(false)),
            ("'linux' in sys_platform", Some(true)),
            ("extra == 'test'", Some(false)),
            ("platform_release >= '5'", None),
            ("os_name == 'posix' and", None),
            ("os_name == 'posix')", None),
            ("'a' == 'a'", None),
            ("", None),
        ] {
            assert_eq!(on(marker), answer, "{marker}");
        }
    }

    #[test]
    fn brackets_and_length_have_bounds() {
        let nested = |n: usize| format!("{}os_name == 'posix'{}", "(".repeat(n), ")".repeat(n));
        assert_eq!(on(&nested(50)), Some(true));
        assert_eq!(on(&nested(10_000)), None);
        let long = |n: usize| vec!["os_name == 'posix'"; n].join(" and ");
        assert_eq!(on(&long(1_000)), Some(true));
        assert_eq!(on(&long(100_000)), None);
    }

    proptest! {
        #[test]
        fn any_marker_is_survived(marker in "([()'\"<>=!~]|and|or|not|in|os_name|python_version|3\\.1|\\PC| ){0,30}") {
            let _ = on(&marker);
        }
    }
}
