//! Schema and CEL.

use super::{World, widget};
use serde_json::{Value, json};

const UNCHECKED: &str = "FieldValueInvalid|<nil>|Invalid value: null: some validation rules were not checked because \
    the object was invalid; correct the existing errors to complete validation";

async fn refused(w: &World, spec: Value, causes: &[&str]) {
    w.post("", &widget("a", spec))
        .await
        .fails(422, "Invalid")
        .has_causes(causes);
}

pub(crate) async fn types(w: World) {
    let spec = json!({
        "email": "a@example.com", "maxReplicas": "x", "enabled": 1, "note": 3, "limit": true, "parent": [], "steps": {},
        "replicas": 1.5, "ratio": "1", "tags": [{"key": 1}],
    });
    refused(
        &w,
        spec,
        &[
            "FieldValueTypeInvalid|spec.maxReplicas|Invalid value: \"string\": spec.maxReplicas in body must be of type integer: \"string\"",
            "FieldValueTypeInvalid|spec.enabled|Invalid value: \"integer\": spec.enabled in body must be of type boolean: \"integer\"",
            "FieldValueTypeInvalid|spec.note|Invalid value: \"integer\": spec.note in body must be of type string: \"integer\"",
            "FieldValueTypeInvalid|spec.limit|Invalid value: \"boolean\": spec.limit in body must be of type integer,string: \"boolean\"",
            "FieldValueTypeInvalid|spec.parent|Invalid value: \"array\": spec.parent in body must be of type object: \"array\"",
            "FieldValueTypeInvalid|spec.steps|Invalid value: \"object\": spec.steps in body must be of type array: \"object\"",
            "FieldValueTypeInvalid|spec.replicas|Invalid value: \"float64\": spec.replicas in body must be of type int32: \"float64\"",
            "FieldValueInvalid|<nil>|Invalid value: \"\": Checked value must be of type integer with format int32 in spec.replicas",
            "FieldValueTypeInvalid|spec.ratio|Invalid value: \"string\": spec.ratio in body must be of type number: \"string\"",
            "FieldValueTypeInvalid|spec.tags[0].key|Invalid value: \"integer\": spec.tags[0].key in body must be of type string: \"integer\"",
            UNCHECKED,
        ],
    )
    .await;
}

pub(crate) async fn integers(w: World) {
    refused(
        &w,
        json!({"email": "a@example.com", "tags": [{"key": "a", "weight": 1.5}]}),
        &[
            "FieldValueTypeInvalid|spec.tags[0].weight|Invalid value: \"number\": spec.tags[0].weight in body must be of type integer: \"number\"",
            "FieldValueInvalid|<nil>|Invalid value: \"\": Checked value must be of type integer (default format) in spec.tags[0].weight",
            UNCHECKED,
        ],
    )
    .await;
    refused(
        &w,
        json!({"email": "a@example.com", "maxReplicas": 3_000_000_000_u64}),
        &["FieldValueInvalid|<nil>|Invalid value: \"\": Checked value must be of type integer with format int32 in spec.maxReplicas"],
    )
    .await;
    let object = w
        .post(
            "",
            &widget(
                "a",
                json!({"email": "a@example.com", "maxReplicas": 5.0, "ratio": 1.0}),
            ),
        )
        .await
        .ok();
    assert_eq!(
        (
            object["spec"]["maxReplicas"].clone(),
            object["spec"]["ratio"].clone()
        ),
        (json!(5), json!(1))
    );
}

