//! The files under `deploy/argocd/resource_customizations`.

use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The kinds that have a status writer.
pub(crate) const KINDS: [&str; 4] = ["AwsAccount", "Baseline", "EnvironmentPromotion", "Organization"];

/// The directory of a kind.
pub(crate) fn directory(kind: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/argocd/resource_customizations");
    root.join(api::GROUP).join(kind)
}

/// A script of a kind.
pub(crate) fn script(kind: &str, path: &str) -> String {
    let path = directory(kind).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A file of YAML.
pub(crate) fn yaml(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The objects in a kind's `testdata`, by name.
pub(crate) fn testdata(kind: &str) -> Vec<(String, Value)> {
    let directory = directory(kind).join("testdata");
    let mut all: Vec<(String, Value)> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, yaml(&path))
        })
        .collect();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all
}
