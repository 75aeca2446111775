//! Warns about files that have grown too long. Never fails: when to split is a judgement.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{error::Error, workspace::Workspace};

/// Aim below the first; above the second split, or write down why not.
const LIMITS: [(usize, &str); 2] = [
    (800, "split it, or say in its header why not"),
    (500, "getting long"),
];

pub(crate) fn run(workspace: &Workspace) -> Result<(), Error> {
    let mut files = Vec::new();
    for package in &workspace.packages {
        if let Some(directory) = package.manifest_path.parent() {
            rust_files(&directory.join("src"), &mut files)?;
        }
    }
    let mut long = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).map_err(Error::file(&path))?;
        let lines = lines_without_tests(&text);
        if let Some((_, advice)) = LIMITS.iter().find(|(limit, _)| lines > *limit) {
            long.push((lines, path, advice));
        }
    }
    long.sort_by(|a, b| b.cmp(a));
    for (lines, path, advice) in long {
        let path = path.strip_prefix(&workspace.root).unwrap_or(&path);
        eprintln!(
            "warning: {}: {lines} lines without tests: {advice}",
            path.display()
        );
    }
    Ok(())
}

fn rust_files(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    for entry in fs::read_dir(directory).map_err(Error::file(directory))? {
        let path = entry.map_err(Error::file(directory))?.path();
        if path.is_dir() {
            if !path.ends_with("tests") {
                rust_files(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// Lines before the test module, which by our convention is the last item of a file.
fn lines_without_tests(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines
        .windows(2)
        .position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod "));
    tests.unwrap_or(lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_module_does_not_count() {
        assert_eq!(
            lines_without_tests("one\n#[cfg(test)]\nfn only_in_tests() {}\n"),
            3
        );
        assert_eq!(lines_without_tests("one\ntwo\n#[cfg(test)]\nmod tests {\n}\n"), 2);
    }
}
