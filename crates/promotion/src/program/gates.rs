//! Gates: exactly the block that the type names, and limits that a verdict can come from.

use super::{
    At, Gate, JudgeCondition, Judges, Refusal,
    checks::{DAY, MINUTE, SECOND, between, label, list, one_line, size, span, text, unique},
    hosts::{self, judge_host},
};
use crate::spec::{ConditionGate, GateSpec, GateType, HttpGate, JobGate, PrometheusGate, Span};
use jiff::SignedDuration;
use serde_json::Value;
use std::collections::BTreeSet;

/// Bytes of a Job's template as JSON at most: it is copied into the status with every attempt.
const TEMPLATE: usize = 16 * 1024;

/// Gates that a stage has at most.
const GATES: usize = 32;

pub(super) fn judge(at: &At, specs: &[GateSpec], judges: Judges<'_>) -> Result<Vec<Gate>, Refusal> {
    list(at, specs.len(), 0, GATES)?;
    for (number, gate) in specs.iter().enumerate() {
        label(&at.number(number).field("name"), &gate.name)?;
    }
    unique(at, "names", specs.iter().map(|gate| gate.name.as_str()))?;
    specs
        .iter()
        .map(|spec| {
            let at = at.item(&spec.name);
            run_at(&at.field("runAt"), spec)?;
            block(&at, spec, judges)?;
            (judges.gate)(spec).map_err(|(field, rule)| at.field(&field).refuse(rule))?;
            gate(&at, spec)
        })
        .collect()
}

fn run_at(at: &At, spec: &GateSpec) -> Result<(), Refusal> {
    list(at, spec.run_at.len(), 1, 4)?;
    let mut seen = BTreeSet::new();
    match spec.run_at.iter().find(|point| !seen.insert(**point)) {
        None => Ok(()),
        Some(twice) => Err(at.refuse(format!("has unique members, and {twice:?} stands there twice"))),
    }
}

fn gate(at: &At, spec: &GateSpec) -> Result<Gate, Refusal> {
    let time = |field: &str, given: Option<&Span>, least, default| match given {
        None => Ok(default),
        Some(given) => span(&at.field(field), given, least, 30 * DAY),
    };
    let limit = |field: &str, given: Option<u32>, default| {
        between(&at.field(field), given.unwrap_or(default), 0, 10_000)
    };
    Ok(Gate {
        interval: time("interval", spec.interval.as_ref(), 10 * SECOND, MINUTE)?,
        initial_delay: time(
            "initialDelay",
            spec.initial_delay.as_ref(),
            SignedDuration::ZERO,
            SignedDuration::ZERO,
        )?,
        count: spec
            .count
            .map(|count| between(&at.field("count"), count, 1, 10_000))
            .transpose()?,
        failure_limit: limit("failureLimit", spec.failure_limit, 0)?,
        inconclusive_limit: limit("inconclusiveLimit", spec.inconclusive_limit, 0)?,
        consecutive_error_limit: limit("consecutiveErrorLimit", spec.consecutive_error_limit, 4)?,
        dry_run: spec.dry_run.unwrap_or(false),
        spec: spec.clone(),
    })
}

fn block(at: &At, spec: &GateSpec, judges: Judges<'_>) -> Result<(), Refusal> {
    let given = [
        ("condition", GateType::Condition, spec.condition.is_some()),
        ("prometheus", GateType::Prometheus, spec.prometheus.is_some()),
        ("http", GateType::Http, spec.http.is_some()),
        ("job", GateType::Job, spec.job.is_some()),
    ];
    for (field, kind, there) in given {
        let (kind_word, word) = (word(kind), word(spec.kind));
        if there && kind != spec.kind {
            return Err(at
                .field(field)
                .refuse(format!("is only there with type {kind_word}, not {word}")));
        }
        if !there && kind == spec.kind {
            return Err(at
                .field(field)
                .refuse(format!("is required with type {word}, and is not there")));
        }
    }
    if let Some(gate) = &spec.condition {
        condition(&at.field("condition"), gate)?;
    }
    if let Some(gate) = &spec.prometheus {
        prometheus(&at.field("prometheus"), gate, judges)?;
    }
    if let Some(gate) = &spec.http {
        http(&at.field("http"), gate, judges)?;
    }
    if let Some(gate) = &spec.job {
        job(&at.field("job").field("template"), gate)?;
    }
    Ok(())
}

/// The word as people write it.
fn word(kind: GateType) -> &'static str {
    match kind {
        GateType::Condition => "Condition",
        GateType::Prometheus => "Prometheus",
        GateType::Http => "HTTP",
        GateType::Job => "Job",
    }
}

