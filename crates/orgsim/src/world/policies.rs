//! Policies: made, read, changed, deleted.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::accounts::{bad_token, page_request, with_token};
use super::policy_types::{PolicyType, RESOURCE_CONTROL, SERVICE_CONTROL, known_type, policy_type};
use super::{World, check, policy_grammar};
use crate::clock::after;
use crate::wire::organizations::{CreatePolicyInput, ListPoliciesInput, PolicyInput, UpdatePolicyInput};
use crate::wire::{ApiError, shapes};

/// AWS's own pass-through policies, by the type whose enabling attaches them.
const MANAGED: [(&str, &str, &str); 2] = [
    (SERVICE_CONTROL, "FullAWSAccess", FULL_ACCESS),
    (RESOURCE_CONTROL, "RCPFullAWSAccess", RCP_FULL_ACCESS),
];
const FULL_ACCESS: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const RCP_FULL_ACCESS: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#;

/// One policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Policy {
    pub(crate) id: String,
    pub(crate) r#type: String,
    pub(crate) name: String,
    pub(crate) description: String,
    /// As it came, every character.
    pub(crate) content: String,
    pub(crate) aws_managed: bool,
    /// Until then ListPolicies does not show it.
    listed_from: Timestamp,
}

/// The id of the policy AWS attaches wherever the type is enabled.
pub(crate) fn managed_policy(policy_type: &str) -> Option<String> {
    let managed = MANAGED.iter().find(|(of, _, _)| *of == policy_type);
    managed.map(|(_, name, _)| format!("p-{name}"))
}

impl World {
    pub(crate) fn add_managed_policies(&mut self) {
        for (r#type, name, content) in MANAGED {
            let policy = Policy {
                id: format!("p-{name}"),
                r#type: r#type.to_owned(),
                name: name.to_owned(),
                description: "Allows access to every operation".to_owned(),
                content: content.to_owned(),
                aws_managed: true,
                listed_from: self.now,
            };
            self.records.policies.insert(policy.id.clone(), policy);
        }
    }

    pub(crate) fn policy(&self, id: &str) -> Result<&Policy, ApiError> {
        self.records.policies.get(id).ok_or_else(|| {
            let message = "We can't find a policy with the PolicyId that you specified";
            ApiError::new("PolicyNotFoundException", message)
        })
    }

    /// A policy that customers may change.
    fn own_policy(&self, id: &str) -> Result<&Policy, ApiError> {
        let policy = self.policy(id)?;
        if policy.aws_managed {
            let message = "You specified a policy that is managed by AWS and can't be modified";
            return Err(ApiError::invalid_input("IMMUTABLE_POLICY", message));
        }
        Ok(policy)
    }

    pub(crate) fn policy_arn(&self, policy: &Policy) -> String {
        let kind = policy.r#type.to_lowercase();
        if policy.aws_managed {
            return format!("arn:aws:organizations::aws:policy/{kind}/{}", policy.id);
        }
        let settings = &self.settings;
        let (management, organization) = (&settings.management_account_id, &settings.organization_id);
        format!(
            "arn:aws:organizations::{management}:policy/{organization}/{kind}/{}",
            policy.id
        )
    }

    pub(crate) fn policy_summary(&self, policy: &Policy) -> shapes::PolicySummary {
        shapes::PolicySummary {
            id: policy.id.clone(),
            arn: self.policy_arn(policy),
            name: policy.name.clone(),
            description: policy.description.clone(),
            r#type: policy.r#type.clone(),
            aws_managed: policy.aws_managed,
        }
    }

    fn policy_answer(&self, policy: &Policy) -> Value {
        json!({"Policy": {"PolicySummary": self.policy_summary(policy), "Content": policy.content}})
    }

