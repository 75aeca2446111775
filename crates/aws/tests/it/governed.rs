//! Policies in a simulated organization, with the clock paused; and how many calls a full read takes.

use crate::{
    policies::{DENY, class, content, desired, id, kind, managed, scp},
    simulation::{all, create, organization, root, seconds, settings},
};
use aws::Aws;
use executor::{
    Clock, Context, ErrorClass, Fence, Organizations, Pacer, PolicyApi, PolicySummary, Rates, ReadResult,
    SharedPacer, Tagged, read,
};
use jiff::Timestamp;
use model::{
    AccountId, DesiredPolicy, Observation, ParentId, PolicyTarget, PolicyType, PolicyTypeState, Read, RootId,
};
use orgsim::{Mutation, Orgsim, Settings};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

const OTHER: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}"#;

fn with_policies(types: &[&str]) -> Settings {
    Settings {
        policy_types: types.iter().map(|name| (*name).to_owned()).collect(),
        policy_type_duration: seconds(10),
        ..settings()
    }
}

async fn types(aws: &Aws) -> BTreeMap<PolicyType, PolicyTypeState> {
    let roots = all(async |token| aws.list_roots(token).await).await;
    roots.into_iter().next().unwrap().policy_types
}

#[tokio::test(start_paused = true)]
async fn a_policy_type_is_enabled_once_and_takes_its_time() {
    let (aws, sim) = organization(with_policies(&[]));
    let root = RootId::parse(sim.root_id()).unwrap();
    assert!(types(&aws).await.is_empty());
    aws.enable_policy_type(&root, &scp()).await.unwrap();
    assert_eq!(
        types(&aws).await,
        [(scp(), PolicyTypeState::PendingEnable)].into()
    );
    let busy = aws.enable_policy_type(&root, &kind("TAG_POLICY")).await;
    assert_eq!(class(busy), ErrorClass::PolicyChangesInProgress);
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(types(&aws).await, [(scp(), PolicyTypeState::Enabled)].into());
    let again = aws.enable_policy_type(&root, &scp()).await;
    assert_eq!(class(again), ErrorClass::PolicyTypeAlreadyEnabled);

    let (aws, _) = organization(Settings {
        all_features: false,
        ..with_policies(&[])
    });
    let billing_only = aws.enable_policy_type(&root, &scp()).await;
    assert_eq!(class(billing_only), ErrorClass::PolicyTypeNotAvailable);
}

#[tokio::test(start_paused = true)]
async fn a_policy_from_its_making_to_its_end() {
    let (aws, sim) = organization(with_policies(&["SERVICE_CONTROL_POLICY"]));
    let account = create(&aws, "payments").await;
    let wanted = desired("bulkhead-acme-prod-0123456789");
    let made = aws
        .create_policy(&wanted, "Bulkhead acme", &managed())
        .await
        .unwrap();
    assert_eq!(
        (&made.name, &made.policy_type, made.aws_managed),
        (&wanted.name, &scp(), false)
    );
    assert!(made.is_of("acme") && made.says(&wanted.content));
    assert_eq!(
        sim.state()
            .policies
            .iter()
            .filter(|p| p.id == made.id.as_str())
            .count(),
        1
    );
    let again = aws.create_policy(&wanted, "", &managed()).await;
    assert_eq!(class(again), ErrorClass::DuplicatePolicy);

    let listed = async || all(async |token| aws.list_policies(&scp(), token).await).await;
    let ids = |listed: Vec<PolicySummary>| {
        listed
            .into_iter()
            .map(|policy| policy.id)
            .collect::<BTreeSet<_>>()
    };
    assert!(
        !ids(listed().await).contains(&made.id),
        "a listing shows it later"
    );
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(
        ids(listed().await),
        [made.id.clone(), id("p-FullAWSAccess")].into()
    );
    let bulk = all(async |token| aws.get_resource_tags(token).await).await;
    assert!(
        bulk.contains(&(Tagged::Policy(made.id.clone()), managed())),
        "{bulk:?}"
    );
    let own = all(async |token| aws.list_tags_for_resource(made.id.as_str(), token).await).await;
    assert_eq!(own, [("bulkhead.dev/managed".to_owned(), "acme".to_owned())]);

    aws.attach_policy(&made.id, &account).await.unwrap();
    let again = aws.attach_policy(&made.id, &account).await;
    assert_eq!(class(again), ErrorClass::DuplicatePolicyAttachment);
    assert_eq!(class(aws.delete_policy(&made.id).await), ErrorClass::PolicyInUse);
    tokio::time::sleep(Duration::from_secs(6)).await;
    let targets = all(async |token| aws.list_targets_for_policy(&made.id, token).await).await;
    assert_eq!(targets, [PolicyTarget::Account(account.clone())]);
    let attached = all(async |token| aws.list_policies_for_target(&account, &scp(), token).await).await;
    let full_access = (id("p-FullAWSAccess"), "FullAWSAccess".to_owned());
    assert_eq!(
        attached.into_iter().collect::<BTreeSet<_>>(),
        [full_access, (made.id.clone(), wanted.name.clone())].into()
    );

    aws.update_policy(&made.id, &content(OTHER)).await.unwrap();
    assert_eq!(aws.describe_policy(&made.id).await.unwrap(), content(OTHER));
    assert!(ids(listed().await).contains(&made.id));
    aws.detach_policy(&made.id, &account).await.unwrap();
    let again = aws.detach_policy(&made.id, &account).await;
    assert_eq!(class(again), ErrorClass::PolicyNotAttached);
    aws.delete_policy(&made.id).await.unwrap();
    let gone = ErrorClass::PolicyNotFound;
    assert_eq!(class(aws.delete_policy(&made.id).await), gone);
    assert_eq!(class(aws.describe_policy(&made.id).await), gone);
    assert_eq!(class(aws.list_targets_for_policy(&made.id, None).await), gone);
    assert_eq!(class(aws.attach_policy(&made.id, &account).await), gone);
    let tags = aws.list_tags_for_resource(made.id.as_str(), None).await;
    assert_eq!(class(tags), ErrorClass::TargetNotFound);
}

