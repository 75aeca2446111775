//! `bulkhead simulate`: manifests against a simulated cluster and a simulated organization, in virtual time.

use crate::{
    args::{Output, SimulateArgs},
    complain, manifests, output, plan,
    table::{age, table},
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use operator::{Config, ConfigError};
use simulator::{
    Entry, Faults, FaultsFileError, FaultsReport, Manifest, ManifestError, ObjectReport, Report, Scenario,
    Script, ScriptError, SimulateError, World,
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
    Script(#[from] ScriptError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Output(#[from] output::Error),
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

/// Exit status 0 when everything is Ready, or when all of the scenario has come; 1 when not, 2 for bad input.
pub(crate) fn main(args: &SimulateArgs) -> ExitCode {
    match run(args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            complain(&error);
            let input = matches!(
                error,
                Error::Simulate(SimulateError::Manifest(_))
                    | Error::Faults(_)
                    | Error::Script(_)
                    | Error::Config(_)
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
    let script = args.scenario.as_deref().map(Script::load).transpose()?;
    let told = faults.is_some();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(Error::Runtime)?;
    let config = config(&manifests, script.as_ref())?;
    let config = runtime.block_on(judged(&manifests, script.as_ref(), config))?;
    let scenario = Scenario {
        config,
        manifests,
        faults: faults.unwrap_or_default(),
        seed: args.seed,
        until: limit(args, script.as_ref()),
        script,
    };
    let played = scenario.script.is_some();
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        bar.set_style(style);
    }
    let mut titled = false;
    let mut written = Ok(());
    let tell = |entry: &Entry| {
        let text = match args.output {
            Output::Table if !std::mem::replace(&mut titled, true) => {
                let title = line("TIME", "OBJECT", "REASON", "WHAT HAPPENED");
                format!("{title}\n{}", timeline(entry, played))
            }
            Output::Table => timeline(entry, played),
            Output::Events => serde_json::to_string(entry).unwrap_or_default(),
            Output::Json => return,
        };
        if written.is_ok() {
            written = bar.suspend(|| output::line(&text));
        }
    };
    let look = |world: &World| {
        bar.set_message(format!("virtual time {}", age(world.clock.elapsed().as_secs())));
        bar.tick();
    };
    let report = runtime.block_on(simulator::simulate(scenario, tell, look))?;
    bar.finish_and_clear();
    written?;
    match args.output {
        Output::Table => {
            output::line(&format!("\n{}", summary(&report)))?;
            if !report.promotions.is_empty() {
                output::line(&format!("\n{}", promotions(&report)))?;
            }
            if told {
                output::line(&harm(&report.faults))?;
            }
        }
        Output::Json => output::line(&serde_json::to_string_pretty(&report).map_err(Error::Json)?)?,
        Output::Events => {}
    }
    if !played {
        return Ok(report.all_ready());
    }
    for failure in &report.failures {
        output::complaint(failure);
    }
    Ok(report.failures.is_empty())
}

/// Judges what is there at the beginning as the API server and the operator will: what they do not take is told with its line.
async fn judged(
    manifests: &[Manifest],
    script: Option<&Script>,
    mut config: Config,
) -> Result<Config, Error> {
    let of_script = script.map_or(&[][..], |script| &script.manifests);
    let all: Vec<Manifest> = of_script.iter().chain(manifests).cloned().collect();
    manifests::admitted(&all).await?;
    if script.is_none() {
        // Nobody has said whom gates may ask, and nobody is asked.
        plan::allow_hosts(&all, &mut config);
    }
    let errors = plan::refused_promotions(&all, &config);
    if errors.is_empty() {
        Ok(config)
    } else {
        Err(ManifestError::Several(errors).into())
    }
}

/// How long it may take: as the caller says, or the scenario, or a day.
fn limit(args: &SimulateArgs, script: Option<&Script>) -> Duration {
    let limit = args.until.or_else(|| script?.limit);
    limit.map_or(Duration::from_hours(24), jiff::SignedDuration::unsigned_abs)
}

/// The configuration a first user would have: everything at its default, the only Baseline as the default one, and
/// AWS's whole rate, because nobody else uses this organization. A scenario's keys are laid over it.
fn config(manifests: &[Manifest], script: Option<&Script>) -> Result<Config, ConfigError> {
    let of_script = script.map_or(&[][..], |script| &script.manifests);
    let mut baselines = manifests
        .iter()
        .chain(of_script)
        .filter(|manifest| manifest.kind() == "Baseline");
    let default = match (baselines.next(), baselines.next()) {
        (Some(only), None) => only.name(),
        _ => "standard",
    };
    simulator::config(default, script)
}

/// Promotions with their stages, and how many accounts have which revision.
fn promotions(report: &Report) -> String {
    let cell = |text: &Option<String>| text.clone().unwrap_or_default();
    let rows = report.promotions.iter().flat_map(|promotion| {
        let row = |stage: &str, state: &str, updated: String| {
            let (revision, phase) = (cell(&promotion.revision), cell(&promotion.phase));
            vec![
                promotion.name.clone(),
                revision,
                phase,
                stage.to_owned(),
                state.to_owned(),
                updated,
            ]
        };
        let mut rows: Vec<_> = promotion
            .stages
            .iter()
            .map(|stage| {
                row(
                    &stage.name,
                    &stage.state,
                    format!("{}/{}", stage.updated, stage.total),
                )
            })
            .collect();
        if rows.is_empty() {
            // It was not accepted, so nothing is known of stages.
            rows.push(row("", "", String::new()));
        }
        rows
    });
    let titles = ["PROMOTION", "REVISION", "PHASE", "STAGE", "STATE", "UPDATED"];
    let revisions = report.revisions.iter().map(|one| {
        vec![
            one.environment.clone(),
            cell(&one.revision),
            one.accounts.to_string(),
        ]
    });
    let mut text = format!(
        "{}\n\n{}\n",
        table(&titles, rows.collect()),
        table(&["ENV", "REVISION", "ACCOUNTS"], revisions.collect())
    );
    for promotion in report.promotions.iter().filter(|promotion| !promotion.ready) {
        let (reason, message) = (cell(&promotion.reason), cell(&promotion.message));
        let _ = writeln!(
            text,
            "\nenvironmentpromotion {}: {reason}: {message}",
            promotion.name
        );
    }
    text
}

fn line(time: &str, object: &str, reason: &str, note: &str) -> String {
    format!("{time:<8} {object:<34} {reason:<26} {note}")
}

fn timeline(entry: &Entry, hours: bool) -> String {
    let object = entry.namespace.as_ref().map_or_else(
        || format!("{} {}", entry.kind.to_lowercase(), entry.name),
        |namespace| format!("{namespace}/{}", entry.name),
    );
    let seconds = entry.at / 1000;
    // A scenario takes hours, everything else minutes.
    let time = if hours {
        format!(
            "{:>2}:{:02}:{:02}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        )
    } else {
        format!("{:>3}:{:02}", seconds / 60, seconds % 60)
    };
    line(&time, &object, &entry.reason, &entry.note)
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
