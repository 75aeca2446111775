//! The status of the Organization: a mirror to read.

use super::{Conditions, Standing};
use api::{Organization, OrganizationStatus};
use jiff::Timestamp;
use model::{Installation, Mark, MarkVerdict, ObservedOrg, Reason, Verdict};

/// What the status is computed from.
pub(crate) struct OrganizationInput<'a> {
    pub(crate) object: &'a Organization,
    pub(crate) installation: &'a Installation,
    pub(crate) observed: &'a ObservedOrg,
    pub(crate) mark: &'a Mark,
    /// Why nothing can be said of any account.
    pub(crate) overall: Option<&'a Verdict>,
    pub(crate) now: Timestamp,
}

/// The status without what the journal writes.
pub(crate) fn organization(input: &OrganizationInput<'_>) -> OrganizationStatus {
    let prior = OrganizationStatus {
        brake: None,
        ..input.object.status.clone().unwrap_or_default()
    };
    let generation = input.object.metadata.generation;
    // While this term reads the organization for the first time, what an earlier one has said stands.
    let reading = matches!(input.overall, Some(Verdict::Working(..)));
    if reading && prior.observed_generation == generation && !prior.conditions.is_empty() {
        return prior;
    }
    let mut conditions = Conditions::new(&prior.conditions, generation, input.now);
    let standing = match input.overall {
        Some(Verdict::Working(reason, message)) => Standing::Working(*reason, message.clone()),
        Some(Verdict::Waiting(reason, message)) => Standing::Waiting(*reason, message.clone()),
        Some(Verdict::Refused(reason, message)) => Standing::Stalled(*reason, message.clone()),
        Some(Verdict::Ready) | None => match input.mark.verdict(input.now) {
            MarkVerdict::Ours => Standing::Ready("the organization is governed by this installation".into()),
            MarkVerdict::Unknown => Standing::Waiting(
                Reason::AwsUnavailable,
                "the installation mark could not be read again in time".into(),
            ),
            MarkVerdict::Write | MarkVerdict::Settling | MarkVerdict::Claimed { .. } => Standing::Working(
                Reason::InstallationMarkSettling,
                "the installation mark was just written; waiting to see that it stays".into(),
            ),
        },
    };
    conditions.standing(&standing);
    let text = |id: Option<&str>| id.map(str::to_owned);
    OrganizationStatus {
        observed_generation: generation,
        organization_id: text(
            input
                .observed
                .organization
                .as_ref()
                .map(model::OrganizationId::as_str),
        )
        .or(prior.organization_id),
        management_account_id: text(input.observed.management.as_ref().map(model::AccountId::as_str))
            .or(prior.management_account_id),
        root_id: text(input.observed.root.as_ref().map(model::RootId::as_str)).or(prior.root_id),
        installation: Some(input.installation.to_string()),
        mark: input
            .mark
            .last_read
            .as_ref()
            .map_or(prior.mark, |(value, _)| value.clone()),
        settled_mark: input.mark.settled.then(|| input.mark.own.clone()),
        brake: None,
        conditions: conditions.build(),
    }
}
