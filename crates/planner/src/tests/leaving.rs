//! Objects that are being deleted: retain is the rule, and the finalizer goes once nothing is unsettled. And the operator
//! on its way out.

use super::*;

/// `heron-prod`, deleted while this was known of its creation.
fn heron(attempt: Option<Attempt>) -> World {
    let mut world = World::new();
    world.attempt("heron-prod", "token0heron0first", attempt);
    world.entry("heron-prod").deleting = true;
    world
        .desired
        .leaving
        .insert(key("heron-prod"), desired("heron-prod").claim);
    world
}

const RELEASED: [&str; 1] = ["Release"];
const KEPT: [&str; 0] = [];

#[test]
fn nothing_is_begun_for_it() {
    for attempt in [Attempt::Fresh { look: 1 }, Attempt::Refused] {
        assert_eq!(kinds(&heron(Some(attempt)).plan()), RELEASED);
    }
    let mut world = heron(None);
    world.entry("heron-prod").creation = None;
    assert_eq!(kinds(&world.plan()), RELEASED);
}

#[test]
fn an_object_without_the_finalizer_needs_nothing() {
    let mut world = heron(None);
    world.entry("heron-prod").held = false;
    assert_eq!(kinds(&world.plan()), KEPT);
}

#[test]
fn its_account_stays_as_it_is() {
    let mut world = heron(None);
    world.has(ObservedAccount {
        tags: Some(Tags::new()),
        ..born("heron-prod", "100000000001")
    });
    world.entry("heron-prod").account_id = Some(account_id("100000000001"));
    let plan = world.plan();
    assert_eq!(kinds(&plan), RELEASED);
    assert_eq!(plan.accounts, BTreeMap::new());
}

#[test]
fn an_account_with_its_claim_settles_the_question() {
    let mut world = heron(None);
    world.has(born("heron-prod", "100000000001"));
    assert_eq!(kinds(&world.plan()), RELEASED);
}

#[test]
fn the_finalizer_stays_while_the_call_is_under_way() {
    assert_eq!(kinds(&heron(Some(Attempt::Sending)).plan()), KEPT);
}

#[test]
fn the_finalizer_stays_while_aws_creates_and_goes_when_it_ends() {
    for end in [
        CreationState::Succeeded(account_id("100000000001")),
        CreationState::Failed("INVALID_EMAIL".into()),
    ] {
        let mut world = heron(Some(Attempt::Accepted(request_id("heronrequest"))));
        let plan = world.plan();
        assert_eq!(kinds(&plan), KEPT);
        assert!(
            plan.reads.iter().any(|read| matches!(read, Read::Creations(_))),
            "its end is polled"
        );
        world.answers("heronrequest", "heron-prod", end);
        assert_eq!(kinds(&world.plan()), RELEASED);
    }
}

#[test]
fn the_finalizer_stays_while_the_outcome_is_unknown() {
    let mut world = heron(None);
    assert_eq!(kinds(&world.plan()), KEPT);
    world.pass(900);
    let plan = world.plan();
    assert_eq!(kinds(&plan), KEPT);
    assert!(plan.reads.contains(&Read::Look));
    world.look(vec![record(
        "strayrequest",
        "heron-prod",
        CreationState::InProgress,
    )]);
    assert_eq!(kinds(&world.plan()), KEPT, "that may be its own");
    world.pass(40);
    world.look(vec![]);
    assert_eq!(kinds(&world.plan()), RELEASED);
}

#[test]
fn waiting_for_the_grace_has_a_wake_up() {
    let mut world = heron(None);
    world.pass(890);
    world.full(vec![]);
    world.observed.full = Some(at(5000));
    assert_eq!(world.plan().wake, Some(at(900)));
}

#[test]
fn a_bound_object_that_lives_loses_its_finalizer() {
    let mut world = World::new();
    world.settled("stork-prod", "100000000002");
    world.entry("stork-prod").held = true;
    let plan = world.plan();
    assert_eq!(
        (kinds(&plan), verdict(&plan, "stork-prod")),
        (RELEASED.to_vec(), &Verdict::Ready)
    );
}

#[test]
fn what_is_unsettled_of_it_takes_a_place_among_the_intents() {
    let mut world = World::new();
    for bird in 0..8 {
        let name = format!("gull-{bird}");
        world.attempt(&name, &format!("token0gull0number{bird}"), None);
        world.desired.leaving.insert(key(&name), desired(&name).claim);
    }
    world.want("heron-prod");
    assert_eq!(
        (kinds(&world.plan()), reason(&world.plan(), "heron-prod")),
        (KEPT.to_vec(), Reason::CreationQueued)
    );
}

#[test]
fn an_operator_that_stops_stores_answers_and_takes_back_what_it_did_not_send() {
    let mut world = World::new();
    let attempts = [
        ("gull-prod", Some(Attempt::Fresh { look: 1 })),
        ("tern-prod", Some(Attempt::Accepted(request_id("ternrequest")))),
        ("owl-prod", Some(Attempt::Sending)),
        ("wren-prod", Some(Attempt::Unknown)),
        ("egret-prod", None),
    ];
    for (name, attempt) in attempts {
        world.want(name);
        world.attempt(name, &format!("token0{}00", name.replace('-', "0")), attempt);
    }
    world.want("heron-prod");
    let plan = Plan {
        accounts: BTreeMap::new(),
        ..crate::plan(Input {
            stopping: true,
            ..world.input()
        })
    };
    let steps: Vec<_> = plan.steps.iter().map(|step| step.id.0.as_str()).collect();
    assert_eq!(
        steps,
        [
            "withdraw/aviary/gull-prod/token0gull0prod00",
            "record/aviary/tern-prod/token0tern0prod00"
        ]
    );
    assert_eq!(
        (
            check(
                Input {
                    stopping: true,
                    ..world.input()
                },
                &plan
            ),
            plan.reads
        ),
        (vec![], BTreeSet::new())
    );
}

#[test]
fn the_answer_for_an_object_that_is_not_accepted_any_more_is_kept() {
    let mut world = World::new();
    world.attempt(
        "heron-prod",
        "token0heron0first",
        Some(Attempt::Accepted(request_id("heronrequest"))),
    );
    assert_eq!(kinds(&world.plan()), ["RecordRequest"]);
}

#[test]
fn the_finalizer_goes_though_aws_may_not_be_changed() {
    let mut world = heron(Some(Attempt::Refused));
    world.mark = Mark::new(OWN.into(), None, secs(30), true);
    world.mark.on_read(Some("acme:uid-of-another".into()), at(0));
    assert_eq!(kinds(&world.plan()), RELEASED);
}
