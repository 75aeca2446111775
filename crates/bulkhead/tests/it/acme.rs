//! The examples of Acme, from `kubectl apply` to `kubectl delete`.

use std::{collections::BTreeMap, time::Duration};

use orgsim::AccountState;
use serde_json::{Value, json};

use crate::{
    aws::Aws,
    cluster::{Cluster, Object},
    honesty::{Witness, obeys_the_rules_of_health, only_people_write_the_spec},
    process::{INSTALLATION, Operator, config},
    wait::{always, equal, eventually},
};

/// Namespace, name, environment, organizational unit, tags beside Bulkhead's own.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

const PAYMENTS: &str = "team-payments";
const WEB: &str = "team-web";

macro_rules! tags {
    ($cost:literal, $owner:literal, $workload:literal, $class:literal $(, $key:literal: $value:literal)?) => {
        &[("cost-center", $cost), ("owner", $owner), ("workload", $workload), ("data-class", $class) $(, ($key, $value))?]
    };
}

const ACME: [Row; 6] = [
    (
        PAYMENTS,
        "payments-dev",
        "dev",
        "Workloads/Dev",
        tags!("4711", "payments", "payments", "internal"),
    ),
    (
        PAYMENTS,
        "payments-prod",
        "prod",
        "Workloads/Prod",
        tags!("4711", "payments", "payments", "confidential", "team:oncall": "payments-24x7"),
    ),
    (
        PAYMENTS,
        "payments-stage",
        "stage",
        "Workloads/Stage",
        tags!("4711", "payments", "payments", "internal"),
    ),
    (
        WEB,
        "shop-dev",
        "dev",
        "Workloads/Dev",
        tags!("4720", "web", "shop", "public"),
    ),
    (
        WEB,
        "shop-prod",
        "prod",
        "Workloads/Prod",
        tags!("4720", "web", "shop", "internal"),
    ),
    (
        WEB,
        "shop-stage",
        "stage",
        "Workloads/Stage",
        tags!("4720", "web", "shop", "internal"),
    ),
];

/// Exactly the six accounts of the examples, each as its manifest says.
pub(crate) fn assert_acme_is_vended(cluster: &Cluster, aws: &Aws) {
    aws.assert_exactly(ACME.len());
    let members = aws.members();
    for (namespace, name, environment, unit, tags) in ACME {
        let account = &members[name];
        assert_eq!(account.path, unit, "{name} is in another unit");
        assert_eq!(account.state, AccountState::Active, "{name}");
        assert_eq!(account.email, format!("aws+{namespace}.{name}@example.com"));
        let object = cluster.account(namespace, name);
        let text = |text: &str| text.to_owned();
        let workload = name.split('-').next().unwrap();
        let mut wanted: BTreeMap<String, String> =
            tags.iter().map(|(key, value)| (text(key), text(value))).collect();
        wanted.extend([
            (
                text("bulkhead.dev/claim"),
                format!("{INSTALLATION}/{namespace}/{name}"),
            ),
            (text("bulkhead.dev/workload"), text(workload)),
            (text("bulkhead.dev/environment"), text(environment)),
        ]);
        let mut found = account.tags.clone();
        let token = found.remove("bulkhead.dev/creation-token");
        assert!(token.is_some(), "{name} does not say which intent it comes from");
        let revision = found.remove("bulkhead.dev/revision");
        let assigned = format!(
            "{}/{}",
            object.text("/status/baseline/assigned/revision"),
            object.0["status"]["baseline"]["assigned"]["sequence"]
        );
        assert_eq!(
            revision,
            Some(assigned),
            "{name} carries the revision that status knows"
        );
        assert_eq!(found, wanted, "tags of {name}");
        assert_eq!(object.text("/status/accountId"), account.id, "{name}");
    }
}

