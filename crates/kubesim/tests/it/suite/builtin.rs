//! Namespaces, config maps, leases, events.

use super::{APPLY, JSON, MERGE, Reply, World, owns, version, widget};
use serde_json::{Value, json};

impl World {
    async fn on(&self, method: &str, resource: &str, rest: &str, body: Option<Value>) -> Reply {
        let root = match resource {
            "leases" => "/apis/coordination.k8s.io/v1",
            "events" => "/apis/events.k8s.io/v1",
            _ => "/api/v1",
        };
        let media = if method == "PATCH" { MERGE } else { JSON };
        let path = format!("{root}/namespaces/{}/{resource}{rest}", self.ns);
        self.call(method, &path, media, body.as_ref()).await
    }
}

pub(crate) async fn namespaces(w: World) {
    let name = format!("{}-new", w.ns);
    let body = json!({"metadata": {"name": name, "labels": {"x": "y"}}});
    let reply = w
        .call("POST", "/api/v1/namespaces?fieldManager=me", JSON, Some(&body))
        .await;
    assert_eq!(reply.code, 201);
    let object = reply.ok();
    assert_eq!(
        object["metadata"]["labels"],
        json!({"x": "y", "kubernetes.io/metadata.name": name})
    );
    assert_eq!(
        (object["spec"].clone(), object["status"].clone()),
        (json!({"finalizers": ["kubernetes"]}), json!({"phase": "Active"}))
    );
    assert!(object["metadata"].get("generation").is_none());
    owns(
        &object,
        &[(
            "me/Update/",
            json!({"f:metadata": {"f:labels": {".": {}, "f:kubernetes.io/metadata.name": {}, "f:x": {}}}}),
        )],
    );
    let system = w
        .call("GET", "/api/v1/namespaces/kube-system", JSON, None)
        .await
        .ok();
    assert_eq!(system["metadata"]["uid"].as_str().unwrap().len(), 36);
    let body = json!({"metadata": {"name": "Not_a_name"}});
    w.call("POST", "/api/v1/namespaces", JSON, Some(&body))
        .await
        .fails(422, "Invalid");
}

pub(crate) async fn terminating_namespace(w: World) {
    let path = format!("/api/v1/namespaces/{}", w.ns);
    w.plain("before").await;
    let object = w.call("DELETE", &path, JSON, None).await.ok();
    assert_eq!(object["status"]["phase"], "Terminating");
    assert!(object["metadata"]["deletionTimestamp"].is_string());
    for reply in [
        w.post("", &widget("a", json!({"email": "a@example.com"}))).await,
        w.apply("a", "one", json!({"email": "a@example.com"})).await,
    ] {
        let reply = reply.fails(403, "Forbidden");
        assert_eq!(
            reply.message(),
            format!(
                "widgets.suite.example \"a\" is forbidden: unable to create new content in namespace {} because it is \
                 being terminated",
                w.ns
            )
        );
        reply.has_causes(&[&format!(
            "NamespaceTerminating|metadata.namespace|namespace {} is being terminated",
            w.ns
        )]);
    }
    // What is there can still change and go.
    w.merge("before", json!({"spec": {"replicas": 1}})).await.ok();
    w.delete("before", None).await.ok();
    assert_eq!(w.call("GET", &path, JSON, None).await.code, 200);
}

pub(crate) async fn protected_namespaces(w: World) {
    for name in ["kube-system", "default"] {
        let reply = w
            .call("DELETE", &format!("/api/v1/namespaces/{name}"), JSON, None)
            .await
            .fails(403, "Forbidden");
        assert_eq!(
            reply.message(),
            format!("namespaces \"{name}\" is forbidden: this namespace may not be deleted")
        );
    }
}

