//! Who agreed to a stage. Only decisions about exactly this attempt, stage and plan count, and each person once.

use super::{Machine, before::Block, plan::approval_digest};
use crate::{
    facts::PromotionDecision,
    outcome::Why,
    program::{Approval, Stage},
    roster::{after, count},
    state::{ApprovalState, Awaiting},
};
use model::{ApprovalAction, ApprovalPolicy};

/// `decision` of an Approval that says yes.
pub(super) const APPROVE: &str = "Approve";
const REJECT: &str = "Reject";

impl Machine<'_> {
    /// What an Approval of this stage has to name.
    pub(super) fn digest(&self, index: usize) -> Option<String> {
        let stage = self.state.stages.get(index)?;
        let attempt = self.state.attempt.as_ref()?;
        Some(approval_digest(
            self.input.uid,
            &attempt.id,
            &stage.name,
            self.state.target_revision.as_ref()?,
            stage.plan_digest.as_deref()?,
            attempt.requested_by.as_deref(),
        ))
    }

    /// Does this decision count at all?
    fn counts(&self, approval: &Approval, digest: &str, given: &PromotionDecision) -> bool {
        let ApprovalPolicy::InForce { since } = self.input.approval_policy else {
            return false;
        };
        let decision = &given.decision;
        let author = self
            .state
            .attempt
            .as_ref()
            .and_then(|attempt| attempt.requested_by.as_ref());
        let in_group = approval.groups.is_empty()
            || given
                .group
                .as_ref()
                .is_some_and(|group| approval.groups.contains(group));
        // It may name the author so that the admission policy compares; then it has to be the right one.
        let about_author = decision.requested_by.is_none() || decision.requested_by.as_ref() == author;
        decision.action == ApprovalAction::Promotion
            && decision.digest == digest
            && decision.created >= *since
            && decision.expires_at.is_none_or(|end| self.input.now < end)
            && in_group
            && about_author
    }

    /// An approval of the author, or of anybody while the author has to be excluded and nobody knows who that is. Without
    /// the admission policy on authors anybody may have written anybody's name.
    fn excluded(&self, approval: &Approval, approver: &str) -> bool {
        let author = self
            .state
            .attempt
            .as_ref()
            .and_then(|attempt| attempt.requested_by.as_deref());
        let believed = matches!(self.input.author_policy, ApprovalPolicy::InForce { .. });
        approval.exclude_author && (!believed || author.is_none_or(|author| author == approver))
    }

    /// Counts the decisions on a stage that has not started.
    pub(super) fn count_approvals(&mut self, index: usize, program: &Stage) -> bool {
        let (Some(approval), Some(digest)) = (&program.approval, self.digest(index)) else {
            return false;
        };
        if self.unbelieved(program).is_some() {
            // Not known is not missing: what was counted stays, and the stage does not start on it.
            return self.approval_timeout(index, program, approval);
        }
        let mut counted: Vec<ApprovalState> = Vec::new();
        let mut given: Vec<&PromotionDecision> = self
            .input
            .decisions
            .iter()
            .filter(|given| self.counts(approval, &digest, given))
            .collect();
        given.sort_by(|a, b| {
            (a.decision.created, &a.decision.name).cmp(&(b.decision.created, &b.decision.name))
        });
        for given in given {
            let decision = &given.decision;
            let twice = |known: &ApprovalState| known.by == decision.approver && known.decision == APPROVE;
            if decision.approves && (self.excluded(approval, &decision.approver) || counted.iter().any(twice))
            {
                continue;
            }
            counted.push(ApprovalState {
                name: decision.name.clone(),
                // Whole: two people whose names begin alike are two, and one with a long name is one.
                by: decision.approver.clone(),
                group: given.group.clone(),
                at: decision.created,
                decision: if decision.approves { APPROVE } else { REJECT }.to_owned(),
            });
        }
        // More than are required say nothing more; a rejection always does.
        let rejected = counted.iter().position(|one| one.decision == REJECT);
        if let Some(rejected) = rejected {
            counted.swap(0, rejected);
        }
        counted.truncate(approval.required.max(1) as usize);
        let Some(stage) = self.state.stages.get_mut(index) else {
            return false;
        };
        if stage.approvals == counted {
            return self.approval_timeout(index, program, approval);
        }
        let known = std::mem::replace(&mut stage.approvals, counted.clone());
        for one in counted.iter().filter(|one| !known.contains(one)) {
            let group = one
                .group
                .as_deref()
                .map(|group| format!(" of {group}"))
                .unwrap_or_default();
            let (place, by) = (&program.name, super::line(&one.by, 200));
            if one.decision == REJECT {
                let message = format!("{place}: {by}{group} rejected it ({})", one.name);
                self.tell(true, "ApprovalRejected", &message);
                return self.stop(Why::ApprovalRejected, &message);
            }
            let note = format!("{place}: {by}{group} approved it ({})", one.name);
            self.tell(false, "ApprovalReceived", &note);
        }
        if self.missing(index, program) == 0
            && let Some(stage) = self.state.stages.get_mut(index)
        {
            stage.approval_since = None;
            stage.reason = None;
            stage.message = None;
            self.state.awaiting.clear();
        }
        true
    }

    fn approval_timeout(&mut self, index: usize, program: &Stage, approval: &Approval) -> bool {
        let since = self
            .state
            .stages
            .get(index)
            .and_then(|stage| stage.approval_since);
        let over = since.is_some_and(|since| after(since, approval.timeout) <= self.input.now);
        if !over || self.missing(index, program) == 0 {
            return false;
        }
        let message = format!("{}: nobody decided within {:#}", program.name, approval.timeout);
        self.tell(true, "ApprovalExpired", &message);
        self.stop(Why::ApprovalExpired, &message)
    }

    /// Nobody has looked lately whether the admission policies that Approvals rely on are in force.
    pub(super) fn unbelieved(&self, program: &Stage) -> Option<Block> {
        let approval = program.approval.as_ref()?;
        let authors = Some(self.input.author_policy).filter(|_| approval.exclude_author);
        let policies = [
            ("Approvals", Some(self.input.approval_policy)),
            ("authors", authors),
        ];
        let unknown = |policy: Option<&ApprovalPolicy>| matches!(policy, Some(ApprovalPolicy::Unknown));
        let (about, _) = policies.into_iter().find(|(_, policy)| unknown(*policy))?;
        Some(Block {
            why: Why::ApprovalPolicyMissing,
            message: format!("the admission policy on {about} has not been looked at yet"),
        })
    }

    /// How many approvals are missing.
    pub(super) fn missing(&self, index: usize, program: &Stage) -> u32 {
        let Some(approval) = &program.approval else {
            return 0;
        };
        let given = self
            .state
            .stages
            .get(index)
            .map_or(&[][..], |stage| &stage.approvals);
        approval
            .required
            .saturating_sub(count(given.iter().filter(|one| one.decision == APPROVE).count()))
    }

    pub(super) fn approval_block(&self, index: usize, program: &Stage) -> Option<Block> {
        let approval = program.approval.as_ref()?;
        let missing = self.missing(index, program);
        if missing == 0 {
            return None;
        }
        if let Some(block) = self.unbelieved(program) {
            return Some(block);
        }
        let authors = Some(self.input.author_policy).filter(|_| approval.exclude_author);
        if let Some(ApprovalPolicy::Missing(why)) = [Some(self.input.approval_policy), authors]
            .into_iter()
            .flatten()
            .find(|policy| matches!(policy, ApprovalPolicy::Missing(_)))
        {
            return Some(Block {
                why: Why::ApprovalPolicyMissing,
                message: format!("no Approval counts: {}", super::line(why, 300)),
            });
        }
        let why = Why::AwaitingApproval;
        let stage = self.state.stages.get(index)?;
        let groups = if approval.groups.is_empty() {
            String::new()
        } else {
            format!(" of {}", super::line(&approval.groups.join(", "), 200))
        };
        let mut message = format!("{missing} of {} approvals{groups} missing", approval.required);
        let unknown = self
            .state
            .attempt
            .as_ref()
            .is_some_and(|attempt| attempt.requested_by.is_none());
        if approval.exclude_author && unknown {
            message = format!(
                "{message}; none counts, for excludeAuthor is true and nobody knows who asked: set the annotation bulkhead.dev/requested-by and retry"
            );
        }
        if stage.reason.as_deref() == Some(Why::TargetsChanged.as_str()) {
            message = format!(
                "{message}; {}: the accounts changed, earlier Approvals are void",
                Why::TargetsChanged
            );
        }
        let digest = self.digest(index);
        let other = self.input.decisions.iter().rfind(|given| {
            given.decision.action == ApprovalAction::Promotion
                && Some(&given.decision.digest) != digest.as_ref()
        });
        if let Some(other) = other {
            let name = super::line(&other.decision.name, 100);
            message = format!("{message}; Approval {name} is void: it names another digest");
        }
        Some(Block { why, message })
    }

    /// Asks for Approvals, once all that asks no person says yes.
    pub(super) fn ask(&mut self, index: usize, program: &Stage) -> bool {
        if self.missing(index, program) == 0 {
            return false;
        }
        let (Some(digest), Some(target)) = (self.digest(index), self.state.target_revision.clone()) else {
            return false;
        };
        let plan = self.state.plan.as_ref();
        let plan = plan.map(|plan| format!("{} accounts change: {}", plan.changed, plan.summary));
        let summary = format!(
            "{} enters {}; {}",
            target.name,
            program.name,
            plan.unwrap_or_default()
        );
        let awaiting = vec![Awaiting {
            action: "Promotion".to_owned(),
            digest,
            summary: super::line(&summary, 1000),
        }];
        let now = self.input.now;
        let Some(stage) = self.state.stages.get_mut(index) else {
            return false;
        };
        if stage.approval_since.is_some() && self.state.awaiting == awaiting {
            return false;
        }
        stage.approval_since.get_or_insert(now);
        let again = stage.reason.is_some();
        self.state.awaiting = awaiting;
        let voided = if again {
            "; the accounts changed, earlier Approvals are void"
        } else {
            ""
        };
        self.tell(
            false,
            "ApprovalRequested",
            &format!("{}: {summary}{voided}", program.name),
        );
        true
    }
}
