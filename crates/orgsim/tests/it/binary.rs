//! The binary: flags, the ready line, the end.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::tcp::http;

fn orgsim() -> Command {
    Command::new(env!("CARGO_BIN_EXE_orgsim"))
}

fn address(ready: &Value, member: &str) -> SocketAddr {
    let url = ready[member].as_str().unwrap();
    url.strip_prefix("http://").unwrap().parse().unwrap()
}

#[tokio::test]
async fn it_says_where_it_is_and_ends_on_sigterm() {
    let mut child = orgsim()
        .args(["--listen", "127.0.0.1:0", "--debug-listen", "127.0.0.1:0"])
        .args(["--limits", "relaxed", "--speed", "60", "--seed", "7"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    let (status, state) = http(address(&ready, "debug"), "GET", "/state", "").await;
    assert_eq!((status, state["accounts"].as_array().unwrap().len()), (200, 1));
    let (status, _) = http(address(&ready, "endpoint"), "POST", "/", "").await;
    assert_eq!(status, 403, "an unsigned request is answered, with a refusal");
    let killed = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(lines.next().is_none(), "one line and no more");
}

#[test]
fn bad_flags_end_with_2() {
    for (flag, value, says) in [
        ("--speed", "0", "must be greater than 0"),
        ("--speed", "fast", "must be a number"),
        ("--limits", "none", "published"),
        ("--listen", "localhost", "invalid"),
        ("--colour", "red", "unexpected argument"),
    ] {
        let Output { status, stderr, .. } = orgsim().args([flag, value]).output().unwrap();
        assert_eq!(status.code(), Some(2), "{flag} {value}");
        let stderr = String::from_utf8(stderr).unwrap();
        assert!(stderr.contains(says), "{flag} {value}: {stderr}");
    }
}

#[test]
fn an_address_in_use_is_an_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let Output { status, stderr, .. } = orgsim().args(["--listen", &address]).output().unwrap();
    assert_eq!(status.code(), Some(1));
    assert!(String::from_utf8(stderr).unwrap().starts_with("orgsim: "));
}

#[tokio::test]
async fn a_fault_plan_is_at_work_from_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("faults.yaml");
    std::fs::write(&file, "{version: 1, seed: 0, rules: [{fault: serviceException}]}").unwrap();
    let mut child = orgsim()
        .arg("--faults")
        .arg(&file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    let (status, _) = http(
        address(&ready, "endpoint"),
        "POST",
        "/",
        "Action=GetCallerIdentity&Version=2011-06-15",
    )
    .await;
    assert_eq!(status, 500);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_fault_plan_that_cannot_be_used_ends_with_2() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("faults.yaml");
    let run = || orgsim().arg("--faults").arg(&file).output().unwrap();
    let absent = run();
    assert_eq!(absent.status.code(), Some(2));
    assert!(
        String::from_utf8(absent.stderr)
            .unwrap()
            .contains("cannot be read")
    );
    let plan = "{version: 1, seed: 0, rules: [{fault: slow, percent: 101}]}";
    std::fs::write(&file, plan).unwrap();
    let bad = run();
    assert_eq!(bad.status.code(), Some(2));
    let stderr = String::from_utf8(bad.stderr).unwrap();
    assert!(
        stderr.contains("faults.yaml: rules[0].percent: must be 0 to 100, not 101"),
        "{stderr}"
    );
}
