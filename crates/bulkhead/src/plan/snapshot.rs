//! What there is now, as one document: the objects of the cluster and the organization.

use api::{AwsAccount, Baseline, BaselineRevision};
use desired::Decoded;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use model::{
    AccountId, AccountKey, AccountState, ListedPolicies, Observation, ObservedAccount, ObservedOrg,
    ObservedPolicy, ObservedUnit, OrganizationId, OuId, ParentId, PolicyContent, PolicyId, PolicyTarget,
    PolicyType, PolicyTypeState, RootId, Tags,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The one version of the document there is.
const VERSION: u64 = 1;
/// What is read of every version.
const KINDS: &str = "AwsAccount, Baseline, BaselineRevision and Namespace";

/// Why it cannot be used. Whoever wrote it should act.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}: {key}: {reason}", path.display())]
    Wrong {
        path: PathBuf,
        key: String,
        reason: String,
    },
}

/// Objects of the cluster.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    pub(crate) accounts: BTreeMap<AccountKey, Decoded<AwsAccount>>,
    pub(crate) baselines: BTreeMap<String, Decoded<Baseline>>,
    pub(crate) revisions: BTreeMap<String, Decoded<BaselineRevision>>,
    /// Labels by name.
    pub(crate) namespaces: BTreeMap<String, BTreeMap<String, String>>,
}

/// What there is now.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) objects: Objects,
    /// The organization; empty: nothing of it is known, and nothing is in it.
    pub(crate) observed: ObservedOrg,
}

/// The document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(rename = "version")]
    _version: u64,
    #[serde(default)]
    objects: Vec<Value>,
    organization: Option<Organization>,
}

/// The organization.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Organization {
    id: OrganizationId,
    root: RootId,
    management: AccountId,
    /// Those that are on, or on their way.
    #[serde(default)]
    policy_types: BTreeMap<PolicyType, PolicyTypeState>,
    #[serde(default)]
    units: Vec<Unit>,
    #[serde(default)]
    accounts: Vec<Account>,
    #[serde(default)]
    policies: Vec<Policy>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unit {
    id: OuId,
    name: String,
    parent: ParentId,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Account {
    id: AccountId,
    name: String,
    email: String,
    #[serde(default = "active")]
    state: String,
    parent: ParentId,
    #[serde(default)]
    tags: Tags,
}

fn active() -> String {
    AccountState::Active.as_str().to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Policy {
    id: PolicyId,
    name: String,
    #[serde(rename = "type")]
    kind: PolicyType,
    #[serde(default)]
    aws_managed: bool,
    content: Option<PolicyContent>,
    #[serde(default)]
    tags: Tags,
    #[serde(default)]
    targets: BTreeSet<PolicyTarget>,
}

/// The moment the organization was seen at. Nothing that is compared depends on it.
pub(crate) const SEEN: Timestamp = Timestamp::UNIX_EPOCH;

/// Reads the document.
pub(crate) fn read(path: &Path) -> Result<Snapshot, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    parse(&text).map_err(|(key, reason)| Error::Wrong {
        path: path.to_owned(),
        key,
        reason,
    })
}

/// Where it is wrong, and how.
type Finding = (String, String);

fn parse(text: &str) -> Result<Snapshot, Finding> {
    let options = serde_saphyr::options! { with_snippet: false };
    let value: Value = serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| ("the document".to_owned(), error.to_string()))?;
    // Before anything else: of another version nothing is known.
    if value["version"].as_u64() != Some(VERSION) {
        let reason = format!("must be {VERSION}, and is {}", value["version"]);
        return Err(("version".to_owned(), reason));
    }
    let document: Document = serde_path_to_error::deserialize(&value)
        .map_err(|error| (error.path().to_string(), error.inner().to_string()))?;
    let mut snapshot = Snapshot::default();
    for (index, object) in document.objects.into_iter().enumerate() {
        snapshot
            .objects
            .take(&object)
            .map_err(|(key, reason)| (format!("objects[{index}].{key}"), reason))?;
    }
    if let Some(organization) = document.organization {
        let seen = Observation::Full {
            look: 1,
            began: SEEN,
            snapshot: Box::new(organization.snapshot()?),
        };
        snapshot.observed.observe(seen, SEEN);
        // It is all there is to see: nothing is read again before something is said of an account.
        for account in snapshot.observed.accounts.values_mut() {
            account.tags_confirmed = true;
        }
    }
    Ok(snapshot)
}

