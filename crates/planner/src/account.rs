//! One account: whose is it, is there one, is it guarded, in place, tagged, usable, told to others?

use crate::{
    ascending::ascending,
    creation,
    identity::{Identity, identify},
    leaving, placement,
    planning::Planning,
    policies, revision, tags,
};
use model::{
    AccountFacts, AccountState, AccountView, Action, DesiredAccount, HoldKind, JournalEntry, ObservedAccount,
    OuId, OutputsState, Read, Reason, Stage, StepId, Tags, Verdict, tag_keys,
};
use std::collections::{BTreeMap, BTreeSet};

/// Failures in a row after which a role that never worked is a matter for a person: at the pace of the executor's
/// back-off about 15 minutes, longer than any readiness lag that was reported (`seconds to 7 min`).
const ACCESS_PATIENCE: u32 = 60;
/// Failures in a row after which a role that has worked counts as broken.
const ACCESS_LOST: u32 = 3;
/// Where AWS Organizations lives in the partition `aws`.
const REGION: &str = "us-east-1";

/// Plans one account.
pub(crate) fn plan<'a>(planning: &mut Planning<'a>, desired: &'a DesiredAccount, entry: &'a JournalEntry) {
    planning.age = desired.created;
    let mut view = AccountView {
        account: None,
        vended: Stage::Unknown,
        assigned: Stage::Unknown,
        guarded: Stage::Unknown,
        placed: Stage::Unknown,
        tagged: Stage::Unknown,
        access: Stage::Unknown,
        verdict: Verdict::Ready,
        applied: false,
        awaiting: Vec::new(),
    };
    if let Some(verdict) = planning.overall.clone() {
        if let Identity::Ours(account) = identify(planning, desired, entry) {
            let attached = planning.input.observed.policies.attached_to(&account.id);
            view.account = Some(facts(planning, desired, entry, account, attached));
        }
        view.verdict = verdict;
    } else {
        let outputs = stages(planning, desired, entry, &mut view);
        view.verdict = verdict(&view, &outputs, desired);
    }
    planning.plan.accounts.insert(desired.key.clone(), view);
}

/// The stages in their order; gives the stage of the outputs, which has no condition of its own.
fn stages<'a>(
    planning: &mut Planning<'a>,
    desired: &'a DesiredAccount,
    entry: &'a JournalEntry,
    view: &mut AccountView,
) -> Stage {
    let account = match identify(planning, desired, entry) {
        Identity::Ours(account) => Some(account),
        Identity::Ask(id) => {
            planning.read(Read::Account(id.clone()));
            let message = format!("reading account {id} to see whose it is");
            view.vended = Stage::Pending(Reason::AccountNotVisible, message);
            return Stage::Unknown;
        }
        Identity::Blocked(reason, message) => {
            view.vended = Stage::Blocked(reason, message);
            return Stage::Unknown;
        }
        Identity::None => None,
    };
    let Some(account) = account else {
        // The unit is made while AWS is at the account.
        let unit = placement::unit(planning, desired);
        view.vended = match unit {
            // Nothing is asked for that would have nowhere to go; what was asked for is seen through.
            Err(Stage::Blocked(reason, message)) if !creation::unsettled(&planning.input, entry) => {
                Stage::Blocked(reason, message)
            }
            _ => creation::create(planning, desired, entry),
        };
        return Stage::Unknown;
    };
    let attached = planning.input.observed.policies.attached_to(&account.id);
    view.account = Some(facts(planning, desired, entry, account, attached));
    view.vended = vended(account);
    if entry.held && entry.account_id.as_ref() == Some(&account.id) {
        leaving::release(planning, &desired.key);
    }
    if view.vended != Stage::Done {
        return Stage::Unknown;
    }
    view.assigned = revision::settle(planning, desired, entry, account, view);
    if view.assigned != Stage::Done {
        policies::of_unsettled(planning, desired, entry, account, &view.assigned);
        return Stage::Unknown;
    }
    let guarded = policies::guard(planning, desired, entry, account, attached);
    view.guarded = guarded.stage;
    let unit = placement::unit(planning, desired);
    view.placed = match &unit {
        Ok(unit) => placement::place(planning, desired, entry, account, unit, guarded.attached),
        Err(stage) => stage.clone(),
    };
    view.tagged = tags::keep(planning, desired, entry, account, view);
    let stages = [&view.guarded, &view.placed, &view.tagged];
    view.applied = stages.into_iter().all(|stage| *stage == Stage::Done);
    if view.placed != Stage::Done {
        return Stage::Unknown;
    }
    view.access = access(planning, desired, entry, account);
    if view.access != Stage::Done || view.tagged != Stage::Done {
        return Stage::Unknown;
    }
    match unit {
        Ok(unit) => tell(planning, desired, entry, account, unit),
        Err(stage) => stage,
    }
}

