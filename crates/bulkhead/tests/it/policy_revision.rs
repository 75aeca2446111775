//! `bulkhead policy revision`: what it tells is what the operator makes.

use operator::Config;
use serde_json::Value;
use simulator::World;
use std::{fs, path::Path, process::Command, time::Duration};

/// Exit status, standard output and standard error.
fn revision(baseline: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_bulkhead"))
        .args(["policy", "revision", "--baseline"])
        .arg(baseline)
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn acme() -> String {
    fs::read_to_string("../../examples/acme/baseline.yaml").unwrap()
}

/// Name and hash of the only BaselineRevision that an operator of this configuration makes of a Baseline.
fn made(config: &str, baseline: &Path) -> (String, String) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let world = World::new(kubesim::Settings::default(), orgsim::Settings::default()).unwrap();
        let manifests = simulator::load(&[baseline.to_owned()]).unwrap();
        simulator::apply(&world.client(), &manifests).await.unwrap();
        let operator = world.operator(Config::parse(config).unwrap(), "replica", 1);
        tokio::select! {
            ended = Box::pin(operator::run(operator, std::future::pending())) => panic!("{ended:?}"),
            () = tokio::time::sleep(Duration::from_mins(2)) => {}
        }
        let revisions = world.kubernetes.objects(api::GROUP, "baselinerevisions");
        let [only] = revisions.as_slice() else {
            panic!("{revisions:?}")
        };
        let baselines = world.kubernetes.objects(api::GROUP, "baselines");
        let current = &baselines[0]["status"]["latestRevision"];
        let name = only["metadata"]["name"].as_str().unwrap().to_owned();
        assert_eq!(current["name"], name.as_str(), "{current}");
        (name, current["hash"].as_str().unwrap().to_owned())
    })
}

#[test]
fn the_revision_is_the_one_that_the_operator_makes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("baseline.yaml");
    let config = directory.path().join("config.yaml");
    let plain = "installation: acme\naws: {awsShare: 1.0}\n".to_owned();
    let exempt = "installation: egret\naws: {exemptPrincipals: [\"arn:aws:iam::*:role/break-glass\"]}\n";
    let changed = acme().replace("regions: [eu-west-1, eu-central-1]", "regions: [eu-west-1]");
    assert_ne!(changed, acme());
    let mut names = Vec::new();
    for (settings, manifest) in [(plain.as_str(), acme()), (&plain, changed), (exempt, acme())] {
        fs::write(&path, manifest).unwrap();
        fs::write(&config, settings).unwrap();
        let (name, hash) = made(settings, &path);
        let given = ["--config", config.to_str().unwrap(), "-o", "json"];
        let (status, said, error) = revision(&path, &given);
        assert_eq!((status, error.as_str()), (Some(0), ""));
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(said["baseline"], "standard");
        assert_eq!(said["revision"], name.as_str());
        assert_eq!(said["hash"], hash.as_str());
        let (status, said, _) = revision(&path, &given[..2]);
        let rows: Vec<Vec<&str>> = said
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(status, Some(0));
        assert_eq!(
            rows,
            [
                vec!["BASELINE", "REVISION", "HASH"],
                vec!["standard", &name, &hash]
            ]
        );
        names.push(name);
    }
    names.dedup();
    assert_eq!(names.len(), 3, "another content is another revision: {names:?}");
}

#[test]
fn a_refused_baseline_has_no_revision() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("baseline.yaml");
    fs::write(
        &path,
        acme().replace("- name: protectVpc\n", "- name: protectVpcs\n"),
    )
    .unwrap();
    let (status, said, error) = revision(&path, &[]);
    assert_eq!((status, said.as_str()), (Some(1), ""));
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(
        error.contains("UnknownGuardrail: spec.environments[stage]"),
        "{error}"
    );
    fs::write(&path, "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n").unwrap();
    let (status, _, error) = revision(&path, &[]);
    assert_eq!(status, Some(2));
    assert!(error.contains("0 Baselines"), "{error}");
}
