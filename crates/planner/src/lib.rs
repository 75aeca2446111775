//! Stages 4 (plan) and 5 (check). Pure: no client, no clock, no random number.
//!
//! [`plan`] compares what is desired with what was observed and remembered, and says what to do now, what to look at,
//! and where each account stands. It is made anew after every change, so it holds only what can be done at this moment.
//! [`check`] states the rules that no plan may break, once, apart from the code that plans.

mod account;
mod approval;
mod ascending;
mod brake;
mod check;
mod creation;
mod failure;
mod identity;
mod index;
mod leaving;
mod placement;
mod planning;
mod policies;
mod queue;
mod refresh;
mod revision;
mod tags;
#[cfg(test)]
mod tests;
mod wishes;

pub use check::check;

use ascending::ascending;
use jiff::Timestamp;
use model::{
    AccountKey, Approvals, Attempt, DesiredOrg, Hold, Journal, JournalEntry, Limits, Mark, ObservedOrg, Plan,
    Spending, StepId, Token, Turns,
};
use planning::Planning;
use queue::Turn;
use std::collections::{BTreeMap, BTreeSet};

/// Everything a plan is made of.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// What the objects ask for.
    pub desired: &'a DesiredOrg,
    /// The organization as last seen.
    pub observed: &'a ObservedOrg,
    /// What Kubernetes remembers.
    pub journal: &'a Journal,
    /// What this process knows of creation attempts.
    pub attempts: &'a BTreeMap<Token, Attempt>,
    /// Steps and reads that failed and rest.
    pub held: &'a BTreeMap<StepId, Hold>,
    /// Steps under way.
    pub in_flight: &'a BTreeSet<StepId>,
    /// The installation mark.
    pub mark: &'a Mark,
    /// Limits to keep.
    pub limits: &'a Limits,
    /// What is spent of the budgets; `None`: not known, so nothing is begun that a budget counts.
    pub spending: Option<&'a Spending>,
    /// Now, by the clock that the budgets are counted by.
    pub spending_now: Timestamp,
    /// Who had a turn when.
    pub turns: &'a Turns,
    /// What people have decided.
    pub approvals: &'a Approvals,
    /// Objects that this process has read from the API server itself in this term.
    pub reread: &'a BTreeSet<AccountKey>,
    /// The leadership term the plan is made in.
    pub epoch: i64,
    /// A secret of this term: makes the tokens of its intents unlike anybody else's.
    pub nonce: &'a str,
    /// Now.
    pub now: Timestamp,
    /// The operator stops: nothing is begun, only what must not be lost is stored.
    pub stopping: bool,
}

/// Plans. Total and deterministic: the same input gives the same plan.
pub fn plan(input: Input<'_>) -> Plan {
    let nothing = JournalEntry::default();
    let mut planning = Planning::new(input);
    if input.stopping {
        for (key, entry) in input.journal {
            leaving::put_down(&mut planning, key, entry);
        }
        return planning.finish();
    }
    refresh::mark(&mut planning);
    refresh::organization(&mut planning);
    for key in input.desired.leaving.keys() {
        leaving::leave(&mut planning, key);
    }
    let mut journal = ascending(input.journal.iter());
    let members = input.desired.accounts.iter().map(|(key, account)| {
        let entry = journal.get(key).unwrap_or(&nothing);
        (account, entry)
    });
    // Before the queue for the few places AWS has for creations those that have one already.
    let (first, queue) = queue::sort(&input, members);
    for (account, entry) in first {
        account::plan(&mut planning, account, entry);
    }
    queue.each(|(account, entry)| {
        let before = planning.unsettled;
        account::plan(&mut planning, account, entry);
        match planning.unsettled {
            after if after > before => Turn::Placed,
            after if after >= input.limits.creation_window && !planning.creations.any_left() => {
                Turn::NoneLeft
            }
            _ => Turn::Passed,
        }
    });
    for (key, kept) in &input.desired.kept {
        if let Some(entry) = input.journal.get(key) {
            policies::of_rejected(&mut planning, kept, entry);
        }
    }
    // A rejected object gets nothing else, but what AWS has answered for it is kept.
    for (key, entry) in input.journal {
        if !input.desired.accounts.contains_key(key) && !input.desired.leaving.contains_key(key) {
            creation::record_request(&mut planning, key, entry);
        }
    }
    policies::clean::unused(&mut planning);
    policies::strays::tell(&mut planning);
    refresh::creations(&mut planning);
    planning.finish()
}