fn vended_as_declared(cluster: &Cluster, aws: &Aws) {
    assert_acme_is_vended(cluster, aws);
    assert_eq!(aws.count("CreateAccount"), 6, "refused calls count too");
    assert_eq!(
        aws.count("CreateOrganizationalUnit"),
        4,
        "Workloads, Dev, Stage, Prod"
    );
    assert_eq!(aws.count("MoveAccount"), 6);
    let mark = &aws.orgsim.state().root.tags["bulkhead.dev/installation"];
    assert_eq!(*mark, format!("{INSTALLATION}:{}", cluster.uid()));
    for (namespace, name, _, unit, _) in ACME {
        let object = cluster.account(namespace, name);
        let account = &aws.members()[name];
        assert_eq!(
            object.standing(),
            ("True".into(), "Ready".into(), vec![]),
            "{name}"
        );
        assert_eq!(
            object.0["status"]["observedGeneration"],
            object.0["metadata"]["generation"]
        );
        assert_eq!(object.text("/status/organizationalUnit/path"), unit);
        assert_eq!(object.text("/status/organizationalUnit/id"), account.parent);
        assert_eq!(object.text("/status/state"), "ACTIVE");
        assert_eq!(object.text("/status/email"), account.email);
        assert_eq!(
            object.text("/status/creation/token"),
            account.tags["bulkhead.dev/creation-token"],
            "{name}: the account and the object name the same intent"
        );
        let role = format!("arn:aws:iam::{}:role/OrganizationAccountAccessRole", account.id);
        assert_eq!(object.text("/status/access/roleArn"), role);
        assert_eq!(
            object.0["metadata"].get("finalizers"),
            None,
            "{name} is settled, so nothing holds it"
        );
        obeys_the_rules_of_health(&object);
        only_people_write_the_spec(&object);
    }
    let baseline = Object(
        cluster
            .get("/apis/bulkhead.dev/v1alpha1/baselines/standard")
            .unwrap(),
    );
    eventually("the Baseline counts its accounts", 10, || {
        let baseline = cluster
            .get("/apis/bulkhead.dev/v1alpha1/baselines/standard")
            .unwrap();
        let revision = &baseline["status"]["latestRevision"]["name"];
        let all = json!({"total": 6, "ready": 6, "byRevision": [{"revision": revision, "total": 6}]});
        equal(&baseline["status"]["accounts"], &all)
    });
    assert_eq!(baseline.standing().0, "True");
    let organization = Object(
        cluster
            .get("/apis/bulkhead.dev/v1alpha1/organizations/acme")
            .unwrap(),
    );
    assert_eq!(organization.standing().0, "True");
    assert_eq!(organization.text("/status/mark"), mark);
}

fn table_is_as_documented(cluster: &Cluster, aws: &Aws) {
    let table = cluster.kubectl(&["get", "awsaccounts", "-A"]).ok();
    let mut rows = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(
        rows.next().unwrap(),
        [
            "NAMESPACE",
            "NAME",
            "ACCOUNT",
            "ENV",
            "OU",
            "REVISION",
            "READY",
            "REASON",
            "AGE"
        ]
    );
    for (namespace, name, environment, unit, _) in ACME {
        let row = rows.next().unwrap();
        let id = aws.members()[name].id.clone();
        let object = cluster.account(namespace, name);
        let revision = object.text("/status/baseline/assigned/revision");
        assert_eq!(
            row[..8],
            [namespace, name, &id, environment, unit, revision, "True", "Ready"],
            "{table}"
        );
    }
    assert_eq!(rows.next(), None, "{table}");
    let wide = cluster
        .kubectl(&["get", "awsaccounts", "-n", WEB, "-o", "wide"])
        .ok();
    let row: Vec<&str> = wide.lines().nth(1).unwrap().split_whitespace().collect();
    let last: Vec<&str> = wide.lines().next().unwrap().split_whitespace().skip(8).collect();
    assert_eq!(last, ["EMAIL", "STATE", "OWNER"], "{wide}");
    assert_eq!(
        row[8..],
        ["aws+team-web.shop-dev@example.com", "ACTIVE", "web"],
        "{wide}"
    );
    let by_id = format!(
        "--field-selector=status.accountId={}",
        aws.members()["shop-prod"].id
    );
    let found = cluster
        .kubectl(&["get", "awsacct", "-A", &by_id, "-o", "name"])
        .ok();
    assert_eq!(found.trim(), "awsaccount.bulkhead.dev/shop-prod");
    let all = cluster.kubectl(&["get", "bulkhead", "-A", "-o", "name"]).ok();
    assert_eq!(
        all.lines().count(),
        9,
        "six accounts, one Baseline with one revision, one Organization: {all}"
    );
}

