//! The checker must be able to fail: each rule about policies with a plan that breaks it.

use super::{
    toy_policies::{FULL_ACCESS, full_access, made, policy_id, scp, wanted_policies, wanted_policy},
    *,
};
use model::{Effect, PolicyContent, PolicyTypeState};

const ID: &str = "100000000001";
const NAME: &str = "heron-prod";
const A: &str = "p-aaaaaaaaaa";
const B: &str = "p-bbbbbbbbbb";
const OLD: &str = "p-oooooooooo";

const OURS: &str = "only policies of this installation are changed";
const GUARDED: &str =
    "no account is moved before the policies of its revision are attached and shown by a read";
const OLD_STAYS: &str =
    "old policies stay until those of the account's revision are attached and shown by a read";
const OVERLAP: &str = "old policies stay until AWS enforces the new ones everywhere";
const WANTED: &str = "only what the account's revision wants is attached, as it is to be";

/// `heron-prod` is to have `a` and `b`, has `a`, `b` and an old one, and all of it was shown long ago.
fn world(attached: &[&str]) -> World {
    let mut world = World::new();
    world.settled(NAME, ID);
    world.want(NAME).policies = wanted_policies("ab");
    let types = BTreeMap::from([(scp(), PolicyTypeState::Enabled)]);
    let began = world.now;
    let read = Observation::PolicyTypes { began, types };
    world.observed.observe(read, began);
    let policies = vec![
        full_access(),
        made(&wanted_policy('a'), A),
        made(&wanted_policy('b'), B),
        made(&wanted_policy('o'), OLD),
    ];
    shows(&mut world, policies);
    let attached = attached.iter().map(|id| (policy_id(id), "name".into())).collect();
    let read = Observation::Attachments {
        began,
        account: account_id(ID),
        policy_type: scp(),
        attached: Some(attached),
    };
    world.observed.observe(read, began);
    world.pass(3600);
    world.shows_the_same();
    world
}

fn shows(world: &mut World, policies: Vec<ObservedPolicy>) {
    let read = Observation::Policies {
        began: world.now,
        policy_type: scp(),
        policies,
    };
    world.observed.observe(read, world.now);
}

/// The rules that a plan of this step breaks.
fn rules(world: &World, action: Action) -> Vec<&'static str> {
    let mut plan = plan(world.input());
    plan.steps = vec![Step {
        id: StepId("step".into()),
        key: Some(key(NAME)),
        action,
        reason: Reason::Pending,
        spends: None,
    }];
    let findings = check(world.input(), &plan);
    findings.into_iter().map(|finding| finding.rule).collect()
}

fn attach(id: &str) -> Action {
    Action::AttachPolicy {
        policy: policy_id(id),
        policy_type: scp(),
        account: account_id(ID),
    }
}
fn detach(id: &str) -> Action {
    Action::DetachPolicy {
        policy: policy_id(id),
        policy_type: scp(),
        account: account_id(ID),
    }
}
fn delete() -> Action {
    Action::DeletePolicy {
        id: policy_id(OLD),
        name: wanted_policy('o').name,
        policy_type: scp(),
    }
}
fn enable() -> Action {
    Action::EnablePolicyType { policy_type: scp() }
}

#[test]
fn good_steps_pass() {
    assert_eq!(rules(&world(&[FULL_ACCESS, A]), attach(B)), [] as [&str; 0]);
    assert_eq!(
        rules(&world(&[FULL_ACCESS, A, B, OLD]), detach(OLD)),
        [] as [&str; 0]
    );
}

#[test]
fn policies_of_others() {
    for tags in [
        None,
        Some(Tags::new()),
        Some(tags(&[(tag_keys::MANAGED, "other")])),
    ] {
        let mut world = world(&[FULL_ACCESS, A, B, OLD]);
        let foreign = |letter, id| ObservedPolicy {
            tags: tags.clone(),
            ..made(&wanted_policy(letter), id)
        };
        world
            .observed
            .policies
            .by_id
            .insert(policy_id(OLD), foreign('o', OLD));
        world
            .observed
            .policies
            .by_id
            .insert(policy_id(B), foreign('b', B));
        assert!(rules(&world, attach(B)).contains(&OURS));
        assert!(rules(&world, detach(OLD)).contains(&OURS));
        assert!(rules(&world, delete()).contains(&OURS));
        let update = Action::UpdatePolicy {
            id: policy_id(B),
            policy: wanted_policy('b'),
        };
        assert!(rules(&world, update).contains(&OURS));
    }
    assert!(rules(&world(&[FULL_ACCESS, A, B]), detach(FULL_ACCESS)).contains(&OURS));
}

