//! How long one plan takes: `cargo run --release -p bulkhead-planner --example plan_bench [accounts]`.
//!
//! Prints, for several states of an organization, the best and the middle of some runs of `plan` and of `check`.
//! The target is 10,000 accounts in less than 50 ms.

use jiff::{SignedDuration, Timestamp};
use model::{
    AccountId, AccountKey, AccountName, AccountState, Approvals, Assigned, AssignedBy, Brake, Claim,
    DesiredAccount, DesiredOrg, DesiredPolicy, Email, Installation, Invalid, Journal, JournalEntry, Limits,
    ListedPolicies, Mark, Mode, Observation, ObservedAccount, ObservedOrg, ObservedPolicy, ObservedUnit,
    OrganizationId, OuId, OuPath, Outputs, ParentId, PolicyContent, PolicyId, PolicyLimits, PolicyTarget,
    PolicyType, PolicyTypeState, Revision, RevisionHash, RoleName, RootId, Snapshot, Spending, TagKey,
    TagValue, Tags, Turns, UpdatePolicy, tag_keys,
};
use planner::Input;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

const OWN: &str = "acme:uid";
/// Units of 200 accounts each, five levels deep.
const PER_UNIT: usize = 200;
const RUNS: usize = 21;

fn unit_id(number: usize, depth: usize) -> Result<OuId, Invalid> {
    OuId::parse(&format!("ou-a1b2-{number:05}{depth:05}"))
}

fn tags(name: &str, claim: &Claim) -> Result<Tags, Invalid> {
    let pairs = [
        (tag_keys::CLAIM, claim.as_str()),
        (tag_keys::WORKLOAD, name),
        (tag_keys::ENVIRONMENT, "prod"),
        ("cost-center", "4711"),
        ("data-class", "internal"),
        ("owner-contact", "payments@example.com"),
        ("owner-team", "payments"),
        ("purpose", "Card payment processing API"),
    ];
    pairs
        .iter()
        .map(|(key, value)| Ok((TagKey::parse(key)?, TagValue::parse(value)?)))
        .collect()
}

fn assigned() -> Result<Assigned, Invalid> {
    let hash = format!("sha256:{}", "0123456789abcdef".repeat(4));
    Ok(Assigned {
        revision: Revision::new("standard", RevisionHash::parse(&hash)?)?,
        sequence: 12,
        by: AssignedBy::Automatic,
        tag_keys: [
            "cost-center",
            "data-class",
            "owner-contact",
            "owner-team",
            "purpose",
        ]
        .into_iter()
        .map(TagKey::parse)
        .collect::<Result<_, _>>()?,
    })
}

/// Policies that every account is to have.
fn policies() -> Result<Vec<DesiredPolicy>, Invalid> {
    (0..3)
        .map(|number| {
            Ok(DesiredPolicy {
                name: format!("bulkhead-acme-prod-0123456789-{number}"),
                policy_type: PolicyType::service_control(),
                content: PolicyContent::parse("{\"Version\":\"2012-10-17\",\"Statement\":[]}")?,
                parts: vec![],
            })
        })
        .collect()
}

/// The same as AWS has them, attached to every account.
fn listed(wanted: &[DesiredPolicy], accounts: &[ObservedAccount]) -> Result<ListedPolicies, Invalid> {
    let managed = (TagKey::parse(tag_keys::MANAGED)?, TagValue::parse("acme")?);
    let mut listed = ListedPolicies::default();
    for (number, wanted) in wanted.iter().enumerate() {
        let id = PolicyId::parse(&format!("p-{number:010}"))?;
        listed.policies.push(ObservedPolicy {
            id: id.clone(),
            name: wanted.name.clone(),
            policy_type: wanted.policy_type.clone(),
            aws_managed: false,
            content: Some(wanted.content.clone()),
            tags: Some(Tags::from([managed.clone()])),
        });
        let targets = accounts
            .iter()
            .map(|account| PolicyTarget::Account(account.id.clone()));
        listed.attachments.push((id, targets.collect()));
    }
    Ok(listed)
}

/// An organization and what is wanted of it.
struct World {
    desired: DesiredOrg,
    observed: ObservedOrg,
    journal: Journal,
    now: Timestamp,
}

