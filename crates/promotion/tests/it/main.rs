//! The state machine in a small world of accounts, gates, people and clocks.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "a test says what is wrong by panicking"
)]

mod attempts;
mod crash;
mod gates;
mod happy;
mod people;
mod properties;
mod rollback;
mod size;
mod time;
mod waves;
mod world;
