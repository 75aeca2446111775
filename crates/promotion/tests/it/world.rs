//! A world in which a promotion runs: what is stored, what accounts do, what gates measure, what people decide.

use jiff::{SignedDuration, Timestamp};
use model::{
    AccountId, AccountKey, ApprovalAction, ApprovalPolicy, Decision, Revision, RevisionHash, RevisionName,
};
use promotion::{
    AssignedFact, Assignment, Effects, Happening, Input, MeasureKey, Measured, MeasuredResult, Phase,
    PromotionDecision, Requests, RevisionFact, RevisionPolicy, Spec, StageSpec, StageState, Standing, State,
    Step, Supersede, Target, Why, advance, effects,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const START: &str = "2026-09-01T08:00:00Z";

/// The revision whose hash begins with this letter.
pub(crate) fn revision(letter: char) -> Revision {
    let hash = RevisionHash::parse(&format!("sha256:{}", letter.to_string().repeat(64))).unwrap();
    Revision::new("base", hash).unwrap()
}

pub(crate) fn account(number: u32) -> AccountId {
    AccountId::parse(&format!("{:012}", 100_000_000_000_u64 + u64::from(number))).unwrap()
}

pub(crate) fn stages(stages: Value) -> Vec<StageSpec> {
    serde_json::from_value(stages).unwrap()
}

/// A stage without anything; `more` is merged into it.
pub(crate) fn stage(name: &str, more: Value) -> Value {
    let mut stage = json!({"name": name, "environment": name});
    for (key, value) in more.as_object().unwrap() {
        stage[key] = value.clone();
    }
    stage
}

/// A gate that a measurement outside decides.
pub(crate) fn gate(name: &str, run_at: &[&str], more: Value) -> Value {
    let mut gate = json!({
        "name": name, "runAt": run_at, "type": "HTTP",
        "http": {"url": "https://gate.example.com/x", "successCondition": "result == 0"},
    });
    for (key, value) in more.as_object().unwrap() {
        gate[key] = value.clone();
    }
    gate
}

pub(crate) struct World {
    pub(crate) uid: String,
    pub(crate) generation: i64,
    pub(crate) spec: Spec,
    pub(crate) requests: Requests,
    pub(crate) state: State,
    pub(crate) revisions: BTreeMap<RevisionName, RevisionFact>,
    pub(crate) latest: Option<Revision>,
    pub(crate) environments: Option<BTreeMap<String, Option<Revision>>>,
    pub(crate) targets: Vec<Target>,
    pub(crate) measured: BTreeMap<MeasureKey, Measured>,
    pub(crate) policy: ApprovalPolicy,
    pub(crate) authors: ApprovalPolicy,
    pub(crate) decisions: Vec<PromotionDecision>,
    pub(crate) conflict: Option<String>,
    pub(crate) hosts: Vec<String>,
    pub(crate) now: Timestamp,
    /// What gates say, by name; not named: success.
    pub(crate) says: BTreeMap<String, MeasuredResult>,
    /// Accounts that stall with this revision.
    pub(crate) breaks: BTreeSet<(AccountId, RevisionHash)>,
    /// Accounts that never finish with this revision.
    pub(crate) hangs: BTreeSet<(AccountId, RevisionHash)>,
    /// Accounts that nothing can be assigned to.
    pub(crate) deaf: BTreeSet<AccountId>,
    /// Every assignment that was made.
    pub(crate) assigned: Vec<(AccountId, Assignment)>,
    pub(crate) happenings: Vec<Happening>,
    pub(crate) asked: Vec<MeasureKey>,
    /// How often something was stored.
    pub(crate) writes: usize,
}

impl World {
    /// A world with these stages; each environment has so many accounts with revision `a`, and `b` is asked for.
    pub(crate) fn new(specs: Value, accounts: &[(&str, u32)]) -> Self {
        let specs = stages(specs);
        let environments: BTreeSet<String> = ["dev", "stage", "prod"].map(ToOwned::to_owned).into();
        let fact = |letter| {
            let revision = revision(letter);
            (
                revision.name.clone(),
                RevisionFact {
                    revision,
                    environments: environments.clone(),
                },
            )
        };
        let mut world = Self {
            uid: "uid-1".to_owned(),
            generation: 1,
            spec: Spec {
                baseline: "base".to_owned(),
                revision: Some(revision('b').name),
                revision_policy: RevisionPolicy::Manual,
                suspend: false,
                supersede: Supersede::BetweenStages,
                history_limit: 10,
                dry_run: false,
                stages: specs,
            },
            requests: Requests {
                requested_by: Some("bob".to_owned()),
                ..Requests::default()
            },
            state: State::default(),
            revisions: ['a', 'b', 'c', 'd'].map(fact).into(),
            latest: Some(revision('b')),
            environments: Some(
                environments
                    .iter()
                    .map(|name| (name.clone(), Some(revision('a'))))
                    .collect(),
            ),
            targets: Vec::new(),
            measured: BTreeMap::new(),
            policy: ApprovalPolicy::InForce {
                since: "2026-01-01T00:00:00Z".parse().unwrap(),
            },
            authors: ApprovalPolicy::InForce {
                since: "2026-01-01T00:00:00Z".parse().unwrap(),
            },
            decisions: Vec::new(),
            conflict: None,
            hosts: vec!["gate.example.com".to_owned()],
            now: START.parse().unwrap(),
            says: BTreeMap::new(),
            breaks: BTreeSet::new(),
            hangs: BTreeSet::new(),
            deaf: BTreeSet::new(),
            assigned: Vec::new(),
            happenings: Vec::new(),
            asked: Vec::new(),
            writes: 0,
        };
        for (environment, number) in accounts {
            for _ in 0..*number {
                world.join(environment, Some('a'));
            }
        }
        world
    }

    /// Another account; its number.
    pub(crate) fn join(&mut self, environment: &str, has: Option<char>) -> usize {
        let number = self.targets.len();
        let revision = has.map(revision);
        self.targets.push(Target {
            key: AccountKey::new("team", format!("account-{number:04}")),
            id: Some(account(u32::try_from(number).unwrap())),
            environment: environment.to_owned(),
            leaving: false,
            applied: revision.as_ref().map(|revision| revision.hash.clone()),
            assigned: revision.map(|revision| AssignedFact { revision, by: None }),
            observed: true,
            ready: true,
            access_verified: true,
            stalled: None,
            conditions: BTreeMap::new(),
            pin: None,
            wants_upgrade: false,
            braked: false,
        });
        number
    }

    pub(crate) fn with<T>(&self, state: &State, targets: &[Target], f: impl FnOnce(&Input<'_>) -> T) -> T {
        let describe = |environment: &str, from: Option<&Revision>, to: &Revision| {
            let from = from.map_or("nothing", |from| from.name.as_str());
            format!("{environment}: {from} becomes {}", to.name)
        };
        f(&Input {
            name: "guardrails",
            uid: &self.uid,
            generation: self.generation,
            spec: &self.spec,
            requests: &self.requests,
            state,
            revisions: &self.revisions,
            latest: self.latest.as_ref(),
            environments: self.environments.as_ref(),
            targets,
            allowed_hosts: &self.hosts,
            condition: &|_| Ok(()),
            gate: &|_| Ok(()),
            measured: &self.measured,
            approval_policy: &self.policy,
            author_policy: &self.authors,
            decisions: &self.decisions,
            describe: &describe,
            conflict: self.conflict.as_deref(),
            now: self.now,
        })
    }

    /// What follows from what is stored. The same facts with that bring nothing new (P7, T08).
    pub(crate) fn step(&self) -> Step {
        let step = self.with(&self.state, &self.targets, advance);
        let again = self.with(&step.state, &self.targets, advance);
        assert_eq!(step.state, again.state, "a second step changes something");
        assert_eq!(again.happenings, [], "a second step tells something");
        assert_eq!(
            (
                step.phase,
                &step.message,
                step.standing,
                &step.conditions,
                step.wake
            ),
            (
                again.phase,
                &again.message,
                again.standing,
                &again.conditions,
                again.wake
            )
        );
        let back: State = serde_json::from_str(&serde_json::to_string(&step.state).unwrap()).unwrap();
        assert_eq!(back, step.state, "what is stored is not what is read");
        assert!(step.wake.is_none_or(|wake| wake > self.now));
        assert_eq!(step.conditions.len(), 6);
        for happening in &step.happenings {
            assert!(happening.note.len() <= 1024 && happening.reason.len() <= 128);
        }
        step
    }

    pub(crate) fn effects(&self) -> Effects {
        self.with(&self.state, &self.targets, effects)
    }

    pub(crate) fn save(&mut self, step: &Step) {
        if self.state != step.state {
            self.writes += 1;
        }
        self.state = step.state.clone();
        self.happenings.extend(step.happenings.iter().cloned());
    }

    /// Does what the stored state says.
    pub(crate) fn act(&mut self) {
        let effects = self.effects();
        for (key, given) in &effects.assign {
            self.give(key, given);
        }
        for measure in effects.measure {
            self.asked.push(measure.key.clone());
            let result = self
                .says
                .get(&measure.key.gate)
                .copied()
                .unwrap_or(MeasuredResult::Success);
            self.measured.insert(
                measure.key,
                Measured {
                    result,
                    message: format!("it said {result:?}"),
                },
            );
        }
    }

    pub(crate) fn give(&mut self, key: &AccountKey, given: &Assignment) {
        let target = self.targets.iter_mut().find(|target| target.key == *key).unwrap();
        let id = target.id.clone().unwrap();
        if self.deaf.contains(&id) {
            return;
        }
        self.assigned.push((id, given.clone()));
        target.assigned = Some(AssignedFact {
            revision: given.revision.clone(),
            by: Some(given.by.clone()),
        });
        target.ready = false;
        target.stalled = None;
    }

    /// Accounts do what they were given.
    pub(crate) fn work(&mut self) {
        for target in &mut self.targets {
            let (Some(assigned), Some(id)) = (&target.assigned, &target.id) else {
                continue;
            };
            let what = (id.clone(), assigned.revision.hash.clone());
            if self.hangs.contains(&what) || (target.applied.as_ref() == Some(&what.1) && target.ready) {
                continue;
            }
            if self.breaks.contains(&what) {
                target.stalled = Some(("PolicyRefused".to_owned(), "AWS says no".to_owned()));
                continue;
            }
            target.applied = Some(what.1);
            target.ready = true;
        }
    }

    /// One round: a step, stored, done; then the accounts work.
    pub(crate) fn round(&mut self) -> Step {
        let step = self.step();
        self.save(&step);
        self.act();
        self.work();
        step
    }

    /// Rounds without time until nothing changes.
    pub(crate) fn settle(&mut self) -> Step {
        for _ in 0..3000 {
            let before = (
                self.writes,
                self.assigned.len(),
                self.measured.len(),
                self.targets.clone(),
            );
            let step = self.round();
            if before
                == (
                    self.writes,
                    self.assigned.len(),
                    self.measured.len(),
                    self.targets.clone(),
                )
            {
                return step;
            }
        }
        panic!("it never settles");
    }

    /// [`World::settle`] without its checks, for many accounts; the size of the largest state.
    pub(crate) fn settle_measuring(&mut self, most: &mut usize) -> Step {
        loop {
            let step = self.with(&self.state, &self.targets, advance);
            let idle = step.state == self.state;
            *most = (*most).max(serde_json::to_string(&step.state).unwrap().len());
            self.save(&step);
            let before = (self.assigned.len(), self.measured.len());
            self.act();
            self.work();
            if idle && before == (self.assigned.len(), self.measured.len()) {
                return step;
            }
        }
    }

    /// Time passes from timer to timer until the end, or until no timer runs.
    pub(crate) fn run(&mut self) -> Step {
        for _ in 0..3000 {
            let step = self.settle();
            let ended = self
                .state
                .attempt
                .as_ref()
                .is_some_and(|attempt| attempt.outcome.is_some());
            match step.wake {
                Some(wake) if !ended => self.now = wake,
                _ => return step,
            }
        }
        panic!("it never ends");
    }

    pub(crate) fn pass(&mut self, minutes: i64) -> Step {
        self.now += SignedDuration::from_mins(minutes);
        self.settle()
    }

    /// A decision about what waits now.
    pub(crate) fn decide(&mut self, who: &str, group: Option<&str>, approves: bool) {
        let digest = self
            .state
            .awaiting
            .first()
            .map(|awaiting| awaiting.digest.clone())
            .unwrap_or_default();
        self.decisions.push(PromotionDecision {
            decision: Decision {
                name: format!("approval-{}", self.decisions.len()),
                created: self.now,
                action: ApprovalAction::Promotion,
                digest,
                approves,
                approver: who.to_owned(),
                requested_by: None,
                expires_at: None,
            },
            group: group.map(ToOwned::to_owned),
        });
    }

    pub(crate) fn at(&self, name: &str) -> &StageState {
        self.state.stages.iter().find(|stage| stage.name == name).unwrap()
    }

    pub(crate) fn with_revision(&self, letter: char) -> usize {
        let hash = revision(letter).hash;
        let has = |target: &&Target| {
            target
                .assigned
                .as_ref()
                .is_some_and(|has| has.revision.hash == hash)
        };
        self.targets.iter().filter(has).count()
    }

    pub(crate) fn told(&self, reason: &str) -> usize {
        self.happenings
            .iter()
            .filter(|happening| happening.reason == reason)
            .count()
    }

    pub(crate) fn outcome_or_none(&self) -> Option<promotion::AttemptResult> {
        Some(self.state.attempt.as_ref()?.outcome.as_ref()?.result)
    }

    pub(crate) fn outcome(&self) -> (promotion::AttemptResult, String) {
        let outcome = self
            .state
            .attempt
            .as_ref()
            .and_then(|attempt| attempt.outcome.clone())
            .unwrap();
        (outcome.result, outcome.reason)
    }
}

pub(crate) fn shows(step: &Step, phase: Phase, standing: Standing) {
    assert_eq!((step.phase, step.standing), (phase, standing), "{}", step.message);
}

pub(crate) fn status(step: &Step, type_: &str) -> (Option<bool>, Why) {
    let fact = step.conditions.iter().find(|fact| fact.type_ == type_).unwrap();
    (fact.status, fact.why)
}
