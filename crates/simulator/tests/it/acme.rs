//! The example of the README.

use crate::scene::{MINUTE, Scene, acme, config, in_virtual_time};
use simulator::{Entry, Faults, Scenario, simulate};
use std::time::Duration;

#[test]
fn six_accounts_and_six_calls_in_the_time_that_aws_allows() {
    for seed in 0..8 {
        in_virtual_time(async {
            let mut scene = Scene::new(seed);
            scene.apply_acme().await;
            scene.start();
            scene.run_until_all_ready(10 * MINUTE).await;
            let seconds = scene.world.clock.elapsed().as_secs_f64();

            scene.assert_one_account_each(6);
            assert_eq!(scene.calls("CreateAccount"), 6);
            let state = scene.world.organization.state();
            let mut slowest_creation = 0.0_f64;
            let mut slowest_access = 0.0_f64;
            for account in state
                .accounts
                .iter()
                .filter(|a| a.id != state.management_account_id)
            {
                let environment = &account.tags["bulkhead.dev/environment"];
                let wanted = match environment.as_str() {
                    "dev" => "Workloads/Dev",
                    "stage" => "Workloads/Stage",
                    _ => "Workloads/Prod",
                };
                assert_eq!(account.path, wanted);
                for key in [
                    "cost-center",
                    "owner",
                    "workload",
                    "data-class",
                    "bulkhead.dev/claim",
                ] {
                    assert!(account.tags.contains_key(key), "{} lacks {key}", account.name);
                }
                let request = state
                    .creations
                    .iter()
                    .find(|c| c.account.as_ref() == Some(&account.id))
                    .unwrap();
                let creation = account
                    .joined_at
                    .duration_since(request.requested_at)
                    .as_secs_f64();
                let access = account
                    .accessible_from
                    .duration_since(account.joined_at)
                    .as_secs_f64();
                slowest_creation = slowest_creation.max(creation);
                slowest_access = slowest_access.max(access);
            }
            let allowed = 1.1 * (60.0 + 30.0 + slowest_creation + slowest_access);
            assert!(
                seconds <= allowed,
                "seed {seed}: {seconds:.0} s, {allowed:.0} s allowed"
            );
        });
    }
}

#[test]
fn an_idle_operator_is_silent() {
    in_virtual_time(async {
        let mut scene = Scene::new(7);
        scene.apply_acme().await;
        scene.start();
        scene.run_until_all_ready(10 * MINUTE).await;
        // The last Events and the counts on the Baseline are still on their way.
        scene.run_for(MINUTE).await;
        let (mutations, writes) = (scene.mutations().len(), scene.world.kubernetes.writes().len());
        scene.run_for(120 * MINUTE).await;
        assert_eq!(scene.mutations().len(), mutations);
        let written: Vec<_> = scene.world.kubernetes.writes()[writes..]
            .iter()
            .map(|w| w.plural.clone())
            .collect();
        assert!(written.iter().all(|plural| plural == "leases"), "{written:?}");
        assert!(scene.report().all_ready());
    });
}

fn transcript(seed: u64) -> (String, String) {
    let mut timeline = String::new();
    let mut report = String::new();
    in_virtual_time(async {
        let manifests = simulator::load(&[acme()]).unwrap();
        let scenario = Scenario {
            manifests,
            config: config(),
            faults: Faults::default(),
            seed,
            until: Duration::from_hours(1),
            script: None,
        };
        let tell = |entry: &Entry| timeline.push_str(&serde_json::to_string(entry).unwrap());
        let told = simulate(scenario, tell, |_| {}).await.unwrap();
        report = serde_json::to_string(&told).unwrap();
    });
    (timeline, report)
}

#[test]
fn a_seed_reproduces_a_run() {
    assert_eq!(transcript(3), transcript(3));
    assert_ne!(transcript(3), transcript(4));
}
