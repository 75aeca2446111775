//! POST.

use super::{JSON, World, owns, version, widget};
use serde_json::json;

pub(crate) async fn fills_in_metadata_and_defaults(w: World) {
    let mut body = widget(
        "a",
        json!({"email": "a@example.com", "parent": {"name": "p"}, "tags": [{"key": "k"}]}),
    );
    body["metadata"]["uid"] = json!("mine");
    body["metadata"]["generation"] = json!(7);
    body["metadata"]["creationTimestamp"] = json!("2001-01-01T00:00:00Z");
    body["status"] = json!({"phase": "Mine"});
    let reply = w.post("", &body).await;
    assert_eq!(reply.code, 201);
    let object = reply.ok();
    let metadata = &object["metadata"];
    assert_eq!(metadata["namespace"], *w.ns);
    assert_eq!(metadata["generation"], 1);
    assert_eq!(metadata["uid"].as_str().unwrap().len(), 36);
    assert_eq!(
        metadata["creationTimestamp"].as_str().unwrap().len(),
        "2001-01-01T00:00:00Z".len()
    );
    assert_ne!(metadata["creationTimestamp"], "2001-01-01T00:00:00Z");
    assert_eq!(
        object["spec"],
        json!({
            "email": "a@example.com", "color": "Red", "parent": {"name": "p", "kind": "Root"},
            "tags": [{"key": "k", "value": "none"}],
        })
    );
    assert_eq!(object["status"], json!({"observedGeneration": -1}));
    assert_eq!(w.get("a").await.ok(), object);
}

pub(crate) async fn drops_unknown_fields(w: World) {
    let spec = json!({
        "email": "a@example.com", "foo": 1, "parent": {"name": "p", "bar": 1}, "tags": [{"key": "k", "baz": 1}],
        "raw": {"kept": {"deep": [1, {"x": null}]}}, "labels": {"any": "thing"},
    });
    let mut body = widget("a", spec);
    body["metadata"]["nonsense"] = json!(true);
    body["more"] = json!(1);
    let object = w.post("?fieldValidation=Ignore", &body).await.ok();
    assert_eq!(
        object["spec"],
        json!({
            "email": "a@example.com", "color": "Red", "parent": {"name": "p", "kind": "Root"},
            "tags": [{"key": "k", "value": "none"}], "raw": {"kept": {"deep": [1, {"x": null}]}},
            "labels": {"any": "thing"},
        })
    );
    assert!(object.get("more").is_none());
    assert!(object["metadata"].get("nonsense").is_none());
}

pub(crate) async fn strict_names_unknown_fields(w: World) {
    let spec = json!({"email": "a@example.com", "foo": 1, "parent": {"name": "x", "zz": 1}, "tags": [{"key": "a", "u": 1}]});
    let reply = w
        .post("?fieldValidation=Strict", &widget("a", spec))
        .await
        .fails(400, "BadRequest");
    assert_eq!(
        reply.message(),
        "Widget in version \"v1\" cannot be handled as a Widget: strict decoding error: unknown field \"spec.foo\", \
         unknown field \"spec.parent.zz\", unknown field \"spec.tags[0].u\""
    );
    w.get("a").await.fails(404, "NotFound");
    let mut body = widget("a", json!({"email": "a@example.com"}));
    body["metadata"]["foo"] = json!(1);
    let reply = w
        .post("?fieldValidation=Strict", &body)
        .await
        .fails(400, "BadRequest");
    assert!(
        reply.message().ends_with("unknown field \"metadata.foo\""),
        "{}",
        reply.message()
    );
}

pub(crate) async fn warns_of_unknown_fields(w: World) {
    let body = widget("a", json!({"email": "a@example.com", "foo": 1}));
    let reply = w.post("?fieldValidation=Warn", &body).await;
    assert_eq!(
        (reply.code, reply.warnings.as_slice()),
        (201, &["299 - \"unknown field \\\"spec.foo\\\"\"".to_owned()][..])
    );
    let body = widget("b", json!({"email": "a@example.com", "foo": 1}));
    let reply = w.post("?fieldValidation=Ignore", &body).await;
    assert_eq!((reply.code, reply.warnings.len()), (201, 0));
}

