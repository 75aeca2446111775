//! Plays a scenario: does each step when its moment has come.

use crate::{
    approvals::post,
    manifest::ManifestError,
    report::Report,
    run::{Entry, upsert},
    script::{Action, Annotate, Decide, Script, State},
    world::World,
};
use http::Method;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

const PROMOTIONS: &str = "environmentpromotions";

/// A scenario that is being played.
pub(crate) struct Play {
    steps: VecDeque<crate::script::Step>,
    expect: Vec<State>,
    /// The groups that each person is in.
    people: BTreeMap<String, Vec<String>>,
    /// When the condition of the next step began to hold.
    held: Option<Duration>,
    before: Duration,
    failed: Vec<String>,
}

impl Play {
    pub(crate) fn new(script: &Script) -> Self {
        Self {
            steps: script.steps.iter().cloned().collect(),
            expect: script.expect.clone(),
            people: script.approvers.clone(),
            held: None,
            before: Duration::ZERO,
            failed: Vec::new(),
        }
    }

    /// Does what is due; says whether everything has been done.
    pub(crate) async fn go_on(&mut self, world: &World) -> Result<(bool, Vec<Entry>), ManifestError> {
        let mut told = Vec::new();
        while let Some(step) = self.steps.front() {
            let now = world.clock.elapsed();
            if step.at.is_some_and(|at| now < at.unsigned_abs()) {
                return Ok((false, told));
            }
            if self.held.is_none()
                && step
                    .when
                    .as_ref()
                    .is_some_and(|state| unmet(world, state).is_some())
            {
                return Ok((false, told));
            }
            let since = *self
                .held
                .get_or_insert(if step.when.is_some() { now } else { self.before });
            if step.after.is_some_and(|after| now < since + after.unsigned_abs()) {
                return Ok((false, told));
            }
            let Some(step) = self.steps.pop_front() else { break };
            (self.held, self.before) = (None, now);
            for action in &step.actions {
                told.push(self.act(world, &step.place, action).await?);
            }
        }
        Ok((true, told))
    }

    async fn act(&mut self, world: &World, place: &str, action: &Action) -> Result<Entry, ManifestError> {
        Ok(match action {
            Action::Apply(file, manifests) => {
                for manifest in manifests {
                    upsert(&world.client(), manifest).await?;
                }
                entry(world, "Scenario", file, "Applied", "applied", false)
            }
            Action::Answer(answer) => {
                world.answers.set(answer.clone());
                let note = format!("{} {}", answer.status, answer.body);
                entry(world, "Scenario", &answer.matches, "Answered", &note, false)
            }
            Action::Decide(decide) => self.decide(world, place, decide).await,
            Action::Annotate(annotate) => self.annotate(world, place, annotate).await,
        })
    }

    async fn decide(&mut self, world: &World, place: &str, decide: &Decide) -> Entry {
        let Decide {
            promotion,
            user,
            group,
            refused,
            decision,
        } = decide;
        let object = object_of(world, promotion);
        let awaiting = &object["status"]["awaiting"][0];
        if awaiting.is_null() {
            // Without a digest there is nothing that could be decided.
            let why = standing(&object, promotion);
            let note = format!("{decision} by {user}: nothing waits for an Approval; {why}");
            self.failed.push(format!("{place}: {note}"));
            return entry(world, "Scenario", promotion, "Refused", &note, true);
        }
        let mut spec = json!({
            "action": "Promotion", "digest": awaiting["digest"], "decision": decision, "approver": user,
            "subject": {"kind": "EnvironmentPromotion", "name": promotion},
        });
        let author = &object["status"]["attempt"]["requestedBy"];
        if author.is_string() {
            spec["requestedBy"] = author.clone();
        }
        if let Some(group) = group {
            spec["group"] = json!(group);
        }
        let approval = json!({
            "apiVersion": format!("{}/{}", api::GROUP, api::VERSION), "kind": "Approval",
            "metadata": {"generateName": format!("{promotion}-")}, "spec": spec,
        });
        let groups = self.people.get(user).into_iter().flatten();
        let groups: Vec<&str> = groups.map(String::as_str).collect();
        let path = format!("/apis/{}/{}/approvals", api::GROUP, api::VERSION);
        let result = post(&world.client_as(user, &groups), &path, &approval).await;
        let of = group
            .as_ref()
            .map(|group| format!(" of {group}"))
            .unwrap_or_default();
        let who = format!("{user}{of}");
        if result.is_err() != *refused {
            let how = if *refused {
                "was not refused"
            } else {
                "was refused"
            };
            self.failed.push(format!(
                "{place}: {decision} of promotion {promotion} by {who} {how}"
            ));
        }
        match result {
            Ok(()) => entry(
                world,
                "Scenario",
                promotion,
                decision,
                &format!("by {who}"),
                false,
            ),
            Err(error) => {
                let why = match error {
                    kube::Error::Api(status) => status.message.clone(),
                    error => error.to_string(),
                };
                let note = format!("{decision} by {who}: {why}");
                entry(world, "Scenario", promotion, "Refused", &note, true)
            }
        }
    }

