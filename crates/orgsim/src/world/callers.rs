//! Who calls, and what they may do.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::World;
use crate::wire::organizations::Request as OrganizationsRequest;
use crate::wire::{ApiError, Exchange, Request, Service, is_read};

/// The principal behind a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Caller {
    /// 12 digits.
    pub(crate) account: String,
    pub(crate) arn: String,
    pub(crate) user_id: String,
    /// Whether it belongs to the management account.
    pub(crate) management: bool,
}

/// Temporary credentials AssumeRole handed out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) caller: Caller,
    pub(crate) token: String,
    pub(crate) expires: Timestamp,
}

impl World {
    /// The session the access key id belongs to, else the management account's own principal.
    pub(crate) fn authenticate(&self, exchange: &Exchange) -> Result<Caller, ApiError> {
        let sts = exchange.service == Service::Sts;
        // STS answers 403 where the JSON services answer 400, and drops the suffix.
        let refusal = |query: &'static str, json: &'static str, message: &str| {
            let (code, status) = if sts { (query, 403) } else { (json, 400) };
            ApiError::new(code, message).with_status(status)
        };
        let Some(credentials) = &exchange.credentials else {
            let message = "Request is missing Authentication Token";
            return Err(refusal(
                "MissingAuthenticationToken",
                "MissingAuthenticationTokenException",
                message,
            ));
        };
        let Some(session) = self.sessions.get(&credentials.access_key_id) else {
            return Ok(self.management_principal());
        };
        if credentials.session_token.as_deref() != Some(&session.token) {
            let message = "The security token included in the request is invalid.";
            return Err(refusal(
                "InvalidClientTokenId",
                "UnrecognizedClientException",
                message,
            ));
        }
        if self.now >= session.expires {
            let message = "The security token included in the request is expired";
            return Err(refusal("ExpiredToken", "ExpiredTokenException", message));
        }
        Ok(session.caller.clone())
    }

    fn management_principal(&self) -> Caller {
        let account = self.settings.management_account_id.clone();
        Caller {
            arn: format!("arn:aws:iam::{account}:user/administrator"),
            user_id: "AIDAIOSFODNN7EXAMPLE0".to_owned(),
            account,
            management: true,
        }
    }

    /// Writes and, but for DescribeOrganization, reads are the management account's; reads the delegated
    /// administrators' too. A denied operation is nobody's. What a member session does, its account's service control
    /// policies must allow as well.
    pub(crate) fn authorize(
        &mut self,
        exchange: &Exchange,
        request: &Request,
        caller: &Caller,
    ) -> Result<(), ApiError> {
        use OrganizationsRequest as R;
        let (service, operation) = (exchange.service, exchange.operation.as_str());
        if service == Service::Organizations && !caller.management {
            self.is_member(caller)?;
        }
        self.ask_policies(exchange, request, caller)?;
        let denied = |operation: &str| self.denied.contains(operation);
        let open_to_members = match request {
            Request::Organizations(R::DescribeOrganization(_) | R::LeaveOrganization(_))
            | Request::Tagging(_)
            | Request::Sts(_) => true,
            // An administrator of any service gets the reads of AWS Organizations with it.
            Request::Organizations(_) => {
                is_read(operation) && self.is_delegated_administrator(&caller.account)
            }
        };
        // Creating something with tags needs organizations:TagResource too.
        let tags = match request {
            Request::Organizations(R::CreateAccount(input)) => input.tags.as_ref(),
            Request::Organizations(R::CreateOrganizationalUnit(input)) => input.tags.as_ref(),
            Request::Organizations(R::CreatePolicy(input)) => input.tags.as_ref(),
            Request::Organizations(R::InviteAccountToOrganization(input)) => input.tags.as_ref(),
            _ => None,
        };
        let tags_denied = tags.is_some_and(|tags| !tags.is_empty()) && denied("TagResource");
        let refused = !(caller.management || open_to_members) || denied(operation) || tags_denied;
        if !refused {
            return Ok(());
        }
        Err(access_denied(service, operation, caller, "*"))
    }

    fn is_member(&self, caller: &Caller) -> Result<(), ApiError> {
        if self.records.accounts.contains_key(&caller.account) {
            return Ok(());
        }
        let message = "Your account is not a member of an organization";
        Err(ApiError::new("AWSOrganizationsNotInUseException", message))
    }
}

/// AccessDeniedException, or STS's AccessDenied with HTTP 403.
pub(crate) fn access_denied(service: Service, operation: &str, caller: &Caller, resource: &str) -> ApiError {
    let message = format!(
        "User: {} is not authorized to perform: {}:{operation} on resource: {resource}",
        caller.arn,
        service.action_prefix()
    );
    match service {
        Service::Sts => ApiError::new("AccessDenied", message).with_status(403),
        Service::Organizations | Service::Tagging => ApiError::new("AccessDeniedException", message),
    }
}
