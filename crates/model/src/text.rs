//! Texts with rules: emails, names, tags, organizational-unit paths, claims.

use serde::{Deserialize, Serialize};
use std::{borrow::Borrow, fmt, sync::Arc};

/// A value that breaks a rule: names what it is, the rule and the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {value:?}: must be {rule}")]
pub struct Invalid {
    /// What the value was meant to be.
    pub what: &'static str,
    /// The rule it breaks.
    pub rule: &'static str,
    /// The value as given.
    pub value: String,
}

impl Invalid {
    /// A finding about one value.
    pub fn new(what: &'static str, rule: &'static str, value: &str) -> Self {
        Self {
            what,
            rule,
            value: value.to_owned(),
        }
    }
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $parse:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses, or names the rule that is broken.
            pub fn parse(value: &str) -> Result<Self, Invalid> {
                let rule: fn(&str) -> Result<(), Invalid> = $parse;
                rule(value).map(|()| Self(value.into()))
            }
            /// The text.
            pub fn as_str(&self) -> &str { &self.0 }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str { &self.0 }
        }
        impl TryFrom<String> for $name {
            type Error = Invalid;
            fn try_from(value: String) -> Result<Self, Invalid> { Self::parse(&value) }
        }
        impl From<$name> for String {
            fn from(value: $name) -> String { value.0.as_ref().to_owned() }
        }
    };
}

text!(
    /// Email of an account's root user: 6..64 characters of 7-bit ASCII, one `@`, the documented character rules
    /// (AWS Organizations API, CreateAccount, `Email`). AWS compares emails without regard to case: use [`Email::folded`].
    Email, email_rule
);
text!(
    /// Account name at creation: 1..50 printable ASCII, without `<` and `>` so that it can also be renamed later
    /// (AWS Organizations API, CreateAccount; AWS Account Management API, PutAccountName).
    AccountName, |s| check(s, "account name", "1..50 printable ASCII characters without < or >", (1..=50).contains(&s.len())
        && s.bytes().all(|b| (0x20..=0x7e).contains(&b) && b != b'<' && b != b'>'))
);
text!(
    /// IAM role that AWS makes in the new account: `[\w+=,.@-]{1,64}`, not beginning with `AWSServiceRoleFor`
    /// (AWS Organizations API, CreateAccount, `RoleName`).
    RoleName, |s| check(s, "role name", "1..64 of letters, digits and _+=,.@-, not beginning with AWSServiceRoleFor",
        (1..=64).contains(&s.len()) && !s.starts_with("AWSServiceRoleFor")
        && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b)))
);
text!(
    /// Tag key: 1..128 characters of letters, spaces, digits and `_.:/=+-@`; `aws:` is reserved (AWS Organizations API, `Tag`).
    TagKey, |s| check(s, "tag key", "1..128 letters, digits, spaces and _.:/=+-@, not beginning with aws:",
        (1..=128).contains(&s.chars().count()) && !s.to_ascii_lowercase().starts_with("aws:") && tag_characters(s))
);
text!(
    /// Tag value: 0..256 characters of letters, spaces, digits and `_.:/=+-@` (AWS Organizations API, `Tag`).
    TagValue, |s| check(s, "tag value", "0..256 letters, digits, spaces and _.:/=+-@",
        s.chars().count() <= 256 && tag_characters(s))
);
text!(
    /// Name of this installation of Bulkhead, part of every claim: a DNS label of 1..32 characters, chosen once for good.
    Installation, |s| check(s, "installation", "1..32 of [a-z0-9-], beginning and ending with a letter or digit",
        (1..=32).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !s.starts_with('-') && !s.ends_with('-'))
);

text!(
    /// Name of one content of a Baseline: `<baseline>-<first 10 hexadecimal digits of its hash>`, at most 63 characters.
    RevisionName, |s| check(s, "revision", "the name of a Baseline, - and 10 lower-case hexadecimal digits",
        s.rsplit_once('-').is_some_and(|(baseline, digits)| (1..=52).contains(&baseline.len())
            && baseline.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
            && digits.len() == REVISION_DIGITS && hexadecimal(digits)))
);
text!(
    /// Hash of one content of a Baseline: `sha256:` and 64 lower-case hexadecimal digits.
    RevisionHash, |s| check(s, "hash", "sha256: and 64 lower-case hexadecimal digits",
        s.strip_prefix("sha256:").is_some_and(|digits| digits.len() == 64 && hexadecimal(digits)))
);

