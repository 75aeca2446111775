//! The cases. Each gets a namespace of its own and asserts concrete facts: codes, reasons, fields of the result.

mod apply;
mod apply_status;
mod builtin;
mod create;
mod delete;
mod list;
mod policy;
mod update;
mod validation;
mod watch;

use futures::future::BoxFuture;
use http::{Method, Request};
use kube::{Client, client::Body};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// All widgets.
pub(crate) const WIDGETS: &str = "/apis/suite.example/v1/widgets";

pub(crate) const JSON: &str = "application/json";
pub(crate) const MERGE: &str = "application/merge-patch+json";
pub(crate) const PATCH: &str = "application/json-patch+json";
pub(crate) const APPLY: &str = "application/apply-patch+yaml";

/// One case.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) run: fn(World) -> BoxFuture<'static, ()>,
}

macro_rules! cases {
    ($($module:ident :: { $($case:ident),* $(,)? }),* $(,)?) => {
        pub(crate) const CASES: &[Case] = &[
            $($(Case {
                name: concat!(stringify!($module), "::", stringify!($case)),
                run: |world| Box::pin($module::$case(world)),
            }),*),*
        ];
    };
}

cases! {
    create::{
        fills_in_metadata_and_defaults, drops_unknown_fields, strict_names_unknown_fields, warns_of_unknown_fields,
        refuses_a_second_of_the_name, generates_names, refuses_wrong_kind_and_version, refuses_other_namespace,
        refuses_missing_namespace, refuses_resource_version, refuses_bad_metadata, owns_what_it_sets,
        dry_run_stores_nothing, drops_nulls_that_are_not_nullable, wrongly_typed_metadata_is_a_bad_request,
    },
    validation::{
        types, integers, bounds, required_blocks_rules, duplicates, rule_with_reason_and_field_path, rule_with_message_expression,
        root_rule_sees_the_name, transition_rules, transition_rules_follow_list_keys, one_of, ratcheting,
        status_is_validated_alone,
    },
    update::{
        put_needs_the_version, put_replaces, put_does_not_touch_status, put_of_missing_is_not_found,
        put_checks_name_and_uid, nothing_changed_nothing_written, first_write_stores_the_status_default, merge_patch, merge_patch_as_compare_and_swap,
        json_patch, json_patch_that_fails, strict_patch, unknown_media_type, unreadable_patches, immutable_metadata,
        generation_follows_spec, status_put_and_get, status_patch_takes_only_status, removed_status_gets_its_default,
        update_takes_ownership, metadata_without_restating,
    },
    apply::{
        creates, needs_the_name_to_create, needs_a_manager, same_again_changes_nothing, removes_what_is_no_longer_applied, conflicts, conflicts_with_updates,
        force_takes_over, shared_ownership, list_map_elements, list_order, composite_keys_with_defaults, sets,
        atomic_lists_and_maps, maps, nested_structs, unknown_and_mistyped_fields, wrong_objects,
        resource_version_is_a_compare_and_swap, preserved_unknown_fields, labels_and_finalizers, invalid_results_are_refused, update_then_apply_by_one_name, empty_collections,
        three_managers_of_one_field, ownership_lost_by_update, owner_references,
    },
    apply_status::{
        missing_is_not_found, takes_only_status, has_managers_of_its_own, conditions_of_two_managers, compare_and_swap,
        main_ignores_status,
    },
    list::{
        pages, pages_show_one_state, bad_continue_token, label_selectors, bad_label_selectors, field_selectors, unknown_field_selector,
        metadata_only, versions, all_namespaces, missing_namespace_is_empty,
    },
    watch::{
        from_now, from_a_version, selectors_add_and_delete, metadata_events, initial_state, bookmarks, deletion_carries_a_version,
        ends_at_its_timeout, runtime_watcher, version_that_is_no_number, one_namespace,
    },
    delete::{
        without_finalizers, missing, with_finalizers, no_new_finalizers, preconditions, dry_run, propagation_policies, collection,
        spec_may_change_while_deleting, status_of_a_deleting_object,
    },
    policy::{denies, sees_the_caller, authorizer, deletion, checks_before_storing, scope},
    builtin::{
        namespaces, terminating_namespace, protected_namespaces, config_map, config_map_unconditional_put, config_map_checks,
        immutable_config_map, lease, lease_checks, event, event_checks, event_is_immutable, typed_decoding,
        status_of_a_namespace, unknown_status_subresource, applies,
    },
}

