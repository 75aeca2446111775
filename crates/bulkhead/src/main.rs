//! The one binary of Bulkhead: `bulkhead controller` runs the operator, `bulkhead simulate` shows what would happen,
//! `bulkhead plan` shows what manifests would change, `bulkhead approve` decides what Bulkhead will not do alone,
//! `bulkhead guardrails` lists the catalogue, `bulkhead policy` says what policies do. Under the name `kubectl-bulkhead` it is a plugin of kubectl.

mod approve;
mod args;
mod configuration;
mod controller;
mod guardrails;
mod kubernetes;
mod manifests;
mod plan;
mod policy;
mod server;
mod simulate;
mod table;

use args::Command;
use std::process::ExitCode;

fn main() -> ExitCode {
    match args::parse().command {
        Command::Approve(args) => approve::main(&args),
        Command::Controller(args) => controller::main(args),
        Command::Guardrails(args) => guardrails::main(&args),
        Command::Plan(args) => plan::main(&args),
        Command::Policy(args) => policy::main(&args),
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
