//! Stage 2, resolve: custom resources to one desired organization and rejections.
//!
//! Pure: no client, no clock, no random number. Each object is judged alone, by itself and by the Baseline it names, so
//! that a bad object never changes what becomes of another. The one thing objects can take from each other is an email:
//! then the object that holds an account or a creation under way keeps it, else the oldest one, and only the loser is
//! rejected. A rejected object is not in [`DesiredOrg`], so nothing is done for it in AWS; what Kubernetes remembers of
//! it is in the journal all the same.

mod account;
mod baseline;
mod effect;
mod emails;
mod journal;
mod selector;
mod tags;

use api::{AwsAccount, Baseline};
use model::{AccountKey, DesiredOrg, Installation, Journal, OutputsState, Reason, Revision};
use std::{
    collections::BTreeMap,
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

/// Everything that is judged.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// Every AwsAccount, those being deleted included.
    pub accounts: &'a BTreeMap<AccountKey, Decoded<AwsAccount>>,
    /// Every Baseline by name.
    pub baselines: &'a BTreeMap<String, Decoded<Baseline>>,
    /// Labels of every namespace.
    pub namespaces: &'a BTreeMap<String, BTreeMap<String, String>>,
    /// What stands under the name of each object's outputs ConfigMap, as far as it was looked at.
    pub outputs: &'a BTreeMap<AccountKey, OutputsState>,
    /// This installation.
    pub installation: &'a Installation,
    /// The Baseline of objects that name none.
    pub default_baseline: Option<&'a str>,
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
    /// What Kubernetes remembers of every object that could be decoded.
    pub journal: Journal,
}

/// What Kubernetes remembers of one object; its outputs are not looked at.
pub fn journal_entry(object: &AwsAccount) -> model::JournalEntry {
    journal::entry(object, OutputsState::default()).0
}

/// Judges all objects.
pub fn resolve(inputs: &Inputs<'_>) -> Resolved {
    let judged: BTreeMap<&str, Result<baseline::Terms<'_>, Rejection>> = inputs
        .baselines
        .iter()
        .map(|(name, decoded)| (name.as_str(), judge_baseline(name, decoded)))
        .collect();

    let mut desired = DesiredOrg {
        installation: inputs.installation.clone(),
        accounts: BTreeMap::new(),
        leaving: BTreeMap::new(),
    };
    let mut rejections = BTreeMap::new();
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
                None => guarded(|| account::judge(inputs, &judged, key, object, &entry)),
            };
            match verdict {
                Ok(account) => drop(desired.accounts.insert(key.clone(), account)),
                Err(rejection) => drop(rejections.insert(key.clone(), rejection)),
            }
        }
        journal.insert(key.clone(), entry);
    }

    for (key, rejection) in emails::conflicts(&desired.accounts, held) {
        desired.accounts.remove(&key);
        rejections.insert(key, rejection);
    }
    let baselines = judged
        .into_iter()
        .map(|(name, verdict)| (name.to_owned(), verdict.map(|terms| terms.revision)))
        .collect();
    Resolved {
        desired,
        rejections,
        baselines,
        journal,
    }
}

fn judge_baseline<'a>(name: &str, decoded: &'a Decoded<Baseline>) -> Result<baseline::Terms<'a>, Rejection> {
    match decoded {
        Decoded::Good(object) => guarded(|| baseline::judge(name, object)),
        Decoded::Poison(why) => Err(undecodable(why)),
    }
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
            "Bulkhead failed to judge this object and does nothing for it; please report this defect with the manifest",
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
