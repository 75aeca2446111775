//! What a Baseline gives its accounts, in one form only, and its hash: the revision.
//!
//! Only what changes an account is in it. Who may use the Baseline, how emails are made and which tags tenants may add are
//! limits, and changing them is no new revision. Whatever is equal has equal text: defaults are spelled out, and lists
//! whose order means nothing are sorted. The fields are written in the order of the alphabet (RFC 8785), and a part that
//! is empty is left out, so that parts that come later do not change the revision of a Baseline that does not use them.

use crate::Rejection;
use api::{
    BaselineRevisionSpec, Expectation, RevisionEnvironment, RevisionPolicy, RevisionTag, TagChange, TagField,
};
use model::{Reason, Revision, RevisionHash};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

/// What accounts get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Effect {
    /// By name.
    pub(crate) environments: BTreeMap<String, Environment>,
    /// By key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) mandatory_tags: BTreeMap<String, TagRule>,
}

/// What accounts of one environment get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Environment {
    pub(crate) access_role_name: String,
    /// By name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) assertions: BTreeMap<String, Assertion>,
    pub(crate) organizational_unit: String,
    /// By name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) policies: BTreeMap<String, Policy>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) readiness_gates: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Assertion {
    pub(crate) action: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) context: BTreeMap<String, Vec<String>>,
    pub(crate) expect: Expectation,
    pub(crate) principal: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) region: Option<String>,
    pub(crate) resource: String,
}

/// A policy as AWS is given it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Policy {
    pub(crate) content: String,
    pub(crate) parts: Vec<String>,
    #[serde(rename = "type")]
    pub(crate) kind: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TagRule {
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) allowed_values: BTreeSet<String>,
    /// `Free`, the default, is left out: there were revisions before there was a choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) change: Option<TagChange>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from_field: Option<TagField>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from_tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pattern: Option<String>,
}

/// Digits of the SHA-256 of a text.
pub(crate) fn sha256(text: &str) -> String {
    let mut digits = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

impl Effect {
    /// The revision of the Baseline of this name that gives this.
    pub(crate) fn revision(&self, baseline: &str) -> Result<Revision, Rejection> {
        let defect = |error: &dyn std::fmt::Display| {
            Rejection::new(
                Reason::InternalError,
                format!("the revision of Baseline {baseline:?} cannot be computed: {error}"),
            )
        };
        let text = serde_json::to_string(self).map_err(|error| defect(&error))?;
        let hash =
            RevisionHash::parse(&format!("sha256:{}", sha256(&text))).map_err(|error| defect(&error))?;
        Revision::new(baseline, hash)
            .map_err(|error| Rejection::new(Reason::InvalidSpec, format!("metadata.name: {error}")))
    }

    /// As a BaselineRevision holds it, every list sorted.
    pub(crate) fn spec(&self, baseline: &str, hash: &RevisionHash) -> BaselineRevisionSpec {
        let tags = self.mandatory_tags.iter();
        BaselineRevisionSpec {
            baseline: baseline.to_owned(),
            hash: hash.as_str().to_owned(),
            environments: self
                .environments
                .iter()
                .map(|(name, environment)| environment.spec(name))
                .collect(),
            mandatory_tags: tags.map(|(key, rule)| rule.spec(key)).collect(),
        }
    }
}

/// What a BaselineRevision says it holds; whether that is so, its hash tells.
impl From<&BaselineRevisionSpec> for Effect {
    fn from(spec: &BaselineRevisionSpec) -> Self {
        let environments = spec.environments.iter();
        let tags = spec.mandatory_tags.iter();
        Self {
            environments: environments.map(|e| (e.name.clone(), e.into())).collect(),
            mandatory_tags: tags.map(|tag| (tag.key.clone(), tag.into())).collect(),
        }
    }
}

impl Environment {
    fn spec(&self, name: &str) -> RevisionEnvironment {
        let policies = self.policies.iter().map(|(name, policy)| RevisionPolicy {
            name: name.clone(),
            policy_type: policy.kind.clone(),
            content: policy.content.clone(),
            parts: policy.parts.clone(),
        });
        let assertions = self.assertions.iter().map(|(name, assertion)| api::Assertion {
            name: name.clone(),
            expect: assertion.expect,
            principal: assertion.principal.clone(),
            action: assertion.action.clone(),
            resource: assertion.resource.clone(),
            region: assertion.region.clone(),
            context: assertion.context.clone(),
        });
        RevisionEnvironment {
            name: name.to_owned(),
            organizational_unit: self.organizational_unit.clone(),
            access_role_name: self.access_role_name.clone(),
            policies: policies.collect(),
            assertions: assertions.collect(),
            readiness_gates: self.readiness_gates.iter().cloned().collect(),
        }
    }
}

impl From<&RevisionEnvironment> for Environment {
    fn from(environment: &RevisionEnvironment) -> Self {
        let policies = environment.policies.iter().map(|policy| {
            let value = Policy {
                content: policy.content.clone(),
                parts: policy.parts.clone(),
                kind: policy.policy_type.clone(),
            };
            (policy.name.clone(), value)
        });
        Self {
            access_role_name: environment.access_role_name.clone(),
            assertions: assertions(&environment.assertions),
            organizational_unit: environment.organizational_unit.clone(),
            policies: policies.collect(),
            readiness_gates: environment.readiness_gates.iter().cloned().collect(),
        }
    }
}

/// Assertions by name.
pub(crate) fn assertions(list: &[api::Assertion]) -> BTreeMap<String, Assertion> {
    let entry = |assertion: &api::Assertion| {
        let value = Assertion {
            action: assertion.action.clone(),
            context: assertion.context.clone(),
            expect: assertion.expect,
            principal: assertion.principal.clone(),
            region: assertion.region.clone(),
            resource: assertion.resource.clone(),
        };
        (assertion.name.clone(), value)
    };
    list.iter().map(entry).collect()
}

impl TagRule {
    fn spec(&self, key: &str) -> RevisionTag {
        RevisionTag {
            key: key.to_owned(),
            from_field: self.from_field,
            from_tag: self.from_tag.clone(),
            pattern: self.pattern.clone(),
            allowed_values: self.allowed_values.iter().cloned().collect(),
            change: self.change,
        }
    }
}

impl From<&RevisionTag> for TagRule {
    fn from(tag: &RevisionTag) -> Self {
        Self {
            allowed_values: tag.allowed_values.iter().cloned().collect(),
            change: tag.change,
            from_field: tag.from_field,
            from_tag: tag.from_tag.clone(),
            pattern: tag.pattern.clone(),
        }
    }
}
