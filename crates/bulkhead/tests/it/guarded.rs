//! Guardrails from the Baseline to the denied call: a revision, its policies on the account, their change and their
//! return, on a real API server and a simulated organization.

use std::collections::BTreeSet;

use orgsim::{Mutation, PolicyView};
use serde_json::{Value, json};

use crate::{
    aws::Aws,
    cluster::{Cluster, Object},
    honesty::Witness,
    manifests::{account, baseline, namespace, with},
    member::Member,
    process::{Operator, config},
    wait::{equal, eventually},
};

const TEAM: &str = "team-a";
const OTTER: &str = "otter";
const REVISIONS: &str = "/apis/bulkhead.dev/v1alpha1/baselinerevisions";

/// The Baseline `standard`, whose accounts in `dev` follow at once and have these guardrails.
pub(crate) fn guarded(guardrails: Value) -> Value {
    let object = with(baseline("standard"), "/spec/updatePolicy", json!("Automatic"));
    with(object, "/spec/environments/0/guardrails", guardrails)
}

/// Nobody leaves, and these Regions only.
pub(crate) fn stay_in(regions: &[&str]) -> Value {
    json!([
        {"name": "denyLeaveOrganization"},
        {"name": "allowedRegions", "parameters": {"regions": regions}},
    ])
}

/// The same, and the network stays as it is.
fn and_keep_the_network(regions: &[&str]) -> Value {
    let mut guardrails = stay_in(regions);
    guardrails
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "protectVpc"}));
    guardrails
}

/// The namespace `team-a`, this Baseline, and the AwsAccount `otter`.
pub(crate) fn one_account(baseline: Value) -> Vec<Value> {
    vec![
        namespace(TEAM, &json!({"team": "a"})),
        baseline,
        account(TEAM, OTTER, "dev"),
    ]
}

/// An operator that looks at the organization every other second.
pub(crate) fn attentive(cluster: &Cluster, aws: &Aws) -> Operator {
    let mut config = config(&aws.url());
    config["refresh"] = json!({"accounts": "1s", "full": "2s"});
    Operator::start(cluster, "operator", &config, &[])
}

pub(crate) fn standard(cluster: &Cluster) -> Object {
    let path = "/apis/bulkhead.dev/v1alpha1/baselines/standard";
    Object(cluster.get(path).unwrap())
}

/// The names of all BaselineRevisions.
pub(crate) fn revisions(cluster: &Cluster) -> BTreeSet<String> {
    let objects = cluster.objects(REVISIONS).into_iter();
    objects.map(|object| Object(object).name()).collect()
}

/// Policies of ours that the account has in AWS.
pub(crate) fn attached(aws: &Aws) -> Vec<PolicyView> {
    let state = aws.orgsim.state();
    let Some(otter) = aws.members().remove(OTTER) else {
        return Vec::new();
    };
    let has = |policy: &PolicyView| {
        state
            .attachments
            .iter()
            .any(|one| one.target == otter.id && one.policy == policy.id)
    };
    let mut policies = state.policies.clone();
    policies.retain(|policy| has(policy) && !policy.aws_managed);
    policies
}

fn names(policies: &[PolicyView]) -> BTreeSet<String> {
    policies.iter().map(|policy| policy.name.clone()).collect()
}

/// Waits until `otter` is Ready with all of the Baseline's latest revision, and looks at its policies meanwhile. Gives the
/// revision's name.
pub(crate) fn settles(cluster: &Cluster, mut look: impl FnMut()) -> String {
    eventually("the account has the latest revision", 60, || {
        look();
        let baseline = standard(cluster);
        equal(
            &baseline.0["status"]["observedGeneration"],
            &baseline.0["metadata"]["generation"],
        )?;
        let latest = baseline.text("/status/latestRevision/name");
        let account = cluster.account(TEAM, OTTER);
        equal(&account.text("/status/baseline/applied/revision"), &latest)?;
        equal(&account.standing().0.as_str(), &"True")
            .map_err(|why| format!("{why}\n{}", cluster.standing()))?;
        Ok(latest.to_owned())
    })
}

/// The policies that a revision gives to accounts in `dev`: name and content.
fn given_by(cluster: &Cluster, revision: &str) -> Vec<(String, String)> {
    let object = cluster.get(&format!("{REVISIONS}/{revision}")).unwrap();
    let environments = object["spec"]["environments"].as_array().unwrap();
    let dev = environments.iter().find(|place| place["name"] == "dev").unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let policies = dev["policies"].as_array().into_iter().flatten();
    let mut given: Vec<_> = policies
        .map(|policy| (text(&policy["name"]), text(&policy["content"])))
        .collect();
    given.sort();
    given
}

