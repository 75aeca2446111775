//! Manifests from files, as an API server would take them: its schema, its rules, no unknown field.

use crate::plan;
use serde::de::DeserializeOwned;
use simulator::{Manifest, ManifestError, SimulateError};
use std::{
    io,
    path::{Path, PathBuf},
};

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
    let (mut manifests, mut errors) = (Vec::new(), Vec::new());
    for manifest in simulator::load(paths)? {
        match about(&manifest) {
            Ok(true) => manifests.push(manifest),
            Ok(false) => {}
            Err(error) => errors.push(error),
        }
    }
    if !errors.is_empty() {
        return Err(ManifestError::Several(errors).into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(Error::Runtime)?;
    runtime.block_on(admitted(&manifests))?;
    Ok(manifests)
}

/// Judges manifests as the API server does; where it refuses some, what the operator would refuse of promotions is told with
/// it, so that people correct all of it at once.
pub(crate) async fn admitted(manifests: &[Manifest]) -> Result<(), SimulateError> {
    let error = match simulator::admit(manifests).await {
        Err(SimulateError::Manifest(error)) => error,
        other => return other,
    };
    let mut errors = error.each();
    for wrong in plan::invalid_promotions(manifests) {
        let known = errors.iter().any(|known| place(known) == place(&wrong));
        if !known {
            errors.push(wrong);
        }
    }
    Err(ManifestError::Several(errors).into())
}

fn place(error: &ManifestError) -> Option<(&Path, usize)> {
    match error {
        ManifestError::Wrong { file, line, .. } => Some((file, *line)),
        _ => None,
    }
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
