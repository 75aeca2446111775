//! When AWS may be changed, and what is said when it may not.

use super::*;

/// One account to move, one to tag, one to create; nothing of it may happen.
fn busy(mut world: World) -> World {
    world.want("heron-prod");
    world.has(born("heron-prod", "100000000001"));
    world.settled("stork-prod", "100000000002");
    world.want("stork-prod").tags.extend(tags(&[("team", "storks")]));
    world.want("gull-prod");
    world.attempt(
        "gull-prod",
        "token0gull0number0",
        Some(Attempt::Fresh { look: 1 }),
    );
    world.want("owl-prod");
    world
}

#[test]
fn the_busy_world_is_busy_while_the_mark_is_ours() {
    let plan = busy(World::new()).plan();
    assert_eq!(
        kinds(&plan),
        ["Hold", "TagAccount", "MoveAccount", "CreateAccount"]
    );
}

#[test]
fn a_mark_that_was_not_read_in_time_stops_all_and_is_read() {
    let mut world = busy(World::new());
    world.now = at(31);
    let plan = world.plan();
    assert_eq!(kinds(&plan), [] as [&str; 0]);
    assert!(plan.reads.contains(&Read::Mark));
    for name in ["heron-prod", "stork-prod", "gull-prod", "owl-prod"] {
        assert_eq!(reason(&plan, name), Reason::AwsUnavailable, "{name}");
    }
}

#[test]
fn the_mark_is_read_before_its_licence_ends() {
    let world = World::new();
    assert_eq!(
        (world.plan().wake, world.plan().reads),
        (Some(at(24)), BTreeSet::new())
    );
}

#[test]
fn a_ready_account_stays_ready_while_the_mark_is_read() {
    let mut world = World::new();
    world.settled("stork-prod", "100000000002");
    world.now = at(31);
    assert_eq!(verdict(&world.plan(), "stork-prod"), &Verdict::Ready);
}

#[test]
fn a_free_mark_is_written_and_nothing_else() {
    let mut world = busy(World::new());
    world.mark = Mark::new(OWN.into(), None, secs(30), true);
    world.mark.on_read(None, at(0));
    let plan = world.plan();
    assert_eq!(only(&plan).action, Action::WriteMark { value: OWN.into() });
    world.mark.on_written(at(0));
    let settling = world.plan();
    assert_eq!(kinds(&settling), [] as [&str; 0]);
    for name in ["heron-prod", "gull-prod", "owl-prod"] {
        assert_eq!(
            reason(&settling, name),
            Reason::InstallationMarkSettling,
            "{name}"
        );
    }
    assert_eq!(settling.wake, Some(at(30)), "read back");
}

#[test]
fn a_mark_that_cannot_be_written_is_said_on_every_object() {
    let mut world = busy(World::new());
    world.mark = Mark::new(OWN.into(), None, secs(30), true);
    world.mark.on_read(None, at(0));
    let id = only(&world.plan()).id.to_string();
    world.holds(&id, HoldKind::Stalled, Reason::AccessDenied, 15, 1);
    for name in ["heron-prod", "stork-prod", "gull-prod", "owl-prod"] {
        assert_eq!(refused(&world.plan(), name).0, Reason::AccessDenied, "{name}");
    }
    assert_eq!((kinds(&world.plan()), world.plan().wake), (vec![], Some(at(15))));
}

#[test]
fn a_mark_that_cannot_be_read_again_is_the_reason_for_what_waits() {
    let mut world = busy(World::new());
    world.now = at(40);
    world.holds("read/mark", HoldKind::Retry, Reason::Throttled, 5, 2);
    let plan = world.plan();
    assert_eq!(
        (kinds(&plan), reason(&plan, "owl-prod"), plan.wake),
        (vec![], Reason::Throttled, Some(at(45)))
    );
}

#[test]
fn a_mark_of_another_cluster_stops_all_and_is_said_on_every_object() {
    let mut world = busy(World::new());
    world.mark = Mark::new(OWN.into(), None, secs(30), true);
    world.mark.on_read(Some("acme:uid-of-another".into()), at(0));
    let plan = world.plan();
    assert_eq!(kinds(&plan), [] as [&str; 0]);
    for name in ["heron-prod", "stork-prod", "gull-prod", "owl-prod"] {
        let (reason, message) = refused(&plan, name);
        assert_eq!(reason, Reason::OrganizationClaimed);
        assert!(message.contains("--take-over=acme:uid-of-another"), "{message}");
    }
    assert_eq!(
        plan.overall.as_ref().map(Verdict::reason),
        Some(Reason::OrganizationClaimed)
    );
    assert_eq!(plan.wake, Some(at(24)));
}

