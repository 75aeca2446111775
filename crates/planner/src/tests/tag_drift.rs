//! Tags whose value a person decides on, or nobody: what changes in AWS is repaired, what changes at its source follows its
//! rule.

use super::{
    tags::{ID, awaiting, decide, manages, moved_to_another_cost_center, store_keys, written},
    *,
};

const BOUND: [TagChange; 2] = [TagChange::Approved, TagChange::Immutable];

/// What the account carries as its cost center.
fn carries(world: &mut World, value: Option<&str>) {
    let mut account = world.observed.accounts[&account_id(ID)].clone();
    let carried = account.tags.get_or_insert_default();
    carried.remove("cost-center");
    carried.extend(
        value
            .into_iter()
            .flat_map(|value| tags(&[("cost-center", value)])),
    );
    world.has(account);
}

/// `heron-prod` with cost center 4711 under this rule, which its account has been seen to have.
fn settled(rule: TagChange) -> World {
    let mut world = moved_to_another_cost_center(rule);
    let source = tags(&[("cost-center", "4711")]);
    world.want("heron-prod").tags.extend(source);
    assert_eq!(verdict(&world.plan(), "heron-prod"), &Verdict::Ready);
    world
}

#[test]
fn what_somebody_changes_in_aws_is_repaired_whatever_its_rule() {
    for rule in BOUND {
        for found in [Some("4799"), None] {
            let mut world = settled(rule);
            carries(&mut world, found);
            let plan = world.plan();
            assert_eq!(awaiting(&plan), [], "{rule:?} {found:?}");
            assert_eq!(reason(&plan, "heron-prod"), Reason::Tagging);
            assert_eq!(written(&mut world), tags(&[("cost-center", "4711")]));
            assert_eq!(verdict(&world.plan(), "heron-prod"), &Verdict::Ready);
        }
    }
}

#[test]
fn where_both_sides_change_the_last_value_is_put_back_and_the_source_follows_its_rule() {
    for (rule, said) in [
        (TagChange::Approved, Reason::TagChangeAwaitingApproval),
        (TagChange::Immutable, Reason::TagImmutable),
    ] {
        for found in [Some("4799"), None] {
            let mut world = moved_to_another_cost_center(rule);
            carries(&mut world, found);
            let plan = world.plan();
            let (Stage::Pending(reason, message) | Stage::Blocked(reason, message)) =
                &plan.accounts[&key("heron-prod")].tagged
            else {
                panic!("{plan:?}")
            };
            assert_eq!(*reason, said);
            let both = message.contains("4711") && message.contains("4712");
            assert!(both && !message.contains("4799"), "{message}");
            let asked: Vec<String> = awaiting(&plan).iter().map(|a| a.digest.clone()).collect();
            assert_eq!(written(&mut world), tags(&[("cost-center", "4711")]));
            let plan = world.plan();
            assert_eq!(kinds(&plan), [] as [&str; 0]);
            let after: Vec<String> = awaiting(&plan).iter().map(|a| a.digest.clone()).collect();
            assert_eq!(asked, after, "what a person decides on is the same");
        }
    }
}

#[test]
fn an_approved_value_is_written_over_what_somebody_changed() {
    let mut world = moved_to_another_cost_center(TagChange::Approved);
    carries(&mut world, Some("4799"));
    decide(&mut world, true);
    store_keys(&mut world);
    let both = [
        ("cost-center", "4712"),
        (tag_keys::REVISION, "standard-1111111111/2"),
    ];
    assert_eq!(written(&mut world), tags(&both));
    assert_eq!(verdict(&world.plan(), "heron-prod"), &Verdict::Ready);
}

#[test]
fn a_value_that_is_as_it_is_wanted_already_is_nobodys_decision() {
    for rule in BOUND {
        let mut world = moved_to_another_cost_center(rule);
        carries(&mut world, Some("4712"));
        let plan = world.plan();
        assert_eq!(awaiting(&plan), []);
        assert_eq!(verdict(&plan, "heron-prod"), &Verdict::Ready);
    }
}

#[test]
fn a_value_that_was_never_seen_as_it_is_wanted_follows_its_rule() {
    let mut world = moved_to_another_cost_center(TagChange::Immutable);
    let entry = world.entry("heron-prod");
    entry.managed_tags.remove("cost-center");
    entry
        .assigned
        .as_mut()
        .unwrap()
        .tag_keys
        .extend(keys(&["cost-center"]));
    let plan = world.plan();
    assert_eq!(refused(&plan, "heron-prod").0, Reason::TagImmutable);
    assert_eq!(kinds(&plan), [] as [&str; 0]);
}

#[test]
fn the_facts_say_which_values_are_not_as_they_are_wanted() {
    let mut world = moved_to_another_cost_center(TagChange::Approved);
    manages(&mut world, &["pager"]);
    let facts = |world: &World| world.plan().accounts[&key("heron-prod")].account.clone().unwrap();
    let differing = facts(&world).unsettled_tags;
    assert_eq!(differing, keys(&["cost-center"]));
    carries(&mut world, Some("4712"));
    assert_eq!(facts(&world).unsettled_tags, keys(&[]));
}
