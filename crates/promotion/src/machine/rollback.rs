//! Rollback: the accounts of the stage get back what it had. No window and no hold keeps them from it.

use super::{Machine, tally::wave_at};
use crate::{
    outcome::Why,
    program::Stage,
    roster::Member,
    state::{AttemptResult, StageStep, Verdict, WaveStep},
};
use model::Revision;

impl Machine<'_> {
    /// What the stage goes back to: it must exist, know the environment, and be something else.
    fn way_back(&self, index: usize, program: &Stage) -> Result<Revision, String> {
        let stage = self.state.stages.get(index);
        let Some(current) = stage.and_then(|stage| stage.current_revision.clone()) else {
            return Err("nothing ever succeeded in this stage".to_owned());
        };
        if self
            .state
            .target_revision
            .as_ref()
            .is_some_and(|target| target.hash == current.hash)
        {
            return Err(format!(
                "{} is what the stage has had before as well",
                current.name
            ));
        }
        match self
            .input
            .revisions
            .get(&current.name)
            .filter(|fact| fact.revision == current)
        {
            None => Err(format!("BaselineRevision {} is gone", current.name)),
            Some(fact) if !fact.environments.contains(&program.environment) => Err(format!(
                "{} has no environment {}",
                current.name, program.environment
            )),
            Some(_) => Ok(current),
        }
    }

    pub(super) fn begin_rollback(&mut self, index: usize, program: &Stage, why: Why, message: &str) -> bool {
        let to = match self.way_back(index, program) {
            Ok(to) => to,
            Err(none) => return self.stop(Why::NoStableRevision, &format!("{message}; no rollback: {none}")),
        };
        let from = self.state.target_revision.clone();
        let text = (self.input.describe)(&program.environment, from.as_ref(), &to);
        let Some(stage) = self.state.stages.get_mut(index) else {
            return false;
        };
        // The wave that a rollback of one wave is about is the one at hand; that all are done says nothing then.
        let at = wave_at(stage).unwrap_or(stage.waves.len().saturating_sub(1));
        let waiting = stage
            .waves
            .get(at)
            .is_some_and(|wave| wave.state == WaveStep::Pending);
        let at = if waiting { at.saturating_sub(1) } else { at };
        if let Some(wave) = stage.waves.get_mut(at) {
            wave.state = WaveStep::Failed;
        }
        for gate in &mut stage.gates {
            gate.verdict = gate.verdict.or(Some(Verdict::Aborted));
        }
        stage.state = StageStep::RollingBack;
        stage.reason = Some(why.as_str().to_owned());
        stage.message = Some(message.to_owned());
        stage.changing.clear();
        let note = format!("{message}; back to {}: {}", to.name, super::line(&text, 400));
        self.tell(true, "RollbackStarted", &note);
        true
    }

    /// Accounts go back, until all are there or cannot be.
    pub(super) fn roll_back(&mut self, index: usize, program: &Stage) -> bool {
        let tally = self.tally(index, program);
        if tally.waiting + tally.chosen > 0
            && let Err(gone) = self.way_back(index, program)
        {
            return self.no_way_back(index, program, &gone);
        }
        if tally.open() > 0 {
            return false;
        }
        let Some(stage) = self.state.stages.get(index) else {
            return false;
        };
        let cause = stage.message.clone().unwrap_or_default();
        let why = stage
            .reason
            .as_deref()
            .and_then(Why::parse)
            .unwrap_or(Why::TestFailed);
        let to = stage
            .current_revision
            .as_ref()
            .map(|to| to.name.to_string())
            .unwrap_or_default();
        if tally.lost() == 0 {
            let message = format!("{cause}; {} accounts have {to} again", tally.done);
            self.end(AttemptResult::RolledBack, why, &message);
            return true;
        }
        let mut message = format!(
            "{cause}; rollback: {} accounts have {to} again, {} failed and {} were not done in time",
            tally.done, tally.failed, tally.overdue
        );
        if let Some(first) = self.first_lost(index, program) {
            message = format!("{message}; {first}");
        }
        self.tell(true, "RollbackFailed", &message);
        self.stop(Why::RollbackFailed, &message)
    }

    /// What the accounts went back to is there no more: says which of them have what.
    fn no_way_back(&mut self, index: usize, program: &Stage, gone: &str) -> bool {
        let tally = self.tally(index, program);
        let (Some(stage), Some(from)) = (self.state.stages.get(index), &self.state.target_revision) else {
            return false;
        };
        let to = stage.current_revision.as_ref();
        let message = format!(
            "{}; the rollback cannot go on: {gone}; {} accounts have {} again, {} were on their way, {} still have {}",
            stage.message.as_deref().unwrap_or_default(),
            tally.done,
            to.map_or("nothing", |to| to.name.as_str()),
            tally.changing + tally.lost(),
            tally.waiting + tally.chosen,
            from.name,
        );
        self.tell(true, "RollbackFailed", &message);
        self.stop(Why::NoStableRevision, &message)
    }

    /// Members that had the revision and are pinned where they are.
    pub(super) fn pinned_members(&self, index: usize) -> usize {
        let members = self
            .state
            .stages
            .get(index)
            .map_or(&[][..], |stage| &stage.members);
        members
            .iter()
            .filter(|id| self.member(index, id) == Member::Pinned)
            .count()
    }
}
