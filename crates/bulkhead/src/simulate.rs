//! `bulkhead simulate`: manifests against a simulated cluster and a simulated organization, in virtual time.

use crate::{
    args::{Output, SimulateArgs},
    complain,
    table::{age, table},
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use operator::{Config, ConfigError};
use simulator::{
    Entry, Faults, FaultsFileError, FaultsReport, ManifestError, ObjectReport, Report, Scenario,
    SimulateError,
};
use std::{collections::BTreeMap, fmt::Write as _, io, process::ExitCode, time::Duration};

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Simulate(#[from] SimulateError),
    #[error(transparent)]
    Faults(#[from] FaultsFileError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the runtime could not be started")]
    Runtime(#[source] io::Error),
    #[error("the report cannot be written as JSON")]
    Json(#[source] serde_json::Error),
}

impl From<ManifestError> for Error {
    fn from(error: ManifestError) -> Self {
        Self::Simulate(SimulateError::Manifest(error))
    }
}

/// Exit status 0 when everything is Ready, 1 when something is not, 2 for bad input.
pub(crate) fn main(args: &SimulateArgs) -> ExitCode {
    match run(args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            complain(&error);
            let input = matches!(
                error,
                Error::Simulate(SimulateError::Manifest(_)) | Error::Faults(_)
            );
            ExitCode::from(if input { 2 } else { 1 })
        }
    }
}

fn run(args: &SimulateArgs) -> Result<bool, Error> {
    let manifests = simulator::load(&args.paths)?;
    let faults = match &args.faults {
        Some(path) => Some(Faults::load(path, args.seed)?),
        None => None,
    };
    let told = faults.is_some();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(Error::Runtime)?;
    let scenario = Scenario {
        config: config(&manifests)?,
        manifests,
        faults: faults.unwrap_or_default(),
        seed: args.seed,
        until: args.until.unsigned_abs(),
    };
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        bar.set_style(style);
    }
    let mut titled = false;
    let tell = |entry: &Entry| match args.output {
        Output::Table => bar.suspend(|| {
            if !std::mem::replace(&mut titled, true) {
                println!("{}", line("TIME", "OBJECT", "REASON", "WHAT HAPPENED"));
            }
            println!("{}", timeline(entry));
        }),
        Output::Events => bar.suspend(|| println!("{}", serde_json::to_string(entry).unwrap_or_default())),
        Output::Json => {}
    };
    let progress = |at: Duration| {
        bar.set_message(format!("virtual time {}", age(at.as_secs())));
        bar.tick();
    };
    let report = runtime.block_on(simulator::simulate(scenario, tell, progress))?;
    bar.finish_and_clear();
    match args.output {
        Output::Table => {
            println!("\n{}", summary(&report));
            if told {
                println!("{}", harm(&report.faults));
            }
        }
        Output::Json => println!("{}", serde_json::to_string_pretty(&report).map_err(Error::Json)?),
        Output::Events => {}
    }
    Ok(report.all_ready())
}

/// The configuration a first user would have: everything at its default, the only Baseline as the default one, and
/// AWS's whole rate, because nobody else uses this organization.
fn config(manifests: &[simulator::Manifest]) -> Result<Config, ConfigError> {
    let mut config =
        Config::parse("{installation: simulation, aws: {awsShare: 1.0, enablePolicyTypes: true}}")?;
    let mut baselines = manifests.iter().filter(|manifest| manifest.kind() == "Baseline");
    config.default_baseline = match (baselines.next(), baselines.next()) {
        (Some(only), None) => Some(only.name().to_owned()),
        _ => Some("standard".to_owned()),
    };
    Ok(config)
}

fn line(time: &str, object: &str, reason: &str, note: &str) -> String {
    format!("{time:<8} {object:<34} {reason:<26} {note}")
}

fn timeline(entry: &Entry) -> String {
    let object = entry.namespace.as_ref().map_or_else(
        || format!("{} {}", entry.kind.to_lowercase(), entry.name),
        |namespace| format!("{namespace}/{}", entry.name),
    );
    let seconds = entry.at / 1000;
    line(
        &format!("{:>3}:{:02}", seconds / 60, seconds % 60),
        &object,
        &entry.reason,
        &entry.note,
    )
}

/// Which fault hit how often.
fn harm(faults: &FaultsReport) -> String {
    let side = |hits: &BTreeMap<&'static str, u64>, what: &str| {
        let each: Vec<String> = hits
            .iter()
            .map(|(fault, count)| format!("{fault} {count}"))
            .collect();
        let each = if each.is_empty() {
            String::new()
        } else {
            format!(" ({})", each.join(", "))
        };
        format!("{} {what}{each}", hits.values().sum::<u64>())
    };
    format!(
        "Faults hit {} and {}.",
        side(&faults.aws, "calls to AWS"),
        side(&faults.kubernetes, "requests to Kubernetes")
    )
}

fn summary(report: &Report) -> String {
    let cell = |text: &Option<String>| text.clone().unwrap_or_default();
    let ready = |object: &ObjectReport| if object.ready { "True" } else { "False" }.to_owned();
    let accounts: Vec<&ObjectReport> = report
        .objects
        .iter()
        .filter(|object| object.kind == "AwsAccount")
        .collect();
    let rows = accounts
        .iter()
        .map(|object| {
            vec![
                cell(&object.namespace),
                object.name.clone(),
                cell(&object.account_id),
                cell(&object.environment),
                cell(&object.organizational_unit),
                ready(object),
                cell(&object.reason),
            ]
        })
        .collect();
    let mut text = table(
        &["NAMESPACE", "NAME", "ACCOUNT", "ENV", "OU", "READY", "REASON"],
        rows,
    );
    for object in report.objects.iter().filter(|object| !object.ready) {
        let namespace = object
            .namespace
            .as_ref()
            .map_or(String::new(), |namespace| format!("{namespace}/"));
        let why = cell(&object.message);
        let _ = write!(
            text,
            "\n\n{} {namespace}{} is not Ready: {why}",
            object.kind, object.name
        );
    }
    let ready = accounts.iter().filter(|object| object.ready).count();
    let calls: u64 = report.aws.calls.values().sum();
    let count =
        |calls: &BTreeMap<String, u64>, operation: &str| calls.get(operation).copied().unwrap_or_default();
    let _ = write!(
        text,
        "\n\n{ready} of {} accounts Ready after {:.0} s of virtual time. AWS: {} accounts, {} CreateAccount calls, {calls} calls in all, {} refused.",
        accounts.len(),
        report.virtual_seconds,
        report.aws.accounts,
        count(&report.aws.calls, "CreateAccount"),
        report.aws.refused.values().sum::<u64>(),
    );
    text
}