text!(
    /// Type of a policy, in AWS's word: `SERVICE_CONTROL_POLICY` and so on (AWS Organizations API, `PolicyType`). AWS adds
    /// types, so those that this version does not know are accepted.
    PolicyType, |s| check(s, "policy type", "1..64 of [A-Z0-9_], beginning with a letter",
        (1..=64).contains(&s.len()) && s.as_bytes()[0].is_ascii_uppercase()
        && s.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_'))
);

text!(
    /// A policy document exactly as AWS stores it: every character counts against the limit of its type, whitespace included
    /// (AWS Organizations User Guide, "Quotas"). JSON; not empty.
    PolicyContent, |s| check(s, "policy content", "a JSON document", !s.is_empty())
);

impl PolicyType {
    /// Service control policies bound what principals of an account may do; they add to each other.
    pub const SERVICE_CONTROL: &'static str = "SERVICE_CONTROL_POLICY";
    /// Resource control policies bound what may be done to the resources of an account; they add to each other.
    pub const RESOURCE_CONTROL: &'static str = "RESOURCE_CONTROL_POLICY";

    /// The type of service control policies.
    pub fn service_control() -> Self {
        Self(Self::SERVICE_CONTROL.into())
    }

    /// Do several policies of this type on one target all hold? Those of other types merge, and the nearest one wins.
    pub fn is_additive(&self) -> bool {
        matches!(self.as_str(), Self::SERVICE_CONTROL | Self::RESOURCE_CONTROL)
    }
}

/// How many digits of its hash a revision's name has.
const REVISION_DIGITS: usize = 10;

fn hexadecimal(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

impl RevisionName {
    /// The Baseline whose content this is.
    pub fn baseline(&self) -> &str {
        self.0.rsplit_once('-').map_or(&self.0, |(baseline, _)| baseline)
    }
}

impl RevisionHash {
    /// The digits that are part of the revision's name.
    pub fn prefix(&self) -> &str {
        let digits = self.0.strip_prefix("sha256:").unwrap_or(&self.0);
        digits.get(..REVISION_DIGITS).unwrap_or(digits)
    }
}

fn check(value: &str, what: &'static str, rule: &'static str, holds: bool) -> Result<(), Invalid> {
    if holds {
        Ok(())
    } else {
        Err(Invalid::new(what, rule, value))
    }
}

fn tag_characters(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c))
}

fn email_rule(value: &str) -> Result<(), Invalid> {
    const WHAT: &str = "email";
    check(value, WHAT, "6..64 characters", (6..=64).contains(&value.len()))?;
    check(value, WHAT, "7-bit ASCII", value.is_ascii())?;
    let Some((local, domain)) = value.split_once('@') else {
        return Err(Invalid::new(WHAT, "of the form local@domain", value));
    };
    check(value, WHAT, "with exactly one @", !domain.contains('@'))?;
    check(
        value,
        WHAT,
        "with a local part that is not empty and does not begin with a dot",
        !local.is_empty() && !local.starts_with('.'),
    )?;
    check(
        value,
        WHAT,
        "without whitespace and without any of \" ' ( ) < > [ ] : ; , \\ | % & before the @",
        local
            .bytes()
            .all(|b| b > 0x20 && b < 0x7f && !b"\"'()<>[]:;,\\|%&".contains(&b)),
    )?;
    check(
        value,
        WHAT,
        "with a domain of letters, digits, - and . that has a dot and neither begins nor ends with - or .",
        domain.contains('.')
            && domain
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
            && !domain.starts_with(['-', '.'])
            && !domain.ends_with(['-', '.']),
    )
}

