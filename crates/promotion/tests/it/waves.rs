//! Members, waves, budgets.

use crate::world::{World, account, gate, revision, shows, stage, status};
use promotion::{AttemptResult, Phase, PinFact, Share, StageStep, Standing, WaveStep, Why};
use serde_json::json;

fn waves(more: &serde_json::Value) -> serde_json::Value {
    let mut whole = json!({"strategy": {"type": "Waves", "waves": [
        {"name": "one-box", "targets": 1, "bakeTime": "1h"},
        {"name": "rest", "targets": "100%"},
    ]}});
    for (key, value) in more.as_object().unwrap() {
        whole[key] = value.clone();
    }
    whole
}

#[test]
fn p03_health_of_the_revision_before_counts_for_nothing() {
    let mut world = World::new(json!([stage("prod", json!({}))]), &[("prod", 1)]);
    let step = world.step();
    world.save(&step);
    world.act();
    // Assigned, and still Ready for what it had before.
    world.targets[0].ready = true;
    let step = world.step();
    assert_eq!(step.phase, Phase::RollingOut);
    world.targets[0].applied = Some(revision('b').hash);
    world.targets[0].observed = false;
    assert_eq!(world.step().phase, Phase::RollingOut);
    world.targets[0].observed = true;
    world.targets[0].access_verified = false;
    assert_eq!(world.step().phase, Phase::RollingOut);
    world.targets[0].access_verified = true;
    assert_eq!(world.step().phase, Phase::Succeeded);
}

#[test]
fn p21_an_account_out_of_reach_counts_as_failed_and_blocks_nobody() {
    let spec = json!({"maxFailures": 1, "strategy": {"type": "AllAtOnce", "targetDeadline": "15m"}});
    let mut world = World::new(json!([stage("prod", spec)]), &[("prod", 4)]);
    world.hangs.insert((account(0), revision('b').hash));
    let step = world.settle();
    assert_eq!((world.with_revision('b'), step.phase), (4, Phase::RollingOut));
    assert_eq!(step.wake.unwrap().to_string(), "2026-09-01T08:15:00Z");
    let step = world.run();
    shows(&step, Phase::Succeeded, Standing::Ready(Why::Promoted));
    assert_eq!(world.at("prod").targets.unreachable, 1);
    assert_eq!(
        status(&step, "TargetsHealthy"),
        (Some(false), Why::TargetUnreachable)
    );
}

#[test]
fn an_account_that_was_done_and_is_being_edited_has_its_own_time() {
    let spec = json!({"strategy": {"type": "Canary", "canary": {"first": 1, "bakeTime": "2h"}}});
    let mut world = World::new(json!([stage("prod", spec)]), &[("prod", 2)]);
    world.settle();
    world.pass(60);
    world.targets[0].observed = false;
    assert_eq!(world.pass(5).phase, Phase::Baking);
    world.targets[0].observed = true;
    world.pass(1);
    assert!(world.at("prod").changing.is_empty());
    world.targets[0].observed = false;
    world.pass(1);
    // Still so after the deadline of an account: it is lost.
    world.pass(16);
    assert_eq!(
        world.outcome(),
        (AttemptResult::Stopped, "BudgetExceeded".to_owned())
    );
}

#[test]
fn p22_no_batch_is_bigger_than_the_failures_allowed_and_one() {
    let spec = json!({"maxFailures": 2, "strategy": {"type": "AllAtOnce", "maxConcurrency": "100%"}});
    let mut world = World::new(json!([stage("prod", spec)]), &[("prod", 20)]);
    for number in 0..20 {
        world.breaks.insert((account(number), revision('b').hash));
    }
    let step = world.settle();
    shows(&step, Phase::Stopped, Standing::Stalled(Why::BudgetExceeded));
    assert_eq!(world.with_revision('b'), 3);
    assert_eq!(world.at("prod").targets.failed, 3);
    assert!(
        step.message.contains("PolicyRefused: AWS says no"),
        "{}",
        step.message
    );
    assert_eq!(world.told("PromotionStopped"), 1);
}