/// Everything as it should be.
fn settled(count: usize) -> Result<World, Invalid> {
    let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * 365 * 56);
    let installation = Installation::parse("acme")?;
    let root = RootId::parse("r-a1b2")?;
    let mut units = Vec::new();
    for unit in 0..count.div_ceil(PER_UNIT) {
        let mut parent = ParentId::Root(root.clone());
        for depth in 0..OuPath::MAX_DEPTH {
            let id = unit_id(unit, depth)?;
            units.push(ObservedUnit {
                id: id.clone(),
                name: format!("Unit {unit} {depth}"),
                parent,
            });
            parent = ParentId::Ou(id);
        }
    }
    let mut desired = DesiredOrg {
        installation: installation.clone(),
        accounts: BTreeMap::new(),
        kept: BTreeMap::new(),
        revisions: BTreeMap::new(),
        unstored: BTreeSet::new(),
        incomplete: false,
        leaving: BTreeMap::new(),
    };
    let (mut accounts, mut journal, mut bulk) = (Vec::new(), Journal::new(), BTreeMap::new());
    let mut proofs = BTreeMap::new();
    let assigned = assigned()?;
    let wanted = policies()?;
    let policies: Arc<[DesiredPolicy]> = Arc::from(wanted);
    for number in 0..count {
        let (namespace, name) = (
            format!("team-{}", number % 500),
            format!("workload-{number}-prod"),
        );
        let key = AccountKey::new(&namespace, &name);
        let claim = Claim::new(&installation, &namespace, &name);
        let tags = tags(&name, &claim)?;
        let id = AccountId::parse(&format!("1{number:011}"))?;
        let unit = number / PER_UNIT;
        let path: Vec<String> = (0..OuPath::MAX_DEPTH)
            .map(|depth| format!("Unit {unit} {depth}"))
            .collect();
        let email = Email::parse(&format!("aws+{number}@example.com"))?;
        let mut carried = tags.clone();
        carried.insert(
            TagKey::parse(tag_keys::REVISION)?,
            TagValue::parse(&assigned.tag())?,
        );
        accounts.push(ObservedAccount {
            id: id.clone(),
            arn: format!("arn:aws:organizations::999999999999:account/o-exampleorgid/{id}"),
            email: email.to_string(),
            name: name.clone(),
            state: AccountState::Active,
            parent: ParentId::Ou(unit_id(unit, OuPath::MAX_DEPTH - 1)?),
            tags: Some(carried.clone()),
            tags_confirmed: true,
        });
        bulk.insert(id.clone(), carried);
        let role = format!("arn:aws:iam::{id}:role/BulkheadAccess");
        proofs.insert(id.clone(), (role.clone(), now));
        journal.insert(
            key.clone(),
            JournalEntry {
                uid: format!("0b8d6a0e-7a0f-4d5f-9b1e-{number:012}"),
                assigned: Some(assigned.clone()),
                account_id: Some(id),
                applied: Some(assigned.revision.name.clone()),
                verified_role: Some(role),
                managed_tags: tags.clone(),
                ..JournalEntry::default()
            },
        );
        desired.accounts.insert(
            key.clone(),
            DesiredAccount {
                key,
                claim,
                created: now,
                workload: name.clone(),
                environment: "prod".into(),
                by: AssignedBy::Automatic,
                revision: assigned.revision.clone(),
                email,
                account_name: AccountName::parse(&name)?,
                role_name: RoleName::parse("BulkheadAccess")?,
                organizational_unit: OuPath::parse(&path.join("/"))?,
                bound_unit: None,
                tags,
                policies: Arc::clone(&policies),
                assertions: Arc::from([]),
                tag_changes: BTreeMap::new(),
                update: UpdatePolicy::Automatic,
                outputs: None,
                open_gates: vec![],
                suspend: false,
            },
        );
    }
    let policies = listed(&policies, &accounts)?;
    let snapshot = Snapshot {
        organization: OrganizationId::parse("o-exampleorgid")?,
        management: AccountId::parse("999999999999")?,
        root,
        units,
        accounts,
        tags: bulk,
        in_progress: vec![],
        policy_types: BTreeMap::from([(PolicyType::service_control(), PolicyTypeState::Enabled)]),
        policies,
    };
    let mut observed = ObservedOrg::default();
    observed.observe(
        Observation::Full {
            look: 1,
            began: now,
            snapshot: Box::new(snapshot),
        },
        now,
    );
    observed.access = proofs;
    Ok(World {
        desired,
        observed,
        journal,
        now,
    })
}

