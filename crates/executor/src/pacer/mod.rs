//! The pacer: one token bucket per family of AWS APIs, from the published rates. The buckets are shared with every other
//! tool in the management account, so only a share of them is used, and less of it while AWS refuses.
//!
//! **Adaptive.** A refusal halves the family's rate, once per episode: refusals of requests that were sent before the last
//! halving say nothing new. The rate at which AWS refused is remembered, and recovery follows it as TCP does (additive
//! increase, multiplicative decrease, with the slow start threshold of RFC 5681): quickly to 80 % of it, in small steps
//! past it, faster again once it is left behind. The steps are counted in granted requests and not in seconds: the rates
//! of the families lie 12,000-fold apart, and what is promised (few refusals per call) is counted in calls. With steps of
//! 1 % there are some 30 calls between two refusals, wherever the other tools leave the limit. An hour without a refusal
//! forgets it: who did not ask has learned nothing.
//!
//! **Priorities.** Who is refused a token is on record until a little after the time it was told to come back. The last
//! token goes to nobody while a more urgent class is on record; who has waited for half a minute goes before all, so
//! nobody starves.

mod bucket;
mod family;
#[cfg(test)]
mod tests;

pub use family::Family;

use bucket::Bucket;
use jiff::Timestamp;
use model::Class;
use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

/// Which rates AWS keeps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// 1.0 for the published rates; more for simulators that allow more.
    pub multiplier: f64,
    /// Share of them to use, above 0 and at most 1.
    pub share: f64,
}

/// Token buckets. Time is an argument.
#[derive(Clone, Debug)]
pub struct Pacer {
    buckets: BTreeMap<Family, Bucket>,
}

impl Pacer {
    /// Full buckets at `now`, but for those of calls that change AWS: see [`Pacer::restart`].
    pub fn new(rates: Rates, now: Timestamp) -> Self {
        let bucket = |family: &Family| (*family, Bucket::new(family.published(), rates, now));
        let mut pacer = Self {
            buckets: Family::ALL.iter().map(bucket).collect(),
        };
        pacer.restart(now);
        pacer
    }

    /// A term begins: its predecessor may have used a bucket up a moment ago, and a process that crashes again and again
    /// would begin with a burst each time. So calls that change AWS begin with one token. A first start loses nothing by
    /// it (the mark settles while the buckets fill), a take-over at most the burst: 20 s of creations.
    pub fn restart(&mut self, now: Timestamp) {
        for (_, bucket) in self.buckets.iter_mut().filter(|(family, _)| family.mutates()) {
            bucket.drain_to(1.0, now);
        }
    }

    /// Takes a token for work of this class, or says when to come back.
    pub fn take(&mut self, family: Family, class: Class, now: Timestamp) -> Result<(), Timestamp> {
        self.buckets
            .get_mut(&family)
            .map_or(Ok(()), |bucket| bucket.take(class, now))
    }

    /// Is there a token for work of this class? Takes none and puts nobody on record.
    pub fn ready(&mut self, family: Family, class: Class, now: Timestamp) -> bool {
        self.buckets
            .get_mut(&family)
            .is_none_or(|bucket| bucket.ready(class, now))
    }

    /// AWS refused a request that was sent at `sent`: somebody else has emptied the bucket.
    pub fn throttled(&mut self, family: Family, sent: Timestamp, now: Timestamp) {
        if let Some(bucket) = self.buckets.get_mut(&family) {
            bucket.throttled(sent, now);
        }
    }

    /// No token before `until`: AWS has said something of the whole organization, not of one object.
    pub fn pause(&mut self, family: Family, until: Timestamp) {
        if let Some(bucket) = self.buckets.get_mut(&family) {
            bucket.pause(until);
        }
    }
}

/// The one pacer of a process: everything on one thread shares it.
#[derive(Clone, Debug)]
pub struct SharedPacer(Rc<RefCell<Pacer>>);

impl SharedPacer {
    /// Shares a pacer.
    pub fn new(pacer: Pacer) -> Self {
        Self(Rc::new(RefCell::new(pacer)))
    }
    /// See [`Pacer::restart`].
    pub fn restart(&self, now: Timestamp) {
        self.0.borrow_mut().restart(now);
    }
    /// See [`Pacer::take`].
    pub fn take(&self, family: Family, class: Class, now: Timestamp) -> Result<(), Timestamp> {
        self.0.borrow_mut().take(family, class, now)
    }
    /// See [`Pacer::ready`].
    pub fn ready(&self, family: Family, class: Class, now: Timestamp) -> bool {
        self.0.borrow_mut().ready(family, class, now)
    }
    /// See [`Pacer::throttled`].
    pub fn throttled(&self, family: Family, sent: Timestamp, now: Timestamp) {
        self.0.borrow_mut().throttled(family, sent, now);
    }
    /// See [`Pacer::pause`].
    pub fn pause(&self, family: Family, until: Timestamp) {
        self.0.borrow_mut().pause(family, until);
    }
}
