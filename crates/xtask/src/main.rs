//! Developer commands, run as `cargo xtask COMMAND`. Each command is one module of the same name.

mod control_plane;
mod dependencies;
mod dst;
mod error;
mod generate;
mod nightly;
mod playground;
mod prometheus;
mod sizes;
mod test;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{error::Error, workspace::Workspace};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Developer commands",
    version
)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run everything that must pass before a change lands
    Test(test::Args),
    /// Write the generated files: crds/ and the marked blocks of the README
    Generate(generate::Args),
    /// Check which crate may reach which
    CheckDependencies,
    /// Warn about files that have grown too long
    Sizes,
    /// Build etcd, kube-apiserver, kube-controller-manager, kubectl and helm once; print their directory
    ControlPlane,
    /// Fetch the program prometheus once, from Debian's package; print where it is
    Prometheus,
    /// Run a control plane, a simulated organization and the operator until Ctrl-C
    Playground(playground::Args),
    /// Play seeds of the deterministic simulation, or replay one
    Dst(dst::Args),
    /// Run what is too slow for every change
    Nightly,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                eprintln!("  because: {cause}");
                source = cause.source();
            }
            error.exit_code()
        }
    }
}

fn run(command: &Command) -> Result<(), Error> {
    let workspace = Workspace::find()?;
    match command {
        Command::Test(args) => test::run(&workspace, args),
        Command::Generate(args) => generate::run(&workspace, args),
        Command::CheckDependencies => dependencies::run(&workspace),
        Command::Sizes => sizes::run(&workspace),
        Command::ControlPlane => control_plane::run(&workspace),
        Command::Prometheus => prometheus::run(&workspace),
        Command::Playground(args) => playground::run(&workspace, args),
        Command::Dst(args) => dst::run(&workspace, args),
        Command::Nightly => nightly::run(&workspace),
    }
}
