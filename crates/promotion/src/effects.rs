//! What is to be done, as the stored state says. Doing it twice does it once: an account that has been given a revision by
//! this attempt is not given it again.

use crate::{
    facts::{AssignedBy, Input, Target},
    machine::{current, measuring, tally},
    outcome::{Assignment, Effects},
    program::{Program, Stage},
    roster::{Course, Member, Roster, after, count, has},
    state::{StageState, StageStep, State, WaveStep},
};
use jiff::Timestamp;
use model::{AccountId, AccountKey, Revision};
use std::collections::{BTreeMap, BTreeSet};

/// What is to be done in the world, as the stored state says.
pub fn effects(input: &Input<'_>) -> Effects {
    let mut effects = Effects {
        references: references(input),
        ..Effects::default()
    };
    if input.conflict.is_some() {
        return effects;
    }
    let state = input.state;
    let roster = Roster::new(input.targets);
    let program = program(input, state);
    for environment in environments(input, state) {
        if let Some(current) = current(state, input, environment) {
            effects.current.insert(environment.to_owned(), current.clone());
        }
    }
    late(input, &roster, program.as_ref(), &mut effects);
    let at =
        tally::at(state).and_then(|at| Some((at, state.stages.get(at)?, program.as_ref()?.stages.get(at)?)));
    let ending = state
        .attempt
        .as_ref()
        .is_some_and(|attempt| attempt.ending.is_some());
    if let Some((index, stage, program)) = at
        && !ending
    {
        effects.measure = measuring::measures(input.uid, state, index, program, input.generation, input.now);
        let assigned = match stage.state {
            StageStep::RollingOut => forward(input, &roster, program, stage),
            StageStep::RollingBack => back(input, &roster, program, stage),
            _ => BTreeMap::new(),
        };
        effects.assign.extend(assigned);
    }
    let before = measuring::lingering(state).filter(|_| !ending);
    if let Some((before, program)) = before.and_then(|at| Some((at, program.as_ref()?.stages.get(at)?))) {
        let more = measuring::measures(input.uid, state, before, program, input.generation, input.now);
        effects.measure.extend(more);
    }
    effects
}

fn program(input: &Input<'_>, state: &State) -> Option<Program> {
    let attempt = state.attempt.as_ref()?;
    Program::judge(&attempt.stages, input.allowed_hosts).ok()
}

fn environments<'s>(input: &Input<'s>, state: &'s State) -> BTreeSet<&'s str> {
    let named = input
        .environments
        .into_iter()
        .flat_map(BTreeMap::keys)
        .map(String::as_str);
    named
        .chain(state.stages.iter().map(|stage| stage.environment.as_str()))
        .collect()
}

/// Revisions that accounts have, may get, or may go back to.
fn references(input: &Input<'_>) -> Vec<Revision> {
    let state = input.state;
    let wanted = input
        .spec
        .revision
        .as_ref()
        .and_then(|name| input.revisions.get(name));
    let stages = state
        .stages
        .iter()
        .filter_map(|stage| stage.current_revision.clone());
    let all = state
        .target_revision
        .iter()
        .chain(&state.stable_revision)
        .cloned();
    let all: BTreeSet<Revision> = all
        .chain(stages)
        .chain(wanted.map(|fact| fact.revision.clone()))
        .collect();
    all.into_iter().collect()
}

/// Is the revision stored as it should be? One that is not there is given to nobody.
fn at_hand(input: &Input<'_>, revision: &Revision) -> bool {
    input
        .revisions
        .get(&revision.name)
        .is_some_and(|fact| fact.revision == *revision)
}

fn assignment(
    input: &Input<'_>,
    stage: &str,
    wave: Option<&str>,
    revision: &Revision,
    rollback: bool,
) -> Assignment {
    let attempt = input.state.attempt.as_ref().map(|attempt| attempt.id.clone());
    Assignment {
        revision: revision.clone(),
        by: AssignedBy {
            promotion_uid: input.uid.to_owned(),
            attempt: attempt.unwrap_or_default(),
            stage: stage.to_owned(),
            wave: wave.map(ToOwned::to_owned),
            at: input.now,
        },
        rollback,
    }
}

