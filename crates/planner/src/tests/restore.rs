//! The closed loop over two changes of a Baseline, with etcd restored to every older state at every point of them.

use super::{toy::Toy, toy_policies::wanted_policies, *};
use crate::revision::carried;

const NAME: &str = "heron-prod";
/// Turns of one second after which everything is done.
const PATIENCE: usize = 600;

/// What Git says at one time: the revision of the Baseline with the unit and the tag that come with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Git {
    First,
    Second,
    Third,
}

impl Git {
    fn desired(self) -> DesiredAccount {
        let (digit, unit, team, letters) = match self {
            Self::First => ('1', "Workloads/Prod", "aviary", "ab"),
            Self::Second => ('2', "Workloads/Marsh", "owls", "bc"),
            Self::Third => ('3', "Workloads/Prod", "owls", "d"),
        };
        let mut desired = desired(NAME);
        desired.revision = revision(digit);
        desired.organizational_unit = OuPath::parse(unit).unwrap();
        desired.tags.extend(tags(&[("team", team)]));
        desired.policies = wanted_policies(letters);
        desired
    }
}

/// One operator process, AWS and Kubernetes, without failures.
struct Run {
    toy: Toy,
    process: World,
    plan: Plan,
    mutations: usize,
}

impl Run {
    fn new() -> Self {
        let mut toy = Toy::new(7, &[NAME.to_owned()]);
        toy.rough_until = at(0);
        for git in [Git::First, Git::Second, Git::Third] {
            toy.policies.revisions.push(git.desired().policies);
        }
        let mut run = Self {
            toy,
            process: World::unread(),
            plan: Plan::default(),
            mutations: 0,
        };
        run.process.limits.policies.overlap = secs(5);
        run.git(Git::First);
        run
    }

    fn git(&mut self, git: Git) {
        self.process.desired.accounts.insert(key(NAME), git.desired());
    }

    /// The process ends, and another begins that knows nothing.
    fn restart(&mut self) {
        self.process = World {
            desired: self.process.desired.clone(),
            epoch: self.process.epoch + 1,
            now: self.toy.now,
            limits: self.process.limits.clone(),
            ..World::unread()
        };
    }

    /// One second: plan, carry out the first step, look where the plan says.
    fn turn(&mut self) {
        let now = self.toy.now.checked_add(secs(1)).unwrap();
        self.toy.at(now);
        self.process.now = now;
        self.process.journal = self.toy.journal.clone();
        let intent = self.process.journal[&key(NAME)].creation.clone();
        if let Some(token) = intent.map(|creation| creation.token)
            && !self.toy.tokens_sent.contains(&token)
        {
            let look = self.process.looks;
            self.process
                .attempts
                .entry(token)
                .or_insert(Attempt::Fresh { look: look + 1 });
        }
        self.plan = plan(self.process.input());
        assert_eq!(check(self.process.input(), &self.plan), vec![]);
        // One at a time, so that there is a point after each.
        if let Some(step) = self.plan.steps.first().cloned() {
            self.carry_out(&step);
        }
        for read in self.plan.reads.clone() {
            self.look(&read);
        }
        assert_eq!(self.toy.violations, [] as [&str; 0]);
        self.publish();
    }

