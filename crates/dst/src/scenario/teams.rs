//! What the teams and the platform team commit.

use super::{ENVIRONMENTS, Event, NAMESPACES, OBJECTS, Scenario};
use rand::{RngExt as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::{Value, json};
use std::time::Duration;

impl Scenario {
    /// What the teams commit.
    pub(super) fn commits(&mut self, random: &mut StdRng) {
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
}

pub(super) fn platform() -> Vec<Value> {
    let namespace = |name: &&str| {
        let labels = json!({"team": name, "tier": "production"});
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    };
    NAMESPACES.iter().map(namespace).collect()
}

/// The Baseline, with or without one more mandatory tag.
pub(super) fn baseline(crew: bool) -> Value {
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

pub(super) fn object(random: &mut StdRng, index: usize) -> Value {
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
