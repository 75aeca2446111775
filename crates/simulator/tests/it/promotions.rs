//! The scenarios of `examples/promotion`, from the files that users run.

use crate::scene::{acme, in_virtual_time};
use serde_json::Value;
use simulator::{Entry, Faults, Report, Scenario, Script, World, config, simulate};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// What a scenario came to, and what was seen on the way.
struct Played {
    report: Report,
    events: Vec<Entry>,
    seen: Seen,
}

#[derive(Default)]
struct Seen {
    /// Every revision that accounts of an environment were given, or that AWS was seen to have.
    revisions: BTreeMap<String, BTreeSet<String>>,
    /// Accounts on which AWS has enforced the guardrails that all revisions have: a little after they were attached first.
    guarded: BTreeSet<String>,
    /// Looks at which it did not any more.
    bare: Vec<String>,
    /// Every phase of the promotion with the stage at hand, in order.
    phases: Vec<(String, String)>,
    /// The most accounts of prod that had one revision and were given another one, at the same time.
    changing: usize,
    /// The promotion as it is now.
    promotion: Value,
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

impl Seen {
    fn look(&mut self, world: &World) {
        let all = world.kubernetes.objects(api::GROUP, "environmentpromotions");
        let Some(promotion) = all.into_iter().next() else {
            return;
        };
        let status = &promotion["status"];
        let at = (
            text(&status["phase"]).unwrap_or_default(),
            text(&status["stage"]).unwrap_or_default(),
        );
        if self.phases.last() != Some(&at) {
            self.phases.push(at);
        }
        self.promotion = promotion;
    }

