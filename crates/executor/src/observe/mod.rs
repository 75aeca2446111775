//! Stage 3: reads the organization, page by page, at AWS's pace.

mod policies;

use crate::{
    error::{AwsError, ErrorClass},
    execute::Context,
    pacer::Family,
    port::{Clock, ListedAccount, Organizations, Page, Root, Tagged},
};
use jiff::{SignedDuration, Timestamp};
use model::{
    AccountId, Class, CreateRequestId, CreationRecord, CreationState, Observation, ObservedAccount,
    ObservedUnit, OuPath, ParentId, PolicyId, Read, RootId, Snapshot, TagKey, TagValue, Tags, tag_keys,
};
use std::{collections::BTreeMap, future::Future, time::Duration};

/// Pages after which a listing is taken for endless (AWS's largest organization has 50,000 accounts, 20 per page).
const MAX_PAGES: usize = 10_000;
/// Tries of one read before the whole pass fails.
const TRIES: u32 = 4;

/// What a read brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadResult {
    /// The installation mark on the root, `None` if it carries none.
    Mark {
        /// The root, as it was found.
        root: RootId,
        /// Its mark.
        value: Option<String>,
        /// When the read began.
        began: Timestamp,
    },
    /// Something of the organization.
    Organization(Observation),
}

/// Reads what the plan asks for. `look` numbers this pass; `root` is the root if it is known.
pub async fn read<A, J, C>(
    context: Context<A, J, C>,
    read: Read,
    look: u64,
    root: Option<RootId>,
) -> Result<ReadResult, AwsError>
where
    A: Organizations,
    C: Clock,
{
    let reader = Reader { context: &context };
    let began = context.clock.now();
    let organization = match read {
        Read::Mark => {
            let root = match root {
                Some(root) => root,
                None => reader.root().await?.id,
            };
            let tags = reader.tags(root.as_str()).await?;
            let value = tags
                .into_iter()
                .find(|(key, _)| key == tag_keys::INSTALLATION)
                .map(|(_, value)| value);
            return Ok(ReadResult::Mark { root, value, began });
        }
        Read::Full => Observation::Full {
            look,
            began,
            snapshot: Box::new(reader.full().await?),
        },
        Read::Look => {
            let (in_progress, accounts) = reader.look().await?;
            Observation::Look {
                look,
                began,
                accounts,
                in_progress,
            }
        }
        Read::Creations(ids) => {
            let in_progress = reader.in_progress().await?;
            let mut described = Vec::new();
            for id in ids
                .into_iter()
                .filter(|id| in_progress.iter().all(|record| record.id != *id))
            {
                described.push(reader.creation(&id).await?);
            }
            Observation::Creations {
                began,
                in_progress,
                described,
            }
        }
        Read::Account(id) => Observation::Account {
            began,
            account: reader.account(&id).await?,
            id,
        },
        Read::Attachments(account, policy_type) => Observation::Attachments {
            began,
            attached: reader.attachments(&account, &policy_type).await?,
            account,
            policy_type,
        },
        Read::EffectivePolicy(account, policy_type) => Observation::EffectivePolicy {
            began,
            effective: reader.effective_policy(&account, &policy_type).await?,
            account,
            policy_type,
        },
        Read::Policies(policy_type) => Observation::Policies {
            began,
            policies: reader.named_policies(&policy_type).await?,
            policy_type,
        },
        Read::PolicyTypes => Observation::PolicyTypes {
            began,
            types: reader.root().await?.policy_types,
        },
    };
    Ok(ReadResult::Organization(organization))
}

struct Reader<'c, A, J, C> {
    context: &'c Context<A, J, C>,
}

