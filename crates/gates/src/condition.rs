//! `successCondition` and `failureCondition`: CEL over `result`.

use crate::{
    expression,
    message::{hide, one_line},
};
use cel::{Context, Program, Value as CelValue};
use promotion::MeasuredResult;
use serde_json::Value;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Characters a condition has at most: an evaluation cannot be interrupted.
pub const CONDITION_LENGTH: usize = 1_000;

/// Values that one evaluation may copy or look at: well below a second of work.
const BUDGET: u64 = 300_000;
/// Characters of a result that a message shows.
const SHOWN: usize = 120;
/// Characters of an evaluator's error that a message shows.
const ERROR_SHOWN: usize = 250;
/// Characters of a condition that a message shows.
const TEXT_SHOWN: usize = 100;

/// Checks a condition: its length, its syntax, that its only variable is `result`, and that it uses no function but
/// `size`, `contains`, `startsWith`, `endsWith`, `matches`, `string`, `int`, `uint`, `double`, `min`, `max`, `isNaN` and
/// `isInf`, and the macros `has`, `all`, `exists`, `exists_one`, `filter` and `map`. `Err` says what is wrong, in one line.
pub fn check_condition(text: &str) -> Result<(), String> {
    parse(text).map(|_| ())
}

/// What a gate asks of its result.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conditions<'a> {
    pub(crate) success: &'a str,
    pub(crate) failure: Option<&'a str>,
}

/// What was measured.
#[derive(Clone, Debug)]
pub(crate) struct Measurement {
    /// The variable `result`.
    result: CelValue,
    /// The same as a person reads it.
    shown: String,
    /// One of its numbers is none.
    not_a_number: bool,
}

impl Measurement {
    /// A JSON value. `secrets` are not shown.
    pub(crate) fn json(value: &Value, secrets: &[String]) -> Self {
        Self {
            result: expression::value(value),
            shown: one_line(&hide(&value.to_string(), secrets), SHOWN),
            not_a_number: false,
        }
    }

    /// One number.
    pub(crate) fn scalar(number: f64) -> Self {
        Self {
            result: CelValue::Float(number),
            shown: number.to_string(),
            not_a_number: number.is_nan(),
        }
    }

    /// A list of numbers.
    pub(crate) fn vector(numbers: &[f64]) -> Self {
        let texts: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        Self {
            result: CelValue::List(Arc::new(
                numbers.iter().map(|&number| CelValue::Float(number)).collect(),
            )),
            shown: one_line(&format!("[{}]", texts.join(", ")), SHOWN),
            not_a_number: numbers.iter().any(|number| number.is_nan()),
        }
    }
}

impl Conditions<'_> {
    /// The verdict as Argo Rollouts gives it (`utils/evaluate`), with one difference: a result that is not a number is
    /// inconclusive where no condition asks `isNaN`, for a quotient of two zeros says that nothing happened, neither good
    /// nor bad.
    pub(crate) fn judge(&self, measurement: &Measurement, secrets: &[String]) -> (MeasuredResult, String) {
        match self.evaluate(measurement) {
            Ok(verdict) => verdict,
            Err(why) => (
                MeasuredResult::Error,
                format!(
                    "{} for result {}",
                    one_line(&hide(&why, secrets), ERROR_SHOWN),
                    measurement.shown
                ),
            ),
        }
    }

    fn evaluate(&self, measurement: &Measurement) -> Result<(MeasuredResult, String), String> {
        let success = parse(self.success)?;
        let failure = self.failure.map(parse).transpose()?;
        let shown = &measurement.shown;
        let asks = |condition: &Condition| condition.asks_for_nan;
        if measurement.not_a_number && !asks(&success) && !failure.as_ref().is_some_and(asks) {
            return Ok((
                MeasuredResult::Inconclusive,
                format!("result {shown} is not a number, and no condition asks isNaN"),
            ));
        }
        // A failure wins over a success.
        if let Some(condition) = &failure
            && condition.holds(&measurement.result)?
        {
            let text = &condition.text;
            let message = format!("failureCondition `{text}` is true for result {shown}");
            return Ok((MeasuredResult::Failure, message));
        }
        let text = &success.text;
        let (result, truth) = match (success.holds(&measurement.result)?, &failure) {
            (true, _) => (MeasuredResult::Success, "true"),
            (false, None) => (MeasuredResult::Failure, "false"),
            (false, Some(_)) => {
                let message =
                    format!("neither successCondition nor failureCondition is true for result {shown}");
                return Ok((MeasuredResult::Inconclusive, message));
            }
        };
        Ok((result, format!("`{text}` is {truth} for result {shown}")))
    }
}

/// A condition that has been checked.
struct Condition {
    text: String,
    expression: cel::IdedExpr,
    asks_for_nan: bool,
}

fn parse(text: &str) -> Result<Condition, String> {
    if text.trim().is_empty() {
        return Err("a condition is empty".to_owned());
    }
    let length = text.chars().count();
    if length > CONDITION_LENGTH {
        return Err(format!(
            "a condition has {length} characters, more than {CONDITION_LENGTH}"
        ));
    }
    let shown = one_line(text, TEXT_SHOWN);
    expression::check_text(text).map_err(|why| format!("`{shown}`: {why}"))?;
    // The parser panics at some texts that are no CEL.
    let program = catch_unwind(|| Program::compile(text))
        .map_err(|_| format!("`{shown}` is not CEL"))?
        .map_err(|errors| {
            format!(
                "`{shown}` is not CEL: {}",
                one_line(&errors.to_string(), TEXT_SHOWN)
            )
        })?;
    let names = expression::check(program.expression()).map_err(|why| format!("`{shown}`: {why}"))?;
    Ok(Condition {
        text: shown,
        expression: expression::guarded(program.expression()),
        asks_for_nan: names.contains("isNaN"),
    })
}

impl Condition {
    fn holds(&self, result: &CelValue) -> Result<bool, String> {
        let spent = Arc::new(AtomicU64::new(0));
        let evaluated = catch_unwind(AssertUnwindSafe(|| {
            let mut context = Context::default();
            expression::functions(&mut context, &spent, BUDGET);
            context.add_variable_from_value("result", result.clone());
            CelValue::resolve(&self.expression, &context)
        }));
        let text = &self.text;
        match evaluated {
            Err(_) => Err(format!("`{text}` cannot be evaluated")),
            Ok(_) if spent.load(Ordering::Relaxed) > BUDGET => Err(format!("`{text}` is too expensive")),
            Ok(Err(error)) => Err(format!(
                "`{text}` cannot be evaluated: {}",
                expression::describe(&error)
            )),
            Ok(Ok(CelValue::Bool(truth))) => Ok(truth),
            Ok(Ok(other)) => Err(format!(
                "`{text}` is {}, not true or false",
                expression::kind(&other)
            )),
        }
    }
}

#[cfg(test)]
mod tests;
