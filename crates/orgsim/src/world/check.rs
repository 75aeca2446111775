//! Input constraints of AWS Organizations, each with the `Reason` InvalidInputException carries.

use std::collections::BTreeMap;

use crate::wire::ApiError;
use crate::wire::organizations::TagInput;

/// Largest page of every AWS Organizations List operation.
const PAGE: usize = 20;

/// User tags on one resource.
pub(crate) const TAGS: usize = 50;

/// The member's value; `INPUT_REQUIRED` when it is missing.
pub(crate) fn required<'a>(member: &str, value: Option<&'a String>) -> Result<&'a str, ApiError> {
    value.map(String::as_str).ok_or_else(|| {
        ApiError::invalid_input("INPUT_REQUIRED", format!("You must provide a value for {member}"))
    })
}

/// A required id of the given shape; `INVALID_PATTERN` for anything else.
pub(crate) fn id<'a>(
    member: &str,
    value: Option<&'a String>,
    shape: fn(&str) -> bool,
) -> Result<&'a str, ApiError> {
    let value = required(member, value)?;
    if shape(value) {
        Ok(value)
    } else {
        Err(pattern(member))
    }
}

pub(crate) fn pattern(member: &str) -> ApiError {
    ApiError::invalid_input(
        "INVALID_PATTERN",
        format!("You provided a value for {member} that does not match the required pattern"),
    )
}

/// Characters, not bytes.
pub(crate) fn length(member: &str, value: &str, shortest: usize, longest: usize) -> Result<(), ApiError> {
    let count = value.chars().count();
    if count < shortest {
        let message = format!("{member} must have at least {shortest} characters");
        return Err(ApiError::invalid_input("MIN_LENGTH_EXCEEDED", message));
    }
    if count > longest {
        let message = format!("{member} must have at most {longest} characters");
        return Err(ApiError::invalid_input("MAX_LENGTH_EXCEEDED", message));
    }
    Ok(())
}

/// `INVALID_ENUM` unless the value is one of the choices.
pub(crate) fn choice(member: &str, value: &str, choices: &[&str]) -> Result<(), ApiError> {
    if choices.contains(&value) {
        return Ok(());
    }
    let message = format!("{member} must be one of {}", choices.join(", "));
    Err(ApiError::invalid_input("INVALID_ENUM", message))
}

/// 1 to 20 for every List operation; 20 when not given, which AWS does not document.
pub(crate) fn max_results(value: Option<i64>) -> Result<usize, ApiError> {
    let Some(value) = value else { return Ok(PAGE) };
    match usize::try_from(value) {
        Ok(0) | Err(_) => Err(ApiError::invalid_input(
            "MIN_VALUE_EXCEEDED",
            "MaxResults must be at least 1",
        )),
        Ok(value) if value > PAGE => Err(ApiError::invalid_input(
            "MAX_VALUE_EXCEEDED",
            "MaxResults must be at most 20",
        )),
        Ok(value) => Ok(value),
    }
}

fn all(text: &str, allowed: impl Fn(char) -> bool) -> bool {
    text.chars().all(allowed)
}

fn lower_or_digit(character: char) -> bool {
    character.is_ascii_lowercase() || character.is_ascii_digit()
}

/// `r-[0-9a-z]{4,32}`
pub(crate) fn is_root(id: &str) -> bool {
    let suffix = id.strip_prefix("r-");
    suffix.is_some_and(|suffix| (4..=32).contains(&suffix.len()) && all(suffix, lower_or_digit))
}

/// `ou-[0-9a-z]{4,32}-[a-z0-9]{8,32}`
pub(crate) fn is_unit(id: &str) -> bool {
    let parts = id.strip_prefix("ou-").and_then(|rest| rest.split_once('-'));
    parts.is_some_and(|(root, own)| {
        let lengths = (4..=32).contains(&root.len()) && (8..=32).contains(&own.len());
        lengths && all(root, lower_or_digit) && all(own, lower_or_digit)
    })
}

pub(crate) fn is_parent(id: &str) -> bool {
    is_root(id) || is_unit(id)
}

/// `\d{12}`
pub(crate) fn is_account(id: &str) -> bool {
    id.len() == 12 && all(id, |character| character.is_ascii_digit())
}

