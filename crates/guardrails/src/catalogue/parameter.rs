//! Parameters of guardrails: typed, with defaults and rules.

use crate::{Problem, Refusal};
use model::TagKey;
use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A text.
    String,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// Texts.
    StringList,
    /// Regions: `eu-west-1`.
    RegionList,
    /// Accounts: 12 digits.
    AccountIdList,
    /// ARNs in which `*` and `?` are wildcards.
    ArnPatternList,
    /// Keys of tags.
    TagKeyList,
    /// Actions in which `*` and `?` are wildcards: `s3:Get*`.
    ActionList,
}

impl Kind {
    /// The word in a file of the catalogue.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::StringList => "stringList",
            Self::RegionList => "regionList",
            Self::AccountIdList => "accountIdList",
            Self::ArnPatternList => "arnPatternList",
            Self::TagKeyList => "tagKeyList",
            Self::ActionList => "actionList",
        }
    }

    const fn expected(self) -> &'static str {
        match self {
            Self::String => "a text",
            Self::Integer => "a whole number",
            Self::Boolean => "true or false",
            Self::StringList => "a list of texts",
            Self::RegionList => "a list of Regions",
            Self::AccountIdList => "a list of account ids",
            Self::ArnPatternList => "a list of ARN patterns",
            Self::TagKeyList => "a list of tag keys",
            Self::ActionList => "a list of actions",
        }
    }

    /// Must a value be a list?
    pub const fn is_list(self) -> bool {
        !matches!(self, Self::String | Self::Integer | Self::Boolean)
    }

    /// The rule that an item breaks.
    fn broken(self, item: &str) -> Option<&'static str> {
        let holds = match self {
            Self::RegionList => is_region(item),
            Self::AccountIdList => item.len() == 12 && item.bytes().all(|b| b.is_ascii_digit()),
            // A variable would stand for something else in each request, and a condition or a quote ends nothing in JSON.
            Self::ArnPatternList => is_arn_pattern(item),
            Self::TagKeyList => TagKey::parse(item).is_ok(),
            Self::ActionList => is_action(item),
            Self::String | Self::Integer | Self::Boolean | Self::StringList => true,
        };
        if holds {
            return None;
        }
        Some(match self {
            Self::RegionList => "must be a Region such as eu-west-1 or ap-southeast-2",
            Self::AccountIdList => "must be 12 digits",
            Self::ArnPatternList => {
                "must be arn:aws:<service>:<Region>:<account>:<resource>, without a variable"
            }
            Self::TagKeyList => {
                "must be 1..128 letters, digits, spaces and _.:/=+-@, not beginning with aws:"
            }
            _ => "must be service:Name, where * and ? are wildcards in the name",
        })
    }
}

/// The last word of every Region's name: one that has another is misspelled, and not a Region yet to come.
const DIRECTIONS: [&str; 9] = [
    "central",
    "east",
    "north",
    "northeast",
    "northwest",
    "south",
    "southeast",
    "southwest",
    "west",
];

/// `eu-west-1`, `us-gov-east-1`, `ap-southeast-7`.
fn is_region(text: &str) -> bool {
    if !text
        .rsplit('-')
        .nth(1)
        .is_some_and(|word| DIRECTIONS.contains(&word))
    {
        return false;
    }
    let mut parts = text.split('-').rev();
    let number = parts
        .next()
        .is_some_and(|part| (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()));
    let mut words = 0;
    let lower = parts.all(|part| {
        words += 1;
        part.len() >= 2 && part.bytes().all(|b| b.is_ascii_lowercase())
    });
    number && lower && (2..=3).contains(&words)
}

fn is_arn_pattern(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_graphic() && !b"\"\\${}<>".contains(&b);
    text.starts_with("arn:aws:")
        && text.splitn(6, ':').count() == 6
        && text.len() <= 2048
        && text.bytes().all(plain)
}

fn is_action(text: &str) -> bool {
    text.split_once(':').is_some_and(|(service, name)| {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        !service.is_empty()
            && service.bytes().all(word)
            && !name.is_empty()
            && name.bytes().all(|b| word(b) || b == b'*' || b == b'?')
    })
}

/// One parameter.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Parameter {
    name: String,
    #[serde(rename = "type")]
    kind: Kind,
    description: String,
    #[serde(default)]
    required: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    default: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pattern: Option<Pattern>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min_items: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_items: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    minimum: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    maximum: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    allowed_values: Vec<String>,
}

/// A regular expression that a text, or each item of a list, must match.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Pattern(Regex);

