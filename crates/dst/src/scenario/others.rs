//! What others do: another tool in the organization, people at the API server, and what befalls the whole cluster.

use super::{Disaster, Event, OBJECTS, Scenario, teams::baseline};
use orgsim::FailureReason;
use rand::{RngExt as _, rngs::StdRng, seq::IndexedRandom as _};
use std::time::Duration;

/// What another tool does to the organization. Accounts are picked from those that exist by then.
#[derive(Clone, Debug)]
pub(crate) enum OtherTool {
    Move {
        pick: usize,
    },
    Tag {
        pick: usize,
        key: &'static str,
        value: String,
    },
    Untag {
        pick: usize,
        key: &'static str,
    },
    Unit {
        name: &'static str,
    },
    Account {
        name: String,
    },
    Drain,
    Traffic {
        percent: u8,
    },
    FailNextCreation(FailureReason),
    /// Makes a policy.
    Policy {
        number: usize,
    },
    /// Attaches a policy of its own to an account of ours or, without one, to the root.
    Attach {
        pick: usize,
        target: Option<usize>,
    },
    /// Detaches a policy of ours.
    Detach {
        pick: usize,
    },
    /// Edits a policy of ours.
    EditOurs {
        pick: usize,
    },
    EditTheirs {
        pick: usize,
    },
    DetachTheirs {
        pick: usize,
    },
    /// Attaches policies of its own to an account of ours until AWS takes no more.
    Fill {
        pick: usize,
    },
    /// Detaches all of these again.
    Clear,
    /// Deletes a policy that is attached to nothing, whose ever it is.
    DeleteUnattached {
        pick: usize,
    },
}

impl Scenario {
    /// What others do to the organization and to the API server.
    pub(super) fn disturbances(&mut self, random: &mut StdRng) {
        for _ in 0..random.random_range(0..6) {
            let pick = random.random_range(0..OBJECTS);
            let tool = match random.random_range(0..10) {
                0 | 1 => OtherTool::Move { pick },
                2 => OtherTool::Tag {
                    pick,
                    key: "owner",
                    value: "somebody-else".to_owned(),
                },
                3 => OtherTool::Tag {
                    pick,
                    key: "finance:code",
                    value: "kept".to_owned(),
                },
                4 => OtherTool::Untag {
                    pick,
                    key: "cost-center",
                },
                5 => OtherTool::Unit { name: "Workloads" },
                6 => OtherTool::Drain,
                8 => OtherTool::Account {
                    name: format!("bird-{pick}"),
                },
                7 => OtherTool::Traffic {
                    percent: *[0, 50, 80].choose(random).unwrap_or(&0),
                },
                _ => OtherTool::FailNextCreation(
                    *[
                        FailureReason::InternalFailure,
                        FailureReason::ConcurrentAccountModification,
                    ]
                    .choose(random)
                    .unwrap_or(&FailureReason::InternalFailure),
                ),
            };
            let at = self.moment(random);
            self.events.push((at, Event::OtherTool(tool)));
        }
        self.events
            .push((self.calm, Event::OtherTool(OtherTool::Traffic { percent: 0 })));
        for _ in 0..random.random_range(0..3) {
            let event = match random.random_range(0..5) {
                0 | 1 => Event::BreakWatches,
                2 | 3 => Event::Compact,
                _ => Event::StealLease,
            };
            let at = self.moment(random);
            self.events.push((at, event));
        }
    }

    pub(super) fn disasters(&mut self, random: &mut StdRng) {
        let Some(disaster) = self.disaster else { return };
        let (first, second) = (self.moment(random), self.moment(random));
        let (backup, strikes) = if random.random_bool(0.5) {
            (first.min(second), first.max(second))
        } else {
            // Late enough for accounts to be there and to get another revision in between.
            (self.calm * 6 / 10, self.calm * 9 / 10)
        };
        if disaster == Disaster::OlderEtcd {
            self.events.push((backup, Event::Backup));
            // A revision that AWS will know of and the older etcd will not.
            let between = backup + strikes.saturating_sub(backup) / 3;
            self.events.push((between, Event::Commit(baseline(true))));
        }
        self.events.push((strikes, Event::Disaster));
        let thinks = Duration::from_secs(random.random_range(60..900));
        let decision = if disaster == Disaster::OlderEtcd {
            Event::Approve
        } else {
            Event::TakeOver
        };
        self.events.push((strikes + thinks, decision));
    }
}
