//! Service control policies: what a request of a member account may do (user guide, orgs_manage_policies_scps_evaluation;
//! IAM user guide, reference_policies_elements_*).
//!
//! Every level from the root to the account needs a statement that allows the request; one that denies it, at any level,
//! wins. Where the guides are silent: a key with several values under an operator without `ForAllValues` or
//! `ForAnyValue` holds when any value does (a negated operator: when every value does); a policy variable without a
//! value, or with several, matches nothing; what a variable stands for has no wildcards.

mod cases;
mod conditions;
mod document;
mod matching;

use std::borrow::Borrow;
use std::collections::BTreeMap;

pub use cases::{ScpCaseError, ScpVerdict, evaluate_scp_cases};
pub(crate) use conditions::is_operator;
pub(crate) use document::Document;

/// The values of the condition keys of one request. Names are not case-sensitive, tag keys within them neither.
#[derive(Clone, Debug, Default)]
pub(crate) struct Context(BTreeMap<String, Vec<String>>);

impl Context {
    /// Replaces what the key had; no values are as good as no key.
    pub(crate) fn set(&mut self, key: &str, values: Vec<String>) {
        self.0.insert(key.to_lowercase(), values);
    }

    pub(crate) fn set_one(&mut self, key: &str, value: impl Into<String>) {
        self.set(key, vec![value.into()]);
    }

    /// `key` in lower case. Empty when the request has no such key.
    fn values(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }
}

/// One request, in the form statements are matched against.
#[derive(Debug)]
pub(crate) struct ScpRequest {
    /// Lowercase, `organizations:leaveorganization`.
    action: Vec<char>,
    resource: Vec<char>,
    context: Context,
}

impl ScpRequest {
    /// `action` is `service:Action`; `resource` an ARN, or `*` where the action knows no resources.
    pub(crate) fn new(action: &str, resource: &str, context: Context) -> Self {
        Self {
            action: action.to_lowercase().chars().collect(),
            resource: resource.chars().collect(),
            context,
        }
    }
}

/// What service control policies say to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed,
    /// By these statements, by `Sid`, or by their place when they have none.
    Denied(Vec<String>),
    /// Nothing at the level (0 is the root) allows it.
    NotAllowed {
        level: usize,
    },
}

/// `levels` from the root to the account. There is no account without any; none allow nothing, as an empty one does.
pub(crate) fn evaluate<D: Borrow<Document>>(levels: &[Vec<D>], request: &ScpRequest) -> Verdict {
    let mut denying = Vec::new();
    let mut not_allowed = levels.is_empty().then_some(0);
    for (level, documents) in levels.iter().enumerate() {
        let mut allowed = false;
        for (place, document) in documents.iter().enumerate() {
            for (number, statement) in document.borrow().applying(request) {
                if statement.is_allow() {
                    allowed = true;
                } else {
                    let unnamed = || format!("level {level}, policy {place}, statement {number}");
                    denying.push(statement.sid().map_or_else(unnamed, str::to_owned));
                }
            }
        }
        if !allowed && not_allowed.is_none() {
            not_allowed = Some(level);
        }
    }
    match not_allowed {
        _ if !denying.is_empty() => Verdict::Denied(denying),
        Some(level) => Verdict::NotAllowed { level },
        None => Verdict::Allowed,
    }
}

/// The role behind `arn:aws:sts::<account>:assumed-role/<role>/<session>`, as `aws:PrincipalArn` names it; its path,
/// which the session's ARN does not tell, is taken to be `/`. Every other ARN is its own principal.
pub(crate) fn principal_arn(arn: &str) -> String {
    let mut parts = arn.splitn(6, ':');
    let (Some(_), Some(partition), Some("sts"), Some(_), Some(account), Some(resource)) = (
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
    ) else {
        return arn.to_owned();
    };
    let Some(session) = resource.strip_prefix("assumed-role/") else {
        return arn.to_owned();
    };
    let role = session.rsplit_once('/').map_or(session, |(role, _)| role);
    format!("arn:{partition}:iam::{account}:role/{role}")
}

/// Service control policies do not act on roles that only a service can assume. Their names are reserved.
pub(crate) fn is_service_linked(arn: &str) -> bool {
    let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
    resource.starts_with("role/aws-service-role/") || resource.starts_with("assumed-role/AWSServiceRoleFor")
}
