//! When to look again though nothing happens: the earliest of all timers.

use super::{Machine, measuring};
use crate::{
    program::Stage,
    roster::after,
    state::{StageState, WaveStep},
};
use jiff::Timestamp;

impl Machine<'_> {
    pub(super) fn wake(&self) -> Option<Timestamp> {
        let mut timers: Vec<Timestamp> = Vec::new();
        if let Some((index, program)) = self.stage_at()
            && let (Some(program), Some(stage)) = (program.stages.get(index), self.state.stages.get(index))
        {
            self.stage_timers(index, program, stage, &mut timers);
            self.lingering_timers(&mut timers);
        }
        if let Some(window) = &self.state.window {
            timers.extend(window.next_open);
            timers.extend(window.next_close);
        }
        timers.extend(
            self.input
                .targets
                .iter()
                .filter_map(|target| Some(target.pin.as_ref()?.expires_at)),
        );
        timers.extend(crate::effects::lag_timers(self.input, &self.state));
        let now = self.input.now;
        timers.into_iter().filter(|at| *at > now).min()
    }

    fn lingering_timers(&self, timers: &mut Vec<Timestamp>) {
        let (Some(index), Some(program)) = (self.lingering(), &self.program) else {
            return;
        };
        let (Some(stage), Some(program)) = (self.state.stages.get(index), program.stages.get(index)) else {
            return;
        };
        for known in &stage.gates {
            if let Some(gate) = program.gates.iter().find(|gate| gate.spec.name == known.name) {
                timers.extend(measuring::due(gate, known, true, self.input.now));
            }
        }
    }

    fn stage_timers(&self, index: usize, program: &Stage, stage: &StageState, timers: &mut Vec<Timestamp>) {
        let now = self.input.now;
        let waiting = measuring::keeps_measuring(&self.state, index);
        for known in &stage.gates {
            if let Some(gate) = program.gates.iter().find(|gate| gate.spec.name == known.name) {
                timers.extend(measuring::due(gate, known, waiting, now));
            }
        }
        let baking = stage.waves.iter().filter(|wave| wave.state == WaveStep::Baking);
        timers.extend(baking.filter_map(|wave| wave.bake_ends_at));
        timers.extend(
            stage
                .changing
                .iter()
                .map(|changing| after(changing.since, program.target_deadline)),
        );
        timers.extend(self.deadline_at(index, program));
        if let (Some(approval), None) = (&program.approval, stage.started_at) {
            timers.extend(stage.approval_since.map(|since| after(since, approval.timeout)));
            timers.extend(
                self.input
                    .decisions
                    .iter()
                    .filter_map(|given| given.decision.expires_at),
            );
        }
    }
}
