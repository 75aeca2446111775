//! Why there is no control plane.

use std::{io, path::PathBuf};

/// Why a control plane could not be found or started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A binary is not there. The developer builds them, or points `KUBEBUILDER_ASSETS` at them.
    #[error("{} does not exist; run `cargo xtask control-plane` without KUBEBUILDER_ASSETS, or set that to a directory with etcd and kube-apiserver", .0.display())]
    NoBinaries(PathBuf),
    /// Neither `KUBEBUILDER_ASSETS` nor a home directory is known. The developer sets one of them.
    #[error("no place to look for the control plane: set KUBEBUILDER_ASSETS, XDG_CACHE_HOME or HOME")]
    NoCacheDirectory,
    /// A process ended, or the API server was not ready in time. Its last log lines say why.
    #[error("{process} did not become ready; the end of its log:\n{log}")]
    NotReady {
        /// Name of the process that is to blame.
        process: String,
        /// The last lines it wrote.
        log: String,
    },
    /// A user was asked for that [`Options::users`](crate::Options::users) does not have. The caller names another.
    #[error("the control plane has no user {0:?}")]
    UnknownUser(String),
    /// A process could not be started. Usually the machine's fault.
    #[error("cannot start {process}")]
    Spawn {
        /// Path or name of the program.
        process: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file of the control plane could not be written or read. Usually a full disk.
    #[error("cannot prepare the control plane's files")]
    Files(#[from] io::Error),
    /// The service account key could not be made.
    #[error("cannot make the service account key")]
    Key(#[from] rcgen::Error),
    /// The kubeconfig written here is not one kube accepts. A bug.
    #[error("cannot read back the kubeconfig")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// The client could not be built. A bug, or a broken TLS set-up.
    #[error("cannot build a client")]
    Client(#[source] Box<kube::Error>),
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Client(Box::new(error))
    }
}
