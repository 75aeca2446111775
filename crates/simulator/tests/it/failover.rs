//! Crashes, two replicas, lost clusters.

use crate::scene::{MINUTE, Scene, config, in_virtual_time, spec};
use api::EnvironmentPromotion;
use kube::{Api, api::PostParams};
use serde_json::{Value, json};
use std::time::Duration;

const GRACE: Duration = Duration::from_mins(15);

#[test]
fn a_crash_at_any_time_leaves_one_account_each() {
    // From the first request (after the mark has settled, at 60 s) to the last move.
    for after in (60_000..=65_000)
        .step_by(317)
        .chain((66_000..=130_000).step_by(9001))
    {
        in_virtual_time(async {
            let mut scene = Scene::new(after);
            scene.apply_acme().await;
            scene.start();
            scene.run_for(Duration::from_millis(after)).await;
            scene.kill(0);
            scene.start();
            scene.run_until_all_ready(GRACE + 10 * MINUTE).await;
            scene.assert_one_account_each(6);
        });
    }
}

#[test]
fn crash_after_crash() {
    in_virtual_time(async {
        let mut scene = Scene::new(1);
        scene.apply_acme().await;
        for round in 0..40_u64 {
            scene.start();
            scene.run_for(Duration::from_millis(15_000 + round * 977)).await;
            scene.kill(0);
        }
        scene.start();
        scene.run_until_all_ready(GRACE + 10 * MINUTE).await;
        scene.assert_one_account_each(6);
    });
}

#[test]
fn of_two_replicas_one_leads_and_the_other_takes_over() {
    in_virtual_time(async {
        let mut scene = Scene::new(2);
        scene.apply_acme().await;
        scene.start();
        scene.start();
        scene.run_for(Duration::from_secs(75)).await;
        scene.kill(0);
        scene.run_until_all_ready(GRACE + 10 * MINUTE).await;
        scene.assert_one_account_each(6);
    });
}

#[test]
fn a_stop_gives_the_lease_back_within_five_seconds() {
    in_virtual_time(async {
        let mut scene = Scene::new(3);
        scene.apply_acme().await;
        scene.start();
        scene.run_for(Duration::from_secs(62)).await;
        scene.terminate(0);
        let stopped = scene.world.clock.elapsed();
        scene
            .run_until(Duration::from_secs(5), "stopped", |scene| scene.has_ended(0))
            .await;
        assert!(scene.world.clock.elapsed() <= stopped + Duration::from_secs(5));
        let lease = scene
            .world
            .kubernetes
            .objects("coordination.k8s.io", "leases")
            .remove(0);
        assert_eq!(lease["spec"]["holderIdentity"], "");
        scene.start();
        // What was under way was ended before the stop: nobody waits for an unknown outcome.
        scene.run_until_all_ready(10 * MINUTE).await;
        scene.assert_one_account_each(6);
        // The successor does not know how empty AWS's bucket is, so one call may be throttled; none is accepted twice.
        let calls = scene.world.organization.calls();
        let accepted = calls
            .iter()
            .filter(|call| call.operation == "CreateAccount" && call.outcome == "OK")
            .count();
        assert_eq!(accepted, 6);
    });
}

#[test]
fn a_new_cluster_is_refused_until_the_old_one_is_named() {
    in_virtual_time(async {
        let mut old = Scene::new(4);
        old.apply_acme().await;
        old.start();
        old.run_until_all_ready(10 * MINUTE).await;
        let before = old.accounts_by_claim();
        old.kill(0);

        let mut new = old.new_cluster();
        new.apply_acme().await;
        let mutations = new.mutations().len();
        new.start();
        new.run_for(20 * MINUTE).await;
        assert_eq!(
            new.mutations().len(),
            mutations,
            "no mutation while another installation is named"
        );
        assert!(new.is("team-web", "shop-dev", "Stalled", "True", "OrganizationClaimed"));
        assert!(new.events("shop-dev").contains(&"OrganizationClaimed".to_owned()));
        new.kill(0);

        let state = new.world.organization.state();
        let mark = state.root.tags["bulkhead.dev/installation"].clone();
        new.start_with(config(), Some("heron:somebody-else".into()));
        new.run_for(5 * MINUTE).await;
        assert_eq!(
            new.mutations().len(),
            mutations,
            "another name than the one on the root takes nothing over"
        );
        new.kill(0);

        new.start_with(config(), Some(mark));
        new.run_until_all_ready(10 * MINUTE).await;
        assert_eq!(new.calls("CreateAccount"), 6, "all of them from the old cluster");
        assert_eq!(new.accounts_by_claim(), before);
    });
}