pub(crate) async fn bounds(w: World) {
    let spec = json!({
        "email": "a", "color": "Pink", "replicas": 101, "ratio": 0, "steps": [""],
        "labels": {"a": "b", "c": "d", "e": "f", "g": "12345678901"},
        "tags": [{"key": "a"}, {"key": "b"}, {"key": "c"}, {"key": "d"}, {"key": "e"}],
    });
    refused(
        &w,
        spec,
        &[
            "FieldValueInvalid|spec.email|Invalid value: \"a\": spec.email in body should be at least 6 chars long",
            "FieldValueNotSupported|spec.color|Unsupported value: \"Pink\": supported values: \"Red\", \"Green\", \"Blue\"",
            "FieldValueInvalid|spec.replicas|Invalid value: 101: spec.replicas in body should be less than or equal to 100",
            "FieldValueInvalid|spec.ratio|Invalid value: 0: spec.ratio in body should be greater than 0",
            "FieldValueInvalid|spec.steps[0]|Invalid value: \"\": spec.steps[0] in body should be at least 1 chars long",
            "FieldValueTooMany|spec.labels|Too many: 4: must have at most 3 items",
            "FieldValueTooLong|spec.labels.g|Too long: may not be more than 10 bytes",
            "FieldValueTooMany|spec.tags|Too many: 5: must have at most 4 items",
            UNCHECKED,
        ],
    )
    .await;
    refused(
        &w,
        json!({"email": "abcdef", "replicas": -1, "steps": []}),
        &[
            "FieldValueInvalid|spec.email|Invalid value: \"abcdef\": spec.email in body should match '^[^@]+@[^@]+$'",
            "FieldValueInvalid|spec.replicas|Invalid value: -1: spec.replicas in body should be greater than or equal to 0",
            "FieldValueInvalid|spec.steps|Invalid value: 0: spec.steps in body should have at least 1 items",
        ],
    )
    .await;
    let object = w
        .post(
            "",
            &widget(
                "b",
                json!({"email": "ab@cde", "limit": "5%", "ratio": 0.5, "replicas": 100}),
            ),
        )
        .await;
    assert_eq!(object.code, 201);
    assert_eq!(
        w.post(
            "",
            &widget("c", json!({"email": "ab@cde", "limit": 5, "ratio": 2}))
        )
        .await
        .code,
        201
    );
}

pub(crate) async fn required_blocks_rules(w: World) {
    refused(
        &w,
        json!({"replicas": 3, "maxReplicas": 2}),
        &["FieldValueRequired|spec.email|Required value", UNCHECKED],
    )
    .await;
    let mut body = widget("a", json!({}));
    body.as_object_mut().unwrap().remove("spec");
    let reply = w.post("", &body).await.fails(422, "Invalid");
    reply.has_causes(&["FieldValueRequired|spec|Required value", UNCHECKED]);
    assert!(
        reply
            .message()
            .starts_with("Widget.suite.example \"a\" is invalid: ["),
        "{}",
        reply.message()
    );
    assert_eq!(reply.body["details"]["kind"], "Widget");
}

pub(crate) async fn duplicates(w: World) {
    let spec = json!({
        "email": "a@example.com", "tags": [{"key": "a"}, {"key": "a", "value": "2"}], "regions": ["x", "y", "x"],
        "ports": [{"port": 80}, {"port": 80, "protocol": "TCP"}, {"port": 80, "protocol": "UDP"}],
    });
    refused(
        &w,
        spec,
        &[
            "FieldValueDuplicate|spec.tags[1]|Duplicate value: {\"key\":\"a\"}",
            "FieldValueDuplicate|spec.regions[2]|Duplicate value: \"x\"",
            "FieldValueDuplicate|spec.ports[1]|Duplicate value: {\"port\":80,\"protocol\":\"TCP\"}",
        ],
    )
    .await;
}

pub(crate) async fn rule_with_reason_and_field_path(w: World) {
    let reply = w
        .post(
            "",
            &widget(
                "a",
                json!({"email": "a@example.com", "replicas": 3, "maxReplicas": 2}),
            ),
        )
        .await;
    let reply = reply.fails(422, "Invalid");
    reply.has_causes(&["FieldValueForbidden|spec.replicas|Forbidden: more replicas than maxReplicas"]);
    assert_eq!(
        reply.message(),
        "Widget.suite.example \"a\" is invalid: spec.replicas: Forbidden: more replicas than maxReplicas"
    );
}

