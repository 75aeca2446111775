//! The closed loop: plan, carry out, look, plan again, until nothing is left to do. With failures of every kind, lost
//! answers, restarts and drift, there is one account per claim in the end, and it is as it should be.

mod swaps;

use super::{
    toy::{Failure, Toy},
    toy_policies::wanted_policies,
    *,
};
use model::{MassChange, Outputs};
use proptest::prelude::*;
use std::fmt::Write;

/// How long the loop may take in virtual time.
const PATIENCE: i64 = 4 * 3600;

#[derive(Debug)]
enum Event {
    /// A call or write arrives; its answer is on its way.
    Arrives(Step, u64),
    /// The answer is there.
    Answered(Step, Result<Option<model::Effect>, Failure>),
    /// A read looks.
    Looks(Read, u64, Timestamp),
    /// What it saw is there.
    Saw(StepId, Option<Observation>),
    /// The mark as it was seen.
    SawMark(Option<String>, Timestamp),
    /// The watch brings the object.
    Watched(AccountKey),
    /// The process ends and another begins.
    Restart,
    /// Somebody changes an account behind our back.
    Drift,
    /// Somebody deletes this object.
    Deletes(AccountKey),
    /// The Baseline has another revision: these policies.
    Revision(char, &'static str),
}

/// One operator process with the toys around it.
struct Loop {
    toy: Toy,
    /// What the process knows. All but the objects is lost with it.
    process: World,
    seen: BTreeMap<AccountKey, u64>,
    written: BTreeSet<Token>,
    mutating: bool,
    reading: BTreeSet<StepId>,
    reobserve: BTreeSet<Read>,
    events: BTreeMap<(Timestamp, u64), Event>,
    count: u64,
    planned: Plan,
    /// When a read that rests after a failure may be tried again.
    resting_read: Option<Timestamp>,
    /// What is spent of the budgets, as Kubernetes holds it, and when creations were sent.
    spending: Spending,
    sent: Vec<Timestamp>,
    transcript: String,
}

impl Loop {
    fn new(seed: u64, names: &[String]) -> Self {
        let mut process = World::unread();
        process.mark.settled = false;
        for (number, name) in (0..).zip(names) {
            let desired = process.want(name);
            desired.created = at(-number);
            desired.outputs = Some(Outputs {
                config_map: format!("{name}-account"),
            });
        }
        let mut this = Self {
            toy: Toy::new(seed, names),
            process,
            seen: BTreeMap::new(),
            written: BTreeSet::new(),
            mutating: false,
            reading: BTreeSet::new(),
            reobserve: BTreeSet::new(),
            events: BTreeMap::new(),
            count: 0,
            planned: Plan::default(),
            resting_read: None,
            spending: Spending::default(),
            sent: Vec::new(),
            transcript: String::new(),
        };
        for _ in 0..this.toy.dice.below(6) {
            let millis = this.toy.dice.below(1_500_000);
            this.after(millis, Event::Restart);
        }
        for _ in 0..this.toy.dice.below(6) {
            let millis = this.toy.dice.below(2_400_000);
            this.after(millis, Event::Drift);
        }
        if names.len() > 2 && this.toy.dice.chance(50) {
            let millis = this.toy.dice.below(300_000);
            this.after(millis, Event::Deletes(key(&names[0])));
        }
        this
    }

    fn after(&mut self, millis: i64, event: Event) {
        self.count += 1;
        let time = self
            .toy
            .now
            .checked_add(SignedDuration::from_millis(millis))
            .unwrap();
        self.events.insert((time, self.count), event);
    }

    fn soon(&mut self, most: i64, event: Event) {
        let millis = 1 + self.toy.dice.below(most);
        self.after(millis, event);
    }

    fn note(&mut self, text: &str) {
        let seconds = self.toy.now.duration_since(at(0)).as_secs_f64();
        writeln!(self.transcript, "{seconds:9.3} {text}").unwrap();
    }

