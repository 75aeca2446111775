//! The pacer: one token bucket per family of AWS APIs, from the published rates (AWS Organizations quotas, "Throttling
//! limits"). The buckets are shared with every other tool in the management account, so only a share of them is used.

use jiff::{SignedDuration, Timestamp};
use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

macro_rules! families {
    ($($(#[$doc:meta])* $name:ident: $rate:expr, $burst:expr;)*) => {
        /// APIs that share one bucket.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Family { $($(#[$doc])* $name),* }

        impl Family {
            /// Every family.
            pub const ALL: &'static [Family] = &[$(Family::$name),*];
            /// Published rate in requests per second, and burst in requests, per calling account.
            pub const fn published(self) -> (f64, f64) {
                match self { $(Family::$name => ($rate, $burst)),* }
            }
        }
    };
}

families! {
    /// CreateAccount, CreateGovCloudAccount.
    CreateAccount: 0.1, 3.0;
    /// MoveAccount, UpdateOrganizationalUnit, DeleteOrganizationalUnit.
    MoveAccount: 2.0, 3.0;
    /// CreateOrganizationalUnit, DescribeOrganization.
    CreateOrganizationalUnit: 1.0, 2.0;
    /// ListRoots.
    ListRoots: 1.0, 2.0;
    /// ListAccounts.
    ListAccounts: 8.0, 12.0;
    /// ListAccountsForParent, ListOrganizationalUnitsForParent, ListParents.
    ListForParent: 5.0, 8.0;
    /// DescribeAccount.
    DescribeAccount: 20.0, 30.0;
    /// DescribeCreateAccountStatus.
    DescribeCreateAccountStatus: 2.0, 2.0;
    /// ListCreateAccountStatus.
    ListCreateAccountStatus: 5.0, 8.0;
    /// ListTagsForResource.
    ListTagsForResource: 10.0, 15.0;
    /// TagResource, UntagResource.
    TagResource: 4.0, 6.0;
    /// tag:GetResources.
    GetResources: 15.0, 15.0;
    /// AssumeRole and the calls with the member session: 600 per second and account.
    Sts: 600.0, 600.0;
}

/// How much later one request may reach AWS than another that was sent as long after its token. AWS counts a request
/// when it arrives: without this allowance a slow request before a fast one would find AWS's bucket empty.
const JITTER_SECONDS: f64 = 0.25;

/// Which rates AWS keeps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// 1.0 for the published rates; more for simulators that allow more.
    pub multiplier: f64,
    /// Share of them to use, above 0 and at most 1.
    pub share: f64,
}

#[derive(Clone, Debug)]
struct Bucket {
    rate: f64,
    burst: f64,
    tokens: f64,
    at: Timestamp,
}

impl Bucket {
    fn refill(&mut self, now: Timestamp) {
        // A clock that steps back refills nothing.
        let seconds = now.duration_since(self.at).as_secs_f64().max(0.0);
        self.tokens = (self.tokens + seconds * self.rate).min(self.burst);
        self.at = now;
    }
}

/// Token buckets. Time is an argument.
#[derive(Clone, Debug)]
pub struct Pacer {
    buckets: BTreeMap<Family, Bucket>,
}

impl Pacer {
    /// Full buckets at `now`.
    pub fn new(rates: Rates, now: Timestamp) -> Self {
        let bucket = |family: &Family| {
            let (rate, burst) = family.published();
            let scale = rates.multiplier * rates.share;
            let rate = rate * scale;
            // A little less than AWS's burst, once: the rate after it is AWS's own. At least one request must fit, or
            // nothing is ever sent.
            let burst = (burst * scale - rate * JITTER_SECONDS).max(1.0);
            (
                *family,
                Bucket {
                    rate,
                    burst,
                    tokens: burst,
                    at: now,
                },
            )
        };
        Self {
            buckets: Family::ALL.iter().map(bucket).collect(),
        }
    }

    /// Takes a token, or says when there will be one.
    pub fn take(&mut self, family: Family, now: Timestamp) -> Result<(), Timestamp> {
        let Some(bucket) = self.buckets.get_mut(&family) else {
            return Ok(());
        };
        bucket.refill(now);
        // The margin forgives what rounding to nanoseconds takes away.
        if bucket.tokens >= 1.0 - 1e-6 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        let wait = SignedDuration::from_secs_f64((1.0 - bucket.tokens) / bucket.rate);
        Err(now.checked_add(wait).unwrap_or(Timestamp::MAX))
    }

    /// AWS refused a request: somebody else has emptied the bucket.
    pub fn throttled(&mut self, family: Family, now: Timestamp) {
        if let Some(bucket) = self.buckets.get_mut(&family) {
            bucket.refill(now);
            bucket.tokens = 0.0;
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
    /// See [`Pacer::take`].
    pub fn take(&self, family: Family, now: Timestamp) -> Result<(), Timestamp> {
        self.0.borrow_mut().take(family, now)
    }
    /// See [`Pacer::throttled`].
    pub fn throttled(&self, family: Family, now: Timestamp) {
        self.0.borrow_mut().throttled(family, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(1_767_225_600_000 + millis).unwrap()
    }

    #[test]
    fn creations_keep_the_published_rate_after_the_burst() {
        let mut pacer = Pacer::new(
            Rates {
                multiplier: 1.0,
                share: 1.0,
            },
            at(0),
        );
        for _ in 0..2 {
            assert_eq!(pacer.take(Family::CreateAccount, at(0)), Ok(()));
        }
        assert_eq!(
            pacer.take(Family::CreateAccount, at(0)),
            Err(at(250)),
            "the allowance for jitter"
        );
        assert_eq!(pacer.take(Family::CreateAccount, at(250)), Ok(()));
        assert_eq!(pacer.take(Family::CreateAccount, at(250)), Err(at(10_250)));
        assert_eq!(pacer.take(Family::CreateAccount, at(10_250)), Ok(()));
        assert!(pacer.take(Family::CreateAccount, at(10_250)).is_err());
    }

    #[test]
    fn a_share_is_a_share_and_a_clock_that_steps_back_gives_nothing() {
        let mut pacer = Pacer::new(
            Rates {
                multiplier: 1.0,
                share: 0.5,
            },
            at(0),
        );
        assert!(pacer.take(Family::CreateAccount, at(0)).is_ok());
        assert_eq!(pacer.take(Family::CreateAccount, at(0)), Err(at(10_250)));
        assert!(pacer.take(Family::CreateAccount, at(-60_000)).is_err());
    }
}
