//! One promotion as text. No relative times: the same status gives the same text.

use super::view::{GateView, StageView, View};
use crate::table::table;
use api::PlanStatus;
use jiff::{RoundMode, Timestamp, TimestampRound, Unit};

/// Control characters of what others wrote do not reach the terminal.
pub(crate) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// A plan in one line.
pub(crate) fn plan(plan: &PlanStatus) -> String {
    let accounts = match plan.changed {
        1 => "1 account changes".to_owned(),
        changed => format!("{changed} accounts change"),
    };
    let rest = match plan.unchanged {
        0 => String::new(),
        1 => ", 1 does not".to_owned(),
        unchanged => format!(", {unchanged} do not"),
    };
    let place = format!("{}: ", plan.stage);
    // That of a dry run is about all stages, and says so itself.
    let place = if plan.summary.starts_with(&place) {
        ""
    } else {
        &place
    };
    clean(&format!("{place}{accounts}{rest}: {}", plan.summary))
}

/// Whole seconds are enough for people.
fn time(at: Timestamp) -> String {
    let whole = TimestampRound::new()
        .smallest(Unit::Second)
        .mode(RoundMode::Trunc);
    at.round(whole).unwrap_or(at).to_string()
}

fn time_or_none(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), time)
}

pub(super) fn text(view: &View) -> String {
    let mut parts = vec![head(view)];
    let section = |header: &[&str], rows: Vec<Vec<String>>| {
        let rows: Vec<Vec<String>> = rows
            .into_iter()
            .map(|row| row.iter().map(|cell| clean(cell)).collect())
            .collect();
        (!rows.is_empty()).then(|| table(header, rows))
    };
    parts.extend(section(
        &[
            "STAGE",
            "STATE",
            "ACCOUNTS",
            "UPDATED",
            "CHANGING",
            "FAILED",
            "LATE",
            "PINNED",
            "NEW ACCOUNTS GET",
        ],
        view.stages.iter().map(stage).collect(),
    ));
    parts.extend(section(
        &["WAVE", "STATE", "UP TO", "STARTED", "UPDATED", "BAKES UNTIL"],
        view.stages.iter().flat_map(waves).collect(),
    ));
    parts.extend(section(
        &["GATE", "AT", "VERDICT", "MEASURED", "LAST", "SAID"],
        view.stages.iter().flat_map(gates).collect(),
    ));
    parts.extend(section(
        &["DECIDED", "BY", "GROUP", "AT", "DECISION", "APPROVAL"],
        view.stages.iter().flat_map(decisions).collect(),
    ));
    parts.extend(section(
        &[
            "ENDED",
            "REVISION",
            "RESULT",
            "REASON",
            "STAGE",
            "AT",
            "APPROVED BY",
        ],
        view.history.iter().map(ended).collect(),
    ));
    parts.join("\n\n")
}

fn head(view: &View) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut line = |key: &str, value: &str| {
        let key = if key.is_empty() {
            String::new()
        } else {
            format!("{key}:")
        };
        lines.push(format!("{key:<11}{}", clean(value)).trim_end().to_owned());
    };
    line("Name", &view.name);
    line("Baseline", &view.baseline);
    match &view.reason {
        Some(reason) if *reason != view.phase => line("Phase", &format!("{} ({reason})", view.phase)),
        _ => line("Phase", &view.phase),
    }
    line(
        "Message",
        view.message.as_deref().unwrap_or("nothing is known yet"),
    );
    if let Some(revision) = &view.revision {
        line("Revision", revision);
    }
    if let Some(stable) = &view.stable_revision {
        line("Stable", stable);
    }
    if let Some(attempt) = &view.attempt {
        let by = attempt.requested_by.as_deref().unwrap_or("somebody unknown");
        let end = attempt
            .ended_at
            .map(|at| format!(", ended {}", time(at)))
            .unwrap_or_default();
        let text = format!(
            "{} asked for by {by}, began {}{end}",
            attempt.id,
            time(attempt.started_at)
        );
        line("Attempt", &text);
    }
    if let Some(hold) = &view.hold {
        line("Held", hold);
    }
    if let Some(shown) = &view.plan {
        line("Plan", &plan(shown));
        line("", &shown.digest);
    }
    if let Some(awaiting) = &view.awaiting {
        line("Digest", &awaiting.digest);
    }
    if let Some(waits) = &view.next.waits_for {
        line("Waits for", waits);
    }
    line("Then", &view.next.then);
    for (number, timer) in view.next.timers.iter().enumerate() {
        let key = if number == 0 { "Next" } else { "" };
        line(key, &format!("{}  {}", time(timer.at), timer.what));
    }
    for (number, command) in view.next.commands.iter().enumerate() {
        line(if number == 0 { "Commands" } else { "" }, command);
    }
    lines.join("\n")
}

