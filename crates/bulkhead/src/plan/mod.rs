//! `bulkhead plan`: what manifests would change, for the pull request that brings them. Nothing is changed.
//!
//! ```text
//! snapshot.rs     what there is now, from one document
//! difference.rs   what is wanted, compared with it, account by account
//! revisions.rs    what a Baseline says that it did not say before
//! render.rs       all of it, for people
//! ```
//!
//! The operator's own plan holds only what can be done at this moment; here everything is shown that would be done in the
//! end. The operator's plan is asked for what it would refuse.

mod difference;
mod render;
mod revisions;
mod snapshot;

use crate::{
    args::{Format, PlanArgs},
    complain, configuration, manifests,
};
use api::{AwsAccount, Baseline};
use desired::{Decoded, Inputs, Memory, Resolved};
use difference::{Difference, Sides};
use jiff::SignedDuration;
use model::{AccountKey, Approvals, Mark, ObservedOrg, Plan, Spending, Turns};
use operator::Config;
use simulator::Manifest;
use snapshot::{Objects, SEEN};
use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
    sync::Arc,
};

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Config(#[from] configuration::Error),
    #[error(transparent)]
    Manifest(#[from] manifests::Error),
    #[error(transparent)]
    Observed(#[from] snapshot::Error),
    #[error("the plan cannot be written as JSON")]
    Json(#[source] serde_json::Error),
}

/// What the files hold.
#[derive(Debug, Default)]
struct Wanted {
    accounts: BTreeMap<AccountKey, AwsAccount>,
    baselines: BTreeMap<String, Baseline>,
    /// Labels by name.
    namespaces: BTreeMap<String, BTreeMap<String, String>>,
}

/// Exit status 0 when there is nothing to do, 2 when there is, 1 when what the files hold is refused or cannot be read.
pub(crate) fn main(args: &PlanArgs) -> ExitCode {
    match run(args) {
        Ok((text, status)) => {
            println!("{text}");
            ExitCode::from(status)
        }
        Err(error) => {
            complain(&error);
            ExitCode::from(1)
        }
    }
}

fn run(args: &PlanArgs) -> Result<(String, u8), Error> {
    let mut config = configuration::read_or_example(args.config.as_deref())?;
    let wanted = Wanted::load(args)?;
    let now = match &args.observed {
        Some(path) => snapshot::read(path)?,
        None => snapshot::Snapshot::default(),
    };
    let mut objects = now.objects;
    let leaving = wanted.replace(&mut objects, args.prune);
    if args.config.is_none()
        && let [only] = objects.baselines.keys().collect::<Vec<_>>().as_slice()
    {
        config.default_baseline = Some((*only).clone());
    }
    let resolved = resolve(&config, &objects);
    let plan = now
        .observed
        .root
        .is_some()
        .then(|| plan(&config, &resolved, &now.observed));
    let difference = difference::difference(Sides {
        resolved: &resolved,
        objects: &objects,
        observed: &now.observed,
        plan: plan.as_ref(),
        leaving: &leaving,
    });
    let status = if wanted.is_refused(&difference) {
        1
    } else if difference.is_empty() {
        0
    } else {
        2
    };
    let text = match args.output {
        Format::Json => serde_json::to_string_pretty(&difference).map_err(Error::Json)?,
        Format::Table => render::text(&difference),
    };
    Ok((text, status))
}

impl Wanted {
    fn load(args: &PlanArgs) -> Result<Self, Error> {
        let about = |manifest: &Manifest| matches!(manifest.kind(), "AwsAccount" | "Baseline" | "Namespace");
        let mut wanted = Self::default();
        for manifest in manifests::load(&args.files, about)? {
            let name = manifest.name().to_owned();
            match manifest.kind() {
                "AwsAccount" => {
                    let namespace = match manifest.namespace() {
                        "" => "default",
                        namespace => namespace,
                    };
                    let mut object: AwsAccount = manifests::decode(&manifest)?;
                    object.metadata.namespace = Some(namespace.to_owned());
                    wanted.accounts.insert(AccountKey::new(namespace, name), object);
                }
                "Baseline" => drop(wanted.baselines.insert(name, manifests::decode(&manifest)?)),
                _ => {
                    let object: k8s_openapi::api::core::v1::Namespace = manifests::decode(&manifest)?;
                    let labels = object.metadata.labels.unwrap_or_default();
                    wanted.namespaces.insert(name, labels);
                }
            }
        }
        Ok(wanted)
    }

    /// Puts what the files hold in the place of what there is; status and identity of an object stay. Gives the accounts
    /// whose objects would be gone.
    fn replace(&self, objects: &mut Objects, prune: bool) -> BTreeSet<AccountKey> {
        let mut leaving = BTreeSet::new();
        if prune {
            leaving.extend(
                objects
                    .accounts
                    .keys()
                    .filter(|key| !self.accounts.contains_key(*key))
                    .cloned(),
            );
            objects.accounts.retain(|key, _| self.accounts.contains_key(key));
            objects
                .baselines
                .retain(|name, _| self.baselines.contains_key(name));
        }
        for (key, wanted) in &self.accounts {
            let mut object = wanted.clone();
            if let Some(Decoded::Good(there)) = objects.accounts.get(key) {
                object.status.clone_from(&there.status);
                object.metadata.uid.clone_from(&there.metadata.uid);
                object.metadata.finalizers.clone_from(&there.metadata.finalizers);
                let created = &there.metadata.creation_timestamp;
                object.metadata.creation_timestamp.clone_from(created);
            }
            objects
                .accounts
                .insert(key.clone(), Decoded::Good(Arc::new(object)));
        }
        for (name, wanted) in &self.baselines {
            let mut object = wanted.clone();
            if let Some(Decoded::Good(there)) = objects.baselines.get(name) {
                object.status.clone_from(&there.status);
            }
            objects
                .baselines
                .insert(name.clone(), Decoded::Good(Arc::new(object)));
        }
        objects.namespaces.extend(self.namespaces.clone());
        leaving
    }

    /// Is something refused that stands in the files? What was refused before and is not touched is no failure of them.
    fn is_refused(&self, difference: &Difference) -> bool {
        let baseline = |refused: &difference::RefusedBaseline| self.baselines.contains_key(&refused.baseline);
        let account = |change: &difference::AccountChange| {
            let key = AccountKey::new(&change.namespace, &change.name);
            let refused = change.reason.as_ref().is_some_and(|why| !why.waits);
            refused && self.accounts.contains_key(&key)
        };
        difference.refused.iter().any(baseline) || difference.accounts.iter().any(account)
    }
}

fn resolve(config: &Config, objects: &Objects) -> Resolved {
    let settings = config.policy_settings();
    let inputs = Inputs {
        accounts: &objects.accounts,
        baselines: &objects.baselines,
        revisions: &objects.revisions,
        namespaces: &objects.namespaces,
        outputs: &BTreeMap::new(),
        installation: &config.installation,
        default_baseline: config.default_baseline.as_deref(),
        policy_settings: &settings,
    };
    desired::resolve(&inputs, &mut Memory::default())
}

/// What the operator would plan at this moment, if it governed the organization.
fn plan(config: &Config, resolved: &Resolved, observed: &ObservedOrg) -> Plan {
    let reread = SignedDuration::from_secs(30);
    let own = format!("{}:plan", config.installation);
    let mut mark = Mark::new(own.clone(), None, reread, true);
    mark.on_read(Some(own), SEEN);
    planner::plan(planner::Input {
        desired: &resolved.desired,
        observed,
        journal: &resolved.journal,
        attempts: &BTreeMap::new(),
        held: &BTreeMap::new(),
        in_flight: &BTreeSet::new(),
        mark: &mark,
        limits: &config.limits(),
        spending: Some(&Spending::default()),
        spending_now: SEEN,
        turns: &Turns::default(),
        approvals: &Approvals::default(),
        reread: &resolved.journal.keys().cloned().collect(),
        epoch: 1,
        nonce: "plan",
        now: SEEN,
        stopping: false,
    })
}