/// Members that were chosen, and have not been given their revision.
fn chosen<'s>(
    course: &'s Course<'_>,
    roster: &'s Roster<'_>,
    stage: &'s StageState,
) -> impl Iterator<Item = &'s Target> {
    let known: BTreeSet<&AccountId> = stage
        .changing
        .iter()
        .flat_map(|changing| &changing.accounts)
        .collect();
    let members = stage.members.iter().filter(move |id| known.contains(id));
    members
        .filter_map(|id| roster.get(id))
        .filter(|target| course.member(Some(target)) == Member::Waiting)
}

/// The next accounts of the wave that is rolling out.
fn forward(
    input: &Input<'_>,
    roster: &Roster<'_>,
    program: &Stage,
    stage: &StageState,
) -> BTreeMap<AccountKey, Assignment> {
    let none = BTreeMap::new();
    let state = input.state;
    let wave = tally::wave_at(stage).and_then(|at| stage.waves.get(at));
    let (Some(wave), Some(target)) = (
        wave.filter(|wave| wave.state == WaveStep::RollingOut),
        &state.target_revision,
    ) else {
        return none;
    };
    let Some(course) = tally::course(input.uid, state, stage, program.rollback_scope) else {
        return none;
    };
    let total = count(stage.members.len());
    let tally = tally::tally(&course, roster, program, stage, &stage.members, input.now);
    if tally.lost() > program.max_failures.of(total) || !at_hand(input, target) {
        return none;
    }
    let give = |account: &Target| {
        (
            account.key.clone(),
            assignment(input, &stage.name, Some(&wave.name), target, false),
        )
    };
    chosen(&course, roster, stage).map(give).collect()
}

/// The next accounts that go back.
fn back(
    input: &Input<'_>,
    roster: &Roster<'_>,
    program: &Stage,
    stage: &StageState,
) -> BTreeMap<AccountKey, Assignment> {
    let none = BTreeMap::new();
    let Some(course) = tally::course(input.uid, input.state, stage, program.rollback_scope) else {
        return none;
    };
    let Some(back) = course.back.filter(|back| at_hand(input, back.to)) else {
        return none;
    };
    let give = |account: &Target| {
        (
            account.key.clone(),
            assignment(input, &stage.name, None, back.to, true),
        )
    };
    chosen(&course, roster, stage).map(give).collect()
}

/// An account that is behind what succeeded in its environment.
struct Lag<'a> {
    target: &'a Target,
    /// When it gets it by itself.
    due: Timestamp,
}

/// Accounts of one environment outside waves.
struct Late<'a> {
    stage: &'a StageState,
    current: &'a Revision,
    program: Option<&'a Stage>,
    lags: Vec<Lag<'a>>,
    /// Of those that were given it so: changing now, by the time when their deadline ends.
    changing: Vec<Timestamp>,
    /// Of those that were given it so: cannot go on without a person.
    failed: u32,
    /// Accounts that are not pinned.
    total: u32,
}

impl Late<'_> {
    /// How many of those that were given it so are lost: the next ones wait once they are more than may fail.
    fn lost(&self, now: Timestamp) -> u32 {
        self.failed + count(self.changing.iter().filter(|due| **due <= now).count())
    }

    fn most(&self) -> u32 {
        self.program
            .map_or(0, |program| program.max_failures.of(self.total))
    }
}

/// What is to be told of accounts outside waves of which more failed than may: the next ones get nothing.
pub(crate) fn late_failures(input: &Input<'_>, state: &State) -> Option<String> {
    let roster = Roster::new(input.targets);
    let program = program(input, state);
    let all = lates(input, state, &roster, program.as_ref());
    let over = all.iter().find(|late| late.lost(input.now) > late.most())?;
    let mut message = format!(
        "{}: {} accounts that got {} outside of waves failed or were not done in time, {} may",
        over.stage.name,
        over.lost(input.now),
        over.current.name,
        over.most(),
    );
    if !over.lags.is_empty() {
        message = format!(
            "{message}; {} more wait until a person has looked",
            over.lags.len()
        );
    }
    Some(message)
}