/// The state of the account itself.
fn vended(account: &ObservedAccount) -> Stage {
    let blocked = |reason, message: &str| Stage::Blocked(reason, format!("account {} {message}", account.id));
    match account.state {
        AccountState::Active => Stage::Done,
        AccountState::PendingActivation => Stage::Pending(
            Reason::AccountPendingActivation,
            format!("account {} is not activated by AWS yet", account.id),
        ),
        AccountState::Suspended => blocked(Reason::AccountSuspended, "is suspended by AWS; ask AWS Support"),
        AccountState::PendingClosure => blocked(Reason::AccountClosed, "is being closed"),
        AccountState::Closed => blocked(
            Reason::AccountClosed,
            "is closed; it is never created again by itself",
        ),
        AccountState::Unknown => Stage::Pending(
            Reason::AccountPendingActivation,
            format!("account {} is in a state this version does not know", account.id),
        ),
    }
}

fn role_arn(desired: &DesiredAccount, account: &ObservedAccount) -> String {
    format!("arn:aws:iam::{}:role/{}", account.id, desired.role_name)
}

fn facts(
    planning: &Planning<'_>,
    desired: &DesiredAccount,
    entry: &JournalEntry,
    account: &ObservedAccount,
    attached: Option<&policies::Attached>,
) -> AccountFacts {
    let mut wanted = ascending(desired.tags.iter());
    let (mut managed_tags, mut unsettled_tags) = (Tags::new(), BTreeSet::new());
    for (key, value) in account.tags.iter().flatten() {
        let by_prefix = key.as_str().starts_with(tag_keys::PREFIX);
        let wanted = wanted.get(key);
        if !by_prefix && wanted.is_none() && !entry.managed_tags.contains_key(key) {
            continue;
        }
        if !by_prefix && wanted != Some(value) {
            unsettled_tags.insert(key.clone());
        }
        managed_tags.insert(key.clone(), value.clone());
    }
    let foreign_tags = account.tags.as_ref().map_or(0, Tags::len) - managed_tags.len();
    AccountFacts {
        id: account.id.clone(),
        arn: account.arn.clone(),
        state: account.state,
        email: account.email.clone(),
        name: account.name.clone(),
        parent: account.parent.clone(),
        path: planning
            .index
            .path_of(&account.parent)
            .unwrap_or_default()
            .to_owned(),
        managed_tags,
        unsettled_tags,
        foreign_tags,
        policies: planning.index.own_names(attached),
        role_arn: role_arn(desired, account),
    }
}

