//! Stages 1 and 2: the stores' content, sorted, resolved to one desired organization.

use super::promote::{Said, Spoken};
use crate::{
    config::Config,
    journal::controlled_by,
    store::{Cache, SharedStores, Stored, Stores},
};
use api::{AwsAccount, Baseline, BaselineRevision, EnvironmentPromotion};
use desired::{Decoded, Inputs, Memory, Promoted, Resolved};
use kube::ResourceExt;
use model::{AccountKey, OutputsState};
use std::collections::BTreeMap;

/// The objects at one moment.
pub(crate) struct Objects {
    pub(crate) accounts: BTreeMap<AccountKey, Decoded<AwsAccount>>,
    pub(crate) baselines: BTreeMap<String, Decoded<Baseline>>,
    pub(crate) revisions: BTreeMap<String, Decoded<BaselineRevision>>,
    pub(crate) promotions: BTreeMap<String, Decoded<EnvironmentPromotion>>,
    namespaces: BTreeMap<String, BTreeMap<String, String>>,
    outputs: BTreeMap<AccountKey, OutputsState>,
}

/// The objects at one moment and what they ask for.
pub(crate) struct Picture {
    pub(crate) accounts: BTreeMap<AccountKey, Decoded<AwsAccount>>,
    pub(crate) baselines: BTreeMap<String, Decoded<Baseline>>,
    pub(crate) revisions: BTreeMap<String, Decoded<BaselineRevision>>,
    pub(crate) promoted: Promoted,
    pub(crate) said: Vec<Said>,
    pub(crate) resolved: Resolved,
}

fn by_name<K>(cache: &Cache<K>) -> BTreeMap<String, Decoded<K>>
where
    K: Clone,
{
    cache
        .iter()
        .map(|((_, name), stored)| (name.clone(), decoded(stored)))
        .collect()
}

/// Stage 1.
pub(crate) fn dereference(stores: &SharedStores) -> Objects {
    stores.read(|stores| {
        let accounts: BTreeMap<AccountKey, Decoded<AwsAccount>> = stores
            .accounts
            .iter()
            .map(|((namespace, name), stored)| (AccountKey::new(namespace, name), decoded(stored)))
            .collect();
        let namespaces = stores
            .namespaces
            .iter()
            .filter_map(|((_, name), stored)| match stored {
                Stored::Good(namespace) => Some((name.clone(), namespace.labels().clone())),
                Stored::Poison(_) => None,
            })
            .collect();
        let outputs = accounts
            .iter()
            .filter_map(|(key, account)| Some((key.clone(), outputs(stores, account.good()?)?)))
            .collect();
        Objects {
            baselines: by_name(&stores.baselines),
            revisions: by_name(&stores.revisions),
            promotions: by_name(&stores.promotions),
            accounts,
            namespaces,
            outputs,
        }
    })
}

/// Stage 2, with what promotions say.
pub(crate) fn resolve(objects: Objects, spoken: Spoken, config: &Config, memory: &mut Memory) -> Picture {
    let settings = config.policy_settings();
    let inputs = Inputs {
        accounts: &objects.accounts,
        baselines: &objects.baselines,
        revisions: &objects.revisions,
        namespaces: &objects.namespaces,
        outputs: &objects.outputs,
        installation: &config.installation,
        default_baseline: config.default_baseline.as_deref(),
        policy_settings: &settings,
        promoted: &spoken.promoted,
    };
    let resolved = desired::resolve(&inputs, memory);
    Picture {
        accounts: objects.accounts,
        baselines: objects.baselines,
        revisions: objects.revisions,
        promoted: spoken.promoted,
        said: spoken.said,
        resolved,
    }
}

fn decoded<K>(stored: &Stored<K>) -> Decoded<K> {
    match stored {
        Stored::Good(object) => Decoded::Good(object.clone()),
        Stored::Poison(error) => Decoded::Poison(error.clone()),
    }
}

/// The outputs ConfigMap of one object, as far as the watch knows it. One that carries no label of ours is not watched:
/// the journal finds it when it is about to write.
fn outputs(stores: &Stores, account: &AwsAccount) -> Option<OutputsState> {
    let name = &account.spec.outputs.as_ref()?.config_map_name;
    let map = stores.config_maps.good(&(account.namespace()?, name.clone()))?;
    Some(if controlled_by(&map, account) {
        OutputsState::Ours(map.data.clone().unwrap_or_default())
    } else {
        OutputsState::Foreign
    })
}
