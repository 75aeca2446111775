//! Policies: their types, limits, attachments and refusals.

use aws_sdk_organizations::types::{PolicyType, PolicyTypeStatus};
use orgsim::Settings;

use crate::sdk::{World, calm, pass, seconds, tag};
use crate::{reason, refusal};

pub(crate) const DENY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iam:*","Resource":"*"}]}"#;
pub(crate) const SCP: PolicyType = PolicyType::ServiceControlPolicy;

pub(crate) fn enabled(types: &[&str]) -> Settings {
    Settings {
        policy_types: types.iter().map(|name| (*name).to_owned()).collect(),
        policy_type_duration: seconds(10),
        ..calm()
    }
}

pub(crate) fn scps() -> World {
    World::new(enabled(&["SERVICE_CONTROL_POLICY"]))
}

macro_rules! create {
    ($world:expr, $name:expr, $content:expr) => {
        create!($world, $name, $content, SCP)
    };
    ($world:expr, $name:expr, $content:expr, $type:expr) => {
        $world
            .organizations
            .create_policy()
            .name($name)
            .description("")
            .content($content)
            .r#type($type)
            .send()
            .await
    };
}

macro_rules! attach {
    ($world:expr, $policy:expr, $target:expr) => {
        $world
            .organizations
            .attach_policy()
            .policy_id($policy)
            .target_id($target)
            .send()
            .await
    };
}

macro_rules! detach {
    ($world:expr, $policy:expr, $target:expr) => {
        $world
            .organizations
            .detach_policy()
            .policy_id($policy)
            .target_id($target)
            .send()
            .await
    };
}

pub(crate) async fn made(world: &World, name: &str, r#type: PolicyType, content: &str) -> String {
    let created = create!(world, name, content, r#type).unwrap();
    created.policy.unwrap().policy_summary.unwrap().id.unwrap()
}

pub(crate) async fn policies_of(world: &World, target: &str, r#type: PolicyType) -> Vec<String> {
    let list = world.organizations.list_policies_for_target().target_id(target);
    let listed = list.filter(r#type).send().await.unwrap();
    let ids = listed
        .policies()
        .iter()
        .map(|policy| policy.id().unwrap().to_owned());
    ids.collect()
}

async fn status(world: &World) -> Vec<(PolicyType, PolicyTypeStatus)> {
    let roots = world
        .organizations
        .list_roots()
        .send()
        .await
        .unwrap()
        .roots
        .unwrap();
    let types = roots.into_iter().next().unwrap().policy_types.unwrap_or_default();
    let pair = |of: aws_sdk_organizations::types::PolicyTypeSummary| (of.r#type.unwrap(), of.status.unwrap());
    types.into_iter().map(pair).collect()
}

#[tokio::test(start_paused = true)]
async fn a_policy_lives() {
    let world = scps();
    let create = world
        .organizations
        .create_policy()
        .name("deny-iam")
        .description("d");
    let created = create
        .content(DENY)
        .r#type(SCP)
        .tags(tag("k", "v"))
        .send()
        .await
        .unwrap();
    let summary = created.policy.unwrap().policy_summary.unwrap();
    let id = summary.id.unwrap();
    assert_eq!(
        summary.arn.unwrap(),
        format!("arn:aws:organizations::111111111111:policy/o-aa111bb222/service_control_policy/{id}")
    );
    assert!(!summary.aws_managed);
    let describe = || world.organizations.describe_policy().policy_id(&id).send();
    let described = describe().await.unwrap().policy.unwrap();
    assert_eq!(described.content.as_deref(), Some(DENY), "verbatim");
    let tags = world
        .organizations
        .list_tags_for_resource()
        .resource_id(&id)
        .send()
        .await
        .unwrap();
    assert_eq!(tags.tags().len(), 1);
    let resources = world
        .tagging
        .get_resources()
        .resource_type_filters("organizations:policy");
    let resources = resources.send().await.unwrap();
    let arn = resources.resource_tag_mapping_list()[0].resource_arn().unwrap();
    assert!(arn.ends_with(&id), "{arn}");

    let listed = world
        .organizations
        .list_policies()
        .filter(SCP)
        .send()
        .await
        .unwrap();
    let names: Vec<_> = listed
        .policies()
        .iter()
        .map(|policy| policy.name().unwrap())
        .collect();
    assert!(
        names.contains(&"FullAWSAccess") && names.contains(&"deny-iam"),
        "{names:?}"
    );

    let content = DENY.replace("iam", "s3");
    let update = world
        .organizations
        .update_policy()
        .policy_id(&id)
        .name("deny-s3")
        .content(&content);
    update.send().await.unwrap();
    let described = describe().await.unwrap().policy.unwrap();
    assert_eq!(described.content.as_deref(), Some(content.as_str()));
    assert_eq!(described.policy_summary.unwrap().name.as_deref(), Some("deny-s3"));

    let delete = || world.organizations.delete_policy().policy_id(&id).send();
    attach!(world, &id, world.root()).unwrap();
    assert_eq!(refusal!(delete().await), "PolicyInUseException");
    detach!(world, &id, world.root()).unwrap();
    delete().await.unwrap();
    assert_eq!(refusal!(delete().await), "PolicyNotFoundException");
    assert_eq!(refusal!(describe().await), "PolicyNotFoundException");
}

#[tokio::test(start_paused = true)]
async fn what_create_policy_refuses() {
    use aws_sdk_organizations::operation::create_policy::CreatePolicyError as E;
    let world = World::new(enabled(&["SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"]));
    let sized = |size: usize| {
        let padding = size - DENY.len();
        format!("{}{}", " ".repeat(padding), DENY)
    };
    create!(world, "largest", sized(10_240)).unwrap();
    assert_eq!(
        reason!(
            create!(world, "larger", sized(10_241)),
            E::ConstraintViolationException
        )
        .as_deref(),
        Some("POLICY_CONTENT_LIMIT_EXCEEDED")
    );
    let rcp = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}]}"#;
    let rcp_type = PolicyType::ResourceControlPolicy;
    create!(world, "largest", rcp, rcp_type.clone()).expect("names are per type");
    let long = format!("{}{rcp}", " ".repeat(5_121 - rcp.len()));
    assert_eq!(
        reason!(
            create!(world, "x", long, rcp_type.clone()),
            E::ConstraintViolationException
        )
        .as_deref(),
        Some("POLICY_CONTENT_LIMIT_EXCEEDED")
    );
    assert_eq!(
        refusal!(create!(world, "largest", DENY)),
        "DuplicatePolicyException"
    );
    assert_eq!(
        refusal!(create!(world, "x", "{not json")),
        "MalformedPolicyDocumentException"
    );
    assert_eq!(
        refusal!(create!(world, "x", DENY, rcp_type)),
        "MalformedPolicyDocumentException"
    );
    assert_eq!(
        refusal!(create!(world, "x", "{}", PolicyType::TagPolicy)),
        "PolicyTypeNotAvailableForOrganizationException"
    );
    assert_eq!(
        reason!(
            create!(world, "x", "{}", PolicyType::from("NONSENSE")),
            E::InvalidInputException
        )
        .as_deref(),
        Some("INVALID_ENUM_POLICY_TYPE")
    );
    let bare = world
        .organizations
        .create_policy()
        .name("x")
        .content(DENY)
        .r#type(SCP);
    let undescribed = bare.set_description(None).customize().mutate_request(|_| {});
    assert!(
        undescribed.send().await.is_err(),
        "Description is required, even by the SDK"
    );

    let cramped = World::new(Settings {
        all_features: false,
        ..calm()
    });
    assert_eq!(
        refusal!(create!(cramped, "x", DENY)),
        "PolicyTypeNotAvailableForOrganizationException"
    );
    let enable = cramped
        .organizations
        .enable_policy_type()
        .root_id(cramped.root())
        .policy_type(SCP);
    assert_eq!(
        refusal!(enable.send().await),
        "PolicyTypeNotAvailableForOrganizationException"
    );
}