/// What a case works with.
#[derive(Clone)]
pub(crate) struct World {
    /// The administrator.
    pub(crate) client: Client,
    /// May do everything with widgets, and nothing else.
    pub(crate) stranger: Client,
    /// As the stranger, and may `approve` widgets, a verb only policies ask for.
    pub(crate) approver: Client,
    pub(crate) ns: String,
    /// `None` on the real server.
    pub(crate) sim: Option<kubesim::Kubesim>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    pub(crate) body: Value,
    pub(crate) warnings: Vec<String>,
}

impl Reply {
    /// The body of a success.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert!(self.code < 300, "{} {}", self.code, self.body);
        self.body
    }

    /// Asserts code and reason of a failure; the reason of a bare 500 is empty.
    #[track_caller]
    pub(crate) fn fails(self, code: u16, reason: &str) -> Self {
        assert_eq!(self.body["kind"], "Status", "{}", self.body);
        assert_eq!((self.code, self.reason()), (code, reason), "{}", self.body);
        assert_eq!(self.body["code"], code);
        assert_eq!(self.body["status"], "Failure");
        self
    }

    fn reason(&self) -> &str {
        self.body["reason"].as_str().unwrap_or_default()
    }

    pub(crate) fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }

    /// `field: message` of every cause; the real server reports them in the random order of Go's maps.
    pub(crate) fn causes(&self) -> BTreeSet<String> {
        let causes = self.body["details"]["causes"].as_array();
        let text = |cause: &Value, key: &str| cause[key].as_str().unwrap_or_default().to_owned();
        causes
            .into_iter()
            .flatten()
            .map(|cause| {
                format!(
                    "{}|{}|{}",
                    text(cause, "reason"),
                    text(cause, "field"),
                    text(cause, "message")
                )
            })
            .collect()
    }

    #[track_caller]
    pub(crate) fn has_causes(&self, expected: &[&str]) {
        let expected: BTreeSet<String> = expected.iter().map(|&cause| cause.to_owned()).collect();
        assert_eq!(self.causes(), expected);
    }
}

impl World {
    pub(crate) async fn call(&self, method: &str, path: &str, media: &str, body: Option<&Value>) -> Reply {
        let text = body.map(Value::to_string).unwrap_or_default();
        self.send(method, path, &[("content-type", media)], text).await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Reply {
        let mut request = Request::builder()
            .method(method.parse::<Method>().unwrap())
            .uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self
            .client
            .send(request.body(Body::from(body.into_bytes())).unwrap())
            .await
            .unwrap();
        let warnings = response
            .headers()
            .get_all("warning")
            .iter()
            .map(|w| w.to_str().unwrap().to_owned())
            .collect();
        let code = response.status().as_u16();
        let bytes = response.into_body().collect_bytes().await.unwrap();
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| json!(String::from_utf8_lossy(&bytes)));
        Reply { code, body, warnings }
    }

    /// The same world for another user.
    pub(crate) fn acting(&self, client: &Client) -> Self {
        Self {
            client: client.clone(),
            ..self.clone()
        }
    }

    /// Installs or replaces a CRD and waits until an object that shows its effect gets the expected code.
    pub(crate) async fn install_crd(&self, crd: &Value, path: &str, probe: &Value, code: u16) {
        if let Some(sim) = &self.sim {
            sim.install_crd(crd).unwrap();
        } else {
            let name = crd["metadata"]["name"].as_str().unwrap();
            let crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
            let path = format!("{crds}/{name}?fieldManager=suite&force=true");
            self.call("PATCH", &path, APPLY, Some(crd)).await.ok();
        }
        self.until("POST", path, probe, code).await;
    }

