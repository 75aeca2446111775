//! What the state machine is told of the world. Every fact is about one moment, and none is a clock's reading but `now`.

use crate::spec::{GateSpec, RunAt, StageSpec};
use jiff::Timestamp;
use model::{AccountId, AccountKey, ApprovalPolicy, Decision, Revision, RevisionHash, RevisionName};
use std::collections::{BTreeMap, BTreeSet};

/// `spec` of an EnvironmentPromotion, apart from the stages as written.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// `baselineRef.name`.
    pub baseline: String,
    /// `revision`; `None` with [`RevisionPolicy::Automatic`].
    pub revision: Option<RevisionName>,
    /// `revisionPolicy`.
    pub revision_policy: RevisionPolicy,
    /// `suspend`.
    pub suspend: bool,
    /// `supersede`.
    pub supersede: Supersede,
    /// `historyLimit`.
    pub history_limit: usize,
    /// `dryRun`.
    pub dry_run: bool,
    /// `stages`.
    pub stages: Vec<StageSpec>,
}

/// Which revision is promoted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RevisionPolicy {
    /// The one that `revision` names.
    #[default]
    Manual,
    /// The Baseline's newest accepted one.
    Automatic,
}

/// When another target revision takes the place of the one under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Supersede {
    /// When the stage at hand is done.
    #[default]
    BetweenStages,
    /// When the wave at hand has no account that is changing.
    Immediately,
    /// When the attempt has ended.
    Never,
}

/// Annotations of the EnvironmentPromotion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// `bulkhead.dev/reconcile-requested-at`: a token.
    pub reconcile: Option<String>,
    /// `bulkhead.dev/abort`: the id of an attempt.
    pub abort: Option<String>,
    /// `bulkhead.dev/retry`: a token.
    pub retry: Option<String>,
    /// `bulkhead.dev/reverify`: `stage/gate@attempt`.
    pub reverify: Option<String>,
    /// `bulkhead.dev/skip-bake`: `attempt/stage/wave`.
    pub skip_bake: Option<String>,
    /// `bulkhead.dev/hold`: why; as long as it is there.
    pub hold: Option<String>,
    /// `bulkhead.dev/requested-by`: an admission policy makes it the caller.
    pub requested_by: Option<String>,
}

/// A revision that is at hand: its BaselineRevision is stored and holds what its hash says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevisionFact {
    /// Which.
    pub revision: Revision,
    /// The environments it knows.
    pub environments: BTreeSet<String>,
}

/// One account of the Baseline.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that are independent of one another"
)]
pub struct Target {
    /// Its AwsAccount.
    pub key: AccountKey,
    /// `status.accountId`; an account without one is not born yet and is nobody's member.
    pub id: Option<AccountId>,
    /// `spec.environment`.
    pub environment: String,
    /// The object is being deleted.
    pub leaving: bool,
    /// `status.baseline.assigned`.
    pub assigned: Option<AssignedFact>,
    /// Hash in `status.baseline.applied`.
    pub applied: Option<RevisionHash>,
    /// `status.observedGeneration` is `metadata.generation`.
    pub observed: bool,
    /// Ready is True, for this generation.
    pub ready: bool,
    /// AccessVerified is True, for this generation.
    pub access_verified: bool,
    /// Reason and message of a Stalled condition.
    pub stalled: Option<(String, String)>,
    /// Every condition's status by type; those not of this generation are left out.
    pub conditions: BTreeMap<String, String>,
    /// `spec.baselinePin`, while it has not expired and is valid.
    pub pin: Option<PinFact>,
    /// The label `bulkhead.dev/upgrade` is `now`.
    pub wants_upgrade: bool,
    /// The brake of the installation (`massChange`) holds back another revision for it: the deadline of an account does not
    /// run out meanwhile.
    pub braked: bool,
}

/// A revision that was assigned to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignedFact {
    /// Which.
    pub revision: Revision,
    /// By which promotion, if it was one.
    pub by: Option<AssignedBy>,
}

