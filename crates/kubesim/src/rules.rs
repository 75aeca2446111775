//! `x-kubernetes-validations`: CEL rules, compiled once per CRD and evaluated on every write.
//!
//! kube-cel brings the functions; the walk is our own, because the server correlates the elements of list maps by
//! their keys for `oldSelf` and does not repeat the failure of a value that has not changed.

use crate::{
    failure::{Cause, Failure},
    schema::{Additional, ListType, Schema, SchemaError, Type},
};
use kube_cel::{
    KubeCelExt as _,
    cel::{
        Context, ExecutionError, Program,
        objects::{Key, Map, OptionalValue, Value as Cel},
    },
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::HashMap, sync::Arc};

/// A rule as it stands in the CRD.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RawRule {
    rule: String,
    message: Option<String>,
    message_expression: Option<String>,
    reason: Option<String>,
    field_path: Option<String>,
    #[serde(default)]
    optional_old_self: bool,
}

/// A compiled rule.
#[derive(Debug)]
pub(crate) struct Rule {
    text: String,
    program: Program,
    message: Option<String>,
    message_program: Option<Program>,
    reason: Option<String>,
    field_path: String,
    optional_old_self: bool,
    uses_old: bool,
}

impl Rule {
    pub(crate) fn compile_all(raws: Vec<RawRule>, path: &str) -> Result<Vec<Self>, SchemaError> {
        raws.into_iter().map(|raw| Self::compile(raw, path)).collect()
    }

    fn compile(raw: RawRule, path: &str) -> Result<Self, SchemaError> {
        let program = |text: &str| {
            Program::compile(text).map_err(|error| SchemaError::Malformed {
                path: path.into(),
                message: format!("compilation failed: {text}: {error}"),
            })
        };
        let compiled = program(&raw.rule)?;
        let field_path = raw.field_path.unwrap_or_default();
        if field_path.contains('[') {
            return Err(SchemaError::Unsupported {
                path: path.into(),
                what: "fieldPath with brackets".into(),
            });
        }
        Ok(Self {
            uses_old: compiled.references().has_variable("oldSelf"),
            message_program: raw.message_expression.as_deref().map(program).transpose()?,
            program: compiled,
            text: raw.rule,
            message: raw.message,
            reason: raw.reason,
            field_path,
            optional_old_self: raw.optional_old_self,
        })
    }

    /// `None` when the rule holds or does not apply.
    fn check(&self, engine: &Context<'_>, node: &Node<'_>, values: &Bound) -> Result<Option<Cause>, Failure> {
        let transition = self.uses_old && !self.optional_old_self;
        if transition && values.old.is_none() {
            return Ok(None);
        }
        let mut context = engine.new_inner_scope();
        context.add_variable_from_value("self", values.new.clone());
        if self.optional_old_self {
            let old = values
                .old
                .clone()
                .map_or_else(OptionalValue::none, OptionalValue::of);
            context.add_variable_from_value("oldSelf", Cel::Opaque(Arc::new(old)));
        } else if let Some(old) = &values.old {
            context.add_variable_from_value("oldSelf", old.clone());
        }
        let detail = match self.program.execute(&context) {
            Ok(Cel::Bool(true)) => return Ok(None),
            Ok(Cel::Bool(false)) => self.explain(&context),
            Ok(other) => format!("rule gave {other:?} instead of a boolean: {}", self.text),
            Err(ExecutionError::UndeclaredReference(name)) => {
                return Err(Failure::not_implemented(&format!(
                    "CEL `{name}`, used by the rule {}",
                    self.text
                )));
            }
            Err(error) => format!("{error} evaluating rule: {}", self.text),
        };
        if node.unchanged && !transition {
            return Ok(None); // Ratcheting (KEP-4008): what was stored may stay, however invalid.
        }
        Ok(Some(self.cause(node, &detail)))
    }

    fn explain(&self, context: &Context<'_>) -> String {
        let said = self
            .message_program
            .as_ref()
            .and_then(|program| match program.execute(context) {
                Ok(Cel::String(text)) if !text.trim().is_empty() && !text.contains('\n') => {
                    Some((*text).clone())
                }
                _ => None,
            });
        said.or_else(|| self.message.clone())
            .unwrap_or_else(|| format!("failed rule: {}", self.text))
    }

    fn cause(&self, node: &Node<'_>, detail: &str) -> Cause {
        let field = match format!("{}{}", node.path, self.field_path) {
            root if root.is_empty() => "<nil>".to_owned(),
            field => field.trim_start_matches('.').to_owned(),
        };
        match self.reason.as_deref() {
            Some("FieldValueForbidden") => Cause::forbidden(field, detail),
            Some("FieldValueRequired") => Cause::required(field, detail),
            Some("FieldValueDuplicate") => Cause::duplicate(field, node.new),
            _ => Cause::invalid(field, node.new, detail),
        }
    }
}

/// `self` and `oldSelf`.
struct Bound {
    new: Cel,
    old: Option<Cel>,
}

/// Where the walk stands.
struct Node<'a> {
    schema: &'a Schema,
    new: &'a Value,
    old: Option<&'a Value>,
    path: String,
    unchanged: bool,
}

/// Evaluates every rule of a schema on an object.
pub(crate) struct Engine {
    context: Context<'static>,
}

impl Engine {
    pub(crate) fn new() -> Self {
        let mut context = Context::default().with_all();
        crate::authorizer::register(&mut context);
        Self { context }
    }

