//! Approvals and requests.

use crate::world::{World, gate, shows, stage, status};
use jiff::SignedDuration;
use model::ApprovalPolicy;
use promotion::{AttemptResult, Phase, StageStep, Standing, WaveStep, Why};
use serde_json::{Value, json};

fn world(approval: &Value) -> World {
    let prod = json!({"approval": approval, "strategy": {"type": "Waves", "waves": [
        {"name": "one-box", "targets": 1, "bakeTime": "1h"},
        {"name": "rest", "targets": "100%"},
    ]}});
    World::new(
        json!([stage("dev", json!({})), stage("prod", prod)]),
        &[("dev", 1), ("prod", 3)],
    )
}

#[test]
fn people_agree_each_once_and_of_the_right_group() {
    let mut world = world(&json!({"required": 2, "groups": ["cloud"], "excludeAuthor": true}));
    let step = world.settle();
    shows(
        &step,
        Phase::WaitingApproval,
        Standing::Waiting(Why::AwaitingApproval),
    );
    assert_eq!(status(&step, "Approved"), (Some(false), Why::AwaitingApproval));
    assert_eq!(
        (world.state.awaiting.len(), world.told("ApprovalRequested")),
        (1, 1)
    );
    assert!(
        world.state.awaiting[0]
            .summary
            .contains("prod: base-aaaaaaaaaa becomes base-bbbbbbbbbb")
    );
    // The author; another group; no group; the same person twice.
    world.decide("bob", Some("cloud"), true);
    world.decide("dave", Some("sales"), true);
    world.decide("erin", None, true);
    world.decide("alice", Some("cloud"), true);
    world.decide("alice", Some("cloud"), true);
    let step = world.settle();
    shows(
        &step,
        Phase::WaitingApproval,
        Standing::Waiting(Why::AwaitingApproval),
    );
    assert_eq!(world.told("ApprovalReceived"), 1);
    world.decide("carol", Some("cloud"), true);
    let step = world.settle();
    assert_eq!(step.phase, Phase::Baking);
    assert_eq!(status(&step, "Approved"), (Some(true), Why::Accepted));
    assert!(world.state.awaiting.is_empty());
    world.run();
    assert_eq!(world.state.history[0].approved_by, ["prod: alice, carol"]);
}

#[test]
fn an_author_nobody_knows_cannot_be_excluded() {
    let mut world = world(&json!({"required": 1, "excludeAuthor": true}));
    world.requests.requested_by = None;
    world.settle();
    world.decide("alice", None, true);
    let step = world.settle();
    shows(
        &step,
        Phase::WaitingApproval,
        Standing::Waiting(Why::AwaitingApproval),
    );
    assert!(
        step.message.contains("nobody knows who asked"),
        "{}",
        step.message
    );
}

#[test]
fn approvals_count_only_while_their_policy_is_in_force() {
    let mut world = world(&json!({"required": 1}));
    world.policy = ApprovalPolicy::Missing("no ValidatingAdmissionPolicy".to_owned());
    world.settle();
    world.decide("alice", None, true);
    let step = world.settle();
    shows(
        &step,
        Phase::WaitingApproval,
        Standing::Waiting(Why::ApprovalPolicyMissing),
    );
    world.policy = ApprovalPolicy::InForce {
        since: world.now + SignedDuration::from_mins(1),
    };
    assert_eq!(
        world.settle().standing,
        Standing::Waiting(Why::AwaitingApproval),
        "it was made before"
    );
    world.pass(2);
    world.decide("alice", None, true);
    assert_eq!(world.settle().phase, Phase::Baking);
}

#[test]
fn who_asked_is_believed_only_while_the_policy_on_it_is_in_force() {
    for exclude in [true, false] {
        let mut world = world(&json!({"required": 1, "excludeAuthor": exclude}));
        world.requests.requested_by = Some("bob".to_owned());
        world.authors = ApprovalPolicy::Missing("no ValidatingAdmissionPolicy on authors".to_owned());
        world.settle();
        world.decide("alice", None, true);
        let step = world.settle();
        if exclude {
            shows(
                &step,
                Phase::WaitingApproval,
                Standing::Waiting(Why::ApprovalPolicyMissing),
            );
            assert!(step.message.contains("on authors"), "{}", step.message);
            world.authors = world.policy.clone();
        }
        assert_eq!(world.settle().phase, Phase::Baking);
    }
}