/// The role is proven from inside: "created" is seconds to minutes before "usable".
fn access(
    planning: &mut Planning<'_>,
    desired: &DesiredAccount,
    entry: &JournalEntry,
    account: &ObservedAccount,
) -> Stage {
    let role_arn = role_arn(desired, account);
    let proven = planning
        .input
        .observed
        .access
        .get(&account.id)
        .filter(|(role, _)| *role == role_arn);
    if let Some((_, at)) = proven {
        let again = at.checked_add(planning.input.limits.refresh_full).unwrap_or(*at);
        if again > planning.input.now {
            planning.plan.wake_at(again);
            return Stage::Done;
        }
    }
    let had_worked = entry.verified_role.as_deref() == Some(role_arn.as_str()) || proven.is_some();
    let id = StepId(format!("access/{}/{role_arn}", desired.key));
    let hold = planning.input.held.get(&id);
    let failures = hold.map_or(0, |hold| hold.failures);
    let (denied, stalled) = hold.map_or((false, false), |hold| {
        (
            hold.reason == Reason::AccessPending,
            hold.kind == HoldKind::Stalled,
        )
    });
    let message = format!(
        "waiting until the role {} can be used; AWS may need some minutes",
        desired.role_name
    );
    let action = Action::VerifyAccess {
        account: account.id.clone(),
        role_arn,
    };
    let stage = planning.step(
        Some(&desired.key),
        id.0,
        action,
        Reason::AccessPending,
        message.clone(),
    );
    if denied && failures >= if had_worked { ACCESS_LOST } else { ACCESS_PATIENCE } {
        let message = format!(
            "the role {} cannot be assumed from the management account, or a policy denies it what Bulkhead's probe needs; Bulkhead keeps trying",
            desired.role_name
        );
        return Stage::Blocked(Reason::AccessDenied, message);
    }
    // That AWS cannot be asked is no evidence against a role that has worked.
    if had_worked && (failures < ACCESS_LOST || !stalled) {
        return Stage::Done;
    }
    match stage {
        Stage::Pending(Reason::AccessPending, _) => Stage::Pending(Reason::AccessPending, message),
        stage => stage,
    }
}

/// The outputs ConfigMap.
fn tell(
    planning: &mut Planning<'_>,
    desired: &DesiredAccount,
    entry: &JournalEntry,
    account: &ObservedAccount,
    unit: &OuId,
) -> Stage {
    let Some(outputs) = &desired.outputs else {
        return Stage::Done;
    };
    let data: BTreeMap<String, String> = [
        ("accountId", account.id.to_string()),
        ("arn", account.arn.clone()),
        ("email", account.email.clone()),
        ("environment", desired.environment.clone()),
        ("organizationalUnitId", unit.to_string()),
        ("organizationalUnitPath", desired.organizational_unit.to_string()),
        ("partition", "aws".to_owned()),
        ("region", REGION.to_owned()),
        ("roleArn", role_arn(desired, account)),
        ("workload", desired.workload.clone()),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect();
    match &entry.outputs {
        OutputsState::Ours(current) if *current == data => Stage::Done,
        OutputsState::Foreign => Stage::Blocked(
            Reason::OutputsConflict,
            format!(
                "ConfigMap {:?} exists and is not controlled by this AwsAccount; it is left alone",
                outputs.config_map
            ),
        ),
        OutputsState::Ours(_) | OutputsState::Absent => {
            let id = format!("outputs/{}/{}", desired.key, outputs.config_map);
            let message = format!("writing the outputs to ConfigMap {}", outputs.config_map);
            let action = Action::ApplyOutputs {
                config_map: outputs.config_map.clone(),
                data,
            };
            planning.step(Some(&desired.key), id, action, Reason::OutputsPending, message)
        }
    }
}

/// The first stage that is not done speaks; one that needs a person before one that takes its time.
pub(crate) fn verdict(view: &AccountView, outputs: &Stage, desired: &DesiredAccount) -> Verdict {
    let stages = [
        &view.vended,
        &view.assigned,
        &view.guarded,
        &view.placed,
        &view.tagged,
        &view.access,
        outputs,
    ];
    for stage in stages {
        if let Stage::Blocked(reason, message) = stage {
            return Verdict::Refused(*reason, message.clone());
        }
    }
    for stage in stages {
        if let Stage::Pending(reason, message) = stage {
            let (reason, message) = (*reason, message.clone());
            return if reason.waits() {
                Verdict::Waiting(reason, message)
            } else {
                Verdict::Working(reason, message)
            };
        }
    }
    if stages.iter().any(|stage| **stage == Stage::Unknown) {
        return Verdict::Working(Reason::Pending, "not judged yet".into());
    }
    match desired.open_gates.first() {
        Some(gate) => {
            let message = format!(
                "waiting for the condition {gate:?} on this object, a readiness gate of its environment"
            );
            Verdict::Waiting(Reason::ReadinessGateNotTrue, message)
        }
        None => Verdict::Ready,
    }
}
