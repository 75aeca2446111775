//! The conditions beside Ready: always all of them, of the attempt at hand or the last one.

use super::{Machine, before::Block, place};
use crate::{
    outcome::{Fact, Why},
    state::{AttemptResult, StageStep, Verdict},
};

impl Machine<'_> {
    pub(super) fn conditions(&mut self, block: Option<&Block>) -> Vec<Fact> {
        let fact = |status, why, message| Fact::new("Accepted", status, why, message);
        let accepted = match &self.accepted {
            Ok((wanted, _)) => fact(
                Some(true),
                Why::Accepted,
                format!("{} can be promoted", wanted.name),
            ),
            Err(refused) => fact(Some(false), refused.why, refused.message.clone()),
        };
        vec![
            accepted,
            self.approved(),
            self.window_open(),
            self.gates_passed(),
            self.targets_healthy(),
            self.succeeded(block),
        ]
    }

    fn approved(&self) -> Fact {
        let fact = |status, why, message| Fact::new("Approved", status, why, message);
        let Some((index, program)) = self.stage_at() else {
            return fact(
                Some(true),
                Why::NotRequired,
                "nothing waits for people".to_owned(),
            );
        };
        let (Some(program), Some(stage)) = (program.stages.get(index), self.state.stages.get(index)) else {
            return fact(None, Why::Pending, "not known yet".to_owned());
        };
        if program.approval.is_none() {
            return fact(
                Some(true),
                Why::NotRequired,
                format!("{}: nobody has to agree", program.name),
            );
        }
        if let Some(block) = self.approval_block(index, program) {
            return fact(
                Some(false),
                block.why,
                format!("{}: {}", program.name, block.message),
            );
        }
        let by: Vec<String> = stage
            .approvals
            .iter()
            .map(|one| super::line(&one.by, 200))
            .collect();
        let by = super::line(&by.join(", "), 500);
        fact(
            Some(true),
            Why::Accepted,
            format!("{}: approved by {by}", program.name),
        )
    }

    fn window_open(&mut self) -> Fact {
        let fact = |status, why, message| Fact::new("WindowOpen", status, why, message);
        let at = self
            .stage_at()
            .and_then(|(index, program)| Some((index, program.stages.get(index)?.clone())));
        let Some((index, program)) = at else {
            return fact(
                Some(true),
                Why::NotRequired,
                "no wave waits for a window".to_owned(),
            );
        };
        match self.window(index, &program) {
            None => fact(
                Some(true),
                Why::NotRequired,
                format!("{}: no windows", program.name),
            ),
            Some(window) if window.closed => {
                let mut message = window.reason.unwrap_or_else(|| "no window is open".to_owned());
                if let Some(open) = window.next_open {
                    message = format!("{message}; opens at {open}");
                }
                fact(
                    Some(false),
                    Why::WindowClosed,
                    format!("{}: {message}", program.name),
                )
            }
            Some(window) => {
                let close = window
                    .next_close
                    .map_or_else(|| "open".to_owned(), |close| format!("open until {close}"));
                fact(Some(true), Why::Healthy, format!("{}: {close}", program.name))
            }
        }
    }

    fn gates_passed(&self) -> Fact {
        let fact = |status, why, message| Fact::new("GatesPassed", status, why, message);
        let all = self
            .state
            .stages
            .iter()
            .flat_map(|stage| stage.gates.iter().map(move |gate| (stage, gate)));
        let decisive: Vec<_> = all.filter(|(_, gate)| !gate.dry_run).collect();
        let first = |verdict: Verdict| decisive.iter().find(|(_, gate)| gate.verdict == Some(verdict));
        let kinds = [
            (Verdict::Failed, Why::GateFailed),
            (Verdict::Error, Why::GateError),
            (Verdict::Inconclusive, Why::Inconclusive),
        ];
        for (verdict, why) in kinds {
            if let Some((stage, gate)) = first(verdict) {
                let place = place(&stage.name, gate.wave.as_deref());
                let said = gate.message.as_deref().unwrap_or_default();
                return fact(Some(false), why, format!("{place}: gate {}: {said}", gate.name));
            }
        }
        if decisive.iter().any(|(_, gate)| gate.verdict.is_none()) {
            return fact(None, Why::Pending, "gates run".to_owned());
        }
        match decisive.len() {
            0 => fact(None, Why::Pending, "no gate has run in this attempt".to_owned()),
            some => fact(Some(true), Why::Healthy, format!("{some} gates have passed")),
        }
    }

    fn targets_healthy(&self) -> Fact {
        let fact = |status, why, message| Fact::new("TargetsHealthy", status, why, message);
        let last = self
            .state
            .stages
            .iter()
            .rev()
            .find(|stage| stage.started_at.is_some());
        let Some(stage) = last else {
            return fact(None, Why::Pending, "no stage has started".to_owned());
        };
        let targets = stage.targets;
        let late = crate::effects::late_failures(self.input, &self.state);
        if let Some(message) = late.filter(|_| targets.failed + targets.unreachable == 0) {
            return fact(Some(false), Why::BudgetExceeded, message);
        }
        if targets.failed + targets.unreachable == 0 {
            return fact(
                Some(true),
                Why::Healthy,
                format!("{}: no account has failed", stage.name),
            );
        }
        let why = if stage.reason.as_deref() == Some(Why::RollbackFailed.as_str()) {
            Why::RollbackFailed
        } else if targets.failed > 0 && stage.state == StageStep::Failed {
            Why::BudgetExceeded
        } else {
            // Within the budget it is no more than a remark.
            Why::TargetUnreachable
        };
        let message = format!(
            "{}: {} accounts failed, {} were not done in time",
            stage.name, targets.failed, targets.unreachable
        );
        fact(Some(false), why, message)
    }

    fn succeeded(&self, block: Option<&Block>) -> Fact {
        let fact = |status, why, message| Fact::new("Succeeded", status, why, message);
        let Some(attempt) = &self.state.attempt else {
            return fact(None, Why::Pending, "no attempt has begun".to_owned());
        };
        match &attempt.outcome {
            None => {
                let why = block.map_or(Why::Pending, |block| block.why);
                fact(None, why, format!("attempt {} is under way", attempt.id))
            }
            Some(outcome) => {
                let why = Why::parse(&outcome.reason).unwrap_or(Why::InternalError);
                let succeeded = outcome.result == AttemptResult::Succeeded;
                fact(Some(succeeded), why, outcome.message.clone())
            }
        }
    }
}
