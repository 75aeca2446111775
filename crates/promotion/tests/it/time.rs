//! Clocks: bakes, deadlines, windows, and clocks that jump.

use crate::world::{World, account, gate, revision, shows, stage, status};
use jiff::{SignedDuration, Timestamp};
use promotion::{AttemptResult, Phase, Standing, Why};
use serde_json::{Value, json};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn world(more: &Value) -> World {
    let mut prod = json!({"strategy": {"type": "Waves", "waves": [
        {"name": "one-box", "targets": 1, "bakeTime": "1h"}, {"name": "rest", "targets": "100%"},
    ]}});
    for (key, value) in more.as_object().unwrap() {
        prod[key] = value.clone();
    }
    World::new(json!([stage("prod", prod)]), &[("prod", 3)])
}

#[test]
fn p01_a_bake_begins_once_and_is_about_its_revision() {
    let mut world = world(&json!({}));
    world.settle();
    let first = world.at("prod").waves[0].clone();
    assert_eq!(first.revision_hash, Some(revision('b').hash));
    assert_eq!(first.bake_ends_at, Some(at("2026-09-01T09:00:00Z")));
    // Not Ready for a moment in the middle: neither over nor begun anew.
    world.targets[0].ready = false;
    let step = world.step();
    world.save(&step);
    world.targets[0].ready = true;
    world.pass(30);
    assert_eq!(world.at("prod").waves[0], first);
}

#[test]
fn p02_t15_it_wakes_at_the_very_moment() {
    let mut world = world(
        &json!({"gates": [gate("soak", &["DuringBake"], json!({"interval": "25m", "initialDelay": "7m"}))]}),
    );
    let mut wakes = Vec::new();
    for _ in 0..4 {
        let wake = world.settle().wake.unwrap();
        wakes.push(wake.to_string());
        world.now = wake - SignedDuration::from_nanos(1);
        let writes = world.writes;
        world.settle();
        assert_eq!(world.writes, writes, "nothing before its time");
        world.now = wake;
    }
    assert_eq!(
        wakes,
        [
            "2026-09-01T08:07:00Z",
            "2026-09-01T08:32:00Z",
            "2026-09-01T08:57:00Z",
            "2026-09-01T09:00:00Z"
        ]
    );
    assert_eq!(world.settle().phase, Phase::Succeeded);
}

#[test]
fn p07_t08_idle_is_silent() {
    let mut world = world(&json!({}));
    world.settle();
    let (writes, told) = (world.writes, world.happenings.len());
    let message = world.step().message;
    for _ in 0..1000 {
        world.now += SignedDuration::from_secs(1);
        let step = world.round();
        assert_eq!(step.message, message, "no relative times");
    }
    assert_eq!((world.writes, world.happenings.len()), (writes, told));
}

#[test]
fn p18_the_deadline_does_not_run_while_a_person_or_a_window_is_waited_for() {
    let mut world = world(&json!({"progressDeadline": "2h", "approval": {"required": 1}}));
    world.settle();
    world.pass(600);
    world.decide("alice", None, true);
    let step = world.settle();
    assert_eq!(step.phase, Phase::Baking);
    assert_eq!(world.state.pause.as_ref().unwrap().total_paused_seconds, 36_000);
    world.spec.suspend = true;
    world.pass(60);
    assert_eq!(world.pass(1000).phase, Phase::Paused);
    world.spec.suspend = false;
    world.hangs.insert((account(1), revision('b').hash));
    let step = world.settle();
    assert_eq!(step.phase, Phase::RollingOut);
    // One hour has passed of the two.
    world.pass(14);
    world.hangs.clear();
    assert_eq!(world.settle().phase, Phase::Succeeded);
}

