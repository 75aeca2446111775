//! The world of a scenario while it runs: clusters, processes, Git and the hands of other people.

mod git;
mod other_tool;

use crate::{
    judge::{Judge, ProcessId, Terms},
    process::{Counts, End, Process, Thread, Trigger},
    scenario::{Event, Scenario, is_refused},
    wires,
};
use futures::FutureExt as _;
use kube::Client;
use operator::Config;
use serde_json::{Value, json};
use simulator::World;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    pin::Pin,
    task::Poll,
    time::Duration,
};
use tokio::time::{Instant, sleep_until};

/// Who may approve, and how often they look.
const PERSON: &str = "alice";
const APPROVES: Duration = Duration::from_mins(5);

/// How emails of another tool's accounts begin.
pub(crate) const FOREIGN: &str = "foreign+";

/// The longest a read can be behind the truth: listing lag (10 s), a stale read (15 s), and the call itself.
const READ_LAG: Duration = Duration::from_secs(30);
/// How often the GitOps tool compares.
const SYNC: Duration = Duration::from_mins(3);
/// How soon it tries again after a failure.
const SYNC_AGAIN: Duration = Duration::from_secs(20);

/// A scenario that cannot be played: a defect of the harness.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// No world.
    #[error("no world could be made")]
    World(#[from] simulator::WorldError),
    /// The scenario's own configuration is wrong.
    #[error("configuration of the scenario")]
    Config(#[from] operator::ConfigError),
    /// The scenario's fault plan for AWS is wrong.
    #[error("fault plan of the scenario: {0}")]
    AwsFaults(orgsim::FaultPlanError),
    /// The scenario's fault plan for the API server is wrong.
    #[error("fault plan of the scenario: {0}")]
    KubernetesFaults(kubesim::FaultPlanError),
    /// The admission policy on Approvals is not taken.
    #[error("the admission policy cannot be installed")]
    Policy(#[source] Box<kube::Error>),
    /// No runtime.
    #[error("no runtime could be made")]
    Runtime(#[source] std::io::Error),
}

/// One cluster, and what is to be in it.
pub(crate) struct Cluster {
    pub(crate) world: World,
    pub(crate) own_mark: String,
    /// Replicas that should run.
    replicas: usize,
    take_over: Option<String>,
    backup: Option<kubesim::Snapshot>,
    next_sync: Duration,
    git_client: Client,
}

impl Cluster {
    /// Operators run in it.
    pub(crate) fn is_alive(&self) -> bool {
        self.replicas > 0
    }
}

/// What Git holds, by namespace and name.
pub(crate) type Git = BTreeMap<(String, String), Value>;

pub(crate) struct Stage {
    pub(crate) judge: Judge,
    pub(crate) clusters: Vec<Cluster>,
    pub(crate) git: Git,
    /// The last Baseline of Git that can be accepted.
    pub(crate) baseline: Value,
    scenario: Scenario,
    config: Config,
    processes: BTreeMap<ProcessId, (usize, Pin<Box<Process>>)>,
    next_process: ProcessId,
    crashes: VecDeque<(Trigger, Duration)>,
    /// When a replica of a cluster starts again.
    restarts: Vec<(Duration, usize)>,
    pub(crate) foreign_tags: BTreeMap<(String, &'static str), String>,
    crashed: usize,
    /// Objects whose memory was lost with them once.
    forgotten: BTreeSet<(String, String)>,
    /// When a person looks next whether something awaits a decision.
    approves_from: Option<Duration>,
    /// Counts of the living process when everything had converged.
    pub(crate) at_convergence: Counts,
}

impl Stage {
    pub(crate) async fn new(scenario: &Scenario) -> Result<Self, StageError> {
        let settings = kubesim::Settings {
            seed: scenario.seed,
            ..kubesim::Settings::default()
        };
        let world = World::new(settings, scenario.organization.clone())?;
        let terms = Terms {
            lease: scenario.lease,
            per_hour: scenario.per_hour,
            reread: scenario.reread,
            read_lag: READ_LAG,
            promotes: scenario.promotes,
        };
        let judge = Judge::new(world.clock, world.organization.clone(), terms);
        set_faults(&world.organization, &scenario.aws_faults.to_string())?;
        let mut stage = Self {
            judge,
            clusters: vec![],
            git: Git::new(),
            baseline: Value::Null,
            scenario: scenario.clone(),
            config: Config::parse(&scenario.config)?,
            processes: BTreeMap::new(),
            next_process: 1,
            crashes: scenario.crashes.iter().copied().collect(),
            restarts: vec![],
            foreign_tags: BTreeMap::new(),
            crashed: 0,
            forgotten: BTreeSet::new(),
            approves_from: None,
            at_convergence: Counts::default(),
        };
        stage.add_cluster(world).await?;
        Ok(stage)
    }

    /// Brings a cluster into the game, with as many replicas as the scenario says.
    async fn add_cluster(&mut self, world: World) -> Result<usize, StageError> {
        world
            .install_approval_policy()
            .await
            .map_err(|error| StageError::Policy(Box::new(error)))?;
        world.allow_to_approve(PERSON);
        let faults = kubesim::FaultPlan::parse(&self.scenario.kubernetes_faults.to_string());
        world
            .kubernetes
            .set_faults(faults.map_err(StageError::KubernetesFaults)?);
        let number = self.judge.add_cluster(&world.kubernetes);
        let judge = self.judge.clone();
        world.kubernetes.on_write(move |write| judge.wrote(number, write));
        let namespaces = world.kubernetes.objects("", "namespaces");
        let system = namespaces
            .iter()
            .find(|namespace| namespace["metadata"]["name"] == "kube-system");
        let uid = system
            .and_then(|system| system["metadata"]["uid"].as_str())
            .unwrap_or_default();
        self.clusters.push(Cluster {
            own_mark: format!("heron:{uid}"),
            git_client: Client::new(
                world.kubernetes.service_as("gitops", &["system:masters"]),
                "default",
            ),
            world,
            replicas: self.scenario.replicas,
            take_over: None,
            backup: None,
            next_sync: Duration::ZERO,
        });
        Ok(number)
    }

    pub(crate) fn now(&self) -> Duration {
        self.clusters[0].world.clock.elapsed()
    }

    /// Starts the replicas of a cluster.
    pub(crate) fn start_replicas(&mut self, cluster: usize) {
        for _ in 0..self.clusters[cluster].replicas {
            self.start(cluster);
        }
    }

    fn start(&mut self, cluster: usize) {
        let id = self.next_process;
        self.next_process += 1;
        let thread = Thread::new(self.crashes.front().map(|(trigger, _)| *trigger));
        let Cluster {
            world,
            own_mark,
            take_over,
            ..
        } = &self.clusters[cluster];
        self.judge
            .started(id, cluster, own_mark.clone(), take_over.clone());
        let http = wires::aws(&self.judge, id, &thread, &world.organization);
        let client = wires::kubernetes(&self.judge, id, &thread, &world.kubernetes);
        let seed = self.scenario.seed.wrapping_mul(1009).wrapping_add(u64::from(id));
        let mut operator =
            world.operator_on(http, client, self.config.clone(), &format!("operator-{id}"), seed);
        operator.take_over.clone_from(take_over);
        let judge = self.judge.clone();
        let future = async move {
            // Boxed: the operator's future is large.
            let ended = Box::pin(operator::run(operator, std::future::pending())).await;
            judge.violation(
                "the operator never ends by itself",
                &format!("operator {id}: {ended:?}"),
            );
        };
        self.processes.insert(
            id,
            (cluster, Box::pin(Process::new(thread, future.boxed_local()))),
        );
    }

    /// kill -9 of every process of a cluster.
    fn kill_all(&mut self, cluster: usize) {
        let killed: Vec<ProcessId> = self
            .processes
            .iter()
            .filter(|(_, (of, _))| *of == cluster)
            .map(|(id, _)| *id)
            .collect();
        for id in killed {
            self.bury(id);
        }
        self.restarts.retain(|(_, of)| *of != cluster);
    }

    fn bury(&mut self, id: ProcessId) -> Option<usize> {
        let (cluster, _) = self.processes.remove(&id)?;
        self.judge.tell(&format!("operator {id} is dead"));
        Some(cluster)
    }

    /// Lets virtual time pass; processes that crash are started again.
    pub(crate) async fn pass_until(&mut self, until: Duration) {
        while self.now() < until {
            let restart = self.restarts.iter().map(|(at, _)| *at).min();
            let next = restart.map_or(until, |at| at.min(until));
            let wake = Instant::now() + next.saturating_sub(self.now());
            let ended = {
                let processes = &mut self.processes;
                let any = std::future::poll_fn(|context| {
                    for (id, (_, process)) in processes.iter_mut() {
                        if let Poll::Ready(end) = process.as_mut().poll(context) {
                            return Poll::Ready((*id, end));
                        }
                    }
                    Poll::Pending
                });
                tokio::select! {
                    biased;
                    ended = any => Some(ended),
                    () = sleep_until(wake) => None,
                }
            };
            if let Some((id, end)) = ended {
                self.ended(id, end);
            }
            self.restart_due();
        }
    }

    fn ended(&mut self, id: ProcessId, end: End) {
        self.crashed += 1;
        let down = match end {
            End::Crashed => self
                .crashes
                .pop_front()
                .map_or(Duration::ZERO, |(trigger, down)| {
                    self.judge
                        .tell(&format!("operator {id} crashes {trigger}; down for {down:?}"));
                    down
                }),
            End::Returned => Duration::from_secs(1),
        };
        let now = self.now();
        if let Some(cluster) = self.bury(id) {
            self.restarts.push((now + down, cluster));
        }
    }

    fn restart_due(&mut self) {
        let now = self.now();
        let due: Vec<usize> = self
            .restarts
            .iter()
            .filter(|(at, _)| *at <= now)
            .map(|(_, cluster)| *cluster)
            .collect();
        self.restarts.retain(|(at, _)| *at > now);
        for cluster in due {
            self.start(cluster);
        }
    }

    /// From now on nothing happens but the operator's own doing.
    pub(crate) fn calm(&mut self) -> Result<(), StageError> {
        self.judge.tell("all faults end");
        self.crashes.clear();
        // The next incarnation of a process must not crash either.
        for (_, process) in self.processes.values() {
            process.thread.spare();
        }
        let organization = &self.clusters[0].world.organization;
        set_faults(organization, &nothing().to_string())?;
        for cluster in &self.clusters {
            let calm = kubesim::FaultPlan::parse(&nothing().to_string());
            cluster
                .world
                .kubernetes
                .set_faults(calm.map_err(StageError::KubernetesFaults)?);
        }
        Ok(())
    }

    pub(crate) fn converged(&mut self) {
        self.judge.tell("everything has converged");
        let living = self.processes.values().next();
        self.at_convergence = living
            .map(|(_, process)| process.thread.counts())
            .unwrap_or_default();
    }

    /// Do accounts get another revision by a promotion only?
    pub(crate) fn promotes(&self) -> bool {
        self.scenario.promotes
    }

    /// Was what the object knew ever lost? Then nobody knows which tags were once its own.
    pub(crate) fn has_forgotten(&self, key: &(String, String)) -> bool {
        self.scenario.disaster.is_some() || self.forgotten.contains(key)
    }

    /// What happened, and how often.
    pub(crate) fn happened(&self) -> BTreeMap<String, u64> {
        let calls = self.clusters[0].world.organization.calls();
        let aws = calls
            .iter()
            .filter_map(|call| Some(format!("AWS {}", call.fault?.name())));
        let hits = self
            .clusters
            .iter()
            .flat_map(|cluster| cluster.world.kubernetes.faults_since(0));
        let kubernetes = hits.map(|hit| format!("Kubernetes {}", hit.fault.name()));
        let crashes = std::iter::repeat_n("crash".to_owned(), self.crashed);
        let disaster = self
            .scenario
            .disaster
            .map(|disaster| format!("disaster {disaster:?}"));
        let mut happened = BTreeMap::new();
        for what in aws.chain(kubernetes).chain(crashes).chain(disaster) {
            *happened.entry(what).or_default() += 1;
        }
        happened
    }

    /// Everything written to the clusters by operators, but their leases.
    pub(crate) fn written(&self) -> BTreeSet<String> {
        let mut written = BTreeSet::new();
        for (number, cluster) in self.clusters.iter().enumerate() {
            for write in cluster.world.kubernetes.writes() {
                if !["leases", "approvals"].contains(&write.plural.as_str()) && write.manager != "gitops" {
                    let subresource = if write.subresource.is_empty() {
                        ""
                    } else {
                        "/status"
                    };
                    written.insert(format!(
                        "{} {}{subresource} {}/{} in cluster {number} at {} changes {:?}",
                        write.verb,
                        write.plural,
                        write.namespace,
                        write.name,
                        write.at,
                        changes(&write)
                    ));
                }
            }
            // Also a request that changed nothing is one too many.
            let reads = ["get", "list", "watch"];
            for ((verb, resource), count) in cluster.world.kubernetes.requests() {
                if !reads.contains(&verb.as_str())
                    && !resource.starts_with("leases")
                    && !resource.starts_with("approvals")
                {
                    written.insert(format!("{count} times {verb} {resource} in cluster {number}"));
                }
            }
        }
        written
    }

    /// Awaits something while the processes go on.
    async fn beside<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        loop {
            let ended = {
                let processes = &mut self.processes;
                std::future::poll_fn(|context| {
                    if let Poll::Ready(value) = future.as_mut().poll(context) {
                        return Poll::Ready(Ok(value));
                    }
                    for (id, (_, process)) in processes.iter_mut() {
                        if let Poll::Ready(end) = process.as_mut().poll(context) {
                            return Poll::Ready(Err((*id, end)));
                        }
                    }
                    Poll::Pending
                })
                .await
            };
            match ended {
                Ok(value) => return value,
                Err((id, end)) => self.ended(id, end),
            }
        }
    }

    pub(crate) async fn happen(&mut self, event: Event) -> Result<(), StageError> {
        match event {
            Event::Commit(object) => {
                self.judge
                    .tell(&format!("Git: {:?} is {}", key(&object), object["spec"]));
                if object["kind"] == "Baseline" && !is_refused(&object) {
                    self.baseline = object.clone();
                }
                self.git.insert(key(&object), object);
                self.committed();
            }
            Event::Remove { namespace, name } => {
                self.judge.tell(&format!("Git: {namespace}/{name} is removed"));
                self.forgotten.insert((namespace.clone(), name.clone()));
                self.git.remove(&(namespace, name));
                self.committed();
            }
            Event::OtherTool(tool) => self.other_tool(&tool),
            Event::BreakWatches => {
                self.judge.tell("every watch ends");
                self.current().kubernetes.break_watches();
            }
            Event::Compact => {
                self.judge.tell("the API server's history is compacted");
                self.current().kubernetes.compact_history();
            }
            Event::StealLease => self.steal_lease(),
            Event::Backup => {
                self.judge.tell("etcd is saved");
                self.clusters[0].backup = Some(self.clusters[0].world.kubernetes.snapshot());
            }
            Event::Disaster => self.disaster().await?,
            Event::TakeOver => self.take_over(),
            Event::Approve => self.approves_from = Some(self.now()),
        }
        Ok(())
    }

    fn current(&self) -> World {
        let last = self.clusters.len() - 1;
        self.clusters[last].world.clone()
    }

    fn steal_lease(&mut self) {
        let kubernetes = self.current().kubernetes;
        // Before the first leader there is no lease to edit.
        if kubernetes.steal_lease("default", "bulkhead", "somebody").is_ok() {
            self.judge.tell("somebody edits the lease");
        }
    }

    async fn disaster(&mut self) -> Result<(), StageError> {
        match self.scenario.disaster {
            None => {}
            Some(crate::Disaster::OlderEtcd) => {
                let cluster = &self.clusters[0];
                if let Some(backup) = &cluster.backup {
                    self.judge.tell("etcd is restored to the older state");
                    cluster.world.kubernetes.restore(backup);
                    self.judge.restored(0);
                    self.committed();
                }
            }
            Some(disaster) => {
                if disaster == crate::Disaster::Wiped {
                    self.judge.tell("the cluster is lost");
                    self.kill_all(0);
                    self.clusters[0].replicas = 0;
                } else {
                    self.judge.tell("a second cluster appears");
                }
                let settings = kubesim::Settings {
                    seed: self.scenario.seed.wrapping_add(0x0200_0000),
                    ..kubesim::Settings::default()
                };
                let world = self.clusters[0].world.with_new_cluster(settings)?;
                let number = self.add_cluster(world).await?;
                self.start_replicas(number);
            }
        }
        Ok(())
    }

    /// A person who has begun to look after an older etcd approves what awaits a decision.
    pub(crate) async fn approve(&mut self) {
        let now = self.now();
        if self.approves_from.is_none_or(|from| from > now) {
            return;
        }
        self.approves_from = Some(now + APPROVES);
        let world = self.current();
        match self.beside(world.decide(PERSON, "Approve")).await {
            Ok(0) => {}
            Ok(count) => self.judge.tell(&format!("a person approves {count} digests")),
            // A fault; next time.
            Err(error) => self.judge.tell(&format!("a person cannot approve: {error}")),
        }
    }

    /// A person reads which value the root carries, and starts the newest cluster's operators with it.
    fn take_over(&mut self) {
        let last = self.clusters.len() - 1;
        let state = self.clusters[last].world.organization.state();
        let mark = state.root.tags.get(crate::judge::MARK).cloned();
        let Some(mark) = mark.filter(|mark| !crate::judge::names(mark, &self.clusters[last].own_mark)) else {
            return;
        };
        self.judge.tell("a person decides: the newest cluster takes over");
        self.kill_all(last);
        self.clusters[last].take_over = Some(mark);
        self.start_replicas(last);
    }
}

/// The members of the status that a write changed.
fn changes(write: &kubesim::Write) -> Vec<String> {
    let (before, after) = (
        write.before.as_ref().map(|before| &before["status"]),
        &write.object["status"],
    );
    let members = after.as_object().into_iter().flatten();
    let changed =
        members.filter(|(member, value)| before.is_none_or(|before| before[member.as_str()] != **value));
    changed
        .map(|(member, value)| format!("{member}: {value}"))
        .collect()
}

/// A plan without faults.
fn nothing() -> Value {
    json!({"version": 1, "seed": 0, "rules": []})
}

fn set_faults(organization: &orgsim::Orgsim, plan: &str) -> Result<(), StageError> {
    let plan = orgsim::FaultPlan::parse(plan).map_err(StageError::AwsFaults)?;
    organization.set_faults(plan).map_err(StageError::AwsFaults)
}

fn key(object: &Value) -> (String, String) {
    let text = |member: &str| object["metadata"][member].as_str().unwrap_or_default().to_owned();
    (text("namespace"), text("name"))
}
