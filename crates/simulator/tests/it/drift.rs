//! Another tool's hand, and changes of mind.

use crate::scene::{MINUTE, Scene, in_virtual_time, spec};
use orgsim::Mutation;
use serde_json::json;
use std::{collections::BTreeMap, time::Duration};

async fn vended(seed: u64) -> (Scene, String) {
    let mut scene = Scene::new(seed);
    scene.apply_acme_platform().await;
    scene.create("team-web", "egret", spec("dev")).await;
    scene.start();
    scene.run_until_all_ready(10 * MINUTE).await;
    scene.run_for(2 * MINUTE).await;
    let id = scene.account("team-web", "egret")["status"]["accountId"]
        .as_str()
        .unwrap()
        .to_owned();
    (scene, id)
}

fn aws(scene: &Scene, id: &str) -> orgsim::AccountView {
    scene
        .world
        .organization
        .state()
        .accounts
        .into_iter()
        .find(|account| account.id == id)
        .unwrap()
}

#[test]
fn a_moved_account_is_moved_back() {
    in_virtual_time(async {
        let (mut scene, id) = vended(1).await;
        let root = scene.world.organization.root_id().to_owned();
        scene
            .world
            .organization
            .mutate(Mutation::Move {
                account: id.clone(),
                to: root,
            })
            .unwrap();
        scene
            .run_until(10 * MINUTE, "moved back", |scene| {
                aws(scene, &id).path == "Workloads/Dev"
            })
            .await;
        scene.run_until_all_ready(MINUTE).await;
    });
}

#[test]
fn our_tags_are_repaired_and_foreign_ones_left_alone() {
    in_virtual_time(async {
        let (mut scene, id) = vended(2).await;
        let foreign = BTreeMap::from([
            ("owner".to_owned(), "thief".to_owned()),
            ("theirs".to_owned(), "1".to_owned()),
        ]);
        scene
            .world
            .organization
            .mutate(Mutation::Tag {
                resource: id.clone(),
                tags: foreign,
            })
            .unwrap();
        scene
            .run_until(60 * MINUTE, "repaired", |scene| {
                aws(scene, &id).tags["owner"] == "birds"
            })
            .await;
        assert_eq!(aws(&scene, &id).tags["theirs"], "1");
        scene.run_for(5 * MINUTE).await;
        assert!(scene.is_ready("team-web", "egret"));
    });
}

#[test]
fn a_tag_that_is_no_longer_wanted_is_removed() {
    in_virtual_time(async {
        let (mut scene, id) = vended(3).await;
        scene
            .patch(
                "team-web",
                "egret",
                json!({"spec": {"tags": {"team:oncall": "yes"}}}),
            )
            .await;
        scene
            .run_until(5 * MINUTE, "set", |scene| {
                aws(scene, &id).tags.contains_key("team:oncall")
            })
            .await;
        scene.run_until_all_ready(MINUTE).await;
        scene
            .patch(
                "team-web",
                "egret",
                json!({"spec": {"tags": {"team:oncall": null}}}),
            )
            .await;
        scene
            .run_until(5 * MINUTE, "removed", |scene| {
                !aws(scene, &id).tags.contains_key("team:oncall")
            })
            .await;
    });
}

#[test]
fn a_renamed_unit_stays_bound_by_its_id() {
    in_virtual_time(async {
        let (mut scene, id) = vended(4).await;
        let dev = aws(&scene, &id).parent;
        let baseline = |scene: &Scene| scene.world.kubernetes.objects(api::GROUP, "baselines").remove(0);
        assert_eq!(
            baseline(&scene)["status"]["environments"][0]["organizationalUnit"]["id"],
            dev.as_str()
        );
        rename(&scene, &dev, "Development").await;
        scene.run_for(40 * MINUTE).await;
        let conditions = baseline(&scene)["status"]["conditions"]
            .as_array()
            .unwrap()
            .clone();
        let bound = conditions
            .iter()
            .find(|c| c["type"] == "OrganizationalUnitsBound")
            .unwrap();
        assert_eq!(
            (bound["status"].as_str(), bound["reason"].as_str()),
            (Some("False"), Some("OURenamed"))
        );
        assert!(scene.events("standard").contains(&"OURenamed".to_owned()));
        // The next account goes to the same unit; none of the old name is made again.
        scene.create("team-web", "bittern", spec("dev")).await;
        scene.run_until_all_ready(10 * MINUTE).await;
        assert_eq!(scene.calls("CreateOrganizationalUnit"), 2);
        let second = scene.account("team-web", "bittern")["status"]["accountId"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(aws(&scene, &second).parent, dev);
    });
}

/// UpdateOrganizationalUnit by another tool.
async fn rename(scene: &Scene, unit: &str, name: &str) {
    let request = http::Request::post("/")
        .header("content-type", "application/x-amz-json-1.1")
        .header(
            "x-amz-target",
            "AWSOrganizationsV20161128.UpdateOrganizationalUnit",
        )
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=OTHER/20260101/us-east-1/organizations/aws4_request",
        )
        .body(
            json!({"OrganizationalUnitId": unit, "Name": name})
                .to_string()
                .into(),
        )
        .unwrap();
    let answer = scene.world.organization.handle(request).await.unwrap();
    assert_eq!(answer.status(), 200, "{:?}", answer.body());
}