pub(crate) async fn rule_with_message_expression(w: World) {
    refused(
        &w,
        json!({"email": "a@example.com", "parent": {"name": "root", "kind": "Leaf"}}),
        &["FieldValueInvalid|spec.parent|Invalid value: a leaf is not called root"],
    )
    .await;
    // Rules see the defaults.
    assert_eq!(
        w.post(
            "",
            &widget("b", json!({"email": "a@example.com", "parent": {"name": "root"}}))
        )
        .await
        .code,
        201
    );
}

pub(crate) async fn root_rule_sees_the_name(w: World) {
    let body = widget("averyveryverylongname", json!({"email": "a@example.com"}));
    let reply = w.post("", &body).await.fails(422, "Invalid");
    reply.has_causes(&["FieldValueInvalid|<nil>|Invalid value: name is too long"]);
}

pub(crate) async fn transition_rules(w: World) {
    w.plain("a").await;
    let reply = w
        .merge("a", json!({"spec": {"email": "b@example.com"}}))
        .await
        .fails(422, "Invalid");
    reply.has_causes(&["FieldValueInvalid|spec.email|Invalid value: \"b@example.com\": email is immutable"]);
    w.merge("a", json!({"spec": {"adopt": "x"}})).await.ok();
    let reply = w
        .merge("a", json!({"spec": {"adopt": null}}))
        .await
        .fails(422, "Invalid");
    reply.has_causes(&["FieldValueInvalid|spec|Invalid value: adopt is write-once"]);
    w.merge("a", json!({"spec": {"adopt": "y"}}))
        .await
        .fails(422, "Invalid");
    w.merge("a", json!({"spec": {"replicas": 1}})).await.ok();
}

pub(crate) async fn transition_rules_follow_list_keys(w: World) {
    let tags = json!([{"key": "a", "weight": 5}, {"key": "b", "weight": 1}]);
    w.post("", &widget("a", json!({"email": "a@example.com", "tags": tags})))
        .await
        .ok();
    // Another order is no change of an element; by position this would fail.
    let tags = json!([{"key": "b", "weight": 1}, {"key": "a", "weight": 6}, {"key": "c", "weight": 0}]);
    w.merge("a", json!({"spec": {"tags": tags}})).await.ok();
    let tags = json!([{"key": "b", "weight": 1}, {"key": "a", "weight": 5}]);
    let reply = w
        .merge("a", json!({"spec": {"tags": tags}}))
        .await
        .fails(422, "Invalid");
    reply.has_causes(&["FieldValueInvalid|spec.tags[1].weight|Invalid value: 5: weight never falls"]);
}

pub(crate) async fn one_of(w: World) {
    refused(
        &w,
        json!({"email": "a@example.com", "source": {"git": "a", "http": "b"}}),
        &["FieldValueInvalid|<nil>|Invalid value: \"\": \"spec.source\" must validate one and only one schema (oneOf). Found 2 valid alternatives"],
    )
    .await;
    refused(
        &w,
        json!({"email": "a@example.com", "source": {}}),
        &[
            "FieldValueInvalid|<nil>|Invalid value: \"\": \"spec.source\" must validate one and only one schema (oneOf). Found none valid",
            "FieldValueRequired|spec.source.git|Required value",
            UNCHECKED,
        ],
    )
    .await;
    assert_eq!(
        w.post(
            "",
            &widget("b", json!({"email": "a@example.com", "source": {"git": "x"}}))
        )
        .await
        .code,
        201
    );
}

