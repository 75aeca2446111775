//! Rules that no plan may break, stated once and apart from the code that plans.

use crate::Input;
use model::{Action, Attempt, Finding, MarkVerdict, Mode, Plan, tag_keys};
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
            find("AWS is changed only while the installation mark is ours", step.id.to_string());
        }
        if step.action.mutates_aws() && input.limits.mode == Mode::Observe {
            find("mode Observe changes nothing in AWS", step.id.to_string());
        }
        match &step.action {
            Action::CreateAccount { token, tags, .. } => {
                creations += 1;
                let looked = match input.attempts.get(token) {
                    Some(Attempt::Fresh { look }) => input.observed.look.is_some_and(|(done, _)| done >= *look),
                    _ => false,
                };
                if !looked {
                    find("a look that began after the intent comes before each CreateAccount", step.id.to_string());
                }
                let stored = step.key.as_ref().and_then(|key| input.journal.get(key));
                if stored.and_then(|entry| entry.creation.as_ref()).is_none_or(|stored| stored.token != *token) {
                    find("a stored intent comes before each CreateAccount", step.id.to_string());
                }
                if !tags.keys().any(|key| key.as_str() == tag_keys::CLAIM) {
                    find("no account without a claim tag", step.id.to_string());
                }
            }
            Action::MoveAccount { account, .. }
            | Action::TagAccount { account, .. }
            | Action::UntagAccount { account, .. } => {
                if input.observed.management.as_ref() == Some(account) {
                    find("the management account is never touched", step.id.to_string());
                }
                let bound = step.key.as_ref().and_then(|key| input.journal.get(key)?.account_id.clone());
                let claim = step.key.as_ref().and_then(|key| input.desired.accounts.get(key)).map(|d| d.claim.as_str());
                let tagged = input.observed.accounts.get(account).and_then(|a| a.tags.as_ref()).is_some_and(|tags| {
                    tags.iter().any(|(key, value)| key.as_str() == tag_keys::CLAIM && Some(value.as_str()) == claim)
                });
                if !tagged && bound.as_ref() != Some(account) {
                    find("only accounts with this object's claim are changed", step.id.to_string());
                }
            }
            Action::Hold
            | Action::Release
            | Action::Intend(_)
            | Action::RecordRequest { .. }
            | Action::WriteMark { .. }
            | Action::CreateOrganizationalUnit { .. }
            | Action::VerifyAccess { .. }
            | Action::ApplyOutputs { .. } => {}
        }
    }
    let under_way = input.observed.in_progress().count()
        + input.attempts.values().filter(|a| matches!(a, Attempt::Sending | Attempt::Unknown)).count();
    if creations > 0 && creations + under_way > input.limits.creations_in_flight {
        find("AWS allows five creations in flight", format!("{creations} planned, {under_way} under way"));
    }
    findings
}
