//! What the executor needs of the world. Small ports, owned by their consumer; the contract stands at each method.

use crate::error::AwsError;
use jiff::Timestamp;
use model::{
    AccountId, AccountKey, AccountName, AccountState, Assigned, Change, CreateRequestId, Creation,
    CreationRecord, DesiredPolicy, Email, ObservedPolicy, ObservedUnit, OrganizationId, ParentId,
    PolicyContent, PolicyId, PolicyTarget, PolicyType, PolicyTypeState, RoleName, RootId, TagKey, Tags,
    Token,
};
use std::collections::{BTreeMap, BTreeSet};

/// One page of a listing. A page may be empty and still have a successor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// What it holds.
    pub items: Vec<T>,
    /// Token of the next page; `None` ends the listing.
    pub next: Option<String>,
}

/// The organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// Its management account.
    pub management: AccountId,
}

/// The organization's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Its id.
    pub id: RootId,
    /// The policy types that are on, or on their way on or off. A type that is off, or in a state that this version does
    /// not know, is absent: nothing can be attached then.
    pub policy_types: BTreeMap<PolicyType, PolicyTypeState>,
}

/// One account as a listing gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedAccount {
    /// Its id.
    pub id: AccountId,
    /// Its ARN.
    pub arn: String,
    /// Its email.
    pub email: String,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: AccountState,
    /// Its parent, from `Paths`; `None` if AWS left `Paths` out.
    pub parent: Option<ParentId>,
}

/// One policy as a listing gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySummary {
    /// Its id.
    pub id: PolicyId,
    /// Its name: 1..128 characters, unique within its type.
    pub name: String,
    /// Its type; never changes.
    pub policy_type: PolicyType,
    /// AWS's own, such as FullAWSAccess: can be attached, cannot be edited.
    pub aws_managed: bool,
}

/// What the bulk listing gives tags of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tagged {
    /// An account.
    Account(AccountId),
    /// A policy.
    Policy(PolicyId),
}

/// A CreateAccount request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateAccountRequest {
    /// Email of the root user.
    pub email: Email,
    /// Account name.
    pub account_name: AccountName,
    /// Role AWS makes in the account.
    pub role_name: RoleName,
    /// Tags it is born with.
    pub tags: Tags,
}

/// AWS Organizations and the tagging API, one method per API call, one call per method: no paging, no retries, no
/// pacing inside (the executor does those). Reads are idempotent and eventually consistent; an empty page may have a
/// successor. Every method may fail with any [`ErrorClass`](crate::ErrorClass).
#[expect(
    async_fn_in_trait,
    reason = "the operator is one future on one thread; Send is not needed"
)]
pub trait Organizations: PolicyApi {
    /// DescribeOrganization.
    async fn describe_organization(&self) -> Result<Organization, AwsError>;
    /// ListRoots, 1/s; the organization's one root with its policy types, which AWS tells reliably nowhere else.
    async fn list_roots(&self, next: Option<&str>) -> Result<Page<Root>, AwsError>;
    /// ListAccounts, 20 per page; closed accounts stay listed for about 90 days.
    async fn list_accounts(&self, next: Option<&str>) -> Result<Page<ListedAccount>, AwsError>;
    /// DescribeAccount.
    async fn describe_account(&self, id: &AccountId) -> Result<ListedAccount, AwsError>;
    /// ListParents of an account: only where `Paths` is missing.
    async fn list_parents(&self, id: &AccountId) -> Result<ParentId, AwsError>;
    /// ListOrganizationalUnitsForParent, 20 per page.
    async fn list_organizational_units_for_parent(
        &self,
        parent: &ParentId,
        next: Option<&str>,
    ) -> Result<Page<ObservedUnit>, AwsError>;
    /// ListCreateAccountStatus with `States = [IN_PROGRESS]`, 20 per page.
    async fn list_creations_in_progress(&self, next: Option<&str>) -> Result<Page<CreationRecord>, AwsError>;
    /// DescribeCreateAccountStatus. A request AWS does not know is `CreateAccountStatusNotFound`.
    async fn describe_create_account_status(&self, id: &CreateRequestId) -> Result<CreationRecord, AwsError>;
    /// ListTagsForResource (account, unit, root or policy id); reads the resource itself. A resource that is gone is
    /// `TargetNotFound`.
    async fn list_tags_for_resource(
        &self,
        id: &str,
        next: Option<&str>,
    ) -> Result<Page<(String, String)>, AwsError>;
    /// tag:GetResources for accounts and policies in one listing, 100 per page, 15/s. Bulk; staleness not documented;
    /// what carries no tag is absent.
    async fn get_resource_tags(&self, next: Option<&str>) -> Result<Page<(Tagged, Tags)>, AwsError>;

