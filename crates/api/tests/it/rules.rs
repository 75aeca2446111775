//! What may be created, and what is refused with which message.

use crate::server::{account, approval, baseline, refusals, schema, with};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(crate) fn accepted(kind: &str, base: &Value, cases: Vec<(&str, Value)>) {
    assert_eq!(refusals(kind, base, None), [""; 0]);
    for (pointer, value) in cases {
        let object = with(base.clone(), pointer, value.clone());
        assert_eq!(refusals(kind, &object, None), [""; 0], "{pointer} = {value}");
    }
}

/// Each case must be refused with exactly one message, which contains all the given pieces: field, rule, value.
pub(crate) fn refused(kind: &str, base: &Value, cases: Vec<(&str, Value, &[&str])>) {
    for (pointer, value, pieces) in cases {
        let object = with(base.clone(), pointer, value.clone());
        let found = refusals(kind, &object, None);
        assert_eq!(found.len(), 1, "{pointer} = {value}: {found:?}");
        for piece in pieces {
            assert!(
                found[0].contains(piece),
                "{pointer} = {value}: {} lacks {piece}",
                found[0]
            );
        }
    }
}

#[test]
fn a_rule_has_a_message_also_where_the_value_cannot_be_shown() {
    let schema = schema("AwsAccount");
    let rule = &schema["properties"]["spec"]["properties"]["purpose"]["x-kubernetes-validations"][0];
    assert_eq!(rule["message"], "spec.purpose must be one line that is not blank");
}

fn tags(count: usize) -> Value {
    json!(
        (0..count)
            .map(|i| (format!("key{i}"), "v".to_owned()))
            .collect::<BTreeMap<_, _>>()
    )
}

#[test]
fn an_account_may_say_all_this() {
    accepted(
        "AwsAccount",
        &account(),
        vec![
            ("/metadata/name", json!("x".repeat(50))),
            ("/spec/accountName", json!("Otter (dev) ~ 1/2")),
            ("/spec/accountName", json!("n".repeat(50))),
            ("/spec/email", json!("aws+otter.dev@mail.example.com")),
            ("/spec/email", json!("a@b.co")),
            ("/spec/workload", json!("w".repeat(63))),
            ("/spec/workload", json!("7")),
            ("/spec/purpose", json!("p".repeat(256))),
            ("/spec/purpose", json!("Überwachung der Fischotter, 24/7")),
            ("/spec/owner/team", json!("Team Fischötter")),
            ("/spec/costCenter", json!("4711")),
            ("/spec/baselineRef/name", json!("river.v2")),
            ("/spec/tags/data-class", json!("public")),
            ("/spec/tags/team:cost center", json!("")),
            ("/spec/tags", tags(50)),
            ("/spec/deletionPolicy", json!("Retain")),
            ("/spec/outputs/configMapName", json!("otter.dev-account")),
            ("/spec/suspend", json!(true)),
            ("/status/accountId", json!("123456789012")),
        ],
    );
}

