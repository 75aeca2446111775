//! Which revision an account is to have, and where its content comes from.

use crate::world::{World, creation, heron, manifest, otter, rejected, river, with};
use api::BaselineRevision;
use desired::{Decoded, Memory, Resolved};
use model::{DesiredAccount, Reason, Revision, RevisionName, TagChange, UpdatePolicy};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

/// `river` at three times: where its accounts go differs.
pub(crate) fn spec(unit: &str) -> Value {
    with(
        river(),
        "/environments/0/organizationalUnit",
        json!(format!("Workloads/{unit}")),
    )
}

pub(crate) fn automatic(spec: Value) -> Value {
    with(spec, "/updatePolicy", json!("Automatic"))
}

fn regions(regions: &[&str]) -> Value {
    let guardrails = json!([{"name": "allowedRegions", "parameters": {"regions": regions}}]);
    with(river(), "/environments/0/guardrails", guardrails)
}

/// A Baseline that is not accepted, but says who may use it.
fn broken() -> Value {
    with(
        river(),
        "/environments/0/guardrails",
        json!([{"name": "noSuchThing"}]),
    )
}

/// The revision of a spec.
pub(crate) fn revision(spec: &Value) -> Revision {
    let mut world = World::new();
    world.baseline("river", spec.clone());
    world.resolve().baselines["river"].clone().unwrap()
}

/// Stores the revision of a spec as its object.
pub(crate) fn store(world: &mut World, spec: &Value) -> Revision {
    let mut other = World::new();
    other.baseline("river", spec.clone());
    for (name, spec) in other.resolve().revisions {
        let object = json!({
            "apiVersion": "bulkhead.dev/v1alpha1", "kind": "BaselineRevision", "metadata": {"name": name.as_str()},
            "spec": spec.as_ref(),
        });
        put(world, name.as_str(), object);
    }
    revision(spec)
}

fn put(world: &mut World, name: &str, object: Value) {
    let object: BaselineRevision = serde_json::from_value(object).unwrap();
    world
        .revisions
        .insert(name.to_owned(), Decoded::Good(Arc::new(object)));
}

fn status_of(revision: &Revision) -> Value {
    json!({"name": revision.name.as_str(), "hash": revision.hash.as_str()})
}

/// Applies `river` with this spec, its latest revision and the current one of `dev`.
pub(crate) fn baseline(
    world: &mut World,
    spec: Value,
    latest: Option<&Revision>,
    current: Option<&Revision>,
) {
    let mut status = json!({"environments": [{"name": "dev"}]});
    if let Some(latest) = latest {
        status["latestRevision"] = status_of(latest);
    }
    if let Some(current) = current {
        status["environments"][0]["revision"] = status_of(current);
    }
    let object = json!({
        "apiVersion": "bulkhead.dev/v1alpha1", "kind": "Baseline", "metadata": {"name": "river"}, "spec": spec,
        "status": status,
    });
    let object = serde_json::from_value(object).unwrap();
    world
        .baselines
        .insert("river".to_owned(), Decoded::Good(Arc::new(object)));
}

/// `otter-dev`, an account that was given a revision.
pub(crate) fn given(world: &mut World, revision: &Revision) {
    let assigned = json!({
        "revision": revision.name.as_str(), "hash": revision.hash.as_str(), "sequence": 1, "by": "Automatic",
    });
    let status = json!({"accountId": "123456789012", "email": "otter@example.com", "baseline": {"assigned": assigned}});
    world.account(&otter(), with(manifest(&otter()), "/status", status));
}

pub(crate) fn got(resolved: &Resolved) -> &DesiredAccount {
    &resolved.desired.accounts[&otter()]
}

#[track_caller]
pub(crate) fn has(world: &World, revision: &Revision, unit: &str, update: Option<&Revision>) -> Resolved {
    let resolved = world.resolve();
    assert_eq!(resolved.rejections, [].into());
    let account = got(&resolved);
    assert_eq!(&account.revision, revision);
    assert_eq!(
        account.organizational_unit.to_string(),
        format!("Workloads/{unit}")
    );
    assert_eq!(resolved.updates.get(&otter()), update);
    resolved
}

