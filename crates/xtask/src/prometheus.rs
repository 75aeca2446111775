//! Fetches the program `prometheus` once, from Debian's package of that name, into the user's cache. No root is needed:
//! nothing is installed.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    error::{Error, output},
    workspace::Workspace,
};

pub(crate) fn run(_: &Workspace) -> Result<(), Error> {
    // The last line on standard output; everything else goes to standard error.
    println!("{}", program()?.display());
    Ok(())
}

/// The program, fetched now if need be. `PROMETHEUS` wins. The tests of `bulkhead-gates` look in the same places.
pub(crate) fn program() -> Result<PathBuf, Error> {
    if let Some(program) = std::env::var_os("PROMETHEUS").filter(|value| !value.is_empty()) {
        return Ok(PathBuf::from(program));
    }
    // `bulkhead/controlplane/HASH`
    let control_plane = controlplane::cache_directory()?;
    let cache = control_plane
        .ancestors()
        .nth(2)
        .unwrap_or(&control_plane)
        .join("prometheus");
    let program = cache.join("prometheus");
    if !program.is_file() {
        fs::create_dir_all(&cache).map_err(Error::file(&cache))?;
        fetch(&cache, &program)?;
    }
    Ok(program)
}

/// Fetches beside the final place and renames, so that an interrupted download is never taken for a whole one, and two at
/// once do no harm.
fn fetch(cache: &Path, program: &Path) -> Result<(), Error> {
    let unfinished = tempfile::Builder::new()
        .prefix(".unfinished-")
        .tempdir_in(cache)
        .map_err(Error::file(cache))?;
    // apt drops its rights for the download, and has to reach the directory without them.
    fs::set_permissions(unfinished.path(), fs::Permissions::from_mode(0o755))
        .map_err(Error::file(unfinished.path()))?;
    eprintln!("fetching Debian's package prometheus, about 20 MB");
    let refused = |error| Error::NoPrometheus(Box::new(error));
    download(unfinished.path()).map_err(refused)?;
    let package = fs::read_dir(unfinished.path())
        .map_err(Error::file(unfinished.path()))?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .unwrap_or_else(|| unfinished.path().join("prometheus.deb"));
    let content = unfinished.path().join("content");
    output(Command::new("dpkg-deb").arg("-x").arg(&package).arg(&content)).map_err(refused)?;
    fs::rename(content.join("usr/bin/prometheus"), program).map_err(Error::file(program))
}

/// With the machine's package lists; where there are none, or they are too old, with lists of its own, which need no root.
fn download(directory: &Path) -> Result<(), Error> {
    let apt = |arguments: &[&str], lists: Option<&Path>| {
        let mut command = Command::new("apt-get");
        command.current_dir(directory);
        if let Some(lists) = lists {
            let state = lists.join("lists");
            let cache = lists.join("cache");
            command
                .arg("-o")
                .arg(format!("Dir::State::Lists={}", state.display()));
            command.arg("-o").arg(format!("Dir::Cache={}", cache.display()));
            command.args(["-o", "APT::Sandbox::User="]);
        }
        output(command.args(arguments))
    };
    if apt(&["download", "prometheus"], None).is_ok() {
        return Ok(());
    }
    let own = directory.join("apt");
    for part in ["lists/partial", "cache/archives/partial"] {
        let part = own.join(part);
        fs::create_dir_all(&part).map_err(Error::file(&part))?;
    }
    apt(&["update"], Some(&own))?;
    apt(&["download", "prometheus"], Some(&own)).map(drop)
}
