//! One suite, two servers: every case runs on kubesim, and on the real kube-apiserver when its binaries are there
//! (`KUBEBUILDER_ASSETS`). The real server is right.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod faults;
mod kubesim_only;
mod person;
mod suite;

use futures::FutureExt as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, api::PostParams};
use kubesim::{Kubesim, Settings};
use serde_json::{Value, json};
use std::{panic::AssertUnwindSafe, time::Duration};
use suite::{CASES, Case, World};

fn widget_crd() -> Value {
    serde_saphyr::from_str(include_str!("widget-crd.yaml")).unwrap()
}

/// A server whose clock follows tokio's.
fn simulated(settings: Settings) -> Kubesim {
    let start = tokio::time::Instant::now();
    let epoch: jiff::Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
    let sim = Kubesim::new(settings, move || epoch + start.elapsed());
    sim.install_crd(widget_crd()).unwrap();
    sim
}

/// The clients of the three users.
struct Users {
    admin: Client,
    stranger: Client,
    approver: Client,
}

async fn world(case: &Case, users: &Users, sim: Option<&Kubesim>) -> World {
    let client = users.admin.clone();
    let ns = case.name.replace("::", "-").replace('_', "-");
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some(ns.clone());
    Api::all(client.clone())
        .create(&PostParams::default(), &namespace)
        .await
        .unwrap();
    let (stranger, approver) = (users.stranger.clone(), users.approver.clone());
    World {
        client,
        stranger,
        approver,
        ns,
        sim: sim.cloned(),
    }
}

/// Runs all cases one after the other, so that one run shows every disagreement.
async fn run_all(users: &Users, sim: Option<&Kubesim>) {
    let mut failed = vec![];
    let only = std::env::var("CASE").unwrap_or_default();
    for case in CASES.iter().filter(|case| case.name.contains(&only)) {
        let world = world(case, users, sim).await;
        if AssertUnwindSafe((case.run)(world)).catch_unwind().await.is_err() {
            eprintln!("^^^ {}", case.name);
            failed.push(case.name);
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {} cases failed: {failed:#?}",
        failed.len(),
        CASES.len()
    );
}

#[tokio::test(start_paused = true)]
async fn suite_on_kubesim() {
    let sim = simulated(Settings::default());
    for verb in ["create", "update", "patch", "delete", "get"] {
        sim.allow("widgeteers", verb, "suite.example", "*");
    }
    sim.allow("approver", "approve", "suite.example", "widgets");
    let user = |name: &str| {
        Client::new(
            sim.service_as(name, &["widgeteers", "system:authenticated"]),
            "default",
        )
    };
    let users = Users {
        admin: Client::new(sim.service(), "default"),
        stranger: user("stranger"),
        approver: user("approver"),
    };
    run_all(&users, Some(&sim)).await;
}

/// A cluster role for widgets and its binding.
async fn allow(client: &Client, subject: &str, kind: &str, verbs: &[&str]) {
    let create = async |plural: &str, mut body: Value| {
        body["metadata"] = json!({"name": subject});
        let path = format!("/apis/rbac.authorization.k8s.io/v1/{plural}");
        let request = http::Request::post(path).header("content-type", "application/json");
        client
            .request::<Value>(request.body(body.to_string().into_bytes()).unwrap())
            .await
            .unwrap();
    };
    let rule = json!({"apiGroups": ["suite.example"], "resources": ["*"], "verbs": verbs});
    create("clusterroles", json!({"rules": [rule]})).await;
    let group = "rbac.authorization.k8s.io";
    create(
        "clusterrolebindings",
        json!({
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": subject},
            "subjects": [{"apiGroup": group, "kind": kind, "name": subject}],
        }),
    )
    .await;
}

#[tokio::test]
async fn suite_on_the_real_api_server() {
    let users = ["stranger", "approver"]
        .map(|name| controlplane::User::new(name, &["widgeteers"]))
        .to_vec();
    let options = controlplane::Options {
        users,
        ..controlplane::Options::default()
    };
    let Some(cluster) = controlplane::start_or_skip(options).await else {
        return;
    };
    let client = cluster.client().unwrap();
    let users = Users {
        admin: client.clone(),
        stranger: cluster.client_for("stranger").unwrap(),
        approver: cluster.client_for("approver").unwrap(),
    };
    allow(
        &client,
        "widgeteers",
        "Group",
        &["create", "update", "patch", "delete", "get"],
    )
    .await;
    allow(&client, "approver", "User", &["approve"]).await;
    let crds: Api<kube::core::DynamicObject> = Api::all_with(
        client.clone(),
        &kube::core::ApiResource::erase::<
            k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
        >(&()),
    );
    crds.create(
        &PostParams::default(),
        &serde_json::from_value(widget_crd()).unwrap(),
    )
    .await
    .unwrap();
    for _ in 0..100 {
        if client
            .request_text(http::Request::get(suite::WIDGETS).body(vec![]).unwrap())
            .await
            .is_ok()
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    run_all(&users, None).await;
}
