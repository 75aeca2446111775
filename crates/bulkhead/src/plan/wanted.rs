//! What the files want, laid over what there is.

use super::{
    Error,
    difference::{AccountChange, Difference, RefusedBaseline},
    promotions::RefusedPromotion,
    snapshot::Objects,
};
use crate::manifests;
use api::{AwsAccount, Baseline, EnvironmentPromotion};
use desired::Decoded;
use k8s_openapi::{api::core::v1::Namespace, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{Resource, core::object::HasStatus};
use model::AccountKey;
use serde_json::Value;
use simulator::{Manifest, ManifestError};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

const PLANNED: [&str; 3] = ["AwsAccount", "Baseline", "EnvironmentPromotion"];
/// Kinds of ours that nobody asks for an account with.
const PASSED_OVER: [&str; 3] = ["Approval", "BaselineRevision", "Organization"];
const GROUP: &str = "bulkhead.dev/";
const VERSION: &str = "bulkhead.dev/v1alpha1";
/// The label that the API server gives every Namespace.
const NAME: &str = "kubernetes.io/metadata.name";

/// What the files hold.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) accounts: BTreeMap<AccountKey, AwsAccount>,
    pub(super) baselines: BTreeMap<String, Baseline>,
    pub(super) promotions: BTreeMap<String, EnvironmentPromotion>,
    /// Where each promotion stands.
    pub(super) places: BTreeMap<String, Manifest>,
    /// Labels by name.
    pub(super) namespaces: BTreeMap<String, BTreeMap<String, String>>,
}

impl Wanted {
    pub(super) fn load(files: &[PathBuf]) -> Result<Self, Error> {
        let mut places: BTreeMap<String, String> = BTreeMap::new();
        let manifests = manifests::load(files, |manifest| {
            let planned = about(manifest)?;
            if planned {
                let place = format!("{}:{}", manifest.file.display(), manifest.line);
                if let Some(first) = places.insert(manifest.to_string(), place) {
                    let reason = format!("{manifest} stands in {first} too; which one is wanted?");
                    return Err(wrong(manifest, "metadata.name", reason));
                }
            }
            Ok(planned)
        })?;
        let mut wanted = Self::default();
        for manifest in manifests {
            let name = manifest.name().to_owned();
            match manifest.kind() {
                "AwsAccount" => {
                    let namespace = match manifest.namespace() {
                        "" => "default",
                        namespace => namespace,
                    };
                    let mut object: AwsAccount = manifests::decode(&manifest)?;
                    object.metadata.namespace = Some(namespace.to_owned());
                    wanted.accounts.insert(AccountKey::new(namespace, name), object);
                }
                "Baseline" => drop(wanted.baselines.insert(name, manifests::decode(&manifest)?)),
                "EnvironmentPromotion" => {
                    let object = manifests::decode(&manifest)?;
                    wanted.promotions.insert(name.clone(), object);
                    wanted.places.insert(name, manifest);
                }
                _ => {
                    let object: Namespace = manifests::decode(&manifest)?;
                    let mut labels = object.metadata.labels.unwrap_or_default();
                    labels.insert(NAME.to_owned(), name.clone());
                    wanted.namespaces.insert(name, labels);
                }
            }
        }
        Ok(wanted)
    }

    /// Lays what the files hold over what there is. Gives the accounts whose objects would be gone.
    pub(super) fn overlay(&self, objects: &mut Objects, prune: bool) -> BTreeSet<AccountKey> {
        let mut leaving = BTreeSet::new();
        if prune {
            leaving.extend(
                objects
                    .accounts
                    .keys()
                    .filter(|key| !self.accounts.contains_key(*key))
                    .cloned(),
            );
            objects.accounts.retain(|key, _| self.accounts.contains_key(key));
            objects
                .baselines
                .retain(|name, _| self.baselines.contains_key(name));
            objects
                .promotions
                .retain(|name, _| self.promotions.contains_key(name));
        }
        lay(&self.accounts, &mut objects.accounts);
        lay(&self.baselines, &mut objects.baselines);
        lay(&self.promotions, &mut objects.promotions);
        for (name, labels) in &self.namespaces {
            let there = objects.namespaces.entry(name.clone()).or_default();
            there.extend(labels.clone());
        }
        leaving
    }

