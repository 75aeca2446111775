//! Invitations of accounts from outside. The other side answers at the debug address only.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::accounts::{Account, bad_token, page_request, with_token};
use super::{Event, World, check};
use crate::clock::after;
use crate::debug::AccountState;
use crate::wire::organizations::{HandshakeInput, InviteInput, ListHandshakesInput};
use crate::wire::{ApiError, shapes};

const DAY: Duration = Duration::from_hours(24);
/// An invitation is open for so long: user guide, orgs_reference_limits.
const OPEN_FOR: Duration = Duration::from_hours(15 * 24);
/// A finished handshake is listed for so long.
const LISTED_FOR: Duration = Duration::from_hours(30 * 24);
/// Invitations in 24 hours, unless the account quota is larger; accepted ones do not count.
const PER_DAY: usize = 20;

/// REQUESTED is never seen: an invitation is OPEN at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum HandshakeState {
    Open,
    Canceled,
    Accepted,
    Declined,
    Expired,
}

impl HandshakeState {
    /// The wire value.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Canceled => "CANCELED",
            Self::Accepted => "ACCEPTED",
            Self::Declined => "DECLINED",
            Self::Expired => "EXPIRED",
        }
    }
}

/// One invitation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Handshake {
    pub(crate) id: String,
    /// `ACCOUNT` or `EMAIL`.
    target_type: String,
    pub(crate) target: String,
    notes: Option<String>,
    tags: BTreeMap<String, String>,
    pub(crate) state: HandshakeState,
    requested_at: Timestamp,
    expires_at: Timestamp,
    ended_at: Option<Timestamp>,
}

