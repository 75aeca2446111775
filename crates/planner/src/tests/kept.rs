//! What an account keeps whatever becomes of its object.

use super::{
    policies::{A, B, ID, NAME, OLD, changes, ready},
    toy_policies::{FULL_ACCESS, wanted_policies, wanted_policy},
    *,
};

/// The object was accepted and had this in full; then it was rejected.
fn rejected(letters: &str, attached: &[&str]) -> World {
    let mut world = ready(letters, attached);
    world.entry(NAME).applied = Some(revision('1').name);
    world.desired.revisions = [known(revision('1'), &wanted_policies(letters))].into();
    reject(&mut world);
    world
}

fn reject(world: &mut World) {
    let rejected = world.desired.accounts.remove(&key(NAME)).unwrap();
    let kept = KeptAccount {
        key: rejected.key,
        claim: rejected.claim,
        created: rejected.created,
        environment: rejected.environment,
    };
    world.desired.kept.insert(key(NAME), kept);
}

#[test]
fn what_is_detached_from_the_account_of_a_rejected_object_comes_back() {
    let world = rejected("ab", &[FULL_ACCESS, A]);
    let plan = world.plan();
    assert_eq!(changes(&plan), [("AttachPolicy", B)]);
    assert_eq!(only(&plan).reason, Reason::RepairingPolicies);
    assert_eq!(only(&plan).key, Some(key(NAME)));
    assert!(plan.accounts.is_empty(), "its rejection is what is told of it");
    let calm = rejected("ab", &[FULL_ACCESS, A, B]);
    assert_eq!(kinds(&calm.plan()), [] as [&str; 0], "neither moved nor tagged");
}

#[test]
fn a_policy_of_a_rejected_object_is_made_again_and_is_not_unused() {
    let day = 24 * 3600;
    let mut world = rejected("o", &[FULL_ACCESS, OLD]);
    world.attached(&[FULL_ACCESS]);
    world.full(vec![]);
    world.pass(day);
    world.full(vec![]);
    let deletes = |world: &World| {
        let plan = world.plan();
        let name = wanted_policy('o').name;
        plan.steps.iter().any(
            |step| matches!(&step.action, Action::DeletePolicy { name: deleted, .. } if *deleted == name),
        )
    };
    assert_eq!(changes(&world.plan()), [("AttachPolicy", OLD)]);
    assert!(!deletes(&world));
    world.desired.kept.clear();
    assert!(deletes(&world), "but this would be");
    let mut gone = rejected("o", &[FULL_ACCESS]);
    gone.shows(vec![]);
    assert_eq!(kinds(&gone.plan()), ["CreatePolicy"]);
}

#[test]
fn what_is_not_of_the_assigned_revision_goes_after_the_overlap() {
    let mut world = rejected("a", &[FULL_ACCESS, A, OLD]);
    world.entry(NAME).applied = None;
    assert_eq!(changes(&world.plan()), []);
    world.pass(300);
    world.shows_the_same();
    assert_eq!(changes(&world.plan()), [("DetachPolicy", OLD)]);
}

#[test]
fn nothing_is_done_where_it_is_in_doubt_whose_account_it_is() {
    let robbed = || rejected("a", &[FULL_ACCESS]);
    assert_eq!(changes(&robbed().plan()), [("AttachPolicy", A)]);
    let tagged = |edit: &dyn Fn(&mut Tags)| {
        let mut world = robbed();
        let mut account = world.observed.accounts[&account_id(ID)].clone();
        edit(account.tags.as_mut().unwrap());
        world.has(account);
        world
    };
    let claim = |value: &str| tags(&[(tag_keys::CLAIM, value)]);
    let nothing = |world: &World, why: &str| assert_eq!(kinds(&world.plan()), [] as [&str; 0], "{why}");
    nothing(
        &tagged(&|tags| tags.extend(claim("acme/aviary/gull"))),
        "another's claim",
    );
    nothing(
        &tagged(&|tags| drop(tags.remove(&TagKey::parse(tag_keys::CLAIM).unwrap()))),
        "no claim",
    );
    let ahead = tags(&[(tag_keys::REVISION, "standard-1111111111/2")]);
    nothing(
        &tagged(&|tags| tags.extend(ahead.clone())),
        "its cluster was restored",
    );
    let mut unbound = robbed();
    unbound.entry(NAME).account_id = None;
    nothing(&unbound, "status says nothing");
    let mut contested = robbed();
    contested.entry("gull-prod").account_id = Some(account_id(ID));
    nothing(&contested, "two objects hold it");
    let mut unknown = robbed();
    unknown.desired.revisions.clear();
    nothing(&unknown, "the revision is not at hand");
    let mut other = robbed();
    other.entry(NAME).assigned.as_mut().unwrap().revision.hash = revision('2').hash;
    nothing(&other, "another content of this name");
    let mut closing = robbed();
    let mut account = closing.observed.accounts[&account_id(ID)].clone();
    account.state = AccountState::PendingClosure;
    closing.has(account);
    nothing(&closing, "it is being closed");
    let mut management = robbed();
    management.observed.management = Some(account_id(ID));
    nothing(&management, "never");
    let mut observing = robbed();
    observing.limits.mode = Mode::Observe;
    nothing(&observing, "only looks");
}

/// Assigned is `2` with `b`, the account had `1` with `a` in full and carries it.
fn halfway(attached: &[&str]) -> World {
    let mut world = rejected("a", attached);
    let second = known(revision('2'), &wanted_policies("b"));
    world.desired.revisions.extend([second]);
    world.entry(NAME).assigned = Some(assigned('2', 2));
    world
}

