//! Trusted access of AWS services, and the members that administer a service.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::accounts::{account_not_found, bad_token, page_request, with_token};
use super::{World, check};
use crate::debug::AccountState;
use crate::wire::organizations::{
    DelegatedAdministratorsInput, DelegatedServicesInput, DelegationInput, PageInput, ServiceAccessInput,
};
use crate::wire::{ApiError, shapes};

/// The services an account administers, with the moment of registration.
pub(crate) type Services = BTreeMap<String, Timestamp>;

impl World {
    /// Repeating it changes nothing.
    pub(crate) fn enable_service_access(&mut self, input: &ServiceAccessInput) -> Result<Value, ApiError> {
        let service = service_principal(input.service_principal.as_ref())?;
        let now = self.now;
        let services = &mut self.records.service_access;
        services.entry(service.to_owned()).or_insert(now);
        Ok(json!({}))
    }

    pub(crate) fn disable_service_access(&mut self, input: &ServiceAccessInput) -> Result<Value, ApiError> {
        let service = service_principal(input.service_principal.as_ref())?;
        self.records.service_access.remove(service);
        Ok(json!({}))
    }

    pub(crate) fn list_service_access(&mut self, input: &PageInput) -> Result<Value, ApiError> {
        let request = page_request("ListAWSServiceAccessForOrganization".to_owned(), input)?;
        let services = self.records.service_access.keys();
        let page = self.pager.page(&request, services.map(String::as_str));
        let page = page.map_err(|_| bad_token())?;
        let shapes = dated(&page.keys, &self.records.service_access, "DateEnabled");
        Ok(with_token(
            json!({"EnabledServicePrincipals": shapes}),
            page.next_token,
        ))
    }

    pub(crate) fn register_delegated_administrator(
        &mut self,
        input: &DelegationInput,
    ) -> Result<Value, ApiError> {
        let id = check::id("AccountId", input.account_id.as_ref(), check::is_account)?;
        let service = service_principal(input.service_principal.as_ref())?;
        let state = self.account(id)?.state;
        if self.is_management(id) {
            return Err(ApiError::constraint(
                "CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR",
                "You can't register the management account as a delegated administrator",
            ));
        }
        if state != AccountState::Active {
            return Err(ApiError::constraint(
                "CANNOT_REGISTER_SUSPENDED_ACCOUNT_AS_DELEGATED_ADMINISTRATOR",
                "You can't register a suspended account as a delegated administrator",
            ));
        }
        if !self.records.service_access.contains_key(service) {
            return Err(ApiError::constraint(
                "SERVICE_ACCESS_NOT_ENABLED",
                "You must enable service access before you register a delegated administrator",
            ));
        }
        let now = self.now;
        let services = self.records.delegated.entry(id.to_owned()).or_default();
        if services.contains_key(service) {
            let message = "The specified account is already a delegated administrator for this AWS service";
            return Err(ApiError::new("AccountAlreadyRegisteredException", message));
        }
        services.insert(service.to_owned(), now);
        Ok(json!({}))
    }

    pub(crate) fn deregister_delegated_administrator(
        &mut self,
        input: &DelegationInput,
    ) -> Result<Value, ApiError> {
        let id = check::id("AccountId", input.account_id.as_ref(), check::is_account)?;
        let service = service_principal(input.service_principal.as_ref())?;
        self.account(id)?;
        let services = self.records.delegated.get_mut(id);
        let removed = services.and_then(|services| services.remove(service));
        removed.ok_or_else(not_registered)?;
        self.records.delegated.retain(|_, services| !services.is_empty());
        Ok(json!({}))
    }

    /// Whether the account administers any service for the organization.
    pub(crate) fn is_delegated_administrator(&self, id: &str) -> bool {
        self.records.delegated.contains_key(id)
    }

    pub(crate) fn list_delegated_administrators(
        &mut self,
        input: &DelegatedAdministratorsInput,
    ) -> Result<Value, ApiError> {
        let service = match &input.service_principal {
            None => None,
            given => Some(service_principal(given.as_ref())?),
        };
        let scope = format!("ListDelegatedAdministrators {}", service.unwrap_or_default());
        let request = page_request(scope, &input.page)?;
        let wanted = |services: &Services| service.is_none_or(|service| services.contains_key(service));
        let listed = self
            .records
            .delegated
            .iter()
            .filter(|(_, services)| wanted(services));
        let page = self.pager.page(&request, listed.map(|(id, _)| id.as_str()));
        let page = page.map_err(|_| bad_token())?;
        let shapes: Vec<_> = page.keys.iter().filter_map(|id| self.administrator(id)).collect();
        Ok(with_token(
            json!({"DelegatedAdministrators": shapes}),
            page.next_token,
        ))
    }

    /// An account's members but its path, and since when it administers anything.
    fn administrator(&self, id: &str) -> Option<Value> {
        let account = self.records.accounts.get(id)?;
        let since = self.records.delegated.get(id)?.values().min()?;
        let mut shape = json!(self.account_shape(account));
        let members = shape.as_object_mut()?;
        members.remove("Paths");
        let since = json!(shapes::EpochSeconds(*since));
        members.insert("DelegationEnabledDate".to_owned(), since);
        Some(shape)
    }

    pub(crate) fn list_delegated_services(
        &mut self,
        input: &DelegatedServicesInput,
    ) -> Result<Value, ApiError> {
        let id = check::id("AccountId", input.account_id.as_ref(), check::is_account)?;
        self.records.accounts.get(id).ok_or_else(account_not_found)?;
        let services = self.records.delegated.get(id).ok_or_else(not_registered)?;
        let request = page_request(format!("ListDelegatedServicesForAccount {id}"), &input.page)?;
        let page = self.pager.page(&request, services.keys().map(String::as_str));
        let page = page.map_err(|_| bad_token())?;
        let shapes = dated(&page.keys, services, "DelegationEnabledDate");
        Ok(with_token(json!({"DelegatedServices": shapes}), page.next_token))
    }
}

fn dated(keys: &[String], services: &Services, member: &str) -> Vec<Value> {
    let shape = |service: &String| {
        let mut shape = Map::new();
        shape.insert("ServicePrincipal".to_owned(), json!(service));
        let since = services.get(service).map(|since| shapes::EpochSeconds(*since));
        shape.insert(member.to_owned(), json!(since));
        Value::Object(shape)
    };
    keys.iter().map(shape).collect()
}

/// 1 to 128 of `[\w+=,.@-]`; every service has a principal under `amazonaws.com`.
fn service_principal(value: Option<&String>) -> Result<&str, ApiError> {
    let value = check::required("ServicePrincipal", value)?;
    check::length("ServicePrincipal", value, 1, 128)?;
    if !value.chars().all(check::is_name_character) {
        return Err(check::pattern("ServicePrincipal"));
    }
    if !value.ends_with(".amazonaws.com") {
        let message = "You specified a service principal that AWS doesn't know";
        return Err(ApiError::invalid_input("UNRECOGNIZED_SERVICE_PRINCIPAL", message));
    }
    Ok(value)
}

fn not_registered() -> ApiError {
    let message = "The specified account is not a delegated administrator for this AWS service";
    ApiError::new("AccountNotRegisteredException", message)
}
