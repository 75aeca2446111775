//! The admission policy that makes an Approval the decision of the person who created it.
//!
//! An Approval is believed because of what this policy has refused: deciding in another's name, in the name of a group one
//! is not in, on one's own request, or without the verb `approve`. So the operator looks whether exactly this policy and a
//! binding that denies are there, and ignores every Approval that is older than either.

use crate::admission::Admission;
use api::ApprovalAction;
use serde_json::{Value, json};

/// Name of the policy and of its binding.
pub const NAME: &str = "approvals.bulkhead.dev";

/// What has to be in force.
pub(crate) fn admission() -> Admission {
    Admission {
        name: NAME,
        file: "deploy/approval-policy.yaml",
        spec: policy(),
    }
}

/// The policy and its binding, as `deploy/` publishes them.
pub fn manifests() -> [Value; 2] {
    admission().manifests()
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

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::admissionregistration::v1::{
        ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
    };

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
        let since = admission().in_force(Some(&policy), Some(&binding)).unwrap();
        assert_eq!(since.to_string(), "2026-01-02T00:00:00Z");
    }

    #[test]
    fn what_is_missing_or_weaker_is_not_in_force() {
        let (policy, binding) = stored(|_| {});
        for (found, piece) in [
            (
                admission().in_force(None, Some(&binding)),
                "no ValidatingAdmissionPolicy approvals.bulkhead.dev",
            ),
            (
                admission().in_force(Some(&policy), None),
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
            let error = admission().in_force(Some(&policy), Some(&binding)).unwrap_err();
            assert!(
                error.contains("is not the one this version needs"),
                "{pointer}: {error}"
            );
        }
    }
}
