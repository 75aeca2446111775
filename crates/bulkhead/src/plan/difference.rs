//! What is wanted, compared with what there is: everything that would be changed in the end, not only what could be
//! changed now. Pure.

use super::{
    account_changes::{change, of_account},
    pins::Pinned,
    promotion_changes::{self, PromotionChange, Promotions},
    promotions::{Grounds, RefusedPromotion, Said, travel},
    revisions,
    revisions::RevisionChange,
    snapshot::Objects,
};
use desired::Resolved;
use model::{AccountKey, JournalEntry, ObservedOrg, Plan, Reason};
use promotion::{Objection, Why as Objecting};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Everything that would be changed.
#[derive(Debug, Serialize)]
pub(crate) struct Difference {
    /// Accounts for which there is something to do or to say.
    pub(crate) accounts: Vec<AccountChange>,
    /// Baselines whose content is another one than it was.
    pub(crate) revisions: Vec<RevisionChange>,
    /// Baselines that are not accepted.
    pub(crate) refused: Vec<RefusedBaseline>,
    /// Promotions that are not accepted.
    pub(crate) promotions: Vec<RefusedPromotion>,
    /// Promotions that ask for something else than they did.
    #[serde(rename = "promotionChanges")]
    pub(crate) promotion_changes: Vec<PromotionChange>,
    pub(crate) summary: Summary,
}

/// One account.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountChange {
    pub(crate) namespace: String,
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account_id: Option<String>,
    pub(crate) actions: Vec<Action>,
    /// Why nothing, or not all of it, is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Why>,
    /// What somebody has to decide first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) awaiting: Vec<String>,
    /// The pin that says which revision it gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pin: Option<Pinned>,
}

/// Why something is not done.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Why {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    /// It is not wrong, something else has to happen first.
    pub(crate) waits: bool,
}

/// A policy by name and content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct PolicyRef {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) policy_type: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) parts: Vec<String>,
}

/// One change of one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase")]
pub(crate) enum Action {
    Create {
        email: String,
        account_name: String,
    },
    Revision {
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        to: String,
    },
    Move {
        /// Names from the root down; empty for the root, absent for an account that is to be made.
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        to: String,
    },
    Attach(PolicyRef),
    Detach(PolicyRef),
    /// The content is not what the name says: it is written back.
    Repair(PolicyRef),
    Tag {
        key: String,
        /// Absent: there is none.
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        /// Absent: it is removed.
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<String>,
        /// The value stays as it is. Absent: it is changed.
        #[serde(skip_serializing_if = "Option::is_none")]
        kept: Option<Kept>,
    },
    /// The object is gone: its account stays as it is.
    Leave,
}

/// Why a tag keeps its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Kept {
    /// Until a person approves.
    AwaitsApproval,
    /// It never changes.
    Immutable,
}

impl Action {
    /// Is something changed?
    fn acts(&self) -> bool {
        !matches!(self, Self::Tag { kept: Some(_), .. })
    }
}

/// A Baseline that is not accepted.
#[derive(Debug, Serialize)]
pub(crate) struct RefusedBaseline {
    pub(crate) baseline: String,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    /// New accounts that wait until it is.
    pub(crate) accounts: usize,
}

/// How many of each; every account counts once but for a change that moves it too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Summary {
    pub(crate) create: usize,
    pub(crate) change: usize,
    #[serde(rename = "move")]
    pub(crate) moves: usize,
    pub(crate) leave: usize,
    /// Baselines with another content.
    pub(crate) baselines: usize,
    /// Promotions that ask for something else.
    pub(crate) promotions: usize,
    pub(crate) waiting: usize,
    pub(crate) refused: usize,
}

/// What is compared.
#[derive(Clone, Copy)]
pub(crate) struct Sides<'a> {
    pub(crate) resolved: &'a Resolved,
    pub(crate) objects: &'a Objects,
    /// Promotions as they were.
    pub(crate) before: &'a Promotions,
    pub(crate) observed: &'a ObservedOrg,
    /// One plan of the operator, for what it would refuse; `None`: nothing is known of the organization.
    pub(crate) plan: Option<&'a Plan>,
    /// Objects that are gone.
    pub(crate) leaving: &'a BTreeSet<AccountKey>,
    /// Pins that hold.
    pub(crate) pins: &'a BTreeMap<AccountKey, Pinned>,
    pub(crate) grounds: &'a Grounds<'a>,
    /// What keeps promotions from being accepted.
    pub(crate) objections: &'a BTreeMap<String, Vec<Objection>>,
    /// File and line of a promotion's field.
    pub(crate) place: &'a dyn Fn(&str, &str) -> Option<String>,
}

