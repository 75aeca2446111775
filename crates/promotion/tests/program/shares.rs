//! Waves take every account exactly once, whatever people write.

use super::{full, one, with};
use promotion::{Share, Stage};
use proptest::prelude::*;
use serde_json::{Value, json};

fn stage(strategy: Value) -> Stage {
    let plain = with(full(), "/gates", Value::Null);
    one(&with(plain, "/strategy", strategy))
}

/// Where each wave ends.
fn ends(stage: &Stage, total: u32) -> Vec<u32> {
    let mut before = 0;
    (0..stage.waves.len())
        .map(|wave| {
            before = stage.wave_end(wave, before, total);
            before
        })
        .collect()
}

fn strategies() -> impl Strategy<Value = Value> {
    let amount = || {
        prop_oneof![
            (1..300_i64).prop_map(Value::from),
            (1..=100).prop_map(|n| json!(format!("{n}%")))
        ]
    };
    let waves = prop::collection::vec((any::<bool>(), 1..=100_u32), 0..31).prop_map(|mut given| {
        given.sort_unstable_by_key(|(_, size)| *size);
        let mut waves: Vec<Value> = given
            .iter()
            .enumerate()
            .map(|(number, (percent, size))| {
                let targets = if *percent {
                    json!(format!("{size}%"))
                } else {
                    json!(size)
                };
                json!({"name": format!("w-{number}"), "targets": targets})
            })
            .collect();
        waves.push(json!({"name": "rest", "targets": "100%"}));
        json!({"type": "Waves", "waves": waves})
    });
    prop_oneof![
        Just(json!({"type": "AllAtOnce"})),
        amount().prop_map(|first| json!({"type": "Canary", "canary": {"first": first}})),
        (4..=100).prop_map(|step| json!({"type": "Linear", "linear": {"step": format!("{step}%")}})),
        waves,
    ]
}

proptest! {
    #[test]
    fn the_waves_take_all_accounts_once(strategy in strategies(), total in 0..2_000_u32) {
        let stage = stage(strategy);
        let ends = ends(&stage, total);
        let mut before = 0;
        for (wave, end) in stage.waves.iter().zip(&ends) {
            prop_assert!(*end >= before, "waves never shrink: {ends:?}");
            prop_assert!(*end > before || before == total, "each takes one while any are left: {ends:?}");
            let wanted = match wave.targets {
                Share::Number(number) => u64::from(number),
                Share::Percent(percent) => u64::from(total) * u64::from(percent) / 100,
            };
            prop_assert!(u64::from(*end) <= wanted.max(u64::from(before) + 1), "none takes more than it says: {ends:?}");
            prop_assert!(u64::from(*end) >= wanted.min(u64::from(total)), "none takes less: {ends:?}");
            before = *end;
        }
        prop_assert_eq!(before, total);
    }

    #[test]
    fn a_share_is_rounded_down_and_never_too_much(percent in 0..=100_u32, number in 0..200_u32, total in any::<u32>()) {
        let exact = f64::from(total) * f64::from(percent) / 100.0;
        let part = Share::Percent(percent).of(total);
        prop_assert!(f64::from(part) <= exact + 1e-3 && f64::from(part) > exact - 1.0 - 1e-3);
        prop_assert_eq!(Share::Number(number).of(total), number.min(total));
        for share in [Share::Percent(percent), Share::Number(number)] {
            prop_assert_eq!(share.at_least_one(total), share.of(total).max(u32::from(total > 0)));
        }
    }

    #[test]
    fn one_batch_cannot_spend_more_than_the_budget(
        most in prop::option::of(1..=100_u32), budget in 0..=100_u32, total in 1..500_u32, failed in 0..500_u32,
    ) {
        let strategy = json!({"type": "AllAtOnce", "maxConcurrency": most.map(|most| format!("{most}%"))});
        let mut stage = stage(strategy);
        stage.max_failures = Share::Percent(budget);
        let now = stage.concurrency(total, failed);
        let allowed = total * budget / 100;
        prop_assert!(now >= 1);
        prop_assert!(now <= allowed.saturating_sub(failed) + 1);
        prop_assert!(most.is_none_or(|most| now <= (total * most / 100).max(1)));
        prop_assert!(stage.concurrency(total, failed + 1) <= now, "it shrinks with failures");
    }
}

#[test]
fn ten_percent_of_five_is_one() {
    let stage = stage(json!({"type": "Canary", "canary": {"first": "10%"}}));
    assert_eq!(ends(&stage, 5), [1, 5]);
    assert_eq!(ends(&stage, 1), [1, 1]);
    assert_eq!(ends(&stage, 0), [0, 0]);
    assert_eq!(Share::Percent(10).of(5), 0);
    assert_eq!(Share::Percent(10).at_least_one(5), 1);
    assert_eq!(Share::Percent(10).at_least_one(0), 0);
    assert_eq!(Share::Percent(33).of(u32::MAX), 1_417_339_207);
}

#[test]
fn a_wave_that_counts_fewer_than_are_done_takes_one_more() {
    let stage = stage(json!({"type": "Waves", "waves": [
        {"name": "a", "targets": 20}, {"name": "b", "targets": "10%"}, {"name": "c", "targets": "100%"},
    ]}));
    assert_eq!(ends(&stage, 50), [20, 21, 50]);
    assert_eq!(ends(&stage, 20), [20, 20, 20]);
    assert_eq!(stage.wave_end(7, 0, 20), 20);
}

#[test]
fn without_a_budget_accounts_go_one_by_one() {
    let mut stage = stage(json!({"type": "AllAtOnce"}));
    stage.max_failures = Share::Number(0);
    assert_eq!(stage.concurrency(40, 0), 1);
    stage.max_failures = Share::Number(3);
    let by_failures: Vec<u32> = (0..6).map(|failed| stage.concurrency(40, failed)).collect();
    assert_eq!(by_failures, [4, 3, 2, 1, 1, 1]);
    stage.max_concurrency = Some(Share::Percent(5));
    assert_eq!(stage.concurrency(40, 0), 2);
    assert_eq!(stage.concurrency(10, 0), 1);
    assert_eq!(stage.concurrency(0, 0), 1);
}
