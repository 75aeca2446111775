//! What one type of policies forbids. Sources: AWS Organizations User Guide, "SCP syntax" and "RCP syntax".

use super::{Defect, Document, Effect, Rule, Selection, Statement, covers};
use model::PolicyType;

/// Checks what the type of a policy adds to the grammar that all documents share. Types whose documents are not made of
/// statements (tag policies and the like) have nothing here.
///
/// - Service control policies: `Version` is `2012-10-17`, and there is no `Principal`.
/// - Resource control policies: that `Version` too; `Effect` is `Deny` (AWS's own `RCPFullAWSAccess` is the only one that
///   allows), `Principal` is `*`, each action names a service, and there is no `NotAction`. Bulkhead's own rule: no action
///   of `sts`, neither by a wildcard. Such a policy decides who may enter the account, Bulkhead among them, and nothing here
///   can say beforehand what it would do.
/// - Both: `Sid` is made of letters and digits.
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
    for (index, statement) in document.statements.iter().enumerate() {
        let path = format!("Statement[{index}]");
        sid(statement)
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
        // One action is written without a list.
        let path = if actions.len() == 1 {
            "Action".to_owned()
        } else {
            format!("Action[{index}]")
        };
        let defect = |words| Err(Defect::new(path, rule(words), format!("{action:?}")));
        let Some((service, _)) = action.split_once(':') else {
            return defect("name a service in each action");
        };
        if covers(&service.to_ascii_lowercase(), "sts") {
            return defect(
                "that cover actions of sts are not accepted: they decide who may enter the account, Bulkhead too",
            );
        }
    }
    Ok(())
}