#[test]
fn mode_observe_reports_and_changes_nothing() {
    let mut world = busy(World::new());
    world.limits.mode = Mode::Observe;
    let plan = world.plan();
    assert_eq!(
        (kinds(&plan), reason(&plan, "heron-prod")),
        (vec![], Reason::ObserveOnly)
    );
    let facts = plan.accounts[&key("stork-prod")].account.as_ref().unwrap();
    assert_eq!(
        (facts.id.as_str(), facts.path.as_str()),
        ("100000000002", "Workloads/Prod")
    );
    world.mark = Mark::new(OWN.into(), None, secs(30), true);
    world.mark.on_read(None, at(0));
    assert_eq!(
        kinds(&world.plan()),
        [] as [&str; 0],
        "the free mark is not written either"
    );
}

#[test]
fn nothing_is_said_or_done_before_the_organization_was_read() {
    let mut world = World::unread();
    world.want("heron-prod");
    let plan = world.plan();
    assert_eq!(
        (kinds(&plan), reason(&plan, "heron-prod")),
        (vec![], Reason::Observing)
    );
    assert_eq!(plan.reads, BTreeSet::from([Read::Mark, Read::Full]));
    world.full(vec![]);
    assert_eq!(
        reason(&world.plan(), "heron-prod"),
        Reason::Observing,
        "the mark is not known yet"
    );
    world.mark.on_read(Some(OWN.into()), at(0));
    assert_eq!(kinds(&world.plan()), ["Hold"]);
}

#[test]
fn a_first_read_that_fails_is_said_on_every_object() {
    for read in ["read/full", "read/mark"] {
        let mut world = World::unread();
        world.want("heron-prod");
        world.holds(read, HoldKind::Retry, Reason::AwsUnavailable, 4, 3);
        let expected = Verdict::Waiting(Reason::AwsUnavailable, format!("{read} failed"));
        assert_eq!(
            (verdict(&world.plan(), "heron-prod"), world.plan().wake),
            (&expected, Some(at(4)))
        );
        world.holds(read, HoldKind::Stalled, Reason::OrganizationsNotInUse, 4, 3);
        assert_eq!(
            refused(&world.plan(), "heron-prod").0,
            Reason::OrganizationsNotInUse
        );
    }
}

#[test]
fn looks_and_full_reads_have_their_pace() {
    let mut world = World::new();
    world.now = at(119);
    world.mark.on_read(Some(OWN.into()), at(119));
    assert_eq!(
        (world.plan().reads, world.plan().wake),
        (BTreeSet::new(), Some(at(120)))
    );
    world.now = at(120);
    assert_eq!(world.plan().reads, BTreeSet::from([Read::Look]));
    world.holds("read/look", HoldKind::Retry, Reason::Throttled, 2, 1);
    assert_eq!(
        (world.plan().reads, world.plan().wake),
        (BTreeSet::new(), Some(at(122)))
    );
    world.pass(480);
    assert!(world.plan().reads.contains(&Read::Full));
}

#[test]
fn an_answer_is_stored_though_aws_may_not_be_changed() {
    let mut world = World::new();
    world.want("heron-prod");
    world.attempt(
        "heron-prod",
        "token0heron0first",
        Some(Attempt::Accepted(request_id("heronrequest"))),
    );
    world.now = at(31);
    assert_eq!(kinds(&world.plan()), ["RecordRequest"]);
}

#[test]
fn urgent_steps_come_first() {
    let mut world = busy(World::new());
    world.want("tern-prod");
    world.attempt(
        "tern-prod",
        "token0tern0first",
        Some(Attempt::Accepted(request_id("ternrequest"))),
    );
    let mut kestrel = born("kestrel-prod", "100000000003");
    kestrel.parent = ParentId::parse(PROD).unwrap();
    world.want("kestrel-prod");
    world.has(kestrel);
    let expected = [
        "RecordRequest",
        "Hold",
        "TagAccount",
        "MoveAccount",
        "VerifyAccess",
        "CreateAccount",
    ];
    assert_eq!(kinds(&world.plan()), expected);
}
