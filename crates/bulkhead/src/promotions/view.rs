//! All that is shown of one promotion.

use super::{
    next::{Next, missing, next},
    standing::Standing,
};
use api::{
    AttemptHistory, Awaiting, GateStatus, PlanStatus, Stage, StageApprovalStatus, StageStatus, TargetsStatus,
    WaveStatus,
};
use jiff::Timestamp;
use serde::Serialize;

/// One promotion; this is also what `-o json` prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct View {
    pub(super) name: String,
    pub(super) baseline: String,
    pub(super) phase: String,
    /// Reason of Ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) revision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stable_revision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) attempt: Option<AttemptView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hold: Option<String>,
    pub(super) next: Next,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) plan: Option<PlanStatus>,
    /// What an Approval has to name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) awaiting: Option<Awaiting>,
    pub(super) stages: Vec<StageView>,
    /// Attempts that have ended, the newest first.
    pub(super) history: Vec<AttemptHistory>,
}

/// The attempt at hand, or the last one.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AttemptView {
    pub(super) id: String,
    pub(super) started_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) requested_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ended_at: Option<Timestamp>,
}

/// One stage with its state.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StageView {
    pub(super) name: String,
    pub(super) environment: String,
    pub(super) state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
    pub(super) targets: TargetsStatus,
    /// The revision that new accounts of the environment get.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) current_revision: Option<String>,
    /// Approvals that are missing.
    pub(super) missing_approvals: i64,
    pub(super) approvals: Vec<StageApprovalStatus>,
    pub(super) waves: Vec<WaveStatus>,
    pub(super) gates: Vec<GateView>,
}

/// One gate, with its latest run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GateView {
    pub(super) name: String,
    pub(super) dry_run: bool,
    /// Absent: it has not run in this attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) run: Option<GateStatus>,
}

impl View {
    pub(super) fn of(object: &api::EnvironmentPromotion) -> Self {
        let standing = Standing::of(object);
        let status = &standing.status;
        let attempt = status.attempt.as_ref().map(|attempt| AttemptView {
            id: attempt.id.clone(),
            started_at: attempt.started_at,
            requested_by: attempt.requested_by.clone(),
            ended_at: attempt.outcome.as_ref().map(|outcome| outcome.at),
        });
        let mut stages: Vec<StageView> = standing
            .stages()
            .into_iter()
            .map(|(stage, state)| StageView::of(stage, state))
            .collect();
        if status.attempt.is_none() {
            let ahead = |stage: &Stage| {
                let state = StageStatus {
                    state: "Pending".to_owned(),
                    ..StageStatus::default()
                };
                StageView::of(stage, &state)
            };
            stages = object.spec.stages.iter().map(ahead).collect();
        }
        Self {
            baseline: object.spec.baseline_ref.name.clone(),
            phase: status.phase.clone().unwrap_or_else(|| "Unknown".to_owned()),
            reason: standing.reason().map(str::to_owned),
            message: status.message.clone(),
            revision: status
                .target_revision
                .as_ref()
                .map(|revision| revision.name.clone()),
            stable_revision: status
                .stable_revision
                .as_ref()
                .map(|revision| revision.name.clone()),
            attempt,
            hold: standing.hold().map(str::to_owned),
            next: next(&standing),
            plan: status.plan.clone(),
            awaiting: status.awaiting.first().cloned(),
            stages,
            history: status.history.clone(),
            name: standing.name,
        }
    }
}

impl StageView {
    fn of(stage: &Stage, state: &StageStatus) -> Self {
        let gate = |gate: &api::Gate| GateView {
            name: gate.name.clone(),
            dry_run: gate.dry_run == Some(true),
            run: state.gates.iter().find(|run| run.name == gate.name).cloned(),
        };
        Self {
            name: stage.name.clone(),
            environment: stage.environment.clone(),
            state: state.state.clone(),
            message: state.message.clone(),
            targets: state.targets.clone().unwrap_or_default(),
            current_revision: state
                .current_revision
                .as_ref()
                .map(|revision| revision.name.clone()),
            missing_approvals: if state.started_at.is_none() {
                missing(stage, state)
            } else {
                0
            },
            approvals: state.approvals.clone(),
            waves: state.waves.clone(),
            gates: stage.gates.iter().map(gate).collect(),
        }
    }
}
