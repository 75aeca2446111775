//! Policies of ours that somebody else attached somewhere: told, never detached.

use super::{
    policies::{A, ID, NAME, OLD, ready},
    toy_policies::{FULL_ACCESS, full_access, made, policy_id, scp, wanted_policy},
    *,
};
use model::Stray;

const OTHER: &str = "100000000002";

/// `heron-prod` with all it is to have, and an account that no object asks for, which carries these tags.
fn world(carried: Option<Tags>) -> World {
    let mut world = ready("a", &[FULL_ACCESS, A]);
    world.entry(NAME).applied = Some(revision('1').name);
    world.has(ObservedAccount {
        tags: carried,
        email: "owls@example.com".into(),
        ..born("owls", OTHER)
    });
    world
}

/// Everything is read, and this policy is attached to this besides.
fn shows(world: &mut World, id: &str, target: &str) {
    let mut listed = world.listed();
    let mut attachments = listed.attachments.iter_mut();
    let (_, targets) = attachments.find(|(policy, _)| policy.as_str() == id).unwrap();
    targets.insert(PolicyTarget::parse(target).unwrap());
    world.pass(600);
    world.full_with(listed);
}

fn strays(world: &World) -> Vec<Stray> {
    let plan = world.plan();
    let elsewhere = |account: &AccountId| *account != account_id(ID);
    for step in &plan.steps {
        assert!(
            !matches!(&step.action, Action::DetachPolicy { account, .. } if elsewhere(account)),
            "{step:?}"
        );
    }
    plan.strays
}

fn stray(target: &str) -> Vec<Stray> {
    vec![Stray {
        target: PolicyTarget::parse(target).unwrap(),
        name: wanted_policy('a').name,
        policy: policy_id(A),
    }]
}

#[test]
fn what_bulkhead_attached_itself_is_no_stray() {
    let mut world = world(Some(Tags::new()));
    world.pass(600);
    world.full(vec![]);
    assert_eq!(strays(&world), []);
}

#[test]
fn a_policy_on_a_unit_the_root_or_an_account_that_nobody_asks_for_is_told() {
    for target in [PROD, ROOT, OTHER, MANAGEMENT] {
        let mut world = world(Some(Tags::new()));
        shows(&mut world, A, target);
        assert_eq!(strays(&world), stray(target));
        world.pass(600);
        let mut listed = world.listed();
        let of_account = BTreeSet::from([PolicyTarget::Account(account_id(ID))]);
        let mut attachments = listed.attachments.iter_mut();
        let (_, targets) = attachments.find(|(policy, _)| policy.as_str() == A).unwrap();
        *targets = of_account;
        world.full_with(listed);
        assert_eq!(strays(&world), [], "{target}: somebody has detached it");
    }
}

#[test]
fn policies_of_others_are_not_told() {
    let mut world = world(Some(Tags::new()));
    let theirs = ObservedPolicy {
        tags: Some(tags(&[(tag_keys::MANAGED, "heron")])),
        ..made(&wanted_policy('o'), OLD)
    };
    world.shows(vec![full_access(), made(&wanted_policy('a'), A), theirs]);
    for target in [PROD, OTHER] {
        shows(&mut world, OLD, target);
    }
    assert_eq!(strays(&world), []);
}

#[test]
fn an_account_that_keeps_its_guardrails_after_its_object_is_no_stray() {
    let mut kept = world(Some(tags(&[(tag_keys::CLAIM, "acme/aviary/owls")])));
    shows(&mut kept, A, OTHER);
    assert_eq!(strays(&kept), [], "its claim says that Bulkhead made it");
    let mut others = world(Some(tags(&[(tag_keys::CLAIM, "heron/aviary/owls")])));
    shows(&mut others, A, OTHER);
    assert_eq!(strays(&others), stray(OTHER));
    let mut held = world(Some(Tags::new()));
    held.entry("owls-prod").account_id = Some(account_id(OTHER));
    shows(&mut held, A, OTHER);
    assert_eq!(strays(&held), [], "an object holds it, which may be rejected");
    let mut unknown = world(None);
    let read = Observation::Attachments {
        began: unknown.now,
        account: account_id(OTHER),
        policy_type: scp(),
        attached: Some(vec![(policy_id(A), "name".into())]),
    };
    unknown.observed.observe(read, unknown.now);
    assert_eq!(strays(&unknown), [], "nothing is said before its tags are read");
}

#[test]
fn nothing_is_said_of_an_organization_that_is_not_governed() {
    let mut world = world(Some(Tags::new()));
    shows(&mut world, A, PROD);
    world
        .mark
        .on_read(Some("heron:another-cluster".into()), world.now);
    assert_eq!(strays(&world), []);
}
