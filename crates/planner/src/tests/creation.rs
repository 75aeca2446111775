//! CreateAccount exactly once.

use super::*;

pub(super) const TOKEN: &str = "token0heron0first";

/// `heron-prod`, whose intent is stored and known to this process.
pub(super) fn heron(attempt: Option<Attempt>) -> World {
    let mut world = World::new();
    world.want("heron-prod");
    world.attempt("heron-prod", TOKEN, attempt);
    world
}

pub(super) fn accepted(id: &str) -> Attempt {
    Attempt::Accepted(request_id(id))
}

pub(super) fn intended(plan: &Plan) -> &Creation {
    match &only(plan).action {
        Action::Intend(creation, _) => creation,
        other => panic!("no intent: {other:?}"),
    }
}

#[test]
fn the_finalizer_comes_before_the_intent() {
    let mut world = World::new();
    world.want("heron-prod");
    assert_eq!(kinds(&world.plan()), ["Hold"]);
    world.entry("heron-prod").held = true;
    assert_eq!(kinds(&world.plan()), ["Intend"]);
}

#[test]
fn the_intent_freezes_what_will_be_sent() {
    let mut world = World::new();
    world.want("heron-prod");
    world.entry("heron-prod").held = true;
    let plan = world.plan();
    let Creation {
        attempt,
        started_at,
        epoch,
        email,
        account_name,
        role_name,
        request_id,
        ..
    } = intended(&plan);
    assert_eq!((*attempt, *started_at, *epoch), (1, at(0), 7));
    assert_eq!(email.as_str(), "aws+heron-prod@example.com");
    assert_eq!(
        (account_name.as_str(), role_name.as_str()),
        ("heron-prod", "BulkheadAccess")
    );
    assert_eq!(*request_id, None);
}

#[test]
fn no_call_before_a_look_that_began_after_the_intent() {
    let mut world = heron(Some(Attempt::Fresh { look: 2 }));
    let plan = world.plan();
    assert_eq!(kinds(&plan), [] as [&str; 0]);
    assert!(plan.reads.contains(&Read::Look));
    assert_eq!(reason(&plan, "heron-prod"), Reason::LookingFirst);
    world.look(vec![]);
    assert_eq!(kinds(&world.plan()), ["CreateAccount"]);
}

#[test]
fn an_older_look_that_ends_last_does_not_take_back_the_newer_one() {
    let mut world = heron(Some(Attempt::Fresh { look: 2 }));
    world.look(vec![]);
    let older = Observation::Look {
        look: 1,
        began: at(-9),
        accounts: vec![],
        in_progress: vec![],
    };
    world.observed.observe(older, at(0));
    assert_eq!(kinds(&world.plan()), ["CreateAccount"]);
}

#[test]
fn the_call_carries_the_stored_values_the_claim_and_the_token() {
    let world = heron(Some(Attempt::Fresh { look: 1 }));
    let plan = world.plan();
    let Action::CreateAccount {
        token, email, tags, ..
    } = &only(&plan).action
    else {
        panic!("no call")
    };
    assert_eq!(
        (token.as_str(), email.as_str()),
        (TOKEN, "aws+heron-prod@example.com")
    );
    let expected = super::tags(&[
        (tag_keys::CLAIM, "acme/aviary/heron-prod"),
        (tag_keys::WORKLOAD, "birds"),
        (tag_keys::ENVIRONMENT, "prod"),
        ("team", "aviary"),
        (tag_keys::CREATION_TOKEN, TOKEN),
        (tag_keys::REVISION, "standard-1111111111/1"),
    ]);
    assert_eq!(*tags, expected);
}

#[test]
fn a_token_is_sent_once() {
    for attempt in [
        Attempt::Sending,
        Attempt::Unknown,
        Attempt::Accepted(request_id("heronrequest")),
    ] {
        assert_eq!(creates(&heron(Some(attempt)).plan()), Vec::<&Step>::new());
    }
    let unknown_to_this_process = heron(None);
    assert_eq!(creates(&unknown_to_this_process.plan()), Vec::<&Step>::new());
}

