//! Which policy is attached to which root, unit or account.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::accounts::{bad_token, page_request, with_token};
use super::policies::managed_policy;
use super::policy_types::{known_type, policy_type, type_not_enabled};
use super::{World, check};
use crate::clock::after;
use crate::wire::organizations::{AttachmentInput, ListPoliciesForTargetInput, ListTargetsForPolicyInput};
use crate::wire::{ApiError, shapes};

impl World {
    pub(crate) fn attach_policy(&mut self, input: &AttachmentInput) -> Result<Value, ApiError> {
        let (policy, target) = attachment(input)?;
        self.no_policy_changes()?;
        self.attach(policy, target)?;
        Ok(json!({}))
    }

    pub(crate) fn detach_policy(&mut self, input: &AttachmentInput) -> Result<Value, ApiError> {
        let (policy, target) = attachment(input)?;
        self.no_policy_changes()?;
        self.detach(policy, target)?;
        Ok(json!({}))
    }

    /// Every rule of AttachPolicy but PolicyChangesInProgressException.
    pub(crate) fn attach(&mut self, policy: &str, target: &str) -> Result<(), ApiError> {
        let kind = self.policy(policy)?.r#type.clone();
        self.target_exists(target)?;
        if !self.is_enabled(&kind) {
            return Err(type_not_enabled());
        }
        if self.is_attached(policy, target) {
            let message = "The selected policy is already attached to the specified target";
            return Err(ApiError::new("DuplicatePolicyAttachmentException", message));
        }
        let most = known_type(&kind).map_or(usize::MAX, |kind| kind.most_attached);
        if self.attached(&kind, target).count() >= most {
            return Err(ApiError::constraint(
                "MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED",
                "You have exceeded the number of policies of this type that can be attached to an entity",
            ));
        }
        self.enforce_attachment(&kind, policy, target, false);
        let lag = self.random.policy_lags.duration(self.settings.listing_lag);
        let now = self.now;
        let detached = self.records.detached.get_mut(policy);
        let still_listed = detached.and_then(|targets| targets.remove(target));
        let listed_from = match still_listed {
            Some(until) if until > now => now,
            _ => after(now, lag),
        };
        let targets = self.records.attachments.entry(policy.to_owned()).or_default();
        targets.insert(target.to_owned(), listed_from);
        self.policy_changes += 1;
        Ok(())
    }

    /// Every rule of DetachPolicy but PolicyChangesInProgressException.
    pub(crate) fn detach(&mut self, policy: &str, target: &str) -> Result<(), ApiError> {
        let kind = self.policy(policy)?.r#type.clone();
        self.target_exists(target)?;
        if !self.is_attached(policy, target) {
            let message = "The policy isn't attached to the specified target in the specified root";
            return Err(ApiError::new("PolicyNotAttachedException", message));
        }
        if policy == "p-RCPFullAWSAccess" {
            let message = "RCPFullAWSAccess can't be detached";
            return Err(ApiError::invalid_input("NON_DETACHABLE_POLICY", message));
        }
        let fewest = known_type(&kind).map_or(0, |kind| kind.fewest_attached);
        if self.attached(&kind, target).count() <= fewest {
            return Err(ApiError::constraint(
                "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED",
                "You can't detach the last policy of this type from an entity",
            ));
        }
        self.enforce_attachment(&kind, policy, target, true);
        let lag = self.random.policy_lags.duration(self.settings.listing_lag);
        let (now, until) = (self.now, after(self.now, lag));
        let targets = self.records.attachments.get_mut(policy);
        let listed_from = targets.and_then(|targets| targets.remove(target));
        if until > now && listed_from.is_some_and(|from| from <= now) {
            let detached = &mut self.records.detached;
            detached.retain(|_, targets| {
                targets.retain(|_, until| *until > now);
                !targets.is_empty()
            });
            let targets = detached.entry(policy.to_owned()).or_default();
            targets.insert(target.to_owned(), until);
        }
        self.policy_changes += 1;
        Ok(())
    }

    fn is_attached(&self, policy: &str, target: &str) -> bool {
        let targets = self.records.attachments.get(policy);
        targets.is_some_and(|targets| targets.contains_key(target))
    }

