//! Objects, the history of their changes, and who watches them. One counter versions everything, as in etcd.

use crate::{failure::Failure, object, select::Selection};
use bytes::Bytes;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::mpsc, time::Instant};

/// Group and plural.
pub(crate) type ResourceKey = (String, String);
/// Namespace (empty for cluster-scoped objects) and name.
pub(crate) type ObjectKey = (String, String);

/// All objects.
pub(crate) type Objects = BTreeMap<ResourceKey, BTreeMap<ObjectKey, Arc<Value>>>;

/// One change of one object.
#[derive(Clone, Debug)]
struct Change {
    version: u64,
    resource: ResourceKey,
    key: ObjectKey,
    before: Option<Arc<Value>>,
    after: Option<Arc<Value>>,
}

/// A line of a watch stream and the moment it arrives at the client.
pub(crate) type Frame = (Instant, Bytes);

/// What a watch asked for.
#[derive(Clone, Debug)]
pub(crate) struct WatchFilter {
    pub(crate) resource: ResourceKey,
    pub(crate) selection: Selection,
    pub(crate) metadata_only: bool,
}

struct Watch {
    filter: WatchFilter,
    frames: mpsc::UnboundedSender<Frame>,
    /// Events arrive in order, however the delays fall.
    last_due: Instant,
}

/// The state of the server.
pub(crate) struct Store {
    version: u64,
    /// Nothing at or below this version can be resumed from.
    compacted: u64,
    capacity: usize,
    objects: Objects,
    history: VecDeque<Change>,
    watches: Vec<Watch>,
}

/// A consistent list.
pub(crate) struct Page {
    pub(crate) version: u64,
    pub(crate) items: Vec<(ObjectKey, Arc<Value>)>,
}