    /// The one Baseline that there would be, if it is one.
    pub(super) fn only_baseline(&self, objects: &Objects, prune: bool) -> Option<String> {
        let there = objects.baselines.keys().filter(|_| !prune);
        let mut names: BTreeSet<&String> = there.chain(self.baselines.keys()).collect();
        let only = names.pop_first()?;
        names.is_empty().then(|| only.clone())
    }

    /// Is something refused that stands in the files? What was refused before and is not touched is no failure of them.
    pub(super) fn is_refused(&self, difference: &Difference) -> bool {
        let baseline = |refused: &RefusedBaseline| self.baselines.contains_key(&refused.baseline);
        let account = |change: &AccountChange| {
            let key = AccountKey::new(&change.namespace, &change.name);
            let refused = change.reason.as_ref().is_some_and(|why| !why.waits);
            refused && self.accounts.contains_key(&key)
        };
        let promotion =
            |refused: &RefusedPromotion| !refused.waits && self.promotions.contains_key(&refused.promotion);
        difference.refused.iter().any(baseline)
            || difference.accounts.iter().any(account)
            || difference.promotions.iter().any(promotion)
    }

    /// File and line of a promotion's field.
    pub(super) fn place(&self, promotion: &str, path: &str) -> Option<String> {
        let manifest = self.places.get(promotion)?;
        Some(format!("{}:{}", manifest.file.display(), manifest.line_of(path)))
    }
}

/// Is it planned? A kind or a version that Bulkhead does not have is a slip of the pen, and no plan would show it.
fn about(manifest: &Manifest) -> Result<bool, ManifestError> {
    let kind = manifest.kind();
    let version = manifest.object["apiVersion"].as_str().unwrap_or_default();
    let ours = PLANNED.contains(&kind);
    if ours && version != VERSION {
        let reason = format!("apiVersion: {version:?} is none of {kind}: it must be {VERSION:?}");
        return Err(wrong(manifest, "apiVersion", reason));
    }
    if ours || (kind, version) == ("Namespace", "v1") {
        return Ok(true);
    }
    if !version.starts_with(GROUP) || PASSED_OVER.contains(&kind) {
        return Ok(false);
    }
    let reason = format!(
        "kind: {kind:?} is no kind of {version}: {} are planned, {} are passed over",
        PLANNED.join(", "),
        PASSED_OVER.join(", ")
    );
    Err(wrong(manifest, "kind", reason))
}

fn wrong(manifest: &Manifest, key: &str, reason: String) -> ManifestError {
    ManifestError::Wrong {
        file: manifest.file.clone(),
        line: manifest.line_of(key),
        reason,
    }
}

/// Lays objects over what there is, as `kubectl apply` does: the status stays, and so does what others have written.
fn lay<N, K>(wanted: &BTreeMap<N, K>, objects: &mut BTreeMap<N, Decoded<K>>)
where
    N: Ord + Clone,
    K: Resource + HasStatus + Clone,
    K::Status: Clone,
{
    for (name, wanted) in wanted {
        let mut object = wanted.clone();
        if let Some(Decoded::Good(there)) = objects.get(name) {
            *object.status_mut() = there.status().cloned();
            apply(&mut object, there.as_ref());
        }
        objects.insert(name.clone(), Decoded::Good(Arc::new(object)));
    }
}

/// Where kubectl and Argo CD remember what they have applied.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Metadata as `kubectl apply` leaves it: identity and everything that others have written stays, labels and annotations of
/// the file are laid over it, and those that the file had when it was applied last, and has no more, go.
fn apply<K: Resource>(object: &mut K, there: &K) {
    let ObjectMeta {
        labels, annotations, ..
    } = object.meta().clone();
    let mut meta = there.meta().clone();
    let applied = meta.annotations.as_ref().and_then(|all| all.get(LAST_APPLIED));
    let applied: Value = applied
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    for (there, wanted, key) in [
        (&mut meta.labels, labels, "labels"),
        (&mut meta.annotations, annotations, "annotations"),
    ] {
        let had = applied["metadata"][key].as_object();
        let there = there.get_or_insert_default();
        there.retain(|key, _| !had.is_some_and(|had| had.contains_key(key)));
        there.extend(wanted.unwrap_or_default());
    }
    *object.meta_mut() = meta;
}
