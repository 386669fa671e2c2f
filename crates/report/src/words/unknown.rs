//! The sentence on what could not be known: energy without a sensor, memory that was not seen, arms
//! that failed.

use super::{Story, some};
use crate::joules;
use ungil_experiment::comparison::ArmFigures;
use ungil_experiment::energy::Evidence;
use ungil_format::{interval, ratio};

impl<'a> Story<'a> {
    /// The first sensor that is not there; why not is in the record.
    fn no_sensor(&self) -> Option<&'a str> {
        self.view.record.header.absent.first().map(|a| a.split(':').next().unwrap_or(a))
    }

    pub(super) fn unknown(&self) -> Option<String> {
        let mut parts = Vec::new();
        match joules::sensor(self.view) {
            None => parts.push(format!("energy ({})", self.no_sensor().unwrap_or("off"))),
            Some(s) if s.evidence == Evidence::Model => {
                let why = self.no_sensor().unwrap_or("as asked");
                parts.push(format!("energy but by a model ({why}; {})", s.covers));
            }
            Some(_) => {
                let refused = self
                    .view
                    .record
                    .runs
                    .iter()
                    .flat_map(|r| &r.energy)
                    .find_map(|j| j.why.as_ref());
                parts.extend(refused.map(|why| format!("the energy of some runs ({why})")));
            }
        }
        let lacks = |a: &&ArmFigures| a.missing.contains_key("pss_peak_bytes");
        let unseen: Vec<&str> =
            self.view.comparison.arms.iter().filter(lacks).map(|a| a.arm.as_str()).collect();
        let why = self.view.comparison.arms.iter().find_map(|a| a.missing.get("pss_peak_bytes"));
        parts.extend(why.map(|why| format!("the PSS of {} ({why})", some(&unseen))));
        let uncounted =
            self.view.comparison.arms.iter().find_map(|a| a.missing.get("failed_share"));
        parts.extend(uncounted.map(|why| format!("whether requests failed ({why})")));
        let failed: Vec<&str> = self
            .view
            .comparison
            .arms
            .iter()
            .filter(|a| a.failed.is_some())
            .map(|a| a.arm.as_str())
            .collect();
        if !failed.is_empty() {
            parts.push(format!("what {} would have shown (failed)", failed.join(", ")));
        }
        let mut said = (!parts.is_empty()).then(|| format!("Not known: {}.", parts.join("; ")));
        if let Some(noise) =
            self.view.comparison.noise.get(&self.view.comparison.headline).and_then(|v| v.ratio)
        {
            let aa = format!(
                "The baseline against itself (A/A) came out at {} ({}): differences of that size are noise.",
                ratio(noise.ratio),
                interval(noise.low, noise.high)
            );
            said = Some(said.map_or_else(|| aa.clone(), |s| format!("{s} {aa}")));
        }
        said
    }
}
