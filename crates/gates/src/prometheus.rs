//! One query to a Prometheus: `GET /api/v1/query`.

use crate::{
    condition::{Conditions, Measurement},
    fetch::{self, BoxError},
    message,
    runner::Settings,
};
use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body::Body;
use http_body_util::Full;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use promotion::{Measured, PrometheusGate};
use serde::Deserialize;
use serde_json::Value;
use tower::Service;

/// Characters of a query at most: it travels in the URL.
pub(crate) const QUERY_LENGTH: usize = 4_000;

pub(crate) const NO_ADDRESS: &str =
    "neither the gate nor `gates.prometheusAddress` of the operator's configuration names a Prometheus";

/// What stays as it is in a query's value.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// An answer, https://prometheus.io/docs/prometheus/latest/querying/api/#format-overview.
#[derive(Deserialize)]
struct Answer {
    status: String,
    data: Option<Data>,
    #[serde(default)]
    error: String,
    #[serde(default, rename = "errorType")]
    error_type: String,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    result_type: String,
    result: Value,
}

/// A time, and a number as text.
#[derive(Deserialize)]
struct Sample(serde::de::IgnoredAny, String);

#[derive(Deserialize)]
struct Series {
    value: Option<Sample>,
}

/// The URL of a query.
pub(crate) fn url(address: &str, query: &str, now: Timestamp) -> Result<Uri, String> {
    if query.trim().is_empty() || query.len() > QUERY_LENGTH {
        return Err(format!("a query has 1 to {QUERY_LENGTH} characters"));
    }
    let base: Uri = address
        .parse()
        .map_err(|error| format!("the address is not a URL: {error}"))?;
    if base.query().is_some() || address.contains('#') {
        return Err("the address of a Prometheus has no query".to_owned());
    }
    let text = format!(
        "{}/api/v1/query?query={}&time={}.{:03}",
        address.trim_end_matches('/'),
        utf8_percent_encode(query, UNRESERVED),
        now.as_second(),
        now.subsec_millisecond().max(0),
    );
    text.parse()
        .map_err(|error| format!("the address is not a URL: {error}"))
}

pub(crate) async fn measure<T, B>(
    transport: &T,
    settings: &Settings,
    gate: &PrometheusGate,
    now: Timestamp,
) -> Result<Measured, String>
where
    T: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone,
    T::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    let address = gate
        .address
        .as_ref()
        .or(settings.prometheus_address.as_ref())
        .ok_or(NO_ADDRESS)?;
    let within = fetch::timeout(gate.timeout.as_ref())?;
    let mut request = Request::new(Full::default());
    *request.uri_mut() = url(address, &gate.query, now)?;
    let (status, body) = fetch::fetch(transport, &settings.allowed_hosts, request, within)
        .await
        .map_err(|error| error.to_string())?;
    let (measurement, warnings) = read(status, &body)?;
    let conditions = Conditions {
        success: &gate.success_condition,
        failure: gate.failure_condition.as_deref(),
    };
    let (result, mut text) = conditions.judge(&measurement, &[]);
    if !warnings.is_empty() {
        text.push_str("; Prometheus warns: ");
        text.push_str(&warnings.join("; "));
    }
    Ok(message::measured(result, &text))
}

/// The measurement and Prometheus's warnings. Errors come as JSON, too; a proxy's do not.
fn read(status: StatusCode, body: &[u8]) -> Result<(Measurement, Vec<String>), String> {
    let answer: Answer = match serde_json::from_slice(body) {
        Ok(answer) => answer,
        Err(_) if !status.is_success() => return Err(format!("Prometheus answered {status}")),
        Err(error) => return Err(format!("the answer is not one of Prometheus: {error}")),
    };
    if answer.status != "success" || !status.is_success() {
        let (kind, error) = (&answer.error_type, &answer.error);
        return Err(format!("Prometheus answered {status}: {kind}: {error}"));
    }
    let data = answer.data.ok_or("the answer of Prometheus has no data")?;
    let malformed = |error| format!("the answer of Prometheus has no number: {error}");
    let measurement = match data.result_type.as_str() {
        "scalar" => {
            let sample: Sample = serde_json::from_value(data.result).map_err(malformed)?;
            Measurement::scalar(number(&sample.1)?)
        }
        "vector" => {
            let series: Vec<Series> = serde_json::from_value(data.result).map_err(malformed)?;
            let numbers: Vec<f64> = series
                .into_iter()
                .map(|one| match one.value {
                    Some(sample) => number(&sample.1),
                    None => {
                        Err("the answer of Prometheus has a histogram; ask for a number of it".to_owned())
                    }
                })
                .collect::<Result<_, _>>()?;
            Measurement::vector(&numbers)
        }
        other => {
            return Err(format!(
                "the query gives a {other}; a gate needs an instant vector or a scalar"
            ));
        }
    };
    Ok((measurement, answer.warnings))
}

/// Prometheus writes `NaN`, `+Inf` and `-Inf`.
fn number(text: &str) -> Result<f64, String> {
    text.parse()
        .map_err(|_| format!("{text:?} in the answer of Prometheus is no number"))
}

#[cfg(test)]
mod tests;
