//! The executor on a small world of its own: what is sent when, and what is not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use executor::{
    Access, AwsError, Clock, Context, CreateAccountRequest, ErrorClass, Fence, Journal, JournalError,
    ListedAccount, Organization, Organizations, Pacer, Page, Rates, ReadResult, SharedPacer, StepFailure,
    execute, read,
};
use jiff::Timestamp;
use model::{
    AccountId, AccountKey, AccountState, Action, Assigned, Change, Class, CreateRequestId, Creation,
    CreationRecord, CreationState, Email, Observation, ObservedUnit, ParentId, Read, Reason, RoleName,
    RootId, Step, StepId, TagKey, Tags, Token,
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};
use tokio::time::Instant;

#[derive(Clone, Copy)]
struct Virtual(Instant);
impl Clock for Virtual {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_767_225_600).unwrap() + self.0.elapsed()
    }
}

/// What happened, in order; and how the world answers.
#[derive(Default)]
struct Script {
    calls: Vec<String>,
    refuse_intent: bool,
    refuse_spending: bool,
    /// What CreateAccount answers, if not success.
    refusal: Option<ErrorClass>,
    answer_after: Duration,
    throttled: u32,
}

#[derive(Clone, Default)]
struct World(Rc<RefCell<Script>>);

impl World {
    fn call(&self, name: impl Into<String>) {
        self.0.borrow_mut().calls.push(name.into());
    }
    fn calls(&self) -> Vec<String> {
        self.0.borrow().calls.clone()
    }
}

fn failed(class: ErrorClass) -> AwsError {
    AwsError {
        operation: "Test",
        class,
        message: String::new(),
        request_id: None,
    }
}
fn root() -> RootId {
    RootId::parse("r-a1b2").unwrap()
}

impl Organizations for World {
    async fn describe_organization(&self) -> Result<Organization, AwsError> {
        Err(failed(ErrorClass::AccessDenied))
    }
    async fn list_roots(&self, _: Option<&str>) -> Result<Page<RootId>, AwsError> {
        Ok(Page {
            items: vec![root()],
            next: None,
        })
    }
    /// Three pages; the second is empty.
    async fn list_accounts(&self, next: Option<&str>) -> Result<Page<ListedAccount>, AwsError> {
        self.call("ListAccounts");
        if self.0.borrow().throttled > 0 {
            self.0.borrow_mut().throttled -= 1;
            return Err(failed(ErrorClass::Throttled));
        }
        let account = |id: &str, parent: Option<&str>| ListedAccount {
            id: AccountId::parse(id).unwrap(),
            arn: String::new(),
            email: format!("{id}@example.com"),
            name: String::new(),
            state: AccountState::Active,
            parent: parent.map(|parent| ParentId::parse(parent).unwrap()),
        };
        Ok(match next {
            None => Page {
                items: vec![account("111111111111", Some("r-a1b2"))],
                next: Some("2".into()),
            },
            Some("2") => Page {
                items: vec![],
                next: Some("3".into()),
            },
            Some(_) => Page {
                items: vec![account("222222222222", None)],
                next: None,
            },
        })
    }
    async fn describe_account(&self, _: &AccountId) -> Result<ListedAccount, AwsError> {
        Err(failed(ErrorClass::AccountNotFound))
    }
    async fn list_parents(&self, _: &AccountId) -> Result<ParentId, AwsError> {
        self.call("ListParents");
        Ok(ParentId::parse("ou-a1b2-12345678").unwrap())
    }
    async fn list_organizational_units_for_parent(
        &self,
        _: &ParentId,
        _: Option<&str>,
    ) -> Result<Page<ObservedUnit>, AwsError> {
        Ok(Page {
            items: vec![],
            next: None,
        })
    }
    async fn list_creations_in_progress(&self, _: Option<&str>) -> Result<Page<CreationRecord>, AwsError> {
        self.call("ListCreateAccountStatus");
        Ok(Page {
            items: vec![],
            next: None,
        })
    }
    async fn describe_create_account_status(&self, _: &CreateRequestId) -> Result<CreationRecord, AwsError> {
        Err(failed(ErrorClass::CreateAccountStatusNotFound))
    }
    async fn list_tags_for_resource(
        &self,
        _: &str,
        _: Option<&str>,
    ) -> Result<Page<(String, String)>, AwsError> {
        Ok(Page {
            items: vec![],
            next: None,
        })
    }
    async fn get_account_tags(&self, _: Option<&str>) -> Result<Page<(AccountId, Tags)>, AwsError> {
        Ok(Page {
            items: vec![],
            next: None,
        })
    }
    async fn create_account(&self, request: &CreateAccountRequest) -> Result<CreationRecord, AwsError> {
        self.call(format!("CreateAccount {}", request.email));
        let wait = self.0.borrow().answer_after;
        tokio::time::sleep(wait).await;
        if !Fence::of_this_call().is_some_and(|fence| fence.permits()) {
            return Err(failed(ErrorClass::TermOver));
        }
        self.call("sent");
        if let Some(class) = self.0.borrow().refusal.clone() {
            return Err(failed(class));
        }
        let id = CreateRequestId::parse("car-12345678").unwrap();
        Ok(CreationRecord {
            id,
            account_name: request.account_name.to_string(),
            state: CreationState::InProgress,
        })
    }
    async fn create_organizational_unit(
        &self,
        _: &ParentId,
        _: &str,
        _: &BTreeMap<String, String>,
    ) -> Result<ObservedUnit, AwsError> {
        Err(failed(ErrorClass::DuplicateOrganizationalUnit))
    }
    async fn move_account(&self, _: &AccountId, _: &ParentId, _: &ParentId) -> Result<(), AwsError> {
        Ok(())
    }
    async fn tag_resource(&self, _: &str, _: &BTreeMap<String, String>) -> Result<(), AwsError> {
        Ok(())
    }
    async fn untag_resource(&self, _: &str, _: &BTreeSet<TagKey>) -> Result<(), AwsError> {
        Ok(())
    }
}

