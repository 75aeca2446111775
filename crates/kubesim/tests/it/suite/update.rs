//! PUT, merge patch, JSON patch, the status subresource.

use super::{JSON, MERGE, PATCH, World, owns, version, widget};
use serde_json::{Value, json};

fn at(name: &str, version: &Value, spec: Value) -> Value {
    let mut body = widget(name, spec);
    body["metadata"]["resourceVersion"] = version["metadata"]["resourceVersion"].clone();
    body
}

pub(crate) async fn put_needs_the_version(w: World) {
    let object = w.plain("a").await;
    let reply = w
        .put("a", &widget("a", json!({"email": "a@example.com"})))
        .await
        .fails(422, "Invalid");
    reply.has_causes(&[
        "FieldValueInvalid|metadata.resourceVersion|Invalid value: 0: must be specified for an update",
    ]);
    assert_eq!(reply.body["details"]["kind"], "widgets");
    w.put(
        "a",
        &at("a", &object, json!({"email": "a@example.com", "replicas": 1})),
    )
    .await
    .ok();
    let reply = w
        .put(
            "a",
            &at("a", &object, json!({"email": "a@example.com", "replicas": 2})),
        )
        .await
        .fails(409, "Conflict");
    assert_eq!(
        reply.message(),
        "Operation cannot be fulfilled on widgets.suite.example \"a\": the object has been modified; please apply \
         your changes to the latest version and try again"
    );
    assert_eq!(
        reply.body["details"],
        json!({"name": "a", "group": "suite.example", "kind": "widgets"})
    );
    // The lock comes before validation.
    w.put(
        "a",
        &at("a", &object, json!({"email": "a@example.com", "replicas": 200})),
    )
    .await
    .fails(409, "Conflict");
}

pub(crate) async fn put_replaces(w: World) {
    let object = w
        .with_meta("a", json!({"labels": {"x": "1"}, "annotations": {"y": "2"}}))
        .await;
    let body = at("a", &object, json!({"email": "a@example.com", "replicas": 1}));
    let new = w.put("a?fieldManager=putter", &body).await.ok();
    assert_eq!(
        new["spec"],
        json!({"email": "a@example.com", "replicas": 1, "color": "Red"})
    );
    assert!(new["metadata"].get("labels").is_none() && new["metadata"].get("annotations").is_none());
    for kept in ["uid", "creationTimestamp", "name", "namespace"] {
        assert_eq!(new["metadata"][kept], object["metadata"][kept], "{kept}");
    }
    assert_eq!(new["metadata"]["generation"], 2);
    assert!(version(&new) > version(&object));
    owns(
        &new,
        &[
            (
                "maker/Update/",
                json!({"f:spec": {".": {}, "f:color": {}, "f:email": {}}}),
            ),
            ("putter/Update/", json!({"f:spec": {"f:replicas": {}}})),
        ],
    );
}

pub(crate) async fn put_does_not_touch_status(w: World) {
    w.plain("a").await;
    let object = w.merge("a/status", json!({"status": {"phase": "Up"}})).await.ok();
    let mut body = at("a", &object, json!({"email": "a@example.com"}));
    body["status"] = json!({"phase": "Down", "count": 3});
    let new = w.put("a", &body).await.ok();
    assert_eq!(new["status"], json!({"phase": "Up", "observedGeneration": -1}));
    assert_eq!(version(&new), version(&object));
}

pub(crate) async fn put_of_missing_is_not_found(w: World) {
    let mut body = widget("a", json!({"email": "a@example.com"}));
    w.put("a", &body).await.fails(404, "NotFound");
    body["metadata"]["resourceVersion"] = json!("1");
    let reply = w.put("a", &body).await.fails(404, "NotFound");
    assert_eq!(reply.message(), "widgets.suite.example \"a\" not found");
}

pub(crate) async fn put_checks_name_and_uid(w: World) {
    let object = w.plain("a").await;
    let body = at("b", &object, json!({"email": "a@example.com"}));
    let reply = w.put("a", &body).await.fails(400, "BadRequest");
    assert_eq!(
        reply.message(),
        "the name of the object (b) does not match the name on the URL (a)"
    );
    let mut body = at("a", &object, json!({"email": "a@example.com"}));
    body["metadata"]["uid"] = json!("other");
    w.put("a", &body).await.fails(409, "Conflict");
    body["metadata"]["uid"] = object["metadata"]["uid"].clone();
    w.put("a", &body).await.ok();
    w.put("", &body).await.fails(400, "BadRequest");
}

