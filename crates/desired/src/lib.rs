//! Stage 2, resolve: custom resources to one desired organization and rejections.
//!
//! Pure: no client, no clock, no random number. Each object is judged alone, by itself and by the Baseline it names, so
//! that a bad object never changes what becomes of another. The one thing objects can take from each other is an email:
//! then the object that holds an account or a creation under way keeps it, else the oldest one, and only the loser is
//! rejected. A rejected object asks for nothing in AWS; but an account that it has keeps its guardrails, and what Kubernetes
//! remembers of it is in the journal all the same.
//!
//! A Baseline becomes a revision: its content, compiled and proven. An account gets what its own revision says, which is
//! not always the newest one; and what it was given stays given when its Baseline is broken or gone.

mod account;
mod baseline;
mod changes;
mod content;
mod effect;
mod emails;
mod journal;
mod lines;
mod memory;
mod pins;
mod policies;
mod roles;
mod selector;
mod tags;

pub use changes::describe;
pub use lines::revision;
pub use memory::Memory;
pub use pins::{Pinning, current};

use api::{AwsAccount, Baseline, BaselineRevision, BaselineRevisionSpec, PolicyBudget};
use jiff::Timestamp;
use lines::Lines;
use model::{
    AccountKey, AssignedBy, DesiredOrg, Installation, Journal, KeptAccount, OutputsState, Reason, Revision,
    RevisionName,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// An object as the watch delivered it.
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded<T> {
    /// It could be decoded.
    Good(Arc<T>),
    /// It could not, and why. It keeps its claim: its account stays owned and untouched.
    Poison(String),
}

impl<T> Decoded<T> {
    /// The object, if it could be decoded.
    pub fn good(&self) -> Option<&Arc<T>> {
        match self {
            Self::Good(object) => Some(object),
            Self::Poison(_) => None,
        }
    }
}

/// Everything that is judged.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// Every AwsAccount, those being deleted included.
    pub accounts: &'a BTreeMap<AccountKey, Decoded<AwsAccount>>,
    /// Every Baseline by name.
    pub baselines: &'a BTreeMap<String, Decoded<Baseline>>,
    /// Every BaselineRevision by name.
    pub revisions: &'a BTreeMap<String, Decoded<BaselineRevision>>,
    /// Labels of every namespace.
    pub namespaces: &'a BTreeMap<String, BTreeMap<String, String>>,
    /// What stands under the name of each object's outputs ConfigMap, as far as it was looked at.
    pub outputs: &'a BTreeMap<AccountKey, OutputsState>,
    /// This installation.
    pub installation: &'a Installation,
    /// The Baseline of objects that name none.
    pub default_baseline: Option<&'a str>,
    /// What the operator's configuration says of policies.
    pub policy_settings: &'a PolicySettings,
    /// What promotions and pins say.
    pub promoted: &'a Promoted,
}

/// What promotions and pins say: it goes before what a Baseline says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Promoted {
    /// Baselines that a promotion is about, by name: the revision that new accounts of each environment get, where one has
    /// succeeded. Whatever their updatePolicy says, nobody else gives their accounts a revision.
    pub governed: BTreeMap<String, BTreeMap<String, Revision>>,
    /// There is a promotion that nobody understands: it may be about any Baseline, and refer to any revision.
    pub unjudged: bool,
    /// Accounts that get a revision now.
    pub given: BTreeMap<AccountKey, Given>,
    /// Accounts that may take a revision, and when they get it by themselves.
    pub offered: BTreeMap<AccountKey, (Revision, Option<Timestamp>)>,
    /// Revisions that must not be removed.
    pub references: BTreeSet<RevisionName>,
    /// Objects with a pin that cannot be: why.
    pub refused_pins: BTreeMap<AccountKey, String>,
}

/// A revision that an account gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// Which.
    pub revision: Revision,
    /// Who says so.
    pub by: AssignedBy,
}

