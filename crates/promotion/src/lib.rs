//! The state machine of EnvironmentPromotion: promote only on success; a failed test rolls the stage back; a failed bake
//! stops everything where it is; no verdict waits for a person.
//!
//! Pure: no clock, no Kubernetes, no AWS. Two functions:
//!
//! - [`advance`]: what is stored and what is known to what is to be stored next, what to tell, and when to look again.
//! - [`effects`]: what is stored and what is known to what is to be done in the world. It reads stored state only, so that
//!   nothing is done before it is written down that it will be; and doing it twice does it once.
//!
//! Facts carry the revision they are about. Nothing is decided from a fact about another one.
//!
//! # What is decided here that the specification leaves open
//!
//! - `suspend`, the annotation `bulkhead.dev/hold` and `dryRun` keep attempts and waves from beginning. A wave that has begun
//!   takes all its accounts: `bulkhead.dev/abort` is what stops in the middle of one. None of them, and no window, holds a
//!   rollback.
//! - A rollback takes back every account that it can; one that cannot go back makes it end as `Stopped/RollbackFailed`, after
//!   the others. Where the stage had the same revision before, or none, it does not begin: `Stopped/NoStableRevision`; nor does
//!   it go on once that revision is deleted. `abort` does not end it: `RequestIgnored`. With scope `Stage` every member that
//!   has what failed goes back, whichever attempt gave it.
//! - An account is chosen first, in `changing`, and given its revision once that is stored; 256 at once at most, for they
//!   stand in the status. Its deadline counts from then: one that cannot be assigned (suspended, refused) is lost as one that
//!   is never done. One that was done and is so no
//!   longer has the deadline anew: an edit of an AwsAccount in the middle of a bake is no failure.
//! - A wave without accounts of its own, because those before it took all, is done at once: no test, no bake.
//! - A wave that has accounts needs one that has the revision: where all are gone or lost within the budget, it takes the next
//!   one. The last wave may lose all of its own where another account of the stage has it. A stage without any has not
//!   succeeded: `onEmpty` where none is left, else `Stopped/BudgetExceeded`.
//! - `progressDeadline` includes bakes, but not the time that people, windows, holds and gates without a verdict take.
//! - A gate passes with one success at least, whatever its limits. A `Condition` that an account does not show, or shows as
//!   Unknown, could not be measured: an error. Accounts that failed within the budget are not asked.
//! - Gates of a bake without `count` go on until the next wave begins, in this stage or the next (P13); such a gate that fails
//!   after its stage has succeeded stops the promotion, and rolls nothing back.
//! - A stage that is skipped because it is empty lets its environment's new accounts have the revision, unless accounts are
//!   pinned or it has an approval or gates before it: then the next attempt begins as soon as it has an account to take.
//! - Approvals that were counted stay while it is not known whether their policy is in force; the stage does not start then.
//! - The timeout of approvals begins anew when other accounts make another plan.
//! - `reverify` is `stage/gate@attempt`; what follows a `#` is not read, so that the same gate can be asked twice.
//! - Events beside those of 2.5 and 6: `RequestIgnored`, `BakeSkipped`.
//! - Accounts outside waves (late, pin over, moved) get what succeeded in their environment, in open windows, as many at once
//!   as `maxConcurrency` and `maxFailures` let; those without any get it at once. Once more of them failed, or were not done in
//!   time, than may, the others wait, and TargetsHealthy says so.
//!
#![doc = include_str!("../PROOF.md")]

mod accept;
mod effects;
mod facts;
mod machine;
mod outcome;
mod program;
mod roster;
mod share;
mod spec;
mod state;
mod windows;

pub use accept::{Objection, Terms, objections};
pub use effects::effects;
pub use facts::{
    AssignedBy, AssignedFact, Input, Measure, MeasureKey, Measured, MeasuredResult, PinFact,
    PromotionDecision, Requests, RevisionFact, RevisionPolicy, Spec, Supersede, Target,
};
pub use machine::{advance, halt};
pub use outcome::{Assignment, Effects, Fact, Happening, Phase, Standing, Step, Why};
pub use program::{
    Approval, Gate, HostRefusal, JudgeCondition, JudgeGate, Program, Refusal, Stage, Wave,
    check_allowed_host, judge_host, judge_uri,
};
pub use share::Share;
pub use spec::{
    Amount, ApprovalSpec, CanarySpec, ConditionGate, FailurePolicySpec, GateSpec, GateType, HttpGate,
    JobGate, LinearSpec, OnDeadline, OnEmpty, OnError, OnFailure, OptInSpec, PrometheusGate, RollbackScope,
    RunAt, Span, StageSpec, StrategySpec, StrategyType, WaveSpec, WindowSpec, WindowType,
};
pub use state::{
    ApprovalState, Attempt, AttemptResult, Awaiting, Changing, Ending, GateState, HistoryEntry, LastHandled,
    Outcome, Pause, PlanState, REJECTED, Rejected, StageState, StageStep, State, Targets, Verdict, WaveState,
    WaveStep, WindowState,
};
pub use windows::Windows;
