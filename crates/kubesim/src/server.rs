//! Requests against the state: reading, and the frame around writing.

use crate::{
    admission::Policies,
    authorizer::Grants,
    failure::{Cause, Failure},
    faults::{FaultHit, Faults, Hit, Occasion},
    object,
    random::Random,
    request::{Form, Options, Query, Target},
    resource::{Registry, Resource},
    rules::Engine,
    select::Selection,
    store::{Frame, ObjectKey, ResourceKey, Store, WatchFilter},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::sync::mpsc;

/// A write that changed something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// When, by the injected clock.
    pub at: Timestamp,
    /// `create`, `update`, `patch`, `apply` or `delete`.
    pub verb: &'static str,
    /// The API group; empty for the core group.
    pub group: String,
    /// The plural of the resource.
    pub plural: String,
    /// `status`, or empty.
    pub subresource: &'static str,
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    /// The name of the object.
    pub name: String,
    /// Who sent the request.
    pub user: String,
    /// Which client sent it, see [`Kubesim::service_named`](crate::Kubesim::service_named); empty without a name.
    pub client: String,
    /// The `User-Agent` of the request.
    pub agent: String,
    /// The field manager.
    pub manager: String,
    /// The version the write produced.
    pub resource_version: u64,
    /// The uid of the object.
    pub uid: String,
    /// The object is gone; a `delete` of an object with finalizers only marks it.
    pub deleted: bool,
    /// The object before; `None` when the write created it.
    pub before: Option<Arc<Value>>,
    /// The object as written; what is gone as it was last stored.
    pub object: Arc<Value>,
}

/// What is called after each write.
pub(crate) type Observer = Arc<dyn Fn(&Write) + Send + Sync>;

/// Everything the server knows.
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) registry: Registry,
    pub(crate) random: Random,
    pub(crate) rules: Engine,
    pub(crate) policies: Policies,
    pub(crate) grants: Grants,
    pub(crate) writes: Vec<Write>,
    /// Who wants to know of each write, and how many writes they know.
    pub(crate) observers: Vec<Observer>,
    pub(crate) told: usize,
    pub(crate) requests: BTreeMap<(String, String), u64>,
    pub(crate) watch_delay: (Duration, Duration),
    /// Objects stored without the default of their status: a create drops the status, and the default the client
    /// sees comes from reading. Their next write stores it, so that it is a change even when it changes nothing.
    pub(crate) undefaulted: BTreeSet<(ResourceKey, ObjectKey)>,
    /// The time of the request at hand.
    pub(crate) now: Timestamp,
    pub(crate) faults: Option<Faults>,
    pub(crate) fault_hits: Vec<FaultHit>,
}

/// What a request gets back.
pub(crate) enum Answer {
    Object {
        code: u16,
        body: Value,
        warnings: Vec<String>,
    },
    Watch {
        frames: mpsc::UnboundedReceiver<Frame>,
        bookmark: Bookmarks,
    },
}

impl Answer {
    pub(crate) fn ok(body: Value) -> Self {
        Self::Object {
            code: 200,
            body,
            warnings: vec![],
        }
    }
}

/// What the bookmarks of a watch look like, if it wants any.
#[derive(Clone, Debug)]
pub(crate) struct Bookmarks {
    pub(crate) wanted: bool,
    pub(crate) api_version: String,
    pub(crate) kind: String,
}

