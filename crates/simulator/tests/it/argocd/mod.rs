//! The scripts of `deploy/argocd` on what the operator writes: health and actions as Argo CD has them, and what kstatus and
//! kubectl say of the same objects.
//!
//! The objects in the `testdata` directories were written by the operator (`played`). After a change of what it writes,
//! `BULKHEAD_RECORD=1 cargo test -p bulkhead-simulator --test it fixtures_are_what_the_operator_writes` writes them anew, with
//! the lists of tests in upstream's format.

mod actions;
mod files;
mod fixtures;
mod health;
mod kstatus;
mod lua;
mod played;
mod table;
