//! The command line.

use clap::{Parser, Subcommand, ValueEnum};
use jiff::SignedDuration;
use std::{net::SocketAddr, path::PathBuf};

/// Bulkhead vends and governs AWS accounts from Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "bulkhead", version, about)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the operator.
    Controller(ControllerArgs),
    /// Run manifests against a simulated cluster and a simulated AWS organization, in virtual time.
    Simulate(SimulateArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct ControllerArgs {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Take the organization over from the installation whose mark has exactly this value.
    #[arg(long, value_name = "OLD")]
    pub(crate) take_over: Option<String>,
    /// Endpoint of a simulated AWS; overrides `aws.endpointUrl`.
    #[arg(long, value_name = "URL")]
    pub(crate) aws_endpoint_url: Option<String>,
    /// Kubeconfig file; default: KUBECONFIG, ~/.kube/config, or the pod's service account.
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Where to serve /healthz, /readyz and /metrics.
    #[arg(long, value_name = "ADDR", default_value = "0.0.0.0:8080")]
    pub(crate) metrics_addr: SocketAddr,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SimulateArgs {
    /// Files or directories of manifests.
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// Everything random follows from this number.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// The longest the simulation may last, in virtual time.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = duration)]
    pub(crate) until: SignedDuration,
    /// What to print.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// A timeline, then the table kubectl would show.
    Table,
    /// One JSON document at the end.
    Json,
    /// One JSON document per Event, as it happens.
    Events,
}

fn duration(text: &str) -> Result<SignedDuration, String> {
    let duration: SignedDuration = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    if duration > SignedDuration::ZERO {
        Ok(duration)
    } else {
        Err("must be above 0".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        assert_eq!(duration("24h").unwrap(), SignedDuration::from_hours(24));
        assert!(duration("0s").is_err());
        assert!(duration("soon").is_err());
    }
}
