//! What the watches have brought, sorted, with the answers to our own writes laid over it.

use api::{Approval, AwsAccount, Baseline, BaselineRevision, EnvironmentPromotion, Organization};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{Resource, api::PartialObjectMeta, core::DeserializeGuard, runtime::watcher::Event};
use std::{cell::RefCell, collections::BTreeMap, rc::Rc, sync::Arc};
use tokio::sync::Notify;

/// Namespace (empty for cluster-scoped kinds) and name.
pub(crate) type Key = (String, String);

/// One object, or why it could not be decoded. An object that cannot be decoded keeps its name and its claim.
#[derive(Clone, Debug)]
pub(crate) enum Stored<K> {
    Good(Arc<K>),
    Poison(String),
}

#[derive(Clone, Debug)]
struct Entry<K> {
    version: u64,
    stored: Stored<K>,
}

/// One kind.
#[derive(Clone, Debug)]
pub(crate) struct Cache<K> {
    entries: BTreeMap<Key, Entry<K>>,
    listing: Option<BTreeMap<Key, Entry<K>>>,
    synced: bool,
}

impl<K> Default for Cache<K> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            listing: None,
            synced: false,
        }
    }
}

/// Resource versions of one resource can be compared as numbers (Kubernetes KEP-5504); anything else counts as oldest,
/// so that the watch always wins.
fn version(text: Option<&str>) -> u64 {
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

impl<K: Clone> Cache<K> {
    /// Has a first list been completed?
    pub(crate) fn synced(&self) -> bool {
        self.synced
    }
    pub(crate) fn get(&self, key: &Key) -> Option<&Stored<K>> {
        self.entries.get(key).map(|entry| &entry.stored)
    }
    pub(crate) fn good(&self, key: &Key) -> Option<Arc<K>> {
        match self.get(key) {
            Some(Stored::Good(object)) => Some(object.clone()),
            _ => None,
        }
    }
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Key, &Stored<K>)> {
        self.entries.iter().map(|(key, entry)| (key, &entry.stored))
    }

    /// What a watch brought. Older news than what is known are passed over: the answer to our own write came first.
    pub(crate) fn event(&mut self, event: Event<(Key, Option<String>, Stored<K>)>) {
        match event {
            Event::Init => self.listing = Some(BTreeMap::new()),
            // What the list says holds, also when it is older than what was known: etcd may have been restored to an
            // older state. The list began after `Init`, so every answer we had before is in it; one that came since
            // lies in `listing` already.
            Event::InitApply((key, rv, stored)) => {
                let version = version(rv.as_deref());
                let listing = self.listing.get_or_insert_default();
                if listing.get(&key).is_none_or(|known| known.version <= version) {
                    listing.insert(key, Entry { version, stored });
                }
            }
            Event::InitDone => {
                self.entries = self.listing.take().unwrap_or_default();
                self.synced = true;
            }
            Event::Apply((key, rv, stored)) => self.put(key, rv.as_deref(), stored),
            Event::Delete((key, rv, _)) => {
                let deleted = version(rv.as_deref());
                if self
                    .entries
                    .get(&key)
                    .is_none_or(|known| known.version <= deleted)
                {
                    self.entries.remove(&key);
                }
            }
        }
    }

    fn put(&mut self, key: Key, rv: Option<&str>, stored: Stored<K>) {
        let version = version(rv);
        if self
            .entries
            .get(&key)
            .is_none_or(|known| known.version <= version)
        {
            self.entries.insert(key, Entry { version, stored });
        }
    }
}

impl<K: Resource + Clone> Cache<K> {
    /// Lays the answer to one of our own writes over what the watch has brought so far. An object that the watch has
    /// reported as deleted, or replaced by another of its name, is not brought back by a late answer.
    pub(crate) fn overlay(&mut self, object: K) {
        let known = match self.get(&key_of(&object)) {
            Some(Stored::Good(known)) => known.meta().uid == object.meta().uid,
            Some(Stored::Poison(_)) => true,
            None => false,
        };
        if known {
            self.overlay_new(object);
        }
    }

    /// The same for an object that we have just made, of which the watch cannot know yet.
    pub(crate) fn overlay_new(&mut self, object: K) {
        let (key, rv, stored) = plain(object);
        if let Some(listing) = &mut self.listing {
            // A list in progress may have passed this object before our write: the list must not take it back.
            let version = version(rv.as_deref());
            if listing.get(&key).is_none_or(|known| known.version <= version) {
                listing.insert(
                    key.clone(),
                    Entry {
                        version,
                        stored: stored.clone(),
                    },
                );
            }
        }
        self.put(key, rv.as_deref(), stored);
    }

    /// The API server says that there is no such object.
    pub(crate) fn forget(&mut self, key: &Key) {
        self.entries.remove(key);
    }
}