#[test]
fn an_account_keeps_its_revision_until_it_is_given_another() {
    let mut world = World::new();
    let (old, new) = (store(&mut world, &spec("Old")), revision(&spec("New")));
    baseline(&mut world, spec("New"), Some(&old), Some(&old));
    given(&mut world, &old);
    let resolved = has(&world, &old, "Old", Some(&new));
    assert_eq!(got(&resolved).update, UpdatePolicy::OnPromotion);
    assert_eq!(
        resolved.revisions.keys().collect::<Vec<&RevisionName>>(),
        [&new.name]
    );
    let known: Vec<&Revision> = resolved
        .desired
        .revisions
        .values()
        .map(|known| &known.revision)
        .collect();
    assert!(known.contains(&&old) && known.contains(&&new) && known.len() == 2);
    assert_eq!(
        resolved.environments["river"]["dev"].current,
        Some(old.clone()),
        "a promotion changes it"
    );
    assert_eq!(
        resolved.environments["river"]["prod"].current,
        Some(new.clone()),
        "the first one at once"
    );
    given(&mut world, &new);
    has(&world, &new, "New", None);
}

#[test]
fn a_new_account_gets_what_its_environment_has() {
    let mut world = World::new();
    world.account(&otter(), manifest(&otter()));
    let (old, new) = (store(&mut world, &spec("Old")), revision(&spec("New")));
    baseline(&mut world, spec("New"), Some(&old), Some(&old));
    has(&world, &old, "Old", Some(&new));
    baseline(&mut world, spec("New"), Some(&old), None);
    has(&world, &new, "New", None);
    // One that is not at hand is no reason to take another.
    world.revisions.clear();
    baseline(&mut world, spec("New"), Some(&old), Some(&old));
    let rejection = rejected(
        world.verdict(&otter()),
        Reason::RevisionUnknown,
        &["the current revision of environment \"dev\"", old.name.as_str()],
    );
    assert!(rejection.waits);
}

#[test]
fn automatic_follows_at_once() {
    let mut world = World::new();
    let (old, new) = (store(&mut world, &spec("Old")), revision(&spec("New")));
    baseline(&mut world, automatic(spec("New")), Some(&old), Some(&old));
    given(&mut world, &old);
    let resolved = has(&world, &new, "New", None);
    assert_eq!(got(&resolved).update, UpdatePolicy::Automatic);
    assert_eq!(resolved.environments["river"]["dev"].current, Some(new.clone()));
    world.account(&otter(), manifest(&otter()));
    has(&world, &new, "New", None);
}

#[test]
fn a_revision_that_is_not_at_hand_changes_nothing() {
    let mut world = World::new();
    let old = revision(&spec("Old"));
    baseline(&mut world, spec("New"), None, None);
    given(&mut world, &old);
    let unknown = |world: &World| {
        let pieces = ["status.baseline.assigned", old.name.as_str(), old.hash.as_str()];
        assert!(rejected(world.verdict(&otter()), Reason::RevisionUnknown, &pieces).waits);
    };
    unknown(&world);
    // Nor does one that lies about what it holds.
    store(&mut world, &spec("Old"));
    has(&world, &old, "Old", Some(&revision(&spec("New"))));
    let Decoded::Good(object) = world.revisions[old.name.as_str()].clone() else {
        unreachable!()
    };
    let honest = serde_json::to_value(object.as_ref()).unwrap();
    for (pointer, value) in [
        ("/spec/environments/0/organizationalUnit", json!("Elsewhere")),
        (
            "/spec/environments/0/policies",
            json!([{"name": "p", "type": "TAG_POLICY", "content": "{}"}]),
        ),
        ("/spec/mandatoryTags", json!(null)),
        ("/spec/baseline", json!("lake")),
        ("/spec/hash", json!(revision(&spec("New")).hash.as_str())),
    ] {
        put(
            &mut world,
            old.name.as_str(),
            with(honest.clone(), pointer, value),
        );
        unknown(&world);
    }
    put(&mut world, old.name.as_str(), honest);
    has(&world, &old, "Old", Some(&revision(&spec("New"))));
}