impl State {
    /// The time as `metav1.Time` writes it: whole seconds.
    pub(crate) fn now_text(&self) -> String {
        self.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    pub(crate) fn count(&mut self, verb: &str, target: &Target) {
        let key = (verb.to_owned(), target.counted());
        *self.requests.entry(key).or_default() += 1;
    }

    pub(crate) fn has_faults(&self) -> bool {
        self.faults.is_some()
    }

    /// Asks the plan, if there is one, and records what it decides.
    pub(crate) fn strike(&mut self, occasion: Occasion) -> Option<Hit> {
        let (rule, hit) = self.faults.as_mut()?.decide(&occasion, self.now)?;
        self.fault_hits.push(FaultHit {
            at: self.now,
            fault: hit.fault,
            rule,
            verb: occasion.verb,
            resource: occasion.resource,
            namespace: occasion.namespace,
            name: occasion.name,
            client: occasion.client,
        });
        Some(hit)
    }

    pub(crate) fn get(&self, target: &Target) -> Result<Arc<Value>, Failure> {
        self.store
            .get(&target.key(), &target.object_key())
            .cloned()
            .ok_or_else(|| Failure::not_found(target.resource.subject(target.name())))
    }

    pub(crate) fn list(&self, target: &Target, query: &Query, form: Form) -> Result<Answer, Failure> {
        let selection = select(target, query)?;
        let limit = query.number("limit")?;
        let version = self.version_asked(query)?;
        let page = if let Some(token) = query.get("continue") {
            let (at, after) = read_token(token)?;
            let mut page = self.store.list(&target.key(), &selection, Some(at))?;
            page.items.retain(|(key, _)| *key > after);
            page
        } else {
            let exact = version.filter(|_| query.get("resourceVersionMatch") == Some("Exact"));
            self.store.list(&target.key(), &selection, exact)?
        };
        // A list at version 0 comes from the watch cache, which ignores the limit.
        let limit = limit
            .filter(|_| version != Some(0))
            .and_then(|limit| usize::try_from(limit).ok());
        let total = page.items.len();
        let shown = limit.map_or(total, |limit| limit.min(total));
        let mut metadata = json!({"resourceVersion": page.version.to_string()});
        if let Some((key, _)) = page.items.get(shown.saturating_sub(1)).filter(|_| shown < total) {
            metadata["continue"] = json!(write_token(page.version, key));
            if !selection.is_narrowed() {
                metadata["remainingItemCount"] = json!(total - shown);
            }
        }
        let items = page.items.into_iter().take(shown).map(|(_, object)| object);
        Ok(Answer::ok(list_body(&target.resource, form, items, &metadata)?))
    }

    pub(crate) fn watch(&mut self, target: &Target, query: &Query, form: Form) -> Result<Answer, Failure> {
        if query.get("sendInitialEvents").is_some() {
            return Err(Failure::not_implemented("sendInitialEvents (streaming lists)"));
        }
        let since = match query.get("resourceVersion") {
            None | Some("0") => None,
            Some(text) => Some(
                text.parse::<u64>()
                    .map_err(|_| Failure::internal(unparsable(text)))?,
            ),
        };
        let filter = WatchFilter {
            resource: target.key(),
            selection: select(target, query)?,
            metadata_only: form != Form::Full,
        };
        let (api_version, kind) = if filter.metadata_only {
            ("meta.k8s.io/v1".to_owned(), "PartialObjectMetadata".to_owned())
        } else {
            (target.resource.api_version(), target.resource.kind.clone())
        };
        let bookmark = Bookmarks {
            wanted: query.flag("allowWatchBookmarks"),
            api_version,
            kind,
        };
        Ok(Answer::Watch {
            frames: self.store.watch(filter, since)?,
            bookmark,
        })
    }

    /// The `resourceVersion` of a list: not in the future, and with a match rule only where one makes sense.
    fn version_asked(&self, query: &Query) -> Result<Option<u64>, Failure> {
        let Some(text) = query.get("resourceVersion") else {
            if query.get("resourceVersionMatch").is_some() {
                let detail = "resourceVersionMatch is forbidden unless resourceVersion is provided";
                return Err(Failure::invalid(
                    crate::failure::Subject::new("meta.k8s.io", "ListOptions", ""),
                    vec![Cause::forbidden("resourceVersionMatch", detail)],
                ));
            }
            return Ok(None);
        };
        let version = text
            .parse::<u64>()
            .map_err(|_| Failure::bad_request(format!("invalid resource version: {}", unparsable(text))))?;
        if version > self.store.version() {
            return Err(Failure::too_large_version(version, self.store.version()));
        }
        Ok(Some(version))
    }

    /// Stores the result of a write, unless it is a dry run.
    pub(crate) fn commit(&mut self, write: &Commit<'_>, key: ObjectKey, object: Value) -> Arc<Value> {
        if write.options.dry_run {
            return Arc::new(object);
        }
        self.undefaulted.remove(&(write.key(), key.clone()));
        let (random, range) = (&mut self.random, self.watch_delay);
        let before = self.store.get(&write.key(), &key).cloned();
        let stored = self
            .store
            .put(&write.key(), key.clone(), object, &mut || random.between(range));
        self.note(write, key, before, Some(stored.clone()));
        stored
    }

    /// Deletes for good, unless it is a dry run.
    pub(crate) fn erase(&mut self, write: &Commit<'_>, key: ObjectKey) {
        if !write.options.dry_run {
            self.undefaulted.remove(&(write.key(), key.clone()));
            let (random, range) = (&mut self.random, self.watch_delay);
            let before = self
                .store
                .delete(&write.key(), key.clone(), &mut || random.between(range));
            self.note(write, key, before, None);
        }
    }

    /// Reads the admission policies anew.
    pub(crate) fn read_policies(&mut self) {
        self.policies = Policies::compile(&self.store);
    }

    /// Keeps the books.
    fn note(
        &mut self,
        write: &Commit<'_>,
        (namespace, name): ObjectKey,
        before: Option<Arc<Value>>,
        after: Option<Arc<Value>>,
    ) {
        if write.resource.group == "admissionregistration.k8s.io" {
            self.read_policies();
        }
        let deleted = after.is_none();
        let Some(object) = after.or_else(|| before.clone()) else {
            return; // What was not there has not been deleted.
        };
        self.writes.push(Write {
            at: self.now,
            verb: write.verb,
            group: write.resource.group.clone(),
            plural: write.resource.plural.clone(),
            subresource: if write.status { "status" } else { "" },
            namespace,
            name,
            user: write.options.identity.user.clone(),
            client: write.options.identity.label.clone(),
            agent: write.options.agent.clone(),
            manager: write.options.manager.clone(),
            resource_version: self.store.version(),
            uid: object::meta(&object, "uid").to_owned(),
            deleted,
            before,
            object,
        });
    }
}

/// The frame of one write.
pub(crate) struct Commit<'a> {
    pub(crate) verb: &'static str,
    pub(crate) resource: &'a Arc<Resource>,
    pub(crate) status: bool,
    pub(crate) options: &'a Options,
}

