//! `examples/acme` is accepted.

use crate::world::World;
use model::AccountKey;
use serde_json::Value;
use std::{fs, path::Path};

#[test]
fn every_account_of_acme_is_accepted() {
    let mut world = World::new();
    world.baselines.clear();
    world.namespaces.clear();
    world.default_baseline = None;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/acme")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        for object in serde_saphyr::from_multiple::<Value>(&text).unwrap() {
            let text = |pointer: &str| object.pointer(pointer).unwrap().as_str().unwrap().to_owned();
            let name = text("/metadata/name");
            match text("/kind").as_str() {
                "Namespace" => {
                    let labels = serde_json::from_value(object["metadata"]["labels"].clone()).unwrap();
                    world.namespaces.insert(name, labels);
                }
                "Baseline" => drop(world.baseline(&name, object["spec"].clone())),
                _ => drop(world.account(&AccountKey::new(text("/metadata/namespace"), name), object)),
            }
        }
    }
    let resolved = world.resolve();
    assert_eq!(resolved.rejections, [].into());
    let revision = resolved.baselines["standard"].clone().unwrap();
    assert_eq!(resolved.baselines.len(), 1);
    assert!(
        resolved
            .desired
            .accounts
            .values()
            .all(|account| account.revision == revision)
    );
    let placed: Vec<String> = resolved
        .desired
        .accounts
        .values()
        .map(|a| format!("{} {} {}", a.key, a.organizational_unit, a.email))
        .collect();
    assert_eq!(
        placed,
        [
            "team-payments/payments-dev Workloads/Dev aws+team-payments.payments-dev@example.com",
            "team-payments/payments-prod Workloads/Prod aws+team-payments.payments-prod@example.com",
            "team-payments/payments-stage Workloads/Stage aws+team-payments.payments-stage@example.com",
            "team-web/shop-dev Workloads/Dev aws+team-web.shop-dev@example.com",
            "team-web/shop-prod Workloads/Prod aws+team-web.shop-prod@example.com",
            "team-web/shop-stage Workloads/Stage aws+team-web.shop-stage@example.com",
        ]
    );
    assert!(
        resolved
            .desired
            .accounts
            .values()
            .any(|account| account.outputs.is_some())
    );
}
