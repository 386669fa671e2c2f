//! The sentences about what was not measured (energy without a sensor, memory that could not be
//! read), and about noise.

use super::{Results, list_arms};
use crate::joules;
use ungil_experiment::comparison::ArmFigures;
use ungil_experiment::energy::Evidence;
use ungil_format::{interval, ratio};

/// How the model's sensor begins its description.
const ESTIMATE: &str = "an estimate, not a measurement: ";

impl<'a> Results<'a> {
    /// Returns the first sensor that is absent; the record has the reason.
    fn absent_sensor(&self) -> Option<&'a str> {
        self.view.record.header.absent.first().map(|a| a.split(':').next().unwrap_or(a))
    }

    pub(super) fn unmeasured(&self) -> Option<String> {
        let mut parts = Vec::new();
        parts.extend(self.unmeasured_energy());
        let arms = &self.view.comparison.arms;
        let lacks = |a: &&ArmFigures| a.missing.contains_key("pss_peak_bytes");
        let without_pss: Vec<&str> = arms.iter().filter(lacks).map(|a| a.arm.as_str()).collect();
        let why = arms.iter().find_map(|a| a.missing.get("pss_peak_bytes"));
        parts.extend(
            why.map(|why| format!("PSS of {} is not measured ({why}).", list_arms(&without_pss))),
        );
        let why = arms.iter().find_map(|a| a.missing.get("failed_share"));
        parts.extend(why.map(|why| format!("Failed requests are not counted ({why}).")));
        parts.extend(self.noise());
        (!parts.is_empty()).then(|| parts.join(" "))
    }

    fn unmeasured_energy(&self) -> Option<String> {
        match joules::sensor(self.view) {
            None => {
                let why = self.absent_sensor().unwrap_or("switched off");
                Some(format!("Energy is not measured ({why})."))
            }
            Some(s) if s.evidence == Evidence::Model => {
                let why = self.absent_sensor().unwrap_or("as requested");
                let covers = s.covers.strip_prefix(ESTIMATE).unwrap_or(&s.covers);
                Some(format!("Energy is modelled, not measured ({why}; {covers})."))
            }
            Some(_) => {
                let runs = self.view.record.runs.iter();
                let why = runs.flat_map(|r| &r.energy).find_map(|j| j.why.as_ref())?;
                Some(format!("Energy of some runs is not measured ({why})."))
            }
        }
    }

    /// States what noise alone looks like (`--aa`).
    fn noise(&self) -> Option<String> {
        let comparison = self.view.comparison;
        let noise = comparison.noise.get(&comparison.headline)?.ratio?;
        Some(format!(
            "The baseline against itself (A/A): {} ({}). Differences of that size are noise.",
            ratio(noise.ratio),
            interval(noise.low, noise.high)
        ))
    }
}
