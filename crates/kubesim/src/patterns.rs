//! The regular expressions of CEL rules.
//!
//! The library compiles the pattern of `matches` at every evaluation, which costs more than all the rest of a write.

use crate::expression::parts;
use kube_cel::cel::{
    Context, ExecutionError, IdedExpr,
    common::ast::{Expr, LiteralValue},
    extractors::This,
};
use regex::Regex;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Compiled patterns by their text. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patterns(Arc<Mutex<BTreeMap<String, Regex>>>);

impl Patterns {
    /// More than any set of CRDs holds; patterns that come from objects must not pile up.
    const MOST: usize = 1000;

    fn compiled(&self) -> MutexGuard<'_, BTreeMap<String, Regex>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the library's `matches`, with its words for a malformed pattern.
    pub(crate) fn register(&self, context: &mut Context<'_>) {
        let patterns = self.clone();
        context.add_function(
            "matches",
            move |This(text): This<Arc<String>>, pattern: Arc<String>| {
                let regex = patterns.get(&pattern).map_err(|error| {
                    let message = format!("'{pattern}' not a valid regex:\n{error}");
                    ExecutionError::function_error("matches", message)
                })?;
                Ok::<_, ExecutionError>(regex.is_match(&text))
            },
        );
    }

    fn get(&self, pattern: &str) -> Result<Regex, regex::Error> {
        let mut compiled = self.compiled();
        if let Some(regex) = compiled.get(pattern) {
            return Ok(regex.clone());
        }
        let regex = Regex::new(pattern)?;
        if compiled.len() >= Self::MOST {
            compiled.clear();
        }
        compiled.insert(pattern.to_owned(), regex.clone());
        Ok(regex)
    }

    pub(crate) fn extend(&self, other: &Self) {
        let others = other.compiled().clone();
        self.compiled().extend(others);
    }

    /// Compiles what stands as text in the calls of `matches`. What cannot be compiled fails when it is evaluated.
    pub(crate) fn compile_literals(&self, expression: &IdedExpr) {
        if let Expr::Call(call) = &expression.expr
            && call.func_name == "matches"
            && let Some(Expr::Literal(LiteralValue::String(text))) = call.args.last().map(|last| &last.expr)
        {
            let _ = self.get(text.inner());
        }
        for part in parts(expression) {
            self.compile_literals(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube_cel::cel::{Program, objects::Value};

    fn count(patterns: &Patterns) -> usize {
        patterns.compiled().len()
    }

    #[test]
    fn matches_answers_as_the_library_does() {
        let (ours, theirs) = (Patterns::default(), Context::default());
        let mut context = Context::default();
        ours.register(&mut context);
        for text in [
            "'abc'.matches('^a.c$')",
            "'abc'.matches('b')",
            "'abc'.matches('^b')",
            "matches('abc', 'c$')",
            "'abc'.matches('(')",
            "'abc'.matches(1)",
            "1.matches('a')",
        ] {
            let program = Program::compile(text).unwrap();
            let show = |context| format!("{:?}", program.execute(context));
            assert_eq!(show(&context), show(&theirs), "{text}");
        }
        assert_eq!(count(&ours), 4);
    }

    #[test]
    fn literals_are_compiled_before_they_are_needed() {
        let patterns = Patterns::default();
        let rule = "self.all(k, k.matches('a') || matches(k, 'b')) && self.x.matches(self.y) && 'c' == '('";
        patterns.compile_literals(Program::compile(rule).unwrap().expression());
        patterns.compile_literals(Program::compile("'a'.matches('(')").unwrap().expression());
        assert_eq!(patterns.compiled().keys().collect::<Vec<_>>(), ["a", "b"]);
        let other = Patterns::default();
        other.extend(&patterns);
        assert_eq!(count(&other), 2);
    }

    #[test]
    fn patterns_from_objects_do_not_pile_up() {
        let patterns = Patterns::default();
        let mut context = Context::default();
        patterns.register(&mut context);
        let program = Program::compile("'x7'.matches(pattern)").unwrap();
        for i in 0..2 * Patterns::MOST {
            let mut scope = context.new_inner_scope();
            scope.add_variable_from_value("pattern", format!("^x{i}$"));
            assert_eq!(program.execute(&scope), Ok(Value::Bool(i == 7)));
        }
        assert!((1..=Patterns::MOST).contains(&count(&patterns)));
    }
}
