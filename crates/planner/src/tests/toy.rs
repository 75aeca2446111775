//! A toy of AWS Organizations and of Kubernetes, for the closed loop: no clients, no tasks, a virtual clock.
//!
//! Its AWS is worse than the real one: it lets two accounts have one email, so that nothing but the protocol keeps
//! CreateAccount from happening twice.

use super::{toy_policies::ToyPolicies, *};
use model::{EffectivePolicy, OutputsState};

/// Random numbers from a seed (SplitMix64).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, bound: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        i64::try_from((z ^ (z >> 31)) % u64::try_from(bound).unwrap()).unwrap()
    }
    pub(super) fn chance(&mut self, percent: i64) -> bool {
        self.below(100) < percent
    }
}

/// One member account as AWS has it.
pub(super) struct ToyAccount {
    pub(super) real: ObservedAccount,
    /// When listings, reads of it, and its role begin to work.
    listed: Timestamp,
    described: Timestamp,
    usable: Timestamp,
    /// What the bulk listing says of its tags, and when it catches up.
    bulk: Tags,
    bulk_fresh: Timestamp,
}

struct ToyRequest {
    record: CreationRecord,
    email: String,
    tags: Tags,
    ends: Timestamp,
}

/// Why a toy call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nothing happened.
    Refused(HoldKind, Reason),
    /// Nobody knows what happened.
    Lost,
    /// Kubernetes holds a newer object.
    Conflict,
}

/// AWS and Kubernetes.
pub(super) struct Toy {
    pub(super) dice: Dice,
    pub(super) now: Timestamp,
    /// Failures happen until then.
    pub(super) rough_until: Timestamp,
    pub(super) accounts: BTreeMap<AccountId, ToyAccount>,
    pub(super) units: Vec<ObservedUnit>,
    requests: BTreeMap<CreateRequestId, ToyRequest>,
    pub(super) policies: ToyPolicies,
    pub(super) mark: Option<String>,
    /// The objects, and how often each was written.
    pub(super) journal: Journal,
    pub(super) versions: BTreeMap<AccountKey, u64>,
    pub(super) tokens_sent: BTreeSet<Token>,
    pub(super) violations: Vec<String>,
    serial: u64,
}

fn later(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_add(secs(seconds)).unwrap()
}

impl Toy {
    pub(super) fn new(seed: u64, names: &[String]) -> Self {
        Self {
            dice: Dice(seed),
            now: at(0),
            rough_until: at(2400),
            accounts: BTreeMap::new(),
            units: vec![],
            requests: BTreeMap::new(),
            policies: ToyPolicies::new(),
            mark: None,
            journal: names
                .iter()
                .map(|name| (key(name), JournalEntry::default()))
                .collect(),
            versions: BTreeMap::new(),
            tokens_sent: BTreeSet::new(),
            violations: vec![],
            serial: 0,
        }
    }

    pub(super) fn rough(&self) -> bool {
        self.now < self.rough_until
    }

    /// Time goes on: requests end.
    pub(super) fn at(&mut self, now: Timestamp) {
        self.now = now;
        let ended: Vec<CreateRequestId> = self
            .requests
            .values()
            .filter(|request| request.record.state == CreationState::InProgress && request.ends <= now)
            .map(|request| request.record.id.clone())
            .collect();
        for id in ended {
            let state = match self.dice.below(100) {
                0..8 if self.rough() => CreationState::Failed("INTERNAL_FAILURE".into()),
                8..12 if self.rough() => CreationState::Failed("CONCURRENT_ACCOUNT_MODIFICATION".into()),
                _ => CreationState::Succeeded(self.make(&id)),
            };
            self.requests.get_mut(&id).unwrap().record.state = state;
        }
    }

    fn make(&mut self, request: &CreateRequestId) -> AccountId {
        self.serial += 1;
        let id = account_id(&format!("2{:011}", self.serial));
        let (described, listed, usable, bulk) = (
            self.dice.below(8),
            self.dice.below(20),
            self.dice.below(200),
            self.dice.below(900),
        );
        let request = &self.requests[request];
        let real = ObservedAccount {
            email: request.email.clone(),
            tags: Some(request.tags.clone()),
            ..born(&request.record.account_name, id.as_str())
        };
        let account = ToyAccount {
            real,
            described: later(self.now, described),
            listed: later(self.now, listed),
            usable: later(self.now, usable),
            bulk: Tags::new(),
            bulk_fresh: later(self.now, bulk),
        };
        self.accounts.insert(id.clone(), account);
        self.policies.born(&id);
        id
    }

