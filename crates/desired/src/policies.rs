//! Guardrails and policies of an environment, compiled and proven.

use crate::{PolicySettings, Rejection, content, effect, effect::sha256};
use api::{Environment, PolicyBudget};
use guardrails::{
    Problem, Refusal,
    compile::{self, CompiledPolicy, GuardrailRef},
    limits,
    proof::{self, Blame},
};
use model::{Assertion, DesiredPolicy, Installation, PolicyType, Reason, RoleName};
use std::collections::BTreeMap;

/// Characters of a content's hash that are part of the policy's name.
const DIGITS: usize = 10;

/// The policies of an environment by name: as few documents as possible, small enough and few enough for AWS, and proven
/// to leave alone what must stay possible.
pub(crate) fn compile(
    environment: &Environment,
    role: &RoleName,
    installation: &Installation,
    settings: &PolicySettings,
) -> Result<BTreeMap<String, effect::Policy>, Rejection> {
    let input = input(environment, role, settings)?;
    let compiled = compile::compile(&input).map_err(|refusal| refusal_of(&environment.name, &refusal))?;
    prove(environment, &compiled.policies, &input)?;
    let mut policies: BTreeMap<String, effect::Policy> = BTreeMap::new();
    for CompiledPolicy {
        policy_type,
        text,
        parts,
        origins: _,
    } in compiled.policies
    {
        let hash = sha256(&text);
        let digits = hash.get(..DIGITS).unwrap_or(&hash);
        let name = format!("bulkhead-{installation}-{}-{digits}", environment.name);
        let policy = effect::Policy {
            content: text,
            parts,
            kind: policy_type.as_str().to_owned(),
        };
        // The name says the content. Two policies of one content would be one, whatever their types are.
        if let Some(other) = policies.get(&name) {
            return Err(Rejection::new(
                Reason::InvalidPolicy,
                format!(
                    "spec.environments[{}].{}.document: is the document of {} too; each content may stand once",
                    environment.name,
                    policy.parts.join(", "),
                    other.parts.join(", ")
                ),
            ));
        }
        policies.insert(name, policy);
    }
    Ok(policies)
}

fn input(
    environment: &Environment,
    role: &RoleName,
    settings: &PolicySettings,
) -> Result<compile::Input, Rejection> {
    let guardrails = environment.guardrails.iter().map(|guardrail| GuardrailRef {
        name: guardrail.name.clone(),
        parameters: guardrail.parameters.clone(),
    });
    let policies = environment.policies.iter().map(|policy| {
        let policy_type = PolicyType::parse(&policy.policy_type).map_err(|error| {
            let path = format!(
                "spec.environments[{}].policies[{}].type",
                environment.name, policy.name
            );
            Rejection::new(Reason::InvalidPolicy, format!("{path}: {error}"))
        })?;
        Ok(compile::RawPolicy {
            name: policy.name.clone(),
            policy_type,
            document: policy.document.clone().into_iter().collect(),
        })
    });
    Ok(compile::Input {
        environment: environment.name.clone(),
        guardrails: guardrails.collect(),
        policies: policies.collect::<Result<_, Rejection>>()?,
        access_role: role.clone(),
        exempt_principals: settings.exempt_principals.clone(),
        reserved_slots: settings.reserved_slots,
    })
}

/// Proves that the operator, the exempt principals and the assertions get what they must.
fn prove(
    environment: &Environment,
    policies: &[CompiledPolicy],
    input: &compile::Input,
) -> Result<(), Rejection> {
    let path = format!("spec.environments[{}]", environment.name);
    let assertions: Vec<Assertion> = effect::assertions(&environment.assertions)
        .iter()
        .map(|(name, assertion)| content::assertion(name, assertion))
        .collect();
    let proven = proof::prove(
        policies,
        &input.access_role,
        &input.exempt_principals,
        &assertions,
    );
    proven.map_err(|blame| {
        let (reason, path) = match blame.as_ref() {
            Blame::LockOut { .. } => (Reason::LockOut, path),
            Blame::Assertion { name, .. } => (Reason::AssertionFailed, format!("{path}.assertions[{name}]")),
            Blame::Unreadable(_) => (Reason::InternalError, path),
        };
        Rejection::new(reason, format!("{path}: {blame}"))
    })
}

fn refusal_of(environment: &str, refusal: &Refusal) -> Rejection {
    let Refusal { path, problem } = refusal;
    let reason = match problem {
        Problem::UnknownGuardrail { .. } => Reason::UnknownGuardrail,
        Problem::TooLarge { .. } => Reason::PolicyTooLarge,
        Problem::TooManyPolicies { .. } => Reason::TooManyPolicies,
        Problem::Document { .. } => Reason::InvalidPolicy,
        _ if path.starts_with("policies") => Reason::InvalidPolicy,
        _ => Reason::InvalidParameter,
    };
    let environment = format!("spec.environments[{environment}]");
    let whole = match path.as_str() {
        "" => environment,
        path if path.starts_with("exemptPrincipals") => {
            format!("the operator's configuration, aws.{path}")
        }
        path => format!("{environment}.{path}"),
    };
    Rejection::new(reason, format!("{whole}: {problem}"))
}

/// What policies take of AWS's limits, by type.
pub(crate) fn budgets(policies: &[DesiredPolicy], reserved: usize) -> Vec<PolicyBudget> {
    let mut types: BTreeMap<&PolicyType, (usize, usize)> = BTreeMap::new();
    for policy in policies {
        let (documents, largest) = types.entry(&policy.policy_type).or_default();
        *documents += 1;
        *largest = (*largest).max(policy.content.as_str().chars().count());
    }
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    types
        .into_iter()
        .map(|(policy_type, (documents, largest))| PolicyBudget {
            policy_type: policy_type.as_str().to_owned(),
            documents: number(documents),
            max_documents: number(limits::usable(policy_type, reserved)),
            characters: number(largest),
            max_characters: number(limits::limits(policy_type).characters),
        })
        .collect()
}
