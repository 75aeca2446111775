//! Guardrails: an account is never between two revisions, and what is not ours is never touched.

use super::{Call, ProcessId, State};
use crate::json::{items, text};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Says whose a policy is.
const MANAGED: &str = "bulkhead.dev/managed";
const SERVICE_CONTROL: &str = "SERVICE_CONTROL_POLICY";

/// The Regions that guardrails of a seed may name.
const REGIONS: [&str; 5] = [
    "eu-west-1",
    "eu-central-1",
    "eu-north-1",
    "us-east-1",
    "ap-southeast-2",
];

/// How much later than it became true the judge may see that an account has all its policies.
const LATE: Duration = Duration::from_secs(10);

/// Documents, by type and content.
pub(crate) type Documents = BTreeSet<(String, String)>;

/// Is the policy Bulkhead's?
pub(crate) fn is_ours(policy: &orgsim::PolicyView) -> bool {
    policy.tags.get(MANAGED).is_some_and(|owner| owner == "heron")
}

/// Do these policies together leave no Region, though each leaves some?
pub(crate) fn leave_no_region(documents: &Documents) -> bool {
    let mut limited = documents
        .iter()
        .filter(|(_, content)| content.contains("aws:RequestedRegion"))
        .peekable();
    let leaves = |content: &str, region: &str| content.contains(&format!("\"{region}\""));
    limited.peek().is_some()
        && !REGIONS
            .iter()
            .any(|region| limited.clone().all(|(_, content)| leaves(content, region)))
}

/// What others have made: their policies, and where these are attached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Foreign {
    policies: BTreeMap<String, orgsim::PolicyView>,
    attachments: BTreeSet<(String, String)>,
}

/// The revisions an account was assigned, and which of them it has had in full.
#[derive(Debug, Default)]
struct Guarded {
    /// In order; the same may come again.
    assigned: Vec<(String, Documents)>,
    /// The latest that was there in full: with an earlier one the account would have gone back.
    base: usize,
    /// It has one in full.
    is_whole: bool,
    /// Since when it has each document.
    since: BTreeMap<(String, String), Duration>,
    /// Another tool took a document away since it was whole last.
    is_robbed: bool,
    /// What it had when it was last looked at.
    had: Documents,
    /// What the names of our policies say that it had: another tool may have edited one, and nobody has seen it yet.
    meant: Documents,
}

impl Guarded {
    /// Takes in what the account has now. Gives the revisions of which it has none in full, if it has just lost the last.
    fn look(&mut self, has: Documents, now: Duration, by_other: bool) -> Option<Vec<String>> {
        let since = self.assigned.iter().enumerate().skip(self.base);
        let whole = since
            .filter(|(_, (_, documents))| documents.is_subset(&has))
            .map(|(index, _)| index)
            .next_back();
        self.is_robbed |= by_other && !self.had.is_subset(&has);
        let was_whole = std::mem::replace(&mut self.is_whole, whole.is_some());
        self.since.retain(|document, _| has.contains(document));
        for document in &has {
            self.since.entry(document.clone()).or_insert(now);
        }
        self.had = has;
        if let Some(index) = whole {
            self.base = index;
            self.is_robbed = false;
        }
        let lost = whole.is_none() && was_whole && !by_other;
        let revisions = self.assigned[self.base..].iter();
        lost.then(|| revisions.map(|(revision, _)| revision.clone()).collect())
    }
}

/// What is remembered of policies.
#[derive(Debug, Default)]
pub(super) struct Memory {
    changes: u64,
    /// Documents of each revision, by environment.
    pub(super) revisions: BTreeMap<String, BTreeMap<String, Documents>>,
    /// What a policy of this name says, by every revision that was ever stored.
    pub(super) says: BTreeMap<(String, String), String>,
    /// By claim.
    accounts: BTreeMap<String, Guarded>,
    foreign: Foreign,
    /// Of each object, by cluster and UID: the revision it was assigned last.
    assigned: BTreeMap<(usize, String), String>,
}

