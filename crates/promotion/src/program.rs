//! The stages as they run: judged, with every default applied.
//!
//! The rules of the custom resource check most of this too; they are repeated because the same objects come from files, and
//! because a rule that was added later does not bind objects that were stored before.

mod checks;
mod every;
mod gates;
mod hosts;
mod strategy;

use crate::{
    Share, Windows,
    spec::{
        ApprovalSpec, FailurePolicySpec, GateSpec, OnDeadline, OnEmpty, OnError, OnFailure, RollbackScope,
        RunAt, StageSpec,
    },
};
use checks::{DAY, HOUR, MINUTE, SECOND, between, label, one_line, unique};
use jiff::SignedDuration;

pub(crate) use checks::{At, list, span};
pub use hosts::{HostRefusal, check_allowed_host, judge_host, judge_uri};

/// Bytes of all stages as JSON at most: an attempt keeps them in the status, and etcd takes no object over 1.5 MiB.
const SNAPSHOT: usize = 128 * 1024;

/// Why stages cannot run: where, and what.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct Refusal {
    /// Path into the object, members of lists by their name: `spec.stages[prod].strategy.waves[rest].targets`; by their
    /// number from 0 where the name cannot tell.
    pub path: String,
    /// The rule, and the value that breaks it; its subject is the path: `is 1 to 100, not 0`.
    pub message: String,
}

/// Judges a condition in CEL over `result`; the error says what is wrong with it.
pub type JudgeCondition<'a> = &'a dyn Fn(&str) -> Result<(), String>;

/// Judges a gate as whoever measures it does: all but its conditions in CEL. The error is the field below the gate, and the
/// rule that it breaks.
pub type JudgeGate<'a> = &'a dyn Fn(&GateSpec) -> Result<(), (String, String)>;

/// What only those can judge who measure.
#[derive(Clone, Copy)]
pub(crate) struct Judges<'a> {
    pub(crate) allowed_hosts: &'a [String],
    pub(crate) condition: JudgeCondition<'a>,
    pub(crate) gate: JudgeGate<'a>,
}

/// The stages as they run.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// In the order they run; at least one, names and environments unique.
    pub stages: Vec<Stage>,
}

/// One stage as it runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// The environment of the Baseline.
    pub environment: String,
    /// When the environment has no accounts.
    pub on_empty: OnEmpty,
    /// Its waves; at least one, the last takes all accounts that are left.
    pub waves: Vec<Wave>,
    /// How many accounts change at the same time at most; [`Stage::concurrency`] says how many may.
    pub max_concurrency: Option<Share>,
    /// How long one account may take.
    pub target_deadline: SignedDuration,
    /// How many accounts may fail: [`Share::of`] of the stage's accounts.
    pub max_failures: Share,
    /// How long the stage may take.
    pub progress_deadline: Option<SignedDuration>,
    /// A gate after a wave or the stage failed.
    pub on_test_failure: OnFailure,
    /// A gate failed during a bake.
    pub on_bake_failure: OnFailure,
    /// A gate could not be measured.
    pub on_error: OnError,
    /// The stage took too long.
    pub on_deadline: OnDeadline,
    /// What is rolled back.
    pub rollback_scope: RollbackScope,
    /// Who has to agree; `None`: nobody.
    pub approval: Option<Approval>,
    /// When waves may begin.
    pub windows: Windows,
    /// Its gates.
    pub gates: Vec<Gate>,
    /// How long after the revision succeeded here accounts that wait get it by themselves; `None`: none may wait.
    pub opt_in: Option<SignedDuration>,
}

/// One wave as it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wave {
    /// Its name: as written; `canary` and `rest`; `step-1` and so on; `all`.
    pub name: String,
    /// How many accounts have the revision once it is done; [`Stage::wave_end`] says the number.
    pub targets: Share,
    /// How long it bakes; zero: not at all.
    pub bake: SignedDuration,
}

/// Who has to agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// How many people, at least 1.
    pub required: u32,
    /// In the name of which groups; empty: of any, or of none.
    pub groups: Vec<String>,
    /// Whoever asked for the promotion does not count.
    pub exclude_author: bool,
    /// How long is waited.
    pub timeout: SignedDuration,
}

/// One gate as it runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// As written.
    pub spec: GateSpec,
    /// Time between measurements.
    pub interval: SignedDuration,
    /// Time before the first one.
    pub initial_delay: SignedDuration,
    /// How many measurements make a verdict; `None`: one, and during a bake as many as fit into it.
    pub count: Option<u32>,
    /// How many may fail.
    pub failure_limit: u32,
    /// How many may be inconclusive.
    pub inconclusive_limit: u32,
    /// How many in a row may end in an error.
    pub consecutive_error_limit: u32,
    /// Measured and shown, never decisive.
    pub dry_run: bool,
}

impl Program {
    /// Judges stages; `allowed_hosts` are the hosts that gates may ask ([`judge_host`]). The first rule that is broken is the
    /// error. Conditions in CEL are only checked not to be blank: [`Program::judge_with`].
    pub fn judge(stages: &[StageSpec], allowed_hosts: &[String]) -> Result<Self, Refusal> {
        Self::judge_with(stages, allowed_hosts, &|_| Ok(()), &|_| Ok(()))
    }

    /// [`Program::judge`] that has gates and their conditions judged as well by who measures them: what is accepted can be
    /// measured, as far as that can be known beforehand.
    pub fn judge_with(
        stages: &[StageSpec],
        allowed_hosts: &[String],
        condition: JudgeCondition<'_>,
        gate: JudgeGate<'_>,
    ) -> Result<Self, Refusal> {
        let judges = Judges {
            allowed_hosts,
            condition,
            gate,
        };
        Self::judge_by(stages, judges)
    }

