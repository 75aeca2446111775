//! GET of collections.

use super::{JSON, WIDGETS, World, names, version};
use serde_json::{Value, json};

async fn three(w: &World) {
    for name in ["c", "a", "b"] {
        w.plain(name).await;
    }
}

pub(crate) async fn pages(w: World) {
    three(&w).await;
    let list = w.get("").await.ok();
    assert_eq!(
        (list["kind"].clone(), list["apiVersion"].clone()),
        (json!("WidgetList"), json!("suite.example/v1"))
    );
    assert_eq!(names(&list), ["a", "b", "c"]);
    assert_eq!(
        (
            list["items"][0]["kind"].clone(),
            list["items"][0]["apiVersion"].clone()
        ),
        (json!("Widget"), json!("suite.example/v1"))
    );
    let first = w.get("?limit=2").await.ok();
    assert_eq!(
        (names(&first), first["metadata"]["remainingItemCount"].as_i64()),
        (vec!["a".into(), "b".into()], Some(1))
    );
    let token = first["metadata"]["continue"].as_str().unwrap();
    let second = w.get(&format!("?limit=2&continue={token}")).await.ok();
    assert_eq!(
        (names(&second), second["metadata"].get("remainingItemCount")),
        (vec!["c".into()], None)
    );
    assert_eq!(second["metadata"]["continue"].as_str().unwrap_or_default(), "");
    // With a selector nobody counts the rest.
    let narrowed = w.get("?limit=1&fieldSelector=spec.color%3DRed").await.ok();
    assert_eq!(
        (names(&narrowed), narrowed["metadata"].get("remainingItemCount")),
        (vec!["a".into()], None)
    );
    assert_ne!(narrowed["metadata"]["continue"], "");
    assert_eq!(names(&w.get("?limit=1&resourceVersion=0").await.ok()).len(), 3);
    assert_eq!(names(&w.get("?limit=3").await.ok()).len(), 3);
}

pub(crate) async fn pages_show_one_state(w: World) {
    three(&w).await;
    let first = w.get("?limit=1").await.ok();
    let token = first["metadata"]["continue"].as_str().unwrap().to_owned();
    w.merge("b", json!({"spec": {"replicas": 5}})).await.ok();
    w.delete("c", None).await.ok();
    w.plain("d").await;
    let second = w.get(&format!("?continue={token}")).await.ok();
    assert_eq!(names(&second), ["b", "c"]);
    assert!(second["items"][0]["spec"].get("replicas").is_none());
    assert_eq!(
        second["metadata"]["resourceVersion"],
        first["metadata"]["resourceVersion"]
    );
    assert_eq!(names(&w.get("").await.ok()), ["a", "b", "d"]);
}

pub(crate) async fn bad_continue_token(w: World) {
    w.get("?continue=zzz").await.fails(400, "BadRequest");
}

async fn selected(w: &World, query: &str) -> Vec<String> {
    names(&w.get(&format!("?{query}")).await.ok())
}

pub(crate) async fn label_selectors(w: World) {
    w.with_meta("a", json!({"labels": {"env": "dev", "n": "5"}}))
        .await;
    w.with_meta("b", json!({"labels": {"env": "prod", "x.io/y": "z"}}))
        .await;
    w.plain("c").await;
    for (selector, expected) in [
        ("env%3Ddev", "a"),
        ("env%3D%3Ddev", "a"),
        ("env!%3Ddev", "bc"),
        ("env", "ab"),
        ("!env", "c"),
        ("env%20in%20(dev,prod)", "ab"),
        ("env%20notin%20(dev)", "bc"),
        ("env%20in%20(dev),n%3D5", "a"),
        ("x.io/y%3Dz", "b"),
        ("n%3E4", "a"),
        ("n%3C5", ""),
        ("env%3D", ""),
        ("env%3Ddev,env%3Dprod", ""),
        ("", "abc"),
    ] {
        assert_eq!(
            selected(&w, &format!("labelSelector={selector}")).await.concat(),
            expected,
            "{selector}"
        );
    }
}

pub(crate) async fn bad_label_selectors(w: World) {
    for selector in ["a%20in%20(", "a%3Db%3Dc", "a%20b", "a%20in%20b", "a%3Eb"] {
        w.get(&format!("?labelSelector={selector}"))
            .await
            .fails(400, "BadRequest");
    }
}

