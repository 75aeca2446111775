//! Whose turn it is: the order in which the one queue of changes to AWS is served.

use crate::{Action, Step};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// How urgent work is: the earlier class goes first. This is the one place that says so (design 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Class {
    /// The installation mark: nothing may be done without it.
    Mark,
    /// What Kubernetes remembers; costs AWS nothing.
    Journal,
    /// Policies and their attachments.
    Guardrails,
    /// Tags.
    Tags,
    /// Organizational units, and moves into them.
    Moves,
    /// Probes of the access role.
    Access,
    /// New accounts.
    Creations,
    /// Reads.
    Refreshes,
    /// Closures.
    Closures,
}

impl Class {
    /// Work that was passed over for this long while AWS's rate allowed it goes before everything else, once: so a
    /// steady stream of more urgent work slows the rest down and stops nothing.
    pub const PATIENCE: SignedDuration = SignedDuration::from_secs(5);
}

impl Action {
    /// How urgent it is.
    pub const fn class(&self) -> Class {
        match self {
            Self::WriteMark { .. } => Class::Mark,
            Self::Hold
            | Self::Release
            | Self::Intend(..)
            | Self::Assign { .. }
            | Self::Reread
            | Self::Withdraw { .. }
            | Self::RecordRequest { .. }
            | Self::ApplyOutputs { .. } => Class::Journal,
            Self::EnablePolicyType { .. }
            | Self::CreatePolicy { .. }
            | Self::UpdatePolicy { .. }
            | Self::AttachPolicy { .. }
            | Self::DetachPolicy { .. } => Class::Guardrails,
            Self::TagAccount { .. } | Self::UntagAccount { .. } => Class::Tags,
            Self::CreateOrganizationalUnit { .. } | Self::MoveAccount { .. } => Class::Moves,
            Self::VerifyAccess { .. } => Class::Access,
            Self::CreateAccount { .. } => Class::Creations,
            // It makes room, and nobody waits for it.
            Self::DeletePolicy { .. } => Class::Closures,
        }
    }
}

/// Who was served when, as one process knows it. It can be lost: then the queue begins anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Turns {
    served: u64,
    namespaces: BTreeMap<String, u64>,
    passed_over: BTreeMap<Class, Timestamp>,
}

impl Turns {
    /// A step that changes AWS was started: its namespace goes to the end of the line.
    pub fn started(&mut self, step: &Step) {
        self.served += 1;
        if let Some(key) = &step.key {
            self.namespaces.insert(key.namespace.clone(), self.served);
        }
        self.passed_over.remove(&step.action.class());
    }

    /// Steps of these classes could have been started and were not; no others wait.
    pub fn passed_over(&mut self, classes: &BTreeSet<Class>, now: Timestamp) {
        self.passed_over.retain(|class, _| classes.contains(class));
        for class in classes {
            self.passed_over.entry(*class).or_insert(now);
        }
    }

    /// The last turn of this namespace; 0 if it had none.
    pub fn last(&self, namespace: &str) -> u64 {
        self.namespaces.get(namespace).copied().unwrap_or_default()
    }

    /// Classes that have waited too long, longest first.
    pub fn overdue(&self, now: Timestamp) -> Vec<Class> {
        let mut overdue: Vec<_> = self
            .passed_over
            .iter()
            .filter(|(_, since)| now.duration_since(**since) >= Class::PATIENCE)
            .map(|(class, since)| (*since, *class))
            .collect();
        overdue.sort();
        overdue.into_iter().map(|(_, class)| class).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_passed_over_for_long_enough_is_overdue_until_it_has_its_turn() {
        let at = |seconds: i64| Timestamp::from_second(1_767_225_600 + seconds).unwrap();
        let mut turns = Turns::default();
        let both = BTreeSet::from([Class::Moves, Class::Creations]);
        turns.passed_over(&BTreeSet::from([Class::Creations]), at(0));
        turns.passed_over(&both, at(1));
        assert_eq!(turns.overdue(at(4)), []);
        assert_eq!(turns.overdue(at(6)), [Class::Creations, Class::Moves]);
        turns.passed_over(&BTreeSet::from([Class::Moves]), at(7));
        assert_eq!(
            turns.overdue(at(7)),
            [Class::Moves],
            "who has nothing to do waits for nothing"
        );
    }
}
