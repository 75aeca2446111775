//! Commands about promotions.

use super::{Format, KubernetesArgs};

#[derive(Debug, clap::Args)]
pub(crate) struct DecidePromotionArgs {
    /// Name of the EnvironmentPromotion.
    pub(crate) name: String,
    /// What you looked at, as `promotion NAME` shows it: refused if it is another by now. Default: whatever waits.
    #[arg(long, value_name = "sha256:...")]
    pub(crate) digest: Option<String>,
    /// Why, for whoever reads it later.
    #[arg(long, value_name = "TEXT")]
    pub(crate) comment: Option<String>,
    /// A group of yours in whose name you decide. Default: the one group whose Approvals count, where there is one.
    #[arg(long)]
    pub(crate) group: Option<String>,
    #[command(flatten)]
    pub(crate) kubernetes: KubernetesArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PromotionsArgs {
    /// What to print.
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
    #[command(flatten)]
    pub(crate) kubernetes: KubernetesArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PromotionArgs {
    /// Name of the EnvironmentPromotion.
    pub(crate) name: String,
    /// What to print.
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
    #[command(flatten)]
    pub(crate) kubernetes: KubernetesArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct AbortArgs {
    /// Name of the EnvironmentPromotion.
    pub(crate) name: String,
    /// The attempt: refused if another one is under way by now. Default: the one under way.
    #[arg(long, value_name = "ID")]
    pub(crate) attempt: Option<String>,
    #[command(flatten)]
    pub(crate) kubernetes: KubernetesArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RetryArgs {
    /// Name of the EnvironmentPromotion.
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) kubernetes: KubernetesArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ReverifyArgs {
    /// Name of the EnvironmentPromotion.
    pub(crate) name: String,
    /// The gate. Default: the one without a verdict, where there is one.
    #[arg(value_name = "STAGE/GATE")]
    pub(crate) gate: Option<String>,
    #[command(flatten)]
    pub(crate) kubernetes: KubernetesArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct HoldArgs {
    /// Name of the EnvironmentPromotion.
    pub(crate) name: String,
    /// Why, for everybody who wonders.
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) kubernetes: KubernetesArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ReleaseArgs {
    /// Name of the EnvironmentPromotion.
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) kubernetes: KubernetesArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SkipBakeArgs {
    /// Name of the EnvironmentPromotion.
    pub(crate) name: String,
    /// The wave: refused if another one bakes by now. Default: the one that bakes.
    #[arg(value_name = "STAGE/WAVE")]
    pub(crate) wave: Option<String>,
    #[command(flatten)]
    pub(crate) kubernetes: KubernetesArgs,
}
