//! Promotions of a seed: what is to travel, by which stages, and what people do to it on the way.

use super::{ENVIRONMENTS, Event, Scenario, guardrails::Guardrails, teams::object};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::{Value, json};
use std::time::Duration;

/// The promotion of a seed that has one.
pub(crate) const PROMOTION: &str = "journey";
/// A schedule that nobody sees open.
pub(crate) const NEVER: &str = "0 0 1 7 *";
/// The only host that gates may ask.
pub(crate) const HOST: &str = "gates.example.com";
/// Who asks for promotions.
pub(crate) const AUTHOR: &str = "bob";
/// In whose name some stages want to be approved.
pub(crate) const GROUP: &str = "captains";

/// The first number of the accounts that are there for the journey alone.
const MORE: usize = 10;

/// What people do about a promotion.
#[derive(Clone, Debug)]
pub(crate) enum Travel {
    /// Git says so from now on. `pick`: it names a revision, of those that exist by then; without one, that of before.
    Commit { object: Value, pick: Option<usize> },
    /// Somebody annotates it.
    Ask(Ask),
    /// From now on gates of this stage are answered so.
    Answer { stage: &'static str, says: Says },
    /// An account keeps the revision that it has by then.
    Pin { pick: usize, lasts: Duration },
}

/// Annotations.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask {
    Abort,
    Retry,
    Hold,
    Release,
    Reverify,
    SkipBake,
}

/// What the endpoint of a stage answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    Good,
    Bad,
    /// Neither good nor bad.
    Neither,
    /// Nothing that could be judged.
    Nothing,
}

/// A stream of its own: what else happens in a seed does not depend on promotions.
pub(super) fn stream(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed ^ 0x7ea7_e100_c0de_ba5e)
}

/// Is there a promotion in this seed?
pub(super) fn travels(random: &mut StdRng) -> bool {
    random.random_range(0..3) == 0
}

/// What the configuration says of gates.
pub(super) fn config(travels: bool) -> String {
    if travels {
        format!("gates: {{allowedHosts: [{HOST}]}}, ")
    } else {
        String::new()
    }
}

fn one_of<T: Copy>(random: &mut StdRng, from: &[T], otherwise: T) -> T {
    from.choose(random).copied().unwrap_or(otherwise)
}

fn strategy(random: &mut StdRng) -> Value {
    let bakes = ["30s", "2m", "5m"];
    let mut bake = || one_of(random, &bakes, "30s");
    let (first, second, third) = (bake(), bake(), bake());
    let mut strategy = match random.random_range(0..5) {
        0 => json!({"type": "AllAtOnce"}),
        1 => json!({"type": "Canary", "canary": {"first": 1, "bakeTime": first}}),
        2 => json!({"type": "Linear", "linear": {"step": "50%", "bakeTime": first}}),
        _ => json!({"type": "Waves", "waves": [
            {"name": "one-box", "targets": 1, "bakeTime": first},
            {"name": "half", "targets": "50%", "bakeTime": second},
            {"name": "rest", "targets": "100%", "bakeTime": third},
        ]}),
    };
    if random.random_bool(0.4) {
        strategy["maxConcurrency"] = one_of(random, &[1, 2], 1).into();
    }
    strategy["targetDeadline"] = one_of(random, &["6m", "15m"], "15m").into();
    strategy
}

fn gates(random: &mut StdRng, stage: &str, for_ever: bool) -> Value {
    let points: [&[&str]; 5] = [
        &["AfterWave"],
        &["AfterWave", "DuringBake"],
        &["DuringBake"],
        &["BeforeStage"],
        &["AfterStage"],
    ];
    let mut gates = vec![];
    if random.random_bool(0.3) {
        let type_ = one_of(random, &["Ready", "AccessVerified"], "Ready");
        gates.push(json!({
            "name": "shown", "type": "Condition", "condition": {"type": type_, "status": "True"},
            "runAt": one_of(random, &["AfterWave", "AfterStage"], "AfterWave").split(',').collect::<Vec<_>>(),
        }));
    }
    if random.random_bool(0.75) {
        let mut gate = json!({
            "name": "asked", "type": "HTTP", "runAt": one_of(random, &points, points[0]),
            "http": {
                "url": format!("https://{HOST}/{stage}"), "jsonPath": "$.said",
                "successCondition": "result == 'good'", "failureCondition": "result == 'bad'",
            },
            "interval": one_of(random, &["10s", "30s"], "10s"),
        });
        // A gate that goes on while a window stays closed for ever would never be quiet.
        if for_ever || random.random_bool(0.5) {
            gate["count"] = json!(random.random_range(1..3));
        }
        if random.random_bool(0.1) {
            gate["dryRun"] = json!(true);
        }
        gates.push(gate);
    }
    json!(gates)
}