#[test]
fn the_deadline_of_a_stage_stops_it_or_takes_it_back() {
    for (policy, phase) in [("Stop", Phase::Stopped), ("Rollback", Phase::RolledBack)] {
        let mut world = world(&json!({"progressDeadline": "30m", "failurePolicy": {"onDeadline": policy}}));
        let step = world.settle();
        assert_eq!(step.wake, Some(at("2026-09-01T08:30:00Z")));
        assert_eq!(world.run().phase, phase);
        assert_eq!(world.outcome().1, "DeadlineExceeded");
    }
}

#[test]
fn p19_p20_a_clock_that_jumps_neither_shortens_nor_repeats_a_bake() {
    for jump in [-600, -10, 10] {
        let mut world = world(
            &json!({"gates": [gate("soak", &["DuringBake"], json!({"interval": "10m"}))],
            "progressDeadline": "20h"}),
        );
        world.settle();
        world.pass(20);
        let wave = world.at("prod").waves[0].clone();
        let step = world.pass(jump);
        assert_eq!(step.phase, Phase::Baking);
        assert_eq!(world.at("prod").waves[0], wave);
        let step = world.run();
        shows(&step, Phase::Succeeded, Standing::Ready(Why::Promoted));
        assert!(world.now >= wave.bake_ends_at.unwrap());
    }
}

#[test]
fn a_clock_that_was_set_back_does_not_stop_measurements() {
    let mut world =
        world(&json!({"gates": [gate("test", &["AfterWave"], json!({"interval": "1h", "count": 3}))]}));
    world.settle();
    world.pass(-60 * 24);
    let step = world.settle();
    assert_eq!(world.asked.len(), 2, "{}", step.message);
    assert_eq!(step.wake, Some(world.now + SignedDuration::from_hours(1)));
}

#[test]
fn p30_a_wave_begins_in_an_open_window_only_and_ends_whenever() {
    let windows = json!([{"type": "Allow", "schedule": "0 9 * * *", "duration": "1h"}]);
    let mut world = world(&json!({"windows": windows}));
    let step = world.settle();
    shows(&step, Phase::WaitingWindow, Standing::Waiting(Why::WindowClosed));
    assert_eq!(status(&step, "WindowOpen"), (Some(false), Why::WindowClosed));
    assert_eq!(step.wake, Some(at("2026-09-01T09:00:00Z")));
    assert!(world.state.window.as_ref().unwrap().closed);
    world.now = step.wake.unwrap();
    // The account takes until after the window has closed.
    world.hangs.insert((account(0), revision('b').hash));
    assert_eq!(world.settle().phase, Phase::RollingOut);
    assert_eq!((world.told("WindowClosed"), world.told("WindowOpened")), (1, 1));
    let place = |reason: &str| world.happenings.iter().position(|told| told.reason == reason);
    assert!(
        place("WindowOpened") < place("StageStarted"),
        "{:?}",
        world.happenings
    );
    world.now = at("2026-09-01T09:10:00Z");
    world.hangs.clear();
    assert_eq!(world.settle().phase, Phase::Baking);
    world.now = at("2026-09-01T10:10:00Z");
    let step = world.settle();
    shows(&step, Phase::WaitingWindow, Standing::Waiting(Why::WindowClosed));
    assert_eq!(
        (world.with_revision('b'), step.wake),
        (1, Some(at("2026-09-02T09:00:00Z")))
    );
    world.now = at("2026-09-02T09:00:00Z");
    assert_eq!(world.settle().phase, Phase::Succeeded);
}

#[test]
fn a_window_that_closes_while_gates_run_again_is_waited_for_once_more() {
    let windows = json!([{"type": "Allow", "schedule": "0 9 * * *", "duration": "1h"}]);
    let pre = json!([gate(
        "pre",
        &["BeforeStage"],
        json!({"count": 2, "interval": "2h"})
    )]);
    let mut world = world(&json!({"windows": windows, "gates": pre}));
    world.settle();
    world.now = at("2026-09-01T09:30:00Z");
    world.settle();
    let step = world.pass(31);
    assert_eq!(world.with_revision('b'), 0, "{}", step.message);
    assert!(world.outcome_or_none() != Some(AttemptResult::Succeeded));
}
