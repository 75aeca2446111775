use super::*;
use crate::{
    GATE_JOBS, Gates as _, Runner,
    testing::{self, Cluster, NAMESPACE},
};
use MeasuredResult::{Failure, Success};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

fn gate(fields: &Value) -> Measure {
    let mut spec =
        json!({"template": {"spec": {"containers": [{"name": "test", "image": "example.com/smoke:1"}]}}});
    spec.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    testing::measure(&json!({"type": "Job", "job": {"template": {"spec": spec}}}))
}

async fn asked(cluster: &Cluster, measure: Measure) -> Measured {
    let (wire, _) = testing::endpoint(500, "");
    Runner::new(wire, cluster.client(), testing::settings())
        .measure(measure, Timestamp::UNIX_EPOCH)
        .await
}

/// What the Job controller writes.
fn end(cluster: &Cluster, conditions: &Value) {
    let mut jobs = cluster.jobs.lock().unwrap();
    for job in jobs.values_mut() {
        job["status"] = json!({"conditions": conditions});
    }
}

async fn asked_and_ended(cluster: &Cluster, conditions: &Value) -> Measured {
    let ended = async {
        sleep(Duration::from_mins(1)).await;
        end(cluster, conditions);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        measured = asked(cluster, gate(&json!({}))) => measured,
        () = ended => unreachable!("it never ends"),
    }
}

fn created(cluster: &Cluster) -> usize {
    let log = cluster.log.lock().unwrap();
    log.iter().filter(|line| line.starts_with("POST")).count()
}