fn root_mark(scene: &Scene) -> String {
    scene.world.organization.state().root.tags["bulkhead.dev/installation"].clone()
}

#[test]
fn a_flag_left_standing_does_not_fire_when_the_organization_is_taken_back() {
    in_virtual_time(async {
        let mut old = Scene::new(6);
        old.apply_acme().await;
        old.start();
        old.run_until_all_ready(10 * MINUTE).await;
        old.kill(0);
        let first = root_mark(&old);
        let mut new = old.new_cluster();
        new.apply_acme().await;
        new.start_with(config(), Some(first.clone()));
        new.run_until_all_ready(10 * MINUTE).await;
        let second = root_mark(&new);
        assert!(second.ends_with(":1"), "{second}");
        new.kill(0);

        old.start_with(config(), Some(second));
        old.run_for(5 * MINUTE).await;
        let third = root_mark(&old);
        assert_eq!(third, format!("{first}:2"), "taken back");
        old.run_until_all_ready(10 * MINUTE).await;

        // The Deployment of the new cluster still carries its flag.
        let mutations = new.mutations().len();
        new.start_with(config(), Some(first));
        new.run_for(20 * MINUTE).await;
        assert_eq!(new.mutations().len(), mutations);
        assert_eq!(root_mark(&new), third);
        assert!(new.is("team-web", "shop-dev", "Stalled", "True", "OrganizationClaimed"));
        let told = new.account("team-web", "shop-dev")["status"].to_string();
        assert!(told.contains(&format!("--take-over={third}")), "{told}");
        new.kill(0);

        // A restart of the rightful one finds its mark settled, number and all.
        old.kill(0);
        old.start();
        old.create("team-web", "late", spec("dev")).await;
        old.run_until_all_ready(10 * MINUTE).await;
        assert_eq!(root_mark(&old), third);
        old.assert_one_account_each(7);
    });
}

/// Lets a promotion be about Acme's Baseline.
async fn promote(scene: &Scene) {
    let object = json!({
        "apiVersion": "bulkhead.dev/v1alpha1", "kind": "EnvironmentPromotion", "metadata": {"name": "travel"},
        "spec": {
            "baselineRef": {"name": "standard"}, "revisionPolicy": "Automatic",
            "stages": [{"name": "dev", "environment": "dev"}],
        },
    });
    let api: Api<EnvironmentPromotion> = Api::all(scene.world.client());
    let object = serde_json::from_value(object).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap();
}

fn promotion(scene: &Scene) -> Value {
    let mut promotions = scene
        .world
        .kubernetes
        .objects(api::GROUP, "environmentpromotions");
    promotions.remove(0)
}

/// Status and reason of a condition of the promotion.
fn says(scene: &Scene, type_: &str) -> Option<(String, String)> {
    let promotion = promotion(scene);
    let conditions = promotion["status"]["conditions"].as_array()?;
    let found = conditions.iter().find(|condition| condition["type"] == type_)?;
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    Some((text("status"), text("reason")))
}

#[test]
fn the_old_cluster_stops_within_a_period_when_it_is_taken_over() {
    in_virtual_time(async {
        let mut old = Scene::new(5);
        old.apply_acme().await;
        promote(&old).await;
        old.start();
        old.run_until_all_ready(10 * MINUTE).await;
        old.run_until(10 * MINUTE, "promoted", |scene| {
            says(scene, "Ready").is_some_and(|(status, _)| status == "True")
        })
        .await;
        let before = promotion(&old)["status"]["attempt"].clone();
        assert_eq!(before["outcome"]["result"], "Succeeded", "{before}");
        let mark = old.world.organization.state().root.tags["bulkhead.dev/installation"].clone();
        let mut new = old.new_cluster();
        new.apply_acme().await;
        new.start_with(config(), Some(mark));
        // Both live; each gets new work while the mark changes hands.
        for _ in 0..20 {
            old.run_for(Duration::from_secs(5)).await;
            new.run_for(Duration::from_secs(5)).await;
        }
        old.create("team-web", "late", spec("dev")).await;
        for _ in 0..60 {
            old.run_for(Duration::from_secs(5)).await;
            new.run_for(Duration::from_secs(5)).await;
        }
        assert!(old.is("team-web", "late", "Stalled", "True", "OrganizationClaimed"));
        assert_eq!(
            old.accounts_by_claim().len(),
            6,
            "the old cluster vends nothing any more"
        );
        // Its promotion takes no step, keeps its state, and says why.
        let claimed = |status: &str| Some((status.to_owned(), "OrganizationClaimed".to_owned()));
        assert_eq!(
            (says(&old, "Stalled"), says(&old, "Ready")),
            (claimed("True"), claimed("False"))
        );
        assert_eq!(promotion(&old)["status"]["attempt"], before);
    });
}

