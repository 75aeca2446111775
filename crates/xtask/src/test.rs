//! Everything that must pass before a change lands: the one command that the README names and CI runs.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use crate::{
    control_plane, dependencies,
    error::{Error, run as run_command},
    generate, prometheus,
    workspace::Workspace,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave out clippy and the documentation, and play 100 seeds of the deterministic simulation instead of 1,000
    #[arg(long)]
    fast: bool,
}

/// The cheapest first; the tests last, so that the output ends with their lines.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<(), Error> {
    let cargo = |arguments: &[&str]| {
        let mut command = workspace.cargo();
        command.args(arguments);
        if controlplane::in_ci() {
            // A fresh clone compiles everything once: incremental files would only cost time and disk.
            command.env("CARGO_INCREMENTAL", "0");
        }
        command
    };
    step("rustfmt", || {
        run_command(&mut cargo(&["fmt", "--all", "--check"]))
    })?;
    step("generated files", || generate::check(workspace))?;
    step("dependency rules", || dependencies::run(workspace))?;
    let assets = step("control plane", || control_plane_for_tests(workspace))?;
    let prometheus = step("Prometheus", prometheus_for_tests)?;
    if !args.fast {
        let mut clippy = cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]);
        step("clippy", || run_command(&mut clippy))?;
        let mut doc = cargo(&["doc", "--workspace", "--no-deps"]);
        step("documentation", || {
            run_command(doc.env("RUSTDOCFLAGS", "-D warnings"))
        })?;
    }
    // Together these two are `cargo test --workspace`. Apart, so that the output does not end with the line of a
    // crate that has no documentation tests, which reads as if nothing had been tested.
    let test = |arguments: &[&str]| {
        let mut command = cargo(&["test", "--workspace"]);
        command.args(arguments);
        if args.fast {
            command.env("BULKHEAD_DST_SEEDS", "0..100");
        }
        if let Some(directory) = &assets {
            command.env("KUBEBUILDER_ASSETS", directory);
        }
        if let Some(program) = &prometheus {
            command.env("PROMETHEUS", program);
        }
        command
    };
    step("documentation tests", || run_command(&mut test(&["--doc"])))?;
    headline("tests");
    run_command(&mut test(&["--tests"]))
}

/// The binaries, or `None` where they cannot be built; the tests that need them then skip themselves.
fn control_plane_for_tests(workspace: &Workspace) -> Result<Option<PathBuf>, Error> {
    match control_plane::directory(workspace) {
        Ok(directory) => Ok(Some(directory)),
        Err(error @ Error::Go { .. }) if !controlplane::in_ci() => {
            eprintln!("{error}\nTests that need a control plane are skipped.");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Likewise the program `prometheus`.
fn prometheus_for_tests() -> Result<Option<PathBuf>, Error> {
    match prometheus::program() {
        Ok(program) => Ok(Some(program)),
        Err(error @ Error::NoPrometheus(_)) if !controlplane::in_ci() => {
            eprintln!("{error}\nTests that need a Prometheus are skipped.");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Runs one step between a headline and the time it took.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    headline(name);
    let begin = Instant::now();
    let result = work();
    let outcome = if result.is_ok() { "ok" } else { "FAILED" };
    eprintln!("-- {name}: {outcome} after {}", seconds(begin.elapsed()));
    result
}

fn headline(name: &str) {
    eprintln!("\n== {name}");
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
