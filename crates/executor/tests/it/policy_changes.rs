//! Changes of policies: which call each is, what it changed, and what a refusal means.

use crate::{
    policies::{DENY, id, scp, world},
    world::{World, account_id, context, failed, root, tags},
};
use executor::{Clock, Disposition, ErrorClass, Family, Outcome, StepFailure, execute};
use jiff::SignedDuration;
use model::{
    AccountId, Action, Class, DesiredPolicy, Effect, PolicyContent, PolicyId, PolicyType, Reason, Step,
    StepId, tag_keys,
};
use std::{collections::BTreeMap, time::Duration};

fn desired() -> DesiredPolicy {
    DesiredPolicy {
        name: "bulkhead-heron-prod-0123456789".into(),
        policy_type: scp(),
        content: PolicyContent::parse(DENY).unwrap(),
        parts: vec!["denyLeaving".into(), "regions".into()],
    }
}

fn attach() -> Action {
    Action::AttachPolicy {
        policy: id("p-heron00001"),
        policy_type: scp(),
        account: account_id(),
    }
}

fn detach() -> Action {
    Action::DetachPolicy {
        policy: id("p-heron00001"),
        policy_type: scp(),
        account: account_id(),
    }
}

fn delete() -> Action {
    Action::DeletePolicy {
        id: id("p-heron00001"),
        name: desired().name,
        policy_type: scp(),
    }
}

fn enable() -> Action {
    Action::EnablePolicyType { policy_type: scp() }
}

fn update() -> Action {
    Action::UpdatePolicy {
        id: id("p-heron00001"),
        policy: desired(),
    }
}

fn create(policy: DesiredPolicy) -> Action {
    Action::CreatePolicy { policy }
}

async fn carry_out(world: &World, action: Action) -> Outcome {
    let step = Step {
        id: StepId("step".into()),
        key: None,
        action,
        reason: Reason::AttachingPolicies,
        spends: None,
    };
    execute(context(world, Duration::from_secs(10)), step, Some(root())).await
}

