//! Tags are owned by key.

use super::*;

const ID: &str = "100000000001";

/// `heron-prod`, settled; then its account carries these tags besides.
fn heron(more: &[(&str, &str)]) -> World {
    let mut world = World::new();
    world.settled("heron-prod", ID);
    let mut account = world.observed.accounts[&account_id(ID)].clone();
    account.tags.get_or_insert_default().extend(tags(more));
    world.has(account);
    world
}

fn manages(world: &mut World, names: &[&str]) {
    world.entry("heron-prod").managed_tags.extend(keys(names));
}

#[test]
fn drift_under_our_keys_is_repaired_with_the_difference_only() {
    let plan = heron(&[("team", "owls")]).plan();
    assert_eq!(
        only(&plan).action,
        Action::TagAccount {
            account: account_id(ID),
            tags: tags(&[("team", "aviary")])
        }
    );
    assert_eq!(reason(&plan, "heron-prod"), Reason::Tagging);
}

#[test]
fn other_keys_are_left_alone() {
    let plan = heron(&[("CostExplorer", "yes"), ("team:lead", "owl")]).plan();
    assert_eq!(
        (verdict(&plan, "heron-prod"), kinds(&plan)),
        (&Verdict::Ready, vec![])
    );
    assert_eq!(
        plan.accounts[&key("heron-prod")]
            .account
            .as_ref()
            .unwrap()
            .foreign_tags,
        2
    );
}

#[test]
fn a_key_of_ours_that_is_not_wanted_any_more_is_removed() {
    let mut world = heron(&[("pager", "none"), ("CostExplorer", "yes")]);
    manages(&mut world, &["pager", "never-written"]);
    let plan = world.plan();
    assert_eq!(
        only(&plan).action,
        Action::UntagAccount {
            account: account_id(ID),
            keys: keys(&["pager"])
        }
    );
}

#[test]
fn keys_of_bulkhead_are_never_removed() {
    let mut world = heron(&[
        (tag_keys::CREATION_TOKEN, "token0heron0first"),
        ("bulkhead.dev/later", "version"),
    ]);
    manages(&mut world, &[tag_keys::CREATION_TOKEN, "bulkhead.dev/later"]);
    assert_eq!(
        (verdict(&world.plan(), "heron-prod"), kinds(&world.plan())),
        (&Verdict::Ready, vec![])
    );
}

#[test]
fn what_is_wanted_is_written_before_anything_is_removed() {
    let mut world = heron(&[("pager", "none"), ("team", "owls")]);
    manages(&mut world, &["pager"]);
    assert_eq!(kinds(&world.plan()), ["TagAccount"]);
}

#[test]
fn a_foreign_value_under_a_new_key_is_not_overwritten() {
    let mut world = heron(&[("data-class", "secret")]);
    world
        .want("heron-prod")
        .tags
        .extend(tags(&[("data-class", "public")]));
    let plan = world.plan();
    let (reason, message) = refused(&plan, "heron-prod");
    assert_eq!((reason, kinds(&plan)), (Reason::TagConflict, vec![]));
    assert!(
        message.contains("data-class") && !message.contains("secret"),
        "{message}"
    );
}

#[test]
fn a_foreign_value_does_not_stop_the_repair_of_other_keys() {
    let mut world = heron(&[("data-class", "secret"), ("team", "owls")]);
    world
        .want("heron-prod")
        .tags
        .extend(tags(&[("data-class", "public")]));
    let plan = world.plan();
    assert_eq!(refused(&plan, "heron-prod").0, Reason::TagConflict);
    assert_eq!(
        only(&plan).action,
        Action::TagAccount {
            account: account_id(ID),
            tags: tags(&[("team", "aviary")])
        }
    );
}

#[test]
fn a_foreign_value_in_the_bulk_listing_is_confirmed_first() {
    let mut world = heron(&[]);
    world
        .want("heron-prod")
        .tags
        .extend(tags(&[("data-class", "public")]));
    let mut account = world.observed.accounts[&account_id(ID)].clone();
    account
        .tags
        .get_or_insert_default()
        .extend(tags(&[("data-class", "secret")]));
    world.has(ObservedAccount {
        tags_confirmed: false,
        ..account
    });
    let plan = world.plan();
    assert!(asks(&plan, ID));
    assert_eq!(reason(&plan, "heron-prod"), Reason::Reobserving);
}

