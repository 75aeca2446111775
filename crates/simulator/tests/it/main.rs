//! The whole operator in virtual time: what the first promise means, and what it must survive.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod acme;
mod argocd;
mod bad_input;
mod brake;
mod drift;
mod failover;
mod faults;
mod guardrails;
mod limits;
mod promotions;
mod restore;
mod scene;
