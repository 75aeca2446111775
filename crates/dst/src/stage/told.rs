//! What happened, and what was written.

use super::Stage;
use crate::scenario::PROMOTION;
use std::collections::{BTreeMap, BTreeSet};

impl Stage {
    /// What happened, and how often.
    pub(crate) fn happened(&self) -> BTreeMap<String, u64> {
        let calls = self.clusters[0].world.organization.calls();
        let aws = calls
            .iter()
            .filter_map(|call| Some(format!("AWS {}", call.fault?.name())));
        let hits = self
            .clusters
            .iter()
            .flat_map(|cluster| cluster.world.kubernetes.faults_since(0));
        let kubernetes = hits.map(|hit| format!("Kubernetes {}", hit.fault.name()));
        let crashes = std::iter::repeat_n("crash".to_owned(), self.crashed);
        let imports = std::iter::repeat_n("revision imported".to_owned(), self.imported);
        let disaster = self
            .scenario
            .disaster
            .map(|disaster| format!("disaster {disaster:?}"));
        let mut happened = BTreeMap::new();
        for what in aws
            .chain(kubernetes)
            .chain(crashes)
            .chain(imports)
            .chain(disaster)
        {
            *happened.entry(what).or_default() += 1;
        }
        happened
    }

    /// Everything written to the clusters by operators, but their leases.
    pub(crate) fn written(&self) -> BTreeSet<String> {
        let mut written = BTreeSet::new();
        let last = self.clusters.len() - 1;
        // Nobody looks any more after a promotion of a cluster that was taken over from; its windows open and close.
        let is_left = |number: usize, plural: &str, name: &str| {
            let is_told = plural.starts_with("events") && name.starts_with(&format!("{PROMOTION}."));
            number < last && (plural.starts_with("environmentpromotions") || is_told)
        };
        for (number, cluster) in self.clusters.iter().enumerate() {
            for write in cluster.world.kubernetes.writes() {
                if !["leases", "approvals"].contains(&write.plural.as_str())
                    && write.manager != "gitops"
                    && !is_left(number, &write.plural, &write.name)
                {
                    let subresource = if write.subresource.is_empty() {
                        ""
                    } else {
                        "/status"
                    };
                    written.insert(format!(
                        "{} {}{subresource} {}/{} in cluster {number} at {} changes {:?}",
                        write.verb,
                        write.plural,
                        write.namespace,
                        write.name,
                        write.at,
                        changes(&write)
                    ));
                }
            }
            // Also a request that changed nothing is one too many.
            let reads = ["get", "list", "watch"];
            for ((verb, resource), count) in cluster.world.kubernetes.requests() {
                if !reads.contains(&verb.as_str())
                    && !resource.starts_with("leases")
                    && !resource.starts_with("approvals")
                    // Of Events only how many there were is known.
                    && !is_left(number, &resource, &format!("{PROMOTION}."))
                {
                    written.insert(format!("{count} times {verb} {resource} in cluster {number}"));
                }
            }
        }
        written
    }
}

/// The members of the status that a write changed.
fn changes(write: &kubesim::Write) -> Vec<String> {
    let (before, after) = (
        write.before.as_ref().map(|before| &before["status"]),
        &write.object["status"],
    );
    let members = after.as_object().into_iter().flatten();
    let changed =
        members.filter(|(member, value)| before.is_none_or(|before| before[member.as_str()] != **value));
    changed
        .map(|(member, value)| format!("{member}: {value}"))
        .collect()
}
