//! Faults from a seed: which call is hit by what. Their effects are the [`Orgsim`](crate::Orgsim)'s and the world's.

mod plan;

use std::time::Duration;

use jiff::Timestamp;

pub use plan::{Fault, FaultPlan, FaultPlanError, FaultRule};

use crate::clock::after;
use crate::world::random::Stream;

pub(crate) use plan::OLDEST_READ;

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// The connection was refused: the request never arrived.
    #[error("connection refused")]
    Refused,
    /// The connection broke: the request or its answer was lost.
    #[error("connection broken")]
    Broken,
}

/// A fault that hits one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hit {
    pub(crate) fault: Fault,
    /// Zero for a fault without a delay.
    pub(crate) delay: Duration,
}

/// A plan at work.
#[derive(Default)]
pub(crate) struct Faults {
    rules: Vec<Rule>,
}

struct Rule {
    fault: Fault,
    delay: Duration,
    operations: Vec<&'static str>,
    percent: Option<u8>,
    every: Option<u64>,
    begins: Timestamp,
    ends: Option<Timestamp>,
    /// Hits that are left.
    left: Option<u64>,
    matched: u64,
    /// Its own, so that rules do not disturb each other.
    chance: Stream,
}

impl Faults {
    /// The plan's times count from `now`.
    pub(crate) fn new(plan: &FaultPlan, now: Timestamp) -> Self {
        let rule = |(index, rule): (u64, &FaultRule)| Rule {
            fault: rule.fault,
            delay: rule
                .delay
                .or_else(|| rule.fault.default_delay())
                .unwrap_or_default(),
            operations: rule.matching(),
            percent: rule.percent,
            every: rule.every,
            begins: after(now, rule.from.unwrap_or_default()),
            ends: rule.until.map(|until| after(now, until)),
            left: rule.times,
            matched: 0,
            chance: Stream::new(plan.seed, index),
        };
        Self {
            rules: (0..).zip(&plan.rules).map(rule).collect(),
        }
    }

    /// Whether older states of the organization must be kept.
    pub(crate) fn needs_history(&self) -> bool {
        self.rules.iter().any(|rule| rule.fault == Fault::StaleRead)
    }

    /// A call has arrived: the fault that hits it.
    pub(crate) fn draw(&mut self, operation: &str, now: Timestamp) -> Option<Hit> {
        let mut hit = None;
        for rule in &mut self.rules {
            // Every matching rule draws, also when an earlier one has hit.
            if rule.draw(operation, now) && hit.is_none() && rule.left != Some(0) {
                rule.left = rule.left.map(|left| left - 1);
                hit = Some(Hit {
                    fault: rule.fault,
                    delay: rule.delay,
                });
            }
        }
        hit
    }
}

impl Rule {
    fn draw(&mut self, operation: &str, now: Timestamp) -> bool {
        let in_time = self.begins <= now && self.ends.is_none_or(|ends| now < ends);
        if !in_time || !self.operations.contains(&operation) {
            return false;
        }
        self.matched += 1;
        match (self.every, self.percent) {
            (Some(every), _) => self.matched.is_multiple_of(every),
            (None, Some(percent)) => self.chance.percent(percent),
            (None, None) => true,
        }
    }
}
