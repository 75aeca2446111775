//! CreateAccount requests that AWS ends without an account.

use super::{
    creation::{TOKEN, accepted, heron, intended},
    *,
};

/// `heron-prod`, whose request AWS ended with this FailureReason, and a look that began after that.
fn failed(reason: &str) -> World {
    let mut world = heron(Some(accepted("heronrequest")));
    world.answers("heronrequest", "heron-prod", CreationState::Failed(reason.into()));
    world.look(vec![]);
    world
}

#[test]
fn a_request_that_fails_in_the_answer_to_the_call_is_settled() {
    let mut world = heron(Some(accepted("heronrequest")));
    let record = record(
        "heronrequest",
        "heron-prod",
        CreationState::Failed("EMAIL_ALREADY_EXISTS".into()),
    );
    world
        .observed
        .effect(model::Effect::CreationAccepted(record), at(1));
    world.pass(1);
    assert!(world.plan().reads.contains(&Read::Look));
    world.look(vec![]);
    let plan = world.plan();
    assert!(!plan.reads.contains(&Read::Look), "one look answers the question");
    assert_eq!(refused(&plan, "heron-prod").0, Reason::EmailInUse);
}

#[test]
fn every_failure_reason_has_its_meaning() {
    let cases = [
        ("EMAIL_ALREADY_EXISTS", Reason::EmailInUse, true, 86400),
        ("INVALID_EMAIL", Reason::InvalidEmail, true, 86400),
        ("ACCOUNT_LIMIT_EXCEEDED", Reason::AccountLimitExceeded, true, 3600),
        ("INVALID_ADDRESS", Reason::BusinessValidationFailed, true, 3600),
        (
            "MISSING_BUSINESS_VALIDATION",
            Reason::BusinessValidationFailed,
            true,
            3600,
        ),
        (
            "FAILED_BUSINESS_VALIDATION",
            Reason::BusinessValidationFailed,
            true,
            3600,
        ),
        (
            "PENDING_BUSINESS_VALIDATION",
            Reason::BusinessValidationFailed,
            true,
            3600,
        ),
        (
            "UNKNOWN_BUSINESS_VALIDATION",
            Reason::BusinessValidationFailed,
            true,
            3600,
        ),
        (
            "INVALID_IDENTITY_FOR_BUSINESS_VALIDATION",
            Reason::BusinessValidationFailed,
            true,
            3600,
        ),
        (
            "MISSING_PAYMENT_INSTRUMENT",
            Reason::BusinessValidationFailed,
            true,
            3600,
        ),
        (
            "INVALID_PAYMENT_INSTRUMENT",
            Reason::BusinessValidationFailed,
            true,
            3600,
        ),
        (
            "GOVCLOUD_ACCOUNT_ALREADY_EXISTS",
            Reason::CreationFailed,
            true,
            3600,
        ),
        (
            "UPDATE_EXISTING_RESOURCE_POLICY_WITH_TAGS_NOT_SUPPORTED",
            Reason::CreationFailed,
            true,
            3600,
        ),
        (
            "CONCURRENT_ACCOUNT_MODIFICATION",
            Reason::CreationOutcomeUnknown,
            false,
            900,
        ),
        ("INTERNAL_FAILURE", Reason::AwsUnavailable, false, 30),
    ];
    for (failure, expected, person, again) in cases {
        let mut world = failed(failure);
        let plan = world.plan();
        let stage = &plan.accounts[&key("heron-prod")].vended;
        assert_eq!(
            (reason(&plan, "heron-prod"), is_blocked(stage)),
            (expected, person),
            "{failure}"
        );
        assert_eq!(kinds(&plan), [] as [&str; 0], "{failure}");
        world.observed.full = Some(at(again));
        world.pass(again - 1);
        world.look(vec![]);
        assert_eq!(kinds(&world.plan()), [] as [&str; 0], "{failure}");
        assert_eq!(world.plan().wake, Some(at(again)), "{failure}");
        world.pass(1);
        let plan = world.plan();
        assert_eq!(
            (kinds(&plan), intended(&plan).attempt),
            (vec!["Intend"], 2),
            "{failure}"
        );
        assert_eq!(
            is_blocked(&plan.accounts[&key("heron-prod")].vended),
            person,
            "{failure} does not flap"
        );
    }
}

