use super::*;
use crate::testing;

fn container() -> Value {
    json!({"name": "test", "image": "example.com/smoke:1", "env": [{"name": "BULKHEAD_STAGE", "value": "forged"}, {"name": "A", "value": "b"}]})
}

fn template() -> Value {
    json!({"spec": {"template": {"spec": {"containers": [container()]}}}})
}

fn built(template: &Value) -> Result<Built, String> {
    let measure = testing::measure(&json!({"type": "Job", "job": {"template": template}}));
    build(&measure, template, &testing::settings())
}

/// The template with one more field, by JSON pointer to its parent.
fn with(parent: &str, field: &str, value: Value) -> Value {
    let mut template = template();
    let place = template.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    place.insert(field.to_owned(), value);
    template
}

const SPEC: &str = "/spec";
const POD: &str = "/spec/template/spec";
const CONTAINER: &str = "/spec/template/spec/containers/0";

#[test]
fn what_a_template_leaves_out_is_filled_in() {
    let built = built(&template()).unwrap();
    let job = &built.job;
    assert_eq!(job["metadata"]["name"], built.name.as_str());
    assert_eq!(job["metadata"]["namespace"], testing::NAMESPACE);
    assert_eq!(job["metadata"]["labels"][MEASUREMENT], built.measurement.as_str());
    assert_eq!(
        job["metadata"]["labels"][PROMOTION],
        "7e3c1f4e-0000-4000-8000-000000000001"
    );
    assert_eq!(job["metadata"]["annotations"]["bulkhead.dev/stage"], "prod");
    assert_eq!(job["spec"]["activeDeadlineSeconds"], 600);
    assert_eq!(job["spec"]["ttlSecondsAfterFinished"], 86_400);
    let pod = &job["spec"]["template"]["spec"];
    assert_eq!(pod["restartPolicy"], "Never");
    assert_eq!(pod["serviceAccountName"], "default");
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(
        pod["containers"][0]["env"],
        json!([
            {"name": "A", "value": "b"},
            {"name": "BULKHEAD_ATTEMPT", "value": "a-3"},
            {"name": "BULKHEAD_REVISION", "value": format!("sha256:{}", "3f".repeat(32))},
            {"name": "BULKHEAD_STAGE", "value": "prod"},
            {"name": "BULKHEAD_WAVE", "value": "one-box"},
            {"name": "BULKHEAD_GATE", "value": "smoke"},
            {"name": "BULKHEAD_ENVIRONMENT", "value": "production"},
        ])
    );
    assert_eq!((built.deadline, built.uses), (600, Uses::default()));
    // The API's own shape takes it.
    let typed: k8s_openapi::api::batch::v1::Job = serde_json::from_value(job.clone()).unwrap();
    assert_eq!(serde_json::to_value(typed).unwrap(), *job);
}

#[test]
fn what_a_template_says_stays() {
    let mut written = template();
    written["metadata"] = json!({"labels": {"team": "a", MEASUREMENT: "forged"}, "annotations": {"x": "y"}, "namespace": testing::NAMESPACE});
    written["spec"]["activeDeadlineSeconds"] = json!(30);
    written["spec"]["backoffLimit"] = json!(2);
    let pod = &mut written["spec"]["template"]["spec"];
    pod["restartPolicy"] = json!("OnFailure");
    pod["serviceAccountName"] = json!("smoke-tests");
    pod["automountServiceAccountToken"] = json!(true);
    let built = built(&written).unwrap();
    assert_eq!(built.deadline, 30);
    assert_eq!(built.job["metadata"]["labels"]["team"], "a");
    assert_eq!(
        built.job["metadata"]["labels"][MEASUREMENT],
        built.measurement.as_str()
    );
    assert_eq!(built.job["spec"]["backoffLimit"], 2);
    let pod = &built.job["spec"]["template"]["spec"];
    assert_eq!(pod["restartPolicy"], "OnFailure");
    assert_eq!(pod["serviceAccountName"], "smoke-tests");
    assert_eq!(pod["automountServiceAccountToken"], true);
}

