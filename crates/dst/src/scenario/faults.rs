//! Crashes of the operator's processes, and faults of both sides of the wire.

use crate::process::Trigger;
use rand::{RngExt as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::{Value, json};
use std::time::Duration;

pub(super) fn crashes(random: &mut StdRng) -> Vec<(Trigger, Duration)> {
    let count = [0, 1, 1, 2, 3, 5].choose(random).copied().unwrap_or_default();
    let crash = |random: &mut StdRng| {
        let trigger = match random.random_range(0..5) {
            0 => Trigger::Poll(random.random_range(1..1500)),
            1 => Trigger::BeforeAws(random.random_range(1..60)),
            2 => Trigger::AfterAws(random.random_range(1..60)),
            3 => Trigger::BeforeKubernetes(random.random_range(1..80)),
            _ => Trigger::AfterKubernetes(random.random_range(1..80)),
        };
        (trigger, Duration::from_millis(random.random_range(0..60_000)))
    };
    (0..count).map(|_| crash(random)).collect()
}

/// The window of one rule, inside the time of faults.
fn window(random: &mut StdRng, calm: Duration) -> (String, String) {
    let calm = calm.as_secs();
    let (a, b) = (random.random_range(0..calm), random.random_range(0..calm));
    let (from, until) = if random.random_bool(0.3) {
        (0, calm)
    } else {
        (a.min(b), a.max(b) + 1)
    };
    (format!("{from}s"), format!("{until}s"))
}

pub(super) fn aws_faults(random: &mut StdRng, calm: Duration) -> Value {
    let faults = [
        "throttle",
        "serviceException",
        "serviceExceptionAfterEffect",
        "requestLost",
        "answerLost",
        "refused",
        "timeout",
        "timeoutAfterEffect",
        "staleRead",
        "emptyPage",
        "concurrentModification",
        "slow",
    ];
    let count = random.random_range(0..6);
    let rules: Vec<Value> = (0..count)
        .map(|_| {
            let fault = faults.choose(random).copied().unwrap_or("throttle");
            let (from, until) = window(random, calm);
            let mut rule = json!({"fault": fault, "from": from, "until": until});
            if random.random_bool(0.3) {
                rule["every"] = json!(random.random_range(2..6));
            } else {
                rule["percent"] = json!(random.random_range(2..50));
            }
            match fault {
                "staleRead" => rule["delay"] = json!(format!("{}s", random.random_range(1..15))),
                "slow" => rule["delay"] = json!(format!("{}ms", random.random_range(100..6000))),
                "timeoutAfterEffect" => rule["delay"] = json!(format!("{}s", random.random_range(0..20))),
                _ => {}
            }
            let only = [&["CreateAccount"][..], &["writes"], &["reads"], &[]]
                .choose(random)
                .copied()
                .unwrap_or(&[]);
            let narrow = matches!(fault, "staleRead" | "emptyPage" | "concurrentModification");
            if !only.is_empty() && !narrow {
                rule["operations"] = json!(only);
            }
            rule
        })
        .collect();
    json!({"version": 1, "seed": random.random_range(0..u64::from(u32::MAX)), "rules": rules})
}

pub(super) fn kubernetes_faults(random: &mut StdRng, calm: Duration) -> Value {
    let faults = [
        "conflict",
        "internalError",
        "unavailable",
        "tooManyRequests",
        "gatewayTimeoutAfterEffect",
        "connectionLost",
        "connectionLostAfterEffect",
        "hang",
        "hangAfterEffect",
        "slow",
        "watchBroken",
        "watchStale",
        "gone",
    ];
    let count = random.random_range(0..4);
    let rules: Vec<Value> = (0..count)
        .map(|_| {
            let fault = faults.choose(random).copied().unwrap_or("conflict");
            let (from, until) = window(random, calm);
            let mut rule =
                json!({"fault": fault, "from": from, "until": until, "percent": random.random_range(2..30)});
            match fault {
                "slow" => rule["delay"] = json!(format!("{}ms", random.random_range(100..4000))),
                "watchStale" => rule["delay"] = json!(format!("{}s", random.random_range(1..30))),
                _ => {}
            }
            if random.random_bool(0.3) && !fault.starts_with("watch") && fault != "gone" {
                rule["resources"] = json!(["awsaccounts.bulkhead.dev/status"]);
            }
            rule
        })
        .collect();
    json!({"version": 1, "seed": random.random_range(0..u64::from(u32::MAX)), "rules": rules})
}
