//! The brake: what waits for a budget, and what it says.

use super::{creation::heron, *};
use model::{Change, MassChange};

const LATER: &str = "2026-09-21T15:15:00Z";

fn hourly(limit: u32) -> Brake {
    Brake {
        creations_per_hour: Some(limit),
        ..Brake::default()
    }
}

fn mass(max_accounts: u32) -> Brake {
    Brake {
        mass_change: Some(MassChange {
            window: secs(3600),
            max_accounts,
        }),
        ..Brake::default()
    }
}

impl World {
    /// A change is counted, as the journal counts it.
    fn spends(&mut self, change: &Change) {
        let spent = self.spending.take().unwrap_or_default();
        self.spending = Some(self.limits.brake.spend(&spent, change, self.now));
    }
}

/// What a person reads of an object that waits; of any other this fails.
fn waits<'p>(plan: &'p Plan, name: &str) -> (Reason, &'p str) {
    match verdict(plan, name) {
        Verdict::Waiting(reason, message) => (*reason, message),
        other => panic!("does not wait: {other:?}"),
    }
}

/// An account that is bound, proven and in another unit than it should be.
fn strayed(world: &mut World, name: &str, id: &str) {
    world.settled(name, id);
    let mut account = born(name, id);
    account.parent = ParentId::parse(WORKLOADS).unwrap();
    world.has(account);
}

#[test]
fn a_used_up_budget_lets_nothing_begin_and_says_until_when() {
    let mut world = World::new();
    world.limits.brake = hourly(1);
    world.want("heron-prod");
    world.entry("heron-prod").held = true;
    assert_eq!(kinds(&world.plan()), ["Intend"]);
    world.spends(&Change::Creation);
    let plan = world.plan();
    assert_eq!(plan.steps, vec![]);
    let (reason, message) = waits(&plan, "heron-prod");
    assert_eq!(reason, Reason::CreationBudgetExhausted);
    let words = format!(
        "creation.perHour allows 1 creations in an hour, and they are taken; creations go on at {LATER}"
    );
    assert_eq!(message, words);
    assert!(plan.wake.is_some_and(|wake| wake <= LATER.parse().unwrap()));

    world.pass(1800);
    let later = world.plan();
    assert_eq!(
        verdict(&later, "heron-prod"),
        verdict(&plan, "heron-prod"),
        "status would be written at each plan"
    );
    world.now = LATER.parse().unwrap();
    world.mark.on_read(Some(OWN.into()), world.now);
    assert_eq!(kinds(&world.plan()), ["Intend"]);
}

#[test]
fn an_intent_that_stands_waits_for_the_budget_too() {
    let mut world = heron(Some(Attempt::Fresh { look: 1 }));
    world.limits.brake = hourly(1);
    let plan = world.plan();
    assert_eq!(
        only(&plan).spends,
        Some(Change::Creation),
        "it is counted before it is sent"
    );
    world.spends(&Change::Creation);
    let plan = world.plan();
    assert_eq!(plan.steps, vec![]);
    assert_eq!(reason(&plan, "heron-prod"), Reason::CreationBudgetExhausted);
}

#[test]
fn what_is_left_goes_to_those_who_come_first() {
    let mut world = World::new();
    world.limits.brake = hourly(2);
    for (number, name) in (0..).zip(["heron", "gull", "tern"]) {
        world.want(name).created = at(number);
        world.entry(name).held = true;
    }
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["Intend", "Intend"]);
    let words =
        "creation.perHour allows 2 creations in an hour, and they are taken by others that come first";
    assert_eq!(waits(&plan, "tern"), (Reason::CreationBudgetExhausted, words));
    // An intent takes of the budget before it is sent.
    world.attempt("heron", "token0heron0first", Some(Attempt::Fresh { look: 1 }));
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["Intend", "CreateAccount"]);
    assert_eq!(waits(&plan, "tern").0, Reason::CreationBudgetExhausted);
}

#[test]
fn without_a_budget_nothing_is_counted() {
    let mut world = heron(Some(Attempt::Fresh { look: 1 }));
    world.spending = None;
    assert_eq!(only(&world.plan()).spends, None);
}

