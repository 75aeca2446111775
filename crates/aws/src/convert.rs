//! Answers of AWS to our own types.
//!
//! Ids are parsed here, at the edge. What does not parse is a `MalformedAnswer`, never skipped: an account that a
//! listing silently lost might be created again. Tags are the exception, see [`tags`].

use crate::call::Unfit;
use aws_sdk_organizations::types::{
    Account, AccountStatus, CreateAccountState, CreateAccountStatus, OrganizationalUnit, PolicyTypeStatus,
    Tag,
};
use aws_sdk_resourcegroupstagging::types::ResourceTagMapping;
use executor::{ListedAccount, PolicySummary, Root, Tagged};
use model::{
    AccountId, AccountState, CreateRequestId, CreationRecord, CreationState, Invalid, ObservedUnit, OuId,
    ParentId, PolicyId, PolicyType, PolicyTypeState, RootId, TagKey, TagValue, Tags,
};
use std::borrow::Borrow;

/// A field that AWS documents and we cannot do without.
pub(crate) fn required<T>(field: &'static str, value: Option<T>) -> Result<T, Unfit> {
    value.ok_or_else(|| malformed(format!("{field} is missing")))
}

/// An id in a form we know.
pub(crate) fn id<T>(
    field: &'static str,
    value: Option<&str>,
    parse: impl FnOnce(&str) -> Result<T, Invalid>,
) -> Result<T, Unfit> {
    parse(required(field, value)?).map_err(|invalid| malformed(format!("{field}: {invalid}")))
}

fn malformed(message: String) -> Unfit {
    Unfit {
        class: "MalformedAnswer",
        message,
    }
}

/// The token of the next page. The tagging API ends a listing with an empty token, Organizations with none
/// (API, GetResources, `PaginationToken`).
pub(crate) fn next(token: Option<String>) -> Option<String> {
    token.filter(|token| !token.is_empty())
}

/// An account as ListAccounts and DescribeAccount give it.
pub(crate) fn account(account: &Account) -> Result<ListedAccount, Unfit> {
    let id = id("Account.Id", account.id(), AccountId::parse)?;
    let parent = account
        .paths()
        .first()
        .map(|path| parent_in_path(path, &id))
        .transpose()?;
    Ok(ListedAccount {
        arn: required("Account.Arn", account.arn())?.to_owned(),
        // The only natural key: an account without it could not be recognized, and might be created again.
        email: required("Account.Email", account.email())?.to_owned(),
        // Not unique and decides nothing.
        name: account.name().unwrap_or_default().to_owned(),
        state: state(account),
        parent,
        id,
    })
}

/// The parent in `o-.../r-.../(ou-.../)*<account>/`: what stands before the account's id (API, Account, `Paths`). The
/// list has one element as long as an account can have one parent only (API, ListParents).
fn parent_in_path(path: &str, account: &AccountId) -> Result<ParentId, Unfit> {
    let mut elements = path.trim_end_matches('/').rsplit('/');
    if elements.next() != Some(account.as_str()) {
        return Err(malformed(
            "Account.Paths does not end with the account's id".to_owned(),
        ));
    }
    id("Account.Paths", elements.next(), ParentId::parse)
}

/// `State`, or `Status` where AWS leaves that out: `Status` is being retired since 9 September 2026 (API, Account), and
/// older answers have it alone. It cannot tell closed from suspended.
fn state(account: &Account) -> AccountState {
    use aws_sdk_organizations::types::AccountState as Wire;
    match (account.state(), account.status()) {
        (Some(Wire::Active), _) | (None, Some(AccountStatus::Active)) => AccountState::Active,
        (Some(Wire::Suspended), _) | (None, Some(AccountStatus::Suspended)) => AccountState::Suspended,
        (Some(Wire::PendingClosure), _) | (None, Some(AccountStatus::PendingClosure)) => {
            AccountState::PendingClosure
        }
        (Some(Wire::PendingActivation), _) => AccountState::PendingActivation,
        (Some(Wire::Closed), _) => AccountState::Closed,
        _ => AccountState::Unknown,
    }
}

/// A CreateAccount request as AWS reports it.
pub(crate) fn creation(status: &CreateAccountStatus) -> Result<CreationRecord, Unfit> {
    let state = match status.state() {
        Some(CreateAccountState::InProgress) => CreationState::InProgress,
        Some(CreateAccountState::Succeeded) => CreationState::Succeeded(id(
            "CreateAccountStatus.AccountId",
            status.account_id(),
            AccountId::parse,
        )?),
        Some(CreateAccountState::Failed) => CreationState::Failed(
            required("CreateAccountStatus.FailureReason", status.failure_reason())?
                .as_str()
                .to_owned(),
        ),
        // Not `CreationState::Unknown`, which means that AWS does not know the request.
        _ => {
            return Err(malformed(
                "CreateAccountStatus.State is not one we know".to_owned(),
            ));
        }
    };
    Ok(CreationRecord {
        id: id("CreateAccountStatus.Id", status.id(), CreateRequestId::parse)?,
        account_name: required("CreateAccountStatus.AccountName", status.account_name())?.to_owned(),
        state,
    })
}

