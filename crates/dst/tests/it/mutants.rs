//! The mutation check: the protocol is broken on purpose, in the source, and the seeds must notice.
//!
//! The workspace is copied and the edits of all mutants are made in the copy, each behind a condition that is true when
//! the environment names its mutant. So there is one more build and not one per mutant, and the product knows nothing of
//! it. The binary plays seeds as each mutant until some fail, and without one to show that the conditions break
//! nothing. An edit whose lines are not found in the source any more fails the test: it has to follow the code.

mod list;
mod travel;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

/// The binary of the mutants, and what names the one it is.
const MUTANT: &str = "dst-mutant";
const WHICH: &str = "BULKHEAD_MUTANT";
/// Stands in an edit for the condition.
const CONDITION: &str = "BROKEN";

/// One way to break the protocol.
struct Mutant {
    name: &'static str,
    edits: &'static [Edit],
    /// One of these must be told of seeds that fail.
    rules: &'static [&'static str],
}

/// All of them.
fn mutants() -> impl Iterator<Item = &'static Mutant> {
    list::MUTANTS.iter().chain(travel::MUTANTS)
}

/// Mutants may share one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Edit {
    file: &'static str,
    /// The text that stands there exactly once.
    from: &'static str,
    /// What it becomes.
    to: &'static str,
}

/// What the build of this crate needs, by path in the workspace.
struct Tree(BTreeMap<PathBuf, Vec<u8>>);

impl Tree {
    fn of(workspace: &Path) -> Self {
        let mut tree = Self(BTreeMap::new());
        for entry in ["Cargo.toml", "Cargo.lock", "crates"] {
            tree.take(workspace, Path::new(entry));
        }
        tree
    }

    fn take(&mut self, workspace: &Path, path: &Path) {
        let source = workspace.join(path);
        if source.is_dir() {
            for entry in fs::read_dir(&source).unwrap() {
                self.take(workspace, &path.join(entry.unwrap().file_name()));
            }
        } else {
            self.0.insert(path.to_owned(), fs::read(source).unwrap());
        }
    }

    fn replace(&mut self, file: &str, from: &str, to: &str) {
        let bytes = self.0.get_mut(Path::new(file));
        let bytes = bytes.unwrap_or_else(|| panic!("{file} is gone"));
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert_eq!(
            text.matches(from).count(),
            1,
            "{file} must hold this once: {from}"
        );
        *bytes = text.replace(from, to).into_bytes();
    }

    /// Only what differs is written: cargo compiles anew what depends on it, and nothing else.
    fn write(&self, to: &Path) {
        if to.exists() {
            for path in Self::of(to).0.keys().filter(|path| !self.0.contains_key(*path)) {
                fs::remove_file(to.join(path)).unwrap();
            }
        }
        for (path, bytes) in &self.0 {
            let path = to.join(path);
            if fs::read(&path).ok().as_ref() != Some(bytes) {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
        }
    }
}

/// The workspace with the edits of all mutants.
fn broken(workspace: &Path) -> Tree {
    let mut tree = Tree::of(workspace);
    // Another version: cargo would else take what it built from the mutants for the real crates, here and ever after.
    let version = concat!("version = \"", env!("CARGO_PKG_VERSION"), "\"");
    let other = concat!("version = \"", env!("CARGO_PKG_VERSION"), "-mutant\"");
    tree.replace("Cargo.toml", version, other);
    // And another name for the binary, so that it does not take the place of the real one.
    let name = format!("[[bin]]\nname = {MUTANT:?}");
    tree.replace("crates/dst/Cargo.toml", "[[bin]]\nname = \"dst\"", &name);
    let mut edits: BTreeMap<&Edit, Vec<String>> = BTreeMap::new();
    for (number, mutant) in mutants().enumerate() {
        for edit in mutant.edits {
            edits.entry(edit).or_default().push(format!("\"{number}\""));
        }
    }
    for (Edit { file, from, to }, mutants) in edits {
        let mutants = mutants.join(" | ");
        let condition =
            format!("std::env::var({WHICH:?}).is_ok_and(|which| matches!(which.as_str(), {mutants}))");
        tree.replace(file, from, &to.replace(CONDITION, &condition));
    }
    tree
}

/// The mutants' binary.
fn build(tree: &Path, target: &Path) -> PathBuf {
    let status = Command::new(env!("CARGO"))
        .current_dir(tree)
        .args(["build", "--quiet", "--package", "bulkhead-dst", "--bin", MUTANT])
        .env("CARGO_TARGET_DIR", target)
        .status()
        .unwrap();
    assert!(status.success(), "the mutants cannot be built");
    target.join("debug").join(MUTANT)
}

/// Plays seeds with the operator of a mutant: do some fail, and what the command prints.
fn play(binary: &Path, mutant: &str, seeds: &str) -> (bool, String) {
    let output = Command::new(binary)
        .args(["--seeds", seeds])
        .env(WHICH, mutant)
        .output()
        .unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(matches!(output.status.code(), Some(0 | 1)), "{text}");
    (output.status.code() == Some(1), text)
}

#[test]
fn every_way_to_break_the_protocol_is_noticed() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // Beside the binary of this build, so that the dependencies compiled for it are used.
    let target = Path::new(env!("CARGO_BIN_EXE_dst")).ancestors().nth(2).unwrap();
    let tree = target.join("mutants");
    broken(&workspace).write(&tree);
    let began = Instant::now();
    let binary = build(&tree, target);
    println!("built after {:.1} s", began.elapsed().as_secs_f64());
    let (noticed, told) = play(&binary, "none", "0..3");
    assert!(!noticed, "no mutant is chosen:\n{told}");
    for (number, mutant) in mutants().enumerate() {
        let began = Instant::now();
        let (noticed, told) = play(&binary, &number.to_string(), "0..200");
        assert!(noticed, "{} is not noticed:\n{told}", mutant.name);
        let by = mutant.rules.iter().find(|rule| told.contains(*rule));
        assert!(
            by.is_some(),
            "{} is noticed, but not by its rule:\n{told}",
            mutant.name
        );
        let took = began.elapsed().as_secs_f64();
        println!("{}: noticed by {:?} after {took:.1} s", mutant.name, by.unwrap());
    }
}
