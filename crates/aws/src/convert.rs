//! Answers of AWS to our own types.
//!
//! Ids are parsed here, at the edge. What does not parse is a `MalformedAnswer`, never skipped: an account that a
//! listing silently lost might be created again. Tags are the exception, see [`tags`].

use crate::call::Unfit;
use aws_sdk_organizations::types::{
    Account, AccountStatus, CreateAccountState, CreateAccountStatus, OrganizationalUnit, Tag,
};
use aws_sdk_resourcegroupstagging::types::ResourceTagMapping;
use executor::ListedAccount;
use model::{
    AccountId, AccountState, CreateRequestId, CreationRecord, CreationState, Invalid, ObservedUnit, OuId,
    ParentId, TagKey, TagValue, Tags,
};

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

/// A tag to send. Building it fails without a key or a value only (SDK), and both are there.
pub(crate) fn tag(key: &str, value: &str) -> Option<Tag> {
    Tag::builder().key(key).value(value).build().ok()
}

/// An account's tags from the bulk listing. `arn:<partition>:organizations::<management>:account/<organization>/<account>`
/// names the account (API, Account, `Arn`).
///
/// A tag that our types cannot hold is left out: it cannot be one of ours. That is `aws:` tags, which AWS sets itself,
/// and spaces other than U+0020, which AWS allows and Bulkhead does not write.
pub(crate) fn tags(mapping: &ResourceTagMapping) -> Result<(AccountId, Tags), Unfit> {
    const ARN: &str = "ResourceTagMapping.ResourceARN";
    let arn = required(ARN, mapping.resource_arn())?;
    let account = arn
        .split_once(":account/")
        .and_then(|(_, rest)| rest.rsplit('/').next());
    let tags = mapping.tags().iter();
    let tags =
        tags.filter_map(|tag| Some((TagKey::parse(tag.key()).ok()?, TagValue::parse(tag.value()).ok()?)));
    Ok((id(ARN, account, AccountId::parse)?, tags.collect()))
}
