//! What may change once an object exists.

use crate::server::{account, approval, refusals, revision, with};
use serde_json::{Value, json};

fn update(old: &Value, new: &Value) -> Vec<String> {
    assert_eq!(refusals("AwsAccount", old, None), [""; 0]);
    refusals("AwsAccount", new, Some(old))
}

#[test]
fn most_fields_may_change() {
    let full = with(
        with(account(), "/spec/email", json!("otter@example.com")),
        "/spec/accountName",
        json!("Otter"),
    );
    for (pointer, value) in [
        ("/spec/workload", json!("heron")),
        ("/spec/purpose", json!("Heron tracking")),
        ("/spec/tags/data-class", json!("public")),
        ("/spec/suspend", json!(true)),
        ("/spec/baselineRef/name", json!("lake")),
        ("/status/observedGeneration", json!(3)),
    ] {
        assert_eq!(
            update(&full, &with(full.clone(), pointer, value)),
            [""; 0],
            "{pointer}"
        );
    }
}

#[test]
fn the_environment_never_changes() {
    let found = update(&account(), &with(account(), "/spec/environment", json!("prod")));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].ends_with("spec.environment is immutable; it was \"dev\" and cannot become \"prod\""),
        "{found:?}"
    );
}

#[test]
fn email_and_account_name_are_frozen_with_their_presence() {
    for (field, one, other) in [
        ("email", "otter@example.com", "heron@example.com"),
        ("accountName", "Otter", "Heron"),
    ] {
        let pointer = format!("/spec/{field}");
        let without = account();
        let with_one = with(account(), &pointer, json!(one));
        let with_other = with(account(), &pointer, json!(other));
        assert_eq!(update(&with_one, &with_one), [""; 0]);
        for (old, new, end) in [
            (
                &with_one,
                &with_other,
                format!("it was \"{one}\" and would be \"{other}\""),
            ),
            (
                &with_one,
                &without,
                format!("it was \"{one}\" and would be not set"),
            ),
            (
                &without,
                &with_one,
                format!("it was not set and would be \"{one}\""),
            ),
        ] {
            let found = update(old, new);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(
                found[0].contains(&format!("spec.{field} is immutable")) && found[0].ends_with(&end),
                "{found:?}"
            );
        }
    }
}

#[test]
fn an_approval_never_changes_in_any_field() {
    let whole = with(approval(), "/spec/comment", json!("because"));
    assert_eq!(refusals("Approval", &whole, Some(&whole)), [""; 0]);
    for (pointer, value) in [
        ("/spec/decision", json!("Reject")),
        ("/spec/approver", json!("mallory")),
        ("/spec/digest", json!(format!("sha256:{}", "f".repeat(64)))),
        ("/spec/comment", json!(null)),
        ("/spec/group", json!("cloud-platform")),
        ("/spec/subject/name", json!("heron")),
    ] {
        let found = refusals("Approval", &with(whole.clone(), pointer, value), Some(&whole));
        assert_eq!(found.len(), 1, "{pointer}: {found:?}");
        assert!(found[0].contains("an Approval never changes"), "{found:?}");
    }
    let labelled = with(whole.clone(), "/metadata/labels", json!({"a": "b"}));
    assert_eq!(refusals("Approval", &labelled, Some(&whole)), [""; 0]);
}

#[test]
fn a_revision_never_changes_in_any_field() {
    let whole = with(
        revision(),
        "/spec/environments/0/readinessGates",
        json!(["net.example.com/Up"]),
    );
    assert_eq!(refusals("BaselineRevision", &whole, Some(&whole)), [""; 0]);
    for (pointer, value) in [
        (
            "/spec/hash",
            json!(format!("sha256:0123456789{}", "f".repeat(54))),
        ),
        ("/spec/environments/0/organizationalUnit", json!("Elsewhere")),
        ("/spec/environments/0/readinessGates", json!(null)),
        (
            "/spec/mandatoryTags",
            json!([{"key": "owner", "fromField": "owner.team"}]),
        ),
    ] {
        let found = refusals(
            "BaselineRevision",
            &with(whole.clone(), pointer, value),
            Some(&whole),
        );
        assert_eq!(found.len(), 1, "{pointer}: {found:?}");
        assert!(found[0].contains("a BaselineRevision never changes"), "{found:?}");
    }
    let labelled = with(whole.clone(), "/metadata/labels", json!({"a": "b"}));
    assert_eq!(refusals("BaselineRevision", &labelled, Some(&whole)), [""; 0]);
}