    /// CreateAccount. **Not idempotent and without a client token**: sent once per intent, never retried below this
    /// port. If [`effect_unknown`](crate::ErrorClass::effect_unknown), an account may come of it.
    async fn create_account(&self, request: &CreateAccountRequest) -> Result<CreationRecord, AwsError>;
    /// CreateOrganizationalUnit, tagged. A repeat is refused with `DuplicateOrganizationalUnit`, which means: look again.
    async fn create_organizational_unit(
        &self,
        parent: &ParentId,
        name: &str,
        tags: &BTreeMap<String, String>,
    ) -> Result<ObservedUnit, AwsError>;
    /// MoveAccount; `from` is a compare-and-swap. A repeat is `DuplicateAccount` or `SourceParentNotFound`.
    async fn move_account(&self, id: &AccountId, from: &ParentId, to: &ParentId) -> Result<(), AwsError>;
    /// TagResource (account or root id); merges, safe to repeat.
    async fn tag_resource(&self, id: &str, tags: &BTreeMap<String, String>) -> Result<(), AwsError>;
    /// UntagResource; safe to repeat.
    async fn untag_resource(&self, id: &str, keys: &BTreeSet<TagKey>) -> Result<(), AwsError>;
}

/// What AWS Organizations does with policies; the same contract as [`Organizations`], which includes it. Rates are per
/// second and calling account, with the burst after the comma (AWS Organizations quotas, "Throttling limits"); calls that
/// share one are in one [`Family`](crate::Family).
#[expect(
    async_fn_in_trait,
    reason = "the operator is one future on one thread; Send is not needed"
)]
pub trait PolicyApi {
    /// ListPolicies of one type, AWS's own included, 20 per page. 5, 8 with the two listings below.
    async fn list_policies(
        &self,
        policy_type: &PolicyType,
        next: Option<&str>,
    ) -> Result<Page<PolicySummary>, AwsError>;
    /// DescribePolicy: the document exactly as stored. 2, 2; no version or time of change tells whether it is worth
    /// asking. A policy that is gone is `PolicyNotFound`.
    async fn describe_policy(&self, id: &PolicyId) -> Result<PolicyContent, AwsError>;
    /// ListTargetsForPolicy: whatever it is attached to directly, 20 per page. 5, 8 shared. A policy that is gone is
    /// `PolicyNotFound`.
    async fn list_targets_for_policy(
        &self,
        id: &PolicyId,
        next: Option<&str>,
    ) -> Result<Page<PolicyTarget>, AwsError>;
    /// ListPoliciesForTarget: ids and names of what is attached directly to an account, of one type, AWS's own included;
    /// 20 per page. 5, 8 shared. An account that AWS does not know is `TargetNotFound`.
    async fn list_policies_for_target(
        &self,
        account: &AccountId,
        policy_type: &PolicyType,
        next: Option<&str>,
    ) -> Result<Page<(PolicyId, String)>, AwsError>;

    /// DescribeEffectivePolicy: what the policies of one type, inherited ones included, come to on an account. No rate is
    /// published: that of DescribePolicy is kept. Types that AWS has no such document of are `InvalidInput`, an account on
    /// which they come to nothing is `EffectivePolicyNotFound`, and while AWS is still at it, it is
    /// `PolicyChangesInProgress`.
    async fn describe_effective_policy(
        &self,
        account: &AccountId,
        policy_type: &PolicyType,
    ) -> Result<String, AwsError>;

    /// EnablePolicyType. 1, 1. **Asynchronous**: the root shows `PENDING_ENABLE` until AWS is done, minutes later. Safe to
    /// repeat: a repeat is `PolicyTypeAlreadyEnabled`.
    async fn enable_policy_type(&self, root: &RootId, policy_type: &PolicyType) -> Result<(), AwsError>;
    /// CreatePolicy with its tags, in one call; a description of at most 512 characters. 2, 3 with DeletePolicy,
    /// AttachPolicy and DetachPolicy. A repeat is refused with `DuplicatePolicy`, which means: look again, by name.
    async fn create_policy(
        &self,
        policy: &DesiredPolicy,
        description: &str,
        tags: &Tags,
    ) -> Result<ObservedPolicy, AwsError>;
    /// UpdatePolicy: the content only. 2, 3. It holds for every target at once. Safe to repeat: the whole document is sent.
    async fn update_policy(&self, id: &PolicyId, content: &PolicyContent) -> Result<(), AwsError>;
    /// DeletePolicy. 2, 3 shared. Safe to repeat: a repeat is `PolicyNotFound`. One that is attached anywhere is refused with
    /// `PolicyInUse`.
    async fn delete_policy(&self, id: &PolicyId) -> Result<(), AwsError>;
    /// AttachPolicy to an account. 2, 3 shared. Safe to repeat: a repeat is `DuplicatePolicyAttachment`.
    async fn attach_policy(&self, policy: &PolicyId, account: &AccountId) -> Result<(), AwsError>;
    /// DetachPolicy from an account. 2, 3 shared. Safe to repeat: a repeat is `PolicyNotAttached`.
    async fn detach_policy(&self, policy: &PolicyId, account: &AccountId) -> Result<(), AwsError>;
}

