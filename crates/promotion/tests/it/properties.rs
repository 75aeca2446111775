//! Random orders of everything that can happen. Whatever comes, what must hold holds; and once people and accounts behave,
//! every attempt ends.

use crate::world::{World, account, gate, revision, stage};
use jiff::{SignedDuration, Timestamp};
use model::{AccountId, RevisionHash};
use promotion::{
    AttemptResult, MeasuredResult, PinFact, StageStep, Standing, State, Supersede, Target, Why, advance,
    effects,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
enum Op {
    /// A step, stored, and done.
    Round,
    /// The process dies after so many writes of a round; the rest is lost.
    Crash(usize),
    /// A round that sees some accounts as they were so many rounds ago.
    Stale(usize, u32),
    /// Some accounts work.
    Work(u32),
    /// Time passes, or is set back.
    Clock(i64),
    Breaks(u32, char),
    Hangs(u32, char),
    /// Nothing can be assigned to it, for good.
    Deaf(u32),
    Repair(u32),
    Flap(u32),
    Pin(u32, i64),
    Unpin(u32),
    Leave(u32),
    Join(usize, bool),
    Move(u32, usize),
    Says(&'static str, MeasuredResult),
    Decide(&'static str, bool),
    Hold(bool),
    Suspend(bool),
    Abort(bool),
    Retry(u32),
    Reverify(&'static str),
    SkipBake,
    Wants(char),
    Edit,
}

const ENVIRONMENTS: [&str; 3] = ["dev", "stage", "prod"];
const GATES: [&str; 3] = ["pre", "test", "soak"];

fn op() -> impl Strategy<Value = Op> {
    let letter = || prop::sample::select(vec!['a', 'b', 'c']);
    let result = prop::sample::select(vec![
        MeasuredResult::Success,
        MeasuredResult::Success,
        MeasuredResult::Success,
        MeasuredResult::Failure,
        MeasuredResult::Inconclusive,
        MeasuredResult::Error,
    ]);
    prop_oneof![
        12 => Just(Op::Round),
        3 => (0_usize..4).prop_map(Op::Crash),
        3 => (1_usize..4, any::<u32>()).prop_map(|(back, who)| Op::Stale(back, who)),
        8 => any::<u32>().prop_map(Op::Work),
        6 => prop_oneof![3 => 1_i64..90, 1 => -60_i64..0].prop_map(Op::Clock),
        1 => (any::<u32>(), letter()).prop_map(|(who, which)| Op::Breaks(who, which)),
        1 => (any::<u32>(), letter()).prop_map(|(who, which)| Op::Hangs(who, which)),
        1 => any::<u32>().prop_map(Op::Deaf),
        1 => any::<u32>().prop_map(Op::Repair),
        1 => any::<u32>().prop_map(Op::Flap),
        1 => (any::<u32>(), 1_i64..200).prop_map(|(who, minutes)| Op::Pin(who, minutes)),
        1 => any::<u32>().prop_map(Op::Unpin),
        1 => any::<u32>().prop_map(Op::Leave),
        1 => (0_usize..3, any::<bool>()).prop_map(|(place, has)| Op::Join(place, has)),
        1 => (any::<u32>(), 0_usize..3).prop_map(|(who, place)| Op::Move(who, place)),
        2 => (prop::sample::select(GATES.to_vec()), result).prop_map(|(gate, result)| Op::Says(gate, result)),
        4 => (prop::sample::select(vec!["alice", "bob", "carol"]), prop::bool::weighted(0.9))
            .prop_map(|(who, yes)| Op::Decide(who, yes)),
        1 => any::<bool>().prop_map(Op::Hold),
        1 => any::<bool>().prop_map(Op::Suspend),
        1 => prop::bool::weighted(0.3).prop_map(Op::Abort),
        2 => any::<u32>().prop_map(Op::Retry),
        1 => prop::sample::select(GATES.to_vec()).prop_map(Op::Reverify),
        1 => Just(Op::SkipBake),
        1 => letter().prop_map(Op::Wants),
        1 => Just(Op::Edit),
    ]
}

fn specs(failures: u32, policy: (&str, &str, &str)) -> Value {
    let gates = json!([
        gate("pre", &["BeforeStage"], json!({})),
        gate("test", &["AfterWave", "AfterStage"], json!({})),
        gate("soak", &["DuringBake"], json!({"interval": "10m"})),
    ]);
    let policy = json!({"onTestFailure": policy.0, "onBakeFailure": policy.1, "rollbackScope": policy.2,
        "onDeadline": "Rollback"});
    let waves = json!([
        {"name": "one-box", "targets": 1, "bakeTime": "30m"},
        {"name": "half", "targets": "50%", "bakeTime": "10m"},
        {"name": "rest", "targets": "100%"},
    ]);
    let strategy = json!({"type": "Waves", "waves": waves, "maxConcurrency": 2});
    json!([
        stage(
            "dev",
            json!({"onEmpty": "Skip", "maxFailures": 1, "optIn": {"deadline": "2h"}})
        ),
        stage(
            "stage",
            json!({"strategy": strategy, "maxFailures": failures, "gates": gates, "failurePolicy": policy,
            "progressDeadline": "8h"})
        ),
        stage(
            "prod",
            json!({"strategy": strategy, "maxFailures": failures, "gates": gates, "failurePolicy": policy,
            "approval": {"required": 1, "excludeAuthor": true}})
        ),
    ])
}

struct Run {
    world: World,
    /// Accounts as they were after each operation, the newest last.
    past: Vec<Vec<Target>>,
    /// Accounts that people or AWS touched: what is promised for the others is not promised for them.
    touched: BTreeSet<AccountId>,
    given: BTreeSet<(String, String, AccountId, RevisionHash)>,
    bakes: BTreeMap<(String, String, String), (Timestamp, Timestamp)>,
    skipped: BTreeSet<String>,
    failures: u32,
    set_back: bool,
}

impl Run {
    fn new(failures: u32, policy: (&str, &str, &str), supersede: Supersede) -> Self {
        let mut world = World::new(specs(failures, policy), &[("dev", 2), ("stage", 5), ("prod", 6)]);
        world.spec.supersede = supersede;
        Self {
            past: vec![world.targets.clone()],
            world,
            touched: BTreeSet::new(),
            given: BTreeSet::new(),
            bakes: BTreeMap::new(),
            skipped: BTreeSet::new(),
            failures,
            set_back: false,
        }
    }

    fn one(&mut self, who: u32) -> &mut Target {
        let index = who as usize % self.world.targets.len();
        let target = &mut self.world.targets[index];
        self.touched.insert(target.id.clone().unwrap());
        target
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Round => self.round(usize::MAX, None),
            Op::Crash(after) => self.round(*after, None),
            Op::Stale(back, who) => {
                let old = &self.past[self.past.len().saturating_sub(1 + back)];
                let mut view = self.world.targets.clone();
                for (number, target) in view.iter_mut().enumerate() {
                    if let Some(old) = old.get(number).filter(|_| who >> (number % 32) & 1 == 1) {
                        *target = old.clone();
                    }
                }
                self.round(usize::MAX, Some(view));
            }
            Op::Work(who) => self.work(*who),
            Op::Clock(minutes) => {
                self.set_back |= *minutes < 0;
                self.world.now += SignedDuration::from_mins(*minutes);
                let now = self.world.now;
                for target in &mut self.world.targets {
                    target.pin = target.pin.take().filter(|pin| pin.expires_at > now);
                }
            }
            Op::Breaks(who, letter) => {
                self.world
                    .breaks
                    .insert((account(who % 13), revision(*letter).hash));
            }
            Op::Hangs(who, letter) => {
                self.world
                    .hangs
                    .insert((account(who % 13), revision(*letter).hash));
            }
            Op::Deaf(who) => {
                self.touched.insert(account(who % 13));
                self.world.deaf.insert(account(who % 13));
            }
            Op::Repair(who) => {
                let id = account(who % 13);
                self.world.breaks.retain(|(known, _)| *known != id);
                self.world.hangs.retain(|(known, _)| *known != id);
                self.one(*who).stalled = None;
            }
            Op::Flap(who) => {
                let target = self.one(*who);
                target.ready = !target.ready;
            }
            Op::Pin(who, minutes) => {
                let expires_at = self.world.now + SignedDuration::from_mins(*minutes);
                self.one(*who).pin = Some(PinFact {
                    revision: revision('a').name,
                    expires_at,
                });
            }
            Op::Unpin(who) => self.one(*who).pin = None,
            Op::Leave(who) => self.one(*who).leaving = true,
            Op::Join(place, has) => {
                if self.world.targets.len() < 30 {
                    let number = self.world.join(ENVIRONMENTS[*place], has.then_some('a'));
                    self.touched.insert(account(u32::try_from(number).unwrap()));
                }
            }
            Op::Move(who, place) => ENVIRONMENTS[*place].clone_into(&mut self.one(*who).environment),
            other => self.people(other),
        }
        self.past.push(self.world.targets.clone());
    }

    fn people(&mut self, op: &Op) {
        let world = &mut self.world;
        let id = world
            .state
            .attempt
            .as_ref()
            .map_or(String::new(), |attempt| attempt.id.clone());
        match op {
            Op::Says(gate, result) => {
                world.says.insert((*gate).to_owned(), *result);
            }
            Op::Decide(who, approves) => world.decide(who, None, *approves),
            Op::Hold(on) => world.requests.hold = on.then(|| "wait".to_owned()),
            Op::Suspend(on) => world.spec.suspend = *on,
            Op::Abort(right) => world.requests.abort = Some(if *right { id } else { "a-999".to_owned() }),
            Op::Retry(token) => world.requests.retry = Some(token.to_string()),
            Op::Reverify(gate) => world.requests.reverify = Some(format!("prod/{gate}@{id}")),
            Op::SkipBake => {
                let token = format!("{id}/prod/one-box");
                self.skipped.insert(token.clone());
                world.requests.skip_bake = Some(token);
            }
            Op::Wants(letter) => {
                world.generation += 1;
                world.spec.revision = Some(revision(*letter).name);
            }
            Op::Edit => {
                world.generation += 1;
                world.spec.stages[0].on_empty = None;
            }
            _ => {}
        }
    }

    fn work(&mut self, who: u32) {
        let before = self.world.targets.clone();
        self.world.work();
        for (number, target) in self.world.targets.iter_mut().enumerate() {
            if who >> (number % 32) & 1 == 0 {
                *target = before[number].clone();
            }
        }
    }

    /// A round that ends after so many writes; of accounts that are seen as they were, none is written that has changed.
    fn round(&mut self, mut writes: usize, view: Option<Vec<Target>>) {
        let stale = view.is_some();
        let view = view.unwrap_or_else(|| self.world.targets.clone());
        let step = if stale {
            self.world.with(&self.world.state, &view, advance)
        } else {
            self.world.step()
        };
        if writes == 0 {
            return;
        }
        if step.state != self.world.state {
            writes -= 1;
            let before = self.world.state.clone();
            self.world.save(&step);
            self.check_state(&before);
        }
        let done = self.world.with(&self.world.state, &view, effects);
        for (key, given) in &done.assign {
            let seen = view.iter().find(|target| target.key == *key).unwrap();
            let real = self
                .world
                .targets
                .iter()
                .find(|target| target.key == *key)
                .unwrap();
            // The precondition of the write: nobody has changed the object since.
            if (&seen.assigned, &seen.pin, &seen.environment, seen.leaving)
                != (&real.assigned, &real.pin, &real.environment, real.leaving)
            {
                continue;
            }
            if writes == 0 {
                return;
            }
            writes -= 1;
            self.check_given(key, given);
            self.world.give(key, given);
        }
        for measure in done.measure {
            let result = self
                .world
                .says
                .get(&measure.key.gate)
                .copied()
                .unwrap_or(MeasuredResult::Success);
            let message = format!("it said {result:?}");
            self.world
                .measured
                .insert(measure.key, promotion::Measured { result, message });
        }
    }

    fn check_given(&mut self, key: &model::AccountKey, given: &promotion::Assignment) {
        let state = &self.world.state;
        let target = self
            .world
            .targets
            .iter()
            .find(|target| target.key == *key)
            .unwrap();
        let id = target.id.clone().unwrap();
        assert!(
            !target.leaving && target.pin.is_none(),
            "{key} is pinned or leaves"
        );
        let hash = given.revision.hash.clone();
        let Some(index) = state.stages.iter().position(|stage| stage.name == given.by.stage) else {
            // No attempt has begun: what the Baseline says.
            assert_eq!((&given.by.wave, &given.revision), (&None, &revision('a')));
            return;
        };
        let stage = &state.stages[index];
        assert_eq!(target.environment, stage.environment);
        if given.by.wave.is_none() {
            // Outside waves only what succeeded in the stage.
            assert_eq!(Some(&given.revision), stage.current_revision.as_ref());
        } else {
            assert_eq!(Some(&given.revision), state.target_revision.as_ref());
            let attempt = state.attempt.as_ref().unwrap();
            assert!(attempt.outcome.is_none() && attempt.ending.is_none());
            for before in &state.stages[..index] {
                if before.state == StageStep::Skipped {
                    continue;
                }
                assert_eq!(
                    before.current_revision.as_ref().map(|it| &it.hash),
                    Some(&hash),
                    "{} came first",
                    before.name
                );
            }
            assert!(!state.rejected.iter().any(|rejected| rejected.hash == hash));
        }
        if self.touched.contains(&id) {
            return;
        }
        let once = (given.by.attempt.clone(), given.by.stage.clone(), id, hash);
        assert!(self.given.insert(once.clone()), "given twice: {once:?}");
        if given.by.wave.is_some() {
            self.check_budget(given);
        }
    }

    /// With the one that is about to be given: those that are not done are the failures allowed and one at most.
    fn check_budget(&self, given: &promotion::Assignment) {
        let open = self.world.targets.iter().filter(|target| {
            let id = target.id.as_ref().unwrap();
            let assigned = target.assigned.as_ref();
            let by = assigned.and_then(|assigned| assigned.by.as_ref());
            let ours = by.is_some_and(|by| {
                by.attempt == given.by.attempt && by.stage == given.by.stage && by.wave.is_some()
            });
            let done = target.applied.as_ref() == Some(&given.revision.hash) && target.ready;
            let gone = target.leaving || target.pin.is_some() || self.touched.contains(id);
            let same = assigned.is_some_and(|assigned| assigned.revision == given.revision);
            ours && same && !done && !gone
        });
        let most = if given.by.stage == "dev" { 1 } else { self.failures } + 1;
        let open: Vec<_> = open.map(|target| target.key.to_string()).collect();
        assert!(open.len() < most as usize, "{open:?} are open, {most} may be");
    }

    fn check_state(&mut self, before: &State) {
        let state = &self.world.state;
        let now = self.world.now;
        let under_way = state.stages.iter().filter(|stage| {
            matches!(
                stage.state,
                StageStep::RollingOut | StageStep::Baking | StageStep::RollingBack | StageStep::Verifying
            )
        });
        assert!(under_way.count() <= 1, "two stages at once");
        assert!(state.history.len() <= 10 && state.rejected.len() <= 10);
        let Some(attempt) = &state.attempt else { return };
        for (number, stage) in state.stages.iter().enumerate() {
            assert!(
                !stage.members.is_empty()
                    || !matches!(stage.state, StageStep::RollingOut | StageStep::Baking)
            );
            for wave in &stage.waves {
                let key = (attempt.id.clone(), stage.name.clone(), wave.name.clone());
                let (Some(start), Some(end)) = (wave.bake_started_at, wave.bake_ends_at) else {
                    continue;
                };
                let known = self.bakes.entry(key.clone()).or_insert((start, end));
                assert_eq!(*known, (start, end), "a bake was written twice");
                let was = before
                    .stages
                    .get(number)
                    .and_then(|stage| stage.waves.iter().find(|was| was.name == wave.name));
                let ends_now = was.is_some_and(|was| was.state != wave.state && was.bake_ends_at.is_some())
                    && wave.state == promotion::WaveStep::Succeeded
                    && before
                        .attempt
                        .as_ref()
                        .is_some_and(|before| before.id == attempt.id);
                let skipped = self.skipped.contains(&format!("{}/{}/{}", key.0, key.1, key.2));
                assert!(!ends_now || now >= end || skipped, "{key:?} baked too short");
            }
        }
        if before
            .attempt
            .as_ref()
            .is_some_and(|before| before.id == attempt.id && before.outcome.is_some())
        {
            assert_eq!(
                before.attempt.as_ref().unwrap().outcome,
                attempt.outcome,
                "an end is an end"
            );
        }
        let size = serde_json::to_string(state).unwrap().len();
        assert!(size < 65_536, "{size}");
    }

    /// People and accounts behave from now on: the attempt ends.
    fn finish(&mut self) {
        let world = &mut self.world;
        world.says.clear();
        world.breaks.clear();
        world.hangs.clear();
        world.requests.hold = None;
        world.spec.suspend = false;
        for target in &mut world.targets {
            target.stalled = None;
            target.ready =
                target.assigned.as_ref().map(|assigned| &assigned.revision.hash) == target.applied.as_ref();
        }
        for turn in 0..400 {
            let step = world.settle();
            match step.standing {
                Standing::Ready(_) | Standing::Stalled(_) => return,
                Standing::Waiting(Why::AwaitingApproval) => world.decide("carol", None, true),
                Standing::Waiting(Why::Inconclusive) => {
                    let id = world.state.attempt.as_ref().unwrap().id.clone();
                    let gates = world
                        .state
                        .stages
                        .iter()
                        .flat_map(|stage| stage.gates.iter().map(move |gate| (stage, gate)));
                    let bad =
                        |gate: &promotion::GateState| gate.verdict == Some(promotion::Verdict::Inconclusive);
                    let (stage, gate) = gates.into_iter().rfind(|(_, gate)| bad(gate)).unwrap();
                    world.requests.reverify = Some(format!("{}/{}@{id}#{turn}", stage.name, gate.name));
                }
                _ => {
                    let wake = step
                        .wake
                        .unwrap_or_else(|| panic!("nothing wakes it: {} {:?}", step.message, world.state));
                    world.now = wake;
                    let now = world.now;
                    for target in &mut world.targets {
                        target.pin = target.pin.take().filter(|pin| pin.expires_at > now);
                    }
                }
            }
        }
        panic!("no end: {:?}", world.step().message);
    }
}

fn policies() -> impl Strategy<Value = (&'static str, &'static str, &'static str)> {
    let what = || prop::sample::select(vec!["Rollback", "Stop", "Ignore"]);
    (what(), what(), prop::sample::select(vec!["Stage", "Wave"]))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    /// T06, T16, T17, T25, P12, P15, P16, P19, P20, P22, P24, P28.
    #[test]
    fn whatever_comes_what_must_hold_holds_and_every_attempt_ends(
        failures in 0_u32..3,
        policy in policies(),
        supersede in prop::sample::select(vec![Supersede::BetweenStages, Supersede::Immediately, Supersede::Never]),
        ops in prop::collection::vec(op(), 1..120),
    ) {
        let mut run = Run::new(failures, policy, supersede);
        for op in &ops {
            run.apply(op);
        }
        run.finish();
        let outcome = run.world.state.attempt.as_ref().and_then(|attempt| attempt.outcome.as_ref());
        let internal = outcome.is_some_and(|outcome| outcome.reason == "InternalError");
        prop_assert!(!internal);
        if outcome.is_some_and(|outcome| outcome.result == AttemptResult::Succeeded) {
            prop_assert!(run.world.state.stable_revision == run.world.state.target_revision);
        }
    }
}