    /// Runs until nothing is left to do; gives what went wrong.
    fn run(mut self) -> Result<(), (String, String)> {
        loop {
            if self.toy.violations.is_empty() {
                self.plan();
            }
            if let Some(violation) = self.toy.violations.pop() {
                return Err((violation, self.transcript));
            }
            if !self.toy.rough() && self.at_rest() {
                return self.outcome().map_err(|violation| (violation, self.transcript));
            }
            if self.toy.now > at(PATIENCE) {
                let open: Vec<_> = self
                    .planned
                    .accounts
                    .iter()
                    .map(|(key, view)| (key, &view.verdict))
                    .collect();
                return Err((format!("it does not end: {open:#?}"), self.transcript));
            }
            self.next();
        }
    }

    /// Nothing is under way, planned or waited for.
    fn at_rest(&self) -> bool {
        self.process.in_flight.is_empty()
            && self.planned.steps.is_empty()
            && self.process.desired.leaving.is_empty()
            && self
                .planned
                .accounts
                .values()
                .all(|view| view.verdict == Verdict::Ready)
            && self.planned.reads.is_empty()
            && self.reading.is_empty()
            && self.process.now.duration_since(self.toy.rough_until) > secs(1300)
            && self
                .toy
                .journal
                .values()
                .all(|entry| !entry.held || entry.account_id.is_none())
            && self.toy.policies.own() == self.policies_in_use()
    }

    /// Names of the policies that accounts are to have, or have though nobody governs them any more.
    fn policies_in_use(&self) -> BTreeSet<String> {
        let accounts = self.process.desired.accounts.values();
        let policies = accounts.flat_map(|desired| desired.policies.iter());
        let left = self.toy.accounts.keys();
        let left = left.flat_map(|account| self.toy.policies.names(account));
        let wanted = policies.map(|policy| policy.name.clone());
        wanted
            .chain(left.filter(|name| name.starts_with("bulkhead-")))
            .collect()
    }

    fn outcome(&self) -> Result<(), String> {
        for desired in self.process.desired.accounts.values() {
            let own: Vec<_> = self
                .toy
                .accounts
                .values()
                .map(|account| &account.real)
                .filter(|account| account.email == desired.email.as_str())
                .collect();
            let [account] = own.as_slice() else {
                return Err(format!("{} has {} accounts", desired.key, own.len()));
            };
            let path = self.process.observed.path_of(&account.parent);
            if path.as_deref() != Some("Workloads/Prod") {
                return Err(format!("{} is in {path:?}", desired.key));
            }
            let tags = account.tags.as_ref().unwrap();
            if desired
                .tags
                .iter()
                .any(|(key, value)| tags.get(key) != Some(value))
            {
                return Err(format!("{} has tags {tags:?}", desired.key));
            }
            let has = self.toy.policies.names(&account.id);
            let own = has.iter().filter(|name| name.starts_with("bulkhead-"));
            if !own.eq(desired.policies.iter().map(|policy| &policy.name)) {
                return Err(format!("{} has policies {has:?}", desired.key));
            }
            if !self.toy.policies.is_guarded(&account.id) {
                return Err(format!("{} has policies of another content", desired.key));
            }
            let entry = &self.toy.journal[&desired.key];
            if entry.applied.as_ref() != Some(&desired.revision.name) {
                return Err(format!("{} has applied {:?}", desired.key, entry.applied));
            }
            if entry.account_id.as_ref() != Some(&account.id) || entry.held {
                return Err(format!("{} remembers {entry:?}", desired.key));
            }
        }
        let emails: BTreeSet<_> = self
            .toy
            .accounts
            .values()
            .map(|account| &account.real.email)
            .collect();
        if emails.len() != self.toy.accounts.len() {
            return Err("an account was made twice".into());
        }
        let units: BTreeSet<_> = self
            .toy
            .units
            .iter()
            .map(|unit| (&unit.parent, &unit.name))
            .collect();
        if units.len() != 2 {
            return Err(format!("units {units:?}"));
        }
        Ok(())
    }

