//! What goes well.

use crate::world::{World, gate, shows, stage};
use promotion::{AttemptResult, Phase, Standing, Why};
use serde_json::json;

#[test]
fn one_stage_with_waves_and_a_bake_then_the_next() {
    let waves = json!({"strategy": {"type": "Waves", "waves": [
        {"name": "one-box", "targets": 1, "bakeTime": "1h"},
        {"name": "rest", "targets": "100%", "bakeTime": "4h"},
    ]}, "gates": [gate("smoke", &["BeforeStage", "AfterWave", "DuringBake", "AfterStage"], json!({"interval": "10m"}))]});
    let mut world = World::new(
        json!([stage("dev", json!({})), stage("prod", waves)]),
        &[("dev", 2), ("prod", 5)],
    );
    let step = world.settle();
    shows(&step, Phase::Baking, Standing::Working(Why::Baking));
    assert_eq!(step.message, "prod/one-box: baking until 2026-09-01T09:00:00Z");
    assert_eq!(world.with_revision('b'), 3);
    let step = world.run();
    shows(&step, Phase::Succeeded, Standing::Ready(Why::Promoted));
    assert_eq!(world.with_revision('b'), 7);
    assert_eq!(world.now.to_string(), "2026-09-01T13:00:00Z");
    assert_eq!(world.outcome(), (AttemptResult::Succeeded, "Promoted".to_owned()));
    assert_eq!(world.assigned.len(), 7, "no account twice");
    assert_eq!(world.told("WaveStarted"), 3);
    assert_eq!(world.told("StageStarted"), 2);
    assert_eq!(world.told("BakeSucceeded"), 2);
    assert_eq!(world.told("PromotionSucceeded"), 1);
    assert_eq!(step.wake, None);
}