impl Objects {
    fn take(&mut self, object: &Value) -> Result<(), Finding> {
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let (name, namespace) = (text("/metadata/name"), text("/metadata/namespace"));
        if name.is_empty() {
            return Err(("metadata.name".to_owned(), "is missing".to_owned()));
        }
        match text("/kind") {
            "AwsAccount" => {
                let key = AccountKey::new(namespace, name);
                self.accounts.insert(key, decoded(object));
            }
            "Baseline" => drop(self.baselines.insert(name.to_owned(), decoded(object))),
            "BaselineRevision" => drop(self.revisions.insert(name.to_owned(), decoded(object))),
            "Namespace" => {
                let namespace = Namespace::deserialize(object)
                    .map_err(|error| ("metadata".to_owned(), error.to_string()))?;
                let labels = namespace.metadata.labels.unwrap_or_default();
                self.namespaces.insert(name.to_owned(), labels);
            }
            other => {
                let reason = format!("is {other:?}; {KINDS} are read");
                return Err(("kind".to_owned(), reason));
            }
        }
        Ok(())
    }
}

/// As the operator has it: what cannot be decoded keeps its claim.
fn decoded<K: DeserializeOwned>(object: &Value) -> Decoded<K> {
    match K::deserialize(object) {
        Ok(object) => Decoded::Good(Arc::new(object)),
        Err(error) => Decoded::Poison(error.to_string()),
    }
}

impl Organization {
    fn snapshot(self) -> Result<model::Snapshot, Finding> {
        let mut accounts = Vec::with_capacity(self.accounts.len());
        let mut tags = BTreeMap::new();
        for (index, account) in self.accounts.into_iter().enumerate() {
            let state = state(&account.state).ok_or_else(|| {
                let reason = format!("{:?} is no state of an account", account.state);
                (format!("organization.accounts[{index}].state"), reason)
            })?;
            tags.insert(account.id.clone(), account.tags);
            accounts.push(ObservedAccount {
                arn: format!(
                    "arn:aws:organizations::{}:account/{}/{}",
                    self.management, self.id, account.id
                ),
                id: account.id,
                email: account.email,
                name: account.name,
                state,
                parent: account.parent,
                tags: None,
                tags_confirmed: false,
            });
        }
        let mut policies = ListedPolicies::default();
        for policy in self.policies {
            if !policy.aws_managed {
                policies.attachments.push((policy.id.clone(), policy.targets));
            }
            policies.policies.push(ObservedPolicy {
                id: policy.id,
                name: policy.name,
                policy_type: policy.kind,
                aws_managed: policy.aws_managed,
                content: policy.content,
                tags: Some(policy.tags),
            });
        }
        let unit = |unit: Unit| ObservedUnit {
            id: unit.id,
            name: unit.name,
            parent: unit.parent,
        };
        Ok(model::Snapshot {
            organization: self.id,
            management: self.management,
            root: self.root,
            units: self.units.into_iter().map(unit).collect(),
            accounts,
            tags,
            in_progress: Vec::new(),
            policy_types: self.policy_types,
            policies,
        })
    }
}

fn state(text: &str) -> Option<AccountState> {
    let known = [
        AccountState::PendingActivation,
        AccountState::Active,
        AccountState::Suspended,
        AccountState::PendingClosure,
        AccountState::Closed,
    ];
    known.into_iter().find(|state| state.as_str() == text)
}
