//! Where a promotion stands, read from its status as the state machine wrote it.

use api::{
    AttemptStatus, Condition, EnvironmentPromotion, EnvironmentPromotionStatus, Gate, GateStatus, RunAt,
    Stage, StageStatus, StrategyType, WaveStatus, conditions,
};
use jiff::SignedDuration;
use kube::ResourceExt;
use std::borrow::Cow;

/// A promotion, and what its status says of the attempt at hand or the last one.
pub(crate) struct Standing<'a> {
    pub(crate) object: &'a EnvironmentPromotion,
    pub(crate) name: String,
    pub(crate) status: Cow<'a, EnvironmentPromotionStatus>,
}

impl<'a> Standing<'a> {
    pub(crate) fn of(object: &'a EnvironmentPromotion) -> Self {
        Self {
            object,
            name: object.name_any(),
            status: object.status.as_ref().map_or_else(Cow::default, Cow::Borrowed),
        }
    }

    /// The status says nothing yet of the spec as it is.
    pub(super) fn stale(&self) -> bool {
        self.status.observed_generation != self.object.metadata.generation
    }

    /// In one line, for refusals.
    pub(crate) fn summary(&self) -> String {
        let phase = self
            .status
            .phase
            .as_deref()
            .unwrap_or("not looked at yet by the operator");
        let message = self.status.message.as_deref().map(super::clean);
        match message {
            Some(message) => format!("{phase}: {message}"),
            None => phase.to_owned(),
        }
    }

    /// The attempt at hand.
    pub(crate) fn running(&self) -> Option<&AttemptStatus> {
        let attempt = self.status.attempt.as_ref();
        attempt.filter(|attempt| attempt.outcome.is_none())
    }

    /// The stages of the attempt at hand or the last one, each with its state. What the status keeps of environments that
    /// no stage is about is left out.
    pub(super) fn stages(&self) -> Vec<(&Stage, &StageStatus)> {
        let stages = self
            .status
            .attempt
            .as_ref()
            .map_or(&[][..], |attempt| &attempt.stages);
        stages
            .iter()
            .filter_map(|stage| {
                let state = self.status.stages.iter().find(|state| state.name == stage.name)?;
                Some((stage, state))
            })
            .collect()
    }

    /// Which of them the attempt at hand is at; `None`: none runs, or all are done.
    pub(super) fn index(&self) -> Option<usize> {
        self.running()?;
        self.stages()
            .iter()
            .position(|(_, state)| !matches!(state.state.as_str(), "Succeeded" | "Skipped"))
    }

    /// The stage that the attempt is at.
    pub(crate) fn at_hand(&self) -> Option<(&Stage, &StageStatus)> {
        self.stages().get(self.index()?).copied()
    }

    /// The stage before, which goes on measuring while the one at hand has not started.
    pub(super) fn lingering(&self) -> Option<(&Stage, &StageStatus)> {
        let index = self.index()?;
        let stages = self.stages();
        let waits = stages.get(index)?.1.started_at.is_none();
        let before = stages.get(index.checked_sub(1)?).copied()?;
        (waits && before.1.state == "Succeeded").then_some(before)
    }

    pub(super) fn condition(&self, kind: &str) -> Option<&Condition> {
        let mut conditions = self.status.conditions.iter();
        conditions.find(|condition| condition.type_ == kind)
    }

    pub(super) fn is(&self, kind: &str) -> bool {
        self.condition(kind)
            .is_some_and(|condition| condition.status == "True")
    }

    pub(crate) fn ready(&self) -> Option<&Condition> {
        self.condition(conditions::READY)
    }

    /// Reason of Ready.
    pub(super) fn reason(&self) -> Option<&str> {
        self.ready().map(|ready| ready.reason.as_str())
    }

    /// Why it is held, if it is.
    pub(super) fn hold(&self) -> Option<&str> {
        self.object
            .annotations()
            .get("bulkhead.dev/hold")
            .map(String::as_str)
    }
}

/// The wave at hand: the first that is not done.
pub(super) fn wave_at(state: &StageStatus) -> Option<(usize, &WaveStatus)> {
    state
        .waves
        .iter()
        .enumerate()
        .find(|(_, wave)| wave.state != "Succeeded")
}

/// The point that the gates of a stage are at now, as the state machine sees it.
pub(super) fn point(stage: &StageStatus, lingers: bool) -> Option<RunAt> {
    if stage.started_at.is_none() {
        return stage.entered_at.map(|_| RunAt::BeforeStage);
    }
    let Some((index, wave)) = wave_at(stage) else {
        return Some(if lingers {
            RunAt::DuringBake
        } else {
            RunAt::AfterStage
        });
    };
    match wave.state.as_str() {
        "Verifying" => Some(RunAt::AfterWave),
        "Baking" => Some(RunAt::DuringBake),
        "Pending" if index > 0 => Some(RunAt::DuringBake),
        _ => None,
    }
}

/// Gates that run at this point.
pub(super) fn gates_at(stage: &Stage, point: RunAt) -> Vec<&Gate> {
    stage
        .gates
        .iter()
        .filter(|gate| gate.run_at.contains(&point))
        .collect()
}

/// Gates that have no verdict though their run is over: a person has to look.
pub(super) fn inconclusive(stage: &StageStatus) -> impl Iterator<Item = &GateStatus> {
    stage
        .gates
        .iter()
        .filter(|gate| gate.verdict.as_deref() == Some("Inconclusive") && gate.dry_run != Some(true))
}

/// How long this wave of a stage bakes.
pub(super) fn bake_time(stage: &Stage, wave: usize) -> Option<&str> {
    let strategy = stage.strategy.as_ref()?;
    let time = match strategy.type_ {
        StrategyType::AllAtOnce => None,
        StrategyType::Canary => strategy
            .canary
            .as_ref()
            .filter(|_| wave == 0)
            .and_then(|canary| canary.bake_time.as_deref()),
        StrategyType::Linear => strategy
            .linear
            .as_ref()
            .and_then(|linear| linear.bake_time.as_deref()),
        StrategyType::Waves => strategy
            .waves
            .get(wave)
            .and_then(|wave| wave.bake_time.as_deref()),
    };
    time.filter(|time| span(time).is_some_and(|span| span > SignedDuration::ZERO))
}

/// A duration as people write it.
pub(super) fn span(text: &str) -> Option<SignedDuration> {
    text.parse().ok()
}
