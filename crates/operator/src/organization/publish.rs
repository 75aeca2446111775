//! Stage 7: one server-side-apply patch per object whose status changed, and Events once it is written.

use super::{Driver, resolve::Picture};
use crate::{
    events::{Happening, publish, transitions},
    journal::{timed, without_nulls},
    status::{self, AccountInput, BaselineInput, OrganizationInput, was_ready},
    store::Key,
};
use api::{
    AwsAccount, Baseline, FIELD_MANAGER, Organization,
    conditions::{READY, STALLED},
};
use desired::Decoded;
use executor::{Access, Clock, JournalError, Organizations};
use futures::FutureExt;
use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{
    Api, Resource, ResourceExt,
    api::{ObjectMeta, Patch, PatchParams, PostParams},
};
use model::{AccountKey, ApprovalPolicy, Plan, Reason, Verdict};
use rand::Rng;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};
use tokio::time::{Duration, Instant};

/// Status patches that are under way at the same time.
const PATCHES: usize = 16;

/// An object of one of the kinds with a status.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    Account(Key),
    Baseline(Key),
    Organization(Key),
}

/// What was written.
pub(crate) enum Published {
    Account(Key, Result<Box<AwsAccount>, JournalError>, Vec<Happening>),
    Baseline(Key, Result<Box<Baseline>, JournalError>, Vec<Happening>),
    Organization(Key, Result<Box<Organization>, JournalError>, Vec<Happening>),
    Event,
    /// What was seen of the admission policy on Approvals; not a write.
    ApprovalPolicy(Option<ApprovalPolicy>),
}

/// Which objects have a patch under way, and which rest after a failed one.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    under_way: BTreeSet<Subject>,
    resting: BTreeMap<Subject, (Instant, u32)>,
    /// The stall that each object has been told of, until it is Ready.
    stalls: BTreeMap<Subject, Stall>,
    /// The stall that a patch under way tells.
    telling: BTreeMap<Subject, Stall>,
}

/// A stall: which object and which spec of it, reason and message.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stall {
    uid: Option<String>,
    generation: Option<i64>,
    reason: String,
    message: String,
}

impl Memory {
    /// What of this is news: a stall that went away only because Bulkhead tried again is none when it is back as it was.
    fn news(
        &mut self,
        subject: &Subject,
        meta: &ObjectMeta,
        conditions: &[Condition],
        mut happenings: Vec<Happening>,
    ) -> Vec<Happening> {
        let is = |type_: &str| conditions.iter().find(|c| c.type_ == type_ && c.status == "True");
        if is(READY).is_some() {
            self.stalls.remove(subject);
        }
        let Some(stalled) = is(STALLED) else {
            return happenings;
        };
        let stall = Stall {
            uid: meta.uid.clone(),
            generation: meta.generation,
            reason: stalled.reason.clone(),
            message: stalled.message.clone(),
        };
        if self.stalls.get(subject) == Some(&stall) {
            happenings.retain(|happening| happening.reason != stall.reason);
        } else {
            // Not told before it is written.
            self.telling.insert(subject.clone(), stall);
        }
        happenings
    }
    /// Is what is done for this object another try at what stalled?
    pub(crate) fn is_another_try(&self, key: &AccountKey) -> bool {
        let key = (key.namespace.clone(), key.name.clone());
        self.stalls.contains_key(&Subject::Account(key))
    }
    /// Forgets stalls of accounts that are gone, once there are more stalls than objects.
    fn forget(&mut self, picture: &Picture) {
        if self.stalls.len() > picture.accounts.len() + picture.baselines.len() + 1 {
            self.stalls.retain(|subject, _| match subject {
                Subject::Account((namespace, name)) => {
                    picture.accounts.contains_key(&AccountKey::new(namespace, name))
                }
                Subject::Baseline((_, name)) => picture.baselines.contains_key(name),
                Subject::Organization(_) => true,
            });
        }
    }
    fn may_write(&self, subject: &Subject) -> bool {
        !self.under_way.contains(subject)
            && self.under_way.len() < PATCHES
            && self
                .resting
                .get(subject)
                .is_none_or(|(until, _)| *until <= Instant::now())
    }
    fn failed(&mut self, subject: Subject) {
        let failures = self.resting.get(&subject).map_or(0, |(_, failures)| *failures) + 1;
        let rest = Duration::from_millis(200) * 2_u32.pow(failures.min(8));
        self.resting.insert(subject, (Instant::now() + rest, failures));
    }
    /// When the next resting object may be written again.
    fn next(&self) -> Option<Instant> {
        self.resting
            .values()
            .map(|(until, _)| *until)
            .filter(|until| *until > Instant::now())
            .min()
    }
}

