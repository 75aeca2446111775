//! How an edited policy travels: many accounts, published limits, virtual time, and a look after every call to AWS whether
//! each account has the old policies or the new ones in full.

use crate::{
    MeasureError, Report, World,
    measuring::{Bucket, count, create, edit, namespace_of, until},
};
use api::BaselineRevisionSpec;
use aws::inprocess::{LostAnswer, http_client};
use operator::Config;
use orgsim::{Call, MutateError, Mutation};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// AWS's published bucket for CreatePolicy, DeletePolicy, AttachPolicy and DetachPolicy together.
const BUCKET: Bucket = Bucket {
    burst: 3.0,
    seconds_per_request: 0.5,
};
const CONFIG: &str = "{installation: heron, defaultBaseline: standard, massChange: null, \
                      aws: {awsShare: 1.0, enablePolicyTypes: true}}";
/// Of the violations, so many are kept: the first says most.
const KEPT: usize = 10;

/// A time in which policies were made and attached, or detached, without a pause that was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Calls that AWS accepted, of those that share the bucket.
    pub calls: usize,
    /// From the first of them to the last, virtual time.
    pub lasted: Duration,
}

impl Phase {
    fn of<'c>(calls: impl Iterator<Item = &'c Call>) -> Self {
        let (calls, lasted) = count(calls);
        Self { calls, lasted }
    }

    /// The least time AWS's published bucket allows for as many calls, from the first to the last.
    pub fn ceiling(&self) -> Duration {
        BUCKET.ceiling(self.calls)
    }

    /// Share of AWS's ceiling that was reached, 0 to 1.
    pub fn share_of_ceiling(&self) -> f64 {
        BUCKET.share(self.calls, self.lasted)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} calls in {:.1} s; AWS's ceiling allows them in {:.1} s: {:.2} % of the ceiling",
            self.calls,
            self.lasted.as_secs_f64(),
            self.ceiling().as_secs_f64(),
            100.0 * self.share_of_ceiling()
        )
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollout {
    /// Accounts there are.
    pub accounts: usize,
    /// Policies of each account, all of which the edit changes.
    pub documents: usize,
    /// From the edit to the end, virtual time.
    pub lasted: Duration,
    /// From the first AttachPolicy to the last DetachPolicy, virtual time; the overlap is part of it.
    pub travelled: Duration,
    /// Policies were made and attached.
    pub attaching: Phase,
    /// Old policies were detached. For so many accounts that the first overlap ends before the last policy is attached,
    /// `attaching` holds all calls and this none.
    pub detaching: Phase,
    /// Calls to AWS Organizations and the tagging API since the edit.
    pub calls: usize,
    /// Of these, refused or failed for any reason.
    pub refused: usize,
    /// Different states of all policies and attachments that were looked at.
    pub states: u64,
    /// States that were passed through between two looks: nothing is known of them.
    pub unseen: u64,
    /// Accounts that had neither the old policies nor the new ones in full, and when; the first few.
    pub unguarded: Vec<String>,
}

impl fmt::Display for Rollout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} accounts, {} policies each: {:.0} s of virtual time from the edit to the end, {:.0} s from the first AttachPolicy to the last DetachPolicy",
            self.accounts,
            self.documents,
            self.lasted.as_secs_f64(),
            self.travelled.as_secs_f64()
        )?;
        writeln!(f, "attaching: {}", self.attaching)?;
        if self.detaching.calls > 0 {
            writeln!(f, "detaching: {}", self.detaching)?;
        }
        writeln!(f, "calls: {}, refused {}", self.calls, self.refused)?;
        write!(
            f,
            "states of the policies: {} looked at, {} unseen; accounts without old or new policies in full: {}",
            self.states,
            self.unseen,
            self.unguarded.len()
        )?;
        self.unguarded.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

