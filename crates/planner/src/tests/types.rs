//! Policy types are enabled one after the other: AWS refuses a change of one while it is at another.

use super::{
    policies::{NAME, ready},
    toy_policies::{FULL_ACCESS, scp, wanted_policy},
    *,
};
use model::{Effect, PolicyContent, PolicyTypeState};

fn backup() -> PolicyType {
    PolicyType::parse("BACKUP_POLICY").unwrap()
}
fn tag() -> PolicyType {
    PolicyType::parse("TAG_POLICY").unwrap()
}

/// `heron-prod` wants a policy of each of these types, of which AWS has these.
fn wants(types: &[PolicyType], states: &[(PolicyType, PolicyTypeState)]) -> World {
    let mut world = ready("", &[FULL_ACCESS]);
    world.limits.policies.enable_types = true;
    let policies = types.iter().map(|policy_type| DesiredPolicy {
        name: format!("bulkhead-acme-prod-{policy_type}"),
        policy_type: policy_type.clone(),
        content: PolicyContent::parse("{}").unwrap(),
        ..wanted_policy('x')
    });
    world.want(NAME).policies = policies.collect();
    has(&mut world, states);
    world
}

fn has(world: &mut World, states: &[(PolicyType, PolicyTypeState)]) {
    let read = Observation::PolicyTypes {
        began: world.now,
        types: states.iter().cloned().collect(),
    };
    world.observed.observe(read, world.now);
}

/// The types that are to be enabled now.
fn enables(world: &World) -> Vec<PolicyType> {
    let plan = world.plan();
    let types = plan.steps.iter().filter_map(|step| match &step.action {
        Action::EnablePolicyType { policy_type } => Some(policy_type.clone()),
        _ => None,
    });
    types.collect()
}

#[test]
fn one_type_after_the_other_and_service_control_policies_first() {
    for order in [[backup(), scp(), tag()], [tag(), backup(), scp()]] {
        let mut world = wants(&order, &[]);
        assert_eq!(enables(&world), [scp()], "{order:?}");
        world
            .in_flight
            .insert(StepId(format!("enable-policy-type/{}", scp())));
        assert_eq!(enables(&world), [], "AWS is asked");
        world.in_flight.clear();
        world.observed.effect(Effect::PolicyTypeEnabled(scp()), world.now);
        world.pass(5);
        assert_eq!(enables(&world), [], "AWS is at it");
        let plan = world.plan();
        assert!(plan.reads.contains(&Read::PolicyTypes));
        assert_eq!(reason(&plan, NAME), Reason::PolicyTypePending);
        has(&mut world, &[(scp(), PolicyTypeState::Enabled)]);
        let next = enables(&world);
        assert_eq!(next.len(), 1, "{next:?}");
        assert!(order.contains(&next[0]) && next[0] != scp());
    }
}

#[test]
fn what_somebody_else_switches_is_waited_for_too() {
    for state in [PolicyTypeState::PendingEnable, PolicyTypeState::PendingDisable] {
        let mut world = wants(&[backup()], &[(scp(), PolicyTypeState::Enabled), (tag(), state)]);
        world.pass(5);
        assert_eq!(enables(&world), []);
        let plan = world.plan();
        assert_eq!(reason(&plan, NAME), Reason::PolicyTypePending);
        assert!(plan.reads.contains(&Read::PolicyTypes));
        has(&mut world, &[(scp(), PolicyTypeState::Enabled)]);
        assert_eq!(enables(&world), [backup()]);
    }
}

#[test]
fn a_type_that_aws_refuses_to_enable_keeps_no_other_waiting() {
    let mut world = wants(&[backup(), tag()], &[(scp(), PolicyTypeState::Enabled)]);
    let refused = format!("enable-policy-type/{}", backup());
    world.holds(
        &refused,
        HoldKind::Stalled,
        Reason::PolicyTypeNotAvailable,
        900,
        1,
    );
    assert_eq!(enables(&world), [tag()]);
}

#[test]
fn two_types_in_one_plan_break_a_rule() {
    let world = wants(&[backup(), tag()], &[(scp(), PolicyTypeState::Enabled)]);
    let step = |policy_type: PolicyType| Step {
        id: StepId(format!("enable-policy-type/{policy_type}")),
        key: None,
        action: Action::EnablePolicyType { policy_type },
        reason: Reason::PolicyTypePending,
        spends: None,
    };
    let rules = |world: &World, steps: Vec<Step>| -> Vec<&'static str> {
        let plan = Plan {
            steps,
            ..world.plan()
        };
        let findings = check(world.input(), &plan);
        findings.into_iter().map(|finding| finding.rule).collect()
    };
    let rule = "policy types are enabled one after the other";
    assert_eq!(rules(&world, vec![step(tag())]), [] as [&str; 0]);
    assert_eq!(rules(&world, vec![step(tag()), step(backup())]), [rule]);
    let mut pending = wants(
        &[backup()],
        &[
            (scp(), PolicyTypeState::Enabled),
            (tag(), PolicyTypeState::PendingEnable),
        ],
    );
    assert_eq!(rules(&pending, vec![step(backup())]), [rule]);
    has(&mut pending, &[(scp(), PolicyTypeState::Enabled)]);
    pending
        .in_flight
        .insert(StepId(format!("enable-policy-type/{}", tag())));
    assert_eq!(rules(&pending, vec![step(backup())]), [rule]);
}
