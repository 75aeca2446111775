//! Entering a member account.

use crate::{
    Aws,
    call::{Operation, Unfit},
    classify,
    convert::required,
    timeout_config,
};
use aws_credential_types::Credentials;
use aws_sdk_organizations::config::IdentityCache;
use executor::{Access, AwsError};
use model::AccountId;

/// Name of the session, as CloudTrail in the member account shows it: 2..64 of `[\w+=,.@-]` (API, STS, AssumeRole).
const SESSION_NAME: &str = "bulkhead";

/// The shortest session there is (API, STS, AssumeRole, `DurationSeconds`): three calls are made with it. Well below the
/// hour that role chaining is limited to.
const SESSION_SECONDS: i32 = 900;

const fn sts(name: &'static str) -> Operation {
    Operation { service: "sts", name }
}

impl Access for Aws {
    async fn verify(&self, account: &AccountId, role_arn: &str) -> Result<(), AwsError> {
        let member = self.assume(role_arn).await?;
        self.check_identity(member.clone(), account).await?;
        self.check_use(member).await
    }
}

impl Aws {
    async fn assume(&self, role_arn: &str) -> Result<Credentials, AwsError> {
        let request = self
            .sts
            .assume_role()
            .role_arn(role_arn)
            .role_session_name(SESSION_NAME)
            .duration_seconds(SESSION_SECONDS)
            .send();
        self.call(
            sts("AssumeRole"),
            request,
            |_| None,
            |output| {
                let session = required("Credentials", output.credentials)?;
                // Without the expiry: the session is used at once and then forgotten, so nothing has to watch it.
                Ok(Credentials::new(
                    session.access_key_id,
                    session.secret_access_key,
                    Some(session.session_token),
                    None,
                    "member session",
                ))
            },
        )
        .await
    }

    /// GetCallerIdentity cannot be denied (API, STS, GetCallerIdentity), so it tells exactly one thing: whose session this is.
    async fn check_identity(&self, member: Credentials, account: &AccountId) -> Result<(), AwsError> {
        let session = aws_sdk_sts::Config::builder()
            .credentials_provider(member)
            .identity_cache(IdentityCache::no_cache());
        let request = self
            .sts
            .get_caller_identity()
            .customize()
            .config_override(session)
            .send();
        self.call(
            sts("GetCallerIdentity"),
            request,
            |_| None,
            |output| {
                if output.account() == Some(account.as_str()) {
                    Ok(())
                } else {
                    Err(Unfit {
                        class: "WrongAccount",
                        message: "the session belongs to another account".to_owned(),
                    })
                }
            },
        )
        .await
    }

    /// DescribeOrganization may be called from any account of the organization (API), and a policy can deny it.
    async fn check_use(&self, member: Credentials) -> Result<(), AwsError> {
        let session = aws_sdk_organizations::Config::builder()
            .credentials_provider(member)
            .identity_cache(IdentityCache::no_cache())
            .timeout_config(timeout_config(self.timeouts, self.timeouts.read));
        let request = self
            .organizations
            .describe_organization()
            .customize()
            .config_override(session)
            .send();
        let operation = Operation {
            service: "organizations",
            name: "DescribeOrganization",
        };
        self.call(operation, request, classify::organizations_reason, |_| Ok(()))
            .await
    }
}
