//! What the server does to every object between decoding and storage: strategies and validation.

use crate::{
    builtin,
    failure::{Cause, Failure, Subject},
    metadata,
    object::{self, generation, is_deleting, meta},
    request::Target,
    server::State,
    validate::Validation,
};
use serde_json::{Value, json};

impl State {
    pub(crate) fn validate(&self, target: &Target, new: &Value, old: Option<&Value>) -> Result<(), Failure> {
        let resource = &target.resource;
        let mut causes = vec![];
        if resource.custom && new["kind"] != *resource.kind {
            let detail = format!("must be {}", resource.kind);
            causes.push(Cause::invalid("kind", &new["kind"], &detail));
            let kind = new["kind"].as_str().unwrap_or_default();
            let subject = Subject::new(&resource.group, kind, meta(new, "name"));
            return Err(Failure::invalid(subject, causes));
        }
        causes.extend(metadata::validate(resource, new, old));
        if target.status && resource.custom {
            // The server validates only the status here, with paths that start below it.
            if let (Some(schema), Some(status)) =
                (resource.schema.properties.get("status"), new.get("status"))
            {
                causes.extend(Validation::run(
                    schema,
                    "status",
                    status,
                    old.and_then(|old| old.get("status")),
                ));
            }
        } else {
            causes.extend(Validation::run(&resource.schema, "", new, old));
        }
        causes.extend(builtin::validate(resource, new, old));
        if !resource.custom {
            causes.extend(crate::admission::validate(resource, new)?);
        }
        if resource.custom {
            if causes.iter().any(Cause::blocks_rules) {
                let detail = "some validation rules were not checked because the object was invalid; \
                    correct the existing errors to complete validation";
                causes.push(Cause::invalid("<nil>", &Value::Null, detail));
            } else {
                causes.extend(self.rules.check(&resource.schema, new, old)?);
            }
        }
        if causes.is_empty() {
            return Ok(());
        }
        let name = meta(new, "name");
        let event = resource.kind == "Event" && !resource.custom;
        // Events are validated as core objects, whatever group they came through.
        let subject = if event {
            Subject::new("", "Event", name)
        } else {
            resource.kind_subject(name)
        };
        Err(Failure::invalid(subject, causes))
    }

    /// The NamespaceLifecycle admission plugin: a namespace must exist and not be going away.
    pub(crate) fn check_namespace(&self, target: &Target, name: &str) -> Result<(), Failure> {
        let Some(namespace) = &target.namespace else {
            return Ok(());
        };
        let namespaces = (String::new(), "namespaces".to_owned());
        let Some(found) = self.store.get(&namespaces, &(String::new(), namespace.clone())) else {
            return Err(Failure::not_found(Subject::new("", "namespaces", namespace)));
        };
        if !is_deleting(found) {
            return Ok(());
        }
        let detail =
            format!("unable to create new content in namespace {namespace} because it is being terminated");
        let cause = Cause::new(
            "NamespaceTerminating",
            "metadata.namespace",
            format!("namespace {namespace} is being terminated"),
        );
        Err(Failure::forbidden(target.resource.subject(name), &detail).because(vec![cause]))
    }
}

/// What the strategy of the resource does to an update.
pub(crate) fn prepare_update(target: &Target, live: &Value, object: Value) -> Value {
    let resource = &target.resource;
    let mut new = object;
    if target.status {
        let mut kept = live.clone();
        object::copy_member(&mut kept, &new, "status");
        object::set_meta(
            &mut kept,
            "managedFields",
            new["metadata"]["managedFields"].clone(),
        );
        object::tidy_metadata(&mut kept);
        new = kept;
    } else {
        if resource.has_status {
            object::copy_member(&mut new, live, "status");
        }
        if resource.kind == "Namespace" && !resource.custom {
            object::copy_member(&mut new, live, "spec");
        }
        object::set_meta(
            &mut new,
            "creationTimestamp",
            live["metadata"]["creationTimestamp"].clone(),
        );
        for name in ["generation", "selfLink"] {
            match live["metadata"].get(name) {
                Some(value) => object::set_meta(&mut new, name, value.clone()),
                None => object::remove_meta(&mut new, name),
            }
        }
        if is_deleting(live) && !is_deleting(&new) {
            object::set_meta(
                &mut new,
                "deletionTimestamp",
                live["metadata"]["deletionTimestamp"].clone(),
            );
        }
        if new["metadata"].get("deletionGracePeriodSeconds").is_none()
            && let Some(seconds) = live["metadata"].get("deletionGracePeriodSeconds")
        {
            object::set_meta(&mut new, "deletionGracePeriodSeconds", seconds.clone());
        }
        if resource.has_generation() && content_differs(&new, live) {
            object::set_meta(&mut new, "generation", json!(generation(live) + 1));
        }
    }
    resource.schema.apply_defaults(&mut new);
    object::set_meta(
        &mut new,
        "resourceVersion",
        live["metadata"]["resourceVersion"].clone(),
    );
    new
}

/// Whether anything differs whose change is a new generation.
fn content_differs(new: &Value, old: &Value) -> bool {
    !same_members(new, old, |name, new, old| {
        matches!(name, "metadata" | "status") || new == old
    })
}

/// Whether two states of an object differ in no more than the times in managedFields.
pub(crate) fn same_but_times(new: &Value, old: &Value) -> bool {
    same_members(new, old, |name, new, old| match (name, new, old) {
        ("metadata", Some(new), Some(old)) => {
            same_members(new, old, |name, new, old| match (name, new, old) {
                ("managedFields", Some(Value::Array(new)), Some(Value::Array(old))) => {
                    let same =
                        |(new, old)| same_members(new, old, |name, new, old| name == "time" || new == old);
                    new.len() == old.len() && new.iter().zip(old).all(same)
                }
                (_, new, old) => new == old,
            })
        }
        (_, new, old) => new == old,
    })
}

/// Compares objects member by member, other values as they are.
fn same_members(
    new: &Value,
    old: &Value,
    same: impl Fn(&str, Option<&Value>, Option<&Value>) -> bool,
) -> bool {
    let (Value::Object(new), Value::Object(old)) = (new, old) else {
        return new == old;
    };
    new.iter()
        .all(|(name, value)| same(name, Some(value), old.get(name)))
        && old
            .iter()
            .filter(|(name, _)| !new.contains_key(*name))
            .all(|(name, value)| same(name, None, Some(value)))
}

/// The object an apply or a create starts from.
pub(crate) fn empty_object(target: &Target) -> Value {
    let resource = &target.resource;
    let mut object = resource.zero.clone();
    object["apiVersion"] = json!(resource.api_version());
    object["kind"] = json!(resource.kind);
    object["metadata"] = json!({});
    object
}
