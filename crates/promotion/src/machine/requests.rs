//! What people ask for with annotations. Each value is answered once.

use super::Machine;
use crate::{
    outcome::Why,
    state::{AttemptResult, StageStep, Verdict, WaveStep},
};

impl Machine<'_> {
    pub(super) fn requests(&mut self) {
        let requests = self.input.requests;
        if requests.reconcile.is_some() {
            self.state.last_handled.reconcile.clone_from(&requests.reconcile);
        }
        if let Some(token) = fresh(requests.abort.as_ref(), &mut self.state.last_handled.abort) {
            self.abort(&token);
        }
        if let Some(token) = fresh(requests.retry.as_ref(), &mut self.state.last_handled.retry) {
            self.retry(&token);
        }
        if requests.reverify.is_none() {
            // Taken away: the same words ask again.
            self.state.last_handled.reverify = None;
        }
        if let Some(token) = fresh(requests.reverify.as_ref(), &mut self.state.last_handled.reverify) {
            self.reverify(&token);
        }
        if let Some(token) = fresh(
            requests.skip_bake.as_ref(),
            &mut self.state.last_handled.skip_bake,
        ) {
            self.skip_bake(&token);
        }
    }

    fn ignored(&mut self, what: &str, token: &str, why: &str) {
        let note = format!("{what} {}: {why}", super::line(token, 200));
        self.tell(true, "RequestIgnored", &note);
    }

    fn abort(&mut self, token: &str) {
        let Some(attempt) = self.running() else {
            return self.ignored("abort", token, "no attempt is under way");
        };
        if attempt.id != token {
            let why = format!("the attempt under way is {}", attempt.id);
            return self.ignored("abort", token, &why);
        }
        let back = self.at().and_then(|at| self.state.stages.get(at));
        if back.is_some_and(|stage| stage.state == StageStep::RollingBack) {
            return self.ignored(
                "abort",
                token,
                "its accounts go back: a rollback is not left half-way",
            );
        }
        let place = self
            .at()
            .and_then(|at| self.state.stages.get(at))
            .map(|stage| stage.name.clone());
        let place = place.unwrap_or_default();
        let message =
            format!("{place}: a person ended attempt {token}; every account stays with what it has");
        if self.at().is_some() {
            self.ending(AttemptResult::Aborted, message);
        } else {
            self.end(AttemptResult::Aborted, Why::Aborted, &message);
        }
    }

    fn retry(&mut self, token: &str) {
        if self.running().is_some() {
            return self.ignored("retry", token, "an attempt is under way");
        }
        let Ok((wanted, program)) = self.accepted.clone() else {
            return self.ignored("retry", token, "what the spec asks for cannot be done");
        };
        if self.settled(&wanted, &program) {
            return self.ignored("retry", token, "the revision has passed all stages");
        }
        self.state
            .rejected
            .retain(|rejected| rejected.hash != wanted.hash);
    }

    /// `stage/gate@attempt`; what follows a `#` only makes the words new.
    fn reverify(&mut self, token: &str) {
        let words = token.split_once('#').map_or(token, |(words, _)| words);
        let parts = words
            .rsplit_once('@')
            .and_then(|(gate, attempt)| Some((gate.split_once('/')?, attempt)));
        let Some(((stage_name, gate_name), attempt)) = parts else {
            return self.ignored("reverify", token, "is not stage/gate@attempt");
        };
        if self.running().is_none_or(|running| running.id != attempt) {
            return self.ignored("reverify", token, "this attempt is not under way");
        }
        let Some((at, program)) = self.stage_at() else {
            return self.ignored("reverify", token, "no gate runs now");
        };
        let lingers = self
            .lingering()
            .filter(|index| self.name_of(*index) == Some(stage_name));
        let index = lingers.unwrap_or(at);
        let rolling_back = self
            .state
            .stages
            .get(index)
            .is_some_and(|stage| stage.state == StageStep::RollingBack);
        let (Some(stage), Some((run_at, wave))) = (program.stages.get(index), self.point(index)) else {
            return self.ignored("reverify", token, "no gate runs now");
        };
        let at_point =
            |gate: &&crate::Gate| gate.spec.name == gate_name && gate.spec.run_at.contains(&run_at);
        let here = stage.name == stage_name && !rolling_back;
        let Some(gate) = stage.gates.iter().find(at_point).filter(|_| here) else {
            return self.ignored("reverify", token, "no such gate runs now");
        };
        self.begin_run(index, gate, run_at, wave.as_deref(), true);
    }

    fn name_of(&self, index: usize) -> Option<&str> {
        Some(&self.state.stages.get(index)?.name)
    }

    /// `attempt/stage/wave`.
    fn skip_bake(&mut self, token: &str) {
        let parts: Vec<&str> = token.splitn(3, '/').collect();
        let [attempt, stage_name, wave_name] = parts.as_slice() else {
            return self.ignored("skip-bake", token, "is not attempt/stage/wave");
        };
        if self.running().is_none_or(|running| running.id != *attempt) {
            return self.ignored("skip-bake", token, "this attempt is not under way");
        }
        let Some(index) = self.at() else {
            return self.ignored("skip-bake", token, "no wave bakes");
        };
        let baking = self
            .state
            .stages
            .get(index)
            .filter(|stage| stage.name == *stage_name)
            .and_then(|stage| {
                let wave = stage.waves.iter().position(|wave| wave.name == *wave_name)?;
                (stage.state == StageStep::Baking && stage.waves.get(wave)?.state == WaveStep::Baking)
                    .then_some(wave)
            });
        let Some(wave) = baking else {
            return self.ignored("skip-bake", token, "this wave does not bake now");
        };
        self.end_bake(index, wave, Verdict::Aborted);
        self.tell(
            true,
            "BakeSkipped",
            &format!("{stage_name}/{wave_name}: a person cut the bake short"),
        );
    }
}

/// The value, if it is another than the one that was answered last; then it is answered now.
fn fresh(asked: Option<&String>, handled: &mut Option<String>) -> Option<String> {
    let asked = asked.filter(|asked| handled.as_ref() != Some(asked))?;
    *handled = Some(asked.clone());
    Some(asked.clone())
}
