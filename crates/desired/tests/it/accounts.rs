//! One object and the Baseline it names.

use crate::world::{World, creation, heron, manifest, otter, rejected, river, with};
use desired::Decoded;
use model::{OuId, Reason};
use serde_json::{Value, json};

#[test]
fn an_accepted_object_becomes_values() {
    let account = World::new()
        .otter_with("/spec/outputs", json!({"configMapName": "otter-account"}))
        .unwrap();
    assert_eq!(account.claim.as_str(), "acme/team-otter/otter-dev");
    assert_eq!(account.email.as_str(), "aws+team-otter.otter-dev@example.com");
    assert_eq!(account.account_name.as_str(), "otter-dev");
    assert_eq!(account.role_name.as_str(), "OrganizationAccountAccessRole");
    assert_eq!(account.organizational_unit.to_string(), "Workloads/Dev");
    assert_eq!(account.created.to_string(), "2026-01-01T00:00:00Z");
    assert_eq!(account.outputs.unwrap().config_map, "otter-account");
    assert_eq!(
        (account.bound_unit, account.open_gates.len(), account.suspend),
        (None, 0, false)
    );
    let tags: Vec<String> = account
        .tags
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    assert_eq!(
        tags,
        [
            "bulkhead.dev/claim=acme/team-otter/otter-dev",
            "bulkhead.dev/environment=dev",
            "bulkhead.dev/workload=ferry",
            "owner=crew"
        ]
    );
}

#[test]
fn what_the_object_sets_is_used() {
    let world = World::new();
    assert!(world.otter_with("/spec/suspend", json!(true)).unwrap().suspend);
    assert_eq!(
        world
            .otter_with("/spec/accountName", json!("Otter One"))
            .unwrap()
            .account_name
            .as_str(),
        "Otter One"
    );
    let account = world.otter_with("/spec/environment", json!("prod")).unwrap();
    assert_eq!(account.role_name.as_str(), "RiverAccess");
    assert_eq!(
        account.open_gates,
        ["dns.example.com/Zone", "net.example.com/Vpc"]
    );
    let status = json!({"conditions": [
        condition("net.example.com/Vpc", "True"), condition("dns.example.com/Zone", "Unknown"),
    ]});
    let object = with(
        with(manifest(&otter()), "/spec/environment", json!("prod")),
        "/status",
        status,
    );
    let mut world = World::new();
    assert_eq!(
        world
            .account(&otter(), object)
            .verdict(&otter())
            .unwrap()
            .open_gates,
        ["dns.example.com/Zone"]
    );
}