    /// Every rule that [`Program::judge_with`] finds broken, as far as one does not hide another; none where it accepts.
    pub fn refusals(
        stages: &[StageSpec],
        allowed_hosts: &[String],
        condition: JudgeCondition<'_>,
        gate: JudgeGate<'_>,
    ) -> Vec<Refusal> {
        let judges = Judges {
            allowed_hosts,
            condition,
            gate,
        };
        every::refusals(stages, judges)
    }

    fn judge_by(stages: &[StageSpec], judges: Judges<'_>) -> Result<Self, Refusal> {
        let spec = At::new("spec");
        let at = spec.field("stages");
        list(&at, stages.len(), 1, 16)?;
        checks::size(&at, stages, SNAPSHOT)?;
        for (number, stage) in stages.iter().enumerate() {
            label(&at.number(number).field("name"), &stage.name)?;
        }
        unique(&at, "names", stages.iter().map(|stage| stage.name.as_str()))?;
        unique(
            &at,
            "environments",
            stages.iter().map(|stage| stage.environment.as_str()),
        )?;
        let stages = stages
            .iter()
            .map(|stage| self::stage(&at.item(&stage.name), stage, judges))
            .collect::<Result<_, _>>()?;
        Ok(Self { stages })
    }
}

impl Stage {
    /// How many of the stage's `total` accounts have the revision once this wave is done, counted from the first wave on.
    /// `before` have it by the waves before. Percentages are rounded down, but a wave takes at least one account while any
    /// are left, and the last one takes all. Equal to `before`: this wave has no account of its own.
    pub fn wave_end(&self, wave: usize, before: u32, total: u32) -> u32 {
        match self.waves.get(wave) {
            Some(this) if wave + 1 < self.waves.len() => {
                this.targets.of(total).max(before.saturating_add(1)).min(total)
            }
            _ => total,
        }
    }

    /// How many accounts may change at the same time, when `failed` of `total` have failed: never more than may still fail,
    /// plus one, so that one batch cannot spend more than the budget. At least 1; what follows once more failed than may is
    /// not decided here.
    pub fn concurrency(&self, total: u32, failed: u32) -> u32 {
        let left = self
            .max_failures
            .of(total)
            .saturating_sub(failed)
            .saturating_add(1);
        let most = self
            .max_concurrency
            .map_or(u32::MAX, |share| share.at_least_one(total));
        left.min(most).max(1)
    }
}

fn stage(at: &At, spec: &StageSpec, judges: Judges<'_>) -> Result<Stage, Refusal> {
    label(&at.field("environment"), &spec.environment)?;
    let strategy = strategy::judge(&at.field("strategy"), spec.strategy.as_ref())?;
    let max_failures = match &spec.max_failures {
        None => Share::Number(0),
        Some(amount) => checks::share(&at.field("maxFailures"), amount, 0)?,
    };
    let progress_deadline = spec
        .progress_deadline
        .as_ref()
        .map(|given| span(&at.field("progressDeadline"), given, SECOND, 365 * DAY))
        .transpose()?;
    let approval = spec
        .approval
        .as_ref()
        .map(|given| approval(&at.field("approval"), given))
        .transpose()?;
    let windows = Windows::judge(&at.field("windows"), &spec.windows)?;
    let gates = gates::judge(&at.field("gates"), &spec.gates, judges)?;
    if strategy.waves.iter().all(|wave| wave.bake.is_zero())
        && let Some(gate) = gates
            .iter()
            .find(|gate| gate.spec.run_at.contains(&RunAt::DuringBake))
    {
        return Err(at.field("gates").item(&gate.spec.name).field("runAt").refuse(
            "has DuringBake only where a wave of the stage has a bakeTime, and none has one".to_owned(),
        ));
    }
    let opt_in = spec
        .opt_in
        .as_ref()
        .map(|given| {
            span(
                &at.field("optIn").field("deadline"),
                &given.deadline,
                SECOND,
                365 * DAY,
            )
        })
        .transpose()?;
    let policy = spec.failure_policy.clone().unwrap_or_default();
    let FailurePolicySpec {
        on_test_failure,
        on_bake_failure,
        on_error,
        on_deadline,
        rollback_scope,
    } = policy;
    Ok(Stage {
        name: spec.name.clone(),
        environment: spec.environment.clone(),
        on_empty: spec.on_empty.unwrap_or_default(),
        waves: strategy.waves,
        max_concurrency: strategy.max_concurrency,
        target_deadline: strategy.target_deadline,
        max_failures,
        progress_deadline,
        on_test_failure: on_test_failure.unwrap_or(OnFailure::Rollback),
        on_bake_failure: on_bake_failure.unwrap_or(OnFailure::Stop),
        on_error: on_error.unwrap_or(OnError::Retry),
        on_deadline: on_deadline.unwrap_or(OnDeadline::Stop),
        rollback_scope: rollback_scope.unwrap_or_default(),
        approval,
        windows,
        gates,
        opt_in,
    })
}

fn approval(at: &At, spec: &ApprovalSpec) -> Result<Approval, Refusal> {
    let required = between(&at.field("required"), spec.required, 1, 100)?;
    let groups = at.field("groups");
    list(&groups, spec.groups.len(), 0, 32)?;
    for (number, group) in spec.groups.iter().enumerate() {
        one_line(&groups.number(number), group, 256)?;
    }
    unique(&groups, "members", spec.groups.iter().map(String::as_str))?;
    let timeout = match &spec.timeout {
        None => 168 * HOUR,
        Some(given) => span(&at.field("timeout"), given, MINUTE, 365 * DAY)?,
    };
    Ok(Approval {
        required,
        groups: spec.groups.clone(),
        exclude_author: spec.exclude_author.unwrap_or(false),
        timeout,
    })
}
