//! What must stay possible under the policies of an environment, proven before any of them is attached.
//!
//! Old and new policies stand side by side for a while. What is denied then is what either of them denies, so what both allow
//! stays allowed, and each content can be proven by itself. One thing cannot be seen in either alone: the old one allows some
//! Regions, the new one others, and together they allow none. [`regions`] tells.

use crate::{
    catalogue::{Catalogue, Guardrail},
    evaluate::{Decision, Policies, Request},
    policy::{Document, Effect, Selection, Statement},
};
use model::{Assertion, RoleName};
use std::collections::BTreeSet;

/// The account that stands for all of them: a pattern's `*` becomes this.
const ACCOUNT: &str = "123456789012";
/// Where AWS Organizations is called.
const REGION: &str = "us-east-1";

/// What policies deny that they must not, or allow that they must deny.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Blame {
    /// The operator could not prove any more that an account is usable, or an exempt principal is shut out.
    #[error("{by} denies {who} {action}, which must stay possible", by = Statements(by))]
    LockOut {
        /// `the operator's role <ARN>` or `the exempt principal <ARN>`.
        who: String,
        /// `service:Action`.
        action: String,
        /// The statements that deny it, by `Sid`; `implicit`: none allows it.
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
        /// The statements that decide, by `Sid`.
        by: Vec<String>,
    },
}

struct Statements<'a>(&'a [String]);

impl std::fmt::Display for Statements<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            [one] if one == "implicit" => f.write_str("no statement allows it, which"),
            [one] => write!(f, "statement {one}"),
            several => write!(f, "statements {}", several.join(", ")),
        }
    }
}

/// Proves service control policies that are attached to an account: the operator's probe from inside stays possible, every
/// exempt principal may do whatever a statement denies to others, and the assertions hold. Above the account everything is
/// taken to be allowed. Statements of guardrails that exempt nobody on purpose may deny exempt principals, too.
pub fn prove(
    policies: &[Document],
    access_role: &RoleName,
    exempt: &[String],
    assertions: &[Assertion],
) -> Result<(), Box<Blame>> {
    let unexempt = &unexempt(policies);
    // AWS attaches FullAWSAccess to the root, to each unit and to each account.
    let full = full_access();
    let account: Vec<&Document> = policies.iter().chain([&full]).collect();
    let levels = Policies::prepare([vec![&full], account]);
    let probe = Request {
        principal: format!("arn:aws:sts::{ACCOUNT}:assumed-role/{access_role}/bulkhead"),
        action: "organizations:DescribeOrganization".to_owned(),
        resource: "*".to_owned(),
        region: Some(REGION.to_owned()),
        ..Request::default()
    };
    may(&levels, "the operator's role", &probe, &BTreeSet::new())?;
    for pattern in exempt {
        for (action, resource) in denied(policies) {
            let request = Request {
                principal: pattern.replace('*', ACCOUNT),
                action,
                resource,
                region: Some(REGION.to_owned()),
                ..Request::default()
            };
            may(&levels, "the exempt principal", &request, unexempt)?;
        }
    }
    assertions
        .iter()
        .try_for_each(|assertion| holds(&levels, assertion))
}

/// Statements of guardrails that exempt nobody: their `Sid` is the guardrail's name, perhaps with a number.
fn unexempt(policies: &[Document]) -> BTreeSet<String> {
    let names: Vec<&str> = Catalogue::bundled()
        .iter()
        .filter(|guardrail| !guardrail.exempts())
        .map(Guardrail::name)
        .collect();
    let numbered = |sid: &str, name: &str| {
        sid.strip_prefix(name)
            .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
    };
    let statements = policies.iter().flat_map(|document| &document.statements);
    let sids = statements.filter_map(|statement| statement.sid.as_deref());
    sids.filter(|sid| names.iter().any(|name| numbered(sid, name)))
        .map(str::to_owned)
        .collect()
}

