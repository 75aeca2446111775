//! A promotion in every phase, with the status that the state machine writes there.

use api::EnvironmentPromotion;
use serde_json::{Value, json};

/// What an Approval names in `WaitingApproval`.
pub(crate) const DIGEST: &str = "sha256:d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1";
/// The plan there.
pub(crate) const PLAN: &str = "sha256:a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5";

/// Phases, and two that look like others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The operator has not looked at it.
    Unseen,
    Pending,
    Planned,
    WaitingApproval,
    WaitingWindow,
    /// Paused by a hold.
    Held,
    /// Paused because a gate has no verdict.
    Inconclusive,
    RollingOut,
    /// Rolling out, but about to end.
    Aborting,
    Verifying,
    Baking,
    RollingBack,
    RolledBack,
    Stopped,
    Aborted,
    Succeeded,
}

impl Phase {
    pub(crate) const ALL: &'static [Self] = &[
        Self::Unseen,
        Self::Pending,
        Self::Planned,
        Self::WaitingApproval,
        Self::WaitingWindow,
        Self::Held,
        Self::Inconclusive,
        Self::RollingOut,
        Self::Aborting,
        Self::Verifying,
        Self::Baking,
        Self::RollingBack,
        Self::RolledBack,
        Self::Stopped,
        Self::Aborted,
        Self::Succeeded,
    ];
}

/// A promotion in this phase.
pub(crate) fn object(phase: Phase) -> EnvironmentPromotion {
    changed(phase, |_| {})
}

/// The same with a change of its JSON.
pub(crate) fn changed(phase: Phase, change: impl FnOnce(&mut Value)) -> EnvironmentPromotion {
    let mut object = value(phase);
    change(&mut object);
    serde_json::from_value(object).unwrap()
}

fn revision(name: &str) -> Value {
    let digit = name.chars().nth(9).unwrap();
    json!({"name": name, "hash": format!("sha256:{}", digit.to_string().repeat(64))})
}

fn new() -> Value {
    revision("standard-3f9c2ab41d")
}

fn old() -> Value {
    revision("standard-77aa01c9e2")
}

fn spec_stages() -> Value {
    json!([
        {"name": "dev", "environment": "dev"},
        {
            "name": "prod", "environment": "prod", "maxFailures": "5%", "progressDeadline": "24h",
            "strategy": {"type": "Waves", "maxConcurrency": "33%", "waves": [
                {"name": "one-box", "targets": 1, "bakeTime": "1h"},
                {"name": "rest", "targets": "100%", "bakeTime": "4h"},
            ]},
            "approval": {"required": 2, "groups": ["cloud-platform"], "excludeAuthor": true, "timeout": "168h"},
            "windows": [{"type": "Allow", "schedule": "0 9 * * 1-4", "duration": "6h", "timeZone": "Europe/Berlin"}],
            "gates": [
                {
                    "name": "config-compliant", "runAt": ["AfterWave", "DuringBake"], "type": "Prometheus", "interval": "5m",
                    "prometheus": {"query": "sum(config_noncompliant)", "successCondition": "result[0] == 0.0"},
                },
                {
                    "name": "smoke", "runAt": ["AfterStage"], "type": "HTTP",
                    "http": {"url": "https://checks.example.com/smoke", "successCondition": "result.failed == 0"},
                },
                {
                    "name": "error-rate", "runAt": ["DuringBake"], "type": "Prometheus", "dryRun": true,
                    "prometheus": {"query": "error_rate", "successCondition": "result[0] < 0.01"},
                },
            ],
        },
    ])
}

fn targets(total: i64, updated: i64, progressing: i64) -> Value {
    json!({
        "total": total, "updated": updated, "progressing": progressing, "failed": 0, "pinned": 0, "unreachable": 0,
        "retired": 0,
    })
}

fn wave(name: &str, state: &str) -> Value {
    json!({"name": name, "state": state})
}

/// A wave that has begun: at this hour, done 12 minutes later, baking for an hour.
fn begun(name: &str, state: &str, to: i64, hour: u8) -> Value {
    let mut wave = wave(name, state);
    wave["targets"] = to.into();
    wave["startedAt"] = at(hour, 0);
    if state != "RollingOut" {
        wave["updatedAt"] = at(hour, 12);
    }
    if matches!(state, "Baking" | "Succeeded") {
        wave["bakeStartedAt"] = at(hour, 20);
        wave["bakeEndsAt"] = at(hour + 1, 20);
        wave["revisionHash"] = new()["hash"].clone();
    }
    wave
}

fn at(hour: u8, minute: u8) -> Value {
    format!("2026-09-01T{hour:02}:{minute:02}:00Z").into()
}