fn stage(random: &mut StdRng, name: &str, for_ever: bool) -> Value {
    let mut stage = json!({"name": name, "environment": name, "strategy": strategy(random)});
    let closed = for_ever && name == "prod";
    stage["gates"] = gates(random, name, for_ever);
    if random.random_bool(0.85) {
        stage["onEmpty"] = json!("Skip");
    }
    stage["maxFailures"] = match random.random_range(0..5) {
        0 | 1 => json!(0),
        2 => json!(1),
        3 => json!(2),
        _ => json!("50%"),
    };
    let mut policy = json!({});
    for (key, values) in [
        ("onTestFailure", &["Rollback", "Rollback", "Stop", "Ignore"][..]),
        ("onBakeFailure", &["Stop", "Stop", "Rollback", "Ignore"]),
        ("onDeadline", &["Stop", "Rollback"]),
        ("rollbackScope", &["Stage", "Stage", "Wave"]),
        ("onError", &["Retry", "Stop"]),
    ] {
        if random.random_bool(0.6) {
            policy[key] = json!(one_of(random, values, values[0]));
        }
    }
    stage["failurePolicy"] = policy;
    if random.random_bool(0.3) && !closed {
        stage["progressDeadline"] = one_of(random, &["15m", "40m"], "40m").into();
    }
    if random.random_bool(if name == "prod" { 0.5 } else { 0.15 }) {
        stage["approval"] = json!({
            "required": random.random_range(1..=2), "excludeAuthor": random.random_bool(0.5),
            "timeout": one_of(random, &["20m", "40m"], "40m"),
        });
        if random.random_bool(0.3) {
            stage["approval"]["groups"] = json!([GROUP]);
        }
    }
    if closed {
        stage["windows"] =
            json!([{"type": "Allow", "schedule": NEVER, "duration": "1h", "timeZone": "Europe/Berlin"}]);
    } else if random.random_bool(0.2) {
        stage["windows"] = json!([{"type": "Allow", "schedule": "*/12 * * * *", "duration": "6m"}]);
    } else if random.random_bool(0.1) {
        stage["windows"] = json!([{"type": "Deny", "schedule": "*/10 * * * *", "duration": "4m"}]);
    }
    if random.random_bool(0.1) && !closed {
        stage["optIn"] = json!({"deadline": "10m"});
    }
    stage
}

fn promotion(random: &mut StdRng) -> Value {
    let without = random.random_range(0..8);
    let for_ever = random.random_bool(0.06);
    let stages: Vec<Value> = ENVIRONMENTS
        .iter()
        .enumerate()
        .filter(|(index, _)| *index != without)
        .map(|(_, name)| stage(random, name, for_ever))
        .collect();
    let mut spec = json!({
        "baselineRef": {"name": "standard"}, "stages": stages, "suspend": false,
        "revisionPolicy": if random.random_bool(0.75) { "Automatic" } else { "Manual" },
    });
    if random.random_bool(0.5) {
        spec["supersede"] = one_of(random, &["BetweenStages", "Immediately", "Never"], "Never").into();
    }
    if random.random_bool(0.2) {
        spec["historyLimit"] = json!(2);
    }
    let mut metadata = json!({"name": PROMOTION});
    if random.random_bool(0.9) {
        metadata["annotations"] = json!({"bulkhead.dev/requested-by": AUTHOR});
    }
    json!({
        "apiVersion": "bulkhead.dev/v1alpha1", "kind": "EnvironmentPromotion", "metadata": metadata, "spec": spec,
    })
}

impl Scenario {
    /// What people do about promotions.
    pub(super) fn travel(&mut self, random: &mut StdRng) {
        self.travellers(random);
        let journey = promotion(random);
        let begins = match random.random_range(0..3) {
            0 => Duration::ZERO,
            _ => self.moment(random) / 2,
        };
        self.commit(begins, &journey, random);
        self.changes(&journey, random);
        for _ in 0..random.random_range(0..4) {
            let ask = match random.random_range(0..10) {
                0 | 1 => Ask::Abort,
                2..4 => Ask::Retry,
                4 | 5 => Ask::Hold,
                6 | 7 => Ask::Reverify,
                _ => Ask::SkipBake,
            };
            let at = self.on_the_way(random);
            self.travels_at(at, Travel::Ask(ask));
            if matches!(ask, Ask::Hold) {
                let until = at + Duration::from_secs(random.random_range(30..600));
                self.travels_at(until, Travel::Ask(Ask::Release));
            }
        }
        for _ in 0..random.random_range(1..4) {
            let stage = one_of(random, &ENVIRONMENTS, "dev");
            let says = one_of(
                random,
                &[Says::Bad, Says::Bad, Says::Neither, Says::Nothing],
                Says::Bad,
            );
            let at = self.moment(random);
            self.travels_at(at, Travel::Answer { stage, says });
            let until = at + Duration::from_secs(random.random_range(600..3600));
            self.travels_at(
                until,
                Travel::Answer {
                    stage,
                    says: Says::Good,
                },
            );
        }
        for _ in 0..random.random_range(0..3) {
            let lasts = Duration::from_secs(random.random_range(60..1500));
            let (at, pick) = (self.on_the_way(random), random.random_range(0..MORE));
            self.travels_at(at, Travel::Pin { pick, lasts });
        }
    }

