//! Server-side apply.

use super::{World, owns, widget};
use serde_json::{Value, json};

const EMAIL: &str = "a@example.com";

pub(crate) async fn creates(w: World) {
    let spec = json!({
        "email": EMAIL, "replicas": 1, "tags": [{"key": "a", "value": "1"}], "regions": ["x"], "parent": {"name": "q"},
        "steps": ["1"], "labels": {"l": "1"}, "pinned": {"a": "1"},
    });
    let reply = w.apply("a", "one", spec).await;
    assert_eq!(reply.code, 201);
    let object = reply.ok();
    assert_eq!(object["metadata"]["generation"], 1);
    assert_eq!(object["spec"]["color"], "Red");
    assert_eq!(object["status"], json!({"observedGeneration": -1}));
    owns(
        &object,
        &[(
            "one/Apply/",
            json!({"f:spec": {
                "f:email": {}, "f:labels": {"f:l": {}}, "f:parent": {"f:name": {}}, "f:pinned": {},
                "f:regions": {"v:\"x\"": {}}, "f:replicas": {}, "f:steps": {},
                "f:tags": {"k:{\"key\":\"a\"}": {".": {}, "f:key": {}, "f:value": {}}},
            }}),
        )],
    );
    assert_eq!(w.get("a").await.ok(), object);
}

pub(crate) async fn needs_the_name_to_create(w: World) {
    let mut body = widget("a", json!({"email": EMAIL}));
    body.as_object_mut().unwrap().remove("metadata");
    let reply = w
        .apply_raw("a", "fieldManager=one", &body)
        .await
        .fails(400, "BadRequest");
    assert_eq!(
        reply.message(),
        "the name of the object (a based on URL) was undeterminable: name must be provided"
    );
    w.apply("a", "one", json!({"email": EMAIL})).await.ok();
    body["spec"]["replicas"] = json!(1);
    let object = w.apply_raw("a", "fieldManager=one", &body).await.ok();
    assert_eq!(object["spec"]["replicas"], 1);
}

pub(crate) async fn needs_a_manager(w: World) {
    let reply = w
        .apply_raw("a", "", &widget("a", json!({"email": EMAIL})))
        .await
        .fails(422, "Invalid");
    reply.has_causes(&["FieldValueRequired|fieldManager|Required value: is required for apply patch"]);
}

pub(crate) async fn same_again_changes_nothing(w: World) {
    let spec = json!({"email": EMAIL, "tags": [{"key": "a"}], "ports": [{"port": 80}], "regions": ["x"], "labels": {}});
    w.apply("a", "one", spec.clone()).await.ok();
    let object = w
        .merge("a/status", json!({"status": {"observedGeneration": 1}}))
        .await
        .ok();
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    assert_eq!(w.apply("a", "one", spec.clone()).await.ok(), object);
    assert_eq!(w.force("a", "one", spec).await.ok(), object);
    let status = json!({"conditions": [{"type": "Ready", "status": "True"}], "phase": "P"});
    let object = w.apply_status("a", "s", status.clone()).await.ok();
    assert_eq!(w.apply_status("a", "s", status).await.ok(), object);
}

pub(crate) async fn removes_what_is_no_longer_applied(w: World) {
    let spec = json!({
        "email": EMAIL, "replicas": 1, "parent": {"name": "p"}, "labels": {"a": "1", "b": "2"}, "steps": ["1"],
        "pinned": {"a": "1"}, "color": "Blue",
    });
    w.apply("a", "one", spec).await.ok();
    let object = w
        .apply("a", "one", json!({"email": EMAIL, "labels": {"a": "1"}}))
        .await
        .ok();
    // The parent had a default the manager never owned; the field it lived in goes all the same.
    assert_eq!(
        object["spec"],
        json!({"email": EMAIL, "labels": {"a": "1"}, "color": "Red"})
    );
    owns(
        &object,
        &[(
            "one/Apply/",
            json!({"f:spec": {"f:email": {}, "f:labels": {"f:a": {}}}}),
        )],
    );
    let object = w.apply("a", "one", json!({"email": EMAIL})).await.ok();
    assert_eq!(object["spec"], json!({"email": EMAIL, "color": "Red"}));
    // What others own stays.
    w.merge("a?fieldManager=two", json!({"spec": {"replicas": 7}}))
        .await
        .ok();
    let object = w.apply("a", "one", json!({"email": EMAIL})).await.ok();
    assert_eq!(object["spec"]["replicas"], 7);
}

