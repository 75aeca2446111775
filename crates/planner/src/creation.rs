//! CreateAccount exactly once.
//!
//! AWS gives the call no idempotency token, so: the finalizer, then an intent with frozen values, then a look at AWS that
//! began after the intent was stored, then one call, then AWS's answer is stored, then polling. Whatever is unknown leads
//! back to the look; a token is used for one call only.

use crate::{
    Input, failure,
    planning::{Planning, Proposal},
    revision,
};
use jiff::Timestamp;
use model::{
    AccountId, AccountKey, Action, Attempt, Change, CreateRequestId, Creation, CreationState, DesiredAccount,
    JournalEntry, Limits, Read, Reason, Stage, StepId, TagKey, TagValue, Token, tag_keys,
};
use sha2::{Digest, Sha256};

/// Where the last creation attempt of an object stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// There was none.
    None,
    /// The intent is stored by this process and nothing was sent; `looked`: the look before the call is complete.
    Fresh { looked: bool, look_after: u64 },
    /// The call is under way.
    Sending,
    /// AWS refused the call.
    Refused,
    /// AWS is at it, or has to be asked.
    InProgress,
    /// There is an account.
    Succeeded(AccountId),
    /// There is none.
    Failed { reason: String, since: Timestamp },
    /// The call may or may not have had its effect.
    Unknown(Grace),
}

/// The time that AWS has to show an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grace {
    pub(crate) until: Timestamp,
    /// It has passed, and a look that began after it is complete.
    pub(crate) over: bool,
}

/// AWS's answer to the call, from the journal or, before it is stored there, from this process.
pub(crate) fn request_of<'a>(input: &Input<'a>, creation: &'a Creation) -> Option<&'a CreateRequestId> {
    creation
        .request_id
        .as_ref()
        .or_else(|| match input.attempts.get(&creation.token) {
            Some(Attempt::Accepted(id)) => Some(id),
            _ => None,
        })
}

/// The account that AWS says it made for the object's last request.
pub(crate) fn answered<'a>(input: &Input<'a>, entry: &'a JournalEntry) -> Option<&'a AccountId> {
    let request = request_of(input, entry.creation.as_ref()?)?;
    match &input.observed.creations.get(request)?.state {
        CreationState::Succeeded(account) => Some(account),
        CreationState::InProgress | CreationState::Failed(_) | CreationState::Unknown => None,
    }
}

/// Can the object's last call still have an effect that is not seen yet?
pub(crate) fn unsettled(input: &Input<'_>, entry: &JournalEntry) -> bool {
    match standing(input, entry) {
        Standing::Sending | Standing::InProgress | Standing::Succeeded(_) => true,
        Standing::Unknown(grace) => !grace.over,
        Standing::None | Standing::Fresh { .. } | Standing::Refused | Standing::Failed { .. } => false,
    }
}

pub(crate) fn standing(input: &Input<'_>, entry: &JournalEntry) -> Standing {
    let Some(creation) = &entry.creation else {
        return Standing::None;
    };
    let observed = input.observed;
    if let Some(id) = request_of(input, creation) {
        return match observed.creations.get(id).map(|record| &record.state) {
            None | Some(CreationState::InProgress) => Standing::InProgress,
            Some(CreationState::Succeeded(account)) => Standing::Succeeded(account.clone()),
            Some(CreationState::Failed(reason)) => {
                let since = observed.settled.get(id).copied().unwrap_or(input.now);
                Standing::Failed {
                    reason: reason.clone(),
                    since,
                }
            }
            // The retention of these records is not documented: an unknown one proves nothing.
            Some(CreationState::Unknown) => Standing::Unknown(grace(input, creation)),
        };
    }
    match input.attempts.get(&creation.token) {
        Some(Attempt::Fresh { look }) => {
            let looked = observed.look.is_some_and(|(done, _)| done >= *look);
            Standing::Fresh {
                looked,
                look_after: *look,
            }
        }
        Some(Attempt::Sending) => Standing::Sending,
        Some(Attempt::Refused) => Standing::Refused,
        Some(Attempt::Unknown | Attempt::Accepted(_)) | None => Standing::Unknown(grace(input, creation)),
    }
}

/// How long AWS has to show the effect of a call whose answer is not known.
pub(crate) fn grace(input: &Input<'_>, creation: &Creation) -> Grace {
    let until = creation
        .started_at
        .checked_add(input.limits.creation_grace)
        .unwrap_or(Timestamp::MAX);
    let looked = input.observed.look.is_some_and(|(_, began)| began >= until);
    Grace {
        until,
        over: looked && input.now >= until,
    }
}

