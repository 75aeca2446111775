//! Requests, drawn from few words so that they often meet what policies say.

use proptest::{prelude::*, sample::select};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The account service control policies do not bind.
pub(crate) const MANAGEMENT: &str = "999988887777";

pub(crate) const ACTIONS: &[&str] = &[
    "s3:GetObject",
    "S3:getobject",
    "s3:PutObject",
    "ec2:RunInstances",
    "ec2:StopInstances",
    "iam:GetRole",
    "iam:CreateRole",
];

const PRINCIPALS: &[&str] = &[
    "arn:aws:iam::111122223333:role/app",
    "arn:aws:iam::111122223333:role/team/app",
    "arn:aws:sts::111122223333:assumed-role/app/session",
    "arn:aws:sts::111122223333:assumed-role/blue/session",
    "arn:aws:iam::111122223333:user/ann",
    "arn:aws:iam::111122223333:user/team/blue",
    "arn:aws:iam::444455556666:root",
    "arn:aws:sts::444455556666:federated-user/ann",
];

/// Whom policies do not bind, or not always.
const UNUSUAL: &[&str] = &[
    "arn:aws:iam::999988887777:user/ann",
    "arn:aws:sts::999988887777:assumed-role/app/session",
    "arn:aws:iam::111122223333:role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX",
    "arn:aws:sts::111122223333:assumed-role/AWSServiceRoleForX/session",
    "arn:aws:iam::111122223333:role/team/AWSServiceRoleForX",
];

/// A family of condition keys: which operators are made for them, and words for both sides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Family {
    pub(crate) operators: &'static [&'static str],
    pub(crate) keys: &'static [&'static str],
    /// What a policy has.
    pub(crate) written: &'static [&'static str],
    /// What a request has.
    pub(crate) given: &'static [&'static str],
}

pub(crate) const FAMILIES: &[Family] = &[
    Family {
        operators: &[
            "StringEquals",
            "StringNotEquals",
            "StringEqualsIgnoreCase",
            "StringNotEqualsIgnoreCase",
            "StringLike",
            "StringNotLike",
        ],
        keys: &[
            "aws:PrincipalTag/team",
            "aws:RequestTag/team",
            "aws:TagKeys",
            "aws:username",
            "aws:RequestedRegion",
            "aws:PrincipalAccount",
            "aws:PrincipalType",
            "aws:PrincipalIsAWSService",
        ],
        written: &[
            "blue",
            "BLUE",
            "red",
            "",
            "*",
            "b*",
            "?lue",
            "*e*",
            "${aws:PrincipalTag/team}",
            "${AWS:UserName}",
            "x${aws:username}?",
            "${aws:TagKeys}",
            "${aws:TagKeys, 'blue'}",
            "${aws:RequestTag/team, 'blue'}",
            "${aws:RequestTag/team,'b*'}",
            "${*}",
            "b${?}",
            "${$}{x}",
            "${blue",
            "ΑΣ",
            "eu-west-1",
            "us-*",
            "111122223333",
            "AssumedRole",
            "Account",
            "false",
        ],
        given: &[
            "blue",
            "BLUE",
            "red",
            "",
            "b*",
            "*",
            "b?",
            "${x}",
            "${blue",
            "${aws:PrincipalTag/team}",
            "ΑΣ",
            "ας",
            "xblue!",
        ],
    },
    Family {
        operators: &[
            "NumericEquals",
            "NumericNotEquals",
            "NumericLessThan",
            "NumericLessThanEquals",
            "NumericGreaterThan",
            "NumericGreaterThanEquals",
        ],
        keys: &["s3:max-keys"],
        written: &["1", "1.0", "1e1", "10", "-1", "nan", "inf", "", "${aws:username}"],
        given: &["1", "1.00", "0.5", "10", "11", "-1", "nan", "inf", "one"],
    },
    Family {
        operators: &[
            "DateEquals",
            "DateNotEquals",
            "DateLessThan",
            "DateLessThanEquals",
            "DateGreaterThan",
            "DateGreaterThanEquals",
        ],
        keys: &["aws:CurrentTime"],
        written: &[
            "2026",
            "2026-01",
            "2026-01-01",
            "2026-01-01T00:00Z",
            "2026-01-01T00:00:00Z",
            "2026-01-01T01:00:00+01:00",
            "2026-01-01T00:00:00",
            "2026-01-01 00:00:00Z",
            "1767225600",
            "2026-13",
            "tomorrow",
        ],
        given: &[
            "2026-01-01T00:00:00Z",
            "2026-01-01T00:00:00.5Z",
            "2025-12-31T23:59:59Z",
            "1767225600",
            "1767225601",
            "2027",
            "1999",
            "2026-01-01T00:00:00",
            "today",
        ],
    },
    Family {
        operators: &["Bool"],
        keys: &["aws:SecureTransport", "aws:PrincipalIsAWSService"],
        written: &["true", "True", "false", "yes"],
        given: &["true", "TRUE", "false", "yes", ""],
    },
    Family {
        operators: &["BinaryEquals"],
        keys: &["k:bytes"],
        written: &["QQ==", "QQ", "qq==", "QUI="],
        given: &["QQ==", "qq==", "QUI", "QUI="],
    },
    Family {
        operators: &["IpAddress", "NotIpAddress"],
        keys: &["aws:SourceIp"],
        written: &[
            "203.0.113.0/24",
            "203.0.113.7",
            "203.0.113.7/33",
            "0.0.0.0/0",
            "2001:db8::/32",
            "::/0",
            "203.0.113.130/25",
            "here",
        ],
        given: &[
            "203.0.113.7",
            "203.0.113.200",
            "203.0.114.7",
            "2001:db8:1::1",
            "2001:db9::1",
            "there",
        ],
    },
    Family {
        operators: &["ArnEquals", "ArnNotEquals", "ArnLike", "ArnNotLike"],
        keys: &["aws:PrincipalArn", "aws:SourceArn"],
        written: &[
            "*",
            "arn:aws:iam::*:role/app",
            "arn:*:iam::*:role/*",
            "arn:aws:*:*:111122223333:*",
            "arn:aws:iam::11112222333?:user/${aws:username}",
            "arn:aws:iam::${aws:PrincipalAccount}:*",
            "arn:aws:iam::*",
            "arn:aws:*:role/app",
            "${aws:SourceArn}",
            "*:*:*:*:*:*",
            "somebody",
        ],
        given: &[
            "arn:aws:iam::111122223333:role/app",
            "arn:aws:iam::444455556666:user/a:b",
            "arn:aws:s3:::blue",
            "arn:aws:s3",
            "somebody",
            "",
        ],
    },
];

