//! Every method against a simulated organization, with the clock paused.

use aws::{
    Aws,
    inprocess::{self, LostAnswer},
};
use bytes::Bytes;
use executor::{Access, AwsError, CreateAccountRequest, ErrorClass, Organizations, Page, Tagged};
use model::{
    AccountId, AccountName, AccountState, CreateRequestId, CreationRecord, CreationState, Email, OuId,
    ParentId, RoleName, TagKey, TagValue,
};
use orgsim::{Limits, Lost, Mutation, Orgsim, Settings, tokio_clock};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

pub(crate) fn seconds(fixed: u64) -> (Duration, Duration) {
    (Duration::from_secs(fixed), Duration::from_secs(fixed))
}

pub(crate) fn settings() -> Settings {
    Settings {
        limits: Limits::Off,
        create_duration: seconds(10),
        access_lag: seconds(60),
        listing_lag: seconds(5),
        empty_page_percent: 0,
        ..Settings::default()
    }
}

pub(crate) fn organization(settings: Settings) -> (Aws, Orgsim) {
    let start = settings.start;
    let sim = Orgsim::new(settings, tokio_clock(start));
    let service = sim.clone();
    let http = inprocess::http_client(move |request: http::Request<Bytes>| {
        let service = service.clone();
        async move {
            service.handle(request).await.map_err(|lost| match lost {
                Lost::Refused => LostAnswer::Refused,
                Lost::Broken => LostAnswer::Broken,
            })
        }
    });
    let now = tokio_clock(start);
    (aws::simulated(http, move || SystemTime::from(now())), sim)
}

fn request(name: &str) -> CreateAccountRequest {
    CreateAccountRequest {
        email: Email::parse(&format!("aws+{name}@example.com")).unwrap(),
        account_name: AccountName::parse(name).unwrap(),
        role_name: RoleName::parse("OrganizationAccountAccessRole").unwrap(),
        tags: [(
            TagKey::parse("team").unwrap(),
            TagValue::parse("payments").unwrap(),
        )]
        .into(),
    }
}

fn role(account: &AccountId) -> String {
    format!("arn:aws:iam::{account}:role/OrganizationAccountAccessRole")
}

pub(crate) fn root(sim: &Orgsim) -> ParentId {
    ParentId::parse(sim.root_id()).unwrap()
}

/// All pages of a listing.
pub(crate) async fn all<T>(mut page: impl AsyncFnMut(Option<&str>) -> Result<Page<T>, AwsError>) -> Vec<T> {
    let (mut items, mut token) = (Vec::new(), None);
    loop {
        let Page { items: more, next } = page(token.as_deref()).await.unwrap();
        items.extend(more);
        token = next;
        if token.is_none() {
            return items;
        }
    }
}

