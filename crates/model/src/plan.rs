//! The plan: what to do, what waits and why, what is refused and why, what to look at, and each account's state in words.

use crate::{
    AccountId, AccountKey, AccountName, AccountState, Assigned, Awaiting, Brake, Change, CreateRequestId,
    Creation, DesiredPolicy, Email, OuId, ParentId, PolicyId, PolicyTarget, PolicyType, Reason, RoleName,
    TagKey, Tags, Token,
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// May the operator change anything?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Mode {
    /// Yes.
    Enforce,
    /// It reads and judges, and changes nothing in AWS.
    Observe,
}

/// Limits that a plan keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Enforce or observe.
    pub mode: Mode,
    /// CreateAccount requests in progress at once (AWS: 5).
    pub creations_in_flight: usize,
    /// Intents that may be unsettled at once: those in flight and a few that wait for a token.
    pub creation_window: usize,
    /// After an unknown outcome, how long until the next attempt. Longer than AWS's listing lag.
    pub creation_grace: SignedDuration,
    /// How often all accounts are listed.
    pub refresh_accounts: SignedDuration,
    /// How often everything is read, and each account's access proven again.
    pub refresh_full: SignedDuration,
    /// How often creations in progress are polled.
    pub poll: SignedDuration,
    /// Budgets of changes.
    pub brake: Brake,
    /// What is allowed with policies.
    pub policies: PolicyLimits,
}

/// Limits of what is done with policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyLimits {
    /// May policy types be enabled on the root? They are never disabled.
    pub enable_types: bool,
    /// Places on each account, per type, that are left to others.
    pub reserved_slots: usize,
    /// How long old policies stay beside the new ones: AWS enforces with a lag.
    pub overlap: SignedDuration,
    /// How long a policy of ours stays that nothing wants and nothing has.
    pub delete_unused_after: SignedDuration,
}

/// One change: of AWS (one API call), or of what Kubernetes remembers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Action {
    /// Set the finalizer: a creation may become unsettled.
    Hold,
    /// Remove the finalizer: no creation is unsettled.
    Release,
    /// Store a creation intent, and the revision the account is to be born with, before anything is sent.
    Intend(Creation, Assigned),
    /// Store the revision the account is to have, before the account carries it.
    Assign {
        /// Which account.
        account: AccountId,
        /// Its revision.
        assigned: Assigned,
    },
    /// Ask the API server itself for the object: what the watch has brought may be old.
    Reread,
    /// Take back an intent that was never sent, because the operator stops.
    Withdraw {
        /// The intent.
        token: Token,
    },
    /// Store AWS's answer to the intent with this token.
    RecordRequest {
        /// The intent.
        token: Token,
        /// The answer.
        request_id: CreateRequestId,
    },
    /// Write the installation mark on the root.
    WriteMark {
        /// Its value.
        value: String,
    },
    /// Ask AWS for an account. Not idempotent; sent once per token.
    CreateAccount {
        /// The token of the intent.
        token: Token,
        /// Email.
        email: Email,
        /// Account name.
        account_name: AccountName,
        /// Role AWS makes in the account.
        role_name: RoleName,
        /// Tags it is born with.
        tags: Tags,
    },
    /// Make an organizational unit.
    CreateOrganizationalUnit {
        /// Where.
        parent: ParentId,
        /// Its name.
        name: String,
        /// Its path, for people.
        path: String,
    },
    /// Move an account; the observed parent is the compare-and-swap.
    MoveAccount {
        /// Which.
        account: AccountId,
        /// Where it is.
        from: ParentId,
        /// Where it belongs.
        to: ParentId,
    },
    /// Set tags.
    TagAccount {
        /// On which account.
        account: AccountId,
        /// These.
        tags: Tags,
    },
    /// Remove tags that are recorded as ours and no longer wanted.
    UntagAccount {
        /// From which account.
        account: AccountId,
        /// These keys.
        keys: BTreeSet<TagKey>,
    },
    /// Make a policy type available on the root; AWS is at it for a while.
    EnablePolicyType {
        /// Which.
        policy_type: PolicyType,
    },
    /// Make a policy, tagged as ours from birth.
    CreatePolicy {
        /// As it is to be.
        policy: DesiredPolicy,
    },
    /// Write the content back that a policy's name says: somebody edited it.
    UpdatePolicy {
        /// Which.
        id: PolicyId,
        /// As it is to be.
        policy: DesiredPolicy,
    },
    /// Delete a policy of ours that nothing wants and nothing has.
    DeletePolicy {
        /// Which.
        id: PolicyId,
        /// Its name, for people.
        name: String,
        /// Its type.
        policy_type: PolicyType,
    },
    /// Attach a policy to an account.
    AttachPolicy {
        /// Which.
        policy: PolicyId,
        /// Its type.
        policy_type: PolicyType,
        /// To which account.
        account: AccountId,
    },
    /// Detach a policy of ours from an account.
    DetachPolicy {
        /// Which.
        policy: PolicyId,
        /// Its type.
        policy_type: PolicyType,
        /// From which account.
        account: AccountId,
    },
    /// Prove from inside that the access role works.
    VerifyAccess {
        /// In which account.
        account: AccountId,
        /// By this role.
        role_arn: String,
    },
    /// Write the outputs ConfigMap.
    ApplyOutputs {
        /// Its name, in the object's namespace.
        config_map: String,
        /// Its content.
        data: BTreeMap<String, String>,
    },
}

