//! Guardrails and policies of a Baseline: what they compile to, and why they are refused.

use crate::world::{World, manifest, otter, rejected, river, with};
use desired::PolicySettings;
use model::{Reason, Revision};
use serde_json::{Value, json};

/// Spec of `river` whose environment `dev` has these.
fn guarded(guardrails: Value, policies: Value, assertions: Value) -> Value {
    let spec = with(river(), "/environments/0/guardrails", guardrails);
    let spec = with(spec, "/environments/0/policies", policies);
    with(spec, "/environments/0/assertions", assertions)
}

fn deny(actions: Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": actions, "Resource": "*"}]})
}

fn own(policy_type: &str, document: Value) -> Value {
    json!([{"name": "mine", "type": policy_type, "document": document}])
}

/// A statement of about this many characters.
fn long(characters: usize, salt: usize) -> Value {
    let actions: Vec<String> = (0..characters / 23)
        .map(|i| format!("ec2:Describe{salt:03}{i:05}"))
        .collect();
    deny(json!(actions))
}

fn break_glass(expect: &str, action: &str) -> Value {
    json!([{
        "name": "break-glass works", "expect": expect, "principal": "arn:aws:iam::*:role/break-glass", "action": action,
        "resource": "*",
    }])
}

#[track_caller]
fn refused(spec: Value, reason: Reason, pieces: &[&str]) {
    let mut world = World::new();
    world
        .baseline("river", spec)
        .account(&otter(), manifest(&otter()));
    let mut resolved = world.resolve();
    let verdict = resolved.baselines.remove("river").unwrap();
    let rejection = rejected(verdict, reason, pieces);
    assert!(!rejection.waits);
    assert!(resolved.revisions.is_empty() && resolved.desired.revisions.is_empty());
    assert_eq!(resolved.rejections[&otter()].reason, Reason::BaselineNotAccepted);
}

fn revision_of(world: &World) -> Revision {
    world.resolve().baselines["river"].clone().unwrap()
}

