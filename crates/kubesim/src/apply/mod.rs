//! Field ownership: who set what (`managedFields`), server-side apply, conflicts.
//!
//! A port of the parts of structured-merge-diff and of the API server's field manager that one served version needs.

pub(crate) mod fields;
pub(crate) mod typed;

use crate::{
    failure::{Cause, Failure},
    object,
    schema::Schema,
};
use fields::FieldSet;
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, sync::LazyLock};
use typed::{compare, field_set, merge, remove};

/// What the server never records in `managedFields` (`stripMeta`).
const STRIPPED: [&str; 9] = [
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
];

/// One manager; the order is that of `managedFields` once the times are equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Manager {
    pub(crate) applies: bool,
    pub(crate) name: String,
    pub(crate) api_version: String,
    pub(crate) subresource: String,
}

impl Manager {
    fn show(&self) -> String {
        let mut text = format!("{:?}", self.name);
        if !self.subresource.is_empty() {
            text = format!("{text} with subresource {:?}", self.subresource);
        }
        if !self.applies {
            text = format!("{text} using {}", self.api_version);
        }
        text
    }
}

#[derive(Clone, Debug, Default)]
struct Owned {
    fields: FieldSet,
    time: Option<String>,
}

/// All managers of an object.
#[derive(Clone, Debug, Default)]
pub(crate) struct Managed(BTreeMap<Manager, Owned>);

impl Managed {
    /// Reads `metadata.managedFields`.
    pub(crate) fn of(object: &Value) -> Self {
        let entries = object["metadata"]["managedFields"].as_array();
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        Self(
            entries
                .into_iter()
                .flatten()
                .map(|entry| {
                    let manager = Manager {
                        applies: entry["operation"] == "Apply",
                        name: text(entry, "manager"),
                        api_version: text(entry, "apiVersion"),
                        subresource: text(entry, "subresource"),
                    };
                    let time = entry["time"].as_str().map(str::to_owned);
                    (
                        manager,
                        Owned {
                            fields: FieldSet::from_json(&entry["fieldsV1"]),
                            time,
                        },
                    )
                })
                .collect(),
        )
    }

    /// Writes `metadata.managedFields`: appliers first, then by time, then by name.
    pub(crate) fn write_to(&self, object: &mut Value) {
        let mut entries: Vec<(&Manager, &Owned)> = self.0.iter().collect();
        entries.sort_by_key(|(manager, owned)| (!manager.applies, owned.time.clone(), (*manager).clone()));
        let list: Vec<Value> = entries
            .into_iter()
            .map(|(manager, owned)| {
                let mut entry = json!({
                    "manager": manager.name,
                    "operation": if manager.applies { "Apply" } else { "Update" },
                    "apiVersion": manager.api_version,
                    "fieldsType": "FieldsV1",
                    "fieldsV1": owned.fields.to_json(),
                });
                if let Some(time) = &owned.time {
                    entry["time"] = json!(time);
                }
                if !manager.subresource.is_empty() {
                    entry["subresource"] = json!(manager.subresource);
                }
                entry
            })
            .collect();
        if list.is_empty() {
            object::remove_meta(object, "managedFields");
        } else {
            object::set_meta(object, "managedFields", Value::Array(list));
        }
    }

    /// Takes paths from everyone but the writer.
    fn take_from_others(&mut self, writer: Option<&Manager>, taken: &FieldSet) {
        for (manager, owned) in &mut self.0 {
            if !taken.is_empty() && writer != Some(manager) {
                owned.fields = owned.fields.difference(taken);
            }
        }
        self.0.retain(|_, owned| !owned.fields.is_empty());
    }

    fn conflicts(&self, writer: &Manager, written: &FieldSet) -> Vec<(String, String)> {
        self.0
            .iter()
            .filter(|(manager, _)| *manager != writer)
            .flat_map(|(manager, owned)| {
                let name = manager.show();
                owned
                    .fields
                    .intersection(written)
                    .paths()
                    .into_iter()
                    .map(move |path| (name.clone(), path))
            })
            .collect()
    }
}

/// Who writes, and through which door.
pub(crate) struct Writer<'a> {
    pub(crate) schema: &'a Schema,
    /// `Some` on a resource with a status subresource: whether this write goes through it.
    pub(crate) status: Option<bool>,
    pub(crate) manager: Manager,
    pub(crate) now: String,
}

