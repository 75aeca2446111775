//! The revision of a Baseline: its name for one content, and for that content only.

use crate::world::{World, manifest, otter, river, with};
use model::Revision;
use serde_json::{Value, json};

fn revision_of(spec: Value) -> Revision {
    let mut world = World::new();
    world
        .baseline("river", spec)
        .account(&otter(), manifest(&otter()));
    let mut resolved = world.resolve();
    let revision = resolved.baselines.remove("river").unwrap().unwrap();
    if let Some(account) = resolved.desired.accounts.get(&otter()) {
        assert_eq!(account.revision, revision);
    }
    revision
}

/// Accounts carry this name: another version of Bulkhead must give it to the same content.
#[test]
fn the_same_content_has_this_name_for_ever() {
    let revision = revision_of(json!({
        "namespaceSelector": {},
        "emailTemplate": "aws+{namespace}.{name}@example.com",
        "environments": [
            {"name": "prod", "organizationalUnit": "Workloads/Prod", "readinessGates": [{"conditionType": "net.example.com/Up"}]},
            {"name": "dev", "organizationalUnit": "Workloads/Dev", "accessRoleName": "Access"},
        ],
        "mandatoryTags": [
            {"key": "owner", "valueFrom": {"field": "owner.team"}},
            {"key": "class", "valueFrom": {"tag": "class"}, "allowedValues": ["b", "a"], "pattern": "^[ab]$"},
        ],
    }));
    // printf %s '{"environments":{"dev":{"accessRoleName":"Access","organizationalUnit":"Workloads/Dev"},"prod":
    // {"accessRoleName":"OrganizationAccountAccessRole","organizationalUnit":"Workloads/Prod","readinessGates":
    // ["net.example.com/Up"]}},"mandatoryTags":{"class":{"allowedValues":["a","b"],"fromTag":"class","pattern":"^[ab]$"},
    // "owner":{"fromField":"owner.team"}}}' (in one line) | sha256sum
    assert_eq!(
        revision.hash.as_str(),
        "sha256:9763d6e14d9e92c015ffdb6ebc155fc720d1ef3cc74c2c427f0c832e2266ed4c"
    );
    assert_eq!(revision.name.as_str(), "river-9763d6e14d");
}

#[test]
fn what_accounts_get_makes_another_revision() {
    let before = revision_of(river());
    for (pointer, value) in [
        ("/environments/0/organizationalUnit", json!("Elsewhere")),
        ("/environments/0/accessRoleName", json!("Elsewho")),
        (
            "/environments/0/readinessGates",
            json!([{"conditionType": "net.example.com/Up"}]),
        ),
        ("/mandatoryTags/0/pattern", json!("^.*$")),
        ("/mandatoryTags/0/allowedValues", json!(["a"])),
        ("/mandatoryTags/0/key", json!("proprietor")),
        ("/mandatoryTags/0/valueFrom", json!({"field": "name"})),
        ("/mandatoryTags", json!([])),
    ] {
        let after = revision_of(with(river(), pointer, value));
        assert_ne!(after, before, "{pointer}");
        assert_eq!(
            revision_of(river()),
            before,
            "what comes back is the old revision"
        );
    }
}

#[test]
fn limits_and_the_order_of_lists_make_no_other() {
    let before = revision_of(river());
    for (pointer, value) in [
        ("/emailTemplate", json!("other+{namespace}.{name}@example.com")),
        ("/namespaceSelector", json!({"matchLabels": {"a": "b"}})),
        (
            "/environments/0/namespaceSelector",
            json!({"matchLabels": {"a": "b"}}),
        ),
        (
            "/environments/0/accessRoleName",
            json!("OrganizationAccountAccessRole"),
        ),
        ("/allowedTagKeys", json!(["*"])),
        ("/allowExplicitEmail", json!(true)),
        ("/mandatoryTags/0/allowedValues", json!([])),
    ] {
        assert_eq!(revision_of(with(river(), pointer, value)), before, "{pointer}");
    }
    let mut reversed = river();
    reversed["environments"].as_array_mut().unwrap().reverse();
    reversed["mandatoryTags"].as_array_mut().unwrap().reverse();
    assert_eq!(revision_of(reversed), before);
}
