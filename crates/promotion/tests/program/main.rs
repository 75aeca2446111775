//! What people write about stages: what runs when it is right, and what they are told when it is not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail like tests"
)]

mod every;
mod refusals;
mod shares;
mod stages;
mod windows;

use promotion::{Program, Refusal, Stage, StageSpec};
use serde_json::{Value, json};

/// A stage that says everything.
fn full() -> Value {
    json!({
        "name": "prod",
        "environment": "prod",
        "onEmpty": "Skip",
        "strategy": {
            "type": "Waves",
            "waves": [
                {"name": "one-box", "targets": 1, "bakeTime": "1h"},
                {"name": "ten-percent", "targets": "10%", "bakeTime": "12h"},
                {"name": "rest", "targets": "100%"},
            ],
            "maxConcurrency": "33%",
            "targetDeadline": "20m",
        },
        "maxFailures": "5%",
        "progressDeadline": "48h",
        "failurePolicy": {
            "onTestFailure": "Stop", "onBakeFailure": "Rollback", "onError": "Stop", "onDeadline": "Rollback",
            "rollbackScope": "Wave",
        },
        "approval": {"required": 2, "groups": ["cloud-platform"], "excludeAuthor": true, "timeout": "24h"},
        "windows": [
            {"type": "Deny", "schedule": "0 0 20 12 *", "duration": "336h", "timeZone": "Europe/Berlin"},
            {"type": "Allow", "schedule": "0 9 * * 1-4", "duration": "6h"},
        ],
        "gates": [
            {
                "name": "compliant", "runAt": ["AfterWave", "DuringBake"], "type": "Prometheus",
                "prometheus": {
                    "address": "http://prometheus.monitoring.svc:9090", "query": "up",
                    "successCondition": "result[0] == 0", "failureCondition": "result[0] > 9", "timeout": "5s",
                },
                "interval": "5m", "initialDelay": "2m", "count": 3, "failureLimit": 1, "inconclusiveLimit": 2,
                "consecutiveErrorLimit": 3, "dryRun": true,
            },
            {
                "name": "synthetic", "runAt": ["AfterStage"], "type": "HTTP",
                "http": {
                    "url": "https://tests.example.com/run?env=prod", "method": "POST", "headersSecret": "tests.token",
                    "jsonPath": "{.ok}", "successCondition": "result",
                },
            },
            {
                "name": "billing", "runAt": ["BeforeStage"], "type": "Condition",
                "condition": {"type": "example.com/Billing", "status": "False"},
            },
            {
                "name": "probe", "runAt": ["AfterWave"], "type": "Job",
                "job": {"template": {
                    "metadata": {"labels": {"app": "probe"}},
                    "spec": {"template": {"spec": {"containers": [{"name": "probe", "image": "probe:1"}]}}},
                }},
            },
        ],
        "optIn": {"deadline": "720h"},
    })
}

fn hosts() -> Vec<String> {
    ["prometheus.monitoring.svc:9090", "*.example.com"]
        .map(str::to_owned)
        .to_vec()
}

fn judge(stages: Value) -> Result<Program, Refusal> {
    let stages: Vec<StageSpec> = serde_json::from_value(stages).expect("the shape of stages");
    let judged = Program::judge(&stages, &hosts());
    let all = Program::refusals(&stages, &hosts(), &|_| Ok(()), &|_| Ok(()));
    match &judged {
        Ok(_) => assert_eq!(all, []),
        Err(first) => assert!(all.contains(first), "{first} is not in {all:?}"),
    }
    judged
}

fn one(stage: &Value) -> Stage {
    judge(json!([stage])).expect("a valid stage").stages.remove(0)
}

/// `full`, or any other value, with what stands at this pointer replaced or added; null takes it away.
fn with(mut whole: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    match whole.pointer_mut(parent).expect("its parent") {
        Value::Object(fields) if value.is_null() => drop(fields.remove(key)),
        Value::Object(fields) => drop(fields.insert(key.to_owned(), value)),
        Value::Array(members) => members[key.parse::<usize>().expect("a number")] = value,
        other => panic!("{other} has no members"),
    }
    whole
}
