//! Skips files that the audited build cannot import, with the reason, and detects empty audits.
//!
//! A wheel is audited for the platforms of its tags. An environment is audited for the platforms of
//! the wheels installed in it, or for this machine if they name none. A module that is a target
//! itself is analyzed for any platform.

use super::Audit;
use crate::environment::Environment;
use crate::inventory::{Distribution, ExtensionFile, SkipReason};
use crate::tags::TagSet;
use crate::target::{Build, Platform};

/// Returns the platform tags of wheels, or nothing if a tag is `any`.
fn platforms<'a>(tags: impl Iterator<Item = &'a TagSet>) -> Vec<String> {
    let all: Vec<String> = tags.flat_map(|tags| tags.platform.iter().cloned()).collect();
    if all.iter().any(|tag| tag == "any") { Vec::new() } else { all }
}

/// Skips files of a wheel that are not for the build or for its platforms.
pub(super) fn in_wheel(distribution: &mut Distribution, build: Build) {
    let platforms = platforms(distribution.wheel_tags.iter());
    distribution.modules.iter_mut().for_each(|found| found.skip_by_name(build, &platforms));
}

/// Skips files of an environment that are not for the build or the platform.
pub(super) fn in_environment(environment: &mut Environment, build: Build) {
    let named = environment.distributions.iter().flat_map(|one| &one.wheel_tags);
    let mut here = platforms(named.filter(|tags| !tags.platform.iter().any(|tag| tag == "any")));
    if here.is_empty() {
        here.extend(Platform::here().map(|platform| platform.tag()));
    }
    for one in &mut environment.distributions {
        let own = platforms(one.wheel_tags.iter());
        let its = if own.is_empty() { &here } else { &own };
        one.modules.iter_mut().for_each(|found| found.skip_by_name(build, its));
    }
    environment.loose.iter_mut().for_each(|found| found.skip_by_name(build, &here));
}

impl Audit {
    /// Returns every file with the name of an extension module that was not analyzed; each has its
    /// reason.
    pub fn skipped(&self) -> impl Iterator<Item = (Option<&Distribution>, &ExtensionFile)> {
        self.modules().filter(|(_, found)| found.skipped.is_some())
    }

    /// Returns whether the audit has no result: no module was analyzed, no source was read, there
    /// are no requirements, and every distribution is empty or for another build or platform.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let is_foreign = |found: &ExtensionFile| {
            let reason = found.skipped.as_ref().map(|one| one.reason);
            matches!(reason, Some(SkipReason::OtherBuild | SkipReason::OtherPlatform))
        };
        let is_answered = |one: &Distribution| {
            let has_content =
                one.has_metadata || !one.sources.is_empty() || !one.modules.is_empty();
            has_content && !one.modules.iter().any(is_foreign)
        };
        self.importable().next().is_none()
            && self.sources == 0
            && self.python_files == 0
            && self.wanted.is_empty()
            && !self.distributions.iter().any(|one| is_answered(&one.distribution))
    }
}
