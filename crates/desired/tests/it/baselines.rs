//! What becomes of a Baseline that the schema alone could not refuse, or that came from a file.

use crate::world::{World, manifest, otter, rejected, river, with};
use desired::Decoded;
use model::Reason;
use serde_json::{Value, json};

#[track_caller]
fn refused(pointer: &str, value: Value, pieces: &[&str]) {
    let mut world = World::new();
    world
        .baseline("river", with(river(), pointer, value))
        .account(&otter(), manifest(&otter()));
    let mut resolved = world.resolve();
    let rejection = rejected(
        resolved.baselines.remove("river").unwrap(),
        Reason::InvalidSpec,
        pieces,
    );
    assert!(!rejection.waits);
    assert_eq!(resolved.rejections[&otter()].reason, Reason::BaselineNotAccepted);
}

#[test]
fn good_ones_are_accepted_and_poisoned_ones_are_not() {
    let mut world = World::new();
    world
        .baselines
        .insert("marsh".into(), Decoded::Poison("missing field".into()));
    let mut resolved = world.resolve();
    assert!(resolved.baselines.remove("river").unwrap().is_ok());
    rejected(
        resolved.baselines.remove("marsh").unwrap(),
        Reason::Undecodable,
        &["missing field"],
    );
}

#[test]
fn patterns_must_compile_and_stay_small() {
    refused(
        "/mandatoryTags/0/pattern",
        json!("^[0-9$"),
        &["spec.mandatoryTags[owner].pattern", "\"^[0-9$\"", "unclosed"],
    );
    refused(
        "/mandatoryTags/0/pattern",
        json!("^(\\w{90}){90}$"),
        &["spec.mandatoryTags[owner].pattern", "too large"],
    );
    refused(
        "/mandatoryTags/0/pattern",
        json!("^a)|(b$"),
        &["spec.mandatoryTags[owner].pattern", "not a regular expression"],
    );
}

#[test]
fn tags_must_be_ones_that_can_be_set() {
    refused(
        "/mandatoryTags/0/key",
        json!("aws:owner"),
        &["spec.mandatoryTags[aws:owner].key", "aws:"],
    );
    refused(
        "/mandatoryTags/0/key",
        json!("Bulkhead.dev/x"),
        &["spec.mandatoryTags[Bulkhead.dev/x].key"],
    );
    refused(
        "/mandatoryTags/0/key",
        json!("semi;colon"),
        &["\"semi;colon\"", "1..128"],
    );
    refused(
        "/mandatoryTags/0/valueFrom",
        json!({}),
        &["spec.mandatoryTags[owner].valueFrom", "exactly one"],
    );
    refused(
        "/allowedTagKeys/0",
        json!("a*b"),
        &["spec.allowedTagKeys", "\"a*b\""],
    );
    refused(
        "/allowedTagKeys/0",
        json!("aws:*"),
        &["spec.allowedTagKeys", "\"aws:*\""],
    );
    let twice = json!([{"key": "owner", "valueFrom": {"field": "name"}}, {"key": "owner", "valueFrom": {"field": "name"}}]);
    refused(
        "/mandatoryTags",
        twice,
        &["spec.mandatoryTags", "\"owner\" twice"],
    );
}

#[test]
fn units_and_roles_must_be_ones_that_aws_takes() {
    refused(
        "/environments/0/organizationalUnit",
        json!("a/b/c/d/e/f"),
        &["spec.environments[dev].organizationalUnit", "5 levels"],
    );
    refused(
        "/environments/0/organizationalUnit",
        json!("a//b"),
        &["spec.environments[dev].organizationalUnit", "1..128"],
    );
    refused(
        "/environments/1/accessRoleName",
        json!("AWSServiceRoleForX"),
        &["spec.environments[prod].accessRoleName"],
    );
    refused(
        "/environments/1/name",
        json!("dev"),
        &["spec.environments", "\"dev\" twice"],
    );
    refused("/environments", json!([]), &["spec.environments", "at least one"]);
}

#[test]
fn selectors_must_make_sense() {
    let bad = json!({"matchExpressions": [{"key": "tier", "operator": "Near"}]});
    refused(
        "/namespaceSelector",
        bad.clone(),
        &["spec.namespaceSelector", "\"Near\""],
    );
    refused(
        "/environments/1/namespaceSelector",
        bad,
        &["spec.environments[prod].namespaceSelector", "\"tier\""],
    );
}

#[test]
fn templates_must_give_emails() {
    refused(
        "/emailTemplate",
        json!("aws+{name}@example.com"),
        &["spec.emailTemplate", "{namespace}"],
    );
    refused(
        "/emailTemplate",
        json!("{name}{namespace}{uid}@example.com"),
        &["spec.emailTemplate", "no other placeholders"],
    );
    refused(
        "/emailTemplate",
        json!("{name}.{namespace}@localhost"),
        &["spec.emailTemplate", "x.x@localhost", "has a dot"],
    );
    let long = format!("{{name}}.{{namespace}}@{}.example.com", "mail".repeat(13));
    refused("/emailTemplate", json!(long), &["spec.emailTemplate", "6..64"]);
}
