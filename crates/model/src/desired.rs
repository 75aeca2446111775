//! What the custom resources ask for, resolved to values.

use crate::{AccountName, Claim, Email, Installation, OuId, OuPath, Revision, RoleName, TagKey, TagValue};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// Names one `AwsAccount` object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountKey {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl AccountKey {
    /// Names one object.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// One account as it should be. Only objects that were accepted get here; rejected ones are reported by `desired`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DesiredAccount {
    /// The object that asks for it.
    pub key: AccountKey,
    /// Whose account it is, as a tag on it says.
    pub claim: Claim,
    /// Creation time of the object: the older object goes first.
    pub created: Timestamp,
    /// The workload the account belongs to.
    pub workload: String,
    /// The environment it is for.
    pub environment: String,
    /// The revision of its Baseline that it should have.
    pub revision: Revision,
    /// Email of its root user.
    pub email: Email,
    /// Its account name.
    pub account_name: AccountName,
    /// The role that AWS makes in it at creation.
    pub role_name: RoleName,
    /// Where it belongs.
    pub organizational_unit: OuPath,
    /// The unit the Baseline's environment is bound to, once it has been.
    pub bound_unit: Option<OuId>,
    /// Every tag the account should carry under keys that are ours: mandatory ones, its own, and Bulkhead's.
    /// Without the creation token, which differs per attempt, and the revision, whose sequence is in the journal.
    pub tags: BTreeMap<TagKey, TagValue>,
    /// The outputs ConfigMap, when one is wanted.
    pub outputs: Option<Outputs>,
    /// Condition types of readiness gates that are not True yet, in order.
    pub open_gates: Vec<String>,
    /// No creation, move or tag change for now.
    pub suspend: bool,
}

/// Which ConfigMap to write for other tools.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outputs {
    /// Name of the ConfigMap in the object's namespace.
    pub config_map: String,
}

/// Everything the custom resources ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DesiredOrg {
    /// This installation.
    pub installation: Installation,
    /// Accepted accounts by object.
    pub accounts: BTreeMap<AccountKey, DesiredAccount>,
    /// Objects that are being deleted: nothing more is done for them but to settle what is under way.
    pub leaving: BTreeMap<AccountKey, Claim>,
}
