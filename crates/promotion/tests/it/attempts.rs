//! Which attempt begins, and what takes its place.

use crate::world::{World, gate, revision, shows, stage, status};
use promotion::{AttemptResult, Phase, RevisionPolicy, StageStep, Standing, Supersede, Why};
use serde_json::{Value, json};

fn two() -> Value {
    let waves = json!({"strategy": {"type": "Waves", "waves": [
        {"name": "one-box", "targets": 1, "bakeTime": "1h"}, {"name": "rest", "targets": "100%"},
    ]}});
    json!([stage("dev", json!({})), stage("prod", waves)])
}

fn world() -> World {
    World::new(two(), &[("dev", 1), ("prod", 3)])
}

#[test]
fn accounts_that_have_it_everywhere_need_no_gate_and_nobody() {
    let strict = json!({"approval": {"required": 3}, "gates": [gate("pre", &["BeforeStage"], json!({}))]});
    let mut world = World::new(
        json!([stage("dev", strict.clone()), stage("prod", strict)]),
        &[("dev", 1), ("prod", 2)],
    );
    world.spec.revision = Some(revision('a').name);
    let step = world.settle();
    shows(&step, Phase::Succeeded, Standing::Ready(Why::Promoted));
    assert_eq!((world.assigned.len(), world.asked.len()), (0, 0));
    assert_eq!(world.state.stable_revision, Some(revision('a')));
    // One that has not: the stage is gone through.
    let mut world = World::new(two(), &[("dev", 1), ("prod", 2)]);
    world.spec.revision = Some(revision('a').name);
    world.targets[2].assigned.as_mut().unwrap().revision = revision('c');
    assert_eq!(world.settle().phase, Phase::Baking);
}

#[test]
fn what_is_refused_says_where_and_why_and_nothing_begins() {
    let check = |change: &dyn Fn(&mut World), why: Why, text: &str| {
        let mut world = world();
        change(&mut world);
        let step = world.settle();
        assert_eq!(status(&step, "Accepted"), (Some(false), why), "{}", step.message);
        assert!(step.message.contains(text), "{}", step.message);
        assert!(world.state.attempt.is_none() && world.assigned.is_empty());
        let stalled = why != Why::RevisionNotFound;
        assert_eq!(matches!(step.standing, Standing::Stalled(_)), stalled);
    };
    check(
        &|world| world.environments = None,
        Why::TargetNotFound,
        "spec.baselineRef",
    );
    check(
        &|world| world.conflict = Some("older".to_owned()),
        Why::Conflicted,
        "older",
    );
    check(
        &|world| {
            world.environments.as_mut().unwrap().remove("prod");
        },
        Why::TargetNotFound,
        "spec.stages[prod].environment",
    );
    check(
        &|world| {
            let fact = world.revisions.get_mut(&revision('b').name).unwrap();
            fact.environments.remove("dev");
        },
        Why::TargetNotFound,
        "spec.stages[dev].environment",
    );
    check(
        &|world| {
            world.revisions.remove(&revision('b').name);
        },
        Why::RevisionNotFound,
        "base-bbbbbbbbbb",
    );
    check(&|world| world.spec.revision = None, Why::Invalid, "spec.revision");
    check(&|world| world.spec.stages.clear(), Why::Invalid, "spec.stages");
}

#[test]
fn p10_an_edit_in_the_middle_counts_for_the_next_attempt() {
    let mut world = world();
    world.settle();
    let snapshot = world.state.attempt.as_ref().unwrap().spec_snapshot_hash.clone();
    world.generation += 1;
    world.spec.stages[1].gates =
        serde_json::from_value(json!([gate("new", &["AfterWave"], json!({}))])).unwrap();
    world.spec.stages[0].environment = "nowhere".to_owned();
    let step = world.settle();
    assert_eq!(step.phase, Phase::Baking);
    assert_eq!(status(&step, "Accepted"), (Some(false), Why::TargetNotFound));
    let step = world.run();
    assert_eq!(world.state.attempt.as_ref().unwrap().spec_snapshot_hash, snapshot);
    assert_eq!(
        (world.outcome().0, world.asked.len()),
        (AttemptResult::Succeeded, 0)
    );
    assert_eq!(step.standing, Standing::Stalled(Why::TargetNotFound));
}

