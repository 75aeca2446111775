//! What people and AWS get wrong: each gives a clear condition and Event on the right object, costs no account, blocks no
//! other object, and heals when corrected.

use crate::scene::{MINUTE, Scene, in_virtual_time, spec};
use orgsim::{FailureReason, Mutation};
use serde_json::json;
use std::time::Duration;

/// A scene with a bad object `bittern` beside a good one `egret`, both in team-web.
async fn beside_a_good_one(seed: u64, bad: serde_json::Value) -> Scene {
    let mut scene = Scene::new(seed);
    scene.apply_acme_platform().await;
    scene.create("team-web", "egret", spec("dev")).await;
    scene.create("team-web", "bittern", bad).await;
    scene.start();
    scene
        .run_until(10 * MINUTE, "the good one is Ready", |scene| {
            scene.is_ready("team-web", "egret")
        })
        .await;
    scene
}

fn assert_refused(scene: &Scene, reason: &str) {
    assert!(
        scene.is("team-web", "bittern", "Stalled", "True", reason),
        "{:#}",
        scene.account("team-web", "bittern")["status"]
    );
    assert!(scene.is("team-web", "bittern", "Ready", "False", reason));
    assert!(
        scene.events("bittern").contains(&reason.to_owned()),
        "{:?}",
        scene.events("bittern")
    );
    scene.assert_one_account_each(1);
}

#[test]
fn a_missing_tag_value() {
    in_virtual_time(async {
        let mut bad = spec("dev");
        bad["tags"] = json!({});
        let mut scene = beside_a_good_one(1, bad).await;
        assert_refused(&scene, "MissingTagValue");
        scene
            .patch(
                "team-web",
                "bittern",
                json!({"spec": {"tags": {"data-class": "internal"}}}),
            )
            .await;
        scene.run_until_all_ready(10 * MINUTE).await;
        scene.assert_one_account_each(2);
    });
}

#[test]
fn an_unknown_environment_heals_when_the_baseline_gets_it() {
    in_virtual_time(async {
        let mut scene = beside_a_good_one(2, spec("sandbox")).await;
        assert_refused(&scene, "UnknownEnvironment");
        scene
            .patch_baseline(json!({"spec": {"environments": [
                {"name": "dev", "organizationalUnit": "Workloads/Dev"},
                {"name": "sandbox", "organizationalUnit": "Sandbox"},
            ]}}))
            .await;
        scene.run_until_all_ready(10 * MINUTE).await;
        assert_eq!(
            scene.account("team-web", "bittern")["status"]["organizationalUnit"]["path"],
            "Sandbox"
        );
    });
}

#[test]
fn an_email_that_another_object_has() {
    in_virtual_time(async {
        let mut scene = Scene::new(3);
        scene.apply_acme_platform().await;
        scene
            .patch_baseline(json!({"spec": {"allowExplicitEmail": true}}))
            .await;
        let mut first = spec("dev");
        first["email"] = json!("one@example.com");
        scene.create("team-payments", "egret", first.clone()).await;
        scene.run_for(Duration::from_secs(2)).await;
        first["email"] = json!("One@Example.com");
        scene.create("team-web", "bittern", first).await;
        scene.start();
        scene
            .run_until(10 * MINUTE, "the first is Ready", |scene| {
                scene.is_ready("team-payments", "egret")
            })
            .await;
        assert_refused(&scene, "EmailConflict");
        scene.delete("team-web", "bittern").await;
        scene.create("team-web", "bittern", spec("dev")).await;
        scene.run_until_all_ready(10 * MINUTE).await;
        scene.assert_one_account_each(2);
    });
}

#[test]
fn an_email_that_a_foreign_account_has() {
    in_virtual_time(async {
        let mut scene = Scene::with(orgsim::Settings {
            seed: 4,
            foreign_emails: vec!["AWS+team-web.bittern@example.com".into()],
            ..orgsim::Settings::default()
        });
        scene.apply_acme_platform().await;
        scene.create("team-web", "egret", spec("dev")).await;
        scene.create("team-web", "bittern", spec("dev")).await;
        scene.start();
        scene
            .run_until(10 * MINUTE, "the good one is Ready", |scene| {
                scene.is_ready("team-web", "egret")
            })
            .await;
        assert_refused(&scene, "EmailInUse");
        let calls = scene.calls("CreateAccount");
        scene.run_for(180 * MINUTE).await;
        assert_eq!(
            scene.calls("CreateAccount"),
            calls,
            "what cannot succeed is not asked again"
        );
        // Another template gives another address: tried at once, without a new object.
        scene
            .patch_baseline(json!({"spec": {"emailTemplate": "root+{namespace}.{name}@example.com"}}))
            .await;
        scene.run_until_all_ready(10 * MINUTE).await;
        scene.assert_one_account_each(2);
    });
}