    /// A moment at which something may be under way.
    fn on_the_way(&self, random: &mut StdRng) -> Duration {
        let latest = u64::try_from((self.calm * 2).as_millis()).unwrap_or(1);
        self.calm / 4 + Duration::from_millis(random.random_range(0..latest))
    }

    fn travels_at(&mut self, at: Duration, what: Travel) {
        self.events.push((at, Event::Travel(what)));
    }

    fn commit(&mut self, at: Duration, object: &Value, random: &mut StdRng) {
        let pick = (object["spec"]["revisionPolicy"] == "Manual").then(|| random.random_range(0..20));
        let object = object.clone();
        self.travels_at(at, Travel::Commit { object, pick });
    }

    /// Accounts beside those of the teams; some come and go in the middle of it.
    fn travellers(&mut self, random: &mut StdRng) {
        for index in 0..random.random_range(3..=5) {
            let mut object = object(random, MORE + index);
            // Every stage has somebody to take.
            if let Some(environment) = ENVIRONMENTS.get(index) {
                object["spec"]["environment"] = json!(environment);
            }
            let at = if random.random_bool(0.7) {
                Duration::ZERO
            } else {
                self.on_the_way(random)
            };
            if random.random_bool(0.2) {
                let text = |member: &str| object["metadata"][member].as_str().unwrap_or_default().to_owned();
                let (namespace, name) = (text("namespace"), text("name"));
                let leaves = self.on_the_way(random).max(at);
                self.events.push((leaves, Event::Remove { namespace, name }));
            }
            self.events.push((at, Event::Commit(object)));
        }
    }

    /// What Git says of the promotion later.
    fn changes(&mut self, journey: &Value, random: &mut StdRng) {
        if journey["spec"]["revisionPolicy"] == "Manual" {
            for _ in 0..random.random_range(1..4) {
                let at = self.on_the_way(random);
                self.commit(at, journey, random);
            }
        }
        if random.random_bool(0.2) {
            let at = self.on_the_way(random);
            let (mut held, object) = (journey.clone(), journey.clone());
            held["spec"]["suspend"] = json!(true);
            self.travels_at(
                at,
                Travel::Commit {
                    object: held,
                    pick: None,
                },
            );
            let until = at + Duration::from_secs(random.random_range(30..600));
            self.travels_at(until, Travel::Commit { object, pick: None });
        }
        if random.random_bool(0.2) {
            let mut other = promotion(random);
            other["spec"]["revisionPolicy"] = journey["spec"]["revisionPolicy"].clone();
            let at = self.on_the_way(random);
            self.travels_at(
                at,
                Travel::Commit {
                    object: other,
                    pick: None,
                },
            );
        }
        if random.random_bool(0.15) {
            let (namespace, name) = (String::new(), PROMOTION.to_owned());
            let at = self.on_the_way(random);
            self.events.push((at, Event::Remove { namespace, name }));
            if random.random_bool(0.8) {
                let again = at + Duration::from_secs(random.random_range(10..600));
                self.commit(again, journey, random);
            }
        }
        if random.random_bool(0.08) {
            // Whoever writes it does not say which hosts may be asked.
            let mut other = journey.clone();
            other["spec"]["stages"][0]["gates"] = json!([{
                "name": "elsewhere", "type": "HTTP", "runAt": ["AfterWave"],
                "http": {"url": "https://elsewhere.example.org/dev", "successCondition": "true"},
            }]);
            let at = self.on_the_way(random);
            self.travels_at(
                at,
                Travel::Commit {
                    object: other,
                    pick: None,
                },
            );
            if random.random_bool(0.7) {
                let again = at + Duration::from_secs(random.random_range(10..600));
                self.commit(again, journey, random);
            }
        }
    }

    /// The Baseline is edited while a promotion may be under way. In order of time, when all else is.
    pub(super) fn edits_on_the_way(&mut self, random: &mut StdRng) {
        for _ in 0..random.random_range(1..4) {
            let at = self.on_the_way(random);
            let before = self.events.iter().take_while(|(known, _)| *known <= at);
            let baseline = before.filter_map(|(_, event)| match event {
                Event::Commit(object) if object["kind"] == "Baseline" => Some(object),
                _ => None,
            });
            if let Some(mut baseline) = baseline.last().cloned() {
                Guardrails::random(random).write(&mut baseline);
                self.events.push((at, Event::Commit(baseline)));
                self.events.sort_by_key(|(at, _)| *at);
            }
        }
    }
}
