use super::*;
use crate::{
    GATE_HOSTS, Gates as _, Runner,
    testing::{self, Cluster, Wire},
};
use jiff::Timestamp;
use promotion::MeasuredResult::{Error, Failure, Success};
use std::{convert::Infallible, time::Duration};
use tower::{service_fn, util::BoxCloneService};

fn gate(fields: &Value) -> Measure {
    let mut block = json!({"url": "https://checks.example.com/health", "successCondition": "result.ok"});
    block
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    testing::measure(&json!({"type": "HTTP", "http": block}))
}

async fn asked(wire: Wire, cluster: &Cluster, measure: Measure) -> Measured {
    Runner::new(wire, cluster.client(), testing::settings())
        .measure(measure, Timestamp::UNIX_EPOCH)
        .await
}

#[tokio::test(start_paused = true)]
async fn answers() {
    for (status, body, fields, expected, said) in [
        (200, r#"{"ok": true}"#, json!({}), Success, "`result.ok` is true"),
        (
            204,
            r#"{"ok": false}"#,
            json!({}),
            Failure,
            "`result.ok` is false",
        ),
        (
            200,
            r#"{"a": {"ok": true}}"#,
            json!({"jsonPath": "$.a"}),
            Success,
            "true",
        ),
        (
            200,
            r#"[{"n": 1}, {"n": 2}]"#,
            json!({"jsonPath": "$[*].n", "successCondition": "result == [1, 2]"}),
            Success,
            "[1,2]",
        ),
        (
            200,
            r#"{"ok": true}"#,
            json!({"jsonPath": "$.absent"}),
            Error,
            "finds nothing",
        ),
        (
            200,
            r#"{"ok": true}"#,
            json!({"jsonPath": "$.["}),
            Error,
            "is not one",
        ),
        (500, r#"{"ok": true}"#, json!({}), Error, "answered 500"),
        (404, "", json!({}), Error, "answered 404"),
        (200, "ok", json!({}), Error, "not JSON"),
        (200, "", json!({}), Error, "not JSON"),
        (
            200,
            r#"{"ok": "yes"}"#,
            json!({}),
            Error,
            "a text, not true or false",
        ),
        (
            200,
            r#"{"ok": true}"#,
            json!({"method": "DELETE"}),
            Error,
            "neither GET nor POST",
        ),
        (200, r#"{"ok": true}"#, json!({"timeout": "6m"}), Error, "timeout"),
        (200, r#"{"ok": true}"#, json!({"timeout": "0s"}), Error, "timeout"),
        (
            200,
            r#"{"ok": true}"#,
            json!({"url": "https://other.example.com/"}),
            Error,
            "allowedHosts",
        ),
        (
            200,
            r#"{"ok": true}"#,
            json!({"url": "http://169.254.169.254/"}),
            Error,
            "allowedHosts",
        ),
    ] {
        let (wire, seen) = testing::endpoint(status, body);
        let measured = asked(wire, &Cluster::default(), gate(&fields)).await;
        assert_eq!(measured.result, expected, "{fields} {body}: {}", measured.message);
        assert!(
            measured.message.contains(said),
            "{fields} {body}: {}",
            measured.message
        );
        if said == "allowedHosts" {
            assert!(seen.lock().unwrap().is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_says_what_is_measured() {
    let (wire, seen) = testing::endpoint(200, r#"{"ok": true}"#);
    asked(wire, &Cluster::default(), gate(&json!({"method": "POST"}))).await;
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0].method, Method::POST);
    assert_eq!(seen[0].headers[CONTENT_TYPE], "application/json");
    let body: Value = serde_json::from_str(&seen[0].body).unwrap();
    assert_eq!(
        body,
        json!({
            "attempt": "a-3", "revision": format!("sha256:{}", "3f".repeat(32)), "stage": "prod", "wave": "one-box",
            "gate": "smoke", "environment": "production",
        })
    );
}

#[tokio::test(start_paused = true)]
async fn a_redirect_is_an_error_that_names_the_host() {
    for (location, said) in [
        (
            "https://evil.example.com/path?token=s3cret",
            "points to evil.example.com;",
        ),
        ("/elsewhere", "points to another path of it;"),
        ("http://[", "points to a Location that is no URL;"),
    ] {
        let (wire, seen) = testing::endpoint_with(302, r#"{"ok": true}"#, &[("location", location)]);
        let measured = asked(wire, &Cluster::default(), gate(&json!({}))).await;
        assert_eq!(measured.result, Error);
        assert!(measured.message.contains(said), "{}", measured.message);
        assert!(!measured.message.contains("s3cret"));
        assert_eq!(seen.lock().unwrap().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_huge_answer_is_an_error() {
    let fits = format!("\"{}\"", "a".repeat(crate::BODY_LIMIT - 2));
    let condition = json!({"successCondition": "result.size() > 1"});
    let (wire, _) = testing::endpoint(200, fits.as_str());
    let measured = asked(wire, &Cluster::default(), gate(&condition)).await;
    assert_eq!(measured.result, Success, "{}", measured.message);
    assert!(measured.message.len() < 300);
    let (wire, _) = testing::endpoint(200, fits + " ");
    let measured = asked(wire, &Cluster::default(), gate(&condition)).await;
    assert_eq!(measured.result, Error);
    assert!(
        measured.message.contains("more than 1048576 bytes"),
        "{}",
        measured.message
    );
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_does_not_answer_is_given_up_on() {
    for (fields, seconds, said) in [
        (json!({}), 10, "10s"),
        (json!({"timeout": "1m30s"}), 90, "1m 30s"),
    ] {
        let silent = service_fn(|_| async { std::future::pending::<Result<_, Infallible>>().await });
        let begin = tokio::time::Instant::now();
        let measured = asked(BoxCloneService::new(silent), &Cluster::default(), gate(&fields)).await;
        assert_eq!(measured.result, Error);
        assert!(measured.message.contains(said), "{}", measured.message);
        let late = begin.elapsed().checked_sub(Duration::from_secs(seconds)).unwrap();
        assert!(late < Duration::from_millis(10), "{late:?}");
    }
}

/// A body that never ends is as slow as an answer that never comes.
#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_end_is_given_up_on() {
    let slow = service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(Endless)) });
    let measured = Runner::new(slow, Cluster::default().client(), testing::settings())
        .measure(gate(&json!({})), Timestamp::UNIX_EPOCH)
        .await;
    assert_eq!(measured.result, Error);
    assert!(
        measured.message.contains("no answer within 10s"),
        "{}",
        measured.message
    );
}

struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        std::task::Poll::Pending
    }
}

fn with_token(annotations: &Value) -> Cluster {
    let cluster = Cluster::default();
    // "Bearer hunter2hunter2\n", "team"
    let data = json!({"Authorization": "QmVhcmVyIGh1bnRlcjJodW50ZXIyCg==", "X-Scope-OrgID": "dGVhbQ=="});
    cluster.secret("checks-token", annotations, &data);
    cluster
}

#[tokio::test(start_paused = true)]
async fn headers_come_from_the_secret_and_are_shown_nowhere() {
    let cluster = with_token(&json!({GATE_HOSTS: "other.example.com, checks.example.com"}));
    // The endpoint sends back what it was sent.
    let (wire, seen) = testing::endpoint(
        200,
        r#"{"echo": "Bearer hunter2hunter2", "part": "hunter2hunter2"}"#,
    );
    let fields = json!({"headersSecret": "checks-token", "successCondition": "result.echo == 'x'"});
    let measured = asked(wire, &cluster, gate(&fields)).await;
    assert_eq!(measured.result, Failure, "{}", measured.message);
    assert!(
        measured.message.contains("(hidden)") && !measured.message.contains("hunter2"),
        "{}",
        measured.message
    );
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0].headers["authorization"], "Bearer hunter2hunter2");
    assert_eq!(seen[0].headers["x-scope-orgid"], "team");
    assert!(!format!("{:?}", seen[0].headers["x-scope-orgid"]).contains("Bearer"));
    assert_eq!(
        *cluster.log.lock().unwrap(),
        ["GET /api/v1/namespaces/bulkhead-system/secrets/checks-token"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_does_not_agree_is_not_sent() {
    for (cluster, name, said) in [
        (
            Cluster::default(),
            "absent",
            "there is no Secret absent in namespace bulkhead-system",
        ),
        (
            with_token(&json!({})),
            "checks-token",
            "has no annotation bulkhead.dev/gate-hosts",
        ),
        (
            with_token(&json!({GATE_HOSTS: "other.example.com"})),
            "checks-token",
            "does not name the host of the URL",
        ),
    ] {
        let (wire, seen) = testing::endpoint(200, r#"{"ok": true}"#);
        let measured = asked(wire, &cluster, gate(&json!({"headersSecret": name}))).await;
        assert_eq!(measured.result, Error);
        assert!(measured.message.contains(said), "{}", measured.message);
        assert!(seen.lock().unwrap().is_empty());
    }
    // The host of the URL is checked before a Secret is read.
    let cluster = with_token(&json!({GATE_HOSTS: "evil.example.com"}));
    let (wire, seen) = testing::endpoint(200, r#"{"ok": true}"#);
    let fields = json!({"headersSecret": "checks-token", "url": "https://evil.example.com/"});
    let measured = asked(wire, &cluster, gate(&fields)).await;
    assert!(measured.message.contains("allowedHosts"), "{}", measured.message);
    assert!(seen.lock().unwrap().is_empty() && cluster.log.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_a_header_is_named_without_its_value() {
    for (key, value, said) in [
        ("Host", "ZXZpbA==", "key Host of Secret odd cannot be a header"),
        ("content-length", "MQ==", "key content-length"),
        ("a b", "MQ==", "key a b"),
        // "sec\nret"
        (
            "X-Token",
            "c2VjCnJldA==",
            "the value of X-Token in Secret odd cannot be a header",
        ),
        // 0xff
        ("X-Token", "/w==", "the value of X-Token"),
    ] {
        let cluster = Cluster::default();
        cluster.secret(
            "odd",
            &json!({GATE_HOSTS: "checks.example.com"}),
            &json!({key: value}),
        );
        let (wire, seen) = testing::endpoint(200, r#"{"ok": true}"#);
        let measured = asked(wire, &cluster, gate(&json!({"headersSecret": "odd"}))).await;
        assert_eq!(measured.result, Error);
        assert!(measured.message.contains(said), "{}", measured.message);
        assert!(!measured.message.contains("sec ret"), "{}", measured.message);
        assert!(seen.lock().unwrap().is_empty());
    }
}
