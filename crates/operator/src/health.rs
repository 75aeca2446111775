//! What the probes say.

use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug, Default)]
struct State {
    awaited: Vec<String>,
    synced: bool,
    blocked: Option<String>,
    leading: bool,
}

/// Liveness and readiness, shared with the server that answers the probes.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<State>>);

impl Health {
    fn with<T>(&self, run: impl FnOnce(&mut State) -> T) -> T {
        run(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn awaits(&self, awaited: Vec<&'static str>) {
        self.with(|state| {
            state.synced = awaited.is_empty();
            state.awaited = awaited.into_iter().map(str::to_owned).collect();
        });
    }
    pub(crate) fn leading(&self, leading: bool) {
        self.with(|state| state.leading = leading);
    }
    /// Something keeps this leader from its work: another installation, no access to AWS.
    pub(crate) fn blocked(&self, by: Option<String>) {
        self.with(|state| state.blocked = by);
    }

    /// `Ok` when the replica does its part: a standby that has its stores warm is ready too, or no rollout would end.
    /// The text names what is awaited.
    pub fn ready(&self) -> Result<String, String> {
        self.with(|state| match (&state.blocked, state.synced) {
            (Some(blocked), _) if state.leading => Err(blocked.clone()),
            (_, false) => Err(format!(
                "waiting for the first list of {}",
                state.awaited.join(", ")
            )),
            _ => Ok(if state.leading { "leading" } else { "standing by" }.to_owned()),
        })
    }
}
