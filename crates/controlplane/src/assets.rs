//! Where the binaries are: `KUBEBUILDER_ASSETS`, or a cache directory named after what they are built from.

use std::{env, ffi::OsString, fmt::Write as _, path::PathBuf};

use sha2::{Digest as _, Sha256};

use crate::Error;

/// One program of the control plane and the Go package it is built from.
#[derive(Debug, Clone, Copy)]
pub struct Binary {
    /// File name in the directory of binaries.
    pub name: &'static str,
    /// Go package, a `tool` of `tests/controlplane/go.mod`.
    pub package: &'static str,
}

/// What `cargo xtask control-plane` builds.
pub const BINARIES: [Binary; 5] = [
    Binary {
        name: "etcd",
        package: "go.etcd.io/etcd/server/v3",
    },
    Binary {
        name: "kube-apiserver",
        package: "k8s.io/kubernetes/cmd/kube-apiserver",
    },
    Binary {
        name: "kube-controller-manager",
        package: "k8s.io/kubernetes/cmd/kube-controller-manager",
    },
    Binary {
        name: "kubectl",
        package: "k8s.io/kubernetes/cmd/kubectl",
    },
    Binary {
        name: "helm",
        package: "helm.sh/helm/v4/cmd/helm",
    },
];

/// Flags of `go build`. The version is set because kubectl refuses to compare versions without it; it is
/// that of `k8s.io/kubernetes` in `go.mod`.
pub const BUILD_FLAGS: [&str; 3] = [
    "-trimpath",
    "-ldflags",
    "-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3 \
     -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36",
];

const GO_MOD: &[u8] = include_bytes!("../../../tests/controlplane/go.mod");
const GO_SUM: &[u8] = include_bytes!("../../../tests/controlplane/go.sum");

/// The directory of binaries: `KUBEBUILDER_ASSETS`, else the [cache directory](cache_directory).
///
/// It is an error when etcd or kube-apiserver is not in it; the others are looked for when they are needed.
pub fn assets() -> Result<PathBuf, Error> {
    let directory = match variable("KUBEBUILDER_ASSETS") {
        Some(directory) => PathBuf::from(directory),
        None => cache_directory()?,
    };
    for name in ["etcd", "kube-apiserver"] {
        let file = directory.join(name);
        if !file.is_file() {
            return Err(Error::NoBinaries(file));
        }
    }
    Ok(directory)
}

/// Where `cargo xtask control-plane` puts the binaries: `bulkhead/controlplane/HASH` under `XDG_CACHE_HOME`
/// or `~/.cache`. It need not exist.
pub fn cache_directory() -> Result<PathBuf, Error> {
    let cache = variable("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .ok_or(Error::NoCacheDirectory)?;
    Ok(cache.join("bulkhead").join("controlplane").join(content_hash()))
}

/// SHA-256 of everything the binaries are built from, shortened to 32 hexadecimal digits. Binaries built for
/// another branch, platform or version thus stay beside these.
pub fn content_hash() -> String {
    let mut parts: Vec<&[u8]> = vec![GO_MOD, GO_SUM];
    parts.extend(BUILD_FLAGS.iter().map(|flag| flag.as_bytes()));
    parts.extend(
        BINARIES
            .iter()
            .flat_map(|binary| [binary.name.as_bytes(), binary.package.as_bytes()]),
    );
    parts.extend([env::consts::OS.as_bytes(), env::consts::ARCH.as_bytes()]);
    hash(&parts)
}

fn hash(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        // The length in front keeps ("ab", "c") and ("a", "bc") apart.
        hasher.update(part.len().to_be_bytes());
        hasher.update(part);
    }
    hasher
        .finalize()
        .iter()
        .take(16)
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
            text
        })
}

/// An environment variable; an empty one counts as not set.
fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_depends_on_each_part_and_where_it_ends() {
        assert_eq!(hash(&[b"ab", b"c"]).len(), 32);
        assert_ne!(hash(&[b"ab", b"c"]), hash(&[b"a", b"bc"]));
        assert_eq!(content_hash(), content_hash());
    }

    #[test]
    fn every_binary_is_a_tool_of_the_module_and_the_version_flag_is_its_version() {
        let module = std::str::from_utf8(GO_MOD).unwrap();
        for binary in BINARIES {
            assert!(
                module.contains(&format!("\t{}\n", binary.package)),
                "{}",
                binary.package
            );
        }
        let version = module
            .lines()
            .find_map(|line| line.trim().strip_prefix("k8s.io/kubernetes ")?.split(' ').next())
            .unwrap();
        assert!(
            BUILD_FLAGS[2].contains(&format!("gitVersion={version} ")),
            "{version}"
        );
    }
}
