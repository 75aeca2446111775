//! Manifests from files, as an API server would take them: its schema, its rules, no unknown field.

use serde::de::DeserializeOwned;
use simulator::{Manifest, ManifestError, SimulateError};
use std::{io, path::PathBuf};

/// Why they cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Admission(#[from] SimulateError),
    #[error("the runtime could not be started")]
    Runtime(#[source] io::Error),
}

impl From<ManifestError> for Error {
    fn from(error: ManifestError) -> Self {
        Self::Admission(SimulateError::Manifest(error))
    }
}

/// Loads all manifests of these files and directories; one that an API server would refuse is an error with its line.
/// `about`: is this one judged, passed over, or wrong by itself?
pub(crate) fn load(
    paths: &[PathBuf],
    mut about: impl FnMut(&Manifest) -> Result<bool, ManifestError>,
) -> Result<Vec<Manifest>, Error> {
    let mut manifests = Vec::new();
    for manifest in simulator::load(paths)? {
        if about(&manifest)? {
            manifests.push(manifest);
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(Error::Runtime)?;
    runtime.block_on(simulator::admit(&manifests))?;
    Ok(manifests)
}

/// The object as its kind.
pub(crate) fn decode<K: DeserializeOwned>(manifest: &Manifest) -> Result<K, Error> {
    K::deserialize(&manifest.object).map_err(|error| {
        Error::from(ManifestError::Wrong {
            file: manifest.file.clone(),
            line: manifest.line,
            reason: format!("{manifest}: {error}"),
        })
    })
}