/// A unit, with the parent it was asked for or made under.
pub(crate) fn unit(unit: &OrganizationalUnit, parent: &ParentId) -> Result<ObservedUnit, Unfit> {
    Ok(ObservedUnit {
        id: id("OrganizationalUnit.Id", unit.id(), OuId::parse)?,
        name: required("OrganizationalUnit.Name", unit.name())?.to_owned(),
        parent: parent.clone(),
    })
}

/// All of them, or the first failure.
pub(crate) fn each<T, U>(items: &[T], convert: impl Fn(&T) -> Result<U, Unfit>) -> Result<Vec<U>, Unfit> {
    items.iter().map(convert).collect()
}

/// The root with its policy types. "DISABLED" is no value of `Status` (API, PolicyTypeSummary): such types are not listed.
/// A status that we do not know is taken for off, which forbids to attach anything.
pub(crate) fn root(root: &aws_sdk_organizations::types::Root) -> Result<Root, Unfit> {
    let state = |status: Option<&PolicyTypeStatus>| match status {
        Some(PolicyTypeStatus::Enabled) => Some(PolicyTypeState::Enabled),
        Some(PolicyTypeStatus::PendingEnable) => Some(PolicyTypeState::PendingEnable),
        Some(PolicyTypeStatus::PendingDisable) => Some(PolicyTypeState::PendingDisable),
        _ => None,
    };
    let types = each(root.policy_types(), |summary| {
        Ok((policy_type(summary.r#type())?, state(summary.status())))
    })?;
    Ok(Root {
        id: id("Root.Id", root.id(), RootId::parse)?,
        policy_types: types
            .into_iter()
            .filter_map(|(kind, state)| Some((kind, state?)))
            .collect(),
    })
}

/// A type of policies by AWS's word, also one that this SDK does not know.
fn policy_type(wire: Option<&aws_sdk_organizations::types::PolicyType>) -> Result<PolicyType, Unfit> {
    id(
        "PolicyType",
        wire.map(aws_sdk_organizations::types::PolicyType::as_str),
        PolicyType::parse,
    )
}

/// A policy without its content.
pub(crate) fn policy(summary: &aws_sdk_organizations::types::PolicySummary) -> Result<PolicySummary, Unfit> {
    Ok(PolicySummary {
        id: id("PolicySummary.Id", summary.id(), PolicyId::parse)?,
        name: required("PolicySummary.Name", summary.name())?.to_owned(),
        policy_type: policy_type(summary.r#type())?,
        aws_managed: summary.aws_managed(),
    })
}

/// Tags to send. Building one fails without a key or a value only (SDK), and both are there.
pub(crate) fn wire_tags<'a, K: Borrow<str> + 'a, V: Borrow<str> + 'a>(
    tags: impl IntoIterator<Item = (&'a K, &'a V)>,
) -> Vec<Tag> {
    tags.into_iter()
        .filter_map(|(key, value)| {
            Tag::builder()
                .key(key.borrow())
                .value(value.borrow())
                .build()
                .ok()
        })
        .collect()
}

/// The tags of an account or a policy from the bulk listing. What they are on stands in the ARN:
/// `arn:<partition>:organizations::<management>:account/<organization>/<account>` (API, Account, `Arn`), and
/// `...:policy/<organization>/<type>/<policy>` (API, PolicySummary, `Arn`).
///
/// A tag that our types cannot hold is left out: it cannot be one of ours. That is `aws:` tags, which AWS sets itself,
/// and spaces other than U+0020, which AWS allows and Bulkhead does not write.
pub(crate) fn tags(mapping: &ResourceTagMapping) -> Result<(Tagged, Tags), Unfit> {
    const ARN: &str = "ResourceTagMapping.ResourceARN";
    let arn = required(ARN, mapping.resource_arn())?;
    let resource = arn.splitn(6, ':').nth(5).and_then(|path| path.split_once('/'));
    let last = arn.rsplit('/').next();
    let tagged = match resource {
        Some(("account", _)) => Tagged::Account(id(ARN, last, AccountId::parse)?),
        Some(("policy", _)) => Tagged::Policy(id(ARN, last, PolicyId::parse)?),
        _ => return Err(malformed(format!("{ARN} is not of an account or a policy"))),
    };
    let tags = mapping.tags().iter();
    let tags =
        tags.filter_map(|tag| Some((TagKey::parse(tag.key()).ok()?, TagValue::parse(tag.value()).ok()?)));
    Ok((tagged, tags.collect()))
}
