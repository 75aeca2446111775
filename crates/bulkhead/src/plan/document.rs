//! The document of a snapshot: what `--save` writes and `--observed` reads, YAML or JSON. People may write one too, so
//! little of it is required, and an organizational unit can be named by its path.
//!
//! It holds nothing secret: of the cluster Bulkhead's own objects and the labels of namespaces, of AWS what the
//! organization looks like, of the configuration what decides over the plan and not how AWS is reached.

use super::snapshot::{SEEN, Snapshot};
use jiff::Timestamp;
use model::{
    AccountId, AccountState, Installation, ListedPolicies, Observation, ObservedAccount, ObservedOrg,
    ObservedPolicy, ObservedUnit, OrganizationId, OuId, ParentId, PolicyContent, PolicyId, PolicyTarget,
    PolicyType, PolicyTypeState, RootId, Tags,
};
use operator::{AwsConfig, Config, LeaderElectionConfig};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The one version of the document there is.
const VERSION: u64 = 1;

/// Where a document is wrong, and how.
pub(super) type Finding = (String, String);

/// The document.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Document {
    version: u64,
    /// When it was taken; approvals that were over then do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    taken_at: Option<Timestamp>,
    /// Whose organization it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    installation: Option<Installation>,
    /// The operator's configuration, as far as it decides over a plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    configuration: Option<Value>,
    #[serde(default)]
    pub(super) objects: Vec<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    organization: Option<Organization>,
}

