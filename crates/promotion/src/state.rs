//! What a promotion remembers: `status` of an EnvironmentPromotion without its conditions. Everything that matters later
//! is in here, because everything else can be lost at any moment.

use crate::spec::{RunAt, StageSpec};
use jiff::Timestamp;
use model::{AccountId, Revision, RevisionHash, RevisionName};
use serde::{Deserialize, Serialize};

/// The state that is stored. Its JSON has the shape of `status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// What the attempt at hand, or the last one, promotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_revision: Option<Revision>,
    /// The last revision that passed all stages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable_revision: Option<Revision>,
    /// Revisions that ended badly: they are not promoted again until somebody asks. At most [`REJECTED`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<Rejected>,
    /// The attempt at hand, or the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Attempt>,
    /// The windows of the stage at hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowState>,
    /// The attempt waits for a person or a clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Pause>,
    /// Each stage of the attempt at hand; and of stages that were, what their environments' accounts rely on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageState>,
    /// What the stage at hand would change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanState>,
    /// Requests that have been answered.
    #[serde(default)]
    pub last_handled: LastHandled,
    /// Attempts that have ended, the newest first; at most `spec.historyLimit`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<HistoryEntry>,
    /// What waits for Approvals.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub awaiting: Vec<Awaiting>,
}

/// Rejected revisions that are remembered at most.
pub const REJECTED: usize = 10;

/// A revision that ended badly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejected {
    /// Which content.
    pub hash: RevisionHash,
    /// In which attempt.
    pub attempt: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// One try to bring one revision through all stages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// `a-` and a number that counts the attempts of this object, from 1.
    pub id: String,
    /// When it began.
    pub started_at: Timestamp,
    /// Who asked for it; absent: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
    /// `sha256:` of the stages it runs with.
    pub spec_snapshot_hash: String,
    /// The stages it runs with, as they were when it began: what is edited since takes effect with the next attempt.
    pub stages: Vec<StageSpec>,
    /// It takes no more accounts: once none is changing it ends so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<Ending>,
    /// How it ended; absent while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

/// How an attempt is about to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ending {
    /// In which way.
    pub result: AttemptResult,
    /// One line for a person.
    pub message: String,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// In which way.
    pub result: AttemptResult,
    /// Why: a stable word.
    pub reason: String,
    /// One line for a person.
    pub message: String,
    /// When.
    pub at: Timestamp,
}

/// The ways an attempt ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttemptResult {
    /// All stages succeeded.
    Succeeded,
    /// A test failed and the accounts of its stage have the stable revision again.
    RolledBack,
    /// Everything stays where it is.
    Stopped,
    /// A person ended it.
    Aborted,
    /// Another revision took its place.
    Superseded,
}

/// The windows of the stage at hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WindowState {
    /// No wave may begin.
    pub closed: bool,
    /// Which window says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When waves may begin next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_open: Option<Timestamp>,
    /// Until when they may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_close: Option<Timestamp>,
}

/// The attempt waits for a person or a clock: its deadlines do not run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pause {
    /// Why; absent: it does not wait now, and `totalPausedSeconds` says how long it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// How long the stage at hand has waited before, in seconds.
    #[serde(default)]
    pub total_paused_seconds: i64,
}

/// Where a stage stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StageStep {
    /// Not reached yet.
    #[default]
    Pending,
    /// Waits for Approvals.
    WaitingApproval,
    /// Waits for a window.
    WaitingWindow,
    /// Accounts of a wave are changing.
    RollingOut,
    /// Gates run.
    Verifying,
    /// A wave bakes.
    Baking,
    /// Done.
    Succeeded,
    /// Ended badly and left as it is.
    Failed,
    /// Its accounts get the stable revision back.
    RollingBack,
    /// They have it.
    RolledBack,
    /// Passed over.
    Skipped,
}

/// One stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StageState {
    /// Its name.
    pub name: String,
    /// Its environment.
    pub environment: String,
    /// Where it stands.
    pub state: StageStep,
    /// The revision that new accounts of its environment get: the last one that succeeded here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_revision: Option<Revision>,
    /// When that revision succeeded here; the deadline of `optIn` counts from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_since: Option<Timestamp>,
    /// The one before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_revision: Option<RevisionName>,
    /// When the stage was entered in this attempt: its Approvals, windows and first gates came after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entered_at: Option<Timestamp>,
    /// Since when Approvals are missing; their timeout counts from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_since: Option<Timestamp>,
    /// Approvals, windows and holds let it start: what is left are its gates, run again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cleared: bool,
    /// When its first wave began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// How its accounts stand.
    #[serde(default)]
    pub targets: Targets,
    /// How many accounts may change at once now: the smaller of `maxConcurrency` and the failures still allowed plus one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// `sha256:` of its members, frozen when it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets_snapshot_hash: Option<String>,
    /// Its members in the order they are taken, while it is under way; the accounts of late comers are added at the end
    /// when a wave begins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<AccountId>,
    /// Members that got the revision and are not done with it, by the time since when that is known; the deadline of an
    /// account counts from it. An account that was done and is so no longer is here again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changing: Vec<Changing>,
    /// Revisions that accounts of the environment were left with though they did not succeed here, the newest first; at
    /// most [`REJECTED`]. Such an account is not touched but by a wave.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<RevisionHash>,
    /// Its waves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waves: Vec<WaveState>,
    /// Its gates: the latest run of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<GateState>,
    /// Who has decided on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<ApprovalState>,
    /// `sha256:` of the plan it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_digest: Option<String>,
    /// Why it is rolled back, or why it failed: a stable word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Accounts that are changing, or were chosen to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Changing {
    /// Since when that is known, or since when they have been chosen.
    pub since: Timestamp,
    /// Which.
    pub accounts: Vec<AccountId>,
}

