//! Policies as they should be and as they are.

use crate::{AccountId, Invalid, OuId, ParentId, PolicyContent, PolicyId, PolicyType, RootId, Tags};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt};

/// State of a policy type on the organization's root (AWS Organizations API, `PolicyTypeSummary`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PolicyTypeState {
    /// Policies of this type are in force, and can be attached.
    Enabled,
    /// AWS is at it: EnablePolicyType is asynchronous.
    PendingEnable,
    /// Somebody is switching it off: AWS detaches every policy of this type everywhere.
    PendingDisable,
}

/// What a policy can be attached to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PolicyTarget {
    /// The organization's root: every account but the management account inherits it.
    Root(RootId),
    /// A unit: every account below inherits it.
    Ou(OuId),
    /// One account.
    Account(AccountId),
}

impl PolicyTarget {
    /// Parses the id of a root, a unit or an account.
    pub fn parse(id: &str) -> Result<Self, Invalid> {
        if id.starts_with("r-") {
            RootId::parse(id).map(Self::Root)
        } else if id.starts_with("ou-") {
            OuId::parse(id).map(Self::Ou)
        } else {
            AccountId::parse(id).map(Self::Account)
        }
    }

    /// The id as AWS writes it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Root(id) => id.as_str(),
            Self::Ou(id) => id.as_str(),
            Self::Account(id) => id.as_str(),
        }
    }
}

impl fmt::Display for PolicyTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<&ParentId> for PolicyTarget {
    fn from(parent: &ParentId) -> Self {
        match parent {
            ParentId::Root(id) => Self::Root(id.clone()),
            ParentId::Ou(id) => Self::Ou(id.clone()),
        }
    }
}

impl TryFrom<String> for PolicyTarget {
    type Error = Invalid;
    fn try_from(value: String) -> Result<Self, Invalid> {
        Self::parse(&value)
    }
}

impl From<PolicyTarget> for String {
    fn from(value: PolicyTarget) -> Self {
        value.as_str().to_owned()
    }
}

/// A policy that accounts are to have. Its name says its content: another content is another policy, and what was
/// attached is never edited but to repair it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DesiredPolicy {
    /// `bulkhead-<installation>-<environment>-<first 10 hexadecimal digits of the SHA-256 of its content>`.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub policy_type: PolicyType,
    /// The document, exactly as AWS is to store it: every character counts against AWS's limit.
    pub content: PolicyContent,
    /// Which guardrails and policies of the Baseline are in it, for people.
    pub parts: Vec<String>,
}

/// A policy as AWS has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObservedPolicy {
    /// Its id.
    pub id: PolicyId,
    /// Its name.
    pub name: String,
    /// Its type.
    pub policy_type: PolicyType,
    /// AWS's own, such as FullAWSAccess: cannot be edited, content not read.
    pub aws_managed: bool,
    /// Its document as stored; `None`: not read.
    pub content: Option<PolicyContent>,
    /// Its tags, as far as they are known: `bulkhead.dev/managed` says whose it is.
    pub tags: Option<Tags>,
}

/// What the policies of a type, inherited ones included, come to on an account (AWS Organizations API,
/// DescribeEffectivePolicy).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum EffectivePolicy {
    /// They come to nothing.
    Nothing,
    /// The document, without operators of inheritance.
    Says(String),
    /// AWS does not tell it of this type.
    Untold,
}

/// What a full read shows of policies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListedPolicies {
    /// Every policy of the types that are enabled on the root.
    pub policies: Vec<ObservedPolicy>,
    /// What each customer policy among them is attached to.
    pub attachments: Vec<(PolicyId, BTreeSet<PolicyTarget>)>,
}
