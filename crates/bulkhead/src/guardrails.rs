//! `bulkhead guardrails`: what a Baseline can name, and what each of them does.

use crate::{
    args::{Format, GuardrailsArgs, GuardrailsCommand},
    complain, output,
    table::table,
};
use ::guardrails::{
    Refusal,
    cases::{self, Case},
    catalogue::{Catalogue, Guardrail, Parameter},
    evaluate::Decision,
};
use serde_json::{Value, json};
use std::process::ExitCode;

/// The longest line of prose.
const WIDTH: usize = 100;

/// Exit status 2 for a name the catalogue does not have.
pub(crate) fn main(args: &GuardrailsArgs) -> ExitCode {
    let catalogue = Catalogue::bundled();
    let text = match &args.command {
        None => list(catalogue, args.output),
        Some(GuardrailsCommand::Show { name }) => catalogue
            .get(name)
            .and_then(|guardrail| show(guardrail, args.output)),
    };
    match text {
        Ok(text) => output::result(&text, ExitCode::SUCCESS, ExitCode::from(2)),
        Err(refusal) => {
            complain(&refusal.problem);
            ExitCode::from(2)
        }
    }
}

fn list(catalogue: &Catalogue, format: Format) -> Result<String, Refusal> {
    if format == Format::Json {
        let all = catalogue
            .iter()
            .map(value)
            .collect::<Result<Vec<Value>, Refusal>>()?;
        return Ok(format!("{:#}", Value::Array(all)));
    }
    let parameters = |guardrail: &Guardrail| -> Vec<String> {
        let named = guardrail
            .parameters()
            .iter()
            .map(|parameter| match parameter.default() {
                None => format!("{} (required)", parameter.name()),
                Some(_) => parameter.name().to_owned(),
            });
        named.collect()
    };
    let row = |guardrail: &Guardrail| {
        let parameters = parameters(guardrail).join(", ");
        vec![
            guardrail.name().to_owned(),
            guardrail.title().to_owned(),
            parameters,
        ]
    };
    Ok(table(
        &["NAME", "TITLE", "PARAMETERS"],
        catalogue.iter().map(row).collect(),
    ))
}

fn show(guardrail: &Guardrail, format: Format) -> Result<String, Refusal> {
    let value = value(guardrail)?;
    if format == Format::Json {
        return Ok(format!("{value:#}"));
    }
    let exempt = match guardrail.why_not_exempt() {
        None => "the operator's role and the roles of exemptPrincipals".to_owned(),
        Some(reason) => format!("nobody. {reason}"),
    };
    let mut lines = vec![
        format!("{}: {}", guardrail.name(), guardrail.title()),
        String::new(),
    ];
    lines.extend(wrapped(guardrail.why(), ""));
    lines.push(String::new());
    lines.push(format!("Type:    {}", guardrail.policy_type()));
    lines.extend(wrapped(&format!("Exempts: {exempt}"), ""));
    lines.push(String::new());
    if guardrail.parameters().is_empty() {
        lines.push("It has no parameters.".into());
    } else {
        lines.push("Parameters:".into());
        lines.extend(guardrail.parameters().iter().flat_map(parameter));
    }
    lines.push(String::new());
    let example = if guardrail.example().is_empty() {
        "the defaults".to_owned()
    } else {
        json!(guardrail.example()).to_string()
    };
    lines.push(format!("Statements, with {example}:"));
    lines.push(format!("{:#}", value["statements"]));
    for (heading, decision) in [("Denied:", Decision::Deny), ("Left alone:", Decision::Allow)] {
        lines.push(String::new());
        lines.push(heading.into());
        let decided = guardrail.cases().iter().filter(|case| case.expect == decision);
        lines.extend(decided.map(|case| sentence(guardrail, case)));
    }
    Ok(lines.join("\n"))
}

fn parameter(parameter: &Parameter) -> Vec<String> {
    let mut facts = vec![parameter.kind().as_str().to_owned()];
    facts.push(match parameter.default() {
        None => "required".to_owned(),
        Some(default) => format!("default {default}"),
    });
    facts.extend(parameter.rules());
    let mut lines = wrapped(&format!("  {}: {}", parameter.name(), facts.join("; ")), "    ");
    lines.extend(wrapped(&format!("    {}", parameter.description()), "    "));
    lines
}

/// One request in a line.
fn sentence(guardrail: &Guardrail, case: &Case) -> String {
    let region = case.region.as_ref().map(|region| format!(" in {region}"));
    let context = (!case.context.is_empty()).then(|| format!(", context {}", json!(case.context)));
    let others = case.parameters != *guardrail.example();
    let parameters = others.then(|| format!(", parameters {}", json!(case.parameters)));
    format!(
        "  {}: {} on {}{} by {}{}{}",
        case.name,
        case.action,
        case.resource,
        region.unwrap_or_default(),
        case.principal,
        context.unwrap_or_default(),
        parameters.unwrap_or_default(),
    )
}

/// All there is to know, for tools.
fn value(guardrail: &Guardrail) -> Result<Value, Refusal> {
    let document = cases::document(guardrail, guardrail.example())?.to_value();
    let case = |case: &Case| {
        json!({
            "name": case.name,
            "parameters": case.parameters,
            "request": case.request_value(),
            "expect": case.expect.as_str(),
        })
    };
    Ok(json!({
        "name": guardrail.name(),
        "title": guardrail.title(),
        "why": guardrail.why(),
        "type": guardrail.policy_type(),
        "exempt": guardrail.exempts(),
        "exemptReason": guardrail.why_not_exempt(),
        "parameters": guardrail.parameters(),
        "example": guardrail.example(),
        "statements": document["Statement"],
        "cases": guardrail.cases().iter().map(case).collect::<Vec<Value>>(),
    }))
}

/// The text in lines, all but the first with an indent.
fn wrapped(text: &str, indent: &str) -> Vec<String> {
    let first = text.len() - text.trim_start().len();
    let mut lines = vec![" ".repeat(first)];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        let line = &mut lines[last];
        if line.trim().is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= WIDTH {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(format!("{indent}{word}"));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_wrapped_between_words() {
        let text = format!("  {}", "word ".repeat(50));
        let lines = wrapped(&text, "    ");
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("  word") && lines[1].starts_with("    word"));
        assert!(
            lines
                .iter()
                .all(|line| line.len() <= WIDTH && line.ends_with("word"))
        );
        let words: Vec<&str> = lines.iter().flat_map(|line| line.split_whitespace()).collect();
        assert_eq!(words.len(), 50);
    }

    #[test]
    fn every_guardrail_can_be_shown() {
        for guardrail in Catalogue::bundled().iter() {
            let text = show(guardrail, Format::Table).unwrap();
            for parameter in guardrail.parameters() {
                assert!(text.contains(&format!("\n  {}: ", parameter.name())), "{text}");
            }
            for case in guardrail.cases() {
                assert!(text.contains(&case.name), "{text}");
            }
        }
    }
}