    fn carry_out(&mut self, step: &Step) {
        let ours = step.action.mutates_aws();
        self.mutations += usize::from(ours);
        if let Action::MoveAccount { account, .. }
        | Action::TagAccount { account, .. }
        | Action::UntagAccount { account, .. }
        | Action::AttachPolicy { account, .. }
        | Action::DetachPolicy { account, .. } = &step.action
        {
            let (carries, knows) = self.sequences(account);
            assert!(carries <= knows, "{}: {carries} is ahead of {knows}", step.id);
        }
        if ours || matches!(step.action, Action::VerifyAccess { .. }) {
            match self.toy.receives(step) {
                Ok(effect) => {
                    if let (
                        Action::CreateAccount { token, .. },
                        Some(model::Effect::CreationAccepted(record)),
                    ) = (&step.action, &effect)
                    {
                        let accepted = Attempt::Accepted(record.id.clone());
                        self.process.attempts.insert(token.clone(), accepted);
                    }
                    if matches!(step.action, Action::WriteMark { .. }) {
                        self.process.mark.on_written(self.toy.now);
                    }
                    if let Some(effect) = effect {
                        self.process.observed.effect(effect, self.toy.now);
                    }
                }
                Err(_) if matches!(step.action, Action::CreatePolicy { .. }) => {
                    // Lists did not show it yet.
                    self.look(&Read::Policies(PolicyType::service_control()));
                }
                Err(failure) => assert!(step.action.kind() == "VerifyAccess", "{step:?}: {failure:?}"),
            }
        } else {
            let version = self.toy.versions.get(&key(NAME)).copied().unwrap_or_default();
            self.toy.stores(step, version).unwrap();
            if step.action == Action::Reread {
                self.process.reread.insert(key(NAME));
            }
        }
    }

    fn look(&mut self, read: &Read) {
        let now = self.toy.now;
        if *read == Read::Mark {
            self.process
                .observed
                .root
                .get_or_insert(RootId::parse(ROOT).unwrap());
            let mark = self.toy.mark.clone();
            return self.process.mark.on_read(mark, now);
        }
        if matches!(read, Read::Full | Read::Look) {
            self.process.looks += 1;
        }
        let saw = self.toy.sees(read, self.process.looks, now);
        self.process.observed.observe(saw, now);
    }

    fn publish(&mut self) {
        let view = &self.plan.accounts[&key(NAME)];
        let entry = self.toy.journal.get_mut(&key(NAME)).unwrap();
        if let Some(facts) = &view.account {
            entry.account_id = Some(facts.id.clone());
            if view.access == Stage::Done {
                entry.verified_role = Some(facts.role_arn.clone());
            }
            if view.applied {
                entry.applied = entry
                    .assigned
                    .as_ref()
                    .map(|assigned| assigned.revision.name.clone());
            }
            if view.tagged == Stage::Done {
                entry.managed_tags = facts.managed_tags.clone();
            }
        }
    }

    /// The sequences that the account carries and that status knows.
    fn sequences(&self, account: &AccountId) -> (i64, i64) {
        let assigned = self.toy.journal[&key(NAME)].assigned.as_ref();
        let known = assigned.map_or(0, |assigned| assigned.sequence);
        (carried(&self.toy.accounts[account].real).sequence, known)
    }

    fn account(&self) -> &ObservedAccount {
        assert_eq!(self.toy.accounts.len(), 1);
        &self.toy.accounts.values().next().unwrap().real
    }

    /// Everything is as Git says.
    fn done(&self, git: Git) -> bool {
        let (desired, account) = (git.desired(), self.account());
        let path = self.process.observed.path_of(&account.parent);
        let tags = account.tags.as_ref().unwrap();
        self.plan.accounts[&key(NAME)].verdict == Verdict::Ready
            && self.plan.steps.is_empty()
            && path == Some(desired.organizational_unit.to_string())
            && desired
                .tags
                .iter()
                .all(|(key, value)| tags.get(key) == Some(value))
            && carried(account).revision == Some(desired.revision.name)
            && self
                .toy
                .policies
                .names(&account.id)
                .iter()
                .eq(desired.policies.iter().map(|policy| &policy.name))
    }

    fn until_done(&mut self, git: Git) {
        for _ in 0..PATIENCE {
            self.turn();
            if !self.toy.accounts.is_empty() && self.done(git) {
                return;
            }
        }
        panic!("{git:?} is never reached: {:#?}", self.plan.accounts);
    }
}

