//! What is true of policies, when listings show it, and what each type allows.

use orgsim::{Fault, FaultPlan, FaultRule, Mutation, Settings};
use serde_json::{Value, json};

use crate::policies::{SCP, enabled, made, policies_of};
use crate::refusal;
use crate::scp::{attach, deny, detach, document};
use crate::sdk::{World, calm, pass, seconds};

#[tokio::test(start_paused = true)]
async fn another_tool_and_the_true_state() {
    let world = World::new(enabled(&["SERVICE_CONTROL_POLICY", "TAG_POLICY"]));
    let account = world.account("a").await;
    let attached = || {
        let mut of_all = world.orgsim.attached_policies();
        let policies = of_all.remove(&account).unwrap();
        let name = |policy: &std::sync::Arc<orgsim::PolicyView>| policy.name.clone();
        policies.iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(attached(), ["FullAWSAccess"]);
    let mut seen = world.orgsim.policy_changes();
    let mutate = |body: Value| world.orgsim.mutate(serde_json::from_value(body).unwrap());
    mutate(
        json!({"createPolicy": {"type": "SERVICE_CONTROL_POLICY", "name": "foreign", "content": deny("s3:*"),
        "tags": {"owner": "else"}}}),
    )
    .unwrap();
    let state = world.orgsim.state();
    let foreign = state
        .policies
        .iter()
        .find(|policy| policy.name == "foreign")
        .unwrap();
    let id = foreign.id.as_str();
    for (body, expected) in [
        (json!({"attachPolicy": {"policy": id, "target": account}}), 2),
        (json!({"editPolicy": {"policy": id, "content": deny("iam:*")}}), 2),
        (json!({"detach": {"policy": id, "target": account}}), 1),
        (json!({"deletePolicy": {"policy": id}}), 1),
    ] {
        if expected == 2 {
            let refused = mutate(json!({"deletePolicy": {"policy": "p-FullAWSAccess"}})).unwrap_err();
            assert_eq!(refused.field, "deletePolicy.policy");
        }
        mutate(body.clone()).unwrap();
        assert_eq!(attached().len(), expected, "{body}");
        let changes = world.orgsim.policy_changes();
        assert!(changes > seen, "{body}");
        seen = changes;
    }
    world.organizations.list_roots().send().await.unwrap();
    assert_eq!(world.orgsim.policy_changes(), seen, "reads change nothing");
    assert!(
        world
            .orgsim
            .calls()
            .iter()
            .all(|call| call.operation != "AttachPolicy")
    );
    let refused = mutate(json!({"deletePolicy": {"policy": id}})).unwrap_err();
    assert!(refused.rule.starts_with("PolicyNotFoundException"), "{refused}");
    let targets = world.orgsim.attached_policies();
    assert_eq!(
        targets.len(),
        3,
        "the root, the management account and the member"
    );
}

#[tokio::test(start_paused = true)]
async fn detached_and_deleted_policies_are_listed_for_a_while() {
    let world = World::new(Settings {
        listing_lag: seconds(8),
        ..enabled(&["SERVICE_CONTROL_POLICY"])
    });
    let root = world.root();
    let policy = made(&world, "deny", SCP, &deny("s3:*")).await;
    attach(&world, &policy, &root);
    pass(8).await;
    let listed = || async {
        let of_target = policies_of(&world, &root, SCP).await.contains(&policy);
        let all = world
            .organizations
            .list_policies()
            .filter(SCP)
            .send()
            .await
            .unwrap();
        let all = all
            .policies()
            .iter()
            .any(|known| known.id() == Some(policy.as_str()));
        (of_target, all)
    };
    let targets = || async {
        let targets = world.organizations.list_targets_for_policy().policy_id(&policy);
        targets.send().await.unwrap().targets().len()
    };
    assert_eq!((listed().await, targets().await), ((true, true), 1));
    detach(&world, &policy, &root);
    pass(7).await;
    assert_eq!(
        (listed().await, targets().await),
        ((true, true), 1),
        "not seen yet"
    );
    pass(1).await;
    assert_eq!((listed().await, targets().await), ((false, true), 0));
    // Attached again before the detachment was seen, it never disappears.
    attach(&world, &policy, &root);
    pass(8).await;
    detach(&world, &policy, &root);
    pass(1).await;
    attach(&world, &policy, &root);
    assert_eq!(listed().await, (true, true));
    pass(20).await;
    assert_eq!(listed().await, (true, true));
    detach(&world, &policy, &root);
    pass(8).await;
    let delete = world.organizations.delete_policy().policy_id(&policy);
    delete.send().await.unwrap();
    pass(7).await;
    assert_eq!(listed().await, (false, true));
    let described = world.organizations.describe_policy().policy_id(&policy);
    assert_eq!(refusal!(described.send().await), "PolicyNotFoundException");
    pass(1).await;
    assert_eq!(listed().await, (false, false));
}

#[tokio::test(start_paused = true)]
async fn every_type_has_its_limits() {
    for (kind, size, most) in [
        ("SERVICE_CONTROL_POLICY", 10_240, 10),
        ("RESOURCE_CONTROL_POLICY", 5_120, 5),
        ("TAG_POLICY", 10_000, 10),
        ("BACKUP_POLICY", 10_000, 10),
        ("SECURITYHUB_POLICY", 10_000, 10),
        ("DECLARATIVE_POLICY_EC2", 10_000, 10),
        ("AISERVICES_OPT_OUT_POLICY", 2_500, 5),
        ("CHATBOT_POLICY", 10_000, 5),
        ("INSPECTOR_POLICY", 10_000, 10),
        ("BEDROCK_POLICY", 10_000, 10),
        ("UPGRADE_ROLLOUT_POLICY", 10_000, 10),
        ("S3_POLICY", 10_000, 10),
        ("NETWORK_SECURITY_DIRECTOR_POLICY", 10_000, 10),
        ("GUARDDUTY_POLICY", 10_000, 10),
        ("SECURITYHUB_CSPM_POLICY", 10_000, 10),
    ] {
        let orgsim = crate::wire::orgsim(Settings {
            policy_type_duration: seconds(10),
            ..calm()
        });
        let call = |operation: &'static str, body: Value| {
            let orgsim = orgsim.clone();
            async move { crate::wire::call(&orgsim, operation, &body).await }
        };
        let enable = json!({"RootId": orgsim.root_id(), "PolicyType": kind});
        let (status, answer) = call("EnablePolicyType", enable).await;
        assert_eq!(status, 200, "{answer}");
        pass(10).await;
        let base = match kind {
            "SERVICE_CONTROL_POLICY" => deny("s3:*"),
            "RESOURCE_CONTROL_POLICY" => {
                document(&json!({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}))
            }
            _ => "{}".to_owned(),
        };
        let create = |name: String, size: usize| {
            let content = format!("{base}{}", " ".repeat(size - base.len()));
            call(
                "CreatePolicy",
                json!({"Name": name, "Description": "", "Type": kind, "Content": content}),
            )
        };
        let (_, large) = create("large".to_owned(), size + 1).await;
        assert_eq!(large["Reason"], "POLICY_CONTENT_LIMIT_EXCEEDED", "{kind}");
        // AWS's own policy takes one of the places.
        let managed = usize::from(kind.ends_with("_CONTROL_POLICY"));
        for number in managed..=most {
            let (status, made) = create(number.to_string(), size).await;
            assert_eq!(status, 200, "{kind} {made}");
            let id = &made["Policy"]["PolicySummary"]["Id"];
            let attachment = json!({"PolicyId": id, "TargetId": orgsim.root_id()});
            let (status, answer) = call("AttachPolicy", attachment).await;
            if number < most {
                assert_eq!(status, 200, "{kind} {number} {answer}");
            } else {
                let reason = "MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED";
                assert_eq!(answer["Reason"], reason, "{kind}");
            }
        }
        let (_, unknown) = call(
            "EnablePolicyType",
            json!({"RootId": orgsim.root_id(), "PolicyType": "NEW_POLICY"}),
        )
        .await;
        assert_eq!(unknown["__type"], "InvalidInputException");
    }
}