#[test]
fn an_account_is_refused_with_field_rule_and_value() {
    let label = "lower-case letters, digits and -";
    refused(
        "AwsAccount",
        &account(),
        vec![
            (
                "/metadata/name",
                json!("x".repeat(51)),
                &["spec.accountName must be set", "more than 50"],
            ),
            (
                "/spec/accountName",
                json!("<otter>"),
                &["spec.accountName", "without < and >", "\"<otter>\""],
            ),
            (
                "/spec/accountName",
                json!("Fischötter"),
                &["spec.accountName", "printable ASCII", "\"Fischötter\""],
            ),
            (
                "/spec/accountName",
                json!("n".repeat(51)),
                &["spec.accountName", "length"],
            ),
            (
                "/spec/email",
                json!("two@@example.com"),
                &["spec.email", "one @", "\"two@@example.com\""],
            ),
            (
                "/spec/email",
                json!(".otter@example.com"),
                &["spec.email", "dot", "\".otter@example.com\""],
            ),
            (
                "/spec/email",
                json!("ot ter@example.com"),
                &["spec.email", "\"ot ter@example.com\""],
            ),
            (
                "/spec/email",
                json!("otter@localhost"),
                &["spec.email", "has a dot", "\"otter@localhost\""],
            ),
            ("/spec/email", json!("a@b.c"), &["spec.email", "length"]),
            (
                "/spec/email",
                json!(format!("{}@example.com", "x".repeat(53))),
                &["spec.email", "length"],
            ),
            (
                "/spec/workload",
                json!("Otter"),
                &["spec.workload", label, "\"Otter\""],
            ),
            (
                "/spec/workload",
                json!("-otter"),
                &["spec.workload", label, "\"-otter\""],
            ),
            (
                "/spec/workload",
                json!("w".repeat(64)),
                &["spec.workload", "length"],
            ),
            (
                "/spec/environment",
                json!("DEV"),
                &["spec.environment", label, "\"DEV\""],
            ),
            (
                "/spec/purpose",
                json!("  "),
                &["spec.purpose", "not blank", "\"  \""],
            ),
            (
                "/spec/purpose",
                json!("two\nlines"),
                &["spec.purpose", "one line"],
            ),
            (
                "/spec/purpose",
                json!("p".repeat(257)),
                &["spec.purpose", "length"],
            ),
            (
                "/spec/owner/team",
                json!("R&D"),
                &["spec.owner.team", "letters, digits", "\"R&D\""],
            ),
            (
                "/spec/owner/contact",
                json!("otter"),
                &["spec.owner.contact", "one @", "\"otter\""],
            ),
            (
                "/spec/owner/contact",
                json!(format!("{}@b", "x".repeat(253))),
                &["spec.owner.contact", "length"],
            ),
            (
                "/spec/owner/contact",
                json!(null),
                &["spec.owner", "required value \"contact\""],
            ),
            (
                "/spec/costCenter",
                json!("47;11"),
                &["spec.costCenter", "letters, digits", "\"47;11\""],
            ),
            (
                "/spec/baselineRef/name",
                json!("River"),
                &["spec.baselineRef.name", "object name", "\"River\""],
            ),
            (
                "/spec/tags/aws:team",
                json!("x"),
                &["spec.tags", "aws:", "\"aws:team\""],
            ),
            (
                "/spec/tags/AWS:team",
                json!("x"),
                &["spec.tags", "aws:", "\"AWS:team\""],
            ),
            (
                "/spec/tags/bulkhead.dev~1claim",
                json!("x"),
                &["spec.tags", "bulkhead.dev/", "\"bulkhead.dev/claim\""],
            ),
            (
                "/spec/tags/semi;colon",
                json!("x"),
                &["spec.tags", "letters, digits", "\"semi;colon\""],
            ),
            (
                "/spec/tags",
                json!({ "k".repeat(129): "x" }),
                &["spec.tags", "1 to 128", "kkk"],
            ),
            (
                "/spec/tags/data-class",
                json!("x;y"),
                &["spec.tags", "value", "\"x;y\"", "\"data-class\""],
            ),
            (
                "/spec/tags/data-class",
                json!("v".repeat(257)),
                &["spec.tags.data-class", "length"],
            ),
            ("/spec/tags", tags(51), &["spec.tags", "too many properties 51"]),
            (
                "/spec/deletionPolicy",
                json!("Close"),
                &["spec.deletionPolicy", "unsupported value \"Close\""],
            ),
            (
                "/spec/outputs/configMapName",
                json!("a_b"),
                &["spec.outputs.configMapName", "object name", "\"a_b\""],
            ),
            (
                "/spec/accountId",
                json!("123456789012"),
                &["spec.accountId", "unknown field"],
            ),
        ],
    );
    let long = with(account(), "/metadata/name", json!("x".repeat(64)));
    let found = refusals(
        "AwsAccount",
        &with(long, "/spec/accountName", json!("short")),
        None,
    );
    assert_eq!(found, [": metadata.name must have at most 63 characters"]);
    for field in ["workload", "environment", "purpose", "owner"] {
        let found = refusals(
            "AwsAccount",
            &with(account(), &format!("/spec/{field}"), json!(null)),
            None,
        );
        assert!(
            found
                .iter()
                .any(|f| f.contains(&format!("required value \"{field}\""))),
            "{field}: {found:?}"
        );
    }
}

