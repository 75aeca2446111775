//! Overlay and snapshots; the whole command is tested in `tests/it`.

use super::*;
use api::{AwsAccount, Baseline};
use desired::Decoded;
use model::{
    AccountKey, AccountState, ListedPolicies, ObservedAccount, ObservedUnit, ParentId, PolicyTypeState,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::Path};

const ID: &str = "111122223333";

fn is<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

fn baseline(regions: &Value) -> Value {
    json!({
        "apiVersion": "bulkhead.dev/v1alpha1", "kind": "Baseline", "metadata": {"name": "standard"},
        "spec": {
            "namespaceSelector": {"matchLabels": {"team": "a", "tier": "gold"}},
            "updatePolicy": "Automatic", "emailTemplate": "aws+{namespace}.{name}@example.com",
            "environments": [{"name": "dev", "organizationalUnit": "Workloads/Dev",
                "guardrails": [{"name": "allowedRegions", "parameters": {"regions": regions}}]}],
        },
    })
}

fn account() -> Value {
    json!({
        "apiVersion": "bulkhead.dev/v1alpha1", "kind": "AwsAccount",
        "metadata": {"name": "otter", "namespace": "team-a"},
        "spec": {"workload": "otter", "environment": "dev", "purpose": "Otter tracking",
            "owner": {"team": "otter", "contact": "otter@example.com"}, "costCenter": "4711"},
    })
}

/// The objects of a cluster in which `team-a/otter` has an account.
fn cluster() -> Vec<Value> {
    let mut otter = account();
    otter["metadata"]["uid"] = json!("u-1");
    otter["metadata"]["finalizers"] = json!(["bulkhead.dev/account"]);
    otter["metadata"]["labels"] = json!({"theirs": "yes", "ours": "old"});
    otter["status"] = json!({"accountId": ID, "email": "aws+team-a.otter@example.com"});
    vec![
        json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "team-a", "labels": {"team": "a", "tier": "gold"}}}),
        baseline(&json!(["eu-west-1"])),
        otter,
    ]
}