    pub(super) fn in_progress(&self) -> Vec<CreationRecord> {
        let records = self.requests.values().map(|request| &request.record);
        records
            .filter(|record| record.state == CreationState::InProgress)
            .cloned()
            .collect()
    }

    fn list(&mut self) -> Vec<ObservedAccount> {
        let management = ObservedAccount {
            tags: None,
            ..born("management", MANAGEMENT)
        };
        let listed = self
            .accounts
            .values()
            .filter(|account| account.listed <= self.now);
        let member = |account: &ToyAccount| ObservedAccount {
            tags: None,
            tags_confirmed: false,
            ..account.real.clone()
        };
        std::iter::once(management).chain(listed.map(member)).collect()
    }

    /// What a read sees that looks now and began at `began`.
    pub(super) fn sees(&mut self, read: &Read, look: u64, began: Timestamp) -> Observation {
        match read {
            Read::Full => {
                let now = self.now;
                for account in self
                    .accounts
                    .values_mut()
                    .filter(|account| account.bulk_fresh <= now)
                {
                    account.bulk = account.real.tags.clone().unwrap();
                }
                let tags = self
                    .accounts
                    .iter()
                    .map(|(id, account)| (id.clone(), account.bulk.clone()))
                    .collect();
                let snapshot = Snapshot {
                    organization: OrganizationId::parse("o-aviaryaviary").unwrap(),
                    management: account_id(MANAGEMENT),
                    root: RootId::parse(ROOT).unwrap(),
                    units: self.units.clone(),
                    accounts: self.list(),
                    tags,
                    in_progress: self.in_progress(),
                    policy_types: self.policies.types(now),
                    policies: self.policies.everything(now),
                };
                Observation::Full {
                    look,
                    began,
                    snapshot: Box::new(snapshot),
                }
            }
            Read::Look => Observation::Look {
                look,
                began,
                accounts: self.list(),
                in_progress: self.in_progress(),
            },
            Read::Creations(ids) => {
                let known = |id: &CreateRequestId| self.requests[id].record.clone();
                let ended = |record: &CreationRecord| record.state != CreationState::InProgress;
                let described = ids.iter().map(known).filter(ended).collect();
                Observation::Creations {
                    began,
                    in_progress: self.in_progress(),
                    described,
                }
            }
            Read::Account(id) => {
                let account = self
                    .accounts
                    .get(id)
                    .filter(|account| account.described <= self.now);
                Observation::Account {
                    began,
                    account: account.map(|account| account.real.clone()),
                    id: id.clone(),
                }
            }
            Read::Attachments(account, policy_type) => {
                let known = self.accounts.get(account);
                let visible = known.is_some_and(|account| account.described <= self.now);
                Observation::Attachments {
                    began,
                    account: account.clone(),
                    policy_type: policy_type.clone(),
                    attached: visible.then(|| self.policies.of_account(account, self.now)),
                }
            }
            // All of its policies are service control policies.
            Read::EffectivePolicy(account, policy_type) => Observation::EffectivePolicy {
                began,
                account: account.clone(),
                policy_type: policy_type.clone(),
                effective: EffectivePolicy::Untold,
            },
            Read::Policies(policy_type) => Observation::Policies {
                began,
                policy_type: policy_type.clone(),
                policies: self.policies.list(self.now),
            },
            Read::PolicyTypes => Observation::PolicyTypes {
                began,
                types: self.policies.types(self.now),
            },
            Read::Mark => unreachable!("the loop reads the mark itself"),
        }
    }

