//! Stages 1 and 2: the stores' content, sorted, resolved to one desired organization.

use crate::{
    config::Config,
    journal::controlled_by,
    store::{SharedStores, Stored, Stores},
};
use api::{AwsAccount, Baseline, BaselineRevision};
use desired::{Decoded, Inputs, Memory, Resolved};
use kube::ResourceExt;
use model::{AccountKey, OutputsState};
use std::collections::BTreeMap;

/// The objects at one moment and what they ask for.
pub(crate) struct Picture {
    pub(crate) accounts: BTreeMap<AccountKey, Decoded<AwsAccount>>,
    pub(crate) baselines: BTreeMap<String, Decoded<Baseline>>,
    pub(crate) revisions: BTreeMap<String, Decoded<BaselineRevision>>,
    pub(crate) resolved: Resolved,
}

/// Takes the picture.
pub(crate) fn resolve(stores: &SharedStores, config: &Config, memory: &mut Memory) -> Picture {
    let (accounts, baselines, revisions, namespaces, outputs) = stores.read(|stores| {
        let accounts: BTreeMap<AccountKey, Decoded<AwsAccount>> = stores
            .accounts
            .iter()
            .map(|((namespace, name), stored)| (AccountKey::new(namespace, name), decoded(stored)))
            .collect();
        let baselines: BTreeMap<String, Decoded<Baseline>> = stores
            .baselines
            .iter()
            .map(|((_, name), stored)| (name.clone(), decoded(stored)))
            .collect();
        let revisions: BTreeMap<String, Decoded<BaselineRevision>> = stores
            .revisions
            .iter()
            .map(|((_, name), stored)| (name.clone(), decoded(stored)))
            .collect();
        let namespaces: BTreeMap<String, BTreeMap<String, String>> = stores
            .namespaces
            .iter()
            .filter_map(|((_, name), stored)| match stored {
                Stored::Good(namespace) => Some((name.clone(), namespace.labels().clone())),
                Stored::Poison(_) => None,
            })
            .collect();
        let outputs = accounts
            .iter()
            .filter_map(|(key, account)| match account {
                Decoded::Good(account) => Some((key.clone(), outputs(stores, account)?)),
                Decoded::Poison(_) => None,
            })
            .collect();
        (accounts, baselines, revisions, namespaces, outputs)
    });
    let settings = config.policy_settings();
    let inputs = Inputs {
        accounts: &accounts,
        baselines: &baselines,
        revisions: &revisions,
        namespaces: &namespaces,
        outputs: &outputs,
        installation: &config.installation,
        default_baseline: config.default_baseline.as_deref(),
        policy_settings: &settings,
    };
    let resolved = desired::resolve(&inputs, memory);
    Picture {
        accounts,
        baselines,
        revisions,
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
