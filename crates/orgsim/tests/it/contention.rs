//! Writes that overlap, and callers that give up.

use std::time::Duration;

use orgsim::Settings;

use crate::refusal;
use crate::sdk::{World, calm, seconds, tag};

fn slow() -> Settings {
    Settings {
        latency: seconds(2),
        ..calm()
    }
}

#[tokio::test(start_paused = true)]
async fn overlapping_creations_are_refused_but_one() {
    let world = World::new(slow());
    let create = |name: &str| {
        let create = world.organizations.create_account();
        create
            .email(format!("{name}@example.com"))
            .account_name(name)
            .send()
    };
    let (first, second) = tokio::join!(create("a"), create("b"));
    first.unwrap();
    assert_eq!(refusal!(second), "ConcurrentModificationException");
    create("b").await.unwrap();
    assert_eq!(world.orgsim.state().creations.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn writes_of_different_accounts_do_not_meet() {
    let world = World::new(slow());
    let (a, b) = (world.account("a").await, world.account("b").await);
    let put = |id: &str| {
        world
            .organizations
            .tag_resource()
            .resource_id(id)
            .tags(tag("k", "v"))
            .send()
    };
    let (first, second, again) = tokio::join!(put(&a), put(&b), put(&a));
    first.unwrap();
    second.unwrap();
    assert_eq!(refusal!(again), "ConcurrentModificationException");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_may_or_may_not_have_had_its_effect() {
    let world = World::new(slow());
    let give_up = |after: u64, name: &'static str| {
        let create = world.organizations.create_account();
        let create = create
            .email(format!("{name}@example.com"))
            .account_name(name)
            .send();
        tokio::time::timeout(Duration::from_millis(after), create)
    };
    assert!(give_up(900, "early").await.is_err());
    assert_eq!(world.orgsim.state().creations.len(), 0);
    assert!(give_up(1_100, "late").await.is_err());
    assert_eq!(
        world.orgsim.state().creations.len(),
        1,
        "only the answer was lost"
    );
    // A call that was given up no longer stands in anyone's way.
    give_up(3_000, "next").await.unwrap().unwrap();
}
