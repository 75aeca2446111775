//! An AWS request as the judge reads it off the wire, without the operator's types.

use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;
use std::fmt::Write as _;

/// One AWS call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// AWS's name of the operation.
    pub(crate) operation: String,
    /// Its input; null where the wire is not JSON (STS).
    pub(crate) input: Value,
}

/// How the names of operations begin that change nothing.
const READS: [&str; 4] = ["List", "Describe", "Get", "Assume"];

impl Call {
    pub(crate) fn read(request: &Request<Bytes>) -> Self {
        let target = request
            .headers()
            .get("x-amz-target")
            .and_then(|target| target.to_str().ok());
        let operation = match target {
            Some(target) => target.rsplit('.').next().unwrap_or(target).to_owned(),
            // awsQuery: a form with the operation as `Action`.
            None => String::from_utf8_lossy(request.body())
                .split('&')
                .find_map(|pair| pair.strip_prefix("Action=").map(str::to_owned))
                .unwrap_or_else(|| "?".to_owned()),
        };
        let input = serde_json::from_slice(request.body()).unwrap_or(Value::Null);
        Self { operation, input }
    }

    pub(crate) fn is_mutation(&self) -> bool {
        !READS.iter().any(|read| self.operation.starts_with(read))
    }

    /// A text member of the input.
    pub(crate) fn text(&self, member: &str) -> Option<&str> {
        self.input[member].as_str()
    }

    /// The value of a tag in the input.
    pub(crate) fn tag(&self, key: &str) -> Option<&str> {
        let tags = self.input["Tags"].as_array()?;
        tags.iter().find(|tag| tag["Key"] == key)?["Value"].as_str()
    }

    /// Does the listing begin with this call, rather than go on?
    pub(crate) fn begins_a_listing(&self) -> bool {
        self.input["NextToken"].is_null()
    }

    /// What the call changes: an account, a unit, the root, a policy, or where a policy is attached.
    pub(crate) fn subject(&self) -> String {
        if let (Some(policy), Some(target)) = (self.text("PolicyId"), self.text("TargetId")) {
            return attachment(policy, target);
        }
        let id = [
            "ResourceId",
            "AccountId",
            "ParentId",
            "Email",
            "PolicyId",
            "RootId",
            "Name",
        ];
        let id = id.iter().find_map(|member| self.text(member));
        id.unwrap_or_default().to_ascii_lowercase()
    }

    /// One line for the transcript.
    pub(crate) fn summary(&self) -> String {
        let mut line = self.operation.clone();
        for member in [
            "ResourceId",
            "AccountId",
            "ParentId",
            "Name",
            "SourceParentId",
            "DestinationParentId",
            "Email",
            "CreateAccountRequestId",
            "PolicyId",
            "TargetId",
            "PolicyType",
        ] {
            if let Some(value) = self.text(member) {
                let _ = write!(line, " {value}");
            }
        }
        for tag in self.input["Tags"].as_array().into_iter().flatten() {
            let _ = write!(
                line,
                " {}={}",
                tag["Key"].as_str().unwrap_or_default(),
                tag["Value"].as_str().unwrap_or_default()
            );
        }
        if let Some(keys) = self.input["TagKeys"].as_array() {
            let keys: Vec<&str> = keys.iter().filter_map(Value::as_str).collect();
            let _ = write!(line, " -{}", keys.join(",-"));
        }
        line
    }
}

/// Names an attachment among the subjects.
pub(crate) fn attachment(policy: &str, target: &str) -> String {
    format!("{policy} at {target}")
}

/// What came of a call, as its caller sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Success; `more`: a listing goes on.
    Ok { more: bool, body: Value },
    /// AWS refused or failed, with this code.
    Error(String),
    /// The connection gave no answer.
    Lost,
}

impl Answer {
    pub(crate) fn read(response: Option<&Response<Bytes>>) -> Self {
        let Some(response) = response else {
            return Self::Lost;
        };
        let body: Value = serde_json::from_slice(response.body()).unwrap_or(Value::Null);
        if response.status().is_success() {
            let more = body["NextToken"].is_string()
                || body["PaginationToken"]
                    .as_str()
                    .is_some_and(|token| !token.is_empty());
            return Self::Ok { more, body };
        }
        let code = body["__type"]
            .as_str()
            .map_or_else(|| response.status().to_string(), str::to_owned);
        let code = code.rsplit('#').next().unwrap_or_default().to_owned();
        match body["Reason"].as_str() {
            Some(reason) => Self::Error(format!("{code}/{reason}")),
            None => Self::Error(code),
        }
    }

    pub(crate) fn is_ok(&self) -> bool {
        matches!(self, Self::Ok { .. })
    }

    /// Was the request refused before it could have an effect?
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Error(code) if !code.starts_with("ServiceException") && !code.starts_with('5'))
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ok { more: false, .. } => f.write_str("OK"),
            Self::Ok { more: true, .. } => f.write_str("OK, more"),
            Self::Error(code) => f.write_str(code),
            Self::Lost => f.write_str("no answer"),
        }
    }
}
