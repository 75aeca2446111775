//! One HTTP request to an endpoint that answers with JSON.

use crate::{
    condition::{Conditions, Measurement},
    fetch::{self, BoxError},
    json_path,
    message::{self, hide},
    runner::Settings,
    secret,
};
use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response,
    header::{ACCEPT, CONTENT_TYPE},
};
use http_body::Body;
use http_body_util::Full;
use kube::Client;
use promotion::{HttpGate, Measure, Measured};
use serde_json::{Value, json};
use tower::Service;

/// GET or POST.
pub(crate) fn method(gate: &HttpGate) -> Result<Method, String> {
    match gate.method.as_deref() {
        None | Some("GET") => Ok(Method::GET),
        Some("POST") => Ok(Method::POST),
        Some(other) => Err(format!("method {other:?} is neither GET nor POST")),
    }
}

pub(crate) async fn measure<T, B>(
    transport: &T,
    client: &Client,
    settings: &Settings,
    measure: &Measure,
    gate: &HttpGate,
) -> Result<Measured, String>
where
    T: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone,
    T::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    // Before a Secret is read, and before the endpoint is asked for something that could not be judged.
    crate::hosts::check_url(&gate.url, &settings.allowed_hosts)?;
    let within = fetch::timeout(gate.timeout.as_ref())?;
    let mut request = request(measure, gate)?;
    let mut secrets = Vec::new();
    if let Some(name) = &gate.headers_secret {
        let headers = secret::headers(client, &settings.namespace, name, request.uri()).await?;
        secrets = headers.secrets;
        request.headers_mut().extend(headers.map);
    }
    let (status, body) = fetch::fetch(transport, &settings.allowed_hosts, request, within)
        .await
        .map_err(|error| hide(&error.to_string(), &secrets))?;
    if !status.is_success() {
        // As Argo Rollouts' web metric has it: an endpoint that fails has not measured.
        return Err(format!("the endpoint answered {status}"));
    }
    let answer: Value =
        serde_json::from_slice(&body).map_err(|error| format!("the answer is not JSON: {error}"))?;
    let value = json_path::pick(answer, gate.json_path.as_deref())?;
    let conditions = Conditions {
        success: &gate.success_condition,
        failure: gate.failure_condition.as_deref(),
    };
    let (result, text) = conditions.judge(&Measurement::json(&value, &secrets), &secrets);
    Ok(message::measured(result, &text))
}

/// What is sent. A POST says what is measured.
fn request(measure: &Measure, gate: &HttpGate) -> Result<Request<Full<Bytes>>, String> {
    let method = method(gate)?;
    let body = if method == Method::POST {
        let key = &measure.key;
        let what = json!({
            "attempt": key.attempt,
            "revision": key.revision.to_string(),
            "stage": key.stage,
            "wave": measure.wave,
            "gate": key.gate,
            "environment": measure.environment,
        });
        Full::from(what.to_string())
    } else {
        Full::default()
    };
    let mut request = Request::new(body);
    if method == Method::POST {
        request
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    request
        .headers_mut()
        .insert(ACCEPT, HeaderValue::from_static("application/json"));
    *request.method_mut() = method;
    *request.uri_mut() = gate.url.parse().map_err(|error| format!("not a URL: {error}"))?;
    Ok(request)
}

#[cfg(test)]
mod tests;
