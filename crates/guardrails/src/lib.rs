//! Guardrails: the catalogue, the compiler to policy documents, the offline evaluator.
//!
//! Pure: no client, no clock, no random number. What a platform team writes in a Baseline (names of guardrails with
//! parameters, and documents of its own) becomes the policies that AWS Organizations is given, as few and as small as they
//! can be, and proven before: against AWS's limits, against the cases of each guardrail, and against what must stay allowed.

pub mod cases;
pub mod catalogue;
pub mod compile;
pub mod evaluate;
mod exemptions;
pub mod limits;
pub mod policy;
pub mod proof;
mod refusal;

pub use exemptions::Exemptions;
pub use refusal::{Problem, Refusal};
