//! How the members of a stage stand.

use super::Machine;
use crate::{
    facts::Target,
    program::Stage,
    roster::{Back, Clock, Course, Member, Roster, Tally, after, count, has},
    spec::RollbackScope,
    state::{Changing, StageState, StageStep, State, WaveStep},
};
use jiff::Timestamp;
use model::AccountId;
use std::collections::{BTreeMap, BTreeSet};

/// The stage that the attempt is at; `None`: it runs no more, or all are done.
pub(crate) fn at(state: &State) -> Option<usize> {
    let attempt = state
        .attempt
        .as_ref()
        .filter(|attempt| attempt.outcome.is_none())?;
    let done = |state: StageStep| matches!(state, StageStep::Succeeded | StageStep::Skipped);
    let stages = state.stages.iter().take(attempt.stages.len());
    stages.map(|stage| stage.state).position(|state| !done(state))
}

/// The wave at hand: the first that is not done.
pub(crate) fn wave_at(stage: &StageState) -> Option<usize> {
    stage
        .waves
        .iter()
        .position(|wave| wave.state != WaveStep::Succeeded)
}

/// The wave that a rollback of one wave is about: the one at hand, else the last.
pub(crate) fn wave_back(stage: &StageState) -> Option<&str> {
    let at = wave_at(stage)
        .and_then(|at| stage.waves.get(at))
        .or(stage.waves.last())?;
    Some(&at.name)
}

/// What this stage does to its members now; `None`: no attempt runs, or there is nothing to go back to.
pub(crate) fn course<'s>(
    uid: &'s str,
    state: &'s State,
    stage: &'s StageState,
    scope: RollbackScope,
) -> Option<Course<'s>> {
    let attempt = state.attempt.as_ref()?;
    let back = if stage.state == StageStep::RollingBack {
        let wave = (scope == RollbackScope::Wave).then(|| wave_back(stage)).flatten();
        Some(Back {
            to: stage.current_revision.as_ref()?,
            wave,
        })
    } else {
        None
    };
    Some(Course {
        uid,
        attempt: &attempt.id,
        stage: &stage.name,
        environment: &stage.environment,
        target: &state.target_revision.as_ref()?.hash,
        back,
    })
}

/// Since when it is known that this account is changing has its deadline passed?
pub(crate) fn overdue(stage: &StageState, program: &Stage, id: &AccountId, now: Timestamp) -> bool {
    stage.changing.iter().any(|changing| {
        after(changing.since, program.target_deadline) <= now && changing.accounts.contains(id)
    })
}

/// How far so many members are. One that was chosen and is not given the revision has the same deadline as one that is
/// changing: what keeps an account from being assigned must not keep a wave, or a rollback, for ever.
pub(crate) fn tally(
    course: &Course<'_>,
    roster: &Roster<'_>,
    program: &Stage,
    stage: &StageState,
    members: &[AccountId],
    now: Timestamp,
) -> Tally {
    let clocks = stage.changing.iter().flat_map(|changing| {
        let over = after(changing.since, program.target_deadline) <= now;
        let clock = if over { Clock::Over } else { Clock::Runs };
        changing.accounts.iter().map(move |id| (id, clock))
    });
    let clocks: BTreeMap<&AccountId, Clock> = clocks.collect();
    let mut tally = Tally::default();
    for id in members {
        let target = roster.get(id);
        let member = course.member(target);
        let clock = match clocks.get(id) {
            Some(_) if braked(member, target) => Clock::Runs,
            known => known.copied().unwrap_or(Clock::Stands),
        };
        tally.add(member, clock);
    }
    tally
}

/// Accounts that change at the same time at most, whatever the stage allows: each of them stands in the status.
const AT_ONCE: u32 = 256;

fn at_once(program: &Stage, total: u32, lost: u32) -> u32 {
    program.concurrency(total, lost).min(AT_ONCE)
}

/// It was chosen, and the brake of the installation holds it back.
fn braked(member: Member, target: Option<&Target>) -> bool {
    member == Member::Waiting && target.is_some_and(|target| target.braked)
}

/// The members that are chosen now: they are written down first, and given their revision then. Those that go back while
/// they are changing anyway go first, and take no place of others.
fn choose<'s>(
    course: &Course<'_>,
    roster: &Roster<'_>,
    program: &Stage,
    stage: &'s StageState,
    now: Timestamp,
) -> Vec<&'s AccountId> {
    let tally = tally(course, roster, program, stage, &stage.members, now);
    let total = count(stage.members.len());
    let wave = wave_at(stage).and_then(|at| stage.waves.get(at));
    let members = match (stage.state, wave) {
        (StageStep::RollingBack, _) => &stage.members[..],
        (StageStep::RollingOut, Some(wave))
            if wave.state == WaveStep::RollingOut && tally.lost() <= program.max_failures.of(total) =>
        {
            stage
                .members
                .get(..wave.targets as usize)
                .unwrap_or(&stage.members)
        }
        _ => return Vec::new(),
    };
    let known: BTreeSet<&AccountId> = stage
        .changing
        .iter()
        .flat_map(|changing| &changing.accounts)
        .collect();
    let waiting = members
        .iter()
        .filter(|id| !known.contains(id))
        .filter_map(|id| Some((id, roster.get(id)?)))
        .filter(|(_, target)| course.member(Some(target)) == Member::Waiting);
    let (settled, changing): (Vec<_>, Vec<_>) = waiting.partition(|(_, target)| {
        course.back.is_none() || has(target, course.target) || target.stalled.is_some()
    });
    let busy = tally.changing + tally.chosen + count(changing.len());
    let slots = at_once(program, total, tally.lost()).saturating_sub(busy);
    let settled = settled.into_iter().take(slots as usize);
    changing.into_iter().chain(settled).map(|(id, _)| id).collect()
}

