//! Tests of the planner: decisions, one fact each; properties over random worlds; a closed loop over a toy world.

mod access;
mod brake;
mod checks;
mod creation;
mod failure;
mod gate;
mod identity;
mod kept;
mod leaving;
mod loops;
mod placement;
mod policies;
mod policy_checks;
mod properties;
mod queue;
mod restore;
mod revisions;
mod room;
mod strays;
mod tag_drift;
mod tag_writes;
mod tags;
mod toy;
mod toy_policies;
mod types;

use crate::{Input, check, plan};
use jiff::{SignedDuration, Timestamp};
use model::{
    AccountId, AccountKey, AccountName, AccountState, Action, ApprovalAction, ApprovalPolicy, Approvals,
    Assigned, AssignedBy, Attempt, Brake, Claim, CreateRequestId, Creation, CreationRecord, CreationState,
    Decision, DesiredAccount, DesiredOrg, DesiredPolicy, Email, Hold, HoldKind, Installation, Journal,
    JournalEntry, KeptAccount, KnownRevision, Limits, ListedPolicies, Mark, Mode, Observation,
    ObservedAccount, ObservedOrg, ObservedPolicy, ObservedUnit, OrganizationId, OuId, OuPath, ParentId, Plan,
    PolicyId, PolicyLimits, PolicyTarget, PolicyType, Read, Reason, Revision, RevisionHash, RevisionName,
    RoleName, RootId, Snapshot, Spending, Stage, Step, StepId, TagChange, TagKey, TagValue, Tags, Token,
    Turns, UpdatePolicy, Verdict, tag_keys,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

const ROOT: &str = "r-f00d";
const WORKLOADS: &str = "ou-f00d-workload1";
const PROD: &str = "ou-f00d-prodprod1";
const MANAGEMENT: &str = "999999999999";
const OWN: &str = "acme:uid-of-this-cluster";

/// Seconds after the moment every world starts at.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).unwrap()
}
fn secs(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}
fn key(name: &str) -> AccountKey {
    AccountKey::new("aviary", name)
}
fn account_id(id: &str) -> AccountId {
    AccountId::parse(id).unwrap()
}
fn request_id(id: &str) -> CreateRequestId {
    CreateRequestId::parse(&format!("car-{id}")).unwrap()
}
fn email_of(name: &str) -> String {
    format!("aws+{name}@example.com")
}
fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs
        .iter()
        .map(|(key, value)| (TagKey::parse(key).unwrap(), TagValue::parse(value).unwrap()))
        .collect()
}
fn keys(names: &[&str]) -> BTreeSet<TagKey> {
    names.iter().map(|name| TagKey::parse(name).unwrap()).collect()
}
fn limits() -> Limits {
    Limits {
        mode: Mode::Enforce,
        creations_in_flight: 5,
        creation_window: 8,
        creation_grace: secs(900),
        refresh_accounts: secs(120),
        refresh_full: secs(600),
        poll: secs(5),
        brake: Brake::default(),
        policies: PolicyLimits {
            enable_types: false,
            reserved_slots: 1,
            overlap: secs(300),
            delete_unused_after: secs(24 * 3600),
        },
    }
}

/// One of the contents of the Baseline, by a digit.
fn revision(digit: char) -> Revision {
    let hash = format!("sha256:{}", String::from(digit).repeat(64));
    Revision::new("standard", RevisionHash::parse(&hash).unwrap()).unwrap()
}
fn assigned(digit: char, sequence: i64) -> Assigned {
    Assigned {
        revision: revision(digit),
        sequence,
        by: AssignedBy::Automatic,
        tag_keys: keys(&["team"]),
    }
}

/// A revision at hand, with policies for `prod`.
fn known(revision: Revision, policies: &[DesiredPolicy]) -> (RevisionName, KnownRevision) {
    let policies = BTreeMap::from([("prod".to_owned(), Arc::from(policies))]);
    (revision.name.clone(), KnownRevision { revision, policies })
}

/// What is remembered of an object whose account has its first revision, or is to be born with it.
fn remembered() -> JournalEntry {
    JournalEntry {
        uid: "uid-of-the-object".into(),
        assigned: Some(assigned('1', 1)),
        ..JournalEntry::default()
    }
}

