//! What shall go wrong: the plan as it is written, and how it is read.

use std::time::Duration;

use jiff::fmt::friendly::SpanParser;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::wire::{is_read, is_write, known_operation, operations};

/// The only version there is.
const VERSION: u64 = 1;

/// AWS documents reads as eventually consistent without a bound; older than this nothing is answered.
pub(crate) const OLDEST_READ: Duration = Duration::from_secs(30);

/// One way in which a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// Refused with the service's throttling error: TooManyRequestsException (HTTP 400), ThrottledException of the
    /// tagging API, Throttling of STS. No effect, and no token taken.
    Throttle,
    /// HTTP 500, no effect.
    ServiceException,
    /// HTTP 500, although the effect happened.
    ServiceExceptionAfterEffect,
    /// The connection breaks before the request arrived: no effect.
    RequestLost,
    /// The connection breaks after the effect.
    AnswerLost,
    /// The connection is refused: no effect.
    Refused,
    /// No effect, and no answer ever.
    Timeout,
    /// The effect happens, at once or `delay` later, also when the caller has long gone; no answer ever.
    TimeoutAfterEffect,
    /// A read answers as the organization was `delay` ago (default 5 s, at most 30 s). Rates and permissions are
    /// today's.
    StaleRead,
    /// A List call answers with no items and a token. Never twice in a row for one listing.
    EmptyPage,
    /// A write of AWS Organizations is refused with ConcurrentModificationException: no effect.
    ConcurrentModification,
    /// The answer takes `delay` longer (default 5 s).
    Slow,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 12] = [
        Self::Throttle,
        Self::ServiceException,
        Self::ServiceExceptionAfterEffect,
        Self::RequestLost,
        Self::AnswerLost,
        Self::Refused,
        Self::Timeout,
        Self::TimeoutAfterEffect,
        Self::StaleRead,
        Self::EmptyPage,
        Self::ConcurrentModification,
        Self::Slow,
    ];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Throttle => "throttle",
            Self::ServiceException => "serviceException",
            Self::ServiceExceptionAfterEffect => "serviceExceptionAfterEffect",
            Self::RequestLost => "requestLost",
            Self::AnswerLost => "answerLost",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::TimeoutAfterEffect => "timeoutAfterEffect",
            Self::StaleRead => "staleRead",
            Self::EmptyPage => "emptyPage",
            Self::ConcurrentModification => "concurrentModification",
            Self::Slow => "slow",
        }
    }

    /// Whether the fault can happen to the operation.
    pub(crate) fn fits(self, operation: &str) -> bool {
        match self {
            Self::StaleRead => is_read(operation) && operation != "GetCallerIdentity",
            Self::EmptyPage => operation.starts_with("List") || operation == "GetResources",
            Self::ConcurrentModification => is_write(operation),
            _ => true,
        }
    }

    /// The delay when the rule gives none; `None` for a fault that has no delay.
    pub(crate) fn default_delay(self) -> Option<Duration> {
        match self {
            Self::StaleRead | Self::Slow => Some(Duration::from_secs(5)),
            Self::TimeoutAfterEffect => Some(Duration::ZERO),
            _ => None,
        }
    }
}

/// Faults from a seed. The first rule that hits a call decides; every rule that matches counts and draws, so that one
/// rule's luck does not change another's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct FaultPlan {
    /// 1.
    pub version: u64,
    /// Which calls are hit follows from this number and the order of the calls only.
    pub seed: u64,
    /// In order of precedence.
    pub rules: Vec<FaultRule>,
}

impl Default for FaultPlan {
    /// No faults.
    fn default() -> Self {
        Self {
            version: VERSION,
            seed: 0,
            rules: Vec::new(),
        }
    }
}

/// One fault, the calls it may hit, and how often it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FaultRule {
    /// What happens.
    pub fault: Fault,
    /// Operation names, and the groups `reads` (List*, Describe*, Get*) and `writes` (what changes the organization).
    /// Empty: every operation the fault fits. A group means its operations that the fault fits.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<String>,
    /// Chance per matching call, 0 to 100. 100 when neither this nor `every` is given; never beside `every`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// Each n-th matching call, at least 1.
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
    /// Only of `staleRead`, `slow` and `timeoutAfterEffect`, see [`Fault`].
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional::serialize"
    )]
    pub delay: Option<Duration>,
}

impl FaultRule {
    /// Hits every call the fault fits, for ever.
    pub fn new(fault: Fault) -> Self {
        Self {
            fault,
            operations: Vec::new(),
            percent: None,
            every: None,
            from: None,
            until: None,
            times: None,
            delay: None,
        }
    }

