//! A change of the Baseline travels dev, stage and prod on a real API server, driven by kubectl and the plugin, while the
//! operator is killed at the worst moments.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use controlplane::User;
use serde_json::{Value, json};

use crate::{
    aws::Aws,
    cluster::{ACCOUNTS, Cluster, NAMESPACE, Object},
    honesty::Witness,
    manifests::{account, baseline, namespace, with},
    monitor::Monitor,
    process::{Operator, SUCCESSION, config},
    wait::{always, equal, eventually},
};

const TEAM: &str = "team-a";
const PROMOTION: &str = "/apis/bulkhead.dev/v1alpha1/environmentpromotions/standard";
const PODS: &str = "/api/v1/namespaces/bulkhead-system/pods";
/// Alice may approve, in the name of her group; Bob may create Approvals, and no more.
const ALICE: &str = "alice";
const BOB: &str = "bob";
const GROUP: &str = "cloud-platform";

/// Accounts of each environment.
const FLEET: [(&str, usize); 3] = [("dev", 1), ("stage", 2), ("prod", 4)];

/// A cluster with accounts that all have the first revision, and a Prometheus that says that all is well.
struct Scene {
    cluster: Cluster,
    aws: Aws,
    monitor: Monitor,
    config: Value,
    operator: Option<Operator>,
    before: String,
}

fn standard(guardrails: &Value) -> Value {
    let environment = |name: &str, unit: &str| json!({"name": name, "organizationalUnit": format!("Workloads/{unit}"), "guardrails": guardrails});
    let environments = json!([
        environment("dev", "Dev"),
        environment("stage", "Stage"),
        environment("prod", "Prod"),
    ]);
    let object = with(baseline("standard"), "/spec/environments", environments);
    with(object, "/spec/updatePolicy", json!("OnPromotion"))
}

fn before() -> Value {
    json!([{"name": "denyLeaveOrganization"}])
}

fn after() -> Value {
    json!([{"name": "denyLeaveOrganization"}, {"name": "protectVpc"}])
}

/// A gate that asks the monitor how many checks of an environment fail.
fn checks(environment: &str, run_at: &[&str]) -> Value {
    json!({
        "name": "shop-works", "runAt": run_at, "type": "Prometheus",
        "prometheus": {
            "query": format!("sum(failing_checks{{env=\"{environment}\"}})"), "successCondition": "result[0] == 0.0",
        },
        "interval": "10s",
    })
}

fn promotion() -> Value {
    let container = json!({"name": "test", "image": "registry.example.com/smoke-test:1"});
    let template = json!({"spec": {"backoffLimit": 0, "template": {"spec": {
        "restartPolicy": "Never", "containers": [container],
    }}}});
    let waves = json!([
        {"name": "one-box", "targets": 1, "bakeTime": "20s"},
        {"name": "rest", "targets": "100%"},
    ]);
    json!({
        "apiVersion": "bulkhead.dev/v1alpha1", "kind": "EnvironmentPromotion", "metadata": {"name": "standard"},
        "spec": {
            "baselineRef": {"name": "standard"}, "revisionPolicy": "Automatic",
            "stages": [
                {
                    "name": "dev", "environment": "dev",
                    "gates": [{"name": "smoke", "runAt": ["AfterStage"], "type": "Job", "job": {"template": template}}],
                },
                {
                    "name": "stage", "environment": "stage",
                    "strategy": {"type": "AllAtOnce", "maxConcurrency": 2},
                    "gates": [checks("stage", &["AfterWave"])],
                },
                {
                    "name": "prod", "environment": "prod",
                    "strategy": {"type": "Waves", "waves": waves},
                    "maxFailures": 1,
                    "approval": {"required": 1, "groups": [GROUP]},
                    "gates": [checks("prod", &["DuringBake"])],
                },
            ],
        },
    })
}