#[test]
fn another_object_of_the_same_name_gets_another_token() {
    let mut world = World::new();
    world.want("heron-prod");
    world.entry("heron-prod").held = true;
    let first = intended(&world.plan()).token.clone();
    world.pass(1);
    assert_ne!(
        intended(&world.plan()).token,
        first,
        "the first object is gone, its attempt was number 1 as well"
    );
}

#[test]
fn an_intent_that_was_not_sent_follows_the_spec() {
    let mut world = heron(Some(Attempt::Fresh { look: 1 }));
    world.want("heron-prod").email = Email::parse("egret@example.com").unwrap();
    let plan = world.plan();
    assert_eq!(
        (intended(&plan).attempt, intended(&plan).email.as_str()),
        (1, "egret@example.com")
    );
}

#[test]
fn an_intent_that_waited_long_is_made_anew_before_it_is_sent() {
    let mut world = heron(Some(Attempt::Fresh { look: 1 }));
    world.pass(451);
    world.look(vec![]);
    assert_eq!(
        intended(&world.plan()).started_at,
        at(451),
        "else its grace would be over soon after the call"
    );
}

#[test]
fn the_answer_is_stored_and_polled() {
    let world = heron(Some(accepted("heronrequest")));
    let plan = world.plan();
    let record = Action::RecordRequest {
        token: Token::parse(TOKEN).unwrap(),
        request_id: request_id("heronrequest"),
    };
    assert_eq!(only(&plan).action, record);
    assert!(
        plan.reads
            .contains(&Read::Creations(BTreeSet::from([request_id("heronrequest")])))
    );
    assert_eq!(reason(&plan, "heron-prod"), Reason::CreationInProgress);
}

#[test]
fn a_stored_answer_is_polled_at_its_pace() {
    let mut world = heron(None);
    world.attempt("heron-prod", TOKEN, None).request_id = Some(request_id("heronrequest"));
    world.answers("heronrequest", "heron-prod", CreationState::InProgress);
    let plan = world.plan();
    assert_eq!((kinds(&plan), &plan.reads), (vec![], &BTreeSet::new()));
    assert_eq!(plan.wake, Some(at(5)));
    world.pass(5);
    assert!(
        world
            .plan()
            .reads
            .contains(&Read::Creations(BTreeSet::from([request_id("heronrequest")])))
    );
}

#[test]
fn accounts_that_were_found_are_not_asked_about_again_after_a_restart() {
    let mut world = World::new();
    world.settled("stork-prod", "100000000001");
    world.attempt("stork-prod", TOKEN, None).request_id = Some(request_id("storkrequest"));
    assert_eq!(world.plan().reads, BTreeSet::new());
}

#[test]
fn a_request_aws_does_not_know_yet_is_asked_for_until_its_grace_is_over() {
    let mut world = heron(Some(accepted("heronrequest")));
    world.answers("heronrequest", "", CreationState::Unknown);
    world.pass(6);
    let plan = world.plan();
    assert!(
        plan.reads
            .contains(&Read::Creations(BTreeSet::from([request_id("heronrequest")])))
    );
    assert_eq!(reason(&plan, "heron-prod"), Reason::CreationOutcomeUnknown);
    world.answers(
        "heronrequest",
        "heron-prod",
        CreationState::Failed("INVALID_EMAIL".into()),
    );
    assert_eq!(reason(&world.plan(), "heron-prod"), Reason::InvalidEmail);
}

#[test]
fn a_created_account_is_read() {
    let mut world = heron(Some(accepted("heronrequest")));
    world.answers(
        "heronrequest",
        "heron-prod",
        CreationState::Succeeded(account_id("100000000001")),
    );
    let plan = world.plan();
    assert!(asks(&plan, "100000000001"));
    assert_eq!(reason(&plan, "heron-prod"), Reason::AccountNotVisible);
    world.has(born("heron-prod", "100000000001"));
    let plan = world.plan();
    assert_eq!(plan.accounts[&key("heron-prod")].vended, Stage::Done);
    assert_eq!(kinds(&plan), ["MoveAccount"]);
}

