//! What the state machine says.

use crate::{
    facts::{AssignedBy, Measure},
    state::State,
};
use jiff::Timestamp;
use model::{AccountKey, Revision};
use serde::Deserialize;
use std::{collections::BTreeMap, fmt};

/// What follows from the facts: to be stored before anything else is done.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The next state; equal to the stored one: there is nothing to store.
    pub state: State,
    /// For display.
    pub phase: Phase,
    /// One line for a person; no relative times.
    pub message: String,
    /// How it stands as a whole.
    pub standing: Standing,
    /// Its other conditions, always all of them.
    pub conditions: Vec<Fact>,
    /// What is to be told once the state is stored.
    pub happenings: Vec<Happening>,
    /// When to look again though nothing happens: the earliest of all timers. `None`: no timer runs.
    pub wake: Option<Timestamp>,
    /// The stage at hand has `approval` and has not started: whether the admission policies on Approvals and authors are in
    /// force has to be known as long, also once enough people agreed.
    pub looks_at_policies: bool,
}

/// `status.phase`: for display, never read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Phase {
    /// Nothing has begun.
    Pending,
    /// Only the plan is shown (`dryRun`).
    Planned,
    /// Approvals are missing.
    WaitingApproval,
    /// A window is closed.
    WaitingWindow,
    /// Suspended, held, or a gate has no verdict.
    Paused,
    /// Accounts of a wave are changing.
    RollingOut,
    /// Gates run.
    Verifying,
    /// A wave bakes.
    Baking,
    /// Accounts get the stable revision back.
    RollingBack,
    /// They have it.
    RolledBack,
    /// Everything stays where it is.
    Stopped,
    /// A person ended it.
    Aborted,
    /// All stages are done.
    Succeeded,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// How the object stands; it decides Ready, Reconciling, Waiting and Stalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Ready.
    Ready(Why),
    /// Not Ready, and work is going on.
    Working(Why),
    /// Not Ready; a person, a clock window or a hold blocks.
    Waiting(Why),
    /// Not Ready, and nothing happens by itself.
    Stalled(Why),
}

impl Standing {
    /// The reason.
    pub fn why(self) -> Why {
        match self {
            Self::Ready(why) | Self::Working(why) | Self::Waiting(why) | Self::Stalled(why) => why,
        }
    }
}

macro_rules! whys {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Reasons: stable words.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Why { $($(#[$doc])* $name),* }

        impl Why {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
            /// The word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }
            /// The reason that this word names.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|why| why.as_str() == word)
            }
        }
    };
}

whys! {
    /// The spec is valid and its revision is at hand.
    Accepted,
    /// The spec breaks a rule.
    Invalid,
    /// The Baseline or an environment does not exist.
    TargetNotFound,
    /// An older EnvironmentPromotion is about the same Baseline.
    Conflicted,
    /// All stages succeeded.
    Promoted,
    /// Only the plan is shown.
    Planned,
    /// Nothing has begun.
    Queued,
    /// Accounts are changing.
    RollingOut,
    /// A wave bakes.
    Baking,
    /// Gates run.
    Verifying,
    /// Accounts get the stable revision back.
    RollingBack,
    /// They have it.
    RolledBack,
    /// Approvals are missing.
    AwaitingApproval,
    /// Approvals count for nothing while their admission policy is missing.
    ApprovalPolicyMissing,
    /// A person said no.
    ApprovalRejected,
    /// Nobody said anything in time.
    ApprovalExpired,
    /// A window is closed.
    WindowClosed,
    /// `spec.suspend` or the annotation `bulkhead.dev/hold`.
    Suspended,
    /// A gate has no verdict.
    Inconclusive,
    /// A gate before a stage failed.
    GateFailed,
    /// A gate after a wave or a stage failed.
    TestFailed,
    /// A gate failed during a bake.
    BakeFailed,
    /// More accounts failed than may.
    BudgetExceeded,
    /// The stage took too long.
    DeadlineExceeded,
    /// A gate could not be measured.
    GateError,
    /// Another revision took its place.
    Superseded,
    /// A person ended it.
    Aborted,
    /// The environment has no accounts.
    NoTargets,
    /// There is no such revision.
    RevisionNotFound,
    /// The revision ended badly before.
    RevisionRejected,
    /// The accounts changed before the stage started, so Approvals are void.
    TargetsChanged,
    /// An account was not done in time.
    TargetUnreachable,
    /// There is nothing to go back to.
    NoStableRevision,
    /// The rollback did not succeed for every account.
    RollbackFailed,
    /// Everything is as it should be, or nothing is asked.
    Healthy,
    /// Nothing is asked of anybody.
    NotRequired,
    /// Nothing is known yet.
    Pending,
    /// A defect of Bulkhead.
    InternalError,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// `Accepted`, `Approved`, `WindowOpen`, `GatesPassed`, `TargetsHealthy` or `Succeeded`.
    pub type_: &'static str,
    /// Its status; `None`: Unknown.
    pub status: Option<bool>,
    /// Its reason.
    pub why: Why,
    /// One line for a person.
    pub message: String,
}

impl Fact {
    pub(crate) fn new(type_: &'static str, status: Option<bool>, why: Why, message: String) -> Self {
        Self {
            type_,
            status,
            why,
            message,
        }
    }
}

/// One thing that happened: an Event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// `Warning`, else `Normal`.
    pub warning: bool,
    /// Reason of the Event, one of those of the specification, as `WaveStarted`.
    pub reason: &'static str,
    /// Attempt, stage, wave, revision, who: in one line.
    pub note: String,
}

/// What is to be done in the world.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// Accounts that get a revision by this promotion now. One that is not here keeps what it has.
    pub assign: BTreeMap<AccountKey, Assignment>,
    /// What new accounts of each environment get.
    pub current: BTreeMap<String, Revision>,
    /// What is to be measured.
    pub measure: Vec<Measure>,
    /// Revisions that must not be removed.
    pub references: Vec<Revision>,
    /// Accounts for which there is a newer stable revision that waits for their owner: with the time at which they get it.
    pub offered: BTreeMap<AccountKey, (Revision, Option<Timestamp>)>,
}

/// A revision that an account gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Which.
    pub revision: Revision,
    /// To be written with it; `at` is the time of the decision.
    pub by: AssignedBy,
    /// It goes back to what was: no brake holds it.
    pub rollback: bool,
}
