//! A row of calls that any number of workers share: `map`, `for_each`, `parallel_for`, `reduce`. There is no future for each item: an outcome is
//! written in its place, or folded into what the worker has.

#![allow(unsafe_code)]

use super::fold::Fold;
use super::items::Items;
use super::pace::Pace;
use super::team::Team;
use super::watch::{empty, load};
use super::{sleep, worker};
use crate::object::{decode, encode, word};
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use std::sync::Arc;
use std::time::Instant;
use ungil_sync::park::WaitSet;
use ungil_sync::pool::Split;
use ungil_sync::slot::Slot;

/// What becomes of a call's outcome.
pub(super) enum Kind {
    /// Nothing.
    Each,
    /// It is kept in its place. One that was raised has both tag bits set.
    Collect(Box<[Slot]>),
    /// It is the worker's accumulator from then on.
    Fold(Fold),
}

/// The row.
pub(crate) struct Bulk {
    pub(super) split: Split,
    items: Items,
    function: Slot,
    pub(super) kind: Kind,
    grain: Option<usize>,
    /// The first error that ends it all.
    error: Slot,
    /// Told of outcomes and of the end.
    pub(super) changed: WaitSet,
}

/// The tag of an outcome that was raised.
const RAISED: u64 = 0b11;

impl Bulk {
    pub(super) fn new(
        function: &Bound<'_, PyAny>,
        items: Items,
        kind: Kind,
        grain: Option<usize>,
    ) -> Arc<Self> {
        Arc::new(Self {
            split: Split::new(items.len()),
            items,
            function: Slot::new(encode(function)),
            kind,
            grain,
            error: Slot::default(),
            changed: WaitSet::default(),
        })
    }

    /// Works on the row until nothing is left to claim.
    pub(super) fn take_part(self: &Arc<Self>, py: Python<'_>, team: &Arc<Team>) {
        if !self.split.has_more() {
            return;
        }
        let function = match load(py, &self.function) {
            Ok(Some(function)) => function,
            _ => return,
        };
        match &self.kind {
            Kind::Each => self.run(py, team, |index| self.items.call(&function, index).map(drop)),
            Kind::Collect(places) => self.run(py, team, |index| {
                let word = match self.items.call(&function, index) {
                    Ok(value) => encode(&value),
                    Err(error) => encode(error.into_value(py).bind(py)) | RAISED,
                };
                places[index].swap(word);
                Ok(())
            }),
            Kind::Fold(fold) => self.run_fold(py, team, fold, &function),
        }
    }

    fn run(self: &Arc<Self>, py: Python<'_>, team: &Arc<Team>, mut call: impl FnMut(usize) -> PyResult<()>) {
        let mut pace = Pace::new(self.grain);
        while let Some(share) = self.split.claim(pace.size(&self.split, team.wanted)) {
            let done = self.run_share(py, team, &mut pace, share, &mut call);
            self.account(py, done);
        }
    }

    /// Goes through a share. Returns how many items are accounted for: made, or dropped by a stop.
    fn run_share(
        self: &Arc<Self>,
        py: Python<'_>,
        team: &Arc<Team>,
        pace: &mut Pace,
        share: std::ops::Range<usize>,
        call: &mut impl FnMut(usize) -> PyResult<()>,
    ) -> usize {
        let mut lap = pace.begin();
        for index in share.clone() {
            if self.split.is_stopped() {
                return share.len();
            }
            if let Err(error) = call(index) {
                self.fail(py, error);
                return share.len();
            }
            if pace.step(&mut lap) && index + 1 < share.end {
                pace.end(&lap);
                let rest = index + 1..share.end;
                let dropped = self.split.give_back(rest);
                if dropped == 0 {
                    team.invite_another(py, self);
                }
                return index + 1 - share.start + dropped;
            }
        }
        pace.end(&lap);
        share.len()
    }

    fn run_fold(
        self: &Arc<Self>,
        py: Python<'_>,
        team: &Arc<Team>,
        fold: &Fold,
        function: &Bound<'_, PyAny>,
    ) {
        let mut pace = Pace::new(self.grain);
        let mut accumulator: Option<Bound<'_, PyAny>> = None;
        let mut begun_at = 0;
        let mut done = 0;
        while let Some(share) = self.split.claim(pace.size(&self.split, team.wanted)) {
            if accumulator.is_none() {
                begun_at = share.start;
            }
            done += self.run_share(py, team, &mut pace, share, &mut |index| {
                let so_far = match accumulator.take() {
                    Some(so_far) => so_far,
                    None => fold.begin(py)?,
                };
                accumulator = Some(function.call1((so_far, self.items.take(py, index)?))?);
                Ok(())
            });
            if fold.ordered
                && let Some(part) = accumulator.take()
            {
                fold.keep(begun_at, part);
            }
        }
        if let Some(part) = accumulator.take() {
            fold.keep(begun_at, part);
        }
        // Only now: whoever waits for the end must find every part.
        self.account(py, done);
    }

