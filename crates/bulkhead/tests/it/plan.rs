//! `bulkhead plan`, as pipelines run it for a pull request.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command, sync::Arc};

use desired::{Decoded, Inputs, Memory, PolicySettings};
use model::Installation;
use serde_json::{Value, json};

use crate::manifests::{account, baseline, namespace, with};

const UNIT: &str = "ou-f00d-devdevde";
pub(crate) const ID: &str = "111122223333";

/// Files of one plan.
pub(crate) struct Files(tempfile::TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    pub(crate) fn write(&self, name: &str, objects: &[Value]) {
        let text: Vec<String> = objects.iter().map(Value::to_string).collect();
        fs::create_dir_all(self.path("manifests")).unwrap();
        fs::write(self.path("manifests").join(name), text.join("\n---\n")).unwrap();
    }
    /// Exit status, standard output and standard error.
    pub(crate) fn plan(&self, observed: Option<&Value>, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bulkhead"));
        command.arg("plan").arg("-f").arg(self.path("manifests"));
        if let Some(observed) = observed {
            fs::write(self.path("observed.yaml"), observed.to_string()).unwrap();
            command.arg("--observed").arg(self.path("observed.yaml"));
        }
        run(command.args(arguments))
    }
}

pub(crate) fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The Baseline with a guardrail, given at once.
pub(crate) fn guarded(regions: &Value) -> Value {
    let guardrails = json!([{"name": "allowedRegions", "parameters": {"regions": regions}}]);
    let mut baseline = baseline("standard");
    baseline["spec"]["updatePolicy"] = json!("Automatic");
    baseline["spec"]["environments"][0]["guardrails"] = guardrails;
    baseline
}

/// The BaselineRevision that the operator makes of it.
pub(crate) fn revision(baseline: &Value) -> Value {
    let object = Decoded::Good(Arc::new(serde_json::from_value(baseline.clone()).unwrap()));
    let baselines = BTreeMap::from([("standard".to_owned(), object)]);
    let settings = PolicySettings {
        reserved_slots: 1,
        ..PolicySettings::default()
    };
    let inputs = Inputs {
        promoted: &desired::Promoted::default(),
        accounts: &BTreeMap::new(),
        baselines: &baselines,
        revisions: &BTreeMap::new(),
        namespaces: &BTreeMap::new(),
        outputs: &BTreeMap::new(),
        installation: &Installation::parse("example").unwrap(),
        default_baseline: None,
        policy_settings: &settings,
    };
    let resolved = desired::resolve(&inputs, &mut Memory::default());
    let (name, spec) = resolved.revisions.first_key_value().unwrap();
    json!({
        "apiVersion": "bulkhead.dev/v1alpha1", "kind": "BaselineRevision",
        "metadata": {"name": name.as_str()}, "spec": spec.as_ref(),
    })
}

