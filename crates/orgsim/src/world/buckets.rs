//! Request rates: token buckets per row of the AWS Organizations user guide's "Throttling limits", per calling account
//! and, where the table gives one, per organization.
//!
//! Operations in one documented row are assumed to share one bucket. A refused call takes no token.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::pairs;
use crate::settings::Limits;
use crate::wire::Service;

/// A rate in thousandths of a request per second, and a burst in requests.
#[derive(Clone, Copy)]
struct Rate {
    per_kilosecond: u64,
    burst: u64,
}

struct Row {
    operations: &'static [&'static str],
    account: Rate,
    organization: Option<Rate>,
}

const fn row(
    operations: &'static [&'static str],
    account: (u64, u64),
    organization: Option<(u64, u64)>,
) -> Row {
    let organization = match organization {
        Some(rate) => Some(per_thousand(rate)),
        None => None,
    };
    Row {
        operations,
        account: per_thousand(account),
        organization,
    }
}

const fn per_thousand((per_kilosecond, burst): (u64, u64)) -> Rate {
    Rate {
        per_kilosecond,
        burst,
    }
}

/// AWS Organizations user guide, orgs_reference_limits, "Throttling limits"; the tagging API's and STS's quota pages.
/// Rates are requests per 1,000 s.
const ROWS: &[(Service, Row)] = &[
    organizations(row(&["CreateAccount"], (100, 3), None)),
    organizations(row(
        &[
            "MoveAccount",
            "UpdateOrganizationalUnit",
            "DeleteOrganizationalUnit",
        ],
        (2_000, 3),
        None,
    )),
    organizations(row(
        &["CreateOrganizationalUnit", "DescribeOrganization"],
        (1_000, 2),
        None,
    )),
    organizations(row(
        &[
            "ListAccountsForParent",
            "ListOrganizationalUnitsForParent",
            "ListParents",
        ],
        (5_000, 8),
        Some((6_000, 10)),
    )),
    organizations(row(&["TagResource", "UntagResource"], (4_000, 6), None)),
    organizations(row(&["CloseAccount"], (50, 1), None)),
    organizations(row(&["ListRoots"], (1_000, 2), Some((1_000, 3)))),
    organizations(row(&["ListAccounts"], (8_000, 12), Some((9_000, 15)))),
    organizations(row(&["DescribeAccount"], (20_000, 30), Some((24_000, 36)))),
    organizations(row(&["ListChildren"], (6_000, 10), Some((7_000, 12)))),
    organizations(row(&["DescribeOrganizationalUnit"], (2_000, 2), Some((2_000, 3)))),
    organizations(row(
        &["DescribeCreateAccountStatus"],
        (2_000, 2),
        Some((2_000, 3)),
    )),
    organizations(row(&["ListCreateAccountStatus"], (5_000, 8), Some((6_000, 10)))),
    organizations(row(&["ListTagsForResource"], (10_000, 15), Some((12_000, 18)))),
    organizations(row(
        &["ListPolicies", "ListPoliciesForTarget", "ListTargetsForPolicy"],
        (5_000, 8),
        Some((6_000, 10)),
    )),
    organizations(row(&["DescribePolicy"], (2_000, 2), Some((2_000, 3)))),
    organizations(row(
        &["CreatePolicy", "DeletePolicy", "AttachPolicy", "DetachPolicy"],
        (2_000, 3),
        None,
    )),
    organizations(row(&["UpdatePolicy"], (2_000, 3), None)),
    organizations(row(&["EnablePolicyType", "DisablePolicyType"], (1_000, 1), None)),
    organizations(row(
        &[
            "EnableAWSServiceAccess",
            "DisableAWSServiceAccess",
            "RegisterDelegatedAdministrator",
            "DeregisterDelegatedAdministrator",
        ],
        (1_000, 2),
        None,
    )),
    organizations(row(
        &[
            "ListAWSServiceAccessForOrganization",
            "ListDelegatedServicesForAccount",
        ],
        (1_000, 3),
        Some((1_000, 4)),
    )),
    organizations(row(
        &["ListDelegatedAdministrators"],
        (5_000, 8),
        Some((6_000, 10)),
    )),
    organizations(row(&["InviteAccountToOrganization"], (3_000, 5), None)),
    organizations(row(
        &["ListHandshakesForOrganization"],
        (5_000, 8),
        Some((6_000, 10)),
    )),
    organizations(row(&["RemoveAccountFromOrganization"], (2_000, 2), None)),
    // Five accounts a second of one organization; what one account may ask is not given, and hardly matters.
    organizations(row(&["LeaveOrganization"], (5_000, 5), Some((5_000, 5)))),
    // The sources give these two a rate only; the burst is taken to be one second's worth.
    (Service::Tagging, row(&["GetResources"], (15_000, 15), None)),
    (
        Service::Sts,
        row(&["AssumeRole", "GetCallerIdentity"], (600_000, 600), None),
    ),
];

