//! Compares the free-threading claims of a distribution with its binaries.
//!
//! Two things count as a claim: a classifier of *3 - Stable* or higher, and a `manylinux` or
//! `musllinux` wheel for a free-threaded build, because somebody repaired it for other machines. A
//! tag with `linux_`, `macosx_` or `win_` is no claim. Every build with a free-threaded interpreter
//! gets it, including `pip install` of a source distribution; on macOS and Windows, wheels from an
//! index have the same tags and cannot be distinguished. One module that enables the GIL breaks the
//! claim for the whole process. A distribution whose modules all declare support could make a
//! claim.

use crate::inventory::{Distribution, ExtensionFile};
use crate::metadata::Claim;
use crate::tags::TagSet;
use crate::target::Build;
use serde::Serialize;

/// Result of comparing claims with modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It has no extension module that the build can import, so it cannot enable the GIL.
    NoModules,
    /// It claims to run without the GIL, and all its modules declare it.
    Kept,
    /// It claims to run without the GIL, and a module enables it.
    Broken,
    /// It makes no claim, but all its modules declare support.
    CouldClaim,
    /// It makes no claim, and a module enables the GIL.
    SwitchesOn,
    /// No module is known to enable the GIL, but some are unknown.
    Undecided,
}

/// Claims of a distribution, and the modules for and against them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClaimCheck {
    pub standing: Standing,
    /// Its claims; empty if there are none.
    pub claims: Vec<String>,
    /// Names of the modules that enable the GIL.
    pub against: Vec<String>,
    /// Names of the modules with an unknown effect.
    pub unknown: Vec<String>,
}

/// Compares the claims of a distribution with the verdicts on its modules, for a free-threaded
/// build.
#[must_use]
pub fn check(distribution: &Distribution, build: Build) -> ClaimCheck {
    let mut claims = Vec::new();
    // Lower levels state that it may not work yet.
    if let Some(claim) = distribution.claim.filter(|&claim| claim >= Claim::Stable) {
        claims.push(format!("classifier {}", claim.classifier()));
    }
    // `abi3` and untagged wheels claim nothing: they were built for the GIL.
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
        let analysis = |verdict| ModuleAnalysis {
            name,
            verdict,
            init: None,
            toolchain: None,
            evidence: Vec::new(),
        };
        found.analyses.extend(verdict.map(analysis));
        found
    }

    fn standing(claim: Option<Claim>, tags: &str, modules: Vec<ExtensionFile>) -> Standing {
        let wheel_tags = vec![TagSet::parse(tags).unwrap()];
        let distribution = Distribution { claim, wheel_tags, modules, ..Distribution::default() };
        check(&distribution, "3.14t".parse().unwrap()).standing
    }

    #[test]
    fn compares_claims_with_modules() {
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
            // A wheel for another build claims nothing for this one.
            (None, "cp313-cp313t-manylinux_2_28_x86_64", vec![bad()], Standing::SwitchesOn),
            (None, "cp314-cp314t-musllinux_1_2_x86_64", vec![bad()], Standing::Broken),
            (
                None,
                "cp314-cp314t-linux_x86_64.manylinux_2_28_x86_64",
                vec![bad()],
                Standing::Broken,
            ),
            // Every local build gets such a tag, so it is no claim.
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
    fn is_undecided_if_a_module_is_unreadable() {
        let mut module = found("a/_x.so", None);
        module.unreadable = Some("not a binary".to_owned());
        assert_eq!(standing(None, "py3-none-any", vec![module]), Standing::Undecided);
    }
}
