//! The brake on the whole operator: the pace, what the objects say, and a crash in between.

use crate::scene::{MINUTE, Scene, in_virtual_time, spec};
use jiff::{SignedDuration, Timestamp};
use operator::Config;
use orgsim::Mutation;
use serde_json::Value;

const OBJECTS: usize = 12;
const PER_HOUR: usize = 5;

fn config(brake: &str) -> Config {
    let aws = "{awsShare: 1.0, enablePolicyTypes: true}";
    let text = format!("{{installation: heron, defaultBaseline: standard, aws: {aws}, {brake}}}");
    Config::parse(&text).unwrap()
}

fn creations(scene: &Scene) -> Vec<Timestamp> {
    let calls = scene.world.organization.calls().into_iter();
    calls
        .filter(|call| call.operation == "CreateAccount")
        .map(|call| call.at)
        .collect()
}

fn waiting(scene: &Scene) -> Vec<String> {
    let names = (0..OBJECTS).map(|number| format!("egret-{number}"));
    names
        .filter(|name| scene.is("team-web", name, "Waiting", "True", "CreationBudgetExhausted"))
        .collect()
}

/// How often an object's status was written.
fn version(scene: &Scene, name: &str) -> Value {
    scene.account("team-web", name)["metadata"]["resourceVersion"].clone()
}

#[test]
fn a_budget_of_five_an_hour_is_kept_through_a_crash_and_told_once() {
    in_virtual_time(async {
        let mut scene = Scene::new(5);
        scene.apply_acme_platform().await;
        let config = config(&format!("creation: {{perHour: {PER_HOUR}}}"));
        scene.start_with(config.clone(), None);
        for number in 0..OBJECTS {
            scene
                .create("team-web", &format!("egret-{number}"), spec("dev"))
                .await;
        }
        scene.run_for(10 * MINUTE).await;
        assert_eq!(creations(&scene).len(), PER_HOUR);
        let held_back = waiting(&scene);
        assert_eq!(held_back.len(), OBJECTS - PER_HOUR);
        let name = held_back[0].as_str();
        let next_step = scene.account("team-web", name)["status"]["nextStep"].clone();
        let words = "creation.perHour allows 5 creations in an hour, and they are taken; creations go on at ";
        let until = next_step.as_str().unwrap().strip_prefix(words).unwrap();
        let until: Timestamp = until.parse().unwrap();
        let first = creations(&scene)[0];
        let waits = until.duration_since(first);
        assert!(
            waits >= SignedDuration::from_hours(1) && waits <= SignedDuration::from_mins(65),
            "{waits:?}"
        );
        let written = version(&scene, name);

        // What is spent survives a crash, and nothing is written while nothing changes.
        scene.kill(0);
        scene.start_with(config, None);
        scene.run_for(50 * MINUTE).await;
        assert_eq!(creations(&scene).len(), PER_HOUR);
        assert_eq!(scene.account("team-web", name)["status"]["nextStep"], next_step);
        assert_eq!(version(&scene, name), written);

        scene.run_for(15 * MINUTE).await;
        assert_eq!(creations(&scene).len(), 2 * PER_HOUR);
        assert_eq!(waiting(&scene).len(), OBJECTS - 2 * PER_HOUR);
        scene.run_until_all_ready(80 * MINUTE).await;
        scene.assert_one_account_each(OBJECTS);

        let sent = creations(&scene);
        for (number, at) in sent.iter().enumerate().skip(PER_HOUR) {
            let hour = at.duration_since(sent[number - PER_HOUR]);
            assert!(hour >= SignedDuration::from_hours(1), "six within {hour:?}");
        }
        for name in &held_back {
            let events = scene.events(name).into_iter();
            let told = events
                .filter(|reason| reason == "CreationBudgetExhausted")
                .count();
            assert_eq!(told, 1, "{name}: {:?}", scene.events(name));
        }
        let organization = scene
            .world
            .kubernetes
            .objects(api::GROUP, "organizations")
            .remove(0);
        let day = organization["status"]["brake"]["creationsByHour"]
            .as_array()
            .unwrap();
        let counted: i64 = day.iter().map(|slot| slot["count"].as_i64().unwrap()).sum();
        assert_eq!(usize::try_from(counted).unwrap(), sent.len());
    });
}

#[test]
fn a_mass_move_is_held_back_and_goes_on_with_the_window() {
    in_virtual_time(async {
        let mut scene = Scene::new(6);
        scene.apply_acme().await;
        scene.start_with(config("massChange: {window: 1h, maxAccounts: 2}"), None);
        // The first moves of six new accounts are part of their creation.
        scene.run_until_all_ready(10 * MINUTE).await;

        // Somebody moves all of them away.
        let root = scene.world.organization.state().root.id;
        let away: Vec<String> = scene.accounts_by_claim().into_values().flatten().collect();
        for account in away {
            let to = root.clone();
            let mutation = Mutation::Move { account, to };
            scene.world.organization.mutate(mutation).unwrap();
        }
        let moves = |scene: &Scene| scene.calls("MoveAccount");
        let before = moves(&scene);
        scene.run_for(40 * MINUTE).await;
        assert_eq!(moves(&scene), before + 2);
        let report = scene.report();
        let braked = report
            .objects
            .iter()
            .filter(|object| object.reason.as_deref() == Some("MoveBudgetExhausted"));
        assert_eq!(braked.count(), 4);
        scene.run_until_all_ready(200 * MINUTE).await;
        assert_eq!(moves(&scene), before + 6);
    });
}