#[test]
fn the_same_value_under_a_new_key_is_no_conflict() {
    let mut world = heron(&[("data-class", "public")]);
    world
        .want("heron-prod")
        .tags
        .extend(tags(&[("data-class", "public")]));
    store_keys(&mut world);
    assert_eq!(verdict(&world.plan(), "heron-prod"), &Verdict::Ready);
}

/// Carries out the step that stores which keys are ours.
fn store_keys(world: &mut World) {
    let plan = world.plan();
    let Action::Assign { assigned, .. } = &only(&plan).action else {
        panic!("{:?}", plan.steps);
    };
    world.entry("heron-prod").assigned = Some(assigned.clone());
}

#[test]
fn a_key_is_stored_as_ours_before_it_is_written_and_removed_by_that_alone() {
    let mut world = heron(&[]);
    world.want("heron-prod").tags.extend(tags(&[("pager", "none")]));
    let before = world.entry("heron-prod").assigned.clone().unwrap();
    store_keys(&mut world);
    let after = world.entry("heron-prod").assigned.clone().unwrap();
    assert_eq!(after.tag(), before.tag(), "no other revision");
    assert_eq!(after.tag_keys, keys(&["pager", "team"]));
    assert_eq!(kinds(&world.plan()), ["TagAccount"]);
    // Written, and not wanted any more before status could say that all tags are there.
    let mut account = world.observed.accounts[&account_id(ID)].clone();
    account
        .tags
        .get_or_insert_default()
        .extend(tags(&[("pager", "none")]));
    world.has(account);
    world.want("heron-prod").tags.remove("pager");
    assert_eq!(
        only(&world.plan()).action,
        Action::UntagAccount {
            account: account_id(ID),
            keys: keys(&["pager"])
        }
    );
}

#[test]
fn nothing_is_written_on_the_word_of_the_bulk_listing() {
    let mut world = heron(&[("team", "owls")]);
    let account = world.observed.accounts[&account_id(ID)].clone();
    world.has(ObservedAccount {
        tags_confirmed: false,
        ..account
    });
    let plan = world.plan();
    assert!(asks(&plan, ID));
    assert_eq!(
        (kinds(&plan), reason(&plan, "heron-prod")),
        (vec![], Reason::Reobserving)
    );
}

#[test]
fn a_bulk_listing_that_contradicts_the_account_makes_us_read_it_and_takes_nothing_back() {
    let mut world = heron(&[]);
    world.pass(600);
    let accounts: Vec<_> = world.observed.accounts.values().cloned().collect();
    let snapshot = Snapshot {
        organization: OrganizationId::parse("o-aviaryaviary").unwrap(),
        management: account_id(MANAGEMENT),
        root: RootId::parse(ROOT).unwrap(),
        units: vec![unit(WORKLOADS, ROOT, "Workloads"), unit(PROD, WORKLOADS, "Prod")],
        accounts,
        tags: BTreeMap::new(),
        in_progress: vec![],
    };
    let full = Observation::Full {
        look: 2,
        began: world.now,
        snapshot: Box::new(snapshot),
    };
    world.observed.observe(full, world.now);
    let plan = world.plan();
    assert!(asks(&plan, ID));
    assert_eq!(plan.accounts[&key("heron-prod")].tagged, Stage::Done);
    let account = world.observed.accounts[&account_id(ID)].clone();
    world.has(ObservedAccount {
        tags_confirmed: true,
        ..account
    });
    assert!(!asks(&world.plan(), ID));
}

#[test]
fn suspend_leaves_the_tags() {
    let mut world = heron(&[("team", "owls")]);
    world.want("heron-prod").suspend = true;
    assert_eq!(
        (kinds(&world.plan()), reason(&world.plan(), "heron-prod")),
        (vec![], Reason::Suspended)
    );
}

#[test]
fn a_suspended_object_that_is_as_it_should_be_is_ready() {
    let mut world = heron(&[]);
    world.want("heron-prod").suspend = true;
    assert_eq!(verdict(&world.plan(), "heron-prod"), &Verdict::Ready);
}
