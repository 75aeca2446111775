//! What is shown: phase, message, standing, conditions. It follows from the state, and is never read again.

use super::{Machine, before::Block, place, tally::wave_at};
use crate::{
    outcome::{Phase, Standing, Step, Why},
    program::Stage,
    state::{AttemptResult, Pause, StageState, StageStep},
};

/// Phase, standing and message.
type Shown = (Phase, Standing, String);

impl Machine<'_> {
    /// The state is final: what is shown of it.
    pub(super) fn step(mut self) -> Step {
        if let Some(index) = self.at() {
            self.recount(index);
        }
        self.windows_shown();
        let block = self.blocked();
        // Gates that run are no pause.
        self.pause(block.as_ref().filter(|block| block.why != Why::Verifying));
        let wake = self.wake();
        let (phase, standing, message) = self.shown(block.as_ref());
        let conditions = self.conditions(block.as_ref());
        let looks_at_policies = self.looks_at_policies();
        Step {
            state: self.state,
            phase,
            message,
            standing,
            conditions,
            happenings: self.happenings,
            wake,
            looks_at_policies,
        }
    }

    /// The stage at hand starts only while what people said of it is believed.
    fn looks_at_policies(&self) -> bool {
        let open = self.running().is_some_and(|attempt| attempt.ending.is_none());
        let at = self.stage_at().filter(|_| open);
        at.is_some_and(|(index, program)| {
            let asks = program
                .stages
                .get(index)
                .is_some_and(|stage| stage.approval.is_some());
            let stage = self.state.stages.get(index);
            asks && stage.is_some_and(|stage| stage.started_at.is_none())
        })
    }

    /// What keeps the stage at hand waiting for a person or a clock.
    fn blocked(&mut self) -> Option<Block> {
        if self.input.conflict.is_some() || self.running()?.ending.is_some() {
            return None;
        }
        let (index, program) = self.stage_at()?;
        let program = program.stages.get(index)?;
        let stage = self.state.stages.get(index)?;
        if let Some(block) = self.gate_block(index, program) {
            return Some(block);
        }
        match (stage.state, stage.started_at) {
            (StageStep::Verifying, None) => None,
            (_, None) => self.block(index, program).or_else(|| self.unbelieved(program)),
            (StageStep::WaitingWindow | StageStep::Pending, Some(_)) => self.wave_block(index, program),
            (_, Some(_)) => None,
        }
    }

    fn windows_shown(&mut self) {
        let Some((index, program)) = self.stage_at() else {
            return;
        };
        if let Some(program) = program.stages.get(index) {
            self.state.window = self.window(index, program);
        }
    }

    /// Keeps the time that is waited; tells when it begins and when windows open.
    fn pause(&mut self, block: Option<&Block>) {
        if self.running().is_none() {
            return;
        }
        let now = self.input.now;
        let old = self.state.pause.clone().unwrap_or_default();
        let reason = block.map(|block| block.why.as_str().to_owned());
        let since = old.since.map(|since| since.min(now));
        if reason == old.reason {
            if let Some(pause) = &mut self.state.pause {
                pause.since = since;
            }
            return;
        }
        let waited = since.map_or(0, |since| now.duration_since(since).as_secs().max(0));
        self.state.pause = Some(Pause {
            since: reason.is_some().then_some(now),
            reason: reason.clone(),
            total_paused_seconds: old.total_paused_seconds.saturating_add(waited),
        });
        let stage = self
            .at()
            .and_then(|at| self.state.stages.get(at))
            .map(|stage| stage.name.clone());
        let stage = stage.unwrap_or_default();
        let closed = Why::WindowClosed.as_str();
        if old.reason.as_deref() == Some(closed) {
            self.tell(false, "WindowOpened", &stage);
            // What else this step tells, as a wave that begins, follows from it.
            self.happenings.rotate_right(1);
        }
        let Some(block) = block else { return };
        let note = format!("{stage}: {}", block.message);
        match block.why {
            Why::WindowClosed => self.tell(false, "WindowClosed", &note),
            Why::Suspended | Why::Inconclusive => self.tell(false, "PromotionPaused", &note),
            _ => {}
        }
    }

    fn shown(&self, block: Option<&Block>) -> Shown {
        if self.running().is_some() {
            return self.shown_running(block);
        }
        let outcome = self
            .state
            .attempt
            .as_ref()
            .and_then(|attempt| attempt.outcome.as_ref());
        let phase = match outcome.map(|outcome| outcome.result) {
            None | Some(AttemptResult::Superseded) => Phase::Pending,
            Some(AttemptResult::Succeeded) => Phase::Succeeded,
            Some(AttemptResult::RolledBack) => Phase::RolledBack,
            Some(AttemptResult::Stopped) => Phase::Stopped,
            Some(AttemptResult::Aborted) => Phase::Aborted,
        };
        let (wanted, program) = match &self.accepted {
            Ok(accepted) => accepted,
            Err(refused) if refused.why == Why::RevisionNotFound => {
                return (phase, Standing::Working(refused.why), refused.message.clone());
            }
            Err(refused) => return (phase, Standing::Stalled(refused.why), refused.message.clone()),
        };
        if self.input.spec.dry_run {
            let plan = self.state.plan.as_ref();
            let plan = plan.map(|plan| format!("{} accounts would change; {}", plan.changed, plan.summary));
            let message = format!("{}: {}", wanted.name, plan.unwrap_or_default());
            return (Phase::Planned, Standing::Ready(Why::Planned), message);
        }
        let same = self
            .state
            .target_revision
            .as_ref()
            .is_some_and(|target| target.hash == wanted.hash);
        if let Some(outcome) = outcome.filter(|_| same) {
            if self.settled(wanted, program) {
                return (phase, Standing::Ready(Why::Promoted), outcome.message.clone());
            }
            if self.rejected(wanted) {
                let why = match outcome.result {
                    AttemptResult::RolledBack => Why::RolledBack,
                    AttemptResult::Aborted => Why::Aborted,
                    _ => Why::parse(&outcome.reason).unwrap_or(Why::InternalError),
                };
                return (phase, Standing::Stalled(why), outcome.message.clone());
            }
        }
        if let Some(rejected) = self
            .state
            .rejected
            .iter()
            .find(|rejected| rejected.hash == wanted.hash)
        {
            let message = format!(
                "{} ended in attempt {} with {}; another revision or the annotation bulkhead.dev/retry goes on",
                wanted.name, rejected.attempt, rejected.reason
            );
            return (phase, Standing::Stalled(Why::RevisionRejected), message);
        }
        match self.held() {
            Some(held) => (
                Phase::Paused,
                Standing::Waiting(Why::Suspended),
                format!("{} waits: {held}", wanted.name),
            ),
            None => (
                Phase::Pending,
                Standing::Working(Why::Queued),
                format!("{} waits", wanted.name),
            ),
        }
    }

    fn shown_running(&self, block: Option<&Block>) -> Shown {
        if let (Some(_), Err(refused)) = (self.input.conflict, &self.accepted) {
            return (
                Phase::Paused,
                Standing::Stalled(Why::Conflicted),
                refused.message.clone(),
            );
        }
        let Some((index, program)) = self.stage_at() else {
            return (
                Phase::Pending,
                Standing::Working(Why::Queued),
                "begins".to_owned(),
            );
        };
        let (Some(program), Some(stage)) = (program.stages.get(index), self.state.stages.get(index)) else {
            return (
                Phase::Pending,
                Standing::Working(Why::Queued),
                "begins".to_owned(),
            );
        };
        let wave = wave_at(stage).and_then(|at| stage.waves.get(at));
        let place = place(
            &stage.name,
            wave.filter(|_| stage.started_at.is_some())
                .map(|wave| wave.name.as_str()),
        );
        if let Some(ending) = self.running().and_then(|attempt| attempt.ending.as_ref()) {
            let message = format!(
                "{place}: takes no more accounts; {} finish; {}",
                stage.targets.progressing, ending.message
            );
            return (Phase::RollingOut, Standing::Working(Why::RollingOut), message);
        }
        if let Some(block) = block {
            let phase = match block.why {
                Why::WindowClosed => Phase::WaitingWindow,
                Why::Suspended | Why::Inconclusive => Phase::Paused,
                _ => Phase::WaitingApproval,
            };
            if block.why == Why::Verifying {
                let message = format!("{place}: {}", block.message);
                return (Phase::Verifying, Standing::Working(block.why), message);
            }
            let message = if block.why == Why::Inconclusive {
                format!(
                    "{}; bulkhead.dev/reverify or bulkhead.dev/abort goes on",
                    block.message
                )
            } else {
                format!("{place}: {}", block.message)
            };
            return (phase, Standing::Waiting(block.why), message);
        }
        self.shown_working(index, program, stage, &place)
    }

    fn shown_working(&self, index: usize, program: &Stage, stage: &StageState, place: &str) -> Shown {
        let targets = stage.targets;
        let wave = wave_at(stage).and_then(|at| stage.waves.get(at));
        let (phase, why, message) = match stage.state {
            StageStep::RollingOut => {
                let of = wave.map_or(targets.total, |wave| wave.targets);
                let mut message = format!(
                    "{} of {of} accounts have the revision, {} are changing, at most {} at once",
                    targets.updated,
                    targets.progressing,
                    stage.concurrency.unwrap_or(1)
                );
                if targets.failed + targets.unreachable > 0 {
                    message = format!(
                        "{message}; {} failed, {} not done in time",
                        targets.failed, targets.unreachable
                    );
                }
                if let Some(first) = self.first_lost(index, program) {
                    message = format!("{message}; {first}");
                }
                (Phase::RollingOut, Why::RollingOut, message)
            }
            StageStep::RollingBack => {
                let to = stage
                    .current_revision
                    .as_ref()
                    .map(|to| to.name.to_string())
                    .unwrap_or_default();
                let pinned = self.pinned_members(index);
                let mut message = format!(
                    "back to {to}: {} accounts still to go, {} are changing; {}",
                    targets.updated,
                    targets.progressing,
                    stage.message.as_deref().unwrap_or_default()
                );
                if pinned > 0 {
                    message = format!("{message}; {pinned} are pinned and stay");
                }
                (Phase::RollingBack, Why::RollingBack, message)
            }
            StageStep::Baking => {
                let ends = wave.and_then(|wave| wave.bake_ends_at);
                let message = match ends.filter(|ends| *ends > self.input.now) {
                    Some(ends) => format!("baking until {ends}"),
                    None => "the bake is over; waits for its gates and accounts".to_owned(),
                };
                (Phase::Baking, Why::Baking, message)
            }
            _ => {
                let open = stage
                    .gates
                    .iter()
                    .filter(|gate| gate.verdict.is_none())
                    .map(|gate| gate.name.as_str());
                let open: Vec<&str> = open.collect();
                (
                    Phase::Verifying,
                    Why::Verifying,
                    format!("gates run: {}", super::line(&open.join(", "), 300)),
                )
            }
        };
        (phase, Standing::Working(why), format!("{place}: {message}"))
    }
}