#[test]
fn zero_switches_creations_off() {
    let mut world = World::new();
    world.limits.brake = hourly(0);
    world.want("heron-prod");
    let plan = world.plan();
    assert_eq!(plan.steps, vec![]);
    let words = "creation.perHour allows 0 creations in an hour: creations are switched off";
    assert_eq!(
        waits(&plan, "heron-prod"),
        (Reason::CreationBudgetExhausted, words)
    );
}

#[test]
fn what_is_not_known_is_not_left() {
    let mut world = World::new();
    world.limits.brake = Brake {
        creations_per_day: Some(300),
        ..mass(50)
    };
    world.spending = None;
    world.want("heron-prod");
    strayed(&mut world, "gull-prod", "100000000001");
    let plan = world.plan();
    assert_eq!(plan.steps, vec![]);
    for name in ["heron-prod", "gull-prod"] {
        assert_eq!(waits(&plan, name).0, Reason::BudgetUnknown);
    }
}

#[test]
fn moves_beyond_the_budget_wait_and_an_account_counts_once() {
    let mut world = World::new();
    world.limits.brake = mass(1);
    for (name, id) in [("heron", "100000000001"), ("gull", "100000000002")] {
        strayed(&mut world, name, id);
    }
    let plan = world.plan();
    let moved = Change::Move(account_id("100000000002"));
    assert_eq!(
        only(&plan).spends,
        Some(moved.clone()),
        "of two of one age the first by name"
    );
    let (reason, message) = waits(&plan, "heron");
    assert_eq!(reason, Reason::MoveBudgetExhausted);
    assert_eq!(
        message,
        "massChange allows 1 accounts to be moved in 1h, and they are taken by others that come first"
    );
    assert!(matches!(
        &plan.accounts[&key("heron")].placed,
        Stage::Pending(Reason::MoveBudgetExhausted, _)
    ));

    // It strays again, and is brought back at no cost; the other goes on waiting, now with a time.
    world.spends(&moved);
    let plan = world.plan();
    assert_eq!(only(&plan).spends, Some(moved));
    let words =
        format!("massChange allows 1 accounts to be moved in 1h, and they are taken; moves go on at {LATER}");
    assert_eq!(
        waits(&plan, "heron"),
        (Reason::MoveBudgetExhausted, words.as_str())
    );
}

#[test]
fn the_first_move_of_a_new_account_is_part_of_its_creation() {
    let mut world = World::new();
    world.limits.brake = mass(0);
    world.want("heron-prod");
    world.has(born("heron-prod", "100000000001"));
    world.attempt("heron-prod", "token0heron0first", None).request_id = Some(request_id("heronrequest"));
    world.entry("heron-prod").account_id = Some(account_id("100000000001"));
    let moves = |plan: &Plan| kinds(plan).contains(&"MoveAccount");
    assert!(moves(&world.plan()));
    // One that has been in place before and is back in the root has strayed.
    world.entry("heron-prod").verified_role = Some("arn:aws:iam::100000000001:role/BulkheadAccess".into());
    assert!(!moves(&world.plan()));
}

#[test]
fn a_move_that_failed_keeps_saying_why_while_it_waits_for_the_budget() {
    let mut world = World::new();
    world.limits.brake = mass(1);
    strayed(&mut world, "heron", "100000000001");
    let id = only(&world.plan()).id.clone();
    world.holds(&id.0, HoldKind::Stalled, Reason::AccessDenied, 5, 1);
    world.pass(6);
    world.spends(&Change::Move(account_id("100000000009")));
    let plan = world.plan();
    assert_eq!(plan.steps, vec![]);
    assert_eq!(refused(&plan, "heron").0, Reason::AccessDenied);
}

#[test]
fn the_checker_knows_the_budgets() {
    let mut world = heron(Some(Attempt::Fresh { look: 1 }));
    world.limits.brake = hourly(1);
    let plan = world.plan();
    world.spends(&Change::Creation);
    let rules = |world: &World, plan: &Plan| {
        let findings = check(world.input(), plan).into_iter();
        findings.map(|finding| finding.rule).collect::<Vec<_>>()
    };
    const RULE: &str = "no more is begun than the budgets leave";
    assert_eq!(rules(&world, &plan), [RULE]);
    let mut uncounted = plan.clone();
    uncounted.steps[0].spends = None;
    world.spending = Some(Spending::default());
    assert_eq!(rules(&world, &uncounted), [RULE]);
    world.spending = None;
    assert_eq!(rules(&world, &plan), [RULE]);
}
