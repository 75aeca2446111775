//! Waves: accounts change, tests run, the wave bakes, the next one begins.

use super::{Machine, before::Block, gates::Run, place, tally::wave_at};
use crate::{
    outcome::Why,
    program::Stage,
    roster::{Member, after, count},
    spec::{OnDeadline, OnFailure, RunAt},
    state::{StageStep, Verdict, WaveState, WaveStep},
};
use jiff::{SignedDuration, Timestamp};
use model::AccountId;

impl Machine<'_> {
    /// A stage that has started.
    pub(super) fn under_way(&mut self, index: usize, program: &Stage) -> bool {
        if self.budget(index, program) || self.deadline(index, program) {
            return true;
        }
        let Some(stage) = self.state.stages.get(index) else {
            return false;
        };
        let Some(at) = wave_at(stage) else {
            return self.after_stage(index, program);
        };
        let (Some(wave), Some(name)) = (
            stage.waves.get(at),
            program.waves.get(at).map(|wave| wave.name.clone()),
        ) else {
            return false;
        };
        match wave.state {
            WaveStep::Pending => self.next_wave(index, program, at),
            WaveStep::RollingOut => self.rolling_out(index, program, at),
            WaveStep::Verifying => match self.run_gates(index, program, RunAt::AfterWave, Some(&name)) {
                Run::Passed => self.begin_bake(index, program, at),
                other => self.failing(index, program, RunAt::AfterWave, other),
            },
            WaveStep::Baking => self.bake(index, program, at),
            WaveStep::Succeeded | WaveStep::Failed => false,
        }
    }

    /// More accounts failed than may.
    fn budget(&mut self, index: usize, program: &Stage) -> bool {
        let tally = self.tally(index, program);
        let total = count(
            self.state
                .stages
                .get(index)
                .map_or(0, |stage| stage.members.len()),
        );
        let most = program.max_failures.of(total);
        if tally.lost() <= most {
            return false;
        }
        let mut message = format!(
            "{}: {} accounts failed and {} were not done in time, of {total}; {most} may",
            program.name, tally.failed, tally.overdue
        );
        if let Some(first) = self.first_lost(index, program) {
            message = format!("{message}; {first}");
        }
        self.stop(Why::BudgetExceeded, &message)
    }

    /// One account that failed, and why.
    pub(super) fn first_lost(&self, index: usize, program: &Stage) -> Option<String> {
        let stage = self.state.stages.get(index)?;
        let now = self.input.now;
        let lost = |id: &&AccountId| match self.member(index, id) {
            Member::Failed => true,
            Member::Changing | Member::Waiting => super::tally::overdue(stage, program, id, now),
            _ => false,
        };
        let target = self.roster.get(stage.members.iter().find(lost)?)?;
        if let Some((reason, message)) = &target.stalled {
            let message = super::line(message, 200);
            return Some(format!("{}: {reason}: {message}", target.key));
        }
        let what = match self.course(index)?.member(Some(target)) {
            Member::Waiting => "assigned",
            _ => "done",
        };
        Some(format!(
            "{}: not {what} within {:#}",
            target.key, program.target_deadline
        ))
    }

    /// When the stage has taken too long; `None`: it has no deadline, or waits now.
    pub(super) fn deadline_at(&self, index: usize, program: &Stage) -> Option<Timestamp> {
        let span = program.progress_deadline?;
        let entered = self.state.stages.get(index)?.entered_at?;
        let pause = self.state.pause.as_ref();
        if pause.is_some_and(|pause| pause.since.is_some()) {
            return None;
        }
        let paused = pause.map_or(0, |pause| pause.total_paused_seconds);
        Some(after(after(entered, span), SignedDuration::from_secs(paused)))
    }

    /// The stage has taken too long.
    pub(super) fn deadline(&mut self, index: usize, program: &Stage) -> bool {
        let over = self
            .deadline_at(index, program)
            .is_some_and(|at| at <= self.input.now);
        if !over {
            return false;
        }
        let span = program.progress_deadline.unwrap_or_default();
        let message = format!("{}: not done within {span:#}", program.name);
        let started = self
            .state
            .stages
            .get(index)
            .is_some_and(|stage| stage.started_at.is_some());
        match program.on_deadline {
            OnDeadline::Rollback if started => {
                self.begin_rollback(index, program, Why::DeadlineExceeded, &message)
            }
            _ => self.stop(Why::DeadlineExceeded, &message),
        }
    }

    /// What follows from gates that have not passed.
    fn failing(&mut self, index: usize, program: &Stage, point: RunAt, run: Run) -> bool {
        let (why, policy) = match point {
            RunAt::DuringBake => (Why::BakeFailed, program.on_bake_failure),
            _ => (Why::TestFailed, program.on_test_failure),
        };
        match run {
            Run::Began => true,
            Run::Error(message) => self.stop(Why::GateError, &message),
            Run::Failed(message) => {
                if why == Why::BakeFailed {
                    self.tell(true, "BakeFailed", &message);
                }
                match policy {
                    OnFailure::Rollback => self.begin_rollback(index, program, why, &message),
                    OnFailure::Stop => self.stop(why, &message),
                    OnFailure::Ignore => false,
                }
            }
            Run::Pending | Run::Passed | Run::Inconclusive(_) => false,
        }
    }

    /// What keeps the next wave from beginning.
    fn next_block(&mut self, index: usize, program: &Stage) -> Option<Block> {
        self.gate_block(index, program)
            .or_else(|| self.wave_block(index, program))
    }

    fn next_wave(&mut self, index: usize, program: &Stage, at: usize) -> bool {
        // What the wave before bakes with goes on while this one waits.
        if let Some(before) = at.checked_sub(1).and_then(|before| program.waves.get(before)) {
            let name = before.name.clone();
            let run = self.judge_gates(index, program, RunAt::DuringBake, Some(&name));
            match run {
                _ if !self.baked(index, at - 1) => {}
                Run::Failed(_) | Run::Error(_) => {
                    return self.failing(index, program, RunAt::DuringBake, run);
                }
                // It was asked again, and has not answered.
                Run::Pending => return self.state_is(index, StageStep::Pending),
                Run::Began | Run::Passed | Run::Inconclusive(_) => {}
            }
        }
        match self.next_block(index, program) {
            None => {
                if !self.target_gone(index, program) {
                    self.begin_wave(index, program, at);
                }
                true
            }
            Some(block) if block.why == Why::WindowClosed => self.state_is(index, StageStep::WaitingWindow),
            Some(_) => self.state_is(index, StageStep::Pending),
        }
    }

    fn baked(&self, index: usize, at: usize) -> bool {
        let wave = self.state.stages.get(index).and_then(|stage| stage.waves.get(at));
        wave.is_some_and(|wave| wave.bake_started_at.is_some())
    }

    /// Begins a wave: accounts that came since the last one join it.
    pub(super) fn begin_wave(&mut self, index: usize, program: &Stage, at: usize) {
        let late = self.free_members(program);
        let now = self.input.now;
        let hash = self
            .state
            .target_revision
            .as_ref()
            .map(|target| target.hash.clone());
        let free: std::collections::BTreeSet<AccountId> = late.iter().cloned().collect();
        let Some(stage) = self.state.stages.get_mut(index) else {
            return;
        };
        let known: std::collections::BTreeSet<AccountId> = stage.members.iter().cloned().collect();
        stage
            .members
            .extend(late.into_iter().filter(|id| !known.contains(id)));
        let before = at
            .checked_sub(1)
            .and_then(|before| stage.waves.get(before))
            .map_or(0, |wave| wave.targets);
        // Those that cannot be taken now come last: no wave is made of accounts that are gone.
        let rest = stage
            .members
            .split_off((before as usize).min(stage.members.len()));
        let (first, last): (Vec<_>, Vec<_>) = rest.into_iter().partition(|id| free.contains(id));
        stage.members.extend(first);
        stage.members.extend(last);
        let end = program.wave_end(at, before, count(stage.members.len()));
        stage.state = StageStep::RollingOut;
        let Some(wave) = stage.waves.get_mut(at) else {
            return;
        };
        wave.targets = end;
        wave.started_at = Some(now);
        wave.revision_hash = hash;
        wave.state = WaveStep::RollingOut;
        let own = end.saturating_sub(before);
        let place = place(&program.name, Some(&wave.name));
        if own > 0 {
            self.tell(false, "WaveStarted", &format!("{place}: {own} accounts"));
        }
    }

    fn wave_mut(&mut self, index: usize, at: usize) -> Option<&mut WaveState> {
        self.state.stages.get_mut(index)?.waves.get_mut(at)
    }

    /// Accounts of a wave are changing, until each is done, or lost within the budget, or out of reach.
    fn rolling_out(&mut self, index: usize, program: &Stage, at: usize) -> bool {
        let Some(stage) = self.state.stages.get(index) else {
            return false;
        };
        let before = at
            .checked_sub(1)
            .and_then(|before| stage.waves.get(before))
            .map_or(0, |wave| wave.targets);
        let end = stage.waves.get(at).map_or(0, |wave| wave.targets);
        let total = count(stage.members.len());
        let moved = self.state_is(index, StageStep::RollingOut);
        if end == before {
            // The waves before it took all there are.
            if let Some(wave) = self.wave_mut(index, at) {
                wave.state = WaveStep::Succeeded;
            }
            return true;
        }
        let tally = self.tally_of(index, program, self.members_to(index, end));
        if tally.waiting + tally.chosen > 0 && self.target_gone(index, program) {
            return true;
        }
        if tally.open() > 0 {
            return moved;
        }
        let now = self.input.now;
        let own = self
            .members_to(index, end)
            .get(before as usize..)
            .unwrap_or_default()
            .to_vec();
        let own = self.tally_of(index, program, &own);
        if own.done == 0 {
            // None of its accounts has the revision: the next one takes their place, so that tests and the bake are about one.
            if end < total || (tally.done == 0 && self.take_late(index, program)) {
                if let Some(wave) = self.wave_mut(index, at) {
                    wave.targets = end + 1;
                }
                return true;
            }
            if tally.done == 0 {
                return self.nobody(index, program);
            }
        }
        if let Some(wave) = self.wave_mut(index, at) {
            wave.state = WaveStep::Verifying;
            wave.updated_at = Some(now);
        }
        self.state_is(index, StageStep::Verifying);
        true
    }

    /// The BaselineRevision was deleted under the attempt: nobody can be given it.
    pub(super) fn target_gone(&mut self, index: usize, program: &Stage) -> bool {
        let Some(target) = self.state.target_revision.clone() else {
            return false;
        };
        let known = self.input.revisions.get(&target.name);
        if known.is_some_and(|fact| fact.revision == target) {
            return false;
        }
        let tally = self.tally(index, program);
        let message = format!(
            "{}: BaselineRevision {} is gone; {} accounts have it, {} were on their way, {} have what they had",
            program.name,
            target.name,
            tally.done,
            tally.changing + tally.lost(),
            tally.waiting + tally.chosen,
        );
        self.stop(Why::RevisionNotFound, &message)
    }

    /// Accounts that came since the wave began become members; false: there is none.
    fn take_late(&mut self, index: usize, program: &Stage) -> bool {
        let late = self.free_members(program);
        let Some(stage) = self.state.stages.get_mut(index) else {
            return false;
        };
        let known: std::collections::BTreeSet<AccountId> = stage.members.iter().cloned().collect();
        let before = stage.members.len();
        stage
            .members
            .extend(late.into_iter().filter(|id| !known.contains(id)));
        stage.members.len() > before
    }

    /// No account of the stage has the revision, and none is left that could get it: it has not succeeded here.
    fn nobody(&mut self, index: usize, program: &Stage) -> bool {
        let tally = self.tally(index, program);
        if tally.lost() == 0 && self.number_of_free(program) == 0 {
            return self.empty(index, program);
        }
        let mut message = format!(
            "{}: no account has the revision; {} failed and {} were not done in time",
            program.name, tally.failed, tally.overdue
        );
        if let Some(first) = self.first_lost(index, program) {
            message = format!("{message}; {first}");
        }
        self.stop(Why::BudgetExceeded, &message)
    }

    fn begin_bake(&mut self, index: usize, program: &Stage, at: usize) -> bool {
        let now = self.input.now;
        let Some(bake) = program.waves.get(at).map(|wave| wave.bake) else {
            return false;
        };
        let place = place(
            &program.name,
            program.waves.get(at).map(|wave| wave.name.as_str()),
        );
        let Some(wave) = self.wave_mut(index, at) else {
            return false;
        };
        if bake.is_zero() {
            wave.state = WaveStep::Succeeded;
            return true;
        }
        let end = after(now, bake);
        wave.state = WaveStep::Baking;
        wave.bake_started_at = Some(now);
        wave.bake_ends_at = Some(end);
        self.state_is(index, StageStep::Baking);
        self.tell(false, "BakeStarted", &format!("{place}: until {end}"));
        true
    }

    fn bake(&mut self, index: usize, program: &Stage, at: usize) -> bool {
        let Some(name) = program.waves.get(at).map(|wave| wave.name.clone()) else {
            return false;
        };
        match self.run_gates(index, program, RunAt::DuringBake, Some(&name)) {
            Run::Passed => {}
            other => return self.failing(index, program, RunAt::DuringBake, other),
        }
        let Some(stage) = self.state.stages.get(index) else {
            return false;
        };
        let ends = stage.waves.get(at).and_then(|wave| wave.bake_ends_at);
        if ends.is_none_or(|ends| self.input.now < ends) || self.tally(index, program).changing > 0 {
            return false;
        }
        self.end_bake(index, at, Verdict::Passing);
        self.tell(false, "BakeSucceeded", &place(&program.name, Some(&name)));
        true
    }

    /// The bake is over: gates that were measured until now get this verdict.
    pub(super) fn end_bake(&mut self, index: usize, at: usize, verdict: Verdict) {
        let Some(stage) = self.state.stages.get_mut(index) else {
            return;
        };
        let Some(wave) = stage.waves.get_mut(at) else {
            return;
        };
        wave.state = WaveStep::Succeeded;
        for gate in &mut stage.gates {
            if gate.run_at == RunAt::DuringBake && gate.wave.as_ref() == Some(&wave.name) {
                let said = gate.successes > 0 || verdict == Verdict::Aborted;
                gate.verdict = gate
                    .verdict
                    .or(Some(if said { verdict } else { Verdict::Aborted }));
            }
        }
    }

    /// All waves are done.
    fn after_stage(&mut self, index: usize, program: &Stage) -> bool {
        if self.state_is(index, StageStep::Verifying) {
            return true;
        }
        match self.run_gates(index, program, RunAt::AfterStage, None) {
            Run::Passed => {}
            other => return self.failing(index, program, RunAt::AfterStage, other),
        }
        let tally = self.tally(index, program);
        if tally.changing > 0 {
            return false;
        }
        if tally.done == 0 {
            return self.nobody(index, program);
        }
        self.recount(index);
        self.pass(index, StageStep::Succeeded, None);
        true
    }
}