fn effects() -> [(Action, &'static str, Effect); 5] {
    let (policy, policy_type, account): (PolicyId, PolicyType, AccountId) =
        (id("p-heron00001"), scp(), account_id());
    [
        (
            enable(),
            "EnablePolicyType r-a1b2 SERVICE_CONTROL_POLICY",
            Effect::PolicyTypeEnabled(scp()),
        ),
        (
            update(),
            "UpdatePolicy p-heron00001 {\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Deny\",\"Action\":\"iam:*\",\"Resource\":\"*\"}]}",
            Effect::PolicyUpdated {
                id: policy.clone(),
                content: desired().content,
            },
        ),
        (
            delete(),
            "DeletePolicy p-heron00001",
            Effect::PolicyDeleted {
                id: policy.clone(),
                policy_type: scp(),
            },
        ),
        (
            attach(),
            "AttachPolicy p-heron00001 111111111111",
            Effect::PolicyAttached {
                policy: policy.clone(),
                policy_type: policy_type.clone(),
                account: account.clone(),
            },
        ),
        (
            detach(),
            "DetachPolicy p-heron00001 111111111111",
            Effect::PolicyDetached {
                policy,
                policy_type,
                account,
            },
        ),
    ]
}

#[tokio::test(start_paused = true)]
async fn each_change_is_one_call_and_tells_what_it_changed() {
    for (action, call, effect) in effects() {
        let world = world(vec![]);
        let outcome = carry_out(&world, action).await;
        assert_eq!(outcome.result, Ok(Some(effect)), "{call}");
        assert_eq!(world.calls(), [call]);
    }
}

/// What AWS says was so already is known from then on, or it would be tried again and again.
#[tokio::test(start_paused = true)]
async fn what_is_done_already_has_its_effect_all_the_same() {
    let refusals = BTreeMap::from([
        ("EnablePolicyType", ErrorClass::PolicyTypeAlreadyEnabled),
        ("DeletePolicy", ErrorClass::PolicyNotFound),
        ("AttachPolicy", ErrorClass::DuplicatePolicyAttachment),
        ("DetachPolicy", ErrorClass::PolicyNotAttached),
    ]);
    for (action, call, effect) in effects() {
        let world = world(vec![]);
        world.0.borrow_mut().refusals = refusals.clone();
        let outcome = carry_out(&world, action).await;
        assert_eq!(outcome.result, Ok(Some(effect)), "{call}");
        assert_eq!(world.calls(), [call]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_is_born_with_its_tag_and_a_description_for_people() {
    let world = world(vec![]);
    let outcome = carry_out(&world, create(desired())).await;
    let Ok(Some(Effect::PolicyCreated(made))) = outcome.result else {
        panic!("{outcome:?}")
    };
    assert!(made.is_of("heron") && made.says(&desired().content));
    let stored = world.policies(|_| true).pop().unwrap();
    assert_eq!(stored.description, "Bulkhead heron: denyLeaving, regions");
    assert_eq!(stored.tags, tags(tag_keys::MANAGED, "heron"));
    let many = DesiredPolicy {
        parts: (0..100).map(|n| format!("gu\u{e4}rdrail-{n}")).collect(),
        ..desired()
    };
    carry_out(&world, create(many)).await.result.unwrap();
    let description = world.policies(|_| true).pop().unwrap().description;
    assert_eq!(description.chars().count(), 512, "AWS's limit");
    assert!(description.ends_with("..."), "{description}");
}

#[tokio::test(start_paused = true)]
async fn what_a_refusal_means() {
    let constraint = |reason: &str| ErrorClass::ConstraintViolation(reason.into());
    let limited = Disposition::Stalled(Reason::PolicyLimitExceeded);
    let minutes = SignedDuration::from_mins;
    for (action, class, expected) in [
        (
            create(desired()),
            ErrorClass::DuplicatePolicy,
            Disposition::Reobserve,
        ),
        (
            create(desired()),
            constraint("POLICY_NUMBER_LIMIT_EXCEEDED"),
            limited,
        ),
        (
            create(desired()),
            constraint("POLICY_CONTENT_LIMIT_EXCEEDED"),
            limited,
        ),
        (update(), constraint("POLICY_CONTENT_LIMIT_EXCEEDED"), limited),
        (
            create(desired()),
            ErrorClass::MalformedPolicyDocument,
            Disposition::Stalled(Reason::MalformedPolicyDocument),
        ),
        (
            create(desired()),
            constraint("TAG_POLICY_VIOLATION"),
            Disposition::Stalled(Reason::TagPolicyViolation),
        ),
        (
            enable(),
            ErrorClass::PolicyTypeNotAvailable,
            Disposition::Stalled(Reason::PolicyTypeNotAvailable),
        ),
        (
            enable(),
            ErrorClass::PolicyChangesInProgress,
            Disposition::Wait(Reason::PolicyChangesInProgress, minutes(1)),
        ),
        (
            attach(),
            constraint("MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED"),
            Disposition::Wait(Reason::NoPolicySlot, minutes(5)),
        ),
        (attach(), ErrorClass::PolicyTypeNotEnabled, Disposition::Reobserve),
        (attach(), ErrorClass::PolicyNotFound, Disposition::Reobserve),
        (attach(), ErrorClass::TargetNotFound, Disposition::Reobserve),
        (delete(), ErrorClass::PolicyInUse, Disposition::Reobserve),
        (
            detach(),
            constraint("MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED"),
            Disposition::Stalled(Reason::ConstraintViolation),
        ),
        (
            detach(),
            ErrorClass::Service,
            Disposition::Retry(Reason::AwsUnavailable),
        ),
    ] {
        let world = world(vec![]);
        world.0.borrow_mut().refusals.insert(action.kind(), class.clone());
        let outcome = carry_out(&world, action).await;
        let Err(StepFailure::Aws { error, disposition }) = outcome.result else {
            panic!("{outcome:?}")
        };
        assert_eq!((error.class, disposition), (class.clone(), expected), "{class}");
        assert_eq!(world.calls().len(), 1, "not repeated");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_changed_outside_of_a_term() {
    let actions = effects().map(|(action, ..)| action).into_iter();
    for action in actions.chain([create(desired())]) {
        let world = world(vec![]);
        let step = Step {
            id: StepId("step".into()),
            key: None,
            action,
            reason: Reason::AttachingPolicies,
            spends: None,
        };
        let late = context(&world, Duration::from_millis(3900));
        let outcome = execute(late, step, Some(root())).await;
        assert_eq!(outcome.result, Err(StepFailure::Fenced));
        assert_eq!(world.calls(), Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn changes_of_policies_share_a_bucket_as_at_aws() {
    let world = world(vec![]);
    let context = context(&world, Duration::from_secs(10));
    tokio::time::sleep(Duration::from_mins(1)).await;
    let mut sent = 0;
    while [create(desired()), attach(), detach(), delete()]
        .iter()
        .any(|action| context.admit(action).is_ok())
    {
        sent += 1;
    }
    assert_eq!(sent, 2, "a burst of 3 less the allowance for jitter");
    assert!(context.admit(&update()).is_ok() && context.admit(&enable()).is_ok());
    let now = context.clock.now();
    assert!(context.pacer.ready(Family::TagResource, Class::Tags, now));
}

#[tokio::test(start_paused = true)]
async fn what_a_person_has_to_change_is_told_in_awss_words() {
    let mut error = failed(ErrorClass::ConstraintViolation("TAG_POLICY_VIOLATION".into()));
    error.message = "The tag policy does not allow\n  the specified value for key 'CostCenter'. ".into();
    assert_eq!(
        error.to_string(),
        "Test failed: ConstraintViolationException, TAG_POLICY_VIOLATION: The tag policy does not allow the specified \
         value for key 'CostCenter'."
    );
    error.message = "x".repeat(1000);
    assert!(error.to_string().len() < 400);
    error.message.clear();
    assert!(error.to_string().ends_with("VIOLATION"), "{error}");
    error.class = ErrorClass::AccessDenied;
    error.message = "User: arn:aws:iam::1:role/x is not authorized".into();
    assert_eq!(error.to_string(), "Test failed: AccessDeniedException");
}
