//! The one binary of Bulkhead: `bulkhead controller` runs the operator, `bulkhead simulate` shows what would happen,
//! `bulkhead plan` shows what manifests would change, `bulkhead approve` decides what Bulkhead will not do alone,
//! `bulkhead promotions` and its like show and steer promotions,
//! `bulkhead guardrails` lists the catalogue, `bulkhead policy` says what policies do. Under the name `kubectl-bulkhead` it is a plugin of kubectl.

mod approve;
mod args;
mod ask;
mod clock;
mod configuration;
mod controller;
mod guardrails;
mod kubernetes;
mod manifests;
mod output;
mod plan;
mod policy;
mod promotions;
mod server;
mod simulate;
mod table;

use args::Command;
use std::process::ExitCode;

fn main() -> ExitCode {
    match args::parse().command {
        Command::Abort(args) => promotions::abort(args),
        Command::Approve(args) => approve::approve(&args),
        Command::Controller(args) => controller::main(args),
        Command::Guardrails(args) => guardrails::main(&args),
        Command::Plan(args) => plan::main(&args),
        Command::Policy(args) => policy::main(&args),
        Command::Hold(args) => promotions::hold(args),
        Command::Promotion(args) => promotions::one(&args),
        Command::Promotions(args) => promotions::all(&args),
        Command::Reject(args) => approve::reject(&args),
        Command::Release(args) => promotions::release(&args),
        Command::Retry(args) => promotions::retry(&args),
        Command::Reverify(args) => promotions::reverify(args),
        Command::Simulate(args) => simulate::main(&args),
        Command::SkipBake(args) => promotions::skip_bake(args),
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
    output::complaint(&line);
}