    /// A call arrives at AWS.
    pub(super) fn receives(&mut self, step: &Step) -> Result<Option<model::Effect>, Failure> {
        if self.rough() && self.dice.chance(12) {
            let (kind, reason) = match self.dice.below(4) {
                0 => (HoldKind::Stalled, Reason::AccessDenied),
                1 => (HoldKind::Wait, Reason::FinalizingOrganization),
                _ => (HoldKind::Retry, Reason::Throttled),
            };
            return Err(Failure::Refused(kind, reason));
        }
        let reobserve = Failure::Refused(HoldKind::Retry, Reason::Reobserving);
        match &step.action {
            Action::CreateAccount {
                token,
                email,
                account_name,
                tags,
                ..
            } => {
                let stored = self
                    .journal
                    .get(step.key.as_ref().unwrap())
                    .filter(|entry| !entry.deleting);
                let creation = stored.and_then(|entry| entry.creation.as_ref());
                if creation.is_none_or(|creation| creation.token != *token || creation.request_id.is_some()) {
                    return Err(Failure::Conflict);
                }
                if !self.tokens_sent.insert(token.clone()) {
                    self.violations.push(format!("token {token} was sent twice"));
                }
                if self.in_progress().len() >= 5 {
                    self.violations.push("more than five creations in flight".into());
                }
                self.serial += 1;
                let id = request_id(&format!("request{}", self.serial));
                let record = record(
                    &id.as_str()[4..],
                    account_name.as_str(),
                    CreationState::InProgress,
                );
                let ends = later(self.now, 2 + self.dice.below(60));
                let request = ToyRequest {
                    record: record.clone(),
                    email: email.to_string(),
                    tags: tags.clone(),
                    ends,
                };
                self.requests.insert(id, request);
                Ok(Some(model::Effect::CreationAccepted(record)))
            }
            Action::CreateOrganizationalUnit { parent, name, .. } => {
                if self
                    .units
                    .iter()
                    .any(|unit| unit.parent == *parent && unit.name == *name)
                {
                    return Err(reobserve);
                }
                self.serial += 1;
                let made = unit(&format!("ou-f00d-{:08}", self.serial), parent.as_str(), name);
                self.units.push(made.clone());
                Ok(Some(model::Effect::UnitCreated(made)))
            }
            Action::MoveAccount { account, from, to } => {
                let moved = &mut self.accounts.get_mut(account).unwrap().real;
                if moved.parent != *from {
                    return Err(reobserve);
                }
                moved.parent = to.clone();
                if !self.policies.meddled && !self.policies.is_guarded(account) {
                    self.violations
                        .push(format!("{account} is moved without its policies"));
                }
                Ok(Some(model::Effect::AccountMoved {
                    account: account.clone(),
                    to: to.clone(),
                }))
            }
            Action::TagAccount { account, tags } => {
                self.tag(account, |own| own.extend(tags.clone()));
                Ok(Some(model::Effect::Tagged {
                    account: account.clone(),
                    tags: tags.clone(),
                }))
            }
            Action::UntagAccount { account, keys } => {
                self.tag(account, |own| own.retain(|key, _| !keys.contains(key)));
                Ok(Some(model::Effect::Untagged {
                    account: account.clone(),
                    keys: keys.clone(),
                }))
            }
            Action::WriteMark { value } => {
                self.mark = Some(value.clone());
                Ok(None)
            }
            Action::VerifyAccess { account, role_arn } => {
                if self.accounts[account].usable > self.now {
                    return Err(Failure::Refused(HoldKind::Retry, Reason::AccessPending));
                }
                let (account, role_arn) = (account.clone(), role_arn.clone());
                Ok(Some(model::Effect::AccessVerified {
                    account,
                    role_arn,
                    at: self.now,
                }))
            }
            action => self
                .policies
                .receives(action, &mut self.dice, self.now, &mut self.violations)
                .map(Some),
        }
    }

    /// Somebody changes the tags of an account; the bulk listing lags.
    pub(super) fn tag(&mut self, account: &AccountId, change: impl FnOnce(&mut Tags)) {
        let fresh = later(self.now, self.dice.below(60));
        let account = self.accounts.get_mut(account).unwrap();
        change(account.real.tags.as_mut().unwrap());
        account.bulk_fresh = fresh;
    }

    /// A write arrives at Kubernetes, for the object as the process knew it.
    pub(super) fn stores(&mut self, step: &Step, version: u64) -> Result<(), Failure> {
        let key = step.key.as_ref().unwrap();
        let Some(entry) = self.journal.get_mut(key) else {
            return Ok(());
        };
        if self.versions.get(key).copied().unwrap_or_default() != version {
            return Err(Failure::Conflict);
        }
        match &step.action {
            Action::Hold if entry.deleting => return Err(Failure::Conflict),
            Action::Hold => entry.held = true,
            Action::Release => entry.held = false,
            Action::Intend(creation, assigned) => {
                entry.creation = Some(creation.clone());
                entry.assigned = Some(assigned.clone());
            }
            Action::Assign { assigned, .. } => entry.assigned = Some(assigned.clone()),
            Action::Reread => return Ok(()),
            Action::RecordRequest { token, request_id } => {
                let creation = entry
                    .creation
                    .as_mut()
                    .filter(|creation| creation.token == *token);
                creation.ok_or(Failure::Conflict)?.request_id = Some(request_id.clone());
            }
            Action::ApplyOutputs { data, .. } => entry.outputs = OutputsState::Ours(data.clone()),
            _ => unreachable!("not a write of Kubernetes"),
        }
        if entry.deleting && !entry.held {
            self.journal.remove(key);
        }
        *self.versions.entry(key.clone()).or_default() += 1;
        Ok(())
    }
}
