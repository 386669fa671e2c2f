//! Selects the projects to look up in the index: those with wheels specific to a build.

use super::Audit;
use crate::claims::Standing;
use crate::index::IndexQuery;
use crate::target::Platform;

impl Audit {
    /// Returns a query for each distribution with compiled modules, and for each project in a lock
    /// file without a wheel for the build.
    ///
    /// The newest version is requested as well if a module enables the GIL or no file is for the
    /// build.
    #[must_use]
    pub fn index_queries(&self, platform: Platform) -> Vec<IndexQuery> {
        let compiled = self.distributions.iter().filter(|one| {
            let tags = &one.distribution.wheel_tags;
            !one.distribution.editable
                && (!one.distribution.modules.is_empty()
                    || tags
                        .iter()
                        .any(|tags| tags.platform.iter().all(|platform| platform != "any")))
        });
        let installed = compiled.map(|one| IndexQuery {
            name: one.distribution.name.clone(),
            version: Some(one.distribution.version.clone()).filter(|version| !version.is_empty()),
            wants_newest: !matches!(
                one.claim_check.standing,
                Standing::Kept | Standing::CouldClaim
            ),
        });
        let wanted = self.wanted.iter().filter(|one| {
            one.applies != Some(false)
                && one.from.is_none()
                && one.wheel_for(self.build, Some(platform)).is_none()
        });
        let wanted = wanted.map(|one| IndexQuery {
            name: one.name.clone(),
            version: one.version.clone(),
            wants_newest: false,
        });
        let mut all: Vec<IndexQuery> = installed.chain(wanted).collect();
        all.sort_by(|a, b| {
            (&a.name, &a.version, b.wants_newest).cmp(&(&b.name, &b.version, a.wants_newest))
        });
        all.dedup_by(|a, b| a.name == b.name && a.version == b.version);
        all
    }
}