pub(crate) async fn conflicts(w: World) {
    let object = w
        .apply(
            "a",
            "one",
            json!({"email": EMAIL, "replicas": 1, "tags": [{"key": "a", "value": "1"}]}),
        )
        .await
        .ok();
    let reply = w
        .apply("a", "two", json!({"replicas": 2}))
        .await
        .fails(409, "Conflict");
    assert_eq!(
        reply.message(),
        "Apply failed with 1 conflict: conflict with \"one\": .spec.replicas"
    );
    reply.has_causes(&["FieldManagerConflict|.spec.replicas|conflict with \"one\""]);
    let reply = w
        .apply(
            "a",
            "two",
            json!({"replicas": 2, "tags": [{"key": "a", "value": "2"}]}),
        )
        .await
        .fails(409, "Conflict");
    assert_eq!(
        reply.message(),
        "Apply failed with 2 conflicts: conflicts with \"one\":\n- .spec.replicas\n- .spec.tags[key=\"a\"].value"
    );
    assert_eq!(w.get("a").await.ok(), object);
}

pub(crate) async fn conflicts_with_updates(w: World) {
    w.plain("a").await;
    w.merge("a?fieldManager=two", json!({"spec": {"replicas": 1}}))
        .await
        .ok();
    w.merge("a/status?fieldManager=two", json!({"status": {"phase": "P"}}))
        .await
        .ok();
    let reply = w
        .apply("a", "one", json!({"replicas": 2}))
        .await
        .fails(409, "Conflict");
    reply.has_causes(&["FieldManagerConflict|.spec.replicas|conflict with \"two\" using suite.example/v1"]);
    let reply = w
        .apply_status("a", "one", json!({"phase": "Q"}))
        .await
        .fails(409, "Conflict");
    reply.has_causes(&["FieldManagerConflict|.status.phase|conflict with \"two\" with subresource \"status\" using suite.example/v1"]);
}

pub(crate) async fn force_takes_over(w: World) {
    w.apply(
        "a",
        "one",
        json!({"email": EMAIL, "replicas": 1, "color": "Blue"}),
    )
    .await
    .ok();
    let object = w.force("a", "two", json!({"replicas": 2})).await.ok();
    assert_eq!(object["spec"]["replicas"], 2);
    owns(
        &object,
        &[
            ("one/Apply/", json!({"f:spec": {"f:email": {}, "f:color": {}}})),
            ("two/Apply/", json!({"f:spec": {"f:replicas": {}}})),
        ],
    );
    // The loser can give it up without removing it.
    let object = w
        .apply("a", "one", json!({"email": EMAIL, "color": "Blue"}))
        .await
        .ok();
    assert_eq!(object["spec"]["replicas"], 2);
}

pub(crate) async fn shared_ownership(w: World) {
    w.apply("a", "one", json!({"email": EMAIL, "replicas": 1}))
        .await
        .ok();
    let object = w
        .apply("a", "two", json!({"email": EMAIL, "replicas": 1}))
        .await
        .ok();
    owns(
        &object,
        &[
            ("one/Apply/", json!({"f:spec": {"f:email": {}, "f:replicas": {}}})),
            ("two/Apply/", json!({"f:spec": {"f:email": {}, "f:replicas": {}}})),
        ],
    );
    assert_eq!(object["metadata"]["generation"], 1);
    let object = w.apply("a", "one", json!({"email": EMAIL})).await.ok();
    assert_eq!(object["spec"]["replicas"], 1);
    // Changing it alone takes it from nobody but conflicts.
    w.apply("a", "two", json!({"email": EMAIL, "replicas": 2}))
        .await
        .ok();
    let object = w.apply("a", "two", json!({"email": EMAIL})).await.ok();
    assert!(object["spec"].get("replicas").is_none());
}

