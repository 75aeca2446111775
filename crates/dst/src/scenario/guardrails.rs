//! Guardrails of a seed, how they are edited, and what another tool does to policies.

use super::{ENVIRONMENTS, Event, OBJECTS, OtherTool, Scenario};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::{Value, json};
use std::time::Duration;

/// A stream of its own: what else happens in a seed does not depend on guardrails.
pub(super) fn stream(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed ^ 0x6a5d_7a11_0c0d_e5ee)
}

/// What the configuration says of policies, and the overlap of it.
pub(super) fn config(random: &mut StdRng) -> (String, Duration) {
    let overlap = random.random_range(30..=120);
    let unused = random.random_range(5..=10);
    let policies =
        format!("policies: {{overlap: {overlap}s, deleteUnusedAfter: {unused}m, reservedSlots: 1}}");
    (policies, Duration::from_secs(overlap))
}

/// A Region that is in no other set of Regions.
const ELSEWHERE: &str = "ap-southeast-2";

/// Guardrails and policies of each environment.
#[derive(Clone)]
pub(super) struct Guardrails([Environment; 3]);

#[derive(Clone)]
struct Environment {
    guardrails: Vec<Value>,
    policies: Vec<Value>,
}

impl Environment {
    fn random(random: &mut StdRng) -> Self {
        let mut guardrails: Vec<Value> = [
            "denyLeaveOrganization",
            "protectVpc",
            "protectSecurityServices",
            "denyIamUsers",
        ]
        .iter()
        .filter(|_| random.random_bool(0.4))
        .map(|name| json!({"name": name}))
        .collect();
        if random.random_bool(0.6) {
            // One Region is in each set: old and new ones overlap.
            let mut regions = vec!["eu-west-1"];
            regions.extend(
                ["eu-central-1", "eu-north-1", "us-east-1"]
                    .iter()
                    .filter(|_| random.random_bool(0.5)),
            );
            guardrails.push(json!({"name": "allowedRegions", "parameters": {"regions": regions}}));
        }
        let mut policies = vec![];
        if random.random_bool(0.3) {
            let action = ["gamelift:*", "braket:*", "groundstation:*"].choose(random);
            let statement = json!({"Effect": "Deny", "Action": action, "Resource": "*"});
            let document = json!({"Version": "2012-10-17", "Statement": [statement]});
            policies.push(json!({"name": "costly", "type": "SERVICE_CONTROL_POLICY", "document": document}));
        }
        Self { guardrails, policies }
    }
}

impl Guardrails {
    pub(super) fn random(random: &mut StdRng) -> Self {
        Self(std::array::from_fn(|_| Environment::random(random)))
    }

    /// Another one of each, or of one environment only.
    fn edited(&self, random: &mut StdRng) -> Self {
        let mut edited = self.clone();
        let one = random.random_range(0..6);
        for (index, environment) in edited.0.iter_mut().enumerate() {
            if one >= ENVIRONMENTS.len() || one == index {
                *environment = Environment::random(random);
            }
        }
        edited
    }

    /// Environments that limit Regions, or one if none does, leave one Region that the sets of this seed do not have: what an
    /// account has and what it is to have would leave none together.
    fn elsewhere(&self, random: &mut StdRng) -> Self {
        let mut elsewhere = self.clone();
        let one = random.random_range(0..ENVIRONMENTS.len());
        let is_limited = |environment: &Environment| {
            let mut guardrails = environment.guardrails.iter();
            guardrails.any(|known| known["name"] == "allowedRegions")
        };
        let any = elsewhere.0.iter().any(is_limited);
        for (index, environment) in elsewhere.0.iter_mut().enumerate() {
            if is_limited(environment) || !any && index == one {
                let Environment { guardrails, .. } = environment;
                guardrails.retain(|known| known["name"] != "allowedRegions");
                guardrails.push(json!({"name": "allowedRegions", "parameters": {"regions": [ELSEWHERE]}}));
            }
        }
        elsewhere
    }

    /// Something in common with everything that an account may have by now.
    fn bridge(&self) -> Self {
        let mut bridge = self.clone();
        let all = bridge
            .0
            .iter_mut()
            .flat_map(|environment| &mut environment.guardrails);
        for guardrail in all.filter(|known| known["name"] == "allowedRegions") {
            let regions = guardrail.pointer_mut("/parameters/regions");
            let regions = regions.and_then(Value::as_array_mut).into_iter();
            for regions in regions.filter(|known| !known.contains(&json!(ELSEWHERE))) {
                regions.push(json!(ELSEWHERE));
            }
        }
        bridge
    }

    /// Nobody knows this guardrail: the Baseline is refused.
    fn unknown(&self) -> Self {
        let mut unknown = self.clone();
        unknown.0[0].guardrails.push(json!({"name": "denyGravity"}));
        unknown
    }

    pub(super) fn write(&self, baseline: &mut Value) {
        for (index, environment) in self.0.iter().enumerate() {
            let written = &mut baseline["spec"]["environments"][index];
            written["guardrails"] = json!(environment.guardrails);
            written["policies"] = json!(environment.policies);
        }
    }
}

/// Does the Baseline name what nobody knows?
pub(crate) fn is_refused(object: &Value) -> bool {
    let environments = object["spec"]["environments"].as_array().into_iter().flatten();
    let mut guardrails =
        environments.flat_map(|environment| environment["guardrails"].as_array().into_iter().flatten());
    object["kind"] == "Baseline" && guardrails.any(|guardrail| guardrail["name"] == "denyGravity")
}