fn condition(kind: &str, status: &str) -> Value {
    json!({"type": kind, "status": status, "reason": "Test", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"})
}

#[test]
fn the_baseline_must_be_there_and_accepted() {
    let mut world = World::new();
    world.baselines.insert(
        "marsh".into(),
        Decoded::Poison("missing field `environments`".into()),
    );
    let absent = rejected(
        world.otter_with("/spec/baselineRef", json!({"name": "lagoon"})),
        Reason::BaselineNotFound,
        &["spec.baselineRef.name", "\"lagoon\""],
    );
    assert!(absent.waits, "it may appear");
    let poison = rejected(
        world.otter_with("/spec/baselineRef", json!({"name": "marsh"})),
        Reason::BaselineNotAccepted,
        &["spec.baselineRef.name", "\"marsh\""],
    );
    assert!(poison.waits);
    world.default_baseline = Some("delta");
    rejected(
        world.otter_with("/spec/suspend", json!(false)),
        Reason::BaselineNotFound,
        &["default Baseline", "\"delta\""],
    );
    world.default_baseline = None;
    let unnamed = rejected(
        world.otter_with("/spec/suspend", json!(false)),
        Reason::InvalidSpec,
        &["spec.baselineRef"],
    );
    assert!(!unnamed.waits);
}

#[test]
fn the_environment_must_be_one_of_the_baselines() {
    rejected(
        World::new().otter_with("/spec/environment", json!("qa")),
        Reason::UnknownEnvironment,
        &["spec.environment", "\"qa\"", "\"river\"", "dev, prod"],
    );
}

#[test]
fn the_namespace_must_be_admitted() {
    let mut world = World::new();
    world.account(
        &heron(),
        with(manifest(&heron()), "/spec/environment", json!("prod")),
    );
    rejected(
        world.verdict(&heron()),
        Reason::EnvironmentNotAllowed,
        &["\"team-heron\"", "environment \"prod\"", "tier=production"],
    );
    world.namespaces.insert("team-heron".into(), [].into());
    let refused = rejected(
        world.verdict(&heron()),
        Reason::NamespaceNotAllowed,
        &["\"team-heron\"", "\"river\"", "labels tier"],
    );
    assert!(!refused.waits);
    world.namespaces.remove("team-heron");
    let unknown = rejected(
        world.verdict(&heron()),
        Reason::NamespaceNotAllowed,
        &["\"team-heron\"", "not known"],
    );
    assert!(unknown.waits);
}

#[test]
fn a_namespace_that_is_not_admitted_learns_no_environments() {
    let mut world = World::new();
    world.namespaces.insert("team-heron".into(), [].into());
    world.account(
        &heron(),
        with(manifest(&heron()), "/spec/environment", json!("qa")),
    );
    let refused = rejected(world.verdict(&heron()), Reason::NamespaceNotAllowed, &[]);
    assert!(!refused.message.contains("prod"), "{}", refused.message);
}

#[test]
fn an_explicit_email_needs_permission_and_aws_rules() {
    let mut world = World::new();
    rejected(
        world.otter_with("/spec/email", json!("otter@example.org")),
        Reason::EmailNotAllowed,
        &["spec.email", "\"otter@example.org\"", "allowExplicitEmail"],
    );
    world.baseline("river", with(river(), "/allowExplicitEmail", json!(true)));
    assert_eq!(
        world
            .otter_with("/spec/email", json!("otter@example.org"))
            .unwrap()
            .email
            .as_str(),
        "otter@example.org"
    );
    rejected(
        world.otter_with("/spec/email", json!("otter@localhost")),
        Reason::InvalidEmail,
        &["spec.email", "\"otter@localhost\"", "has a dot"],
    );
}

#[test]
fn an_email_from_the_template_must_fit() {
    let mut world = World::new();
    let long = model::AccountKey::new("team-otter", "o".repeat(50));
    world.account(&long, manifest(&long));
    rejected(
        world.verdict(&long),
        Reason::InvalidEmail,
        &["emailTemplate", "\"river\"", "aws+team-otter.ooo", "6..64"],
    );
}

#[test]
fn the_account_name_must_be_one_that_aws_takes() {
    let world = World::new();
    rejected(
        world.otter_with("/spec/accountName", json!("<otter>")),
        Reason::InvalidAccountName,
        &["spec.accountName", "\"<otter>\"", "1..50"],
    );
    let mut world = World::new();
    world.baseline(
        "river",
        with(river(), "/emailTemplate", json!("{namespace}.{name}@x.io")),
    );
    let long = model::AccountKey::new("n", "o".repeat(51));
    world
        .namespaces
        .insert("n".into(), [("tier".to_owned(), "x".to_owned())].into());
    world.account(&long, manifest(&long));
    rejected(
        world.verdict(&long),
        Reason::InvalidAccountName,
        &["metadata.name", "1..50"],
    );
}

#[test]
fn a_unit_is_bound_by_id_for_the_path_it_was_bound_for() {
    let bound = |path: &str| {
        let object = json!({
            "apiVersion": "bulkhead.dev/v1alpha1", "kind": "Baseline", "metadata": {"name": "river"}, "spec": river(),
            "status": {"environments": [
                {"name": "prod", "organizationalUnit": {"id": "ou-a1b2-99999999", "path": "Workloads/Prod"}},
                {"name": "dev", "organizationalUnit": {"id": "ou-a1b2-12345678", "path": path}},
            ]},
        });
        let mut world = World::new();
        world.baselines.insert(
            "river".into(),
            Decoded::Good(serde_json::from_value::<api::Baseline>(object).unwrap().into()),
        );
        world
            .otter_with("/spec/suspend", json!(false))
            .unwrap()
            .bound_unit
    };
    assert_eq!(
        bound("Workloads/Dev"),
        Some(OuId::parse("ou-a1b2-12345678").unwrap())
    );
    assert_eq!(bound("Workloads/Old"), None);
}

#[test]
fn an_account_that_exists_keeps_its_email_and_role() {
    let vended = json!({"accountId": "123456789012", "email": "shown@example.com", "creation": creation("sent@example.com")});
    let account = World::new().otter_with("/status", vended.clone()).unwrap();
    assert_eq!(
        (account.email.as_str(), account.role_name.as_str()),
        ("sent@example.com", "FrozenRole")
    );

    let reattached = with(vended.clone(), "/creation", json!(null));
    let account = World::new().otter_with("/status", reattached).unwrap();
    assert_eq!(account.email.as_str(), "shown@example.com");
    assert_eq!(account.role_name.as_str(), "OrganizationAccountAccessRole");

    let under_way = with(vended, "/accountId", json!(null));
    let account = World::new().otter_with("/status", under_way).unwrap();
    assert_eq!(account.email.as_str(), "aws+team-otter.otter-dev@example.com");
}

#[test]
fn an_account_that_exists_keeps_an_explicit_email_that_is_no_longer_allowed() {
    let object = with(manifest(&otter()), "/spec/email", json!("otter@example.org"));
    let object = with(
        object,
        "/status",
        json!({"accountId": "123456789012", "email": "otter@example.org"}),
    );
    let mut world = World::new();
    assert_eq!(
        world
            .account(&otter(), object)
            .verdict(&otter())
            .unwrap()
            .email
            .as_str(),
        "otter@example.org"
    );
}

#[test]
fn a_bad_object_does_not_touch_the_others() {
    let mut world = World::new();
    world.account(&otter(), manifest(&otter())).account(
        &heron(),
        with(manifest(&heron()), "/spec/environment", json!("qa")),
    );
    let poison = model::AccountKey::new("team-otter", "eel");
    world
        .accounts
        .insert(poison.clone(), Decoded::Poison("invalid type: string".into()));
    let resolved = world.resolve();
    assert!(resolved.desired.accounts.contains_key(&otter()));
    assert_eq!(resolved.rejections[&heron()].reason, Reason::UnknownEnvironment);
    assert_eq!(resolved.rejections[&poison].reason, Reason::Undecodable);
    assert!(
        resolved.rejections[&poison]
            .message
            .contains("invalid type: string")
    );
    assert!(!resolved.journal.contains_key(&poison) && resolved.journal.contains_key(&heron()));
}
