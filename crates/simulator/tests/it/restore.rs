//! The cluster's etcd is restored to an older state, and a person decides.

use crate::scene::{MINUTE, Scene, in_virtual_time, spec};
use api::AwsAccount;
use kube::{Api, api::PostParams};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const NAMES: [(&str, &str); 2] = [("team-web", "egret"), ("team-web", "heron")];

fn statuses(scene: &Scene) -> BTreeMap<&'static str, Value> {
    NAMES
        .iter()
        .map(|(namespace, name)| (*name, scene.account(namespace, name)["status"].clone()))
        .collect()
}

/// What the accounts carry as their revision.
fn carried(scene: &Scene) -> Vec<String> {
    let management = scene.world.organization.management_account_id().to_owned();
    let accounts = scene.world.organization.state().accounts;
    let members = accounts.into_iter().filter(|account| account.id != management);
    members
        .map(|account| {
            account
                .tags
                .get("bulkhead.dev/revision")
                .cloned()
                .unwrap_or_default()
        })
        .collect()
}

fn sequences(scene: &Scene) -> Vec<String> {
    let last = |tag: &String| tag.rsplit('/').next().unwrap().to_owned();
    carried(scene).iter().map(last).collect()
}

/// Puts the status back as it was.
async fn restore(scene: &Scene, statuses: &BTreeMap<&str, Value>) {
    for (namespace, name) in NAMES {
        let api: Api<AwsAccount> = Api::namespaced(scene.world.client(), namespace);
        let mut object = api.get(name).await.unwrap();
        object.status = serde_json::from_value(statuses[name].clone()).unwrap();
        api.replace_status(name, &PostParams::default(), &object)
            .await
            .unwrap();
    }
}

async fn move_dev(scene: &Scene, unit: &str) {
    let baselines = scene.world.kubernetes.objects(api::GROUP, "baselines");
    let mut environments = baselines[0]["spec"]["environments"].clone();
    environments[0]["organizationalUnit"] = json!(unit);
    scene
        .patch_baseline(json!({"spec": {"environments": environments}}))
        .await;
}

/// Two accounts at the second revision, and what their status was at the first.
async fn changed_once(seed: u64) -> (Scene, BTreeMap<&'static str, Value>) {
    let mut scene = Scene::new(seed);
    scene.apply_acme_platform().await;
    for (namespace, name) in NAMES {
        scene.create(namespace, name, spec("dev")).await;
    }
    scene.start();
    scene.run_until_all_ready(10 * MINUTE).await;
    scene.run_for(2 * MINUTE).await;
    assert_eq!(sequences(&scene), ["1", "1"]);
    let first = statuses(&scene);
    for (namespace, name) in NAMES {
        let assigned = &scene.account(namespace, name)["status"]["baseline"]["assigned"];
        assert_eq!(assigned["sequence"], 1);
        assert_eq!(assigned["by"], "Automatic");
        assert!(carried(&scene).contains(&format!("{}/1", assigned["revision"].as_str().unwrap())));
    }
    move_dev(&scene, "Workloads/Lab").await;
    scene
        .run_until(10 * MINUTE, "the second revision", |scene| {
            sequences(scene) == ["2", "2"] && scene.report().all_ready()
        })
        .await;
    scene.run_for(2 * MINUTE).await;
    (scene, first)
}

fn all_are(scene: &Scene, reason: &str) -> bool {
    NAMES
        .iter()
        .all(|(namespace, name)| scene.is(namespace, name, "Stalled", "True", reason))
}

