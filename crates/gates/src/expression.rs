//! What is between the crate `cel` and a condition that may be trusted.
//!
//! `cel` 0.13 departs from the language where a gate would pass by mistake: `0.0 == 0` is false, so is `0 in [0.0]`, and a
//! field of what has no fields is `false` instead of an error, so that `!result.degraded` holds for every list. It also
//! knows no limit of cost, and an evaluation cannot be interrupted. So an expression is rewritten before it is evaluated:
//! these operators become functions of ours (their names begin with `@`, which nobody can write), and wherever values are
//! copied, the copies are counted.

use cel::{
    Context, ExecutionError, IdedExpr, Value,
    common::ast::{
        CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedEntryExpr, ListExpr, LiteralValue, MapEntryExpr,
        MapExpr, operators,
    },
    objects::Key,
};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Functions a condition may call.
const FUNCTIONS: [&str; 13] = [
    "contains",
    "double",
    "endsWith",
    "int",
    "isInf",
    "isNaN",
    "matches",
    "max",
    "min",
    "size",
    "startsWith",
    "string",
    "uint",
];

/// What each step costs apart from what it copies.
const STEP: u64 = 2;
/// What a regular expression costs: it is compiled at every call.
const REGEX: u64 = 1_000;
/// What one with a repetition costs, which may be as large as the crate `regex` allows.
const LARGE_REGEX: u64 = 60_000;

/// The deepest nesting of brackets and signs: the evaluator goes as deep, on a stack that has an end.
const DEEPEST: usize = 50;

const EQUAL: &str = "@eq";
const IN: &str = "@within";
const ITEMS: &str = "@items";
const HAS: &str = "@has";
const CHARGE: &str = "@charge";
const CHARGE_REGEX: &str = "@charge_regex";

/// What must be seen before the parser is let near the text, because it recurses.
pub(crate) fn check_text(text: &str) -> Result<(), String> {
    let (mut depth, mut deepest, mut signs, mut chain) = (0_usize, 0, 0, 0);
    for letter in text.chars() {
        match letter {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '!' | '-' => signs += 1,
            '.' | '?' | '+' | '*' | '/' | '%' | '&' | '|' | '<' | '>' | '=' => chain += 1,
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    if deepest > DEEPEST || signs > DEEPEST || chain > 4 * DEEPEST {
        return Err("too many operators or brackets".to_owned());
    }
    Ok(())
}

/// Checks names: of variables only `result` and those of macros, of functions only [`FUNCTIONS`]. Gives the functions used.
pub(crate) fn check(expression: &IdedExpr) -> Result<BTreeSet<String>, String> {
    let mut used = BTreeSet::new();
    names(expression, &mut vec!["result".to_owned()], &mut used)?;
    Ok(used)
}

fn names(expression: &IdedExpr, known: &mut Vec<String>, used: &mut BTreeSet<String>) -> Result<(), String> {
    match &expression.expr {
        Expr::Literal(_) => Ok(()),
        Expr::Ident(name) if known.contains(name) => Ok(()),
        Expr::Ident(name) => Err(format!("the only variable is `result`, not `{name}`")),
        Expr::Select(select) => names(&select.operand, known, used),
        Expr::List(list) => list
            .elements
            .iter()
            .try_for_each(|element| names(element, known, used)),
        Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
            EntryExpr::MapEntry(entry) => {
                names(&entry.key, known, used)?;
                names(&entry.value, known, used)
            }
            EntryExpr::StructField(_) => Err("messages are not supported".to_owned()),
        }),
        Expr::Struct(_) => Err("messages are not supported".to_owned()),
        Expr::Unspecified => Err("it is empty".to_owned()),
        Expr::Call(call) => {
            let name = call.func_name.as_str();
            if FUNCTIONS.contains(&name) {
                used.insert(name.to_owned());
            } else if !is_operator(name) {
                return Err(format!("there is no function `{name}`"));
            }
            call.target
                .as_deref()
                .into_iter()
                .chain(&call.args)
                .try_for_each(|part| names(part, known, used))
        }
        Expr::Comprehension(steps) => {
            names(&steps.iter_range, known, used)?;
            names(&steps.accu_init, known, used)?;
            let outer = known.len();
            known.push(steps.accu_var.clone());
            known.push(steps.iter_var.clone());
            known.extend(steps.iter_var2.clone());
            let inner = [&steps.loop_cond, &steps.loop_step, &steps.result]
                .into_iter()
                .try_for_each(|part| names(part, known, used));
            known.truncate(outer);
            inner
        }
    }
}

