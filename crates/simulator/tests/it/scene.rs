//! A world with operators that can be started, killed and watched.

use api::{AwsAccount, Baseline};
use futures::future::LocalBoxFuture;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use operator::Config;
use serde_json::{Value, json};
use simulator::{Report, World};
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// Runs a test in virtual time.
pub(crate) fn in_virtual_time(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(test);
}

pub(crate) fn config() -> Config {
    let aws = "{awsShare: 1.0, enablePolicyTypes: true}";
    Config::parse(&format!(
        "{{installation: heron, defaultBaseline: standard, aws: {aws}}}"
    ))
    .unwrap()
}

pub(crate) fn acme() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/acme")
}

/// One operator process.
pub(crate) struct Process {
    future: LocalBoxFuture<'static, ()>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    ended: bool,
}

pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) processes: Vec<Process>,
    started: u64,
}

impl Scene {
    pub(crate) fn new(seed: u64) -> Self {
        Self::with(orgsim::Settings {
            seed,
            ..orgsim::Settings::default()
        })
    }

    pub(crate) fn with(organization: orgsim::Settings) -> Self {
        let seed = organization.seed;
        let world = World::new(
            kubesim::Settings {
                seed,
                ..kubesim::Settings::default()
            },
            organization,
        )
        .unwrap();
        Self {
            world,
            processes: vec![],
            started: seed,
        }
    }

    /// The same organization with a new, empty cluster.
    pub(crate) fn new_cluster(&self) -> Self {
        let settings = kubesim::Settings {
            seed: self.started + 1000,
            ..kubesim::Settings::default()
        };
        let world = self.world.with_new_cluster(settings).unwrap();
        Self {
            world,
            processes: vec![],
            started: self.started + 1000,
        }
    }

    pub(crate) async fn apply_acme(&self) {
        let manifests = simulator::load(&[acme()]).unwrap();
        simulator::apply(&self.world.client(), &manifests).await.unwrap();
    }

    /// Namespaces and Baseline of Acme, without its accounts.
    pub(crate) async fn apply_acme_platform(&self) {
        let manifests =
            simulator::load(&[acme().join("baseline.yaml"), acme().join("namespaces.yaml")]).unwrap();
        simulator::apply(&self.world.client(), &manifests).await.unwrap();
    }

    pub(crate) fn start(&mut self) {
        self.start_with(config(), None);
    }