impl Email {
    /// Lower-cased form for comparisons: AWS treats emails as unique without regard to case.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

/// Path of an organizational unit as names below the root, `Workloads/Prod`: 1..5 levels (AWS: OU depth 5), each name
/// 1..128 characters; a name that itself contains `/` cannot be written in a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OuPath(Vec<String>);

impl OuPath {
    /// AWS's limit of nesting below the root (AWS Organizations quotas).
    pub const MAX_DEPTH: usize = 5;

    /// Parses `A/B/C`.
    pub fn parse(value: &str) -> Result<Self, Invalid> {
        const WHAT: &str = "organizational unit path";
        let names: Vec<String> = value.split('/').map(str::to_owned).collect();
        check(
            value,
            WHAT,
            "at most 5 levels deep (AWS's limit below the root)",
            names.len() <= Self::MAX_DEPTH,
        )?;
        let fits = |name: &String| (1..=128).contains(&name.chars().count()) && name.trim() == name;
        check(
            value,
            WHAT,
            "names of 1..128 characters joined by /, without spaces around a name",
            names.iter().all(fits),
        )?;
        Ok(Self(names))
    }
    /// The names from the root downwards.
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for OuPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("/"))
    }
}
impl TryFrom<String> for OuPath {
    type Error = Invalid;
    fn try_from(value: String) -> Result<Self, Invalid> {
        Self::parse(&value)
    }
}
impl From<OuPath> for String {
    fn from(value: OuPath) -> String {
        value.to_string()
    }
}

/// `<installation>/<namespace>/<name>`: whose account it is. It survives a wiped cluster and new UIDs, because it is made
/// of what Git holds. At most 32 + 63 + 63 + 2 characters, so it fits a tag value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Claim(String);

impl Claim {
    /// The claim of one object.
    pub fn new(installation: &Installation, namespace: &str, name: &str) -> Self {
        Self(format!("{installation}/{namespace}/{name}"))
    }
    /// The tag value.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emails_follow_the_documented_rules() {
        for good in [
            "a@b.co",
            "aws+team.payments-prod@example.com",
            "UPPER@Example.COM",
        ] {
            assert!(Email::parse(good).is_ok(), "{good}");
        }
        for (bad, rule) in [
            ("a@b.c", "6..64"),
            (&format!("{}@example.com", "x".repeat(53)), "6..64"),
            ("no-at.example.com", "local@domain"),
            ("two@@example.com", "exactly one @"),
            (".dot@example.com", "begin with a dot"),
            ("sp ace@example.com", "whitespace"),
            ("per%cent@example.com", "whitespace"),
            ("user@localhost", "has a dot"),
            ("user@-example.com", "has a dot"),
            ("user@example.com.", "has a dot"),
            ("us\u{e9}r@example.com", "7-bit"),
        ] {
            let error = Email::parse(bad).unwrap_err();
            assert!(error.rule.contains(rule), "{bad}: {error}");
        }
    }

    #[test]
    fn paths_are_at_most_five_deep() {
        assert_eq!(
            OuPath::parse("Workloads/Prod").unwrap().names(),
            ["Workloads", "Prod"]
        );
        assert!(OuPath::parse("a/b/c/d/e").is_ok());
        assert!(
            OuPath::parse("a/b/c/d/e/f")
                .unwrap_err()
                .rule
                .contains("5 levels")
        );
        assert!(OuPath::parse("a//b").is_err());
        assert!(OuPath::parse("").is_err());
    }

    #[test]
    fn names_and_tags() {
        assert!(AccountName::parse("payments-prod").is_ok());
        assert!(AccountName::parse("<script>").is_err());
        assert!(AccountName::parse(&"x".repeat(51)).is_err());
        assert!(RoleName::parse("AWSServiceRoleForX").is_err());
        assert!(TagKey::parse("aws:reserved").is_err());
        assert!(TagKey::parse("team:cost center").is_ok());
        assert!(TagValue::parse("").is_ok());
        assert!(TagValue::parse("semi;colon").is_err());
        assert!(Installation::parse("acme").is_ok());
        assert!(Installation::parse("Acme").is_err());
    }
}
