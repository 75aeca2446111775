//! JSON in which no name stands twice.

use super::{Defect, Rule, defect::join};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::{cell::RefCell, fmt};

/// Reads JSON and refuses an object in which a name stands twice. JSON leaves open which one counts, so what somebody
/// reviewed need not be what AWS enforces.
pub fn json(text: &str) -> Result<Value, Defect> {
    let twice = RefCell::new(None);
    let node = Node {
        path: String::new(),
        twice: &twice,
    };
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = node
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value));
    read.map_err(|error| match twice.into_inner() {
        Some((path, name)) => Defect::new(path, Rule::DuplicateName, format!("{name:?} twice")),
        None => Defect::missing("", Rule::Json(error.to_string())),
    })
}

/// One value, and where it stands.
struct Node<'a> {
    path: String,
    /// The object and the name that stands twice in it.
    twice: &'a RefCell<Option<(String, String)>>,
}

impl Node<'_> {
    fn child(&self, step: &str) -> Self {
        Self {
            path: join(&self.path, step),
            twice: self.twice,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = elements.next_element_seed(self.child(&format!("[{}]", list.len())))? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                self.twice.replace(Some((self.path, name)));
                return Err(A::Error::custom("a name stands twice"));
            }
            let value = members.next_value_seed(self.child(&name))?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}
