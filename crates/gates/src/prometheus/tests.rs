use super::*;
use crate::{Gates as _, Runner, testing};
use promotion::MeasuredResult::{self, Error, Failure, Inconclusive, Success};
use serde_json::json;

fn answer(result_type: &str, result: &Value) -> String {
    json!({"status": "success", "data": {"resultType": result_type, "result": result}}).to_string()
}

fn vector(values: &[&str]) -> String {
    let series: Vec<Value> = values
        .iter()
        .map(|value| json!({"metric": {"env": "prod"}, "value": [1_435_781_451.781, value]}))
        .collect();
    answer("vector", &json!(series))
}

async fn asked(status: u16, body: String, condition: &str) -> Measured {
    let (wire, _) = testing::endpoint(status, body);
    let gate = json!({"type": "Prometheus", "prometheus": {"query": "up", "successCondition": condition}});
    Runner::new(wire, testing::Cluster::default().client(), testing::settings())
        .measure(testing::measure(&gate), Timestamp::UNIX_EPOCH)
        .await
}

#[tokio::test(start_paused = true)]
async fn answers() {
    let table: [(u16, String, &str, MeasuredResult, &str); 17] = [
        (200, vector(&["0"]), "result[0] == 0", Success, "for result [0]"),
        (
            200,
            vector(&["0.5", "1e3"]),
            "result[1] == 1000",
            Success,
            "[0.5, 1000]",
        ),
        (
            200,
            vector(&["3"]),
            "result[0] == 0",
            Failure,
            "is false for result [3]",
        ),
        (200, vector(&[]), "result[0] == 0", Error, "there is no item 0"),
        (200, vector(&[]), "size(result) == 0", Success, "for result []"),
        (200, vector(&["NaN"]), "result[0] < 1", Inconclusive, "isNaN"),
        (200, vector(&["+Inf"]), "result[0] < 1", Failure, "inf"),
        (
            200,
            answer("scalar", &json!([1.5, "2"])),
            "result == 2",
            Success,
            "for result 2",
        ),
        (200, answer("matrix", &json!([])), "true", Error, "gives a matrix"),
        (
            200,
            answer("string", &json!([1.5, "a"])),
            "true",
            Error,
            "gives a string",
        ),
        (
            200,
            answer("vector", &json!([{"metric": {}, "histogram": [1, {}]}])),
            "true",
            Error,
            "histogram",
        ),
        (200, vector(&["x"]), "true", Error, "no number"),
        (
            200,
            answer("vector", &json!([{"value": 3}])),
            "true",
            Error,
            "no number",
        ),
        (
            400,
            json!({"status": "error", "errorType": "bad_data", "error": "parse error"}).to_string(),
            "true",
            Error,
            "Prometheus answered 400 Bad Request: bad_data: parse error",
        ),
        (
            503,
            "upstream is down".to_owned(),
            "true",
            Error,
            "503 Service Unavailable",
        ),
        (200, "<html>".to_owned(), "true", Error, "not one of Prometheus"),
        // A status line and a body that do not agree.
        (500, vector(&["0"]), "true", Error, "500"),
    ];
    for (status, body, condition, expected, said) in table {
        let measured = asked(status, body.clone(), condition).await;
        assert_eq!(measured.result, expected, "{body}: {}", measured.message);
        assert!(measured.message.contains(said), "{body}: {}", measured.message);
    }
}

#[tokio::test(start_paused = true)]
async fn warnings_are_shown() {
    let body = json!({
        "status": "success", "warnings": ["a store is down"],
        "data": {"resultType": "scalar", "result": [0, "1"]},
    });
    let measured = asked(200, body.to_string(), "result == 1").await;
    assert_eq!(measured.result, Success);
    assert!(
        measured.message.ends_with("Prometheus warns: a store is down"),
        "{}",
        measured.message
    );
}

#[tokio::test(start_paused = true)]
async fn the_question_is_the_query_at_the_given_time() {
    let (wire, seen) = testing::endpoint(200, vector(&["0"]));
    let settings = Settings {
        prometheus_address: Some("https://prometheus.example.com/base/".to_owned()),
        ..testing::settings()
    };
    let gate = json!({"type": "Prometheus", "prometheus": {
        "query": "sum(up{env=\"prod\"}) / 2 & ü", "successCondition": "result[0] == 0",
    }});
    let now: Timestamp = "2026-11-21T15:00:00.25Z".parse().unwrap();
    let measured = Runner::new(wire, testing::Cluster::default().client(), settings)
        .measure(testing::measure(&gate), now)
        .await;
    assert_eq!(measured.result, Success, "{}", measured.message);
    let seen = seen.lock().unwrap();
    assert_eq!(
        seen[0].uri,
        format!(
            "https://prometheus.example.com/base/api/v1/query?query=sum%28up%7Benv%3D%22prod%22%7D%29%20%2F%202%20%26%20%C3%BC\
             &time={}.250",
            now.as_second()
        )
    );
    assert_eq!(seen[0].method, http::Method::GET);
}

#[tokio::test(start_paused = true)]
async fn a_prometheus_must_be_allowed_and_named() {
    for (address, allowed, said) in [
        (
            Some("https://other.example.com"),
            "prometheus.example.com",
            "allowedHosts",
        ),
        (None, "prometheus.example.com", "prometheusAddress"),
        (
            Some("https://prometheus.example.com/?a=b"),
            "prometheus.example.com",
            "has no query",
        ),
        (
            Some("https://prometheus.example.com/#a"),
            "prometheus.example.com",
            "has no query",
        ),
        (
            Some("prometheus.example.com"),
            "prometheus.example.com",
            "not a URL",
        ),
    ] {
        let (wire, seen) = testing::endpoint(200, vector(&["0"]));
        let settings = Settings {
            allowed_hosts: vec![allowed.to_owned()],
            prometheus_address: None,
            ..testing::settings()
        };
        let block = json!({"address": address, "query": "up", "successCondition": "true"});
        let measured = Runner::new(wire, testing::Cluster::default().client(), settings)
            .measure(
                testing::measure(&json!({"type": "Prometheus", "prometheus": block})),
                Timestamp::UNIX_EPOCH,
            )
            .await;
        assert_eq!(measured.result, Error);
        assert!(measured.message.contains(said), "{}", measured.message);
        assert!(seen.lock().unwrap().is_empty());
    }
}
