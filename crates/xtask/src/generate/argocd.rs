//! `deploy/argocd`: the script of health, which is the same for every kind, where upstream's layout wants it, and
//! `argocd-cm.yaml`: all scripts as keys of Argo CD's configuration.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use super::{Generated, HEADER};
use crate::{error::Error, workspace::Workspace};

const DIRECTORY: &str = "deploy/argocd";

pub(super) fn produce(workspace: &Workspace) -> Result<Generated, Error> {
    let mut generated = Generated::default();
    let directory = workspace.root.join(DIRECTORY);
    let health = health(&directory)?;
    let scripts = Path::new("resource_customizations").join(api::GROUP);
    for kind in names(&directory.join(&scripts))? {
        let path = Path::new(DIRECTORY).join(&scripts).join(kind).join("health.lua");
        generated.files.insert(path, health.clone());
    }
    let path = Path::new(DIRECTORY).join("argocd-cm.yaml");
    generated.files.insert(path, config_map(&directory, &health)?);
    Ok(generated)
}

/// The script of health as it stands with each kind.
fn health(directory: &Path) -> Result<String, Error> {
    Ok(format!("-- {HEADER}\n{}", read(&directory.join("health.lua"))?))
}

fn config_map(directory: &Path, health: &str) -> Result<String, Error> {
    let mut text = format!(
        "# {HEADER}\n\
         # Adds to the configuration of Argo CD: kubectl apply --server-side --field-manager=bulkhead -f deploy/argocd/argocd-cm.yaml\n\
         apiVersion: v1\n\
         kind: ConfigMap\n\
         metadata: {{name: argocd-cm, namespace: argocd}}\n\
         data:\n"
    );
    for kind in names(&directory.join("resource_customizations").join(api::GROUP))? {
        let of = directory
            .join("resource_customizations")
            .join(api::GROUP)
            .join(&kind);
        let key = |what: &str| format!("  resource.customizations.{what}.{}_{kind}: |\n", api::GROUP);
        text.push_str(&key("health"));
        text.push_str(&indented(health, 4));
        let actions = of.join("actions");
        if actions.exists() {
            text.push_str(&key("actions"));
            let discovery = indented(&read(&actions.join("discovery.lua"))?, 6);
            let _ = write!(text, "    discovery.lua: |\n{discovery}    definitions:\n");
            for action in names(&actions)? {
                let script = actions.join(&action).join("action.lua");
                if script.exists() {
                    let script = indented(&read(&script)?, 8);
                    let _ = write!(text, "    - name: {action}\n      action.lua: |\n{script}");
                }
            }
        }
        text.push_str(&key("ignoreResourceUpdates"));
        text.push_str("    jsonPointers:\n    - /status\n");
    }
    Ok(text)
}

/// What is in a directory, in order.
fn names(directory: &Path) -> Result<Vec<String>, Error> {
    let entries = fs::read_dir(directory).map_err(Error::file(directory))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::file(directory))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn read(path: &PathBuf) -> Result<String, Error> {
    fs::read_to_string(path).map_err(Error::file(path))
}

/// As the block of a YAML literal.
fn indented(text: &str, by: usize) -> String {
    let mut indented = String::new();
    for line in text.lines() {
        let by = if line.is_empty() { 0 } else { by };
        let _ = writeln!(indented, "{:by$}{line}", "");
    }
    indented
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn every_script_is_in_it_to_the_letter() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .join(DIRECTORY);
        let map: Value =
            serde_saphyr::from_str(&config_map(&root, &health(&root).unwrap()).unwrap()).unwrap();
        let data = map["data"].as_object().unwrap();
        let of = |what: &str, kind: &str| {
            let key = format!("resource.customizations.{what}.bulkhead.dev_{kind}");
            data[&key].as_str().unwrap().to_owned()
        };
        let scripts = root.join("resource_customizations/bulkhead.dev");
        let kinds = names(&scripts).unwrap();
        assert_eq!(
            kinds,
            ["AwsAccount", "Baseline", "EnvironmentPromotion", "Organization"]
        );
        for kind in &kinds {
            let script = fs::read_to_string(scripts.join(kind).join("health.lua")).unwrap();
            assert_eq!(of("health", kind), script);
            assert_eq!(of("ignoreResourceUpdates", kind), "jsonPointers:\n- /status\n");
        }
        assert_eq!(data.len(), 4 * 2 + 2);
        for (kind, count) in [("AwsAccount", 1), ("EnvironmentPromotion", 6)] {
            let actions: Value = serde_saphyr::from_str(&of("actions", kind)).unwrap();
            let directory = scripts.join(kind).join("actions");
            let discovery = fs::read_to_string(directory.join("discovery.lua")).unwrap();
            assert_eq!(actions["discovery.lua"], discovery);
            let definitions = actions["definitions"].as_array().unwrap();
            assert_eq!(definitions.len(), count);
            for definition in definitions {
                let script = directory
                    .join(definition["name"].as_str().unwrap())
                    .join("action.lua");
                assert_eq!(definition["action.lua"], fs::read_to_string(script).unwrap());
            }
        }
    }
}
