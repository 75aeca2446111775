//! Input of the Resource Groups Tagging API's GetResources.

use bytes::Bytes;
use serde::Deserialize;

use super::{ApiError, decode_json};

/// One request, by AWS's operation name.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    GetResources(GetResourcesInput),
}

impl Request {
    /// Every supported operation.
    pub(crate) const OPERATIONS: &[&str] = &["GetResources"];

    /// UnknownOperationException or SerializationException when there is no such operation or input.
    pub(crate) fn decode(operation: &str, body: &Bytes) -> Result<Self, ApiError> {
        match operation {
            "GetResources" => Ok(Self::GetResources(decode_json(body)?)),
            _ => Err(ApiError::unknown_operation(operation)),
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct GetResourcesInput {
    pub(crate) pagination_token: Option<String>,
    pub(crate) tag_filters: Option<Vec<TagFilter>>,
    pub(crate) resources_per_page: Option<i64>,
    pub(crate) tags_per_page: Option<i64>,
    pub(crate) resource_type_filters: Option<Vec<String>>,
    #[serde(rename = "ResourceARNList")]
    pub(crate) resource_arn_list: Option<Vec<String>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct TagFilter {
    pub(crate) key: Option<String>,
    pub(crate) values: Option<Vec<String>>,
}
