//! The gate against a real Prometheus, which scrapes a metrics server of this test.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something it needs is not there"
)]

use gates::{Gates as _, Runner, Settings};
use jiff::Timestamp;
use promotion::{Measure, MeasureKey, Measured, MeasuredResult, RunAt};
use serde_json::json;
use std::{
    env,
    ffi::OsString,
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant, SystemTime},
};

/// The program: `PROMETHEUS`, else where `cargo xtask prometheus` puts it.
fn program() -> Option<PathBuf> {
    let variable = |name: &str| -> Option<OsString> { env::var_os(name).filter(|value| !value.is_empty()) };
    let fetched = || {
        let cache = variable("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".cache")))?;
        Some(cache.join("bulkhead/prometheus/prometheus"))
    };
    variable("PROMETHEUS")
        .map(PathBuf::from)
        .or_else(fetched)
        .filter(|program| program.is_file())
}

struct Prometheus {
    child: Child,
    port: u16,
    directory: tempfile::TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Answers every request with the same metrics.
fn metrics() -> u16 {
    const BODY: &str = "# TYPE noncompliant gauge\nnoncompliant{env=\"prod\"} 0\nnoncompliant{env=\"dev\"} 3\n\
                        # TYPE requests_total counter\nrequests_total 0\n";
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else { continue };
            let mut request = [0; 4096];
            let _ = connection.read(&mut request);
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\ncontent-length: {}\r\n\
                 connection: close\r\n\r\n{BODY}",
                BODY.len()
            );
            let _ = connection.write_all(answer.as_bytes());
        }
    });
    port
}

fn start(program: &Path, metrics: u16) -> Prometheus {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("prometheus.yml");
    fs::write(
        &config,
        format!(
            "global: {{scrape_interval: 1s}}\n\
             scrape_configs: [{{job_name: test, static_configs: [{{targets: ['127.0.0.1:{metrics}']}}]}}]\n"
        ),
    )
    .unwrap();
    // Free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let log = fs::File::create(directory.path().join("log")).unwrap();
    let child = Command::new(program)
        .arg(format!("--config.file={}", config.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            directory.path().join("data").display()
        ))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    Prometheus {
        child,
        port,
        directory,
    }
}

#[expect(clippy::disallowed_methods, reason = "a real Prometheus lives in real time")]
fn now() -> Timestamp {
    Timestamp::try_from(SystemTime::now()).unwrap()
}

/// Asks as the operator does.
async fn ask(address: &str, query: &str, success: &str, failure: Option<&str>) -> Measured {
    let unused = tower::service_fn(|_: http::Request<kube::client::Body>| async {
        Err::<http::Response<kube::client::Body>, _>(std::io::Error::other("no cluster is asked"))
    });
    let settings = Settings {
        allowed_hosts: vec![address.trim_start_matches("http://").to_owned()],
        prometheus_address: Some(address.to_owned()),
        ..Settings::default()
    };
    let gate = json!({
        "name": "compliant", "runAt": ["AfterWave"], "type": "Prometheus",
        "prometheus": {"query": query, "successCondition": success, "failureCondition": failure},
    });
    let measure = Measure {
        promotion_uid: "uid".to_owned(),
        key: MeasureKey {
            attempt: "a-1".to_owned(),
            revision: model::RevisionHash::parse(&format!("sha256:{}", "0".repeat(64))).unwrap(),
            generation: 1,
            stage: "prod".to_owned(),
            gate: "compliant".to_owned(),
            run: 1,
            number: 1,
        },
        gate: serde_json::from_value(gate).unwrap(),
        run_at: RunAt::AfterWave,
        wave: None,
        environment: "prod".to_owned(),
    };
    Runner::new(
        gates::transport().unwrap(),
        kube::Client::new(unused, "default"),
        settings,
    )
    .measure(measure, now())
    .await
}

#[tokio::test]
async fn a_real_prometheus_answers() {
    let Some(program) = program() else {
        let missing = "there is no program prometheus; run `cargo xtask prometheus`, or set PROMETHEUS";
        assert!(env::var_os("CI").is_none_or(|value| value != "true"), "{missing}");
        eprintln!("skipped: {missing}");
        return;
    };
    let server = start(&program, metrics());
    let address = format!("http://127.0.0.1:{}", server.port);
    let begin = Instant::now();
    loop {
        let measured = ask(&address, "count(noncompliant)", "result[0] == 2", None).await;
        if measured.result == MeasuredResult::Success {
            break;
        }
        let log = fs::read_to_string(server.directory.path().join("log")).unwrap_or_default();
        assert!(begin.elapsed() < Duration::from_mins(1), "{measured:?}\n{log}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let prod = "sum(noncompliant{env=\"prod\"})";
    let dev = "sum(noncompliant{env=\"dev\"})";
    for (query, success, failure, expected, said) in [
        (
            prod,
            "result[0] == 0",
            None,
            MeasuredResult::Success,
            "for result [0]",
        ),
        (
            dev,
            "result[0] == 0",
            None,
            MeasuredResult::Failure,
            "is false for result [3]",
        ),
        (
            dev,
            "result[0] == 0",
            Some("result[0] > 5"),
            MeasuredResult::Inconclusive,
            "neither",
        ),
        (
            dev,
            "result[0] == 0",
            Some("result[0] > 2"),
            MeasuredResult::Failure,
            "failureCondition",
        ),
        (
            "noncompliant",
            "result.all(x, x < 4) && size(result) == 2",
            None,
            MeasuredResult::Success,
            "true",
        ),
        (
            "scalar(sum(noncompliant))",
            "result == 3",
            None,
            MeasuredResult::Success,
            "for result 3",
        ),
        (
            "noncompliant{env=\"absent\"}",
            "result[0] == 0",
            None,
            MeasuredResult::Error,
            "there is no item 0",
        ),
        (
            "noncompliant{env=\"absent\"}",
            "size(result) == 0",
            None,
            MeasuredResult::Success,
            "for result []",
        ),
        (
            "requests_total / requests_total",
            "result[0] < 1",
            None,
            MeasuredResult::Inconclusive,
            "NaN",
        ),
        (
            "noncompliant{env=\"dev\"} / 0",
            "isInf(result[0])",
            None,
            MeasuredResult::Success,
            "true",
        ),
        (
            "noncompliant[5m]",
            "true",
            None,
            MeasuredResult::Error,
            "gives a matrix",
        ),
        ("'text'", "true", None, MeasuredResult::Error, "gives a string"),
        ("sum(", "true", None, MeasuredResult::Error, "bad_data"),
        (
            "noncompliant{env=~\"ü&=+% \"}",
            "size(result) == 0",
            None,
            MeasuredResult::Success,
            "for result []",
        ),
    ] {
        let measured = ask(&address, query, success, failure).await;
        assert_eq!(measured.result, expected, "{query}: {}", measured.message);
        assert!(measured.message.contains(said), "{query}: {}", measured.message);
    }
    drop(server);
    let gone = ask(&address, "up", "true", None).await;
    assert_eq!(gone.result, MeasuredResult::Error);
    assert!(gone.message.contains("cannot be asked"), "{}", gone.message);
}
