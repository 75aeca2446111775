//! The tags an account should carry: mandatory ones, its own, and Bulkhead's.

use crate::{
    Rejection,
    baseline::{Terms, invalid, manifest_path},
};
use api::{AwsAccount, BaselineSpec, MandatoryTag, TagField};
use model::{AccountKey, Claim, Invalid, Reason, TagKey, TagValue, tag_keys};
use regex::{Regex, RegexBuilder};
use std::collections::BTreeMap;

/// AWS's limit of tags on one account (AWS Organizations quotas).
const MOST: usize = 50;
/// Tags of ours that are not in the desired ones: the creation token, which differs per attempt, and the revision.
const RESERVED: usize = 2;
/// Bound of a compiled pattern, so that one Baseline cannot use up the operator's memory.
const PATTERN_BYTES: usize = 1 << 20;

/// One mandatory tag of an accepted Baseline.
pub(crate) struct Rule<'a> {
    key: TagKey,
    source: Source<'a>,
    written: &'a MandatoryTag,
    pattern: Option<Regex>,
}

enum Source<'a> {
    Field(TagField),
    Tag(&'a str),
}

impl Source<'_> {
    fn text(&self) -> String {
        match self {
            Self::Field(field) => manifest_path(*field).to_owned(),
            Self::Tag(key) => format!("spec.tags[{key}]"),
        }
    }
}

/// The mandatory tags, or what is wrong with them.
pub(crate) fn rules(spec: &BaselineSpec) -> Result<Vec<Rule<'_>>, Rejection> {
    for entry in &spec.allowed_tag_keys {
        let start = entry.strip_suffix('*').unwrap_or(entry);
        if reserved(start) || (!start.is_empty() && TagKey::parse(start).is_err()) || entry.is_empty() {
            return Err(invalid(
                "spec.allowedTagKeys",
                format!("{entry:?} must be a tag key or its beginning followed by *"),
            ));
        }
    }
    let mut rules: Vec<Rule<'_>> = Vec::new();
    for tag in &spec.mandatory_tags {
        let field = |name: &str| format!("spec.mandatoryTags[{}].{name}", tag.key);
        let key = TagKey::parse(&tag.key).map_err(|error| invalid(&field("key"), error))?;
        if reserved(&tag.key) {
            return Err(invalid(
                &field("key"),
                "keys beginning with aws: or bulkhead.dev/ cannot be set",
            ));
        }
        if rules.iter().any(|rule| rule.key == key) {
            return Err(invalid(
                "spec.mandatoryTags",
                format!("names {:?} twice", tag.key),
            ));
        }
        let source = match (&tag.value_from.field, &tag.value_from.tag) {
            (Some(source), None) => Source::Field(*source),
            (None, Some(source)) => Source::Tag(source),
            _ => {
                return Err(invalid(
                    &field("valueFrom"),
                    "must have exactly one of field and tag",
                ));
            }
        };
        let pattern = tag.pattern.as_deref().map(compile).transpose();
        let pattern = pattern.map_err(|error| invalid(&field("pattern"), error))?;
        rules.push(Rule {
            key,
            source,
            written: tag,
            pattern,
        });
    }
    Ok(rules)
}

/// The pattern, to be matched against whole values. It is compiled alone first: `a)|(b` would be fine only in a group.
fn compile(pattern: &str) -> Result<Regex, String> {
    let build = |text: &str| RegexBuilder::new(text).size_limit(PATTERN_BYTES).build();
    build(pattern)
        .and_then(|_| build(&format!(r"\A(?:{pattern})\z")))
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => format!("{pattern:?} is too large once compiled"),
            // The last line says what is wrong; those before it draw the place with carets.
            error => {
                let text = error.to_string();
                let what = text
                    .lines()
                    .last()
                    .unwrap_or_default()
                    .trim_start_matches("error: ");
                format!("{pattern:?} is not a regular expression: {what}")
            }
        })
}

fn reserved(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    key.starts_with("aws:") || key.starts_with(tag_keys::PREFIX)
}

/// Every tag the account should carry under keys that are ours.
pub(crate) fn desired(
    terms: &Terms<'_>,
    key: &AccountKey,
    object: &AwsAccount,
    account_name: &str,
    claim: &Claim,
) -> Result<BTreeMap<TagKey, TagValue>, Rejection> {
    let mut tags = BTreeMap::new();
    for (tag, value, field) in [
        (tag_keys::CLAIM, claim.as_str(), "metadata"),
        (tag_keys::WORKLOAD, object.spec.workload.as_str(), "spec.workload"),
        (
            tag_keys::ENVIRONMENT,
            object.spec.environment.as_str(),
            "spec.environment",
        ),
    ] {
        let refuse = |error: Invalid| Rejection::new(Reason::InvalidSpec, format!("{field}: {error}"));
        tags.insert(
            TagKey::parse(tag).map_err(refuse)?,
            TagValue::parse(value).map_err(refuse)?,
        );
    }
    for (name, value) in &object.spec.tags {
        let tag = own_key(terms, name)?;
        let value = TagValue::parse(value).map_err(|error| {
            Rejection::new(Reason::TagValueNotAllowed, format!("spec.tags[{name}]: {error}"))
        })?;
        tags.insert(tag, value);
    }
    for rule in &terms.tags {
        tags.insert(rule.key.clone(), rule.value(key, object, account_name)?);
    }
    if tags.len() + RESERVED > MOST {
        return Err(Rejection::new(
            Reason::TooManyTags,
            format!(
                "spec.tags: the account would carry {} tags, {} of them its own; AWS allows {MOST}",
                tags.len() + RESERVED,
                object.spec.tags.len()
            ),
        ));
    }
    Ok(tags)
}

