//! The one binary of Bulkhead: `bulkhead controller` runs the operator, `bulkhead simulate` shows what would happen,
//! `bulkhead approve` decides what Bulkhead will not do alone. Under the name `kubectl-bulkhead` it is a plugin of kubectl.

mod approve;
mod args;
mod controller;
mod kubernetes;
mod server;
mod simulate;
mod table;

use args::Command;
use std::process::ExitCode;

fn main() -> ExitCode {
    match args::parse().command {
        Command::Approve(args) => approve::main(&args),
        Command::Controller(args) => controller::main(args),
        Command::Simulate(args) => simulate::main(&args),
    }
}

/// Prints an error with its causes, one line, as the tools around it do.
fn complain(error: &dyn std::error::Error) {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        line.push_str(": ");
        line.push_str(&cause.to_string());
        source = cause.source();
    }
    eprintln!("error: {line}");
}
