//! What becomes of a CreateAccount request that AWS ends without an account, asked of the planner.

use jiff::{SignedDuration, Timestamp};
use model::{
    AccountId, AccountKey, Action, Approvals, Attempt, Claim, CreateRequestId, Creation, CreationRecord,
    CreationState, DesiredAccount, DesiredOrg, Installation, Journal, JournalEntry, Limits, Mark,
    Observation, ObservedOrg, OrganizationId, Plan, Revision, RevisionHash, RootId, Snapshot, Spending, Tags,
    Turns, Verdict,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use super::aws_errors::rounded;
use crate::workspace::Workspace;

/// Longer than any FailureReason rests.
const LONG: i64 = 7 * 24 * 3600;

/// The table of the README: every FailureReason the SDK knows.
pub(super) fn table(_: &Workspace) -> String {
    let mut text = "| FailureReason | Bulkhead | `REASON` | tried again |\n|---|---|---|---|\n".to_owned();
    for failure in aws::creation_failure_reasons() {
        let world = World::failed(failure);
        let (meaning, reason) = match world.verdict() {
            Verdict::Refused(reason, _) => ("Stalled: a person has to act", reason),
            Verdict::Waiting(reason, _) | Verdict::Working(reason, _) => ("waits", reason),
            Verdict::Ready => ("takes it for done", model::Reason::Ready),
        };
        let again = rounded(SignedDuration::from_secs(world.begins_again_after()));
        let _ = writeln!(text, "| `{failure}` | {meaning} | `{reason}` | after {again} |");
    }
    text
}

/// One object whose first request has failed, a moment ago, for a reason; and nothing else.
#[derive(Clone)]
struct World {
    desired: DesiredOrg,
    journal: Journal,
    attempts: BTreeMap<model::Token, Attempt>,
    observed: ObservedOrg,
    mark: Mark,
    limits: Limits,
    now: Timestamp,
}

#[expect(clippy::expect_used, reason = "constants of this file")]
fn revision() -> Revision {
    let hash = RevisionHash::parse(&format!("sha256:{}", "0".repeat(64))).expect("a hash");
    Revision::new("example", hash).expect("a revision")
}

fn key() -> AccountKey {
    AccountKey::new("team", "example")
}

impl World {
    #[expect(clippy::expect_used, reason = "all of these are constants")]
    fn failed(reason: &str) -> Self {
        let now = Timestamp::from_second(1_790_000_000).expect("a time");
        let installation = Installation::parse("example").expect("an installation");
        let account = DesiredAccount {
            key: key(),
            created: now,
            by: model::AssignedBy::Automatic,
            workload: "example".into(),
            environment: "dev".into(),
            email: model::Email::parse("aws+example@example.com").expect("an email"),
            account_name: model::AccountName::parse("example").expect("a name"),
            role_name: model::RoleName::parse("Access").expect("a role"),
            organizational_unit: model::OuPath::parse("Workloads").expect("a path"),
            bound_unit: None,
            tags: Tags::new(),
            claim: Claim::new(&installation, "team", "example"),
            policies: [].into(),
            assertions: [].into(),
            tag_changes: BTreeMap::new(),
            update: model::UpdatePolicy::Automatic,
            outputs: None,
            open_gates: vec![],
            suspend: false,
            revision: revision(),
        };
        let creation = Creation {
            token: model::Token::parse("0123456789abcdef").expect("a token"),
            attempt: 1,
            started_at: now,
            epoch: 1,
            email: account.email.clone(),
            account_name: account.account_name.clone(),
            role_name: account.role_name.clone(),
            request_id: None,
        };
        let request = CreateRequestId::parse("car-12345678").expect("a request id");
        let record = CreationRecord {
            id: request.clone(),
            account_name: "example".into(),
            state: CreationState::Failed(reason.to_owned()),
        };
        let mut world = Self {
            attempts: BTreeMap::from([(creation.token.clone(), Attempt::Accepted(request))]),
            journal: Journal::from([(
                key(),
                JournalEntry {
                    held: true,
                    creation: Some(creation),
                    ..JournalEntry::default()
                },
            )]),
            limits: operator::Config::new(installation.clone()).limits(),
            desired: DesiredOrg {
                installation,
                accounts: BTreeMap::from([(key(), account)]),
                leaving: BTreeMap::new(),
                kept: BTreeMap::new(),
                revisions: BTreeMap::new(),
                unstored: BTreeSet::new(),
                incomplete: false,
            },
            observed: ObservedOrg::default(),
            mark: Mark::new("example:uid".into(), None, SignedDuration::from_secs(30), true),
            now,
        };
        let snapshot = Snapshot {
            organization: OrganizationId::parse("o-aa111bb222").expect("an organization id"),
            management: AccountId::parse("111111111111").expect("an account id"),
            root: RootId::parse("r-a1b2").expect("a root id"),
            units: vec![],
            tags: BTreeMap::new(),
            accounts: vec![],
            in_progress: vec![],
            policy_types: BTreeMap::new(),
            policies: model::ListedPolicies::default(),
        };
        world.sees(Observation::Full {
            look: 1,
            began: now,
            snapshot: Box::new(snapshot),
        });
        world.sees(Observation::Creations {
            began: now,
            in_progress: vec![],
            described: vec![record],
        });
        world.looks_at(0);
        world
    }

    fn sees(&mut self, observation: Observation) {
        self.observed.observe(observation, self.now);
    }

    /// Time has passed; the mark, the requests and the accounts are read again.
    fn looks_at(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
        self.mark.on_read(Some(self.mark.own.clone()), self.now);
        self.sees(Observation::Look {
            look: 2,
            began: self.now,
            accounts: vec![],
            in_progress: vec![],
        });
    }

    fn plan(&self) -> Plan {
        planner::plan(planner::Input {
            desired: &self.desired,
            observed: &self.observed,
            journal: &self.journal,
            attempts: &self.attempts,
            held: &BTreeMap::new(),
            in_flight: &BTreeSet::new(),
            mark: &self.mark,
            limits: &self.limits,
            spending: Some(&Spending::default()),
            spending_now: self.now,
            turns: &Turns::default(),
            approvals: &Approvals::default(),
            reread: &BTreeSet::new(),
            epoch: 1,
            nonce: "example",
            now: self.now,
            stopping: false,
        })
    }

    #[expect(clippy::expect_used, reason = "the plan names every object")]
    fn verdict(&self) -> Verdict {
        let plan = self.plan();
        let view = plan.accounts.get(&key());
        view.expect("the one object").verdict.clone()
    }

    /// Seconds until the planner writes the next intent: by halving, because once it does it goes on to.
    fn begins_again_after(&self) -> i64 {
        let begins = |seconds: i64| {
            let mut later = self.clone();
            later.looks_at(seconds);
            let steps = later.plan().steps;
            steps.iter().any(|step| matches!(step.action, Action::Intend(..)))
        };
        let (mut not_yet, mut then) = (-1, LONG);
        while then - not_yet > 1 {
            let middle = not_yet.midpoint(then);
            if begins(middle) {
                then = middle;
            } else {
                not_yet = middle;
            }
        }
        then
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_planner_gives_up_none_and_repeats_none_at_once() {
        let reasons: Vec<&str> = aws::creation_failure_reasons().to_vec();
        assert!(reasons.len() >= 15, "{reasons:?}");
        for reason in reasons {
            let world = World::failed(reason);
            assert!(!matches!(world.verdict(), Verdict::Ready), "{reason}");
            let again = world.begins_again_after();
            assert!((30..=24 * 3600).contains(&again), "{reason}: {again} s");
        }
    }

    #[test]
    fn what_the_reader_looks_for_is_there() {
        let email = World::failed("EMAIL_ALREADY_EXISTS");
        assert!(matches!(
            email.verdict(),
            Verdict::Refused(model::Reason::EmailInUse, _)
        ));
        assert_eq!(email.begins_again_after(), 24 * 3600);
        assert_eq!(World::failed("INTERNAL_FAILURE").begins_again_after(), 30);
    }
}