/// What nobody here reads, and what makes up much of an object's size.
fn slim<K: Resource>(object: &mut K) {
    object.meta_mut().managed_fields = None;
    if let Some(annotations) = &mut object.meta_mut().annotations {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
}

pub(crate) fn key_of<K: Resource>(object: &K) -> Key {
    (
        object.meta().namespace.clone().unwrap_or_default(),
        object.meta().name.clone().unwrap_or_default(),
    )
}

/// Every kind the operator watches.
#[derive(Debug, Default)]
pub(crate) struct Stores {
    pub(crate) accounts: Cache<AwsAccount>,
    pub(crate) baselines: Cache<Baseline>,
    pub(crate) revisions: Cache<BaselineRevision>,
    pub(crate) promotions: Cache<EnvironmentPromotion>,
    pub(crate) approvals: Cache<Approval>,
    pub(crate) organizations: Cache<Organization>,
    pub(crate) namespaces: Cache<PartialObjectMeta<Namespace>>,
    pub(crate) config_maps: Cache<ConfigMap>,
}

impl Stores {
    /// Kinds whose first list is still awaited, for people.
    pub(crate) fn awaited(&self) -> Vec<&'static str> {
        [
            ("awsaccounts", self.accounts.synced()),
            ("baselines", self.baselines.synced()),
            ("baselinerevisions", self.revisions.synced()),
            ("environmentpromotions", self.promotions.synced()),
            ("approvals", self.approvals.synced()),
            ("organizations", self.organizations.synced()),
            ("namespaces", self.namespaces.synced()),
            ("configmaps", self.config_maps.synced()),
        ]
        .into_iter()
        .filter_map(|(name, synced)| (!synced).then_some(name))
        .collect()
    }
}

/// The stores, shared on one thread, and a bell that rings when they change.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedStores {
    stores: Rc<RefCell<Stores>>,
    changed: Rc<Notify>,
}

impl SharedStores {
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Stores) -> T) -> T {
        read(&self.stores.borrow())
    }
    pub(crate) fn write(&self, write: impl FnOnce(&mut Stores)) {
        write(&mut self.stores.borrow_mut());
        self.changed.notify_one();
    }
    /// Resolves when something has changed since the last time.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }
}

/// A guarded object from a watch, in the shape the cache takes.
pub(crate) fn guarded<K: Resource>(guard: DeserializeGuard<K>) -> (Key, Option<String>, Stored<K>) {
    match guard.0 {
        Ok(object) => plain(object),
        Err(invalid) => {
            let meta = invalid.metadata;
            let key = (meta.namespace.unwrap_or_default(), meta.name.unwrap_or_default());
            tracing::warn!(
                namespace = key.0,
                name = key.1,
                error = invalid.error,
                "an object cannot be decoded"
            );
            (key, meta.resource_version, Stored::Poison(invalid.error))
        }
    }
}

/// An object from a watch, in the shape the cache takes.
pub(crate) fn plain<K: Resource>(mut object: K) -> (Key, Option<String>, Stored<K>) {
    slim(&mut object);
    (
        key_of(&object),
        object.meta().resource_version.clone(),
        Stored::Good(Arc::new(object)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::ResourceExt;

    fn map(name: &str, rv: &str) -> ConfigMap {
        let mut map = ConfigMap::default();
        map.metadata.name = Some(name.into());
        map.metadata.namespace = Some("n".into());
        map.metadata.resource_version = Some(rv.into());
        map
    }
    fn rv(cache: &Cache<ConfigMap>, name: &str) -> Option<String> {
        cache
            .good(&("n".into(), name.into()))
            .and_then(|map| map.resource_version())
    }

    #[test]
    fn the_answer_to_our_own_write_stays_until_the_watch_has_caught_up() {
        let mut cache = Cache::default();
        cache.event(Event::Init);
        cache.event(Event::InitApply(plain(map("a", "5"))));
        cache.event(Event::InitDone);
        cache.overlay(map("a", "9"));
        cache.event(Event::Apply(plain(map("a", "7"))));
        assert_eq!(rv(&cache, "a").as_deref(), Some("9"));
        cache.event(Event::Apply(plain(map("a", "10"))));
        assert_eq!(rv(&cache, "a").as_deref(), Some("10"));
        cache.event(Event::Delete(plain(map("a", "11"))));
        assert_eq!(rv(&cache, "a"), None);
    }

    #[test]
    fn a_late_answer_does_not_bring_back_what_was_deleted() {
        let mut cache = Cache::default();
        cache.event(Event::Apply(plain(map("a", "5"))));
        cache.event(Event::Delete(plain(map("a", "10"))));
        cache.overlay(map("a", "9"));
        assert_eq!(rv(&cache, "a"), None);
    }

    #[test]
    fn a_list_in_progress_does_not_take_back_our_own_write() {
        let mut cache = Cache::default();
        cache.event(Event::Apply(plain(map("a", "5"))));
        cache.event(Event::Init);
        cache.event(Event::InitApply(plain(map("a", "5"))));
        cache.overlay(map("a", "9"));
        cache.event(Event::InitDone);
        assert_eq!(rv(&cache, "a").as_deref(), Some("9"));
    }

    #[test]
    fn a_list_takes_back_what_an_older_etcd_has_undone() {
        let mut cache = Cache::default();
        cache.event(Event::Apply(plain(map("a", "5"))));
        cache.overlay(map("a", "9"));
        // The answer before the list came from a server that is no more.
        cache.event(Event::Init);
        cache.event(Event::InitApply(plain(map("a", "5"))));
        cache.event(Event::InitDone);
        assert_eq!(rv(&cache, "a").as_deref(), Some("5"));
    }

    #[test]
    fn a_new_list_replaces_what_it_does_not_name() {
        let mut cache = Cache::default();
        cache.event(Event::Apply(plain(map("gone", "1"))));
        cache.event(Event::Init);
        cache.event(Event::InitApply(plain(map("a", "5"))));
        assert!(
            rv(&cache, "gone").is_some(),
            "until the list is complete the old picture holds"
        );
        cache.event(Event::InitDone);
        assert!(rv(&cache, "gone").is_none());
        assert!(cache.synced());
    }
}
