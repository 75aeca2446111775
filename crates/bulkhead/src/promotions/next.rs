//! What is next, when, what is waited for, and what a person can do.

use super::{
    PROGRAM,
    standing::{Standing, bake_time, gates_at, inconclusive, span, wave_at},
};
use api::{Gate, GateStatus, RunAt, Stage, StageStatus};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// How long approvals are waited for where the stage does not say.
const APPROVAL_TIMEOUT: SignedDuration = SignedDuration::from_hours(168);
/// Time between measurements where the gate does not say.
const INTERVAL: SignedDuration = SignedDuration::from_mins(1);

/// What is next.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Next {
    /// Whom or what it waits for; absent: it goes on by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) waits_for: Option<String>,
    /// What follows once that is there.
    pub(super) then: String,
    /// What happens by the clock, the earliest first.
    pub(super) timers: Vec<Timer>,
    /// Commands that apply now.
    pub(super) commands: Vec<String>,
}

/// Something that happens by the clock.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Timer {
    pub(super) at: Timestamp,
    pub(super) what: String,
}

pub(super) fn next(standing: &Standing<'_>) -> Next {
    let mut timers = timers(standing);
    timers.sort();
    Next {
        waits_for: waits_for(standing),
        then: then(standing),
        timers,
        commands: commands(standing),
    }
}

fn waits_for(standing: &Standing<'_>) -> Option<String> {
    if standing.stale() {
        return Some("the operator, which has not looked at the spec as it is now".to_owned());
    }
    if !standing.is(api::conditions::WAITING) {
        return None;
    }
    let text = match standing.reason()? {
        "AwaitingApproval" => approvals(standing)?,
        "ApprovalPolicyMissing" => "an admission policy that deploy/ has".to_owned(),
        "WindowClosed" => "a window that is open".to_owned(),
        "Suspended" => holds(standing),
        "Inconclusive" => {
            let gates: Vec<String> = undecided(standing);
            format!("a person: no verdict of {}", gates.join(", "))
        }
        other => other.to_owned(),
    };
    Some(text)
}

fn approvals(standing: &Standing<'_>) -> Option<String> {
    let (stage, state) = standing.at_hand()?;
    let rules = stage.approval.as_ref()?;
    let missing = missing(stage, state);
    let mut text = match missing {
        1 => "1 more approval".to_owned(),
        more => format!("{more} more approvals"),
    };
    if !rules.groups.is_empty() {
        text = format!("{text} of {}", rules.groups.join(" or "));
    }
    if rules.exclude_author == Some(true) {
        let author = standing
            .running()
            .and_then(|attempt| attempt.requested_by.as_deref());
        text = match author {
            Some(author) => format!("{text}, not of {author}"),
            None => format!("{text}; none counts, because nobody knows who asked"),
        };
    }
    Some(text)
}

/// How many approvals are missing.
pub(super) fn missing(stage: &Stage, state: &StageStatus) -> i64 {
    let given = state.approvals.iter().filter(|one| one.decision == "Approve");
    let given = i64::try_from(given.count()).unwrap_or(i64::MAX);
    let required = stage.approval.as_ref().map_or(0, |rules| rules.required);
    required.saturating_sub(given).max(0)
}

fn holds(standing: &Standing<'_>) -> String {
    let spec = &standing.object.spec;
    let mut all = Vec::new();
    if let Some(reason) = standing.hold() {
        all.push(format!("the hold to be released ({reason})"));
    }
    if spec.suspend == Some(true) {
        all.push("spec.suspend: false".to_owned());
    }
    if spec.dry_run == Some(true) {
        all.push("spec.dryRun: false".to_owned());
    }
    if all.is_empty() {
        // Gone since the status was written.
        all.push("the operator".to_owned());
    }
    all.join(", ")
}

