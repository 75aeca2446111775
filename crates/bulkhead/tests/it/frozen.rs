//! A leader that is stopped in the middle of its work and goes on when its term is long over.

use std::{
    collections::BTreeSet,
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    aws::Aws,
    cluster::Cluster,
    honesty::Witness,
    manifests::{account, romp},
    process::{Operator, SUCCESSION, config},
    proxy::Proxy,
    wait::{always, equal, the_moment},
};

const ACCOUNTS: usize = 12;

/// A replica with a way to AWS of its own, so that its calls can be told from the other's.
struct Replica {
    operator: Operator,
    aws: Proxy,
}

impl Replica {
    fn start(cluster: &Cluster, name: &str, aws: &Aws) -> Self {
        let aws = Proxy::start(aws.address);
        let mut config = config(&aws.url());
        // One creation in two seconds after the first few, so that there are some left to send at every moment.
        config["aws"]["rates"] = json!(5);
        let operator = Operator::start(cluster, name, &config, &[]);
        Self { operator, aws }
    }

    fn creations(&self) -> usize {
        self.aws.count("CreateAccount")
    }
}

#[test]
fn a_frozen_leader_that_goes_on_after_its_term_changes_nothing() {
    let Some(cluster) = Cluster::start() else { return };
    let aws = Aws::start();
    let witness = Witness::begin(&cluster);
    let first = Replica::start(&cluster, "replica-a", &aws);
    first.operator.wait_until_leading(20);
    let second = Replica::start(&cluster, "replica-b", &aws);
    cluster.apply(&romp(ACCOUNTS));

    the_moment("the leader is at its creations", 30, || first.creations() >= 4);
    first.operator.freeze();
    let frozen = Instant::now();
    // What was on the wire at that moment arrives; after this nothing may, ever.
    sleep(Duration::from_millis(500));
    let sent = first.aws.mutations().len();
    assert!(first.creations() < ACCOUNTS, "frozen with creations left to send");

    second.operator.wait_until_leading(SUCCESSION);
    the_moment("the successor goes on with the creations", 30, || {
        second.creations() >= 1
    });
    assert!(
        first.creations() + second.creations() < ACCOUNTS,
        "the first goes on while there is something left to do wrong"
    );
    assert!(frozen.elapsed() > Duration::from_secs(6), "its term is over");
    first.operator.go_on();
    always("it changes nothing any more", Duration::from_secs(5), || {
        equal(&first.aws.mutations().len(), &sent)
    });
    assert_eq!(first.operator.ready(), (200, "standing by".to_owned()));
    assert!(!first.operator.leads());
    assert!(second.operator.leads(), "and disturbs nobody");

    cluster.wait_until_all_are_ready();
    assert_eq!(first.aws.mutations().len(), sent, "not one, to the end");
    aws.assert_exactly(ACCOUNTS);
    assert_eq!(
        aws.count("CreateAccount"),
        ACCOUNTS,
        "no account was asked for twice"
    );
    assert_eq!(
        aws.mutations().len(),
        sent + second.aws.mutations().len(),
        "the two proxies saw all there was"
    );
    let ids: BTreeSet<String> = cluster.account_ids().into_values().collect();
    assert_eq!(ids.len(), ACCOUNTS, "each object has an account of its own");

    // It is not lamed: in a term of its own it works again.
    second.operator.stop();
    first.operator.wait_until_leading(10);
    cluster.apply(&[account("team-otter", "otter-late", "dev")]);
    cluster.wait_until_all_are_ready();
    aws.assert_exactly(ACCOUNTS + 1);
    assert!(
        first.aws.mutations().len() > sent,
        "by the proxy that has seen nothing for so long"
    );
    first.operator.stop();
    witness.judge();
}
