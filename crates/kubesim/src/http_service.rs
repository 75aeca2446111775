//! The tower service: HTTP in, HTTP out, with latency on tokio's clock.

use crate::{
    Shared,
    delete::DeleteOptions,
    failure::{Failure, Subject},
    faults::{Fault, Hit, Moment, Occasion, Verb},
    object,
    request::{Form, Identity, Options, Query, Target, route},
    server::{Answer, State},
    store::event,
    stream,
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

/// The body of a response: one document, or the lines of a watch.
pub type ResponseBody = UnsyncBoxBody<Bytes, Infallible>;

/// The API server as a [`tower::Service`]; give it to `kube::Client::new`.
#[derive(Clone)]
pub struct ApiService {
    pub(crate) shared: Arc<Shared>,
    pub(crate) identity: Identity,
}

impl ApiService {
    /// The same service under a name that tells its client apart from others of the same user.
    #[must_use]
    pub fn named(mut self, client: &str) -> Self {
        client.clone_into(&mut self.identity.label);
        self
    }
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
    type Error = ConnectionLost;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let shared = self.shared.clone();
        let (parts, body) = request.into_parts();
        let call = Call {
            method: parts.method,
            uri: parts.uri,
            headers: parts.headers,
            identity: self.identity.clone(),
        };
        // Drawn here, so that the order of calls alone decides who gets which latency and which fault.
        let (before, after) = shared.latency();
        let hit = strike(&shared, &call);
        let slow = hit
            .filter(|hit| hit.fault == Fault::Slow)
            .map_or(Duration::ZERO, |hit| hit.delay / 2);
        async move {
            pause(before + slow).await;
            let fault = hit.map(|hit| hit.fault);
            let response = match fault.map_or(Outcome::Answer, outcome) {
                Outcome::Answer => answer(&shared, &call, body).await,
                Outcome::Refuse(failure) => refuse(&shared, &call, failure),
                Outcome::Answered(failure) => {
                    answer(&shared, &call, body).await;
                    failed(&failure)
                }
                Outcome::Lost { effect } => {
                    if effect {
                        answer(&shared, &call, body).await;
                    }
                    pause(after).await;
                    return Err(ConnectionLost);
                }
                Outcome::Silence { effect } => {
                    if effect {
                        answer(&shared, &call, body).await;
                    }
                    return std::future::pending().await;
                }
            };
            pause(after + slow).await;
            Ok(response)
        }
        .boxed()
    }
}

/// The connection broke before the answer to a request arrived; whether the request had its effect is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection broke before the answer arrived")]
pub struct ConnectionLost;

/// What becomes of a request.
enum Outcome {
    /// It is served.
    Answer,
    /// It is refused, without an effect.
    Refuse(Failure),
    /// It is served, but this is what the client gets to see.
    Answered(Failure),
    /// The connection breaks.
    Lost { effect: bool },
    /// Nothing comes back, ever.
    Silence { effect: bool },
}

fn outcome(fault: Fault) -> Outcome {
    let refuse = |code, reason, message: &str| Failure::new(code, reason, message).retry_after(1);
    match fault {
        // These two are decided elsewhere: on the way, and on the lines of a watch.
        Fault::Slow | Fault::WatchBroken | Fault::WatchStale => Outcome::Answer,
        Fault::Conflict => Outcome::Refuse(Failure::modified(Subject::default())),
        Fault::InternalError => Outcome::Refuse(Failure::new(
            500,
            "InternalError",
            "Internal error occurred: a fault of the plan",
        )),
        Fault::Unavailable => Outcome::Refuse(refuse(
            503,
            "ServiceUnavailable",
            "the server is currently unable to handle the request",
        )),
        Fault::TooManyRequests => Outcome::Refuse(refuse(
            429,
            "TooManyRequests",
            "too many requests, please try again later",
        )),
        Fault::Gone => Outcome::Refuse(Failure::expired(
            "The resourceVersion for the provided watch or list is too old.",
        )),
        Fault::GatewayTimeoutAfterEffect => Outcome::Answered(Failure::new(
            504,
            "Timeout",
            "Timeout: request did not complete within the allotted timeout",
        )),
        Fault::ConnectionLost => Outcome::Lost { effect: false },
        Fault::ConnectionLostAfterEffect => Outcome::Lost { effect: true },
        Fault::Hang => Outcome::Silence { effect: false },
        Fault::HangAfterEffect => Outcome::Silence { effect: true },
    }
}