impl Scenario {
    /// What the platform team does to guardrails, and what another tool does to policies.
    pub(super) fn govern(&mut self, random: &mut StdRng, rare: &mut StdRng) {
        let first = Guardrails::random(random);
        let edits = self.guardrail_edits(random, rare, &first);
        let history = rare.random_range(1..=3);
        let update = if self.promotes { "OnPromotion" } else { "Automatic" };
        let events = std::mem::take(&mut self.events);
        let (mut edits, mut now) = (edits.into_iter().peekable(), first);
        let mut latest: Option<Value> = None;
        for (at, event) in events {
            while let Some((at, guardrails)) = edits.next_if(|(edited, _)| *edited < at) {
                now = guardrails;
                self.edit(at, &now, latest.as_ref());
            }
            let Event::Commit(mut object) = event else {
                self.events.push((at, event));
                continue;
            };
            if object["kind"] == "Baseline" {
                object["spec"]["updatePolicy"] = json!(update);
                object["spec"]["revisionHistoryLimit"] = json!(history);
                now.write(&mut object);
                latest = Some(object.clone());
            }
            self.events.push((at, Event::Commit(object)));
        }
        for (at, guardrails) in edits {
            self.edit(at, &guardrails, latest.as_ref());
        }
    }

    fn edit(&mut self, at: Duration, guardrails: &Guardrails, latest: Option<&Value>) {
        if let Some(mut baseline) = latest.cloned() {
            guardrails.write(&mut baseline);
            self.events.push((at, Event::Commit(baseline)));
        }
    }

    /// In order of time.
    fn guardrail_edits(
        &self,
        random: &mut StdRng,
        rare: &mut StdRng,
        first: &Guardrails,
    ) -> Vec<(Duration, Guardrails)> {
        let mut times: Vec<Duration> = (0..random.random_range(0..4))
            .map(|_| self.moment(random))
            .collect();
        if random.random_bool(0.15) {
            // One upon the other, faster than accounts can follow.
            let mut at = self.moment(random);
            for _ in 0..random.random_range(3..8) {
                at += Duration::from_secs(random.random_range(5..60));
                times.push(at);
            }
        }
        times.sort();
        let mut edits: Vec<(Duration, Guardrails)> = vec![];
        let mut good = first.clone();
        for at in times {
            if random.random_bool(0.15) {
                edits.push((at, good.unknown()));
            } else {
                good = good.edited(random);
                edits.push((at, good.clone()));
            }
        }
        if edits
            .last()
            .is_some_and(|(_, last)| last.0[0].guardrails.len() != good.0[0].guardrails.len())
        {
            // It is put right when the faults are over.
            let at = edits.last().map_or(self.calm, |(at, _)| self.calm.max(*at));
            edits.push((at, good.clone()));
        }
        // Where revisions are promoted, nothing says that what an account has meets what it gets next.
        if rare.random_bool(0.25) && !self.travels {
            // Accounts stay where they are, until what is asked for has something in common with what they have.
            let mut at = self.calm * rare.random_range(4..10) / 10;
            let before = edits.iter().rfind(|(edited, _)| *edited <= at);
            let last = before.map_or(first, |(_, last)| last).clone();
            if rare.random_bool(0.6) {
                // Each step is small enough for the Baseline to be accepted, and too fast for accounts to follow.
                edits.push((at, last.bridge()));
                at += Duration::from_secs(rare.random_range(2..40));
            }
            edits.push((at, last.elsewhere(rare)));
            edits.sort_by_key(|(at, _)| *at);
            good = good.bridge();
            let at = edits.last().map_or(self.calm, |(at, _)| self.calm.max(*at));
            edits.push((at, good.clone()));
        }
        if random.random_bool(0.1) {
            // And in some seeds it is broken long after everything has found its place, and stays so.
            edits.push((self.calm + Duration::from_mins(40), good.unknown()));
        }
        edits
    }

    /// Policies of others are there from the beginning; later their tool also errs.
    pub(super) fn meddle(&mut self, random: &mut StdRng) {
        if random.random_bool(0.6) {
            self.organization.policy_types = vec!["SERVICE_CONTROL_POLICY".to_owned()];
        }
        for number in 0..random.random_range(0..3) {
            self.events
                .push((Duration::ZERO, Event::OtherTool(OtherTool::Policy { number })));
            let attach = OtherTool::Attach {
                pick: number,
                target: None,
            };
            if random.random_bool(0.5) {
                self.events.push((Duration::ZERO, Event::OtherTool(attach)));
            }
        }
        for number in 3..3 + random.random_range(0..5) {
            let pick = random.random_range(0..OBJECTS);
            let tool = match random.random_range(0..12) {
                0..4 => OtherTool::Detach { pick },
                4 | 5 => OtherTool::EditOurs { pick },
                6 | 7 => OtherTool::Attach {
                    pick,
                    target: Some(random.random_range(0..OBJECTS)),
                },
                8 => OtherTool::Policy { number },
                9 => OtherTool::EditTheirs { pick },
                10 => OtherTool::DetachTheirs { pick },
                _ => OtherTool::DeleteUnattached { pick },
            };
            let at = self.moment(random);
            self.events.push((at, Event::OtherTool(tool)));
        }
    }
}