/// Gives `accounts` accounts a Baseline whose policies compile to `documents` (1 to 4) service control policies, edits all
/// of them and waits until every account has the new ones and none of the old.
///
/// The accounts exist at the beginning, with the claims of their objects, as after the loss of a cluster: at the rate of
/// CreateAccount most of the time would be spent on what [`crate::vending`] measures. Everything else is as ever: the
/// published limits hold from the start, and the operator finds the accounts, tags them and attaches their first
/// policies. Must be called in a current-thread tokio runtime with a paused clock.
pub async fn rollout(accounts: usize, documents: usize, seed: u64) -> Result<Rollout, MeasureError> {
    let kubernetes = kubesim::Settings {
        seed,
        ..kubesim::Settings::default()
    };
    let organization = orgsim::Settings {
        seed,
        account_quota: accounts + 10,
        ..orgsim::Settings::default()
    };
    let world = World::new(kubernetes, organization)?;
    make_accounts(&world, accounts)?;
    let client = world.client();
    create(&client, baseline(documents, 0), accounts).await?;
    let watch = Watch::new(&world);
    let operator = world.operator_on(
        watched(&world, &watch),
        client.clone(),
        Config::parse(CONFIG)?,
        "measured",
        seed,
    );
    let mut running = Box::pin(operator::run(operator, std::future::pending()));
    if !until(&world, &mut running, || Report::of(&world).all_ready()).await? {
        return Err(MeasureError::NotDone("the first policies"));
    }
    let (edited, before) = (world.clock.elapsed(), world.organization.calls().len());
    watch.begin();
    edit(&client, &baseline(documents, 1)).await?;
    if !until(&world, &mut running, || has_arrived(&world, accounts)).await? {
        return Err(MeasureError::NotDone("the edited policies"));
    }
    let calls = world.organization.calls().split_off(before);
    let lasted = world.clock.elapsed().saturating_sub(edited);
    Ok(measure(&calls, accounts, lasted, &watch))
}

/// Does every account have the second revision and nothing else?
fn has_arrived(world: &World, accounts: usize) -> bool {
    let revisions = world.kubernetes.objects(api::GROUP, "baselinerevisions");
    let latest =
        world.kubernetes.objects(api::GROUP, "baselines")[0]["status"]["latestRevision"]["name"].clone();
    let has = |object: &Value| object["status"]["baseline"]["applied"]["revision"] == latest;
    let objects = world.kubernetes.objects(api::GROUP, "awsaccounts");
    revisions.len() == 2
        && objects.iter().filter(|object| has(object)).count() == accounts
        && Report::of(world).all_ready()
}

fn measure(calls: &[Call], accounts: usize, lasted: Duration, watch: &Watch) -> Rollout {
    let accepted = |operations: &'static [&'static str]| {
        calls
            .iter()
            .filter(move |call| call.outcome == "OK" && operations.contains(&call.operation.as_str()))
    };
    let attached = accepted(&["CreatePolicy", "AttachPolicy"]);
    let detached = accepted(&["DeletePolicy", "DetachPolicy"]);
    let all = || accepted(&["CreatePolicy", "AttachPolicy", "DeletePolicy", "DetachPolicy"]);
    let last = attached.clone().next_back().map(|call| call.at);
    let apart = detached.clone().next().map(|call| call.at) > last;
    let (attaching, detaching) = if apart {
        (Phase::of(attached), Phase::of(detached))
    } else {
        (Phase::of(all()), Phase::of(calls[..0].iter()))
    };
    let travelled = Phase::of(all().filter(|call| call.operation != "CreatePolicy"));
    let others: Vec<_> = calls.iter().filter(|call| call.service != "sts").collect();
    let seen = watch.seen.lock().unwrap_or_else(PoisonError::into_inner);
    Rollout {
        accounts,
        documents: watch.documents(),
        lasted,
        travelled: travelled.lasted,
        attaching,
        detaching,
        calls: others.len(),
        refused: others.iter().filter(|call| call.outcome != "OK").count(),
        states: seen.states,
        unseen: seen.unseen,
        unguarded: seen.unguarded.clone(),
    }
}

/// Looks at every state of the policies.
struct Watch {
    world: World,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    begun: bool,
    /// What the last look was at.
    change: u64,
    states: u64,
    unseen: u64,
    unguarded: Vec<String>,
}

impl Watch {
    fn new(world: &World) -> Arc<Self> {
        Arc::new(Self {
            world: world.clone(),
            seen: Mutex::default(),
        })
    }

    /// From now on every account has policies.
    fn begin(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.begun = true;
        seen.change = self.world.organization.policy_changes();
        self.look_at(&mut seen);
    }

    fn look(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let change = self.world.organization.policy_changes();
        if seen.begun && change != seen.change {
            seen.unseen += change.saturating_sub(seen.change + 1);
            seen.change = change;
            self.look_at(&mut seen);
        }
    }

