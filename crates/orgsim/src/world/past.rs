//! What the organization was a moment ago, kept only while a fault plan has stale reads.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use super::World;
use super::records::Records;
use crate::clock::after;
use crate::faults::{FaultPlan, FaultPlanError, Faults, OLDEST_READ};

/// The records after each change, oldest first; empty when nobody will ask.
#[derive(Default)]
pub(crate) struct Past(VecDeque<(Timestamp, Records)>);

impl Past {
    /// What the records were at `then`; the oldest known when that is later.
    fn at(&self, then: Timestamp) -> Option<&(Timestamp, Records)> {
        let known = self.0.partition_point(|(at, _)| *at <= then);
        self.0.get(known.saturating_sub(1))
    }
}

impl World {
    /// The plan replaces the one before; its times count from now.
    pub(crate) fn set_faults(&mut self, plan: &FaultPlan) -> Result<(), FaultPlanError> {
        plan.check()?;
        self.faults = Faults::new(plan, self.now);
        self.past.0.clear();
        self.remember();
        Ok(())
    }

    /// Something may have changed.
    pub(crate) fn remember(&mut self) {
        if !self.faults.needs_history() {
            return;
        }
        let past = &mut self.past.0;
        // What happens at one moment is seen as one change.
        if past.back().is_some_and(|(at, _)| *at == self.now) {
            past.pop_back();
        }
        past.push_back((self.now, self.records.clone()));
        // One entry must be at least as old as the oldest read.
        while past
            .get(1)
            .is_some_and(|(at, _)| after(*at, OLDEST_READ) <= self.now)
        {
            past.pop_front();
        }
    }

    /// Lets `read` see the organization as it was `age` ago.
    pub(crate) fn in_the_past<T>(&mut self, age: Duration, read: impl FnOnce(&mut Self) -> T) -> T {
        let now = self.now;
        let Some((since, records)) = self.past.at(now.checked_sub(age).unwrap_or(now)).cloned() else {
            return read(self);
        };
        // Lags are judged at the moment that is shown, too.
        self.now = now.checked_sub(age).unwrap_or(now).max(since);
        let present = std::mem::replace(&mut self.records, records);
        let result = read(self);
        self.records = present;
        self.now = now;
        result
    }
}
