//! Three revisions and not enough places.

use super::{
    policies::{ID, NAME, changes, ready, why},
    toy_policies::{FULL_ACCESS, full_access, made, policy_id, scp, wanted_policies, wanted_policy},
    *,
};
use model::Effect;

/// Ids of the policies `a` to `z`.
fn id(letter: char) -> String {
    format!("p-{}", String::from(letter).repeat(10))
}

/// Of 10 places AWS's own takes one. What the account had in full, what it is to have, what else is known and what it has; `reserved` places are others'.
fn world(applied: &str, wanted: &str, known_besides: &[&str], attached: &str, reserved: usize) -> World {
    let mut world = ready(wanted, &[]);
    let mut policies = vec![full_access()];
    policies.extend(('a'..='z').map(|letter| made(&wanted_policy(letter), &id(letter))));
    world.shows(policies);
    let mut ids: Vec<String> = attached.chars().map(id).collect();
    ids.push(FULL_ACCESS.into());
    world.attached(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    world.limits.policies.reserved_slots = reserved;
    world.want(NAME).revision = revision('3');
    world.entry(NAME).assigned = Some(assigned('3', 3));
    world.entry(NAME).applied = Some(revision('1').name);
    let mut revisions = vec![
        known(revision('1'), &wanted_policies(applied)),
        known(revision('3'), &wanted_policies(wanted)),
    ];
    for (digit, letters) in ('4'..='9').zip(known_besides) {
        revisions.push(known(revision(digit), &wanted_policies(letters)));
    }
    world.desired.revisions = revisions.into_iter().collect();
    carry(&mut world, "standard-3333333333/3");
    world
}

fn carry(world: &mut World, tag: &str) {
    let mut account = world.observed.accounts[&account_id(ID)].clone();
    account
        .tags
        .as_mut()
        .unwrap()
        .extend(tags(&[(tag_keys::REVISION, tag)]));
    world.has(account);
}

#[test]
fn what_is_left_of_a_revision_in_between_gives_way() {
    // `1` is abcd, `2` was to be efgh of which h never came, `3` is ijkl.
    let plan = world("abcd", "ijkl", &["efgh"], "abcdefg", 1).plan();
    let expected = ['e', 'f', 'g'].map(|letter| ("DetachPolicy", id(letter)));
    let found: Vec<(&str, String)> = changes(&plan)
        .into_iter()
        .map(|(kind, id)| (kind, id.to_owned()))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(why(&plan), Reason::AttachingPolicies);
    let plan = world("abcd", "ijkl", &["efgh"], "abcd", 1).plan();
    assert_eq!(changes(&plan).len(), 4, "then there is room");
    let plan = world("abcd", "ij", &["efgh"], "abcde", 1).plan();
    assert!(
        changes(&plan).iter().all(|(kind, _)| *kind == "AttachPolicy"),
        "as here"
    );
}

#[test]
fn what_the_account_may_have_in_full_never_gives_way() {
    let waits = |world: World, why_not: &str| {
        let plan = world.plan();
        assert!(
            changes(&plan).iter().all(|(kind, _)| *kind == "AttachPolicy"),
            "{why_not}: {:?}",
            changes(&plan)
        );
    };
    waits(world("abcd", "ijkl", &["efgh"], "abcdefgh", 1), "all of another");
    let full = world("abcd", "ijkl", &["efgh"], "abcdefgh", 1).plan();
    assert_eq!(why(&full), Reason::NoPolicySlot);
    waits(
        world("abcd", "ijkl", &["efgh", "ef"], "abcdefg", 1),
        "all of one of two",
    );
    waits(
        world("abcd", "ijkl", &["abe", "efgh"], "abcdefg", 1),
        "with some of the first",
    );
    waits(
        world("abcd", "ijkl", &[], "abcdefg", 1),
        "nobody knows of which it is",
    );
    waits(
        world("abcd", "ijklmno", &["ef"], "abcde", 1),
        "it would not be enough",
    );
    let mut unknown = world("abcd", "ijkl", &["efgh"], "abcdefg", 1);
    unknown.desired.revisions.remove(&revision('1').name);
    waits(unknown, "what the account had in full is not at hand");
    let mut never = world("abcd", "ijkl", &["efgh"], "abcdefg", 1);
    never.entry(NAME).applied = None;
    waits(
        never,
        "it never had one in full, as far as is known, but has all of one",
    );
}

#[test]
fn a_change_is_finished_before_the_next_when_three_have_no_room() {
    let all = |reserved| {
        let mut world = world("abcd", "ijkl", &["efgh"], "abcdefgh", reserved);
        world.entry(NAME).assigned = Some(assigned('4', 2));
        carry(&mut world, "standard-4444444444/2");
        world
    };
    let mut full = all(1);
    let plan = full.plan();
    assert_eq!(kinds(&plan), [] as [&str; 0], "not yet");
    assert_eq!(reason(&plan, NAME), Reason::PolicyOverlap);
    full.pass(300);
    full.shows_the_same();
    let plan = full.plan();
    let letters = ['a', 'b', 'c', 'd'].map(id);
    let gone: Vec<&str> = changes(&plan).into_iter().map(|(_, id)| id).collect();
    assert_eq!(gone, letters);
    assert!(plan.steps.iter().all(|step| step.action.kind() == "DetachPolicy"));
    for letter in 'a'..='d' {
        let effect = Effect::PolicyDetached {
            policy: policy_id(&id(letter)),
            policy_type: scp(),
            account: account_id(ID),
        };
        full.observed.effect(effect, full.now);
    }
    assert_eq!(kinds(&full.plan()), ["Assign"]);
    // With room for all three nobody waits.
    let mut roomy = world("a", "i", &["e"], "ae", 1);
    roomy.entry(NAME).assigned = Some(assigned('4', 2));
    carry(&mut roomy, "standard-4444444444/2");
    assert_eq!(kinds(&roomy.plan()), ["Assign"]);
    // One that is not there in full holds nothing up.
    let mut partly = world("abcd", "ijkl", &["efgh"], "abcdefg", 1);
    partly.entry(NAME).assigned = Some(assigned('4', 2));
    carry(&mut partly, "standard-4444444444/2");
    assert_eq!(kinds(&partly.plan()), ["Assign"]);
    let under_way = format!("attach/{}/{ID}/{}", key(NAME), id('h'));
    partly.in_flight.insert(StepId(under_way));
    assert_eq!(
        kinds(&partly.plan()),
        [] as [&str; 0],
        "but it may be there in a moment"
    );
}

#[test]
fn the_rules_let_only_that_give_way() {
    let broken = |world: &World, letter: char| {
        let mut plan = crate::plan(world.input());
        plan.steps = vec![Step {
            id: StepId("step".into()),
            key: Some(key(NAME)),
            action: Action::DetachPolicy {
                policy: policy_id(&id(letter)),
                policy_type: scp(),
                account: account_id(ID),
            },
            reason: Reason::Pending,
            spends: None,
        }];
        check(world.input(), &plan).len()
    };
    let partly = world("abcd", "ijkl", &["efgh"], "abcdefg", 1);
    assert_eq!((broken(&partly, 'e'), broken(&partly, 'a')), (0, 1));
    assert_eq!(broken(&world("abcd", "ijkl", &["efgh"], "abcdefgh", 1), 'e'), 1);
    assert_eq!(broken(&world("abcd", "ijkl", &[], "abcdefg", 1), 'e'), 1);
    assert_eq!(
        broken(&world("abcd", "ij", &["efgh"], "abcde", 1), 'e'),
        1,
        "there is room"
    );
    let mut unknown = partly.clone();
    unknown.desired.revisions.remove(&revision('1').name);
    assert_eq!(broken(&unknown, 'e'), 1);
}
