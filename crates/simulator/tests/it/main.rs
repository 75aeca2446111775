//! The whole operator in virtual time: what the first promise means, and what it must survive.

mod acme;
mod bad_input;
mod drift;
mod failover;
mod scene;
