//! What people ask of a promotion: the annotations that the operator answers. What it would ignore is refused here.

use super::{
    PROGRAM,
    standing::{Standing, gates_at, inconclusive, point},
};
use api::{EnvironmentPromotion, RunAt};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// What is asked.
#[derive(Debug)]
pub(super) enum Asked {
    /// End this attempt, or the one under way.
    Abort { attempt: Option<String> },
    /// Another attempt with the same revision.
    Retry,
    /// `stage/gate`, or the one without a verdict.
    Reverify { gate: Option<String> },
    /// Nothing begins.
    Hold { reason: String },
    /// It may.
    Release,
    /// `stage/wave`, or the one that bakes.
    SkipBake { wave: Option<String> },
}

/// A merge patch, and what to tell whoever asked.
#[derive(Debug, PartialEq)]
pub(super) struct Change {
    pub(super) patch: Value,
    pub(super) told: String,
}

/// Why it does not apply now.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("no attempt is under way: {0}")]
    NoAttempt(String),
    #[error("the attempt under way is {running}, not {given}")]
    OtherAttempt { running: String, given: String },
    #[error("attempt {attempt} is ending already: {message}")]
    Ending { attempt: String, message: String },
    #[error("attempt {attempt} is under way ({standing}); a retry is for one that has ended badly")]
    UnderWay { attempt: String, standing: String },
    #[error("the operator has not looked at the spec as it is now; try again in a moment")]
    Stale,
    #[error("{revision} has passed all stages; there is nothing to retry")]
    Settled { revision: String },
    #[error("what the spec asks for cannot be promoted, so there is nothing to retry: {0}")]
    NotAccepted(String),
    #[error("no attempt has ended badly, so there is nothing to retry: {0}")]
    NotRejected(String),
    #[error("{0:?} is not STAGE/GATE")]
    NotAGate(String),
    #[error("no gate lacks a verdict; say which one to run again with STAGE/GATE")]
    NoGate,
    #[error("several gates lack a verdict ({0}); say which with STAGE/GATE")]
    SeveralGates(String),
    #[error("gate {gate} does not run now; {others}")]
    OtherGate { gate: String, others: String },
    #[error("no wave bakes now: {0}")]
    NoBake(String),
    #[error("{given} does not bake now, {baking} does")]
    OtherBake { given: String, baking: String },
    #[error("it is held already: {0}")]
    Held(String),
    #[error("it is not held{0}")]
    NotHeld(&'static str),
}

/// The change that asks this. `user`: who asks, where it matters.
pub(super) fn change(
    object: &EnvironmentPromotion,
    asked: &Asked,
    user: Option<&str>,
    now: Timestamp,
) -> Result<Change, Refused> {
    let standing = Standing::of(object);
    match asked {
        Asked::Abort { attempt } => abort(&standing, attempt.as_deref()),
        Asked::Retry => retry(&standing, user, now),
        Asked::Reverify { gate } => reverify(&standing, gate.as_deref(), now),
        Asked::Hold { reason } => hold(&standing, reason),
        Asked::Release => release(&standing),
        Asked::SkipBake { wave } => skip_bake(&standing, wave.as_deref()),
    }
}

fn annotate(annotations: &[(&str, Value)], told: String) -> Change {
    let annotations: Map<String, Value> = annotations
        .iter()
        .map(|(name, value)| (format!("bulkhead.dev/{name}"), value.clone()))
        .collect();
    Change {
        patch: json!({"metadata": {"annotations": annotations}}),
        told,
    }
}

/// Where to look whether it happened.
fn look(standing: &Standing<'_>) -> String {
    format!("`{PROGRAM} promotion {}` shows how it goes", standing.name)
}

fn abort(standing: &Standing<'_>, given: Option<&str>) -> Result<Change, Refused> {
    let Some(attempt) = standing.running() else {
        return Err(Refused::NoAttempt(standing.summary()));
    };
    if let Some(given) = given.filter(|given| *given != attempt.id) {
        return Err(Refused::OtherAttempt {
            running: attempt.id.clone(),
            given: given.to_owned(),
        });
    }
    if let Some(ending) = &attempt.ending {
        return Err(Refused::Ending {
            attempt: attempt.id.clone(),
            message: super::clean(&ending.message),
        });
    }
    let told = format!(
        "attempt {} is to end: no more accounts, those that are changing finish; {}",
        attempt.id,
        look(standing)
    );
    Ok(annotate(&[("abort", json!(attempt.id))], told))
}

/// Would a retry do something?
pub(super) fn may_retry(standing: &Standing<'_>) -> Result<(), Refused> {
    if let Some(attempt) = standing.running() {
        return Err(Refused::UnderWay {
            attempt: attempt.id.clone(),
            standing: standing.summary(),
        });
    }
    if standing.stale() {
        return Err(Refused::Stale);
    }
    if let Some(accepted) = standing.condition("Accepted")
        && accepted.status == "False"
    {
        return Err(Refused::NotAccepted(super::clean(&accepted.message)));
    }
    let target = standing.status.target_revision.as_ref();
    if standing.is(api::conditions::READY) && standing.status.phase.as_deref() == Some("Succeeded") {
        let revision = target.map(|target| target.name.clone()).unwrap_or_default();
        return Err(Refused::Settled { revision });
    }
    if !standing.is(api::conditions::STALLED) {
        return Err(Refused::NotRejected(standing.summary()));
    }
    Ok(())
}

