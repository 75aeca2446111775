//! Where in a YAML or JSON document a path leads: lines of fields and of members of lists.

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::Spanned;
use std::fmt;

/// One value with the line it begins at, from 1.
#[derive(Debug)]
struct Place {
    line: usize,
    value: Value,
}

#[derive(Debug)]
enum Value {
    Fields(Vec<(String, Place)>),
    Members(Vec<Place>),
    /// A text, or anything else that has no parts.
    Text(String),
}

/// One step of a path.
enum Step<'p> {
    Field(&'p str),
    /// By its number from 0, or by its name.
    Member(&'p str),
}

/// The line, from 1, of what a path leads to: `spec.owner.team`, `spec.stages[2].gates[0].type`,
/// `spec.stages[prod].strategy`; members of lists by number from 0, or by their `name` or `key`. Of a path that ends
/// nowhere, the line of the last part that is there.
pub(crate) fn line_of(source: &str, path: &str) -> usize {
    let Ok(root) = serde_saphyr::from_str::<Spanned<Value>>(source) else {
        return 1;
    };
    let lines: Vec<&str> = source.lines().collect();
    let (mut at, mut line) = (Place::of(root), 1);
    for step in steps(path) {
        let Some(next) = at.step(&step) else { break };
        // A block value begins below its key.
        line = match step {
            Step::Field(name) => key_above(&lines, name, line, next.line),
            Step::Member(_) => next.line,
        };
        at = next;
    }
    line
}

/// The line of a key whose value begins at `value`, at `least` or below it.
fn key_above(lines: &[&str], name: &str, least: usize, value: usize) -> usize {
    let is_key = |line: &usize| {
        let text = lines.get(line.saturating_sub(1)).copied().unwrap_or_default();
        text.match_indices(name).any(|(start, _)| {
            let rest = text[start + name.len()..].trim_start_matches(['"', '\'']);
            let before = text[..start].chars().next_back();
            rest.trim_start().starts_with(':')
                && before.is_none_or(|letter| letter.is_whitespace() || "\"'{,".contains(letter))
        })
    };
    (least..=value).rev().find(is_key).unwrap_or(value)
}

/// What is in brackets may hold dots, and quotes as in a JSON path.
fn steps(path: &str) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (member, after) = inner.split_once(']').unwrap_or((inner, ""));
            steps.push(Step::Member(member.trim_matches(['"', '\''])));
            rest = after;
        } else {
            let rest_of = rest.strip_prefix('.').unwrap_or(rest);
            let end = rest_of.find(['.', '[']).unwrap_or(rest_of.len());
            if end > 0 {
                steps.push(Step::Field(&rest_of[..end]));
            }
            rest = &rest_of[end..];
        }
    }
    steps
}

impl Place {
    fn of(spanned: Spanned<Value>) -> Self {
        Self {
            line: usize::try_from(spanned.referenced.line()).unwrap_or(1),
            value: spanned.value,
        }
    }

    fn step(self, step: &Step<'_>) -> Option<Self> {
        match (self.value, step) {
            (Value::Fields(fields), Step::Field(name) | Step::Member(name)) => {
                let found = fields.into_iter().find(|(key, _)| key == name);
                found.map(|(_, place)| place)
            }
            (Value::Members(members), Step::Member(wanted)) => {
                let number: Option<usize> = wanted.parse().ok();
                // A name of digits alone is a name as well.
                let named = members.iter().position(|member| member.is_named(wanted));
                members.into_iter().nth(named.or(number)?)
            }
            _ => None,
        }
    }

    fn is_named(&self, wanted: &str) -> bool {
        let Value::Fields(fields) = &self.value else {
            return false;
        };
        let names = fields.iter().filter(|(key, _)| key == "name" || key == "key");
        names
            .filter_map(|(_, place)| match &place.value {
                Value::Text(text) => Some(text),
                _ => None,
            })
            .any(|text| text == wanted)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    fields.push((key, Place::of(map.next_value()?)));
                }
                Ok(Value::Fields(fields))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = list.next_element()? {
                    members.push(Place::of(member));
                }
                Ok(Value::Members(members))
            }
            fn visit_str<E>(self, text: &str) -> Result<Value, E> {
                Ok(Value::Text(text.to_owned()))
            }
            fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
                Ok(Value::Text(value.to_string()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
                Ok(Value::Text(value.to_string()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
                Ok(Value::Text(value.to_string()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
                Ok(Value::Text(value.to_string()))
            }
            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Text(String::new()))
            }
            fn visit_none<E>(self) -> Result<Value, E> {
                Ok(Value::Text(String::new()))
            }
            fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Value, D::Error> {
                Value::deserialize(inner)
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Value, D::Error> {
                Value::deserialize(inner)
            }
            fn visit_enum<A: serde::de::EnumAccess<'de>>(self, tagged: A) -> Result<Value, A::Error> {
                let (_, _): (IgnoredAny, _) = tagged.variant()?;
                Ok(Value::Text(String::new()))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# a promotion
spec:
  stages:
  - name: dev
    environment: dev
  - name: prod
    strategy: {type: Waves, waves: [{name: one, targets: 1},
      {name: rest, targets: 50}]}
    gates:
    - name: first
      type: HTTP
    - {name: second, type: Job}
    - type: Prometheus
      name: a.b
      prometheus:
        query: up
";

    #[test]
    fn a_path_leads_to_the_member_and_not_to_the_first_place_of_the_key() {
        for (path, line) in [
            ("spec", 2),
            ("spec.stages", 3),
            ("spec.stages[0].name", 4),
            ("spec.stages[1].name", 6),
            ("spec.stages[1].gates", 9),
            ("spec.stages[1].gates[0].type", 11),
            ("spec.stages[1].gates[1].type", 12),
            ("spec.stages[1].gates[2].type", 13),
            ("spec.stages[1].gates[2].prometheus.query", 16),
            ("spec.stages[1].gates[2].prometheus", 15),
            ("spec.stages[prod].gates[second].type", 12),
            ("spec.stages[prod].gates[a.b].name", 14),
            ("spec.stages[prod].strategy.waves[rest].targets", 8),
            ("spec.stages[1].strategy.waves[0]", 7),
            // What is not there is at what should have it.
            ("spec.stages[1].gates[0].http.url", 10),
            ("spec.stages[0].gates[0]", 4),
            ("spec.nothing", 2),
            ("", 1),
        ] {
            assert_eq!(line_of(TEXT, path), line, "{path}");
        }
    }

    #[test]
    fn json_has_places_as_well() {
        let text = "{\"spec\": {\n \"list\": [\n  {\"name\": \"a\", \"b\": 1},\n  {\"name\": \"c\",\n   \"b\": 2}]}}";
        assert_eq!(line_of(text, "spec.list[1].b"), 5);
        assert_eq!(line_of(text, "spec.list[c].b"), 5);
        assert_eq!(line_of(text, "spec.list[a].b"), 3);
    }

    #[test]
    fn what_cannot_be_read_begins_at_its_beginning() {
        assert_eq!(line_of("a: [", "a"), 1);
    }
}