fn condition(at: &At, gate: &ConditionGate) -> Result<(), Refusal> {
    let kind = &gate.condition_type;
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/');
    if kind.is_empty() || kind.len() > 316 || !kind.bytes().all(legal) {
        return Err(at
            .field("type")
            .broken("is the type of a condition, 1 to 316 characters", kind));
    }
    match gate.status.as_deref() {
        None | Some("True" | "False" | "Unknown") => Ok(()),
        Some(status) => Err(at.field("status").broken("is True, False or Unknown", status)),
    }
}

fn prometheus(at: &At, gate: &PrometheusGate, judges: Judges<'_>) -> Result<(), Refusal> {
    if let Some(address) = &gate.address {
        host(&at.field("address"), address, judges.allowed_hosts)?;
    }
    text(&at.field("query"), &gate.query, 4096)?;
    expressions(
        at,
        &gate.success_condition,
        gate.failure_condition.as_deref(),
        judges.condition,
    )?;
    timeout(at, gate.timeout.as_ref())
}

fn http(at: &At, gate: &HttpGate, judges: Judges<'_>) -> Result<(), Refusal> {
    host(&at.field("url"), &gate.url, judges.allowed_hosts)?;
    match gate.method.as_deref() {
        None | Some("GET" | "POST") => {}
        Some(method) => return Err(at.field("method").broken("is GET or POST", method)),
    }
    if let Some(name) = &gate.headers_secret {
        subdomain(&at.field("headersSecret"), name)?;
    }
    if let Some(path) = &gate.json_path {
        one_line(&at.field("jsonPath"), path, 1024)?;
    }
    expressions(
        at,
        &gate.success_condition,
        gate.failure_condition.as_deref(),
        judges.condition,
    )?;
    timeout(at, gate.timeout.as_ref())
}

fn host(at: &At, url: &str, allowed_hosts: &[String]) -> Result<(), Refusal> {
    judge_host(url, allowed_hosts).map_err(|refusal| at.broken(hosts::rule(&refusal, allowed_hosts), url))
}

fn expressions(
    at: &At,
    success: &str,
    failure: Option<&str>,
    judge: JudgeCondition<'_>,
) -> Result<(), Refusal> {
    let given = [("successCondition", Some(success)), ("failureCondition", failure)];
    for (field, expression) in given {
        let Some(expression) = expression else { continue };
        let at = at.field(field);
        text(&at, expression, 4096)?;
        judge(expression)
            .map_err(|why| at.refuse(format!("is CEL over `result`, not {expression:?}: {why}")))?;
    }
    Ok(())
}

fn timeout(at: &At, given: Option<&Span>) -> Result<(), Refusal> {
    given.map_or(Ok(()), |given| {
        span(&at.field("timeout"), given, SECOND, 5 * MINUTE).map(drop)
    })
}

/// The name of a Secret (RFC 1123 subdomain).
fn subdomain(at: &At, name: &str) -> Result<(), Refusal> {
    let fine = name.len() <= 253 && name.split('.').all(|part| label(at, part).is_ok());
    if fine {
        Ok(())
    } else {
        Err(at.broken("is the name of a Secret", name))
    }
}

/// Only what would make a Job that nobody meant; the API server judges the rest when it is created.
fn job(at: &At, gate: &JobGate) -> Result<(), Refusal> {
    size(at, &gate.template, TEMPLATE)?;
    let Value::Object(template) = &gate.template else {
        return Err(at.refuse("is a JobTemplateSpec, an object with `metadata` and `spec`".to_owned()));
    };
    if let Some(other) = template
        .keys()
        .find(|key| !matches!(key.as_str(), "metadata" | "spec"))
    {
        return Err(at.refuse(format!("has `metadata` and `spec` only, not {other:?}")));
    }
    if let Some(metadata) = template.get("metadata") {
        let legal = |key: &String| matches!(key.as_str(), "labels" | "annotations");
        let other = metadata
            .as_object()
            .map(|fields| fields.keys().find(|key| !legal(key)));
        match other {
            Some(None) => {}
            Some(Some(other)) => {
                let at = at.field("metadata");
                return Err(at.refuse(format!("has `labels` and `annotations` only, not {other:?}")));
            }
            None => return Err(at.field("metadata").refuse("is an object".to_owned())),
        }
    }
    let containers = gate
        .template
        .pointer("/spec/template/spec/containers")
        .and_then(Value::as_array);
    if containers.is_some_and(|containers| !containers.is_empty()) {
        Ok(())
    } else {
        Err(at
            .field("spec.template.spec.containers")
            .refuse("has at least one container, and there is none".to_owned()))
    }
}