pub(crate) async fn list_map_elements(w: World) {
    w.apply(
        "a",
        "one",
        json!({"email": EMAIL, "tags": [{"key": "a", "value": "1"}, {"key": "b", "value": "1"}]}),
    )
    .await
    .ok();
    let object = w
        .apply(
            "a",
            "two",
            json!({"tags": [{"key": "c", "weight": 3}, {"key": "a", "weight": 1}]}),
        )
        .await
        .ok();
    // Shared elements take the place the new configuration gives them, among those the live list has.
    let mut tags = object["spec"]["tags"].as_array().unwrap().clone();
    tags.sort_by_key(|tag| tag["key"].as_str().unwrap().to_owned());
    assert_eq!(
        json!(tags),
        json!([{"key": "a", "value": "1", "weight": 1}, {"key": "b", "value": "1"}, {"key": "c", "value": "none", "weight": 3}])
    );
    owns(
        &object,
        &[
            (
                "one/Apply/",
                json!({"f:spec": {"f:email": {}, "f:tags": {
                    "k:{\"key\":\"a\"}": {".": {}, "f:key": {}, "f:value": {}},
                    "k:{\"key\":\"b\"}": {".": {}, "f:key": {}, "f:value": {}},
                }}}),
            ),
            (
                "two/Apply/",
                json!({"f:spec": {"f:tags": {
                    "k:{\"key\":\"a\"}": {".": {}, "f:key": {}, "f:weight": {}},
                    "k:{\"key\":\"c\"}": {".": {}, "f:key": {}, "f:weight": {}},
                }}}),
            ),
        ],
    );
    // One gives up both: the element two shares stays with two's field and loses one's.
    let object = w.apply("a", "one", json!({"email": EMAIL})).await.ok();
    let mut tags = object["spec"]["tags"].as_array().unwrap().clone();
    tags.sort_by_key(|tag| tag["key"].as_str().unwrap().to_owned());
    assert_eq!(
        json!(tags),
        json!([{"key": "a", "value": "none", "weight": 1}, {"key": "c", "value": "none", "weight": 3}])
    );
    let object = w.apply("a", "two", json!({})).await.ok();
    assert!(object["spec"].get("tags").is_none());
}

fn keys(object: &Value, list: &str, key: &str) -> Vec<String> {
    let list = object["spec"][list].as_array().unwrap();
    list.iter()
        .map(|element| element[key].as_str().unwrap().to_owned())
        .collect()
}

pub(crate) async fn list_order(w: World) {
    let tags = |keys: &[&str]| -> Value { keys.iter().map(|key| json!({"key": key})).collect() };
    w.apply(
        "a",
        "one",
        json!({"email": EMAIL, "tags": tags(&["a", "b", "c"])}),
    )
    .await
    .ok();
    let object = w.apply("a", "two", json!({"tags": tags(&["d", "b"])})).await.ok();
    assert_eq!(keys(&object, "tags", "key"), ["a", "d", "b", "c"]);
    let object = w
        .apply("a", "one", json!({"email": EMAIL, "tags": tags(&["c", "a"])}))
        .await
        .ok();
    assert_eq!(keys(&object, "tags", "key"), ["d", "b", "c", "a"]);
    w.apply("b", "one", json!({"email": EMAIL, "regions": ["x", "y"]}))
        .await
        .ok();
    let object = w
        .apply("b", "two", json!({"regions": ["z", "y", "w"]}))
        .await
        .ok();
    assert_eq!(object["spec"]["regions"], json!(["x", "z", "y", "w"]));
    let object = w.apply("b", "two", json!({"regions": ["y", "x"]})).await.ok();
    assert_eq!(object["spec"]["regions"], json!(["y", "x"]));
}

pub(crate) async fn composite_keys_with_defaults(w: World) {
    let spec = json!({"email": EMAIL, "ports": [{"port": 80, "name": "a"}, {"port": 80, "protocol": "UDP", "name": "b"}]});
    let object = w.apply("a", "one", spec).await.ok();
    owns(
        &object,
        &[(
            "one/Apply/",
            json!({"f:spec": {"f:email": {}, "f:ports": {
                "k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}, "f:port": {}},
                "k:{\"port\":80,\"protocol\":\"UDP\"}": {".": {}, "f:name": {}, "f:port": {}, "f:protocol": {}},
            }}}),
        )],
    );
    let reply = w
        .apply(
            "a",
            "two",
            json!({"ports": [{"port": 80, "protocol": "TCP", "name": "c"}]}),
        )
        .await
        .fails(409, "Conflict");
    reply.has_causes(&[
        "FieldManagerConflict|.spec.ports[port=80,protocol=\"TCP\"].name|conflict with \"one\"",
    ]);
    let object = w
        .apply(
            "a",
            "one",
            json!({"email": EMAIL, "ports": [{"port": 80, "protocol": "UDP"}]}),
        )
        .await
        .ok();
    assert_eq!(object["spec"]["ports"], json!([{"port": 80, "protocol": "UDP"}]));
}