/// How the accounts of a stage stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Targets {
    /// Members.
    pub total: u32,
    /// Have the revision, are Ready and proven.
    pub updated: u32,
    /// Are changing.
    pub progressing: u32,
    /// Cannot go on without a person.
    pub failed: u32,
    /// Are left out because they are pinned.
    pub pinned: u32,
    /// Were not done within the deadline of an account; counted like failures.
    pub unreachable: u32,
    /// Were members and are gone.
    pub retired: u32,
}

/// Where a wave stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum WaveStep {
    /// Not begun.
    #[default]
    Pending,
    /// Its accounts are changing.
    RollingOut,
    /// Its gates run.
    Verifying,
    /// It bakes.
    Baking,
    /// Done.
    Succeeded,
    /// Ended badly.
    Failed,
}

/// One wave.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaveState {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub state: WaveStep,
    /// How many members have the revision once it is done: it takes the members from the end of the wave before it up to
    /// this number. 0 until it begins.
    #[serde(default)]
    pub targets: u32,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When all its accounts had the revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// When its bake began. Written once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bake_started_at: Option<Timestamp>,
    /// When its bake ends. Written once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bake_ends_at: Option<Timestamp>,
    /// What it bakes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision_hash: Option<RevisionHash>,
}

/// The verdict of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Enough measurements succeeded.
    Passing,
    /// More failed than may.
    Failed,
    /// More were inconclusive than may: a person has to look.
    Inconclusive,
    /// Too many in a row could not be done.
    Error,
    /// Cut short: it says nothing.
    Aborted,
}

/// The latest run of a gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GateState {
    /// Name of the gate.
    pub name: String,
    /// The point at which it runs.
    pub run_at: RunAt,
    /// The wave it runs for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave: Option<String>,
    /// Counts the runs of this gate in this attempt, from 1: a measurement counts for one run only.
    pub run: u32,
    /// The revision it is about.
    pub revision_hash: RevisionHash,
    /// Its verdict; absent while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// It is measured and shown, and decides nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// When the run began.
    pub started_at: Timestamp,
    /// Measurements that ended, errors included.
    #[serde(default)]
    pub count: u32,
    /// Of these, successes.
    #[serde(default)]
    pub successes: u32,
    /// Of these, failures.
    #[serde(default)]
    pub failures: u32,
    /// Of these, inconclusive ones.
    #[serde(default)]
    pub inconclusive: u32,
    /// Errors since the last measurement that was none.
    #[serde(default)]
    pub consecutive_errors: u32,
    /// When the last one ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_at: Option<Timestamp>,
    /// What it said, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A decision that counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalState {
    /// Name of the Approval.
    pub name: String,
    /// Whose it is.
    pub by: String,
    /// In the name of which group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// When it was made, by the API server's clock.
    pub at: Timestamp,
    /// `Approve` or `Reject`.
    pub decision: String,
}

/// What the stage at hand would change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanState {
    /// The stage.
    pub stage: String,
    /// `sha256:` over the members, what each has, and what it gets.
    pub digest: String,
    /// When it was made.
    pub computed_at: Timestamp,
    /// Accounts that change.
    pub changed: u32,
    /// Accounts that do not.
    pub unchanged: u32,
    /// What changes, in one line.
    pub summary: String,
}

/// Requests that have been answered: the value of each annotation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastHandled {
    /// `bulkhead.dev/reconcile-requested-at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconcile: Option<String>,
    /// `bulkhead.dev/abort`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort: Option<String>,
    /// `bulkhead.dev/retry`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<String>,
    /// `bulkhead.dev/reverify`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverify: Option<String>,
    /// `bulkhead.dev/skip-bake`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_bake: Option<String>,
}

/// An attempt that has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// Its id.
    pub attempt: String,
    /// What it promoted.
    pub revision: RevisionName,
    /// How it ended.
    pub result: AttemptResult,
    /// Why.
    pub reason: String,
    /// The stage at which it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Who approved it, by stage: `prod: alice@example.com`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approved_by: Vec<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
}

/// Something that waits for Approvals: the shape of every kind's `status.awaiting`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Awaiting {
    /// `Promotion`.
    pub action: String,
    /// What an Approval has to name.
    pub digest: String,
    /// What would be done, in one line.
    pub summary: String,
}
