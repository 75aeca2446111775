//! What only a simulator can be asked: determinism, faults, virtual time, its own books, and what it refuses.

use crate::{simulated, suite::WIDGETS};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{
    Api, Client,
    api::{
        ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, PartialObjectMeta, Patch,
        PatchParams, PostParams, WatchParams,
    },
    runtime::{WatchStreamExt as _, reflector, watcher},
};
use kubesim::{CompiledCrd, CrdError, Kubesim, Settings};
use serde_json::{Value, json};
use std::time::Duration;

fn client(sim: &Kubesim) -> Client {
    Client::new(sim.service(), "default")
}

fn widgets(client: Client) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("suite.example", "v1", "Widget");
    Api::default_namespaced_with(client, &ApiResource::from_gvk_with_plural(&kind, "widgets"))
}

fn widget(name: &str) -> DynamicObject {
    serde_json::from_value(json!({
        "apiVersion": "suite.example/v1", "kind": "Widget", "metadata": {"name": name},
        "spec": {"email": "a@example.com"},
    }))
    .unwrap()
}

/// Some concurrent work, and everything that can be seen of it.
async fn transcript(seed: u64) -> Vec<String> {
    let sim = simulated(Settings {
        seed,
        ..Settings::default()
    });
    let api = widgets(client(&sim));
    let started = tokio::time::Instant::now();
    let events = api.watch(&WatchParams::default().timeout(60), "0").await.unwrap();
    let seen = events
        .map_ok(|event| format!("{:?} {event:?}", started.elapsed()))
        .try_collect::<Vec<_>>();
    let work = futures::future::join_all((0..8).map(|i| {
        let api = api.clone();
        async move {
            let name = format!("w{i}");
            let mut body = widget(&name);
            body.metadata.name = None;
            body.metadata.generate_name = Some(format!("{name}-"));
            let made = api
                .create(&PostParams::default(), &body)
                .await
                .unwrap()
                .metadata
                .name
                .unwrap();
            let patch = json!({"status": {"count": i}});
            api.patch_status(&made, &PatchParams::default(), &Patch::Merge(patch))
                .await
                .unwrap();
            format!("{:?} {made}", started.elapsed())
        }
    }));
    let (seen, done) = futures::join!(seen, work);
    let objects = sim
        .objects("suite.example", "widgets")
        .iter()
        .map(Value::to_string)
        .collect();
    let writes = sim.writes().iter().map(|write| format!("{write:?}")).collect();
    [seen.unwrap(), done, objects, writes].concat()
}

#[tokio::test(start_paused = true)]
async fn one_seed_is_one_run() {
    let first = transcript(7).await;
    assert_eq!(first.len(), 16 + 8 + 8 + 16);
    assert_eq!(first, transcript(7).await);
    assert_ne!(first, transcript(8).await);
}

#[tokio::test(start_paused = true)]
async fn a_day_of_watching_takes_no_time() {
    let sim = simulated(Settings::default());
    let api = widgets(client(&sim));
    let real = std::time::Instant::now();
    let kind = GroupVersionKind::gvk("suite.example", "v1", "Widget");
    let writer = reflector::store::Writer::new(ApiResource::from_gvk_with_plural(&kind, "widgets"));
    let reader = writer.as_reader();
    let stream = watcher(api.clone(), watcher::Config::default())
        .default_backoff()
        .reflect(writer)
        .applied_objects();
    let watching = stream.try_for_each(|_| async { Ok(()) });
    let working = async {
        for hour in 0..24 {
            let body = json!({"apiVersion": "suite.example/v1", "kind": "Widget", "metadata": {"name": "a"},
                "spec": {"email": "a@example.com", "replicas": hour}});
            api.patch("a", &PatchParams::apply("me"), &Patch::Apply(body))
                .await
                .unwrap();
            tokio::time::sleep(Duration::from_hours(1)).await;
            assert_eq!(reader.state()[0].data["spec"]["replicas"], hour);
        }
    };
    tokio::select! {
        biased;
        ended = watching => panic!("{ended:?}"),
        () = working => {}
    }
    // A watch ends every 290 s and resumes from a bookmark or an event, without a new list.
    let requests = sim.requests();
    assert_eq!(
        requests[&("list".to_owned(), "widgets.suite.example".to_owned())],
        1
    );
    assert!(
        requests[&("watch".to_owned(), "widgets.suite.example".to_owned())] > 290,
        "{requests:?}"
    );
    assert!(real.elapsed() < Duration::from_secs(20));
}

