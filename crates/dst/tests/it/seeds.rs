//! The seeds that every change plays.

use crate::{dst, text};
use std::{collections::BTreeMap, fs, path::Path};

/// The seeds. More cost every change more minutes than they find; the nightly run plays 20,000.
const SEEDS: &str = "0..400";

/// What must have happened somewhere in them, or they prove less than they seem to.
const HAPPENS: &[&str] = &[
    "AWS answerLost",
    "AWS concurrentModification",
    "AWS emptyPage",
    "AWS refused",
    "AWS requestLost",
    "AWS serviceException",
    "AWS serviceExceptionAfterEffect",
    "AWS slow",
    "AWS staleRead",
    "AWS throttle",
    "AWS timeout",
    "AWS timeoutAfterEffect",
    "Kubernetes conflict",
    "Kubernetes connectionLost",
    "Kubernetes connectionLostAfterEffect",
    "Kubernetes gatewayTimeoutAfterEffect",
    "Kubernetes gone",
    "Kubernetes hang",
    "Kubernetes hangAfterEffect",
    "Kubernetes internalError",
    "Kubernetes slow",
    "Kubernetes tooManyRequests",
    "Kubernetes unavailable",
    "Kubernetes watchBroken",
    "Kubernetes watchStale",
    "DisjointRegions",
    "NoPolicySlot",
    "PolicyOverlapDenies",
    "account assigned outside of waves",
    "account left out of a stage: pinned",
    "accounts changed together",
    "bake skipped",
    "crash",
    "crash in a wave",
    "disaster OlderEtcd",
    "disaster SecondCluster",
    "disaster Wiped",
    "policies beside those of others",
    "policies repaired",
    "policies swapped under a fault",
    "promotion Aborted",
    "promotion RolledBack",
    "promotion Succeeded",
    "promotion Superseded",
    "promotion approved",
    "promotion deleted",
    "promotion retried",
    "promotion stopped: ApprovalRejected",
    "promotion stopped: BakeFailed",
    "promotion stopped: BudgetExceeded",
    "promotion stopped: GateError",
    "promotion stopped: GateFailed",
    "promotion stopped: NoTargets",
    "revision imported",
    "revision trimmed",
    "tags approved",
    "wave baked",
];

/// Plays seeds that must pass; the output says which do not. Gives what it tells.
fn pass(arguments: &[&str]) -> String {
    let output = dst(arguments);
    let told = text(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", text(&output.stderr));
    // The figures, for whoever reads the log.
    print!("{told}");
    told
}

#[test]
fn all_seeds_pass() {
    // `cargo xtask test --fast` plays fewer, in which not everything can happen.
    if let Ok(fewer) = std::env::var("BULKHEAD_DST_SEEDS") {
        pass(&["--seeds", &fewer]);
        return;
    }
    let told = pass(&["--seeds", SEEDS]);
    let (_, happened) = told.split_once("what happened: ").unwrap();
    for what in HAPPENS {
        assert!(
            happened.contains(&format!("{what} ")),
            "{what} never happened: {happened}"
        );
    }
}

#[test]
fn one_vend_survives_a_crash_at_every_await_and_call() {
    pass(&["--crash-points"]);
}

fn transcripts(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(directory).unwrap();
    files
        .map(|file| {
            let file = file.unwrap();
            (
                file.file_name().into_string().unwrap(),
                fs::read(file.path()).unwrap(),
            )
        })
        .collect()
}

#[test]
fn twenty_seeds_are_the_same_byte_for_byte_in_another_process() {
    let [first, second] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    // The number of threads must not matter either.
    for (directory, jobs) in [(&first, "1"), (&second, "2")] {
        let path = directory.path().to_str().unwrap();
        pass(&["--seeds", "2000..2020", "--jobs", jobs, "--transcripts", path]);
    }
    let (first, second) = (transcripts(first.path()), transcripts(second.path()));
    assert_eq!(first.len(), 20);
    assert!(first.values().all(|transcript| transcript.len() > 1000));
    for (name, transcript) in &first {
        assert!(second.get(name) == Some(transcript), "{name} differs");
    }
}
