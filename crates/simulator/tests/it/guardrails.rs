//! Policies of a revision: kept, swapped, left alone, and counted.

use crate::scene::{MINUTE, Scene, config, in_virtual_time, spec};
use operator::Config;
use orgsim::{Mutation, PolicyView};
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc};

const SCP: &str = "SERVICE_CONTROL_POLICY";
const IRELAND: &str = "eu-west-1";

async fn prepared(seed: u64, names: &[&str]) -> Scene {
    let scene = Scene::new(seed);
    scene.apply_acme_platform().await;
    for name in names {
        scene.create("team-web", name, spec("dev")).await;
    }
    scene
}

async fn vended(seed: u64, names: &[&str]) -> Scene {
    let mut scene = prepared(seed, names).await;
    scene.start();
    scene.run_until_all_ready(20 * MINUTE).await;
    scene.run_for(2 * MINUTE).await;
    scene
}

fn id(scene: &Scene, name: &str) -> String {
    let id = &scene.account("team-web", name)["status"]["accountId"];
    id.as_str().unwrap().to_owned()
}

/// Ours that the account has directly.
fn own(scene: &Scene, account: &str) -> Vec<Arc<PolicyView>> {
    let mut attached = scene.world.organization.attached_policies();
    let mut policies = attached.remove(account).unwrap();
    policies.retain(|policy| policy.name.starts_with("bulkhead-"));
    policies
}

/// The contents that an account of this revision is to have in dev.
fn contents(scene: &Scene, revision: &str) -> Vec<String> {
    let revisions = scene.world.kubernetes.objects(api::GROUP, "baselinerevisions");
    let found = revisions
        .iter()
        .find(|object| object["metadata"]["name"] == revision);
    let policies = found.unwrap()["spec"]["environments"][0]["policies"].clone();
    let policies: Vec<Value> = serde_json::from_value(policies).unwrap();
    assert!(!policies.is_empty());
    policies
        .iter()
        .map(|policy| policy["content"].as_str().unwrap().to_owned())
        .collect()
}

fn has_exactly(scene: &Scene, account: &str, revision: &str) -> bool {
    let has: BTreeSet<String> = own(scene, account).iter().map(|p| p.content.clone()).collect();
    has == contents(scene, revision).into_iter().collect()
}

fn revisions(scene: &Scene) -> BTreeSet<String> {
    let objects = scene.world.kubernetes.objects(api::GROUP, "baselinerevisions");
    let names = objects
        .iter()
        .map(|object| object["metadata"]["name"].as_str().unwrap().to_owned());
    names.collect()
}

fn latest(scene: &Scene) -> String {
    let baseline = scene.baseline();
    let name = &baseline["status"]["latestRevision"]["name"];
    name.as_str().unwrap_or_default().to_owned()
}

/// `assigned` or `applied`.
fn revision(scene: &Scene, name: &str, which: &str) -> String {
    let object = scene.account("team-web", name);
    let revision = &object["status"]["baseline"][which]["revision"];
    revision.as_str().unwrap_or_default().to_owned()
}

/// Edits the Regions of dev, and waits until the Baseline shows the revision.
async fn allow(scene: &mut Scene, regions: &[&str]) -> String {
    let mut environments = scene.baseline()["spec"]["environments"].clone();
    environments[0]["guardrails"][1]["parameters"]["regions"] = json!(regions);
    scene
        .patch_baseline(json!({"spec": {"environments": environments}}))
        .await;
    scene
        .run_until(MINUTE, "the Baseline is looked at", |scene| {
            let baseline = scene.baseline();
            baseline["status"]["observedGeneration"] == baseline["metadata"]["generation"]
        })
        .await;
    latest(scene)
}

async fn run_until_applied(scene: &mut Scene, names: &[&str], wanted: &str) {
    scene
        .run_until(20 * MINUTE, "applied", |scene| {
            let applied = |name: &&str| revision(scene, name, "applied") == wanted;
            names.iter().all(applied) && names.iter().all(|name| scene.is_ready("team-web", name))
        })
        .await;
}

