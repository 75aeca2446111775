//! What is written in which call: what AWS refuses and what it has no room for keeps nothing else waiting.

use super::{
    tags::{ID, heron, manages},
    *,
};

/// An account with this many tags of others beside its own, and so full but for `room`.
fn crowded(room: usize, more: &[(&str, &str)]) -> World {
    let mut world = heron(more);
    let account = world.observed.accounts[&account_id(ID)].clone();
    let carried = account.tags.as_ref().unwrap().len();
    let names: Vec<String> = (carried..50 - room).map(|n| format!("theirs-{n:02}")).collect();
    let others: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    let mut account = account;
    account.tags.get_or_insert_default().extend(tags(&others));
    world.has(account);
    world
}

/// These keys are wanted, and stored as ours.
fn wants(world: &mut World, more: &[(&str, &str)]) {
    world.want("heron-prod").tags.extend(tags(more));
    let names: Vec<&str> = more.iter().map(|(key, _)| *key).collect();
    let assigned = world.entry("heron-prod").assigned.as_mut().unwrap();
    assigned.tag_keys.extend(keys(&names));
}

fn untag(names: &[&str]) -> Action {
    Action::UntagAccount {
        account: account_id(ID),
        keys: keys(names),
    }
}

fn tag(pairs: &[(&str, &str)]) -> Action {
    Action::TagAccount {
        account: account_id(ID),
        tags: tags(pairs),
    }
}

fn actions(plan: &Plan) -> Vec<Action> {
    plan.steps.iter().map(|step| step.action.clone()).collect()
}

fn carried(world: &World) -> Tags {
    world.observed.accounts[&account_id(ID)].tags.clone().unwrap()
}

#[test]
fn a_full_account_gives_up_what_is_not_wanted_before_it_gets_more() {
    let mut world = crowded(0, &[("pager", "none")]);
    assert_eq!(carried(&world).len(), 50);
    manages(&mut world, &["pager"]);
    wants(&mut world, &[("beeper", "none")]);
    let plan = world.plan();
    assert_eq!(only(&plan).action, untag(&["pager"]));
    assert_eq!(reason(&plan, "heron-prod"), Reason::Tagging);
    let mut account = world.observed.accounts[&account_id(ID)].clone();
    account.tags.as_mut().unwrap().remove("pager");
    world.has(account);
    assert_eq!(only(&world.plan()).action, tag(&[("beeper", "none")]));
}

#[test]
fn values_of_a_full_account_are_changed_without_a_word() {
    let world = crowded(0, &[("team", "owls")]);
    let plan = world.plan();
    assert_eq!(only(&plan).action, tag(&[("team", "aviary")]));
    assert_eq!(reason(&plan, "heron-prod"), Reason::Tagging);
}

#[test]
fn tags_that_have_no_room_are_told_with_the_numbers_and_keep_nothing_else_waiting() {
    let mut world = crowded(1, &[("team", "owls")]);
    world.want("heron-prod").revision = revision('2');
    world.entry("heron-prod").assigned = Some(assigned('2', 2));
    wants(&mut world, &[("beeper", "none"), ("pager", "none")]);
    let foreign = carried(&world)
        .keys()
        .filter(|key| key.as_str().starts_with("theirs"))
        .count();
    let plan = world.plan();
    let (reason, message) = refused(&plan, "heron-prod");
    assert_eq!(reason, Reason::TooManyTags);
    for piece in ["49 of 50", &format!("{foreign} of them"), "\"pager\""] {
        assert!(message.contains(piece), "{piece:?} is not in {message}");
    }
    // The revision replaces what the account carries already; the one place left is for the first of the others.
    let now = [
        (tag_keys::REVISION, "standard-2222222222/2"),
        ("beeper", "none"),
        ("team", "aviary"),
    ];
    assert_eq!(only(&plan).action, tag(&now));
}