fn gate(name: &str, run_at: &str, wave: Option<&str>, verdict: Option<&str>) -> Value {
    let mut gate = json!({
        "name": name, "runAt": run_at, "run": 1, "revisionHash": new()["hash"], "startedAt": at(9, 12), "count": 3,
        "successes": 3, "lastAt": at(9, 35), "message": "result is [0]",
    });
    if let Some(wave) = wave {
        gate["wave"] = wave.into();
    }
    if let Some(verdict) = verdict {
        gate["verdict"] = verdict.into();
    }
    gate
}

fn approval(by: &str, name: &str, minute: u8) -> Value {
    json!({"name": name, "by": by, "group": "cloud-platform", "at": at(8, minute), "decision": "Approve"})
}

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({
        "type": kind, "status": status, "reason": reason, "message": message, "observedGeneration": 7,
        "lastTransitionTime": at(9, 0),
    })
}

/// Ready and what goes with it.
fn say(status: &mut Value, phase: &str, reason: &str, standing: &str, message: &str) {
    let ready = if standing == "Ready" { "True" } else { "False" };
    let mut conditions = vec![condition("Ready", ready, reason, message)];
    match standing {
        "Waiting" => {
            conditions.push(condition("Reconciling", "True", reason, message));
            conditions.push(condition("Waiting", "True", reason, message));
        }
        "Ready" => {}
        other => conditions.push(condition(other, "True", reason, message)),
    }
    conditions.push(condition(
        "Accepted",
        "True",
        "Accepted",
        "standard-3f9c2ab41d can be promoted",
    ));
    status["phase"] = phase.into();
    status["message"] = message.into();
    status["conditions"] = conditions.into();
}

/// The attempt has passed dev and is at prod, which has not started.
fn at_prod() -> Value {
    json!({
        "observedGeneration": 7, "stage": "prod", "targetRevision": new(), "stableRevision": old(),
        "attempt": {
            "id": "a-13", "startedAt": at(8, 0), "requestedBy": "bob", "specSnapshotHash": "sha256:5", "stages": spec_stages(),
        },
        "stages": [
            {
                "name": "dev", "environment": "dev", "state": "Succeeded", "currentRevision": new(), "startedAt": at(8, 0),
                "targets": targets(3, 3, 0), "waves": [{
                    "name": "all", "state": "Succeeded", "targets": 3, "startedAt": at(8, 0), "updatedAt": at(8, 10),
                }],
            },
            {
                "name": "prod", "environment": "prod", "state": "WaitingApproval", "currentRevision": old(),
                "enteredAt": at(8, 11), "approvalSince": at(8, 11),
                "waves": [wave("one-box", "Pending"), wave("rest", "Pending")],
                "approvals": [approval("alice", "org-guardrails-x7k2p", 30)],
            },
            // What the status keeps of an environment that no stage is about any more.
            {"name": "lab", "environment": "lab", "state": "Pending", "currentRevision": old()},
        ],
        "plan": {
            "stage": "prod", "digest": PLAN, "computedAt": at(8, 11), "changed": 38, "unchanged": 2,
            "summary": "+1 SCP statement",
        },
        "history": [{
            "attempt": "a-12", "revision": "standard-77aa01c9e2", "result": "Succeeded", "reason": "Promoted",
            "approvedBy": ["prod: alice, dave"], "startedAt": "2026-08-24T08:00:00Z",
            "finishedAt": "2026-08-25T10:00:00Z",
        }],
    })
}

/// The attempt rolls the first wave of prod out.
fn in_prod(state: &str, wave_state: &str) -> Value {
    let mut status = at_prod();
    status["wave"] = "one-box".into();
    status["updated"] = "1/40".into();
    let prod = &mut status["stages"][1];
    prod["state"] = state.into();
    prod["startedAt"] = at(9, 0);
    prod["concurrency"] = 3.into();
    prod["targets"] = targets(40, 1, 0);
    prod["approvals"] = json!([
        approval("alice", "org-guardrails-x7k2p", 30),
        approval("carol", "org-guardrails-q9w4z", 45),
    ]);
    prod["waves"][0] = begun("one-box", wave_state, 1, 9);
    status
}

/// The attempt has ended at prod.
fn ended(result: &str, reason: &str, stage: &str, message: &str) -> Value {
    let mut status = in_prod(stage, "Failed");
    status["attempt"]["outcome"] =
        json!({"result": result, "reason": reason, "message": message, "at": at(10, 0)});
    status.as_object_mut().unwrap().remove("plan");
    let entry = json!({
        "attempt": "a-13", "revision": "standard-3f9c2ab41d", "result": result, "reason": reason, "stage": "prod",
        "approvedBy": ["prod: alice, carol"], "startedAt": at(8, 0), "finishedAt": at(10, 0),
    });
    status["history"].as_array_mut().unwrap().insert(0, entry);
    if result != "Succeeded" {
        status["rejected"] =
            json!([{"hash": new()["hash"], "attempt": "a-13", "reason": reason, "at": at(10, 0)}]);
        say(&mut status, result, reason, "Stalled", message);
    }
    status
}