pub(crate) async fn nothing_changed_nothing_written(w: World) {
    w.plain("a").await;
    let object = w.merge("a/status", json!({"status": {"phase": "Up"}})).await.ok();
    assert_eq!(w.put("a?fieldManager=x", &object).await.ok(), object);
    assert_eq!(
        w.merge("a?fieldManager=x", json!({"spec": {"email": "a@example.com"}}))
            .await
            .ok(),
        object
    );
    assert_eq!(
        w.merge("a?fieldManager=x", json!({"status": {"count": 9}}))
            .await
            .ok(),
        object
    );
    assert_eq!(w.json_patch("a", json!([])).await.ok(), object);
    assert_eq!(
        w.merge("a/status", json!({"spec": {"replicas": 9}})).await.ok(),
        object
    );
    assert_eq!(w.get("a").await.ok(), object);
}

pub(crate) async fn first_write_stores_the_status_default(w: World) {
    // A create drops the status, so what is stored lacks the default that every read shows. Any write stores it.
    let created = w.plain("a").await;
    let mut first = w.merge("a", json!({})).await.ok();
    assert!(version(&first) > version(&created));
    assert_eq!(w.merge("a", json!({})).await.ok(), first);
    first["metadata"]["resourceVersion"] = created["metadata"]["resourceVersion"].clone();
    assert_eq!(first, created);
}

pub(crate) async fn merge_patch(w: World) {
    w.post(
        "",
        &widget(
            "a",
            json!({"email": "a@example.com", "replicas": 1, "labels": {"a": "1", "b": "2"}}),
        ),
    )
    .await
    .ok();
    let patch = json!({"metadata": {"labels": {"l": "x"}}, "spec": {"replicas": null, "color": null, "labels": {"a": null, "c": "3"}, "steps": ["s"]}});
    let object = w.merge("a", patch).await.ok();
    assert_eq!(
        object["spec"],
        json!({"email": "a@example.com", "color": "Red", "labels": {"b": "2", "c": "3"}, "steps": ["s"]})
    );
    assert_eq!(object["metadata"]["labels"], json!({"l": "x"}));
    w.merge("none", json!({"spec": {"replicas": 1}}))
        .await
        .fails(404, "NotFound");
    w.merge("a", json!({"metadata": {"name": "b"}}))
        .await
        .fails(400, "BadRequest");
    w.merge("a", json!({"metadata": {"namespace": "b"}}))
        .await
        .fails(400, "BadRequest");
}

pub(crate) async fn merge_patch_as_compare_and_swap(w: World) {
    let object = w.plain("a").await;
    let old = object["metadata"]["resourceVersion"].clone();
    let patch = |replicas: i64| json!({"metadata": {"resourceVersion": old}, "spec": {"replicas": replicas}});
    w.merge("a", patch(1)).await.ok();
    w.merge("a", patch(2)).await.fails(409, "Conflict");
    let reply = w
        .merge(
            "a",
            json!({"metadata": {"resourceVersion": null}, "spec": {"replicas": 3}}),
        )
        .await;
    reply.fails(422, "Invalid");
    assert_eq!(w.get("a").await.ok()["spec"]["replicas"], 1);
}

pub(crate) async fn json_patch(w: World) {
    let object = w.plain("a").await;
    let patch = json!([
        {"op": "test", "path": "/metadata/finalizers", "value": null},
        {"op": "add", "path": "/metadata/finalizers", "value": ["suite.example/f"]},
        {"op": "test", "path": "/metadata/uid", "value": object["metadata"]["uid"]},
        {"op": "add", "path": "/spec/steps", "value": ["a"]},
        {"op": "add", "path": "/spec/steps/-", "value": "b"},
        {"op": "add", "path": "/spec/steps/0", "value": "z"},
        {"op": "replace", "path": "/spec/replicas", "value": 4},
        {"op": "copy", "from": "/spec/email", "path": "/spec/note"},
        {"op": "remove", "path": "/spec/steps/1"},
    ]);
    let new = w.json_patch("a", patch).await.ok();
    assert_eq!(
        new["spec"],
        json!({"email": "a@example.com", "color": "Red", "steps": ["z", "b"], "replicas": 4, "note": "a@example.com"})
    );
    assert_eq!(new["metadata"]["finalizers"], json!(["suite.example/f"]));
    let removed = w
        .json_patch("a", json!([{"op": "remove", "path": "/metadata/finalizers/0"}]))
        .await
        .ok();
    assert!(removed["metadata"].get("finalizers").is_none());
}

