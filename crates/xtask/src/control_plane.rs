//! Builds the binaries of the control plane once, from `tests/controlplane/go.mod`, into the user's cache.

use std::{
    fs::{self, File, TryLockError},
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use controlplane::BINARIES;

use crate::{
    error::{Error, shown},
    workspace::Workspace,
};

/// The `go` line of `tests/controlplane/go.mod`.
const GO: (u32, u32) = (1, 26);

pub(crate) fn run(workspace: &Workspace) -> Result<(), Error> {
    // The last line on standard output; everything else goes to standard error.
    println!("{}", directory(workspace)?.display());
    Ok(())
}

/// The directory of binaries, built now if need be. `KUBEBUILDER_ASSETS` wins.
pub(crate) fn directory(workspace: &Workspace) -> Result<PathBuf, Error> {
    if std::env::var_os("KUBEBUILDER_ASSETS").is_some_and(|value| !value.is_empty()) {
        return Ok(controlplane::assets()?);
    }
    let directory = controlplane::cache_directory()?;
    if is_complete(&directory) {
        return Ok(directory);
    }
    let cache = directory.parent().unwrap_or(&directory);
    fs::create_dir_all(cache).map_err(Error::file(cache))?;
    let _lock = lock(&directory.with_extension("lock"))?;
    // Whoever held the lock has probably built them.
    if !is_complete(&directory) {
        build(workspace, cache, &directory)?;
    }
    Ok(directory)
}

fn is_complete(directory: &Path) -> bool {
    BINARIES
        .iter()
        .all(|binary| directory.join(binary.name).is_file())
}

/// Waits until no other process builds. The operating system gives the lock back when its holder ends.
fn lock(path: &Path) -> Result<File, Error> {
    let file = File::create(path).map_err(Error::file(path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            eprintln!("another process is building the control plane; waiting for it");
            file.lock().map_err(Error::file(path))?;
        }
        Err(TryLockError::Error(source)) => {
            return Err(Error::File {
                path: path.to_owned(),
                source,
            });
        }
    }
    Ok(file)
}

/// Builds beside the final place and renames, so that an interrupted build is never taken for a whole one.
fn build(workspace: &Workspace, cache: &Path, directory: &Path) -> Result<(), Error> {
    const UNFINISHED: &str = ".unfinished-";
    let module = workspace.root.join("tests").join("controlplane");
    check_go(&module)?;
    // We hold the lock, so what is left here was left by a build that was killed.
    for entry in fs::read_dir(cache).map_err(Error::file(cache))? {
        let entry = entry.map_err(Error::file(cache))?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            fs::remove_dir_all(entry.path()).map_err(Error::file(entry.path()))?;
        }
    }
    let unfinished = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempdir_in(cache)
        .map_err(Error::file(cache))?;
    eprintln!("building the control plane: about 10 minutes the first time, seconds with a warm Go cache");
    for (index, binary) in BINARIES.iter().enumerate() {
        let what = format!("[{}/{}] {}", index + 1, BINARIES.len(), binary.name);
        let mut command = Command::new("go");
        command
            .arg("build")
            .args(controlplane::BUILD_FLAGS)
            .arg("-o")
            .arg(unfinished.path().join(binary.name))
            .arg(binary.package)
            .env("GOWORK", "off") // a go.work around the checkout has no say here
            .current_dir(&module);
        run_with_progress(&what, &mut command)?;
    }
    if directory.exists() {
        fs::remove_dir_all(directory).map_err(Error::file(directory))?;
    }
    fs::rename(unfinished.keep(), directory).map_err(Error::file(directory))
}

/// A silent quarter of an hour looks like a hang: a line every half minute.
fn run_with_progress(what: &str, command: &mut Command) -> Result<(), Error> {
    eprintln!("{what} ...");
    let begin = Instant::now();
    let mut next = Duration::from_secs(30);
    let mut child = command
        .stdout(std::io::stderr())
        .spawn()
        .map_err(|source| Error::Start {
            command: shown(command),
            source,
        })?;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|source| Error::Start {
            command: shown(command),
            source,
        })? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(100));
        if begin.elapsed() > next {
            eprintln!("{what} ... {} s", begin.elapsed().as_secs());
            next += Duration::from_secs(30);
        }
    };
    if !status.success() {
        return Err(Error::Failed {
            command: shown(command),
            status,
        });
    }
    eprintln!("{what} done in {} s", begin.elapsed().as_secs());
    Ok(())
}

/// Asks in the module's directory, where Go's own toolchain selection has its effect.
fn check_go(module: &Path) -> Result<(), Error> {
    let needed = format!("{}.{}", GO.0, GO.1);
    let refuse = |found: String| {
        Err(Error::Go {
            found,
            needed: needed.clone(),
        })
    };
    let output = match Command::new("go")
        .args(["env", "GOVERSION"])
        .current_dir(module)
        .output()
    {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return refuse("the control plane is built with Go, and there is no `go` on the path".to_owned());
        }
        Err(source) => {
            return Err(Error::Start {
                command: "go env GOVERSION".to_owned(),
                source,
            });
        }
    };
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match parse_go_version(&version) {
        Some(found) if found >= GO => Ok(()),
        Some(_) => refuse(format!(
            "the control plane is built with Go, and this one is {version}"
        )),
        None => refuse(format!(
            "the control plane is built with Go, and `go env GOVERSION` says {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}

/// `go1.26.8`, `go1.27rc1`, `go1.26.0-custom` -> major and minor.
fn parse_go_version(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.strip_prefix("go")?.split('.');
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next()?;
    let digits = minor
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(minor.len());
    Some((major, minor[..digits].parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_versions() {
        assert_eq!(parse_go_version("go1.26.8"), Some((1, 26)));
        assert_eq!(parse_go_version("go1.27rc1"), Some((1, 27)));
        assert_eq!(parse_go_version("go1.9"), Some((1, 9)));
        assert_eq!(parse_go_version("devel"), None);
        assert!((1, 9) < GO && (1, 27) >= GO && (2, 0) >= GO);
    }
}
