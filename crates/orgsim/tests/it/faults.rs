//! Faults from a seed.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use orgsim::{Call, Fault, FaultPlan, FaultRule, Lost, Mutation, Orgsim, Settings};
use serde_json::{Value, json};

use crate::sdk::{World, calm, pass, seconds, tag};
use crate::wire::request;

fn plan(rules: Vec<FaultRule>) -> FaultPlan {
    FaultPlan {
        version: 1,
        seed: 7,
        rules,
    }
}

fn on(fault: Fault, operations: &[&str]) -> FaultRule {
    FaultRule {
        operations: operations.iter().map(|name| (*name).to_owned()).collect(),
        ..FaultRule::new(fault)
    }
}

async fn call(orgsim: &Orgsim, operation: &str, body: Value) -> Result<Response<Bytes>, Lost> {
    orgsim.handle(request(operation, &body)).await
}

async fn json_of(orgsim: &Orgsim, operation: &str, body: Value) -> (u16, Value) {
    let response = call(orgsim, operation, body).await.unwrap();
    let body = serde_json::from_slice(response.body()).unwrap();
    (response.status().as_u16(), body)
}

fn create(name: &str) -> Value {
    json!({"Email": format!("{name}@example.com"), "AccountName": name})
}

fn last(orgsim: &Orgsim) -> Call {
    orgsim.calls().pop().unwrap()
}