#[test]
fn a_namespace_that_may_not_vend_to_prod() {
    in_virtual_time(async {
        let mut scene = Scene::new(5);
        scene.apply_acme_platform().await;
        let namespaces: kube::Api<k8s_openapi::api::core::v1::Namespace> =
            kube::Api::all(scene.world.client());
        let label = |tier: serde_json::Value| {
            kube::api::Patch::Merge(json!({"metadata": {"labels": {"tier": tier}}}))
        };
        namespaces
            .patch(
                "team-web",
                &kube::api::PatchParams::default(),
                &label(serde_json::Value::Null),
            )
            .await
            .unwrap();
        scene.create("team-web", "bittern", spec("prod")).await;
        scene.create("team-web", "egret", spec("dev")).await;
        scene.start();
        scene
            .run_until(10 * MINUTE, "the good one is Ready", |scene| {
                scene.is_ready("team-web", "egret")
            })
            .await;
        assert_refused(&scene, "EnvironmentNotAllowed");
        namespaces
            .patch(
                "team-web",
                &kube::api::PatchParams::default(),
                &label(json!("production")),
            )
            .await
            .unwrap();
        scene.run_until_all_ready(10 * MINUTE).await;
    });
}

#[test]
fn aws_cannot_be_reached() {
    in_virtual_time(async {
        let mut scene = Scene::new(6);
        scene.apply_acme_platform().await;
        scene.create("team-web", "egret", spec("dev")).await;
        scene.world.reach_aws(false);
        scene.start();
        scene
            .run_until(MINUTE, "told", |s| {
                s.is("team-web", "egret", "Waiting", "True", "AwsUnavailable")
            })
            .await;
        assert!(scene.events("egret").contains(&"AwsUnavailable".to_owned()));
        scene.world.reach_aws(true);
        scene.run_until_all_ready(10 * MINUTE).await;
        // An account that is Ready stays so when AWS is away for a while.
        scene.world.reach_aws(false);
        scene.run_for(60 * MINUTE).await;
        assert!(scene.is_ready("team-web", "egret"));
        scene.kill(0);
        scene.start();
        scene.run_for(10 * MINUTE).await;
        assert!(
            scene.is_ready("team-web", "egret"),
            "nor does a restart take it back"
        );
        scene.world.reach_aws(true);
        scene.run_for(10 * MINUTE).await;
        assert!(scene.is_ready("team-web", "egret"));
        assert_eq!(scene.calls("CreateAccount"), 1);
    });
}

#[test]
fn aws_denies_access() {
    in_virtual_time(async {
        let mut scene = Scene::new(7);
        scene.apply_acme_platform().await;
        scene.create("team-web", "bittern", spec("dev")).await;
        let operations = vec!["CreateAccount".to_owned()];
        scene
            .world
            .organization
            .mutate(Mutation::Deny {
                operations: operations.clone(),
            })
            .unwrap();
        scene.start();
        scene
            .run_until(5 * MINUTE, "told", |s| {
                s.is("team-web", "bittern", "Stalled", "True", "AccessDenied")
            })
            .await;
        assert!(scene.events("bittern").contains(&"AccessDenied".to_owned()));
        let told = scene.events("bittern").len();
        scene.run_for(60 * MINUTE).await;
        assert_eq!(
            scene.events("bittern").len(),
            told,
            "it is told once, not at each try"
        );
        assert!(scene.accounts_by_claim().is_empty());
        scene
            .world
            .organization
            .mutate(Mutation::Allow { operations })
            .unwrap();
        scene.run_until_all_ready(20 * MINUTE).await;
        scene.assert_one_account_each(1);
    });
}

#[test]
fn aws_denies_reading() {
    in_virtual_time(async {
        let mut scene = Scene::new(8);
        scene.apply_acme_platform().await;
        scene.create("team-web", "bittern", spec("dev")).await;
        let operations = vec!["*".to_owned()];
        scene
            .world
            .organization
            .mutate(Mutation::Deny {
                operations: operations.clone(),
            })
            .unwrap();
        scene.start();
        scene
            .run_until(5 * MINUTE, "told", |s| {
                s.is("team-web", "bittern", "Stalled", "True", "AccessDenied")
            })
            .await;
        scene
            .world
            .organization
            .mutate(Mutation::Allow { operations })
            .unwrap();
        scene.run_until_all_ready(20 * MINUTE).await;
        scene.assert_one_account_each(1);
    });
}

#[test]
fn creations_that_fail_for_now_are_tried_again() {
    in_virtual_time(async {
        let mut scene = Scene::new(9);
        scene.apply_acme_platform().await;
        scene.create("team-web", "bittern", spec("dev")).await;
        scene
            .world
            .organization
            .fail_next_creation(FailureReason::InternalFailure);
        scene.start();
        scene.run_until_all_ready(20 * MINUTE).await;
        assert_eq!(scene.calls("CreateAccount"), 2);
        assert_eq!(
            scene.account("team-web", "bittern")["status"]["creation"]["attempt"],
            2
        );
        scene.assert_one_account_each(1);
    });
}

