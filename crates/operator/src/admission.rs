//! An admission policy that the operator relies on: as it is published, and whether exactly that is in force.

use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBindingSpec,
    ValidatingAdmissionPolicySpec,
};
use serde_json::{Value, json};

/// A policy and its binding of the same name.
#[derive(Clone, Debug)]
pub(crate) struct Admission {
    /// Name of both.
    pub(crate) name: &'static str,
    /// Where a person finds both.
    pub(crate) file: &'static str,
    /// The policy's spec.
    pub(crate) spec: Value,
}

impl Admission {
    /// The policy and its binding, as `deploy/` publishes them.
    pub(crate) fn manifests(&self) -> [Value; 2] {
        let version = "admissionregistration.k8s.io/v1";
        [
            json!({
                "apiVersion": version, "kind": "ValidatingAdmissionPolicy",
                "metadata": {"name": self.name},
                "spec": self.spec,
            }),
            json!({
                "apiVersion": version, "kind": "ValidatingAdmissionPolicyBinding",
                "metadata": {"name": self.name},
                "spec": {"policyName": self.name, "validationActions": ["Deny"]},
            }),
        ]
    }

    /// Since when both are in force, or what is wrong.
    pub(crate) fn in_force(
        &self,
        policy: Option<&ValidatingAdmissionPolicy>,
        binding: Option<&ValidatingAdmissionPolicyBinding>,
    ) -> Result<Timestamp, String> {
        let Self { name, file, spec } = self;
        let kinds = ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"];
        let missing = |kind: &str| format!("there is no {kind} {name}; apply {file}");
        let policy = policy.ok_or_else(|| missing(kinds[0]))?;
        let binding = binding.ok_or_else(|| missing(kinds[1]))?;
        let other = |kind: &str| format!("the {kind} {name} is not the one this version needs; apply {file}");
        if !policy.spec.as_ref().is_some_and(|found| says_all(found, spec)) {
            return Err(other(kinds[0]));
        }
        if !denies_always(&binding.spec, name) {
            return Err(other(kinds[1]));
        }
        // Also since the last change of either: what was decided while it said less does not count once it is put right.
        let since = |meta: &kube::api::ObjectMeta| {
            let spec = meta
                .managed_fields
                .iter()
                .flatten()
                .filter(|fields| fields.subresource.is_none());
            let changed = spec.filter_map(|fields| fields.time.as_ref());
            changed.chain(&meta.creation_timestamp).map(|time| time.0).max()
        };
        Ok(since(&policy.metadata)
            .max(since(&binding.metadata))
            .unwrap_or(Timestamp::MAX))
    }
}

/// Does it refuse everything that ours refuses? What the server fills in is not compared.
fn says_all(found: &ValidatingAdmissionPolicySpec, ours: &Value) -> bool {
    let Ok(ours) = serde_json::from_value::<ValidatingAdmissionPolicySpec>(ours.clone()) else {
        return false;
    };
    let ValidatingAdmissionPolicySpec {
        audit_annotations: _,
        failure_policy,
        match_conditions,
        match_constraints,
        param_kind,
        validations,
        variables,
    } = found;
    let (Some(found), Some(wanted)) = (match_constraints, &ours.match_constraints) else {
        return false;
    };
    let rules = found.resource_rules.iter().flatten().any(|rule| {
        wanted.resource_rules.iter().flatten().all(|wanted| {
            rule.api_groups == wanted.api_groups
                && rule.api_versions == wanted.api_versions
                && rule.operations == wanted.operations
                && rule.resources == wanted.resources
                && rule.resource_names.as_ref().is_none_or(Vec::is_empty)
                && matches!(rule.scope.as_deref(), None | Some("*" | "Cluster"))
        })
    });
    let selects_all = [&found.namespace_selector, &found.object_selector]
        .into_iter()
        .flatten()
        .all(|selector| {
            selector
                .match_labels
                .as_ref()
                .is_none_or(std::collections::BTreeMap::is_empty)
                && selector.match_expressions.as_ref().is_none_or(Vec::is_empty)
        });
    failure_policy.as_deref() != Some("Ignore")
        && match_conditions.as_ref().is_none_or(Vec::is_empty)
        && param_kind.is_none()
        && rules
        && found.exclude_resource_rules.as_ref().is_none_or(Vec::is_empty)
        && selects_all
        && *validations == ours.validations
        && *variables == ours.variables
}

fn denies_always(found: &ValidatingAdmissionPolicyBindingSpec, name: &str) -> bool {
    let ValidatingAdmissionPolicyBindingSpec {
        match_resources,
        param_ref,
        policy_name,
        validation_actions,
    } = found;
    match_resources.is_none()
        && param_ref.is_none()
        && policy_name == name
        && validation_actions.iter().any(|action| action == "Deny")
}