impl TryFrom<String> for Pattern {
    type Error = regex::Error;
    fn try_from(text: String) -> Result<Self, regex::Error> {
        Regex::new(&text).map(Self)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0.as_str().to_owned()
    }
}

impl Parameter {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What a value must be.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What it decides.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The value it has when none is given; `None`: one must be given.
    pub fn default(&self) -> Option<&Value> {
        self.default.as_ref()
    }

    /// Its rules beside the type, as people read them.
    pub fn rules(&self) -> Vec<String> {
        let mut rules = Vec::new();
        let mut add = |rule: Option<String>| rules.extend(rule);
        add(self.min_items.map(|least| format!("at least {least} items")));
        add(self.max_items.map(|most| format!("at most {most} items")));
        add(self.minimum.map(|least| format!("at least {least}")));
        add(self.maximum.map(|most| format!("at most {most}")));
        add(self
            .pattern
            .as_ref()
            .map(|pattern| format!("matches {}", pattern.0)));
        let allowed = &self.allowed_values;
        add((!allowed.is_empty()).then(|| format!("one of {}", allowed.join(", "))));
        rules
    }

    /// A parameter has a default, or must be given.
    pub(super) fn is_consistent(&self) -> bool {
        self.required != self.default.is_some()
    }

    /// The value: as given, else the default. Lists have no order, so they come sorted, each item once.
    pub(super) fn value(&self, path: &str, given: Option<&Value>) -> Result<Value, Refusal> {
        let expected = self.kind.expected();
        let Some(value) = given.or(self.default.as_ref()) else {
            return Err(Refusal::new(path, Problem::Missing { expected }));
        };
        let wrong = |path: &str, expected, value: &Value| {
            let found = value.to_string();
            Err(Refusal::new(path, Problem::WrongType { expected, found }))
        };
        match (self.kind, value) {
            (Kind::Boolean, Value::Bool(_)) => Ok(value.clone()),
            (Kind::Integer, Value::Number(number)) => match number.as_i64() {
                Some(number) => self.number(path, number),
                None => wrong(path, expected, value),
            },
            (Kind::String, Value::String(text)) => self.text(path, text).map(|()| value.clone()),
            (kind, Value::Array(items)) if kind.is_list() => {
                let mut texts = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    let Value::String(text) = item else {
                        return wrong(&path, "a text", item);
                    };
                    self.text(&path, text)?;
                    texts.push(text.clone());
                }
                texts.sort();
                texts.dedup();
                self.count(path, texts.len())?;
                Ok(texts.into())
            }
            _ => wrong(path, expected, value),
        }
    }

    fn number(&self, path: &str, number: i64) -> Result<Value, Refusal> {
        let range = self.minimum.unwrap_or(i64::MIN)..=self.maximum.unwrap_or(i64::MAX);
        if range.contains(&number) {
            return Ok(number.into());
        }
        Err(Refusal::invalid(
            path,
            format!("must be {}", self.rules().join(" and ")),
            number,
        ))
    }

    fn count(&self, path: &str, items: usize) -> Result<(), Refusal> {
        let (least, most) = (self.min_items.unwrap_or(0), self.max_items.unwrap_or(usize::MAX));
        let items_of = |number: usize| match number {
            0 => "an empty list".to_owned(),
            1 => "a list of 1 item".to_owned(),
            many => format!("a list of {many} items"),
        };
        let rule = if items < least {
            let plural = if least == 1 { "" } else { "s" };
            format!("must have at least {least} item{plural}")
        } else if items > most {
            let plural = if most == 1 { "" } else { "s" };
            format!("must have at most {most} item{plural}")
        } else {
            return Ok(());
        };
        Err(Refusal::invalid(path, rule, items_of(items)))
    }

    fn text(&self, path: &str, text: &str) -> Result<(), Refusal> {
        let broken = self.kind.broken(text).map(str::to_owned);
        let unmatched = || {
            let pattern = self.pattern.as_ref().filter(|pattern| !pattern.0.is_match(text));
            pattern.map(|pattern| format!("must match {}", pattern.0))
        };
        let forbidden = || {
            let allowed = &self.allowed_values;
            let forbidden = !allowed.is_empty() && !allowed.iter().any(|allowed| allowed == text);
            forbidden.then(|| format!("must be one of {}", allowed.join(", ")))
        };
        match broken.or_else(unmatched).or_else(forbidden) {
            Some(rule) => Err(Refusal::invalid(path, rule, format!("{text:?}"))),
            None => Ok(()),
        }
    }
}
