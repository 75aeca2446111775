//! No change for an account whose sequence in AWS is ahead of its object's status: the cluster has forgotten something.

use super::{CLAIM, Call, ProcessId, REVISION, State};
use serde_json::Value;
use std::time::Duration;

/// How long it may take an operator to hear that etcd is an older one: what it sends until then it had decided before.
const HEARS: Duration = Duration::from_secs(2);

/// Namespace and name of an object.
pub(super) type Object = (String, String);

/// The revision that an account says it has, and its number.
pub(crate) fn carried(account: &orgsim::AccountView) -> Option<(&str, i64)> {
    let (revision, sequence) = account.tags.get(REVISION)?.rsplit_once('/')?;
    Some((revision, sequence.parse().ok()?))
}

impl State {
    /// The cluster's etcd is an older one: accounts whose sequence in AWS is ahead of what their object says now are not to
    /// be changed until somebody has approved it.
    pub(super) fn freeze(&mut self, cluster: usize) {
        let truth = self.organization.state();
        let Some(kubernetes) = self.clusters.get(cluster) else {
            return;
        };
        for object in kubernetes.shared_objects("bulkhead.dev", "awsaccounts") {
            let Some(known) = object["status"]["baseline"]["assigned"]["sequence"].as_i64() else {
                continue;
            };
            let text = |member: &str| object["metadata"][member].as_str().unwrap_or_default().to_owned();
            let (namespace, name) = (text("namespace"), text("name"));
            let claim = format!("heron/{namespace}/{name}");
            let account = truth
                .accounts
                .iter()
                .find(|account| account.tags.get(CLAIM) == Some(&claim));
            let Some(account) = account else { continue };
            if carried(account).is_some_and(|(_, carried)| carried > known) {
                self.frozen.insert(account.id.clone(), (namespace, name));
            }
        }
    }

    /// An object that is deleted and made again is a new one, with no memory to be behind of: that is a decision, too.
    pub(super) fn object_gone(&mut self, write: &kubesim::Write) {
        self.frozen
            .retain(|_, (namespace, name)| (&*namespace, &*name) != (&write.namespace, &write.name));
    }

    /// A person has decided.
    pub(super) fn approval_written(&mut self, approval: &Value) {
        let spec = &approval["spec"];
        if spec["decision"] == "Approve" && spec["action"] == "StateRestore" {
            self.frozen.retain(|_, (namespace, name)| {
                spec["subject"]["namespace"] != namespace.as_str() || spec["subject"]["name"] != name.as_str()
            });
        }
    }

    pub(super) fn judge_sequence(&mut self, id: ProcessId, call: &Call) {
        let cluster = self.processes.get(&id).map(|process| process.cluster);
        let restored = cluster.and_then(|cluster| self.restored.get(&cluster));
        if restored.is_some_and(|at| self.clock.elapsed() < *at + HEARS) {
            return;
        }
        let account = call
            .text("AccountId")
            .or_else(|| call.text("ResourceId"))
            .or_else(|| call.text("TargetId"))
            .unwrap_or_default();
        let truth = self.organization.state();
        let Some(account) = truth.accounts.iter().find(|known| known.id == account) else {
            return;
        };
        if let Some(object) = self.frozen.get(&account.id) {
            let detail = format!(
                "operator {id} sends {}; nobody has approved for {object:?}",
                call.summary()
            );
            self.violation("nothing is changed for an account that an older etcd knows less of, before a person approves", &detail);
        }
        let Some((_, carried)) = carried(account) else {
            return;
        };
        let Some(kubernetes) = self
            .processes
            .get(&id)
            .and_then(|process| self.clusters.get(process.cluster))
        else {
            return;
        };
        let objects = kubernetes.shared_objects("bulkhead.dev", "awsaccounts");
        let object = objects
            .iter()
            .find(|object| object["status"]["accountId"] == account.id.as_str());
        let known = object.and_then(|object| object["status"]["baseline"]["assigned"]["sequence"].as_i64());
        if let Some(known) = known.filter(|known| *known < carried) {
            let detail = format!(
                "operator {id} sends {}; AWS is at {carried}, status at {known}",
                call.summary()
            );
            self.violation(
                "no change for an account whose sequence in AWS is ahead of status",
                &detail,
            );
        }
    }
}
