//! The policies of an account: those of its revision are attached, confirmed by a read, and only then those of earlier
//! revisions are taken away. Never is an account without all policies of one revision because of us.

mod attach;
pub(crate) mod clean;
mod effective;
pub(crate) mod given;
pub(crate) mod overlap;
mod room;
pub(crate) mod strays;
pub(crate) mod surplus;
pub(crate) mod types;
mod wanted;

use crate::{
    identity::{self, Identity},
    planning::Planning,
    revision,
};
use given::Given;
use jiff::{SignedDuration, Timestamp};
use model::{
    AccountKey, AccountState, Action, Attachments, DesiredAccount, DesiredPolicy, Evidence, JournalEntry,
    KeptAccount, ObservedAccount, PolicyId, PolicyType, Read, Reason, Stage,
};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) use room::finishes_first;
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
    key: &'s AccountKey,
    environment: &'s str,
    /// What it is to have.
    policies: &'s [DesiredPolicy],
    entry: &'s JournalEntry,
    account: &'s ObservedAccount,
    attached: Option<&'s Attached>,
    /// The account has had its revision in full: what is missing was changed by somebody else.
    repairs: bool,
    /// These are the policies of the revision that it carries, or has had in full.
    is_its_own: bool,
    /// They are those of the assigned revision: what is not part of them may go in time.
    is_assigned: bool,
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

    /// Takes a policy away.
    fn detach(
        &self,
        planning: &mut Planning<'_>,
        policy_type: &PolicyType,
        policy: &PolicyId,
        message: String,
    ) -> Stage {
        let account = &self.account.id;
        let action = Action::DetachPolicy {
            policy: policy.clone(),
            policy_type: policy_type.clone(),
            account: account.clone(),
        };
        let id = format!("detach/{}/{account}/{policy}", self.key);
        planning.step(Some(self.key), id, action, self.reason(), message)
    }

    /// May the attachments of the account be changed now? The account carries its revision first: a cluster that is
    /// restored to an older state sees that it does not know it. What is put back only was known before.
    fn may_change(&self, planning: &mut Planning<'_>) -> Result<(), Stage> {
        if !self.account.tags_confirmed {
            planning.read(Read::Account(self.account.id.clone()));
            let message = "reading the account's tags".into();
            return Err(Stage::Pending(Reason::Reobserving, message));
        }
        if self.is_its_own {
            return Ok(());
        }
        let message = "policies are attached when the account carries its revision".into();
        Err(Stage::Pending(Reason::Tagging, message))
    }
}

/// What is not done yet: what needs a person comes before what takes its time, and what came first before the rest.
#[derive(Default)]
pub(crate) struct Unmet(pub(crate) Option<Stage>);

impl Unmet {
    pub(crate) fn add(&mut self, stage: Stage) {
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

/// Has AWS shown, since the account carries its revision, that all of it is there and what it comes to?
fn seen_in_force(planning: &mut Planning<'_>, scene: Scene<'_>) -> Stage {
    if scene.repairs || !scene.is_assigned {
        return Stage::Done;
    }
    match seen_attached(planning, scene) {
        Stage::Done => effective::seen(planning, scene),
        stage => stage,
    }
}

/// Whatever was attached before the account got its revision may have been detached by somebody since it was looked at last:
/// a revision that wants the same has not been applied before a read that began since the account carries it shows so.
fn seen_attached(planning: &mut Planning<'_>, scene: Scene<'_>) -> Stage {
    let observed = planning.input.observed;
    let account = &scene.account.id;
    let carries = observed.carries_since(account);
    let listed = observed.policies.listed();
    let types: BTreeSet<&PolicyType> = scene.policies.iter().map(|policy| &policy.policy_type).collect();
    let mut stage = Stage::Done;
    for policy_type in types {
        let attachments = scene.attached.and_then(|types| types.get(policy_type));
        let doubted = attachments.is_none_or(|attachments| attachments.doubted);
        let confirmed = attachments.and_then(|attachments| attachments.confirmed);
        if doubted || confirmed.max(listed) < carries {
            planning.read(Read::Attachments(account.clone(), policy_type.clone()));
            let message = "reading whether the policies of the account's revision, which it has had before, are still attached";
            stage = Stage::Pending(Reason::ConfirmingPolicies, message.into());
        }
    }
    stage
}

/// Attaches what the account's revision wants, and takes away what it does not.
pub(crate) fn guard<'a>(
    planning: &mut Planning<'a>,
    desired: &'a DesiredAccount,
    entry: &'a JournalEntry,
    account: &'a ObservedAccount,
    attached: Option<&'a Attached>,
) -> Guarded {
    let repairs = has_had_its_revision(entry);
    let carries = |assigned| revision::carries(account, assigned);
    let scene = Scene {
        key: &desired.key,
        environment: &desired.environment,
        policies: &desired.policies,
        entry,
        account,
        attached,
        repairs,
        is_its_own: repairs || entry.assigned.as_ref().is_some_and(carries),
        is_assigned: true,
    };
    attend(planning, scene, &desired.policies)
}

/// The account has had its revision in full.
fn has_had_its_revision(entry: &JournalEntry) -> bool {
    let assigned = entry.assigned.as_ref().map(|assigned| &assigned.revision.name);
    assigned.is_some() && assigned == entry.applied.as_ref()
}

fn attend<'a>(planning: &mut Planning<'a>, scene: Scene<'_>, policies: &'a [DesiredPolicy]) -> Guarded {
    let attached = scene.attached;
    let wanted = wanted::all(planning, policies, scene.repairs);
    if is_at_rest(planning, attached, &wanted) {
        return Guarded {
            attached: true,
            stage: seen_in_force(planning, scene),
        };
    }
    for (policy_type, attachments) in attached.into_iter().flatten() {
        if attachments.doubted {
            planning.read(Read::Attachments(scene.account.id.clone(), policy_type.clone()));
        }
    }
    match attach::all(planning, scene, &wanted) {
        Ok(since) if scene.is_assigned => Guarded {
            attached: true,
            stage: match surplus::detach(planning, scene, &wanted, since) {
                Stage::Done => seen_in_force(planning, scene),
                stage => stage,
            },
        },
        Ok(_) => Guarded {
            attached: true,
            stage: Stage::Done,
        },
        Err(stage) => Guarded {
            attached: false,
            stage,
        },
    }
}

