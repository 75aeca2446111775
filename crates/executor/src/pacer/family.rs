//! The families of AWS APIs that share a bucket, and AWS's published rates (AWS Organizations quotas, "Throttling
//! limits").

macro_rules! families {
    ($($(#[$doc:meta])* $name:ident: $rate:expr, $burst:expr;)*) => {
        /// APIs that share one bucket.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Family { $($(#[$doc])* $name),* }

        impl Family {
            /// Every family.
            pub const ALL: &'static [Family] = &[$(Family::$name),*];
            /// Published rate in requests per second, and burst in requests, per calling account.
            pub const fn published(self) -> (f64, f64) {
                match self { $(Family::$name => ($rate, $burst)),* }
            }
        }
    };
}

families! {
    /// CreateAccount, CreateGovCloudAccount.
    CreateAccount: 0.1, 3.0;
    /// MoveAccount, UpdateOrganizationalUnit, DeleteOrganizationalUnit.
    MoveAccount: 2.0, 3.0;
    /// CreateOrganizationalUnit, DescribeOrganization.
    CreateOrganizationalUnit: 1.0, 2.0;
    /// ListRoots.
    ListRoots: 1.0, 2.0;
    /// ListAccounts.
    ListAccounts: 8.0, 12.0;
    /// ListAccountsForParent, ListOrganizationalUnitsForParent, ListParents.
    ListForParent: 5.0, 8.0;
    /// DescribeAccount.
    DescribeAccount: 20.0, 30.0;
    /// DescribeCreateAccountStatus.
    DescribeCreateAccountStatus: 2.0, 2.0;
    /// ListCreateAccountStatus.
    ListCreateAccountStatus: 5.0, 8.0;
    /// ListTagsForResource.
    ListTagsForResource: 10.0, 15.0;
    /// TagResource, UntagResource.
    TagResource: 4.0, 6.0;
    /// CreatePolicy, DeletePolicy, AttachPolicy, DetachPolicy.
    Policies: 2.0, 3.0;
    /// UpdatePolicy.
    UpdatePolicy: 2.0, 3.0;
    /// EnablePolicyType, DisablePolicyType.
    PolicyTypes: 1.0, 1.0;
    /// ListPolicies, ListPoliciesForTarget, ListTargetsForPolicy.
    ListPolicies: 5.0, 8.0;
    /// DescribePolicy.
    DescribePolicy: 2.0, 2.0;
    /// DescribeEffectivePolicy. AWS publishes no rate: that of DescribePolicy.
    DescribeEffectivePolicy: 2.0, 2.0;
    /// CloseAccount.
    CloseAccount: 0.05, 1.0;
    /// ListHandshakesForAccount, ListHandshakesForOrganization.
    ListHandshakes: 5.0, 8.0;
    /// ListDelegatedAdministrators.
    ListDelegatedAdministrators: 5.0, 8.0;
    /// tag:GetResources.
    GetResources: 15.0, 15.0;
    /// AssumeRole and the calls with the member session: 600 per second and account.
    Sts: 600.0, 600.0;
}

impl Family {
    /// Do these calls change AWS?
    pub const fn mutates(self) -> bool {
        match self {
            Self::CreateAccount
            | Self::MoveAccount
            | Self::CreateOrganizationalUnit
            | Self::TagResource
            | Self::Policies
            | Self::UpdatePolicy
            | Self::PolicyTypes
            | Self::CloseAccount => true,
            Self::ListRoots
            | Self::ListAccounts
            | Self::ListForParent
            | Self::DescribeAccount
            | Self::DescribeCreateAccountStatus
            | Self::ListCreateAccountStatus
            | Self::ListTagsForResource
            | Self::ListPolicies
            | Self::DescribePolicy
            | Self::DescribeEffectivePolicy
            | Self::ListHandshakes
            | Self::ListDelegatedAdministrators
            | Self::GetResources
            | Self::Sts => false,
        }
    }
}