#[tokio::test(start_paused = true)]
async fn a_watcher_survives_broken_watches_and_lost_history() {
    let sim = simulated(Settings::default());
    let api = widgets(client(&sim));
    let mut objects = std::pin::pin!(
        watcher(api.clone(), watcher::Config::default())
            .default_backoff()
            .applied_objects()
    );
    let mut next = async || loop {
        // Errors are what this test is about; the watcher goes on after them.
        if let Ok(object) = objects.next().await.unwrap() {
            return object.metadata.name.unwrap();
        }
    };
    api.create(&PostParams::default(), &widget("a")).await.unwrap();
    assert_eq!(next().await, "a");
    sim.break_watches();
    api.create(&PostParams::default(), &widget("b")).await.unwrap();
    assert_eq!(next().await, "b");
    let lists = |sim: &Kubesim| sim.requests()[&("list".to_owned(), "widgets.suite.example".to_owned())];
    assert_eq!(lists(&sim), 1);
    sim.break_watches();
    sim.compact_history();
    api.create(&PostParams::default(), &widget("c")).await.unwrap();
    let mut seen = vec![next().await, next().await, next().await];
    seen.sort();
    assert_eq!(
        (seen, lists(&sim)),
        (vec!["a".to_owned(), "b".to_owned(), "c".to_owned()], 2)
    );
}

#[tokio::test(start_paused = true)]
async fn old_versions_expire() {
    let sim = simulated(Settings {
        watch_history: 2,
        ..Settings::default()
    });
    let api = widgets(client(&sim));
    for name in ["a", "b", "c", "d"] {
        api.create(&PostParams::default(), &widget(name)).await.unwrap();
    }
    let page = api.list(&ListParams::default().limit(1)).await.unwrap();
    let since = page.metadata.resource_version.clone().unwrap();
    for name in ["e", "f", "g"] {
        api.create(&PostParams::default(), &widget(name)).await.unwrap();
    }
    let mut events = api.watch(&WatchParams::default(), &since).await.unwrap().boxed();
    let first = events.next().await.unwrap().unwrap();
    assert!(
        matches!(&first, kube::api::WatchEvent::Error(status) if status.code == 410 && status.reason == "Expired"),
        "{first:?}"
    );
    let token = page.metadata.continue_.unwrap();
    let error = api
        .list(&ListParams::default().limit(1).continue_token(&token))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, kube::Error::Api(status) if status.code == 410),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn books_are_kept() {
    let sim = simulated(Settings::default());
    let api = widgets(client(&sim));
    api.create(&PostParams::default(), &widget("a")).await.unwrap();
    let status = json!({"apiVersion": "suite.example/v1", "kind": "Widget", "status": {"phase": "Up"}});
    for _ in 0..3 {
        api.patch_status("a", &PatchParams::apply("s").force(), &Patch::Apply(&status))
            .await
            .unwrap();
    }
    api.get("a").await.unwrap();
    api.delete("a", &DeleteParams::default()).await.unwrap();
    let writes: Vec<String> = sim
        .writes()
        .iter()
        .map(|write| {
            format!(
                "{} {} {}/{} by {} as {}",
                write.verb, write.subresource, write.namespace, write.name, write.user, write.manager
            )
        })
        .collect();
    assert_eq!(
        writes,
        [
            "create  default/a by admin as unknown",
            "apply status default/a by admin as s",
            "delete  default/a by admin as unknown",
        ]
    );
    let requests = sim.requests();
    assert_eq!(
        requests[&("patch".to_owned(), "widgets.suite.example/status".to_owned())],
        3
    );
    assert_eq!(
        requests[&("get".to_owned(), "widgets.suite.example".to_owned())],
        1
    );
    assert_eq!(sim.writes()[2].resource_version, sim.resource_version());
}

