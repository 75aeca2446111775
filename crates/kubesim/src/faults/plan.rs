//! What shall go wrong: the plan as it is written, and how it is read.

use jiff::fmt::friendly::SpanParser;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::time::Duration;

/// The only version there is.
const VERSION: u64 = 1;

/// What a client does, in the words of RBAC. A collection is deleted with `delete`; server-side apply is `patch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verb {
    /// POST.
    Create,
    /// PUT.
    Update,
    /// PATCH of any kind.
    Patch,
    /// DELETE of one object or of a collection.
    Delete,
    /// GET of one object.
    Get,
    /// GET of a collection.
    List,
    /// GET of a collection with `watch`.
    Watch,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 7] = [
        Self::Create,
        Self::Update,
        Self::Patch,
        Self::Delete,
        Self::Get,
        Self::List,
        Self::Watch,
    ];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
        }
    }

    /// Whether a request of the verb changes something.
    pub fn is_write(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Patch | Self::Delete)
    }
}

/// One way in which the API goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// A write is refused with 409 Conflict, as if somebody had changed the object meanwhile: no effect.
    Conflict,
    /// 500, no effect.
    InternalError,
    /// 503 with Retry-After 1, no effect.
    Unavailable,
    /// 429 with Retry-After 1, no effect.
    TooManyRequests,
    /// 504, although the write happened.
    GatewayTimeoutAfterEffect,
    /// The connection breaks before the request arrives: no effect.
    ConnectionLost,
    /// The write happens, and the connection breaks before its answer arrives.
    ConnectionLostAfterEffect,
    /// No effect, and no answer ever.
    Hang,
    /// The write happens, and there is no answer ever.
    HangAfterEffect,
    /// Half of `delay` (default 5 s) passes before the effect and half after it, beside the usual latency.
    Slow,
    /// A running watch ends instead of sending its next event or bookmark.
    WatchBroken,
    /// An event of a watch comes `delay` (default 10 s) later, and no later one overtakes it.
    WatchStale,
    /// 410 Gone: when a watch starts, when a list is continued, and instead of an event or bookmark of a running watch.
    Gone,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 13] = [
        Self::Conflict,
        Self::InternalError,
        Self::Unavailable,
        Self::TooManyRequests,
        Self::GatewayTimeoutAfterEffect,
        Self::ConnectionLost,
        Self::ConnectionLostAfterEffect,
        Self::Hang,
        Self::HangAfterEffect,
        Self::Slow,
        Self::WatchBroken,
        Self::WatchStale,
        Self::Gone,
    ];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::InternalError => "internalError",
            Self::Unavailable => "unavailable",
            Self::TooManyRequests => "tooManyRequests",
            Self::GatewayTimeoutAfterEffect => "gatewayTimeoutAfterEffect",
            Self::ConnectionLost => "connectionLost",
            Self::ConnectionLostAfterEffect => "connectionLostAfterEffect",
            Self::Hang => "hang",
            Self::HangAfterEffect => "hangAfterEffect",
            Self::Slow => "slow",
            Self::WatchBroken => "watchBroken",
            Self::WatchStale => "watchStale",
            Self::Gone => "gone",
        }
    }

    /// Whether the fault can happen to requests of the verb.
    pub fn fits(self, verb: Verb) -> bool {
        match self {
            Self::Conflict
            | Self::GatewayTimeoutAfterEffect
            | Self::ConnectionLostAfterEffect
            | Self::HangAfterEffect => verb.is_write(),
            Self::WatchBroken | Self::WatchStale => verb == Verb::Watch,
            Self::Gone => matches!(verb, Verb::List | Verb::Watch),
            Self::InternalError
            | Self::Unavailable
            | Self::TooManyRequests
            | Self::ConnectionLost
            | Self::Hang
            | Self::Slow => true,
        }
    }

    /// The delay when the rule gives none; `None` for a fault that has no delay.
    pub(crate) fn default_delay(self) -> Option<Duration> {
        match self {
            Self::Slow => Some(Duration::from_secs(5)),
            Self::WatchStale => Some(Duration::from_secs(10)),
            _ => None,
        }
    }
}

/// Faults from a seed. The first rule that hits a request decides; every rule that matches it counts and draws, so that
/// one rule's luck does not change another's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct FaultPlan {
    /// 1.
    pub version: u64,
    /// Which requests are hit follows from this number and the order of the requests only.
    pub seed: u64,
    /// In order of precedence.
    pub rules: Vec<FaultRule>,
}