/// Compares.
pub(crate) fn difference(sides: Sides<'_>) -> Difference {
    let Sides {
        resolved, objects, ..
    } = sides;
    let rejected = resolved.rejections.iter().map(|(key, rejection)| {
        let why = Why {
            reason: rejection.reason.as_str(),
            message: rejection.message.clone(),
            waits: rejection.waits,
        };
        (key, change(key, None, Vec::new(), Some(why)))
    });
    let accepted = resolved.desired.accounts.values().map(|desired| {
        let nothing = JournalEntry::default();
        let entry = resolved.journal.get(&desired.key).unwrap_or(&nothing);
        (&desired.key, of_account(sides, desired, entry))
    });
    let left = sides
        .leaving
        .iter()
        .map(|key| (key, change(key, None, vec![Action::Leave], None)));
    let by_key: BTreeMap<&AccountKey, AccountChange> = rejected.chain(accepted).chain(left).collect();
    let accounts: Vec<AccountChange> = by_key
        .into_iter()
        .map(|(key, mut change)| {
            change.pin = sides.pins.get(key).cloned();
            (key, change)
        })
        .filter(|(key, change)| {
            // A pin is worth a line where it keeps something away.
            let pinned = change
                .pin
                .as_ref()
                .is_some_and(|pin| pin.unjudged || resolved.updates.contains_key(*key));
            let told = !change.actions.is_empty() || change.reason.is_some() || !change.awaiting.is_empty();
            told || pinned
        })
        .map(|(_, change)| change)
        .collect();
    let refused = resolved.baselines.iter().filter_map(|(name, verdict)| {
        let rejection = verdict.as_ref().err()?;
        Some(RefusedBaseline {
            baseline: name.clone(),
            reason: rejection.reason.as_str(),
            message: rejection.message.clone(),
            accounts: accounts
                .iter()
                .filter(|change| change.waits_for_baseline())
                .filter(|change| {
                    let key = AccountKey::new(&change.namespace, &change.name);
                    of_baseline(sides, &key) == Some(name)
                })
                .count(),
        })
    });
    let refused: Vec<RefusedBaseline> = refused.collect();
    let promotions = promotions(sides);
    let revisions = revisions::changes(resolved, objects, |baseline, to| {
        let accounts = members(sides, baseline);
        travel(sides.grounds, sides.objections, baseline, to, &accounts)
    });
    let wrong = promotions.iter().filter(|promotion| !promotion.waits).count();
    let promotion_changes = promotion_changes(sides, &revisions);
    let summary = Summary {
        baselines: revisions.len(),
        promotions: promotion_changes.len(),
        ..summary(&accounts, refused.len() + wrong)
    };
    Difference {
        accounts,
        revisions,
        refused,
        promotions,
        promotion_changes,
        summary,
    }
}

fn promotion_changes(sides: Sides<'_>, revisions: &[RevisionChange]) -> Vec<PromotionChange> {
    promotion_changes::changes(sides.before, &sides.objects.promotions, |object| {
        let baseline = &object.spec.baseline_ref.name;
        if revisions.iter().any(|change| change.baseline == *baseline) {
            return None;
        }
        let newest = || sides.resolved.baselines.get(baseline)?.as_ref().ok();
        let newest = || newest().map(|revision| revision.name.to_string());
        let to = object.spec.revision.clone().or_else(newest)?;
        let accounts = members(sides, baseline);
        let behind =
            |(_, has, _): &(String, Option<String>, bool)| has.as_ref().is_some_and(|has| *has != to);
        let travel = travel(sides.grounds, sides.objections, baseline, &to, &accounts)?;
        (travel.promotion == object.metadata.name && accounts.iter().any(behind)).then_some(travel)
    })
}

/// Name of the Baseline of an account.
fn of_baseline<'a>(sides: Sides<'a>, key: &AccountKey) -> Option<&'a str> {
    let object = sides.objects.accounts.get(key)?.good()?;
    object
        .spec
        .baseline_or(sides.grounds.config.default_baseline.as_deref())
}

/// Accounts of a Baseline: environment, the revision each has, and whether a pin holds it.
fn members(sides: Sides<'_>, baseline: &str) -> Vec<(String, Option<String>, bool)> {
    let accounts = sides
        .objects
        .accounts
        .iter()
        .filter_map(|(key, account)| Some((key, account.good()?)));
    accounts
        .filter(|(key, _)| of_baseline(sides, key) == Some(baseline))
        .map(|(key, object)| {
            let entry = sides.resolved.journal.get(key);
            let assigned = entry.and_then(|entry| entry.assigned.as_ref());
            (
                object.spec.environment.clone(),
                assigned.map(|assigned| assigned.revision.name.to_string()),
                sides.pins.contains_key(key),
            )
        })
        .collect()
}

fn promotions(sides: Sides<'_>) -> Vec<RefusedPromotion> {
    let each = sides.objections.iter().map(|(name, objections)| {
        let said = objections.iter().map(|objection| Said {
            reason: objection.why.as_str(),
            path: objection.path.clone(),
            message: objection.message.clone(),
            place: (sides.place)(name, &objection.path),
        });
        RefusedPromotion {
            promotion: name.clone(),
            waits: objections
                .iter()
                .all(|objection| objection.why == Objecting::RevisionNotFound),
            objections: said.collect(),
        }
    });
    each.collect()
}

impl AccountChange {
    /// It waits for a Baseline that is not accepted, as all new ones of that Baseline do.
    pub(crate) fn waits_for_baseline(&self) -> bool {
        let reason = Reason::BaselineNotAccepted.as_str();
        self.reason
            .as_ref()
            .is_some_and(|why| why.waits && why.reason == reason)
    }
}

impl Difference {
    /// Is there nothing that would be changed?
    pub(crate) fn is_empty(&self) -> bool {
        self.revisions.is_empty()
            && self.promotion_changes.is_empty()
            && self.accounts.iter().all(|change| change.actions.is_empty())
    }
}

fn summary(accounts: &[AccountChange], refused: usize) -> Summary {
    let mut summary = Summary {
        refused,
        ..Summary::default()
    };
    for change in accounts {
        let has = |wanted: fn(&Action) -> bool| change.actions.iter().any(wanted);
        if has(|action| matches!(action, Action::Create { .. })) {
            summary.create += 1;
        } else if has(|action| matches!(action, Action::Leave)) {
            summary.leave += 1;
        } else if change.actions.iter().any(Action::acts) {
            summary.change += 1;
            summary.moves += usize::from(has(|action| matches!(action, Action::Move { .. })));
        }
        match &change.reason {
            Some(why) if why.waits => summary.waiting += 1,
            Some(_) => summary.refused += 1,
            None if !change.actions.is_empty() && !change.actions.iter().any(Action::acts) => {
                summary.waiting += 1;
            }
            None => {}
        }
    }
    summary
}