    /// The next event, or the next moment the process wakes up.
    fn next(&mut self) {
        let woken = [self.planned.wake, self.resting_read]
            .into_iter()
            .flatten()
            .map(|wake| {
                wake.max(
                    self.toy
                        .now
                        .checked_add(SignedDuration::from_millis(100))
                        .unwrap(),
                )
            })
            .min();
        let event = self.events.first_key_value().map(|((time, _), _)| *time);
        let (now, happens) = match (event, woken) {
            (Some(event), Some(wake)) if wake < event => (wake, false),
            (Some(event), _) => (event, true),
            (None, Some(wake)) => (wake, false),
            (None, None) => return self.toy.violations.push("nothing would ever happen again".into()),
        };
        self.toy.at(now);
        self.process.now = now;
        self.process
            .held
            .retain(|_, hold| now.duration_since(hold.until) < secs(3600));
        if happens && let Some((_, event)) = self.events.pop_first() {
            self.happens(event);
        }
    }

    fn plan(&mut self) {
        let now = self.toy.now;
        // What the process knows of attempts, by what the objects say.
        let mut standing = BTreeSet::new();
        for entry in self
            .process
            .journal
            .values()
            .filter(|entry| entry.account_id.is_none())
        {
            let Some(creation) = &entry.creation else { continue };
            standing.insert(creation.token.clone());
            if self.written.contains(&creation.token) && !self.process.attempts.contains_key(&creation.token)
            {
                let look = self.process.looks + 1;
                self.process
                    .attempts
                    .insert(creation.token.clone(), Attempt::Fresh { look });
            }
        }
        self.process
            .attempts
            .retain(|token, attempt| standing.contains(token) || *attempt == Attempt::Sending);

        self.resting_read = None;
        let plan = plan(self.process.input());
        for finding in check(self.process.input(), &plan) {
            self.toy.violations.push(finding.to_string());
        }
        for step in plan.steps.clone() {
            if step.action.mutates_aws() && self.mutating {
                continue;
            }
            self.mutating |= step.action.mutates_aws();
            self.note(&format!("step {}", step.id));
            self.process.in_flight.insert(step.id.clone());
            match &step.action {
                Action::Intend(creation, _) => drop(self.written.insert(creation.token.clone())),
                Action::CreateAccount { token, .. } => {
                    self.process.attempts.insert(token.clone(), Attempt::Sending);
                }
                _ => {}
            }
            let version = step
                .key
                .as_ref()
                .and_then(|key| self.seen.get(key))
                .copied()
                .unwrap_or_default();
            self.soon(2000, Event::Arrives(step, version));
        }
        let reads: Vec<Read> = plan
            .reads
            .iter()
            .cloned()
            .chain(std::mem::take(&mut self.reobserve))
            .collect();
        for read in reads {
            let name = read.id();
            if let Some(hold) = self.process.held.get(&name).filter(|hold| hold.until > now) {
                self.resting_read = Some(
                    self.resting_read
                        .map_or(hold.until, |until| until.min(hold.until)),
                );
                continue;
            }
            if !self.reading.insert(name) {
                continue;
            }
            self.note(&format!("read {read:?}"));
            if matches!(read, Read::Full | Read::Look) {
                self.process.looks += 1;
            }
            self.soon(1500, Event::Looks(read, self.process.looks, now));
        }
        self.publish(&plan);
        self.planned = plan;
    }

