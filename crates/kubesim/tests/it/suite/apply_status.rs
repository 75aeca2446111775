//! Server-side apply and the status subresource.

use super::{World, owns, version, widget};
use serde_json::json;

const EMAIL: &str = "a@example.com";

pub(crate) async fn missing_is_not_found(w: World) {
    let reply = w
        .apply_status("a", "one", json!({"phase": "P"}))
        .await
        .fails(404, "NotFound");
    assert_eq!(reply.message(), "widgets.suite.example \"a\" not found");
}

pub(crate) async fn takes_only_status(w: World) {
    let object = w.plain("a").await;
    let mut body = widget("a", json!({"replicas": 50}));
    body["metadata"]["labels"] = json!({"x": "y"});
    body["status"] = json!({"phase": "P", "conditions": [{"type": "Ready", "status": "True"}]});
    let new = w.apply_raw("a/status", "fieldManager=s", &body).await.ok();
    assert_eq!(new["spec"], object["spec"]);
    assert!(new["metadata"].get("labels").is_none());
    assert_eq!(new["metadata"]["generation"], 1);
    assert_eq!(
        new["status"],
        json!({"phase": "P", "conditions": [{"type": "Ready", "status": "True"}], "observedGeneration": -1})
    );
    owns(
        &new,
        &[
            (
                "maker/Update/",
                json!({"f:spec": {".": {}, "f:color": {}, "f:email": {}}}),
            ),
            (
                "s/Apply/status",
                json!({"f:status": {"f:conditions": {"k:{\"type\":\"Ready\"}": {".": {}, "f:status": {}, "f:type": {}}}, "f:phase": {}}}),
            ),
        ],
    );
    // observedGeneration came from the default and belongs to nobody.
    let new = w
        .apply_status("a", "s", json!({"observedGeneration": 1}))
        .await
        .ok();
    assert_eq!(new["status"], json!({"observedGeneration": 1}));
    let new = w.apply_status("a", "s", json!({})).await.ok();
    assert_eq!(new["status"], json!({"observedGeneration": -1}));
}

pub(crate) async fn has_managers_of_its_own(w: World) {
    w.apply("a", "one", json!({"email": EMAIL})).await.ok();
    let object = w.apply_status("a", "one", json!({"phase": "P"})).await.ok();
    owns(
        &object,
        &[
            ("one/Apply/", json!({"f:spec": {"f:email": {}}})),
            ("one/Apply/status", json!({"f:status": {"f:phase": {}}})),
        ],
    );
    // Applying the spec again does not remove the status.
    let object = w
        .apply("a", "one", json!({"email": EMAIL, "replicas": 1}))
        .await
        .ok();
    assert_eq!(object["status"]["phase"], "P");
}

pub(crate) async fn conditions_of_two_managers(w: World) {
    w.plain("a").await;
    w.apply_status(
        "a",
        "one",
        json!({"phase": "P", "conditions": [{"type": "Ready", "status": "True"}]}),
    )
    .await
    .ok();
    let object = w
        .apply_status(
            "a",
            "two",
            json!({"count": 3, "conditions": [{"type": "Live", "status": "False"}]}),
        )
        .await
        .ok();
    assert_eq!(
        object["status"],
        json!({
            "phase": "P", "count": 3, "observedGeneration": -1,
            "conditions": [{"type": "Ready", "status": "True"}, {"type": "Live", "status": "False"}],
        })
    );
    let reply = w
        .apply_status(
            "a",
            "two",
            json!({"phase": "Q", "conditions": [{"type": "Ready", "status": "False"}]}),
        )
        .await;
    let reply = reply.fails(409, "Conflict");
    assert_eq!(
        reply.message(),
        "Apply failed with 2 conflicts: conflicts with \"one\" with subresource \"status\":\n- .status.phase\n- \
         .status.conditions[type=\"Ready\"].status"
    );
    let object = w.apply_status("a", "two", json!({"count": 3})).await.ok();
    assert_eq!(
        object["status"]["conditions"],
        json!([{"type": "Ready", "status": "True"}])
    );
}

pub(crate) async fn compare_and_swap(w: World) {
    let object = w.plain("a").await;
    let body = |count: i64| {
        json!({
            "apiVersion": "suite.example/v1", "kind": "Widget", "status": {"count": count},
            "metadata": {"resourceVersion": object["metadata"]["resourceVersion"]},
        })
    };
    let new = w
        .apply_raw("a/status", "fieldManager=s&force=true", &body(1))
        .await
        .ok();
    assert!(version(&new) > version(&object));
    w.apply_raw("a/status", "fieldManager=s&force=true", &body(2))
        .await
        .fails(409, "Conflict");
    // Even a status that would change nothing.
    w.apply_raw("a/status", "fieldManager=s&force=true", &body(1))
        .await
        .fails(409, "Conflict");
}

pub(crate) async fn main_ignores_status(w: World) {
    let mut body = widget("a", json!({"email": EMAIL}));
    body["status"] = json!({"count": 77});
    let object = w.apply_raw("a", "fieldManager=one", &body).await.ok();
    assert_eq!(object["status"], json!({"observedGeneration": -1}));
    owns(&object, &[("one/Apply/", json!({"f:spec": {"f:email": {}}}))]);
    let object = w.apply_raw("a", "fieldManager=one", &body).await.ok();
    assert_eq!(object["status"], json!({"observedGeneration": -1}));
}
