//! People and disasters: edits behind everyone's back, an etcd restored from a backup, and the books a harness judges.

use crate::simulated;
use futures::StreamExt as _;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api, Client,
    api::{
        ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams,
        PostParams, WatchEvent, WatchParams,
    },
};
use kubesim::{Kubesim, Settings, Write};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

const GROUP: &str = "suite.example";

fn widgets(client: Client) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk(GROUP, "v1", "Widget");
    Api::default_namespaced_with(client, &ApiResource::from_gvk_with_plural(&kind, "widgets"))
}

fn api(sim: &Kubesim) -> Api<DynamicObject> {
    widgets(Client::new(sim.service(), "default"))
}

fn body(name: &str) -> Value {
    json!({
        "apiVersion": "suite.example/v1", "kind": "Widget", "metadata": {"name": name},
        "spec": {"email": "a@example.com"},
    })
}

async fn create(api: &Api<DynamicObject>, name: &str) -> DynamicObject {
    let object = serde_json::from_value(body(name)).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap()
}

fn code(error: &kube::Error) -> u16 {
    match error {
        kube::Error::Api(status) => status.code,
        other => panic!("{other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_restored_etcd_is_older_and_its_revisions_are_newer() {
    let sim = simulated(Settings::default());
    let api = api(&sim);
    let kept = create(&api, "a").await;
    create(&api, "b").await;
    let snapshot = sim.snapshot();
    let status = json!({"status": {"count": 7}});
    api.patch_status("a", &PatchParams::default(), &Patch::Merge(status))
        .await
        .unwrap();
    api.delete("b", &DeleteParams::default()).await.unwrap();
    create(&api, "c").await;
    let before = sim.resource_version();
    let page = api.list(&ListParams::default().limit(1)).await.unwrap();
    let version = page.metadata.resource_version.clone().unwrap();
    let mut events = api
        .watch(&WatchParams::default(), &version)
        .await
        .unwrap()
        .boxed();
    let writes = sim.writes().len();
    sim.restore(&snapshot);
    // The objects, to the version.
    let listed = api.list(&ListParams::default()).await.unwrap();
    let names: Vec<_> = listed
        .items
        .iter()
        .map(|o| o.metadata.name.clone().unwrap())
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(
        serde_json::to_value(&listed.items[0]).unwrap(),
        serde_json::to_value(&kept).unwrap()
    );
    assert!(sim.resource_version() > before + 1_000_000);
    assert_eq!(
        listed.metadata.resource_version,
        Some(sim.resource_version().to_string())
    );
    assert_eq!(sim.writes().len(), writes);
    // Watches end, and neither they nor the page can go on; after a new list they can.
    assert!(events.next().await.is_none());
    let resumed = api
        .watch(&WatchParams::default(), &version)
        .await
        .unwrap()
        .boxed()
        .next()
        .await;
    assert!(
        matches!(&resumed, Some(Ok(WatchEvent::Error(status))) if status.code == 410),
        "{resumed:?}"
    );
    let next = ListParams::default()
        .limit(1)
        .continue_token(&page.metadata.continue_.unwrap());
    assert_eq!(code(&api.list(&next).await.unwrap_err()), 410);
    let since = listed.metadata.resource_version.unwrap();
    let mut events = api.watch(&WatchParams::default(), &since).await.unwrap().boxed();
    let made = create(&api, "c").await;
    let seen = events.next().await.unwrap().unwrap();
    assert!(
        matches!(&seen, WatchEvent::Added(object) if object.metadata.uid == made.metadata.uid),
        "{seen:?}"
    );
    // The snapshot can be restored again, and revisions go on.
    let before = sim.resource_version();
    sim.restore(&snapshot);
    assert!(sim.resource_version() > before);
    assert_eq!(sim.objects(GROUP, "widgets").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_restore_brings_back_the_kinds_and_the_policies_of_its_time() {
    let sim = simulated(Settings::default());
    let empty = Kubesim::new(Settings::default(), || jiff::Timestamp::UNIX_EPOCH).snapshot();
    let full = sim.snapshot();
    let policies = "admissionregistration.k8s.io";
    let meta = |kind: &str| json!({"apiVersion": format!("{policies}/v1"), "kind": kind, "metadata": {"name": "no"}});
    let mut policy = meta("ValidatingAdmissionPolicy");
    policy["spec"] = json!({
        "matchConstraints": {"resourceRules": [{
            "apiGroups": [GROUP], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"],
        }]},
        "validations": [{"expression": "false", "message": "never"}],
    });
    let mut binding = meta("ValidatingAdmissionPolicyBinding");
    binding["spec"] = json!({"policyName": "no", "validationActions": ["Deny"]});
    sim.put(policies, "validatingadmissionpolicies", policy).unwrap();
    sim.put(policies, "validatingadmissionpolicybindings", binding)
        .unwrap();
    assert!(
        sim.put(GROUP, "widgets", body("a"))
            .unwrap_err()
            .message
            .contains("never")
    );
    sim.restore(&full);
    sim.put(GROUP, "widgets", body("a")).unwrap();
    sim.restore(&empty);
    assert_eq!(sim.put(GROUP, "widgets", body("a")).unwrap_err().code, 404);
}

#[tokio::test(start_paused = true)]
async fn a_person_edits_behind_everyones_back() {
    let sim = simulated(Settings::default());
    let api = api(&sim);
    let mine = create(&api, "a").await;
    let version = mine.metadata.resource_version.clone().unwrap();
    let mut events = api
        .watch(&WatchParams::default(), &version)
        .await
        .unwrap()
        .boxed();
    let mut edited = body("a");
    edited["spec"]["replicas"] = json!(3);
    let stored = sim.put(GROUP, "widgets", edited.clone()).unwrap();
    assert_eq!(stored["metadata"]["generation"], 2);
    assert_eq!(stored["metadata"]["uid"], json!(mine.metadata.uid));
    let seen = events.next().await.unwrap().unwrap();
    assert!(
        matches!(&seen, WatchEvent::Modified(object) if object.data["spec"]["replicas"] == 3),
        "{seen:?}"
    );
    // Whoever has not seen it loses.
    let stale = api.replace("a", &PostParams::default(), &mine).await.unwrap_err();
    assert_eq!(code(&stale), 409);
    // A person is not above the rules, nor above the lock when one is asked for.
    let mut bad = body("a");
    bad["spec"]["email"] = json!(7);
    assert_eq!(sim.put(GROUP, "widgets", bad).unwrap_err().code, 422);
    edited["metadata"]["resourceVersion"] = json!(version);
    let refused = sim.put(GROUP, "widgets", edited).unwrap_err();
    assert_eq!((refused.code, refused.reason), (409, "Conflict"));
    // The status has its own door.
    let mut status = body("a");
    status["status"] = json!({"count": 4});
    assert!(
        sim.put(GROUP, "widgets", status.clone())
            .unwrap()
            .get("status")
            .is_none_or(|s| s["count"] != 4)
    );
    assert_eq!(
        sim.put_status(GROUP, "widgets", status).unwrap()["status"]["count"],
        4
    );
    assert_eq!(sim.put_status(GROUP, "widgets", body("b")).unwrap_err().code, 404);
    assert_eq!(sim.put("x.example", "xs", body("b")).unwrap_err().code, 404);
    let last = sim.writes().pop().unwrap();
    assert_eq!(
        (last.user.as_str(), last.manager.as_str(), last.subresource),
        ("person", "kubectl-edit", "status")
    );
}

#[tokio::test(start_paused = true)]
async fn a_person_deletes_and_finalizers_hold() {
    let sim = simulated(Settings::default());
    let mut held = body("held");
    held["metadata"]["finalizers"] = json!(["suite.example/hold"]);
    sim.put(GROUP, "widgets", held).unwrap();
    sim.put(GROUP, "widgets", body("free")).unwrap();
    for name in ["held", "free"] {
        sim.remove(GROUP, "widgets", "default", name).unwrap();
    }
    let left = sim.objects(GROUP, "widgets");
    assert_eq!(left.len(), 1);
    assert!(left[0]["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(
        sim.remove(GROUP, "widgets", "default", "free").unwrap_err().code,
        404
    );
    let gone: Vec<bool> = sim.writes().iter().map(|write| write.deleted).collect();
    assert_eq!(gone, [false, false, false, true]);
}

#[tokio::test(start_paused = true)]
async fn a_stolen_lease_has_another_holder() {
    let sim = simulated(Settings::default());
    assert_eq!(
        sim.steal_lease("default", "leader", "thief").unwrap_err().code,
        404
    );
    let leases: Api<Lease> = Api::default_namespaced(Client::new(sim.service(), "default"));
    let mine = json!({"metadata": {"name": "leader"}, "spec": {"holderIdentity": "me", "leaseDurationSeconds": 15,
        "renewTime": "2030-01-01T00:00:00.000000Z", "leaseTransitions": 4}});
    let mine: Lease = serde_json::from_value(mine).unwrap();
    let mine = leases.create(&PostParams::default(), &mine).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    sim.steal_lease("default", "leader", "thief").unwrap();
    let spec = leases.get("leader").await.unwrap().spec.unwrap();
    assert_eq!(
        (spec.holder_identity.as_deref(), spec.lease_transitions),
        (Some("thief"), Some(5))
    );
    assert_eq!(spec.lease_duration_seconds, Some(15));
    assert!(
        spec.renew_time
            .unwrap()
            .0
            .to_string()
            .starts_with("2030-01-01T00:00:05")
    );
    let renewal = leases
        .replace("leader", &PostParams::default(), &mine)
        .await
        .unwrap_err();
    assert_eq!(code(&renewal), 409);
}

#[tokio::test(start_paused = true)]
async fn each_write_is_told_as_it_happens() {
    let sim = simulated(Settings::default());
    create(&api(&sim), "early").await;
    let told: Arc<Mutex<Vec<Write>>> = Arc::default();
    let (notes, handle) = (told.clone(), sim.clone());
    sim.on_write(move |write| {
        // The state is not locked, and it is that of the moment.
        assert_eq!(handle.resource_version(), write.resource_version);
        notes.lock().unwrap().push(write.clone());
    });
    let named = |label: &str| widgets(Client::new(sim.service_named(label), "default"));
    let (a, b) = (named("op-a"), named("op-b"));
    let made = create(&a, "x").await;
    assert_eq!(told.lock().unwrap().len(), 1);
    let patch = Patch::Merge(json!({"spec": {"replicas": 2}}));
    b.patch("x", &PatchParams::default(), &patch).await.unwrap();
    // What changes nothing is no write, and neither is a dry run.
    b.patch("x", &PatchParams::default(), &patch).await.unwrap();
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    a.create(&dry, &serde_json::from_value(body("y")).unwrap())
        .await
        .unwrap();
    sim.remove(GROUP, "widgets", "default", "x").unwrap();
    let told = told.lock().unwrap();
    let short: Vec<_> = told
        .iter()
        .map(|write| {
            (
                write.verb,
                write.client.as_str(),
                write.deleted,
                write.before.is_some(),
            )
        })
        .collect();
    assert_eq!(
        short,
        [
            ("create", "op-a", false, false),
            ("patch", "op-b", false, true),
            ("delete", "", true, true)
        ]
    );
    assert_eq!(sim.writes_since(1), *told);
    let patched = &told[1];
    assert_eq!(
        patched.before.as_ref().unwrap()["spec"].get("replicas"),
        told[0].object["spec"].get("replicas")
    );
    assert_eq!(patched.object["spec"]["replicas"], 2);
    assert_eq!(
        patched.object["metadata"]["resourceVersion"],
        json!(patched.resource_version.to_string())
    );
    assert_eq!(
        (Some(&patched.uid), patched.name.as_str()),
        (made.metadata.uid.as_ref(), "x")
    );
    // What is gone is shown as it was.
    assert_eq!(told[2].object, patched.object);
}

#[tokio::test(start_paused = true)]
async fn writes_say_which_program_wrote() {
    let sim = simulated(Settings::default());
    let request = http::Request::post("/api/v1/namespaces/default/configmaps")
        .header("content-type", "application/json")
        .header("user-agent", "bulkhead/0.1")
        .body(http_body_util::Full::<bytes::Bytes>::from(
            r#"{"metadata":{"name":"a"}}"#,
        ))
        .unwrap();
    let answer = tower::ServiceExt::oneshot(sim.service_as("robot", &[]).named("one"), request).await;
    assert_eq!(answer.unwrap().status(), 201);
    let write = sim.writes().pop().unwrap();
    assert_eq!(
        [write.user, write.client, write.agent, write.manager],
        ["robot", "one", "bulkhead/0.1", "bulkhead"]
    );
}