pub(crate) async fn json_patch_that_fails(w: World) {
    let object = w.plain("a").await;
    for operation in [
        json!({"op": "test", "path": "/spec/email", "value": "other"}),
        json!({"op": "test", "path": "/spec/replicas", "value": 1}),
        json!({"op": "remove", "path": "/spec/replicas"}),
        json!({"op": "add", "path": "/spec/none/deep", "value": 1}),
        json!({"op": "test", "path": "/metadata/resourceVersion", "value": "1"}),
    ] {
        let patch = json!([{"op": "add", "path": "/spec/note", "value": "x"}, operation]);
        let reply = w.json_patch("a", patch).await.fails(422, "Invalid");
        assert_eq!(
            reply.message(),
            "the server rejected our request due to an error in our request"
        );
    }
    assert_eq!(w.get("a").await.ok(), object);
}

pub(crate) async fn strict_patch(w: World) {
    w.plain("a").await;
    let reply = w
        .merge("a?fieldValidation=Strict", json!({"spec": {"foo": 1}}))
        .await
        .fails(422, "Invalid");
    assert!(
        reply
            .message()
            .ends_with("strict decoding error: unknown field \"spec.foo\""),
        "{}",
        reply.message()
    );
    assert_eq!(reply.body["details"]["causes"][0]["field"], "patch");
    let reply = w
        .merge("a?fieldValidation=Warn", json!({"spec": {"foo": 1}}))
        .await;
    assert_eq!((reply.code, reply.warnings.len()), (200, 1));
}

pub(crate) async fn unknown_media_type(w: World) {
    w.plain("a").await;
    for media in ["text/plain", "application/strategic-merge-patch+json"] {
        let reply = w
            .call(
                "PATCH",
                &w.path("a"),
                media,
                Some(&json!({"spec": {"replicas": 1}})),
            )
            .await;
        reply.fails(415, "UnsupportedMediaType");
    }
}

pub(crate) async fn unreadable_patches(w: World) {
    w.plain("a").await;
    w.send(
        "PATCH",
        &w.path("a"),
        &[("content-type", MERGE)],
        "{\"spec\":".into(),
    )
    .await
    .fails(400, "BadRequest");
    w.send(
        "PATCH",
        &w.path("a"),
        &[("content-type", PATCH)],
        "{\"spec\":1}".into(),
    )
    .await
    .fails(400, "BadRequest");
    w.send(
        "PUT",
        &w.path("a"),
        &[("content-type", JSON)],
        "{\"spec\":".into(),
    )
    .await
    .fails(400, "BadRequest");
}

pub(crate) async fn immutable_metadata(w: World) {
    w.plain("a").await;
    for (name, value) in [
        ("uid", json!("x")),
        ("deletionTimestamp", json!("2020-01-01T00:00:00Z")),
    ] {
        let reply = w
            .merge("a", json!({"metadata": {name: value}}))
            .await
            .fails(422, "Invalid");
        reply.has_causes(&[&format!(
            "FieldValueInvalid|metadata.{name}|Invalid value: {value}: field is immutable"
        )]);
    }
    // These are not refused but ignored.
    let object = w
        .merge("a", json!({"metadata": {"labels": {"x": "y"}}}))
        .await
        .ok();
    let patch = json!({"metadata": {"creationTimestamp": "2001-01-01T00:00:00Z", "generation": 77}});
    assert_eq!(w.merge("a", patch).await.ok(), object);
}

pub(crate) async fn generation_follows_spec(w: World) {
    let generation = |object: Value| object["metadata"]["generation"].as_i64().unwrap();
    assert_eq!(generation(w.plain("a").await), 1);
    assert_eq!(
        generation(w.merge("a", json!({"spec": {"replicas": 1}})).await.ok()),
        2
    );
    assert_eq!(
        generation(
            w.merge("a", json!({"metadata": {"labels": {"a": "b"}}}))
                .await
                .ok()
        ),
        2
    );
    assert_eq!(
        generation(w.merge("a/status", json!({"status": {"count": 1}})).await.ok()),
        2
    );
    assert_eq!(
        generation(w.merge("a", json!({"spec": {"replicas": 1}})).await.ok()),
        2
    );
    assert_eq!(
        generation(w.merge("a", json!({"spec": {"replicas": 2}})).await.ok()),
        3
    );
}

