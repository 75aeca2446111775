//! The policies of an account: those of its revision are attached, confirmed by a read, and only then those of earlier
//! revisions are taken away. Never is an account without all policies of one revision because of us.

mod attach;
pub(crate) mod clean;
pub(crate) mod overlap;
mod surplus;
mod types;
mod wanted;

use crate::{planning::Planning, revision};
use model::{
    Attachments, DesiredAccount, Evidence, JournalEntry, ObservedAccount, PolicyType, Read, Reason, Stage,
};
use std::collections::BTreeMap;

pub(crate) use wanted::Wanted;

/// How far an account has come with its policies.
pub(crate) struct Guarded {
    /// Every policy of its revision is attached, and a read has shown it: it may be moved.
    pub(crate) attached: bool,
    /// The same, and nothing of ours besides.
    pub(crate) stage: Stage,
}

/// What is attached to one account, by type.
pub(crate) type Attached = BTreeMap<PolicyType, Attachments>;

/// One account whose policies are looked at.
#[derive(Clone, Copy)]
struct Scene<'s> {
    desired: &'s DesiredAccount,
    entry: &'s JournalEntry,
    account: &'s ObservedAccount,
    attached: Option<&'s Attached>,
    /// The account has had its revision in full: what is missing was changed by somebody else.
    repairs: bool,
}

impl Scene<'_> {
    /// Why something is done.
    fn reason(&self) -> Reason {
        if self.repairs {
            Reason::RepairingPolicies
        } else {
            Reason::AttachingPolicies
        }
    }

    /// May the attachments of the account be changed now? The account carries its revision first: a cluster that is
    /// restored to an older state sees that it does not know it. What is put back only was known before.
    fn may_change(&self, planning: &mut Planning<'_>) -> Result<(), Stage> {
        if !self.account.tags_confirmed {
            planning.read(Read::Account(self.account.id.clone()));
            let message = "reading the account's tags".into();
            return Err(Stage::Pending(Reason::Reobserving, message));
        }
        let assigned = self.entry.assigned.as_ref();
        if self.repairs || assigned.is_some_and(|assigned| revision::carries(self.account, assigned)) {
            return Ok(());
        }
        let message = "policies are attached when the account carries its revision".into();
        Err(Stage::Pending(Reason::Tagging, message))
    }
}

/// What is not done yet: what needs a person comes before what takes its time, and what came first before the rest.
#[derive(Default)]
struct Unmet(Option<Stage>);

impl Unmet {
    fn add(&mut self, stage: Stage) {
        match (&self.0, &stage) {
            (_, Stage::Done) | (Some(Stage::Blocked(..)), _) => {}
            (None, _) | (Some(_), Stage::Blocked(..)) => self.0 = Some(stage),
            (Some(_), _) => {}
        }
    }
}

/// Everything that is wanted is attached and shown by reads, and nothing else is ours: most accounts, most of the time.
fn is_at_rest(planning: &Planning<'_>, attached: Option<&Attached>, wanted: &[Wanted<'_>]) -> bool {
    let mut shown = 0;
    for attachments in attached.into_iter().flat_map(BTreeMap::values) {
        for (id, evidence) in &attachments.policies {
            if wanted.iter().any(|wanted| wanted.id() == Some(id)) {
                shown += usize::from(matches!(evidence, Evidence::Read(_)));
            } else if planning.index.may_be_own(id) {
                return false;
            }
        }
        if attachments.doubted {
            return false;
        }
    }
    shown == wanted.len()
}

/// Attaches what the account's revision wants, and takes away what it does not.
pub(crate) fn guard<'a>(
    planning: &mut Planning<'a>,
    desired: &'a DesiredAccount,
    entry: &'a JournalEntry,
    account: &'a ObservedAccount,
    attached: Option<&'a Attached>,
) -> Guarded {
    let assigned = entry.assigned.as_ref().map(|assigned| &assigned.revision.name);
    let repairs = assigned.is_some() && assigned == entry.applied.as_ref();
    let scene = Scene {
        desired,
        entry,
        account,
        attached,
        repairs,
    };
    let wanted = wanted::all(planning, desired, repairs);
    if is_at_rest(planning, attached, &wanted) {
        return Guarded {
            attached: true,
            stage: Stage::Done,
        };
    }
    for (policy_type, attachments) in attached.into_iter().flatten() {
        if attachments.doubted {
            planning.read(Read::Attachments(account.id.clone(), policy_type.clone()));
        }
    }
    match attach::all(planning, scene, &wanted) {
        Ok(since) => Guarded {
            attached: true,
            stage: surplus::detach(planning, scene, &wanted, since),
        },
        Err(stage) => Guarded {
            attached: false,
            stage,
        },
    }
}
