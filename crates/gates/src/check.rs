//! What is wrong with a gate, before it is ever measured.

use crate::{fetch, hosts::check_url, json_path, prometheus, runner::Settings, template, web};
use jiff::Timestamp;
use promotion::{GateSpec, GateType, HttpGate, PrometheusGate};

/// Checks what can be checked of a gate without asking anybody: that the block of its type is there, URLs against the
/// allow-list, times, paths, what a Job may not do. Its conditions are checked apart
/// ([`check_condition`](crate::check_condition)), for that costs much and is worth remembering. `Err` is the field below the
/// gate, and what is wrong with it, in one line. Whether Secrets and service accounts are there, and what the API server
/// thinks of a Job, shows in the first measurement.
pub fn check_gate(gate: &GateSpec, settings: &Settings) -> Result<(), (String, String)> {
    match (gate.kind, &gate.prometheus, &gate.http, &gate.job) {
        (GateType::Prometheus, Some(query), _, _) => check_prometheus(query, settings),
        (GateType::Http, _, Some(endpoint), _) => check_http(endpoint, settings),
        (GateType::Job, _, _, Some(job)) => at("job.template", template::check(&job.template, settings)),
        (GateType::Condition, ..) if gate.condition.is_some() => Ok(()),
        _ => {
            let why = Err("the gate has no block that says what is measured".to_owned());
            at("type", why)
        }
    }
}

fn at<T>(field: &str, checked: Result<T, String>) -> Result<T, (String, String)> {
    checked.map_err(|why| (field.to_owned(), why))
}

fn check_prometheus(gate: &PrometheusGate, settings: &Settings) -> Result<(), (String, String)> {
    let address = gate
        .address
        .as_ref()
        .or(settings.prometheus_address.as_ref())
        .ok_or_else(|| prometheus::NO_ADDRESS.to_owned());
    let address = at("prometheus.address", address)?;
    at("prometheus.address", check_url(address, &settings.allowed_hosts))?;
    let url = prometheus::url(address, &gate.query, Timestamp::UNIX_EPOCH);
    at("prometheus.query", url)?;
    at("prometheus.timeout", fetch::timeout(gate.timeout.as_ref()))?;
    Ok(())
}

fn check_http(gate: &HttpGate, settings: &Settings) -> Result<(), (String, String)> {
    at("http.url", check_url(&gate.url, &settings.allowed_hosts))?;
    at("http.method", web::method(gate))?;
    at("http.timeout", fetch::timeout(gate.timeout.as_ref()))?;
    let path = gate.json_path.as_deref().map(json_path::check).transpose();
    at("http.jsonPath", path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use serde_json::{Value, json};

    fn checked(gate: &Value) -> Result<(), (String, String)> {
        check_gate(&testing::measure(gate).gate, &testing::settings())
    }

    #[test]
    fn gates_that_can_be_measured() {
        let pod = json!({"spec": {"containers": [{"name": "test", "image": "example.com/smoke:1"}]}});
        for gate in [
            json!({"type": "Condition", "condition": {"type": "VpcReady"}}),
            json!({"type": "Prometheus", "prometheus": {"query": "up", "successCondition": "result[0] == 1"}}),
            json!({"type": "HTTP", "http": {
                "url": "https://checks.example.com/", "method": "POST", "jsonPath": "{$.a}", "timeout": "30s",
                "successCondition": "result", "failureCondition": "!result",
            }}),
            json!({"type": "Job", "job": {"template": {"spec": {"template": pod}}}}),
        ] {
            assert_eq!(checked(&gate), Ok(()), "{gate}");
        }
    }

    #[test]
    fn gates_that_cannot() {
        let http = |fields: Value| {
            let mut block = json!({"url": "https://checks.example.com/", "successCondition": "result"});
            let all = fields.as_object().unwrap().clone();
            block.as_object_mut().unwrap().extend(all);
            json!({"type": "HTTP", "http": block})
        };
        let query = |fields: Value| {
            let mut block = json!({"query": "up", "successCondition": "result"});
            let all = fields.as_object().unwrap().clone();
            block.as_object_mut().unwrap().extend(all);
            json!({"type": "Prometheus", "prometheus": block})
        };
        let privileged = json!({"containers": [{"securityContext": {"privileged": true}}]});
        for (gate, field, said) in [
            (json!({"type": "Condition"}), "type", "no block"),
            (
                json!({"type": "Job", "condition": {"type": "VpcReady"}}),
                "type",
                "no block",
            ),
            (
                http(json!({"url": "https://other.example.com/"})),
                "http.url",
                "allowedHosts",
            ),
            (
                http(json!({"url": "https://checks.example.com:8443/"})),
                "http.url",
                "checks.example.com:8443",
            ),
            (
                http(json!({"method": "PUT"})),
                "http.method",
                "neither GET nor POST",
            ),
            (http(json!({"timeout": "soon"})), "http.timeout", "timeout"),
            (http(json!({"jsonPath": "$["})), "http.jsonPath", "jsonPath"),
            (
                query(json!({"address": "https://other.example.com"})),
                "prometheus.address",
                "allowedHosts",
            ),
            (query(json!({"query": " "})), "prometheus.query", "a query has"),
            (
                query(json!({"query": "a".repeat(5_000)})),
                "prometheus.query",
                "a query has",
            ),
            (query(json!({"timeout": "1h"})), "prometheus.timeout", "timeout"),
            (
                json!({"type": "Job", "job": {"template": {}}}),
                "job.template",
                "template.spec",
            ),
            (
                json!({"type": "Job", "job": {"template": {"spec": {"template": {"spec": privileged}}}}}),
                "job.template",
                "privileged",
            ),
        ] {
            let refused = checked(&gate).unwrap_err();
            assert_eq!(refused.0, field, "{gate}: {refused:?}");
            assert!(refused.1.contains(said), "{gate}: {refused:?}");
        }
        let nowhere = Settings {
            prometheus_address: None,
            ..testing::settings()
        };
        let gate = testing::measure(&query(json!({}))).gate;
        let refused = check_gate(&gate, &nowhere).unwrap_err();
        assert!(refused.1.contains("prometheusAddress"), "{refused:?}");
    }
}
