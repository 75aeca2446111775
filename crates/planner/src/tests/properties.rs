//! What holds for the plan of any world, also of such as should not exist.

use super::{
    toy_policies::{full_access, made, policy_id, scp, wanted_policies, wanted_policy},
    *,
};
use model::PolicyTypeState;
use proptest::prelude::*;

/// One object and what is around it, in small numbers.
#[derive(Clone, Debug)]
struct Bird {
    memory: u8,
    attempt: u8,
    account: u8,
    request: u8,
    hold: u8,
    age: i64,
    /// Wanted, wanted and bound, bound and suspended, leaving, of a name that others have as well.
    kind: u8,
    /// Which policies its revision wants, and which the account has.
    wants: u8,
    has: u8,
}

prop_compose! {
    fn bird()(
        memory in 0_u8..4, attempt in 0_u8..7, account in 0_u8..12, request in 0_u8..6, hold in 0_u8..6,
        age in 0_i64..1500, kind in 0_u8..6, wants in 0_u8..4, has in 0_u8..32,
    ) -> Bird {
        Bird { memory, attempt, account, request, hold, age, kind, wants, has }
    }
}

#[derive(Clone, Debug)]
struct Surroundings {
    mark: u8,
    observe: bool,
    units: u8,
    look_age: i64,
    mark_age: i64,
    policy_type: u8,
    policies: u8,
}

prop_compose! {
    fn surroundings()(
        mark in 0_u8..8, observe in prop::bool::weighted(0.1), units in 0_u8..4, look_age in 0_i64..1500,
        mark_age in 0_i64..40, policy_type in 0_u8..8, policies in 0_u8..5,
    ) -> Surroundings {
        Surroundings { mark, observe, units, look_age, mark_age, policy_type, policies }
    }
}

/// Builds the world, taking the birds in this order.
fn build<'b>(birds: impl Iterator<Item = (usize, &'b Bird)>, around: &Surroundings) -> World {
    let now = 2000;
    let mut world = World::unread();
    world.now = at(now - around.look_age);
    if around.units < 3 {
        let chain = [unit(WORKLOADS, ROOT, "Workloads"), unit(PROD, WORKLOADS, "Prod")];
        world.full_of(chain.into_iter().take(around.units.into()).collect());
    }
    let read = at(now - around.mark_age);
    match around.mark {
        0 => {}
        1 => world.mark.on_read(None, read),
        2 => world.mark.on_read(Some("acme:uid-of-another".into()), read),
        3 => {
            world.mark.on_written(at(now - 40));
            world.mark.on_read(Some(OWN.into()), read);
        }
        _ => world.mark.on_read(Some(OWN.into()), read),
    }
    if around.observe {
        world.limits.mode = Mode::Observe;
    }
    have_policies(&mut world, around);
    let mut in_progress = Vec::new();
    for (number, bird) in birds {
        place(&mut world, number, bird, now, &mut in_progress);
    }
    in_progress.sort_by(|a, b| a.id.cmp(&b.id));
    if world.observed.full.is_some() {
        world.look(in_progress);
    }
    world.now = at(now);
    world
}

/// The policies `a` to `e` of the organization, as far as they exist; `b` may be somebody else's, `c` another content.
fn have_policies(world: &mut World, around: &Surroundings) {
    let state = match around.policy_type {
        0 => None,
        1 => Some(PolicyTypeState::PendingEnable),
        2 => Some(PolicyTypeState::PendingDisable),
        _ => Some(PolicyTypeState::Enabled),
    };
    let began = world.now;
    let types = state.map(|state| (scp(), state)).into_iter().collect();
    world
        .observed
        .observe(Observation::PolicyTypes { began, types }, began);
    if around.policies == 0 {
        return;
    }
    let letters = "abcde".chars().take(usize::from(around.policies) + 1);
    let policies = letters.map(|letter| {
        let mut policy = made(&wanted_policy(letter), &policy_name(letter));
        match (letter, around.policies) {
            ('b', 2) => policy.tags = Some(Tags::new()),
            ('b', 3) => policy.tags = None,
            ('c', 3) => policy.content = wanted_policy('x').content.into(),
            ('c', 4) => policy.content = None,
            _ => {}
        }
        policy
    });
    let read = Observation::Policies {
        began,
        policy_type: scp(),
        policies: policies.chain([full_access()]).collect(),
    };
    world.observed.observe(read, began);
}

