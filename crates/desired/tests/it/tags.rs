//! Mandatory tags and the object's own.

use crate::world::{World, rejected, river, with};
use model::{Reason, TagKey};
use serde_json::{Value, json};

fn world(mandatory: Value) -> World {
    let mut world = World::new();
    world.baseline("river", with(river(), "/mandatoryTags", mandatory));
    world
}

fn cost_center() -> Value {
    json!([{"key": "cost-center", "valueFrom": {"field": "costCenter"}, "pattern": "^[0-9]{4}$"}])
}

fn tag(account: &model::DesiredAccount, key: &str) -> String {
    account.tags[&TagKey::parse(key).unwrap()].to_string()
}

#[test]
fn every_field_can_be_a_source() {
    let fields = [
        ("accountName", "otter-dev"),
        ("namespace", "team-otter"),
        ("name", "otter-dev"),
        ("workload", "ferry"),
        ("environment", "dev"),
        ("purpose", "Ferry timetable"),
        ("owner.team", "crew"),
        ("owner.contact", "crew@example.com"),
        ("costCenter", "4711"),
    ];
    let rules: Vec<Value> = fields
        .iter()
        .map(|(field, _)| json!({"key": field, "valueFrom": {"field": field}}))
        .collect();
    let account = world(json!(rules))
        .otter_with("/spec/costCenter", json!("4711"))
        .unwrap();
    for (field, value) in fields {
        assert_eq!(tag(&account, field), value, "{field}");
    }
}

#[test]
fn a_mandatory_tag_without_a_value_is_named_with_its_source() {
    rejected(
        world(cost_center()).otter_with("/spec/suspend", json!(false)),
        Reason::MissingTagValue,
        &["spec.costCenter", "\"cost-center\""],
    );
    let from_tag = world(json!([{"key": "class", "valueFrom": {"tag": "data-class"}}]));
    rejected(
        from_tag.otter_with("/spec/suspend", json!(false)),
        Reason::MissingTagValue,
        &["spec.tags[data-class]", "\"class\""],
    );
    rejected(
        from_tag.otter_with("/spec/tags", json!({"data-class": ""})),
        Reason::MissingTagValue,
        &["spec.tags[data-class]"],
    );
    let account = from_tag
        .otter_with("/spec/tags", json!({"data-class": "public"}))
        .unwrap();
    assert_eq!(
        (tag(&account, "class"), tag(&account, "data-class")),
        ("public".into(), "public".into())
    );
}

#[test]
fn a_value_must_match_the_whole_pattern() {
    let world = world(cost_center());
    assert_eq!(
        tag(
            &world.otter_with("/spec/costCenter", json!("4711")).unwrap(),
            "cost-center"
        ),
        "4711"
    );
    rejected(
        world.otter_with("/spec/costCenter", json!("47112")),
        Reason::TagValueNotAllowed,
        &["spec.costCenter", "\"47112\"", "\"cost-center\"", "^[0-9]{4}$"],
    );
}

#[test]
fn a_pattern_with_alternatives_is_matched_whole() {
    let world = world(json!([{"key": "k", "valueFrom": {"field": "costCenter"}, "pattern": "^cost|4711$"}]));
    assert!(world.otter_with("/spec/costCenter", json!("cost")).is_ok());
    rejected(
        world.otter_with("/spec/costCenter", json!("cost 12")),
        Reason::TagValueNotAllowed,
        &[],
    );
}

#[test]
fn a_value_must_be_one_of_those_allowed() {
    let rules = json!([{"key": "class", "valueFrom": {"field": "costCenter"}, "allowedValues": ["public", "secret"]}]);
    rejected(
        world(rules).otter_with("/spec/costCenter", json!("internal")),
        Reason::TagValueNotAllowed,
        &[
            "spec.costCenter",
            "\"internal\"",
            "\"class\"",
            "one of public, secret",
        ],
    );
}

