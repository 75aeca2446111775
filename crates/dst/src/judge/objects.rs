//! What is written to Kubernetes: conditions by the rules of GitOps health, intents, leases.

use super::{State, leadership::Holder};
use crate::json::text;
use kubesim::Write;
use serde_json::Value;
use std::collections::BTreeMap;

/// What is remembered of objects between writes, by cluster and UID.
#[derive(Debug, Default)]
pub(super) struct Memory {
    accounts: BTreeMap<(usize, String), String>,
    /// What each said last.
    said: BTreeMap<(usize, String), String>,
}

impl Memory {
    /// The API servers' past is another one now.
    pub(super) fn forget(&mut self) {
        self.accounts.clear();
    }
}

fn conditions(object: &Value) -> impl DoubleEndedIterator<Item = &Value> {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten()
}

fn is_true(object: &Value, type_: &str) -> bool {
    conditions(object).any(|condition| condition["type"] == type_ && condition["status"] == "True")
}

impl State {
    /// Does the API server hold an unsent or unanswered intent with this token?
    pub(super) fn standing(&self, cluster: usize, token: &str) -> bool {
        let Some(kubernetes) = self.clusters.get(cluster) else {
            return false;
        };
        let objects = kubernetes.shared_objects("bulkhead.dev", "awsaccounts");
        objects
            .iter()
            .any(|object| text(object, "/status/creation/token") == token)
    }

    pub(super) fn judge_write(&mut self, cluster: usize, write: &Write) {
        if write.deleted {
            match write.plural.as_str() {
                "awsaccounts" => {
                    self.object_gone(write);
                    self.tags_of_gone(write);
                }
                "baselinerevisions" => self.revision_gone(cluster, write),
                "environmentpromotions" => self.promotion_gone(cluster),
                _ => {}
            }
            return;
        }
        let object = &*write.object;
        match write.plural.as_str() {
            "leases" => self.lease_written(cluster, object),
            "approvals" => {
                self.approval_written(object);
                self.tags_approved(object);
                self.promotion_approved(cluster, object);
            }
            "environmentpromotions" => self.promotion_written(cluster, write),
            "baselinerevisions" => self.revision_written(object),
            "awsaccounts" | "baselines" | "organizations" => {
                let who = format!(
                    "{}/{}/{} of cluster {cluster}",
                    write.plural, write.namespace, write.name
                );
                self.judge_conditions(&who, object);
                let mut conditions = conditions(object);
                if conditions.any(|condition| condition["reason"] == "DisjointRegions") {
                    self.note("DisjointRegions");
                }
                if write.plural == "awsaccounts" {
                    self.judge_account(cluster, &who, object);
                    self.assigned(cluster, &who, object);
                    self.travelled(cluster, &who, write);
                }
            }
            _ => {}
        }
    }

    fn lease_written(&mut self, cluster: usize, lease: &Value) {
        let now = self.clock.elapsed();
        let holder = text(lease, "/spec/holderIdentity");
        // Hosts are named `operator-<process>`; an identity is the host and a random part.
        let process = holder
            .strip_prefix("operator-")
            .and_then(|rest| rest.split('-').next())
            .and_then(|id| id.parse().ok())
            .filter(|id| self.processes.contains_key(id));
        if let Some(process) = process.and_then(|id| self.processes.get_mut(&id)) {
            process.renewed = Some(now);
        }
        let changed = self
            .leases
            .get(&cluster)
            .is_none_or(|known| known.process != process);
        if changed {
            self.leases.insert(cluster, Holder { process, since: now });
            self.tell(&format!("lease of cluster {cluster} is held by {holder:?}"));
        }
    }

    pub(super) fn judge_conditions(&mut self, who: &str, object: &Value) {
        let generation = object
            .pointer("/metadata/generation")
            .and_then(Value::as_i64)
            .unwrap_or_default();
        let observed = object
            .pointer("/status/observedGeneration")
            .and_then(Value::as_i64);
        if observed.is_some_and(|observed| observed > generation) {
            let detail = format!("{who}: generation {generation}, observed {observed:?}");
            self.violation("observedGeneration is never ahead", &detail);
        }
        for condition in conditions(object) {
            if condition["observedGeneration"]
                .as_i64()
                .is_some_and(|observed| observed > generation)
            {
                self.violation(
                    "observedGeneration is never ahead",
                    &format!("{who}: {condition}"),
                );
            }
            let abnormal = condition["type"] == "Reconciling" || condition["type"] == "Stalled";
            if abnormal && condition["status"] != "True" {
                self.violation(
                    "Reconciling and Stalled are present only when True",
                    &format!("{who}: {condition}"),
                );
            }
        }
        let (reconciling, stalled, ready) = (
            is_true(object, "Reconciling"),
            is_true(object, "Stalled"),
            is_true(object, "Ready"),
        );
        if reconciling && stalled {
            self.violation("never both Reconciling and Stalled", who);
        }
        if ready && (reconciling || stalled) {
            self.violation("never Ready while Reconciling or Stalled", who);
        }
        let sequence = |field: &str| {
            let pointer = format!("/status/baseline/{field}");
            object.pointer(&pointer).and_then(Value::as_i64)
        };
        let (assigned, told) = (sequence("assigned/sequence"), sequence("observedSequence"));
        if ready && assigned != told {
            self.violation(
                "Ready is about the revision that is assigned",
                &format!("{who}: assigned {assigned:?}, told {told:?}"),
            );
        }
    }

    fn judge_account(&mut self, cluster: usize, who: &str, object: &Value) {
        let now = self.clock.elapsed();
        let mut ready = conditions(object)
            .filter(|condition| condition["type"] == "Ready")
            .map(|condition| {
                format!(
                    "{} {}: {}",
                    text(condition, "/status"),
                    text(condition, "/reason"),
                    text(condition, "/message")
                )
            });
        let line = ready.next_back().unwrap_or_else(|| "no conditions".to_owned());
        let uid = text(object, "/metadata/uid").to_owned();
        if self
            .objects
            .said
            .insert((cluster, uid.clone()), line.clone())
            .as_ref()
            != Some(&line)
        {
            self.tell(&format!("{who}: {line}"));
            for reason in ["NoPolicySlot", "PolicyOverlapDenies"] {
                if line.contains(&format!(" {reason}: ")) {
                    self.note(reason);
                }
            }
        }
        let token = text(object, "/status/creation/token");
        if !token.is_empty() {
            let known = self.creations.intents.entry((cluster, token.to_owned()));
            let intent = known.or_insert_with(|| super::creation::Intent {
                stored: now,
                email: text(object, "/status/creation/email").to_owned(),
                account_name: text(object, "/status/creation/accountName").to_owned(),
                role_name: text(object, "/status/creation/roleName").to_owned(),
            });
            if intent.stored == now {
                self.tell(&format!("{who}: intent {token}"));
            }
        }
        let account = text(object, "/status/accountId").to_owned();
        let before = self.objects.accounts.get(&(cluster, uid.clone())).cloned();
        if let Some(before) = before.filter(|before| *before != account) {
            let detail = format!("{who}: {before} became {account:?}");
            self.violation("an object keeps its account", &detail);
        }
        if !account.is_empty() {
            self.objects.accounts.insert((cluster, uid), account);
        }
    }
}
