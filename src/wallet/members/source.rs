//! Where upper nodes and buckets come from.

use quotapass_circuits::{
    formats::wire::DecodeError,
    membership::{Bucket, BucketNumber, MemberTree, UpperNodes},
};

/// An answer that did not come, or is not one. It says nothing about whether the answers that do come are true.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// There is no such bucket.
    #[error("there are no members in bucket {0}; the source is behind, ask another one")]
    NoSuchBucket(BucketNumber),
    /// No answer in time.
    #[error("{url} did not answer within the time allowed; try again later, or another relay")]
    Timeout {
        /// What was asked.
        url: String,
    },
    /// No connection, or one that broke.
    #[error("cannot get {url}: {reason}; check the address and the connection, or try another relay")]
    Unreachable {
        /// What was asked.
        url: String,
        /// What the system or the other side says.
        reason: String,
    },
    /// An answer other than success.
    #[error("{url} answered with status {status}; check that it is a relay, or try another one")]
    Status {
        /// What was asked.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// A longer answer than any there can be.
    #[error("{url} sends more than the {limit} bytes that this answer can have; try another relay")]
    TooLong {
        /// What was asked.
        url: String,
        /// The most bytes of a true answer.
        limit: usize,
    },
    /// An answer that does not decode.
    #[error("{url} sent what is not part of a member tree: {error}; try another relay")]
    Malformed {
        /// What was asked.
        url: String,
        /// What is wrong.
        error: DecodeError,
    },
}

/// Whoever has the member tree: a relay, or a copy of one's own.
pub trait MembersSource {
    /// The roots of all buckets.
    ///
    /// # Errors
    /// [`SourceError`].
    fn upper_nodes(&self) -> Result<UpperNodes, SourceError>;

    /// The members of a bucket.
    ///
    /// # Errors
    /// [`SourceError`].
    fn bucket(&self, number: BucketNumber) -> Result<Bucket, SourceError>;
}

/// A copy of one's own asks nobody.
impl MembersSource for MemberTree {
    fn upper_nodes(&self) -> Result<UpperNodes, SourceError> {
        Ok(self.upper_nodes())
    }

    fn bucket(&self, number: BucketNumber) -> Result<Bucket, SourceError> {
        self.bucket(number).ok_or(SourceError::NoSuchBucket(number))
    }
}