impl<A: Organizations, J, C: Clock> Reader<'_, A, J, C> {
    /// One call at AWS's pace, tried again after a transient failure.
    async fn call<T, F: Future<Output = Result<T, AwsError>>>(
        &self,
        family: Family,
        call: impl Fn() -> F,
    ) -> Result<T, AwsError> {
        let mut tries = 0;
        loop {
            self.token(family).await;
            let sent = self.context.clock.now();
            let error = match call().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            tries += 1;
            let transient = match error.class {
                ErrorClass::Throttled => {
                    self.context
                        .pacer
                        .throttled(family, sent, self.context.clock.now());
                    true
                }
                ErrorClass::Service | ErrorClass::Timeout | ErrorClass::AnswerLost => true,
                _ => false,
            };
            if !transient || tries >= TRIES {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(250) * 2u32.pow(tries)).await;
        }
    }

    async fn token(&self, family: Family) {
        while let Err(at) = self
            .context
            .pacer
            .take(family, Class::Refreshes, self.context.clock.now())
        {
            let wait = at
                .duration_since(self.context.clock.now())
                .max(SignedDuration::from_millis(1));
            tokio::time::sleep(wait.unsigned_abs()).await;
        }
    }

    /// All pages of a listing. An empty page may have a successor.
    async fn pages<T, F: Future<Output = Result<Page<T>, AwsError>>>(
        &self,
        family: Family,
        page: impl Fn(Option<String>) -> F,
    ) -> Result<Vec<T>, AwsError> {
        let mut items = Vec::new();
        let mut next = None;
        for _ in 0..MAX_PAGES {
            let Page {
                items: more,
                next: then,
            } = self.call(family, || page(next.clone())).await?;
            items.extend(more);
            if then.is_none() {
                return Ok(items);
            }
            next = then;
        }
        Err(AwsError {
            operation: "List",
            class: ErrorClass::Unclassified("EndlessListing".into()),
            message: format!("a listing did not end after {MAX_PAGES} pages"),
            request_id: None,
        })
    }

    async fn root(&self) -> Result<Root, AwsError> {
        let aws = &self.context.aws;
        let roots = self
            .pages(Family::ListRoots, |next| async move {
                aws.list_roots(next.as_deref()).await
            })
            .await?;
        roots.into_iter().next().ok_or_else(|| AwsError {
            operation: "ListRoots",
            class: ErrorClass::Unclassified("NoRoot".into()),
            message: "the organization has no root".into(),
            request_id: None,
        })
    }

    async fn tags(&self, id: &str) -> Result<Vec<(String, String)>, AwsError> {
        let aws = &self.context.aws;
        self.pages(Family::ListTagsForResource, |next| async move {
            aws.list_tags_for_resource(id, next.as_deref()).await
        })
        .await
    }

    async fn in_progress(&self) -> Result<Vec<CreationRecord>, AwsError> {
        let aws = &self.context.aws;
        self.pages(Family::ListCreateAccountStatus, |next| async move {
            aws.list_creations_in_progress(next.as_deref()).await
        })
        .await
    }

    async fn creation(&self, id: &CreateRequestId) -> Result<CreationRecord, AwsError> {
        let aws = &self.context.aws;
        let described = self
            .call(Family::DescribeCreateAccountStatus, || async move {
                aws.describe_create_account_status(id).await
            })
            .await;
        match described {
            Err(error) if error.class == ErrorClass::CreateAccountStatusNotFound => Ok(CreationRecord {
                id: id.clone(),
                account_name: String::new(),
                state: CreationState::Unknown,
            }),
            described => described,
        }
    }

    /// Requests in progress first, accounts second: a request that ends in between is then seen at least once.
    async fn look(&self) -> Result<(Vec<CreationRecord>, Vec<ObservedAccount>), AwsError> {
        let aws = &self.context.aws;
        let in_progress = self.in_progress().await?;
        let listed = self
            .pages(Family::ListAccounts, |next| async move {
                aws.list_accounts(next.as_deref()).await
            })
            .await?;
        let mut accounts = Vec::with_capacity(listed.len());
        for account in listed {
            accounts.push(self.with_parent(account).await?);
        }
        Ok((in_progress, accounts))
    }

    async fn with_parent(&self, listed: ListedAccount) -> Result<ObservedAccount, AwsError> {
        let aws = &self.context.aws;
        let ListedAccount {
            id,
            arn,
            email,
            name,
            state,
            parent,
        } = listed;
        let parent = match parent {
            Some(parent) => parent,
            None => {
                self.call(Family::ListForParent, || async { aws.list_parents(&id).await })
                    .await?
            }
        };
        Ok(ObservedAccount {
            id,
            arn,
            email,
            name,
            state,
            parent,
            tags: None,
            tags_confirmed: false,
        })
    }

    async fn account(&self, id: &AccountId) -> Result<Option<ObservedAccount>, AwsError> {
        let aws = &self.context.aws;
        let described = self
            .call(Family::DescribeAccount, || async move {
                aws.describe_account(id).await
            })
            .await;
        let account = match described {
            Err(error) if error.class == ErrorClass::AccountNotFound => return Ok(None),
            described => self.with_parent(described?).await?,
        };
        let tags = parse_tags(self.tags(id.as_str()).await?);
        Ok(Some(ObservedAccount {
            tags: Some(tags),
            tags_confirmed: true,
            ..account
        }))
    }

    async fn full(&self) -> Result<Snapshot, AwsError> {
        let aws = &self.context.aws;
        let organization = self
            .call(Family::CreateOrganizationalUnit, || async move {
                aws.describe_organization().await
            })
            .await?;
        let root = self.root().await?;
        let units = self.units(&root.id).await?;
        let (in_progress, accounts) = self.look().await?;
        let (tags, policy_tags) = self.bulk_tags().await?;
        let policies = self.all_policies(&root.policy_types, &policy_tags).await?;
        Ok(Snapshot {
            organization: organization.id,
            management: organization.management,
            root: root.id,
            units,
            accounts,
            tags,
            in_progress,
            policy_types: root.policy_types,
            policies,
        })
    }

    /// Tags of accounts and of policies, by one listing.
    async fn bulk_tags(&self) -> Result<(BTreeMap<AccountId, Tags>, BTreeMap<PolicyId, Tags>), AwsError> {
        let aws = &self.context.aws;
        let listed = self
            .pages(Family::GetResources, |next| async move {
                aws.get_resource_tags(next.as_deref()).await
            })
            .await?;
        let (mut accounts, mut policies) = (BTreeMap::new(), BTreeMap::new());
        for (tagged, tags) in listed {
            match tagged {
                Tagged::Account(id) => drop(accounts.insert(id, tags)),
                Tagged::Policy(id) => drop(policies.insert(id, tags)),
            }
        }
        Ok((accounts, policies))
    }

    /// The tree of units, level by level. Units of the deepest level AWS allows have no children to ask for.
    async fn units(&self, root: &RootId) -> Result<Vec<ObservedUnit>, AwsError> {
        let aws = &self.context.aws;
        let mut units: Vec<ObservedUnit> = Vec::new();
        let mut level = vec![ParentId::Root(root.clone())];
        for _ in 0..OuPath::MAX_DEPTH {
            let mut below = Vec::new();
            for parent in &level {
                let children = self
                    .pages(Family::ListForParent, |next| async move {
                        aws.list_organizational_units_for_parent(parent, next.as_deref())
                            .await
                    })
                    .await?;
                below.extend(children.iter().map(|unit| ParentId::Ou(unit.id.clone())));
                units.extend(children);
            }
            level = below;
        }
        Ok(units)
    }
}

/// Tags that break AWS's own rules cannot exist; should one, it is left out, and so never ours.
fn parse_tags(tags: Vec<(String, String)>) -> Tags {
    tags.into_iter()
        .filter_map(|(key, value)| Some((TagKey::parse(&key).ok()?, TagValue::parse(&value).ok()?)))
        .collect()
}