fn policy_name(letter: char) -> String {
    format!("p-{}", String::from(letter).repeat(8))
}

/// Which policies the account has, and how that is known.
fn attach(world: &mut World, bird: &Bird, account: &AccountId) {
    let letters = "abcd".chars().enumerate();
    let has = letters.filter(|(bit, _)| bird.has & (1 << bit) != 0);
    let ids: Vec<_> = has.map(|(_, letter)| policy_id(&policy_name(letter))).collect();
    let began = world.now;
    let read = |ids: Vec<model::PolicyId>| Observation::Attachments {
        began,
        account: account.clone(),
        policy_type: scp(),
        attached: Some(ids.into_iter().map(|id| (id, "name".into())).collect()),
    };
    if bird.has & 16 == 0 {
        world.observed.observe(read(ids), began);
        return;
    }
    world.observed.observe(read(vec![]), began);
    for policy in ids {
        let effect = model::Effect::PolicyAttached {
            policy,
            policy_type: scp(),
            account: account.clone(),
        };
        world.observed.effect(effect, began);
    }
}

fn place(world: &mut World, number: usize, bird: &Bird, now: i64, in_progress: &mut Vec<CreationRecord>) {
    let name = format!("wren-{number}");
    let id = format!("1{number:011}");
    let car = format!("wrenrequest{number}");
    let wanted = world.want(&name);
    wanted.suspend = bird.kind == 2;
    wanted.created = at(-bird.age);
    wanted.policies = wanted_policies(["", "ab", "bc", "a"][usize::from(bird.wants)]);
    if bird.kind == 5 {
        wanted.account_name = AccountName::parse("wren").unwrap();
    }
    let account_name = wanted.account_name.clone();
    let attempt = match bird.attempt {
        0 => Some(Attempt::Fresh { look: 1 }),
        1 => Some(Attempt::Fresh { look: 2 }),
        2 => Some(Attempt::Sending),
        3 => Some(Attempt::Refused),
        4 => Some(Attempt::Accepted(request_id(&car))),
        5 => Some(Attempt::Unknown),
        _ => None,
    };
    world.entry(&name).held = bird.memory > 0;
    if bird.memory > 1 {
        let creation = world.attempt(&name, &format!("token0wren0number{number:02}"), attempt);
        creation.started_at = at(now - bird.age);
        creation.account_name = account_name.clone();
        if bird.memory > 2 {
            creation.request_id = Some(request_id(&car));
        }
    }
    let state = match bird.request {
        0 => Some(CreationState::InProgress),
        1 => Some(CreationState::Succeeded(account_id(&id))),
        2 => Some(CreationState::Failed("EMAIL_ALREADY_EXISTS".into())),
        3 => Some(CreationState::Failed("INTERNAL_FAILURE".into())),
        4 => Some(CreationState::Unknown),
        _ => None,
    };
    if let Some(state) = state {
        let record = record(&car, account_name.as_str(), state);
        if record.state == CreationState::InProgress {
            in_progress.push(record.clone());
        }
        world
            .observed
            .effect(model::Effect::CreationAccepted(record), at(now - bird.age));
    }
    let other = born("sparrow", &id);
    let account = match bird.account {
        0 => Some(born(&name, &id)),
        1 => Some(ObservedAccount {
            tags_confirmed: false,
            ..born(&name, &id)
        }),
        2 => Some(ObservedAccount {
            tags: None,
            tags_confirmed: false,
            ..born(&name, &id)
        }),
        3 => Some(ObservedAccount {
            tags: other.tags,
            ..born(&name, &id)
        }),
        4 => Some(ObservedAccount {
            email: other.email,
            ..born(&name, &id)
        }),
        5 => Some(ObservedAccount {
            state: AccountState::Closed,
            ..born(&name, &id)
        }),
        6 => Some(ObservedAccount {
            state: AccountState::PendingActivation,
            ..born(&name, &id)
        }),
        7 => Some(ObservedAccount {
            tags: Some(Tags::new()),
            ..born(&name, &id)
        }),
        8 => Some(ObservedAccount {
            parent: ParentId::parse(PROD).unwrap(),
            ..born(&name, &id)
        }),
        9 if number == 0 => Some(ObservedAccount {
            id: account_id(MANAGEMENT),
            ..born(&name, &id)
        }),
        _ => None,
    };
    if let Some(account) = account {
        if (1..4).contains(&bird.kind) {
            world.entry(&name).account_id = Some(account.id.clone());
        }
        if bird.has != 0 {
            attach(world, bird, &account.id);
        }
        world.has(account);
    }
    let kind = match bird.hold {
        1 => HoldKind::Wait,
        2 => HoldKind::Stalled,
        _ => HoldKind::Retry,
    };
    if bird.hold < 4 {
        let rest = now - 30 + bird.age % 60 - world.now.duration_since(at(0)).as_secs();
        for step in plan(world.input())
            .steps
            .into_iter()
            .filter(|step| step.key == Some(key(&name)))
        {
            world.holds(
                &step.id.0,
                kind,
                Reason::Throttled,
                rest,
                u32::from(bird.hold) + 1,
            );
        }
    }
    if matches!(bird.kind, 3 | 4) {
        let gone = world.desired.accounts.remove(&key(&name)).unwrap();
        world.desired.leaving.insert(key(&name), gone.claim);
        world.entry(&name).deleting = true;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn any_world_has_a_good_plan(birds in prop::collection::vec(bird(), 0..10), around in surroundings()) {
        let world = build(birds.iter().enumerate(), &around);
        let input = world.input();
        let made = plan(input);

        // Deterministic: the same input gives the same plan, however it was put together.
        prop_assert_eq!(&made, &plan(input));
        let backwards = build(birds.iter().enumerate().collect::<Vec<_>>().into_iter().rev(), &around);
        if birds.iter().all(|bird| bird.hold >= 4) {
            prop_assert_eq!(&made, &plan(backwards.input()));
        }

        // The checker, which is written apart from the planner, agrees.
        prop_assert_eq!(check(input, &made), vec![]);

        // Each accepted object has one view, nothing else has one.
        prop_assert!(made.accounts.keys().eq(world.desired.accounts.keys()));

        // No change of AWS unless the mark is ours, but for the mark itself.
        if world.mark.verdict(world.now) != model::MarkVerdict::Ours || around.observe {
            let changes = |step: &&Step| step.action.mutates_aws() && !matches!(step.action, Action::WriteMark { .. });
            prop_assert_eq!(made.steps.iter().find(changes), None);
        }

        // At most five creations in flight, those of this plan included.
        let sending = world.attempts.values().filter(|attempt| **attempt == Attempt::Sending).count();
        let calls = creates(&made).len();
        prop_assert!(calls == 0 || calls + sending + world.observed.in_progress().count() <= 5);

        // Nothing is done that rests or is under way.
        for step in &made.steps {
            let rests = world.held.get(&step.id).is_some_and(|hold| hold.until > world.now);
            prop_assert!(!rests, "{} rests", step.id);
        }

        // No state without exit: something is looked at now, or will be, and never in the past.
        prop_assert!(made.wake.is_some() || !made.reads.is_empty());
        prop_assert!(made.wake.is_none_or(|wake| wake > world.now), "a wake-up in the past is a busy loop");

        // A step that is proposed and rests afterwards wakes the loop in time.
        let mut rested = world.clone();
        for step in &made.steps {
            rested.holds(&step.id.0, HoldKind::Wait, Reason::FinalizingOrganization, 3, 1);
        }
        let after = plan(rested.input());
        let asked = |plan: &Plan| plan.steps.iter().map(|step| step.id.clone()).collect::<BTreeSet<_>>();
        let gone: Vec<_> = asked(&made).intersection(&asked(&after)).cloned().collect();
        prop_assert_eq!(gone, vec![]);
        if !made.steps.is_empty() {
            let wake = after.wake.unwrap_or(Timestamp::MAX);
            prop_assert!(wake <= rested.now.checked_add(secs(3)).unwrap() || !after.reads.is_empty());
        }

        // Whoever is not Ready and needs no person is told why; Ready asks for nothing but what it re-proves.
        for (key, view) in &made.accounts {
            let own = made.steps.iter().filter(|step| step.key.as_ref() == Some(key));
            if view.verdict == Verdict::Ready {
                for step in own {
                    prop_assert!(matches!(step.action, Action::VerifyAccess { .. } | Action::Release), "{}", step.id);
                }
            } else if let Verdict::Working(_, message) | Verdict::Waiting(_, message) | Verdict::Refused(_, message) =
                &view.verdict
            {
                prop_assert!(!message.is_empty());
            }
        }
    }
}