fn measure(what: &str, world: &World) {
    let mut mark = Mark::new(OWN.into(), None, SignedDuration::from_secs(30), true);
    mark.on_read(Some(OWN.into()), world.now);
    let limits = Limits {
        mode: Mode::Enforce,
        creations_in_flight: 5,
        creation_window: 8,
        creation_grace: SignedDuration::from_mins(15),
        refresh_accounts: SignedDuration::from_mins(2),
        refresh_full: SignedDuration::from_mins(10),
        poll: SignedDuration::from_secs(5),
        brake: Brake {
            creations_per_hour: Some(60),
            creations_per_day: Some(300),
            mass_change: None,
        },
        policies: PolicyLimits {
            enable_types: false,
            reserved_slots: 1,
            overlap: SignedDuration::from_mins(5),
            delete_unused_after: SignedDuration::from_hours(24),
        },
    };
    let (spending, turns) = (Spending::default(), Turns::default());
    let (approvals, reread) = (Approvals::default(), BTreeSet::new());
    let (attempts, held, in_flight) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    let input = Input {
        desired: &world.desired,
        observed: &world.observed,
        journal: &world.journal,
        attempts: &attempts,
        held: &held,
        in_flight: &in_flight,
        mark: &mark,
        limits: &limits,
        spending: Some(&spending),
        spending_now: world.now,
        turns: &turns,
        approvals: &approvals,
        reread: &reread,
        epoch: 1,
        nonce: "nonce",
        now: world.now,
        stopping: false,
    };
    let mut times = Vec::new();
    let mut steps = 0;
    for _ in 0..RUNS {
        let began = Instant::now();
        let plan = planner::plan(input);
        let planned = began.elapsed();
        let checked = Instant::now();
        let findings = planner::check(input, &plan);
        times.push((planned, checked.elapsed()));
        assert_eq!(findings, [], "a good plan");
        steps = plan.steps.len();
    }
    times.sort();
    let ((best, _), (middle, check)) = (times[0], times[RUNS / 2]);
    println!(
        "{what:<34} {steps:>6} steps   plan {best:>9.2?} best, {middle:>9.2?} middle   check {check:>9.2?}"
    );
}

fn main() -> Result<(), Invalid> {
    let count: usize = std::env::args()
        .nth(1)
        .and_then(|count| count.parse().ok())
        .unwrap_or(10_000);
    println!(
        "{count} accounts in {} units:",
        count.div_ceil(PER_UNIT) * OuPath::MAX_DEPTH
    );
    let world = settled(count)?;
    measure("all as it should be", &world);

    let mut world = settled(count)?;
    for desired in world.desired.accounts.values_mut() {
        desired
            .tags
            .insert(TagKey::parse("cost-center")?, TagValue::parse("4712")?);
        desired.outputs = Some(Outputs {
            config_map: "account".into(),
        });
    }
    measure("a tag of all has changed", &world);

    let mut world = settled(count)?;
    let other: Arc<[DesiredPolicy]> = Arc::from(vec![DesiredPolicy {
        name: "bulkhead-acme-prod-9876543210-0".into(),
        ..policies()?[0].clone()
    }]);
    let id = PolicyId::parse("p-9876543210")?;
    let made = listed(&other, &[])?.policies.remove(0);
    world
        .observed
        .policies
        .by_id
        .insert(id.clone(), ObservedPolicy { id, ..made });
    for desired in world.desired.accounts.values_mut() {
        desired.policies = Arc::clone(&other);
    }
    measure("all are to have another policy", &world);

    let mut world = settled(count)?;
    world.observed.units.retain(|id, _| !id.as_str().ends_with('4'));
    measure("the lowest units are gone", &world);

    let mut world = settled(count)?;
    for (number, entry) in world.journal.values_mut().enumerate() {
        if number % 2 == 0 {
            *entry = JournalEntry::default();
        }
    }
    measure("half of the memory is lost", &world);

    let mut world = settled(count)?;
    world.observed.accounts.clear();
    world.journal.clear();
    measure("no account exists", &world);

    let mut world = settled(count)?;
    let accounts = std::mem::take(&mut world.desired.accounts);
    world.desired.leaving = accounts
        .into_values()
        .map(|desired| (desired.key, desired.claim))
        .collect();
    world.journal.values_mut().for_each(|entry| entry.held = true);
    measure("all objects are deleted", &world);
    Ok(())
}