pub(crate) async fn refuses_a_second_of_the_name(w: World) {
    w.plain("a").await;
    let reply = w
        .post("", &widget("a", json!({"email": "b@example.com"})))
        .await
        .fails(409, "AlreadyExists");
    assert_eq!(reply.message(), "widgets.suite.example \"a\" already exists");
    assert_eq!(
        reply.body["details"],
        json!({"name": "a", "group": "suite.example", "kind": "widgets"})
    );
    // What is invalid is invalid first.
    w.post("", &widget("a", json!({}))).await.fails(422, "Invalid");
}

pub(crate) async fn generates_names(w: World) {
    let mut body = widget("", json!({"email": "a@example.com"}));
    body["metadata"] = json!({"generateName": "gen-"});
    let object = w.post("", &body).await.ok();
    let name = object["metadata"]["name"].as_str().unwrap();
    assert_eq!(
        (name.len(), name.strip_prefix("gen-").map(str::len)),
        (9, Some(5))
    );
    assert_eq!(object["metadata"]["generateName"], "gen-");
    let other = w.post("", &body).await.ok();
    assert_ne!(other["metadata"]["name"], object["metadata"]["name"]);
    body["metadata"] = json!({});
    w.post("", &body).await.fails(422, "Invalid").has_causes(&[
        "FieldValueRequired|metadata.name|Required value: name or generateName is required",
        "FieldValueInvalid|<nil>|Invalid value: null: some validation rules were not checked because the object was \
         invalid; correct the existing errors to complete validation",
    ]);
}

pub(crate) async fn refuses_wrong_kind_and_version(w: World) {
    let mut body = widget("a", json!({"email": "a@example.com"}));
    body["kind"] = json!("Gadget");
    let reply = w.post("", &body).await.fails(422, "Invalid");
    reply.has_causes(&["FieldValueInvalid|kind|Invalid value: \"Gadget\": must be Widget"]);
    assert_eq!(reply.body["details"]["kind"], "Gadget");
    body["kind"] = json!("Widget");
    body["apiVersion"] = json!("suite.example/v2");
    let reply = w.post("", &body).await.fails(400, "BadRequest");
    assert_eq!(
        reply.message(),
        "the API version in the data (suite.example/v2) does not match the expected API version (suite.example/v1)"
    );
    body.as_object_mut().unwrap().remove("kind");
    body.as_object_mut().unwrap().remove("apiVersion");
    w.post("", &body).await.fails(400, "BadRequest");
    let headers = [("content-type", JSON)];
    w.send("POST", &w.path(""), &headers, "{\"metadata".to_owned())
        .await
        .fails(400, "BadRequest");
}

pub(crate) async fn refuses_other_namespace(w: World) {
    let mut body = widget("a", json!({"email": "a@example.com"}));
    body["metadata"]["namespace"] = json!("other");
    w.post("", &body).await.fails(400, "BadRequest");
    body["metadata"]["namespace"] = json!(w.ns);
    assert_eq!(w.post("", &body).await.code, 201);
}

pub(crate) async fn refuses_missing_namespace(w: World) {
    let body = widget("a", json!({"email": "a@example.com"}));
    let path = "/apis/suite.example/v1/namespaces/nowhere/widgets";
    let reply = w
        .call("POST", path, JSON, Some(&body))
        .await
        .fails(404, "NotFound");
    assert_eq!(reply.message(), "namespaces \"nowhere\" not found");
    assert_eq!(
        reply.body["details"],
        json!({"name": "nowhere", "kind": "namespaces"})
    );
    // The namespace is looked at before the object.
    w.call("POST", path, JSON, Some(&widget("a", json!({}))))
        .await
        .fails(404, "NotFound");
}

pub(crate) async fn refuses_resource_version(w: World) {
    let mut body = widget("a", json!({"email": "a@example.com"}));
    body["metadata"]["resourceVersion"] = json!("5");
    let reply = w.post("", &body).await.fails(500, "");
    assert_eq!(
        reply.message(),
        "resourceVersion should not be set on objects to be created"
    );
}

