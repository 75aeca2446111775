//! The workspace the commands work on.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;

use crate::error::{Error, output, shown};

/// The workspace around the current directory.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// A crate of ours.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) manifest_path: PathBuf,
}

impl Package {
    /// The crate's directory name, which is what the code calls it.
    pub(crate) fn directory_name(&self) -> String {
        let directory = self
            .manifest_path
            .parent()
            .and_then(Path::file_name)
            .unwrap_or_default();
        directory.to_string_lossy().into_owned()
    }
}

#[derive(Deserialize)]
struct Metadata {
    workspace_root: PathBuf,
    target_directory: PathBuf,
    packages: Vec<Package>,
}

impl Workspace {
    pub(crate) fn find() -> Result<Self, Error> {
        let mut command = cargo();
        command.args(["metadata", "--no-deps", "--format-version", "1"]);
        let text = output(&mut command)?;
        let Metadata {
            workspace_root,
            target_directory,
            mut packages,
        } = serde_json::from_str(&text).map_err(|source| Error::Output {
            command: shown(&command),
            source,
        })?;
        packages.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self {
            root: workspace_root,
            target: target_directory,
            packages,
        })
    }

    /// `cargo`, at the root.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = cargo();
        command.current_dir(&self.root);
        command
    }
}

/// The cargo that runs us, which need not be the first on the path.
fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}
