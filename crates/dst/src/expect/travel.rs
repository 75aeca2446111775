//! Promotions, when everything has converged: nothing is under way but what waits for a clock, and every account has what
//! its environment's stage says.

use crate::{
    json::{items, text},
    scenario::{NEVER, PROMOTION},
    stage::{Cluster, Stage},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

/// A window that opens this much later lets nothing through in a seed.
const FAR: SignedDuration = SignedDuration::from_hours(24);

fn now(cluster: &Cluster) -> Timestamp {
    executor::Clock::now(&cluster.world.clock)
}

fn later(at: &Value, than: Timestamp) -> bool {
    at.as_str()
        .and_then(|at| at.parse::<Timestamp>().ok())
        .is_some_and(|at| at > than)
}

fn is_closed_for_long(cluster: &Cluster, status: &Value) -> bool {
    let soon = now(cluster).checked_add(FAR).unwrap_or(Timestamp::MAX);
    status["window"]["closed"] == true && later(&status["window"]["nextOpen"], soon)
}

/// What the promotion should say and does not.
pub(super) fn promotion(stage: &Stage, cluster: &Cluster) -> Option<String> {
    if !stage.travels() {
        return None;
    }
    let wanted = stage.git.get(&(String::new(), PROMOTION.to_owned()));
    let (wanted, live) = match (wanted, stage.promotion()) {
        (None, None) => return None,
        (None, Some(_)) => return Some("the promotion is still there".to_owned()),
        (Some(_), None) => return Some("the promotion is not there".to_owned()),
        (Some(wanted), Some(live)) => (wanted, live),
    };
    if wanted["spec"] != live["spec"] {
        return Some("Git's promotion is not applied".to_owned());
    }
    let status = &live["status"];
    if status["observedGeneration"] != live["metadata"]["generation"] {
        return Some("the promotion's generation is not observed".to_owned());
    }
    let annotation = |key: &str| &live["metadata"]["annotations"][format!("bulkhead.dev/{key}")];
    let asks = [
        ("abort", "abort"),
        ("retry", "retry"),
        ("reverify", "reverify"),
        ("skip-bake", "skipBake"),
    ];
    let open = asks.iter().find(|(key, member)| {
        let asked = annotation(key);
        !asked.is_null() && *asked != status["lastHandled"][*member]
    });
    if let Some((key, _)) = open {
        return Some(format!("the promotion has not answered {key}"));
    }
    let condition = |type_: &str| {
        let mut conditions = items(status, "/conditions");
        conditions.find(|condition| condition["type"] == type_)
    };
    let is = |type_: &str| condition(type_).is_some_and(|condition| condition["status"] == "True");
    let reason = condition("Ready").map_or("", |ready| text(ready, "/reason"));
    let attempt = &status["attempt"];
    let runs = !attempt.is_null() && attempt["outcome"].is_null();
    let rests = match (runs, reason) {
        (true, "WindowClosed") => is("Waiting") && is_closed_for_long(cluster, status),
        (true, _) => false,
        // Git names a revision that nobody has stored.
        (false, "RevisionNotFound") => {
            let revisions = cluster
                .world
                .kubernetes
                .objects("bulkhead.dev", "baselinerevisions");
            !revisions
                .iter()
                .any(|revision| revision["metadata"]["name"] == wanted["spec"]["revision"])
        }
        (false, _) => is("Ready") || is("Stalled"),
    };
    (!rests).then(|| {
        format!(
            "the promotion says {reason}: {}; attempt {}",
            text(status, "/message"),
            text(attempt, "/id")
        )
    })
}

/// Accounts that do not have what the stage of their environment says.
pub(super) fn accounts(
    stage: &Stage,
    cluster: &Cluster,
    live: &BTreeMap<(String, String), Arc<Value>>,
) -> Vec<String> {
    let Some(promotion) = stage.promotion().filter(|_| stage.travels()) else {
        return vec![];
    };
    let status = &promotion["status"];
    let now = now(cluster);
    let mut missing = vec![];
    for (key, object) in live {
        let assigned = &object["status"]["baseline"]["assigned"];
        let pinned = later(&object["spec"]["baselinePin"]["expiresAt"], now);
        // What is refused, or suspended, keeps what it has.
        let stays = super::refused(&object["spec"]).is_some() || object["spec"]["suspend"] == true;
        if assigned.is_null() || object["status"]["accountId"].is_null() || stays {
            continue;
        }
        if pinned {
            missing.push(format!("{key:?} is still pinned"));
            continue;
        }
        let mut stages = items(status, "/stages");
        let stage = stages.find(|stage| stage["environment"] == object["spec"]["environment"]);
        let Some(stage) = stage.filter(|stage| !stage["currentRevision"].is_null()) else {
            continue;
        };
        let target = &status["targetRevision"]["hash"];
        let took_all_back = stage["state"] == "RolledBack"
            && items(status, "/attempt/stages").any(|spec| {
                spec["name"] == stage["name"] && spec["failurePolicy"]["rollbackScope"] != "Wave"
            });
        if took_all_back && assigned["hash"] == *target && stage["currentRevision"]["hash"] != *target {
            missing.push(format!(
                "{key:?} was not taken back from {}",
                assigned["revision"]
            ));
        }
        if let Some(why) = behind(&promotion, stage, object) {
            missing.push(format!("{key:?}: {why}"));
        }
    }
    missing
}

/// The stage has a window that does not open in a seed, whatever stage the attempt is at.
fn opens_never(promotion: &Value, stage: &Value) -> bool {
    let attempt = items(promotion, "/status/attempt/stages");
    let mut specs = attempt.chain(items(promotion, "/spec/stages"));
    specs.any(|spec| {
        let mut windows = items(spec, "/windows");
        spec["name"] == stage["name"] && windows.any(|window| window["schedule"] == NEVER)
    })
}

/// Why the account should have another revision.
fn behind(promotion: &Value, stage: &Value, object: &Value) -> Option<String> {
    let assigned = &object["status"]["baseline"]["assigned"];
    let current = &stage["currentRevision"];
    let under_way =
        !stage["startedAt"].is_null() && !["Succeeded", "RolledBack"].contains(&text(stage, "/state"));
    let left = items(stage, "/left").any(|left| *left == assigned["hash"]);
    if assigned["hash"] == current["hash"] || under_way || left || opens_never(promotion, stage) {
        return None;
    }
    Some(format!(
        "is assigned {}, and {} has {}",
        assigned["revision"], stage["environment"], current["name"]
    ))
}
