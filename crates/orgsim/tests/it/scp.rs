//! Service control policies on what member sessions do.

use std::time::Duration;

use orgsim::{Mutation, Settings};
use serde_json::{Value, json};

use crate::access::{enter, role};
use crate::policies::{SCP, enabled, made};
use crate::refusal;
use crate::sdk::{World, pass, seconds, tag};

/// Service control policies are enabled and act at once.
fn prompt() -> Settings {
    lagging(0)
}

pub(crate) fn lagging(lag: u64) -> Settings {
    Settings {
        scp_enforcement_lag: seconds(lag),
        ..enabled(&["SERVICE_CONTROL_POLICY"])
    }
}

pub(crate) fn document(statement: &Value) -> String {
    json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
}

pub(crate) fn deny(action: &str) -> String {
    document(&json!({"Sid": "No", "Effect": "Deny", "Action": action, "Resource": "*"}))
}

fn allow(action: &str) -> String {
    document(&json!({"Effect": "Allow", "Action": action, "Resource": "*"}))
}

pub(crate) fn attach(world: &World, policy: &str, target: &str) {
    let (policy, target) = (policy.to_owned(), target.to_owned());
    world
        .orgsim
        .mutate(Mutation::AttachPolicy { policy, target })
        .unwrap();
}

pub(crate) fn detach(world: &World, policy: &str, target: &str) {
    let (policy, target) = (policy.to_owned(), target.to_owned());
    world.orgsim.mutate(Mutation::Detach { policy, target }).unwrap();
}

/// The operator's probe, which answers with what refuses it.
async fn probe(member: &World) -> Result<(), (String, String)> {
    use aws_sdk_organizations::error::ProvideErrorMetadata as _;
    let described = member.organizations.describe_organization().send().await;
    described.map(drop).map_err(|error| {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        (text(error.code()), text(error.message()))
    })
}

