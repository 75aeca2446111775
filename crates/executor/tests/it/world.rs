//! A small AWS and a small Kubernetes that write down what they are asked.

use executor::{
    Access, AwsError, Clock, Context, CreateAccountRequest, ErrorClass, Fence, Journal, JournalError,
    ListedAccount, Organization, Organizations, Pacer, Page, PolicyApi, PolicySummary, Rates, Root,
    SharedPacer, Tagged,
};
use jiff::Timestamp;
use model::{
    AccountId, AccountKey, AccountState, Assigned, Change, CreateRequestId, Creation, CreationRecord,
    CreationState, DesiredPolicy, ObservedPolicy, ObservedUnit, OrganizationId, ParentId, PolicyContent,
    PolicyId, PolicyTarget, PolicyType, PolicyTypeState, RootId, TagKey, TagValue, Tags, Token,
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};
use tokio::time::Instant;

#[derive(Clone, Copy)]
pub(crate) struct Virtual(Instant);
impl Clock for Virtual {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_767_225_600).unwrap() + self.0.elapsed()
    }
}

/// What happened, in order; and how the world answers.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) calls: Vec<String>,
    pub(crate) refuse_intent: bool,
    pub(crate) refuse_spending: bool,
    pub(crate) policy_types: BTreeMap<PolicyType, PolicyTypeState>,
    pub(crate) policies: Vec<Policy>,
    /// What an operation answers, if not success.
    pub(crate) refusals: BTreeMap<&'static str, ErrorClass>,
    /// What CreateAccount answers, if not success.
    pub(crate) refusal: Option<ErrorClass>,
    pub(crate) answer_after: Duration,
    pub(crate) throttled: u32,
}

/// A policy as AWS has it.
#[derive(Clone)]
pub(crate) struct Policy {
    pub(crate) id: PolicyId,
    pub(crate) name: String,
    pub(crate) aws_managed: bool,
    pub(crate) content: PolicyContent,
    pub(crate) description: String,
    /// Its tags.
    pub(crate) tags: Tags,
    /// What the bulk listing says of them.
    pub(crate) bulk: Tags,
    pub(crate) targets: BTreeSet<PolicyTarget>,
}

#[derive(Clone, Default)]
pub(crate) struct World(pub(crate) Rc<RefCell<Script>>);

impl World {
    pub(crate) fn call(&self, name: impl Into<String>) {
        self.0.borrow_mut().calls.push(name.into());
    }
    /// A call about something, and what it is refused with.
    pub(crate) fn answer(&self, operation: &'static str, about: &str) -> Result<(), AwsError> {
        self.call(format!("{operation} {about}"));
        match self.0.borrow().refusals.get(operation) {
            Some(class) => Err(failed(class.clone())),
            None => Ok(()),
        }
    }
    pub(crate) fn policies(&self, which: impl Fn(&Policy) -> bool) -> Vec<Policy> {
        let policies = self.0.borrow().policies.clone();
        policies.into_iter().filter(which).collect()
    }
    pub(crate) fn calls(&self) -> Vec<String> {
        self.0.borrow().calls.clone()
    }
}

pub(crate) fn failed(class: ErrorClass) -> AwsError {
    AwsError {
        operation: "Test",
        class,
        message: String::new(),
        request_id: None,
    }
}
pub(crate) fn tags(key: &str, value: &str) -> Tags {
    [(TagKey::parse(key).unwrap(), TagValue::parse(value).unwrap())].into()
}
pub(crate) fn account_id() -> AccountId {
    AccountId::parse("111111111111").unwrap()
}
pub(crate) fn root() -> RootId {
    RootId::parse("r-a1b2").unwrap()
}

