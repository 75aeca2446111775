//! The checker must be able to fail: each rule with a plan that breaks it.

use super::*;

const ID: &str = "100000000001";

/// The rules that a plan of these steps breaks.
fn rules(world: &World, actions: Vec<(&str, Action)>) -> Vec<&'static str> {
    let mut plan = plan(world.input());
    plan.steps = actions
        .into_iter()
        .enumerate()
        .map(|(number, (name, action))| Step {
            id: StepId(format!("step {number}")),
            key: Some(key(name)),
            action,
            reason: Reason::Pending,
            spends: None,
        })
        .collect();
    check(world.input(), &plan)
        .into_iter()
        .map(|finding| finding.rule)
        .collect()
}

fn world() -> World {
    let mut world = World::new();
    world.settled("heron-prod", ID);
    world.want("gull-prod");
    world.attempt(
        "gull-prod",
        "token0gull0number0",
        Some(Attempt::Fresh { look: 1 }),
    );
    world
}

fn tag(id: &str) -> Action {
    Action::TagAccount {
        account: account_id(id),
        tags: tags(&[("team", "owls")]),
    }
}

fn call(name: &str, token: &str) -> Action {
    let DesiredAccount {
        email,
        account_name,
        role_name,
        mut tags,
        ..
    } = desired(name);
    tags.extend(super::tags(&[(tag_keys::REVISION, &assigned('1', 1).tag())]));
    Action::CreateAccount {
        token: Token::parse(token).unwrap(),
        email,
        account_name,
        role_name,
        tags,
    }
}

fn good_call() -> (&'static str, Action) {
    ("gull-prod", call("gull-prod", "token0gull0number0"))
}

#[test]
fn a_good_plan_passes() {
    assert_eq!(
        rules(&world(), vec![("heron-prod", tag(ID)), good_call()]),
        [] as [&str; 0]
    );
}

#[test]
fn the_same_step_twice() {
    let world = world();
    let mut plan = plan(world.input());
    let step = plan.steps[0].clone();
    plan.steps = vec![step.clone(), step];
    assert_eq!(check(world.input(), &plan)[0].rule, "each step once");
}

#[test]
fn a_change_without_the_mark() {
    let mut world = world();
    world.mark.on_read(Some("acme:uid-of-another".into()), at(0));
    let rule = "AWS is changed only while the installation mark is ours";
    assert_eq!(rules(&world, vec![("heron-prod", tag(ID))]), [rule]);
    assert_eq!(
        rules(
            &world,
            vec![("heron-prod", Action::WriteMark { value: OWN.into() })]
        ),
        [] as [&str; 0]
    );
}

#[test]
fn a_change_in_mode_observe() {
    let mut world = world();
    world.limits.mode = Mode::Observe;
    assert_eq!(
        rules(&world, vec![("heron-prod", tag(ID))]),
        ["mode Observe changes nothing in AWS"]
    );
    let mark = Action::WriteMark { value: OWN.into() };
    assert_eq!(
        rules(&world, vec![("heron-prod", mark)]),
        ["mode Observe changes nothing in AWS"]
    );
}

#[test]
fn a_call_without_a_look() {
    let rule = "a look that began after the intent comes before each CreateAccount";
    for attempt in [Attempt::Fresh { look: 2 }, Attempt::Refused] {
        let mut world = world();
        world
            .attempts
            .insert(Token::parse("token0gull0number0").unwrap(), attempt);
        assert_eq!(rules(&world, vec![good_call()]), [rule]);
    }
}

#[test]
fn a_call_without_its_intent() {
    let rule = "a stored intent with the same values comes before each CreateAccount";
    let mut without = world();
    without.entry("gull-prod").creation = None;
    let mut another = world();
    another.entry("gull-prod").creation.as_mut().unwrap().token = Token::parse("token0gull0another").unwrap();
    let mut edited = world();
    edited.entry("gull-prod").creation.as_mut().unwrap().email = Email::parse("egret@example.com").unwrap();
    for world in [without, another, edited] {
        assert_eq!(rules(&world, vec![good_call()]), [rule]);
    }
}

