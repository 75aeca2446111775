//! Revisions: what they say never changes, and they stay while something refers to them.

use super::{State, policies::documents};
use crate::json::{items, text};
use serde_json::Value;
use std::collections::BTreeMap;

impl State {
    pub(super) fn revision_written(&mut self, revision: &Value) {
        let mut environments = BTreeMap::new();
        for environment in items(revision, "/spec/environments") {
            let name = text(environment, "/name").to_owned();
            environments.insert(name.clone(), documents(revision, &name).unwrap_or_default());
            for policy in items(environment, "/policies") {
                let key = (text(policy, "/type").to_owned(), text(policy, "/name").to_owned());
                let content = text(policy, "/content").to_owned();
                let before = self.policies.says.insert(key.clone(), content.clone());
                if before.is_some_and(|before| before != content) {
                    self.violation("the name of a policy says its content", &format!("{key:?}"));
                }
            }
        }
        let name = text(revision, "/metadata/name").to_owned();
        let before = self.policies.revisions.insert(name.clone(), environments.clone());
        match before {
            Some(before) if before != environments => self.violation("a revision never changes", &name),
            Some(_) => {}
            None => self.tell(&format!("revision {name} is stored")),
        }
    }

    /// An operator deletes only what nothing refers to; people may delete what they like.
    pub(super) fn revision_gone(&mut self, cluster: usize, gone: &kubesim::Write) {
        self.tell(&format!("revision {} is deleted", gone.name));
        if !gone.client.starts_with("operator-") {
            return;
        }
        self.note("revision trimmed");
        let Some(kubernetes) = self.clusters.get(cluster) else {
            return;
        };
        let accounts = kubernetes.shared_objects("bulkhead.dev", "awsaccounts");
        let baselines = kubernetes.shared_objects("bulkhead.dev", "baselines");
        let refers = |object: &&Value| {
            [
                "/baseline/assigned/revision",
                "/baseline/applied/revision",
                "/latestRevision/name",
            ]
            .iter()
            .any(|pointer| text(&object["status"], pointer) == gone.name)
        };
        let referring = accounts.iter().chain(&baselines).map(AsRef::as_ref).find(refers);
        if let Some(object) = referring {
            let detail = format!("{} of {} is deleted", gone.name, object["metadata"]["name"]);
            self.violation("a revision stays while something refers to it", &detail);
        }
    }
}
