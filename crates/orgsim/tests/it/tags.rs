//! Tags, one resource at a time and in bulk.

use std::collections::BTreeMap;

use aws_sdk_organizations::operation::tag_resource::TagResourceError;
use aws_sdk_resourcegroupstagging::types::TagFilter;
use orgsim::Settings;

use crate::sdk::{World, calm, pass, seconds, tag};
use crate::{reason, refusal};

async fn tags_of(world: &World, id: &str) -> BTreeMap<String, String> {
    let mut pages = world
        .organizations
        .list_tags_for_resource()
        .resource_id(id)
        .into_paginator()
        .send();
    let mut tags = BTreeMap::new();
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        assert!(page.tags().len() <= 20);
        tags.extend(
            page.tags
                .unwrap_or_default()
                .into_iter()
                .map(|tag| (tag.key, tag.value)),
        );
    }
    tags
}

#[tokio::test(start_paused = true)]
async fn fifty_tags_on_accounts_units_and_the_root() {
    let world = World::new(calm());
    let root = world.root();
    let unit = world.unit(&root, "A").await;
    let account = world.account("a").await;
    for resource in [&root, &unit, &account] {
        let client = &world.organizations;
        let put = |tags| {
            client
                .tag_resource()
                .resource_id(resource)
                .set_tags(Some(tags))
                .send()
        };
        put((0..50).map(|number| tag(&format!("k{number}"), "v")).collect())
            .await
            .unwrap();
        put(vec![tag("k0", "other")]).await.unwrap();
        assert_eq!(
            reason!(
                put(vec![tag("k50", "")]).await,
                TagResourceError::ConstraintViolationException
            )
            .as_deref(),
            Some("MAX_TAG_LIMIT_EXCEEDED")
        );
        let tags = tags_of(&world, resource).await;
        assert_eq!((tags.len(), tags["k0"].as_str()), (50, "other"));
        let untag = client
            .untag_resource()
            .resource_id(resource)
            .tag_keys("k0")
            .tag_keys("absent");
        untag.send().await.unwrap();
        assert_eq!(tags_of(&world, resource).await.len(), 49);
        put(vec![tag("K1", "case matters")]).await.unwrap();
        let refused = put(vec![tag("x", "1"), tag("x", "2")]).await;
        assert_eq!(
            reason!(refused, TagResourceError::InvalidInputException).as_deref(),
            Some("DUPLICATE_TAG_KEY")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_bulk_read_lags_and_filters() {
    let world = World::new(Settings {
        listing_lag: seconds(7),
        ..calm()
    });
    let root = world.root();
    let unit = world.unit(&root, "A").await;
    let account = world.account("a").await;
    for (resource, value) in [(&root, "r"), (&unit, "u"), (&account, "a")] {
        let put = world
            .organizations
            .tag_resource()
            .resource_id(resource)
            .tags(tag("kind", value));
        put.send().await.unwrap();
    }
    let found = |types: &'static [&'static str], filter: Option<TagFilter>| {
        let types = types.iter().map(|kind| (*kind).to_owned()).collect();
        let get = world
            .tagging
            .get_resources()
            .set_resource_type_filters(Some(types));
        let get = get.set_tag_filters(filter.map(|filter| vec![filter]));
        async move {
            let list = get
                .send()
                .await
                .unwrap()
                .resource_tag_mapping_list
                .unwrap_or_default();
            list.into_iter()
                .map(|mapping| mapping.resource_arn.unwrap())
                .collect::<Vec<_>>()
        }
    };
    assert!(found(&[], None).await.is_empty());
    pass(7).await;
    let organization = world.orgsim.organization_id();
    let arn =
        |kind: &str, id: &str| format!("arn:aws:organizations::111111111111:{kind}/{organization}/{id}");
    assert_eq!(
        found(&["organizations:account"], None).await,
        [arn("account", &account)]
    );
    assert_eq!(found(&["organizations:ou"], None).await, [arn("ou", &unit)]);
    assert_eq!(found(&["organizations:root"], None).await, [arn("root", &root)]);
    assert_eq!(found(&["organizations"], None).await.len(), 3);
    assert!(found(&["ec2:instance"], None).await.is_empty());
    let filter = TagFilter::builder().key("kind").values("u").values("x").build();
    assert_eq!(found(&[], Some(filter)).await, [arn("ou", &unit)]);

    // What once had a tag stays, with none; and elsewhere there is nothing.
    let untag = world
        .organizations
        .untag_resource()
        .resource_id(&unit)
        .tag_keys("kind");
    untag.send().await.unwrap();
    pass(7).await;
    let all = world
        .tagging
        .get_resources()
        .resource_type_filters("organizations:ou")
        .send()
        .await
        .unwrap();
    assert_eq!(all.resource_tag_mapping_list()[0].tags(), []);
    let credentials = aws_credential_types::Credentials::for_tests();
    let elsewhere = World::of(world.orgsim.clone(), &credentials, "eu-central-1");
    let nothing = elsewhere.tagging.get_resources().send().await.unwrap();
    assert_eq!(nothing.resource_tag_mapping_list(), []);
}

#[tokio::test(start_paused = true)]
async fn bulk_parameters_that_exclude_each_other() {
    let world = World::new(calm());
    let get = || world.tagging.get_resources();
    let both = get()
        .resource_arn_list("arn:aws:x")
        .resource_type_filters("organizations")
        .send()
        .await;
    assert_eq!(refusal!(both), "InvalidParameterException");
    let filter = get().resource_type_filters("organizations:").send().await;
    assert_eq!(refusal!(filter), "InvalidParameterException");
    let unsupported = world.tagging.get_tag_keys().send().await;
    assert_eq!(refusal!(unsupported), "UnknownOperationException");
}
