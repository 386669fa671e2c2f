//! Sizes of workloads: the paper's, scaled down, or chosen to take a given time; and the memory
//! that a size needs.

use crate::workloads::Workload;
use ungil_experiment::arm::Model;

/// The scale of a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scale {
    /// About this many seconds on the GIL build with one worker.
    Seconds(f64),
    /// This share of the paper's work.
    Share(f64),
}

/// Memory of an interpreter with its imports, in bytes.
const INTERPRETER: f64 = 24.0 * 1048576.0;
/// Additional memory of NumPy, in bytes.
const NUMPY: f64 = 40.0 * 1048576.0;

/// Returns the sizes of a workload, each with its share of the work of the paper's size. With
/// `all`, these are all sizes of the paper, otherwise only the middle one. Duplicates are removed.
pub fn sizes(workload: &Workload, scale: Scale, all: bool) -> Vec<(u64, f64)> {
    let middle = workload.sizes.len() / 2;
    let paper =
        if all { workload.sizes } else { workload.sizes.get(middle..=middle).unwrap_or_default() };
    let mut sizes: Vec<(u64, f64)> = paper
        .iter()
        .map(|&full| {
            let size = match scale {
                Scale::Share(share) => rounded(full as f64 * share.powf(1.0 / workload.cost.power)),
                Scale::Seconds(s) => rounded(size_taking(workload, s).min(full as f64)),
            };
            (size, (size as f64 / full as f64).powf(workload.cost.power))
        })
        .collect();
    sizes.dedup_by_key(|(size, _)| *size);
    sizes
}

/// Returns the size that takes about `seconds`.
fn size_taking(workload: &Workload, seconds: f64) -> f64 {
    let cost = workload.cost;
    cost.at * (seconds / cost.seconds).powf(1.0 / cost.power)
}

/// Rounds to three digits, as many as the paper's own sizes have, and to at least 16.
fn rounded(size: f64) -> u64 {
    let step = 10f64.powf((size.max(1.0).log10().floor() - 2.0).max(0.0));
    ((size / step).round() * step).max(16.0) as u64
}

/// Returns the expected seconds of a size.
pub fn seconds(workload: &Workload, size: u64) -> f64 {
    let cost = workload.cost;
    cost.seconds * (size as f64 / cost.at).powf(cost.power)
}

/// Returns the expected maximum memory of a run in bytes.
pub fn bytes(workload: &Workload, size: u64, model: Option<Model>, workers: u32) -> u64 {
    let cost = workload.cost;
    let data = cost.bytes * (size as f64).powi(cost.bytes_power);
    let own =
        if workload.source.contains("import numpy") { INTERPRETER + NUMPY } else { INTERPRETER };
    let all = match model {
        // Data that is sent exists twice, and pickled in between.
        Some(Model::Fork | Model::Spawn | Model::Forkserver | Model::Interpreters) => {
            2.5 * data + own * f64::from(workers + 1)
        }
        _ => data + own,
    };
    all as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workloads::WORKLOADS;

    fn alone(workload: &Workload, scale: Scale, all: bool) -> Vec<u64> {
        sizes(workload, scale, all).into_iter().map(|(size, _)| size).collect()
    }

    fn find(name: &str) -> &'static Workload {
        Workload::find(name).expect("a workload")
    }

    #[test]
    fn full_scale_gives_the_sizes_of_the_paper() {
        for workload in WORKLOADS {
            assert_eq!(
                alone(workload, Scale::Share(1.0), true),
                workload.sizes,
                "{}",
                workload.name
            );
        }
        let points: usize = WORKLOADS.iter().filter(|w| w.sizes.len() == 7).count() * 7;
        assert_eq!(points + 7 * 6, 84, "and with 6 thread counts of 7 workloads, 84 points");
    }

    #[test]
    fn scale_applies_to_the_work() {
        // A matrix product is cubic, a sieve linear, bubble sort quadratic.
        assert_eq!(alone(find("matmul"), Scale::Share(0.125), true), [384]);
        assert_eq!(alone(find("prime_sieve"), Scale::Share(0.01), true)[0], 160_000);
        assert_eq!(alone(find("bubble_sort"), Scale::Share(0.01), true)[0], 500);
        let (_, half) = sizes(find("matmul"), Scale::Share(0.5), false)[0];
        assert!((0.49..0.51).contains(&half), "{half}");
    }

    #[test]
    fn size_takes_the_requested_time_and_is_at_most_the_papers() {
        for workload in WORKLOADS {
            let [size] = alone(workload, Scale::Seconds(1.0), false)[..] else {
                panic!("one size")
            };
            let expected = seconds(workload, size);
            assert!((0.8..1.25).contains(&expected), "{} of {size}: {expected} s", workload.name);
            let [most] = alone(workload, Scale::Seconds(1e9), false)[..] else {
                panic!("one size")
            };
            assert_eq!(most, workload.sizes[workload.sizes.len() / 2]);
            assert!(alone(workload, Scale::Seconds(1e-9), true)[0] >= 1);
        }
    }

    #[test]
    fn processes_need_more_memory_than_threads() {
        let json = find("json_parse");
        assert!(
            bytes(json, 1000, Some(Model::Spawn), 4) > bytes(json, 1000, Some(Model::Threads), 4)
        );
    }
}
