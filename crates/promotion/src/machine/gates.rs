//! Gates: runs, measurements, verdicts. A verdict counts for one run, and a run for one attempt, revision and point.

use super::{Machine, before::Block, place, tally::wave_at};
use crate::{
    facts::{Measure, MeasureKey, Measured, MeasuredResult},
    outcome::Why,
    program::{Gate, Stage},
    roster::{Member, after, count},
    spec::{ConditionGate, GateType, OnError, OnFailure, RunAt},
    state::{GateState, StageState, StageStep, State, Verdict, WaveStep},
};
use jiff::{SignedDuration, Timestamp};
use model::AccountId;

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

/// When this gate is measured next; `None`: its run is over.
pub(crate) fn due(gate: &Gate, state: &GateState, waiting: bool, now: Timestamp) -> Option<Timestamp> {
    let open = state.verdict.is_none() || (waiting && keeps_on(gate, state));
    if !open {
        return None;
    }
    // A clock that was set back makes a measurement early, never late.
    let at = match state.last_at {
        None if state.count == 0 => after(state.started_at.min(now), gate.initial_delay),
        last => after(
            last.unwrap_or(now).min(now),
            gate.interval.max(SignedDuration::from_secs(1)),
        ),
    };
    let set_back = state.last_at.unwrap_or(state.started_at) > now;
    Some(if set_back { now } else { at })
}

/// A gate of a bake without a number of measurements goes on while the next wave waits for a window or a person.
fn keeps_on(gate: &Gate, state: &GateState) -> bool {
    state.run_at == RunAt::DuringBake && gate.count.is_none() && state.verdict == Some(Verdict::Passing)
}

/// The stage that has succeeded, while the next has not started: what it baked with last goes on.
pub(crate) fn lingering(state: &State) -> Option<usize> {
    let at = super::tally::at(state)?;
    let before = at.checked_sub(1)?;
    let waits = state.stages.get(at)?.started_at.is_none();
    let succeeded = state.stages.get(before)?.state == StageStep::Succeeded;
    (waits && succeeded).then_some(before)
}

/// The stage waits between two waves, or for the next stage.
pub(crate) fn keeps_measuring(state: &State, index: usize) -> bool {
    lingering(state) == Some(index) || state.stages.get(index).is_some_and(between_waves)
}

/// The stage waits between two waves.
fn between_waves(stage: &StageState) -> bool {
    stage.started_at.is_some()
        && matches!(stage.state, StageStep::WaitingWindow | StageStep::Pending)
        && wave_at(stage).is_some_and(|wave| {
            stage
                .waves
                .get(wave)
                .is_some_and(|wave| wave.state == WaveStep::Pending)
        })
}

