//! The tower service: HTTP in, HTTP out, with latency on tokio's clock.

use crate::{
    Shared,
    delete::DeleteOptions,
    failure::Failure,
    object,
    request::{Form, Identity, Options, Query, Target, route},
    server::{Answer, Bookmarks, State},
    store::{Frame, event},
    write::{PatchKind, parse_body},
};
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture};
use http::{HeaderMap, Method, Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use serde_json::{Value, json};
use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{sync::mpsc, time::Instant};

/// The body of a response: one document, or the lines of a watch.
pub type ResponseBody = UnsyncBoxBody<Bytes, Infallible>;

/// The API server as a [`tower::Service`]; give it to `kube::Client::new`.
#[derive(Clone)]
pub struct ApiService {
    pub(crate) shared: Arc<Shared>,
    pub(crate) identity: Identity,
}

impl std::fmt::Debug for ApiService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiService")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

impl<B> tower::Service<Request<B>> for ApiService
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: std::fmt::Display + Send,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Self { shared, identity } = self.clone();
        // Drawn here, so that the order of calls alone decides who gets which latency.
        let (before, after) = shared.latency();
        async move {
            pause(before).await;
            let (parts, body) = request.into_parts();
            let response = match body.collect().await {
                Ok(body) => {
                    let call = Call {
                        method: parts.method,
                        uri: parts.uri,
                        headers: parts.headers,
                        identity,
                    };
                    respond(&shared, &call, &body.to_bytes())
                }
                Err(error) => failed(&Failure::bad_request(format!(
                    "the body could not be read: {error}"
                ))),
            };
            pause(after).await;
            Ok(response)
        }
        .boxed()
    }
}

async fn pause(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}

/// A request without its body.
struct Call {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    identity: Identity,
}

fn respond(shared: &Arc<Shared>, call: &Call, body: &[u8]) -> Response<ResponseBody> {
    let query = Query::parse(&call.uri);
    let (answer, form) = {
        let mut state = shared.state();
        state.now = (shared.clock)();
        let form = Form::parse(&call.headers);
        (
            form.clone()
                .and_then(|form| dispatch(&mut state, call, &query, body, form)),
            form,
        )
    };
    match (answer, form) {
        (Ok(Answer::Object { code, body, warnings }), Ok(form)) => {
            document(code, &shape(body, form), &warnings)
        }
        (Ok(Answer::Watch { frames, bookmark }), _) => stream(shared, &query, frames, &bookmark),
        (Err(failure), _) if failure.code == 410 && query.flag("watch") => {
            // Once a watch has been admitted, its errors are events.
            let line = event("ERROR", &failure.to_json());
            let body = http_body_util::BodyExt::boxed_unsync(Full::new(line));
            reply(200, body, &[])
        }
        (Err(failure), _) | (_, Err(failure)) => failed(&failure),
    }
}

fn dispatch(
    state: &mut State,
    call: &Call,
    query: &Query,
    body: &[u8],
    form: Form,
) -> Result<Answer, Failure> {
    let path = call.uri.path();
    if path == "/version" {
        return Ok(Answer::ok(
            json!({"major": "1", "minor": "36", "gitVersion": "v1.36.0-kubesim"}),
        ));
    }
    let target = route(&state.registry, &call.method, path)?;
    let verb = verb(call, query, &target);
    let counted = if target.status {
        format!("{}/status", target.resource.display())
    } else {
        target.resource.display()
    };
    *state.requests.entry((verb.to_owned(), counted)).or_default() += 1;
    let options = Options::parse(query, &call.headers, call.identity.clone())?;
    match verb {
        "get" => Ok(Answer::ok((*state.get(&target)?).clone())),
        "list" => state.list(&target, query, form),
        "watch" => state.watch(&target, query, form),
        "create" => state.create(&target, parse_body(&target, body)?, &options),
        "update" => state.put(&target, parse_body(&target, body)?, &options),
        "patch" => state.patch(&target, patch_kind(call, &target)?, body, &options),
        "delete" => state.delete(&target, &DeleteOptions::parse(body, query)?, &options),
        "deletecollection" if target.resource.plural != "namespaces" => {
            state.delete_collection(&target, query, &DeleteOptions::parse(body, query)?, &options)
        }
        "" if target.name.is_none() => Err(Failure::bad_request("name must be provided")),
        _ => Err(Failure::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )),
    }
}

/// The RBAC verb of a request.
fn verb(call: &Call, query: &Query, target: &Target) -> &'static str {
    let named = target.name.is_some();
    match call.method {
        Method::GET if named => "get",
        Method::GET if query.flag("watch") => "watch",
        Method::GET => "list",
        Method::POST if !named => "create",
        Method::PUT if named => "update",
        Method::PATCH if named => "patch",
        Method::DELETE if named => "delete",
        Method::DELETE => "deletecollection",
        _ => "",
    }
}

