//! EnvironmentPromotion: from objects to the facts of the state machine, and from what it says to a status. Pure.

mod bridge;
mod facts;

pub use bridge::spec;
pub(crate) use bridge::{refused, stands_still, state, status};
pub use facts::conflict;
pub(crate) use facts::{Baselines, Pins, pins, requests, targets};
