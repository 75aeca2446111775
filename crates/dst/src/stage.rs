//! The world of a scenario while it runs: clusters, processes, Git and the hands of other people.

mod events;
mod git;
mod other_tool;
mod processes;
mod told;
mod travel;

use crate::{
    judge::{Judge, ProcessId, Terms},
    process::{Counts, Process, Trigger},
    scenario::Scenario,
};
use kube::Client;
use operator::Config;
use serde_json::{Value, json};
use simulator::World;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    pin::Pin,
    time::Duration,
};

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
    /// A revision that somebody has deleted and keeps elsewhere.
    lost: Option<Value>,
    /// What is to be imported: each once.
    imports: Vec<Value>,
    imported: usize,
    company: travel::Company,
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
            travels: scenario.travels,
            overlap: scenario.overlap,
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
            lost: None,
            imports: vec![],
            imported: 0,
            company: travel::Company::new(scenario.seed),
            at_convergence: Counts::default(),
        };
        stage.add_cluster(world).await?;
        stage.answers();
        Ok(stage)
    }

    /// Brings a cluster into the game, with as many replicas as the scenario says.
    async fn add_cluster(&mut self, world: World) -> Result<usize, StageError> {
        world
            .install_admission_policies()
            .await
            .map_err(|error| StageError::Policy(Box::new(error)))?;
        for person in travel::PEOPLE {
            world.allow_to_approve(person);
        }
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

    /// From now on nothing happens but the operator's own doing.
    pub(crate) fn calm(&mut self) -> Result<(), StageError> {
        self.judge.tell("all faults end");
        self.crashes.clear();
        self.homewards();
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
