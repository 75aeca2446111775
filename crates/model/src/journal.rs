//! What must be remembered across crashes, and what the running process knows beside it.

use crate::{
    AccountId, AccountName, Assigned, CreateRequestId, Email, Reason, RevisionName, RoleName, Tags, Token,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::AccountKey;

/// The write-ahead intent of one CreateAccount call: `status.creation`. The values are frozen, so that no later edit
/// makes a look-up search for another address than the one that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Creation {
    /// Names this attempt; used for one call only.
    pub token: Token,
    /// 1 for the first attempt.
    pub attempt: i64,
    /// When the intent was made, by the clock of the operator that made it.
    pub started_at: Timestamp,
    /// The leadership term that made it.
    pub epoch: i64,
    /// Email in the request.
    pub email: Email,
    /// Account name in the request.
    pub account_name: AccountName,
    /// Role name in the request; AWS does not tell it again.
    pub role_name: RoleName,
    /// AWS's answer, once it is known.
    pub request_id: Option<CreateRequestId>,
}

/// What Kubernetes remembers of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct JournalEntry {
    /// UID of the object: another object of its name is another object.
    pub uid: String,
    /// The finalizer is set: a creation may be unsettled.
    pub held: bool,
    /// The object is being deleted.
    pub deleting: bool,
    /// The last creation intent.
    pub creation: Option<Creation>,
    /// The revision the account is to have, which it may not have yet.
    pub assigned: Option<Assigned>,
    /// The account this object was bound to.
    pub account_id: Option<AccountId>,
    /// The revision that was applied in full: what differs from it now was changed by somebody else.
    pub applied: Option<RevisionName>,
    /// The role whose use was proven from inside the account.
    pub verified_role: Option<String>,
    /// Tags recorded as ours on the account, with the values it was last seen to have as they were wanted: what differs from
    /// them there was changed by somebody else, what differs from them here is another wish. Only these keys, and those that
    /// are stored to be written, are ever removed from it.
    pub managed_tags: Tags,
    /// The outputs ConfigMap as it is.
    pub outputs: OutputsState,
}

/// What stands under the name of the outputs ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub enum OutputsState {
    /// Not looked at yet, or gone.
    #[default]
    Absent,
    /// Ours, with this content.
    Ours(BTreeMap<String, String>),
    /// Exists and is controlled by nobody or by somebody else: it is never touched.
    Foreign,
}

/// What Kubernetes remembers of every object.
pub type Journal = BTreeMap<AccountKey, JournalEntry>;

/// What this process knows of one creation attempt, by token. An attempt it knows nothing of has an unknown outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Attempt {
    /// Written by this process in this term and not sent. May be sent once a look that began at or after this number is complete.
    Fresh {
        /// The first look that began after the intent was stored.
        look: u64,
    },
    /// The call is under way.
    Sending,
    /// AWS refused the call, so it had no effect. The token is spent.
    Refused,
    /// AWS accepted it.
    Accepted(CreateRequestId),
    /// The call ended without an answer that can be trusted.
    Unknown,
}

/// Why a step is not tried now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum HoldKind {
    /// Something transient: back-off is running.
    Retry,
    /// It takes a known or long time.
    Wait,
    /// A person has to act; tried again slowly.
    Stalled,
}

/// A step that failed and rests until a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// What kind of rest.
    pub kind: HoldKind,
    /// Why.
    pub reason: Reason,
    /// One stable line for a person: no request ids, no times.
    pub message: String,
    /// When to try again.
    pub until: Timestamp,
    /// Failures in a row.
    pub failures: u32,
}
