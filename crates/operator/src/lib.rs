//! Kubernetes glue: stores, the loop, status, events, leader lease, metrics, health.
//!
//! Read [`organization`] first: it is the driver, one loop of seven stages per organization. The whole operator is one
//! future ([`run`]): nothing is spawned, so that a simulation can replay it from a seed and dropping it is a crash.
//! It is generic over the ports of `executor` and knows no AWS SDK.

mod admission;
pub mod approval_policy;
mod brake;
mod config;
mod events;
mod health;
mod journal;
mod lease;
mod metrics;
pub mod organization;
pub mod promotion;
pub mod promotion_policy;
pub mod rbac;
mod run;
mod status;
mod store;
mod watch;

pub use config::{
    AwsConfig, Config, ConfigError, CreationConfig, LeaderElectionConfig, MassChangeConfig, ModeConfig,
    PoliciesConfig,
};
pub use health::Health;
pub use metrics::Metrics;
pub use organization::{Measuring, measuring};
pub use run::{Error, Operator, run};
