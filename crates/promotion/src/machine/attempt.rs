//! Attempts: when one begins, how one ends, and what takes its place.

use super::Machine;
use crate::{
    facts::Supersede,
    outcome::Why,
    program::{Program, Stage},
    roster::Tally,
    spec::RollbackScope,
    state::{
        Attempt, AttemptResult, Ending, HistoryEntry, Outcome, REJECTED, Rejected, StageState, StageStep,
        Verdict, WaveState, WaveStep,
    },
};
use model::{Revision, digest_of};

impl Machine<'_> {
    /// Begins an attempt where one is asked for.
    pub(super) fn begin(&mut self) -> bool {
        if self.held().is_some() {
            return false;
        }
        let Ok((wanted, program)) = self.accepted.clone() else {
            return false;
        };
        if self.rejected(&wanted) || self.settled(&wanted, &program) {
            return false;
        }
        let stages = self.input.spec.stages.clone();
        let attempt = Attempt {
            id: self.next_id(),
            started_at: self.input.now,
            requested_by: self.input.requests.requested_by.clone(),
            spec_snapshot_hash: digest_of([serde_json::to_string(&stages).unwrap_or_default().as_str()]),
            stages,
            ending: None,
            outcome: None,
        };
        self.state.stages = self.carry_over(&program);
        self.state.attempt = Some(attempt);
        self.state.target_revision = Some(wanted.clone());
        self.state.plan = None;
        self.state.pause = None;
        self.state.window = None;
        self.load();
        let by = self.input.requests.requested_by.as_deref();
        let by = by.map_or_else(|| "somebody unknown".to_owned(), |by| super::line(by, 200));
        let names: Vec<&str> = program.stages.iter().map(|stage| stage.name.as_str()).collect();
        let note = format!(
            "{} is to pass {}; asked for by {by}",
            wanted.name,
            names.join(", ")
        );
        self.tell(false, "PromotionStarted", &note);
        true
    }

    pub(super) fn rejected(&self, wanted: &Revision) -> bool {
        self.state
            .rejected
            .iter()
            .any(|rejected| rejected.hash == wanted.hash)
    }

    /// The last attempt brought this revision everywhere, and no stage has been added since.
    pub(super) fn settled(&self, wanted: &Revision, program: &Program) -> bool {
        let last = self
            .state
            .attempt
            .as_ref()
            .and_then(|attempt| attempt.outcome.as_ref());
        let succeeded = last.is_some_and(|outcome| outcome.result == AttemptResult::Succeeded);
        let same = self
            .state
            .target_revision
            .as_ref()
            .is_some_and(|target| target.hash == wanted.hash);
        let everywhere = || {
            program.stages.iter().all(|stage| {
                let current = self.current(&stage.environment);
                current.is_some_and(|current| current.hash == wanted.hash) || self.still_empty(stage)
            })
        };
        succeeded && same && everywhere()
    }

    /// The last attempt passed over this stage because there was no account that it could take, and there is none still.
    fn still_empty(&self, stage: &Stage) -> bool {
        let ran = self
            .state
            .attempt
            .as_ref()
            .map_or(0, |attempt| attempt.stages.len());
        let mut ran = self.state.stages.iter().take(ran);
        let skipped =
            ran.any(|known| known.environment == stage.environment && known.state == StageStep::Skipped);
        skipped && self.number_of_free(stage) == 0
    }

    /// The revision that new accounts of an environment get.
    pub(super) fn current(&self, environment: &str) -> Option<&Revision> {
        current(&self.state, self.input, environment)
    }

    fn next_id(&self) -> String {
        let number = |id: &str| {
            id.strip_prefix("a-")
                .and_then(|digits| digits.parse::<u64>().ok())
        };
        let ended = self.state.history.iter().map(|entry| entry.attempt.as_str());
        let rejected = self
            .state
            .rejected
            .iter()
            .map(|rejected| rejected.attempt.as_str());
        let known = ended
            .chain(rejected)
            .chain(self.state.attempt.iter().map(|attempt| attempt.id.as_str()));
        let last = known.filter_map(number).max().unwrap_or(0);
        format!("a-{}", last.saturating_add(1))
    }

    /// Stages of a new attempt, with what the accounts of their environments rely on; behind them the environments that no
    /// stage is about any more.
    fn carry_over(&self, program: &Program) -> Vec<StageState> {
        let old = &self.state.stages;
        let mut stages: Vec<StageState> = Vec::new();
        for stage in &program.stages {
            let known = old.iter().find(|known| known.environment == stage.environment);
            let given = || {
                self.input
                    .environments
                    .and_then(|all| all.get(&stage.environment).cloned().flatten())
            };
            let current = known
                .and_then(|known| known.current_revision.clone())
                .or_else(given);
            let since = known
                .and_then(|known| known.current_since)
                .unwrap_or(self.input.now);
            let wave = |wave: &crate::Wave| WaveState {
                name: wave.name.clone(),
                ..WaveState::default()
            };
            stages.push(StageState {
                name: stage.name.clone(),
                environment: stage.environment.clone(),
                current_since: current.is_some().then_some(since),
                current_revision: current,
                previous_revision: known.and_then(|known| known.previous_revision.clone()),
                left: known.map(|known| known.left.clone()).unwrap_or_default(),
                waves: stage.waves.iter().map(wave).collect(),
                ..StageState::default()
            });
        }
        for known in old {
            let gone = self
                .input
                .environments
                .is_some_and(|all| !all.contains_key(&known.environment));
            let taken = stages.iter().any(|stage| stage.environment == known.environment);
            if gone || taken || known.current_revision.is_none() {
                continue;
            }
            let mut name = known.name.clone();
            while stages.iter().any(|stage| stage.name == name) {
                name.push_str("-before");
            }
            stages.push(StageState {
                name,
                environment: known.environment.clone(),
                current_revision: known.current_revision.clone(),
                current_since: known.current_since,
                previous_revision: known.previous_revision.clone(),
                left: known.left.clone(),
                state: StageStep::Skipped,
                ..StageState::default()
            });
        }
        stages
    }

    /// All stages are done.
    pub(super) fn succeed(&mut self) -> bool {
        let Some(target) = self.state.target_revision.clone() else {
            return false;
        };
        self.state.stable_revision = Some(target.clone());
        let message = format!("{} has passed all stages", target.name);
        self.end(AttemptResult::Succeeded, Why::Promoted, &message);
        true
    }

    /// Ends the attempt at hand: what it was at stays as it is.
    pub(crate) fn end(&mut self, result: AttemptResult, why: Why, message: &str) {
        let Some(target) = self.state.target_revision.clone() else {
            return;
        };
        if self.running().is_none() {
            return;
        }
        let index = self.at();
        if let Some(index) = index {
            self.close_stage(index, result, why, message, &target);
        }
        let at = self.input.now;
        let stage = index
            .and_then(|index| self.state.stages.get(index))
            .map(|stage| stage.name.clone());
        let approved_by = self.approved_by();
        let Some(attempt) = &mut self.state.attempt else {
            return;
        };
        attempt.ending = None;
        attempt.outcome = Some(Outcome {
            result,
            reason: why.as_str().to_owned(),
            message: message.to_owned(),
            at,
        });
        let (id, started_at) = (attempt.id.clone(), attempt.started_at);
        self.remember(HistoryEntry {
            attempt: id.clone(),
            revision: target.name.clone(),
            result,
            reason: why.as_str().to_owned(),
            stage,
            approved_by,
            started_at,
            finished_at: at,
        });
        if matches!(
            result,
            AttemptResult::RolledBack | AttemptResult::Stopped | AttemptResult::Aborted
        ) {
            self.state
                .rejected
                .retain(|rejected| rejected.hash != target.hash);
            let reason = why.as_str().to_owned();
            self.state.rejected.insert(
                0,
                Rejected {
                    hash: target.hash,
                    attempt: id,
                    reason,
                    at,
                },
            );
            self.state.rejected.truncate(REJECTED);
        }
        self.state.awaiting.clear();
        self.state.window = None;
        self.state.pause = None;
        self.state.plan = None;
        let (warning, reason) = match result {
            AttemptResult::Succeeded => (false, "PromotionSucceeded"),
            AttemptResult::RolledBack => (true, "RollbackSucceeded"),
            AttemptResult::Stopped => (true, "PromotionStopped"),
            AttemptResult::Aborted => (true, "PromotionAborted"),
            AttemptResult::Superseded => (false, "PromotionSuperseded"),
        };
        self.tell(warning, reason, message);
    }

    fn close_stage(
        &mut self,
        index: usize,
        result: AttemptResult,
        why: Why,
        message: &str,
        target: &Revision,
    ) {
        self.recount(index);
        let program = self.program.clone();
        let only_wave = program
            .and_then(|program| program.stages.get(index).map(|stage| stage.rollback_scope))
            .is_some_and(|scope| scope == RollbackScope::Wave);
        let Some(stage) = self.state.stages.get_mut(index) else {
            return;
        };
        let started = stage.started_at.is_some();
        let back = result == AttemptResult::RolledBack;
        stage.state = match result {
            AttemptResult::RolledBack => StageStep::RolledBack,
            AttemptResult::Superseded if !started => StageStep::Pending,
            _ => StageStep::Failed,
        };
        if stage.state != StageStep::Pending {
            stage.reason = Some(why.as_str().to_owned());
            stage.message = Some(message.to_owned());
        }
        // What the rollback of one wave left to the waves before it stays with them.
        let kept = only_wave && stage.waves.iter().any(|wave| wave.state == WaveStep::Succeeded);
        if started && (!back || kept) {
            stage.left.retain(|hash| *hash != target.hash);
            stage.left.insert(0, target.hash.clone());
            stage.left.truncate(REJECTED);
        }
        if back && !only_wave {
            // Whichever attempt had left accounts with it: all of them went back.
            stage.left.retain(|hash| *hash != target.hash);
        }
        for wave in &mut stage.waves {
            if !matches!(wave.state, WaveStep::Pending | WaveStep::Succeeded) {
                wave.state = WaveStep::Failed;
            }
        }
        for gate in &mut stage.gates {
            gate.verdict = gate.verdict.or(Some(Verdict::Aborted));
        }
        stage.members.clear();
        stage.changing.clear();
        stage.concurrency = None;
        stage.approval_since = None;
        stage.cleared = false;
    }

    fn remember(&mut self, entry: HistoryEntry) {
        self.state.history.insert(0, entry);
        self.state.history.truncate(self.input.spec.history_limit);
    }

    /// Another revision takes the place of the one under way, where `supersede` lets it.
    pub(super) fn supersede(&mut self, index: usize) -> bool {
        let (Some(attempt), Some(target), Some(stage)) = (
            self.running(),
            &self.state.target_revision,
            self.state.stages.get(index),
        ) else {
            return false;
        };
        let Ok((wanted, _)) = &self.accepted else {
            return false;
        };
        let other = wanted.hash != target.hash && !self.rejected(wanted);
        if !other
            || self.held().is_some()
            || attempt.ending.is_some()
            || stage.state == StageStep::RollingBack
        {
            return false;
        }
        let message = format!("{} took the place of {}", wanted.name, target.name);
        match (self.input.spec.supersede, stage.started_at) {
            (Supersede::Never, _) | (Supersede::BetweenStages, Some(_)) => false,
            (Supersede::BetweenStages | Supersede::Immediately, None) => {
                self.end(AttemptResult::Superseded, Why::Superseded, &message);
                true
            }
            (Supersede::Immediately, Some(_)) => {
                self.ending(AttemptResult::Superseded, message);
                true
            }
        }
    }

    /// The attempt takes no more accounts, and ends once none is changing.
    pub(super) fn ending(&mut self, result: AttemptResult, message: String) {
        if let Some(attempt) = &mut self.state.attempt {
            attempt.ending = Some(Ending { result, message });
        }
    }

    /// Ends an attempt that takes no more accounts, once none is changing.
    pub(super) fn finish_ending(&mut self, index: usize, stage: &Stage) -> bool {
        let Some(ending) = self.running().and_then(|attempt| attempt.ending.clone()) else {
            return false;
        };
        if self.watch(index, stage) {
            return true;
        }
        let tally: Tally = self.tally(index, stage);
        if tally.changing > 0 {
            return false;
        }
        let why = match ending.result {
            AttemptResult::Superseded => Why::Superseded,
            _ => Why::Aborted,
        };
        self.end(ending.result, why, &ending.message);
        true
    }

    /// Who approved what in this attempt.
    fn approved_by(&self) -> Vec<String> {
        let approved = |stage: &StageState| {
            let names = stage
                .approvals
                .iter()
                .filter(|approval| approval.decision == super::approvals::APPROVE);
            let names: Vec<String> = names.map(|approval| super::line(&approval.by, 200)).collect();
            (!names.is_empty()).then(|| format!("{}: {}", stage.name, names.join(", ")))
        };
        self.state.stages.iter().filter_map(approved).collect()
    }
}

/// The revision that new accounts of an environment get: the last that succeeded in its stage, else what the Baseline says.
pub(crate) fn current<'s>(
    state: &'s crate::State,
    input: &crate::Input<'s>,
    environment: &str,
) -> Option<&'s Revision> {
    let known = state.stages.iter().find(|known| known.environment == environment);
    let given = || input.environments?.get(environment)?.as_ref();
    known
        .and_then(|known| known.current_revision.as_ref())
        .or_else(given)
}