#[test]
fn what_the_revision_does_not_want() {
    assert_eq!(rules(&world(&[FULL_ACCESS, A, B]), attach(OLD)), [WANTED]);
    let mut edited = world(&[FULL_ACCESS, A]);
    let content = Some(PolicyContent::parse("{}").unwrap());
    edited
        .observed
        .policies
        .by_id
        .get_mut(&policy_id(B))
        .unwrap()
        .content = content;
    assert_eq!(rules(&edited, attach(B)), [WANTED]);
    let rule = "no policy is taken away that the account's revision wants";
    assert_eq!(rules(&world(&[FULL_ACCESS, A, B]), detach(A)), [rule]);
}

#[test]
fn an_old_policy_before_its_time() {
    assert_eq!(rules(&world(&[FULL_ACCESS, A, OLD]), detach(OLD)), [OLD_STAYS]);
    let mut unshown = world(&[FULL_ACCESS, A, OLD]);
    let effect = Effect::PolicyAttached {
        policy: policy_id(B),
        policy_type: scp(),
        account: account_id(ID),
    };
    unshown.observed.effect(effect, unshown.now);
    unshown.pass(3600);
    assert_eq!(rules(&unshown, detach(OLD)), [OLD_STAYS]);
    let mut edited = world(&[FULL_ACCESS, A, B, OLD]);
    let content = Some(PolicyContent::parse("{}").unwrap());
    edited
        .observed
        .policies
        .by_id
        .get_mut(&policy_id(B))
        .unwrap()
        .content = content;
    assert_eq!(rules(&edited, detach(OLD)), [OLD_STAYS]);
    let mut early = world(&[FULL_ACCESS, A, B, OLD]);
    early.limits.policies.overlap = secs(3601);
    assert_eq!(rules(&early, detach(OLD)), [OVERLAP]);
    // It was seen what the new ones say, but not in the last seconds of the overlap.
    early.limits.policies.overlap = secs(3621);
    early.pass(22);
    assert_eq!(
        rules(&early, detach(OLD)),
        ["old policies stay until it was seen what the new ones say"]
    );
}

#[test]
fn a_move_without_policies() {
    let move_it = || Action::MoveAccount {
        account: account_id(ID),
        from: ParentId::parse(ROOT).unwrap(),
        to: ParentId::parse(PROD).unwrap(),
    };
    assert_eq!(rules(&world(&[FULL_ACCESS, A]), move_it()), [GUARDED]);
    assert_eq!(rules(&world(&[A, B]), move_it()), [] as [&str; 0]);
    let mut unseen = world(&[A]);
    unseen.pass(1);
    let effect = Effect::PolicyAttached {
        policy: policy_id(B),
        policy_type: scp(),
        account: account_id(ID),
    };
    unseen.observed.effect(effect, unseen.now);
    unseen.pass(1);
    let attached = Observation::Attachments {
        began: unseen.now,
        account: account_id(ID),
        policy_type: scp(),
        attached: Some([A, B].map(|id| (policy_id(id), "name".into())).to_vec()),
    };
    unseen.observed.observe(attached, unseen.now);
    let rule = "no account is moved before it was seen what its policies say, since they are attached";
    assert_eq!(rules(&unseen, move_it()), [rule]);
}

#[test]
fn an_account_that_is_not_this_objects_or_not_known_well() {
    let mut ahead = world(&[FULL_ACCESS, A, B, OLD]);
    ahead.entry(NAME).assigned = Some(assigned('1', 0));
    let rule = "an account whose sequence is ahead of status is not changed";
    assert!(rules(&ahead, detach(OLD)).contains(&rule));
    assert!(rules(&ahead, attach(B)).contains(&rule));
    let mut untold = world(&[FULL_ACCESS, A, B, OLD]);
    untold.entry(NAME).assigned = Some(assigned('1', 2));
    let rule = "an account carries its revision before its policies are changed for it";
    assert_eq!(rules(&untold, detach(OLD)), [rule]);
    untold.entry(NAME).applied = Some(revision('1').name);
    assert_eq!(rules(&untold, detach(OLD)), [] as [&str; 0]);
    let mut other = world(&[FULL_ACCESS, A, B, OLD]);
    other.want(NAME).revision = revision('2');
    assert!(
        rules(&other, detach(OLD))
            .contains(&"policies are those of the assigned revision, or those that the account had")
    );
    let mut foreign = world(&[FULL_ACCESS, A, B, OLD]);
    foreign.entry(NAME).account_id = None;
    foreign.observed.accounts.get_mut(&account_id(ID)).unwrap().tags = Some(Tags::new());
    assert!(rules(&foreign, detach(OLD)).contains(&"only accounts with this object's claim are changed"));
    let mut management = world(&[FULL_ACCESS, A, B, OLD]);
    management.observed.management = Some(account_id(ID));
    assert!(rules(&management, detach(OLD)).contains(&"the management account is never touched"));
    let mut unasked = world(&[FULL_ACCESS, A]);
    let mut listed = unasked.listed();
    for (_, targets) in &mut listed.attachments {
        targets.clear();
    }
    unasked.full_with(listed);
    let rule = "an account is asked for its policies before they are changed";
    assert_eq!(rules(&unasked, attach(B)), [rule]);
}