impl Writer<'_> {
    /// The fields this write can change at all; the strategy resets the others, so nobody owns them by it.
    fn reachable(&self, set: FieldSet) -> FieldSet {
        match self.status {
            None => set,
            Some(false) => set.without(&["status"]),
            Some(true) => set.only(&["status"]),
        }
    }

    fn stripped(set: &FieldSet) -> FieldSet {
        static STRIP: LazyLock<FieldSet> = LazyLock::new(|| {
            let mut strip = FieldSet::default();
            for root in ["apiVersion", "kind", "metadata"] {
                strip.insert(&[fields::field_step(root)]);
            }
            for name in STRIPPED {
                strip.insert(&[fields::field_step("metadata"), fields::field_step(name)]);
            }
            strip
        });
        set.difference(&STRIP)
    }

    /// Records a create, replace or patch: what changed belongs to the writer, whoever had it.
    pub(crate) fn record_update(&self, live: &Value, new: &mut Value) {
        // A client may hand in edited managedFields, but not through a subresource.
        let sent = if self.status == Some(true) {
            Managed::default()
        } else {
            Managed::of(new)
        };
        let reset = new["metadata"]["managedFields"] == json!([{}]);
        let mut managed = if sent.0.is_empty() && !reset {
            Managed::of(live)
        } else {
            sent
        };
        if reset {
            managed = Managed::default();
        }
        let live = bare(live);
        object::remove_meta(new, "managedFields");
        let change = compare(self.schema, &live, new).map(|set| self.reachable(set));
        let written = change.modified.union(&change.added);
        managed.take_from_others(None, &written.union(&change.removed));
        let mine = Self::stripped(&written);
        if !mine.is_empty() {
            let owned = managed.0.entry(self.manager.clone()).or_default();
            owned.fields = owned.fields.union(&mine);
            owned.time = Some(self.now.clone());
        }
        managed.write_to(new);
    }

    /// Server-side apply: the new object, or the conflicts.
    pub(crate) fn apply(&self, live: &Value, config: &Value, force: bool) -> Result<Value, Failure> {
        let mut managed = Managed::of(live);
        let live = bare(live);
        let last = managed
            .0
            .get(&self.manager)
            .map(|owned| owned.fields.clone())
            .unwrap_or_default();
        let set = self.reachable(field_set(self.schema, config));
        let owned = managed.0.entry(self.manager.clone()).or_default();
        owned.fields.clone_from(&set);
        let merged = merge(Some(self.schema), &live, config);
        let mut new = if set.covers(&last) {
            merged // Whoever applies no less than before has nothing to take away.
        } else {
            self.prune(&merged, &managed, &last)
        };
        let change = compare(self.schema, &live, &new).map(|set| self.reachable(set));
        let written = change.modified.union(&change.added);
        if !force {
            let conflicts = managed.conflicts(&self.manager, &written);
            if !conflicts.is_empty() {
                return Err(conflict(&conflicts));
            }
        }
        let taken = written.union(&change.removed);
        managed.take_from_others(Some(&self.manager), &taken);
        if let Some(owned) = managed.0.get_mut(&self.manager) {
            owned.fields = Self::stripped(&owned.fields);
            if owned.time.is_none() || live != new {
                owned.time = Some(self.now.clone());
            }
        }
        managed.0.retain(|_, owned| !owned.fields.is_empty());
        managed.write_to(&mut new);
        Ok(new)
    }

    /// Removes what this manager applied before and nobody claims any more (`merge.Updater.prune`).
    fn prune(&self, merged: &Value, managed: &Managed, last: &FieldSet) -> Value {
        let schema = Some(self.schema);
        let named = |set: &FieldSet| set.with_named_fields(schema);
        let pruned = remove(schema, merged, &named(last));
        let everyone = managed
            .0
            .values()
            .fold(FieldSet::default(), |all, owned| all.union(&owned.fields));
        let in_merged = named(&field_set(self.schema, merged));
        let kept = named(&field_set(self.schema, &pruned)).union(&named(&everyone));
        let pruned = remove(schema, merged, &in_merged.difference(&kept));
        // Only what this manager owned goes; items nobody owns stay.
        let gone = in_merged.difference(&named(&field_set(self.schema, &pruned)));
        remove(schema, merged, &gone.intersection(&named(last)))
    }
}

/// The object without its managedFields, which are mostly the larger part of it.
fn bare(object: &Value) -> Value {
    let Value::Object(members) = object else {
        return object.clone();
    };
    let without = |metadata: &Map<String, Value>| {
        metadata
            .iter()
            .filter(|(name, _)| *name != "managedFields")
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    };
    members
        .iter()
        .map(|(name, value)| match value {
            Value::Object(metadata) if name == "metadata" => (name.clone(), Value::Object(without(metadata))),
            _ => (name.clone(), value.clone()),
        })
        .collect()
}

fn conflict(conflicts: &[(String, String)]) -> Failure {
    let message = if let [(manager, path)] = conflicts {
        format!("Apply failed with 1 conflict: conflict with {manager}: {path}")
    } else {
        let mut by_manager: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (manager, path) in conflicts {
            by_manager.entry(manager).or_default().push(path);
        }
        let parts: Vec<String> = by_manager
            .into_iter()
            .map(|(manager, paths)| format!("conflicts with {manager}:\n- {}", paths.join("\n- ")))
            .collect();
        format!(
            "Apply failed with {} conflicts: {}",
            conflicts.len(),
            parts.join("\n")
        )
    };
    let causes = conflicts
        .iter()
        .map(|(manager, path)| {
            Cause::new(
                "FieldManagerConflict",
                path.clone(),
                format!("conflict with {manager}"),
            )
        })
        .collect();
    Failure::new(409, "Conflict", message).because(causes)
}
