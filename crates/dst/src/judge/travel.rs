//! Promotions: what is stored of them, and which accounts get what by them. Told by what is written alone, and by the truth
//! of AWS.

mod accounts;
mod approvals;
mod flux;
mod waves;

use super::{Judge, State};
use crate::{
    json::{items, text},
    scenario::HOST,
};
use jiff::Timestamp;
use kubesim::Write;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A status stays below this: etcd and every watch carries it with each write.
const SIZE: usize = 64 * 1024;

/// An attempt, by cluster, UID of its promotion, and its own id.
type Attempt = (usize, String, String);

/// What is remembered of promotions.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// When each bake ends, by stage and wave, as it was written first.
    bakes: BTreeMap<(Attempt, String, String), String>,
    /// Bakes that somebody with the right to it let pass: `attempt/stage/wave`, by UID.
    skipped: BTreeSet<(String, String)>,
    /// Approvals that are stored, by digest.
    approvals: BTreeMap<(usize, String), Vec<approvals::Given>>,
    /// What each stage asked for last.
    asked: BTreeMap<(Attempt, String), String>,
    /// Promotions with a wave under way.
    in_a_wave: BTreeSet<usize>,
}

impl Memory {
    /// This API server's past is another one now.
    pub(super) fn forget(&mut self, cluster: usize) {
        self.bakes.retain(|((known, ..), ..), _| *known != cluster);
        self.asked.retain(|((known, ..), _), _| *known != cluster);
        self.approvals.retain(|(known, _), _| *known != cluster);
        self.in_a_wave.remove(&cluster);
    }
}

/// A promotion's status before and after a write.
struct Change<'a> {
    who: &'a str,
    of: Attempt,
    before: &'a Value,
    after: &'a Value,
}

fn named<'a>(mut items: impl Iterator<Item = &'a Value>, name: &str) -> Option<&'a Value> {
    items.find(|item| item["name"] == name)
}

fn is_done(stage: &Value) -> bool {
    ["Succeeded", "Skipped"].contains(&text(stage, "/state"))
}

/// The stages of the attempt at hand, as it runs: behind them are those that are no more.
fn stages(status: &Value) -> impl DoubleEndedIterator<Item = &Value> + Clone {
    let count = items(status, "/attempt/stages").count();
    let stages = status["stages"].as_array().map_or(&[][..], Vec::as_slice);
    stages[..count.min(stages.len())].iter()
}

fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// How many of so many accounts: a number, or a percentage rounded down.
fn share(amount: &Value, total: usize) -> Option<usize> {
    if let Some(number) = amount.as_u64() {
        return usize::try_from(number).ok();
    }
    let percent: usize = amount.as_str()?.strip_suffix('%')?.parse().ok()?;
    Some(total * percent / 100)
}

impl Judge {
    /// A gate asks its endpoint.
    pub(crate) fn asked(&self, uri: &http::Uri) {
        let mut state = self.state();
        state.note("gate asked");
        if uri.host() != Some(HOST) {
            state.violation("gates ask allowed hosts only", &uri.to_string());
        }
    }

    /// An operator's process crashed.
    pub(crate) fn crashed(&self, cluster: usize) {
        let mut state = self.state();
        if state.travel.in_a_wave.contains(&cluster) {
            state.note("crash in a wave");
        }
    }
}

impl State {
    pub(super) fn promotion_written(&mut self, cluster: usize, write: &Write) {
        let object = &*write.object;
        let skip = text(object, "/metadata/annotations/bulkhead.dev~1skip-bake");
        if !skip.is_empty() {
            self.travel.skipped.insert((write.uid.clone(), skip.to_owned()));
        }
        if write.subresource != "status" {
            return;
        }
        let who = format!("promotion {} of cluster {cluster}", write.name);
        self.judge_conditions(&who, object);
        self.judge_flux(&who, object);
        let size = object["status"].to_string().len();
        if size >= SIZE {
            self.violation("a status stays below 64 KiB", &format!("{who}: {size} bytes"));
        }
        let nothing = Value::Null;
        let before = write.before.as_ref().map_or(&nothing, |before| &before["status"]);
        let after = &object["status"];
        let attempt = text(after, "/attempt/id").to_owned();
        let change = Change {
            who: &who,
            of: (cluster, write.uid.clone(), attempt),
            before,
            after,
        };
        let pinned =
            |status: &Value| stages(status).any(|stage| stage["targets"]["pinned"].as_u64() > Some(0));
        if pinned(after) && !pinned(before) {
            self.note("account left out of a stage: pinned");
        }
        self.tell_promotion(&change);
        self.judge_ended(&change);
        self.judge_order(&change);
        self.judge_starts(&change);
        self.judge_waves(&change);
        self.judge_bakes(&change);
        let is_in_a_wave = stages(after).any(|stage| stage["state"] == "RollingOut");
        if is_in_a_wave && after["attempt"]["outcome"].is_null() {
            self.travel.in_a_wave.insert(cluster);
        } else {
            self.travel.in_a_wave.remove(&cluster);
        }
    }