#[test]
fn a_created_account_is_ours_before_its_tags_can_be_read() {
    let mut world = heron(Some(accepted("heronrequest")));
    world.answers(
        "heronrequest",
        "heron-prod",
        CreationState::Succeeded(account_id("100000000001")),
    );
    world.has(ObservedAccount {
        tags: Some(Tags::new()),
        ..born("heron-prod", "100000000001")
    });
    let plan = world.plan();
    assert_eq!(plan.accounts[&key("heron-prod")].vended, Stage::Done);
    assert_eq!(
        kinds(&plan),
        ["TagAccount"],
        "it is moved when it carries its revision"
    );
}

#[test]
fn an_unknown_outcome_is_asked_for_again_with_what_was_sent() {
    let mut world = heron(None);
    world.want("heron-prod").email = Email::parse("egret@example.com").unwrap();
    world.pass(901);
    world.look(vec![]);
    let again = intended(&world.plan()).clone();
    assert_eq!(
        (again.attempt, again.email.as_str()),
        (2, "aws+heron-prod@example.com")
    );
    world
        .attempts
        .insert(again.token.clone(), Attempt::Fresh { look: 2 });
    world.entry("heron-prod").creation = Some(again);
    assert!(matches!(&only(&world.plan()).action,
        Action::CreateAccount { email, .. } if email.as_str() == "aws+heron-prod@example.com"));
}

#[test]
fn no_account_is_asked_for_that_would_have_nowhere_to_go() {
    let mut world = heron(Some(Attempt::Fresh { look: 1 }));
    world.want("heron-prod").bound_unit = Some(OuId::parse("ou-f00d-gonegone1").unwrap());
    world.all_units_shown();
    assert_eq!(
        (kinds(&world.plan()), refused(&world.plan(), "heron-prod").0),
        (vec![], Reason::OrganizationalUnitMissing)
    );
    world.attempts.insert(
        Token::parse(TOKEN).unwrap(),
        Attempt::Accepted(request_id("heronrequest")),
    );
    assert_eq!(
        (kinds(&world.plan()), reason(&world.plan(), "heron-prod")),
        (vec!["RecordRequest"], Reason::CreationInProgress)
    );
}

#[test]
fn an_unknown_outcome_waits_for_the_grace_and_a_look_after_it() {
    for attempt in [None, Some(Attempt::Unknown)] {
        let mut world = heron(attempt);
        let plan = world.plan();
        assert_eq!(
            (kinds(&plan), reason(&plan, "heron-prod")),
            (vec![], Reason::CreationOutcomeUnknown)
        );
        assert_eq!(plan.wake, Some(at(24)), "the mark; a look each 30 s");
        world.pass(30);
        assert!(world.plan().reads.contains(&Read::Look));
        world.pass(870);
        let plan = world.plan();
        assert_eq!(
            kinds(&plan),
            [] as [&str; 0],
            "the last look began before the grace was over"
        );
        assert!(plan.reads.contains(&Read::Look));
        world.look(vec![]);
        assert_eq!(intended(&world.plan()).attempt, 2);
    }
}

#[test]
fn the_account_of_an_unknown_outcome_is_taken_on() {
    let mut world = heron(None);
    world.has(born("heron-prod", "100000000001"));
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["MoveAccount"]);
    assert_eq!(plan.accounts[&key("heron-prod")].vended, Stage::Done);
}

#[test]
fn a_request_of_this_name_that_no_object_knows_is_waited_for() {
    for attempt in [None, Some(Attempt::Fresh { look: 1 })] {
        let mut world = heron(attempt);
        world.pass(1000);
        world.look(vec![record(
            "strayrequest",
            "heron-prod",
            CreationState::InProgress,
        )]);
        let plan = world.plan();
        assert_eq!(
            (kinds(&plan), reason(&plan, "heron-prod")),
            (vec![], Reason::CreationNameInFlight)
        );
        assert!(!plan.reads.contains(&Read::Look), "one look is enough for now");
        world.pass(30);
        assert!(world.plan().reads.contains(&Read::Look), "its end is looked for");
        world.look(vec![]);
        assert_eq!(kinds(&world.plan()), ["Intend"], "it has ended");
    }
}

