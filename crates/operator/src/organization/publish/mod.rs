//! Stage 7: one server-side-apply patch per object whose status changed, and Events once it is written; and the objects
//! that Bulkhead makes itself.

mod memory;
mod revisions;
mod write;

pub(crate) use memory::Memory;

use super::{Driver, approvals::Policies, resolve::Picture};
use crate::{
    events::{Happening, publish},
    journal::timed,
    status::{self, AccountInput, BaselineInput, OrganizationInput, Users, was_ready},
    store::Key,
};
use api::{AwsAccount, Baseline, EnvironmentPromotion, Organization};
use desired::Decoded;
use executor::{Access, Clock, Organizations};
use futures::FutureExt;
use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{
    Api, Resource, ResourceExt,
    api::{ObjectMeta, PostParams},
};
use memory::{Asked, Subject, Tell};
use model::{AccountKey, Plan, Reason, Verdict};
use rand::Rng;
use std::collections::BTreeMap;
use tokio::time::Instant;
use write::{NotWritten, Written};

/// What was written.
pub(crate) enum Published {
    /// A status, or an object of Bulkhead's own.
    Written(Subject, Result<Written, NotWritten>, Vec<Happening>),
    Event,
    /// What was seen of the admission policies; not a write.
    Policies(Option<Policies>),
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
        self.publish_organization(plan);
        self.publish_revisions(picture);
        self.publish_promotions(picture, plan);
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
        let mut updates: BTreeMap<&str, i64> = BTreeMap::new();
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
            let offered = picture.promoted.offered.get(key);
            let environment = object.spec.environment.as_str();
            *updates.entry(environment).or_default() += i64::from(offered.is_some());
            let status = status::account(AccountInput {
                object,
                default_baseline: self.operator.config.default_baseline.as_deref(),
                rejection,
                desired: picture.resolved.desired.accounts.get(key),
                update: picture.resolved.updates.get(key),
                offered,
                view,
                blind,
                overall: plan.overall.is_some(),
                now,
            });
            let Some(status) = status else { continue };
            let key: Key = (key.namespace.clone(), key.name.clone());
            let api: Api<AwsAccount> = Api::namespaced(self.operator.client.clone(), &key.0);
            self.write_status(api, object.as_ref(), key, &status);
        }
        self.operator.metrics.accounts(&counts);
        self.operator.metrics.updates(&updates);
    }

    /// What a promotion decided is stored before anything follows from it.
    fn publish_promotions(&mut self, picture: &Picture, plan: &Plan) {
        let now = self.context.clock.now();
        for said in &picture.said {
            let status = match (&said.step, &plan.overall) {
                (Some(step), _) => match crate::promotion::status(&said.object, step, now) {
                    Ok(status) => status,
                    Err(error) => {
                        tracing::error!(error, "the status of a promotion cannot be written");
                        continue;
                    }
                },
                (None, Some(Verdict::Refused(reason, message))) => {
                    crate::promotion::stands_still(&said.object, reason.as_str(), message, now)
                }
                (None, _) => continue,
            };
            let key: Key = (String::new(), said.object.name_any());
            let api: Api<EnvironmentPromotion> = Api::all(self.operator.client.clone());
            let asked = Asked::of(&said.object.metadata);
            match self.published.tell(&Subject::Promotion(key.clone()), &asked) {
                Tell::All => {
                    let told = said.step.as_ref().map(super::promote::happenings);
                    self.write_told(api, said.object.as_ref(), key, &status, told);
                }
                // Its Events follow from the conditions: those of a step that is not taken are not told.
                Tell::Refusal(why) => {
                    let status = crate::promotion::refused(&said.object, why, now);
                    self.write_told(api, said.object.as_ref(), key, &status, None);
                }
                Tell::Nothing => {}
            }
        }
    }

    fn publish_baselines(&mut self, picture: &Picture, plan: &Plan) {
        for (name, baseline) in &picture.baselines {
            let Decoded::Good(object) = baseline else { continue };
            let resolved = &picture.resolved;
            let (Some(verdict), Some(environments)) =
                (resolved.baselines.get(name), resolved.environments.get(name))
            else {
                continue;
            };
            let users = self.users(picture, name);
            let newest = verdict
                .as_ref()
                .ok()
                .and_then(|head| resolved.revisions.get(&head.name));
            let status = status::baseline(&BaselineInput {
                object,
                verdict: verdict.as_ref(),
                environments,
                plan,
                observed: &self.observed,
                users: &users,
                malformed: newest.and_then(|newest| status::malformed(newest, &self.held)),
                now: self.context.clock.now(),
            });
            let api: Api<Baseline> = Api::all(self.operator.client.clone());
            self.write_status(api, object.as_ref(), (String::new(), name.clone()), &status);
        }
    }

    /// The objects that use this Baseline.
    fn users(&self, picture: &Picture, baseline: &str) -> Users {
        let default = self.operator.config.default_baseline.as_deref();
        let mut users = Users::default();
        for account in picture.accounts.values() {
            let Decoded::Good(object) = account else { continue };
            if object.spec.baseline_or(default) != Some(baseline) {
                continue;
            }
            let status = object.status.as_ref();
            let conditions: &[Condition] = status.map_or(&[], |status| &status.conditions);
            users.total += 1;
            users.ready += usize::from(was_ready(conditions, object.metadata.generation));
            let assigned = status.and_then(|status| status.baseline.as_ref()?.assigned.as_ref());
            if let Some(assigned) = assigned {
                *users.by_revision.entry(assigned.revision.clone()).or_default() += 1;
            }
        }
        users
    }

    /// The Organization is made by the operator, once.
    fn publish_organization(&mut self, plan: &Plan) {
        let installation = &self.operator.config.installation;
        let key: Key = (String::new(), installation.to_string());
        let subject = Subject::Organization(key.clone());
        if !self.published.may_write(&subject) {
            return;
        }
        let api: Api<Organization> = Api::all(self.operator.client.clone());
        let Some(object) = self.stores.read(|stores| stores.organizations.good(&key)) else {
            let made = Organization {
                metadata: ObjectMeta {
                    name: Some(key.1),
                    ..ObjectMeta::default()
                },
                ..Organization::default()
            };
            self.create(subject, api, made);
            return;
        };
        let status = status::organization(&OrganizationInput {
            object: &object,
            installation,
            observed: &self.observed,
            mark: &self.mark,
            overall: plan.overall.as_ref(),
            strays: &plan.strays,
            now: self.context.clock.now(),
        });
        self.write_status(api, object.as_ref(), key, &status);
    }

    /// Makes an object of Bulkhead's own.
    fn create<K: write::Kept>(&mut self, subject: Subject, api: Api<K>, object: K) {
        self.published.begin(subject.clone());
        self.publishing.push(
            async move {
                let answer = timed(api.create(&PostParams::default(), &object)).await;
                let answer = answer.map(|object: K| Written {
                    about: Box::new(object.object_ref(&())),
                    keep: Box::new(|stores| K::cache(stores).overlay_new(object)),
                });
                Published::Written(subject, answer.map_err(NotWritten::Failed), Vec::new())
            }
            .boxed_local(),
        );
    }

    /// A status is written, or not. Says whether to plan again.
    pub(crate) fn has_published(&mut self, published: Published) -> bool {
        match published {
            Published::Event => return false,
            Published::Policies(policies) => self.policy.looked(policies),
            Published::Written(subject, answer, happenings) => self.written(subject, answer, happenings),
        }
        true
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
