//! The journal port on Kubernetes: finalizers, `status.creation`, `status.baseline.assigned`, the Organization's `status.brake`, outputs ConfigMaps.

use crate::{
    brake::{self, Ledger},
    store::{Key, SharedStores},
    watch::OUTPUTS_LABEL,
};
use api::{AwsAccount, FIELD_MANAGER, FINALIZER, JOURNAL_MANAGER, Organization};
use executor::{Journal, JournalError};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use model::{AccountKey, Assigned, Change, CreateRequestId, Creation, Spending, Token};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// How long one Kubernetes write may take.
pub(crate) const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// The journal of one cluster.
#[derive(Clone)]
pub(crate) struct KubeJournal {
    client: Client,
    stores: SharedStores,
    /// Key of the Organization, which holds what is spent of the budgets.
    organization: Key,
    ledger: Ledger,
}

/// Sorts a failed Kubernetes call. A timeout leaves open whether the write was done: it is `Unavailable`, and the watch
/// tells.
pub(crate) fn sort(error: kube::Error) -> JournalError {
    match error {
        kube::Error::Api(status) if status.is_conflict() => JournalError::Conflict,
        kube::Error::Api(status) if status.is_not_found() || terminating(&status) => JournalError::Gone,
        kube::Error::Api(status) if status.code < 500 && status.code != 429 => {
            JournalError::Refused(status.message)
        }
        other => JournalError::Unavailable(other.to_string()),
    }
}

/// A namespace on its way out takes no new objects; what was to be written goes with it.
pub(crate) fn terminating(status: &kube::core::Status) -> bool {
    let causes = status.details.as_ref().map_or(&[][..], |details| &details.causes);
    causes.iter().any(|cause| cause.reason == "NamespaceTerminating")
}

/// Runs one call in its time.
pub(crate) async fn timed<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, JournalError> {
    match tokio::time::timeout(WRITE_TIMEOUT, call).await {
        Ok(answer) => answer.map_err(sort),
        Err(_) => Err(JournalError::Unavailable(format!(
            "no answer within {WRITE_TIMEOUT:?}"
        ))),
    }
}

fn store_key(key: &AccountKey) -> Key {
    (key.namespace.clone(), key.name.clone())
}

impl KubeJournal {
    pub(crate) fn new(client: Client, stores: SharedStores, installation: &str, ledger: Ledger) -> Self {
        Self {
            client,
            stores,
            organization: (String::new(), installation.to_owned()),
            ledger,
        }
    }

    /// Writes what is spent, for the object as it was read.
    async fn apply_brake(
        &self,
        organization: &Organization,
        spending: &Spending,
    ) -> Result<Organization, JournalError> {
        let name = &self.organization.1;
        let patch = json!({
            "apiVersion": Organization::api_version(&()), "kind": Organization::kind(&()),
            "metadata": {"name": name, "resourceVersion": organization.resource_version()},
            "status": {"brake": brake::status(spending)},
        });
        let params = PatchParams::apply(JOURNAL_MANAGER).force();
        let api: Api<Organization> = Api::all(self.client.clone());
        timed(api.patch_status(name, &params, &Patch::Apply(&patch))).await
    }

    fn api(&self, key: &AccountKey) -> Api<AwsAccount> {
        Api::namespaced(self.client.clone(), &key.namespace)
    }

    /// The object as the plan saw it: its resourceVersion makes each write a compare-and-swap.
    fn object(&self, key: &AccountKey) -> Result<Arc<AwsAccount>, JournalError> {
        self.stores
            .read(|stores| stores.accounts.good(&store_key(key)))
            .ok_or(JournalError::Gone)
    }

    fn keep(&self, object: AwsAccount) {
        self.stores.write(|stores| stores.accounts.overlay(object));
    }