const fn organizations(row: Row) -> (Service, Row) {
    (Service::Organizations, row)
}

/// One token in the unit levels are kept in: percent of thousandths of a token times nanoseconds, so that refilling is
/// exact, also when another tool takes its share.
const TOKEN: u128 = 100 * 1_000 * 1_000_000_000;

/// The row's first operation, and the holder: an account id, or nothing for the organization.
type Bucket = (String, Option<String>);

/// Which of the two buckets was empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Empty {
    Account,
    Organization,
}

#[derive(Serialize, Deserialize)]
struct Level {
    amount: u128,
    as_of: Timestamp,
}

/// All buckets of one world.
#[derive(Serialize, Deserialize)]
pub(crate) struct Buckets {
    #[serde(skip)]
    limits: Limits,
    /// A bucket not yet here is full, or as empty as it was drained.
    #[serde(with = "pairs")]
    levels: BTreeMap<Bucket, Level>,
    /// When every bucket was last emptied by another tool.
    drained: Option<Timestamp>,
    /// From when on another tool takes how many percent of each refill; in order of time.
    shares: Vec<(Timestamp, u8)>,
}

impl Buckets {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            levels: BTreeMap::new(),
            drained: None,
            shares: Vec::new(),
        }
    }

    /// Under these limits from now on.
    pub(crate) fn limit(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Takes one token for a call by `account`, or tells which bucket has none. Operations without a row are free.
    pub(crate) fn take(
        &mut self,
        (service, operation): (Service, &str),
        account: &str,
        now: Timestamp,
    ) -> Result<(), Empty> {
        let Some(factor) = self.limits.factor() else {
            return Ok(());
        };
        let mut rows = ROWS.iter();
        let found = rows.find(|(of, row)| *of == service && row.operations.contains(&operation));
        let Some((_, row)) = found else {
            return Ok(());
        };
        let name = row.operations.first().copied().unwrap_or_default();
        let mine = (name.to_owned(), Some(account.to_owned()));
        if !self.has_token(&mine, row.account, factor, now) {
            return Err(Empty::Account);
        }
        if let Some(rate) = row.organization {
            let everyones = (name.to_owned(), None);
            if !self.has_token(&everyones, rate, factor, now) {
                return Err(Empty::Organization);
            }
            self.spend(&everyones);
        }
        self.spend(&mine);
        Ok(())
    }

    /// Refills up to `now`; true with at least one token in the bucket.
    fn has_token(&mut self, key: &Bucket, rate: Rate, factor: u64, now: Timestamp) -> bool {
        let full = u128::from(rate.burst * factor) * TOKEN;
        let level = self.levels.entry(key.clone()).or_insert(match self.drained {
            None => Level {
                amount: full,
                as_of: now,
            },
            Some(drained) => Level {
                amount: 0,
                as_of: drained,
            },
        });
        let kept = kept(&self.shares, level.as_of, now);
        let refill = kept.saturating_mul(u128::from(rate.per_kilosecond * factor));
        level.amount = level.amount.saturating_add(refill).min(full);
        level.as_of = level.as_of.max(now);
        level.amount >= TOKEN
    }

    /// Every bucket is empty at `now`.
    pub(crate) fn drain(&mut self, now: Timestamp) {
        self.levels.clear();
        self.drained = Some(now);
        // Nothing before this moment is asked for again.
        let last = self.shares.pop();
        self.shares.clear();
        self.shares.extend(last);
    }

    /// From `now` on another tool takes `percent` of what every bucket refills.
    pub(crate) fn share(&mut self, percent: u8, now: Timestamp) {
        self.shares.push((now, percent.min(100)));
    }

    fn spend(&mut self, key: &Bucket) {
        if let Some(level) = self.levels.get_mut(key) {
            level.amount = level.amount.saturating_sub(TOKEN);
        }
    }
}

