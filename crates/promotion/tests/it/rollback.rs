//! The way back.

use crate::world::{World, account, gate, revision, shows, stage};
use promotion::{AttemptResult, MeasuredResult, Phase, PinFact, StageStep, Standing, Why};
use serde_json::{Value, json};

fn world(more: &Value) -> World {
    let mut prod = json!({"maxFailures": 1, "strategy": {"type": "Waves", "waves": [
        {"name": "one-box", "targets": 1}, {"name": "half", "targets": 4}, {"name": "rest", "targets": "100%"},
    ]}, "gates": [gate("test", &["AfterWave"], json!({}))]});
    for (key, value) in more.as_object().unwrap() {
        prod[key] = value.clone();
    }
    World::new(json!([stage("prod", prod)]), &[("prod", 8)])
}

/// Lets the test fail once four accounts have the revision.
fn fail_at_half(world: &mut World) {
    for _ in 0..200 {
        if world
            .state
            .stages
            .first()
            .is_some_and(|stage| stage.waves[1].started_at.is_some())
        {
            world.says.insert("test".to_owned(), MeasuredResult::Failure);
            return;
        }
        world.round();
    }
    panic!("the second wave never begins");
}

#[test]
fn accounts_go_back_as_many_at_once_as_went_forward() {
    let mut world = world(&json!({}));
    fail_at_half(&mut world);
    let mut most = 0;
    let mut seen = false;
    while world.state.attempt.as_ref().unwrap().outcome.is_none() {
        let step = world.step();
        if step.phase == Phase::RollingBack {
            seen = true;
            assert!(
                step.message.contains("back to base-aaaaaaaaaa"),
                "{}",
                step.message
            );
        }
        world.save(&step);
        let given = world.effects().assign;
        if world.at("prod").state == StageStep::RollingBack {
            assert!(
                given
                    .values()
                    .all(|given| given.rollback && given.by.wave.is_none())
            );
            most = most.max(given.len());
        }
        world.act();
        world.work();
    }
    assert!(seen);
    assert_eq!(most, 2, "one failure allowed, and one");
    assert_eq!((world.with_revision('b'), world.with_revision('a')), (0, 8));
    assert_eq!(
        world.outcome(),
        (AttemptResult::RolledBack, "TestFailed".to_owned())
    );
}

#[test]
fn only_the_wave_goes_back_where_the_scope_says_so() {
    let mut world = world(&json!({"failurePolicy": {"rollbackScope": "Wave"}}));
    fail_at_half(&mut world);
    assert_eq!(world.settle().phase, Phase::RolledBack);
    assert_eq!(world.with_revision('b'), 1, "the one-box stays");
    world.pass(10_000);
    assert_eq!(world.with_revision('b'), 1, "and goes on staying");
}

#[test]
fn p16_there_is_no_way_round_until_a_person_asks_for_one() {
    let mut world = world(&json!({}));
    fail_at_half(&mut world);
    world.settle();
    let made = world.assigned.len();
    for _ in 0..5 {
        let step = world.pass(1000);
        shows(&step, Phase::RolledBack, Standing::Stalled(Why::RolledBack));
    }
    assert_eq!(world.assigned.len(), made);
    // Another revision, and back: it is still known.
    world.says.clear();
    world.spec.revision = Some(revision('c').name);
    assert_eq!(world.run().phase, Phase::Succeeded);
    world.spec.revision = Some(revision('b').name);
    let step = world.settle();
    assert_eq!(step.standing, Standing::Stalled(Why::RevisionRejected));
    assert_eq!(world.with_revision('c'), 8);
    world.requests.retry = Some("now it is good".to_owned());
    assert_eq!(world.run().phase, Phase::Succeeded);
    assert_eq!(world.with_revision('b'), 8);
    assert!(world.state.rejected.is_empty());
    let ids: Vec<&str> = world
        .state
        .history
        .iter()
        .map(|entry| entry.attempt.as_str())
        .collect();
    assert_eq!(ids, ["a-3", "a-2", "a-1"]);
}

#[test]
fn p16_a_rollback_is_not_rolled_back() {
    let mut world = world(&json!({}));
    fail_at_half(&mut world);
    for number in 0..8 {
        world.breaks.insert((account(number), revision('a').hash));
    }
    let step = world.run();
    shows(&step, Phase::Stopped, Standing::Stalled(Why::RollbackFailed));
    assert_eq!(world.told("RollbackStarted"), 1);
    assert_eq!(world.told("RollbackFailed"), 1);
    assert!(
        step.message.contains("4 failed") && step.message.contains("PolicyRefused"),
        "{}",
        step.message
    );
    let made = world.assigned.len();
    world.pass(1000);
    assert_eq!(world.assigned.len(), made, "nothing further moves");
}

#[test]
fn p17_without_a_revision_to_go_back_to_everything_stays() {
    for gone in [false, true] {
        let mut world = world(&json!({}));
        if gone {
            world.revisions.remove(&revision('a').name);
        } else {
            world
                .environments
                .as_mut()
                .unwrap()
                .insert("prod".to_owned(), None);
        }
        fail_at_half(&mut world);
        let step = world.settle();
        shows(&step, Phase::Stopped, Standing::Stalled(Why::NoStableRevision));
        assert_eq!(world.with_revision('b'), 4);
    }
}

#[test]
fn p17_the_event_says_what_a_rollback_changes() {
    let mut world = world(&json!({}));
    fail_at_half(&mut world);
    world.settle();
    let note = &world
        .happenings
        .iter()
        .find(|it| it.reason == "RollbackStarted")
        .unwrap()
        .note;
    assert!(
        note.contains("prod: base-bbbbbbbbbb becomes base-aaaaaaaaaa"),
        "{note}"
    );
}

