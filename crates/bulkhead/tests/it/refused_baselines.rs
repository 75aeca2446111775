//! Baselines whose guardrails and policies are refused: told with path, rule and number, and nothing changes in AWS.

use orgsim::{AccountView, AttachmentView, PolicyView};
use serde_json::{Value, json};

use crate::{
    aws::Aws,
    cluster::{Cluster, Object},
    guarded::{attached, attentive, guarded, one_account, revisions, settles, standard, stay_in},
    honesty::Witness,
    manifests::with,
    wait::{equal, eventually},
};

/// A Baseline that is refused: what is wrong, the reason, and words of the message.
struct Refused {
    what: &'static str,
    spec: Value,
    reason: &'static str,
    words: &'static [&'static str],
}

/// Environment `dev` with one more guardrail.
fn and(guardrail: Value) -> Value {
    let mut guardrails = stay_in(&["eu-west-1"]);
    guardrails.as_array_mut().unwrap().push(guardrail);
    guarded(guardrails)
}

/// Environment `dev` with these policies of its own.
fn own(policies: Value) -> Value {
    let object = guarded(stay_in(&["eu-west-1"]));
    with(object, "/spec/environments/0/policies", policies)
}

/// Environment `dev` with one policy of one statement.
#[expect(clippy::needless_pass_by_value, reason = "each caller makes it for this")]
fn statement(policy_type: &str, statement: Value) -> Value {
    let document = json!({"Version": "2012-10-17", "Statement": [statement]});
    own(json!([{"name": "mine", "type": policy_type, "document": document}]))
}

