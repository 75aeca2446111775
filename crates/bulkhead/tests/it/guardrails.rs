//! `bulkhead guardrails`: the catalogue as people and tools read it.

use serde_json::Value;
use std::process::Command;

/// Exit status, standard output and standard error.
fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_bulkhead"))
        .arg("guardrails")
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_catalogue_is_a_table_of_names_titles_and_parameters() {
    let (status, said, error) = run(&[]);
    assert_eq!((status, error.as_str()), (Some(0), ""));
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines[0].split_whitespace().collect::<Vec<_>>(),
        ["NAME", "TITLE", "PARAMETERS"]
    );
    assert_eq!(lines.len(), 16, "{said}");
    let regions = lines
        .iter()
        .find(|line| line.starts_with("allowedRegions "))
        .unwrap();
    assert!(
        regions.ends_with("regions (required), globalActions"),
        "{regions}"
    );

    let (status, said, _) = run(&["-o", "json"]);
    let all: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((status, all.as_array().unwrap().len()), (Some(0), 15));
}

#[test]
fn one_guardrail_is_explained() {
    let (status, said, error) = run(&["show", "requireImdsV2"]);
    assert_eq!((status, error.as_str()), (Some(0), ""));
    for words in [
        "requireImdsV2: Instances give their credentials through IMDSv2 only\n",
        "any request, so one forged URL",
        "Type:    SERVICE_CONTROL_POLICY\n",
        "\n  maxHopLimit: integer; default 2; at least 1; at most 64\n    The most network hops",
        "\"ec2:MetadataHttpTokens\": \"required\"",
        "\nDenied:\n",
        "\n  a launch that says nothing: ec2:RunInstances on arn:aws:ec2:eu-west-1:111122223333:instance/* by ",
        "\nLeft alone:\n",
        ", parameters {\"maxHopLimit\":3}",
    ] {
        assert!(said.contains(words), "{words:?} is not in\n{said}");
    }
    let (_, said, _) = run(&["show", "denyLeaveOrganization"]);
    assert!(
        said.contains("It has no parameters.") && said.contains("Exempts: nobody. "),
        "{said}"
    );

    let (status, said, _) = run(&["show", "allowedRegions", "--output=json"]);
    let shown: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(status, Some(0));
    assert_eq!(shown["parameters"][0]["name"], "regions");
    assert_eq!(shown["parameters"][0]["type"], "regionList");
    assert_eq!(shown["statements"][0]["Sid"], "allowedRegions");
    assert_eq!(shown["cases"][0]["expect"], "Deny");
}

#[test]
fn an_unknown_name_is_one_line_with_the_nearest_and_exit_status_2() {
    let (status, said, error) = run(&["show", "protectVPCs"]);
    assert_eq!((status, said.as_str()), (Some(2), ""));
    let expected = "error: there is no guardrail \"protectVPCs\"; did you mean protectVpc?";
    assert!(
        error.starts_with(expected) && error.lines().count() == 1,
        "{error}"
    );
}
