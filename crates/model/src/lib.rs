//! The nouns of Bulkhead: ids, emails, tags, the desired and the observed organization, the plan, the reasons.
//!
//! Plain data without a client, a clock or a random number. Newtypes parse what AWS demands once, at the edge, and
//! carry the AWS rule in their documentation, so that the planner never meets a malformed value.

mod approval;
mod brake;
mod desired;
mod digest;
mod ids;
mod journal;
mod line;
mod mark;
mod observed;
mod plan;
mod policies;
mod policy;
mod reason;
mod revision;
mod text;
mod turns;

pub use approval::{ApprovalAction, ApprovalPolicy, Approvals, Awaiting, Decision};
pub use brake::{Brake, Budget, Change, MassChange, Room, Spending};
pub use desired::{
    AccountKey, Assertion, DesiredAccount, DesiredOrg, KeptAccount, KnownRevision, Outputs, TagChange,
    UpdatePolicy,
};
pub use digest::digest_of;
pub use ids::{AccountId, CreateRequestId, OrganizationId, OuId, ParentId, PolicyId, RootId, Token};
pub use journal::{Attempt, Creation, Hold, HoldKind, Journal, JournalEntry, OutputsState};
pub use line::one_line;
pub use mark::{Mark, MarkVerdict};
pub use observed::{
    AccountState, CreationRecord, CreationState, Effect, Observation, ObservedAccount, ObservedOrg,
    ObservedUnit, READ_LAG, Snapshot, Tags,
};
pub use plan::{
    AccountFacts, AccountView, Action, Finding, Limits, Mode, Plan, PolicyLimits, Read, Stage, Step, StepId,
    Stray, Verdict,
};
pub use policies::{Attachments, Effective, Evidence, Policies};
pub use policy::{
    DesiredPolicy, EffectivePolicy, ListedPolicies, ObservedPolicy, PolicyTarget, PolicyTypeState,
};
pub use reason::Reason;
pub use revision::{Assigned, AssignedBy, Carried, PromotedBy, Revision};
pub use text::{
    AccountName, Claim, Email, Installation, Invalid, OuPath, PolicyContent, PolicyType, RevisionHash,
    RevisionName, RoleName, TagKey, TagValue,
};
pub use turns::{Class, Turns};

/// Tag keys that Bulkhead writes on what it owns (AWS: keys 1..128 characters, case-sensitive).
pub mod tag_keys {
    /// On an account: `<installation>/<namespace>/<name>`, whose account it is; survives the loss of the cluster.
    pub const CLAIM: &str = "bulkhead.dev/claim";
    /// On an account: the creation intent it came from.
    pub const CREATION_TOKEN: &str = "bulkhead.dev/creation-token";
    /// On an account: the workload it was created for; a re-attachment must agree with it.
    pub const WORKLOAD: &str = "bulkhead.dev/workload";
    /// On an account: the environment it was created for; a re-attachment must agree with it.
    pub const ENVIRONMENT: &str = "bulkhead.dev/environment";
    /// On an account: `<revision>/<sequence>`, the revision of its Baseline that it has, and the how manieth it is. It is
    /// never ahead of the object's status, unless the cluster was restored to an older state.
    pub const REVISION: &str = "bulkhead.dev/revision";
    /// On the organization's root: `<installation>:<kube-system UID>`, which cluster governs this organization.
    pub const INSTALLATION: &str = "bulkhead.dev/installation";
    /// On organizational units and policies made by Bulkhead: `<installation>`.
    pub const MANAGED: &str = "bulkhead.dev/managed";
    /// Prefix of every key above; tenants may never set a key that begins with it.
    pub const PREFIX: &str = "bulkhead.dev/";
}
