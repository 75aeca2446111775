//! What the custom resources ask for, resolved to values.

use crate::{
    AccountName, AssignedBy, Claim, DesiredPolicy, Email, Installation, OuId, OuPath, Revision, RevisionName,
    RoleName, TagKey, TagValue,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

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
    /// Who says so, where it is another one than it has.
    pub by: AssignedBy,
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
    /// Every policy that is to be attached to the account directly, by its revision.
    #[serde(serialize_with = "shared")]
    pub policies: Arc<[DesiredPolicy]>,
    /// What its policies must leave alone, besides the operator's probe.
    #[serde(serialize_with = "shared")]
    pub assertions: Arc<[Assertion]>,
    /// Tags whose change a person decides, or nobody may make.
    pub tag_changes: BTreeMap<TagKey, TagChange>,
    /// Whether the account follows its Baseline by itself.
    pub update: UpdatePolicy,
    /// The outputs ConfigMap, when one is wanted.
    pub outputs: Option<Outputs>,
    /// Condition types of readiness gates that are not True yet, in order.
    pub open_gates: Vec<String>,
    /// No creation, move or tag change for now.
    pub suspend: bool,
}

fn shared<T: Serialize, S: serde::Serializer>(list: &Arc<[T]>, serializer: S) -> Result<S::Ok, S::Error> {
    list.as_ref().serialize(serializer)
}

fn shared_by_name<T: Serialize, S: serde::Serializer>(
    lists: &BTreeMap<String, Arc<[T]>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(lists.iter().map(|(name, list)| (name, list.as_ref())))
}

/// The account of an object that was not accepted, though nobody doubts whose it is. What was attached to it for its
/// assigned revision stays attached; nothing else is done for it. Neither suspension nor rejection ends a guardrail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeptAccount {
    /// The object.
    pub key: AccountKey,
    /// Whose account it is, as a tag on it says.
    pub claim: Claim,
    /// Creation time of the object: the older object goes first.
    pub created: Timestamp,
    /// The environment it is for.
    pub environment: String,
}

/// A revision whose content is at hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KnownRevision {
    /// Its name and hash.
    pub revision: Revision,
    /// Every policy that it attaches to an account, by environment.
    #[serde(serialize_with = "shared_by_name")]
    pub policies: BTreeMap<String, Arc<[DesiredPolicy]>>,
}

/// When accounts get a new revision of their Baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdatePolicy {
    /// A promotion assigns it; until then an account keeps what it has, and a new account gets what its environment has.
    OnPromotion,
    /// At once.
    Automatic,
}

/// What may become of the value of a mandatory tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TagChange {
    /// It follows its source.
    Free,
    /// It keeps its value until a person approves the new one.
    Approved,
    /// It never changes.
    Immutable,
}

/// A request that the policies of an account must allow or deny: a unit test of policies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assertion {
    /// What it is about, for people.
    pub name: String,
    /// Must it be allowed? Else it must be denied.
    pub allow: bool,
    /// ARN of who asks; `*` as the account stands for the account at hand.
    pub principal: String,
    /// `service:Action`.
    pub action: String,
    /// ARN of what it is about, or `*`.
    pub resource: String,
    /// Region of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Condition keys of the request.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub context: BTreeMap<String, Vec<String>>,
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
    /// Accounts of objects that were not accepted: they keep their guardrails.
    pub kept: BTreeMap<AccountKey, KeptAccount>,
    /// Every revision whose content is at hand, by name.
    pub revisions: BTreeMap<RevisionName, KnownRevision>,
    /// Objects exist that could not be judged: what they want is not known, so nothing is deleted.
    pub incomplete: bool,
    /// Those of them that no object in Kubernetes holds yet: no account is given one, whose content a crash could lose.
    pub unstored: BTreeSet<RevisionName>,
    /// Objects that are being deleted: nothing more is done for them but to settle what is under way.
    pub leaving: BTreeMap<AccountKey, Claim>,
}
