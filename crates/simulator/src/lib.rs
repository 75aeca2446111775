//! The whole operator, unchanged, against kubesim and orgsim in virtual time.
//!
//! [`World`] wires the parts: the real kube client on an in-memory Kubernetes API, the real AWS SDK on a simulated
//! organization, one paused clock for all. Hours pass in milliseconds, and a seed reproduces a run. [`simulate`] runs
//! manifests in a world until everything is Ready, or plays a [`Script`], for the command of the same name.

mod answers;
mod approvals;
mod faults;
mod manifest;
mod measuring;
mod nearest;
mod places;
mod play;
mod report;
mod rollout;
mod run;
mod script;
mod vending;
mod world;

pub use answers::{Answer, Answers};
pub use faults::{Faults, FaultsError, FaultsFileError};
pub use manifest::{Manifest, ManifestError, load};
pub use measuring::MeasureError;
pub use report::{
    AwsReport, FaultsReport, ObjectReport, PromotionReport, Report, RevisionReport, StageReport,
};
pub use rollout::{Phase, Rollout, rollout};
pub use run::{Entry, Scenario, SimulateError, admit, apply, simulate};
pub use script::{Action, Annotate, Decide, Script, ScriptError, State, Step, config};
pub use vending::{Vending, vending};
pub use world::{VirtualClock, World, WorldError};