    async fn finalizers(
        &self,
        key: &AccountKey,
        change: impl Fn(&mut Vec<String>),
    ) -> Result<(), JournalError> {
        let object = self.object(key)?;
        let mut finalizers = object.finalizers().to_vec();
        change(&mut finalizers);
        if finalizers == object.finalizers() {
            return Ok(());
        }
        let patch =
            json!({"metadata": {"resourceVersion": object.resource_version(), "finalizers": finalizers}});
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let api = self.api(key);
        match timed(api.patch(&key.name, &params, &Patch::Merge(&patch))).await {
            Ok(object) => {
                // The last finalizer of a deleted object is gone, and so is the object: the watch says so.
                if object.meta().deletion_timestamp.is_none() {
                    self.keep(object);
                }
                Ok(())
            }
            Err(JournalError::Gone) => {
                self.stores
                    .write(|stores| stores.accounts.forget(&store_key(key)));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Writes both fields of the journal, for the object as the plan saw it: an apply takes away what it leaves out. What
    /// is `None` stays as it is stored, to the letter.
    async fn apply(
        &self,
        key: &AccountKey,
        object: &AwsAccount,
        creation: Option<Value>,
        assigned: Option<&Assigned>,
    ) -> Result<(), JournalError> {
        let status = object.status.as_ref();
        let stored = status.and_then(|status| status.creation.as_ref());
        let creation = creation.unwrap_or_else(|| json!(stored));
        let stored = status.and_then(|status| status.baseline.as_ref()?.assigned.as_ref());
        let assigned = assigned.map_or_else(
            || json!(stored),
            |assigned| {
                json!({
                    "revision": assigned.revision.name, "hash": assigned.revision.hash,
                    "sequence": assigned.sequence, "by": assigned.by.as_str(),
                    "promotion": assigned.by.promotion().map(|by| json!({
                        "name": by.name, "uid": by.uid, "attempt": by.attempt, "stage": by.stage, "wave": by.wave,
                        "at": by.at,
                    })),
                    "tagKeys": assigned.tag_keys,
                })
            },
        );
        let baseline = if assigned.is_null() {
            Value::Null
        } else {
            json!({"assigned": assigned})
        };
        let patch = json!({
            "apiVersion": AwsAccount::api_version(&()), "kind": AwsAccount::kind(&()),
            "metadata": {"name": key.name, "namespace": key.namespace, "resourceVersion": object.resource_version()},
            "status": {"creation": creation, "baseline": baseline},
        });
        let patch = without_nulls(patch);
        let params = PatchParams::apply(JOURNAL_MANAGER).force();
        let api = self.api(key);
        let object = timed(api.patch_status(&key.name, &params, &Patch::Apply(&patch))).await?;
        self.keep(object);
        Ok(())
    }
}

fn intent(creation: &Creation) -> Value {
    json!({
        "token": creation.token, "attempt": creation.attempt, "startedAt": creation.started_at,
        "epoch": creation.epoch, "email": creation.email, "accountName": creation.account_name,
        "roleName": creation.role_name, "requestId": creation.request_id,
    })
}

/// Nulls are values to server-side apply, and absence is what is meant.
pub(crate) fn without_nulls(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(map) => serde_json::Value::Object(
            map.into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key, without_nulls(value)))
                .collect(),
        ),
        other => other,
    }
}

impl Journal for KubeJournal {
    async fn hold(&self, key: &AccountKey) -> Result<(), JournalError> {
        self.finalizers(key, |finalizers| {
            if !finalizers.iter().any(|name| name == FINALIZER) {
                finalizers.push(FINALIZER.to_owned());
            }
        })
        .await
    }

    async fn release(&self, key: &AccountKey) -> Result<(), JournalError> {
        self.finalizers(key, |finalizers| finalizers.retain(|name| name != FINALIZER))
            .await
    }

    async fn intend(
        &self,
        key: &AccountKey,
        creation: &Creation,
        assigned: &Assigned,
    ) -> Result<(), JournalError> {
        let object = self.object(key)?;
        self.apply(key, &object, Some(intent(creation)), Some(assigned))
            .await
    }

    async fn assign(&self, key: &AccountKey, assigned: &Assigned) -> Result<(), JournalError> {
        let object = self.object(key)?;
        self.apply(key, &object, None, Some(assigned)).await
    }

    async fn reread(&self, key: &AccountKey) -> Result<(), JournalError> {
        let api = self.api(key);
        let object = timed(api.get(&key.name)).await?;
        self.keep(object);
        Ok(())
    }

