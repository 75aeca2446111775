//! What can go wrong in a developer command. The developer who runs it reads the message and acts.

use std::{
    io,
    path::PathBuf,
    process::{Command, ExitCode, ExitStatus},
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A program could not be started: it is not installed, or not built.
    #[error("cannot run `{command}`")]
    Start { command: String, source: io::Error },
    /// A program said why itself, on standard error.
    #[error("`{command}` failed ({status})")]
    Failed { command: String, status: ExitStatus },
    /// A program's output is not what it documents.
    #[error("cannot read the output of `{command}`")]
    Output {
        command: String,
        source: serde_json::Error,
    },
    #[error("cannot read or write {}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("cannot write {name} as YAML")]
    Yaml {
        name: String,
        source: serde_saphyr::ser::Error,
    },
    #[error("README.md: {0}")]
    Marker(String),
    /// The findings have been printed already.
    #[error("{0}")]
    Findings(String),
    #[error(
        "{found}; install Go {needed} or newer, or set KUBEBUILDER_ASSETS to a directory with \
             etcd, kube-apiserver, kube-controller-manager and kubectl"
    )]
    Go { found: String, needed: String },
    /// The machine is no Debian, or knows no packages: the developer installs a Prometheus, or runs `apt-get update`.
    #[error(
        "cannot fetch Debian's package prometheus; set PROMETHEUS to the program, or run `apt-get update`"
    )]
    NoPrometheus(#[source] Box<Error>),
    #[error(transparent)]
    ControlPlane(#[from] controlplane::Error),
    /// A part of the playground did not come up; its log says why.
    #[error("{name} {problem}; the end of its log:\n{log}")]
    Playground {
        name: String,
        problem: String,
        log: String,
    },
}

impl Error {
    /// The exit code of the program that failed, so that a wrapper sees what it would have seen without us.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Failed { status, .. } => status
                .code()
                .and_then(|code| u8::try_from(code).ok())
                .map_or(ExitCode::FAILURE, ExitCode::from),
            _ => ExitCode::FAILURE,
        }
    }

    /// For `map_err`: what was done to which file.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}

/// A command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let name = std::path::Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program());
    std::iter::once(name)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Runs a command with our own input and output.
pub(crate) fn run(command: &mut Command) -> Result<(), Error> {
    let status = command.status().map_err(|source| Error::Start {
        command: shown(command),
        source,
    })?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::Failed {
            command: shown(command),
            status,
        })
    }
}

/// Runs a command and returns what it prints.
pub(crate) fn output(command: &mut Command) -> Result<String, Error> {
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|source| Error::Start {
            command: shown(command),
            source,
        })?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(Error::Failed {
            command: shown(command),
            status: output.status,
        })
    }
}
