//! The one Baseline in a file, judged as the operator judges it.

use crate::{configuration, manifests};
use api::{Baseline, BaselineRevisionSpec};
use desired::{Decoded, EnvironmentState, Inputs, Memory};
use model::Revision;
use operator::Config;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Where standard input is read as a file.
const STDIN: &str = "/dev/stdin";

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Config(#[from] configuration::Error),
    #[error(transparent)]
    Manifest(#[from] manifests::Error),
    #[error("{}: {count} Baselines are in it; exactly one must be", path.display())]
    Count { path: PathBuf, count: usize },
    #[error("{}: Baseline {baseline:?} is not accepted: {message}", path.display())]
    Refused {
        path: PathBuf,
        baseline: String,
        message: String,
    },
}

impl Error {
    /// The Baseline was read, and the operator would not take it.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}

/// A Baseline as it was read.
pub(super) struct Given {
    pub(super) object: Arc<Baseline>,
    config: Config,
    path: PathBuf,
}

/// A Baseline that the operator would take.
pub(super) struct Accepted {
    pub(super) revision: Revision,
    pub(super) content: Arc<BaselineRevisionSpec>,
    pub(super) environments: BTreeMap<String, EnvironmentState>,
    path: PathBuf,
}

impl Accepted {
    /// It is not what it must be.
    pub(super) fn refused(&self, message: String) -> Error {
        Error::Refused {
            path: self.path.clone(),
            baseline: self.content.baseline.clone(),
            message,
        }
    }
}

impl Given {
    /// The one Baseline in the file; `-`: standard input.
    pub(super) fn read(path: &Path, config: Option<&Path>) -> Result<Self, Error> {
        let config = configuration::read_or_example(config)?;
        let file = if path == "-" {
            STDIN.into()
        } else {
            path.to_owned()
        };
        let found = manifests::load(&[file], |manifest| Ok(manifest.kind() == "Baseline"))?;
        let [only] = found.as_slice() else {
            return Err(Error::Count {
                path: path.to_owned(),
                count: found.len(),
            });
        };
        let object: Baseline = manifests::decode(only)?;
        Ok(Self {
            object: Arc::new(object),
            config,
            path: path.to_owned(),
        })
    }

    pub(super) fn name(&self) -> &str {
        self.object.metadata.name.as_deref().unwrap_or_default()
    }

    /// What the operator would make of it in a cluster that has nothing else.
    pub(super) fn accepted(&self) -> Result<Accepted, Error> {
        let name = self.name();
        let settings = self.config.policy_settings();
        let baselines = BTreeMap::from([(name.to_owned(), Decoded::Good(Arc::clone(&self.object)))]);
        let inputs = Inputs {
            promoted: &desired::Promoted::default(),
            accounts: &BTreeMap::new(),
            baselines: &baselines,
            revisions: &BTreeMap::new(),
            namespaces: &BTreeMap::new(),
            outputs: &BTreeMap::new(),
            installation: &self.config.installation,
            default_baseline: None,
            policy_settings: &settings,
        };
        let mut resolved = desired::resolve(&inputs, &mut Memory::default());
        let refused = |message: String| Error::Refused {
            path: self.path.clone(),
            baseline: name.to_owned(),
            message,
        };
        let verdict = resolved.baselines.remove(name);
        let verdict = verdict.ok_or_else(|| refused("it was not judged".to_owned()))?;
        let revision =
            verdict.map_err(|rejection| refused(format!("{}: {}", rejection.reason, rejection.message)))?;
        let content = resolved.revisions.remove(&revision.name);
        Ok(Accepted {
            content: content.ok_or_else(|| refused("it has no revision".to_owned()))?,
            revision,
            environments: resolved.environments.remove(name).unwrap_or_default(),
            path: self.path.clone(),
        })
    }
}
