//! A worker's part in a row of calls.

use super::bulk::{Bulk, Kind, Raised};
use super::fold::Fold;
use super::pace::Pace;
use super::team::Team;
use crate::object::encode;
use crate::object::word::load;
use pyo3::prelude::*;
use std::sync::Arc;

impl Bulk {
    /// Works on the row until nothing is left to claim.
    pub(super) fn take_part(self: &Arc<Self>, py: Python<'_>, team: &Arc<Team>) {
        if !self.split.has_more() {
            return;
        }
        let Ok(Some(function)) = load(py, &self.function) else { return };
        match &self.kind {
            Kind::Each => self.run(py, team, |index| self.items.call(&function, index).map(drop)),
            Kind::Collect(places) => self.run(py, team, |index| {
                let outcome = match self.items.call(&function, index) {
                    Ok(value) => value,
                    Err(error) => Raised::of(py, error)?.into_any(),
                };
                drop(places[index].swap(encode(&outcome)));
                Ok(())
            }),
            Kind::Fold(fold) => self.run_fold(py, team, fold, &function),
        }
    }

    fn run(
        self: &Arc<Self>,
        py: Python<'_>,
        team: &Arc<Team>,
        mut call: impl FnMut(usize) -> PyResult<()>,
    ) {
        let mut pace = Pace::new(self.grain);
        while let Some(share) = self.split.claim(pace.size(&self.split, team.wanted)) {
            let done = self.run_share(py, team, &mut pace, share, &mut call);
            self.account(done);
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
        self.account(done);
    }
}
