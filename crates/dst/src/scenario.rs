//! What a seed means. Pure: the same seed is the same scenario, on every machine.

mod faults;
mod guardrails;
mod others;
mod rare;
mod teams;
mod travel;

pub(crate) use guardrails::is_refused;
pub(crate) use others::OtherTool;
pub(crate) use teams::unit;
pub(crate) use travel::{AUTHOR, Ask, GROUP, HOST, NEVER, PROMOTION, Says, Travel};

use crate::process::Trigger;
use faults::{aws_faults, crashes, kubernetes_faults};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::{Value, json};
use std::time::Duration;
use teams::{baseline, object, platform};

/// What happens in a seed.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The seed.
    pub seed: u64,
    /// What happens to the whole cluster.
    pub disaster: Option<Disaster>,
    /// How many replicas of the operator run.
    pub replicas: usize,
    /// The operator's configuration, YAML.
    pub config: String,
    /// Namespaces.
    pub(crate) platform: Vec<Value>,
    /// What happens when, in order of time.
    pub(crate) events: Vec<(Duration, Event)>,
    /// Where the operator's processes crash, one after the other, and how long each is down.
    pub crashes: Vec<(Trigger, Duration)>,
    /// Faults of AWS: a fault plan of orgsim.
    pub(crate) aws_faults: Value,
    /// Faults of the API server: a fault plan of kubesim.
    pub(crate) kubernetes_faults: Value,
    /// When everything stops that is not the operator's own doing.
    pub(crate) calm: Duration,
    /// How the simulated organization behaves.
    pub(crate) organization: orgsim::Settings,
    pub(crate) lease: Duration,
    /// A tight budget of creations, in some seeds.
    pub(crate) per_hour: Option<usize>,
    pub(crate) reread: Duration,
    /// Accounts get another revision by a promotion only.
    pub(crate) promotes: bool,
    /// There is a promotion.
    pub(crate) travels: bool,
    pub(crate) overlap: Duration,
}

/// What happens to the whole cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disaster {
    /// The cluster is lost; Git is applied to a new one.
    Wiped,
    /// etcd is restored to an older state.
    OlderEtcd,
    /// A second cluster is pointed at the same organization while the first works on, and later told to take over.
    SecondCluster,
}

/// Something that happens to the world.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A commit: the object is so from now on.
    Commit(Value),
    /// A commit that removes an object.
    Remove { namespace: String, name: String },
    /// Another tool changes the organization.
    OtherTool(OtherTool),
    /// Every watch ends.
    BreakWatches,
    /// The API server forgets its history: 410 for everybody who asks for it.
    Compact,
    /// Somebody edits the lease: another holder.
    StealLease,
    /// The state of the cluster is saved.
    Backup,
    /// The disaster of the scenario.
    Disaster,
    /// A person says which cluster is to govern.
    TakeOver,
    /// From now on a person approves what awaits a decision.
    Approve,
    /// Somebody deletes a BaselineRevision, of those that exist by then.
    LoseRevision { pick: usize },
    /// And imports it again.
    ImportRevision,
    /// People do something about a promotion.
    Travel(Travel),
}

const NAMESPACES: [&str; 3] = ["team-a", "team-b", "team-c"];
const ENVIRONMENTS: [&str; 3] = ["dev", "stage", "prod"];
/// The most objects of a seed.
const OBJECTS: usize = 8;

