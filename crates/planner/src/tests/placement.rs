//! Organizational units and moves.

use super::*;

/// Governed by us, and without any unit.
fn bare() -> World {
    let mut world = World::unread();
    world.mark.on_read(Some(OWN.into()), at(0));
    world.full_of(vec![]);
    world
}

#[test]
fn units_are_made_one_level_at_a_time() {
    let mut world = bare();
    world.want("heron-prod").suspend = false;
    world.has(born("heron-prod", "100000000001"));
    let made = |world: &World| match &only(&world.plan()).action {
        Action::CreateOrganizationalUnit { parent, name, path } => {
            (parent.to_string(), name.clone(), path.clone())
        }
        other => panic!("no unit: {other:?}"),
    };
    assert_eq!(
        made(&world),
        (ROOT.into(), "Workloads".into(), "Workloads".into())
    );
    world.full_of(vec![unit(WORKLOADS, ROOT, "Workloads")]);
    assert_eq!(
        made(&world),
        (WORKLOADS.into(), "Prod".into(), "Workloads/Prod".into())
    );
    world.full_of(vec![
        unit(WORKLOADS, ROOT, "Workloads"),
        unit(PROD, WORKLOADS, "Prod"),
    ]);
    assert_eq!(kinds(&world.plan()), ["MoveAccount"]);
}

#[test]
fn a_unit_is_made_once_for_many_accounts() {
    let mut world = bare();
    for bird in 0..4 {
        let name = format!("gull-{bird}");
        world.want(&name);
        world.has(born(&name, &format!("10000000000{bird}")));
    }
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["CreateOrganizationalUnit"]);
    for bird in 0..4 {
        assert_eq!(
            reason(&plan, &format!("gull-{bird}")),
            Reason::OrganizationalUnitPending
        );
    }
}

#[test]
fn the_unit_is_made_while_aws_makes_the_account() {
    let mut world = bare();
    world.want("heron-prod");
    assert_eq!(kinds(&world.plan()), ["Hold", "CreateOrganizationalUnit"]);
}

#[test]
fn a_name_counts_below_its_parent_only() {
    let mut world = bare();
    world.full_of(vec![unit(WORKLOADS, ROOT, "Workloads"), unit(PROD, ROOT, "Prod")]);
    world.want("heron-prod");
    world.has(born("heron-prod", "100000000001"));
    assert_eq!(kinds(&world.plan()), ["CreateOrganizationalUnit"]);
}

#[test]
fn a_unit_is_bound_by_its_id_after_it_was_found_by_its_path() {
    let mut world = World::new();
    world.settled("heron-prod", "100000000001");
    assert_eq!(
        world.plan().units,
        BTreeMap::from([("Workloads/Prod".into(), OuId::parse(PROD).unwrap())])
    );
    world.want("heron-prod").bound_unit = Some(OuId::parse(PROD).unwrap());
    world.full_of(vec![unit(PROD, ROOT, "Renamed and elsewhere")]);
    let plan = world.plan();
    assert_eq!(
        (verdict(&plan, "heron-prod"), kinds(&plan)),
        (&Verdict::Ready, vec![])
    );
}

#[test]
fn a_bound_unit_that_a_first_listing_misses_is_looked_for_again() {
    let mut world = World::new();
    world.settled("heron-prod", "100000000001");
    world.want("heron-prod").bound_unit = Some(OuId::parse("ou-f00d-latelate1").unwrap());
    // A process that has just started: AWS's lists may not show yet what its predecessor made.
    assert_eq!(
        reason(&world.plan(), "heron-prod"),
        Reason::OrganizationalUnitPending
    );
    world.pass(19);
    assert!(!world.plan().reads.contains(&Read::Full));
    world.pass(1);
    assert!(world.plan().reads.contains(&Read::Full));
    world.full_of(vec![unit("ou-f00d-latelate1", ROOT, "Late")]);
    assert_ne!(
        reason(&world.plan(), "heron-prod"),
        Reason::OrganizationalUnitPending
    );
}