pub(crate) async fn config_map(w: World) {
    let body = json!({"metadata": {"name": "a"}, "data": {"a": "1"}, "binaryData": {}, "foo": 1});
    let object = w
        .on("POST", "configmaps", "?fieldManager=me", Some(body))
        .await
        .ok();
    assert_eq!(
        (object["kind"].clone(), object["apiVersion"].clone()),
        (json!("ConfigMap"), json!("v1"))
    );
    assert_eq!(object["data"], json!({"a": "1"}));
    assert!(object.get("foo").is_none() && object.get("binaryData").is_none());
    assert!(object["metadata"].get("generation").is_none());
    owns(
        &object,
        &[("me/Update/", json!({"f:data": {".": {}, "f:a": {}}}))],
    );
    let patched = w
        .on(
            "PATCH",
            "configmaps",
            "/a",
            Some(json!({"data": {"a": null, "b": "2"}})),
        )
        .await
        .ok();
    assert_eq!(patched["data"], json!({"b": "2"}));
    let reply = w
        .on("GET", "configmaps", "/none", None)
        .await
        .fails(404, "NotFound");
    assert_eq!(reply.message(), "configmaps \"none\" not found");
    assert_eq!(
        w.on("DELETE", "configmaps", "/a", None).await.ok()["status"],
        "Success"
    );
}

pub(crate) async fn config_map_unconditional_put(w: World) {
    let object = w
        .on(
            "POST",
            "configmaps",
            "",
            Some(json!({"metadata": {"name": "a"}, "data": {"a": "1"}})),
        )
        .await
        .ok();
    let put = json!({"metadata": {"name": "a"}, "data": {"a": "2"}});
    let new = w.on("PUT", "configmaps", "/a", Some(put)).await.ok();
    assert_eq!(new["data"], json!({"a": "2"}));
    w.on("PUT", "configmaps", "/a", Some(object))
        .await
        .fails(409, "Conflict");
    assert_eq!(w.on("PUT", "configmaps", "/a", Some(new.clone())).await.ok(), new);
}

pub(crate) async fn config_map_checks(w: World) {
    let body = json!({"metadata": {"name": "a"}, "data": {"a b": "1"}});
    let reply = w
        .on("POST", "configmaps", "", Some(body))
        .await
        .fails(422, "Invalid");
    assert!(
        reply
            .causes()
            .first()
            .unwrap()
            .starts_with("FieldValueInvalid|data[a b]|Invalid value: \"a b\": a valid config key")
    );
    assert_eq!(reply.body["details"]["kind"], "ConfigMap");
    let body = json!({"metadata": {"name": "a"}, "data": {"a": "1"}, "foo": 1});
    let reply = w
        .on("POST", "configmaps", "?fieldValidation=Strict", Some(body))
        .await
        .fails(400, "BadRequest");
    assert_eq!(
        reply.message(),
        "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field \"foo\""
    );
}

pub(crate) async fn immutable_config_map(w: World) {
    let body = json!({"metadata": {"name": "a"}, "data": {"a": "1"}, "immutable": true});
    w.on("POST", "configmaps", "", Some(body)).await.ok();
    let reply = w
        .on("PATCH", "configmaps", "/a", Some(json!({"data": {"a": "2"}})))
        .await
        .fails(422, "Invalid");
    reply.has_causes(&["FieldValueForbidden|data|Forbidden: field is immutable when `immutable` is set"]);
    w.on(
        "PATCH",
        "configmaps",
        "/a",
        Some(json!({"metadata": {"labels": {"a": "b"}}})),
    )
    .await
    .ok();
}

