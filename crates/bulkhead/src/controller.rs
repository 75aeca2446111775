//! `bulkhead controller`: the operator on the real clock, real randomness, real sockets.

use crate::{args::ControllerArgs, clock::WallClock, complain, configuration, kubernetes, server};
use operator::{Health, Metrics, Operator};
use rand::{TryRng, rngs::SysRng};
use std::{io, process::ExitCode, sync::Arc};
use tokio::signal::unix::{SignalKind, signal};

/// Why the operator could not be started, or ended.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Config(#[from] configuration::Error),
    #[error(transparent)]
    Kubernetes(#[from] kubernetes::Error),
    #[error("the operating system gives no random numbers")]
    Random(#[source] rand::rngs::SysError),
    #[error(transparent)]
    Aws(aws::Error),
    #[error("{address}")]
    Listen {
        address: std::net::SocketAddr,
        source: io::Error,
    },
    #[error("the runtime could not be started")]
    Runtime(#[source] io::Error),
    #[error(transparent)]
    Gates(gates::TransportError),
    #[error(transparent)]
    Operator(operator::Error),
}

/// Runs until SIGTERM or Ctrl-C. Exit status 2 for bad configuration, 1 for other failures.
pub(crate) fn main(args: ControllerArgs) -> ExitCode {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_writer(io::stderr)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| {
                tracing_subscriber::EnvFilter::new("info,kube=warn,kube_client=off,aws_config=warn")
            }),
        )
        .init();
    // The operator is one future on one thread.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime);
    match runtime.and_then(|runtime| runtime.block_on(run(args))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::from(if matches!(error, Error::Config(_) | Error::Aws(_)) {
                2
            } else {
                1
            })
        }
    }
}

async fn run(args: ControllerArgs) -> Result<(), Error> {
    let config = configuration::read(&args.config)?;
    let client = kubernetes::client(kubernetes::config(args.kubeconfig.as_deref(), None).await?)?;
    let health = Health::default();
    let metrics = Metrics::default();
    let aws = amazon(
        args.aws_endpoint_url.or_else(|| config.aws.endpoint_url.clone()),
        &metrics,
    )
    .await?;
    let address = args.metrics_addr;
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .map_err(|source| Error::Listen { address, source })?;
    let address = listener
        .local_addr()
        .map_err(|source| Error::Listen { address, source })?;
    tracing::info!(%address, installation = %config.installation, "bulkhead controller");
    let serving = axum::serve(listener, server::router(health.clone(), metrics.clone()));
    let pod_namespace = std::env::var("POD_NAMESPACE").ok();
    let lease_namespace = config.leader_election.namespace.clone();
    let jobs_namespace = jobs_namespace(pod_namespace.clone(), lease_namespace.clone());
    let namespace = lease_namespace
        .or(pod_namespace)
        .unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
    let seed = SysRng.try_next_u64().map_err(Error::Random)?;
    let runner = gates::Runner::new(
        gates::transport().map_err(Error::Gates)?,
        client.clone(),
        gates::Settings {
            allowed_hosts: config.gates.allowed_hosts.clone(),
            prometheus_address: config.gates.prometheus_address.clone(),
            namespace: jobs_namespace,
            service_account: std::env::var("POD_SERVICE_ACCOUNT").unwrap_or_else(|_| "bulkhead".to_owned()),
        },
    );
    let operator = Operator {
        gates: operator::measuring(runner),
        aws,
        client,
        config,
        take_over: args.take_over,
        namespace,
        host: std::env::var("HOSTNAME").unwrap_or_else(|_| "bulkhead".to_owned()),
        clock: WallClock::new(),
        seed,
        health,
        metrics,
    };
    tokio::select! {
        biased;
        ended = operator::run(operator, stop()) => ended.map_err(Error::Operator),
        served = std::future::IntoFuture::into_future(serving) => {
            served.map_err(|source| Error::Listen { address, source })
        }
    }
}

/// Where nothing says otherwise.
const DEFAULT_NAMESPACE: &str = "default";

/// Where Jobs of gates run, and Secrets for gates are: beside the operator's own Pod. The lease may be elsewhere, where
/// others have their accounts and Secrets; its namespace counts only for an operator that runs in no Pod.
fn jobs_namespace(pod: Option<String>, lease: Option<String>) -> String {
    pod.or(lease).unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned())
}

/// Resolves at SIGTERM or Ctrl-C.
async fn stop() {
    let (mut terminate, mut interrupt) =
        match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
            (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(%error, "signals cannot be watched; the process has to be killed to stop");
                return std::future::pending().await;
            }
        };
    tokio::select! {
        biased;
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

async fn amazon(endpoint_url: Option<String>, metrics: &Metrics) -> Result<aws::Aws, Error> {
    let options = aws::Options {
        endpoint_url,
        ..aws::Options::default()
    };
    let metrics = metrics.clone();
    let observer = move |call: &aws::CallRecord| {
        metrics.aws_call(
            call.service,
            call.operation,
            call.outcome,
            call.duration.as_secs_f64(),
        );
    };
    Ok(aws::Aws::from_environment(&options)
        .await
        .map_err(Error::Aws)?
        .with_observer(Arc::new(observer)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_run_beside_the_operator_not_beside_the_lease() {
        let name = |name: &str| Some(name.to_owned());
        assert_eq!(
            jobs_namespace(name("bulkhead-system"), name("leases")),
            "bulkhead-system"
        );
        assert_eq!(jobs_namespace(name("bulkhead-system"), None), "bulkhead-system");
        assert_eq!(jobs_namespace(None, name("leases")), "leases");
        assert_eq!(jobs_namespace(None, None), DEFAULT_NAMESPACE);
    }
}
