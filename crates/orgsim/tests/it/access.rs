//! AssumeRole into accounts, and who may do what.

use aws_credential_types::Credentials;
use orgsim::{Mutation, Settings};

use crate::refusal;
use crate::sdk::{World, calm, pass, seconds, tag};

pub(crate) fn role(account: &str) -> String {
    format!("arn:aws:iam::{account}:role/OrganizationAccountAccessRole")
}

pub(crate) async fn enter(world: &World, account: &str) -> World {
    let assumed = world
        .sts
        .assume_role()
        .role_arn(role(account))
        .role_session_name("probe");
    let credentials = assumed.send().await.unwrap().credentials.unwrap();
    let token = Some(credentials.session_token);
    let keys = Credentials::new(
        credentials.access_key_id,
        credentials.secret_access_key,
        token,
        None,
        "test",
    );
    World::of(world.orgsim.clone(), &keys, "us-east-1")
}

#[tokio::test(start_paused = true)]
async fn a_new_account_cannot_be_entered_at_once() {
    let world = World::new(Settings {
        access_lag: seconds(90),
        ..calm()
    });
    let id = world.account("a").await;
    let assume = || {
        world
            .sts
            .assume_role()
            .role_arn(role(&id))
            .role_session_name("probe")
            .send()
    };
    assert_eq!(refusal!(assume().await), "AccessDenied");
    pass(89).await;
    assert_eq!(refusal!(assume().await), "AccessDenied");
    pass(1).await;
    let assumed = assume().await.unwrap();
    let credentials = assumed.credentials().unwrap();
    assert!(credentials.access_key_id().starts_with("ASIA"));
    let user = assumed.assumed_role_user().unwrap();
    let arn = format!("arn:aws:sts::{id}:assumed-role/OrganizationAccountAccessRole/probe");
    assert_eq!(user.arn(), arn);
}

#[tokio::test(start_paused = true)]
async fn a_session_is_the_member_account_and_expires() {
    let world = World::new(calm());
    let id = world.account("a").await;
    let member = enter(&world, &id).await;
    let identity = member.sts.get_caller_identity().send().await.unwrap();
    assert_eq!(identity.account(), Some(id.as_str()));
    assert!(identity.arn().unwrap().contains(":assumed-role/"));
    member.organizations.describe_organization().send().await.unwrap();
    let list = member.organizations.list_accounts().send().await;
    assert_eq!(refusal!(list), "AccessDeniedException");
    let create = member
        .organizations
        .create_account()
        .email("b@example.com")
        .account_name("b")
        .send()
        .await;
    assert_eq!(refusal!(create), "AccessDeniedException");
    let sibling = member
        .sts
        .assume_role()
        .role_arn(role(&id))
        .role_session_name("again")
        .send()
        .await;
    assert_eq!(refusal!(sibling), "AccessDenied");

    let tagged = world
        .organizations
        .tag_resource()
        .resource_id(&id)
        .tags(tag("k", "v"));
    tagged.send().await.unwrap();
    let seen = |found: &World| found.tagging.get_resources().send();
    assert_eq!(seen(&world).await.unwrap().resource_tag_mapping_list().len(), 1);
    assert_eq!(seen(&member).await.unwrap().resource_tag_mapping_list(), []);

    pass(3599).await;
    member.sts.get_caller_identity().send().await.unwrap();
    pass(1).await;
    let expired = member.sts.get_caller_identity().send().await;
    assert_eq!(refusal!(expired), "ExpiredToken");
    let expired = member.organizations.describe_organization().send().await;
    assert_eq!(refusal!(expired), "ExpiredTokenException");
    let management = world.sts.get_caller_identity().send().await.unwrap();
    assert_eq!(management.account(), Some("111111111111"));
}

