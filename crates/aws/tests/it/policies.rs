//! Policies on the wire: what is sent, what is read of the answers, what each refusal becomes.

use crate::fake::{Answer, Requests, exception, ok, service, status};
use aws::Aws;
use executor::{AwsError, ErrorClass, Fence, Organizations, PolicyApi, PolicySummary};
use model::{
    AccountId, DesiredPolicy, PolicyContent, PolicyId, PolicyTarget, PolicyType, PolicyTypeState, RootId,
    TagKey, TagValue, Tags, tag_keys,
};
use serde_json::{Value, json};
use std::time::Duration;

pub(crate) const DENY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iam:*","Resource":"*"}]}"#;
const POLICY: &str = "p-a1b2c3d4";
const ACCOUNT: &str = "123456789012";

pub(crate) fn scp() -> PolicyType {
    PolicyType::service_control()
}

pub(crate) fn kind(name: &str) -> PolicyType {
    PolicyType::parse(name).unwrap()
}

pub(crate) fn id(id: &str) -> PolicyId {
    PolicyId::parse(id).unwrap()
}

fn account() -> AccountId {
    AccountId::parse(ACCOUNT).unwrap()
}

fn root_id() -> RootId {
    RootId::parse("r-a1b2").unwrap()
}

pub(crate) fn content(text: &str) -> PolicyContent {
    PolicyContent::parse(text).unwrap()
}

pub(crate) fn desired(name: &str) -> DesiredPolicy {
    DesiredPolicy {
        name: name.to_owned(),
        policy_type: scp(),
        content: content(DENY),
        parts: vec!["denyIam".to_owned()],
    }
}

pub(crate) fn managed() -> Tags {
    [(
        TagKey::parse(tag_keys::MANAGED).unwrap(),
        TagValue::parse("acme").unwrap(),
    )]
    .into()
}

pub(crate) fn class<T: std::fmt::Debug>(result: Result<T, AwsError>) -> ErrorClass {
    result.unwrap_err().class
}

/// Every call that changes policies; what it answers does not matter.
async fn change(aws: &Aws, operation: &str) -> Result<(), AwsError> {
    let policy = id(POLICY);
    match operation {
        "EnablePolicyType" => aws.enable_policy_type(&root_id(), &scp()).await,
        "CreatePolicy" => aws
            .create_policy(&desired("bulkhead-acme-prod-0123456789"), "d", &managed())
            .await
            .map(drop),
        "UpdatePolicy" => aws.update_policy(&policy, &content(DENY)).await,
        "DeletePolicy" => aws.delete_policy(&policy).await,
        "AttachPolicy" => aws.attach_policy(&policy, &account()).await,
        "DetachPolicy" => aws.detach_policy(&policy, &account()).await,
        other => panic!("{other}"),
    }
}

const CHANGES: [&str; 6] = [
    "EnablePolicyType",
    "CreatePolicy",
    "UpdatePolicy",
    "DeletePolicy",
    "AttachPolicy",
    "DetachPolicy",
];

fn summary(fields: Value) -> Value {
    let mut summary = json!({
        "Id": POLICY,
        "Arn": "arn:aws:organizations::111111111111:policy/o-aa111bb222/service_control_policy/p-a1b2c3d4",
        "Name": "no-leave",
        "Description": "",
        "Type": "SERVICE_CONTROL_POLICY",
        "AwsManaged": false,
    });
    for (key, value) in fields.as_object().unwrap() {
        summary[key] = value.clone();
    }
    summary
}

