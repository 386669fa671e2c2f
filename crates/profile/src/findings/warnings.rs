//! Warnings about the reliability of a profile.

use super::{Finding, FindingTopic, MIN_SAMPLES};
use crate::header::{Mode, Unit};
use crate::profile::Profile;
use ungil_format::{counted, percent};

/// Returns the warnings about a profile.
pub(super) fn warnings(profile: &Profile) -> Vec<Finding> {
    let (totals, samples) = (&profile.totals, profile.total().samples);
    let warn = |share, text| Finding { topic: FindingTopic::Warning, share, text };
    let mut found = Vec::new();
    let nothing = match profile.header.mode {
        Mode::Lock => Some("no thread waited for a lock"),
        Mode::Gil => Some("no thread held the GIL or waited for it"),
        Mode::Gc => Some("the collector did not run"),
        _ => None,
    };
    if let (Some(nothing), 0, MIN_SAMPLES..) = (nothing, samples, totals.captured) {
        found.push(warn(1.0, format!("{nothing} in {}", counted(totals.captured, "look"))));
    } else if samples < MIN_SAMPLES && profile.header.unit == Unit::Nanoseconds {
        found.push(warn(
            1.0,
            format!("only {}: too few for reliable shares", counted(samples, "sample")),
        ));
    }
    let (missed, torn) = (totals.missed_share(), totals.torn_share(samples));
    if missed >= 0.05 {
        let why = match totals.busy_share() {
            None => "",
            Some(busy) if busy > 0.5 => ", most of them because all CPUs were busy",
            Some(_) => ", most of them because a look takes longer than the period",
        };
        let text = format!(
            "{} of the looks were missed{why}; short events are under-counted",
            percent(missed)
        );
        found.push(warn(missed, text));
    }
    if torn >= 0.005 {
        let text = format!(
            "{} of the stacks changed while they were read and are left out",
            percent(torn)
        );
        found.push(warn(torn, text));
    }
    if totals.left_out > 0 && samples > 0 {
        let share = totals.left_out as f64 / samples as f64;
        let text =
            format!("a table was full: {} without a stack", counted(totals.left_out, "sample"));
        found.push(warn(share, text));
    }
    found
}
