//! Gates and what follows from them.

use crate::world::{World, account, gate, revision, shows, stage, status};
use promotion::{AttemptResult, MeasuredResult, Phase, StageStep, Standing, Verdict, Why};
use serde_json::{Value, json};

fn world(gates: &Value, policy: &Value) -> World {
    let prod = json!({"strategy": {"type": "Waves", "waves": [
        {"name": "one-box", "targets": 1, "bakeTime": "1h"},
        {"name": "rest", "targets": "100%"},
    ]}, "gates": gates, "failurePolicy": policy});
    World::new(
        json!([stage("dev", json!({})), stage("prod", prod)]),
        &[("dev", 1), ("prod", 4)],
    )
}

#[test]
fn a_gate_before_a_stage_that_fails_stops_and_touches_nothing() {
    let mut world = world(
        &json!([gate("pre", &["BeforeStage"], json!({}))]),
        &json!({"onTestFailure": "Ignore"}),
    );
    world.says.insert("pre".to_owned(), MeasuredResult::Failure);
    let step = world.settle();
    shows(&step, Phase::Stopped, Standing::Stalled(Why::GateFailed));
    assert_eq!(world.with_revision('b'), 1, "dev alone");
    assert_eq!(status(&step, "GatesPassed"), (Some(false), Why::GateFailed));
}

#[test]
fn a_failed_test_rolls_the_stage_back() {
    for point in ["AfterWave", "AfterStage"] {
        let mut world = world(&json!([gate("test", &[point], json!({}))]), &json!({}));
        world.says.insert("test".to_owned(), MeasuredResult::Failure);
        let step = world.run();
        shows(&step, Phase::RolledBack, Standing::Stalled(Why::RolledBack));
        assert_eq!(world.with_revision('b'), 1, "dev stays");
        assert_eq!(
            world.outcome(),
            (AttemptResult::RolledBack, "TestFailed".to_owned())
        );
        assert_eq!(world.at("prod").state, StageStep::RolledBack);
        assert_eq!(
            (world.told("RollbackStarted"), world.told("RollbackSucceeded")),
            (1, 1)
        );
        assert_eq!(status(&step, "Succeeded").0, Some(false));
    }
}

#[test]
fn a_failed_bake_stops_everything_where_it_is() {
    let mut world = world(
        &json!([gate("soak", &["DuringBake"], json!({"interval": "10m"}))]),
        &json!({}),
    );
    world.settle();
    world.says.insert("soak".to_owned(), MeasuredResult::Failure);
    let step = world.pass(10);
    shows(&step, Phase::Stopped, Standing::Stalled(Why::BakeFailed));
    assert_eq!(world.with_revision('b'), 2);
    assert_eq!(world.told("BakeFailed"), 1);
    world.pass(600);
    assert_eq!(world.with_revision('b'), 2, "nothing moves");
}

#[test]
fn policies_turn_it_around() {
    let soak = json!([gate("soak", &["DuringBake"], json!({"interval": "10m"}))]);
    let mut back = world(&soak, &json!({"onBakeFailure": "Rollback"}));
    back.says.insert("soak".to_owned(), MeasuredResult::Failure);
    assert_eq!(back.run().phase, Phase::RolledBack);
    let mut on = world(&soak, &json!({"onBakeFailure": "Ignore"}));
    on.says.insert("soak".to_owned(), MeasuredResult::Failure);
    assert_eq!(on.run().phase, Phase::Succeeded);
    let test = json!([gate("test", &["AfterWave"], json!({}))]);
    let mut stop = world(&test, &json!({"onTestFailure": "Stop"}));
    stop.says.insert("test".to_owned(), MeasuredResult::Failure);
    assert_eq!((stop.run().phase, stop.with_revision('b')), (Phase::Stopped, 2));
}

#[test]
fn no_verdict_waits_for_a_person_and_is_asked_again() {
    for point in ["BeforeStage", "AfterWave", "DuringBake", "AfterStage"] {
        let mut world = world(
            &json!([gate("test", &[point], json!({"interval": "10m"}))]),
            &json!({"onTestFailure": "Ignore"}),
        );
        world.says.insert("test".to_owned(), MeasuredResult::Inconclusive);
        world.settle();
        let step = world.pass(60);
        shows(&step, Phase::Paused, Standing::Waiting(Why::Inconclusive));
        assert_eq!(
            world.pass(10_000).phase,
            Phase::Paused,
            "it waits as long as it takes"
        );
        assert_eq!(world.told("GateInconclusive"), 1);
        assert_eq!(world.told("PromotionPaused"), 1);
        world.says.clear();
        world.requests.reverify = Some("prod/test@a-1".to_owned());
        assert_eq!(world.run().phase, Phase::Succeeded, "{point}");
    }
}