    async fn record_request(
        &self,
        key: &AccountKey,
        token: &Token,
        request_id: &CreateRequestId,
    ) -> Result<(), JournalError> {
        let object = self.object(key)?;
        let stored = desired::journal_entry(&object).creation;
        let Some(creation) = stored.filter(|creation| creation.token == *token) else {
            return Err(JournalError::Conflict);
        };
        let answered = Creation {
            request_id: Some(request_id.clone()),
            ..creation
        };
        self.apply(key, &object, Some(intent(&answered)), None).await
    }

    async fn withdraw(&self, key: &AccountKey, token: &Token) -> Result<(), JournalError> {
        let object = self.object(key)?;
        let stored = object.status.as_ref().and_then(|status| status.creation.as_ref());
        if stored.is_none_or(|creation| creation.token != token.as_str() || creation.request_id.is_some()) {
            return Err(JournalError::Conflict);
        }
        // An apply without the field gives it up, and nobody else owns it.
        self.apply(key, &object, Some(Value::Null), None).await
    }

    async fn confirm(&self, key: &AccountKey, token: &Token) -> Result<(), JournalError> {
        let api = self.api(key);
        let object = timed(api.get(&key.name)).await?;
        let stored = object.status.as_ref().and_then(|status| status.creation.as_ref());
        let same =
            stored.is_some_and(|creation| creation.token == token.as_str() && creation.request_id.is_none());
        let leaving = object.meta().deletion_timestamp.is_some();
        self.keep(object);
        if same && !leaving {
            Ok(())
        } else {
            Err(JournalError::Conflict)
        }
    }

    async fn spend(&self, change: &Change) -> Result<(), JournalError> {
        let organization = self
            .stores
            .read(|stores| stores.organizations.good(&self.organization))
            .ok_or(JournalError::Gone)?;
        let Some(before) = self.ledger.read(&organization) else {
            let message = "status.brake of the Organization cannot be read".to_owned();
            return Err(JournalError::Refused(message));
        };
        let after = self.ledger.spend(&before, change).ok_or(JournalError::Conflict)?;
        let mut object = (*organization).clone();
        for last_try in [false, true] {
            match self.apply_brake(&object, &after).await {
                Ok(object) => {
                    self.stores.write(|stores| stores.organizations.overlay(object));
                    return Ok(());
                }
                // Our own status writes change the object too. Only what is spent must not have changed.
                Err(JournalError::Conflict) => {
                    let api: Api<Organization> = Api::all(self.client.clone());
                    object = timed(api.get(&self.organization.1)).await?;
                    let fresh = object.clone();
                    self.stores.write(|stores| stores.organizations.overlay(fresh));
                    if last_try || self.ledger.read(&object).as_ref() != Some(&before) {
                        return Err(JournalError::Conflict);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Err(JournalError::Conflict)
    }

    async fn apply_outputs(
        &self,
        key: &AccountKey,
        config_map: &str,
        data: &BTreeMap<String, String>,
    ) -> Result<(), JournalError> {
        let owner = self.object(key)?;
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &key.namespace);
        // Server-side apply would merge silently into a ConfigMap of somebody else.
        let existing = timed(api.get_opt(config_map)).await?;
        if let Some(existing) = &existing
            && !controlled_by(existing, &owner)
        {
            let message = format!(
                "ConfigMap {config_map:?} exists and is not controlled by this AwsAccount; it is left alone: delete it, or choose another spec.outputs.configMapName"
            );
            return Err(JournalError::Foreign(message));
        }
        let mut map = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": config_map, "namespace": key.namespace,
                "labels": {OUTPUTS_LABEL: "true", "app.kubernetes.io/managed-by": FIELD_MANAGER},
                "ownerReferences": owner.controller_owner_ref(&()).into_iter().collect::<Vec<_>>(),
            },
            "data": data,
        });
        if let Some(version) = existing.and_then(|map| map.resource_version()) {
            map["metadata"]["resourceVersion"] = version.into();
        }
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let map = timed(api.patch(config_map, &params, &Patch::Apply(&map))).await?;
        self.stores.write(|stores| stores.config_maps.overlay_new(map));
        Ok(())
    }
}

/// Is this object the controller of that ConfigMap?
pub(crate) fn controlled_by(map: &ConfigMap, owner: &AwsAccount) -> bool {
    let uid = owner.uid();
    map.owner_references()
        .iter()
        .any(|reference| reference.controller == Some(true) && Some(&reference.uid) == uid.as_ref())
}
