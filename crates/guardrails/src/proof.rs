//! What must stay possible under the policies of an environment, proven before any of them is attached.
//!
//! Old and new policies stand side by side for a while. What is denied then is what either of them denies, so what both allow
//! stays allowed, and each content can be proven by itself. One thing cannot be seen in either alone: the old one allows some
//! Regions, the new one others, and together they allow none. [`regions`] tells.

use crate::{
    catalogue::Catalogue,
    compile::CompiledPolicy,
    evaluate::{Decision, Policies, Request},
    policy::{Defect, Document, Effect, Selection, Statement},
};
use model::{Assertion, PolicyType, RoleName};
use std::collections::{BTreeMap, BTreeSet};

/// The account that stands for all of them: a pattern's `*` becomes this.
const ACCOUNT: &str = "123456789012";
/// Where AWS Organizations is called.
const REGION: &str = "us-east-1";

/// What policies deny that they must not, or allow that they must deny.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Blame {
    /// The operator could not prove any more that an account is usable, or an exempt principal is shut out.
    #[error("{by} denies {who} {action}, which must stay possible whatever else holds", by = Statements(by))]
    LockOut {
        /// `the operator's role <ARN>` or `the exempt principal <ARN>`.
        who: String,
        /// `service:Action`.
        action: String,
        /// The statements that deny it, or may: where they stand, see [`CompiledPolicy::origins`].
        by: Vec<String>,
    },
    /// An assertion does not hold.
    #[error("the assertion expects {expected}, and {by} {verb} {principal} {action} on {resource}", by = Statements(by),
        verb = if *allowed { "allows" } else { "denies" })]
    Assertion {
        /// Its name.
        name: String,
        /// `Allow` or `Deny`.
        expected: &'static str,
        /// What came out.
        allowed: bool,
        /// Who asks.
        principal: String,
        /// What for.
        action: String,
        /// On what.
        resource: String,
        /// The statements that decide: where they stand, or `FullAWSAccess` for AWS's own.
        by: Vec<String>,
    },
    /// A text that is no document. The compiler makes none.
    #[error("{0}")]
    Unreadable(Defect),
}

struct Statements<'a>(&'a [String]);

impl std::fmt::Display for Statements<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            [one] if one == "implicit" => f.write_str("no statement allows it, which"),
            // The others are places, which explain themselves.
            [one] if one == FULL_ACCESS => write!(f, "statement {one}"),
            several => f.write_str(&several.join(", ")),
        }
    }
}

/// Proves the service control policies among those that are attached to an account: the operator's probe from inside stays
/// possible, every exempt principal may do whatever a statement denies to others, and the assertions hold. Above the account
/// everything is taken to be allowed. Guardrails that exempt nobody on purpose may deny exempt principals, too.
///
/// What is not known of a call, nobody may rely on: a statement that denies something only under a condition, such as a
/// missing second factor, some network or some Region, is taken to deny it, unless the condition excludes the caller.
pub fn prove(
    policies: &[CompiledPolicy],
    access_role: &RoleName,
    exempt: &[String],
    assertions: &[Assertion],
) -> Result<(), Box<Blame>> {
    let documents = placed(policies).map_err(|defect| Box::new(Blame::Unreadable(defect)))?;
    // AWS attaches FullAWSAccess to the root, to each unit and to each account.
    let full = full_access();
    let account: Vec<&Document> = documents.iter().chain([&full]).collect();
    let levels = Policies::prepare([vec![&full], account]);
    for account in accounts(&documents) {
        let probe = Request {
            principal: format!("arn:aws:sts::{account}:assumed-role/{access_role}/bulkhead"),
            action: "organizations:DescribeOrganization".to_owned(),
            resource: "*".to_owned(),
            region: Some(REGION.to_owned()),
            context: known(&[("aws:ViaAWSService", "false")]),
            ..Request::default()
        };
        let by = levels.may_deny(&probe);
        locked_out(&documents, "the operator's role", &probe, by)?;
        for pattern in exempt {
            let request = Request {
                principal: principal(pattern, &account),
                context: known(&[]),
                ..Request::default()
            };
            let by = levels.may_bind(&request).into_iter();
            let by = by.filter(|place| !exempts_nobody(place)).collect();
            locked_out(&documents, "the exempt principal", &request, by)?;
        }
    }
    assertions
        .iter()
        .try_for_each(|assertion| holds(&levels, assertion))
}

/// The service control policies, each statement called by where it comes from: whoever wrote it finds it there, and no
/// `Sid` can pretend to be a guardrail's.
fn placed(policies: &[CompiledPolicy]) -> Result<Vec<Document>, Defect> {
    let mut documents = Vec::new();
    for policy in policies {
        if policy.policy_type.as_str() != PolicyType::SERVICE_CONTROL {
            continue;
        }
        let mut document = Document::parse_text(&policy.text)?;
        for (statement, origin) in document.statements.iter_mut().zip(&policy.origins) {
            statement.sid = Some(origin.clone());
        }
        documents.push(document);
    }
    Ok(documents)
}

