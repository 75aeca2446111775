//! GetResources of the Resource Groups Tagging API, for the resources of AWS Organizations.

use serde_json::{Value, json};

use super::callers::Caller;
use super::page::PageRequest;
use super::{World, check};
use crate::wire::tagging::{GetResourcesInput, TagFilter};
use crate::wire::{ApiError, shapes};

/// Where the resources of AWS Organizations live; every other Region answers with nothing.
const REGION: &str = "us-east-1";
/// Largest page, and the page when none is asked for.
const PAGE: usize = 100;

impl World {
    /// Resources that have, or ever had, a tag; with the tags the index knows, which lags behind.
    pub(crate) fn get_resources(
        &mut self,
        input: &GetResourcesInput,
        region: &str,
        caller: &Caller,
    ) -> Result<Value, ApiError> {
        let max = check_input(input)?;
        // The management account owns the organization's resources; a member session sees none of them.
        let visible = caller.management && region == REGION;
        let wanted = |id: &str, tags: &std::collections::BTreeMap<String, String>| {
            let filters = input.tag_filters.as_deref().unwrap_or_default();
            let arns = input.resource_arn_list.as_deref().unwrap_or_default();
            visible
                && is_of_type(id, input.resource_type_filters.as_deref().unwrap_or_default())
                && filters.iter().all(|filter| has_tag(tags, filter))
                && (arns.is_empty() || arns.contains(&self.resource_arn(id)))
        };
        let keys: Vec<String> = self
            .records
            .tag_index
            .iter()
            .filter(|(id, tags)| wanted(id, tags))
            .map(|(id, _)| id.clone())
            .collect();
        let filters = (
            &input.tag_filters,
            &input.resource_type_filters,
            &input.resource_arn_list,
        );
        let request = PageRequest {
            scope: format!("GetResources {region} {filters:?}"),
            max: self.fitting(max, input.tags_per_page, &keys),
            token: input
                .pagination_token
                .as_deref()
                .filter(|token| !token.is_empty()),
        };
        let page = self.pager.page(&request, keys.iter().map(String::as_str));
        let page = page.map_err(|_| invalid("PaginationToken is not valid for this request"))?;
        let mapping = |id: &String| shapes::ResourceTagMapping {
            resource_arn: self.resource_arn(id),
            tags: self
                .records
                .tag_index
                .get(id)
                .map(shapes::Tag::list)
                .unwrap_or_default(),
        };
        let mappings: Vec<_> = page.keys.iter().map(mapping).collect();
        Ok(json!({
            "PaginationToken": page.next_token.unwrap_or_default(),
            "ResourceTagMappingList": mappings,
        }))
    }

    /// With TagsPerPage, as many resources as are sure to fit: a page may hold fewer than it could.
    fn fitting(&self, max: usize, tags_per_page: Option<i64>, keys: &[String]) -> usize {
        let Some(limit) = tags_per_page.and_then(|limit| usize::try_from(limit).ok()) else {
            return max;
        };
        let tags = |id: &String| self.records.tag_index.get(id).map_or(1, |tags| tags.len().max(1));
        let most = keys.iter().map(tags).max().unwrap_or(1);
        max.min((limit / most).max(1))
    }

    pub(crate) fn resource_arn(&self, id: &str) -> String {
        match resource_type(id) {
            "account" => self.account_arn(id),
            "ou" => self.unit_arn(id),
            "policy" => {
                let policy = self.records.policies.get(id);
                policy.map(|policy| self.policy_arn(policy)).unwrap_or_default()
            }
            _ => self.root_arn(),
        }
    }
}

/// The page size, or InvalidParameterException.
fn check_input(input: &GetResourcesInput) -> Result<usize, ApiError> {
    let types = input.resource_type_filters.as_deref().unwrap_or_default();
    let filters = input.tag_filters.as_deref().unwrap_or_default();
    let arns = input.resource_arn_list.as_deref().unwrap_or_default();
    let paged = input.resources_per_page.is_some()
        || input.tags_per_page.is_some()
        || input
            .pagination_token
            .as_ref()
            .is_some_and(|token| !token.is_empty());
    if !arns.is_empty() && (!types.is_empty() || !filters.is_empty() || paged) {
        return Err(invalid(
            "ResourceARNList cannot be combined with filters or pagination parameters",
        ));
    }
    if arns.len() > 100 || types.len() > 100 || filters.len() > 50 {
        return Err(invalid("At most 100 ARNs, 100 resource types and 50 tag filters"));
    }
    for filter in filters {
        let key = filter.key.as_deref().unwrap_or_default();
        if key.is_empty() || key.chars().count() > 128 {
            return Err(invalid("A tag filter needs a key of 1 to 128 characters"));
        }
        if filter.values.as_ref().is_some_and(|values| values.len() > 20) {
            return Err(invalid("A tag filter takes at most 20 values"));
        }
    }
    if types.iter().any(|filter| !is_type_filter(filter)) {
        return Err(invalid("A resource type filter is service[:resourceType]"));
    }
    if input
        .tags_per_page
        .is_some_and(|limit| !(100..=500).contains(&limit))
    {
        return Err(invalid("TagsPerPage must be between 100 and 500"));
    }
    match input.resources_per_page.map(usize::try_from) {
        None => Ok(PAGE),
        Some(Ok(size)) if (1..=PAGE).contains(&size) => Ok(size),
        Some(_) => Err(invalid("ResourcesPerPage must be between 1 and 100")),
    }
}

fn invalid(message: &str) -> ApiError {
    ApiError::new("InvalidParameterException", message)
}

fn is_type_filter(filter: &str) -> bool {
    let mut parts = filter.splitn(2, ':');
    parts.all(|part| !part.is_empty())
}

/// The resource type in the ARN.
fn resource_type(id: &str) -> &'static str {
    if check::is_account(id) {
        "account"
    } else if check::is_unit(id) {
        "ou"
    } else if check::is_policy(id) {
        "policy"
    } else {
        "root"
    }
}

fn is_of_type(id: &str, filters: &[String]) -> bool {
    let matches = |filter: &String| match filter.split_once(':') {
        None => filter == "organizations",
        Some((service, kind)) => service == "organizations" && kind == resource_type(id),
    };
    filters.is_empty() || filters.iter().any(matches)
}

fn has_tag(tags: &std::collections::BTreeMap<String, String>, filter: &TagFilter) -> bool {
    let key = filter.key.as_deref().unwrap_or_default();
    let values = filter.values.as_deref().unwrap_or_default();
    tags.get(key)
        .is_some_and(|value| values.is_empty() || values.contains(value))
}
