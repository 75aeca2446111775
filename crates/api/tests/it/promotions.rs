//! EnvironmentPromotion: what may be created, what is refused with which message, and that no rule costs too much.

use crate::{
    rules::{accepted, refused},
    server::{promotion, refusals, with},
};
use serde_json::{Value, json};

const STRATEGY: &str = "/spec/stages/1/strategy";
const GATE: &str = "/spec/stages/1/gates/0";

#[test]
fn a_promotion_may_say_all_this() {
    let strategy = |value: Value| (STRATEGY, value);
    accepted(
        "EnvironmentPromotion",
        &promotion(),
        vec![
            ("/spec/stages/1/maxFailures", json!(0)),
            ("/spec/stages/1/maxFailures", json!("0%")),
            strategy(json!({"type": "AllAtOnce"})),
            strategy(json!({"type": "Canary", "canary": {"first": "10%", "bakeTime": "1h"}})),
            strategy(json!({"type": "Linear", "linear": {"step": 5}, "maxConcurrency": 3})),
            strategy(json!({"type": "Waves", "waves": [
                {"name": "a", "targets": 3}, {"name": "b", "targets": "5%"}, {"name": "c", "targets": 30},
                {"name": "d", "targets": "100%"}]})),
            ("/spec/suspend", json!(true)),
            ("/spec/stages/1/optIn", json!({"deadline": "336h"})),
        ],
    );
    let automatic = with(promotion(), "/spec/revision", Value::Null);
    let automatic = with(automatic, "/spec/revisionPolicy", json!("Automatic"));
    assert_eq!(refusals("EnvironmentPromotion", &automatic, None), [""; 0]);
}

#[test]
fn bad_input_names_the_field_and_the_rule() {
    let waves = |waves: Value| json!({"type": "Waves", "waves": waves});
    refused(
        "EnvironmentPromotion",
        &promotion(),
        vec![
            ("/spec/revision", json!("standard"), &["spec.revision"][..]),
            (
                "/spec/revision",
                Value::Null,
                &["spec.revision must be set", "Manual"],
            ),
            (
                "/spec/revisionPolicy",
                json!("Automatic"),
                &["must not be set with Automatic", "standard-3f9c2ab41d"],
            ),
            ("/spec/stages/0/environment", json!("prod"), &["same environment"]),
            ("/spec/stages", json!([]), &["stages"]),
            (
                STRATEGY,
                waves(json!([{"name": "a", "targets": "50%"}])),
                &["last wave must be 100%"],
            ),
            (
                STRATEGY,
                waves(json!([{"name": "a", "targets": 40}])),
                &["last wave must be 100%"],
            ),
            (
                STRATEGY,
                waves(json!([{"name": "a", "targets": 0}, {"name": "c", "targets": "100%"}])),
                &["targets must be a number"],
            ),
            (
                STRATEGY,
                waves(json!([{"name": "a", "targets": "0%"}, {"name": "c", "targets": "100%"}])),
                &["from 1% to 100%"],
            ),
            (
                STRATEGY,
                waves(json!([{"name": "a", "targets": "ten"}, {"name": "c", "targets": "100%"}])),
                &["a percentage"],
            ),
            (
                STRATEGY,
                json!({"type": "Waves"}),
                &["waves must be set for the type", "got type Waves"],
            ),
            (
                STRATEGY,
                json!({"type": "Canary", "linear": {"step": 1}}),
                &["got type Canary with linear"],
            ),
            (
                "/spec/stages/1/maxFailures",
                json!(-1),
                &["maxFailures", "at least 0"],
            ),
            ("/spec/stages/1/maxFailures", json!("101%"), &["to 100%"]),
            (
                "/spec/stages/1/strategy/maxConcurrency",
                json!(0),
                &["maxConcurrency", "at least 1"],
            ),
            (
                "/spec/stages/1/strategy/targetDeadline",
                json!("soon"),
                &["targetDeadline"],
            ),
            ("/spec/stages/1/approval/required", json!(0), &["required"]),
            (
                "/spec/stages/1/windows/0/type",
                json!("Maybe"),
                &["type", "Maybe"],
            ),
            (
                &format!("{GATE}/type"),
                json!("HTTP"),
                &["got type HTTP with prometheus"],
            ),
            (&format!("{GATE}/runAt"), json!([]), &["runAt"]),
            (&format!("{GATE}/interval"), json!("-5m"), &["interval"]),
            (
                "/spec/stages/1/gates/1/http/url",
                json!("ftp://checks.example.com"),
                &["http or https URL", "ftp:"],
            ),
            (
                "/spec/stages/1/gates/1/http/url",
                json!("https://user@checks.example.com"),
                &["without a user"],
            ),
            ("/spec/stages/1/gates/1/http/method", json!("DELETE"), &["DELETE"]),
        ],
    );
}

#[test]
fn which_baseline_never_changes_and_everything_else_may() {
    let old = promotion();
    let other = with(promotion(), "/spec/baselineRef/name", json!("other"));
    let found = refusals("EnvironmentPromotion", &other, Some(&old));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("spec.baselineRef.name is immutable"),
        "{found:?}"
    );
    // A running attempt has its own copy: an edit of the stages is never refused, or a sync would fail.
    let edited = with(
        promotion(),
        "/spec/stages/1/strategy",
        json!({"type": "AllAtOnce"}),
    );
    assert_eq!(refusals("EnvironmentPromotion", &edited, Some(&old)), [""; 0]);
}
