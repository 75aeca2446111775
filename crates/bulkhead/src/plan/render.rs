//! A difference as people read it: accounts, then what changes in each Baseline, once, then the numbers.

use super::{
    difference::{AccountChange, Action, Difference, Kept, PolicyRef, Summary},
    promotion_changes::PromotionChange,
    promotions::{RefusedPromotion, Travel},
    revisions::{Change, EnvironmentChange, RevisionChange, RuleChange, StatementChange},
};
use serde_json::Value;
use std::fmt::Write as _;

/// The whole text.
pub(super) fn text(difference: &Difference) -> String {
    let mut lines = Vec::new();
    let told_below = |change: &&AccountChange| {
        // Once per Baseline, with their number.
        change.actions.is_empty() && change.waits_for_baseline()
    };
    for change in difference.accounts.iter().filter(|change| !told_below(change)) {
        lines.extend(account(change));
        lines.push(String::new());
    }
    for refused in &difference.refused {
        lines.push(format!("! Baseline {}  {}", refused.baseline, refused.reason));
        lines.push(format!("    {}", refused.message));
        if refused.accounts > 0 {
            let accounts = counted(refused.accounts, "new account");
            lines.push(format!("    keeps waiting: {accounts}"));
        }
        lines.push(String::new());
    }
    for refused in &difference.promotions {
        lines.extend(promotion(refused));
        lines.push(String::new());
    }
    for change in &difference.promotion_changes {
        lines.extend(promotion_change(change));
        lines.push(String::new());
    }
    for change in &difference.revisions {
        lines.extend(revision(change));
        lines.push(String::new());
    }
    lines.push(numbers(difference.summary));
    lines.join("\n")
}

fn numbers(summary: Summary) -> String {
    let Summary {
        create,
        change,
        moves,
        leave,
        baselines,
        promotions,
        waiting,
        refused,
    } = summary;
    let mut parts = vec![
        format!("{create} to create"),
        format!("{change} to change"),
        format!("{moves} to move"),
    ];
    for (count, what) in [(baselines, "Baseline"), (promotions, "EnvironmentPromotion")] {
        if count > 0 {
            parts.push(format!("{} to change", counted(count, what)));
        }
    }
    for (count, what) in [(leave, "to leave"), (waiting, "waiting")] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    parts.push(format!("{refused} refused"));
    format!("Plan: {}.", parts.join(", "))
}

fn counted(count: usize, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {what}{s}")
}

fn promotion(refused: &RefusedPromotion) -> Vec<String> {
    let (sign, word) = if refused.waits {
        ("?", "waits")
    } else {
        ("!", "refused")
    };
    let mut lines = vec![format!("{sign} EnvironmentPromotion {}", refused.promotion)];
    lines.extend(refused.objections.iter().map(|objection| {
        let place = objection.place.as_ref();
        let place = place.map(|place| format!("{place}: ")).unwrap_or_default();
        format!("    {place}{word}: {}: {}", objection.reason, objection.message)
    }));
    lines
}

fn promotion_change(change: &PromotionChange) -> Vec<String> {
    let mut lines = vec![format!(
        "{} EnvironmentPromotion {}",
        sign(change.change),
        change.promotion
    )];
    if change.change == Change::Changed {
        lines.extend(values(change.before.as_ref(), change.after.as_ref(), "    "));
    }
    lines.extend(change.travels.iter().map(|travel| travels(travel, false)));
    lines
}

fn travels(travel: &Travel, first: bool) -> String {
    let Some(promotion) = &travel.promotion else {
        return "    no EnvironmentPromotion is about it: accounts keep the revision they have".to_owned();
    };
    let stages = travel.stages.iter().map(|stop| {
        let name = if stop.stage == stop.environment {
            stop.stage.clone()
        } else {
            format!("{} (environment {})", stop.stage, stop.environment)
        };
        match (stop.accounts, stop.pinned) {
            (0, 0) => name,
            (accounts, 0) => format!("{name} ({})", counted(accounts, "account")),
            (accounts, pinned) => format!("{name} ({}, {pinned} pinned)", counted(accounts, "account")),
        }
    });
    let stages: Vec<String> = stages.collect();
    let what = if first { "later changes travel" } else { "travels" };
    let mut line = format!(
        "    {what} by EnvironmentPromotion {promotion}: {}",
        stages.join(", then ")
    );
    if !travel.holds.is_empty() {
        let _ = write!(line, "; not now: {}", travel.holds.join(", "));
    }
    line
}

