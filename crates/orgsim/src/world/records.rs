//! What reads answer from, in a form that is cheap to keep as it was: stale reads look at an older copy.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::accounts::Account;
use super::create_account::Creation;
use super::delegation::Services;
use super::handshakes::Handshake;
use super::policies::Policy;
use super::policy_types::TypeStatus;
use super::units::Unit;

/// A value that copies of it share until one of them changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared<T>(Arc<T>);

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        Arc::make_mut(&mut self.0)
    }
}

impl<T: Serialize> Serialize for Shared<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        T::serialize(self, serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Shared<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(|value| Self(Arc::new(value)))
    }
}

/// The organization as its reads show it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Records {
    /// By id.
    pub(crate) accounts: Shared<BTreeMap<String, Account>>,
    /// By id.
    pub(crate) units: Shared<BTreeMap<String, Unit>>,
    /// By the resource's id; a resource without tags may be absent.
    pub(crate) tags: Shared<BTreeMap<String, BTreeMap<String, String>>>,
    /// The tags GetResources knows; a resource that ever had one stays.
    pub(crate) tag_index: Shared<BTreeMap<String, BTreeMap<String, String>>>,
    /// By request id.
    pub(crate) creations: Shared<BTreeMap<String, Creation>>,
    /// By id.
    pub(crate) policies: Shared<BTreeMap<String, Policy>>,
    /// By policy and target: from when on listings show it.
    pub(crate) attachments: Shared<BTreeMap<String, BTreeMap<String, Timestamp>>>,
    /// Detached a moment ago, by policy and target: until when listings still show it.
    #[serde(default)]
    pub(crate) detached: Shared<BTreeMap<String, BTreeMap<String, Timestamp>>>,
    /// Deleted a moment ago, by id: until when ListPolicies still shows it.
    #[serde(default)]
    pub(crate) deleted_policies: Shared<BTreeMap<String, (Policy, Timestamp)>>,
    /// By name; a type that is not here is disabled.
    pub(crate) policy_types: Shared<BTreeMap<String, TypeStatus>>,
    /// By id.
    pub(crate) handshakes: Shared<BTreeMap<String, Handshake>>,
    /// Services with trusted access, and since when.
    pub(crate) service_access: Shared<Services>,
    /// By account.
    pub(crate) delegated: Shared<BTreeMap<String, Services>>,
}
