//! Watches.

use super::{JSON, World, version};
use futures::{AsyncBufReadExt as _, StreamExt as _, TryStreamExt as _};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind},
    runtime::{WatchStreamExt as _, watcher},
};
use serde_json::{Value, json};
use std::time::Duration;

/// Reads a watch to its end.
async fn watch(w: &World, query: &str, view: Option<&str>) -> Vec<Value> {
    let mut request = http::Request::get(w.path(&format!("?watch=true&{query}")));
    if let Some(view) = view {
        request = request.header("accept", format!("application/json;as={view};g=meta.k8s.io;v=v1"));
    }
    let lines = w
        .client
        .request_stream(request.body(vec![]).unwrap())
        .await
        .unwrap()
        .lines();
    lines
        .map_ok(|line| serde_json::from_str(&line).unwrap())
        .try_collect()
        .await
        .unwrap()
}

fn shown(events: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    events
        .iter()
        .filter(|event| event["type"] != "BOOKMARK")
        .map(|event| {
            format!(
                "{} {}",
                text(&event["type"]),
                text(&event["object"]["metadata"]["name"])
            )
        })
        .collect()
}

async fn now(w: &World) -> u64 {
    version(&w.get("").await.ok())
}

async fn changes(w: &World) {
    w.plain("a").await;
    w.plain("b").await;
    w.merge("a", json!({"spec": {"color": "Blue"}})).await.ok();
    w.merge("a", json!({"spec": {"color": "Blue"}})).await.ok();
    w.delete("b", None).await.ok();
}

pub(crate) async fn from_now(w: World) {
    let since = now(&w).await;
    let query = format!("resourceVersion={since}&timeoutSeconds=2");
    let (events, ()) = futures::join!(watch(&w, &query, None), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        changes(&w).await;
    });
    assert_eq!(shown(&events), ["ADDED a", "ADDED b", "MODIFIED a", "DELETED b"]);
    assert_eq!(events[2]["object"], w.get("a").await.ok());
}

pub(crate) async fn from_a_version(w: World) {
    let since = now(&w).await;
    changes(&w).await;
    let events = watch(&w, &format!("resourceVersion={since}&timeoutSeconds=1"), None).await;
    assert_eq!(shown(&events), ["ADDED a", "ADDED b", "MODIFIED a", "DELETED b"]);
    let versions: Vec<u64> = events.iter().map(|event| version(&event["object"])).collect();
    assert!(versions.is_sorted() && versions[0] > since, "{versions:?}");
    let later = watch(
        &w,
        &format!("resourceVersion={}&timeoutSeconds=1", versions[1]),
        None,
    )
    .await;
    assert_eq!(shown(&later), ["MODIFIED a", "DELETED b"]);
}

pub(crate) async fn selectors_add_and_delete(w: World) {
    let since = now(&w).await;
    changes(&w).await;
    let red = watch(
        &w,
        &format!("fieldSelector=spec.color%3DRed&resourceVersion={since}&timeoutSeconds=1"),
        None,
    )
    .await;
    assert_eq!(shown(&red), ["ADDED a", "ADDED b", "DELETED a", "DELETED b"]);
    // The object that ceased to match comes as it was, with the version of the change.
    assert_eq!(red[2]["object"]["spec"]["color"], "Red");
    assert_eq!(version(&red[2]["object"]), version(&w.get("a").await.ok()));
    let blue = watch(
        &w,
        &format!("fieldSelector=spec.color%3DBlue&resourceVersion={since}&timeoutSeconds=1"),
        None,
    )
    .await;
    assert_eq!(shown(&blue), ["ADDED a"]);
    w.merge("a", json!({"metadata": {"labels": {"x": "y"}}}))
        .await
        .ok();
    let labelled = watch(
        &w,
        &format!("labelSelector=x%3Dy&resourceVersion={since}&timeoutSeconds=1"),
        None,
    )
    .await;
    assert_eq!(shown(&labelled), ["ADDED a"]);
}

pub(crate) async fn metadata_events(w: World) {
    let since = now(&w).await;
    let object = w.plain("a").await;
    let query = format!("resourceVersion={since}&timeoutSeconds=1");
    let events = watch(&w, &query, Some("PartialObjectMetadata")).await;
    assert_eq!(
        events[0],
        json!({"type": "ADDED", "object": {
            "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"],
        }})
    );
}