async fn is_denied(member: &World) -> bool {
    match probe(member).await {
        Ok(()) => false,
        Err((code, message)) => {
            assert_eq!(code, "AccessDeniedException", "{message}");
            true
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_denial_binds_the_member_and_nobody_else() {
    let world = World::new(prompt());
    let (a, b) = (world.account("a").await, world.account("b").await);
    let (member, sibling) = (enter(&world, &a).await, enter(&world, &b).await);
    assert_eq!(probe(&member).await, Ok(()));
    let policy = made(&world, "lockout", SCP, &deny("*")).await;
    attach(&world, &policy, &a);
    let arn = format!("arn:aws:sts::{a}:assumed-role/OrganizationAccountAccessRole/probe");
    let message = format!(
        "User: {arn} is not authorized to perform: organizations:DescribeOrganization on resource: * with an \
         explicit deny in a service control policy"
    );
    let refused = probe(&member).await;
    assert_eq!(refused, Err(("AccessDeniedException".to_owned(), message)));
    let resources = member.tagging.get_resources().send().await;
    assert_eq!(refusal!(resources), "AccessDeniedException");
    let identity = member.sts.get_caller_identity().send().await.unwrap();
    assert_eq!(identity.account(), Some(a.as_str()), "it needs no permission");
    // Neither the sibling nor the management account is meant, and the way into the member is the management's.
    assert_eq!(probe(&sibling).await, Ok(()));
    world.organizations.describe_organization().send().await.unwrap();
    let again = enter(&world, &a).await;
    assert!(is_denied(&again).await);
    attach(&world, &policy, world.orgsim.management_account_id());
    world.organizations.describe_organization().send().await.unwrap();
    detach(&world, &policy, &a);
    assert_eq!(probe(&member).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn every_level_must_allow() {
    let world = World::new(prompt());
    let unit = world.unit(&world.root(), "Team").await;
    let inner = world.unit(&unit, "Inner").await;
    let account = world.account("a").await;
    let to = inner.clone();
    world
        .orgsim
        .mutate(Mutation::Move {
            account: account.clone(),
            to,
        })
        .unwrap();
    let member = enter(&world, &account).await;
    let s3 = made(&world, "s3", SCP, &allow("s3:*")).await;
    let reads = made(&world, "reads", SCP, &allow("organizations:DESC*")).await;
    for target in [world.root(), unit, inner, account] {
        assert_eq!(probe(&member).await, Ok(()), "{target}");
        attach(&world, &s3, &target);
        detach(&world, "p-FullAWSAccess", &target);
        let (_, message) = probe(&member).await.unwrap_err();
        let end = "because no service control policy allows the organizations:DescribeOrganization action";
        assert!(message.ends_with(end), "{target}: {message}");
        // Any policy of the level will do.
        attach(&world, &reads, &target);
    }
    assert_eq!(probe(&member).await, Ok(()));
    let leave = member.organizations.leave_organization().send().await;
    assert_eq!(refusal!(leave), "AccessDeniedException");
}

#[tokio::test(start_paused = true)]
async fn policies_of_the_root_and_the_units_come_with_the_place() {
    let world = World::new(prompt());
    let unit = world.unit(&world.root(), "Team").await;
    let account = world.account("a").await;
    let member = enter(&world, &account).await;
    let policy = made(&world, "deny", SCP, &deny("organizations:Describe*")).await;
    attach(&world, &policy, &unit);
    assert!(!is_denied(&member).await);
    let root = world.root();
    let moving = world.organizations.move_account().account_id(&account);
    let moving = moving.source_parent_id(&root).destination_parent_id(&unit);
    moving.send().await.unwrap();
    assert!(is_denied(&member).await);
    detach(&world, &policy, &unit);
    assert!(!is_denied(&member).await);
    attach(&world, &policy, &root);
    assert!(is_denied(&member).await);
}

#[tokio::test(start_paused = true)]
async fn a_change_is_enforced_later() {
    let world = World::new(lagging(8));
    let unit = world.unit(&world.root(), "Team").await;
    let account = world.account("a").await;
    let member = enter(&world, &account).await;
    let policy = made(&world, "deny", SCP, &deny("organizations:*")).await;
    let edit = |content: String| {
        let policy = policy.clone();
        world
            .orgsim
            .mutate(Mutation::EditPolicy { policy, content })
            .unwrap();
    };
    let to = |to: &str| {
        let (account, to) = (account.clone(), to.to_owned());
        world.orgsim.mutate(Mutation::Move { account, to }).unwrap();
    };
    let changes: [(&str, &dyn Fn()); 6] = [
        ("attached", &|| attach(&world, &policy, &account)),
        ("edited", &|| edit(deny("s3:*"))),
        ("edited again", &|| edit(deny("organizations:*"))),
        ("detached", &|| {
            detach(&world, &policy, &account);
            attach(&world, &policy, &unit);
        }),
        ("moved", &|| to(&unit)),
        ("moved back", &|| to(&world.root())),
    ];
    let mut denied = false;
    for (what, change) in changes {
        assert_eq!(is_denied(&member).await, denied, "before it is {what}");
        change();
        pass(7).await;
        assert_eq!(is_denied(&member).await, denied, "{what}, not yet enforced");
        pass(1).await;
        denied = !denied;
        assert_eq!(is_denied(&member).await, denied, "{what}");
    }
    // What is deleted was detached, and that is enforced later too.
    to(&unit);
    pass(8).await;
    detach(&world, &policy, &unit);
    let delete = Mutation::DeletePolicy {
        policy: policy.clone(),
    };
    world.orgsim.mutate(delete).unwrap();
    pass(7).await;
    assert!(is_denied(&member).await);
    let level = || world.orgsim.enforced_policies(&account).unwrap().remove(1);
    assert!(level().contains(&deny("organizations:*")));
    pass(1).await;
    assert!(!is_denied(&member).await);
    assert_eq!(level().len(), 1, "FullAWSAccess");
}

#[tokio::test(start_paused = true)]
async fn changes_overtake_each_other() {
    let mut overtaken = 0;
    for seed in 0..20 {
        let world = World::new(Settings {
            seed,
            scp_enforcement_lag: (Duration::ZERO, Duration::from_secs(10)),
            ..enabled(&["SERVICE_CONTROL_POLICY"])
        });
        let account = world.account("a").await;
        let policy = made(&world, "all", SCP, &allow("*")).await;
        attach(&world, &policy, &account);
        detach(&world, "p-FullAWSAccess", &account);
        let mut gap = false;
        for _ in 0..10 {
            pass(1).await;
            gap |= world.orgsim.enforced_policies(&account).unwrap()[1].is_empty();
        }
        let level = world.orgsim.enforced_policies(&account).unwrap().remove(1);
        assert_eq!(level, [allow("*")]);
        overtaken += usize::from(gap);
    }
    assert!((1..20).contains(&overtaken), "{overtaken} of 20");
}

#[tokio::test(start_paused = true)]
async fn nothing_acts_while_the_type_is_disabled() {
    let world = World::new(prompt());
    let account = world.account("a").await;
    let member = enter(&world, &account).await;
    let policy = made(&world, "deny", SCP, &deny("*")).await;
    attach(&world, &policy, &account);
    let root = world.root();
    let disable = world.organizations.disable_policy_type().root_id(&root);
    disable.policy_type(SCP).send().await.unwrap();
    assert!(is_denied(&member).await, "not until it is complete");
    pass(10).await;
    assert!(!is_denied(&member).await);
    assert_eq!(world.orgsim.enforced_policies(&account), None);
    let enable = world.organizations.enable_policy_type().root_id(&root);
    enable.policy_type(SCP).send().await.unwrap();
    pass(10).await;
    assert!(!is_denied(&member).await, "only FullAWSAccess is back");
    attach(&world, &policy, &account);
    assert!(is_denied(&member).await);
}

#[tokio::test(start_paused = true)]
async fn sts_is_governed_by_the_callers_account() {
    use aws_sdk_sts::error::ProvideErrorMetadata as _;
    let world = World::new(prompt());
    let (a, b) = (world.account("a").await, world.account("b").await);
    let member = enter(&world, &a).await;
    let refused = || async {
        let assume = member.sts.assume_role().role_arn(role(&b));
        let error = assume.role_session_name("probe").send().await.unwrap_err();
        assert_eq!(error.raw_response().unwrap().status().as_u16(), 403);
        assert_eq!(error.code(), Some("AccessDenied"));
        error.message().unwrap().to_owned()
    };
    let by_trust = refused().await;
    assert!(by_trust.ends_with(&role(&b)), "{by_trust}");
    let policy = made(&world, "deny", SCP, &deny("sts:*")).await;
    attach(&world, &policy, &b);
    assert_eq!(refused().await, by_trust, "the target's policies do not matter");
    enter(&world, &b).await;
    attach(&world, &policy, &a);
    let by_policy = refused().await;
    assert_eq!(
        by_policy,
        format!("{by_trust} with an explicit deny in a service control policy")
    );
    member.sts.get_caller_identity().send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_known_of_a_request() {
    let world = World::new(prompt());
    let unit = world.unit(&world.root(), "Team").await;
    let account = world.account("a").await;
    let place = world.organizations.move_account().account_id(&account);
    let place = place.source_parent_id(world.root()).destination_parent_id(&unit);
    place.send().await.unwrap();
    let member = enter(&world, &account).await;
    let path = format!("o-aa111bb222/r-a1b2/{unit}/");
    let denied = |condition: Value| {
        let (world, member, account) = (&world, &member, &account);
        async move {
            let statement =
                json!({"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition.clone()});
            let policy = made(
                world,
                &condition.to_string()[..100.min(condition.to_string().len())],
                SCP,
                &document(&statement),
            )
            .await;
            attach(world, &policy, account);
            let denied = is_denied(member).await;
            detach(world, &policy, account);
            denied
        }
    };
    for (condition, expected) in [
        (json!({"ArnEquals": {"aws:PrincipalArn": role(&account)}}), true),
        (
            json!({"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/OrganizationAccountAccessRole"}}),
            false,
        ),
        (
            json!({"StringEquals": {"aws:PrincipalAccount": account, "aws:PrincipalOrgID": "o-aa111bb222"}}),
            true,
        ),
        (
            json!({"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": format!("{path}*")}}),
            true,
        ),
        (
            json!({"ForAnyValue:StringEquals": {"aws:PrincipalOrgPaths": "o-aa111bb222/r-a1b2/"}}),
            false,
        ),
        (
            json!({"StringNotEquals": {"aws:RequestedRegion": ["us-east-1", "eu-central-1"]}}),
            false,
        ),
        (
            json!({"StringEquals": {"aws:PrincipalType": "AssumedRole"}, "Bool": {"aws:SecureTransport": "true"}}),
            true,
        ),
        (
            json!({"DateGreaterThan": {"aws:CurrentTime": "2026-01-05T00:00:00Z"}}),
            true,
        ),
        (
            json!({"DateGreaterThan": {"aws:CurrentTime": "2027-01-01T00:00:00Z"}}),
            false,
        ),
        (json!({"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}), false),
        (json!({"Null": {"aws:PrincipalTag/team": true}}), true),
    ] {
        assert_eq!(denied(condition.clone()).await, expected, "{condition}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_delegated_administrator_is_governed_by_resource_and_tag() {
    let world = World::new(prompt());
    let (a, b) = (world.account("a").await, world.account("b").await);
    let service = "account.amazonaws.com";
    let enable = world.organizations.enable_aws_service_access();
    enable.service_principal(service).send().await.unwrap();
    let register = world.organizations.register_delegated_administrator();
    let register = register.account_id(&a).service_principal(service);
    register.send().await.unwrap();
    let member = enter(&world, &a).await;
    let see = |id: &str| member.organizations.describe_account().account_id(id).send();
    let arn = format!("arn:aws:organizations::111111111111:account/o-aa111bb222/{b}");
    let by_arn =
        document(&json!({"Effect": "Deny", "Action": "organizations:DescribeAccount", "Resource": arn}));
    let by_arn = made(&world, "arn", SCP, &by_arn).await;
    attach(&world, &by_arn, &a);
    see(&a).await.unwrap();
    assert_eq!(refusal!(see(&b).await), "AccessDeniedException");
    detach(&world, &by_arn, &a);
    let by_tag = document(
        &json!({"Effect": "Deny", "NotAction": "organizations:List*", "Resource": "*",
        "Condition": {"StringEquals": {"aws:ResourceTag/Secret": "yes"}}}),
    );
    let by_tag = made(&world, "tag", SCP, &by_tag).await;
    attach(&world, &by_tag, &a);
    see(&b).await.unwrap();
    let put = world.organizations.tag_resource().resource_id(&b);
    put.tags(tag("Secret", "yes")).send().await.unwrap();
    assert_eq!(refusal!(see(&b).await), "AccessDeniedException");
    member.organizations.list_accounts().send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_member_leaves_when_nothing_forbids_it() {
    use aws_sdk_organizations::operation::leave_organization::LeaveOrganizationError as E;
    const DAY: u64 = 24 * 60 * 60;
    let world = World::new(prompt());
    let account = world.account("a").await;
    let leave = |world: &World| world.organizations.leave_organization().send();
    let early = leave(&enter(&world, &account).await).await;
    assert_eq!(
        crate::reason!(early, E::ConstraintViolationException).as_deref(),
        Some("WAIT_PERIOD_ACTIVE")
    );
    assert_eq!(
        refusal!(leave(&world).await),
        "MasterCannotLeaveOrganizationException"
    );
    pass(4 * DAY).await;
    let member = enter(&world, &account).await;
    let policy = made(&world, "stay", SCP, &deny("organizations:LeaveOrganization")).await;
    attach(&world, &policy, &world.root());
    assert_eq!(refusal!(leave(&member).await), "AccessDeniedException");
    assert_eq!(probe(&member).await, Ok(()), "nothing else is denied");
    let call = world.orgsim.calls().into_iter().rev().nth(1).unwrap();
    assert_eq!(
        (call.operation.as_str(), call.caller),
        ("LeaveOrganization", Some(account.clone()))
    );
    detach(&world, &policy, &world.root());
    leave(&member).await.unwrap();
    assert_eq!(world.listed().await.len(), 1);
    assert_eq!(
        probe(&member).await.unwrap_err().0,
        "AWSOrganizationsNotInUseException"
    );
    // Outside, no policy of the organization acts.
    attach(&world, &policy, &world.root());
    member.sts.get_caller_identity().send().await.unwrap();
    assert_eq!(
        refusal!(leave(&member).await),
        "AWSOrganizationsNotInUseException"
    );
}
