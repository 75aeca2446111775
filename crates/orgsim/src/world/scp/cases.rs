//! The evaluator on its own, for cases of other people's making.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::document::scalars;
use super::{Context, Document, ScpRequest, Verdict, evaluate, is_service_linked, principal_arn};

/// What the simulator's service control policies say to one case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScpVerdict {
    /// As the case has it; `case 3` without a name, counted from 0.
    pub name: String,
    /// `Allow` or `Deny`.
    pub decision: String,
    /// The `Sid`s of the statements that deny (their place for those without), `implicit` when a level allows nothing
    /// of the kind, `exempt` for a principal on whom service control policies do not act; empty when all levels allow.
    pub by: Vec<String>,
    /// Whether the decision is what the case expects; none when it expects nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_expected: Option<bool>,
}

/// A list of cases that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {rule}")]
pub struct ScpCaseError {
    /// The case, and the level and policy within it.
    pub place: String,
    /// What it must be.
    pub rule: String,
}

#[derive(Deserialize)]
struct Case {
    name: Option<String>,
    policies: Vec<Vec<Value>>,
    request: CaseRequest,
    expect: Option<String>,
    org: Option<Organization>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CaseRequest {
    principal: String,
    #[serde(default)]
    principal_tags: BTreeMap<String, String>,
    action: String,
    #[serde(default = "any_resource")]
    resource: String,
    region: Option<String>,
    #[serde(default)]
    context: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Organization {
    management_account: Option<String>,
}

fn any_resource() -> String {
    "*".to_owned()
}

/// Decides every case of a JSON list of
/// `{"name", "policies": [[document, ..] per level from the root to the account], "request": {"principal", "principalTags"?,
/// "action", "resource", "region"?, "context"?: {key: [values]}}, "expect"?: "Allow" | "Deny", "org"?:
/// {"managementAccount"}}`.
///
/// `aws:PrincipalArn` (of a session the role's), `aws:PrincipalAccount`, `aws:PrincipalType`, `aws:username`,
/// `aws:PrincipalIsAWSService`, `aws:RequestedRegion` and `aws:PrincipalTag/..` follow from the request unless `context` has
/// them; every other key that is not in `context` is missing. A session's ARN does not tell the path of its role: where
/// `context` has `aws:PrincipalArn`, that says whether the role is one of a service.
pub fn evaluate_scp_cases(cases: &str) -> Result<Vec<ScpVerdict>, ScpCaseError> {
    let cases: Vec<Value> = serde_json::from_str(cases).map_err(|error| ScpCaseError {
        place: "cases".to_owned(),
        rule: format!("must be a JSON list: {error}"),
    })?;
    cases.into_iter().enumerate().map(decide).collect()
}

fn decide((number, case): (usize, Value)) -> Result<ScpVerdict, ScpCaseError> {
    let place = format!("case {number}");
    let case: Case = serde_json::from_value(case).map_err(|error| ScpCaseError {
        place: place.clone(),
        rule: error.to_string(),
    })?;
    let levels = levels(&case, &place)?;
    let context = context(&case.request).map_err(|key| ScpCaseError {
        place: format!("{place}, context {key}"),
        rule: "must be a list of values".to_owned(),
    })?;
    let principal = &case.request.principal;
    let management = case.org.and_then(|org| org.management_account);
    let exempt = is_service_linked(&role_of(&case.request))
        || management.is_some_and(|id| account(principal) == Some(&id));
    let request = ScpRequest::new(&case.request.action, &case.request.resource, context);
    let (decision, by) = match evaluate(&levels, &request) {
        _ if exempt => ("Allow", vec!["exempt".to_owned()]),
        Verdict::Allowed => ("Allow", Vec::new()),
        Verdict::Denied(statements) => ("Deny", statements),
        Verdict::NotAllowed { .. } => ("Deny", vec!["implicit".to_owned()]),
    };
    Ok(ScpVerdict {
        name: case.name.unwrap_or(place),
        decision: decision.to_owned(),
        by,
        as_expected: case.expect.map(|expected| expected == decision),
    })
}

/// The ARN that tells most of who acts.
fn role_of(request: &CaseRequest) -> String {
    let mut context = request.context.iter();
    match context.find(|(key, _)| key.eq_ignore_ascii_case("aws:PrincipalArn")) {
        Some((_, told)) => {
            let told = scalars(told).unwrap_or_default();
            told.into_iter().next().unwrap_or_default()
        }
        None => request.principal.clone(),
    }
}

fn levels(case: &Case, place: &str) -> Result<Vec<Vec<Document>>, ScpCaseError> {
    let level = |(level, documents): (usize, &Vec<Value>)| {
        let document = |(number, document): (usize, &Value)| {
            Document::parse(document).map_err(|rule| ScpCaseError {
                place: format!("{place}, level {level}, policy {number}"),
                rule,
            })
        };
        documents.iter().enumerate().map(document).collect()
    };
    case.policies.iter().enumerate().map(level).collect()
}

/// The account of an ARN; none where it has none.
fn account(arn: &str) -> Option<&str> {
    arn.split(':').nth(4).filter(|account| !account.is_empty())
}

/// Refuses the key whose values are no list of values.
fn context(request: &CaseRequest) -> Result<Context, String> {
    let principal = &request.principal;
    let mut context = Context::default();
    context.set_one("aws:PrincipalArn", principal_arn(principal));
    if let Some(account) = account(principal) {
        context.set_one("aws:PrincipalAccount", account);
    }
    let resource = principal.splitn(6, ':').nth(5).unwrap_or_default();
    let (kind, rest) = resource.split_once('/').unwrap_or((resource, ""));
    let principal_type = match kind {
        "user" => Some("User"),
        "role" | "assumed-role" => Some("AssumedRole"),
        "federated-user" => Some("FederatedUser"),
        "root" => Some("Account"),
        _ => None,
    };
    if let Some(principal_type) = principal_type {
        context.set_one("aws:PrincipalType", principal_type);
        // Every signed request has it, and a service signs with none of these.
        context.set_one("aws:PrincipalIsAWSService", "false");
    }
    if kind == "user" {
        let name = rest.rsplit('/').next().unwrap_or_default();
        context.set_one("aws:username", name);
    }
    if let Some(region) = &request.region {
        context.set_one("aws:RequestedRegion", region);
    }
    for (key, value) in &request.principal_tags {
        context.set_one(&format!("aws:PrincipalTag/{key}"), value);
    }
    for (key, values) in &request.context {
        context.set(key, scalars(values).ok_or_else(|| key.clone())?);
    }
    Ok(context)
}
