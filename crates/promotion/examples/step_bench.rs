//! How long one step of a promotion takes: 1,000 accounts, 3 stages, in the middle of the last wave of the last stage.
//!
//! `cargo run --release -p bulkhead-promotion --example step_bench`
#![allow(clippy::unwrap_used, reason = "an example says what is wrong by panicking")]

use jiff::Timestamp;
use model::{AccountId, AccountKey, ApprovalPolicy, Revision, RevisionHash};
use promotion::{
    AssignedFact, Input, Requests, RevisionFact, RevisionPolicy, Spec, State, Supersede, Target, advance,
    effects,
};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

fn revision(letter: char) -> Revision {
    let hash = RevisionHash::parse(&format!("sha256:{}", letter.to_string().repeat(64))).unwrap();
    Revision::new("base", hash).unwrap()
}

fn main() {
    let names = ["dev", "stage", "prod"];
    let stage = |name: &str| {
        json!({"name": name, "environment": name, "maxFailures": "5%", "strategy": {"type": "Waves", "waves": [
            {"name": "one-box", "targets": 1}, {"name": "tenth", "targets": "10%"}, {"name": "rest", "targets": "100%"},
        ]}, "windows": [{"type": "Allow", "schedule": "0 0 * * *", "duration": "24h", "timeZone": "Europe/Berlin"}]})
    };
    let spec = Spec {
        baseline: "base".to_owned(),
        revision: Some(revision('b').name),
        revision_policy: RevisionPolicy::Manual,
        suspend: false,
        supersede: Supersede::BetweenStages,
        history_limit: 10,
        dry_run: false,
        stages: serde_json::from_value(json!([stage("dev"), stage("stage"), stage("prod")])).unwrap(),
    };
    let environments: BTreeSet<String> = names.map(ToOwned::to_owned).into();
    let fact = |revision: Revision| {
        (
            revision.name.clone(),
            RevisionFact {
                revision,
                environments: environments.clone(),
            },
        )
    };
    let revisions: BTreeMap<_, _> = [fact(revision('a')), fact(revision('b'))].into();
    let given = environments
        .iter()
        .map(|name| (name.clone(), Some(revision('a'))))
        .collect();
    let mut targets: Vec<Target> = (0..1000_u64)
        .map(|number| Target {
            key: AccountKey::new("team", format!("account-{number:04}")),
            id: Some(AccountId::parse(&format!("{:012}", 100_000_000_000 + number)).unwrap()),
            environment: names[if number < 20 {
                0
            } else {
                1 + usize::from(number >= 50)
            }]
            .to_owned(),
            leaving: false,
            assigned: Some(AssignedFact {
                revision: revision('a'),
                by: None,
            }),
            applied: Some(revision('a').hash),
            observed: true,
            ready: true,
            access_verified: true,
            stalled: None,
            conditions: BTreeMap::new(),
            pin: None,
            wants_upgrade: false,
            braked: false,
        })
        .collect();
    let mut state = State::default();
    let (mut steps, mut slowest, mut whole) = (0_u32, 0.0_f64, 0.0_f64);
    let now: Timestamp = "2026-09-01T08:00:00Z".parse().unwrap();
    loop {
        let requests = Requests::default();
        let (policy, measured) = (ApprovalPolicy::Unknown, BTreeMap::new());
        let input = Input {
            name: "bench",
            uid: "uid-1",
            generation: 1,
            spec: &spec,
            requests: &requests,
            state: &state,
            revisions: &revisions,
            latest: None,
            environments: Some(&given),
            targets: &targets,
            allowed_hosts: &[],
            condition: &|_| Ok(()),
            gate: &|_| Ok(()),
            measured: &measured,
            approval_policy: &policy,
            author_policy: &policy,
            decisions: &[],
            describe: &|_, _, _| String::new(),
            conflict: None,
            now,
        };
        let began = Instant::now();
        let step = advance(&input);
        let effects = effects(&Input {
            state: &step.state,
            ..input
        });
        let took = began.elapsed().as_secs_f64() * 1000.0;
        (steps, slowest, whole) = (steps + 1, slowest.max(took), whole + took);
        state = step.state;
        if state
            .attempt
            .as_ref()
            .is_some_and(|attempt| attempt.outcome.is_some())
        {
            break;
        }
        for target in &mut targets {
            if let Some(given) = effects.assign.get(&target.key) {
                target.applied = Some(given.revision.hash.clone());
                target.assigned = Some(AssignedFact {
                    revision: given.revision.clone(),
                    by: Some(given.by.clone()),
                });
            }
        }
    }
    println!(
        "{steps} steps with their effects: {:.2} ms on average, {slowest:.2} ms at most",
        whole / f64::from(steps)
    );
}