/// Entering a member account.
#[expect(
    async_fn_in_trait,
    reason = "the operator is one future on one thread; Send is not needed"
)]
pub trait Access {
    /// sts:AssumeRole (at most 1 h: role chaining), then organizations:DescribeOrganization with the member session: a call
    /// that a policy can deny, which GetCallerIdentity is not; and GetCallerIdentity must name `account`. Safe to repeat.
    async fn verify(&self, account: &AccountId, role_arn: &str) -> Result<(), AwsError>;
}

/// A failed write to what Kubernetes remembers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// Somebody else changed the object: look again.
    #[error("the object was changed by somebody else")]
    Conflict,
    /// The object is gone.
    #[error("the object is gone")]
    Gone,
    /// Something of this name exists that is not ours: a person has to act.
    #[error("{0}")]
    Foreign(String),
    /// Kubernetes refused the write: a person has to act.
    #[error("Kubernetes refused the write: {0}")]
    Refused(String),
    /// Transient: tried again.
    #[error("Kubernetes could not be reached or failed: {0}")]
    Unavailable(String),
}

/// What has to be remembered across crashes: the objects' own metadata and status in Kubernetes. Every write is a
/// compare-and-swap on the object as it was planned for.
#[expect(
    async_fn_in_trait,
    reason = "the operator is one future on one thread; Send is not needed"
)]
pub trait Journal {
    /// Sets the finalizer. Safe to repeat.
    async fn hold(&self, key: &AccountKey) -> Result<(), JournalError>;
    /// Removes the finalizer. Safe to repeat.
    async fn release(&self, key: &AccountKey) -> Result<(), JournalError>;
    /// Stores an intent and, in the same write, the revision the account is to be born with. When this returns `Ok`, the
    /// API server holds both.
    async fn intend(
        &self,
        key: &AccountKey,
        creation: &Creation,
        assigned: &Assigned,
    ) -> Result<(), JournalError>;
    /// Stores the revision the account is to have. When this returns `Ok`, the API server holds it.
    async fn assign(&self, key: &AccountKey, assigned: &Assigned) -> Result<(), JournalError>;
    /// Asks the API server itself, not a cache, for the object, and lets whoever plans see the answer.
    async fn reread(&self, key: &AccountKey) -> Result<(), JournalError>;
    /// Stores AWS's answer to the intent with this token.
    async fn record_request(
        &self,
        key: &AccountKey,
        token: &Token,
        request_id: &CreateRequestId,
    ) -> Result<(), JournalError>;
    /// Takes back an intent with this token that was never sent: a successor need not find out what became of it.
    async fn withdraw(&self, key: &AccountKey, token: &Token) -> Result<(), JournalError>;
    /// Asks the API server itself, not a cache, whether the intent with this token still stands and the object is wanted.
    /// Called right before CreateAccount.
    async fn confirm(&self, key: &AccountKey, token: &Token) -> Result<(), JournalError>;
    /// Counts a change against its budget, by a compare-and-swap on what was counted before. Called right before the
    /// change is sent; when this returns `Ok`, the API server holds the count. A budget that turns out to be used up is a
    /// [`JournalError::Conflict`]: the plan was made for another picture.
    async fn spend(&self, change: &Change) -> Result<(), JournalError>;
    /// Writes the outputs ConfigMap; one that is not controlled by the object is refused before anything is written.
    async fn apply_outputs(
        &self,
        key: &AccountKey,
        config_map: &str,
        data: &BTreeMap<String, String>,
    ) -> Result<(), JournalError>;
}

/// The clock. Real in production, virtual in simulations.
pub trait Clock: Clone {
    /// Wall-clock time now.
    fn now(&self) -> Timestamp;
}