#[test]
fn an_account_gets_policies_that_are_named_after_their_content() {
    let mut world = World::new();
    let guardrails = json!([
        {"name": "denyLeaveOrganization"},
        {"name": "allowedRegions", "parameters": {"regions": ["eu-west-1"]}},
    ]);
    let tags = json!({"tags": {"owner": {"tag_key": {"@@assign": "owner"}}}});
    let spec = guarded(
        guardrails,
        own("TAG_POLICY", tags),
        break_glass("Deny", "organizations:LeaveOrganization"),
    );
    world
        .baseline("river", spec)
        .account(&otter(), manifest(&otter()));
    let resolved = world.resolve();
    let account = &resolved.desired.accounts[&otter()];
    let mut parts = Vec::new();
    for policy in account.policies.iter() {
        let digits = policy.name.strip_prefix("bulkhead-acme-dev-").unwrap();
        assert!(
            digits.len() == 10 && digits.bytes().all(|b| b.is_ascii_hexdigit()),
            "{digits}"
        );
        assert!(serde_json::from_str::<Value>(policy.content.as_str()).is_ok());
        parts.push((policy.policy_type.as_str(), policy.parts.join(" ")));
    }
    parts.sort();
    // What exempts the access role protects it.
    let guards = "guardrails[allowedRegions] guardrails[denyLeaveOrganization] guardrails[protectAccessRole]";
    assert_eq!(
        parts,
        [
            ("SERVICE_CONTROL_POLICY", guards.to_owned()),
            ("TAG_POLICY", "policies[mine]".to_owned()),
        ]
    );
    assert_eq!(account.assertions.len(), 1);
    assert!(!account.assertions[0].allow);

    let spec = &resolved.revisions[&account.revision.name];
    assert_eq!(spec.hash, account.revision.hash.as_str());
    assert_eq!(spec.environments[0].policies.len(), 2);
    let budgets = &resolved.environments["river"]["dev"].budgets;
    let shown: Vec<_> = budgets
        .iter()
        .map(|b| {
            (
                b.policy_type.as_str(),
                b.documents,
                b.max_documents,
                b.max_characters,
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("SERVICE_CONTROL_POLICY", 1, 4, 10_240),
            ("TAG_POLICY", 1, 1, 10_000)
        ]
    );
    let longest = spec.environments[0]
        .policies
        .iter()
        .map(|policy| policy.content.len())
        .max();
    assert_eq!(
        budgets[0].characters,
        i64::try_from(longest.unwrap()).unwrap(),
        "the guardrails are the longer one"
    );
    assert!(resolved.environments["river"]["prod"].budgets.is_empty());
}

#[test]
fn what_compiles_to_something_else_is_another_revision_and_nothing_else_is() {
    let two = json!([{"name": "denyLeaveOrganization"}, {"name": "denyRootUser"}]);
    let mut world = World::new();
    world.baseline("river", guarded(two, json!([]), json!([])));
    let before = revision_of(&world);
    let other_order = json!([{"name": "denyRootUser", "parameters": {}}, {"name": "denyLeaveOrganization"}]);
    world.baseline("river", guarded(other_order, json!([]), json!([])));
    assert_eq!(revision_of(&world), before);
    // Defaults that are spelled out, and who follows when, change no account.
    let spec = with(river(), "/mandatoryTags/0/change", json!("Free"));
    let spec = with(
        with(spec, "/updatePolicy", json!("Automatic")),
        "/revisionHistoryLimit",
        json!(3),
    );
    let plain = revision_of(&World::new());
    world.baseline("river", spec);
    assert_eq!(revision_of(&world), plain);

    let mut others = vec![before, plain];
    let mut another = |world: &World, what: &str| {
        let revision = revision_of(world);
        assert!(!others.contains(&revision), "{what}");
        others.push(revision);
    };
    world.baseline(
        "river",
        with(river(), "/mandatoryTags/0/change", json!("Approved")),
    );
    another(&world, "change");
    let assertion = break_glass("Allow", "iam:CreateRole");
    world.baseline("river", guarded(json!([]), json!([]), assertion));
    another(&world, "assertion");
    let one = json!([{"name": "denyRootUser"}]);
    world.baseline("river", guarded(one.clone(), json!([]), json!([])));
    another(&world, "fewer guardrails");
    world.baseline(
        "river",
        guarded(json!([{"name": "requireImdsV2"}]), json!([]), json!([])),
    );
    another(&world, "another guardrail");
    world.settings.exempt_principals = vec!["arn:aws:iam::*:role/break-glass".to_owned()];
    another(&world, "whom it exempts");
}

#[test]
fn guardrails_are_refused_with_path_rule_and_value() {
    let listed = |guardrails: Value| guarded(guardrails, json!([]), json!([]));
    let of = "spec.environments[dev].guardrails";
    refused(
        listed(json!([{"name": "alowedRegions"}])),
        Reason::UnknownGuardrail,
        &[of, "\"alowedRegions\"", "allowedRegions"],
    );
    let regions = |parameters: Value| listed(json!([{"name": "allowedRegions", "parameters": parameters}]));
    refused(
        regions(json!({"regions": ["eu-west-1"], "region": "x"})),
        Reason::InvalidParameter,
        &[&format!("{of}[allowedRegions].parameters.region"), "it has"],
    );
    refused(
        regions(json!({})),
        Reason::InvalidParameter,
        &["[allowedRegions].parameters.regions", "is required"],
    );
    refused(
        regions(json!({"regions": "eu-west-1"})),
        Reason::InvalidParameter,
        &["parameters.regions", "must be", "eu-west-1"],
    );
    refused(
        regions(json!({"regions": []})),
        Reason::InvalidParameter,
        &["parameters.regions: is an empty list: must have at least 1 item"],
    );
}

#[test]
fn policies_are_refused_with_path_rule_and_number() {
    let scp = |document: Value| guarded(json!([]), own("SERVICE_CONTROL_POLICY", document), json!([]));
    let of = "spec.environments[dev].policies[mine].document";
    refused(
        scp(
            json!({"Statement": [{"Effect": "Deny", "NotPrincipal": {"AWS": "*"}, "Action": "*", "Resource": "*"}]}),
        ),
        Reason::InvalidPolicy,
        &[&format!("{of}.Statement[0].NotPrincipal"), "not allowed"],
    );
    refused(
        scp(json!({"Statement": [{"Effect": "deny", "Action": "*", "Resource": "*"}]})),
        Reason::InvalidPolicy,
        &[&format!("{of}.Statement[0].Effect"), "deny", "\"Deny\""],
    );
    let resources = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole", "Resource": "*"},
    ]});
    refused(
        guarded(json!([]), own("RESOURCE_CONTROL_POLICY", resources), json!([])),
        Reason::InvalidPolicy,
        &[&format!("{of}.Statement[0].Action"), "sts:"],
    );
    refused(
        guarded(json!([]), own("TAG_POLICY", json!({})), json!([])),
        Reason::InvalidPolicy,
        &[of, "not empty"],
    );
    refused(
        scp(long(12_000, 0)),
        Reason::PolicyTooLarge,
        &[of, "of 10,240 characters"],
    );
    let many: Vec<Value> = (0..5)
        .map(|i| {
            json!({"name": format!("mine{i}"), "type": "SERVICE_CONTROL_POLICY", "document": long(9_500, i)})
        })
        .collect();
    refused(
        guarded(json!([]), json!(many), json!([])),
        Reason::TooManyPolicies,
        &[
            "spec.environments[dev]: too many",
            "5 of 4",
            "10 places",
            "policies[mine0]",
            "reservedSlots keeps 1",
        ],
    );
    let document = json!({"rules": {"a": 1}});
    let twice = json!([
        {"name": "one", "type": "ONE_POLICY", "document": document},
        {"name": "two", "type": "TWO_POLICY", "document": document},
    ]);
    refused(
        guarded(json!([]), twice, json!([])),
        Reason::InvalidPolicy,
        &["policies[two].document", "policies[one]", "once"],
    );
}

