//! The stored state is the status, field for field; the stages as written are the stages of the machine. Both are carried
//! over as JSON, whose shapes a test compares.

use crate::status::{Conditions, Truth};
use api::{
    EnvironmentPromotion, EnvironmentPromotionStatus,
    conditions::{READY, RECONCILING, STALLED, WAITING},
};
use jiff::Timestamp;
use promotion::{Spec, StageStep, State, Step};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// An attempt keeps this many of those before it by default.
const HISTORY: usize = 10;

fn carry<T: DeserializeOwned>(from: &impl Serialize) -> Result<T, String> {
    let value = serde_json::to_value(from).map_err(|error| error.to_string())?;
    serde_json::from_value(value).map_err(|error| error.to_string())
}

/// What people ask for, and what is stored.
pub(crate) struct Written {
    pub(crate) spec: Spec,
    pub(crate) state: State,
}

/// Reads an object; an error names what cannot be understood, and then nothing is done for it.
pub(crate) fn state(object: &EnvironmentPromotion) -> Result<Written, String> {
    let state = match &object.status {
        Some(status) => carry(status).map_err(|error| format!("status: {error}"))?,
        None => State::default(),
    };
    let spec = spec(object).map_err(|(path, error)| format!("{path}: {error}"))?;
    Ok(Written { spec, state })
}

/// What people ask for; an error names the field that cannot be understood.
pub fn spec(object: &EnvironmentPromotion) -> Result<Spec, (&'static str, String)> {
    let spec = &object.spec;
    let revision = spec
        .revision
        .as_deref()
        .map(model::RevisionName::parse)
        .transpose();
    Ok(Spec {
        baseline: spec.baseline_ref.name.clone(),
        revision: revision.map_err(|error| ("spec.revision", error.to_string()))?,
        revision_policy: match spec.revision_policy.unwrap_or_default() {
            api::PromotionRevisionPolicy::Manual => promotion::RevisionPolicy::Manual,
            api::PromotionRevisionPolicy::Automatic => promotion::RevisionPolicy::Automatic,
        },
        suspend: spec.suspend.unwrap_or(false),
        supersede: match spec.supersede.unwrap_or_default() {
            api::Supersede::BetweenStages => promotion::Supersede::BetweenStages,
            api::Supersede::Immediately => promotion::Supersede::Immediately,
            api::Supersede::Never => promotion::Supersede::Never,
        },
        history_limit: spec
            .history_limit
            .and_then(|limit| usize::try_from(limit).ok())
            .unwrap_or(HISTORY),
        dry_run: spec.dry_run.unwrap_or(false),
        stages: carry(&spec.stages).map_err(|error| ("spec.stages", error))?,
    })
}

/// The status that says what the machine said.
pub(crate) fn status(
    object: &EnvironmentPromotion,
    step: &Step,
    now: Timestamp,
) -> Result<EnvironmentPromotionStatus, String> {
    let prior = object
        .status
        .as_ref()
        .map_or(&[][..], |status| &status.conditions);
    let generation = object.metadata.generation;
    let mut conditions = Conditions::new(prior, generation, now);
    let word = |why: promotion::Why| why.as_str();
    match step.standing {
        promotion::Standing::Ready(why) => conditions.ready(word(why), &step.message),
        promotion::Standing::Working(why) => conditions.working(word(why), &step.message, false),
        promotion::Standing::Waiting(why) => conditions.working(word(why), &step.message, true),
        promotion::Standing::Stalled(why) => conditions.stalled(word(why), &step.message),
    }
    for fact in &step.conditions {
        let truth = match fact.status {
            Some(true) => Truth::True,
            Some(false) => Truth::False,
            None => Truth::Unknown,
        };
        conditions.say(fact.type_, truth, word(fact.why), &fact.message);
    }
    let mut value = serde_json::to_value(&step.state).map_err(|error| error.to_string())?;
    let at = at_hand(&step.state);
    if let Value::Object(fields) = &mut value {
        fields.insert("observedGeneration".into(), json!(generation));
        fields.insert("phase".into(), json!(step.phase.to_string()));
        fields.insert("message".into(), json!(step.message));
        fields.insert("conditions".into(), json!(conditions.build()));
        for (name, text) in at {
            fields.insert(name.into(), json!(text));
        }
    }
    serde_json::from_value(value).map_err(|error| error.to_string())
}

