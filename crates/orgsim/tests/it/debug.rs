//! The debug address.

use bytes::Bytes;
use http::{Method, Request};
use orgsim::{Mutation, Orgsim, State};
use serde_json::{Value, json};

use crate::sdk::{World, calm, pass};

fn debug(orgsim: &Orgsim, method: Method, path: &str, body: &Value) -> (u16, Value) {
    let request = Request::builder().method(method).uri(path);
    let response = orgsim.debug(request.body(Bytes::from(body.to_string())).unwrap());
    let body = serde_json::from_slice(response.body()).unwrap();
    (response.status().as_u16(), body)
}

fn mutate(orgsim: &Orgsim, body: &Value) -> (u16, Value) {
    debug(orgsim, Method::POST, "/mutate", body)
}

#[tokio::test(start_paused = true)]
async fn the_state_is_the_truth() {
    let world = World::new(calm());
    let root = world.root();
    let workloads = world.unit(&root, "Workloads").await;
    let prod = world.unit(&workloads, "Prod").await;
    let id = world.account("a").await;
    let (status, _) = mutate(&world.orgsim, &json!({"move": {"account": id, "to": prod}}));
    assert_eq!(status, 200);
    mutate(
        &world.orgsim,
        &json!({"tag": {"resource": root, "tags": {"owner": "platform"}}}),
    );
    let (status, state) = debug(&world.orgsim, Method::GET, "/state", &Value::Null);
    assert_eq!(status, 200);
    assert_eq!(state["root"], json!({"id": root, "tags": {"owner": "platform"}}));
    let accounts = state["accounts"].as_array().unwrap();
    let account = accounts
        .iter()
        .find(|account| account["id"] == json!(id))
        .unwrap();
    assert_eq!(account["parent"], json!(prod));
    assert_eq!(account["path"], "Workloads/Prod");
    assert_eq!(
        (&account["state"], &account["name"]),
        (&json!("ACTIVE"), &json!("a"))
    );
    let units = state["organizationalUnits"].as_array().unwrap();
    let unit = units.iter().find(|unit| unit["id"] == json!(prod)).unwrap();
    assert_eq!(unit["path"], "Workloads/Prod");
    assert_eq!(
        unit["awsPath"],
        json!(format!("o-aa111bb222/{root}/{workloads}/{prod}/"))
    );
    let policies = state["policies"].as_array().unwrap();
    let names: Vec<_> = policies.iter().map(|policy| &policy["name"]).collect();
    assert_eq!(names, ["FullAWSAccess", "RCPFullAWSAccess"]);
    assert_eq!(state["attachments"], json!([]), "no type is enabled");
    let typed: State = serde_json::from_value(state).unwrap();
    assert_eq!(typed, world.orgsim.state());
}