#[test]
fn email_already_exists_is_a_question_first() {
    for failure in ["EMAIL_ALREADY_EXISTS", "CONCURRENT_ACCOUNT_MODIFICATION"] {
        let mut world = heron(Some(accepted("heronrequest")));
        world.pass(2);
        world.answers(
            "heronrequest",
            "heron-prod",
            CreationState::Failed(failure.into()),
        );
        let plan = world.plan();
        assert!(
            plan.reads.contains(&Read::Look),
            "the last look is older than the answer"
        );
        assert_eq!(
            reason(&plan, "heron-prod"),
            Reason::CreationOutcomeUnknown,
            "{failure}"
        );
        world.look(vec![]);
        world.has(born("heron-prod", "100000000001"));
        assert_eq!(
            world.plan().accounts[&key("heron-prod")].vended,
            Stage::Done,
            "{failure}: it was our own"
        );
    }
}

#[test]
fn internal_failures_back_off() {
    let mut world = failed("INTERNAL_FAILURE");
    world
        .attempt("heron-prod", TOKEN, Some(accepted("heronrequest")))
        .attempt = 4;
    world.pass(239);
    assert_eq!(kinds(&world.plan()), [] as [&str; 0]);
    world.pass(1);
    assert_eq!(intended(&world.plan()).attempt, 5);
}

#[test]
fn another_email_after_a_failure_is_tried_at_once() {
    for failure in ["EMAIL_ALREADY_EXISTS", "INVALID_EMAIL", "ACCOUNT_LIMIT_EXCEEDED"] {
        let mut world = failed(failure);
        world.want("heron-prod").email = Email::parse("egret@example.com").unwrap();
        assert_eq!(
            intended(&world.plan()).email.as_str(),
            "egret@example.com",
            "{failure}"
        );
    }
}

#[test]
fn a_third_email_is_tried_as_soon_as_a_second() {
    let mut world = failed("EMAIL_ALREADY_EXISTS");
    for email in ["egret@example.com", "stork@example.com"] {
        world.want("heron-prod").email = Email::parse(email).unwrap();
        let again = intended(&world.plan()).clone();
        assert_eq!(again.email.as_str(), email);
        let answer = format!("request{}", &email[..5]);
        world.attempts = BTreeMap::from([(again.token.clone(), Attempt::Accepted(request_id(&answer)))]);
        world.entry("heron-prod").creation = Some(again);
        world.answers(
            &answer,
            "heron-prod",
            CreationState::Failed("EMAIL_ALREADY_EXISTS".into()),
        );
        world.pass(1);
        world.look(vec![]);
        assert_eq!(refused(&world.plan(), "heron-prod").0, Reason::EmailInUse);
    }
}

#[test]
fn what_was_asked_for_twice_is_given_the_time_to_show_up_before_another_email_is_tried() {
    let mut world = failed("EMAIL_ALREADY_EXISTS");
    world
        .attempt("heron-prod", TOKEN, Some(accepted("heronrequest")))
        .attempt = 2;
    world.want("heron-prod").email = Email::parse("egret@example.com").unwrap();
    assert_eq!(
        (kinds(&world.plan()), refused(&world.plan(), "heron-prod").0),
        (vec![], Reason::EmailInUse)
    );
    world.pass(900);
    assert!(world.plan().reads.contains(&Read::Look));
    world.look(vec![]);
    assert_eq!(intended(&world.plan()).email.as_str(), "egret@example.com");
}

#[test]
fn another_email_is_tried_though_the_first_ones_owner_is_in_this_organization() {
    let mut world = failed("EMAIL_ALREADY_EXISTS");
    world.has(ObservedAccount {
        tags: Some(Tags::new()),
        ..born("heron-prod", "100000000001")
    });
    assert_eq!(refused(&world.plan(), "heron-prod").0, Reason::EmailInUse);
    world.want("heron-prod").email = Email::parse("egret@example.com").unwrap();
    assert_eq!(intended(&world.plan()).email.as_str(), "egret@example.com");
}

#[test]
fn a_call_under_way_is_settled_before_another_email_matters() {
    let mut world = heron(Some(accepted("heronrequest")));
    world.want("heron-prod").email = Email::parse("egret@example.com").unwrap();
    world.has(ObservedAccount {
        email: "egret@example.com".into(),
        ..born("egret-dev", "100000000009")
    });
    assert_eq!(reason(&world.plan(), "heron-prod"), Reason::CreationInProgress);
}
