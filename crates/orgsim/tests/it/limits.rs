//! Published rates, as the SDK meets them.

use std::time::Duration;

use aws_sdk_organizations::operation::describe_organization::DescribeOrganizationError;
use orgsim::{Limits, Mutation, Settings};

use crate::refusal;
use crate::sdk::{World, calm, pass, seconds};

fn published() -> Settings {
    Settings {
        limits: Limits::Published,
        ..calm()
    }
}

#[tokio::test(start_paused = true)]
async fn three_creations_then_one_in_ten_seconds() {
    let world = World::new(published());
    let create = |number: u32| {
        let create = world.organizations.create_account();
        create
            .email(format!("a{number}@example.com"))
            .account_name("a")
            .send()
    };
    for number in 0..3 {
        create(number).await.unwrap();
    }
    let refused = create(3).await.unwrap_err();
    assert_eq!(refused.raw_response().unwrap().status().as_u16(), 400);
    assert_eq!(refusal!(Err::<(), _>(refused)), "TooManyRequestsException");
    pass(9).await;
    assert_eq!(refusal!(create(3).await), "TooManyRequestsException");
    pass(1).await;
    create(3).await.unwrap();
    assert_eq!(refusal!(create(4).await), "TooManyRequestsException");
}

#[tokio::test(start_paused = true)]
async fn a_shared_row_is_one_bucket_and_the_type_is_told() {
    let world = World::new(published());
    world.unit(&world.root(), "A").await;
    world.organizations.describe_organization().send().await.unwrap();
    let refused = world
        .organizations
        .describe_organization()
        .send()
        .await
        .unwrap_err();
    match refused.into_service_error() {
        DescribeOrganizationError::TooManyRequestsException(error) => {
            assert_eq!(error.r#type(), Some("ACCOUNT"));
        }
        other => panic!("{other:?}"),
    }
    let create = world
        .organizations
        .create_organizational_unit()
        .parent_id(world.root())
        .name("B");
    assert_eq!(refusal!(create.send().await), "TooManyRequestsException");
}

#[tokio::test(start_paused = true)]
async fn the_sdk_waits_out_a_throttle() {
    let world = World::new(published());
    let client = world.retrying();
    let start = tokio::time::Instant::now();
    for _ in 0..6 {
        client.list_roots().send().await.unwrap();
    }
    assert!(start.elapsed() >= Duration::from_secs(3), "{:?}", start.elapsed());
    let throttled = |call: &&orgsim::Call| call.outcome == "TooManyRequestsException";
    assert!(world.orgsim.calls().iter().filter(throttled).count() >= 1);
}

#[tokio::test(start_paused = true)]
async fn the_other_services_throttle_in_their_own_words() {
    let world = World::new(published());
    for _ in 0..15 {
        world.tagging.get_resources().send().await.unwrap();
    }
    assert_eq!(
        refusal!(world.tagging.get_resources().send().await),
        "ThrottledException"
    );
    for _ in 0..600 {
        world.sts.get_caller_identity().send().await.unwrap();
    }
    assert_eq!(
        refusal!(world.sts.get_caller_identity().send().await),
        "Throttling"
    );
}

#[tokio::test(start_paused = true)]
async fn an_injected_refusal_happens_once_and_a_server_error_is_retried() {
    let world = World::new(calm());
    let fail = |error: &str, reason: Option<&str>| {
        let fail = Mutation::FailNext {
            operation: "ListRoots".to_owned(),
            error: error.to_owned(),
            reason: reason.map(str::to_owned),
        };
        world.orgsim.mutate(fail).unwrap();
    };
    fail("FinalizingOrganizationException", None);
    let list = || world.organizations.list_roots().send();
    assert_eq!(refusal!(list().await), "FinalizingOrganizationException");
    list().await.unwrap();
    fail("ServiceException", None);
    world.retrying().list_roots().send().await.unwrap();
    fail("ConstraintViolationException", Some("WAIT_PERIOD_ACTIVE"));
    assert_eq!(refusal!(list().await), "ConstraintViolationException");
    let last = world.orgsim.calls().pop().unwrap();
    assert_eq!(last.reason.as_deref(), Some("WAIT_PERIOD_ACTIVE"));
}

#[tokio::test(start_paused = true)]
async fn latency_passes_in_virtual_time() {
    let world = World::new(Settings {
        latency: seconds(2),
        ..calm()
    });
    let start = tokio::time::Instant::now();
    world.organizations.list_roots().send().await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(2));
}