impl Commit<'_> {
    fn key(&self) -> ResourceKey {
        (self.resource.group.clone(), self.resource.plural.clone())
    }
}

fn select(target: &Target, query: &Query) -> Result<Selection, Failure> {
    let (labels, fields) = (query.get("labelSelector"), query.get("fieldSelector"));
    Selection::parse(&target.resource, target.namespace.as_deref(), labels, fields)
}

fn unparsable(text: &str) -> String {
    format!("resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax")
}

/// A list as the client wants it.
pub(crate) fn list_body(
    resource: &Resource,
    form: Form,
    items: impl Iterator<Item = Arc<Value>>,
    metadata: &Value,
) -> Result<Value, Failure> {
    let (api_version, kind) = match form {
        Form::Full => (resource.api_version(), resource.list_kind.clone()),
        Form::MetadataList => ("meta.k8s.io/v1".into(), "PartialObjectMetadataList".into()),
        Form::Metadata => return Err(Failure::internal("content is not a single object")),
    };
    let items: Vec<Value> = items
        .map(|object| {
            let mut item = if form == Form::Full {
                (*object).clone()
            } else {
                object::metadata_only(&object)
            };
            // Items of a Go list type do not repeat what the list says.
            if form == Form::Full && !resource.custom {
                object::remove(&mut item, "apiVersion");
                object::remove(&mut item, "kind");
            }
            item
        })
        .collect();
    Ok(json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "items": items}))
}

/// A continue token carries the version of the first page, so that all pages show one state.
fn write_token(version: u64, (namespace, name): &ObjectKey) -> String {
    format!("v1:{version}:{namespace}/{name}")
}

fn read_token(token: &str) -> Result<(u64, ObjectKey), Failure> {
    let parsed = token.strip_prefix("v1:").and_then(|rest| {
        let (version, key) = rest.split_once(':')?;
        let (namespace, name) = key.split_once('/')?;
        Some((version.parse().ok()?, (namespace.to_owned(), name.to_owned())))
    });
    parsed.ok_or_else(|| Failure::bad_request("invalid continue token: continue key is not valid"))
}
