//! Two days of an organization, once for all tests here: every version of every object that has a status, as it was stored.
//! What Argo CD's actions ask is asked by their scripts.

use super::{
    files::script,
    lua::{NOW, act, discover},
};
use crate::scene::{MINUTE, Scene, in_virtual_time};
use executor::Clock;
use operator::Config;
use serde_json::{Value, json};
use simulator::Answer;
use std::{sync::OnceLock, time::Duration};

const HOUR: Duration = Duration::from_hours(1);
const GROUP: &str = "/apis/bulkhead.dev/v1alpha1";
const PROMOTION: &str = "environmentpromotions/standard";

/// What was written.
#[derive(Default)]
pub(crate) struct Played {
    /// Every version of every object of the kinds that have a status, in the order in which they were written.
    pub(crate) versions: Vec<Value>,
    /// Every version of what the operator has made.
    pub(crate) made: Vec<Value>,
}

pub(crate) fn played() -> &'static Played {
    static PLAYED: OnceLock<Played> = OnceLock::new();
    PLAYED.get_or_init(|| {
        let mut played = Played::default();
        in_virtual_time(async {
            promotions(&mut played).await;
            trouble(&mut played).await;
        });
        played
    })
}

pub(crate) fn versions() -> &'static [Value] {
    &played().versions
}

/// What Argo CD writes on what it applies.
fn tracked(mut object: Value) -> Value {
    object["metadata"]["labels"]["app.kubernetes.io/instance"] = "guardrails".into();
    object["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"] = "guardrails:x".into();
    object
}

fn keep(scene: &Scene, played: &mut Played) {
    let writes = scene.world.kubernetes.writes();
    let people = ["awsaccounts", "baselines", "environmentpromotions", "approvals"];
    let ours = [
        "awsaccounts",
        "baselines",
        "environmentpromotions",
        "organizations",
    ];
    let known = |list: &[&str], plural: &str| list.contains(&plural);
    for write in writes.iter().filter(|write| !write.deleted) {
        if write.group == api::GROUP && known(&ours, &write.plural) {
            played.versions.push((*write.object).clone());
        }
        if write.group != "admissionregistration.k8s.io"
            && !known(&people, &write.plural)
            && write.plural != "namespaces"
        {
            played.made.push((*write.object).clone());
        }
    }
}

fn config(more: &Value) -> Config {
    let mut config = json!({
        "installation": "heron", "defaultBaseline": "standard",
        "aws": {"awsShare": 1.0, "enablePolicyTypes": true},
        "gates": {
            "allowedHosts": ["prometheus.example.com"], "prometheusAddress": "https://prometheus.example.com",
        },
    });
    for (key, value) in more.as_object().unwrap() {
        config[key] = value.clone();
    }
    Config::parse(&config.to_string()).unwrap()
}

async fn send(scene: &Scene, method: &str, path: &str, body: Value) -> Value {
    let request = http::Request::builder()
        .method(method)
        .uri(format!("{GROUP}/{path}"))
        .header(
            "content-type",
            if method == "PATCH" {
                "application/merge-patch+json"
            } else {
                "application/json"
            },
        )
        .body(body.to_string().into_bytes())
        .unwrap();
    scene.world.client().request(request).await.unwrap()
}

async fn namespace(scene: &Scene) {
    let manifests = simulator::load(&[crate::scene::acme().join("../promotion/namespace.yaml")]).unwrap();
    simulator::apply(&scene.world.client(), &manifests).await.unwrap();
}

fn baseline(guardrails: &Value) -> Value {
    let environment =
        |name: &str, unit: &str| json!({"name": name, "organizationalUnit": unit, "guardrails": guardrails});
    json!({
        "apiVersion": "bulkhead.dev/v1alpha1", "kind": "Baseline", "metadata": {"name": "standard"},
        "spec": {
            "namespaceSelector": {}, "emailTemplate": "aws+{namespace}.{name}@example.com",
            "updatePolicy": "OnPromotion",
            "environments": [environment("dev", "Workloads/Dev"), environment("prod", "Workloads/Prod")],
            "mandatoryTags": [
                {"key": "cost-center", "valueFrom": {"field": "costCenter"}, "change": "Approved"},
            ],
        },
    })
}

