//! A worker's part in a bulk operation.

use super::bulk::{Bulk, BulkKind, Raised};
use super::chunk_size::ChunkSize;
use super::fold::Fold;
use super::pool_state::PoolState;
use crate::object::encode;
use crate::object::word::load;
use pyo3::prelude::*;
use std::sync::Arc;

impl Bulk {
    /// Processes items until none is left to claim.
    pub(super) fn run_worker(self: &Arc<Self>, py: Python<'_>, pool: &Arc<PoolState>) {
        if !self.chunks.has_more() {
            return;
        }
        let Ok(Some(function)) = load(py, &self.function) else { return };
        match &self.kind {
            BulkKind::Each => {
                self.run(py, pool, |index| self.items.call(&function, index).map(drop))
            }
            BulkKind::Collect(slots) => self.run(py, pool, |index| {
                let outcome = match self.items.call(&function, index) {
                    Ok(value) => value,
                    Err(error) => Raised::new(py, error)?.into_any(),
                };
                drop(slots[index].swap(encode(&outcome)));
                Ok(())
            }),
            BulkKind::Fold(fold) => self.run_fold(py, pool, fold, &function),
        }
    }

    fn run(
        self: &Arc<Self>,
        py: Python<'_>,
        pool: &Arc<PoolState>,
        mut call: impl FnMut(usize) -> PyResult<()>,
    ) {
        let mut chunk_size = ChunkSize::new(self.grain);
        while let Some(chunk) = self.chunks.claim(chunk_size.next_size(&self.chunks, pool.wanted)) {
            let done = self.run_chunk(py, pool, &mut chunk_size, chunk, &mut call);
            self.complete(done);
        }
    }

    /// Processes a chunk. Returns how many items are completed: processed, or dropped by a stop.
    fn run_chunk(
        self: &Arc<Self>,
        py: Python<'_>,
        pool: &Arc<PoolState>,
        chunk_size: &mut ChunkSize,
        chunk: std::ops::Range<usize>,
        call: &mut impl FnMut(usize) -> PyResult<()>,
    ) -> usize {
        let mut timer = chunk_size.start_chunk();
        for index in chunk.clone() {
            if self.chunks.is_stopped() {
                return chunk.len();
            }
            if let Err(error) = call(index) {
                self.fail(py, error);
                return chunk.len();
            }
            if chunk_size.item_done(&mut timer) && index + 1 < chunk.end {
                chunk_size.finish_chunk(&timer);
                let rest = index + 1..chunk.end;
                let dropped = self.chunks.give_back(rest);
                if dropped == 0 {
                    pool.invite_one(py, self);
                }
                return index + 1 - chunk.start + dropped;
            }
        }
        chunk_size.finish_chunk(&timer);
        chunk.len()
    }

    fn run_fold(
        self: &Arc<Self>,
        py: Python<'_>,
        pool: &Arc<PoolState>,
        fold: &Fold,
        function: &Bound<'_, PyAny>,
    ) {
        let mut chunk_size = ChunkSize::new(self.grain);
        let mut accumulator: Option<Bound<'_, PyAny>> = None;
        let mut start = 0;
        let mut done = 0;
        while let Some(chunk) = self.chunks.claim(chunk_size.next_size(&self.chunks, pool.wanted)) {
            if accumulator.is_none() {
                start = chunk.start;
            }
            done += self.run_chunk(py, pool, &mut chunk_size, chunk, &mut |index| {
                let so_far = match accumulator.take() {
                    Some(so_far) => so_far,
                    None => fold.initial(py)?,
                };
                accumulator = Some(function.call1((so_far, self.items.take(py, index)?))?);
                Ok(())
            });
            if fold.ordered
                && let Some(part) = accumulator.take()
            {
                fold.store(start, part);
            }
        }
        if let Some(part) = accumulator.take() {
            fold.store(start, part);
        }
        // After the parts are stored: a thread that waits for the end must find them all.
        self.complete(done);
    }
}