/// `status.baseline.assigned.by` of a promotion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignedBy {
    /// UID of the EnvironmentPromotion.
    pub promotion_uid: String,
    /// The attempt.
    pub attempt: String,
    /// The stage.
    pub stage: String,
    /// The wave; absent: a rollback, or a late comer.
    pub wave: Option<String>,
    /// When, by the operator's clock.
    pub at: Timestamp,
}

/// A pin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinFact {
    /// To which revision.
    pub revision: RevisionName,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Names one measurement. A result that arrives under another name than one that is asked for counts for nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MeasureKey {
    /// The attempt.
    pub attempt: String,
    /// What is promoted.
    pub revision: RevisionHash,
    /// `metadata.generation` of the EnvironmentPromotion.
    pub generation: i64,
    /// The stage.
    pub stage: String,
    /// The gate.
    pub gate: String,
    /// Which run of it in this attempt.
    pub run: u32,
    /// Which measurement of the run, from 1.
    pub number: u32,
}

/// A measurement to be made outside.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// UID of the EnvironmentPromotion: attempts of two of them have the same ids.
    pub promotion_uid: String,
    /// Its name; also makes the name of what is created for it, so that a second try finds the first.
    pub key: MeasureKey,
    /// The gate.
    pub gate: GateSpec,
    /// The point at which it runs.
    pub run_at: RunAt,
    /// The wave it runs for.
    pub wave: Option<String>,
    /// The environment.
    pub environment: String,
}

/// What a measurement brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// How it ended.
    pub result: MeasuredResult,
    /// One line for a person, without relative times or secrets.
    pub message: String,
}

/// How a measurement ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeasuredResult {
    /// It passed.
    Success,
    /// It did not.
    Failure,
    /// It says neither.
    Inconclusive,
    /// It could not be done.
    Error,
}

/// Everything the machine is told.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// Name of the EnvironmentPromotion.
    pub name: &'a str,
    /// Its UID.
    pub uid: &'a str,
    /// Its generation.
    pub generation: i64,
    /// What people ask for.
    pub spec: &'a Spec,
    /// What they ask for right now.
    pub requests: &'a Requests,
    /// What is stored. Never what was computed and not stored yet.
    pub state: &'a crate::State,
    /// Revisions at hand, by name.
    pub revisions: &'a BTreeMap<RevisionName, RevisionFact>,
    /// The Baseline's newest accepted revision; `None`: it has none, or is not there.
    pub latest: Option<&'a Revision>,
    /// Environments that the Baseline names, with the revision new accounts get so far. `None`: there is no such Baseline.
    pub environments: Option<&'a BTreeMap<String, Option<Revision>>>,
    /// Accounts of the Baseline, in any order.
    pub targets: &'a [Target],
    /// Hosts that gates may ask.
    pub allowed_hosts: &'a [String],
    /// Judges a condition in CEL over `result`. Asked for each condition of the spec each time: it should remember.
    pub condition: crate::JudgeCondition<'a>,
    /// Judges a gate as whoever measures it does. Asked for each gate of the spec each time: it asks nobody.
    pub gate: crate::JudgeGate<'a>,
    /// Results of measurements since they were asked for.
    pub measured: &'a BTreeMap<MeasureKey, Measured>,
    /// Do Approvals count?
    pub approval_policy: &'a ApprovalPolicy,
    /// Whether it can be believed who asked: `Requests::requested_by`, and what was stored of it.
    pub author_policy: &'a ApprovalPolicy,
    /// Decisions about this EnvironmentPromotion.
    pub decisions: &'a [PromotionDecision],
    /// What changes between two revisions in an environment, in one line.
    pub describe: &'a dyn Fn(&str, Option<&Revision>, &Revision) -> String,
    /// Another, older EnvironmentPromotion is about the same Baseline: its name.
    pub conflict: Option<&'a str>,
    /// The time.
    pub now: Timestamp,
}

/// A decision about a promotion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromotionDecision {
    /// The decision.
    pub decision: Decision,
    /// In the name of which group.
    pub group: Option<String>,
}
