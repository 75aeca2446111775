//! What one simulated world costs: the CRDs of this repository, 6 accounts of the example company, 50 changes of the
//! status of each. `cargo run -p kubesim --example world [worlds]` prints the time per world.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "the figures are the output")]

use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
};
use kubesim::{CompiledCrd, Kubesim, Settings};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn crds() -> Vec<Value> {
    let mut paths: Vec<_> = std::fs::read_dir(format!("{ROOT}/crds"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
        .collect()
}

fn accounts() -> Vec<DynamicObject> {
    ["team-payments", "team-web"]
        .into_iter()
        .flat_map(|team| {
            let text = std::fs::read_to_string(format!("{ROOT}/examples/acme/{team}.yaml")).unwrap();
            serde_saphyr::from_multiple::<DynamicObject>(&text).unwrap()
        })
        .collect()
}

/// The status an operator would write at step `i`.
fn status(i: u32) -> Value {
    let condition = |name: &str, status: &str, reason: &str| {
        json!({
            "type": name, "status": status, "reason": reason, "message": format!("step {i} of the measurement"),
            "lastTransitionTime": "2030-01-01T00:00:00Z", "observedGeneration": 1,
        })
    };
    json!({
        "apiVersion": "bulkhead.dev/v1alpha1", "kind": "AwsAccount",
        "status": {
            "observedGeneration": 1, "nextStep": format!("Wait for AWS ({i})."), "accountName": "web-shop-dev",
            "email": "aws+web-shop-dev@example.com", "baseline": {"name": "standard"},
            "creation": {
                "accountName": "web-shop-dev", "attempt": 1, "email": "aws+web-shop-dev@example.com", "epoch": i,
                "roleName": "BulkheadBootstrap", "startedAt": "2030-01-01T00:00:00Z", "token": "abcdefghij0123456789",
            },
            "tags": {"managed": {"bulkhead.dev/claim": "team-web/shop-dev", "cost-center": "4720"}},
            "conditions": [
            condition("Ready", "False", "Creating"), condition("Reconciling", "True", "Creating"),
            condition("Stalled", "False", "Creating"),
        ]},
    })
}

async fn world(sim: Kubesim, accounts: &[DynamicObject]) {
    let client = Client::new(sim.service(), "default");
    let kind = GroupVersionKind::gvk("bulkhead.dev", "v1alpha1", "AwsAccount");
    let resource = ApiResource::from_gvk_with_plural(&kind, "awsaccounts");
    for namespace in ["team-payments", "team-web"] {
        let body = serde_json::from_value(json!({"metadata": {"name": namespace}})).unwrap();
        Api::<k8s_openapi::api::core::v1::Namespace>::all(client.clone())
            .create(&PostParams::default(), &body)
            .await
            .unwrap();
    }
    let api = |account: &DynamicObject| {
        let namespace = account.metadata.namespace.clone().unwrap();
        Api::<DynamicObject>::namespaced_with(client.clone(), &namespace, &resource)
    };
    for account in accounts {
        api(account)
            .create(&PostParams::default(), account)
            .await
            .unwrap();
    }
    for i in 0..50 {
        for account in accounts {
            let name = account.metadata.name.clone().unwrap();
            api(account)
                .patch_status(
                    &name,
                    &PatchParams::apply("bulkhead").force(),
                    &Patch::Apply(status(i)),
                )
                .await
                .unwrap();
        }
    }
    assert_eq!(sim.writes().len(), 2 + 51 * accounts.len());
}

fn main() {
    let worlds: u32 = std::env::args()
        .nth(1)
        .map_or(10, |worlds| worlds.parse().unwrap());
    let accounts = accounts();
    let begun = Instant::now();
    let crds: Vec<CompiledCrd> = crds().iter().map(|crd| CompiledCrd::new(crd).unwrap()).collect();
    println!("compiling the CRDs once: {:?}", begun.elapsed());
    let (mut installing, mut serving) = (Duration::ZERO, Duration::ZERO);
    for seed in 0..worlds {
        let begun = Instant::now();
        let settings = Settings {
            seed: u64::from(seed),
            ..Settings::default()
        };
        let sim = Kubesim::new(settings, || jiff::Timestamp::UNIX_EPOCH);
        for crd in &crds {
            sim.install(crd);
        }
        installing += begun.elapsed();
        let begun = Instant::now();
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(world(sim, &accounts));
        serving += begun.elapsed();
    }
    println!(
        "{} accounts, {worlds} worlds, each: installing {:?}, serving {:?}, sum {:?}",
        accounts.len(),
        installing / worlds,
        serving / worlds,
        (installing + serving) / worlds
    );
}