/// Operators that the evaluator knows; the optional ones are not among them.
fn is_operator(name: &str) -> bool {
    [
        operators::CONDITIONAL,
        operators::LOGICAL_AND,
        operators::LOGICAL_OR,
        operators::LOGICAL_NOT,
        operators::EQUALS,
        operators::NOT_EQUALS,
        operators::LESS,
        operators::LESS_EQUALS,
        operators::GREATER,
        operators::GREATER_EQUALS,
        operators::ADD,
        operators::SUBSTRACT,
        operators::MULTIPLY,
        operators::DIVIDE,
        operators::MODULO,
        operators::NEGATE,
        operators::INDEX,
        operators::IN,
        operators::NOT_STRICTLY_FALSE,
    ]
    .contains(&name)
}

/// The expression as it is evaluated.
pub(crate) fn guarded(expression: &IdedExpr) -> IdedExpr {
    let expr = match &expression.expr {
        Expr::Call(call) => return guarded_call(expression.id, call),
        Expr::Select(select) => {
            let field = IdedExpr {
                id: expression.id,
                expr: Expr::Literal(LiteralValue::String(select.field.as_str().into())),
            };
            let name = if select.test { HAS } else { operators::INDEX };
            return call(expression.id, name, vec![guarded(&select.operand), field]);
        }
        Expr::List(list) => Expr::List(ListExpr {
            elements: list
                .elements
                .iter()
                .map(|element| charged(guarded(element)))
                .collect(),
            ..list.clone()
        }),
        Expr::Map(map) => Expr::Map(MapExpr {
            entries: map.entries.iter().map(guarded_entry).collect(),
        }),
        Expr::Comprehension(steps) => Expr::Comprehension(Box::new(ComprehensionExpr {
            iter_range: call(steps.iter_range.id, ITEMS, vec![guarded(&steps.iter_range)]),
            accu_init: guarded(&steps.accu_init),
            loop_cond: guarded(&steps.loop_cond),
            loop_step: charged(guarded(&steps.loop_step)),
            result: guarded(&steps.result),
            ..steps.as_ref().clone()
        })),
        other => other.clone(),
    };
    IdedExpr {
        id: expression.id,
        expr,
    }
}

fn guarded_entry(entry: &IdedEntryExpr) -> IdedEntryExpr {
    IdedEntryExpr {
        id: entry.id,
        expr: match &entry.expr {
            EntryExpr::MapEntry(entry) => EntryExpr::MapEntry(MapEntryExpr {
                key: guarded(&entry.key),
                value: charged(guarded(&entry.value)),
                ..entry.clone()
            }),
            other @ EntryExpr::StructField(_) => other.clone(),
        },
    }
}