/// `stage/gate` of every gate that decides and has no verdict.
fn undecided(standing: &Standing<'_>) -> Vec<String> {
    let at = standing.at_hand().into_iter().chain(standing.lingering());
    at.flat_map(|(stage, state)| inconclusive(state).map(move |gate| format!("{}/{}", stage.name, gate.name)))
        .collect()
}

fn then(standing: &Standing<'_>) -> String {
    let Some(attempt) = &standing.status.attempt else {
        if standing.object.spec.dry_run == Some(true) {
            return after_the_end(standing);
        }
        return "the first attempt begins".to_owned();
    };
    if attempt.outcome.is_some() {
        return after_the_end(standing);
    }
    if let Some(ending) = &attempt.ending {
        return format!(
            "attempt {} ends as {} once no account is changing",
            attempt.id, ending.result
        );
    }
    let Some((stage, state)) = standing.at_hand() else {
        return "the attempt ends".to_owned();
    };
    let name = &stage.name;
    if state.state == "RollingBack" {
        return format!("attempt {} ends as RolledBack", attempt.id);
    }
    if state.started_at.is_none() {
        let gates = gates_at(stage, RunAt::BeforeStage);
        let first = state.waves.first().map_or("all", |wave| wave.name.as_str());
        return match names(&gates) {
            Some(gates) => format!("{name}: {gates} once more, then wave {first} begins"),
            None => format!("{name} starts with wave {first}"),
        };
    }
    match wave_at(state) {
        None => after_stage(standing, name),
        Some((index, wave)) => match wave.state.as_str() {
            "Pending" => format!("wave {name}/{} begins", wave.name),
            "RollingOut" => match names(&gates_at(stage, RunAt::AfterWave)) {
                Some(gates) => format!("{name}/{}: {gates}", wave.name),
                None => after_test(standing, stage, state, index),
            },
            "Verifying" => after_test(standing, stage, state, index),
            _ => after_bake(standing, stage, state, index),
        },
    }
}

fn after_test(standing: &Standing<'_>, stage: &Stage, state: &StageStatus, wave: usize) -> String {
    match (bake_time(stage, wave), state.waves.get(wave)) {
        (Some(time), Some(wave)) => format!("{}/{} bakes for {time}", stage.name, wave.name),
        _ => after_bake(standing, stage, state, wave),
    }
}

fn after_bake(standing: &Standing<'_>, stage: &Stage, state: &StageStatus, wave: usize) -> String {
    if let Some(next) = state.waves.get(wave + 1) {
        return format!("wave {}/{} begins", stage.name, next.name);
    }
    match names(&gates_at(stage, RunAt::AfterStage)) {
        Some(gates) => format!("{}: {gates}", stage.name),
        None => after_stage(standing, &stage.name),
    }
}

fn after_stage(standing: &Standing<'_>, name: &str) -> String {
    let stages = standing.stages();
    let mut rest = stages.iter().skip_while(|(stage, _)| stage.name != name).skip(1);
    match rest.next() {
        Some((next, _)) => format!("stage {} is entered", next.name),
        None => "the revision becomes the stable one".to_owned(),
    }
}

/// `gates a, b run`.
fn names(gates: &[&Gate]) -> Option<String> {
    let names: Vec<&str> = gates.iter().map(|gate| gate.name.as_str()).collect();
    match names.as_slice() {
        [] => None,
        [one] => Some(format!("gate {one} runs")),
        all => Some(format!("gates {} run", all.join(", "))),
    }
}

fn after_the_end(standing: &Standing<'_>) -> String {
    if standing.object.spec.dry_run == Some(true) {
        "nothing, while spec.dryRun is true".to_owned()
    } else if standing.is(api::conditions::STALLED) {
        "nothing, until there is another revision or somebody asks for a retry".to_owned()
    } else if standing.is(api::conditions::READY) {
        "nothing, until there is another revision".to_owned()
    } else {
        "the next attempt begins".to_owned()
    }
}