    /// The ids of the policies of a type attached directly to the target, in order.
    pub(crate) fn attached<'a>(&'a self, kind: &'a str, target: &'a str) -> impl Iterator<Item = &'a str> {
        let of_type = move |policy: &str| {
            let policy = self.records.policies.get(policy);
            policy.is_some_and(|policy| policy.r#type == kind)
        };
        let attachments = self.records.attachments.iter();
        attachments
            .filter(move |(policy, targets)| targets.contains_key(target) && of_type(policy))
            .map(|(policy, _)| policy.as_str())
    }

    /// A new unit or account gets the AWS-managed policies of the enabled types.
    pub(crate) fn attach_managed(&mut self, target: &str) {
        self.policy_changes += 1;
        let kinds: Vec<String> = self.records.policy_types.keys().cloned().collect();
        for kind in kinds {
            if let Some(policy) = managed_policy(&kind).filter(|_| self.is_enabled(&kind)) {
                let targets = self.records.attachments.entry(policy).or_default();
                targets.insert(target.to_owned(), self.now);
            }
        }
    }

    pub(crate) fn attach_managed_everywhere(&mut self, kind: &str) {
        let Some(policy) = managed_policy(kind) else {
            return;
        };
        let units = self.records.units.keys();
        let targets: Vec<String> = units
            .chain(self.records.accounts.keys())
            .chain([&self.settings.root_id])
            .cloned()
            .collect();
        let now = self.now;
        self.policy_changes += 1;
        let attached = self.records.attachments.entry(policy).or_default();
        attached.extend(targets.into_iter().map(|target| (target, now)));
    }

    pub(crate) fn detach_all_of(&mut self, kind: &str) {
        self.forget_enforcement(kind);
        self.policy_changes += 1;
        let policies = &self.records.policies;
        let other = |id: &String| policies.get(id).is_none_or(|policy| policy.r#type != kind);
        self.records.attachments.retain(|id, _| other(id));
        self.records.detached.retain(|id, _| other(id));
    }

    /// The target is gone for good.
    pub(crate) fn forget_target(&mut self, target: &str) {
        self.policy_changes += 1;
        let records = &mut self.records;
        let attachments = records.attachments.values_mut();
        for targets in attachments.chain(records.detached.values_mut()) {
            targets.remove(target);
        }
        self.enforcement.forget_target(target);
    }

    fn target_exists(&self, target: &str) -> Result<(), ApiError> {
        if check::is_policy(target) {
            return Err(super::tags::target_not_found());
        }
        self.resource_exists(target)
    }

    pub(crate) fn list_policies_for_target(
        &mut self,
        input: &ListPoliciesForTargetInput,
    ) -> Result<Value, ApiError> {
        let target = check::id("TargetId", input.target_id.as_ref(), check::is_target)?;
        let kind = policy_type("Filter", input.filter.as_ref())?;
        self.target_exists(target)?;
        let request = page_request(
            format!("ListPoliciesForTarget {target} {}", kind.name),
            &input.page,
        )?;
        let of_type = |policy: &&String| {
            let policy = self.records.policies.get(*policy);
            policy.is_some_and(|policy| policy.r#type == kind.name)
        };
        let policies = self.records.policies.keys();
        let ids: Vec<String> = policies
            .filter(|policy| self.is_listed(policy, target))
            .filter(of_type)
            .cloned()
            .collect();
        let page = self.pager.page(&request, ids.iter().map(String::as_str));
        let page = page.map_err(|_| bad_token())?;
        let policies = page.keys.iter().filter_map(|id| self.records.policies.get(id));
        let shapes: Vec<_> = policies.map(|policy| self.policy_summary(policy)).collect();
        Ok(with_token(json!({"Policies": shapes}), page.next_token))
    }

    pub(crate) fn list_targets_for_policy(
        &mut self,
        input: &ListTargetsForPolicyInput,
    ) -> Result<Value, ApiError> {
        let policy = check::id("PolicyId", input.policy_id.as_ref(), check::is_policy)?;
        self.policy(policy)?;
        let request = page_request(format!("ListTargetsForPolicy {policy}"), &input.page)?;
        let (attached, detached) = (&self.records.attachments, &self.records.detached);
        let targets = attached.get(policy).into_iter().chain(detached.get(policy));
        let listed: BTreeSet<String> = targets
            .flat_map(BTreeMap::keys)
            .filter(|target| self.is_listed(policy, target))
            .cloned()
            .collect();
        let page = self.pager.page(&request, listed.iter().map(String::as_str));
        let page = page.map_err(|_| bad_token())?;
        let shapes: Vec<_> = page.keys.iter().map(|target| self.target_shape(target)).collect();
        Ok(with_token(json!({"Targets": shapes}), page.next_token))
    }

    /// Listings show an attachment that is no longer new, and a detachment that still is.
    fn is_listed(&self, policy: &str, target: &str) -> bool {
        let records = &self.records;
        let attached = records.attachments.get(policy);
        let attached = attached.and_then(|targets| targets.get(target));
        let detached = records.detached.get(policy);
        let detached = detached.and_then(|targets| targets.get(target));
        attached.is_some_and(|from| *from <= self.now) || detached.is_some_and(|until| *until > self.now)
    }

    fn target_shape(&self, target: &str) -> shapes::PolicyTarget {
        let (arn, name, r#type) = if let Some(account) = self.records.accounts.get(target) {
            (self.account_arn(target), account.name.clone(), "ACCOUNT")
        } else if let Some(unit) = self.records.units.get(target) {
            (self.unit_arn(target), unit.name.clone(), "ORGANIZATIONAL_UNIT")
        } else {
            (self.root_arn(), "Root".to_owned(), "ROOT")
        };
        shapes::PolicyTarget {
            target_id: target.to_owned(),
            arn,
            name,
            r#type,
        }
    }
}

fn attachment(input: &AttachmentInput) -> Result<(&str, &str), ApiError> {
    let policy = check::id("PolicyId", input.policy_id.as_ref(), check::is_policy)?;
    let target = check::id("TargetId", input.target_id.as_ref(), check::is_target)?;
    Ok((policy, target))
}
