//! What each guardrail of the catalogue must decide: requests it denies, and requests it leaves alone.
//!
//! Each case is one request in account 111122223333, with the operator's role `OrganizationAccountAccessRole` and the role
//! `break-glass` exempted, and with nothing attached but AWS's `FullAWSAccess` and the guardrail. Every evaluator has to
//! agree with them: ours, and that of the simulated AWS.

use crate::{
    Exemptions, Refusal,
    catalogue::{Catalogue, Guardrail, Parameters},
    compile::merged,
    evaluate::{Decision, Request},
    policy::Document,
};
use model::RoleName;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The operator's role in the cases.
pub const ACCESS_ROLE: &str = "OrganizationAccountAccessRole";
/// The exempted role in the cases.
pub const EXEMPT_PRINCIPAL: &str = "arn:aws:iam::*:role/break-glass";
/// Who asks, where a case does not say.
const PRINCIPAL: &str = "arn:aws:iam::111122223333:role/developer";

/// One request, and what must be decided about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// What it is about, in words; unique within the guardrail.
    pub name: String,
    /// What must be decided.
    pub expect: Decision,
    /// ARN of a role, a role's session, a user, or the root user.
    pub principal: String,
    /// The action: `ec2:CreateVpc`.
    pub action: String,
    /// ARN of the resource, or `*`.
    pub resource: String,
    /// The Region the request goes to; `None`: the action has none.
    pub region: Option<String>,
    /// Further keys of the request's context.
    pub context: BTreeMap<String, Vec<String>>,
    /// Parameters of the guardrail.
    pub parameters: Parameters,
}

impl Case {
    /// The request.
    pub fn request(&self) -> Request {
        Request {
            principal: self.principal.clone(),
            action: self.action.clone(),
            resource: self.resource.clone(),
            region: self.region.clone(),
            context: self.context.clone(),
            ..Request::default()
        }
    }

    /// The request as the `request` of `bulkhead policy eval`.
    pub fn request_value(&self) -> Value {
        let mut request =
            json!({"principal": self.principal, "action": self.action, "resource": self.resource});
        if let Some(region) = &self.region {
            request["region"] = region.as_str().into();
        }
        if !self.context.is_empty() {
            request["context"] = json!(self.context);
        }
        request
    }
}

/// `cases` of a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CasesFile {
    pub(crate) denied: Vec<CaseFile>,
    pub(crate) allowed: Vec<CaseFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CaseFile {
    name: String,
    principal: Option<String>,
    action: String,
    resource: Option<String>,
    region: Option<String>,
    #[serde(default)]
    context: BTreeMap<String, OneOrMany>,
    parameters: Option<Parameters>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl CaseFile {
    /// The case, with what it leaves out.
    pub(crate) fn case(self, expect: Decision, example: &Parameters) -> Case {
        let values = |values| match values {
            OneOrMany::One(value) => vec![value],
            OneOrMany::Many(values) => values,
        };
        let context = self.context.into_iter();
        Case {
            name: self.name,
            expect,
            principal: self.principal.unwrap_or_else(|| PRINCIPAL.to_owned()),
            action: self.action,
            resource: self.resource.unwrap_or_else(|| "*".to_owned()),
            region: self.region,
            context: context.map(|(key, of_key)| (key, values(of_key))).collect(),
            parameters: self.parameters.unwrap_or_else(|| example.clone()),
        }
    }
}

/// Whom the cases exempt.
pub fn exemptions() -> Result<Exemptions, Refusal> {
    let role = RoleName::parse(ACCESS_ROLE)
        .map_err(|invalid| Refusal::invalid("accessRoleName", invalid.rule, &invalid.value))?;
    Exemptions::new(&role, &[EXEMPT_PRINCIPAL.to_owned()])
}

/// The document of one guardrail alone, as it is compiled.
pub fn document(guardrail: &Guardrail, parameters: &Parameters) -> Result<Document, Refusal> {
    Ok(Document {
        version: Some("2012-10-17".to_owned()),
        id: None,
        statements: merged(guardrail, parameters, &exemptions()?)?,
    })
}

/// Every case of the catalogue in the format of `bulkhead policy eval`: a list of
/// `{"name", "policies": [[document]], "request", "expect"}`, `policies` by level from the root to the account.
pub fn eval_file() -> Result<Value, Refusal> {
    let full_access = json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    });
    let mut file = Vec::new();
    for guardrail in Catalogue::bundled().iter() {
        for case in guardrail.cases() {
            let document = document(guardrail, &case.parameters)?.to_value();
            file.push(json!({
                "name": format!("{}: {}", guardrail.name(), case.name),
                "policies": [[full_access], [full_access, document]],
                "request": case.request_value(),
                "expect": case.expect.as_str(),
            }));
        }
    }
    Ok(Value::Array(file))
}

#[cfg(test)]
mod tests;
