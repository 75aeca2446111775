//! Output shapes of AWS Organizations and the tagging API, member names as on the wire.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

/// awsJson timestamps are epoch seconds as a floating point number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EpochSeconds(pub(crate) Timestamp);

impl Serialize for EpochSeconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0.as_duration().as_secs_f64())
    }
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Organization {
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) feature_set: &'static str,
    pub(crate) master_account_arn: String,
    pub(crate) master_account_id: String,
    pub(crate) master_account_email: String,
    /// Deprecated by AWS and empty here; `Root.PolicyTypes` is the place.
    pub(crate) available_policy_types: [(); 0],
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Root {
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) name: &'static str,
    /// Types that are enabled or on their way, each with its status.
    pub(crate) policy_types: Vec<serde_json::Value>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) email: String,
    pub(crate) name: String,
    /// The retired member; written only on request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<&'static str>,
    pub(crate) state: &'static str,
    pub(crate) paths: Vec<String>,
    pub(crate) joined_method: &'static str,
    pub(crate) joined_timestamp: EpochSeconds,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct OrganizationalUnit {
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) path: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PolicySummary {
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) r#type: String,
    pub(crate) aws_managed: bool,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PolicyTarget {
    pub(crate) target_id: String,
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) r#type: &'static str,
}

/// Carries neither email nor tags.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateAccountStatus {
    pub(crate) id: String,
    pub(crate) account_name: String,
    pub(crate) state: &'static str,
    pub(crate) requested_timestamp: EpochSeconds,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) completed_timestamp: Option<EpochSeconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure_reason: Option<&'static str>,
}

/// A parent or a child: an id and what it is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Relative {
    pub(crate) id: String,
    pub(crate) r#type: &'static str,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Tag {
    pub(crate) key: String,
    pub(crate) value: String,
}

impl Tag {
    pub(crate) fn list(tags: &BTreeMap<String, String>) -> Vec<Self> {
        let tag = |(key, value): (&String, &String)| Self {
            key: key.clone(),
            value: value.clone(),
        };
        tags.iter().map(tag).collect()
    }
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct ResourceTagMapping {
    #[serde(rename = "ResourceARN")]
    pub(crate) resource_arn: String,
    #[serde(rename = "Tags")]
    pub(crate) tags: Vec<Tag>,
}
