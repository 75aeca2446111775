//! Admission policies for what people ask of promotions and pins.
//!
//! The operator believes the annotation `bulkhead.dev/requested-by`, for RBAC cannot tell one annotation from another. So
//! a policy demands that whoever asks for a revision names nobody but themselves, unless they may `impersonate` that user
//! (a pipeline that applies what people merged). Where this policy is not in force, nobody knows who asked. Two more rights are verbs of their own: `skip-bake` on
//! `environmentpromotions`, and `pin` on `awsaccounts`.

use crate::admission::Admission;
use serde_json::{Value, json};

/// Name of the policy on EnvironmentPromotions and of its binding.
pub const NAME: &str = "promotions.bulkhead.dev";
/// Name of the policy on pins of AwsAccounts and of its binding.
pub const PINS: &str = "pins.bulkhead.dev";

/// Fields of the spec that decide what an attempt does. Whoever changes one of them asks for what follows; `suspend` and
/// the like only say when.
const ASKS: [&str; 4] = ["revision", "revisionPolicy", "dryRun", "stages"];

const FILE: &str = "deploy/promotion-policy.yaml";

/// What has to be in force for `bulkhead.dev/requested-by` to be believed.
pub(crate) fn admission() -> Admission {
    Admission {
        name: NAME,
        file: FILE,
        spec: promotions(),
    }
}

/// The policies and their bindings, as `deploy/` publishes them.
pub fn manifests() -> [Value; 4] {
    let pins = Admission {
        name: PINS,
        file: FILE,
        spec: pins(),
    };
    let ([promotions, promotions_bound], [pins, pins_bound]) = (admission().manifests(), pins.manifests());
    [promotions, promotions_bound, pins, pins_bound]
}

fn writes(resource: &str) -> Value {
    json!({"resourceRules": [{
        "apiGroups": [api::GROUP], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "resources": [resource],
    }]})
}

/// The value of an annotation as a list of at most one: nothing and nothing written are two things.
fn annotation(of: &str, name: &str) -> String {
    let key = format!("'bulkhead.dev/{name}'");
    format!("({key} in variables.{of} ? [variables.{of}[{key}]] : [])")
}

fn annotation_changes(name: &str) -> String {
    format!("{} != {}", annotation("now", name), annotation("before", name))
}

fn field_changes(name: &str) -> String {
    let (now, before) = (format!("object.spec.{name}"), format!("oldObject.spec.{name}"));
    format!("has({now}) != has({before}) || (has({now}) && {now} != {before})")
}

fn promotions() -> Value {
    let annotations = |of: &str| format!("has({of}.metadata.annotations) ? {of}.metadata.annotations : {{}}");
    let mut asks = vec!["oldObject == null".to_owned()];
    asks.extend(["requested-by", "retry"].map(annotation_changes));
    asks.extend(ASKS.map(field_changes));
    let author = "variables.author[0]";
    let skip = annotation("now", "skip-bake");
    json!({
        "failurePolicy": "Fail",
        "matchConstraints": writes("environmentpromotions"),
        "variables": [
            {"name": "now", "expression": annotations("object")},
            {"name": "before", "expression": format!("oldObject == null ? {{}} : ({})", annotations("oldObject"))},
            {"name": "author", "expression": annotation("now", "requested-by")},
            {"name": "asks", "expression": asks.join(" || ")},
        ],
        "validations": [
            {
                "expression": format!(
                    "!variables.asks || size(variables.author) == 0 || {author} == request.userInfo.username || \
                     authorizer.group('').resource('users').name({author}).check('impersonate').allowed()"
                ),
                "messageExpression": format!(
                    "'the annotation bulkhead.dev/requested-by must name the one who asks, ' + request.userInfo.username + \
                     ', or somebody whom ' + request.userInfo.username + ' may impersonate; got ' + {author}"
                ),
                "reason": "Forbidden",
            },
            {
                "expression": format!(
                    "size({skip}) == 0 || !({}) || authorizer.group('{}').resource('environmentpromotions')\
                     .name(object.metadata.name).check('skip-bake').allowed()",
                    annotation_changes("skip-bake"), api::GROUP
                ),
                "messageExpression": format!(
                    "request.userInfo.username + ' needs the verb skip-bake on environmentpromotions.{} for ' + \
                     object.metadata.name", api::GROUP
                ),
                "reason": "Forbidden",
            },
        ],
    })
}

