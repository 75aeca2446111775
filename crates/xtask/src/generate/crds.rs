//! `crds/PLURAL.yaml`, from the types in `api`.

use std::path::Path;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use super::{Generated, HEADER};
use crate::{error::Error, workspace::Workspace};

pub(super) fn produce(_: &Workspace) -> Result<Generated, Error> {
    generated(&api::crds())
}

fn generated(crds: &[CustomResourceDefinition]) -> Result<Generated, Error> {
    let directory = Path::new("crds");
    let mut generated = Generated {
        whole_directories: vec![directory.to_owned()],
        ..Generated::default()
    };
    for crd in crds {
        let name = &crd.spec.names.plural;
        let yaml = serde_saphyr::to_string(crd).map_err(|source| Error::Yaml {
            name: name.clone(),
            source,
        })?;
        generated.files.insert(
            directory.join(format!("{name}.yaml")),
            format!("# {HEADER}\n{yaml}"),
        );
    }
    Ok(generated)
}