/// How much of the time from `from` to `to` refills for us: nanoseconds times percent.
fn kept(shares: &[(Timestamp, u8)], from: Timestamp, to: Timestamp) -> u128 {
    let nanoseconds =
        |from: Timestamp, to: Timestamp| u128::try_from(to.duration_since(from).as_nanos()).unwrap_or(0);
    let alone = shares.first().map_or(to, |(first, _)| *first).min(to);
    let shared = shares.iter().enumerate().map(|(index, (begin, share))| {
        let end = shares.get(index + 1).map_or(to, |(next, _)| *next).min(to);
        nanoseconds((*begin).max(from), end) * u128::from(100 - share)
    });
    nanoseconds(from, alone) * 100 + shared.sum::<u128>()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::after;

    const CREATE: (Service, &str) = (Service::Organizations, "CreateAccount");
    const ROOTS: (Service, &str) = (Service::Organizations, "ListRoots");

    fn at(milliseconds: u64) -> Timestamp {
        after(Timestamp::UNIX_EPOCH, Duration::from_millis(milliseconds))
    }

    #[test]
    fn three_creations_then_one_per_ten_seconds() {
        let mut buckets = Buckets::new(Limits::Published);
        for _ in 0..3 {
            assert_eq!(buckets.take(CREATE, "m", at(0)), Ok(()));
        }
        assert_eq!(buckets.take(CREATE, "m", at(0)), Err(Empty::Account));
        assert_eq!(buckets.take(CREATE, "m", at(9_999)), Err(Empty::Account));
        assert_eq!(buckets.take(CREATE, "m", at(10_000)), Ok(()));
        assert_eq!(buckets.take(CREATE, "m", at(19_999)), Err(Empty::Account));
        assert_eq!(buckets.take(CREATE, "m", at(20_000)), Ok(()));
    }

    #[test]
    fn rows_are_shared_and_the_organization_has_its_own_bucket() {
        let mut buckets = Buckets::new(Limits::Published);
        let create = (Service::Organizations, "CreateOrganizationalUnit");
        let describe = (Service::Organizations, "DescribeOrganization");
        assert_eq!(buckets.take(create, "m", at(0)), Ok(()));
        assert_eq!(buckets.take(describe, "m", at(0)), Ok(()));
        assert_eq!(buckets.take(create, "m", at(0)), Err(Empty::Account));
        assert_eq!(buckets.take(describe, "other", at(0)), Ok(()));

        assert_eq!(buckets.take(ROOTS, "m", at(0)), Ok(()));
        assert_eq!(buckets.take(ROOTS, "m", at(0)), Ok(()));
        assert_eq!(buckets.take(ROOTS, "m", at(0)), Err(Empty::Account));
        assert_eq!(buckets.take(ROOTS, "other", at(0)), Ok(()));
        assert_eq!(buckets.take(ROOTS, "other", at(0)), Err(Empty::Organization));
    }

    #[test]
    fn relaxed_is_fifty_fold_and_off_is_off() {
        let mut relaxed = Buckets::new(Limits::Relaxed);
        let taken = (0..200).take_while(|_| relaxed.take(CREATE, "m", at(0)).is_ok());
        assert_eq!(taken.count(), 150);
        let mut off = Buckets::new(Limits::Off);
        assert!((0..10_000).all(|_| off.take(CREATE, "m", at(0)).is_ok()));
    }

    #[test]
    fn another_tool_drains_and_takes_its_share() {
        let mut buckets = Buckets::new(Limits::Published);
        assert_eq!(buckets.take(CREATE, "m", at(0)), Ok(()));
        buckets.drain(at(0));
        buckets.share(80, at(0));
        for (service, operation) in [CREATE, ROOTS] {
            assert_eq!(
                buckets.take((service, operation), "m", at(0)),
                Err(Empty::Account)
            );
        }
        // One token per 10 s becomes one per 50 s, one per second one per 5 s.
        assert_eq!(buckets.take(ROOTS, "m", at(4_999)), Err(Empty::Account));
        assert_eq!(buckets.take(ROOTS, "m", at(5_000)), Ok(()));
        assert_eq!(buckets.take(CREATE, "m", at(49_999)), Err(Empty::Account));
        assert_eq!(buckets.take(CREATE, "m", at(50_000)), Ok(()));
        // Half a token with the share, half without.
        buckets.share(0, at(75_000));
        assert_eq!(buckets.take(CREATE, "m", at(79_999)), Err(Empty::Account));
        assert_eq!(buckets.take(CREATE, "m", at(80_000)), Ok(()));
    }

    #[test]
    fn a_clock_that_goes_back_refills_nothing() {
        let mut buckets = Buckets::new(Limits::Published);
        for _ in 0..3 {
            assert_eq!(buckets.take(CREATE, "m", at(20_000)), Ok(()));
        }
        assert_eq!(buckets.take(CREATE, "m", at(0)), Err(Empty::Account));
        assert_eq!(buckets.take(CREATE, "m", at(20_000)), Err(Empty::Account));
    }
}
