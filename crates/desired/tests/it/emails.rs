//! Two objects want one email.

use crate::world::{World, creation, heron, manifest, otter, rejected, river, with};
use model::{AccountKey, Reason};
use serde_json::{Value, json};

/// Otter and heron, both with `ferry@example.com` in different case; heron is older by a day.
fn rivals(otter_edit: impl Fn(Value) -> Value, heron_edit: impl Fn(Value) -> Value) -> World {
    let mut world = World::new();
    world.baseline("river", with(river(), "/allowExplicitEmail", json!(true)));
    let object = |key: &AccountKey, email: &str, created: &str| {
        with(
            with(manifest(key), "/spec/email", json!(email)),
            "/metadata/creationTimestamp",
            json!(created),
        )
    };
    world.account(
        &otter(),
        otter_edit(object(&otter(), "Ferry@Example.com", "2026-01-02T00:00:00Z")),
    );
    world.account(
        &heron(),
        heron_edit(object(&heron(), "ferry@example.com", "2026-01-01T00:00:00Z")),
    );
    world
}

#[track_caller]
fn only_the_other_is_rejected(world: &World, winner: &AccountKey, loser: &AccountKey) {
    let resolved = world.resolve();
    assert!(
        resolved.desired.accounts.contains_key(winner),
        "{:?}",
        resolved.rejections
    );
    let rejection = rejected(world.verdict(loser), Reason::EmailConflict, &["another object"]);
    assert!(!rejection.message.contains(&winner.name) && !rejection.message.contains(&winner.namespace));
}

#[test]
fn the_oldest_wins_whatever_the_case() {
    only_the_other_is_rejected(&rivals(|o| o, |h| h), &heron(), &otter());
}

#[test]
fn at_equal_age_the_name_decides() {
    let younger = |h| with(h, "/metadata/creationTimestamp", json!("2026-01-02T00:00:00Z"));
    only_the_other_is_rejected(&rivals(|o| o, younger), &heron(), &otter());
}

#[test]
fn the_holder_of_an_account_wins_over_an_older_object() {
    let vended = |o| {
        with(
            o,
            "/status",
            json!({"accountId": "123456789012", "email": "ferry@example.com"}),
        )
    };
    only_the_other_is_rejected(&rivals(vended, |h| h), &otter(), &heron());
}

#[test]
fn a_creation_under_way_wins_over_an_older_object() {
    let under_way = |o: Value| {
        let held = with(o, "/metadata/finalizers", json!(["bulkhead.dev/account"]));
        with(
            held,
            "/status",
            json!({"creation": creation("ferry@example.com")}),
        )
    };
    only_the_other_is_rejected(&rivals(under_way, |h| h), &otter(), &heron());
    let settled = |o| with(under_way(o), "/metadata/finalizers", json!([]));
    only_the_other_is_rejected(&rivals(settled, |h| h), &heron(), &otter());
}

#[test]
fn a_rejected_or_leaving_object_keeps_the_email_of_its_account_and_no_other() {
    let vended = json!({"accountId": "123456789012", "email": "ferry@example.com"});
    let rejected_holder = |o| {
        with(
            with(o, "/spec/environment", json!("qa")),
            "/status",
            vended.clone(),
        )
    };
    let world = rivals(rejected_holder, |h| h);
    rejected(world.verdict(&otter()), Reason::UnknownEnvironment, &[]);
    rejected(
        world.verdict(&heron()),
        Reason::EmailConflict,
        &["\"ferry@example.com\""],
    );

    let leaving = |o| {
        with(
            with(o, "/metadata/deletionTimestamp", json!("2026-02-01T00:00:00Z")),
            "/status",
            vended.clone(),
        )
    };
    rejected(
        rivals(leaving, |h| h).verdict(&heron()),
        Reason::EmailConflict,
        &[],
    );

    let without_account = |h| with(h, "/spec/environment", json!("qa"));
    let world = rivals(|o| o, without_account);
    assert!(
        world.verdict(&otter()).is_ok(),
        "an object that gets nothing holds nothing"
    );
}

#[test]
fn an_email_that_an_account_no_longer_uses_is_free() {
    // Otter's account was made with another email; what its spec says is not in use.
    let vended = |o| {
        with(
            o,
            "/status",
            json!({"accountId": "123456789012", "creation": creation("old@example.com")}),
        )
    };
    let resolved = rivals(vended, |h| h).resolve();
    assert_eq!(resolved.desired.accounts.len(), 2);
    assert_eq!(
        resolved.desired.accounts[&otter()].email.as_str(),
        "old@example.com"
    );
}
