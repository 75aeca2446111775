//! Writing one status, whatever the kind.

use super::{
    Published,
    memory::{Asked, Subject},
};
use crate::{
    events::Happening,
    journal::{timed, without_nulls},
    organization::Driver,
    store::{Cache, Key, Stores},
};
use api::{AwsAccount, Baseline, BaselineRevision, EnvironmentPromotion, FIELD_MANAGER, Organization};
use executor::{Access, Clock, JournalError, Organizations};
use futures::FutureExt;
use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
    core::object::HasStatus,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::fmt::Debug;

/// Why something was not written.
#[derive(Debug)]
pub(crate) enum NotWritten {
    /// Kubernetes refuses it for what it is, whenever it is written.
    Unacceptable(Asked, String),
    /// Anything else.
    Failed(JournalError),
}

/// Is this written in vain, whenever it is? It is invalid or too large; etcd's limit comes as an error of the API server.
fn unacceptable(status: &kube::core::Status) -> bool {
    let large = ["request is too large", "larger than max"];
    matches!(status.code, 413 | 422)
        || (status.code >= 500 && large.iter().any(|words| status.message.contains(words)))
}

/// Writes one status; the resourceVersion it was computed from makes it a compare-and-swap.
async fn write<K>(
    api: Api<K>,
    name: String,
    version: Option<String>,
    status: Value,
) -> Result<Result<K, String>, JournalError>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let patch = json!({
        "apiVersion": K::api_version(&()), "kind": K::kind(&()),
        "metadata": {"name": name, "resourceVersion": version},
        "status": status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let patch = Patch::Apply(without_nulls(patch));
    let written = async {
        match api.patch_status(&name, &params, &patch).await {
            Err(kube::Error::Api(status)) if unacceptable(&status) => Ok(Err(status.message)),
            answer => answer.map(Ok),
        }
    };
    timed(written).await
}

/// Does the status say anything new? What the journal and other controllers write is left out of the comparison. This
/// runs for every object at every turn of the loop, so nothing is serialized unless there is something to write.
fn differs<S: OwnPart>(before: Option<&S>, after: &S) -> Option<Value> {
    if before.is_some_and(|before| before.own_part() == *after) {
        return None;
    }
    serde_json::to_value(after).ok()
}

/// The part of a status that this stage writes.
pub(super) trait OwnPart: Serialize + PartialEq {
    fn own_part(&self) -> Self;
    fn conditions(&self) -> &[Condition];
}

fn own_conditions(conditions: &[Condition]) -> Vec<Condition> {
    conditions
        .iter()
        .filter(|condition| api::conditions::ALL.contains(&condition.type_.as_str()))
        .cloned()
        .collect()
}

impl OwnPart for api::AwsAccountStatus {
    fn own_part(&self) -> Self {
        Self {
            creation: None,
            baseline: self.baseline.as_ref().map(|baseline| api::BaselineStatusRef {
                assigned: None,
                ..baseline.clone()
            }),
            conditions: own_conditions(&self.conditions),
            ..self.clone()
        }
    }
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }
}

impl OwnPart for api::BaselineStatus {
    fn own_part(&self) -> Self {
        self.clone()
    }
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }
}

impl OwnPart for api::EnvironmentPromotionStatus {
    fn own_part(&self) -> Self {
        self.clone()
    }
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }
}

impl OwnPart for api::OrganizationStatus {
    fn own_part(&self) -> Self {
        Self {
            brake: None,
            ..self.clone()
        }
    }
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }
}

/// A kind that is kept in a store.
pub(super) trait Kept:
    Resource<DynamicType = ()> + Clone + Serialize + DeserializeOwned + Debug + 'static
{
    fn subject(key: Key) -> Subject;
    fn cache(stores: &mut Stores) -> &mut Cache<Self>;
}

/// A kind whose status this stage writes.
pub(super) trait Told: Kept + HasStatus<Status: OwnPart> {}

impl<K: Kept + HasStatus<Status: OwnPart>> Told for K {}

impl Kept for AwsAccount {
    fn subject(key: Key) -> Subject {
        Subject::Account(key)
    }
    fn cache(stores: &mut Stores) -> &mut Cache<Self> {
        &mut stores.accounts
    }
}

impl Kept for Baseline {
    fn subject(key: Key) -> Subject {
        Subject::Baseline(key)
    }
    fn cache(stores: &mut Stores) -> &mut Cache<Self> {
        &mut stores.baselines
    }
}

