//! What a stage would change, and the digest that Approvals name.

use super::Machine;
use crate::{outcome::Why, program::Stage, roster::count, state::PlanState};
use model::{AccountId, Revision, digest_of};
use std::collections::BTreeMap;

/// What an Approval of a stage names: everything that is decided with it.
pub(super) fn approval_digest(
    uid: &str,
    attempt: &str,
    stage: &str,
    target: &Revision,
    plan: &str,
    requested_by: Option<&str>,
) -> String {
    let by = requested_by.map_or_else(|| "nobody known".to_owned(), |by| format!("by {by}"));
    digest_of(["Promotion", uid, attempt, stage, target.hash.as_str(), plan, &by])
}

impl Machine<'_> {
    /// What this stage would change as of now: over the accounts that a wave may take, what each has, and what it gets.
    pub(super) fn plan(&self, stage: &str, environment: &str, target: &Revision) -> PlanState {
        let mut parts: Vec<&str> = vec![stage, environment, target.hash.as_str()];
        let mut from: BTreeMap<Option<&Revision>, u32> = BTreeMap::new();
        let (mut changed, mut unchanged) = (0_u32, 0_u32);
        for (id, account) in self.roster.free(environment) {
            let has = account.assigned.as_ref().map(|assigned| &assigned.revision);
            parts.push(id.as_str());
            parts.push(has.map_or("", |has| has.hash.as_str()));
            if has.is_some_and(|has| has.hash == target.hash) {
                unchanged += 1;
            } else {
                changed += 1;
                *from.entry(has).or_default() += 1;
            }
        }
        PlanState {
            stage: stage.to_owned(),
            digest: digest_of(parts),
            computed_at: self.input.now,
            changed,
            unchanged,
            summary: self.summary(environment, &from, target),
        }
    }

    /// One line for what most of the accounts have now.
    fn summary(
        &self,
        environment: &str,
        from: &BTreeMap<Option<&Revision>, u32>,
        target: &Revision,
    ) -> String {
        let Some((most, _)) = from.iter().max_by_key(|(_, number)| **number) else {
            return "nothing changes".to_owned();
        };
        let text = (self.input.describe)(environment, *most, target);
        let others = from.len() - 1;
        let text = super::line(&text, 400);
        if others == 0 {
            text
        } else {
            format!("{text}; and from {others} other revisions")
        }
    }

    /// Makes the plan anew where the accounts changed before the stage started; Approvals of the old one are void.
    pub(super) fn replan(&mut self, index: usize, program: &Stage) -> bool {
        let Some(target) = self.state.target_revision.clone() else {
            return false;
        };
        let plan = self.plan(&program.name, &program.environment, &target);
        let Some(stage) = self.state.stages.get_mut(index) else {
            return false;
        };
        if stage.plan_digest.as_ref() == Some(&plan.digest) {
            return false;
        }
        let again = stage.plan_digest.is_some();
        stage.plan_digest = Some(plan.digest.clone());
        if again {
            let asked = stage.approval_since.take().is_some() || !stage.approvals.is_empty();
            stage.approvals.clear();
            stage.cleared = false;
            if asked {
                stage.reason = Some(Why::TargetsChanged.as_str().to_owned());
                stage.message = Some("the accounts changed: Approvals so far are void".to_owned());
            }
        }
        self.state.plan = Some(plan);
        true
    }

    /// With `dryRun`: only the plan, over all stages.
    pub(super) fn plan_only(&mut self) -> bool {
        let Ok((wanted, program)) = self.accepted.clone() else {
            return false;
        };
        if !self.input.spec.dry_run {
            return self.state.plan.take().is_some();
        }
        let plans: Vec<PlanState> = program
            .stages
            .iter()
            .map(|stage| self.plan(&stage.name, &stage.environment, &wanted))
            .collect();
        let first = plans.iter().find(|plan| plan.changed > 0).or(plans.first());
        let lines = plans
            .iter()
            .map(|plan| format!("{}: {}", plan.stage, plan.summary));
        let whole = PlanState {
            stage: first.map(|plan| plan.stage.clone()).unwrap_or_default(),
            digest: digest_of(plans.iter().map(|plan| plan.digest.as_str())),
            computed_at: self.input.now,
            changed: plans.iter().map(|plan| plan.changed).sum(),
            unchanged: plans.iter().map(|plan| plan.unchanged).sum(),
            summary: super::line(&lines.collect::<Vec<_>>().join("; "), 1000),
        };
        if self
            .state
            .plan
            .as_ref()
            .is_some_and(|known| known.digest == whole.digest)
        {
            return false;
        }
        let note = format!(
            "{}: {} accounts would change, {} would not; {}",
            wanted.name, whole.changed, whole.unchanged, whole.summary
        );
        self.state.plan = Some(whole);
        self.happenings.push(crate::Happening {
            warning: false,
            reason: "PlanReady",
            note: super::line(&note, 1000),
        });
        true
    }

    /// Accounts that a wave of this stage may take, in their order.
    pub(super) fn free_members(&self, program: &Stage) -> Vec<AccountId> {
        self.roster
            .free(&program.environment)
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// Every account of the environment that is not pinned has this revision, and has applied it.
    pub(super) fn everywhere(&self, program: &Stage, target: &Revision) -> bool {
        self.roster.free(&program.environment).all(|(_, account)| {
            let assigned = account.assigned.as_ref();
            assigned.is_some_and(|assigned| assigned.revision.hash == target.hash)
                && account.applied.as_ref() == Some(&target.hash)
        })
    }

    pub(super) fn number_of_free(&self, program: &Stage) -> u32 {
        count(self.roster.free(&program.environment).count())
    }
}