#[test]
fn a_request_of_this_name_that_another_object_knows_is_no_obstacle() {
    let mut world = heron(Some(Attempt::Fresh { look: 1 }));
    world.want("heron-dev").account_name = AccountName::parse("heron-prod").unwrap();
    world.attempt("heron-dev", "token0heron0other", None).request_id = Some(request_id("otherrequest"));
    world.answers("otherrequest", "heron-prod", CreationState::InProgress);
    assert_eq!(only(&world.plan()).key, Some(key("heron-prod")));
}

#[test]
fn a_refused_call_leads_to_another_token() {
    let world = heron(Some(Attempt::Refused));
    let plan = world.plan();
    assert_ne!(intended(&plan).token.as_str(), TOKEN);
    assert_eq!(intended(&plan).attempt, 2);
}

/// The name under which the call of `heron-prod` rests.
fn call(world: &World) -> String {
    let mut fresh = world.clone();
    fresh
        .attempts
        .insert(Token::parse(TOKEN).unwrap(), Attempt::Fresh { look: 1 });
    fresh.held.clear();
    only(&fresh.plan()).id.to_string()
}

#[test]
fn a_refused_call_rests_before_it_is_tried_again() {
    let mut world = heron(Some(Attempt::Refused));
    let id = call(&world);
    world.holds(
        &id,
        HoldKind::Wait,
        Reason::AccountCreationRateLimitExceeded,
        30,
        1,
    );
    let plan = world.plan();
    assert_eq!(
        (kinds(&plan), reason(&plan, "heron-prod")),
        (vec![], Reason::AccountCreationRateLimitExceeded)
    );
    assert_eq!(plan.wake, Some(at(24)), "the mark");
    world.pass(30);
    assert_eq!(kinds(&world.plan()), ["Intend"]);
}

#[test]
fn a_refused_call_with_other_values_is_tried_at_once() {
    let changes: [fn(&mut DesiredAccount); 3] = [
        |desired| desired.email = Email::parse("egret@example.com").unwrap(),
        |desired| desired.role_name = RoleName::parse("OtherAccess").unwrap(),
        |desired| desired.tags.extend(super::tags(&[("team", "egrets")])),
    ];
    for change in changes {
        let mut world = heron(Some(Attempt::Refused));
        let id = call(&world);
        world.holds(&id, HoldKind::Stalled, Reason::TagPolicyViolation, 600, 3);
        assert_eq!(refused(&world.plan(), "heron-prod").0, Reason::TagPolicyViolation);
        change(world.want("heron-prod"));
        let plan = world.plan();
        assert_eq!(
            (kinds(&plan), reason(&plan, "heron-prod")),
            (vec!["Intend"], Reason::LookingFirst)
        );
    }
}

#[test]
fn a_stalled_call_stays_stalled_while_it_is_tried_again() {
    let mut world = heron(Some(Attempt::Refused));
    let id = call(&world);
    world.holds(&id, HoldKind::Stalled, Reason::AccessDenied, 15, 1);
    world.pass(16);
    let token = Token::parse(TOKEN).unwrap();
    let tries = [
        Attempt::Refused,
        Attempt::Fresh { look: 2 },
        Attempt::Fresh { look: 1 },
        Attempt::Sending,
    ];
    for attempt in tries {
        world.attempts.insert(token.clone(), attempt.clone());
        assert_eq!(
            refused(&world.plan(), "heron-prod").0,
            Reason::AccessDenied,
            "{attempt:?}"
        );
    }
    world
        .attempts
        .insert(token, Attempt::Accepted(request_id("heronrequest")));
    world.held.clear();
    assert_eq!(reason(&world.plan(), "heron-prod"), Reason::CreationInProgress);
}

