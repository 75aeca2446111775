//! What somebody else wrote under a key is overwritten only when a person approves.

use super::{CLAIM, Call, Judge, ProcessId, State, sequence::Object};
use serde_json::Value;
use std::collections::BTreeMap;

/// Tags of others under keys that were not ours: by account and key, and whose account it is.
pub(super) type Theirs = BTreeMap<(String, String), Object>;

impl Judge {
    /// Another tool wrote a tag.
    pub(crate) fn tagged(&self, account: &str, key: &str) {
        let mut state = self.state();
        if let Some(object) = state.not_ours(account, key) {
            state.theirs.insert((account.to_owned(), key.to_owned()), object);
        }
    }
}

impl State {
    /// The object of the account, when its status says which tags are ours and the key is none of them.
    fn not_ours(&self, account: &str, key: &str) -> Option<Object> {
        let objects = self
            .clusters
            .last()?
            .shared_objects("bulkhead.dev", "awsaccounts");
        let object = objects
            .iter()
            .find(|object| object["status"]["accountId"] == account)?;
        let managed = object["status"]["tags"]["managed"].as_object()?;
        let stored = object["status"]["baseline"]["assigned"]["tagKeys"].as_array();
        let is_stored = stored.into_iter().flatten().any(|stored| stored == key);
        let text = |member: &str| object["metadata"][member].as_str().unwrap_or_default().to_owned();
        let is_known = managed.is_empty() || managed.contains_key(key) || is_stored;
        (!is_known).then(|| (text("namespace"), text("name")))
    }

    /// An object that is made again knows nothing of what was another's.
    pub(super) fn tags_of_gone(&mut self, gone: &kubesim::Write) {
        self.theirs
            .retain(|_, (namespace, name)| (&*namespace, &*name) != (&gone.namespace, &gone.name));
    }

    pub(super) fn tags_approved(&mut self, approval: &Value) {
        let spec = &approval["spec"];
        if spec["decision"] == "Approve" && spec["action"] == "TagChange" {
            self.note("tags approved");
            let subject = &spec["subject"];
            self.theirs.retain(|_, (namespace, name)| {
                subject["namespace"] != namespace.as_str() || subject["name"] != name.as_str()
            });
        }
    }

    pub(super) fn judge_tags(&mut self, id: ProcessId, call: &Call) {
        let Some(account) = call.text("ResourceId") else {
            return;
        };
        let truth = self.organization.state();
        let account = truth.accounts.iter().find(|known| known.id == account);
        let Some(account) = account.filter(|account| account.tags.contains_key(CLAIM)) else {
            return;
        };
        let untagged = call.input["TagKeys"].as_array().into_iter().flatten();
        let untagged = untagged.filter_map(Value::as_str);
        let tagged = call.input["Tags"].as_array().into_iter().flatten();
        let tagged = tagged.filter_map(|tag| {
            let key = tag["Key"].as_str()?;
            let other = account.tags.get(key).map(String::as_str) != tag["Value"].as_str();
            other.then_some(key)
        });
        let theirs = |key: &&str| self.theirs.contains_key(&(account.id.clone(), (*key).to_owned()));
        let overwritten: Vec<String> = untagged.chain(tagged).filter(theirs).map(str::to_owned).collect();
        if !overwritten.is_empty() {
            let detail = format!("operator {id} sends {}; {overwritten:?}", call.summary());
            self.violation(
                "a tag that somebody else wrote is overwritten only when a person approves",
                &detail,
            );
        }
    }
}