#[test]
fn a_rejection_ends_the_attempt_and_so_does_silence() {
    let mut rejected = world(&json!({"required": 1}));
    rejected.settle();
    rejected.decide("alice", None, false);
    let step = rejected.settle();
    shows(&step, Phase::Stopped, Standing::Stalled(Why::ApprovalRejected));
    assert_eq!(
        (rejected.told("ApprovalRejected"), rejected.with_revision('b')),
        (1, 1)
    );
    let mut silent = world(&json!({"required": 1, "timeout": "48h"}));
    let step = silent.settle();
    assert_eq!(step.wake.unwrap(), silent.now + SignedDuration::from_hours(48));
    let step = silent.run();
    shows(&step, Phase::Stopped, Standing::Stalled(Why::ApprovalExpired));
    assert_eq!(silent.told("ApprovalExpired"), 1);
}

#[test]
fn other_accounts_make_another_plan_and_void_approvals() {
    let mut world = world(&json!({"required": 2}));
    world.settle();
    let old = world.state.awaiting[0].digest.clone();
    world.decide("alice", None, true);
    world.settle();
    world.join("prod", Some('a'));
    let step = world.settle();
    assert_ne!(world.state.awaiting[0].digest, old);
    assert!(world.at("prod").approvals.is_empty());
    assert!(step.message.contains("TargetsChanged"), "{}", step.message);
    assert_eq!(world.told("ApprovalRequested"), 2);
    world.decide("alice", None, true);
    world.decide("carol", None, true);
    assert_eq!(world.settle().phase, Phase::Baking);
}

#[test]
fn an_approval_that_ends_before_the_start_counts_no_longer() {
    let mut world = world(&json!({"required": 1}));
    world.settle();
    world.decide("alice", None, true);
    world.decisions[0].decision.expires_at = Some(world.now + SignedDuration::from_hours(1));
    world.spec.suspend = true;
    let step = world.settle();
    shows(&step, Phase::Paused, Standing::Waiting(Why::Suspended));
    assert_eq!(step.wake, world.decisions[0].decision.expires_at);
    world.now = step.wake.unwrap();
    assert_eq!(world.settle().standing, Standing::Waiting(Why::AwaitingApproval));
}

#[test]
fn t25_an_approval_of_an_old_plan_or_attempt_says_nothing() {
    let mut world = world(&json!({"required": 1}));
    world.settle();
    world.decide("alice", None, true);
    let old = world.decisions.clone();
    world.decisions.clear();
    world.requests.abort = Some("a-1".to_owned());
    assert_eq!(world.settle().phase, Phase::Aborted);
    world.decisions = old;
    world.requests.retry = Some("again".to_owned());
    let step = world.settle();
    assert_eq!(world.state.attempt.as_ref().unwrap().id, "a-2");
    shows(
        &step,
        Phase::WaitingApproval,
        Standing::Waiting(Why::AwaitingApproval),
    );
}