fn make_foreign(scene: &Scene, name: &str) -> String {
    let statement = json!({"Effect": "Deny", "Action": "s3:DeleteBucket", "Resource": "*"});
    let content = json!({"Version": "2012-10-17", "Statement": [statement]});
    let mutation = Mutation::CreatePolicy {
        r#type: SCP.into(),
        name: name.into(),
        content: content.to_string(),
        description: String::new(),
        tags: [("team".to_owned(), "them".to_owned())].into(),
    };
    scene.world.organization.mutate(mutation).unwrap();
    policy(scene, name).unwrap().id
}

fn policy(scene: &Scene, name: &str) -> Option<PolicyView> {
    let policies = scene.world.organization.state().policies;
    policies.into_iter().find(|policy| policy.name == name)
}

fn attach(scene: &Scene, policy: &str, target: &str) {
    let (policy, target) = (policy.to_owned(), target.to_owned());
    let mutation = Mutation::AttachPolicy { policy, target };
    scene.world.organization.mutate(mutation).unwrap();
}

fn detach(scene: &Scene, policy: &str, target: &str) {
    let (policy, target) = (policy.to_owned(), target.to_owned());
    let mutation = Mutation::Detach { policy, target };
    scene.world.organization.mutate(mutation).unwrap();
}

/// Another tool's call on the type of service control policies.
async fn policy_type(scene: &Scene, operation: &str) {
    change_type(scene, operation, SCP).await;
}

/// Another tool's call on a type of policies.
async fn change_type(scene: &Scene, operation: &str, policy_type: &str) {
    let root = scene.world.organization.root_id();
    let request = http::Request::post("/")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", format!("AWSOrganizationsV20161128.{operation}"))
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=OTHER/20260101/us-east-1/organizations/aws4_request",
        )
        .body(
            json!({"RootId": root, "PolicyType": policy_type})
                .to_string()
                .into(),
        )
        .unwrap();
    let answer = scene.world.organization.handle(request).await.unwrap();
    assert_eq!(answer.status(), 200, "{:?}", answer.body());
}

fn policy_changes(scene: &Scene) -> usize {
    let changes = |operation: &String| operation.contains("Policy");
    scene.mutations().iter().filter(|o| changes(o)).count()
}

#[test]
fn what_was_detached_or_edited_is_put_back_and_what_is_foreign_stays() {
    in_virtual_time(async {
        let mut scene = vended(50, &["egret"]).await;
        let account = id(&scene, "egret");
        let wanted = latest(&scene);
        assert!(has_exactly(&scene, &account, &wanted));
        assert!(!scene.events("egret").contains(&"GuardrailsRepaired".to_owned()));
        let theirs = make_foreign(&scene, "theirs");
        attach(&scene, &theirs, &account);
        let before = policy(&scene, "theirs");

        let ours = own(&scene, &account)[0].id.clone();
        detach(&scene, &ours, &account);
        scene
            .run_until(60 * MINUTE, "attached again", |scene| {
                has_exactly(scene, &account, &wanted)
            })
            .await;
        scene.run_for(MINUTE).await;
        assert!(scene.events("egret").contains(&"GuardrailsRepaired".to_owned()));

        let content = before.as_ref().unwrap().content.clone();
        let edit = Mutation::EditPolicy {
            policy: ours.clone(),
            content,
        };
        scene.world.organization.mutate(edit).unwrap();
        assert!(!has_exactly(&scene, &account, &wanted));
        scene
            .run_until(60 * MINUTE, "written back", |scene| {
                has_exactly(scene, &account, &wanted)
            })
            .await;
        assert_eq!(
            own(&scene, &account)[0].id,
            ours,
            "repaired in place, not made anew"
        );
        scene.run_for(MINUTE).await;
        assert!(scene.events("egret").contains(&"GuardrailsRepaired".to_owned()));

        scene.run_until_all_ready(10 * MINUTE).await;
        assert_eq!(policy(&scene, "theirs"), before);
        let attached = scene.world.organization.attached_policies();
        assert!(attached[&account].iter().any(|policy| policy.id == theirs));
    });
}

