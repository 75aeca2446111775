//! ValidatingAdmissionPolicy: which policies see a write, and what they say.
//!
//! Served are `matchConstraints`, `matchConditions`, `variables`, `validations` and bindings that deny. Parameters
//! (`paramKind`, `paramRef`) and the actions `Warn` and `Audit` are refused with 501 when they are stored. A policy
//! holds from the moment it is stored; the real server takes a few seconds to notice.

use crate::{
    authorizer::{self, Grants},
    failure::{Cause, Failure},
    object::meta,
    request::{Options, Target},
    resource::Resource,
    rules::to_cel,
    select::Labels,
    server::State,
    store::Store,
};
use kube_cel::cel::{
    Context, Program,
    objects::{Key, Map, Value as Cel},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::HashMap, sync::Arc};

const GROUP: &str = "admissionregistration.k8s.io";

/// The policies in force.
#[derive(Default)]
pub(crate) struct Policies(Vec<Policy>);

struct Policy {
    name: String,
    binding: String,
    fails_closed: bool,
    scopes: Vec<Scope>,
    conditions: Vec<Program>,
    variables: Vec<(String, Program)>,
    validations: Vec<Validation>,
}

struct Validation {
    text: String,
    program: Program,
    message: Option<String>,
    message_program: Option<Program>,
    reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PolicySpec {
    #[serde(default)]
    failure_policy: Option<String>,
    match_constraints: Scope,
    #[serde(default)]
    match_conditions: Vec<Named>,
    #[serde(default)]
    variables: Vec<Named>,
    #[serde(default)]
    validations: Vec<ValidationSpec>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
    expression: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ValidationSpec {
    expression: String,
    message: Option<String>,
    message_expression: Option<String>,
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BindingSpec {
    policy_name: String,
    #[serde(default)]
    match_resources: Option<Scope>,
}

/// `MatchResources`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Scope {
    resource_rules: Vec<ResourceRule>,
    exclude_resource_rules: Vec<ResourceRule>,
    namespace_selector: Value,
    object_selector: Value,
    match_policy: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct ResourceRule {
    api_groups: Vec<String>,
    api_versions: Vec<String>,
    operations: Vec<String>,
    resources: Vec<String>,
    resource_names: Vec<String>,
    scope: Option<String>,
}

/// One write, as policies see it.
struct Attempt<'a> {
    target: &'a Target,
    name: &'a str,
    operation: &'a str,
    new: Option<&'a Value>,
    old: Option<&'a Value>,
    namespace: Option<&'a Value>,
}

impl ResourceRule {
    fn covers(&self, attempt: &Attempt<'_>) -> bool {
        let resource = &attempt.target.resource;
        let any = |list: &[String], wanted: &str| list.iter().any(|entry| entry == "*" || entry == wanted);
        let sub = if attempt.target.status { "status" } else { "" };
        let resources = self.resources.iter().any(|entry| {
            let (plural, subresource) = entry.split_once('/').unwrap_or((entry, ""));
            (plural == "*" || plural == resource.plural) && (subresource == "*" || subresource == sub)
        });
        let scope = match self.scope.as_deref() {
            Some("Namespaced") => resource.namespaced,
            Some("Cluster") => !resource.namespaced,
            _ => true,
        };
        any(&self.api_groups, &resource.group)
            && any(&self.api_versions, &resource.version)
            && any(&self.operations, attempt.operation)
            && resources
            && scope
            && (self.resource_names.is_empty() || any(&self.resource_names, attempt.name))
    }
}

impl Scope {
    fn covers(&self, attempt: &Attempt<'_>) -> bool {
        let labels = |selector: &Value, object: Option<&Value>| {
            Labels::from_selector(selector).is_ok_and(|labels| {
                labels.is_empty() || object.is_some_and(|object| labels.hold(&object["metadata"]["labels"]))
            })
        };
        // Without rules of its own a binding narrows only by its selectors.
        (self.resource_rules.is_empty() || self.resource_rules.iter().any(|rule| rule.covers(attempt)))
            && !self
                .exclude_resource_rules
                .iter()
                .any(|rule| rule.covers(attempt))
            && (labels(&self.object_selector, attempt.new) || labels(&self.object_selector, attempt.old))
            && (attempt.namespace.is_none() || labels(&self.namespace_selector, attempt.namespace))
    }
}

impl Policies {
    /// Reads all policies that a binding puts in force.
    pub(crate) fn compile(store: &Store) -> Self {
        let all = |plural: &str| {
            store
                .all(&(GROUP.to_owned(), plural.to_owned()))
                .cloned()
                .collect::<Vec<_>>()
        };
        let policies = all("validatingadmissionpolicies");
        let mut out = vec![];
        for binding in all("validatingadmissionpolicybindings") {
            let Ok(spec) = BindingSpec::deserialize(&binding["spec"]) else {
                continue;
            };
            let found = policies
                .iter()
                .find(|policy| meta(policy, "name") == spec.policy_name);
            let compiled = found.and_then(|policy| Policy::compile(policy).ok());
            if let Some(mut policy) = compiled {
                meta(&binding, "name").clone_into(&mut policy.binding);
                policy.scopes.extend(spec.match_resources);
                out.push(policy);
            }
        }
        Self(out)
    }
}

impl Policy {
    fn compile(object: &Value) -> Result<Self, Vec<Cause>> {
        let spec = PolicySpec::deserialize(&object["spec"])
            .map_err(|error| vec![Cause::new("FieldValueInvalid", "spec", error.to_string())])?;
        let program = |field: String, text: &str| {
            Program::compile(text).map_err(|error| {
                vec![Cause::invalid(
                    field,
                    &json!(text),
                    &format!("compilation failed: {error}"),
                )]
            })
        };
        let mut validations = vec![];
        for (i, validation) in spec.validations.into_iter().enumerate() {
            let field = format!("spec.validations[{i}]");
            let message = validation.message_expression.as_deref();
            validations.push(Validation {
                program: program(format!("{field}.expression"), &validation.expression)?,
                message_program: message
                    .map(|text| program(format!("{field}.messageExpression"), text))
                    .transpose()?,
                text: validation.expression,
                message: validation.message,
                reason: validation.reason.unwrap_or_else(|| "Invalid".to_owned()),
            });
        }
        let named = |list: Vec<Named>, field: &str| {
            let compile = |(i, entry): (usize, Named)| {
                let program = program(format!("spec.{field}[{i}].expression"), &entry.expression)?;
                Ok((entry.name, program))
            };
            list.into_iter()
                .enumerate()
                .map(compile)
                .collect::<Result<Vec<_>, Vec<Cause>>>()
        };
        Ok(Self {
            name: meta(object, "name").to_owned(),
            binding: String::new(),
            fails_closed: spec.failure_policy.as_deref() != Some("Ignore"),
            conditions: named(spec.match_conditions, "matchConditions")?
                .into_iter()
                .map(|(_, p)| p)
                .collect(),
            variables: named(spec.variables, "variables")?,
            scopes: vec![spec.match_constraints],
            validations,
        })
    }

    /// The reason and the message of the first denial.
    fn judge(&self, root: &Context<'_>) -> Option<(String, String)> {
        let error = |text: &str, error: String| {
            self.fails_closed.then(|| {
                (
                    "Invalid".to_owned(),
                    format!("expression '{text}' resulted in error: {error}"),
                )
            })
        };
        let mut context = root.new_inner_scope();
        for condition in &self.conditions {
            match condition.execute(&context) {
                Ok(Cel::Bool(true)) => {}
                Ok(_) => return None,
                Err(failure) => return error("matchConditions", failure.to_string()),
            }
        }
        let mut variables: HashMap<Key, Cel> = HashMap::new();
        for (name, program) in &self.variables {
            // A variable that fails is missing, and so fails the expressions that read it.
            if let Ok(value) = program.execute(&context) {
                variables.insert(Key::String(Arc::new(name.clone())), value);
            }
            let all = Cel::Map(Map {
                map: Arc::new(variables.clone()),
            });
            context.add_variable_from_value("variables", all);
        }
        for validation in &self.validations {
            match validation.program.execute(&context) {
                Ok(Cel::Bool(true)) => {}
                Ok(_) => return Some((validation.reason.clone(), validation.explain(&context))),
                Err(failure) => {
                    if let Some(denial) = error(&validation.text, failure.to_string()) {
                        return Some(denial);
                    }
                }
            }
        }
        None
    }
}

impl Validation {
    fn explain(&self, context: &Context<'_>) -> String {
        let said = self
            .message_program
            .as_ref()
            .and_then(|program| match program.execute(context) {
                Ok(Cel::String(text)) if !text.trim().is_empty() => Some((*text).clone()),
                _ => None,
            });
        said.or_else(|| self.message.clone())
            .unwrap_or_else(|| format!("failed expression: {}", self.text))
    }
}

/// The checks of a policy or a binding before it is stored.
pub(crate) fn validate(resource: &Resource, object: &Value) -> Result<Vec<Cause>, Failure> {
    let missing = |what: &str| Err(Failure::not_implemented(what));
    let spec = &object["spec"];
    match resource.kind.as_str() {
        "ValidatingAdmissionPolicy" => {
            for what in ["paramKind", "auditAnnotations"] {
                if spec.get(what).is_some() {
                    return missing(&format!("{what} of ValidatingAdmissionPolicy"));
                }
            }
            Ok(Policy::compile(object).err().unwrap_or_default())
        }
        "ValidatingAdmissionPolicyBinding" => {
            if spec.get("paramRef").is_some() {
                return missing("paramRef of ValidatingAdmissionPolicyBinding");
            }
            let actions = spec["validationActions"].as_array().cloned().unwrap_or_default();
            if actions.is_empty() {
                let detail = "at least one validation action is required";
                return Ok(vec![Cause::required("spec.validationActions", detail)]);
            }
            if actions.iter().any(|action| action != "Deny") {
                return missing("validationActions other than Deny");
            }
            Ok(vec![])
        }
        _ => Ok(vec![]),
    }
}

impl State {
    /// Asks the policies about a write.
    pub(crate) fn admit(
        &self,
        target: &Target,
        operation: &str,
        new: Option<&Value>,
        old: Option<&Value>,
        options: &Options,
    ) -> Result<(), Failure> {
        // Policies do not judge policies.
        if self.policies.0.is_empty() || target.resource.group == GROUP {
            return Ok(());
        }
        let namespaces = (String::new(), "namespaces".to_owned());
        let namespace = target.namespace.as_ref();
        let namespace = namespace
            .and_then(|name| self.store.get(&namespaces, &(String::new(), name.clone())))
            .map(|ns| &**ns);
        let name = new.or(old).map(|object| meta(object, "name")).unwrap_or_default();
        let attempt = Attempt {
            target,
            name,
            operation,
            new,
            old,
            namespace,
        };
        let mut context = None;
        for policy in self
            .policies
            .0
            .iter()
            .filter(|policy| policy.scopes.iter().all(|scope| scope.covers(&attempt)))
        {
            let context =
                context.get_or_insert_with(|| bind(self.rules.scope(), &attempt, options, &self.grants));
            if let Some((reason, message)) = policy.judge(context) {
                return Err(denied(
                    target,
                    name,
                    &reason,
                    &policy.name,
                    &policy.binding,
                    &message,
                ));
            }
        }
        Ok(())
    }
}

fn denied(target: &Target, name: &str, reason: &str, policy: &str, binding: &str, message: &str) -> Failure {
    let text =
        format!("ValidatingAdmissionPolicy '{policy}' with binding '{binding}' denied request: {message}");
    let (code, reason) = match reason {
        "Unauthorized" => (401, "Unauthorized"),
        "Forbidden" => (403, "Forbidden"),
        "RequestEntityTooLarge" => (413, "RequestEntityTooLarge"),
        _ => (422, "Invalid"),
    };
    let mut failure = Failure::forbidden(target.resource.subject(name), &text);
    (failure.code, failure.reason) = (code, reason);
    failure.because(vec![Cause::new("", "", text)])
}

fn bind<'a>(
    mut context: Context<'a>,
    attempt: &Attempt<'_>,
    options: &Options,
    grants: &Grants,
) -> Context<'a> {
    let plain = |value: Option<&Value>| value.map_or(Cel::Null, |value| to_cel(None, value));
    context.add_variable_from_value("object", plain(attempt.new));
    context.add_variable_from_value("oldObject", plain(attempt.old));
    context.add_variable_from_value("namespaceObject", plain(attempt.namespace));
    let resource = &attempt.target.resource;
    let kind = json!({"group": resource.group, "version": resource.version, "kind": resource.kind});
    let gvr = json!({"group": resource.group, "version": resource.version, "resource": resource.plural});
    let sub = if attempt.target.status { "status" } else { "" };
    let identity = &options.identity;
    let request = json!({
        "kind": kind, "requestKind": kind, "resource": gvr, "requestResource": gvr,
        "subResource": sub, "requestSubResource": sub,
        "name": attempt.name, "namespace": attempt.target.namespace.as_deref().unwrap_or_default(),
        "operation": attempt.operation, "dryRun": options.dry_run,
        "userInfo": {"username": identity.user, "uid": format!("uid-{}", identity.user), "groups": identity.groups},
    });
    context.add_variable_from_value("request", to_cel(None, &request));
    context.add_variable_from_value("authorizer", authorizer::value(identity, grants));
    context
}