pub(crate) async fn sets(w: World) {
    w.apply("a", "one", json!({"email": EMAIL, "regions": ["x", "y"]}))
        .await
        .ok();
    let object = w.apply("a", "two", json!({"regions": ["y", "z"]})).await.ok();
    assert_eq!(object["spec"]["regions"], json!(["x", "y", "z"]));
    let object = w.apply("a", "one", json!({"email": EMAIL})).await.ok();
    assert_eq!(object["spec"]["regions"], json!(["y", "z"]));
    owns(
        &object,
        &[
            ("one/Apply/", json!({"f:spec": {"f:email": {}}})),
            (
                "two/Apply/",
                json!({"f:spec": {"f:regions": {"v:\"y\"": {}, "v:\"z\"": {}}}}),
            ),
        ],
    );
}

pub(crate) async fn atomic_lists_and_maps(w: World) {
    w.apply(
        "a",
        "one",
        json!({"email": EMAIL, "steps": ["1"], "pinned": {"a": "1"}}),
    )
    .await
    .ok();
    let reply = w
        .apply("a", "two", json!({"steps": ["1", "2"], "pinned": {"b": "1"}}))
        .await
        .fails(409, "Conflict");
    reply.has_causes(&[
        "FieldManagerConflict|.spec.pinned|conflict with \"one\"",
        "FieldManagerConflict|.spec.steps|conflict with \"one\"",
    ]);
    let object = w
        .force("a", "two", json!({"steps": ["2"], "pinned": {"b": "1"}}))
        .await
        .ok();
    assert_eq!(
        (object["spec"]["steps"].clone(), object["spec"]["pinned"].clone()),
        (json!(["2"]), json!({"b": "1"}))
    );
    owns(
        &object,
        &[
            ("one/Apply/", json!({"f:spec": {"f:email": {}}})),
            ("two/Apply/", json!({"f:spec": {"f:pinned": {}, "f:steps": {}}})),
        ],
    );
}

pub(crate) async fn maps(w: World) {
    w.apply("a", "one", json!({"email": EMAIL, "labels": {"a": "1"}}))
        .await
        .ok();
    let object = w.apply("a", "two", json!({"labels": {"b": "2"}})).await.ok();
    assert_eq!(object["spec"]["labels"], json!({"a": "1", "b": "2"}));
    let reply = w
        .apply("a", "two", json!({"labels": {"a": "9"}}))
        .await
        .fails(409, "Conflict");
    reply.has_causes(&["FieldManagerConflict|.spec.labels.a|conflict with \"one\""]);
    let object = w.apply("a", "one", json!({"email": EMAIL})).await.ok();
    assert_eq!(object["spec"]["labels"], json!({"b": "2"}));
    let object = w.apply("a", "two", json!({})).await.ok();
    assert!(object["spec"].get("labels").is_none());
}

pub(crate) async fn nested_structs(w: World) {
    w.apply("a", "one", json!({"email": EMAIL, "parent": {"name": "p"}}))
        .await
        .ok();
    let object = w
        .apply("a", "two", json!({"parent": {"kind": "Other"}}))
        .await
        .ok();
    assert_eq!(object["spec"]["parent"], json!({"name": "p", "kind": "Other"}));
    // Without its name the parent that two still owns is invalid.
    let reply = w
        .apply("a", "one", json!({"email": EMAIL}))
        .await
        .fails(422, "Invalid");
    assert!(
        reply
            .causes()
            .contains("FieldValueRequired|spec.parent.name|Required value")
    );
    let object = w.apply("a", "two", json!({})).await.ok();
    assert_eq!(object["spec"]["parent"], json!({"name": "p", "kind": "Root"}));
}

