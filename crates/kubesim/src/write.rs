//! Create, replace, patch, apply, delete: the path of a write through the server's strategy.

use crate::{
    apply::{Manager, Writer},
    builtin,
    failure::{Cause, Failure, Subject},
    object::{self, finalizers, is_deleting, meta},
    request::{FieldValidation, Options, Target},
    server::{Answer, Commit, State},
    strategy::{empty_object, prepare_update, same_but_times},
    validate::Validation,
};
use serde_json::{Value, json};
use std::sync::Arc;

/// A body that has passed decoding, and the warnings it earned.
struct Decoded {
    object: Value,
    warnings: Vec<String>,
}

/// The kinds of patches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PatchKind {
    Json,
    Merge,
    Apply,
}

/// A finished write: the object, and whether it is new.
struct Written {
    object: Arc<Value>,
    created: bool,
    warnings: Vec<String>,
}

impl Written {
    fn answer(self) -> Answer {
        let code = if self.created { 201 } else { 200 };
        Answer::Object {
            code,
            body: (*self.object).clone(),
            warnings: self.warnings,
        }
    }
}

pub(crate) fn parse_body(target: &Target, body: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        let kind = &target.resource.kind;
        Failure::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse error: {error}"
        ))
    })
}

/// Turns a body into an object: kind and version checked, unknown fields dropped, defaults filled in.
fn decode(target: &Target, mut object: Value, validation: FieldValidation) -> Result<Decoded, Failure> {
    let resource = &target.resource;
    let expected = resource.api_version();
    if object["kind"].as_str().unwrap_or_default().is_empty() {
        if resource.custom || !object.is_object() {
            let kind = &resource.kind;
            return Err(Failure::bad_request(format!(
                "the object provided is unrecognized (must be of type {kind}): Object 'Kind' is missing in '{object}'"
            )));
        }
        object["kind"] = json!(resource.kind);
    }
    if object["apiVersion"].is_null() && !resource.custom {
        object["apiVersion"] = json!(expected);
    }
    if object["apiVersion"] != *expected {
        let sent = object["apiVersion"].as_str().unwrap_or_default();
        return Err(Failure::bad_request(format!(
            "the API version in the data ({sent}) does not match the expected API version ({expected})"
        )));
    }
    let cannot = |why: &str| {
        let kind = &resource.kind;
        let version = &resource.version;
        Failure::bad_request(format!(
            "{kind} in version {version:?} cannot be handled as a {kind}: {why}"
        ))
    };
    let mut unknown = resource.schema.prune(&mut object);
    unknown.sort();
    let texts: Vec<String> = unknown
        .iter()
        .map(|path| format!("unknown field {path:?}"))
        .collect();
    if validation == FieldValidation::Strict && !texts.is_empty() {
        return Err(cannot(&format!("strict decoding error: {}", texts.join(", "))));
    }
    resource.schema.apply_defaults(&mut object);
    object::tidy_numbers(&mut object);
    // Go structs refuse wrong types while decoding; only the rest of a custom object reaches validation.
    let metadata;
    let typed = if resource.custom {
        metadata = json!({"metadata": object["metadata"]});
        &metadata
    } else {
        &object
    };
    if let Some(cause) = Validation::run(&resource.schema, "", typed, None)
        .into_iter()
        .find(|cause| cause.reason == "FieldValueTypeInvalid")
    {
        return Err(cannot(&format!(
            "json: cannot unmarshal {}: {}",
            cause.field, cause.message
        )));
    }
    object::tidy_metadata(&mut object);
    builtin::normalise(resource, &mut object)?;
    let warnings = if validation == FieldValidation::Warn {
        texts
    } else {
        vec![]
    };
    Ok(Decoded { object, warnings })
}

