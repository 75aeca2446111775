//! STS on the awsQuery protocol: a form in, XML out.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use jiff::Timestamp;

use super::ApiError;

/// The only version of the STS API.
const VERSION: &str = "2011-06-15";

/// One request, by AWS's operation name.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    AssumeRole(AssumeRoleInput),
    GetCallerIdentity,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct AssumeRoleInput {
    pub(crate) role_arn: Option<String>,
    pub(crate) role_session_name: Option<String>,
    /// Not yet a number: a text that is none is a ValidationError.
    pub(crate) duration_seconds: Option<String>,
    pub(crate) external_id: Option<String>,
    pub(crate) source_identity: Option<String>,
    pub(crate) policy: Option<String>,
    pub(crate) policy_arns: usize,
    pub(crate) tags: usize,
}

impl Request {
    /// Every supported operation.
    pub(crate) const OPERATIONS: &[&str] = &["AssumeRole", "GetCallerIdentity"];

    /// The operation's name as given, and the request or the refusal: MissingAction, InvalidAction.
    pub(crate) fn decode(query: Option<&str>, body: &Bytes) -> (String, Result<Self, ApiError>) {
        let text = String::from_utf8_lossy(body);
        let form = parse_form(if text.is_empty() {
            query.unwrap_or_default()
        } else {
            &text
        });
        let name = form.get("Action").cloned().unwrap_or_default();
        let version = form.get("Version").map_or("", String::as_str);
        let request = match name.as_str() {
            "" => Err(ApiError::new("MissingAction", "The request carries no Action")),
            _ if version != VERSION => Err(invalid_action(&name, version)),
            "AssumeRole" => Ok(Self::AssumeRole(assume_role(&form))),
            "GetCallerIdentity" => Ok(Self::GetCallerIdentity),
            _ => Err(invalid_action(&name, version)),
        };
        (name, request)
    }
}

fn invalid_action(name: &str, version: &str) -> ApiError {
    let message = format!("Could not find operation {name} for version {version}");
    ApiError::new("InvalidAction", message)
}

fn assume_role(form: &BTreeMap<String, String>) -> AssumeRoleInput {
    let field = |name: &str| form.get(name).cloned();
    let members = |prefix: &str, suffix: &str| {
        let member = |key: &&String| key.starts_with(prefix) && key.ends_with(suffix);
        form.keys().filter(member).count()
    };
    AssumeRoleInput {
        role_arn: field("RoleArn"),
        role_session_name: field("RoleSessionName"),
        duration_seconds: field("DurationSeconds"),
        external_id: field("ExternalId"),
        source_identity: field("SourceIdentity"),
        policy: field("Policy"),
        policy_arns: members("PolicyArns.member.", ".arn"),
        tags: members("Tags.member.", ".Key"),
    }
}

/// What STS answers.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    AssumeRole {
        access_key_id: String,
        secret_access_key: String,
        session_token: String,
        expiration: Timestamp,
        /// `<role id>:<session name>`.
        assumed_role_id: String,
        arn: String,
    },
    GetCallerIdentity {
        account: String,
        arn: String,
        user_id: String,
    },
}

impl Answer {
    pub(crate) fn encode(&self, request_id: &str) -> String {
        let (operation, result) = match self {
            Self::AssumeRole {
                access_key_id,
                secret_access_key,
                session_token,
                expiration,
                assumed_role_id,
                arn,
            } => {
                let expiration = Timestamp::from_second(expiration.as_second()).unwrap_or(*expiration);
                let credentials = [
                    element("AccessKeyId", access_key_id),
                    element("SecretAccessKey", secret_access_key),
                    element("SessionToken", session_token),
                    element("Expiration", &expiration.to_string()),
                ];
                let user = element("AssumedRoleId", assumed_role_id) + &element("Arn", arn);
                let user = format!("<AssumedRoleUser>{user}</AssumedRoleUser>");
                let credentials = format!("<Credentials>{}</Credentials>", credentials.concat());
                ("AssumeRole", user + &credentials)
            }
            Self::GetCallerIdentity {
                account,
                arn,
                user_id,
            } => {
                let members = [
                    element("Arn", arn),
                    element("UserId", user_id),
                    element("Account", account),
                ];
                ("GetCallerIdentity", members.concat())
            }
        };
        format!(
            "<{operation}Response xmlns=\"https://sts.amazonaws.com/doc/{VERSION}/\">\
             <{operation}Result>{result}</{operation}Result>\
             <ResponseMetadata>{}</ResponseMetadata></{operation}Response>",
            element("RequestId", request_id)
        )
    }
}

pub(crate) fn encode_error(error: &ApiError, request_id: &str) -> String {
    let kind = if error.status >= 500 { "Receiver" } else { "Sender" };
    let members = [
        element("Type", kind),
        element("Code", &error.code),
        element("Message", &error.message),
    ];
    format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/{VERSION}/\"><Error>{}</Error>{}</ErrorResponse>",
        members.concat(),
        element("RequestId", request_id)
    )
}

fn element(name: &str, text: &str) -> String {
    let mut out = format!("<{name}>");
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            other => out.push(other),
        }
    }
    let _ = write!(out, "</{name}>");
    out
}

/// `application/x-www-form-urlencoded`; the last value of a repeated key wins.
fn parse_form(form: &str) -> BTreeMap<String, String> {
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (percent_decode(key), percent_decode(value))
    };
    form.split('&')
        .filter(|part| !part.is_empty())
        .map(pair)
        .collect()
}

fn percent_decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let decoded = match byte {
            b'+' => b' ',
            b'%' => {
                let ahead = bytes.clone();
                match hex_pair(ahead) {
                    Some(value) => {
                        let _ = (bytes.next(), bytes.next());
                        value
                    }
                    None => b'%',
                }
            }
            other => other,
        };
        out.push(decoded);
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex_pair(mut bytes: impl Iterator<Item = u8>) -> Option<u8> {
    let high = char::from(bytes.next()?).to_digit(16)?;
    let low = char::from(bytes.next()?).to_digit(16)?;
    u8::try_from(high * 16 + low).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_decoded() {
        let body = Bytes::from_static(
            b"Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2FR&RoleSessionName=a+b%zz&Tags.member.1.Key=k&Tags.member.1.Value=v",
        );
        let (name, request) = Request::decode(None, &body);
        let Ok(Request::AssumeRole(input)) = request else {
            panic!("{request:?}")
        };
        assert_eq!(name, "AssumeRole");
        assert_eq!(
            input.role_arn.as_deref(),
            Some("arn:aws:iam::123456789012:role/R")
        );
        assert_eq!(input.role_session_name.as_deref(), Some("a b%zz"));
        assert_eq!(input.tags, 1);
    }

    #[test]
    fn what_is_no_action_is_refused() {
        let code = |body: &'static str| {
            let (_, request) = Request::decode(None, &Bytes::from_static(body.as_bytes()));
            request.map(|_| ()).map_err(|error| error.code.into_owned())
        };
        assert_eq!(code(""), Err("MissingAction".to_owned()));
        assert_eq!(
            code("Action=AssumeRoot&Version=2011-06-15"),
            Err("InvalidAction".to_owned())
        );
        assert_eq!(
            code("Action=GetCallerIdentity&Version=2010-05-08"),
            Err("InvalidAction".to_owned())
        );
        assert_eq!(code("Action=GetCallerIdentity&Version=2011-06-15"), Ok(()));
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(element("A", "<&>"), "<A>&lt;&amp;&gt;</A>");
    }
}