async fn settled(aws: &Aws, id: &CreateRequestId) -> CreationRecord {
    loop {
        let record = aws.describe_create_account_status(id).await.unwrap();
        if record.state != CreationState::InProgress {
            return record;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

pub(crate) async fn create(aws: &Aws, name: &str) -> AccountId {
    let record = aws.create_account(&request(name)).await.unwrap();
    match settled(aws, &record.id).await.state {
        CreationState::Succeeded(account) => account,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_from_request_to_use() {
    let (aws, sim) = organization(settings());
    let organization = aws.describe_organization().await.unwrap();
    assert_eq!(organization.id.as_str(), sim.organization_id());
    assert_eq!(organization.management.as_str(), sim.management_account_id());
    let roots = all(async |token| aws.list_roots(token).await).await;
    assert_eq!(
        roots.iter().map(|root| root.id.as_str()).collect::<Vec<_>>(),
        [sim.root_id()]
    );

    let unit_tags: BTreeMap<String, String> = [("bulkhead.dev/managed".to_owned(), "acme".to_owned())].into();
    let unit = aws
        .create_organizational_unit(&root(&sim), "Workloads", &unit_tags)
        .await
        .unwrap();
    let units =
        async || all(async |token| aws.list_organizational_units_for_parent(&root(&sim), token).await).await;
    assert!(units().await.is_empty(), "a listing shows a new unit later");
    tokio::time::sleep(settings().listing_lag.1).await;
    assert_eq!(units().await, std::slice::from_ref(&unit));
    let tags = all(async |token| aws.list_tags_for_resource(unit.id.as_str(), token).await).await;
    assert_eq!(tags, [("bulkhead.dev/managed".to_owned(), "acme".to_owned())]);

    let record = aws.create_account(&request("payments-prod")).await.unwrap();
    assert_eq!(
        (record.account_name.as_str(), &record.state),
        ("payments-prod", &CreationState::InProgress)
    );
    tokio::time::sleep(Duration::from_secs(6)).await;
    let in_progress = all(async |token| aws.list_creations_in_progress(token).await).await;
    assert_eq!(in_progress, std::slice::from_ref(&record));
    let CreationState::Succeeded(account) = settled(&aws, &record.id).await.state else {
        panic!("no account")
    };
    assert!(
        all(async |token| aws.list_creations_in_progress(token).await)
            .await
            .is_empty()
    );

    let listed = aws.describe_account(&account).await.unwrap();
    assert_eq!(
        (listed.email.as_str(), listed.name.as_str()),
        ("aws+payments-prod@example.com", "payments-prod")
    );
    assert_eq!(
        (listed.state, &listed.parent),
        (AccountState::Active, &Some(root(&sim)))
    );
    assert_eq!(aws.list_parents(&account).await.unwrap(), root(&sim));
    tokio::time::sleep(Duration::from_secs(5)).await;
    let accounts = all(async |token| aws.list_accounts(token).await).await;
    assert!(accounts.contains(&listed) && accounts.len() == 2, "{accounts:?}");

    let into = ParentId::Ou(unit.id.clone());
    aws.move_account(&account, &root(&sim), &into).await.unwrap();
    assert_eq!(
        aws.describe_account(&account).await.unwrap().parent,
        Some(into.clone())
    );
    assert_eq!(aws.list_parents(&account).await.unwrap(), into);

    aws.tag_resource(account.as_str(), &[("cost".to_owned(), "42".to_owned())].into())
        .await
        .unwrap();
    aws.untag_resource(
        account.as_str(),
        &BTreeSet::from([TagKey::parse("team").unwrap()]),
    )
    .await
    .unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let cost = (TagKey::parse("cost").unwrap(), TagValue::parse("42").unwrap());
    let bulk = all(async |token| aws.get_resource_tags(token).await).await;
    assert_eq!(bulk, [(Tagged::Account(account.clone()), [cost].into())]);

    let error = aws.verify(&account, &role(&account)).await.unwrap_err();
    assert_eq!(
        (error.operation, error.class),
        ("AssumeRole", ErrorClass::AccessDenied)
    );
    tokio::time::sleep(Duration::from_mins(1)).await;
    aws.verify(&account, &role(&account)).await.unwrap();
    // A policy can deny what the session does, though not that it exists.
    sim.mutate(Mutation::Deny {
        operations: vec!["DescribeOrganization".to_owned()],
    })
    .unwrap();
    let error = aws.verify(&account, &role(&account)).await.unwrap_err();
    assert_eq!(
        (error.operation, error.class),
        ("DescribeOrganization", ErrorClass::AccessDenied)
    );
}

#[tokio::test(start_paused = true)]
async fn the_role_of_another_account_is_not_the_right_one() {
    let (aws, _) = organization(settings());
    let first = create(&aws, "first").await;
    let second = create(&aws, "second").await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    let error = aws.verify(&first, &role(&second)).await.unwrap_err();
    let wrong = ErrorClass::Unclassified("WrongAccount".into());
    assert_eq!((error.operation, error.class), ("GetCallerIdentity", wrong));
}

#[tokio::test(start_paused = true)]
async fn listings_of_many_pages() {
    let (aws, _) = organization(Settings {
        empty_page_percent: 50,
        ..settings()
    });
    for number in 0..45 {
        aws.create_account(&request(&format!("account-{number}")))
            .await
            .unwrap();
    }
    tokio::time::sleep(Duration::from_mins(1)).await;
    let accounts = all(async |token| aws.list_accounts(token).await).await;
    assert_eq!(accounts.len(), 46);
    let tags = all(async |token| aws.get_resource_tags(token).await).await;
    assert_eq!(tags.len(), 45);
}

#[tokio::test(start_paused = true)]
async fn what_the_organization_refuses() {
    let (aws, sim) = organization(settings());
    let account = create(&aws, "payments").await;
    let tags = BTreeMap::new();
    let unit = aws
        .create_organizational_unit(&root(&sim), "Workloads", &tags)
        .await
        .unwrap();
    let into = ParentId::Ou(unit.id.clone());
    let nowhere = ParentId::Ou(OuId::parse("ou-a1b2-00000000").unwrap());
    let nobody = AccountId::parse("000000000000").unwrap();
    let unknown = CreateRequestId::parse("car-00000000").unwrap();

    let error = aws
        .create_organizational_unit(&root(&sim), "Workloads", &tags)
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::DuplicateOrganizationalUnit);
    let error = aws
        .create_organizational_unit(&nowhere, "Workloads", &tags)
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::TargetNotFound);
    let other = aws
        .create_organizational_unit(&root(&sim), "Sandbox", &tags)
        .await
        .unwrap();
    let error = aws
        .move_account(&account, &into, &ParentId::Ou(other.id))
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::SourceParentNotFound);
    let error = aws
        .move_account(&account, &root(&sim), &root(&sim))
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::DuplicateAccount);
    let error = aws
        .move_account(&account, &root(&sim), &nowhere)
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::TargetNotFound);
    let error = aws.move_account(&nobody, &root(&sim), &into).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::AccountNotFound);
    let error = aws.describe_account(&nobody).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::AccountNotFound);
    let error = aws.list_parents(&nobody).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::TargetNotFound);
    let error = aws
        .list_tags_for_resource("000000000000", None)
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::TargetNotFound);
    let error = aws.describe_create_account_status(&unknown).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::CreateAccountStatusNotFound);
    let error = aws.list_accounts(Some("no such token")).await.unwrap_err();
    assert!(matches!(error.class, ErrorClass::InvalidInput(_)), "{error:?}");
    assert!(error.request_id.is_some());

    let record = aws.create_account(&request("payments")).await.unwrap();
    let failed = settled(&aws, &record.id).await.state;
    assert_eq!(failed, CreationState::Failed("EMAIL_ALREADY_EXISTS".into()));
}

