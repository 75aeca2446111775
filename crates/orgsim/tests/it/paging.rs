//! Pages: 20 at most, sometimes empty, with opaque tokens.

use std::collections::BTreeSet;

use orgsim::Settings;
use serde_json::json;

use crate::sdk::{World, calm, pass};
use crate::wire::call;

async fn with_accounts(settings: Settings, count: usize) -> World {
    let world = World::new(settings);
    for number in 0..count {
        let body = json!({"Email": format!("a{number}@example.com"), "AccountName": "a"});
        let (status, _) = call(&world.orgsim, "CreateAccount", &body).await;
        assert_eq!(status, 200);
    }
    pass(5).await;
    world
}

#[tokio::test(start_paused = true)]
async fn empty_pages_lose_and_repeat_nothing() {
    let settings = Settings {
        empty_page_percent: 60,
        ..calm()
    };
    let world = with_accounts(settings, 99).await;
    let mut pages = world.organizations.list_accounts().into_paginator().send();
    let (mut sizes, mut ids) = (Vec::new(), Vec::new());
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        sizes.push(page.accounts().len());
        ids.extend(
            page.accounts()
                .iter()
                .map(|account| account.id().unwrap().to_owned()),
        );
    }
    assert_eq!(ids.len(), 100);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 100);
    assert!(sizes.contains(&0), "{sizes:?}");
    assert!(sizes.iter().all(|size| *size == 0 || *size == 20), "{sizes:?}");
    let twice_empty = sizes.windows(2).any(|pair| pair == [0, 0]);
    assert!(!twice_empty, "{sizes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_page_holds_what_was_asked_for_and_a_token_survives_changes() {
    let world = with_accounts(calm(), 4).await;
    let (_, first) = call(&world.orgsim, "ListAccounts", &json!({"MaxResults": 2})).await;
    let token = first["NextToken"].as_str().unwrap().to_owned();
    let seen: Vec<_> = first["Accounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["Id"].clone())
        .collect();
    assert_eq!(seen.len(), 2);
    // A page size may change between pages, and another account may appear.
    world.account("late").await;
    let rest = json!({"MaxResults": 20, "NextToken": token});
    let (_, rest) = call(&world.orgsim, "ListAccounts", &rest).await;
    assert_eq!(rest.get("NextToken"), None);
    let ids: Vec<_> = rest["Accounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["Id"].clone())
        .collect();
    assert!(seen.iter().all(|id| !ids.contains(id)));
    assert!(ids.len() >= 3);
}

#[tokio::test(start_paused = true)]
async fn bad_sizes_and_tokens_are_refused() {
    let world = with_accounts(calm(), 2).await;
    let (_, page) = call(&world.orgsim, "ListAccounts", &json!({"MaxResults": 1})).await;
    let token = page["NextToken"].as_str().unwrap();
    let root = world.root();
    for (operation, body, reason) in [
        ("ListAccounts", json!({"MaxResults": 21}), "MAX_VALUE_EXCEEDED"),
        ("ListAccounts", json!({"MaxResults": 0}), "MIN_VALUE_EXCEEDED"),
        (
            "ListAccounts",
            json!({"NextToken": "nonsense"}),
            "INVALID_NEXT_TOKEN",
        ),
        (
            "ListAccountsForParent",
            json!({"ParentId": root, "NextToken": token}),
            "INVALID_NEXT_TOKEN",
        ),
        (
            "ListChildren",
            json!({"ParentId": root, "ChildType": "POLICY"}),
            "INVALID_ENUM",
        ),
        (
            "ListCreateAccountStatus",
            json!({"States": ["DONE"]}),
            "INVALID_ENUM",
        ),
        ("ListAccountsForParent", json!({}), "INPUT_REQUIRED"),
        (
            "ListAccountsForParent",
            json!({"ParentId": "root"}),
            "INVALID_PATTERN",
        ),
    ] {
        let (status, answer) = call(&world.orgsim, operation, &body).await;
        let got = (status, answer["__type"].as_str(), answer["Reason"].as_str());
        let expected = (400, Some("InvalidInputException"), Some(reason));
        assert_eq!(got, expected, "{operation} {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn get_resources_pages_at_a_hundred_and_ends_with_an_empty_token() {
    let world = with_accounts(calm(), 120).await;
    for account in world.listed().await {
        let body = json!({"ResourceId": account, "Tags": [{"Key": "k", "Value": "v"}]});
        assert_eq!(call(&world.orgsim, "TagResource", &body).await.0, 200);
    }
    let get = || {
        world
            .tagging
            .get_resources()
            .resource_type_filters("organizations:account")
    };
    let first = get().send().await.unwrap();
    assert_eq!(first.resource_tag_mapping_list().len(), 100);
    let token = first.pagination_token().unwrap();
    assert!(!token.is_empty());
    let second = get().pagination_token(token).send().await.unwrap();
    assert_eq!(second.resource_tag_mapping_list().len(), 21);
    assert_eq!(second.pagination_token(), Some(""));
    for size in [0, 101] {
        let refused = get().resources_per_page(size).send().await;
        assert_eq!(crate::refusal!(refused), "InvalidParameterException");
    }
    let refused = get().pagination_token("nonsense").send().await;
    assert_eq!(crate::refusal!(refused), "InvalidParameterException");
}
