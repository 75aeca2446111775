//! BaselineRevisions: made when a Baseline is accepted, deleted when nothing needs them any more. Never changed.

use super::{
    Published,
    memory::Subject,
    write::{NotWritten, Written},
};
use crate::{
    journal::timed,
    organization::{Driver, resolve::Picture},
    store::{Key, key_of},
};
use api::{BaselineRevision, BaselineRevisionSpec};
use desired::Decoded;
use executor::{Access, Clock, Organizations};
use futures::FutureExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, ObjectMeta, Preconditions},
};
use std::collections::{BTreeMap, BTreeSet};

/// History of a Baseline that says nothing, or is gone.
const HISTORY: usize = 10;

/// One revision, as far as its place in the history is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept<'a> {
    name: &'a str,
    baseline: &'a str,
    created: Option<&'a Time>,
}

/// The revisions that nothing refers to, beyond the newest `limit` of these per Baseline.
fn surplus<'a>(
    revisions: &[Kept<'a>],
    needed: &BTreeSet<String>,
    limit: impl Fn(&str) -> usize,
) -> Vec<&'a str> {
    let mut by_baseline: BTreeMap<&str, Vec<&Kept<'a>>> = BTreeMap::new();
    for revision in revisions
        .iter()
        .filter(|revision| !needed.contains(revision.name))
    {
        by_baseline.entry(revision.baseline).or_default().push(revision);
    }
    let mut surplus = Vec::new();
    for (baseline, mut unneeded) in by_baseline {
        unneeded.sort_by_key(|revision| {
            (
                std::cmp::Reverse(revision.created.map(|time| time.0)),
                revision.name,
            )
        });
        surplus.extend(
            unneeded
                .iter()
                .skip(limit(baseline))
                .map(|revision| revision.name),
        );
    }
    surplus
}

impl<A, C> Driver<'_, A, C>
where
    A: Organizations + Access + Clone,
    C: Clock,
{
    /// Makes the revisions of accepted Baselines, and trims the history.
    pub(super) fn publish_revisions(&mut self, picture: &Picture) {
        let api: Api<BaselineRevision> = Api::all(self.operator.client.clone());
        for (name, spec) in &picture.resolved.revisions {
            let key: Key = (String::new(), name.to_string());
            let subject = Subject::Revision(key.clone());
            let exists = self.stores.read(|stores| stores.revisions.get(&key).is_some());
            if !exists && self.published.may_write(&subject) {
                self.create(subject, api.clone(), object(name.as_str(), spec));
            }
        }
        for revision in self.unneeded(picture) {
            let key = key_of(revision.as_ref());
            let subject = Subject::Revision(key.clone());
            if !self.published.may_write(&subject) {
                continue;
            }
            self.published.begin(subject.clone());
            let api = api.clone();
            self.publishing.push(
                async move {
                    // This very object: another of its name may have been applied since.
                    let params = DeleteParams {
                        preconditions: Some(Preconditions {
                            uid: revision.uid(),
                            resource_version: revision.resource_version(),
                        }),
                        ..DeleteParams::default()
                    };
                    let about = Box::new(revision.object_ref(&()));
                    let answer = timed(api.delete(&key.1, &params)).await.map(|_| Written {
                        about,
                        keep: Box::new(move |stores| stores.revisions.forget(&key)),
                    });
                    Published::Written(subject, answer.map_err(NotWritten::Failed), Vec::new())
                }
                .boxed_local(),
            );
        }
    }

    /// What may be deleted. While an object could not be judged nobody knows what it refers to, and nothing is.
    fn unneeded(&self, picture: &Picture) -> Vec<std::sync::Arc<BaselineRevision>> {
        if picture.resolved.desired.incomplete || self.observed.full.is_none() {
            return Vec::new();
        }
        let revisions: Vec<&std::sync::Arc<BaselineRevision>> =
            picture.revisions.values().filter_map(Decoded::good).collect();
        let limit = |baseline: &str| match picture.baselines.get(baseline) {
            Some(Decoded::Good(baseline)) => baseline
                .spec
                .revision_history_limit
                .and_then(|limit| usize::try_from(limit).ok())
                .unwrap_or(HISTORY),
            _ => HISTORY,
        };
        // What is needed is asked of every account, so only when a history is longer than it may be at all.
        let mut lengths: BTreeMap<&str, usize> = BTreeMap::new();
        for revision in &revisions {
            *lengths.entry(revision.spec.baseline.as_str()).or_default() += 1;
        }
        if lengths
            .iter()
            .all(|(baseline, length)| *length <= limit(baseline))
        {
            return Vec::new();
        }
        let needed = needed(picture, &self.observed);
        let names: Vec<String> = revisions.iter().map(|revision| revision.name_any()).collect();
        let kept: Vec<Kept<'_>> = names
            .iter()
            .zip(&revisions)
            .map(|(name, revision)| Kept {
                name,
                baseline: &revision.spec.baseline,
                created: revision.meta().creation_timestamp.as_ref(),
            })
            .collect();
        let surplus: BTreeSet<&str> = surplus(&kept, &needed, limit).into_iter().collect();
        names
            .iter()
            .zip(&revisions)
            .filter(|(name, _)| surplus.contains(name.as_str()))
            .map(|(_, revision)| (*revision).clone())
            .collect()
    }
}

