//! Organizational units.

use aws_sdk_organizations::operation::create_organizational_unit::CreateOrganizationalUnitError;
use serde_json::json;

use crate::sdk::{World, calm};
use crate::wire::call;
use crate::{reason, refusal};

#[tokio::test(start_paused = true)]
async fn a_tree_is_built_listed_renamed_and_deleted() {
    let world = World::new(calm());
    let root = world.root();
    let workloads = world.unit(&root, "Workloads").await;
    let prod = world.unit(&workloads, "Prod").await;
    let client = &world.organizations;

    let described = client
        .describe_organizational_unit()
        .organizational_unit_id(&prod)
        .send()
        .await
        .unwrap();
    let unit = described.organizational_unit.unwrap();
    let organization = world.orgsim.organization_id();
    assert_eq!(
        unit.path.as_deref(),
        Some(format!("{organization}/{root}/{workloads}/{prod}/").as_str())
    );
    assert_eq!(
        unit.arn.unwrap(),
        format!("arn:aws:organizations::111111111111:ou/{organization}/{prod}")
    );
    let listed = client
        .list_organizational_units_for_parent()
        .parent_id(&root)
        .send()
        .await
        .unwrap();
    assert_eq!(listed.organizational_units()[0].name(), Some("Workloads"));
    let roots = client.list_roots().send().await.unwrap();
    assert_eq!(roots.roots()[0].id(), Some(root.as_str()));
    let parents = client.list_parents().child_id(&prod).send().await.unwrap();
    assert_eq!(parents.parents()[0].id(), Some(workloads.as_str()));

    let rename = |id: &str, name: &str| {
        client
            .update_organizational_unit()
            .organizational_unit_id(id)
            .name(name)
            .send()
    };
    rename(&prod, "Prod").await.unwrap();
    rename(&prod, "Production").await.unwrap();
    let state = world.orgsim.state();
    let view = state
        .organizational_units
        .iter()
        .find(|unit| unit.id == prod)
        .unwrap();
    assert_eq!(view.path, "Workloads/Production");

    let delete = |id: &str| {
        client
            .delete_organizational_unit()
            .organizational_unit_id(id)
            .send()
    };
    assert_eq!(
        refusal!(delete(&workloads).await),
        "OrganizationalUnitNotEmptyException"
    );
    let account = world.account("a").await;
    let to_prod = client.move_account().account_id(&account).source_parent_id(&root);
    to_prod.destination_parent_id(&prod).send().await.unwrap();
    assert_eq!(
        refusal!(delete(&prod).await),
        "OrganizationalUnitNotEmptyException"
    );
    let back = client.move_account().account_id(&account).source_parent_id(&prod);
    back.destination_parent_id(&root).send().await.unwrap();
    delete(&prod).await.unwrap();
    delete(&workloads).await.unwrap();
    assert_eq!(
        refusal!(delete(&workloads).await),
        "OrganizationalUnitNotFoundException"
    );
}

#[tokio::test(start_paused = true)]
async fn names_are_unique_among_siblings_only() {
    let world = World::new(calm());
    let root = world.root();
    let a = world.unit(&root, "A").await;
    let b = world.unit(&root, "B").await;
    world.unit(&a, "X").await;
    let x = world.unit(&b, "X").await;
    let client = &world.organizations;
    let again = client
        .create_organizational_unit()
        .parent_id(&root)
        .name("A")
        .send()
        .await;
    assert_eq!(refusal!(again), "DuplicateOrganizationalUnitException");
    let renamed = client
        .update_organizational_unit()
        .organizational_unit_id(&b)
        .name("A")
        .send()
        .await;
    assert_eq!(refusal!(renamed), "DuplicateOrganizationalUnitException");
    client
        .update_organizational_unit()
        .organizational_unit_id(&x)
        .name("A")
        .send()
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn five_levels_and_two_thousand_units() {
    let world = World::new(calm());
    let mut parent = world.root();
    for level in 1..=5 {
        parent = world.unit(&parent, &format!("Level{level}")).await;
    }
    let create = |parent: &str, name: &str| {
        world
            .organizations
            .create_organizational_unit()
            .parent_id(parent)
            .name(name)
            .send()
    };
    assert_eq!(
        reason!(
            create(&parent, "Level6").await,
            CreateOrganizationalUnitError::ConstraintViolationException
        )
        .as_deref(),
        Some("OU_DEPTH_LIMIT_EXCEEDED")
    );
    let root = world.root();
    for number in 5..2_000 {
        let body = json!({"ParentId": root, "Name": format!("Unit{number}")});
        let (status, _) = call(&world.orgsim, "CreateOrganizationalUnit", &body).await;
        assert_eq!(status, 200);
    }
    assert_eq!(
        reason!(
            create(&root, "Last").await,
            CreateOrganizationalUnitError::ConstraintViolationException
        )
        .as_deref(),
        Some("OU_NUMBER_LIMIT_EXCEEDED")
    );
}

#[tokio::test(start_paused = true)]
async fn what_does_not_exist_is_not_found() {
    let world = World::new(calm());
    let client = &world.organizations;
    let nowhere = "ou-a1b2-00000000";
    let create = client
        .create_organizational_unit()
        .parent_id(nowhere)
        .name("A")
        .send()
        .await;
    assert_eq!(refusal!(create), "ParentNotFoundException");
    let list = client.list_accounts_for_parent().parent_id(nowhere).send().await;
    assert_eq!(refusal!(list), "ParentNotFoundException");
    let units = client
        .list_organizational_units_for_parent()
        .parent_id("r-9999")
        .send()
        .await;
    assert_eq!(refusal!(units), "ParentNotFoundException");
    let children = client
        .list_children()
        .parent_id(nowhere)
        .child_type("ACCOUNT".into())
        .send()
        .await;
    assert_eq!(refusal!(children), "ParentNotFoundException");
    let parents = client.list_parents().child_id("123456789012").send().await;
    assert_eq!(refusal!(parents), "ChildNotFoundException");
    let describe = client
        .describe_organizational_unit()
        .organizational_unit_id(nowhere)
        .send()
        .await;
    assert_eq!(refusal!(describe), "OrganizationalUnitNotFoundException");
    let account = client.describe_account().account_id("123456789012").send().await;
    assert_eq!(refusal!(account), "AccountNotFoundException");
    let status = client
        .describe_create_account_status()
        .create_account_request_id("car-00000000")
        .send()
        .await;
    assert_eq!(refusal!(status), "CreateAccountStatusNotFoundException");
    let tags = client.list_tags_for_resource().resource_id(nowhere).send().await;
    assert_eq!(refusal!(tags), "TargetNotFoundException");
}
