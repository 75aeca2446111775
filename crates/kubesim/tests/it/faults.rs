//! What fault plans do to requests and watches.

use crate::simulated;
use futures::StreamExt as _;
use kube::{
    Api, Client,
    api::{
        ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams,
        PostParams, WatchEvent, WatchParams,
    },
};
use kubesim::{Fault, FaultPlan, FaultRule, Kubesim, Settings, Verb};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, timeout};

const HOUR: Duration = Duration::from_hours(1);

fn widgets(sim: &Kubesim) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("suite.example", "v1", "Widget");
    let client = Client::new(sim.service_named("op-a"), "default");
    Api::default_namespaced_with(client, &ApiResource::from_gvk_with_plural(&kind, "widgets"))
}

fn widget(name: &str) -> DynamicObject {
    serde_json::from_value(json!({
        "apiVersion": "suite.example/v1", "kind": "Widget", "metadata": {"name": name},
        "spec": {"email": "a@example.com"},
    }))
    .unwrap()
}

async fn create(api: &Api<DynamicObject>, name: &str) -> kube::Result<DynamicObject> {
    api.create(&PostParams::default(), &widget(name)).await
}

/// A client would try some of these again by itself; these tests ask once.
async fn post(sim: &Kubesim, name: &str) -> Result<http::Response<Value>, kubesim::ConnectionLost> {
    let body = serde_json::to_vec(&widget(name)).unwrap();
    let request = http::Request::post("/apis/suite.example/v1/namespaces/default/widgets")
        .header("content-type", "application/json")
        .body(http_body_util::Full::<bytes::Bytes>::from(body))
        .unwrap();
    let response = tower::ServiceExt::oneshot(sim.service(), request).await?;
    let (parts, body) = response.into_parts();
    let body = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
    Ok(http::Response::from_parts(
        parts,
        serde_json::from_slice(&body).unwrap(),
    ))
}

fn names(sim: &Kubesim) -> Vec<String> {
    let name = |object: &Value| object["metadata"]["name"].as_str().unwrap().to_owned();
    sim.objects("suite.example", "widgets").iter().map(name).collect()
}

fn set(sim: &Kubesim, rules: Vec<FaultRule>) {
    let plan = FaultPlan {
        version: 1,
        seed: 1,
        rules,
    };
    plan.check().unwrap();
    sim.set_faults(plan);
}

