//! What commands say when there is no answer to be had: no cluster, another cluster, no rights.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    process::Command,
    thread,
};

use serde_json::json;

use crate::plan::run;

/// Every command that asks a cluster about promotions or decisions.
const COMMANDS: [&[&str]; 12] = [
    &["promotions"],
    &["promotion", "travel"],
    &["approve", "promotion", "travel"],
    &["reject", "promotion", "travel"],
    &["approve", "awsaccount", "otter", "-n", "team-a"],
    &["reject", "awsaccount", "otter", "-n", "team-a"],
    &["abort", "travel"],
    &["retry", "travel"],
    &["reverify", "travel"],
    &["hold", "travel", "--reason", "incident"],
    &["release", "travel"],
    &["skip-bake", "travel"],
];

/// What each command says of an API server at this address.
fn told(server: &str) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kubeconfig");
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    });
    fs::write(&path, config.to_string()).unwrap();
    let told = |arguments: &&[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bulkhead"));
        let (status, said, error) = run(command.args(*arguments).arg("--kubeconfig").arg(&path));
        assert_eq!((status, said.as_str()), (Some(1), ""), "{arguments:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{arguments:?}: {error}");
        error
    };
    COMMANDS.iter().map(told).collect()
}

/// An API server that answers everything alike.
fn server(head: &'static str, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = vec![0; 65536];
            let _ = stream.read(&mut request).unwrap();
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
        }
    });
    format!("http://{address}")
}

#[test]
fn where_no_cluster_is_each_command_says_so() {
    // A port that nobody listens on.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for error in told(&format!("http://{address}")) {
        assert!(
            error.contains(": the API server cannot be reached; is it the right --kubeconfig and --context?"),
            "{error}"
        );
    }
}

#[test]
fn where_bulkhead_is_not_installed_each_command_says_so() {
    let address = server(
        "404 Not Found\r\ncontent-type: text/plain",
        "404 page not found\n",
    );
    for error in told(&address) {
        assert!(
            error.contains("CustomResourceDefinitions are not installed"),
            "{error}"
        );
    }
}

#[test]
fn who_may_not_is_told_so() {
    let body = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"no rights for u","reason":"Forbidden","code":403}"#;
    for error in told(&server("403 Forbidden\r\ncontent-type: application/json", body)) {
        assert!(
            error.starts_with("error: you may not ") && error.contains(": no rights for u"),
            "{error}"
        );
    }
    let body = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#;
    for error in told(&server(
        "401 Unauthorized\r\ncontent-type: application/json",
        body,
    )) {
        assert!(
            error.contains("the API server does not know who you are; log in to the cluster again"),
            "{error}"
        );
    }
}

#[test]
fn without_a_kubeconfig_there_is_nobody_to_ask() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bulkhead"));
    let (status, _, error) = run(command.args(["promotions", "--kubeconfig", "/nonexistent/kubeconfig"]));
    assert_eq!(status, Some(1));
    assert!(
        error.starts_with("error: the kubeconfig cannot be read: ")
            && error.contains("/nonexistent/kubeconfig"),
        "{error}"
    );
}

#[test]
fn approve_and_reject_take_the_same_flags() {
    for kind in ["awsaccount", "promotion"] {
        let flags = |command: &str| -> Vec<String> {
            let mut program = Command::new(env!("CARGO_BIN_EXE_bulkhead"));
            let (status, said, _) = run(program.args([command, kind, "--help"]));
            assert_eq!(status, Some(0));
            let words = said.split_whitespace();
            let flags = words.filter(|word| word.starts_with("--"));
            flags
                .map(|flag| flag.trim_matches([',', ';', '.']).to_owned())
                .collect()
        };
        assert_eq!(flags("approve"), flags("reject"), "{kind}");
    }
}
