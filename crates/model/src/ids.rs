//! Identifiers as AWS gives them.

use crate::text::Invalid;
use serde::{Deserialize, Serialize};
use std::{borrow::Borrow, fmt, sync::Arc};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses the text AWS writes.
            pub fn parse(value: &str) -> Result<Self, Invalid> {
                let check: fn(&str) -> bool = $check;
                if check(value) { Ok(Self(value.into())) } else { Err(Invalid::new($what, $rule, value)) }
            }
            /// The text as AWS writes it.
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

fn lower_alnum(text: &str, min: usize, max: usize) -> bool {
    (min..=max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

id!(
    /// Account id: 12 digits, never reused (AWS Organizations API, `AccountId`).
    AccountId, "account id", "12 digits", |s| s.len() == 12 && s.bytes().all(|b| b.is_ascii_digit())
);
id!(
    /// Organization id: `o-` and 10..32 lower-case letters or digits (AWS Organizations API, `OrganizationId`).
    OrganizationId, "organization id", "o- and 10..32 of [a-z0-9]",
    |s| s.strip_prefix("o-").is_some_and(|r| lower_alnum(r, 10, 32))
);
id!(
    /// Root id: `r-` and 4..32 lower-case letters or digits (AWS Organizations API, `RootId`).
    RootId, "root id", "r- and 4..32 of [a-z0-9]",
    |s| s.strip_prefix("r-").is_some_and(|r| lower_alnum(r, 4, 32))
);
id!(
    /// Organizational unit id: `ou-<root suffix>-<8..32>` (AWS Organizations API, `OrganizationalUnitId`).
    OuId, "organizational unit id", "ou-<4..32>-<8..32> of [a-z0-9]",
    |s| s.strip_prefix("ou-").and_then(|r| r.split_once('-'))
        .is_some_and(|(root, own)| lower_alnum(root, 4, 32) && lower_alnum(own, 8, 32))
);
id!(
    /// Id of a CreateAccount request: `car-` and 8..32 (AWS Organizations API, `CreateAccountRequestId`).
    CreateRequestId, "create request id", "car- and 8..32 of [a-z0-9]",
    |s| s.strip_prefix("car-").is_some_and(|r| lower_alnum(r, 8, 32))
);
id!(
    /// Policy id: `p-` and 8..128 letters, digits or `_` (AWS Organizations API, `PolicyId`). AWS's own policies have names
    /// for ids, such as `p-FullAWSAccess`.
    PolicyId, "policy id", "p- and 8..128 of [0-9a-zA-Z_]",
    |s| s.strip_prefix("p-").is_some_and(|r| (8..=128).contains(&r.len())
        && r.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
);
id!(
    /// Names one creation attempt; it travels as a tag in the CreateAccount request, and is used for one call only.
    Token, "creation token", "16..64 of [a-z0-9]", |s| lower_alnum(s, 16, 64)
);

/// The parent of an account or organizational unit: the root or a unit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ParentId {
    /// Directly under the organization's root, where AWS puts every new account.
    Root(RootId),
    /// In an organizational unit.
    Ou(OuId),
}

impl ParentId {
    /// Parses either form.
    pub fn parse(value: &str) -> Result<Self, Invalid> {
        if value.starts_with("r-") {
            RootId::parse(value).map(Self::Root)
        } else {
            OuId::parse(value).map(Self::Ou)
        }
    }
    /// The text as AWS writes it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Root(id) => id.as_str(),
            Self::Ou(id) => id.as_str(),
        }
    }
}

impl fmt::Display for ParentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_aws_writes_and_nothing_else() {
        assert!(AccountId::parse("123456789012").is_ok());
        assert!(AccountId::parse("12345678901").is_err());
        assert!(OuId::parse("ou-a1b2-12345678").is_ok());
        assert!(OuId::parse("ou-12345678").is_err());
        assert!(CreateRequestId::parse("car-examplecreateaccountrequestid111").is_ok());
        assert!(OrganizationId::parse("o-exampleorgid").is_ok());
        assert_eq!(ParentId::parse("r-a1b2").unwrap().as_str(), "r-a1b2");
        let error = RootId::parse("x").unwrap_err().to_string();
        assert_eq!(error, "root id \"x\": must be r- and 4..32 of [a-z0-9]");
    }
}
