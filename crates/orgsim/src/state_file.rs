//! A file the organization is kept in, so that it survives the process.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::settings::Settings;
use crate::world::World;

/// A state file: what it holds, and where the next state goes. [`Orgsim::with_state`](crate::Orgsim::with_state) takes
/// it.
pub struct StateFile {
    pub(crate) path: PathBuf,
    pub(crate) world: World,
}

/// A state file that cannot be used. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum StateFileError {
    /// Its directory is missing, its permissions forbid it, and so on.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Truncated, no state file, or of another version.
    #[error("{}: is {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The first state cannot be written.
    #[error("{}: cannot be written: {source}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl StateFile {
    /// Reads the file, or begins a new organization from the settings when there is none. Of a file that is there, who
    /// the organization is, its time and its streams of chance count; the settings say the rest.
    pub fn open(path: impl Into<PathBuf>, settings: Settings) -> Result<Self, StateFileError> {
        let path = path.into();
        let world = match std::fs::read_to_string(&path) {
            Ok(text) => World::restore(&text, settings).map_err(|reason| StateFileError::Malformed {
                path: path.clone(),
                reason,
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => World::new(settings),
            Err(source) => return Err(StateFileError::Unreadable { path, source }),
        };
        let file = Self { path, world };
        // Said now rather than at the first change.
        let text = file.world.save().map_err(io::Error::from);
        text.and_then(|text| write(&file.path, &text))
            .map_err(|source| StateFileError::Unwritable {
                path: file.path.clone(),
                source,
            })?;
        Ok(file)
    }

    /// The organization's time: begin the clock here. It stands still while no process runs.
    pub fn now(&self) -> Timestamp {
        self.world.now()
    }
}

/// Whole or not at all: a temporary file in the same directory, on the disk before it takes the name.
pub(crate) fn write(path: &Path, text: &str) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let temporary = directory.join(name);
    let mut file = File::create(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    // The new name itself is safe only now.
    File::open(directory)?.sync_all()
}