fn outputs_are_published(cluster: &Cluster, aws: &Aws) {
    for (namespace, name, workload) in [
        (PAYMENTS, "payments-prod", "payments"),
        (WEB, "shop-prod", "shop"),
    ] {
        let path = format!("/api/v1/namespaces/{namespace}/configmaps/{name}-account");
        let map = cluster
            .get(&path)
            .unwrap_or_else(|| panic!("no ConfigMap {name}-account"));
        let account = &aws.members()[name];
        let id = &account.id;
        let object = cluster.account(namespace, name);
        let wanted = json!({
            "accountId": id,
            "arn": object.text("/status/arn"),
            "email": account.email,
            "environment": "prod",
            "organizationalUnitId": account.parent,
            "organizationalUnitPath": "Workloads/Prod",
            "partition": "aws",
            "region": "us-east-1",
            "roleArn": format!("arn:aws:iam::{id}:role/OrganizationAccountAccessRole"),
            "workload": workload,
        });
        assert_eq!(map["data"], wanted, "{name}");
        assert!(object.text("/status/arn").ends_with(id.as_str()));
        let owners = map["metadata"]["ownerReferences"].as_array().unwrap();
        assert_eq!(owners.len(), 1);
        assert_eq!(
            owners[0]["uid"], object.0["metadata"]["uid"],
            "the garbage collector deletes it with {name}"
        );
        assert_eq!(
            (&owners[0]["kind"], &owners[0]["controller"]),
            (&json!("AwsAccount"), &json!(true))
        );
    }
    assert_eq!(
        cluster
            .objects("/api/v1/namespaces/team-web/configmaps?labelSelector=bulkhead.dev/outputs")
            .len(),
        1
    );
}

fn events_tell_the_story(cluster: &Cluster) {
    for (namespace, name, ..) in ACME {
        let mut story: Vec<String> = cluster
            .events(namespace, name)
            .into_iter()
            .map(|(kind, reason, note)| {
                assert_eq!(kind, "Normal", "{name}: {reason}: {note}");
                reason
            })
            .collect();
        story.sort();
        for reason in [
            "Accepted",
            "AccessVerified",
            "AccountCreated",
            "AccountMoved",
            "CreationRequested",
            "Ready",
            "TagsApplied",
        ] {
            let times = story.iter().filter(|told| *told == reason).count();
            assert_eq!(times, 1, "{name}: {reason} in {story:?}");
        }
    }
    // As a person looks for them.
    let told = cluster
        .kubectl(&["describe", "-n", WEB, "awsaccount/shop-dev"])
        .ok();
    let (_, told) = told.split_once("\nEvents:").unwrap();
    assert!(
        told.contains("AccountCreated") && told.contains("bulkhead.dev/operator"),
        "{told}"
    );
}

/// Several full refreshes pass, and nothing but the Lease is written.
fn idle_is_idle(cluster: &Cluster, aws: &Aws, operator: &Operator) {
    let writes = || operator.metric("bulkhead_kubernetes_writes_total");
    let (versions, mutations, written) = (cluster.versions(), aws.mutations(), writes());
    let (reads, leases) = (aws.count("ListAccounts"), lease_version(cluster));
    always(
        "nothing is written while nothing changes",
        Duration::from_secs(7),
        || equal(&cluster.versions(), &versions),
    );
    assert_eq!(aws.mutations(), mutations);
    assert_eq!(writes(), written);
    assert!(
        aws.count("ListAccounts") > reads + 1,
        "the organization was read again meanwhile"
    );
    assert_ne!(lease_version(cluster), leases, "the lease is renewed");
}

