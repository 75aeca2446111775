//! The simulated services from outside: their bytes, and what the real AWS SDK makes of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests are tests too"
)]

mod access;
mod binary;
mod contention;
mod creation;
mod debug;
mod determinism;
mod faults;
mod fixtures;
mod limits;
mod members;
mod moves;
mod paging;
mod policies;
mod policy_reads;
mod policy_truth;
mod scp;
mod scp_cases;
mod sdk;
mod state_file;
mod tags;
mod tcp;
mod units;
mod wire;