/// Every revision that something refers to: the Baselines, the objects, and the accounts in AWS, whose objects may be
/// applied again later.
fn needed(picture: &Picture, observed: &model::ObservedOrg) -> BTreeSet<String> {
    let mut needed: BTreeSet<String> = picture
        .resolved
        .revisions
        .keys()
        .map(ToString::to_string)
        .collect();
    for baseline in picture.baselines.values() {
        if let Decoded::Good(baseline) = baseline
            && let Some(status) = &baseline.status
        {
            let latest = status
                .latest_revision
                .iter()
                .map(|revision| revision.name.clone());
            let current = status.environments.iter().filter_map(|environment| {
                environment
                    .revision
                    .as_ref()
                    .map(|revision| revision.name.clone())
            });
            needed.extend(latest.chain(current));
        }
    }
    needed.extend(picture.promoted.references.iter().map(ToString::to_string));
    for entry in picture.resolved.journal.values() {
        needed.extend(
            entry
                .assigned
                .iter()
                .map(|assigned| assigned.revision.name.to_string()),
        );
        needed.extend(entry.applied.iter().map(ToString::to_string));
    }
    for account in observed.accounts.values() {
        let tag = account
            .tags
            .as_ref()
            .and_then(|tags| tags.get(model::tag_keys::REVISION));
        let carried = tag.and_then(|tag| model::Carried::parse(tag.as_str()).revision);
        needed.extend(carried.map(|revision| revision.to_string()));
    }
    needed
}

/// Nothing of the Baseline's own labels and annotations: those by which Argo CD tracks it would have it prune the revision.
/// It has no owner either, which would take revisions in use with it; Argo CD is told that it is not missing from Git.
fn object(name: &str, spec: &BaselineRevisionSpec) -> BaselineRevision {
    let text = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    let digits = name.rsplit_once('-').map_or(name, |(_, digits)| digits);
    let labels = [
        ("bulkhead.dev/baseline", spec.baseline.as_str()),
        ("bulkhead.dev/revision-hash", digits),
    ];
    let annotations = [("argocd.argoproj.io/compare-options", "IgnoreExtraneous")];
    BaselineRevision {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(labels.map(text).into()),
            annotations: Some(annotations.map(text).into()),
            ..ObjectMeta::default()
        },
        spec: spec.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    #[test]
    fn a_revision_can_be_found_by_its_baseline_and_is_no_stray_to_argo_cd() {
        let spec = serde_json::json!({
            "baseline": "river.v2", "hash": format!("sha256:{}", "0123456789abcdef".repeat(4)), "environments": [],
        });
        let made = object("river.v2-0123456789", &serde_json::from_value(spec).unwrap());
        let labels = made.metadata.labels.unwrap();
        assert_eq!(labels["bulkhead.dev/baseline"], "river.v2");
        assert_eq!(labels["bulkhead.dev/revision-hash"], "0123456789");
        let annotations = made.metadata.annotations.unwrap();
        assert_eq!(
            annotations["argocd.argoproj.io/compare-options"],
            "IgnoreExtraneous"
        );
    }

    #[test]
    fn the_oldest_that_nothing_needs_go_beyond_the_limit_of_their_baseline() {
        let times: Vec<Time> = (0..6)
            .map(|n| Time(Timestamp::from_second(n * 60).unwrap()))
            .collect();
        let names = ["a-0", "a-1", "a-2", "a-3", "b-0", "b-1"];
        let revisions: Vec<Kept<'_>> = names
            .iter()
            .zip(&times)
            .map(|(name, created)| Kept {
                name,
                baseline: &name[..1],
                created: Some(created),
            })
            .collect();
        let needed = BTreeSet::from(["a-0".to_owned()]);
        let limit = |baseline: &str| if baseline == "a" { 1 } else { 5 };
        assert_eq!(
            surplus(&revisions, &needed, limit),
            ["a-2", "a-1"],
            "a-0 is needed, a-3 is the newest"
        );
        assert_eq!(surplus(&revisions, &BTreeSet::new(), |_| 9), [""; 0]);
    }
}
