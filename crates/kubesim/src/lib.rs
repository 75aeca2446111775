//! An in-memory Kubernetes API server as a tower service.
//!
//! A real `kube::Client` talks to it without sockets, so an operator runs against it in virtual time: with tokio's
//! clock paused, hours of watches, leases and retries pass in milliseconds, and one seed reproduces one run.
//!
//! ```
//! use k8s_openapi::api::core::v1::Namespace;
//! use kube::{Api, Client, api::ListParams};
//! use kubesim::{Kubesim, Settings};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), kube::Error> {
//! let sim = Kubesim::new(Settings::default(), || jiff::Timestamp::UNIX_EPOCH);
//! let client = Client::new(sim.service(), "default");
//! let namespaces = Api::<Namespace>::all(client).list(&ListParams::default()).await?;
//! assert_eq!(namespaces.items.len(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! It serves what an operator of custom resources needs, and serves it as kube-apiserver does: custom resources from
//! their CRDs (pruning, defaults, validation, CEL rules), Namespace, ConfigMap, Lease and Event; lists in pages,
//! selectors, watches with bookmarks and 410; optimistic locks, generation, finalizers, the status subresource; merge
//! and JSON patches; server-side apply with field ownership and conflicts; ValidatingAdmissionPolicy. The test suite
//! of this crate runs on kubesim and on the real server, and they must agree. Everything else answers 501 and says
//! what is missing.
//!
//! Like the API server alone, it runs no controllers: nothing is garbage collected, no namespace is emptied.
//!
//! Equal seeds, equal calls in equal order and an equal clock give equal answers, byte for byte: all maps are ordered
//! and all chance comes from one seeded generator.

mod admission;
mod apply;
mod authorizer;
mod builtin;
mod delete;
mod failure;
mod http_service;
mod metadata;
mod object;
mod patch;
mod random;
mod request;
mod resource;
mod rules;
mod schema;
mod select;
mod server;
mod store;
mod strategy;
mod validate;
mod write;

pub use http_service::{ApiService, ResponseBody};
pub use resource::CrdError;
pub use server::Write;

use jiff::Timestamp;
use random::Random;
use request::Identity;
use resource::{Registry, Resource};
use serde_json::{Value, json};
use server::State;
use std::{
    borrow::Borrow,
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use store::Store;

/// How the server behaves.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Decides uids, generated names and latencies.
    pub seed: u64,
    /// The time a request takes, from and to; half of it passes before the effect and half after.
    pub latency: (Duration, Duration),
    /// The time from a write to its event at a watch, from and to.
    pub watch_delay: (Duration, Duration),
    /// How many changes are kept; a watch or a list that needs older ones gets 410.
    pub watch_history: usize,
    /// How often a watch that wants bookmarks gets one.
    pub bookmark_period: Duration,
    /// How long a watch lasts that names no timeout.
    pub watch_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            latency: (Duration::from_millis(1), Duration::from_millis(5)),
            watch_delay: (Duration::from_millis(1), Duration::from_millis(5)),
            watch_history: 10_000,
            bookmark_period: Duration::from_mins(1), // As the watch cache does.
            watch_timeout: Duration::from_mins(30),  // --min-request-timeout
        }
    }
}

/// What the service and its handle share.
pub(crate) struct Shared {
    state: Mutex<State>,
    pub(crate) clock: Box<dyn Fn() -> Timestamp + Send + Sync>,
    latency: (Duration, Duration),
    pub(crate) bookmark_period: Duration,
    pub(crate) watch_timeout: Duration,
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere does not make the state wrong: every change of it is one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time before and after the effect of a request.
    pub(crate) fn latency(&self) -> (Duration, Duration) {
        let half = self.state().random.between(self.latency) / 2;
        (half, half)
    }
}

/// The simulated API server. Clones share one state.
#[derive(Clone)]
pub struct Kubesim {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Kubesim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kubesim").finish_non_exhaustive()
    }
}