    fn account(&self, py: Python<'_>, items: usize) {
        if self.split.account(items) {
            self.end(py);
        } else if matches!(self.kind, Kind::Collect(_)) {
            self.changed.notify_all();
        }
    }

    fn end(&self, _py: Python<'_>) {
        self.changed.notify_all();
        empty(&self.function);
    }

    /// Drops what has not begun.
    pub(super) fn stop(&self, py: Python<'_>) {
        if self.split.stop() {
            self.end(py);
        } else {
            self.changed.notify_all();
        }
    }

    /// Drops what has not begun because of an error. The first one counts.
    pub(super) fn fail(&self, py: Python<'_>, error: PyErr) {
        let word = encode(error.into_value(py).bind(py));
        if self.error.compare_exchange(0, word).is_err() {
            empty(&Slot::new(word));
        }
        self.stop(py);
    }

    /// The error that ended it all, taken out.
    pub(super) fn error(&self, py: Python<'_>) -> PyResult<()> {
        match super::watch::take(py, &self.error)? {
            Some(error) => Err(PyErr::from_value(error)),
            None => Ok(()),
        }
    }

    /// Waits until `ready`. A worker of the same team works on the row, and sleeps only when there is nothing left of it to begin.
    pub(super) fn wait_until(
        self: &Arc<Self>,
        py: Python<'_>,
        team: &Arc<Team>,
        deadline: Option<Instant>,
        ready: impl Fn() -> bool,
    ) -> PyResult<bool> {
        if ready() {
            return Ok(true);
        }
        let Some(worker) = worker::here(team.id) else {
            return sleep::until(py, &self.changed, deadline, ready);
        };
        self.take_part(py, team);
        if ready() {
            return Ok(true);
        }
        worker.while_waiting(py, || sleep::until(py, &self.changed, deadline, ready))
    }

    /// Has the row worked on and waits for its end. If the wait is interrupted, what has not begun is dropped and what runs is waited for;
    /// a second interrupt ends the wait.
    pub(super) fn finish(self: &Arc<Self>, py: Python<'_>, team: &Arc<Team>) -> PyResult<()> {
        let helps = usize::from(worker::here(team.id).is_some());
        let invited = team.invite(py, self, team.wanted.min(self.split.len()).saturating_sub(helps));
        let over = || self.split.is_over();
        if let Err(interrupt) = invited.and_then(|()| self.wait_until(py, team, None, over)) {
            self.stop(py);
            self.wait_until(py, team, None, over)?;
            return Err(interrupt);
        }
        self.error(py)
    }

    /// The outcome at `index`, taken out, if it is there.
    pub(super) fn outcome<'py>(&self, py: Python<'py>, index: usize) -> Option<PyResult<Bound<'py, PyAny>>> {
        let Kind::Collect(places) = &self.kind else { return None };
        let word = places[index].swap(0);
        if word == 0 {
            return None;
        }
        // SAFETY: the place's count is ours now; without its tag a raised one is an exception's address.
        Some(unsafe {
            if word & RAISED == RAISED {
                decode(py, word & !RAISED).and_then(|error| Err(PyErr::from_value(error)))
            } else {
                decode(py, word)
            }
        })
    }

    /// Whether there is an outcome at `index`.
    pub(super) fn has(&self, index: usize) -> bool {
        matches!(&self.kind, Kind::Collect(places) if places[index].peek() != 0)
    }

    /// Shows the collector the outcomes. What is not begun is not shown: workers hold it, too.
    pub(super) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Kind::Collect(places) = &self.kind else { return Ok(()) };
        places.iter().try_for_each(|place| {
            let word = place.peek();
            let plain = if word & RAISED == RAISED { word & !RAISED } else { word };
            word::visit(&Slot::new(plain), visit)
        })
    }

    /// Drops the outcomes.
    pub(super) fn forget(&self) {
        if let Kind::Collect(places) = &self.kind {
            for place in places {
                let word = place.swap(0);
                empty(&Slot::new(if word & RAISED == RAISED { word & !RAISED } else { word }));
            }
        }
    }
}

impl Drop for Bulk {
    fn drop(&mut self) {
        empty(&self.function);
        empty(&self.error);
        self.forget();
        if let Kind::Fold(fold) = &self.kind {
            empty(&fold.initial);
        }
    }
}
