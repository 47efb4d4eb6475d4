//! Sources of upper nodes and buckets.

use std::sync::{Arc, Mutex};

use quotapass_circuits::membership::{
    Bucket, BucketNumber, Day, Levels, Member, MemberIndex, MemberTree, Terms, UpperNodes,
};
use quotapass_wallet::members::{self, SourceError};

use crate::{
    ChainHead, QuotapassError, lock,
    membership::LEVELS,
    progress::{Progress, Step},
    text::field,
};

/// Errors of a source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, uniffi::Error)]
#[non_exhaustive]
pub enum SourceFailure {
    /// The bucket does not exist: the relay answered with status 404.
    #[error("there is no such bucket")]
    NotFound,
    /// There was no connection, no answer in time, or the status is not a success.
    #[error("{reason}")]
    Unreachable {
        /// The failure.
        reason: String,
    },
}

impl From<uniffi::UnexpectedUniFFICallbackError> for SourceFailure {
    fn from(error: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Unreachable { reason: error.reason }
    }
}

/// A source of the member tree. Implement it with the app's HTTP client.
///
/// Requests must contain nothing that distinguishes one wallet from another: no cookie, no program name, no conditional
/// headers. Use a new connection for each request, and a proxy if the IP address must stay unknown.
#[uniffi::export(rust, foreign)]
pub trait MembersSource: Send + Sync {
    /// Returns the relay's answer to `GET /v1/members/upper`.
    ///
    /// # Errors
    /// `SourceFailure`.
    fn upper_nodes(&self) -> Result<Vec<u8>, SourceFailure>;

    /// Returns the relay's answer to `GET /v1/members/buckets/{number}`.
    ///
    /// # Errors
    /// `SourceFailure`.
    fn bucket(&self, number: u32) -> Result<Vec<u8>, SourceFailure>;
}

/// Adapter of the app's source to the wallet's interface.
pub(crate) struct ForeignSource<'a> {
    pub(crate) source: &'a dyn MembersSource,
    pub(crate) progress: &'a Progress,
    /// The step at which the call was cancelled. The source was not asked then.
    pub(crate) cancelled: &'a Mutex<Option<QuotapassError>>,
}

impl ForeignSource<'_> {
    fn ask(
        &self,
        step: Step,
        what: &str,
        limit: usize,
        ask: impl FnOnce() -> Result<Vec<u8>, SourceFailure>,
        absent: SourceError,
    ) -> Result<Vec<u8>, SourceError> {
        let unreachable = |reason: String| SourceError::Unreachable { url: what.into(), reason };
        if let Err(error) = self.progress.begin(step) {
            let reason = error.to_string();
            lock(self.cancelled).replace(error);
            return Err(unreachable(reason));
        }
        let bytes = ask().map_err(|failure| match failure {
            SourceFailure::NotFound => absent,
            SourceFailure::Unreachable { reason } => unreachable(reason),
        })?;
        if bytes.len() > limit { Err(SourceError::TooLong { url: what.into(), limit }) } else { Ok(bytes) }
    }
}

impl members::MembersSource for ForeignSource<'_> {
    fn upper_nodes(&self) -> Result<UpperNodes, SourceError> {
        let url = "the upper nodes";
        let absent = SourceError::Status { url: url.into(), status: 404 };
        let limit = UpperNodes::max_bytes(LEVELS);
        let bytes = self.ask(Step::FetchUpperNodes, url, limit, || self.source.upper_nodes(), absent)?;
        UpperNodes::from_bytes(&bytes).map_err(|error| SourceError::Malformed { url: url.into(), error })
    }

    fn bucket(&self, number: BucketNumber) -> Result<Bucket, SourceError> {
        let url = format!("bucket {number}");
        let absent = SourceError::NoSuchBucket(number);
        let limit = Bucket::max_bytes(LEVELS);
        let bytes = self.ask(Step::FetchBucket, &url, limit, || self.source.bucket(number.0), absent)?;
        Bucket::from_bytes(&bytes).map_err(|error| SourceError::Malformed { url, error })
    }
}

/// Answers that the app has already fetched.
pub(crate) struct FetchedSource {
    pub(crate) upper: UpperNodes,
    pub(crate) buckets: Vec<Bucket>,
}

impl members::MembersSource for FetchedSource {
    fn upper_nodes(&self) -> Result<UpperNodes, SourceError> {
        Ok(self.upper.clone())
    }

    fn bucket(&self, number: BucketNumber) -> Result<Bucket, SourceError> {
        let bucket = self.buckets.iter().find(|bucket| bucket.number() == number);
        bucket.cloned().ok_or(SourceError::NoSuchBucket(number))
    }
}

/// A local member tree, for tests and experiments. It is also a source.
#[derive(uniffi::Object)]
pub struct LocalMembers {
    tree: Mutex<MemberTree>,
}

#[uniffi::export]
impl LocalMembers {
    /// An empty tree with the standard 11 levels.
    #[uniffi::constructor]
    pub fn new() -> Arc<Self> {
        Arc::new(Self { tree: Mutex::new(MemberTree::new(Levels::STANDARD)) })
    }

    /// Adds a member and returns its index: the commitment, the stake in the registry's units, the message limit for
    /// each epoch and scope, and the day of the deposit, counted from the Unix epoch.
    ///
    /// # Errors
    /// `BadInput` if a value is not valid, or the tree is full.
    pub fn append(
        &self,
        commitment: String,
        stake: u32,
        message_limit: u16,
        since: u16,
    ) -> Result<u32, QuotapassError> {
        let commitment = field("commitment", &commitment)?;
        let terms = Terms::new(stake, message_limit, Day(since))
            .map_err(|error| QuotapassError::bad_input("message_limit", error))?;
        let update = lock(&self.tree).append(Member { commitment, terms });
        Ok(update.map_err(|error| QuotapassError::bad_input("commitment", error))?.index.0)
    }

    /// Removes a member, as a withdrawal or a slash does.
    ///
    /// # Errors
    /// `BadInput` if there is no member at this index.
    pub fn remove(&self, index: u32) -> Result<(), QuotapassError> {
        let removed = lock(&self.tree).remove(MemberIndex(index));
        removed.map(drop).map_err(|error| QuotapassError::bad_input("index", error))
    }

    /// Root and member count, in the form of the chain's state.
    pub fn head(&self) -> ChainHead {
        let tree = lock(&self.tree);
        ChainHead { root: tree.root().to_string(), member_count: tree.len() as u64 }
    }
}

#[uniffi::export]
impl MembersSource for LocalMembers {
    fn upper_nodes(&self) -> Result<Vec<u8>, SourceFailure> {
        Ok(lock(&self.tree).upper_nodes().to_bytes())
    }

    fn bucket(&self, number: u32) -> Result<Vec<u8>, SourceFailure> {
        let bucket = lock(&self.tree).bucket(BucketNumber(number));
        bucket.map(|bucket| bucket.to_bytes()).ok_or(SourceFailure::NotFound)
    }
}