#[tokio::test(start_paused = true)]
async fn the_books_can_be_read_on() {
    let sim = simulated(Settings::default());
    let api = widgets(client(&sim));
    api.create(&PostParams::default(), &widget("a")).await.unwrap();
    let seen = sim.writes().len();
    api.create(&PostParams::default(), &widget("b")).await.unwrap();
    api.create(&PostParams::default(), &widget("c")).await.unwrap();
    let names = |index| -> Vec<String> {
        sim.writes_since(index)
            .into_iter()
            .map(|write| write.name)
            .collect()
    };
    assert_eq!(names(0), ["a", "b", "c"]);
    assert_eq!(names(seen), ["b", "c"]);
    assert!(names(3).is_empty() && names(99).is_empty());
}

/// One compilation serves many servers, also on other threads, and they judge as one that read the CRD itself.
#[test]
fn a_compiled_crd_is_shared() {
    async fn refusal(sim: Kubesim) -> String {
        let mut bad = widget("a");
        bad.data["spec"]["email"] = json!("");
        let refused = widgets(client(&sim)).create(&PostParams::default(), &bad).await;
        refused.unwrap_err().to_string()
    }
    let run = |future| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        runtime.unwrap().block_on(future)
    };
    let server = || Kubesim::new(Settings::default(), || jiff::Timestamp::UNIX_EPOCH);
    let compiled = CompiledCrd::new(&crate::widget_crd()).unwrap();
    let alone = server();
    alone.install_crd(crate::widget_crd()).unwrap();
    let expected = run(refusal(alone));
    assert!(expected.contains("spec.email"), "{expected}");
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let compiled = compiled.clone();
            std::thread::spawn(move || {
                let sim = server();
                sim.install(&compiled);
                run(refusal(sim))
            })
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), expected);
    }
    // A server without it does not know the kind.
    assert!(run(refusal(server())).contains("does not implement"));
}