/// The first account, then two changes; calls `point` at every second from the first Ready on. Gives how many there are.
fn story(mut point: impl FnMut(&Run, Git) -> bool) -> Run {
    let mut run = Run::new();
    run.until_done(Git::First);
    for git in [Git::Second, Git::Third] {
        run.git(git);
        for turn in 0.. {
            if point(&run, git) {
                return run;
            }
            run.turn();
            if run.done(git) {
                break;
            }
            assert!(
                turn < PATIENCE,
                "{git:?} is never reached: {:#?}",
                run.plan.accounts
            );
        }
    }
    run
}

fn approve(run: &mut Run) {
    let view = &run.plan.accounts[&key(NAME)];
    let [awaiting] = view.awaiting.as_slice() else {
        panic!("{view:#?}")
    };
    let decision = Decision {
        name: "yes".into(),
        created: at(1),
        action: awaiting.action,
        digest: awaiting.digest.clone(),
        approves: true,
        approver: "alice".into(),
        requested_by: None,
        expires_at: None,
    };
    run.process.approvals.policy = ApprovalPolicy::InForce { since: at(0) };
    run.process.approvals.accounts.insert(key(NAME), vec![decision]);
}

/// At this point etcd becomes what it was then; Git says this.
fn restored(at_point: usize, then: &JournalEntry, git: Git) -> bool {
    let mut points = 0;
    let mut run = story(|_, _| {
        points += 1;
        points > at_point
    });
    run.toy.journal.insert(key(NAME), then.clone());
    run.restart();
    run.git(git);
    let account = run.account().id.clone();
    let (carries, knows) = run.sequences(&account);
    let behind = carries > knows;
    if behind {
        let before = (
            run.mutations,
            run.toy.accounts[&account].real.clone(),
            run.toy.units.len(),
            run.toy.policies.names(&account),
        );
        for _ in 0..200 {
            run.turn();
        }
        let mark_only = run.mutations - before.0;
        assert!(mark_only <= 1, "{mark_only} mutations before the Approval");
        assert_eq!(run.toy.accounts[&account].real, before.1);
        assert_eq!(run.toy.units.len(), before.2, "nothing is created");
        assert_eq!(run.toy.policies.names(&account), before.3);
        assert_eq!(refused(&run.plan, NAME).0, Reason::StateBehindAws);
        approve(&mut run);
    }
    run.until_done(git);
    let (after, known) = run.sequences(&account);
    assert_eq!(after, known);
    assert!(after > carries || !behind, "{after} after {carries}");
    behind
}

#[test]
fn whatever_state_etcd_is_restored_to_nothing_is_changed_that_it_does_not_know() {
    let mut states: Vec<(usize, Git, JournalEntry)> = Vec::new();
    let mut points = 0;
    story(|run, git| {
        let entry = run.toy.journal[&key(NAME)].clone();
        if states.last().is_none_or(|(_, _, last)| *last != entry) {
            states.push((points, git, entry));
        }
        points += 1;
        false
    });
    assert_eq!(
        states.len(),
        6,
        "each revision, assigned, recorded with the tags and, but for the last, applied"
    );
    assert!(points >= 8, "{points} points");
    let mut behind = 0;
    for at_point in 0..points {
        for (_, git, then) in states.iter().filter(|(since, ..)| *since <= at_point) {
            for git in BTreeSet::from([*git as u8, Git::Third as u8]) {
                let git = [Git::First, Git::Second, Git::Third][usize::from(git)];
                behind += usize::from(restored(at_point, then, git));
            }
        }
    }
    assert!(behind > 10, "only {behind} of them were behind");
}

/// The process ends at every point of the two changes, and its successor knows nothing of what it has seen.
#[test]
fn a_crash_at_any_point_leaves_all_policies_of_one_revision_and_ends_in_the_last() {
    let mut points = 0;
    story(|_, _| {
        points += 1;
        false
    });
    for at_point in 0..points {
        let mut count = 0;
        let mut run = story(|_, _| {
            count += 1;
            count > at_point
        });
        run.restart();
        run.git(Git::Third);
        run.until_done(Git::Third);
        let entry = &run.toy.journal[&key(NAME)];
        assert_eq!(entry.applied, Some(revision('3').name), "point {at_point}");
    }
}
