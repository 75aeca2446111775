//! What promotions and pins say goes before what a Baseline says.

use crate::{
    targets::{automatic, baseline, given, got, has, revision, spec, store},
    world::{World, heron, manifest, otter},
};
use desired::Given;
use jiff::Timestamp;
use model::{AssignedBy, PromotedBy, Reason, Revision, UpdatePolicy};

/// An account of an Automatic Baseline that has `Old`, where `New` is the newest.
fn automatic_river() -> (World, Revision, Revision) {
    let mut world = World::new();
    let (old, new) = (store(&mut world, &spec("Old")), revision(&spec("New")));
    baseline(&mut world, automatic(spec("New")), Some(&old), Some(&old));
    given(&mut world, &old);
    (world, old, new)
}

fn promotion() -> AssignedBy {
    AssignedBy::Promotion(Box::new(PromotedBy {
        name: "river".into(),
        uid: "5d2f".into(),
        attempt: "1".into(),
        stage: "dev".into(),
        wave: Some("1".into()),
        at: Timestamp::UNIX_EPOCH,
    }))
}

#[test]
fn nobody_follows_by_himself_where_a_promotion_governs() {
    let (mut world, old, new) = automatic_river();
    has(&world, &new, "New", None);
    world.promoted.governed.entry("river".into()).or_default();
    let resolved = has(&world, &old, "Old", Some(&new));
    assert_eq!(got(&resolved).update, UpdatePolicy::OnPromotion);
    world.promoted.governed = [("delta".to_owned(), [].into())].into();
    has(&world, &new, "New", None);
}

#[test]
fn a_promotion_that_nobody_understands_holds_everything_and_forgets_nothing() {
    let (mut world, old, new) = automatic_river();
    assert!(!world.resolve().desired.incomplete);
    world.promoted.unjudged = true;
    let resolved = has(&world, &old, "Old", Some(&new));
    assert!(resolved.desired.incomplete, "it may refer to what looks unused");
}

#[test]
fn an_account_gets_what_it_is_given_and_it_is_told_by_whom() {
    let (mut world, old, new) = automatic_river();
    baseline(&mut world, spec("New"), Some(&old), Some(&old));
    let resolved = has(&world, &old, "Old", Some(&new));
    assert_eq!(got(&resolved).by, AssignedBy::Automatic);
    for by in [promotion(), AssignedBy::Pin] {
        let revision = new.clone();
        world.promoted.given.insert(
            otter(),
            Given {
                revision,
                by: by.clone(),
            },
        );
        assert_eq!(got(&has(&world, &new, "New", None)).by, by);
    }
    // One that is not at hand changes nothing, and is not told as decided.
    let lost = Revision {
        name: model::RevisionName::parse("river-0000000000").unwrap(),
        ..new.clone()
    };
    let by = promotion();
    world.promoted.given.insert(otter(), Given { revision: lost, by });
    assert_eq!(
        got(&has(&world, &old, "Old", Some(&new))).by,
        AssignedBy::Automatic
    );
}

#[test]
fn a_new_account_gets_the_stable_revision_of_the_promotion() {
    let (mut world, old, new) = automatic_river();
    baseline(&mut world, spec("New"), Some(&old), Some(&old));
    world.account(&otter(), manifest(&otter()));
    let stable = [("dev".to_owned(), new.clone())].into();
    world.promoted.governed.insert("river".into(), stable);
    has(&world, &new, "New", None);
}

#[test]
fn a_pin_that_cannot_be_is_the_rejection_of_its_object_alone() {
    let (mut world, old, _) = automatic_river();
    world.account(&heron(), manifest(&heron()));
    baseline(&mut world, spec("Old"), Some(&old), Some(&old));
    let why = "spec.baselinePin.revision: there is no BaselineRevision \"x\"".to_owned();
    world.promoted.refused_pins.insert(otter(), why.clone());
    let resolved = world.resolve();
    let rejection = &resolved.rejections[&otter()];
    assert_eq!(
        (rejection.reason, &rejection.message),
        (Reason::PinNotAllowed, &why)
    );
    assert_eq!(resolved.rejections.len(), 1);
}

/// `otter-dev` is new; `river` was at `Old`, and is at `New` with nothing known of its environment.
fn new_environment() -> (World, Revision) {
    let mut world = World::new();
    let old = store(&mut world, &spec("Old"));
    baseline(&mut world, spec("New"), Some(&old), None);
    world.account(&otter(), manifest(&otter()));
    (world, old)
}

#[test]
fn where_promotions_decide_a_new_environment_gets_nothing_that_none_of_them_brought() {
    let (mut world, old) = new_environment();
    let new = revision(&spec("New"));
    has(&world, &new, "New", None);
    let known = |world: &World| world.resolve().environments["river"]["dev"].current.clone();
    assert_eq!(known(&world), Some(new.clone()));
    let waits = |world: &World| {
        let resolved = world.resolve();
        let rejection = &resolved.rejections[&otter()];
        assert!(
            rejection.waits && rejection.message.contains("\"dev\""),
            "{rejection:?}"
        );
        assert_eq!(rejection.reason, Reason::RevisionUnknown);
        assert_eq!(known(world), None, "it would be stable without a promotion");
    };
    world.promoted.unjudged = true;
    waits(&world);
    world.promoted.unjudged = false;
    world.promoted.governed.entry("river".into()).or_default();
    waits(&world);
    // The objects of earlier revisions are gone, and the status still tells of one.
    world.revisions.clear();
    waits(&world);
    // What succeeded elsewhere is not what has succeeded here.
    let stable = [("prod".to_owned(), old.clone())].into();
    world.promoted.governed.insert("river".into(), stable);
    baseline(&mut world, spec("New"), None, None);
    waits(&world);
    store(&mut world, &spec("Old"));
    let stable = [("dev".to_owned(), old.clone())].into();
    world.promoted.governed.insert("river".into(), stable);
    has(&world, &old, "Old", Some(&new));
    assert_eq!(known(&world), Some(old));
}

#[test]
fn the_only_revision_of_a_baseline_needs_no_promotion() {
    let (mut world, _) = new_environment();
    let new = store(&mut world, &spec("New"));
    let name = new.name.as_str().to_owned();
    world.revisions.retain(|stored, _| *stored == name);
    // Another Baseline's revisions are not its own.
    let other = world.revisions[&name].clone();
    world.revisions.insert("delta-0000000000".into(), other);
    for latest in [None, Some(&new)] {
        baseline(&mut world, spec("New"), latest, None);
        for unjudged in [false, true] {
            world.promoted.unjudged = unjudged;
            world.promoted.governed.entry("river".into()).or_default();
            let resolved = has(&world, &new, "New", None);
            assert_eq!(resolved.environments["river"]["dev"].current, Some(new.clone()));
        }
    }
}