    /// Repeats a dry run until it gets the expected code: the real server takes new rules up with a delay.
    pub(crate) async fn until(&self, method: &str, path: &str, body: &Value, code: u16) -> Reply {
        let path = format!("{path}?dryRun=All");
        for _ in 0..200 {
            let reply = self.call(method, &path, JSON, Some(body)).await;
            if reply.code == code {
                return reply;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("{method} {path} never gave {code}");
    }

    /// The path of the widgets of this namespace, or of one of them, or of a part of one.
    pub(crate) fn path(&self, rest: &str) -> String {
        let slash = if rest.is_empty() || rest.starts_with('?') {
            ""
        } else {
            "/"
        };
        format!(
            "/apis/suite.example/v1/namespaces/{}/widgets{slash}{rest}",
            self.ns
        )
    }

    pub(crate) async fn get(&self, rest: &str) -> Reply {
        self.call("GET", &self.path(rest), JSON, None).await
    }

    pub(crate) async fn post(&self, query: &str, body: &Value) -> Reply {
        self.call("POST", &self.path(query), JSON, Some(body)).await
    }

    pub(crate) async fn put(&self, rest: &str, body: &Value) -> Reply {
        self.call("PUT", &self.path(rest), JSON, Some(body)).await
    }

    pub(crate) async fn merge(&self, rest: &str, body: Value) -> Reply {
        self.call("PATCH", &self.path(rest), MERGE, Some(&body)).await
    }

    pub(crate) async fn json_patch(&self, rest: &str, body: Value) -> Reply {
        self.call("PATCH", &self.path(rest), PATCH, Some(&body)).await
    }

    pub(crate) async fn delete(&self, rest: &str, options: Option<Value>) -> Reply {
        self.call("DELETE", &self.path(rest), JSON, options.as_ref())
            .await
    }

    /// Applies a spec as a manager.
    pub(crate) async fn apply(&self, name: &str, manager: &str, spec: Value) -> Reply {
        self.apply_raw(name, &format!("fieldManager={manager}"), &widget(name, spec))
            .await
    }

    pub(crate) async fn force(&self, name: &str, manager: &str, spec: Value) -> Reply {
        self.apply_raw(
            name,
            &format!("fieldManager={manager}&force=true"),
            &widget(name, spec),
        )
        .await
    }

    pub(crate) async fn apply_raw(&self, rest: &str, query: &str, body: &Value) -> Reply {
        self.call("PATCH", &self.path(&format!("{rest}?{query}")), APPLY, Some(body))
            .await
    }

    pub(crate) async fn apply_status(&self, name: &str, manager: &str, status: Value) -> Reply {
        let body = json!({"apiVersion": "suite.example/v1", "kind": "Widget", "metadata": {"name": name}, "status": status});
        self.apply_raw(
            &format!("{name}/status"),
            &format!("fieldManager={manager}"),
            &body,
        )
        .await
    }

    /// Creates a widget with the least a spec needs.
    pub(crate) async fn plain(&self, name: &str) -> Value {
        self.post(
            "?fieldManager=maker",
            &widget(name, json!({"email": "a@example.com"})),
        )
        .await
        .ok()
    }

    /// Creates a widget with more metadata.
    pub(crate) async fn with_meta(&self, name: &str, metadata: Value) -> Value {
        let mut object = widget(name, json!({"email": "a@example.com"}));
        for (key, value) in metadata.as_object().unwrap() {
            object["metadata"][key] = value.clone();
        }
        self.post("?fieldManager=maker", &object).await.ok()
    }
}

pub(crate) fn widget(name: &str, spec: Value) -> Value {
    let mut object = json!({"apiVersion": "suite.example/v1", "kind": "Widget", "metadata": {"name": name}});
    object["spec"] = spec;
    object
}

pub(crate) fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap()
}

pub(crate) fn names(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

/// `manager/operation/subresource` -> fieldsV1.
pub(crate) fn owners(object: &Value) -> BTreeMap<String, Value> {
    let entries = object["metadata"]["managedFields"].as_array();
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    entries
        .into_iter()
        .flatten()
        .map(|entry| {
            let key = format!(
                "{}/{}/{}",
                text(entry, "manager"),
                text(entry, "operation"),
                text(entry, "subresource")
            );
            (key, entry["fieldsV1"].clone())
        })
        .collect()
}

#[track_caller]
pub(crate) fn owns(object: &Value, expected: &[(&str, Value)]) {
    let expected: BTreeMap<String, Value> = expected
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.clone()))
        .collect();
    assert_eq!(owners(object), expected);
}