#[tokio::test(start_paused = true)]
async fn latency_passes_on_the_virtual_clock() {
    let ms = Duration::from_millis;
    let sim = simulated(Settings {
        latency: (ms(10), ms(20)),
        ..Settings::default()
    });
    let api = widgets(client(&sim));
    let started = tokio::time::Instant::now();
    api.create(&PostParams::default(), &widget("a")).await.unwrap();
    assert!(
        (ms(10)..=ms(22)).contains(&started.elapsed()),
        "{:?}",
        started.elapsed()
    );
    // A request dropped half-way may have had its effect.
    let at_once = simulated(Settings {
        latency: (Duration::ZERO, Duration::ZERO),
        ..Settings::default()
    });
    let started = tokio::time::Instant::now();
    widgets(client(&at_once))
        .create(&PostParams::default(), &widget("a"))
        .await
        .unwrap();
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn typed_and_metadata_apis_work() {
    let sim = simulated(Settings::default());
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&sim));
    let map = ConfigMap {
        metadata: kube::api::ObjectMeta {
            name: Some("a".into()),
            ..Default::default()
        },
        ..Default::default()
    };
    maps.create(&PostParams::default(), &map).await.unwrap();
    assert_eq!(maps.list(&ListParams::default()).await.unwrap().items.len(), 1);
    let namespaces: Api<PartialObjectMeta<Namespace>> = Api::all(client(&sim));
    let names: Vec<String> = namespaces
        .list(&ListParams::default())
        .await
        .unwrap()
        .items
        .into_iter()
        .map(|ns| ns.metadata.name.unwrap())
        .collect();
    assert_eq!(names, ["default", "kube-system"]);
    let mut seen = std::pin::pin!(watcher(namespaces, watcher::Config::default()).applied_objects());
    assert_eq!(
        seen.next().await.unwrap().unwrap().metadata.name.as_deref(),
        Some("default")
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_says_so() {
    let sim = simulated(Settings::default());
    let client = client(&sim);
    let ask = async |method: &str, path: &str, media: &str, body: &str| {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", media);
        let result = client
            .request::<Value>(request.body(body.as_bytes().to_vec()).unwrap())
            .await;
        match result.unwrap_err() {
            kube::Error::Api(status) => (status.code, status.message.clone()),
            other => panic!("{other}"),
        }
    };
    let strategic = "application/strategic-merge-patch+json";
    let apply = "application/apply-patch+yaml";
    for (method, path, media, body, what) in [
        ("GET", "/api/v1/pods", "", "", "the resource pods of /v1"),
        (
            "GET",
            "/apis/apps/v1/namespaces/default/deployments/x",
            "",
            "",
            "the resource deployments of apps/v1",
        ),
        ("GET", "/apis", "", "", "GET /apis"),
        (
            "PATCH",
            "/api/v1/namespaces/default/configmaps/a",
            strategic,
            "{}",
            "strategic merge patch",
        ),
        (
            "PATCH",
            "/api/v1/namespaces/default/configmaps/a?fieldManager=x",
            apply,
            "a: b",
            "apply patches in YAML",
        ),
        (
            "PUT",
            "/api/v1/namespaces/default/finalize",
            "",
            "{}",
            "the subresource finalize of namespaces",
        ),
        (
            "GET",
            &format!("{WIDGETS}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"),
            "",
            "",
            "sendInitialEvents",
        ),
    ] {
        let (code, message) = ask(method, path, media, body).await;
        assert_eq!(code, 501, "{message}");
        assert!(
            message.starts_with(&format!("kubesim does not implement {what}")),
            "{message}"
        );
    }
}

#[test]
fn unsupported_crds_are_refused() {
    let sim = Kubesim::new(Settings::default(), || jiff::Timestamp::UNIX_EPOCH);
    let install = |schema: Value, extra: Value| {
        let mut version =
            json!({"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}});
        for (key, value) in extra.as_object().unwrap() {
            version[key] = value.clone();
        }
        sim.install_crd(json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "xs.x.example"},
            "spec": {"group": "x.example", "scope": "Cluster", "names": {"kind": "X", "plural": "xs"}, "versions": [version]},
        }))
    };
    let spec = |spec: Value| json!({"type": "object", "properties": {"spec": spec}});
    assert!(install(spec(json!({"type": "object", "description": "text"})), json!({})).is_ok());
    for schema in [
        spec(json!({"type": "string", "format": "ipv4"})),
        json!({"type": "object", "properties": {"metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 5}}}}}),
    ] {
        assert!(matches!(
            install(schema, json!({})),
            Err(CrdError::Unsupported { .. })
        ));
    }
    for schema in [
        spec(json!({"type": "string", "pattern": "("})),
        spec(json!({"type": "string", "x-kubernetes-validations": [{"rule": "self.("}]})),
        spec(json!({"type": "string", "x-kubernetes-new-thing": true})),
    ] {
        assert!(matches!(install(schema, json!({})), Err(CrdError::Schema { .. })));
    }
    assert!(matches!(
        install(
            spec(json!({"type": "object"})),
            json!({"subresources": {"scale": {}}})
        ),
        Err(CrdError::Unsupported { .. })
    ));
    assert!(matches!(
        sim.install_crd(json!({"kind": "ConfigMap"})),
        Err(CrdError::Malformed(_))
    ));
}

/// The CRDs this project ships use nothing that kubesim lacks.
#[test]
fn serves_the_crds_of_this_repository() {
    let sim = Kubesim::new(Settings::default(), || jiff::Timestamp::UNIX_EPOCH);
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crds");
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let crd: Value = serde_saphyr::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        sim.install_crd(crd)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
