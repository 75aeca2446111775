//! Promotions as the operator judges them, and how a change travels by them.

use super::snapshot::Objects;
use api::{EnvironmentPromotion, UpdatePolicy};
use axum::http::Uri;
use desired::{Decoded, Resolved};
use model::{Revision, RevisionHash, RevisionName};
use operator::{
    Config,
    promotion::{conflict, spec},
};
use promotion::{Objection, RevisionFact, Spec, Terms, Why, objections};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// An address that stands for the operator's Prometheus where its configuration is not known.
const SOME_PROMETHEUS: &str = "http://prometheus.invalid";

/// What promotions are judged by.
#[derive(Clone, Copy)]
pub(crate) struct Grounds<'a> {
    pub(crate) objects: &'a Objects,
    pub(crate) resolved: &'a Resolved,
    pub(crate) config: &'a Config,
    /// Nobody has said what the operator's configuration is, so gates may ask any host.
    pub(crate) any_host: bool,
}

/// A promotion that is not accepted.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RefusedPromotion {
    pub(crate) promotion: String,
    /// It is not wrong, something else has to happen first.
    pub(crate) waits: bool,
    pub(crate) objections: Vec<Said>,
}

/// One rule that is broken.
#[derive(Debug, Serialize)]
pub(crate) struct Said {
    pub(crate) reason: &'static str,
    /// The field.
    pub(crate) path: String,
    /// Field, rule and value.
    pub(crate) message: String,
    /// File and line, where the promotion stands in a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) place: Option<String>,
}

/// How a Baseline's change gets to its accounts.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Travel {
    /// Absent: there is none, and accounts keep what they have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) promotion: Option<String>,
    /// In their order.
    pub(crate) stages: Vec<Stop>,
    /// What keeps it from travelling.
    pub(crate) holds: Vec<String>,
}

/// One stage.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Stop {
    pub(crate) stage: String,
    pub(crate) environment: String,
    /// Accounts that have another revision.
    pub(crate) accounts: usize,
    /// Accounts that stay on another one while their pin holds.
    pub(crate) pinned: usize,
}

/// What keeps the operator from accepting each promotion, by name.
pub(crate) fn refused(grounds: &Grounds<'_>) -> BTreeMap<String, Vec<Objection>> {
    let promotions = grounds.objects.promotions.iter();
    promotions
        .map(|(name, promotion)| match promotion {
            Decoded::Good(object) => (name.clone(), judge(grounds, object)),
            Decoded::Poison(error) => {
                let objection = Objection {
                    why: Why::Invalid,
                    path: "spec".to_owned(),
                    message: format!("it cannot be understood: {error}"),
                };
                (name.clone(), vec![objection])
            }
        })
        .filter(|(_, objections)| !objections.is_empty())
        .collect()
}

fn judge(grounds: &Grounds<'_>, object: &EnvironmentPromotion) -> Vec<Objection> {
    let spec = match spec(object) {
        Ok(spec) => spec,
        Err((path, why)) => {
            return vec![Objection {
                why: Why::Invalid,
                message: format!("{path}: {why}"),
                path: path.to_owned(),
            }];
        }
    };
    let baseline = spec.baseline.as_str();
    let environments = environments(grounds.objects, baseline);
    let settings = gates::Settings {
        allowed_hosts: hosts(grounds, &spec),
        prometheus_address: match &grounds.config.gates.prometheus_address {
            None if grounds.any_host => Some(SOME_PROMETHEUS.to_owned()),
            address => address.clone(),
        },
        namespace: grounds
            .config
            .leader_election
            .namespace
            .clone()
            .unwrap_or_default(),
        // Where it runs as another one, only the operator itself knows.
        service_account: "bulkhead".to_owned(),
    };
    objections(&Terms {
        spec: &spec,
        conflict: conflict(object, understood(&grounds.objects.promotions)).as_deref(),
        environments: environments.as_ref(),
        latest: latest(grounds, baseline).as_ref(),
        revisions: &revisions(grounds, baseline),
        allowed_hosts: &settings.allowed_hosts,
        condition: &gates::check_condition,
        gate: &|gate| gates::check_gate(gate, &settings),
    })
}

/// Promotions that can be decoded.
pub(super) fn understood(
    promotions: &BTreeMap<String, Decoded<EnvironmentPromotion>>,
) -> impl Iterator<Item = &Arc<EnvironmentPromotion>> {
    promotions.values().filter_map(Decoded::good)
}

/// Environments of a Baseline, if there is one.
fn environments(objects: &Objects, baseline: &str) -> Option<BTreeMap<String, Option<Revision>>> {
    let Some(Decoded::Good(object)) = objects.baselines.get(baseline) else {
        return None;
    };
    let environments = object.spec.environments.iter();
    Some(environments.map(|known| (known.name.clone(), None)).collect())
}

/// The newest revision: of what there would be, else the one that is known so far.
fn latest(grounds: &Grounds<'_>, baseline: &str) -> Option<Revision> {
    if let Some(Ok(revision)) = grounds.resolved.baselines.get(baseline) {
        return Some(revision.clone());
    }
    let Some(Decoded::Good(object)) = grounds.objects.baselines.get(baseline) else {
        return None;
    };
    desired::revision(object.status.as_ref()?.latest_revision.as_ref()?)
}

