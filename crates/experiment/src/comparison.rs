//! What the runs of a record say, arm by arm and metric by metric: the record's last line.

use crate::served::Requests;
use crate::stats::{Ratio, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Every arm against the baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The arm every other is compared with.
    pub baseline: String,
    /// The metric that decides when there are enough blocks: `wall_s`, or `throughput_per_s` for a
    /// service.
    pub headline: String,
    /// Blocks in which at least one arm ran, warm-up not counted.
    pub blocks: usize,
    /// The arms, in the experiment's order.
    pub arms: Vec<ArmFigures>,
    /// What noise alone looked like (`--aa`): the baseline against itself, by metric.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub noise: BTreeMap<String, Versus>,
}

/// One arm's figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmFigures {
    /// The arm's id.
    pub arm: String,
    /// Runs that count.
    pub runs: usize,
    /// Why the arm has no figures, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// Its figures by metric.
    pub metrics: BTreeMap<String, Figure>,
    /// What could not be measured and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub missing: BTreeMap<String, String>,
    /// A service's requests over all runs that count, where the load generator reports them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<Requests>,
}

/// One metric of one arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Median over the runs.
    pub median: f64,
    /// Lower and upper quartile.
    pub quartiles: (f64, f64),
    /// This arm against the baseline; absent for the baseline itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Versus>,
    /// A free-threaded arm against the GIL build with the same model and workers, where that is not
    /// the baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twin: Option<Versus>,
}

/// A ratio with another arm and what it allows to be said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Versus {
    /// The other arm.
    pub arm: String,
    /// This arm's value over the other's, over the blocks in which both are positive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio: Option<Ratio>,
    /// The verdict at this metric's margin.
    pub verdict: Verdict,
    /// The reason why the verdict is [`Verdict::Inconclusive`] and further blocks would not change
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Comparison {
    /// The figures of one arm.
    pub fn arm(&self, id: &str) -> Option<&ArmFigures> {
        self.arms.iter().find(|a| a.arm == id)
    }

    /// The headline ratios that further blocks can decide: of arms that have not failed, against
    /// the baseline.
    fn decidable(&self) -> impl Iterator<Item = &Versus> {
        let arms = self.arms.iter().filter(|a| a.failed.is_none());
        let versus = arms.filter_map(|a| a.metrics.get(&self.headline)?.baseline.as_ref());
        versus.filter(|v| v.why.is_none())
    }

    /// Returns whether further blocks can decide anything.
    pub fn is_decidable(&self) -> bool {
        self.decidable().next().is_some()
    }

    /// The widest relative half-width of the headline metric's intervals against the baseline;
    /// `None` before there are two blocks: one has no width.
    pub fn precision(&self) -> Option<f64> {
        let widths =
            self.decidable().map(|v| v.ratio.filter(|r| r.blocks > 1).map(|r| r.precision()));
        widths.collect::<Option<Vec<f64>>>()?.into_iter().reduce(f64::max)
    }
}