/// The organization.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Organization {
    id: OrganizationId,
    root: RootId,
    management: AccountId,
    /// Those that are on, or on their way.
    #[serde(default)]
    policy_types: BTreeMap<PolicyType, PolicyTypeState>,
    #[serde(default)]
    units: Vec<Unit>,
    #[serde(default)]
    accounts: Vec<Account>,
    #[serde(default)]
    policies: Vec<Policy>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unit {
    id: OuId,
    name: String,
    /// Id of the root or a unit, or the path of a unit: names from the root down, with `/` between.
    parent: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Account {
    id: AccountId,
    name: String,
    email: String,
    #[serde(default = "active")]
    state: String,
    /// As of a unit.
    parent: String,
    #[serde(default)]
    tags: Tags,
}

fn active() -> String {
    AccountState::Active.as_str().to_owned()
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Policy {
    id: PolicyId,
    name: String,
    #[serde(rename = "type")]
    kind: PolicyType,
    #[serde(default)]
    aws_managed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content: Option<PolicyContent>,
    #[serde(default)]
    tags: Tags,
    #[serde(default)]
    targets: BTreeSet<PolicyTarget>,
}

impl Document {
    /// What was read of a cluster and its organization.
    pub(super) fn taken(
        at: Timestamp,
        config: &Config,
        objects: Vec<Value>,
        organization: model::Snapshot,
    ) -> Result<Self, serde_json::Error> {
        let decides = Config {
            aws: AwsConfig {
                endpoint_url: None,
                ..config.aws.clone()
            },
            leader_election: LeaderElectionConfig::default(),
            ..config.clone()
        };
        Ok(Self {
            version: VERSION,
            taken_at: Some(at),
            installation: Some(config.installation.clone()),
            configuration: Some(serde_json::to_value(decides)?),
            objects,
            organization: Some(Organization::of(organization)),
        })
    }

    /// Reads the text of a document.
    pub(super) fn parse(text: &str) -> Result<Self, Finding> {
        let yaml = |_| {
            let options = serde_saphyr::options! { with_snippet: false };
            serde_saphyr::from_str_with_options(text, options)
                .map_err(|error| ("the document".to_owned(), error.to_string()))
        };
        // What was saved is JSON, and may be larger than a YAML parser that guards itself takes.
        let value: Value = serde_json::from_str(text).or_else(yaml)?;
        // Before anything else: of another version nothing is known.
        if value["version"].as_u64() != Some(VERSION) {
            let reason = format!("must be {VERSION}, and is {}", value["version"]);
            return Err(("version".to_owned(), reason));
        }
        serde_path_to_error::deserialize(&value)
            .map_err(|error| (error.path().to_string(), error.inner().to_string()))
    }

    /// What it says.
    pub(super) fn snapshot(self) -> Result<Snapshot, Finding> {
        let mut snapshot = Snapshot {
            at: self.taken_at.unwrap_or(SEEN),
            installation: self.installation,
            ..Snapshot::default()
        };
        if let Some(configuration) = self.configuration {
            let config = config(&configuration, snapshot.installation.as_ref());
            snapshot.config = Some(config.map_err(|reason| ("configuration".to_owned(), reason))?);
        }
        for (index, object) in self.objects.into_iter().enumerate() {
            snapshot
                .objects
                .take(&object)
                .map_err(|(key, reason)| (format!("objects[{index}].{key}"), reason))?;
        }
        if let Some(organization) = self.organization {
            snapshot.observed = observed(organization.snapshot()?, snapshot.at);
        }
        Ok(snapshot)
    }

    /// Puts an account that was asked itself in the place of what the lists have said of it; `None`: it is gone.
    pub(super) fn correct(&mut self, id: &AccountId, account: Option<ObservedAccount>) {
        let Some(organization) = &mut self.organization else {
            return;
        };
        match account {
            None => organization.accounts.retain(|known| known.id != *id),
            Some(account) => {
                let tags = account.tags.clone().unwrap_or_default();
                let known = organization.accounts.iter_mut().find(|known| known.id == *id);
                if let Some(known) = known {
                    *known = Account::of(account, tags);
                }
            }
        }
    }
}

/// The configuration a document carries. It has to be of the document's installation.
fn config(value: &Value, installation: Option<&Installation>) -> Result<Config, String> {
    let config = Config::parse(&value.to_string()).map_err(|error| {
        let text = error.to_string();
        text.strip_prefix("configuration: ")
            .map_or_else(|| text.clone(), str::to_owned)
    })?;
    match installation {
        Some(installation) if *installation != config.installation => Err(format!(
            "installation is {:?}, and that of the document is {:?}",
            config.installation.as_str(),
            installation.as_str()
        )),
        _ => Ok(config),
    }
}

fn observed(snapshot: model::Snapshot, at: Timestamp) -> ObservedOrg {
    let seen = Observation::Full {
        look: 1,
        began: at,
        snapshot: Box::new(snapshot),
    };
    let mut observed = ObservedOrg::default();
    observed.observe(seen, at);
    // It is all there is to see: nothing is read again before something is said of an account.
    for account in observed.accounts.clone().into_values() {
        let read = Observation::Account {
            began: at,
            id: account.id.clone(),
            account: Some(ObservedAccount {
                tags_confirmed: true,
                ..account
            }),
        };
        observed.observe(read, at);
    }
    observed
}

impl Account {
    fn of(account: ObservedAccount, tags: Tags) -> Self {
        Self {
            id: account.id,
            name: account.name,
            email: account.email,
            state: account.state.as_str().to_owned(),
            parent: account.parent.as_str().to_owned(),
            tags,
        }
    }
}

impl Organization {
    fn of(seen: model::Snapshot) -> Self {
        let mut tags = seen.tags;
        let mut targets: BTreeMap<PolicyId, BTreeSet<PolicyTarget>> =
            seen.policies.attachments.into_iter().collect();
        let account = |account: ObservedAccount| {
            let tags = tags.remove(&account.id).unwrap_or_default();
            Account::of(account, tags)
        };
        let unit = |unit: ObservedUnit| Unit {
            id: unit.id,
            name: unit.name,
            parent: unit.parent.as_str().to_owned(),
        };
        let policy = |policy: ObservedPolicy| Policy {
            targets: targets.remove(&policy.id).unwrap_or_default(),
            id: policy.id,
            name: policy.name,
            kind: policy.policy_type,
            aws_managed: policy.aws_managed,
            content: policy.content,
            tags: policy.tags.unwrap_or_default(),
        };
        Self {
            id: seen.organization,
            root: seen.root,
            management: seen.management,
            policy_types: seen.policy_types,
            units: seen.units.into_iter().map(unit).collect(),
            accounts: seen.accounts.into_iter().map(account).collect(),
            policies: seen.policies.policies.into_iter().map(policy).collect(),
        }
    }

    fn snapshot(self) -> Result<model::Snapshot, Finding> {
        let units = units(self.units)?;
        let paths = paths(&units);
        let mut accounts = Vec::with_capacity(self.accounts.len());
        let mut tags = BTreeMap::new();
        for (index, account) in self.accounts.into_iter().enumerate() {
            let wrong = |key: &str, reason| (format!("organization.accounts[{index}].{key}"), reason);
            let state = state(&account.state)
                .ok_or_else(|| wrong("state", format!("{:?} is no state of an account", account.state)))?;
            let parent =
                place(&account.parent, &paths).ok_or_else(|| wrong("parent", nowhere(&account.parent)))?;
            tags.insert(account.id.clone(), account.tags);
            accounts.push(ObservedAccount {
                arn: format!(
                    "arn:aws:organizations::{}:account/{}/{}",
                    self.management, self.id, account.id
                ),
                id: account.id,
                email: account.email,
                name: account.name,
                state,
                parent,
                tags: None,
                tags_confirmed: false,
            });
        }
        let mut policies = ListedPolicies::default();
        for policy in self.policies {
            if !policy.aws_managed {
                policies.attachments.push((policy.id.clone(), policy.targets));
            }
            policies.policies.push(ObservedPolicy {
                id: policy.id,
                name: policy.name,
                policy_type: policy.kind,
                aws_managed: policy.aws_managed,
                content: policy.content,
                tags: Some(policy.tags),
            });
        }
        Ok(model::Snapshot {
            organization: self.id,
            management: self.management,
            root: self.root,
            units,
            accounts,
            tags,
            in_progress: Vec::new(),
            policy_types: self.policy_types,
            policies,
        })
    }
}

/// The units with the ids of their parents. A unit may hang below one that stands after it, so those that are named by
/// paths are found level by level.
fn units(units: Vec<Unit>) -> Result<Vec<ObservedUnit>, Finding> {
    let mut found: Vec<ObservedUnit> = Vec::with_capacity(units.len());
    let mut open: Vec<(usize, Unit)> = units.into_iter().enumerate().collect();
    while !open.is_empty() {
        let paths = paths(&found);
        let mut left = Vec::new();
        let before = found.len();
        for (index, unit) in open {
            match place(&unit.parent, &paths) {
                Some(parent) => found.push(ObservedUnit {
                    id: unit.id,
                    name: unit.name,
                    parent,
                }),
                None => left.push((index, unit)),
            }
        }
        if found.len() == before {
            // The uppermost: those below it cannot be found either.
            let depth = |(_, unit): &&(usize, Unit)| unit.parent.split('/').count();
            let wrong = left.iter().min_by_key(depth);
            return match wrong {
                None => Ok(found),
                Some((index, unit)) => Err((
                    format!("organization.units[{index}].parent"),
                    nowhere(&unit.parent),
                )),
            };
        }
        open = left;
    }
    Ok(found)
}

/// The units by path.
fn paths(units: &[ObservedUnit]) -> BTreeMap<String, OuId> {
    let mut picture = ObservedOrg::default();
    let by_id = units.iter().map(|unit| (unit.id.clone(), unit.clone()));
    picture.units.extend(by_id);
    let path = |unit: &ObservedUnit| {
        let id = unit.id.clone();
        Some((picture.path_of(&ParentId::Ou(id.clone()))?, id))
    };
    units.iter().filter_map(path).collect()
}

fn place(text: &str, paths: &BTreeMap<String, OuId>) -> Option<ParentId> {
    let named = || paths.get(text).cloned().map(ParentId::Ou);
    ParentId::parse(text).ok().or_else(named)
}

fn nowhere(text: &str) -> String {
    format!("{text:?} is neither the id of the root or a unit, nor the path of a unit in organization.units")
}

fn state(text: &str) -> Option<AccountState> {
    let known = [
        AccountState::PendingActivation,
        AccountState::Active,
        AccountState::Suspended,
        AccountState::PendingClosure,
        AccountState::Closed,
        AccountState::Unknown,
    ];
    known.into_iter().find(|state| state.as_str() == text)
}
