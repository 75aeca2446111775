//! Tags on accounts, organizational units and the root.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::accounts::{bad_token, with_token};
use super::page::PageRequest;
use super::{Event, World, check};
use crate::wire::organizations::{ListTagsForResourceInput, TagResourceInput, UntagResourceInput};
use crate::wire::{ApiError, shapes};

/// AWS does not document the page of ListTagsForResource; 20, as everywhere else, makes readers follow the token.
const PAGE: usize = 20;

impl World {
    pub(crate) fn tag_resource(&mut self, input: &TagResourceInput) -> Result<Value, ApiError> {
        let resource = check::id("ResourceId", input.resource_id.as_ref(), check::is_taggable)?;
        if input.tags.is_none() {
            check::required("Tags", None)?;
        }
        let tags = check::tags(input.tags.as_deref())?;
        self.add_tags(resource, &tags)?;
        Ok(json!({}))
    }

    /// TargetNotFoundException, or `MAX_TAG_LIMIT_EXCEEDED` when old and new tags together are too many.
    pub(crate) fn add_tags(
        &mut self,
        resource: &str,
        tags: &BTreeMap<String, String>,
    ) -> Result<(), ApiError> {
        self.resource_exists(resource)?;
        let empty = BTreeMap::new();
        let present = self.records.tags.get(resource).unwrap_or(&empty);
        let added = tags.keys().filter(|key| !present.contains_key(*key)).count();
        if present.len() + added > check::TAGS {
            return Err(check::too_many_tags());
        }
        self.set_tags(resource, tags);
        Ok(())
    }

    pub(crate) fn untag_resource(&mut self, input: &UntagResourceInput) -> Result<Value, ApiError> {
        let resource = check::id("ResourceId", input.resource_id.as_ref(), check::is_taggable)?;
        let Some(keys) = &input.tag_keys else {
            check::required("TagKeys", None)?;
            return Ok(json!({}));
        };
        for key in keys {
            check::tag_key(key)?;
        }
        self.remove_tags(resource, keys)?;
        Ok(json!({}))
    }

    /// TargetNotFoundException; absent keys are no error.
    pub(crate) fn remove_tags(&mut self, resource: &str, keys: &[String]) -> Result<(), ApiError> {
        self.resource_exists(resource)?;
        if let Some(present) = self.records.tags.get_mut(resource) {
            present.retain(|key, _| !keys.contains(key));
        }
        self.schedule_index(resource);
        Ok(())
    }

    pub(crate) fn list_tags_for_resource(
        &mut self,
        input: &ListTagsForResourceInput,
    ) -> Result<Value, ApiError> {
        let resource = check::id("ResourceId", input.resource_id.as_ref(), check::is_taggable)?;
        self.resource_exists(resource)?;
        let request = PageRequest {
            scope: format!("ListTagsForResource {resource}"),
            max: PAGE,
            token: input.next_token.as_deref(),
        };
        let tags = self.records.tags.get(resource).cloned().unwrap_or_default();
        let page = self.pager.page(&request, tags.keys().map(String::as_str));
        let page = page.map_err(|_| bad_token())?;
        let shape = |key: &String| shapes::Tag {
            key: key.clone(),
            value: tags.get(key).cloned().unwrap_or_default(),
        };
        let shapes: Vec<_> = page.keys.iter().map(shape).collect();
        Ok(with_token(json!({"Tags": shapes}), page.next_token))
    }

    /// Merges; the caller has checked everything.
    pub(crate) fn set_tags(&mut self, resource: &str, tags: &BTreeMap<String, String>) {
        let present = self.records.tags.entry(resource.to_owned()).or_default();
        present.extend(tags.iter().map(|(key, value)| (key.clone(), value.clone())));
        self.schedule_index(resource);
    }

    fn schedule_index(&mut self, resource: &str) {
        let lag = self.random.listing_lags.duration(self.settings.listing_lag);
        if lag.is_zero() {
            self.index_tags(resource);
        } else {
            self.schedule(lag, Event::TagsIndexed(resource.to_owned()));
        }
    }

    /// GetResources sees the tags as they are now. A resource that is gone stays gone.
    pub(crate) fn index_tags(&mut self, resource: &str) {
        if self.resource_exists(resource).is_ok()
            && let Some(tags) = self.records.tags.get(resource)
        {
            self.records.tag_index.insert(resource.to_owned(), tags.clone());
        }
    }

    pub(crate) fn resource_exists(&self, id: &str) -> Result<(), ApiError> {
        let records = &self.records;
        // Nobody can tag what is AWS's.
        let own_policy = || records.policies.get(id).is_some_and(|policy| !policy.aws_managed);
        let known = id == self.settings.root_id
            || records.accounts.contains_key(id)
            || records.units.contains_key(id)
            || own_policy();
        if known { Ok(()) } else { Err(target_not_found()) }
    }
}

pub(crate) fn target_not_found() -> ApiError {
    let message = "We can't find a root, OU, account, or policy with the TargetId that you specified";
    ApiError::new("TargetNotFoundException", message)
}
