//! One bucket.

use super::Rates;
use jiff::{SignedDuration, Timestamp};
use model::Class;
use std::collections::BTreeMap;

/// How much later one request may reach AWS than another that was sent as long after its token. AWS counts a request
/// when it arrives: without this allowance a slow request before a fast one would find AWS's bucket empty.
const JITTER_SECONDS: f64 = 0.25;
/// The rate never falls below this part of the configured one: who never asks never learns that there is room again.
const FLOOR: f64 = 1.0 / 16.0;
/// Without a refusal for this long, the rate is the configured one again.
const FORGET: SignedDuration = SignedDuration::from_hours(1);
/// Up to this part of the rate that AWS refused, recovery is quick.
const NEAR: f64 = 0.8;
/// From this part of it on, the limit has moved.
const BEYOND: f64 = 1.25;
/// Steps of recovery per granted request, as parts of the refused rate: before it, around it.
const QUICK_STEP: f64 = 0.05;
const SMALL_STEP: f64 = 0.008;
/// Beyond it the rate grows by this factor per granted request.
const GROWTH: f64 = 1.05;
/// A refusal is heard this long after the request was granted: steps that follow faster would go blind.
const HEARING: SignedDuration = SignedDuration::from_millis(250);
/// Who waited this long for a token goes before all.
const PATIENCE: SignedDuration = SignedDuration::from_secs(30);
/// Who does not come back this long after the time it was told has nothing to do any more.
const STAYS_AWAY: SignedDuration = SignedDuration::from_secs(5);
/// Forgives what rounding to nanoseconds takes away.
const ROUNDING: f64 = 1e-6;

/// Somebody who was refused a token.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    since: Timestamp,
    told: Timestamp,
}

#[derive(Clone, Debug)]
pub(super) struct Bucket {
    /// Requests per second when nothing is in the way.
    configured: f64,
    /// Requests per second now.
    pub(super) rate: f64,
    burst: f64,
    tokens: f64,
    at: Timestamp,
    /// The rate that AWS last refused, and when it was halved for it.
    refused: Option<(f64, Timestamp)>,
    /// The last step of recovery.
    stepped: Timestamp,
    paused: Option<Timestamp>,
    waiting: BTreeMap<Class, Waiting>,
}

impl Bucket {
    pub(super) fn new((rate, burst): (f64, f64), rates: Rates, now: Timestamp) -> Self {
        let scale = rates.multiplier * rates.share;
        let rate = rate * scale;
        // A bucket too small for the allowance and one request: the allowance goes into the rate.
        let missing = (1.0 - (burst * rates.multiplier - rate * JITTER_SECONDS)).max(0.0);
        let rate = rate / (1.0 + missing);
        // A little less than AWS's burst, once: the rate after it is AWS's own. At least one request must fit, or
        // nothing is ever sent.
        let burst = (burst * scale - rate * JITTER_SECONDS).max(1.0);
        Self {
            configured: rate,
            rate,
            burst,
            tokens: burst,
            at: now,
            refused: None,
            stepped: now,
            paused: None,
            waiting: BTreeMap::new(),
        }
    }

    fn refill(&mut self, now: Timestamp) {
        if self
            .refused
            .is_some_and(|(_, halved)| now.duration_since(halved) >= FORGET)
        {
            (self.rate, self.refused) = (self.configured, None);
        }
        // A clock that steps back refills nothing.
        let seconds = now.duration_since(self.at).as_secs_f64().max(0.0);
        // What AWS refuses as a stream it refuses as a burst.
        let burst = (self.burst * self.rate / self.configured).max(1.0);
        self.tokens = (self.tokens + seconds * self.rate).min(burst);
        self.at = now;
    }

    pub(super) fn drain_to(&mut self, tokens: f64, now: Timestamp) {
        self.refill(now);
        self.tokens = self.tokens.min(tokens);
    }

    /// Tokens that must be there for this class: one, and one for whoever is more urgent and on record.
    fn needed(&self, class: Class, now: Timestamp) -> f64 {
        let rank = |class: Class, since: Timestamp| {
            let patient = now.duration_since(since) < PATIENCE;
            if patient {
                (true, Timestamp::MIN, class)
            } else {
                (false, since, class)
            }
        };
        let mine = rank(
            class,
            self.waiting.get(&class).map_or(now, |waiting| waiting.since),
        );
        let outranked = self
            .waiting
            .iter()
            .filter(|(_, waiting)| now.duration_since(waiting.told) <= STAYS_AWAY)
            .any(|(other, waiting)| *other != class && rank(*other, waiting.since) < mine);
        if outranked { 2.0 } else { 1.0 }
    }

    fn open(&self, now: Timestamp) -> Result<(), Timestamp> {
        self.paused.filter(|until| *until > now).map_or(Ok(()), Err)
    }

    pub(super) fn ready(&mut self, class: Class, now: Timestamp) -> bool {
        self.refill(now);
        self.open(now).is_ok() && self.tokens >= self.needed(class, now) - ROUNDING
    }

    pub(super) fn take(&mut self, class: Class, now: Timestamp) -> Result<(), Timestamp> {
        self.open(now)?;
        self.refill(now);
        let needed = self.needed(class, now);
        if self.tokens >= needed - ROUNDING {
            self.tokens -= 1.0;
            self.waiting.remove(&class);
            self.recover(now);
            return Ok(());
        }
        let wait = SignedDuration::from_secs_f64((needed - self.tokens) / self.rate);
        let told = now.checked_add(wait).unwrap_or(Timestamp::MAX);
        let waiting = self.waiting.entry(class).or_insert(Waiting { since: now, told });
        if now.duration_since(waiting.told) > STAYS_AWAY {
            waiting.since = now;
        }
        waiting.told = told;
        Err(told)
    }

    /// One more request was granted.
    fn recover(&mut self, now: Timestamp) {
        let Some((refused, _)) = self.refused else { return };
        if now.duration_since(self.stepped).abs() < HEARING {
            return;
        }
        self.stepped = now;
        let rate = if self.rate < refused * NEAR {
            self.rate + refused * QUICK_STEP
        } else if self.rate < refused * BEYOND {
            self.rate + refused * SMALL_STEP
        } else {
            self.rate * GROWTH
        };
        self.rate = rate.min(self.configured);
    }

    pub(super) fn throttled(&mut self, sent: Timestamp, now: Timestamp) {
        self.refill(now);
        self.tokens = 0.0;
        if self.refused.is_some_and(|(_, halved)| sent <= halved) {
            return;
        }
        self.refused = Some((self.rate, now));
        self.rate = (self.rate / 2.0).max(self.configured * FLOOR);
    }

    pub(super) fn pause(&mut self, until: Timestamp) {
        self.paused = Some(self.paused.map_or(until, |paused| paused.max(until)));
    }
}
