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
mod fixtures;
mod limits;
mod moves;
mod paging;
mod sdk;
mod tags;
mod tcp;
mod units;
mod wire;
