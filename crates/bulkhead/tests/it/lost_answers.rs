//! AWS acts, and its answer never arrives.

use std::{collections::BTreeSet, time::Instant};

use crate::{
    aws::Aws,
    cluster::Cluster,
    honesty::Witness,
    manifests::romp,
    process::{Operator, config},
    proxy::Proxy,
};

const ACCOUNTS: usize = 20;

#[test]
fn twenty_accounts_although_every_third_answer_to_a_mutation_is_lost() {
    let Some(cluster) = Cluster::start() else { return };
    let aws = Aws::start();
    let proxy = Proxy::losing(aws.address, 3);
    let witness = Witness::begin(&cluster);
    let operator = Operator::start(&cluster, "operator", &config(&proxy.url()), &[]);
    operator.wait_until_leading(20);
    let began = Instant::now();
    cluster.apply(&romp(ACCOUNTS));
    cluster.wait_until_all_are_ready();
    let took = began.elapsed();
    assert!(took.as_secs() < 60, "took {took:?}");

    let mutations = proxy.mutations();
    let lost: Vec<&str> = mutations
        .iter()
        .filter(|mutation| mutation.lost)
        .map(|mutation| mutation.operation.as_str())
        .collect();
    assert!(lost.len() > 6, "answers lost: {lost:?}");
    assert_eq!(lost.len(), mutations.len() / 3, "every third");
    let creations = lost.iter().filter(|name| **name == "CreateAccount").count();
    assert!(creations >= 3, "also of the calls that matter most: {lost:?}");

    aws.assert_exactly(ACCOUNTS);
    assert_eq!(
        aws.count("CreateAccount"),
        ACCOUNTS,
        "an account whose answer was lost is found, not asked for again"
    );
    let ids: BTreeSet<String> = cluster.account_ids().into_values().collect();
    let members: BTreeSet<String> = aws.members().into_values().map(|account| account.id).collect();
    assert_eq!(ids, members, "each object has an account, each account an object");
    operator.stop();
    for object in witness.judge_and_recall() {
        let stalled = object.condition("Stalled");
        assert!(stalled.is_none(), "{} stalled: {stalled:?}", object.name());
    }
}
