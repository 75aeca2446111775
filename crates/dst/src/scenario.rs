//! What a seed means. Pure: the same seed is the same scenario, on every machine.

mod guardrails;

pub(crate) use guardrails::is_refused;

use crate::process::Trigger;
use orgsim::FailureReason;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::{Value, json};
use std::time::Duration;

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
}

/// What another tool does to the organization. Accounts are picked from those that exist by then.
#[derive(Clone, Debug)]
pub(crate) enum OtherTool {
    Move {
        pick: usize,
    },
    Tag {
        pick: usize,
        key: &'static str,
        value: String,
    },
    Untag {
        pick: usize,
        key: &'static str,
    },
    Unit {
        name: &'static str,
    },
    Account {
        name: String,
    },
    Drain,
    Traffic {
        percent: u8,
    },
    FailNextCreation(FailureReason),
    /// Makes a policy.
    Policy {
        number: usize,
    },
    /// Attaches a policy of its own to an account of ours or, without one, to the root.
    Attach {
        pick: usize,
        target: Option<usize>,
    },
    /// Detaches a policy of ours.
    Detach {
        pick: usize,
    },
    /// Edits a policy of ours.
    EditOurs {
        pick: usize,
    },
    EditTheirs {
        pick: usize,
    },
    DetachTheirs {
        pick: usize,
    },
    /// Deletes a policy that is attached to nothing, whose ever it is.
    DeleteUnattached {
        pick: usize,
    },
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
        let mut guard = guardrails::stream(seed);
        let mut scenario = Self {
            seed,
            disaster,
            per_hour,
            replicas: if contention { 2 } else { 1 },
            config: config(&mut random, contention, per_hour, &guardrails::config(&mut guard)),
            platform: platform(),
            events: vec![],
            crashes: crashes(&mut random),
            aws_faults: aws_faults(&mut random, calm),
            kubernetes_faults: kubernetes_faults(&mut random, calm),
            calm,
            organization: organization(seed, &mut random),
            lease: Duration::from_secs(if contention { 20 } else { 120 }),
            reread: Duration::from_mins(1),
            promotes: guard.random_range(0..6) == 0,
        };
        scenario.commits(&mut random);
        scenario.disturbances(&mut random);
        scenario.disasters(&mut random);
        scenario.meddle(&mut guard);
        scenario.events.sort_by_key(|(at, _)| *at);
        scenario.govern(&mut guard);
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
        Self {
            seed,
            disaster: None,
            replicas: 1,
            per_hour: None,
            config: config(&mut random, false, None, &guardrails::config(&mut guard)),
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
        }
    }

    fn moment(&self, random: &mut StdRng) -> Duration {
        Duration::from_millis(random.random_range(0..u64::try_from(self.calm.as_millis()).unwrap_or(1)))
    }

    /// What the teams commit.
    fn commits(&mut self, random: &mut StdRng) {
        self.events.push((Duration::ZERO, Event::Commit(baseline(false))));
        if random.random_bool(0.3) {
            let at = self.moment(random);
            self.events.push((at, Event::Commit(baseline(true))));
            if random.random_bool(0.5) {
                self.events
                    .push((self.calm.max(at), Event::Commit(baseline(false))));
            }
        }
        let count = random.random_range(1..=OBJECTS);
        for index in 0..count {
            let object = object(random, index);
            let at = if random.random_bool(0.6) {
                Duration::ZERO
            } else {
                self.moment(random)
            };
            self.events.push((at, Event::Commit(object.clone())));
            if random.random_bool(0.5) {
                self.edits(random, at, object);
            }
        }
    }

    /// What becomes of one object after `at`.
    fn edits(&mut self, random: &mut StdRng, at: Duration, mut object: Value) {
        let mut at = at;
        for _ in 0..random.random_range(1..4) {
            let left = self.calm.saturating_sub(at).as_millis();
            at += Duration::from_millis(random.random_range(0..=u64::try_from(left).unwrap_or_default()));
            match random.random_range(0..6) {
                0 => object["spec"]["owner"]["team"] = json!(format!("crew-{}", random.random_range(0..3))),
                1 => object["spec"]["costCenter"] = json!(format!("{}", random.random_range(1000..1003))),
                2 => object["spec"]["tags"]["data-class"] = json!("confidential"),
                // Refused by the Baseline until it is put right.
                3 => object["spec"]["tags"]["data-class"] = json!("secret"),
                4 => object["spec"]["suspend"] = json!(random.random_bool(0.5)),
                _ => {
                    let namespace = object["metadata"]["namespace"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned();
                    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
                    self.events.push((at, Event::Remove { namespace, name }));
                    if random.random_bool(0.3) {
                        return;
                    }
                    at += Duration::from_secs(random.random_range(0..120));
                }
            }
            self.events.push((at, Event::Commit(object.clone())));
        }
        object["spec"]["suspend"] = json!(false);
        self.events.push((self.calm.max(at), Event::Commit(object)));
    }

    /// What others do to the organization and to the API server.
    fn disturbances(&mut self, random: &mut StdRng) {
        for _ in 0..random.random_range(0..6) {
            let pick = random.random_range(0..OBJECTS);
            let tool = match random.random_range(0..10) {
                0 | 1 => OtherTool::Move { pick },
                2 => OtherTool::Tag {
                    pick,
                    key: "owner",
                    value: "somebody-else".to_owned(),
                },
                3 => OtherTool::Tag {
                    pick,
                    key: "finance:code",
                    value: "kept".to_owned(),
                },
                4 => OtherTool::Untag {
                    pick,
                    key: "cost-center",
                },
                5 => OtherTool::Unit { name: "Workloads" },
                6 => OtherTool::Drain,
                8 => OtherTool::Account {
                    name: format!("bird-{pick}"),
                },
                7 => OtherTool::Traffic {
                    percent: *[0, 50, 80].choose(random).unwrap_or(&0),
                },
                _ => OtherTool::FailNextCreation(
                    *[
                        FailureReason::InternalFailure,
                        FailureReason::ConcurrentAccountModification,
                    ]
                    .choose(random)
                    .unwrap_or(&FailureReason::InternalFailure),
                ),
            };
            let at = self.moment(random);
            self.events.push((at, Event::OtherTool(tool)));
        }
        self.events
            .push((self.calm, Event::OtherTool(OtherTool::Traffic { percent: 0 })));
        for _ in 0..random.random_range(0..3) {
            let event = match random.random_range(0..5) {
                0 | 1 => Event::BreakWatches,
                2 | 3 => Event::Compact,
                _ => Event::StealLease,
            };
            let at = self.moment(random);
            self.events.push((at, event));
        }
    }

    fn disasters(&mut self, random: &mut StdRng) {
        let Some(disaster) = self.disaster else { return };
        let (first, second) = (self.moment(random), self.moment(random));
        let (backup, strikes) = if random.random_bool(0.5) {
            (first.min(second), first.max(second))
        } else {
            // Late enough for accounts to be there and to get another revision in between.
            (self.calm * 6 / 10, self.calm * 9 / 10)
        };
        if disaster == Disaster::OlderEtcd {
            self.events.push((backup, Event::Backup));
            // A revision that AWS will know of and the older etcd will not.
            let between = backup + strikes.saturating_sub(backup) / 3;
            self.events.push((between, Event::Commit(baseline(true))));
        }
        self.events.push((strikes, Event::Disaster));
        let thinks = Duration::from_secs(random.random_range(60..900));
        let decision = if disaster == Disaster::OlderEtcd {
            Event::Approve
        } else {
            Event::TakeOver
        };
        self.events.push((strikes + thinks, decision));
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

fn platform() -> Vec<Value> {
    let namespace = |name: &&str| {
        let labels = json!({"team": name, "tier": "production"});
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    };
    NAMESPACES.iter().map(namespace).collect()
}

/// The Baseline, with or without one more mandatory tag.
fn baseline(crew: bool) -> Value {
    let environments: Vec<Value> = ENVIRONMENTS
        .iter()
        .map(|name| json!({"name": name, "organizationalUnit": unit(name)}))
        .collect();
    let classes = ["public", "internal", "confidential"];
    let mut tags = vec![
        json!({"key": "cost-center", "valueFrom": {"field": "costCenter"}, "pattern": "^[0-9]{4}$"}),
        json!({"key": "owner", "valueFrom": {"field": "owner.team"}}),
        json!({"key": "workload", "valueFrom": {"field": "workload"}}),
        json!({"key": "data-class", "valueFrom": {"tag": "data-class"}, "allowedValues": classes}),
    ];
    if crew {
        tags.push(json!({"key": "crew", "valueFrom": {"field": "owner.team"}}));
    }
    json!({
        "apiVersion": "bulkhead.dev/v1alpha1", "kind": "Baseline", "metadata": {"name": "standard"},
        "spec": {
            "namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]},
            "emailTemplate": "aws+{namespace}.{name}@example.com",
            "environments": environments, "mandatoryTags": tags, "allowedTagKeys": ["data-class"],
            "updatePolicy": "Automatic",
        },
    })
}

/// The path of an environment's unit.
pub(crate) fn unit(environment: &str) -> String {
    match environment {
        "dev" => "Workloads/Dev".to_owned(),
        "stage" => "Workloads/Stage".to_owned(),
        _ => "Workloads/Prod".to_owned(),
    }
}

fn object(random: &mut StdRng, index: usize) -> Value {
    let namespace = NAMESPACES.choose(random).copied().unwrap_or("team-a");
    let environment = ENVIRONMENTS.choose(random).copied().unwrap_or("dev");
    let name = format!("bird-{index}");
    json!({
        "apiVersion": "bulkhead.dev/v1alpha1", "kind": "AwsAccount",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "workload": format!("bird-{index}"), "environment": environment, "purpose": "To fly", "costCenter": "4711",
            "owner": {"team": "birds", "contact": "birds@example.com"},
            "tags": {"data-class": "public"}, "suspend": false,
        },
    })
}

fn crashes(random: &mut StdRng) -> Vec<(Trigger, Duration)> {
    let count = [0, 1, 1, 2, 3, 5].choose(random).copied().unwrap_or_default();
    let crash = |random: &mut StdRng| {
        let trigger = match random.random_range(0..5) {
            0 => Trigger::Poll(random.random_range(1..1500)),
            1 => Trigger::BeforeAws(random.random_range(1..60)),
            2 => Trigger::AfterAws(random.random_range(1..60)),
            3 => Trigger::BeforeKubernetes(random.random_range(1..80)),
            _ => Trigger::AfterKubernetes(random.random_range(1..80)),
        };
        (trigger, Duration::from_millis(random.random_range(0..60_000)))
    };
    (0..count).map(|_| crash(random)).collect()
}

/// The window of one rule, inside the time of faults.
fn window(random: &mut StdRng, calm: Duration) -> (String, String) {
    let calm = calm.as_secs();
    let (a, b) = (random.random_range(0..calm), random.random_range(0..calm));
    let (from, until) = if random.random_bool(0.3) {
        (0, calm)
    } else {
        (a.min(b), a.max(b) + 1)
    };
    (format!("{from}s"), format!("{until}s"))
}

fn aws_faults(random: &mut StdRng, calm: Duration) -> Value {
    let faults = [
        "throttle",
        "serviceException",
        "serviceExceptionAfterEffect",
        "requestLost",
        "answerLost",
        "refused",
        "timeout",
        "timeoutAfterEffect",
        "staleRead",
        "emptyPage",
        "concurrentModification",
        "slow",
    ];
    let count = random.random_range(0..6);
    let rules: Vec<Value> = (0..count)
        .map(|_| {
            let fault = faults.choose(random).copied().unwrap_or("throttle");
            let (from, until) = window(random, calm);
            let mut rule = json!({"fault": fault, "from": from, "until": until});
            if random.random_bool(0.3) {
                rule["every"] = json!(random.random_range(2..6));
            } else {
                rule["percent"] = json!(random.random_range(2..50));
            }
            match fault {
                "staleRead" => rule["delay"] = json!(format!("{}s", random.random_range(1..15))),
                "slow" => rule["delay"] = json!(format!("{}ms", random.random_range(100..6000))),
                "timeoutAfterEffect" => rule["delay"] = json!(format!("{}s", random.random_range(0..20))),
                _ => {}
            }
            let only = [&["CreateAccount"][..], &["writes"], &["reads"], &[]]
                .choose(random)
                .copied()
                .unwrap_or(&[]);
            let narrow = matches!(fault, "staleRead" | "emptyPage" | "concurrentModification");
            if !only.is_empty() && !narrow {
                rule["operations"] = json!(only);
            }
            rule
        })
        .collect();
    json!({"version": 1, "seed": random.random_range(0..u64::from(u32::MAX)), "rules": rules})
}

fn kubernetes_faults(random: &mut StdRng, calm: Duration) -> Value {
    let faults = [
        "conflict",
        "internalError",
        "unavailable",
        "tooManyRequests",
        "gatewayTimeoutAfterEffect",
        "connectionLost",
        "connectionLostAfterEffect",
        "hang",
        "hangAfterEffect",
        "slow",
        "watchBroken",
        "watchStale",
        "gone",
    ];
    let count = random.random_range(0..4);
    let rules: Vec<Value> = (0..count)
        .map(|_| {
            let fault = faults.choose(random).copied().unwrap_or("conflict");
            let (from, until) = window(random, calm);
            let mut rule =
                json!({"fault": fault, "from": from, "until": until, "percent": random.random_range(2..30)});
            match fault {
                "slow" => rule["delay"] = json!(format!("{}ms", random.random_range(100..4000))),
                "watchStale" => rule["delay"] = json!(format!("{}s", random.random_range(1..30))),
                _ => {}
            }
            if random.random_bool(0.3) && !fault.starts_with("watch") && fault != "gone" {
                rule["resources"] = json!(["awsaccounts.bulkhead.dev/status"]);
            }
            rule
        })
        .collect();
    json!({"version": 1, "seed": random.random_range(0..u64::from(u32::MAX)), "rules": rules})
}
