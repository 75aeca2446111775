//! Tags are owned by key.

use super::*;

pub(super) const ID: &str = "100000000001";

/// `heron-prod`, settled; then its account carries these tags besides.
pub(super) fn heron(more: &[(&str, &str)]) -> World {
    let mut world = World::new();
    world.settled("heron-prod", ID);
    let mut account = world.observed.accounts[&account_id(ID)].clone();
    account.tags.get_or_insert_default().extend(tags(more));
    world.has(account);
    world
}

/// What the account carries under these keys was written by us.
pub(super) fn manages(world: &mut World, names: &[&str]) {
    let carried = world.observed.accounts[&account_id(ID)].tags.clone();
    let carried = carried.unwrap_or_default();
    let value = |key: &TagKey| carried.get(key).cloned().unwrap_or(TagValue::parse("").unwrap());
    let managed = keys(names).into_iter().map(|key| (key.clone(), value(&key)));
    world.entry("heron-prod").managed_tags.extend(managed);
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
pub(super) fn store_keys(world: &mut World) {
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
fn a_new_key_is_stored_only_when_the_account_was_read_just_now() {
    let mut world = heron(&[]);
    world.pass(60);
    let public = tags(&[("data-class", "public")]);
    world.want("heron-prod").tags.extend(public.clone());
    let plan = world.plan();
    assert!(asks(&plan, ID));
    assert_eq!(
        (kinds(&plan), reason(&plan, "heron-prod")),
        (vec![], Reason::Reobserving)
    );
    // While AWS may not be changed it is not read again and again.
    let mut closed = world.clone();
    closed.now = closed.now.checked_add(secs(60)).unwrap();
    let plan = closed.plan();
    assert_eq!((kinds(&plan), asks(&plan, ID)), (vec![], false));
    let mut account = world.observed.accounts[&account_id(ID)].clone();
    let mut others = world.clone();
    world.has(account.clone());
    store_keys(&mut world);
    assert_eq!(written(&mut world), public);
    account
        .tags
        .get_or_insert_default()
        .extend(tags(&[("data-class", "secret")]));
    others.has(account);
    let plan = others.plan();
    assert_eq!(
        (refused(&plan, "heron-prod").0, kinds(&plan)),
        (Reason::TagConflict, vec![])
    );
    others.pass(3600);
    assert!(!asks(&others.plan(), ID), "and it rests");
}

#[test]
fn an_account_that_gets_another_revision_is_not_read_for_new_keys_before() {
    let mut world = heron(&[]);
    world.pass(60);
    let wanted = world.want("heron-prod");
    wanted.tags.extend(tags(&[("data-class", "public")]));
    wanted.revision = revision('2');
    // A budget may hold this back for long.
    let plan = world.plan();
    assert!(!asks(&plan, ID));
    let Action::Assign { assigned, .. } = &only(&plan).action else {
        panic!("{plan:?}")
    };
    assert_eq!(assigned.tag_keys, keys(&["team"]));
    world.entry("heron-prod").assigned = Some(assigned.clone());
    let plan = world.plan();
    assert!(asks(&plan, ID));
    assert_eq!(kinds(&plan), [] as [&str; 0]);
    world.has(world.observed.accounts[&account_id(ID)].clone());
    store_keys(&mut world);
    let stored = world.entry("heron-prod").assigned.clone().unwrap();
    assert_eq!(stored.tag(), "standard-2222222222/2");
    assert_eq!(stored.tag_keys, keys(&["data-class", "team"]));
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
        policy_types: BTreeMap::new(),
        policies: model::ListedPolicies::default(),
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

/// `heron-prod` whose account carries cost-center 4711, as it should under this rule; then 4712 is wanted.
pub(super) fn moved_to_another_cost_center(rule: TagChange) -> World {
    let mut world = heron(&[("cost-center", "4711")]);
    manages(&mut world, &["cost-center"]);
    let wanted = world.want("heron-prod");
    wanted.tags.extend(tags(&[("cost-center", "4712")]));
    wanted
        .tag_changes
        .extend([(TagKey::parse("cost-center").unwrap(), rule)]);
    world
}

pub(super) fn awaiting(plan: &Plan) -> &[model::Awaiting] {
    &plan.accounts[&key("heron-prod")].awaiting
}

/// Somebody decides on what waits.
pub(super) fn decide(world: &mut World, approves: bool) -> String {
    let plan = world.plan();
    let [awaiting] = awaiting(&plan) else {
        panic!("{plan:?}")
    };
    assert_eq!(awaiting.action, ApprovalAction::TagChange);
    let decision = Decision {
        name: "heron-1".into(),
        created: at(-10),
        action: ApprovalAction::TagChange,
        digest: awaiting.digest.clone(),
        approves,
        approver: "alice".into(),
        requested_by: None,
        expires_at: None,
    };
    world.approvals.policy = ApprovalPolicy::InForce { since: at(-100) };
    world.approvals.accounts.insert(key("heron-prod"), vec![decision]);
    awaiting.digest.clone()
}

/// Carries out the only step, which writes tags.
pub(super) fn written(world: &mut World) -> Tags {
    let plan = world.plan();
    let Action::TagAccount { tags, .. } = &only(&plan).action else {
        panic!("{:?}", plan.steps)
    };
    let mut account = world.observed.accounts[&account_id(ID)].clone();
    account.tags.get_or_insert_default().extend(tags.clone());
    world.has(account);
    tags.clone()
}

#[test]
fn a_free_value_follows_its_source() {
    let mut world = moved_to_another_cost_center(TagChange::Free);
    assert_eq!(written(&mut world), tags(&[("cost-center", "4712")]));
}

#[test]
fn an_approved_value_stays_until_a_person_says_so() {
    let mut world = moved_to_another_cost_center(TagChange::Approved);
    world.has(ObservedAccount {
        parent: ParentId::parse(ROOT).unwrap(),
        ..world.observed.accounts[&account_id(ID)].clone()
    });
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["MoveAccount"], "everything else goes on");
    let (reason, message) = match verdict(&plan, "heron-prod") {
        Verdict::Working(..) => match &plan.accounts[&key("heron-prod")].tagged {
            Stage::Pending(reason, message) => (*reason, message.as_str()),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    assert_eq!(reason, Reason::TagChangeAwaitingApproval);
    let change = "cost-center \"4711\" -> \"4712\"";
    assert!(
        message.contains(change) && message.contains("bulkhead approve"),
        "{message}"
    );
    assert!(awaiting(&plan)[0].summary.contains(change));
}

#[test]
fn an_approval_is_good_for_one_change() {
    let mut world = moved_to_another_cost_center(TagChange::Approved);
    let digest = decide(&mut world, true);
    store_keys(&mut world);
    assert_eq!(
        world.entry("heron-prod").assigned.as_ref().unwrap().tag(),
        "standard-1111111111/2"
    );
    let both = [
        ("cost-center", "4712"),
        (tag_keys::REVISION, "standard-1111111111/2"),
    ];
    assert_eq!(written(&mut world), tags(&both), "in one call");
    assert_eq!(verdict(&world.plan(), "heron-prod"), &Verdict::Ready);
    // There and back again: the same change is another decision.
    let mut account = world.observed.accounts[&account_id(ID)].clone();
    account
        .tags
        .as_mut()
        .unwrap()
        .extend(tags(&[("cost-center", "4711")]));
    world.has(account);
    let plan = world.plan();
    assert_eq!(kinds(&plan), [] as [&str; 0]);
    assert_ne!(awaiting(&plan)[0].digest, digest);
}

#[test]
fn an_approval_of_another_value_is_void() {
    let mut world = moved_to_another_cost_center(TagChange::Approved);
    decide(&mut world, true);
    world
        .want("heron-prod")
        .tags
        .extend(tags(&[("cost-center", "4713")]));
    let plan = world.plan();
    assert_eq!(
        (kinds(&plan), reason(&plan, "heron-prod")),
        (vec![], Reason::TagChangeAwaitingApproval)
    );
}

#[test]
fn a_rejected_change_says_so_and_one_without_the_policy_too() {
    let mut world = moved_to_another_cost_center(TagChange::Approved);
    decide(&mut world, false);
    assert_eq!(refused(&world.plan(), "heron-prod").0, Reason::ApprovalRejected);
    world.approvals.policy = ApprovalPolicy::Missing("no binding".into());
    let plan = world.plan();
    assert_eq!(
        (refused(&plan, "heron-prod").0, kinds(&plan)),
        (Reason::ApprovalPolicyMissing, vec![])
    );
}

#[test]
fn suspend_changes_no_tag_that_was_approved_either() {
    let mut world = moved_to_another_cost_center(TagChange::Approved);
    decide(&mut world, true);
    world.want("heron-prod").suspend = true;
    assert_eq!(kinds(&world.plan()), [] as [&str; 0]);
}

#[test]
fn a_missing_value_is_written_whatever_its_rule() {
    for rule in [TagChange::Approved, TagChange::Immutable] {
        let mut world = heron(&[]);
        let wanted = world.want("heron-prod");
        wanted.tags.extend(tags(&[("cost-center", "4712")]));
        wanted
            .tag_changes
            .extend([(TagKey::parse("cost-center").unwrap(), rule)]);
        store_keys(&mut world);
        assert_eq!(written(&mut world), tags(&[("cost-center", "4712")]));
    }
}

#[test]
fn an_immutable_value_never_changes() {
    let mut world = moved_to_another_cost_center(TagChange::Immutable);
    world.has(ObservedAccount {
        tags: Some({
            let mut carried = world.observed.accounts[&account_id(ID)].tags.clone().unwrap();
            carried.extend(tags(&[("team", "owls")]));
            carried
        }),
        ..world.observed.accounts[&account_id(ID)].clone()
    });
    let plan = world.plan();
    let (reason, message) = refused(&plan, "heron-prod");
    assert_eq!(reason, Reason::TagImmutable);
    assert!(message.contains("4711") && message.contains("4712"), "{message}");
    assert_eq!(awaiting(&plan), []);
    let Action::TagAccount { tags: written, .. } = &only(&plan).action else {
        panic!("{plan:?}")
    };
    assert_eq!(*written, tags(&[("team", "aviary")]), "other keys are repaired");
}

#[test]
fn a_foreign_value_is_overwritten_when_a_person_says_so_with_all_that_waits() {
    let mut world = heron(&[("data-class", "secret"), ("cost-center", "4711")]);
    manages(&mut world, &["cost-center"]);
    let wanted = world.want("heron-prod");
    let both = tags(&[("data-class", "public"), ("cost-center", "4712")]);
    wanted.tags.extend(both.clone());
    let rule = TagChange::Approved;
    wanted
        .tag_changes
        .extend([(TagKey::parse("cost-center").unwrap(), rule)]);
    let plan = world.plan();
    let summary = &awaiting(&plan)[0].summary;
    assert!(
        summary.contains("data-class") && !summary.contains("secret"),
        "{summary}"
    );
    decide(&mut world, true);
    store_keys(&mut world);
    let stored = world.entry("heron-prod").assigned.clone().unwrap();
    assert!(stored.tag_keys.contains("data-class"));
    let mut all = both;
    all.extend(tags(&[(tag_keys::REVISION, "standard-1111111111/2")]));
    assert_eq!(written(&mut world), all);
    assert_eq!(verdict(&world.plan(), "heron-prod"), &Verdict::Ready);
}