fn account(change: &AccountChange) -> Vec<String> {
    let mut head = String::new();
    let sign = match change.actions.first() {
        Some(Action::Create { .. }) => "+",
        Some(Action::Leave) => "-",
        Some(_) => "~",
        None if change.reason.as_ref().is_some_and(|why| !why.waits) => "!",
        None if change.reason.is_none() && change.pin.is_some() => "=",
        None => "?",
    };
    let _ = write!(head, "{sign} {}/{}", change.namespace, change.name);
    if let Some(id) = &change.account_id {
        let _ = write!(head, "  account {id}");
    }
    let mut lines = Vec::new();
    for action in &change.actions {
        match action {
            Action::Revision { from: Some(from), to } => {
                let _ = write!(head, "  revision {from} -> {to}");
            }
            Action::Revision { from: None, to } => {
                let _ = write!(head, "  revision {to}");
            }
            other => lines.push(format!("    {}", line(other))),
        }
    }
    if let Some(pin) = &change.pin {
        let unjudged = if pin.unjudged {
            " (whether it may have that only the cluster knows: --live or --observed)"
        } else {
            ""
        };
        lines.push(format!(
            "    pinned to {} until {}: {}{unjudged}",
            pin.revision, pin.expires_at, pin.reason
        ));
    }
    if let Some(why) = &change.reason {
        let word = if why.waits { "waits" } else { "refused" };
        lines.push(format!("    {word}: {}: {}", why.reason, why.message));
    }
    let awaiting = change.awaiting.iter();
    lines.extend(awaiting.map(|awaiting| format!("    awaits approval: {awaiting}")));
    lines.insert(0, head);
    lines
}

fn line(action: &Action) -> String {
    match action {
        Action::Create { email, account_name } => {
            format!("create account {account_name:?} with email {email}")
        }
        Action::Revision { from, to } => format!("revision {} -> {to}", from.as_deref().unwrap_or_default()),
        Action::Move { from: None, to } => format!("in {to}"),
        Action::Move { from: Some(from), to } => {
            let from = if from.is_empty() { "the root" } else { from };
            format!("move {from} -> {to}")
        }
        Action::Attach(policy) => format!("+ policy {}", named(policy)),
        Action::Detach(policy) => format!("- policy {}", named(policy)),
        Action::Repair(policy) => format!("~ policy {}: its content is written back", named(policy)),
        Action::Tag { key, from, to, kept } => {
            let kept = match kept {
                Some(Kept::AwaitsApproval) => " (waits for an Approval)",
                Some(Kept::Immutable) => " (refused: it never changes)",
                None => "",
            };
            let edit = match (from, to) {
                (Some(from), Some(to)) => format!("~ tag {key}: {from:?} -> {to:?}"),
                (None, Some(to)) => format!("+ tag {key}: {to:?}"),
                (from, None) => format!("- tag {key}: {:?}", from.as_deref().unwrap_or_default()),
            };
            format!("{edit}{kept}")
        }
        Action::Leave => "the object is gone; its account stays as it is".to_owned(),
    }
}

fn named(policy: &PolicyRef) -> String {
    if policy.parts.is_empty() {
        policy.name.clone()
    } else {
        format!("{} ({})", policy.name, policy.parts.join(", "))
    }
}

fn revision(change: &RevisionChange) -> Vec<String> {
    let head = match &change.from {
        None => format!("+ Baseline {}  revision {}", change.baseline, change.to),
        Some(from) => format!("~ Baseline {}  revision {from} -> {}", change.baseline, change.to),
    };
    let mut lines = vec![head];
    lines.extend(
        change
            .travels
            .iter()
            .map(|travel| travels(travel, change.from.is_none())),
    );
    if change.unknown {
        let from = change.from.as_deref().unwrap_or_default();
        lines.push(format!(
            "    BaselineRevision {from} is not at hand, so all of the new revision is shown as added"
        ));
    }
    lines.extend(change.environments.iter().flat_map(environment));
    lines.extend(change.tags.iter().flat_map(rule));
    lines
}

