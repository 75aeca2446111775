//! Service control policies in force: on every call of a member account's session, some time behind what is attached.
//!
//! AWS's documentation calls the effect immediate; in practice it takes seconds, and one change may overtake another. So
//! each attachment, detachment, edit and move is enforced after a lag of its own, and what was before it until then.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::World;
use super::callers::{Caller, access_denied};
use super::policy_types::{SERVICE_CONTROL, TypeStatus};
use super::scp::{self, Context, Document, ScpRequest, Verdict};
use crate::clock::after;
use crate::wire::organizations::Request as OrganizationsRequest;
use crate::wire::sts::Request as StsRequest;
use crate::wire::{ApiError, Exchange, Request, Service};

/// Where AWS Organizations is, whatever Region the caller configured.
const ORGANIZATIONS_REGION: &str = "us-east-1";
/// Nobody's address (RFC 5737): in process there is none, and over TCP it would be the test's own.
const SOURCE_IP: &str = "192.0.2.1";
/// Parsed documents that are remembered; more policies than an organization of ordinary size has.
const DOCUMENTS: usize = 2_000;

/// What was before changes that are not enforced yet, oldest first: in force until the time beside it.
#[derive(Debug, Serialize, Deserialize)]
struct Before<T>(BTreeMap<String, VecDeque<(Timestamp, T)>>);

impl<T> Default for Before<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Before<T> {
    fn add(&mut self, key: String, value: T, until: Timestamp, now: Timestamp) {
        self.0.retain(|_, changes| {
            changes.retain(|(until, _)| *until > now);
            !changes.is_empty()
        });
        if until > now {
            self.0.entry(key).or_default().push_back((until, value));
        }
    }

    fn in_force(&self, key: &str, now: Timestamp) -> Option<&T> {
        let mut changes = self.0.get(key)?.iter();
        changes.find(|(until, _)| *until > now).map(|(_, value)| value)
    }

    /// The rest of the keys that begin so, with what is in force.
    fn below<'a>(&'a self, prefix: &'a str, now: Timestamp) -> impl Iterator<Item = (&'a str, &'a T)> {
        let keys = self.0.range(prefix.to_owned()..);
        let rests = keys.map_while(move |(key, _)| Some((key.as_str(), key.strip_prefix(prefix)?)));
        rests.filter_map(move |(key, rest)| Some((rest, self.in_force(key, now)?)))
    }
}

/// What enforcement remembers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Enforcement {
    /// Whether a policy was attached, by target and policy.
    attached: Before<bool>,
    /// By policy.
    contents: Before<String>,
    /// By account.
    parents: Before<String>,
    /// By content: each is read once.
    #[serde(skip)]
    documents: BTreeMap<String, Arc<Document>>,
}

impl Enforcement {
    /// The target is gone.
    pub(crate) fn forget_target(&mut self, target: &str) {
        let prefix = attachment_key(target, "");
        self.attached.0.retain(|key, _| !key.starts_with(&prefix));
        self.parents.0.remove(target);
    }

    fn document(&mut self, content: &str) -> Arc<Document> {
        if let Some(known) = self.documents.get(content) {
            return Arc::clone(known);
        }
        // CreatePolicy takes nothing that could not be read here.
        let value: Value = serde_json::from_str(content).unwrap_or_default();
        let document = Arc::new(Document::parse(&value).unwrap_or_default());
        if self.documents.len() >= DOCUMENTS {
            self.documents.clear();
        }
        self.documents.insert(content.to_owned(), Arc::clone(&document));
        document
    }
}

fn attachment_key(target: &str, policy: &str) -> String {
    format!("{target} {policy}")
}

impl World {
    /// When a change of now is enforced.
    fn enforced_at(&mut self) -> Timestamp {
        let lag = self.random.scp_lags.duration(self.settings.scp_enforcement_lag);
        after(self.now, lag)
    }

    /// The policy is about to be attached (`was` false) or detached.
    pub(crate) fn enforce_attachment(&mut self, kind: &str, policy: &str, target: &str, was: bool) {
        if kind == SERVICE_CONTROL {
            let until = self.enforced_at();
            let key = attachment_key(target, policy);
            self.enforcement.attached.add(key, was, until, self.now);
        }
    }

