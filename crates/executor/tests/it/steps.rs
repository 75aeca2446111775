//! Steps and looks: the term, the budget, the pace, and calls without an answer.

use crate::world::{World, context, root};
use executor::{Clock, ErrorClass, Fence, JournalError, ReadResult, StepFailure, execute, read};
use model::{
    AccountKey, Action, Change, Class, Email, Observation, Read, Reason, RoleName, Step, StepId, Tags, Token,
};
use std::time::Duration;
use tokio::time::Instant;

fn create() -> Step {
    let action = Action::CreateAccount {
        token: Token::parse("0123456789abcdef").unwrap(),
        email: Email::parse("egret@example.com").unwrap(),
        account_name: model::AccountName::parse("egret").unwrap(),
        role_name: RoleName::parse("Perch").unwrap(),
        tags: Tags::new(),
    };
    let key = Some(AccountKey::new("wading", "egret"));
    Step {
        id: StepId("create/wading/egret".into()),
        key,
        action,
        reason: Reason::CreationInProgress,
        spends: Some(Change::Creation),
    }
}

#[tokio::test(start_paused = true)]
async fn a_creation_is_confirmed_then_sent_once() {
    let world = World::default();
    let outcome = execute(context(&world, Duration::from_secs(10)), create(), Some(root())).await;
    assert!(outcome.result.is_ok());
    assert_eq!(
        world.calls(),
        [
            "confirm",
            "spend Creation",
            "CreateAccount egret@example.com",
            "sent"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_outside_of_a_term_or_near_its_end() {
    let world = World::default();
    let outcome = execute(
        context(&world, Duration::from_millis(3900)),
        create(),
        Some(root()),
    )
    .await;
    assert_eq!(outcome.result, Err(StepFailure::Fenced));
    assert_eq!(world.calls(), ["confirm"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_built_in_the_term_and_would_be_sent_after_it_is_not() {
    let world = World::default();
    world.0.borrow_mut().answer_after = Duration::from_secs(2);
    let context = context(&world, Duration::from_secs(5));
    let outcome = execute(context.clone(), create(), Some(root())).await;
    assert_eq!(outcome.result, Err(StepFailure::Fenced));
    assert_eq!(
        world.calls(),
        ["confirm", "spend Creation", "CreateAccount egret@example.com"]
    );
    assert!(Fence::of_this_call().is_none(), "only around its own call");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_for_an_intent_that_no_longer_stands() {
    let world = World::default();
    world.0.borrow_mut().refuse_intent = true;
    let outcome = execute(context(&world, Duration::from_secs(10)), create(), Some(root())).await;
    assert_eq!(outcome.result, Err(StepFailure::Journal(JournalError::Conflict)));
    assert_eq!(world.calls(), ["confirm"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_that_could_not_be_counted() {
    let world = World::default();
    world.0.borrow_mut().refuse_spending = true;
    let outcome = execute(context(&world, Duration::from_secs(10)), create(), Some(root())).await;
    assert_eq!(outcome.result, Err(StepFailure::Journal(JournalError::Conflict)));
    assert_eq!(world.calls(), ["confirm", "spend Creation"]);
}

#[tokio::test(start_paused = true)]
async fn what_no_budget_counts_is_sent_uncounted() {
    let world = World::default();
    let step = Step {
        spends: None,
        ..create()
    };
    execute(context(&world, Duration::from_secs(10)), step, Some(root())).await;
    assert_eq!(
        world.calls(),
        ["confirm", "CreateAccount egret@example.com", "sent"]
    );
}

#[tokio::test(start_paused = true)]
async fn the_organizations_limit_of_creations_rests_all_of_them() {
    let world = World::default();
    let limit = ErrorClass::ConstraintViolation("ACCOUNT_CREATION_RATE_LIMIT_EXCEEDED".into());
    world.0.borrow_mut().refusal = Some(limit);
    let context = context(&world, Duration::from_mins(5));
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(context.admit(&create().action).is_ok());
    execute(context.clone(), create(), Some(root())).await;
    let rest = context.clock.now() + Duration::from_secs(30);
    assert_eq!(
        context.admit(&create().action),
        Err(rest),
        "there are tokens, and none is given"
    );
    let tags = executor::Family::TagResource;
    assert!(context.pacer.ready(tags, Class::Tags, context.clock.now()));
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(context.ready(&create().action) && context.admit(&create().action).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_ends_in_time_with_an_unknown_effect_and_is_not_repeated() {
    let world = World::default();
    world.0.borrow_mut().answer_after = Duration::from_mins(1);
    let began = Instant::now();
    let outcome = execute(context(&world, Duration::from_secs(10)), create(), Some(root())).await;
    assert_eq!(began.elapsed(), Duration::from_secs(4));
    let Err(StepFailure::Aws { error, .. }) = outcome.result else {
        panic!("{outcome:?}")
    };
    assert!(error.class.effect_unknown());
    assert_eq!(world.calls().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_look_reads_requests_first_then_every_page_and_parents_that_are_missing() {
    let world = World::default();
    world.0.borrow_mut().throttled = 2;
    let result = read(context(&world, Duration::from_secs(10)), Read::Look, 7, None)
        .await
        .unwrap();
    let ReadResult::Organization(Observation::Look {
        look: 7, accounts, ..
    }) = result
    else {
        panic!("{result:?}")
    };
    let parents: Vec<&str> = accounts.iter().map(|account| account.parent.as_str()).collect();
    assert_eq!(parents, ["r-a1b2", "ou-a1b2-12345678"]);
    // Two of the five were throttled and tried again.
    let listed = ["ListCreateAccountStatus"]
        .into_iter()
        .chain(["ListAccounts"; 5])
        .chain(["ListParents"]);
    assert_eq!(world.calls(), listed.collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn reads_keep_the_pace_of_the_pacer() {
    let world = World::default();
    let context = context(&world, Duration::from_secs(10));
    let began = Instant::now();
    for look in 0..5 {
        read(context.clone(), Read::Look, look, None).await.unwrap();
    }
    // 15 pages of ListAccounts at 8 per second after a burst of 12, less the allowance for jitter.
    let seconds = began.elapsed().as_secs_f64();
    assert!((0.37..0.8).contains(&seconds), "{seconds}");
}