#[tokio::test(start_paused = true)]
async fn refusals_have_no_effect_and_the_services_own_codes() {
    let world = World::new(calm());
    let orgsim = &world.orgsim;
    for (fault, status, code) in [
        (Fault::Throttle, 400, "TooManyRequestsException"),
        (Fault::ServiceException, 500, "ServiceException"),
        (
            Fault::ConcurrentModification,
            400,
            "ConcurrentModificationException",
        ),
    ] {
        orgsim
            .set_faults(plan(vec![on(fault, &["CreateAccount"])]))
            .unwrap();
        let (got, body) = json_of(orgsim, "CreateAccount", create("a")).await;
        assert_eq!((got, body["__type"].as_str().unwrap()), (status, code));
        assert!(orgsim.state().creations.is_empty(), "{code}");
        let call = last(orgsim);
        assert_eq!((call.outcome.as_str(), call.fault), (code, Some(fault)));
    }
    orgsim
        .set_faults(plan(vec![FaultRule::new(Fault::Throttle)]))
        .unwrap();
    let tagging = world.tagging.get_resources().send().await.unwrap_err();
    assert_eq!(crate::refusal!(Err::<(), _>(tagging)), "ThrottledException");
    let sts = world.sts.get_caller_identity().send().await.unwrap_err();
    assert_eq!(crate::refusal!(Err::<(), _>(sts)), "Throttling");
    orgsim.set_faults(FaultPlan::default()).unwrap();
    json_of(orgsim, "CreateAccount", create("a")).await;
    assert_eq!(last(orgsim).fault, None);
    assert_eq!(orgsim.state().creations.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_before_the_effect_and_after() {
    let world = World::new(calm());
    let orgsim = &world.orgsim;
    for (fault, lost, creations) in [
        (Fault::Refused, Lost::Refused, 0),
        (Fault::RequestLost, Lost::Broken, 0),
        (Fault::AnswerLost, Lost::Broken, 1),
    ] {
        orgsim.set_faults(plan(vec![FaultRule::new(fault)])).unwrap();
        let error = call(orgsim, "CreateAccount", create("a")).await.unwrap_err();
        assert_eq!(error, lost);
        assert_eq!(orgsim.state().creations.len(), creations, "{fault:?}");
        let outcome = if creations == 0 { "NOT_PROCESSED" } else { "OK" };
        let call = last(orgsim);
        assert_eq!((call.outcome.as_str(), call.fault), (outcome, Some(fault)));
        assert_eq!(call.caller.as_deref(), Some(orgsim.management_account_id()));
    }
    let after = on(Fault::ServiceExceptionAfterEffect, &[]);
    orgsim.set_faults(plan(vec![after])).unwrap();
    assert_eq!(json_of(orgsim, "CreateAccount", create("b")).await.0, 500);
    assert_eq!(last(orgsim).outcome, "OK");
    assert_eq!(orgsim.state().creations.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_sdk_sees_a_broken_connection() {
    let world = World::new(calm());
    let lost = plan(vec![on(Fault::AnswerLost, &["writes"])]);
    world.orgsim.set_faults(lost).unwrap();
    let sent = world.organizations.create_account();
    let error = sent.email("a@example.com").account_name("a").send().await;
    assert!(matches!(
        error.unwrap_err(),
        aws_sdk_organizations::error::SdkError::DispatchFailure(_)
    ));
    assert_eq!(world.orgsim.state().creations.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_never_answers() {
    let world = World::new(calm());
    let orgsim = &world.orgsim;
    let wait = Duration::from_hours(1);
    orgsim
        .set_faults(plan(vec![FaultRule::new(Fault::Timeout)]))
        .unwrap();
    let answer = tokio::time::timeout(wait, call(orgsim, "CreateAccount", create("a")));
    assert!(answer.await.is_err());
    assert!(orgsim.state().creations.is_empty());
    assert_eq!(last(orgsim).outcome, "NOT_PROCESSED");

    let late = FaultRule {
        delay: Some(Duration::from_secs(20)),
        ..FaultRule::new(Fault::TimeoutAfterEffect)
    };
    orgsim.set_faults(plan(vec![late])).unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(1), call(orgsim, "CreateAccount", create("b")));
    assert!(answer.await.is_err());
    orgsim.set_faults(plan(Vec::new())).unwrap();
    pass(18).await;
    assert!(orgsim.state().creations.is_empty(), "not yet");
    pass(1).await;
    assert_eq!(orgsim.state().creations.len(), 1, "the caller is long gone");
    let call = last(orgsim);
    assert_eq!(
        (call.outcome.as_str(), call.fault),
        ("OK", Some(Fault::TimeoutAfterEffect))
    );
    assert_eq!(call.at.to_string(), "2026-01-05T01:00:20Z");
    pass(5).await;
    assert_eq!(world.listed().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_late_effect_without_delay_happens_on_the_way() {
    let settings = Settings {
        latency: seconds(2),
        ..calm()
    };
    let world = World::new(settings);
    let orgsim = &world.orgsim;
    orgsim
        .set_faults(plan(vec![FaultRule::new(Fault::TimeoutAfterEffect)]))
        .unwrap();
    let answer = tokio::time::timeout(
        Duration::from_millis(10),
        call(orgsim, "CreateAccount", create("b")),
    );
    assert!(answer.await.is_err());
    assert!(orgsim.state().creations.is_empty());
    pass(1).await;
    assert_eq!(orgsim.state().creations.len(), 1);
}

fn accounts(body: &Value) -> usize {
    body["Accounts"].as_array().unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn stale_reads_show_the_world_as_it_was() {
    let world = World::new(calm());
    let orgsim = &world.orgsim;
    let id = world.account("a").await;
    let root = world.root();
    let unit = world.unit(&root, "Team").await;
    let stale = FaultRule {
        delay: Some(Duration::from_secs(10)),
        ..on(Fault::StaleRead, &["reads"])
    };
    orgsim.set_faults(plan(vec![stale])).unwrap();
    pass(10).await;
    for _ in 0..3 {
        let change = Mutation::Move {
            account: id.clone(),
            to: unit.clone(),
        };
        orgsim.mutate(change).unwrap();
    }
    let put = world.organizations.tag_resource().resource_id(&id);
    put.tags(tag("k", "v")).send().await.unwrap();
    let path = |body: &Value| body["Account"]["Paths"][0].as_str().unwrap().contains(&unit);
    let describe = json!({"AccountId": id});
    for (after, seen) in [(0, false), (9, false), (1, true), (300, true)] {
        pass(after).await;
        let (_, account) = json_of(orgsim, "DescribeAccount", describe.clone()).await;
        assert_eq!(path(&account), seen);
        let (_, tags) = json_of(orgsim, "ListTagsForResource", json!({"ResourceId": id})).await;
        assert_eq!(!tags["Tags"].as_array().unwrap().is_empty(), seen);
        let resources = world.tagging.get_resources().send().await.unwrap();
        assert_eq!(!resources.resource_tag_mapping_list().is_empty(), seen);
    }
    // An account that was made a moment ago is not there yet, though the write itself saw the present.
    world.request("b").await;
    pass(14).await;
    assert_eq!(accounts(&json_of(orgsim, "ListAccounts", json!({})).await.1), 2);
    pass(1).await;
    assert_eq!(accounts(&json_of(orgsim, "ListAccounts", json!({})).await.1), 3);
    let status = orgsim.state();
    assert_eq!(status.accounts.len(), 3);
    assert!(status.now > orgsim.calls().first().unwrap().at);
}

#[tokio::test(start_paused = true)]
async fn nothing_older_than_the_plan_is_known() {
    let world = World::new(calm());
    world.account("a").await;
    let plan = plan(vec![FaultRule::new(Fault::StaleRead)]);
    world.orgsim.set_faults(plan).unwrap();
    assert_eq!(world.listed().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn empty_pages_never_come_twice_in_a_row() {
    let world = World::new(calm());
    world.account("a").await;
    let plan = plan(vec![FaultRule::new(Fault::EmptyPage)]);
    world.orgsim.set_faults(plan).unwrap();
    let (_, first) = json_of(&world.orgsim, "ListAccounts", json!({"MaxResults": 1})).await;
    assert_eq!(accounts(&first), 0);
    let mut token = first["NextToken"].clone();
    let mut pages = Vec::new();
    while !token.is_null() {
        let next = json!({"MaxResults": 1, "NextToken": token});
        let (_, page) = json_of(&world.orgsim, "ListAccounts", next).await;
        pages.push(accounts(&page));
        token = page["NextToken"].clone();
    }
    assert_eq!(pages, [1, 0, 1]);
    assert_eq!(world.listed().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn slow_answers_take_longer() {
    let world = World::new(calm());
    let slow = FaultRule {
        delay: Some(Duration::from_secs(3)),
        ..FaultRule::new(Fault::Slow)
    };
    world.orgsim.set_faults(plan(vec![slow])).unwrap();
    let before = tokio::time::Instant::now();
    assert_eq!(json_of(&world.orgsim, "ListRoots", json!({})).await.0, 200);
    assert_eq!(before.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn rules_count_draw_and_end() {
    let world = World::new(calm());
    let orgsim = &world.orgsim;
    let statuses = async |calls: usize| {
        let mut statuses = String::new();
        for _ in 0..calls {
            let (status, _) = json_of(orgsim, "ListRoots", json!({})).await;
            statuses.push(if status == 200 { '.' } else { 'x' });
        }
        statuses
    };
    let third = FaultRule {
        every: Some(3),
        times: Some(2),
        ..on(Fault::Throttle, &["ListRoots"])
    };
    orgsim.set_faults(plan(vec![third])).unwrap();
    json_of(orgsim, "ListAccounts", json!({})).await;
    assert_eq!(statuses(12).await, "..x..x......");

    let window = FaultRule {
        from: Some(Duration::from_secs(10)),
        until: Some(Duration::from_secs(20)),
        ..FaultRule::new(Fault::Throttle)
    };
    orgsim.set_faults(plan(vec![window])).unwrap();
    for (after, expected) in [(0, "."), (9, "."), (1, "x"), (9, "x"), (1, ".")] {
        pass(after).await;
        assert_eq!(statuses(1).await, expected);
    }

    let half = FaultRule {
        percent: Some(50),
        ..FaultRule::new(Fault::Throttle)
    };
    orgsim.set_faults(plan(vec![half.clone()])).unwrap();
    let first = statuses(100).await;
    let hits = first.matches('x').count();
    assert!((30..=70).contains(&hits), "{hits}");
    orgsim.set_faults(plan(vec![half.clone()])).unwrap();
    assert_eq!(statuses(100).await, first, "the seed decides");
    // An earlier rule takes precedence and changes nothing about the later one's luck.
    let never = FaultRule {
        percent: Some(0),
        ..FaultRule::new(Fault::Slow)
    };
    let other_seed = FaultPlan {
        seed: 8,
        ..plan(vec![half])
    };
    orgsim.set_faults(other_seed).unwrap();
    assert_ne!(statuses(100).await, first);
    orgsim.set_faults(plan(vec![never])).unwrap();
    assert_eq!(statuses(100).await, ".".repeat(100));
}

#[test]
fn a_plan_is_read_and_written() {
    let yaml = "
version: 1
seed: 18446744073709551615
rules:
  - fault: timeoutAfterEffect
    operations: [CreateAccount, 'organizations:MoveAccount']
    percent: 20
    from: 10s
    until: 1h 30m
    times: 3
    delay: 3s
  - {fault: staleRead, operations: [reads], every: 2}
";
    let plan = FaultPlan::parse(yaml).unwrap();
    assert_eq!(plan.seed, u64::MAX);
    assert_eq!(plan.rules[0].until, Some(Duration::from_mins(90)));
    assert_eq!(plan.rules[1].every, Some(2));
    let json = serde_json::to_string(&plan).unwrap();
    assert_eq!(FaultPlan::parse(&json).unwrap(), plan);
    assert_eq!(serde_json::from_str::<FaultPlan>(&json).unwrap(), plan);
    for fault in Fault::ALL {
        assert_eq!(json!(fault), json!(fault.name()));
    }
}

#[test]
fn a_bad_plan_says_where_what_and_why() {
    let rule = |rule: Value| json!({"version": 1, "seed": 0, "rules": [rule]}).to_string();
    for (text, says) in [
        ("- 1".to_owned(), "plan: must be a mapping, not [1]"),
        ("{".to_owned(), "plan: must be YAML or JSON, not readable: "),
        ("{}".to_owned(), "version: must be 1, not absent"),
        (
            json!({"version": 2, "seed": 0, "rules": []}).to_string(),
            "version: must be 1, not 2",
        ),
        (
            json!({"version": 1, "seed": -1, "rules": []}).to_string(),
            "seed: must be a whole number from 0 to 2^64-1, not -1",
        ),
        (
            json!({"version": 1, "seed": 0, "rules": [], "speed": 1}).to_string(),
            "plan: must have no fields but version, seed, rules, not speed",
        ),
        (rule(json!({})), "rules[0].fault: must be one of throttle, "),
        (rule(json!({"fault": "fire"})), "not \"fire\""),
        (
            rule(json!({"fault": "slow", "chance": 1})),
            "rules[0]: must have no fields but fault, operations, percent, every, from, until, times, delay, not chance",
        ),
        (
            rule(json!({"fault": "slow", "operations": ["CreateAcount"]})),
            "rules[0].operations[0]: must be reads, writes or one of AttachPolicy, ",
        ),
        (
            rule(json!({"fault": "staleRead", "operations": ["reads", "MoveAccount"]})),
            "rules[0].operations[1]: must be an operation staleRead can happen to, not MoveAccount",
        ),
        (
            rule(json!({"fault": "concurrentModification", "operations": ["reads"]})),
            "rules[0].operations: must name an operation concurrentModification can happen to, not reads",
        ),
        (
            rule(json!({"fault": "slow", "percent": 101})),
            "rules[0].percent: must be 0 to 100, not 101",
        ),
        (
            rule(json!({"fault": "slow", "percent": 300})),
            "rules[0].percent: must be 0 to 100, not 300",
        ),
        (
            rule(json!({"fault": "slow", "every": 0})),
            "rules[0].every: must be at least 1, not 0",
        ),
        (
            rule(json!({"fault": "slow", "every": 2, "percent": 5})),
            "rules[0].every: must not stand beside percent, not 2",
        ),
        (
            rule(json!({"fault": "slow", "from": "5"})),
            "rules[0].from: must be a duration such as 3s, 10m or 1h 30m, not \"5\"",
        ),
        (
            rule(json!({"fault": "slow", "from": "-5s"})),
            "rules[0].from: must be a duration",
        ),
        (
            rule(json!({"fault": "slow", "from": "5s", "until": "5s"})),
            "rules[0].until: must be later than from, 5s, not 5s",
        ),
        (
            rule(json!({"fault": "throttle", "delay": "5s"})),
            "rules[0].delay: must be absent: throttle has no delay, not 5s",
        ),
        (
            rule(json!({"fault": "staleRead", "delay": "31s"})),
            "rules[0].delay: must be at most 30s, not 31s",
        ),
    ] {
        let error = FaultPlan::parse(&text).unwrap_err().to_string();
        assert!(error.contains(says), "{text}\n{error}\n{says}");
    }
    let world = || Orgsim::new(calm(), || Settings::default().start);
    let bad = plan(vec![on(Fault::Slow, &["Nonsense"])]);
    assert_eq!(
        world().set_faults(bad).unwrap_err().path,
        "rules[0].operations[0]"
    );
}

#[tokio::test(start_paused = true)]
async fn another_tool_makes_units_and_accounts() {
    let world = World::new(calm());
    let (orgsim, root) = (&world.orgsim, world.root());
    let mutate = |body: Value| orgsim.mutate(serde_json::from_value(body).unwrap());
    mutate(json!({"createUnit": {"parent": root, "name": "Team"}})).unwrap();
    let twice = mutate(json!({"createUnit": {"parent": root, "name": "Team"}})).unwrap_err();
    assert_eq!(twice.field, "createUnit.name");
    assert!(twice.rule.contains("DuplicateOrganizationalUnit"));
    let nowhere = mutate(json!({"createUnit": {"parent": "r-9999", "name": "Team"}})).unwrap_err();
    assert_eq!(nowhere.field, "createUnit.parent");

    let unit = orgsim.state().organizational_units[0].id.clone();
    let account =
        json!({"createAccount": {"email": "a@example.com", "name": "a", "tags": {"k": "v"}, "parent": unit}});
    mutate(account.clone()).unwrap();
    let state = orgsim.state();
    let made = state
        .accounts
        .iter()
        .find(|account| account.email == "a@example.com")
        .unwrap();
    assert_eq!(
        (made.parent.as_str(), made.tags["k"].as_str()),
        (unit.as_str(), "v")
    );
    assert_eq!(state.creations[0].account.as_ref(), Some(&made.id));
    assert_eq!(world.listed().await.len(), 2);
    assert_eq!(mutate(account).unwrap_err().rule, "EMAIL_ALREADY_EXISTS");
    let bad = json!({"createAccount": {"email": "b", "name": "b"}});
    assert_eq!(mutate(bad).unwrap_err().field, "createAccount.email");
}

#[tokio::test(start_paused = true)]
async fn another_tool_drains_the_buckets() {
    let settings = Settings {
        limits: orgsim::Limits::Published,
        ..calm()
    };
    let world = World::new(settings);
    let orgsim = &world.orgsim;
    let roots = async || json_of(orgsim, "ListRoots", json!({})).await.0;
    assert_eq!(roots().await, 200);
    orgsim.mutate(Mutation::DrainBuckets {}).unwrap();
    assert_eq!(roots().await, 400);
    pass(1).await;
    assert_eq!(roots().await, 200);
    orgsim.mutate(Mutation::OtherTraffic { percent: 80 }).unwrap();
    pass(4).await;
    assert_eq!(roots().await, 400);
    pass(1).await;
    assert_eq!(roots().await, 200);
    orgsim.mutate(Mutation::OtherTraffic { percent: 0 }).unwrap();
    pass(1).await;
    assert_eq!(roots().await, 200);
    let bad = Mutation::OtherTraffic { percent: 101 };
    assert_eq!(orgsim.mutate(bad).unwrap_err().field, "otherTraffic.percent");
}
