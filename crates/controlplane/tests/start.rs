//! The launcher against the real binaries.

use controlplane::{Options, User};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{DeleteParams, ListParams, ObjectMeta, PostParams},
};

#[tokio::test]
async fn lists_namespaces_as_admin_and_refuses_a_stranger() {
    let options = Options {
        users: vec![User::new("stranger", &["people", "guests"])],
        ..Options::default()
    };
    let Some(cluster) = controlplane::start_or_skip(options).await else {
        return;
    };

    let namespaces: Api<Namespace> = Api::all(cluster.client().unwrap());
    let names: Vec<String> = namespaces
        .list(&ListParams::default())
        .await
        .unwrap()
        .into_iter()
        .filter_map(|namespace| namespace.metadata.name)
        .collect();
    assert!(names.contains(&"default".to_owned()), "{names:?}");

    let namespaces: Api<Namespace> = Api::all(cluster.client_for("stranger").unwrap());
    let error = namespaces.list(&ListParams::default()).await.unwrap_err();
    assert!(
        matches!(&error, kube::Error::Api(status) if status.is_forbidden()),
        "{error}"
    );

    assert!(matches!(
        cluster.config_for("nobody"),
        Err(controlplane::Error::UnknownUser(_))
    ));
    let directory = cluster.directory().to_owned();
    assert!(cluster.kubeconfig().starts_with(&directory) && cluster.kubeconfig().is_file());
    drop(cluster);
    assert!(!directory.exists());
}

#[tokio::test]
async fn the_controller_manager_finalises_a_namespace() {
    let options = Options {
        controller_manager: true,
        ..Options::default()
    };
    let Some(cluster) = controlplane::start_or_skip(options).await else {
        return;
    };

    let namespaces: Api<Namespace> = Api::all(cluster.client().unwrap());
    let namespace = Namespace {
        metadata: ObjectMeta {
            name: Some("short-lived".to_owned()),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    };
    namespaces
        .create(&PostParams::default(), &namespace)
        .await
        .unwrap();
    namespaces
        .delete("short-lived", &DeleteParams::default())
        .await
        .unwrap();
    for _ in 0..300 {
        if namespaces.get_opt("short-lived").await.unwrap().is_none() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the namespace is still there");
}
