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
    Promotion(Key),
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
    /// What Kubernetes will not accept, whenever it is written.
    refused: BTreeMap<Subject, Refused>,
}

/// What is asked of an object: as long as it stays the same, what was refused is refused again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    uid: Option<String>,
    generation: Option<i64>,
    annotations: Option<BTreeMap<String, String>>,
}

impl Asked {
    pub(super) fn of(meta: &ObjectMeta) -> Self {
        Self {
            uid: meta.uid.clone(),
            generation: meta.generation,
            annotations: meta.annotations.clone(),
        }
    }
}

/// A status that was refused.
#[derive(Debug)]
struct Refused {
    asked: Asked,
    why: String,
    /// The refusal itself could not be told either.
    hopeless: bool,
}

/// What is to be written of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tell<'m> {
    /// All there is to say.
    All,
    /// Only that Kubernetes refused it, and why.
    Refusal(&'m str),
    /// Nothing.
    Nothing,
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
                Subject::Organization(_) | Subject::Promotion(_) | Subject::Revision(_) => true,
            });
        }
    }
    /// What is to be written of this object. What was refused is not written again before something else is asked.
    pub(super) fn tell(&self, subject: &Subject, asked: &Asked) -> Tell<'_> {
        match self
            .refused
            .get(subject)
            .filter(|refused| refused.asked == *asked)
        {
            None => Tell::All,
            Some(refused) if refused.hopeless => Tell::Nothing,
            Some(refused) => Tell::Refusal(&refused.why),
        }
    }
    /// Kubernetes refused a status for what it is.
    pub(super) fn refused(&mut self, subject: Subject, asked: Asked, why: String) {
        self.under_way.remove(&subject);
        self.telling.remove(&subject);
        self.resting.remove(&subject);
        let known = self.refused.get(&subject);
        let hopeless = known.is_some_and(|known| known.asked == asked);
        self.refused.insert(subject, Refused { asked, why, hopeless });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_is_told_once_and_not_written_again_until_something_else_is_asked() {
        let subject = Subject::Promotion((String::new(), "standard".into()));
        let asked = |generation: i64, retry: &str| {
            Asked::of(&ObjectMeta {
                generation: Some(generation),
                annotations: Some([("bulkhead.dev/retry".to_owned(), retry.to_owned())].into()),
                ..ObjectMeta::default()
            })
        };
        let mut memory = Memory::default();
        let first = asked(1, "a");
        assert_eq!(memory.tell(&subject, &first), Tell::All);
        memory.begin(subject.clone());
        memory.refused(subject.clone(), first.clone(), "too large".into());
        assert!(memory.may_write(&subject), "the refusal is told at once");
        assert_eq!(memory.tell(&subject, &first), Tell::Refusal("too large"));
        for other in [asked(2, "a"), asked(1, "b")] {
            assert_eq!(memory.tell(&subject, &other), Tell::All);
        }
        memory.refused(subject.clone(), first.clone(), "too large".into());
        assert_eq!(memory.tell(&subject, &first), Tell::Nothing);
        let second = asked(2, "a");
        memory.refused(subject.clone(), second.clone(), "too large".into());
        assert_eq!(memory.tell(&subject, &second), Tell::Refusal("too large"));
    }
}
