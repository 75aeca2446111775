//! Who let a stage start.

use super::{Change, State, items, named, stages, text, time};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeSet;

/// A decision of a person.
#[derive(Clone, Debug)]
pub(super) struct Given {
    by: String,
    group: String,
    approves: bool,
    ends: Option<Timestamp>,
}

impl State {
    pub(in crate::judge) fn promotion_approved(&mut self, cluster: usize, approval: &Value) {
        let spec = &approval["spec"];
        if spec["action"] != "Promotion" {
            return;
        }
        let given = Given {
            by: text(spec, "/approver").to_owned(),
            group: text(spec, "/group").to_owned(),
            approves: spec["decision"] == "Approve",
            ends: time(text(spec, "/expiresAt")),
        };
        let digest = text(spec, "/digest").to_owned();
        let all = self.travel.approvals.entry((cluster, digest)).or_default();
        all.push(given);
    }

    /// Stages that start with this write were let in.
    pub(super) fn judge_starts(&mut self, change: &Change<'_>) {
        let Change {
            of, before, after, ..
        } = change;
        let same = before["attempt"]["id"] == after["attempt"]["id"];
        let had_begun = |name: &str| {
            let known = named(stages(before), name).filter(|_| same);
            known.is_some_and(|known| !known["startedAt"].is_null())
        };
        // What is asked for is about the first stage that is not done.
        let asks = text(after, "/awaiting/0/digest");
        let at = stages(after).find(|stage| !super::is_done(stage));
        if let Some(at) = at.filter(|_| !asks.is_empty()) {
            let key = (of.clone(), text(at, "/name").to_owned());
            self.travel.asked.insert(key, asks.to_owned());
        }
        let starting: Vec<&Value> = stages(after)
            .filter(|stage| !stage["startedAt"].is_null() && !had_begun(text(stage, "/name")))
            .collect();
        for stage in starting {
            self.note("stage started");
            self.judge_start(change, stage);
        }
    }

    fn judge_start(&mut self, change: &Change<'_>, stage: &Value) {
        let Change { who, of, after, .. } = change;
        let name = text(stage, "/name");
        let spec = named(items(after, "/attempt/stages"), name);
        let Some(approval) = spec.map(|spec| &spec["approval"]).filter(|spec| !spec.is_null()) else {
            return;
        };
        let author = text(after, "/attempt/requestedBy");
        let excludes = approval["excludeAuthor"] == true;
        let groups: Vec<&Value> = items(approval, "/groups").collect();
        let digest = self.travel.asked.get(&(of.clone(), name.to_owned()));
        let digest = digest.cloned().unwrap_or_default();
        let now = executor::Clock::now(&self.clock);
        let given = self.travel.approvals.get(&(of.0, digest.clone()));
        let counts = |given: &&Given| {
            let is_author = excludes && (author.is_empty() || given.by == author);
            let is_member = groups.is_empty() || groups.iter().any(|group| *group == given.group.as_str());
            given.approves && !is_author && is_member && given.ends.is_none_or(|ends| now < ends)
        };
        let people: BTreeSet<String> = given
            .into_iter()
            .flatten()
            .filter(counts)
            .map(|given| given.by.clone())
            .collect();
        let required = approval["required"].as_u64().unwrap_or(1);
        if (people.len() as u64) < required {
            let detail = format!(
                "{who}: {name} of {}; {required} are required, and {people:?} approved {digest:?}; author {author:?}",
                of.2
            );
            self.violation("a stage that wants Approvals starts with them", &detail);
        }
        self.note("promotion approved");
    }
}
