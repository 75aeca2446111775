//! CreateAccount exactly once, judged at the moment of sending.

use super::{Answer, CLAIM, Call, ProcessId, State, TOKEN};
use orgsim::CreationView;
use std::{collections::BTreeMap, time::Duration};

/// AWS creates this many accounts at a time.
const IN_FLIGHT: usize = 5;
const HOUR: Duration = Duration::from_hours(1);

/// The last complete pass of a listing, and the one that runs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Listing {
    running: Option<Duration>,
    /// When the latest complete pass began.
    complete: Option<Duration>,
}

/// What is known of creations.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// When each intent was stored, by cluster and token.
    pub(super) intents: BTreeMap<(usize, String), Intent>,
    /// CreateAccount calls by token.
    sent: BTreeMap<String, Sent>,
}

/// An intent as the API server stored it first.
#[derive(Clone, Debug)]
pub(super) struct Intent {
    pub(super) stored: Duration,
    pub(super) email: String,
    pub(super) account_name: String,
    pub(super) role_name: String,
}

#[derive(Clone, Debug)]
struct Sent {
    claim: String,
    cluster: usize,
    at: Duration,
    process: ProcessId,
    /// AWS said no before any effect.
    refused: bool,
    /// AWS said yes, and its answer arrived.
    accepted: bool,
}

impl State {
    pub(super) fn listing_begins(&mut self, id: ProcessId, call: &Call) {
        let now = self.clock.elapsed();
        if call.begins_a_listing()
            && let Some(process) = self.processes.get_mut(&id)
        {
            process
                .listings
                .entry(call.operation.clone())
                .or_default()
                .running = Some(now);
        }
    }

    pub(super) fn listing_ends(&mut self, id: ProcessId, call: &Call, answer: &Answer) {
        if let Some(listing) = self
            .processes
            .get_mut(&id)
            .and_then(|process| process.listings.get_mut(&call.operation))
        {
            match answer {
                Answer::Ok { more: false, .. } => {
                    listing.complete = listing.running.take().or(listing.complete);
                }
                Answer::Ok { more: true, .. } | Answer::Error(_) | Answer::Lost => {}
            }
        }
    }

    pub(super) fn judge_creation(&mut self, id: ProcessId, call: &Call) {
        let Some(cluster) = self.processes.get(&id).map(|process| process.cluster) else {
            return;
        };
        let what = format!("operator {id} sends {}", call.summary());
        let Some(claim) = call.tag(CLAIM).map(str::to_owned) else {
            self.violation("never an account without claim tag", &what);
            return;
        };
        let Some(token) = call.tag(TOKEN).map(str::to_owned) else {
            self.violation(
                "the API holds an intent with the request's token at each CreateAccount",
                &what,
            );
            return;
        };
        if self.creations.sent.contains_key(&token) {
            self.violation("there is one CreateAccount per token", &what);
        }
        self.judge_intent(id, cluster, call, &token);
        self.judge_earlier(cluster, &claim, call, &what);
        self.judge_places(id, &what);
        self.judge_budget(cluster, &what);
        self.creations.sent.insert(
            token,
            Sent {
                claim,
                cluster,
                at: self.clock.elapsed(),
                process: id,
                refused: false,
                accepted: false,
            },
        );
        if let Some(process) = self.processes.get_mut(&id) {
            process.asking += 1;
        }
    }

    /// The intent is stored, is this one, and a look began after it was stored and is complete.
    fn judge_intent(&mut self, id: ProcessId, cluster: usize, call: &Call, token: &str) {
        let what = format!("operator {id} sends {}", call.summary());
        let standing = self.standing(cluster, token);
        let intent = self.creations.intents.get(&(cluster, token.to_owned())).cloned();
        let Some(intent) = intent.filter(|_| standing) else {
            self.violation(
                "the API holds an intent with the request's token at each CreateAccount",
                &what,
            );
            return;
        };
        let same = Some(intent.email.as_str()) == call.text("Email")
            && Some(intent.account_name.as_str()) == call.text("AccountName")
            && Some(intent.role_name.as_str()) == call.text("RoleName");
        if !same {
            let detail = format!("{what}, but the intent is {intent:?}");
            self.violation("what is sent is what the intent froze", &detail);
        }
        let listings = self
            .processes
            .get(&id)
            .map(|process| process.listings.clone())
            .unwrap_or_default();
        for listing in ["ListAccounts", "ListCreateAccountStatus"] {
            let complete = listings.get(listing).and_then(|listing| listing.complete);
            if complete.is_none_or(|began| began < intent.stored) {
                let detail = format!(
                    "{what}; the intent was stored at {:?}, the last complete {listing} began at {complete:?}",
                    intent.stored
                );
                self.violation(
                    "a look begun after the intent is finished before each CreateAccount",
                    &detail,
                );
            }
        }
    }

