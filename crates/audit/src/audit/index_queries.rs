//! What the index is to be asked about: projects that have wheels of their own for each build.

use super::Audit;
use crate::claims::Standing;
use crate::index::IndexQuery;
use crate::target::Platform;

impl Audit {
    /// A question for each distribution with compiled modules, and for each project of a lock file
    /// that lists no wheel for the build.
    ///
    /// A distribution whose modules switch the GIL on, or of which no file is for the build, needs
    /// another version if there is one.
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
