//! EnvironmentPromotion: from objects to the facts of the state machine, and from what it says to a status. Pure.

mod bridge;
mod facts;

pub(crate) use bridge::{refused, state, status};
pub(crate) use facts::{Baselines, Pins, conflict, pins, requests, targets};