#[test]
fn a_baseline_may_say_all_this() {
    let gates = json!([{"conditionType": "network.example.com/VpcReady"}]);
    accepted(
        "Baseline",
        &baseline(),
        vec![
            ("/metadata/name", json!("b".repeat(52))),
            ("/spec/namespaceSelector/matchLabels/tier", json!("production")),
            (
                "/spec/namespaceSelector/matchExpressions",
                json!([{"key": "team", "operator": "Exists"}]),
            ),
            (
                "/spec/namespaceSelector/matchExpressions",
                json!([{"key": "team", "operator": "NotIn", "values": ["otter", "heron"]}]),
            ),
            (
                "/spec/emailTemplate",
                json!("{environment}-{workload}+{namespace}-{name}@aws.example.com"),
            ),
            ("/spec/emailTemplate", json!("{name}@{namespace}.example.com")),
            ("/spec/allowExplicitEmail", json!(true)),
            ("/spec/allowedTagKeys", json!(["data-class", "team:*", "*"])),
            ("/spec/environments/0/organizationalUnit", json!("a/b/c/d/e")),
            (
                "/spec/environments/0/organizationalUnit",
                json!("Product Lines/Otter & Heron"),
            ),
            ("/spec/environments/0/namespaceSelector", json!({})),
            (
                "/spec/environments/0/accessRoleName",
                json!("bulkhead+access=1,2.3@x-y_z"),
            ),
            ("/spec/environments/0/readinessGates", gates),
            ("/spec/mandatoryTags", json!(null)),
            ("/spec/mandatoryTags/0/pattern", json!("^[0-9]{4}$")),
            (
                "/spec/mandatoryTags/0/allowedValues",
                json!(["public", "internal", ""]),
            ),
            ("/spec/mandatoryTags/0/valueFrom", json!({"tag": "data-class"})),
        ],
    );
}

#[test]
fn a_baseline_is_refused_with_field_rule_and_value() {
    let expression =
        |operator: &str, values: Value| json!([{"key": "team", "operator": operator, "values": values}]);
    let many: Vec<Value> = (0..41)
        .map(|i| json!({"key": format!("k{i}"), "valueFrom": {"field": "name"}}))
        .collect();
    refused(
        "Baseline",
        &baseline(),
        vec![
            (
                "/metadata/name",
                json!("b".repeat(53)),
                &["metadata.name must have at most 52 characters"],
            ),
            (
                "/spec/namespaceSelector",
                json!(null),
                &["spec", "required value \"namespaceSelector\""],
            ),
            (
                "/spec/namespaceSelector/matchExpressions",
                expression("In", json!([])),
                &["namespaceSelector", "In and NotIn need values"],
            ),
            (
                "/spec/namespaceSelector/matchExpressions",
                expression("Exists", json!(["x"])),
                &["namespaceSelector", "Exists"],
            ),
            (
                "/spec/emailTemplate",
                json!("{namespace}@example.com"),
                &[
                    "spec.emailTemplate",
                    "both {namespace} and {name}",
                    "\"{namespace}@example.com\"",
                ],
            ),
            (
                "/spec/emailTemplate",
                json!("{name}@example.com"),
                &["spec.emailTemplate", "both {namespace} and {name}"],
            ),
            (
                "/spec/emailTemplate",
                json!("{namespace}.{name}.{uid}@example.com"),
                &["spec.emailTemplate", "placeholders", "{uid}"],
            ),
            (
                "/spec/emailTemplate",
                json!("{namespace}.{name}}@example.com"),
                &["spec.emailTemplate", "no other braces"],
            ),
            (
                "/spec/emailTemplate",
                json!("{namespace}.{name}"),
                &["spec.emailTemplate", "one @", "\"{namespace}.{name}\""],
            ),
            (
                "/spec/emailTemplate",
                json!("aws+{namespace} {name}@example.com"),
                &["spec.emailTemplate", "an address"],
            ),
            (
                "/spec/allowedTagKeys",
                json!(["a*b"]),
                &["spec.allowedTagKeys", "followed by *", "\"a*b\""],
            ),
            (
                "/spec/allowedTagKeys",
                json!(["aws:*"]),
                &["spec.allowedTagKeys", "aws:", "\"aws:*\""],
            ),
            (
                "/spec/allowedTagKeys",
                json!(["bulkhead.dev/claim"]),
                &["spec.allowedTagKeys", "bulkhead.dev/claim"],
            ),
            (
                "/spec/environments",
                json!([]),
                &["spec.environments", "number of items 0"],
            ),
            (
                "/spec/environments",
                json!([{"name": "dev", "organizationalUnit": "A"}, {"name": "dev", "organizationalUnit": "B"}]),
                &["spec.environments", "duplicate"],
            ),
            (
                "/spec/environments/0/name",
                json!("Dev"),
                &["spec.environments", "name", "\"Dev\""],
            ),
            (
                "/spec/environments/0/organizationalUnit",
                json!("a/b/c/d/e/f"),
                &["organizationalUnit", "at most 5 names", "\"a/b/c/d/e/f\""],
            ),
            (
                "/spec/environments/0/organizationalUnit",
                json!("a//b"),
                &["organizationalUnit", "1 to 128", "\"a//b\""],
            ),
            (
                "/spec/environments/0/organizationalUnit",
                json!("/a"),
                &["organizationalUnit", "1 to 128", "\"/a\""],
            ),
            (
                "/spec/environments/0/organizationalUnit",
                json!("a/ b"),
                &["organizationalUnit", "without spaces around", "\"a/ b\""],
            ),
            (
                "/spec/environments/0/organizationalUnit",
                json!("u".repeat(129)),
                &["organizationalUnit", "1 to 128"],
            ),
            (
                "/spec/environments/0/accessRoleName",
                json!("AWSServiceRoleForX"),
                &["accessRoleName", "AWSServiceRoleFor", "\"AWSServiceRoleForX\""],
            ),
            (
                "/spec/environments/0/accessRoleName",
                json!("a b"),
                &["accessRoleName", "letters, digits", "\"a b\""],
            ),
            (
                "/spec/environments/0/readinessGates",
                json!([{"conditionType": "Ready"}]),
                &["conditionType", "domain", "\"Ready\""],
            ),
            (
                "/spec/environments/0/readinessGates",
                json!([{"conditionType": "bulkhead.dev/X"}]),
                &["conditionType", "domain"],
            ),
            (
                "/spec/mandatoryTags",
                json!(many),
                &["spec.mandatoryTags", "number of items 41"],
            ),
            (
                "/spec/mandatoryTags/0/key",
                json!("aws:owner"),
                &["spec.mandatoryTags", "aws:", "\"aws:owner\""],
            ),
            (
                "/spec/mandatoryTags/0/key",
                json!("bulkhead.dev/x"),
                &["spec.mandatoryTags", "bulkhead.dev/"],
            ),
            (
                "/spec/mandatoryTags/0/key",
                json!("own;er"),
                &["spec.mandatoryTags", "letters", "\"own;er\""],
            ),
            (
                "/spec/mandatoryTags/0/valueFrom",
                json!({}),
                &["valueFrom", "exactly one", "neither"],
            ),
            (
                "/spec/mandatoryTags/0/valueFrom",
                json!({"field": "name", "tag": "x"}),
                &["valueFrom", "exactly one", "both"],
            ),
            (
                "/spec/mandatoryTags/0/valueFrom",
                json!({"tag": "aws:x"}),
                &["valueFrom", "aws:", "\"aws:x\""],
            ),
            (
                "/spec/mandatoryTags/0/valueFrom",
                json!({"field": "color"}),
                &["valueFrom.field", "unsupported value \"color\""],
            ),
            (
                "/spec/mandatoryTags/0/pattern",
                json!("[0-9]+"),
                &["pattern", "from ^ to $", "\"[0-9]+\""],
            ),
            (
                "/spec/mandatoryTags/0/pattern",
                json!(format!("^{}$", "a".repeat(255))),
                &["pattern", "length"],
            ),
            (
                "/spec/mandatoryTags/0/allowedValues",
                json!(["a;b"]),
                &["allowedValues", "letters", "\"a;b\""],
            ),
        ],
    );
}

