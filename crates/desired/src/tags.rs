//! The tags an account should carry: mandatory ones, its own, and Bulkhead's.

use crate::{Rejection, baseline::manifest_path, content::invalid, effect::TagRule};
use api::{AwsAccount, BaselineSpec, TagField};
use model::{AccountKey, Claim, Invalid, Reason, TagChange, TagKey, TagValue, tag_keys};
use regex::{Regex, RegexBuilder};
use std::collections::BTreeMap;

/// AWS's limit of tags on one account (AWS Organizations quotas).
const MOST: usize = 50;
/// Tags of ours that are not in the desired ones: the creation token, which differs per attempt, and the revision.
const RESERVED: usize = 2;
/// Bound of a compiled pattern, so that one Baseline cannot use up the operator's memory.
const PATTERN_BYTES: usize = 1 << 20;

/// One mandatory tag of a revision.
#[derive(Debug)]
pub(crate) struct Rule {
    key: TagKey,
    source: Source,
    allowed: Vec<String>,
    /// As written, and compiled.
    pattern: Option<(String, Regex)>,
    change: TagChange,
}

#[derive(Debug)]
enum Source {
    Field(TagField),
    Tag(String),
}

impl Source {
    fn text(&self) -> String {
        match self {
            Self::Field(field) => manifest_path(*field).to_owned(),
            Self::Tag(key) => format!("spec.tags[{key}]"),
        }
    }

    fn is_tag(&self, name: &str) -> bool {
        matches!(self, Self::Tag(source) if source == name)
    }
}

/// What is wrong with the keys that tenants may set.
pub(crate) fn judge_allowed_keys(keys: &[String]) -> Result<(), Rejection> {
    for entry in keys {
        let start = entry.strip_suffix('*').unwrap_or(entry);
        if reserved(start) || (!start.is_empty() && TagKey::parse(start).is_err()) || entry.is_empty() {
            return Err(invalid(
                "spec.allowedTagKeys",
                format!("{entry:?} must be a tag key or its beginning followed by *"),
            ));
        }
    }
    Ok(())
}

/// The mandatory tags, or what is wrong with them.
pub(crate) fn rules(tags: &BTreeMap<String, TagRule>) -> Result<Vec<Rule>, Rejection> {
    tags.iter().map(|(key, tag)| rule(key, tag)).collect()
}

fn rule(key: &str, tag: &TagRule) -> Result<Rule, Rejection> {
    let field = |name: &str| format!("spec.mandatoryTags[{key}].{name}");
    let parsed = TagKey::parse(key).map_err(|error| invalid(&field("key"), error))?;
    if reserved(key) {
        return Err(invalid(
            &field("key"),
            "keys beginning with aws: or bulkhead.dev/ cannot be set",
        ));
    }
    let source = match (&tag.from_field, &tag.from_tag) {
        (Some(source), None) => Source::Field(*source),
        (None, Some(source)) => Source::Tag(source.clone()),
        _ => {
            return Err(invalid(
                &field("valueFrom"),
                "must have exactly one of field and tag",
            ));
        }
    };
    let pattern = tag
        .pattern
        .as_ref()
        .map(|pattern| Ok((pattern.clone(), compile(pattern)?)))
        .transpose()
        .map_err(|error: String| invalid(&field("pattern"), error))?;
    let allowed: Vec<String> = tag.allowed_values.iter().cloned().collect();
    if let Some((pattern, compiled)) = &pattern
        && !allowed.is_empty()
        && !allowed.iter().any(|value| compiled.is_match(value))
    {
        return Err(invalid(
            &field("allowedValues"),
            format!(
                "none of {} matches the pattern {pattern}, so no value is possible",
                allowed.join(", ")
            ),
        ));
    }
    Ok(Rule {
        key: parsed,
        source,
        allowed,
        pattern,
        change: match tag.change {
            None | Some(api::TagChange::Free) => TagChange::Free,
            Some(api::TagChange::Approved) => TagChange::Approved,
            Some(api::TagChange::Immutable) => TagChange::Immutable,
        },
    })
}

/// The tags whose change a person decides, or nobody may make.
pub(crate) fn changes(rules: &[Rule]) -> BTreeMap<TagKey, TagChange> {
    let bound = rules.iter().filter(|rule| rule.change != TagChange::Free);
    bound.map(|rule| (rule.key.clone(), rule.change)).collect()
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

/// Every tag the account should carry under keys that are ours. `limits`: what the Baseline allows; `None`: that is not
/// known, and the keys the object has stay as they are.
pub(crate) fn desired(
    limits: Option<&BaselineSpec>,
    rules: &[Rule],
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
        let tag = own_key(limits, rules, name)?;
        let value = TagValue::parse(value).map_err(|error| {
            Rejection::new(Reason::TagValueNotAllowed, format!("spec.tags[{name}]: {error}"))
        })?;
        tags.insert(tag, value);
    }
    for rule in rules {
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
fn own_key(limits: Option<&BaselineSpec>, rules: &[Rule], name: &str) -> Result<TagKey, Rejection> {
    let refuse = |why: String| Rejection::new(Reason::TagKeyNotAllowed, format!("spec.tags[{name}]: {why}"));
    let key = TagKey::parse(name).map_err(|error| refuse(error.to_string()))?;
    if reserved(name) {
        return Err(refuse(
            "keys beginning with aws: or bulkhead.dev/ cannot be set".to_owned(),
        ));
    }
    // A key that is itself mandatory is the object's to set only where the Baseline reads it from there.
    if let Some(rule) = rules.iter().find(|rule| rule.key == key)
        && !rule.source.is_tag(name)
    {
        return Err(refuse(format!(
            "the Baseline sets this tag from {}",
            rule.source.text()
        )));
    }
    let read = rules.iter().any(|rule| rule.source.is_tag(name));
    let allowed = limits.map(|limits| limits.allowed_tag_keys.as_slice());
    let listed = |keys: &[String]| {
        keys.iter().any(|entry| match entry.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => entry == name,
        })
    };
    match allowed {
        Some(keys) if !read && !listed(keys) => Err(refuse(format!(
            "the Baseline allows {}",
            allowed_keys(keys, rules)
        ))),
        _ => Ok(key),
    }
}

fn allowed_keys(keys: &[String], rules: &[Rule]) -> String {
    let mut keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    keys.extend(rules.iter().filter_map(|rule| match &rule.source {
        Source::Tag(source) => Some(source.as_str()),
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

impl Rule {
    fn value(
        &self,
        key: &AccountKey,
        object: &AwsAccount,
        account_name: &str,
    ) -> Result<TagValue, Rejection> {
        let spec = &object.spec;
        let source = self.source.text();
        let value = match &self.source {
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
        if !self.allowed.is_empty() && !self.allowed.iter().any(|allowed| allowed == value) {
            return Err(refuse(&format!("one of {}", self.allowed.join(", "))));
        }
        if let Some((pattern, compiled)) = &self.pattern
            && !compiled.is_match(value)
        {
            return Err(refuse(&format!("a match of {pattern}")));
        }
        Ok(parsed)
    }
}