    fn look_at_accounts(&mut self, world: &World) {
        let mut changing = 0;
        for account in world.kubernetes.objects(api::GROUP, "awsaccounts") {
            let environment = text(&account["spec"]["environment"]).unwrap();
            let baseline = &account["status"]["baseline"];
            let of = |which: &str| text(&baseline[which]["revision"]);
            let (assigned, applied) = (of("assigned"), of("applied"));
            let known = self.revisions.entry(environment.clone()).or_default();
            known.extend(assigned.iter().chain(&applied).cloned());
            // From the moment at which it was first seen with all of a revision.
            let (Some(id), Some(applied)) = (text(&account["status"]["accountId"]), applied) else {
                continue;
            };
            changing += usize::from(environment == "prod" && assigned.as_ref() != Some(&applied));
            let levels = world.organization.enforced_policies(&id).unwrap();
            let own = levels.last().unwrap().concat();
            if own.contains("organizations:LeaveOrganization") && own.contains("aws:RequestedRegion") {
                self.guarded.insert(id);
            } else if self.guarded.contains(&id) || !self.promotion.is_null() {
                self.bare.push(format!("{id} at {:?}", world.clock.elapsed()));
            }
        }
        self.changing = self.changing.max(changing);
    }
}

fn play(name: &str) -> Played {
    let mut result = None;
    in_virtual_time(async {
        let script = Script::load(&acme().join("../promotion/scenarios").join(name)).unwrap();
        let scenario = Scenario {
            manifests: Vec::new(),
            config: config("standard", Some(&script)).unwrap(),
            faults: Faults::default(),
            seed: 7,
            until: Duration::from_hours(48),
            script: Some(script),
        };
        let events = RefCell::new(Vec::new());
        let mut seen = Seen::default();
        let tell = |entry: &Entry| events.borrow_mut().push(entry.clone());
        let mut turn = 0_u32;
        let report = simulate(scenario, tell, |world| {
            turn += 1;
            seen.look(world);
            // Every 30 s: what an account is given it keeps for longer.
            if turn.is_multiple_of(6) {
                seen.look_at_accounts(world);
            }
        });
        let report = report.await.unwrap();
        result = Some(Played {
            report,
            events: events.into_inner(),
            seen,
        });
    });
    let played = result.unwrap();
    let none: &[String] = &[];
    assert_eq!(played.report.failures, none, "{}", told(&played));
    assert_eq!(played.seen.bare, none, "guardrails are always enforced");
    assert_eq!((played.report.aws.accounts, played.seen.guarded.len()), (36, 36));
    // maxFailures 10 % of 30 accounts: three may be lost, so four change at a time.
    assert!(played.seen.changing <= 4, "{}", played.seen.changing);
    played
}

/// What happened to the promotion.
fn of_promotion(played: &Played) -> Vec<&Entry> {
    let about = |entry: &&Entry| entry.kind == "EnvironmentPromotion" || entry.kind == "Scenario";
    played.events.iter().filter(about).collect()
}

fn told(played: &Played) -> String {
    let lines = of_promotion(played).into_iter().map(|entry| {
        let minutes = entry.at / 60_000;
        format!(
            "{:>2}:{:02} {} {}\n",
            minutes / 60,
            minutes % 60,
            entry.reason,
            entry.note
        )
    });
    lines.collect()
}

/// These Events happened, in this order, whatever else did.
#[track_caller]
fn in_order(played: &Played, wanted: &[(&str, &str)]) {
    let mut events = of_promotion(played).into_iter();
    for (reason, note) in wanted {
        assert!(
            events.any(|entry| entry.reason == *reason && entry.note.contains(note)),
            "no {reason} with {note:?} at its place:\n{}",
            told(played)
        );
    }
}

/// How many accounts of an environment have which revision.
fn revisions(played: &Played, environment: &str) -> Vec<(String, usize)> {
    let of = played
        .report
        .revisions
        .iter()
        .filter(|one| one.environment == environment);
    of.map(|one| (one.revision.clone().unwrap(), one.accounts))
        .collect()
}

fn target(played: &Played) -> String {
    played.report.promotions[0].revision.clone().unwrap()
}

/// Ready and the abnormal conditions that are there, then those that always are: status and reason.
fn conditions(played: &Played) -> BTreeMap<String, (String, String)> {
    let all = played.seen.promotion["status"]["conditions"].as_array().unwrap();
    let generation = &played.seen.promotion["metadata"]["generation"];
    let each = all.iter().map(|condition| {
        assert_eq!(condition["observedGeneration"], *generation, "{condition}");
        let of = |field: &str| text(&condition[field]).unwrap();
        (of("type"), (of("status"), of("reason")))
    });
    each.collect()
}

#[track_caller]
fn ended(played: &Played, phase: &str, wanted: &[(&str, &str, &str)]) {
    let status = &played.seen.promotion["status"];
    assert_eq!(status["phase"], phase, "{status}");
    let wanted: BTreeMap<String, (String, String)> = wanted
        .iter()
        .map(|(type_, is, why)| ((*type_).to_owned(), ((*is).to_owned(), (*why).to_owned())))
        .collect();
    assert_eq!(conditions(played), wanted);
}

/// Stages with their states.
fn stages(played: &Played) -> Vec<(&str, &str)> {
    let stages = played.report.promotions[0].stages.iter();
    stages
        .map(|stage| (stage.name.as_str(), stage.state.as_str()))
        .collect()
}

/// Every phase that was seen, with the stage at hand.
fn phases(played: &Played) -> Vec<String> {
    let seen = played.seen.phases.iter().filter(|(phase, _)| !phase.is_empty());
    seen.map(|(phase, stage)| format!("{stage} {phase}").trim().to_owned())
        .collect()
}

#[test]
fn a_good_change_reaches_thirty_accounts_of_prod() {
    let played = play("good.yaml");
    let target = target(&played);
    for (environment, accounts) in [("dev", 2), ("stage", 4), ("prod", 30)] {
        assert_eq!(revisions(&played, environment), [(target.clone(), accounts)]);
    }
    assert!(played.report.all_ready());
    in_order(
        &played,
        &[
            ("PromotionStarted", "asked for by bob@example.com"),
            ("StageStarted", "dev: 2 accounts"),
            ("WaveStarted", "dev/all: 2 accounts"),
            ("StageStarted", "stage: 4 accounts"),
            ("WaveStarted", "stage/canary: 1 accounts"),
            ("BakeStarted", "stage/canary"),
            ("BakeSucceeded", "stage/canary"),
            ("WaveStarted", "stage/rest: 3 accounts"),
            ("ApprovalRequested", "prod: "),
            ("Refused", "bob@example.com"),
            ("ApprovalReceived", "alice@example.com of cloud-platform"),
            ("ApprovalReceived", "carol@example.com of cloud-platform"),
            ("StageStarted", "prod: 30 accounts"),
            ("WaveStarted", "prod/one-box: 1 accounts"),
            ("BakeStarted", "prod/one-box"),
            ("BakeSucceeded", "prod/one-box"),
            ("WaveStarted", "prod/ten-percent: 2 accounts"),
            ("BakeSucceeded", "prod/ten-percent"),
            ("WindowClosed", "opens at 2026-09-08T07:00:00Z"),
            ("WindowOpened", "prod"),
            ("WaveStarted", "prod/rest: 27 accounts"),
            ("BakeStarted", "prod/rest"),
            ("BakeSucceeded", "prod/rest"),
            ("PromotionSucceeded", "has passed all stages"),
        ],
    );
    ended(
        &played,
        "Succeeded",
        &[
            ("Ready", "True", "Promoted"),
            ("Accepted", "True", "Accepted"),
            ("Approved", "True", "NotRequired"),
            ("WindowOpen", "True", "NotRequired"),
            ("GatesPassed", "True", "Healthy"),
            ("TargetsHealthy", "True", "Healthy"),
            ("Succeeded", "True", "Promoted"),
        ],
    );
    assert_eq!(
        stages(&played),
        [
            ("dev", "Succeeded"),
            ("stage", "Succeeded"),
            ("prod", "Succeeded")
        ]
    );
    let phases = phases(&played);
    for phase in [
        "prod WaitingApproval",
        "prod WaitingWindow",
        "prod Baking",
        "stage Verifying",
    ] {
        assert!(phases.iter().any(|seen| seen == phase), "{phase}: {phases:?}");
    }
    let status = &played.seen.promotion["status"];
    assert_eq!(status["stableRevision"]["name"], target.as_str());
    assert_eq!(
        status["history"][0]["approvedBy"],
        serde_json::json!(["prod: alice@example.com, carol@example.com"])
    );
}

#[test]
fn a_guardrail_that_breaks_a_gate_is_rolled_back_in_stage_and_never_seen_in_prod() {
    let played = play("bad-guardrail.yaml");
    let target = target(&played);
    assert_eq!(revisions(&played, "dev"), [(target.clone(), 2)]);
    assert!(played.seen.revisions["stage"].contains(&target));
    for (environment, accounts) in [("stage", 4), ("prod", 30)] {
        let has = revisions(&played, environment);
        assert!(
            has.len() == 1 && has[0].0 != target && has[0].1 == accounts,
            "{has:?}"
        );
    }
    let prod = &played.seen.revisions["prod"];
    assert!(prod.len() == 1 && !prod.contains(&target), "{prod:?}");
    in_order(
        &played,
        &[
            ("PromotionStarted", "asked for by bob@example.com"),
            ("WaveStarted", "dev/all: 2 accounts"),
            ("WaveStarted", "stage/canary: 1 accounts"),
            ("GateFailed", "gate shop-works"),
            ("RollbackStarted", "back to standard-"),
            ("RollbackSucceeded", "1 accounts have standard-"),
        ],
    );
    let last = of_promotion(&played).last().unwrap().reason.clone();
    assert_eq!(last, "RollbackSucceeded", "it is not tried again");
    ended(
        &played,
        "RolledBack",
        &[
            ("Ready", "False", "RolledBack"),
            ("Stalled", "True", "RolledBack"),
            ("Accepted", "True", "Accepted"),
            ("Approved", "True", "NotRequired"),
            ("WindowOpen", "True", "NotRequired"),
            ("GatesPassed", "False", "GateFailed"),
            ("TargetsHealthy", "True", "Healthy"),
            ("Succeeded", "False", "TestFailed"),
        ],
    );
    assert_eq!(
        stages(&played),
        [("dev", "Succeeded"), ("stage", "RolledBack"), ("prod", "Pending")]
    );
    let rejected = &played.seen.promotion["status"]["rejected"];
    assert_eq!(rejected[0]["reason"], "TestFailed", "{rejected}");
}

#[test]
fn a_bake_failure_stops_prod_after_its_first_account() {
    let played = play("bake-failure.yaml");
    let target = target(&played);
    assert_eq!(revisions(&played, "dev"), [(target.clone(), 2)]);
    assert_eq!(revisions(&played, "stage"), [(target.clone(), 4)]);
    let prod: BTreeMap<String, usize> = revisions(&played, "prod").into_iter().collect();
    assert_eq!((prod[&target], prod.len()), (1, 2), "{prod:?}");
    assert_eq!(prod.values().sum::<usize>(), 30);
    in_order(
        &played,
        &[
            ("ApprovalReceived", "carol@example.com"),
            ("WaveStarted", "prod/one-box: 1 accounts"),
            ("BakeStarted", "prod/one-box"),
            ("GateFailed", "prod/one-box"),
            ("BakeFailed", "gate shop-works"),
            ("PromotionStopped", "gate shop-works"),
        ],
    );
    let last = of_promotion(&played).last().unwrap().reason.clone();
    assert_eq!(last, "PromotionStopped", "everything stays where it is");
    ended(
        &played,
        "Stopped",
        &[
            ("Ready", "False", "BakeFailed"),
            ("Stalled", "True", "BakeFailed"),
            ("Accepted", "True", "Accepted"),
            ("Approved", "True", "NotRequired"),
            ("WindowOpen", "True", "NotRequired"),
            ("GatesPassed", "False", "GateFailed"),
            ("TargetsHealthy", "True", "Healthy"),
            ("Succeeded", "False", "BakeFailed"),
        ],
    );
    assert_eq!(
        stages(&played),
        [("dev", "Succeeded"), ("stage", "Succeeded"), ("prod", "Failed")]
    );
}