#[test]
fn a_suspended_account_is_stalled_never_ready() {
    in_virtual_time(async {
        let (mut scene, id) = vended(5).await;
        scene
            .world
            .organization
            .mutate(Mutation::Suspend { account: id })
            .unwrap();
        scene
            .run_until(10 * MINUTE, "told", |s| {
                s.is("team-web", "egret", "Stalled", "True", "AccountSuspended")
            })
            .await;
    });
}

#[test]
fn suspend_stops_a_creation_that_was_not_sent() {
    in_virtual_time(async {
        let mut scene = Scene::new(6);
        scene.apply_acme_platform().await;
        let mut suspended = spec("dev");
        suspended["suspend"] = json!(true);
        scene.create("team-web", "egret", suspended).await;
        scene.start();
        scene.run_for(10 * MINUTE).await;
        assert!(scene.is("team-web", "egret", "Waiting", "True", "Suspended"));
        assert_eq!(scene.calls("CreateAccount"), 0);
        scene
            .patch("team-web", "egret", json!({"spec": {"suspend": false}}))
            .await;
        scene.run_until_all_ready(10 * MINUTE).await;
    });
}

#[test]
fn the_outputs_are_kept_as_they_should_be() {
    in_virtual_time(async {
        let (mut scene, id) = vended(7).await;
        scene
            .patch(
                "team-web",
                "egret",
                json!({"spec": {"outputs": {"configMapName": "egret-out"}}}),
            )
            .await;
        let map = |scene: &Scene| {
            scene
                .world
                .kubernetes
                .objects("", "configmaps")
                .into_iter()
                .find(|m| m["metadata"]["name"] == "egret-out")
        };
        scene
            .run_until(5 * MINUTE, "written", |scene| {
                map(scene).is_some_and(|m| m["data"]["accountId"] == id.as_str())
            })
            .await;
        let api: kube::Api<k8s_openapi::api::core::v1::ConfigMap> =
            kube::Api::namespaced(scene.world.client(), "team-web");
        api.delete("egret-out", &kube::api::DeleteParams::default())
            .await
            .unwrap();
        scene
            .run_until(5 * MINUTE, "written again", |scene| map(scene).is_some())
            .await;
        scene.run_until_all_ready(MINUTE).await;
        scene.run_for(Duration::from_secs(5)).await;
    });
}

#[test]
fn a_policy_of_ours_on_a_unit_is_told_and_not_detached() {
    in_virtual_time(async {
        let (mut scene, id) = vended(8).await;
        let unit = aws(&scene, &id).parent;
        let organization = scene.world.organization.state();
        let own = organization
            .policies
            .iter()
            .find(|policy| policy.name.starts_with("bulkhead-"));
        let policy = own.unwrap().id.clone();
        let in_place = |scene: &Scene| {
            let organizations = scene.world.kubernetes.objects(api::GROUP, "organizations");
            let conditions = organizations[0]["status"]["conditions"]
                .as_array()
                .unwrap()
                .clone();
            let found = conditions
                .into_iter()
                .find(|c| c["type"] == "PoliciesInPlace")
                .unwrap();
            (
                found["status"] == "True",
                found["message"].as_str().unwrap().to_owned(),
            )
        };
        assert!(in_place(&scene).0, "{:?}", in_place(&scene));
        let attach = Mutation::AttachPolicy {
            policy: policy.clone(),
            target: unit.clone(),
        };
        scene.world.organization.mutate(attach).unwrap();
        scene
            .run_until(60 * MINUTE, "told", |scene| !in_place(scene).0)
            .await;
        let (_, message) = in_place(&scene);
        assert!(message.contains(&format!("({policy}) to {unit}")), "{message}");
        scene.run_for(60 * MINUTE).await;
        let attachments = scene.world.organization.state().attachments;
        assert!(attachments.iter().any(|a| a.policy == policy && a.target == unit));
        let told = scene.events("heron");
        let told = told.iter().filter(|reason| *reason == "PolicyAttachedElsewhere");
        assert_eq!(told.count(), 1);
        assert!(scene.is_ready("team-web", "egret"));
    });
}
