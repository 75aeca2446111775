//! What waits for a person, and what people have decided.

use crate::AccountKey;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// Kinds of decisions that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum ApprovalAction {
    /// An account that carries a higher sequence than its object's status knows is governed again.
    StateRestore,
    /// A tag gets another value that its rule does not let pass alone, or that somebody else wrote there.
    TagChange,
    /// A revision enters a stage of a promotion.
    Promotion,
}

/// Something that Bulkhead will not do alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Awaiting {
    /// What kind of decision it needs.
    pub action: ApprovalAction,
    /// Names everything that is decided: `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    /// What would be done, in one line.
    pub summary: String,
}

/// One person's decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// Name of the Approval.
    pub name: String,
    /// When it was made, by the API server's clock.
    pub created: Timestamp,
    /// What it decides.
    pub action: ApprovalAction,
    /// On what.
    pub digest: String,
    /// Yes or no.
    pub approves: bool,
    /// Whose it is.
    pub approver: String,
    /// Who asked for what is decided; may not be the approver.
    pub requested_by: Option<String>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// Is the admission policy in force that makes an Approval's approver the one who created it? Without it, anybody who may
/// create Approvals could decide in anybody's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub enum ApprovalPolicy {
    /// Not looked at yet: no Approval counts.
    #[default]
    Unknown,
    /// No Approval counts, and why.
    Missing(String),
    /// Approvals made since then count.
    InForce {
        /// Since when, by the API server's clock.
        since: Timestamp,
    },
}

/// What people have decided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Approvals {
    /// Do they count?
    pub policy: ApprovalPolicy,
    /// Decisions on each AwsAccount, by name.
    pub accounts: BTreeMap<AccountKey, Vec<Decision>>,
}
