//! Deterministic simulation testing. A crate of its own plays the seeds; this passes its arguments on.

use std::ffi::OsString;

use crate::{
    error::{Error, run as run_command},
    workspace::Workspace,
};

#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// `--seeds A..B`, `--replay SEED`, `--crash-points`, ...: see `cargo xtask dst --help`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<(), Error> {
    let mut command = workspace.cargo();
    command
        .args(["run", "--quiet", "--package", "bulkhead-dst", "--"])
        .args(&args.arguments);
    run_command(&mut command)
}

/// Seeds that no change plays.
pub(crate) fn nightly(workspace: &Workspace) -> Result<(), Error> {
    let arguments = ["--seeds", "100000..120000"].map(OsString::from).to_vec();
    run(workspace, &Args { arguments })
}
