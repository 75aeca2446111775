//! ValidatingAdmissionPolicy.

use super::{JSON, World, widget};
use serde_json::{Value, json};

const ROOT: &str = "/apis/admissionregistration.k8s.io/v1";

/// Puts a policy in force for the widgets of this namespace, and waits until it denies the probe.
async fn install(w: &World, spec: Value, probe: &Value, code: u16) {
    let name = w.ns.clone();
    let mut spec = spec;
    spec["matchConstraints"]["namespaceSelector"] =
        json!({"matchLabels": {"kubernetes.io/metadata.name": w.ns}});
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name}, "spec": spec,
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": format!("{name}-all")}, "spec": {"policyName": name, "validationActions": ["Deny"]},
    });
    w.call(
        "POST",
        &format!("{ROOT}/validatingadmissionpolicies"),
        JSON,
        Some(&policy),
    )
    .await
    .ok();
    w.call(
        "POST",
        &format!("{ROOT}/validatingadmissionpolicybindings"),
        JSON,
        Some(&binding),
    )
    .await
    .ok();
    w.until("POST", &w.path(""), probe, code).await;
}

fn rules(operations: &[&str], resources: &[&str]) -> Value {
    json!({"resourceRules": [{
        "apiGroups": ["suite.example"], "apiVersions": ["*"], "operations": operations, "resources": resources,
    }]})
}

fn spec(email: &str) -> Value {
    widget("a", json!({"email": email}))
}

pub(crate) async fn denies(w: World) {
    let policy = json!({
        "matchConstraints": rules(&["CREATE", "UPDATE"], &["widgets"]),
        "variables": [{"name": "small", "expression": "!has(object.spec.replicas) || object.spec.replicas < 5"}],
        "validations": [
            {"expression": "object.spec.email != 'bad@example.com'", "message": "bad mail"},
            {"expression": "variables.small", "messageExpression": "'too many: ' + string(object.spec.replicas)", "reason": "Forbidden"},
            {"expression": "object.spec.color != 'Blue'"},
        ],
    });
    install(&w, policy, &spec("bad@example.com"), 422).await;
    let prefix = format!(
        "ValidatingAdmissionPolicy '{0}' with binding '{0}-all' denied request: ",
        w.ns
    );
    let reply = w.post("", &spec("bad@example.com")).await.fails(422, "Invalid");
    assert_eq!(
        reply.message(),
        format!("widgets.suite.example \"a\" is forbidden: {prefix}bad mail")
    );
    reply.has_causes(&[&format!("||{prefix}bad mail")]);
    assert_eq!(reply.body["details"]["kind"], "widgets");
    // Validation of the object comes first.
    let reply = w
        .post(
            "",
            &widget("a", json!({"email": "bad@example.com", "replicas": 900})),
        )
        .await
        .fails(422, "Invalid");
    assert!(reply.causes().first().unwrap().contains("spec.replicas"));
    w.plain("a").await;
    let reply = w
        .merge("a", json!({"spec": {"replicas": 7}}))
        .await
        .fails(403, "Forbidden");
    assert!(
        reply.message().ends_with("denied request: too many: 7"),
        "{}",
        reply.message()
    );
    let reply = w
        .apply("a", "one", json!({"replicas": 7}))
        .await
        .fails(403, "Forbidden");
    assert!(
        reply.message().ends_with("denied request: too many: 7"),
        "{}",
        reply.message()
    );
    let reply = w
        .merge("a", json!({"spec": {"color": "Blue"}}))
        .await
        .fails(422, "Invalid");
    assert!(
        reply
            .message()
            .ends_with("denied request: failed expression: object.spec.color != 'Blue'"),
        "{}",
        reply.message()
    );
    w.merge("a", json!({"spec": {"replicas": 4}})).await.ok();
    // The policy covers the resource, not its status.
    w.merge("a/status", json!({"status": {"count": 1}})).await.ok();
}

pub(crate) async fn sees_the_caller(w: World) {
    let policy = json!({
        "matchConstraints": rules(&["CREATE"], &["widgets"]),
        "matchConditions": [{"name": "noted", "expression": "has(object.spec.note)"}],
        "validations": [{
            "expression": "object.spec.note == request.userInfo.username && request.name == 'a' && request.operation == 'CREATE' \
                && request.namespace == namespaceObject.metadata.name && oldObject == null && request.kind.kind == 'Widget'",
            "messageExpression": "'you are ' + request.userInfo.username",
        }],
    });
    let body = |note: &str| widget("a", json!({"email": "a@example.com", "note": note}));
    install(&w, policy, &body("nobody"), 422).await;
    let reply = w
        .acting(&w.stranger)
        .post("", &body("admin"))
        .await
        .fails(422, "Invalid");
    assert!(
        reply.message().ends_with("denied request: you are stranger"),
        "{}",
        reply.message()
    );
    w.acting(&w.stranger).post("", &body("stranger")).await.ok();
    w.post("", &widget("b", json!({"email": "a@example.com"})))
        .await
        .ok();
}

