//! One raw watch per kind feeds the stores.

use crate::store::{Cache, Key, SharedStores, Stored, Stores, guarded, plain};
use api::{Approval, AwsAccount, Baseline, BaselineRevision, EnvironmentPromotion, Organization};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{
    Api, Client, Resource,
    api::PartialObjectMeta,
    core::DeserializeGuard,
    runtime::watcher::{self, Event, watcher},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::de::DeserializeOwned;
use std::{fmt::Debug, time::Duration};

/// Label of the ConfigMaps that Bulkhead writes: only these are watched.
pub(crate) const OUTPUTS_LABEL: &str = "bulkhead.dev/outputs";

/// Watches every kind, for ever.
pub(crate) async fn all(client: Client, stores: SharedStores, seed: u64) {
    let account = kind(
        Api::<DeserializeGuard<AwsAccount>>::all(client.clone()),
        watcher::Config::default(),
        stores.clone(),
        |stores| &mut stores.accounts,
        guarded,
        seed,
    );
    let baseline = kind(
        Api::<DeserializeGuard<Baseline>>::all(client.clone()),
        watcher::Config::default(),
        stores.clone(),
        |stores| &mut stores.baselines,
        guarded,
        seed.wrapping_add(1),
    );
    let organization = kind(
        Api::<DeserializeGuard<Organization>>::all(client.clone()),
        watcher::Config::default(),
        stores.clone(),
        |stores| &mut stores.organizations,
        guarded,
        seed.wrapping_add(2),
    );
    let namespace = kind(
        Api::<PartialObjectMeta<Namespace>>::all(client.clone()),
        watcher::Config::default(),
        stores.clone(),
        |stores| &mut stores.namespaces,
        plain,
        seed.wrapping_add(3),
    );
    let approval = kind(
        Api::<DeserializeGuard<Approval>>::all(client.clone()),
        watcher::Config::default(),
        stores.clone(),
        |stores| &mut stores.approvals,
        guarded,
        seed.wrapping_add(5),
    );
    let revision = kind(
        Api::<DeserializeGuard<BaselineRevision>>::all(client.clone()),
        watcher::Config::default(),
        stores.clone(),
        |stores| &mut stores.revisions,
        guarded,
        seed.wrapping_add(6),
    );
    let promotion = kind(
        Api::<DeserializeGuard<EnvironmentPromotion>>::all(client.clone()),
        watcher::Config::default(),
        stores.clone(),
        |stores| &mut stores.promotions,
        guarded,
        seed.wrapping_add(7),
    );
    let config_map = kind(
        Api::<ConfigMap>::all(client),
        watcher::Config::default().labels(OUTPUTS_LABEL),
        stores,
        |stores| &mut stores.config_maps,
        plain,
        seed.wrapping_add(4),
    );
    futures::join!(
        account,
        baseline,
        revision,
        organization,
        namespace,
        approval,
        promotion,
        config_map
    );
}

async fn kind<W, K>(
    api: Api<W>,
    config: watcher::Config,
    stores: SharedStores,
    cache: impl Fn(&mut Stores) -> &mut Cache<K>,
    shape: impl Fn(W) -> (Key, Option<String>, Stored<K>),
    seed: u64,
) where
    W: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    K: Clone,
{
    let mut random = StdRng::seed_from_u64(seed);
    let mut events = std::pin::pin!(watcher(api, config));
    let mut failures = 0_u32;
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                failures = 0;
                let event = match event {
                    Event::Init => Event::Init,
                    Event::InitDone => Event::InitDone,
                    Event::InitApply(object) => Event::InitApply(shape(object)),
                    Event::Apply(object) => Event::Apply(shape(object)),
                    Event::Delete(object) => Event::Delete(shape(object)),
                };
                stores.write(|stores| cache(stores).event(event));
            }
            Err(error) => {
                // kube backs off by the wall clock and its own randomness; a simulation needs ours.
                failures = (failures + 1).min(7);
                let ceiling = 250 * 2_u64.pow(failures);
                let delay = Duration::from_millis(random.random_range(ceiling / 2..=ceiling));
                tracing::warn!(%error, ?delay, "watch failed");
                tokio::time::sleep(delay).await;
            }
        }
    }
}