#[test]
fn an_object_deleted_while_its_account_is_made_leaves_the_account() {
    in_virtual_time(async {
        let mut scene = Scene::new(6);
        scene.apply_acme_platform().await;
        scene.create("team-web", "egret", spec("dev")).await;
        scene.start();
        scene
            .run_until(3 * MINUTE, "requested", |scene| scene.calls("CreateAccount") == 1)
            .await;
        scene.delete("team-web", "egret").await;
        assert!(
            !scene.account("team-web", "egret").is_null(),
            "the finalizer keeps it while a creation is unsettled"
        );
        scene
            .run_until(5 * MINUTE, "gone", |scene| {
                scene.account("team-web", "egret").is_null()
            })
            .await;
        scene.assert_one_account_each(1);
        // The same object again is the same account again.
        scene.create("team-web", "egret", spec("dev")).await;
        scene.run_until_all_ready(10 * MINUTE).await;
        scene.assert_one_account_each(1);
        assert_eq!(scene.calls("CreateAccount"), 1);
    });
}

#[test]
fn an_object_deleted_before_the_request_costs_no_account() {
    in_virtual_time(async {
        let mut scene = Scene::new(8);
        scene.apply_acme_platform().await;
        scene.create("team-web", "egret", spec("dev")).await;
        scene.start();
        scene.run_for(Duration::from_secs(30)).await;
        scene.delete("team-web", "egret").await;
        scene.run_for(10 * MINUTE).await;
        assert!(scene.account("team-web", "egret").is_null());
        assert_eq!(scene.calls("CreateAccount"), 0);
    });
}

#[test]
fn a_vended_object_is_deleted_without_the_operator() {
    in_virtual_time(async {
        let mut scene = Scene::new(9);
        scene.apply_acme_platform().await;
        scene.create("team-web", "egret", spec("dev")).await;
        scene.start();
        scene.run_until_all_ready(10 * MINUTE).await;
        scene.run_for(MINUTE).await;
        scene.kill(0);
        let mutations = scene.mutations().len();
        scene.delete("team-web", "egret").await;
        assert!(
            scene.account("team-web", "egret").is_null(),
            "no finalizer is left on a settled object"
        );
        scene.start();
        scene.run_for(10 * MINUTE).await;
        assert_eq!(scene.mutations().len(), mutations);
        scene.assert_one_account_each(1);
    });
}

#[test]
fn a_restart_takes_nothing_back_and_tells_nothing_again() {
    in_virtual_time(async {
        let mut scene = Scene::new(10);
        scene.apply_acme_platform().await;
        scene.create("team-web", "egret", spec("dev")).await;
        scene.create("team-web", "bittern", spec("nowhere")).await;
        scene.start();
        scene
            .run_until(10 * MINUTE, "the good one is Ready", |scene| {
                scene.is_ready("team-web", "egret")
            })
            .await;
        scene.run_for(2 * MINUTE).await;
        let told = (scene.events("egret"), scene.events("bittern"));
        let writes = scene.world.kubernetes.writes().len();
        scene.kill(0);
        scene.start();
        scene.run_for(10 * MINUTE).await;
        assert_eq!((scene.events("egret"), scene.events("bittern")), told);
        let written: Vec<_> = scene.world.kubernetes.writes()[writes..]
            .iter()
            .map(|w| w.plural.clone())
            .collect();
        assert!(written.iter().all(|plural| plural == "leases"), "{written:?}");
    });
}

#[test]
fn a_crash_while_the_mark_settles_does_not_shorten_it() {
    in_virtual_time(async {
        let mut scene = Scene::new(11);
        scene.apply_acme().await;
        scene.start();
        scene.run_for(Duration::from_secs(10)).await;
        scene.kill(0);
        scene.start();
        // The lease of the killed one ends first, then the mark settles anew.
        scene.run_for(Duration::from_secs(65)).await;
        assert_eq!(scene.calls("CreateAccount"), 0);
        scene.run_until_all_ready(15 * MINUTE).await;
        scene.assert_one_account_each(6);
    });
}
