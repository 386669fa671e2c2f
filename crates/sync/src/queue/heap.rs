//! A binary heap whose comparisons may fail, because they may call Python code. The final position
//! of an item is determined before anything moves, so a failed comparison leaves the heap
//! unchanged.

/// A binary min-heap. The caller supplies the order, which must be the same in each call.
#[derive(Debug)]
pub struct Heap<E>(Vec<E>);

impl<E> Default for Heap<E> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<E> Heap<E> {
    /// Adds `item`. If a comparison fails, returns the item with the error.
    pub fn push<X>(
        &mut self,
        item: E,
        mut less: impl FnMut(&E, &E) -> Result<bool, X>,
    ) -> Result<(), (E, X)> {
        let mut target = self.0.len();
        while target > 0 {
            let parent = (target - 1) / 2;
            match less(&item, &self.0[parent]) {
                Ok(true) => target = parent,
                Ok(false) => break,
                Err(failure) => return Err((item, failure)),
            }
        }
        let mut at = self.0.len();
        self.0.push(item);
        while at > target {
            let parent = (at - 1) / 2;
            self.0.swap(at, parent);
            at = parent;
        }
        Ok(())
    }

    /// Removes and returns the least item, if any.
    pub fn pop<X>(
        &mut self,
        mut less: impl FnMut(&E, &E) -> Result<bool, X>,
    ) -> Result<Option<E>, X> {
        let Some((last, rest)) = self.0.split_last() else { return Ok(None) };
        let mut path = Vec::new();
        let mut at = 0;
        while let Some(left) = rest.get(2 * at + 1) {
            let mut child = 2 * at + 1;
            if let Some(right) = rest.get(child + 1)
                && less(right, left)?
            {
                child += 1;
            }
            if !less(&rest[child], last)? {
                break;
            }
            path.push(child);
            at = child;
        }
        let least = self.0.swap_remove(0);
        let mut at = 0;
        for child in path {
            self.0.swap(at, child);
            at = child;
        }
        Ok(Some(least))
    }

    /// Returns the least item.
    pub fn first(&self) -> Option<&E> {
        self.0.first()
    }

    /// Returns the number of items.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Iterates over all items, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &E> {
        self.0.iter()
    }

    /// Removes and returns all items, in no particular order.
    pub fn take_all(&mut self) -> Vec<E> {
        std::mem::take(&mut self.0)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn less(a: &i32, b: &i32) -> Result<bool, ()> {
        Ok(a < b)
    }

    proptest! {
        #[test]
        fn pops_items_in_order(mut items: Vec<i32>) {
            let mut heap = Heap::default();
            for &item in &items {
                heap.push(item, less).unwrap();
            }
            items.sort();
            let out: Vec<_> = std::iter::from_fn(|| heap.pop(less).unwrap()).collect();
            prop_assert_eq!(out, items);
        }

        #[test]
        fn a_failed_comparison_changes_nothing(items: Vec<i32>, fail_at in 0usize..12, item: i32) {
            let mut heap = Heap::default();
            for &item in &items {
                heap.push(item, less).unwrap();
            }
            let before: Vec<_> = heap.iter().copied().collect();
            let mut calls = 0;
            let mut failing = |a: &i32, b: &i32| {
                calls += 1;
                if calls > fail_at { Err(()) } else { Ok(a < b) }
            };
            if heap.push(item, &mut failing).is_err() {
                prop_assert_eq!(heap.iter().copied().collect::<Vec<_>>(), before.clone());
                if heap.pop(&mut failing).is_err() {
                    prop_assert_eq!(heap.iter().copied().collect::<Vec<_>>(), before);
                }
            }
        }
    }
}