fn patch_kind(call: &Call, target: &Target) -> Result<PatchKind, Failure> {
    let content_type = call
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|text| text.to_str().ok())
        .unwrap_or_default();
    match content_type.split(';').next().unwrap_or_default().trim() {
        "application/json-patch+json" => Ok(PatchKind::Json),
        "application/merge-patch+json" => Ok(PatchKind::Merge),
        "application/apply-patch+yaml" => Ok(PatchKind::Apply),
        "application/strategic-merge-patch+json" if !target.resource.custom => {
            Err(Failure::not_implemented("strategic merge patch"))
        }
        _ => Err(Failure::new(
            415,
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: \
             application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
        )),
    }
}

/// The object in the form the client asked for; lists take their form while they are made.
fn shape(body: Value, form: Form) -> Value {
    let is_object = body["metadata"].is_object() && body.get("items").is_none() && body["kind"] != "Status";
    if form == Form::Metadata && is_object {
        object::metadata_only(&body)
    } else {
        body
    }
}

fn failed(failure: &Failure) -> Response<ResponseBody> {
    document(failure.code, &failure.to_json(), &[])
}

fn document(code: u16, body: &Value, warnings: &[String]) -> Response<ResponseBody> {
    reply(
        code,
        Full::new(Bytes::from(body.to_string())).boxed_unsync(),
        warnings,
    )
}

fn reply(code: u16, body: ResponseBody, warnings: &[String]) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    *response.status_mut() = http::StatusCode::from_u16(code).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    for warning in warnings {
        let text = format!("299 - {}", json!(warning));
        if let Ok(value) = header::HeaderValue::from_str(&text) {
            headers.append(header::WARNING, value);
        }
    }
    response
}

/// A watch under way.
struct Live {
    shared: Arc<Shared>,
    frames: mpsc::UnboundedReceiver<Frame>,
    bookmarks: Bookmarks,
    next_bookmark: Instant,
    ends: Instant,
}

/// What happens next on a watch.
enum Next {
    Frame(Option<Frame>),
    Bookmark,
    End,
}

fn stream(
    shared: &Arc<Shared>,
    query: &Query,
    frames: mpsc::UnboundedReceiver<Frame>,
    bookmark: &Bookmarks,
) -> Response<ResponseBody> {
    let seconds = match query.number("timeoutSeconds") {
        Ok(seconds) => seconds.map_or(shared.watch_timeout, Duration::from_secs),
        Err(failure) => return failed(&failure),
    };
    let now = Instant::now();
    let live = Live {
        shared: shared.clone(),
        frames,
        bookmarks: bookmark.clone(),
        next_bookmark: now + shared.bookmark_period,
        ends: now + seconds,
    };
    let lines = futures::stream::unfold(live, |mut live| async move {
        live.next().await.map(|line| (line, live))
    });
    let frames = lines.map(|line| Ok::<_, Infallible>(http_body::Frame::data(line)));
    reply(200, StreamBody::new(frames).boxed_unsync(), &[])
}

impl Live {
    /// The next line, `None` at the end of the watch.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let next = tokio::select! {
                biased;
                () = tokio::time::sleep_until(self.ends) => Next::End,
                frame = self.frames.recv() => Next::Frame(frame),
                () = tokio::time::sleep_until(self.next_bookmark), if self.bookmarks.wanted => Next::Bookmark,
            };
            match next {
                Next::End | Next::Frame(None) => return None,
                Next::Frame(Some((due, line))) => {
                    // An event that would arrive after the end is lost; the client resumes before it.
                    if due > self.ends {
                        tokio::time::sleep_until(self.ends).await;
                        return None;
                    }
                    tokio::time::sleep_until(due).await;
                    return Some(line);
                }
                Next::Bookmark => {
                    self.next_bookmark = Instant::now() + self.shared.bookmark_period;
                    if let Some(line) = self.bookmark() {
                        return Some(line);
                    }
                }
            }
        }
    }

    /// A bookmark promises that everything up to its version has been sent.
    fn bookmark(&self) -> Option<Bytes> {
        let state = self.shared.state();
        self.frames.is_empty().then(|| {
            let version = state.store.version().to_string();
            event(
                "BOOKMARK",
                &json!({
                    "apiVersion": self.bookmarks.api_version, "kind": self.bookmarks.kind,
                    "metadata": {"resourceVersion": version},
                }),
            )
        })
    }
}
