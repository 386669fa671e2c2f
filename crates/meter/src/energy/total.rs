//! Which domains may be added together.
//!
//! RAPL's domains nest: psys holds the packages, a package holds core and uncore, and the memory is
//! beside the package's counter although powercap shows it as the package's child. Adding nested
//! domains counts joules twice, so there is one rule, used by powercap and perf alike.

use super::Scope;

/// The rule's answer: which domains count, and what to tell the user about those that do not.
pub(super) struct Total {
    /// For each domain, whether it is part of the total.
    pub(super) counted: Vec<bool>,
    /// One line a decision that is not plain.
    pub(super) notes: Vec<String>,
}

/// Picks the counted domains: the platform if there is exactly one, otherwise packages and memory.
///
/// With several platform domains nothing says whether they overlap: on Sapphire Rapids the counter
/// is valid on the master package only and reads 0 on the others (kernel commit
/// "powercap/intel_rapl: enumerate Psys RAPL domain together with package RAPL domain"). They are
/// then shown, and packages and memory are added.
pub(super) fn total(scopes: &[Scope]) -> Total {
    let platforms = scopes.iter().filter(|scope| **scope == Scope::Platform).count();
    let packages = scopes.contains(&Scope::Package);
    let mut notes = Vec::new();
    let platform = platforms == 1;
    if platforms > 1 {
        notes.push(format!(
            "{platforms} platform domains: whether they overlap is not documented, so none is counted{}",
            if packages { " and the total is packages and memory" } else { "" }
        ));
    }
    let counted = scopes
        .iter()
        .map(|scope| match scope {
            Scope::Platform => platform,
            Scope::Package | Scope::Dram => !platform && packages,
            Scope::Part => false,
            Scope::Gpu => true,
        })
        .collect();
    Total { counted, notes }
}

/// "2 packages + 2 dram" or "psys (packages and memory are inside it)".
pub(super) fn covers(scopes: &[Scope], counted: &[bool]) -> String {
    let many = |scope: Scope, one: &str, more: &str| {
        let n = scopes.iter().zip(counted).filter(|(s, c)| **s == scope && **c).count();
        match n {
            0 => None,
            1 => Some(format!("1 {one}")),
            n => Some(format!("{n} {more}")),
        }
    };
    if many(Scope::Platform, "", "").is_some() {
        return "psys: the whole platform; packages and memory are inside it and shown, not added"
            .to_owned();
    }
    let parts: Vec<String> = [
        many(Scope::Package, "package", "packages"),
        many(Scope::Dram, "dram", "dram"),
        many(Scope::Gpu, "GPU", "GPUs"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let psys = if scopes.contains(&Scope::Gpu) {
        ""
    } else if scopes.contains(&Scope::Platform) {
        "; psys shown, not counted"
    } else {
        "; psys not here"
    };
    format!("{}{psys}; all that runs on them, not only the measured tree", parts.join(" + "))
}

/// Names made unique by a suffix: of two `psys`, the first becomes `psys-0`, the second `psys-1`.
pub(super) fn distinct(names: &mut [String]) {
    let given = names.to_vec();
    for (i, name) in given.iter().enumerate() {
        if given.iter().filter(|other| *other == name).count() < 2 {
            continue;
        }
        let mut k = given[..i].iter().filter(|other| *other == name).count();
        loop {
            let candidate = format!("{name}-{k}");
            if !names.contains(&candidate) {
                names[i] = candidate;
                break;
            }
            k += 1;
        }
    }
}