#[test]
fn failures_within_the_budget_shrink_the_batch_and_block_nothing() {
    let spec = json!({"maxFailures": "10%"});
    let mut world = World::new(json!([stage("prod", spec)]), &[("prod", 20)]);
    world.breaks.insert((account(0), revision('b').hash));
    let step = world.round();
    assert_eq!(
        (step.state.stages[0].concurrency, world.with_revision('b')),
        (Some(3), 3)
    );
    let step = world.round();
    assert_eq!(step.state.stages[0].concurrency, Some(2));
    let step = world.settle();
    shows(&step, Phase::Succeeded, Standing::Ready(Why::Promoted));
    assert_eq!(
        (world.at("prod").targets.failed, world.at("prod").targets.updated),
        (1, 19)
    );
}

#[test]
fn p23_waves_take_every_account_once_whatever_the_percentages() {
    for total in 1..40 {
        let list = json!({"strategy": {"type": "Waves", "waves": [
            {"name": "a", "targets": "3%"}, {"name": "b", "targets": "10%"}, {"name": "c", "targets": "100%"},
        ]}});
        let mut world = World::new(json!([stage("prod", list)]), &[("prod", total)]);
        let step = world.settle();
        assert_eq!(step.phase, Phase::Succeeded);
        assert_eq!(
            (world.assigned.len(), world.with_revision('b')),
            (total as usize, total as usize)
        );
        let ends: Vec<u32> = world.at("prod").waves.iter().map(|wave| wave.targets).collect();
        assert!(ends.is_sorted() && ends[0] == 1 && ends[2] == total, "{ends:?}");
    }
    assert_eq!(Share::Percent(10).at_least_one(5), 1);
}

#[test]
fn p24_members_are_frozen_late_ones_join_the_next_wave_and_gone_ones_drop_out() {
    let mut world = World::new(json!([stage("prod", waves(&json!({})))]), &[("prod", 4)]);
    world.settle();
    let frozen = world.at("prod").targets_snapshot_hash.clone();
    let late = world.join("prod", None);
    world.targets[3].leaving = true;
    world.settle();
    let has = world.targets[late].assigned.as_ref().unwrap();
    assert_eq!(has.revision, revision('a'), "at once what succeeded here");
    assert_eq!(world.at("prod").targets.retired, 1);
    let step = world.run();
    assert_eq!(step.phase, Phase::Succeeded);
    assert_eq!(
        world.targets[late].assigned.as_ref().unwrap().revision,
        revision('b')
    );
    assert_eq!(
        world.targets[3].assigned.as_ref().unwrap().revision,
        revision('a')
    );
    assert_eq!(world.at("prod").targets_snapshot_hash, frozen);
    // After the last wave: what succeeded.
    let later = world.join("prod", None);
    world.settle();
    assert_eq!(
        world.targets[later].assigned.as_ref().unwrap().revision,
        revision('b')
    );
    assert_eq!(world.state.history.len(), 1);
}

#[test]
fn a_wave_whose_accounts_all_went_away_takes_others() {
    let mut world = World::new(json!([stage("prod", waves(&json!({})))]), &[("prod", 3)]);
    let step = world.step();
    world.save(&step);
    world.targets[0].leaving = true;
    let step = world.settle();
    assert_eq!((step.phase, world.with_revision('b')), (Phase::Baking, 1));
}

#[test]
fn p27_accounts_are_taken_in_the_order_of_their_ids() {
    let mut world = World::new(json!([stage("prod", json!({}))]), &[("prod", 6)]);
    world.targets.reverse();
    world.settle();
    let order: Vec<_> = world.assigned.iter().map(|(id, _)| id.clone()).collect();
    assert!(order.is_sorted() && order.len() == 6);
}

