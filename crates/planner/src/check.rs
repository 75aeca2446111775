//! Rules that no plan may break, stated once and apart from the code that plans.

use crate::Input;
use model::{
    AccountId, AccountKey, Action, Attempt, Claim, CreationState, Finding, JournalEntry, MarkVerdict, Mode,
    Plan, Step, Token, tag_keys,
};
use std::collections::BTreeSet;

/// Checks a plan. Any finding stops the run: better nothing than a wrong step.
pub fn check(input: Input<'_>, plan: &Plan) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |rule: &'static str, detail: String| findings.push(Finding { rule, detail });
    let verdict = input.mark.verdict(input.now);
    let mut ids = BTreeSet::new();
    let mut creations = 0;
    for step in &plan.steps {
        if !ids.insert(&step.id) {
            find("each step once", step.id.to_string());
        }
        let is_mark = matches!(step.action, Action::WriteMark { .. });
        if step.action.mutates_aws() && !is_mark && verdict != MarkVerdict::Ours {
            find(
                "AWS is changed only while the installation mark is ours",
                step.id.to_string(),
            );
        }
        if step.action.mutates_aws() && input.limits.mode == Mode::Observe {
            find("mode Observe changes nothing in AWS", step.id.to_string());
        }
        creations += usize::from(matches!(step.action, Action::CreateAccount { .. }));
        for rule in broken(&input, step) {
            find(rule, step.id.to_string());
        }
    }
    let under_way = input.observed.in_progress().count()
        + input
            .attempts
            .iter()
            .filter(|(token, attempt)| may_be_in_flight(&input, token, attempt))
            .count();
    if creations > 0 && creations + under_way > input.limits.creations_in_flight {
        find(
            "AWS allows five creations in flight",
            format!("{creations} planned, {under_way} under way"),
        );
    }
    for key in input
        .desired
        .accounts
        .keys()
        .filter(|key| !input.stopping && !plan.accounts.contains_key(*key))
    {
        find("each accepted object has its state", key.to_string());
    }
    findings
}

/// The rules one step breaks by itself.
fn broken(input: &Input<'_>, step: &Step) -> Vec<&'static str> {
    let entry = step.key.as_ref().and_then(|key| input.journal.get(key));
    let stored = entry.and_then(|entry| entry.creation.as_ref());
    let mut rules = Vec::new();
    let mut must = |holds: bool, rule: &'static str| rules.extend((!holds).then_some(rule));
    match &step.action {
        Action::Intend(_) => {
            must(
                entry.is_some_and(|entry| entry.held),
                "the finalizer comes before each intent",
            );
            must(
                !entry.is_some_and(|entry| call_under_way(input, entry)),
                "an intent under way is not replaced",
            );
        }
        Action::Release => {
            let bound = entry.is_some_and(|entry| entry.account_id.is_some());
            let under_way = entry.is_some_and(|entry| call_under_way(input, entry));
            let claim = step.key.as_ref().and_then(|key| input.desired.leaving.get(key));
            let visible = |claim: &Claim| {
                input
                    .observed
                    .accounts
                    .keys()
                    .any(|account| claimed(input, account, claim.as_str()))
            };
            let settled = bound || !under_way || claim.is_some_and(visible);
            must(settled, "the finalizer stays while a creation is under way");
        }
        Action::CreateAccount {
            token,
            email,
            account_name,
            role_name,
            tags,
        } => {
            let looked = match input.attempts.get(token) {
                Some(Attempt::Fresh { look }) => input.observed.look.is_some_and(|(done, _)| done >= *look),
                _ => false,
            };
            must(
                looked,
                "a look that began after the intent comes before each CreateAccount",
            );
            let same = stored.is_some_and(|stored| {
                stored.token == *token
                    && stored.email == *email
                    && stored.account_name == *account_name
                    && stored.role_name == *role_name
            });
            must(
                same,
                "a stored intent with the same values comes before each CreateAccount",
            );
            must(
                tags.keys().any(|key| key.as_str() == tag_keys::CLAIM),
                "no account without a claim tag",
            );
        }
        Action::MoveAccount { account, .. }
        | Action::TagAccount { account, .. }
        | Action::UntagAccount { account, .. } => {
            must(
                input.observed.management.as_ref() != Some(account),
                "the management account is never touched",
            );
            let bound = entry.and_then(|entry| entry.account_id.as_ref()) == Some(account);
            let ours = bound || made(input, entry, account) || wanted(input, step.key.as_ref(), account);
            must(ours, "only accounts with this object's claim are changed");
        }
        Action::Withdraw { token } => {
            let unsent = matches!(input.attempts.get(token), Some(Attempt::Fresh { .. }));
            must(unsent, "only an intent that was never sent is taken back");
        }
        Action::RecordRequest { .. }
        | Action::Hold
        | Action::WriteMark { .. }
        | Action::CreateOrganizationalUnit { .. }
        | Action::VerifyAccess { .. }
        | Action::ApplyOutputs { .. } => {}
    }
    rules
}

/// AWS is at the stored intent, as far as this process knows.
fn call_under_way(input: &Input<'_>, entry: &JournalEntry) -> bool {
    let Some(creation) = &entry.creation else {
        return false;
    };
    let attempt = input.attempts.get(&creation.token);
    let accepted = match attempt {
        Some(Attempt::Accepted(id)) => Some(id),
        _ => None,
    };
    let request = creation.request_id.as_ref().or(accepted);
    match request {
        Some(id) => {
            let state = input.observed.creations.get(id).map(|record| &record.state);
            matches!(state, None | Some(CreationState::InProgress))
        }
        None => matches!(attempt, Some(Attempt::Sending)),
    }
}

/// A call that may be in progress at AWS without being listed: under way, or of unknown outcome and young.
fn may_be_in_flight(input: &Input<'_>, token: &Token, attempt: &Attempt) -> bool {
    match attempt {
        Attempt::Sending => true,
        Attempt::Unknown => input
            .journal
            .values()
            .filter_map(|entry| entry.creation.as_ref())
            .any(|creation| {
                creation.token == *token
                    && input.now.duration_since(creation.started_at) < input.limits.creation_grace
            }),
        Attempt::Fresh { .. } | Attempt::Refused | Attempt::Accepted(_) => false,
    }
}

/// AWS said that it made this account for the object's stored intent.
fn made(input: &Input<'_>, entry: Option<&JournalEntry>, account: &AccountId) -> bool {
    let Some(creation) = entry.and_then(|entry| entry.creation.as_ref()) else {
        return false;
    };
    let request = creation
        .request_id
        .as_ref()
        .or(match input.attempts.get(&creation.token) {
            Some(Attempt::Accepted(id)) => Some(id),
            _ => None,
        });
    request
        .and_then(|id| input.observed.creations.get(id))
        .is_some_and(|record| record.state == CreationState::Succeeded(account.clone()))
}

/// The account carries the claim of the object the step is for.
fn wanted(input: &Input<'_>, key: Option<&AccountKey>, account: &AccountId) -> bool {
    key.and_then(|key| input.desired.accounts.get(key))
        .is_some_and(|desired| claimed(input, account, desired.claim.as_str()))
}

fn claimed(input: &Input<'_>, account: &AccountId, claim: &str) -> bool {
    let tags = input
        .observed
        .accounts
        .get(account)
        .and_then(|account| account.tags.as_ref());
    tags.is_some_and(|tags| {
        tags.iter()
            .any(|(key, value)| key.as_str() == tag_keys::CLAIM && value.as_str() == claim)
    })
}
