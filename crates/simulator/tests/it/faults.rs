//! `simulate` with a fault plan: the example of the README.

use crate::scene::{acme, config, in_virtual_time};
use simulator::{Faults, Report, Scenario, simulate};
use std::time::Duration;

fn run(faults: &Faults, seed: u64) -> Report {
    let mut report = None;
    in_virtual_time(async {
        let scenario = Scenario {
            manifests: simulator::load(&[acme()]).unwrap(),
            config: config(),
            faults: faults.clone(),
            seed,
            until: Duration::from_hours(3),
            script: None,
        };
        report = Some(simulate(scenario, |_| {}, |_| {}).await.unwrap());
    });
    report.unwrap()
}

fn example(seed: u64) -> Faults {
    Faults::load(&acme().join("../faults/lost-answers.yaml"), seed).unwrap()
}

#[test]
fn six_accounts_although_every_third_answer_to_a_mutation_is_lost() {
    for seed in 0..8 {
        let report = run(&example(seed), seed);
        assert!(report.all_ready(), "seed {seed}: {report:#?}");
        assert_eq!(report.aws.accounts, 6, "seed {seed}");
        assert_eq!(
            report.aws.calls["CreateAccount"], 6,
            "seed {seed}: found, not asked for again"
        );
        let mutations: u64 = report
            .aws
            .calls
            .iter()
            .filter(|(operation, _)| {
                [
                    "Create", "Move", "Tag", "Untag", "Enable", "Attach", "Detach", "Update", "Delete",
                ]
                .iter()
                .any(|verb| operation.starts_with(verb))
            })
            .map(|(_, count)| count)
            .sum();
        let hits = &report.faults;
        assert_eq!(
            hits.aws["answerLost"],
            mutations / 3,
            "seed {seed}: every third of {mutations}"
        );
        assert!(hits.kubernetes["watchBroken"] > 0, "seed {seed}: {hits:?}");
    }
    let stale: u64 = (0..4)
        .map(|seed| {
            run(&example(seed), seed)
                .faults
                .aws
                .get("staleRead")
                .copied()
                .unwrap_or_default()
        })
        .sum();
    assert!(stale > 0, "a stale read now and then");
}

#[test]
fn a_plan_changes_what_happens_and_a_seed_reproduces_it() {
    assert_eq!(run(&example(3), 3), run(&example(3), 3));
    let calm = run(&Faults::default(), 3);
    assert!(calm.all_ready());
    assert_eq!(calm.faults, simulator::FaultsReport::default());
    assert!(run(&example(3), 3).virtual_seconds > calm.virtual_seconds);
}
