//! `bulkhead policy compile`, as people and pipelines run it.

use std::{fs, process::Command};

use serde_json::Value;

/// Exit status, standard output and standard error.
fn compile(manifest: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("baseline.yaml");
    fs::write(&path, manifest).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_bulkhead"))
        .args(["policy", "compile", "--baseline"])
        .arg(&path)
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn acme() -> String {
    fs::read_to_string("../../examples/acme/baseline.yaml").unwrap()
}

#[test]
fn the_documents_of_an_environment_are_what_aws_is_given() {
    let (status, said, error) = compile(&acme(), &["--environment", "prod", "-o", "json"]);
    assert_eq!((status, error.as_str()), (Some(0), ""));
    let documents: Vec<Value> = serde_json::from_str(&said).unwrap();
    assert!(!documents.is_empty());
    let mut sids = Vec::new();
    for document in &documents {
        let name = document["name"].as_str().unwrap();
        assert!(name.starts_with("bulkhead-example-prod-"), "{name}");
        assert_eq!(document["type"], "SERVICE_CONTROL_POLICY");
        // AWS is given the minified text.
        let text = document["document"].to_string();
        assert_eq!(document["size"], text.chars().count());
        let statements = document["document"]["Statement"].as_array().unwrap();
        sids.extend(statements.iter().map(|s| s["Sid"].as_str().unwrap().to_owned()));
    }
    for guardrail in ["allowedRegions", "protectVpc", "protectAccessRole"] {
        assert!(sids.iter().any(|sid| sid.starts_with(guardrail)), "{sids:?}");
    }

    let (status, said, _) = compile(&acme(), &["--environment", "dev"]);
    assert_eq!(status, Some(0));
    let header = said.lines().next().unwrap();
    let header: Vec<&str> = header.split_whitespace().collect();
    assert_eq!(header, ["NAME", "TYPE", "SIZE", "PARTS"]);
    for words in ["guardrails[allowedRegions]", "\"Sid\": \"allowedRegions\""] {
        assert!(said.contains(words), "{words:?} is not in\n{said}");
    }
}

#[test]
fn the_example_joins_guardrails_and_policies_of_ones_own() {
    let example = fs::read_to_string("../../examples/guardrails/baseline.yaml").unwrap();
    let (status, said, error) = compile(&example, &["--environment", "prod", "-o", "json"]);
    assert_eq!((status, error.as_str()), (Some(0), ""));
    let documents: Vec<Value> = serde_json::from_str(&said).unwrap();
    let types: Vec<&Value> = documents.iter().map(|document| &document["type"]).collect();
    assert_eq!(types, ["SERVICE_CONTROL_POLICY", "AISERVICES_OPT_OUT_POLICY"]);
    let statements = documents[0]["document"]["Statement"].as_array().unwrap();
    assert!(
        statements
            .iter()
            .any(|statement| statement["Sid"] == "NoLargeInstances")
    );
}

#[test]
fn the_configuration_gives_the_installation_and_the_exempt_principals() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config.yaml");
    let exempt = "arn:aws:iam::*:role/break-glass";
    fs::write(
        &config,
        format!("installation: acme\naws: {{exemptPrincipals: [\"{exempt}\"]}}\n"),
    )
    .unwrap();
    let config = config.to_str().unwrap();
    let (status, said, error) = compile(&acme(), &["--environment=dev", "--config", config, "-o=json"]);
    assert_eq!((status, error.as_str()), (Some(0), ""));
    assert!(
        said.contains("bulkhead-acme-dev-") && said.contains(exempt),
        "{said}"
    );
    fs::write(config, "installation: acme\naws: {awsShare: 2}\n").unwrap();
    let (status, _, error) = compile(&acme(), &["--environment=dev", "--config", config]);
    assert_eq!(status, Some(2), "{error}");
    assert!(error.contains("aws.awsShare is 2"), "{error}");
}

#[test]
fn a_refused_baseline_says_what_its_condition_accepted_would_and_exit_status_1() {
    let unknown = acme().replace("- name: protectVpc\n", "- name: protectVpcs\n");
    let far = acme().replace("regions: [eu-west-1, eu-central-1]", "regions: nowhere");
    for (manifest, pieces) in [
        (
            &unknown,
            [
                "UnknownGuardrail: spec.environments[stage].guardrails[protectVpcs]",
                "protectVpc",
            ],
        ),
        (
            &far,
            [
                "InvalidParameter: spec.environments[dev].guardrails[allowedRegions].parameters.regions",
                "nowhere",
            ],
        ),
    ] {
        let (status, said, error) = compile(manifest, &["--environment=prod"]);
        assert_eq!((status, said.as_str()), (Some(1), ""), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        for piece in pieces {
            assert!(error.contains(piece), "{piece:?} is not in {error}");
        }
    }
}

#[test]
fn bad_input_is_one_line_and_exit_status_2() {
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n";
    for (manifest, pieces) in [
        (acme(), vec!["no environment \"test\"", "dev, stage, prod"]),
        (namespace.to_owned(), vec!["baseline.yaml: 0 Baselines"]),
        (
            format!(
                "{}---\n{}",
                acme(),
                acme().replace("name: standard", "name: other")
            ),
            vec!["2 Baselines"],
        ),
        (
            acme().replace("emailTemplate:", "emailTemplat:"),
            vec!["baseline.yaml:10: ", "unknown field \"spec.emailTemplat\""],
        ),
    ] {
        let (status, said, error) = compile(&manifest, &["--environment=test"]);
        assert_eq!((status, said.as_str()), (Some(2), ""), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        for piece in pieces {
            assert!(error.contains(piece), "{piece:?} is not in {error}");
        }
    }
    let (status, said, _) = compile(&format!("{namespace}---\n{}", acme()), &["--environment=dev"]);
    assert_eq!(status, Some(0), "{said}");
}