/// What is said where Kubernetes accepts no status of what the machine said: the state stays as it is stored, which was
/// accepted once, and nothing follows from what is not.
pub(crate) fn refused(
    object: &EnvironmentPromotion,
    why: &str,
    now: Timestamp,
) -> EnvironmentPromotionStatus {
    let message = format!(
        "Kubernetes accepts no status of the next step, so it is not taken: {why}; make the spec smaller (templates of Jobs, \
         gates) or correct it; a change of the spec or an annotation makes Bulkhead try again"
    );
    stands_still(object, promotion::Why::InternalError.as_str(), &message, now)
}

/// No step is taken: the state stays as it is stored, and the conditions say why.
pub(crate) fn stands_still(
    object: &EnvironmentPromotion,
    reason: &str,
    message: &str,
    now: Timestamp,
) -> EnvironmentPromotionStatus {
    let mut status = object.status.clone().unwrap_or_default();
    let generation = object.metadata.generation;
    let kept: Vec<&str> = status
        .conditions
        .iter()
        .map(|condition| condition.type_.as_str())
        .filter(|type_| ![READY, RECONCILING, WAITING, STALLED].contains(type_))
        .collect();
    let mut conditions = Conditions::new(&status.conditions, generation, now);
    conditions.stalled(reason, message);
    conditions.keep(&kept);
    let conditions = conditions.build();
    status.observed_generation = generation;
    status.message = conditions.first().map(|condition| condition.message.clone());
    status.conditions = conditions;
    status
}