/// One fault, the requests it may hit, and how often it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FaultRule {
    /// What happens.
    pub fault: Fault,
    /// Empty: every verb the fault fits.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub verbs: Vec<Verb>,
    /// Plural and group, with the subresource if it is one: `awsaccounts.bulkhead.dev`,
    /// `awsaccounts.bulkhead.dev/status`, `configmaps`. Empty: every resource.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// Chance per matching request, 0 to 100. 100 when neither this nor `every` is given; never beside `every`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// Each n-th matching request, at least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// From when on, counted from the moment the plan is set. Default at once.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional::serialize"
    )]
    pub from: Option<Duration>,
    /// Until when, exclusive, counted like `from`. Default for ever.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional::serialize"
    )]
    pub until: Option<Duration>,
    /// At most so many hits. Default any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Only of `slow` and `watchStale`, see [`Fault`].
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional::serialize"
    )]
    pub delay: Option<Duration>,
}

impl FaultRule {
    /// Hits every request the fault fits, for ever.
    pub fn new(fault: Fault) -> Self {
        Self {
            fault,
            verbs: vec![],
            resources: vec![],
            percent: None,
            every: None,
            from: None,
            until: None,
            times: None,
            delay: None,
        }
    }

    /// `path` is the rule's own, `rules[0]`.
    fn check(&self, path: &str) -> Result<(), FaultPlanError> {
        let error = |field: &str, rule: String, value: &dyn ToString| {
            let path = format!("{path}.{field}");
            Err(FaultPlanError::new(path, rule, value.to_string()))
        };
        let name = self.fault.name();
        for (i, verb) in self.verbs.iter().enumerate() {
            if !self.fault.fits(*verb) {
                let rule = format!("must be a verb {name} can happen to");
                return error(&format!("verbs[{i}]"), rule, &verb.name());
            }
        }
        for (i, resource) in self.resources.iter().enumerate() {
            if !is_resource(resource) {
                let rule = "must be a resource such as awsaccounts.bulkhead.dev/status";
                return error(&format!("resources[{i}]"), rule.to_owned(), resource);
            }
        }
        if let Some(percent) = self.percent.filter(|percent| *percent > 100) {
            return error("percent", PERCENT.to_owned(), &percent);
        }
        if self.every == Some(0) {
            return error("every", EVERY.to_owned(), &0);
        }
        if let (Some(_), Some(every)) = (self.percent, self.every) {
            return error("every", "must not stand beside percent".to_owned(), &every);
        }
        if let Some(delay) = self.delay.filter(|_| self.fault.default_delay().is_none()) {
            let rule = format!("must be absent: {name} has no delay");
            return error("delay", rule, &format!("{delay:?}"));
        }
        let from = self.from.unwrap_or_default();
        if let Some(until) = self.until.filter(|until| *until <= from) {
            let rule = format!("must be later than from, {from:?}");
            return error("until", rule, &format!("{until:?}"));
        }
        Ok(())
    }
}

/// A plural, a group unless it is the core group, and `/status` if that is meant.
fn is_resource(text: &str) -> bool {
    let name = text.strip_suffix("/status").unwrap_or(text);
    let label = |label: &str| {
        !label.is_empty()
            && label
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    name.split('.').all(label)
}

/// A plan that cannot be used: where, what it must be, and what it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {rule}, not {value}")]
pub struct FaultPlanError {
    /// Dotted path in the plan, `rules[0].percent`; `plan` for the whole.
    pub path: String,
    /// What it must be.
    pub rule: String,
    /// What it is.
    pub value: String,
}

impl FaultPlanError {
    fn new(path: impl Into<String>, rule: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            rule: rule.into(),
            value: value.into(),
        }
    }
}

impl FaultPlan {
    /// Reads YAML or JSON.
    pub fn parse(text: &str) -> Result<Self, FaultPlanError> {
        let options = serde_saphyr::options! { with_snippet: false };
        let value: Value = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            FaultPlanError::new("plan", "must be YAML or JSON", format!("readable: {error}"))
        })?;
        Self::try_from(value)
    }

    /// What [`FaultPlan::parse`] demands, for a plan made in code.
    pub fn check(&self) -> Result<(), FaultPlanError> {
        if self.version != VERSION {
            return Err(FaultPlanError::new(
                "version",
                "must be 1",
                self.version.to_string(),
            ));
        }
        let mut rules = self.rules.iter().enumerate();
        rules.try_for_each(|(i, rule)| rule.check(&format!("rules[{i}]")))
    }
}

