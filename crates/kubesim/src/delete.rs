//! Deletion: preconditions, finalizers, collections, namespaces.

use crate::{
    failure::Failure,
    object::{self, finalizers, generation, is_deleting, meta},
    request::{Form, Options, Query, Target},
    server::{Answer, Commit, State, list_body},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// `DeleteOptions`, as far as they have an effect here.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DeleteOptions {
    preconditions: Option<Preconditions>,
    propagation_policy: Option<String>,
    dry_run: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Preconditions {
    uid: Option<String>,
    resource_version: Option<String>,
}

impl DeleteOptions {
    pub(crate) fn parse(body: &[u8], query: &Query) -> Result<Self, Failure> {
        let mut options: Self = if body.is_empty() {
            Self::default()
        } else {
            serde_json::from_slice(body)
                .map_err(|error| Failure::bad_request(format!("error decoding delete options: {error}")))?
        };
        if options.propagation_policy.is_none() {
            options.propagation_policy = query.get("propagationPolicy").map(str::to_owned);
        }
        Ok(options)
    }

    fn is_dry_run(&self) -> bool {
        self.dry_run.iter().flatten().any(|stage| stage == "All")
    }

    /// The finalizers the garbage collector acts on follow the propagation policy.
    fn finalizers(&self, object: &Value) -> Vec<String> {
        let mut list = finalizers(object);
        let wanted = match self.propagation_policy.as_deref() {
            None => return list,
            Some("Foreground") => Some("foregroundDeletion"),
            Some("Orphan") => Some("orphan"),
            Some(_) => None,
        };
        list.retain(|name| name != "foregroundDeletion" && name != "orphan");
        list.extend(wanted.map(str::to_owned));
        list
    }
}

impl State {
    pub(crate) fn delete(
        &mut self,
        target: &Target,
        delete: &DeleteOptions,
        options: &Options,
    ) -> Result<Answer, Failure> {
        let live = self.get(target)?;
        let uid = live["metadata"]["uid"].clone();
        if let Some(object) = self.delete_object(target, &live, delete, options)? {
            return Ok(Answer::ok((*object).clone()));
        }
        let mut details = json!({"name": target.name(), "kind": target.resource.plural, "uid": uid});
        if !target.resource.group.is_empty() {
            details["group"] = json!(target.resource.group);
        }
        Ok(Answer::ok(json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
        })))
    }

    /// The object if it lives on with a deletion timestamp.
    fn delete_object(
        &mut self,
        target: &Target,
        live: &Arc<Value>,
        delete: &DeleteOptions,
        options: &Options,
    ) -> Result<Option<Arc<Value>>, Failure> {
        let resource = &target.resource;
        let built_in_namespace = resource.kind == "Namespace" && !resource.custom;
        if built_in_namespace && matches!(target.name(), "default" | "kube-system" | "kube-public") {
            return Err(Failure::forbidden(
                resource.subject(target.name()),
                "this namespace may not be deleted",
            ));
        }
        check_preconditions(target, live, delete)?;
        self.admit(target, "DELETE", None, Some(live), options)?;
        let mut options = options.clone();
        options.dry_run |= delete.is_dry_run();
        let commit = Commit {
            verb: "delete",
            resource,
            status: false,
            options: &options,
        };
        let remaining = delete.finalizers(live);
        // A namespace waits for the namespace controller to empty spec.finalizers, which nobody does here.
        if remaining.is_empty() && !built_in_namespace {
            self.erase(&commit, target.object_key());
            return Ok(None);
        }
        if is_deleting(live) {
            return Ok(Some(live.clone()));
        }
        let mut object = (**live).clone();
        object::set_meta(&mut object, "deletionTimestamp", json!(self.now_text()));
        if !remaining.is_empty() {
            object::set_meta(&mut object, "finalizers", json!(remaining));
        }
        if built_in_namespace {
            object["status"]["phase"] = json!("Terminating");
        } else {
            object::set_meta(&mut object, "deletionGracePeriodSeconds", json!(0));
        }
        // rest.BeforeDelete: a deletion is a change the controller must observe.
        let generation = generation(&object);
        if generation > 0 {
            object::set_meta(&mut object, "generation", json!(generation + 1));
        }
        Ok(Some(self.commit(&commit, target.object_key(), object)))
    }

    /// Deletes what a list selects; the answer shows the objects as they were.
    pub(crate) fn delete_collection(
        &mut self,
        target: &Target,
        query: &Query,
        delete: &DeleteOptions,
        options: &Options,
    ) -> Result<Answer, Failure> {
        let selection = crate::select::Selection::parse(
            &target.resource,
            target.namespace.as_deref(),
            query.get("labelSelector"),
            query.get("fieldSelector"),
        )?;
        let page = self.store.list(&target.key(), &selection, None)?;
        for ((namespace, name), object) in &page.items {
            let one = Target {
                namespace: (!namespace.is_empty()).then(|| namespace.clone()),
                name: Some(name.clone()),
                ..target.clone()
            };
            self.delete_object(&one, object, delete, options)?;
        }
        let metadata = json!({"resourceVersion": page.version.to_string()});
        let items = page.items.into_iter().map(|(_, object)| object);
        Ok(Answer::ok(list_body(
            &target.resource,
            Form::Full,
            items,
            &metadata,
        )?))
    }
}

fn check_preconditions(target: &Target, live: &Value, delete: &DeleteOptions) -> Result<(), Failure> {
    let Some(preconditions) = &delete.preconditions else {
        return Ok(());
    };
    let subject = || target.resource.kind_subject(target.name());
    if let Some(uid) = preconditions
        .uid
        .as_deref()
        .filter(|uid| *uid != meta(live, "uid"))
    {
        return Err(Failure::conflict(
            subject(),
            &format!(
                "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been deleted and then recreated",
                meta(live, "uid")
            ),
        ));
    }
    let stored = meta(live, "resourceVersion");
    if let Some(version) = preconditions
        .resource_version
        .as_deref()
        .filter(|version| *version != stored)
    {
        return Err(Failure::conflict(
            subject(),
            &format!(
                "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({stored}). The object might have been modified"
            ),
        ));
    }
    Ok(())
}