/// Writes one status; the resourceVersion it was computed from makes it a compare-and-swap.
async fn write<K>(
    api: Api<K>,
    name: String,
    version: Option<String>,
    status: Value,
) -> Result<K, JournalError>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let patch = json!({
        "apiVersion": K::api_version(&()), "kind": K::kind(&()),
        "metadata": {"name": name, "resourceVersion": version},
        "status": status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    timed(api.patch_status(&name, &params, &Patch::Apply(&without_nulls(patch)))).await
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
trait OwnPart: Serialize + PartialEq {
    fn own_part(&self) -> Self;
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
}

impl OwnPart for api::BaselineStatus {
    fn own_part(&self) -> Self {
        self.clone()
    }
}

impl OwnPart for api::OrganizationStatus {
    fn own_part(&self) -> Self {
        Self {
            brake: None,
            ..self.clone()
        }
    }
}

impl<A, C> Driver<'_, A, C>
where
    A: Organizations + Access + Clone,
    C: Clock,
{
    /// Computes every status and writes those that changed.
    pub(crate) fn publish(&mut self, picture: &Picture, plan: &Plan) {
        let overall = plan.overall.as_ref();
        let blocked = match overall {
            Some(Verdict::Refused(reason, message)) => Some(format!("{reason}: {message}")),
            _ => self
                .broken
                .as_ref()
                .map(|finding| format!("the plan breaks a rule: {finding}")),
        };
        self.operator.health.blocked(blocked);
        // The few before the many: all share the places for patches under way.
        self.publish_organization(overall);
        self.publish_baselines(picture, plan);
        self.publish_accounts(picture, plan);
        self.published.forget(picture);
        if let Some(at) = self.published.next() {
            let wait = at.duration_since(Instant::now());
            let at = self
                .context
                .clock
                .now()
                .checked_add(wait)
                .unwrap_or(jiff::Timestamp::MAX);
            self.wake.at(at);
        }
    }

    fn publish_accounts(&mut self, picture: &Picture, plan: &Plan) {
        let now = self.context.clock.now();
        let blind = self.observed.full.is_none()
            && !matches!(
                plan.overall,
                Some(Verdict::Refused(Reason::OrganizationClaimed, _))
            );
        let mut counts: BTreeMap<&'static str, i64> = BTreeMap::new();
        for (key, account) in &picture.accounts {
            let Decoded::Good(object) = account else {
                *counts.entry(Reason::Undecodable.as_str()).or_default() += 1;
                continue;
            };
            let rejection = picture.resolved.rejections.get(key);
            let view = plan.accounts.get(key);
            let reason = rejection
                .map(|r| r.reason)
                .or_else(|| view.map(|view| view.verdict.reason()));
            if let Some(reason) = reason {
                *counts.entry(reason.as_str()).or_default() += 1;
            }
            let status = status::account(AccountInput {
                object,
                default_baseline: self.operator.config.default_baseline.as_deref(),
                rejection,
                desired: picture.resolved.desired.accounts.get(key),
                view,
                blind,
                overall: plan.overall.is_some(),
                now,
            });
            let Some(status) = status else { continue };
            let Some(value) = differs(object.status.as_ref(), &status) else {
                continue;
            };
            let key: Key = (key.namespace.clone(), key.name.clone());
            let subject = Subject::Account(key.clone());
            if !self.published.may_write(&subject) {
                continue;
            }
            self.published.under_way.insert(subject.clone());
            let before = object
                .status
                .as_ref()
                .map(|status| status.conditions.clone())
                .unwrap_or_default();
            let happenings = transitions(&before, &status.conditions);
            let happenings = self
                .published
                .news(&subject, &object.metadata, &status.conditions, happenings);
            let api: Api<AwsAccount> = Api::namespaced(self.operator.client.clone(), &key.0);
            let version = object.resource_version();
            self.publishing.push(
                async move {
                    let answer = write(api, key.1.clone(), version, value).await.map(Box::new);
                    Published::Account(key, answer, happenings)
                }
                .boxed_local(),
            );
        }
        self.operator.metrics.accounts(&counts);
    }

    fn publish_baselines(&mut self, picture: &Picture, plan: &Plan) {
        for (name, baseline) in &picture.baselines {
            let Decoded::Good(object) = baseline else { continue };
            let (total, ready) = self.users(picture, name);
            let verdict = picture
                .resolved
                .baselines
                .get(name)
                .map_or(Ok(()), |verdict| verdict.as_ref().map(drop));
            let status = status::baseline(&BaselineInput {
                object,
                verdict,
                plan,
                observed: &self.observed,
                total,
                ready,
                now: self.context.clock.now(),
            });
            let Some(value) = differs(object.status.as_ref(), &status) else {
                continue;
            };
            let key: Key = (String::new(), name.clone());
            let subject = Subject::Baseline(key.clone());
            if !self.published.may_write(&subject) {
                continue;
            }
            self.published.under_way.insert(subject.clone());
            let before = object
                .status
                .as_ref()
                .map(|status| status.conditions.clone())
                .unwrap_or_default();
            let happenings = transitions(&before, &status.conditions);
            let happenings = self
                .published
                .news(&subject, &object.metadata, &status.conditions, happenings);
            let api: Api<Baseline> = Api::all(self.operator.client.clone());
            let version = object.resource_version();
            self.publishing.push(
                async move {
                    let answer = write(api, key.1.clone(), version, value).await.map(Box::new);
                    Published::Baseline(key, answer, happenings)
                }
                .boxed_local(),
            );
        }
    }

    /// How many objects use this Baseline, and how many of them are Ready.
    fn users(&self, picture: &Picture, baseline: &str) -> (usize, usize) {
        let default = self.operator.config.default_baseline.as_deref();
        let users = picture.accounts.values().filter_map(|account| match account {
            Decoded::Good(object) => {
                let named = object
                    .spec
                    .baseline_ref
                    .as_ref()
                    .map(|reference| reference.name.as_str());
                (named.or(default) == Some(baseline)).then_some(object)
            }
            Decoded::Poison(_) => None,
        });
        users.fold((0, 0), |(total, ready), object| {
            let conditions: &[Condition] = object.status.as_ref().map_or(&[], |status| &status.conditions);
            (
                total + 1,
                ready + usize::from(was_ready(conditions, object.metadata.generation)),
            )
        })
    }

    /// The Organization is made by the operator, once.
    fn publish_organization(&mut self, overall: Option<&Verdict>) {
        let installation = &self.operator.config.installation;
        let key: Key = (String::new(), installation.to_string());
        let subject = Subject::Organization(key.clone());
        if !self.published.may_write(&subject) {
            return;
        }
        let api: Api<Organization> = Api::all(self.operator.client.clone());
        let Some(object) = self.stores.read(|stores| stores.organizations.good(&key)) else {
            self.published.under_way.insert(subject);
            self.publishing.push(
                async move {
                    let made = Organization {
                        metadata: kube::api::ObjectMeta {
                            name: Some(key.1.clone()),
                            ..Default::default()
                        },
                        ..Organization::default()
                    };
                    let answer = timed(api.create(&PostParams::default(), &made))
                        .await
                        .map(Box::new);
                    Published::Organization(key, answer, Vec::new())
                }
                .boxed_local(),
            );
            return;
        };
        let status = status::organization(&OrganizationInput {
            object: &object,
            installation,
            observed: &self.observed,
            mark: &self.mark,
            overall,
            now: self.context.clock.now(),
        });
        let Some(value) = differs(object.status.as_ref(), &status) else {
            return;
        };
        self.published.under_way.insert(subject.clone());
        let before = object
            .status
            .as_ref()
            .map(|status| status.conditions.clone())
            .unwrap_or_default();
        let happenings = transitions(&before, &status.conditions);
        let happenings = self
            .published
            .news(&subject, &object.metadata, &status.conditions, happenings);
        let version = object.resource_version();
        self.publishing.push(
            async move {
                let answer = write(api, key.1.clone(), version, value).await.map(Box::new);
                Published::Organization(key, answer, happenings)
            }
            .boxed_local(),
        );
    }

    /// A status is written, or not. Says whether to plan again.
    pub(crate) fn has_published(&mut self, published: Published) -> bool {
        match published {
            Published::Event => return false,
            Published::ApprovalPolicy(policy) => self.policy.looked(policy),
            Published::Account(key, answer, happenings) => {
                let stores = self.stores.clone();
                let keep = move |object: AwsAccount| stores.write(|stores| stores.accounts.overlay(object));
                self.settled(Subject::Account(key), answer, happenings, keep);
            }
            Published::Baseline(key, answer, happenings) => {
                let stores = self.stores.clone();
                let keep = move |object: Baseline| stores.write(|stores| stores.baselines.overlay(object));
                self.settled(Subject::Baseline(key), answer, happenings, keep);
            }
            Published::Organization(key, answer, happenings) => {
                let stores = self.stores.clone();
                let keep = move |object: Organization| {
                    stores.write(|stores| stores.organizations.overlay_new(object));
                };
                self.settled(Subject::Organization(key), answer, happenings, keep);
            }
        }
        true
    }

    fn settled<K>(
        &mut self,
        subject: Subject,
        answer: Result<Box<K>, JournalError>,
        happenings: Vec<Happening>,
        keep: impl Fn(K),
    ) where
        K: Resource<DynamicType = ()>,
    {
        self.published.under_way.remove(&subject);
        self.operator.metrics.kubernetes_write();
        match answer {
            Ok(object) => {
                self.published.resting.remove(&subject);
                if let Some(stall) = self.published.telling.remove(&subject) {
                    self.published.stalls.insert(subject, stall);
                }
                let about = object.object_ref(&());
                self.say(about, happenings);
                keep(*object);
            }
            Err(error) => {
                if !matches!(error, JournalError::Conflict | JournalError::Gone) {
                    tracing::warn!(?subject, %error, "status could not be written");
                }
                self.published.telling.remove(&subject);
                self.published.failed(subject);
            }
        }
    }

    /// Events about one object, in their order.
    fn say(&mut self, about: ObjectReference, happenings: Vec<Happening>) {
        if happenings.is_empty() {
            return;
        }
        let told: Vec<(Happening, u64)> = happenings
            .into_iter()
            .map(|happening| (happening, self.random.next_u64()))
            .collect();
        let (client, now) = (self.operator.client.clone(), self.context.clock.now());
        let host = self.term.identity.clone();
        self.publishing.push(
            async move {
                for (happening, id) in told {
                    tracing::info!(
                        kind = about.kind,
                        namespace = about.namespace,
                        name = about.name,
                        event = happening.reason,
                        note = happening.note,
                        "event"
                    );
                    publish(client.clone(), about.clone(), happening, id, now, host.clone()).await;
                }
                Published::Event
            }
            .boxed_local(),
        );
    }

    /// Tells of something on one AwsAccount that no condition shows.
    pub(crate) fn tell(&mut self, key: &AccountKey, warning: bool, reason: Reason, note: &str) {
        let key: Key = (key.namespace.clone(), key.name.clone());
        if let Some(object) = self.stores.read(|stores| stores.accounts.good(&key)) {
            let happening = Happening {
                warning,
                reason: reason.as_str().to_owned(),
                note: note.to_owned(),
            };
            self.say(object.object_ref(&()), vec![happening]);
        }
    }
}
