//! Rules that no plan may break, stated once and apart from the code that plans.

mod budgets;
mod owned;
mod policies;
mod tags;

use crate::{
    Input,
    approval::{Ruling, StateRestore, ruling},
    revision,
};
use budgets::over_budget;
use model::{
    AccountId, Action, ApprovalAction, Assigned, Attempt, Claim, Finding, JournalEntry, MarkVerdict, Mode,
    Plan, Step, TagValue, UpdatePolicy, tag_keys,
};
use owned::{call_under_way, claimed, may_be_in_flight, ours};
use std::collections::BTreeSet;
use tags::{may_overwrite, stored_keys};

/// Checks a plan. Any finding stops the run: better nothing than a wrong step.
pub fn check(input: Input<'_>, plan: &Plan) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |rule: &'static str, detail: String| findings.push(Finding { rule, detail });
    let verdict = input.mark.verdict(input.now);
    let policies = policies::Policies::new(input);
    let only_kept = |step: &Step| {
        let key = step.key.as_ref();
        key.is_some_and(|key| input.desired.kept.contains_key(key))
    };
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
        let guards = matches!(
            step.action,
            Action::AttachPolicy { .. } | Action::DetachPolicy { .. }
        );
        if step.action.mutates_aws() && !guards && only_kept(step) {
            find(
                "an object that was not accepted gets nothing but its guardrails",
                step.id.to_string(),
            );
        }
        creations += usize::from(matches!(step.action, Action::CreateAccount { .. }));
        for rule in broken(&input, step).into_iter().chain(policies.broken(step)) {
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
    if let Some(detail) = policies.several_types(plan) {
        find("policy types are enabled one after the other", detail);
    }
    if let Some(detail) = over_budget(&input, plan) {
        find("no more is begun than the budgets leave", detail);
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
        Action::Intend(_, assigned) => {
            must(
                known(entry) <= assigned.sequence && assigned.sequence >= 1,
                "the sequence never goes back",
            );
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
            must(
                tags.get(tag_keys::REVISION)
                    .is_some_and(|tag| stored_revision(entry, tag)),
                "status knows the revision before the account carries it",
            );
            must(
                stored_keys(entry, tags),
                "status knows a tag to be ours before it is written",
            );
        }
        Action::MoveAccount { account, .. }
        | Action::TagAccount { account, .. }
        | Action::UntagAccount { account, .. } => {
            must(
                input.observed.management.as_ref() != Some(account),
                "the management account is never touched",
            );
            must(
                ours(input, step, account),
                "only accounts with this object's claim are changed",
            );
            let observed = input.observed.accounts.get(account);
            let behind = observed.is_none_or(|observed| {
                !observed.tags_confirmed || revision::carried(observed).sequence > known(entry)
            });
            must(
                !behind,
                "an account whose sequence is ahead of status is not changed",
            );
            match &step.action {
                Action::TagAccount { tags, .. } => {
                    must(
                        tags.get(tag_keys::REVISION)
                            .is_none_or(|tag| stored_revision(entry, tag)),
                        "status knows the revision before the account carries it",
                    );
                    must(
                        stored_keys(entry, tags),
                        "status knows a tag to be ours before it is written",
                    );
                    must(
                        may_overwrite(input, step, account, tags),
                        "a value that a person decides on changes only with an Approval",
                    );
                }
                Action::UntagAccount { keys, .. } => must(
                    !keys.contains(tag_keys::REVISION),
                    "an account keeps its revision",
                ),
                _ => {
                    let assigned = entry.and_then(|entry| entry.assigned.as_ref());
                    let carries = observed
                        .zip(assigned)
                        .is_some_and(|(o, a)| revision::carries(o, a));
                    must(
                        carries,
                        "an account carries its revision before it is moved for it",
                    );
                }
            }
        }
        Action::Assign { account, assigned } => {
            let before = entry.and_then(|entry| entry.assigned.as_ref());
            let same = before.is_some_and(|before| {
                let told = (&before.tag_keys, &before.by) != (&assigned.tag_keys, &assigned.by);
                before.tag() == assigned.tag() && told
            });
            must(
                assigned.sequence > known(entry) || same,
                "the sequence never goes back",
            );
            must(
                ours(input, step, account),
                "only accounts with this object's claim get a revision",
            );
            must(
                keeps_revision(input, step, account, assigned),
                "an account that is found again keeps its revision until a promotion",
            );
            must(
                may_assign(input, step, account, assigned),
                "only an Approval goes on from a sequence that status does not know",
            );
        }
        Action::Withdraw { token } => {
            let unsent = matches!(input.attempts.get(token), Some(Attempt::Fresh { .. }));
            must(unsent, "only an intent that was never sent is taken back");
        }
        Action::RecordRequest { .. }
        | Action::Hold
        | Action::Reread
        | Action::WriteMark { .. }
        | Action::CreateOrganizationalUnit { .. }
        | Action::VerifyAccess { .. }
        | Action::ApplyOutputs { .. }
        | Action::EnablePolicyType { .. }
        | Action::CreatePolicy { .. }
        | Action::UpdatePolicy { .. }
        | Action::DeletePolicy { .. }
        | Action::AttachPolicy { .. }
        | Action::DetachPolicy { .. } => {}
    }
    rules
}

/// The sequence that status knows.
fn known(entry: Option<&JournalEntry>) -> i64 {
    let assigned = entry.and_then(|entry| entry.assigned.as_ref());
    assigned.map_or(0, |assigned| assigned.sequence)
}

/// The tag says what status says.
fn stored_revision(entry: Option<&JournalEntry>, tag: &TagValue) -> bool {
    let assigned = entry.and_then(|entry| entry.assigned.as_ref());
    assigned.is_some_and(|assigned| assigned.tag() == tag.as_str())
}

/// Where promotions decide, an account of which status knows no revision gets the one that it carries.
fn keeps_revision(input: &Input<'_>, step: &Step, account: &AccountId, assigned: &Assigned) -> bool {
    let key = step.key.as_ref();
    let desired = key.and_then(|key| input.desired.accounts.get(key));
    let entry = key.and_then(|key| input.journal.get(key));
    let (Some(desired), Some(entry), Some(observed)) = (desired, entry, input.observed.accounts.get(account))
    else {
        return true;
    };
    let carried = revision::carried(observed);
    desired.update == UpdatePolicy::Automatic
        || revision::known_of(entry, observed).is_some()
        || carried
            .revision
            .is_none_or(|name| name == assigned.revision.name && carried.sequence == assigned.sequence)
}

/// What the account carries was read, and either status knows it, or status knows nothing at all (its cluster was lost),
/// or somebody has approved to go on from it.
fn may_assign(input: &Input<'_>, step: &Step, account: &AccountId, assigned: &Assigned) -> bool {
    let observed = input
        .observed
        .accounts
        .get(account)
        .filter(|account| account.tags_confirmed);
    let (Some(observed), Some(key)) = (observed, &step.key) else {
        return false;
    };
    let Some(entry) = input.journal.get(key) else {
        return false;
    };
    let known = revision::known_of(entry, observed);
    let (carried, known) = (
        revision::carried(observed).sequence,
        known.map_or(0, |assigned| assigned.sequence),
    );
    if known == 0 || carried <= known {
        return assigned.sequence >= carried;
    }
    let Some(desired) = input.desired.accounts.get(key) else {
        return false;
    };
    let digest = StateRestore {
        uid: &entry.uid,
        claim: &desired.claim,
        account,
        known,
        carried,
        revision: &desired.revision,
    }
    .digest();
    let approved = ruling(input, key, ApprovalAction::StateRestore, &digest) == Ruling::Approved;
    approved && assigned.sequence > carried
}