impl Store {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            version: 1,
            compacted: 0,
            capacity: capacity.max(1),
            objects: BTreeMap::new(),
            history: VecDeque::new(),
            watches: vec![],
        }
    }

    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Replaces everything; the history ends at the new version, and so does every watch.
    pub(crate) fn restore(&mut self, objects: Objects, version: u64) {
        self.objects = objects;
        self.version = version;
        self.compacted = version;
        self.history.clear();
        self.watches.clear();
    }

    pub(crate) fn get(&self, resource: &ResourceKey, key: &ObjectKey) -> Option<&Arc<Value>> {
        self.objects.get(resource)?.get(key)
    }

    pub(crate) fn all(&self, resource: &ResourceKey) -> impl Iterator<Item = &Arc<Value>> {
        self.objects.get(resource).into_iter().flat_map(BTreeMap::values)
    }

    /// Stores an object and tells the watches; `delay` gives each its delivery time.
    pub(crate) fn put(
        &mut self,
        resource: &ResourceKey,
        key: ObjectKey,
        mut object: Value,
        delay: &mut dyn FnMut() -> Duration,
    ) -> Arc<Value> {
        self.version += 1;
        object::set_meta(&mut object, "resourceVersion", json!(self.version.to_string()));
        let after = Arc::new(object);
        let before = self
            .objects
            .entry(resource.clone())
            .or_default()
            .insert(key.clone(), after.clone());
        self.record(resource, key, before, Some(after.clone()), delay);
        after
    }

    /// Deletes an object; watches see its last state with the version of the deletion.
    pub(crate) fn delete(
        &mut self,
        resource: &ResourceKey,
        key: ObjectKey,
        delay: &mut dyn FnMut() -> Duration,
    ) -> Option<Arc<Value>> {
        let before = self.objects.get_mut(resource)?.remove(&key)?;
        self.version += 1;
        self.record(resource, key, Some(before.clone()), None, delay);
        Some(before)
    }

    fn record(
        &mut self,
        resource: &ResourceKey,
        key: ObjectKey,
        before: Option<Arc<Value>>,
        after: Option<Arc<Value>>,
        delay: &mut dyn FnMut() -> Duration,
    ) {
        let change = Change {
            version: self.version,
            resource: resource.clone(),
            key,
            before,
            after,
        };
        self.watches.retain_mut(|watch| {
            let Some(line) = frame(&watch.filter, &change) else {
                return !watch.frames.is_closed();
            };
            watch.last_due = watch.last_due.max(Instant::now() + delay());
            watch.frames.send((watch.last_due, line)).is_ok()
        });
        self.history.push_back(change);
        while self.history.len() > self.capacity {
            if let Some(oldest) = self.history.pop_front() {
                self.compacted = oldest.version;
            }
        }
    }

    /// All matching objects, now or at a version the history still reaches back to.
    pub(crate) fn list(
        &self,
        resource: &ResourceKey,
        selection: &Selection,
        at: Option<u64>,
    ) -> Result<Page, Failure> {
        let version = at.unwrap_or(self.version);
        if version < self.compacted {
            return Err(Failure::expired(format!(
                "The provided continue parameter is too old to display a consistent list result: {version} ({})",
                self.compacted
            )));
        }
        let mut objects = self.objects.get(resource).cloned().unwrap_or_default();
        for change in self
            .history
            .iter()
            .rev()
            .take_while(|change| change.version > version)
        {
            if change.resource == *resource {
                match &change.before {
                    Some(before) => objects.insert(change.key.clone(), before.clone()),
                    None => objects.remove(&change.key),
                };
            }
        }
        let items = objects
            .into_iter()
            .filter(|(_, object)| selection.matches(object))
            .collect();
        Ok(Page { version, items })
    }

    /// Opens a watch after a version; `None` starts with the present objects.
    pub(crate) fn watch(
        &mut self,
        filter: WatchFilter,
        since: Option<u64>,
    ) -> Result<mpsc::UnboundedReceiver<Frame>, Failure> {
        let (frames, receiver) = mpsc::unbounded_channel();
        let now = Instant::now();
        let backlog: Vec<Bytes> = match since {
            Some(version) if version < self.compacted => {
                return Err(Failure::expired(format!(
                    "too old resource version: {version} ({})",
                    self.compacted
                )));
            }
            Some(version) => self
                .history
                .iter()
                .filter(|change| change.version > version)
                .filter_map(|change| frame(&filter, change))
                .collect(),
            None => self
                .all(&filter.resource)
                .filter(|object| filter.selection.matches(object))
                .map(|object| line("ADDED", object, None, filter.metadata_only))
                .collect(),
        };
        for line in backlog {
            // The receiver is in this function's hands.
            let _ = frames.send((now, line));
        }
        self.watches.push(Watch {
            filter,
            frames,
            last_due: now,
        });
        Ok(receiver)
    }

    /// Ends every watch stream; what was under way still arrives.
    pub(crate) fn break_watches(&mut self) {
        self.watches.clear();
    }

    /// Forgets the history: no version any client has seen can be resumed from.
    pub(crate) fn compact(&mut self) {
        self.version += 1;
        self.compacted = self.version;
        self.history.clear();
    }
}

/// The event a change is for one watch: an object that begins or ceases to match is added or deleted.
fn frame(filter: &WatchFilter, change: &Change) -> Option<Bytes> {
    if change.resource != filter.resource {
        return None;
    }
    let matching =
        |object: &Option<Arc<Value>>| object.clone().filter(|object| filter.selection.matches(object));
    let (kind, object) = match (matching(&change.before), matching(&change.after)) {
        (None, Some(after)) => ("ADDED", after),
        (Some(_), Some(after)) => ("MODIFIED", after),
        (Some(before), None) => ("DELETED", before),
        (None, None) => return None,
    };
    Some(line(kind, &object, Some(change.version), filter.metadata_only))
}

fn line(kind: &str, object: &Value, version: Option<u64>, metadata_only: bool) -> Bytes {
    let mut object = if metadata_only {
        object::metadata_only(object)
    } else {
        object.clone()
    };
    if let Some(version) = version {
        object::set_meta(&mut object, "resourceVersion", json!(version.to_string()));
    }
    event(kind, &object)
}

/// One line of a watch stream.
pub(crate) fn event(kind: &str, object: &Value) -> Bytes {
    Bytes::from(format!("{}\n", json!({"type": kind, "object": object})))
}
