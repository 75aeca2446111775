//! A plan in the making: what may be done at all, and the one way to propose a step.

use crate::{
    Input,
    brake::{self, Allowance},
    index::Index,
    policies::{Wanted, overlap},
    queue,
    wishes::Wishes,
};
use jiff::{SignedDuration, Timestamp};
use model::{
    AccountKey, Action, Change, HoldKind, MarkVerdict, Mode, OuId, OuPath, Plan, Read, Reason, Stage, Step,
    StepId, Verdict,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

/// A plan in the making.
pub(crate) struct Planning<'a> {
    pub(crate) input: Input<'a>,
    pub(crate) index: Index<'a>,
    /// Units that were found by their path.
    pub(crate) units_found: BTreeMap<&'a OuPath, &'a OuId>,
    /// How lists of policies stand, by where they are in memory and whether they are repaired.
    pub(crate) wanted: BTreeMap<(usize, bool), Rc<[Wanted<'a>]>>,
    pub(crate) wishes: Wishes<'a>,
    pub(crate) regions: overlap::Known<'a>,
    pub(crate) plan: Plan,
    /// Why AWS may not be changed now.
    pub(crate) closed: Option<(Reason, String)>,
    /// Why nothing can be said of any account: its verdict is this.
    pub(crate) overall: Option<Verdict>,
    proposed: BTreeSet<StepId>,
    /// Creation intents that are unsettled, this plan's included.
    pub(crate) unsettled: usize,
    /// Creations that AWS is at or will be by this plan.
    pub(crate) sending: usize,
    /// Creations that the budgets leave room for.
    pub(crate) creations: Allowance,
    /// When the object that is being planned was made.
    pub(crate) age: Timestamp,
    /// The same for each step.
    ages: Vec<Timestamp>,
}

/// A step to be proposed.
pub(crate) struct Proposal<'k> {
    pub(crate) key: Option<&'k AccountKey>,
    pub(crate) id: StepId,
    pub(crate) action: Action,
    /// What a budget counts.
    pub(crate) spends: Option<Change>,
    pub(crate) reason: Reason,
}

impl<'a> Planning<'a> {
    pub(crate) fn new(input: Input<'a>) -> Self {
        let index = Index::new(&input);
        let (closed, overall) = permission(&input);
        let sending = index.in_flight;
        Self {
            input,
            index,
            units_found: BTreeMap::new(),
            wanted: BTreeMap::new(),
            wishes: Wishes::default(),
            regions: BTreeMap::new(),
            plan: Plan::default(),
            closed,
            overall,
            proposed: BTreeSet::new(),
            unsettled: 0,
            sending,
            creations: Allowance::creations(&input),
            age: Timestamp::MIN,
            ages: Vec::new(),
        }
    }

    pub(crate) fn read(&mut self, read: Read) {
        self.plan.reads.insert(read);
    }

    /// Reads again when the last such read, which began at `last`, is older than `period`; until then plans again in time.
    pub(crate) fn again(&mut self, read: Read, last: Option<Timestamp>, period: SignedDuration) {
        let next = last.map(|last| last.checked_add(period).unwrap_or(Timestamp::MAX));
        match next.filter(|next| *next > self.input.now) {
            Some(next) => self.plan.wake_at(next),
            None => self.read(read),
        }
    }

    /// Proposes a step, unless it is under way, rests after a failure, or AWS may not be changed now. The stage says
    /// which; a step that failed for good keeps saying so while it is tried again, so that status does not flap.
    pub(crate) fn step(
        &mut self,
        key: Option<&AccountKey>,
        id: String,
        action: Action,
        reason: Reason,
        message: String,
    ) -> Stage {
        let spends = None;
        self.counted_step(
            Proposal {
                key,
                id: StepId(id),
                action,
                spends,
                reason,
            },
            message,
        )
    }

    /// The same for a step that a budget may count.
    pub(crate) fn counted_step(&mut self, proposal: Proposal<'_>, message: String) -> Stage {
        let Proposal {
            key,
            id,
            action,
            spends,
            reason,
        } = proposal;
        let (stage, rests) = self.resting(&id, reason, message);
        if rests || self.input.in_flight.contains(&id) {
            return stage;
        }
        // What Kubernetes remembers is written only when AWS could be acted on: an intent or an answer to one.
        let prepares = matches!(
            action,
            Action::Hold
                | Action::Intend(..)
                | Action::Assign { .. }
                | Action::Reread
                | Action::VerifyAccess { .. }
        );
        let is_mark = matches!(action, Action::WriteMark { .. });
        if (prepares || action.mutates_aws())
            && !is_mark
            && let Some((reason, message)) = &self.closed
        {
            return match stage {
                Stage::Blocked(..) => stage,
                _ => Stage::Pending(*reason, message.clone()),
            };
        }
        if let Action::Intend(_, assigned) | Action::Assign { assigned, .. } = &action
            && self.input.desired.unstored.contains(&assigned.revision.name)
        {
            let message = format!("storing revision {} as an object", assigned.revision.name);
            return Stage::Pending(Reason::AssigningRevision, message);
        }
        if self.proposed.insert(id.clone()) {
            self.plan.steps.push(Step {
                id,
                key: key.cloned(),
                action,
                reason,
                spends,
            });
            self.ages.push(self.age);
        }
        stage
    }

