//! The order of arms in a block.

use crate::arm::Arm;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Returns the arms in the random order of a block (Fisher-Yates), which the seed determines.
pub(super) fn order(arms: &[Arm], seed: u64, block: u32) -> Vec<&Arm> {
    let mut random = ChaCha8Rng::seed_from_u64(seed ^ (u64::from(block) << 32));
    let mut order: Vec<&Arm> = arms.iter().collect();
    for i in (1..order.len()).rev() {
        order.swap(i, random.random_range(0..=i));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_determines_the_order_of_arms_in_each_block() {
        let arms: Vec<Arm> = (0..6).map(|i| Arm::also(&format!("arm{i}"), "x", None)).collect();
        let ids = |seed, block| {
            order(&arms, seed, block).iter().map(|a| a.id.clone()).collect::<Vec<_>>()
        };
        assert_eq!(ids(1, 1), ids(1, 1));
        let mut orders: Vec<_> = (0..50).map(|b| ids(1, b)).collect();
        for order in &orders {
            let mut sorted = order.clone();
            sorted.sort();
            assert_eq!(sorted, arms.iter().map(|a| a.id.clone()).collect::<Vec<_>>());
        }
        orders.sort();
        orders.dedup();
        assert!(orders.len() > 40, "{} different orders of 50", orders.len());
    }
}
