//! Reasons: one closed set of words, used as condition reason, Event reason and metric label alike.

use serde::Serialize;
use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Why something is as it is. The same word is the condition's reason, the Event's reason and the metric's label.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub enum Reason { $($(#[$doc])* $name),* }

        impl Reason {
            /// Every reason, in order of declaration.
            pub const ALL: &'static [Reason] = &[$(Reason::$name),*];
            /// The word itself.
            pub const fn as_str(self) -> &'static str {
                match self { $(Reason::$name => stringify!($name)),* }
            }
        }
    };
}

reasons! {
    /// Everything is as it should be.
    Ready,
    /// A stage has been reached.
    Done,
    /// Nothing is known yet.
    Pending,
    /// The organization is being read for the first time.
    Observing,

    // --- the object asks for something it cannot have
    /// The Baseline the object names does not exist.
    BaselineNotFound,
    /// The Baseline the object names was not accepted.
    BaselineNotAccepted,
    /// The Baseline has no environment of this name.
    UnknownEnvironment,
    /// The Baseline's namespaceSelector does not admit this namespace.
    NamespaceNotAllowed,
    /// The environment's namespaceSelector does not admit this namespace.
    EnvironmentNotAllowed,
    /// spec.email is set and the Baseline does not allow it.
    EmailNotAllowed,
    /// The email is one AWS would refuse.
    InvalidEmail,
    /// Another object holds this email.
    EmailConflict,
    /// The account name is one AWS would refuse.
    InvalidAccountName,
    /// A mandatory tag has no value.
    MissingTagValue,
    /// A tag's value is not allowed.
    TagValueNotAllowed,
    /// The object sets a tag key it may not set.
    TagKeyNotAllowed,
    /// The object is pinned to a revision that it may not have, or for too long.
    PinNotAllowed,
    /// The owner of the account may take a later revision.
    UpdateAvailable,
    /// More than 50 tags.
    TooManyTags,
    /// A field breaks a rule that the schema could not judge.
    InvalidSpec,
    /// A guardrail that the catalogue does not have.
    UnknownGuardrail,
    /// A parameter of a guardrail that is unknown, missing, of the wrong type or out of its range.
    InvalidParameter,
    /// A policy document that AWS or Bulkhead does not accept.
    InvalidPolicy,
    /// A policy document that is larger than AWS stores.
    PolicyTooLarge,
    /// More policies than an account has places for, while old and new ones stand side by side.
    TooManyPolicies,
    /// The policies would deny the operator's probe, or an exempt principal.
    LockOut,
    /// The policies do not keep an assertion of the Baseline.
    AssertionFailed,
    /// The content of the Baseline is too large for a revision.
    TooLarge,
    /// A BaselineRevision of this name has another content.
    RevisionConflict,
    /// The allowed regions of the old and the new revision have none in common.
    DisjointRegions,
    /// The object cannot be decoded.
    Undecodable,
    /// A defect in Bulkhead.
    InternalError,

    // --- the organization is not ours to change
    /// Another installation holds the organization.
    OrganizationClaimed,
    /// The installation mark was written and is settling.
    InstallationMarkSettling,
    /// The operator is in mode Observe: it reads and judges, and changes nothing.
    ObserveOnly,

    // --- waiting
    /// spec.suspend is set.
    Suspended,
    /// Waiting for a free place among the creations in flight.
    CreationQueued,
    /// The budget of creations is used up for now.
    CreationBudgetExhausted,
    /// The budget of moves is used up for now.
    MoveBudgetExhausted,
    /// What is spent of the budgets cannot be read: nothing is begun that they count.
    BudgetUnknown,
    /// The creation intent is written; looking for an earlier effect before the call.
    LookingFirst,
    /// AWS is creating the account.
    CreationInProgress,
    /// The outcome of an earlier call is unknown; looking, then trying again.
    CreationOutcomeUnknown,
    /// A request of this account name is in flight that no object knows.
    CreationNameInFlight,
    /// The account is known but AWS does not list it (yet).
    AccountNotVisible,
    /// The account is not activated yet.
    AccountPendingActivation,
    /// The organizational unit is being made.
    OrganizationalUnitPending,
    /// The account is being moved.
    Moving,
    /// The revision of the Baseline that the account is to have is being stored.
    AssigningRevision,
    /// A policy is being made or attached.
    AttachingPolicies,
    /// The policies of the revision are attached; AWS is asked whether it shows them.
    ConfirmingPolicies,
    /// Old and new policies stand side by side until AWS enforces the new ones everywhere.
    PolicyOverlap,
    /// What somebody changed about policies of Bulkhead is being repaired.
    RepairingPolicies,
    /// A policy type that is needed is being enabled.
    PolicyTypePending,
    /// The budget of changes of policies is used up for now.
    PolicyBudgetExhausted,
    /// The revision the account has is not known to this cluster; its policies are left as they are.
    RevisionUnknown,
    /// A change of a tag waits for a person's Approval.
    TagChangeAwaitingApproval,
    /// The account's tags are being written.
    Tagging,
    /// The access role does not work yet.
    AccessPending,
    /// The outputs ConfigMap is being written.
    OutputsPending,
    /// A readiness gate is not True.
    ReadinessGateNotTrue,
    /// AWS asked to slow down.
    Throttled,
    /// AWS could not be reached or failed.
    AwsUnavailable,
    /// AWS reported a concurrent modification.
    ConcurrentModification,
    /// The organization is still being set up by AWS.
    FinalizingOrganization,
    /// AWS allows no further creation at the moment.
    AccountCreationRateLimitExceeded,
    /// AWS is still at an earlier change of policies.
    PolicyChangesInProgress,
    /// A target has no place for another policy of this type: policies of others take them.
    NoPolicySlot,
    /// AWS is closing as many accounts as it does at a time.
    CloseAccountRequestsLimitExceeded,
    /// AWS's quota of closures within 30 days is used up.
    CloseAccountQuotaExceeded,
    /// AWS allows no further invitation at the moment.
    InvitationLimitExceeded,
    /// The world differs from what the plan was made for.
    Reobserving,

    // --- a person has to act
    /// AWS refuses the operator's credentials this operation.
    AccessDenied,
    /// The management account is not in an organization.
    OrganizationsNotInUse,
    /// A foreign account has this email.
    EmailInUse,
    /// The account carries the claim but does not fit the object, or is held by another object.
    ClaimMismatch,
    /// The account carries a later revision than this object's status knows: the cluster was restored to an older state.
    StateBehindAws,
    /// Somebody has approved, but the admission policy that makes Approvals trustworthy is not in force.
    ApprovalPolicyMissing,
    /// Somebody has rejected what Bulkhead would not do alone.
    ApprovalRejected,
    /// The object's account is closed.
    AccountClosed,
    /// AWS has suspended the account.
    AccountSuspended,
    /// AWS's quota of accounts is used up.
    AccountLimitExceeded,
    /// AWS's validation of the business or payment data failed.
    BusinessValidationFailed,
    /// AWS refuses an input.
    InvalidInput,
    /// AWS's limit of organizational units or their depth is reached.
    OrganizationalUnitLimitExceeded,
    /// The organizational unit the environment is bound to is gone.
    OrganizationalUnitMissing,
    /// The organizational unit has another name or place than the Baseline says.
    OURenamed,
    /// A tag policy of the organization forbids a value.
    TagPolicyViolation,
    /// AWS's limit of tags is reached.
    TagLimitExceeded,
    /// A tag key that should become ours carries somebody else's value.
    TagConflict,
    /// A policy type that is needed is not enabled on the root, and the configuration does not say to enable it.
    PolicyTypeDisabled,
    /// A policy of a name of ours exists that is not ours.
    PolicyNameTaken,
    /// A policy of ours is attached to something that Bulkhead attaches no policies to.
    PolicyAttachedElsewhere,
    /// While old and new policies stand side by side, they would deny what both allow.
    PolicyOverlapDenies,
    /// What the policies of a type come to on the account is not what the revision's policy says.
    EffectivePolicyDiffers,
    /// The value of an immutable tag was changed in its source.
    TagImmutable,
    /// AWS's limit of policies, or of a policy's size, is reached.
    PolicyLimitExceeded,
    /// The organization cannot have policies of this type: it lacks features.
    PolicyTypeNotAvailable,
    /// AWS refuses a policy document.
    MalformedPolicyDocument,
    /// AWS refuses to invite an account.
    InvitationRefused,
    /// A constraint of AWS is violated.
    ConstraintViolation,
    /// Something of this name exists that is not ours.
    OutputsConflict,
    /// AWS's creation failed for another reason.
    CreationFailed,
    /// Kubernetes refused a write.
    KubernetesRefused,

    // --- what happened, as Events
    /// AWS accepted the CreateAccount request.
    CreationRequested,
    /// The account exists.
    AccountCreated,
    /// An existing account was found to be this object's.
    AccountReattached,
    /// The account is in its organizational unit.
    AccountMoved,
    /// The policies of the account's revision are attached.
    GuardrailsAttached,
    /// What somebody had changed about the account's policies is as it should be again.
    GuardrailsRepaired,
    /// The account's tags are as they should be.
    TagsApplied,
    /// The access role was used with success.
    AccessVerified,
    /// The account is to have another revision of its Baseline.
    RevisionAssigned,
    /// The spec was accepted.
    Accepted,
}

impl Reason {
    /// Is this a wait for something else, rather than work under way?
    pub const fn waits(self) -> bool {
        !matches!(
            self,
            Self::LookingFirst
                | Self::CreationInProgress
                | Self::OrganizationalUnitPending
                | Self::Moving
                | Self::AssigningRevision
                | Self::AttachingPolicies
                | Self::ConfirmingPolicies
                | Self::PolicyOverlap
                | Self::RepairingPolicies
                | Self::Tagging
                | Self::AccessPending
                | Self::OutputsPending
                | Self::AccountNotVisible
                | Self::Reobserving
                | Self::Pending
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
