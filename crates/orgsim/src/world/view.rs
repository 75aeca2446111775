//! What the debug address shows.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::World;
use super::create_account::Creation;
use super::handshakes::Handshake;
use super::policies::Policy;
use super::policy_types::TypeStatus;
use crate::debug::{
    AccountView, AttachmentView, Call, CreationView, HandshakeView, OrganizationalUnitView, PolicyView,
    RootView, State,
};

impl World {
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.iter().cloned().collect()
    }

    pub(crate) fn state(&self) -> State {
        let root_id = &self.settings.root_id;
        let accounts = self.records.accounts.values().map(|account| AccountView {
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
        let units = self.records.units.values().map(|unit| OrganizationalUnitView {
            id: unit.id.clone(),
            name: unit.name.clone(),
            parent: unit.parent.clone(),
            path: self.name_path(&unit.id),
            aws_path: self.id_path(&unit.id),
            tags: self.tags_of(&unit.id),
        });
        let mut creations: Vec<&Creation> = self.records.creations.values().collect();
        creations.sort_by_key(|creation| creation.number);
        State {
            now: self.now,
            organization_id: self.settings.organization_id.clone(),
            management_account_id: self.settings.management_account_id.clone(),
            root: RootView {
                id: root_id.clone(),
                tags: self.tags_of(root_id),
                policy_types: self.policy_type_views(),
            },
            accounts: accounts.collect(),
            organizational_units: units.collect(),
            creations: creations.into_iter().map(creation_view).collect(),
            policies: self.policy_views(),
            attachments: self.attachment_views(),
            handshakes: self.handshake_views(),
        }
    }

    fn policy_type_views(&self) -> BTreeMap<String, String> {
        let status = |status: &TypeStatus| match status {
            TypeStatus::Enabled => "ENABLED",
            TypeStatus::PendingEnable => "PENDING_ENABLE",
            TypeStatus::PendingDisable => "PENDING_DISABLE",
        };
        let types = self.records.policy_types.iter();
        types
            .map(|(name, of)| (name.clone(), status(of).to_owned()))
            .collect()
    }

    fn policy_views(&self) -> Vec<PolicyView> {
        let policies = self.records.policies.values();
        policies.map(|policy| self.policy_view(policy)).collect()
    }

    fn policy_view(&self, policy: &Policy) -> PolicyView {
        PolicyView {
            id: policy.id.clone(),
            r#type: policy.r#type.clone(),
            name: policy.name.clone(),
            description: policy.description.clone(),
            content: policy.content.clone(),
            aws_managed: policy.aws_managed,
            tags: self.tags_of(&policy.id),
        }
    }

    pub(crate) fn policy_changes(&self) -> u64 {
        self.policy_changes
    }

    pub(crate) fn attached_policies(&self) -> BTreeMap<String, Vec<Arc<PolicyView>>> {
        let units = self.records.units.keys();
        let targets = units.chain(self.records.accounts.keys());
        let targets = targets.chain([&self.settings.root_id]).cloned();
        let mut attached: BTreeMap<_, Vec<_>> = targets.map(|target| (target, Vec::new())).collect();
        for (policy, targets) in self.records.attachments.iter() {
            let Some(policy) = self.records.policies.get(policy) else {
                continue;
            };
            let view = Arc::new(self.policy_view(policy));
            for target in targets.keys() {
                attached
                    .entry(target.clone())
                    .or_default()
                    .push(Arc::clone(&view));
            }
        }
        attached
    }

    fn attachment_views(&self) -> Vec<AttachmentView> {
        let attachments = self.records.attachments.iter();
        let pairs =
            attachments.flat_map(|(policy, targets)| targets.keys().map(move |target| (policy, target)));
        let view = |(policy, target): (&String, &String)| AttachmentView {
            policy: policy.clone(),
            target: target.clone(),
        };
        pairs.map(view).collect()
    }

    fn handshake_views(&self) -> Vec<HandshakeView> {
        let view = |handshake: &Handshake| HandshakeView {
            id: handshake.id.clone(),
            target: handshake.target.clone(),
            state: handshake.state.name().to_owned(),
        };
        self.records.handshakes.values().map(view).collect()
    }

    pub(crate) fn tags_of(&self, resource: &str) -> BTreeMap<String, String> {
        self.records.tags.get(resource).cloned().unwrap_or_default()
    }
}

fn creation_view(creation: &Creation) -> CreationView {
    let result = creation.outcome.as_ref().map(|outcome| &outcome.result);
    CreationView {
        id: creation.id.clone(),
        name: creation.name.clone(),
        email: creation.email.clone(),
        tags: creation.tags.clone(),
        state: creation.state().to_owned(),
        requested_at: creation.requested_at,
        account: result.and_then(|result| result.clone().ok()),
        failure_reason: result.and_then(|result| result.as_ref().err().copied()),
    }
}