/// A key in `spec.tags`, if the object may set it.
fn own_key(terms: &Terms<'_>, name: &str) -> Result<TagKey, Rejection> {
    let refuse = |why: String| Rejection::new(Reason::TagKeyNotAllowed, format!("spec.tags[{name}]: {why}"));
    let key = TagKey::parse(name).map_err(|error| refuse(error.to_string()))?;
    if reserved(name) {
        return Err(refuse(
            "keys beginning with aws: or bulkhead.dev/ cannot be set".to_owned(),
        ));
    }
    // A key that is itself mandatory is the object's to set only where the Baseline reads it from there.
    if let Some(rule) = terms.tags.iter().find(|rule| rule.key == key)
        && !matches!(rule.source, Source::Tag(source) if source == name)
    {
        return Err(refuse(format!(
            "the Baseline sets this tag from {}",
            rule.source.text()
        )));
    }
    let read = terms
        .tags
        .iter()
        .any(|rule| matches!(rule.source, Source::Tag(source) if source == name));
    let listed = terms
        .spec
        .allowed_tag_keys
        .iter()
        .any(|entry| match entry.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => entry == name,
        });
    if read || listed {
        Ok(key)
    } else {
        Err(refuse(format!("the Baseline allows {}", allowed(terms))))
    }
}

fn allowed(terms: &Terms<'_>) -> String {
    let mut keys: Vec<&str> = terms.spec.allowed_tag_keys.iter().map(String::as_str).collect();
    keys.extend(terms.tags.iter().filter_map(|rule| match rule.source {
        Source::Tag(source) => Some(source),
        Source::Field(_) => None,
    }));
    keys.sort_unstable();
    keys.dedup();
    if keys.is_empty() {
        "no keys".to_owned()
    } else {
        format!("only {}", keys.join(", "))
    }
}

impl Rule<'_> {
    fn value(
        &self,
        key: &AccountKey,
        object: &AwsAccount,
        account_name: &str,
    ) -> Result<TagValue, Rejection> {
        let spec = &object.spec;
        let source = self.source.text();
        let value = match self.source {
            Source::Tag(tag) => spec.tags.get(tag).map(String::as_str),
            Source::Field(TagField::AccountName) => Some(account_name),
            Source::Field(TagField::Namespace) => Some(key.namespace.as_str()),
            Source::Field(TagField::Name) => Some(key.name.as_str()),
            Source::Field(TagField::Workload) => Some(spec.workload.as_str()),
            Source::Field(TagField::Environment) => Some(spec.environment.as_str()),
            Source::Field(TagField::Purpose) => Some(spec.purpose.as_str()),
            Source::Field(TagField::OwnerTeam) => Some(spec.owner.team.as_str()),
            Source::Field(TagField::OwnerContact) => Some(spec.owner.contact.as_str()),
            Source::Field(TagField::CostCenter) => spec.cost_center.as_deref(),
        };
        let Some(value) = value.filter(|value| !value.is_empty()) else {
            return Err(Rejection::new(
                Reason::MissingTagValue,
                format!(
                    "{source}: must be set, because the mandatory tag {:?} takes its value from it",
                    self.key.as_str()
                ),
            ));
        };
        let refuse = |rule: &str| {
            Rejection::new(
                Reason::TagValueNotAllowed,
                format!(
                    "{source}: {value:?} cannot be the value of the mandatory tag {:?}, which must be {rule}",
                    self.key.as_str()
                ),
            )
        };
        let parsed = TagValue::parse(value).map_err(|error| refuse(error.rule))?;
        let MandatoryTag {
            key: _,
            value_from: _,
            pattern,
            allowed_values,
        } = self.written;
        if !allowed_values.is_empty() && !allowed_values.iter().any(|allowed| allowed == value) {
            return Err(refuse(&format!("one of {}", allowed_values.join(", "))));
        }
        if let (Some(pattern), Some(compiled)) = (pattern, &self.pattern)
            && !compiled.is_match(value)
        {
            return Err(refuse(&format!("a match of {pattern}")));
        }
        Ok(parsed)
    }
}
