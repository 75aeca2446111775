//! The machine: from what is stored and what is known, one transition after the other, until nothing follows any more.

mod approvals;
mod attempt;
mod before;
mod conditions;
mod gates;
pub(crate) mod measuring;
mod plan;
mod requests;
mod rollback;
pub(crate) mod tally;
mod tell;
mod wake;
mod waves;

use crate::{
    facts::Input,
    outcome::{Happening, Step, Why},
    program::{Program, Stage},
    roster::Roster,
    state::{Attempt, AttemptResult, StageStep, State, WindowState},
};
use model::Revision;
pub(crate) use model::one_line as line;
use std::rc::Rc;

/// Transitions of one step at most. Every stage, wave and gate has a handful; more is a defect, and ends the attempt.
const TURNS: usize = 10_000;

pub(crate) use attempt::current;

/// What the spec asks for, if it can be done.
pub(crate) type Accepted = Result<(Revision, Rc<Program>), Refused>;

/// Why the spec cannot be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) why: Why,
    pub(crate) message: String,
}

/// The next state, and what is to be told of it. The same facts with that state bring nothing new.
pub fn advance(input: &Input<'_>) -> Step {
    let mut machine = Machine::new(input);
    machine.requests();
    let settled = (0..TURNS).any(|_| !machine.turn());
    if !settled {
        machine.end(
            AttemptResult::Stopped,
            Why::InternalError,
            "the state machine finds no end",
        );
    }
    machine.step()
}

/// Ends the attempt at hand because of a defect of Bulkhead: what the shell does when [`advance`] panicked.
pub fn halt(input: &Input<'_>, message: &str) -> Step {
    let mut machine = Machine::new(input);
    if machine.running().is_some() {
        machine.end(AttemptResult::Stopped, Why::InternalError, message);
    }
    machine.step()
}

pub(crate) struct Machine<'a> {
    pub(crate) input: &'a Input<'a>,
    pub(crate) roster: Roster<'a>,
    pub(crate) accepted: Accepted,
    pub(crate) state: State,
    pub(crate) happenings: Vec<Happening>,
    /// The stages that the attempt at hand runs with.
    pub(crate) program: Option<Rc<Program>>,
    /// The windows of one stage as of now: they cost more than all else.
    window: Option<(usize, Option<WindowState>)>,
}

impl<'a> Machine<'a> {
    pub(crate) fn new(input: &'a Input<'a>) -> Self {
        let mut machine = Self {
            input,
            roster: Roster::new(input.targets),
            accepted: crate::accept::accept(&crate::accept::Terms::of(input)),
            state: input.state.clone(),
            happenings: Vec::new(),
            program: None,
            window: None,
        };
        machine.load();
        machine
    }

    /// Reads the stages that the attempt at hand runs with.
    fn load(&mut self) {
        let judge = |attempt: &Attempt| Program::judge(&attempt.stages, self.input.allowed_hosts);
        match self.state.attempt.as_ref().map(judge) {
            None => self.program = None,
            Some(Ok(program)) => self.program = Some(Rc::new(program)),
            Some(Err(refusal)) => {
                self.program = None;
                // Only the hosts that gates may ask can have changed.
                let message = format!("the stages that the attempt began with are refused now: {refusal}");
                self.end(AttemptResult::Stopped, Why::GateError, &message);
            }
        }
        self.window = None;
    }

    /// One transition; false: nothing follows from the facts.
    fn turn(&mut self) -> bool {
        if self.running().is_none() {
            return self.begin() || self.plan_only();
        }
        let conflict = self.input.conflict.is_some();
        let Some(index) = self.at() else {
            return !conflict && self.succeed();
        };
        let Some(program) = self.program.clone() else {
            return false;
        };
        if conflict {
            return program
                .stages
                .get(index)
                .is_some_and(|stage| self.watch(index, stage));
        }
        let Some(stage) = program.stages.get(index) else {
            return self.succeed();
        };
        if self.supersede(index) {
            return true;
        }
        if self.running().is_some_and(|attempt| attempt.ending.is_some()) {
            return self.finish_ending(index, stage);
        }
        self.watch(index, stage)
            || self.measure(index, stage)
            || self.linger()
            || match self.state.stages.get(index) {
                Some(state) if state.state == StageStep::RollingBack => self.roll_back(index, stage),
                Some(state) if state.started_at.is_none() => self.before(index, stage),
                _ => self.under_way(index, stage),
            }
    }

    /// The attempt at hand, while it runs.
    pub(crate) fn running(&self) -> Option<&Attempt> {
        self.state
            .attempt
            .as_ref()
            .filter(|attempt| attempt.outcome.is_none())
    }

    /// The stage that the attempt is at.
    pub(crate) fn at(&self) -> Option<usize> {
        tally::at(&self.state)
    }

    /// The stage that the attempt is at, as it runs.
    pub(crate) fn stage_at(&self) -> Option<(usize, Rc<Program>)> {
        Some((self.at()?, self.program.clone()?))
    }

    /// Id of the attempt at hand.
    pub(crate) fn attempt_id(&self) -> &str {
        self.state.attempt.as_ref().map_or("", |attempt| &attempt.id)
    }

    /// Why neither attempt nor wave begins, whatever else may be.
    pub(crate) fn held(&self) -> Option<String> {
        if let Some(reason) = &self.input.requests.hold {
            return Some(format!(
                "held by the annotation bulkhead.dev/hold: {}",
                line(reason, 200)
            ));
        }
        if self.input.spec.suspend {
            return Some("spec.suspend is true".to_owned());
        }
        self.input.spec.dry_run.then(|| "spec.dryRun is true".to_owned())
    }

    /// The windows of this stage as of now.
    pub(crate) fn window(&mut self, index: usize, stage: &Stage) -> Option<WindowState> {
        if self.window.as_ref().is_none_or(|(known, _)| *known != index) {
            self.window = Some((index, stage.windows.state(self.input.now)));
        }
        self.window.clone().and_then(|(_, window)| window)
    }

    pub(crate) fn tell(&mut self, warning: bool, reason: &'static str, note: &str) {
        let note = format!("{}: {note}", self.attempt_id());
        self.happenings.push(Happening {
            warning,
            reason,
            note: line(&note, 1000),
        });
    }
}

/// `prod/one-box`, or `prod`.
pub(crate) fn place(stage: &str, wave: Option<&str>) -> String {
    wave.map_or_else(|| stage.to_owned(), |wave| format!("{stage}/{wave}"))
}
