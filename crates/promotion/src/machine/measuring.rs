//! Measurements of gates: when one is due, what is asked for outside, and what each brings for the verdict.

use super::{Machine, place, tally::wave_at};
use crate::{
    facts::{Measure, MeasureKey, Measured, MeasuredResult},
    program::{Gate, Stage},
    roster::{Member, after, count},
    spec::{ConditionGate, GateType, OnError, RunAt},
    state::{GateState, StageState, StageStep, State, Verdict, WaveStep},
};
use jiff::{SignedDuration, Timestamp};
use model::AccountId;

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
            key: next_key(&attempt.id, generation, stage, known),
            gate: gate.spec.clone(),
            run_at: known.run_at,
            wave: known.wave.clone(),
            environment: stage.environment.clone(),
        });
    }
    measures
}

/// What the next measurement of a gate is known by.
fn next_key(attempt: &str, generation: i64, stage: &StageState, known: &GateState) -> MeasureKey {
    MeasureKey {
        attempt: attempt.to_owned(),
        revision: known.revision_hash.clone(),
        generation,
        stage: stage.name.clone(),
        gate: known.name.clone(),
        run: known.run,
        number: known.count.saturating_add(1),
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
                    let key = next_key(self.attempt_id(), generation, stage, known);
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
}
