//! `bulkhead plan`: what manifests would change, for the pull request that brings them. Nothing is changed.
//!
//! ```text
//! snapshot.rs            what there is now
//! document.rs            the same as one document
//! live.rs                the same, asked of the cluster and of AWS
//! wanted.rs              what the files want, laid over it
//! pins.rs                pins of accounts, as the operator judges them
//! promotions.rs          promotions, as the operator judges them, and how changes travel by them
//! difference.rs          what is wanted, compared with what there is
//! account_changes.rs     ... account by account
//! revisions.rs           ... what a Baseline says that it did not say before
//! promotion_changes.rs   ... what a promotion asks for that it did not ask for before
//! render.rs              all of it, for people
//! ```
//!
//! The operator's own plan holds only what can be done at this moment; here everything is shown that would be done in the
//! end. The operator's plan is asked for what it would refuse.

mod account_changes;
mod difference;
mod document;
mod live;
mod pins;
mod promotion_changes;
mod promotions;
mod render;
mod revisions;
mod snapshot;
#[cfg(test)]
mod tests;
mod wanted;

use crate::{
    args::{Format, PlanArgs},
    clock::WallClock,
    complain, configuration, manifests, output,
};
use desired::{Decoded, Inputs, Memory, Promoted, Resolved};
use difference::{Action, Difference, Sides};
use document::Document;
use executor::Clock;
use jiff::{SignedDuration, Timestamp};
use model::{AccountId, ApprovalPolicy, Approvals, Mark, Plan, Spending, Turns};
use operator::Config;
use promotions::Grounds;
use simulator::{Manifest, ManifestError};
use snapshot::{Objects, Snapshot};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    process::ExitCode,
};
use wanted::Wanted;

