//! Makes the measurements that gates ask for: [`promotion::Measure`] in, [`promotion::Measured`] out. A query to a
//! Prometheus, a request to an HTTP endpoint, a Kubernetes Job.
//!
//! A measurement that cannot be made, or that says nothing, is never a success: what cannot be asked is an
//! [`Error`](promotion::MeasuredResult::Error), what says neither is
//! [`Inconclusive`](promotion::MeasuredResult::Inconclusive). Peers that let a cut-short check count as a success have
//! shipped what they were to stop (argoproj/argo-rollouts#1329, #2158, #4479).
//!
//! Who writes a gate is not who runs the operator. So the operator's configuration names the hosts that may be asked
//! ([`Settings::allowed_hosts`]), a Secret says itself where its headers may be sent, and
//! a Job runs as nobody, or as a service account that says itself that Jobs may; never as the operator.
//!
//! Nothing here reads a clock or a random source, and no task is spawned: with a transport in the same process everything
//! runs in virtual time.

mod check;
mod condition;
mod expression;
mod fetch;
mod hosts;
mod job;
mod json_path;
mod message;
mod permission;
mod prometheus;
mod runner;
mod secret;
mod template;
#[cfg(test)]
mod testing;
mod transport;
mod web;

pub use check::check_gate;
pub use condition::{CONDITION_LENGTH, check_condition};
pub use fetch::{BODY_LIMIT, BoxError, DEFAULT_TIMEOUT, LONGEST_TIMEOUT};
pub use hosts::{check_allowed_host, check_url};
pub use job::{JOB_DEADLINE, JOB_GRACE, JOB_KEPT};
pub use permission::GATE_JOBS;
pub use runner::{Gates, Runner, Settings};
pub use secret::GATE_HOSTS;
pub use transport::{Transport, TransportError, transport};