fn guardrails(more: &[&str]) -> Value {
    let names = ["denyLeaveOrganization"].into_iter().chain(more.iter().copied());
    names.map(|name| json!({"name": name})).collect()
}

async fn edit_baseline(scene: &Scene, more: &[&str]) {
    let spec = baseline(&guardrails(more))["spec"].clone();
    send(scene, "PATCH", "baselines/standard", json!({"spec": spec})).await;
}

async fn account(scene: &Scene, name: &str, environment: &str) {
    let object = json!({
        "apiVersion": "bulkhead.dev/v1alpha1", "kind": "AwsAccount",
        "metadata": {"name": name, "namespace": "team-web"},
        "spec": {
            "workload": "shop", "environment": environment, "purpose": "Web shop", "costCenter": "4720",
            "owner": {"team": "web", "contact": "web@example.com"}, "outputs": {"configMapName": name},
        },
    });
    send(scene, "POST", "namespaces/team-web/awsaccounts", tracked(object)).await;
}

fn promotion(revision: &str) -> Value {
    let gate = |name: &str, at: &str, interval: &str| {
        json!({
            "name": name, "runAt": [at], "type": "Prometheus", "interval": interval,
            "prometheus": {
                "query": name, "successCondition": "result[0] == 0.0", "failureCondition": "result[0] > 1.0",
            },
        })
    };
    let mut tests = gate("dev-tests", "AfterWave", "1m");
    tests["count"] = 2.into();
    json!({
        "apiVersion": "bulkhead.dev/v1alpha1", "kind": "EnvironmentPromotion",
        "metadata": {"name": "standard", "annotations": {"bulkhead.dev/requested-by": "bob"}},
        "spec": {
            "baselineRef": {"name": "standard"}, "revision": revision,
            "stages": [
                {"name": "dev", "environment": "dev", "gates": [tests]},
                {
                    "name": "prod", "environment": "prod", "approval": {"required": 1}, "optIn": {"deadline": "168h"},
                    "strategy": {"type": "Waves", "waves": [
                        {"name": "one-box", "targets": 1, "bakeTime": "30m"},
                        {"name": "rest", "targets": "100%", "bakeTime": "10m"},
                    ]},
                    "windows": [
                        {"type": "Allow", "schedule": "0 14 * * *", "duration": "8h", "timeZone": "Europe/Berlin"},
                    ],
                    "gates": [gate("prod-checks", "DuringBake", "5m")],
                },
            ],
        },
    })
}

fn answer(scene: &Scene, query: &str, value: u8) {
    let result = json!([{"metric": {}, "value": [0, value.to_string()]}]);
    let body = json!({"status": "success", "data": {"resultType": "vector", "result": result}});
    scene.world.answers.set(Answer {
        matches: query.to_owned(),
        status: 200,
        body: body.to_string(),
    });
}

fn find(scene: &Scene, plural: &str, name: &str) -> Value {
    let all = scene.world.kubernetes.objects(api::GROUP, plural);
    all.into_iter()
        .find(|object| object["metadata"]["name"] == name)
        .unwrap_or_default()
}