#[test]
fn a_name_has_one_content() {
    let mut world = World::new();
    world.account(&otter(), manifest(&otter()));
    let new = store(&mut world, &spec("New"));
    baseline(&mut world, spec("New"), None, None);
    assert!(world.resolve().baselines["river"].is_ok());
    let Decoded::Good(object) = world.revisions[new.name.as_str()].clone() else {
        unreachable!()
    };
    let other = with(
        serde_json::to_value(object.as_ref()).unwrap(),
        "/spec/environments/0/organizationalUnit",
        json!("Elsewhere"),
    );
    put(&mut world, new.name.as_str(), other);
    let resolved = world.resolve();
    rejected(
        resolved.baselines["river"].clone(),
        Reason::RevisionConflict,
        &[new.name.as_str(), new.hash.as_str()],
    );
    assert_eq!(resolved.rejections[&otter()].reason, Reason::BaselineNotAccepted);
    assert!(resolved.revisions.is_empty());
    world
        .revisions
        .insert(new.name.to_string(), Decoded::Poison("bad".into()));
    let resolved = world.resolve();
    rejected(
        resolved.baselines["river"].clone(),
        Reason::RevisionConflict,
        &["cannot be decoded"],
    );
    assert!(resolved.desired.incomplete);
}

#[test]
fn a_broken_baseline_takes_nothing_away_and_gives_its_last_good_revision() {
    for spec_of in [broken(), automatic(broken())] {
        let mut world = World::new();
        let (older, old) = (store(&mut world, &spec("Older")), store(&mut world, &spec("Old")));
        baseline(&mut world, spec_of.clone(), Some(&old), Some(&old));
        given(&mut world, &old);
        world.account(&heron(), manifest(&heron()));
        let resolved = world.resolve();
        assert_eq!(got(&resolved).revision, old);
        let newcomer = &resolved.desired.accounts[&heron()];
        assert_eq!((&newcomer.revision, resolved.updates.get(&heron())), (&old, None));
        assert_eq!(
            resolved.environments["river"]["dev"].current,
            Some(old.clone()),
            "unchanged"
        );
        assert!(resolved.revisions.is_empty());
        // One that had not followed yet gets the last good one, if it follows at all.
        given(&mut world, &older);
        let follows = spec_of["updatePolicy"] == "Automatic";
        let resolved = world.resolve();
        assert_eq!(got(&resolved).revision, if follows { old.clone() } else { older });
        assert_eq!(resolved.updates.get(&otter()), (!follows).then_some(&old));
    }
}

#[test]
fn a_broken_baseline_gives_new_accounts_nothing_that_it_may_not_or_cannot() {
    let refused = |spec: Value, latest: Option<&Revision>, world: &World| {
        let mut world = world.clone();
        baseline(&mut world, spec, latest, latest);
        world.account(&otter(), manifest(&otter()));
        let rejection = world.verdict(&otter()).unwrap_err();
        assert_eq!(
            (rejection.reason, rejection.waits),
            (Reason::BaselineNotAccepted, true)
        );
    };
    let mut world = World::new();
    let old = store(&mut world, &spec("Old"));
    for broken in [broken(), automatic(broken())] {
        refused(broken.clone(), None, &world);
        refused(broken.clone(), Some(&old), &World::new());
        // Whether the namespace may vend there is not said any more.
        let without_dev = json!([river()["environments"][1].clone()]);
        let mut unsaid = with(broken.clone(), "/environments", without_dev);
        unsaid["environments"][0]["guardrails"] = json!([{"name": "noSuchThing"}]);
        refused(unsaid, Some(&old), &world);
        let unreadable = json!({"matchExpressions": [{"key": "tier", "operator": "Near"}]});
        refused(
            with(broken.clone(), "/namespaceSelector", unreadable),
            Some(&old),
            &world,
        );
        // The last good revision does not have the environment.
        let mut other = World::new();
        let without_dev = with(
            river(),
            "/environments",
            json!([river()["environments"][1].clone()]),
        );
        let other_good = store(&mut other, &without_dev);
        refused(broken, Some(&other_good), &other);
    }
}