const PROMOTION: &str = "EnvironmentPromotion";

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Config(#[from] configuration::Error),
    #[error(transparent)]
    Manifest(#[from] manifests::Error),
    #[error(transparent)]
    Snapshot(#[from] snapshot::Error),
    #[error(transparent)]
    Live(#[from] live::Error),
    #[error("--config: installation is {config:?}, and that of the snapshot is {snapshot:?}")]
    OtherInstallation { config: String, snapshot: String },
    #[error("the plan cannot be written as JSON")]
    Json(#[source] serde_json::Error),
    #[error("the runtime could not be started")]
    Runtime(#[source] io::Error),
}

/// Exit status 0 when there is nothing to do, 2 when there is, 1 when what the files hold is refused or cannot be read.
pub(crate) fn main(args: &PlanArgs) -> ExitCode {
    match run(args) {
        Ok((text, status)) => output::result(&text, ExitCode::from(status), ExitCode::from(1)),
        Err(error) => {
            complain(&error);
            ExitCode::from(1)
        }
    }
}

fn run(args: &PlanArgs) -> Result<(String, u8), Error> {
    let wanted = Wanted::load(&args.files)?;
    let mut now = if args.live {
        live(args, &wanted)?
    } else {
        match &args.observed {
            Some(path) => snapshot::read(path)?,
            None => Snapshot {
                at: WallClock::new().now(),
                blind: true,
                ..Snapshot::default()
            },
        }
    };
    let config = config(args, &wanted, &now)?;
    if args.config.is_some() {
        now.config = Some(config.clone());
    }
    let difference = compare(&config, &wanted, args.prune, now);
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

/// What there is now, from the cluster and from AWS; saved, if that is wanted, as it was read.
fn live(args: &PlanArgs, wanted: &Wanted) -> Result<Snapshot, Error> {
    let config = configuration::read_or_example(args.config.as_deref())?;
    let place = live::Place {
        config: &config,
        kubeconfig: args.kubeconfig.as_deref(),
        context: args.context.as_deref(),
    };
    let doubtful = |document: &Document| {
        let now = document.clone().snapshot()?;
        Ok(doubtful(&compare(&config, wanted, args.prune, now)))
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    let document = runtime.block_on(live::take(&place, doubtful))?;
    if let Some(path) = &args.save {
        snapshot::save(path, &document)?;
    }
    let snapshot = document.snapshot();
    Ok(snapshot.map_err(live::Error::from)?)
}

/// Accounts of which the lists say something else than what is wanted.
fn doubtful(difference: &Difference) -> BTreeSet<AccountId> {
    let listed = |action: &Action| matches!(action, Action::Tag { .. } | Action::Move { .. });
    let accounts = difference.accounts.iter();
    accounts
        .filter(|change| change.actions.iter().any(listed))
        .filter_map(|change| AccountId::parse(change.account_id.as_deref()?).ok())
        .collect()
}

/// A configuration that is given goes before that of the snapshot, but has to be of the same installation.
fn config(args: &PlanArgs, wanted: &Wanted, now: &Snapshot) -> Result<Config, Error> {
    let Some(path) = args.config.as_deref() else {
        if let Some(config) = &now.config {
            return Ok(config.clone());
        }
        let mut config = configuration::read_or_example(None)?;
        if let Some(installation) = &now.installation {
            config.installation = installation.clone();
        }
        config.default_baseline = wanted.only_baseline(&now.objects, args.prune);
        return Ok(config);
    };
    let config = configuration::read(path)?;
    match &now.installation {
        Some(installation) if *installation != config.installation => Err(Error::OtherInstallation {
            config: config.installation.to_string(),
            snapshot: installation.to_string(),
        }),
        _ => Ok(config),
    }
}

fn compare(config: &Config, wanted: &Wanted, prune: bool, now: Snapshot) -> Difference {
    let mut objects = now.objects;
    let before = objects.promotions.clone();
    let leaving = wanted.overlay(&mut objects, prune);
    let mut promoted = promoted(&objects);
    let known = pins::Known {
        objects: &objects,
        default_baseline: config.default_baseline.as_deref(),
        now: (now.at != snapshot::SEEN).then_some(now.at),
        blind: now.blind,
    };
    let pins = pins::judge(&known, &mut promoted);
    let resolved = resolve(config, &objects, &promoted);
    let grounds = Grounds {
        objects: &objects,
        resolved: &resolved,
        config,
        any_host: now.config.is_none(),
    };
    let objections = promotions::refused(&grounds);
    let plan = now.observed.root.is_some().then(|| {
        // Whether the admission policy is in force is not everybody's to read; where it is not, the operator says so.
        let policy = ApprovalPolicy::InForce {
            since: Timestamp::MIN,
        };
        let input = Moment {
            config,
            observed: &now.observed,
            approvals: operator::organization::decisions(policy, &objects.approvals),
            at: now.at,
        };
        plan(&resolved, &input)
    });
    difference::difference(Sides {
        resolved: &resolved,
        objects: &objects,
        before: &before,
        observed: &now.observed,
        plan: plan.as_ref(),
        leaving: &leaving,
        pins: &pins,
        grounds: &grounds,
        objections: &objections,
        place: &|promotion, path| wanted.place(promotion, path),
    })
}

/// What keeps the operator from accepting promotions among these manifests, with file and line.
pub(crate) fn refused_promotions(manifests: &[Manifest], config: &Config) -> Vec<ManifestError> {
    // What may be over without a change of the spec is shown when it is looked at.
    refused(manifests, config, |why| why != promotion::Why::RevisionNotFound)
}

fn refused(
    manifests: &[Manifest],
    config: &Config,
    counts: impl Fn(promotion::Why) -> bool,
) -> Vec<ManifestError> {
    let objects = objects(manifests);
    let resolved = resolve(config, &objects, &promoted(&objects));
    let grounds = Grounds {
        objects: &objects,
        resolved: &resolved,
        config,
        any_host: false,
    };
    let mut errors = Vec::new();
    let objections = promotions::refused(&grounds);
    // What cannot be decoded the API server refuses, and says why.
    let understood = objections
        .into_iter()
        .filter(|(name, _)| matches!(objects.promotions.get(name), Some(Decoded::Good(_))));
    for (name, objections) in understood {
        let stands = |manifest: &&Manifest| manifest.kind() == PROMOTION && manifest.name() == name;
        let Some(manifest) = manifests.iter().find(stands) else {
            continue;
        };
        let wrong = objections.iter().filter(|objection| counts(objection.why));
        errors.extend(wrong.map(|objection| ManifestError::Wrong {
            file: manifest.file.clone(),
            line: manifest.line_of(&objection.path),
            reason: format!("{manifest}: {}: {}", objection.why, objection.message),
        }));
    }
    errors
}

/// Promotions among these manifests whose stages cannot run, whatever else there is: a Baseline may be in the cluster, and the
/// operator's configuration is not known.
pub(crate) fn invalid_promotions(manifests: &[Manifest]) -> Vec<ManifestError> {
    let Ok(mut config) = configuration::read_or_example(None) else {
        return Vec::new();
    };
    allow_hosts(manifests, &mut config);
    refused(manifests, &config, |why| why == promotion::Why::Invalid)
}

/// Lets the gates of promotions among these manifests ask whomever they ask.
pub(crate) fn allow_hosts(manifests: &[Manifest], config: &mut Config) {
    let objects = objects(manifests);
    if !objects.promotions.is_empty() {
        promotions::allow(config, &objects);
    }
}

/// What a plan looks at among these manifests.
fn objects(manifests: &[Manifest]) -> Objects {
    let mut objects = Objects::default();
    for manifest in manifests {
        // Others may be there; what is wrong with one is told when it is applied.
        drop(objects.take(&manifest.object));
    }
    objects
}

fn resolve(config: &Config, objects: &Objects, promoted: &Promoted) -> Resolved {
    let settings = config.policy_settings();
    let inputs = Inputs {
        promoted,
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

/// What promotions hold: accounts of their Baselines get nothing new by themselves. How one will go on is not foretold.
fn promoted(objects: &Objects) -> Promoted {
    let mut promoted = Promoted {
        unjudged: objects
            .promotions
            .values()
            .any(|promotion| matches!(promotion, Decoded::Poison(_))),
        ..Promoted::default()
    };
    let all = || promotions::understood(&objects.promotions);
    for object in all().filter(|object| operator::promotion::conflict(object, all()).is_none()) {
        let stages = object.status.iter().flat_map(|status| &status.stages);
        let current = stages.filter_map(|stage| {
            let current = desired::revision(stage.current_revision.as_ref()?)?;
            Some((stage.environment.clone(), current))
        });
        let baseline = object.spec.baseline_ref.name.clone();
        promoted.governed.entry(baseline).or_default().extend(current);
    }
    promoted
}

/// What the operator's plan depends on beside the objects.
struct Moment<'a> {
    config: &'a Config,
    observed: &'a model::ObservedOrg,
    approvals: Approvals,
    at: Timestamp,
}

/// What the operator would plan at this moment, if it governed the organization.
fn plan(resolved: &Resolved, moment: &Moment<'_>) -> Plan {
    let Moment { config, at, .. } = *moment;
    let reread = SignedDuration::from_secs(30);
    let own = format!("{}:plan", config.installation);
    let mut mark = Mark::new(own.clone(), None, reread, true);
    mark.on_read(Some(own), at);
    planner::plan(planner::Input {
        desired: &resolved.desired,
        observed: moment.observed,
        journal: &resolved.journal,
        attempts: &BTreeMap::new(),
        held: &BTreeMap::new(),
        in_flight: &BTreeSet::new(),
        mark: &mark,
        limits: &config.limits(),
        spending: Some(&Spending::default()),
        spending_now: at,
        turns: &Turns::default(),
        approvals: &moment.approvals,
        reread: &resolved.journal.keys().cloned().collect(),
        epoch: 1,
        nonce: "plan",
        now: at,
        stopping: false,
    })
}