#[tokio::test(start_paused = true)]
async fn exceptions_and_reasons_on_the_wire() {
    let (aws, sim) = organization(settings());
    let constraint = |reason: &str| ErrorClass::ConstraintViolation(reason.into());
    for (error, reason, class) in [
        ("TooManyRequestsException", None, ErrorClass::Throttled),
        ("ServiceException", None, ErrorClass::Service),
        (
            "ConcurrentModificationException",
            None,
            ErrorClass::ConcurrentModification,
        ),
        (
            "FinalizingOrganizationException",
            None,
            ErrorClass::FinalizingOrganization,
        ),
        ("AccessDeniedException", None, ErrorClass::AccessDenied),
        (
            "AccessDeniedForDependencyException",
            None,
            ErrorClass::AccessDenied,
        ),
        (
            "AWSOrganizationsNotInUseException",
            None,
            ErrorClass::OrganizationsNotInUse,
        ),
        (
            "ConstraintViolationException",
            Some("ACCOUNT_NUMBER_LIMIT_EXCEEDED"),
            constraint("ACCOUNT_NUMBER_LIMIT_EXCEEDED"),
        ),
        (
            "ConstraintViolationException",
            Some("NEXT_YEAR"),
            constraint("NEXT_YEAR"),
        ),
        (
            "InvalidInputException",
            Some("INVALID_PATTERN"),
            ErrorClass::InvalidInput("INVALID_PATTERN".into()),
        ),
        (
            "NextYearException",
            None,
            ErrorClass::Unclassified("NextYearException".into()),
        ),
    ] {
        let (operation, reason) = ("CreateAccount".to_owned(), reason.map(str::to_owned));
        sim.mutate(Mutation::FailNext {
            operation,
            error: error.to_owned(),
            reason,
        })
        .unwrap();
        assert_eq!(
            aws.create_account(&request("payments")).await.unwrap_err().class,
            class,
            "{error}"
        );
    }
    assert_eq!(sim.calls().len(), 11);
    assert!(sim.state().creations.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_too_late_leaves_one_creation_behind() {
    let slow = Settings {
        latency: seconds(6),
        ..settings()
    };
    let (aws, sim) = organization(slow);
    let error = aws.create_account(&request("payments")).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Timeout);
    assert_eq!(sim.calls().len(), 1);
    assert_eq!(sim.state().creations.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_read_is_not_repeated() {
    let (aws, sim) = organization(Settings {
        limits: Limits::Published,
        latency: seconds(0),
        ..settings()
    });
    // Burst 2, then one per second.
    for _ in 0..2 {
        aws.describe_organization().await.unwrap();
    }
    assert_eq!(
        aws.describe_organization().await.unwrap_err().class,
        ErrorClass::Throttled
    );
    assert_eq!(sim.calls().len(), 3);
}