fn only(verb: Verb, fault: Fault) -> FaultRule {
    FaultRule {
        verbs: vec![verb],
        ..FaultRule::new(fault)
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_have_no_effect() {
    for (fault, code, reason, retry_after) in [
        (Fault::Conflict, 409, "Conflict", None),
        (Fault::InternalError, 500, "InternalError", None),
        (Fault::Unavailable, 503, "ServiceUnavailable", Some("1")),
        (Fault::TooManyRequests, 429, "TooManyRequests", Some("1")),
    ] {
        let sim = simulated(Settings::default());
        set(
            &sim,
            vec![FaultRule {
                times: Some(1),
                ..FaultRule::new(fault)
            }],
        );
        let refused = post(&sim, "a").await.unwrap();
        assert_eq!(refused.status(), code);
        assert_eq!(
            (&refused.body()["code"], &refused.body()["reason"]),
            (&json!(code), &json!(reason))
        );
        let header = refused
            .headers()
            .get("retry-after")
            .map(|value| value.to_str().unwrap());
        assert_eq!(header, retry_after, "{fault:?}");
        assert!(names(&sim).is_empty() && sim.writes().is_empty());
        // It reached the server all the same.
        let key = ("create".to_owned(), "widgets.suite.example".to_owned());
        assert_eq!(sim.requests()[&key], 1);
        assert_eq!(post(&sim, "a").await.unwrap().status(), 201);
    }
}

#[tokio::test(start_paused = true)]
async fn lost_answers_hide_what_happened() {
    for (fault, effect) in [
        (Fault::ConnectionLost, false),
        (Fault::ConnectionLostAfterEffect, true),
        (Fault::Hang, false),
        (Fault::HangAfterEffect, true),
        (Fault::GatewayTimeoutAfterEffect, true),
    ] {
        let sim = simulated(Settings::default());
        set(&sim, vec![FaultRule::new(fault)]);
        let outcome = timeout(HOUR, post(&sim, "a")).await;
        match fault {
            Fault::Hang | Fault::HangAfterEffect => assert!(outcome.is_err(), "{outcome:?}"),
            Fault::GatewayTimeoutAfterEffect => {
                let answer = outcome.unwrap().unwrap();
                assert_eq!(
                    (answer.status().as_u16(), &answer.body()["reason"]),
                    (504, &json!("Timeout"))
                );
            }
            _ => assert_eq!(outcome.unwrap().unwrap_err(), kubesim::ConnectionLost),
        }
        assert_eq!(names(&sim), if effect { vec!["a"] } else { vec![] }, "{fault:?}");
        assert_eq!(sim.writes().len(), usize::from(effect));
    }
}

/// What a caller gives up waiting for has happened, and its later answer is nobody's.
#[tokio::test(start_paused = true)]
async fn slow_requests_take_their_time() {
    let sim = simulated(Settings::default());
    let delay = Some(Duration::from_secs(8));
    set(
        &sim,
        vec![FaultRule {
            delay,
            ..only(Verb::Create, Fault::Slow)
        }],
    );
    let begun = Instant::now();
    post(&sim, "a").await.unwrap();
    let took = begun.elapsed();
    assert!(
        took >= Duration::from_secs(8) && took < Duration::from_secs(9),
        "{took:?}"
    );
    for (patience, effect) in [(3, false), (5, true)] {
        let name = format!("p{patience}");
        assert!(
            timeout(Duration::from_secs(patience), post(&sim, &name))
                .await
                .is_err()
        );
        assert_eq!(names(&sim).contains(&name), effect);
    }
}

#[tokio::test(start_paused = true)]
async fn the_window_is_that_of_the_servers_clock() {
    let sim = simulated(Settings::default());
    tokio::time::sleep(HOUR).await;
    let plan = "{version: 1, seed: 1, rules: [{fault: internalError, from: 10s, until: 20s, resources: [widgets.suite.example]}]}";
    sim.set_faults(FaultPlan::parse(plan).unwrap());
    assert_eq!(post(&sim, "a").await.unwrap().status(), 201);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(post(&sim, "b").await.unwrap().status(), 500);
    // Another resource goes unharmed.
    let api = widgets(&sim);
    api.patch_status(
        "a",
        &PatchParams::default(),
        &Patch::Merge(json!({"status": {"count": 1}})),
    )
    .await
    .unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(post(&sim, "b").await.unwrap().status(), 201);
    let hits = sim.faults_since(0);
    assert_eq!(hits.len(), 1);
    assert_eq!(
        (hits[0].fault, hits[0].verb, hits[0].rule),
        (Fault::InternalError, Verb::Create, 0)
    );
    assert_eq!(
        (hits[0].resource.as_str(), hits[0].namespace.as_str()),
        ("widgets.suite.example", "default")
    );
    assert_eq!(hits[0].at.to_string()[..16], *"2030-01-01T01:00");
    // A new plan replaces the old one.
    set(&sim, vec![]);
    assert!(sim.faults_since(1).is_empty());
}

#[tokio::test(start_paused = true)]
async fn chance_repeats_and_clients_are_told_apart() {
    let run = async |seed| {
        let sim = simulated(Settings::default());
        let rules = vec![FaultRule {
            percent: Some(50),
            ..only(Verb::Delete, Fault::ConnectionLostAfterEffect)
        }];
        sim.set_faults(FaultPlan {
            version: 1,
            seed,
            rules,
        });
        let api = widgets(&sim);
        for i in 0..20 {
            let name = format!("w{i}");
            create(&api, &name).await.unwrap();
            let _ = api.delete(&name, &DeleteParams::default()).await;
        }
        assert!(names(&sim).is_empty());
        assert!(sim.faults_since(0).iter().all(|hit| hit.client == "op-a"));
        sim.faults_since(0)
            .into_iter()
            .map(|hit| hit.name)
            .collect::<Vec<_>>()
    };
    let first = run(1).await;
    assert!((4..17).contains(&first.len()), "{first:?}");
    assert_eq!(first, run(1).await);
    assert_ne!(first, run(2).await);
}

fn name(event: &WatchEvent<DynamicObject>) -> String {
    match event {
        WatchEvent::Added(object) => object.metadata.name.clone().unwrap(),
        WatchEvent::Bookmark(_) => "bookmark".to_owned(),
        WatchEvent::Error(status) => status.code.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_breaks_before_an_event_and_before_a_bookmark() {
    let sim = simulated(Settings::default());
    let api = widgets(&sim);
    set(
        &sim,
        vec![FaultRule {
            every: Some(2),
            ..FaultRule::new(Fault::WatchBroken)
        }],
    );
    let params = WatchParams::default();
    let events = api.watch(&params, "1").await.unwrap();
    create(&api, "a").await.unwrap();
    create(&api, "b").await.unwrap();
    let seen: Vec<String> = events.map(|event| name(&event.unwrap())).collect().await;
    assert_eq!(seen, ["a"]);
    // Nothing is lost to a client that resumes.
    let version = sim.objects("suite.example", "widgets")[0]["metadata"]["resourceVersion"].clone();
    let mut events = api
        .watch(&params, version.as_str().unwrap())
        .await
        .unwrap()
        .boxed();
    assert_eq!(name(&events.next().await.unwrap().unwrap()), "b");
    let begun = Instant::now();
    assert!(events.next().await.is_none());
    assert!(begun.elapsed().as_secs().abs_diff(60) <= 1, "a bookmark was due");
}

#[tokio::test(start_paused = true)]
async fn a_stale_watch_keeps_its_order() {
    let sim = simulated(Settings::default());
    let api = widgets(&sim);
    // The default is 10 s; the second event alone is stale, and the third must not overtake it.
    set(
        &sim,
        vec![FaultRule {
            every: Some(2),
            times: Some(1),
            ..FaultRule::new(Fault::WatchStale)
        }],
    );
    let events = api.watch(&WatchParams::default(), "1").await.unwrap();
    let begun = Instant::now();
    for name in ["a", "b", "c"] {
        create(&api, name).await.unwrap();
    }
    let seen: Vec<(String, u64)> = events
        .take(3)
        .map(|event| (name(&event.unwrap()), begun.elapsed().as_secs()))
        .collect()
        .await;
    assert_eq!(
        seen,
        [("a".to_owned(), 0), ("b".to_owned(), 10), ("c".to_owned(), 10)]
    );
}

#[tokio::test(start_paused = true)]
async fn gone_comes_at_the_start_in_the_middle_and_between_pages() {
    let sim = simulated(Settings::default());
    let api = widgets(&sim);
    for name in ["a", "b"] {
        create(&api, name).await.unwrap();
    }
    let first = |sim: &Kubesim| {
        set(
            sim,
            vec![FaultRule {
                times: Some(1),
                ..FaultRule::new(Fault::Gone)
            }],
        );
    };
    first(&sim);
    // A first page is not hit, its continuation is.
    let page = api.list(&ListParams::default().limit(1)).await.unwrap();
    let next = ListParams::default()
        .limit(1)
        .continue_token(&page.metadata.continue_.unwrap());
    let error = api.list(&next).await.unwrap_err();
    assert!(
        matches!(&error, kube::Error::Api(status) if status.code == 410 && status.reason == "Expired"),
        "{error}"
    );
    assert_eq!(api.list(&next).await.unwrap().items.len(), 1);
    first(&sim);
    let seen: Vec<String> = api
        .watch(&WatchParams::default(), "1")
        .await
        .unwrap()
        .map(|e| name(&e.unwrap()))
        .collect()
        .await;
    assert_eq!(seen, ["410"]);
    let events = api.watch(&WatchParams::default(), "1").await.unwrap();
    first(&sim);
    let seen: Vec<String> = events.map(|event| name(&event.unwrap())).collect().await;
    assert_eq!(seen, ["410"]);
}
