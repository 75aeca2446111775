//! The admission policy that makes an Approval the decision of the person who created it.
//!
//! An Approval is believed because of what this policy has refused: deciding in another's name, in the name of a group one
//! is not in, on one's own request, or without the verb `approve`. So the operator looks whether exactly this policy and a
//! binding that denies are there, and ignores every Approval that is older than either.

use api::ApprovalAction;
use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBindingSpec,
    ValidatingAdmissionPolicySpec,
};
use serde_json::{Value, json};

/// Name of the policy and of its binding.
pub const NAME: &str = "approvals.bulkhead.dev";
/// Where a person finds both.
const FILE: &str = "deploy/approval-policy.yaml";

/// The policy and its binding, as `deploy/` publishes them.
pub fn manifests() -> [Value; 2] {
    let version = "admissionregistration.k8s.io/v1";
    [
        json!({
            "apiVersion": version, "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": NAME},
            "spec": policy(),
        }),
        json!({
            "apiVersion": version, "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": NAME},
            "spec": {"policyName": NAME, "validationActions": ["Deny"]},
        }),
    ]
}

/// A policy sees objects as they are written, so `namespace` is not escaped as it is in the rules of a CRD. By the kind
/// and not by whether a namespace is there: what cannot be evaluated is denied.
fn policy() -> Value {
    let resources: Vec<String> = ApprovalAction::ALL
        .iter()
        .map(|action| format!("'{action}': '{}'", action.resource()))
        .collect();
    let check = |namespace: &str| {
        format!(
            "authorizer.group('{}').resource(variables.resource){namespace}\
             .name(object.spec.subject.name).check('approve').allowed()",
            api::GROUP
        )
    };
    let namespaced = check(".namespace(object.spec.subject.namespace)");
    json!({
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [{
            "apiGroups": [api::GROUP], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["approvals"],
        }]},
        "variables": [{
            "name": "resource",
            "expression": format!("{{{}}}[object.spec.action]", resources.join(", ")),
        }],
        "validations": [
            {
                "expression": "object.spec.approver == request.userInfo.username",
                "messageExpression": "'spec.approver must be the one who creates the Approval, ' + \
                    request.userInfo.username + '; got ' + object.spec.approver",
                "reason": "Forbidden",
            },
            {
                "expression": "!has(object.spec.requestedBy) || object.spec.requestedBy != request.userInfo.username",
                "message": "spec.requestedBy must be somebody else than the approver",
                "reason": "Forbidden",
            },
            {
                "expression": "!has(object.spec.group) || \
                    (has(request.userInfo.groups) && object.spec.group in request.userInfo.groups)",
                "messageExpression": "'spec.group must be a group of the approver; got ' + object.spec.group",
                "reason": "Forbidden",
            },
            {
                "expression": format!(
                    "object.spec.subject.kind == 'AwsAccount' ? {namespaced} : {}", check("")
                ),
                "messageExpression": format!(
                    "request.userInfo.username + ' needs the verb approve on ' + variables.resource + '.{}' + \
                     (object.spec.subject.kind == 'AwsAccount' ? ' in namespace ' + object.spec.subject.namespace : '') + \
                     ' for ' + object.spec.subject.name", api::GROUP
                ),
                "reason": "Forbidden",
            },
        ],
    })
}

