//! The command line.

mod promotion;

pub(crate) use promotion::{
    AbortArgs, DecidePromotionArgs, HoldArgs, PromotionArgs, PromotionsArgs, ReleaseArgs, RetryArgs,
    ReverifyArgs, SkipBakeArgs,
};

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
    /// Reject what an object waits for.
    Reject(RejectArgs),
    /// List the promotions.
    Promotions(PromotionsArgs),
    /// Show one promotion: stages, waves, gates, who decided, what is next and when.
    Promotion(PromotionArgs),
    /// End the attempt under way: no more accounts, those that are changing finish, nothing is rolled back.
    Abort(AbortArgs),
    /// Try a revision again that ended badly.
    Retry(RetryArgs),
    /// Run a gate again.
    Reverify(ReverifyArgs),
    /// Hold a promotion: no attempt, stage or wave begins until it is released. A rollback goes on.
    Hold(HoldArgs),
    /// Release a promotion that is held.
    Release(ReleaseArgs),
    /// Cut the bake of a wave short. For emergencies; needs the verb `skip-bake`.
    SkipBake(SkipBakeArgs),
    /// Say what manifests would change, without changing anything.
    ///
    /// The manifests are laid over what there is, as `kubectl apply` would: an object's spec becomes that of the file, its
    /// status stays, and so do labels that only the cluster has. What stands in no file stays as it is, unless --prune.
    ///
    /// Exit status 0 when nothing is to be done, 2 when something is, 1 when the manifests are refused, or anything cannot
    /// be read.
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
    Awsaccount(DecideAccountArgs),
    /// The stage that an EnvironmentPromotion waits with.
    #[command(
        alias = "envpromo",
        alias = "environmentpromotion",
        alias = "environmentpromotions"
    )]
    Promotion(DecidePromotionArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct RejectArgs {
    #[command(subcommand)]
    pub(crate) kind: RejectKind,
}

/// Kinds of objects that can wait for a decision.
#[derive(Debug, Subcommand)]
pub(crate) enum RejectKind {
    /// What an AwsAccount waits for: nothing is done until the rejection is deleted.
    #[command(alias = "awsacct", alias = "awsaccounts")]
    Awsaccount(DecideAccountArgs),
    /// The stage that an EnvironmentPromotion waits with: the attempt ends.
    #[command(
        alias = "envpromo",
        alias = "environmentpromotion",
        alias = "environmentpromotions"
    )]
    Promotion(DecidePromotionArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct DecideAccountArgs {
    /// Name of the AwsAccount.
    pub(crate) name: String,
    /// Its namespace; default: that of the current context.
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,
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
    let matches = command.try_get_matches();
    match matches.and_then(|matches| Args::from_arg_matches(&matches)) {
        Ok(args) => args,
        Err(error) => refuse(&error),
    }
}

/// Says what is wrong with the command line, or what was asked of it. `plan` says with exit status 2 that something is to
/// be done, so there a wrong command line is 1.
fn refuse(error: &clap::Error) -> ! {
    let plans = std::env::args_os().nth(1).is_some_and(|name| name == "plan");
    if plans && error.use_stderr() {
        // Nowhere to say that standard error is closed.
        drop(error.print());
        std::process::exit(1)
    }
    error.exit()
}

#[derive(Debug, clap::Args)]
pub(crate) struct SimulateArgs {
    /// Files or directories of manifests.
    #[arg(value_name = "PATH", required_unless_present = "scenario")]
    pub(crate) paths: Vec<PathBuf>,
    /// What people do and gates are answered, when, and what must come of it: YAML.
    #[arg(long, value_name = "FILE")]
    pub(crate) scenario: Option<PathBuf>,
    /// Everything random follows from this number.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// What goes wrong: a fault plan for AWS and one for Kubernetes, YAML or JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) faults: Option<PathBuf>,
    /// The longest the simulation may last, in virtual time. Default: what the scenario says, or 24h.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) until: Option<SignedDuration>,
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
    /// Files or directories of manifests, as they would be after the merge: AwsAccounts, Baselines, EnvironmentPromotions and
    /// Namespaces. Others in them are not looked at. With --live it can be left out: what is still to be done for the
    /// cluster as it is.
    #[arg(
        short,
        long = "filename",
        value_name = "PATH",
        required_unless_present = "live"
    )]
    pub(crate) files: Vec<PathBuf>,
    /// What there is now: a snapshot, YAML or JSON, with the objects of the cluster and the organization. Default: nothing
    /// is there.
    #[arg(long, value_name = "FILE", conflicts_with = "live")]
    pub(crate) observed: Option<PathBuf>,
    /// What there is now: the cluster of the kubeconfig, and the organization of the AWS credentials of the environment.
    /// Both are only read. AWS is asked no faster than the configuration lets the operator ask.
    #[arg(long, requires = "config")]
    pub(crate) live: bool,
    /// Write what --live has read as a snapshot, which --observed reads where there are no credentials.
    #[arg(long, value_name = "FILE", requires = "live")]
    pub(crate) save: Option<PathBuf>,
    /// The operator's configuration file. Default: that of the snapshot; without one the installation `example`, the only
    /// Baseline as the default one, and everything else at its default.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Take AwsAccounts, Baselines and EnvironmentPromotions that stand in no file for deleted. Default: they stay as they are.
    #[arg(long, requires = "files")]
    pub(crate) prune: bool,
    /// Kubeconfig file for --live; default: KUBECONFIG, or ~/.kube/config.
    #[arg(long, value_name = "FILE", requires = "live")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Context in it; default: the current one.
    #[arg(long, requires = "live")]
    pub(crate) context: Option<String>,
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
    /// Tell the name and the hash of the revision that the operator makes of a Baseline, before it is applied.
    ///
    /// An EnvironmentPromotion names it. Exit status 1 when the Baseline is refused, 2 for bad input.
    Revision(PolicyRevisionArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct PolicyRevisionArgs {
    /// The manifest, YAML or JSON; of several documents, the one Baseline among them. -: standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: PathBuf,
    /// The operator's configuration file: its installation and its exempt principals are part of the content, and so of the
    /// name and the hash. Default: the installation `example`, everything else at its default.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// What to print.
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PolicyCompileArgs {
    /// The manifest, YAML or JSON; of several documents, the one Baseline among them. -: standard input.
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
    /// -: standard input. A condition key that is in no context is absent, but for those that follow from the request:
    /// aws:PrincipalArn, aws:PrincipalAccount, aws:PrincipalType, aws:username, aws:PrincipalIsAWSService (false),
    /// aws:PrincipalTag/... and aws:RequestedRegion.
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