/// Was this asked for with the values that are wanted now?
pub(crate) fn as_wanted(desired: &DesiredAccount, creation: &Creation) -> bool {
    creation.email.folded() == desired.email.folded()
        && creation.account_name == desired.account_name
        && creation.role_name == desired.role_name
}

/// What rests after a refused call: named by all that was asked for, so that other values are tried at once.
fn call_id(desired: &DesiredAccount) -> StepId {
    let DesiredAccount {
        key,
        email,
        account_name,
        role_name,
        tags,
        ..
    } = desired;
    let mut digest = Sha256::new_with_prefix(role_name.as_str());
    for (key, value) in tags {
        digest.update(format!("|{key}={value}"));
    }
    let rest = digest
        .finalize()
        .iter()
        .take(4)
        .fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
    StepId(format!(
        "create/{key}/{}/{account_name}/{rest:08x}",
        email.folded()
    ))
}

/// An object without a visible account of its own: asks AWS for one, or waits for the answer.
pub(crate) fn create(planning: &mut Planning<'_>, desired: &DesiredAccount, entry: &JournalEntry) -> Stage {
    match standing(&planning.input, entry) {
        Standing::None => begin(planning, desired, entry, 1),
        Standing::Fresh { looked, look_after } => {
            let stage = send(planning, desired, entry, looked, look_after);
            as_last_said(planning, desired, stage)
        }
        Standing::Sending => {
            planning.unsettled += 1;
            as_last_said(
                planning,
                desired,
                pending(Reason::CreationInProgress, "asking AWS for the account"),
            )
        }
        Standing::Refused => {
            let (stage, rests) =
                planning.resting(&call_id(desired), Reason::CreationQueued, "trying again".into());
            if rests {
                return stage;
            }
            let stage = begin_next(planning, desired, entry);
            as_last_said(planning, desired, stage)
        }
        Standing::InProgress => {
            planning.unsettled += 1;
            record_request(planning, &desired.key, entry);
            pending(Reason::CreationInProgress, "AWS is creating the account")
        }
        Standing::Succeeded(account) => {
            planning.unsettled += 1;
            record_request(planning, &desired.key, entry);
            planning.read(Read::Account(account.clone()));
            Stage::Pending(
                Reason::AccountNotVisible,
                format!("account {account} is created; waiting for AWS to show it"),
            )
        }
        Standing::Failed { reason, since } => failure::failed(planning, desired, entry, &reason, since),
        Standing::Unknown(grace) => look_again(planning, desired, entry, grace),
    }
}

pub(crate) fn pending(reason: Reason, message: &str) -> Stage {
    Stage::Pending(reason, message.to_owned())
}

/// While a call that failed is tried again with the same values, from the intent on, the object keeps saying why it
/// failed: status would flap otherwise.
fn as_last_said(planning: &mut Planning<'_>, desired: &DesiredAccount, stage: Stage) -> Stage {
    match stage {
        Stage::Pending(reason, message) if !desired.suspend => {
            planning.resting(&call_id(desired), reason, message).0
        }
        stage => stage,
    }
}

/// While something that was refused for good is tried again, it keeps saying so.
pub(crate) fn keep_blocked(before: Stage, now: Stage) -> Stage {
    if matches!(before, Stage::Blocked(..)) {
        before
    } else {
        now
    }
}

/// Asks again with the values that were sent, whatever is wanted now: should the earlier request have its effect after
/// all, AWS refuses a second account with the same email, and only with the same.
pub(crate) fn repeat(planning: &mut Planning<'_>, desired: &DesiredAccount, entry: &JournalEntry) -> Stage {
    let Some(sent) = &entry.creation else {
        return Stage::Unknown;
    };
    begin_next(planning, &with_sent(desired, sent), entry)
}

/// What is wanted, with the values that were sent.
fn with_sent(desired: &DesiredAccount, sent: &Creation) -> DesiredAccount {
    let Creation {
        email,
        account_name,
        role_name,
        ..
    } = sent.clone();
    DesiredAccount {
        email,
        account_name,
        role_name,
        ..desired.clone()
    }
}