#[test]
fn p31_a_pinned_account_is_left_out_and_joins_when_its_pin_ends() {
    let mut world = World::new(json!([stage("prod", waves(&json!({})))]), &[("prod", 3)]);
    let expires_at = "2026-09-01T08:30:00Z".parse().unwrap();
    world.targets[0].pin = Some(PinFact {
        revision: revision('a').name,
        expires_at,
    });
    let step = world.settle();
    assert_eq!(step.wake, Some(expires_at), "the end of a pin is a timer");
    assert_eq!(
        (world.at("prod").targets.pinned, world.told("TargetPinned")),
        (1, 1)
    );
    assert_eq!(
        world.targets[0].assigned.as_ref().unwrap().revision,
        revision('a')
    );
    world.now = expires_at;
    world.targets[0].pin = None;
    world.settle();
    assert_eq!(world.told("PinExpired"), 1);
    assert_eq!(
        world.targets[0].assigned.as_ref().unwrap().revision,
        revision('a'),
        "not in a wave that baked without it"
    );
    let step = world.run();
    assert_eq!((step.phase, world.with_revision('b')), (Phase::Succeeded, 3));
}

#[test]
fn p35_an_empty_stage_stops_or_is_passed_over() {
    let both = |on_empty: &str| {
        json!([
            stage("dev", json!({"onEmpty": on_empty})),
            stage("prod", json!({}))
        ])
    };
    let mut world = World::new(both("Stop"), &[("prod", 1)]);
    world
        .environments
        .as_mut()
        .unwrap()
        .insert("dev".to_owned(), None);
    let step = world.settle();
    shows(&step, Phase::Stopped, Standing::Stalled(Why::NoTargets));
    assert_eq!(world.with_revision('b'), 0);
    let mut world = World::new(both("Skip"), &[("prod", 1)]);
    world
        .environments
        .as_mut()
        .unwrap()
        .insert("dev".to_owned(), None);
    let step = world.settle();
    assert_eq!(
        (step.phase, world.at("dev").state),
        (Phase::Succeeded, StageStep::Skipped)
    );
    assert_eq!(world.effects().current["dev"], revision('b'));
}

#[test]
fn a_stage_has_the_revision_only_after_the_stage_before_it() {
    let mut world = World::new(
        json!([
            stage("dev", json!({})),
            stage(
                "prod",
                waves(&json!({"gates": [gate("test", &["AfterWave"], json!({}))]}))
            )
        ]),
        &[("dev", 3), ("prod", 3)],
    );
    world.hangs.insert((account(2), revision('b').hash));
    world.settle();
    assert_eq!(
        (world.with_revision('b'), world.at("prod").state),
        (3, StageStep::Pending)
    );
    world.hangs.clear();
    world.settle();
    assert_eq!(world.at("prod").waves[0].state, WaveStep::Baking);
    assert_eq!(world.effects().current["dev"], revision('b'));
    assert_eq!(world.effects().current["prod"], revision('a'));
}

#[test]
fn accounts_behind_what_succeeded_are_offered_it_and_get_it_at_the_deadline() {
    let spec = json!({"optIn": {"deadline": "24h"}});
    let mut world = World::new(json!([stage("prod", spec)]), &[("prod", 4)]);
    let expires_at = "2026-09-01T09:00:00Z".parse().unwrap();
    for number in [0, 1] {
        world.targets[number].pin = Some(PinFact {
            revision: revision('a').name,
            expires_at,
        });
    }
    assert_eq!(world.run().phase, Phase::Succeeded);
    world.now = expires_at;
    world.targets[0].pin = None;
    world.targets[1].pin = None;
    let step = world.settle();
    let deadline = "2026-09-02T08:00:00Z".parse().unwrap();
    assert_eq!(step.wake, Some(deadline));
    let offered = world.effects().offered;
    assert_eq!(offered.len(), 2);
    assert_eq!(offered[&world.targets[0].key], (revision('b'), Some(deadline)));
    world.targets[1].wants_upgrade = true;
    world.settle();
    assert_eq!(world.with_revision('b'), 3);
    world.now = deadline;
    world.settle();
    assert_eq!((world.with_revision('b'), world.effects().offered.len()), (4, 0));
    assert_eq!(world.state.history.len(), 1, "no attempt for that");
}