/// Objects with their intents and looks done, oldest last by name.
fn flock(count: i64) -> World {
    let mut world = World::new();
    for bird in 0..count {
        let name = format!("gull-{bird}");
        world.want(&name).created = at(-bird);
        world.attempt(
            &name,
            &format!("token0gull0number{bird}"),
            Some(Attempt::Fresh { look: 1 }),
        );
    }
    world
}

#[test]
fn at_most_five_calls_at_once_and_the_oldest_objects_first() {
    let world = flock(7);
    let plan = world.plan();
    let called: Vec<_> = plan.steps.iter().filter_map(|step| step.key.clone()).collect();
    assert_eq!(
        called,
        [
            key("gull-6"),
            key("gull-5"),
            key("gull-4"),
            key("gull-3"),
            key("gull-2")
        ]
    );
    assert_eq!(reason(&plan, "gull-0"), Reason::CreationQueued);
}

#[test]
fn whatever_may_be_in_flight_takes_a_place() {
    let mut world = flock(7);
    world
        .attempts
        .insert(Token::parse("token0gull0number0").unwrap(), Attempt::Unknown);
    world
        .attempts
        .insert(Token::parse("token0gull0number1").unwrap(), Attempt::Sending);
    world.look(vec![record("strayrequest", "pelican", CreationState::InProgress)]);
    world.entry("gull-2").creation.as_mut().unwrap().request_id = Some(request_id("gullrequest"));
    assert_eq!(creates(&world.plan()).len(), 1);
}

#[test]
fn a_request_that_left_the_list_gives_its_place_back() {
    let mut world = flock(1);
    let strays = (0..5).map(|n| record(&format!("strayrequest{n}"), "pelican", CreationState::InProgress));
    world.look(strays.collect());
    assert_eq!(reason(&world.plan(), "gull-0"), Reason::CreationQueued);
    world.look(vec![]);
    assert_eq!(creates(&world.plan()).len(), 1);
}

#[test]
fn an_unknown_outcome_of_an_object_that_is_not_accepted_any_more_gives_its_place_back() {
    let mut world = flock(1);
    for bird in 0..5 {
        world.attempt(
            &format!("rejected-{bird}"),
            &format!("token0rejected0{bird}"),
            Some(Attempt::Unknown),
        );
    }
    assert_eq!(reason(&world.plan(), "gull-0"), Reason::CreationQueued);
    world.pass(901);
    world.look(vec![]);
    world.attempt("gull-0", "token0gull0number0", Some(Attempt::Fresh { look: 2 }));
    assert_eq!(creates(&world.plan()).len(), 1);
}

#[test]
fn the_window_bounds_the_intents_even_when_older_objects_come_later() {
    let mut world = flock(8);
    for bird in 0..3 {
        world.want(&format!("older-{bird}")).created = at(-9000);
    }
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["CreateAccount"; 5]);
    assert_eq!(reason(&plan, "older-0"), Reason::CreationQueued);
}

#[test]
fn suspended_objects_take_no_place() {
    let mut world = flock(8);
    for desired in world.desired.accounts.values_mut() {
        desired.suspend = true;
    }
    world.want("heron-prod");
    let plan = world.plan();
    assert_eq!(
        (kinds(&plan), reason(&plan, "gull-3")),
        (vec!["Hold"], Reason::Suspended)
    );
}

#[test]
fn a_tag_that_is_wanted_since_the_intent_is_stored_before_it_is_asked_for() {
    let mut world = heron(Some(Attempt::Fresh { look: 1 }));
    assert_eq!(kinds(&world.plan()), ["CreateAccount"]);
    world.want("heron-prod").tags.extend(tags(&[("pager", "none")]));
    let plan = world.plan();
    let Action::Intend(creation, assigned) = &only(&plan).action else {
        panic!("{:?}", plan.steps);
    };
    assert_ne!(creation.token.as_str(), TOKEN);
    assert!(assigned.tag_keys.contains("pager"), "{assigned:?}");
}
