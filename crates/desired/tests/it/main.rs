//! The verdicts on whole worlds of objects.

#![expect(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "helpers of tests: a panic is how a test fails"
)]

mod accounts;
mod acme;
mod baselines;
mod emails;
mod guardrails;
mod memory;
mod pins;
mod promoted;
mod properties;
mod revisions;
mod tags;
mod targets;
mod world;