/// An organization in which `team-a/otter` has everything that this Baseline gives it.
pub(crate) fn settled(files: &Files, baseline: &Value) -> Value {
    let objects = [
        namespace("team-a", &json!({"team": "a"})),
        baseline.clone(),
        account("team-a", "otter", "dev"),
    ];
    files.write("all.json.yaml", &objects);
    let (status, said, error) = files.plan(None, &["-o", "json"]);
    assert_eq!((status, error.as_str()), (Some(2), ""));
    let plan: Value = serde_json::from_str(&said).unwrap();
    let actions = plan["accounts"][0]["actions"].as_array().unwrap();
    let of = |kind: &str| -> Vec<&Value> { actions.iter().filter(|a| a["kind"] == kind).collect() };
    let tags: BTreeMap<&str, &str> = of("Tag")
        .iter()
        .map(|tag| (tag["key"].as_str().unwrap(), tag["to"].as_str().unwrap()))
        .collect();
    let revision = revision(baseline);
    let (name, hash) = (&revision["metadata"]["name"], &revision["spec"]["hash"]);
    let environment = revision["spec"]["environments"].as_array().unwrap();
    let environment = environment.iter().find(|e| e["name"] == "dev").unwrap();
    let policies = environment["policies"].as_array().cloned().unwrap_or_default();
    let policies: Vec<Value> = policies
        .iter()
        .enumerate()
        .map(|(index, policy)| {
            json!({
                "id": format!("p-devdev{index:02}"), "name": policy["name"], "type": policy["type"],
                "content": policy["content"], "tags": {"bulkhead.dev/managed": "example"}, "targets": [ID],
            })
        })
        .collect();
    let mut carried = json!(tags);
    carried["bulkhead.dev/revision"] = json!(format!("{}/1", name.as_str().unwrap()));
    carried["somebody"] = json!("else");
    let mut account = objects[2].clone();
    account["metadata"]["uid"] = json!("uid");
    account["status"] = json!({
        "accountId": ID,
        "email": of("Create")[0]["email"],
        "baseline": {"assigned": {"revision": name, "hash": hash, "sequence": 1, "by": "Automatic",
            "tagKeys": tags.keys().collect::<Vec<_>>()}},
        "tags": {"managed": tags},
    });
    let mut with_status = baseline.clone();
    with_status["status"] = json!({"latestRevision": {"name": name, "hash": hash}});
    let path = environment["organizationalUnit"].as_str().unwrap();
    let (mut units, mut parent) = (Vec::new(), "r-f00d".to_owned());
    let names: Vec<&str> = path.split('/').collect();
    for (depth, name) in names.iter().enumerate() {
        let id = if depth + 1 == names.len() {
            UNIT.to_owned()
        } else {
            format!("ou-f00d-unit000{depth}")
        };
        units.push(json!({"id": id, "name": name, "parent": parent}));
        parent = id;
    }
    json!({
        "version": 1,
        "objects": [objects[0], with_status, revision, account],
        "organization": {
            "id": "o-aviaryaviary", "root": "r-f00d", "management": "999999999999",
            "policyTypes": {"SERVICE_CONTROL_POLICY": "Enabled"},
            "units": units,
            "accounts": [{"id": ID, "name": "otter", "email": of("Create")[0]["email"], "state": "ACTIVE",
                "parent": UNIT, "tags": carried}],
            "policies": policies,
        },
    })
}

#[test]
fn an_empty_organization_gets_everything() {
    let (status, said, error) =
        run(Command::new(env!("CARGO_BIN_EXE_bulkhead")).args(["plan", "-f", "../../examples/acme"]));
    assert_eq!((status, error.as_str()), (Some(2), ""));
    for words in [
        "+ team-web/shop-prod  revision standard-",
        "\n    create account \"shop-prod\" with email aws+team-web.shop-prod@example.com\n    in Workloads/Prod\n",
        "\n    + tag cost-center: \"4720\"\n",
        "\n+ Baseline standard  revision standard-",
        "\nPlan: 6 to create, 0 to change, 0 to move, 1 Baseline to change, 0 refused.\n",
    ] {
        assert!(said.contains(words), "{words:?} is not in\n{said}");
    }
}

#[test]
fn what_is_as_it_should_be_needs_nothing() {
    let files = Files::new();
    let observed = settled(&files, &guarded(&json!(["eu-west-1"])));
    let (status, said, error) = files.plan(Some(&observed), &[]);
    assert_eq!((status, error.as_str()), (Some(0), ""), "{said}");
    assert_eq!(said, "Plan: 0 to create, 0 to change, 0 to move, 0 refused.\n");
}

/// A new revision comes to be, and waits for the promotion to bring it.
#[test]
fn accounts_of_a_baseline_that_is_promoted_get_nothing_by_themselves() {
    let promotion = json!({
        "apiVersion": "bulkhead.dev/v1alpha1", "kind": "EnvironmentPromotion", "metadata": {"name": "travel"},
        "spec": {
            "baselineRef": {"name": "standard"}, "revisionPolicy": "Automatic",
            "stages": [{"name": "dev", "environment": "dev"}],
        },
    });
    for in_files in [true, false] {
        let files = Files::new();
        let mut observed = settled(&files, &guarded(&json!(["eu-west-1"])));
        let mut wanted = vec![guarded(&json!(["eu-west-1", "us-east-1"]))];
        if in_files {
            wanted.push(promotion.clone());
        } else {
            observed["objects"]
                .as_array_mut()
                .unwrap()
                .push(promotion.clone());
        }
        files.write("all.json.yaml", &wanted);
        let (status, said, error) = files.plan(Some(&observed), &[]);
        assert_eq!((status, error.as_str()), (Some(2), ""), "{said}");
        assert!(
            said.contains("\n~ Baseline standard  revision ") || said.starts_with("~ Baseline"),
            "{said}"
        );
        assert!(!said.contains("policy bulkhead-example-dev-"), "{said}");
        let travels = "\n    travels by EnvironmentPromotion travel: dev (1 account)\n";
        assert!(said.contains(travels), "{said}");
        let (promotion, counted) = if in_files {
            (
                "+ EnvironmentPromotion travel\n",
                ", 1 EnvironmentPromotion to change",
            )
        } else {
            ("", "")
        };
        let counted =
            format!("Plan: 0 to create, 0 to change, 0 to move, 1 Baseline to change{counted}, 0 refused.\n");
        assert!(said.contains(promotion) && said.ends_with(&counted), "{said}");
    }
}