impl Kubesim {
    /// A server with the namespaces `default` and `kube-system`. The clock gives `creationTimestamp` and the like.
    pub fn new(settings: Settings, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        // The schemas of the built-in kinds are constants of this crate; its tests read them all.
        let registry: Registry = resource::built_in()
            .unwrap_or_default()
            .into_iter()
            .map(entry)
            .collect();
        let mut state = State {
            store: Store::new(settings.watch_history),
            registry,
            random: Random::new(settings.seed),
            rules: rules::Engine::new(),
            policies: admission::Policies::default(),
            grants: authorizer::Grants::new(),
            writes: vec![],
            requests: BTreeMap::new(),
            watch_delay: settings.watch_delay,
            undefaulted: BTreeSet::new(),
            now: clock(),
        };
        for name in ["default", "kube-system"] {
            let namespace = json!({
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": {
                    "name": name, "uid": state.random.uid(), "creationTimestamp": state.now_text(),
                    "labels": {"kubernetes.io/metadata.name": name},
                },
                "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
            });
            let key = (String::new(), name.to_owned());
            state
                .store
                .put(&(String::new(), "namespaces".into()), key, namespace, &mut || {
                    Duration::ZERO
                });
        }
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                clock: Box::new(clock),
                latency: settings.latency,
                bookmark_period: settings.bookmark_period,
                watch_timeout: settings.watch_timeout,
            }),
        }
    }

    /// Serves a custom resource. Installing the CRD again replaces its schema and keeps the objects.
    pub fn install_crd(&self, crd: impl Borrow<Value>) -> Result<(), CrdError> {
        let (key, resource) = entry(Resource::from_crd(crd.borrow())?);
        self.shared.state().registry.insert(key, resource);
        Ok(())
    }

    /// The service, for the cluster administrator.
    pub fn service(&self) -> ApiService {
        self.service_as("admin", &["system:masters", "system:authenticated"])
    }

    /// The service for another caller; admission policies see who it is.
    pub fn service_as(&self, user: &str, groups: &[&str]) -> ApiService {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        ApiService {
            shared: self.shared.clone(),
            identity: Identity {
                user: user.to_owned(),
                groups,
            },
        }
    }

    /// Lets the `authorizer` of admission policies say that a user or group may use a verb on a resource; `*` stands
    /// for any. Members of `system:masters` may do everything. Requests themselves are never refused.
    pub fn allow(&self, user_or_group: &str, verb: &str, group: &str, resource: &str) {
        let grant = (
            user_or_group.to_owned(),
            verb.to_owned(),
            group.to_owned(),
            resource.to_owned(),
        );
        self.shared.state().grants.insert(grant);
    }

    /// All objects of a resource by namespace and name, read without a request.
    pub fn objects(&self, group: &str, plural: &str) -> Vec<Value> {
        let key = (group.to_owned(), plural.to_owned());
        self.shared
            .state()
            .store
            .all(&key)
            .map(|object| (**object).clone())
            .collect()
    }

    /// The writes that changed something, in order.
    pub fn writes(&self) -> Vec<Write> {
        self.shared.state().writes.clone()
    }

    /// How many requests came, by verb and resource (`("patch", "widgets.example.dev/status")`).
    pub fn requests(&self) -> BTreeMap<(String, String), u64> {
        self.shared.state().requests.clone()
    }

    /// The version of the last change.
    pub fn resource_version(&self) -> u64 {
        self.shared.state().store.version()
    }

    /// Ends every watch stream, as a restart of the server or of a load balancer would.
    pub fn break_watches(&self) {
        self.shared.state().store.break_watches();
    }

    /// Forgets the history: every watch that resumes now gets 410 and has to list again.
    pub fn compact_history(&self) {
        self.shared.state().store.compact();
    }
}

fn entry(resource: Resource) -> ((String, String), Arc<Resource>) {
    (
        (resource.group.clone(), resource.plural.clone()),
        Arc::new(resource),
    )
}
