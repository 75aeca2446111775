//! The directories of examples are manifests alone, so that commands take them as they are.

use std::process::Command;

use crate::plan::run;

fn bulkhead(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bulkhead"));
    run(command.args(arguments).current_dir("../.."))
}

#[test]
fn each_directory_is_planned() {
    for (directory, promotions) in [
        ("acme", ""),
        ("promotion", " 1 EnvironmentPromotion to change,"),
        ("guardrails", ""),
    ] {
        let path = format!("examples/{directory}");
        let (status, said, error) = bulkhead(&["plan", "-f", &path]);
        assert_eq!((status, error.as_str()), (Some(2), ""), "{directory}: {said}");
        assert!(
            said.ends_with(&format!(" 1 Baseline to change,{promotions} 0 refused.\n")),
            "{directory}: {said}"
        );
    }
    let (_, said, _) = bulkhead(&["plan", "-f", "examples/promotion"]);
    for words in [
        "+ team-web/shop-prod  revision standard-",
        "later changes travel by EnvironmentPromotion standard: dev, then stage, then prod\n",
    ] {
        assert!(said.contains(words), "{words:?} is not in\n{said}");
    }
}

#[test]
fn each_directory_is_simulated() {
    let (status, said, error) = bulkhead(&["simulate", "examples/guardrails"]);
    assert_eq!((status, error.as_str()), (Some(0), ""), "{said}");
    let (status, said, error) = bulkhead(&["simulate", "examples/promotion", "--until", "3h"]);
    assert!(!error.contains("error"), "{error}");
    assert!(said.contains("3 of 3 accounts Ready"), "{status:?} {said}");
}