impl Kept for Organization {
    fn subject(key: Key) -> Subject {
        Subject::Organization(key)
    }
    fn cache(stores: &mut Stores) -> &mut Cache<Self> {
        &mut stores.organizations
    }
}

impl Kept for EnvironmentPromotion {
    fn subject(key: Key) -> Subject {
        Subject::Promotion(key)
    }
    fn cache(stores: &mut Stores) -> &mut Cache<Self> {
        &mut stores.promotions
    }
}

impl Kept for BaselineRevision {
    fn subject(key: Key) -> Subject {
        Subject::Revision(key)
    }
    fn cache(stores: &mut Stores) -> &mut Cache<Self> {
        &mut stores.revisions
    }
}

/// What a successful write brought.
pub(crate) struct Written {
    /// The object, for Events.
    pub(super) about: Box<ObjectReference>,
    /// Lays the answer over what the watch has brought.
    pub(super) keep: Box<dyn FnOnce(&mut Stores)>,
}

impl<A, C> Driver<'_, A, C>
where
    A: Organizations + Access + Clone,
    C: Clock,
{
    /// Writes a status that says something new, and has the Events told once it is written.
    pub(super) fn write_status<K: Told>(&mut self, api: Api<K>, object: &K, key: Key, status: &K::Status) {
        self.write_told(api, object, key, status, None);
    }

    /// The same; `told`: the Events, where they do not follow from the conditions.
    pub(super) fn write_told<K: Told>(
        &mut self,
        api: Api<K>,
        object: &K,
        key: Key,
        status: &K::Status,
        told: Option<Vec<Happening>>,
    ) {
        let Some(value) = differs(object.status(), status) else {
            return;
        };
        let subject = K::subject(key.clone());
        if !self.published.may_write(&subject) {
            return;
        }
        self.published.begin(subject.clone());
        let happenings = told.unwrap_or_else(|| {
            let before = object.status().map_or(&[][..], OwnPart::conditions);
            let happenings = crate::events::transitions(before, status.conditions());
            self.published
                .news(&subject, object.meta(), status.conditions(), happenings)
        });
        let (version, asked) = (object.resource_version(), Asked::of(object.meta()));
        self.publishing.push(
            async move {
                let answer = match write(api, key.1, version, value).await {
                    Ok(Ok(object)) => Ok(object),
                    Ok(Err(why)) => Err(NotWritten::Unacceptable(asked, why)),
                    Err(error) => Err(NotWritten::Failed(error)),
                };
                let answer = answer.map(|object: K| Written {
                    about: Box::new(object.object_ref(&())),
                    keep: Box::new(|stores| K::cache(stores).overlay(object)),
                });
                Published::Written(subject, answer, happenings)
            }
            .boxed_local(),
        );
    }

    /// A write has ended.
    pub(super) fn written(
        &mut self,
        subject: Subject,
        answer: Result<Written, NotWritten>,
        happenings: Vec<Happening>,
    ) {
        self.operator.metrics.kubernetes_write();
        match answer {
            Ok(Written { about, keep }) => {
                self.published.succeeded(subject);
                self.say(*about, happenings);
                self.stores.write(keep);
            }
            Err(NotWritten::Unacceptable(asked, why)) if matches!(subject, Subject::Promotion(_)) => {
                tracing::error!(
                    ?subject,
                    why,
                    "Kubernetes refuses the status; it is not written again"
                );
                self.published.refused(subject, asked, why);
            }
            Err(NotWritten::Unacceptable(_, why)) => {
                tracing::warn!(?subject, why, "an object could not be written");
                self.published.failed(subject);
            }
            Err(NotWritten::Failed(error)) => {
                if !matches!(error, JournalError::Conflict | JournalError::Gone) {
                    tracing::warn!(?subject, %error, "an object could not be written");
                }
                self.published.failed(subject);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_invalid_or_too_large_is_so_whenever_it_is_written() {
        let is = |code: u16, message: &str| {
            unacceptable(&kube::core::Status {
                code,
                message: message.to_owned(),
                ..kube::core::Status::default()
            })
        };
        assert!(is(422, "Invalid value") && is(413, "limit is 3145728"));
        assert!(is(
            500,
            "rpc error: code = InvalidArgument desc = etcdserver: request is too large"
        ));
        assert!(is(
            500,
            "trying to send message larger than max (2200000 vs. 2097152)"
        ));
        assert!(!is(500, "etcdserver: leader changed") && !is(409, "conflict") && !is(429, "slow down"));
    }
}
