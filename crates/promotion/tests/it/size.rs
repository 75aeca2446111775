//! How much is stored, and how much is told.

use crate::world::{World, gate, stage};
use promotion::Phase;
use serde_json::json;

/// 16 stages, 32 gates, 1,000 accounts in one of them.
fn big() -> World {
    let gates = |number: usize| {
        let query =
            "sum(rate(aws_api_errors_total{environment=\"prod\"}[5m])) / sum(rate(aws_api_calls_total[5m]))";
        let one = |name: String| {
            json!({"name": name, "runAt": ["BeforeStage", "AfterWave", "DuringBake"], "type": "Prometheus", "interval": "5m",
                "prometheus": {"query": query, "successCondition": "result[0] < 0.01"}})
        };
        json!([
            one(format!("errors-of-{number}")),
            one(format!("latency-of-{number}"))
        ])
    };
    let specs: Vec<_> = (0..16)
        .map(|number| {
            stage(
                &format!("stage-{number:02}"),
                json!({"maxFailures": "100%", "gates": gates(number), "onEmpty": "Skip", "strategy": {"type": "Waves", "waves": [
                    {"name": "one-box", "targets": 1, "bakeTime": "1h"},
                    {"name": "tenth", "targets": "10%", "bakeTime": "1h"},
                    {"name": "rest", "targets": "100%", "bakeTime": "1h"},
                ]}}),
            )
        })
        .collect();
    let names: Vec<String> = (0..16).map(|number| format!("stage-{number:02}")).collect();
    let mut counts: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    counts[15].1 = 985;
    let mut world = World::new(json!(specs), &counts);
    let all = world.targets[0].assigned.as_ref().unwrap().revision.clone();
    world.environments = Some(
        names
            .iter()
            .map(|name| (name.clone(), Some(all.clone())))
            .collect(),
    );
    for fact in world.revisions.values_mut() {
        fact.environments = names.iter().cloned().collect();
    }
    world
}

#[test]
fn t24_p33_the_state_stays_small() {
    let mut world = big();
    let mut most = 0;
    let mut last = Phase::Pending;
    for _ in 0..4000 {
        let step = world.settle_measuring(&mut most);
        last = step.phase;
        match step.wake {
            Some(wake) if step.phase != Phase::Succeeded => world.now = wake,
            _ => break,
        }
    }
    assert_eq!(last, Phase::Succeeded);
    assert!(most < 65_536, "{most} bytes");
    assert!(most > 30_000, "{most} bytes: the accounts are not in it");
}

#[test]
fn t23_events_on_transitions_only() {
    let mut world = World::new(
        json!([stage(
            "prod",
            json!({
                "strategy": {"type": "Canary", "canary": {"first": 1, "bakeTime": "24h"}},
                "gates": [gate("soak", &["DuringBake"], json!({"interval": "1m"}))],
            })
        )]),
        &[("prod", 3)],
    );
    for _ in 0..1000 {
        world.settle();
        world.now += jiff::SignedDuration::from_mins(1);
    }
    assert!(world.asked.len() > 900);
    let told: Vec<_> = world
        .happenings
        .iter()
        .map(|happening| happening.reason)
        .collect();
    assert_eq!(
        told,
        ["PromotionStarted", "StageStarted", "WaveStarted", "BakeStarted"]
    );
    assert!(
        world
            .happenings
            .iter()
            .all(|it| it.note.starts_with("a-1: ") && !it.note.contains('\n'))
    );
}
