//! The status of the Organization: a mirror to read.

use super::{Conditions, Standing, Truth};
use api::{Organization, OrganizationStatus, conditions::POLICIES_IN_PLACE};
use jiff::Timestamp;
use model::{Installation, Mark, MarkVerdict, ObservedOrg, Reason, Stray, Verdict};

/// Strays that a message names.
const NAMED: usize = 5;

/// What the status is computed from.
pub(crate) struct OrganizationInput<'a> {
    pub(crate) object: &'a Organization,
    pub(crate) installation: &'a Installation,
    pub(crate) observed: &'a ObservedOrg,
    pub(crate) mark: &'a Mark,
    /// Why nothing can be said of any account.
    pub(crate) overall: Option<&'a Verdict>,
    /// Policies of ours where Bulkhead attached none.
    pub(crate) strays: &'a [Stray],
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
    match (input.overall, elsewhere(input.strays)) {
        // Nothing was said of policies.
        (Some(Verdict::Refused(..)), _) => conditions.keep(&[POLICIES_IN_PLACE]),
        _ if input.observed.full.is_none() => conditions.keep(&[POLICIES_IN_PLACE]),
        (_, None) => conditions.set(
            POLICIES_IN_PLACE,
            Truth::True,
            Reason::Done,
            "no policy of this installation is attached to anything but accounts that Bulkhead made",
        ),
        (_, Some(message)) => conditions.set(
            POLICIES_IN_PLACE,
            Truth::False,
            Reason::PolicyAttachedElsewhere,
            &message,
        ),
    }
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

/// What of ours hangs where Bulkhead attached nothing.
fn elsewhere(strays: &[Stray]) -> Option<String> {
    let named = strays.iter().take(NAMED);
    let named: Vec<String> = named
        .map(|Stray { target, name, policy }| format!("{name} ({policy}) to {target}"))
        .collect();
    let more = match strays.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    (!named.is_empty()).then(|| {
        format!(
            "somebody has attached policies of this installation where Bulkhead attaches none: {}{more}; find out who and why, \
             and detach them: Bulkhead does not, and cannot delete a policy that is attached",
            named.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{PolicyId, PolicyTarget};

    fn strays(count: usize) -> Vec<Stray> {
        let stray = |number: usize| Stray {
            target: PolicyTarget::parse(&format!("10000000000{number}")).unwrap(),
            name: format!("bulkhead-acme-prod-{number}"),
            policy: PolicyId::parse("p-aaaaaaaaaa").unwrap(),
        };
        (0..count).map(stray).collect()
    }

    fn condition(
        strays: &[Stray],
        overall: Option<&Verdict>,
        observed: &ObservedOrg,
    ) -> Option<(String, String)> {
        let mark = Mark::new("acme:uid".into(), None, jiff::SignedDuration::from_secs(30), true);
        let status = organization(&OrganizationInput {
            object: &Organization::default(),
            installation: &Installation::parse("acme").unwrap(),
            observed,
            mark: &mark,
            overall,
            strays,
            now: Timestamp::UNIX_EPOCH,
        });
        let found = status
            .conditions
            .into_iter()
            .find(|c| c.type_ == POLICIES_IN_PLACE)?;
        Some((found.status, found.message))
    }

    #[test]
    fn policies_elsewhere_are_named_once_everything_was_read() {
        let mut read = ObservedOrg::default();
        read.full = Some(Timestamp::UNIX_EPOCH);
        assert_eq!(condition(&[], None, &read).unwrap().0, "True");
        let (status, message) = condition(&strays(7), None, &read).unwrap();
        assert_eq!(status, "False");
        let piece = "bulkhead-acme-prod-4 (p-aaaaaaaaaa) to 100000000004, and 2 more; ";
        assert!(message.contains(piece), "{message}");
        assert!(!message.contains("bulkhead-acme-prod-5"), "{message}");
        assert_eq!(condition(&[], None, &ObservedOrg::default()), None);
        let refused = Verdict::Refused(Reason::OrganizationClaimed, "another's".into());
        assert_eq!(condition(&[], Some(&refused), &read), None);
    }
}