/// What approvers need: to read and to create, and for Alice the verb.
fn rights() -> Vec<Value> {
    let group = "rbac.authorization.k8s.io";
    let version = format!("{group}/v1");
    let rule = |resource: &str, verbs: &[&str]| json!({"apiGroups": ["bulkhead.dev"], "resources": [resource], "verbs": verbs});
    let role = |name: &str, rules: Value| json!({"apiVersion": version, "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules});
    let bind = |name: &str, users: &[&str]| {
        let subjects: Vec<Value> = users
            .iter()
            .map(|user| json!({"apiGroup": group, "kind": "User", "name": user}))
            .collect();
        json!({
            "apiVersion": version, "kind": "ClusterRoleBinding", "metadata": {"name": name},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name}, "subjects": subjects,
        })
    };
    vec![
        role(
            "people",
            json!([
                rule("approvals", &["create", "get", "list"]),
                rule("environmentpromotions", &["get", "list"]),
            ]),
        ),
        bind("people", &[ALICE, BOB]),
        role("approver", json!([rule("promotions", &["approve"])])),
        bind("approver", &[ALICE]),
    ]
}

impl Scene {
    fn start() -> Option<Self> {
        let people = [User::new(ALICE, &[GROUP]), User::new(BOB, &[])];
        let cluster = Cluster::start_with_jobs_for(&people)?;
        let aws = Aws::start();
        let monitor = Monitor::start();
        let mut config = config(&aws.url());
        config["refresh"] = json!({"accounts": "1s", "full": "2s"});
        let host = monitor.url().trim_start_matches("http://").to_owned();
        config["gates"] = json!({"allowedHosts": [host], "prometheusAddress": monitor.url()});
        cluster
            .kubectl(&["apply", "-f", "deploy/approval-policy.yaml"])
            .ok();
        cluster.apply(&rights());
        let mut objects = vec![namespace(TEAM, &json!({"team": "a"})), standard(&before())];
        for (environment, count) in FLEET {
            objects.extend((0..count).map(|n| account(TEAM, &format!("{environment}-{n}"), environment)));
        }
        cluster.apply(&objects);
        let operator = Operator::start(&cluster, "operator", &config, &[]);
        cluster.wait_until_all_are_ready();
        let before = latest(&cluster);
        Some(Self {
            cluster,
            aws,
            monitor,
            config,
            operator: Some(operator),
            before,
        })
    }

    /// kill -9, and another one takes over.
    fn kill_the_operator(&mut self, name: &str) {
        if let Some(operator) = self.operator.take() {
            operator.kill();
        }
        let next = Operator::start(&self.cluster, name, &self.config, &[]);
        next.wait_until_leading(SUCCESSION);
        self.operator = Some(next);
    }

    /// The Baseline changes; gives the new revision.
    fn change(&self) -> String {
        self.cluster.apply(&[standard(&after())]);
        eventually("another revision", 30, || {
            let latest = latest(&self.cluster);
            if latest == self.before {
                Err(latest)
            } else {
                Ok(latest)
            }
        })
    }

    fn promotion(&self) -> Object {
        Object(self.cluster.get(PROMOTION).unwrap_or_default())
    }

    /// Waits for a phase.
    fn reaches(&self, phase: &str) {
        eventually(&format!("phase {phase}"), 90, || {
            self.pods_succeed();
            let object = self.promotion();
            if object.0["status"]["phase"] == phase {
                Ok(())
            } else {
                let status = &object.0["status"];
                let stages = status["stages"].as_array().into_iter().flatten();
                let gates: Vec<&Value> = stages.map(|stage| &stage["gates"]).collect();
                Err(format!(
                    "{}: {}\n{gates:?}\n{}",
                    status["phase"],
                    status["message"],
                    self.cluster.standing()
                ))
            }
        });
    }

    fn shows_soon(&self, what: &str, is: impl Fn(&Value) -> bool) {
        eventually(what, 90, || {
            self.pods_succeed();
            let object = self.promotion();
            let status = &object.0["status"];
            let place = format!("{} {}: {}", status["phase"], status["wave"], status["message"]);
            if is(status) { Ok(()) } else { Err(place) }
        });
    }

    /// What a kubelet would tell of containers that end well.
    fn pods_succeed(&self) {
        for pod in self.cluster.objects(PODS) {
            if pod["status"]["phase"] == "Pending" {
                let name = pod["metadata"]["name"].as_str().unwrap().to_owned();
                let patch = json!({"status": {"phase": "Succeeded"}}).to_string();
                let arguments = [
                    "patch",
                    "pod",
                    &name,
                    "-n",
                    NAMESPACE,
                    "--subresource=status",
                    "-p",
                    &patch,
                ];
                self.cluster.kubectl(&arguments).ok();
            }
        }
    }

    /// How many accounts of each environment have which revision, as AWS was seen to have them.
    fn has(&self) -> BTreeMap<String, BTreeMap<String, usize>> {
        let mut found: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
        for object in self.cluster.objects(ACCOUNTS).into_iter().map(Object) {
            let environment = object.text("/spec/environment").to_owned();
            let revision = object.text("/status/baseline/applied/revision").to_owned();
            *found.entry(environment).or_default().entry(revision).or_default() += 1;
        }
        found
    }

    /// All accounts of these environments have this revision, and those of the others the first one; AWS agrees.
    fn only(&self, revision: &str, environments: &[&str]) {
        let expected: BTreeMap<String, BTreeMap<String, usize>> = FLEET
            .iter()
            .map(|(environment, count)| {
                let has = if environments.contains(environment) {
                    revision
                } else {
                    &self.before
                };
                (environment.to_string(), [(has.to_owned(), *count)].into())
            })
            .collect();
        assert_eq!(self.has(), expected);
        for (environment, count) in FLEET {
            let new = environments.contains(&environment);
            for n in 0..count {
                let name = format!("{environment}-{n}");
                assert_eq!(self.protects_the_network(&name), new, "{name}");
            }
        }
    }

    /// Is the new guardrail on this account, in AWS?
    fn protects_the_network(&self, account: &str) -> bool {
        let id = self.aws.members()[account].id.clone();
        let state = self.aws.orgsim.state();
        let attached: BTreeSet<&str> = state
            .attachments
            .iter()
            .filter(|one| one.target == id)
            .map(|one| one.policy.as_str())
            .collect();
        let mut ours = state
            .policies
            .iter()
            .filter(|policy| attached.contains(policy.id.as_str()) && !policy.aws_managed)
            .peekable();
        assert!(ours.peek().is_some(), "{account} has no guardrail");
        ours.any(|policy| policy.content.contains("protectVpc"))
    }

    /// Nobody but Alice gets prod approved, and nobody in her name.
    fn only_alice_approves(&self) {
        let refused = self
            .cluster
            .bulkhead(BOB, &["approve", "promotion", "standard", "--group", GROUP]);
        assert_eq!(refused.status, Some(1), "{refused:?}");
        let waiting = self.promotion();
        let asked = &waiting.0["status"]["awaiting"][0];
        let approval = |approver: &str| {
            json!({
                "apiVersion": "bulkhead.dev/v1alpha1", "kind": "Approval", "metadata": {"name": "by-bob"},
                "spec": {
                    "action": "Promotion", "subject": {"kind": "EnvironmentPromotion", "name": "standard"},
                    "digest": asked["digest"], "decision": "Approve", "approver": approver, "group": GROUP,
                },
            })
        };
        for approver in [ALICE, BOB] {
            let answer = self
                .cluster
                .kubectl_as(BOB, &["create", "-f", "-"], &approval(approver));
            assert_ne!(answer.status, Some(0), "in the name of {approver}: {answer:?}");
            assert!(
                answer.stderr.contains("denied") || answer.stderr.contains("forbidden"),
                "{answer:?}"
            );
        }
        let old = self.cluster.bulkhead(
            ALICE,
            &[
                "approve",
                "promotion",
                "standard",
                "--digest",
                &format!("sha256:{:064}", 0),
            ],
        );
        assert_eq!(old.status, Some(1), "{old:?}");
        assert_eq!(self.promotion().0["status"]["phase"], "WaitingApproval");
        self.alice_approves();
    }

    /// Once the operator has seen that the admission policies are in force.
    fn alice_approves(&self) {
        eventually("Alice approves", 30, || {
            let answer = self
                .cluster
                .bulkhead(ALICE, &["approve", "promotion", "standard"]);
            if answer.status == Some(0) {
                Ok(())
            } else {
                Err(answer.stderr)
            }
        });
    }
}

fn latest(cluster: &Cluster) -> String {
    let path = "/apis/bulkhead.dev/v1alpha1/baselines/standard";
    let object = Object(cluster.get(path).unwrap());
    object.text("/status/latestRevision/name").to_owned()
}

#[test]
fn a_good_change_reaches_prod_and_a_kill_in_a_wave_repeats_nothing() {
    let Some(mut scene) = Scene::start() else { return };
    let witness = Witness::begin(&scene.cluster);
    let new = scene.change();
    scene.cluster.apply(&[promotion()]);
    scene.reaches("WaitingApproval");
    scene.only(&new, &["dev", "stage"]);
    let jobs = scene
        .cluster
        .objects("/apis/batch/v1/namespaces/bulkhead-system/jobs");
    assert_eq!(jobs.len(), 1, "{jobs:#?}");

    let attached = scene.aws.count("AttachPolicy");
    scene.only_alice_approves();
    scene.shows_soon("the second wave of prod", |status| {
        status["stage"] == "prod" && status["wave"] == "rest"
    });
    scene.kill_the_operator("second");
    scene.reaches("Succeeded");
    scene.only(&new, &["dev", "stage", "prod"]);
    let accounts = FLEET[2].1;
    assert_eq!(
        scene.aws.count("AttachPolicy") - attached,
        accounts,
        "each account of prod was given its policy once"
    );
    let shown = scene.cluster.bulkhead(ALICE, &["promotion", "standard"]).ok();
    for piece in ["Succeeded", "alice", "one-box"] {
        assert!(shown.contains(piece), "{piece:?} is not in\n{shown}");
    }
    scene.aws.assert_exactly(7);
    what_was_given_outlives_the_promotion(&scene, &new);
    witness.judge();
}

/// T09 and T21 of the specification: to apply what is there changes nothing, and neither does deleting the promotion.
fn what_was_given_outlives_the_promotion(scene: &Scene, new: &str) {
    let before = scene.promotion().0;
    let told = scene.cluster.apply(&[promotion()]);
    assert!(told.contains("unchanged"), "{told}");
    let after = scene.promotion().0;
    assert_eq!(
        after["metadata"]["resourceVersion"],
        before["metadata"]["resourceVersion"]
    );

    let changes = scene.aws.mutations().len();
    scene
        .cluster
        .kubectl(&["delete", "environmentpromotion", "standard", "--timeout=20s"])
        .ok();
    always("nothing is taken away", Duration::from_secs(5), || {
        scene.only(new, &["dev", "stage", "prod"]);
        for object in scene.cluster.objects(ACCOUNTS) {
            equal(
                &object["status"]["baseline"]["assigned"]["by"],
                &json!("Promotion"),
            )?;
        }
        equal(&scene.aws.mutations().len(), &changes)
    });
}

#[test]
fn a_failed_test_rolls_stage_back_also_over_a_kill() {
    let Some(mut scene) = Scene::start() else { return };
    let witness = Witness::begin(&scene.cluster);
    let new = scene.change();
    scene.monitor.failing("stage", 3);
    scene.cluster.apply(&[promotion()]);
    scene.shows_soon("the roll back", |status| status["phase"] == "RollingBack");
    scene.kill_the_operator("second");
    scene.reaches("RolledBack");
    scene.only(&new, &["dev"]);
    let prod: Vec<Value> = scene
        .cluster
        .objects(ACCOUNTS)
        .into_iter()
        .filter(|object| object["spec"]["environment"] == "prod")
        .collect();
    for object in prod {
        let assigned = &object["status"]["baseline"]["assigned"];
        assert_eq!(assigned["revision"], json!(scene.before));
        assert_eq!(assigned["sequence"], 1, "prod never had another");
    }

    // The same change is not tried again by itself; a person may, once its cause is gone.
    scene.monitor.failing("stage", 0);
    scene
        .cluster
        .bulkhead(controlplane::ADMIN, &["retry", "standard"])
        .ok();
    scene.reaches("WaitingApproval");
    scene.only(&new, &["dev", "stage"]);
    witness.judge();
}

#[test]
fn a_failed_bake_stops_prod_where_it_is() {
    let Some(scene) = Scene::start() else { return };
    let new = scene.change();
    scene.cluster.apply(&[promotion()]);
    scene.reaches("WaitingApproval");
    scene.alice_approves();
    scene.shows_soon("the first account bakes", |status| status["phase"] == "Baking");
    scene.monitor.failing("prod", 1);
    scene.reaches("Stopped");
    let prod = scene.has().remove("prod").unwrap();
    assert_eq!(prod, [(new.clone(), 1), (scene.before.clone(), 3)].into());
    let stalled = scene.promotion().condition("Stalled").unwrap();
    assert_eq!(
        (&stalled["status"], &stalled["reason"]),
        (&json!("True"), &json!("BakeFailed"))
    );

    // The account that has it already is counted for the next attempt.
    scene.monitor.failing("prod", 0);
    scene
        .cluster
        .bulkhead(controlplane::ADMIN, &["retry", "standard"])
        .ok();
    scene.reaches("WaitingApproval");
    scene.alice_approves();
    scene.reaches("Succeeded");
    scene.only(&new, &["dev", "stage", "prod"]);
}
