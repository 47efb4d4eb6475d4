//! Reasons why a relay decides nothing.

/// The reason why nothing was decided.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Overload {
    /// The nullifier log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Too many posts are waiting.
    #[error("the relay is overloaded; try again soon")]
    Queue,
    /// The relay is stopping, and accepts no further posts.
    #[error("the relay is stopping; try another one")]
    Stopping,
    /// The relay has no policy for the scope, and is configured to ignore such posts.
    #[error("this relay does not carry the scope")]
    UnlistedScope,
    /// The relay failed while it worked on the post. This is the only variant after which the post may be recorded.
    #[error("the relay failed; send the post again: the verdict `replay` then means that it was recorded")]
    Failure,
}

/// Errors of a log; nothing was recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The log cannot be reached or written. Posters may read the reason, so it names no servers and no paths.
    #[error("the nullifier log does not answer ({0}); nothing was recorded, try again")]
    Unavailable(String),
    /// The log can be written, but does not keep its records reliably. The reason names no servers.
    #[error("the nullifier log is not reliable: {0}")]
    Unfit(String),
    /// The log is not the one that this relay knows, or is incomplete, so recorded passes could be accepted again.
    #[error(
        "the nullifier log was {0}, so posts recorded in it could be accepted again; restore it, or begin a new one \
             with --new-log after the running epochs have ended"
    )]
    Lost(&'static str),
    /// The epoch is already expired. This happens after a clock went back.
    #[error("the epoch's nullifiers are already expired; check the clock")]
    Expired,
    /// The log does not contain what was recorded: bytes do not decode, or a share is on no proved line.
    #[error("the nullifier log is damaged: it does not contain what was recorded; restore it")]
    Damaged,
    /// The log has a record of an unsupported version.
    #[error(
        "the nullifier log has a record of version {0}, which this program cannot read; use the program that wrote it"
    )]
    Version(u8),
}