fn guarded_call(id: u64, written: &CallExpr) -> IdedExpr {
    let name = written.func_name.as_str();
    let args: Vec<IdedExpr> = written.args.iter().map(guarded).collect();
    match name {
        operators::EQUALS => return call(id, EQUAL, args),
        operators::NOT_EQUALS => return call(id, operators::LOGICAL_NOT, vec![call(id, EQUAL, args)]),
        operators::IN => return call(id, IN, args),
        operators::ADD => return charged(call(id, operators::ADD, args)),
        _ if !FUNCTIONS.contains(&name) => return call(id, name, args),
        _ => {}
    }
    // Functions get copies of what they are called with.
    let charge = |part: IdedExpr| match name {
        "matches" => call(part.id, CHARGE_REGEX, vec![part]),
        _ => charged(part),
    };
    IdedExpr {
        id,
        expr: Expr::Call(CallExpr {
            func_name: name.to_owned(),
            target: written
                .target
                .as_deref()
                .map(|target| Box::new(charged(guarded(target)))),
            args: args.into_iter().map(charge).collect(),
        }),
    }
}

fn call(id: u64, name: &str, args: Vec<IdedExpr>) -> IdedExpr {
    IdedExpr {
        id,
        expr: Expr::Call(CallExpr {
            func_name: name.to_owned(),
            target: None,
            args,
        }),
    }
}

fn charged(part: IdedExpr) -> IdedExpr {
    call(part.id, CHARGE, vec![part])
}

/// Gives the context our functions. What is copied or compared is added to `spent`; beyond `budget` nothing goes on.
pub(crate) fn functions(context: &mut Context<'_>, spent: &Arc<AtomicU64>, budget: u64) {
    let meter = Meter {
        spent: Arc::clone(spent),
        budget,
    };
    let own = meter.clone();
    context.add_function(CHARGE, move |value: Value| {
        own.charge(STEP, &[&value]).map(|()| value)
    });
    let own = meter.clone();
    context.add_function(CHARGE_REGEX, move |value: Value| {
        let large = matches!(&value, Value::String(text) if text.contains('{'));
        own.charge(if large { LARGE_REGEX } else { REGEX }, &[&value])
            .map(|()| value)
    });
    let own = meter.clone();
    context.add_function(EQUAL, move |left: Value, right: Value| {
        own.charge(0, &[&left, &right]).map(|()| left == right)
    });
    let own = meter.clone();
    context.add_function(IN, move |item: Value, place: Value| {
        own.charge(0, &[&item, &place])?;
        contains(&item, &place)
    });
    let own = meter.clone();
    context.add_function(ITEMS, move |place: Value| {
        own.charge(0, &[&place])?;
        items(place)
    });
    let own = meter;
    context.add_function(HAS, move |place: Value, field: Value| {
        own.charge(0, &[&place])?;
        match &place {
            Value::Map(_) => contains(&field, &place),
            other => Err(failed("has", format!("{} has no fields", kind(other)))),
        }
    });
    context.add_function("isNaN", |number: Value| {
        float("isNaN", &number).map(|number| number.is_some_and(f64::is_nan))
    });
    context.add_function("isInf", |number: Value| {
        float("isInf", &number).map(|number| number.is_some_and(f64::is_infinite))
    });
}

#[derive(Clone)]
struct Meter {
    spent: Arc<AtomicU64>,
    budget: u64,
}

impl Meter {
    fn charge(&self, base: u64, values: &[&Value]) -> Result<(), ExecutionError> {
        let before = self.spent.load(Ordering::Relaxed);
        let mut cost = before.saturating_add(base);
        for value in values {
            weigh(value, self.budget, &mut cost);
        }
        self.spent.store(cost, Ordering::Relaxed);
        if cost > self.budget {
            return Err(failed("cost", "too expensive".to_owned()));
        }
        Ok(())
    }
}

/// Adds the number of values in `value`; long texts count for more. Stops beyond the budget.
fn weigh(value: &Value, budget: u64, cost: &mut u64) {
    if *cost > budget {
        return;
    }
    *cost += 1;
    match value {
        Value::List(items) => items.iter().for_each(|item| weigh(item, budget, cost)),
        Value::Map(map) => map.map.values().for_each(|item| weigh(item, budget, cost)),
        Value::String(text) => *cost = cost.saturating_add(text.len() as u64 / 64),
        _ => {}
    }
}

