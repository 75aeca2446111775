//! Deterministic simulation testing: the whole operator, unchanged, in a random world that does everything a real one
//! does to it, judged at every step.
//!
//! A seed is a [`Scenario`]: objects that a team creates, edits and deletes, faults on both sides of the wire, another
//! tool at work in the organization, crashes, and in some seeds a disaster (a wiped cluster, an older etcd, a second
//! cluster). In a third of them a promotion brings the revisions of the Baseline, and people edit it, approve, reject,
//! abort, retry and pin. [`run`] plays it in virtual time. The [`judge`](Verdict) sees every AWS call at the moment it is sent and
//! every write to Kubernetes as it is stored, and knows the truth of both. When the faults have stopped, everything has
//! to converge within two hours of virtual time, and then to be quiet.
//!
//! The same seed gives the same transcript, byte for byte, in any process: a failing seed is a bug report that can be
//! replayed. [`crash_points`] plays one vend and kills the operator at each of its polls and at each of its calls,
//! before and after the call's effect.

mod enumerate;
mod expect;
mod json;
mod judge;
mod process;
mod run;
mod scenario;
mod stage;
mod wires;

pub use enumerate::{CrashPoints, crash_points};
pub use judge::Verdict;
pub use process::Trigger;
pub use run::{LIMIT, run};
pub use scenario::{Disaster, Scenario};