#[test]
fn a_rejected_object_keeps_the_guardrails_of_its_account() {
    let mut world = World::new();
    let old = store(&mut world, &regions(&["eu-west-1"]));
    baseline(&mut world, regions(&["eu-west-1"]), Some(&old), Some(&old));
    given(&mut world, &old);
    let accepted = world.resolve().desired;
    assert!(accepted.kept.is_empty() && accepted.accounts.contains_key(&otter()));
    let attached = &accepted.accounts[&otter()].policies;
    assert_eq!(accepted.revisions[&old.name].policies["dev"], *attached);
    assert!(!attached.is_empty());
    let judged = |world: &World, edit: &dyn Fn(Value) -> Value| {
        let mut world = world.clone();
        let Decoded::Good(object) = &world.accounts[&otter()] else {
            panic!()
        };
        let object = serde_json::to_value(object.as_ref()).unwrap();
        world.account(&otter(), edit(object));
        let resolved = world.resolve();
        assert!(resolved.rejections.contains_key(&otter()));
        assert!(!resolved.desired.accounts.contains_key(&otter()));
        resolved.desired.kept.get(&otter()).cloned()
    };
    let tag = |object: Value| with(object, "/spec/tags", json!({"forbidden": "key"}));
    let kept = judged(&world, &tag).unwrap();
    assert_eq!(
        (&kept.key, kept.claim.as_str(), kept.environment.as_str()),
        (&otter(), "acme/team-otter/otter-dev", "dev")
    );
    let elsewhere = |object: Value| with(object, "/spec/baselineRef", json!({"name": "lagoon"}));
    assert!(judged(&world, &elsewhere).is_some());
    let mut unselected = world.clone();
    unselected.namespaces.insert("team-otter".into(), [].into());
    assert!(judged(&unselected, &|object| object).is_some());
    // Whose account it is, is not known.
    let no_account = |object: Value| with(tag(object), "/status/accountId", Value::Null);
    assert_eq!(judged(&world, &no_account), None);
    let nonsense = |object: Value| with(tag(object), "/status/accountId", json!("mine"));
    assert_eq!(judged(&world, &nonsense), None);
    let no_revision = |object: Value| with(tag(object), "/status/baseline", json!({}));
    assert_eq!(judged(&world, &no_revision), None);
    let mut rivals = world.clone();
    let Decoded::Good(otter_object) = &world.accounts[&otter()] else {
        panic!()
    };
    let mut older = serde_json::to_value(otter_object.as_ref()).unwrap();
    older["metadata"] = manifest(&heron())["metadata"].clone();
    older["metadata"]["creationTimestamp"] = json!("2020-01-01T00:00:00Z");
    rivals.account(&heron(), older);
    assert!(
        judged(&rivals, &tag).is_some(),
        "emails of rejected objects are not compared"
    );
    let mut conflict = rivals.clone();
    conflict
        .accounts
        .insert(otter(), world.accounts[&otter()].clone());
    let resolved = conflict.resolve();
    assert_eq!(resolved.rejections[&otter()].reason, Reason::EmailConflict);
    assert!(resolved.desired.kept.is_empty());
    let deleted = |object: Value| {
        with(
            tag(object),
            "/metadata/deletionTimestamp",
            json!("2026-02-01T00:00:00Z"),
        )
    };
    let mut leaving = world.clone();
    leaving.account(
        &otter(),
        deleted(serde_json::to_value(otter_object.as_ref()).unwrap()),
    );
    assert!(
        leaving.resolve().desired.kept.is_empty(),
        "deletion with Retain leaves everything as it is"
    );
}

#[test]
fn limits_of_use_are_judged_as_far_as_they_can_be() {
    let mut world = World::new();
    let old = store(&mut world, &spec("Old"));
    given(&mut world, &old);
    let strict = |spec: Value| {
        with(
            spec,
            "/namespaceSelector",
            json!({"matchLabels": {"tier": "moon"}}),
        )
    };
    baseline(&mut world, strict(broken()), Some(&old), Some(&old));
    rejected(
        world.verdict(&otter()),
        Reason::NamespaceNotAllowed,
        &["tier=moon"],
    );
    let unreadable = json!({"matchExpressions": [{"key": "tier", "operator": "Near"}]});
    baseline(
        &mut world,
        with(river(), "/namespaceSelector", unreadable),
        Some(&old),
        Some(&old),
    );
    has(&world, &old, "Old", None);
}

