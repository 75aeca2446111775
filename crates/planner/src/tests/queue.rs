//! Whose turn it is: fair between namespaces, urgent before not urgent, and nobody starves.

use super::*;
use proptest::prelude::*;

/// An object in this namespace that has the finalizer already.
fn wants(world: &mut World, namespace: &str, number: usize, created: i64) -> AccountKey {
    let name = format!("{namespace}-{number:03}");
    let key = AccountKey::new(namespace, &name);
    let claim = Claim::new(&world.desired.installation, namespace, &name);
    let mut wanted = DesiredAccount {
        key: key.clone(),
        created: at(created),
        ..desired(&name)
    };
    wanted.tags.extend(tags(&[(tag_keys::CLAIM, claim.as_str())]));
    wanted.claim = claim;
    world.desired.accounts.insert(key.clone(), wanted);
    let entry = JournalEntry {
        held: true,
        ..JournalEntry::default()
    };
    world.journal.insert(key.clone(), entry);
    key
}

/// Carries out the intents of a plan, and ends every creation: the accounts are bound.
fn serve(world: &mut World, served: &mut Vec<AccountKey>) {
    for step in world.plan().steps {
        let (Action::Intend(creation, _), Some(key)) = (step.action, step.key) else {
            continue;
        };
        let entry = world.journal.get_mut(&key).unwrap();
        entry.creation = Some(creation);
        entry.account_id = Some(account_id(&format!("1{:011}", served.len())));
        served.push(key);
    }
}

#[test]
fn one_teams_hundreds_do_not_starve_another_teams_one() {
    let mut world = World::new();
    for number in 0..500 {
        wants(
            &mut world,
            "flock",
            number,
            -5000 + i64::try_from(number).unwrap(),
        );
    }
    // A team whose accounts were all made lately already.
    let mut served = Vec::new();
    serve(&mut world, &mut served);
    assert_eq!(served.len(), 8, "the whole window, while nobody else waits");
    let one = wants(&mut world, "loner", 0, 0);
    serve(&mut world, &mut served);
    assert!(served[8..].contains(&one), "among the next that get a place");
    assert_eq!(served[0].name, "flock-000", "the oldest first");
}

#[test]
fn who_had_less_lately_goes_first_and_an_hour_forgets() {
    let mut world = World::new();
    for number in 0..3 {
        wants(&mut world, "auk", number, -100);
        wants(&mut world, "bee-eater", number, -10);
    }
    for number in 0..2 {
        let name = format!("auk-{number:03}");
        let entry = world.journal.get_mut(&AccountKey::new("auk", &name)).unwrap();
        entry.creation = Some(intent(&name, &format!("token0auk0number{number}"), 0));
        entry.account_id = Some(account_id(&format!("1{number:011}")));
    }
    world.limits.creation_window = 1;
    let first = |world: &World| only(&world.plan()).key.clone().unwrap().namespace;
    world.pass(1800);
    assert_eq!(first(&world), "bee-eater");
    world.pass(1800);
    assert_eq!(
        first(&world),
        "auk",
        "the oldest of those who had nothing within an hour"
    );
}

#[test]
fn who_cannot_go_on_does_not_use_up_its_namespaces_turn() {
    let mut world = World::new();
    for number in 0..3 {
        let key = wants(&mut world, "auk", number, -100);
        world.desired.accounts.get_mut(&key).unwrap().suspend = number < 2;
        wants(&mut world, "bee-eater", number, -10);
    }
    world.limits.creation_window = 1;
    assert_eq!(only(&world.plan()).key, Some(AccountKey::new("auk", "auk-002")));
}