/// What was stored before a schema became stricter may stay as long as nobody touches it (KEP-4008).
pub(crate) async fn ratcheting(w: World) {
    let crd = |spec: Value| {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "bits.ratchet.example"},
            "spec": {
                "group": "ratchet.example", "scope": "Namespaced", "names": {"kind": "Bit", "plural": "bits"},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                    "type": "object", "properties": {"spec": spec},
                }}}],
            },
        })
    };
    let text = json!({"type": "string"});
    let loose = json!({"type": "object", "properties": {
        "a": text, "b": text, "l": {"type": "array", "items": text}, "n": {"type": "object", "properties": {"x": text, "y": text}},
    }});
    let strict = json!({"type": "object", "properties": {
        "a": {
            "type": "string", "maxLength": 10, "pattern": "^good",
            "x-kubernetes-validations": [{"rule": "self.startsWith('good')", "message": "a is not good"}],
        },
        "b": text,
        "l": {"type": "array", "items": {"type": "string", "enum": ["good", "x"]}},
        "n": {
            "type": "object", "required": ["z"], "properties": {"x": {"type": "string", "enum": ["good"]}, "y": text, "z": text},
            "x-kubernetes-validations": [{"rule": "self.x == 'good'", "message": "n is not good"}],
        },
    }});
    let path = format!("/apis/ratchet.example/v1/namespaces/{}/bits", w.ns);
    let body = json!({
        "apiVersion": "ratchet.example/v1", "kind": "Bit", "metadata": {"name": "z"},
        "spec": {"a": "bad", "b": "1", "l": ["bad", "x"], "n": {"x": "bad", "y": "1"}},
    });
    w.install_crd(&crd(loose), &path, &body, 201).await;
    w.call("POST", &path, super::JSON, Some(&body)).await.ok();
    let mut other = body.clone();
    other["metadata"]["name"] = json!("other");
    w.install_crd(&crd(strict), &path, &other, 422).await;
    let patch = async |spec: Value| {
        w.call(
            "PATCH",
            &format!("{path}/z"),
            super::MERGE,
            Some(&json!({"spec": spec})),
        )
        .await
    };
    patch(json!({"b": "2"})).await.ok();
    patch(json!({"a": "bad2"}))
        .await
        .fails(422, "Invalid")
        .has_causes(&[
            "FieldValueInvalid|spec.a|Invalid value: \"bad2\": spec.a in body should match '^good'",
            "FieldValueInvalid|spec.a|Invalid value: \"bad2\": a is not good",
        ]);
    // Elements of an atomic list have no past.
    patch(json!({"l": ["bad", "x", "x"]}))
        .await
        .fails(422, "Invalid")
        .has_causes(&[
            "FieldValueNotSupported|spec.l[0]|Unsupported value: \"bad\": supported values: \"good\", \"x\"",
            UNCHECKED,
        ]);
    patch(json!({"n": {"y": "2"}}))
        .await
        .fails(422, "Invalid")
        .has_causes(&["FieldValueRequired|spec.n.z|Required value", UNCHECKED]);
    patch(json!({"n": {"y": "2", "z": "1"}}))
        .await
        .fails(422, "Invalid")
        .has_causes(&["FieldValueInvalid|spec.n|Invalid value: n is not good"]);
    patch(json!({"n": {"x": "good", "z": "1"}})).await.ok();
}

pub(crate) async fn status_is_validated_alone(w: World) {
    w.plain("a").await;
    let reply = w
        .merge("a/status", json!({"status": {"count": -7}}))
        .await
        .fails(422, "Invalid");
    reply.has_causes(&["FieldValueInvalid|status.count|Invalid value: -7: count in body should be greater than or equal to 0"]);
    let conditions = json!([{"type": "A", "status": "Maybe"}]);
    let reply = w
        .merge("a/status", json!({"status": {"conditions": conditions}}))
        .await
        .fails(422, "Invalid");
    assert!(reply.causes().contains(
        "FieldValueNotSupported|status.conditions[0].status|Unsupported value: \"Maybe\": supported values: \"True\", \"False\", \"Unknown\""
    ), "{:?}", reply.causes());
    let conditions = json!([{"type": "A", "status": "True", "lastTransitionTime": "yesterday"}]);
    w.merge("a/status", json!({"status": {"conditions": conditions}}))
        .await
        .fails(422, "Invalid");
    let conditions = json!([{"type": "A", "status": "True", "lastTransitionTime": "2030-01-01T00:00:00Z"}]);
    w.merge("a/status", json!({"status": {"conditions": conditions}}))
        .await
        .ok();
}