    async fn annotate(&mut self, world: &World, place: &str, annotate: &Annotate) -> Entry {
        let name = &annotate.promotion;
        let annotations: serde_json::Map<String, Value> = annotate
            .set
            .iter()
            .map(|(key, value)| {
                // As in `kubectl annotate`: what is taken away is not there, and not there with nothing in it.
                let value = Some(value).filter(|value| !value.is_empty());
                (format!("bulkhead.dev/{key}"), json!(value))
            })
            .collect();
        let note: Vec<String> = annotate
            .set
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let body = json!({"metadata": {"annotations": annotations}});
        let request = http::Request::builder()
            .method(Method::PATCH)
            .uri(format!(
                "/apis/{}/{}/{PROMOTIONS}/{name}",
                api::GROUP,
                api::VERSION
            ))
            .header("content-type", "application/merge-patch+json")
            .body(body.to_string().into_bytes());
        let result = match request {
            Ok(request) => world.client().request::<Value>(request).await.map(drop),
            Err(error) => Err(kube::Error::HttpError(error)),
        };
        if let Err(error) = result {
            self.failed.push(format!(
                "{place}: promotion {name} could not be annotated: {error}"
            ));
        }
        entry(world, "Scenario", name, "Annotated", &note.join(", "), false)
    }

    /// What did not come, and what does not hold.
    pub(crate) fn failures(&self, world: &World) -> Vec<String> {
        let mut failures = self.failed.clone();
        if let Some(step) = self.steps.front() {
            let why = step.when.as_ref().and_then(|state| unmet(world, state));
            let left = match self.steps.len() {
                1 => "1 step was".to_owned(),
                more => format!("{more} steps were"),
            };
            failures.push(format!(
                "{left} not reached; the next one, {}, waits{}",
                step.place,
                why.map(|why| format!(": {why}")).unwrap_or_default()
            ));
        }
        failures.extend(self.expect.iter().filter_map(|state| unmet(world, state)));
        failures
    }
}

fn entry(world: &World, kind: &str, name: &str, reason: &str, note: &str, warning: bool) -> Entry {
    Entry {
        at: u64::try_from(world.clock.elapsed().as_millis()).unwrap_or(u64::MAX),
        kind: kind.to_owned(),
        namespace: None,
        name: name.to_owned(),
        type_: if warning { "Warning" } else { "Normal" }.to_owned(),
        reason: reason.to_owned(),
        note: note.to_owned(),
    }
}

fn object_of(world: &World, promotion: &str) -> Value {
    let objects = world.kubernetes.objects(api::GROUP, PROMOTIONS);
    let found = objects
        .into_iter()
        .find(|object| object["metadata"]["name"] == promotion);
    found.unwrap_or(Value::Null)
}

/// What a promotion does instead of waiting for a person.
fn standing(object: &Value, promotion: &str) -> String {
    if object.is_null() {
        return format!("there is no promotion {promotion}");
    }
    let status = &object["status"];
    let text = |field: &str| status[field].as_str().unwrap_or_default();
    match (text("phase"), text("message")) {
        ("", _) => format!("promotion {promotion} has not been looked at"),
        (phase, "") => format!("promotion {promotion} is {phase}"),
        (phase, message) => format!("promotion {promotion} is {phase}: {message}"),
    }
}

/// What does not hold, if something does not.
fn unmet(world: &World, state: &State) -> Option<String> {
    if state.ready == Some(true) && !Report::of(world).objects_ready() {
        return Some("not everything is Ready".to_owned());
    }
    if let Some(name) = &state.promotion {
        let object = object_of(world, name);
        if object.is_null() {
            return Some(format!("there is no promotion {name}"));
        }
        let status = &object["status"];
        if status["observedGeneration"] != object["metadata"]["generation"] {
            return Some(format!("promotion {name} has not been looked at"));
        }
        let ready = status["conditions"].as_array();
        let ready = ready.and_then(|all| all.iter().find(|condition| condition["type"] == "Ready"));
        let wanted = [
            (
                "phase",
                state.phase.map(|phase| format!("{phase:?}")),
                &status["phase"],
            ),
            ("stage", state.stage.clone(), &status["stage"]),
            ("wave", state.wave.clone(), &status["wave"]),
            (
                "reason",
                state.reason.clone(),
                ready.map_or(&Value::Null, |ready| &ready["reason"]),
            ),
        ];
        for (what, wanted, is) in wanted {
            if let Some(wanted) = wanted.filter(|wanted| is != wanted.as_str()) {
                return Some(format!("promotion {name}: {what} is {is}, not {wanted}"));
            }
        }
    }
    if let (Some(environment), Some(wanted)) = (&state.environment, state.on_newest) {
        let have = on_newest(world, environment);
        if have != wanted {
            return Some(format!(
                "environment {environment}: {have} accounts have the newest revision, not {wanted}"
            ));
        }
    }
    None
}

/// How many accounts of an environment have the newest revision of their Baseline.
fn on_newest(world: &World, environment: &str) -> usize {
    let baselines = world.kubernetes.objects(api::GROUP, "baselines");
    let newest: Vec<&Value> = baselines
        .iter()
        .map(|baseline| &baseline["status"]["latestRevision"]["name"])
        .collect();
    let accounts = world.kubernetes.objects(api::GROUP, "awsaccounts");
    accounts
        .iter()
        .filter(|account| account["spec"]["environment"] == environment)
        .filter(|account| newest.contains(&&account["status"]["baseline"]["applied"]["revision"]))
        .count()
}