#[test]
fn the_revision_has_the_first_place_and_tags_of_aws_take_none() {
    let mut world = crowded(1, &[]);
    let mut account = world.observed.accounts[&account_id(ID)].clone();
    let carried = account.tags.as_mut().unwrap();
    carried.remove(tag_keys::REVISION);
    carried.extend(tags(&[("theirs-too", "x")]));
    world.has(account);
    wants(&mut world, &[("Beeper", "none")]);
    let plan = world.plan();
    let revision = (tag_keys::REVISION, "standard-1111111111/1");
    assert_eq!(only(&plan).action, tag(&[revision]));
    assert_eq!(refused(&plan, "heron-prod").0, Reason::TooManyTags);
    if let Ok(key) = TagKey::parse("aws:theirs") {
        let mut account = world.observed.accounts[&account_id(ID)].clone();
        let carried = account.tags.as_mut().unwrap();
        carried.remove("theirs-too");
        carried.insert(key, TagValue::parse("x").unwrap());
        world.has(account);
        assert_eq!(only(&world.plan()).action, tag(&[revision, ("Beeper", "none")]));
    }
}

/// The account of `heron-prod` has tags that differ, one that is surplus, and AWS has refused to write all at once.
fn refuses() -> World {
    let mut world = heron(&[("team", "owls"), ("pager", "none"), ("drift", "yes")]);
    manages(&mut world, &["pager", "drift"]);
    world.want("heron-prod").revision = revision('2');
    world.entry("heron-prod").assigned = Some(assigned('2', 2));
    wants(&mut world, &[("drift", "no")]);
    let plan = world.plan();
    let id = only(&plan).id.0.clone();
    assert_eq!(kinds(&plan), ["TagAccount"]);
    world.holds(&id, HoldKind::Stalled, Reason::TagPolicyViolation, 900, 1);
    world
}

const REVISION: (&str, &str) = (tag_keys::REVISION, "standard-2222222222/2");

#[test]
fn after_a_refusal_each_tag_is_written_by_itself_and_what_is_not_wanted_goes() {
    let mut world = refuses();
    let plan = world.plan();
    assert_eq!(refused(&plan, "heron-prod").0, Reason::TagPolicyViolation);
    let each = [
        tag(&[REVISION]),
        tag(&[("drift", "no")]),
        tag(&[("team", "aviary")]),
        untag(&["pager"]),
    ];
    let actions = actions(&plan);
    assert_eq!(actions.len(), each.len(), "{actions:?}");
    for action in each {
        assert!(actions.contains(&action), "{action:?} is not in {actions:?}");
    }
    // AWS refuses one of them, and the others are written.
    let refusing = plan
        .steps
        .iter()
        .find(|step| step.action == tag(&[("team", "aviary")]));
    let id = refusing.unwrap().id.0.clone();
    world.holds(&id, HoldKind::Stalled, Reason::TagPolicyViolation, 900, 1);
    let mut account = world.observed.accounts[&account_id(ID)].clone();
    let carried = account.tags.as_mut().unwrap();
    carried.extend(tags(&[REVISION, ("drift", "no")]));
    carried.remove("pager");
    world.has(account);
    let plan = world.plan();
    assert_eq!(kinds(&plan), [] as [&str; 0], "it is not tried again at once");
    assert_eq!(refused(&plan, "heron-prod").0, Reason::TagPolicyViolation);
    // What is wanted later does not travel with it.
    wants(&mut world, &[("beeper", "none"), ("drift", "never")]);
    assert_eq!(
        only(&world.plan()).action,
        tag(&[("beeper", "none"), ("drift", "never")])
    );
    assert_eq!(refused(&world.plan(), "heron-prod").0, Reason::TagPolicyViolation);
    world.pass(1000);
    assert!(super::tag_writes::actions(&world.plan()).contains(&tag(&[("team", "aviary")])));
}

#[test]
fn a_retry_is_no_refusal() {
    let mut world = refuses();
    for hold in world.held.values_mut() {
        hold.kind = HoldKind::Retry;
    }
    assert_eq!(kinds(&world.plan()), [] as [&str; 0]);
}