fn ready(object: &Value) -> &Value {
    let all = object["status"]["conditions"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    all.iter()
        .find(|condition| condition["type"] == "Ready")
        .unwrap_or(&Value::Null)
}

fn has(object: &Value, type_: &str) -> bool {
    let all = object["status"]["conditions"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    all.iter()
        .any(|condition| condition["type"] == type_ && condition["status"] == "True")
}

/// Until the promotion is in this phase for this reason, seen for its spec as it is.
async fn until(scene: &mut Scene, phase: &str, reason: &str) {
    let arrived = |scene: &Scene| {
        let object = find(scene, "environmentpromotions", "standard");
        let seen = object["status"]["observedGeneration"] == object["metadata"]["generation"];
        seen && object["status"]["phase"] == phase && ready(&object)["reason"] == reason
    };
    let begin = scene.world.clock.elapsed();
    while !arrived(scene) {
        let object = find(scene, "environmentpromotions", "standard");
        assert!(
            scene.world.clock.elapsed() < begin + 6 * HOUR,
            "not {phase}/{reason}: {:#}",
            object["status"]
        );
        scene.run_for(Duration::from_secs(5)).await;
    }
}

async fn reason(scene: &mut Scene, plural: &str, name: &str, reason: &str) {
    let what = format!("{plural}/{name} {reason}");
    let holds = |scene: &Scene| {
        let object = find(scene, plural, name);
        let seen = object["status"]["observedGeneration"] == object["metadata"]["generation"];
        seen && ready(&object)["reason"] == reason
    };
    scene.run_until(2 * HOUR, &what, holds).await;
}

/// An action of Argo CD, as a person clicks it; gives what it patched.
async fn click(scene: &Scene, kind: &str, path: &str, action: &str) -> Value {
    let (plural, name) = (
        path.split('/').rev().nth(1).unwrap(),
        path.rsplit('/').next().unwrap(),
    );
    let object = find(scene, plural, name);
    let (enabled, _) = discover(&script(kind, "actions/discovery.lua"), &object);
    assert!(
        enabled.contains(&action.to_owned()),
        "{action} is not offered: {enabled:?}: {object:#}"
    );
    let patch = act(&script(kind, &format!("actions/{action}/action.lua")), &object).unwrap();
    let patch = patch
        .to_string()
        .replace(NOW, &scene.world.clock.now().to_string());
    let patch: Value = serde_json::from_str(&patch).unwrap();
    send(scene, "PATCH", path, patch.clone()).await;
    patch
}

async fn approve(scene: &Scene) {
    let object = find(scene, "environmentpromotions", "standard");
    let approval = json!({
        "apiVersion": "bulkhead.dev/v1alpha1", "kind": "Approval", "metadata": {"generateName": "standard-"},
        "spec": {
            "action": "Promotion", "subject": {"kind": "EnvironmentPromotion", "name": "standard"},
            "digest": object["status"]["awaiting"][0]["digest"], "decision": "Approve", "approver": "alice",
            "requestedBy": object["status"]["attempt"]["requestedBy"],
        },
    });
    let request = http::Request::post(format!("{GROUP}/approvals"));
    let request = request.header("content-type", "application/json");
    let request = request.body(approval.to_string().into_bytes()).unwrap();
    let _: Value = scene
        .world
        .client_as("alice", &[])
        .request(request)
        .await
        .unwrap();
}

/// A promotion in every phase: begins slowly, succeeds, is rolled back, is stopped, is aborted.
async fn promotions(played: &mut Played) {
    let mut scene = Scene::with(orgsim::Settings {
        seed: 11,
        // A Monday, noon in Berlin.
        start: "2026-09-07T10:00:00Z".parse().unwrap(),
        ..orgsim::Settings::default()
    });
    scene.world.install_admission_policies().await.unwrap();
    scene.world.allow_to_approve("alice");
    for query in ["dev-tests", "prod-checks"] {
        answer(&scene, query, 0);
    }
    namespace(&scene).await;
    send(&scene, "POST", "baselines", tracked(baseline(&guardrails(&[])))).await;
    for (name, environment) in [
        ("shop-dev", "dev"),
        ("shop-prod-a", "prod"),
        ("shop-prod-b", "prod"),
        ("shop-prod-c", "prod"),
    ] {
        account(&scene, name, environment).await;
    }
    scene.start_with(config(&json!({})), None);
    scene.run_until_all_ready(HOUR).await;
    before_the_first_attempt(&mut scene).await;
    the_first_attempt(&mut scene).await;
    the_pinned_account(&mut scene).await;
    bad_ends(&mut scene).await;
    let mut second = promotion("standard-0000000000");
    second["metadata"]["name"] = "too".into();
    send(&scene, "POST", "environmentpromotions", second).await;
    reason(&mut scene, "environmentpromotions", "too", "Conflicted").await;
    keep(&scene, played);
}

async fn before_the_first_attempt(scene: &mut Scene) {
    let pinned = find(scene, "awsaccounts", "shop-prod-c");
    let pin = json!({
        "revision": pinned["status"]["baseline"]["applied"]["revision"], "reason": "audit",
        "expiresAt": "2026-09-20T00:00:00Z",
    });
    scene
        .patch("team-web", "shop-prod-c", json!({"spec": {"baselinePin": pin}}))
        .await;
    edit_baseline(scene, &["protectVpc"]).await;
    send(
        scene,
        "POST",
        "environmentpromotions",
        tracked(promotion("standard-0000000000")),
    )
    .await;
    until(scene, "Pending", "RevisionNotFound").await;
    let plan = json!({"spec": {"revision": null, "revisionPolicy": "Automatic", "dryRun": true}});
    send(scene, "PATCH", PROMOTION, plan).await;
    until(scene, "Planned", "Planned").await;
    send(
        scene,
        "PATCH",
        PROMOTION,
        json!({"spec": {"dryRun": null, "suspend": true}}),
    )
    .await;
    until(scene, "Paused", "Suspended").await;
    send(scene, "PATCH", PROMOTION, json!({"spec": {"suspend": null}})).await;
}

async fn the_first_attempt(scene: &mut Scene) {
    until(scene, "RollingOut", "RollingOut").await;
    let held = click(scene, "EnvironmentPromotion", PROMOTION, "hold").await;
    assert_eq!(
        held,
        json!({"metadata": {"annotations": {"bulkhead.dev/hold": "held in Argo CD"}}})
    );
    until(scene, "Verifying", "Verifying").await;
    until(scene, "WaitingApproval", "AwaitingApproval").await;
    approve(scene).await;
    until(scene, "Paused", "Suspended").await;
    let lines = json!({"metadata": {"annotations": {"bulkhead.dev/hold": "two\r\nlines"}}});
    send(scene, "PATCH", PROMOTION, lines).await;
    let said = |scene: &Scene| {
        let object = find(scene, "environmentpromotions", "standard");
        ready(&object)["message"].as_str().unwrap().contains("two  lines")
    };
    scene.run_until(MINUTE, "both lines are told", said).await;
    let released = click(scene, "EnvironmentPromotion", PROMOTION, "release").await;
    assert_eq!(
        released,
        json!({"metadata": {"annotations": {"bulkhead.dev/hold": null}}})
    );
    until(scene, "WaitingWindow", "WindowClosed").await;
    until(scene, "Baking", "Baking").await;
    answer(scene, "prod-checks", 1);
    until(scene, "Paused", "Inconclusive").await;
    answer(scene, "prod-checks", 0);
    click(scene, "EnvironmentPromotion", PROMOTION, "reverify").await;
    until(scene, "Baking", "Baking").await;
    let asked = click(scene, "EnvironmentPromotion", PROMOTION, "reconcile").await;
    until(scene, "Succeeded", "Promoted").await;
    let handled = find(scene, "environmentpromotions", "standard")["status"]["lastHandled"].clone();
    let asked = &asked["metadata"]["annotations"]["bulkhead.dev/reconcile-requested-at"];
    assert_eq!(&handled["reconcile"], asked);
    assert!(
        handled["reverify"]
            .as_str()
            .unwrap()
            .starts_with("prod/prod-checks@a-1#"),
        "{handled}"
    );
}

/// Its pin ends, so that there is something to take.
async fn the_pinned_account(scene: &mut Scene) {
    scene
        .patch("team-web", "shop-prod-c", json!({"spec": {"baselinePin": null}}))
        .await;
    let offered = |scene: &Scene| has(&find(scene, "awsaccounts", "shop-prod-c"), "UpdateAvailable");
    scene
        .run_until(10 * MINUTE, "the update is offered", offered)
        .await;
    scene.run_for(MINUTE).await;
    let path = "namespaces/team-web/awsaccounts/shop-prod-c";
    click(scene, "AwsAccount", path, "upgrade").await;
    let taken = |scene: &Scene| {
        let object = find(scene, "awsaccounts", "shop-prod-c");
        let latest = scene.baseline()["status"]["latestRevision"]["name"].clone();
        object["status"]["baseline"]["applied"]["revision"] == latest && !has(&object, "UpdateAvailable")
    };
    scene.run_until(HOUR, "the update is taken", taken).await;
}

async fn bad_ends(scene: &mut Scene) {
    answer(scene, "dev-tests", 5);
    edit_baseline(scene, &["protectVpc", "requireImdsV2"]).await;
    until(scene, "RollingBack", "RollingBack").await;
    until(scene, "RolledBack", "RolledBack").await;
    answer(scene, "dev-tests", 0);
    click(scene, "EnvironmentPromotion", PROMOTION, "retry").await;
    until(scene, "WaitingApproval", "AwaitingApproval").await;
    approve(scene).await;
    until(scene, "Baking", "Baking").await;
    answer(scene, "prod-checks", 5);
    until(scene, "Stopped", "BakeFailed").await;
    click(scene, "EnvironmentPromotion", PROMOTION, "retry").await;
    // The accounts of dev have it already.
    until(scene, "WaitingApproval", "AwaitingApproval").await;
    click(scene, "EnvironmentPromotion", PROMOTION, "abort").await;
    until(scene, "Aborted", "Aborted").await;
    let attempt = find(scene, "environmentpromotions", "standard")["status"]["attempt"]["id"].clone();
    assert_eq!(attempt, "a-4");
}

/// Accounts and Baselines that wait or are wrong, and a second cluster.
async fn trouble(played: &mut Played) {
    let mut scene = Scene::new(12);
    scene.world.install_admission_policies().await.unwrap();
    namespace(&scene).await;
    account(&scene, "shop-early", "dev").await;
    let creation = json!({"creation": {"perHour": 1}});
    scene.start_with(config(&creation), None);
    reason(&mut scene, "awsaccounts", "shop-early", "BaselineNotFound").await;
    send(&scene, "POST", "baselines", tracked(baseline(&guardrails(&[])))).await;
    reason(&mut scene, "awsaccounts", "shop-early", "Ready").await;
    account(&scene, "shop-lost", "production").await;
    account(&scene, "shop-late", "dev").await;
    reason(&mut scene, "awsaccounts", "shop-lost", "UnknownEnvironment").await;
    reason(&mut scene, "awsaccounts", "shop-late", "CreationBudgetExhausted").await;
    scene
        .patch("team-web", "shop-early", json!({"spec": {"costCenter": "4721"}}))
        .await;
    reason(
        &mut scene,
        "awsaccounts",
        "shop-early",
        "TagChangeAwaitingApproval",
    )
    .await;
    edit_baseline(&scene, &["noSuchGuardrail"]).await;
    let refused = |scene: &Scene| has(&find(scene, "baselines", "standard"), "Stalled");
    scene.run_until(MINUTE, "the Baseline is refused", refused).await;
    let mut other = scene.new_cluster();
    other.world.install_admission_policies().await.unwrap();
    namespace(&other).await;
    send(&other, "POST", "baselines", baseline(&guardrails(&[]))).await;
    account(&other, "shop-other", "dev").await;
    other.start_with(config(&json!({})), None);
    reason(&mut other, "organizations", "heron", "OrganizationClaimed").await;
    reason(&mut other, "awsaccounts", "shop-other", "OrganizationClaimed").await;
    keep(&scene, played);
    keep(&other, played);
}
