//! The root and its organizational units.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::accounts::{bad_token, page_request, with_token};
use super::policy_types::TypeStatus;
use super::{World, check};
use crate::clock::after;
use crate::wire::organizations::{
    CreateOrganizationalUnitInput, OrganizationalUnitInput, PageInput, ParentPageInput,
    UpdateOrganizationalUnitInput,
};
use crate::wire::{ApiError, shapes};

/// Levels of units below the root; not adjustable.
const DEPTH: usize = 5;
/// Units of one organization; not adjustable.
const UNITS: usize = 2_000;

/// One organizational unit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Unit {
    pub(crate) id: String,
    pub(crate) name: String,
    /// The root's or another unit's id.
    pub(crate) parent: String,
    /// Until then List operations do not show it.
    pub(crate) listed_from: Timestamp,
}

impl World {
    /// The unit and those above it, lowest first. Empty for the root.
    fn lineage(&self, parent: &str) -> Vec<&Unit> {
        let first = self.records.units.get(parent);
        std::iter::successors(first, |unit| self.records.units.get(&unit.parent)).collect()
    }

    /// The ids of the units from below the root down to this one; empty for the root.
    pub(crate) fn unit_path(&self, parent: &str) -> Vec<String> {
        let mut path: Vec<String> = self
            .lineage(parent)
            .into_iter()
            .map(|unit| unit.id.clone())
            .collect();
        path.reverse();
        path
    }

    /// AWS's path of ids down to the root or unit, `o-../r-../ou-../`.
    pub(crate) fn id_path(&self, parent: &str) -> String {
        let ids = self
            .lineage(parent)
            .into_iter()
            .rev()
            .map(|unit| format!("{}/", unit.id));
        let below: String = ids.collect();
        format!(
            "{}/{}/{below}",
            self.settings.organization_id, self.settings.root_id
        )
    }

    /// Names from below the root down to the unit; empty for the root.
    pub(crate) fn name_path(&self, parent: &str) -> String {
        let names: Vec<&str> = self
            .lineage(parent)
            .into_iter()
            .rev()
            .map(|unit| unit.name.as_str())
            .collect();
        names.join("/")
    }

    pub(crate) fn parent_exists(&self, id: &str) -> Result<(), ApiError> {
        if id == self.settings.root_id || self.records.units.contains_key(id) {
            return Ok(());
        }
        let message = "We can't find a root or OU with the ParentId that you specified";
        Err(ApiError::new("ParentNotFoundException", message))
    }

    pub(crate) fn unit_arn(&self, id: &str) -> String {
        let settings = &self.settings;
        let (management, organization) = (&settings.management_account_id, &settings.organization_id);
        format!("arn:aws:organizations::{management}:ou/{organization}/{id}")
    }

    pub(crate) fn root_arn(&self) -> String {
        let settings = &self.settings;
        let (management, organization) = (&settings.management_account_id, &settings.organization_id);
        format!(
            "arn:aws:organizations::{management}:root/{organization}/{}",
            settings.root_id
        )
    }

    fn unit_shape(&self, unit: &Unit) -> shapes::OrganizationalUnit {
        shapes::OrganizationalUnit {
            id: unit.id.clone(),
            arn: self.unit_arn(&unit.id),
            name: unit.name.clone(),
            path: self.id_path(&unit.id),
        }
    }

    fn unit(&self, input: Option<&String>) -> Result<&Unit, ApiError> {
        let id = check::id("OrganizationalUnitId", input, check::is_unit)?;
        self.records.units.get(id).ok_or_else(|| {
            let message = "We can't find an OU with the OrganizationalUnitId that you specified";
            ApiError::new("OrganizationalUnitNotFoundException", message)
        })
    }

    pub(crate) fn list_roots(&mut self, input: &PageInput) -> Result<Value, ApiError> {
        let request = page_request("ListRoots".to_owned(), input)?;
        let root = std::iter::once(self.settings.root_id.as_str());
        let page = self.pager.page(&request, root).map_err(|_| bad_token())?;
        let roots: Vec<_> = page.keys.iter().map(|_| self.root_shape()).collect();
        Ok(with_token(json!({"Roots": roots}), page.next_token))
    }

    pub(crate) fn root_shape(&self) -> shapes::Root {
        let status = |(name, status): (&String, &TypeStatus)| json!({"Type": name, "Status": status});
        shapes::Root {
            id: self.settings.root_id.clone(),
            arn: self.root_arn(),
            name: "Root",
            policy_types: self.records.policy_types.iter().map(status).collect(),
        }
    }

    pub(crate) fn describe_organizational_unit(
        &self,
        input: &OrganizationalUnitInput,
    ) -> Result<Value, ApiError> {
        let unit = self.unit(input.organizational_unit_id.as_ref())?;
        Ok(json!({"OrganizationalUnit": self.unit_shape(unit)}))
    }

