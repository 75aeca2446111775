//! What the operator may do in the cluster, each rule with its why. `cargo xtask generate` renders `deploy/` from it.

use crate::{approval_policy, promotion_policy};
use serde::Serialize;

/// One rule of the operator's role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Resource, with its subresource.
    pub resource: &'static str,
    /// Only objects of these names; empty for all.
    pub names: &'static [&'static str],
    /// Verbs.
    pub verbs: &'static [&'static str],
    /// Why.
    pub why: &'static str,
    /// Needed only in the operator's own namespace.
    pub own_namespace: bool,
}

const fn cluster(
    group: &'static str,
    resource: &'static str,
    verbs: &'static [&'static str],
    why: &'static str,
) -> Rule {
    Rule {
        group,
        resource,
        names: &[],
        verbs,
        why,
        own_namespace: false,
    }
}

/// Everything, and nothing more.
pub const RULES: &[Rule] = &[
    cluster(
        "bulkhead.dev",
        "awsaccounts",
        &["get", "list", "watch", "patch"],
        "what teams ask for; patch sets and removes the finalizer",
    ),
    cluster(
        "bulkhead.dev",
        "awsaccounts/status",
        &["patch"],
        "the creation intent, and what became of each account",
    ),
    cluster(
        "bulkhead.dev",
        "awsaccounts/finalizers",
        &["update"],
        "owner references that block deletion, where the cluster enforces them",
    ),
    cluster(
        "bulkhead.dev",
        "baselines",
        &["list", "watch"],
        "what accounts get",
    ),
    cluster(
        "bulkhead.dev",
        "baselines/status",
        &["patch"],
        "whether a Baseline is accepted, and the units it is bound to",
    ),
    cluster(
        "bulkhead.dev",
        "baselinerevisions",
        &["list", "watch", "create", "delete"],
        "what each content of a Baseline gives; those that nothing needs any more are deleted",
    ),
    cluster(
        "bulkhead.dev",
        "environmentpromotions",
        &["list", "watch"],
        "how revisions travel",
    ),
    cluster(
        "bulkhead.dev",
        "environmentpromotions/status",
        &["patch"],
        "where each promotion stands",
    ),
    cluster(
        "bulkhead.dev",
        "organizations",
        &["list", "watch", "create"],
        "the mirror of the organization",
    ),
    cluster(
        "bulkhead.dev",
        "organizations/status",
        &["patch"],
        "the mirror of the organization",
    ),
    cluster(
        "bulkhead.dev",
        "approvals",
        &["list", "watch"],
        "what people have decided",
    ),
    Rule {
        names: &[approval_policy::NAME, promotion_policy::NAME],
        ..cluster(
            "admissionregistration.k8s.io",
            "validatingadmissionpolicies",
            &["get"],
            "Approvals and authors are believed only while the policies on them are in force",
        )
    },
    Rule {
        names: &[approval_policy::NAME, promotion_policy::NAME],
        ..cluster(
            "admissionregistration.k8s.io",
            "validatingadmissionpolicybindings",
            &["get"],
            "and only while they are bound so that they deny",
        )
    },
    cluster(
        "",
        "namespaces",
        &["get", "list", "watch"],
        "labels decide who may vend where; the UID of kube-system names the cluster",
    ),
    cluster(
        "",
        "configmaps",
        &["get", "list", "watch", "create", "patch"],
        "outputs for other tools, in the namespace of their object",
    ),
    cluster(
        "events.k8s.io",
        "events",
        &["create"],
        "what happened, on the object it happened to",
    ),
    Rule {
        group: "coordination.k8s.io",
        resource: "leases",
        names: &[],
        verbs: &["get", "create", "update"],
        why: "one leader",
        own_namespace: true,
    },
    Rule {
        group: "batch",
        resource: "jobs",
        names: &[],
        verbs: &["get", "create"],
        why: "gates of promotions that are Jobs",
        own_namespace: true,
    },
    Rule {
        group: "",
        resource: "secrets",
        names: &[],
        verbs: &["get"],
        why: "what gates may send or mount: only Secrets whose annotations say so",
        own_namespace: true,
    },
    Rule {
        group: "",
        resource: "serviceaccounts",
        names: &[],
        verbs: &["get"],
        why: "what Jobs of gates may run as: only service accounts whose annotations say so",
        own_namespace: true,
    },
];