#[test]
fn an_older_etcd_changes_nothing_until_somebody_approves() {
    for running in [false, true] {
        in_virtual_time(async {
            let (mut scene, first) = changed_once(20 + u64::from(running)).await;
            if !running {
                scene.kill(0);
            }
            restore(&scene, &first).await;
            move_dev(&scene, "Workloads/Dev").await;
            let before = (scene.mutations().len(), carried(&scene));
            if !running {
                scene.start();
            }
            scene
                .run_until(10 * MINUTE, "stalled", |scene| all_are(scene, "StateBehindAws"))
                .await;
            scene.run_for(60 * MINUTE).await;
            assert!(all_are(&scene, "StateBehindAws"));
            assert_eq!((scene.mutations().len(), carried(&scene)), before);
            let status = scene.account("team-web", "egret")["status"].clone();
            let next = status["nextStep"].as_str().unwrap();
            assert!(
                next.contains("bulkhead approve awsaccount egret -n team-web"),
                "{next}"
            );
            assert!(
                next.contains("no Approval counts before that: there is no ValidatingAdmissionPolicy"),
                "{next}"
            );

            // Whoever approves while the policy is not there has decided nothing, then or later.
            scene.world.decide("mallory", "Approve").await.unwrap();
            scene
                .run_until(5 * MINUTE, "told", |scene| {
                    all_are(scene, "ApprovalPolicyMissing")
                })
                .await;
            scene.world.install_admission_policies().await.unwrap();
            scene
                .run_until(5 * MINUTE, "void", |scene| all_are(scene, "StateBehindAws"))
                .await;
            let refused = scene
                .world
                .decide("mallory", "Approve")
                .await
                .unwrap_err()
                .to_string();
            assert!(
                refused.contains("mallory needs the verb approve on staterestores"),
                "{refused}"
            );
            scene.run_for(5 * MINUTE).await;
            assert_eq!((scene.mutations().len(), carried(&scene)), before);

            scene.world.allow_to_approve("alice");
            assert_eq!(scene.world.decide("alice", "Approve").await.unwrap(), 2);
            scene.run_until_all_ready(10 * MINUTE).await;
            assert_eq!(sequences(&scene), ["3", "3"]);
            scene.assert_one_account_each(2);
            let paths: Vec<_> = scene
                .world
                .organization
                .state()
                .accounts
                .into_iter()
                .map(|a| a.path)
                .collect();
            assert_eq!(
                paths.iter().filter(|path| *path == "Workloads/Dev").count(),
                2,
                "{paths:?}"
            );
            let status = scene.account("team-web", "egret")["status"].clone();
            assert!(
                status.get("awaiting").is_none() && status.get("nextStep").is_none(),
                "{status}"
            );
            assert!(
                status.get("creation").is_some(),
                "one field of the journal does not erase the other"
            );
        });
    }
}

#[test]
fn a_rejection_keeps_it_stalled_until_it_is_deleted() {
    in_virtual_time(async {
        let (mut scene, first) = changed_once(30).await;
        scene.world.install_admission_policies().await.unwrap();
        scene.world.allow_to_approve("alice");
        restore(&scene, &first).await;
        scene
            .run_until(10 * MINUTE, "stalled", |scene| all_are(scene, "StateBehindAws"))
            .await;
        let before = scene.mutations().len();
        scene.world.decide("alice", "Reject").await.unwrap();
        scene
            .run_until(5 * MINUTE, "rejected", |scene| all_are(scene, "ApprovalRejected"))
            .await;
        scene.world.decide("alice", "Approve").await.unwrap();
        scene.run_for(5 * MINUTE).await;
        assert!(all_are(&scene, "ApprovalRejected"));
        assert_eq!(scene.mutations().len(), before);
        let api: Api<api::Approval> = Api::all(scene.world.client());
        for approval in scene.world.kubernetes.objects(api::GROUP, "approvals") {
            if approval["spec"]["decision"] == "Reject" {
                let name = approval["metadata"]["name"].as_str().unwrap();
                api.delete(name, &kube::api::DeleteParams::default())
                    .await
                    .unwrap();
            }
        }
        scene.run_until_all_ready(10 * MINUTE).await;
        assert_eq!(sequences(&scene), ["3", "3"]);
    });
}

#[test]
fn a_lost_cluster_goes_on_from_what_the_accounts_carry() {
    in_virtual_time(async {
        let (mut scene, _) = changed_once(40).await;
        scene.kill(0);
        let before = carried(&scene);
        let mut fresh = scene.new_cluster();
        fresh.apply_acme_platform().await;
        move_dev(&fresh, "Workloads/Lab").await;
        for (namespace, name) in NAMES {
            fresh.create(namespace, name, spec("dev")).await;
        }
        fresh.start();
        fresh.run_for(MINUTE).await;
        let own = scene.world.kubernetes.objects(api::GROUP, "organizations")[0]["status"]["mark"].clone();
        fresh.processes.clear();
        fresh.start_with(crate::scene::config(), own.as_str().map(str::to_owned));
        fresh.run_until_all_ready(30 * MINUTE).await;
        assert_eq!(carried(&fresh), before, "the same revision has the same number");
        fresh.assert_one_account_each(2);
    });
}