pub(crate) async fn unknown_and_mistyped_fields(w: World) {
    let object = w.apply("a", "one", json!({"email": EMAIL})).await.ok();
    let prefix = "failed to create typed patch object (/a; suite.example/v1, Kind=Widget): ";
    for (spec, detail) in [
        (json!({"foo": 1}), ".spec.foo: field not declared in schema"),
        (
            json!({"replicas": "x"}),
            ".spec.replicas: expected numeric (int or float), got string",
        ),
        (
            json!({"tags": [{"key": "a"}, {"key": "a"}]}),
            ".spec.tags: duplicate entries for key [key=\"a\"]",
        ),
        (
            json!({"regions": ["a", "a"]}),
            ".spec.regions: duplicate entries for key [=\"a\"]",
        ),
        (
            json!({"tags": [{"value": "a"}]}),
            ".spec.tags: element 0: associative list with keys has an element that omits all key fields [\"key\"] (and \
             doesn't have default values for any key fields)",
        ),
    ] {
        let reply = w.apply("a", "one", spec).await.fails(500, "");
        assert_eq!(reply.message(), format!("{prefix}{detail}"));
    }
    for spec in [
        json!({"email": 1}),
        json!({"enabled": "x"}),
        json!({"parent": "x"}),
        json!({"steps": "x"}),
        json!({"foo": 1, "bar": 1}),
    ] {
        w.apply("a", "one", spec).await.fails(500, "");
    }
    let body = widget("a", json!({"email": EMAIL, "foo": 1}));
    for validation in ["Ignore", "Strict"] {
        let query = format!("fieldManager=one&fieldValidation={validation}");
        w.apply_raw("a", &query, &body).await.fails(500, "");
    }
    assert_eq!(w.get("a").await.ok(), object);
}

pub(crate) async fn wrong_objects(w: World) {
    w.apply("a", "one", json!({"email": EMAIL})).await.ok();
    let mut body = widget("a", json!({"email": EMAIL}));
    body["kind"] = json!("Gadget");
    let reply = w
        .apply_raw("a", "fieldManager=one", &body)
        .await
        .fails(400, "BadRequest");
    assert_eq!(
        reply.message(),
        "invalid object type: suite.example/v1, Kind=Gadget"
    );
    let reply = w
        .apply_raw("a", "fieldManager=one", &json!({"spec": {}}))
        .await
        .fails(400, "BadRequest");
    assert_eq!(reply.message(), "invalid object type: /, Kind=");
    let mut body = widget("a", json!({"email": EMAIL}));
    body["metadata"]["managedFields"] = json!([]);
    let reply = w
        .apply_raw("a", "fieldManager=one", &body)
        .await
        .fails(400, "BadRequest");
    assert_eq!(reply.message(), "metadata.managedFields must be nil");
    let reply = w
        .apply_raw("a", "fieldManager=one", &widget("b", json!({"email": EMAIL})))
        .await;
    reply.fails(400, "BadRequest");
}

pub(crate) async fn resource_version_is_a_compare_and_swap(w: World) {
    let object = w.apply("a", "one", json!({"email": EMAIL})).await.ok();
    let mut body = widget("a", json!({"email": EMAIL, "replicas": 1}));
    body["metadata"]["resourceVersion"] = object["metadata"]["resourceVersion"].clone();
    w.apply_raw("a", "fieldManager=one", &body).await.ok();
    body["spec"]["replicas"] = json!(2);
    w.apply_raw("a", "fieldManager=one", &body)
        .await
        .fails(409, "Conflict");
    let reply = w
        .apply_raw("a", "fieldManager=one&force=true", &body)
        .await
        .fails(409, "Conflict");
    assert!(reply.message().contains("the object has been modified"));
    // A create ignores it.
    body["metadata"]["name"] = json!("b");
    assert_eq!(w.apply_raw("b", "fieldManager=one", &body).await.code, 201);
    let mut body = widget("a", json!({"email": EMAIL}));
    body["metadata"]["uid"] = json!("other");
    w.apply_raw("a", "fieldManager=one", &body)
        .await
        .fails(422, "Invalid");
}

pub(crate) async fn preserved_unknown_fields(w: World) {
    let object = w
        .apply(
            "a",
            "one",
            json!({"email": EMAIL, "raw": {"x": {"y": 1, "z": [1]}}}),
        )
        .await
        .ok();
    owns(
        &object,
        &[(
            "one/Apply/",
            json!({"f:spec": {"f:email": {}, "f:raw": {"f:x": {".": {}, "f:y": {}, "f:z": {}}}}}),
        )],
    );
    let object = w.apply("a", "two", json!({"raw": {"x": {"q": 2}}})).await.ok();
    assert_eq!(object["spec"]["raw"], json!({"x": {"y": 1, "z": [1], "q": 2}}));
    let reply = w
        .apply("a", "two", json!({"raw": {"x": {"y": 2}}}))
        .await
        .fails(409, "Conflict");
    reply.has_causes(&["FieldManagerConflict|.spec.raw.x.y|conflict with \"one\""]);
    let object = w.apply("a", "one", json!({"email": EMAIL})).await.ok();
    assert_eq!(object["spec"]["raw"], json!({"x": {"q": 2}}));
}

