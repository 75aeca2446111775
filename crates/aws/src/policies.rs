//! Policies of AWS Organizations: one call per method.

use crate::{
    Aws,
    convert::{self, each, id, next, required},
    organizations::PAGE,
};
use aws_sdk_organizations::types::{EffectivePolicyType, PolicyType as WireType};
use executor::{AwsError, Page, PolicyApi, PolicySummary};
use model::{
    AccountId, DesiredPolicy, ObservedPolicy, PolicyContent, PolicyId, PolicyTarget, PolicyType, RootId, Tags,
};

/// AWS's word as the SDK wants it; one that the SDK does not know is sent as it is.
fn wire(policy_type: &PolicyType) -> WireType {
    WireType::from(policy_type.as_str())
}

impl PolicyApi for Aws {
    async fn list_policies(
        &self,
        policy_type: &PolicyType,
        token: Option<&str>,
    ) -> Result<Page<PolicySummary>, AwsError> {
        let request = self
            .organizations
            .list_policies()
            .filter(wire(policy_type))
            .max_results(PAGE)
            .set_next_token(token.map(str::to_owned))
            .send();
        self.organizations("ListPolicies", request, |output| {
            Ok(Page {
                items: each(output.policies(), convert::policy)?,
                next: next(output.next_token),
            })
        })
        .await
    }

    async fn describe_policy(&self, policy: &PolicyId) -> Result<PolicyContent, AwsError> {
        let request = self
            .organizations
            .describe_policy()
            .policy_id(policy.as_str())
            .send();
        self.organizations("DescribePolicy", request, |output| {
            let policy = required("Policy", output.policy())?;
            id("Policy.Content", policy.content(), PolicyContent::parse)
        })
        .await
    }

    async fn list_targets_for_policy(
        &self,
        policy: &PolicyId,
        token: Option<&str>,
    ) -> Result<Page<PolicyTarget>, AwsError> {
        let request = self
            .organizations
            .list_targets_for_policy()
            .policy_id(policy.as_str())
            .max_results(PAGE)
            .set_next_token(token.map(str::to_owned))
            .send();
        self.organizations("ListTargetsForPolicy", request, |output| {
            let items = each(output.targets(), |target| {
                id(
                    "PolicyTargetSummary.TargetId",
                    target.target_id(),
                    PolicyTarget::parse,
                )
            })?;
            Ok(Page {
                items,
                next: next(output.next_token),
            })
        })
        .await
    }

    async fn list_policies_for_target(
        &self,
        account: &AccountId,
        policy_type: &PolicyType,
        token: Option<&str>,
    ) -> Result<Page<(PolicyId, String)>, AwsError> {
        let request = self
            .organizations
            .list_policies_for_target()
            .target_id(account.as_str())
            .filter(wire(policy_type))
            .max_results(PAGE)
            .set_next_token(token.map(str::to_owned))
            .send();
        self.organizations("ListPoliciesForTarget", request, |output| {
            let items = each(output.policies(), convert::policy)?;
            Ok(Page {
                items: items.into_iter().map(|policy| (policy.id, policy.name)).collect(),
                next: next(output.next_token),
            })
        })
        .await
    }

    async fn describe_effective_policy(
        &self,
        account: &AccountId,
        policy_type: &PolicyType,
    ) -> Result<String, AwsError> {
        let request = self
            .organizations
            .describe_effective_policy()
            .target_id(account.as_str())
            .policy_type(EffectivePolicyType::from(policy_type.as_str()))
            .send();
        self.organizations("DescribeEffectivePolicy", request, |output| {
            let policy = required("EffectivePolicy", output.effective_policy())?;
            let content = required("EffectivePolicy.PolicyContent", policy.policy_content())?;
            Ok(content.to_owned())
        })
        .await
    }

    async fn enable_policy_type(&self, root: &RootId, policy_type: &PolicyType) -> Result<(), AwsError> {
        let request = self
            .organizations
            .enable_policy_type()
            .root_id(root.as_str())
            .policy_type(wire(policy_type))
            .customize()
            .config_override(self.mutation())
            .send();
        // The root in the answer is not read: AWS goes on after it (API, EnablePolicyType), and ListRoots tells when it is done.
        self.organizations("EnablePolicyType", request, |_| Ok(())).await
    }

    async fn create_policy(
        &self,
        policy: &DesiredPolicy,
        description: &str,
        tags: &Tags,
    ) -> Result<ObservedPolicy, AwsError> {
        let DesiredPolicy {
            name,
            policy_type,
            content,
            parts: _,
        } = policy;
        let request = self
            .organizations
            .create_policy()
            .name(name)
            .description(description)
            .r#type(wire(policy_type))
            .content(content.as_str())
            .set_tags(Some(convert::wire_tags(tags)))
            .customize()
            .config_override(self.mutation())
            .send();
        self.organizations("CreatePolicy", request, |output| {
            let made = required("Policy", output.policy())?;
            let PolicySummary {
                id: policy,
                name,
                policy_type,
                aws_managed,
            } = convert::policy(required("Policy.PolicySummary", made.policy_summary())?)?;
            Ok(ObservedPolicy {
                id: policy,
                name,
                policy_type,
                aws_managed,
                content: Some(id("Policy.Content", made.content(), PolicyContent::parse)?),
                // The answer does not name them; a tag that AWS does not accept fails the whole request (API, CreatePolicy, `Tags`).
                tags: Some(tags.clone()),
            })
        })
        .await
    }

    async fn update_policy(&self, policy: &PolicyId, content: &PolicyContent) -> Result<(), AwsError> {
        let request = self
            .organizations
            .update_policy()
            .policy_id(policy.as_str())
            .content(content.as_str())
            .customize()
            .config_override(self.mutation())
            .send();
        self.organizations("UpdatePolicy", request, |_| Ok(())).await
    }

    async fn delete_policy(&self, policy: &PolicyId) -> Result<(), AwsError> {
        let request = self
            .organizations
            .delete_policy()
            .policy_id(policy.as_str())
            .customize()
            .config_override(self.mutation())
            .send();
        self.organizations("DeletePolicy", request, |_| Ok(())).await
    }

    async fn attach_policy(&self, policy: &PolicyId, account: &AccountId) -> Result<(), AwsError> {
        let request = self
            .organizations
            .attach_policy()
            .policy_id(policy.as_str())
            .target_id(account.as_str())
            .customize()
            .config_override(self.mutation())
            .send();
        self.organizations("AttachPolicy", request, |_| Ok(())).await
    }

    async fn detach_policy(&self, policy: &PolicyId, account: &AccountId) -> Result<(), AwsError> {
        let request = self
            .organizations
            .detach_policy()
            .policy_id(policy.as_str())
            .target_id(account.as_str())
            .customize()
            .config_override(self.mutation())
            .send();
        self.organizations("DetachPolicy", request, |_| Ok(())).await
    }
}
