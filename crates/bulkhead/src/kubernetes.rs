//! A client of Kubernetes, as a kubeconfig or the pod's service account says.

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use std::{path::Path, time::Duration};

/// How long the API server may be silent on a connection that is being read.
const READ_TIMEOUT: Duration = Duration::from_secs(295);

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the kubeconfig cannot be read")]
    Kubeconfig(#[source] kube::config::KubeconfigError),
    #[error("no Kubernetes configuration: neither a kubeconfig nor a service account")]
    Infer(#[source] kube::config::InferConfigError),
    #[error("no Kubernetes client")]
    Client(#[source] kube::Error),
}

/// The configuration; without a file and a context the one that kubectl would use, or the pod's.
pub(crate) async fn config(kubeconfig: Option<&Path>, context: Option<&str>) -> Result<Config, Error> {
    let options = KubeConfigOptions {
        context: context.map(str::to_owned),
        ..KubeConfigOptions::default()
    };
    let mut config = match (kubeconfig, context) {
        (Some(path), _) => {
            let file = Kubeconfig::read_from(path).map_err(Error::Kubeconfig)?;
            let config = Config::from_custom_kubeconfig(file, &options).await;
            config.map_err(Error::Kubeconfig)?
        }
        (None, Some(_)) => Config::from_kubeconfig(&options)
            .await
            .map_err(Error::Kubeconfig)?,
        (None, None) => Config::infer().await.map_err(Error::Infer)?,
    };
    // kube's own retries may hide minutes; the operator's time limits and back-off are its own.
    config.default_retry = false;
    // A connection that died without a word would keep a watch silent for ever. A watch lasts 290 s at most, with a
    // bookmark a minute; silence for longer than that is no watch.
    config.read_timeout = Some(READ_TIMEOUT);
    // Without it managedFields would call the writer `unknown`.
    let agent = concat!("bulkhead/", env!("CARGO_PKG_VERSION"));
    config.headers.push((
        axum::http::header::USER_AGENT,
        axum::http::HeaderValue::from_static(agent),
    ));
    Ok(config)
}

/// A client with this configuration.
pub(crate) fn client(config: Config) -> Result<Client, Error> {
    Client::try_from(config).map_err(Error::Client)
}
