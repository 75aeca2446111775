//! Who reads standard output may have seen enough before the end: no command complains, and each ends as it would have.

use std::{
    fs,
    io::pipe,
    process::{Command, Stdio},
};

const ACME: &str = "../../examples/acme/baseline.yaml";

fn bulkhead(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bulkhead"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// A pipe that nobody reads.
fn closed() -> Stdio {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn a_closed_standard_output_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let cases = directory.path().join("cases.json");
    let full =
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;
    let request =
        r#"{"principal": "arn:aws:iam::111122223333:role/a", "action": "s3:GetObject", "resource": "*"}"#;
    let case = |name: &str| {
        format!(r#"{{"name": "{name}", "policies": [[{full}]], "request": {request}, "expect": "Deny"}}"#)
    };
    fs::write(&cases, format!("[{}, {}]", case("a"), case("b"))).unwrap();
    let cases = cases.to_str().unwrap();
    for (arguments, status) in [
        (&["guardrails"][..], 0),
        (&["guardrails", "show", "protectVpc"], 0),
        (
            &["policy", "compile", "--baseline", ACME, "--environment", "prod"],
            0,
        ),
        (&["policy", "revision", "--baseline", ACME], 0),
        (&["policy", "eval", cases], 1),
        (&["plan", "-f", "../../examples/acme"], 2),
        (&["simulate", "../../examples/acme"], 0),
        (&["simulate", "../../examples/acme", "-o", "json"], 0),
        (&["simulate", "../../examples/acme", "-o", "events"], 0),
    ] {
        let heard = bulkhead(arguments).output().unwrap();
        let output = bulkhead(arguments).stdout(closed()).output().unwrap();
        let error = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        assert_eq!(
            output.status.code(),
            Some(status),
            "{arguments:?}: {}",
            error(&output.stderr)
        );
        assert_eq!(heard.status.code(), Some(status), "{arguments:?}");
        assert_eq!(error(&output.stderr), error(&heard.stderr), "{arguments:?}");
        assert!(!error(&output.stderr).contains("panicked"), "{arguments:?}");
    }
}

#[test]
fn a_closed_standard_error_changes_nothing_either() {
    for (arguments, status) in [
        (&["guardrails", "show", "nope"][..], 2),
        (
            &[
                "policy",
                "compile",
                "--baseline",
                "nowhere.yaml",
                "--environment",
                "prod",
            ],
            2,
        ),
        (&["plan", "-f", "nowhere.yaml"], 1),
    ] {
        let output = bulkhead(arguments).stderr(closed()).output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}");
    }
}

#[test]
fn what_cannot_be_written_for_another_reason_is_an_error() {
    // A device without room.
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = bulkhead(&["guardrails"]).stdout(full).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(
        error.starts_with("error: the result cannot be written: "),
        "{error}"
    );
}
