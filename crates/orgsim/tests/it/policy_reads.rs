//! What policies come to, when listings show them, and another tool's hand on them.

use aws_sdk_organizations::types::PolicyType;
use orgsim::{Mutation, Settings};
use serde_json::json;

use crate::policies::{DENY, SCP, enabled, made, policies_of, scps};
use crate::sdk::{World, pass, seconds};
use crate::{reason, refusal};

async fn attach(world: &World, policy: &str, target: &str) {
    let attach = world.organizations.attach_policy().policy_id(policy);
    attach.target_id(target).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_effective_policy_of_an_account() {
    use aws_sdk_organizations::operation::describe_effective_policy::DescribeEffectivePolicyError as E;
    use aws_sdk_organizations::types::EffectivePolicyType;
    let world = World::new(enabled(&["TAG_POLICY", "SERVICE_CONTROL_POLICY"]));
    let (root, account) = (world.root(), world.account("a").await);
    let ask = |target: &str, kind: EffectivePolicyType| {
        let ask = world.organizations.describe_effective_policy();
        ask.target_id(target).policy_type(kind).send()
    };
    let none = ask(&account, EffectivePolicyType::TagPolicy).await;
    assert_eq!(refusal!(none), "EffectivePolicyNotFoundException");
    let upper = r#"{"tags":{"team":{"tag_key":{"@@assign":"Team"},"tag_value":{"@@assign":["a"]}}}}"#;
    let lower = r#"{"tags":{"team":{"tag_value":{"@@append":["b"]}}}}"#;
    let tags = PolicyType::TagPolicy;
    attach(&world, &made(&world, "upper", tags.clone(), upper).await, &root).await;
    attach(&world, &made(&world, "lower", tags, lower).await, &account).await;
    let effective = ask(&account, EffectivePolicyType::TagPolicy).await.unwrap();
    let content = effective.effective_policy.unwrap().policy_content.unwrap();
    let content: serde_json::Value = serde_json::from_str(&content).unwrap();
    assert_eq!(
        content,
        json!({"tags": {"team": {"tag_key": "Team", "tag_value": ["a", "b"]}}})
    );
    assert_eq!(
        reason!(
            ask(&root, EffectivePolicyType::TagPolicy).await,
            E::InvalidInputException
        )
        .as_deref(),
        Some("TARGET_NOT_SUPPORTED")
    );
    let scp = EffectivePolicyType::from("SERVICE_CONTROL_POLICY");
    assert_eq!(
        reason!(ask(&account, scp).await, E::InvalidInputException).as_deref(),
        Some("INVALID_ENUM_POLICY_TYPE")
    );
}

#[tokio::test(start_paused = true)]
async fn listings_of_policies_and_units_lag() {
    let world = World::new(Settings {
        listing_lag: seconds(8),
        ..enabled(&["SERVICE_CONTROL_POLICY"])
    });
    let root = world.root();
    let policy = made(&world, "p", SCP, DENY).await;
    attach(&world, &policy, &root).await;
    let unit = world.unit(&root, "Team").await;
    for expected in [false, true] {
        let listed = world
            .organizations
            .list_policies()
            .filter(SCP)
            .send()
            .await
            .unwrap();
        let is_listed = listed
            .policies()
            .iter()
            .any(|listed| listed.id() == Some(&policy));
        assert_eq!(is_listed, expected);
        assert_eq!(policies_of(&world, &root, SCP).await.contains(&policy), expected);
        let units = world
            .organizations
            .list_organizational_units_for_parent()
            .parent_id(&root);
        assert_eq!(
            !units.send().await.unwrap().organizational_units().is_empty(),
            expected
        );
        let describe = world
            .organizations
            .describe_organizational_unit()
            .organizational_unit_id(&unit);
        describe.send().await.unwrap();
        pass(8).await;
    }
}

#[tokio::test(start_paused = true)]
async fn another_tool_changes_policies() {
    let world = scps();
    let (orgsim, root) = (&world.orgsim, world.root());
    let mutate = |body: serde_json::Value| orgsim.mutate(serde_json::from_value::<Mutation>(body).unwrap());
    let policy = json!({"type": "SERVICE_CONTROL_POLICY", "name": "foreign", "content": DENY});
    mutate(json!({"createPolicy": policy})).unwrap();
    let state = orgsim.state();
    let foreign = state
        .policies
        .iter()
        .find(|policy| policy.name == "foreign")
        .unwrap()
        .id
        .clone();
    mutate(json!({"attachPolicy": {"policy": foreign, "target": root}})).unwrap();
    assert!(policies_of(&world, &root, SCP).await.contains(&foreign));
    let edited = DENY.replace("iam", "s3");
    mutate(json!({"editPolicy": {"policy": foreign, "content": edited}})).unwrap();
    mutate(json!({"detach": {"policy": "p-FullAWSAccess", "target": root}})).unwrap();
    let state = orgsim.state();
    let attached: Vec<_> = state.attachments.iter().filter(|of| of.target == root).collect();
    assert_eq!(attached.len(), 1);
    assert_eq!(
        state
            .policies
            .iter()
            .find(|policy| policy.id == foreign)
            .unwrap()
            .content,
        edited
    );
    for (body, field) in [
        (json!({"createPolicy": policy}), "createPolicy"),
        (
            json!({"detach": {"policy": foreign, "target": root}}),
            "detach.target",
        ),
        (
            json!({"attachPolicy": {"policy": "p-absent00", "target": root}}),
            "attachPolicy.policy",
        ),
        (
            json!({"editPolicy": {"policy": foreign, "content": "{"}}),
            "editPolicy.content",
        ),
        (
            json!({"createPolicy": {"type": "X", "name": "x", "content": DENY}}),
            "createPolicy.type",
        ),
    ] {
        assert_eq!(mutate(body.clone()).unwrap_err().field, field, "{body}");
    }
}