impl TryFrom<Value> for FaultPlan {
    type Error = FaultPlanError;

    fn try_from(value: Value) -> Result<Self, FaultPlanError> {
        let mut plan = Fields::of(value, "")?;
        let version = plan.required("version", "must be 1", Value::as_u64)?;
        let seed = plan.required("seed", "must be a whole number from 0 to 2^64-1", Value::as_u64)?;
        let list = plan.required("rules", "must be a list", |value| value.as_array().cloned())?;
        plan.finish()?;
        let rules = list
            .into_iter()
            .enumerate()
            .map(|(i, value)| read_rule(value, &format!("rules[{i}]")))
            .collect::<Result<_, _>>()?;
        let plan = Self { version, seed, rules };
        plan.check()?;
        Ok(plan)
    }
}

const PERCENT: &str = "must be 0 to 100";
const EVERY: &str = "must be a whole number of at least 1";

fn read_rule(value: Value, path: &str) -> Result<FaultRule, FaultPlanError> {
    const DURATION: &str = "must be a duration such as 3s, 10m or 1h 30m";
    let mut fields = Fields::of(value, path)?;
    let faults = format!("must be one of {}", Fault::ALL.map(Fault::name).join(", "));
    let verbs = format!("must be a list of {}", Verb::ALL.map(Verb::name).join(", "));
    let rule = FaultRule {
        fault: fields.required("fault", &faults, |value| {
            Fault::ALL
                .into_iter()
                .find(|fault| value.as_str() == Some(fault.name()))
        })?,
        verbs: fields
            .optional("verbs", &verbs, |value| {
                let verb = |value: &Value| Verb::ALL.into_iter().find(|verb| value == verb.name());
                value.as_array()?.iter().map(verb).collect()
            })?
            .unwrap_or_default(),
        resources: fields
            .optional("resources", "must be a list of resources", |value| {
                let text = |value: &Value| value.as_str().map(str::to_owned);
                value.as_array()?.iter().map(text).collect()
            })?
            .unwrap_or_default(),
        percent: fields.optional("percent", PERCENT, |value| u8::try_from(value.as_u64()?).ok())?,
        every: fields.optional("every", EVERY, Value::as_u64)?,
        from: fields.optional("from", DURATION, duration)?,
        until: fields.optional("until", DURATION, duration)?,
        times: fields.optional("times", "must be a whole number", Value::as_u64)?,
        delay: fields.optional("delay", DURATION, duration)?,
    };
    fields.finish()?;
    Ok(rule)
}

/// Not negative, no calendar units.
fn duration(value: &Value) -> Option<Duration> {
    let parsed = SpanParser::new().parse_duration(value.as_str()?).ok()?;
    Duration::try_from(parsed).ok()
}

/// One mapping of the plan, emptied field by field; what is left over is unknown.
struct Fields {
    path: String,
    map: Map<String, Value>,
    known: Vec<&'static str>,
}

impl Fields {
    fn of(value: Value, path: &str) -> Result<Self, FaultPlanError> {
        let Value::Object(map) = value else {
            let path = if path.is_empty() { "plan" } else { path };
            return Err(FaultPlanError::new(path, "must be a mapping", value.to_string()));
        };
        Ok(Self {
            path: path.to_owned(),
            map,
            known: vec![],
        })
    }

