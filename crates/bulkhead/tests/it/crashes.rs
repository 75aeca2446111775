//! The process is killed while accounts are being made, at the moments that are the hardest to take up again.

use std::time::Duration;

use crate::{
    acme::assert_acme_is_vended,
    aws::Aws,
    cluster::{ACCOUNTS, Cluster, Object},
    honesty::Witness,
    process::{Operator, SUCCESSION, config},
    wait::the_moment,
};

/// Long enough that a kill falls between an effect in AWS and its answer.
const LATENCY: Duration = Duration::from_millis(150);

/// In the organization's time; 14 s on the machine's clock, so that AWS is still at it when a successor takes over and
/// no listing shows the account yet.
const CREATION: Duration = Duration::from_secs(280);

/// Objects with an intent, with AWS's answer to it or without.
fn intents(cluster: &Cluster, answered: bool) -> usize {
    let objects = cluster.objects(ACCOUNTS).into_iter().map(Object);
    let of_interest = objects.filter(|object| {
        let creation = &object.0["status"]["creation"];
        creation["token"].is_string() && creation["requestId"].is_string() == answered
    });
    of_interest.count()
}

fn in_progress(aws: &Aws) -> usize {
    let creations = aws.orgsim.state().creations;
    creations
        .iter()
        .filter(|creation| creation.state == "IN_PROGRESS")
        .count()
}

#[test]
fn a_kill_at_any_moment_leaves_one_account_per_object() {
    let Some(cluster) = Cluster::start() else { return };
    let aws = Aws::start_with(|settings| {
        settings.latency = (LATENCY, LATENCY);
        settings.create_duration = (CREATION, CREATION);
    });
    let mut config = config(&aws.url());
    // A read of the mark takes several answers; it must not outlast the mark's licence.
    config["installationMark"]["reread"] = "2s".into();
    let witness = Witness::begin(&cluster);
    let start = |name: &str| {
        let operator = Operator::start(&cluster, name, &config, &[]);
        operator.wait_until_leading(SUCCESSION);
        operator
    };

    let operator = start("first");
    cluster.apply_acme();
    the_moment("an intent is stored", 30, || intents(&cluster, false) > 0);
    operator.kill();
    assert_eq!(
        aws.count("CreateAccount"),
        0,
        "killed between the intent and the call"
    );

    let operator = start("second");
    the_moment("AWS has accepted a request and not answered yet", 30, || {
        aws.count("CreateAccount") == 1
    });
    operator.kill();
    assert_eq!(
        intents(&cluster, true),
        0,
        "killed before the answer could be stored"
    );

    let operator = start("third");
    the_moment("AWS is at two accounts whose requests are stored", 30, || {
        in_progress(&aws) >= 2 && intents(&cluster, true) >= 2
    });
    operator.kill();
    assert!(
        aws.count("CreateAccount") < 6,
        "killed before everything was asked for"
    );

    let operator = start("fourth");
    the_moment("AWS has moved an account and not answered yet", 30, || {
        aws.count("MoveAccount") == 1
    });
    operator.kill();

    let operator = start("fifth");
    cluster.wait_until_all_are_ready();
    assert_acme_is_vended(&cluster, &aws);
    assert_eq!(aws.count("CreateAccount"), 6, "no account was asked for twice");
    assert_eq!(
        aws.count("CreateOrganizationalUnit"),
        4,
        "no unit was asked for twice"
    );
    for object in cluster.accounts() {
        assert!(
            object.0["metadata"].get("finalizers").is_none(),
            "{} is still held",
            object.name()
        );
    }
    operator.stop();
    witness.judge();
}