/// A service control policy of about this many characters.
fn long(name: &str, characters: usize) -> Value {
    let actions: Vec<String> = (0..characters / 25)
        .map(|n| format!("ec2:Describe{name}{n:05}"))
        .collect();
    json!({
        "name": name, "type": "SERVICE_CONTROL_POLICY",
        "document": {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": actions, "Resource": "*"}]},
    })
}

fn guardrails() -> Vec<Refused> {
    vec![
        Refused {
            what: "an unknown guardrail",
            spec: and(json!({"name": "protectVpcs"})),
            reason: "UnknownGuardrail",
            words: &[
                "spec.environments[dev].guardrails",
                "\"protectVpcs\"",
                "did you mean protectVpc",
            ],
        },
        Refused {
            what: "an unknown parameter",
            spec: and(json!({"name": "requireImdsV2", "parameters": {"hops": 2}})),
            reason: "InvalidParameter",
            words: &[
                "spec.environments[dev].guardrails[requireImdsV2].parameters.hops",
                "no such parameter",
                "maxHopLimit",
            ],
        },
        Refused {
            what: "a value of another type",
            spec: and(json!({"name": "requireImdsV2", "parameters": {"maxHopLimit": "two"}})),
            reason: "InvalidParameter",
            words: &[
                "spec.environments[dev].guardrails[requireImdsV2].parameters.maxHopLimit",
                "must be a whole number",
                "\"two\"",
            ],
        },
        Refused {
            what: "a number out of bounds",
            spec: and(json!({"name": "requireImdsV2", "parameters": {"maxHopLimit": 65}})),
            reason: "InvalidParameter",
            words: &[
                "spec.environments[dev].guardrails[requireImdsV2].parameters.maxHopLimit",
                "65",
                "64",
            ],
        },
        Refused {
            what: "Regions of which none is one of the old ones",
            spec: guarded(stay_in(&["us-east-1"])),
            reason: "DisjointRegions",
            words: &[
                "spec.environments[dev].guardrails[allowedRegions].parameters.regions",
                "us-east-1",
                "eu-west-1",
            ],
        },
    ]
}

fn documents() -> Vec<Refused> {
    let many: Vec<Value> = ["A", "B", "C", "D", "E"]
        .iter()
        .map(|letter| with(long(letter, 9_500), "/name", json!(letter.to_lowercase())))
        .collect();
    vec![
        Refused {
            what: "a document too large",
            spec: own(json!([long("mine", 12_000)])),
            reason: "PolicyTooLarge",
            words: &[
                "spec.environments[dev].policies[mine].document",
                "of 10,240 characters",
            ],
        },
        Refused {
            what: "more documents than an account has places for",
            spec: own(json!(many)),
            reason: "TooManyPolicies",
            words: &["spec.environments[dev]", "SERVICE_CONTROL_POLICY", "5 of 4"],
        },
        Refused {
            what: "NotPrincipal",
            spec: statement(
                "SERVICE_CONTROL_POLICY",
                json!({"Effect": "Deny", "NotPrincipal": {"AWS": "*"}, "Action": "s3:*", "Resource": "*"}),
            ),
            reason: "InvalidPolicy",
            words: &[
                "spec.environments[dev].policies[mine].document.Statement[0].NotPrincipal",
                "not allowed",
            ],
        },
        Refused {
            what: "a statement without an effect",
            spec: statement(
                "SERVICE_CONTROL_POLICY",
                json!({"Action": "s3:*", "Resource": "*"}),
            ),
            reason: "InvalidPolicy",
            words: &[
                "spec.environments[dev].policies[mine].document.Statement[0]",
                "Effect",
            ],
        },
    ]
}

/// What is well-formed and must not be in force all the same.
fn consequences() -> Vec<Refused> {
    vec![
        Refused {
            what: "a resource control policy on sts",
            spec: statement(
                "RESOURCE_CONTROL_POLICY",
                json!({"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole", "Resource": "*"}),
            ),
            reason: "InvalidPolicy",
            words: &[
                "spec.environments[dev].policies[mine].document.Statement[0].Action",
                "sts:",
            ],
        },
        Refused {
            what: "the operator would be locked out",
            spec: statement(
                "SERVICE_CONTROL_POLICY",
                json!({"Sid": "Shut", "Effect": "Deny", "Action": "*", "Resource": "*"}),
            ),
            reason: "LockOut",
            words: &[
                "spec.environments[dev]",
                "policies[mine].document.Statement[0] denies",
                "organizations:DescribeOrganization",
            ],
        },
        Refused {
            what: "an assertion that does not hold",
            spec: with(
                guarded(stay_in(&["eu-west-1"])),
                "/spec/environments/0/assertions",
                json!([{
                    "name": "we can leave", "expect": "Allow", "principal": "arn:aws:iam::*:role/admin",
                    "action": "organizations:LeaveOrganization", "resource": "*",
                }]),
            ),
            reason: "AssertionFailed",
            words: &[
                "spec.environments[dev].assertions[we can leave]",
                "guardrails[denyLeaveOrganization] denies",
            ],
        },
    ]
}

type State = (Vec<AccountView>, Vec<PolicyView>, Vec<AttachmentView>, usize);

/// Everything in AWS that a Baseline is about, and how many calls that change something there have been.
fn everything(aws: &Aws) -> State {
    let state = aws.orgsim.state();
    let changes = aws.mutations().len();
    (state.accounts, state.policies, state.attachments, changes)
}

fn is_refused(cluster: &Cluster, case: &Refused) {
    cluster.apply(std::slice::from_ref(&case.spec));
    eventually(&format!("{} is refused", case.what), 20, || {
        let baseline = standard(cluster);
        equal(
            &baseline.0["status"]["observedGeneration"],
            &baseline.0["metadata"]["generation"],
        )?;
        let accepted = baseline.condition("Accepted").unwrap_or_default();
        equal(
            &(&accepted["status"], &accepted["reason"]),
            &(&json!("False"), &json!(case.reason)),
        )
        .map_err(|why| format!("{why}: {accepted}"))?;
        let message = accepted["message"].as_str().unwrap_or_default();
        let missing = case.words.iter().find(|word| !message.contains(**word));
        missing.map_or(Ok(()), |word| Err(format!("{word:?} is not in {message:?}")))?;
        equal(
            &baseline.standing(),
            &("False".to_owned(), case.reason.to_owned(), vec!["Stalled"]),
        )
    });
}

#[test]
fn a_refused_baseline_is_told_and_changes_nothing() {
    let Some(cluster) = Cluster::start() else { return };
    let witness = Witness::begin(&cluster);
    let aws = Aws::start();
    let operator = attentive(&cluster, &aws);
    let good = guarded(stay_in(&["eu-west-1", "eu-central-1"]));
    cluster.apply(&one_account(good.clone()));
    let revision = settles(&cluster, || {});
    assert!(!attached(&aws).is_empty());
    let (before, known) = (everything(&aws), revisions(&cluster));
    let told = |object: &Object| {
        (
            object.standing(),
            object.0["status"]["baseline"]["applied"].clone(),
            object.0["status"]["guardrails"].clone(),
        )
    };
    let otter = told(&cluster.account("team-a", "otter"));
    for case in guardrails().into_iter().chain(documents()).chain(consequences()) {
        is_refused(&cluster, &case);
        let what = case.what;
        let latest = standard(&cluster);
        assert_eq!(
            latest.text("/status/latestRevision/name"),
            revision,
            "{what}: the last good one stays"
        );
        assert_eq!(revisions(&cluster), known, "{what} made a revision");
        assert_eq!(told(&cluster.account("team-a", "otter")), otter, "{what}");
        assert_eq!(everything(&aws), before, "{what} changed something in AWS");
    }
    // While the operator looks at everything once more, too.
    let reads = aws.count("ListAccounts");
    eventually("the organization is read again", 20, || {
        if aws.count("ListAccounts") > reads + 1 {
            Ok(())
        } else {
            Err("not yet".to_owned())
        }
    });
    assert_eq!(everything(&aws), before);

    cluster.apply(&[good]);
    assert_eq!(settles(&cluster, || {}), revision);
    eventually("the Baseline is accepted again", 20, || {
        let accepted = standard(&cluster).condition("Accepted").unwrap();
        equal(&accepted["status"], &json!("True"))
    });
    assert_eq!(everything(&aws), before, "it was in force all the time");
    assert_eq!(revisions(&cluster), known);
    operator.stop();
    witness.judge();
}
