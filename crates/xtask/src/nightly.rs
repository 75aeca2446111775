//! What is too slow for every change. One function per check; `run` is the list.

use std::fs;

use crate::{
    dst,
    error::{Error, run as run_command},
    test::step,
    workspace::Workspace,
};

/// The design's target for the one binary users install.
const BINARY_TARGET_BYTES: u64 = 15_000_000;

pub(crate) fn run(workspace: &Workspace) -> Result<(), Error> {
    step("release build and size of the binary", || binary_size(workspace))?;
    step("20,000 seeds of the deterministic simulation", || {
        dst::nightly(workspace)
    })
}

fn binary_size(workspace: &Workspace) -> Result<(), Error> {
    run_command(
        workspace
            .cargo()
            .args(["build", "--release", "--package", "bulkhead"]),
    )?;
    let path = workspace.target.join("release").join("bulkhead");
    let bytes = fs::metadata(&path).map_err(Error::file(&path))?.len();
    let relation = if bytes < BINARY_TARGET_BYTES {
        "below"
    } else {
        "ABOVE"
    };
    println!("bulkhead: {bytes} bytes, {relation} the target of {BINARY_TARGET_BYTES}");
    Ok(())
}