/// Does it come from a guardrail that exempts nobody on purpose?
fn exempts_nobody(place: &str) -> bool {
    let name = place
        .strip_prefix("guardrails[")
        .and_then(|rest| rest.strip_suffix(']'));
    name.and_then(|name| Catalogue::bundled().get(name).ok())
        .is_some_and(|guardrail| !guardrail.exempts())
}

/// What every call has, and what is known of this one. The account is any.
fn known(more: &[(&str, &str)]) -> BTreeMap<String, Vec<String>> {
    let always = [
        ("aws:SecureTransport", "true"),
        ("aws:PrincipalIsAWSService", "false"),
    ];
    let mut context: BTreeMap<String, Vec<String>> = always
        .iter()
        .chain(more)
        .map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()]))
        .collect();
    context.insert("aws:PrincipalAccount".to_owned(), Vec::new());
    context
}

/// Accounts that conditions tell apart by their principals' ARNs, and one for all others.
fn accounts(documents: &[Document]) -> BTreeSet<String> {
    let statements = documents.iter().flat_map(|document| &document.statements);
    let keys = statements.flat_map(|statement| statement.conditions.values().flatten());
    let arns = keys
        .filter(|(key, _)| key.eq_ignore_ascii_case("aws:PrincipalArn"))
        .flat_map(|(_, values)| values);
    arns.filter_map(|arn| arn.split(':').nth(4))
        .filter(|account| account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()))
        .chain([ACCOUNT])
        .map(str::to_owned)
        .collect()
}

/// A principal that the pattern means, in this account if the pattern is about every account.
fn principal(pattern: &str, account: &str) -> String {
    pattern
        .replacen("::*:", &format!("::{account}:"), 1)
        .replace(['*', '?'], "x")
}

fn locked_out(
    documents: &[Document],
    who: &str,
    request: &Request,
    by: Vec<String>,
) -> Result<(), Box<Blame>> {
    let Some(first) = by.first() else { return Ok(()) };
    let mut statements = documents.iter().flat_map(|document| &document.statements);
    let denying = statements.find(|statement| statement.sid.as_ref() == Some(first));
    let action = match denying.map(|statement| &statement.actions) {
        _ if !request.action.is_empty() => request.action.clone(),
        Some(Selection::Any(patterns)) => patterns.first().cloned().unwrap_or_default(),
        _ => "what it does not leave out".to_owned(),
    };
    Err(Box::new(Blame::LockOut {
        who: format!("{who} {}", request.principal),
        action,
        by,
    }))
}

fn holds(levels: &Policies, assertion: &Assertion) -> Result<(), Box<Blame>> {
    let Assertion {
        name,
        allow,
        principal,
        action,
        resource,
        region,
        context,
    } = assertion;
    let request = Request {
        principal: principal.replacen("::*:", &format!("::{ACCOUNT}:"), 1),
        action: action.clone(),
        resource: resource.clone(),
        region: region.clone(),
        context: context.clone(),
        ..Request::default()
    };
    let verdict = levels.evaluate(&request, None);
    let allowed = verdict.decision == Decision::Allow;
    if allowed == *allow {
        return Ok(());
    }
    Err(Box::new(Blame::Assertion {
        name: name.clone(),
        expected: if *allow { "Allow" } else { "Deny" },
        allowed,
        principal: request.principal,
        action: action.clone(),
        resource: resource.clone(),
        by: verdict.by,
    }))
}

/// `Sid` of AWS's own policy.
const FULL_ACCESS: &str = "FullAWSAccess";

fn full_access() -> Document {
    let everything = || Selection::Any(vec!["*".to_owned()]);
    Document {
        version: Some("2012-10-17".to_owned()),
        id: None,
        statements: vec![Statement {
            sid: Some(FULL_ACCESS.to_owned()),
            effect: Effect::Allow,
            any_principal: false,
            actions: everything(),
            resources: everything(),
            conditions: std::collections::BTreeMap::new(),
        }],
    }
}

/// The Regions that policies leave, where statements deny everything outside of some; `None`: they do not limit Regions.
pub fn regions(policies: &[Document]) -> Option<BTreeSet<String>> {
    let statements = policies.iter().flat_map(|document| &document.statements);
    let limits = statements
        .filter(|statement| statement.effect == Effect::Deny)
        .filter_map(|statement| {
            let named = |operator: &&String| operator.eq_ignore_ascii_case("StringNotEquals");
            let (_, keys) = statement
                .conditions
                .iter()
                .find(|(operator, _)| named(operator))?;
            let (_, regions) = keys
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case("aws:RequestedRegion"))?;
            Some(regions.iter().cloned().collect::<BTreeSet<String>>())
        });
    limits.reduce(|left, right| left.intersection(&right).cloned().collect())
}

#[cfg(test)]
mod tests;
