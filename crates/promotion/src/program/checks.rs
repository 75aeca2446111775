//! What every rule is made of: the path, the rule, the value.

use super::Refusal;
use crate::{
    Share,
    spec::{Amount, Span},
};
use jiff::SignedDuration;
use std::{collections::BTreeSet, fmt};

pub(super) const SECOND: SignedDuration = SignedDuration::from_secs(1);
pub(super) const MINUTE: SignedDuration = SignedDuration::from_mins(1);
pub(super) const HOUR: SignedDuration = SignedDuration::from_hours(1);
pub(crate) const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A place in the object.
#[derive(Clone)]
pub(crate) struct At(String);

impl At {
    pub(crate) fn new(root: &str) -> Self {
        Self(root.to_owned())
    }

    pub(crate) fn field(&self, name: &str) -> Self {
        Self(format!("{}.{name}", self.0))
    }

    pub(crate) fn item(&self, name: &str) -> Self {
        Self(format!("{}[{name}]", self.0))
    }

    pub(crate) fn number(&self, number: usize) -> Self {
        Self(format!("{}[{number}]", self.0))
    }

    pub(crate) fn refuse(&self, message: String) -> Refusal {
        Refusal {
            path: self.0.clone(),
            message,
        }
    }

    /// `rule` is a sentence whose subject is the path.
    pub(crate) fn broken(&self, rule: impl fmt::Display, value: impl fmt::Debug) -> Refusal {
        self.refuse(format!("{rule}, not {value:?}"))
    }
}

pub(crate) fn list(at: &At, length: usize, least: usize, most: usize) -> Result<(), Refusal> {
    if (least..=most).contains(&length) {
        Ok(())
    } else {
        Err(at.broken(format!("has {least} to {most} members"), length))
    }
}

/// No value stands there twice.
pub(super) fn unique<'a>(
    at: &At,
    what: &str,
    values: impl IntoIterator<Item = &'a str>,
) -> Result<(), Refusal> {
    let mut seen = BTreeSet::new();
    match values.into_iter().find(|value| !seen.insert(*value)) {
        None => Ok(()),
        Some(twice) => Err(at.refuse(format!("has unique {what}, and {twice:?} stands there twice"))),
    }
}

/// A name as Kubernetes calls a label (RFC 1123): it also stands in annotations such as `stage/gate@attempt`.
pub(super) fn label(at: &At, name: &str) -> Result<(), Refusal> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fine = (1..=63).contains(&name.len())
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-');
    if fine {
        Ok(())
    } else {
        Err(at.broken(
            "has 1 to 63 lower-case letters, digits and `-`, and no `-` at either end",
            name,
        ))
    }
}

/// Some text without line breaks.
pub(super) fn one_line(at: &At, text: &str, most: usize) -> Result<(), Refusal> {
    if text.trim().is_empty() || text.chars().count() > most || text.chars().any(char::is_control) {
        Err(at.broken(
            format!("is one line of 1 to {most} characters and not blank"),
            text,
        ))
    } else {
        Ok(())
    }
}

/// Some text, with line breaks if need be.
pub(super) fn text(at: &At, text: &str, most: usize) -> Result<(), Refusal> {
    if text.trim().is_empty() || text.chars().count() > most {
        Err(at.broken(format!("has 1 to {most} characters and is not blank"), text))
    } else {
        Ok(())
    }
}

pub(super) fn between(at: &At, number: u32, least: u32, most: u32) -> Result<u32, Refusal> {
    if (least..=most).contains(&number) {
        Ok(number)
    } else {
        Err(at.broken(format!("is {least} to {most}"), number))
    }
}

pub(crate) fn span(
    at: &At,
    given: &Span,
    least: SignedDuration,
    most: SignedDuration,
) -> Result<SignedDuration, Refusal> {
    given
        .parse()
        .filter(|span| (least..=most).contains(span))
        .ok_or_else(|| {
            at.broken(
                format!("is a duration such as `90s` or `1h30m`, {least:#} to {most:#}"),
                &given.0,
            )
        })
}

pub(super) fn share(at: &At, amount: &Amount, least: u32) -> Result<Share, Refusal> {
    Share::parse(amount, least).map_err(|rule| at.refuse(format!("{rule}, not {amount}")))
}

/// What is written as JSON has so many bytes at most.
pub(super) fn size(at: &At, value: &(impl serde::Serialize + ?Sized), most: usize) -> Result<(), Refusal> {
    let mut bytes = Bytes(0);
    match serde_json::to_writer(&mut bytes, value) {
        Ok(()) if bytes.0 <= most => Ok(()),
        Ok(()) => Err(at.refuse(format!("has {most} bytes as JSON at most, not {}", bytes.0))),
        Err(why) => Err(at.refuse(format!("can be written as JSON: {why}"))),
    }
}

/// Counts what is written, and keeps nothing.
struct Bytes(usize);

impl std::io::Write for Bytes {
    fn write(&mut self, part: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.saturating_add(part.len());
        Ok(part.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