/// What concerns accounts outside waves, by environment.
fn lates<'s>(
    input: &Input<'s>,
    state: &'s State,
    roster: &Roster<'s>,
    program: Option<&'s Program>,
) -> Vec<Late<'s>> {
    let at = tally::at(state);
    let mut all = Vec::new();
    for (index, stage) in state.stages.iter().enumerate() {
        let Some(current) = &stage.current_revision else {
            continue;
        };
        let busy = (at == Some(index) || stage.state == StageStep::Failed) && stage.started_at.is_some();
        let program = program.and_then(|program| {
            program
                .stages
                .iter()
                .find(|program| program.environment == stage.environment)
        });
        let mut late = Late {
            stage,
            current,
            program,
            lags: Vec::new(),
            changing: Vec::new(),
            failed: 0,
            total: count(roster.free(&stage.environment).count()),
        };
        let wait = program.and_then(|program| program.opt_in);
        let since = stage.current_since.unwrap_or(input.now);
        for (_, target) in roster.free(&stage.environment) {
            let Some(assigned) = &target.assigned else {
                continue;
            };
            let hash = &assigned.revision.hash;
            if *hash == current.hash {
                let by = assigned
                    .by
                    .as_ref()
                    .filter(|by| by.promotion_uid == input.uid && by.wave.is_none());
                if let (Some(_), Some(_)) = (by, &target.stalled) {
                    late.failed += 1;
                } else if let (Some(by), false) = (by, has(target, hash)) {
                    let deadline = program.map_or(jiff::SignedDuration::from_mins(15), |program| {
                        program.target_deadline
                    });
                    late.changing.push(after(by.at.min(input.now), deadline));
                }
                continue;
            }
            if busy || stage.left.contains(hash) {
                continue;
            }
            // One that was taken back everywhere else does not stay because its owner likes it.
            let bad = state.rejected.iter().any(|rejected| rejected.hash == *hash);
            let due = wait
                .filter(|_| !bad && !target.wants_upgrade)
                .map_or(Timestamp::MIN, |wait| after(since, wait));
            late.lags.push(Lag { target, due });
        }
        all.push(late);
    }
    all
}

/// Accounts that have nothing get what succeeded in their environment, at once; those behind it as `optIn` says.
fn late(input: &Input<'_>, roster: &Roster<'_>, program: Option<&Program>, effects: &mut Effects) {
    for environment in environments(input, input.state) {
        let Some(current) =
            current(input.state, input, environment).filter(|current| at_hand(input, current))
        else {
            continue;
        };
        let stage = input
            .state
            .stages
            .iter()
            .find(|stage| stage.environment == environment);
        let name = stage.map_or(environment, |stage| stage.name.as_str());
        for (_, target) in roster
            .free(environment)
            .filter(|(_, target)| target.assigned.is_none())
        {
            effects
                .assign
                .insert(target.key.clone(), assignment(input, name, None, current, false));
        }
    }
    let held = input.requests.hold.is_some() || input.spec.suspend || input.spec.dry_run;
    for late in lates(input, input.state, roster, program) {
        if !at_hand(input, late.current) {
            continue;
        }
        let closed = !late.lags.is_empty()
            && late.program.is_some_and(|program| {
                program
                    .windows
                    .state(input.now)
                    .is_some_and(|window| window.closed)
            });
        let changing = count(late.changing.iter().filter(|due| **due > input.now).count());
        let lost = late.lost(input.now);
        let most = late
            .program
            .map_or(1, |program| program.concurrency(late.total, lost));
        let mut slots = if held || closed || lost > late.most() {
            0
        } else {
            most.saturating_sub(changing)
        };
        for lag in &late.lags {
            let gets_it = lag.due <= input.now && slots > 0;
            if gets_it {
                slots -= 1;
                let given = assignment(input, &late.stage.name, None, late.current, false);
                effects.assign.insert(lag.target.key.clone(), given);
            }
            // One that cannot take it before a person has acted keeps the offer, whether a window is open or not.
            if !gets_it || lag.target.stalled.is_some() {
                let due = (lag.due > input.now).then_some(lag.due);
                effects
                    .offered
                    .insert(lag.target.key.clone(), (late.current.clone(), due));
            }
        }
    }
}

/// When something happens to accounts outside waves.
pub(crate) fn lag_timers(input: &Input<'_>, state: &State) -> Vec<Timestamp> {
    let roster = Roster::new(input.targets);
    let program = program(input, state);
    let mut timers = Vec::new();
    for late in lates(input, state, &roster, program.as_ref()) {
        timers.extend(late.lags.iter().map(|lag| lag.due));
        if late.lags.is_empty() {
            continue;
        }
        timers.extend(late.changing);
        let window = late.program.and_then(|program| program.windows.state(input.now));
        timers.extend(window.and_then(|window| window.next_open));
    }
    timers
}