fn may(
    levels: &Policies,
    who: &str,
    request: &Request,
    unexempt: &BTreeSet<String>,
) -> Result<(), Box<Blame>> {
    let verdict = levels.evaluate(request, None);
    let by: Vec<String> = verdict
        .by
        .into_iter()
        .filter(|statement| !unexempt.contains(statement))
        .collect();
    if verdict.decision == Decision::Allow || by.is_empty() {
        return Ok(());
    }
    Err(Box::new(Blame::LockOut {
        who: format!("{who} {}", request.principal),
        action: request.action.clone(),
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

/// One request for each thing that a statement denies, as far as it says so by name.
fn denied(policies: &[Document]) -> BTreeSet<(String, String)> {
    let statements = policies.iter().flat_map(|document| &document.statements);
    let mut requests = BTreeSet::new();
    for statement in statements.filter(|statement| statement.effect == Effect::Deny) {
        let actions: Vec<String> = match &statement.actions {
            Selection::Any(patterns) => patterns.iter().map(|pattern| concrete_action(pattern)).collect(),
            // Anything but these; one that no list of exceptions names.
            Selection::Not(_) => vec!["ec2:DescribeInstances".to_owned(), "ec2:RunInstances".to_owned()],
        };
        let resource = match &statement.resources {
            Selection::Any(patterns) => patterns
                .first()
                .map_or("*".to_owned(), |pattern| pattern.replace(['*', '?'], "x")),
            Selection::Not(_) => "*".to_owned(),
        };
        requests.extend(actions.into_iter().map(|action| (action, resource.clone())));
    }
    requests
}

fn concrete_action(pattern: &str) -> String {
    if pattern == "*" {
        return "iam:GetRole".to_owned();
    }
    pattern.replace(['*', '?'], "X")
}

fn full_access() -> Document {
    let everything = || Selection::Any(vec!["*".to_owned()]);
    Document {
        version: Some("2012-10-17".to_owned()),
        id: None,
        statements: vec![Statement {
            sid: Some("FullAWSAccess".to_owned()),
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
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        Document::parse_text(text).unwrap()
    }
    fn role() -> RoleName {
        RoleName::parse("Access").unwrap()
    }
    fn proven(policies: &[Document], exempt: &[&str], assertions: &[Assertion]) -> Result<(), Box<Blame>> {
        let exempt: Vec<String> = exempt.iter().map(|&pattern| pattern.to_owned()).collect();
        prove(policies, &role(), &exempt, assertions)
    }

    const ALL: &str =
        r#"{"Version":"2012-10-17","Statement":[{"Sid":"all","Effect":"Deny","Action":"*","Resource":"*"}]}"#;
    const BUT_ROLES: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"butRoles","Effect":"Deny","Action":["s3:Put*","iam:*"],"Resource":"*",
        "Condition":{"ArnNotLike":{"aws:PrincipalArn":["arn:aws:iam::*:role/Access","arn:aws:iam::*:role/break-glass"]}}}]}"#;
    const LEAVE: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"denyLeaveOrganization","Effect":"Deny","Action":"organizations:LeaveOrganization","Resource":"*"}]}"#;

    #[test]
    fn a_policy_that_shuts_the_operator_out_is_refused_with_its_statement() {
        let blame = proven(&[document(ALL)], &[], &[]).unwrap_err();
        let text = blame.to_string();
        assert!(
            text.contains("statement all denies the operator's role"),
            "{text}"
        );
        assert!(text.contains("organizations:DescribeOrganization"), "{text}");
        // An allow-list without it does so as well: AWS's own policy allows everything, so only where that is gone.
        assert_eq!(proven(&[document(BUT_ROLES), document(LEAVE)], &[], &[]), Ok(()));
    }

    #[test]
    fn exempt_principals_may_what_others_may_not() {
        let policies = [document(BUT_ROLES), document(LEAVE)];
        assert_eq!(
            proven(&policies, &["arn:aws:iam::*:role/break-glass"], &[]),
            Ok(())
        );
        let blame = proven(&policies, &["arn:aws:iam::*:role/audit"], &[]).unwrap_err();
        assert!(
            blame
                .to_string()
                .contains("statement butRoles denies the exempt principal"),
            "{blame}"
        );
    }

    #[test]
    fn an_assertion_that_does_not_hold_names_what_decides() {
        let asked = |allow, principal: &str, action: &str| Assertion {
            name: "a".into(),
            allow,
            principal: principal.into(),
            action: action.into(),
            resource: "*".into(),
            region: None,
            context: std::collections::BTreeMap::new(),
        };
        let policies = [document(BUT_ROLES)];
        let dev = "arn:aws:iam::*:role/dev";
        assert_eq!(
            proven(&policies, &[], &[asked(false, dev, "iam:CreateRole")]),
            Ok(())
        );
        assert_eq!(
            proven(
                &policies,
                &[],
                &[asked(true, "arn:aws:iam::*:role/break-glass", "iam:CreateRole")]
            ),
            Ok(())
        );
        let denied = proven(&policies, &[], &[asked(true, dev, "iam:CreateRole")])
            .unwrap_err()
            .to_string();
        assert!(
            denied.contains("expects Allow, and statement butRoles denies"),
            "{denied}"
        );
        let allowed = proven(&policies, &[], &[asked(false, dev, "ec2:RunInstances")])
            .unwrap_err()
            .to_string();
        assert!(
            allowed.contains("expects Deny, and statement FullAWSAccess allows"),
            "{allowed}"
        );
    }

    #[test]
    fn regions_are_what_every_limit_leaves() {
        let limit = |regions: &str| {
            document(&format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny","NotAction":"iam:*","Resource":"*",
                "Condition":{{"StringNotEquals":{{"aws:RequestedRegion":{regions}}}}}}}]}}"#
            ))
        };
        assert_eq!(regions(&[document(ALL)]), None);
        let both = [
            limit(r#"["eu-west-1","eu-central-1"]"#),
            limit(r#"["eu-west-1","us-east-1"]"#),
        ];
        assert_eq!(regions(&both), Some(BTreeSet::from(["eu-west-1".to_owned()])));
    }
}