/// Changes one measurement into another.
type Change = fn(&mut Measure);

fn other_revision() -> model::RevisionHash {
    model::RevisionHash::parse(&format!("sha256:{}", "4a".repeat(32))).unwrap()
}

#[test]
fn the_name_is_that_of_the_measurement() {
    let template = template();
    let measure = testing::measure(&json!({"type": "Job", "job": {"template": template}}));
    let name = |measure: &Measure| build(measure, &template, &testing::settings()).unwrap().name;
    let first = name(&measure);
    assert!(
        first.len() <= 63 && first.starts_with("bulkhead-gate-"),
        "{first}"
    );
    assert_eq!(first, name(&measure));
    let others: [Change; 10] = [
        // An edited gate measures anew: what runs is about the gate as it was.
        |measure| measure.key.generation = 9,
        |measure| measure.key.revision = other_revision(),
        |measure| measure.promotion_uid = "another".to_owned(),
        |measure| measure.key.attempt = "a-4".to_owned(),
        |measure| measure.key.stage = "dev".to_owned(),
        |measure| measure.wave = None,
        |measure| measure.key.gate = "other".to_owned(),
        |measure| measure.key.run = 2,
        |measure| measure.key.number = 1,
        |measure| (measure.key.run, measure.key.number) = (12, 0),
    ];
    let mut names = BTreeSet::from([first]);
    for change in others {
        let mut other = measure.clone();
        change(&mut other);
        assert!(names.insert(name(&other)), "{other:?}");
    }
}