#[test]
fn t21_a_lost_assignment_is_made_again_from_what_the_stages_remember() {
    let mut world = World::new(json!([stage("prod", json!({}))]), &[("prod", 2)]);
    world.settle();
    world.targets[1].assigned = None;
    world.settle();
    assert_eq!(
        world.targets[1].assigned.as_ref().unwrap().revision,
        revision('b')
    );
}

#[test]
fn what_an_earlier_attempt_gave_counts_for_nothing_in_the_next() {
    let mut world = World::new(json!([stage("prod", waves(&json!({})))]), &[("prod", 3)]);
    world.settle();
    world.requests.abort = Some("a-1".to_owned());
    assert_eq!(world.settle().phase, Phase::Aborted);
    world.requests.retry = Some("again".to_owned());
    assert_eq!(world.run().phase, Phase::Succeeded);
    let by: Vec<_> = world
        .assigned
        .iter()
        .map(|(id, given)| (id.clone(), given.by.attempt.as_str()))
        .collect();
    let (first, rest) = (
        (account(0), "a-1"),
        [0, 1, 2].map(|number| (account(number), "a-2")),
    );
    assert_eq!(by, [vec![first], rest.to_vec()].concat());
}

#[test]
fn p21_an_account_that_cannot_be_assigned_is_lost_after_its_deadline_and_takes_no_place() {
    let spec = json!({"maxFailures": 1, "strategy": {"type": "AllAtOnce", "targetDeadline": "15m"}});
    let mut world = World::new(json!([stage("prod", spec)]), &[("prod", 4)]);
    // As `spec.suspend` of an AwsAccount, an invalid pin, or an object that is refused.
    world.deaf.insert(account(0));
    let step = world.settle();
    assert_eq!((step.phase, world.with_revision('b')), (Phase::RollingOut, 3));
    assert_eq!(step.wake.unwrap().to_string(), "2026-09-01T08:15:00Z");
    let step = world.run();
    shows(&step, Phase::Succeeded, Standing::Ready(Why::Promoted));
    assert_eq!(world.now.to_string(), "2026-09-01T08:15:00Z");
    assert_eq!(world.at("prod").targets.unreachable, 1);
    // Without a budget it stops, and says which account it was.
    let spec = json!({"strategy": {"type": "AllAtOnce", "targetDeadline": "15m"}});
    let mut world = World::new(json!([stage("prod", spec)]), &[("prod", 4)]);
    world.deaf.insert(account(1));
    let step = world.run();
    shows(&step, Phase::Stopped, Standing::Stalled(Why::BudgetExceeded));
    assert!(
        step.message
            .contains("team/account-0001: not assigned within 15m"),
        "{}",
        step.message
    );
    assert_eq!(world.with_revision('b'), 1);
}

#[test]
fn an_account_that_can_be_assigned_again_is_taken_while_its_wave_runs() {
    let spec = json!({"maxFailures": 1, "strategy": {"type": "AllAtOnce", "targetDeadline": "15m"}});
    let mut world = World::new(json!([stage("prod", spec)]), &[("prod", 3)]);
    world.deaf.insert(account(0));
    world.settle();
    world.pass(10);
    world.deaf.clear();
    let step = world.settle();
    assert_eq!((step.phase, world.with_revision('b')), (Phase::Succeeded, 3));
    assert_eq!(world.at("prod").targets.unreachable, 0);
}

#[test]
fn an_abort_waits_for_no_account_that_was_chosen_and_not_assigned() {
    let mut world = World::new(json!([stage("prod", json!({}))]), &[("prod", 3)]);
    world.deaf.insert(account(0));
    assert_eq!(world.settle().phase, Phase::RollingOut);
    world.requests.abort = Some("a-1".to_owned());
    assert_eq!(world.settle().phase, Phase::Aborted);
}

