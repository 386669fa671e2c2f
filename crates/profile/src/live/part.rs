//! The looks that a view sums up.

use super::tally::Tally;
use super::view::{Cost, Span};
use ungil_remote::gc::{Collections, Collector};
use ungil_remote::world::Pauses;

/// What the looks of one interval came to.
#[derive(Debug, Clone, Default)]
pub(super) struct Part {
    pub(super) tally: Tally,
    pub(super) collections: Collections,
    pub(super) pauses: Pauses,
    pub(super) gil_taken: u64,
}

impl Part {
    pub(super) fn merge(&mut self, other: &Part) {
        self.tally.merge(&other.tally);
        self.collections = self.collections.plus(&other.collections);
        self.pauses = self.pauses.plus(&other.pauses);
        self.gil_taken += other.gil_taken;
    }
}

/// What a view sums up, and what the looks cost.
pub(super) struct Summed<'a> {
    pub(super) part: &'a Part,
    pub(super) span: Span,
    pub(super) cost: Cost,
    pub(super) collector: Option<&'a Collector>,
}
