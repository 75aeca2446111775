//! What there is now: the objects of the cluster and the organization, at one moment.

use super::document::{Document, Finding};
use api::{Approval, AwsAccount, Baseline, BaselineRevision, EnvironmentPromotion};
use desired::Decoded;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use model::{AccountKey, Installation, ObservedOrg};
use operator::Config;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What is read of every document.
const KINDS: &str =
    "Approval, AwsAccount, Baseline, BaselineRevision, EnvironmentPromotion, Namespace and Organization";

/// Why a document cannot be used. Whoever wrote it should act.
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
    #[error("{} cannot be written", path.display())]
    Unwritable { path: PathBuf, source: io::Error },
    #[error("the snapshot cannot be written as JSON")]
    Json(#[source] serde_json::Error),
}

/// Objects of the cluster.
#[derive(Clone, Debug, Default)]
pub(crate) struct Objects {
    pub(crate) accounts: BTreeMap<AccountKey, Decoded<AwsAccount>>,
    pub(crate) baselines: BTreeMap<String, Decoded<Baseline>>,
    pub(crate) revisions: BTreeMap<String, Decoded<BaselineRevision>>,
    pub(crate) promotions: BTreeMap<String, Decoded<EnvironmentPromotion>>,
    /// Labels by name.
    pub(crate) namespaces: BTreeMap<String, BTreeMap<String, String>>,
    /// One that cannot be decoded decides nothing, and is not here.
    pub(crate) approvals: Vec<Approval>,
}

/// What there is now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// When it was taken.
    pub(crate) at: Timestamp,
    /// Whose organization it is, if the document says so.
    pub(crate) installation: Option<Installation>,
    /// Its configuration, if the document has one.
    pub(crate) config: Option<Config>,
    pub(crate) objects: Objects,
    /// Nobody has looked: of the cluster and the organization nothing is known.
    pub(crate) blind: bool,
    /// The organization; empty: nothing of it is known, and nothing is in it.
    pub(crate) observed: ObservedOrg,
}

/// The moment a document was taken at that does not say it.
pub(crate) const SEEN: Timestamp = Timestamp::UNIX_EPOCH;

/// Reads a document.
pub(crate) fn read(path: &Path) -> Result<Snapshot, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let snapshot = Document::parse(&text).and_then(Document::snapshot);
    snapshot.map_err(|(key, reason)| Error::Wrong {
        path: path.to_owned(),
        key,
        reason,
    })
}

/// Writes a document.
pub(super) fn save(path: &Path, document: &Document) -> Result<(), Error> {
    let mut text = serde_json::to_string_pretty(document).map_err(Error::Json)?;
    text.push('\n');
    std::fs::write(path, text).map_err(|source| Error::Unwritable {
        path: path.to_owned(),
        source,
    })
}

impl Objects {
    /// Takes in one object as the API server gives it.
    pub(super) fn take(&mut self, object: &Value) -> Result<(), Finding> {
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
            "EnvironmentPromotion" => drop(self.promotions.insert(name.to_owned(), decoded(object))),
            "Namespace" => {
                let namespace = Namespace::deserialize(object)
                    .map_err(|error| ("metadata".to_owned(), error.to_string()))?;
                let labels = namespace.metadata.labels.unwrap_or_default();
                self.namespaces.insert(name.to_owned(), labels);
            }
            "Approval" => self.approvals.extend(Approval::deserialize(object)),
            // It tells whose organization it is, which is looked at before anything is compared.
            "Organization" => {}
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