/// Parts of ARNs, so that patterns can be made from the same ones.
pub(crate) const SERVICES: &[&str] = &["s3", "ec2", "iam", "sts"];
pub(crate) const REGIONS: &[&str] = &["", "eu-west-1", "us-east-1", "us-east-2"];
pub(crate) const ACCOUNTS: &[&str] = &["", "111122223333", "444455556666"];
pub(crate) const NAMES: &[&str] = &[
    "a",
    "a/b",
    "a/b/c",
    "blue",
    "blue/key",
    "ann/key",
    "group:a",
    "group:a:b",
    "*",
    "a*",
];

fn resource() -> impl Strategy<Value = String> {
    let parts = (select(SERVICES), select(REGIONS), select(ACCOUNTS), select(NAMES));
    let arn = parts
        .prop_map(|(service, region, account, name)| format!("arn:aws:{service}:{region}:{account}:{name}"));
    let dense = "[ab:]{0,4}".prop_map(|name| format!("arn:aws:s3:::{name}"));
    let ragged = "arn:aws:s[3:]{1,2}:[a1:]{0,3}:[a1:]{0,3}:[ab:]{0,3}";
    let colons = "arn:aws:[a:]{3,9}";
    prop_oneof![2 => Just("*".to_owned()), 6 => arn, 2 => dense, 2 => ragged, 2 => colons]
}

/// The same name in upper and lower case, to which AWS pays no heed in keys.
pub(crate) fn spelled(name: &str, spelling: u8) -> String {
    match spelling % 4 {
        0 => name.to_uppercase(),
        1 => name.to_lowercase(),
        _ => name.to_owned(),
    }
}

/// Some keys with none to three values each. Values that belong to another family come too, but seldom.
fn context() -> impl Strategy<Value = Value> {
    let key = select(FAMILIES).prop_flat_map(|family| {
        let own = prop_oneof![9 => Just(family), 1 => select(FAMILIES)];
        let value = own.prop_flat_map(|family| select(family.given));
        let values = prop_oneof![
            3 => prop::collection::vec(value.clone(), 1),
            1 => prop::collection::vec(value, 0..4),
        ];
        let several = prop::collection::vec(select(family.given), 0..4);
        let many = several.prop_map(|values| ("aws:TagKeys", values));
        let key = prop_oneof![4 => (select(family.keys), values), 1 => many];
        (key, any::<u8>())
    });
    prop::collection::vec(key, 0..6).prop_map(|keys| {
        let mut seen = BTreeSet::new();
        let mut context = Map::new();
        for ((key, values), spelling) in keys {
            if seen.insert(key) {
                context.insert(spelled(key, spelling), json!(values));
            }
        }
        Value::Object(context)
    })
}

fn principal() -> impl Strategy<Value = &'static str> {
    prop_oneof![12 => select(PRINCIPALS), 1 => select(UNUSUAL)]
}

/// What the context may say of the role behind a session.
fn told() -> impl Strategy<Value = Option<&'static str>> {
    prop_oneof![9 => Just(None), 1 => select(UNUSUAL).prop_map(Some)]
}

/// A request, with whatever may be left out left out now and then.
pub(crate) fn request() -> impl Strategy<Value = Value> {
    let tag = proptest::option::of(select(&["blue", "red", "b*", ""][..]));
    let region = proptest::option::of(select(&REGIONS[1..]));
    let what = (select(ACTIONS), resource());
    let who = (principal(), told(), tag, any::<u8>());
    (who, what, region, context()).prop_map(
        |((principal, told, tag, spelling), (action, resource), region, context)| {
            let mut request =
                json!({"principal": principal, "action": action, "resource": resource, "context": context});
            if let Some(tag) = tag {
                request["principalTags"] = json!({spelled("team", spelling): tag});
            }
            if let Some(region) = region {
                request["region"] = region.into();
            }
            let known = context.as_object().unwrap();
            if let Some(arn) = told
                && !known
                    .keys()
                    .any(|key| key.eq_ignore_ascii_case("aws:PrincipalArn"))
            {
                request["context"]["aws:principalArn"] = json!([arn]);
            }
            request
        },
    )
}