#[tokio::test(start_paused = true)]
async fn a_session_needs_its_token() {
    let world = World::new(calm());
    let id = world.account("a").await;
    let assumed = world
        .sts
        .assume_role()
        .role_arn(role(&id))
        .role_session_name("probe")
        .send()
        .await
        .unwrap();
    let key = assumed.credentials().unwrap().access_key_id().to_owned();
    let keys = Credentials::new(key, "secret", Some("forged".to_owned()), None, "test");
    let forged = World::of(world.orgsim.clone(), &keys, "us-east-1");
    let identity = forged.sts.get_caller_identity().send().await;
    assert_eq!(refusal!(identity), "InvalidClientTokenId");
    let describe = forged.organizations.describe_organization().send().await;
    assert_eq!(refusal!(describe), "UnrecognizedClientException");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_assumed() {
    let world = World::new(Settings {
        management_roles: vec!["controller".to_owned()],
        ..calm()
    });
    let id = world.account("a").await;
    let assume = |arn: &str, name: &str| {
        world
            .sts
            .assume_role()
            .role_arn(arn)
            .role_session_name(name)
            .send()
    };
    let other_role = format!("arn:aws:iam::{id}:role/Admin");
    assert_eq!(refusal!(assume(&other_role, "probe").await), "AccessDenied");
    assert_eq!(
        refusal!(assume(&role("999999999999"), "probe").await),
        "AccessDenied"
    );
    assert_eq!(
        refusal!(assume(&role("111111111111"), "probe").await),
        "AccessDenied"
    );
    assert_eq!(
        refusal!(assume("arn:aws:iam::1:role/x", "probe").await),
        "ValidationError"
    );
    for name in ["x", "a b", &"n".repeat(65)] {
        assert_eq!(
            refusal!(assume(&role(&id), name).await),
            "ValidationError",
            "{name}"
        );
    }
    for seconds in [899, 3601, 43_201] {
        let assume = world
            .sts
            .assume_role()
            .role_arn(role(&id))
            .role_session_name("probe");
        let refused = assume.duration_seconds(seconds).send().await;
        assert_eq!(refusal!(refused), "ValidationError", "{seconds}");
    }
    let with_identity = world
        .sts
        .assume_role()
        .role_arn(role(&id))
        .role_session_name("probe");
    assert_eq!(
        refusal!(with_identity.source_identity("me").send().await),
        "AccessDenied"
    );
    assume("arn:aws:iam::111111111111:role/controller", "probe")
        .await
        .unwrap();

    // A closing account is still usable, a closed or suspended one is not.
    world
        .organizations
        .close_account()
        .account_id(&id)
        .send()
        .await
        .unwrap();
    assume(&role(&id), "probe").await.unwrap();
    pass(60).await;
    assert_eq!(refusal!(assume(&role(&id), "probe").await), "AccessDenied");
    let suspended = world.account("b").await;
    let suspend = Mutation::Suspend {
        account: suspended.clone(),
    };
    world.orgsim.mutate(suspend).unwrap();
    assert_eq!(refusal!(assume(&role(&suspended), "probe").await), "AccessDenied");
}

#[tokio::test(start_paused = true)]
async fn operations_can_be_denied_and_allowed_again() {
    let world = World::new(calm());
    let operations = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let deny = |names: &[&str]| {
        world.orgsim.mutate(Mutation::Deny {
            operations: operations(names),
        })
    };
    let allow = |names: &[&str]| {
        world.orgsim.mutate(Mutation::Allow {
            operations: operations(names),
        })
    };
    deny(&["organizations:CreateAccount", "AssumeRole"]).unwrap();
    let create = || {
        world
            .organizations
            .create_account()
            .email("a@example.com")
            .account_name("a")
    };
    assert_eq!(refusal!(create().send().await), "AccessDeniedException");
    world.organizations.list_accounts().send().await.unwrap();
    let assume = world
        .sts
        .assume_role()
        .role_arn(role("1"))
        .role_session_name("probe")
        .send()
        .await;
    assert_eq!(refusal!(assume), "AccessDenied");
    allow(&["CreateAccount"]).unwrap();

    // Creating with tags takes two permissions.
    deny(&["TagResource"]).unwrap();
    let tagged = create().tags(tag("a", "b")).send().await;
    assert_eq!(refusal!(tagged), "AccessDeniedException");
    create().send().await.unwrap();

    deny(&["*"]).unwrap();
    let list = world.organizations.list_accounts().send().await;
    assert_eq!(refusal!(list), "AccessDeniedException");
    let resources = world.tagging.get_resources().send().await;
    assert_eq!(refusal!(resources), "AccessDeniedException");
    world.sts.get_caller_identity().send().await.unwrap();
    allow(&["*"]).unwrap();
    world.organizations.list_accounts().send().await.unwrap();
    assert_eq!(deny(&["GetCallerIdentity"]).unwrap_err().field, "deny.operations");
    assert!(
        deny(&["CreateAcount"])
            .unwrap_err()
            .rule
            .contains("CreateAccount")
    );
}