pub(crate) async fn lease(w: World) {
    let spec = json!({
        "holderIdentity": "me", "leaseDurationSeconds": 15, "leaseTransitions": 0,
        "acquireTime": "2026-01-01T01:00:00.000000+01:00", "renewTime": "2026-01-01T00:00:00.123456Z",
    });
    let body = json!({"metadata": {"name": "l"}, "spec": spec});
    let object = w.on("POST", "leases", "?fieldManager=me", Some(body)).await.ok();
    assert_eq!(
        (object["kind"].clone(), object["apiVersion"].clone()),
        (json!("Lease"), json!("coordination.k8s.io/v1"))
    );
    assert_eq!(object["spec"]["acquireTime"], "2026-01-01T00:00:00.000000Z");
    assert_eq!(object["spec"]["renewTime"], "2026-01-01T00:00:00.123456Z");
    let owned = json!({"f:acquireTime": {}, "f:holderIdentity": {}, "f:leaseDurationSeconds": {}, "f:leaseTransitions": {}, "f:renewTime": {}});
    owns(&object, &[("me/Update/", json!({"f:spec": owned}))]);
    // The race for a lease: the slower one gets 409.
    let mut mine = object.clone();
    mine["spec"]["holderIdentity"] = json!("a");
    let mut theirs = object.clone();
    theirs["spec"]["holderIdentity"] = json!("b");
    let won = w.on("PUT", "leases", "/l", Some(mine)).await.ok();
    assert!(version(&won) > version(&object));
    let reply = w
        .on("PUT", "leases", "/l", Some(theirs))
        .await
        .fails(409, "Conflict");
    assert!(
        reply
            .message()
            .starts_with("Operation cannot be fulfilled on leases.coordination.k8s.io \"l\"")
    );
}

pub(crate) async fn lease_checks(w: World) {
    let body = json!({"metadata": {"name": "l"}, "spec": {"holderIdentity": "x", "leaseDurationSeconds": 0, "leaseTransitions": -1}});
    w.on("POST", "leases", "", Some(body))
        .await
        .fails(422, "Invalid")
        .has_causes(&[
            "FieldValueInvalid|spec.leaseDurationSeconds|Invalid value: 0: must be greater than 0",
            "FieldValueInvalid|spec.leaseTransitions|Invalid value: -1: must be greater than or equal to 0",
        ]);
    for time in [
        "yesterday",
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00.123Z",
        "2026-01-01T00:00:00.123456789Z",
    ] {
        let body = json!({"metadata": {"name": "l"}, "spec": {"renewTime": time}});
        w.on("POST", "leases", "", Some(body))
            .await
            .fails(400, "BadRequest");
    }
    let object = w
        .on("POST", "leases", "", Some(json!({"metadata": {"name": "l"}})))
        .await
        .ok();
    assert_eq!(object["spec"], json!({}));
}

fn event_body(w: &World, name: &str) -> Value {
    json!({
        "metadata": {"name": name}, "eventTime": "2026-01-01T00:00:00.000000Z", "type": "Normal", "reason": "R",
        "action": "A", "reportingController": "x.y/z", "reportingInstance": "i", "note": "hi",
        "regarding": {"apiVersion": "suite.example/v1", "kind": "Widget", "name": "a", "namespace": w.ns},
    })
}

pub(crate) async fn event(w: World) {
    let object = w
        .on("POST", "events", "?fieldManager=me", Some(event_body(&w, "e")))
        .await
        .ok();
    assert_eq!(
        (object["kind"].clone(), object["note"].clone()),
        (json!("Event"), json!("hi"))
    );
    owns(
        &object,
        &[(
            "me/Update/",
            json!({
                "f:action": {}, "f:eventTime": {}, "f:note": {}, "f:reason": {}, "f:regarding": {},
                "f:reportingController": {}, "f:reportingInstance": {}, "f:type": {},
            }),
        )],
    );
    let series = json!({"series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:01Z"}});
    let reply = w
        .on("PATCH", "events", "/e", Some(series))
        .await
        .fails(422, "Invalid");
    assert_eq!(reply.body["details"]["causes"][0]["field"], "patch");
    let series = json!({"series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:01.000000Z"}});
    let object = w.on("PATCH", "events", "/e", Some(series)).await.ok();
    assert_eq!(
        object["series"],
        json!({"count": 2, "lastObservedTime": "2026-01-01T00:00:01.000000Z"})
    );
}