    /// Writes status, sometimes, as far as planning reads it back.
    fn publish(&mut self, plan: &Plan) {
        for (key, view) in &plan.accounts {
            let (Some(facts), Some(entry)) = (&view.account, self.toy.journal.get_mut(key)) else {
                continue;
            };
            let version = self.toy.versions.entry(key.clone()).or_default();
            if self.seen.get(key).copied().unwrap_or_default() != *version || self.toy.dice.chance(30) {
                continue;
            }
            let before = entry.clone();
            entry.account_id = Some(facts.id.clone());
            if view.access == Stage::Done {
                entry.verified_role = Some(facts.role_arn.clone());
            }
            if view.tagged == Stage::Done {
                entry.managed_tags = facts.managed_tags.clone();
            }
            if view.applied {
                entry.applied = entry
                    .assigned
                    .as_ref()
                    .map(|assigned| assigned.revision.name.clone());
            }
            if *entry != before {
                *version += 1;
                self.seen.insert(key.clone(), *version);
                self.process.journal.insert(key.clone(), entry.clone());
            }
        }
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Arrives(step, version) => {
                let result = self.arrives(&step, version);
                self.soon(2000, Event::Answered(step, result));
            }
            Event::Answered(step, result) => self.answered(&step, result),
            Event::Looks(Read::Mark, _, began) => {
                let mark = self.toy.mark.clone();
                self.soon(500, Event::SawMark(mark, began));
            }
            Event::Looks(read, look, began) => {
                let name = read.id();
                let fails = self.toy.rough() && self.toy.dice.chance(8);
                let saw = (!fails).then(|| self.toy.sees(&read, look, began));
                self.soon(5000, Event::Saw(name, saw));
            }
            Event::SawMark(value, began) => {
                self.reading.remove(&Read::Mark.id());
                self.process
                    .observed
                    .root
                    .get_or_insert(RootId::parse(ROOT).unwrap());
                self.process.mark.on_read(value, began);
            }
            Event::Saw(name, saw) => self.saw(&name, saw),
            Event::Watched(key) => self.watched(&key),
            Event::Restart => self.restart(),
            Event::Drift => self.drift(),
            Event::Revision(digit, letters) => self.revise(digit, letters),
            Event::Deletes(key) => {
                self.note(&format!("{key} is deleted"));
                let Some(entry) = self.toy.journal.get_mut(&key) else {
                    return;
                };
                entry.deleting = true;
                if !entry.held {
                    self.toy.journal.remove(&key);
                }
                *self.toy.versions.entry(key.clone()).or_default() += 1;
                self.soon(500, Event::Watched(key));
            }
        }
    }

    /// The Baseline gets another revision, which all accounts follow.
    fn revise(&mut self, digit: char, letters: &str) {
        self.note(&format!("revision {digit}: {letters}"));
        let policies = wanted_policies(letters);
        self.toy.policies.revisions.push(Arc::clone(&policies));
        for desired in self.process.desired.accounts.values_mut() {
            desired.revision = revision(digit);
            desired.policies = Arc::clone(&policies);
        }
    }

    /// A change is counted, right before it is sent.
    fn spend(&mut self, step: &Step) {
        let Some(change) = &step.spends else { return };
        let (brake, now) = (self.process.limits.brake, self.toy.now);
        if !brake.admits(&self.spending, change, now) {
            self.toy
                .violations
                .push(format!("{} is beyond the budget", step.id));
        }
        self.spending = brake.spend(&self.spending, change, now);
        self.process.spending = Some(self.spending.clone());
    }

    /// No hour holds more creations than the budget, whichever process sent them.
    fn count(&mut self, step: &Step) {
        let (Action::CreateAccount { .. }, Some(limit)) =
            (&step.action, self.process.limits.brake.creations_per_hour)
        else {
            return;
        };
        self.sent.push(self.toy.now);
        let within = self
            .sent
            .iter()
            .filter(|at| self.toy.now.duration_since(**at) < secs(3600));
        if within.count() > usize::try_from(limit).unwrap() {
            self.toy
                .violations
                .push(format!("more than {limit} creations in an hour"));
        }
    }

    fn arrives(&mut self, step: &Step, version: u64) -> Result<Option<model::Effect>, Failure> {
        self.spend(step);
        self.count(step);
        let lost = self.toy.rough() && self.toy.dice.chance(12);
        let result = if step.action.mutates_aws() || matches!(step.action, Action::VerifyAccess { .. }) {
            self.toy.receives(step)
        } else {
            let stored = self.toy.stores(step, version).map(|()| None);
            if let Some(key) = step.key.clone() {
                self.soon(3000, Event::Watched(key));
            }
            stored
        };
        self.note(&format!(
            "  {} {}",
            step.id,
            match &result {
                Ok(_) if lost => "happens, and the answer is lost".into(),
                Ok(_) => "happens".into(),
                Err(failure) => format!("{failure:?}"),
            }
        ));
        if lost { Err(Failure::Lost) } else { result }
    }

