//! What an audit leaves out and says so, and whether anything is left.
//!
//! A wheel is for the platforms of its tags. An environment is for those of the wheels installed in
//! it, and for this machine's if they name none. A module that is named by itself is judged
//! whatever its platform.

use super::Audit;
use crate::environment::Environment;
use crate::inventory::{Distribution, ExtensionFile, SkipReason};
use crate::tags::TagSet;
use crate::target::{Build, Platform};

/// The platform tags of wheels; none if a tag says `any`.
fn platforms<'a>(tags: impl Iterator<Item = &'a TagSet>) -> Vec<String> {
    let all: Vec<String> = tags.flat_map(|tags| tags.platform.iter().cloned()).collect();
    if all.iter().any(|tag| tag == "any") { Vec::new() } else { all }
}

/// Notes which files of a wheel are not for the build or for its platforms.
pub(super) fn in_wheel(distribution: &mut Distribution, build: Build) {
    let platforms = platforms(distribution.wheel_tags.iter());
    distribution.modules.iter_mut().for_each(|found| found.skip_by_name(build, &platforms));
}

/// Notes which files of an environment are not for the build or the platform.
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
    /// Every file that is named like an extension module and was not judged; each has its reason.
    pub fn skipped(&self) -> impl Iterator<Item = (Option<&Distribution>, &ExtensionFile)> {
        self.modules().filter(|(_, found)| found.skipped.is_some())
    }

    /// Returns whether the audit has nothing to say: no module was judged, no source was read,
    /// nothing is wanted, and every distribution is without content or for another build or
    /// platform.
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
