//! What must be true when everything has converged: computed from Git, the revisions and the truth of AWS alone.

mod guardrails;
mod travel;

use crate::{
    json::text,
    judge::CLAIM,
    scenario::unit,
    stage::{Cluster, FOREIGN, Stage},
};
use orgsim::{AccountState, State};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

fn ready(object: &Value) -> (bool, String) {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let ready = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == "Ready");
    ready.map_or((false, "no Ready condition".to_owned()), |ready| {
        (
            ready["status"] == "True",
            format!("{}: {}", text(ready, "/reason"), text(ready, "/message")),
        )
    })
}

/// What the Baseline does not allow stays refused; everything else becomes Ready.
fn refused(spec: &Value) -> Option<&'static str> {
    (spec["tags"]["data-class"] == "secret").then_some("TagValueNotAllowed")
}

/// What is not yet as it should be; empty when the world has converged.
pub(crate) fn missing(stage: &Stage) -> Vec<String> {
    let mut missing = vec![];
    let truth = stage.clusters[0].world.organization.state();
    let named = truth
        .root
        .tags
        .get(crate::judge::MARK)
        .cloned()
        .unwrap_or_default();
    let last = stage.clusters.len() - 1;
    let governing = &stage.clusters[last];
    if !crate::judge::names(&named, &governing.own_mark) {
        missing.push(format!("the root names {named:?}, not {:?}", governing.own_mark));
    }
    let live = objects(governing);
    for key in live.keys().filter(|key| !stage.git.contains_key(*key)) {
        missing.push(format!("{key:?} is still there"));
    }
    let revisions = governing
        .world
        .kubernetes
        .objects("bulkhead.dev", "baselinerevisions");
    missing.extend(guardrails::baseline(stage, governing));
    missing.extend(travel::promotion(stage, governing));
    missing.extend(travel::accounts(stage, governing, &live));
    missing.extend(guardrails::unused(
        &truth,
        &revisions,
        live.values().map(AsRef::as_ref),
    ));
    for (key, wanted) in stage
        .git
        .iter()
        .filter(|(_, object)| object["kind"] == "AwsAccount")
    {
        let Some(object) = live.get(key) else {
            missing.push(format!("{key:?} is not there"));
            continue;
        };
        if guardrails::is_unknown(stage, object, &revisions, &truth)
            || guardrails::is_held(stage, governing, object, &revisions)
        {
            continue;
        }
        if let Err(why) = as_wanted(wanted, object, &revisions, &truth, stage.has_forgotten(key)) {
            missing.push(format!("{key:?}: {why}"));
        } else if let Err(why) = guardrails::in_force(stage, governing, object, &revisions, &truth) {
            missing.push(format!("{key:?}: {why}"));
        }
    }
    missing
}

fn objects(cluster: &Cluster) -> BTreeMap<(String, String), Arc<Value>> {
    let objects = cluster
        .world
        .kubernetes
        .shared_objects("bulkhead.dev", "awsaccounts");
    let key = |object: &Value| {
        (
            text(object, "/metadata/namespace").to_owned(),
            text(object, "/metadata/name").to_owned(),
        )
    };
    objects.into_iter().map(|object| (key(&object), object)).collect()
}