    fn look_at(&self, seen: &mut Seen) {
        seen.states += 1;
        let revisions = self.revisions();
        let state = self.world.organization.state();
        let attached = self.world.organization.attached_policies();
        for account in state.accounts {
            if account.id == state.management_account_id {
                continue;
            }
            let has: BTreeSet<&str> = attached
                .get(&account.id)
                .into_iter()
                .flatten()
                .map(|policy| policy.content.as_str())
                .collect();
            let guarded = revisions
                .iter()
                .any(|revision| revision.iter().all(|content| has.contains(content.as_str())));
            if !guarded && seen.unguarded.len() < KEPT {
                seen.unguarded
                    .push(format!("{} at {}: {} policies", account.id, state.now, has.len()));
            }
        }
    }

    /// The contents of each revision's policies. A revision is stored before an account gets it.
    fn revisions(&self) -> Vec<BTreeSet<String>> {
        let objects = self.world.kubernetes.objects(api::GROUP, "baselinerevisions");
        let specs = objects
            .iter()
            .filter_map(|object| serde_json::from_value::<BaselineRevisionSpec>(object["spec"].clone()).ok());
        specs
            .map(|spec| {
                let environments = spec.environments.into_iter();
                let policies = environments.flat_map(|environment| environment.policies);
                policies.map(|policy| policy.content).collect()
            })
            .collect()
    }

    fn documents(&self) -> usize {
        self.revisions()
            .iter()
            .map(BTreeSet::len)
            .max()
            .unwrap_or_default()
    }
}

/// The organization, with a look at it after every call.
fn watched(world: &World, watch: &Arc<Watch>) -> aws::inprocess::SharedHttpClient {
    let (organization, watch) = (world.organization.clone(), Arc::clone(watch));
    http_client(move |request| {
        let (organization, watch) = (organization.clone(), Arc::clone(&watch));
        async move {
            let answer = organization.handle(request).await;
            watch.look();
            answer.map_err(|lost| match lost {
                orgsim::Lost::Refused => LostAnswer::Refused,
                orgsim::Lost::Broken => LostAnswer::Broken,
            })
        }
    })
}

/// Makes the unit and the accounts, as another tool would that knows the claims.
fn make_accounts(world: &World, accounts: usize) -> Result<(), MutateError> {
    let organization = &world.organization;
    let mut parent = organization.root_id().to_owned();
    for name in ["Workloads", "Dev"] {
        organization.mutate(Mutation::CreateUnit {
            parent: parent.clone(),
            name: name.to_owned(),
        })?;
        let units = organization.state().organizational_units;
        let made = units.into_iter().find(|unit| unit.name == name);
        parent = made.map_or(parent, |unit| unit.id);
    }
    for index in 0..accounts {
        let (name, namespace) = (format!("bird-{index}"), namespace_of(index));
        let tags = [
            ("bulkhead.dev/claim", format!("heron/{namespace}/{name}")),
            ("bulkhead.dev/workload", name.clone()),
            ("bulkhead.dev/environment", "dev".to_owned()),
            ("workload", name.clone()),
        ];
        organization.mutate(Mutation::CreateAccount {
            email: format!("aws+{namespace}.{name}@example.com"),
            name,
            tags: BTreeMap::from(tags.map(|(key, value)| (key.to_owned(), value))),
            parent: Some(parent.clone()),
        })?;
    }
    Ok(())
}

/// The Baseline, at first or edited. Every policy beside the guardrails fills a document of its own.
fn baseline(documents: usize, edit: usize) -> Value {
    let regions = [["eu-west-1", "eu-central-1"], ["eu-west-1", "eu-north-1"]];
    let policy = |number: usize| {
        let resource = |index| format!("arn:aws:s3:::heron-records-{number}-{edit}-{index:05}/*");
        let resources: Vec<String> = (0..230).map(resource).collect();
        json!({
            "name": format!("records-{number}"), "type": "SERVICE_CONTROL_POLICY",
            "document": {"Version": "2012-10-17", "Statement": [
                {"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": resources},
            ]},
        })
    };
    json!({
        "apiVersion": "bulkhead.dev/v1alpha1", "kind": "Baseline", "metadata": {"name": "standard"},
        "spec": {
            "namespaceSelector": {}, "emailTemplate": "aws+{namespace}.{name}@example.com",
            "updatePolicy": "Automatic",
            "environments": [{
                "name": "dev", "organizationalUnit": "Workloads/Dev",
                "guardrails": [
                    {"name": "denyLeaveOrganization"},
                    {"name": "allowedRegions", "parameters": {"regions": regions[edit]}},
                ],
                "policies": (1..documents).map(policy).collect::<Vec<_>>(),
            }],
            "mandatoryTags": [{"key": "workload", "valueFrom": {"field": "workload"}}],
        },
    })
}
