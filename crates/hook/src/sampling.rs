//! Sampling by bytes: which blocks are sampled, and how much each stands for.
//!
//! Sampling points form a Poisson process over the bytes that a program allocates, one every
//! `every` bytes on average. A block is sampled if at least one point falls into it. So a block of
//! `size` bytes is sampled with the probability `p = 1 - exp(-size / every)`, independent of
//! earlier blocks, and stands for `1 / p` blocks and `size / p` bytes (the Horvitz-Thompson
//! estimator), which makes every sum unbiased. The variance is estimated by the sum of `(1 - p)
//! (size / p)^2`.

/// The weight of one sampled block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weight {
    /// Blocks.
    pub blocks: f64,
    /// Bytes.
    pub bytes: f64,
    /// Contribution to the variance of the bytes.
    pub variance: f64,
}

/// Returns the weight of a sampled block of `size` bytes, with a point every `every` bytes on
/// average.
pub fn weight(size: u64, every: u64) -> Weight {
    let size = size as f64;
    if every <= 1 {
        return Weight { blocks: 1.0, bytes: size, variance: 0.0 };
    }
    // -expm1 stays precise where size is far below every.
    let p = -(-(size.max(1.0)) / every as f64).exp_m1();
    let bytes = size / p;
    Weight { blocks: 1.0 / p, bytes, variance: (1.0 - p) * bytes * bytes }
}

/// Returns the next state of a thread's generator (xorshift64*; must not be 0), and 53 random bits
/// of it as a number in (0, 1].
pub fn uniform(state: u64) -> (u64, f64) {
    let mut x = state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    let bits = x.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11;
    (x, (bits + 1) as f64 / (1u64 << 53) as f64)
}

/// Returns the number of bytes to the next point, exponentially distributed; 0 if every block must
/// be sampled.
pub fn gap(every: u64, uniform: f64) -> i64 {
    if every <= 1 { 0 } else { (-uniform.ln() * every as f64) as i64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_sampling_a_block_has_its_own_weight() {
        assert_eq!(weight(48, 1), Weight { blocks: 1.0, bytes: 48.0, variance: 0.0 });
    }

    #[test]
    fn small_blocks_weigh_the_mean_and_large_ones_their_size() {
        let small = weight(16, 65536);
        assert!((small.bytes - 65536.0).abs() < 16.0, "{small:?}");
        let large = weight(1 << 30, 65536);
        assert_eq!(large.blocks, 1.0);
        assert_eq!(large.variance, 0.0);
    }

    /// Known blocks; the estimates must be within five of their own standard errors. The generator
    /// is seeded, so the test is deterministic.
    #[test]
    fn estimates_are_unbiased_within_their_variance() {
        for (seed, sizes) in
            [(1u64, vec![64u64]), (2, vec![16, 5000]), (3, vec![100, 1, 200_000, 40])]
        {
            let every = 4096;
            let (mut state, mut left) = (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), 0);
            let (mut bytes, mut blocks, mut variance, mut truth) = (0.0, 0.0, 0.0, 0);
            let count = 200_000;
            for n in 0..count {
                let size = sizes[n % sizes.len()];
                truth += size;
                left -= size as i64;
                if left < 0 {
                    let (next, u) = uniform(state);
                    (state, left) = (next, gap(every, u));
                    if n > 0 {
                        let w = weight(size, every);
                        bytes += w.bytes;
                        blocks += w.blocks;
                        variance += w.variance;
                    }
                }
            }
            let error = variance.sqrt();
            assert!(
                (bytes - truth as f64).abs() < 5.0 * error,
                "{sizes:?}: {bytes} for {truth} ± {error}"
            );
            assert!((blocks / count as f64 - 1.0).abs() < 0.1, "{sizes:?}: {blocks} for {count}");
        }
    }

    #[test]
    fn gaps_have_the_requested_mean() {
        let (mut state, mut sum, n) = (99, 0i64, 100_000);
        for _ in 0..n {
            let (next, u) = uniform(state);
            assert!(u > 0.0 && u <= 1.0);
            state = next;
            sum += gap(1000, u);
        }
        assert!((sum as f64 / n as f64 - 1000.0).abs() < 20.0, "{sum}");
    }
}