fn stage(stage: &StageView) -> Vec<String> {
    let targets = &stage.targets;
    let begun = targets.total > 0;
    let number = |number: i64| if begun { number.to_string() } else { "-".to_owned() };
    vec![
        stage.name.clone(),
        stage.state.clone(),
        number(targets.total),
        number(targets.updated),
        number(targets.progressing),
        number(targets.failed),
        number(targets.unreachable),
        targets.pinned.to_string(),
        stage.current_revision.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}

fn waves(stage: &StageView) -> Vec<Vec<String>> {
    let rows = stage.waves.iter().map(|wave| {
        let up_to = wave.targets.filter(|_| wave.started_at.is_some());
        vec![
            format!("{}/{}", stage.name, wave.name),
            wave.state.clone(),
            up_to.map_or_else(|| "-".to_owned(), |number| number.to_string()),
            time_or_none(wave.started_at),
            time_or_none(wave.updated_at),
            time_or_none(wave.bake_ends_at),
        ]
    });
    rows.collect()
}

fn gates(stage: &StageView) -> Vec<Vec<String>> {
    stage.gates.iter().map(|gate| gate_row(stage, gate)).collect()
}

fn gate_row(stage: &StageView, gate: &GateView) -> Vec<String> {
    let name = format!("{}/{}", stage.name, gate.name);
    let none = || "-".to_owned();
    let Some(run) = &gate.run else {
        return vec![name, none(), none(), none(), none(), none()];
    };
    let at = match &run.wave {
        Some(wave) => format!("{} {wave}", run.run_at),
        None => run.run_at.clone(),
    };
    let mut verdict = run.verdict.clone().unwrap_or_else(|| "runs".to_owned());
    if gate.dry_run {
        verdict.push_str(" (dry run)");
    }
    let mut measured = run.count.unwrap_or(0).to_string();
    let bad: Vec<String> = [
        (run.failures, "failed"),
        (run.inconclusive, "inconclusive"),
        (
            run.consecutive_errors,
            if run.consecutive_errors == Some(1) {
                "error"
            } else {
                "errors in a row"
            },
        ),
    ]
    .into_iter()
    .filter_map(|(number, what)| Some((number.filter(|number| *number > 0)?, what)))
    .map(|(number, what)| format!("{number} {what}"))
    .collect();
    if !bad.is_empty() {
        measured = format!("{measured} ({})", bad.join(", "));
    }
    let said = run.message.clone().unwrap_or_else(none);
    vec![name, at, verdict, measured, time_or_none(run.last_at), said]
}

fn decisions(stage: &StageView) -> Vec<Vec<String>> {
    let rows = stage.approvals.iter().map(|one| {
        vec![
            stage.name.clone(),
            one.by.clone(),
            one.group.clone().unwrap_or_else(|| "-".to_owned()),
            time(one.at),
            one.decision.clone(),
            one.name.clone(),
        ]
    });
    rows.collect()
}

fn ended(entry: &api::AttemptHistory) -> Vec<String> {
    vec![
        entry.attempt.clone(),
        entry.revision.clone(),
        entry.result.clone(),
        entry.reason.clone(),
        entry.stage.clone().unwrap_or_else(|| "-".to_owned()),
        time(entry.finished_at),
        if entry.approved_by.is_empty() {
            "-".to_owned()
        } else {
            entry.approved_by.join("; ")
        },
    ]
}