    /// The operations the rule may hit. The plan must be valid.
    pub(crate) fn matching(&self) -> Vec<&'static str> {
        let named = |operation: &str| {
            self.operations.is_empty()
                || self.operations.iter().any(|name| match name.as_str() {
                    "reads" => is_read(operation),
                    "writes" => is_write(operation),
                    name => known_operation(name) == Some(operation),
                })
        };
        operations()
            .filter(|operation| self.fault.fits(operation) && named(operation))
            .collect()
    }

    /// `path` is the rule's own, `rules[0]`.
    fn check(&self, path: &str) -> Result<(), FaultPlanError> {
        let error = |field: &str, rule: String, value: &dyn ToString| {
            Err(FaultPlanError::new(
                &format!("{path}.{field}"),
                rule,
                &value.to_string(),
            ))
        };
        for (index, name) in self.operations.iter().enumerate() {
            let field = format!("operations[{index}]");
            if name == "reads" || name == "writes" {
                continue;
            }
            let Some(operation) = known_operation(name) else {
                let all: Vec<&str> = operations().collect();
                let rule = format!("must be reads, writes or one of {}", all.join(", "));
                return error(&field, rule, name);
            };
            if !self.fault.fits(operation) {
                let rule = format!("must be an operation {} can happen to", self.fault.name());
                return error(&field, rule, name);
            }
        }
        if self.matching().is_empty() {
            let rule = format!("must name an operation {} can happen to", self.fault.name());
            return error("operations", rule, &self.operations.join(", "));
        }
        if let Some(percent) = self.percent.filter(|percent| *percent > 100) {
            return error("percent", "must be 0 to 100".to_owned(), &percent);
        }
        if self.every == Some(0) {
            return error("every", "must be at least 1".to_owned(), &0);
        }
        if let (Some(_), Some(every)) = (self.percent, self.every) {
            return error("every", "must not stand beside percent".to_owned(), &every);
        }
        if let Some(delay) = self.delay {
            let text = format!("{delay:?}");
            if self.fault.default_delay().is_none() {
                let rule = format!("must be absent: {} has no delay", self.fault.name());
                return error("delay", rule, &text);
            }
            if self.fault == Fault::StaleRead && delay > OLDEST_READ {
                return error("delay", "must be at most 30s".to_owned(), &text);
            }
        }
        let from = self.from.unwrap_or_default();
        if let Some(until) = self.until.filter(|until| *until <= from) {
            let rule = format!("must be later than from, {from:?}");
            return error("until", rule, &format!("{until:?}"));
        }
        Ok(())
    }
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
    fn new(path: &str, rule: impl Into<String>, value: &str) -> Self {
        Self {
            path: path.to_owned(),
            rule: rule.into(),
            value: value.to_owned(),
        }
    }
}

impl FaultPlan {
    /// Reads YAML or JSON.
    pub fn parse(text: &str) -> Result<Self, FaultPlanError> {
        let options = serde_saphyr::options! { with_snippet: false };
        let value: Value = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            FaultPlanError::new("plan", "must be YAML or JSON", &format!("readable: {error}"))
        })?;
        Self::try_from(value)
    }

    /// The rules that [`FaultPlan::parse`] applies, for a plan made in code.
    pub fn check(&self) -> Result<(), FaultPlanError> {
        if self.version != VERSION {
            return Err(FaultPlanError::new(
                "version",
                "must be 1",
                &self.version.to_string(),
            ));
        }
        let mut rules = self.rules.iter().enumerate();
        rules.try_for_each(|(index, rule)| rule.check(&format!("rules[{index}]")))
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
            .map(|(index, value)| read_rule(value, &format!("rules[{index}]")))
            .collect::<Result<_, _>>()?;
        let plan = Self { version, seed, rules };
        plan.check()?;
        Ok(plan)
    }
}

fn read_rule(value: Value, path: &str) -> Result<FaultRule, FaultPlanError> {
    const DURATION: &str = "must be a duration such as 3s, 10m or 1h 30m";
    let mut fields = Fields::of(value, path)?;
    let names: Vec<&str> = Fault::ALL.into_iter().map(Fault::name).collect();
    let of_faults = format!("must be one of {}", names.join(", "));
    let fault = fields.required("fault", &of_faults, |value| {
        Fault::ALL
            .into_iter()
            .find(|fault| value.as_str() == Some(fault.name()))
    })?;
    let strings = |value: &Value| {
        let items = value.as_array()?;
        items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect()
    };
    let percent = |value: &Value| u8::try_from(value.as_u64()?).ok();
    let rule = FaultRule {
        fault,
        operations: fields
            .optional("operations", "must be a list of operation names", strings)?
            .unwrap_or_default(),
        percent: fields.optional("percent", "must be 0 to 100", percent)?,
        every: fields.optional("every", "must be a whole number of at least 1", Value::as_u64)?,
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
        match value {
            Value::Object(map) => Ok(Self {
                path: path.to_owned(),
                map,
                known: Vec::new(),
            }),
            other => {
                let path = if path.is_empty() { "plan" } else { path };
                Err(FaultPlanError::new(path, "must be a mapping", &other.to_string()))
            }
        }
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
            .ok_or_else(|| FaultPlanError::new(&self.path(name), rule, "absent"))
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
        let read = read(&value);
        let error = || FaultPlanError::new(&self.path(name), rule, &value.to_string());
        read.map(Some).ok_or_else(error)
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
