//! CreateAccount from acceptance to the account everybody sees.

use std::time::Duration;

use aws_sdk_organizations::operation::create_account::CreateAccountError;
use aws_sdk_organizations::types::{AccountState, CreateAccountFailureReason, CreateAccountState};
use orgsim::{AccountState as State, FailureReason, Limits, Mutation, Settings};
use serde_json::json;

use crate::sdk::{World, calm, pass, seconds, tag};
use crate::wire::call;
use crate::{reason, refusal};

#[tokio::test(start_paused = true)]
async fn a_creation_ends_in_an_account_in_the_root() {
    let world = World::new(Settings {
        create_duration: seconds(30),
        listing_lag: seconds(10),
        ..calm()
    });
    let created = world
        .organizations
        .create_account()
        .email("Team@Example.com")
        .account_name("team")
        .role_name("Entry")
        .tags(tag("owner", "team"))
        .send()
        .await
        .unwrap();
    let status = created.create_account_status.unwrap();
    let request = status.id.unwrap();
    assert!(request.starts_with("car-"));
    assert_eq!(status.state, Some(CreateAccountState::InProgress));
    assert_eq!((status.account_id, status.completed_timestamp), (None, None));

    pass(29).await;
    let status = world.creation(&request).await;
    assert_eq!(status.state, Some(CreateAccountState::InProgress));
    assert_eq!(world.orgsim.state().accounts.len(), 1);
    pass(1).await;
    let status = world.creation(&request).await;
    assert_eq!(status.state, Some(CreateAccountState::Succeeded));
    let requested = status.requested_timestamp.unwrap().secs();
    assert_eq!(status.completed_timestamp.unwrap().secs() - requested, 30);
    let id = status.account_id.unwrap();

    // Reads by id know it at once.
    let account = world.describe(&id).await;
    assert_eq!(account.email.as_deref(), Some("Team@Example.com"));
    assert_eq!(account.state, Some(AccountState::Active));
    let status = account.status.clone();
    assert_eq!(status, None);
    let path = format!(
        "{}/{}/{id}/",
        world.orgsim.organization_id(),
        world.orgsim.root_id()
    );
    assert_eq!(account.paths(), [path]);
    let tags = world
        .organizations
        .list_tags_for_resource()
        .resource_id(&id)
        .send()
        .await
        .unwrap();
    assert_eq!(tags.tags(), [tag("owner", "team")]);

    // Lists and the tag index learn of it later.
    let indexed = || async {
        let found = world.tagging.get_resources().send().await.unwrap();
        found.resource_tag_mapping_list().len()
    };
    assert_eq!((world.listed().await.len(), indexed().await), (1, 0));
    pass(10).await;
    assert_eq!((world.listed().await.len(), indexed().await), (2, 1));
    assert_eq!(
        world.orgsim.state().accounts[1].role_name.as_deref(),
        Some("Entry")
    );
}