fn lease_version(cluster: &Cluster) -> Value {
    let lease = cluster.get("/apis/coordination.k8s.io/v1/namespaces/bulkhead-system/leases/bulkhead");
    lease.unwrap()["metadata"]["resourceVersion"].clone()
}

/// A delete costs the object and nothing else; the same manifest finds the same account again.
fn delete_and_apply_again(
    cluster: &Cluster,
    aws: &Aws,
    name: &str,
    operator: Option<Operator>,
) -> Option<Operator> {
    let (before, mutations) = (aws.members(), aws.mutations());
    if operator.is_none() {
        assert!(
            cluster.account(WEB, name).0["metadata"]
                .get("finalizers")
                .is_none()
        );
    }
    cluster
        .kubectl(&["delete", "-n", WEB, "awsaccount", name, "--timeout=20s"])
        .ok();
    let gone = format!("/apis/bulkhead.dev/v1alpha1/namespaces/{WEB}/awsaccounts/{name}");
    assert!(cluster.get(&gone).is_none(), "{name} is still there");
    always(
        "deleting an object changes nothing in AWS",
        Duration::from_secs(3),
        || equal(&aws.mutations(), &mutations),
    );
    assert_eq!(aws.members(), before, "{name} and its tags stay");
    let said = cluster.apply_acme();
    assert!(said.contains(&format!("{name} created")), "{said}");
    let operator = operator.or_else(|| Some(start(cluster, aws, "again")));
    cluster.wait_until_all_are_ready();
    assert_eq!(
        cluster.account(WEB, name).text("/status/accountId"),
        before[name].id
    );
    assert_eq!(
        aws.mutations(),
        mutations,
        "{name}: to find an account again takes no change of it"
    );
    assert_eq!(aws.members(), before);
    eventually("the re-attachment is told", 5, || {
        let events = cluster.events(WEB, name);
        let times = |reason: &str| events.iter().filter(|(_, told, _)| told == reason).count();
        equal(
            &(
                times("AccountReattached"),
                times("AccountCreated"),
                times("Ready"),
            ),
            &(1, 1, 2),
        )
        .map_err(|why| format!("{why}: {events:?}"))
    });
    operator
}

/// Refreshes so often that an idle moment sees several.
fn start(cluster: &Cluster, aws: &Aws, name: &str) -> Operator {
    let mut config = config(&aws.url());
    config["refresh"] = json!({"accounts": "1s", "full": "2s"});
    let operator = Operator::start(cluster, name, &config, &[]);
    operator.wait_until_leading(20);
    operator
}

#[test]
fn acme_from_apply_to_delete() {
    let Some(cluster) = Cluster::start() else { return };
    let aws = Aws::start();
    let witness = Witness::begin(&cluster);
    let operator = start(&cluster, &aws, "first");
    cluster.apply_acme();
    cluster.wait_until_all_are_ready();
    vended_as_declared(&cluster, &aws);
    table_is_as_documented(&cluster, &aws);
    outputs_are_published(&cluster, &aws);
    events_tell_the_story(&cluster);

    let difference = cluster.kubectl(&["diff", "-f", "examples/acme"]);
    assert_eq!(
        (difference.status, difference.stdout.as_str()),
        (Some(0), ""),
        "{difference:?}"
    );
    let again = cluster.apply_acme();
    assert_eq!(
        again.lines().filter(|line| line.ends_with(" unchanged")).count(),
        9,
        "{again}"
    );
    idle_is_idle(&cluster, &aws, &operator);

    let operator = delete_and_apply_again(&cluster, &aws, "shop-dev", Some(operator)).unwrap();
    let log = operator.log();
    let took = operator.stop();
    assert!(took < Duration::from_secs(5), "stopping took {took:?}");
    let operator = delete_and_apply_again(&cluster, &aws, "shop-stage", None).unwrap();
    assert_eq!(aws.count("CreateAccount"), 6);
    for log in [log, operator.log()] {
        assert!(!log.to_lowercase().contains("forbidden"), "{log}");
    }
    operator.stop();
    let versions = witness.judge();
    assert!(versions > 40, "only {versions} versions were seen");
}
