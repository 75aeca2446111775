//! MoveAccount: the source is a compare-and-swap guard.

use crate::refusal;
use crate::sdk::{World, calm};

#[tokio::test(start_paused = true)]
async fn the_source_must_be_where_the_account_is() {
    let world = World::new(calm());
    let root = world.root();
    let (a, b) = (world.unit(&root, "A").await, world.unit(&root, "B").await);
    let id = world.account("x").await;
    let move_account = |id: &str, from: &str, to: &str| {
        let client = &world.organizations;
        client
            .move_account()
            .account_id(id)
            .source_parent_id(from)
            .destination_parent_id(to)
            .send()
    };
    move_account(&id, &root, &a).await.unwrap();
    let parent = || {
        world
            .orgsim
            .state()
            .accounts
            .iter()
            .find(|x| x.id == id)
            .unwrap()
            .parent
            .clone()
    };
    assert_eq!(parent(), a);
    let path = world.describe(&id).await.paths().join("");
    assert!(path.ends_with(&format!("{root}/{a}/{id}/")), "{path}");

    assert_eq!(
        refusal!(move_account(&id, &root, &b).await),
        "SourceParentNotFoundException"
    );
    assert_eq!(
        refusal!(move_account(&id, &root, &a).await),
        "DuplicateAccountException"
    );
    let nowhere = "ou-a1b2-00000000";
    assert_eq!(
        refusal!(move_account(&id, &a, nowhere).await),
        "DestinationParentNotFoundException"
    );
    assert_eq!(
        refusal!(move_account("999999999999", &a, &b).await),
        "AccountNotFoundException"
    );
    assert_eq!(
        refusal!(move_account("12", &a, &b).await),
        "InvalidInputException"
    );
    assert_eq!(parent(), a, "a refused move moves nothing");

    let children = world
        .organizations
        .list_children()
        .parent_id(&a)
        .child_type("ACCOUNT".into());
    let children = children.send().await.unwrap();
    assert_eq!(children.children()[0].id(), Some(id.as_str()));
    let in_root = world
        .organizations
        .list_accounts_for_parent()
        .parent_id(&root)
        .send()
        .await
        .unwrap();
    assert_eq!(in_root.accounts().len(), 1, "only the management account is left");
}
