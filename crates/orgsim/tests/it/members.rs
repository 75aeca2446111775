//! Joining by invitation, administering services, leaving.

use aws_credential_types::Credentials;
use aws_sdk_organizations::types::{AccountJoinedMethod, HandshakeParty, HandshakePartyType, HandshakeState};
use jiff::Timestamp;
use orgsim::{Mutation, Settings};

use crate::sdk::{World, calm, pass, seconds, tag};
use crate::{reason, refusal};

const DAY: u64 = 24 * 60 * 60;

fn party(kind: &str, id: &str) -> HandshakeParty {
    let party = HandshakeParty::builder()
        .id(id)
        .r#type(HandshakePartyType::from(kind));
    party.build().unwrap()
}

macro_rules! invite {
    ($world:expr, $kind:expr, $id:expr) => {
        $world
            .organizations
            .invite_account_to_organization()
            .target(party($kind, $id))
            .tags(tag("owner", "team"))
            .notes("welcome")
            .send()
            .await
    };
}

async fn invited(world: &World, kind: &str, id: &str) -> String {
    invite!(world, kind, id).unwrap().handshake.unwrap().id.unwrap()
}

async fn state_of(world: &World, id: &str) -> HandshakeState {
    let describe = world.organizations.describe_handshake().handshake_id(id);
    describe.send().await.unwrap().handshake.unwrap().state.unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_invited_account_joins() {
    let world = World::new(calm());
    let handshake = invite!(world, "ACCOUNT", "222222222222")
        .unwrap()
        .handshake
        .unwrap();
    let id = handshake.id().unwrap().to_owned();
    let arn = format!("arn:aws:organizations::111111111111:handshake/o-aa111bb222/invite/{id}");
    assert_eq!(handshake.arn(), Some(arn.as_str()));
    assert_eq!(handshake.state(), Some(&HandshakeState::Open));
    assert_eq!(handshake.parties().len(), 2);
    assert_eq!(handshake.resources().len(), 3);
    let open_for =
        handshake.expiration_timestamp().unwrap().secs() - handshake.requested_timestamp().unwrap().secs();
    assert_eq!(open_for, 15 * 24 * 60 * 60);
    assert_eq!(
        refusal!(invite!(world, "ACCOUNT", "222222222222")),
        "DuplicateHandshakeException"
    );
    world
        .orgsim
        .mutate(Mutation::AcceptHandshake {
            handshake: id.clone(),
        })
        .unwrap();
    assert_eq!(state_of(&world, &id).await, HandshakeState::Accepted);
    let account = world.describe("222222222222").await;
    assert_eq!(account.joined_method(), Some(&AccountJoinedMethod::Invited));
    let state = world.orgsim.state();
    let account = state
        .accounts
        .iter()
        .find(|account| account.id == "222222222222")
        .unwrap();
    assert_eq!(
        (account.tags["owner"].as_str(), &account.role_name),
        ("team", &None)
    );
    let cancel = world
        .organizations
        .cancel_handshake()
        .handshake_id(&id)
        .send()
        .await;
    assert_eq!(refusal!(cancel), "InvalidHandshakeTransitionException");
    // No wait for accounts that were not created here; and it can come back.
    let remove = world
        .organizations
        .remove_account_from_organization()
        .account_id("222222222222");
    remove.send().await.unwrap();
    let again = invited(&world, "ACCOUNT", "222222222222").await;
    world
        .orgsim
        .mutate(Mutation::AcceptHandshake { handshake: again })
        .unwrap();
    assert_eq!(world.listed().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn invitations_end_without_an_account() {
    let world = World::new(calm());
    let canceled = invited(&world, "EMAIL", "a@outside.example").await;
    let cancel = || {
        world
            .organizations
            .cancel_handshake()
            .handshake_id(&canceled)
            .send()
    };
    cancel().await.unwrap();
    assert_eq!(refusal!(cancel().await), "HandshakeAlreadyInStateException");
    let declined = invited(&world, "EMAIL", "a@outside.example").await;
    world
        .orgsim
        .mutate(Mutation::DeclineHandshake {
            handshake: declined.clone(),
        })
        .unwrap();
    let expired = invited(&world, "EMAIL", "a@outside.example").await;
    pass(15 * DAY - 1).await;
    assert_eq!(state_of(&world, &expired).await, HandshakeState::Open);
    pass(1).await;
    assert_eq!(state_of(&world, &expired).await, HandshakeState::Expired);
    assert_eq!(state_of(&world, &declined).await, HandshakeState::Declined);
    let list = async || {
        let list = world.organizations.list_handshakes_for_organization().send();
        list.await.unwrap().handshakes.unwrap_or_default().len()
    };
    assert_eq!(list().await, 3);
    pass(15 * DAY).await;
    assert_eq!(list().await, 1, "listed for 30 days after the end");
    let late = Mutation::AcceptHandshake { handshake: expired };
    assert_eq!(
        world.orgsim.mutate(late).unwrap_err().field,
        "acceptHandshake.handshake"
    );
    let absent = world
        .organizations
        .describe_handshake()
        .handshake_id("h-00000000")
        .send()
        .await;
    assert_eq!(refusal!(absent), "HandshakeNotFoundException");
}

#[tokio::test(start_paused = true)]
async fn what_an_invitation_is_refused_for() {
    use aws_sdk_organizations::operation::invite_account_to_organization::InviteAccountToOrganizationError as E;
    let world = World::new(Settings {
        account_quota: 3,
        ..calm()
    });
    let account = world.account("a").await;
    for (kind, id, expected) in [
        ("ACCOUNT", account.as_str(), "ALREADY_IN_AN_ORGANIZATION"),
        ("EMAIL", "A@example.com", "ALREADY_IN_AN_ORGANIZATION"),
    ] {
        let why = reason!(invite!(world, kind, id), E::HandshakeConstraintViolationException);
        assert_eq!(why.as_deref(), Some(expected), "{id}");
    }
    for (kind, id, expected) in [
        ("ACCOUNT", "12", "INVALID_PATTERN_TARGET_ID"),
        ("EMAIL", "nonsense", "INVALID_EMAIL_ADDRESS_TARGET"),
        ("ORGANIZATION", "o-aa111bb222", "INVALID_PARTY_TYPE_TARGET"),
    ] {
        let why = reason!(invite!(world, kind, id), E::InvalidInputException);
        assert_eq!(why.as_deref(), Some(expected), "{id}");
    }
    // An open invitation counts as an account.
    invited(&world, "EMAIL", "b@outside.example").await;
    let full = reason!(
        invite!(world, "EMAIL", "c@outside.example"),
        E::HandshakeConstraintViolationException
    );
    assert_eq!(full.as_deref(), Some("ACCOUNT_NUMBER_LIMIT_EXCEEDED"));
    let create = world
        .organizations
        .create_account()
        .account_name("d")
        .email("d@example.com");
    assert_eq!(refusal!(create.send().await), "ConstraintViolationException");

    for number in 1..20 {
        let open = world
            .orgsim
            .state()
            .handshakes
            .into_iter()
            .find(|of| of.state == "OPEN")
            .unwrap();
        world
            .organizations
            .cancel_handshake()
            .handshake_id(open.id)
            .send()
            .await
            .unwrap();
        invited(&world, "EMAIL", &format!("{number}@outside.example")).await;
    }
    let open = world
        .orgsim
        .state()
        .handshakes
        .into_iter()
        .find(|of| of.state == "OPEN")
        .unwrap();
    world
        .organizations
        .cancel_handshake()
        .handshake_id(open.id)
        .send()
        .await
        .unwrap();
    let rate = reason!(
        invite!(world, "EMAIL", "x@outside.example"),
        E::HandshakeConstraintViolationException
    );
    assert_eq!(rate.as_deref(), Some("HANDSHAKE_RATE_LIMIT_EXCEEDED"));
    pass(DAY).await;
    invite!(world, "EMAIL", "x@outside.example").unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_unfinished_organization_says_so() {
    let settings = calm();
    let until: Timestamp = settings.start + jiff::SignedDuration::from_hours(1);
    let world = World::new(Settings {
        finalizing_until: Some(until),
        ..settings
    });
    let create = || {
        let create = world.organizations.create_account();
        create.account_name("a").email("a@example.com").send()
    };
    assert_eq!(refusal!(create().await), "FinalizingOrganizationException");
    assert_eq!(
        refusal!(invite!(world, "ACCOUNT", "222222222222")),
        "FinalizingOrganizationException"
    );
    pass(60 * 60).await;
    create().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn members_administer_services() {
    use aws_sdk_organizations::operation::register_delegated_administrator::RegisterDelegatedAdministratorError as R;
    let world = World::new(calm());
    let (a, b) = (world.account("a").await, world.account("b").await);
    let service = "account.amazonaws.com";
    let register = |id: &str| {
        let register = world.organizations.register_delegated_administrator();
        register.account_id(id).service_principal(service).send()
    };
    assert_eq!(
        reason!(register(&a).await, R::ConstraintViolationException).as_deref(),
        Some("SERVICE_ACCESS_NOT_ENABLED")
    );
    for _ in 0..2 {
        let enable = world
            .organizations
            .enable_aws_service_access()
            .service_principal(service);
        enable.send().await.unwrap();
    }
    let access = world
        .organizations
        .list_aws_service_access_for_organization()
        .send()
        .await
        .unwrap();
    assert_eq!(
        access.enabled_service_principals()[0].service_principal(),
        Some(service)
    );
    let odd = world
        .organizations
        .enable_aws_service_access()
        .service_principal("example.com");
    assert_eq!(refusal!(odd.send().await), "InvalidInputException");
    register(&a).await.unwrap();
    assert_eq!(refusal!(register(&a).await), "AccountAlreadyRegisteredException");
    assert_eq!(
        reason!(register("111111111111").await, R::ConstraintViolationException).as_deref(),
        Some("CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR")
    );
    world
        .orgsim
        .mutate(Mutation::Suspend { account: b.clone() })
        .unwrap();
    assert_eq!(
        reason!(register(&b).await, R::ConstraintViolationException).as_deref(),
        Some("CANNOT_REGISTER_SUSPENDED_ACCOUNT_AS_DELEGATED_ADMINISTRATOR")
    );
    let list = world
        .organizations
        .list_delegated_administrators()
        .service_principal(service);
    let listed = list.send().await.unwrap().delegated_administrators.unwrap();
    assert_eq!((listed.len(), listed[0].id()), (1, Some(a.as_str())));
    assert!(listed[0].delegation_enabled_date().is_some());
    let services = world.organizations.list_delegated_services_for_account();
    let services = services.account_id(&a).send().await.unwrap();
    assert_eq!(services.delegated_services().len(), 1);

    // Reads of AWS Organizations come with it, writes do not.
    let role = format!("arn:aws:iam::{a}:role/OrganizationAccountAccessRole");
    let assumed = world.sts.assume_role().role_arn(role).role_session_name("probe");
    let session = assumed.send().await.unwrap().credentials.unwrap();
    let credentials = Credentials::new(
        session.access_key_id,
        session.secret_access_key,
        Some(session.session_token),
        None,
        "test",
    );
    let member = World::of(world.orgsim.clone(), &credentials, "us-east-1");
    assert_eq!(member.listed().await.len(), 3);
    let close = |world: &World| world.organizations.close_account().account_id(&a).send();
    assert_eq!(refusal!(close(&member).await), "AccessDeniedException");
    assert_eq!(refusal!(close(&world).await), "ConstraintViolationException");
    let why = world.orgsim.calls().pop().unwrap().reason;
    assert_eq!(
        why.as_deref(),
        Some("CANNOT_REMOVE_DELEGATED_ADMINISTRATOR_FROM_ORG")
    );
    let deregister = || {
        let deregister = world.organizations.deregister_delegated_administrator();
        deregister.account_id(&a).service_principal(service).send()
    };
    deregister().await.unwrap();
    assert_eq!(refusal!(deregister().await), "AccountNotRegisteredException");
    let denied = member.organizations.list_accounts().send().await;
    assert_eq!(refusal!(denied), "AccessDeniedException");
    close(&world).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_created_account_leaves_after_four_days() {
    use aws_sdk_organizations::operation::remove_account_from_organization::RemoveAccountFromOrganizationError as E;
    let world = World::new(calm());
    let id = world.account("a").await;
    let put = world
        .organizations
        .tag_resource()
        .resource_id(&id)
        .tags(tag("k", "v"));
    put.send().await.unwrap();
    let remove = |id: &str| {
        let remove = world.organizations.remove_account_from_organization();
        remove.account_id(id).send()
    };
    assert_eq!(
        reason!(remove(&id).await, E::ConstraintViolationException).as_deref(),
        Some("WAIT_PERIOD_ACTIVE")
    );
    assert_eq!(
        refusal!(remove("111111111111").await),
        "MasterCannotLeaveOrganizationException"
    );
    pass(4 * DAY).await;
    remove(&id).await.unwrap();
    assert_eq!(refusal!(remove(&id).await), "AccountNotFoundException");
    assert_eq!(world.listed().await.len(), 1);
    let resources = world.tagging.get_resources().send().await.unwrap();
    assert!(resources.resource_tag_mapping_list().is_empty());
    // The access role stays, and the email is still in use.
    let role = format!("arn:aws:iam::{id}:role/OrganizationAccountAccessRole");
    world
        .sts
        .assume_role()
        .role_arn(role)
        .role_session_name("probe")
        .send()
        .await
        .unwrap();
    let request = world.request("a").await;
    pass(5).await;
    let reason = world.creation(&request).await.failure_reason.unwrap();
    assert_eq!(reason.as_str(), "EMAIL_ALREADY_EXISTS");
}

#[tokio::test(start_paused = true)]
async fn closed_accounts_vanish_after_90_days_and_their_email_stays_used() {
    let world = World::new(Settings {
        close_duration: seconds(60),
        ..calm()
    });
    let id = world.account("a").await;
    world
        .organizations
        .close_account()
        .account_id(&id)
        .send()
        .await
        .unwrap();
    pass(60 + 90 * DAY - 1).await;
    assert_eq!(world.listed().await.len(), 2);
    pass(1).await;
    assert_eq!(world.listed().await.len(), 1);
    let request = world.request("a").await;
    pass(5).await;
    let reason = world.creation(&request).await.failure_reason.unwrap();
    assert_eq!(reason.as_str(), "EMAIL_ALREADY_EXISTS");
    let bare = World::new(Settings {
        all_features: false,
        ..calm()
    });
    let id = bare.account("a").await;
    let refused = bare.organizations.close_account().account_id(&id).send().await;
    assert_eq!(refusal!(refused), "ConstraintViolationException");
    let why = bare.orgsim.calls().pop().unwrap().reason;
    assert_eq!(why.as_deref(), Some("ORGANIZATION_NOT_IN_ALL_FEATURES_MODE"));
}

#[tokio::test(start_paused = true)]
async fn the_quota_of_30_days_holds_for_large_organizations() {
    use aws_sdk_organizations::operation::close_account::CloseAccountError as E;
    let world = World::new(Settings {
        close_duration: seconds(1),
        ..calm()
    });
    for number in 0..260 {
        let made = Mutation::CreateAccount {
            email: format!("{number}@example.com"),
            name: number.to_string(),
            tags: std::collections::BTreeMap::new(),
            parent: None,
        };
        world.orgsim.mutate(made).unwrap();
    }
    let close = |id: &str| world.organizations.close_account().account_id(id).send();
    let state = world.orgsim.state();
    let members = state
        .accounts
        .iter()
        .filter(|account| account.id != state.management_account_id);
    let ids: Vec<&str> = members.map(|account| account.id.as_str()).collect();
    for id in &ids[..3] {
        close(id).await.unwrap();
    }
    assert_eq!(
        reason!(close(ids[3]).await, E::ConstraintViolationException).as_deref(),
        Some("CLOSE_ACCOUNT_REQUESTS_LIMIT_EXCEEDED")
    );
    for id in &ids[3..250] {
        pass(1).await;
        close(id).await.unwrap();
    }
    pass(1).await;
    assert_eq!(
        reason!(close(ids[250]).await, E::ConstraintViolationException).as_deref(),
        Some("CLOSE_ACCOUNT_QUOTA_EXCEEDED")
    );
    pass(30 * DAY - 248).await;
    close(ids[250]).await.unwrap();
}
