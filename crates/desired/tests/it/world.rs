//! A world of objects, written as manifests.

use api::{AwsAccount, Baseline, BaselineRevision};
use desired::{Decoded, Inputs, Memory, PolicySettings, Promoted, Rejection, Resolved, resolve};
use model::{AccountKey, DesiredAccount, Installation, OutputsState, Reason};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};

/// Everything that is judged; starts with Baseline `river` and the namespaces `team-otter` and `team-heron`.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) accounts: BTreeMap<AccountKey, Decoded<AwsAccount>>,
    pub(crate) baselines: BTreeMap<String, Decoded<Baseline>>,
    pub(crate) revisions: BTreeMap<String, Decoded<BaselineRevision>>,
    pub(crate) settings: PolicySettings,
    pub(crate) namespaces: BTreeMap<String, BTreeMap<String, String>>,
    pub(crate) outputs: BTreeMap<AccountKey, OutputsState>,
    pub(crate) default_baseline: Option<&'static str>,
    pub(crate) promoted: Promoted,
}

impl World {
    pub(crate) fn new() -> Self {
        let labels = |tier: &str| BTreeMap::from([("tier".to_owned(), tier.to_owned())]);
        let mut world = Self {
            accounts: BTreeMap::new(),
            baselines: BTreeMap::new(),
            revisions: BTreeMap::new(),
            settings: PolicySettings {
                exempt_principals: Vec::new(),
                reserved_slots: 1,
            },
            namespaces: BTreeMap::from([
                ("team-otter".to_owned(), labels("production")),
                ("team-heron".to_owned(), labels("sandbox")),
            ]),
            outputs: BTreeMap::new(),
            default_baseline: Some("river"),
            promoted: Promoted::default(),
        };
        world.baseline("river", river());
        world
    }

    pub(crate) fn account(&mut self, key: &AccountKey, object: Value) -> &mut Self {
        self.accounts.insert(
            key.clone(),
            Decoded::Good(Arc::new(serde_json::from_value(object).unwrap())),
        );
        self
    }

    pub(crate) fn baseline(&mut self, name: &str, spec: Value) -> &mut Self {
        let object = json!({"apiVersion": "bulkhead.dev/v1alpha1", "kind": "Baseline", "metadata": {"name": name}, "spec": spec});
        self.baselines.insert(
            name.to_owned(),
            Decoded::Good(Arc::new(serde_json::from_value(object).unwrap())),
        );
        self
    }

    pub(crate) fn resolve(&self) -> Resolved {
        self.resolve_with(&mut Memory::default())
    }

    pub(crate) fn resolve_with(&self, memory: &mut Memory) -> Resolved {
        let installation = Installation::parse("acme").unwrap();
        let inputs = Inputs {
            promoted: &self.promoted,
            accounts: &self.accounts,
            baselines: &self.baselines,
            revisions: &self.revisions,
            namespaces: &self.namespaces,
            outputs: &self.outputs,
            installation: &installation,
            default_baseline: self.default_baseline,
            policy_settings: &self.settings,
        };
        resolve(&inputs, memory)
    }

    /// The verdict on `otter-dev` with one field of it changed.
    pub(crate) fn otter_with(&self, pointer: &str, value: Value) -> Result<DesiredAccount, Rejection> {
        let mut world = self.clone();
        world.account(&otter(), with(manifest(&otter()), pointer, value));
        world.verdict(&otter())
    }

    pub(crate) fn verdict(&self, key: &AccountKey) -> Result<DesiredAccount, Rejection> {
        let mut resolved = self.resolve();
        resolved
            .rejections
            .remove(key)
            .map_or_else(|| Ok(resolved.desired.accounts[key].clone()), Err)
    }
}

pub(crate) fn otter() -> AccountKey {
    AccountKey::new("team-otter", "otter-dev")
}

pub(crate) fn heron() -> AccountKey {
    AccountKey::new("team-heron", "heron-dev")
}

/// Spec of the Baseline `river`.
pub(crate) fn river() -> Value {
    json!({
        "namespaceSelector": {"matchExpressions": [{"key": "tier", "operator": "Exists"}]},
        "emailTemplate": "aws+{namespace}.{name}@example.com",
        "allowedTagKeys": ["data-class", "team:*"],
        "environments": [
            {"name": "dev", "organizationalUnit": "Workloads/Dev"},
            {
                "name": "prod", "organizationalUnit": "Workloads/Prod", "accessRoleName": "RiverAccess",
                "namespaceSelector": {"matchLabels": {"tier": "production"}},
                "readinessGates": [{"conditionType": "net.example.com/Vpc"}, {"conditionType": "dns.example.com/Zone"}],
            },
        ],
        "mandatoryTags": [{"key": "owner", "valueFrom": {"field": "owner.team"}}],
    })
}

/// A manifest that `river` accepts.
pub(crate) fn manifest(key: &AccountKey) -> Value {
    json!({
        "apiVersion": "bulkhead.dev/v1alpha1", "kind": "AwsAccount",
        "metadata": {"name": key.name, "namespace": key.namespace, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {
            "workload": "ferry", "environment": "dev", "purpose": "Ferry timetable",
            "owner": {"team": "crew", "contact": "crew@example.com"},
        },
    })
}

/// The write-ahead intent of a creation that used `email`.
pub(crate) fn creation(email: &str) -> Value {
    json!({
        "token": "0123456789abcdef", "attempt": 2, "startedAt": "2026-01-02T03:04:05.678Z", "epoch": 7, "email": email,
        "accountName": "otter-dev", "roleName": "FrozenRole", "requestId": "car-0123456789abcdef",
    })
}

/// `object` with the field at `pointer` set (or, with null, removed).
pub(crate) fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    let (parents, name) = pointer.rsplit_once('/').unwrap();
    let parent = parents
        .split('/')
        .skip(1)
        .fold(&mut object, |at, name| match name.parse::<usize>() {
            Ok(index) => &mut at[index],
            Err(_) => &mut at[name],
        });
    match name.parse::<usize>() {
        Ok(index) => parent[index] = value,
        Err(_) if value.is_null() => drop(parent.as_object_mut().unwrap().remove(name)),
        Err(_) => parent[name.replace("~1", "/")] = value,
    }
    object
}

/// A verdict must be this reason, and its message must name all these: field, rule, value.
#[track_caller]
pub(crate) fn rejected<T: std::fmt::Debug>(
    verdict: Result<T, Rejection>,
    reason: Reason,
    pieces: &[&str],
) -> Rejection {
    let rejection = verdict.unwrap_err();
    assert_eq!(rejection.reason, reason, "{}", rejection.message);
    for piece in pieces {
        assert!(
            rejection.message.contains(piece),
            "{:?} lacks {piece:?}",
            rejection.message
        );
    }
    assert!(!rejection.message.contains('\n'), "{:?}", rejection.message);
    rejection
}