fn value(phase: Phase) -> Value {
    let mut object = json!({
        "apiVersion": "bulkhead.dev/v1alpha1", "kind": "EnvironmentPromotion",
        "metadata": {
            "name": "org-guardrails", "uid": "0", "generation": 7, "resourceVersion": "4711",
            "creationTimestamp": "2026-06-01T00:00:00Z",
        },
        "spec": {
            "baselineRef": {"name": "standard"}, "revision": "standard-3f9c2ab41d", "stages": spec_stages(),
        },
    });
    let status = match phase {
        Phase::Held => {
            object["metadata"]["annotations"] = json!({"bulkhead.dev/hold": "incident 42"});
            waiting(phase)
        }
        Phase::Planned => {
            object["spec"]["dryRun"] = true.into();
            idle(phase)
        }
        Phase::Unseen | Phase::Pending => idle(phase),
        Phase::WaitingApproval | Phase::WaitingWindow | Phase::Inconclusive => waiting(phase),
        Phase::RollingOut | Phase::Aborting | Phase::Verifying | Phase::Baking | Phase::RollingBack => {
            working(phase)
        }
        Phase::RolledBack | Phase::Stopped | Phase::Aborted | Phase::Succeeded => over(phase),
    };
    object["status"] = status;
    object
}

/// No attempt has begun.
fn idle(phase: Phase) -> Value {
    let mut status = json!({"observedGeneration": 7});
    match phase {
        Phase::Pending => say(
            &mut status,
            "Pending",
            "RevisionNotFound",
            "Reconciling",
            "there is no BaselineRevision standard-3f9c2ab41d yet",
        ),
        Phase::Planned => {
            let message = "standard-3f9c2ab41d: 41 accounts would change; dev: +1 SCP statement";
            say(&mut status, "Planned", "Planned", "Ready", message);
            status["plan"] = json!({
                "stage": "dev", "digest": PLAN, "computedAt": at(8, 0), "changed": 41, "unchanged": 2,
                "summary": "dev: +1 SCP statement; prod: +1 SCP statement",
            });
        }
        _ => status["observedGeneration"] = (-1).into(),
    }
    status
}

fn waiting(phase: Phase) -> Value {
    if phase == Phase::Inconclusive {
        let mut status = in_prod("Baking", "Baking");
        status["stages"][1]["gates"] = json!([gate(
            "config-compliant",
            "DuringBake",
            Some("one-box"),
            Some("Inconclusive")
        ),]);
        status["stages"][1]["gates"][0]["inconclusive"] = 1.into();
        status["stages"][1]["gates"][0]["message"] = "the query gives no value".into();
        status["pause"] = json!({"reason": "Inconclusive", "since": at(9, 36)});
        let message = "prod/one-box: gate config-compliant has no verdict: the query gives no value; \
            bulkhead.dev/reverify or bulkhead.dev/abort goes on";
        say(&mut status, "Paused", "Inconclusive", "Waiting", message);
        return status;
    }
    let mut status = at_prod();
    if phase == Phase::WaitingApproval {
        status["awaiting"] = json!([{
            "action": "Promotion", "digest": DIGEST,
            "summary": "standard-3f9c2ab41d enters prod; 38 accounts change: +1 SCP statement",
        }]);
        let message = "prod: 1 of 2 approvals of cloud-platform missing";
        say(
            &mut status,
            "WaitingApproval",
            "AwaitingApproval",
            "Waiting",
            message,
        );
        status["pause"] = json!({"reason": "AwaitingApproval", "since": at(8, 11)});
        return status;
    }
    let prod = &mut status["stages"][1];
    prod["approvals"] = json!([
        approval("alice", "org-guardrails-x7k2p", 30),
        approval("carol", "org-guardrails-q9w4z", 45),
    ]);
    prod.as_object_mut().unwrap().remove("approvalSince");
    if phase == Phase::WaitingWindow {
        prod["state"] = "WaitingWindow".into();
        status["window"] = json!({
            "closed": true, "reason": "no Allow window is open", "nextOpen": "2026-09-02T07:00:00Z",
        });
        let message = "prod: no Allow window is open; opens at 2026-09-02T07:00:00Z";
        say(&mut status, "WaitingWindow", "WindowClosed", "Waiting", message);
        status["pause"] = json!({"reason": "WindowClosed", "since": at(8, 45)});
    } else {
        prod["state"] = "Pending".into();
        let message = "prod: held by the annotation bulkhead.dev/hold: incident 42";
        say(&mut status, "Paused", "Suspended", "Waiting", message);
        status["pause"] = json!({"reason": "Suspended", "since": at(8, 45)});
    }
    status
}

