//! Simulated AWS Organizations, STS and Resource Groups Tagging API on the real wire.
//!
//! An independent implementation, for tests, demonstrations and plans: it shares no type with its callers, so that one
//! wrong belief about AWS does not pass on both sides. It is as unkind as AWS where AWS is known to be: creation is
//! asynchronous and has no idempotency token, lists lag behind, pages may be empty, every operation has its published
//! rate, and what it refuses carries the real exception name, `Reason` and HTTP status.
//!
//! # Supported
//!
//! * **AWS Organizations** (awsJson 1.1): CloseAccount, CreateAccount, CreateOrganizationalUnit,
//!   DeleteOrganizationalUnit, DescribeAccount, DescribeCreateAccountStatus, DescribeOrganization,
//!   DescribeOrganizationalUnit, ListAccounts, ListAccountsForParent, ListChildren, ListCreateAccountStatus,
//!   ListOrganizationalUnitsForParent, ListParents, ListRoots, ListTagsForResource, MoveAccount, TagResource,
//!   UntagResource, UpdateOrganizationalUnit.
//! * **Resource Groups Tagging API** (awsJson 1.1): GetResources, for the resources of AWS Organizations.
//! * **STS** (awsQuery): AssumeRole, GetCallerIdentity.
//!
//! Every other operation, all of policies, handshakes and delegation included, answers UnknownOperationException
//! (InvalidAction from STS) with HTTP 400, which no SDK retries. No policy type is enabled, so [`State::policies`] and
//! [`State::attachments`] are empty.
//!
//! # Callers
//!
//! Signatures are not verified. The access key id in `Authorization` names the caller: keys that AssumeRole handed out
//! are member sessions, every other key is an administrator of the management account. A member session may call
//! DescribeOrganization and STS; GetResources shows it nothing.
//!
//! # Time and chance
//!
//! Time is the clock given to [`Orgsim::new`], chance the seed in [`Settings`]: the same seed, clock and order of calls
//! give the same bytes. What is due happens at the next call, in order.
//!
//! # What the sources leave open
//!
//! Choices made where AWS's documentation is silent, each the less comfortable one: operations in one row of the
//! throttling table share a bucket; ListTagsForResource pages at 20; a default page is 20; listings are in order of
//! ids; a new creation request is missing from ListCreateAccountStatus as long as a new account may be missing from
//! ListAccounts; moves, renames and reads by id are visible at once; a closing account is answered like a closed one.

mod clock;
mod debug;
mod orgsim;
mod server;
mod settings;
mod wire;
mod world;

pub use clock::{real_clock, tokio_clock};
pub use debug::{
    AccountState, AccountView, AttachmentView, Call, CreationView, FailureReason, MutateError, Mutation,
    OrganizationalUnitView, PolicyView, RootView, State,
};
pub use orgsim::Orgsim;
pub use server::{Running, serve};
pub use settings::{Limits, Settings};
