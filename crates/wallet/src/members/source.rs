//! Sources of upper nodes and buckets.

use quotapass_circuits::{
    formats::wire::DecodeError,
    membership::{Bucket, BucketNumber, MemberTree, UpperNodes},
};

/// Error of a source: an answer is missing or malformed. Well-formed answers may still be false; they are checked
/// later.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The bucket has no members.
    #[error("there are no members in bucket {0}; the source is behind, ask another one")]
    NoSuchBucket(BucketNumber),
    /// The source did not answer in time.
    #[error("{url} did not answer within the time allowed; try again later, or another relay")]
    Timeout {
        /// The requested URL.
        url: String,
    },
    /// The connection failed or was broken.
    #[error("cannot get {url}: {reason}; check the address and the connection, or try another relay")]
    Unreachable {
        /// The requested URL.
        url: String,
        /// The error of the system or the server.
        reason: String,
    },
    /// The HTTP status is not a success.
    #[error("{url} answered with status {status}; check that it is a relay, or try another one")]
    Status {
        /// The requested URL.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The answer is longer than a valid one can be.
    #[error("{url} sends more than the {limit} bytes that this answer can have; try another relay")]
    TooLong {
        /// The requested URL.
        url: String,
        /// Maximum length of a valid answer in bytes.
        limit: usize,
    },
    /// The answer does not decode.
    #[error("{url} sent what is not part of a member tree: {error}; try another relay")]
    Malformed {
        /// The requested URL.
        url: String,
        /// The fault.
        error: DecodeError,
    },
}

/// A source of the member tree: a relay, or a local copy.
pub trait MembersSource {
    /// Reads the roots of all buckets.
    ///
    /// # Errors
    /// [`SourceError`].
    fn upper_nodes(&self) -> Result<UpperNodes, SourceError>;

    /// Reads the members of a bucket.
    ///
    /// # Errors
    /// [`SourceError`].
    fn bucket(&self, number: BucketNumber) -> Result<Bucket, SourceError>;
}

/// A local copy sends no requests.
impl MembersSource for MemberTree {
    fn upper_nodes(&self) -> Result<UpperNodes, SourceError> {
        Ok(self.upper_nodes())
    }

    fn bucket(&self, number: BucketNumber) -> Result<Bucket, SourceError> {
        self.bucket(number).ok_or(SourceError::NoSuchBucket(number))
    }
}
