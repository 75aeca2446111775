//! Two replicas: one works, the other takes over.

use std::time::{Duration, Instant};

use crate::{
    acme::assert_acme_is_vended,
    aws::Aws,
    cluster::Cluster,
    manifests::account,
    process::{Operator, SUCCESSION, config},
    wait::the_moment,
};

/// Which of the two leads, and which stands by.
fn ranks(one: Operator, other: Operator) -> (Operator, Operator) {
    let leads = (one.leads(), other.leads());
    match leads {
        (true, false) => (one, other),
        (false, true) => (other, one),
        _ => panic!("exactly one must lead, not {leads:?}"),
    }
}

fn stands_by(operator: &Operator) {
    assert_eq!(
        operator.ready(),
        (200, "standing by".to_owned()),
        "a rollout must not wait for a standby"
    );
    assert_eq!(
        operator.metric("bulkhead_aws_calls_total"),
        None,
        "a standby reads nothing from AWS"
    );
}

#[test]
fn two_replicas_one_leader_and_two_ways_to_hand_over() {
    let Some(cluster) = Cluster::start() else { return };
    let aws = Aws::start();
    let config = config(&aws.url());
    let start = |name: &str| Operator::start(&cluster, name, &config, &[]);
    let (one, other) = (start("replica-a"), start("replica-b"));
    the_moment("one of them leads", 20, || one.leads() || other.leads());
    the_moment("both are ready", 20, || {
        one.ready().0 == 200 && other.ready().0 == 200
    });
    let (leader, standby) = ranks(one, other);
    stands_by(&standby);

    cluster.apply_acme();
    the_moment("the leader has asked for accounts", 30, || {
        aws.count("CreateAccount") > 1
    });
    stands_by(&standby);
    leader.kill();
    let begin = Instant::now();
    standby.wait_until_leading(SUCCESSION);
    let took = begin.elapsed();
    assert!(
        took > Duration::from_secs(6),
        "took the lease after {took:?}, while the dead leader's term could last"
    );
    let leader = standby;
    cluster.wait_until_all_are_ready();
    assert_acme_is_vended(&cluster, &aws);
    assert_eq!(
        aws.count("CreateAccount"),
        6,
        "two replicas asked no more often than one"
    );

    let standby = start("replica-c");
    the_moment("the new replica is ready", 20, || standby.ready().0 == 200);
    stands_by(&standby);
    cluster.apply(&[with_class(account("team-web", "blog-dev", "dev"))]);
    the_moment("the leader has asked for the seventh account", 20, || {
        aws.count("CreateAccount") == 7
    });
    let took = leader.stop();
    assert!(
        took < Duration::from_secs(5),
        "a leader at work took {took:?} to stop"
    );
    let begin = Instant::now();
    standby.wait_until_leading(5);
    let handed_over = begin.elapsed();
    assert!(
        handed_over < Duration::from_secs(3),
        "the lease was given back, but the successor needed {handed_over:?}"
    );
    cluster.wait_until_all_are_ready();
    assert_eq!(
        aws.count("CreateAccount"),
        7,
        "the successor found what its predecessor had asked for"
    );
    aws.assert_exactly(7);
    assert_eq!(standby.ready(), (200, "leading".to_owned()));
    standby.stop();
}

fn with_class(object: serde_json::Value) -> serde_json::Value {
    crate::manifests::with(
        object,
        "/spec/tags",
        serde_json::json!({"data-class": "internal"}),
    )
}
