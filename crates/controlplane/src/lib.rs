//! A real Kubernetes control plane for tests and the playground: etcd and kube-apiserver, and on request
//! kube-controller-manager, from a directory of binaries, ready in about four seconds.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let Some(cluster) = controlplane::start_or_skip(controlplane::Options::default()).await else {
//!     return Ok(()); // no binaries on this machine: the test is skipped, except in CI, where it fails
//! };
//! let client = cluster.client()?;
//! # Ok(())
//! # }
//! ```
//!
//! What to know when using it:
//!
//! - One control plane per test binary (`tokio::sync::OnceCell`), a fresh namespace per test. A
//!   [`kube::Client`] belongs to the tokio runtime it was made in, so each test asks for its own.
//! - Without the controller manager nothing collects garbage and no namespace is ever finalised: delete what
//!   a test creates, and assert owner references rather than the cascade. There is no kubelet: pods never run.
//! - Admission plugin `ServiceAccount` is off, so that pods need no token controller.
//! - The processes end with the process that started them, however it ends; [`Children`] says how.
//!
//! The binaries come from [`assets`]; `cargo xtask control-plane` builds them.

mod assets;
mod children;
mod cluster;
mod error;

pub use assets::{BINARIES, BUILD_FLAGS, Binary, assets, cache_directory, content_hash};
pub use children::Children;
pub use cluster::{ADMIN, ControlPlane, Options, User};
pub use error::Error;

/// Whether this process runs in continuous integration (`CI=true`), where nothing may be skipped.
pub fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}

/// For tests: says why there is no control plane and returns, so that the test can skip itself.
///
/// # Panics
///
/// In CI, and whenever the cause is anything but missing binaries: a control plane that is there and does not
/// start is a failure, not a reason to skip.
pub fn skip_or_fail(error: &Error) {
    let missing = matches!(error, Error::NoBinaries(_) | Error::NoCacheDirectory);
    assert!(missing && !in_ci(), "{error}");
    eprintln!("skipped: {error}");
}

/// For tests: [`ControlPlane::start`], with [`skip_or_fail`] on an error.
///
/// # Panics
///
/// As [`skip_or_fail`] does.
pub async fn start_or_skip(options: Options) -> Option<ControlPlane> {
    match ControlPlane::start(options).await {
        Ok(cluster) => Some(cluster),
        Err(error) => {
            skip_or_fail(&error);
            None
        }
    }
}
