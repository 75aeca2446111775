//! The organization on two TCP addresses: one for the three services, one for debugging.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use http_body::Frame;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::{Lost, Orgsim};

/// Largest request body; AWS's own limits are far below.
const BODY: usize = 1 << 20;

/// How long open connections may take to end.
const GRACE: Duration = Duration::from_secs(2);

/// A running server. Stops when dropped.
#[derive(Debug)]
pub struct Running {
    /// Where the three services listen.
    pub address: SocketAddr,
    /// Where [`Orgsim::debug`] listens.
    pub debug_address: SocketAddr,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<io::Result<()>>>,
}

impl Running {
    /// Lets answers in progress end, then stops; connections that are still open after 2 s are cut.
    pub async fn shutdown(mut self) {
        let _ = self.stop.send(true);
        for task in &mut self.tasks {
            let _ = tokio::time::timeout(GRACE, task).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Serves the organization; a port of 0 picks a free one. Errors when an address cannot be bound.
pub async fn serve(orgsim: Orgsim, listen: SocketAddr, debug_listen: SocketAddr) -> io::Result<Running> {
    let listener = TcpListener::bind(listen).await?;
    let debug_listener = TcpListener::bind(debug_listen).await?;
    let (address, debug_address) = (listener.local_addr()?, debug_listener.local_addr()?);
    let services = Router::new().fallback(answer).with_state(orgsim.clone());
    let debug = Router::new().fallback(answer_debug).with_state(orgsim);
    let (stop, stopped) = watch::channel(false);
    let tasks = vec![
        spawn(listener, services, stopped.clone()),
        spawn(debug_listener, debug, stopped),
    ];
    Ok(Running {
        address,
        debug_address,
        stop,
        tasks,
    })
}

fn spawn(
    listener: TcpListener,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) -> JoinHandle<io::Result<()>> {
    let until_stopped = async move {
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    tokio::spawn(async move {
        axum::serve(listener, router)
            .with_graceful_shutdown(until_stopped)
            .await
    })
}

async fn answer(State(orgsim): State<Orgsim>, request: Request) -> Response {
    match collect(request).await {
        Ok(request) => match orgsim.handle(request).await {
            Ok(response) => response.map(Body::from),
            Err(lost) => closed(lost),
        },
        Err(refusal) => refusal,
    }
}

/// hyper gives up a connection whose body fails before anything of the answer was written.
fn closed(lost: Lost) -> Response {
    Response::new(Body::new(Fails(lost)))
}

/// A body that ends in an error before its first byte.
struct Fails(Lost);

impl http_body::Body for Fails {
    type Data = Bytes;
    type Error = Lost;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Lost>>> {
        Poll::Ready(Some(Err(self.0)))
    }
}

async fn answer_debug(State(orgsim): State<Orgsim>, request: Request) -> Response {
    match collect(request).await {
        Ok(request) => orgsim.debug(request).map(Body::from),
        Err(refusal) => refusal,
    }
}

async fn collect(request: Request) -> Result<http::Request<Bytes>, Response> {
    let (parts, body) = request.into_parts();
    match axum::body::to_bytes(body, BODY).await {
        Ok(bytes) => Ok(http::Request::from_parts(parts, bytes)),
        Err(_) => Err(StatusCode::PAYLOAD_TOO_LARGE.into_response()),
    }
}