/// Keeps what the account was given, whatever its object asks for now.
fn keep<'a>(
    planning: &mut Planning<'a>,
    key: &'a AccountKey,
    environment: &'a str,
    entry: &'a JournalEntry,
    account: &'a ObservedAccount,
) {
    let Some(Given {
        policies,
        is_assigned,
    }) = given::given(&planning.input, environment, entry, account)
    else {
        return;
    };
    let scene = Scene {
        key,
        environment,
        policies,
        entry,
        account,
        attached: planning.input.observed.policies.attached_to(&account.id),
        repairs: !is_assigned && entry.applied.is_some() || has_had_its_revision(entry),
        is_its_own: true,
        is_assigned,
    };
    attend(planning, scene, policies);
}

/// The account of a rejected object keeps its guardrails; that is all that is done for it.
pub(crate) fn of_rejected<'a>(planning: &mut Planning<'a>, kept: &'a KeptAccount, entry: &'a JournalEntry) {
    if planning.overall.is_some() {
        return;
    }
    planning.age = kept.created;
    match identity::kept(planning, kept, entry) {
        Identity::Ours(account) if account.state == AccountState::Active => {
            keep(planning, &kept.key, &kept.environment, entry, account);
        }
        Identity::Ask(id) => planning.read(Read::Account(id.clone())),
        Identity::Ours(_) | Identity::None | Identity::Blocked(..) => {}
    }
}

/// The account does not get the revision that it is to have, not yet or not while it is suspended: what it was given stays
/// in force. But a change from one revision to the next that a third one overtakes is not gone on with.
pub(crate) fn of_unsettled<'a>(
    planning: &mut Planning<'a>,
    desired: &'a DesiredAccount,
    entry: &'a JournalEntry,
    account: &'a ObservedAccount,
    why: &Stage,
) {
    let goes_on = matches!(why, Stage::Pending(Reason::Suspended | Reason::PolicyOverlap, _));
    let is_bound = entry.account_id.as_ref() == Some(&account.id);
    if is_bound && (goes_on || has_had_its_revision(entry)) {
        keep(planning, &desired.key, &desired.environment, entry, account);
    }
}

/// Has it been seen what these policies of the account say, since they were attached and it carries their revision, and not
/// before `since`? Somebody may have edited one meanwhile. Only then it may be moved to where they are needed, and what it
/// had before may go. They are read once per `period` at most.
pub(crate) fn content_seen(
    planning: &mut Planning<'_>,
    wanted: &[DesiredPolicy],
    account: &ObservedAccount,
    since: Timestamp,
    period: SignedDuration,
) -> Result<(), Stage> {
    let observed = planning.input.observed;
    let policies = &observed.policies;
    let unseen = wanted.iter().filter(|wanted| {
        let found = planning.index.policy(&wanted.policy_type, &wanted.name);
        !found.is_some_and(|found| observed.is_seen_on(&account.id, found, since))
    });
    let unseen: BTreeSet<&PolicyType> = unseen.map(|policy| &policy.policy_type).collect();
    for policy_type in &unseen {
        planning.again(
            Read::Policies((*policy_type).clone()),
            policies.read(policy_type),
            period,
        );
    }
    if unseen.is_empty() {
        return Ok(());
    }
    let message = "reading what the policies of the account say, now that they are attached";
    Err(Stage::Pending(Reason::ConfirmingPolicies, message.into()))
}