impl Machine<'_> {
    pub(super) fn course(&self, index: usize) -> Option<Course<'_>> {
        let scope = self
            .program
            .as_ref()
            .and_then(|program| program.stages.get(index));
        let scope = scope.map(|stage| stage.rollback_scope).unwrap_or_default();
        course(self.input.uid, &self.state, self.state.stages.get(index)?, scope)
    }

    /// How far a member is.
    pub(super) fn member(&self, index: usize, id: &AccountId) -> Member {
        self.course(index)
            .map_or(Member::Retired, |course| course.member(self.roster.get(id)))
    }

    /// How far so many members are.
    pub(super) fn tally_of(&self, index: usize, program: &Stage, members: &[AccountId]) -> Tally {
        let (Some(course), Some(stage)) = (self.course(index), self.state.stages.get(index)) else {
            return Tally::default();
        };
        tally(&course, &self.roster, program, stage, members, self.input.now)
    }

    /// How far all members are.
    pub(super) fn tally(&self, index: usize, program: &Stage) -> Tally {
        let members = self
            .state
            .stages
            .get(index)
            .map_or(&[][..], |stage| &stage.members);
        self.tally_of(index, program, members)
    }

    /// Members up to the end of a wave.
    pub(super) fn members_to(&self, index: usize, end: u32) -> &[AccountId] {
        let members = self
            .state
            .stages
            .get(index)
            .map_or(&[][..], |stage| &stage.members);
        members.get(..end as usize).unwrap_or(members)
    }

    /// Chooses the accounts that are next; remembers since when they and those that are changing have been so, and forgets
    /// those that are done.
    pub(super) fn watch(&mut self, index: usize, program: &Stage) -> bool {
        let (Some(stage), Some(course)) = (self.state.stages.get(index), self.course(index)) else {
            return false;
        };
        let now = self.input.now;
        let ending = self.running().is_none_or(|attempt| attempt.ending.is_some());
        // Nobody gives anything then.
        let idle = ending || self.input.conflict.is_some();
        let member = |id: &AccountId| course.member(self.roster.get(id));
        let changing = stage.members.iter().filter(|id| member(id) == Member::Changing);
        let mut changing: BTreeSet<&AccountId> = changing.collect();
        if !idle {
            let chosen = stage.changing.iter().flat_map(|changing| &changing.accounts);
            changing.extend(chosen.filter(|id| member(id) == Member::Waiting));
            changing.extend(choose(&course, &self.roster, program, stage, now));
        }
        let mut next: Vec<Changing> = Vec::new();
        for known in &stage.changing {
            // The brake lets it go some day, and then it needs time; written down seldom.
            let half = after(known.since.min(now), program.target_deadline / 2) <= now;
            let anew = |id: &AccountId| half && braked(member(id), self.roster.get(id));
            let accounts: Vec<AccountId> = known
                .accounts
                .iter()
                .filter(|id| !anew(id) && changing.remove(*id))
                .cloned()
                .collect();
            // A clock that was set back must not make a deadline longer than it is.
            let since = known.since.min(now);
            match next.last_mut().filter(|last| last.since == since) {
                Some(last) => last.accounts.extend(accounts),
                None if accounts.is_empty() => {}
                None => next.push(Changing { since, accounts }),
            }
        }
        if !changing.is_empty() {
            let accounts: Vec<AccountId> = changing.into_iter().cloned().collect();
            match next.last_mut().filter(|last| last.since == now) {
                Some(last) => last.accounts.extend(accounts),
                None => next.push(Changing { since: now, accounts }),
            }
        }
        let changed = stage.changing != next;
        if changed && let Some(stage) = self.state.stages.get_mut(index) {
            stage.changing = next;
        }
        changed
    }

    /// Writes down how the members stand.
    pub(super) fn recount(&mut self, index: usize) {
        let Some(program) = self.program.clone() else {
            return;
        };
        let (Some(program), Some(state)) = (program.stages.get(index), self.state.stages.get(index)) else {
            return;
        };
        if state.started_at.is_none() || state.members.is_empty() {
            return;
        }
        let tally = self.tally(index, program);
        let total = count(state.members.len());
        let outside = self
            .roster
            .of(&program.environment)
            .filter(|(id, target)| target.pin.is_some() && !state.members.contains(id));
        let outside = count(outside.count());
        let back = state.state == StageStep::RollingBack;
        let concurrency = at_once(program, total, tally.lost());
        let Some(state) = self.state.stages.get_mut(index) else {
            return;
        };
        let pinned = tally.pinned + outside;
        let before = state.targets.pinned;
        state.targets.total = total + outside;
        state.targets.updated = if back {
            tally.waiting + tally.chosen
        } else {
            tally.done
        };
        state.targets.progressing = tally.changing;
        state.targets.failed = tally.failed;
        state.targets.unreachable = tally.overdue;
        state.targets.pinned = pinned;
        state.targets.retired = tally.retired;
        state.concurrency = Some(concurrency);
        let name = state.name.clone();
        if pinned > before {
            self.tell(
                false,
                "TargetPinned",
                &format!("{name}: {pinned} accounts are left out: pinned"),
            );
        } else if pinned < before {
            self.tell(
                false,
                "PinExpired",
                &format!("{name}: {pinned} accounts are still pinned, {before} were"),
            );
        }
    }
}
