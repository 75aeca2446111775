//! The operator as people run it: its process, a real kube-apiserver, kubectl, and AWS over TCP.
//!
//! Every scenario has its own control plane and its own simulated organization, because the operator watches the whole
//! cluster and governs the whole organization. The operator always runs as a user that may do exactly what
//! `operator::rbac::RULES` says.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests are tests too"
)]

mod acme;
mod answers;
mod approvals;
mod aws;
mod bad_input;
mod cluster;
mod command_line;
mod crashes;
mod examples;
mod frozen;
mod guarded;
mod guardrails;
mod honesty;
mod leaders;
mod lost_answers;
mod manifests;
mod member;
mod monitor;
mod pipes;
mod plan;
mod plan_live;
mod plan_promotions;
mod policy;
mod policy_compile;
mod policy_revision;
mod process;
mod promoted;
mod promotions;
mod proxy;
mod refused_baselines;
mod refused_promotions;
mod rights;
mod roles;
mod simulate;
mod tag_changes;
mod travel;
mod two_clusters;
mod wait;