#[test]
fn another_revision_takes_the_place_between_stages_at_once_or_never() {
    for (supersede, ids) in [
        (Supersede::BetweenStages, 2),
        (Supersede::Immediately, 2),
        (Supersede::Never, 2),
    ] {
        let mut world = world();
        world.spec.supersede = supersede;
        world.settle();
        assert_eq!(world.at("prod").state, StageStep::Baking);
        world.spec.revision = Some(revision('c').name);
        world.settle();
        let first = world.state.history.first().map(|entry| entry.result);
        let at_once = (supersede == Supersede::Immediately).then_some(AttemptResult::Superseded);
        assert_eq!(first, at_once);
        if at_once.is_some() {
            assert!(
                !world
                    .state
                    .rejected
                    .iter()
                    .any(|rejected| rejected.hash == revision('b').hash)
            );
            assert_eq!(world.told("PromotionSuperseded"), 1);
        }
        let step = loop {
            let step = world.run();
            if step.standing == Standing::Ready(Why::Promoted) && world.with_revision('c') == 4 {
                break step;
            }
        };
        assert_eq!(step.phase, Phase::Succeeded);
        assert_eq!(world.state.history.len(), ids);
    }
}

#[test]
fn between_stages_the_next_attempt_begins_before_the_stage_does() {
    let approval = json!({"approval": {"required": 1}});
    let mut world = World::new(
        json!([stage("dev", json!({})), stage("prod", approval)]),
        &[("dev", 1), ("prod", 1)],
    );
    world.settle();
    world.spec.revision = Some(revision('c').name);
    world.settle();
    assert_eq!(world.state.attempt.as_ref().unwrap().id, "a-2");
    assert_eq!(world.with_revision('c'), 1);
    assert_eq!(world.state.history[0].result, AttemptResult::Superseded);
    // A revision that cannot be promoted takes nobody's place.
    world.spec.revision = Some(model::RevisionName::parse("base-ffffffffff").unwrap());
    let step = world.settle();
    shows(
        &step,
        Phase::WaitingApproval,
        Standing::Waiting(Why::AwaitingApproval),
    );
}

#[test]
fn a_dry_run_shows_the_plan_and_moves_nothing() {
    let mut world = world();
    world.spec.dry_run = true;
    let step = world.settle();
    shows(&step, Phase::Planned, Standing::Ready(Why::Planned));
    let plan = world.state.plan.clone().unwrap();
    assert_eq!((plan.changed, plan.unchanged), (4, 0));
    assert!(
        plan.summary
            .contains("prod: prod: base-aaaaaaaaaa becomes base-bbbbbbbbbb"),
        "{}",
        plan.summary
    );
    assert_eq!((world.told("PlanReady"), world.assigned.len()), (1, 0));
    world.now += jiff::SignedDuration::from_hours(1);
    world.settle();
    assert_eq!(
        (world.told("PlanReady"), world.state.plan.as_ref()),
        (1, Some(&plan))
    );
    world.spec.dry_run = false;
    assert_eq!(world.run().phase, Phase::Succeeded);
}

#[test]
fn the_newest_revision_is_promoted_by_itself_where_the_policy_says_so() {
    let mut world = world();
    world.spec.revision = None;
    world.spec.revision_policy = RevisionPolicy::Automatic;
    assert_eq!(world.run().phase, Phase::Succeeded);
    world.latest = Some(revision('c'));
    assert_eq!(world.run().phase, Phase::Succeeded);
    assert_eq!(world.with_revision('c'), 4);
}

#[test]
fn a_stage_that_is_added_later_is_gone_through() {
    let mut world = World::new(json!([stage("dev", json!({}))]), &[("dev", 1), ("prod", 2)]);
    world.settle();
    assert_eq!(world.with_revision('b'), 1);
    world.spec.stages = crate::world::stages(two());
    assert_eq!(world.run().phase, Phase::Succeeded);
    assert_eq!((world.with_revision('b'), world.state.history.len()), (3, 2));
}