/// Asks the plan about a request. Requests that name no served resource are not its business.
fn strike(shared: &Shared, call: &Call) -> Option<Hit> {
    let mut state = shared.state();
    if !state.has_faults() {
        return None;
    }
    state.now = (shared.clock)();
    let query = Query::parse(&call.uri);
    let target = route(&state.registry, &call.method, call.uri.path()).ok()?;
    let continues = query.get("continue").is_some();
    let occasion = occasion(call, &query, &target, Moment::Request { continues })?;
    state.strike(occasion)
}

fn occasion(call: &Call, query: &Query, target: &Target, moment: Moment) -> Option<Occasion> {
    Some(Occasion {
        verb: match verb(call, query, target) {
            "create" => Verb::Create,
            "update" => Verb::Update,
            "patch" => Verb::Patch,
            "delete" | "deletecollection" => Verb::Delete,
            "get" => Verb::Get,
            "list" => Verb::List,
            "watch" => Verb::Watch,
            _ => return None,
        },
        resource: target.counted(),
        namespace: target.namespace.clone().unwrap_or_default(),
        name: target.name().to_owned(),
        client: call.identity.label.clone(),
        moment,
    })
}

async fn answer<B>(shared: &Arc<Shared>, call: &Call, body: B) -> Response<ResponseBody>
where
    B: http_body::Body,
    B::Error: std::fmt::Display,
{
    match body.collect().await {
        Ok(body) => respond(shared, call, &body.to_bytes()),
        Err(error) => failed(&Failure::bad_request(format!(
            "the body could not be read: {error}"
        ))),
    }
}

/// The answer of a server that has counted the request and done nothing.
fn refuse(shared: &Arc<Shared>, call: &Call, failure: Failure) -> Response<ResponseBody> {
    let query = Query::parse(&call.uri);
    let mut state = shared.state();
    let failure = match route(&state.registry, &call.method, call.uri.path()) {
        Ok(target) => {
            state.count(verb(call, &query, &target), &target);
            if failure.code == 409 {
                Failure::modified(target.resource.subject(target.name()))
            } else {
                failure
            }
        }
        Err(missing) => missing,
    };
    refused(&failure, &query)
}

/// An error as the client gets it.
fn refused(failure: &Failure, query: &Query) -> Response<ResponseBody> {
    if failure.code == 410 && query.flag("watch") {
        // Once a watch has been admitted, its errors are events.
        let line = event("ERROR", &failure.to_json());
        return reply(200, Full::new(line).boxed_unsync(), &[]);
    }
    failed(failure)
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
    shared.tell();
    match (answer, form) {
        (Ok(Answer::Object { code, body, warnings }), Ok(form)) => {
            document(code, &shape(body, form), &warnings)
        }
        (Ok(Answer::Watch { frames, bookmark }), _) => {
            let seconds = match query.number("timeoutSeconds") {
                Ok(seconds) => seconds.map_or(shared.watch_timeout, Duration::from_secs),
                Err(failure) => return failed(&failure),
            };
            let target = route(&shared.state().registry, &call.method, call.uri.path()).ok();
            let occasion = target.and_then(|target| occasion(call, &query, &target, Moment::Event));
            let lines = stream::lines(shared, frames, bookmark, seconds, occasion);
            let frames = lines.map(|line| Ok::<_, Infallible>(http_body::Frame::data(line)));
            reply(200, StreamBody::new(frames).boxed_unsync(), &[])
        }
        (Err(failure), _) | (_, Err(failure)) => refused(&failure, &query),
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
    state.count(verb, &target);
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
    let mut response = document(failure.code, &failure.to_json(), &[]);
    if let Some(seconds) = failure.seconds_to_wait() {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
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
