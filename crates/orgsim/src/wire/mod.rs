//! The wire: awsJson 1.1 for Organizations and the tagging API, awsQuery for STS.
//!
//! Signatures are not checked; the `Authorization` header names the caller's access key and the signing Region.

mod error;
mod operations;
pub(crate) mod organizations;
pub(crate) mod shapes;
pub(crate) mod sts;
pub(crate) mod tagging;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request as HttpRequest, Response as HttpResponse, StatusCode, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(crate) use error::ApiError;
pub(crate) use operations::{is_read, is_write, known_operation, operations};

/// Target prefix of AWS Organizations' awsJson 1.1 protocol.
const ORGANIZATIONS_TARGET: &str = "AWSOrganizationsV20161128.";
/// Target prefix of the Resource Groups Tagging API.
const TAGGING_TARGET: &str = "ResourceGroupsTaggingAPI_20170126.";

/// The service a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Organizations,
    Tagging,
    Sts,
}

impl Service {
    /// As the service signs and as IAM actions begin; the tagging API's IAM prefix is `tag`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Organizations => "organizations",
            Self::Tagging => "tagging",
            Self::Sts => "sts",
        }
    }

    /// The prefix of the service's IAM actions.
    pub(crate) fn action_prefix(self) -> &'static str {
        match self {
            Self::Organizations => "organizations",
            Self::Tagging => "tag",
            Self::Sts => "sts",
        }
    }
}

/// Who signed, as far as the headers tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Credentials {
    pub(crate) access_key_id: String,
    /// The Region of the credential scope.
    pub(crate) region: String,
    pub(crate) session_token: Option<String>,
}

/// A request that was understood.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    Organizations(organizations::Request),
    Tagging(tagging::Request),
    Sts(sts::Request),
}

/// One HTTP request, decoded as far as possible.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) service: Service,
    /// As the caller named it, known or not.
    pub(crate) operation: String,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) request: Result<Request, ApiError>,
}

/// What a service answers when it does not refuse.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Json(Value),
    Sts(sts::Answer),
}

/// What of an HTTP request matters here, in a form that can be kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RawRequest {
    /// `X-Amz-Target`; none for STS.
    target: String,
    query: Option<String>,
    #[serde(with = "text_body")]
    body: Bytes,
    credentials: Option<Credentials>,
}

/// Bodies are text; one that is not is refused when it is decoded, kept or not.
mod text_body {
    use bytes::Bytes;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(body: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&String::from_utf8_lossy(body))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        String::deserialize(deserializer).map(Bytes::from)
    }
}

impl RawRequest {
    pub(crate) fn of(request: &HttpRequest<Bytes>) -> Self {
        Self {
            target: text(request.headers(), "x-amz-target")
                .unwrap_or_default()
                .to_owned(),
            query: request.uri().query().map(str::to_owned),
            body: request.body().clone(),
            credentials: credentials(request.headers()),
        }
    }

    /// Never fails: what cannot be read becomes the service's own refusal.
    pub(crate) fn decode(&self) -> Exchange {
        let (target, body) = (self.target.as_str(), &self.body);
        let (service, operation, request) = if let Some(name) = target.strip_prefix(ORGANIZATIONS_TARGET) {
            let decoded = organizations::Request::decode(name, body).map(Request::Organizations);
            (Service::Organizations, name.to_owned(), decoded)
        } else if let Some(name) = target.strip_prefix(TAGGING_TARGET) {
            let decoded = tagging::Request::decode(name, body).map(Request::Tagging);
            (Service::Tagging, name.to_owned(), decoded)
        } else if target.is_empty() {
            let (name, decoded) = sts::Request::decode(self.query.as_deref(), body);
            (Service::Sts, name, decoded.map(Request::Sts))
        } else {
            let unknown = ApiError::unknown_operation(target);
            (Service::Organizations, target.to_owned(), Err(unknown))
        };
        Exchange {
            service,
            operation,
            credentials: self.credentials.clone(),
            request,
        }
    }
}

/// Writes an answer or a refusal, with the request id in the header (and, for STS, in the body).
pub(crate) fn encode(
    service: Service,
    request_id: &str,
    result: &Result<Answer, ApiError>,
) -> HttpResponse<Bytes> {
    let (status, body) = match (service, result) {
        (Service::Sts, Err(error)) => (error.status, sts::encode_error(error, request_id)),
        (_, Err(error)) => (error.status, json_error(error).to_string()),
        (_, Ok(Answer::Sts(answer))) => (200, answer.encode(request_id)),
        (_, Ok(Answer::Json(value))) => (200, value.to_string()),
    };
    let content_type = match service {
        Service::Sts => "text/xml",
        Service::Organizations | Service::Tagging => "application/x-amz-json-1.1",
    };
    let mut response = HttpResponse::new(Bytes::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", value);
    }
    response
}

fn json_error(error: &ApiError) -> Value {
    let mut body = json!({"__type": error.code, "Message": error.message});
    if let Some(reason) = &error.reason {
        body["Reason"] = json!(reason);
    }
    if let Some(throttle) = &error.throttle {
        body["Type"] = json!(throttle);
    }
    body
}

/// An awsJson body as an operation's input. An empty body is an empty object; unknown members are ignored, as AWS does.
fn decode_json<T: DeserializeOwned>(body: &Bytes) -> Result<T, ApiError> {
    let body: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| ApiError::serialization(error.to_string()))
}

/// `AWS4-HMAC-SHA256 Credential=<key id>/<date>/<region>/<service>/aws4_request, SignedHeaders=.., Signature=..`
fn credentials(headers: &HeaderMap) -> Option<Credentials> {
    let authorization = text(headers, "authorization")?;
    let scope = authorization.split("Credential=").nth(1)?;
    let mut parts = scope.split([',', ' ']).next()?.split('/');
    let access_key_id = parts.next().filter(|key| !key.is_empty())?.to_owned();
    let region = parts.nth(1).unwrap_or_default().to_owned();
    let session_token = text(headers, "x-amz-security-token").map(str::to_owned);
    Some(Credentials {
        access_key_id,
        region,
        session_token,
    })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