fn working(phase: Phase) -> Value {
    match phase {
        Phase::RollingOut | Phase::Aborting => {
            let mut status = in_prod("RollingOut", "RollingOut");
            status["stages"][1]["targets"] = targets(40, 0, 1);
            status["updated"] = "0/40".into();
            let mut message =
                "prod/one-box: 0 of 1 accounts have the revision, 1 are changing, at most 3 at once"
                    .to_owned();
            if phase == Phase::Aborting {
                let ending = "prod: a person ended attempt a-13; every account stays with what it has";
                status["attempt"]["ending"] = json!({"result": "Aborted", "message": ending});
                message = format!("prod/one-box: takes no more accounts; 1 finish; {ending}");
            }
            say(&mut status, "RollingOut", "RollingOut", "Reconciling", &message);
            status["window"] = json!({"closed": false, "nextClose": at(13, 0)});
            status
        }
        Phase::Verifying => {
            let mut status = in_prod("Verifying", "Verifying");
            let mut run = gate("config-compliant", "AfterWave", Some("one-box"), None);
            run["count"] = 1.into();
            run["consecutiveErrors"] = 1.into();
            run["lastAt"] = at(9, 13);
            run["message"] = "connection refused".into();
            status["stages"][1]["gates"] = json!([run]);
            let message = "prod/one-box: gates run: config-compliant";
            say(&mut status, "Verifying", "Verifying", "Reconciling", message);
            status
        }
        Phase::Baking => {
            let mut status = in_prod("Baking", "Baking");
            let mut shown = gate("error-rate", "DuringBake", Some("one-box"), Some("Failed"));
            shown["failures"] = 1.into();
            shown["dryRun"] = true.into();
            shown["message"] = "result is [0.02]".into();
            status["stages"][1]["gates"] = json!([
                gate("config-compliant", "DuringBake", Some("one-box"), None),
                shown,
            ]);
            status["bakeEnds"] = at(10, 20);
            status["pause"] = json!({"totalPausedSeconds": 2940});
            say(
                &mut status,
                "Baking",
                "Baking",
                "Reconciling",
                "prod/one-box: baking until 2026-09-01T10:20:00Z",
            );
            status
        }
        _ => {
            let mut status = in_prod("RollingBack", "Failed");
            let message = "prod/one-box: gate config-compliant failed: result is [2]";
            status["stages"][1]["reason"] = "TestFailed".into();
            status["stages"][1]["message"] = message.into();
            let mut run = gate("config-compliant", "AfterWave", Some("one-box"), Some("Failed"));
            run["failures"] = 1.into();
            run["message"] = "result is [2]".into();
            status["stages"][1]["gates"] = json!([run]);
            let message = format!(
                "prod/one-box: back to standard-77aa01c9e2: 1 accounts still to go, 1 are changing; {message}"
            );
            say(&mut status, "RollingBack", "RollingBack", "Reconciling", &message);
            status
        }
    }
}

fn over(phase: Phase) -> Value {
    match phase {
        Phase::RolledBack => {
            let message = "prod/one-box: gate config-compliant failed: result is [2]; every account is back";
            let mut status = ended("RolledBack", "RolledBack", "RolledBack", message);
            status["stages"][1]["reason"] = "TestFailed".into();
            status
        }
        Phase::Stopped => {
            let message = "prod/one-box: gate config-compliant failed: result is [2]";
            ended("Stopped", "BakeFailed", "Failed", message)
        }
        Phase::Aborted => {
            let message = "prod: a person ended attempt a-13; every account stays with what it has";
            ended("Aborted", "Aborted", "Failed", message)
        }
        _ => {
            let message = "standard-3f9c2ab41d passed dev, prod";
            let mut status = ended("Succeeded", "Promoted", "Succeeded", message);
            status["stableRevision"] = new();
            for field in ["stage", "wave", "updated"] {
                status.as_object_mut().unwrap().remove(field);
            }
            let prod = &mut status["stages"][1];
            prod["currentRevision"] = new();
            prod["targets"] = targets(40, 40, 0);
            prod["waves"] = json!([
                begun("one-box", "Succeeded", 1, 9),
                begun("rest", "Succeeded", 40, 11)
            ]);
            prod["gates"] = json!([
                gate("config-compliant", "DuringBake", Some("rest"), Some("Passing")),
                gate("smoke", "AfterStage", None, Some("Passing")),
            ]);
            status["history"][0]["finishedAt"] = at(13, 0);
            status["history"][0].as_object_mut().unwrap().remove("stage");
            status["attempt"]["outcome"]["at"] = at(13, 0);
            say(&mut status, "Succeeded", "Promoted", "Ready", message);
            status
        }
    }
}