#[test]
fn a_call_without_the_claim() {
    let (name, mut action) = good_call();
    if let Action::CreateAccount { tags, .. } = &mut action {
        tags.retain(|key, _| key.as_str() != tag_keys::CLAIM);
    }
    assert_eq!(
        rules(&world(), vec![(name, action)]),
        ["no account without a claim tag"]
    );
}

#[test]
fn more_calls_than_aws_allows() {
    let mut world = world();
    let strays = (0..5).map(|n| record(&format!("strayrequest{n}"), "pelican", CreationState::InProgress));
    world.look(strays.collect());
    assert_eq!(
        rules(&world, vec![good_call()]),
        ["AWS allows five creations in flight"]
    );
    world.look(vec![]);
    for bird in 0..5 {
        let attempt = if bird < 3 {
            Attempt::Sending
        } else {
            Attempt::Unknown
        };
        world.attempt(
            &format!("tern-{bird}"),
            &format!("token0tern0number{bird}"),
            Some(attempt),
        );
    }
    assert_eq!(
        rules(&world, vec![good_call()]),
        ["AWS allows five creations in flight"]
    );
}

#[test]
fn an_intent_without_the_finalizer() {
    let mut world = world();
    world.entry("gull-prod").held = false;
    let intend = Action::Intend(intent("gull-prod", "token0gull0number1", 0), assigned('1', 1));
    assert_eq!(
        rules(&world, vec![("gull-prod", intend)]),
        ["the finalizer comes before each intent"]
    );
}

#[test]
fn an_intent_over_one_under_way() {
    for attempt in [Attempt::Sending, Attempt::Accepted(request_id("gullrequest"))] {
        let mut world = world();
        world
            .attempts
            .insert(Token::parse("token0gull0number0").unwrap(), attempt);
        let intend = Action::Intend(intent("gull-prod", "token0gull0number1", 0), assigned('1', 1));
        assert_eq!(
            rules(&world, vec![("gull-prod", intend)]),
            ["an intent under way is not replaced"]
        );
        let rule = "the finalizer stays while a creation is under way";
        assert_eq!(rules(&world, vec![("gull-prod", Action::Release)]), [rule]);
    }
}

#[test]
fn a_withdrawal_of_what_may_have_been_sent() {
    let mut world = world();
    let token = Token::parse("token0gull0number0").unwrap();
    let withdraw = || {
        vec![(
            "gull-prod",
            Action::Withdraw {
                token: Token::parse("token0gull0number0").unwrap(),
            },
        )]
    };
    assert_eq!(rules(&world, withdraw()), [] as [&str; 0]);
    world.attempts.insert(token, Attempt::Unknown);
    assert_eq!(
        rules(&world, withdraw()),
        ["only an intent that was never sent is taken back"]
    );
}

#[test]
fn a_change_of_the_management_account() {
    let mut world = world();
    world.entry("heron-prod").account_id = Some(account_id(MANAGEMENT));
    assert_eq!(
        rules(&world, vec![("heron-prod", tag(MANAGEMENT))]),
        ["the management account is never touched"]
    );
}

#[test]
fn a_change_of_somebody_elses_account() {
    let mut world = world();
    world.has(born("stork-prod", "100000000002"));
    let theirs = account_id("100000000002");
    let actions = [
        tag("100000000002"),
        Action::UntagAccount {
            account: theirs.clone(),
            keys: keys(&["team"]),
        },
        Action::MoveAccount {
            account: theirs,
            from: ParentId::parse(ROOT).unwrap(),
            to: ParentId::parse(PROD).unwrap(),
        },
    ];
    for action in actions {
        let rule = "only accounts with this object's claim are changed";
        assert_eq!(rules(&world, vec![("heron-prod", action)]), [rule]);
    }
}

#[test]
fn an_object_without_a_state() {
    let world = world();
    let mut plan = plan(world.input());
    plan.accounts.remove(&key("heron-prod"));
    assert_eq!(
        check(world.input(), &plan)[0].rule,
        "each accepted object has its state"
    );
}
