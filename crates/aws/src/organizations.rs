//! AWS Organizations and the tagging API: one call per method.

use crate::{
    Aws,
    call::{Operation, Unfit},
    classify,
    convert::{self, each, id, next, required},
    fence::Fenced,
    timeout_config,
};
use aws_sdk_organizations::{
    config::{Builder, http::HttpResponse},
    error::SdkError,
    operation::RequestId,
    types::CreateAccountState,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use executor::{
    AwsError, CreateAccountRequest, Fence, ListedAccount, Organization, Organizations, Page, Root, Tagged,
};
use model::{
    AccountId, CreateRequestId, CreationRecord, ObservedUnit, OrganizationId, ParentId, TagKey, Tags,
};
use std::collections::{BTreeMap, BTreeSet};

/// The largest `MaxResults` of every List operation of AWS Organizations (API).
pub(crate) const PAGE: i32 = 20;

/// The largest `ResourcesPerPage` of GetResources (API, Resource Groups Tagging).
const TAG_PAGE: i32 = 100;

impl Aws {
    /// One call of AWS Organizations.
    pub(crate) async fn organizations<O, E, T>(
        &self,
        name: &'static str,
        request: impl Future<Output = Result<O, SdkError<E, HttpResponse>>>,
        read: impl FnOnce(O) -> Result<T, Unfit>,
    ) -> Result<T, AwsError>
    where
        O: RequestId,
        E: ProvideErrorMetadata
            + std::error::Error
            + Send
            + Sync
            + Into<aws_sdk_organizations::Error>
            + 'static,
    {
        let operation = Operation {
            service: "organizations",
            name,
        };
        self.call(operation, request, classify::organizations_reason, read)
            .await
    }

    /// What differs for a call that changes something.
    pub(crate) fn mutation(&self) -> Builder {
        let mutation = aws_sdk_organizations::Config::builder()
            .timeout_config(timeout_config(self.timeouts, self.timeouts.mutation));
        match Fence::of_this_call() {
            Some(fence) => mutation.interceptor(Fenced(fence)),
            None => mutation,
        }
    }
}

impl Organizations for Aws {
    async fn describe_organization(&self) -> Result<Organization, AwsError> {
        let request = self.organizations.describe_organization().send();
        self.organizations("DescribeOrganization", request, |output| {
            let organization = required("Organization", output.organization())?;
            Ok(Organization {
                id: id("Organization.Id", organization.id(), OrganizationId::parse)?,
                management: id(
                    "Organization.MasterAccountId",
                    organization.master_account_id(),
                    AccountId::parse,
                )?,
            })
        })
        .await
    }

    async fn list_roots(&self, token: Option<&str>) -> Result<Page<Root>, AwsError> {
        let request = self
            .organizations
            .list_roots()
            .max_results(PAGE)
            .set_next_token(token.map(str::to_owned))
            .send();
        self.organizations("ListRoots", request, |output| {
            Ok(Page {
                items: each(output.roots(), convert::root)?,
                next: next(output.next_token),
            })
        })
        .await
    }

    async fn list_accounts(&self, token: Option<&str>) -> Result<Page<ListedAccount>, AwsError> {
        let request = self
            .organizations
            .list_accounts()
            .max_results(PAGE)
            .set_next_token(token.map(str::to_owned))
            .send();
        self.organizations("ListAccounts", request, |output| {
            Ok(Page {
                items: each(output.accounts(), convert::account)?,
                next: next(output.next_token),
            })
        })
        .await
    }

    async fn describe_account(&self, account: &AccountId) -> Result<ListedAccount, AwsError> {
        let request = self
            .organizations
            .describe_account()
            .account_id(account.as_str())
            .send();
        self.organizations("DescribeAccount", request, |output| {
            convert::account(required("Account", output.account())?)
        })
        .await
    }

    async fn list_parents(&self, account: &AccountId) -> Result<ParentId, AwsError> {
        let request = self
            .organizations
            .list_parents()
            .child_id(account.as_str())
            .send();
        self.organizations("ListParents", request, |output| {
            // "In the current release, a child can have only a single parent" (API, ListParents).
            id(
                "Parents",
                output.parents().first().and_then(|parent| parent.id()),
                ParentId::parse,
            )
        })
        .await
    }

    async fn list_organizational_units_for_parent(
        &self,
        parent: &ParentId,
        token: Option<&str>,
    ) -> Result<Page<ObservedUnit>, AwsError> {
        let request = self
            .organizations
            .list_organizational_units_for_parent()
            .parent_id(parent.as_str())
            .max_results(PAGE)
            .set_next_token(token.map(str::to_owned))
            .send();
        self.organizations("ListOrganizationalUnitsForParent", request, |output| {
            let items = each(output.organizational_units(), |unit| convert::unit(unit, parent))?;
            Ok(Page {
                items,
                next: next(output.next_token),
            })
        })
        .await
    }

    async fn list_creations_in_progress(
        &self,
        token: Option<&str>,
    ) -> Result<Page<CreationRecord>, AwsError> {
        let request = self
            .organizations
            .list_create_account_status()
            .states(CreateAccountState::InProgress)
            .max_results(PAGE)
            .set_next_token(token.map(str::to_owned))
            .send();
        self.organizations("ListCreateAccountStatus", request, |output| {
            let items = each(output.create_account_statuses(), convert::creation)?;
            Ok(Page {
                items,
                next: next(output.next_token),
            })
        })
        .await
    }

    async fn describe_create_account_status(
        &self,
        request_id: &CreateRequestId,
    ) -> Result<CreationRecord, AwsError> {
        let request = self
            .organizations
            .describe_create_account_status()
            .create_account_request_id(request_id.as_str())
            .send();
        self.organizations("DescribeCreateAccountStatus", request, |output| {
            convert::creation(required("CreateAccountStatus", output.create_account_status())?)
        })
        .await
    }

    async fn list_tags_for_resource(
        &self,
        resource: &str,
        token: Option<&str>,
    ) -> Result<Page<(String, String)>, AwsError> {
        // Has a NextToken but no MaxResults (API).
        let request = self
            .organizations
            .list_tags_for_resource()
            .resource_id(resource)
            .set_next_token(token.map(str::to_owned))
            .send();
        self.organizations("ListTagsForResource", request, |output| {
            let tags = output.tags().iter();
            let items = tags
                .map(|tag| (tag.key().to_owned(), tag.value().to_owned()))
                .collect();
            Ok(Page {
                items,
                next: next(output.next_token),
            })
        })
        .await
    }

    async fn get_resource_tags(&self, token: Option<&str>) -> Result<Page<(Tagged, Tags)>, AwsError> {
        let request = self
            .tagging
            .get_resources()
            .resource_type_filters("organizations:account")
            .resource_type_filters("organizations:policy")
            .resources_per_page(TAG_PAGE)
            .set_pagination_token(token.map(str::to_owned))
            .send();
        let operation = Operation {
            service: "tagging",
            name: "GetResources",
        };
        self.call(
            operation,
            request,
            |_| None,
            |output| {
                let items = each(output.resource_tag_mapping_list(), convert::tags)?;
                Ok(Page {
                    items,
                    next: next(output.pagination_token),
                })
            },
        )
        .await
    }

    async fn create_account(&self, request: &CreateAccountRequest) -> Result<CreationRecord, AwsError> {
        let CreateAccountRequest {
            email,
            account_name,
            role_name,
            tags,
        } = request;
        let tags = convert::wire_tags(tags);
        let request = self
            .organizations
            .create_account()
            .email(email.as_str())
            .account_name(account_name.as_str())
            .role_name(role_name.as_str())
            .set_tags(Some(tags))
            .customize()
            .config_override(self.mutation())
            .send();
        self.organizations("CreateAccount", request, |output| {
            convert::creation(required("CreateAccountStatus", output.create_account_status())?)
        })
        .await
    }

    async fn create_organizational_unit(
        &self,
        parent: &ParentId,
        name: &str,
        tags: &BTreeMap<String, String>,
    ) -> Result<ObservedUnit, AwsError> {
        let request = self
            .organizations
            .create_organizational_unit()
            .parent_id(parent.as_str())
            .name(name)
            .set_tags(Some(convert::wire_tags(tags)))
            .customize()
            .config_override(self.mutation())
            .send();
        self.organizations("CreateOrganizationalUnit", request, |output| {
            convert::unit(
                required("OrganizationalUnit", output.organizational_unit())?,
                parent,
            )
        })
        .await
    }

    async fn move_account(
        &self,
        account: &AccountId,
        from: &ParentId,
        to: &ParentId,
    ) -> Result<(), AwsError> {
        let request = self
            .organizations
            .move_account()
            .account_id(account.as_str())
            .source_parent_id(from.as_str())
            .destination_parent_id(to.as_str())
            .customize()
            .config_override(self.mutation())
            .send();
        self.organizations("MoveAccount", request, |_| Ok(())).await
    }

    async fn tag_resource(&self, resource: &str, tags: &BTreeMap<String, String>) -> Result<(), AwsError> {
        let request = self
            .organizations
            .tag_resource()
            .resource_id(resource)
            .set_tags(Some(convert::wire_tags(tags)))
            .customize()
            .config_override(self.mutation())
            .send();
        self.organizations("TagResource", request, |_| Ok(())).await
    }

    async fn untag_resource(&self, resource: &str, keys: &BTreeSet<TagKey>) -> Result<(), AwsError> {
        let request = self
            .organizations
            .untag_resource()
            .resource_id(resource)
            .set_tag_keys(Some(keys.iter().map(|key| key.as_str().to_owned()).collect()))
            .customize()
            .config_override(self.mutation())
            .send();
        self.organizations("UntagResource", request, |_| Ok(())).await
    }
}
