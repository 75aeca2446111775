//! What the debug address shows.

use std::collections::BTreeMap;

use super::World;
use super::create_account::Creation;
use crate::debug::{AccountView, Call, CreationView, OrganizationalUnitView, RootView, State};

impl World {
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.iter().cloned().collect()
    }

    pub(crate) fn state(&self) -> State {
        let root_id = &self.settings.root_id;
        let accounts = self.accounts.values().map(|account| AccountView {
            id: account.id.clone(),
            name: account.name.clone(),
            email: account.email.clone(),
            state: account.state,
            parent: account.parent.clone(),
            path: self.name_path(&account.parent),
            tags: self.tags_of(&account.id),
            role_name: account.role_name.clone(),
            joined_at: account.joined_at,
            accessible_from: account.accessible_from,
        });
        let units = self.units.values().map(|unit| OrganizationalUnitView {
            id: unit.id.clone(),
            name: unit.name.clone(),
            parent: unit.parent.clone(),
            path: self.name_path(&unit.id),
            aws_path: self.id_path(&unit.id),
            tags: self.tags_of(&unit.id),
        });
        let mut creations: Vec<&Creation> = self.creations.values().collect();
        creations.sort_by_key(|creation| creation.number);
        State {
            now: self.now,
            organization_id: self.settings.organization_id.clone(),
            management_account_id: self.settings.management_account_id.clone(),
            root: RootView {
                id: root_id.clone(),
                tags: self.tags_of(root_id),
            },
            accounts: accounts.collect(),
            organizational_units: units.collect(),
            creations: creations.into_iter().map(creation_view).collect(),
            policies: Vec::new(),
            attachments: Vec::new(),
        }
    }

    fn tags_of(&self, resource: &str) -> BTreeMap<String, String> {
        self.tags.get(resource).cloned().unwrap_or_default()
    }
}

fn creation_view(creation: &Creation) -> CreationView {
    let result = creation.outcome.as_ref().map(|outcome| &outcome.result);
    CreationView {
        id: creation.id.clone(),
        name: creation.name.clone(),
        email: creation.email.clone(),
        state: creation.state().to_owned(),
        requested_at: creation.requested_at,
        account: result.and_then(|result| result.clone().ok()),
        failure_reason: result.and_then(|result| result.as_ref().err().copied()),
    }
}