#[test]
fn the_time_in_which_another_promotion_is_older_counts_against_no_account() {
    let mut world = World::new(json!([stage("prod", json!({}))]), &[("prod", 2)]);
    let step = world.step();
    world.save(&step);
    world.conflict = Some("older".to_owned());
    world.pass(600);
    assert_eq!(world.with_revision('b'), 0);
    world.conflict = None;
    assert_eq!(world.settle().phase, Phase::Succeeded);
}

#[test]
fn what_is_given_was_written_down_first() {
    let spec = json!({"maxFailures": "100%"});
    let mut world = World::new(json!([stage("prod", spec)]), &[("prod", 600)]);
    let mut seen = 0;
    for _ in 0..200 {
        let step = world.step();
        world.save(&step);
        let Some(stage) = world.state.stages.first() else {
            continue;
        };
        let written: Vec<_> = stage.changing.iter().flat_map(|it| &it.accounts).collect();
        assert!(written.len() <= 256, "so many stand in the status at most");
        let effects = world.effects();
        for key in effects.assign.keys() {
            let target = world.targets.iter().find(|target| target.key == *key).unwrap();
            assert!(written.contains(&target.id.as_ref().unwrap()));
            seen += 1;
        }
        world.act();
        world.work();
    }
    assert_eq!(
        (seen, world.outcome_or_none()),
        (600, Some(AttemptResult::Succeeded))
    );
}

#[test]
fn a_stage_whose_last_account_goes_away_after_the_start_has_not_succeeded() {
    for (on_empty, leaves) in [("Stop", true), ("Stop", false), ("Skip", true), ("Skip", false)] {
        let dev = stage("dev", json!({"onEmpty": on_empty}));
        let mut world = World::new(json!([dev, stage("prod", json!({}))]), &[("dev", 1), ("prod", 2)]);
        world.hangs.insert((account(0), revision('b').hash));
        assert_eq!(world.settle().phase, Phase::RollingOut);
        if leaves {
            world.targets[0].leaving = true;
        } else {
            world.targets[0].pin = Some(PinFact {
                revision: revision('a').name,
                expires_at: "2027-01-01T00:00:00Z".parse().unwrap(),
            });
        }
        let step = world.settle();
        if on_empty == "Stop" {
            shows(&step, Phase::Stopped, Standing::Stalled(Why::NoTargets));
            assert_eq!(world.with_revision('b'), 1, "prod has not begun");
        } else {
            shows(&step, Phase::Succeeded, Standing::Ready(Why::Promoted));
            assert_eq!(world.at("dev").state, StageStep::Skipped);
        }
    }
}

#[test]
fn a_stage_whose_only_account_goes_away_during_its_bake_has_not_succeeded() {
    let spec = json!({"strategy": {"type": "Canary", "canary": {"first": 1, "bakeTime": "1h"}}});
    let mut world = World::new(json!([stage("prod", spec)]), &[("prod", 1)]);
    assert_eq!(world.settle().phase, Phase::Baking);
    world.targets[0].leaving = true;
    let step = world.run();
    shows(&step, Phase::Stopped, Standing::Stalled(Why::NoTargets));
}

#[test]
fn a_one_box_that_is_lost_within_the_budget_takes_the_next_account() {
    let mut world = World::new(
        json!([stage("prod", waves(&json!({"maxFailures": "10%"})))]),
        &[("prod", 20)],
    );
    world.breaks.insert((account(0), revision('b').hash));
    let step = world.settle();
    assert_eq!(step.phase, Phase::Baking);
    assert_eq!(
        (
            world.at("prod").waves[0].targets,
            world.at("prod").targets.updated
        ),
        (2, 1),
        "the bake is about an account that has the revision"
    );
    assert_eq!(world.run().phase, Phase::Succeeded);
}

#[test]
fn a_stage_in_which_every_account_was_lost_stops_whatever_its_budget() {
    let mut world = World::new(
        json!([stage("prod", waves(&json!({"maxFailures": "100%"})))]),
        &[("prod", 3)],
    );
    for number in 0..3 {
        world.breaks.insert((account(number), revision('b').hash));
    }
    let step = world.run();
    shows(&step, Phase::Stopped, Standing::Stalled(Why::BudgetExceeded));
    assert!(
        step.message.contains("no account has the revision"),
        "{}",
        step.message
    );
    assert_eq!(world.effects().current["prod"], revision('a'));
}