/// The body must name what the URL names, as far as it names anything.
fn check_names(target: &Target, object: &Value) -> Result<(), Failure> {
    let namespace = meta(object, "namespace");
    let expected = target.namespace.as_deref().unwrap_or_default();
    if !namespace.is_empty() && namespace != expected {
        return Err(Failure::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    let (sent, name) = (meta(object, "name"), target.name());
    if target.name.is_some() && !sent.is_empty() && sent != name {
        return Err(Failure::bad_request(format!(
            "the name of the object ({sent}) does not match the name on the URL ({name})"
        )));
    }
    Ok(())
}

impl State {
    pub(crate) fn create(
        &mut self,
        target: &Target,
        body: Value,
        options: &Options,
    ) -> Result<Answer, Failure> {
        let Decoded { mut object, warnings } = decode(target, body, options.validation)?;
        check_names(target, &object)?;
        let empty = empty_object(target);
        self.writer(target, options, false)
            .record_update(&empty, &mut object);
        let object = self.insert(target, "create", object, options)?;
        Ok(Written {
            object,
            created: true,
            warnings,
        }
        .answer())
    }

    pub(crate) fn put(&mut self, target: &Target, body: Value, options: &Options) -> Result<Answer, Failure> {
        let Decoded { mut object, warnings } = decode(target, body, options.validation)?;
        check_names(target, &object)?;
        let live = self.get(target)?;
        let uid = meta(&object, "uid");
        if !uid.is_empty() && uid != meta(&live, "uid") {
            let detail = format!(
                "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
                meta(&live, "uid")
            );
            return Err(Failure::conflict(target.resource.subject(target.name()), &detail));
        }
        Self::complete(target, &live, &mut object);
        self.writer(target, options, false)
            .record_update(&live, &mut object);
        let object = self.update(target, "update", &live, object, options)?;
        Ok(Written {
            object,
            created: false,
            warnings,
        }
        .answer())
    }

    pub(crate) fn patch(
        &mut self,
        target: &Target,
        kind: PatchKind,
        body: &[u8],
        options: &Options,
    ) -> Result<Answer, Failure> {
        if kind == PatchKind::Apply {
            return self.apply(target, body, options);
        }
        let live = self.get(target)?;
        let mut patched = (*live).clone();
        crate::patch::apply(kind, &mut patched, body)?;
        let text = patched.to_string();
        let Decoded { mut object, warnings } = decode(target, patched, options.validation)
            .map_err(|failure| undecodable_patch(failure, &text))?;
        check_names(target, &object)?;
        Self::complete(target, &live, &mut object);
        self.writer(target, options, false)
            .record_update(&live, &mut object);
        let object = self.update(target, "patch", &live, object, options)?;
        Ok(Written {
            object,
            created: false,
            warnings,
        }
        .answer())
    }

    fn apply(&mut self, target: &Target, body: &[u8], options: &Options) -> Result<Answer, Failure> {
        let resource = &target.resource;
        if !options.manager_given {
            let cause = Cause::required("fieldManager", "is required for apply patch");
            let subject = Subject::new("meta.k8s.io", "PatchOptions", "");
            return Err(Failure::invalid(subject, vec![cause]));
        }
        let mut config: Value = serde_json::from_slice(body)
            .map_err(|error| Failure::not_implemented(&format!("apply patches in YAML ({error})")))?;
        let (api_version, kind) = (config["apiVersion"].as_str(), config["kind"].as_str());
        if api_version != Some(&resource.api_version()) || kind != Some(&resource.kind) {
            let version = api_version.unwrap_or_default();
            let group_version = if version.is_empty() { "/" } else { version };
            return Err(Failure::bad_request(format!(
                "invalid object type: {group_version}, Kind={}",
                kind.unwrap_or_default()
            )));
        }
        if config["metadata"]
            .get("managedFields")
            .is_some_and(|list| !list.is_null())
        {
            return Err(Failure::bad_request("metadata.managedFields must be nil"));
        }
        let errors = crate::apply::typed::type_errors(&resource.schema, &config);
        if !errors.is_empty() {
            let text = if let [one] = errors.as_slice() {
                one.clone()
            } else {
                format!("errors:\n  {}", errors.join("\n  "))
            };
            return Err(Failure::internal(format!(
                "failed to create typed patch object ({}/{}; {}, Kind={}): {text}",
                meta(&config, "namespace"),
                meta(&config, "name"),
                resource.api_version(),
                resource.kind
            )));
        }
        check_names(target, &config)?;
        let live = match self.get(target) {
            Ok(live) => Some(live),
            Err(missing) if target.status => return Err(missing),
            Err(_) => None,
        };
        if let Some(metadata) = config.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.retain(|_, value| !value.is_null());
        }
        let writer = self.writer(target, options, true);
        let merged = match live.as_deref() {
            Some(live) => writer.apply(live, &config, options.force)?,
            None => writer.apply(&empty_object(target), &config, options.force)?,
        };
        let Decoded { mut object, warnings } = decode(target, merged, FieldValidation::Ignore)?;
        let Some(live) = live else {
            object::remove_meta(&mut object, "resourceVersion");
            if meta(&object, "name").is_empty() {
                return Err(Failure::bad_request(format!(
                    "the name of the object ({} based on URL) was undeterminable: name must be provided",
                    target.name()
                )));
            }
            let object = self.insert(target, "apply", object, options)?;
            return Ok(Written {
                object,
                created: true,
                warnings,
            }
            .answer());
        };
        Self::complete(target, &live, &mut object);
        let object = self.update(target, "apply", &live, object, options)?;
        Ok(Written {
            object,
            created: false,
            warnings,
        }
        .answer())
    }

    fn writer<'a>(&self, target: &'a Target, options: &Options, applies: bool) -> Writer<'a> {
        Writer {
            schema: &target.resource.schema,
            status: target.resource.has_status.then_some(target.status),
            manager: Manager {
                applies,
                name: options.manager.clone(),
                api_version: target.resource.api_version(),
                subresource: if target.status {
                    "status".into()
                } else {
                    String::new()
                },
            },
            now: self.now_text(),
        }
    }

    /// What a client may leave out of an update without asking for its removal (`ValidateObjectMetaAccessorUpdate`).
    fn complete(target: &Target, live: &Value, object: &mut Value) {
        if meta(object, "name").is_empty() {
            object::set_meta(object, "name", json!(target.name()));
        }
        if let Some(namespace) = &target.namespace {
            object::set_meta(object, "namespace", json!(namespace));
        }
        if meta(object, "uid").is_empty() {
            object::set_meta(object, "uid", live["metadata"]["uid"].clone());
        }
    }

    /// `BeforeCreate`, validation, admission, storage.
    fn insert(
        &mut self,
        target: &Target,
        verb: &'static str,
        mut object: Value,
        options: &Options,
    ) -> Result<Arc<Value>, Failure> {
        let resource = &target.resource;
        self.check_namespace(target, meta(&object, "name"))?;
        if meta(&object, "name").is_empty() && !meta(&object, "generateName").is_empty() {
            let name = format!("{}{}", meta(&object, "generateName"), self.random.suffix());
            object::set_meta(&mut object, "name", json!(name));
            builtin::normalise(resource, &mut object)?;
        }
        let version_sent = !meta(&object, "resourceVersion").is_empty();
        for name in [
            "resourceVersion",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "generation",
            "selfLink",
        ] {
            object::remove_meta(&mut object, name);
        }
        if verb == "apply" && !meta(&object, "uid").is_empty() {
            let subject = resource.subject(target.name());
            let detail = format!(
                "Precondition failed: UID in precondition: {}, UID in object meta: ",
                meta(&object, "uid")
            );
            return Err(Failure::conflict(subject, &detail));
        }
        if let Some(namespace) = &target.namespace {
            object::set_meta(&mut object, "namespace", json!(namespace));
        }
        let uid = self.random.uid();
        object::set_meta(&mut object, "uid", json!(uid));
        object::set_meta(&mut object, "creationTimestamp", json!(self.now_text()));
        if resource.has_generation() {
            object::set_meta(&mut object, "generation", json!(1));
        }
        let mut undefaulted = false;
        if resource.has_status {
            object::remove(&mut object, "status");
            resource.schema.apply_defaults(&mut object);
            undefaulted = object.get("status").is_some();
        }
        builtin::prepare_create(resource, &mut object);
        self.validate(target, &object, None)?;
        self.admit(target, "CREATE", Some(&object), None, options)?;
        let key = (
            target.namespace.clone().unwrap_or_default(),
            meta(&object, "name").to_owned(),
        );
        if version_sent {
            return Err(Failure::internal(
                "resourceVersion should not be set on objects to be created",
            ));
        }
        if self.store.get(&target.key(), &key).is_some() {
            return Err(Failure::already_exists(resource.subject(&key.1)));
        }
        let stored = self.commit(
            &Commit {
                verb,
                resource,
                status: false,
                options,
            },
            key.clone(),
            object,
        );
        if undefaulted && !options.dry_run {
            self.undefaulted.insert((target.key(), key));
        }
        Ok(stored)
    }

    /// The optimistic lock, `BeforeUpdate`, validation, admission, storage.
    fn update(
        &mut self,
        target: &Target,
        verb: &'static str,
        live: &Arc<Value>,
        object: Value,
        options: &Options,
    ) -> Result<Arc<Value>, Failure> {
        let resource = &target.resource;
        let sent = meta(&object, "resourceVersion");
        if matches!(sent, "" | "0") {
            if resource.custom {
                let cause = Cause::invalid(
                    "metadata.resourceVersion",
                    &json!(0),
                    "must be specified for an update",
                );
                return Err(Failure::invalid(resource.subject(target.name()), vec![cause]));
            }
        } else if sent != meta(live, "resourceVersion") {
            return Err(Failure::modified(resource.subject(target.name())));
        }
        let object = prepare_update(target, live, object);
        self.validate(target, &object, Some(live))?;
        self.admit(target, "UPDATE", Some(&object), Some(live), options)?;
        let commit = Commit {
            verb,
            resource,
            status: target.status,
            options,
        };
        let key = target.object_key();
        // The last finalizer of a deleted object takes the object with it.
        let held = resource.kind == "Namespace" && !resource.custom;
        if is_deleting(live) && finalizers(&object).is_empty() && !held {
            self.erase(&commit, key);
            return Ok(Arc::new(object));
        }
        // Times in managedFields alone are no change.
        let complete = !self.undefaulted.contains(&(target.key(), key.clone()));
        if complete && same_but_times(&object, live) {
            return Ok(live.clone());
        }
        Ok(self.commit(&commit, key, object))
    }
}

/// A patch whose result cannot be decoded is an invalid patch, and the error quotes the result.
fn undecodable_patch(failure: Failure, object: &str) -> Failure {
    let Some((_, detail)) = failure.message.split_once(" cannot be handled as a ") else {
        return failure;
    };
    let detail = detail.split_once(": ").map_or(detail, |(_, detail)| detail);
    let cause = Cause::invalid("patch", &json!(object), detail);
    Failure::invalid(Subject::default(), vec![cause])
}