    pub(super) fn promotion_gone(&mut self, cluster: usize) {
        self.travel.in_a_wave.remove(&cluster);
        self.note("promotion deleted");
    }

    fn tell_promotion(&mut self, change: &Change<'_>) {
        let Change { before, after, .. } = *change;
        let said = |status: &Value| {
            let stages = stages(status).map(|stage| {
                let waves = items(stage, "/waves").map(|wave| text(wave, "/state"));
                let waves: Vec<&str> = waves.collect();
                format!(
                    "{} {} {waves:?} {}",
                    text(stage, "/name"),
                    text(stage, "/state"),
                    stage["changing"]
                )
            });
            let stages: Vec<String> = stages.collect();
            format!(
                "{} {} of {}: {}; {stages:?}",
                text(status, "/attempt/id"),
                text(status, "/phase"),
                text(status, "/targetRevision/name"),
                text(status, "/message"),
            )
        };
        let line = said(after);
        if said(before) != line {
            self.tell(&format!("{}: {line}", change.who));
        }
    }

    /// What has ended stays as it is, and what ended badly is not tried again unless somebody asks.
    fn judge_ended(&mut self, change: &Change<'_>) {
        let Change {
            who, before, after, ..
        } = *change;
        let (was, is) = (&before["attempt"], &after["attempt"]);
        let ended = !was["outcome"].is_null();
        let ends = !is["outcome"].is_null();
        if ends && (was["id"] != is["id"] || !ended) {
            self.attempt_ends(change);
        }
        if was["id"] == is["id"] {
            let steps = |status: &Value| -> Vec<(Value, Vec<Value>)> {
                let step = |stage: &Value| {
                    let waves = items(stage, "/waves").map(|wave| wave["state"].clone());
                    (stage["state"].clone(), waves.collect())
                };
                stages(status).map(step).collect()
            };
            if ended && (was != is || steps(before) != steps(after)) {
                let detail = format!("{who}: {was} {:?} became {is} {:?}", steps(before), steps(after));
                self.violation("an attempt that has ended does not move", &detail);
            }
            return;
        }
        let remembered = items(after, "/history").any(|entry| entry["attempt"] == was["id"]);
        if !was.is_null() && !remembered {
            let detail = format!("{who}: {} is gone when {} begins", was["id"], is["id"]);
            self.violation("an attempt ends before another begins", &detail);
        }
        if !ends && items(after, "/history").any(|entry| entry["attempt"] == is["id"]) {
            let detail = format!("{who}: {} again", is["id"]);
            self.violation("an attempt that has ended does not move", &detail);
        }
        let entry = items(after, "/history").find(|entry| entry["attempt"] == was["id"]);
        if entry.is_some_and(|entry| entry["result"] == "Superseded") {
            self.note("promotion Superseded");
        }
        let mut bad = items(before, "/rejected");
        if bad.any(|bad| bad["hash"] == after["targetRevision"]["hash"]) {
            self.note("promotion retried");
            if before["lastHandled"]["retry"] == after["lastHandled"]["retry"] {
                let detail = format!(
                    "{who}: {} begins with {}",
                    is["id"], after["targetRevision"]["name"]
                );
                self.violation("what ended badly is tried again only when somebody asks", &detail);
            }
        }
    }

    fn attempt_ends(&mut self, change: &Change<'_>) {
        let outcome = &change.after["attempt"]["outcome"];
        let result = text(outcome, "/result");
        self.note(&format!("promotion {result}"));
        if result == "Stopped" {
            self.note(&format!("promotion stopped: {}", text(outcome, "/reason")));
        }
        let unfinished = stages(change.after).find(|stage| !is_done(stage));
        if let Some(stage) = unfinished.filter(|_| result == "Succeeded") {
            let detail = format!("{}: {} is {}", change.who, stage["name"], stage["state"]);
            self.violation("an attempt succeeds with all of its stages", &detail);
        }
    }

    /// One stage at a time, and none before those ahead of it have succeeded.
    fn judge_order(&mut self, change: &Change<'_>) {
        let Change { who, after, .. } = *change;
        if !after["attempt"]["outcome"].is_null() {
            return;
        }
        let mut open: Option<&Value> = None;
        for stage in stages(after) {
            let began = !stage["startedAt"].is_null();
            if let Some(open) = open.filter(|_| began) {
                let detail = format!(
                    "{who}: {} is {} while {} is {}",
                    stage["name"], stage["state"], open["name"], open["state"]
                );
                self.violation("a stage begins when all before it have succeeded", &detail);
            }
            if !is_done(stage) {
                open = Some(stage);
            }
        }
    }
}
