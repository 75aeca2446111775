//! Errors as the API server words them: every one becomes a `kind: Status` body.

use serde_json::{Map, Value, json};

/// One entry of `details.causes`, from one failed check of one field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cause {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) field: String,
}

impl Cause {
    pub(crate) fn new(reason: &'static str, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            field: field.into(),
        }
    }

    /// `Invalid value: <value>: <detail>`; the server leaves structured values out of the text.
    pub(crate) fn invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        let message = match value {
            Value::Object(_) | Value::Array(_) => format!("Invalid value: {detail}"),
            scalar => format!("Invalid value: {scalar}: {detail}"),
        };
        Self::new("FieldValueInvalid", field, message)
    }

    pub(crate) fn required(field: impl Into<String>, detail: &str) -> Self {
        let message = if detail.is_empty() {
            "Required value".to_owned()
        } else {
            format!("Required value: {detail}")
        };
        Self::new("FieldValueRequired", field, message)
    }

    pub(crate) fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        Self::new("FieldValueForbidden", field, format!("Forbidden: {detail}"))
    }

    pub(crate) fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        Self::new("FieldValueDuplicate", field, format!("Duplicate value: {value}"))
    }

    /// The violations after which the server does not evaluate CEL rules (`hasBlockingErr` in apiextensions).
    pub(crate) fn blocks_rules(&self) -> bool {
        matches!(
            self.reason,
            "FieldValueNotSupported"
                | "FieldValueRequired"
                | "FieldValueTooLong"
                | "FieldValueTooMany"
                | "FieldValueTypeInvalid"
        )
    }

    fn to_json(&self) -> Value {
        let mut cause = json!({"message": self.message});
        if !self.reason.is_empty() {
            cause["reason"] = json!(self.reason);
        }
        if !self.field.is_empty() {
            cause["field"] = json!(self.field);
        }
        cause
    }
}

/// What an error is about: `details.name`, `.group` and `.kind`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subject {
    pub(crate) group: String,
    /// The plural, or the kind where the server says the kind.
    pub(crate) kind: String,
    pub(crate) name: String,
}

impl Subject {
    pub(crate) fn new(group: &str, kind: &str, name: &str) -> Self {
        Self {
            group: group.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
        }
    }

    /// `widgets.example.dev`, or the bare plural in the core group.
    pub(crate) fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.kind.clone()
        } else {
            format!("{}.{}", self.kind, self.group)
        }
    }
}

/// A request that failed.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    details: Box<Details>,
}

/// `details` of a Status.
#[derive(Clone, Debug, Default)]
struct Details {
    subject: Option<Subject>,
    causes: Vec<Cause>,
    retry_after: Option<u32>,
}

impl Failure {
    pub(crate) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: Box::default(),
        }
    }

    fn about(mut self, subject: Subject) -> Self {
        self.details.subject = Some(subject);
        self
    }

    pub(crate) fn because(mut self, causes: Vec<Cause>) -> Self {
        self.details.causes = causes;
        self
    }

    /// The client may come again after so many seconds.
    pub(crate) fn retry_after(mut self, seconds: u32) -> Self {
        self.details.retry_after = Some(seconds);
        self
    }

    /// What the header `Retry-After` says.
    pub(crate) fn seconds_to_wait(&self) -> Option<u32> {
        self.details.retry_after
    }

    /// The answer to everything kubesim does not imitate; the message names it.
    pub(crate) fn not_implemented(what: &str) -> Self {
        Self::new(
            501,
            "NotImplemented",
            format!("kubesim does not implement {what}"),
        )
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// A 500 without a reason: how the server answers errors it has no category for.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "", message)
    }

    pub(crate) fn not_found(subject: Subject) -> Self {
        let message = format!("{} \"{}\" not found", subject.qualified(), subject.name);
        Self::new(404, "NotFound", message).about(subject)
    }

    pub(crate) fn no_such_resource(path: &str) -> Self {
        Self::new(
            404,
            "NotFound",
            format!("the server could not find the requested resource: {path}"),
        )
    }

    pub(crate) fn already_exists(subject: Subject) -> Self {
        let message = format!("{} \"{}\" already exists", subject.qualified(), subject.name);
        Self::new(409, "AlreadyExists", message).about(subject)
    }

    pub(crate) fn conflict(subject: Subject, detail: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{}\": {detail}",
            subject.qualified(),
            subject.name
        );
        Self::new(409, "Conflict", message).about(subject)
    }

    /// The optimistic lock: the resourceVersion sent is not the stored one.
    pub(crate) fn modified(subject: Subject) -> Self {
        Self::conflict(
            subject,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    pub(crate) fn forbidden(subject: Subject, detail: &str) -> Self {
        let message = format!(
            "{} \"{}\" is forbidden: {detail}",
            subject.qualified(),
            subject.name
        );
        Self::new(403, "Forbidden", message).about(subject)
    }

    pub(crate) fn invalid(subject: Subject, causes: Vec<Cause>) -> Self {
        let texts: Vec<String> = causes
            .iter()
            .map(|cause| {
                if cause.field.is_empty() {
                    cause.message.clone()
                } else {
                    format!("{}: {}", cause.field, cause.message)
                }
            })
            .collect();
        let list = match texts.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let message = format!("{} \"{}\" is invalid: {list}", subject.qualified(), subject.name);
        Self::new(422, "Invalid", message).about(subject).because(causes)
    }

    /// A resourceVersion the history no longer holds.
    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    pub(crate) fn too_large_version(asked: u64, current: u64) -> Self {
        Self::new(
            504,
            "Timeout",
            format!("Timeout: Too large resource version: {asked}, current: {current}"),
        )
        .because(vec![Cause::new(
            "ResourceVersionTooLarge",
            "",
            "Too large resource version",
        )])
        .retry_after(1)
    }

    /// The `kind: Status` body.
    pub(crate) fn to_json(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if !self.reason.is_empty() {
            status["reason"] = json!(self.reason);
        }
        let mut details = Map::new();
        if let Some(subject) = &self.details.subject {
            for (key, text) in [
                ("name", &subject.name),
                ("group", &subject.group),
                ("kind", &subject.kind),
            ] {
                if !text.is_empty() {
                    details.insert(key.to_owned(), json!(text));
                }
            }
        }
        if !self.details.causes.is_empty() {
            details.insert(
                "causes".into(),
                self.details.causes.iter().map(Cause::to_json).collect(),
            );
        }
        if let Some(seconds) = self.details.retry_after {
            details.insert("retryAfterSeconds".into(), json!(seconds));
        }
        if !details.is_empty() {
            status["details"] = Value::Object(details);
        }
        status
    }
}
