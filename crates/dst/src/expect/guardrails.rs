//! Guardrails, when everything has converged.

use crate::{
    json::{items, text},
    judge::{CLAIM, carried, documents, is_ours, leave_no_region},
    scenario::is_refused,
    stage::{Cluster, Stage},
};
use orgsim::State;
use serde_json::Value;
use std::collections::BTreeSet;

/// The revision an object's account is to have.
pub(super) fn assigned<'a>(object: &Value, revisions: &'a [Value]) -> Result<&'a Value, String> {
    let name = text(object, "/status/baseline/assigned/revision");
    let revision = revisions
        .iter()
        .find(|revision| text(revision, "/metadata/name") == name);
    revision.ok_or_else(|| format!("is assigned revision {name:?}, which does not exist"))
}

/// Where revisions are promoted, a new cluster leaves an account alone whose revision it does not know.
pub(super) fn is_unknown(stage: &Stage, object: &Value, revisions: &[Value], truth: &State) -> bool {
    let (namespace, name) = (
        text(object, "/metadata/namespace"),
        text(object, "/metadata/name"),
    );
    let claim = format!("heron/{namespace}/{name}");
    let mut accounts = truth.accounts.iter();
    let account = accounts.find(|account| account.tags.get(CLAIM) == Some(&claim));
    let carried = account.and_then(carried).map(|(revision, _)| revision);
    let is_known = |carried| {
        let mut names = revisions.iter().map(|revision| text(revision, "/metadata/name"));
        names.any(|name| name == carried)
    };
    let (is_ready, said) = super::ready(object);
    let unknown = carried.is_some_and(|carried| !is_known(carried));
    stage.promotes() && unknown && !is_ready && said.starts_with("RevisionUnknown")
}

/// While its Baseline is refused, an object that was not assigned a revision before gets the last good one, and nothing
/// where there is none at hand.
pub(super) fn is_held(stage: &Stage, cluster: &Cluster, object: &Value, revisions: &[Value]) -> bool {
    let (is_ready, said) = super::ready(object);
    let without = object["status"]["baseline"]["assigned"].is_null();
    let waits = without && !is_ready && said.starts_with("BaselineNotAccepted");
    if !waits || !stage.git.values().any(is_refused) {
        return false;
    }
    let baselines = cluster
        .world
        .kubernetes
        .shared_objects("bulkhead.dev", "baselines");
    let latest = baselines
        .first()
        .map(|baseline| text(baseline, "/status/latestRevision/name"));
    let mut names = revisions.iter().map(|revision| text(revision, "/metadata/name"));
    !names.any(|name| Some(name) == latest)
}

/// What the Baseline should say and does not.
pub(super) fn baseline(stage: &Stage, cluster: &Cluster) -> Option<String> {
    let mut baselines = cluster
        .world
        .kubernetes
        .shared_objects("bulkhead.dev", "baselines")
        .into_iter();
    let Some(baseline) = baselines.next() else {
        return Some("the Baseline is not there".to_owned());
    };
    if baseline["metadata"]["generation"] != baseline["status"]["observedGeneration"] {
        return Some("the Baseline's generation is not observed".to_owned());
    }
    let accepted = items(&baseline, "/status/conditions").find(|condition| condition["type"] == "Accepted");
    let is_accepted = accepted.is_some_and(|accepted| accepted["status"] == "True");
    let in_git = stage.git.values().find(|object| object["kind"] == "Baseline")?;
    if is_accepted == is_refused(in_git) {
        return Some(format!("the Baseline says {accepted:?}"));
    }
    None
}