/// Object, revision and AWS say the same of the account's policies.
fn agree(cluster: &Cluster, aws: &Aws, revision: &str) {
    let given = given_by(cluster, revision);
    let mut found: Vec<_> = attached(aws)
        .into_iter()
        .map(|policy| (policy.name, policy.content))
        .collect();
    found.sort();
    assert_eq!(found, given, "what AWS has, and what {revision} says");
    let object = cluster.account(TEAM, OTTER);
    let guarded = object.condition("GuardrailsApplied").unwrap();
    assert_eq!(guarded["status"], "True", "{guarded}");
    assert_eq!(guarded["reason"], "GuardrailsAttached");
    let told = object.0["status"]["guardrails"].as_array().cloned();
    let told: Vec<Value> = told.unwrap_or_default();
    let wanted: Vec<Value> = given
        .iter()
        .map(|(name, _)| json!({"name": name, "type": "SERVICE_CONTROL_POLICY"}))
        .collect();
    assert_eq!(told, wanted);
    assert_eq!(object.text("/status/baseline/assigned/revision"), revision);
}

/// The lag of AWS's enforcement is half a second here.
fn is_denied(member: &Member) {
    eventually("LeaveOrganization is denied", 30, || {
        let (code, message) = member.leave();
        if code != "AccessDeniedException" {
            return Err(format!("{code}: {message}"));
        }
        let by = "with an explicit deny in a service control policy";
        assert!(message.contains("organizations:LeaveOrganization"), "{message}");
        assert!(message.ends_with(by), "{message}");
        Ok(())
    });
    assert!(member.describes_the_organization(), "nothing else is denied");
}

/// A guardrail denies from its attachment on, and not before.
fn it_is_attached_and_denies(cluster: &Cluster, aws: &Aws) -> (String, Member) {
    cluster.apply(&one_account(guarded(json!([]))));
    let bare = settles(cluster, || {});
    agree(cluster, aws, &bare);
    assert_eq!(attached(aws), [], "there is no guardrail yet");
    let object = cluster.account(TEAM, OTTER);
    let member = Member::enter(aws, object.text("/status/access/roleArn"));
    let (code, message) = member.leave();
    // AWS's own rule for new accounts, and not a policy.
    assert_eq!(code, "ConstraintViolationException", "{message}");

    cluster.apply(&[guarded(stay_in(&["eu-west-1", "eu-central-1"]))]);
    let revision = settles(cluster, || {});
    assert_ne!(revision, bare);
    agree(cluster, aws, &revision);
    assert!(!attached(aws).is_empty());
    is_denied(&member);
    aws.assert_exactly(1);
    (revision, member)
}

/// What people see of a revision, and that nobody changes one.
fn a_revision_never_changes(cluster: &Cluster, revision: &str) {
    let baseline = standard(cluster);
    let hash = baseline.text("/status/latestRevision/hash");
    let digits = hash.strip_prefix("sha256:").unwrap();
    assert_eq!(revision, format!("standard-{}", &digits[..10]));
    let object = cluster.get(&format!("{REVISIONS}/{revision}")).unwrap();
    assert_eq!(object["spec"]["hash"], hash);
    let table = cluster.kubectl(&["get", "blrev", revision]).ok();
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows[0], ["NAME", "BASELINE", "AGE"], "{table}");
    assert_eq!(rows[1][..2], [revision, "standard"], "{table}");
    assert_eq!(rows.len(), 2, "{table}");
    for (pointer, value) in [
        ("/spec/environments/0/organizationalUnit", json!("Elsewhere")),
        ("/spec/environments/0/policies", json!([])),
        ("/spec/mandatoryTags", json!([])),
        ("/spec/baseline", json!("mine")),
    ] {
        let answer = cluster.kubectl_with(&["replace", "-f", "-"], &with(object.clone(), pointer, value));
        assert_eq!(answer.status, Some(1), "{pointer} was changed: {}", answer.stdout);
        let rule = "a BaselineRevision never changes";
        assert!(answer.stderr.contains(rule), "{pointer}: {}", answer.stderr);
    }
    assert_eq!(cluster.get(&format!("{REVISIONS}/{revision}")).unwrap(), object);
}