pub(crate) async fn initial_state(w: World) {
    changes(&w).await;
    for query in [
        "timeoutSeconds=1",
        "timeoutSeconds=1&resourceVersion=0",
        "timeoutSeconds=1&resourceVersion=",
    ] {
        assert_eq!(shown(&watch(&w, query, None).await), ["ADDED a"], "{query}");
    }
}

pub(crate) async fn bookmarks(w: World) {
    w.plain("a").await;
    let since = now(&w).await;
    w.plain("b").await;
    let query = format!("resourceVersion={since}&allowWatchBookmarks=true&timeoutSeconds=3");
    let events = watch(&w, &query, None).await;
    assert_eq!(shown(&events), ["ADDED b"]);
    // When bookmarks come is the server's business; what they look like is not.
    for bookmark in events.iter().filter(|event| event["type"] == "BOOKMARK") {
        assert_eq!(bookmark["object"]["kind"], "Widget");
        assert!(version(&bookmark["object"]) > since);
    }
}

pub(crate) async fn deletion_carries_a_version(w: World) {
    let object = w.with_meta("a", json!({"finalizers": ["a.b/c"]})).await;
    w.delete("a", None).await.ok();
    let deleting = w.get("a").await.ok();
    w.merge("a", json!({"metadata": {"finalizers": null}})).await.ok();
    let query = format!("resourceVersion={}&timeoutSeconds=1", version(&object));
    let events = watch(&w, &query, None).await;
    assert_eq!(shown(&events), ["MODIFIED a", "DELETED a"]);
    assert_eq!(events[0]["object"], deleting);
    assert!(version(&events[1]["object"]) > version(&deleting));
    assert_eq!(events[1]["object"]["metadata"]["finalizers"], json!(["a.b/c"]));
}

pub(crate) async fn ends_at_its_timeout(w: World) {
    let before = tokio::time::Instant::now();
    assert!(
        watch(
            &w,
            &format!("resourceVersion={}&timeoutSeconds=2", now(&w).await),
            None
        )
        .await
        .is_empty()
    );
    let took = before.elapsed();
    assert!(
        took >= Duration::from_secs(2) && took < Duration::from_secs(4),
        "{took:?}"
    );
}

pub(crate) async fn runtime_watcher(w: World) {
    let kind = GroupVersionKind::gvk("suite.example", "v1", "Widget");
    let api: Api<DynamicObject> = Api::namespaced_with(
        w.client.clone(),
        &w.ns,
        &ApiResource::from_gvk_with_plural(&kind, "widgets"),
    );
    w.plain("a").await;
    w.plain("b").await;
    let mut objects = std::pin::pin!(watcher(api, watcher::Config::default().page_size(1)).applied_objects());
    let mut next = async || objects.next().await.unwrap().unwrap();
    let mut first = [
        next().await.metadata.name.unwrap(),
        next().await.metadata.name.unwrap(),
    ];
    first.sort();
    assert_eq!(first, ["a", "b"]);
    w.merge("b", json!({"spec": {"replicas": 3}})).await.ok();
    let changed = next().await;
    assert_eq!(
        (
            changed.metadata.name.as_deref(),
            changed.data["spec"]["replicas"].as_i64()
        ),
        (Some("b"), Some(3))
    );
}

pub(crate) async fn version_that_is_no_number(w: World) {
    w.call(
        "GET",
        &w.path("?watch=true&resourceVersion=abc&timeoutSeconds=1"),
        JSON,
        None,
    )
    .await
    .fails(500, "");
}

pub(crate) async fn one_namespace(w: World) {
    let since = now(&w).await;
    let other = format!("{}-2", w.ns);
    let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}});
    w.call("POST", "/api/v1/namespaces", JSON, Some(&body)).await.ok();
    World {
        ns: other,
        ..w.clone()
    }
    .plain("elsewhere")
    .await;
    w.plain("here").await;
    let events = watch(&w, &format!("resourceVersion={since}&timeoutSeconds=1"), None).await;
    assert_eq!(shown(&events), ["ADDED here"]);
}
