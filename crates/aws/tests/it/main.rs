//! The AWS SDK behind the ports: against canned answers, real sockets and a simulated organization.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "helpers of tests fail like tests, and read best with values as arguments"
)]

mod canned;
mod fake;
mod fence;
mod governed;
mod network;
mod policies;
mod simulation;
