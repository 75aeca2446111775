//! What a simulated organization starts from.

use std::time::Duration;

use jiff::Timestamp;

/// How strictly the published request rates and the limit on concurrent creations are applied.
///
/// Everything else (page sizes, tag counts, OU depth, name rules) is a rule rather than a rate and always holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Limits {
    /// The rates of the AWS Organizations user guide, "Throttling limits", and 5 creations in flight.
    #[default]
    Published,
    /// 50 times the published rates, bursts and creations in flight: for demonstrations.
    Relaxed,
    /// No request is throttled and any number of creations may be in flight.
    Off,
}

impl Limits {
    /// The factor on rates, bursts and creations in flight; `None` when nothing is limited.
    pub(crate) fn factor(self) -> Option<u64> {
        match self {
            Self::Published => Some(1),
            Self::Relaxed => Some(50),
            Self::Off => None,
        }
    }
}

/// The organization, its pace and its unkindness. Ranges are `(shortest, longest)`, sampled uniformly in whole
/// milliseconds from the seed; give both the same value for a fixed one.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Request rates and creations in flight. Default [`Limits::Published`].
    pub limits: Limits,
    /// Every id, duration, lag, latency and empty page follows from this number and the order of the calls. Default 0.
    pub seed: u64,
    /// `o-` and 10 to 32 lowercase letters or digits. Default `o-aa111bb222`.
    pub organization_id: String,
    /// `r-` and 4 to 32 lowercase letters or digits. Default `r-a1b2`.
    pub root_id: String,
    /// 12 digits. Default `111111111111`.
    pub management_account_id: String,
    /// Counts as used, like every account's email. Default `management@example.com`.
    pub management_account_email: String,
    /// Default `management`.
    pub management_account_name: String,
    /// Names of roles in the management account that any management principal may assume (the operator's own role in
    /// a credential chain). Default none.
    pub management_roles: Vec<String>,
    /// The moment the world begins: the clock's epoch, and the joining time of the management account.
    /// Default 2026-01-05T00:00:00Z.
    pub start: Timestamp,
    /// From CreateAccount's answer to SUCCEEDED or FAILED. AWS documents "minutes" and shows 3 s and 48 s.
    /// Default 10 to 48 s.
    pub create_duration: (Duration, Duration),
    /// From SUCCEEDED until the access role can be assumed; reports range from seconds to 7 minutes.
    /// Default 20 to 120 s.
    pub access_lag: (Duration, Duration),
    /// How long a new account stays invisible to ListAccounts, ListAccountsForParent and ListChildren, a new unit to
    /// ListOrganizationalUnitsForParent and ListChildren, a new creation request to ListCreateAccountStatus, a new
    /// policy to ListPolicies, a new attachment to ListPoliciesForTarget and ListTargetsForPolicy, and a change of tags
    /// to GetResources; and how long what is deleted or detached stays visible to these lists of policies and
    /// attachments. Reads by id see them at once.
    /// Default 0 to 10 s.
    pub listing_lag: (Duration, Duration),
    /// From CloseAccount's answer (PENDING_CLOSURE) to CLOSED. Default 60 to 300 s.
    pub close_duration: (Duration, Duration),
    /// From a request's arrival to its answer; the effect happens half way. Slept with `tokio::time`, so a paused clock
    /// passes it for free. Default 20 to 80 ms; use zero over TCP, where the network is real.
    pub latency: (Duration, Duration),
    /// From EnablePolicyType's or DisablePolicyType's answer to the end of PENDING_ENABLE or PENDING_DISABLE. AWS
    /// documents only that it takes a while. Default 5 to 30 s.
    pub policy_type_duration: (Duration, Duration),
    /// From a change of service control policies (an attachment, a detachment, an edit, a move of an account) until it is
    /// enforced; each change has its own, so one may overtake another. AWS documents that the effect is immediate.
    /// Default 0 to 10 s.
    pub scp_enforcement_lag: (Duration, Duration),
    /// The types of policies that are enabled at the beginning, `SERVICE_CONTROL_POLICY`. Default none.
    pub policy_types: Vec<String>,
    /// Whether the organization has all features; without, policies and CloseAccount are refused. Default true.
    pub all_features: bool,
    /// Until then CreateAccount and InviteAccountToOrganization answer FinalizingOrganizationException. Default none.
    pub finalizing_until: Option<Timestamp>,
    /// The most accounts of the organization, the management account, closed ones and open invitations included. AWS starts at 10.
    /// Default 1,000.
    pub account_quota: usize,
    /// Emails that accounts outside the organization use. Default none.
    pub foreign_emails: Vec<String>,
    /// How often, in percent, a List call answers with an empty page and a token although more follows (never twice
    /// in a row). Default 5.
    pub empty_page_percent: u8,
    /// Whether a write that overlaps an earlier, unanswered write of the same target is refused with
    /// ConcurrentModificationException. Default true. Nothing overlaps when [`Settings::latency`] is zero.
    pub concurrent_modification: bool,
    /// Whether accounts carry the retired member `Status` beside `State`. Default false.
    pub write_status: bool,
    /// How long finished creation requests stay readable; AWS does not document it. Default 90 days.
    pub creation_retention: Duration,
    /// How many of the latest calls [`Orgsim::calls`](crate::Orgsim::calls) remembers. Default 100,000.
    pub calls_kept: usize,
}

/// 2026-01-05T00:00:00Z in seconds since the epoch.
const START: i64 = 1_767_571_200;

const DAY: Duration = Duration::from_hours(24);

impl Default for Settings {
    fn default() -> Self {
        let seconds = |from, to| (Duration::from_secs(from), Duration::from_secs(to));
        Self {
            limits: Limits::default(),
            seed: 0,
            organization_id: "o-aa111bb222".to_owned(),
            root_id: "r-a1b2".to_owned(),
            management_account_id: "111111111111".to_owned(),
            management_account_email: "management@example.com".to_owned(),
            management_account_name: "management".to_owned(),
            management_roles: Vec::new(),
            start: Timestamp::from_second(START).unwrap_or(Timestamp::UNIX_EPOCH),
            create_duration: seconds(10, 48),
            access_lag: seconds(20, 120),
            listing_lag: seconds(0, 10),
            close_duration: seconds(60, 300),
            latency: (Duration::from_millis(20), Duration::from_millis(80)),
            policy_type_duration: seconds(5, 30),
            scp_enforcement_lag: seconds(0, 10),
            policy_types: Vec::new(),
            all_features: true,
            finalizing_until: None,
            account_quota: 1_000,
            foreign_emails: Vec::new(),
            empty_page_percent: 5,
            concurrent_modification: true,
            write_status: false,
            creation_retention: 90 * DAY,
            calls_kept: 100_000,
        }
    }
}
