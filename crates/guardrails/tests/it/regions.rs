//! What `allowedRegions` leaves alone, held against the Region deny control of AWS Control Tower.

use guardrails::{
    cases::exemptions,
    catalogue::{Catalogue, Parameters},
    policy::Selection,
};
use serde_json::json;

/// `NotAction` of CT.MULTISERVICE.PV.1, Control Tower's controls reference, "Region deny control applied to the OU".
const CONTROL_TOWER: &str = "
    a4b:* access-analyzer:* account:* acm:* activate:* artifact:* aws-marketplace-management:* aws-marketplace:*
    aws-portal:* billing:* billingconductor:* budgets:* ce:* chatbot:* chime:* cloudfront:* cloudtrail:LookupEvents
    compute-optimizer:* config:* consoleapp:* consolidatedbilling:* cur:* datapipeline:GetAccountLimits devicefarm:*
    directconnect:* ec2:DescribeRegions ec2:DescribeTransitGateways ec2:DescribeVpnGateways ecr-public:* fms:* freetier:*
    globalaccelerator:* health:* iam:* importexport:* invoicing:* iq:* kms:* license-manager:ListReceivedLicenses
    lightsail:Get* mobileanalytics:* networkmanager:* notifications-contacts:* notifications:* organizations:* payments:*
    pricing:* quicksight:DescribeAccountSubscription resource-explorer-2:* route53-recovery-cluster:*
    route53-recovery-control-config:* route53-recovery-readiness:* route53:* route53domains:*
    s3:CreateMultiRegionAccessPoint s3:DeleteMultiRegionAccessPoint s3:DescribeMultiRegionAccessPointOperation
    s3:GetAccountPublicAccessBlock s3:GetBucketLocation s3:GetBucketPolicyStatus s3:GetBucketPublicAccessBlock
    s3:GetMultiRegionAccessPoint s3:GetMultiRegionAccessPointPolicy s3:GetMultiRegionAccessPointPolicyStatus
    s3:GetStorageLensConfiguration s3:GetStorageLensDashboard s3:ListAllMyBuckets s3:ListMultiRegionAccessPoints
    s3:ListStorageLensConfigurations s3:PutAccountPublicAccessBlock s3:PutMultiRegionAccessPointPolicy savingsplans:*
    shield:* sso:* sts:* support:* supportapp:* supportplans:* sustainability:* tag:GetResources tax:* trustedadvisor:*
    vendor-insights:ListEntitledSecurityProfiles waf-regional:* waf:* wafv2:* wellarchitected:*";

/// What we do not leave alone: keys, recordings and content would lie elsewhere, or the service is no more.
const NOT_OURS: &[&str] = &[
    "a4b:*",
    "chime:*",
    "config:*",
    "devicefarm:*",
    "kms:*",
    "mobileanalytics:*",
];

/// Is everything that `pattern` means also meant by `other`? Both may end in a wildcard, or have some inside.
fn covers(other: &str, pattern: &str) -> bool {
    match other.split_once('*') {
        None => other == pattern,
        Some((start, rest)) => pattern.strip_prefix(start).is_some_and(|left| {
            rest.is_empty()
                || (0..=left.len()).any(|at| left.is_char_boundary(at) && covers(rest, &left[at..]))
        }),
    }
}

#[test]
fn what_control_tower_leaves_alone_is_left_alone() {
    let guardrail = Catalogue::bundled().get("allowedRegions").unwrap();
    let parameters: Parameters = serde_json::from_value(json!({"regions": ["eu-west-1"]})).unwrap();
    let statements = guardrail.statements(&parameters, &exemptions().unwrap()).unwrap();
    let [statement] = statements.as_slice() else {
        panic!("{statements:?}")
    };
    let Selection::Not(left_alone) = &statement.actions else {
        panic!("{statement:?}")
    };
    let missing: Vec<&str> = CONTROL_TOWER
        .split_whitespace()
        .filter(|action| !left_alone.iter().any(|pattern| covers(pattern, action)))
        .collect();
    assert_eq!(missing, NOT_OURS);
}