impl Action {
    /// One word for logs and metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Hold => "Hold",
            Self::Release => "Release",
            Self::Intend(..) => "Intend",
            Self::Assign { .. } => "Assign",
            Self::Reread => "Reread",
            Self::Withdraw { .. } => "Withdraw",
            Self::RecordRequest { .. } => "RecordRequest",
            Self::WriteMark { .. } => "WriteMark",
            Self::CreateAccount { .. } => "CreateAccount",
            Self::CreateOrganizationalUnit { .. } => "CreateOrganizationalUnit",
            Self::MoveAccount { .. } => "MoveAccount",
            Self::TagAccount { .. } => "TagAccount",
            Self::UntagAccount { .. } => "UntagAccount",
            Self::EnablePolicyType { .. } => "EnablePolicyType",
            Self::CreatePolicy { .. } => "CreatePolicy",
            Self::UpdatePolicy { .. } => "UpdatePolicy",
            Self::DeletePolicy { .. } => "DeletePolicy",
            Self::AttachPolicy { .. } => "AttachPolicy",
            Self::DetachPolicy { .. } => "DetachPolicy",
            Self::VerifyAccess { .. } => "VerifyAccess",
            Self::ApplyOutputs { .. } => "ApplyOutputs",
        }
    }

    /// Does it change AWS? These need a valid leadership term and our installation mark.
    pub const fn mutates_aws(&self) -> bool {
        match self {
            Self::WriteMark { .. }
            | Self::CreateAccount { .. }
            | Self::CreateOrganizationalUnit { .. }
            | Self::MoveAccount { .. }
            | Self::TagAccount { .. }
            | Self::UntagAccount { .. }
            | Self::EnablePolicyType { .. }
            | Self::CreatePolicy { .. }
            | Self::UpdatePolicy { .. }
            | Self::DeletePolicy { .. }
            | Self::AttachPolicy { .. }
            | Self::DetachPolicy { .. } => true,
            Self::Hold
            | Self::Release
            | Self::Intend(..)
            | Self::Assign { .. }
            | Self::Reread
            | Self::Withdraw { .. }
            | Self::RecordRequest { .. }
            | Self::VerifyAccess { .. }
            | Self::ApplyOutputs { .. } => false,
        }
    }
}

/// Names a step by what it is about, so that a failure is remembered for exactly this wish and a changed wish is tried
/// at once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct StepId(pub String);

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One change that can be made now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Its name.
    pub id: StepId,
    /// The object it is for; `None` for the organization's own steps.
    pub key: Option<AccountKey>,
    /// What to do.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// What is counted before it is sent; `None`: no budget counts it.
    pub spends: Option<Change>,
}

/// What has to be looked at before the plan can go on, or again because the last look is old.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Read {
    /// The installation mark.
    Mark,
    /// Everything.
    Full,
    /// All accounts and the requests in progress.
    Look,
    /// Requests in progress; these single ones too, should they not be in progress any more.
    Creations(BTreeSet<CreateRequestId>),
    /// One account with its tags.
    Account(AccountId),
    /// What is attached directly to one account.
    Attachments(AccountId, PolicyType),
    /// What the policies of one type, inherited ones included, come to on one account.
    EffectivePolicy(AccountId, PolicyType),
    /// The policies of one type by name and content, with the tags of ours; what they are attached to is not read.
    Policies(PolicyType),
    /// The root with the state of its policy types.
    PolicyTypes,
}