/// What the operator's configuration says of policies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicySettings {
    /// ARN patterns of roles that every guardrail exempts, beside the access role: `aws.exemptPrincipals`.
    pub exempt_principals: Vec<String>,
    /// Places for policies on each account, per type, that are left to others: `policies.reservedSlots`.
    pub reserved_slots: usize,
}

/// Why an object cannot have what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The reason.
    pub reason: Reason,
    /// One line for a person: field, rule, value.
    pub message: String,
    /// What is missing may appear without a change of the object: it waits, nobody has to act on it.
    pub waits: bool,
}

impl Rejection {
    fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            waits: false,
        }
    }
    fn waiting(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            waits: true,
        }
    }
}

/// The verdict on all objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// What the accepted objects ask for.
    pub desired: DesiredOrg,
    /// The objects that were not accepted. No object that is being deleted is among them.
    pub rejections: BTreeMap<AccountKey, Rejection>,
    /// Every Baseline: the revision it is now, or why it was not accepted.
    pub baselines: BTreeMap<String, Result<Revision, Rejection>>,
    /// What is to be known of each environment, by Baseline and name: those of an accepted Baseline; of another one, those
    /// its status knows.
    pub environments: BTreeMap<String, BTreeMap<String, EnvironmentState>>,
    /// The revision of each accepted Baseline, as its BaselineRevision holds it; it is to be made where it is not there.
    pub revisions: BTreeMap<RevisionName, Arc<BaselineRevisionSpec>>,
    /// Accounts for which there is a later revision that they do not get by themselves.
    pub updates: BTreeMap<AccountKey, Revision>,
    /// What Kubernetes remembers of every object that could be decoded.
    pub journal: Journal,
}

/// What is to be known of one environment of a Baseline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvironmentState {
    /// Its current revision, which a new account gets: with `Automatic` the newest; else what it was, and the first one at
    /// once.
    pub current: Option<Revision>,
    /// What the policies of the newest revision take of AWS's limits, by type.
    pub budgets: Vec<PolicyBudget>,
}

/// What Kubernetes remembers of one object; its outputs are not looked at.
pub fn journal_entry(object: &AwsAccount) -> model::JournalEntry {
    journal::entry(object, OutputsState::default()).0
}

/// Judges all objects. The memory makes it fast, and changes nothing else.
pub fn resolve(inputs: &Inputs<'_>, memory: &mut Memory) -> Resolved {
    let lines = Lines::judge(inputs, memory);
    let mut desired = DesiredOrg {
        installation: inputs.installation.clone(),
        accounts: BTreeMap::new(),
        kept: BTreeMap::new(),
        revisions: lines
            .shelf
            .iter()
            .map(|(name, content)| (name.clone(), content.known()))
            .collect(),
        unstored: lines
            .shelf
            .keys()
            .filter(|name| !inputs.revisions.contains_key(name.as_str()))
            .cloned()
            .collect(),
        incomplete: false,
        leaving: BTreeMap::new(),
    };
    let mut rejections = BTreeMap::new();
    let mut updates = BTreeMap::new();
    let mut journal = Journal::new();
    let mut held = Vec::new();

    for (key, decoded) in inputs.accounts {
        let object = match decoded {
            Decoded::Good(object) => object.as_ref(),
            Decoded::Poison(why) => {
                rejections.insert(key.clone(), undecodable(why));
                continue;
            }
        };
        let outputs = inputs.outputs.get(key).cloned().unwrap_or_default();
        let (entry, broken) = journal::entry(object, outputs);
        held.extend(emails::held(key, object, &entry));
        if entry.deleting {
            desired
                .leaving
                .insert(key.clone(), account::claim(inputs.installation, key));
        } else {
            let verdict = match broken {
                Some(rejection) => Err(rejection),
                None => guarded(|| account::judge(inputs, &lines, key, object, &entry)),
            };
            match verdict {
                Ok((account, update)) => {
                    desired.accounts.insert(key.clone(), account);
                    updates.extend(update.map(|update| (key.clone(), update)));
                }
                Err(rejection) => drop(rejections.insert(key.clone(), rejection)),
            }
        }
        journal.insert(key.clone(), entry);
    }

    for (key, rejection) in emails::conflicts(&desired.accounts, held) {
        desired.accounts.remove(&key);
        updates.remove(&key);
        rejections.insert(key, rejection);
    }
    desired.kept = rejections
        .iter()
        .filter_map(|(key, rejection)| Some((key.clone(), kept(inputs, &journal, key, rejection)?)))
        .collect();
    desired.incomplete = incomplete(inputs, &lines, &rejections);
    let heads = lines.iter().filter_map(|line| line.head.as_ref().ok());
    Resolved {
        desired,
        rejections,
        baselines: lines.iter().map(verdict).collect(),
        environments: lines
            .iter()
            .map(|line| {
                let reserved = inputs.policy_settings.reserved_slots;
                (line.name().to_owned(), line.environments(reserved))
            })
            .collect(),
        revisions: heads
            .map(|head| (head.revision.name.clone(), Arc::clone(&head.spec)))
            .collect(),
        updates,
        journal,
    }
}