#[test]
fn a_baseline_that_is_gone_or_unreadable_takes_nothing_away() {
    let mut world = World::new();
    let old = store(&mut world, &spec("Old"));
    given(&mut world, &old);
    world.account(&heron(), manifest(&heron()));
    world.baselines.clear();
    let check = |world: &World, reason: Reason| {
        let resolved = world.resolve();
        assert_eq!(got(&resolved).revision, old);
        assert_eq!(got(&resolved).email.as_str(), "otter@example.com");
        assert_eq!(resolved.rejections[&heron()].reason, reason);
        resolved.desired.incomplete
    };
    assert!(!check(&world, Reason::BaselineNotFound));
    world
        .baselines
        .insert("river".into(), Decoded::Poison("bad".into()));
    assert!(check(&world, Reason::BaselineNotAccepted));
}

#[test]
fn a_removed_environment_stays_for_those_who_have_it() {
    let mut world = World::new();
    let old = store(&mut world, &spec("Old"));
    let prod_only = |spec: Value| {
        let prod = spec["environments"][1].clone();
        with(spec, "/environments", json!([prod]))
    };
    for spec in [prod_only(river()), automatic(prod_only(river()))] {
        baseline(&mut world, spec, Some(&old), Some(&old));
        given(&mut world, &old);
        has(&world, &old, "Old", None);
        world.account(&otter(), manifest(&otter()));
        rejected(
            world.verdict(&otter()),
            Reason::UnknownEnvironment,
            &["\"dev\"", "it has prod"],
        );
    }
}

#[test]
fn whoever_names_another_baseline_gets_what_that_gives() {
    let mut world = World::new();
    let old = store(&mut world, &spec("Old"));
    world.baseline("lake", spec("Lake"));
    given(&mut world, &old);
    let Decoded::Good(object) = world.accounts[&otter()].clone() else {
        unreachable!()
    };
    let object = with(
        serde_json::to_value(object.as_ref()).unwrap(),
        "/spec/baselineRef",
        json!({"name": "lake"}),
    );
    world.account(&otter(), object);
    let account = world.verdict(&otter()).unwrap();
    assert!(account.revision.name.as_str().starts_with("lake-"));
    assert_eq!(account.organizational_unit.to_string(), "Workloads/Lake");
}

#[test]
fn everything_an_account_gets_is_of_its_own_revision() {
    let mut world = World::new();
    let first = with(
        with(
            regions(&["eu-west-1"]),
            "/mandatoryTags/0/change",
            json!("Immutable"),
        ),
        "/environments/0/readinessGates",
        json!([{"conditionType": "net.example.com/Up"}]),
    );
    let first = with(first, "/environments/0/accessRoleName", json!("Old"));
    let old = store(&mut world, &first);
    let second = with(river(), "/mandatoryTags/0/key", json!("proprietor"));
    let second = with(second, "/environments/0/accessRoleName", json!("Old"));
    baseline(&mut world, second, Some(&old), Some(&old));
    given(&mut world, &old);
    let resolved = world.resolve();
    let account = got(&resolved);
    let changes: Vec<_> = account.tag_changes.iter().collect();
    assert_eq!(changes.len(), 1);
    assert_eq!(
        (changes[0].0.as_str(), *changes[0].1),
        ("owner", TagChange::Immutable)
    );
    assert_eq!(account.open_gates, ["net.example.com/Up"]);
    assert_eq!(account.role_name.as_str(), "Old");
    assert_eq!(account.policies.len(), 1);
    assert!(account.tags.contains_key("owner") && !account.tags.contains_key("proprietor"));
}

#[test]
fn an_environment_keeps_its_role_while_accounts_may_have_it() {
    let mut world = World::new();
    let named = |role: &str| with(river(), "/environments/0/accessRoleName", json!(role));
    let old = store(&mut world, &river());
    given(&mut world, &old);
    baseline(&mut world, named("NewRole"), Some(&old), Some(&old));
    let resolved = world.resolve();
    rejected(
        resolved.baselines["river"].clone(),
        Reason::LockOut,
        &[
            "spec.environments[dev].accessRoleName: is \"NewRole\"",
            old.name.as_str(),
            "\"OrganizationAccountAccessRole\"",
        ],
    );
    // What accounts have stays.
    assert_eq!(got(&resolved).revision, old);
    // An environment that is not in that revision may have any, and so may another Baseline.
    let more = json!([
        {"name": "dev", "organizationalUnit": "Workloads/Dev"},
        {"name": "qa", "organizationalUnit": "Workloads/Dev", "accessRoleName": "NewRole"},
    ]);
    baseline(
        &mut world,
        with(river(), "/environments", more),
        Some(&old),
        Some(&old),
    );
    assert!(world.resolve().baselines["river"].is_ok());
    world.baseline("river-2", named("NewRole"));
    assert!(world.resolve().baselines["river-2"].is_ok());
}