impl Read {
    /// The name it rests by after a failure.
    pub fn id(&self) -> StepId {
        StepId(match self {
            Self::Mark => "read/mark".to_owned(),
            Self::Full => "read/full".to_owned(),
            Self::Look => "read/look".to_owned(),
            Self::Creations(_) => "read/creations".to_owned(),
            Self::Account(id) => format!("read/account/{id}"),
            Self::Attachments(id, policy_type) => format!("read/attachments/{id}/{policy_type}"),
            Self::EffectivePolicy(id, policy_type) => format!("read/effective-policy/{id}/{policy_type}"),
            Self::Policies(policy_type) => format!("read/policies/{policy_type}"),
            Self::PolicyTypes => "read/policy-types".to_owned(),
        })
    }
}

/// How far one stage of an account has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Stage {
    /// Not judged yet.
    Unknown,
    /// As it should be.
    Done,
    /// Under way, or waiting.
    Pending(Reason, String),
    /// A person has to act.
    Blocked(Reason, String),
}

/// What an account is, in one word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Verdict {
    /// Usable.
    Ready,
    /// Something is being done.
    Working(Reason, String),
    /// Something else has to happen first.
    Waiting(Reason, String),
    /// A person has to act.
    Refused(Reason, String),
}

impl Verdict {
    /// The reason in one word.
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Ready => Reason::Ready,
            Self::Working(reason, _) | Self::Waiting(reason, _) | Self::Refused(reason, _) => *reason,
        }
    }
}

/// What AWS holds of an object's account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccountFacts {
    /// Its id.
    pub id: AccountId,
    /// Its ARN.
    pub arn: String,
    /// Its state.
    pub state: AccountState,
    /// Its email.
    pub email: String,
    /// Its name.
    pub name: String,
    /// The root or unit it is in.
    pub parent: ParentId,
    /// Names of the units down to it; empty in the root.
    pub path: String,
    /// Tags under keys that are ours.
    pub managed_tags: Tags,
    /// Which of these keys do not have the value that is wanted, or are not wanted at all.
    pub unsettled_tags: BTreeSet<TagKey>,
    /// How many other tags it carries.
    pub foreign_tags: usize,
    /// Names of the policies of ours that are attached to it, in order.
    pub policies: Vec<String>,
    /// The access role.
    pub role_arn: String,
}

/// One account as the plan sees it: the status of its object is computed from this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccountView {
    /// The AWS account, once there is one.
    pub account: Option<AccountFacts>,
    /// It exists and is ours.
    pub vended: Stage,
    /// Its revision is settled: stored, and not behind what the account carries.
    pub assigned: Stage,
    /// Every policy of its revision is attached, and that was read back; none of ours is left that is not part of it.
    pub guarded: Stage,
    /// It is in its unit.
    pub placed: Stage,
    /// It carries its tags.
    pub tagged: Stage,
    /// It can be entered.
    pub access: Stage,
    /// All in one.
    pub verdict: Verdict,
    /// It has what its assigned revision says: policies, unit and tags, and nothing of ours besides.
    pub applied: bool,
    /// What a person has to decide.
    pub awaiting: Vec<Awaiting>,
}

/// A policy of ours that somebody else attached, where Bulkhead attaches none: it is told and never detached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Stray {
    /// What it is attached to.
    pub target: PolicyTarget,
    /// Its name.
    pub name: String,
    /// Its id.
    pub policy: PolicyId,
}

/// What to do. Immutable: the executor decides nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Changes that can be made now, most urgent first.
    pub steps: Vec<Step>,
    /// What has to be looked at now.
    pub reads: BTreeSet<Read>,
    /// Each accepted object's state. What differs is in a step, or waits, or is refused, and the verdict says which.
    pub accounts: BTreeMap<AccountKey, AccountView>,
    /// Policies of ours where Bulkhead attached none, in order: a person has to look, because what hangs there is in force for
    /// accounts that no object asks for. Empty while nothing can be said.
    pub strays: Vec<Stray>,
    /// The unit each path was found at: what the Baseline's environments are bound to.
    pub units: BTreeMap<String, OuId>,
    /// Why nothing can be said of any account, if so.
    pub overall: Option<Verdict>,
    /// When to plan again though nothing happens.
    pub wake: Option<Timestamp>,
}

impl Plan {
    /// Plans again at `at` at the latest.
    pub fn wake_at(&mut self, at: Timestamp) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }
}

/// A rule that a plan breaks. Any finding stops the run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: {detail}")]
pub struct Finding {
    /// The rule.
    pub rule: &'static str,
    /// How it is broken.
    pub detail: String,
}