/// Whoever may write an account may take its pin away: it gets what the others have.
fn pins() -> Value {
    let pin = "spec.baselinePin";
    json!({
        "failurePolicy": "Fail",
        "matchConstraints": writes("awsaccounts"),
        "validations": [{
            "expression": format!(
                "!has(object.{pin}) || (oldObject != null && has(oldObject.{pin}) && oldObject.{pin} == object.{pin}) || \
                 authorizer.group('{}').resource('awsaccounts').namespace(object.metadata.namespace)\
                 .name(object.metadata.name).check('pin').allowed()", api::GROUP
            ),
            "messageExpression": format!(
                "request.userInfo.username + ' needs the verb pin on awsaccounts.{} in namespace ' + \
                 object.metadata.namespace + ' for ' + object.metadata.name", api::GROUP
            ),
            "reason": "Forbidden",
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Request, StatusCode};
    use kube::{
        Api, Client,
        api::{Patch, PatchParams, PostParams},
    };
    use kubesim::{Kubesim, Settings};

    async fn cluster() -> Kubesim {
        let sim = Kubesim::new(Settings::default(), || jiff::Timestamp::UNIX_EPOCH);
        for crd in api::crds() {
            sim.install_crd(serde_json::to_value(crd).unwrap()).unwrap();
        }
        let client = Client::new(sim.service(), "default");
        for manifest in manifests() {
            let plural = match manifest["kind"].as_str().unwrap() {
                "ValidatingAdmissionPolicy" => "validatingadmissionpolicies",
                _ => "validatingadmissionpolicybindings",
            };
            let request = Request::post(format!("/apis/admissionregistration.k8s.io/v1/{plural}"))
                .header("content-type", "application/json")
                .body(manifest.to_string().into_bytes())
                .unwrap();
            client.request::<Value>(request).await.unwrap();
        }
        sim
    }

    fn promotion(annotations: &Value) -> api::EnvironmentPromotion {
        let object = json!({
            "apiVersion": "bulkhead.dev/v1alpha1", "kind": "EnvironmentPromotion",
            "metadata": {"name": "guardrails", "annotations": annotations},
            "spec": {
                "baselineRef": {"name": "standard"}, "revision": "standard-3f9c2ab41d",
                "stages": [{"name": "dev", "environment": "dev"}],
            },
        });
        serde_json::from_value(object).unwrap()
    }

    /// Who asks, for what; the refusal.
    async fn patched(sim: &Kubesim, user: &str, patch: Value) -> Result<(), String> {
        let api: Api<api::EnvironmentPromotion> = Api::all(Client::new(sim.service_as(user, &[]), "default"));
        let patched = api
            .patch("guardrails", &PatchParams::default(), &Patch::Merge(patch))
            .await;
        refusal(patched)
    }

    fn refusal<T>(result: Result<T, kube::Error>) -> Result<(), String> {
        match result {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) => {
                assert_eq!(status.code, StatusCode::FORBIDDEN.as_u16(), "{status:?}");
                Err(status.message.clone())
            }
            Err(other) => panic!("{other}"),
        }
    }

    fn annotate(name: &str, value: &str) -> Value {
        json!({"metadata": {"annotations": {format!("bulkhead.dev/{name}"): value}}})
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_asks_in_anothers_name() {
        let sim = cluster().await;
        let named = |by: &str| promotion(&json!({"bulkhead.dev/requested-by": by}));
        let create = async |user: &str, object: &api::EnvironmentPromotion| {
            let api: Api<api::EnvironmentPromotion> =
                Api::all(Client::new(sim.service_as(user, &[]), "default"));
            refusal(api.create(&PostParams::default(), object).await)
        };
        let told = create("bob", &named("alice")).await.unwrap_err();
        assert!(
            told.contains(
                "the annotation bulkhead.dev/requested-by must name the one who asks, bob, \
                 or somebody whom bob may impersonate; got alice"
            ),
            "{told}"
        );
        create("bob", &named("bob")).await.unwrap();
        // Another revision, a retry or other stages under bob's name are not carol's to ask for.
        let revision = json!({"spec": {"revision": "standard-77aa01c9e2"}});
        let stages = json!({"spec": {"stages": [{"name": "lab", "environment": "lab"}]}});
        let dry = json!({"spec": {"dryRun": true}});
        for patch in [
            &revision,
            &stages,
            &dry,
            &annotate("retry", "1"),
            &annotate("requested-by", "alice"),
        ] {
            let told = patched(&sim, "carol", patch.clone()).await.unwrap_err();
            assert!(
                told.contains("must name the one who asks, carol"),
                "{patch}: {told}"
            );
        }
        // When it goes on is nobody's authorship.
        for patch in [
            json!({"spec": {"suspend": true}}),
            annotate("hold", "incident"),
            annotate("abort", "a-1"),
            annotate("reverify", "dev/smoke@a-1"),
            json!({"metadata": {"labels": {"a": "b"}}}),
        ] {
            patched(&sim, "carol", patch.clone()).await.unwrap();
        }
        let mut own = revision.clone();
        own["metadata"]["annotations"]["bulkhead.dev/requested-by"] = "carol".into();
        patched(&sim, "carol", own).await.unwrap();
        // An author who is not known can be made so; it fails closed later.
        let mut nobody = stages.clone();
        nobody["metadata"]["annotations"]["bulkhead.dev/requested-by"] = Value::Null;
        patched(&sim, "dave", nobody).await.unwrap();
        // A pipeline that may speak for people does.
        let mut merged = dry.clone();
        merged["metadata"]["annotations"]["bulkhead.dev/requested-by"] = "alice".into();
        assert!(patched(&sim, "argocd", merged.clone()).await.is_err());
        sim.allow("argocd", "impersonate", "", "users");
        patched(&sim, "argocd", merged).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_bake_is_cut_short_only_with_the_verb() {
        let sim = cluster().await;
        sim.put(
            api::GROUP,
            "environmentpromotions",
            serde_json::to_value(promotion(&json!({}))).unwrap(),
        )
        .unwrap();
        let told = patched(&sim, "bob", annotate("skip-bake", "a-1/dev/all"))
            .await
            .unwrap_err();
        assert!(
            told.contains(
                "bob needs the verb skip-bake on environmentpromotions.bulkhead.dev for guardrails"
            ),
            "{told}"
        );
        assert!(patched(&sim, "bob", annotate("skip-bake", "")).await.is_err());
        sim.allow("erin", "skip-bake", api::GROUP, "environmentpromotions");
        patched(&sim, "erin", annotate("skip-bake", "a-1/dev/all"))
            .await
            .unwrap();
        // What is there already is nobody's request, and to take it away is none.
        patched(&sim, "bob", annotate("hold", "incident")).await.unwrap();
        assert!(
            patched(&sim, "bob", annotate("skip-bake", "a-2/dev/all"))
                .await
                .is_err()
        );
        let gone = json!({"metadata": {"annotations": {"bulkhead.dev/skip-bake": null}}});
        patched(&sim, "bob", gone).await.unwrap();
        assert!(
            patched(&sim, "bob", annotate("skip-bake", "a-1/dev/all"))
                .await
                .is_err()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn accounts_are_pinned_only_with_the_verb() {
        let sim = cluster().await;
        let pin = |revision: &str| json!({"revision": revision, "reason": "audit", "expiresAt": "2027-01-31T00:00:00Z"});
        let account = |name: &str, pin: Option<Value>| -> api::AwsAccount {
            let mut object = json!({
                "apiVersion": "bulkhead.dev/v1alpha1", "kind": "AwsAccount",
                "metadata": {"name": name, "namespace": "default"},
                "spec": {
                    "workload": "shop", "environment": "dev", "purpose": "Test",
                    "owner": {"team": "a", "contact": "a@example.com"},
                },
            });
            if let Some(pin) = pin {
                object["spec"]["baselinePin"] = pin;
            }
            serde_json::from_value(object).unwrap()
        };
        let of = |user: &str| -> Api<api::AwsAccount> {
            Api::namespaced(Client::new(sim.service_as(user, &[]), "default"), "default")
        };
        let create = async |user: &str, object: &api::AwsAccount| {
            refusal(of(user).create(&PostParams::default(), object).await)
        };
        let patch = async |user: &str, name: &str, spec: Value| {
            let patch = Patch::Merge(json!({"spec": spec}));
            refusal(of(user).patch(name, &PatchParams::default(), &patch).await)
        };
        let told = create("bob", &account("otter", Some(pin("standard-3f9c2ab41d"))))
            .await
            .unwrap_err();
        assert!(
            told.contains(
                "bob needs the verb pin on awsaccounts.bulkhead.dev in namespace default for otter"
            ),
            "{told}"
        );
        create("bob", &account("otter", None)).await.unwrap();
        let wanted = json!({"baselinePin": pin("standard-3f9c2ab41d")});
        assert!(patch("bob", "otter", wanted.clone()).await.is_err());
        sim.allow("erin", "pin", api::GROUP, "awsaccounts");
        patch("erin", "otter", wanted).await.unwrap();
        patch("bob", "otter", json!({"purpose": "Other"})).await.unwrap();
        let longer = json!({"baselinePin": {"expiresAt": "2027-02-28T00:00:00Z"}});
        assert!(patch("bob", "otter", longer).await.is_err());
        patch("bob", "otter", json!({"baselinePin": null})).await.unwrap();
    }
}