#[test]
fn a_changed_guardrail_is_shown_once_by_statement_and_on_each_account_by_policy() {
    let files = Files::new();
    let observed = settled(&files, &guarded(&json!(["eu-west-1"])));
    let before = revision(&guarded(&json!(["eu-west-1"])));
    let after = guarded(&json!(["eu-west-1", "us-east-1"]));
    files.write("all.json.yaml", std::slice::from_ref(&after));
    let (status, said, error) = files.plan(Some(&observed), &[]);
    assert_eq!((status, error.as_str()), (Some(2), ""), "{said}");
    let name = |revision: &Value| revision["metadata"]["name"].as_str().unwrap().to_owned();
    let (from, to) = (name(&before), name(&revision(&after)));
    for words in [
        format!("~ team-a/otter  account {ID}  revision {from} -> {to}\n    + policy bulkhead-example-dev-"),
        "\n    - policy bulkhead-example-dev-".to_owned(),
        format!("\n~ Baseline standard  revision {from} -> {to}\n  ~ environment dev\n    ~ allowedRegions"),
        "    ~ allowedRegions (SERVICE_CONTROL_POLICY, guardrails[allowedRegions])\n".to_owned(),
        "\n      +         \"us-east-1\"\n".to_owned(),
        "\nPlan: 0 to create, 1 to change, 0 to move, 1 Baseline to change, 0 refused.\n".to_owned(),
    ] {
        assert!(said.contains(&words), "{words:?} is not in\n{said}");
    }
    assert!(
        !said.contains("protectAccessRole1 ("),
        "it did not change\n{said}"
    );
    assert_eq!(
        said.matches("us-east-1").count(),
        1,
        "once, not per account\n{said}"
    );

    let (status, said, _) = files.plan(Some(&observed), &["-o", "json"]);
    let plan: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(status, Some(2));
    assert_eq!(plan["summary"]["change"], 1);
    assert_eq!(plan["accounts"][0]["accountId"], ID);
    assert_eq!(plan["revisions"][0]["from"], from);
    let changed = &plan["revisions"][0]["environments"][0]["policies"][0];
    assert_eq!(
        (&changed["statement"], &changed["change"]),
        (&json!("allowedRegions"), &json!("Changed"))
    );
}

#[test]
fn a_move_and_tags_are_told_and_foreign_tags_are_left_alone() {
    let files = Files::new();
    let mut observed = settled(&files, &guarded(&json!(["eu-west-1"])));
    observed["organization"]["accounts"][0]["parent"] = json!("r-f00d");
    let tags = observed["organization"]["accounts"][0]["tags"]
        .as_object_mut()
        .unwrap();
    tags.remove("bulkhead.dev/workload");
    let (status, said, error) = files.plan(Some(&observed), &[]);
    assert_eq!((status, error.as_str()), (Some(2), ""), "{said}");
    assert!(said.contains("\n    move the root -> "), "{said}");
    assert!(said.contains("\n    + tag bulkhead.dev/workload: "), "{said}");
    assert!(!said.contains("somebody"), "{said}");
    assert!(said.contains("1 to change, 1 to move, 0 refused."), "{said}");
}

#[test]
fn an_object_that_stands_in_no_file_stays_unless_it_is_pruned() {
    let files = Files::new();
    let observed = settled(&files, &guarded(&json!(["eu-west-1"])));
    files.write("all.json.yaml", &[guarded(&json!(["eu-west-1"]))]);
    assert_eq!(files.plan(Some(&observed), &[]).0, Some(0));
    let (status, said, _) = files.plan(Some(&observed), &["--prune"]);
    assert_eq!(status, Some(2), "{said}");
    assert!(
        said.starts_with("- team-a/otter\n    the object is gone; its account stays as it is\n"),
        "{said}"
    );
}