fn as_wanted(
    wanted: &Value,
    object: &Value,
    revisions: &[Value],
    truth: &State,
    has_forgotten: bool,
) -> Result<(), String> {
    if wanted["spec"] != object["spec"] {
        return Err("Git is not applied".to_owned());
    }
    if object["metadata"]["generation"] != object["status"]["observedGeneration"] {
        return Err("the generation is not observed".to_owned());
    }
    let (is_ready, said) = ready(object);
    if let Some(reason) = refused(&wanted["spec"]) {
        return if !is_ready && said.starts_with(reason) {
            Ok(())
        } else {
            Err(format!("should be refused with {reason}, says {said}"))
        };
    }
    if !is_ready {
        return Err(format!("is not Ready: {said}"));
    }
    let id = text(object, "/status/accountId");
    let account = truth.accounts.iter().find(|account| account.id == id);
    let account = account.ok_or_else(|| format!("account {id:?} does not exist"))?;
    let claim = format!(
        "heron/{}/{}",
        text(object, "/metadata/namespace"),
        text(object, "/metadata/name")
    );
    let spec = &wanted["spec"];
    let revision = guardrails::assigned(object, revisions)?;
    let mut tags = vec![(CLAIM, Some(claim.as_str()))];
    // Of the keys the revision names, and of those that others name.
    for key in ["cost-center", "owner", "workload", "data-class", "crew"] {
        tags.push((key, mandatory(revision, key, spec)));
    }
    for (key, value) in tags {
        // Only keys that are recorded as ours are ever removed.
        let left = value.is_none() && has_forgotten;
        if account.tags.get(key).map(String::as_str) != value && !left {
            return Err(format!(
                "tag {key} of {id} is {:?}, not {value:?}",
                account.tags.get(key)
            ));
        }
    }
    let place = unit(text(spec, "/environment"));
    if account.path != place {
        return Err(format!("account {id} is in {:?}, not in {place:?}", account.path));
    }
    if account.state != AccountState::Active {
        return Err(format!("account {id} is {:?}", account.state));
    }
    Ok(())
}

/// The value of a mandatory tag; none when the revision does not ask for it.
fn mandatory<'a>(revision: &Value, key: &str, spec: &'a Value) -> Option<&'a str> {
    let rules = revision["spec"]["mandatoryTags"].as_array()?;
    let rule = rules.iter().find(|rule| rule["key"] == key)?;
    let value = match (rule["fromField"].as_str(), rule["fromTag"].as_str()) {
        (Some(field), _) => spec.pointer(&format!("/{}", field.replace('.', "/"))),
        (None, Some(tag)) => spec.pointer(&format!("/tags/{tag}")),
        (None, None) => None,
    };
    value.and_then(Value::as_str)
}

/// Rules of the whole history that can be judged at the end only.
pub(crate) fn final_rules(stage: &Stage) {
    let truth = stage.clusters[0].world.organization.state();
    let members = truth
        .accounts
        .iter()
        .filter(|account| account.id != truth.management_account_id);
    let members = members.filter(|account| !account.email.starts_with(FOREIGN));
    let mut by_claim: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for account in members {
        match account.tags.get(CLAIM) {
            Some(claim) => by_claim.entry(claim).or_default().push(&account.id),
            None => stage
                .judge
                .violation("never an account without claim tag", &account.id),
        }
    }
    for (claim, accounts) in by_claim.iter().filter(|(_, accounts)| accounts.len() > 1) {
        stage.judge.violation(
            "never two accounts for one claim",
            &format!("{claim}: {accounts:?}"),
        );
    }
    for ((account, key), value) in &stage.foreign_tags {
        let found = truth
            .accounts
            .iter()
            .find(|known| known.id == *account)
            .and_then(|known| known.tags.get(*key));
        if found != Some(value) {
            let detail = format!("{key} of {account} is {found:?}, was {value:?}");
            stage.judge.violation("foreign tags are left alone", &detail);
        }
    }
    let last = stage.clusters.len() - 1;
    for (number, cluster) in stage.clusters.iter().enumerate() {
        for (key, object) in objects(cluster) {
            let (is_ready, said) = ready(&object);
            let judged = refused(&object["spec"]).is_none();
            // What is wrong with the manifests is told before whose the organization is.
            let told = said.starts_with("OrganizationClaimed") || said.starts_with("BaselineNotAccepted");
            if number < last && cluster.is_alive() && judged && !told {
                let detail = format!("{key:?} of cluster {number}: {said}");
                stage
                    .judge
                    .violation("a cluster that was taken over from says so", &detail);
            }
            let own = said.contains("EmailInUse")
                || object["status"]["conditions"]
                    .to_string()
                    .contains("\"EmailInUse\"");
            if !is_ready && own {
                stage.judge.violation(
                    "no object ends EmailInUse by its own claim",
                    &format!("{key:?}: {said}"),
                );
            }
        }
    }
}