#[test]
fn a_gate_that_cannot_be_measured_is_tried_again_and_then_stops_everything() {
    let test = json!([gate("test", &["AfterWave"], json!({"consecutiveErrorLimit": 2}))]);
    let mut retry = world(&test, &json!({}));
    retry.says.insert("test".to_owned(), MeasuredResult::Error);
    let step = retry.run();
    shows(&step, Phase::Stopped, Standing::Stalled(Why::GateError));
    assert_eq!(retry.asked.len(), 3);
    let mut stop = world(&test, &json!({"onError": "Stop"}));
    stop.says.insert("test".to_owned(), MeasuredResult::Error);
    assert_eq!((stop.run().phase, stop.asked.len()), (Phase::Stopped, 1));
    let mut comes_back = world(&test, &json!({}));
    comes_back.says.insert("test".to_owned(), MeasuredResult::Error);
    comes_back.settle();
    comes_back.pass(1);
    comes_back.says.clear();
    assert_eq!(comes_back.run().phase, Phase::Succeeded);
}

#[test]
fn p13_gates_before_a_stage_run_again_right_before_the_first_write() {
    let pre = json!([gate("pre", &["BeforeStage"], json!({}))]);
    let prod = json!({"gates": pre, "approval": {"required": 1}});
    let mut world = World::new(json!([stage("prod", prod)]), &[("prod", 2)]);
    let step = world.settle();
    shows(
        &step,
        Phase::WaitingApproval,
        Standing::Waiting(Why::AwaitingApproval),
    );
    assert_eq!(world.asked.len(), 1);
    world.says.insert("pre".to_owned(), MeasuredResult::Failure);
    world.now += jiff::SignedDuration::from_hours(1);
    world.decide("alice", None, true);
    let step = world.settle();
    shows(&step, Phase::Stopped, Standing::Stalled(Why::GateFailed));
    assert_eq!((world.asked.len(), world.with_revision('b')), (2, 0));
}

#[test]
fn p13_gates_of_a_bake_go_on_while_the_next_wave_waits() {
    let soak = json!([gate("soak", &["DuringBake"], json!({"interval": "10m"}))]);
    let mut world = world(&soak, &json!({}));
    world.settle();
    world.spec.suspend = true;
    let mut step = world.pass(30);
    for _ in 0..6 {
        step = world.pass(10);
    }
    shows(&step, Phase::Paused, Standing::Waiting(Why::Suspended));
    assert!(step.wake.is_some());
    let before = world.asked.len();
    world.pass(10);
    assert_eq!(world.asked.len(), before + 1);
    world.says.insert("soak".to_owned(), MeasuredResult::Failure);
    let step = world.pass(10);
    shows(&step, Phase::Stopped, Standing::Stalled(Why::BakeFailed));
}

#[test]
fn p14_what_is_cut_short_is_no_success() {
    let gates = json!([gate(
        "soak",
        &["DuringBake"],
        json!({"interval": "20m", "count": 5})
    )]);
    let mut world = world(&gates, &json!({}));
    world.settle();
    let step = world.pass(60);
    assert_eq!(
        step.phase,
        Phase::Baking,
        "the time is over, the evidence is not there"
    );
    for _ in 0..3 {
        world.pass(20);
    }
    assert_eq!(world.outcome().0, AttemptResult::Succeeded);
    let mut world = self::world(&gates, &json!({}));
    world.settle();
    world.requests.abort = Some("a-1".to_owned());
    world.settle();
    assert_eq!(world.at("prod").gates[0].verdict, Some(Verdict::Aborted));
}

#[test]
fn p15_a_result_counts_for_its_run_its_attempt_and_its_generation_only() {
    let mut world = world(&json!([gate("test", &["AfterWave"], json!({}))]), &json!({}));
    let step = loop {
        let step = world.step();
        world.save(&step);
        let effects = world.effects();
        if let Some(measure) = effects.measure.first() {
            for change in 0..5 {
                let mut key = measure.key.clone();
                match change {
                    0 => key.attempt = "a-0".to_owned(),
                    1 => key.revision = revision('a').hash,
                    2 => key.generation += 1,
                    3 => key.run += 1,
                    _ => key.number += 1,
                }
                let message = String::new();
                world.measured.insert(
                    key,
                    promotion::Measured {
                        result: MeasuredResult::Success,
                        message,
                    },
                );
            }
            break world.step();
        }
        world.act();
        world.work();
    };
    shows(&step, Phase::Verifying, Standing::Working(Why::Verifying));
    assert_eq!(step.state, world.state, "none of them counts");
}

#[test]
fn a_dry_gate_is_measured_and_shown_and_decides_nothing() {
    let gates = json!([gate(
        "later",
        &["BeforeStage", "AfterWave", "DuringBake", "AfterStage"],
        json!({"dryRun": true})
    )]);
    for result in [
        MeasuredResult::Failure,
        MeasuredResult::Inconclusive,
        MeasuredResult::Error,
    ] {
        let mut world = world(&gates, &json!({}));
        world.says.insert("later".to_owned(), result);
        assert_eq!(world.run().phase, Phase::Succeeded);
        assert!(world.at("prod").gates[0].verdict.is_some());
    }
}

