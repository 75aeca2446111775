//! Plain requests without any SDK, and what the protocols say about odd ones.

use bytes::Bytes;
use http::{Request, Response};
use orgsim::{Orgsim, Settings, tokio_clock};
use serde_json::{Value, json};

use crate::sdk::calm;

const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260105/us-east-1/organizations/aws4_request, \
     SignedHeaders=host;x-amz-date, Signature=00";

/// An awsJson request of AWS Organizations, as signed by the management account.
pub(crate) fn request(operation: &str, body: &Value) -> Request<Bytes> {
    json_request(
        &format!("AWSOrganizationsV20161128.{operation}"),
        body.to_string(),
    )
}

fn json_request(target: &str, body: String) -> Request<Bytes> {
    Request::post("/")
        .header("x-amz-target", target)
        .header("content-type", "application/x-amz-json-1.1")
        .header("authorization", AUTHORIZATION)
        .body(Bytes::from(body))
        .unwrap()
}

fn form_request(body: &str) -> Request<Bytes> {
    Request::post("/")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("authorization", AUTHORIZATION)
        .body(Bytes::from(body.to_owned()))
        .unwrap()
}

/// Status and body of one AWS Organizations call.
pub(crate) async fn call(orgsim: &Orgsim, operation: &str, body: &Value) -> (u16, Value) {
    let response = orgsim.handle(request(operation, body)).await.unwrap();
    (
        response.status().as_u16(),
        serde_json::from_slice(response.body()).unwrap(),
    )
}

pub(crate) async fn form(orgsim: &Orgsim, body: &str) -> (u16, String, String) {
    let response = orgsim.handle(form_request(body)).await.unwrap();
    let id = header(&response, "x-amzn-requestid");
    let text = String::from_utf8(response.body().to_vec()).unwrap();
    (response.status().as_u16(), id, text)
}

fn header(response: &Response<Bytes>, name: &str) -> String {
    response.headers()[name].to_str().unwrap().to_owned()
}

pub(crate) fn orgsim(settings: Settings) -> Orgsim {
    let clock = tokio_clock(settings.start);
    Orgsim::new(settings, clock)
}

#[tokio::test(start_paused = true)]
async fn every_answer_has_a_request_id_and_a_content_type() {
    let orgsim = orgsim(calm());
    let first = orgsim.handle(request("ListRoots", &json!({}))).await.unwrap();
    let second = orgsim.handle(request("Nonsense", &json!({}))).await.unwrap();
    for response in [&first, &second] {
        assert_eq!(header(response, "content-type"), "application/x-amz-json-1.1");
        assert_eq!(header(response, "x-amzn-requestid").len(), 36);
    }
    assert_ne!(
        header(&first, "x-amzn-requestid"),
        header(&second, "x-amzn-requestid")
    );
    let sts = orgsim
        .handle(form_request("Action=GetCallerIdentity&Version=2011-06-15"))
        .await
        .unwrap();
    assert_eq!(header(&sts, "content-type"), "text/xml");
}

#[tokio::test(start_paused = true)]
async fn odd_requests_are_refused_as_the_protocol_says() {
    let orgsim = orgsim(calm());
    let code = |target: &'static str, body: &'static str| {
        let orgsim = orgsim.clone();
        async move {
            let response = orgsim
                .handle(json_request(target, body.to_owned()))
                .await
                .unwrap();
            let answer: Value = serde_json::from_slice(response.body()).unwrap();
            (
                response.status().as_u16(),
                answer["__type"].as_str().unwrap().to_owned(),
            )
        }
    };
    for (target, body, expected) in [
        ("AWSOrganizationsV20161128.ListRoots", "", None),
        ("AWSOrganizationsV20161128.ListRoots", "{\"Unknown\": 1}", None),
        (
            "AWSOrganizationsV20161128.ListRoots",
            "{",
            Some("SerializationException"),
        ),
        (
            "AWSOrganizationsV20161128.ListRoots",
            "{\"MaxResults\": \"1\"}",
            Some("SerializationException"),
        ),
        (
            "AWSOrganizationsV20161128.EnableAllFeatures",
            "{}",
            Some("UnknownOperationException"),
        ),
        ("Other.ListRoots", "{}", Some("UnknownOperationException")),
        (
            "ResourceGroupsTaggingAPI_20170126.TagResources",
            "{}",
            Some("UnknownOperationException"),
        ),
    ] {
        let response = orgsim
            .handle(json_request(target, body.to_owned()))
            .await
            .unwrap();
        match expected {
            None => assert_eq!(response.status(), 200, "{target} {body}"),
            Some(expected) => {
                assert_eq!(
                    code(target, body).await,
                    (400, expected.to_owned()),
                    "{target} {body}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_unsigned_request_is_nobodys() {
    let orgsim = orgsim(calm());
    let mut unsigned = request("ListRoots", &json!({}));
    unsigned.headers_mut().remove("authorization");
    let response = orgsim.handle(unsigned).await.unwrap();
    assert_eq!(response.status(), 400);
    let answer: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(answer["__type"], "MissingAuthenticationTokenException");
    let mut unsigned = form_request("Action=GetCallerIdentity&Version=2011-06-15");
    unsigned.headers_mut().remove("authorization");
    assert_eq!(orgsim.handle(unsigned).await.unwrap().status(), 403);
    assert_eq!(orgsim.calls().pop().unwrap().caller, None);
}

#[tokio::test(start_paused = true)]
async fn sts_speaks_xml() {
    let orgsim = orgsim(calm());
    let (status, id, body) = form(&orgsim, "Action=GetCallerIdentity&Version=2011-06-15").await;
    assert_eq!(status, 200);
    let expected = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
         <Arn>arn:aws:iam::111111111111:user/administrator</Arn><UserId>AIDAIOSFODNN7EXAMPLE0</UserId>\
         <Account>111111111111</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>{id}</RequestId>\
         </ResponseMetadata></GetCallerIdentityResponse>"
    );
    assert_eq!(body, expected);
    let (status, id, body) = form(&orgsim, "Action=AssumeRoot&Version=2011-06-15").await;
    assert_eq!(status, 400);
    let expected = format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
         <Code>InvalidAction</Code><Message>Could not find operation AssumeRoot for version 2011-06-15</Message>\
         </Error><RequestId>{id}</RequestId></ErrorResponse>"
    );
    assert_eq!(body, expected);
    let denied = "Action=AssumeRole&Version=2011-06-15&RoleSessionName=probe\
                  &RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2FOrganizationAccountAccessRole";
    let (status, _, body) = form(&orgsim, denied).await;
    assert_eq!(status, 403);
    assert!(body.contains("<Code>AccessDenied</Code>"), "{body}");
}

#[tokio::test(start_paused = true)]
async fn the_retired_status_is_written_on_request() {
    let orgsim = orgsim(Settings {
        write_status: true,
        ..calm()
    });
    let (_, listed) = call(&orgsim, "ListAccounts", &json!({})).await;
    assert_eq!(listed["Accounts"][0]["Status"], "ACTIVE");
}
