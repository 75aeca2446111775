//! Whom guardrails exempt.

use crate::Refusal;
use model::RoleName;

/// The partition of AWS; the only one so far.
pub(crate) const PARTITION: &str = "aws";

/// Roles in AWS's own paths: nobody but AWS makes roles below it, so a wildcard there lets nobody in who chooses a name.
const RESERVED: &str = "aws-reserved/";

/// The roles that every guardrail exempts: ARN patterns for `ArnNotLike` on `aws:PrincipalArn`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exemptions {
    patterns: Vec<String>,
}

impl Exemptions {
    /// The operator's role in the account (at the root path, where AWS makes it) and the roles of `exemptPrincipals`.
    ///
    /// A pattern of `exemptPrincipals` is `arn:aws:iam::<account or *>:role/<path and name>`. The path and the name are
    /// exact: a wildcard there would exempt whoever may make a role and choose its name. Only below `aws-reserved/`, where
    /// AWS alone makes roles (IAM Identity Center), `*` and `?` may stand.
    pub fn new(access_role: &RoleName, exempt_principals: &[String]) -> Result<Self, Refusal> {
        let mut patterns = vec![format!("arn:{PARTITION}:iam::*:role/{access_role}")];
        for (index, pattern) in exempt_principals.iter().enumerate() {
            if !is_role(pattern) {
                let rule = "must be arn:aws:iam::<12 digits or *>:role/<path and name>, with wildcards only below \
                            role/aws-reserved/";
                let path = format!("exemptPrincipals[{index}]");
                return Err(Refusal::invalid(path, rule, format!("{pattern:?}")));
            }
            patterns.push(pattern.clone());
        }
        patterns.sort();
        patterns.dedup();
        Ok(Self { patterns })
    }

    /// The ARN patterns, sorted.
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }
}

fn is_role(pattern: &str) -> bool {
    let role = || {
        let rest = pattern.strip_prefix("arn:aws:iam::")?;
        let (account, rest) = rest.split_once(':')?;
        let known = account == "*" || (account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()));
        rest.strip_prefix("role/").filter(|_| known)
    };
    let Some(role) = role() else { return false };
    let exact = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-/".contains(&b);
    match role.strip_prefix(RESERVED) {
        Some(rest) => !rest.is_empty() && rest.bytes().all(|b| exact(b) || matches!(b, b'*' | b'?')),
        None => !role.is_empty() && !role.ends_with('/') && role.bytes().all(exact),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exemptions(patterns: &[&str]) -> Result<Exemptions, Refusal> {
        let patterns: Vec<String> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
        Exemptions::new(&RoleName::parse("Access").unwrap(), &patterns)
    }

    #[test]
    fn the_operators_role_is_always_exempt_and_nothing_stands_twice() {
        let roles = exemptions(&[
            "arn:aws:iam::*:role/break-glass",
            "arn:aws:iam::*:role/break-glass",
        ])
        .unwrap();
        let expected = ["arn:aws:iam::*:role/Access", "arn:aws:iam::*:role/break-glass"];
        assert_eq!(roles.patterns(), expected);
    }

    #[test]
    fn a_pattern_that_anybody_could_meet_is_refused() {
        for good in [
            "arn:aws:iam::*:role/break-glass",
            "arn:aws:iam::123456789012:role/platform/deploy",
            "arn:aws:iam::*:role/aws-reserved/sso.amazonaws.com/*/AWSReservedSSO_Admin_*",
        ] {
            assert!(exemptions(&[good]).is_ok(), "{good}");
        }
        for bad in [
            "*",
            "arn:aws:iam::*:role/*",
            "arn:aws:iam::*:role/break-glass*",
            "arn:aws:iam::*:role/*/break-glass",
            "arn:aws:iam::*:role/break-glas?",
            "arn:aws:iam::*:role/platform/",
            "arn:aws:iam::*:role/",
            "arn:aws:iam::*:role/aws-reserved/",
            "arn:aws:iam::1*:role/break-glass",
            "arn:aws:iam:::role/break-glass",
            "arn:*:iam::*:role/break-glass",
            "arn:aws-cn:iam::*:role/break-glass",
            "arn:aws:iam::*:user/alice",
            "arn:aws:iam::*:root",
            "arn:aws:sts::*:assumed-role/break-glass/*",
            "arn:aws:iam::*:role/${aws:PrincipalTag/role}",
        ] {
            let refusal = exemptions(&["arn:aws:iam::*:role/fine", bad]).unwrap_err();
            assert_eq!(refusal.path, "exemptPrincipals[1]", "{bad}");
            assert!(
                refusal.to_string().contains(bad.split('*').next().unwrap()),
                "{refusal}"
            );
        }
    }
}