impl Access for World {
    async fn verify(&self, _: &AccountId, _: &str) -> Result<(), AwsError> {
        Err(failed(ErrorClass::AccessDenied))
    }
}

impl Journal for World {
    async fn hold(&self, _: &AccountKey) -> Result<(), JournalError> {
        Ok(())
    }
    async fn release(&self, _: &AccountKey) -> Result<(), JournalError> {
        Ok(())
    }
    async fn intend(&self, _: &AccountKey, _: &Creation, assigned: &Assigned) -> Result<(), JournalError> {
        self.call(format!("intend {}", assigned.tag()));
        Ok(())
    }
    async fn assign(&self, _: &AccountKey, assigned: &Assigned) -> Result<(), JournalError> {
        self.call(format!("assign {}", assigned.tag()));
        Ok(())
    }
    async fn reread(&self, _: &AccountKey) -> Result<(), JournalError> {
        self.call("reread");
        Ok(())
    }
    async fn record_request(
        &self,
        _: &AccountKey,
        _: &Token,
        _: &CreateRequestId,
    ) -> Result<(), JournalError> {
        Ok(())
    }
    async fn withdraw(&self, _: &AccountKey, _: &Token) -> Result<(), JournalError> {
        Ok(())
    }
    async fn confirm(&self, _: &AccountKey, _: &Token) -> Result<(), JournalError> {
        self.call("confirm");
        if self.0.borrow().refuse_intent {
            Err(JournalError::Conflict)
        } else {
            Ok(())
        }
    }
    async fn spend(&self, change: &Change) -> Result<(), JournalError> {
        self.call(format!("spend {change:?}"));
        if self.0.borrow().refuse_spending {
            Err(JournalError::Conflict)
        } else {
            Ok(())
        }
    }
    async fn apply_outputs(
        &self,
        _: &AccountKey,
        _: &str,
        _: &BTreeMap<String, String>,
    ) -> Result<(), JournalError> {
        Ok(())
    }
}

fn context(world: &World, term: Duration) -> Context<World, World, Virtual> {
    let clock = Virtual(Instant::now());
    let fence = Fence::default();
    fence.open_until(Instant::now() + term);
    Context {
        aws: world.clone(),
        journal: world.clone(),
        clock,
        pacer: SharedPacer::new(Pacer::new(
            Rates {
                multiplier: 1.0,
                share: 1.0,
            },
            clock.now(),
        )),
        fence,
        installation: "heron".into(),
    }
}

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