pub(crate) async fn labels_and_finalizers(w: World) {
    let mut body = widget("a", json!({"email": EMAIL}));
    body["metadata"]["labels"] = json!({"a": "1"});
    body["metadata"]["annotations"] = json!({"n": "1"});
    body["metadata"]["finalizers"] = json!(["suite.example/one"]);
    w.apply_raw("a", "fieldManager=one", &body).await.ok();
    let mut other = widget("a", json!({}));
    other["metadata"]["labels"] = json!({"b": "1"});
    other["metadata"]["finalizers"] = json!(["suite.example/two"]);
    let object = w.apply_raw("a", "fieldManager=two", &other).await.ok();
    assert_eq!(object["metadata"]["labels"], json!({"a": "1", "b": "1"}));
    assert_eq!(
        object["metadata"]["finalizers"],
        json!(["suite.example/one", "suite.example/two"])
    );
    owns(
        &object,
        &[
            (
                "one/Apply/",
                json!({
                    "f:metadata": {"f:annotations": {"f:n": {}}, "f:finalizers": {"v:\"suite.example/one\"": {}}, "f:labels": {"f:a": {}}},
                    "f:spec": {"f:email": {}},
                }),
            ),
            // An empty object is a value of its own, and owned.
            (
                "two/Apply/",
                json!({"f:metadata": {"f:finalizers": {"v:\"suite.example/two\"": {}}, "f:labels": {"f:b": {}}}, "f:spec": {}}),
            ),
        ],
    );
    assert_eq!(object["metadata"]["generation"], 1);
    let object = w.apply("a", "one", json!({"email": EMAIL})).await.ok();
    assert_eq!(object["metadata"]["labels"], json!({"b": "1"}));
    assert_eq!(object["metadata"]["finalizers"], json!(["suite.example/two"]));
    assert!(object["metadata"].get("annotations").is_none());
}

pub(crate) async fn invalid_results_are_refused(w: World) {
    w.apply("a", "one", json!({"email": EMAIL})).await.ok();
    let reply = w
        .apply("a", "one", json!({"email": EMAIL, "replicas": 200}))
        .await
        .fails(422, "Invalid");
    reply.has_causes(&["FieldValueInvalid|spec.replicas|Invalid value: 200: spec.replicas in body should be less than or equal to 100"]);
    w.apply("a", "one", json!({"email": "b@example.com"}))
        .await
        .fails(422, "Invalid");
    w.apply("a", "one", json!({})).await.fails(422, "Invalid");
    w.apply("b", "one", json!({"replicas": 1}))
        .await
        .fails(422, "Invalid");
    let path = "/apis/suite.example/v1/namespaces/nowhere/widgets/a?fieldManager=one";
    let body = widget("a", json!({"email": EMAIL}));
    w.call("PATCH", path, super::APPLY, Some(&body))
        .await
        .fails(404, "NotFound");
}

pub(crate) async fn update_then_apply_by_one_name(w: World) {
    // An update and an apply of one name are two managers.
    w.post(
        "?fieldManager=one",
        &widget("a", json!({"email": EMAIL, "replicas": 1})),
    )
    .await
    .ok();
    let reply = w
        .apply("a", "one", json!({"email": EMAIL, "replicas": 2}))
        .await
        .fails(409, "Conflict");
    reply.has_causes(&["FieldManagerConflict|.spec.replicas|conflict with \"one\" using suite.example/v1"]);
    let object = w
        .apply("a", "one", json!({"email": EMAIL, "replicas": 1}))
        .await
        .ok();
    owns(
        &object,
        &[
            ("one/Apply/", json!({"f:spec": {"f:email": {}, "f:replicas": {}}})),
            (
                "one/Update/",
                json!({"f:spec": {".": {}, "f:color": {}, "f:email": {}, "f:replicas": {}}}),
            ),
        ],
    );
    let entries = object["metadata"]["managedFields"].as_array().unwrap();
    assert_eq!(
        entries
            .iter()
            .map(|entry| entry["operation"].clone())
            .collect::<Vec<_>>(),
        ["Apply", "Update"]
    );
}