    fn answered(&mut self, step: &Step, result: Result<Option<model::Effect>, Failure>) {
        let now = self.toy.now;
        self.process.in_flight.remove(&step.id);
        self.mutating &= !step.action.mutates_aws();
        match (&step.action, &result) {
            (Action::CreateAccount { token, .. }, _) => {
                let attempt = match &result {
                    Ok(Some(model::Effect::CreationAccepted(record))) => Attempt::Accepted(record.id.clone()),
                    Err(Failure::Lost) | Ok(_) => Attempt::Unknown,
                    Err(_) => Attempt::Refused,
                };
                self.process.attempts.insert(token.clone(), attempt);
            }
            (Action::WriteMark { .. }, Ok(_) | Err(Failure::Lost)) => self.process.mark.on_written(now),
            _ => {}
        }
        let failure = match result {
            Ok(effect) => {
                self.process.held.remove(&step.id);
                if let Some(effect) = effect {
                    self.process.observed.effect(effect, now);
                }
                // The answer to a write brings the object.
                if let Some(key) = step.key.as_ref().filter(|_| !step.action.mutates_aws()) {
                    self.watched(key);
                }
                return;
            }
            Err(failure) => failure,
        };
        let (kind, reason) = match failure {
            Failure::Refused(kind, reason) => (kind, reason),
            Failure::Lost => (HoldKind::Retry, Reason::AwsUnavailable),
            Failure::Conflict => (HoldKind::Retry, Reason::Reobserving),
        };
        if failure == Failure::Lost || reason == Reason::Reobserving {
            self.reobserve.extend(match &step.action {
                Action::MoveAccount { account, .. }
                | Action::TagAccount { account, .. }
                | Action::UntagAccount { account, .. } => Some(Read::Account(account.clone())),
                Action::CreateOrganizationalUnit { .. } => Some(Read::Full),
                Action::AttachPolicy {
                    account, policy_type, ..
                }
                | Action::DetachPolicy {
                    account, policy_type, ..
                } => Some(Read::Attachments(account.clone(), policy_type.clone())),
                Action::CreatePolicy { policy } | Action::UpdatePolicy { policy, .. } => {
                    Some(Read::Policies(policy.policy_type.clone()))
                }
                Action::DeletePolicy { policy_type, .. } => Some(Read::Policies(policy_type.clone())),
                Action::EnablePolicyType { .. } => Some(Read::PolicyTypes),
                Action::WriteMark { .. } => Some(Read::Mark),
                _ => None,
            });
        }
        self.rest(&step.id, kind, reason);
    }

    fn rest(&mut self, id: &StepId, kind: HoldKind, reason: Reason) {
        let failures = self.process.held.get(id).map_or(0, |hold| hold.failures) + 1;
        let seconds = match kind {
            HoldKind::Retry => i64::from(failures.min(30)),
            HoldKind::Wait => 30,
            HoldKind::Stalled => 15 * i64::from(failures.min(20)),
        };
        self.process.holds(&id.0, kind, reason, seconds, failures);
    }

    fn saw(&mut self, name: &StepId, saw: Option<Observation>) {
        self.reading.remove(name);
        let Some(observation) = saw else {
            self.note(&format!("  {name} failed"));
            return self.rest(name, HoldKind::Retry, Reason::AwsUnavailable);
        };
        self.process.held.remove(name);
        let invisible = matches!(
            &observation,
            Observation::Account { account: None, .. } | Observation::Attachments { attached: None, .. }
        );
        self.process.observed.observe(observation, self.toy.now);
        if invisible {
            self.process
                .holds(&name.0, HoldKind::Wait, Reason::AccountNotVisible, 5, 1);
        }
    }