#[test]
fn an_account_that_comes_while_the_last_one_goes_takes_its_place() {
    let mut world = World::new(json!([stage("prod", json!({}))]), &[("prod", 1)]);
    world.hangs.insert((account(0), revision('b').hash));
    world.settle();
    world.targets[0].leaving = true;
    let late = world.join("prod", Some('a'));
    assert_eq!(world.settle().phase, Phase::Succeeded);
    assert_eq!(
        world.targets[late].assigned.as_ref().unwrap().revision,
        revision('b')
    );
    assert_eq!(world.told("WaveStarted"), 1);
}

#[test]
fn p28_a_wave_ends_when_its_revision_is_deleted_under_it() {
    let mut world = World::new(json!([stage("prod", json!({}))]), &[("prod", 3)]);
    while world.with_revision('b') < 1 {
        world.round();
    }
    world.revisions.remove(&revision('b').name);
    let step = world.settle();
    assert_eq!(
        world.outcome(),
        (AttemptResult::Stopped, "RevisionNotFound".to_owned())
    );
    assert_eq!(step.phase, Phase::Stopped);
    let said = world
        .state
        .attempt
        .as_ref()
        .unwrap()
        .outcome
        .clone()
        .unwrap()
        .message;
    assert!(
        said.contains("base-bbbbbbbbbb is gone; 1 accounts have it") && said.contains("2 have what they had"),
        "{said}"
    );
}

#[test]
fn a_stage_that_is_passed_over_opens_no_way_round_its_approval_gates_and_pins() {
    let approval = json!({"onEmpty": "Skip", "approval": {"required": 1}});
    let gates = json!({"onEmpty": "Skip", "gates": [gate("pre", &["BeforeStage"], json!({}))]});
    for more in [approval, gates, json!({"onEmpty": "Skip"})] {
        let mut world = World::new(
            json!([stage("dev", json!({})), stage("prod", more.clone())]),
            &[("dev", 1), ("prod", 2)],
        );
        let expires_at = "2027-01-01T00:00:00Z".parse().unwrap();
        for number in [1, 2] {
            world.targets[number].pin = Some(PinFact {
                revision: revision('a').name,
                expires_at,
            });
        }
        let step = world.settle();
        shows(&step, Phase::Succeeded, Standing::Ready(Why::Promoted));
        assert_eq!(world.at("prod").state, StageStep::Skipped);
        assert_eq!(world.effects().current["prod"], revision('a'));
        assert_eq!(world.state.history.len(), 1, "it is not tried over and over");
        // The pins end: the stage is gone through as any other.
        world
            .says
            .insert("pre".to_owned(), promotion::MeasuredResult::Failure);
        world.targets[1].pin = None;
        world.targets[2].pin = None;
        let step = world.settle();
        assert_eq!(world.state.attempt.as_ref().unwrap().id, "a-2");
        if more.get("approval").is_some() {
            shows(
                &step,
                Phase::WaitingApproval,
                Standing::Waiting(Why::AwaitingApproval),
            );
            assert_eq!(world.with_revision('b'), 1);
            world.decide("alice", None, true);
            assert_eq!(world.settle().phase, Phase::Succeeded);
        } else if more.get("gates").is_some() {
            shows(&step, Phase::Stopped, Standing::Stalled(Why::GateFailed));
            assert_eq!(world.with_revision('b'), 1);
        } else {
            assert_eq!((step.phase, world.with_revision('b')), (Phase::Succeeded, 3));
        }
    }
}