    /// No earlier attempt for the same claim can still be in flight. AWS is at none, and has made none, that it shows to
    /// readers; and of those that this cluster knows of, because its journal was never set back, at none at all.
    fn judge_earlier(&mut self, cluster: usize, claim: &str, call: &Call, what: &str) {
        let now = self.clock.elapsed();
        let lag = self.terms.read_lag;
        let email = call.text("Email").unwrap_or_default();
        let set_back = self.restored.get(&cluster).copied();
        let known = |sent: &&Sent| {
            sent.claim == claim
                && sent.cluster == cluster
                && set_back.is_none_or(|restored| sent.at > restored)
        };
        let known = self
            .creations
            .sent
            .values()
            .filter(known)
            .any(|sent| !sent.refused);
        let truth = self.organization.state();
        for creation in truth
            .creations
            .iter()
            .filter(|creation| creation.email.eq_ignore_ascii_case(email))
        {
            let visible = self.since_start(creation.requested_at) + lag < now;
            if creation.state == "IN_PROGRESS" && (visible || known) {
                let detail = format!(
                    "{what}; request {} of {} is in progress",
                    creation.id, creation.requested_at
                );
                self.violation("no earlier attempt can still be in flight", &detail);
            }
        }
        for account in truth
            .accounts
            .iter()
            .filter(|account| account.email.eq_ignore_ascii_case(email))
        {
            if self.since_start(account.joined_at) + lag < now {
                let detail = format!(
                    "{what}; account {} exists since {}",
                    account.id, account.joined_at
                );
                self.violation("no CreateAccount for a claim that has its account", &detail);
            }
        }
    }

    /// Never more CreateAccount requests in an hour than the configuration allows, whatever restarts happen in between. A
    /// cluster whose etcd is an older one has forgotten what it spent.
    fn judge_budget(&mut self, cluster: usize, what: &str) {
        let Some(budget) = self.terms.per_hour else { return };
        let now = self.clock.elapsed();
        let since = now
            .saturating_sub(HOUR)
            .max(self.restored.get(&cluster).copied().unwrap_or_default());
        let spent = self
            .creations
            .sent
            .values()
            .filter(|sent| sent.cluster == cluster && sent.at > since)
            .count();
        if spent >= budget {
            let detail = format!("{what}; {spent} were sent within the hour, {budget} are allowed");
            self.violation("never more creations in an hour than the budget", &detail);
        }
    }

    /// Never more than five in flight: those AWS shows, and those this process waits for.
    fn judge_places(&mut self, id: ProcessId, what: &str) {
        let asking = self.processes.get(&id).map_or(0, |process| process.asking);
        let truth = self.organization.state();
        let in_progress = truth
            .creations
            .iter()
            .filter(|creation| creation.state == "IN_PROGRESS");
        // Others' are known once AWS's lists show them; its own, once AWS has answered.
        let answered = |creation: &CreationView| {
            let sent = creation
                .tags
                .get(TOKEN)
                .and_then(|token| self.creations.sent.get(token));
            sent.is_some_and(|sent| sent.process == id && sent.accepted)
        };
        let lag = self.terms.read_lag;
        let listed =
            |creation: &CreationView| self.since_start(creation.requested_at) + lag < self.clock.elapsed();
        let visible = in_progress
            .filter(|creation| answered(creation) || listed(creation))
            .count();
        if visible + asking >= IN_FLIGHT {
            let detail = format!("{what}; {visible} are in progress and {asking} unanswered");
            self.violation("never more than 5 creations in flight", &detail);
        }
    }

    pub(super) fn creation_answered(&mut self, id: ProcessId, call: &Call, answer: &Answer) {
        if let Some(process) = self.processes.get_mut(&id) {
            process.asking = process.asking.saturating_sub(1);
        }
        if let Some(token) = call.tag(TOKEN)
            && let Some(sent) = self.creations.sent.get_mut(token)
        {
            sent.refused = answer.is_refusal();
            sent.accepted = answer.is_ok();
        }
    }
}
