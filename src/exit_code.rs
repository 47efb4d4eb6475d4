//! The exit codes of the program, which tell scripts the kind of a failure.
//!
//! `cargo xtask generate` compiles this file too, and writes its list to docs/depositors.md. Therefore the file uses no
//! other module.

/// A kind of end of the program. Its exit code is its position in this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitKind {
    Success,
    Unlisted,
    Arguments,
    Refused,
    Endpoint,
    NotNow,
    NotAccepted,
    Declined,
    PolicyMismatch,
    Struck,
}

impl ExitKind {
    /// All kinds, each at the index of its code.
    pub(crate) const ALL: [Self; 10] = [
        Self::Success,
        Self::Unlisted,
        Self::Arguments,
        Self::Refused,
        Self::Endpoint,
        Self::NotNow,
        Self::NotAccepted,
        Self::Declined,
        Self::PolicyMismatch,
        Self::Struck,
    ];

    /// Returns the exit code.
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }

    /// Returns the stable name: the `code` of an error in JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Unlisted => "failure",
            Self::Arguments => "arguments",
            Self::Refused => "refused",
            Self::Endpoint => "endpoint",
            Self::NotNow => "not_now",
            Self::NotAccepted => "not_accepted",
            Self::Declined => "declined",
            Self::PolicyMismatch => "policy_mismatch",
            Self::Struck => "struck",
        }
    }

    /// Returns the meaning, for `--help` and documents.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Unlisted => "failure for a reason not listed here",
            Self::Arguments => "an argument or a setting is missing or not valid",
            Self::Refused => "the contract, the chain or a moderation log rejects the call, or would reject it",
            Self::Endpoint => "an endpoint, a relay or a log server does not answer, or answers incorrectly",
            Self::NotNow => "no message can be sent now: the quota is used up, or the ledger has to wait",
            Self::NotAccepted => "a verdict other than accepted",
            Self::Declined => "you declined the confirmation",
            Self::PolicyMismatch => "policies differ that should be equal",
            Self::Struck => "a list of the scope has a post of yours, and nothing was sent",
        }
    }
}