    pub(crate) fn list_organizational_units_for_parent(
        &mut self,
        input: &ParentPageInput,
    ) -> Result<Value, ApiError> {
        let parent = check::id("ParentId", input.parent_id.as_ref(), check::is_parent)?;
        self.parent_exists(parent)?;
        let scope = format!("ListOrganizationalUnitsForParent {parent}");
        let request = page_request(scope, &input.page)?;
        let now = self.now;
        let listed = |unit: &&Unit| unit.parent == parent && unit.listed_from <= now;
        let units = self.records.units.values().filter(listed);
        let page = self.pager.page(&request, units.map(|unit| unit.id.as_str()));
        let page = page.map_err(|_| bad_token())?;
        let units = page.keys.iter().filter_map(|id| self.records.units.get(id));
        let shapes: Vec<_> = units.map(|unit| self.unit_shape(unit)).collect();
        Ok(with_token(
            json!({"OrganizationalUnits": shapes}),
            page.next_token,
        ))
    }

    pub(crate) fn create_organizational_unit(
        &mut self,
        input: &CreateOrganizationalUnitInput,
    ) -> Result<Value, ApiError> {
        let parent = check::id("ParentId", input.parent_id.as_ref(), check::is_parent)?;
        let name = check::required("Name", input.name.as_ref())?;
        check::length("Name", name, 1, 128)?;
        let tags = check::tags(input.tags.as_deref())?;
        let unit = self.add_unit(parent, name, &tags)?;
        Ok(json!({"OrganizationalUnit": self.unit_shape(&unit)}))
    }

    /// ParentNotFoundException, the limits, or DuplicateOrganizationalUnitException.
    pub(crate) fn add_unit(
        &mut self,
        parent: &str,
        name: &str,
        tags: &BTreeMap<String, String>,
    ) -> Result<Unit, ApiError> {
        self.parent_exists(parent)?;
        if self.lineage(parent).len() >= DEPTH {
            return Err(ApiError::constraint(
                "OU_DEPTH_LIMIT_EXCEEDED",
                "You have exceeded the depth of nested OUs: 5 levels below the root",
            ));
        }
        if self.records.units.len() >= UNITS {
            return Err(ApiError::constraint(
                "OU_NUMBER_LIMIT_EXCEEDED",
                "You have exceeded the number of OUs that you can have in an organization",
            ));
        }
        self.name_is_free(parent, name, None)?;
        let suffix = self.settings.root_id.trim_start_matches("r-").to_owned();
        let mut id = format!("ou-{suffix}-{}", self.random.unit_ids.lower(8));
        while self.records.units.contains_key(&id) {
            id = format!("ou-{suffix}-{}", self.random.unit_ids.lower(8));
        }
        let lag = self.random.unit_lags.duration(self.settings.listing_lag);
        let unit = Unit {
            id: id.clone(),
            name: name.to_owned(),
            parent: parent.to_owned(),
            listed_from: after(self.now, lag),
        };
        self.records.units.insert(id.clone(), unit.clone());
        self.attach_managed(&id);
        if !tags.is_empty() {
            self.set_tags(&id, tags);
        }
        Ok(unit)
    }

    /// A rename; id, ARN and accounts stay. A unit's own name is no duplicate.
    pub(crate) fn update_organizational_unit(
        &mut self,
        input: &UpdateOrganizationalUnitInput,
    ) -> Result<Value, ApiError> {
        if let Some(name) = &input.name {
            check::length("Name", name, 1, 128)?;
        }
        let mut unit = self.unit(input.organizational_unit_id.as_ref())?.clone();
        if let Some(name) = &input.name {
            self.name_is_free(&unit.parent, name, Some(&unit.id))?;
            unit.name.clone_from(name);
            self.records.units.insert(unit.id.clone(), unit.clone());
        }
        Ok(json!({"OrganizationalUnit": self.unit_shape(&unit)}))
    }

    /// Closed accounts keep a unit from being empty until they vanish.
    pub(crate) fn delete_organizational_unit(
        &mut self,
        input: &OrganizationalUnitInput,
    ) -> Result<Value, ApiError> {
        let id = self.unit(input.organizational_unit_id.as_ref())?.id.clone();
        let has_units = self.records.units.values().any(|unit| unit.parent == id);
        let has_accounts = self.records.accounts.values().any(|account| account.parent == id);
        if has_units || has_accounts {
            let message = "The specified OU is not empty. Move all accounts to another root or to other OUs, \
                           remove all child OUs, and try the operation again";
            return Err(ApiError::new("OrganizationalUnitNotEmptyException", message));
        }
        self.records.units.remove(&id);
        self.records.tags.remove(&id);
        self.records.tag_index.remove(&id);
        self.forget_target(&id);
        Ok(json!({}))
    }

    /// Names are unique among siblings, not in the organization.
    fn name_is_free(&self, parent: &str, name: &str, except: Option<&str>) -> Result<(), ApiError> {
        let taken =
            |unit: &Unit| unit.parent == parent && unit.name == name && Some(unit.id.as_str()) != except;
        if self.records.units.values().any(taken) {
            let message = "An OU with the same name already exists";
            return Err(ApiError::new("DuplicateOrganizationalUnitException", message));
        }
        Ok(())
    }
}