impl Memory {
    /// The API servers' past is another one now.
    pub(super) fn forget(&mut self) {
        self.assigned.clear();
    }

    /// Has the account had all of this revision since it was assigned it last?
    pub(super) fn has_had(&self, claim: &str, revision: &str, environment: &str) -> bool {
        let documents = self.revisions.get(revision);
        let documents = documents.and_then(|environments| environments.get(environment));
        let Some((guarded, documents)) = self.accounts.get(claim).zip(documents) else {
            return false;
        };
        let mut assigned = guarded.assigned.iter();
        let at = assigned.rposition(|(known, _)| known == revision);
        at.is_some_and(|at| guarded.base >= at && at > 0)
            || documents.is_subset(&guarded.had)
            || documents.is_subset(&guarded.meant)
    }
}

/// The documents of one environment of a revision; none when it has no such environment.
pub(crate) fn documents(revision: &Value, environment: &str) -> Option<Documents> {
    let mut environments = items(revision, "/spec/environments");
    let environment = environments.find(|known| known["name"] == environment)?;
    let policies = items(environment, "/policies");
    Some(
        policies
            .map(|policy| {
                (
                    text(policy, "/type").to_owned(),
                    text(policy, "/content").to_owned(),
                )
            })
            .collect(),
    )
}

impl State {
    /// An object says which revision its account is to have.
    pub(super) fn assigned(&mut self, cluster: usize, who: &str, object: &Value) {
        let revision = text(object, "/status/baseline/assigned/revision").to_owned();
        if revision.is_empty() {
            return;
        }
        let uid = text(object, "/metadata/uid").to_owned();
        let before = self.policies.assigned.insert((cluster, uid), revision.clone());
        if before.as_ref() != Some(&revision) {
            self.tell(&format!("{who}: is assigned {revision}"));
            if self.terms.promotes
                && !self.terms.travels
                && let Some(before) = before
            {
                let detail = format!("{who}: {before} became {revision}");
                self.violation("an account keeps its revision until it is promoted", &detail);
            }
        }
        let Some(environments) = self.policies.revisions.get(&revision) else {
            let detail = format!("{who}: {revision}");
            return self.violation("a revision is stored before it is assigned", &detail);
        };
        let claim = format!(
            "heron/{}/{}",
            text(object, "/metadata/namespace"),
            text(object, "/metadata/name")
        );
        if let Some(documents) = environments.get(text(object, "/spec/environment")) {
            let guarded = self.policies.accounts.entry(claim).or_default();
            if guarded.assigned.last().is_none_or(|(last, _)| *last != revision) {
                guarded.assigned.push((revision, documents.clone()));
            }
        }
    }