#[test]
fn an_organization_has_no_spec() {
    let object = json!({
        "apiVersion": "bulkhead.dev/v1alpha1", "kind": "Organization", "metadata": {"name": "acme"},
        "status": {"organizationId": "o-exampleorgid", "installation": "acme"},
    });
    assert_eq!(refusals("Organization", &object, None), [""; 0]);
    let parsed: api::Organization = serde_json::from_value(object.clone()).unwrap();
    assert_eq!(serde_json::to_value(&parsed).unwrap(), object);
    refused(
        "Organization",
        &object,
        vec![
            ("/spec/region", json!("eu-west-1"), &["spec", "unknown field"]),
            (
                "/metadata/name",
                json!("x".repeat(33)),
                &["metadata.name must have at most 32 characters"],
            ),
        ],
    );
}

#[test]
fn the_server_and_the_parsers_agree() {
    let agree = |pointer: &str, text: &str, parses: bool| {
        let found = refusals("AwsAccount", &with(account(), pointer, json!(text)), None);
        assert_eq!(found.is_empty(), parses, "{pointer} = {text:?}: {found:?}");
    };
    let marks = || (' '..='~').filter(|c| !c.is_ascii_alphanumeric() || "aZ7".contains(*c));
    let mut texts: Vec<String> = marks()
        .flat_map(|c| [format!("ab{c}cd@example.com"), format!("abcd@ex{c}ample.com")])
        .collect();
    texts.extend(marks().flat_map(|c| {
        [
            format!("{c}ab@example.com"),
            format!("ab@{c}x.org"),
            format!("ab@x.org{c}"),
        ]
    }));
    texts.extend(
        [
            "",
            "@",
            "a@b",
            "ab@.org",
            "ab@x.",
            "ab@x..org",
            "é@example.com",
            "ab@exämple.com",
        ]
        .map(str::to_owned),
    );
    for text in &texts {
        agree("/spec/email", text, model::Email::parse(text).is_ok());
        agree("/spec/accountName", text, model::AccountName::parse(text).is_ok());
        agree("/spec/tags/some-key", text, model::TagValue::parse(text).is_ok());
        let unit = with(baseline(), "/spec/environments/0/organizationalUnit", json!(text));
        assert_eq!(
            refusals("Baseline", &unit, None).is_empty(),
            model::OuPath::parse(text).is_ok(),
            "unit {text:?}"
        );
        let role = with(baseline(), "/spec/environments/0/accessRoleName", json!(text));
        assert_eq!(
            refusals("Baseline", &role, None).is_empty(),
            model::RoleName::parse(text).is_ok(),
            "role {text:?}"
        );
    }
}

