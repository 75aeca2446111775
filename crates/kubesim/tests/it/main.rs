//! One suite, two servers: every case runs on kubesim, and on the real kube-apiserver when its binaries are there
//! (`KUBEBUILDER_ASSETS`). The real server is right.

mod kubesim_only;
mod suite;

use futures::FutureExt as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, api::PostParams};
use kubesim::{Kubesim, Settings};
use serde_json::Value;
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

async fn world(case: &Case, client: Client) -> World {
    let ns = case.name.replace("::", "-").replace('_', "-");
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some(ns.clone());
    Api::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
    World { client, ns }
}

/// Runs all cases one after the other, so that one run shows every disagreement.
async fn run_all(client: &Client, skip: &[&str]) {
    let mut failed = vec![];
    let only = std::env::var("CASE").unwrap_or_default();
    for case in CASES.iter().filter(|case| !skip.contains(&case.name) && case.name.contains(&only)) {
        let world = world(case, client.clone()).await;
        if AssertUnwindSafe((case.run)(world)).catch_unwind().await.is_err() {
            eprintln!("^^^ {}", case.name);
            failed.push(case.name);
        }
    }
    assert!(failed.is_empty(), "{} of {} cases failed: {failed:#?}", failed.len(), CASES.len());
}

#[tokio::test(start_paused = true)]
async fn suite_on_kubesim() {
    let sim = simulated(Settings::default());
    run_all(&Client::new(sim.service(), "default"), &[]).await;
}

#[tokio::test]
async fn suite_on_the_real_api_server() {
    let Some(cluster) = controlplane::start_or_skip(controlplane::Options::default()).await else { return };
    let client = cluster.client().unwrap();
    let crds: Api<kube::core::DynamicObject> = Api::all_with(
        client.clone(),
        &kube::core::ApiResource::erase::<
            k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
        >(&()),
    );
    crds.create(&PostParams::default(), &serde_json::from_value(widget_crd()).unwrap()).await.unwrap();
    for _ in 0..100 {
        if client.request_text(http::Request::get(suite::WIDGETS).body(vec![]).unwrap()).await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    run_all(&client, &[]).await;
}
