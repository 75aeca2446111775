//! `deploy/`: what the operator may do, from the table beside its code, each rule with its why; roles for people; and the
//! admission policies that make an Approval the decision of the person who created it, and a promotion the wish of who asks
//! for it.

use operator::{
    approval_policy, promotion_policy,
    rbac::{RULES, Rule},
};
use serde_json::Value;
use std::fmt::Write;

use super::{Generated, HEADER, roles};
use crate::{error::Error, workspace::Workspace};

/// Where the operator is installed; the lease is there.
const NAMESPACE: &str = "bulkhead-system";

pub(super) fn produce(_: &Workspace) -> Result<Generated, Error> {
    let mut generated = Generated {
        whole_directories: vec!["deploy".into()],
        ..Generated::default()
    };
    generated.files.insert("deploy/rbac.yaml".into(), rbac());
    generated.files.insert("deploy/roles.yaml".into(), roles::text());
    let files = [
        (
            "deploy/approval-policy.yaml",
            "Approvals count only while both objects are there as they stand here, and only those made since.",
            approval_policy::manifests().to_vec(),
        ),
        (
            "deploy/promotion-policy.yaml",
            "Nobody asks for a promotion in another's name; to cut a bake short and to pin are rights of their own.",
            promotion_policy::manifests().to_vec(),
        ),
    ];
    for (name, why, manifests) in files {
        generated
            .files
            .insert(name.into(), policies(name, why, &manifests)?);
    }
    Ok(generated)
}

fn policies(name: &str, why: &str, manifests: &[Value]) -> Result<String, Error> {
    let mut text = format!("# {HEADER}\n# {why}\n");
    for (number, manifest) in manifests.iter().enumerate() {
        let yaml = serde_saphyr::to_string(manifest).map_err(|source| Error::Yaml {
            name: name.to_owned(),
            source,
        })?;
        text.push_str(if number == 0 { "" } else { "---\n" });
        text.push_str(&yaml);
    }
    Ok(text)
}

/// Written line by line, because no serializer writes the comments that say why.
fn rbac() -> String {
    let mut text = format!(
        "# {HEADER}\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: bulkhead, namespace: {NAMESPACE}}}\n"
    );
    for (kind, binding, own) in [
        ("ClusterRole", "ClusterRoleBinding", false),
        ("Role", "RoleBinding", true),
    ] {
        let namespace = if own {
            format!(", namespace: {NAMESPACE}")
        } else {
            String::new()
        };
        let head = "---\napiVersion: rbac.authorization.k8s.io/v1";
        let _ = write!(
            text,
            "{head}\nkind: {kind}\nmetadata: {{name: bulkhead{namespace}}}\nrules:\n"
        );
        for rule in RULES.iter().filter(|rule| rule.own_namespace == own) {
            text.push_str(&rendered(rule));
        }
        let _ = write!(
            text,
            "{head}\nkind: {binding}\nmetadata: {{name: bulkhead{namespace}}}\n\
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {kind}, name: bulkhead}}\n\
             subjects:\n- {{kind: ServiceAccount, name: bulkhead, namespace: {NAMESPACE}}}\n"
        );
    }
    text
}

pub(super) fn rendered(rule: &Rule) -> String {
    let names = if rule.names.is_empty() {
        String::new()
    } else {
        format!(", resourceNames: [{}]", rule.names.join(", "))
    };
    format!(
        "# {}\n- {{apiGroups: [{:?}], resources: [{}]{names}, verbs: [{}]}}\n",
        rule.why,
        rule.group,
        rule.resource,
        rule.verbs.join(", ")
    )
}
