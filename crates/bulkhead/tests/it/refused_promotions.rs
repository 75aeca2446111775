//! Promotions that cannot be: told on the object with the path, the rule and the value, and no account is touched; and the
//! attempt under way keeps the stages that it began with.

use serde_json::{Value, json};

use crate::{
    aws::Aws,
    cluster::{ACCOUNTS, Cluster, Object},
    guarded::attentive,
    manifests::{account, baseline, namespace, with},
    wait::{equal, eventually},
};

const PROMOTION: &str = "/apis/bulkhead.dev/v1alpha1/environmentpromotions/travel";

/// A promotion that is refused: what is wrong, the reason, and words of the message.
struct Refused {
    what: &'static str,
    object: Value,
    reason: &'static str,
    words: &'static [&'static str],
}

/// `dev` with three accounts and `prod` without any, of Baseline `standard`.
fn promotion() -> Value {
    json!({
        "apiVersion": "bulkhead.dev/v1alpha1", "kind": "EnvironmentPromotion", "metadata": {"name": "travel"},
        "spec": {
            "baselineRef": {"name": "standard"}, "revisionPolicy": "Automatic", "suspend": true,
            "stages": [{"name": "dev", "environment": "dev"}],
        },
    })
}

fn dev(field: &str, value: Value) -> Value {
    with(promotion(), &format!("/spec/stages/0/{field}"), value)
}

#[expect(clippy::needless_pass_by_value, reason = "each caller makes it for this")]
fn waves(waves: Value) -> Value {
    dev("strategy", json!({"type": "Waves", "waves": waves}))
}

fn window(schedule: &str, zone: &str) -> Value {
    dev(
        "windows",
        json!([{"type": "Allow", "schedule": schedule, "duration": "6h", "timeZone": zone}]),
    )
}

fn cases() -> Vec<Refused> {
    let gate = json!({
        "name": "answers", "runAt": ["AfterStage"], "type": "HTTP",
        "http": {"url": "https://elsewhere.example.net/health", "jsonPath": "$.ok", "successCondition": "result == true"},
    });
    let pod = json!({
        "containers": [{"name": "test", "image": "registry.example.com/smoke-test:1"}],
        "volumes": [{"name": "machine", "hostPath": {"path": "/"}}],
    });
    let job = json!({
        "name": "smoke", "runAt": ["AfterStage"], "type": "Job",
        "job": {"template": {"spec": {"template": {"spec": pod}}}},
    });
    vec![
        Refused {
            what: "an unknown environment",
            object: dev("environment", json!("development")),
            reason: "TargetNotFound",
            words: &["spec.stages[dev].environment", "standard", "development"],
        },
        Refused {
            what: "waves that do not reach all",
            object: waves(json!([{"name": "one", "targets": 1}, {"name": "half", "targets": "50%"}])),
            reason: "Invalid",
            words: &["spec.stages[dev].strategy.waves", "100", "50%"],
        },
        Refused {
            what: "waves that shrink",
            object: waves(json!([
                {"name": "most", "targets": "80%"}, {"name": "few", "targets": "20%"}, {"name": "all", "targets": "100%"},
            ])),
            reason: "Invalid",
            words: &["spec.stages[dev].strategy.waves", "20%", "80%"],
        },
        Refused {
            what: "a schedule that nobody can read",
            object: window("0 25 * * *", "Europe/Berlin"),
            reason: "Invalid",
            words: &["spec.stages[dev].windows[0].schedule", "25"],
        },
        Refused {
            what: "a zone that is none",
            object: window("0 9 * * *", "Europe/Bonn"),
            reason: "Invalid",
            words: &["spec.stages[dev].windows[0].timeZone", "Europe/Bonn"],
        },
        Refused {
            what: "a host that gates may not ask",
            object: dev("gates", json!([gate])),
            reason: "Invalid",
            words: &[
                "spec.stages[dev].gates[answers].http.url",
                "gates.allowedHosts",
                "elsewhere.example.net",
            ],
        },
        Refused {
            what: "a Job that reaches the machine it runs on",
            object: dev("gates", json!([job])),
            reason: "Invalid",
            words: &["spec.stages[dev].gates[smoke].job.template", "hostPath"],
        },
    ]
}