/// The account has exactly what its revision says, and the revision is what Git says.
pub(super) fn in_force(
    stage: &Stage,
    cluster: &Cluster,
    object: &Value,
    revisions: &[Value],
    truth: &State,
) -> Result<(), String> {
    let is_accepted = super::ready(object).0;
    // What is refused keeps what it has, if it has anything.
    let without =
        object["status"]["baseline"]["assigned"].is_null() || object["status"]["accountId"].is_null();
    if !is_accepted && without {
        return Ok(());
    }
    let revision = assigned(object, revisions)?;
    let (name, environment) = (
        text(revision, "/metadata/name"),
        text(object, "/spec/environment"),
    );
    if is_accepted && !stage.promotes() {
        as_git_says(stage, cluster, revision, environment)?;
    }
    let wanted = documents(revision, environment)
        .ok_or_else(|| format!("revision {name} has no environment {environment}"))?;
    let account = text(object, "/status/accountId");
    // An object of an older etcd knows less than its account. While it is refused, nobody is asked whether it may go on.
    let mut accounts = truth.accounts.iter().filter(|known| known.id == account);
    let carried = accounts.next().and_then(carried).map(|(_, sequence)| sequence);
    if !is_accepted && carried > object["status"]["baseline"]["assigned"]["sequence"].as_i64() {
        return Ok(());
    }
    let attached = truth.attachments.iter().filter(|known| known.target == account);
    let ours: BTreeSet<(String, String)> = attached
        .filter_map(|attachment| {
            truth
                .policies
                .iter()
                .find(|policy| policy.id == attachment.policy)
        })
        .filter(|policy| is_ours(policy))
        .map(|policy| (policy.r#type.clone(), policy.content.clone()))
        .collect();
    // While it is refused, it gets no other revision, and this one would leave no Region beside what it has.
    if !is_accepted && leave_no_region(&ours.union(&wanted).cloned().collect()) {
        return Ok(());
    }
    if ours != wanted {
        return Err(format!(
            "account {account} has {ours:?}, not {wanted:?} of {name}"
        ));
    }
    if is_accepted && text(object, "/status/baseline/applied/revision") != name {
        return Err(format!("{name} is in force and not said to be applied"));
    }
    Ok(())
}

fn as_git_says(stage: &Stage, cluster: &Cluster, revision: &Value, environment: &str) -> Result<(), String> {
    let baselines = cluster
        .world
        .kubernetes
        .shared_objects("bulkhead.dev", "baselines");
    let latest = baselines
        .first()
        .map(|baseline| text(baseline, "/status/latestRevision/name"));
    let name = text(revision, "/metadata/name");
    if latest != Some(name) {
        return Err(format!("is assigned {name}, the latest revision is {latest:?}"));
    }
    let keys = |object: &Value| -> BTreeSet<String> {
        let tags = items(object, "/spec/mandatoryTags");
        tags.map(|tag| text(tag, "/key").to_owned()).collect()
    };
    if keys(revision) != keys(&stage.baseline) {
        return Err(format!("{name} asks for other tags than Git"));
    }
    let contents: String = documents(revision, environment)
        .unwrap_or_default()
        .into_iter()
        .map(|(_, content)| content)
        .collect();
    let wanted = items(&stage.baseline, "/spec/environments").find(|known| known["name"] == environment);
    let wanted = wanted.cloned().unwrap_or_default();
    let guardrail = |name: &str| items(&wanted, "/guardrails").find(|known| known["name"] == name);
    // What only this one can have brought.
    let leaving = contents.contains("organizations:LeaveOrganization");
    let regions = guardrail("allowedRegions").map(|known| &known["parameters"]["regions"]);
    let asked = contents.contains("aws:RequestedRegion");
    let named = |region: &str| {
        let regions = regions.and_then(Value::as_array);
        regions.is_some_and(|regions| regions.iter().any(|known| known == region))
    };
    let all = ["eu-west-1", "eu-central-1", "eu-north-1", "us-east-1"];
    let differs = leaving != guardrail("denyLeaveOrganization").is_some()
        || asked != regions.is_some()
        || all
            .iter()
            .any(|region| contents.contains(&format!("\"{region}\"")) != named(region));
    if differs {
        return Err(format!("{name} says {contents}, Git {wanted}"));
    }
    Ok(())
}

/// Policies of ours that nothing has and nothing is to have.
pub(super) fn unused<'a>(
    truth: &State,
    revisions: &[Value],
    objects: impl Iterator<Item = &'a Value>,
) -> Vec<String> {
    let mut wanted = BTreeSet::new();
    for object in objects {
        let revision = assigned(object, revisions).ok();
        let environment = text(object, "/spec/environment");
        wanted.extend(
            revision
                .and_then(|revision| documents(revision, environment))
                .into_iter()
                .flatten(),
        );
    }
    let attached = |id: &str| truth.attachments.iter().any(|known| known.policy == id);
    truth
        .policies
        .iter()
        .filter(|policy| is_ours(policy) && !attached(&policy.id))
        .filter(|policy| !wanted.contains(&(policy.r#type.clone(), policy.content.clone())))
        .map(|policy| format!("nothing uses the policy {}", policy.name))
        .collect()
}