#[test]
fn an_account_gets_no_policies_that_exempt_another_role_than_its_own() {
    let guarded = with(
        regions(&["eu-west-1"]),
        "/environments/0/accessRoleName",
        json!("Other"),
    );
    let mut world = World::new();
    world.baseline("river", guarded);
    let status = json!({"accountId": "123456789012", "creation": creation("otter@example.com")});
    let rejection = rejected(
        world.otter_with("/status", status),
        Reason::LockOut,
        &["spec.environment: \"dev\"", "\"Other\"", "\"FrozenRole\""],
    );
    assert!(!rejection.waits);
    assert!(world.otter_with("/spec/suspend", json!(false)).is_ok());
}

#[test]
fn regions_change_over_a_revision_that_leaves_both() {
    let mut world = World::new();
    let old = store(&mut world, &regions(&["eu-west-1", "eu-north-1"]));
    given(&mut world, &old);
    for spec in [regions(&["us-east-1"]), automatic(regions(&["us-east-1"]))] {
        baseline(&mut world, spec, Some(&old), Some(&old));
        let resolved = world.resolve();
        rejected(
            resolved.baselines["river"].clone(),
            Reason::DisjointRegions,
            &[
                "spec.environments[dev].guardrails[allowedRegions].parameters.regions",
                "us-east-1",
                "eu-north-1, eu-west-1",
                old.name.as_str(),
                "promote an intermediate revision",
            ],
        );
        assert_eq!(got(&resolved).revision, old);
    }
    let both = automatic(regions(&["us-east-1", "eu-west-1"]));
    baseline(&mut world, both.clone(), Some(&old), Some(&old));
    assert_eq!(got(&world.resolve()).revision, revision(&both));
    let between = store(&mut world, &both);
    baseline(
        &mut world,
        automatic(regions(&["us-east-1"])),
        Some(&between),
        Some(&between),
    );
    assert!(world.resolve().baselines["river"].is_ok());
}

/// One of many states of the world.
fn state() -> impl Strategy<Value = World> {
    let specs = || {
        prop::sample::select(vec![
            spec("Old"),
            automatic(spec("Old")),
            spec("New"),
            broken(),
            regions(&["eu-west-1"]),
            regions(&["us-east-1"]),
        ])
    };
    let stored = prop::collection::vec((0..2_usize, any::<bool>()), 0..3);
    (specs(), stored, any::<bool>(), 0..2_usize, 0..3_usize).prop_map(
        |(spec_now, stored, status, assigned, slots)| {
            let mut world = World::new();
            let kept = [spec("Old"), regions(&["eu-west-1"])];
            for (index, honest) in stored {
                let revision = store(&mut world, &kept[index]);
                if let (false, Some(Decoded::Good(object))) =
                    (honest, world.revisions.get(revision.name.as_str()))
                {
                    let mut lie = object.as_ref().clone();
                    lie.spec.environments[0].organizational_unit = "Elsewhere".into();
                    world
                        .revisions
                        .insert(revision.name.to_string(), Decoded::Good(Arc::new(lie)));
                }
            }
            let known = revision(&kept[assigned]);
            baseline(
                &mut world,
                spec_now,
                status.then_some(&known),
                status.then_some(&known),
            );
            given(&mut world, &known);
            world.account(&heron(), manifest(&heron()));
            world.settings.reserved_slots = slots;
            world
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn a_memory_changes_nothing(worlds in prop::collection::vec(state(), 1..8)) {
        let mut memory = Memory::default();
        for world in &worlds {
            let cold = world.resolve();
            prop_assert_eq!(&world.resolve_with(&mut memory), &cold);
            prop_assert_eq!(&world.resolve_with(&mut memory), &cold, "nor does asking twice");
        }
    }
}
