//! Which objects are being written, which rest after a failed write, and what each has been told.

use super::super::resolve::Picture;
use crate::{events::Happening, store::Key};
use api::conditions::{READY, STALLED};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::ObjectMeta;
use model::AccountKey;
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::{Duration, Instant};

/// Status patches that are under way at the same time.
const PATCHES: usize = 16;

/// An object that this stage writes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    Account(Key),
    Baseline(Key),
    Organization(Key),
    Revision(Key),
}

/// Which objects have a patch under way, and which rest after a failed one.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    under_way: BTreeSet<Subject>,
    resting: BTreeMap<Subject, (Instant, u32)>,
    /// The stall that each object has been told of, until it is Ready.
    stalls: BTreeMap<Subject, Stall>,
    /// The stall that a patch under way tells.
    telling: BTreeMap<Subject, Stall>,
}

/// A stall: which object and which spec of it, reason and message.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stall {
    uid: Option<String>,
    generation: Option<i64>,
    reason: String,
    message: String,
}

impl Memory {
    /// What of this is news: a stall that went away only because Bulkhead tried again is none when it is back as it was.
    pub(super) fn news(
        &mut self,
        subject: &Subject,
        meta: &ObjectMeta,
        conditions: &[Condition],
        mut happenings: Vec<Happening>,
    ) -> Vec<Happening> {
        let is = |type_: &str| conditions.iter().find(|c| c.type_ == type_ && c.status == "True");
        if is(READY).is_some() {
            self.stalls.remove(subject);
        }
        let Some(stalled) = is(STALLED) else {
            return happenings;
        };
        let stall = Stall {
            uid: meta.uid.clone(),
            generation: meta.generation,
            reason: stalled.reason.clone(),
            message: stalled.message.clone(),
        };
        if self.stalls.get(subject) == Some(&stall) {
            happenings.retain(|happening| happening.reason != stall.reason);
        } else {
            // Not told before it is written.
            self.telling.insert(subject.clone(), stall);
        }
        happenings
    }
    /// Is what is done for this object another try at what stalled?
    pub(crate) fn is_another_try(&self, key: &AccountKey) -> bool {
        let key = (key.namespace.clone(), key.name.clone());
        self.stalls.contains_key(&Subject::Account(key))
    }
    /// Forgets stalls of accounts that are gone, once there are more stalls than objects.
    pub(super) fn forget(&mut self, picture: &Picture) {
        if self.stalls.len() > picture.accounts.len() + picture.baselines.len() + 1 {
            self.stalls.retain(|subject, _| match subject {
                Subject::Account((namespace, name)) => {
                    picture.accounts.contains_key(&AccountKey::new(namespace, name))
                }
                Subject::Baseline((_, name)) => picture.baselines.contains_key(name),
                Subject::Organization(_) | Subject::Revision(_) => true,
            });
        }
    }
    pub(super) fn begin(&mut self, subject: Subject) {
        self.under_way.insert(subject);
    }
    /// A write has succeeded: what it told is told.
    pub(super) fn succeeded(&mut self, subject: Subject) {
        self.under_way.remove(&subject);
        self.resting.remove(&subject);
        if let Some(stall) = self.telling.remove(&subject) {
            self.stalls.insert(subject, stall);
        }
    }
    pub(super) fn may_write(&self, subject: &Subject) -> bool {
        !self.under_way.contains(subject)
            && self.under_way.len() < PATCHES
            && self
                .resting
                .get(subject)
                .is_none_or(|(until, _)| *until <= Instant::now())
    }
    pub(super) fn failed(&mut self, subject: Subject) {
        self.under_way.remove(&subject);
        self.telling.remove(&subject);
        let failures = self.resting.get(&subject).map_or(0, |(_, failures)| *failures) + 1;
        let rest = Duration::from_millis(200) * 2_u32.pow(failures.min(8));
        self.resting.insert(subject, (Instant::now() + rest, failures));
    }
    /// When the next resting object may be written again.
    pub(super) fn next(&self) -> Option<Instant> {
        self.resting
            .values()
            .map(|(until, _)| *until)
            .filter(|until| *until > Instant::now())
            .min()
    }
}
