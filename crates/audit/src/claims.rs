//! Claim against evidence: what a distribution says of free threading, and what its binaries say.
//!
//! A classifier of *3 - Stable* or higher is a claim, and so is a `manylinux` or `musllinux` wheel
//! for a free-threaded build: its maker repaired it for others to install. A tag with `linux_`,
//! `macosx_` or `win_` is none. Every build on such a machine by a free-threaded interpreter gets
//! it, `pip install` of a source distribution too; on macOS and Windows the wheels of an index have
//! the same tags, and nothing in the file tells the two apart. The first module that switches the
//! GIL on breaks a claim for the whole process. A distribution whose modules all declare could make
//! one.

use crate::inventory::{Distribution, ExtensionFile};
use crate::metadata::Claim;
use crate::tags::TagSet;
use crate::target::Build;
use serde::Serialize;

/// What comes of holding a distribution's claims against its modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It has no extension module that the build would take: it cannot switch the GIL on.
    NoModules,
    /// It claims to run without the GIL, and all its modules declare it.
    Kept,
    /// It claims to, and a module switches the GIL on.
    Broken,
    /// It does not claim to, and all its modules declare it: it could.
    CouldClaim,
    /// It does not claim to, and a module switches the GIL on.
    SwitchesOn,
    /// Nothing switches the GIL on as far as is known, but something is unknown.
    Undecided,
}

/// A distribution's standing, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClaimCheck {
    /// The outcome.
    pub standing: Standing,
    /// What it promises, in words; empty if nothing.
    pub claims: Vec<String>,
    /// The modules that switch the GIL on, by the name they are imported by.
    pub against: Vec<String>,
    /// The modules for which it is not known.
    pub unknown: Vec<String>,
}

/// Holds a distribution's claims against its modules' judgements, for a free-threaded build.
#[must_use]
pub fn check(distribution: &Distribution, build: Build) -> ClaimCheck {
    let mut claims = Vec::new();
    // A lower level says that it may not work, or not yet.
    if let Some(claim) = distribution.claim.filter(|&claim| claim >= Claim::Stable) {
        claims.push(format!("classifier {}", claim.classifier()));
    }
    // `abi3` and bare wheels claim nothing: they were made for builds with a GIL.
    let is_claim = |tags: &&TagSet| {
        tags.names_free_threading() && tags.is_repaired() && tags.serves(build, None)
    };
    let tag = distribution.wheel_tags.iter().find(is_claim);
    claims.extend(tag.map(|tags| format!("wheel {tags}")));
    let name = |found: &ExtensionFile| found.module.clone().unwrap_or_else(|| found.path.clone());
    let (mut against, mut unknown) = (Vec::new(), Vec::new());
    let mut declared = 0_usize;
    for found in distribution.modules.iter().filter(|found| found.is_importable_by(build)) {
        match found.enables_gil() {
            Some(true) => against.push(name(found)),
            Some(false) => declared += 1,
            None => unknown.push(name(found)),
        }
    }
    let standing = match (against.is_empty(), unknown.is_empty(), claims.is_empty()) {
        (false, _, false) => Standing::Broken,
        (false, _, true) => Standing::SwitchesOn,
        (true, false, _) => Standing::Undecided,
        (true, true, _) if declared == 0 => Standing::NoModules,
        (true, true, false) => Standing::Kept,
        (true, true, true) => Standing::CouldClaim,
    };
    ClaimCheck { standing, claims, against, unknown }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{SkipReason, Skipped};
    use crate::model::{ModuleAnalysis, Verdict};
    use std::path::PathBuf;

    fn found(path: &str, verdict: Option<Verdict>) -> ExtensionFile {
        let mut found = ExtensionFile::new(path, PathBuf::from(path)).unwrap();
        let name = found.module.clone().unwrap().rsplit('.').next().unwrap().to_owned();
        let judge = |verdict| ModuleAnalysis {
            name,
            verdict,
            init: None,
            toolchain: None,
            evidence: Vec::new(),
        };
        found.analyses.extend(verdict.map(judge));
        found
    }

    fn standing(claim: Option<Claim>, tags: &str, modules: Vec<ExtensionFile>) -> Standing {
        let wheel_tags = vec![TagSet::parse(tags).unwrap()];
        let distribution = Distribution { claim, wheel_tags, modules, ..Distribution::default() };
        check(&distribution, "3.14t".parse().unwrap()).standing
    }

    #[test]
    fn claims_are_held_against_modules() {
        let own = "cp314-cp314t-manylinux_2_28_x86_64";
        let abi3 = "cp38-abi3-linux_x86_64";
        let good = || found("a/_x.cpython-314t-x86_64-linux-gnu.so", Some(Verdict::Declares));
        let bad = || found("a/_y.so", Some(Verdict::DoesNotDeclare));
        let unknown = || found("a/_z.so", Some(Verdict::Unknown("so".to_owned())));
        let library = || ExtensionFile {
            skipped: Some(Skipped { reason: SkipReason::NoInit, why: String::new() }),
            ..found("a/libz.so", None)
        };
        let other = || found("a/_y.cpython-314-x86_64-linux-gnu.so", Some(Verdict::DoesNotDeclare));
        let stable = Some(Claim::Stable);
        for (claim, tags, modules, expected) in [
            (None, own, vec![good(), bad()], Standing::Broken),
            (stable, abi3, vec![bad(), unknown()], Standing::Broken),
            (Some(Claim::Beta), abi3, vec![bad()], Standing::SwitchesOn),
            (None, abi3, vec![bad()], Standing::SwitchesOn),
            (stable, own, vec![good(), other(), library()], Standing::Kept),
            (None, abi3, vec![good()], Standing::CouldClaim),
            (stable, own, vec![good(), unknown()], Standing::Undecided),
            (stable, own, vec![library(), other()], Standing::NoModules),
            // Its wheel is for another build, and promises this one nothing.
            (None, "cp313-cp313t-manylinux_2_28_x86_64", vec![bad()], Standing::SwitchesOn),
            (None, "cp314-cp314t-musllinux_1_2_x86_64", vec![bad()], Standing::Broken),
            (
                None,
                "cp314-cp314t-linux_x86_64.manylinux_2_28_x86_64",
                vec![bad()],
                Standing::Broken,
            ),
            // Every build here gives such a tag: nobody claimed anything.
            (None, "cp314-cp314t-linux_x86_64", vec![bad()], Standing::SwitchesOn),
            (None, "cp314-cp314t-linux_x86_64", vec![good()], Standing::CouldClaim),
            (None, "cp314-cp314t-macosx_11_0_arm64", vec![bad()], Standing::SwitchesOn),
            (None, "cp314-cp314t-win_amd64", vec![bad()], Standing::SwitchesOn),
            (stable, "cp314-cp314t-linux_x86_64", vec![bad()], Standing::Broken),
        ] {
            assert_eq!(standing(claim, tags, modules), expected, "{claim:?} {tags}");
        }
    }

    #[test]
    fn a_module_that_could_not_be_read_leaves_it_undecided() {
        let mut module = found("a/_x.so", None);
        module.unreadable = Some("it is no binary".to_owned());
        assert_eq!(standing(None, "py3-none-any", vec![module]), Standing::Undecided);
    }
}