    /// A fresh scope with all functions.
    pub(crate) fn scope(&self) -> Context<'_> {
        self.context.new_inner_scope()
    }

    /// The causes of the rules that fail, `Err` when a rule needs what kubesim cannot evaluate.
    pub(crate) fn check(
        &self,
        schema: &Schema,
        new: &Value,
        old: Option<&Value>,
    ) -> Result<Vec<Cause>, Failure> {
        let mut causes = vec![];
        let node = Node {
            schema,
            new,
            old,
            path: String::new(),
            unchanged: old == Some(new),
        };
        self.walk(&node, &mut causes)?;
        Ok(causes)
    }

    fn walk(&self, node: &Node<'_>, causes: &mut Vec<Cause>) -> Result<(), Failure> {
        let Node {
            schema,
            new,
            old,
            path,
            ..
        } = node;
        if new.is_null() {
            return Ok(());
        }
        if !schema.rules.is_empty() {
            let bind = |value: &Value| {
                if path.is_empty() {
                    to_cel(Some(schema), &root_view(value))
                } else {
                    to_cel(Some(schema), value)
                }
            };
            let values = Bound {
                new: bind(new),
                old: old.map(bind),
            };
            for rule in &schema.rules {
                causes.extend(rule.check(&self.context, node, &values)?);
            }
        }
        match new {
            Value::Object(members) => {
                for (name, value) in members {
                    let Some(schema) = schema.member(name) else {
                        continue;
                    };
                    let path = if node.schema.properties.contains_key(name) {
                        format!("{path}{}{name}", if path.is_empty() { "" } else { "." })
                    } else {
                        format!("{path}[{name}]")
                    };
                    let old = old.and_then(|old| old.get(name));
                    self.walk(
                        &Node {
                            schema,
                            new: value,
                            old,
                            path,
                            unchanged: old == Some(value),
                        },
                        causes,
                    )?;
                }
            }
            Value::Array(elements) => {
                let Some(items) = schema.items.as_deref() else {
                    return Ok(());
                };
                for (i, value) in elements.iter().enumerate() {
                    let old = correlate(schema, *old, value);
                    let path = format!("{path}[{i}]");
                    let unchanged = node.unchanged || old == Some(value);
                    self.walk(
                        &Node {
                            schema: items,
                            new: value,
                            old,
                            path,
                            unchanged,
                        },
                        causes,
                    )?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// The old element of the same key; elements of sets and atomic lists have no identity over time.
pub(crate) fn correlate<'a>(list: &Schema, old: Option<&'a Value>, element: &Value) -> Option<&'a Value> {
    let ListType::Map(keys) = &list.list else {
        return None;
    };
    let key = list.key_of(keys, element);
    old?.as_array()?
        .iter()
        .find(|candidate| list.key_of(keys, candidate) == key)
}

/// A root rule may read only the name of the metadata.
fn root_view(object: &Value) -> Value {
    let mut view = object.clone();
    let metadata = &object["metadata"];
    let mut kept = json!({});
    for name in ["name", "generateName"] {
        if let Some(value) = metadata.get(name) {
            kept[name] = value.clone();
        }
    }
    view["metadata"] = kept;
    view
}

/// JSON as CEL sees it: the schema decides between int and double, and between text, time and duration.
pub(crate) fn to_cel(schema: Option<&Schema>, value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(flag) => Cel::Bool(*flag),
        Value::Number(number) => match (schema.and_then(|schema| schema.types), number.as_i64()) {
            (Some(Type::Number), _) | (_, None) => Cel::Float(number.as_f64().unwrap_or_default()),
            (_, Some(integer)) => Cel::Int(integer),
        },
        Value::String(text) => text_to_cel(schema.and_then(|schema| schema.format.as_deref()), text),
        Value::Array(elements) => {
            let items = schema.and_then(|schema| schema.items.as_deref());
            Cel::List(Arc::new(
                elements.iter().map(|element| to_cel(items, element)).collect(),
            ))
        }
        Value::Object(members) => {
            let is_map = schema.is_some_and(|schema| !matches!(schema.additional, Additional::None));
            let entries: HashMap<Key, Cel> = members
                .iter()
                .map(|(name, value)| {
                    let key = if is_map || schema.is_none() {
                        name.clone()
                    } else {
                        escape(name)
                    };
                    let member = schema.and_then(|schema| schema.member(name));
                    (Key::String(Arc::new(key)), to_cel(member, value))
                })
                .collect();
            Cel::Map(Map {
                map: Arc::new(entries),
            })
        }
    }
}

fn text_to_cel(format: Option<&str>, text: &str) -> Cel {
    let plain = Cel::String(Arc::new(text.to_owned()));
    if format != Some("date-time") {
        return plain;
    }
    let mut context = Context::default();
    context.add_variable_from_value("text", plain.clone());
    Program::compile("timestamp(text)")
        .ok()
        .and_then(|p| p.execute(&context).ok())
        .unwrap_or(plain)
}

/// Property names that are no CEL identifiers are escaped (Kubernetes documentation, "Validation rules").
fn escape(name: &str) -> String {
    const RESERVED: [&str; 21] = [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ];
    if RESERVED.contains(&name) {
        return format!("__{name}__");
    }
    name.replace("__", "__underscores__")
        .replace('.', "__dot__")
        .replace('-', "__dash__")
        .replace('/', "__slash__")
}
