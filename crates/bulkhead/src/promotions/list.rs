//! All promotions, a line each.

use super::{clean, standing::Standing};
use crate::table::{age, table};
use api::EnvironmentPromotion;
use jiff::Timestamp;
use serde::Serialize;

/// One promotion.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    name: String,
    baseline: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
    phase: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wave: Option<String>,
    stages_done: usize,
    stages: usize,
    /// Accounts of the stage that have the revision, of how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    updated: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<Timestamp>,
}

/// In the order of their names.
pub(super) fn rows(objects: &[EnvironmentPromotion]) -> Vec<Row> {
    let mut rows: Vec<Row> = objects.iter().map(row).collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    rows
}

fn row(object: &EnvironmentPromotion) -> Row {
    let standing = Standing::of(object);
    let status = &standing.status;
    let stages = standing.stages();
    let done = |state: &str| matches!(state, "Succeeded" | "Skipped");
    Row {
        name: standing.name.clone(),
        baseline: object.spec.baseline_ref.name.clone(),
        revision: status
            .target_revision
            .as_ref()
            .map(|revision| revision.name.clone()),
        phase: status.phase.clone().unwrap_or_else(|| "Unknown".to_owned()),
        reason: standing.reason().map(str::to_owned),
        stage: status.stage.clone(),
        wave: status.wave.clone(),
        stages_done: stages.iter().filter(|(_, state)| done(&state.state)).count(),
        stages: if status.attempt.is_some() {
            stages.len()
        } else {
            object.spec.stages.len()
        },
        updated: status.updated.clone(),
        created_at: object.metadata.creation_timestamp.as_ref().map(|time| time.0),
    }
}

/// `now`: for the ages.
pub(super) fn text(rows: &[Row], now: Timestamp) -> String {
    if rows.is_empty() {
        return "There is no EnvironmentPromotion.".to_owned();
    }
    let line = |row: &Row| {
        let place = match (&row.stage, &row.wave) {
            (Some(stage), Some(wave)) => format!("{stage}/{wave}"),
            (Some(stage), None) => stage.clone(),
            (None, _) => "-".to_owned(),
        };
        let mut progress = format!("{}/{} stages", row.stages_done, row.stages);
        if let Some(updated) = &row.updated {
            progress = format!("{progress}, {updated} accounts");
        }
        let old = row.created_at.map(|created| {
            let seconds = now.duration_since(created).as_secs();
            age(u64::try_from(seconds).unwrap_or(0))
        });
        let none = || "-".to_owned();
        let cells = [
            row.name.clone(),
            row.baseline.clone(),
            row.revision.clone().unwrap_or_else(none),
            row.phase.clone(),
            place,
            progress,
            old.unwrap_or_else(none),
        ];
        cells.iter().map(|cell| clean(cell)).collect()
    };
    table(
        &[
            "NAME", "BASELINE", "REVISION", "PHASE", "STAGE", "PROGRESS", "AGE",
        ],
        rows.iter().map(line).collect(),
    )
}
