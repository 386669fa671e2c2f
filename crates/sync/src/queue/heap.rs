//! A heap whose comparisons may fail: they may be somebody else's code. Where an item goes is found
//! out first and nothing is moved until that is known, so that a comparison that fails leaves the
//! heap as it was.

/// A binary heap, the least item first. The order is the callers', who give the same one each time.
#[derive(Debug)]
pub struct Heap<E>(Vec<E>);

impl<E> Default for Heap<E> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<E> Heap<E> {
    /// Adds `item`. If a comparison fails, it is given back with the failure.
    pub fn push<X>(
        &mut self,
        item: E,
        mut less: impl FnMut(&E, &E) -> Result<bool, X>,
    ) -> Result<(), (E, X)> {
        let mut place = self.0.len();
        while place > 0 {
            let parent = (place - 1) / 2;
            match less(&item, &self.0[parent]) {
                Ok(true) => place = parent,
                Ok(false) => break,
                Err(failure) => return Err((item, failure)),
            }
        }
        let mut at = self.0.len();
        self.0.push(item);
        while at > place {
            let parent = (at - 1) / 2;
            self.0.swap(at, parent);
            at = parent;
        }
        Ok(())
    }

    /// Takes the least item out, if there is one.
    pub fn pop<X>(
        &mut self,
        mut less: impl FnMut(&E, &E) -> Result<bool, X>,
    ) -> Result<Option<E>, X> {
        let Some((last, rest)) = self.0.split_last() else { return Ok(None) };
        let mut way = Vec::new();
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
            way.push(child);
            at = child;
        }
        let least = self.0.swap_remove(0);
        let mut at = 0;
        for child in way {
            self.0.swap(at, child);
            at = child;
        }
        Ok(Some(least))
    }

    /// The least item.
    pub fn first(&self) -> Option<&E> {
        self.0.first()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All items, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &E> {
        self.0.iter()
    }

    /// Takes all items out, in no order.
    pub fn take_all(&mut self) -> Vec<E> {
        std::mem::take(&mut self.0)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sound(a: &i32, b: &i32) -> Result<bool, ()> {
        Ok(a < b)
    }

    proptest! {
        #[test]
        fn gives_items_in_order(mut items: Vec<i32>) {
            let mut heap = Heap::default();
            for &item in &items {
                heap.push(item, sound).unwrap();
            }
            items.sort();
            let out: Vec<_> = std::iter::from_fn(|| heap.pop(sound).unwrap()).collect();
            prop_assert_eq!(out, items);
        }

        #[test]
        fn a_comparison_that_fails_changes_nothing(items: Vec<i32>, fail_at in 0usize..12, item: i32) {
            let mut heap = Heap::default();
            for &item in &items {
                heap.push(item, sound).unwrap();
            }
            let before: Vec<_> = heap.iter().copied().collect();
            let mut asked = 0;
            let mut failing = |a: &i32, b: &i32| {
                asked += 1;
                if asked > fail_at { Err(()) } else { Ok(a < b) }
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
