//! What every version of every object must obey, watched from the outside while a scenario runs: the rules by which
//! kstatus, Argo CD and Flux judge health, and that nobody writes into what people wrote.

use std::{
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use futures::TryStreamExt as _;
use kube::{Client, core::WatchEvent};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::cluster::{ACCOUNTS, BASELINES, Cluster, ORGANIZATIONS, Object, PROMOTIONS};

/// Sees every version of our objects from now on.
pub(crate) struct Witness {
    seen: Arc<Mutex<Vec<Object>>>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Witness {
    pub(crate) fn begin(cluster: &Cluster) -> Self {
        let seen: Arc<Mutex<Vec<Object>>> = Arc::default();
        let (stop, stopped) = oneshot::channel::<()>();
        let (config, sink) = (cluster.watch_client(), Arc::clone(&seen));
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let client = Client::try_from(config).unwrap();
                let watches = futures::future::join_all(
                    [ACCOUNTS, BASELINES, PROMOTIONS, ORGANIZATIONS]
                        .map(|path| watch(client.clone(), path, &sink)),
                );
                tokio::select! {
                    biased;
                    _ = stopped => {}
                    _ = watches => panic!("a watch ended, so that versions may have been missed"),
                }
            });
        });
        Self { seen, stop, thread }
    }

    /// Judges everything that was seen; gives how many versions that were.
    pub(crate) fn judge(self) -> usize {
        self.judge_and_recall().len()
    }

    /// Judges everything that was seen, and gives it.
    pub(crate) fn judge_and_recall(self) -> Vec<Object> {
        self.stop.send(()).unwrap();
        self.thread.join().unwrap();
        let seen = self.seen.lock().unwrap().clone();
        for object in &seen {
            obeys_the_rules_of_health(object);
            only_people_write_the_spec(object);
        }
        seen
    }
}

async fn watch(client: Client, path: &str, sink: &Mutex<Vec<Object>>) {
    let request = http::Request::get(format!("{path}?watch=1&resourceVersion=0&timeoutSeconds=600"));
    let request = request.body(Vec::new()).unwrap();
    let mut events = std::pin::pin!(client.request_events::<Value>(request).await.unwrap());
    while let Some(event) = events.try_next().await.unwrap() {
        match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) | WatchEvent::Deleted(object) => {
                sink.lock().unwrap().push(Object(object));
            }
            other => panic!("watch of {path}: {other:?}"),
        }
    }
}

/// kstatus and Flux: Reconciling and Stalled are there only while True, never both; Ready is there as soon as the
/// operator has seen the object, and is True exactly when neither of the two is.
pub(crate) fn obeys_the_rules_of_health(object: &Object) {
    let name = object.name();
    let number = |pointer: &str| object.0.pointer(pointer).and_then(Value::as_i64);
    let generation = number("/metadata/generation").unwrap_or(0);
    let observed = number("/status/observedGeneration");
    let conditions = object.conditions();
    let say = |rule: &str| format!("{name}: {rule}: {:#}", object.0);
    assert!(
        observed.is_none_or(|observed| observed <= generation),
        "{}",
        say("observedGeneration from the future")
    );
    if conditions.is_empty() {
        assert!(
            observed.is_none_or(|observed| observed != generation),
            "{}",
            say("observed, but no conditions")
        );
        return;
    }
    for condition in conditions {
        assert_eq!(
            condition["observedGeneration"].as_i64(),
            observed,
            "{}",
            say("a condition of another generation")
        );
    }
    let is = |type_: &str| {
        object
            .condition(type_)
            .map(|condition| condition["status"] == "True")
    };
    for type_ in ["Reconciling", "Stalled", "Waiting"] {
        assert!(
            is(type_) != Some(false),
            "{}",
            say("an abnormal condition that is there and not True")
        );
    }
    let (reconciling, stalled) = (is("Reconciling").is_some(), is("Stalled").is_some());
    assert!(
        !(reconciling && stalled),
        "{}",
        say("Reconciling and Stalled together")
    );
    assert!(
        is("Waiting").is_none() || reconciling,
        "{}",
        say("Waiting without Reconciling")
    );
    let ready = is("Ready").unwrap_or_else(|| panic!("{}", say("no Ready")));
    let (assigned, told) = (
        number("/status/baseline/assigned/sequence"),
        number("/status/baseline/observedSequence"),
    );
    assert!(
        !ready || assigned == told,
        "{}",
        say("Ready is about another revision than the one that is assigned")
    );
    assert_eq!(
        ready,
        !reconciling && !stalled,
        "{}",
        say("Ready must be True exactly when neither Reconciling nor Stalled is there")
    );
}

/// By managedFields: whoever is not kubectl owns nothing but status and finalizers.
pub(crate) fn only_people_write_the_spec(object: &Object) {
    let none = Vec::new();
    let entries = object.0["metadata"]["managedFields"].as_array().unwrap_or(&none);
    for entry in entries {
        let manager = entry["manager"].as_str().unwrap_or_default();
        if manager.starts_with("kubectl") {
            continue;
        }
        // The last is the API server's own: what an object that was made with nothing in it got by default.
        assert!(
            ["bulkhead", "bulkhead-journal", "before-first-apply"].contains(&manager),
            "{}: an unknown writer {manager:?}",
            object.name()
        );
        let owned = entry["fieldsV1"].as_object().unwrap();
        for (field, below) in owned {
            let allowed = match field.as_str() {
                "f:status" => true,
                "f:metadata" => below.as_object().unwrap().keys().all(|key| key == "f:finalizers"),
                _ => false,
            };
            assert!(allowed, "{}: {manager:?} owns {field} {below}", object.name());
        }
    }
}
