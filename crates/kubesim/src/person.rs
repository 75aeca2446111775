//! What people do to a cluster beside its clients: edits and deletions with kubectl, and an etcd restored from a backup.

use crate::{
    Kubesim,
    delete::DeleteOptions,
    failure::{Failure, Subject},
    object::{meta, set_meta},
    request::{FieldValidation, Identity, Options, Target},
    resource::Registry,
    server::{Answer, State},
    store::{ObjectKey, Objects, ResourceKey},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc};

/// A change by a person that the API server refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code} {reason}: {message}")]
pub struct Refused {
    /// The HTTP status.
    pub code: u16,
    /// The reason of the Status, `NotFound` for example; empty for some errors of the server.
    pub reason: &'static str,
    /// What the server says.
    pub message: String,
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self {
            code: failure.code,
            reason: failure.reason,
            message: failure.message,
        }
    }
}

/// What etcd held at one moment: all objects, and with the CRDs the kinds that were served.
#[derive(Clone)]
pub struct Snapshot {
    objects: Objects,
    version: u64,
    registry: Registry,
    undefaulted: BTreeSet<(ResourceKey, ObjectKey)>,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// How far a restore moves the revision; etcd's documentation recommends this number for `--bump-revision`.
const BUMP: u64 = 1_000_000_000;

impl Kubesim {
    /// A backup of etcd. It shares the objects, so it costs one pointer for each.
    pub fn snapshot(&self) -> Snapshot {
        let state = self.shared.state();
        Snapshot {
            objects: state.store.objects().clone(),
            version: state.store.version(),
            registry: state.registry.clone(),
            undefaulted: state.undefaulted.clone(),
        }
    }

    /// Puts etcd back to an older state, as `etcdutl snapshot restore --bump-revision 1000000000 --mark-compacted` does.
    ///
    /// The objects are those of the snapshot, with their uids and resourceVersions. New revisions are far ahead of all
    /// that were ever given out, and the history is compacted: every watch ends and gets 410 when it resumes, and
    /// continue tokens are void. This is no write: [`writes`](Self::writes) says nothing of it.
    pub fn restore(&self, snapshot: &Snapshot) {
        let mut state = self.shared.state();
        let version = state.store.version().max(snapshot.version) + BUMP;
        state.store.restore(snapshot.objects.clone(), version);
        state.registry.clone_from(&snapshot.registry);
        state.undefaulted.clone_from(&snapshot.undefaulted);
        state.read_policies();
    }

    /// Creates or replaces an object as `kubectl replace` does, at once and behind every client's back: with the
    /// server's checks, its own resourceVersion and watch events. A resourceVersion in the object is a lock, as ever;
    /// without one the object is replaced whatever it is. The status stays where the kind has a status subresource.
    /// `Write` says user `person`, manager `kubectl-edit`.
    pub fn put(&self, group: &str, plural: &str, object: Value) -> Result<Arc<Value>, Refused> {
        self.edit(group, plural, false, object)
    }

    /// Replaces the status of an object as `kubectl replace --subresource=status` does, otherwise like
    /// [`put`](Self::put).
    pub fn put_status(&self, group: &str, plural: &str, object: Value) -> Result<Arc<Value>, Refused> {
        self.edit(group, plural, true, object)
    }

    /// Deletes an object as `kubectl delete --wait=false` does: at once if it has no finalizers, otherwise it is marked.
    pub fn remove(&self, group: &str, plural: &str, namespace: &str, name: &str) -> Result<(), Refused> {
        self.by_hand(|state| {
            let target = target(state, group, plural, (namespace, name))?;
            state.delete(&target, &DeleteOptions::default(), &options("kubectl-delete"))?;
            Ok(())
        })
    }

    /// Makes somebody else the holder of a Lease, renewed now: what a second replica, or a person, does to a leader.
    pub fn steal_lease(&self, namespace: &str, name: &str, holder: &str) -> Result<Arc<Value>, Refused> {
        self.by_hand(|state| {
            let target = target(state, "coordination.k8s.io", "leases", (namespace, name))?;
            let mut lease = (*state.get(&target)?).clone();
            let now = state.now.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
            let transitions = lease["spec"]["leaseTransitions"].as_i64().unwrap_or_default();
            let spec = &mut lease["spec"];
            spec["holderIdentity"] = json!(holder);
            spec["acquireTime"] = json!(now);
            spec["renewTime"] = json!(now);
            spec["leaseTransitions"] = json!(transitions + 1);
            Ok(stored(state.put(&target, lease, &options(holder))?))
        })
    }

    fn edit(
        &self,
        group: &str,
        plural: &str,
        status: bool,
        mut object: Value,
    ) -> Result<Arc<Value>, Refused> {
        self.by_hand(|state| {
            let key = (
                meta(&object, "namespace").to_owned(),
                meta(&object, "name").to_owned(),
            );
            let mut target = target(state, group, plural, (&key.0, &key.1))?;
            target.status = status;
            let options = options("kubectl-edit");
            let answer = match state.get(&target) {
                Ok(live) => {
                    if meta(&object, "resourceVersion").is_empty() {
                        set_meta(
                            &mut object,
                            "resourceVersion",
                            live["metadata"]["resourceVersion"].clone(),
                        );
                    }
                    state.put(&target, object, &options)?
                }
                Err(missing) if status => return Err(missing),
                Err(_) => {
                    target.name = None;
                    state.create(&target, object, &options)?
                }
            };
            Ok(stored(answer))
        })
    }

    /// Runs a change at once, without latency or faults.
    fn by_hand<T>(&self, change: impl FnOnce(&mut State) -> Result<T, Failure>) -> Result<T, Refused> {
        let changed = {
            let mut state = self.shared.state();
            state.now = (self.shared.clock)();
            change(&mut state)
        };
        self.shared.tell();
        Ok(changed?)
    }
}

fn stored(answer: Answer) -> Arc<Value> {
    match answer {
        Answer::Object { body, .. } => Arc::new(body),
        Answer::Watch { .. } => Arc::default(), // Not the answer to any write.
    }
}

/// A namespaced object without a namespace is in `default`, as for kubectl.
fn target(
    state: &State,
    group: &str,
    plural: &str,
    (namespace, name): (&str, &str),
) -> Result<Target, Failure> {
    let resource = state.registry.get(&(group.to_owned(), plural.to_owned()));
    let resource = resource.ok_or_else(|| Failure::not_found(Subject::new(group, plural, name)))?;
    let namespace = if namespace.is_empty() {
        "default"
    } else {
        namespace
    };
    Ok(Target {
        namespace: resource.namespaced.then(|| namespace.to_owned()),
        name: Some(name.to_owned()),
        status: false,
        resource: resource.clone(),
    })
}

fn options(manager: &str) -> Options {
    Options {
        identity: Identity {
            user: "person".to_owned(),
            groups: ["system:masters", "system:authenticated"]
                .map(str::to_owned)
                .to_vec(),
            label: String::new(),
        },
        agent: "kubectl".to_owned(),
        manager: manager.to_owned(),
        manager_given: true,
        dry_run: false,
        force: false,
        validation: FieldValidation::Strict,
    }
}