#[test]
fn a_quota_that_is_used_up_is_told_and_tried_again_each_hour() {
    in_virtual_time(async {
        let mut scene = Scene::new(10);
        scene.apply_acme_platform().await;
        scene.create("team-web", "bittern", spec("dev")).await;
        scene
            .world
            .organization
            .fail_next_creation(FailureReason::AccountLimitExceeded);
        scene.start();
        scene
            .run_until(10 * MINUTE, "told", |s| {
                s.is("team-web", "bittern", "Stalled", "True", "AccountLimitExceeded")
            })
            .await;
        scene.run_until_all_ready(90 * MINUTE).await;
        scene.assert_one_account_each(1);
    });
}

#[test]
fn a_quota_that_stays_used_up_is_told_once() {
    in_virtual_time(async {
        let mut scene = Scene::new(12);
        scene.apply_acme_platform().await;
        scene.create("team-web", "bittern", spec("dev")).await;
        let organization = scene.world.organization.clone();
        let fail = |reason| organization.fail_next_creation(reason);
        for _ in 0..6 {
            fail(FailureReason::AccountLimitExceeded);
        }
        fail(FailureReason::InvalidAddress);
        scene.start();
        let stalled = |s: &Scene| s.is("team-web", "bittern", "Stalled", "True", "AccountLimitExceeded");
        scene.run_until(10 * MINUTE, "told", stalled).await;
        scene.run_for(MINUTE).await;
        let told = scene.events("bittern");
        let times = |events: &[String], reason: &str| events.iter().filter(|event| *event == reason).count();
        assert_eq!(times(&told, "AccountLimitExceeded"), 1, "{told:?}");
        let sixth = |s: &Scene| s.calls("CreateAccount") == 6 && stalled(s);
        scene.run_until(6 * 61 * MINUTE, "tried again", sixth).await;
        scene.run_for(10 * MINUTE).await;
        assert_eq!(scene.events("bittern"), told, "nothing of it is news");

        // Another reason is.
        let other = |s: &Scene| {
            s.is(
                "team-web",
                "bittern",
                "Stalled",
                "True",
                "BusinessValidationFailed",
            )
        };
        scene.run_until(90 * MINUTE, "another reason", other).await;
        scene.run_for(MINUTE).await;
        let told = scene.events("bittern");
        assert_eq!(times(&told, "BusinessValidationFailed"), 1, "{told:?}");
        scene.run_until_all_ready(90 * MINUTE).await;
        scene.run_for(MINUTE).await;
        let told = scene.events("bittern");
        assert_eq!(times(&told, "Ready"), 1, "{told:?}");
        scene.assert_one_account_each(1);
    });
}

#[test]
fn aws_denies_writing_the_mark() {
    in_virtual_time(async {
        let mut scene = Scene::new(11);
        scene.apply_acme_platform().await;
        scene.create("team-web", "bittern", spec("dev")).await;
        let operations = vec!["TagResource".to_owned()];
        scene
            .world
            .organization
            .mutate(Mutation::Deny {
                operations: operations.clone(),
            })
            .unwrap();
        scene.start();
        scene
            .run_until(5 * MINUTE, "told", |s| {
                s.is("team-web", "bittern", "Stalled", "True", "AccessDenied")
            })
            .await;
        assert!(scene.accounts_by_claim().is_empty());
        scene
            .world
            .organization
            .mutate(Mutation::Allow { operations })
            .unwrap();
        scene.run_until_all_ready(20 * MINUTE).await;
        scene.assert_one_account_each(1);
    });
}

#[test]
fn no_account_is_made_that_would_have_nowhere_to_go() {
    in_virtual_time(async {
        let mut scene = Scene::new(12);
        scene.apply_acme_platform().await;
        scene.create("team-web", "bittern", spec("dev")).await;
        let operations = vec!["CreateOrganizationalUnit".to_owned()];
        scene
            .world
            .organization
            .mutate(Mutation::Deny {
                operations: operations.clone(),
            })
            .unwrap();
        scene.start();
        scene
            .run_until(5 * MINUTE, "told", |s| {
                s.is("team-web", "bittern", "Stalled", "True", "AccessDenied")
            })
            .await;
        scene.run_for(30 * MINUTE).await;
        assert_eq!(scene.calls("CreateAccount"), 0);
        scene
            .world
            .organization
            .mutate(Mutation::Allow { operations })
            .unwrap();
        scene.run_until_all_ready(20 * MINUTE).await;
    });
}
