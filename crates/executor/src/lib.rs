//! Stages 3 (observe) and 6 (execute): does everything, decides nothing.
//!
//! The ports [`Organizations`] with its [`PolicyApi`], [`Access`] and [`Journal`] are owned here, by their consumer; `aws` and `operator`
//! implement them. One function, [`disposition`], says what every failure means.

mod catalogue;
mod disposition;
mod error;
mod execute;
mod observe;
mod pacer;
mod port;

pub use catalogue::{CatalogueEntry, catalogue};
pub use disposition::{Disposition, Operation, decide, disposition};
pub use error::{AwsError, ErrorClass};
pub use execute::{Context, Fence, Outcome, StepFailure, execute};
pub use observe::{ReadResult, read};
pub use pacer::{Family, Pacer, Rates, SharedPacer};
pub use port::{
    Access, Clock, CreateAccountRequest, Journal, JournalError, ListedAccount, Organization, Organizations,
    Page, PolicyApi, PolicySummary, Root, Tagged,
};