/// Measurements to be made outside now, as this state says.
pub(crate) fn measures(
    uid: &str,
    state: &State,
    index: usize,
    program: &Stage,
    generation: i64,
    now: Timestamp,
) -> Vec<Measure> {
    let (Some(attempt), Some(stage)) = (&state.attempt, state.stages.get(index)) else {
        return Vec::new();
    };
    let waiting = keeps_measuring(state, index);
    let mut measures = Vec::new();
    for known in &stage.gates {
        let Some(gate) = program.gates.iter().find(|gate| gate.spec.name == known.name) else {
            continue;
        };
        if gate.spec.kind == GateType::Condition || due(gate, known, waiting, now).is_none_or(|due| due > now)
        {
            continue;
        }
        measures.push(Measure {
            promotion_uid: uid.to_owned(),
            key: MeasureKey {
                attempt: attempt.id.clone(),
                revision: known.revision_hash.clone(),
                generation,
                stage: stage.name.clone(),
                gate: known.name.clone(),
                run: known.run,
                number: known.count.saturating_add(1),
            },
            gate: gate.spec.clone(),
            run_at: known.run_at,
            wave: known.wave.clone(),
            environment: stage.environment.clone(),
        });
    }
    measures
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
    /// Takes in what measurements brought; conditions are looked at here and now.
    pub(super) fn measure(&mut self, index: usize, program: &Stage) -> bool {
        let Some(stage) = self.state.stages.get(index) else {
            return false;
        };
        let waiting = keeps_measuring(&self.state, index);
        let (now, generation) = (self.input.now, self.input.generation);
        let mut changes: Vec<(usize, Measured)> = Vec::new();
        for (number, known) in stage.gates.iter().enumerate() {
            let Some(gate) = program.gates.iter().find(|gate| gate.spec.name == known.name) else {
                continue;
            };
            if due(gate, known, waiting, now).is_none_or(|due| due > now) {
                continue;
            }
            let measured =
                if let (GateType::Condition, Some(condition)) = (gate.spec.kind, &gate.spec.condition) {
                    Some(self.look(index, known, condition))
                } else {
                    let key = MeasureKey {
                        attempt: self.attempt_id().to_owned(),
                        revision: known.revision_hash.clone(),
                        generation,
                        stage: stage.name.clone(),
                        gate: known.name.clone(),
                        run: known.run,
                        number: known.count.saturating_add(1),
                    };
                    self.input.measured.get(&key).cloned()
                };
            changes.extend(measured.map(|measured| (number, measured)));
        }
        let changed = !changes.is_empty();
        for (number, measured) in changes {
            self.take_in(index, program, number, &measured);
        }
        changed
    }

    fn take_in(&mut self, index: usize, program: &Stage, number: usize, measured: &Measured) {
        let now = self.input.now;
        let Some(stage) = self.state.stages.get_mut(index) else {
            return;
        };
        let Some(known) = stage.gates.get_mut(number) else {
            return;
        };
        let Some(gate) = program.gates.iter().find(|gate| gate.spec.name == known.name) else {
            return;
        };
        known.count = known.count.saturating_add(1);
        known.last_at = Some(now);
        known.message = Some(super::line(&measured.message, 300));
        match measured.result {
            MeasuredResult::Success => known.successes += 1,
            MeasuredResult::Failure => known.failures += 1,
            MeasuredResult::Inconclusive => known.inconclusive += 1,
            MeasuredResult::Error => known.consecutive_errors += 1,
        }
        if measured.result != MeasuredResult::Error {
            known.consecutive_errors = 0;
        }
        let errors = if program.on_error == OnError::Stop {
            0
        } else {
            gate.consecutive_error_limit
        };
        let enough = match (known.run_at, gate.count) {
            (RunAt::DuringBake, None) => None,
            (_, number) => Some(number.unwrap_or(1)),
        };
        let completed = known
            .successes
            .saturating_add(known.failures)
            .saturating_add(known.inconclusive);
        let verdict = if known.failures > gate.failure_limit {
            Some(Verdict::Failed)
        } else if known.consecutive_errors > errors {
            Some(Verdict::Error)
        } else if known.inconclusive > gate.inconclusive_limit {
            Some(Verdict::Inconclusive)
        } else if enough.is_some_and(|enough| completed >= enough) && known.successes > 0 {
            Some(Verdict::Passing)
        } else {
            known.verdict
        };
        if verdict == known.verdict {
            return;
        }
        known.verdict = verdict;
        let dry = if known.dry_run {
            ", decides nothing (dryRun)"
        } else {
            ""
        };
        let place = place(&stage.name, known.wave.as_deref());
        let note = format!(
            "{place}: gate {}{dry}: {}",
            known.name,
            super::line(&measured.message, 300)
        );
        match verdict {
            Some(Verdict::Failed) => self.tell(true, "GateFailed", &note),
            Some(Verdict::Inconclusive) => self.tell(true, "GateInconclusive", &note),
            Some(Verdict::Error) => self.tell(true, "GateError", &note),
            _ => {}
        }
    }

    /// Accounts that a gate is about: of the wave those that have the revision; before the stage those that will get it.
    fn concerned(&self, index: usize, known: &GateState) -> Vec<AccountId> {
        let Some(stage) = self.state.stages.get(index) else {
            return Vec::new();
        };
        if known.run_at == RunAt::BeforeStage {
            return self
                .roster
                .free(&stage.environment)
                .map(|(id, _)| id.clone())
                .collect();
        }
        let mut begin = 0;
        let mut end = count(stage.members.len());
        if let Some(wave) = stage
            .waves
            .iter()
            .position(|wave| Some(&wave.name) == known.wave.as_ref())
        {
            end = stage.waves.get(wave).map_or(end, |wave| wave.targets);
            let before = wave.checked_sub(1).and_then(|before| stage.waves.get(before));
            begin = before.map_or(0, |before| before.targets);
        }
        let members = stage
            .members
            .get(begin as usize..end as usize)
            .unwrap_or_default();
        members
            .iter()
            .filter(|id| self.member(index, id) == Member::Done)
            .cloned()
            .collect()
    }

    /// A condition of the accounts as of now.
    fn look(&self, index: usize, known: &GateState, condition: &ConditionGate) -> Measured {
        let wanted = condition.status.as_deref().unwrap_or("True");
        let type_ = &condition.condition_type;
        let accounts = self.concerned(index, known);
        let status = |id: &AccountId| {
            self.roster
                .get(id)
                .and_then(|target| target.conditions.get(type_))
        };
        let (mut wrong, mut unknown) = (Vec::new(), Vec::new());
        for id in &accounts {
            match status(id).map(String::as_str) {
                Some(status) if status == wanted => {}
                Some("True" | "False") => wrong.push(id.as_str()),
                _ => unknown.push(id.as_str()),
            }
        }
        let some = |ids: &[&str]| match ids {
            [first] => (*first).to_owned(),
            [first, ..] => format!("{first} and {} others", ids.len() - 1),
            [] => "no account".to_owned(),
        };
        let (result, message) = if !wrong.is_empty() {
            (
                MeasuredResult::Failure,
                format!("{type_} is not {wanted} on {}", some(&wrong)),
            )
        } else if !unknown.is_empty() || accounts.is_empty() {
            (
                MeasuredResult::Error,
                format!("{type_} is not known on {}", some(&unknown)),
            )
        } else {
            (
                MeasuredResult::Success,
                format!("{type_} is {wanted} on {} accounts", accounts.len()),
            )
        };
        Measured { result, message }
    }

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
        lingering(&self.state)
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