    fn path(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    fn required<T>(
        &mut self,
        name: &'static str,
        rule: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<T, FaultPlanError> {
        self.optional(name, rule, read)?
            .ok_or_else(|| FaultPlanError::new(self.path(name), rule, "absent"))
    }

    fn optional<T>(
        &mut self,
        name: &'static str,
        rule: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<T>, FaultPlanError> {
        self.known.push(name);
        let Some(value) = self.map.remove(name) else {
            return Ok(None);
        };
        read(&value)
            .map(Some)
            .ok_or_else(|| FaultPlanError::new(self.path(name), rule, value.to_string()))
    }

    fn finish(self) -> Result<(), FaultPlanError> {
        let Some(unknown) = self.map.keys().next() else {
            return Ok(());
        };
        let path = if self.path.is_empty() { "plan" } else { &self.path };
        let rule = format!("must have no fields but {}", self.known.join(", "));
        Err(FaultPlanError::new(path, rule, unknown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_yaml_and_json_and_writes_what_it_reads() {
        let plan = FaultPlan::parse(
            "version: 1
seed: 18446744073709551615
rules:
- {fault: conflict, verbs: [patch, update], resources: [awsaccounts.bulkhead.dev/status], percent: 20}
- {fault: slow, every: 3, from: 1m, until: 1h 30m, times: 4, delay: 2s}
- fault: watchBroken
",
        )
        .unwrap();
        assert_eq!(plan.seed, u64::MAX);
        let [conflict, slow, broken] = plan.rules.as_slice() else {
            panic!("{plan:?}")
        };
        assert_eq!(conflict.verbs, [Verb::Patch, Verb::Update]);
        assert_eq!(conflict.resources, ["awsaccounts.bulkhead.dev/status"]);
        assert_eq!((conflict.percent, conflict.every), (Some(20), None));
        assert_eq!((slow.every, slow.times), (Some(3), Some(4)));
        let seconds = Duration::from_secs;
        assert_eq!(
            (slow.from, slow.until, slow.delay),
            (Some(seconds(60)), Some(seconds(5400)), Some(seconds(2)))
        );
        assert_eq!(*broken, FaultRule::new(Fault::WatchBroken));
        let json = serde_json::to_string(&plan).unwrap();
        assert_eq!(FaultPlan::parse(&json).unwrap(), plan);
        assert_eq!(serde_json::from_str::<FaultPlan>(&json).unwrap(), plan);
    }

    #[test]
    fn names_are_those_of_serde() {
        for fault in Fault::ALL {
            assert_eq!(serde_json::to_value(fault).unwrap(), fault.name());
        }
        for verb in Verb::ALL {
            assert_eq!(serde_json::to_value(verb).unwrap(), verb.name());
        }
    }

    #[test]
    fn errors_name_path_rule_and_value() {
        let rule = |rule: &str| format!("version: 1\nseed: 1\nrules: [{{fault: conflict}}, {{{rule}}}]");
        for (text, expected) in [
            ("a: [".to_owned(), "plan: must be YAML or JSON, not readable: "),
            ("[]".to_owned(), "plan: must be a mapping, not []"),
            (
                "version: 2\nseed: 1\nrules: []".to_owned(),
                "version: must be 1, not 2",
            ),
            (
                "version: 1\nseed: -1\nrules: []".to_owned(),
                "seed: must be a whole number from 0 to 2^64-1, not -1",
            ),
            (
                "version: 1\nseed: 1".to_owned(),
                "rules: must be a list, not absent",
            ),
            (
                "version: 1\nseed: 1\nrules: []\nrule: 1".to_owned(),
                "plan: must have no fields but version, seed, rules, not rule",
            ),
            (
                rule("fault: x"),
                "rules[1].fault: must be one of conflict, internalError, ",
            ),
            (
                rule("fault: slow, verbs: [read]"),
                "rules[1].verbs: must be a list of create, update, patch, delete, get, list, watch, not [\"read\"]",
            ),
            (
                rule("fault: conflict, verbs: [patch, get]"),
                "rules[1].verbs[1]: must be a verb conflict can happen to, not get",
            ),
            (
                rule("fault: slow, resources: [AwsAccount]"),
                "rules[1].resources[0]: must be a resource such as awsaccounts.bulkhead.dev/status, not AwsAccount",
            ),
            (
                rule("fault: slow, percent: 101"),
                "rules[1].percent: must be 0 to 100, not 101",
            ),
            (
                rule("fault: slow, percent: 300"),
                "rules[1].percent: must be 0 to 100, not 300",
            ),
            (
                rule("fault: slow, every: 0"),
                "rules[1].every: must be a whole number of at least 1, not 0",
            ),
            (
                rule("fault: slow, every: 2, percent: 1"),
                "rules[1].every: must not stand beside percent, not 2",
            ),
            (
                rule("fault: slow, delay: 3"),
                "rules[1].delay: must be a duration such as 3s, 10m or 1h 30m, not 3",
            ),
            (
                rule("fault: slow, from: 1m, until: 60s"),
                "rules[1].until: must be later than from, 60s, not 60s",
            ),
            (
                rule("fault: gone, delay: 3s"),
                "rules[1].delay: must be absent: gone has no delay, not 3s",
            ),
            (
                rule("fault: slow, delays: 3s"),
                "rules[1]: must have no fields but fault, verbs,",
            ),
        ] {
            let error = FaultPlan::parse(&text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}\n{expected}");
        }
    }
}