impl Organizations for World {
    async fn describe_organization(&self) -> Result<Organization, AwsError> {
        Ok(Organization {
            id: OrganizationId::parse("o-aa111bb222").unwrap(),
            management: AccountId::parse("999999999999").unwrap(),
        })
    }
    async fn list_roots(&self, _: Option<&str>) -> Result<Page<Root>, AwsError> {
        self.call("ListRoots");
        let policy_types = self.0.borrow().policy_types.clone();
        Ok(Page {
            items: vec![Root {
                id: root(),
                policy_types,
            }],
            next: None,
        })
    }
    /// Three pages; the second is empty.
    async fn list_accounts(&self, next: Option<&str>) -> Result<Page<ListedAccount>, AwsError> {
        self.call("ListAccounts");
        if self.0.borrow().throttled > 0 {
            self.0.borrow_mut().throttled -= 1;
            return Err(failed(ErrorClass::Throttled));
        }
        let account = |id: &str, parent: Option<&str>| ListedAccount {
            id: AccountId::parse(id).unwrap(),
            arn: String::new(),
            email: format!("{id}@example.com"),
            name: String::new(),
            state: AccountState::Active,
            parent: parent.map(|parent| ParentId::parse(parent).unwrap()),
        };
        Ok(match next {
            None => Page {
                items: vec![account("111111111111", Some("r-a1b2"))],
                next: Some("2".into()),
            },
            Some("2") => Page {
                items: vec![],
                next: Some("3".into()),
            },
            Some(_) => Page {
                items: vec![account("222222222222", None)],
                next: None,
            },
        })
    }
    async fn describe_account(&self, _: &AccountId) -> Result<ListedAccount, AwsError> {
        Err(failed(ErrorClass::AccountNotFound))
    }
    async fn list_parents(&self, _: &AccountId) -> Result<ParentId, AwsError> {
        self.call("ListParents");
        Ok(ParentId::parse("ou-a1b2-12345678").unwrap())
    }
    async fn list_organizational_units_for_parent(
        &self,
        _: &ParentId,
        _: Option<&str>,
    ) -> Result<Page<ObservedUnit>, AwsError> {
        Ok(Page {
            items: vec![],
            next: None,
        })
    }
    async fn list_creations_in_progress(&self, _: Option<&str>) -> Result<Page<CreationRecord>, AwsError> {
        self.call("ListCreateAccountStatus");
        Ok(Page {
            items: vec![],
            next: None,
        })
    }
    async fn describe_create_account_status(&self, _: &CreateRequestId) -> Result<CreationRecord, AwsError> {
        Err(failed(ErrorClass::CreateAccountStatusNotFound))
    }
    async fn list_tags_for_resource(
        &self,
        id: &str,
        _: Option<&str>,
    ) -> Result<Page<(String, String)>, AwsError> {
        self.answer("ListTagsForResource", id)?;
        let tags = self.policies(|policy| policy.id.as_str() == id).pop();
        let tags = tags.map(|policy| policy.tags).unwrap_or_default();
        Ok(Page {
            items: tags
                .iter()
                .map(|(key, value)| (key.to_string(), value.to_string()))
                .collect(),
            next: None,
        })
    }
    async fn get_resource_tags(&self, _: Option<&str>) -> Result<Page<(Tagged, Tags)>, AwsError> {
        self.call("GetResources");
        let account = (Tagged::Account(account_id()), tags("team", "payments"));
        let tagged = self.policies(|policy| !policy.bulk.is_empty());
        let policies = tagged
            .into_iter()
            .map(|policy| (Tagged::Policy(policy.id), policy.bulk));
        Ok(Page {
            items: policies.chain([account]).collect(),
            next: None,
        })
    }
    async fn create_account(&self, request: &CreateAccountRequest) -> Result<CreationRecord, AwsError> {
        self.call(format!("CreateAccount {}", request.email));
        let wait = self.0.borrow().answer_after;
        tokio::time::sleep(wait).await;
        if !Fence::of_this_call().is_some_and(|fence| fence.permits()) {
            return Err(failed(ErrorClass::TermOver));
        }
        self.call("sent");
        if let Some(class) = self.0.borrow().refusal.clone() {
            return Err(failed(class));
        }
        let id = CreateRequestId::parse("car-12345678").unwrap();
        Ok(CreationRecord {
            id,
            account_name: request.account_name.to_string(),
            state: CreationState::InProgress,
        })
    }
    async fn create_organizational_unit(
        &self,
        _: &ParentId,
        _: &str,
        _: &BTreeMap<String, String>,
    ) -> Result<ObservedUnit, AwsError> {
        Err(failed(ErrorClass::DuplicateOrganizationalUnit))
    }
    async fn move_account(&self, _: &AccountId, _: &ParentId, _: &ParentId) -> Result<(), AwsError> {
        Ok(())
    }
    async fn tag_resource(&self, _: &str, _: &BTreeMap<String, String>) -> Result<(), AwsError> {
        Ok(())
    }
    async fn untag_resource(&self, _: &str, _: &BTreeSet<TagKey>) -> Result<(), AwsError> {
        Ok(())
    }
}

