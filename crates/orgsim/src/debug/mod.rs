//! The debug address: `GET /state`, `GET /calls`, `POST /mutate`. JSON; no AWS protocol, no signature, no throttle.

mod mutation;
mod state;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::{Value, json};

pub use mutation::{MutateError, Mutation};
pub use state::{
    AccountState, AccountView, AttachmentView, Call, CreationView, FailureReason, HandshakeView,
    OrganizationalUnitView, PolicyView, RootView, State,
};

use crate::Orgsim;

/// Answers one request of the debug address.
pub(crate) fn handle(orgsim: &Orgsim, request: Request<Bytes>) -> Response<Bytes> {
    let (parts, body) = request.into_parts();
    let (status, body) = match (&parts.method, parts.uri.path()) {
        (&Method::GET, "/state") => (StatusCode::OK, json!(orgsim.state())),
        (&Method::GET, "/calls") => (StatusCode::OK, json!({"calls": orgsim.calls()})),
        (&Method::POST, "/mutate") => mutate(orgsim, &body),
        (_, "/state" | "/calls" | "/mutate") => (
            StatusCode::METHOD_NOT_ALLOWED,
            refusal("method", "GET /state, GET /calls, POST /mutate"),
        ),
        _ => (
            StatusCode::NOT_FOUND,
            refusal("path", "must be /state, /calls or /mutate"),
        ),
    };
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn mutate(orgsim: &Orgsim, body: &Bytes) -> (StatusCode, Value) {
    match mutation::parse(body).and_then(|mutation| orgsim.mutate(mutation)) {
        Ok(()) => (StatusCode::OK, json!({})),
        Err(error) => (StatusCode::BAD_REQUEST, json!({"error": error})),
    }
}

fn refusal(field: &str, rule: &str) -> Value {
    json!({"error": {"field": field, "rule": rule}})
}
