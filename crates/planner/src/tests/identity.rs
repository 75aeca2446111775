//! Whose account is it?

use super::*;

const ID: &str = "100000000001";

/// `heron-prod` without any memory, and this account in the organization.
fn heron(account: ObservedAccount) -> World {
    let mut world = World::new();
    world.want("heron-prod");
    world.has(account);
    world
}

fn with(account: ObservedAccount, pairs: &[(&str, &str)]) -> ObservedAccount {
    let mut all = account.tags.clone().unwrap_or_default();
    all.extend(tags(pairs));
    ObservedAccount {
        tags: Some(all),
        ..account
    }
}

#[test]
fn an_account_with_claim_and_email_is_ours_after_a_wiped_cluster() {
    let world = heron(ObservedAccount {
        email: "AWS+Heron-Prod@Example.com".into(),
        ..born("heron-prod", ID)
    });
    let plan = world.plan();
    assert_eq!(
        plan.accounts[&key("heron-prod")]
            .account
            .as_ref()
            .map(|facts| facts.id.as_str()),
        Some(ID)
    );
    assert_eq!(kinds(&plan), ["MoveAccount"]);
}

#[test]
fn an_account_with_the_email_alone_is_somebody_elses() {
    let world = heron(ObservedAccount {
        tags: Some(tags(&[("team", "owls")])),
        ..born("heron-prod", ID)
    });
    let plan = world.plan();
    let (reason, message) = refused(&plan, "heron-prod");
    assert_eq!(reason, Reason::EmailInUse);
    assert!(
        message.contains(ID) && message.contains("acme/aviary/heron-prod"),
        "{message}"
    );
    assert_eq!(kinds(&plan), [] as [&str; 0]);
}

#[test]
fn an_account_with_the_claim_and_another_email_does_not_fit() {
    let world = heron(ObservedAccount {
        email: "egret@example.com".into(),
        ..born("heron-prod", ID)
    });
    let plan = world.plan();
    let (reason, message) = refused(&plan, "heron-prod");
    assert_eq!(reason, Reason::ClaimMismatch);
    assert!(message.contains("egret@example.com"), "{message}");
}

#[test]
fn a_closed_account_is_never_created_again() {
    for email in ["aws+heron-prod@example.com", "egret@example.com"] {
        let account = ObservedAccount {
            state: AccountState::Closed,
            email: email.into(),
            ..born("heron-prod", ID)
        };
        let plan = heron(account).plan();
        assert_eq!(refused(&plan, "heron-prod").0, Reason::AccountClosed, "{email}");
        assert_eq!(kinds(&plan), [] as [&str; 0]);
    }
}

#[test]
fn states_that_are_not_active_are_not_ready() {
    let cases = [
        (
            AccountState::PendingActivation,
            Reason::AccountPendingActivation,
            false,
        ),
        (AccountState::Suspended, Reason::AccountSuspended, true),
        (AccountState::PendingClosure, Reason::AccountClosed, true),
        (AccountState::Closed, Reason::AccountClosed, true),
        (AccountState::Unknown, Reason::AccountPendingActivation, false),
    ];
    for (state, expected, person) in cases {
        let mut world = World::new();
        world.settled("heron-prod", ID);
        world.has(ObservedAccount {
            state,
            ..born("heron-prod", ID)
        });
        let plan = world.plan();
        let view = &plan.accounts[&key("heron-prod")];
        assert_eq!(
            (view.verdict.reason(), is_blocked(&view.vended)),
            (expected, person),
            "{state:?}"
        );
        assert_eq!(kinds(&plan), [] as [&str; 0], "{state:?}");
    }
}

#[test]
fn workload_and_environment_must_agree() {
    for (tag, other) in [(tag_keys::WORKLOAD, "fish"), (tag_keys::ENVIRONMENT, "dev")] {
        let plan = heron(with(born("heron-prod", ID), &[(tag, other)])).plan();
        let (reason, message) = refused(&plan, "heron-prod");
        assert_eq!(reason, Reason::ClaimMismatch);
        assert!(message.contains(tag) && message.contains(other), "{message}");
    }
}

#[test]
fn an_account_that_another_object_holds_is_not_taken() {
    let mut world = heron(born("heron-prod", ID));
    world.entry("egret-prod").account_id = Some(account_id(ID));
    let plan = world.plan();
    assert_eq!(refused(&plan, "heron-prod").0, Reason::ClaimMismatch);
    assert!(refused(&plan, "heron-prod").1.contains("another object"));
}

