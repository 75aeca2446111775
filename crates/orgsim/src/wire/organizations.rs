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
    AttachPolicy(AttachmentInput),
    CancelHandshake(HandshakeInput),
    CloseAccount(AccountInput),
    CreateAccount(CreateAccountInput),
    CreateOrganizationalUnit(CreateOrganizationalUnitInput),
    CreatePolicy(CreatePolicyInput),
    DeleteOrganizationalUnit(OrganizationalUnitInput),
    DeletePolicy(PolicyInput),
    DeregisterDelegatedAdministrator(DelegationInput),
    DescribeAccount(AccountInput),
    DescribeCreateAccountStatus(DescribeCreateAccountStatusInput),
    DescribeEffectivePolicy(EffectivePolicyInput),
    DescribeHandshake(HandshakeInput),
    DescribeOrganization(EmptyInput),
    DescribeOrganizationalUnit(OrganizationalUnitInput),
    DescribePolicy(PolicyInput),
    DetachPolicy(AttachmentInput),
    DisableAWSServiceAccess(ServiceAccessInput),
    DisablePolicyType(PolicyTypeInput),
    EnableAWSServiceAccess(ServiceAccessInput),
    EnablePolicyType(PolicyTypeInput),
    InviteAccountToOrganization(InviteInput),
    LeaveOrganization(EmptyInput),
    ListAWSServiceAccessForOrganization(PageInput),
    ListAccounts(PageInput),
    ListAccountsForParent(ParentPageInput),
    ListChildren(ListChildrenInput),
    ListCreateAccountStatus(ListCreateAccountStatusInput),
    ListDelegatedAdministrators(DelegatedAdministratorsInput),
    ListDelegatedServicesForAccount(DelegatedServicesInput),
    ListHandshakesForOrganization(ListHandshakesInput),
    ListOrganizationalUnitsForParent(ParentPageInput),
    ListParents(ListParentsInput),
    ListPolicies(ListPoliciesInput),
    ListPoliciesForTarget(ListPoliciesForTargetInput),
    ListRoots(PageInput),
    ListTagsForResource(ListTagsForResourceInput),
    ListTargetsForPolicy(ListTargetsForPolicyInput),
    MoveAccount(MoveAccountInput),
    RegisterDelegatedAdministrator(DelegationInput),
    RemoveAccountFromOrganization(AccountInput),
    TagResource(TagResourceInput),
    UntagResource(UntagResourceInput),
    UpdateOrganizationalUnit(UpdateOrganizationalUnitInput),
    UpdatePolicy(UpdatePolicyInput),
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

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PolicyInput {
    pub(crate) policy_id: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AttachmentInput {
    pub(crate) policy_id: Option<String>,
    pub(crate) target_id: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreatePolicyInput {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) content: Option<String>,
    pub(crate) r#type: Option<String>,
    pub(crate) tags: Option<Vec<TagInput>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdatePolicyInput {
    pub(crate) policy_id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) content: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PolicyTypeInput {
    pub(crate) root_id: Option<String>,
    pub(crate) policy_type: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListPoliciesInput {
    pub(crate) filter: Option<String>,
    #[serde(flatten)]
    pub(crate) page: PageInput,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListPoliciesForTargetInput {
    pub(crate) target_id: Option<String>,
    pub(crate) filter: Option<String>,
    #[serde(flatten)]
    pub(crate) page: PageInput,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListTargetsForPolicyInput {
    pub(crate) policy_id: Option<String>,
    #[serde(flatten)]
    pub(crate) page: PageInput,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct EffectivePolicyInput {
    pub(crate) policy_type: Option<String>,
    pub(crate) target_id: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct HandshakeInput {
    pub(crate) handshake_id: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PartyInput {
    pub(crate) id: Option<String>,
    pub(crate) r#type: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct InviteInput {
    pub(crate) target: Option<PartyInput>,
    pub(crate) notes: Option<String>,
    pub(crate) tags: Option<Vec<TagInput>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct HandshakeFilter {
    pub(crate) action_type: Option<String>,
    pub(crate) parent_handshake_id: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListHandshakesInput {
    pub(crate) filter: Option<HandshakeFilter>,
    #[serde(flatten)]
    pub(crate) page: PageInput,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ServiceAccessInput {
    pub(crate) service_principal: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DelegationInput {
    pub(crate) account_id: Option<String>,
    pub(crate) service_principal: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DelegatedAdministratorsInput {
    pub(crate) service_principal: Option<String>,
    #[serde(flatten)]
    pub(crate) page: PageInput,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DelegatedServicesInput {
    pub(crate) account_id: Option<String>,
    #[serde(flatten)]
    pub(crate) page: PageInput,
}