    /// Looks at the policies when they have changed; `by_other`: another tool just changed them, and nobody else did.
    pub(super) fn see_policies(&mut self, by_other: bool) {
        let changes = self.organization.policy_changes();
        if changes == self.policies.changes && !by_other {
            return;
        }
        self.policies.changes = changes;
        let truth = self.organization.state();
        let known: BTreeMap<&str, &orgsim::PolicyView> = truth
            .policies
            .iter()
            .map(|policy| (policy.id.as_str(), policy))
            .collect();
        self.see_foreign(&truth, by_other);
        let now = self.clock.elapsed();
        let mut has: BTreeMap<&str, Documents> = BTreeMap::new();
        let mut means: BTreeMap<&str, Documents> = BTreeMap::new();
        for attachment in &truth.attachments {
            if let Some(policy) = known.get(attachment.policy.as_str()) {
                let documents = has.entry(&attachment.target).or_default();
                documents.insert((policy.r#type.clone(), policy.content.clone()));
                let key = (policy.r#type.clone(), policy.name.clone());
                if let Some(content) = self.policies.says.get(&key).filter(|_| is_ours(policy)) {
                    let documents = means.entry(&attachment.target).or_default();
                    documents.insert((key.0, content.clone()));
                }
            }
        }
        let (mut between, mut nowhere, mut repaired) = (vec![], vec![], 0);
        for account in &truth.accounts {
            let claim = account.tags.get(super::CLAIM);
            let Some(guarded) = claim.and_then(|claim| self.policies.accounts.get_mut(claim)) else {
                continue;
            };
            let id = account.id.as_str();
            let was_robbed = guarded.is_robbed && !guarded.is_whole;
            let has = has.remove(id).unwrap_or_default();
            let none = guarded.look(has, now, by_other);
            guarded.meant = means.remove(id).unwrap_or_default();
            repaired += u64::from(was_robbed && guarded.is_whole);
            if let Some(revisions) = none {
                between.push(format!("account {id} has none of {revisions:?} in full"));
            }
            if !by_other && leave_no_region(&guarded.had) {
                nowhere.push(format!("account {id} has {:?}", guarded.had));
            }
        }
        for _ in 0..repaired {
            self.note("policies repaired");
        }
        for detail in nowhere {
            self.violation("an account always has a Region", &detail);
        }
        for detail in between {
            self.violation("an account is never between guardrails", &detail);
        }
    }

    fn see_foreign(&mut self, truth: &orgsim::State, by_other: bool) {
        let policies: BTreeMap<_, _> = truth
            .policies
            .iter()
            .filter(|policy| !policy.aws_managed && !is_ours(policy))
            .map(|policy| (policy.id.clone(), policy.clone()))
            .collect();
        let attachments = truth
            .attachments
            .iter()
            .filter(|attachment| policies.contains_key(&attachment.policy))
            .map(|attachment| (attachment.policy.clone(), attachment.target.clone()))
            .collect();
        let foreign = Foreign {
            policies,
            attachments,
        };
        if !by_other && foreign != self.policies.foreign {
            let detail = format!("{:?} became {foreign:?}", self.policies.foreign);
            self.violation("policies of others are never touched", &detail);
        }
        self.policies.foreign = foreign;
    }

    pub(super) fn judge_policies(&mut self, id: ProcessId, call: &Call) {
        match call.operation.as_str() {
            "CreatePolicy" => {
                let name = call.text("Name").unwrap_or_default();
                self.judge_content(id, call, name, call.text("Type").unwrap_or_default());
                if call.tag(MANAGED) != Some("heron") {
                    let detail = format!("operator {id} sends {}", call.summary());
                    self.violation("every policy of ours says that it is ours", &detail);
                }
            }
            "UpdatePolicy" | "DeletePolicy" | "AttachPolicy" | "DetachPolicy" => self.judge_owner(id, call),
            "TagResource" | "UntagResource"
                if call.text("ResourceId").is_some_and(|id| id.starts_with("p-")) =>
            {
                self.judge_owner(id, call);
            }
            "MoveAccount" => self.judge_unguarded(id, call),
            _ => {}
        }
    }

    /// Only what a stored revision says is ever written.
    fn judge_content(&mut self, id: ProcessId, call: &Call, name: &str, kind: &str) {
        let says = self.policies.says.get(&(kind.to_owned(), name.to_owned()));
        if says.map(String::as_str) != call.text("Content") {
            let detail = format!("operator {id} sends {} for {name}", call.summary());
            self.violation("a policy says what a stored revision says", &detail);
        }
    }

    fn judge_owner(&mut self, id: ProcessId, call: &Call) {
        let truth = self.organization.state();
        let policy = call.text("PolicyId").or_else(|| call.text("ResourceId"));
        let policy = truth
            .policies
            .iter()
            .find(|known| Some(known.id.as_str()) == policy);
        // What is not there any more is nobody's.
        let Some(policy) = policy else { return };
        let detail = format!("operator {id} sends {}: {}", call.summary(), policy.name);
        if !is_ours(policy) {
            self.violation("policies of others are never touched", &detail);
        }
        if call.operation == "UpdatePolicy" {
            self.judge_content(id, call, &policy.name, &policy.r#type);
        }
        let Some(target) = call.text("TargetId") else {
            return;
        };
        let account = truth.accounts.iter().find(|account| account.id == target);
        let claim = account.and_then(|account| account.tags.get(super::CLAIM));
        if claim.is_none_or(|claim| !claim.starts_with("heron/")) {
            self.violation("policies are attached to accounts that are claimed", &detail);
        }
        let mut foreign = self.policies.foreign.attachments.iter();
        if call.operation == "AttachPolicy" && foreign.any(|(_, at)| at == target) {
            self.note("policies beside those of others");
        }
        let guarded = claim.and_then(|claim| self.policies.accounts.get(claim));
        if call.operation == "DetachPolicy" && policy.r#type == SERVICE_CONTROL {
            let young = guarded.and_then(|guarded| {
                let (_, documents) = guarded.assigned.last()?;
                let since = documents.iter().map(|document| guarded.since.get(document));
                // What is missing is the matter of other rules.
                let since = since.collect::<Option<Vec<_>>>()?.into_iter().max().copied()?;
                (self.clock.elapsed() + LATE < since + self.terms.overlap).then_some(since)
            });
            if let Some(since) = young {
                let detail = format!("{detail}; the account has all of its revision since {since:?}");
                self.violation(
                    "old policies stay until AWS enforces the new ones everywhere",
                    &detail,
                );
            }
        }
    }

    /// Notes an attachment or a detachment that fails while an account gets another revision.
    pub(super) fn see_failure(&mut self, call: &Call) {
        let (operation, target) = (call.operation.as_str(), call.text("TargetId"));
        if !["AttachPolicy", "DetachPolicy"].contains(&operation) {
            return;
        }
        let truth = self.organization.state();
        let account = truth
            .accounts
            .iter()
            .find(|known| Some(known.id.as_str()) == target);
        let claim = account.and_then(|account| account.tags.get(super::CLAIM));
        let guarded = claim.and_then(|claim| self.policies.accounts.get(claim));
        let swaps = guarded.is_some_and(|guarded| {
            let another = guarded.assigned.len() > guarded.base + 1;
            another || (operation == "DetachPolicy" && guarded.base > 0)
        });
        if swaps {
            self.note("policies swapped under a fault");
        }
    }

    /// Out of the root goes only what has all documents of its revision, unless another tool has just taken one.
    fn judge_unguarded(&mut self, id: ProcessId, call: &Call) {
        if call.text("SourceParentId") != Some(self.organization.root_id()) {
            return;
        }
        let Some(cluster) = self.processes.get(&id).map(|process| process.cluster) else {
            return;
        };
        let truth = self.organization.state();
        let account = truth
            .accounts
            .iter()
            .find(|known| call.text("AccountId") == Some(known.id.as_str()));
        let claim = account.and_then(|account| account.tags.get(super::CLAIM));
        let claim = claim.cloned().unwrap_or_default();
        let objects = self.clusters[cluster].shared_objects("bulkhead.dev", "awsaccounts");
        let object = objects.iter().find(|object| {
            let (namespace, name) = (
                text(object, "/metadata/namespace"),
                text(object, "/metadata/name"),
            );
            claim == format!("heron/{namespace}/{name}")
        });
        let stored = object.map(|object| text(object, "/status/baseline/assigned/revision"));
        // An operator whose watch has not heard that etcd was restored goes by what the account carries, and what it knew.
        let carried = account.and_then(super::carried).map(|(revision, _)| revision);
        let revision = stored.filter(|revision| !revision.is_empty()).or(carried);
        let documents = revision.and_then(|revision| {
            let environment = text(object?, "/spec/environment");
            self.policies.revisions.get(revision)?.get(environment)
        });
        let guarded = self.policies.accounts.get(&claim);
        let is_guarded = guarded
            .zip(documents)
            .is_some_and(|(guarded, documents)| guarded.is_robbed || documents.is_subset(&guarded.meant));
        if !is_guarded {
            let detail = format!("operator {id} sends {}; assigned is {revision:?}", call.summary());
            self.violation("no account is moved into a unit before it is guarded", &detail);
        }
    }
}