/// An account as it should be: born at a moment, in `Workloads/Prod`, with the tags every account of ours has.
fn desired(name: &str) -> DesiredAccount {
    let installation = Installation::parse("acme").unwrap();
    let claim = Claim::new(&installation, "aviary", name);
    DesiredAccount {
        key: key(name),
        created: at(-1000),
        workload: "birds".into(),
        environment: "prod".into(),
        by: AssignedBy::Automatic,
        revision: revision('1'),
        email: Email::parse(&email_of(name)).unwrap(),
        account_name: AccountName::parse(name).unwrap(),
        role_name: RoleName::parse("BulkheadAccess").unwrap(),
        organizational_unit: OuPath::parse("Workloads/Prod").unwrap(),
        bound_unit: None,
        tags: tags(&[
            (tag_keys::CLAIM, claim.as_str()),
            (tag_keys::WORKLOAD, "birds"),
            (tag_keys::ENVIRONMENT, "prod"),
            ("team", "aviary"),
        ]),
        claim,
        policies: Arc::from([]),
        assertions: Arc::from([]),
        tag_changes: BTreeMap::new(),
        update: UpdatePolicy::Automatic,
        outputs: None,
        open_gates: vec![],
        suspend: false,
    }
}

/// The account that belongs to `desired(name)`, just as it is right after its creation: in the root.
fn born(name: &str, id: &str) -> ObservedAccount {
    let mut carried = desired(name).tags;
    carried.extend(tags(&[(tag_keys::REVISION, &assigned('1', 1).tag())]));
    ObservedAccount {
        id: account_id(id),
        arn: format!("arn:aws:organizations::{MANAGEMENT}:account/o-aviaryaviary/{id}"),
        email: email_of(name),
        name: name.into(),
        state: AccountState::Active,
        parent: ParentId::parse(ROOT).unwrap(),
        tags: Some(carried),
        tags_confirmed: true,
    }
}

fn unit(id: &str, parent: &str, name: &str) -> ObservedUnit {
    ObservedUnit {
        id: OuId::parse(id).unwrap(),
        name: name.into(),
        parent: ParentId::parse(parent).unwrap(),
    }
}

fn intent(name: &str, token: &str, started: i64) -> Creation {
    let DesiredAccount {
        email,
        account_name,
        role_name,
        ..
    } = desired(name);
    Creation {
        token: Token::parse(token).unwrap(),
        attempt: 1,
        started_at: at(started),
        epoch: 7,
        email,
        account_name,
        role_name,
        request_id: None,
    }
}

/// Everything a plan is made of.
#[derive(Clone)]
struct World {
    desired: DesiredOrg,
    observed: ObservedOrg,
    journal: Journal,
    attempts: BTreeMap<Token, Attempt>,
    held: BTreeMap<StepId, Hold>,
    in_flight: BTreeSet<StepId>,
    mark: Mark,
    limits: Limits,
    spending: Option<Spending>,
    turns: Turns,
    approvals: Approvals,
    reread: BTreeSet<AccountKey>,
    epoch: i64,
    now: Timestamp,
    looks: u64,
}

impl World {
    /// Governed by us, read a moment ago, with `Workloads/Prod` and no account but the management account.
    fn new() -> Self {
        let mut world = Self::unread();
        world.mark.on_read(Some(OWN.into()), at(0));
        world.full(vec![]);
        world
    }

    /// Nothing has been read yet.
    fn unread() -> Self {
        Self {
            desired: DesiredOrg {
                installation: Installation::parse("acme").unwrap(),
                accounts: BTreeMap::new(),
                kept: BTreeMap::new(),
                revisions: BTreeMap::new(),
                unstored: BTreeSet::new(),
                incomplete: false,
                leaving: BTreeMap::new(),
            },
            observed: ObservedOrg::default(),
            journal: Journal::new(),
            attempts: BTreeMap::new(),
            held: BTreeMap::new(),
            in_flight: BTreeSet::new(),
            mark: Mark::new(OWN.into(), None, secs(30), true),
            limits: limits(),
            spending: Some(Spending::default()),
            turns: Turns::default(),
            approvals: Approvals::default(),
            reread: BTreeSet::new(),
            epoch: 7,
            now: at(0),
            looks: 0,
        }
    }

