//! Policies: what is read of them, by which calls.

use crate::world::{Policy, World, account_id, context, tags};
use executor::{ErrorClass, ReadResult, read};
use model::{
    EffectivePolicy, Observation, ObservedPolicy, PolicyContent, PolicyId, PolicyTarget, PolicyType,
    PolicyTypeState, Read, Snapshot, Tags, tag_keys,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

pub(crate) const DENY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iam:*","Resource":"*"}]}"#;

pub(crate) fn scp() -> PolicyType {
    PolicyType::service_control()
}

pub(crate) fn id(id: &str) -> PolicyId {
    PolicyId::parse(id).unwrap()
}

/// A policy of this name that only its id and name are special about.
fn policy(of: &str, name: &str) -> Policy {
    Policy {
        id: id(of),
        name: name.to_owned(),
        aws_managed: false,
        content: PolicyContent::parse(DENY).unwrap(),
        description: String::new(),
        tags: Tags::new(),
        bulk: Tags::new(),
        targets: BTreeSet::new(),
    }
}

fn ours(of: &str, name: &str) -> Policy {
    Policy {
        tags: tags(tag_keys::MANAGED, "heron"),
        bulk: tags(tag_keys::MANAGED, "heron"),
        ..policy(of, name)
    }
}

fn full_access() -> Policy {
    Policy {
        aws_managed: true,
        ..policy("p-FullAWSAccess", "FullAWSAccess")
    }
}

pub(crate) fn world(policies: Vec<Policy>) -> World {
    let world = World::default();
    world.0.borrow_mut().policy_types = [(scp(), PolicyTypeState::Enabled)].into();
    world.0.borrow_mut().policies = policies;
    world
}

async fn observe(world: &World, what: Read) -> Observation {
    let context = context(world, Duration::from_secs(10));
    match read(context, what, 1, None).await.unwrap() {
        ReadResult::Organization(observation) => observation,
        mark @ ReadResult::Mark { .. } => panic!("{mark:?}"),
    }
}

async fn full(world: &World) -> Snapshot {
    match observe(world, Read::Full).await {
        Observation::Full { snapshot, .. } => *snapshot,
        other => panic!("{other:?}"),
    }
}

/// What was asked about policies, in order.
fn asked(world: &World) -> Vec<String> {
    let about = |call: &String| call.contains("Polic") || call.starts_with("ListTags");
    world.calls().into_iter().filter(about).collect()
}

fn seen(policies: &[ObservedPolicy]) -> BTreeMap<&str, &ObservedPolicy> {
    policies
        .iter()
        .map(|policy| (policy.id.as_str(), policy))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_full_read_asks_once_for_each_policy_that_is_not_awss_own() {
    let targets: BTreeSet<PolicyTarget> = ["r-a1b2", "ou-a1b2-12345678", "111111111111"]
        .map(|id| PolicyTarget::parse(id).unwrap())
        .into();
    let mine = Policy {
        targets: targets.clone(),
        ..ours("p-heron00001", "bulkhead-heron-prod-0123456789")
    };
    let theirs = Policy {
        bulk: tags("team", "net"),
        ..policy("p-foreign001", "no-leave")
    };
    let world = world(vec![full_access(), mine, theirs]);
    world.0.borrow_mut().policy_types.insert(
        PolicyType::parse("NEXT_YEARS_POLICY").unwrap(),
        PolicyTypeState::PendingEnable,
    );
    let snapshot = full(&world).await;
    assert_eq!(
        asked(&world),
        [
            "ListPolicies SERVICE_CONTROL_POLICY",
            "ListPolicies SERVICE_CONTROL_POLICY",
            "ListPolicies SERVICE_CONTROL_POLICY",
            "DescribePolicy p-heron00001",
            "ListTargetsForPolicy p-heron00001",
            "ListTargetsForPolicy p-heron00001",
            "ListTargetsForPolicy p-heron00001",
            "DescribePolicy p-foreign001",
            "ListTargetsForPolicy p-foreign001",
        ],
        "three pages of each listing, one of them empty; nothing of a type that is not on"
    );
    assert_eq!(
        snapshot.policy_types.values().collect::<Vec<_>>(),
        [&PolicyTypeState::PendingEnable, &PolicyTypeState::Enabled]
    );
    let policies = seen(&snapshot.policies.policies);
    assert_eq!(policies.len(), 3);
    assert_eq!(policies["p-FullAWSAccess"].content, None);
    assert!(policies["p-FullAWSAccess"].aws_managed);
    assert!(policies["p-heron00001"].is_of("heron"));
    assert!(policies["p-heron00001"].says(&PolicyContent::parse(DENY).unwrap()));
    assert_eq!(policies["p-foreign001"].tags, Some(tags("team", "net")));
    assert!(policies["p-foreign001"].content.is_some());
    assert_eq!(
        snapshot.policies.attachments,
        [
            (id("p-heron00001"), targets),
            (id("p-foreign001"), BTreeSet::new())
        ]
    );
    assert_eq!(
        snapshot.tags,
        [(account_id(), tags("team", "payments"))].into(),
        "tags of policies are not an account's"
    );
}

/// The bulk listing may be stale, and our tag decides what may be detached and deleted.
#[tokio::test(start_paused = true)]
async fn a_name_like_ours_whose_tag_the_bulk_listing_denies_is_asked_itself() {
    let name = "bulkhead-heron-prod-0123456789";
    let fresh = Policy {
        bulk: Tags::new(),
        ..ours("p-heron00001", name)
    };
    let stale = Policy {
        bulk: tags(tag_keys::MANAGED, "egret"),
        ..ours("p-heron00002", "bulkhead-heron-dev-0123456789")
    };
    let taken = policy("p-foreign001", "bulkhead-heron-test-0123456789");
    let foreign = policy("p-foreign002", "no-leave");
    let world = world(vec![fresh, stale, taken, foreign]);
    let snapshot = full(&world).await;
    let confirmed: Vec<String> = asked(&world)
        .into_iter()
        .filter(|call| call.starts_with("ListTags"))
        .collect();
    assert_eq!(
        confirmed,
        [
            "ListTagsForResource p-heron00001",
            "ListTagsForResource p-heron00002",
            "ListTagsForResource p-foreign001",
        ]
    );
    let policies = seen(&snapshot.policies.policies);
    let of_heron = |id: &str| policies[id].is_of("heron");
    assert!(of_heron("p-heron00001") && of_heron("p-heron00002"));
    assert!(!of_heron("p-foreign001") && !of_heron("p-foreign002"));
    assert_eq!(policies["p-foreign002"].tags, Some(Tags::new()));
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_vanishes_after_it_was_listed_is_left_out() {
    for (operation, class) in [
        ("DescribePolicy", ErrorClass::PolicyNotFound),
        ("ListTargetsForPolicy", ErrorClass::PolicyNotFound),
        ("ListTagsForResource", ErrorClass::TargetNotFound),
    ] {
        let gone = policy("p-heron00001", "bulkhead-heron-prod-0123456789");
        let world = world(vec![full_access(), gone]);
        world.0.borrow_mut().refusals.insert(operation, class);
        let snapshot = full(&world).await;
        let policies = seen(&snapshot.policies.policies);
        assert_eq!(
            policies.keys().collect::<Vec<_>>(),
            [&"p-FullAWSAccess"],
            "{operation}"
        );
        assert!(snapshot.policies.attachments.is_empty(), "{operation}");
    }
    let world = world(vec![policy("p-foreign001", "no-leave")]);
    let refusals = BTreeMap::from([("DescribePolicy", ErrorClass::AccessDenied)]);
    world.0.borrow_mut().refusals = refusals;
    let context = context(&world, Duration::from_secs(10));
    let error = read(context, Read::Full, 1, None).await.unwrap_err();
    assert_eq!(
        error.class,
        ErrorClass::AccessDenied,
        "no other failure is taken for that"
    );
}

#[tokio::test(start_paused = true)]
async fn the_policies_of_a_type_are_read_as_far_as_they_may_be_ours() {
    let mine = Policy {
        bulk: tags(tag_keys::MANAGED, "a stale listing is not asked"),
        ..ours("p-heron00001", "bulkhead-heron-prod-0123456789")
    };
    let world = world(vec![full_access(), mine, policy("p-foreign001", "no-leave")]);
    let Observation::Policies {
        policy_type,
        policies,
        ..
    } = observe(&world, Read::Policies(scp())).await
    else {
        panic!("another observation")
    };
    assert_eq!(policy_type, scp());
    assert_eq!(
        asked(&world)[3..],
        ["DescribePolicy p-heron00001", "ListTagsForResource p-heron00001"]
    );
    assert_eq!(world.calls().len(), 5, "{:?}", world.calls());
    let policies = seen(&policies);
    assert_eq!(policies.len(), 3);
    assert!(policies["p-heron00001"].is_of("heron") && policies["p-heron00001"].content.is_some());
    let unread = |id: &str| policies[id].content.is_none() && policies[id].tags.is_none();
    assert!(unread("p-foreign001") && unread("p-FullAWSAccess"));
}

#[tokio::test(start_paused = true)]
async fn what_is_attached_to_an_account_is_read_to_the_last_page() {
    let target = PolicyTarget::Account(account_id());
    let attached = |mut policy: Policy| {
        policy.targets.insert(target.clone());
        policy
    };
    let world = world(vec![
        attached(full_access()),
        attached(policy("p-foreign001", "no-leave")),
        policy("p-foreign002", "elsewhere"),
        attached(ours("p-heron00001", "bulkhead-heron-prod-0123456789")),
    ]);
    let what = Read::Attachments(account_id(), scp());
    let Observation::Attachments {
        account,
        policy_type,
        attached,
        ..
    } = observe(&world, what.clone()).await
    else {
        panic!("another observation")
    };
    assert_eq!((account, policy_type), (account_id(), scp()));
    let expected = [
        ("p-FullAWSAccess", "FullAWSAccess"),
        ("p-foreign001", "no-leave"),
        ("p-heron00001", "bulkhead-heron-prod-0123456789"),
    ];
    assert_eq!(
        attached,
        Some(
            expected
                .map(|(policy, name)| (id(policy), name.to_owned()))
                .to_vec()
        )
    );
    let call = "ListPoliciesForTarget 111111111111 SERVICE_CONTROL_POLICY";
    assert_eq!(world.calls(), [call; 3]);

    let refusals = BTreeMap::from([("ListPoliciesForTarget", ErrorClass::TargetNotFound)]);
    world.0.borrow_mut().refusals = refusals;
    let observation = observe(&world, what).await;
    assert!(
        matches!(observation, Observation::Attachments { attached: None, .. }),
        "{observation:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_policies_come_to_on_an_account() {
    let world = world(vec![]);
    let invalid = |reason: &str| ErrorClass::InvalidInput(reason.to_owned());
    let what = || Read::EffectivePolicy(account_id(), PolicyType::parse("TAG_POLICY").unwrap());
    let mut told = vec![];
    for refusal in [
        None,
        Some(ErrorClass::EffectivePolicyNotFound),
        Some(invalid("INVALID_ENUM_POLICY_TYPE")),
    ] {
        let refusals = refusal.map(|class| ("DescribeEffectivePolicy", class));
        world.0.borrow_mut().refusals = refusals.into_iter().collect();
        match observe(&world, what()).await {
            Observation::EffectivePolicy { effective, .. } => told.push(effective),
            other => panic!("{other:?}"),
        }
    }
    let says = EffectivePolicy::Says("{}".to_owned());
    assert_eq!(told, [says, EffectivePolicy::Nothing, EffectivePolicy::Untold]);
    assert_eq!(
        world.calls(),
        ["DescribeEffectivePolicy 111111111111 TAG_POLICY"; 3]
    );
    // What is wrong with the call itself says nothing of the account.
    for class in [invalid("INVALID_PATTERN_TARGET_ID"), ErrorClass::AccessDenied] {
        world.0.borrow_mut().refusals = [("DescribeEffectivePolicy", class.clone())].into();
        let failed = read(context(&world, Duration::from_secs(10)), what(), 1, None).await;
        assert_eq!(failed.unwrap_err().class, class);
    }
}

#[tokio::test(start_paused = true)]
async fn the_policy_types_are_read_from_the_root() {
    let world = world(vec![]);
    let Observation::PolicyTypes { types, .. } = observe(&world, Read::PolicyTypes).await else {
        panic!("another observation")
    };
    assert_eq!(types, [(scp(), PolicyTypeState::Enabled)].into());
    assert_eq!(world.calls(), ["ListRoots"]);
}