/// Attempts are counted by what they ask for: with other values there is no earlier one that could be at work.
pub(crate) fn begin_next(
    planning: &mut Planning<'_>,
    desired: &DesiredAccount,
    entry: &JournalEntry,
) -> Stage {
    let same = entry
        .creation
        .as_ref()
        .filter(|creation| as_wanted(desired, creation));
    let attempt = same.map_or(0, |creation| creation.attempt) + 1;
    begin(planning, desired, entry, attempt)
}

/// Finalizer first, then the intent, when there is room.
fn begin(planning: &mut Planning<'_>, desired: &DesiredAccount, entry: &JournalEntry, attempt: i64) -> Stage {
    if desired.suspend {
        return pending(Reason::Suspended, "spec.suspend is true: no account is created");
    }
    if let Err(stage) = planning.creations.take(&mut planning.plan) {
        return stage;
    }
    if planning.unsettled >= planning.input.limits.creation_window {
        return pending(
            Reason::CreationQueued,
            "waiting for other accounts: AWS creates five at a time",
        );
    }
    planning.unsettled += 1;
    let key = &desired.key;
    let message = "preparing to ask AWS for the account";
    if !entry.held {
        return planning.step(
            Some(key),
            format!("hold/{key}"),
            Action::Hold,
            Reason::LookingFirst,
            message.into(),
        );
    }
    let Some(token) = token(planning, desired, entry, attempt) else {
        return Stage::Blocked(Reason::InternalError, "no creation token could be made".into());
    };
    let creation = Creation {
        token,
        attempt,
        started_at: planning.input.now,
        epoch: planning.input.epoch,
        email: desired.email.clone(),
        account_name: desired.account_name.clone(),
        role_name: desired.role_name.clone(),
        request_id: None,
    };
    let id = format!("intend/{key}/{attempt}");
    planning.step(
        Some(key),
        id,
        Action::Intend(creation, revision::at_birth(desired, entry)),
        Reason::LookingFirst,
        message.into(),
    )
}

/// Unlike any other token: the nonce is a secret of this term; the time tells an object from an earlier one of its name.
fn token(
    planning: &Planning<'_>,
    desired: &DesiredAccount,
    entry: &JournalEntry,
    attempt: i64,
) -> Option<Token> {
    let Input {
        nonce, epoch, now, ..
    } = planning.input;
    let material = format!(
        "{nonce}|{epoch}|{}|{attempt}|{}",
        desired.claim,
        now.as_nanosecond()
    );
    let digest = Sha256::digest(material.as_bytes());
    // 10 of 32 bytes are unique enough and keep the tag short.
    let number = digest
        .iter()
        .take(10)
        .fold(0_u128, |number, byte| (number << 8) | u128::from(*byte));
    Token::parse(&format!("{}{number:020x}", tokens_of(entry))).ok()
}

/// The beginning of this object's tokens. It tells an account that an earlier intent of this very object made, which an
/// older etcd may have forgotten, from one that another object asked for: of another cluster, or of this name before it was
/// deleted and applied again. No two objects share a UID, and a restored one keeps its own.
pub(crate) fn tokens_of(entry: &JournalEntry) -> String {
    let digest = Sha256::digest(entry.uid.as_bytes());
    let number = digest
        .iter()
        .take(4)
        .fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
    format!("{number:08x}")
}

