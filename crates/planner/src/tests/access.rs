//! The access role, the outputs and the readiness gates: what makes an account usable.

use super::*;
use model::{Outputs, OutputsState};

const ID: &str = "100000000001";
const PROBE: &str = "access/aviary/heron-prod/arn:aws:iam::100000000001:role/BulkheadAccess";

/// `heron-prod`, in place and tagged. `worked`: its role has been used once, more than a period ago.
fn heron(worked: bool) -> World {
    let mut world = World::new();
    world.settled("heron-prod", ID);
    world.observed.access.clear();
    if !worked {
        world.entry("heron-prod").verified_role = None;
    }
    world
}

#[test]
fn the_role_is_used_before_the_account_is_ready() {
    let plan = heron(false).plan();
    assert_eq!(
        (only(&plan).id.0.as_str(), reason(&plan, "heron-prod")),
        (PROBE, Reason::AccessPending)
    );
}

#[test]
fn a_fresh_role_is_given_patience() {
    let mut world = heron(false);
    for (failures, person) in [(1, false), (2, false), (59, false), (60, true), (99, true)] {
        world.holds(PROBE, HoldKind::Retry, Reason::AccessPending, 5, failures);
        let plan = world.plan();
        let view = &plan.accounts[&key("heron-prod")];
        assert_eq!(is_blocked(&view.access), person, "{failures}");
        let expected = if person {
            Reason::AccessDenied
        } else {
            Reason::AccessPending
        };
        assert_eq!(
            (view.verdict.reason(), plan.wake),
            (expected, Some(at(5))),
            "{failures}"
        );
    }
}

#[test]
fn a_role_that_worked_is_lost_after_three_failures_only() {
    let mut world = heron(true);
    assert_eq!(
        (verdict(&world.plan(), "heron-prod"), kinds(&world.plan())),
        (&Verdict::Ready, vec!["VerifyAccess"])
    );
    for (failures, person) in [(1, false), (2, false), (3, true)] {
        world.holds(PROBE, HoldKind::Retry, Reason::AccessPending, 5, failures);
        assert_eq!(
            is_blocked(&world.plan().accounts[&key("heron-prod")].access),
            person,
            "{failures}"
        );
    }
}

#[test]
fn a_lost_role_stays_lost_while_it_is_tried_and_while_the_mark_is_read() {
    let mut world = heron(true);
    world.holds(PROBE, HoldKind::Retry, Reason::AccessPending, 5, 3);
    world.pass(6);
    assert_eq!(
        (refused(&world.plan(), "heron-prod").0, kinds(&world.plan())),
        (Reason::AccessDenied, vec!["VerifyAccess"])
    );
    world.in_flight.insert(StepId(PROBE.into()));
    assert_eq!(refused(&world.plan(), "heron-prod").0, Reason::AccessDenied);
    world.in_flight.clear();
    world.now = at(60);
    assert_eq!(
        (refused(&world.plan(), "heron-prod").0, kinds(&world.plan())),
        (Reason::AccessDenied, vec![])
    );
}

#[test]
fn that_aws_cannot_be_asked_is_no_evidence_against_a_role_that_worked() {
    let mut world = heron(true);
    world.holds(PROBE, HoldKind::Retry, Reason::AwsUnavailable, 60, 40);
    assert_eq!(verdict(&world.plan(), "heron-prod"), &Verdict::Ready);
    let mut fresh = heron(false);
    fresh.holds(PROBE, HoldKind::Retry, Reason::AwsUnavailable, 60, 40);
    assert_eq!(reason(&fresh.plan(), "heron-prod"), Reason::AwsUnavailable);
}

#[test]
fn the_role_is_proven_again_each_period() {
    let mut world = World::new();
    world.settled("heron-prod", ID);
    world.observed.full = Some(at(599));
    world.look(vec![]);
    world.observed.look = Some((9, at(599)));
    world.mark.on_read(Some(OWN.into()), at(599));
    world.now = at(599);
    let plan = world.plan();
    assert_eq!((kinds(&plan), plan.wake), (vec![], Some(at(600))));
    world.now = at(600);
    assert_eq!(
        (kinds(&world.plan()), verdict(&world.plan(), "heron-prod")),
        (vec!["VerifyAccess"], &Verdict::Ready)
    );
}

#[test]
fn a_proof_of_another_role_proves_nothing() {
    let mut world = World::new();
    world.settled("heron-prod", ID);
    world.want("heron-prod").role_name = RoleName::parse("OtherAccess").unwrap();
    assert_eq!(
        (kinds(&world.plan()), reason(&world.plan(), "heron-prod")),
        (vec!["VerifyAccess"], Reason::AccessPending)
    );
}

/// `heron-prod`, Ready but for its outputs.
fn with_outputs(state: OutputsState) -> World {
    let mut world = World::new();
    world.settled("heron-prod", ID);
    world.want("heron-prod").outputs = Some(Outputs {
        config_map: "heron-account".into(),
    });
    world.entry("heron-prod").outputs = state;
    world
}

fn told(world: &World) -> BTreeMap<String, String> {
    match &only(&world.plan()).action {
        Action::ApplyOutputs { config_map, data } if config_map == "heron-account" => data.clone(),
        other => panic!("no outputs: {other:?}"),
    }
}

#[test]
fn the_outputs_tell_other_tools_and_come_before_ready() {
    let mut world = with_outputs(OutputsState::Absent);
    assert_eq!(reason(&world.plan(), "heron-prod"), Reason::OutputsPending);
    let data = told(&world);
    assert_eq!(
        (data["accountId"].as_str(), data["organizationalUnitId"].as_str()),
        (ID, PROD)
    );
    assert_eq!(data["roleArn"], "arn:aws:iam::100000000001:role/BulkheadAccess");
    world.entry("heron-prod").outputs = OutputsState::Ours(data);
    assert_eq!(
        (verdict(&world.plan(), "heron-prod"), kinds(&world.plan())),
        (&Verdict::Ready, vec![])
    );
}

#[test]
fn outputs_that_differ_are_written_again() {
    let edited = BTreeMap::from([("accountId".to_owned(), "200000000002".to_owned())]);
    assert_eq!(told(&with_outputs(OutputsState::Ours(edited)))["accountId"], ID);
}

#[test]
fn a_config_map_of_somebody_else_is_left_alone() {
    let plan = with_outputs(OutputsState::Foreign).plan();
    assert_eq!(
        (refused(&plan, "heron-prod").0, kinds(&plan)),
        (Reason::OutputsConflict, vec![])
    );
}

#[test]
fn a_readiness_gate_is_waited_for_last() {
    let mut world = World::new();
    world.settled("heron-prod", ID);
    world.want("heron-prod").open_gates = vec!["example.com/network".into(), "example.com/logs".into()];
    let plan = world.plan();
    assert_eq!(
        (reason(&plan, "heron-prod"), kinds(&plan)),
        (Reason::ReadinessGateNotTrue, vec![])
    );
    let Verdict::Waiting(_, message) = verdict(&plan, "heron-prod") else {
        panic!("not waiting")
    };
    assert!(message.contains("example.com/network"), "{message}");
}
