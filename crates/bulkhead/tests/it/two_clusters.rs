//! A second cluster on the same organization: after a disaster, or by mistake.

use std::time::Duration;

use crate::{
    acme::assert_acme_is_vended,
    aws::Aws,
    cluster::{Cluster, Object},
    honesty::Witness,
    process::{INSTALLATION, Operator, config},
    wait::{always, equal, eventually},
};

const CLAIMED: &str = "OrganizationClaimed";

fn is_refused(cluster: &Cluster, operator: &Operator, by: &str) -> Result<(), String> {
    let accounts = cluster.accounts();
    equal(&accounts.len(), &6)?;
    for object in accounts {
        let wanted = ("False".to_owned(), CLAIMED.to_owned(), vec!["Stalled"]);
        equal(&object.standing(), &wanted).map_err(|why| format!("{}: {why}", object.name()))?;
        let message = object.condition("Ready").unwrap()["message"]
            .as_str()
            .unwrap()
            .to_owned();
        if !message.contains(by) || !message.contains("--take-over=") {
            return Err(format!("{}: {message}", object.name()));
        }
    }
    let organization = Object(
        cluster
            .get("/apis/bulkhead.dev/v1alpha1/organizations/acme")
            .ok_or("no Organization")?,
    );
    equal(&organization.standing().1.as_str(), &CLAIMED)?;
    let (status, text) = operator.ready();
    if status != 503 || !text.contains(CLAIMED) || !text.contains(by) {
        return Err(format!("readiness: {status} {text}"));
    }
    Ok(())
}

#[test]
fn a_second_cluster_is_refused_until_it_is_told_to_take_over() {
    let Some(first) = Cluster::start() else { return };
    let aws = Aws::start();
    let config = config(&aws.url());
    let old = Operator::start(&first, "old", &config, &[]);
    first.apply_acme();
    first.wait_until_all_are_ready();
    assert_acme_is_vended(&first, &aws);
    let (ids, members, mutations) = (first.account_ids(), aws.members(), aws.mutations());
    let mark = |cluster: &Cluster| format!("{INSTALLATION}:{}", cluster.uid());

    let second = Cluster::start().unwrap();
    let witness = Witness::begin(&second);
    second.apply_acme();
    let new = Operator::start(&second, "new", &config, &[]);
    eventually("the second cluster is refused", 30, || {
        is_refused(&second, &new, &mark(&first))
    });
    always(
        "it stays refused and changes nothing",
        Duration::from_secs(4),
        || {
            is_refused(&second, &new, &mark(&first))?;
            equal(&aws.mutations(), &mutations)
        },
    );
    for object in second.accounts() {
        let (namespace, name) = (object.text("/metadata/namespace"), object.text("/metadata/name"));
        let events = second.events(namespace, name);
        assert!(
            events
                .iter()
                .any(|(kind, reason, _)| kind == "Warning" && reason == CLAIMED),
            "{name}: {events:?}"
        );
    }
    assert_eq!(
        old.ready(),
        (200, "leading".to_owned()),
        "the rightful operator is not disturbed"
    );
    let took = new.stop();
    assert!(took < Duration::from_secs(5), "stopping took {took:?}");

    let wrong = Operator::start(&second, "wrong", &config, &["--take-over=acme:somebody-else"]);
    wrong.wait_until_leading(20);
    eventually("another value does not help", 20, || {
        is_refused(&second, &wrong, &mark(&first))
    });
    always("another value changes nothing", Duration::from_secs(3), || {
        equal(&aws.mutations(), &mutations)
    });
    wrong.stop();

    let new = Operator::start(
        &second,
        "heir",
        &config,
        &[&format!("--take-over={}", mark(&first))],
    );
    second.wait_until_all_are_ready();
    assert_eq!(second.account_ids(), ids, "the same accounts");
    assert_eq!(aws.members(), members, "and nothing about them has changed");
    let since: Vec<String> = aws.mutations()[mutations.len()..]
        .iter()
        .map(|call| call.operation.clone())
        .collect();
    assert_eq!(since, ["TagResource"], "the mark is all that was written");
    assert_eq!(
        aws.orgsim.state().root.tags["bulkhead.dev/installation"],
        format!("{}:1", mark(&second)),
        "the first take-over"
    );
    assert_eq!(new.ready(), (200, "leading".to_owned()));

    eventually("the operator that was relieved notices", 20, || {
        is_refused(&first, &old, &mark(&second))
    });
    new.stop();
    witness.judge();
}
