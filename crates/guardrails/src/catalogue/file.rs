//! Reading a file of the catalogue.

use super::{Guardrail, Parameter, Parameters, template::Template};
use crate::{cases::CasesFile, evaluate::Decision};
use model::PolicyType;
use serde::Deserialize;
use serde_json::{Map, Value};

/// A file of the catalogue that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// It is no YAML, or lacks something.
    #[error("malformed: {0}")]
    Yaml(String),
    /// It contradicts itself.
    #[error("{0}")]
    Inconsistent(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    name: String,
    title: String,
    why: String,
    #[serde(rename = "type")]
    policy_type: PolicyType,
    #[serde(default = "yes")]
    exempt: bool,
    exempt_reason: Option<String>,
    parameters: Vec<Parameter>,
    statements: Vec<Map<String, Value>>,
    example: Parameters,
    cases: CasesFile,
}

const fn yes() -> bool {
    true
}

impl Guardrail {
    /// Reads a file of the catalogue.
    pub(super) fn parse(text: &str) -> Result<Self, Malformed> {
        // By way of JSON, so that what is any value keeps to what JSON has.
        let value: Value =
            serde_saphyr::from_str(text).map_err(|error| Malformed::Yaml(error.to_string()))?;
        let file: File = serde_json::from_value(value).map_err(|error| Malformed::Yaml(error.to_string()))?;
        let inconsistent = |what: String| Err(Malformed::Inconsistent(what));
        if file.exempt == file.exempt_reason.is_some() {
            return inconsistent("an exemptReason says why exempt is false".into());
        }
        if let Some(parameter) = file
            .parameters
            .iter()
            .find(|parameter| !parameter.is_consistent())
        {
            let name = parameter.name();
            return inconsistent(format!("{name} is required, or has a default"));
        }
        let templates = file.statements.into_iter().map(Template::new);
        let templates = templates
            .collect::<Result<Vec<Template>, String>>()
            .map_err(Malformed::Inconsistent)?;
        let declared = |name: &&str| file.parameters.iter().any(|parameter| parameter.name() == *name);
        let mut mentioned = templates.iter().flat_map(Template::mentions);
        if let Some(name) = mentioned.find(|name| !declared(name)) {
            return inconsistent(format!("{name} is mentioned, and no parameter"));
        }
        let CasesFile { denied, allowed } = file.cases;
        let denied = denied
            .into_iter()
            .map(|case| case.case(Decision::Deny, &file.example));
        let allowed = allowed
            .into_iter()
            .map(|case| case.case(Decision::Allow, &file.example));
        Ok(Self {
            cases: denied.chain(allowed).collect(),
            name: file.name,
            title: file.title,
            why: file.why,
            policy_type: file.policy_type,
            not_exempt: file.exempt_reason,
            parameters: file.parameters,
            templates,
            example: file.example,
        })
    }
}
