//! The comparison of a record's runs, per arm and metric. It is the last line of a record.

use crate::requests::Requests;
use crate::stats::{Ratio, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// All arms compared with the baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Id of the arm that the others are compared with.
    pub baseline: String,
    /// The metric that decides when there are enough blocks: `wall_s`, or `throughput_per_s` for a
    /// service.
    pub headline: String,
    /// Number of blocks in which at least one arm ran, without warm-up.
    pub blocks: usize,
    /// The arms, in the experiment's order.
    pub arms: Vec<ArmFigures>,
    /// The baseline compared with itself (`--aa`), by metric: what noise alone looks like.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub noise: BTreeMap<String, Versus>,
}

/// One arm's figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmFigures {
    pub arm: String,
    /// Number of successful runs outside warm-up.
    pub runs: usize,
    /// The reason why the arm failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// Figures by metric.
    pub metrics: BTreeMap<String, Figure>,
    /// The reason why metrics are missing, by metric.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub missing: BTreeMap<String, String>,
    /// Requests of a service over all counted runs, if the load generator reports them.
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
    /// This arm compared with the baseline; absent for the baseline itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Versus>,
    /// For a free-threaded arm: compared with the GIL build with the same model and workers, unless
    /// that is the baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twin: Option<Versus>,
}

/// A comparison with another arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Versus {
    pub arm: String,
    /// This arm's value divided by the other's, over the blocks in which both are positive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio: Option<Ratio>,
    /// The verdict at the metric's margin.
    pub verdict: Verdict,
    /// The reason why the verdict is [`Verdict::Inconclusive`], if further blocks would not change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Comparison {
    /// Returns the figures of one arm.
    pub fn arm(&self, id: &str) -> Option<&ArmFigures> {
        self.arms.iter().find(|a| a.arm == id)
    }

    /// Returns the headline ratios that further blocks can decide: those of arms that have not
    /// failed, against the baseline.
    fn decidable(&self) -> impl Iterator<Item = &Versus> {
        let arms = self.arms.iter().filter(|a| a.failed.is_none());
        let versus = arms.filter_map(|a| a.metrics.get(&self.headline)?.baseline.as_ref());
        versus.filter(|v| v.why.is_none())
    }

    /// Returns whether further blocks can decide anything.
    pub fn is_decidable(&self) -> bool {
        self.decidable().next().is_some()
    }

    /// Returns the largest relative half-width of the headline metric's intervals against the
    /// baseline. `None` with fewer than two blocks, which have no interval.
    pub fn precision(&self) -> Option<f64> {
        let widths =
            self.decidable().map(|v| v.ratio.filter(|r| r.blocks > 1).map(|r| r.precision()));
        widths.collect::<Option<Vec<f64>>>()?.into_iter().reduce(f64::max)
    }
}