/// The intent is stored: look, then call once.
fn send(
    planning: &mut Planning<'_>,
    desired: &DesiredAccount,
    entry: &JournalEntry,
    looked: bool,
    look_after: u64,
) -> Stage {
    let Some(creation) = &entry.creation else {
        return Stage::Unknown;
    };
    if desired.suspend {
        return pending(Reason::Suspended, "spec.suspend is true: no account is created");
    }
    if !as_wanted(desired, creation) && creation.attempt == 1 {
        // Nothing was sent, so the intent may be replaced. A later attempt may be a repetition, whose values are not free.
        return begin_next(planning, desired, entry);
    }
    let Limits {
        creation_grace,
        creations_in_flight,
        ..
    } = *planning.input.limits;
    let age = planning.input.now.duration_since(creation.started_at);
    let stray_name = planning
        .index
        .stray_names
        .contains(creation.account_name.as_str());
    if looked && !stray_name && planning.sending < creations_in_flight && age > creation_grace / 2 {
        // The grace after an unknown outcome counts from the intent: one that waited long for a free place is made anew.
        return repeat(planning, desired, entry);
    }
    planning.unsettled += 1;
    if let Err(stage) = planning.creations.take(&mut planning.plan) {
        return stage;
    }
    if !looked {
        let seen = planning.input.observed.look.map_or(0, |(done, _)| done);
        if seen < look_after {
            planning.read(Read::Look);
        }
        return pending(
            Reason::LookingFirst,
            "looking whether the account exists before asking for it",
        );
    }
    if stray_name {
        look_every_poll(planning);
        return stray(creation);
    }
    let id = call_id(&with_sent(desired, creation));
    let message = "asking AWS for the account".to_owned();
    let (stage, rests) = planning.resting(&id, Reason::CreationInProgress, message.clone());
    if rests {
        return stage;
    }
    if planning.sending >= creations_in_flight {
        return pending(
            Reason::CreationQueued,
            "waiting for other accounts: AWS creates five at a time",
        );
    }
    let own = |key: &&TagKey| !key.as_str().starts_with(tag_keys::PREFIX);
    let recorded = |key: &TagKey| revision::is_recorded(entry, key);
    let Some(assigned) = entry
        .assigned
        .as_ref()
        .filter(|_| desired.tags.keys().filter(own).all(recorded))
    else {
        // The intent is of a version that knew of no revisions, or another tag is wanted since: no key is written before
        // it is stored that it is ours.
        return repeat(planning, desired, entry);
    };
    planning.sending += 1;
    let mut tags = desired.tags.clone();
    for (key, value) in [
        (tag_keys::CREATION_TOKEN, creation.token.as_str()),
        (tag_keys::REVISION, &assigned.tag()),
    ] {
        if let (Ok(key), Ok(value)) = (TagKey::parse(key), TagValue::parse(value)) {
            tags.insert(key, value);
        }
    }
    let Creation {
        token,
        email,
        account_name,
        role_name,
        ..
    } = creation.clone();
    let action = Action::CreateAccount {
        token,
        email,
        account_name,
        role_name,
        tags,
    };
    let spends = Some(Change::Creation).filter(|change| planning.input.limits.brake.counts(change));
    let proposal = Proposal {
        key: Some(&desired.key),
        id,
        action,
        spends,
        reason: Reason::CreationInProgress,
    };
    planning.counted_step(proposal, message)
}

fn stray(creation: &Creation) -> Stage {
    let message = format!(
        "a request for an account named {:?} that no object knows is in progress; it may be an earlier one of this object",
        creation.account_name.as_str()
    );
    Stage::Pending(Reason::CreationNameInFlight, message)
}

/// Stores AWS's answer to the object's intent.
pub(crate) fn record_request(planning: &mut Planning<'_>, key: &AccountKey, entry: &JournalEntry) {
    let Some(creation) = entry
        .creation
        .as_ref()
        .filter(|creation| creation.request_id.is_none())
    else {
        return;
    };
    let Some(request_id) = request_of(&planning.input, creation).cloned() else {
        return;
    };
    let id = format!("record/{key}/{}", creation.token);
    let action = Action::RecordRequest {
        token: creation.token.clone(),
        request_id,
    };
    planning.step(
        Some(key),
        id,
        action,
        Reason::CreationInProgress,
        "storing AWS's answer".into(),
    );
}

/// The outcome is unknown: it may show up in the listing or among the requests in progress; only when AWS had the time
/// to show it and did not is there another attempt.
fn look_again(
    planning: &mut Planning<'_>,
    desired: &DesiredAccount,
    entry: &JournalEntry,
    Grace { until, over }: Grace,
) -> Stage {
    if let Some(creation) = &entry.creation
        && planning
            .index
            .stray_names
            .contains(creation.account_name.as_str())
    {
        planning.unsettled += 1;
        look_every_poll(planning);
        return stray(creation);
    }
    if over {
        return repeat(planning, desired, entry);
    }
    planning.unsettled += 1;
    if planning.input.now >= until {
        planning.read(Read::Look);
    } else {
        planning.plan.wake_at(until);
        look_every_poll(planning);
    }
    pending(
        Reason::CreationOutcomeUnknown,
        "the outcome of an earlier request is unknown; looking for its account before asking again",
    )
}

/// Looks again at the pace of the poll for the first minutes: an effect shows up soon or not at all.
pub(crate) fn look_every_poll(planning: &mut Planning<'_>) {
    let period = planning.input.limits.poll * 6;
    let next = planning
        .input
        .observed
        .look
        .and_then(|(_, began)| began.checked_add(period).ok());
    match next {
        Some(next) if next > planning.input.now => planning.plan.wake_at(next),
        _ => planning.read(Read::Look),
    }
}
