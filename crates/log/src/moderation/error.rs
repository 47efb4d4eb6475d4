//! Why an entry is not valid.

use quotapass_protocol::UnixSeconds;

use super::{EntryId, ListKey, PolicyError};
use crate::LeafError;

/// The rules of a moderation log that an entry does not follow. Nothing is appended then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// The entry is not signed JSON.
    #[error(transparent)]
    Leaf(#[from] LeafError),
    /// A value does not have the form it must have.
    #[error("the entry does not have the form of its kind: {0}")]
    Form(String),
    /// The kind is unknown.
    #[error("`{0}` is not a kind of entry of this version; use a newer program to read this log")]
    Kind(String),
    /// Another entry has this identity.
    #[error("the log has an entry with the identity {0} already; give the new entry another one")]
    Twice(EntryId),
    /// The log has no policy yet.
    #[error("the first entry of a log is its policy, signed by the root key")]
    NoPolicy,
    /// Too few moderators signed.
    #[error("{found} of {required} moderators signed the entry; let more of them sign it")]
    Threshold {
        /// The number of moderators that signed.
        found: usize,
        /// The threshold of the policy before the entry.
        required: usize,
    },
    /// A policy that the moderators signed changes the working keys.
    #[error("only the root key changes the working keys; let it sign this policy")]
    WorkingKeys,
    /// The policy is not valid.
    #[error(transparent)]
    Policy(PolicyError),
    /// The entry is of the future.
    #[error("the entry is dated {0} (Unix time), which is in the future; check the clock, and sign it again")]
    Future(UnixSeconds),
    /// The strike would be over before it is in force.
    #[error("the strike ends before it is made; state a time in the future, or `never`")]
    Over,
    /// The post is listed.
    #[error("the strike {0} of this post is in force already")]
    Struck(EntryId),
    /// The entry is one that no member can have written.
    #[error("the struck entry is the neutral one, which stands for an unused place; state the post")]
    Neutral,
    /// The strike is not in force.
    #[error("there is no strike {0} in force; it was lifted, or is of another log")]
    NotInForce(EntryId),
    /// The strike is not over.
    #[error("the strike {0} is not over; moderators may lift it")]
    NotOver(EntryId),
    /// The subject is blocked already.
    #[error("the file or link is blocked already")]
    Blocked,
    /// The subject is not blocked.
    #[error("the file or link is not blocked")]
    NotBlocked,
    /// What is stated as in force is not.
    #[error("the log states {stated}, and its entries give {computed}: its operator miscounts or lies")]
    Active {
        /// What the entry states.
        stated: String,
        /// What follows from the entries.
        computed: String,
    },
    /// A list changed, and the log does not say what is in force in it.
    #[error("the list of `{}` changed, and the log does not state what is in force in it", .0.scope)]
    Unstated(ListKey),
    /// The log does not end with its index.
    #[error("the last entry before a checkpoint states all lists, and here it does not")]
    NoIndex,
}