pub(crate) async fn authorizer(w: World) {
    let policy = json!({
        "matchConstraints": rules(&["CREATE", "UPDATE"], &["widgets"]),
        "validations": [{
            "expression": "!has(object.spec.adopt) || authorizer.group('suite.example').resource('widgets')\
                .namespace(object.metadata.namespace).check('approve').allowed()",
            "message": "may not approve", "reason": "Forbidden",
        }],
    });
    let body = widget("a", json!({"email": "a@example.com", "adopt": "x"}));
    w.call(
        "POST",
        &w.path(""),
        JSON,
        Some(&widget("probe", json!({"email": "a@example.com"}))),
    )
    .await
    .ok();
    install(&w.acting(&w.client), policy, &body, 201).await;
    w.acting(&w.stranger).until("POST", &w.path(""), &body, 403).await;
    let reply = w
        .acting(&w.stranger)
        .post("", &body)
        .await
        .fails(403, "Forbidden");
    assert!(
        reply.message().ends_with("denied request: may not approve"),
        "{}",
        reply.message()
    );
    w.acting(&w.approver).post("", &body).await.ok();
    w.acting(&w.stranger)
        .merge("a", json!({"spec": {"replicas": 1}}))
        .await
        .fails(403, "Forbidden");
    w.acting(&w.stranger)
        .merge("probe", json!({"spec": {"replicas": 1}}))
        .await
        .ok();
    w.merge("a", json!({"spec": {"replicas": 1}})).await.ok();
}

pub(crate) async fn deletion(w: World) {
    let policy = json!({
        "matchConstraints": rules(&["DELETE", "CREATE"], &["widgets"]),
        "validations": [{
            "expression": "request.operation == 'CREATE' ? object.spec.email != 'bad@example.com' : \
                object == null && has(oldObject.metadata.annotations) && \
                'suite.example/confirm' in oldObject.metadata.annotations && \
                oldObject.metadata.annotations['suite.example/confirm'] == oldObject.metadata.name",
            "message": "not confirmed",
        }],
    });
    install(&w, policy, &spec("bad@example.com"), 422).await;
    w.plain("a").await;
    let reply = w.delete("a", None).await.fails(422, "Invalid");
    assert!(
        reply.message().ends_with("denied request: not confirmed"),
        "{}",
        reply.message()
    );
    w.delete("", None).await.fails(422, "Invalid");
    w.get("a").await.ok();
    w.merge(
        "a",
        json!({"metadata": {"annotations": {"suite.example/confirm": "b"}}}),
    )
    .await
    .ok();
    w.delete("a", None).await.fails(422, "Invalid");
    w.merge(
        "a",
        json!({"metadata": {"annotations": {"suite.example/confirm": "a"}}}),
    )
    .await
    .ok();
    w.delete("a", None).await.ok();
}

pub(crate) async fn checks_before_storing(w: World) {
    let policy = json!({
        "metadata": {"name": w.ns},
        "spec": {"matchConstraints": rules(&["CREATE"], &["widgets"]), "validations": [{"expression": "object.("}]},
    });
    let reply = w
        .call(
            "POST",
            &format!("{ROOT}/validatingadmissionpolicies"),
            JSON,
            Some(&policy),
        )
        .await
        .fails(422, "Invalid");
    assert!(
        reply
            .causes()
            .first()
            .unwrap()
            .starts_with("FieldValueInvalid|spec.validations[0].expression|")
    );
    let binding = json!({"metadata": {"name": w.ns}, "spec": {"policyName": "x"}});
    let reply = w
        .call(
            "POST",
            &format!("{ROOT}/validatingadmissionpolicybindings"),
            JSON,
            Some(&binding),
        )
        .await
        .fails(422, "Invalid");
    reply.has_causes(&["FieldValueRequired|spec.validationActions|Required value: at least one validation action is required"]);
}

pub(crate) async fn scope(w: World) {
    let mut constraints = rules(&["*"], &["*/*"]);
    constraints["objectSelector"] =
        json!({"matchExpressions": [{"key": "guarded", "operator": "In", "values": ["yes"]}]});
    constraints["excludeResourceRules"] = json!([{
        "apiGroups": ["*"], "apiVersions": ["*"], "operations": ["DELETE"], "resources": ["*"],
    }]);
    let policy = json!({"matchConstraints": constraints, "validations": [{"expression": "has(object.spec.replicas) && object.spec.replicas == 1"}]});
    let mut guarded = spec("a@example.com");
    guarded["metadata"]["labels"] = json!({"guarded": "yes"});
    install(&w, policy, &guarded, 422).await;
    w.plain("free").await;
    guarded["spec"]["replicas"] = json!(1);
    w.post("", &guarded).await.ok();
    // Any of the two states that carries the label is enough.
    w.merge(
        "a",
        json!({"metadata": {"labels": null}, "spec": {"replicas": 2}}),
    )
    .await
    .fails(422, "Invalid");
    w.merge("a/status", json!({"status": {"count": 1}})).await.ok();
    w.delete("a", None).await.ok();
}
