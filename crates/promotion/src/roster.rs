//! The accounts as the machine looks at them: who belongs to an environment, and how far each is.

use crate::facts::{AssignedBy, Target};
use jiff::Timestamp;
use model::{AccountId, Revision, RevisionHash};
use std::collections::BTreeMap;

/// Every account that has an id, in the order of ids.
pub(crate) struct Roster<'a>(BTreeMap<&'a AccountId, &'a Target>);

impl<'a> Roster<'a> {
    pub(crate) fn new(targets: &'a [Target]) -> Self {
        let mut roster = BTreeMap::new();
        for target in targets {
            let Some(id) = &target.id else { continue };
            // Two objects about one account are a conflict that others report; here the first name has it.
            let known = roster.entry(id).or_insert(target);
            if target.key < known.key {
                *known = target;
            }
        }
        Self(roster)
    }

    pub(crate) fn get(&self, id: &AccountId) -> Option<&'a Target> {
        self.0.get(id).copied()
    }

    /// Accounts of an environment that stay, in the order of ids.
    pub(crate) fn of<'s>(
        &'s self,
        environment: &'s str,
    ) -> impl Iterator<Item = (&'a AccountId, &'a Target)> + 's {
        self.0
            .iter()
            .map(|(id, target)| (*id, *target))
            .filter(move |(_, target)| !target.leaving && target.environment == environment)
    }

    /// The same without those that are pinned: those that a wave may take.
    pub(crate) fn free<'s>(
        &'s self,
        environment: &'s str,
    ) -> impl Iterator<Item = (&'a AccountId, &'a Target)> + 's {
        self.of(environment).filter(|(_, target)| target.pin.is_none())
    }
}

/// What a stage does to its members: brings them a revision, or takes them back to the one before.
#[derive(Clone, Copy)]
pub(crate) struct Course<'a> {
    pub(crate) uid: &'a str,
    pub(crate) attempt: &'a str,
    pub(crate) stage: &'a str,
    pub(crate) environment: &'a str,
    /// What is promoted.
    pub(crate) target: &'a RevisionHash,
    /// What its accounts go back to; `None`: they go forward.
    pub(crate) back: Option<Back<'a>>,
}

/// Where a rollback goes.
#[derive(Clone, Copy)]
pub(crate) struct Back<'a> {
    pub(crate) to: &'a Revision,
    /// Only the accounts of this wave.
    pub(crate) wave: Option<&'a str>,
}

/// How far a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Member {
    /// It is gone, or leaves, or belongs elsewhere now.
    Retired,
    /// Its pin keeps it where it is.
    Pinned,
    /// It is not concerned: a rollback where it never went forward.
    Untouched,
    /// It has not been given the revision yet.
    Waiting,
    /// It was, and is not done.
    Changing,
    /// It was, and cannot go on without a person.
    Failed,
    /// It has it, is Ready, and its access is proven.
    Done,
}

impl Course<'_> {
    fn ours(&self, by: &AssignedBy) -> bool {
        by.promotion_uid == self.uid && by.attempt == self.attempt && by.stage == self.stage
    }

    /// The account was given what is promoted, by this attempt in this stage.
    pub(crate) fn went_forward(&self, target: &Target) -> bool {
        let Some(assigned) = &target.assigned else {
            return false;
        };
        let Some(by) = &assigned.by else { return false };
        assigned.revision.hash == *self.target && self.ours(by) && by.wave.is_some()
    }

    fn went_back(&self, target: &Target, to: &Revision) -> bool {
        let Some(assigned) = &target.assigned else {
            return false;
        };
        let Some(by) = &assigned.by else { return false };
        assigned.revision.hash == to.hash && self.ours(by) && by.wave.is_none()
    }

    /// How far this member is.
    pub(crate) fn member(&self, target: Option<&Target>) -> Member {
        let Some(target) = target.filter(|target| !target.leaving && target.environment == self.environment)
        else {
            return Member::Retired;
        };
        if target.pin.is_some() {
            return Member::Pinned;
        }
        let given = match self.back {
            None if self.went_forward(target) => self.target,
            None => return Member::Waiting,
            Some(back) if self.went_back(target, back.to) => &back.to.hash,
            Some(back) => {
                let wave = target
                    .assigned
                    .as_ref()
                    .and_then(|a| a.by.as_ref()?.wave.as_deref());
                // The whole stage goes back with every account that has what failed, whichever attempt gave it.
                let concerned = match back.wave {
                    None => target
                        .assigned
                        .as_ref()
                        .is_some_and(|assigned| assigned.revision.hash == *self.target),
                    Some(_) => self.went_forward(target) && back.wave == wave,
                };
                return if concerned {
                    Member::Waiting
                } else {
                    Member::Untouched
                };
            }
        };
        if target.stalled.is_some() {
            return Member::Failed;
        }
        if has(target, given) {
            Member::Done
        } else {
            Member::Changing
        }
    }
}

/// The account has applied this revision, is Ready, and its access is proven: all of it as of now, nothing as of before.
pub(crate) fn has(target: &Target, hash: &RevisionHash) -> bool {
    target.applied.as_ref() == Some(hash) && target.observed && target.ready && target.access_verified
}

/// The deadline of one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// It was not chosen yet.
    Stands,
    /// It was chosen, and has time.
    Runs,
    /// It was not done in time.
    Over,
}

/// How many members are how far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) retired: u32,
    pub(crate) pinned: u32,
    /// Not chosen yet.
    pub(crate) waiting: u32,
    /// Chosen, and not given it yet.
    pub(crate) chosen: u32,
    pub(crate) changing: u32,
    pub(crate) overdue: u32,
    pub(crate) failed: u32,
    pub(crate) done: u32,
}

impl Tally {
    /// Failures as the budget counts them.
    pub(crate) fn lost(&self) -> u32 {
        self.failed + self.overdue
    }

    /// Members that are still to be given something, or are not done with it, in time.
    pub(crate) fn open(&self) -> u32 {
        self.waiting + self.chosen + self.changing
    }

    pub(crate) fn add(&mut self, member: Member, clock: Clock) {
        match member {
            Member::Retired => self.retired += 1,
            Member::Pinned => self.pinned += 1,
            Member::Untouched => {}
            Member::Waiting | Member::Changing if clock == Clock::Over => self.overdue += 1,
            Member::Waiting if clock == Clock::Runs => self.chosen += 1,
            Member::Waiting => self.waiting += 1,
            Member::Changing => self.changing += 1,
            Member::Failed => self.failed += 1,
            Member::Done => self.done += 1,
        }
    }
}

/// The moment some time after another; one that no calendar has is the last.
pub(crate) fn after(at: Timestamp, span: jiff::SignedDuration) -> Timestamp {
    at.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// A count as the status writes it.
pub(crate) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