#[test]
fn what_a_gate_may_not_do_is_refused() {
    for (template, said) in [
        (
            with(POD, "serviceAccountName", json!("operator")),
            "does not run as the operator",
        ),
        (
            with(POD, "serviceAccountName", json!("bulkhead")),
            "does not run as the operator",
        ),
        (
            with(POD, "serviceAccount", json!("bulkhead-controller")),
            "does not run as the operator",
        ),
        (with(POD, "serviceAccountName", json!(7)), "serviceAccountName"),
        (with(POD, "hostNetwork", json!(true)), "hostNetwork"),
        (with(POD, "hostPID", json!(true)), "hostPID"),
        (with(POD, "hostIPC", json!("true")), "hostIPC"),
        (
            with(POD, "volumes", json!([{"name": "a", "hostPath": {"path": "/"}}])),
            "hostPath",
        ),
        (with(POD, "volumes", json!({})), "no list of maps"),
        (with(POD, "ephemeralContainers", json!([])), "ephemeralContainers"),
        (
            with(CONTAINER, "securityContext", json!({"privileged": true})),
            "privileged",
        ),
        (
            with(
                CONTAINER,
                "securityContext",
                json!({"capabilities": {"add": ["SYS_ADMIN"]}}),
            ),
            "capability",
        ),
        (
            with(
                CONTAINER,
                "securityContext",
                json!({"capabilities": {"add": "ALL"}}),
            ),
            "capability",
        ),
        (
            with(
                POD,
                "initContainers",
                json!([{"name": "a", "securityContext": {"privileged": true}}]),
            ),
            "privileged",
        ),
        (with(CONTAINER, "env", json!({})), "env is no list"),
        (with(SPEC, "suspend", json!(true)), "suspend"),
        (with(SPEC, "selector", json!({})), "selector"),
        (with(SPEC, "manualSelector", json!(true)), "manualSelector"),
        (with(SPEC, "managedBy", json!("example.com/other")), "managedBy"),
        (
            with(SPEC, "activeDeadlineSeconds", json!(0)),
            "activeDeadlineSeconds",
        ),
        (
            with(SPEC, "activeDeadlineSeconds", json!(100_000)),
            "activeDeadlineSeconds",
        ),
        (
            with(SPEC, "ttlSecondsAfterFinished", json!(0)),
            "ttlSecondsAfterFinished",
        ),
        (
            with("", "metadata", json!({"namespace": "kube-system"})),
            "namespace names another",
        ),
        (
            with("", "metadata", json!({"name": "mine"})),
            "template.metadata.name",
        ),
        (
            with("", "metadata", json!({"ownerReferences": []})),
            "template.metadata.ownerReferences",
        ),
        (with("", "metadata", json!({"labels": "a"})), "labels is no map"),
        (with("", "kind", json!("Job")), "template.kind"),
        (json!({"spec": {}}), "template.spec.template.spec"),
        (json!("a"), "template is no map"),
    ] {
        let refused = built(&template).unwrap_err();
        assert!(refused.contains(said), "{template}: {refused}");
        if !said.contains("labels") && !said.contains("env") {
            assert_eq!(check(&template, &testing::settings()), Err(refused));
        }
    }
    let harmless =
        json!({"privileged": false, "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}});
    assert_eq!(
        check(
            &with(CONTAINER, "securityContext", harmless),
            &testing::settings()
        ),
        Ok(())
    );
}

#[test]
fn every_secret_is_found() {
    for (template, expected) in [
        (
            with(
                CONTAINER,
                "env",
                json!([{"name": "T", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}]),
            ),
            &["a"][..],
        ),
        (
            with(
                CONTAINER,
                "envFrom",
                json!([{"secretRef": {"name": "a"}}, {"secretRef": {"name": "b"}}]),
            ),
            &["a", "b"],
        ),
        (
            with(
                POD,
                "volumes",
                json!([{"name": "v", "secret": {"secretName": "a"}}]),
            ),
            &["a"],
        ),
        (
            with(
                POD,
                "volumes",
                json!([{"name": "v", "projected": {"sources": [{"secret": {"name": "a"}}, {"configMap": {"name": "c"}}]}}]),
            ),
            &["a"],
        ),
        (
            with(
                POD,
                "volumes",
                json!([{"name": "v", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "a"}}}]),
            ),
            &["a"],
        ),
        (
            with(
                POD,
                "volumes",
                json!([{"name": "v", "azureFile": {"secretName": "a", "shareName": "s"}}]),
            ),
            &["a"],
        ),
        (with(POD, "imagePullSecrets", json!([{"name": "registry"}])), &[]),
        (with(POD, "nodeSelector", json!({"secret-compute": "true"})), &[]),
    ] {
        let built = built(&template).unwrap();
        assert_eq!(
            built.uses.secrets.iter().collect::<Vec<_>>(),
            expected,
            "{template}"
        );
    }
    let unnamed = with(POD, "volumes", json!([{"name": "v", "secret": {"items": []}}]));
    assert!(built(&unnamed).unwrap_err().contains("names no Secret"));
}

#[test]
fn every_service_account_is_found() {
    let token =
        json!([{"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}]);
    for (template, expected) in [
        (template(), &[][..]),
        (with(POD, "serviceAccountName", json!("default")), &[]),
        (with(POD, "serviceAccountName", json!("")), &[]),
        (with(POD, "automountServiceAccountToken", json!(false)), &[]),
        (
            with(POD, "automountServiceAccountToken", json!(true)),
            &["default"],
        ),
        (
            with(POD, "automountServiceAccountToken", json!("true")),
            &["default"],
        ),
        (with(POD, "volumes", token), &["default"]),
        (
            with(POD, "serviceAccountName", json!("smoke-tests")),
            &["smoke-tests"],
        ),
        (with(POD, "serviceAccount", json!("deployer")), &["deployer"]),
    ] {
        let built = built(&template).unwrap();
        let found: Vec<_> = built.uses.service_accounts.iter().collect();
        assert_eq!(found, expected, "{template}");
    }
    let mut both = with(POD, "serviceAccountName", json!("default"));
    both["spec"]["template"]["spec"]["serviceAccount"] = json!("deployer");
    let found = built(&both).unwrap().uses.service_accounts;
    assert_eq!(found, BTreeSet::from(["deployer".to_owned()]));
}