/// Accounts whose tags or whose unit is not as it should be.
fn astray(world: &mut World, namespace: &str, number: usize, id: &str, tagged: bool) {
    let key = wants(world, namespace, number, 0);
    let mut account = born(&key.name, id);
    let own = world.desired.accounts[&key].tags.clone();
    account.tags.as_mut().unwrap().extend(own);
    if tagged {
        account.parent = ParentId::parse(WORKLOADS).unwrap();
    } else {
        account.parent = ParentId::parse(PROD).unwrap();
        account
            .tags
            .as_mut()
            .unwrap()
            .remove(&TagKey::parse("team").unwrap());
    }
    world.has(account);
    let entry = world.journal.get_mut(&key).unwrap();
    *entry = JournalEntry {
        account_id: Some(account_id(id)),
        verified_role: Some(format!("arn:aws:iam::{id}:role/BulkheadAccess")),
        ..remembered()
    };
}

#[test]
fn steps_of_one_class_go_round_the_namespaces() {
    let mut world = World::new();
    for number in 0..4 {
        astray(&mut world, "auk", number, &format!("10000000000{number}"), true);
    }
    astray(&mut world, "bee-eater", 0, "200000000000", true);
    let next = |world: &World| {
        let steps = world.plan().steps.into_iter();
        let mut steps = steps.filter(|step| step.action.mutates_aws());
        steps.next().unwrap()
    };
    let first = next(&world);
    assert_eq!(first.key.as_ref().unwrap().namespace, "auk");
    world.turns.started(&first);
    let second = next(&world);
    assert_eq!(
        second.key.as_ref().unwrap().namespace,
        "bee-eater",
        "auk has had its turn"
    );
    world.turns.started(&second);
    assert_eq!(next(&world).key.unwrap().namespace, "auk");
}

#[test]
fn tags_go_before_moves_until_moves_have_waited_too_long() {
    let mut world = World::new();
    astray(&mut world, "auk", 0, "100000000000", true);
    astray(&mut world, "bee-eater", 0, "200000000000", false);
    let order = |world: &World| {
        let mut kinds = kinds(&world.plan());
        kinds.retain(|kind| *kind != "VerifyAccess" && *kind != "Release");
        kinds
    };
    assert_eq!(order(&world), ["TagAccount", "MoveAccount"]);
    world
        .turns
        .passed_over(&BTreeSet::from([model::Class::Moves]), world.now);
    world.pass(4);
    assert_eq!(order(&world), ["TagAccount", "MoveAccount"]);
    world.pass(1);
    assert_eq!(order(&world), ["MoveAccount", "TagAccount"]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    /// While several namespaces wait, none is ahead of another by more than one, from whichever state they begin; and in
    /// each the oldest go first.
    #[test]
    fn no_waiting_namespace_falls_behind(sizes in prop::collection::vec(1_usize..12, 1..6), ages in prop::collection::vec(-900_i64..0, 12), window in 1_usize..9) {
        let mut world = World::new();
        world.limits.creation_window = window;
        for (team, size) in sizes.iter().enumerate() {
            for (number, age) in ages.iter().take(*size).enumerate() {
                wants(&mut world, &format!("team-{team}"), number, *age);
            }
        }
        let created: BTreeMap<_, _> = world.desired.accounts.values().map(|account| (account.key.clone(), account.created)).collect();
        let mut served = Vec::new();
        while served.len() < created.len() {
            let before = served.len();
            serve(&mut world, &mut served);
            prop_assert!(served.len() > before, "somebody starves");
            world.pass(1);
            let count = |team: usize| served.iter().filter(|key| key.namespace == format!("team-{team}")).count();
            for (ahead, _) in sizes.iter().enumerate() {
                for (waiting, size) in sizes.iter().enumerate() {
                    prop_assert!(count(waiting) == *size || count(ahead) <= count(waiting) + 1);
                }
            }
        }
        for team in 0..sizes.len() {
            let own: Vec<_> = served.iter().filter(|key| key.namespace == format!("team-{team}")).map(|key| created[key]).collect();
            // Within one plan the order of intents does not matter.
            let mut sorted = own.clone();
            sorted.sort();
            if window == 1 {
                prop_assert_eq!(own, sorted);
            }
        }
    }
}