    /// The process learns of the object as it is.
    fn watched(&mut self, key: &AccountKey) {
        let version = self.toy.versions.get(key).copied().unwrap_or_default();
        self.seen.insert(key.clone(), version);
        if let Some(entry) = self.toy.journal.get(key) {
            self.process.journal.insert(key.clone(), entry.clone());
            if entry.deleting
                && let Some(desired) = self.process.desired.accounts.remove(key)
            {
                self.process.desired.leaving.insert(key.clone(), desired.claim);
            }
        } else {
            self.process.journal.remove(key);
            self.process.desired.accounts.remove(key);
            self.process.desired.leaving.remove(key);
        }
    }

    /// The process ends: calls that are on their way arrive or do not, and nobody hears the answers.
    fn restart(&mut self) {
        self.note("restart");
        for ((time, number), event) in std::mem::take(&mut self.events) {
            match event {
                Event::Arrives(step, version) => {
                    match self.toy.dice.below(4) {
                        0 | 1 => drop(self.arrives(&step, version)),
                        // The crash came after it was counted and before it was sent.
                        2 => self.spend(&step),
                        _ => {}
                    }
                }
                Event::Restart | Event::Drift | Event::Deletes(_) | Event::Revision(..) => {
                    self.events.insert((time, number), event);
                }
                Event::Answered(..)
                | Event::Looks(..)
                | Event::Saw(..)
                | Event::SawMark(..)
                | Event::Watched(_) => {}
            }
        }
        let World {
            desired,
            epoch,
            limits,
            ..
        } = self.process.clone();
        let settled = self.process.mark.settled;
        self.process = World {
            desired,
            epoch: epoch + 1,
            now: self.toy.now,
            limits,
            spending: Some(self.spending.clone()),
            ..World::unread()
        };
        self.process.mark.settled = settled;
        self.written.clear();
        self.mutating = false;
        self.reading.clear();
        self.reobserve.clear();
        let keys: Vec<_> = self
            .toy
            .journal
            .keys()
            .chain(self.process.desired.accounts.keys())
            .cloned()
            .collect();
        for key in keys
            .into_iter()
            .chain(self.process.desired.leaving.keys().cloned().collect::<Vec<_>>())
        {
            self.watched(&key);
        }
    }

    fn drift(&mut self) {
        let count = i64::try_from(self.toy.accounts.len()).unwrap();
        if count == 0 {
            return;
        }
        let nth = usize::try_from(self.toy.dice.below(count)).unwrap();
        let id = self.toy.accounts.keys().nth(nth).unwrap().clone();
        self.note(&format!("somebody changes {id}"));
        if self.toy.policies.meddled && self.toy.dice.chance(60) {
            return self.meddle(&id);
        }
        match self.toy.dice.below(3) {
            0 => self.toy.accounts.get_mut(&id).unwrap().real.parent = ParentId::parse(ROOT).unwrap(),
            1 => self
                .toy
                .tag(&id, |own| own.retain(|key, _| key.as_str() != "team")),
            _ => self.toy.tag(&id, |own| {
                own.extend(tags(&[("team", "owls"), ("foreign", "yes")]));
            }),
        }
    }
}

fn converges(seed: u64, count: usize, brake: Brake) -> Result<(), TestCaseError> {
    let names: Vec<String> = (0..count).map(|number| format!("tern-{number}")).collect();
    let mut this = Loop::new(seed, &names);
    this.process.limits.brake = brake;
    this.run().map_err(|(violation, transcript)| {
        TestCaseError::fail(format!("{transcript}\nseed {seed}, {count} objects: {violation}"))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_shrink_iters: 40, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn one_account_per_claim_whatever_fails(seed in any::<u64>(), count in 1_usize..9) {
        converges(seed, count, Brake::default())?;
    }

    /// The same with budgets that hold everything back: they are kept through every crash, and everything is done in the end.
    #[test]
    fn no_hour_holds_more_than_its_budget_whatever_fails(seed in any::<u64>(), count in 1_usize..9) {
        let mass_change = Some(MassChange { window: secs(600), max_accounts: 1 });
        converges(seed, count, Brake { creations_per_hour: Some(6), creations_per_day: Some(40), mass_change })?;
    }
}
