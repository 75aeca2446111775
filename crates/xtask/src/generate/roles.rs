//! `deploy/roles.yaml`: roles for people and for GitOps tools, each rule with its why. The operator's own is in `rbac.yaml`.

use api::ApprovalAction;
use operator::rbac::Rule;
use std::fmt::Write;

use super::{HEADER, deploy::rendered};

/// A ClusterRole.
struct Role {
    name: &'static str,
    why: &'static str,
    /// Part of the role `view` of Kubernetes, and so of `edit` and `admin`.
    view: bool,
    rules: &'static [Rule],
}

const READ: &[&str] = &["get", "list", "watch"];
/// Approving is one verb on resources that do not exist; the admission policy on Approvals asks for it.
const APPROVE: &[&str] = &["approve"];
const OURS: &[&str] = &["get", "list", "watch", "create", "update", "patch", "delete"];

const fn rule(resource: &'static str, verbs: &'static [&'static str], why: &'static str) -> Rule {
    Rule {
        group: api::GROUP,
        resource,
        names: &[],
        verbs,
        why,
        own_namespace: false,
    }
}

const fn approve(action: ApprovalAction, why: &'static str) -> Rule {
    rule(action.resource(), APPROVE, why)
}

const PROMOTIONS: Rule = rule("environmentpromotions", READ, "where each promotion stands");
const TOKENS: Rule = rule(
    "environmentpromotions",
    &["patch"],
    "abort, retry, reverify, hold and release are annotations; RBAC cannot tell them from the spec",
);

const ROLES: &[Role] = &[
    Role {
        name: "bulkhead-viewer",
        why: "Whoever may look.",
        view: true,
        rules: &[
            rule("awsaccounts", READ, "accounts, and why they are not Ready"),
            rule("baselines", READ, "what accounts get"),
            rule("baselinerevisions", READ, "what each content of a Baseline gives"),
            PROMOTIONS,
            rule("organizations", READ, "the mirror of the organization"),
            rule("approvals", READ, "who has decided what"),
        ],
    },
    Role {
        name: "bulkhead-release-operator",
        why: "Whoever steers promotions. Whose attempt a retry begins, and who may cut a bake short, the policy on promotions says.",
        view: false,
        rules: &[PROMOTIONS, TOKENS],
    },
    Role {
        name: "bulkhead-emergency",
        why: "A release operator who may cut a bake short.",
        view: false,
        rules: &[
            PROMOTIONS,
            TOKENS,
            rule(
                "environmentpromotions",
                &["skip-bake"],
                "the policy on promotions asks for this verb where the annotation bulkhead.dev/skip-bake is set",
            ),
        ],
    },
    Role {
        name: "bulkhead-approver",
        why: "Whoever answers. It decides nothing by itself: the policy on Approvals asks for one of the two roles that follow.",
        view: false,
        rules: &[
            rule(
                "approvals",
                &["get", "list", "watch", "create"],
                "an answer is made once; nobody changes it or takes it back",
            ),
            PROMOTIONS,
            rule("awsaccounts", READ, "what waits for an answer"),
        ],
    },
    Role {
        name: "bulkhead-approver-of-promotions",
        why: "With bulkhead-approver. A copy with resourceNames is about some promotions only.",
        view: false,
        rules: &[approve(ApprovalAction::Promotion, "a revision enters a stage")],
    },
    Role {
        name: "bulkhead-approver-of-accounts",
        why: "With bulkhead-approver. Bound in a namespace, it is about that namespace's accounts only.",
        view: false,
        rules: &[
            approve(ApprovalAction::TagChange, "a mandatory tag gets another value"),
            approve(
                ApprovalAction::StateRestore,
                "an account is governed again after its cluster was restored to an older state",
            ),
        ],
    },
    Role {
        name: "bulkhead-pinner",
        why: "Whoever may keep accounts on a revision, beside the right to change them; bound in a namespace, that namespace's. A \
              GitOps tool needs it where pins are set in Git.",
        view: false,
        rules: &[rule(
            "awsaccounts",
            &["pin"],
            "the policy on pins asks for this verb where spec.baselinePin is set",
        )],
    },
    Role {
        name: "bulkhead-gitops",
        why: "Argo CD, Flux, or whatever applies what people merged. Where manifests name an author (bulkhead.dev/requested-by) it \
              also needs the verb impersonate on that user.",
        view: false,
        rules: &[
            rule("awsaccounts", OURS, "accounts that Git holds"),
            rule("baselines", OURS, "guardrails that Git holds"),
            rule("environmentpromotions", OURS, "promotions that Git holds"),
            rule("baselinerevisions", READ, "made by the operator alone"),
            rule("organizations", READ, "made by the operator alone"),
        ],
    },
];

pub(super) fn text() -> String {
    let mut text = format!(
        "# {HEADER}\n# Roles to bind to people and to GitOps tools. None is bound here; what bulkhead-viewer may read, whoever\n# holds Kubernetes' own role view reads as well.\n"
    );
    for (number, role) in ROLES.iter().enumerate() {
        let labels = if role.view {
            ", labels: {rbac.authorization.k8s.io/aggregate-to-view: \"true\"}"
        } else {
            ""
        };
        let head = if number == 0 { "" } else { "---\n" };
        let Role { name, why, rules, .. } = role;
        let _ = write!(
            text,
            "{head}# {why}\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {{name: {name}{labels}}}\nrules:\n"
        );
        for rule in *rules {
            text.push_str(&rendered(rule));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::BTreeMap;

    /// Resource and verb pairs by role, as the file has them.
    fn granted() -> BTreeMap<String, Vec<(String, String)>> {
        let mut roles = BTreeMap::new();
        for document in text().split("---\n") {
            let role: Value = serde_saphyr::from_str(document).unwrap();
            assert_eq!(role["kind"], "ClusterRole");
            let mut pairs = Vec::new();
            let texts = |value: &Value| -> Vec<String> { serde_json::from_value(value.clone()).unwrap() };
            for rule in role["rules"].as_array().unwrap() {
                assert_eq!(texts(&rule["apiGroups"]), ["bulkhead.dev"]);
                for resource in texts(&rule["resources"]) {
                    pairs.extend(
                        texts(&rule["verbs"])
                            .into_iter()
                            .map(|verb| (resource.clone(), verb)),
                    );
                }
            }
            roles.insert(role["metadata"]["name"].as_str().unwrap().to_owned(), pairs);
        }
        roles
    }

    #[test]
    fn nobody_writes_revisions_or_status_or_changes_an_approval() {
        let roles = granted();
        assert_eq!(roles.len(), ROLES.len());
        for (role, pairs) in &roles {
            for (resource, verb) in pairs {
                let reads = READ.contains(&verb.as_str());
                let own = ["baselinerevisions", "organizations"].contains(&resource.as_str());
                assert!(!own || reads, "{role} may {verb} {resource}");
                assert!(
                    !resource.contains('/') && resource != "*" && verb != "*",
                    "{role}: {resource}"
                );
                assert!(
                    resource != "approvals" || reads || (verb == "create" && role == "bulkhead-approver"),
                    "{role} may {verb} {resource}"
                );
            }
        }
    }

    #[test]
    fn rights_of_their_own_are_in_roles_of_their_own() {
        let roles = granted();
        let who = |verb: &str| -> Vec<&str> {
            let all = roles.iter();
            all.filter(|(_, pairs)| pairs.iter().any(|(_, known)| known == verb))
                .map(|(role, _)| role.as_str())
                .collect()
        };
        assert_eq!(who("skip-bake"), ["bulkhead-emergency"]);
        assert_eq!(who("pin"), ["bulkhead-pinner"]);
        assert_eq!(
            who("approve"),
            ["bulkhead-approver-of-accounts", "bulkhead-approver-of-promotions"]
        );
        assert_eq!(who("create"), ["bulkhead-approver", "bulkhead-gitops"]);
        assert_eq!(who("delete"), ["bulkhead-gitops"]);
        assert_eq!(
            who("patch"),
            [
                "bulkhead-emergency",
                "bulkhead-gitops",
                "bulkhead-release-operator"
            ]
        );
        assert!(
            roles["bulkhead-viewer"]
                .iter()
                .all(|(_, verb)| READ.contains(&verb.as_str()))
        );
    }

    #[test]
    fn whatever_waits_for_people_has_a_role() {
        let roles = granted();
        let mut approved: Vec<String> = roles
            .into_values()
            .flatten()
            .filter(|(_, verb)| verb == "approve")
            .map(|(resource, _)| resource)
            .collect();
        approved.sort();
        // Closures and mass changes wait for nobody yet.
        assert_eq!(approved, ["promotions", "staterestores", "tagchanges"]);
    }
}