#[test]
fn what_environments_rely_on_outlives_their_stages() {
    let mut world = world();
    world.run();
    world.spec.stages.truncate(1);
    world.spec.revision = Some(revision('c').name);
    world.run();
    assert_eq!(world.effects().current["prod"], revision('b'));
    assert!(world.effects().references.contains(&revision('b')));
    let late = world.join("prod", None);
    world.settle();
    assert_eq!(
        world.targets[late].assigned.as_ref().unwrap().revision,
        revision('b')
    );
}

#[test]
fn t19_the_younger_of_two_does_nothing() {
    let mut world = world();
    world.settle();
    world.conflict = Some("older".to_owned());
    let before = world.assigned.len();
    let step = world.pass(600);
    assert_eq!(step.standing, Standing::Stalled(Why::Conflicted));
    assert_eq!((world.assigned.len(), world.effects().measure.len()), (before, 0));
    assert!(world.effects().current.is_empty());
}

#[test]
fn p09_a_defect_ends_the_attempt() {
    let mut world = world();
    world.settle();
    let step = world.with(&world.state, &world.targets, |input| {
        promotion::halt(input, "index out of bounds")
    });
    shows(&step, Phase::Stopped, Standing::Stalled(Why::InternalError));
    world.save(&step);
    assert_eq!(world.step().happenings, []);
}

#[test]
fn p28_every_state_has_an_exit() {
    // What is waited for, and what ends it. A state that is not here fails the match below.
    let exits = |state: StageStep| match state {
        StageStep::Pending => "the stage before it ends; or a hold ends; abort",
        StageStep::WaitingApproval => "approvals; a rejection; approval.timeout; abort; another revision",
        StageStep::WaitingWindow => "the next opening is a timer; abort; another revision",
        StageStep::RollingOut => {
            "every account is done, failed, or past targetDeadline, assigned or not; its revision is gone; abort"
        }
        StageStep::Verifying => "a verdict, for errors and failures are counted; reverify; abort",
        StageStep::Baking => "bakeEndsAt is a timer; skip-bake; a verdict; abort",
        StageStep::RollingBack => {
            "every account is back, failed, or past targetDeadline, assigned or not; its revision is gone"
        }
        StageStep::Succeeded | StageStep::Skipped => "the next stage",
        StageStep::Failed | StageStep::RolledBack => "another revision; retry",
    };
    let mut world = World::new(
        json!([stage(
            "prod",
            json!({
                "approval": {"required": 1},
                "windows": [{"type": "Allow", "schedule": "0 9 * * *", "duration": "1h"}],
                "gates": [gate("soak", &["BeforeStage", "AfterWave", "DuringBake"], json!({"interval": "10m"}))],
                "strategy": {"type": "Canary", "canary": {"first": 1, "bakeTime": "1h"}},
                "failurePolicy": {"onBakeFailure": "Rollback"},
            })
        )]),
        &[("prod", 2)],
    );
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..400 {
        let step = world.step();
        let Some(stage) = step.state.stages.first() else {
            panic!("no attempt")
        };
        seen.insert(format!("{:?}", stage.state));
        assert!(!exits(stage.state).is_empty());
        let changed = step.state != world.state;
        world.save(&step);
        let given = world.effects();
        world.act();
        world.work();
        if step.phase == Phase::RolledBack {
            break;
        }
        if changed || !given.assign.is_empty() || !given.measure.is_empty() {
            continue;
        }
        match step.standing {
            Standing::Waiting(Why::AwaitingApproval) => world.decide("alice", None, true),
            _ => world.now = step.wake.expect("a state that nobody ends has a timer"),
        }
        if step.phase == Phase::Baking {
            world
                .says
                .insert("soak".to_owned(), promotion::MeasuredResult::Failure);
        }
    }
    let seen: Vec<String> = seen.into_iter().collect();
    assert_eq!(
        seen,
        [
            "Baking",
            "RolledBack",
            "RollingBack",
            "RollingOut",
            "Verifying",
            "WaitingApproval",
            "WaitingWindow"
        ]
    );
}
