//! Accounts: their shape, reads, and MoveAccount.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::page::{Page, PageRequest};
use super::{World, check};
use crate::debug::AccountState;
use crate::wire::organizations::{
    AccountInput, ListChildrenInput, ListParentsInput, MoveAccountInput, PageInput, ParentPageInput,
};
use crate::wire::{ApiError, shapes};

/// One account of the organization.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) state: AccountState,
    /// The root's or a unit's id.
    pub(crate) parent: String,
    /// The access role CreateAccount made; none in the management account.
    pub(crate) role_name: Option<String>,
    /// Whether it joined by invitation, as the management account did, rather than by CreateAccount.
    pub(crate) invited: bool,
    pub(crate) joined_at: Timestamp,
    /// Until then List operations do not show it.
    pub(crate) listed_from: Timestamp,
    /// Until then its access role cannot be assumed.
    pub(crate) accessible_from: Timestamp,
}

impl World {
    pub(crate) fn add_management_account(&mut self) {
        let settings = &self.settings;
        let id = settings.management_account_id.clone();
        self.used_emails
            .insert(settings.management_account_email.to_lowercase());
        let account = Account {
            id: id.clone(),
            name: settings.management_account_name.clone(),
            email: settings.management_account_email.clone(),
            state: AccountState::Active,
            parent: settings.root_id.clone(),
            role_name: None,
            invited: true,
            joined_at: self.now,
            listed_from: self.now,
            accessible_from: self.now,
        };
        self.records.accounts.insert(id, account);
    }

    pub(crate) fn is_management(&self, id: &str) -> bool {
        id == self.settings.management_account_id
    }

    pub(crate) fn account(&self, id: &str) -> Result<&Account, ApiError> {
        self.records.accounts.get(id).ok_or_else(account_not_found)
    }

    pub(crate) fn account_arn(&self, id: &str) -> String {
        let settings = &self.settings;
        let (management, organization) = (&settings.management_account_id, &settings.organization_id);
        format!("arn:aws:organizations::{management}:account/{organization}/{id}")
    }

    pub(crate) fn describe_organization(&self) -> Value {
        let settings = &self.settings;
        let (management, id) = (&settings.management_account_id, &settings.organization_id);
        let organization = shapes::Organization {
            id: id.clone(),
            arn: format!("arn:aws:organizations::{management}:organization/{id}"),
            feature_set: self.feature_set(),
            master_account_arn: self.account_arn(management),
            master_account_id: management.clone(),
            master_account_email: settings.management_account_email.clone(),
            available_policy_types: [],
        };
        json!({"Organization": organization})
    }

