//! Cases in a file: policies, a request, and what is expected.

use super::{Decision, Organization, Policies, Request, Verdict, context::is_principal};
use crate::policy::{Defect, Document, Rule, join, json, service_control};
use model::AccountId;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One request under some policies, and perhaps what is expected of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// What people call it.
    pub name: String,
    /// The policies of each level, from the root to the account.
    pub levels: Vec<Vec<Document>>,
    /// The request.
    pub request: Request,
    /// What is known of the organization.
    pub organization: Option<Organization>,
    /// What must come out.
    pub expect: Option<Decision>,
}

impl Case {
    /// Reads a JSON list of cases:
    ///
    /// ```json
    /// [{
    ///   "name": "nobody leaves",
    ///   "policies": [[{"Version": "2012-10-17", "Statement": []}]],
    ///   "request": {
    ///     "principal": "arn:aws:iam::111122223333:role/admin", "principalTags": {"team": "a"},
    ///     "action": "organizations:LeaveOrganization", "resource": "*", "region": "us-east-1",
    ///     "context": {"aws:ViaAWSService": ["false"]}
    ///   },
    ///   "org": {"managementAccount": "999988887777"},
    ///   "expect": "Deny"
    /// }]
    /// ```
    ///
    /// `policies` has a list of documents for each level from the root to the account. `principalTags`, `region`, `context`,
    /// `org` and `expect` may be left out. No two cases have one name. A defect has the path into the list.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, Defect> {
        let value = json(text)?;
        let cases = list("", &value, "a list of cases")?;
        let cases = each("", cases, case)?;
        // A result is told by the name of its case.
        let mut known = BTreeMap::new();
        for (index, case) in cases.iter().enumerate() {
            if let Some(earlier) = known.insert(case.name.as_str(), index) {
                let rule = Rule::DuplicateCase(earlier);
                let name = Value::from(case.name.as_str());
                return Err(Defect::new(format!("[{index}].name"), rule, name));
            }
        }
        Ok(cases)
    }

    /// What the evaluator says.
    pub fn verdict(&self) -> Verdict {
        Policies::prepare(&self.levels).evaluate(&self.request, self.organization.as_ref())
    }
}

fn case(path: &str, value: &Value) -> Result<Case, Defect> {
    let fields = object(
        path,
        value,
        &["name", "policies", "request", "org", "expect"],
        "name, policies, request, org and expect",
    )?;
    let policies = join(path, "policies");
    let levels = list(
        &policies,
        required(
            path,
            fields,
            "policies",
            "a case has policies, a list for each level",
        )?,
        "a list with a list of documents for each level",
    )?;
    let levels = each(&policies, levels, |path, level| {
        each(path, list(path, level, "a list of documents")?, document)
    })?;
    let found = required(path, fields, "request", "a case has a request")?;
    Ok(Case {
        name: text(path, fields, "name", "a case has a name")?,
        levels,
        request: request(&join(path, "request"), found)?,
        organization: fields
            .get("org")
            .map(|value| organization(&join(path, "org"), value))
            .transpose()?,
        expect: fields
            .get("expect")
            .map(|value| match value.as_str() {
                Some("Allow") => Ok(Decision::Allow),
                Some("Deny") => Ok(Decision::Deny),
                _ => Err(wrong(&join(path, "expect"), "\"Allow\" or \"Deny\"", value)),
            })
            .transpose()?,
    })
}

fn document(path: &str, value: &Value) -> Result<Document, Defect> {
    let document = Document::parse(value).map_err(|defect| defect.under(path))?;
    for (index, statement) in document.statements.iter().enumerate() {
        service_control(statement).map_err(|defect| defect.under(&format!("{path}.Statement[{index}]")))?;
    }
    Ok(document)
}

