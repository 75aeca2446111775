//! `x-kubernetes-validations`: CEL rules, compiled once per CRD and evaluated on every write.
//!
//! kube-cel brings the functions; the walk is our own, because the server correlates the elements of list maps by
//! their keys for `oldSelf` and does not repeat the failure of a value that has not changed.

use crate::{
    failure::{Cause, Failure},
    patterns::Patterns,
    reads::Reads,
    schema::{Additional, ListType, Schema, SchemaError, Type},
};
use kube_cel::{
    KubeCelExt as _,
    cel::{
        Context, ExecutionError, Program,
        objects::{Key, Map as CelMap, OptionalValue, Value as Cel},
    },
};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

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
    /// The rule itself reads `oldSelf`.
    uses_old: bool,
    /// The rule or its message reads `oldSelf`.
    shows_old: bool,
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
        let message_program = raw.message_expression.as_deref().map(program).transpose()?;
        let reads_old = |program: &Program| program.references().has_variable("oldSelf");
        let uses_old = reads_old(&compiled);
        Ok(Self {
            uses_old,
            shows_old: uses_old || message_program.as_ref().is_some_and(reads_old),
            message_program,
            program: compiled,
            text: raw.rule,
            message: raw.message,
            reason: raw.reason,
            field_path,
            optional_old_self: raw.optional_old_self,
        })
    }

    /// Whether the rule judges a change, so that it needs an old value.
    pub(crate) fn is_transition(&self) -> bool {
        self.uses_old && !self.optional_old_self
    }

    /// Whether the rule can fail here.
    ///
    /// Ratcheting (KEP-4008): what was stored may stay, however invalid. The server evaluates the rule and drops the
    /// failure; not to evaluate it gives the same verdict for less.
    fn is_due(&self, node: &Node<'_>) -> bool {
        if self.is_transition() {
            node.old.is_some()
        } else {
            !node.unchanged
        }
    }

    fn programs(&self) -> impl Iterator<Item = &Program> {
        [&self.program].into_iter().chain(&self.message_program)
    }

    /// Adds what the rule and its message read.
    fn add_reads(&self, reads: &mut Reads) {
        for program in self.programs() {
            reads.add(program.expression());
        }
    }

    /// Compiles the regular expressions the rule and its message will need.
    pub(crate) fn compile_patterns(&self, patterns: &Patterns) {
        for program in self.programs() {
            patterns.compile_literals(program.expression());
        }
    }

    /// `None` when the rule holds. The scope has `self`, and `oldSelf` if there is one.
    fn check(
        &self,
        scope: &Context<'_>,
        node: &Node<'_>,
        old: Option<&Cel>,
    ) -> Result<Option<Cause>, Failure> {
        let mut context = scope.new_inner_scope();
        if self.optional_old_self {
            let old = old.cloned().map_or_else(OptionalValue::none, OptionalValue::of);
            context.add_variable_from_value("oldSelf", Cel::Opaque(Arc::new(old)));
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
    patterns: Patterns,
}

impl Engine {
    pub(crate) fn new() -> Self {
        let mut context = Context::default().with_all();
        crate::authorizer::register(&mut context);
        let patterns = Patterns::default();
        patterns.register(&mut context);
        Self { context, patterns }
    }

    /// Takes over what was compiled with a CRD.
    pub(crate) fn know(&self, patterns: &Patterns) {
        self.patterns.extend(patterns);
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

    /// The rules of one node.
    fn judge(&self, node: &Node<'_>, causes: &mut Vec<Cause>) -> Result<(), Failure> {
        let due: Vec<&Rule> = node
            .schema
            .rules
            .iter()
            .filter(|rule| rule.is_due(node))
            .collect();
        if due.is_empty() {
            return Ok(());
        }
        let reads = &node.schema.reads;
        let bind = |value: &Value| {
            if node.path.is_empty() {
                root_to_cel(node.schema, value, reads)
            } else {
                part_to_cel(Some(node.schema), value, reads)
            }
        };
        let mut scope = self.scope();
        scope.add_variable_from_value("self", bind(node.new));
        let shows_old = due.iter().any(|rule| rule.shows_old);
        let old = node.old.filter(|_| shows_old).map(bind);
        if let Some(old) = &old {
            scope.add_variable_from_value("oldSelf", old.clone());
        }
        for rule in due {
            causes.extend(rule.check(&scope, node, old.as_ref())?);
        }
        Ok(())
    }

    fn walk(&self, node: &Node<'_>, causes: &mut Vec<Cause>) -> Result<(), Failure> {
        let Node {
            schema,
            new,
            old,
            path,
            ..
        } = node;
        if new.is_null() || is_idle(schema, *old, node.unchanged) {
            return Ok(());
        }
        self.judge(node, causes)?;
        match new {
            Value::Object(members) => {
                for (name, value) in members {
                    let Some(schema) = schema.member(name) else {
                        continue;
                    };
                    let old = old.and_then(|old| old.get(name));
                    let unchanged = old == Some(value);
                    if is_idle(schema, old, unchanged) {
                        continue;
                    }
                    let path = if node.schema.properties.contains_key(name) {
                        format!("{path}{}{name}", if path.is_empty() { "" } else { "." })
                    } else {
                        format!("{path}[{name}]")
                    };
                    self.walk(
                        &Node {
                            schema,
                            new: value,
                            old,
                            path,
                            unchanged,
                        },
                        causes,
                    )?;
                }
            }
            Value::Array(elements) => {
                let Some(items) = schema.items.as_deref().filter(|items| items.has_rules) else {
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

/// Whether no rule at or below a node can fail.
fn is_idle(schema: &Schema, old: Option<&Value>, unchanged: bool) -> bool {
    !schema.has_rules || unchanged && old.is_some() && schema.is_settled
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

/// What the rules of a schema node read, all together.
pub(crate) fn reads(rules: &[Rule]) -> Reads {
    let mut reads = Reads::default();
    for rule in rules {
        rule.add_reads(&mut reads);
    }
    reads
}

/// An object as its root rules see it: they may read only the name of the metadata.
fn root_to_cel(schema: &Schema, object: &Value, reads: &Reads) -> Cel {
    let mut view = Map::new();
    for (name, value) in object.as_object().into_iter().flatten() {
        // Only what is read is worth copying.
        if reads.member(&escape(name)).is_none() {
            continue;
        }
        let value = if name == "metadata" {
            ["name", "generateName"]
                .into_iter()
                .filter_map(|name| Some((name.to_owned(), value.get(name)?.clone())))
                .collect()
        } else {
            value.clone()
        };
        view.insert(name.clone(), value);
    }
    part_to_cel(Some(schema), &Value::Object(view), reads)
}

/// JSON as CEL sees it: the schema decides between int and double, and between text, time and duration.
pub(crate) fn to_cel(schema: Option<&Schema>, value: &Value) -> Cel {
    part_to_cel(schema, value, &Reads::All)
}

/// A value of which only a part will be read.
fn part_to_cel(schema: Option<&Schema>, value: &Value, reads: &Reads) -> Cel {
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
                .filter_map(|(name, value)| {
                    let key = if is_map || schema.is_none() {
                        name.clone()
                    } else {
                        escape(name)
                    };
                    let read = reads.member(&key)?;
                    let member = schema.and_then(|schema| schema.member(name));
                    Some((Key::String(Arc::new(key)), part_to_cel(member, value, read)))
                })
                .collect();
            Cel::Map(CelMap {
                map: Arc::new(entries),
            })
        }
    }
}

fn text_to_cel(format: Option<&str>, text: &str) -> Cel {
    /// Asking the library is the only way to one of its times; parsing the question each time is the costly part.
    static TIMESTAMP: LazyLock<(Context<'static>, Option<Program>)> =
        LazyLock::new(|| (Context::default(), Program::compile("timestamp(text)").ok()));
    let plain = Cel::String(Arc::new(text.to_owned()));
    if format != Some("date-time") {
        return plain;
    }
    let (root, program) = &*TIMESTAMP;
    let mut context = root.new_inner_scope();
    context.add_variable_from_value("text", plain.clone());
    program
        .as_ref()
        .and_then(|program| program.execute(&context).ok())
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
