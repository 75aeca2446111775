//! Simulated AWS Organizations, STS and Resource Groups Tagging API on the real wire.
//!
//! An independent implementation, for tests, demonstrations and plans: it shares no type with its callers, so that one
//! wrong belief about AWS does not pass on both sides. It is as unkind as AWS where AWS is known to be: creation is
//! asynchronous and has no idempotency token, lists lag behind, pages may be empty, every operation has its published
//! rate, and what it refuses carries the real exception name, `Reason` and HTTP status.
//!
//! # Supported
//!
//! * **AWS Organizations** (awsJson 1.1):
//!   * accounts: CloseAccount, CreateAccount, DescribeAccount, DescribeCreateAccountStatus, LeaveOrganization,
//!     ListAccounts, ListAccountsForParent, ListCreateAccountStatus, ListParents, MoveAccount, RemoveAccountFromOrganization;
//!   * the tree: CreateOrganizationalUnit, DeleteOrganizationalUnit, DescribeOrganization,
//!     DescribeOrganizationalUnit, ListChildren, ListOrganizationalUnitsForParent, ListRoots,
//!     UpdateOrganizationalUnit;
//!   * policies: AttachPolicy, CreatePolicy, DeletePolicy, DescribeEffectivePolicy, DescribePolicy, DetachPolicy,
//!     DisablePolicyType, EnablePolicyType, ListPolicies, ListPoliciesForTarget, ListTargetsForPolicy, UpdatePolicy;
//!   * invitations: CancelHandshake, DescribeHandshake, InviteAccountToOrganization, ListHandshakesForOrganization;
//!     the other side answers by [`Mutation::AcceptHandshake`] and [`Mutation::DeclineHandshake`];
//!   * services: DeregisterDelegatedAdministrator, DisableAWSServiceAccess, EnableAWSServiceAccess,
//!     ListAWSServiceAccessForOrganization, ListDelegatedAdministrators, ListDelegatedServicesForAccount,
//!     RegisterDelegatedAdministrator;
//!   * tags: ListTagsForResource, TagResource, UntagResource.
//! * **Resource Groups Tagging API** (awsJson 1.1): GetResources, for the resources of AWS Organizations.
//! * **STS** (awsQuery): AssumeRole, GetCallerIdentity.
//!
//! Every other operation answers UnknownOperationException (InvalidAction from STS) with HTTP 400, which no SDK retries.
//!
//! Not simulated: resource control policies and tag policies act on nothing; the schema of a declarative policy's type is
//! not checked, only its operators; no type of policy needs trusted access first; leaving asks for no payment method;
//! there is no delegation policy.
//!
//! # Service control policies
//!
//! While the type is enabled, they act on every call of a member session but GetCallerIdentity: those attached to the
//! root, the units above the account and the account itself, [`Settings::scp_enforcement_lag`] behind. They do not act on
//! the management account's principals, so not on its AssumeRole into a member. [`evaluate_scp_cases`] asks the evaluator
//! without an organization. Known of a request are the condition keys of its principal, Region, time and resource's
//! tags; `aws:SourceIp` is always 192.0.2.1, `aws:SecureTransport` true, and the session's role has no tags.
//!
//! # Faults
//!
//! [`Orgsim::set_faults`] and `orgsim --faults FILE` take a [`FaultPlan`], YAML or JSON:
//!
//! ```yaml
//! version: 1
//! seed: 7
//! rules:
//!   - {fault: answerLost, operations: [CreateAccount, MoveAccount], every: 3}
//!   - {fault: staleRead, operations: [reads], percent: 20, delay: 8s, until: 10m}
//!   - {fault: timeoutAfterEffect, operations: [writes], percent: 5, delay: 30s, times: 4}
//! ```
//!
//! Which calls are hit follows from the plan's seed and the order of the calls. [`Call::fault`] says what hit a call,
//! [`Call::outcome`] what happened in truth. Over TCP a lost answer closes the connection before its first byte.
//!
//! # State
//!
//! `orgsim --state FILE` and [`StateFile`] keep the organization over a restart: accounts, units, tags, policies,
//! invitations, what is pending and when it is due, buckets, closures, sessions, the place in every stream of chance,
//! and the time, which stands still while no process runs. The file is written whole (temporary file, fsync, rename)
//! before a change is answered; while callers only read, at most once in a simulated second. A file that is truncated
//! or of another version is refused and left alone. The list of calls and the fault plan are not kept.
//!
//! # Callers
//!
//! Signatures are not verified. The access key id in `Authorization` names the caller: keys that AssumeRole handed out
//! are member sessions, every other key is an administrator of the management account. A member session may call
//! DescribeOrganization, LeaveOrganization and STS, and the reads of AWS Organizations when its account is a delegated administrator of any
//! service; GetResources shows it nothing.
//!
//! # Time and chance
//!
//! Time is the clock given to [`Orgsim::new`], chance the seed in [`Settings`]: the same seed, clock and order of calls
//! give the same bytes. What is due happens at the next call, in order.
//!
//! # What the sources leave open
//!
//! Choices made where AWS's documentation is silent, each the less comfortable one: operations in one row of the
//! throttling table share a bucket, and those in no row are free; ListTagsForResource pages at 20; a default page is 20;
//! listings are in order of ids; a new creation request is missing from ListCreateAccountStatus as long as a new account
//! may be missing from ListAccounts; moves, renames and reads by id are visible at once; a closing account is answered
//! like a closed one; a policy's name is unique within its type; CreatePolicy needs the type enabled;
//! any pending type of policies holds up every change of policies; in a service control policy a variable without one
//! value matches nothing, a bare `*` is any ARN, and a key of several values under an operator without `ForAllValues` or
//! `ForAnyValue` holds when any value does. An organization begins without enabled types of
//! policies ([`Settings::policy_types`]).

mod clock;
mod debug;
mod faults;
mod orgsim;
mod server;
mod settings;
mod state_file;
mod wire;
mod world;

pub use clock::{real_clock, tokio_clock};
pub use debug::{
    AccountState, AccountView, AttachmentView, Call, CreationView, FailureReason, HandshakeView, MutateError,
    Mutation, OrganizationalUnitView, PolicyView, RootView, State,
};
pub use faults::{Fault, FaultPlan, FaultPlanError, FaultRule, Lost};
pub use orgsim::Orgsim;
pub use server::{Running, serve};
pub use settings::{Limits, Settings};
pub use state_file::{StateFile, StateFileError};
pub use world::scp::{ScpCaseError, ScpVerdict, evaluate_scp_cases};