fn request(path: &str, value: &Value) -> Result<Request, Defect> {
    let fields = object(
        path,
        value,
        &[
            "principal",
            "principalTags",
            "action",
            "resource",
            "region",
            "context",
        ],
        "principal, principalTags, action, resource, region and context",
    )?;
    let principal = text(
        path,
        fields,
        "principal",
        "a request has the ARN of its principal",
    )?;
    if !is_principal(&principal) {
        let value = principal.as_str().into();
        let what = "the ARN of a user, the root user, a role, or a session of a role or of a federated user";
        return Err(wrong(&join(path, "principal"), what, &value));
    }
    let action = text(path, fields, "action", "a request has an action")?;
    let word = |text: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        !text.is_empty() && text.bytes().all(plain)
    };
    if !action
        .split_once(':')
        .is_some_and(|(service, name)| word(service) && word(name))
    {
        let value = action.as_str().into();
        return Err(wrong(
            &join(path, "action"),
            "service:Name, without wildcards",
            &value,
        ));
    }
    let resource = text(
        path,
        fields,
        "resource",
        "a request has a resource; * where there is none",
    )?;
    if resource.is_empty() {
        let value = resource.into();
        return Err(wrong(
            &join(path, "resource"),
            "an ARN, or * where there is none",
            &value,
        ));
    }
    let tags = fields.get("principalTags");
    let context = fields.get("context");
    Ok(Request {
        principal,
        principal_tags: tags.map_or(Ok(BTreeMap::new()), |tags| {
            by_key(&join(path, "principalTags"), tags, scalar)
        })?,
        action,
        resource,
        region: match fields.get("region") {
            Some(value) => Some(string(&join(path, "region"), value)?),
            None => None,
        },
        context: context.map_or(Ok(BTreeMap::new()), |context| {
            by_key(&join(path, "context"), context, |path, values| {
                each(path, list(path, values, "a list of values")?, scalar)
            })
        })?,
    })
}

fn organization(path: &str, value: &Value) -> Result<Organization, Defect> {
    let fields = object(path, value, &["managementAccount"], "managementAccount")?;
    let account = text(path, fields, "managementAccount", "that is what is told of it")?;
    let management_account = AccountId::parse(&account).map_err(|_| {
        let value = account.as_str().into();
        wrong(&join(path, "managementAccount"), "12 digits", &value)
    })?;
    Ok(Organization { management_account })
}

/// An object whose keys AWS tells apart but for upper and lower case.
fn by_key<T>(
    path: &str,
    value: &Value,
    read: impl Fn(&str, &Value) -> Result<T, Defect>,
) -> Result<BTreeMap<String, T>, Defect> {
    let Value::Object(fields) = value else {
        return Err(wrong(path, "an object", value));
    };
    let mut seen = BTreeMap::new();
    let mut read_all = BTreeMap::new();
    for (key, value) in fields {
        let path = join(path, key);
        if let Some(other) = seen.insert(key.to_lowercase(), key) {
            let told = format!("the same key as {other:?} but for upper and lower case");
            return Err(Defect::new(path, Rule::DuplicateName, told));
        }
        read_all.insert(key.clone(), read(&path, value)?);
    }
    Ok(read_all)
}

fn object<'a>(
    path: &str,
    value: &'a Value,
    names: &[&str],
    told: &'static str,
) -> Result<&'a Map<String, Value>, Defect> {
    let Value::Object(fields) = value else {
        return Err(wrong(path, "an object", value));
    };
    match fields.iter().find(|(name, _)| !names.contains(&name.as_str())) {
        Some((name, value)) => Err(Defect::new(join(path, name), Rule::UnknownField(told), value)),
        None => Ok(fields),
    }
}

fn list<'a>(path: &str, value: &'a Value, what: &'static str) -> Result<&'a [Value], Defect> {
    value
        .as_array()
        .map(Vec::as_slice)
        .ok_or_else(|| wrong(path, what, value))
}

fn each<T>(
    path: &str,
    values: &[Value],
    read: impl Fn(&str, &Value) -> Result<T, Defect>,
) -> Result<Vec<T>, Defect> {
    let mut all = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        all.push(read(&format!("{path}[{index}]"), value)?);
    }
    Ok(all)
}

fn required<'a>(
    path: &str,
    fields: &'a Map<String, Value>,
    name: &str,
    needed: &'static str,
) -> Result<&'a Value, Defect> {
    fields
        .get(name)
        .ok_or_else(|| Defect::missing(join(path, name), Rule::Missing(needed)))
}

fn text(path: &str, fields: &Map<String, Value>, name: &str, needed: &'static str) -> Result<String, Defect> {
    string(&join(path, name), required(path, fields, name, needed)?)
}

fn string(path: &str, value: &Value) -> Result<String, Defect> {
    match value {
        Value::String(text) => Ok(text.clone()),
        other => Err(wrong(path, "a string", other)),
    }
}

/// Numbers and truth values are taken as their text, as in a policy.
fn scalar(path: &str, value: &Value) -> Result<String, Defect> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        other => Err(wrong(path, "a string, a number, true or false", other)),
    }
}

fn wrong(path: &str, what: &'static str, value: &Value) -> Defect {
    Defect::new(path, Rule::Shape(what), value)
}