#[test]
fn a_type_that_somebody_disables_is_an_alarm_and_no_repair() {
    in_virtual_time(async {
        let mut scene = vended(51, &["egret"]).await;
        let before = policy_changes(&scene);
        policy_type(&scene, "DisablePolicyType").await;
        scene
            .run_until(60 * MINUTE, "the alarm", |scene| {
                scene.is("team-web", "egret", "Stalled", "True", "PolicyTypeDisabled")
            })
            .await;
        scene.run_for(120 * MINUTE).await;
        assert!(scene.is("team-web", "egret", "Ready", "False", "PolicyTypeDisabled"));
        assert_eq!(policy_changes(&scene), before + 1, "the other tool's call alone");
        assert!(scene.world.organization.state().root.policy_types.is_empty());
        // Who enables it again gets everything back.
        policy_type(&scene, "EnablePolicyType").await;
        scene.run_until_all_ready(60 * MINUTE).await;
        assert!(has_exactly(&scene, &id(&scene, "egret"), &latest(&scene)));
    });
}

/// The root's policy lets those below it change nothing: what the account has is attached, and says nothing.
#[test]
fn a_policy_that_inherits_in_vain_is_told_until_the_one_above_lets_it() {
    in_virtual_time(async {
        let mut scene = prepared(58, &["egret"]).await;
        change_type(&scene, "EnablePolicyType", "TAG_POLICY").await;
        scene.run_for(5 * MINUTE).await;
        let above = json!({"tags": {"Team": {
            "tag_key": {"@@assign": "Team"},
            "tag_value": {"@@assign": ["them"], "@@operators_allowed_for_child_policies": ["@@none"]},
        }}});
        let mutation = Mutation::CreatePolicy {
            r#type: "TAG_POLICY".into(),
            name: "theirs".into(),
            content: above.to_string(),
            description: String::new(),
            tags: [].into(),
        };
        scene.world.organization.mutate(mutation).unwrap();
        let theirs = policy(&scene, "theirs").unwrap().id;
        let root = scene.world.organization.root_id().to_owned();
        attach(&scene, &theirs, &root);
        let mut environments = scene.baseline()["spec"]["environments"].clone();
        environments[0]["policies"] = json!([{
            "name": "teams", "type": "TAG_POLICY",
            "document": {"tags": {"Team": {"tag_value": {"@@assign": ["us"]}}}},
        }]);
        scene
            .patch_baseline(json!({"spec": {"environments": environments}}))
            .await;
        scene.start();
        scene
            .run_until(30 * MINUTE, "told", |scene| {
                scene.is("team-web", "egret", "Stalled", "True", "EffectivePolicyDiffers")
            })
            .await;
        assert!(scene.is("team-web", "egret", "Ready", "False", "EffectivePolicyDiffers"));
        let next = scene.account("team-web", "egret")["status"]["nextStep"].clone();
        assert!(
            next.as_str()
                .is_some_and(|next| next.contains("tags.Team.tag_value")),
            "{next}"
        );
        assert_eq!(revision(&scene, "egret", "applied"), "");
        let asked = scene.calls("DescribeEffectivePolicy");
        scene.run_for(60 * MINUTE).await;
        let again = scene.calls("DescribeEffectivePolicy") - asked;
        assert!((1..=12).contains(&again), "{again} times in an hour");

        detach(&scene, &theirs, &root);
        scene.run_until_all_ready(30 * MINUTE).await;
        assert_eq!(revision(&scene, "egret", "applied"), latest(&scene));
    });
}