/// Revisions of a Baseline that are at hand, or would be.
fn revisions(grounds: &Grounds<'_>, baseline: &str) -> BTreeMap<RevisionName, RevisionFact> {
    let stored = grounds
        .objects
        .revisions
        .values()
        .filter_map(Decoded::good)
        .filter_map(|object| Some((object.metadata.name.as_deref()?, &object.spec)));
    let new = grounds.resolved.revisions.iter();
    let new = new.map(|(name, spec)| (name.as_str(), Arc::as_ref(spec)));
    stored
        .chain(new)
        .filter(|(_, spec)| spec.baseline == baseline)
        .filter_map(|(name, spec)| {
            let name = RevisionName::parse(name).ok()?;
            let fact = RevisionFact {
                revision: Revision {
                    name: name.clone(),
                    hash: RevisionHash::parse(&spec.hash).ok()?,
                },
                environments: spec.environments.iter().map(|known| known.name.clone()).collect(),
            };
            Some((name, fact))
        })
        .collect()
}

/// Whom gates may ask. Where nobody said it, everybody that they ask.
fn hosts(grounds: &Grounds<'_>, spec: &Spec) -> Vec<String> {
    if grounds.any_host {
        asked(spec)
    } else {
        grounds.config.gates.allowed_hosts.clone()
    }
}

/// A configuration that lets the gates of these promotions ask whomever they ask.
pub(crate) fn allow(config: &mut Config, objects: &Objects) {
    let specs = understood(&objects.promotions).filter_map(|object| spec(object).ok());
    let hosts: BTreeSet<String> = specs.flat_map(|spec| asked(&spec)).collect();
    config.gates.allowed_hosts.extend(hosts);
    let address = &mut config.gates.prometheus_address;
    address.get_or_insert_with(|| SOME_PROMETHEUS.to_owned());
}

/// The hosts that gates ask, and some Prometheus.
fn asked(spec: &Spec) -> Vec<String> {
    let gates = spec.stages.iter().flat_map(|stage| &stage.gates);
    let asked = gates.flat_map(|gate| {
        let prometheus = gate.prometheus.as_ref().and_then(|gate| gate.address.as_deref());
        let http = gate.http.as_ref().map(|gate| gate.url.as_str());
        [prometheus, http]
    });
    let addresses = asked.flatten().chain([SOME_PROMETHEUS]);
    let hosts: BTreeSet<String> = addresses
        .filter_map(|url| Some(url.parse::<Uri>().ok()?.authority()?.to_string()))
        .collect();
    hosts.into_iter().collect()
}

/// How the change of a Baseline to this revision travels; `None`: its accounts get it at once.
/// `accounts`: the environment of each account of the Baseline, which revision it has, and whether a pin holds it.
pub(super) fn travel(
    grounds: &Grounds<'_>,
    refused: &BTreeMap<String, Vec<Objection>>,
    baseline: &str,
    to: &str,
    accounts: &[(String, Option<String>, bool)],
) -> Option<Travel> {
    let objects = grounds.objects;
    let promotions = objects
        .promotions
        .iter()
        .filter_map(|(name, decoded)| Some((name, decoded.good()?)));
    let about: Vec<_> = promotions
        .filter(|(_, object)| object.spec.baseline_ref.name == baseline)
        .collect();
    let accepted = about.iter().find(|(name, _)| !refused.contains_key(*name));
    let Some((name, object)) = accepted.or(about.first()) else {
        let Some(Decoded::Good(baseline)) = objects.baselines.get(baseline) else {
            return None;
        };
        let waits = baseline.spec.update_policy.unwrap_or_default() == UpdatePolicy::OnPromotion;
        // Whoever comes now gets it; only those who have another one keep that.
        let behind = accounts
            .iter()
            .any(|(_, has, _)| has.as_deref().is_some_and(|has| has != to));
        return (waits && behind).then(|| Travel {
            promotion: None,
            stages: Vec::new(),
            holds: Vec::new(),
        });
    };
    let stages = object.spec.stages.iter().map(|stage| {
        let here = |pinned: bool| {
            let of = accounts.iter().filter(|(environment, has, pin)| {
                *environment == stage.environment
                    && *pin == pinned
                    && has.as_deref().is_some_and(|has| has != to)
            });
            of.count()
        };
        Stop {
            stage: stage.name.clone(),
            environment: stage.environment.clone(),
            accounts: here(false),
            pinned: here(true),
        }
    });
    let stages: Vec<Stop> = stages.collect();
    let mut holds = Vec::new();
    if refused.contains_key(*name) {
        holds.push("it is not accepted".to_owned());
    }
    if let Some(other) = object.spec.revision.as_ref().filter(|other| *other != to) {
        holds.push(format!("its spec.revision asks for {other}"));
    }
    if object.spec.suspend == Some(true) {
        holds.push("it is suspended".to_owned());
    }
    if object.spec.dry_run == Some(true) {
        holds.push("it is a dry run".to_owned());
    }
    let annotations = object.metadata.annotations.as_ref();
    if let Some(reason) = annotations.and_then(|all| all.get("bulkhead.dev/hold")) {
        holds.push(format!("it is held: {reason}"));
    }
    Some(Travel {
        promotion: Some((*name).clone()),
        stages,
        holds,
    })
}