#[test]
fn a_condition_has_to_be_shown_by_every_account_of_the_wave() {
    let condition = json!([{"name": "compliant", "type": "Condition", "runAt": ["AfterWave"],
        "condition": {"type": "Compliant"}}]);
    let mut world = world(&condition, &json!({}));
    let set = |world: &mut World, number: usize, status: &str| {
        world.targets[number]
            .conditions
            .insert("Compliant".to_owned(), status.to_owned());
    };
    // Accounts of no wave yet do not matter.
    set(&mut world, 4, "False");
    let step = world.settle();
    shows(&step, Phase::Verifying, Standing::Working(Why::Verifying));
    set(&mut world, 1, "True");
    let step = world.pass(1);
    assert_eq!(step.phase, Phase::Baking, "{}", step.message);
    set(&mut world, 2, "True");
    set(&mut world, 3, "True");
    assert_eq!(world.run().phase, Phase::RolledBack);
    assert!(
        world
            .state
            .attempt
            .as_ref()
            .unwrap()
            .outcome
            .as_ref()
            .unwrap()
            .message
            .contains("Compliant is not True on")
    );
    assert_eq!(world.targets[4].id, Some(account(4)));
}

#[test]
fn limits_of_failures_count_measurements() {
    let gates = json!([gate(
        "soak",
        &["DuringBake"],
        json!({"interval": "10m", "failureLimit": 1})
    )]);
    let mut world = world(&gates, &json!({}));
    world.settle();
    world.says.insert("soak".to_owned(), MeasuredResult::Failure);
    assert_eq!(world.pass(10).phase, Phase::Baking);
    assert_eq!(world.pass(10).phase, Phase::Stopped);
    assert_eq!(world.told("GateFailed"), 1);
}

fn waiting_for_people() -> World {
    let soak = json!([gate("soak", &["DuringBake"], json!({"interval": "10m"}))]);
    let canary = json!({"type": "Canary", "canary": {"first": 1}});
    let dev = json!({"gates": soak, "strategy": canary, "failurePolicy": {"onBakeFailure": "Rollback"}});
    let mut dev = stage("dev", dev);
    dev["strategy"] =
        json!({"type": "Waves", "waves": [{"name": "all", "targets": "100%", "bakeTime": "30m"}]});
    let mut world = World::new(
        json!([dev, stage("prod", json!({"approval": {"required": 1}}))]),
        &[("dev", 1), ("prod", 2)],
    );
    for _ in 0..4 {
        world.settle();
        world.now += jiff::SignedDuration::from_mins(10);
    }
    let step = world.settle();
    shows(
        &step,
        Phase::WaitingApproval,
        Standing::Waiting(Why::AwaitingApproval),
    );
    world
}

#[test]
fn p13_gates_of_the_last_bake_go_on_while_the_next_stage_waits_for_people() {
    let mut world = waiting_for_people();
    world.says.insert("soak".to_owned(), MeasuredResult::Failure);
    let step = world.pass(10);
    shows(&step, Phase::Stopped, Standing::Stalled(Why::BakeFailed));
    assert_eq!(world.with_revision('b'), 1, "dev keeps it, prod never had it");
}

#[test]
fn p13_such_a_gate_without_a_verdict_waits_for_a_person_too() {
    let mut world = waiting_for_people();
    world.says.insert("soak".to_owned(), MeasuredResult::Inconclusive);
    world.decide("alice", None, true);
    world.decisions[0].decision.created += jiff::SignedDuration::from_mins(1);
    let digest = std::mem::take(&mut world.decisions[0].decision.digest);
    let step = world.pass(10);
    shows(&step, Phase::Paused, Standing::Waiting(Why::Inconclusive));
    world.decisions[0].decision.digest = digest;
    assert_eq!(world.settle().phase, Phase::Paused, "an approval does not help");
    world.says.clear();
    world.requests.reverify = Some("dev/soak@a-1".to_owned());
    assert_eq!(world.run().phase, Phase::Succeeded);
}

#[test]
fn a_gate_that_is_asked_again_between_waves_has_to_answer_first() {
    let soak = json!([gate(
        "soak",
        &["DuringBake"],
        json!({"interval": "10m", "initialDelay": "5m"})
    )]);
    let mut world = world(&soak, &json!({}));
    world.settle();
    world.spec.suspend = true;
    for _ in 0..7 {
        world.pass(10);
    }
    world.says.insert("soak".to_owned(), MeasuredResult::Inconclusive);
    let step = world.pass(10);
    shows(&step, Phase::Paused, Standing::Waiting(Why::Inconclusive));
    world.spec.suspend = false;
    world.says.clear();
    world.requests.reverify = Some("prod/soak@a-1".to_owned());
    let step = world.settle();
    shows(&step, Phase::Verifying, Standing::Working(Why::Verifying));
    assert_eq!(world.with_revision('b'), 2);
    assert_eq!(world.pass(5).phase, Phase::Succeeded);
}