#[test]
fn a_type_is_enabled_only_where_the_configuration_says_so() {
    in_virtual_time(async {
        let mut scene = prepared(52, &["egret"]).await;
        let plain = "{installation: heron, defaultBaseline: standard, aws: {awsShare: 1.0}}";
        scene.start_with(Config::parse(plain).unwrap(), None);
        scene
            .run_until(20 * MINUTE, "told", |scene| {
                scene.is("team-web", "egret", "Waiting", "True", "PolicyTypeDisabled")
            })
            .await;
        scene.run_for(120 * MINUTE).await;
        assert!(scene.is("team-web", "egret", "Ready", "False", "PolicyTypeDisabled"));
        assert_eq!(policy_changes(&scene), 0);
        let accounts = scene.world.organization.state().accounts;
        let governed = accounts.iter().filter(|account| !account.path.is_empty());
        assert_eq!(
            governed.count(),
            0,
            "no account without policies in a governed unit"
        );
        policy_type(&scene, "EnablePolicyType").await;
        scene.run_until_all_ready(60 * MINUTE).await;
        assert!(has_exactly(&scene, &id(&scene, "egret"), &latest(&scene)));
    });
}

#[test]
fn an_account_without_a_free_slot_waits_and_others_go_on() {
    in_virtual_time(async {
        let mut scene = vended(53, &["egret", "heron"]).await;
        let (egret, heron) = (id(&scene, "egret"), id(&scene, "heron"));
        let first = latest(&scene);
        let foreign: Vec<String> = (0..8)
            .map(|n| make_foreign(&scene, &format!("theirs-{n}")))
            .collect();
        for policy in &foreign {
            attach(&scene, policy, &egret);
        }
        let second = allow(&mut scene, &[IRELAND, "eu-north-1"]).await;
        assert_ne!(first, second);
        run_until_applied(&mut scene, &["heron"], &second).await;
        assert!(has_exactly(&scene, &heron, &second));
        assert!(scene.is("team-web", "egret", "Waiting", "True", "NoPolicySlot"));
        assert!(has_exactly(&scene, &egret, &first));
        // AWS said so first; the next look shows whose policies they are.
        scene
            .run_until(60 * MINUTE, "told which they are", |scene| {
                let next = &scene.account("team-web", "egret")["status"]["nextStep"];
                next.as_str()
                    .is_some_and(|next| next.contains("theirs-0, theirs-1"))
            })
            .await;
        assert!(scene.is("team-web", "egret", "Waiting", "True", "NoPolicySlot"));

        detach(&scene, &foreign[3], &egret);
        scene
            .run_until(60 * MINUTE, "a slot was seen", |scene| {
                has_exactly(scene, &egret, &second)
            })
            .await;
        run_until_applied(&mut scene, &["egret"], &second).await;
        let attached = scene.world.organization.attached_policies();
        let kept = |policy: &&String| attached[&egret].iter().any(|other| other.id == **policy);
        assert_eq!(foreign.iter().filter(kept).count(), 7);
    });
}

#[test]
fn a_revert_gives_the_old_revision_and_what_is_unused_goes_after_a_day() {
    in_virtual_time(async {
        let mut scene = vended(54, &["egret"]).await;
        let account = id(&scene, "egret");
        let first = latest(&scene);
        let old = own(&scene, &account)[0].clone();
        let theirs = make_foreign(&scene, "theirs");
        let second = allow(&mut scene, &[IRELAND]).await;
        run_until_applied(&mut scene, &["egret"], &second).await;
        let new = own(&scene, &account)[0].clone();
        assert_ne!(old.id, new.id);

        assert_eq!(allow(&mut scene, &[IRELAND, "eu-central-1"]).await, first);
        run_until_applied(&mut scene, &["egret"], &first).await;
        assert_eq!(
            own(&scene, &account),
            std::slice::from_ref(&old),
            "the very policy of before"
        );
        assert_eq!(revisions(&scene), BTreeSet::from([first, second]));

        scene.run_for(23 * 60 * MINUTE).await;
        assert_eq!(policy(&scene, &new.name).as_ref(), Some(&*new));
        scene
            .run_until(3 * 60 * MINUTE, "deleted", |scene| {
                policy(scene, &new.name).is_none()
            })
            .await;
        scene.run_for(60 * MINUTE).await;
        assert_eq!(policy(&scene, &old.name).as_ref(), Some(&*old));
        assert_eq!(policy(&scene, "theirs").unwrap().id, theirs);
        assert!(scene.is_ready("team-web", "egret"));
    });
}

