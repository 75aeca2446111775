//! `bulkhead plan --live`: a pull request's plan from a real cluster and an organization over TCP, changing neither.

use std::{collections::BTreeMap, fs, os::unix::fs::symlink, path::PathBuf, process::Command};

use controlplane::User;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    aws::Aws,
    cluster::{Answer, Cluster},
    guarded::{attached, attentive, guarded, one_account, revisions, settles, stay_in},
    manifests::{namespace, with},
    process::{INSTALLATION, config},
    wait::{equal, eventually},
};

/// May list what a plan needs, and nothing else.
const PIPELINE: &str = "pipeline";
/// May do nothing.
const NOBODY: &str = "nobody";
const REVISIONS: &str = "/apis/bulkhead.dev/v1alpha1/baselinerevisions";

fn rights() -> Vec<Value> {
    let group = "rbac.authorization.k8s.io";
    let version = format!("{group}/v1");
    let ours = [
        "awsaccounts",
        "baselines",
        "baselinerevisions",
        "approvals",
        "environmentpromotions",
        "organizations",
    ];
    vec![
        json!({
            "apiVersion": version, "kind": "ClusterRole", "metadata": {"name": "plan"},
            "rules": [
                {"apiGroups": ["bulkhead.dev"], "resources": ours, "verbs": ["list"]},
                {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list"]},
            ],
        }),
        json!({
            "apiVersion": version, "kind": "ClusterRoleBinding", "metadata": {"name": "plan"},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "plan"},
            "subjects": [{"apiGroup": group, "kind": "User", "name": PIPELINE}],
        }),
    ]
}

/// A checkout: manifests and the operator's configuration.
struct Checkout<'c> {
    cluster: &'c Cluster,
    directory: TempDir,
}

