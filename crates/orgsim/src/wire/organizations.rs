//! Inputs of the supported AWS Organizations operations.
//!
//! Every member is optional here: a missing required one is InvalidInputException `INPUT_REQUIRED`, which the world
//! decides; only a member of the wrong JSON type is a SerializationException.

use bytes::Bytes;
use serde::Deserialize;

use super::{ApiError, decode_json};

macro_rules! operations {
    ($($name:ident($input:ty)),* $(,)?) => {
        /// One request, by AWS's operation name.
        #[derive(Clone, Debug)]
        pub(crate) enum Request {
            $($name($input)),*
        }

        impl Request {
            /// Every supported operation.
            pub(crate) const OPERATIONS: &[&str] = &[$(stringify!($name)),*];

            /// UnknownOperationException or SerializationException when there is no such operation or input.
            pub(crate) fn decode(operation: &str, body: &Bytes) -> Result<Self, ApiError> {
                match operation {
                    $(stringify!($name) => Ok(Self::$name(decode_json(body)?)),)*
                    _ => Err(ApiError::unknown_operation(operation)),
                }
            }
        }
    };
}

operations! {
    CloseAccount(AccountInput),
    CreateAccount(CreateAccountInput),
    CreateOrganizationalUnit(CreateOrganizationalUnitInput),
    DeleteOrganizationalUnit(OrganizationalUnitInput),
    DescribeAccount(AccountInput),
    DescribeCreateAccountStatus(DescribeCreateAccountStatusInput),
    DescribeOrganization(EmptyInput),
    DescribeOrganizationalUnit(OrganizationalUnitInput),
    ListAccounts(PageInput),
    ListAccountsForParent(ParentPageInput),
    ListChildren(ListChildrenInput),
    ListCreateAccountStatus(ListCreateAccountStatusInput),
    ListOrganizationalUnitsForParent(ParentPageInput),
    ListParents(ListParentsInput),
    ListRoots(PageInput),
    ListTagsForResource(ListTagsForResourceInput),
    MoveAccount(MoveAccountInput),
    TagResource(TagResourceInput),
    UntagResource(UntagResourceInput),
    UpdateOrganizationalUnit(UpdateOrganizationalUnitInput),
}

/// An operation without members.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct EmptyInput {}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AccountInput {
    pub(crate) account_id: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateAccountInput {
    pub(crate) email: Option<String>,
    pub(crate) account_name: Option<String>,
    pub(crate) role_name: Option<String>,
    pub(crate) iam_user_access_to_billing: Option<String>,
    pub(crate) tags: Option<Vec<TagInput>>,
}

/// A tag as a caller gives it; AWS refuses one without key or value.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TagInput {
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateOrganizationalUnitInput {
    pub(crate) parent_id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) tags: Option<Vec<TagInput>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct OrganizationalUnitInput {
    pub(crate) organizational_unit_id: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdateOrganizationalUnitInput {
    pub(crate) organizational_unit_id: Option<String>,
    pub(crate) name: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeCreateAccountStatusInput {
    pub(crate) create_account_request_id: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PageInput {
    pub(crate) max_results: Option<i64>,
    pub(crate) next_token: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ParentPageInput {
    pub(crate) parent_id: Option<String>,
    #[serde(flatten)]
    pub(crate) page: PageInput,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListChildrenInput {
    pub(crate) parent_id: Option<String>,
    pub(crate) child_type: Option<String>,
    #[serde(flatten)]
    pub(crate) page: PageInput,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListCreateAccountStatusInput {
    pub(crate) states: Option<Vec<String>>,
    #[serde(flatten)]
    pub(crate) page: PageInput,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListParentsInput {
    pub(crate) child_id: Option<String>,
    #[serde(flatten)]
    pub(crate) page: PageInput,
}

/// This one List operation has a token but no `MaxResults`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListTagsForResourceInput {
    pub(crate) resource_id: Option<String>,
    pub(crate) next_token: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(clippy::struct_field_names, reason = "AWS's member names")]
pub(crate) struct MoveAccountInput {
    pub(crate) account_id: Option<String>,
    pub(crate) source_parent_id: Option<String>,
    pub(crate) destination_parent_id: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TagResourceInput {
    pub(crate) resource_id: Option<String>,
    pub(crate) tags: Option<Vec<TagInput>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UntagResourceInput {
    pub(crate) resource_id: Option<String>,
    pub(crate) tag_keys: Option<Vec<String>>,
}
