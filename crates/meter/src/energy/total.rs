//! Decides which domains are added to the total.
//!
//! RAPL's domains nest: psys contains the packages, a package contains core and uncore, and memory
//! is not part of the package's counter although powercap lists it as the package's child. Adding
//! nested domains counts joules twice, so powercap and perf share one rule.

use super::Scope;

/// The counted domains, and notes about those that are not.
pub(super) struct Total {
    /// For each domain, whether it is part of the total.
    pub(super) counted: Vec<bool>,
    /// One line per decision that is not obvious.
    pub(super) notes: Vec<String>,
}

/// Selects the counted domains: the platform if there is exactly one, otherwise packages and
/// memory.
///
/// With several platform domains it is not known whether they overlap: on Sapphire Rapids the
/// counter is valid on the master package only and reads 0 on the others (kernel commit
/// "powercap/intel_rapl: enumerate Psys RAPL domain together with package RAPL domain"). They are
/// then only displayed, and packages and memory are added.
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

/// Describes the counted domains, such as "2 packages + 2 dram".
pub(super) fn covers(scopes: &[Scope], counted: &[bool]) -> String {
    let count = |scope: Scope, one: &str, more: &str| {
        let n = scopes.iter().zip(counted).filter(|(s, c)| **s == scope && **c).count();
        match n {
            0 => None,
            1 => Some(format!("1 {one}")),
            n => Some(format!("{n} {more}")),
        }
    };
    if count(Scope::Platform, "", "").is_some() {
        return "psys: the whole platform; it includes packages and memory, which are shown but not added"
            .to_owned();
    }
    let parts: Vec<String> = [
        count(Scope::Package, "package", "packages"),
        count(Scope::Dram, "dram", "dram"),
        count(Scope::Gpu, "GPU", "GPUs"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let psys = if scopes.contains(&Scope::Gpu) {
        ""
    } else if scopes.contains(&Scope::Platform) {
        "; psys shown, not counted"
    } else {
        "; no psys"
    };
    format!(
        "{}{psys}; everything that runs on them, not only the measured processes",
        parts.join(" + ")
    )
}

/// Makes names unique with a suffix: of two `psys`, the first becomes `psys-0`, the second
/// `psys-1`.
pub(super) fn make_unique(names: &mut [String]) {
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