#[test]
fn a_value_must_be_one_that_aws_takes() {
    let rules = json!([{"key": "purpose", "valueFrom": {"field": "purpose"}}]);
    rejected(
        world(rules).otter_with("/spec/purpose", json!("Ferry (night)")),
        Reason::TagValueNotAllowed,
        &["spec.purpose", "\"Ferry (night)\"", "\"purpose\"", "letters"],
    );
    rejected(
        World::new().otter_with("/spec/tags", json!({"team:x": "semi;colon"})),
        Reason::TagValueNotAllowed,
        &["spec.tags[team:x]", "\"semi;colon\"", "0..256"],
    );
}

#[test]
fn own_keys_must_be_allowed() {
    let world = World::new();
    let account = world
        .otter_with(
            "/spec/tags",
            json!({"data-class": "public", "team:shift": "night"}),
        )
        .unwrap();
    assert_eq!(
        (tag(&account, "data-class"), tag(&account, "team:shift")),
        ("public".into(), "night".into())
    );
    for (key, pieces) in [
        ("color", ["spec.tags[color]", "only data-class, team:*"]),
        ("data-class2", ["spec.tags[data-class2]", "only data-class"]),
        ("owner", ["spec.tags[owner]", "from spec.owner.team"]),
        ("AWS:x", ["spec.tags[AWS:x]", "aws:"]),
        (
            "bulkhead.dev/claim",
            ["spec.tags[bulkhead.dev/claim]", "bulkhead.dev/"],
        ),
        ("semi;colon", ["spec.tags[semi;colon]", "1..128"]),
    ] {
        rejected(
            world.otter_with("/spec/tags", json!({ key: "x" })),
            Reason::TagKeyNotAllowed,
            &pieces,
        );
    }
}

#[test]
fn without_allowed_keys_only_those_the_baseline_reads_can_be_set() {
    let mut world = world(json!([{"key": "class", "valueFrom": {"tag": "data-class"}}]));
    world.baseline(
        "bare",
        with(
            with(river(), "/allowedTagKeys", json!(null)),
            "/mandatoryTags",
            json!(null),
        ),
    );
    assert!(
        world
            .otter_with("/spec/tags", json!({"data-class": "public"}))
            .is_ok()
    );
    world.default_baseline = Some("bare");
    rejected(
        world.otter_with("/spec/tags", json!({"data-class": "public"})),
        Reason::TagKeyNotAllowed,
        &["no keys"],
    );
}

#[test]
fn a_star_allows_every_key_but_the_reserved_ones() {
    let mut world = World::new();
    world.baseline("river", with(river(), "/allowedTagKeys", json!(["*"])));
    assert!(world.otter_with("/spec/tags", json!({"anything": "x"})).is_ok());
    rejected(
        world.otter_with("/spec/tags", json!({"bulkhead.dev/x": "x"})),
        Reason::TagKeyNotAllowed,
        &[],
    );
}

#[test]
fn fifty_tags_are_the_most_and_ours_count() {
    let world = World::new();
    let own = |count: usize| {
        json!(
            (0..count)
                .map(|i| (format!("team:{i}"), "x"))
                .collect::<std::collections::BTreeMap<_, _>>()
        )
    };
    // Claim, workload, environment, creation token, revision and the mandatory owner are six.
    assert_eq!(world.otter_with("/spec/tags", own(44)).unwrap().tags.len(), 48);
    rejected(
        world.otter_with("/spec/tags", own(45)),
        Reason::TooManyTags,
        &["spec.tags", "51 tags", "45 of them", "50"],
    );
}

#[test]
fn a_pattern_that_no_allowed_value_matches_is_refused() {
    let rule = |allowed: Value| json!([{"key": "class", "valueFrom": {"field": "purpose"}, "allowedValues": allowed, "pattern": "^x"}]);
    rejected(
        world(json!(rule(json!(["public", "secret"]))))
            .resolve()
            .baselines["river"]
            .clone(),
        Reason::InvalidSpec,
        &["spec.mandatoryTags[class].allowedValues: none of public, secret matches the pattern ^x"],
    );
    assert!(world(rule(json!(["xx"]))).resolve().baselines["river"].is_err());
    assert!(world(rule(json!(["public", "x"]))).resolve().baselines["river"].is_ok());
}