fn organization() -> model::Snapshot {
    let claimed = json!({"bulkhead.dev/claim": "acme/team-a/otter", "foreign": "tag"});
    model::Snapshot {
        organization: is(json!("o-aviaryaviary")),
        management: is(json!("999999999999")),
        root: is(json!("r-f00d")),
        units: vec![ObservedUnit {
            id: is(json!("ou-f00d-workload")),
            name: "Workloads".into(),
            parent: ParentId::parse("r-f00d").unwrap(),
        }],
        accounts: vec![ObservedAccount {
            id: is(json!(ID)),
            arn: format!("arn:aws:organizations::999999999999:account/o-aviaryaviary/{ID}"),
            email: "aws+team-a.otter@example.com".into(),
            name: "otter".into(),
            state: AccountState::Unknown,
            parent: ParentId::parse("ou-f00d-workload").unwrap(),
            tags: None,
            tags_confirmed: false,
        }],
        tags: BTreeMap::from([(is(json!(ID)), is(claimed))]),
        in_progress: Vec::new(),
        policy_types: BTreeMap::from([(is(json!("SERVICE_CONTROL_POLICY")), PolicyTypeState::Enabled)]),
        policies: ListedPolicies {
            policies: vec![model::ObservedPolicy {
                id: is(json!("p-12345678")),
                name: "bulkhead-acme-dev-0000000000".into(),
                policy_type: is(json!("SERVICE_CONTROL_POLICY")),
                aws_managed: false,
                content: Some(is(json!(r#"{"Version":"2012-10-17","Statement":[]}"#))),
                tags: Some(is(json!({"bulkhead.dev/managed": "acme"}))),
            }],
            attachments: vec![(is(json!("p-12345678")), BTreeSet::from([is(json!(ID))]))],
        },
    }
}

fn acme() -> Config {
    Config::parse(
        "{installation: acme, defaultBaseline: standard, massChange: null, policies: {overlap: 90s}, \
         aws: {endpointUrl: 'http://127.0.0.1:1', rates: 50, exemptPrincipals: ['arn:aws:iam::*:role/break-glass']}}",
    )
    .unwrap()
}

fn document() -> Document {
    let at = "2026-11-21T12:00:00Z".parse().unwrap();
    Document::taken(at, &acme(), cluster(), organization()).unwrap()
}

fn args(text: &[&str]) -> PlanArgs {
    #[derive(clap::Parser)]
    struct Only {
        #[command(flatten)]
        plan: PlanArgs,
    }
    <Only as clap::Parser>::try_parse_from([&["plan"], text].concat())
        .unwrap_or_else(|error| panic!("{error}"))
        .plan
}

fn shown(config: &Config, wanted: &Wanted, now: Snapshot) -> (String, Value) {
    let difference = compare(config, wanted, false, now);
    (
        render::text(&difference),
        serde_json::to_value(&difference).unwrap(),
    )
}

fn changed() -> Wanted {
    let mut wanted = Wanted::default();
    let object: Baseline = is(baseline(&json!(["eu-west-1", "us-east-1"])));
    wanted.baselines.insert("standard".into(), object);
    wanted
}

#[test]
fn what_is_saved_gives_the_same_plan() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("now.json");
    snapshot::save(&path, &document()).unwrap();
    let saved = snapshot::read(&path).unwrap();
    let told = saved.config.clone().unwrap();
    assert_eq!(told.aws.endpoint_url, None, "how AWS is reached stays at home");
    let observed = args(&["-f", "x", "--observed", path.to_str().unwrap()]);
    let config = config(&observed, &changed(), &saved).unwrap();
    assert_eq!(config.policies.overlap, SignedDuration::from_secs(90));
    assert!(config.mass_change.is_none());

    let direct = document().snapshot().unwrap();
    assert_eq!(saved.observed, direct.observed);
    assert_eq!(saved.at, direct.at);
    let one = shown(&acme(), &changed(), direct);
    assert_eq!(shown(&config, &changed(), saved), one);
    let mut plain = Config::new(config.installation.clone());
    plain.default_baseline.clone_from(&config.default_baseline);
    let without = shown(&plain, &changed(), document().snapshot().unwrap());
    assert_ne!(
        without, one,
        "what the configuration exempts is part of every policy"
    );
    for words in ["account 111122223333", "move Workloads -> Workloads/Dev"] {
        assert!(one.0.contains(words), "{words:?} is not in\n{}", one.0);
    }
    assert!(
        one.0.contains("- policy bulkhead-acme-dev-0000000000"),
        "{}",
        one.0
    );
}

#[test]
fn an_organization_of_any_size_can_be_read_again() {
    let mut seen = organization();
    let one = seen.accounts.remove(0);
    seen.accounts = (0..50_000_u64)
        .map(|n| ObservedAccount {
            id: is(json!(format!("{:012}", 200_000_000_000 + n))),
            ..one.clone()
        })
        .collect();
    let at = Timestamp::UNIX_EPOCH;
    let document = Document::taken(at, &acme(), cluster(), seen).unwrap();
    let text = serde_json::to_string(&document).unwrap();
    let read = Document::parse(&text).and_then(Document::snapshot).unwrap();
    assert_eq!(read.observed.accounts.len(), 50_000);
}

#[test]
fn a_snapshot_of_another_installation_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.yaml");
    std::fs::write(&path, "installation: heron").unwrap();
    let args = args(&["-f", "x", "--observed", "y", "--config", path.to_str().unwrap()]);
    let now = document().snapshot().unwrap();
    let error = config(&args, &changed(), &now).unwrap_err().to_string();
    assert_eq!(
        error,
        r#"--config: installation is "heron", and that of the snapshot is "acme""#
    );
}

#[test]
fn an_account_that_was_asked_itself_is_believed() {
    let mut document = document();
    let mut asked = organization().accounts.remove(0);
    asked.parent = ParentId::parse("r-f00d").unwrap();
    asked.tags = Some(is(json!({"a": "b"})));
    let id = asked.id.clone();
    document.correct(&id, Some(asked.clone()));
    let seen = document.clone().snapshot().unwrap().observed;
    assert_eq!(seen.accounts[&id].tags, asked.tags);
    assert_eq!(seen.accounts[&id].parent, asked.parent);
    document.correct(&id, None);
    assert!(document.snapshot().unwrap().observed.accounts.is_empty());
}

#[test]
fn a_file_gives_the_spec_and_the_cluster_everything_else() {
    let mut objects = document().snapshot().unwrap().objects;
    let mut file = account();
    file["spec"]["purpose"] = json!("Another");
    file["metadata"]["labels"] = json!({"ours": "new"});
    let key = AccountKey::new("team-a", "otter");
    let mut wanted = changed();
    wanted
        .accounts
        .insert(key.clone(), is::<AwsAccount>(file.clone()));
    let heron = AccountKey::new("team-a", "heron");
    file["metadata"]["name"] = json!("heron");
    wanted.accounts.insert(heron.clone(), is::<AwsAccount>(file));
    wanted
        .namespaces
        .insert("team-a".into(), BTreeMap::from([("team".into(), "b".into())]));
    assert!(wanted.overlay(&mut objects, false).is_empty());
    let Decoded::Good(otter) = &objects.accounts[&key] else {
        panic!("it can be decoded")
    };
    assert_eq!(otter.spec.purpose, "Another");
    assert_eq!(otter.status.as_ref().unwrap().account_id.as_deref(), Some(ID));
    assert_eq!(otter.metadata.uid.as_deref(), Some("u-1"));
    assert_eq!(otter.metadata.finalizers.as_ref().unwrap().len(), 1);
    let labels = otter.metadata.labels.as_ref().unwrap();
    assert_eq!(
        (labels["theirs"].as_str(), labels["ours"].as_str()),
        ("yes", "new")
    );
    let Decoded::Good(new) = &objects.accounts[&heron] else {
        panic!("it can be decoded")
    };
    assert!(new.status.is_none() && new.metadata.uid.is_none());
    let namespace = &objects.namespaces["team-a"];
    assert_eq!(
        (namespace["team"].as_str(), namespace["tier"].as_str()),
        ("b", "gold")
    );

    wanted.accounts.remove(&key);
    let leaving = wanted.overlay(&mut objects, true);
    assert_eq!(leaving, BTreeSet::from([key]));
}

#[test]
fn units_are_named_by_id_or_by_path_in_any_order() {
    let text = r#"
version: 1
organization:
  id: o-aviaryaviary
  root: r-f00d
  management: "999999999999"
  units:
    - {id: ou-f00d-devdevde, name: Dev, parent: Workloads/Teams}
    - {id: ou-f00d-teamteam, name: Teams, parent: Workloads}
    - {id: ou-f00d-workload, name: Workloads, parent: r-f00d}
  accounts:
    - {id: "111122223333", name: otter, email: o@example.com, parent: Workloads/Teams/Dev}
    - {id: "111122223334", name: heron, email: h@example.com, parent: ou-f00d-teamteam}
"#;
    let read = |text: &str| Document::parse(text).and_then(Document::snapshot);
    let seen = read(text).unwrap().observed;
    let mut places = seen
        .accounts
        .values()
        .map(|account| seen.path_of(&account.parent).unwrap());
    assert_eq!(places.next().as_deref(), Some("Workloads/Teams/Dev"));
    assert_eq!(places.next().as_deref(), Some("Workloads/Teams"));
    for (from, to, wrong) in [
        (
            "parent: Workloads/Teams/Dev",
            "parent: Workloads/Dev",
            "organization.accounts[0].parent",
        ),
        (
            "name: Teams, parent: Workloads",
            "name: Teams, parent: Elsewhere",
            "organization.units[1].parent",
        ),
    ] {
        let (key, reason) = read(&text.replace(from, to)).unwrap_err();
        assert_eq!(key, wrong, "{reason}");
        assert!(reason.contains("neither the id"), "{reason}");
    }
}

#[test]
fn a_broken_document_is_refused_with_path_and_reason() {
    let good = serde_json::to_value(document()).unwrap();
    let read = |value: &Value| Document::parse(&value.to_string()).and_then(Document::snapshot);
    assert!(read(&good).is_ok());
    for (pointer, value, key, words) in [
        ("/version", json!(2), "version", "must be 1, and is 2"),
        ("/version", Value::Null, "version", "must be 1, and is null"),
        ("/takenAt", json!("yesterday"), "takenAt", ""),
        ("/installation", json!("Not Acme"), "installation", "Not Acme"),
        (
            "/installation",
            json!("heron"),
            "configuration",
            "\"acme\", and that of the document is \"heron\"",
        ),
        (
            "/configuration/aws/awsShare",
            json!(2),
            "configuration",
            "aws.awsShare is 2",
        ),
        (
            "/objects/0/kind",
            json!("Secret"),
            "objects[0].kind",
            "\"Secret\"",
        ),
        ("/organization/root", json!("root"), "organization.root", "root"),
    ] {
        let mut broken = good.clone();
        *broken.pointer_mut(pointer).unwrap() = value;
        let (found, reason) = read(&broken).unwrap_err();
        assert_eq!(found, key, "{reason}");
        assert!(reason.contains(words), "{words:?} is not in {reason:?}");
    }
    let (key, _) = Document::parse("version: [").unwrap_err();
    assert_eq!(key, "the document");
}

#[test]
fn live_and_observed_exclude_each_other_and_live_needs_a_configuration() {
    let refused = |text: &[&str]| {
        let command = <crate::args::Args as clap::CommandFactory>::command();
        let all = [&["bulkhead", "plan"], text].concat();
        command.try_get_matches_from(all).unwrap_err().to_string()
    };
    for (text, words) in [
        (&["-f", "x", "--live"][..], "--config <FILE>"),
        (
            &["-f", "x", "--live", "--config", "c", "--observed", "o"],
            "cannot be used with",
        ),
        (&["-f", "x", "--save", "s"], "--live"),
        (&["--config", "c"], "--filename <PATH>"),
        (&["--live", "--config", "c", "--prune"], "--filename <PATH>"),
        (&["-f", "x", "--kubeconfig", "k"], "--live"),
    ] {
        let said = refused(text);
        assert!(said.contains(words), "{words:?} is not in {said:?}");
    }
    let alone = args(&["--live", "--config", "c"]);
    assert!(alone.live && alone.files.is_empty() && alone.config.as_deref() == Some(Path::new("c")));
}