#[test]
fn p30_no_window_and_no_hold_keeps_accounts_from_going_back() {
    let mut world = world(&json!({"windows": [
        {"type": "Deny", "schedule": "1 8 * * *", "duration": "20h"},
    ]}));
    fail_at_half(&mut world);
    world.now = "2026-09-01T08:30:00Z".parse().unwrap();
    world.spec.suspend = true;
    world.requests.hold = Some("incident".to_owned());
    assert_eq!(world.settle().phase, Phase::RolledBack);
    assert_eq!(world.with_revision('b'), 0);
}

#[test]
fn a_pinned_account_stays_and_is_reported() {
    let mut world = world(&json!({}));
    fail_at_half(&mut world);
    let expires_at = "2027-01-01T00:00:00Z".parse().unwrap();
    world.targets[0].pin = Some(PinFact {
        revision: revision('b').name,
        expires_at,
    });
    assert_eq!(world.settle().phase, Phase::RolledBack);
    assert_eq!(
        (world.with_revision('b'), world.at("prod").targets.pinned),
        (1, 1)
    );
    world.targets[0].pin = None;
    world.settle();
    assert_eq!(world.with_revision('b'), 0, "its pin over, it follows");
}

#[test]
fn an_abort_does_not_leave_a_rollback_half_way() {
    let mut world = world(&json!({}));
    fail_at_half(&mut world);
    world.hangs.insert((account(0), revision('a').hash));
    while world.at("prod").state != StageStep::RollingBack {
        world.round();
    }
    world.requests.abort = Some("a-1".to_owned());
    let step = world.settle();
    assert_eq!(
        (step.phase, world.told("RequestIgnored")),
        (Phase::RollingBack, 1)
    );
    world.hangs.clear();
    let step = world.settle();
    shows(&step, Phase::RolledBack, Standing::Stalled(Why::RolledBack));
    assert_eq!((world.with_revision('b'), world.told("RequestIgnored")), (0, 1));
}

#[test]
fn p28_an_account_that_cannot_be_assigned_does_not_keep_a_rollback_for_ever() {
    let mut world = world(&json!({}));
    fail_at_half(&mut world);
    world.deaf.insert(account(0));
    let step = world.settle();
    assert_eq!(step.phase, Phase::RollingBack);
    assert_eq!(world.with_revision('b'), 1, "it takes no place of others");
    let step = world.run();
    shows(&step, Phase::Stopped, Standing::Stalled(Why::RollbackFailed));
    assert!(
        step.message.contains("3 accounts have base-aaaaaaaaaa again")
            && step
                .message
                .contains("team/account-0000: not assigned within 15m"),
        "{}",
        step.message
    );
    assert_eq!(world.now.to_string(), "2026-09-01T08:15:00Z");
}

/// An attempt that stopped with four accounts at the new revision, and a second one whose first test fails.
fn stopped_then_failed(scope: &str) -> World {
    let mut world = world(&json!({"failurePolicy": {"onTestFailure": "Stop", "rollbackScope": scope}}));
    fail_at_half(&mut world);
    assert_eq!(world.settle().phase, Phase::Stopped);
    assert_eq!(world.with_revision('b'), 4);
    world.spec.stages[0].failure_policy =
        Some(serde_json::from_value(json!({"onTestFailure": "Rollback", "rollbackScope": scope})).unwrap());
    world.requests.retry = Some("again".to_owned());
    world
}

#[test]
fn the_stage_goes_back_with_what_an_earlier_attempt_had_left() {
    let mut world = stopped_then_failed("Stage");
    assert_eq!(world.settle().phase, Phase::RolledBack);
    assert_eq!(world.outcome().0, AttemptResult::RolledBack);
    assert_eq!(world.state.attempt.as_ref().unwrap().id, "a-2");
    assert_eq!((world.with_revision('a'), world.with_revision('b')), (8, 0));
    assert!(world.at("prod").left.is_empty(), "nobody is left with it");
}

#[test]
fn an_account_that_was_pinned_during_the_rollback_goes_back_when_its_pin_ends() {
    let mut world = stopped_then_failed("Stage");
    world.targets[2].pin = Some(PinFact {
        revision: revision('b').name,
        expires_at: "2027-01-01T00:00:00Z".parse().unwrap(),
    });
    assert_eq!(world.settle().phase, Phase::RolledBack);
    assert_eq!(world.with_revision('b'), 1);
    world.targets[2].pin = None;
    world.settle();
    assert_eq!(world.with_revision('b'), 0);
}

#[test]
fn the_rollback_of_one_wave_leaves_what_an_earlier_attempt_had_left() {
    let mut world = stopped_then_failed("Wave");
    assert_eq!(world.settle().phase, Phase::RolledBack);
    world.pass(1000);
    assert_eq!(world.with_revision('b'), 3, "only the one-box went back");
}

#[test]
fn p28_a_rollback_ends_when_its_revision_is_deleted_under_it() {
    let mut world = world(&json!({}));
    fail_at_half(&mut world);
    while world.with_revision('b') > 2 || world.at("prod").state != StageStep::RollingBack {
        world.round();
    }
    assert_eq!(world.outcome_or_none(), None);
    world.revisions.remove(&revision('a').name);
    let step = world.settle();
    shows(&step, Phase::Stopped, Standing::Stalled(Why::NoStableRevision));
    assert_eq!((world.with_revision('b'), world.told("RollbackFailed")), (2, 1));
    for part in [
        "BaselineRevision base-aaaaaaaaaa is gone",
        "2 accounts have base-aaaaaaaaaa again",
        "2 still have base-bbbbbbbbbb",
    ] {
        assert!(step.message.contains(part), "{}", step.message);
    }
}