fn retry(standing: &Standing<'_>, user: Option<&str>, now: Timestamp) -> Result<Change, Refused> {
    may_retry(standing)?;
    let mut annotations = vec![("retry", json!(now.to_string()))];
    // An attempt belongs to who asked for it; an admission policy looks that it is the one who does.
    annotations.extend(user.map(|user| ("requested-by", json!(user))));
    let begins = match standing.hold() {
        Some(_) => "once it is released a new attempt begins",
        None => "a new attempt begins",
    };
    let mut change = annotate(&annotations, format!("{begins}; {}", look(standing)));
    // Who changed the spec since is the author of what begins, and stays it.
    change.patch["metadata"]["resourceVersion"] = json!(standing.object.metadata.resource_version);
    Ok(change)
}

fn reverify(standing: &Standing<'_>, given: Option<&str>, now: Timestamp) -> Result<Change, Refused> {
    let attempt = unended(standing)?;
    let mut may: Vec<String> = Vec::new();
    let mut open: Vec<String> = Vec::new();
    let lingering = standing.lingering();
    let at_hand = standing.at_hand().map(|at| (at, false));
    for ((stage, state), lingers) in at_hand.into_iter().chain(lingering.map(|at| (at, true))) {
        if state.state == "RollingBack" {
            continue;
        }
        let here: Option<RunAt> = point(state, lingers);
        let gates = here.map(|here| gates_at(stage, here)).unwrap_or_default();
        may.extend(gates.iter().map(|gate| format!("{}/{}", stage.name, gate.name)));
        open.extend(inconclusive(state).map(|gate| format!("{}/{}", stage.name, gate.name)));
    }
    open.retain(|gate| may.contains(gate));
    let gate = match given {
        Some(given) => match given.split_once('/') {
            Some((stage, gate)) if !stage.is_empty() && !gate.is_empty() => given.to_owned(),
            _ => return Err(Refused::NotAGate(given.to_owned())),
        },
        None => match open.as_slice() {
            [only] => only.clone(),
            [] => return Err(Refused::NoGate),
            several => return Err(Refused::SeveralGates(several.join(", "))),
        },
    };
    if !may.contains(&gate) {
        let others = if may.is_empty() {
            format!("no gate does: {}", standing.summary())
        } else {
            format!("these do: {}", may.join(", "))
        };
        return Err(Refused::OtherGate { gate, others });
    }
    // What follows the # makes the words new, so that the same gate can be run again any number of times.
    let token = format!("{gate}@{attempt}#{now}");
    let told = format!("gate {gate} is to run again; {}", look(standing));
    Ok(annotate(&[("reverify", json!(token))], told))
}

/// The attempt under way that is not about to end.
fn unended(standing: &Standing<'_>) -> Result<String, Refused> {
    let Some(attempt) = standing.running() else {
        return Err(Refused::NoAttempt(standing.summary()));
    };
    match &attempt.ending {
        Some(ending) => Err(Refused::Ending {
            attempt: attempt.id.clone(),
            message: super::clean(&ending.message),
        }),
        None => Ok(attempt.id.clone()),
    }
}

fn hold(standing: &Standing<'_>, reason: &str) -> Result<Change, Refused> {
    if let Some(held) = standing.hold().filter(|held| *held == reason) {
        return Err(Refused::Held(super::clean(held)));
    }
    let rolls_back = standing
        .at_hand()
        .is_some_and(|(_, state)| state.state == "RollingBack");
    let what = match standing.running() {
        None => "no attempt begins",
        Some(_) if rolls_back => "the rollback goes on, nothing else begins",
        Some(_) => "what is changing finishes, no stage or wave begins",
    };
    let told = format!("held: {what} until `{PROGRAM} release {}`", standing.name);
    Ok(annotate(&[("hold", json!(reason))], told))
}

fn release(standing: &Standing<'_>) -> Result<Change, Refused> {
    let suspended = standing.object.spec.suspend == Some(true);
    if standing.hold().is_none() {
        return Err(Refused::NotHeld(if suspended {
            "; spec.suspend is true, which is changed where the spec comes from"
        } else {
            ""
        }));
    }
    let told = if suspended {
        "released, but spec.suspend is true, which is changed where the spec comes from".to_owned()
    } else {
        format!("released; {}", look(standing))
    };
    Ok(annotate(&[("hold", Value::Null)], told))
}

fn skip_bake(standing: &Standing<'_>, given: Option<&str>) -> Result<Change, Refused> {
    let attempt = unended(standing)?;
    let baking = standing.at_hand().and_then(|(stage, state)| {
        let wave = state.waves.iter().find(|wave| wave.state == "Baking")?;
        (state.state == "Baking").then(|| format!("{}/{}", stage.name, wave.name))
    });
    let Some(baking) = baking else {
        return Err(Refused::NoBake(standing.summary()));
    };
    if let Some(given) = given.filter(|given| *given != baking) {
        return Err(Refused::OtherBake {
            given: given.to_owned(),
            baking,
        });
    }
    let told = format!("the bake of {baking} is to end now; {}", look(standing));
    Ok(annotate(
        &[("skip-bake", json!(format!("{attempt}/{baking}")))],
        told,
    ))
}
