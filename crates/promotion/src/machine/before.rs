//! Before a stage starts: its gates, the people, the clock, its gates once more.

use super::{Machine, gates::Run};
use crate::{
    outcome::Why,
    program::Stage,
    roster::count,
    spec::{OnEmpty, RunAt},
    state::{AttemptResult, StageStep, WaveStep},
};

/// What keeps a stage from its start, or a wave from its beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) why: Why,
    pub(super) message: String,
}

impl Machine<'_> {
    pub(super) fn before(&mut self, index: usize, program: &Stage) -> bool {
        let Some(entered) = self
            .state
            .stages
            .get(index)
            .map(|stage| stage.entered_at.is_some())
        else {
            return false;
        };
        if !entered {
            return self.enter(index, program);
        }
        if self.number_of_free(program) == 0 {
            return self.empty(index, program);
        }
        if self.replan(index, program) || self.deadline(index, program) {
            return true;
        }
        if self.count_approvals(index, program) {
            return true;
        }
        let run = self.run_gates(index, program, RunAt::BeforeStage, None);
        match run {
            Run::Began => return true,
            Run::Failed(message) => return self.stop(Why::GateFailed, &message),
            Run::Error(message) => return self.stop(Why::GateError, &message),
            Run::Pending | Run::Inconclusive(_) | Run::Passed => {}
        }
        let passed = run == Run::Passed;
        let block = self.block(index, program);
        let Some(stage) = self.state.stages.get_mut(index) else {
            return false;
        };
        match (block, stage.cleared) {
            (Some(block), cleared) => {
                stage.cleared = false;
                let why = block.why;
                let next = match why {
                    _ if !passed => StageStep::Verifying,
                    Why::WindowClosed => StageStep::WaitingWindow,
                    Why::Inconclusive | Why::Verifying | Why::Suspended => StageStep::Pending,
                    _ => StageStep::WaitingApproval,
                };
                let moved = stage.state != next;
                stage.state = next;
                let asks = passed && !matches!(why, Why::Inconclusive | Why::Verifying);
                (asks && self.ask(index, program)) || cleared || moved
            }
            (None, false) => {
                if !passed {
                    return self.state_is(index, StageStep::Verifying);
                }
                // It was kept waiting: what its gates said is old.
                stage.cleared = true;
                self.run_again(index, RunAt::BeforeStage);
                true
            }
            // What was counted is believed again before anything moves.
            (None, true) if passed && self.unbelieved(program).is_some() => {
                self.state_is(index, StageStep::WaitingApproval)
            }
            (None, true) if passed => self.target_gone(index, program) || self.start(index, program),
            (None, true) => self.state_is(index, StageStep::Verifying),
        }
    }

    pub(super) fn state_is(&mut self, index: usize, next: StageStep) -> bool {
        let Some(stage) = self.state.stages.get_mut(index) else {
            return false;
        };
        let moved = stage.state != next;
        stage.state = next;
        moved
    }

    pub(super) fn stop(&mut self, why: Why, message: &str) -> bool {
        self.end(AttemptResult::Stopped, why, message);
        true
    }

    /// The attempt reaches a stage.
    fn enter(&mut self, index: usize, program: &Stage) -> bool {
        let Some(target) = self.state.target_revision.clone() else {
            return false;
        };
        let current = self
            .state
            .stages
            .get(index)
            .and_then(|stage| stage.current_revision.as_ref());
        if current.is_some_and(|current| current.hash == target.hash) && self.everywhere(program, &target) {
            let total = self.number_of_free(program);
            let Some(stage) = self.state.stages.get_mut(index) else {
                return false;
            };
            stage.state = StageStep::Succeeded;
            stage.entered_at = Some(self.input.now);
            stage.targets.total = total;
            stage.targets.updated = total;
            stage.message = Some("every account had the revision already".to_owned());
            return true;
        }
        let now = self.input.now;
        self.state.pause = None;
        self.state.window = None;
        let Some(stage) = self.state.stages.get_mut(index) else {
            return false;
        };
        stage.entered_at = Some(now);
        if self.number_of_free(program) == 0 {
            return self.empty(index, program);
        }
        self.replan(index, program);
        self.count_approvals(index, program);
        // Nothing keeps it waiting: its gates run once, and that is right before it starts.
        let cleared = self.block(index, program).is_none();
        if let Some(stage) = self.state.stages.get_mut(index) {
            stage.cleared = cleared;
        }
        true
    }

    /// There is no account that a wave could take.
    pub(super) fn empty(&mut self, index: usize, program: &Stage) -> bool {
        let pinned = count(self.roster.of(&program.environment).count());
        let why = if pinned == 0 {
            format!("environment {} has no accounts", program.environment)
        } else {
            format!(
                "all {pinned} accounts of environment {} are pinned",
                program.environment
            )
        };
        if program.on_empty == OnEmpty::Stop {
            return self.stop(Why::NoTargets, &format!("{}: {why}", program.name));
        }
        self.recount(index);
        // New accounts get what has passed the stages before; but nobody is passed over who has a say, and no account whose
        // pin ends gets a revision that nobody let into the stage.
        let asks = |gate: &crate::Gate| gate.spec.run_at.contains(&RunAt::BeforeStage);
        let asked = program.approval.is_some() || program.gates.iter().any(asks);
        // Where no revision was ever, nobody has anything to lose, and no first account could come otherwise.
        let first = self.current(&program.environment).is_none();
        let open = pinned == 0 && (first || !asked);
        self.close(index, StageStep::Skipped, Some(why), open);
        true
    }

    /// The revision counts as the one that new accounts of this stage's environment get.
    pub(super) fn pass(&mut self, index: usize, state: StageStep, message: Option<String>) {
        self.close(index, state, message, true);
    }

    /// The stage is done; `counts`: the revision is what accounts of its environment get from now on.
    fn close(&mut self, index: usize, state: StageStep, message: Option<String>, counts: bool) {
        let Some(target) = self.state.target_revision.clone() else {
            return;
        };
        let now = self.input.now;
        let Some(stage) = self.state.stages.get_mut(index) else {
            return;
        };
        stage.state = state;
        stage.reason = None;
        stage.message = message;
        stage.members.clear();
        stage.changing.clear();
        stage.concurrency = None;
        stage.cleared = false;
        stage.approval_since = None;
        for wave in &mut stage.waves {
            if wave.state != WaveStep::Succeeded {
                wave.state = WaveStep::Pending;
            }
        }
        if counts {
            stage.left.clear();
        }
        let other = stage
            .current_revision
            .as_ref()
            .is_none_or(|current| current.hash != target.hash);
        if counts && other {
            let before = stage.current_revision.replace(target);
            stage.previous_revision = before.map(|before| before.name);
            stage.current_since = Some(now);
        }
        self.state.awaiting.clear();
        self.state.window = None;
        self.state.pause = None;
        self.state.plan = None;
    }

    /// What keeps the stage from its start, the people first.
    pub(super) fn block(&mut self, index: usize, program: &Stage) -> Option<Block> {
        self.lingering_block()
            .or_else(|| self.approval_block(index, program))
            .or_else(|| self.wave_block(index, program))
    }

    /// What keeps a wave from its beginning: windows and holds.
    pub(super) fn wave_block(&mut self, index: usize, program: &Stage) -> Option<Block> {
        let block = |why, message| Some(Block { why, message });
        if let Some(held) = self.held() {
            return block(Why::Suspended, held);
        }
        let window = self.window(index, program).filter(|window| window.closed)?;
        let mut message = window.reason.unwrap_or_else(|| "no window is open".to_owned());
        if let Some(open) = window.next_open {
            message = format!("{message}; opens at {open}");
        }
        block(Why::WindowClosed, message)
    }

    /// Freezes the members, and begins the first wave.
    fn start(&mut self, index: usize, program: &Stage) -> bool {
        let members = self.free_members(program);
        let now = self.input.now;
        let total = members.len();
        let Some(stage) = self.state.stages.get_mut(index) else {
            return false;
        };
        stage.targets_snapshot_hash = Some(model::digest_of(members.iter().map(model::AccountId::as_str)));
        stage.members = members;
        stage.started_at = Some(now);
        stage.reason = None;
        stage.message = None;
        stage.state = StageStep::RollingOut;
        self.state.awaiting.clear();
        self.tell(
            false,
            "StageStarted",
            &format!("{}: {total} accounts", program.name),
        );
        self.begin_wave(index, program, 0);
        true
    }
}
