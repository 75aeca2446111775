//! Gates: runs and what they say together. A verdict counts for one run, and a run for one attempt, revision and point.

use super::{Machine, before::Block, measuring, place, tally::wave_at};
use crate::{
    outcome::Why,
    program::{Gate, Stage},
    spec::{OnFailure, RunAt},
    state::{GateState, Verdict, WaveStep},
};

/// What the gates of one point say together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Run {
    /// Some had not begun, and have now.
    Began,
    /// Some are not done.
    Pending,
    /// All that decide passed.
    Passed,
    /// One has no verdict: a person has to look.
    Inconclusive(String),
    /// One failed.
    Failed(String),
    /// One could not be measured.
    Error(String),
}

/// Does the failure of a gate at this point change nothing?
fn ignored(program: &Stage, point: RunAt) -> bool {
    match point {
        RunAt::BeforeStage => false,
        RunAt::AfterWave | RunAt::AfterStage => program.on_test_failure == OnFailure::Ignore,
        RunAt::DuringBake => program.on_bake_failure == OnFailure::Ignore,
    }
}

impl Machine<'_> {
    /// Begins the runs of this point that have not begun, and says how they stand together.
    pub(super) fn run_gates(
        &mut self,
        index: usize,
        program: &Stage,
        point: RunAt,
        wave: Option<&str>,
    ) -> Run {
        let mut began = false;
        for gate in program
            .gates
            .iter()
            .filter(|gate| gate.spec.run_at.contains(&point))
        {
            began |= self.begin_run(index, gate, point, wave, false);
        }
        if began {
            Run::Began
        } else {
            self.judge_gates(index, program, point, wave)
        }
    }

    /// Runs all gates of this point anew.
    pub(super) fn run_again(&mut self, index: usize, point: RunAt) {
        let Some(program) = self.program.clone() else {
            return;
        };
        let Some(program) = program.stages.get(index) else {
            return;
        };
        for gate in program
            .gates
            .iter()
            .filter(|gate| gate.spec.run_at.contains(&point))
        {
            self.begin_run(index, gate, point, None, true);
        }
    }

    /// Begins a run of one gate; its last one is forgotten but for its number.
    pub(super) fn begin_run(
        &mut self,
        index: usize,
        gate: &Gate,
        point: RunAt,
        wave: Option<&str>,
        again: bool,
    ) -> bool {
        let now = self.input.now;
        let Some(target) = self.state.target_revision.clone() else {
            return false;
        };
        let Some(stage) = self.state.stages.get_mut(index) else {
            return false;
        };
        let known = stage.gates.iter().position(|known| known.name == gate.spec.name);
        let old = known.and_then(|known| stage.gates.get(known));
        let same = old.is_some_and(|old| {
            old.run_at == point && old.wave.as_deref() == wave && old.revision_hash == target.hash
        });
        if same && !again {
            return false;
        }
        let run = GateState {
            name: gate.spec.name.clone(),
            run_at: point,
            wave: wave.map(ToOwned::to_owned),
            run: old.map_or(1, |old| old.run.saturating_add(1)),
            revision_hash: target.hash,
            verdict: None,
            dry_run: gate.dry_run,
            started_at: now,
            count: 0,
            successes: 0,
            failures: 0,
            inconclusive: 0,
            consecutive_errors: 0,
            last_at: None,
            message: None,
        };
        match known.and_then(|known| stage.gates.get_mut(known)) {
            Some(place) => *place = run,
            None => stage.gates.push(run),
        }
        true
    }

    /// How the gates of this point stand together, as far as they are decisive. The worst comes first.
    pub(super) fn judge_gates(&self, index: usize, program: &Stage, point: RunAt, wave: Option<&str>) -> Run {
        let Some(stage) = self.state.stages.get(index) else {
            return Run::Pending;
        };
        let (mut pending, mut inconclusive, mut error) = (false, None, None);
        for gate in program
            .gates
            .iter()
            .filter(|gate| gate.spec.run_at.contains(&point))
        {
            let Some(known) = stage.gates.iter().find(|known| {
                known.name == gate.spec.name && known.run_at == point && known.wave.as_deref() == wave
            }) else {
                pending = true;
                continue;
            };
            let said = known.message.as_deref().unwrap_or_default();
            let text = format!("{}: gate {}: {said}", place(&stage.name, wave), known.name);
            match known.verdict {
                // A bake that is long enough is enough, once something was measured.
                None if point == RunAt::DuringBake && gate.count.is_none() => {
                    pending |= known.successes == 0 && !gate.dry_run;
                }
                None => pending = true,
                Some(Verdict::Passing | Verdict::Aborted) => {}
                Some(_) if gate.dry_run => {}
                Some(Verdict::Failed) if ignored(program, point) => {}
                Some(Verdict::Failed) => return Run::Failed(text),
                Some(Verdict::Error) => error = Some(text),
                Some(Verdict::Inconclusive) => inconclusive = Some(text),
            }
        }
        match (error, inconclusive) {
            (Some(text), _) => Run::Error(text),
            (None, Some(text)) => Run::Inconclusive(text),
            (None, None) if pending => Run::Pending,
            (None, None) => Run::Passed,
        }
    }

    /// The point that the stage's gates are at now.
    pub(super) fn point(&self, index: usize) -> Option<(RunAt, Option<String>)> {
        let stage = self.state.stages.get(index)?;
        if stage.started_at.is_none() {
            return stage.entered_at.map(|_| (RunAt::BeforeStage, None));
        }
        let Some(at) = wave_at(stage) else {
            if self.lingering() == Some(index) {
                return Some((
                    RunAt::DuringBake,
                    stage.waves.last().map(|wave| wave.name.clone()),
                ));
            }
            return Some((RunAt::AfterStage, None));
        };
        let wave = stage.waves.get(at)?;
        match wave.state {
            WaveStep::Verifying => Some((RunAt::AfterWave, Some(wave.name.clone()))),
            WaveStep::Baking => Some((RunAt::DuringBake, Some(wave.name.clone()))),
            WaveStep::Pending => {
                let before = stage.waves.get(at.checked_sub(1)?)?;
                Some((RunAt::DuringBake, Some(before.name.clone())))
            }
            _ => None,
        }
    }

    pub(super) fn lingering(&self) -> Option<usize> {
        measuring::lingering(&self.state)
    }

    /// What the stage before baked with goes on until this one starts: what it says then counts.
    pub(super) fn linger(&mut self) -> bool {
        let (Some(index), Some(program)) = (self.lingering(), self.program.clone()) else {
            return false;
        };
        let Some(program) = program.stages.get(index) else {
            return false;
        };
        if self.measure(index, program) {
            return true;
        }
        match self.lingering_run(index, program) {
            Some(Run::Failed(message)) => {
                self.tell(true, "BakeFailed", &message);
                self.stop(Why::BakeFailed, &message)
            }
            Some(Run::Error(message)) => self.stop(Why::GateError, &message),
            _ => false,
        }
    }

    /// How the gates of the last bake of a stage that has succeeded stand; `None`: its last wave did not bake.
    fn lingering_run(&self, index: usize, program: &Stage) -> Option<Run> {
        let wave = self.state.stages.get(index)?.waves.last()?;
        wave.bake_started_at?;
        Some(self.judge_gates(index, program, RunAt::DuringBake, Some(&wave.name)))
    }

    /// What the stage before baked with has no verdict any more.
    pub(super) fn lingering_block(&self) -> Option<Block> {
        let (index, program) = (self.lingering()?, self.program.as_ref()?);
        match self.lingering_run(index, program.stages.get(index)?)? {
            Run::Inconclusive(message) => Some(Block {
                why: Why::Inconclusive,
                message,
            }),
            Run::Pending => Some(Block {
                why: Why::Verifying,
                message: "a gate of the stage before runs again".to_owned(),
            }),
            _ => None,
        }
    }

    /// A gate without a verdict keeps the stage from going on.
    pub(super) fn gate_block(&self, index: usize, program: &Stage) -> Option<Block> {
        let (point, wave) = self.point(index)?;
        match self.judge_gates(index, program, point, wave.as_deref()) {
            Run::Inconclusive(message) => Some(Block {
                why: Why::Inconclusive,
                message,
            }),
            _ => None,
        }
    }
}