fn is_refused(cluster: &Cluster, case: &Refused) {
    let applied = cluster.kubectl_with(&["apply", "-f", "-"], &case.object);
    if applied.status != Some(0) {
        // What can be judged from the object alone may be refused at once, by a rule that does not show the value.
        for word in ["spec.stages", case.words[1]] {
            assert!(applied.stderr.contains(word), "{}: {applied:?}", case.what);
        }
        return;
    }
    eventually(&format!("{} is refused", case.what), 20, || {
        let object = Object(cluster.get(PROMOTION).unwrap());
        equal(
            &object.0["status"]["observedGeneration"],
            &object.0["metadata"]["generation"],
        )?;
        for type_ in ["Accepted", "Ready"] {
            let condition = object.condition(type_).unwrap_or_default();
            equal(
                &(&condition["status"], &condition["reason"]),
                &(&json!("False"), &json!(case.reason)),
            )
            .map_err(|why| format!("{type_}: {why}: {condition}"))?;
            let message = condition["message"].as_str().unwrap_or_default();
            let missing = case.words.iter().find(|word| !message.contains(**word));
            missing.map_or(Ok(()), |word| Err(format!("{word:?} is not in {message:?}")))?;
        }
        Ok(())
    });
}

#[test]
fn what_cannot_be_promoted_is_told_and_moves_nothing() {
    let Some(cluster) = Cluster::start() else { return };
    let aws = Aws::start();
    let operator = attentive(&cluster, &aws);
    let fleet = (0..3).map(|n| account("team-a", &format!("otter-{n}"), "dev"));
    let first = with(baseline("standard"), "/spec/updatePolicy", json!("OnPromotion"));
    let mut objects = vec![namespace("team-a", &json!({"team": "a"})), first.clone()];
    objects.extend(fleet);
    cluster.apply(&objects);
    cluster.wait_until_all_are_ready();
    let assigned = || -> Vec<Value> {
        let accounts = cluster.objects(ACCOUNTS).into_iter();
        accounts
            .map(|account| account["status"]["baseline"]["assigned"].clone())
            .collect()
    };
    let before = assigned();
    let changed = with(
        first,
        "/spec/environments/0/guardrails",
        json!([{"name": "denyLeaveOrganization"}]),
    );
    cluster.apply(&[changed]);
    let changes = aws.mutations().len();
    for case in cases() {
        is_refused(&cluster, &case);
    }

    let nowhere = with(promotion(), "/spec/baselineRef/name", json!("missing"));
    let nowhere = with(nowhere, "/metadata/name", json!("nowhere"));
    cluster.apply(&[nowhere]);
    let path = PROMOTION.replace("travel", "nowhere");
    eventually("the missing Baseline is told", 20, || {
        let object = Object(cluster.get(&path).unwrap());
        let accepted = object.condition("Accepted").unwrap_or_default();
        equal(&accepted["reason"], &json!("TargetNotFound"))?;
        let told = accepted["message"]
            .as_str()
            .is_some_and(|message| message.contains("spec.baselineRef") && message.contains("missing"));
        if told { Ok(()) } else { Err(accepted.to_string()) }
    });

    // An environment without accounts: a name may be wrong, so it stops instead of passing.
    let empty = with(
        promotion(),
        "/spec/stages",
        json!([{"name": "prod", "environment": "prod"}]),
    );
    cluster.apply(&[with(empty, "/spec/suspend", json!(false))]);
    eventually("an empty stage stops", 20, || {
        let object = Object(cluster.get(PROMOTION).unwrap());
        equal(&object.0["status"]["phase"], &json!("Stopped")).map_err(|_| object.0["status"].to_string())
    });
    assert_eq!(assigned(), before);
    assert_eq!(aws.mutations().len(), changes, "nothing changed in AWS");
    operator.stop();
}
