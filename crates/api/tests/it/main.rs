//! What the API server does with our schemas: shape, rules, transitions, and the published examples.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "helpers of tests: a panic is how a test fails"
)]

mod examples;
mod policies;
mod promotions;
mod rules;
mod server;
mod shape;
mod transitions;