#[test]
fn a_new_environment_gets_its_first_revision_when_it_is_passed_over() {
    let approval = json!({"onEmpty": "Skip", "approval": {"required": 1}});
    for known in [None, Some(revision('a'))] {
        let mut world = World::new(
            json!([stage("dev", json!({})), stage("prod", approval.clone())]),
            &[("dev", 1)],
        );
        world
            .environments
            .as_mut()
            .unwrap()
            .insert("prod".to_owned(), known.clone());
        let step = world.settle();
        assert_eq!(
            (step.phase, world.at("prod").state),
            (Phase::Succeeded, StageStep::Skipped)
        );
        let first = if known.is_some() { 'a' } else { 'b' };
        assert_eq!(world.effects().current["prod"], revision(first));
    }
}

/// 20 accounts of which 19 are pinned until the revision has passed.
fn nineteen_pins(more: serde_json::Value) -> World {
    let mut world = World::new(json!([stage("prod", more)]), &[("prod", 20)]);
    for number in 1..20 {
        world.targets[number].pin = Some(PinFact {
            revision: revision('a').name,
            expires_at: "2026-09-02T08:00:00Z".parse().unwrap(),
        });
    }
    assert_eq!(world.run().phase, Phase::Succeeded);
    world.now = "2026-09-02T08:00:00Z".parse().unwrap();
    for target in &mut world.targets {
        target.pin = None;
    }
    world
}

#[test]
fn accounts_outside_waves_do_not_break_one_after_the_other() {
    for (failures, given) in [(json!(0), 1), (json!("10%"), 3)] {
        let mut world = nineteen_pins(json!({"maxFailures": failures}));
        for number in 1..20 {
            world.breaks.insert((account(number), revision('b').hash));
        }
        world.settle();
        let step = world.pass(600);
        assert_eq!(world.with_revision('b'), 1 + given, "{failures}");
        let offered = world.effects().offered;
        assert_eq!(offered.len(), 19 - given);
        assert_eq!(
            status(&step, "TargetsHealthy"),
            (Some(false), Why::BudgetExceeded)
        );
        let fact = step.conditions.iter().find(|fact| fact.type_ == "TargetsHealthy");
        let message = &fact.unwrap().message;
        let said = format!("prod: {given} accounts that got base-bbbbbbbbbb outside of waves failed");
        assert!(message.contains(&said), "{message}");
        let said = format!("{} more wait", 19 - given);
        assert!(message.contains(&said), "{message}");
        // A person has looked: it goes on.
        world.breaks.clear();
        for target in &mut world.targets {
            target.stalled = None;
        }
        let step = world.settle();
        assert_eq!(world.with_revision('b'), 20);
        assert_eq!(status(&step, "TargetsHealthy"), (Some(true), Why::Healthy));
    }
}

#[test]
fn accounts_outside_waves_that_never_finish_count_as_well() {
    let mut world = nineteen_pins(json!({}));
    for number in 1..20 {
        world.hangs.insert((account(number), revision('b').hash));
    }
    let step = world.settle();
    assert_eq!(step.wake.unwrap().to_string(), "2026-09-02T08:15:00Z");
    world.now = step.wake.unwrap();
    let step = world.pass(600);
    assert_eq!(world.with_revision('b'), 2);
    assert_eq!(
        status(&step, "TargetsHealthy"),
        (Some(false), Why::BudgetExceeded)
    );
}

#[test]
fn an_account_that_the_brake_holds_back_is_not_lost_and_has_its_time_after_it() {
    let spec = json!({"strategy": {"type": "AllAtOnce", "targetDeadline": "15m"}});
    let mut world = World::new(json!([stage("prod", spec)]), &[("prod", 2)]);
    world.deaf.insert(account(0));
    world.targets[0].braked = true;
    for _ in 0..40 {
        assert_eq!(world.pass(20).phase, Phase::RollingOut);
        assert_eq!(world.at("prod").targets.unreachable, 0);
    }
    assert_eq!(world.with_revision('b'), 0, "nor does it give its place away");
    world.deaf.clear();
    world.targets[0].braked = false;
    world.hangs.insert((account(0), revision('b').hash));
    assert_eq!(world.pass(7).phase, Phase::RollingOut);
    assert_eq!(world.at("prod").targets.unreachable, 0);
    world.hangs.clear();
    assert_eq!(world.settle().phase, Phase::Succeeded);
}
