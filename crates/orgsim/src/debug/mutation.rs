//! Another tool's hand: changes to the world that no call of the caller under test made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::FailureReason;

/// One change, as JSON an object of one key: `{"move": {"account": "..", "to": ".."}}`, `{"drainBuckets": {}}`.
///
/// Organization rules hold (a tag too many is refused); rates and permissions do not apply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Mutation {
    /// Moves an account from wherever it is.
    Move {
        /// 12 digits.
        account: String,
        /// The root's or a unit's id.
        to: String,
    },
    /// Sets tags; those not named stay.
    Tag {
        /// The id of an account, a unit or the root.
        resource: String,
        /// By key.
        tags: BTreeMap<String, String>,
    },
    /// Removes tags; absent keys are no error.
    Untag {
        /// The id of an account, a unit or the root.
        resource: String,
        /// The keys to remove.
        keys: Vec<String>,
    },
    /// Begins to close an account; quotas do not apply.
    Close {
        /// 12 digits.
        account: String,
    },
    /// AWS restricts an account: State SUSPENDED.
    Suspend {
        /// 12 digits.
        account: String,
    },
    /// Detaches a policy.
    Detach {
        /// `p-..`
        policy: String,
        /// A root's, unit's or account's id.
        target: String,
    },
    /// From now on AWS denies these operations to every caller.
    Deny {
        /// `CreateAccount`, `organizations:CreateAccount`, or `*` for all but GetCallerIdentity, which cannot be denied.
        operations: Vec<String>,
    },
    /// Ends a denial.
    Allow {
        /// As in `deny`.
        operations: Vec<String>,
    },
    /// The next CreateAccount that is accepted fails with this reason. Several wait in line.
    FailNextCreation(FailureReason),
    /// The next call of an operation is refused, without effect. Several wait in line.
    FailNext {
        /// `CreateAccount` or `organizations:CreateAccount`.
        operation: String,
        /// The exception's wire name, for example `ServiceException` (HTTP 500) or `FinalizingOrganizationException`.
        error: String,
        /// `Reason` of the exception.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// An account outside the organization uses this email.
    ForeignEmail(String),
    /// Another tool made a unit.
    CreateUnit {
        /// The root's or a unit's id.
        parent: String,
        /// Unique within the parent.
        name: String,
    },
    /// Another tool made an account: it exists at once, with a creation request that has SUCCEEDED; listings and its
    /// access role lag as ever.
    CreateAccount {
        /// Not used by any account anywhere.
        email: String,
        /// 1 to 50 printable ASCII characters.
        name: String,
        /// By key.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        tags: BTreeMap<String, String>,
        /// The root's or a unit's id; the root when not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<String>,
    },
    /// Another tool made a policy. The type must be enabled.
    CreatePolicy {
        /// `SERVICE_CONTROL_POLICY` and so on.
        r#type: String,
        /// Unique within the type.
        name: String,
        /// JSON.
        content: String,
        /// Default empty.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        description: String,
        /// By key.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        tags: BTreeMap<String, String>,
    },
    /// Another tool changed a policy's content.
    EditPolicy {
        /// `p-..`
        policy: String,
        /// JSON.
        content: String,
    },
    /// Another tool attached a policy.
    AttachPolicy {
        /// `p-..`
        policy: String,
        /// A root's, unit's or account's id.
        target: String,
    },
    /// Another tool deleted a policy that is attached nowhere.
    DeletePolicy {
        /// `p-..`
        policy: String,
    },
    /// The invited account joins.
    AcceptHandshake {
        /// `h-..`
        handshake: String,
    },
    /// The invited account declines.
    DeclineHandshake {
        /// `h-..`
        handshake: String,
    },
    /// Another tool's requests have just emptied every token bucket, of every caller.
    DrainBuckets {},
    /// From now on another tool's requests take a share of what every token bucket refills, and have just emptied it.
    OtherTraffic {
        /// 0 to 100; 0 ends the traffic and empties nothing.
        percent: u8,
    },
}

/// A mutation the world refuses: which field, and the rule it breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{field}: {rule}")]
pub struct MutateError {
    /// Dotted path of the field in the JSON body, `move.to`.
    pub field: String,
    /// What it must be.
    pub rule: String,
}

impl MutateError {
    pub(crate) fn new(field: &str, rule: impl Into<String>) -> Self {
        Self {
            field: field.to_owned(),
            rule: rule.into(),
        }
    }
}

/// Reads the body of `POST /mutate`.
pub(crate) fn parse(body: &[u8]) -> Result<Mutation, MutateError> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| MutateError::new("body", format!("must be JSON: {error}")))?;
    let mut keys = value.as_object().into_iter().flat_map(|object| object.keys());
    let (Some(key), None) = (keys.next().cloned(), keys.next()) else {
        return Err(MutateError::new(
            "body",
            "must be an object of exactly one key: the change",
        ));
    };
    serde_json::from_value(value).map_err(|error| MutateError::new(&key, error.to_string()))
}
