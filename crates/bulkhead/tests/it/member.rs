//! What people do inside an account of the organization, through AWS's SDK.

use aws_sdk_organizations::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    error::ProvideErrorMetadata as _,
};
use tokio::runtime::Runtime;

use crate::aws::Aws;

/// A session with a role of a member account.
pub(crate) struct Member {
    runtime: Runtime,
    organizations: Client,
}

impl Member {
    /// AssumeRole from the management account.
    pub(crate) fn enter(aws: &Aws, role: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let region = Region::new("us-east-1");
        let own = Credentials::new("AKIAEXAMPLE", "example", None, None, "test");
        let sts = aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(region.clone())
            .credentials_provider(own)
            .endpoint_url(aws.url());
        let sts = aws_sdk_sts::Client::from_conf(sts.build());
        let assume = sts.assume_role().role_arn(role).role_session_name("somebody");
        let assumed = runtime.block_on(assume.send()).unwrap();
        let given = assumed.credentials().unwrap();
        let (key, secret) = (given.access_key_id(), given.secret_access_key());
        let token = Some(given.session_token().to_owned());
        let organizations = aws_sdk_organizations::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(region)
            .credentials_provider(Credentials::new(key, secret, token, None, "test"))
            .endpoint_url(aws.url());
        Self {
            runtime,
            organizations: Client::from_conf(organizations.build()),
        }
    }

    /// How AWS refuses LeaveOrganization: code and message.
    pub(crate) fn leave(&self) -> (String, String) {
        let call = self.organizations.leave_organization().send();
        let error = self.runtime.block_on(call).unwrap_err();
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        (text(error.code()), text(error.message()))
    }

    /// Is DescribeOrganization allowed, the least that the operator itself needs here?
    pub(crate) fn describes_the_organization(&self) -> bool {
        let call = self.organizations.describe_organization().send();
        self.runtime.block_on(call).is_ok()
    }
}