#[tokio::test(start_paused = true)]
async fn an_email_is_unique_in_all_of_aws() {
    let world = World::new(Settings {
        foreign_emails: vec!["Foreign@example.com".to_owned()],
        ..calm()
    });
    let closed = world.account("closed").await;
    world
        .organizations
        .close_account()
        .account_id(&closed)
        .send()
        .await
        .unwrap();
    let days_91 = 91 * 24 * 3600;
    pass(days_91).await;
    assert_eq!(
        world.orgsim.state().accounts.len(),
        1,
        "the closed account has vanished"
    );
    world.account("open").await;
    world
        .orgsim
        .mutate(Mutation::ForeignEmail("later@example.com".to_owned()))
        .unwrap();
    for name in ["closed", "OPEN", "foreign", "Management", "LATER"] {
        let request = world.request(name).await;
        pass(5).await;
        let status = world.creation(&request).await;
        assert_eq!(status.state, Some(CreateAccountState::Failed), "{name}");
        let reason = status.failure_reason;
        assert_eq!(
            reason,
            Some(CreateAccountFailureReason::EmailAlreadyExists),
            "{name}"
        );
        assert_eq!(status.account_id, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_request_is_accepted_and_fails_one_way_or_the_other() {
    let mut reasons = Vec::new();
    for seed in 0..20 {
        let world = World::new(Settings {
            seed,
            create_duration: (Duration::from_secs(1), Duration::from_mins(1)),
            ..calm()
        });
        let first = world.request("twin").await;
        let second = world.request("twin").await;
        assert_ne!(first, second);
        pass(60).await;
        assert_eq!(
            world.creation(&first).await.state,
            Some(CreateAccountState::Succeeded)
        );
        let status = world.creation(&second).await;
        assert_eq!(status.state, Some(CreateAccountState::Failed));
        reasons.push(status.failure_reason.unwrap());
        assert_eq!(world.orgsim.state().accounts.len(), 2);
    }
    assert!(reasons.contains(&CreateAccountFailureReason::EmailAlreadyExists));
    assert!(reasons.contains(&CreateAccountFailureReason::ConcurrentAccountModification));
}

#[tokio::test(start_paused = true)]
async fn every_failure_reason_can_be_had() {
    let world = World::new(calm());
    for reason in FailureReason::ALL {
        world.orgsim.fail_next_creation(reason);
        let request = world.request("unlucky").await;
        pass(5).await;
        let got = world.creation(&request).await.failure_reason.unwrap();
        assert_eq!(got.as_str(), reason.name());
        assert!(CreateAccountFailureReason::values().contains(&got.as_str()));
    }
    let by_email = world.request("x+fails-invalid-address").await;
    let by_rule = world.request(".dot").await;
    pass(5).await;
    let failure = |status: aws_sdk_organizations::types::CreateAccountStatus| status.failure_reason;
    assert_eq!(
        failure(world.creation(&by_email).await),
        Some(CreateAccountFailureReason::InvalidAddress)
    );
    assert_eq!(
        failure(world.creation(&by_rule).await),
        Some(CreateAccountFailureReason::InvalidEmail)
    );
    world.account("unlucky").await;
}

#[tokio::test(start_paused = true)]
async fn the_account_quota_refuses_now_or_later() {
    let world = World::new(Settings {
        account_quota: 3,
        ..calm()
    });
    let requests = [
        world.request("a").await,
        world.request("b").await,
        world.request("c").await,
    ];
    pass(5).await;
    let mut failures = Vec::new();
    for request in &requests {
        failures.extend(world.creation(request).await.failure_reason);
    }
    assert_eq!(failures, [CreateAccountFailureReason::AccountLimitExceeded]);
    let refused = world
        .organizations
        .create_account()
        .email("d@example.com")
        .account_name("d")
        .send()
        .await;
    assert_eq!(
        reason!(refused, CreateAccountError::ConstraintViolationException).as_deref(),
        Some("ACCOUNT_NUMBER_LIMIT_EXCEEDED")
    );
}

#[tokio::test(start_paused = true)]
async fn five_creations_are_in_flight_at_most() {
    let world = World::new(Settings {
        limits: Limits::Published,
        create_duration: seconds(300),
        ..calm()
    });
    for number in 0..5 {
        world.request(&format!("account{number}")).await;
        pass(10).await;
    }
    let sixth = || async {
        let create = world.organizations.create_account();
        create
            .email("sixth@example.com")
            .account_name("sixth")
            .send()
            .await
    };
    assert_eq!(
        reason!(sixth().await, CreateAccountError::ConstraintViolationException).as_deref(),
        Some("ACCOUNT_CREATION_RATE_LIMIT_EXCEEDED")
    );
    pass(250).await;
    assert!(sixth().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn creation_requests_are_listed_by_state_and_forgotten() {
    let world = World::new(Settings {
        listing_lag: seconds(3),
        creation_retention: Duration::from_hours(1),
        ..calm()
    });
    let request = world.request("a").await;
    let listed = |state: Option<CreateAccountState>| {
        let list = world
            .organizations
            .list_create_account_status()
            .set_states(state.map(|state| vec![state]));
        async move {
            let statuses = list.send().await.unwrap().create_account_statuses.unwrap();
            statuses
                .into_iter()
                .map(|status| status.id.unwrap())
                .collect::<Vec<_>>()
        }
    };
    assert!(listed(None).await.is_empty(), "a new request lags behind");
    pass(3).await;
    assert_eq!(listed(None).await, [request.as_str()]);
    assert_eq!(
        listed(Some(CreateAccountState::InProgress)).await,
        [request.as_str()]
    );
    assert!(listed(Some(CreateAccountState::Succeeded)).await.is_empty());
    pass(2).await;
    assert!(listed(Some(CreateAccountState::InProgress)).await.is_empty());
    assert_eq!(
        listed(Some(CreateAccountState::Succeeded)).await,
        [request.as_str()]
    );
    pass(3600).await;
    assert!(listed(None).await.is_empty());
    let describe = world
        .organizations
        .describe_create_account_status()
        .create_account_request_id(request);
    assert_eq!(
        refusal!(describe.send().await),
        "CreateAccountStatusNotFoundException"
    );
}

#[tokio::test(start_paused = true)]
async fn bad_input_is_refused_with_its_reason() {
    let world = World::new(calm());
    let long_email = format!("{}@example.com", "x".repeat(53));
    let long_name = "n".repeat(51);
    for (email, name, role, expected) in [
        ("a@b.c", "n", "R", "MIN_LENGTH_EXCEEDED"),
        (long_email.as_str(), "n", "R", "MAX_LENGTH_EXCEEDED"),
        ("no-at-sign", "n", "R", "INVALID_PATTERN"),
        ("a@example.com", "", "R", "MIN_LENGTH_EXCEEDED"),
        ("a@example.com", long_name.as_str(), "R", "MAX_LENGTH_EXCEEDED"),
        ("a@example.com", "naïve", "R", "INVALID_PATTERN"),
        ("a@example.com", "n", "a b", "INVALID_PATTERN"),
        ("a@example.com", "n", "AWSServiceRoleForX", "INVALID_ROLE_NAME"),
    ] {
        let create = world.organizations.create_account();
        let refused = create
            .email(email)
            .account_name(name)
            .role_name(role)
            .send()
            .await;
        let reason = reason!(refused, CreateAccountError::InvalidInputException);
        assert_eq!(reason.as_deref(), Some(expected), "{email} {name} {role}");
    }
    // One bad tag refuses the whole request.
    let tagged = |tags: Vec<_>| {
        let create = world
            .organizations
            .create_account()
            .email("a@example.com")
            .account_name("n");
        create.set_tags(Some(tags)).send()
    };
    let system = tagged(vec![tag("ok", ""), tag("aws:x", "")]).await;
    assert_eq!(
        reason!(system, CreateAccountError::InvalidInputException).as_deref(),
        Some("INVALID_SYSTEM_TAGS_PARAMETER")
    );
    let many = (0..51).map(|number| tag(&number.to_string(), "")).collect();
    assert_eq!(
        reason!(
            tagged(many).await,
            CreateAccountError::ConstraintViolationException
        )
        .as_deref(),
        Some("MAX_TAG_LIMIT_EXCEEDED")
    );
    assert!(world.orgsim.state().creations.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_account_is_closed_in_steps() {
    let world = World::new(calm());
    let id = world.account("a").await;
    let close = |id: &str| world.organizations.close_account().account_id(id).send();
    close(&id).await.unwrap();
    assert_eq!(
        world.describe(&id).await.state,
        Some(AccountState::PendingClosure)
    );
    assert_eq!(refusal!(close(&id).await), "AccountAlreadyClosedException");
    pass(60).await;
    assert_eq!(world.describe(&id).await.state, Some(AccountState::Closed));
    assert_eq!(world.listed().await.len(), 2, "closed accounts stay listed");
    let management = world.orgsim.management_account_id();
    use aws_sdk_organizations::operation::close_account::CloseAccountError;
    assert_eq!(
        reason!(
            close(management).await,
            CloseAccountError::ConstraintViolationException
        )
        .as_deref(),
        Some("CANNOT_CLOSE_MANAGEMENT_ACCOUNT")
    );
    assert_eq!(refusal!(close("999999999999").await), "AccountNotFoundException");
    for name in ["b", "c", "d"] {
        let id = world.account(name).await;
        close(&id).await.unwrap();
    }
    let fourth = world.account("e").await;
    assert_eq!(
        reason!(
            close(&fourth).await,
            CloseAccountError::ConstraintViolationException
        )
        .as_deref(),
        Some("CLOSE_ACCOUNT_REQUESTS_LIMIT_EXCEEDED")
    );
    pass(60).await;
    close(&fourth).await.unwrap();
    let states = world.orgsim.state().accounts;
    assert_eq!(
        states
            .iter()
            .filter(|account| account.state == State::PendingClosure)
            .count(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn closures_have_a_quota_of_thirty_days() {
    let world = World::new(Settings {
        close_duration: seconds(1),
        ..calm()
    });
    for number in 0..252 {
        let body = json!({"Email": format!("a{number}@example.com"), "AccountName": "a"});
        assert_eq!(call(&world.orgsim, "CreateAccount", &body).await.0, 200);
    }
    pass(5).await;
    let members = world.listed().await;
    let members = members
        .iter()
        .filter(|id| *id != world.orgsim.management_account_id());
    let members: Vec<_> = members.map(|id| json!({"AccountId": id})).collect();
    for body in &members[..250] {
        assert_eq!(call(&world.orgsim, "CloseAccount", body).await.0, 200);
        pass(1).await;
    }
    let (status, refused) = call(&world.orgsim, "CloseAccount", &members[250]).await;
    assert_eq!(
        (status, &refused["Reason"]),
        (400, &json!("CLOSE_ACCOUNT_QUOTA_EXCEEDED"))
    );
    pass(30 * 24 * 3600).await;
    assert_eq!(call(&world.orgsim, "CloseAccount", &members[250]).await.0, 200);
}