#[test]
fn an_approval_may_say_all_this() {
    let about = |kind: &str| json!({"kind": kind, "name": "river"});
    accepted(
        "Approval",
        &approval(),
        vec![
            ("/spec/decision", json!("Reject")),
            ("/spec/action", json!("TagChange")),
            ("/spec/approver", json!("system:serviceaccount:ci:deployer")),
            ("/spec/group", json!("cloud-platform")),
            ("/spec/requestedBy", json!("bob@example.com")),
            ("/spec/comment", json!("c".repeat(1024))),
            ("/spec/comment", json!("two\nlines")),
            ("/spec/expiresAt", json!("2027-01-31T00:00:00Z")),
            ("/spec/subject/name", json!("otter.v2")),
        ],
    );
    for (action, kind) in [
        ("Promotion", "EnvironmentPromotion"),
        ("Closure", "AccountClosure"),
        ("MassChange", "Organization"),
    ] {
        let object = with(approval(), "/spec/subject", about(kind));
        assert_eq!(
            refusals("Approval", &with(object, "/spec/action", json!(action)), None),
            [""; 0]
        );
    }
}

#[test]
fn an_approval_is_refused_with_field_rule_and_value() {
    refused(
        "Approval",
        &approval(),
        vec![
            (
                "/spec/action",
                json!("Promotion"),
                &[
                    "spec.subject.kind must fit spec.action",
                    "got Promotion about AwsAccount",
                ],
            ),
            (
                "/spec/action",
                json!("Anything"),
                &["spec.action", "unsupported value \"Anything\""],
            ),
            (
                "/spec/subject/namespace",
                json!(null),
                &[
                    "spec.subject.namespace must be set for an AwsAccount",
                    "got none for AwsAccount",
                ],
            ),
            (
                "/spec/subject/namespace",
                json!("Team"),
                &["spec.subject.namespace", "lower-case letters", "\"Team\""],
            ),
            (
                "/spec/subject/kind",
                json!("Pod"),
                &["spec.subject.kind", "unsupported value \"Pod\""],
            ),
            (
                "/spec/subject/name",
                json!("a_b"),
                &["spec.subject.name", "object name", "\"a_b\""],
            ),
            (
                "/spec/digest",
                json!(format!("sha256:{}", "X".repeat(64))),
                &["spec.digest", "64 lower-case hexadecimal digits", "XXXX"],
            ),
            ("/spec/digest", json!("sha256:0123"), &["spec.digest", "length"]),
            (
                "/spec/decision",
                json!("Maybe"),
                &["spec.decision", "unsupported value \"Maybe\""],
            ),
            ("/spec/approver", json!(""), &["spec.approver", "length"]),
            ("/spec/approver", json!(null), &["required value \"approver\""]),
            (
                "/spec/comment",
                json!("c".repeat(1025)),
                &["spec.comment", "length"],
            ),
            ("/status", json!({}), &["status", "unknown field"]),
        ],
    );
    let elsewhere = with(
        with(approval(), "/spec/action", json!("MassChange")),
        "/spec/subject/kind",
        json!("Organization"),
    );
    let found = refusals("Approval", &elsewhere, None);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].ends_with("got \"team-otter\" for Organization"),
        "{found:?}"
    );
}