    pub(crate) fn create_policy(&mut self, input: &CreatePolicyInput) -> Result<Value, ApiError> {
        let name = check::required("Name", input.name.as_ref())?;
        let description = check::required("Description", input.description.as_ref())?;
        let content = check::required("Content", input.content.as_ref())?;
        let kind = policy_type("Type", input.r#type.as_ref())?;
        let tags = check::tags(input.tags.as_deref())?;
        let policy = self.add_policy(kind, name, description, content, &tags)?;
        Ok(self.policy_answer(&policy))
    }

    /// Every rule of CreatePolicy. The type must be enabled, as emulators are known to forget.
    pub(crate) fn add_policy(
        &mut self,
        kind: &PolicyType,
        name: &str,
        description: &str,
        content: &str,
        tags: &BTreeMap<String, String>,
    ) -> Result<Policy, ApiError> {
        check_texts(name, description, content)?;
        self.policies_available()?;
        if !self.is_enabled(kind.name) {
            return Err(super::policy_types::type_not_available());
        }
        check_content(kind, content)?;
        self.policy_name_is_free(kind.name, name, None)?;
        let own = |policy: &&Policy| policy.r#type == kind.name && !policy.aws_managed;
        if self.records.policies.values().filter(own).count() >= kind.policies {
            return Err(ApiError::constraint(
                "POLICY_NUMBER_LIMIT_EXCEEDED",
                "You have exceeded the number of policies that you can have in an organization",
            ));
        }
        let lag = self.random.policy_lags.duration(self.settings.listing_lag);
        let mut id = format!("p-{}", self.random.policy_ids.lower(10));
        while self.records.policies.contains_key(&id) {
            id = format!("p-{}", self.random.policy_ids.lower(10));
        }
        let policy = Policy {
            id: id.clone(),
            r#type: kind.name.to_owned(),
            name: name.to_owned(),
            description: description.to_owned(),
            content: content.to_owned(),
            aws_managed: false,
            listed_from: after(self.now, lag),
        };
        self.records.policies.insert(id.clone(), policy.clone());
        self.policy_changes += 1;
        if !tags.is_empty() {
            self.set_tags(&id, tags);
        }
        Ok(policy)
    }

    pub(crate) fn update_policy(&mut self, input: &UpdatePolicyInput) -> Result<Value, ApiError> {
        let id = check::id("PolicyId", input.policy_id.as_ref(), check::is_policy)?;
        let (name, description) = (input.name.as_deref(), input.description.as_deref());
        self.no_policy_changes()?;
        let changed = self.edit_policy(id, name, description, input.content.as_deref())?;
        Ok(self.policy_answer(&changed))
    }

    /// Every rule of UpdatePolicy but PolicyChangesInProgressException.
    pub(crate) fn edit_policy(
        &mut self,
        id: &str,
        name: Option<&str>,
        description: Option<&str>,
        content: Option<&str>,
    ) -> Result<Policy, ApiError> {
        let before = self.own_policy(id)?.clone();
        let mut policy = before.clone();
        name.unwrap_or(&policy.name.clone()).clone_into(&mut policy.name);
        if let Some(description) = description {
            description.clone_into(&mut policy.description);
        }
        check_texts(
            &policy.name,
            &policy.description,
            content.unwrap_or(&policy.content),
        )?;
        if let (Some(content), Some(kind)) = (content, known_type(&policy.r#type)) {
            check_content(kind, content)?;
            content.clone_into(&mut policy.content);
        }
        self.policy_name_is_free(&policy.r#type, &policy.name, Some(id))?;
        self.policy_changes += 1;
        if policy.content != before.content {
            self.enforce_content(&before.r#type, id, before.content);
        }
        self.records.policies.insert(id.to_owned(), policy.clone());
        Ok(policy)
    }

    pub(crate) fn delete_policy(&mut self, input: &PolicyInput) -> Result<Value, ApiError> {
        let id = check::id("PolicyId", input.policy_id.as_ref(), check::is_policy)?;
        self.remove_policy(id)?;
        Ok(json!({}))
    }

    /// Every rule of DeletePolicy.
    pub(crate) fn remove_policy(&mut self, id: &str) -> Result<(), ApiError> {
        let policy = self.own_policy(id)?.clone();
        if self
            .records
            .attachments
            .get(id)
            .is_some_and(|targets| !targets.is_empty())
        {
            let message = "The policy is attached to one or more entities. You must detach it from all roots, \
                           OUs, and accounts before performing this operation";
            return Err(ApiError::new("PolicyInUseException", message));
        }
        self.records.policies.remove(id);
        self.records.attachments.remove(id);
        self.records.tags.remove(id);
        self.records.tag_index.remove(id);
        self.records.detached.remove(id);
        self.policy_changes += 1;
        self.enforce_deletion(&policy.r#type, id, policy.content.clone());
        let lag = self.random.policy_lags.duration(self.settings.listing_lag);
        let (now, until) = (self.now, after(self.now, lag));
        let deleted = &mut self.records.deleted_policies;
        deleted.retain(|_, (_, until)| *until > now);
        if until > now && policy.listed_from <= now {
            deleted.insert(id.to_owned(), (policy, until));
        }
        Ok(())
    }

    pub(crate) fn describe_policy(&self, input: &PolicyInput) -> Result<Value, ApiError> {
        let id = check::id("PolicyId", input.policy_id.as_ref(), check::is_policy)?;
        Ok(self.policy_answer(self.policy(id)?))
    }

    pub(crate) fn list_policies(&mut self, input: &ListPoliciesInput) -> Result<Value, ApiError> {
        let kind = policy_type("Filter", input.filter.as_ref())?;
        let request = page_request(format!("ListPolicies {}", kind.name), &input.page)?;
        let now = self.now;
        let present = self.records.policies.values();
        let present = present.filter(|policy| policy.listed_from <= now);
        let deleted = self.records.deleted_policies.values();
        let deleted = deleted
            .filter(|(_, until)| *until > now)
            .map(|(policy, _)| policy);
        let listed: BTreeMap<&str, &Policy> = present
            .chain(deleted)
            .filter(|policy| policy.r#type == kind.name)
            .map(|policy| (policy.id.as_str(), policy))
            .collect();
        let page = self.pager.page(&request, listed.keys().copied());
        let page = page.map_err(|_| bad_token())?;
        let policies = page.keys.iter().filter_map(|id| listed.get(id.as_str()));
        let shapes: Vec<_> = policies.map(|policy| self.policy_summary(policy)).collect();
        Ok(with_token(json!({"Policies": shapes}), page.next_token))
    }

    /// Names are taken to be unique within a type, which the sources leave open.
    fn policy_name_is_free(&self, kind: &str, name: &str, except: Option<&str>) -> Result<(), ApiError> {
        let taken = |policy: &Policy| {
            policy.r#type == kind && policy.name == name && Some(policy.id.as_str()) != except
        };
        if self.records.policies.values().any(taken) {
            let message = "A policy with the same name already exists";
            return Err(ApiError::new("DuplicatePolicyException", message));
        }
        Ok(())
    }
}

fn check_texts(name: &str, description: &str, content: &str) -> Result<(), ApiError> {
    check::length("Name", name, 1, 128)?;
    check::length("Description", description, 0, 512)?;
    check::length("Content", content, 1, usize::MAX)
}

/// `POLICY_CONTENT_LIMIT_EXCEEDED`, then MalformedPolicyDocumentException.
fn check_content(kind: &PolicyType, content: &str) -> Result<(), ApiError> {
    if content.chars().count() > kind.size {
        let message = format!("You have exceeded the size of a policy: {} characters", kind.size);
        return Err(ApiError::constraint("POLICY_CONTENT_LIMIT_EXCEEDED", message));
    }
    policy_grammar::check(kind.name, content)
        .map_err(|fault| ApiError::new("MalformedPolicyDocumentException", fault))
}