#[test]
fn unconfirmed_tags_decide_nothing() {
    let foreign = ObservedAccount {
        tags: Some(Tags::new()),
        ..born("heron-prod", ID)
    };
    let elsewhere = ObservedAccount {
        email: "egret@example.com".into(),
        ..born("heron-prod", ID)
    };
    for account in [born("heron-prod", ID), foreign, elsewhere] {
        let plan = heron(ObservedAccount {
            tags_confirmed: false,
            ..account
        })
        .plan();
        assert!(asks(&plan, ID));
        assert_eq!(
            (kinds(&plan), reason(&plan, "heron-prod")),
            (vec![], Reason::AccountNotVisible)
        );
    }
}

#[test]
fn a_claim_that_the_account_itself_does_not_show_is_none() {
    let mut world = World::new();
    world.want("heron-prod");
    world.entry("heron-prod").held = true;
    let account = ObservedAccount {
        email: "egret@example.com".into(),
        ..born("heron-prod", ID)
    };
    world.has(with(account, &[(tag_keys::CLAIM, "acme/aviary/egret-prod")]));
    assert_eq!(kinds(&world.plan()), ["Intend"]);
}

#[test]
fn a_removed_claim_tag_of_a_bound_account_is_repaired() {
    let mut world = World::new();
    world.settled("heron-prod", ID);
    let mut account = world.observed.accounts[&account_id(ID)].clone();
    account.tags = Some(tags(&[
        (tag_keys::WORKLOAD, "birds"),
        (tag_keys::ENVIRONMENT, "prod"),
        ("team", "aviary"),
        (tag_keys::REVISION, "standard-1111111111/1"),
    ]));
    world.has(account);
    let plan = world.plan();
    let repaired = tags(&[(tag_keys::CLAIM, "acme/aviary/heron-prod")]);
    assert_eq!(
        only(&plan).action,
        Action::TagAccount {
            account: account_id(ID),
            tags: repaired
        }
    );
}

#[test]
fn a_bound_account_that_names_another_object_is_left_alone() {
    let mut world = World::new();
    world.settled("heron-prod", ID);
    let other = with(
        born("heron-prod", ID),
        &[(tag_keys::CLAIM, "acme/aviary/egret-prod")],
    );
    world.has(ObservedAccount {
        tags_confirmed: false,
        ..other.clone()
    });
    assert!(
        asks(&world.plan(), ID),
        "the bulk listing is asked to be confirmed"
    );
    world.has(other);
    let plan = world.plan();
    assert_eq!(
        (refused(&plan, "heron-prod").0, kinds(&plan)),
        (Reason::ClaimMismatch, vec![])
    );
}

#[test]
fn a_bound_account_that_is_not_seen_is_asked_for_and_never_made_again() {
    let mut world = World::new();
    world.want("heron-prod");
    world.entry("heron-prod").account_id = Some(account_id(ID));
    let plan = world.plan();
    assert!(asks(&plan, ID));
    assert_eq!(
        (kinds(&plan), reason(&plan, "heron-prod")),
        (vec![], Reason::AccountNotVisible)
    );
}

#[test]
fn listings_that_lag_do_not_take_an_account_away() {
    let mut world = World::new();
    world.settled("heron-prod", ID);
    let listed: Vec<_> = world
        .observed
        .accounts
        .values()
        .filter(|account| account.id.as_str() != ID)
        .cloned()
        .collect();
    for look in 2..8 {
        world.pass(2);
        let (accounts, began) = (listed.clone(), world.now);
        world.observed.observe(
            Observation::Look {
                look,
                began,
                accounts,
                in_progress: vec![],
            },
            began,
        );
        assert_eq!(
            verdict(&world.plan(), "heron-prod"),
            &Verdict::Ready,
            "look {look}"
        );
    }
}

#[test]
fn the_management_account_is_nobodys() {
    let management = ObservedAccount {
        id: account_id(MANAGEMENT),
        ..born("heron-prod", ID)
    };
    let plan = heron(management.clone()).plan();
    let (reason, message) = refused(&plan, "heron-prod");
    assert_eq!(reason, Reason::EmailInUse);
    assert!(message.contains("management account"), "{message}");

    let mut bound = heron(management);
    bound.entry("heron-prod").account_id = Some(account_id(MANAGEMENT));
    let plan = bound.plan();
    assert_eq!(
        (refused(&plan, "heron-prod").0, kinds(&plan)),
        (Reason::ClaimMismatch, vec![])
    );
}