/// Since when both are in force, or what is wrong.
pub(crate) fn in_force(
    policy: Option<&ValidatingAdmissionPolicy>,
    binding: Option<&ValidatingAdmissionPolicyBinding>,
) -> Result<Timestamp, String> {
    let kinds = ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"];
    let missing = |kind: &str| format!("there is no {kind} {NAME}; apply {FILE}");
    let policy = policy.ok_or_else(|| missing(kinds[0]))?;
    let binding = binding.ok_or_else(|| missing(kinds[1]))?;
    let other = |kind: &str| format!("the {kind} {NAME} is not the one this version needs; apply {FILE}");
    if !policy.spec.as_ref().is_some_and(says_all) {
        return Err(other(kinds[0]));
    }
    if !denies_always(&binding.spec) {
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

/// Does it refuse everything that ours refuses? What the server fills in is not compared.
fn says_all(found: &ValidatingAdmissionPolicySpec) -> bool {
    let Ok(ours) = serde_json::from_value::<ValidatingAdmissionPolicySpec>(policy()) else {
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

fn denies_always(found: &ValidatingAdmissionPolicyBindingSpec) -> bool {
    let ValidatingAdmissionPolicyBindingSpec {
        match_resources,
        param_ref,
        policy_name,
        validation_actions,
    } = found;
    match_resources.is_none()
        && param_ref.is_none()
        && policy_name == NAME
        && validation_actions.iter().any(|action| action == "Deny")
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pair = (ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding);

    fn stored(change: impl FnOnce(&mut [Value; 2])) -> Pair {
        let mut manifests = manifests();
        for (manifest, created) in manifests
            .iter_mut()
            .zip(["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"])
        {
            manifest["metadata"]["creationTimestamp"] = created.into();
        }
        // What the server fills in.
        let constraints = &mut manifests[0]["spec"]["matchConstraints"];
        constraints["matchPolicy"] = "Equivalent".into();
        constraints["namespaceSelector"] = json!({});
        constraints["objectSelector"] = json!({});
        constraints["resourceRules"][0]["scope"] = "*".into();
        change(&mut manifests);
        let [policy, binding] = manifests;
        (
            serde_json::from_value(policy).unwrap(),
            serde_json::from_value(binding).unwrap(),
        )
    }

    #[test]
    fn in_force_since_both_are_there() {
        let (policy, binding) = stored(|_| {});
        let since = in_force(Some(&policy), Some(&binding)).unwrap();
        assert_eq!(since.to_string(), "2026-01-02T00:00:00Z");
    }

    #[test]
    fn what_is_missing_or_weaker_is_not_in_force() {
        let (policy, binding) = stored(|_| {});
        for (found, piece) in [
            (
                in_force(None, Some(&binding)),
                "no ValidatingAdmissionPolicy approvals.bulkhead.dev",
            ),
            (
                in_force(Some(&policy), None),
                "no ValidatingAdmissionPolicyBinding",
            ),
        ] {
            assert!(found.unwrap_err().contains(piece));
        }
        for (pointer, value) in [
            ("/0/spec/failurePolicy", json!("Ignore")),
            ("/0/spec/validations", json!([])),
            ("/0/spec/validations/0/expression", json!("true")),
            ("/0/spec/variables/0/expression", json!("'anything'")),
            (
                "/0/spec/matchConstraints/resourceRules/0/resources/0",
                json!("awsaccounts"),
            ),
            (
                "/0/spec/matchConstraints/resourceRules/0/scope",
                json!("Namespaced"),
            ),
            (
                "/0/spec/matchConstraints/objectSelector",
                json!({"matchLabels": {"a": "b"}}),
            ),
            (
                "/0/spec/matchConditions",
                json!([{"name": "never", "expression": "false"}]),
            ),
            ("/1/spec/policyName", json!("another")),
            ("/1/spec/validationActions", json!(["Audit", "Warn"])),
            (
                "/1/spec/matchResources",
                json!({"objectSelector": {"matchLabels": {"a": "b"}}}),
            ),
        ] {
            let (policy, binding) = stored(|manifests| {
                let mut all = json!(manifests);
                let (parent, name) = pointer.rsplit_once('/').unwrap();
                match all.pointer_mut(parent).unwrap() {
                    Value::Array(items) => items[name.parse::<usize>().unwrap()] = value.clone(),
                    parent => parent[name] = value.clone(),
                }
                *manifests = serde_json::from_value(all).unwrap();
            });
            let error = in_force(Some(&policy), Some(&binding)).unwrap_err();
            assert!(
                error.contains("is not the one this version needs"),
                "{pointer}: {error}"
            );
        }
    }
}