/// Two items a page, and an empty page after the first.
fn paged<T: Clone>(items: &[T], next: Option<&str>) -> Page<T> {
    let from = match next {
        Some("empty") => {
            return Page {
                items: vec![],
                next: Some("2".into()),
            };
        }
        next => next.map_or(0, |next| next.parse().unwrap()),
    };
    let page = items.iter().skip(from).take(2).cloned().collect();
    let next = match from + 2 {
        more if more >= items.len() => None,
        2 => Some("empty".into()),
        more => Some(more.to_string()),
    };
    Page { items: page, next }
}

/// The one type of policies that this world has.
impl PolicyApi for World {
    async fn list_policies(
        &self,
        policy_type: &PolicyType,
        next: Option<&str>,
    ) -> Result<Page<PolicySummary>, AwsError> {
        self.answer("ListPolicies", policy_type.as_str())?;
        let summaries: Vec<_> = self.policies(|_| true).into_iter().map(Policy::summary).collect();
        Ok(paged(&summaries, next))
    }
    async fn describe_policy(&self, id: &PolicyId) -> Result<PolicyContent, AwsError> {
        self.answer("DescribePolicy", id.as_str())?;
        let found = self.policies(|policy| policy.id == *id).pop();
        found
            .map(|policy| policy.content)
            .ok_or_else(|| failed(ErrorClass::PolicyNotFound))
    }
    async fn list_targets_for_policy(
        &self,
        id: &PolicyId,
        next: Option<&str>,
    ) -> Result<Page<PolicyTarget>, AwsError> {
        self.answer("ListTargetsForPolicy", id.as_str())?;
        let found = self.policies(|policy| policy.id == *id).pop();
        let targets: Vec<_> = found.unwrap().targets.into_iter().collect();
        Ok(paged(&targets, next))
    }
    async fn list_policies_for_target(
        &self,
        account: &AccountId,
        policy_type: &PolicyType,
        next: Option<&str>,
    ) -> Result<Page<(PolicyId, String)>, AwsError> {
        self.answer("ListPoliciesForTarget", &format!("{account} {policy_type}"))?;
        let target = PolicyTarget::Account(account.clone());
        let attached = self.policies(|policy| policy.targets.contains(&target));
        let named: Vec<_> = attached
            .into_iter()
            .map(|policy| (policy.id, policy.name))
            .collect();
        Ok(paged(&named, next))
    }
    async fn describe_effective_policy(
        &self,
        account: &AccountId,
        policy_type: &PolicyType,
    ) -> Result<String, AwsError> {
        self.answer("DescribeEffectivePolicy", &format!("{account} {policy_type}"))?;
        Ok("{}".to_owned())
    }
    async fn enable_policy_type(&self, root: &RootId, policy_type: &PolicyType) -> Result<(), AwsError> {
        self.answer("EnablePolicyType", &format!("{root} {policy_type}"))
    }
    async fn create_policy(
        &self,
        policy: &DesiredPolicy,
        description: &str,
        tags: &Tags,
    ) -> Result<ObservedPolicy, AwsError> {
        self.answer("CreatePolicy", &policy.name)?;
        let made = Policy {
            id: PolicyId::parse("p-created0001").unwrap(),
            name: policy.name.clone(),
            aws_managed: false,
            content: policy.content.clone(),
            description: description.to_owned(),
            tags: tags.clone(),
            bulk: Tags::new(),
            targets: BTreeSet::new(),
        };
        self.0.borrow_mut().policies.push(made.clone());
        Ok(ObservedPolicy {
            id: made.id,
            name: made.name,
            policy_type: policy.policy_type.clone(),
            aws_managed: false,
            content: Some(made.content),
            tags: Some(made.tags),
        })
    }
    async fn update_policy(&self, id: &PolicyId, content: &PolicyContent) -> Result<(), AwsError> {
        self.answer("UpdatePolicy", &format!("{id} {content}"))
    }
    async fn delete_policy(&self, id: &PolicyId) -> Result<(), AwsError> {
        self.answer("DeletePolicy", id.as_str())
    }
    async fn attach_policy(&self, policy: &PolicyId, account: &AccountId) -> Result<(), AwsError> {
        self.answer("AttachPolicy", &format!("{policy} {account}"))
    }
    async fn detach_policy(&self, policy: &PolicyId, account: &AccountId) -> Result<(), AwsError> {
        self.answer("DetachPolicy", &format!("{policy} {account}"))
    }
}