#[test]
fn an_account_that_does_not_carry_the_assigned_revision_keeps_the_one_it_had() {
    assert_eq!(changes(&halfway(&[FULL_ACCESS]).plan()), [("AttachPolicy", A)]);
    let mut settled = halfway(&[FULL_ACCESS, A, OLD]);
    settled.pass(3600);
    assert_eq!(changes(&settled.plan()), [], "nothing is taken away");
    let mut carries = halfway(&[FULL_ACCESS]);
    let mut account = carries.observed.accounts[&account_id(ID)].clone();
    let tag = tags(&[(tag_keys::REVISION, "standard-2222222222/2")]);
    account.tags.as_mut().unwrap().extend(tag);
    carries.has(account);
    assert_eq!(changes(&carries.plan()), [("AttachPolicy", B)]);
}

#[test]
fn an_account_that_had_nothing_in_full_gets_the_earlier_revision_that_it_carries() {
    // Assigned anew, and rejected before the account carries that.
    let mut world = halfway(&[FULL_ACCESS]);
    world.entry(NAME).applied = None;
    let plan = world.plan();
    assert_eq!(changes(&plan), [("AttachPolicy", A)]);
    assert_eq!(
        only(&plan).reason,
        Reason::AttachingPolicies,
        "nobody took it away"
    );
    let mut there = halfway(&[FULL_ACCESS, A, OLD]);
    there.entry(NAME).applied = None;
    there.pass(3600);
    assert_eq!(changes(&there.plan()), [], "nothing is taken away");
    let mut gone = halfway(&[FULL_ACCESS]);
    gone.entry(NAME).applied = None;
    gone.desired
        .revisions
        .retain(|name, _| *name != revision('1').name);
    assert_eq!(changes(&gone.plan()), [], "what it says is not known");
    let mut ahead = halfway(&[FULL_ACCESS]);
    ahead.entry(NAME).applied = None;
    ahead.entry(NAME).assigned = Some(assigned('2', 1));
    assert_eq!(
        changes(&ahead.plan()),
        [],
        "the tag was edited: this number is another revision's"
    );
}

/// The plan of each passes the rules, or nothing would be done for any account.
#[test]
fn what_the_account_had_is_put_back_though_the_assigned_revision_is_not_at_hand() {
    for applied in [None, Some(revision('1').name)] {
        let mut world = halfway(&[FULL_ACCESS]);
        world.entry(NAME).applied = applied;
        world.desired.revisions.remove(&revision('2').name);
        assert_eq!(changes(&world.plan()), [("AttachPolicy", A)]);
    }
}

#[test]
fn an_account_that_does_not_get_the_next_revision_yet_keeps_the_one_it_has() {
    let mut world = ready("b", &[FULL_ACCESS]);
    world.desired.revisions = [known(revision('1'), &wanted_policies("a"))].into();
    world.entry(NAME).applied = Some(revision('1').name);
    world.want(NAME).revision = revision('2');
    world.want(NAME).suspend = true;
    let plan = world.plan();
    assert_eq!(reason(&plan, NAME), Reason::Suspended);
    assert_eq!(
        changes(&plan),
        [("AttachPolicy", A)],
        "suspend never stops guardrails"
    );
    world.want(NAME).suspend = false;
    world.limits.brake.mass_change = Some(model::MassChange {
        window: secs(3600),
        max_accounts: 0,
    });
    let plan = world.plan();
    assert_eq!(reason(&plan, NAME), Reason::PolicyBudgetExhausted);
    assert_eq!(changes(&plan), [("AttachPolicy", A)]);
}

#[test]
fn a_type_that_somebody_disabled_is_not_enabled_for_a_rejected_object() {
    let mut world = rejected("a", &[FULL_ACCESS, A]);
    world.limits.policies.enable_types = true;
    world.type_is(None);
    assert_eq!(kinds(&world.plan()), [] as [&str; 0]);
    world.entry(NAME).applied = None;
    assert_eq!(
        kinds(&world.plan()),
        ["EnablePolicyType"],
        "it never was in force"
    );
}

#[test]
fn the_rules_know_what_a_rejected_object_may_get() {
    let broken = |world: &World, action: Action| {
        let mut plan = crate::plan(world.input());
        plan.steps = vec![Step {
            id: StepId("step".into()),
            key: Some(key(NAME)),
            action,
            reason: Reason::Pending,
            spends: None,
        }];
        let findings = check(world.input(), &plan);
        findings
            .into_iter()
            .map(|finding| finding.rule)
            .collect::<Vec<_>>()
    };
    let tag = Action::TagAccount {
        account: account_id(ID),
        tags: tags(&[(tag_keys::WORKLOAD, "birds")]),
    };
    let rule = "an object that was not accepted gets nothing but its guardrails";
    assert!(broken(&rejected("a", &[FULL_ACCESS]), tag).contains(&rule));
    let attach = |id: &str| Action::AttachPolicy {
        policy: super::toy_policies::policy_id(id),
        policy_type: super::toy_policies::scp(),
        account: account_id(ID),
    };
    assert_eq!(broken(&rejected("a", &[FULL_ACCESS]), attach(A)), [] as [&str; 0]);
    let mut stolen = rejected("a", &[FULL_ACCESS]);
    let mut account = stolen.observed.accounts[&account_id(ID)].clone();
    account
        .tags
        .as_mut()
        .unwrap()
        .extend(tags(&[(tag_keys::CLAIM, "acme/aviary/gull")]));
    stolen.has(account);
    let rule = "the account of an object that was not accepted is kept only while it carries the claim";
    assert_eq!(broken(&stolen, attach(A)), [rule]);
    let rule = "only what the account's revision wants is attached, as it is to be";
    assert_eq!(broken(&halfway(&[FULL_ACCESS]), attach(B)), [rule]);
}