/// The new policies come beside the old ones, which go when the new ones hold, and are deleted when nobody has them.
fn a_change_travels_and_comes_back(cluster: &Cluster, aws: &Aws, first: &str, member: &Member) {
    let old = names(&attached(aws));
    cluster.apply(&[guarded(and_keep_the_network(&["eu-west-1"]))]);
    let mut looks = Vec::new();
    let second = settles(cluster, || looks.push(names(&attached(aws))));
    assert_ne!(second, first);
    agree(cluster, aws, &second);
    let new = names(&attached(aws));
    assert!(new.is_disjoint(&old), "{new:?} instead of {old:?}");
    assert!(
        looks
            .iter()
            .any(|look| look.is_superset(&old) && look.is_superset(&new)),
        "both are there for the overlap: {looks:?}"
    );
    for look in &looks {
        let whole = look.is_superset(&old) || look.is_superset(&new);
        assert!(whole, "neither revision's policies: {look:?}");
    }
    assert_eq!(member.leave().0, "AccessDeniedException");
    // Lists lag by up to a minute, so it is that long until it is known that nothing has them.
    eventually("the old policies are deleted", 100, || {
        let there = names(&aws.orgsim.state().policies);
        if there.is_disjoint(&old) {
            Ok(())
        } else {
            Err(format!("{there:?}"))
        }
    });
    let kept = revisions(cluster);
    assert!(kept.contains(first) && kept.contains(&second), "{kept:?}");

    cluster.apply(&[guarded(stay_in(&["eu-central-1", "eu-west-1"]))]);
    let third = settles(cluster, || {});
    assert_eq!(third, first, "the same content is the same revision");
    agree(cluster, aws, first);
    assert_eq!(names(&attached(aws)), old, "and the same policies");
    assert_eq!(revisions(cluster), kept, "nothing new was made for it");
    assert_eq!(member.leave().0, "AccessDeniedException");
}

/// Somebody's hand in AWS is seen, undone and told.
fn what_somebody_undoes_comes_back(cluster: &Cluster, aws: &Aws, revision: &str, member: &Member) {
    let otter = aws.members().remove(OTTER).unwrap();
    let before = attached(aws);
    let repaired = |what: &str| {
        let words = what.to_owned();
        eventually(&format!("an Event tells that {what}"), 20, || {
            let events = cluster.events(TEAM, OTTER);
            let told = events.iter().any(|(kind, reason, note)| {
                kind == "Warning" && reason == "GuardrailsRepaired" && note.contains(&words)
            });
            if told { Ok(()) } else { Err(format!("{events:?}")) }
        });
    };
    let policy = before[0].clone();
    aws.orgsim
        .mutate(Mutation::Detach {
            policy: policy.id.clone(),
            target: otter.id,
        })
        .unwrap();
    assert_eq!(attached(aws).len() + 1, before.len());
    // Within a minute of our own attachment a list that misses it is taken for late.
    eventually("the policy is attached again", 90, || {
        equal(&attached(aws), &before)
    });
    repaired(&format!("policy {} was detached", policy.id));
    settles(cluster, || {});
    agree(cluster, aws, revision);
    is_denied(member);

    let content =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}"#;
    aws.orgsim
        .mutate(Mutation::EditPolicy {
            policy: policy.id,
            content: content.to_owned(),
        })
        .unwrap();
    assert_ne!(attached(aws), before);
    eventually("the policy's content is written back", 90, || {
        equal(&attached(aws), &before)
    });
    repaired(&format!("policy {} was edited", policy.name));
    settles(cluster, || {});
    agree(cluster, aws, revision);
    is_denied(member);
}

#[test]
fn guardrails_are_attached_deny_change_and_come_back() {
    let Some(cluster) = Cluster::start() else { return };
    let witness = Witness::begin(&cluster);
    let aws = Aws::start();
    let operator = attentive(&cluster, &aws);
    let (revision, member) = it_is_attached_and_denies(&cluster, &aws);
    a_revision_never_changes(&cluster, &revision);
    a_change_travels_and_comes_back(&cluster, &aws, &revision, &member);
    what_somebody_undoes_comes_back(&cluster, &aws, &revision, &member);
    aws.assert_exactly(1);
    let log = operator.log();
    assert!(!log.contains("orbidden"), "{log}");
    operator.stop();
    witness.judge();
}
