//! The process dies after any write, sees what is old, or is refused a write: the end is the same.

use crate::world::{World, gate, revision, stage};
use promotion::{MeasuredResult, State};
use serde_json::json;

fn world(fails: bool) -> World {
    let prod = json!({"maxFailures": 2, "strategy": {"type": "Waves", "waves": [
        {"name": "one-box", "targets": 1, "bakeTime": "1h"}, {"name": "rest", "targets": "100%"},
    ]}, "gates": [gate("test", &["AfterStage"], json!({})), gate("soak", &["DuringBake"], json!({"interval": "20m"}))]});
    let mut world = World::new(
        json!([stage("dev", json!({})), stage("prod", prod)]),
        &[("dev", 2), ("prod", 7)],
    );
    if fails {
        world.says.insert("test".to_owned(), MeasuredResult::Failure);
    }
    world
}

/// Runs to the end; the write of this number is the last one before the process dies.
fn run(mut world: World, dies: usize, conflicts: bool) -> (State, Vec<String>, usize, usize) {
    let mut writes = 0;
    let mut attempts = 0;
    let mut sooner = || {
        writes += 1;
        writes - 1 == dies
    };
    for _ in 0..5000 {
        let step = world.step();
        let ended = step
            .state
            .attempt
            .as_ref()
            .is_some_and(|attempt| attempt.outcome.is_some());
        if ended && step.state == world.state {
            let given = world.assigned.iter();
            let given = given
                .map(|(id, given)| format!("{id} {} {:?}", given.revision.name, given.by.wave))
                .collect();
            return (world.state.clone(), given, writes, attempts);
        }
        let idle = step.state == world.state;
        if !idle {
            attempts += 1;
            if conflicts && attempts % 2 == 0 {
                // Refused: nothing is sent again; all is looked at anew.
                continue;
            }
            world.save(&step);
            if sooner() {
                continue;
            }
        }
        let effects = world.effects();
        let busy = !effects.assign.is_empty() || !effects.measure.is_empty();
        let mut died = false;
        for (key, given) in &effects.assign {
            world.give(key, given);
            if sooner() {
                died = true;
                break;
            }
        }
        if died {
            continue;
        }
        for measure in effects.measure {
            let result = world
                .says
                .get(&measure.key.gate)
                .copied()
                .unwrap_or(MeasuredResult::Success);
            world.measured.insert(
                measure.key,
                promotion::Measured {
                    result,
                    message: "said".to_owned(),
                },
            );
        }
        let before = world.targets.clone();
        world.work();
        if idle && !busy && before == world.targets {
            world.now = step.wake.expect("it goes on");
        }
    }
    panic!("it never ends");
}

#[test]
fn t16_p05_p19_a_crash_after_any_write_ends_the_same_and_repeats_nothing() {
    for fails in [false, true] {
        let (state, given, writes, _) = run(world(fails), usize::MAX, false);
        assert!(
            writes > 15 && given.len() == if fails { 16 } else { 9 },
            "{given:?}"
        );
        for dies in 0..writes {
            let (again, given_again, ..) = run(world(fails), dies, false);
            assert_eq!(again, state, "after write {dies}");
            assert_eq!(given_again, given, "after write {dies}");
        }
    }
}

#[test]
fn t18_p06_every_second_write_of_the_status_is_refused() {
    for fails in [false, true] {
        let (state, given, _, attempts) = run(world(fails), usize::MAX, false);
        let (again, given_again, _, more) = run(world(fails), usize::MAX, true);
        assert_eq!((again, given_again), (state, given));
        assert!(more <= 2 * attempts + 1, "{more} for {attempts}");
    }
}

#[test]
fn t17_what_lags_starts_nothing_twice() {
    for lag in 1..6 {
        let mut world = world(false);
        let mut past = vec![world.targets.clone()];
        for _ in 0..4000 {
            let view = past[past.len().saturating_sub(lag)].clone();
            let step = world.with(&world.state, &view, promotion::advance);
            let idle = step.state == world.state;
            world.save(&step);
            let effects = world.with(&world.state, &view, promotion::effects);
            for (key, given) in &effects.assign {
                let seen = view.iter().find(|target| target.key == *key).unwrap();
                let real = world.targets.iter().find(|target| target.key == *key).unwrap();
                // The precondition of the write.
                if seen == real {
                    world.give(key, given);
                }
            }
            for measure in effects.measure {
                let message = String::new();
                world.measured.insert(
                    measure.key,
                    promotion::Measured {
                        result: MeasuredResult::Success,
                        message,
                    },
                );
            }
            world.work();
            let quiet = past.iter().rev().take(lag).all(|old| *old == world.targets);
            past.push(world.targets.clone());
            if world.outcome_or_none().is_some() {
                break;
            }
            if idle && quiet {
                world.now = step.wake.unwrap_or(world.now);
            }
        }
        assert_eq!(world.outcome().0, promotion::AttemptResult::Succeeded);
        assert_eq!(
            (world.assigned.len(), world.with_revision('b')),
            (9, 9),
            "lag {lag}"
        );
        assert_eq!(world.told("WaveStarted"), 3);
        assert!(
            world
                .assigned
                .iter()
                .all(|(_, given)| given.revision == revision('b'))
        );
    }
}