fn sent(requests: &Requests) -> Vec<(String, Value)> {
    let seen = requests.all().into_iter();
    seen.map(|request| (request.operation.clone(), request.json()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_sent() {
    let (aws, requests) = service(|operation| match operation {
        "CreatePolicy" | "DescribePolicy" => {
            ok(json!({ "Policy": { "PolicySummary": summary(json!({})), "Content": DENY } }))
        }
        _ => ok("{}"),
    });
    for operation in CHANGES {
        change(&aws, operation).await.unwrap();
    }
    aws.list_policies(&kind("NEXT_YEARS_POLICY"), Some("t"))
        .await
        .unwrap();
    assert_eq!(aws.describe_policy(&id(POLICY)).await.unwrap(), content(DENY));
    aws.list_targets_for_policy(&id(POLICY), None).await.unwrap();
    aws.list_policies_for_target(&account(), &scp(), None)
        .await
        .unwrap();
    let scp = "SERVICE_CONTROL_POLICY";
    let attachment = json!({ "PolicyId": POLICY, "TargetId": ACCOUNT });
    let expected = [
        (
            "EnablePolicyType",
            json!({ "RootId": "r-a1b2", "PolicyType": scp }),
        ),
        (
            "CreatePolicy",
            json!({
                "Name": "bulkhead-acme-prod-0123456789",
                "Description": "d",
                "Type": scp,
                "Content": DENY,
                "Tags": [{ "Key": "bulkhead.dev/managed", "Value": "acme" }],
            }),
        ),
        ("UpdatePolicy", json!({ "PolicyId": POLICY, "Content": DENY })),
        ("DeletePolicy", json!({ "PolicyId": POLICY })),
        ("AttachPolicy", attachment.clone()),
        ("DetachPolicy", attachment),
        (
            "ListPolicies",
            json!({ "Filter": "NEXT_YEARS_POLICY", "MaxResults": 20, "NextToken": "t" }),
        ),
        ("DescribePolicy", json!({ "PolicyId": POLICY })),
        (
            "ListTargetsForPolicy",
            json!({ "PolicyId": POLICY, "MaxResults": 20 }),
        ),
        (
            "ListPoliciesForTarget",
            json!({ "TargetId": ACCOUNT, "Filter": scp, "MaxResults": 20 }),
        ),
    ];
    let expected = expected.map(|(operation, body)| (operation.to_owned(), body));
    assert_eq!(sent(&requests), expected);
}

/// AWS adds types of policies; a state of a type that is not known forbids to use it, and nothing else.
#[tokio::test(start_paused = true)]
async fn policy_types_and_their_states() {
    let (aws, _) = service(|_| {
        ok(json!({ "Roots": [{ "Id": "r-a1b2", "PolicyTypes": [
            { "Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED" },
            { "Type": "NEXT_YEARS_POLICY", "Status": "PENDING_ENABLE" },
            { "Type": "TAG_POLICY", "Status": "PENDING_DISABLE" },
            { "Type": "BACKUP_POLICY", "Status": "DISABLED" },
            { "Type": "S3_POLICY", "Status": "FROZEN" },
            { "Type": "CHATBOT_POLICY" },
        ] }] }))
    });
    let root = aws.list_roots(None).await.unwrap().items.pop().unwrap();
    assert_eq!(root.id, root_id());
    let types = [
        (scp(), PolicyTypeState::Enabled),
        (kind("NEXT_YEARS_POLICY"), PolicyTypeState::PendingEnable),
        (kind("TAG_POLICY"), PolicyTypeState::PendingDisable),
    ];
    assert_eq!(root.policy_types, types.into());
    for bad in [
        json!({ "Id": "r-a1b2", "PolicyTypes": [{ "Status": "ENABLED" }] }),
        json!({ "Id": "r-a1b2", "PolicyTypes": [{ "Type": "what?", "Status": "ENABLED" }] }),
        json!({ "Id": "x" }),
    ] {
        let (aws, _) = service(move |_| ok(json!({ "Roots": [bad] })));
        assert_eq!(class(aws.list_roots(None).await), malformed());
    }
}

fn malformed() -> ErrorClass {
    ErrorClass::Unclassified("MalformedAnswer".to_owned())
}

#[tokio::test(start_paused = true)]
async fn policies_and_targets_as_they_are_listed() {
    let (aws, _) = service(|operation| match operation {
        "ListTargetsForPolicy" => ok(json!({ "NextToken": "t", "Targets": [
            { "TargetId": "r-a1b2", "Type": "ROOT" },
            { "TargetId": "ou-a1b2-11111111", "Type": "ORGANIZATIONAL_UNIT" },
            { "TargetId": ACCOUNT, "Type": "ACCOUNT", "Name": "a" },
        ] })),
        _ => ok(json!({ "NextToken": "t", "Policies": [
            summary(json!({})),
            summary(json!({ "Id": "p-FullAWSAccess", "Name": "FullAWSAccess", "AwsManaged": true })),
            summary(json!({ "Id": "p-12345678", "Type": "NEXT_YEARS_POLICY", "AwsManaged": null })),
        ] })),
    });
    let listed = |of: &str, name: &str, policy_type: PolicyType, aws_managed| PolicySummary {
        id: id(of),
        name: name.to_owned(),
        policy_type,
        aws_managed,
    };
    let page = aws.list_policies(&scp(), None).await.unwrap();
    assert_eq!(
        page.items,
        [
            listed(POLICY, "no-leave", scp(), false),
            listed("p-FullAWSAccess", "FullAWSAccess", scp(), true),
            listed("p-12345678", "no-leave", kind("NEXT_YEARS_POLICY"), false),
        ]
    );
    assert_eq!(page.next.as_deref(), Some("t"));
    let page = aws
        .list_policies_for_target(&account(), &scp(), None)
        .await
        .unwrap();
    let named = page.items[1].clone();
    assert_eq!(named, (id("p-FullAWSAccess"), "FullAWSAccess".to_owned()));
    let page = aws.list_targets_for_policy(&id(POLICY), None).await.unwrap();
    let targets = ["r-a1b2", "ou-a1b2-11111111", ACCOUNT];
    assert_eq!(page.items, targets.map(|id| PolicyTarget::parse(id).unwrap()));
    assert_eq!(page.next.as_deref(), Some("t"));
}

/// What does not parse is never skipped: a policy that a listing silently lost might be made again.
#[tokio::test(start_paused = true)]
async fn a_policy_without_what_identifies_it_is_malformed() {
    for fields in [
        json!({ "Id": "x" }),
        json!({ "Id": null }),
        json!({ "Name": null }),
        json!({ "Type": null }),
        json!({ "Type": "a type" }),
    ] {
        let bad = summary(fields.clone());
        let (aws, _) = service(move |operation| match operation {
            "CreatePolicy" => ok(json!({ "Policy": { "PolicySummary": bad, "Content": DENY } })),
            _ => ok(json!({ "Policies": [bad] })),
        });
        assert_eq!(
            class(aws.list_policies(&scp(), None).await),
            malformed(),
            "{fields}"
        );
        // It may have been made, so its class says that nothing is known.
        let class = class(change(&aws, "CreatePolicy").await);
        assert!(class == malformed() && class.effect_unknown(), "{fields}");
    }
    for policy in [
        json!({}),
        json!({ "PolicySummary": summary(json!({})) }),
        json!({ "PolicySummary": summary(json!({})), "Content": "" }),
    ] {
        let (aws, _) = service(move |_| ok(json!({ "Policy": policy })));
        assert_eq!(class(aws.describe_policy(&id(POLICY)).await), malformed());
        assert_eq!(class(change(&aws, "CreatePolicy").await), malformed());
    }
    let (aws, _) = service(|_| ok(json!({ "Targets": [{ "TargetId": "h-12345678" }] })));
    let listed = aws.list_targets_for_policy(&id(POLICY), None).await;
    assert_eq!(class(listed), malformed());
}

#[tokio::test(start_paused = true)]
async fn each_refusal_has_its_class() {
    for (operation, name, expected) in [
        (
            "CreatePolicy",
            "DuplicatePolicyException",
            ErrorClass::DuplicatePolicy,
        ),
        (
            "CreatePolicy",
            "MalformedPolicyDocumentException",
            ErrorClass::MalformedPolicyDocument,
        ),
        (
            "CreatePolicy",
            "PolicyTypeNotAvailableForOrganizationException",
            ErrorClass::PolicyTypeNotAvailable,
        ),
        (
            "EnablePolicyType",
            "PolicyTypeAlreadyEnabledException",
            ErrorClass::PolicyTypeAlreadyEnabled,
        ),
        (
            "EnablePolicyType",
            "PolicyChangesInProgressException",
            ErrorClass::PolicyChangesInProgress,
        ),
        (
            "EnablePolicyType",
            "RootNotFoundException",
            ErrorClass::TargetNotFound,
        ),
        (
            "UpdatePolicy",
            "PolicyNotFoundException",
            ErrorClass::PolicyNotFound,
        ),
        ("DeletePolicy", "PolicyInUseException", ErrorClass::PolicyInUse),
        (
            "AttachPolicy",
            "DuplicatePolicyAttachmentException",
            ErrorClass::DuplicatePolicyAttachment,
        ),
        (
            "AttachPolicy",
            "PolicyTypeNotEnabledException",
            ErrorClass::PolicyTypeNotEnabled,
        ),
        (
            "AttachPolicy",
            "TargetNotFoundException",
            ErrorClass::TargetNotFound,
        ),
        (
            "DetachPolicy",
            "PolicyNotAttachedException",
            ErrorClass::PolicyNotAttached,
        ),
        ("DetachPolicy", "TooManyRequestsException", ErrorClass::Throttled),
    ] {
        let (aws, requests) = service(move |_| exception(name));
        let error = change(&aws, operation).await.unwrap_err();
        assert_eq!((error.operation, error.class), (operation, expected), "{name}");
        assert_eq!(requests.count(), 1, "{name}");
    }
    let constraint = |reason: &str| ErrorClass::ConstraintViolation(reason.into());
    let input = |reason: &str| ErrorClass::InvalidInput(reason.into());
    for (operation, name, expected) in [
        (
            "AttachPolicy",
            "ConstraintViolationException",
            constraint("MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED"),
        ),
        (
            "CreatePolicy",
            "ConstraintViolationException",
            constraint("TAG_POLICY_VIOLATION"),
        ),
        (
            "CreatePolicy",
            "ConstraintViolationException",
            constraint("POLICY_NUMBER_LIMIT_EXCEEDED"),
        ),
        ("DeletePolicy", "InvalidInputException", input("IMMUTABLE_POLICY")),
        (
            "DetachPolicy",
            "InvalidInputException",
            input("NON_DETACHABLE_POLICY"),
        ),
        (
            "EnablePolicyType",
            "ConstraintViolationException",
            constraint("NEXT_YEAR"),
        ),
    ] {
        let (ErrorClass::ConstraintViolation(reason) | ErrorClass::InvalidInput(reason)) = expected.clone()
        else {
            panic!("{expected}")
        };
        let (aws, _) =
            service(move |_| status(400, json!({ "__type": name, "Message": "m", "Reason": reason })));
        assert_eq!(class(change(&aws, operation).await), expected, "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_is_sent_once_in_its_time_and_inside_of_a_term_only() {
    for operation in CHANGES {
        let (aws, requests) = service(|_| Answer {
            delay: Duration::from_hours(1),
            ..ok("{}")
        });
        let began = tokio::time::Instant::now();
        let over = Fence::default().around(change(&aws, operation)).await;
        assert_eq!(class(over), ErrorClass::TermOver, "{operation}");
        assert_eq!(requests.count(), 0, "{operation}");
        assert_eq!(class(change(&aws, operation).await), ErrorClass::Timeout);
        assert_eq!(
            (began.elapsed().as_secs(), requests.count()),
            (4, 1),
            "{operation}"
        );
    }
}
