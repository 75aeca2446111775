//! One account: whose is it, is there one, is it in place, tagged, usable, told to others?

use crate::{
    ascending::ascending,
    creation,
    identity::{Identity, identify},
    leaving, placement,
    planning::Planning,
    revision,
};
use model::{
    AccountFacts, AccountState, AccountView, Action, DesiredAccount, HoldKind, JournalEntry, ObservedAccount,
    OuId, OutputsState, Read, Reason, Stage, StepId, TagKey, TagValue, Tags, Verdict, tag_keys,
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
        placed: Stage::Unknown,
        tagged: Stage::Unknown,
        access: Stage::Unknown,
        verdict: Verdict::Ready,
        awaiting: Vec::new(),
    };
    if let Some(verdict) = planning.overall.clone() {
        if let Identity::Ours(account) = identify(planning, desired, entry) {
            view.account = Some(facts(planning, desired, entry, account));
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
    view.account = Some(facts(planning, desired, entry, account));
    view.vended = vended(account);
    if entry.held && entry.account_id.as_ref() == Some(&account.id) {
        leaving::release(planning, &desired.key);
    }
    if view.vended != Stage::Done {
        return Stage::Unknown;
    }
    view.assigned = revision::settle(planning, desired, entry, account, view);
    if view.assigned != Stage::Done {
        return Stage::Unknown;
    }
    let unit = placement::unit(planning, desired);
    view.placed = match &unit {
        Ok(unit) => placement::place(planning, desired, entry, account, unit),
        Err(stage) => stage.clone(),
    };
    view.tagged = tags(planning, desired, entry, account);
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
) -> AccountFacts {
    let mut wanted = ascending(desired.tags.iter());
    let mut ours = |key: &TagKey| {
        key.as_str().starts_with(tag_keys::PREFIX)
            || wanted.get(key).is_some()
            || entry.managed_tags.contains(key)
    };
    let all = account.tags.iter().flatten();
    let managed_tags: Tags = all
        .filter(|(key, _)| ours(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
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
        foreign_tags,
        role_arn: role_arn(desired, account),
    }
}

/// Tags are owned by key: ours are kept as they should be, all others are left alone.
fn tags(
    planning: &mut Planning<'_>,
    desired: &DesiredAccount,
    entry: &JournalEntry,
    account: &ObservedAccount,
) -> Stage {
    let Some(current) = &account.tags else {
        planning.read(Read::Account(account.id.clone()));
        return Stage::Pending(Reason::Reobserving, "reading the account's tags".into());
    };
    if planning.input.observed.tags_doubted(&account.id) {
        planning.read(Read::Account(account.id.clone()));
    }
    let mut carried = ascending(current.iter());
    let differs: Tags = desired
        .tags
        .iter()
        .filter(|(key, value)| carried.get(key) != Some(*value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let differs = with_revision(differs, entry, account);
    let stored = entry.assigned.iter().flat_map(|assigned| &assigned.tag_keys);
    let surplus: BTreeSet<_> = entry
        .managed_tags
        .iter()
        .chain(stored)
        .filter(|key| {
            !desired.tags.contains_key(*key)
                && current.contains_key(*key)
                && !key.as_str().starts_with(tag_keys::PREFIX)
        })
        .cloned()
        .collect();
    if differs.is_empty() && surplus.is_empty() {
        return Stage::Done;
    }
    if !account.tags_confirmed {
        // The bulk listing may be stale: read the account itself before writing.
        planning.read(Read::Account(account.id.clone()));
        return Stage::Pending(Reason::Reobserving, "reading the account's tags".into());
    }
    // A value that somebody else wrote under a key that has not been ours is not overwritten; the other keys are written.
    let foreign = |key: &TagKey| revision::is_foreign(entry, account, key);
    let (conflicts, differs): (Tags, Tags) = differs.into_iter().partition(|(key, _)| foreign(key));
    let stage = write_tags(planning, desired, account, differs, surplus);
    match conflicts.keys().next() {
        Some(key) => {
            let message = format!(
                "tag {:?} is wanted on account {}, which carries it with a value that Bulkhead did not write; remove that tag from the account, or the key from the spec",
                key.as_str(),
                account.id
            );
            Stage::Blocked(Reason::TagConflict, message)
        }
        None => stage,
    }
}

/// The tag of the revision, where the account does not carry it, travels with the others.
fn with_revision(mut differs: Tags, entry: &JournalEntry, account: &ObservedAccount) -> Tags {
    if let Some(assigned) = &entry.assigned
        && !revision::carries(account, assigned)
        && let (Ok(key), Ok(value)) = (
            TagKey::parse(tag_keys::REVISION),
            TagValue::parse(&assigned.tag()),
        )
    {
        differs.insert(key, value);
    }
    differs
}

/// Writes first, removes afterwards.
fn write_tags(
    planning: &mut Planning<'_>,
    desired: &DesiredAccount,
    account: &ObservedAccount,
    differs: Tags,
    surplus: BTreeSet<TagKey>,
) -> Stage {
    if differs.is_empty() && surplus.is_empty() {
        return Stage::Done;
    }
    if desired.suspend {
        return Stage::Pending(
            Reason::Suspended,
            "spec.suspend is true: tags are not changed".into(),
        );
    }
    if differs.is_empty() {
        let id = format!(
            "untag/{}/{}/{}",
            desired.key,
            account.id,
            join(surplus.iter().map(TagKey::as_str))
        );
        let action = Action::UntagAccount {
            account: account.id.clone(),
            keys: surplus,
        };
        planning.step(
            Some(&desired.key),
            id,
            action,
            Reason::Tagging,
            "removing tags from the account".into(),
        )
    } else {
        let wanted = join(
            differs
                .iter()
                .flat_map(|(key, value)| [key.as_str(), value.as_str()]),
        );
        let id = format!("tag/{}/{}/{wanted}", desired.key, account.id);
        let action = Action::TagAccount {
            account: account.id.clone(),
            tags: differs,
        };
        planning.step(
            Some(&desired.key),
            id,
            action,
            Reason::Tagging,
            "writing the account's tags".into(),
        )
    }
}

fn join<'t>(parts: impl Iterator<Item = &'t str>) -> String {
    parts.collect::<Vec<_>>().join(",")
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