fn timers(standing: &Standing<'_>) -> Vec<Timer> {
    let mut timers = Vec::new();
    let mut add = |at: Option<Timestamp>, what: String| timers.extend(at.map(|at| Timer { at, what }));
    let ending = standing.running().is_some_and(|attempt| attempt.ending.is_some());
    let Some((stage, state)) = standing.at_hand().filter(|_| !ending) else {
        return timers;
    };
    let name = &stage.name;
    if let Some(window) = &standing.status.window {
        if window.closed {
            add(window.next_open, format!("{name}: a window opens"));
        } else {
            add(
                window.next_close,
                format!("{name}: the window closes; no wave begins then"),
            );
        }
    }
    if let (Some(rules), None) = (&stage.approval, state.started_at)
        && missing(stage, state) > 0
    {
        let timeout = rules
            .timeout
            .as_deref()
            .and_then(span)
            .unwrap_or(APPROVAL_TIMEOUT);
        let what = format!("{name}: the attempt stops if approvals are missing (ApprovalExpired)");
        add(later(state.approval_since, timeout), what);
    }
    for wave in state.waves.iter().filter(|wave| wave.state == "Baking") {
        add(wave.bake_ends_at, format!("{name}/{}: the bake ends", wave.name));
    }
    for gate in state.gates.iter().filter(|gate| gate.verdict.is_none()) {
        let given = stage.gates.iter().find(|given| given.name == gate.name);
        add(
            measured(given, gate),
            format!("{name}: gate {} is measured", gate.name),
        );
    }
    let what = format!("{name}: the stage has taken too long (DeadlineExceeded)");
    add(deadline(standing, stage, state), what);
    timers
}

fn later(since: Option<Timestamp>, span: SignedDuration) -> Option<Timestamp> {
    since?.checked_add(span).ok()
}

/// When a gate whose run is not over is measured next, at the earliest.
fn measured(gate: Option<&Gate>, state: &GateStatus) -> Option<Timestamp> {
    let gate = gate?;
    let first = state.last_at.is_none() && state.count.unwrap_or(0) == 0;
    if first {
        let delay = gate.initial_delay.as_deref().and_then(span).unwrap_or_default();
        return later(Some(state.started_at), delay);
    }
    let interval = gate.interval.as_deref().and_then(span).unwrap_or(INTERVAL);
    later(state.last_at, interval)
}

/// When the stage has taken too long; no time passes while it waits.
fn deadline(standing: &Standing<'_>, stage: &Stage, state: &StageStatus) -> Option<Timestamp> {
    if state.state == "RollingBack" {
        return None;
    }
    let limit = stage.progress_deadline.as_deref().and_then(span)?;
    let pause = standing.status.pause.as_ref();
    if pause.is_some_and(|pause| pause.since.is_some()) {
        return None;
    }
    let paused = pause.and_then(|pause| pause.total_paused_seconds).unwrap_or(0);
    later(later(state.entered_at, limit), SignedDuration::from_secs(paused))
}

/// Commands that do something now.
fn commands(standing: &Standing<'_>) -> Vec<String> {
    let name = &standing.name;
    let mut commands = Vec::new();
    let mut add = |text: String| commands.push(format!("{PROGRAM} {text}"));
    let awaiting = standing.status.awaiting.first();
    if let Some(awaiting) = awaiting.filter(|_| standing.running().is_some()) {
        add(format!("approve promotion {name} --digest {}", awaiting.digest));
        add(format!("reject promotion {name} --digest {}", awaiting.digest));
    }
    for gate in undecided(standing) {
        add(format!("reverify {name} {gate}"));
    }
    if standing.hold().is_some() {
        add(format!("release {name}"));
    }
    match standing.running() {
        Some(attempt) if attempt.ending.is_none() => {
            add(format!("abort {name} --attempt {}", attempt.id));
        }
        None if super::request::may_retry(standing).is_ok() => add(format!("retry {name}")),
        _ => {}
    }
    commands
}