impl<'c> Checkout<'c> {
    fn new(cluster: &'c Cluster, aws: &str) -> Self {
        let checkout = Self {
            cluster,
            directory: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(checkout.path("manifests")).unwrap();
        fs::write(checkout.path("config.yaml"), config(aws).to_string()).unwrap();
        checkout
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, baseline: &Value) {
        fs::write(self.path("manifests/baseline.yaml"), baseline.to_string()).unwrap();
    }

    /// A program with nothing of this machine's own set-up, that finds its files in the checkout.
    fn run(&self, program: &str, arguments: &[&str], environment: &[(&str, PathBuf)]) -> Answer {
        let output = Command::new(program)
            .args(arguments)
            .env_clear()
            .env("HOME", self.directory.path())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.directory.path())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Answer {
            status: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// What a person or a pipeline with these rights has.
    fn credentials(&self, user: &str) -> Vec<(&'static str, PathBuf)> {
        vec![
            ("KUBECONFIG", self.cluster.kubeconfig_for(user)),
            ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE".into()),
            ("AWS_SECRET_ACCESS_KEY", "topsecret".into()),
        ]
    }

    fn live_as(&self, user: &str, arguments: &[&str]) -> Answer {
        let live = ["plan", "--live", "--config", "config.yaml"];
        let program = env!("CARGO_BIN_EXE_bulkhead");
        self.run(program, &[&live, arguments].concat(), &self.credentials(user))
    }

    fn live(&self, arguments: &[&str]) -> Answer {
        self.live_as(PIPELINE, arguments)
    }
}

/// Everything a plan could have touched.
fn touched(cluster: &Cluster, aws: &Aws) -> (BTreeMap<String, String>, Vec<String>, usize) {
    let versions = cluster.objects(REVISIONS).into_iter();
    let versions = versions.map(|object| object["metadata"]["resourceVersion"].to_string());
    (cluster.versions(), versions.collect(), aws.mutations().len())
}

/// AWS's lists are behind for a while.
fn nothing_is_to_be_done(checkout: &Checkout<'_>, arguments: &[&str]) {
    let nothing = "Plan: 0 to create, 0 to change, 0 to move, 0 refused.\n";
    eventually("there is nothing to do", 60, || {
        let answer = checkout.live(arguments);
        equal(&(answer.status, answer.stdout.as_str()), &(Some(0), nothing))
            .map_err(|why| why + &answer.stderr)
    });
}

/// One line of standard error, and exit status 1.
fn refused(answer: &Answer, words: &[&str]) {
    assert_eq!(
        (answer.status, answer.stdout.as_str()),
        (Some(1), ""),
        "{answer:?}"
    );
    assert_eq!(answer.stderr.lines().count(), 1, "{answer:?}");
    for word in words {
        assert!(answer.stderr.contains(word), "{word:?} is not in {answer:?}");
    }
}

/// The plan of a changed file, from the cluster, from a snapshot of it, and as a plugin of kubectl.
fn the_same_from_everywhere(checkout: &Checkout<'_>, id: &str) {
    let live = checkout.live(&["-f", "manifests"]);
    assert_eq!((live.status, live.stderr.as_str()), (Some(2), ""), "{live:?}");
    for words in [
        format!("~ team-a/otter  account {id}  revision standard-"),
        "\n    + policy bulkhead-acme-dev-".into(),
        "\n    - policy bulkhead-acme-dev-".into(),
        "\n  ~ environment dev\n    ~ allowedRegions".into(),
        "\n      +         \"us-east-1\"\n".into(),
        "\nPlan: 0 to create, 1 to change, 0 to move, 1 Baseline to change, 0 refused.\n".into(),
    ] {
        assert!(
            live.stdout.contains(&words),
            "{words:?} is not in\n{}",
            live.stdout
        );
    }
    let saving = checkout.live(&["-f", "manifests", "--save", "now.json"]);
    assert_eq!((saving.status, &saving.stdout), (Some(2), &live.stdout));
    let saved = fs::read_to_string(checkout.path("now.json")).unwrap();
    for word in ["topsecret", "managedFields", "last-applied", "http://127.0.0.1"] {
        assert!(!saved.contains(word), "{word:?} is in the snapshot");
    }
    let document: Value = serde_json::from_str(&saved).unwrap();
    assert_eq!(
        (&document["version"], &document["installation"]),
        (&json!(1), &json!(INSTALLATION))
    );
    assert!(document["takenAt"].is_string());

    // No credentials, no configuration: the snapshot says it all.
    let observe = ["plan", "-f", "manifests", "--observed", "now.json"];
    let observed = checkout.run(env!("CARGO_BIN_EXE_bulkhead"), &observe, &[]);
    assert_eq!(
        (observed.status, &observed.stdout),
        (Some(2), &live.stdout),
        "{}",
        observed.stderr
    );

    symlink(env!("CARGO_BIN_EXE_bulkhead"), checkout.path("kubectl-bulkhead")).unwrap();
    let mut environment = checkout.credentials(PIPELINE);
    environment.push(("PATH", checkout.directory.path().to_owned()));
    let arguments = [
        "bulkhead",
        "plan",
        "-f",
        "manifests",
        "--live",
        "--config",
        "config.yaml",
    ];
    let kubectl = checkout.cluster.kubectl_program();
    let plugin = checkout.run(kubectl.to_str().unwrap(), &arguments, &environment);
    assert_eq!(&plugin.stdout, &live.stdout, "{}", plugin.stderr);
    assert_eq!(plugin.status, Some(2));
}

/// What cannot be read is named.
fn what_is_in_the_way_is_said(checkout: &Checkout<'_>) {
    let files = ["-f", "manifests"];
    let forbidden = checkout.live_as(NOBODY, &files);
    let words = ["you may not list organizations.bulkhead.dev", "User \"nobody\""];
    refused(&forbidden, &words);
    let file = |name: &str, value: &Value| fs::write(checkout.path(name), value.to_string()).unwrap();
    let live = |config: &str| {
        let arguments = ["plan", "--live", "-f", "manifests", "--config", config];
        let program = env!("CARGO_BIN_EXE_bulkhead");
        checkout.run(program, &arguments, &checkout.credentials(PIPELINE))
    };
    // Port 9 is "discard": nobody listens there.
    file("nowhere.yaml", &config("http://127.0.0.1:9"));
    refused(
        &live("nowhere.yaml"),
        &["AWS: ListRoots failed: AWS could not be reached"],
    );
    let heron = with(config("http://127.0.0.1:9"), "/installation", json!("heron"));
    file("heron.yaml", &heron);
    refused(
        &live("heron.yaml"),
        &["--config: installation is \"heron\"", "acme"],
    );
    refused(&live("missing.yaml"), &["missing.yaml: No such file"]);
    let missing = checkout.live(&["-f", "manifests", "--kubeconfig", "missing"]);
    refused(&missing, &["kubeconfig", "missing"]);
    let other = Aws::start_with(|settings| settings.organization_id = "o-zz999yy888".into());
    file("other.yaml", &config(&other.url()));
    refused(
        &live("other.yaml"),
        &[
            "the AWS credentials are of organization o-zz999yy888",
            "Organization acme of this cluster is o-aa111bb222",
        ],
    );
    assert_eq!(other.mutations().len(), 0);
}

#[test]
fn a_plan_of_the_live_cluster_changes_nothing_and_says_what_the_operator_then_does() {
    let users = [User::new(PIPELINE, &[]), User::new(NOBODY, &[])];
    let Some(cluster) = Cluster::start_for(&users) else {
        return;
    };
    cluster.apply(&rights());
    let aws = Aws::start();
    let checkout = Checkout::new(&cluster, &aws.url());
    let operator = attentive(&cluster, &aws);
    let before = guarded(stay_in(&["eu-west-1"]));
    cluster.apply(&one_account(before.clone()));
    let first = settles(&cluster, || {});
    checkout.write(&before);
    nothing_is_to_be_done(&checkout, &["-f", "manifests"]);
    nothing_is_to_be_done(&checkout, &[]);
    operator.stop();

    let untouched = touched(&cluster, &aws);
    let policies = attached(&aws);
    let after = guarded(stay_in(&["eu-west-1", "us-east-1"]));
    checkout.write(&after);
    let id = cluster
        .account("team-a", "otter")
        .text("/status/accountId")
        .to_owned();
    the_same_from_everywhere(&checkout, &id);
    // A label that is in the file counts, and so does one that only the cluster has.
    checkout.write(&namespace("team-a", &json!({"tier": "gold"})));
    nothing_is_to_be_done(&checkout, &["-f", "manifests"]);
    what_is_in_the_way_is_said(&checkout);
    assert_eq!(touched(&cluster, &aws), untouched, "a plan changes nothing");
    assert_eq!(attached(&aws), policies);

    let operator = attentive(&cluster, &aws);
    cluster.apply(std::slice::from_ref(&after));
    let second = settles(&cluster, || {});
    assert_ne!(second, first);
    assert!(revisions(&cluster).contains(&second));
    checkout.write(&after);
    nothing_is_to_be_done(&checkout, &["-f", "manifests"]);
    operator.stop();
}