#[test]
fn a_revision_has_to_fit_into_an_object() {
    let policies: Vec<Value> = (0..10)
        .map(|i| {
            let document = json!({"rules": {format!("k{i}"): "x".repeat(9_900)}});
            json!({"name": format!("mine{i}"), "type": format!("QUANTUM_POLICY_{i}"), "document": document})
        })
        .collect();
    let environments = |count: usize| -> Value {
        (0..count)
            .map(|i| json!({"name": format!("e{i}"), "organizationalUnit": "Workloads/Dev", "policies": policies}))
            .collect()
    };
    let mut world = World::new();
    world.baseline("river", with(river(), "/environments", environments(9)));
    assert_eq!(world.resolve().revisions.len(), 1);
    refused(
        with(river(), "/environments", environments(10)),
        Reason::TooLarge,
        &["spec: the revision has", "bytes", "may have 921600"],
    );
}

#[test]
fn what_must_stay_possible_stays_possible() {
    let scp = |actions: Value, assertions: Value| {
        guarded(
            json!([]),
            own("SERVICE_CONTROL_POLICY", deny(actions)),
            assertions,
        )
    };
    refused(
        scp(json!("organizations:*"), json!([])),
        Reason::LockOut,
        &[
            "spec.environments[dev]: ",
            "policies[mine].document.Statement[0]",
            "role/OrganizationAccountAccessRole",
            "organizations:DescribeOrganization",
        ],
    );
    refused(
        scp(json!("iam:*"), break_glass("Allow", "iam:CreateRole")),
        Reason::AssertionFailed,
        &[
            "spec.environments[dev].assertions[break-glass works]: ",
            "expects Allow",
            "policies[mine].document.Statement[0]",
            "iam:CreateRole",
        ],
    );
    refused(
        scp(json!("iam:*"), break_glass("Deny", "s3:CreateBucket")),
        Reason::AssertionFailed,
        &["assertions[break-glass works]", "expects Deny", "s3:CreateBucket"],
    );
    let mut world = World::new();
    let both = scp(json!("iam:*"), break_glass("Deny", "iam:CreateRole"));
    world.baseline("river", both.clone());
    assert!(world.resolve().baselines["river"].is_ok());
    world.settings.exempt_principals = vec!["arn:aws:iam::*:role/break-glass".to_owned()];
    rejected(
        world.resolve().baselines["river"].clone(),
        Reason::LockOut,
        &[
            "the exempt principal",
            "role/break-glass",
            "policies[mine].document.Statement[0]",
        ],
    );
    // A guardrail that exempts nobody on purpose shuts nobody out.
    world.baseline(
        "river",
        guarded(json!([{"name": "denyLeaveOrganization"}]), json!([]), json!([])),
    );
    assert!(world.resolve().baselines["river"].is_ok());
}

#[test]
fn the_settings_bound_what_fits_and_are_judged_too() {
    let three: Vec<Value> = (0..3)
        .map(|i| {
            json!({"name": format!("mine{i}"), "type": "SERVICE_CONTROL_POLICY", "document": long(9_500, i)})
        })
        .collect();
    let mut world = World::new();
    world.baseline("river", guarded(json!([]), json!(three), json!([])));
    assert!(world.resolve().baselines["river"].is_ok());
    world.settings.reserved_slots = 5;
    rejected(
        world.resolve().baselines["river"].clone(),
        Reason::TooManyPolicies,
        &["3 of 2"],
    );
    world.settings = PolicySettings {
        exempt_principals: vec!["arn:aws:iam::*:role/*".to_owned()],
        reserved_slots: 1,
    };
    rejected(
        world.resolve().baselines["river"].clone(),
        Reason::InvalidParameter,
        &["aws.exemptPrincipals[0]", "role/*"],
    );
}