#[test]
fn without_a_promotion_an_edit_reaches_no_account() {
    in_virtual_time(async {
        let mut scene = prepared(55, &["egret"]).await;
        scene
            .patch_baseline(json!({"spec": {"updatePolicy": "OnPromotion"}}))
            .await;
        scene.start();
        scene.run_until_all_ready(20 * MINUTE).await;
        scene.run_for(2 * MINUTE).await;
        let first = latest(&scene);
        let second = allow(&mut scene, &[IRELAND]).await;
        assert_ne!(first, second);
        let before = scene.mutations().len();
        scene.run_for(60 * MINUTE).await;
        assert_eq!(scene.mutations().len(), before);
        assert!(scene.is_ready("team-web", "egret"));
        assert_eq!(revision(&scene, "egret", "assigned"), first);
        assert_eq!(revision(&scene, "egret", "updateAvailable"), second);
        let dev = scene.baseline()["status"]["environments"][0].clone();
        assert_eq!(dev["revision"]["name"], first.as_str(), "{dev}");

        scene.create("team-web", "heron", spec("dev")).await;
        scene.run_until_all_ready(20 * MINUTE).await;
        assert_eq!(revision(&scene, "heron", "applied"), first);
        assert_eq!(revision(&scene, "heron", "updateAvailable"), second);
        assert!(has_exactly(&scene, &id(&scene, "heron"), &first));
    });
}

#[test]
fn the_history_is_trimmed_to_what_is_referred_to_and_its_limit() {
    in_virtual_time(async {
        let mut scene = vended(56, &["egret", "heron"]).await;
        let first = latest(&scene);
        scene
            .patch_baseline(json!({"spec": {"revisionHistoryLimit": 1}}))
            .await;
        // This one keeps the first.
        scene
            .patch("team-web", "heron", json!({"spec": {"suspend": true}}))
            .await;
        let mut last = vec![first.clone()];
        for region in ["eu-north-1", "eu-south-1", "eu-west-2", "eu-west-3"] {
            let next = allow(&mut scene, &[IRELAND, region]).await;
            scene
                .run_until(20 * MINUTE, "applied", |scene| {
                    revision(scene, "egret", "applied") == next
                })
                .await;
            last.push(next);
        }
        scene.run_for(60 * MINUTE).await;
        assert_eq!(revision(&scene, "heron", "applied"), first);
        let kept = BTreeSet::from([first, last[3].clone(), last[4].clone()]);
        assert_eq!(revisions(&scene), kept);
        let policies = &scene.baseline()["status"]["accounts"]["byRevision"];
        assert_eq!(policies.as_array().unwrap().len(), 2, "{policies}");
    });
}

#[test]
fn a_lost_cluster_takes_its_policies_up_again_and_changes_none() {
    in_virtual_time(async {
        let names = ["egret", "heron"];
        let mut scene = vended(57, &names).await;
        let mark = scene.world.kubernetes.objects(api::GROUP, "organizations")[0]["status"]["mark"].clone();
        scene.kill(0);
        let before = (
            policy_changes(&scene),
            scene.world.organization.attached_policies(),
        );
        let first = latest(&scene);
        let mut fresh = scene.new_cluster();
        fresh.apply_acme_platform().await;
        for name in names {
            fresh.create("team-web", name, spec("dev")).await;
        }
        fresh.start_with(config(), mark.as_str().map(str::to_owned));
        fresh.run_until_all_ready(30 * MINUTE).await;
        fresh.run_for(60 * MINUTE).await;
        assert_eq!(latest(&fresh), first);
        for name in names {
            assert_eq!(revision(&fresh, name, "applied"), first);
        }
        let after = (
            policy_changes(&fresh),
            fresh.world.organization.attached_policies(),
        );
        assert_eq!(after, before);
        fresh.assert_one_account_each(2);
    });
}