#[tokio::test(start_paused = true)]
async fn calls_are_remembered_with_their_outcome() {
    let world = World::new(calm());
    world.organizations.list_roots().send().await.unwrap();
    pass(1).await;
    world
        .organizations
        .describe_account()
        .account_id("999999999999")
        .send()
        .await
        .unwrap_err();
    world
        .organizations
        .enable_all_features()
        .send()
        .await
        .unwrap_err();
    world.sts.get_caller_identity().send().await.unwrap();
    world.tagging.get_resources().send().await.unwrap();
    let (_, calls) = debug(&world.orgsim, Method::GET, "/calls", &Value::Null);
    let brief = |call: &Value| {
        let part = |name: &str| call[name].as_str().unwrap().to_owned();
        [part("at"), part("service"), part("operation"), part("outcome")].join(" ")
    };
    let calls: Vec<_> = calls["calls"].as_array().unwrap().iter().map(brief).collect();
    assert_eq!(
        calls,
        [
            "2026-01-05T00:00:00Z organizations ListRoots OK",
            "2026-01-05T00:00:01Z organizations DescribeAccount AccountNotFoundException",
            "2026-01-05T00:00:01Z organizations EnableAllFeatures UnknownOperationException",
            "2026-01-05T00:00:01Z sts GetCallerIdentity OK",
            "2026-01-05T00:00:01Z tagging GetResources OK",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn every_mutation_by_its_json() {
    let world = World::new(calm());
    let id = world.account("a").await;
    for body in [
        json!({"tag": {"resource": id, "tags": {"k": "v", "l": "w"}}}),
        json!({"untag": {"resource": id, "keys": ["l", "absent"]}}),
        json!({"deny": {"operations": ["MoveAccount"]}}),
        json!({"allow": {"operations": ["MoveAccount"]}}),
        json!({"failNextCreation": "PENDING_BUSINESS_VALIDATION"}),
        json!({"failNext": {"operation": "ListRoots", "error": "ServiceException"}}),
        json!({"foreignEmail": "b@example.com"}),
        json!({"close": {"account": id}}),
    ] {
        assert_eq!(mutate(&world.orgsim, &body), (200, json!({})), "{body}");
        let typed: Mutation = serde_json::from_value(body.clone()).unwrap();
        assert_eq!(json!(typed), body);
    }
    let state = world.orgsim.state();
    let account = state.accounts.iter().find(|account| account.id == id).unwrap();
    assert_eq!(json!(account.state), "PENDING_CLOSURE");
    assert_eq!(json!(account.tags), json!({"k": "v"}));
}

#[tokio::test(start_paused = true)]
async fn a_bad_body_names_the_field_and_the_rule() {
    let world = World::new(calm());
    let id = world.account("a").await;
    let management = world.orgsim.management_account_id();
    let too_many: serde_json::Map<_, _> = (0..51).map(|n| (n.to_string(), json!(""))).collect();
    for (body, field, rule) in [
        (json!([]), "body", "exactly one key"),
        (json!({}), "body", "exactly one key"),
        (json!({"rename": {}}), "rename", "unknown variant"),
        (json!({"move": {"account": id}}), "move", "missing field `to`"),
        (
            json!({"move": {"account": id, "to": "r-a1b2", "from": "x"}}),
            "move",
            "unknown field `from`",
        ),
        (
            json!({"move": {"account": "1", "to": "r-a1b2"}}),
            "move.account",
            "AccountNotFoundException",
        ),
        (
            json!({"move": {"account": id, "to": "r-9999"}}),
            "move.to",
            "ParentNotFoundException",
        ),
        (
            json!({"tag": {"resource": id, "tags": too_many}}),
            "tag.tags",
            "50",
        ),
        (
            json!({"tag": {"resource": id, "tags": {"aws:x": ""}}}),
            "tag.tags",
            "reserved",
        ),
        (
            json!({"untag": {"resource": "x", "keys": []}}),
            "untag.resource",
            "TargetNotFoundException",
        ),
        (
            json!({"close": {"account": management}}),
            "close.account",
            "management",
        ),
        (
            json!({"suspend": {"account": management}}),
            "suspend.account",
            "member",
        ),
        (
            json!({"detach": {"policy": "p-12345678", "target": id}}),
            "detach.policy",
            "PolicyNotFoundException",
        ),
        (
            json!({"deny": {"operations": ["Nonsense"]}}),
            "deny.operations",
            "is not one of",
        ),
        (
            json!({"failNextCreation": "BAD_LUCK"}),
            "failNextCreation",
            "unknown variant",
        ),
        (
            json!({"failNext": {"operation": "X", "error": "Y"}}),
            "failNext.operation",
            "is not one of",
        ),
        (json!({"foreignEmail": "nonsense"}), "foreignEmail", "email"),
    ] {
        let (status, answer) = mutate(&world.orgsim, &body);
        assert_eq!(status, 400, "{body}");
        assert_eq!(answer["error"]["field"], field, "{body} {answer}");
        let said = answer["error"]["rule"].as_str().unwrap();
        assert!(said.contains(rule), "{body} {said}");
    }
    let (status, _) = debug(&world.orgsim, Method::GET, "/mutate", &Value::Null);
    assert_eq!(status, 405);
    let (status, _) = debug(&world.orgsim, Method::GET, "/", &Value::Null);
    assert_eq!(status, 404);
}
