//! `deploy/`: what the operator may do, from the table beside its code, each rule with its why; and the admission policy
//! that makes an Approval the decision of the person who created it.

use operator::{
    approval_policy,
    rbac::{RULES, Rule},
};
use std::fmt::Write;

use super::{Generated, HEADER};
use crate::{error::Error, workspace::Workspace};

/// Where the operator is installed; the lease is there.
const NAMESPACE: &str = "bulkhead-system";

pub(super) fn produce(_: &Workspace) -> Result<Generated, Error> {
    let mut generated = Generated {
        whole_directories: vec!["deploy".into()],
        ..Generated::default()
    };
    generated.files.insert("deploy/rbac.yaml".into(), rbac());
    generated
        .files
        .insert("deploy/approval-policy.yaml".into(), approval_policy()?);
    Ok(generated)
}

fn approval_policy() -> Result<String, Error> {
    let mut text = format!(
        "# {HEADER}\n# Approvals count only while both objects are there as they stand here, and only those made since.\n"
    );
    for (number, manifest) in approval_policy::manifests().iter().enumerate() {
        let yaml = serde_saphyr::to_string(manifest).map_err(|source| Error::Yaml {
            name: approval_policy::NAME.to_owned(),
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

fn rendered(rule: &Rule) -> String {
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
