//! The custom resources of group bulkhead.dev: types, CEL rules, printer columns.
//!
//! Doc comments on the types are published as CRD descriptions, so they are written for people who write manifests.
//! Spec fields are optional and get their defaults in code, never in the schema: a GitOps tool would see a default that
//! the server fills in as a difference. What can be judged from one object alone is a CEL rule here (`rules`); what
//! needs other objects is judged by `desired`. Transition rules sit on the parent of the field they protect, because a
//! rule on the field itself does not run when the field is removed.

mod account;
mod approval;
mod baseline;
mod organization;
mod promotion;
mod revision;
mod rules;
mod schema;

pub use account::{
    AccessStatus, AppliedStatus, AssignedPromotion, AssignedStatus, AwsAccount, AwsAccountSpec,
    AwsAccountStatus, BaselinePin, BaselineRef, BaselineStatusRef, CreationStatus, DeletionPolicy,
    GuardrailStatus, OrganizationalUnitStatus, OutputsSpec, OutputsStatus, Owner, TagsStatus, UpdateStatus,
};
pub use approval::{
    Approval, ApprovalAction, ApprovalDecision, ApprovalSpec, ApprovalSubject, Awaiting, SubjectKind,
};
pub use baseline::{
    AccountsStatus, Assertion, Baseline, BaselineSpec, BaselineStatus, Environment, EnvironmentStatus,
    Expectation, Guardrail, MandatoryTag, PolicyBudget, RawPolicy, ReadinessGate, RevisionCount,
    RevisionStatus, TagChange, TagField, TagSource, UpdatePolicy,
};
pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::{
    Condition, LabelSelector, LabelSelectorRequirement,
};
pub use organization::{
    AccountsSlot, BrakeStatus, CountSlot, Organization, OrganizationSpec, OrganizationStatus,
};
pub use promotion::{
    AttemptEnding, AttemptHistory, AttemptOutcome, AttemptStatus, Canary, ChangingStatus, ConditionGate,
    EnvironmentPromotion, EnvironmentPromotionSpec, EnvironmentPromotionStatus, FailurePolicy, Gate,
    GateStatus, GateType, HttpGate, JobGate, LastHandledStatus, Linear, OnDeadline, OnEmpty, OnError,
    OnFailure, OptIn, PauseStatus, PlanStatus, PrometheusGate, RejectedStatus,
    RevisionPolicy as PromotionRevisionPolicy, RollbackScope, RunAt, Stage, StageApproval,
    StageApprovalStatus, StageStatus, Strategy, StrategyType, Supersede, TargetsStatus, Wave, WaveStatus,
    Window, WindowStatus, WindowType,
};
pub use revision::{
    BaselineRevision, BaselineRevisionSpec, RevisionEnvironment, RevisionPolicy, RevisionTag,
};
pub use schema::crds;

/// API group of every kind.
pub const GROUP: &str = "bulkhead.dev";
/// Version of every kind.
pub const VERSION: &str = "v1alpha1";
/// Finalizer on an AwsAccount: set before a creation intent is written, removed once no creation is unsettled.
pub const FINALIZER: &str = "bulkhead.dev/account";
/// Field manager of everything the operator applies, except what [`JOURNAL_MANAGER`] owns.
pub const FIELD_MANAGER: &str = "bulkhead";
/// Field manager of an AwsAccount's `status.creation` and `status.baseline.assigned` and of the Organization's
/// `status.brake`: an apply of the one manager must not erase what the other one wrote.
pub const JOURNAL_MANAGER: &str = "bulkhead-journal";

/// Types of the conditions in `status.conditions`.
pub mod conditions {
    /// Everything the object asks for is there and usable.
    pub const READY: &str = "Ready";
    /// Work is going on; present only while True.
    pub const RECONCILING: &str = "Reconciling";
    /// A person has to act; present only while True, never together with [`RECONCILING`].
    pub const STALLED: &str = "Stalled";
    /// Waits for something outside; present only while True, always together with [`RECONCILING`].
    pub const WAITING: &str = "Waiting";
    /// The spec was accepted.
    pub const ACCEPTED: &str = "Accepted";
    /// The account exists.
    pub const VENDED: &str = "Vended";
    /// The account is in its organizational unit.
    pub const PLACED: &str = "Placed";
    /// The policies of the account's revision are attached, and none of an earlier one is left.
    pub const GUARDRAILS_APPLIED: &str = "GuardrailsApplied";
    /// The account carries its tags.
    pub const TAGGED: &str = "Tagged";
    /// The access role was used from inside the account.
    pub const ACCESS_VERIFIED: &str = "AccessVerified";
    /// A later revision has succeeded in the account's environment, and its owner may take it; present only while True.
    pub const UPDATE_AVAILABLE: &str = "UpdateAvailable";
    /// On a Baseline: the organizational units its environments are bound to are where the Baseline says.
    pub const UNITS_BOUND: &str = "OrganizationalUnitsBound";
    /// On the Organization: no policy of this installation is attached to anything but accounts that Bulkhead made.
    pub const POLICIES_IN_PLACE: &str = "PoliciesInPlace";
    /// On an EnvironmentPromotion: whoever has to agree to the stage at hand has.
    pub const APPROVED: &str = "Approved";
    /// On an EnvironmentPromotion: waves may begin.
    pub const WINDOW_OPEN: &str = "WindowOpen";
    /// On an EnvironmentPromotion: no gate of the stage at hand has failed.
    pub const GATES_PASSED: &str = "GatesPassed";
    /// On an EnvironmentPromotion: no more accounts of the stage at hand failed than may.
    pub const TARGETS_HEALTHY: &str = "TargetsHealthy";
    /// On an EnvironmentPromotion: the attempt at hand succeeded; Unknown while it runs.
    pub const SUCCEEDED: &str = "Succeeded";
    /// Every type the operator sets; any other belongs to another controller.
    pub const ALL: &[&str] = &[
        READY,
        RECONCILING,
        STALLED,
        WAITING,
        ACCEPTED,
        VENDED,
        PLACED,
        GUARDRAILS_APPLIED,
        TAGGED,
        ACCESS_VERIFIED,
        UPDATE_AVAILABLE,
        UNITS_BOUND,
        POLICIES_IN_PLACE,
        APPROVED,
        WINDOW_OPEN,
        GATES_PASSED,
        TARGETS_HEALTHY,
        SUCCEEDED,
    ];
}
