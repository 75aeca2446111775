//! Policies and what they are attached to.
//!
//! AWS lists policies without their content, their tags and their targets, so each costs calls of its own, and
//! DescribePolicy has the slowest rate of all reads. So a full read asks once for each policy that AWS does not own, and
//! the smaller reads ask only what they were made for.

use super::{Reader, parse_tags};
use crate::{
    error::{AwsError, ErrorClass},
    pacer::Family,
    port::{Clock, Organizations, PolicySummary},
};
use model::{
    AccountId, EffectivePolicy, ListedPolicies, ObservedPolicy, PolicyContent, PolicyId, PolicyTarget,
    PolicyType, PolicyTypeState, Tags, tag_keys,
};
use std::collections::{BTreeMap, BTreeSet};

/// How the names of policies begin that an installation of Bulkhead has made.
const OURS: &str = "bulkhead-";

/// Can this be a policy of ours?
fn may_be_ours(policy: &PolicySummary) -> bool {
    !policy.aws_managed && policy.name.starts_with(OURS)
}

/// What was deleted after it was listed is `None`: it is not part of the picture any more.
fn unless_gone<T>(result: Result<T, AwsError>) -> Result<Option<T>, AwsError> {
    match result {
        // ListTagsForResource says it in the second way.
        Err(error)
            if matches!(
                error.class,
                ErrorClass::PolicyNotFound | ErrorClass::TargetNotFound
            ) =>
        {
            Ok(None)
        }
        result => result.map(Some),
    }
}

impl<A: Organizations, J, C: Clock> Reader<'_, A, J, C> {
    /// Every policy of the types that are on, and what those that AWS does not own are attached to.
    pub(super) async fn all_policies(
        &self,
        types: &BTreeMap<PolicyType, PolicyTypeState>,
        tags: &BTreeMap<PolicyId, Tags>,
    ) -> Result<ListedPolicies, AwsError> {
        let mut listed = ListedPolicies::default();
        let on = types
            .iter()
            .filter(|(_, state)| **state == PolicyTypeState::Enabled);
        for (policy_type, _) in on {
            for summary in self.summaries(policy_type).await? {
                let bulk = tags.get(&summary.id).cloned().unwrap_or_default();
                if summary.aws_managed {
                    listed.policies.push(observed(summary, None, Some(bulk)));
                } else if let Some((policy, targets)) = self.whole_policy(summary, bulk).await? {
                    listed.attachments.push((policy.id.clone(), targets));
                    listed.policies.push(policy);
                }
            }
        }
        Ok(listed)
    }

    /// A policy with its content, its tags and its targets; `None`: it is gone.
    async fn whole_policy(
        &self,
        summary: PolicySummary,
        bulk: Tags,
    ) -> Result<Option<(ObservedPolicy, BTreeSet<PolicyTarget>)>, AwsError> {
        let Some(content) = self.content(&summary.id).await? else {
            return Ok(None);
        };
        let Some(targets) = self.targets(&summary.id).await? else {
            return Ok(None);
        };
        // How old the bulk listing may be is not documented. What it says of our tag decides whether the policy is ours:
        // where it denies that and the name does not, the policy itself is asked.
        let says_ours = bulk
            .get(tag_keys::MANAGED)
            .is_some_and(|value| value.as_str() == self.context.installation);
        let tags = if says_ours || !may_be_ours(&summary) {
            bulk
        } else {
            let Some(tags) = self.policy_tags(&summary.id).await? else {
                return Ok(None);
            };
            tags
        };
        Ok(Some((observed(summary, Some(content), Some(tags)), targets)))
    }

    /// The policies of one type; content and tags only of those whose names are like ours.
    pub(super) async fn named_policies(
        &self,
        policy_type: &PolicyType,
    ) -> Result<Vec<ObservedPolicy>, AwsError> {
        let mut policies = Vec::new();
        for summary in self.summaries(policy_type).await? {
            if !may_be_ours(&summary) {
                policies.push(observed(summary, None, None));
                continue;
            }
            let Some(content) = self.content(&summary.id).await? else {
                continue;
            };
            let Some(tags) = self.policy_tags(&summary.id).await? else {
                continue;
            };
            policies.push(observed(summary, Some(content), Some(tags)));
        }
        Ok(policies)
    }

    /// Ids and names of what is attached directly to an account; `None`: AWS does not know the account.
    pub(super) async fn attachments(
        &self,
        account: &AccountId,
        policy_type: &PolicyType,
    ) -> Result<Option<Vec<(PolicyId, String)>>, AwsError> {
        let aws = &self.context.aws;
        let listed = self
            .pages(Family::ListPolicies, |next| async move {
                aws.list_policies_for_target(account, policy_type, next.as_deref())
                    .await
            })
            .await;
        match listed {
            Err(error) if error.class == ErrorClass::TargetNotFound => Ok(None),
            listed => listed.map(Some),
        }
    }

    /// What policies of this type come to on the account. A type that AWS does not tell it of is no failure: types come that
    /// this version does not know.
    pub(super) async fn effective_policy(
        &self,
        account: &AccountId,
        policy_type: &PolicyType,
    ) -> Result<EffectivePolicy, AwsError> {
        let aws = &self.context.aws;
        let described = self
            .call(Family::DescribeEffectivePolicy, || async move {
                aws.describe_effective_policy(account, policy_type).await
            })
            .await;
        match described {
            Ok(content) => Ok(EffectivePolicy::Says(content)),
            Err(error) => match error.class {
                ErrorClass::EffectivePolicyNotFound => Ok(EffectivePolicy::Nothing),
                // INVALID_ENUM, INVALID_ENUM_POLICY_TYPE (AWS Organizations API, `InvalidInputException`).
                ErrorClass::InvalidInput(ref reason) if reason.starts_with("INVALID_ENUM") => {
                    Ok(EffectivePolicy::Untold)
                }
                _ => Err(error),
            },
        }
    }

    async fn summaries(&self, policy_type: &PolicyType) -> Result<Vec<PolicySummary>, AwsError> {
        let aws = &self.context.aws;
        self.pages(Family::ListPolicies, |next| async move {
            aws.list_policies(policy_type, next.as_deref()).await
        })
        .await
    }

    async fn content(&self, id: &PolicyId) -> Result<Option<PolicyContent>, AwsError> {
        let aws = &self.context.aws;
        let described = self
            .call(
                Family::DescribePolicy,
                || async move { aws.describe_policy(id).await },
            )
            .await;
        unless_gone(described)
    }

    async fn targets(&self, id: &PolicyId) -> Result<Option<BTreeSet<PolicyTarget>>, AwsError> {
        let aws = &self.context.aws;
        let listed = self
            .pages(Family::ListPolicies, |next| async move {
                aws.list_targets_for_policy(id, next.as_deref()).await
            })
            .await;
        let listed = unless_gone(listed)?;
        Ok(listed.map(|targets| targets.into_iter().collect()))
    }

    async fn policy_tags(&self, id: &PolicyId) -> Result<Option<Tags>, AwsError> {
        Ok(unless_gone(self.tags(id.as_str()).await)?.map(parse_tags))
    }
}

fn observed(summary: PolicySummary, content: Option<PolicyContent>, tags: Option<Tags>) -> ObservedPolicy {
    let PolicySummary {
        id,
        name,
        policy_type,
        aws_managed,
    } = summary;
    ObservedPolicy {
        id,
        name,
        policy_type,
        aws_managed,
        content,
        tags,
    }
}
