//! The whole operator, unchanged, against kubesim and orgsim in virtual time.
//!
//! [`World`] wires the parts: the real kube client on an in-memory Kubernetes API, the real AWS SDK on a simulated
//! organization, one paused clock for all. Hours pass in milliseconds, and a seed reproduces a run. [`simulate`] runs
//! manifests in a world until everything is Ready, for the command of the same name.

mod approvals;
mod faults;
mod manifest;
mod report;
mod rollout;
mod run;
mod vending;
mod world;

pub use faults::{Faults, FaultsError, FaultsFileError};
pub use manifest::{Manifest, ManifestError, load};
pub use report::{AwsReport, FaultsReport, ObjectReport, Report};
pub use rollout::{Phase, Rollout, RolloutError, rollout};
pub use run::{Entry, Scenario, SimulateError, admit, apply, simulate};
pub use vending::{Vending, VendingError, vending};
pub use world::{VirtualClock, World, WorldError};