#[test]
fn t25_abort_works_in_every_state_and_hits_its_own_attempt_only() {
    let waiting = |world: &mut World| {
        world.settle();
    };
    let rolling = |world: &mut World| {
        world.settle();
        world.decide("alice", None, true);
        let step = world.step();
        world.save(&step);
        let step = world.step();
        world.save(&step);
        world.act();
    };
    let baking = |world: &mut World| {
        world.settle();
        world.decide("alice", None, true);
        world.settle();
    };
    type Reach<'a> = &'a dyn Fn(&mut World);
    let reached: [(Reach<'_>, StageStep, usize); 3] = [
        (&waiting, StageStep::WaitingApproval, 1),
        (&rolling, StageStep::RollingOut, 2),
        (&baking, StageStep::Baking, 2),
    ];
    for (reach, state, number) in reached {
        let mut world = world(&json!({"required": 1}));
        reach(&mut world);
        assert_eq!(world.at("prod").state, state);
        world.requests.abort = Some("a-7".to_owned());
        let step = world.step();
        assert_eq!(
            step.happenings
                .iter()
                .filter(|it| it.reason == "RequestIgnored")
                .count(),
            1
        );
        world.save(&step);
        assert_eq!(world.at("prod").state, state, "another attempt's");
        world.requests.abort = Some("a-1".to_owned());
        let step = world.settle();
        shows(&step, Phase::Aborted, Standing::Stalled(Why::Aborted));
        assert_eq!(
            (world.with_revision('b'), world.told("PromotionAborted")),
            (number, 1)
        );
        // The click is still there when the next attempt begins.
        world.requests.retry = Some("go".to_owned());
        world.settle();
        assert!(world.state.attempt.as_ref().unwrap().outcome.is_none());
    }
}

#[test]
fn p26_abort_takes_no_more_accounts_and_waits_for_those_that_change() {
    let mut world = world(&json!({"required": 1}));
    world.settle();
    world.decide("alice", None, true);
    world
        .hangs
        .insert((crate::world::account(1), crate::world::revision('b').hash));
    world.settle();
    world.requests.abort = Some("a-1".to_owned());
    let step = world.settle();
    shows(&step, Phase::RollingOut, Standing::Working(Why::RollingOut));
    assert!(
        step.message.contains("takes no more accounts"),
        "{}",
        step.message
    );
    world.hangs.clear();
    assert_eq!(world.settle().phase, Phase::Aborted);
    assert_eq!(world.with_revision('b'), 2);
}

#[test]
fn p25_tokens_are_answered_once_and_words_that_fit_nothing_say_so() {
    let mut world = world(&json!({"required": 1}));
    world.settle();
    world.requests.reconcile = Some("now".to_owned());
    world.requests.reverify = Some("prod/none@a-1".to_owned());
    world.requests.skip_bake = Some("a-1/prod/one-box".to_owned());
    world.requests.retry = Some("x".to_owned());
    world.settle();
    assert_eq!(world.told("RequestIgnored"), 3);
    assert_eq!(world.state.last_handled.reconcile.as_deref(), Some("now"));
    world.settle();
    assert_eq!(world.told("RequestIgnored"), 3);
}

#[test]
fn a_person_may_cut_one_bake_short() {
    let mut world = world(&json!({"required": 1}));
    world.settle();
    world.decide("alice", None, true);
    world.settle();
    assert_eq!(world.at("prod").waves[0].state, WaveStep::Baking);
    world.requests.skip_bake = Some("a-1/prod/one-box".to_owned());
    assert_eq!(world.settle().phase, Phase::Succeeded);
    assert_eq!(world.told("BakeSkipped"), 1);
}

#[test]
fn a_hold_keeps_waves_and_attempts_back_and_never_what_has_begun() {
    let mut world = World::new(
        json!([stage(
            "prod",
            json!({"strategy": {"type": "Linear", "linear": {"step": "50%"}}})
        )]),
        &[("prod", 4)],
    );
    world.requests.hold = Some("incident 4711".to_owned());
    let step = world.settle();
    shows(&step, Phase::Paused, Standing::Waiting(Why::Suspended));
    assert!(step.message.contains("incident 4711") && world.state.attempt.is_none());
    world.requests.hold = None;
    let step = world.step();
    world.save(&step);
    world.requests.hold = Some("incident 4712".to_owned());
    let step = world.settle();
    shows(&step, Phase::Paused, Standing::Waiting(Why::Suspended));
    assert_eq!(
        world.with_revision('b'),
        2,
        "the wave that had begun is done, the next waits"
    );
    world.requests.hold = None;
    assert_eq!(world.settle().phase, Phase::Succeeded);
    world.spec.suspend = true;
    let step = world.settle();
    shows(&step, Phase::Succeeded, Standing::Ready(Why::Promoted));
}

#[test]
fn gates_come_before_people_are_asked() {
    let prod = json!({"approval": {"required": 1}, "gates": [gate("pre", &["BeforeStage"], json!({}))]});
    let mut world = World::new(json!([stage("prod", prod)]), &[("prod", 1)]);
    let step = world.step();
    world.save(&step);
    shows(&step, Phase::Verifying, Standing::Working(Why::Verifying));
    assert!(world.state.awaiting.is_empty());
    assert_eq!(world.settle().phase, Phase::WaitingApproval);
    assert_eq!(world.outcome_or_none(), None::<AttemptResult>);
}

#[test]
fn approvals_stay_while_nobody_has_looked_at_their_policy_and_nothing_starts_on_them() {
    for exclude in [false, true] {
        let prod = json!({"approval": {"required": 1, "timeout": "1h", "excludeAuthor": exclude}, "windows": [
            {"type": "Allow", "schedule": "0 20 * * *", "duration": "1h"},
        ]});
        let mut world = World::new(json!([stage("prod", prod)]), &[("prod", 2)]);
        let step = world.settle();
        assert!(step.looks_at_policies);
        world.decide("alice", None, true);
        let step = world.settle();
        shows(&step, Phase::WaitingWindow, Standing::Waiting(Why::WindowClosed));
        assert!(step.looks_at_policies, "until the stage starts");
        let unknown = if exclude {
            &mut world.authors
        } else {
            &mut world.policy
        };
        let known = std::mem::replace(unknown, ApprovalPolicy::Unknown);
        let step = world.pass(120);
        assert_eq!(step.phase, Phase::WaitingWindow);
        assert_eq!(world.at("prod").approvals.len(), 1, "not known is not missing");
        world.now = "2026-09-01T20:00:00Z".parse().unwrap();
        let step = world.settle();
        shows(
            &step,
            Phase::WaitingApproval,
            Standing::Waiting(Why::ApprovalPolicyMissing),
        );
        assert!(step.looks_at_policies);
        assert_eq!(
            (world.at("prod").approvals.len(), world.with_revision('b')),
            (1, 0)
        );
        *(if exclude {
            &mut world.authors
        } else {
            &mut world.policy
        }) = known;
        let step = world.settle();
        assert_eq!(step.phase, Phase::Succeeded);
        assert!(!step.looks_at_policies);
        assert_eq!(
            (world.told("ApprovalRequested"), world.told("ApprovalReceived")),
            (1, 1)
        );
    }
}

#[test]
fn approvals_are_gone_when_their_policy_is() {
    let mut world = world(&json!({"required": 1}));
    world.settle();
    world.spec.suspend = true;
    world.decide("alice", None, true);
    world.settle();
    assert_eq!(world.at("prod").approvals.len(), 1);
    world.policy = ApprovalPolicy::Missing("deleted".to_owned());
    let step = world.settle();
    assert!(world.at("prod").approvals.is_empty());
    assert_eq!(step.standing, Standing::Waiting(Why::ApprovalPolicyMissing));
}

#[test]
fn a_policy_that_was_not_looked_at_lets_no_gate_run_over_and_over() {
    let prod = json!({"approval": {"required": 1}, "gates": [gate("pre", &["BeforeStage"], json!({}))]});
    let mut world = World::new(json!([stage("prod", prod)]), &[("prod", 1)]);
    world.settle();
    world.decide("alice", None, true);
    let known = world.policy.clone();
    // Each time that the gate has answered, nobody has looked.
    for _ in 0..4 {
        let step = world.step();
        world.save(&step);
        world.policy = ApprovalPolicy::Unknown;
        world.act();
        let step = world.settle();
        assert_ne!(step.phase, Phase::Succeeded);
        world.policy = known.clone();
        if world.asked.len() > 1 {
            break;
        }
    }
    assert_eq!(world.settle().phase, Phase::Succeeded);
    assert_eq!(
        world.asked.len(),
        2,
        "once before people are asked, once before the start"
    );
}

#[test]
fn one_person_is_one_however_long_the_name() {
    let mut world = world(&json!({"required": 2}));
    world.settle();
    let long = format!("{}@example.com", "a".repeat(400));
    world.decide(&long, None, true);
    world.decide(&long, None, true);
    let step = world.settle();
    assert_eq!(step.phase, Phase::WaitingApproval);
    assert_eq!(world.at("prod").approvals[0].by, long);
    // Another one whose name begins alike.
    world.decide(&format!("{}@example.org", "a".repeat(400)), None, true);
    assert_eq!(world.settle().phase, Phase::Baking);
    world.run();
    let shown = &world.state.history[0].approved_by[0];
    assert!(shown.len() < 450, "{shown}");
}