fn contains(item: &Value, place: &Value) -> Result<bool, ExecutionError> {
    match place {
        Value::List(items) => Ok(items.contains(item)),
        Value::Map(map) => {
            let key = match item {
                Value::Int(number) => Key::Int(*number),
                Value::UInt(number) => Key::Uint(*number),
                Value::Bool(truth) => Key::Bool(*truth),
                Value::String(text) => Key::String(Arc::clone(text)),
                other => return Err(failed("in", format!("{} is no key", kind(other)))),
            };
            Ok(map.get(&key).is_some())
        }
        other => Err(failed("in", format!("{} is no list or map", kind(other)))),
    }
}

/// What a macro goes through: the items of a list, or the keys of a map in ascending order, for the evaluator keeps maps in
/// an order that changes from run to run.
fn items(place: Value) -> Result<Value, ExecutionError> {
    match place {
        Value::Map(map) => {
            let keys: BTreeSet<&Key> = map.map.keys().collect();
            Ok(Value::List(Arc::new(keys.into_iter().map(Value::from).collect())))
        }
        list @ Value::List(_) => Ok(list),
        other => Err(failed("macro", format!("{} is no list or map", kind(&other)))),
    }
}

/// `None`: a number that is always finite.
fn float(function: &str, number: &Value) -> Result<Option<f64>, ExecutionError> {
    match number {
        Value::Float(number) => Ok(Some(*number)),
        Value::Int(_) | Value::UInt(_) => Ok(None),
        other => Err(failed(function, format!("{} is no number", kind(other)))),
    }
}

fn failed(function: &str, message: String) -> ExecutionError {
    ExecutionError::FunctionError {
        function: function.to_owned(),
        message,
    }
}

/// Why an evaluation failed, without the values: they may be large, or hold their parts in another order each time.
pub(crate) fn describe(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(key) => format!("there is no key `{key}`"),
        ExecutionError::IndexOutOfBounds(Value::Int(index)) => format!("there is no item {index}"),
        ExecutionError::IndexOutOfBounds(_) => "there is no such item".to_owned(),
        ExecutionError::FunctionError { function, message } => format!("{function}: {message}"),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "division by zero".to_owned()
        }
        ExecutionError::Overflow(..) => "a number is too large".to_owned(),
        ExecutionError::InvalidArgumentCount { expected, actual } => {
            format!("a function takes {expected} arguments, not {actual}")
        }
        ExecutionError::UnsupportedBinaryOperator(operator, left, right) => {
            format!("no {operator} of {} and {}", kind(left), kind(right))
        }
        ExecutionError::ValuesNotComparable(left, right) => {
            format!("{} and {} cannot be compared", kind(left), kind(right))
        }
        _ => "an operator or a function does not fit the type of its value".to_owned(),
    }
}

/// What a value is, in words.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::List(_) => "a list",
        Value::Map(_) => "a map",
        Value::Int(_) | Value::UInt(_) | Value::Float(_) => "a number",
        Value::String(_) => "a text",
        Value::Bool(_) => "a truth value",
        Value::Null => "null",
        _ => "something else",
    }
}

/// JSON as a value of CEL.
pub(crate) fn value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(truth) => Value::Bool(*truth),
        serde_json::Value::Number(number) => number
            .as_i64()
            .map(Value::Int)
            .or_else(|| number.as_u64().map(Value::UInt))
            .or_else(|| number.as_f64().map(Value::Float))
            .unwrap_or(Value::Null),
        serde_json::Value::String(text) => Value::String(Arc::new(text.clone())),
        serde_json::Value::Array(items) => Value::List(Arc::new(items.iter().map(value).collect())),
        serde_json::Value::Object(fields) => {
            let map: HashMap<Key, Value> = fields
                .iter()
                .map(|(key, item)| (Key::String(Arc::new(key.clone())), value(item)))
                .collect();
            Value::Map(map.into())
        }
    }
}