const fn sign(change: Change) -> char {
    match change {
        Change::Added => '+',
        Change::Removed => '-',
        Change::Changed => '~',
    }
}

fn environment(change: &EnvironmentChange) -> Vec<String> {
    let sign = sign(change.change.unwrap_or(Change::Changed));
    let mut lines = vec![format!("  {sign} environment {}", change.name)];
    for (what, values) in [
        ("organizationalUnit", &change.organizational_unit),
        ("accessRoleName", &change.access_role_name),
    ] {
        if let Some([from, to]) = values {
            lines.push(format!("    ~ {what}: {from} -> {to}"));
        }
    }
    // Of an environment that was not there before, or is not there any more, the names say enough.
    let whole = change.change.is_some();
    lines.extend(change.policies.iter().flat_map(|change| statement(change, whole)));
    lines
}

fn statement(change: &StatementChange, name_only: bool) -> Vec<String> {
    let parts = change.parts.join(" or ");
    // What has no name of its own is called after its part already.
    let of = if change.statement.contains(&parts) {
        String::new()
    } else {
        format!(", {parts}")
    };
    let head = format!(
        "    {} {} ({}{of})",
        sign(change.change),
        change.statement,
        change.policy_type
    );
    let mut lines = vec![head];
    if !name_only {
        lines.extend(values(change.before.as_ref(), change.after.as_ref(), "      "));
    }
    lines
}

fn rule(change: &RuleChange) -> Vec<String> {
    let head = format!("  {} mandatory tag {}", sign(change.change), change.key);
    let mut lines = vec![head];
    if change.change == Change::Changed {
        lines.extend(values(change.before.as_ref(), change.after.as_ref(), "    "));
    }
    lines
}

/// The lines in which two values differ.
fn values(before: Option<&Value>, after: Option<&Value>, indent: &str) -> Vec<String> {
    let written = |value: Option<&Value>| -> Vec<String> {
        let text = value.map(|value| format!("{value:#}")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    };
    let changed = before.is_some() && after.is_some();
    lines(&written(before), &written(after))
        .into_iter()
        .filter(|(sign, _)| !changed || *sign != ' ')
        .map(|(sign, line)| format!("{indent}{sign} {line}"))
        .collect()
}

/// Both, line by line, with what is in one of them only.
fn lines<'l>(before: &'l [String], after: &'l [String]) -> Vec<(char, &'l str)> {
    // A comma at the end says only that another line follows.
    let bare = |lines: &'l [String]| -> Vec<&'l str> {
        lines.iter().map(|line| line.trim_end_matches(',')).collect()
    };
    let ops = similar::capture_diff_slices(similar::Algorithm::Patience, &bare(before), &bare(after));
    let changes = ops.iter().flat_map(|op| {
        let (tag, old, new) = op.as_tag_tuple();
        let removed = before[old].iter().map(|line| ('-', line.as_str()));
        let kept = if tag == similar::DiffTag::Equal { ' ' } else { '+' };
        let added = after[new].iter().map(move |line| (kept, line.as_str()));
        removed
            .filter(move |_| tag != similar::DiffTag::Equal)
            .chain(added)
    });
    changes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn of_a_changed_value_only_the_lines_that_differ_are_shown() {
        let (one, other) = (
            json!({"a": ["x", "y"], "b": 1}),
            json!({"a": ["x", "z", "y"], "b": 2}),
        );
        let shown = values(Some(&one), Some(&other), "");
        assert_eq!(shown, ["+     \"z\",", "-   \"b\": 1", "+   \"b\": 2"]);
    }

    #[test]
    fn of_a_new_value_every_line_is_shown() {
        assert_eq!(
            values(None, Some(&json!({"a": 1})), ""),
            ["+ {", "+   \"a\": 1", "+ }"]
        );
    }
}
