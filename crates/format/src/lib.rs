//! Figures in words: the same in every crate that says them.

use std::fmt::Display;

/// A count and what is counted, in the singular where it is one: `1 thread`, `0 threads`, `2 processes`.
#[must_use]
pub fn counted<N: Display + PartialEq + From<u8>>(count: N, singular: &str) -> String {
    if count == N::from(1) { format!("{count} {singular}") } else { format!("{count} {}", plural(singular)) }
}

/// The plural of a noun whose plural is regular.
fn plural(singular: &str) -> String {
    let before_y = singular.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'i', 'o', 'u']));
    match before_y {
        Some(stem) => format!("{stem}ies"),
        None if singular.ends_with(['s', 'x', 'z'])
            || singular.ends_with("ch")
            || singular.ends_with("sh") =>
        {
            format!("{singular}es")
        }
        None => format!("{singular}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn one_is_singular_and_none_is_plural() {
        assert_eq!(counted(1_u32, "thread"), "1 thread");
        assert_eq!(counted(0_u64, "thread"), "0 threads");
        assert_eq!(counted(3_usize, "asyncio task"), "3 asyncio tasks");
        assert_eq!(counted(2_u64, "process"), "2 processes");
        assert_eq!(counted(2_u64, "look"), "2 looks");
        assert_eq!(counted(2_u64, "library"), "2 libraries");
        assert_eq!(counted(2_u64, "way"), "2 ways");
    }
}