impl Scenario {
    /// The scenario of a seed.
    pub fn of(seed: u64) -> Self {
        // A stream of its own: the simulators draw from the same seed.
        let mut random = StdRng::seed_from_u64(seed ^ 0x5eed_0f5c_e0a1_2345);
        let disaster = match random.random_range(0..100) {
            0..8 => Some(Disaster::Wiped),
            8..16 => Some(Disaster::OlderEtcd),
            16..24 => Some(Disaster::SecondCluster),
            _ => None,
        };
        let contention = random.random_range(0..20) == 0;
        let calm = minutes(random.random_range(8..20));
        let per_hour = random.random_bool(0.1).then_some(6);
        let (mut guard, mut rare) = (guardrails::stream(seed), rare::stream(seed));
        let mut travel = travel::stream(seed);
        let travels = travel::travels(&mut travel);
        let (mut policies, overlap) = guardrails::config(&mut guard);
        policies.insert_str(0, &travel::config(travels));
        let mut scenario = Self {
            seed,
            disaster,
            per_hour,
            replicas: if contention { 2 } else { 1 },
            config: config(&mut random, contention, per_hour, &policies),
            platform: platform(),
            events: vec![],
            crashes: crashes(&mut random),
            aws_faults: aws_faults(&mut random, calm),
            kubernetes_faults: kubernetes_faults(&mut random, calm),
            calm,
            organization: organization(seed, &mut random),
            lease: Duration::from_secs(if contention { 20 } else { 120 }),
            reread: Duration::from_mins(1),
            promotes: guard.random_range(0..6) == 0 || travels,
            travels,
            overlap,
        };
        scenario.commits(&mut random);
        scenario.disturbances(&mut random);
        scenario.disasters(&mut random);
        scenario.meddle(&mut guard);
        scenario.rarities(&mut rare);
        if travels {
            scenario.travel(&mut travel);
        }
        scenario.events.sort_by_key(|(at, _)| *at);
        scenario.govern(&mut guard, &mut rare);
        if travels {
            scenario.edits_on_the_way(&mut travel);
        }
        scenario
    }

    /// One object, no faults: the ground for enumerated crash points.
    pub fn one_vend(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let settings = orgsim::Settings {
            seed,
            ..orgsim::Settings::default()
        };
        let nothing = json!({"version": 1, "seed": 0, "rules": []});
        let mut guard = guardrails::stream(seed);
        let mut baseline = baseline(false);
        guardrails::Guardrails::random(&mut guard).write(&mut baseline);
        let (policies, overlap) = guardrails::config(&mut guard);
        Self {
            seed,
            disaster: None,
            replicas: 1,
            per_hour: None,
            config: config(&mut random, false, None, &policies),
            platform: platform(),
            events: vec![
                (Duration::ZERO, Event::Commit(baseline)),
                (Duration::ZERO, Event::Commit(object(&mut random, 0))),
            ],
            crashes: vec![],
            aws_faults: nothing.clone(),
            kubernetes_faults: nothing,
            calm: Duration::from_secs(1),
            organization: settings,
            lease: Duration::from_mins(2),
            reread: Duration::from_mins(1),
            promotes: false,
            travels: false,
            overlap,
        }
    }

    fn moment(&self, random: &mut StdRng) -> Duration {
        Duration::from_millis(random.random_range(0..u64::try_from(self.calm.as_millis()).unwrap_or(1)))
    }
}

fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

fn config(random: &mut StdRng, contention: bool, per_hour: Option<usize>, policies: &str) -> String {
    let per_hour = per_hour
        .map(|budget| format!(", perHour: {budget}"))
        .unwrap_or_default();
    let share = [1.0, 0.8].choose(random).copied().unwrap_or(1.0);
    let election = if contention {
        "{}"
    } else {
        "{leaseDuration: 120s, renewDeadline: 90s, retryPeriod: 20s}"
    };
    format!(
        "{{installation: heron, defaultBaseline: standard, aws: {{awsShare: {share}, enablePolicyTypes: true}}, {policies}, creation: {{grace: 5m{per_hour}}}, \
         refresh: {{accounts: 3m, full: 6m}}, \
         installationMark: {{reread: 60s}}, leaderElection: {election}}}"
    )
}

fn organization(seed: u64, random: &mut StdRng) -> orgsim::Settings {
    let seconds = |from, to| (Duration::from_secs(from), Duration::from_secs(to));
    orgsim::Settings {
        seed,
        create_duration: *[seconds(3, 48), seconds(10, 48), seconds(60, 180)]
            .choose(random)
            .unwrap_or(&seconds(3, 48)),
        listing_lag: *[seconds(0, 0), seconds(0, 10)]
            .choose(random)
            .unwrap_or(&seconds(0, 10)),
        ..orgsim::Settings::default()
    }
}
