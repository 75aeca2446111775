//! The mutation check: the protocol is broken on purpose, in the source, and the seeds must notice.
//!
//! Each mutant is a copy of the workspace in which a few lines differ. It is built beside the real one (dependencies are
//! shared, so only our crates are compiled anew) and plays seeds until one fails. A mutant whose lines are not found in
//! the source any more fails the test: it has to follow the code.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The binary of a mutant.
const MUTANT: &str = "dst-mutant";

/// One way to break the protocol.
struct Mutant {
    name: &'static str,
    /// File, the text that stands there exactly once, and what it becomes.
    edits: &'static [(&'static str, &'static str, &'static str)],
    /// One of these rules must be found broken.
    rules: &'static [&'static str],
}

/// The check of the plan is a second net below the planner; it is cut where the planner itself is to be judged.
const NO_CHECK: (&str, &str, &str) = (
    "crates/operator/src/organization/mod.rs",
    "if findings.is_empty() {",
    "if findings.len() < usize::MAX {",
);

const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "the intent is skipped",
        edits: &[
            NO_CHECK,
            (
                "crates/planner/src/creation.rs",
                "        Action::Intend(creation, revision::at_birth(desired, entry)),\n",
                r"        {
            let mut tags = desired.tags.clone();
            if let (Ok(key), Ok(value)) = (
                TagKey::parse(tag_keys::CREATION_TOKEN),
                TagValue::parse(creation.token.as_str()),
            ) {
                tags.insert(key, value);
            }
            Action::CreateAccount {
                token: creation.token,
                email: creation.email,
                account_name: creation.account_name,
                role_name: creation.role_name,
                tags,
            }
        },
",
            ),
            (
                "crates/executor/src/execute.rs",
                "context.journal.confirm(key, token).await?;",
                "let _ = (key, token);",
            ),
        ],
        rules: &["the API holds an intent with the request's token at each CreateAccount"],
    },
    Mutant {
        name: "the look before the act is ignored",
        edits: &[
            NO_CHECK,
            (
                "crates/planner/src/creation.rs",
                "let looked = observed.look.is_some_and(|(done, _)| done >= *look);",
                "let looked = true;",
            ),
        ],
        rules: &["a look begun after the intent is finished before each CreateAccount"],
    },
    Mutant {
        name: "CreateAccount is retried by the SDK",
        edits: &[(
            "crates/aws/src/organizations.rs",
            ".role_name(role_name.as_str())\n            .set_tags(Some(tags))\n            .customize()\n            .config_override(self.mutation())",
            ".role_name(role_name.as_str())\n            .set_tags(Some(tags))\n            .customize()\n            .config_override(\n                self.mutation().retry_config(aws_smithy_types::retry::RetryConfig::standard()),\n            )",
        )],
        rules: &["there is one CreateAccount per token"],
    },
    Mutant {
        name: "the term is not checked",
        edits: &[
            (
                "crates/executor/src/execute.rs",
                "until.is_some_and(|until| Instant::now() + MUTATION_TIMEOUT <= until)",
                "until.is_some() || until.is_none()",
            ),
            (
                "crates/operator/src/run.rs",
                "() = leadership.lost(epoch) => Ended::TermOver,",
                "() = std::future::pending() => Ended::TermOver,",
            ),
        ],
        rules: &["a mutation needs a valid leadership term"],
    },
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// Copies what the build of this crate needs.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy(&source, &target);
        } else {
            fs::copy(&source, &target).unwrap();
        }
    }
}

/// Breaks the tree; gives what stood there before, to be put back.
fn edit(tree: &Path, mutant: &Mutant) -> Vec<(PathBuf, String)> {
    let mut before = vec![];
    for (file, from, to) in mutant.edits {
        let path = tree.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(
            text.matches(from).count(),
            1,
            "{}: {file} must hold this once: {from}",
            mutant.name
        );
        fs::write(&path, text.replace(from, to)).unwrap();
        before.push((path, text));
    }
    before
}

/// Plays seeds with the mutant's operator; what the command prints.
fn play(tree: &Path, target: &Path) -> (bool, String) {
    let output = Command::new(env!("CARGO"))
        .current_dir(tree)
        .args([
            "run",
            "--quiet",
            "--package",
            "bulkhead-dst",
            "--bin",
            MUTANT,
            "--",
            "--seeds",
            "0..200",
        ])
        .env("CARGO_TARGET_DIR", target)
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
    let root = workspace();
    // Beside the binary of this build, so that the dependencies compiled for it are used.
    let target = Path::new(env!("CARGO_BIN_EXE_dst")).ancestors().nth(2).unwrap();
    let tree = target.join("mutants");
    let _ = fs::remove_dir_all(&tree);
    for entry in ["Cargo.toml", "Cargo.lock"] {
        fs::create_dir_all(&tree).unwrap();
        fs::copy(root.join(entry), tree.join(entry)).unwrap();
    }
    copy(&root.join("crates"), &tree.join("crates"));
    // Another version: cargo would else take what it built from the mutant for the real crates, here and ever after.
    let manifest = tree.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let version = format!("version = \"{}\"", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        text.matches(&version).count(),
        1,
        "{version} stands once in Cargo.toml"
    );
    let other = version.trim_end_matches('"').to_owned() + "-mutant\"";
    fs::write(&manifest, text.replace(&version, &other)).unwrap();
    // And another name for the binary, so that it does not take the place of the real one.
    let manifest = tree.join("crates/dst/Cargo.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let renamed = text.replace("[[bin]]\nname = \"dst\"", &format!("[[bin]]\nname = {MUTANT:?}"));
    assert_ne!(text, renamed);
    fs::write(&manifest, renamed).unwrap();
    for mutant in MUTANTS {
        let before = edit(&tree, mutant);
        let (noticed, told) = play(&tree, target);
        // Only these files are written again: cargo compiles anew what depends on them, and nothing else.
        for (path, text) in before.into_iter().rev() {
            fs::write(path, text).unwrap();
        }
        assert!(noticed, "{} is not noticed:\n{told}", mutant.name);
        let by = mutant.rules.iter().find(|rule| told.contains(*rule));
        assert!(
            by.is_some(),
            "{} is noticed, but not by its rule:\n{told}",
            mutant.name
        );
        println!("{}: noticed by {:?}", mutant.name, by.unwrap());
    }
}