#[test]
fn what_is_refused_is_told_and_exit_status_1() {
    let files = Files::new();
    let observed = settled(&files, &guarded(&json!(["eu-west-1"])));
    files.write("all.json.yaml", &[guarded(&json!("nowhere"))]);
    let (status, said, _) = files.plan(Some(&observed), &[]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("! Baseline standard  InvalidParameter\n    spec.environments[dev].guardrails[allowedRegions].parameters.regions: "), "{said}");
    assert!(said.contains(" 1 refused."), "{said}");

    let unknown = account("team-a", "heron", "nowhere");
    files.write("all.json.yaml", &[unknown]);
    let (status, said, _) = files.plan(Some(&observed), &[]);
    assert_eq!(status, Some(1), "{said}");
    assert!(
        said.contains("! team-a/heron\n    refused: UnknownEnvironment: spec.environment: "),
        "{said}"
    );
}

fn refused(files: &Files, observed: &Value, words: &str) {
    let (status, said, error) = files.plan(Some(observed), &[]);
    assert_eq!((status, said.as_str()), (Some(1), ""), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(
        error.starts_with("error: ") && error.contains(words),
        "{words:?} is not in {error}"
    );
}

#[test]
fn bad_input_is_one_line_with_its_path_and_exit_status_1() {
    let files = Files::new();
    let good = settled(&files, &guarded(&json!(["eu-west-1"])));
    let newer = with(good.clone(), "/version", json!(2));
    refused(&files, &newer, "observed.yaml: version: must be 1, and is 2");
    let mut unknown = good.clone();
    unknown["organization"]["accounts"][0]["staet"] = json!("ACTIVE");
    refused(&files, &unknown, "organization.accounts[0]");
    let state = with(good.clone(), "/organization/accounts/0/state", json!("OPEN"));
    refused(
        &files,
        &state,
        "organization.accounts[0].state: \"OPEN\" is no state",
    );
    let kind = with(good.clone(), "/objects/0/kind", json!("Pod"));
    refused(&files, &kind, "objects[0].kind: is \"Pod\"");
    let missing = files.path("missing.yaml");
    let (status, _, error) = files.plan(None, &["--observed", missing.to_str().unwrap()]);
    assert_eq!(status, Some(1));
    assert!(error.contains("missing.yaml: No such file"), "{error}");
    let typo = with(
        account("team-a", "otter", "dev"),
        "/spec/enviroment",
        json!("dev"),
    );
    files.write("all.json.yaml", &[typo]);
    refused(&files, &good, "unknown field \"spec.enviroment\"");

    let named = |name: &str, value: &str| {
        let otter = account("team-a", "otter", "dev");
        with(otter, name, json!(value))
    };
    files.write("all.json.yaml", &[named("/kind", "AwsAcount")]);
    refused(
        &files,
        &good,
        "all.json.yaml:1: kind: \"AwsAcount\" is no kind of bulkhead.dev/v1alpha1",
    );
    files.write("all.json.yaml", &[named("/apiVersion", "bulkhead.dev/v2")]);
    refused(
        &files,
        &good,
        "apiVersion: \"bulkhead.dev/v2\" is none of AwsAccount",
    );
    files.write("all.json.yaml", &[account("team-a", "otter", "dev")]);
    files.write("other.yaml", &[account("team-a", "otter", "dev")]);
    let twice = "other.yaml:1: AwsAccount team-a/otter stands in ";
    refused(&files, &good, twice);
}

#[test]
fn a_wrong_command_line_is_no_plan_with_changes() {
    let files = Files::new();
    files.write("all.json.yaml", &[account("team-a", "otter", "dev")]);
    for arguments in [&["--live"][..], &["--save", "x"], &["--no-such-flag"]] {
        let (status, said, error) = files.plan(None, arguments);
        assert_eq!((status, said.as_str()), (Some(1), ""), "{arguments:?}: {error}");
    }
    let both = ["--live", "--config", "x", "--observed", "y"];
    let (status, _, error) = files.plan(None, &both);
    assert_eq!(status, Some(1));
    assert!(error.contains("cannot be used with"), "{error}");
}
