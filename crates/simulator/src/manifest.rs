//! Manifests from files, with the place each one stands at.

use crate::places;
use serde_json::Value;
use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// One object from a file.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The file.
    pub file: PathBuf,
    /// Line its document begins at, from 1.
    pub line: usize,
    /// The object.
    pub object: Value,
    source: String,
}

impl Manifest {
    /// A namespace that stands in no file.
    pub(crate) fn namespace_named(name: &str) -> Self {
        Self {
            file: PathBuf::new(),
            line: 0,
            object: serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}),
            source: String::new(),
        }
    }

    /// Reads `metadata.NAME` as text.
    fn metadata(&self, name: &str) -> Option<&str> {
        self.object["metadata"][name].as_str()
    }
    /// What is wrong with it, at the line of a field.
    pub(crate) fn wrong(&self, field: &str, reason: String) -> ManifestError {
        ManifestError::Wrong {
            file: self.file.clone(),
            line: self.line_of(field),
            reason,
        }
    }
    /// Its kind.
    pub fn kind(&self) -> &str {
        self.object["kind"].as_str().unwrap_or_default()
    }
    /// Its name.
    pub fn name(&self) -> &str {
        self.metadata("name").unwrap_or_default()
    }
    /// Its namespace; empty if it names none.
    pub fn namespace(&self) -> &str {
        self.metadata("namespace").unwrap_or_default()
    }

    /// The line of a field, by its path: `spec.owner.team`, `spec.stages[2].gates[0].type`; members of lists by number or by
    /// name. Of a path that ends nowhere, that of the last part that is there.
    pub fn line_of(&self, path: &str) -> usize {
        self.line + places::line_of(&self.source, path).saturating_sub(1)
    }
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.namespace().is_empty() { "" } else { "/" };
        write!(
            f,
            "{} {}{separator}{}",
            self.kind(),
            self.namespace(),
            self.name()
        )
    }
}

/// Manifests that cannot be used. Whoever wrote them should act.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// A path cannot be read.
    #[error("{}", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No manifest in any of the paths.
    #[error("{}: no manifest found (files that end in .yaml, .yml or .json)", path.display())]
    Empty {
        /// The path.
        path: PathBuf,
    },
    /// A manifest is wrong.
    #[error("{}:{line}: {reason}", file.display())]
    Wrong {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Why.
        reason: String,
    },
    /// Several are wrong: one line for each.
    #[error("{}", lines(.0))]
    Several(Vec<ManifestError>),
}

impl ManifestError {
    /// All of them as one; `None`: there is none.
    pub(crate) fn all(mut errors: Vec<Self>) -> Option<Self> {
        match errors.len() {
            0 | 1 => errors.pop(),
            _ => Some(Self::Several(errors)),
        }
    }

    /// The errors that it consists of.
    pub fn each(self) -> Vec<Self> {
        match self {
            Self::Several(errors) => errors,
            error => vec![error],
        }
    }
}

/// Each with its causes, on a line of its own.
fn lines(errors: &[ManifestError]) -> String {
    let line = |error: &ManifestError| match error {
        ManifestError::Unreadable { source, .. } => format!("{error}: {source}"),
        error => error.to_string(),
    };
    let lines: Vec<String> = errors.iter().map(line).collect();
    lines.join("\n")
}

/// Loads all manifests of these files and directories. A directory gives its files that end in `.yaml`, `.yml` or
/// `.json`, in the order of their names, as `kubectl apply -f` does; Namespaces come first.
pub fn load(paths: &[PathBuf]) -> Result<Vec<Manifest>, ManifestError> {
    let (mut manifests, mut errors) = (Vec::new(), Vec::new());
    for path in paths {
        let before = (manifests.len(), errors.len());
        for file in files(path)? {
            let text = std::fs::read_to_string(&file).map_err(|source| ManifestError::Unreadable {
                path: file.clone(),
                source,
            });
            match text.and_then(|text| parse(&file, &text)) {
                Ok(found) => manifests.extend(found),
                Err(error) => errors.extend(error.each()),
            }
        }
        if (manifests.len(), errors.len()) == before {
            return Err(ManifestError::Empty { path: path.clone() });
        }
    }
    if let Some(error) = ManifestError::all(errors) {
        return Err(error);
    }
    manifests.sort_by_key(|manifest| manifest.kind() != "Namespace");
    Ok(manifests)
}

fn files(path: &Path) -> Result<Vec<PathBuf>, ManifestError> {
    let unreadable = |source| ManifestError::Unreadable {
        path: path.to_owned(),
        source,
    };
    if !std::fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        let wanted = file
            .extension()
            .is_some_and(|end| end == "yaml" || end == "yml" || end == "json");
        if wanted && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

pub(crate) fn parse(file: &Path, text: &str) -> Result<Vec<Manifest>, ManifestError> {
    let wrong = |line, reason| ManifestError::Wrong {
        file: file.to_owned(),
        line,
        reason,
    };
    let mut manifests = Vec::new();
    for (line, source) in documents(text) {
        if source
            .lines()
            .all(|text| text.trim().is_empty() || text.trim_start().starts_with('#'))
        {
            continue;
        }
        let object: Value = serde_saphyr::from_str(&source).map_err(|error| {
            let at = error
                .location()
                .map_or(0, |at| usize::try_from(at.line()).unwrap_or(1).saturating_sub(1));
            wrong(line + at, first_line(&error.to_string()))
        })?;
        let manifest = Manifest {
            file: file.to_owned(),
            line,
            object,
            source,
        };
        for (path, found) in [
            ("apiVersion", manifest.object["apiVersion"].as_str()),
            ("kind", manifest.object["kind"].as_str()),
            ("metadata.name", manifest.metadata("name")),
        ] {
            if found.is_none_or(str::is_empty) {
                return Err(wrong(line, format!("{path} is missing")));
            }
        }
        manifests.push(manifest);
    }
    Ok(manifests)
}

fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

/// The documents of a YAML stream with the line each begins at.
fn documents(text: &str) -> Vec<(usize, String)> {
    let mut documents = vec![(1, String::new())];
    for (number, line) in text.lines().enumerate() {
        if line == "---" || line.starts_with("--- ") {
            documents.push((number + 2, String::new()));
        } else if let Some((_, document)) = documents.last_mut() {
            document.push_str(line);
            document.push('\n');
        }
    }
    documents
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# two\nkind: Namespace\napiVersion: v1\nmetadata: {name: a}\n---\nkind: AwsAccount\napiVersion: bulkhead.dev/v1alpha1\nmetadata:\n  name: b\n  namespace: a\nspec:\n  owner:\n    team: t\n";

    #[test]
    fn documents_know_their_lines() {
        let found = parse(Path::new("f.yaml"), TEXT).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[1].line, found[1].to_string().as_str()),
            (6, "AwsAccount a/b")
        );
        assert_eq!(found[1].line_of("spec.owner.team"), 13);
        assert_eq!(found[1].line_of("spec.nothing"), 11);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let broken = parse(Path::new("f.yaml"), "a: 1\n---\nkind: [\n")
            .unwrap_err()
            .to_string();
        assert!(broken.starts_with("f.yaml:1: apiVersion is missing"), "{broken}");
        let broken = parse(Path::new("f.yaml"), "\n---\nkind: x\n bad indent: [\n")
            .unwrap_err()
            .to_string();
        assert!(broken.starts_with("f.yaml:"), "{broken}");
        let missing = load(&[PathBuf::from("no/such/path")]).unwrap_err().to_string();
        assert_eq!(missing, "no/such/path");
    }
}
