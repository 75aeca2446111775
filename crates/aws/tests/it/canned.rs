//! What is sent, and what becomes of each kind of answer.

use crate::fake::{Answer, exception, ok, service, status, sts, sts_error};
use aws::{
    Aws, CallRecord, Error, Options,
    inprocess::{self, LostAnswer},
};
use aws_config::SdkConfig;
use aws_credential_types::provider::{
    SharedCredentialsProvider, error::CredentialsError, future::ProvideCredentials,
};
use bytes::Bytes;
use executor::{Access, CreateAccountRequest, ErrorClass, Organizations, Tagged};
use model::{
    AccountId, AccountName, AccountState, CreateRequestId, CreationState, Email, ParentId, PolicyId,
    RoleName, TagKey, TagValue, Tags,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

const ACCOUNT: &str = "123456789012";
const ROLE: &str = "arn:aws:iam::123456789012:role/OrganizationAccountAccessRole";

fn account_id() -> AccountId {
    AccountId::parse(ACCOUNT).unwrap()
}

fn parent(id: &str) -> ParentId {
    ParentId::parse(id).unwrap()
}

fn unclassified(name: &str) -> ErrorClass {
    ErrorClass::Unclassified(name.to_owned())
}

fn request() -> CreateAccountRequest {
    CreateAccountRequest {
        email: Email::parse("aws+payments-prod@example.com").unwrap(),
        account_name: AccountName::parse("payments-prod").unwrap(),
        role_name: RoleName::parse("OrganizationAccountAccessRole").unwrap(),
        tags: [(
            TagKey::parse("team").unwrap(),
            TagValue::parse("payments").unwrap(),
        )]
        .into(),
    }
}

fn account(fields: Value) -> Value {
    let mut account = json!({
        "Id": ACCOUNT,
        "Arn": "arn:aws:organizations::111111111111:account/o-aa111bb222/123456789012",
        "Email": "a@example.com",
        "Name": "a",
    });
    for (key, value) in fields.as_object().unwrap() {
        account[key] = value.clone();
    }
    account
}

async fn described(fields: Value) -> Result<executor::ListedAccount, ErrorClass> {
    let (aws, _) = service(move |_| ok(json!({ "Account": account(fields.clone()) })));
    aws.describe_account(&account_id())
        .await
        .map_err(|error| error.class)
}

#[tokio::test(start_paused = true)]
async fn the_state_is_read_from_state_or_from_its_predecessor() {
    for (fields, state) in [
        (json!({ "State": "ACTIVE" }), AccountState::Active),
        (
            json!({ "State": "PENDING_ACTIVATION" }),
            AccountState::PendingActivation,
        ),
        (
            json!({ "State": "PENDING_CLOSURE" }),
            AccountState::PendingClosure,
        ),
        (json!({ "State": "SUSPENDED" }), AccountState::Suspended),
        (
            json!({ "State": "CLOSED", "Status": "SUSPENDED" }),
            AccountState::Closed,
        ),
        (
            json!({ "State": "FROZEN", "Status": "ACTIVE" }),
            AccountState::Unknown,
        ),
        (json!({ "Status": "ACTIVE" }), AccountState::Active),
        (json!({ "Status": "SUSPENDED" }), AccountState::Suspended),
        (
            json!({ "Status": "PENDING_CLOSURE" }),
            AccountState::PendingClosure,
        ),
        (json!({ "Status": "FROZEN" }), AccountState::Unknown),
        (json!({}), AccountState::Unknown),
    ] {
        assert_eq!(described(fields.clone()).await.unwrap().state, state, "{fields}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_parent_stands_before_the_account_in_its_path() {
    for (fields, expected) in [
        (json!({}), None),
        (json!({ "Paths": [] }), None),
        (
            json!({ "Paths": ["o-aa111bb222/r-a1b2/123456789012/"] }),
            Some("r-a1b2"),
        ),
        (
            json!({ "Paths": ["o-aa111bb222/r-a1b2/123456789012"] }),
            Some("r-a1b2"),
        ),
        (
            json!({ "Paths": ["o-aa111bb222/r-a1b2/ou-a1b2-11111111/ou-a1b2-22222222/123456789012/"] }),
            Some("ou-a1b2-22222222"),
        ),
    ] {
        let listed = described(fields.clone()).await.unwrap();
        assert_eq!(listed.parent, expected.map(parent), "{fields}");
    }
    for path in [
        "",
        "123456789012",
        "o-aa111bb222/r-a1b2/999999999999/",
        "o-aa111bb222/x/123456789012/",
    ] {
        let class = described(json!({ "Paths": [path] })).await.unwrap_err();
        assert_eq!(class, unclassified("MalformedAnswer"), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_without_what_identifies_it_is_malformed() {
    for fields in [
        json!({ "Id": "1234" }),
        json!({ "Id": null }),
        json!({ "Arn": null }),
        json!({ "Email": null }),
    ] {
        assert_eq!(
            described(fields.clone()).await.unwrap_err(),
            unclassified("MalformedAnswer"),
            "{fields}"
        );
    }
    assert_eq!(described(json!({ "Name": null })).await.unwrap().name, "");
}

#[tokio::test(start_paused = true)]
async fn a_slow_create_account_is_sent_once_and_its_outcome_is_unknown() {
    let (aws, requests) = service(|_| Answer {
        delay: Duration::from_hours(1),
        ..ok("{}")
    });
    let began = tokio::time::Instant::now();
    let error = aws.create_account(&request()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Timeout);
    assert!(error.class.effect_unknown());
    assert_eq!(began.elapsed().as_secs(), 4);
    assert_eq!(requests.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_read_has_ten_seconds() {
    let (aws, requests) = service(|_| Answer {
        delay: Duration::from_hours(1),
        ..ok("{}")
    });
    let began = tokio::time::Instant::now();
    assert_eq!(
        aws.list_accounts(None).await.unwrap_err().class,
        ErrorClass::Timeout
    );
    assert_eq!(began.elapsed().as_secs(), 10);
    assert_eq!(requests.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_retried_below_the_port() {
    for (answer, class) in [
        (exception("TooManyRequestsException"), ErrorClass::Throttled),
        (status(429, "{}"), ErrorClass::Throttled),
        (
            status(500, json!({ "__type": "ServiceException" })),
            ErrorClass::Service,
        ),
        (status(503, "<html>unavailable</html>"), ErrorClass::Service),
        (
            Answer {
                lost: Some(LostAnswer::Broken),
                ..ok("{}")
            },
            ErrorClass::AnswerLost,
        ),
        (
            Answer {
                lost: Some(LostAnswer::Refused),
                ..ok("{}")
            },
            ErrorClass::Unreachable,
        ),
    ] {
        let (aws, requests) = service(move |_| answer.clone());
        let began = tokio::time::Instant::now();
        assert_eq!(aws.list_accounts(None).await.unwrap_err().class, class);
        assert_eq!(aws.create_account(&request()).await.unwrap_err().class, class);
        assert_eq!(aws.get_resource_tags(None).await.unwrap_err().class, class);
        assert_eq!(requests.count(), 3, "{class:?}");
        assert!(began.elapsed() < Duration::from_millis(100), "{class:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_no_answers() {
    for (answer, class) in [
        (ok("not json"), ErrorClass::AnswerLost),
        (ok("{\"Accounts\": [{\"Id\": 12"), ErrorClass::AnswerLost),
        (ok("<html></html>"), ErrorClass::AnswerLost),
        (status(404, "<html></html>"), unclassified("Http404")),
        (
            exception("UnknownOperationException"),
            unclassified("UnknownOperationException"),
        ),
        (
            exception("com.amazonaws.organizations#NewException"),
            unclassified("NewException"),
        ),
    ] {
        let (aws, _) = service(move |_| answer.clone());
        let error = aws.list_accounts(None).await.unwrap_err();
        assert_eq!(error.class, class, "{error:?}");
    }
    let (aws, _) = service(|_| ok("{}"));
    assert_eq!(
        aws.describe_organization().await.unwrap_err().class,
        unclassified("MalformedAnswer")
    );
    let error = aws.create_account(&request()).await.unwrap_err();
    assert_eq!(error.class, unclassified("MalformedAnswer"));
    assert!(error.class.effect_unknown());
}

#[tokio::test(start_paused = true)]
async fn an_error_names_operation_and_request_and_keeps_the_message_for_logs() {
    let (aws, _) = service(|_| {
        status(
            400,
            json!({ "__type": "InvalidInputException", "Message": "bad", "Reason": "INVALID_PATTERN" }),
        )
    });
    let error = aws
        .move_account(&account_id(), &parent("r-a1b2"), &parent("ou-a1b2-11111111"))
        .await
        .unwrap_err();
    assert_eq!(error.operation, "MoveAccount");
    assert_eq!(error.class, ErrorClass::InvalidInput("INVALID_PATTERN".into()));
    assert_eq!(error.message, "bad");
    assert_eq!(error.request_id.as_deref(), Some("request-1"));
    assert_eq!(
        error.to_string(),
        "MoveAccount failed: InvalidInputException, INVALID_PATTERN"
    );
}

#[tokio::test(start_paused = true)]
async fn creations_in_each_state() {
    let (aws, requests) = service(|_| {
        ok(json!({ "CreateAccountStatuses": [
            { "Id": "car-11111111", "AccountName": "a", "State": "IN_PROGRESS", "RequestedTimestamp": 1_800_000_000.5 },
            { "Id": "car-22222222", "AccountName": "b", "State": "SUCCEEDED", "AccountId": ACCOUNT },
            { "Id": "car-33333333", "AccountName": "c", "State": "FAILED", "FailureReason": "EMAIL_ALREADY_EXISTS" },
            { "Id": "car-44444444", "AccountName": "d", "State": "FAILED", "FailureReason": "NEXT_YEAR" },
        ], "NextToken": "t" }))
    });
    let page = aws.list_creations_in_progress(Some("s")).await.unwrap();
    let states: Vec<_> = page.items.into_iter().map(|record| record.state).collect();
    assert_eq!(
        states,
        [
            CreationState::InProgress,
            CreationState::Succeeded(account_id()),
            CreationState::Failed("EMAIL_ALREADY_EXISTS".into()),
            CreationState::Failed("NEXT_YEAR".into()),
        ]
    );
    assert_eq!(page.next.as_deref(), Some("t"));
    assert_eq!(
        requests.last().json(),
        json!({ "States": ["IN_PROGRESS"], "MaxResults": 20, "NextToken": "s" })
    );

    for bad in [
        json!({ "Id": "car-11111111", "AccountName": "a", "State": "PAUSED" }),
        json!({ "Id": "car-11111111", "AccountName": "a", "State": "SUCCEEDED" }),
        json!({ "Id": "x", "AccountName": "a", "State": "IN_PROGRESS" }),
        json!({ "Id": "car-11111111", "State": "IN_PROGRESS" }),
    ] {
        let (aws, _) = service(move |_| ok(json!({ "CreateAccountStatus": bad })));
        let id = CreateRequestId::parse("car-11111111").unwrap();
        let error = aws.describe_create_account_status(&id).await.unwrap_err();
        assert_eq!(error.class, unclassified("MalformedAnswer"));
    }
}

#[tokio::test(start_paused = true)]
async fn bulk_tags_end_with_an_empty_token_and_leave_out_what_cannot_be_ours() {
    let policy = "arn:aws:organizations::111111111111:policy/o-aa111bb222/service_control_policy/p-a1b2c3d4";
    let (aws, requests) = service(move |_| {
        ok(json!({ "PaginationToken": "", "ResourceTagMappingList": [{
            "ResourceARN": "arn:aws:organizations::111111111111:account/o-aa111bb222/123456789012",
            "Tags": [
                { "Key": "team", "Value": "payments" },
                { "Key": "aws:cloudformation:stack-name", "Value": "s" },
                { "Key": "no\u{a0}break", "Value": "s" },
            ],
        }, {
            "ResourceARN": policy,
            "Tags": [{ "Key": "team", "Value": "payments" }],
        }] }))
    });
    let page = aws.get_resource_tags(Some("more")).await.unwrap();
    let tags: Tags = [(
        TagKey::parse("team").unwrap(),
        TagValue::parse("payments").unwrap(),
    )]
    .into();
    let policy = Tagged::Policy(PolicyId::parse("p-a1b2c3d4").unwrap());
    assert_eq!(
        page.items,
        [(Tagged::Account(account_id()), tags.clone()), (policy, tags)]
    );
    assert_eq!(page.next, None);
    let sent = requests.last();
    assert_eq!(
        sent.json(),
        json!({
            "PaginationToken": "more",
            "ResourcesPerPage": 100,
            "ResourceTypeFilters": ["organizations:account", "organizations:policy"],
        })
    );
    assert_eq!(sent.uri, "https://tagging.us-east-1.amazonaws.com/");

    for arn in [
        "arn:aws:organizations::1:ou/o-a/ou-b",
        "arn:aws:organizations::1:account/o-a/1234",
        "arn:aws:organizations::1:policy/o-a/service_control_policy/p-1",
        "arn:aws:organizations::1:policy",
        "",
    ] {
        let (aws, _) = service(move |_| ok(json!({ "ResourceTagMappingList": [{ "ResourceARN": arn }] })));
        let error = aws.get_resource_tags(None).await.unwrap_err();
        assert_eq!(error.class, unclassified("MalformedAnswer"), "{arn}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_sent() {
    let record = json!({ "Id": "car-11111111", "AccountName": "payments-prod", "State": "IN_PROGRESS" });
    let unit = json!({ "Id": "ou-a1b2-11111111", "Name": "Prod" });
    let (aws, requests) = service(move |operation| match operation {
        "CreateAccount" => ok(json!({ "CreateAccountStatus": record })),
        "CreateOrganizationalUnit" => ok(json!({ "OrganizationalUnit": unit })),
        "ListParents" => ok(json!({ "Parents": [{ "Id": "r-a1b2", "Type": "ROOT" }] })),
        _ => ok("{}"),
    });
    let root = parent("r-a1b2");
    let tags: BTreeMap<String, String> = [("a".to_owned(), "b".to_owned())].into();
    aws.create_account(&request()).await.unwrap();
    aws.create_organizational_unit(&root, "Prod", &tags)
        .await
        .unwrap();
    aws.move_account(&account_id(), &root, &parent("ou-a1b2-11111111"))
        .await
        .unwrap();
    aws.tag_resource(ACCOUNT, &tags).await.unwrap();
    aws.untag_resource(ACCOUNT, &BTreeSet::from([TagKey::parse("a").unwrap()]))
        .await
        .unwrap();
    aws.list_roots(None).await.unwrap();
    aws.list_accounts(Some("t")).await.unwrap();
    aws.list_organizational_units_for_parent(&root, Some("t"))
        .await
        .unwrap();
    aws.list_tags_for_resource("r-a1b2", None).await.unwrap();
    assert_eq!(aws.list_parents(&account_id()).await.unwrap(), root);

    let sent: Vec<(String, Value)> = requests
        .all()
        .into_iter()
        .map(|request| (request.operation.clone(), request.json()))
        .collect();
    let wire_tags = json!([{ "Key": "a", "Value": "b" }]);
    let expected = [
        (
            "CreateAccount",
            json!({
                "Email": "aws+payments-prod@example.com",
                "AccountName": "payments-prod",
                "RoleName": "OrganizationAccountAccessRole",
                "Tags": [{ "Key": "team", "Value": "payments" }],
            }),
        ),
        (
            "CreateOrganizationalUnit",
            json!({ "ParentId": "r-a1b2", "Name": "Prod", "Tags": wire_tags }),
        ),
        (
            "MoveAccount",
            json!({
                "AccountId": ACCOUNT,
                "SourceParentId": "r-a1b2",
                "DestinationParentId": "ou-a1b2-11111111",
            }),
        ),
        ("TagResource", json!({ "ResourceId": ACCOUNT, "Tags": wire_tags })),
        (
            "UntagResource",
            json!({ "ResourceId": ACCOUNT, "TagKeys": ["a"] }),
        ),
        ("ListRoots", json!({ "MaxResults": 20 })),
        ("ListAccounts", json!({ "MaxResults": 20, "NextToken": "t" })),
        (
            "ListOrganizationalUnitsForParent",
            json!({ "ParentId": "r-a1b2", "MaxResults": 20, "NextToken": "t" }),
        ),
        ("ListTagsForResource", json!({ "ResourceId": "r-a1b2" })),
        ("ListParents", json!({ "ChildId": ACCOUNT })),
    ];
    assert_eq!(
        sent,
        expected.map(|(operation, body)| (operation.to_owned(), body))
    );

    let first = &requests.all()[0];
    assert_eq!(first.uri, "https://organizations.us-east-1.amazonaws.com/");
    assert_eq!(
        first.header("x-amz-target"),
        "AWSOrganizationsV20161128.CreateAccount"
    );
    assert!(
        first
            .header("authorization")
            .contains("/us-east-1/organizations/aws4_request")
    );
    assert!(first.header("x-amz-user-agent").contains("app/bulkhead"));
    assert_eq!(
        first.header("amz-sdk-invocation-id"),
        "00000000-0000-0000-0000-000000000001"
    );
    assert_eq!(first.header("amz-sdk-request"), "attempt=1; max=1");
}

#[tokio::test(start_paused = true)]
async fn one_run_is_like_the_other_to_the_byte() {
    async fn run() -> Vec<crate::fake::Seen> {
        let (aws, requests) = service(|_| ok("{}"));
        aws.list_accounts(None).await.unwrap();
        tokio::time::sleep(Duration::from_secs(100)).await;
        aws.tag_resource(ACCOUNT, &[("a".to_owned(), "b".to_owned())].into())
            .await
            .unwrap();
        aws.verify(&account_id(), ROLE).await.unwrap_err();
        requests.all()
    }
    assert_eq!(run().await, run().await);
}

type Answers = Box<dyn Fn(&str) -> Answer + Send + Sync>;

/// AssumeRole hands out a session, which belongs to `account`.
fn member(account: &'static str, last: Answer) -> impl Fn(&str) -> Answer + Send + Sync + 'static {
    move |operation| match operation {
        "AssumeRole" => sts(
            "AssumeRole",
            "<Credentials><AccessKeyId>ASIAMEMBER</AccessKeyId><SecretAccessKey>VERYSECRET</SecretAccessKey>\
             <SessionToken>TOKEN</SessionToken><Expiration>2027-01-15T08:15:00Z</Expiration></Credentials>",
        ),
        "GetCallerIdentity" => sts(
            "GetCallerIdentity",
            &format!("<Arn>arn:aws:sts::{account}:assumed-role/R/bulkhead</Arn><Account>{account}</Account>"),
        ),
        _ => last.clone(),
    }
}

#[tokio::test(start_paused = true)]
async fn verifying_a_role_uses_the_member_session() {
    let (aws, requests) = service(member(ACCOUNT, ok(json!({ "Organization": {} }))));
    aws.verify(&account_id(), ROLE).await.unwrap();
    let sent = requests.all();
    let operations: Vec<_> = sent.iter().map(|request| request.operation.as_str()).collect();
    assert_eq!(
        operations,
        ["AssumeRole", "GetCallerIdentity", "DescribeOrganization"]
    );
    assert_eq!(
        sent[0].body,
        "Action=AssumeRole&Version=2011-06-15\
         &RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2FOrganizationAccountAccessRole\
         &RoleSessionName=bulkhead&DurationSeconds=900"
    );
    assert_eq!(sent[0].uri, "https://sts.us-east-1.amazonaws.com/");
    assert!(
        sent[0]
            .header("authorization")
            .contains("Credential=AKIDSIMULATION")
    );
    for request in &sent[1..] {
        assert!(
            request.header("authorization").contains("Credential=ASIAMEMBER/"),
            "{}",
            request.operation
        );
        assert_eq!(request.header("x-amz-security-token"), "TOKEN");
    }
    // The next call is the operator's own again.
    aws.describe_organization().await.unwrap_err();
    assert!(
        requests
            .last()
            .header("authorization")
            .contains("Credential=AKIDSIMULATION")
    );
}

#[tokio::test(start_paused = true)]
async fn a_role_is_not_verified() {
    let denied = ErrorClass::AccessDenied;
    let cases: Vec<(Answers, _, _)> = vec![
        (Box::new(|_| status(503, "")), "AssumeRole", ErrorClass::Service),
        (
            Box::new(|_| sts_error("AccessDenied")),
            "AssumeRole",
            denied.clone(),
        ),
        (
            Box::new(|_| sts_error("Throttling")),
            "AssumeRole",
            ErrorClass::Throttled,
        ),
        (
            Box::new(|_| sts_error("RegionDisabledException")),
            "AssumeRole",
            denied.clone(),
        ),
        (
            Box::new(|_| sts("AssumeRole", "")),
            "AssumeRole",
            unclassified("MalformedAnswer"),
        ),
        (
            Box::new(member("999999999999", ok(json!({ "Organization": {} })))),
            "GetCallerIdentity",
            unclassified("WrongAccount"),
        ),
        (
            Box::new(member(ACCOUNT, exception("AccessDeniedException"))),
            "DescribeOrganization",
            denied,
        ),
        (
            Box::new(member(ACCOUNT, exception("AWSOrganizationsNotInUseException"))),
            "DescribeOrganization",
            ErrorClass::OrganizationsNotInUse,
        ),
    ];
    for (answers, operation, class) in cases {
        let (aws, requests) = service(answers);
        let error = aws.verify(&account_id(), ROLE).await.unwrap_err();
        assert_eq!((error.operation, error.class), (operation, class));
        assert_eq!(requests.last().operation, operation);
        assert!(requests.count() <= 3);
    }
}

#[tokio::test(start_paused = true)]
async fn secrets_show_nowhere() {
    let broken = "<AssumeRoleResponse><AssumeRoleResult><Credentials><SecretAccessKey>VERYSECRET</SecretAccessKey><Exp";
    let (aws, _) = service(move |_| ok(broken));
    let error = aws.verify(&account_id(), ROLE).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::AnswerLost);
    assert!(!format!("{error:?} {error}").contains("VERYSECRET"), "{error:?}");
    assert_eq!(
        format!("{aws:?}"),
        "Aws { timeouts: Timeouts { connect: 3s, read: 10s, mutation: 4s }, .. }"
    );
}

#[tokio::test(start_paused = true)]
async fn each_call_is_reported_once() {
    let records = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&records);
    let (aws, _) = service(|operation| match operation {
        "ListAccounts" => Answer {
            delay: Duration::from_secs(2),
            ..ok("{}")
        },
        "ListRoots" => exception("TooManyRequestsException"),
        "GetResources" => ok("{}"),
        "DescribeOrganization" => exception("AccessDeniedException"),
        other => member(ACCOUNT, ok("{}"))(other),
    });
    let aws = aws.with_observer(Arc::new(move |record: &CallRecord| {
        sink.lock().unwrap().push(*record);
    }));
    aws.list_accounts(None).await.unwrap();
    aws.list_roots(None).await.unwrap_err();
    aws.get_resource_tags(None).await.unwrap();
    aws.verify(&account_id(), ROLE).await.unwrap_err();
    let records = records.lock().unwrap().clone();
    assert_eq!(records[0].duration.as_secs(), 2);
    let told: Vec<_> = records
        .iter()
        .map(|record| (record.service, record.operation, record.outcome))
        .collect();
    assert_eq!(
        told,
        [
            ("organizations", "ListAccounts", "Ok"),
            ("organizations", "ListRoots", "Throttled"),
            ("tagging", "GetResources", "Ok"),
            ("sts", "AssumeRole", "Ok"),
            ("sts", "GetCallerIdentity", "Ok"),
            ("organizations", "DescribeOrganization", "AccessDenied"),
        ]
    );
}

#[derive(Debug)]
struct NoCredentials;

impl aws_credential_types::provider::ProvideCredentials for NoCredentials {
    fn provide_credentials<'a>(&'a self) -> ProvideCredentials<'a>
    where
        Self: 'a,
    {
        ProvideCredentials::ready(Err(CredentialsError::not_loaded("none here")))
    }
}

#[tokio::test(start_paused = true)]
async fn without_credentials_nothing_is_sent() {
    let sent = Arc::new(Mutex::new(0));
    let counter = Arc::clone(&sent);
    let http = inprocess::http_client(move |_: http::Request<Bytes>| {
        *counter.lock().unwrap() += 1;
        async { Err(LostAnswer::Broken) }
    });
    let config = SdkConfig::builder()
        .http_client(http)
        .credentials_provider(SharedCredentialsProvider::new(NoCredentials))
        .build();
    let aws = Aws::from_sdk_config(&config, &Options::default());
    let error = aws.create_account(&request()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::AccessDenied);
    assert!(error.message.contains("none here"), "{}", error.message);
    assert_eq!(*sent.lock().unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_unusable_endpoint_is_refused_at_once() {
    for url in ["", "localhost:4566", "ftp://localhost", "http://", "not a url"] {
        let options = Options {
            endpoint_url: Some(url.to_owned()),
            ..Options::default()
        };
        assert_eq!(
            Aws::from_environment(&options).await.unwrap_err(),
            Error::EndpointUrl(url.to_owned())
        );
    }
}