    fn input(&self) -> Input<'_> {
        Input {
            desired: &self.desired,
            observed: &self.observed,
            journal: &self.journal,
            attempts: &self.attempts,
            held: &self.held,
            in_flight: &self.in_flight,
            mark: &self.mark,
            limits: &self.limits,
            spending: self.spending.as_ref(),
            spending_now: self.now,
            turns: &self.turns,
            approvals: &self.approvals,
            reread: &self.reread,
            epoch: self.epoch,
            nonce: "secret of this term",
            now: self.now,
            stopping: false,
        }
    }

    /// The plan, which no rule may object to.
    fn plan(&self) -> Plan {
        let plan = plan(self.input());
        assert_eq!(check(self.input(), &plan), vec![]);
        plan
    }

    /// Adds an object and gives it for changes.
    fn want(&mut self, name: &str) -> &mut DesiredAccount {
        self.journal.entry(key(name)).or_insert_with(remembered);
        self.desired
            .accounts
            .entry(key(name))
            .or_insert_with(|| desired(name))
    }

    fn entry(&mut self, name: &str) -> &mut JournalEntry {
        self.journal.entry(key(name)).or_insert_with(remembered)
    }

    /// Stores an intent and what this process knows of it.
    fn attempt(&mut self, name: &str, token: &str, attempt: Option<Attempt>) -> &mut Creation {
        let now = self.now.duration_since(at(0)).as_secs();
        let creation = intent(name, token, now);
        if let Some(attempt) = attempt {
            self.attempts.insert(creation.token.clone(), attempt);
        }
        let entry = self.entry(name);
        entry.held = true;
        entry.creation.insert(creation)
    }

    /// An object whose account exists, is bound, in place and proven.
    fn settled(&mut self, name: &str, id: &str) {
        self.want(name);
        let mut account = born(name, id);
        account.parent = ParentId::parse(PROD).unwrap();
        self.has(account);
        let role = format!("arn:aws:iam::{id}:role/BulkheadAccess");
        *self.entry(name) = JournalEntry {
            account_id: Some(account_id(id)),
            verified_role: Some(role.clone()),
            managed_tags: desired(name).tags,
            ..remembered()
        };
        self.observed.access.insert(account_id(id), (role, self.now));
    }

    /// A full read that finds these units under `Workloads/Prod` as well.
    fn full(&mut self, units: Vec<ObservedUnit>) {
        let mut all = vec![unit(WORKLOADS, ROOT, "Workloads"), unit(PROD, WORKLOADS, "Prod")];
        all.extend(units);
        self.full_of(all);
    }

    /// As many full reads as it takes to believe that a unit they do not show is gone.
    fn all_units_shown(&mut self) {
        while !self.observed.has_shown_all_units() {
            self.pass(20);
            let units = self.observed.units.values().cloned().collect();
            self.full_of(units);
        }
    }

    fn full_of(&mut self, units: Vec<ObservedUnit>) {
        let listed = self.listed();
        self.full_read(units, listed);
    }

    /// A full read that shows these policies.
    fn full_with(&mut self, listed: ListedPolicies) {
        let units = self.observed.units.values().cloned().collect();
        self.full_read(units, listed);
    }

    fn full_read(&mut self, units: Vec<ObservedUnit>, policies: ListedPolicies) {
        self.looks += 1;
        let mut accounts: Vec<_> = self.observed.accounts.values().cloned().collect();
        if accounts.is_empty() {
            let id = account_id(MANAGEMENT);
            accounts.push(ObservedAccount {
                id,
                tags: Some(Tags::new()),
                ..born("management", MANAGEMENT)
            });
        }
        let tags = accounts
            .iter()
            .map(|account| (account.id.clone(), account.tags.clone().unwrap_or_default()));
        let snapshot = Snapshot {
            organization: OrganizationId::parse("o-aviaryaviary").unwrap(),
            management: account_id(MANAGEMENT),
            root: RootId::parse(ROOT).unwrap(),
            units,
            tags: tags.collect(),
            accounts,
            in_progress: self.observed.in_progress().cloned().collect(),
            policy_types: self.observed.policies.types.clone(),
            policies,
        };
        let full = Observation::Full {
            look: self.looks,
            began: self.now,
            snapshot: Box::new(snapshot),
        };
        self.observed.observe(full, self.now);
    }

    /// What a listing shows of the policies that are known.
    fn listed(&self) -> ListedPolicies {
        let known = &self.observed.policies;
        let targets = |id: &PolicyId| {
            let has = |account: &&AccountId| {
                let types = known.attached_to(account).into_iter().flatten();
                types
                    .into_iter()
                    .any(|(_, attached)| attached.policies.contains_key(id))
            };
            let accounts = self.observed.accounts.keys().filter(has);
            accounts.cloned().map(PolicyTarget::Account).collect()
        };
        let customer = known.by_id.values().filter(|policy| !policy.aws_managed);
        ListedPolicies {
            policies: known.by_id.values().cloned().collect(),
            attachments: customer
                .map(|policy| (policy.id.clone(), targets(&policy.id)))
                .collect(),
        }
    }

    /// A read of this one account.
    fn has(&mut self, account: ObservedAccount) {
        let id = account.id.clone();
        let read = Observation::Account {
            began: self.now,
            account: Some(account),
            id,
        };
        self.observed.observe(read, self.now);
    }

    /// A complete look that begins now, sees the known accounts and these requests.
    fn look(&mut self, in_progress: Vec<CreationRecord>) {
        self.looks += 1;
        let accounts = self.observed.accounts.values().cloned().collect();
        let look = Observation::Look {
            look: self.looks,
            began: self.now,
            accounts,
            in_progress,
        };
        self.observed.observe(look, self.now);
    }

    /// AWS's word on a request.
    fn answers(&mut self, id: &str, name: &str, state: CreationState) {
        let record = record(id, name, state);
        let listed = self
            .observed
            .in_progress()
            .filter(|known| known.id != record.id)
            .cloned()
            .collect();
        let read = Observation::Creations {
            began: self.now,
            in_progress: listed,
            described: vec![record],
        };
        self.observed.observe(read, self.now);
    }

    /// Time passes; the mark and the organization are read again.
    fn pass(&mut self, seconds: i64) {
        self.now = self.now.checked_add(secs(seconds)).unwrap();
        self.mark.on_read(Some(OWN.into()), self.now);
    }

    /// A step or read that failed.
    fn holds(&mut self, id: &str, kind: HoldKind, reason: Reason, seconds: i64, failures: u32) {
        let until = self.now.checked_add(secs(seconds)).unwrap();
        let hold = Hold {
            kind,
            reason,
            message: format!("{id} failed"),
            until,
            failures,
        };
        self.held.insert(StepId(id.into()), hold);
    }
}

