//! The executor on a small world of its own: what is sent when, and what is not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod policies;
mod policy_changes;
mod steps;
mod world;