    /// The policy had this content until now.
    pub(crate) fn enforce_content(&mut self, kind: &str, policy: &str, before: String) {
        if kind == SERVICE_CONTROL {
            let until = self.enforced_at();
            self.enforcement
                .contents
                .add(policy.to_owned(), before, until, self.now);
        }
    }

    /// The policy is gone; it may still be in force where it was detached a moment ago.
    pub(crate) fn enforce_deletion(&mut self, kind: &str, policy: &str, content: String) {
        if kind == SERVICE_CONTROL {
            let until = after(self.now, self.settings.scp_enforcement_lag.1);
            self.enforcement
                .contents
                .add(policy.to_owned(), content, until, self.now);
        }
    }

    /// The account was below this parent until now.
    pub(crate) fn enforce_move(&mut self, account: &str, before: String) {
        let until = self.enforced_at();
        self.enforcement
            .parents
            .add(account.to_owned(), before, until, self.now);
    }

    /// Disabling the type ends all of it at once.
    pub(crate) fn forget_enforcement(&mut self, kind: &str) {
        if kind == SERVICE_CONTROL {
            self.enforcement = Enforcement::default();
        }
    }

    /// Asks the service control policies of the caller's account, which is what they act on: never the management
    /// account's principals, and never what others do to the account.
    pub(crate) fn ask_policies(
        &mut self,
        exchange: &Exchange,
        request: &Request,
        caller: &Caller,
    ) -> Result<(), ApiError> {
        let act = self.policies_act();
        let member = !caller.management && self.records.accounts.contains_key(&caller.account);
        // GetCallerIdentity needs no permission.
        let free = matches!(request, Request::Sts(StsRequest::GetCallerIdentity));
        if !act || !member || free || scp::is_service_linked(&caller.arn) {
            return Ok(());
        }
        let operation = exchange.operation.as_str();
        let action = format!("{}:{operation}", exchange.service.action_prefix());
        let target = target_of(request);
        let resource = self.requested_resource(request, target);
        let context = self.request_context(exchange, request, target, caller);
        let levels = self.levels_in_force(&caller.account);
        let why = match scp::evaluate(&levels, &ScpRequest::new(&action, &resource, context)) {
            Verdict::Allowed => return Ok(()),
            Verdict::Denied(_) => " with an explicit deny in a service control policy".to_owned(),
            Verdict::NotAllowed { .. } => {
                format!(" because no service control policy allows the {action} action")
            }
        };
        let mut refusal = access_denied(exchange.service, operation, caller, &resource);
        refusal.message.push_str(&why);
        Err(refusal)
    }

    /// Until disabling is complete, and not before enabling is.
    fn policies_act(&self) -> bool {
        let status = self.records.policy_types.get(SERVICE_CONTROL);
        matches!(status, Some(TypeStatus::Enabled | TypeStatus::PendingDisable))
    }

    pub(crate) fn enforced_policies(&self, account: &str) -> Option<Vec<Vec<String>>> {
        let act = self.policies_act() && self.records.accounts.contains_key(account);
        act.then(|| self.contents_in_force(account))
    }

    /// From the root down to the account: the documents in force.
    fn levels_in_force(&mut self, account: &str) -> Vec<Vec<Arc<Document>>> {
        let contents = self.contents_in_force(account);
        let mut levels = Vec::new();
        for level in contents {
            let documents = level.iter().map(|content| self.enforcement.document(content));
            levels.push(documents.collect());
        }
        levels
    }

    /// From the root down to the account: the contents of the policies in force.
    fn contents_in_force(&self, account: &str) -> Vec<Vec<String>> {
        let (now, enforcement) = (self.now, &self.enforcement);
        let parent = self.records.accounts.get(account).map(|account| &account.parent);
        let before = enforcement.parents.in_force(account, now);
        let parent = before
            .filter(|before| self.parent_exists(before).is_ok())
            .or(parent);
        let mut path = vec![self.settings.root_id.clone()];
        path.extend(parent.map(|parent| self.unit_path(parent)).unwrap_or_default());
        path.push(account.to_owned());
        let content = |id: &str| {
            let present = || self.records.policies.get(id).map(|policy| &policy.content);
            enforcement.contents.in_force(id, now).or_else(present).cloned()
        };
        let level = |target: &String| -> Vec<String> {
            let mut ids: BTreeSet<&str> = self.attached(SERVICE_CONTROL, target).collect();
            let prefix = attachment_key(target, "");
            for (policy, was) in enforcement.attached.below(&prefix, now) {
                if *was {
                    ids.insert(policy);
                } else {
                    ids.remove(policy);
                }
            }
            ids.into_iter().filter_map(content).collect()
        };
        path.iter().map(level).collect()
    }

