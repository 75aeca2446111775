//! Who may change the organization: the leader of its cluster, while the root names that cluster.

use super::{Call, MARK, ProcessId, State};
use std::{collections::BTreeMap, time::Duration};

/// A mutation's own time limit: what is sent may take this long to arrive.
const MUTATION_TIMEOUT: Duration = Duration::from_secs(4);

/// Which values the root's mark had, and until when.
#[derive(Debug, Default)]
pub(super) struct MarkHistory {
    now: Option<String>,
    /// For each value: when the root last named it.
    last_named: BTreeMap<String, Duration>,
}

/// Does this value of the mark name the cluster of `own`? A take-over adds `:<number>`, which says nothing of whose it is.
pub(crate) fn names(value: &str, own: &str) -> bool {
    let number = |rest: &str| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit());
    value
        .strip_prefix(own)
        .is_some_and(|rest| rest.is_empty() || rest.strip_prefix(':').is_some_and(number))
}

/// The lease as the API server holds it.
#[derive(Clone, Debug)]
pub(super) struct Holder {
    /// The process, if the holder is one of ours.
    pub(super) process: Option<ProcessId>,
    /// When this holder's record replaced another's.
    pub(super) since: Duration,
}

impl State {
    /// Reads the truth.
    pub(super) fn see_mark(&mut self) {
        let now = self.clock.elapsed();
        let value = self.organization.tags(self.organization.root_id()).remove(MARK);
        if let Some(old) = self.mark.now.take() {
            self.mark.last_named.insert(old, now);
        }
        if let Some(value) = &value {
            self.mark.last_named.insert(value.clone(), now);
        }
        self.mark.now = value;
    }

    pub(super) fn judge_leadership(&mut self, id: ProcessId, call: &Call) {
        let now = self.clock.elapsed();
        let Some(process) = self.processes.get(&id) else {
            return;
        };
        let (cluster, own, take_over) = (
            process.cluster,
            process.own_mark.clone(),
            process.take_over.clone(),
        );
        let what = format!("operator {id} sends {}", call.summary());
        // The term: the API server's record names this process, or did a moment ago and its term still runs.
        let within = process
            .renewed
            .is_some_and(|renewed| now < renewed + self.terms.lease);
        if !within {
            let detail = format!("{what}; it renewed its lease at {:?}", process.renewed);
            self.violation("a mutation needs a valid leadership term", &detail);
        }
        let holder = self.leases.get(&cluster).cloned();
        if let Some(holder) = holder
            && holder.process != Some(id)
            && holder.process.is_some()
        {
            let detail = format!(
                "{what}; operator {:?} holds the lease since {:?}",
                holder.process, holder.since
            );
            self.violation("a mutation needs a valid leadership term", &detail);
        }
        // The mark.
        let writes_mark = call.operation == "TagResource" && call.tag(MARK).is_some();
        let named = self.mark.now.clone();
        let bound = self.terms.reread + self.terms.read_lag + MUTATION_TIMEOUT;
        if writes_mark {
            let free = named.as_ref().is_none_or(|named| names(named, &own)) || named == take_over;
            // Nobody can see a change of the mark before the read lag has passed.
            let changed = named
                .as_ref()
                .is_none_or(|value| self.mark.since(value) + bound > now);
            if !free && !changed {
                let detail = format!("{what}; the root names {named:?} and no person named that value");
                self.violation("a mark is only taken over by a person's word", &detail);
            }
            return;
        }
        if named.as_ref().is_some_and(|named| names(named, &own)) {
            return;
        }
        match self.mark.last_naming(&own) {
            None => {
                let detail = format!("{what}; the root names {named:?} and never named {own}");
                self.violation("no mutation before the root names the installation", &detail);
            }
            Some(last) if now > last + bound => {
                let detail = format!("{what}; the root names {named:?}, and named {own} last at {last:?}");
                self.violation(
                    "no mutation later than one re-read period plus the read lag after the root stopped naming the installation",
                    &detail,
                );
            }
            Some(_) => {}
        }
    }
}

impl MarkHistory {
    /// When the root last named the cluster of `own`.
    fn last_naming(&self, own: &str) -> Option<Duration> {
        let ours = self.last_named.iter().filter(|(value, _)| names(value, own));
        ours.map(|(_, at)| *at).max()
    }

    /// How long ago, at least, this value came: when another was last named.
    fn since(&self, value: &str) -> Duration {
        let others = self.last_named.iter().filter(|(name, _)| *name != value);
        others.map(|(_, at)| *at).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn a_number_does_not_make_a_mark_anothers() {
        for (value, ours) in [
            ("acme:uid-1", true),
            ("acme:uid-1:7", true),
            ("acme:uid-10", false),
            ("acme:uid-10:7", false),
            ("acme:uid-1:", false),
            ("acme:uid-1:x", false),
            ("acme:uid-2", false),
        ] {
            assert_eq!(names(value, "acme:uid-1"), ours, "{value}");
        }
    }
}
