//! `bulkhead policy compile`: what the accounts of one environment get, as the operator would make it.

use crate::{
    args::{Format, PolicyCompileArgs},
    complain, configuration, manifests,
    table::table,
};
use api::{Baseline, PolicyBudget, RevisionEnvironment, RevisionPolicy};
use desired::{Decoded, Inputs, Memory};
use operator::Config;
use serde::Serialize;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Config(#[from] configuration::Error),
    #[error(transparent)]
    Manifest(#[from] manifests::Error),
    #[error("{}: {count} Baselines are in it; exactly one must be", path.display())]
    Count { path: PathBuf, count: usize },
    #[error("{}: {baseline} is not accepted: {message}", path.display())]
    Refused {
        path: PathBuf,
        baseline: String,
        message: String,
    },
    #[error("Baseline {baseline:?} has no environment {environment:?}; it has {known}")]
    Environment {
        baseline: String,
        environment: String,
        known: String,
    },
    #[error("the policy {name} cannot be read as JSON")]
    Document { name: String, source: serde_json::Error },
    #[error("the result cannot be written as JSON")]
    Json(#[source] serde_json::Error),
}

/// One policy, as it is printed.
#[derive(Debug, Serialize)]
struct Printed<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    policy_type: &'a str,
    /// Characters of the text that AWS is given.
    size: usize,
    document: Value,
}

/// What was compiled.
struct Compiled {
    environment: RevisionEnvironment,
    budgets: Vec<PolicyBudget>,
}

/// Exit status 1 when the Baseline is refused, 2 when there is no result for another reason.
pub(super) fn main(args: &PolicyCompileArgs) -> ExitCode {
    match run(args) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&error);
            ExitCode::from(if matches!(error, Error::Refused { .. }) {
                1
            } else {
                2
            })
        }
    }
}

fn run(args: &PolicyCompileArgs) -> Result<String, Error> {
    let config = configuration::read_or_example(args.config.as_deref())?;
    let baseline = read(&args.baseline)?;
    let compiled = compile(&config, &args.baseline, &args.environment, baseline)?;
    let printed = compiled.environment.policies.iter().map(printed);
    let printed = printed.collect::<Result<Vec<_>, _>>()?;
    match args.output {
        Format::Json => serde_json::to_string_pretty(&printed).map_err(Error::Json),
        Format::Table => Ok(readable(&compiled, &printed)),
    }
}

/// The one Baseline in the file.
fn read(path: &Path) -> Result<Baseline, Error> {
    let found = manifests::load(&[path.to_owned()], |manifest| manifest.kind() == "Baseline")?;
    match found.as_slice() {
        [only] => Ok(manifests::decode(only)?),
        several => Err(Error::Count {
            path: path.to_owned(),
            count: several.len(),
        }),
    }
}

fn compile(config: &Config, path: &Path, environment: &str, object: Baseline) -> Result<Compiled, Error> {
    let baseline = object.metadata.name.clone().unwrap_or_default();
    let listed = object.spec.environments.iter();
    let known: Vec<&str> = listed.map(|environment| environment.name.as_str()).collect();
    if !known.contains(&environment) {
        return Err(Error::Environment {
            known: known.join(", "),
            environment: environment.to_owned(),
            baseline,
        });
    }
    let settings = config.policy_settings();
    let baselines = BTreeMap::from([(baseline.clone(), Decoded::Good(Arc::new(object)))]);
    let inputs = Inputs {
        accounts: &BTreeMap::new(),
        baselines: &baselines,
        revisions: &BTreeMap::new(),
        namespaces: &BTreeMap::new(),
        outputs: &BTreeMap::new(),
        installation: &config.installation,
        default_baseline: None,
        policy_settings: &settings,
    };
    let mut resolved = desired::resolve(&inputs, &mut Memory::default());
    let refused = |message: String| Error::Refused {
        path: path.to_owned(),
        baseline: format!("Baseline {baseline:?}"),
        message,
    };
    if let Some(Err(rejection)) = resolved.baselines.remove(&baseline) {
        let reason = rejection.reason;
        return Err(refused(format!("{reason}: {}", rejection.message)));
    }
    let states = resolved.environments.remove(&baseline).unwrap_or_default();
    let contents = resolved.revisions.values();
    let found = contents
        .flat_map(|spec| &spec.environments)
        .find(|found| found.name == environment);
    Ok(Compiled {
        environment: found.cloned().ok_or_else(|| {
            refused(format!(
                "its revision does not have the environment {environment:?}"
            ))
        })?,
        budgets: states
            .get(environment)
            .map_or_else(Vec::new, |state| state.budgets.clone()),
    })
}

fn printed(policy: &RevisionPolicy) -> Result<Printed<'_>, Error> {
    Ok(Printed {
        name: &policy.name,
        policy_type: &policy.policy_type,
        size: policy.content.chars().count(),
        document: serde_json::from_str(&policy.content).map_err(|source| Error::Document {
            name: policy.name.clone(),
            source,
        })?,
    })
}

fn readable(compiled: &Compiled, printed: &[Printed<'_>]) -> String {
    let Compiled { environment, budgets } = compiled;
    if printed.is_empty() {
        return format!(
            "The accounts of environment {:?} get no policies.",
            environment.name
        );
    }
    let most = |policy_type: &str| {
        let budget = budgets.iter().find(|budget| budget.policy_type == policy_type);
        budget.map_or_else(String::new, |budget| format!("/{}", budget.max_characters))
    };
    let rows = environment.policies.iter().zip(printed).map(|(policy, printed)| {
        vec![
            printed.name.to_owned(),
            printed.policy_type.to_owned(),
            format!("{}{}", printed.size, most(printed.policy_type)),
            policy.parts.join(", "),
        ]
    });
    let mut text = table(&["NAME", "TYPE", "SIZE", "PARTS"], rows.collect());
    for budget in budgets {
        let PolicyBudget {
            policy_type,
            documents,
            max_documents,
            ..
        } = budget;
        let _ = write!(text, "\n\n{policy_type}: {documents} of {max_documents} policies");
    }
    for policy in printed {
        let _ = write!(text, "\n\n{}:\n{:#}", policy.name, policy.document);
    }
    text
}