pub(crate) async fn empty_collections(w: World) {
    let object = w
        .apply(
            "a",
            "one",
            json!({"email": EMAIL, "labels": {}, "tags": [], "regions": [], "raw": {}}),
        )
        .await
        .ok();
    assert_eq!(
        object["spec"],
        json!({"email": EMAIL, "labels": {}, "tags": [], "regions": [], "raw": {}, "color": "Red"})
    );
    owns(
        &object,
        &[(
            "one/Apply/",
            json!({"f:spec": {"f:email": {}, "f:labels": {}, "f:raw": {}}}),
        )],
    );
    let object = w.apply("a", "one", json!({"email": EMAIL})).await.ok();
    assert_eq!(
        object["spec"],
        json!({"email": EMAIL, "tags": [], "regions": [], "color": "Red"})
    );
}

pub(crate) async fn three_managers_of_one_field(w: World) {
    w.apply("a", "one", json!({"email": EMAIL, "replicas": 1}))
        .await
        .ok();
    w.apply("a", "two", json!({"replicas": 1})).await.ok();
    let reply = w
        .apply("a", "three", json!({"replicas": 2, "color": "Blue"}))
        .await
        .fails(409, "Conflict");
    reply.has_causes(&[
        "FieldManagerConflict|.spec.replicas|conflict with \"one\"",
        "FieldManagerConflict|.spec.replicas|conflict with \"two\"",
    ]);
    assert!(
        reply
            .message()
            .starts_with("Apply failed with 2 conflicts: conflicts with \"one\":"),
        "{}",
        reply.message()
    );
    let object = w.force("a", "three", json!({"replicas": 2})).await.ok();
    owns(
        &object,
        &[
            ("one/Apply/", json!({"f:spec": {"f:email": {}}})),
            ("three/Apply/", json!({"f:spec": {"f:replicas": {}}})),
        ],
    );
}

pub(crate) async fn ownership_lost_by_update(w: World) {
    w.apply(
        "a",
        "one",
        json!({"email": EMAIL, "replicas": 1, "tags": [{"key": "a"}]}),
    )
    .await
    .ok();
    let object = w
        .merge(
            "a?fieldManager=two",
            json!({"spec": {"replicas": 2, "tags": null}}),
        )
        .await
        .ok();
    owns(
        &object,
        &[
            ("one/Apply/", json!({"f:spec": {"f:email": {}}})),
            ("two/Update/", json!({"f:spec": {"f:replicas": {}}})),
        ],
    );
    let reply = w
        .apply(
            "a",
            "one",
            json!({"email": EMAIL, "replicas": 1, "tags": [{"key": "a"}]}),
        )
        .await;
    reply.fails(409, "Conflict");
    let object = w
        .apply("a", "one", json!({"email": EMAIL, "tags": [{"key": "a"}]}))
        .await
        .ok();
    assert_eq!(object["spec"]["tags"], json!([{"key": "a", "value": "none"}]));
}

pub(crate) async fn owner_references(w: World) {
    let owner = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": format!("uid-{name}")});
    let mut body = widget("a", json!({"email": EMAIL}));
    body["metadata"]["ownerReferences"] = json!([owner("x")]);
    w.apply_raw("a", "fieldManager=one", &body).await.ok();
    body["spec"] = json!({});
    body["metadata"]["ownerReferences"] = json!([owner("y")]);
    let object = w.apply_raw("a", "fieldManager=two", &body).await.ok();
    assert_eq!(
        object["metadata"]["ownerReferences"],
        json!([owner("x"), owner("y")])
    );
    owns(
        &object,
        &[
            (
                "one/Apply/",
                json!({"f:metadata": {"f:ownerReferences": {"k:{\"uid\":\"uid-x\"}": {}}}, "f:spec": {"f:email": {}}}),
            ),
            (
                "two/Apply/",
                json!({"f:metadata": {"f:ownerReferences": {"k:{\"uid\":\"uid-y\"}": {}}}, "f:spec": {}}),
            ),
        ],
    );
    body["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "", "uid": "u"}]);
    w.apply_raw("a", "fieldManager=two", &body)
        .await
        .fails(422, "Invalid");
}
