//! What one type of policies forbids. Sources: AWS Organizations User Guide, "SCP syntax" and "RCP syntax".

use super::{
    Defect, Document, Effect, Rule, Selection, Statement,
    condition::{conditions, item, variables},
};
use model::PolicyType;

/// Checks what the type of a policy adds to the grammar that all documents share. Types whose documents are not made of
/// statements (tag policies and the like) have [`declarative`](super::declarative).
///
/// - Service control policies: `Version` is `2012-10-17`, and there is no `Principal`.
/// - Resource control policies: that `Version` too; `Effect` is `Deny` (AWS's own `RCPFullAWSAccess` is the only one that
///   allows), `Principal` is `*`, each action names a service, and there is no `NotAction`. Bulkhead's own rule: no action
///   of `sts`. Such a policy decides who may enter the account, Bulkhead among them, and nothing here
///   can say beforehand what it would do.
/// - Both: no `Id`; `Sid` is made of letters and digits; an action has no wildcard in its service; a resource begins with
///   `arn:`; what stands in conditions and variables can be read.
pub fn grammar(policy_type: &PolicyType, document: &Document) -> Result<(), Defect> {
    let check = match policy_type.as_str() {
        PolicyType::SERVICE_CONTROL => service_control,
        PolicyType::RESOURCE_CONTROL => resource_control,
        _ => return Ok(()),
    };
    let version = Rule::Type("policies of an organization", "have the Version \"2012-10-17\"");
    match document.version.as_deref() {
        Some("2012-10-17") => {}
        Some(other) => return Err(Defect::new("Version", version, format!("{other:?}"))),
        None => return Err(Defect::missing("Version", version)),
    }
    if let Some(id) = &document.id {
        let rule = Rule::Type("policies of an organization", "have no Id");
        return Err(Defect::new("Id", rule, format!("{id:?}")));
    }
    for (index, statement) in document.statements.iter().enumerate() {
        let path = format!("Statement[{index}]");
        sid(statement)
            .and_then(|()| patterns(statement))
            .and_then(|()| conditions(statement))
            .and_then(|()| check(statement))
            .map_err(|defect| defect.under(&path))?;
    }
    Ok(())
}

fn sid(statement: &Statement) -> Result<(), Defect> {
    let rule = Rule::Type("a Sid", "is made of letters and digits");
    match &statement.sid {
        Some(sid) if !sid.bytes().all(|b| b.is_ascii_alphanumeric()) => {
            Err(Defect::new("Sid", rule, format!("{sid:?}")))
        }
        _ => Ok(()),
    }
}

/// Actions and resources: stricter than what the evaluator understands, because AWS is.
fn patterns(statement: &Statement) -> Result<(), Defect> {
    let action = |text: &str| {
        if is_action(text) {
            Ok(())
        } else {
            Err(Rule::Service)
        }
    };
    let resource = |text: &str| match text {
        "*" => Ok(()),
        arn if arn.starts_with("arn:") => variables(arn),
        _ => Err(Rule::Arn),
    };
    each(&statement.actions, ["Action", "NotAction"], action)?;
    each(&statement.resources, ["Resource", "NotResource"], resource)
}

fn each(
    selection: &Selection,
    [any, not]: [&str; 2],
    check: impl Fn(&str) -> Result<(), Rule>,
) -> Result<(), Defect> {
    let name = match selection {
        Selection::Any(_) => any,
        Selection::Not(_) => not,
    };
    let patterns = selection.patterns();
    for (index, pattern) in patterns.iter().enumerate() {
        check(pattern)
            .map_err(|rule| Defect::new(item(name, index, patterns.len()), rule, format!("{pattern:?}")))?;
    }
    Ok(())
}

/// AWS ignores upper and lower case, in the service too.
fn is_action(pattern: &str) -> bool {
    let service = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    let action = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'*' | b'?');
    pattern == "*"
        || pattern.split_once(':').is_some_and(|(of, name)| {
            let filled = !of.is_empty() && !name.is_empty();
            filled && of.bytes().all(service) && name.bytes().all(action)
        })
}

/// A service control policy binds those of the account it is attached to, and names nobody.
pub(crate) fn service_control(statement: &Statement) -> Result<(), Defect> {
    let rule = Rule::Type(
        "service control policies",
        "have no Principal: they bind those of the account they are attached to",
    );
    if statement.any_principal {
        return Err(Defect::new("Principal", rule, "\"*\""));
    }
    Ok(())
}

fn resource_control(statement: &Statement) -> Result<(), Defect> {
    let rule = |words| Rule::Type("resource control policies", words);
    if statement.effect != Effect::Deny {
        return Err(Defect::new("Effect", rule("only deny"), "\"Allow\""));
    }
    if !statement.any_principal {
        return Err(Defect::missing("Principal", rule("have the Principal \"*\"")));
    }
    let actions = match &statement.actions {
        Selection::Any(actions) => actions,
        Selection::Not(actions) => {
            return Err(Defect::new(
                "NotAction",
                rule("have no NotAction"),
                format!("{actions:?}"),
            ));
        }
    };
    for (index, action) in actions.iter().enumerate() {
        let path = item("Action", index, actions.len());
        let defect = |words| Err(Defect::new(path, rule(words), format!("{action:?}")));
        let Some((service, _)) = action.split_once(':') else {
            return defect("name a service in each action");
        };
        if service.eq_ignore_ascii_case("sts") {
            return defect(
                "that cover actions of sts are not accepted: they decide who may enter the account, Bulkhead too",
            );
        }
    }
    Ok(())
}