    pub(crate) fn start_with(&mut self, config: Config, take_over: Option<String>) {
        self.started += 1;
        let mut operator = self.world.operator(config, "replica", self.started);
        operator.take_over = take_over;
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let future = async move {
            let wait = async {
                // A dropped sender is no order to stop.
                if stopped.await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            Box::pin(operator::run(operator, wait)).await.unwrap();
        };
        self.processes.push(Process {
            future: Box::pin(future),
            stop: Some(stop),
            ended: false,
        });
    }

    /// kill -9.
    pub(crate) fn kill(&mut self, index: usize) {
        drop(self.processes.remove(index));
    }

    /// SIGTERM.
    pub(crate) fn terminate(&mut self, index: usize) {
        self.processes[index].stop.take().unwrap().send(()).unwrap();
    }

    pub(crate) fn has_ended(&self, index: usize) -> bool {
        self.processes[index].ended
    }

    /// Lets the world go on.
    pub(crate) async fn run_for(&mut self, time: Duration) {
        let running = self
            .processes
            .iter_mut()
            .filter(|process| !process.ended)
            .map(|process| async {
                process.future.as_mut().await;
                process.ended = true;
            });
        let all = futures::future::join_all(running);
        tokio::select! {
            biased;
            () = async { all.await; std::future::pending::<()>().await } => {}
            () = tokio::time::sleep(time) => {}
        }
    }

    /// Lets the world go on until something holds; panics with the report when it does not within `limit`.
    pub(crate) async fn run_until(&mut self, limit: Duration, what: &str, holds: impl Fn(&Scene) -> bool) {
        let begin = self.world.clock.elapsed();
        while !holds(self) {
            assert!(
                self.world.clock.elapsed() < begin + limit,
                "not within {limit:?}: {what}\n{:#?}",
                self.report()
            );
            self.run_for(Duration::from_secs(1)).await;
        }
    }

    pub(crate) async fn run_until_all_ready(&mut self, limit: Duration) {
        self.run_until(limit, "all Ready", |scene| {
            let report = scene.report();
            report.objects.iter().any(|object| object.kind == "AwsAccount") && report.all_ready()
        })
        .await;
    }

    pub(crate) fn report(&self) -> Report {
        Report::of(&self.world)
    }

    pub(crate) fn calls(&self, operation: &str) -> u64 {
        self.report()
            .aws
            .calls
            .get(operation)
            .copied()
            .unwrap_or_default()
    }

    /// Calls that change AWS, as they stand in the organization's own record.
    pub(crate) fn mutations(&self) -> Vec<String> {
        const READS: [&str; 5] = ["List", "Describe", "Get", "Assume", "Search"];
        let calls = self.world.organization.calls();
        calls
            .into_iter()
            .filter(|c| !READS.iter().any(|r| c.operation.starts_with(r)))
            .map(|c| c.operation)
            .collect()
    }

    pub(crate) fn account(&self, namespace: &str, name: &str) -> Value {
        self.world
            .kubernetes
            .objects(api::GROUP, "awsaccounts")
            .into_iter()
            .find(|object| object["metadata"]["namespace"] == namespace && object["metadata"]["name"] == name)
            .unwrap_or(Value::Null)
    }

    /// Status and reason of a condition.
    pub(crate) fn condition(&self, namespace: &str, name: &str, type_: &str) -> Option<(String, String)> {
        let object = self.account(namespace, name);
        let conditions = object["status"]["conditions"].as_array()?.clone();
        let found = conditions
            .into_iter()
            .find(|condition| condition["type"] == type_)?;
        Some((
            found["status"].as_str()?.to_owned(),
            found["reason"].as_str()?.to_owned(),
        ))
    }

    pub(crate) fn is(&self, namespace: &str, name: &str, type_: &str, status: &str, reason: &str) -> bool {
        self.condition(namespace, name, type_) == Some((status.to_owned(), reason.to_owned()))
    }

    pub(crate) fn is_ready(&self, namespace: &str, name: &str) -> bool {
        self.is(namespace, name, "Ready", "True", "Ready")
    }

    /// Reasons of the Events on one object.
    pub(crate) fn events(&self, name: &str) -> Vec<String> {
        let events = self.world.kubernetes.objects("events.k8s.io", "events");
        events
            .iter()
            .filter(|event| event["regarding"]["name"] == name)
            .filter_map(|event| event["reason"].as_str().map(str::to_owned))
            .collect()
    }

    pub(crate) async fn create(&self, namespace: &str, name: &str, spec: Value) {
        let object = json!({
            "apiVersion": "bulkhead.dev/v1alpha1", "kind": "AwsAccount",
            "metadata": {"name": name, "namespace": namespace}, "spec": spec,
        });
        let api: Api<AwsAccount> = Api::namespaced(self.world.client(), namespace);
        api.create(
            &kube::api::PostParams::default(),
            &serde_json::from_value(object).unwrap(),
        )
        .await
        .unwrap();
    }

    pub(crate) async fn patch(&self, namespace: &str, name: &str, patch: Value) {
        let api: Api<AwsAccount> = Api::namespaced(self.world.client(), namespace);
        api.patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap();
    }

    pub(crate) fn baseline(&self) -> Value {
        self.world.kubernetes.objects(api::GROUP, "baselines").remove(0)
    }

    pub(crate) async fn patch_baseline(&self, patch: Value) {
        let api: Api<Baseline> = Api::all(self.world.client());
        api.patch("standard", &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap();
    }

    pub(crate) async fn delete(&self, namespace: &str, name: &str) {
        let api: Api<AwsAccount> = Api::namespaced(self.world.client(), namespace);
        api.delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// Member accounts by claim; every account must have one.
    pub(crate) fn accounts_by_claim(&self) -> BTreeMap<String, Vec<String>> {
        let management = self.world.organization.management_account_id().to_owned();
        let mut claims: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for account in self
            .world
            .organization
            .state()
            .accounts
            .into_iter()
            .filter(|a| a.id != management)
        {
            let claim = account
                .tags
                .get("bulkhead.dev/claim")
                .cloned()
                .unwrap_or_else(|| "none".into());
            claims.entry(claim).or_default().push(account.id);
        }
        claims
    }

    /// Exactly one account for each of these claims, and none besides.
    pub(crate) fn assert_one_account_each(&self, count: usize) {
        let claims = self.accounts_by_claim();
        assert_eq!(claims.len(), count, "{claims:#?}");
        assert!(claims.values().all(|ids| ids.len() == 1), "{claims:#?}");
        assert!(!claims.contains_key("none"), "{claims:#?}");
    }
}

/// A spec that Acme's Baseline accepts.
pub(crate) fn spec(environment: &str) -> Value {
    json!({
        "workload": "egret", "environment": environment, "purpose": "Wading", "costCenter": "4711",
        "owner": {"team": "birds", "contact": "birds@example.com"}, "tags": {"data-class": "public"},
    })
}

pub(crate) const MINUTE: Duration = Duration::from_mins(1);
