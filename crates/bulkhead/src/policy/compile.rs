//! `bulkhead policy compile`: what the accounts of one environment get, as the operator would make it.

use super::given::{self, Accepted, Given};
use crate::{
    args::{Format, PolicyCompileArgs},
    complain, output,
    table::table,
};
use api::{PolicyBudget, RevisionEnvironment, RevisionPolicy};
use serde::Serialize;
use serde_json::Value;
use std::{fmt::Write as _, process::ExitCode};

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Given(#[from] given::Error),
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

impl Error {
    fn is_refusal(&self) -> bool {
        matches!(self, Self::Given(error) if error.is_refusal())
    }
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
        Ok(text) => output::result(&text, ExitCode::SUCCESS, ExitCode::from(2)),
        Err(error) => {
            complain(&error);
            ExitCode::from(if error.is_refusal() { 1 } else { 2 })
        }
    }
}

fn run(args: &PolicyCompileArgs) -> Result<String, Error> {
    let given = Given::read(&args.baseline, args.config.as_deref())?;
    let listed = given.object.spec.environments.iter();
    let known: Vec<&str> = listed.map(|environment| environment.name.as_str()).collect();
    if !known.contains(&args.environment.as_str()) {
        return Err(Error::Environment {
            known: known.join(", "),
            environment: args.environment.clone(),
            baseline: given.name().to_owned(),
        });
    }
    let compiled = compile(&given.accepted()?, &args.environment)?;
    let printed = compiled.environment.policies.iter().map(printed);
    let printed = printed.collect::<Result<Vec<_>, _>>()?;
    match args.output {
        Format::Json => serde_json::to_string_pretty(&printed).map_err(Error::Json),
        Format::Table => Ok(readable(&compiled, &printed)),
    }
}

fn compile(accepted: &Accepted, environment: &str) -> Result<Compiled, Error> {
    let mut found = accepted.content.environments.iter();
    let found = found.find(|found| found.name == environment);
    let missing = || {
        let message = format!("its revision does not have the environment {environment:?}");
        accepted.refused(message)
    };
    let state = accepted.environments.get(environment);
    Ok(Compiled {
        environment: found.cloned().ok_or_else(missing)?,
        budgets: state.map_or_else(Vec::new, |state| state.budgets.clone()),
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