impl World {
    pub(crate) fn invite_account(&mut self, input: &InviteInput) -> Result<Value, ApiError> {
        let target = input.target.as_ref();
        let kind = check::required("Target.Type", target.and_then(|target| target.r#type.as_ref()))?;
        let id = check::required("Target.Id", target.and_then(|target| target.id.as_ref()))?;
        check_target(kind, id)?;
        if let Some(notes) = &input.notes {
            check::length("Notes", notes, 0, 1_024)?;
        }
        let tags = check::tags(input.tags.as_deref())?;
        self.finalized()?;
        self.check_invitation(id)?;
        let handshake = Handshake {
            id: format!("h-{}", self.random.handshake_ids.lower(32)),
            target_type: kind.to_owned(),
            target: id.to_owned(),
            notes: input.notes.clone(),
            tags,
            state: HandshakeState::Open,
            requested_at: self.now,
            expires_at: after(self.now, OPEN_FOR),
            ended_at: None,
        };
        self.schedule(OPEN_FOR, Event::HandshakeExpires(handshake.id.clone()));
        let answer = json!({"Handshake": self.handshake_shape(&handshake)});
        self.records.handshakes.insert(handshake.id.clone(), handshake);
        Ok(answer)
    }

    fn check_invitation(&self, target: &str) -> Result<(), ApiError> {
        let mut accounts = self.records.accounts.values();
        if accounts.any(|account| account.id == target || account.email.eq_ignore_ascii_case(target)) {
            let message = "The account is already a member of an organization";
            return Err(violation("ALREADY_IN_AN_ORGANIZATION", message));
        }
        let mut open = self.open_handshakes();
        if open.any(|handshake| handshake.target.eq_ignore_ascii_case(target)) {
            let message = "A handshake with the same action and target already exists";
            return Err(ApiError::new("DuplicateHandshakeException", message));
        }
        let counts = |handshake: &&Handshake| {
            handshake.state != HandshakeState::Accepted && self.now < after(handshake.requested_at, DAY)
        };
        let recent = self.records.handshakes.values().filter(counts).count();
        if recent >= self.settings.account_quota.max(PER_DAY) {
            let message = "You have exceeded the number of handshakes that you can send in one day";
            return Err(violation("HANDSHAKE_RATE_LIMIT_EXCEEDED", message));
        }
        if self.is_full() {
            let message = "You have exceeded the allowed number of accounts in your organization";
            return Err(violation("ACCOUNT_NUMBER_LIMIT_EXCEEDED", message));
        }
        Ok(())
    }

    /// Closed accounts and open invitations count, and the management account.
    pub(crate) fn is_full(&self) -> bool {
        self.records.accounts.len() + self.open_handshakes().count() >= self.settings.account_quota
    }

    fn open_handshakes(&self) -> impl Iterator<Item = &Handshake> {
        let handshakes = self.records.handshakes.values();
        handshakes.filter(|handshake| handshake.state == HandshakeState::Open)
    }

    fn handshake(&self, id: &str) -> Result<&Handshake, ApiError> {
        self.records.handshakes.get(id).ok_or_else(|| {
            let message = "We can't find a handshake with the HandshakeId that you specified";
            ApiError::new("HandshakeNotFoundException", message)
        })
    }

    pub(crate) fn describe_handshake(&self, input: &HandshakeInput) -> Result<Value, ApiError> {
        let id = check::id("HandshakeId", input.handshake_id.as_ref(), check::is_handshake)?;
        Ok(json!({"Handshake": self.handshake_shape(self.handshake(id)?)}))
    }

    pub(crate) fn cancel_handshake(&mut self, input: &HandshakeInput) -> Result<Value, ApiError> {
        let id = check::id("HandshakeId", input.handshake_id.as_ref(), check::is_handshake)?;
        self.end_handshake(id, HandshakeState::Canceled)?;
        self.describe_handshake(input)
    }

    /// HandshakeAlreadyInStateException, or InvalidHandshakeTransitionException for any other end.
    fn end_handshake(&mut self, id: &str, state: HandshakeState) -> Result<(), ApiError> {
        let present = self.handshake(id)?.state;
        if present == state {
            let message = "The specified handshake is already in the requested state";
            return Err(ApiError::new("HandshakeAlreadyInStateException", message));
        }
        if present != HandshakeState::Open {
            let message = "You can't perform the operation on the handshake in its current state";
            return Err(ApiError::new("InvalidHandshakeTransitionException", message));
        }
        let now = self.now;
        if let Some(handshake) = self.records.handshakes.get_mut(id) {
            handshake.state = state;
            handshake.ended_at = Some(now);
        }
        Ok(())
    }

    /// 15 days are over; nothing when the invitation was answered.
    pub(crate) fn expire_handshake(&mut self, id: &str) {
        let _ = self.end_handshake(id, HandshakeState::Expired);
    }

    /// The other side says no.
    pub(crate) fn decline_handshake(&mut self, id: &str) -> Result<(), ApiError> {
        self.end_handshake(id, HandshakeState::Declined)
    }

    /// The other side joins: into the root, with the invitation's tags, without an access role of ours.
    pub(crate) fn accept_handshake(&mut self, id: &str) -> Result<(), ApiError> {
        let handshake = self.handshake(id)?.clone();
        self.end_handshake(id, HandshakeState::Accepted)?;
        let listing_lag = self.random.listing_lags.duration(self.settings.listing_lag);
        let account = match self.outsider(&handshake) {
            Some(account) => account,
            None => self.stranger(&handshake),
        };
        let account = Account {
            parent: self.settings.root_id.clone(),
            invited: true,
            joined_at: self.now,
            listed_from: after(self.now, listing_lag),
            ..account
        };
        let account_id = account.id.clone();
        self.outside.remove(&account_id);
        self.used_emails.insert(account.email.to_lowercase());
        self.records.accounts.insert(account_id.clone(), account);
        self.attach_managed(&account_id);
        if !handshake.tags.is_empty() {
            self.set_tags(&account_id, &handshake.tags);
        }
        Ok(())
    }

    /// An account that was a member once.
    fn outsider(&self, handshake: &Handshake) -> Option<Account> {
        let target = &handshake.target;
        let mut outside = self.outside.values();
        let is_it = |account: &&Account| account.id == *target || account.email.eq_ignore_ascii_case(target);
        outside.find(is_it).cloned()
    }

    /// An account nobody here has seen.
    fn stranger(&mut self, handshake: &Handshake) -> Account {
        let (id, email) = if handshake.target_type == "ACCOUNT" {
            (
                handshake.target.clone(),
                format!("{}@example.com", handshake.target),
            )
        } else {
            (self.new_account_id(), handshake.target.clone())
        };
        Account {
            name: email.split('@').next().unwrap_or_default().to_owned(),
            id,
            email,
            state: AccountState::Active,
            parent: String::new(),
            role_name: None,
            invited: true,
            joined_at: self.now,
            listed_from: self.now,
            accessible_from: self.now,
        }
    }

    pub(crate) fn list_handshakes(&mut self, input: &ListHandshakesInput) -> Result<Value, ApiError> {
        let filter = input.filter.as_ref();
        let action = filter.and_then(|filter| filter.action_type.as_deref());
        if let Some(action) = action {
            const ACTIONS: [&str; 5] = [
                "INVITE",
                "ENABLE_ALL_FEATURES",
                "APPROVE_ALL_FEATURES",
                "ADD_ORGANIZATIONS_SERVICE_LINKED_ROLE",
                "TRANSFER_RESPONSIBILITY",
            ];
            check::choice("Filter.ActionType", action, &ACTIONS)?;
        }
        // Every handshake here is an invitation, and none has a parent handshake.
        let wanted = action.is_none_or(|action| action == "INVITE")
            && filter.is_none_or(|filter| filter.parent_handshake_id.is_none());
        let scope = format!("ListHandshakesForOrganization {}", action.unwrap_or_default());
        let request = page_request(scope, &input.page)?;
        let now = self.now;
        let is_listed = |handshake: &&Handshake| {
            wanted
                && handshake
                    .ended_at
                    .is_none_or(|ended| now < after(ended, LISTED_FOR))
        };
        let listed = self.records.handshakes.values().filter(is_listed);
        let page = self
            .pager
            .page(&request, listed.map(|handshake| handshake.id.as_str()));
        let page = page.map_err(|_| bad_token())?;
        let handshakes = page.keys.iter().filter_map(|id| self.records.handshakes.get(id));
        let shapes: Vec<_> = handshakes
            .map(|handshake| self.handshake_shape(handshake))
            .collect();
        Ok(with_token(json!({"Handshakes": shapes}), page.next_token))
    }

    fn handshake_shape(&self, handshake: &Handshake) -> Value {
        let settings = &self.settings;
        let organization = &settings.organization_id;
        let mut resources = vec![
            json!({"Type": "ORGANIZATION", "Value": organization, "Resources": [
                {"Type": "MASTER_EMAIL", "Value": settings.management_account_email},
                {"Type": "MASTER_NAME", "Value": settings.management_account_name},
                {"Type": "ORGANIZATION_FEATURE_SET", "Value": self.feature_set()},
            ]}),
            json!({"Type": handshake.target_type, "Value": handshake.target}),
        ];
        if let Some(notes) = &handshake.notes {
            resources.push(json!({"Type": "NOTES", "Value": notes}));
        }
        let (management, id) = (&settings.management_account_id, &handshake.id);
        json!({
            "Id": id,
            "Arn": format!("arn:aws:organizations::{management}:handshake/{organization}/invite/{id}"),
            "Action": "INVITE",
            "State": handshake.state.name(),
            "Parties": [
                {"Id": organization, "Type": "ORGANIZATION"},
                {"Id": handshake.target, "Type": handshake.target_type},
            ],
            "RequestedTimestamp": shapes::EpochSeconds(handshake.requested_at),
            "ExpirationTimestamp": shapes::EpochSeconds(handshake.expires_at),
            "Resources": resources,
        })
    }
}

fn check_target(kind: &str, id: &str) -> Result<(), ApiError> {
    match kind {
        "ACCOUNT" if check::is_account(id) => Ok(()),
        "ACCOUNT" => Err(ApiError::invalid_input(
            "INVALID_PATTERN_TARGET_ID",
            "The target's id must be 12 digits",
        )),
        "EMAIL" if check::email(id).is_ok() => Ok(()),
        "EMAIL" => Err(ApiError::invalid_input(
            "INVALID_EMAIL_ADDRESS_TARGET",
            "You specified an invalid email address for the invited account owner",
        )),
        _ => Err(ApiError::invalid_input(
            "INVALID_PARTY_TYPE_TARGET",
            "You specified the wrong type of entity (account, organization, or email) as a party",
        )),
    }
}

fn violation(reason: &'static str, message: &str) -> ApiError {
    ApiError {
        reason: Some(reason.into()),
        ..ApiError::new("HandshakeConstraintViolationException", message)
    }
}