pub(crate) async fn field_selectors(w: World) {
    three(&w).await;
    w.merge("b", json!({"spec": {"color": "Blue"}})).await.ok();
    w.merge("c/status", json!({"status": {"phase": "Up"}})).await.ok();
    for (selector, expected) in [
        ("metadata.name%3Da", "a"),
        ("metadata.name!%3Da", "bc"),
        ("spec.color%3DBlue", "b"),
        ("spec.color%3D%3DRed,metadata.name!%3Dc", "a"),
        ("status.phase%3DUp", "c"),
        ("status.phase%3D", "ab"),
        ("status.phase!%3DUp", "ab"),
    ] {
        assert_eq!(
            selected(&w, &format!("fieldSelector={selector}")).await.concat(),
            expected,
            "{selector}"
        );
    }
    assert_eq!(
        selected(&w, &format!("fieldSelector=metadata.namespace%3D{}", w.ns))
            .await
            .len(),
        3
    );
}

pub(crate) async fn unknown_field_selector(w: World) {
    let reply = w
        .get("?fieldSelector=spec.foo%3Dx")
        .await
        .fails(400, "BadRequest");
    assert_eq!(reply.message(), "field label not supported: spec.foo");
    w.get("?fieldSelector=spec.color").await.fails(400, "BadRequest");
    let path = format!("/api/v1/namespaces/{}/configmaps?fieldSelector=data.a%3D1", w.ns);
    w.call("GET", &path, JSON, None).await.fails(400, "BadRequest");
}

pub(crate) async fn metadata_only(w: World) {
    let object = w.with_meta("a", json!({"labels": {"x": "y"}})).await;
    let accept = |view: &str| format!("application/json;as={view};g=meta.k8s.io;v=v1");
    let get = async |path: String, view: &str| {
        w.send("GET", &path, &[("accept", &accept(view))], String::new())
            .await
    };
    let list = get(w.path(""), "PartialObjectMetadataList").await.ok();
    assert_eq!(
        (list["kind"].clone(), list["apiVersion"].clone()),
        (json!("PartialObjectMetadataList"), json!("meta.k8s.io/v1"))
    );
    assert_eq!(
        list["items"],
        json!([{"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]}])
    );
    let one = get(w.path("a"), "PartialObjectMetadata").await.ok();
    assert_eq!(
        one,
        json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
    );
}

pub(crate) async fn versions(w: World) {
    let object = w.plain("a").await;
    let changed = w.merge("a", json!({"spec": {"replicas": 1}})).await.ok();
    let list = w.get("").await.ok();
    assert!(version(&list) >= version(&changed));
    let replicas = |list: &Value| list["items"][0]["spec"]["replicas"].as_i64();
    let exact = w
        .get(&format!(
            "?resourceVersion={}&resourceVersionMatch=Exact",
            version(&object)
        ))
        .await
        .ok();
    assert_eq!((replicas(&exact), version(&exact)), (None, version(&object)));
    let newer = w
        .get(&format!(
            "?resourceVersion={}&resourceVersionMatch=NotOlderThan",
            version(&object)
        ))
        .await
        .ok();
    assert_eq!(replicas(&newer), Some(1));
    w.get("?resourceVersion=abc").await.fails(400, "BadRequest");
    w.get("?resourceVersionMatch=Exact").await.fails(422, "Invalid");
    let reply = w.get("?resourceVersion=99999999").await.fails(504, "Timeout");
    assert_eq!(
        reply.body["details"]["causes"][0]["reason"],
        "ResourceVersionTooLarge"
    );
}

pub(crate) async fn all_namespaces(w: World) {
    w.plain("a").await;
    let path = format!("{WIDGETS}?fieldSelector=metadata.namespace%3D{}", w.ns);
    let list = w.call("GET", &path, JSON, None).await.ok();
    assert_eq!(names(&list), ["a"]);
}

pub(crate) async fn missing_namespace_is_empty(w: World) {
    let list = w
        .call(
            "GET",
            "/apis/suite.example/v1/namespaces/nowhere/widgets",
            JSON,
            None,
        )
        .await
        .ok();
    assert_eq!(list["items"], json!([]));
    w.call(
        "GET",
        "/apis/suite.example/v1/namespaces/nowhere/widgets/a",
        JSON,
        None,
    )
    .await
    .fails(404, "NotFound");
}