#[tokio::test(start_paused = true)]
async fn how_a_job_ends_is_the_result() {
    for (conditions, expected, said) in [
        (
            json!([{"type": "SuccessCriteriaMet", "status": "True"}, {"type": "Complete", "status": "True"}]),
            Success,
            "completed",
        ),
        (
            json!([{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "2 Pods failed"}]),
            Failure,
            "failed: BackoffLimitExceeded: 2 Pods failed",
        ),
        // It ran out of time: it has not tested.
        (
            json!([{"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "too long"}]),
            MeasuredResult::Error,
            "failed: DeadlineExceeded: too long",
        ),
    ] {
        let cluster = Cluster::default();
        let begin = Instant::now();
        let measured = asked_and_ended(&cluster, &conditions).await;
        assert_eq!(measured.result, expected, "{}", measured.message);
        assert!(measured.message.contains(said), "{}", measured.message);
        let took = begin.elapsed().as_secs();
        assert!((60..=65).contains(&took), "{took}");
        assert_eq!(created(&cluster), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_finds_the_job_that_runs() {
    let cluster = Cluster::default();
    let cut = tokio::time::timeout(Duration::from_secs(30), asked(&cluster, gate(&json!({})))).await;
    assert!(cut.is_err());
    let measured = asked_and_ended(&cluster, &json!([{"type": "Complete", "status": "True"}])).await;
    assert_eq!(measured.result, Success, "{}", measured.message);
    assert_eq!(cluster.jobs.lock().unwrap().len(), 1);
    // And one that has ended in the meantime.
    let measured = asked(&cluster, gate(&json!({}))).await;
    assert_eq!(measured.result, Success, "{}", measured.message);
    assert_eq!(cluster.jobs.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_job_of_somebody_else_says_nothing() {
    let cluster = Cluster::default();
    let _ = tokio::time::timeout(Duration::from_secs(1), asked(&cluster, gate(&json!({})))).await;
    end(&cluster, &json!([{"type": "Complete", "status": "True"}]));
    for job in cluster.jobs.lock().unwrap().values_mut() {
        job["metadata"]["labels"] = json!({"app": "other"});
    }
    let measured = asked(&cluster, gate(&json!({}))).await;
    assert_eq!(measured.result, MeasuredResult::Error);
    assert!(
        measured.message.contains("is not of this gate"),
        "{}",
        measured.message
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_that_does_not_end_is_given_up_on() {
    for (fields, seconds) in [(json!({}), 660), (json!({"activeDeadlineSeconds": 30}), 90)] {
        let begin = Instant::now();
        let measured = asked(&Cluster::default(), gate(&fields)).await;
        assert_eq!(measured.result, MeasuredResult::Error);
        assert!(measured.message.contains("had not ended"), "{}", measured.message);
        assert_eq!(begin.elapsed().as_secs(), seconds);
    }
}

#[tokio::test(start_paused = true)]
async fn the_api_server_says_why_it_refuses() {
    let cluster = Cluster::default();
    let forbidden = "jobs.batch is forbidden: User \"operator\" cannot create resource";
    cluster.refusals.lock().unwrap().push((403, forbidden.to_owned()));
    let measured = asked(&cluster, gate(&json!({}))).await;
    assert_eq!(measured.result, MeasuredResult::Error);
    assert!(measured.message.contains(forbidden), "{}", measured.message);
    let log = cluster.log.lock().unwrap();
    assert_eq!(
        *log,
        [format!(
            "POST /apis/batch/v1/namespaces/{NAMESPACE}/jobs?fieldManager=bulkhead&fieldValidation=Strict"
        )]
    );
}

#[tokio::test(start_paused = true)]
async fn a_look_may_fail_but_not_for_ever() {
    for (failures, expected) in [(5, Success), (6, MeasuredResult::Error)] {
        let cluster = Cluster::default();
        let failing = async {
            sleep(Duration::from_secs(1)).await;
            end(&cluster, &json!([{"type": "Complete", "status": "True"}]));
            let refusal = (403, "not now".to_owned());
            cluster.refusals.lock().unwrap().extend(vec![refusal; failures]);
            std::future::pending::<()>().await;
        };
        let measured = tokio::select! {
            measured = asked(&cluster, gate(&json!({}))) => measured,
            () = failing => unreachable!("it never ends"),
        };
        assert_eq!(measured.result, expected, "{}", measured.message);
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_deleted_has_not_tested() {
    let cluster = Cluster::default();
    let deleting = async {
        sleep(Duration::from_secs(7)).await;
        cluster.jobs.lock().unwrap().clear();
        std::future::pending::<()>().await;
    };
    let measured = tokio::select! {
        measured = asked(&cluster, gate(&json!({}))) => measured,
        () = deleting => unreachable!("it never ends"),
    };
    assert_eq!(measured.result, MeasuredResult::Error);
    assert!(
        measured.message.contains("was deleted before it ended"),
        "{}",
        measured.message
    );
    assert_eq!(created(&cluster), 1);
}

#[tokio::test(start_paused = true)]
async fn a_job_uses_only_secrets_that_agree() {
    let pod = json!({"spec": {
        "containers": [{"name": "test", "image": "example.com/smoke:1", "envFrom": [{"secretRef": {"name": "token"}}]}],
    }});
    for (annotations, said) in [
        (None, "there is no Secret token"),
        (Some(json!({})), "has no annotation bulkhead.dev/gate-jobs"),
        (
            Some(json!({GATE_JOBS: "false"})),
            "has no annotation bulkhead.dev/gate-jobs",
        ),
        (Some(json!({GATE_JOBS: "true"})), "had not ended"),
    ] {
        let cluster = Cluster::default();
        if let Some(annotations) = &annotations {
            cluster.secret("token", annotations, &json!({"A": "Yg=="}));
        }
        let measured = asked(&cluster, gate(&json!({"template": pod}))).await;
        assert_eq!(measured.result, MeasuredResult::Error);
        assert!(
            measured.message.contains(said),
            "{annotations:?}: {}",
            measured.message
        );
        assert_eq!(created(&cluster), usize::from(said == "had not ended"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_runs_only_as_accounts_that_agree() {
    let container = json!([{"name": "test", "image": "example.com/smoke:1"}]);
    let named = json!({"spec": {"serviceAccountName": "deployer", "containers": container}});
    for (annotations, said) in [
        (None, "there is no ServiceAccount deployer"),
        (
            Some(json!({})),
            "ServiceAccount deployer has no annotation bulkhead.dev/gate-jobs",
        ),
        (
            Some(json!({GATE_JOBS: "yes"})),
            "ServiceAccount deployer has no annotation bulkhead.dev/gate-jobs",
        ),
        (Some(json!({GATE_JOBS: "true"})), "had not ended"),
    ] {
        let cluster = Cluster::default();
        if let Some(annotations) = &annotations {
            cluster.service_account("deployer", annotations);
        }
        let measured = asked(&cluster, gate(&json!({"template": named}))).await;
        assert_eq!(measured.result, MeasuredResult::Error);
        assert!(
            measured.message.contains(said),
            "{annotations:?}: {}",
            measured.message
        );
        assert_eq!(created(&cluster), usize::from(said == "had not ended"));
    }
    // The account of every Pod, with its token, is no better than another.
    let token = json!({"spec": {"automountServiceAccountToken": true, "containers": container}});
    let cluster = Cluster::default();
    cluster.service_account("default", &json!({}));
    let measured = asked(&cluster, gate(&json!({"template": token}))).await;
    assert!(
        measured.message.contains("ServiceAccount default has no"),
        "{}",
        measured.message
    );
    assert_eq!(created(&cluster), 0);
}

#[tokio::test(start_paused = true)]
async fn an_edited_gate_does_not_take_over_a_verdict() {
    let cluster = Cluster::default();
    let measured = asked_and_ended(&cluster, &json!([{"type": "Complete", "status": "True"}])).await;
    assert_eq!(measured.result, Success);
    let mut edited = gate(&json!({}));
    edited.key.generation = 2;
    let _ = tokio::time::timeout(Duration::from_secs(30), asked(&cluster, edited)).await;
    assert_eq!(cluster.jobs.lock().unwrap().len(), 2);
}
