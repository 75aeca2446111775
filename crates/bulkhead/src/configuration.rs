//! The operator's configuration file, for every command that reads one.

use operator::{Config, ConfigError};
use std::{
    io,
    path::{Path, PathBuf},
};

/// The installation of commands that are given no configuration.
const EXAMPLE: &str = "{installation: example}";

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}", path.display())]
    Invalid { path: PathBuf, source: ConfigError },
}

/// Reads the file.
pub(crate) fn read(path: &Path) -> Result<Config, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    parse(path, &text)
}

/// Reads the file, if there is one; else everything is at its default, for the installation `example`.
pub(crate) fn read_or_example(path: Option<&Path>) -> Result<Config, Error> {
    path.map_or_else(|| parse(Path::new("the default configuration"), EXAMPLE), read)
}

fn parse(path: &Path, text: &str) -> Result<Config, Error> {
    Config::parse(text).map_err(|source| Error::Invalid {
        path: path.to_owned(),
        source,
    })
}
