//! The seeds that every change plays, and the proof that they would notice.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod command_line;
mod mutants;
mod seeds;

use std::process::{Command, Output};

/// The command as a user runs it.
fn dst(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dst"))
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
