//! Differences between two heap surveys, and types grouped by module.

use super::TypeCount;
use rustc_hash::FxHashMap;
use serde::Serialize;

/// Growth of a type or module between two surveys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TypeGrowth {
    /// Module name.
    pub module: String,
    /// Type name; empty if grouped by module.
    pub name: String,
    /// Number of objects in the second survey.
    pub objects: u64,
    /// Size in bytes in the second survey.
    pub bytes: u64,
    /// Change of the number of objects.
    pub objects_gained: i64,
    /// Change of the size in bytes.
    pub bytes_gained: i64,
}

/// Grouping of types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// No grouping.
    Type,
    /// By defining module.
    Module,
}

/// Sums the types of each module; the type names are empty. Largest size first.
#[must_use]
pub fn by_module(types: &[TypeCount]) -> Vec<TypeCount> {
    let mut sums: FxHashMap<&str, (u64, u64)> = FxHashMap::default();
    for count in types {
        let sum = sums.entry(&count.module).or_default();
        sum.0 += count.objects;
        sum.1 = sum.1.saturating_add(count.bytes);
    }
    let mut found: Vec<TypeCount> = sums
        .into_iter()
        .map(|(module, (objects, bytes))| TypeCount {
            module: module.into(),
            name: String::new(),
            objects,
            bytes,
        })
        .collect();
    found.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.module.cmp(&b.module)));
    found
}

/// Returns what changed from `before` to `after`, largest growth first. Unchanged types are
/// omitted.
#[must_use]
pub fn growth(before: &[TypeCount], after: &[TypeCount]) -> Vec<TypeGrowth> {
    let mut known: FxHashMap<(&str, &str), (&TypeCount, bool)> =
        before.iter().map(|count| (key(count), (count, false))).collect();
    let mut changes = Vec::new();
    for count in after {
        let old = known.get_mut(&key(count)).map(|(old, is_present)| {
            *is_present = true;
            (old.objects, old.bytes)
        });
        changes.push(change(count, old.unwrap_or_default(), (count.objects, count.bytes)));
    }
    let lost = known.values().filter(|(_, is_present)| !is_present);
    changes.extend(lost.map(|(count, _)| change(count, (count.objects, count.bytes), (0, 0))));
    changes.retain(|change| change.objects_gained != 0 || change.bytes_gained != 0);
    changes.sort_by(|a, b| {
        let size =
            b.bytes_gained.cmp(&a.bytes_gained).then(b.objects_gained.cmp(&a.objects_gained));
        size.then_with(|| (&a.module, &a.name).cmp(&(&b.module, &b.name)))
    });
    changes
}

fn key(count: &TypeCount) -> (&str, &str) {
    (&count.module, &count.name)
}

fn change(of: &TypeCount, old: (u64, u64), new: (u64, u64)) -> TypeGrowth {
    TypeGrowth {
        module: of.module.clone(),
        name: of.name.clone(),
        objects: new.0,
        bytes: new.1,
        objects_gained: new.0.wrapping_sub(old.0).cast_signed(),
        bytes_gained: new.1.wrapping_sub(old.1).cast_signed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(module: &str, name: &str, objects: u64, bytes: u64) -> TypeCount {
        TypeCount { module: module.into(), name: name.into(), objects, bytes }
    }

    #[test]
    fn growth_includes_new_grown_shrunk_and_removed_types() {
        let before = [
            count("a", "Same", 1, 10),
            count("a", "Grew", 1, 10),
            count("a", "Went", 3, 30),
            count("a", "Shrank", 9, 90),
        ];
        let after = [
            count("a", "Grew", 4, 40),
            count("a", "Same", 1, 10),
            count("b", "Came", 1, 100),
            count("a", "Shrank", 8, 80),
        ];
        let changes: Vec<_> = growth(&before, &after)
            .into_iter()
            .map(|c| (c.name, c.objects, c.objects_gained, c.bytes_gained))
            .collect();
        let expected =
            [("Came", 1, 1, 100), ("Grew", 4, 3, 30), ("Shrank", 8, -1, -10), ("Went", 0, -3, -30)];
        assert_eq!(changes, expected.map(|(name, a, b, c)| (name.to_string(), a, b, c)));
    }

    #[test]
    fn module_counts_are_sums_of_their_types() {
        let types = [count("a", "X", 1, 10), count("b", "X", 2, 100), count("a", "Y", 3, 5)];
        assert_eq!(by_module(&types), [count("b", "", 2, 100), count("a", "", 4, 15)]);
    }
}
