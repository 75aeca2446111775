//! The catalogue: one YAML file for each guardrail, in `catalogue/`.
//!
//! A file has `name`, `title`, `why`, `type`, `exempt` (default true; false needs an `exemptReason`), `parameters`,
//! `statements`, `example` (parameters for the cases, and for whoever reads) and `cases` (see [`crate::cases`]).
//!
//! A statement is AWS's JSON written as YAML, and beside it:
//!
//! - `{parameter: NAME}` stands for the value of a parameter; in a list, a parameter that is a list is spliced in.
//! - `{exemptions: true}` stands for the ARN patterns of the exempted roles, likewise.
//! - `when: NAME` keeps the statement only if the parameter is true or a list that is not empty; `unless: NAME` only if not.
//! - `forEach: NAME` (a parameter that is a list) or `forEach: [...]` makes one statement of each item, which is written
//!   `${item}` inside any text, keys of conditions included.
//! - `${partition}` inside any text is the partition. These two cannot be taken for variables of AWS: those have a colon
//!   (`${aws:PrincipalArn}`).
//!
//! Unless `exempt` is false each statement gets the condition `ArnNotLike` on `aws:PrincipalArn` with the
//! [`Exemptions`].

mod file;
mod names;
mod parameter;
mod template;

pub use file::Malformed;
pub use parameter::{Kind, Parameter};

use crate::{
    Exemptions, Problem, Refusal,
    cases::Case,
    policy::{Document, Statement, grammar},
};
use model::PolicyType;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::LazyLock};
use template::{Scope, Template};

/// Values of parameters by their names.
pub type Parameters = BTreeMap<String, Value>;

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../catalogue/", $name, ".yaml")))),*]
    };
}

/// The files by their names. A test compares the list with the directory.
const FILES: [(&str, &str); 15] = files![
    "allowedRegions",
    "denyAccountSettings",
    "denyExternalSharing",
    "denyIamUsers",
    "denyLeaveOrganization",
    "denyPublicS3",
    "denyRootUser",
    "protectAccessRole",
    "protectBaselineRoles",
    "protectMandatoryTags",
    "protectSecurityServices",
    "protectVpc",
    "requireEbsEncryption",
    "requireImdsV2",
    "requireResourceTags",
];

/// The guardrail that protects the exempted roles themselves.
pub const PROTECT_ACCESS_ROLE: &str = "protectAccessRole";

/// All guardrails.
#[derive(Debug)]
pub struct Catalogue {
    guardrails: BTreeMap<String, Guardrail>,
}

impl Catalogue {
    /// The catalogue of this version.
    pub fn bundled() -> &'static Self {
        // A file that cannot be read would be left out here, and its name unknown: nothing is guarded less than it seems.
        // A test proves that there is none.
        static BUNDLED: LazyLock<Catalogue> = LazyLock::new(|| Catalogue {
            guardrails: FILES
                .iter()
                .filter_map(|(name, text)| Some(((*name).to_owned(), Guardrail::parse(text).ok()?)))
                .collect(),
        });
        &BUNDLED
    }

    /// The guardrail of this name.
    pub fn get(&self, name: &str) -> Result<&Guardrail, Refusal> {
        self.guardrails.get(name).ok_or_else(|| {
            let nearest = names::nearest(name, self.guardrails.keys());
            let name = name.to_owned();
            Refusal::new(
                format!("guardrails[{name}]"),
                Problem::UnknownGuardrail { name, nearest },
            )
        })
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Guardrail> {
        self.guardrails.values()
    }
}

/// One guardrail.
#[derive(Clone, Debug)]
pub struct Guardrail {
    name: String,
    title: String,
    why: String,
    policy_type: PolicyType,
    not_exempt: Option<String>,
    parameters: Vec<Parameter>,
    templates: Vec<Template>,
    example: Parameters,
    cases: Vec<Case>,
}

impl Guardrail {
    /// Its name, as a Baseline writes it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What holds under it, in a few words.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Why somebody wants it, and what it leaves alone.
    pub fn why(&self) -> &str {
        &self.why
    }

    /// The type of its policies.
    pub fn policy_type(&self) -> &PolicyType {
        &self.policy_type
    }

    /// Does it exempt the operator's role and the exempted principals? If not, see [`Guardrail::why_not_exempt`].
    pub fn exempts(&self) -> bool {
        self.not_exempt.is_none()
    }

    /// Why nobody is exempted from it; `None`: the exempted roles are.
    pub fn why_not_exempt(&self) -> Option<&str> {
        self.not_exempt.as_deref()
    }

    /// Its parameters.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Parameters to show what it does.
    pub fn example(&self) -> &Parameters {
        &self.example
    }

    /// Requests that it denies and requests that it leaves alone.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// Its statements for these parameters, as the file has them: not merged, without `Sid`.
    pub fn statements(
        &self,
        parameters: &Parameters,
        exemptions: &Exemptions,
    ) -> Result<Vec<Statement>, Refusal> {
        let path = format!("guardrails[{}]", self.name);
        let values = self.values(&format!("{path}.parameters"), parameters)?;
        let scope = Scope {
            parameters: &values,
            exemptions: exemptions.patterns(),
            item: None,
        };
        let statements: Vec<Value> = self
            .templates
            .iter()
            .flat_map(|template| template.statements(&scope))
            .map(|statement| {
                if self.exempts() {
                    exempting(statement, exemptions)
                } else {
                    statement
                }
            })
            .collect();
        let document = json!({"Version": "2012-10-17", "Statement": statements});
        let document = Document::parse(&document)
            .and_then(|document| grammar(&self.policy_type, &document).map(|()| document))
            .map_err(|defect| Refusal::document(&path, defect))?;
        Ok(document.statements)
    }

    /// The value of every parameter: as given, else its default.
    fn values(&self, path: &str, given: &Parameters) -> Result<Parameters, Refusal> {
        for name in given.keys() {
            if !self.parameters.iter().any(|parameter| parameter.name() == name) {
                let known = self
                    .parameters
                    .iter()
                    .map(|parameter| parameter.name().to_owned());
                let known = known.collect();
                return Err(Refusal::new(
                    format!("{path}.{name}"),
                    Problem::UnknownParameter { known },
                ));
            }
        }
        let mut values = Parameters::new();
        for parameter in &self.parameters {
            let name = parameter.name();
            let value = parameter.value(&format!("{path}.{name}"), given.get(name))?;
            values.insert(name.to_owned(), value);
        }
        Ok(values)
    }
}

/// The statement for everyone but the exempted roles.
fn exempting(mut statement: Value, exemptions: &Exemptions) -> Value {
    if statement.get("Condition").is_none() {
        statement["Condition"] = json!({});
    }
    statement["Condition"]["ArnNotLike"] = json!({"aws:PrincipalArn": exemptions.patterns()});
    statement
}

#[cfg(test)]
mod tests;
