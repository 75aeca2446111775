//! What is shown and what may be asked, in every phase.

use super::{
    fixtures::{self, Phase},
    list, render,
    request::{Asked, Change, Refused, change},
    view::View,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{fs, path::Path};

fn shown(phase: Phase) -> String {
    render::text(&View::of(&fixtures::object(phase)))
}

/// `tests/promotion/PHASE.txt` holds what `promotion NAME` prints.
fn expected(phase: Phase) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/promotion")
        .join(format!("{phase:?}.txt").to_lowercase());
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn every_phase_is_shown_as_expected() {
    let all = Phase::ALL.iter().copied();
    let wrong: Vec<String> = all
        .map(|phase| (phase, format!("{}\n", shown(phase))))
        .filter(|(phase, shown)| *shown != expected(*phase))
        .map(|(phase, shown)| format!("==> {phase:?} is shown as\n{shown}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

#[test]
fn the_readme_shows_what_is_printed() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let text = expected(Phase::Baking);
    assert!(
        !text.is_empty() && readme.contains(&text),
        "README.md does not show:\n{text}"
    );
}

#[test]
fn json_says_the_same() {
    for phase in Phase::ALL.iter().copied() {
        let view = serde_json::to_value(View::of(&fixtures::object(phase))).unwrap();
        let text = shown(phase);
        assert!(text.contains(view["next"]["then"].as_str().unwrap()));
        for timer in view["next"]["timers"].as_array().unwrap() {
            assert!(
                text.contains(timer["what"].as_str().unwrap()),
                "{phase:?}: {timer}"
            );
        }
        let stages: Vec<&str> = view["stages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|stage| stage["name"].as_str().unwrap())
            .collect();
        assert_eq!(stages, ["dev", "prod"], "{phase:?}");
    }
    let view = serde_json::to_value(View::of(&fixtures::object(Phase::WaitingApproval))).unwrap();
    assert_eq!(view["awaiting"]["digest"], fixtures::DIGEST);
    assert_eq!(view["plan"]["changed"], 38);
    assert_eq!(
        (
            &view["stages"][1]["missingApprovals"],
            &view["stages"][1]["approvals"][0]["by"]
        ),
        (&json!(1), &json!("alice"))
    );
}

#[test]
fn a_status_of_an_older_spec_says_so() {
    let object = fixtures::changed(Phase::Baking, |object| {
        object["metadata"]["generation"] = 8.into();
    });
    let text = render::text(&View::of(&object));
    assert!(
        text.contains("Waits for: the operator, which has not looked at the spec as it is now"),
        "{text}"
    );
}

#[test]
fn what_others_wrote_cannot_steer_the_terminal() {
    let object = fixtures::changed(Phase::Stopped, |object| {
        object["metadata"]["annotations"] = json!({"bulkhead.dev/hold": "\u{1b}[2J\nPhase: Succeeded"});
        object["status"]["message"] = "a\u{1b}]0;b\u{7}".into();
        object["status"]["stages"][1]["approvals"][0]["by"] = "eve\u{1b}[31m".into();
    });
    let text = render::text(&View::of(&object));
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    assert!(text.contains("Held:       [2J Phase: Succeeded\n"), "{text}");
}

#[test]
fn all_promotions_are_listed() {
    let named = |phase: Phase, name: &str| {
        fixtures::changed(phase, |object| object["metadata"]["name"] = name.into())
    };
    let objects = [
        named(Phase::Succeeded, "network"),
        named(Phase::Baking, "guardrails"),
        named(Phase::Unseen, "sandbox"),
    ];
    let rows = list::rows(&objects);
    let now: Timestamp = "2026-06-04T00:00:00Z".parse().unwrap();
    let text = "\
NAME         BASELINE   REVISION              PHASE       STAGE          PROGRESS                    AGE
guardrails   standard   standard-3f9c2ab41d   Baking      prod/one-box   1/2 stages, 1/40 accounts   3d
network      standard   standard-3f9c2ab41d   Succeeded   -              2/2 stages                  3d
sandbox      standard   -                     Unknown     -              0/2 stages                  3d";
    assert_eq!(list::text(&rows, now), text);
    assert_eq!(list::text(&[], now), "There is no EnvironmentPromotion.");
    let json = serde_json::to_value(&rows).unwrap();
    assert_eq!(
        json[0],
        json!({
            "name": "guardrails", "baseline": "standard", "revision": "standard-3f9c2ab41d", "phase": "Baking",
            "reason": "Baking", "stage": "prod", "wave": "one-box", "stagesDone": 1, "stages": 2, "updated": "1/40",
            "createdAt": "2026-06-01T00:00:00Z",
        })
    );
}

fn now() -> Timestamp {
    "2026-09-01T12:00:00Z".parse().unwrap()
}

fn ask(phase: Phase, asked: &Asked) -> Result<Change, Refused> {
    change(&fixtures::object(phase), asked, Some("erin"), now())
}

fn annotations(change: &Change) -> &Value {
    &change.patch["metadata"]["annotations"]
}

/// Phases in which this is not refused.
fn possible(asked: &Asked) -> Vec<Phase> {
    let all = Phase::ALL.iter().copied();
    all.filter(|phase| ask(*phase, asked).is_ok()).collect()
}

const RUNNING: &[Phase] = &[
    Phase::WaitingApproval,
    Phase::WaitingWindow,
    Phase::Held,
    Phase::Inconclusive,
    Phase::RollingOut,
    Phase::Verifying,
    Phase::Baking,
    Phase::RollingBack,
];

#[test]
fn only_what_applies_can_be_asked() {
    assert_eq!(possible(&Asked::Abort { attempt: None }), RUNNING);
    assert_eq!(
        possible(&Asked::Retry),
        [Phase::RolledBack, Phase::Stopped, Phase::Aborted]
    );
    assert_eq!(possible(&Asked::Release), [Phase::Held]);
    let hold = |reason: &str| Asked::Hold {
        reason: reason.into(),
    };
    assert_eq!(possible(&hold("another")), Phase::ALL);
    assert_eq!(possible(&hold("incident 42")).len(), Phase::ALL.len() - 1);
    assert_eq!(
        possible(&Asked::SkipBake { wave: None }),
        [Phase::Inconclusive, Phase::Baking]
    );
    assert_eq!(possible(&Asked::Reverify { gate: None }), [Phase::Inconclusive]);
    let gate = |gate: &str| Asked::Reverify {
        gate: Some(gate.into()),
    };
    assert_eq!(
        possible(&gate("prod/config-compliant")),
        [Phase::Inconclusive, Phase::Verifying, Phase::Baking]
    );
    assert_eq!(possible(&gate("prod/smoke")), []);
    assert_eq!(
        possible(&gate("prod/error-rate")),
        [Phase::Inconclusive, Phase::Baking]
    );
    assert_eq!(possible(&gate("dev/config-compliant")), []);
}

#[test]
fn requests_are_the_annotations_that_the_operator_answers() {
    let abort = ask(
        Phase::Baking,
        &Asked::Abort {
            attempt: Some("a-13".into()),
        },
    )
    .unwrap();
    assert_eq!(
        abort.patch,
        json!({"metadata": {"annotations": {"bulkhead.dev/abort": "a-13"}}})
    );
    let retry = ask(Phase::Stopped, &Asked::Retry).unwrap();
    assert_eq!(
        retry.patch,
        json!({"metadata": {"resourceVersion": "4711", "annotations": {
            "bulkhead.dev/retry": "2026-09-01T12:00:00Z", "bulkhead.dev/requested-by": "erin",
        }}})
    );
    let reverify = ask(Phase::Inconclusive, &Asked::Reverify { gate: None }).unwrap();
    assert_eq!(
        annotations(&reverify),
        &json!({"bulkhead.dev/reverify": "prod/config-compliant@a-13#2026-09-01T12:00:00Z"})
    );
    let skip = ask(Phase::Baking, &Asked::SkipBake { wave: None }).unwrap();
    assert_eq!(
        annotations(&skip),
        &json!({"bulkhead.dev/skip-bake": "a-13/prod/one-box"})
    );
    let hold = ask(
        Phase::Baking,
        &Asked::Hold {
            reason: "incident 42".into(),
        },
    )
    .unwrap();
    assert_eq!(annotations(&hold), &json!({"bulkhead.dev/hold": "incident 42"}));
    let release = ask(Phase::Held, &Asked::Release).unwrap();
    assert_eq!(annotations(&release), &json!({"bulkhead.dev/hold": null}));
}

#[test]
fn a_refusal_says_why() {
    let refused = |phase, asked: &Asked| ask(phase, asked).unwrap_err().to_string();
    assert_eq!(
        refused(Phase::Baking, &Asked::Retry),
        "attempt a-13 is under way (Baking: prod/one-box: baking until 2026-09-01T10:20:00Z); \
         a retry is for one that has ended badly"
    );
    assert_eq!(
        refused(Phase::Succeeded, &Asked::Retry),
        "standard-3f9c2ab41d has passed all stages; there is nothing to retry"
    );
    assert_eq!(
        refused(
            Phase::Baking,
            &Asked::Abort {
                attempt: Some("a-12".into())
            }
        ),
        "the attempt under way is a-13, not a-12"
    );
    assert_eq!(
        refused(Phase::Unseen, &Asked::Abort { attempt: None }),
        "no attempt is under way: not looked at yet by the operator"
    );
    assert_eq!(
        refused(Phase::Aborting, &Asked::Abort { attempt: None }),
        "attempt a-13 is ending already: prod: a person ended attempt a-13; every account stays with what it has"
    );
    assert_eq!(
        refused(Phase::RollingOut, &Asked::SkipBake { wave: None }),
        "no wave bakes now: RollingOut: prod/one-box: 0 of 1 accounts have the revision, 1 are changing, \
         at most 3 at once"
    );
    assert_eq!(
        refused(
            Phase::Baking,
            &Asked::SkipBake {
                wave: Some("prod/rest".into())
            }
        ),
        "prod/rest does not bake now, prod/one-box does"
    );
    assert_eq!(
        refused(
            Phase::Baking,
            &Asked::Reverify {
                gate: Some("prod/smoke".into())
            }
        ),
        "gate prod/smoke does not run now; these do: prod/config-compliant, prod/error-rate"
    );
    assert_eq!(
        refused(
            Phase::Baking,
            &Asked::Reverify {
                gate: Some("smoke".into())
            }
        ),
        "\"smoke\" is not STAGE/GATE"
    );
    assert_eq!(
        refused(Phase::Baking, &Asked::Reverify { gate: None }),
        "no gate lacks a verdict; say which one to run again with STAGE/GATE"
    );
    assert_eq!(refused(Phase::Baking, &Asked::Release), "it is not held");
    assert_eq!(
        refused(
            Phase::Held,
            &Asked::Hold {
                reason: "incident 42".into()
            }
        ),
        "it is held already: incident 42"
    );
    let stale = fixtures::changed(Phase::Stopped, |object| {
        object["metadata"]["generation"] = 8.into();
    });
    assert_eq!(
        change(&stale, &Asked::Retry, Some("erin"), now()).unwrap_err(),
        Refused::Stale
    );
}