    pub(crate) fn feature_set(&self) -> &'static str {
        if self.settings.all_features {
            "ALL"
        } else {
            "CONSOLIDATED_BILLING"
        }
    }

    /// FinalizingOrganizationException while AWS is still setting up the organization.
    pub(crate) fn finalized(&self) -> Result<(), ApiError> {
        if self
            .settings
            .finalizing_until
            .is_none_or(|until| until <= self.now)
        {
            return Ok(());
        }
        let message = "AWS Organizations couldn't perform the operation because your organization hasn't finished \
                       initializing. This can take up to an hour. Try again later";
        Err(ApiError::new("FinalizingOrganizationException", message))
    }

    pub(crate) fn describe_account(&self, input: &AccountInput) -> Result<Value, ApiError> {
        let id = check::id("AccountId", input.account_id.as_ref(), check::is_account)?;
        Ok(json!({"Account": self.account_shape(self.account(id)?)}))
    }

    pub(crate) fn list_accounts(&mut self, input: &PageInput) -> Result<Value, ApiError> {
        let request = page_request("ListAccounts".to_owned(), input)?;
        let now = self.now;
        let listed = self
            .records
            .accounts
            .values()
            .filter(|account| account.listed_from <= now);
        let page = self
            .pager
            .page(&request, listed.map(|account| account.id.as_str()));
        Ok(self.accounts_page(&page.map_err(|_| bad_token())?))
    }

    pub(crate) fn list_accounts_for_parent(&mut self, input: &ParentPageInput) -> Result<Value, ApiError> {
        let parent = check::id("ParentId", input.parent_id.as_ref(), check::is_parent)?;
        self.parent_exists(parent)?;
        let request = page_request(format!("ListAccountsForParent {parent}"), &input.page)?;
        let listed = listed_in(self.records.accounts.values(), parent, self.now);
        let page = self.pager.page(&request, listed);
        Ok(self.accounts_page(&page.map_err(|_| bad_token())?))
    }

    pub(crate) fn list_children(&mut self, input: &ListChildrenInput) -> Result<Value, ApiError> {
        let parent = check::id("ParentId", input.parent_id.as_ref(), check::is_parent)?;
        let child_type = check::required("ChildType", input.child_type.as_ref())?;
        check::choice("ChildType", child_type, &["ACCOUNT", "ORGANIZATIONAL_UNIT"])?;
        self.parent_exists(parent)?;
        let request = page_request(format!("ListChildren {parent} {child_type}"), &input.page)?;
        let (page, r#type) = if child_type == "ACCOUNT" {
            let listed = listed_in(self.records.accounts.values(), parent, self.now);
            (self.pager.page(&request, listed), "ACCOUNT")
        } else {
            let now = self.now;
            let listed = |unit: &&super::units::Unit| unit.parent == parent && unit.listed_from <= now;
            let units = self.records.units.values().filter(listed);
            let ids = units.map(|unit| unit.id.as_str());
            (self.pager.page(&request, ids), "ORGANIZATIONAL_UNIT")
        };
        let page = page.map_err(|_| bad_token())?;
        let relative = |id: &String| shapes::Relative {
            id: id.clone(),
            r#type,
        };
        let children: Vec<_> = page.keys.iter().map(relative).collect();
        Ok(with_token(json!({"Children": children}), page.next_token))
    }

    pub(crate) fn list_parents(&mut self, input: &ListParentsInput) -> Result<Value, ApiError> {
        let child = check::id("ChildId", input.child_id.as_ref(), check::is_child)?;
        let account = self.records.accounts.get(child).map(|account| &account.parent);
        let parent = account.or_else(|| self.records.units.get(child).map(|unit| &unit.parent));
        let Some(parent) = parent.cloned() else {
            let message = "You specified a child that doesn't exist";
            return Err(ApiError::new("ChildNotFoundException", message));
        };
        let request = page_request(format!("ListParents {child}"), &input.page)?;
        let page = self.pager.page(&request, std::iter::once(parent.as_str()));
        let page = page.map_err(|_| bad_token())?;
        let relative = |id: &String| shapes::Relative {
            id: id.clone(),
            r#type: if check::is_root(id) {
                "ROOT"
            } else {
                "ORGANIZATIONAL_UNIT"
            },
        };
        let parents: Vec<_> = page.keys.iter().map(relative).collect();
        Ok(with_token(json!({"Parents": parents}), page.next_token))
    }

    /// The source is a compare-and-swap guard. The checks' order is not documented; an account that is already at the
    /// destination is told apart from a wrong source first.
    pub(crate) fn move_account(&mut self, input: &MoveAccountInput) -> Result<Value, ApiError> {
        let id = check::id("AccountId", input.account_id.as_ref(), check::is_account)?;
        let source = input.source_parent_id.as_ref();
        let source = check::id("SourceParentId", source, check::is_parent)?;
        let destination = input.destination_parent_id.as_ref();
        let destination = check::id("DestinationParentId", destination, check::is_parent)?;
        let parent = self.account(id)?.parent.clone();
        if self.parent_exists(destination).is_err() {
            let message = "We can't find the destination container you specified";
            return Err(ApiError::new("DestinationParentNotFoundException", message));
        }
        if parent == destination {
            let message = "That account is already present in the specified destination";
            return Err(ApiError::new("DuplicateAccountException", message));
        }
        if parent != source {
            let message = "We can't find a source root or OU with the ParentId that you specified";
            return Err(ApiError::new("SourceParentNotFoundException", message));
        }
        self.set_parent(id, destination);
        Ok(json!({}))
    }

    pub(crate) fn set_parent(&mut self, id: &str, parent: &str) {
        if let Some(account) = self.records.accounts.get_mut(id) {
            let before = std::mem::replace(&mut account.parent, parent.to_owned());
            self.enforce_move(id, before);
        }
    }

    fn accounts_page(&self, page: &Page) -> Value {
        let accounts = page.keys.iter().filter_map(|id| self.records.accounts.get(id));
        let shapes: Vec<_> = accounts.map(|account| self.account_shape(account)).collect();
        with_token(json!({"Accounts": shapes}), page.next_token.clone())
    }

    pub(crate) fn account_shape(&self, account: &Account) -> shapes::Account {
        let state = account.state;
        shapes::Account {
            id: account.id.clone(),
            arn: self.account_arn(&account.id),
            email: account.email.clone(),
            name: account.name.clone(),
            status: self.settings.write_status.then(|| state.status()),
            state: state.name(),
            paths: vec![format!("{}{}/", self.id_path(&account.parent), account.id)],
            joined_method: if account.invited { "INVITED" } else { "CREATED" },
            joined_timestamp: shapes::EpochSeconds(account.joined_at),
        }
    }
}

fn listed_in<'a>(
    accounts: impl Iterator<Item = &'a Account>,
    parent: &str,
    now: Timestamp,
) -> impl Iterator<Item = &'a str> {
    let listed = accounts.filter(move |account| account.parent == parent && account.listed_from <= now);
    listed.map(|account| account.id.as_str())
}

/// The scope names the call and its filters.
pub(crate) fn page_request(scope: String, input: &PageInput) -> Result<PageRequest<'_>, ApiError> {
    Ok(PageRequest {
        scope,
        max: check::max_results(input.max_results)?,
        token: input.next_token.as_deref(),
    })
}

/// The documentation calls it INVALID_PAGINATION_TOKEN; this is what the wire carries.
pub(crate) fn bad_token() -> ApiError {
    ApiError::invalid_input("INVALID_NEXT_TOKEN", "You provided an invalid NextToken")
}

/// The body with `NextToken` when there is one.
pub(crate) fn with_token(mut body: Value, next_token: Option<String>) -> Value {
    if let Some(token) = next_token {
        body["NextToken"] = Value::String(token);
    }
    body
}

pub(crate) fn account_not_found() -> ApiError {
    let message = "You specified an account that doesn't exist";
    ApiError::new("AccountNotFoundException", message)
}