    /// The stage of a step by its hold, and whether it still rests.
    pub(crate) fn resting(&mut self, id: &StepId, reason: Reason, message: String) -> (Stage, bool) {
        let Some(hold) = self.input.held.get(id) else {
            return (Stage::Pending(reason, message), false);
        };
        let rests = hold.until > self.input.now;
        if rests {
            self.plan.wake_at(hold.until);
        }
        let stage = match hold.kind {
            HoldKind::Stalled => Stage::Blocked(hold.reason, hold.message.clone()),
            // One failure is not worth a word: most are over at the next try.
            HoldKind::Retry if hold.failures < 2 => Stage::Pending(reason, message),
            HoldKind::Retry | HoldKind::Wait => Stage::Pending(hold.reason, hold.message.clone()),
        };
        (stage, rests)
    }

    pub(crate) fn finish(mut self) -> Plan {
        self.plan.overall = self.overall;
        queue::order(&self.input, &mut self.plan.steps, &self.ages);
        brake::hold_back(&self.input, &mut self.plan);
        self.plan
    }
}

/// May AWS be changed, and can anything be said of the accounts?
fn permission(input: &Input<'_>) -> (Option<(Reason, String)>, Option<Verdict>) {
    let verdict = input.mark.verdict(input.now);
    if let MarkVerdict::Claimed { by } = &verdict {
        let message = format!(
            "the organization is governed by {by:?}, not by {:?}; start one operator with --take-over={by} to take it over",
            input.mark.own
        );
        let refused = Verdict::Refused(Reason::OrganizationClaimed, message.clone());
        return (Some((Reason::OrganizationClaimed, message)), Some(refused));
    }
    if input.observed.full.is_none() || input.mark.last_read.is_none() {
        let failed = [crate::refresh::FULL, crate::refresh::MARK]
            .into_iter()
            .find_map(|read| input.held.get(&StepId(read.to_owned())));
        let verdict = match failed {
            Some(hold) if hold.kind == HoldKind::Stalled => {
                Verdict::Refused(hold.reason, hold.message.clone())
            }
            Some(hold) => Verdict::Waiting(hold.reason, hold.message.clone()),
            None => Verdict::Working(
                Reason::Observing,
                "reading the organization for the first time".into(),
            ),
        };
        let closed = (
            verdict.reason(),
            "the organization has not been read yet".to_owned(),
        );
        return (Some(closed), Some(verdict));
    }
    if input.limits.mode == Mode::Observe {
        let message = "mode is Observe: Bulkhead reads and judges, and changes nothing";
        let waiting = Verdict::Waiting(Reason::ObserveOnly, message.into());
        return (Some((Reason::ObserveOnly, message.into())), Some(waiting));
    }
    // What keeps us from writing or reading the mark is the reason for everything that waits for it.
    let hindrance = |step: String| {
        let hold = input
            .held
            .get(&StepId(step))
            .filter(|hold| hold.kind == HoldKind::Stalled || hold.failures >= 2);
        hold.map(|hold| (hold.reason, hold.message.clone()))
    };
    let hindered = match (&verdict, &input.observed.root) {
        (MarkVerdict::Write, Some(root)) => hindrance(crate::refresh::mark_id(root, &input.mark.own)),
        (MarkVerdict::Unknown, _) => hindrance(crate::refresh::MARK.to_owned()),
        _ => None,
    };
    let blocked = |hold: &StepId| {
        input
            .held
            .get(hold)
            .is_some_and(|hold| hold.kind == HoldKind::Stalled)
    };
    if let (MarkVerdict::Write, Some(root), Some((reason, message))) =
        (&verdict, &input.observed.root, &hindered)
        && blocked(&StepId(crate::refresh::mark_id(root, &input.mark.own)))
    {
        let refused = Verdict::Refused(*reason, message.clone());
        return (Some((*reason, message.clone())), Some(refused));
    }
    if hindered.is_some() {
        return (hindered, None);
    }
    let closed = match verdict {
        MarkVerdict::Ours => None,
        MarkVerdict::Unknown => Some((
            Reason::AwsUnavailable,
            "the installation mark on the organization's root could not be read again in time".into(),
        )),
        MarkVerdict::Write | MarkVerdict::Settling | MarkVerdict::Claimed { .. } => Some((
            Reason::InstallationMarkSettling,
            "the installation mark was just written to the organization's root; waiting to see that it stays"
                .into(),
        )),
    };
    (closed, None)
}