impl Policy {
    fn summary(self) -> PolicySummary {
        PolicySummary {
            id: self.id,
            name: self.name,
            policy_type: PolicyType::service_control(),
            aws_managed: self.aws_managed,
        }
    }
}

impl Access for World {
    async fn verify(&self, _: &AccountId, _: &str) -> Result<(), AwsError> {
        Err(failed(ErrorClass::AccessDenied))
    }
}

impl Journal for World {
    async fn hold(&self, _: &AccountKey) -> Result<(), JournalError> {
        Ok(())
    }
    async fn release(&self, _: &AccountKey) -> Result<(), JournalError> {
        Ok(())
    }
    async fn intend(&self, _: &AccountKey, _: &Creation, assigned: &Assigned) -> Result<(), JournalError> {
        self.call(format!("intend {}", assigned.tag()));
        Ok(())
    }
    async fn assign(&self, _: &AccountKey, assigned: &Assigned) -> Result<(), JournalError> {
        self.call(format!("assign {}", assigned.tag()));
        Ok(())
    }
    async fn reread(&self, _: &AccountKey) -> Result<(), JournalError> {
        self.call("reread");
        Ok(())
    }
    async fn record_request(
        &self,
        _: &AccountKey,
        _: &Token,
        _: &CreateRequestId,
    ) -> Result<(), JournalError> {
        Ok(())
    }
    async fn withdraw(&self, _: &AccountKey, _: &Token) -> Result<(), JournalError> {
        Ok(())
    }
    async fn confirm(&self, _: &AccountKey, _: &Token) -> Result<(), JournalError> {
        self.call("confirm");
        if self.0.borrow().refuse_intent {
            Err(JournalError::Conflict)
        } else {
            Ok(())
        }
    }
    async fn spend(&self, change: &Change) -> Result<(), JournalError> {
        self.call(format!("spend {change:?}"));
        if self.0.borrow().refuse_spending {
            Err(JournalError::Conflict)
        } else {
            Ok(())
        }
    }
    async fn apply_outputs(
        &self,
        _: &AccountKey,
        _: &str,
        _: &BTreeMap<String, String>,
    ) -> Result<(), JournalError> {
        Ok(())
    }
}

pub(crate) fn context(world: &World, term: Duration) -> Context<World, World, Virtual> {
    let clock = Virtual(Instant::now());
    let fence = Fence::default();
    fence.open_until(Instant::now() + term);
    Context {
        aws: world.clone(),
        journal: world.clone(),
        clock,
        pacer: SharedPacer::new(Pacer::new(
            Rates {
                multiplier: 1.0,
                share: 1.0,
            },
            clock.now(),
        )),
        fence,
        installation: "heron".into(),
    }
}