/// What the printer columns show.
fn at_hand(state: &State) -> Vec<(&'static str, String)> {
    if state.attempt.is_none() {
        return Vec::new();
    }
    let done = |step: StageStep| {
        matches!(
            step,
            StageStep::Succeeded | StageStep::Skipped | StageStep::Pending
        )
    };
    let stage = state.stages.iter().find(|stage| !done(stage.state));
    let Some(stage) = stage else { return Vec::new() };
    let mut shown = vec![("stage", stage.name.clone())];
    if stage.started_at.is_some() {
        shown.push((
            "updated",
            format!("{}/{}", stage.targets.updated, stage.targets.total),
        ));
    }
    let begun = stage.waves.iter().rev().find(|wave| wave.started_at.is_some());
    if let Some(wave) = begun {
        shown.push(("wave", wave.name.clone()));
        if stage.state == StageStep::Baking
            && let Some(ends) = wave.bake_ends_at
        {
            shown.push(("bakeEnds", crate::status::whole_second(ends).to_string()));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{AccountId, Revision, RevisionHash, RevisionName};
    use promotion::{
        ApprovalState, Attempt, AttemptResult, Awaiting, Changing, Ending, GateState, HistoryEntry,
        LastHandled, Outcome, Pause, PlanState, Rejected, RunAt, StageState, Targets, Verdict, WaveState,
        WaveStep, WindowState,
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }
    fn hash() -> RevisionHash {
        RevisionHash::parse(&format!("sha256:{}", "0123456789abcdef".repeat(4))).unwrap()
    }
    fn revision() -> Revision {
        Revision::new("standard", hash()).unwrap()
    }
    fn name() -> RevisionName {
        revision().name
    }
    fn stages() -> Value {
        json!([{
            "name": "prod", "environment": "prod", "onEmpty": "Skip",
            "strategy": {
                "type": "Waves", "maxConcurrency": "33%", "targetDeadline": "15m",
                "waves": [{"name": "one-box", "targets": 1, "bakeTime": "1h"}, {"name": "rest", "targets": "100%"}],
            },
            "maxFailures": 2, "progressDeadline": "2h",
            "failurePolicy": {"onTestFailure": "Stop", "onBakeFailure": "Rollback", "onError": "Stop",
                "onDeadline": "Rollback", "rollbackScope": "Wave"},
            "approval": {"required": 2, "groups": ["g"], "excludeAuthor": true, "timeout": "24h"},
            "windows": [{"type": "Deny", "schedule": "0 0 20 12 *", "duration": "336h", "timeZone": "Europe/Berlin"}],
            "gates": [
                {"name": "c", "runAt": ["BeforeStage"], "type": "Condition", "condition": {"type": "Ready", "status": "True"}},
                {"name": "p", "runAt": ["AfterWave", "DuringBake"], "type": "Prometheus", "interval": "1m", "initialDelay": "2m",
                    "count": 3, "failureLimit": 1, "inconclusiveLimit": 1, "consecutiveErrorLimit": 2, "dryRun": true,
                    "prometheus": {"address": "https://p", "query": "q", "successCondition": "s", "failureCondition": "f",
                        "timeout": "5s"}},
                {"name": "h", "runAt": ["AfterStage"], "type": "HTTP", "http": {"url": "https://h", "method": "POST",
                    "headersSecret": "s", "jsonPath": "$.x", "successCondition": "s", "failureCondition": "f",
                    "timeout": "5s"}},
                {"name": "j", "runAt": ["AfterStage"], "type": "Job", "job": {"template": {"spec": {"a": [1]}}}},
            ],
            "optIn": {"deadline": "336h"},
        }])
    }

    /// Every field of the state has a value; a new one does not compile here until it has one.
    fn full() -> State {
        State {
            target_revision: Some(revision()),
            stable_revision: Some(revision()),
            rejected: vec![Rejected {
                hash: hash(),
                attempt: "a-1".into(),
                reason: "TestFailed".into(),
                at: at(0),
            }],
            attempt: Some(Attempt {
                id: "a-2".into(),
                started_at: at(1),
                requested_by: Some("bob".into()),
                spec_snapshot_hash: "sha256:0".into(),
                stages: serde_json::from_value(stages()).unwrap(),
                ending: Some(Ending {
                    result: AttemptResult::Aborted,
                    message: "m".into(),
                }),
                outcome: Some(Outcome {
                    result: AttemptResult::Stopped,
                    reason: "BakeFailed".into(),
                    message: "m".into(),
                    at: at(2),
                }),
            }),
            window: Some(WindowState {
                closed: true,
                reason: Some("r".into()),
                next_open: Some(at(3)),
                next_close: Some(at(4)),
            }),
            pause: Some(Pause {
                reason: Some("Suspended".into()),
                since: Some(at(5)),
                total_paused_seconds: 6,
            }),
            stages: vec![StageState {
                name: "prod".into(),
                environment: "prod".into(),
                state: StageStep::Baking,
                current_revision: Some(revision()),
                current_since: Some(at(7)),
                previous_revision: Some(name()),
                entered_at: Some(at(8)),
                approval_since: Some(at(9)),
                cleared: true,
                started_at: Some(at(10)),
                targets: Targets {
                    total: 1,
                    updated: 2,
                    progressing: 3,
                    failed: 4,
                    pinned: 5,
                    unreachable: 6,
                    retired: 7,
                },
                concurrency: Some(8),
                targets_snapshot_hash: Some("sha256:1".into()),
                members: vec![AccountId::parse("123456789012").unwrap()],
                changing: vec![Changing {
                    since: at(11),
                    accounts: vec![AccountId::parse("123456789012").unwrap()],
                }],
                left: vec![hash()],
                waves: vec![WaveState {
                    name: "one-box".into(),
                    state: WaveStep::Baking,
                    targets: 1,
                    started_at: Some(at(12)),
                    updated_at: Some(at(13)),
                    bake_started_at: Some(at(14)),
                    bake_ends_at: Some(at(15)),
                    revision_hash: Some(hash()),
                }],
                gates: vec![GateState {
                    name: "p".into(),
                    run_at: RunAt::DuringBake,
                    wave: Some("one-box".into()),
                    run: 1,
                    revision_hash: hash(),
                    verdict: Some(Verdict::Inconclusive),
                    dry_run: true,
                    started_at: at(16),
                    count: 5,
                    successes: 1,
                    failures: 1,
                    inconclusive: 1,
                    consecutive_errors: 2,
                    last_at: Some(at(17)),
                    message: Some("m".into()),
                }],
                approvals: vec![ApprovalState {
                    name: "x".into(),
                    by: "alice".into(),
                    group: Some("g".into()),
                    at: at(18),
                    decision: "Approve".into(),
                }],
                plan_digest: Some("sha256:2".into()),
                reason: Some("TestFailed".into()),
                message: Some("m".into()),
            }],
            plan: Some(PlanState {
                stage: "prod".into(),
                digest: "sha256:3".into(),
                computed_at: at(19),
                changed: 1,
                unchanged: 2,
                summary: "s".into(),
            }),
            last_handled: LastHandled {
                reconcile: Some("1".into()),
                abort: Some("2".into()),
                retry: Some("3".into()),
                reverify: Some("4".into()),
                skip_bake: Some("5".into()),
            },
            history: vec![HistoryEntry {
                attempt: "a-1".into(),
                revision: name(),
                result: AttemptResult::RolledBack,
                reason: "TestFailed".into(),
                stage: Some("stage".into()),
                approved_by: vec!["prod: alice".into()],
                started_at: at(20),
                finished_at: at(21),
            }],
            awaiting: vec![Awaiting {
                action: "Promotion".into(),
                digest: "sha256:4".into(),
                summary: "s".into(),
            }],
        }
    }

    #[test]
    fn nothing_of_the_state_is_lost_on_its_way_through_the_status() {
        let state = full();
        let status: EnvironmentPromotionStatus = carry(&state).unwrap();
        let back: State = carry(&status).unwrap();
        assert_eq!(back, state);
        assert_eq!(
            serde_json::to_value(&status).unwrap(),
            serde_json::to_value(&state).unwrap()
        );
    }

    #[test]
    fn stages_are_understood_as_they_are_written() {
        let spec: api::EnvironmentPromotionSpec =
            serde_json::from_value(json!({"baselineRef": {"name": "standard"}, "stages": stages()})).unwrap();
        let carried: Vec<promotion::StageSpec> = carry(&spec.stages).unwrap();
        assert_eq!(serde_json::to_value(&carried).unwrap(), stages());
        assert_eq!(serde_json::to_value(&spec.stages).unwrap(), stages());
    }

    #[test]
    fn a_step_that_kubernetes_does_not_accept_is_told_and_what_is_stored_stays() {
        let condition = |type_: &str| {
            json!({
                "type": type_, "status": "True", "reason": "R", "message": "m", "observedGeneration": 1,
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            })
        };
        let mut stored = serde_json::to_value(full()).unwrap();
        stored["conditions"] = json!([condition("Reconciling"), condition("Accepted")]);
        let mut object: EnvironmentPromotion = serde_json::from_value(json!({
            "apiVersion": "bulkhead.dev/v1alpha1", "kind": "EnvironmentPromotion",
            "metadata": {"name": "standard", "generation": 2},
            "spec": {"baselineRef": {"name": "standard"}, "stages": stages()}, "status": stored,
        }))
        .unwrap();
        let status = refused(&object, &"etcdserver: request is too large".repeat(100), at(0));
        let types: Vec<&str> = status.conditions.iter().map(|c| c.type_.as_str()).collect();
        assert_eq!(types, ["Ready", "Stalled", "Accepted"]);
        assert_eq!(status.conditions[1].reason, "InternalError");
        let message = status.message.clone().unwrap();
        assert!(
            message.contains("too large") && message.len() <= 1024,
            "{message}"
        );
        assert_eq!(status.observed_generation, Some(2));
        object.status = Some(status.clone());
        assert_eq!(state(&object).unwrap().state, full());
        assert_eq!(
            refused(&object, &"etcdserver: request is too large".repeat(100), at(9)),
            status
        );
        object.status = None;
        let fresh = refused(&object, "no", at(0));
        assert!(fresh.stages.is_empty() && fresh.attempt.is_none() && fresh.conditions.len() == 2);
    }
}