#[test]
fn a_bound_unit_that_is_gone_is_a_matter_for_a_person() {
    let mut world = World::new();
    world.settled("heron-prod", "100000000001");
    world.want("heron-prod").bound_unit = Some(OuId::parse("ou-f00d-gonegone1").unwrap());
    world.all_units_shown();
    let plan = world.plan();
    assert_eq!(
        (refused(&plan, "heron-prod").0, kinds(&plan)),
        (Reason::OrganizationalUnitMissing, vec![])
    );
}

#[test]
fn a_move_names_where_the_account_was_seen() {
    let mut world = World::new();
    world.settled("heron-prod", "100000000001");
    world.pass(100);
    let strayed = ObservedAccount {
        parent: ParentId::parse(WORKLOADS).unwrap(),
        ..born("heron-prod", "100000000001")
    };
    world.has(strayed);
    let plan = world.plan();
    let back = Action::MoveAccount {
        account: account_id("100000000001"),
        from: ParentId::parse(WORKLOADS).unwrap(),
        to: ParentId::parse(PROD).unwrap(),
    };
    assert_eq!(only(&plan).action, back);
    assert_eq!(reason(&plan, "heron-prod"), Reason::Moving);
}

#[test]
fn an_account_is_used_only_in_its_place() {
    let mut world = World::new();
    world.want("heron-prod");
    world.has(born("heron-prod", "100000000001"));
    assert_eq!(kinds(&world.plan()), ["MoveAccount"]);
    world.has(ObservedAccount {
        parent: ParentId::parse(PROD).unwrap(),
        ..born("heron-prod", "100000000001")
    });
    assert_eq!(kinds(&world.plan()), ["VerifyAccess"]);
}

#[test]
fn suspend_keeps_an_account_where_it_is_and_makes_no_unit() {
    let mut world = World::new();
    world.want("heron-prod").suspend = true;
    world.has(born("heron-prod", "100000000001"));
    assert_eq!(
        (kinds(&world.plan()), reason(&world.plan(), "heron-prod")),
        (vec![], Reason::Suspended)
    );
    world.full_of(vec![]);
    assert_eq!(
        (kinds(&world.plan()), reason(&world.plan(), "heron-prod")),
        (vec![], Reason::Suspended)
    );
}

#[test]
fn a_move_that_failed_for_good_says_so_while_it_is_tried_again() {
    let mut world = World::new();
    world.want("heron-prod");
    world.has(born("heron-prod", "100000000001"));
    let id = only(&world.plan()).id.clone();
    world.holds(&id.0, HoldKind::Stalled, Reason::AccessDenied, 15, 1);
    let rests = world.plan();
    assert_eq!(
        (kinds(&rests), refused(&rests, "heron-prod").0),
        (vec![], Reason::AccessDenied)
    );
    assert_eq!(rests.wake, Some(at(15)));
    world.pass(15);
    let again = world.plan();
    assert_eq!(
        (kinds(&again), refused(&again, "heron-prod").0),
        (vec!["MoveAccount"], Reason::AccessDenied)
    );
    world.in_flight.insert(id);
    let under_way = world.plan();
    assert_eq!(
        (kinds(&under_way), refused(&under_way, "heron-prod").0),
        (vec![], Reason::AccessDenied)
    );
}

#[test]
fn one_transient_failure_is_not_worth_a_word_and_two_are() {
    let mut world = World::new();
    world.want("heron-prod");
    world.has(born("heron-prod", "100000000001"));
    let id = only(&world.plan()).id.to_string();
    world.holds(&id, HoldKind::Retry, Reason::Throttled, 1, 1);
    assert_eq!(reason(&world.plan(), "heron-prod"), Reason::Moving);
    world.holds(&id, HoldKind::Retry, Reason::Throttled, 2, 2);
    assert_eq!(
        verdict(&world.plan(), "heron-prod"),
        &Verdict::Waiting(Reason::Throttled, format!("{id} failed"))
    );
}
