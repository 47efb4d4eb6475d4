//! The rules that relays, wallets and apps must agree on: scopes and policies, roots in time, verdicts, and evidence.
//!
//! This crate has no clock, file, socket or chain: time is an argument, in [`UnixSeconds`].
//!
//! - [`Policy`] is what a scope asks of its posters. [`PolicyHistory`] decides which policies of a scope hold at a moment,
//!   and [`PolicyTable`] holds the scopes of one relay.
//! - [`RootHistory`] decides which roots of the member tree are accepted at a moment.
//! - [`Verdict`] is the answer to a pass, with its JSON form and effect on gossip. [`VerdictKind`] has the names and
//!   numbers of all verdicts, and [`ErrorCode`] the names of the errors that bindings give to apps.
//! - [`Evidence`] is two shares of one nullifier, which give away the member's secret.
//! - [`BadgeChallenge`] is what the owner of a badge's chat key signs.
//! - `note` (feature `notes`) signs statements, such as a relay's policies.

mod challenge;
mod error_code;
mod evidence;
#[cfg(feature = "notes")]
pub mod note;
mod overload;
mod policy;
mod roots;
#[cfg(test)]
mod samples;
mod verdict;

pub use challenge::{BadgeChallenge, Possession, PossessionError};
pub use error_code::ErrorCode;
pub use evidence::{Evidence, EvidenceRecord};
pub use overload::{LogError, Overload};
pub use policy::{
    DatedPolicy, HEAD_SECONDS, Policy, PolicyError, PolicyHistory, PolicyTable, SLASH_SECONDS, ScopePolicy,
    StatedTerms, UnlistedScope, UnlistedVerdict,
};
#[cfg(feature = "notes")]
pub use policy::{
    NotAPolicyHash, POLICY_CONTEXT, POLICY_KEY_NAME, PoliciesStatement, PolicyHash, PolicyStatement, RegistryStatement,
    StatedPoliciesError,
};
pub use quotapass_circuits::time::UnixSeconds;
pub use roots::{Horizon, RootHistory, RootStatus};
pub use verdict::{Gossip, Malformed, QuotaExceeded, RequirementMismatch, Verdict, VerdictKind};