pub(crate) fn is_child(id: &str) -> bool {
    is_account(id) || is_unit(id)
}

/// `car-[a-z0-9]{8,32}`
pub(crate) fn is_creation(id: &str) -> bool {
    let suffix = id.strip_prefix("car-");
    suffix.is_some_and(|suffix| (8..=32).contains(&suffix.len()) && all(suffix, lower_or_digit))
}

/// `p-[0-9a-zA-Z_]{8,128}`
pub(crate) fn is_policy(id: &str) -> bool {
    let suffix = id.strip_prefix("p-");
    let allowed = |character: char| character.is_ascii_alphanumeric() || character == '_';
    suffix.is_some_and(|suffix| (8..=128).contains(&suffix.len()) && all(suffix, allowed))
}

/// `h-[0-9a-z]{8,32}`
pub(crate) fn is_handshake(id: &str) -> bool {
    let suffix = id.strip_prefix("h-");
    suffix.is_some_and(|suffix| (8..=32).contains(&suffix.len()) && all(suffix, lower_or_digit))
}

/// What a policy is attached to.
pub(crate) fn is_target(id: &str) -> bool {
    is_child(id) || is_root(id)
}

/// What the tag operations take: an account, OU, root or policy.
pub(crate) fn is_taggable(id: &str) -> bool {
    is_child(id) || is_root(id) || is_policy(id)
}

/// `[\w+=,.@-]` as in role, session and source identity names.
pub(crate) fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_+=,.@-".contains(character)
}

/// The modelled pattern, which CreateAccount checks at once: `[^\s@]+@[^\s@]+\.[^\s@]+`.
pub(crate) fn is_email(email: &str) -> bool {
    let Some((local, domain)) = email.split_once('@') else {
        return false;
    };
    let plain = |text: &str| !text.is_empty() && all(text, |c| c != '@' && !c.is_whitespace());
    let last = domain.chars().count().saturating_sub(1);
    let inner_dot = domain
        .chars()
        .enumerate()
        .any(|(index, c)| c == '.' && 0 < index && index < last);
    plain(local) && plain(domain) && inner_dot
}

/// CreateAccount's Email, as far as it is checked at once.
pub(crate) fn email(email: &str) -> Result<(), ApiError> {
    length("Email", email, 6, 64)?;
    if is_email(email) {
        Ok(())
    } else {
        Err(pattern("Email"))
    }
}

/// CreateAccount's AccountName.
pub(crate) fn account_name(name: &str) -> Result<(), ApiError> {
    length("AccountName", name, 1, 50)?;
    if all(name, |character| (' '..='~').contains(&character)) {
        Ok(())
    } else {
        Err(pattern("AccountName"))
    }
}

/// The rules CreateAccount's documentation adds to the pattern; breaking one fails the creation with INVALID_EMAIL.
pub(crate) fn is_documented_email(email: &str) -> bool {
    let Some((local, domain)) = email.split_once('@') else {
        return false;
    };
    let local_ok = !local.starts_with('.') && !local.contains(|c| "\"'()<>[]:;,\\|%&".contains(c));
    let edge = |c| c == '-' || c == '.';
    let domain_ok = all(domain, |c| c.is_ascii_alphanumeric() || edge(c))
        && !domain.starts_with(edge)
        && !domain.ends_with(edge);
    email.is_ascii() && local_ok && domain_ok
}

/// `[\p{L}\p{Z}\p{N}_.:/=+\-@]`
fn is_tag_character(character: char) -> bool {
    let separator = character.is_whitespace() && !character.is_control();
    character.is_alphabetic() || character.is_numeric() || separator || "_.:/=+-@".contains(character)
}

/// One tag key of a request: 1 to 128 characters of the tag alphabet, not beginning with `aws:`.
pub(crate) fn tag_key(key: &str) -> Result<(), ApiError> {
    length("Tag.Key", key, 1, 128)?;
    if !all(key, is_tag_character) {
        return Err(pattern("Tag.Key"));
    }
    // Reserved in any mix of cases, says the tagging documentation of every service.
    if key.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("aws:")) {
        let message = "You specified a tag key that is a system tag: aws: is reserved";
        return Err(ApiError::invalid_input("INVALID_SYSTEM_TAGS_PARAMETER", message));
    }
    Ok(())
}