#[tokio::test(start_paused = true)]
async fn stale_reads_show_policies_as_they_were() {
    let world = World::new(enabled(&["SERVICE_CONTROL_POLICY"]));
    let root = world.root();
    let stale = |operation: &str| FaultRule {
        operations: vec![operation.to_owned()],
        delay: Some(std::time::Duration::from_secs(5)),
        ..FaultRule::new(Fault::StaleRead)
    };
    let operations = [
        "DescribePolicy",
        "ListPolicies",
        "ListPoliciesForTarget",
        "ListTargetsForPolicy",
    ];
    let plan = FaultPlan {
        version: 1,
        seed: 1,
        rules: operations.into_iter().map(stale).collect(),
    };
    world.orgsim.set_faults(plan).unwrap();
    pass(10).await;
    let policy = made(&world, "deny", SCP, &deny("s3:*")).await;
    attach(&world, &policy, &root);
    let describe = || world.organizations.describe_policy().policy_id(&policy).send();
    let targets = || {
        let targets = world.organizations.list_targets_for_policy();
        targets.policy_id(&policy).send()
    };
    let listed = || async {
        let all = world.organizations.list_policies().filter(SCP).send();
        (
            all.await.unwrap().policies().len(),
            policies_of(&world, &root, SCP).await.len(),
        )
    };
    pass(4).await;
    assert_eq!(refusal!(describe().await), "PolicyNotFoundException");
    assert_eq!(refusal!(targets().await), "PolicyNotFoundException");
    assert_eq!(listed().await, (1, 1), "FullAWSAccess");
    pass(1).await;
    assert_eq!(targets().await.unwrap().targets().len(), 1);
    assert_eq!(listed().await, (2, 2));
    let edited = Mutation::EditPolicy {
        policy: policy.clone(),
        content: deny("iam:*"),
    };
    world.orgsim.mutate(edited).unwrap();
    detach(&world, &policy, &root);
    let content = || async { describe().await.unwrap().policy.unwrap().content.unwrap() };
    pass(4).await;
    assert_eq!((content().await, listed().await), (deny("s3:*"), (2, 2)));
    pass(1).await;
    assert_eq!((content().await, listed().await), (deny("iam:*"), (2, 1)));
}
