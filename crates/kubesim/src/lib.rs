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
//! Things go wrong on purpose: [`Kubesim::set_faults`] takes a plan of refusals, lost answers, broken and stale watches.
//!
//! Equal seeds, equal calls in equal order and an equal clock give equal answers, byte for byte: all maps are ordered
//! and all chance comes from one seeded generator.

mod admission;
mod apply;
mod authorizer;
mod builtin;
mod delete;
mod expression;
mod failure;
mod faults;
mod http_service;
mod metadata;
mod object;
mod patch;
mod patterns;
mod person;
mod random;
mod reads;
mod request;
mod resource;
mod rules;
mod schema;
mod select;
mod server;
mod store;
mod strategy;
mod stream;
mod validate;
mod write;

pub use faults::{Fault, FaultHit, FaultPlan, FaultPlanError, FaultRule, Verb};
pub use http_service::{ApiService, ConnectionLost, ResponseBody};
pub use person::{Refused, Snapshot};
pub use resource::{CompiledCrd, CrdError};
pub use server::Write;

use faults::Faults;
use jiff::Timestamp;
use random::Random;
use request::Identity;
use resource::{Registry, Resource};
use serde_json::{Value, json};
use server::State;
use std::{
    borrow::Borrow,
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
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

    /// Tells the observers of the writes they do not know yet, with the state unlocked.
    pub(crate) fn tell(&self) {
        let (news, observers) = {
            let mut state = self.state();
            if state.observers.is_empty() {
                return;
            }
            let news = state.writes[state.told..].to_vec();
            state.told = state.writes.len();
            (news, state.observers.clone())
        };
        for write in &news {
            for observer in &observers {
                observer(write);
            }
        }
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
        static BUILT_IN: LazyLock<Registry> = LazyLock::new(|| {
            let resources = resource::built_in().unwrap_or_default();
            resources.into_iter().map(Arc::new).map(entry).collect()
        });
        let mut state = State {
            store: Store::new(settings.watch_history),
            registry: BUILT_IN.clone(),
            random: Random::new(settings.seed),
            rules: rules::Engine::new(),
            policies: admission::Policies::default(),
            grants: authorizer::Grants::new(),
            writes: vec![],
            observers: vec![],
            told: 0,
            requests: BTreeMap::new(),
            watch_delay: settings.watch_delay,
            undefaulted: BTreeSet::new(),
            now: clock(),
            faults: None,
            fault_hits: vec![],
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
        self.install(&CompiledCrd::new(crd.borrow())?);
        Ok(())
    }

    /// [`install_crd`](Self::install_crd) without reading the CRD again.
    pub fn install(&self, crd: &CompiledCrd) {
        let mut state = self.shared.state();
        state.rules.know(&crd.patterns);
        let (key, resource) = entry(crd.resource.clone());
        state.registry.insert(key, resource);
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
                label: String::new(),
            },
        }
    }

    /// [`service`](Self::service) for one of several clients; its name stands in [`Write`] and [`FaultHit`].
    pub fn service_named(&self, client: &str) -> ApiService {
        self.service().named(client)
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
        let objects = self.shared_objects(group, plural);
        objects.iter().map(|object| (**object).clone()).collect()
    }

    /// The same without a copy of each: for who looks often.
    pub fn shared_objects(&self, group: &str, plural: &str) -> Vec<Arc<Value>> {
        let key = (group.to_owned(), plural.to_owned());
        self.shared.state().store.all(&key).cloned().collect()
    }

    /// The writes that changed something, in order.
    pub fn writes(&self) -> Vec<Write> {
        self.writes_since(0)
    }

    /// The writes from the `index`-th on, counted from 0: those that are new to a reader who has seen `index` of them.
    pub fn writes_since(&self, index: usize) -> Vec<Write> {
        let state = self.shared.state();
        state.writes.get(index..).unwrap_or_default().to_vec()
    }

    /// Calls a function after each write from now on, at the moment of its effect and before its answer is under way.
    /// The function may use this server (through a handle that does not keep it alive for ever, if that matters); what
    /// it writes itself is told before its call returns.
    pub fn on_write(&self, observer: impl Fn(&Write) + Send + Sync + 'static) {
        let mut state = self.shared.state();
        if state.observers.is_empty() {
            state.told = state.writes.len();
        }
        state.observers.push(Arc::new(observer));
    }

    /// How many requests came, by verb and resource (`("patch", "widgets.example.dev/status")`).
    pub fn requests(&self) -> BTreeMap<(String, String), u64> {
        self.shared.state().requests.clone()
    }

    /// The version of the last change.
    pub fn resource_version(&self) -> u64 {
        self.shared.state().store.version()
    }

    /// Lets things go wrong from now on as a plan says; it replaces the one before, and a plan without rules ends the
    /// faults. A plan made in code should pass [`FaultPlan::check`]; what that refuses has no effect here.
    pub fn set_faults(&self, plan: FaultPlan) {
        let mut state = self.shared.state();
        state.now = (self.shared.clock)();
        let faults = Faults::new(plan, state.now);
        state.faults = Some(faults);
    }

    /// The faults from the `index`-th on, counted from 0, of all plans.
    pub fn faults_since(&self, index: usize) -> Vec<FaultHit> {
        let state = self.shared.state();
        state.fault_hits.get(index..).unwrap_or_default().to_vec()
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

fn entry(resource: Arc<Resource>) -> ((String, String), Arc<Resource>) {
    ((resource.group.clone(), resource.plural.clone()), resource)
}
