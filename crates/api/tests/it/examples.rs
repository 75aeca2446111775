//! What `examples/acme` applies is accepted, strictly, and reads back as it was written.

use crate::server::refusals;
use serde_json::Value;
use std::{fs, path::Path};

#[test]
fn the_acme_manifests_are_accepted() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/acme");
    let (mut accounts, mut baselines) = (0, 0);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        for object in serde_saphyr::from_multiple::<Value>(&text).unwrap() {
            let kind = object["kind"].as_str().unwrap();
            let read_back = match kind {
                "AwsAccount" => {
                    accounts += 1;
                    serde_json::to_value(serde_json::from_value::<api::AwsAccount>(object.clone()).unwrap())
                        .unwrap()
                }
                "Baseline" => {
                    baselines += 1;
                    serde_json::to_value(serde_json::from_value::<api::Baseline>(object.clone()).unwrap())
                        .unwrap()
                }
                _ => continue,
            };
            assert_eq!(refusals(kind, &object, None), [""; 0], "{}", path.display());
            assert_eq!(read_back, object, "{}", path.display());
        }
    }
    assert_eq!((accounts, baselines), (6, 1));
}