pub(crate) async fn event_checks(w: World) {
    let mut body = event_body(&w, "e");
    body["regarding"].as_object_mut().unwrap().remove("namespace");
    let reply = w.on("POST", "events", "", Some(body)).await.fails(422, "Invalid");
    reply.has_causes(&[
        "FieldValueInvalid|involvedObject.namespace|Invalid value: \"\": does not match event.namespace",
    ]);
    assert_eq!(reply.body["details"]["kind"], "Event");
    for (name, value) in [
        ("type", json!("Odd")),
        ("reason", json!("")),
        ("action", json!("")),
        ("eventTime", json!(null)),
        ("note", json!("x".repeat(1025))),
    ] {
        let mut body = event_body(&w, "e");
        body[name] = value;
        w.on("POST", "events", "", Some(body)).await.fails(422, "Invalid");
    }
}

pub(crate) async fn event_is_immutable(w: World) {
    w.on("POST", "events", "", Some(event_body(&w, "e"))).await.ok();
    let reply = w
        .on("PATCH", "events", "/e", Some(json!({"note": "other"})))
        .await
        .fails(422, "Invalid");
    reply.has_causes(&["FieldValueInvalid|message|Invalid value: \"other\": field is immutable"]);
}

pub(crate) async fn typed_decoding(w: World) {
    let body = json!({"metadata": {"name": "a"}, "data": {"a": 1}});
    w.on("POST", "configmaps", "", Some(body))
        .await
        .fails(400, "BadRequest");
    let body = json!({"metadata": {"name": "a"}, "spec": {"leaseDurationSeconds": "x"}});
    w.on("POST", "leases", "", Some(body))
        .await
        .fails(400, "BadRequest");
    let body = json!({"apiVersion": "v2", "kind": "ConfigMap", "metadata": {"name": "a"}});
    w.on("POST", "configmaps", "", Some(body))
        .await
        .fails(400, "BadRequest");
}

pub(crate) async fn status_of_a_namespace(w: World) {
    let path = format!("/api/v1/namespaces/{}", w.ns);
    let object = w
        .call(
            "PATCH",
            &path,
            MERGE,
            Some(&json!({"metadata": {"labels": {"a": "b"}}, "status": {"phase": "Odd"}})),
        )
        .await
        .ok();
    assert_eq!(
        (
            object["metadata"]["labels"]["a"].clone(),
            object["status"]["phase"].clone()
        ),
        (json!("b"), json!("Active"))
    );
    assert_eq!(
        w.call("GET", &format!("{path}/status"), JSON, None).await.ok(),
        object
    );
}

pub(crate) async fn unknown_status_subresource(w: World) {
    w.on("POST", "configmaps", "", Some(json!({"metadata": {"name": "a"}})))
        .await
        .ok();
    let reply = w.on("GET", "configmaps", "/a/status", None).await;
    assert_eq!(reply.code, 404);
    w.plain("a").await;
    assert_eq!(w.get("a/scale").await.code, 404);
}

pub(crate) async fn applies(w: World) {
    let path = format!("/api/v1/namespaces/{}/configmaps/a", w.ns);
    let apply = async |manager: &str, data: Value| {
        let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data});
        w.call(
            "PATCH",
            &format!("{path}?fieldManager={manager}"),
            APPLY,
            Some(&body),
        )
        .await
    };
    let object = apply("one", json!({"a": "1"})).await.ok();
    owns(&object, &[("one/Apply/", json!({"f:data": {"f:a": {}}}))]);
    let object = apply("two", json!({"b": "2"})).await.ok();
    assert_eq!(object["data"], json!({"a": "1", "b": "2"}));
    apply("two", json!({"a": "2"})).await.fails(409, "Conflict");
    let object = apply("one", json!({})).await.ok();
    assert_eq!(object["data"], json!({"b": "2"}));
}