fn record(id: &str, name: &str, state: CreationState) -> CreationRecord {
    CreationRecord {
        id: request_id(id),
        account_name: name.into(),
        state,
    }
}

/// The kinds of the steps, in order.
fn kinds(plan: &Plan) -> Vec<&'static str> {
    plan.steps.iter().map(|step| step.action.kind()).collect()
}

/// The only step.
fn only(plan: &Plan) -> &Step {
    assert_eq!(plan.steps.len(), 1, "{:#?}", plan.steps);
    &plan.steps[0]
}

fn verdict<'p>(plan: &'p Plan, name: &str) -> &'p Verdict {
    &plan.accounts[&key(name)].verdict
}

fn reason(plan: &Plan, name: &str) -> Reason {
    verdict(plan, name).reason()
}

/// What a person reads of an object that needs one; of any other this fails.
fn refused<'p>(plan: &'p Plan, name: &str) -> (Reason, &'p str) {
    match verdict(plan, name) {
        Verdict::Refused(reason, message) => (*reason, message),
        other => panic!("not refused: {other:?}"),
    }
}

fn asks(plan: &Plan, id: &str) -> bool {
    plan.reads.contains(&Read::Account(account_id(id)))
}

fn is_blocked(stage: &Stage) -> bool {
    matches!(stage, Stage::Blocked(..))
}

fn creates(plan: &Plan) -> Vec<&Step> {
    plan.steps
        .iter()
        .filter(|step| matches!(step.action, Action::CreateAccount { .. }))
        .collect()
}