/// A request's tags as a map. Refuses bad keys and values, duplicates, and more than 50 at once.
pub(crate) fn tags(input: Option<&[TagInput]>) -> Result<BTreeMap<String, String>, ApiError> {
    let mut tags = BTreeMap::new();
    for tag in input.unwrap_or_default() {
        let key = required("Tag.Key", tag.key.as_ref())?;
        let value = required("Tag.Value", tag.value.as_ref())?;
        tag_key(key)?;
        length("Tag.Value", value, 0, 256)?;
        if !all(value, is_tag_character) {
            return Err(pattern("Tag.Value"));
        }
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            let message = format!("You specified the tag key {key:?} more than once");
            return Err(ApiError::invalid_input("DUPLICATE_TAG_KEY", message));
        }
    }
    if tags.len() > TAGS {
        return Err(too_many_tags());
    }
    Ok(tags)
}

pub(crate) fn too_many_tags() -> ApiError {
    let message = "You have exceeded the number of tags allowed on this resource: 50";
    ApiError::constraint("MAX_TAG_LIMIT_EXCEEDED", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_their_shapes() {
        assert!(is_root("r-a1b2") && !is_root("r-a1b") && !is_root("r-A1B2"));
        assert!(is_unit("ou-a1b2-12345678") && !is_unit("ou-a1b2-1234567") && !is_unit("ou-12345678"));
        assert!(is_account("012345678901") && !is_account("12345678901"));
        assert!(is_creation("car-0123456789abcdef") && !is_creation("car-0123"));
        assert!(is_taggable("p-FullAWSAccess") && !is_taggable("h-12345678"));
    }

    #[test]
    fn emails_are_refused_at_once_or_later() {
        for bad in ["", "a", "a@", "@b.c", "a@b", "a@b.", "a@.b", "a b@c.d", "a@b@c.d"] {
            assert!(!is_email(bad), "{bad}");
        }
        for late in [
            "ä@b.com",
            ".a@b.com",
            "a%b@c.com",
            "a@-b.com",
            "a@b.com-",
            "a@b_c.com",
            "a'b@c.com",
        ] {
            assert!(is_email(late) && !is_documented_email(late), "{late}");
        }
        for good in ["a@b.c", "aws+team-a@example.co.uk"] {
            assert!(is_email(good) && is_documented_email(good), "{good}");
        }
    }

    fn reason(tags_input: &[(&str, &str)]) -> Option<String> {
        let tag = |(key, value): &(&str, &str)| TagInput {
            key: Some((*key).to_owned()),
            value: Some((*value).to_owned()),
        };
        let input: Vec<_> = tags_input.iter().map(tag).collect();
        let error = tags(Some(&input)).err()?;
        error.reason.map(std::borrow::Cow::into_owned)
    }

    #[test]
    fn tags_are_refused_with_their_reason() {
        assert_eq!(
            reason(&[("Team", "a"), ("team", "b"), ("Straße 1", "x:/=+-@_.")]),
            None
        );
        assert_eq!(
            reason(&[("a", "1"), ("a", "2")]).as_deref(),
            Some("DUPLICATE_TAG_KEY")
        );
        assert_eq!(
            reason(&[("AWS:x", "1")]).as_deref(),
            Some("INVALID_SYSTEM_TAGS_PARAMETER")
        );
        assert_eq!(reason(&[("", "1")]).as_deref(), Some("MIN_LENGTH_EXCEEDED"));
        assert_eq!(
            reason(&[(&"k".repeat(129), "1")]).as_deref(),
            Some("MAX_LENGTH_EXCEEDED")
        );
        assert_eq!(
            reason(&[("k", &"v".repeat(257))]).as_deref(),
            Some("MAX_LENGTH_EXCEEDED")
        );
        assert_eq!(reason(&[("a#b", "1")]).as_deref(), Some("INVALID_PATTERN"));
        assert_eq!(reason(&[("a", "tab\t")]).as_deref(), Some("INVALID_PATTERN"));
    }
}