pub(crate) async fn status_put_and_get(w: World) {
    let object = w.plain("a").await;
    let mut body = at("a", &object, json!({"email": "b@example.com", "replicas": 200}));
    body["metadata"]["labels"] = json!({"x": "y"});
    body["status"] = json!({"phase": "Up"});
    let new = w.put("a/status?fieldManager=s", &body).await.ok();
    assert_eq!(new["spec"], object["spec"]);
    assert!(new["metadata"].get("labels").is_none());
    // A PUT replaces the status; the default is that of the whole, not of its members.
    assert_eq!(new["status"], json!({"phase": "Up"}));
    assert_eq!(w.get("a/status").await.ok(), new);
    owns(
        &new,
        &[
            (
                "maker/Update/",
                json!({"f:spec": {".": {}, "f:color": {}, "f:email": {}}}),
            ),
            ("s/Update/status", json!({"f:status": {"f:phase": {}}})),
        ],
    );
    w.put("a/status", &body).await.fails(409, "Conflict");
    body["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("resourceVersion");
    w.put("a/status", &body).await.fails(422, "Invalid");
    w.get("none/status").await.fails(404, "NotFound");
}

pub(crate) async fn status_patch_takes_only_status(w: World) {
    let object = w.plain("a").await;
    let patch = json!({
        "metadata": {"labels": {"q": "r"}, "finalizers": ["a.b/c"]}, "spec": {"replicas": 9}, "status": {"count": 7},
    });
    let new = w.merge("a/status", patch).await.ok();
    assert_eq!(new["spec"], object["spec"]);
    assert!(new["metadata"].get("labels").is_none() && new["metadata"].get("finalizers").is_none());
    assert_eq!(new["status"], json!({"count": 7, "observedGeneration": -1}));
    let new = w
        .json_patch(
            "a/status",
            json!([{"op": "replace", "path": "/status/count", "value": 8}]),
        )
        .await
        .ok();
    assert_eq!(new["status"]["count"], 8);
}

pub(crate) async fn removed_status_gets_its_default(w: World) {
    w.plain("a").await;
    w.merge("a/status", json!({"status": {"count": 7}})).await.ok();
    let new = w.merge("a/status", json!({"status": null})).await.ok();
    assert_eq!(new["status"], json!({"observedGeneration": -1}));
    owns(
        &new,
        &[(
            "maker/Update/",
            json!({"f:spec": {".": {}, "f:color": {}, "f:email": {}}}),
        )],
    );
}

pub(crate) async fn update_takes_ownership(w: World) {
    w.post(
        "?fieldManager=one",
        &widget(
            "a",
            json!({"email": "a@example.com", "replicas": 1, "tags": [{"key": "a", "value": "1"}]}),
        ),
    )
    .await
    .ok();
    let patch = json!({"spec": {"replicas": 2, "tags": [{"key": "a", "value": "2"}, {"key": "b"}]}});
    let object = w.merge("a?fieldManager=two", patch).await.ok();
    owns(
        &object,
        &[
            (
                "one/Update/",
                json!({"f:spec": {".": {}, "f:color": {}, "f:email": {}, "f:tags": {".": {}, "k:{\"key\":\"a\"}": {".": {}, "f:key": {}}}}}),
            ),
            (
                "two/Update/",
                json!({"f:spec": {"f:replicas": {}, "f:tags": {
                    "k:{\"key\":\"a\"}": {"f:value": {}}, "k:{\"key\":\"b\"}": {".": {}, "f:key": {}, "f:value": {}},
                }}}),
            ),
        ],
    );
    // Who owns nothing any more is gone.
    let object = w
        .merge(
            "a?fieldManager=one",
            json!({"spec": {"replicas": 1, "tags": null}}),
        )
        .await
        .ok();
    owns(
        &object,
        &[(
            "one/Update/",
            json!({"f:spec": {".": {}, "f:color": {}, "f:email": {}, "f:replicas": {}}}),
        )],
    );
}

pub(crate) async fn metadata_without_restating(w: World) {
    let object = w
        .with_meta("a", json!({"finalizers": ["a.b/c"], "labels": {"x": "y"}}))
        .await;
    w.delete("a", None).await.ok();
    let stored = w.get("a").await.ok();
    // A PUT that leaves out what the server set does not ask for its removal.
    let mut body = at("a", &stored, json!({"email": "a@example.com", "replicas": 3}));
    body["metadata"]["finalizers"] = json!(["a.b/c"]);
    let new = w.put("a", &body).await.ok();
    for kept in [
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        assert_eq!(new["metadata"][kept], stored["metadata"][kept], "{kept}");
    }
    assert_eq!(new["metadata"]["uid"], object["metadata"]["uid"]);
    assert!(new["metadata"].get("labels").is_none());
}
