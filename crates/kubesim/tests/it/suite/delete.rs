//! DELETE.

use super::{World, names, version, widget};
use serde_json::{Value, json};

pub(crate) async fn without_finalizers(w: World) {
    let object = w.plain("a").await;
    let reply = w.delete("a", None).await;
    assert_eq!(reply.code, 200);
    assert_eq!(
        reply.ok(),
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
            "details": {"name": "a", "group": "suite.example", "kind": "widgets", "uid": object["metadata"]["uid"]},
        })
    );
    w.get("a").await.fails(404, "NotFound");
    let again = w.plain("a").await;
    assert_ne!(again["metadata"]["uid"], object["metadata"]["uid"]);
}

pub(crate) async fn missing(w: World) {
    let reply = w.delete("a", None).await.fails(404, "NotFound");
    assert_eq!(
        reply.body["details"],
        json!({"name": "a", "group": "suite.example", "kind": "widgets"})
    );
}

pub(crate) async fn with_finalizers(w: World) {
    let object = w.with_meta("a", json!({"finalizers": ["a.b/c", "d.e/f"]})).await;
    let deleting = w.delete("a", None).await.ok();
    assert_eq!(deleting["metadata"]["generation"], 2);
    assert_eq!(deleting["metadata"]["deletionGracePeriodSeconds"], 0);
    assert_eq!(
        deleting["metadata"]["deletionTimestamp"].as_str().unwrap().len(),
        20
    );
    assert!(version(&deleting) > version(&object));
    assert_eq!(
        deleting["metadata"]["managedFields"],
        object["metadata"]["managedFields"]
    );
    // Deleting twice changes nothing.
    assert_eq!(w.delete("a", None).await.ok(), deleting);
    w.post("", &widget("a", json!({"email": "a@example.com"})))
        .await
        .fails(409, "AlreadyExists");
    let one_left = w
        .merge("a", json!({"metadata": {"finalizers": ["d.e/f"]}}))
        .await
        .ok();
    assert_eq!(one_left["metadata"]["generation"], 2);
    let last = w
        .json_patch(
            "a",
            json!([
                {"op": "test", "path": "/metadata/finalizers/0", "value": "d.e/f"},
                {"op": "remove", "path": "/metadata/finalizers/0"},
            ]),
        )
        .await
        .ok();
    // The answer shows the object as it went; the version is the last it was stored with.
    assert!(last["metadata"].get("finalizers").is_none());
    assert_eq!(version(&last), version(&one_left));
    w.get("a").await.fails(404, "NotFound");
}

pub(crate) async fn no_new_finalizers(w: World) {
    w.with_meta("a", json!({"finalizers": ["a.b/c"]})).await;
    w.delete("a", None).await.ok();
    let reply = w
        .merge("a", json!({"metadata": {"finalizers": ["a.b/c", "d.e/f"]}}))
        .await
        .fails(422, "Invalid");
    reply.has_causes(&[
        "FieldValueForbidden|metadata.finalizers|Forbidden: no new finalizers can be added if the object \
        is being deleted, found new finalizers []string{\"d.e/f\"}",
    ]);
}

pub(crate) async fn preconditions(w: World) {
    let object = w.plain("a").await;
    let reply = w
        .delete("a", Some(json!({"preconditions": {"uid": "x"}})))
        .await
        .fails(409, "Conflict");
    assert_eq!(
        reply.message(),
        format!(
            "Operation cannot be fulfilled on Widget.suite.example \"a\": the UID in the precondition (x) does not match \
             the UID in record ({}). The object might have been deleted and then recreated",
            object["metadata"]["uid"].as_str().unwrap()
        )
    );
    w.delete("a", Some(json!({"preconditions": {"resourceVersion": "1"}})))
        .await
        .fails(409, "Conflict");
    let exact =
        json!({"uid": object["metadata"]["uid"], "resourceVersion": object["metadata"]["resourceVersion"]});
    w.delete("a", Some(json!({"preconditions": exact}))).await.ok();
}

pub(crate) async fn dry_run(w: World) {
    let object = w.plain("a").await;
    assert_eq!(
        w.delete("a", Some(json!({"dryRun": ["All"]}))).await.ok()["status"],
        "Success"
    );
    assert_eq!(w.delete("a?dryRun=All", None).await.ok()["status"], "Success");
    assert_eq!(w.get("a").await.ok(), object);
}

pub(crate) async fn propagation_policies(w: World) {
    let policy = |policy: &str| Some(json!({"propagationPolicy": policy}));
    w.plain("a").await;
    let object = w.delete("a", policy("Foreground")).await.ok();
    assert_eq!(object["metadata"]["finalizers"], json!(["foregroundDeletion"]));
    assert_eq!(
        w.delete("a", policy("Background")).await.ok()["status"],
        "Success"
    );
    w.plain("b").await;
    let object = w.delete("b", policy("Orphan")).await.ok();
    assert_eq!(object["metadata"]["finalizers"], json!(["orphan"]));
    w.merge("b", json!({"metadata": {"finalizers": null}})).await.ok();
    w.get("b").await.fails(404, "NotFound");
    w.plain("c").await;
    assert_eq!(
        w.delete("c?propagationPolicy=Background", None).await.ok()["status"],
        "Success"
    );
}

pub(crate) async fn collection(w: World) {
    w.with_meta("a", json!({"labels": {"g": "1"}})).await;
    w.with_meta("b", json!({"labels": {"g": "1"}, "finalizers": ["a.b/c"]}))
        .await;
    w.with_meta("c", json!({"labels": {"g": "2"}})).await;
    let list = w.delete("?labelSelector=g%3D1", None).await.ok();
    assert_eq!(
        (list["kind"].clone(), names(&list)),
        (json!("WidgetList"), vec!["a".to_owned(), "b".to_owned()])
    );
    let left = w.get("").await.ok();
    assert_eq!(names(&left), ["b", "c"]);
    assert!(left["items"][0]["metadata"]["deletionTimestamp"].is_string());
}

pub(crate) async fn spec_may_change_while_deleting(w: World) {
    w.with_meta("a", json!({"finalizers": ["a.b/c"]})).await;
    w.delete("a", None).await.ok();
    let object = w.merge("a", json!({"spec": {"replicas": 5}})).await.ok();
    assert_eq!(object["metadata"]["generation"], 3);
    // Only the removal of the last finalizer ends it, whichever way it comes.
    let mut body: Value = object.clone();
    body["metadata"]["finalizers"] = json!([]);
    w.put("a", &body).await.ok();
    w.get("a").await.fails(404, "NotFound");
}

pub(crate) async fn status_of_a_deleting_object(w: World) {
    w.with_meta("a", json!({"finalizers": ["a.b/c"]})).await;
    w.delete("a", None).await.ok();
    let object = w.apply_status("a", "s", json!({"phase": "Going"})).await.ok();
    assert_eq!(object["status"]["phase"], "Going");
    assert_eq!(object["metadata"]["generation"], 2);
    assert!(object["metadata"]["deletionTimestamp"].is_string());
    // An apply to the object itself goes on as well; one that leaves out others' finalizers removes none.
    let object = w.apply("a", "one", json!({"replicas": 1})).await.ok();
    assert_eq!(object["metadata"]["finalizers"], json!(["a.b/c"]));
}
