//! The command line.

use api::{ApprovalAction, SubjectKind};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
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
    /// Approve or reject what an object waits for. Its status shows it as awaiting.
    Approve(ApproveArgs),
    /// Say what manifests would change, without changing anything.
    ///
    /// Exit status 0 when nothing is to be done, 2 when something is, 1 when the manifests are refused or cannot be read.
    Plan(PlanArgs),
    /// Say what policies do, without AWS.
    Policy(PolicyArgs),
    /// List the guardrails that a Baseline can name, or explain one.
    Guardrails(GuardrailsArgs),
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
pub(crate) struct ApproveArgs {
    #[command(subcommand)]
    pub(crate) kind: ApproveKind,
}

/// Kinds of objects that can wait for a decision.
#[derive(Debug, Subcommand)]
pub(crate) enum ApproveKind {
    /// What an AwsAccount waits for.
    #[command(alias = "awsacct", alias = "awsaccounts")]
    Awsaccount(ApproveAccountArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct ApproveAccountArgs {
    /// Name of the AwsAccount.
    pub(crate) name: String,
    /// Its namespace; default: that of the current context.
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,
    /// Reject instead: nothing is done until the rejection is deleted.
    #[arg(long)]
    pub(crate) reject: bool,
    /// Why, for whoever reads it later.
    #[arg(long, value_name = "TEXT")]
    pub(crate) comment: Option<String>,
    /// A group of yours in whose name you decide.
    #[arg(long)]
    pub(crate) group: Option<String>,
    /// Which decision, should the object wait for several: TagChange or StateRestore.
    #[arg(long, value_parser = action)]
    pub(crate) action: Option<ApprovalAction>,
    #[command(flatten)]
    pub(crate) kubernetes: KubernetesArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct GuardrailsArgs {
    #[command(subcommand)]
    pub(crate) command: Option<GuardrailsCommand>,
    /// What to print.
    #[arg(short, long, value_enum, global = true, default_value_t = Format::Table)]
    pub(crate) output: Format,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GuardrailsCommand {
    /// Explain one: why, its parameters, the statements it becomes, and what it denies and leaves alone.
    Show {
        /// Its name.
        name: String,
    },
}

/// How something is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// One JSON document.
    Json,
}

/// Which cluster, for commands that people run. kubectl does not pass its own flags on.
#[derive(Debug, clap::Args)]
pub(crate) struct KubernetesArgs {
    /// Kubeconfig file; default: KUBECONFIG, or ~/.kube/config.
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Context in it; default: the current one.
    #[arg(long)]
    pub(crate) context: Option<String>,
}

fn action(text: &str) -> Result<ApprovalAction, String> {
    let about = |action: &&ApprovalAction| action.subject() == SubjectKind::AwsAccount;
    let mut all = ApprovalAction::ALL.iter().filter(about);
    let known: Vec<&str> = all.clone().map(|action| action.as_str()).collect();
    all.find(|action| action.as_str().eq_ignore_ascii_case(text))
        .copied()
        .ok_or_else(|| format!("must be {}", known.join(" or ")))
}

/// Reads the command line. As `kubectl-bulkhead` the binary is a plugin, and its help says how it is called then.
pub(crate) fn parse() -> Args {
    let plugin = std::env::args_os()
        .next()
        .and_then(|path| {
            PathBuf::from(path)
                .file_stem()
                .map(|name| name == "kubectl-bulkhead")
        })
        .unwrap_or_default();
    let mut command = Args::command();
    if plugin {
        command = command.bin_name("kubectl bulkhead");
    }
    Args::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
}

#[derive(Debug, clap::Args)]
pub(crate) struct SimulateArgs {
    /// Files or directories of manifests.
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// Everything random follows from this number.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// What goes wrong: a fault plan for AWS and one for Kubernetes, YAML or JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) faults: Option<PathBuf>,
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

#[derive(Debug, clap::Args)]
pub(crate) struct PlanArgs {
    /// Files or directories of manifests, as they would be after the merge: AwsAccounts, Baselines and Namespaces. Others
    /// in them are not looked at.
    #[arg(short, long = "filename", value_name = "PATH", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// What there is now: a document, YAML or JSON, with the objects of the cluster and the organization. Default: nothing
    /// is there.
    #[arg(long, value_name = "FILE")]
    pub(crate) observed: Option<PathBuf>,
    /// The operator's configuration file. Default: the installation `example`, the only Baseline as the default one, and
    /// everything else at its default.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Take AwsAccounts and Baselines that stand in no file for deleted. Default: they stay as they are.
    #[arg(long)]
    pub(crate) prune: bool,
    /// What to print.
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PolicyArgs {
    #[command(subcommand)]
    pub(crate) command: PolicyCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Decide requests under service control policies as AWS would: one line of JSON for each case.
    ///
    /// Exit status 1 when a case does not come out as it expects, 2 for bad input.
    Eval(PolicyEvalArgs),
    /// Compile the policies of one environment of a Baseline, and prove them, as the operator does.
    ///
    /// Exit status 1 when the Baseline is refused, 2 for bad input.
    Compile(PolicyCompileArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct PolicyCompileArgs {
    /// The manifest, YAML or JSON; of several documents, the one Baseline among them.
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: PathBuf,
    /// One of its environments.
    #[arg(long, value_name = "NAME")]
    pub(crate) environment: String,
    /// The operator's configuration file: its installation is part of the names, its exempt principals are part of the
    /// documents. Default: the installation `example`, everything else at its default.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// What to print.
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PolicyEvalArgs {
    /// A JSON list of cases: name, policies (a list of documents for each level from the root to the account), request
    /// (principal, principalTags, action, resource, region, context), org (managementAccount), expect (Allow or Deny).
    /// -: standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// What to print.
    #[arg(short, long, value_enum, default_value_t = PolicyOutput::Json)]
    pub(crate) output: PolicyOutput,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PolicyOutput {
    /// One JSON document per case, each on its line.
    Json,
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

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_decision_is_named_in_any_case() {
        assert_eq!(action("staterestore"), Ok(ApprovalAction::StateRestore));
        assert_eq!(
            action("Promotion").unwrap_err(),
            "must be TagChange or StateRestore"
        );
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        assert_eq!(duration("24h").unwrap(), SignedDuration::from_hours(24));
        assert!(duration("0s").is_err());
        assert!(duration("soon").is_err());
    }
}