#[test]
fn a_policy_that_is_in_use() {
    let rule = "a policy is deleted only when nothing wants it and nothing has it";
    let day = 24 * 3600;
    let unused = || {
        let mut world = world(&[FULL_ACCESS, A, B]);
        world.full(vec![]);
        world.pass(day);
        world
    };
    let mut relisted = unused();
    relisted.full(vec![]);
    assert_eq!(rules(&relisted, delete()), [] as [&str; 0]);
    assert_eq!(rules(&unused(), delete()), [rule], "nothing was listed since");
    let mut wanted = relisted.clone();
    wanted.want("gull-prod").policies = wanted_policies("o");
    assert_eq!(rules(&wanted, delete()), [rule]);
    let mut incomplete = relisted.clone();
    incomplete.desired.incomplete = true;
    assert_eq!(
        rules(&incomplete, delete()),
        ["nothing is deleted while an object could not be judged"]
    );
    let mut attached = world(&[FULL_ACCESS, A, B, OLD]);
    attached.full(vec![]);
    attached.pass(day);
    attached.full(vec![]);
    assert_eq!(rules(&attached, delete()), [rule]);
}

#[test]
fn a_policy_that_is_made_or_edited_without_need() {
    let create = |letter| Action::CreatePolicy {
        policy: wanted_policy(letter),
    };
    let rule = "a policy is made once, and only if it is wanted";
    assert_eq!(rules(&world(&[]), create('a')), [rule]);
    assert_eq!(rules(&world(&[]), create('z')), [rule]);
    let mut missing = world(&[]);
    missing.observed.policies.by_id.remove(&policy_id(A));
    assert_eq!(rules(&missing, create('a')), [] as [&str; 0]);
    let update = |id, letter| Action::UpdatePolicy {
        id: policy_id(id),
        policy: wanted_policy(letter),
    };
    let rule = "a policy is edited only to say what its name says";
    assert_eq!(rules(&world(&[]), update(A, 'a')), [rule]);
    assert_eq!(rules(&world(&[]), update(A, 'b')), [rule]);
}

#[test]
fn a_type_that_may_not_be_enabled() {
    let rule = "a policy type is enabled only where it is allowed, wanted, and was never in force";
    let off = || {
        let mut world = world(&[]);
        world.limits.policies.enable_types = true;
        world.observed.policies.types.clear();
        world
    };
    assert_eq!(rules(&off(), enable()), [] as [&str; 0]);
    let mut forbidden = off();
    forbidden.limits.policies.enable_types = false;
    assert_eq!(rules(&forbidden, enable()), [rule]);
    let mut unwanted = off();
    unwanted.want(NAME).policies = wanted_policies("");
    assert_eq!(rules(&unwanted, enable()), [rule]);
    let mut alarm = off();
    alarm.entry(NAME).applied = Some(revision('1').name);
    assert_eq!(rules(&alarm, enable()), [rule]);
    let mut on = world(&[]);
    on.limits.policies.enable_types = true;
    assert_eq!(rules(&on, enable()), [rule]);
}

#[test]
fn a_tag_that_a_person_decides_on() {
    let rule = "a value that a person decides on changes only with an Approval";
    let tag = || Action::TagAccount {
        account: account_id(ID),
        tags: tags(&[("team", "owls")]),
    };
    for change in [TagChange::Approved, TagChange::Immutable] {
        let mut world = world(&[]);
        world.want(NAME).tag_changes = [(TagKey::parse("team").unwrap(), change)].into();
        assert_eq!(rules(&world, tag()), [rule]);
    }
    assert_eq!(rules(&world(&[]), tag()), [] as [&str; 0]);
}

#[test]
fn an_account_found_again_with_another_revision() {
    let assign = || Action::Assign {
        account: account_id(ID),
        assigned: assigned('2', 2),
    };
    let mut world = world(&[]);
    world.entry(NAME).assigned = None;
    assert_eq!(rules(&world, assign()), [] as [&str; 0]);
    world.want(NAME).update = UpdatePolicy::OnPromotion;
    let rule = "an account that is found again keeps its revision until a promotion";
    assert_eq!(rules(&world, assign()), [rule]);
}

#[test]
fn another_revision_that_is_not_counted() {
    let mut world = world(&[]);
    world.limits.brake.mass_change = Some(model::MassChange {
        window: secs(600),
        max_accounts: 1,
    });
    let assign = || Action::Assign {
        account: account_id(ID),
        assigned: assigned('2', 2),
    };
    let rule = "no more is begun than the budgets leave";
    assert_eq!(rules(&world, assign()), [rule]);
    world.entry(NAME).applied = Some(revision('2').name);
    assert_eq!(rules(&world, assign()), [] as [&str; 0], "it goes back");
}