#[tokio::test(start_paused = true)]
async fn attachments_have_a_maximum_and_a_minimum() {
    use aws_sdk_organizations::operation::attach_policy::AttachPolicyError as A;
    use aws_sdk_organizations::operation::detach_policy::DetachPolicyError as D;
    let world = scps();
    let unit = world.unit(&world.root(), "Team").await;
    assert_eq!(policies_of(&world, &unit, SCP).await, ["p-FullAWSAccess"]);
    let mut ids = Vec::new();
    for number in 0..10 {
        ids.push(made(&world, &number.to_string(), SCP, DENY).await);
    }
    for id in &ids[..9] {
        attach!(world, id, &unit).unwrap();
    }
    assert_eq!(
        refusal!(attach!(world, &ids[0], &unit)),
        "DuplicatePolicyAttachmentException"
    );
    assert_eq!(
        reason!(attach!(world, &ids[9], &unit), A::ConstraintViolationException).as_deref(),
        Some("MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED")
    );
    assert_eq!(
        refusal!(attach!(world, "p-absent00", &unit)),
        "PolicyNotFoundException"
    );
    assert_eq!(
        refusal!(attach!(world, &ids[9], "ou-a1b2-99999999")),
        "TargetNotFoundException"
    );
    assert_eq!(
        refusal!(detach!(world, &ids[9], &unit)),
        "PolicyNotAttachedException"
    );
    detach!(world, "p-FullAWSAccess", &unit).unwrap();
    for id in &ids[1..9] {
        detach!(world, id, &unit).unwrap();
    }
    assert_eq!(
        reason!(detach!(world, &ids[0], &unit), D::ConstraintViolationException).as_deref(),
        Some("MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED")
    );
    let targets = world.organizations.list_targets_for_policy().policy_id(&ids[0]);
    let targets = targets.send().await.unwrap().targets.unwrap();
    assert_eq!(targets[0].target_id(), Some(unit.as_str()));
    assert_eq!(targets[0].name(), Some("Team"));
    assert_eq!(targets[0].r#type().unwrap().as_str(), "ORGANIZATIONAL_UNIT");
    // The unit goes, and its attachments with it.
    let delete = world
        .organizations
        .delete_organizational_unit()
        .organizational_unit_id(&unit);
    delete.send().await.unwrap();
    let delete = world.organizations.delete_policy().policy_id(&ids[0]);
    delete.send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn aws_own_policies_stay_as_they_are() {
    use aws_sdk_organizations::operation::detach_policy::DetachPolicyError as D;
    use aws_sdk_organizations::operation::update_policy::UpdatePolicyError as U;
    let world = World::new(enabled(&["SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"]));
    let update = world
        .organizations
        .update_policy()
        .policy_id("p-FullAWSAccess")
        .content(DENY);
    assert_eq!(
        reason!(update.send().await, U::InvalidInputException).as_deref(),
        Some("IMMUTABLE_POLICY")
    );
    assert_eq!(
        reason!(
            detach!(world, "p-RCPFullAWSAccess", world.root()),
            D::InvalidInputException
        )
        .as_deref(),
        Some("NON_DETACHABLE_POLICY")
    );
    let described = world.organizations.describe_policy().policy_id("p-FullAWSAccess");
    let summary = described
        .send()
        .await
        .unwrap()
        .policy
        .unwrap()
        .policy_summary
        .unwrap();
    let arn = "arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess";
    assert_eq!((summary.arn.as_deref(), summary.aws_managed), (Some(arn), true));
    let account = world.account("a").await;
    let rcp = PolicyType::ResourceControlPolicy;
    assert_eq!(policies_of(&world, &account, rcp).await, ["p-RCPFullAWSAccess"]);
}

#[tokio::test(start_paused = true)]
async fn types_are_enabled_and_disabled_in_their_own_time() {
    let world = World::new(enabled(&[]));
    let (root, account) = (world.root(), world.account("a").await);
    let enable = || {
        world
            .organizations
            .enable_policy_type()
            .root_id(&root)
            .policy_type(SCP)
            .send()
    };
    let disable = || {
        world
            .organizations
            .disable_policy_type()
            .root_id(&root)
            .policy_type(SCP)
            .send()
    };
    assert_eq!(refusal!(disable().await), "PolicyTypeNotEnabledException");
    assert_eq!(
        refusal!(attach!(world, "p-FullAWSAccess", &root)),
        "PolicyTypeNotEnabledException"
    );
    let answer = enable().await.unwrap().root.unwrap();
    assert_eq!(
        answer.policy_types()[0].status(),
        Some(&PolicyTypeStatus::PendingEnable)
    );
    assert_eq!(refusal!(enable().await), "PolicyChangesInProgressException");
    assert_eq!(
        refusal!(attach!(world, "p-FullAWSAccess", &root)),
        "PolicyChangesInProgressException"
    );
    pass(10).await;
    assert_eq!(status(&world).await, [(SCP, PolicyTypeStatus::Enabled)]);
    assert_eq!(refusal!(enable().await), "PolicyTypeAlreadyEnabledException");
    assert_eq!(policies_of(&world, &account, SCP).await, ["p-FullAWSAccess"]);

    let deny = made(&world, "deny", SCP, DENY).await;
    attach!(world, &deny, &account).unwrap();
    disable().await.unwrap();
    assert_eq!(status(&world).await, [(SCP, PolicyTypeStatus::PendingDisable)]);
    let update = world
        .organizations
        .update_policy()
        .policy_id(&deny)
        .name("x")
        .send()
        .await;
    assert_eq!(refusal!(update), "PolicyChangesInProgressException");
    pass(10).await;
    assert_eq!(status(&world).await, []);
    assert!(
        world.orgsim.state().attachments.is_empty(),
        "all are detached, everywhere"
    );
    enable().await.unwrap();
    pass(10).await;
    assert_eq!(
        policies_of(&world, &account, SCP).await,
        ["p-FullAWSAccess"],
        "only this one is back"
    );
    let wrong = world
        .organizations
        .enable_policy_type()
        .root_id("r-9999")
        .policy_type(SCP);
    assert_eq!(refusal!(wrong.send().await), "RootNotFoundException");
}

#[tokio::test(start_paused = true)]
async fn overlapping_policy_changes_are_in_progress() {
    let world = World::new(Settings {
        latency: seconds(2),
        ..enabled(&["SERVICE_CONTROL_POLICY"])
    });
    let (one, two) = (
        made(&world, "1", SCP, DENY).await,
        made(&world, "2", SCP, DENY).await,
    );
    let root = world.root();
    let attach = |policy: &str| {
        let attach = world.organizations.attach_policy().policy_id(policy);
        attach.target_id(&root).send()
    };
    let (first, second) = tokio::join!(attach(&one), attach(&two));
    first.unwrap();
    assert_eq!(refusal!(second), "PolicyChangesInProgressException");
}