#[tokio::test(start_paused = true)]
async fn what_policies_come_to_on_an_account() {
    let (aws, _) = organization(with_policies(&["SERVICE_CONTROL_POLICY", "TAG_POLICY"]));
    let account = create(&aws, "payments").await;
    let tag_policy = PolicyType::parse("TAG_POLICY").unwrap();
    let nothing = aws.describe_effective_policy(&account, &tag_policy).await;
    assert_eq!(class(nothing), ErrorClass::EffectivePolicyNotFound);
    let wanted = DesiredPolicy {
        policy_type: tag_policy.clone(),
        content: content(r#"{"tags":{"team":{"tag_key":{"@@assign":"team"}}}}"#),
        ..desired("bulkhead-acme-prod-0000000001")
    };
    let made = aws.create_policy(&wanted, "", &managed()).await.unwrap();
    aws.attach_policy(&made.id, &account).await.unwrap();
    let told = aws
        .describe_effective_policy(&account, &tag_policy)
        .await
        .unwrap();
    assert_eq!(told, r#"{"tags":{"team":{"tag_key":"team"}}}"#);
    let none = aws.describe_effective_policy(&account, &scp()).await;
    let invalid = ErrorClass::InvalidInput("INVALID_ENUM_POLICY_TYPE".into());
    assert_eq!(class(none), invalid, "of service control policies there is none");
}

#[tokio::test(start_paused = true)]
async fn what_the_organization_refuses() {
    let (aws, _) = organization(with_policies(&["SERVICE_CONTROL_POLICY"]));
    let account = create(&aws, "payments").await;
    let constraint = |reason: &str| ErrorClass::ConstraintViolation(reason.into());
    let nobody = AccountId::parse("000000000000").unwrap();
    let full_access = id("p-FullAWSAccess");
    for number in 0..10 {
        let wanted = desired(&format!("bulkhead-acme-prod-{number:010}"));
        let made = aws.create_policy(&wanted, "", &managed()).await.unwrap();
        let attached = aws.attach_policy(&made.id, &account).await;
        if number < 9 {
            attached.unwrap();
        } else {
            assert_eq!(
                class(attached),
                constraint("MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED")
            );
            assert_eq!(
                class(aws.attach_policy(&made.id, &nobody).await),
                ErrorClass::TargetNotFound
            );
        }
    }
    let unknown = aws.list_policies_for_target(&nobody, &scp(), None).await;
    assert_eq!(class(unknown), ErrorClass::TargetNotFound);
    let off = aws.attach_policy(&id("p-RCPFullAWSAccess"), &account).await;
    assert_eq!(class(off), ErrorClass::PolicyTypeNotEnabled);
    let immutable = ErrorClass::InvalidInput("IMMUTABLE_POLICY".into());
    assert_eq!(
        class(aws.update_policy(&full_access, &content(DENY)).await),
        immutable
    );
    assert_eq!(class(aws.delete_policy(&full_access).await), immutable);
    let with = |text: String| DesiredPolicy {
        content: content(&text),
        ..desired("bulkhead-acme-dev-0123456789")
    };
    let long = with(format!("{DENY}{}", " ".repeat(10_240)));
    let error = aws.create_policy(&long, "", &managed()).await;
    assert_eq!(class(error), constraint("POLICY_CONTENT_LIMIT_EXCEEDED"));
    let error = aws
        .create_policy(&with("{".into()), "", &managed())
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::MalformedPolicyDocument);
    assert!(
        error.to_string().ends_with(&error.message) && !error.message.is_empty(),
        "{error}"
    );
    let other = create(&aws, "billing").await;
    let last = aws.detach_policy(&full_access, &other).await;
    assert_eq!(
        class(last),
        constraint("MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED")
    );
}

#[derive(Clone)]
struct Virtual(Timestamp, tokio::time::Instant);

impl Clock for Virtual {
    fn now(&self) -> Timestamp {
        self.0 + self.1.elapsed()
    }
}

fn context(aws: Aws) -> Context<Aws, (), Virtual> {
    let clock = Virtual(settings().start, tokio::time::Instant::now());
    let rates = Rates {
        multiplier: 1.0,
        share: 1.0,
    };
    Context {
        aws,
        journal: (),
        pacer: SharedPacer::new(Pacer::new(rates, clock.now())),
        clock,
        fence: Fence::default(),
        installation: "acme".to_owned(),
    }
}

fn counted(sim: &Orgsim, from: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for call in &sim.calls()[from..] {
        assert_eq!(call.outcome, "OK");
        *counts.entry(call.operation.clone()).or_default() += 1;
    }
    counts
}

/// The formula is that of the cheapest full observation: parents come with the accounts, tags in bulk, and each policy
/// costs its content and its targets.
#[tokio::test(start_paused = true)]
async fn a_full_read_takes_the_fewest_calls_there_are() {
    const POLICIES: usize = 23;
    let (aws, sim) = organization(with_policies(&["SERVICE_CONTROL_POLICY", "TAG_POLICY"]));
    let unit = aws
        .create_organizational_unit(&root(&sim), "Workloads", &BTreeMap::new())
        .await
        .unwrap();
    let mut accounts = Vec::new();
    for number in 0..21 {
        accounts.push(create(&aws, &format!("account-{number}")).await);
    }
    let mut first = None;
    for number in 0..POLICIES {
        let wanted = desired(&format!("bulkhead-acme-prod-{number:010}"));
        let made = aws.create_policy(&wanted, "", &managed()).await.unwrap();
        first.get_or_insert(made.id);
    }
    let first = first.unwrap();
    for account in &accounts {
        aws.attach_policy(&first, account).await.unwrap();
    }
    sim.mutate(Mutation::AttachPolicy {
        policy: first.to_string(),
        target: unit.id.to_string(),
    })
    .unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
    let before = sim.calls().len();
    let result = Box::pin(read(context(aws), Read::Full, 1, None)).await.unwrap();
    let expected = [
        ("DescribeOrganization", 1),
        ("ListRoots", 1),
        ("ListOrganizationalUnitsForParent", 2),
        ("ListCreateAccountStatus", 1),
        ("ListAccounts", 2),
        ("GetResources", 1),
        // 23 and AWS's own of one type, none of the other.
        ("ListPolicies", 2 + 1),
        ("DescribePolicy", POLICIES),
        // 22 targets of the first, none of the others.
        ("ListTargetsForPolicy", POLICIES + 1),
    ];
    let expected = expected.map(|(operation, calls)| (operation.to_owned(), calls));
    assert_eq!(counted(&sim, before), expected.into());

    let ReadResult::Organization(Observation::Full { snapshot, .. }) = result else {
        panic!("{result:?}")
    };
    assert_eq!(snapshot.policy_types.len(), 2);
    let ours = snapshot
        .policies
        .policies
        .iter()
        .filter(|policy| policy.is_of("acme"));
    assert_eq!(ours.count(), POLICIES);
    assert_eq!(snapshot.policies.policies.len(), POLICIES + 1);
    let targets = snapshot
        .policies
        .attachments
        .iter()
        .find(|(policy, _)| *policy == first);
    let (_, targets) = targets.unwrap();
    assert_eq!(targets.len(), 22);
    assert!(targets.contains(&PolicyTarget::from(&ParentId::Ou(unit.id))));
    assert_eq!(snapshot.tags.len(), 21, "{:?}", snapshot.tags.keys());
}

/// The bulk listing lags: a policy that was made a moment ago is ours all the same.
#[tokio::test(start_paused = true)]
async fn a_policy_of_ours_is_known_before_the_bulk_listing_knows_it() {
    let (aws, _) = organization(Settings {
        listing_lag: (Duration::ZERO, Duration::from_mins(1)),
        ..with_policies(&["SERVICE_CONTROL_POLICY"])
    });
    let mut made = BTreeSet::new();
    for number in 0..20 {
        let wanted = desired(&format!("bulkhead-acme-prod-{number:010}"));
        made.insert(aws.create_policy(&wanted, "", &managed()).await.unwrap().id);
    }
    tokio::time::sleep(Duration::from_secs(20)).await;
    let bulk = aws.get_resource_tags(None).await.unwrap().items;
    let result = Box::pin(read(context(aws), Read::Policies(scp()), 1, None))
        .await
        .unwrap();
    let ReadResult::Organization(Observation::Policies { policies, .. }) = result else {
        panic!("{result:?}")
    };
    let seen = policies.iter().filter(|policy| made.contains(&policy.id));
    let untold = seen.clone().filter(|policy| {
        let tagged = Tagged::Policy(policy.id.clone());
        bulk.iter().all(|(of, _)| *of != tagged)
    });
    assert!(untold.count() > 0, "the test needs a listing that lags");
    assert!(seen.clone().count() > 0 && seen.clone().all(|policy| policy.is_of("acme")));
}