pub(crate) async fn refuses_bad_metadata(w: World) {
    let reply = w
        .post("", &widget("Bad_", json!({"email": "a@example.com"})))
        .await
        .fails(422, "Invalid");
    let causes = reply.causes();
    assert_eq!(causes.len(), 1);
    assert!(
        causes
            .first()
            .unwrap()
            .starts_with("FieldValueInvalid|metadata.name|Invalid value: \"Bad_\": a lowercase RFC 1123")
    );
    for (metadata, field) in [
        (json!({"labels": {"a b": "c"}}), "metadata.labels"),
        (json!({"labels": {"a": "b c"}}), "metadata.labels"),
        (json!({"annotations": {"a b": "c"}}), "metadata.annotations"),
        (json!({"finalizers": ["a b"]}), "metadata.finalizers"),
    ] {
        let mut body = widget("a", json!({"email": "a@example.com"}));
        let name = metadata.as_object().unwrap().keys().next().unwrap().clone();
        body["metadata"][&name] = metadata[&name].clone();
        let reply = w.post("", &body).await.fails(422, "Invalid");
        assert!(
            reply.causes().iter().all(|cause| cause.contains(field)),
            "{:?}",
            reply.causes()
        );
    }
}

pub(crate) async fn owns_what_it_sets(w: World) {
    let spec = json!({
        "email": "a@example.com", "parent": {"name": "p"}, "labels": {}, "note": null, "regions": ["x"],
        "tags": [{"key": "k"}], "steps": ["1"], "raw": {"x": [1]}, "pinned": {"a": "1"},
    });
    let mut body = widget("a", spec);
    body["metadata"]["labels"] = json!({"l": "1"});
    body["metadata"]["finalizers"] = json!(["suite.example/f"]);
    let object = w.post("?fieldManager=me", &body).await.ok();
    owns(
        &object,
        &[(
            "me/Update/",
            json!({
                "f:metadata": {
                    "f:labels": {".": {}, "f:l": {}}, "f:finalizers": {".": {}, "v:\"suite.example/f\"": {}},
                },
                "f:spec": {
                    ".": {}, "f:color": {}, "f:email": {}, "f:labels": {}, "f:note": {}, "f:pinned": {},
                    "f:parent": {".": {}, "f:kind": {}, "f:name": {}}, "f:raw": {".": {}, "f:x": {}},
                    "f:regions": {".": {}, "v:\"x\"": {}}, "f:steps": {},
                    "f:tags": {".": {}, "k:{\"key\":\"k\"}": {".": {}, "f:key": {}, "f:value": {}}},
                },
            }),
        )],
    );
    let entry = &object["metadata"]["managedFields"][0];
    assert_eq!(entry["fieldsType"], "FieldsV1");
    assert_eq!(entry["apiVersion"], "suite.example/v1");
    assert_eq!(entry["time"].as_str().unwrap().len(), 20);
}

pub(crate) async fn dry_run_stores_nothing(w: World) {
    let reply = w
        .post("?dryRun=All", &widget("a", json!({"email": "a@example.com"})))
        .await;
    assert_eq!(reply.code, 201);
    let object = reply.ok();
    assert!(object["metadata"].get("resourceVersion").is_none());
    assert_eq!(object["spec"]["color"], "Red");
    w.get("a").await.fails(404, "NotFound");
    let stored = w.plain("b").await;
    let changed = w
        .merge("b?dryRun=All", json!({"spec": {"replicas": 2}}))
        .await
        .ok();
    assert_eq!(
        (
            changed["spec"]["replicas"].as_i64(),
            changed["metadata"]["generation"].as_i64()
        ),
        (Some(2), Some(2))
    );
    assert_eq!(w.get("b").await.ok(), stored);
    assert_eq!(version(&changed), version(&stored));
}

pub(crate) async fn drops_nulls_that_are_not_nullable(w: World) {
    let spec =
        json!({"email": "a@example.com", "color": null, "replicas": null, "note": null, "parent": null});
    let object = w.post("", &widget("a", spec)).await.ok();
    assert_eq!(
        object["spec"],
        json!({"email": "a@example.com", "color": "Red", "note": null})
    );
    let reply = w
        .post("", &widget("b", json!({"email": null})))
        .await
        .fails(422, "Invalid");
    assert!(
        reply
            .causes()
            .contains("FieldValueRequired|spec.email|Required value")
    );
}

pub(crate) async fn wrongly_typed_metadata_is_a_bad_request(w: World) {
    let mut body = widget("a", json!({"email": "a@example.com"}));
    body["metadata"]["labels"] = json!({"a": 1});
    w.post("", &body).await.fails(400, "BadRequest");
    body["metadata"]["labels"] = json!({});
    body["metadata"]["annotations"] = json!(null);
    let object = w.post("", &body).await.ok();
    assert!(object["metadata"].get("labels").is_none() && object["metadata"].get("annotations").is_none());
}