    /// The ARN the action is about; `*` for an action that knows no resources.
    fn requested_resource(&self, request: &Request, target: Option<&String>) -> String {
        let arn = match request {
            Request::Sts(StsRequest::AssumeRole(input)) => input.role_arn.clone().unwrap_or_default(),
            _ => target.map(|id| self.resource_arn(id)).unwrap_or_default(),
        };
        if arn.is_empty() { "*".to_owned() } else { arn }
    }

    /// The condition keys that can be known here.
    fn request_context(
        &self,
        exchange: &Exchange,
        request: &Request,
        target: Option<&String>,
        caller: &Caller,
    ) -> Context {
        let mut context = Context::default();
        let signed = exchange
            .credentials
            .as_ref()
            .map_or("", |credentials| &credentials.region);
        let region = match exchange.service {
            Service::Organizations => ORGANIZATIONS_REGION,
            Service::Sts | Service::Tagging => signed,
        };
        let parent = self
            .records
            .accounts
            .get(&caller.account)
            .map(|account| &account.parent);
        let path = parent.map(|parent| self.id_path(parent)).unwrap_or_default();
        for (key, value) in [
            ("aws:PrincipalArn", scp::principal_arn(&caller.arn)),
            ("aws:PrincipalAccount", caller.account.clone()),
            ("aws:PrincipalOrgID", self.settings.organization_id.clone()),
            ("aws:PrincipalOrgPaths", path),
            ("aws:PrincipalType", "AssumedRole".to_owned()),
            ("aws:PrincipalIsAWSService", "false".to_owned()),
            ("aws:userid", caller.user_id.clone()),
            ("aws:MultiFactorAuthPresent", "false".to_owned()),
            ("aws:ViaAWSService", "false".to_owned()),
            ("aws:RequestedRegion", region.to_owned()),
            ("aws:CurrentTime", self.now.to_string()),
            ("aws:EpochTime", self.now.as_second().to_string()),
            ("aws:SecureTransport", "true".to_owned()),
            ("aws:SourceIp", SOURCE_IP.to_owned()),
        ] {
            context.set_one(key, value);
        }
        if exchange.service == Service::Organizations {
            // The management account owns the whole organization.
            context.set_one("aws:ResourceAccount", &self.settings.management_account_id);
            context.set_one("aws:ResourceOrgID", &self.settings.organization_id);
        }
        for (key, value) in target
            .and_then(|id| self.records.tags.get(id))
            .into_iter()
            .flatten()
        {
            context.set_one(&format!("aws:ResourceTag/{key}"), value);
        }
        if let Request::Sts(StsRequest::AssumeRole(input)) = request {
            for (key, value) in [
                ("sts:RoleSessionName", &input.role_session_name),
                ("sts:ExternalId", &input.external_id),
                ("sts:SourceIdentity", &input.source_identity),
            ] {
                if let Some(value) = value {
                    context.set_one(key, value);
                }
            }
        }
        context
    }
}

/// The id of the one resource a request that is open to members is about.
fn target_of(request: &Request) -> Option<&String> {
    use OrganizationsRequest as R;
    let Request::Organizations(request) = request else {
        return None;
    };
    match request {
        R::DescribeAccount(input) => input.account_id.as_ref(),
        R::DescribeEffectivePolicy(input) => input.target_id.as_ref(),
        R::DescribeOrganizationalUnit(input) => input.organizational_unit_id.as_ref(),
        R::DescribePolicy(input) => input.policy_id.as_ref(),
        R::ListAccountsForParent(input) | R::ListOrganizationalUnitsForParent(input) => {
            input.parent_id.as_ref()
        }
        R::ListChildren(input) => input.parent_id.as_ref(),
        R::ListParents(input) => input.child_id.as_ref(),
        R::ListPoliciesForTarget(input) => input.target_id.as_ref(),
        R::ListTagsForResource(input) => input.resource_id.as_ref(),
        R::ListTargetsForPolicy(input) => input.policy_id.as_ref(),
        _ => None,
    }
}