/// A rejected object whose account was given a revision: what that revision attaches stays. Not where its status cannot be
/// trusted, or where another object has the better right to the account's email: then it is in doubt whose account it is.
fn kept(
    inputs: &Inputs<'_>,
    journal: &Journal,
    key: &AccountKey,
    rejection: &Rejection,
) -> Option<KeptAccount> {
    let Some(Decoded::Good(object)) = inputs.accounts.get(key) else {
        return None;
    };
    let entry = journal.get(key)?;
    let doubted = matches!(rejection.reason, Reason::Undecodable | Reason::EmailConflict);
    let has_guardrails = entry.account_id.is_some() && entry.assigned.is_some();
    (has_guardrails && !doubted).then(|| KeptAccount {
        key: key.clone(),
        claim: account::claim(inputs.installation, key),
        created: account::created(object),
        environment: object.spec.environment.clone(),
    })
}

fn verdict(line: &lines::Line<'_>) -> (String, Result<Revision, Rejection>) {
    let head = line.head.as_ref();
    let verdict = head.map(|head| head.revision.clone()).map_err(Clone::clone);
    (line.name().to_owned(), verdict)
}

/// Is there something that nobody can judge? Then nobody knows what it refers to.
fn incomplete(inputs: &Inputs<'_>, lines: &Lines<'_>, rejections: &BTreeMap<AccountKey, Rejection>) -> bool {
    let unjudged =
        |rejection: &Rejection| matches!(rejection.reason, Reason::Undecodable | Reason::InternalError);
    let revisions = inputs.revisions.values();
    inputs.promoted.unjudged
        || rejections.values().any(unjudged)
        || lines.iter().any(|line| line.head.as_ref().is_err_and(unjudged))
        || revisions
            .into_iter()
            .any(|revision| matches!(revision, Decoded::Poison(_)))
}

fn undecodable(why: &str) -> Rejection {
    Rejection::new(
        Reason::Undecodable,
        format!("the object cannot be decoded, so nothing is done for it until it is corrected: {why}"),
    )
}

/// A defect met in one object is that object's rejection. The panic's own text is for the log, not for the status.
fn guarded<T>(judge: impl FnOnce() -> Result<T, Rejection>) -> Result<T, Rejection> {
    catch_unwind(AssertUnwindSafe(judge)).unwrap_or_else(|_| {
        Err(Rejection::new(
            Reason::InternalError,
            "Bulkhead failed to judge this object and does nothing new for it; please report this defect with the manifest",
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_one_objects_rejection_and_does_not_show_its_text() {
        let verdict: Result<(), Rejection> = guarded(|| panic!("secret detail"));
        let rejection = verdict.unwrap_err();
        assert_eq!(rejection.reason, Reason::InternalError);
        assert!(!rejection.message.contains("secret detail") && !rejection.waits);
    }
}
