//! No action is repeated after it succeeded, unless the world has changed since.

use super::{Answer, Call, ProcessId, State};

/// Names an action by all it asks for; a token makes each CreateAccount another one.
fn name(call: &Call) -> String {
    format!("{} {}", call.operation, call.input)
}

impl State {
    pub(super) fn judge_repeat(&mut self, id: ProcessId, call: &Call) {
        let version = self.version(call);
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        process.sent.insert(name(call), version);
        if process.done.get(&name(call)) == Some(&version) {
            let detail = format!("operator {id} sends {} again", call.summary());
            self.violation(
                "no action is repeated after success unless the world changed",
                &detail,
            );
        }
    }

    pub(super) fn remember_success(&mut self, id: ProcessId, call: &Call, answer: &Answer) {
        if answer.is_refusal() {
            return;
        }
        // Also a lost answer: the effect may be there.
        self.touch(&call.subject());
        if call.operation == "DeletePolicy" {
            // Its name is free again.
            self.deletions += 1;
        }
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let sent = process.sent.remove(&name(call));
        if answer.is_ok()
            && let Some(version) = sent
        {
            // This change alone: what others did while the call was under way is a change of the world since.
            process.done.insert(name(call), version + 1);
        }
    }

    /// A policy may be made again when any was deleted since.
    fn version(&self, call: &Call) -> u64 {
        let deletions = if call.operation == "CreatePolicy" {
            self.deletions
        } else {
            0
        };
        self.versions.get(&call.subject()).copied().unwrap_or_default() + deletions
    }
}
